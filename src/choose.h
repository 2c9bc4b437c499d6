/* Which variant of a row, with which tuning values, on a device of these facts. */
#ifndef KILN_CHOOSE_H
#define KILN_CHOOSE_H

#include "facts.h"
#include "spec.h"

/* Tuning values found elsewhere, to be used where they fit. */
typedef struct kiln_candidate {
    const kiln_variant *variant;
    int values[KILN_MAX_TUNE]; /* of variant->tune, in its order */
    kiln_tuning_origin origin;
    const char *from; /* the spec that they were found for, or NULL */
} kiln_candidate;

typedef struct kiln_chosen {
    const kiln_variant *variant;
    int values[KILN_MAX_TUNE]; /* of variant->tune, in its order */
    char *refusals;            /* a sentence for every variant passed over, or NULL */
    kiln_tuning_origin origin; /* of the values */
    char *from;                /* the spec that they were found for, or NULL */
} kiln_chosen;

/* KILN_UNSUPPORTED with every variant's reason if none fits. chosen is freed with
 * kiln_chosen_free, only after success. */
kiln_status kiln_choose(const kiln_spec *spec, const kiln_facts *facts, kiln_chosen *chosen);
void kiln_chosen_free(kiln_chosen *chosen);

/* The same, but the first of the candidates that fits, if any does, is what is chosen. */
kiln_status kiln_choose_among(const kiln_spec *spec, const kiln_facts *facts,
                              const kiln_candidate *candidates, size_t count, kiln_chosen *chosen);

/* Whether variant and values may be used: the variant is allowed, each value is in its list (or is
 * what a preset gives it here), and `require' holds. *reason, which the caller frees: NULL if so,
 * else a sentence. */
kiln_status kiln_choose_check(const kiln_spec *spec, const kiln_facts *facts,
                              const kiln_variant *variant, const int *values, char **reason);

/* Where a search may start. The values that the index-th preset of variant leads to, completed as
 * in choosing; behind the last preset stand the first values of the whole space that fit, and
 * behind these nothing (*end). *found: there are some. */
kiln_status kiln_choose_start(const kiln_spec *spec, const kiln_facts *facts,
                              const kiln_variant *variant, size_t index, int *values, bool *found,
                              bool *end);

/* How many names variant->tune has. */
size_t kiln_num_tune(const kiln_variant *variant);

/* The values that a tuning name of variant may take: its list and what presets give it here, in
 * rising order; values has room for KILN_MAX_CHOICES. */
#define KILN_MAX_CHOICES (KILN_MAX_VALUES + KILN_MAX_PRESETS)
kiln_status kiln_choose_values(const kiln_spec *spec, const kiln_facts *facts,
                               const kiln_variant *variant, size_t tune, int *values,
                               size_t *count);

/* Binds the tuning values and the variant's lets, in an env that has facts and spec bound. */
kiln_status kiln_chosen_bind(const kiln_chosen *chosen, kiln_env *env);

/* "BM=64 BN=64". */
void kiln_chosen_print(const kiln_chosen *chosen, kiln_text *out);
void kiln_values_print(const kiln_variant *variant, const int *values, kiln_text *out);

#endif
