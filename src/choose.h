/* Which variant of a row, with which tuning values, on a device of these facts. */
#ifndef KILN_CHOOSE_H
#define KILN_CHOOSE_H

#include "facts.h"
#include "spec.h"

typedef struct kiln_chosen {
    const kiln_variant *variant;
    int values[KILN_MAX_TUNE]; /* of variant->tune, in its order */
    char *refusals;            /* a sentence for every variant passed over, or NULL */
} kiln_chosen;

/* KILN_UNSUPPORTED with every variant's reason if none fits. chosen is freed with
 * kiln_chosen_free, only after success. */
kiln_status kiln_choose(const kiln_spec *spec, const kiln_facts *facts, kiln_chosen *chosen);
void kiln_chosen_free(kiln_chosen *chosen);

/* Binds the tuning values and the variant's lets, in an env that has facts and spec bound. */
kiln_status kiln_chosen_bind(const kiln_chosen *chosen, kiln_env *env);

/* "BM=64 BN=64". */
void kiln_chosen_print(const kiln_chosen *chosen, kiln_text *out);

#endif
