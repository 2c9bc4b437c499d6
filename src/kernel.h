/* Kernels of a context: made once per spec, shared by those who ask for the same. */
#ifndef KILN_KERNEL_H
#define KILN_KERNEL_H

#include "generate.h"
#include "program.h"

/* What a launch needs under one set of dimensions. */
typedef struct kiln_sizes {
    int64_t dims[KILN_MAX_DIMS];
    kiln_extents extents[KILN_MAX_PARAMETERS]; /* of the buffers */
    size_t global[KILN_MAX_STAGES], local[KILN_MAX_STAGES];
    size_t scratch[KILN_MAX_SCRATCH]; /* bytes of those in force */
} kiln_sizes;

typedef enum kiln_kernel_state {
    KILN_KERNEL_BUILDING,
    KILN_KERNEL_READY,
    KILN_KERNEL_FAILED
} kiln_kernel_state;

struct kiln_kernel {
    /* Under the context's lock. */
    struct kiln_kernel *next;
    size_t references;
    uint64_t used;
    kiln_kernel_state state;
    bool unlisted; /* not for the next who asks for the spec: tuning has changed since, or it was
                      made to be measured */

    /* Fixed once the kernel is ready. */
    kiln_context *context;
    kiln_spec spec;
    kiln_generated generated;
    char *tuning;
    kiln_cache_result cache;
    double create_s;

    pthread_mutex_t lock; /* of what follows: a cl_kernel's arguments are its own state */
    kiln_program programs[KILN_MAX_STAGES];
    kiln_sizes sizes; /* of the last launch */
    bool has_sizes;
};

/* Sizes under dims (an array of the row's dimensions, none left to the launch). */
kiln_status kiln_kernel_sizes(const kiln_kernel *kernel, const int64_t *dims, kiln_sizes *sizes);

/* Collects launch-time dimensions from args into dims; strict: every one must be there. who stands
 * before a sentence. */
kiln_status kiln_kernel_dims(const kiln_kernel *kernel, const kiln_arg *args, size_t num_args,
                             bool strict, int64_t *dims);

/* As kiln_create_kernel, but of these tuning values and nobody else's; its binary is not kept.
 * KILN_UNSUPPORTED if the values do not fit. */
kiln_status kiln_kernel_try(kiln_context *context, const char *spec,
                            const kiln_candidate *candidate, kiln_kernel **kernel);

/* Whoever asks for a kernel of this row (NULL: any) from now on gets a new one. */
void kiln_kernels_outdate(kiln_context *context, const kiln_row *row);

/* Frees every kernel of a context that nobody uses any more. */
void kiln_kernels_free(kiln_context *context);

#endif
