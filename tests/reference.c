#include "reference_kernels.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- storage ----------------------------------------------------------------------------- */

/* Binary formats by their numbers: stored fraction bits, exponents of the smallest normal and of
 * the largest. */
typedef struct {
    size_t size;
    int fraction, low, high;
} format;

static format format_of(kiln_dtype dtype)
{
    return dtype == KILN_F16    ? (format){2, 10, -14, 15}
           : dtype == KILN_BF16 ? (format){2, 7, -126, 127}
                                : (format){4, 23, -126, 127};
}

size_t reference_size(kiln_dtype dtype)
{
    return dtype == KILN_I32 ? 4 : format_of(dtype).size;
}

double reference_round(kiln_dtype dtype, double x)
{
    if (dtype == KILN_I32 || x == 0 || !isfinite(x))
        return x;
    format f = format_of(dtype);
    int exponent = ilogb(x);
    if (exponent < f.low)
        exponent = f.low;
    /* In units of the last place; nearbyint rounds to nearest even by default. */
    double rounded = ldexp(nearbyint(ldexp(x, f.fraction - exponent)), exponent - f.fraction);
    double limit = ldexp(2.0, f.high);
    return fabs(rounded) >= limit ? copysign(INFINITY, x) : rounded;
}

uint32_t reference_encode(kiln_dtype dtype, double x)
{
    if (dtype == KILN_I32)
        return (uint32_t)(int32_t)x;
    format f = format_of(dtype);
    int exponent_bits = f.size == 4 || dtype == KILN_BF16 ? 8 : 5;
    uint32_t infinity = ((UINT32_C(1) << exponent_bits) - 1) << f.fraction;
    uint32_t sign = signbit(x) ? UINT32_C(1) << (f.fraction + exponent_bits) : 0;
    if (isnan(x))
        return infinity |
               ((UINT32_C(1) << f.fraction) - 1); /* of all ones: adding to it would make it -0 */
    x = fabs(reference_round(dtype, x));
    if (isinf(x))
        return sign | infinity;
    if (x == 0)
        return sign;
    int exponent = ilogb(x);
    if (exponent < f.low) /* subnormal: no hidden bit */
        return sign | (uint32_t)ldexp(x, f.fraction - f.low);
    uint32_t digits = (uint32_t)ldexp(x, f.fraction - exponent);
    return sign | ((uint32_t)(exponent - f.low + 1) << f.fraction |
                   (digits - (UINT32_C(1) << f.fraction)));
}

double reference_decode(kiln_dtype dtype, uint32_t bits)
{
    if (dtype == KILN_I32)
        return (double)(int32_t)bits;
    format f = format_of(dtype);
    int exponent_bits = f.size == 4 || dtype == KILN_BF16 ? 8 : 5;
    uint32_t largest = (UINT32_C(1) << exponent_bits) - 1;
    uint32_t fraction = bits & ((UINT32_C(1) << f.fraction) - 1);
    uint32_t exponent = bits >> f.fraction & largest;
    double sign = bits >> (f.fraction + exponent_bits) & 1 ? -1.0 : 1.0;
    if (exponent == largest)
        return fraction ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexp(fraction, f.low - f.fraction);
    return sign * ldexp(fraction + ldexp(1.0, f.fraction), (int)exponent - 1 + f.low - f.fraction);
}

/* ---- words ------------------------------------------------------------------------------- */

static const char *value_of(const char *text, const char *name)
{
    size_t length = strlen(name);
    while (text && *text) {
        text += strspn(text, " ");
        if (strncmp(text, name, length) == 0 && text[length] == '=')
            return text + length + 1;
        text += strcspn(text, " ");
    }
    return NULL;
}

double reference_number(const char *text, const char *name, double fallback)
{
    const char *value = value_of(text, name);
    return value && *value != '?' ? strtod(value, NULL) : fallback;
}

uint64_t reference_integer(const char *text, const char *name, uint64_t fallback)
{
    const char *value = value_of(text, name);
    return value && *value != '?' ? strtoull(value, NULL, 0) : fallback;
}

