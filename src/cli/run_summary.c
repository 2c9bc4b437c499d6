/* kiln run: an output in five numbers. */
#include "run.h"
#include <math.h>
#include <string.h>

static double of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static double of_half(unsigned bits)
{
    int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
    double value = exponent == 31  ? (fraction ? (double)NAN : (double)INFINITY)
                   : exponent == 0 ? ldexp(fraction, -24)
                                   : ldexp(1024 + fraction, exponent - 25);
    return bits & 0x8000 ? -value : value;
}

/* As files have them, little-endian. */
static double element(const unsigned char *at, kiln_dtype dtype)
{
    unsigned low = at[0] | (unsigned)at[1] << 8;
    if (dtype == KILN_F16)
        return of_half(low);
    if (dtype == KILN_BF16)
        return of_bits((uint32_t)low << 16);
    uint32_t bits = low | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    if (dtype == KILN_F32)
        return of_bits(bits);
    return bits & 0x80000000u ? -(double)(~bits) - 1 : (double)bits;
}

void run_summarise(const run_tensor *tensor, run_summary *summary)
{
    const unsigned char *array = tensor->after + tensor->start;
    double sum = 0;
    uint64_t count = 0;
    *summary = (run_summary){.min = INFINITY, .max = -INFINITY};
    for (size_t row = 0; row < tensor->rows; row++) {
        for (size_t column = 0; column < tensor->width; column++) {
            size_t at = (row * tensor->stride + column) * tensor->item;
            double value = element(array + at, tensor->parameter->dtype);
            if (isnan(value)) {
                summary->nan++;
                continue;
            }
            summary->inf += isinf(value) ? 1 : 0;
            summary->min = value < summary->min ? value : summary->min;
            summary->max = value > summary->max ? value : summary->max;
            sum += value;
            count++;
        }
    }
    summary->mean = count ? sum / (double)count : (double)NAN;
    if (count == 0)
        summary->min = summary->max = NAN;
}
