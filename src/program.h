/* Programs: built from source or from the disk cache, and kept there. */
#ifndef KILN_PROGRAM_H
#define KILN_PROGRAM_H

#include "context.h"

typedef struct kiln_program {
    cl_program program;
    cl_kernel kernel;
    char *identity; /* under which its binary is kept, before its first launch; else NULL */
    bool pending;   /* launched, and its binary may not have been read yet */
    bool from_disk;
} kiln_program;

/* The build options of every program. */
extern const char kiln_build_options[];

/* Builds source and creates its kernel entry: from the cache if its binary is there. Where the
 * driver's binary is whole at once it is kept at once; else after a run (kiln_program_ran). Unless
 * keep, it is not kept: a tuner makes many that nobody wants again. */
kiln_status kiln_program_build(kiln_context *context, const char *source, const char *entry,
                               bool keep, kiln_program *program);
void kiln_program_free(kiln_program *program);

/* The identity under which the binary of source is kept. The caller frees it; NULL when memory ran
 * out. */
char *kiln_program_identity(const kiln_context *context, const char *source, const char *entry);

/* Around the enqueueing of each launch, by the thread that holds the kernel's lock. event is the
 * launch's, NULL if it failed: once all launches of the program are over its binary is kept, by a
 * thread of the context, and launches wait while it is read. After that both do nothing. */
void kiln_program_enter(kiln_context *context, kiln_program *program);
void kiln_program_ran(kiln_context *context, kiln_program *program, cl_event event);

/* The thread behind kiln_program_ran; made with the context. NULL when memory ran out. */
struct kiln_saver *kiln_saver_create(kiln_context *context);

/* Waits until every binary whose launch is over is written; launches still under way are not waited
 * for. */
void kiln_saver_flush(struct kiln_saver *saver);
void kiln_saver_free(struct kiln_saver *saver);

#endif