bool reference_says(const char *text, const char *name, const char *value)
{
    const char *found = value_of(text, name);
    size_t length = strlen(value);
    return found && strncmp(found, value, length) == 0 &&
           (found[length] == ' ' || found[length] == '\0');
}

reference_tensor *reference_find(const reference_call *call, const char *name)
{
    for (size_t i = 0; i < call->num_tensors; i++)
        if (strcmp(call->tensors[i].name, name) == 0)
            return &call->tensors[i];
    return NULL;
}

double reference_option(const reference_call *call, const char *name, double fallback)
{
    return reference_number(call->spec, name, reference_number(call->args, name, fallback));
}

double reference_option_or(const reference_call *call, const char *name, double fallback)
{
    double value = reference_option(call, name, 0);
    return value != 0 ? value : fallback;
}

/* ---- outputs ----------------------------------------------------------------------------- */

void *reference_allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        abort();
    return memory;
}

double *reference_zeros(size_t count)
{
    return reference_allocate(count, sizeof(double));
}

void reference_put(reference_tensor *out, size_t index, double value, double terms)
{
    out->values[index] = value;
    out->terms[index] = terms;
}

void reference_put_equal(reference_tensor *out, size_t index, double value)
{
    out->values[index] = value;
    if (out->match)
        out->match[index] = REFERENCE_EQUAL;
}

void reference_move(reference_tensor *out, size_t index, const reference_tensor *from,
                    size_t from_index)
{
    out->values[index] = from->values[from_index];
    if (!out->match || !out->bits || !from->bits)
        return;
    out->match[index] = REFERENCE_SAME_BITS;
    out->bits[index] = from->bits[from_index];
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct {
    const char *kernel;
    void (*run)(const reference_call *call);
} oracles[] = {
    {"matmul", reference_matmul},
    {"matmul_nt", reference_matmul_nt},
    {"matmul_tn", reference_matmul_tn},
    {"batched_matmul", reference_batched_matmul},
    {"pack", reference_pack},
    {"transpose", reference_transpose},
    {"bias_add", reference_bias_add},
    {"bias_backward", reference_bias_backward},
    {"residual_add", reference_residual_add},
    {"gelu", reference_gelu},
    {"gelu_backward", reference_gelu_backward},
    {"swiglu", reference_swiglu},
    {"swiglu_backward", reference_swiglu_backward},
    {"dropout", reference_dropout},
    {"rope", reference_rope},
    {"softmax", reference_softmax},
    {"softmax_backward", reference_softmax_backward},
    {"layernorm", reference_layernorm},
    {"layernorm_backward", reference_layernorm_backward},
    {"rmsnorm", reference_rmsnorm},
    {"rmsnorm_backward", reference_rmsnorm_backward},
    {"cross_entropy", reference_cross_entropy},
    {"embedding", reference_embedding},
    {"embedding_backward", reference_embedding_backward},
    {"flash_attention", reference_flash_attention},
    {"flash_attention_backward", reference_flash_attention_backward},
    {"grad_norm", reference_grad_norm},
    {"adamw", reference_adamw},
    {"matmul_bias_gelu", reference_matmul_bias_gelu},
    {"matmul_bias_residual", reference_matmul_bias_residual},
    {"matmul_swiglu", reference_matmul_swiglu},
    {"matmul_gelu_backward", reference_matmul_gelu_backward},
    {"residual_layernorm", reference_residual_layernorm},
    {"residual_rmsnorm", reference_residual_rmsnorm},
    {"gelu_matmul", reference_gelu_matmul},
    {"layernorm_matmul", reference_layernorm_matmul},
    {"rmsnorm_matmul", reference_rmsnorm_matmul},
    {"qkv_projection", reference_qkv_projection},
};

bool reference_run(const reference_call *call)
{
    size_t length = strcspn(call->spec, " ");
    for (size_t i = 0; i < sizeof oracles / sizeof *oracles; i++) {
        if (strlen(oracles[i].kernel) != length ||
            strncmp(oracles[i].kernel, call->spec, length) != 0)
            continue;
        oracles[i].run(call);
        return true;
    }
    return false;
}
