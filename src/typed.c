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
#define COMPUTE(type, field)                                                                       \
    {                                                                                              \
#field, KILN_FIELD_COMPUTE, offsetof(type, field)                                          \
    }
#define REAL(type, field)                                                                          \
    {                                                                                              \
#field, KILN_FIELD_REAL, offsetof(type, field)                                             \
    }
#define SWITCH(type, field)                                                                        \
    {                                                                                              \
#field, KILN_FIELD_SWITCH, offsetof(type, field)                                           \
    }
#define GATE(type, field)                                                                          \
    {                                                                                              \
#field, KILN_FIELD_GATE, offsetof(type, field)                                             \
    }
#define STYLE(type, field)                                                                         \
    {                                                                                              \
#field, KILN_FIELD_STYLE, offsetof(type, field)                                            \
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
    MNK(T), DTYPE(T, dtype),   DTYPE(T, out_dtype), INT(T, accumulate), INT(T, packed),
    LDS(T), INT(T, tile_size), COMPUTE(T, compute), CHOICE(T),          END};
#undef T

#define T kiln_pack_params
static const kiln_field pack[] = {
    DIM(T, n), DIM(T, k), DTYPE(T, dtype), LAYOUT(T, layout), INT(T, ldb), CHOICE(T), END};
#undef T

#define T kiln_batched_matmul_params
static const kiln_field batched_matmul[] = {DIM(T, batch),      MNK(T),
                                            DTYPE(T, dtype),    DTYPE(T, out_dtype),
                                            INT(T, accumulate), INT(T, trans_a),
                                            INT(T, trans_b),    LDS(T),
                                            INT(T, tile_size),  COMPUTE(T, compute),
                                            CHOICE(T),          END};
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
                                              INT(T, packed),
                                              INT(T, save_pre),
                                              LDS(T),
                                              INT(T, tile_size),
                                              COMPUTE(T, compute),
                                              CHOICE(T),
                                              END};
#undef T

#define T kiln_matmul_bias_residual_params
static const kiln_field matmul_bias_residual[] = {
    MNK(T), DTYPE(T, dtype),   LAYOUT(T, layout),   INT(T, packed),
    LDS(T), INT(T, tile_size), COMPUTE(T, compute), CHOICE(T),
    END};
#undef T

#define T kiln_matmul_swiglu_params
static const kiln_field matmul_swiglu[] = {
    MNK(T), DTYPE(T, dtype),   GATE(T, gate),       INT(T, save_pre), LAYOUT(T, layout),
    LDS(T), INT(T, tile_size), COMPUTE(T, compute), CHOICE(T),        END};
#undef T

#define T kiln_matmul_gelu_backward_params
static const kiln_field matmul_gelu_backward[] = {MNK(T),
                                                  DTYPE(T, dtype),
                                                  APPROX(T, approx),
                                                  INT(T, dbias),
                                                  DTYPE(T, out_dtype),
                                                  LAYOUT(T, layout),
                                                  INT(T, packed),
                                                  LDS(T),
                                                  INT(T, tile_size),
                                                  COMPUTE(T, compute),
                                                  CHOICE(T),
                                                  END};
#undef T

#define T kiln_gelu_matmul_params
static const kiln_field gelu_matmul[] = {MNK(T),
                                         DTYPE(T, dtype),
                                         APPROX(T, approx),
                                         INT(T, bias),
                                         LAYOUT(T, layout),
                                         INT(T, packed),
                                         LDS(T),
                                         INT(T, tile_size),
                                         COMPUTE(T, compute),
                                         CHOICE(T),
                                         END};
#undef T

#define T kiln_layernorm_matmul_params
static const kiln_field layernorm_matmul[] = {MNK(T),
                                              DTYPE(T, dtype),
                                              REAL(T, eps),
                                              SWITCH(T, beta),
                                              INT(T, bias),
                                              INT(T, save_stats),
                                              INT(T, gelu),
                                              APPROX(T, approx),
                                              LAYOUT(T, layout),
                                              INT(T, packed),
                                              LDS(T),
                                              INT(T, tile_size),
                                              COMPUTE(T, compute),
                                              CHOICE(T),
                                              END};
#undef T

#define T kiln_rmsnorm_matmul_params
static const kiln_field rmsnorm_matmul[] = {
    MNK(T),       DTYPE(T, dtype),    REAL(T, eps),        INT(T, unit_offset),
    INT(T, bias), INT(T, save_stats), LAYOUT(T, layout),   INT(T, packed),
    LDS(T),       INT(T, tile_size),  COMPUTE(T, compute), CHOICE(T),
    END};
#undef T

#define T kiln_qkv_projection_params
static const kiln_field qkv_projection[] = {
    DIM(T, m),       DIM(T, k),         DIM(T, heads),       DIM(T, kv_heads), DIM(T, head_dim),
    DTYPE(T, dtype), INT(T, bias),      LAYOUT(T, layout),   INT(T, packed),   INT(T, lda),
    INT(T, ldb),     INT(T, tile_size), COMPUTE(T, compute), CHOICE(T),        END};
