/* What the tests of attention share: specs, data of which o and lse are the forward pass's, and a
 * run that may not be refused. */
#ifndef KILN_ATTENTION_SUPPORT_H
#define KILN_ATTENTION_SUPPORT_H

#include "support.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

extern const char *const attention_kernels[2]; /* forward, backward */

/* What the numbers are. */
typedef enum attention_data {
    PLAIN,     /* N(0,1) */
    LARGE,     /* scores of some 1e4 */
    ARBITRARY, /* o and lse of no forward pass, -inf in some rows of lse */
    QUERIES,   /* NaN and inf in some rows of q */
    KEYS,      /* NaN and inf in some keys of one head of k */
    VALUES     /* NaN and inf here and there in v */
} attention_data;

/* A spec that outlives the next calls of test_format. */
typedef struct attention_spec {
    char text[240];
} attention_spec;

/* what = kernel + 2 variant + 4 dtype, as a loop counts: "flash_attention WORDS dtype=f32 OPTIONS
 * variant=vector". */
attention_spec attention_spec_of(int what, const char *words, const char *options);

/* Whether the kernel's row has the variant. */
bool attention_has_variant(const char *kernel, const char *variant);

/* Launches it and compares with the oracle; batch and the sequences are the launch's, where the
 * spec leaves them open. Fails if the device refuses what it should take. */
void attention_run(const attention_spec *spec, int batch, int seq_q, int seq_k,
                   attention_data kind);

/* The same with its tensors `misalign' elements, and more, past aligned addresses (test_case). */
void attention_run_at(const attention_spec *spec, int batch, int seq_q, int seq_k,
                      attention_data kind, int misalign);

#endif
