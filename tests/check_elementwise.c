/* The elementwise kernels against the oracle, and the rounding of stores bit by bit. */
#include "support.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const dtypes[] = {"f32", "f16", "bf16"};
static const char *const variants[] = {"vector", "simt"};
static const char *const kernels[] = {"bias_add",
                                      "residual_add",
                                      "gelu approx=none",
                                      "gelu approx=tanh",
                                      "gelu_backward approx=none",
                                      "gelu_backward approx=tanh",
                                      "swiglu layout=split",
                                      "swiglu layout=interleaved",
                                      "swiglu_backward layout=split",
                                      "swiglu_backward layout=interleaved"};
static const char *const shapes[] = {
    "m=1 n=1",     "m=1 n=15",    "m=7 n=1",     "m=5 n=16",    "m=3 n=17",
    "m=1 n=31",    "m=33 n=33",   "m=127 n=3",   "m=2 n=129",   "m=16383 n=1",
    "m=1 n=70000", "m=70000 n=1", "m=701 n=100", "m=3 n=16385", "m=257 n=255",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The i-th of 60: every kernel, storage type and variant; the first 24 may work in place. */
static const char *spec_of(int i)
{
    return test_format("%s m=? n=? dtype=%s variant=%s", kernels[i / 6], dtypes[i / 2 % 3],
                       variants[i % 2]);
}

/* Sums of two stored numbers are rounded twice, to f32 and to storage: their bits are known. */
static bool is_sum(int i)
{
    return i / 6 < 2;
}

static bool runs(int i)
{
    return !test_quick() || i % 7 == 0;
}

/* ---- the reference itself ------------------------------------------------------------------ */

/* Values known from the formats' definitions. */
START_TEST(test_conversions)
{
    static const struct {
        kiln_dtype dtype;
        double value;
        uint32_t bits;
    } known[] = {
        {KILN_F16, 1.0, 0x3c00},
        {KILN_F16, -2.0, 0xc000},
        {KILN_F16, 65504.0, 0x7bff},
        {KILN_F16, 65519.99, 0x7bff},
        {KILN_F16, 65520.0, 0x7c00},
        {KILN_F16, -1e9, 0xfc00},
        {KILN_F16, 0x1p-24, 0x0001},
        {KILN_F16, 0x1p-25, 0x0000},
        {KILN_F16, 0x1.8p-24, 0x0002},
        {KILN_F16, 0x1.ffcp-15, 0x0400},
        {KILN_F16, 0x1p-14, 0x0400},
        {KILN_F16, 1.0 + 0x1p-11, 0x3c00},
        {KILN_F16, 1.0 + 0x3p-11, 0x3c02},
        {KILN_BF16, 1.0, 0x3f80},
        {KILN_BF16, 257.0, 0x4380},
        {KILN_BF16, 259.0, 0x4382},
        {KILN_BF16, -0x1p-126, 0x8080},
        {KILN_BF16, 0x1p-133, 0x0001},
        {KILN_BF16, 0x1.fep127, 0x7f7f},
        {KILN_BF16, 0x1.ffp127, 0x7f80},
        {KILN_F32, 1.0, 0x3f800000},
        {KILN_F32, 0x1p-149, 0x00000001},
        {KILN_F32, 1.0 + 0x1p-24, 0x3f800000},
        {KILN_F32, 1.0 + 0x3p-24, 0x3f800002},
        {KILN_F32, 0x1.ffffffp127, 0x7f800000},
    };
    for (size_t i = 0; i < COUNT(known); i++)
        ck_assert_msg(reference_encode(known[i].dtype, known[i].value) == known[i].bits,
                      "%a is 0x%x, not 0x%x", known[i].value,
                      reference_encode(known[i].dtype, known[i].value), known[i].bits);
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        for (kiln_dtype dtype = KILN_F16; dtype <= KILN_BF16; dtype++) {
            double value = reference_decode(dtype, bits);
            if (!isnan(value))
                ck_assert_uint_eq(reference_encode(dtype, value), bits);
        }
        float f;
        uint32_t wide = bits << 16 | (bits * 40503u & 0xffff);
        memcpy(&f, &wide, 4);
        double value = reference_decode(KILN_F32, wide);
        if (!isnan(value)) {
            ck_assert(value == (double)f);
            ck_assert_uint_eq(reference_encode(KILN_F32, value), wide);
        }
    }
}
END_TEST

/* ---- shapes ------------------------------------------------------------------------------ */

START_TEST(test_shapes)
{
    if (!runs(_i))
        return;
    for (size_t s = 0; s < COUNT(shapes); s += test_quick() ? 4 : 1)
        if (!test_run(&(test_case){.spec = spec_of(_i),
                                   .args = shapes[s],
                                   .seed = s,
                                   .misalign = -1,
                                   .bare = s % 5 == 4,
                                   .out_of_order = s % 3 == 1,
                                   .exact = is_sum(_i)}))
            return;
}
END_TEST

