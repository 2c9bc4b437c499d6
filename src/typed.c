#include "typed.h"
#include "expr.h"
#include <string.h>

#define DIM(type, field)                                                                           \
    {                                                                                              \
#field, KILN_FIELD_DIM, offsetof(type, field)                                              \
    }
#define INT(type, field)                                                                           \
    {                                                                                              \
#field, KILN_FIELD_INT, offsetof(type, field)                                              \
    }
#define DTYPE(type, field)                                                                         \
    {                                                                                              \
#field, KILN_FIELD_DTYPE, offsetof(type, field)                                            \
    }
#define APPROX(type, field)                                                                        \
    {                                                                                              \
#field, KILN_FIELD_APPROX, offsetof(type, field)                                           \
    }
#define LAYOUT(type, field)                                                                        \
    {                                                                                              \
#field, KILN_FIELD_LAYOUT, offsetof(type, field)                                           \
    }
#define CHOICE(type)                                                                               \
    {"workgroup_size", KILN_FIELD_INT, offsetof(type, choice.workgroup_size)},                     \
    {                                                                                              \
        "variant", KILN_FIELD_STRING, offsetof(type, choice.variant)                               \
    }
#define LDS(type) INT(type, lda), INT(type, ldb), INT(type, ldc)
#define MNK(type) DIM(type, m), DIM(type, n), DIM(type, k)
#define END                                                                                        \
    {                                                                                              \
        NULL, KILN_FIELD_DIM, 0                                                                    \
    }

#define T kiln_matmul_params
static const kiln_field matmul[] = {
    MNK(T), DTYPE(T, dtype),   DTYPE(T, out_dtype), INT(T, accumulate),
    LDS(T), INT(T, tile_size), CHOICE(T),           END};
#undef T

#define T kiln_batched_matmul_params
static const kiln_field batched_matmul[] = {DIM(T, batch),
                                            MNK(T),
                                            DTYPE(T, dtype),
                                            DTYPE(T, out_dtype),
                                            INT(T, accumulate),
                                            INT(T, trans_a),
                                            INT(T, trans_b),
                                            LDS(T),
                                            INT(T, tile_size),
                                            CHOICE(T),
                                            END};
#undef T

#define T kiln_elementwise_params
static const kiln_field elementwise[] = {DIM(T, m), DIM(T, n), DTYPE(T, dtype), CHOICE(T), END};
#undef T

#define T kiln_gelu_params
static const kiln_field gelu[] = {DIM(T, m),         DIM(T, n), DTYPE(T, dtype),
                                  APPROX(T, approx), CHOICE(T), END};
#undef T

#define T kiln_matmul_bias_gelu_params
static const kiln_field matmul_bias_gelu[] = {MNK(T),
                                              DTYPE(T, dtype),
                                              APPROX(T, approx),
                                              LAYOUT(T, layout),
                                              INT(T, save_pre),
                                              LDS(T),
                                              INT(T, tile_size),
                                              CHOICE(T),
                                              END};
#undef T

#define T kiln_matmul_bias_residual_params
static const kiln_field matmul_bias_residual[] = {
    MNK(T), DTYPE(T, dtype), LAYOUT(T, layout), LDS(T), INT(T, tile_size), CHOICE(T), END};
#undef T

/* Each kernel once: its place in the table, and its creator. */
#define KERNELS(X)                                                                                 \
    X(matmul, kiln_matmul_params, matmul)                                                          \
    X(matmul_nt, kiln_matmul_params, matmul)                                                       \
    X(matmul_tn, kiln_matmul_params, matmul)                                                       \
    X(batched_matmul, kiln_batched_matmul_params, batched_matmul)                                  \
    X(matmul_bias_gelu, kiln_matmul_bias_gelu_params, matmul_bias_gelu)                            \
    X(matmul_bias_residual, kiln_matmul_bias_residual_params, matmul_bias_residual)                \
    X(bias_add, kiln_elementwise_params, elementwise)                                              \
    X(residual_add, kiln_elementwise_params, elementwise)                                          \
    X(gelu, kiln_gelu_params, gelu)

#define ROW(name, params, fields) {#name, fields},
static const kiln_typed kernels[] = {KERNELS(ROW)};

