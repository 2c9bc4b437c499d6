/* Kernels that work on rows: softmax, the norms, cross entropy, embedding. */
#include "reference_kernels.h"
#include <math.h>
#include <stdlib.h>

static size_t width_of(const reference_tensor *x)
{
    return (size_t)x->extents[x->rank - 1];
}

static double square(double x)
{
    return x * x;
}

/* ---- softmax ------------------------------------------------------------------------------- */

/* One row of n elements from index first, of which the first seen count. A score of NaN or +inf
 * leaves NaN in all that are seen. */
static void softmax_row(const reference_tensor *x, reference_tensor *y, size_t first, size_t n,
                        size_t seen, double scale)
{
    double most = -INFINITY, sum = 0;
    bool nan = false;
    for (size_t j = first; j < first + seen; j++) {
        most = fmax(most, scale * x->values[j]);
        nan |= isnan(scale * x->values[j]);
    }
    bool nothing = most == -INFINITY && !nan;
    for (size_t j = first; j < first + seen && !nothing; j++)
        sum += exp(scale * x->values[j] - most);
    for (size_t j = first; j < first + n; j++)
        if (j - first >= seen || nothing)
            reference_put_equal(y, j, 0);
        else
            y->values[j] = exp(scale * x->values[j] - most) / sum;
}

void reference_softmax(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x");
    reference_tensor *y = reference_find(call, "y");
    bool causal = reference_says(call->spec, "causal", "1");
    double scale = reference_option_or(call, "scale", 1);
    int64_t m = x->extents[x->rank - 2], n = x->extents[x->rank - 1];
    for (int64_t row = 0; row < (int64_t)x->count / n; row++) {
        int64_t seen = causal ? row % m + n - m + 1 : n;
        softmax_row(x, y, (size_t)(row * n), (size_t)n, (size_t)(seen < 0 ? 0 : seen), scale);
    }
}

void reference_softmax_backward(const reference_call *call)
{
    const reference_tensor *dy = reference_find(call, "dy"), *y = reference_find(call, "y");
    reference_tensor *dx = reference_find(call, "dx");
    double scale = reference_option_or(call, "scale", 1);
    size_t n = width_of(y);
    for (size_t first = 0; first < y->count; first += n) {
        double sum = 0, squares = 0;
        for (size_t j = first; j < first + n; j++) {
            sum += dy->values[j] * y->values[j];
            squares += square(dy->values[j] * y->values[j]);
        }
        for (size_t j = first; j < first + n; j++)
            reference_put(dx, j, scale * y->values[j] * (dy->values[j] - sum),
                          fabs(scale * y->values[j]) * sqrt(square(dy->values[j]) + squares));
    }
}

/* ---- norms --------------------------------------------------------------------------------- */

/* Of n numbers. Terms are left at 0 where hardly anything cancels, so that ulps decide. */
static double mean_of(const double *x, size_t n, double *terms)
{
    double sum = 0, sizes = 0, squares = 0;
    for (size_t j = 0; j < n; j++) {
        sum += x[j];
        sizes += fabs(x[j]);
        squares += square(x[j]);
    }
    *terms = fabs(sum) < 0.5 * sizes ? sqrt(squares) / (double)n : 0.0;
    return sum / (double)n;
}

/* 1/sqrt(var + eps). Each x - mean may be off by a share of hypot(x, mean); terms are what that
 * does to the result. */
static double rstd_of(const double *x, size_t n, double mean, double eps, double *terms)
{
    double sum = 0, squares = 0;
    for (size_t j = 0; j < n; j++) {
        sum += square(x[j] - mean);
        squares += square(x[j] - mean) * (square(x[j]) + square(mean));
    }
    double rstd = 1.0 / sqrt(sum / (double)n + eps);
    *terms = rstd * rstd * rstd * sqrt(squares) / (double)n;
    return rstd;
}

void reference_layernorm(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x"), *gamma = reference_find(call, "gamma");
    const reference_tensor *beta = reference_find(call, "beta");
    reference_tensor *y = reference_find(call, "y"), *means = reference_find(call, "mean");
    reference_tensor *rstds = reference_find(call, "rstd");
    double eps = reference_option(call, "eps", 1e-5);
    size_t n = width_of(x);
    for (size_t row = 0; row < x->count / n; row++) {
        const double *values = x->values + row * n;
        double mean_terms, rstd_terms, mean = mean_of(values, n, &mean_terms);
        double rstd = rstd_of(values, n, mean, eps, &rstd_terms);
        reference_put(means, row, mean, mean_terms);
        reference_put(rstds, row, rstd, rstd_terms);
        for (size_t j = 0; j < n; j++) {
            double factor = rstd * gamma->values[j], added = beta ? beta->values[j] : 0.0;
            reference_put(y, row * n + j, (values[j] - mean) * factor + added,
                          sqrt(square(values[j] * factor) + square(mean * factor) + square(added)));
        }
    }
}

