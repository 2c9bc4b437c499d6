/* Attention, one score at a time. */
#include "reference_kernels.h"
#include <math.h>
#include <stdlib.h>

typedef struct {
    const reference_tensor *q, *k, *v;
    size_t batch, seq_q, seq_k, heads, kv_heads, head_dim;
    double scale, softcap, window;
    bool causal, alibi;
} attention;

static attention attention_of(const reference_call *call)
{
    attention a = {.q = reference_find(call, "q"),
                   .k = reference_find(call, "k"),
                   .v = reference_find(call, "v"),
                   .softcap = reference_option(call, "softcap", 0),
                   .window = reference_option(call, "window", 0),
                   .causal = reference_says(call->spec, "causal", "1"),
                   .alibi = reference_says(call->spec, "alibi", "1")};
    a.batch = (size_t)a.q->extents[0];
    a.seq_q = (size_t)a.q->extents[1];
    a.heads = (size_t)a.q->extents[2];
    a.head_dim = (size_t)a.q->extents[3];
    a.seq_k = (size_t)a.k->extents[1];
    a.kv_heads = (size_t)a.k->extents[2];
    a.scale = reference_option_or(call, "scale", pow((double)a.head_dim, -0.5));
    return a;
}

/* Where a query's vector (in q, o, dout, dq) and a key's (in k, v, dk, dv) start. */
static size_t query_at(const attention *a, size_t b, size_t row, size_t head)
{
    return ((b * a->seq_q + row) * a->heads + head) * a->head_dim;
}

static size_t key_at(const attention *a, size_t b, size_t j, size_t head)
{
    size_t kv = head / (a->heads / a->kv_heads);
    return ((b * a->seq_k + j) * a->kv_heads + kv) * a->head_dim;
}

static size_t row_of_lse(const attention *a, size_t b, size_t row, size_t head)
{
    return (b * a->heads + head) * a->seq_q + row;
}

/* Head counts that are no power of two: slopes of the power below, then every second one of the
 * power above. Press, Smith and Lewis, "Train short, test long", arXiv:2108.12409. */
static double slope_of(const attention *a, size_t head)
{
    size_t below = 1;
    while (2 * below <= a->heads)
        below *= 2;
    if (head < below)
        return pow(2.0, -8.0 * (double)(head + 1) / (double)below);
    return pow(2.0, -8.0 * (double)(2 * (head - below) + 1) / (double)(2 * below));
}

static double dot(const double *x, const double *y, size_t n, double *squares)
{
    double sum = 0;
    *squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i] * y[i];
        *squares += x[i] * y[i] * x[i] * y[i];
    }
    return sum;
}

/* A score: s, how it changes with scale q k, and the root of the sum of squares of its terms. */
typedef struct {
    bool seen;
    double s, slope, terms;
} score;

static score score_of(const attention *a, size_t b, size_t row, size_t head, size_t j)
{
    double i = (double)row + (double)a->seq_k - (double)a->seq_q, distance = fabs(i - (double)j);
    score r = {.seen = !(a->causal && (double)j > i) && !(a->window > 0 && distance >= a->window),
               .slope = 1.0};
    if (!r.seen)
        return r;
    r.s = a->scale * dot(a->q->values + query_at(a, b, row, head),
                         a->k->values + key_at(a, b, j, head), a->head_dim, &r.terms);
    r.terms = fabs(a->scale) * sqrt(r.terms);
    if (a->softcap > 0) {
        double t = tanh(r.s / a->softcap);
        r.s = a->softcap * t;
        r.slope = 1.0 - t * t;
        r.terms = hypot(r.terms * r.slope, r.s * (t * t));
    }
    if (a->alibi) {
        r.s -= slope_of(a, head) * distance;
        r.terms = hypot(r.terms, slope_of(a, head) * distance);
    }
    return r;
}

/* ---- forward ------------------------------------------------------------------------------- */

/* One row's natural logarithm of the sum of exponentials; -inf if there is nothing. A score of NaN
 * or +inf makes it NaN. */
static double lse_of(const score *scores, size_t seq_k, double *terms)
{
    double most = -INFINITY, sum = 0, squares = 0;
    bool nan = false;
    *terms = 0;
    for (size_t j = 0; j < seq_k; j++)
        if (scores[j].seen) {
            most = fmax(most, scores[j].s);
            nan |= isnan(scores[j].s);
        }
    if (nan)
        return NAN;
    if (most == -INFINITY)
        return -INFINITY;
    for (size_t j = 0; j < seq_k; j++) {
        double p = scores[j].seen ? exp(scores[j].s - most) : 0.0;
        sum += p;
        squares += p > 0 ? p * p * scores[j].terms * scores[j].terms : 0.0;
    }
    *terms = sqrt(most * most + log(sum) * log(sum) + squares / (sum * sum));
    return most + log(sum);
}

/* An error of a score changes its p by so many times p; the sum of squares with p itself. */
static double shaky(const score *r, double p)
{
    return p > 0 ? 1.0 + r->terms * r->terms : 1.0;
}

