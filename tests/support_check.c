/* Elements of a launch's buffers, and the comparison with the oracle. */
#include "support.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- elements ---------------------------------------------------------------------------- */

size_t test_place(const test_tensor *t, size_t index)
{
    size_t width = (size_t)t->info.extents[t->info.rank - 1];
    size_t at = index / width * (size_t)t->info.row_stride + index % width;
    return t->offset + at * reference_size(t->info.dtype);
}

uint32_t test_bits(const test_tensor *t, const unsigned char *image, size_t index)
{
    uint32_t word = 0;
    uint16_t half = 0;
    if (reference_size(t->info.dtype) == 4) {
        memcpy(&word, image + test_place(t, index), 4);
        return word;
    }
    memcpy(&half, image + test_place(t, index), 2);
    return half;
}

void test_put_bits(const test_tensor *t, unsigned char *image, size_t index, uint32_t bits)
{
    uint16_t half = (uint16_t)bits;
    memcpy(image + test_place(t, index),
           reference_size(t->info.dtype) == 4 ? (void *)&bits : (void *)&half,
           reference_size(t->info.dtype));
}

double test_element(const test_tensor *t, const unsigned char *image, size_t index)
{
    return reference_decode(t->info.dtype, test_bits(t, image, index));
}

/* ---- checking ---------------------------------------------------------------------------- */

/* Whether an output's element lies at each byte of the buffer that tensor i stands for. */
static bool *written_bytes(const test_launch *launch, size_t i)
{
    bool *written = calloc(launch->tensors[i].size, sizeof *written);
    ck_assert_ptr_nonnull(written);
    for (size_t o = 0; o < launch->num_tensors; o++) {
        const test_tensor *t = &launch->tensors[o];
        if (!t->info.is_output || (o != i && t->in_place_of != (int)i))
            continue;
        for (size_t e = 0; e < t->dense.count; e++)
            memset(written + test_place(t, e), true, reference_size(t->info.dtype));
    }
    return written;
}

void test_check_untouched(const test_launch *launch, bool outputs_too)
{
    for (size_t i = 0; i < launch->num_tensors; i++) {
        const test_tensor *t = &launch->tensors[i];
        if (t->in_place_of >= 0)
            continue;
        bool *written = written_bytes(launch, i);
        size_t bad = 0;
        while (bad < t->size && (t->before[bad] == t->after[bad] || (written[bad] && !outputs_too)))
            bad++;
        free(written);
        ck_assert_msg(bad == t->size,
                      "%s (%s, seed %llu): byte %zu of %s's buffer was overwritten; the tensor's "
                      "bytes are %zu to %zu",
                      launch->of->spec, launch->of->args ? launch->of->args : "",
                      (unsigned long long)launch->of->seed, bad, t->info.name, t->offset,
                      t->offset + t->info.bytes);
    }
}

/* The contract: ||out - ref|| / ||ref|| for each output by its own storage, no element off by more
 * than 16 tolerances of (|ref| + rms of ref), and where terms cancel CANCELLATION of their
 * root-sum-square besides. */
static double storage_tolerance(kiln_dtype dtype)
{
    return dtype == KILN_F16 ? 2e-3 : dtype == KILN_BF16 ? 1e-2 : dtype == KILN_F32 ? 1e-5 : 0.0;
}

#define CANCELLATION 2e-6

/* Factors of 11 bits, each off by up to 2^-11. */
#define TF32_TOLERANCE 1e-3

/* Scores of 1e4 are known to 1e-3 only, and so is what their exponentials weigh. */
static double tolerance_of(const test_launch *launch, const test_tensor *t)
{
    static const char *const weighed[] = {"o", "dq", "dk", "dv", "dlogits"};
    double tolerance = storage_tolerance(t->info.dtype);
    if (t->info.dtype == KILN_F32 && strstr(launch->of->spec, "compute=tf32"))
        tolerance = TF32_TOLERANCE;
    for (size_t i = 0; launch->of->large_scores && i < sizeof weighed / sizeof *weighed; i++)
        if (strcmp(t->info.name, weighed[i]) == 0)
            tolerance = fmax(tolerance, 1e-3);
    return tolerance;
}

/* What rounding may take of any number, however small: f16 ends at 2^-24, and below 2^-126 numbers
 * may flush to zero. */
static double smallest(kiln_dtype dtype)
{
    return dtype == KILN_F16 ? 0x1.01p-25 : 0x1p-126;
}

static void fail_element(const test_launch *launch, const test_tensor *t, size_t index, double out,
                         double ref, const char *rule)
{
    const test_case *c = launch->of;
    const char *where = "";
    size_t rest = index;
    for (size_t d = t->info.rank; d-- > 0;) {
        size_t extent = (size_t)t->info.extents[d];
        where = test_format("%zu%s%s", rest % extent, *where ? "," : "", where);
        rest /= extent;
    }
    ck_abort_msg("%s (%s%s%s, seed %llu): %s[%s] is %.9g (0x%x), should be %.9g: %s", c->spec,
                 c->args ? c->args : "", c->in_place ? ", in place " : "",
                 c->in_place ? c->in_place : "", (unsigned long long)c->seed, t->info.name, where,
                 out, test_bits(t, t->after, index), ref, rule);
}

