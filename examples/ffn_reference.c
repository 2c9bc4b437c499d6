/* Inputs, and what is right: plain C in double precision, nothing of kiln's but kiln_dtype. */
#include "ffn_block.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- storage ----------------------------------------------------------------------------- */

size_t ffn_dtype_size(kiln_dtype dtype)
{
    return dtype == KILN_F32 ? 4 : 2;
}

const char *ffn_dtype_name(kiln_dtype dtype)
{
    return dtype == KILN_F32 ? "f32" : dtype == KILN_F16 ? "f16" : "bf16";
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* bits without its lowest `drop` ones, rounded to nearest even. */
static uint32_t round_off(uint32_t bits, unsigned drop)
{
    uint32_t half = (uint32_t)1 << (drop - 1);
    return (bits + half - 1 + ((bits >> drop) & 1)) >> drop;
}

static uint16_t to_bf16(float value)
{
    uint32_t bits = bits_of(value);
    if (isnan(value))
        return (uint16_t)(bits >> 16 | 0x40); /* rounding could carry it to infinity */
    return (uint16_t)round_off(bits, 16);
}

static uint16_t to_f16(float value)
{
    uint32_t bits = bits_of(value), magnitude = bits & 0x7fffffff;
    uint32_t sign = bits >> 16 & 0x8000;
    if (isnan(value))
        return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) /* 65520, halfway from the largest to 65536 */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude >= 0x38800000) /* 2^-14, the smallest normal; a carry moves the exponent right */
        return (uint16_t)(sign | round_off(magnitude - 0x38000000, 13));
    if (magnitude <= 0x33000000) /* 2^-25, halfway from 0 to the smallest subnormal */
        return (uint16_t)sign;
    uint32_t mantissa = (magnitude & 0x7fffff) | 0x800000;
    return (uint16_t)(sign | round_off(mantissa, 126 - (magnitude >> 23)));
}

static double from_f16(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    double mantissa = bits & 0x3ff;
    double value = exponent == 31 ? (mantissa != 0 ? (double)NAN : (double)INFINITY)
                   : exponent > 0 ? ldexp(1024 + mantissa, exponent - 25)
                                  : ldexp(mantissa, -24);
    return bits & 0x8000 ? -value : value;
}

static void load(double *to, const void *from, size_t first, size_t count, kiln_dtype dtype)
{
    const float *f32 = from;
    const uint16_t *u16 = from;
    for (size_t i = 0; i < count; i++)
        to[i] = dtype == KILN_F32   ? (double)f32[first + i]
                : dtype == KILN_F16 ? from_f16(u16[first + i])
                                    : (double)float_of((uint32_t)u16[first + i] << 16);
}

/* ---- inputs ------------------------------------------------------------------------------ */

/* splitmix64, public domain (Steele, Lea and Flood, "Fast splittable pseudorandom number
 * generators"). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void *make_normal(uint64_t seed, size_t count, double deviation, kiln_dtype dtype)
{
    void *memory = malloc(count * ffn_dtype_size(dtype));
    if (!memory)
        return NULL;
    float *f32 = memory;
    uint16_t *u16 = memory;
    float pair[2] = {0, 0}; /* Box and Muller make two at a time */
    for (size_t i = 0; i < count; i++) {
        if (i % 2 == 0) {
            static const float turn = 6.28318531f;
            uint64_t bits = next_random(&seed);
            float radius = sqrtf(-2.0f * logf(((float)(bits >> 40) + 1.0f) * 0x1p-24f));
            float angle = turn * ((float)(bits & 0xffffff) * 0x1p-24f);
            pair[0] = (float)deviation * radius * cosf(angle);
            pair[1] = (float)deviation * radius * sinf(angle);
        }
        if (dtype == KILN_F32)
            f32[i] = pair[i % 2];
        else
            u16[i] = dtype == KILN_F16 ? to_f16(pair[i % 2]) : to_bf16(pair[i % 2]);
        if (i % 1000000 == 0)
            ffn_progress("making inputs", i, count);
    }
    return memory;
}

bool ffn_make_inputs(const ffn_options *options, ffn_inputs *inputs)
{
    size_t tokens = (size_t)options->tokens, hidden = (size_t)options->hidden;
    size_t ffn = (size_t)options->ffn;
    kiln_dtype dtype = options->dtype;
    *inputs = (ffn_inputs){.tokens = tokens,
                           .hidden = hidden,
                           .ffn = ffn,
                           .dtype = dtype,
                           .approx = options->approx,
                           .x = make_normal(1, tokens * hidden, 1.0, dtype),
                           .w1 = make_normal(2, hidden * ffn, 1.0 / sqrt((double)hidden), dtype),
                           .b1 = make_normal(3, ffn, 0.1, dtype),
                           .w2 = make_normal(4, ffn * hidden, 1.0 / sqrt((double)ffn), dtype),
                           .b2 = make_normal(5, hidden, 0.1, dtype)};
    return inputs->x && inputs->w1 && inputs->b1 && inputs->w2 && inputs->b2;
}

void ffn_free_inputs(ffn_inputs *inputs)
{
    free(inputs->x);
    free(inputs->w1);
    free(inputs->b1);
    free(inputs->w2);
    free(inputs->b2);
    *inputs = (ffn_inputs){0};
}

/* ---- oracle ------------------------------------------------------------------------------ */

