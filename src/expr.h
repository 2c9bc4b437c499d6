/* The one evaluator of formulas: in templates, in registry rows and in refusals.
 *
 * A formula is C's integer expression syntax over names:
 *     ?:  ||  &&  == !=  < <= > >=  + -  * / %  unary - !  ( )  'string'  123  1e-5
 *     ceildiv(a,b)  roundup(a,b)  min(a,b)  max(a,b)  known(x)  defined(name)
 *     pow(a,b)  exp(a)  ceil(a)  f32(a)  trunc(a): of numbers, in double; f32 rounds to what a
 *     float holds, trunc gives the integer towards zero
 * || && ?: evaluate only what they need. Integers are 64-bit and overflow is an error; a real
 * operand makes the operation real, so that a formula over real dimensions counts without
 * overflow (costs). A launch-time dimension is a symbol: what depends on it is the C expression as
 * text, what does not is folded; known() tells them apart.
 */
#ifndef KILN_EXPR_H
#define KILN_EXPR_H

#include "status.h"

typedef enum kiln_value_kind { KILN_INT, KILN_REAL, KILN_STRING, KILN_SYMBOL } kiln_value_kind;

typedef struct kiln_value {
    kiln_value_kind kind;
    int64_t integer;  /* KILN_INT */
    double real;      /* KILN_REAL */
    const char *text; /* KILN_STRING and KILN_SYMBOL; belongs to the env it was evaluated in */
} kiln_value;

/* Names and their values. A child scope sees its parent's names and may hide them; the parent must
 * outlive it. Not for use by two threads at once. */
typedef struct kiln_env {
    struct kiln_binding *bindings;
    size_t count, capacity;
    struct kiln_env_string *strings;
    const struct kiln_env *parent;
} kiln_env;

void kiln_env_init(kiln_env *env, const kiln_env *parent);
void kiln_env_free(kiln_env *env);

/* Binds or rebinds name in this scope; name and texts are copied. */
kiln_status kiln_env_set(kiln_env *env, const char *name, kiln_value value);
kiln_status kiln_env_int(kiln_env *env, const char *name, int64_t value);
kiln_status kiln_env_real(kiln_env *env, const char *name, double value);
kiln_status kiln_env_string(kiln_env *env, const char *name, const char *text);
kiln_status kiln_env_symbol(kiln_env *env, const char *name, const char *text);

/* NULL if neither this scope nor a parent binds name. */
const kiln_value *kiln_env_find(const kiln_env *env, const char *name);

/* The name of this scope's i-th binding, NULL past the last. */
const char *kiln_env_name(const kiln_env *env, size_t i);

/* A copy of text that lives as long as env; NULL when memory ran out. */
const char *kiln_env_keep(kiln_env *env, const char *text);

/* Failures are KILN_TEMPLATE_ERROR with the formula and the place in it. */
kiln_status kiln_expr_eval(const char *formula, kiln_env *env, kiln_value *value);

/* The same, and the value must be an integer (a string or symbol is refused). */
kiln_status kiln_expr_eval_int(const char *formula, kiln_env *env, int64_t *value);

/* Whether the formula is true; it is where it is NULL, as `when` is of what is always there. */
kiln_status kiln_expr_holds(const char *formula, kiln_env *env, bool *result);

/* The same as a number. */
kiln_status kiln_expr_eval_real(const char *formula, kiln_env *env, double *value);

/* Whether name occurs in formula as a whole identifier. */
bool kiln_expr_mentions(const char *formula, const char *name);

/* strtod and printf's shortest exact digits, with a point whatever the caller's locale. */
double kiln_real_parse(const char *text, const char **end);
void kiln_real_print(kiln_text *out, double value);

/* The value as it is written into a program or a sentence: 12, 1e-05f (program) or 1e-05. */
void kiln_value_print(kiln_text *out, const kiln_value *value, bool program);

#endif