void reference_rmsnorm(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x"), *gamma = reference_find(call, "gamma");
    reference_tensor *y = reference_find(call, "y"), *rstds = reference_find(call, "rstd");
    double eps = reference_option(call, "eps", 1e-5);
    double offset = reference_says(call->spec, "unit_offset", "1") ? 1.0 : 0.0;
    size_t n = width_of(x);
    for (size_t row = 0; row < x->count / n; row++) {
        const double *values = x->values + row * n;
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += square(values[j]);
        double rstd = 1.0 / sqrt(sum / (double)n + eps);
        rstds->values[row] = rstd;
        for (size_t j = 0; j < n; j++)
            reference_put(y, row * n + j, values[j] * rstd * (gamma->values[j] + offset),
                          fabs(values[j] * rstd) *
                              (offset != 0 ? hypot(gamma->values[j], offset) : 0.0));
    }
}

/* A norm's backward pass: layernorm's with a mean, rmsnorm's without. Sums over columns go to the
 * two arrays of n squares besides. */
typedef struct {
    const reference_call *call;
    const reference_tensor *dy, *x, *gamma, *mean, *rstd;
    reference_tensor *dx, *dgamma, *dbeta;
    double offset; /* added to gamma */
    size_t n;
} backward;

static void start(reference_tensor *sums, bool accumulate)
{
    for (size_t j = 0; sums && j < sums->count; j++) {
        double old = accumulate ? sums->values[j] : 0.0;
        reference_put(sums, j, old, square(old));
    }
}

static void finish(reference_tensor *sums)
{
    for (size_t j = 0; sums && j < sums->count; j++)
        sums->terms[j] = sqrt(sums->terms[j]);
}

static void add(reference_tensor *sums, size_t j, double value, double terms)
{
    sums->values[j] += value;
    sums->terms[j] += square(terms);
}

/* rough: root of the sum of squares behind xhat, for terms. */
static void norm_backward_row(const backward *b, size_t row)
{
    const double *dy = b->dy->values + row * b->n, *x = b->x->values + row * b->n;
    double mean = b->mean ? b->mean->values[row] : 0.0, rstd = b->rstd->values[row];
    double n = (double)b->n, g_sum = 0, gx_sum = 0, g_squares = 0, gx_squares = 0;
    for (size_t j = 0; j < b->n; j++) {
        double gamma = b->gamma->values[j] + b->offset, g = dy[j] * gamma;
        double xhat = (x[j] - mean) * rstd, rough = rstd * hypot(x[j], mean);
        g_sum += g;
        gx_sum += g * xhat;
        g_squares += square(g);
        gx_squares += square(g * rough);
        add(b->dgamma, j, dy[j] * xhat, dy[j] * rough);
        if (b->dbeta)
            add(b->dbeta, j, dy[j], dy[j]);
    }
    if (!b->mean)
        g_sum = g_squares = 0;
    for (size_t j = 0; j < b->n; j++) {
        double gamma = b->gamma->values[j], g = dy[j] * (gamma + b->offset);
        double xhat = (x[j] - mean) * rstd, rough = rstd * hypot(x[j], mean);
        double squares = square(dy[j]) * (square(gamma) + square(b->offset)) +
                         (g_squares + square(xhat) * gx_squares) / square(n) +
                         square(rough * gx_sum / n);
        reference_put(b->dx, row * b->n + j, rstd * (g - g_sum / n - xhat * (gx_sum / n)),
                      fabs(rstd) * sqrt(squares));
    }
}

static void norm_backward(const reference_call *call)
{
    backward b = {.call = call,
                  .dy = reference_find(call, "dy"),
                  .x = reference_find(call, "x"),
                  .gamma = reference_find(call, "gamma"),
                  .mean = reference_find(call, "mean"),
                  .rstd = reference_find(call, "rstd"),
                  .dx = reference_find(call, "dx"),
                  .dgamma = reference_find(call, "dgamma"),
                  .dbeta = reference_find(call, "dbeta"),
                  .offset = reference_says(call->spec, "unit_offset", "1") ? 1.0 : 0.0};
    bool accumulate = reference_says(call->spec, "accumulate", "1");
    b.n = width_of(b.x);
    start(b.dgamma, accumulate);
    start(b.dbeta, accumulate);
    for (size_t row = 0; row < b.rstd->count; row++)
        norm_backward_row(&b, row);
    finish(b.dgamma);
    finish(b.dbeta);
}

void reference_layernorm_backward(const reference_call *call)
{
    norm_backward(call);
}

void reference_rmsnorm_backward(const reference_call *call)
{
    norm_backward(call);
}

/* ---- cross entropy ------------------------------------------------------------------------- */

typedef struct {
    double smoothing, z_loss, grad_scale;
    size_t vocab;
    reference_tensor *loss, *lse, *dlogits;
} entropy;

/* lse of vocab logits; a logit of NaN or +inf makes it NaN. */
static double lse_of(const double *logits, size_t vocab, double *terms)
{
    double most = -INFINITY, sum = 0;
    for (size_t j = 0; j < vocab; j++)
        most = fmax(most, logits[j]);
    *terms = 0;
    for (size_t j = 0; j < vocab; j++)
        sum += most == -INFINITY && !isnan(logits[j]) ? 0.0 : exp(logits[j] - most);
    if (sum == 0)
        return -INFINITY;
    *terms = hypot(most, log(sum));
    return most + log(sum);
}

