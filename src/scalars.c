#include "scalars.h"
#include <math.h>
#include <string.h>

/* ---- what comes in ----------------------------------------------------------------------- */

static kiln_status bind_number(const char *row, const kiln_number *number, const kiln_arg *arg,
                               kiln_env *env)
{
    if (number->integer) {
        if (arg->real != (double)arg->integer)
            return kiln_fail(KILN_INVALID_LAUNCH, "%s: %s=%.17g: must be a whole number", row,
                             number->name, arg->real);
        return kiln_env_int(env, number->name, arg->integer);
    }
    if (!isfinite(arg->real))
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: %s=%g: must be a finite number", row,
                         number->name, arg->real);
    return kiln_env_real(env, number->name, arg->real);
}

/* ---- what goes out ----------------------------------------------------------------------- */

static kiln_status pass(const kiln_passed *passed, kiln_env *env, kiln_passed_values *values)
{
    kiln_value value;
    kiln_status status = kiln_expr_eval(passed->formula, env, &value);
    if (status != KILN_OK)
        return status;
    if (value.kind != KILN_INT && value.kind != KILN_REAL)
        return kiln_fail(KILN_TEMPLATE_ERROR, "%s: \"%s\" is no number", passed->name,
                         passed->formula);
    double real = value.kind == KILN_REAL ? value.real : (double)value.integer;
    int64_t whole = value.kind == KILN_REAL ? (int64_t)value.real : value.integer;
    cl_float as_float = (cl_float)real;
    cl_uint as_uint = (cl_uint)whole; /* an int's bits are the same */
    bool is_float = strcmp(passed->type, "float") == 0;
    bool is_long = strcmp(passed->type, "long") == 0 || strcmp(passed->type, "ulong") == 0;
    const void *from = is_float  ? (const void *)&as_float
                       : is_long ? (const void *)&whole
                                 : (const void *)&as_uint;
    values->sizes[values->count] = is_long ? 8 : 4;
    memcpy(values->bytes[values->count], from, values->sizes[values->count]);
    values->count++;
    return KILN_OK;
}

kiln_status kiln_scalars_pass(const kiln_kernel *kernel, const kiln_arg *const *of,
                              kiln_passed_values *values)
{
    const kiln_row *row = kernel->spec.row;
    const kiln_signature *signature = &kernel->generated.signature;
    values->count = 0;
    if (!row->passed[0].name)
        return KILN_OK;
    kiln_env env;
    kiln_env_init(&env, NULL);
    kiln_status status = KILN_OK;
    for (size_t p = 0; p < signature->count && status == KILN_OK; p++)
        if (signature->parameters[p].kind == KILN_ARG_SCALAR)
            status = bind_number(row->name, signature->parameters[p].number, of[p], &env);
    if (status == KILN_OK)
        status = kiln_rules_check(row->number_rules, row->name, &env, KILN_INVALID_LAUNCH);
    for (size_t i = 0; i < KILN_MAX_PASSED && row->passed[i].name && status == KILN_OK; i++)
        status = pass(&row->passed[i], &env, values);
    kiln_env_free(&env);
    return status;
}