/* An element that is no finite number, here or in the reference. True: nothing is left to say. */
static bool check_special(const test_launch *launch, const test_tensor *t, size_t i, double out,
                          double ref)
{
    double stored = reference_round(t->info.dtype, ref);
    if (isfinite(out) && isfinite(stored))
        return false;
    if (isnan(stored) != isnan(out))
        fail_element(launch, t, i, out, stored, "NaN is only where the reference has it");
    if (isnan(stored) || out == stored)
        return true;
    /* On the brink of overflow rounding decides; the tolerance says where that is. */
    double slack = 1 + 16 * tolerance_of(launch, t);
    if (isfinite(ref) && isinf(reference_round(t->info.dtype, ref * slack)) &&
        isfinite(reference_round(t->info.dtype, ref / slack)) && signbit(ref) == signbit(out))
        return true;
    fail_element(launch, t, i, out, stored, "inf is only where the reference has it");
    return true;
}

static void check_exact(const test_launch *launch, const test_tensor *t)
{
    for (size_t i = 0; i < t->dense.count; i++) {
        double ref = t->dense.values[i];
        if (t->info.dtype != KILN_I32)
            ref = (double)(float)ref;
        uint32_t bits = test_bits(t, t->after, i), wanted = reference_encode(t->info.dtype, ref);
        double out = reference_decode(t->info.dtype, bits);
        bool flushed = out == 0 && fabs(ref) < 0x1p-126;
        if (bits != wanted && !(isnan(ref) && isnan(out)) && !flushed)
            fail_element(launch, t, i, out, reference_decode(t->info.dtype, wanted),
                         "not the nearest, ties to even");
    }
}

/* An element that the reference knows exactly. */
static void check_known(const test_launch *launch, const test_tensor *t, size_t i)
{
    double ref = reference_round(t->info.dtype, t->dense.values[i]);
    uint32_t bits = test_bits(t, t->after, i);
    double out = reference_decode(t->info.dtype, bits);
    if (t->dense.match[i] == REFERENCE_SAME_BITS) {
        if (bits != t->dense.bits[i])
            fail_element(launch, t, i, out, ref,
                         test_format("a copy has the bits 0x%x", t->dense.bits[i]));
        return;
    }
    bool flushed = out == 0 && fabs(ref) < 0x1p-126;
    if (out != ref && !(isnan(out) && isnan(ref)) && !flushed)
        fail_element(launch, t, i, out, ref, "this number is known exactly");
}

/* A mean is within 2 units of the last place, and what its terms' cancellation costs. */
static double mean_limit(const test_tensor *t, size_t i)
{
    double ref = t->dense.values[i], normal = fmax(fabs(ref), 0x1p-126);
    return 2 * ldexp(1.0, ilogb(normal) - 23) + CANCELLATION * t->dense.terms[i];
}

/* What the element may be off by; tolerance and rms are the tensor's. */
static double element_limit(const test_tensor *t, size_t i, double tolerance, double rms)
{
    const reference_tensor *dense = &t->dense;
    if (strcmp(t->info.name, "mean") == 0)
        return mean_limit(t, i);
    double size = fabs(dense->values[i]) + rms;
    return 16 * (tolerance * size + CANCELLATION * dense->terms[i]) + dense->allow[i];
}

static void check_tensor(const test_launch *launch, const test_tensor *t)
{
    const reference_tensor *dense = &t->dense;
    double tolerance = tolerance_of(launch, t);
    double error2 = 0, ref2 = 0, terms2 = 0, allow2 = 0;
    size_t finite = 0;
    for (size_t i = 0; i < dense->count; i++) {
        double ref = dense->values[i], out = test_element(t, t->after, i);
        if (dense->match[i] != REFERENCE_NEAR)
            check_known(launch, t, i);
        else
            check_special(launch, t, i, out, ref);
        if (!isfinite(ref) || !isfinite(out))
            continue;
        finite++;
        error2 += (out - ref) * (out - ref);
        ref2 += ref * ref;
        terms2 += dense->terms[i] * dense->terms[i];
        allow2 += dense->allow[i] * dense->allow[i];
    }
    double limit = tolerance * sqrt(ref2) + CANCELLATION * sqrt(terms2) + sqrt(allow2);
    double rms = finite ? sqrt(ref2 / (double)finite) : 0;
    for (size_t i = 0; i < dense->count; i++) {
        double ref = dense->values[i], out = test_element(t, t->after, i);
        double most = element_limit(t, i, tolerance, rms);
        if (dense->match[i] == REFERENCE_NEAR && isfinite(ref) && isfinite(out) &&
            fabs(out - ref) > most + smallest(t->info.dtype))
            fail_element(launch, t, i, out, ref, test_format("off by more than %.3g", most));
    }
    ck_assert_msg(sqrt(error2) <= limit + smallest(t->info.dtype) * sqrt((double)finite + 1),
                  "%s (%s, seed %llu): %s is off by %.3g in norm; allowed are %.3g",
                  launch->of->spec, launch->of->args ? launch->of->args : "",
                  (unsigned long long)launch->of->seed, t->info.name, sqrt(error2), limit);
}

void test_reference(test_launch *launch)
{
    reference_tensor tensors[TEST_MAX_TENSORS];
    for (size_t i = 0; i < launch->num_tensors; i++)
        tensors[i] = launch->tensors[i].dense;
    reference_call call = {launch->of->spec, launch->of->args ? launch->of->args : "", tensors,
                           launch->num_tensors};
    ck_assert_msg(reference_run(&call), "%s: there is no oracle of that name", launch->of->spec);
}

void test_check_outputs(const test_launch *launch)
{
    for (size_t i = 0; i < launch->num_tensors; i++) {
        const test_tensor *t = &launch->tensors[i];
        if (!t->info.is_output)
            continue;
        if (launch->of->exact)
            check_exact(launch, t);
        else
            check_tensor(launch, t);
    }
}

void test_check_values(test_launch *launch)
{
    test_reference(launch);
    test_check_outputs(launch);
}
