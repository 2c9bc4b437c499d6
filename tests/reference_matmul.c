/* Matrix products. */
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

void reference_multiply(const double *a, const double *rough, const double *b, double *c,
                        double *terms, int64_t m, int64_t n, int64_t k)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t l = 0; l < k; l++)
            for (int64_t j = 0; j < n; j++) {
                const double factor = b[l * n + j], term = rough[i * k + l] * factor;
                c[i * n + j] += a[i * k + l] * factor;
                terms[i * n + j] += term * term;
            }
}

void reference_multiply_nt(const double *a, const double *rough, const double *b, double *c,
                           double *terms, int64_t m, int64_t n, int64_t k)
{
    double *turned = transposed(b, n, k);
    reference_multiply(a, rough, turned, c, terms, m, n, k);
    free(turned);
}

/* b[k,n] out of panels of 64 columns. */
double *reference_unpacked(const reference_tensor *b, int64_t n, int64_t k)
{
    const int64_t padded = (k + 15) / 16 * 16;
    double *plain = reference_zeros((size_t)(n * k));
    for (int64_t l = 0; l < k; l++)
        for (int64_t j = 0; j < n; j++)
            plain[l * n + j] = b->values[(j / 64 * padded + l) * 64 + j % 64];
    return plain;
}

void reference_pack(const reference_call *call)
{
    const reference_tensor *b = reference_find(call, "b");
    reference_tensor *packed = reference_find(call, "packed");
    const bool nt = reference_says(call->spec, "layout", "nt");
    const int64_t n = b->extents[nt ? 0 : 1], k = b->extents[nt ? 1 : 0];
    for (size_t i = 0; i < packed->count; i++) {
        const int64_t row = (int64_t)i / 64, l = row % packed->extents[1];
        const int64_t j = row / packed->extents[1] * 64 + (int64_t)i % 64;
        if (j < n && l < k)
            reference_move(packed, i, b, (size_t)(nt ? j * k + l : l * n + j));
        else
            reference_put_equal(packed, i, 0.0);
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
    double *plain = NULL;
    if (reference_says(call->spec, "packed", "1")) {
        plain = reference_unpacked(b, n, k);
        trans_b = false;
    }
    *c = reference_zeros(out->count);
    *terms = reference_zeros(out->count);
    for (int64_t i = 0; i < batch; i++) {
        const double *ai = a->values + i * m * k, *bi = plain ? plain : b->values + i * k * n;
        double *at = trans_a ? transposed(ai, k, m) : NULL;
        if (at)
            ai = at;
        (trans_b ? reference_multiply_nt : reference_multiply)(ai, ai, bi, *c + i * m * n,
                                                               *terms + i * m * n, m, n, k);
        free(at);
    }
    free(plain);
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
