#include "signature.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A tensor of this many bytes is refused: sizes and offsets stay within 64 bits. */
#define MAX_BYTES 0x1p62

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {[KILN_F32] = {"f32", 4},
              [KILN_F16] = {"f16", 2},
              [KILN_BF16] = {"bf16", 2},
              [KILN_I32] = {"i32", 4}};

const char *kiln_dtype_name(kiln_dtype dtype)
{
    return dtype >= KILN_F32 && dtype <= KILN_I32 ? dtypes[dtype].name : "?";
}

size_t kiln_dtype_size(kiln_dtype dtype)
{
    return dtype >= KILN_F32 && dtype <= KILN_I32 ? dtypes[dtype].size : 0;
}

kiln_dtype kiln_dtype_from_name(const char *name)
{
    for (int i = KILN_F32; i <= KILN_I32; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return (kiln_dtype)i;
    return KILN_DTYPE_DEFAULT;
}

/* ---- making ------------------------------------------------------------------------------ */

/* Whether a parameter has the name, or in the source the code. */
static bool taken(const kiln_signature *signature, const char *name, const char *code)
{
    for (size_t i = 0; i < signature->count; i++)
        if (strcmp(signature->parameters[i].name, name) == 0 ||
            strcmp(signature->parameters[i].code, code) == 0)
            return true;
    return false;
}

/* The tensor's names, with a number behind them if another parameter has one of them already. */
static void name_parameter(const kiln_signature *signature, const kiln_tensor *tensor,
                           kiln_parameter *parameter)
{
    const char *as = tensor->as ? tensor->as : tensor->name;
    char suffix[16] = "";
    for (int number = 2;; number++) {
        snprintf(parameter->name, sizeof parameter->name, "%s%s", tensor->name, suffix);
        snprintf(parameter->code, sizeof parameter->code, "%s%s", as, suffix);
        if (!taken(signature, parameter->name, parameter->code))
            return;
        snprintf(suffix, sizeof suffix, "_%d", number);
    }
}

/* *index: where it went, -1 if it was not asked for. */
static kiln_status add_tensor(const kiln_tensor *tensor, kiln_env *env, kiln_signature *signature,
                              int *index)
{
    bool wanted = false, also_in = false;
    *index = -1;
    kiln_status status = kiln_expr_holds(tensor->when, env, &wanted);
    if (status != KILN_OK || !wanted)
        return status;
    kiln_value dtype;
    status = kiln_expr_eval(tensor->dtype, env, &dtype);
    if (status == KILN_OK && tensor->also_in)
        status = kiln_expr_holds(tensor->also_in, env, &also_in);
    if (status != KILN_OK)
        return status;
    kiln_parameter *parameter = &signature->parameters[signature->count];
    memset(parameter, 0, sizeof *parameter);
    name_parameter(signature, tensor, parameter);
    parameter->kind = KILN_ARG_BUFFER;
    parameter->tensor = tensor;
    parameter->dtype =
        dtype.kind == KILN_STRING ? kiln_dtype_from_name(dtype.text) : KILN_DTYPE_DEFAULT;
    if (parameter->dtype == KILN_DTYPE_DEFAULT)
        return kiln_fail(KILN_TEMPLATE_ERROR, "tensor %s: \"%s\" names no dtype", tensor->name,
                         tensor->dtype);
    parameter->is_input = (tensor->intent & KILN_IN) || also_in;
    parameter->is_output = (tensor->intent & KILN_OUT) != 0;
    *index = (int)signature->count++;
    return KILN_OK;
}

static kiln_status add_row_tensors(const kiln_row *row, bool outputs, kiln_env *env,
                                   kiln_signature *signature)
{
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < KILN_MAX_TENSORS && row->tensors[i].name && status == KILN_OK; i++) {
        int index;
        if (((row->tensors[i].intent & KILN_OUT) != 0) == outputs)
            status = add_tensor(&row->tensors[i], env, signature, &index);
    }
    return status;
}