#undef T

#define T kiln_swiglu_params
static const kiln_field swiglu[] = {DIM(T, m),       DIM(T, n), DTYPE(T, dtype),
                                    GATE(T, layout), CHOICE(T), END};
#undef T

#define T kiln_grad_norm_params
static const kiln_field grad_norm[] = {DIM(T, n), DTYPE(T, dtype), INT(T, accumulate), CHOICE(T),
                                       END};
#undef T

#define T kiln_adamw_params
static const kiln_field adamw[] = {
    DIM(T, n),           DTYPE(T, dtype), INT(T, clip), INT(T, param_out),
    DTYPE(T, out_dtype), CHOICE(T),       END};
#undef T

#define T kiln_transpose_params
static const kiln_field transpose[] = {DIM(T, batch),   DIM(T, m), DIM(T, n),
                                       DTYPE(T, dtype), CHOICE(T), END};
#undef T

#define T kiln_rope_params
static const kiln_field rope[] = {
    DIM(T, tokens),     DIM(T, heads),  DIM(T, head_dim), DTYPE(T, dtype), STYLE(T, style),
    INT(T, rotary_dim), REAL(T, theta), INT(T, inverse),  CHOICE(T),       END};
#undef T

#define T kiln_embedding_params
static const kiln_field embedding[] = {DIM(T, tokens), DIM(T, vocab), DIM(T, n), DTYPE(T, dtype),
                                       INT(T, bad),    CHOICE(T),     END};
#undef T

#define T kiln_embedding_backward_params
static const kiln_field embedding_backward[] = {
    DIM(T, tokens), DIM(T, vocab), DIM(T, n), DTYPE(T, dtype), DTYPE(T, out_dtype), CHOICE(T), END};
#undef T

#define T kiln_bias_backward_params
static const kiln_field bias_backward[] = {
    DIM(T, m), DIM(T, n), DTYPE(T, dtype), DTYPE(T, out_dtype), INT(T, accumulate), CHOICE(T), END};
#undef T

#define T kiln_softmax_params
static const kiln_field softmax[] = {DIM(T, batch),  DIM(T, m),      DIM(T, n), DTYPE(T, dtype),
                                     INT(T, causal), REAL(T, scale), CHOICE(T), END};
#undef T

#define T kiln_softmax_backward_params
static const kiln_field softmax_backward[] = {DIM(T, batch),  DIM(T, m), DIM(T, n), DTYPE(T, dtype),
                                              REAL(T, scale), CHOICE(T), END};
#undef T

#define T kiln_layernorm_params
static const kiln_field layernorm[] = {
    DIM(T, m), DIM(T, n), DTYPE(T, dtype), REAL(T, eps), SWITCH(T, beta), CHOICE(T), END};
#undef T

#define T kiln_layernorm_backward_params
static const kiln_field layernorm_backward[] = {
    DIM(T, m),          DIM(T, n),       DTYPE(T, dtype), DTYPE(T, out_dtype),
    INT(T, accumulate), SWITCH(T, beta), CHOICE(T),       END};
#undef T

#define T kiln_rmsnorm_params
static const kiln_field rmsnorm[] = {
    DIM(T, m), DIM(T, n), DTYPE(T, dtype), REAL(T, eps), INT(T, unit_offset), CHOICE(T), END};
#undef T

#define T kiln_rmsnorm_backward_params
static const kiln_field rmsnorm_backward[] = {
    DIM(T, m),          DIM(T, n),           DTYPE(T, dtype), DTYPE(T, out_dtype),
    INT(T, accumulate), INT(T, unit_offset), CHOICE(T),       END};
#undef T

#define T kiln_cross_entropy_params
static const kiln_field cross_entropy[] = {DIM(T, tokens),  DIM(T, vocab),
                                           DTYPE(T, dtype), REAL(T, label_smoothing),
                                           REAL(T, z_loss), INT(T, ignore_index),
                                           INT(T, dlogits), INT(T, bad),
                                           CHOICE(T),       END};
#undef T

#define T kiln_flash_attention_params
static const kiln_field flash_attention[] = {DIM(T, batch),    DIM(T, seq_q),
                                             DIM(T, seq_k),    DIM(T, heads),
                                             DIM(T, kv_heads), DIM(T, head_dim),
                                             DTYPE(T, dtype),  INT(T, causal),
                                             REAL(T, scale),   INT(T, window),
                                             REAL(T, softcap), INT(T, alibi),
                                             CHOICE(T),        END};
#undef T