static double squared_lse(const entropy *e, double lse)
{
    return e->z_loss != 0 ? e->z_loss * lse * lse : 0.0;
}

static void entropy_loss(const entropy *e, const double *logits, size_t row, size_t target,
                         double lse, double lse_terms)
{
    double hit = (1.0 - e->smoothing) * logits[target], mean = 0, squares = 0;
    for (size_t j = 0; j < e->vocab && e->smoothing != 0; j++) {
        mean += e->smoothing * logits[j] / (double)e->vocab;
        squares += square(e->smoothing * logits[j] / (double)e->vocab);
    }
    double extra = squared_lse(e, lse);
    reference_put(e->loss, row, lse - hit - mean + extra,
                  sqrt(square(lse_terms) + square(hit) + squares + square(extra)));
}

static void entropy_gradient(const entropy *e, const double *logits, size_t row, size_t target,
                             double lse)
{
    double bend = e->z_loss != 0 ? 2.0 * e->z_loss * lse : 0.0;
    double spread = e->smoothing / (double)e->vocab;
    for (size_t j = 0; j < e->vocab; j++) {
        double p = exp(logits[j] - lse), hit = j == target ? 1.0 - e->smoothing : 0.0;
        reference_put(e->dlogits, row * e->vocab + j,
                      e->grad_scale * (p * (1.0 + bend) - hit - spread),
                      fabs(e->grad_scale) *
                          sqrt(square(p) * (1 + square(bend)) + square(hit) + square(spread)));
    }
}

static void entropy_ignored(const entropy *e, size_t row)
{
    reference_put_equal(e->loss, row, 0);
    for (size_t j = 0; e->dlogits && j < e->vocab; j++)
        reference_put_equal(e->dlogits, row * e->vocab + j, 0);
}

void reference_cross_entropy(const reference_call *call)
{
    const reference_tensor *logits = reference_find(call, "logits");
    const reference_tensor *targets = reference_find(call, "targets");
    reference_tensor *bad = reference_find(call, "bad");
    entropy e = {.smoothing = reference_option(call, "label_smoothing", 0),
                 .z_loss = reference_option(call, "z_loss", 0),
                 .grad_scale = reference_option(call, "grad_scale", 1),
                 .vocab = width_of(logits),
                 .loss = reference_find(call, "loss"),
                 .lse = reference_find(call, "lse"),
                 .dlogits = reference_find(call, "dlogits")};
    double ignored = reference_option(call, "ignore_index", -100), count = 0;
    for (size_t row = 0; row < targets->count; row++) {
        const double *values = logits->values + row * e.vocab;
        double target = targets->values[row], terms, lse = lse_of(values, e.vocab, &terms);
        bool outside = target < 0 || target >= (double)e.vocab;
        reference_put(e.lse, row, lse, terms);
        count += outside && target != ignored;
        if (outside || target == ignored) {
            entropy_ignored(&e, row);
            continue;
        }
        entropy_loss(&e, values, row, (size_t)target, lse, terms);
        if (e.dlogits)
            entropy_gradient(&e, values, row, (size_t)target, lse);
    }
    if (bad)
        reference_put_equal(bad, 0, count);
}

/* ---- embedding ----------------------------------------------------------------------------- */

void reference_embedding(const reference_call *call)
{
    const reference_tensor *ids = reference_find(call, "ids");
    const reference_tensor *table = reference_find(call, "table");
    reference_tensor *y = reference_find(call, "y"), *bad = reference_find(call, "bad");
    size_t n = width_of(table);
    double count = 0;
    for (size_t row = 0; row < ids->count; row++) {
        double id = ids->values[row];
        bool outside = id < 0 || id >= (double)table->extents[0];
        count += outside;
        for (size_t j = 0; j < n; j++)
            if (outside)
                reference_put_equal(y, row * n + j, 0);
            else
                reference_move(y, row * n + j, table, (size_t)id * n + j);
    }
    if (bad)
        reference_put_equal(bad, 0, count);
}

/* Rows that no id names keep their bits. */
void reference_embedding_backward(const reference_call *call)
{
    const reference_tensor *ids = reference_find(call, "ids"), *dy = reference_find(call, "dy");
    reference_tensor *dtable = reference_find(call, "dtable");
    size_t n = width_of(dtable);
    double *named = reference_zeros((size_t)dtable->extents[0]);
    start(dtable, true);
    for (size_t row = 0; row < ids->count; row++) {
        double id = ids->values[row];
        if (id < 0 || id >= (double)dtable->extents[0])
            continue;
        named[(size_t)id] = 1;
        for (size_t j = 0; j < n; j++)
            add(dtable, (size_t)id * n + j, dy->values[row * n + j], dy->values[row * n + j]);
    }
    finish(dtable);
    for (size_t i = 0; i < dtable->count; i++)
        if (named[i / n] == 0)
            reference_move(dtable, i, dtable, i);
    free(named);
}