static double gelu(double x, kiln_approx approx)
{
    static const double sqrt_2_by_pi = 0.79788456080286535588, sqrt_half = 0.70710678118654752440;
    if (approx == KILN_APPROX_TANH)
        return 0.5 * x * (1.0 + tanh(sqrt_2_by_pi * (x + 0.044715 * x * x * x)));
    return 0.5 * x * erfc(-sqrt_half * x);
}

/* out[rows,n] += a[rows,k] w[k,n]; line holds a row of w. */
static void add_product(double *out, const double *a, const void *w, kiln_dtype dtype, size_t rows,
                        size_t k, size_t n, double *line)
{
    for (size_t l = 0; l < k; l++) {
        load(line, w, l * n, n, dtype);
        for (size_t i = 0; i < rows; i++) {
            const double factor = a[i * k + l];
            double *to = out + i * n;
            for (size_t j = 0; j < n; j++)
                to[j] += factor * line[j];
        }
        ffn_progress("computing the reference", l, k);
    }
}

static void compute(const ffn_inputs *in, ffn_reference *reference, double *x, double *h,
                    double *line)
{
    size_t rows = reference->rows, hidden = in->hidden, ffn = in->ffn;
    for (size_t i = 0; i < rows; i++) {
        load(x + i * hidden, in->x, reference->row[i] * hidden, hidden, in->dtype);
        load(h + i * ffn, in->b1, 0, ffn, in->dtype);
    }
    add_product(h, x, in->w1, in->dtype, rows, hidden, ffn, line);
    for (size_t i = 0; i < rows * ffn; i++)
        h[i] = gelu(h[i], in->approx);
    add_product(reference->y, h, in->w2, in->dtype, rows, ffn, hidden, line);
    load(line, in->b2, 0, hidden, in->dtype);
    for (size_t i = 0; i < rows * hidden; i++) {
        double bias = line[i % hidden], product = reference->y[i];
        reference->terms[i] = sqrt(x[i] * x[i] + product * product + bias * bias);
        reference->y[i] = x[i] + product + bias;
    }
}

bool ffn_make_reference(const ffn_inputs *inputs, size_t max_rows, ffn_reference *reference)
{
    size_t tokens = inputs->tokens, hidden = inputs->hidden, ffn = inputs->ffn;
    size_t rows = tokens < max_rows ? tokens : max_rows;
    *reference = (ffn_reference){.rows = rows,
                                 .hidden = hidden,
                                 .row = malloc(rows * sizeof *reference->row),
                                 .y = calloc(rows * hidden, sizeof *reference->y),
                                 .terms = calloc(rows * hidden, sizeof *reference->terms)};
    double *x = calloc(rows * hidden, sizeof *x);
    double *h = calloc(rows * ffn, sizeof *h);
    double *line = calloc(hidden > ffn ? hidden : ffn, sizeof *line);
    bool ok = reference->row && reference->y && reference->terms && x && h && line;
    if (ok) {
        for (size_t i = 0; i < rows; i++)
            reference->row[i] = rows > 1 ? i * (tokens - 1) / (rows - 1) : 0;
        compute(inputs, reference, x, h, line);
    }
    free(x);
    free(h);
    free(line);
    return ok;
}

void ffn_free_reference(ffn_reference *reference)
{
    free(reference->row);
    free(reference->y);
    free(reference->terms);
    *reference = (ffn_reference){0};
}

/* ---- comparison -------------------------------------------------------------------------- */

/* The bounds of a single kernel hold for the chain too. It rounds up to six times to storage, each
 * time by at most u of the value (f16 2^-11, bf16 2^-8). These errors are independent, and each
 * reaches y damped, as a product sums many and gelu' is at most 1.13; so relative to y they add
 * like squares: at most sqrt(6) u / sqrt(3) = 1.4 u, 7e-4 in f16 and 5.5e-3 in bf16. */
double ffn_tolerance(kiln_dtype dtype)
{
    return dtype == KILN_F32 ? 1e-5 : dtype == KILN_F16 ? 2e-3 : 1e-2;
}

ffn_error ffn_compare(const ffn_reference *reference, const void *y, kiln_dtype dtype)
{
    const double tolerance = ffn_tolerance(dtype);
    size_t count = reference->rows * reference->hidden;
    double difference = 0, size = 0, terms = 0;
    for (size_t i = 0; i < count; i++) {
        double got;
        load(&got, y, i, 1, dtype);
        difference += (got - reference->y[i]) * (got - reference->y[i]);
        size += reference->y[i] * reference->y[i];
        terms += reference->terms[i] * reference->terms[i];
    }
    /* As good as equal, but in tiny blocks whose few elements can all cancel. */
    if (size < terms)
        size = terms;
    ffn_error error = {.norm = sqrt(difference / size), .worst = 0, .ok = true};
    double rms = sqrt(size / (double)count);
    for (size_t i = 0; i < count; i++) {
        double got;
        load(&got, y, i, 1, dtype);
        double relative = fabs(got - reference->y[i]) / (fabs(reference->y[i]) + rms);
        if (!(relative <= error.worst)) /* NaN stays */
            error.worst = isnan(error.worst) ? error.worst : relative;
    }
    error.ok = error.norm <= tolerance && error.worst <= FFN_WORST * tolerance;
    return error;
}
