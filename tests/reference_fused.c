/* Fused rows: over the matrix product, and a sum in front of a norm. */
#include "reference_kernels.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double square(double x)
{
    return x * x;
}

/* A product of m rows and n columns, and of each element the sum of the squares of its terms. */
typedef struct {
    int64_t m, n;
    size_t count;
    double *sums, *terms;
} product;

/* Of c, or of q, k and v together. */
static int64_t columns(const reference_call *call)
{
    const reference_tensor *c = reference_find(call, "c");
    if (c)
        return c->extents[1];
    return reference_find(call, "q")->extents[1] + 2 * reference_find(call, "k")->extents[1];
}

/* values and rough: a as it is multiplied, and what its own terms make of it (values, if it has
 * none). Freed by drop. */
static product multiply(const reference_call *call, const char *right, const double *values,
                        const double *rough)
{
    const reference_tensor *a = reference_find(call, "a"), *b = reference_find(call, right);
    const bool packed = reference_says(call->spec, "packed", "1");
    const bool nt = !packed && reference_says(call->spec, "layout", "nt");
    product p = {.m = a->extents[0], .n = packed ? columns(call) : b->extents[nt ? 0 : 1]};
    double *plain = packed ? reference_unpacked(b, p.n, a->extents[1]) : NULL;
    p.count = (size_t)(p.m * p.n);
    p.sums = reference_zeros(p.count);
    p.terms = reference_zeros(p.count);
    (nt ? reference_multiply_nt : reference_multiply)(values, rough, plain ? plain : b->values,
                                                      p.sums, p.terms, p.m, p.n, a->extents[1]);
    free(plain);
    return p;
}

static product multiply_plain(const reference_call *call, const char *right)
{
    const double *a = reference_find(call, "a")->values;
    return multiply(call, right, a, a);
}

static void drop(product *p)
{
    free(p->sums);
    free(p->terms);
}

/* + bias, where there is one. */
static void add_bias(const reference_call *call, product *p)
{
    const reference_tensor *bias = reference_find(call, "bias");
    for (size_t i = 0; bias && i < p->count; i++) {
        double added = bias->values[i % bias->count];
        p->sums[i] += added;
        p->terms[i] += square(added);
    }
}

/* ---- epilogues --------------------------------------------------------------------------- */

static void put(reference_tensor *out, const product *p)
{
    for (size_t i = 0; out && i < p->count; i++)
        reference_put(out, i, p->sums[i], sqrt(p->terms[i]));
}

void reference_matmul_bias_gelu(const reference_call *call)
{
    reference_tensor *c = reference_find(call, "c");
    product p = multiply_plain(call, "b");
    add_bias(call, &p);
    put(reference_find(call, "pre"), &p);
    for (size_t i = 0; i < p.count; i++) /* GELU's slope is near 1 at most */
        reference_put(c, i, reference_gelu_of(call, p.sums[i]), sqrt(p.terms[i]));
    drop(&p);
}

void reference_matmul_bias_residual(const reference_call *call)
{
    const reference_tensor *residual = reference_find(call, "residual");
    product p = multiply_plain(call, "b");
    add_bias(call, &p);
    for (size_t i = 0; i < p.count; i++) {
        p.sums[i] += residual->values[i];
        p.terms[i] += square(residual->values[i]);
    }
    put(reference_find(call, "c"), &p);
    drop(&p);
}

/* q, k and v stand side by side in the product. */
void reference_qkv_projection(const reference_call *call)
{
    static const char *const names[] = {"q", "k", "v"};
    product p = multiply_plain(call, "w");
    add_bias(call, &p);
    int64_t first = 0;
    for (size_t t = 0; t < 3; t++) {
        reference_tensor *out = reference_find(call, names[t]);
        int64_t width = out->extents[1];
        for (int64_t i = 0; i < p.m * width; i++) {
            int64_t from = i / width * p.n + first + i % width;
            reference_put(out, (size_t)i, p.sums[from], sqrt(p.terms[from]));
        }
        first += width;
    }
    drop(&p);
}

/* The columns of gate and up, as the option says, to one of c. */
void reference_matmul_swiglu(const reference_call *call)
{
    reference_tensor *c = reference_find(call, "c");
    bool interleaved = reference_says(call->spec, "gate", "interleaved");
    product p = multiply_plain(call, "b");
    put(reference_find(call, "pre"), &p);
    for (int64_t i = 0; i < (int64_t)c->count; i++) {
        int64_t n = p.n / 2, row = i / n * p.n, col = i % n;
        int64_t g = row + (interleaved ? 2 * col : col), u = g + (interleaved ? 1 : n);
        double silu = p.sums[g] / (1.0 + exp(-p.sums[g]));
        /* silu's slope is near 1 at most */
        reference_put(c, (size_t)i, silu * p.sums[u],
                      sqrt(p.terms[g] * square(p.sums[u]) + p.terms[u] * square(silu)));
    }
    drop(&p);
}

