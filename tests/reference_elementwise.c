/* Elementwise kernels and those that move elements. */
#include "reference_kernels.h"
#include <math.h>
#include <string.h>

/* ---- moves and sums ------------------------------------------------------------------------ */

void reference_transpose(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x");
    reference_tensor *y = reference_find(call, "y");
    size_t rank = x->rank;
    size_t m = (size_t)x->extents[rank - 2], n = (size_t)x->extents[rank - 1];
    for (size_t i = 0; i < y->count; i++) {
        size_t first = i - i % (m * n), row = i % m, col = i / m % n;
        reference_move(y, i, x, first + row * n + col);
    }
}

void reference_bias_add(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x"), *bias = reference_find(call, "bias");
    reference_tensor *y = reference_find(call, "y");
    for (size_t i = 0; i < y->count; i++) {
        double added = bias->values[i % bias->count];
        reference_put(y, i, x->values[i] + added, hypot(x->values[i], added));
    }
}

void reference_bias_backward(const reference_call *call)
{
    const reference_tensor *dy = reference_find(call, "dy");
    reference_tensor *dbias = reference_find(call, "dbias");
    bool accumulate = reference_says(call->spec, "accumulate", "1");
    for (size_t j = 0; j < dbias->count; j++) {
        double sum = accumulate ? dbias->values[j] : 0.0, squares = sum * sum;
        for (size_t i = j; i < dy->count; i += dbias->count) {
            sum += dy->values[i];
            squares += dy->values[i] * dy->values[i];
        }
        reference_put(dbias, j, sum, sqrt(squares));
    }
}

void reference_residual_add(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x");
    const reference_tensor *residual = reference_find(call, "residual");
    reference_tensor *y = reference_find(call, "y");
    for (size_t i = 0; i < y->count; i++)
        reference_put(y, i, x->values[i] + residual->values[i],
                      hypot(x->values[i], residual->values[i]));
}

/* ---- activations --------------------------------------------------------------------------- */

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* Phi(x), without cancellation in the tail. */
static double normal_cdf(double x)
{
    return 0.5 * erfc(-x * sqrt(0.5));
}

/* (1 + tanh(u)) / 2 is sigmoid(2u); this is 2u of GELU's approximation, and its derivative. */
static double twice_u(double x)
{
    return sqrt(8.0 / acos(-1.0)) * (x + 0.044715 * x * x * x);
}

static double twice_du(double x)
{
    return sqrt(8.0 / acos(-1.0)) * (1.0 + 3.0 * 0.044715 * x * x);
}

double reference_gelu_of(const reference_call *call, double x)
{
    return x * (reference_says(call->spec, "approx", "none") ? normal_cdf(x) : sigmoid(twice_u(x)));
}

void reference_gelu(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x");
    reference_tensor *y = reference_find(call, "y");
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = reference_gelu_of(call, x->values[i]);
}

void reference_gelu_slope(const reference_call *call, double x, double *level, double *change)
{
    if (reference_says(call->spec, "approx", "none")) {
        *level = normal_cdf(x);
        *change = x * exp(-0.5 * x * x) / sqrt(2.0 * acos(-1.0));
    } else {
        *level = sigmoid(twice_u(x));
        *change = x * *level * sigmoid(-twice_u(x)) * twice_du(x);
    }
}

void reference_gelu_backward(const reference_call *call)
{
    const reference_tensor *dy = reference_find(call, "dy"), *x = reference_find(call, "x");
    reference_tensor *dx = reference_find(call, "dx");
    for (size_t i = 0; i < dx->count; i++) {
        double level, change;
        reference_gelu_slope(call, x->values[i], &level, &change);
        reference_put(dx, i, dy->values[i] * (level + change),
                      fabs(dy->values[i]) * hypot(level, change));
    }
}

/* Where in x the gate of y's element i stands, and how far behind it its up. */
static size_t gate_of(const reference_call *call, const reference_tensor *x, size_t i,
                      size_t *behind)
{
    size_t n = (size_t)x->extents[x->rank - 1] / 2;
    bool interleaved = reference_says(call->spec, "layout", "interleaved");
    *behind = interleaved ? 1 : n;
    return i / n * 2 * n + i % n * (interleaved ? 2 : 1);
}