START_TEST(test_in_place)
{
    if (!runs(_i))
        return;
    for (size_t s = 2; s < COUNT(shapes); s += test_quick() ? 9 : 3) {
        test_case c = {.spec = spec_of(_i),
                       .args = shapes[s],
                       .in_place = "y=x",
                       .seed = s,
                       .misalign = (int64_t)(s % 4),
                       .exact = is_sum(_i)};
        if (!test_run(&c))
            return;
        c.in_place = "y=residual";
        if (strncmp(c.spec, "residual_add", 12) == 0)
            test_run(&c);
    }
}
END_TEST

START_TEST(test_literal)
{
    static const char *const specs[] = {
        "bias_add m=3 n=33 dtype=f16",
        "bias_add m=300 n=64 dtype=f32",
        "bias_add m=? n=1 dtype=f32",
        "residual_add m=1 n=1 dtype=bf16",
        "residual_add m=17 n=? dtype=f16",
        "gelu m=129 n=130 approx=none dtype=bf16",
        "gelu m=1 n=20000 approx=tanh dtype=f32",
        "gelu_backward m=? n=130 approx=none dtype=f16",
        "swiglu m=33 n=17 layout=split dtype=f32",
        "swiglu m=33 n=? layout=interleaved dtype=bf16",
        "swiglu_backward m=? n=1 layout=split dtype=f32",
        "swiglu_backward m=3 n=1001 layout=interleaved variant=simt",
    };
    if (test_quick() && _i != 1)
        return;
    test_run(&(test_case){
        .spec = specs[_i], .args = "m=9 n=70", .seed = 3, .misalign = 1, .exact = _i < 5});
}
END_TEST

START_TEST(test_groups)
{
    static const int sizes[] = {64, 192, 448, 512, 576, 1024};
    for (size_t v = 0; v < (test_quick() ? 0 : COUNT(variants)); v++)
        test_run(&(test_case){.spec = test_format("bias_add m=? n=? workgroup_size=%d variant=%s",
                                                  sizes[_i], variants[v]),
                              .args = "m=90 n=71",
                              .misalign = 1,
                              .exact = true});
}
END_TEST

/* ---- rounding ---------------------------------------------------------------------------- */

/* Every 16-bit number beside every size of a second one: ties, both neighbours of ties, overflow,
 * subnormals, and what they are of opposite signs. */
static void fill_bits(void *user, const reference_tensor *tensor, double *values)
{
    const int *shift = user;
    for (size_t i = 0; i < tensor->count; i++) {
        uint32_t bits = (uint32_t)(i * 641 % 65536);
        double x = reference_decode(tensor->dtype == KILN_F32 ? KILN_BF16 : tensor->dtype, bits);
        if (strcmp(tensor->name, "x") == 0)
            values[i] = x;
        else /* half a last place of x or so, either way */
            values[i] = ldexp(i % 3 ? 1.0 + (double)(i % 5) * 0.25 : -1.0,
                              (x == 0 || !isfinite(x) ? 0 : ilogb(x)) - *shift);
    }
}

START_TEST(test_rounding)
{
    static int shifts[] = {1, 8, 9, 11, 12, 13};
    const char *dtype = dtypes[_i % 3], *variant = variants[_i / 3];
    if (test_quick() && _i != 2)
        return;
    for (size_t i = 0; i < COUNT(shifts); i++)
        if (!test_run(&(test_case){
                .spec = test_format("residual_add m=? n=? dtype=%s variant=%s", dtype, variant),
                .args = "m=256 n=256",
                .misalign = 1,
                .exact = true,
                .fill = fill_bits,
                .user = &shifts[i],
                .once = true}))
            return;
}
END_TEST

/* x + 0 for every 16-bit number, subnormals, infinities and NaN among them. */
static void fill_all(void *user, const reference_tensor *tensor, double *values)
{
    (void)user;
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = strcmp(tensor->name, "x") == 0
                        ? reference_decode(tensor->dtype, (uint32_t)i % 65536)
                        : 0.0;
}

START_TEST(test_all_bits)
{
    if (test_quick())
        return;
    for (size_t v = 0; v < COUNT(variants); v++)
        test_run(&(test_case){
            .spec = test_format("bias_add m=? n=? dtype=%s variant=%s", dtypes[_i], variants[v]),
            .args = "m=32 n=2048",
            .misalign = 0,
            .exact = true,
            .fill = fill_all,
            .once = true});
}
END_TEST

/* ---- GELU's tails -------------------------------------------------------------------------- */

static const double specials[] = {0.0,  -0.0,  INFINITY, -INFINITY, NAN,  1e30,   -1e30,  6e4,
                                  -6e4, 1e-30, -1e-30,   0x1p-126,  3e38, -3e38,  20.0,   -20.0,
                                  13.0, -13.0, 1e-8,     -1e-8,     100., -100.0, 0x1p-24};

static void fill_tails(void *user, const reference_tensor *tensor, double *values)
{
    (void)user;
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = i < COUNT(specials) ? specials[i]
                                        : -12.0 + 24.0 * (double)i / (double)(tensor->count - 1);
}