/* Each kernel once: its place in the table, and its creator. */
#define KERNELS(X)                                                                                 \
    X(matmul, kiln_matmul_params, matmul)                                                          \
    X(matmul_nt, kiln_matmul_params, matmul)                                                       \
    X(matmul_tn, kiln_matmul_params, matmul)                                                       \
    X(pack, kiln_pack_params, pack)                                                                \
    X(batched_matmul, kiln_batched_matmul_params, batched_matmul)                                  \
    X(matmul_bias_gelu, kiln_matmul_bias_gelu_params, matmul_bias_gelu)                            \
    X(matmul_bias_residual, kiln_matmul_bias_residual_params, matmul_bias_residual)                \
    X(gelu_matmul, kiln_gelu_matmul_params, gelu_matmul)                                           \
    X(layernorm_matmul, kiln_layernorm_matmul_params, layernorm_matmul)                            \
    X(rmsnorm_matmul, kiln_rmsnorm_matmul_params, rmsnorm_matmul)                                  \
    X(qkv_projection, kiln_qkv_projection_params, qkv_projection)                                  \
    X(matmul_swiglu, kiln_matmul_swiglu_params, matmul_swiglu)                                     \
    X(matmul_gelu_backward, kiln_matmul_gelu_backward_params, matmul_gelu_backward)                \
    X(bias_add, kiln_elementwise_params, elementwise)                                              \
    X(residual_add, kiln_elementwise_params, elementwise)                                          \
    X(gelu, kiln_gelu_params, gelu)                                                                \
    X(gelu_backward, kiln_gelu_params, gelu)                                                       \
    X(swiglu, kiln_swiglu_params, swiglu)                                                          \
    X(swiglu_backward, kiln_swiglu_params, swiglu)                                                 \
    X(dropout, kiln_elementwise_params, elementwise)                                               \
    X(grad_norm, kiln_grad_norm_params, grad_norm)                                                 \
    X(adamw, kiln_adamw_params, adamw)                                                             \
    X(transpose, kiln_transpose_params, transpose)                                                 \
    X(rope, kiln_rope_params, rope)                                                                \
    X(embedding, kiln_embedding_params, embedding)                                                 \
    X(embedding_backward, kiln_embedding_backward_params, embedding_backward)                      \
    X(bias_backward, kiln_bias_backward_params, bias_backward)                                     \
    X(softmax, kiln_softmax_params, softmax)                                                       \
    X(softmax_backward, kiln_softmax_backward_params, softmax_backward)                            \
    X(layernorm, kiln_layernorm_params, layernorm)                                                 \
    X(residual_layernorm, kiln_layernorm_params, layernorm)                                        \
    X(layernorm_backward, kiln_layernorm_backward_params, layernorm_backward)                      \
    X(rmsnorm, kiln_rmsnorm_params, rmsnorm)                                                       \
    X(residual_rmsnorm, kiln_rmsnorm_params, rmsnorm)                                              \
    X(rmsnorm_backward, kiln_rmsnorm_backward_params, rmsnorm_backward)                            \
    X(cross_entropy, kiln_cross_entropy_params, cross_entropy)                                     \
    X(flash_attention, kiln_flash_attention_params, flash_attention)                               \
    X(flash_attention_backward, kiln_flash_attention_params, flash_attention)

#define ROW(name, params, fields) {#name, fields},
static const kiln_typed kernels[] = {KERNELS(ROW)};

const kiln_typed *kiln_typed_at(size_t index)
{
    return index < sizeof kernels / sizeof *kernels ? &kernels[index] : NULL;
}

/* ---- to a spec --------------------------------------------------------------------------- */

/* The words of enums, by their numbers; 0 is the default and has none. */
static const char *const enum_names[][4] = {[KILN_FIELD_DTYPE] = {"", "f32", "f16", "bf16"},
                                            [KILN_FIELD_APPROX] = {"", "none", "tanh"},
                                            [KILN_FIELD_LAYOUT] = {"", "nn", "nt"},
                                            [KILN_FIELD_COMPUTE] = {"", "dtype", "tf32"},
                                            [KILN_FIELD_STYLE] = {"", "neox", "gptj"},
                                            [KILN_FIELD_GATE] = {"", "split", "interleaved"}};

static kiln_status add_enum(kiln_text *spec, const char *kernel, const kiln_field *field, int value)
{
    const char *const *names = enum_names[field->type];
    if (value < 0 || value >= 4 || !names[value])
        return kiln_fail(KILN_INVALID_SPEC, "%s: %s has no value %d", kernel, field->name, value);
    if (value > 0)
        kiln_text_addf(spec, " %s=%s", field->name, names[value]);
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
    case KILN_FIELD_SWITCH:
        memcpy(&integer, at, sizeof integer);
        if (integer != 0)
            kiln_text_addf(spec, " %s=%lld", field->name,
                           integer == KILN_OFF ? 0 : (long long)integer);
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
        return add_enum(spec, kernel, field, enumerator);
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