void reference_swiglu(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x");
    reference_tensor *y = reference_find(call, "y");
    for (size_t i = 0; i < y->count; i++) {
        size_t behind, at = gate_of(call, x, i, &behind);
        double gate = x->values[at], up = x->values[at + behind];
        y->values[i] = gate * sigmoid(gate) * up;
    }
}

void reference_swiglu_backward(const reference_call *call)
{
    const reference_tensor *dy = reference_find(call, "dy"), *x = reference_find(call, "x");
    reference_tensor *dx = reference_find(call, "dx");
    for (size_t i = 0; i < dy->count; i++) {
        size_t behind, at = gate_of(call, x, i, &behind);
        double gate = x->values[at], up = x->values[at + behind], s = sigmoid(gate);
        double change = gate * sigmoid(-gate), slope = dy->values[i] * up * s;
        reference_put(dx, at, slope * (1.0 + change), fabs(slope) * hypot(1.0, change));
        dx->values[at + behind] = dy->values[i] * gate * s;
    }
}

/* ---- dropout ------------------------------------------------------------------------------- */

void reference_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t random[4])
{
    uint32_t c[4], k[2] = {key[0], key[1]};
    memcpy(c, counter, sizeof c);
    for (int round = 0; round < 10; round++) {
        uint64_t first = UINT64_C(0xd2511f53) * c[0], second = UINT64_C(0xcd9e8d57) * c[2];
        uint32_t next[4] = {(uint32_t)(second >> 32) ^ c[1] ^ k[0], (uint32_t)second,
                            (uint32_t)(first >> 32) ^ c[3] ^ k[1], (uint32_t)first};
        memcpy(c, next, sizeof c);
        k[0] += UINT32_C(0x9e3779b9);
        k[1] += UINT32_C(0xbb67ae85);
    }
    memcpy(random, c, sizeof c);
}

void reference_dropout(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x");
    reference_tensor *y = reference_find(call, "y");
    double p = (double)(float)reference_option(call, "p", 0);
    uint64_t seed = reference_integer(call->args, "seed", 0);
    uint64_t offset = reference_integer(call->args, "offset", 0);
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (size_t i = 0; i < y->count; i++) {
        uint64_t place = offset + i, block = place / 4;
        const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), 0, 0};
        uint32_t random[4];
        reference_philox(counter, key, random);
        if ((double)random[place % 4] >= ldexp(p, 32))
            y->values[i] = x->values[i] * (1.0 / (1.0 - p));
        else
            reference_put_equal(y, i, 0);
    }
}

/* ---- rope ---------------------------------------------------------------------------------- */

/* Turns the pair at u and v. The contract allows an angle's relative error of 1e-6. */
static void turn(const reference_tensor *x, reference_tensor *y, size_t u, size_t v, double angle)
{
    double a = x->values[u], b = x->values[v], c = cos(angle), s = sin(angle);
    reference_put(y, u, a * c - b * s, hypot(a * c, b * s));
    reference_put(y, v, b * c + a * s, hypot(b * c, a * s));
    if (y->allow)
        y->allow[u] = y->allow[v] = 1e-6 * fabs(angle) * hypot(a, b);
}

void reference_rope(const reference_call *call)
{
    const reference_tensor *x = reference_find(call, "x");
    const reference_tensor *positions = reference_find(call, "positions");
    reference_tensor *y = reference_find(call, "y");
    size_t heads = (size_t)x->extents[1], head_dim = (size_t)x->extents[2];
    size_t rotary = (size_t)reference_option_or(call, "rotary_dim", (double)head_dim);
    double theta = reference_option_or(call, "theta", 10000);
    double sign = reference_says(call->spec, "inverse", "1") ? -1.0 : 1.0;
    bool neox = reference_says(call->spec, "style", "neox");
    for (size_t row = 0; row < positions->count * heads; row++) {
        size_t first = row * head_dim;
        double position = sign * positions->values[row / heads];
        for (size_t i = 0; i < rotary / 2; i++) {
            double angle = position * pow(theta, -2.0 * (double)i / (double)rotary);
            if (neox)
                turn(x, y, first + i, first + i + rotary / 2, angle);
            else
                turn(x, y, first + 2 * i, first + 2 * i + 1, angle);
        }
        for (size_t i = rotary; i < head_dim; i++)
            reference_move(y, first + i, x, first + i);
    }
}
