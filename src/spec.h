/* A spec: what a caller asks for, parsed, checked against its row, and in canonical text. */
#ifndef KILN_SPEC_H
#define KILN_SPEC_H

#include "registry.h"

/* Options of a row and of every kernel, in one list. */
#define KILN_MAX_SPEC_OPTIONS (KILN_MAX_OPTIONS + 4)

typedef struct kiln_spec {
    const kiln_row *row;
    int64_t dims[KILN_MAX_DIMS]; /* KILN_LAUNCH_TIME for `?` */
    size_t num_dims, num_options;
    const kiln_option *options[KILN_MAX_SPEC_OPTIONS];
    kiln_value values[KILN_MAX_SPEC_OPTIONS]; /* texts point into names */
    char names[KILN_MAX_SPEC_OPTIONS][16];
    char *text; /* canonical */
} kiln_spec;

/* KILN_INVALID_SPEC with a sentence for anything wrong that can be seen without the launch-time
 * dimensions. The spec is freed with kiln_spec_free, only after success. */
kiln_status kiln_spec_parse(const char *text, kiln_spec *spec);
void kiln_spec_free(kiln_spec *spec);

/* -1 if the row has no such dimension. */
int kiln_row_dim(const kiln_row *row, const char *name);

/* Rows take their own options first, then those of every kernel. NULL past the end. */
const kiln_option *kiln_row_option(const kiln_row *row, size_t index);

/* Binds the spec's dimensions, options and lets. dims overrides those that the spec leaves to the
 * launch (an array of num_dims); NULL: they are symbols by their names. */
kiln_status kiln_spec_bind(const kiln_spec *spec, const int64_t *dims, kiln_env *env);

/* The same with dimensions as reals, so that costs do not overflow. */
kiln_status kiln_spec_bind_real(const kiln_spec *spec, const int64_t *dims, kiln_env *env);

/* Evaluates name-and-formula pairs (up to a NULL name, at most max) in order into env. */
kiln_status kiln_bind_lets(const kiln_let *lets, size_t max, kiln_env *env);

/* The row's rules that env can decide; who stands before the sentence of the broken one. */
kiln_status kiln_spec_check(const kiln_spec *spec, kiln_env *env, kiln_status broken);

/* The same of any rules, up to KILN_MAX_RULES of them. */
kiln_status kiln_rules_check(const kiln_rule *rules, const char *who, kiln_env *env,
                             kiln_status broken);

/* NULL when the rule holds or only the launch can tell; else its sentence in *sentence, which the
 * caller frees. */
kiln_status kiln_rule_check(const kiln_rule *rule, kiln_env *env, char **sentence);

#endif