static kiln_status find_ops(const kiln_op_use *uses, kiln_env *env, kiln_op_instance *ops,
                            size_t *count)
{
    for (size_t i = 0; i < KILN_MAX_OPS && uses[i].op; i++) {
        bool wanted;
        kiln_status status = kiln_expr_holds(uses[i].when, env, &wanted);
        if (status != KILN_OK)
            return status;
        if (!wanted)
            continue;
        const kiln_op *op = kiln_op_find(uses[i].op);
        if (!op)
            return kiln_fail(KILN_TEMPLATE_ERROR, "there is no op %s", uses[i].op);
        ops[(*count)++] = (kiln_op_instance){op, {-1, -1}};
    }
    return KILN_OK;
}

static kiln_status add_op_tensors(kiln_op_instance *ops, size_t count, bool outputs, kiln_env *env,
                                  kiln_signature *signature)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t t = 0; t < 2 && ops[i].op->tensors[t].name; t++) {
            const kiln_tensor *tensor = &ops[i].op->tensors[t];
            if (((tensor->intent & KILN_OUT) != 0) != outputs)
                continue;
            kiln_status status = add_tensor(tensor, env, signature, &ops[i].parameters[t]);
            if (status != KILN_OK)
                return status;
        }
    }
    return KILN_OK;
}

kiln_status kiln_signature_make(const kiln_spec *spec, kiln_env *env, kiln_signature *signature)
{
    const kiln_row *row = spec->row;
    memset(signature, 0, sizeof *signature);
    kiln_status status =
        find_ops(row->prologue, env, signature->prologue, &signature->num_prologue);
    if (status == KILN_OK)
        status = find_ops(row->epilogue, env, signature->epilogue, &signature->num_epilogue);
    for (int outputs = 0; outputs < 2 && status == KILN_OK; outputs++) {
        status = add_row_tensors(row, outputs, env, signature);
        if (status == KILN_OK)
            status = add_op_tensors(signature->prologue, signature->num_prologue, outputs, env,
                                    signature);
        if (status == KILN_OK)
            status = add_op_tensors(signature->epilogue, signature->num_epilogue, outputs, env,
                                    signature);
    }
    for (size_t i = 0; i < KILN_MAX_NUMBERS && row->numbers[i].name && status == KILN_OK; i++) {
        kiln_parameter *parameter = &signature->parameters[signature->count++];
        memset(parameter, 0, sizeof *parameter);
        parameter->kind = KILN_ARG_SCALAR;
        parameter->number = &row->numbers[i];
        snprintf(parameter->name, sizeof parameter->name, "%s", row->numbers[i].name);
    }
    for (size_t i = 0; i < spec->num_dims && status == KILN_OK; i++) {
        if (spec->dims[i] != KILN_LAUNCH_TIME)
            continue;
        kiln_parameter *parameter = &signature->parameters[signature->count++];
        memset(parameter, 0, sizeof *parameter);
        parameter->kind = KILN_ARG_DIM;
        parameter->dim = (int)i;
        snprintf(parameter->name, sizeof parameter->name, "%s", row->dims[i]);
    }
    return status;
}

