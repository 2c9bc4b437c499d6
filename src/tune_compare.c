#include "tune_compare.h"
#include "signature.h"
#include <math.h>
#include <string.h>

/* An element may be off by so many times the tolerance of the whole. */
#define ONE_ELEMENT 16.0

static double tolerance(kiln_dtype dtype, bool tf32)
{
    return dtype == KILN_I32    ? 0
           : dtype == KILN_F16  ? 2e-3
           : dtype == KILN_BF16 ? 1e-2
           : tf32               ? 1e-3
                                : 1e-5;
}

static double half_value(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value = exponent == 0   ? ldexp(fraction, -24)
                   : exponent < 31 ? ldexp(1024 + fraction, exponent - 25)
                   : fraction == 0 ? (double)INFINITY
                                   : (double)NAN;
    return bits & 0x8000 ? -value : value;
}

static double element(kiln_dtype dtype, const unsigned char *at)
{
    uint16_t bits16;
    uint32_t bits;
    float value;
    int32_t integer;
    switch (dtype) {
    case KILN_F16:
        memcpy(&bits16, at, sizeof bits16);
        return half_value(bits16);
    case KILN_BF16:
        memcpy(&bits16, at, sizeof bits16);
        bits = (uint32_t)bits16 << 16;
        memcpy(&value, &bits, sizeof value);
        return value;
    case KILN_I32:
        memcpy(&integer, at, sizeof integer);
        return integer;
    default:
        memcpy(&value, at, sizeof value);
        return value;
    }
}

typedef struct {
    const kiln_arg_info *info;
    const unsigned char *trusted, *got;
    size_t item, rows, width, stride;
    bool tf32;
} comparison;

/* Both NaN, or the same infinity. */
static bool alike(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static double sum_of_squares(const comparison *c, size_t *count)
{
    double sum = 0;
    *count = 0;
    for (size_t r = 0; r < c->rows; r++) {
        for (size_t i = 0; i < c->width; i++) {
            double x = element(c->info->dtype, c->trusted + (r * c->stride + i) * c->item);
            if (!isfinite(x))
                continue;
            sum += x * x;
            (*count)++;
        }
    }
    return sum;
}

static void compare_elements(const comparison *c, kiln_text *why)
{
    size_t count;
    double squares = sum_of_squares(c, &count), off = 0;
    double rms = count > 0 ? sqrt(squares / (double)count) : 0;
    double allowed = tolerance(c->info->dtype, c->tf32);
    for (size_t r = 0; r < c->rows; r++) {
        for (size_t i = 0; i < c->width; i++) {
            size_t at = (r * c->stride + i) * c->item;
            double x = element(c->info->dtype, c->trusted + at);
            double y = element(c->info->dtype, c->got + at), d = y - x;
            if (alike(x, y))
                continue;
            if (!(fabs(d) <= ONE_ELEMENT * allowed * (fabs(x) + rms))) {
                kiln_text_addf(why,
                               "its result is wrong: %s at row %zu, column %zu is %.6g, not %.6g",
                               c->info->name, r, i, y, x);
                return;
            }
            off += d * d;
        }
    }
    if (!(sqrt(off) <= allowed * sqrt(squares)))
        kiln_text_addf(why, "its result is wrong: %s is off by %.3g of its norm, more than %.3g",
                       c->info->name, sqrt(off / squares), allowed);
}

void kiln_compare(const kiln_arg_info *info, bool tf32, const void *trusted, const void *got,
                  kiln_text *why)
{
    comparison c = {info, trusted, got, kiln_dtype_size(info->dtype), 1, 1, 0, tf32};
    for (size_t i = 0; i + 1 < info->rank; i++)
        c.rows *= (size_t)info->extents[i];
    if (info->rank > 0)
        c.width = (size_t)info->extents[info->rank - 1];
    c.stride = info->rank > 1 ? (size_t)info->row_stride : c.width;
    for (size_t r = 0; r + 1 < c.rows && c.stride > c.width && !why->length; r++) {
        size_t at = (r * c.stride + c.width) * c.item, bytes = (c.stride - c.width) * c.item;
        if (memcmp(c.trusted + at, c.got + at, bytes) != 0)
            kiln_text_addf(why, "it wrote to the padding of %s in row %zu", info->name, r);
    }
    if (!why->length)
        compare_elements(&c, why);
}
