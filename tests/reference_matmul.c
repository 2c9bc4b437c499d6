/* Matrix products and the rows fused over them. */
#include "reference_kernels.h"
#include <math.h>
#include <stdlib.h>

/* [rows,cols] to [cols,rows] */
static double *transposed(const double *x, int64_t rows, int64_t cols)
{
    double *y = reference_zeros((size_t)(rows * cols));
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
    *c = reference_zeros(out->count);
    *terms = reference_zeros(out->count);
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

void reference_matmul(const reference_call *call)
{
    product(call, false, false);
}

void reference_matmul_nt(const reference_call *call)
{
    product(call, false, true);
}

void reference_matmul_tn(const reference_call *call)
{
    product(call, true, false);
}

void reference_batched_matmul(const reference_call *call)
{
    product(call, reference_says(call->spec, "trans_a", "1"),
            reference_says(call->spec, "trans_b", "1"));
}

/* ---- fused ------------------------------------------------------------------------------- */

void reference_matmul_bias_gelu(const reference_call *call)
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
        c->values[i] = reference_gelu_of(call, v);
        c->terms[i] = root; /* GELU's slope is near 1 at most */
    }
    free(sums);
    free(terms);
}

void reference_matmul_bias_residual(const reference_call *call)
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