static void row_output(const attention *a, const score *scores, reference_tensor *o, size_t b,
                       size_t row, size_t head, double lse)
{
    size_t at = query_at(a, b, row, head);
    for (size_t d = 0; d < a->head_dim; d++)
        if (lse == -INFINITY)
            reference_put_equal(o, at + d, 0);
        else
            reference_put(o, at + d, 0, 0);
    for (size_t j = 0; j < a->seq_k && lse != -INFINITY; j++) {
        if (!scores[j].seen)
            continue;
        const double *v = a->v->values + key_at(a, b, j, head);
        double p = exp(scores[j].s - lse), share = p * p * shaky(&scores[j], p);
        for (size_t d = 0; d < a->head_dim; d++) {
            o->values[at + d] += p * v[d];
            o->terms[at + d] += share * v[d] * v[d];
        }
    }
    for (size_t d = 0; d < a->head_dim; d++)
        o->terms[at + d] = sqrt(o->terms[at + d]);
}

void reference_flash_attention(const reference_call *call)
{
    attention a = attention_of(call);
    reference_tensor *o = reference_find(call, "o"), *lse = reference_find(call, "lse");
    score *scores = reference_allocate(a.seq_k, sizeof *scores);
    for (size_t b = 0; b < a.batch; b++)
        for (size_t head = 0; head < a.heads; head++)
            for (size_t row = 0; row < a.seq_q; row++) {
                for (size_t j = 0; j < a.seq_k; j++)
                    scores[j] = score_of(&a, b, row, head, j);
                double terms, value = lse_of(scores, a.seq_k, &terms);
                reference_put(lse, row_of_lse(&a, b, row, head), value, terms);
                row_output(&a, scores, o, b, row, head, value);
            }
    free(scores);
}

/* ---- backward ------------------------------------------------------------------------------ */

typedef struct {
    attention a;
    const reference_tensor *dout, *o, *lse;
    reference_tensor *dq, *dk, *dv;
} gradients;

/* One query's row under one head. */
typedef struct {
    size_t b, row, head;
    double lse, delta, delta_squares;
} query;

/* The share of one score. Terms are squares until the end. */
static void add_score(const gradients *g, const query *at, size_t j)
{
    const attention *a = &g->a;
    score r = score_of(a, at->b, at->row, at->head, j);
    if (!r.seen)
        return;
    size_t qi = query_at(a, at->b, at->row, at->head), ki = key_at(a, at->b, j, at->head);
    const double *dout = g->dout->values + qi;
    double dp_squares, dp = dot(dout, a->v->values + ki, a->head_dim, &dp_squares);
    double p = exp(r.s - at->lse), rough = shaky(&r, p), factor = p * r.slope * a->scale;
    double ds = factor * (dp - at->delta);
    double ds_squares = factor * factor * (dp_squares + at->delta_squares) + ds * ds * rough;
    for (size_t d = 0; d < a->head_dim; d++) {
        double q = a->q->values[qi + d], k = a->k->values[ki + d];
        g->dv->values[ki + d] += p * dout[d];
        g->dv->terms[ki + d] += p * p * dout[d] * dout[d] * rough;
        g->dq->values[qi + d] += ds * k;
        g->dq->terms[qi + d] += ds_squares * k * k;
        g->dk->values[ki + d] += ds * q;
        g->dk->terms[ki + d] += ds_squares * q * q;
    }
}

static void add_row(const gradients *g, query at)
{
    size_t first = query_at(&g->a, at.b, at.row, at.head);
    at.lse = g->lse->values[row_of_lse(&g->a, at.b, at.row, at.head)];
    at.delta = dot(g->dout->values + first, g->o->values + first, g->a.head_dim, &at.delta_squares);
    for (size_t j = 0; j < g->a.seq_k && at.lse != -INFINITY; j++)
        add_score(g, &at, j);
}

static void clear(reference_tensor *t)
{
    for (size_t i = 0; i < t->count; i++)
        reference_put(t, i, 0, 0);
}

static void finish(reference_tensor *t)
{
    for (size_t i = 0; i < t->count; i++)
        t->terms[i] = sqrt(t->terms[i]);
}

void reference_flash_attention_backward(const reference_call *call)
{
    gradients g = {.a = attention_of(call),
                   .dout = reference_find(call, "dout"),
                   .o = reference_find(call, "o"),
                   .lse = reference_find(call, "lse"),
                   .dq = reference_find(call, "dq"),
                   .dk = reference_find(call, "dk"),
                   .dv = reference_find(call, "dv")};
    clear(g.dq);
    clear(g.dk);
    clear(g.dv);
    for (size_t b = 0; b < g.a.batch; b++)
        for (size_t head = 0; head < g.a.heads; head++)
            for (size_t row = 0; row < g.a.seq_q; row++)
                add_row(&g, (query){.b = b, .row = row, .head = head});
    finish(g.dq);
    finish(g.dk);
    finish(g.dv);
}