const kiln_typed *kiln_typed_at(size_t index)
{
    return index < sizeof kernels / sizeof *kernels ? &kernels[index] : NULL;
}

/* ---- to a spec --------------------------------------------------------------------------- */

static const char *const dtype_names[] = {"", "f32", "f16", "bf16"};
static const char *const approx_names[] = {"", "none", "tanh"};
static const char *const layout_names[] = {"", "nn", "nt"};

static kiln_status add_enum(kiln_text *spec, const char *kernel, const char *name, int value,
                            const char *const *names, int count)
{
    if (value < 0 || value >= count)
        return kiln_fail(KILN_INVALID_SPEC, "%s: %s has no value %d", kernel, name, value);
    if (value > 0)
        kiln_text_addf(spec, " %s=%s", name, names[value]);
    return KILN_OK;
}

static kiln_status add_field(const char *kernel, const kiln_field *field, const void *params,
                             kiln_text *spec)
{
    const char *at = (const char *)params + field->offset;
    int64_t integer;
    double real;
    const char *string;
    int enumerator;
    switch (field->type) {
    case KILN_FIELD_DIM:
        memcpy(&integer, at, sizeof integer);
        if (integer == KILN_LAUNCH_TIME)
            kiln_text_addf(spec, " %s=?", field->name);
        else
            kiln_text_addf(spec, " %s=%lld", field->name, (long long)integer);
        return KILN_OK;
    case KILN_FIELD_INT:
        memcpy(&integer, at, sizeof integer);
        if (integer != 0)
            kiln_text_addf(spec, " %s=%lld", field->name, (long long)integer);
        return KILN_OK;
    case KILN_FIELD_REAL:
        memcpy(&real, at, sizeof real);
        if (real != 0) {
            kiln_text_addf(spec, " %s=", field->name);
            kiln_real_print(spec, real);
        }
        return KILN_OK;
    case KILN_FIELD_STRING:
        memcpy(&string, at, sizeof string);
        if (string && (!*string || strpbrk(string, " \t\r\n")))
            return kiln_fail(KILN_INVALID_SPEC, "%s: %s=`%s': must be one word", kernel,
                             field->name, string);
        if (string)
            kiln_text_addf(spec, " %s=%s", field->name, string);
        return KILN_OK;
    default:
        memcpy(&enumerator, at, sizeof enumerator);
        if (field->type == KILN_FIELD_DTYPE)
            return add_enum(spec, kernel, field->name, enumerator, dtype_names, 4);
        if (field->type == KILN_FIELD_APPROX)
            return add_enum(spec, kernel, field->name, enumerator, approx_names, 3);
        return add_enum(spec, kernel, field->name, enumerator, layout_names, 3);
    }
}

kiln_status kiln_typed_spec(const kiln_typed *typed, const void *params, kiln_text *spec)
{
    kiln_text_add(spec, typed->kernel);
    for (const kiln_field *field = typed->fields; field->name; field++) {
        kiln_status status = add_field(typed->kernel, field, params, spec);
        if (status != KILN_OK)
            return status;
    }
    return spec->failed ? kiln_fail_memory() : KILN_OK;
}

/* ---- creators ---------------------------------------------------------------------------- */

static kiln_status create(kiln_context *context, const char *kernel_name, const kiln_field *fields,
                          const void *params, kiln_kernel **kernel)
{
    if (!context || !params || !kernel)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_create_%s_kernel: context, params and kernel must not be NULL",
                         kernel_name);
    *kernel = NULL;
    kiln_typed typed = {kernel_name, fields};
    kiln_text spec = {0};
    kiln_status status = kiln_typed_spec(&typed, params, &spec);
    if (status == KILN_OK)
        status = kiln_create_kernel(context, spec.data, kernel);
    kiln_text_free(&spec);
    return status;
}

#define CREATOR(name, params_type, fields)                                                         \
    kiln_status kiln_create_##name##_kernel(kiln_context *context, const params_type *params,      \
                                            kiln_kernel **kernel)                                  \
    {                                                                                              \
        return create(context, #name, fields, params, kernel);                                     \
    }
KERNELS(CREATOR)
