#include "tune_data.h"
#include "device.h"
#include "signature.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Numbers repeat after so many, which no kernel's speed depends on. A prime, so that rows of
 * powers of two differ. */
#define PATTERN 65521

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Like N(0,1), by Box and Muller. */
static float next_normal(uint64_t *state)
{
    double u = ((double)(next_random(state) >> 11) + 1) * 0x1p-53;
    double v = (double)(next_random(state) >> 11) * 0x1p-53;
    return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

static uint16_t to_half(float value)
{
    uint32_t bits, sign;
    memcpy(&bits, &value, sizeof bits);
    sign = bits >> 16 & 0x8000;
    bits &= 0x7FFFFFFF;
    if (bits < 0x38800000) /* too small for a normal half */
        return (uint16_t)sign;
    bits -= 112u << 23;
    return (uint16_t)(sign | (bits + 0xFFF + (bits >> 13 & 1)) >> 13);
}

static uint16_t to_bfloat(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static uint64_t start_of(const char *name)
{
    uint64_t state = UINT64_C(0x9E3779B97F4A7C15);
    for (; name && *name; name++)
        state = (state ^ (unsigned char)*name) * UINT64_C(0x100000001B3);
    return state | 1;
}

static void fill_pattern(void *pattern, kiln_dtype dtype, const kiln_random *numbers)
{
    uint64_t state = start_of(numbers->name);
    for (size_t i = 0; i < PATTERN; i++) {
        if (dtype == KILN_I32) {
            ((int32_t *)pattern)[i] = (int32_t)(next_random(&state) % (uint64_t)numbers->limit);
            continue;
        }
        float value = (float)numbers->mean + (float)numbers->deviation * next_normal(&state);
        if (numbers->positive)
            value = fabsf(value);
        if (dtype == KILN_F32)
            ((float *)pattern)[i] = value;
        else
            ((uint16_t *)pattern)[i] = dtype == KILN_F16 ? to_half(value) : to_bfloat(value);
    }
}

/* AdamW's second moment is never below 0. */
static bool is_positive(const kiln_arg_info *info)
{
    return strcmp(info->name, "v") == 0 && info->is_output;
}

kiln_random kiln_data_numbers(const kiln_arg_info *info, const kiln_spec *spec, const int64_t *dims)
{
    int vocab = kiln_row_dim(spec->row, "vocab");
    return (kiln_random){.deviation = 1,
                         .limit = vocab < 0 ? 2048 : dims[vocab],
                         .name = info->name,
                         .positive = is_positive(info)};
}

cl_int kiln_data_write(cl_command_queue queue, cl_mem buffer, size_t offset, size_t bytes,
                       kiln_dtype dtype, const kiln_random *numbers)
{
    /* Several periods at a time. */
    size_t period = PATTERN * kiln_dtype_size(dtype), repeats = 64;
    if (bytes < period * repeats)
        repeats = bytes / period + 1;
    char *pattern = malloc(period * repeats);
    if (!pattern)
        return CL_OUT_OF_HOST_MEMORY;
    fill_pattern(pattern, dtype, numbers);
    for (size_t i = 1; i < repeats; i++)
        memcpy(pattern + i * period, pattern, period);
    cl_int code = CL_SUCCESS;
    for (size_t at = 0; at < bytes && code == CL_SUCCESS; at += period * repeats) {
        size_t rest = bytes - at, part = rest < period * repeats ? rest : period * repeats;
        code =
            clEnqueueWriteBuffer(queue, buffer, CL_TRUE, offset + at, part, pattern, 0, NULL, NULL);
    }
    free(pattern);
    return code;
}

double kiln_data_scalar(const char *name)
{
    static const struct {
        const char *name;
        double value;
    } usual[] = {{"lr", 1e-4},      {"beta1", 0.9},  {"beta2", 0.999},
                 {"eps", 1e-8},     {"step", 1},     {"p", 0.1},
                 {"grad_scale", 1}, {"max_norm", 1}, {"weight_decay", 0.01}};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (strcmp(usual[i].name, name) == 0)
            return usual[i].value;
    return 0;
}
