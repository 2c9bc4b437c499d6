#include "reference.h"
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

/* ---- matrix products --------------------------------------------------------------------- */

static double *zeros(size_t count)
{
    double *values = calloc(count ? count : 1, sizeof *values);
    if (!values)
        abort();
    return values;
}

/* [rows,cols] to [cols,rows] */
static double *transposed(const double *x, int64_t rows, int64_t cols)
{
    double *y = zeros((size_t)(rows * cols));
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            y[j * rows + i] = x[i * cols + j];
    return y;
}

/* c[i,j] += sum over l of a[i,l] b[l,j], and terms the sum of the squares of what was added. */
static void multiply(const double *a, const double *b, double *c, double *terms, int64_t m,
                     int64_t n, int64_t k)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t l = 0; l < k; l++) {
            const double x = a[i * k + l];
            for (int64_t j = 0; j < n; j++) {
                const double term = x * b[l * n + j];
                c[i * n + j] += term;
                terms[i * n + j] += term * term;
            }
        }
}

/* The product of each pair of matrices: c and its terms (squares) are allocated for the caller. */
static void products(const reference_call *call, bool trans_a, bool trans_b, double **c,
                     double **terms)
{
    const reference_tensor *a = reference_find(call, "a"), *b = reference_find(call, "b");
    const reference_tensor *out = reference_find(call, "c");
    size_t rank = out->rank;
    int64_t batch = rank == 3 ? out->extents[0] : 1;
    int64_t m = out->extents[rank - 2], n = out->extents[rank - 1];
    int64_t k = a->extents[trans_a ? rank - 2 : rank - 1];
    *c = zeros(out->count);
    *terms = zeros(out->count);
    for (int64_t i = 0; i < batch; i++) {
        const double *ai = a->values + i * m * k, *bi = b->values + i * k * n;
        double *at = trans_a ? transposed(ai, k, m) : NULL;
        double *bt = trans_b ? transposed(bi, n, k) : NULL;
        multiply(at ? at : ai, bt ? bt : bi, *c + i * m * n, *terms + i * m * n, m, n, k);
        free(at);
        free(bt);
    }
}

static void product(const reference_call *call, bool trans_a, bool trans_b)
{
    reference_tensor *c = reference_find(call, "c");
    bool accumulate = reference_says(call->spec, "accumulate", "1");
    double *sums, *terms;
    products(call, trans_a, trans_b, &sums, &terms);
    for (size_t i = 0; i < c->count; i++) {
        double old = accumulate ? c->values[i] : 0.0;
        c->values[i] = old + sums[i];
        c->terms[i] = sqrt(old * old + terms[i]);
    }
    free(sums);
    free(terms);
}

static void matmul(const reference_call *call)
{
    product(call, false, false);
}

static void matmul_nt(const reference_call *call)
{
    product(call, false, true);
}

static void matmul_tn(const reference_call *call)
{
    product(call, true, false);
}

static void batched_matmul(const reference_call *call)
{
    product(call, reference_says(call->spec, "trans_a", "1"),
            reference_says(call->spec, "trans_b", "1"));
}

/* ---- elementwise ------------------------------------------------------------------------- */

static double gelu_of(const reference_call *call, double x)
{
    const double root = sqrt(0.5), slope = sqrt(8.0 / acos(-1.0));
    if (reference_says(call->spec, "approx", "none"))
        return x * (0.5 * erfc(-x * root)); /* Phi(x), without cancellation in the tail */
    /* (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)), likewise. */
    return x * (1.0 / (1.0 + exp(-slope * (x + 0.044715 * x * x * x))));
}

static void bias_add(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x"), *bias = reference_find(call, "bias");
    reference_tensor *y = reference_find(call, "y");
    for (size_t i = 0; i < y->count; i++) {
        y->values[i] = x->values[i] + bias->values[i % bias->count];
        y->terms[i] = hypot(x->values[i], bias->values[i % bias->count]);
    }
}

static void residual_add(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x");
    const reference_tensor *residual = reference_find(call, "residual");
    reference_tensor *y = reference_find(call, "y");
    for (size_t i = 0; i < y->count; i++) {
        y->values[i] = x->values[i] + residual->values[i];
        y->terms[i] = hypot(x->values[i], residual->values[i]);
    }
}

static void gelu(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x");
    reference_tensor *y = reference_find(call, "y");
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = gelu_of(call, x->values[i]);
}

/* ---- fused ------------------------------------------------------------------------------- */

static void matmul_bias_gelu(const reference_call *call)
{
    const reference_tensor *bias = reference_find(call, "bias");
    reference_tensor *c = reference_find(call, "c"), *pre = reference_find(call, "pre");
    double *sums, *terms;
    products(call, false, reference_says(call->spec, "layout", "nt"), &sums, &terms);
    for (size_t i = 0; i < c->count; i++) {
        double added = bias->values[i % bias->count], v = sums[i] + added;
        double root = sqrt(terms[i] + added * added);
        if (pre) {
            pre->values[i] = v;
            pre->terms[i] = root;
        }
        c->values[i] = gelu_of(call, v);
        c->terms[i] = root; /* GELU's slope is near 1 at most */
    }
    free(sums);
    free(terms);
}

static void matmul_bias_residual(const reference_call *call)
{
    const reference_tensor *bias = reference_find(call, "bias");
    const reference_tensor *residual = reference_find(call, "residual");
    reference_tensor *c = reference_find(call, "c");
    double *sums, *terms;
    products(call, false, reference_says(call->spec, "layout", "nt"), &sums, &terms);
    for (size_t i = 0; i < c->count; i++) {
        double added = bias->values[i % bias->count], kept = residual->values[i];
        c->values[i] = sums[i] + added + kept;
        c->terms[i] = sqrt(terms[i] + added * added + kept * kept);
    }
    free(sums);
    free(terms);
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct {
    const char *kernel;
    void (*run)(const reference_call *call);
} oracles[] = {
    {"matmul", matmul},
    {"matmul_nt", matmul_nt},
    {"matmul_tn", matmul_tn},
    {"batched_matmul", batched_matmul},
    {"bias_add", bias_add},
    {"residual_add", residual_add},
    {"gelu", gelu},
    {"matmul_bias_gelu", matmul_bias_gelu},
    {"matmul_bias_residual", matmul_bias_residual},
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
