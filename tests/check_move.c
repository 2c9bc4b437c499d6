/* transpose, rope, embedding and embedding_backward against the oracle: moves bit by bit, ids and
 * positions at the ends of their range. */
#include "support.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const dtypes[] = {"f32", "f16", "bf16"};
static const char *const variants[] = {"vector", "simt"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Of every storage type and variant, the i-th of 6. */
static const char *spec_of(int i, const char *text)
{
    return test_format("%s dtype=%s variant=%s", text, dtypes[i / 2], variants[i % 2]);
}

/* A tenth where time is short. */
static bool runs(int i, size_t c)
{
    return !test_quick() || (i + (int)c * 7) % 10 == 0;
}

/* ---- data -------------------------------------------------------------------------------- */

/* What the integers of a case are drawn from. */
typedef struct {
    int64_t low, high;       /* ids or positions, both ends included */
    const double *specials;  /* then these, now and then */
    size_t num_specials, at; /* one in so many is special */
} integers;

static void fill_integers(void *user, const reference_tensor *tensor, double *values)
{
    const integers *of = user;
    if (tensor->dtype != KILN_I32) {
        test_fill_normal(tensor->count, tensor, values);
        return;
    }
    test_random random = {tensor->count};
    for (size_t i = 0; i < tensor->count; i++) {
        values[i] = (double)(of->low + test_pick(&random, of->high - of->low + 1));
        if (of->num_specials && test_pick(&random, (int64_t)of->at) == 0)
            values[i] = of->specials[test_pick(&random, (int64_t)of->num_specials)];
    }
}

/* Any bits at all: NaN of every payload, subnormals, zeros of both signs. */
static void any_bits(void *user, const reference_tensor *tensor, uint32_t *bits)
{
    (void)user;
    test_random random = {tensor->count};
    uint32_t quiet = tensor->dtype == KILN_F32   ? 0x7f800000
                     : tensor->dtype == KILN_F16 ? 0x7c00
                                                 : 0x7f80;
    uint32_t all = tensor->dtype == KILN_F32 ? 0xffffffff : 0xffff;
    for (size_t i = 0; i < tensor->count && tensor->dtype != KILN_I32; i++) {
        uint64_t word = test_next(&random);
        bits[i] = (uint32_t)word & all;
        if (word >> 32 & 1)
            bits[i] |= quiet;
        if ((word >> 33 & 15) == 0)
            bits[i] &= ~(quiet | 0xf);
    }
}

/* ---- transpose --------------------------------------------------------------------------- */

START_TEST(test_transpose)
{
    static const char *const shapes[] = {
        "batch=1 m=1 n=1",    "batch=3 m=1 n=17",   "batch=2 m=33 n=1",    "batch=5 m=3 n=15",
        "batch=1 m=16 n=16",  "batch=2 m=32 n=64",  "batch=1 m=64 n=256",  "batch=2 m=17 n=31",
        "batch=3 m=65 n=100", "batch=1 m=300 n=47", "batch=2 m=48 n=272",  "batch=70 m=4 n=5",
        "batch=1 m=63 n=513", "batch=1 m=5 n=2000", "batch=1 m=1000 n=18",
    };
    for (size_t s = 0; s < COUNT(shapes); s++)
        if (runs(_i, s) && !test_run(&(test_case){.spec = spec_of(_i, "transpose batch=? m=? n=?"),
                                                  .args = shapes[s],
                                                  .misalign = s % 3 ? (int64_t)(s % 5) : -1,
                                                  .bare = s % 5 == 4,
                                                  .seed = s,
                                                  .fill_bits = any_bits}))
            return;
}
END_TEST

START_TEST(test_transpose_literal)
{
    static const char *const specs[] = {
        "transpose batch=1 m=70 n=90 dtype=f32",
        "transpose batch=2 m=? n=33 dtype=bf16",
        "transpose batch=? m=100 n=? dtype=f16 variant=simt",
        "transpose batch=3 m=40 n=50 dtype=f32 workgroup_size=576 variant=simt",
        "transpose batch=3 m=40 n=50 dtype=f16 workgroup_size=1024 variant=simt",
        "transpose batch=1 m=? n=? workgroup_size=64",
    };
    if (runs(9, (size_t)_i))
        test_run(&(test_case){.spec = specs[_i],
                              .args = "batch=2 m=41 n=67",
                              .misalign = 1,
                              .fill_bits = any_bits,
                              .out_of_order = true});
}
END_TEST

/* ---- rope -------------------------------------------------------------------------------- */

static const double far[] = {1e6, -1e6, 0, 1, -1, 2147483647, -2147483648.0, 131071};

/* Heads, what a head is made of, and the tokens to launch with. */
static const struct {
    const char *shape, *args;
} ropes[] = {
    {"heads=1 head_dim=2", "tokens=1"},
    {"heads=3 head_dim=6", "tokens=17"},
    {"heads=2 head_dim=64", "tokens=33"},
    {"heads=4 head_dim=128", "tokens=65"},
    {"heads=2 head_dim=80 rotary_dim=40 theta=1000000", "tokens=15"},
    {"heads=1 head_dim=100 rotary_dim=58", "tokens=3"},
    {"heads=5 head_dim=37 rotary_dim=30 inverse=1", "tokens=16"},
    {"heads=200 head_dim=128 rotary_dim=126 theta=500000.5", "tokens=2"},
    {"heads=2 head_dim=1500 rotary_dim=1484 theta=3", "tokens=3"},
};

START_TEST(test_rope)
{
    const char *style = _i / 6 ? "gptj" : "neox";
    integers near = {0, 5000, NULL, 0, 0}, all = {-100000, 100000, far, COUNT(far), 3};
    for (size_t s = 0; s < COUNT(ropes); s++) {
        if (!runs(_i, s))
            continue;
        test_case c = {.spec = spec_of(
                           _i % 6, test_format("rope tokens=? %s style=%s", ropes[s].shape, style)),
                       .args = ropes[s].args,
                       .misalign = (int64_t)(s % 4),
                       .seed = s,
                       .fill = fill_integers,
                       .user = &near};
        if (!test_run(&c))
            return;
        c.in_place = "y=x";
        c.once = true;
        c.user = &all;
        test_run(&c);
    }
}
END_TEST

START_TEST(test_rope_literal)
{
    static const char *const specs[] = {
        "rope tokens=9 heads=3 head_dim=32 style=neox inverse=1",
        "rope tokens=100 heads=1 head_dim=64 style=gptj dtype=bf16",
        "rope tokens=5 heads=2 head_dim=12 style=gptj workgroup_size=320 variant=simt",
        "rope tokens=5 heads=7 head_dim=96 style=neox workgroup_size=1024 dtype=f16 variant=simt",
        "rope tokens=2 heads=1 head_dim=8192 style=neox theta=1e300",
        "rope tokens=2 heads=1 head_dim=8192 style=gptj theta=0.25 variant=simt",
    };
    integers near = {-300, 300, NULL, 0, 0};
    if (runs(9, (size_t)_i))
        test_run(&(test_case){.spec = specs[_i],
                              .misalign = 3,
                              .fill = fill_integers,
                              .user = &near,
                              .out_of_order = true});
}
END_TEST

/* An angle as far as it goes: the position times theta^(-2i/rotary_dim) to within 1e-6 of itself
 * would be noise here; whole turns are taken off exactly. */
static void check_sharp(test_launch *launch)
{
    const test_tensor *x = test_find(launch, "x"), *y = test_find(launch, "y");
    for (size_t i = 0; i < y->dense.count; i++)
        ck_assert_msg(fabs(test_element(y, y->after, i) - y->dense.values[i]) < 4e-6,
                      "%s: element %zu is %.9g, should be %.9g", launch->of->spec, i,
                      test_element(y, y->after, i), y->dense.values[i]);
    ck_assert_uint_eq(x->dense.count, y->dense.count);
}

START_TEST(test_rope_far)
{
    integers all = {1000000, 100000000, far, COUNT(far), 2};
    test_case c = {.spec = test_format("rope tokens=? heads=2 head_dim=64 style=%s variant=%s",
                                       _i / 2 ? "gptj" : "neox", variants[_i % 2]),
                   .args = "tokens=100",
                   .fill = fill_integers,
                   .user = &all};
    kiln_kernel *kernel;
    if (kiln_create_kernel(test_context, c.spec, &kernel) == KILN_UNSUPPORTED)
        return;
    test_launch launch;
    test_prepare(&c, kernel, &launch);
    test_execute(&launch);
    test_check_values(&launch);
    check_sharp(&launch);
    test_discard(&launch);
}
END_TEST

/* inverse=1 turns back, which is the gradient. */
typedef struct {
    integers positions;
    double turned[40 * 3 * 48];
} round_trip;

static void fill_turned(void *user, const reference_tensor *tensor, double *values)
{
    round_trip *trip = user;
    if (tensor->dtype == KILN_I32)
        fill_integers(&trip->positions, tensor, values);
    else
        memcpy(values, trip->turned, tensor->count * sizeof *values);
}

static void turn(const char *spec, round_trip *trip)
{
    test_case c = {
        .spec = spec, .args = "tokens=40", .misalign = 1, .fill = fill_turned, .user = trip};
    kiln_kernel *kernel;
    test_ok(kiln_create_kernel(test_context, spec, &kernel));
    test_launch launch;
    test_prepare(&c, kernel, &launch);
    test_execute(&launch);
    const test_tensor *y = test_find(&launch, "y");
    ck_assert_uint_eq(y->dense.count, COUNT(trip->turned));
    for (size_t i = 0; i < y->dense.count; i++)
        trip->turned[i] = test_element(y, y->after, i);
    test_discard(&launch);
}

START_TEST(test_rope_inverse)
{
    static round_trip trip = {.positions = {-2000000, 2000000, far, COUNT(far), 4}};
    static double first[COUNT(trip.turned)];
    test_random random = {7};
    for (size_t i = 0; i < COUNT(first); i++)
        trip.turned[i] = first[i] = (double)(float)test_normal(&random);
    const char *spec = test_format("rope tokens=? heads=3 head_dim=48 rotary_dim=44 style=%s",
                                   _i ? "gptj" : "neox");
    turn(spec, &trip);
    double moved = 0;
    for (size_t i = 0; i < COUNT(first); i++)
        moved += fabs(trip.turned[i] - first[i]);
    ck_assert_double_gt(moved, 0.2 * (double)COUNT(first));
    turn(test_format("%s inverse=1", spec), &trip);
    for (size_t i = 0; i < COUNT(first); i++)
        ck_assert_msg(fabs(trip.turned[i] - first[i]) < 2e-6, "%s: element %zu came back as %.9g",
                      spec, i, trip.turned[i]);
}
END_TEST

/* What stands behind the pairs is copied, and in place left alone, to the last bit. */
START_TEST(test_rope_rest)
{
    integers near = {-300, 300, NULL, 0, 0};
    const char *spec = spec_of(_i, "rope tokens=? heads=3 head_dim=51 rotary_dim=2 style=neox");
    for (int in_place = 0; in_place < 2; in_place++)
        if (runs(_i, (size_t)in_place))
            test_run(&(test_case){.spec = spec,
                                  .args = "tokens=10",
                                  .in_place = in_place ? "y=x" : NULL,
                                  .misalign = 1,
                                  .fill = fill_integers,
                                  .fill_bits = any_bits,
                                  .user = &near});
}
END_TEST

START_TEST(test_rope_refusals)
{
    static const struct {
        const char *spec;
        kiln_status status;
        const char *parts;
    } cases[] = {
        {"rope tokens=? heads=2 head_dim=64 style=neox rotary_dim=66", KILN_INVALID_SPEC,
         "rotary_dim=66|64"},
        {"rope tokens=? heads=2 head_dim=64 style=neox rotary_dim=31", KILN_INVALID_SPEC,
         "rotary_dim=31|even"},
        {"rope tokens=? heads=2 head_dim=63 style=neox", KILN_INVALID_SPEC, "rotary_dim=63|even"},
        {"rope tokens=? heads=? head_dim=64 style=neox", KILN_INVALID_SPEC, "heads"},
        {"rope tokens=? heads=2 head_dim=? style=neox", KILN_INVALID_SPEC, "head_dim"},
        {"rope tokens=? heads=2 head_dim=64", KILN_INVALID_SPEC, "style"},
        {"rope tokens=? heads=2 head_dim=64 style=other", KILN_INVALID_SPEC, "style|neox"},
        {"rope tokens=? heads=2 head_dim=64 style=neox theta=0", KILN_INVALID_SPEC, "theta=0"},
        {"rope tokens=? heads=2 head_dim=8194 style=neox", KILN_UNSUPPORTED, "8194|8192"},
        {"transpose m=3 n=4", KILN_INVALID_SPEC, "batch"},
        {"embedding tokens=1 vocab=1 n=1 dtype=i32", KILN_INVALID_SPEC, "dtype"},
        {"embedding tokens=1 vocab=1 n=1 out_dtype=f32", KILN_INVALID_SPEC, "out_dtype"},
        {"embedding_backward tokens=1 vocab=0 n=1", KILN_INVALID_SPEC, "vocab"},
    };
    kiln_kernel *kernel;
    for (size_t i = 0; i < COUNT(cases); i++)
        test_refused(kiln_create_kernel(test_context, cases[i].spec, &kernel), cases[i].status,
                     cases[i].parts);
}
END_TEST

/* ---- embedding --------------------------------------------------------------------------- */

static const double outside[] = {-1, 2147483647, -2147483648.0, -2147483647, 4096, 8191};

static const struct {
    const char *args;
    int64_t vocab;
} tables[] = {
    {"tokens=1 vocab=1 n=1", 1},         {"tokens=17 vocab=3 n=15", 3},
    {"tokens=100 vocab=33 n=16", 33},    {"tokens=3 vocab=65 n=17", 65},
    {"tokens=33 vocab=100 n=333", 100},  {"tokens=5 vocab=2 n=20000", 2},
    {"tokens=700 vocab=9000 n=3", 9000}, {"tokens=65 vocab=4097 n=100", 4097},
};

/* Ids of the table, both ends among them, and some outside. */
static integers ids_of(size_t i)
{
    return (integers){i % 3 == 1 ? -1 : 0, tables[i].vocab - (i % 3 != 2), outside,
                      i % 2 ? COUNT(outside) : 0, 4};
}

START_TEST(test_embedding)
{
    for (size_t s = 0; s < COUNT(tables); s++) {
        integers ids = ids_of(s);
        if (runs(_i, s) &&
            !test_run(&(test_case){
                .spec = spec_of(_i, test_format("embedding tokens=? vocab=? n=? bad=%d", s != 3)),
                .args = tables[s].args,
                .misalign = s % 3 ? (int64_t)(s % 5) : -1,
                .bare = s % 5 == 4,
                .seed = s,
                .fill = fill_integers,
                .fill_bits = any_bits,
                .user = &ids,
                .out_of_order = s % 2}))
            return;
    }
}
END_TEST

START_TEST(test_embedding_literal)
{
    static const char *const specs[] = {
        "embedding tokens=19 vocab=50 n=40 bad=1",
        "embedding tokens=? vocab=50 n=7 dtype=f16 bad=1 variant=simt workgroup_size=192",
        "embedding tokens=3 vocab=? n=30000 dtype=bf16",
        "embedding tokens=5 vocab=50 n=30 bad=1 variant=simt workgroup_size=1024",
        "embedding_backward tokens=19 vocab=50 n=40",
        "embedding_backward tokens=? vocab=50 n=7 dtype=f16 variant=simt workgroup_size=192",
        "embedding_backward tokens=300 vocab=? n=3000 dtype=bf16 out_dtype=f32",
        "embedding_backward tokens=50 vocab=50 n=30 variant=simt workgroup_size=1024",
    };
    integers ids = {-2, 51, NULL, 0, 0};
    if (runs(9, (size_t)_i))
        test_run(&(test_case){.spec = specs[_i],
                              .args = "tokens=70 vocab=50",
                              .misalign = 1,
                              .fill = fill_integers,
                              .user = &ids});
}
END_TEST

/* ---- embedding_backward --------------------------------------------------------------------- */

START_TEST(test_embedding_backward)
{
    static const char *const outs[] = {"dtype", "f32", "bf16", "f16"};
    for (size_t s = 0; s < COUNT(tables); s++) {
        integers ids = ids_of(s);
        size_t out = (s + (size_t)_i) % COUNT(outs);
        if (runs(_i, s) &&
            !test_run(&(test_case){
                .spec =
                    spec_of(_i, test_format("embedding_backward tokens=? vocab=? n=? out_dtype=%s",
                                            outs[out])),
                .args = tables[s].args,
                .misalign = s % 3 ? (int64_t)(s % 5) : -1,
                .bare = s % 5 == 4,
                .seed = s,
                .fill = fill_integers,
                .user = &ids,
                .out_of_order = s % 2}))
            return;
    }
}
END_TEST

/* Long runs of one id: padding is often one. All of one sign, where f32 sums drift. */
static void fill_padding(void *user, const reference_tensor *tensor, double *values)
{
    test_random random = {tensor->count};
    (void)user;
    for (size_t i = 0; i < tensor->count; i++)
        if (tensor->dtype == KILN_I32)
            values[i] = i % 7 ? 5 : (double)test_pick(&random, 9000);
        else
            values[i] = 1 + (double)test_pick(&random, 1000) * 1e-3;
}

START_TEST(test_padding)
{
    static const char *const specs[] = {"dtype=f32", "dtype=bf16 out_dtype=f32"};
    if (runs(_i, 3))
        test_run(&(test_case){
            .spec = test_format("embedding_backward tokens=? vocab=? n=? %s variant=%s",
                                specs[_i / 2], variants[_i % 2]),
            .args = "tokens=9001 vocab=9000 n=33",
            .misalign = 2,
            .fill = fill_padding});
}
END_TEST

/* Rows that no id names keep their bits, NaN's too, and an id outside touches none. */
static void fill_none(void *user, const reference_tensor *tensor, double *values)
{
    const double *id = user;
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = tensor->dtype == KILN_I32 ? *id : 1.0;
}

START_TEST(test_untouched)
{
    static double ids[] = {-1, 40, 2147483647, -2147483648.0};
    for (size_t i = 0; i < COUNT(ids); i++) {
        test_case c = {.spec = spec_of(_i, "embedding_backward tokens=? vocab=? n=?"),
                       .args = "tokens=20 vocab=40 n=19",
                       .misalign = 1,
                       .fill = fill_none,
                       .fill_bits = any_bits,
                       .user = &ids[i]};
        kiln_kernel *kernel;
        if (!runs(_i, i) || kiln_create_kernel(test_context, c.spec, &kernel) != KILN_OK)
            continue;
        test_launch launch;
        test_prepare(&c, kernel, &launch);
        test_execute(&launch);
        test_check_untouched(&launch, true);
        test_discard(&launch);
    }
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("move");
    TCase *tests = tcase_create("move");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, test_transpose, 0, 6);
    tcase_add_loop_test(tests, test_transpose_literal, 0, 6);
    tcase_add_loop_test(tests, test_rope, 0, 12);
    tcase_add_loop_test(tests, test_rope_literal, 0, 6);
    tcase_add_loop_test(tests, test_rope_far, 0, 4);
    tcase_add_loop_test(tests, test_rope_inverse, 0, 2);
    tcase_add_loop_test(tests, test_rope_rest, 0, 6);
    tcase_add_test(tests, test_rope_refusals);
    tcase_add_loop_test(tests, test_embedding, 0, 6);
    tcase_add_loop_test(tests, test_embedding_literal, 0, 8);
    tcase_add_loop_test(tests, test_embedding_backward, 0, 6);
    tcase_add_loop_test(tests, test_padding, 0, 4);
    tcase_add_loop_test(tests, test_untouched, 0, 6);
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