void reference_matmul_gelu_backward(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x");
    reference_tensor *dbias = reference_find(call, "dbias");
    product p = multiply_plain(call, "b");
    for (size_t i = 0; i < p.count; i++) {
        double level, change;
        reference_gelu_slope(call, x->values[i], &level, &change);
        p.terms[i] = p.terms[i] * square(level + change) +
                     square(p.sums[i]) * (square(level) + square(change));
        p.sums[i] *= level + change;
    }
    put(reference_find(call, "c"), &p);
    for (size_t j = 0; dbias && j < dbias->count; j++) {
        double sum = 0, terms = 0;
        for (size_t i = j; i < p.count; i += dbias->count) {
            sum += p.sums[i];
            terms += square(p.sums[i]) + p.terms[i];
        }
        reference_put(dbias, j, sum, sqrt(terms));
    }
    drop(&p);
}

/* ---- norms and prologues
 * --------------------------------------------------------------------------- */

void reference_gelu_matmul(const reference_call *call)
{
    const reference_tensor *a = reference_find(call, "a");
    double *values = reference_zeros(a->count);
    for (size_t i = 0; i < a->count; i++)
        values[i] = reference_gelu_of(call, a->values[i]);
    product p = multiply(call, "b", values, values);
    add_bias(call, &p);
    put(reference_find(call, "c"), &p);
    drop(&p);
    free(values);
}

/* The norm's own oracle on x, to y; mean and rstd where they are outputs. */
static void normalise(const reference_call *call, const char *norm, const reference_tensor *x,
                      const reference_tensor *y)
{
    reference_tensor tensors[6];
    reference_call inner = {call->spec, call->args, tensors, 0};
    size_t rows = (size_t)x->extents[0];
    double *scratch = reference_zeros(4 * rows);
    tensors[inner.num_tensors] = *x;
    tensors[inner.num_tensors++].name = "x";
    tensors[inner.num_tensors] = *y;
    tensors[inner.num_tensors++].name = "y";
    tensors[inner.num_tensors++] = *reference_find(call, "gamma");
    if (reference_find(call, "beta"))
        tensors[inner.num_tensors++] = *reference_find(call, "beta");
    for (size_t i = 0; i < 2; i++) {
        const char *name = i ? "rstd" : "mean";
        const reference_tensor *out = reference_find(call, name);
        tensors[inner.num_tensors++] =
            out ? *out
                : (reference_tensor){.name = name,
                                     .count = rows,
                                     .values = scratch + 2 * i * rows,
                                     .terms = scratch + (2 * i + 1) * rows};
    }
    (strcmp(norm, "layernorm") == 0 ? reference_layernorm : reference_rmsnorm)(&inner);
    free(scratch);
}

static product multiply_normalised(const reference_call *call, const char *norm)
{
    const reference_tensor *a = reference_find(call, "a");
    reference_tensor y = {.count = a->count};
    y.values = reference_zeros(a->count);
    y.terms = reference_zeros(a->count);
    normalise(call, norm, a, &y);
    for (size_t i = 0; i < y.count; i++)
        y.terms[i] = fmax(y.terms[i], fabs(y.values[i])); /* rmsnorm tells none of its own */
    product p = multiply(call, "b", y.values, y.terms);
    free(y.values);
    free(y.terms);
    add_bias(call, &p);
    return p;
}

void reference_layernorm_matmul(const reference_call *call)
{
    product p = multiply_normalised(call, "layernorm");
    if (reference_says(call->spec, "gelu", "1"))
        for (size_t i = 0; i < p.count; i++)
            p.sums[i] = reference_gelu_of(call, p.sums[i]);
    put(reference_find(call, "c"), &p);
    drop(&p);
}

void reference_rmsnorm_matmul(const reference_call *call)
{
    product p = multiply_normalised(call, "rmsnorm");
    put(reference_find(call, "c"), &p);
    drop(&p);
}

static void normalise_sum(const reference_call *call, const char *norm)
{
    const reference_tensor *x = reference_find(call, "x");
    const reference_tensor *residual = reference_find(call, "residual");
    reference_tensor *sum = reference_find(call, "sum");
    for (size_t i = 0; i < sum->count; i++)
        reference_put(sum, i, x->values[i] + residual->values[i], 0);
    normalise(call, norm, sum, reference_find(call, "y"));
}

void reference_residual_layernorm(const reference_call *call)
{
    normalise_sum(call, "layernorm");
}

void reference_residual_rmsnorm(const reference_call *call)
{
    normalise_sum(call, "rmsnorm");
}