/* The tail keeps its digits, which the tolerance over the whole would not show: gelu(-8) is 5e-15.
 */
static void check_tail(const test_case *c)
{
    kiln_kernel *kernel;
    if (kiln_create_kernel(test_context, c->spec, &kernel) != KILN_OK)
        return;
    test_launch launch;
    test_prepare(c, kernel, &launch);
    test_execute(&launch);
    test_check_values(&launch);
    const test_tensor *x = test_find(&launch, "x"), *y = test_find(&launch, "y");
    for (size_t i = COUNT(specials); i < x->dense.count; i++) {
        double ref = y->dense.values[i], out = test_element(y, y->after, i);
        if (fabs(ref) > 1e-37)
            ck_assert_msg(fabs(out - ref) <= 1e-4 * fabs(ref), "%s: gelu(%.9g) is %.9g, not %.9g",
                          c->spec, x->dense.values[i], out, ref);
    }
    test_discard(&launch);
}

START_TEST(test_gelu_tails)
{
    int i = 12 + _i;
    if (!runs(i))
        return;
    test_case c = {.spec = spec_of(i), .args = "m=3 n=1001", .misalign = 1, .fill = fill_tails};
    if (test_run(&c) && i / 2 % 3 == 0)
        check_tail(&c);
}
END_TEST

/* NaN and inf stay where they are. */
START_TEST(test_special_sums)
{
    if (!runs(_i))
        return;
    test_run(&(test_case){
        .spec = spec_of(_i), .args = "m=9 n=37", .misalign = 1, .exact = true, .fill = fill_tails});
}
END_TEST

/* ---- tails of the others ------------------------------------------------------------------- */

/* What is multiplied by a derivative, or by silu: 1 tells what that is. */
static void fill_gates(void *user, const reference_tensor *tensor, double *values)
{
    size_t n = (size_t)tensor->extents[1] / (strcmp(tensor->name, "dy") == 0 ? 1 : 2);
    const char *layout = user;
    if (!layout && strcmp(tensor->name, "x") == 0) {
        fill_tails(NULL, tensor, values);
        return;
    }
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = 1.0;
    if (strcmp(tensor->name, "dy") == 0)
        return;
    static const double gates[] = {-1e4, 1e4, -88.5, -91.0, -95.0, -100.0, 50.0, -20.0};
    bool pairs = strcmp(layout, "interleaved") == 0;
    for (size_t j = 0; j < (size_t)tensor->extents[0] * n; j++) {
        double gate = j < COUNT(specials)                  ? specials[j]
                      : j < COUNT(specials) + COUNT(gates) ? gates[j - COUNT(specials)]
                                                           : -60.0 + 0.04 * (double)j;
        values[j / n * 2 * n + j % n * (pairs ? 2 : 1)] = gate;
    }
}

/* Elements that cancel, near the zero of the derivative, are known absolutely. */
static void check_digits(const test_case *c, const char *output)
{
    kiln_kernel *kernel;
    if (kiln_create_kernel(test_context, c->spec, &kernel) != KILN_OK)
        return;
    test_launch launch;
    test_prepare(c, kernel, &launch);
    test_execute(&launch);
    test_reference(&launch);
    const test_tensor *t = test_find(&launch, output);
    for (size_t i = 0; i < t->dense.count; i++) {
        double ref = t->dense.values[i], out = test_element(t, t->after, i);
        if (isfinite(ref) && fabs(ref) > 1.2e-38 && fabs(ref) < 3e38)
            ck_assert_msg(fabs(out - ref) <= 3e-5 * fabs(ref) + 2e-6 * t->dense.terms[i],
                          "%s: %s[%zu] is %.9g, not %.9g", c->spec, output, i, out, ref);
    }
    test_discard(&launch);
}

START_TEST(test_other_tails)
{
    int i = 24 + _i;
    if (!runs(i))
        return;
    const char *layout = i < 36 ? NULL : i / 6 % 2 ? "interleaved" : "split";
    test_case c = {.spec = spec_of(i),
                   .args = "m=3 n=1001",
                   .misalign = 1,
                   .fill = fill_gates,
                   .user = (void *)layout};
    if (test_run(&c) && i / 2 % 3 == 0)
        check_digits(&c, i / 6 == 6 || i / 6 == 7 ? "y" : "dx");
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("elementwise");
    TCase *tests = tcase_create("elementwise");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, test_conversions);
    tcase_add_loop_test(tests, test_shapes, 0, 60);
    tcase_add_loop_test(tests, test_in_place, 0, 24);
    tcase_add_loop_test(tests, test_rounding, 0, 6);
    tcase_add_loop_test(tests, test_gelu_tails, 0, 12);
    tcase_add_loop_test(tests, test_special_sums, 0, 12);
    tcase_add_loop_test(tests, test_all_bits, 0, 3);
    tcase_add_loop_test(tests, test_literal, 0, 12);
    tcase_add_loop_test(tests, test_groups, 0, 6);
    tcase_add_loop_test(tests, test_other_tails, 0, 36);
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