int kiln_signature_find(const kiln_signature *signature, const char *name)
{
    for (size_t i = 0; i < signature->count; i++)
        if (strcmp(signature->parameters[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* ---- sizes ------------------------------------------------------------------------------- */

char *kiln_shape_next(const char **shape)
{
    const char *start = *shape + strspn(*shape, " ");
    int depth = 0;
    size_t length = 0;
    if (!*start)
        return NULL;
    while (start[length] && (depth > 0 || start[length] != ',')) {
        depth += (start[length] == '(') - (start[length] == ')');
        length++;
    }
    *shape = start + length + (start[length] == ',');
    return kiln_strndup(start, length);
}

static kiln_status eval_shape(const char *shape, kiln_env *env, double *values, size_t *rank)
{
    *rank = 0;
    while (*shape) {
        const char *start = shape;
        char *formula = kiln_shape_next(&shape);
        if (!formula)
            return kiln_fail_memory();
        kiln_status status =
            *rank == KILN_MAX_RANK
                ? kiln_fail(KILN_TEMPLATE_ERROR, "shape \"%s\": rank over %d", start, KILN_MAX_RANK)
                : kiln_expr_eval_real(formula, env, &values[(*rank)++]);
        free(formula);
        if (status != KILN_OK)
            return status;
    }
    return KILN_OK;
}

kiln_status kiln_parameter_extents(const kiln_parameter *parameter, kiln_env *env,
                                   kiln_extents *extents)
{
    double shape[KILN_MAX_RANK], elements = 1, stride, span;
    memset(extents, 0, sizeof *extents);
    kiln_status status = eval_shape(parameter->tensor->shape, env, shape, &extents->rank);
    if (status != KILN_OK)
        return status;
    for (size_t i = 0; i < extents->rank; i++) {
        extents->extents[i] = (int64_t)shape[i];
        elements *= shape[i];
    }
    stride = shape[extents->rank - 1];
    if (parameter->tensor->stride) {
        status = kiln_expr_eval_real(parameter->tensor->stride, env, &stride);
        if (status != KILN_OK)
            return status;
    }
    double last = shape[extents->rank - 1];
    span = (elements / last - 1) * stride + last;
    size_t size = kiln_dtype_size(parameter->dtype);
    if (span * (double)size >= MAX_BYTES || elements * (double)size >= MAX_BYTES)
        return kiln_fail(KILN_INVALID_SPEC, "%s: its %.3g elements pass 2^62 bytes",
                         parameter->name, span);
    /* Below 2^62 the products are exact in integers, though perhaps not in doubles. */
    int64_t rows = 1;
    for (size_t i = 0; i + 1 < extents->rank; i++)
        rows *= extents->extents[i];
    int64_t width = extents->extents[extents->rank - 1];
    extents->stride = (int64_t)stride;
    extents->elements = rows * width;
    extents->bytes = (uint64_t)((rows - 1) * extents->stride + width) * size;
    return KILN_OK;
}

/* ---- costs ------------------------------------------------------------------------------- */

static kiln_status add_op_flops(const kiln_op_instance *ops, size_t num, const char *count,
                                kiln_env *env, double *flops)
{
    double elements = 0, each;
    kiln_status status = num > 0 ? kiln_expr_eval_real(count, env, &elements) : KILN_OK;
    for (size_t i = 0; i < num && status == KILN_OK; i++) {
        status = kiln_expr_eval_real(ops[i].op->flops, env, &each);
        *flops += elements * each;
    }
    return status;
}

kiln_status kiln_signature_cost(const kiln_spec *spec, const kiln_signature *signature,
                                kiln_env *real_env, kiln_cost *cost)
{
    const kiln_row *row = spec->row;
    *cost = (kiln_cost){0, 0};
    kiln_status status = kiln_expr_eval_real(row->flops, real_env, &cost->flops);
    if (status == KILN_OK)
        status = add_op_flops(signature->prologue, signature->num_prologue, row->prologue_count,
                              real_env, &cost->flops);
    if (status == KILN_OK)
        status = add_op_flops(signature->epilogue, signature->num_epilogue, row->epilogue_count,
                              real_env, &cost->flops);
    for (size_t i = 0; i < signature->count && status == KILN_OK; i++) {
        const kiln_parameter *parameter = &signature->parameters[i];
        if (parameter->kind != KILN_ARG_BUFFER)
            continue;
        const kiln_tensor *tensor = parameter->tensor;
        double factors[KILN_MAX_RANK], bytes = (double)kiln_dtype_size(parameter->dtype);
        size_t rank;
        status =
            eval_shape(tensor->touched ? tensor->touched : tensor->shape, real_env, factors, &rank);
        for (size_t d = 0; status == KILN_OK && d < rank; d++)
            bytes *= factors[d];
        cost->bytes += bytes * (parameter->is_input + parameter->is_output);
    }
    return status;
}
