/* From a spec and a device's facts to OpenCL C: variant and tuning chosen, templates expanded.
 * Needs no OpenCL driver. */
#ifndef KILN_GENERATE_H
#define KILN_GENERATE_H

#include "choose.h"
#include "signature.h"

/* One OpenCL kernel. Its arguments are the signature's buffers and dimensions in order: a buffer is
 * a pointer and a ulong offset in elements, a dimension a long. Then come the numbers that the row
 * passes, and the pointers of the variant's scratch that is in force. */
typedef struct kiln_stage_text {
    const kiln_stage *stage;
    char *entry;
    char *source;
} kiln_stage_text;

typedef struct kiln_generated {
    kiln_signature signature;
    kiln_chosen chosen;
    bool scratch[KILN_MAX_SCRATCH]; /* of the variant's: in force */
    size_t num_stages;
    kiln_stage_text stages[KILN_MAX_STAGES];
} kiln_generated;

/* template_dir: NULL for the embedded templates. generated is freed with kiln_generated_free, only
 * after success. */
kiln_status kiln_generate(const kiln_spec *spec, const kiln_facts *facts, const char *template_dir,
                          kiln_generated *generated);
/* The same by kiln_choose_among. */
kiln_status kiln_generate_among(const kiln_spec *spec, const kiln_facts *facts,
                                const char *template_dir, const kiln_candidate *candidates,
                                size_t count, kiln_generated *generated);
void kiln_generated_free(kiln_generated *generated);

#endif
