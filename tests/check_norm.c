/* Softmax, the norms, the loss and sums over rows against the oracle. */
#include "support.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const dtypes[] = {"f32", "f16", "bf16"};
static const char *const variants[] = {"vector", "simt"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Every kernel with options that differ from one storage type to the next. */
static const struct {
    const char *kernel, *options[3];
} kernels[] = {
    {"bias_backward", {"", "accumulate=1", "accumulate=1 out_dtype=f32"}},
    {"softmax", {"", "causal=1", "causal=1 scale=-0.5"}},
    {"softmax_backward", {"", "scale=0.125", "scale=-2"}},
    {"layernorm", {"", "beta=0", "eps=0.1"}},
    {"layernorm_backward", {"", "accumulate=1 beta=0", "accumulate=1 out_dtype=f32"}},
    {"rmsnorm", {"", "unit_offset=1", "eps=0.25"}},
    {"rmsnorm_backward", {"unit_offset=1 accumulate=1", "", "out_dtype=f32"}},
    {"cross_entropy",
     {"dlogits=1 bad=1", "dlogits=1 label_smoothing=0.1 z_loss=0.01", "bad=1 ignore_index=3"}},
};

enum { SOFTMAX = 1, LAYERNORM = 3, RMSNORM = 5, CROSS_ENTROPY = 7 };

/* A spec that outlives the next calls of test_format. */
typedef struct text {
    char spec[200];
} text;

/* "?" or the number. */
static const char *dimension(int64_t value)
{
    return value ? test_format("%lld", (long long)value) : "?";
}

/* Of rows of n numbers, m of them for each of batch; 0: at launch. */
static text spec_of(size_t kernel, int dtype, int variant, int64_t batch, int64_t m, int64_t n)
{
    const char *dims =
        kernel == CROSS_ENTROPY ? test_format("tokens=%s vocab=%s", dimension(m), dimension(n))
        : strncmp(kernels[kernel].kernel, "softmax", 7) == 0
            ? test_format("batch=%s m=%s n=%s", dimension(batch), dimension(m), dimension(n))
            : test_format("m=%s n=%s", dimension(m), dimension(n));
    text out;
    snprintf(out.spec, sizeof out.spec, "%s %s dtype=%s %s variant=%s", kernels[kernel].kernel,
             dims, dtypes[dtype], kernels[kernel].options[dtype], variants[variant]);
    return out;
}

/* For every kernel: it looks at its own only. */
static const char *args_of(int64_t batch, int64_t m, int64_t n)
{
    return test_format("batch=%lld m=%lld n=%lld tokens=%lld vocab=%lld grad_scale=0.75",
                       (long long)batch, (long long)m, (long long)n, (long long)m, (long long)n);
}

/* ---- data -------------------------------------------------------------------------------- */

/* What the elements of a row are. */
typedef enum row_kind {
    PLAIN,
    LARGE,   /* up to some 1e4 */
    NARROW,  /* 1e4, give or take 1e-2 */
    SPECIAL, /* rows with NaN, with inf, with -inf here and there or everywhere, in turns */
    HOLES    /* rows with -inf here and there, or everywhere */
} row_kind;

typedef struct data {
    uint64_t seed;
    row_kind kind;
    int64_t vocab;
} data;

static double special(size_t row, size_t col, size_t n, double plain)
{
    bool hit = col == row * 7 % n;
    switch (row % 8) {
    case 0:
        return hit ? NAN : plain;
    case 1:
        return -INFINITY;
    case 2:
        return hit ? INFINITY : plain;
    case 3:
        return col % 3 ? plain : -INFINITY;
    case 4:
        return hit ? NAN : -INFINITY;
    case 5:
        return hit ? plain : -INFINITY;
    case 6:
        return NAN;
    default:
        return plain;
    }
}

/* Of vocabulary and beyond it, and the usual index of what does not count. */
static double target(test_random *random, int64_t vocab)
{
    switch (test_pick(random, 8)) {
    case 0:
        return -100;
    case 1:
        return -1;
    case 2:
        return (double)vocab;
    case 3:
        return test_pick(random, 2) ? 2147483647.0 : -2147483648.0;
    default:
        return (double)test_pick(random, vocab);
    }
}

static void fill(void *user, const reference_tensor *tensor, double *values)
{
    const data *d = user;
    test_random random = {d->seed ^ test_seed(tensor->name)};
    size_t n = (size_t)tensor->extents[tensor->rank - 1];
    bool rows = strcmp(tensor->name, "x") == 0 || strcmp(tensor->name, "logits") == 0;
    bool rstd = strcmp(tensor->name, "rstd") == 0;
    for (size_t i = 0; i < tensor->count; i++) {
        double plain = test_normal(&random);
        if (tensor->dtype == KILN_I32)
            values[i] = target(&random, d->vocab);
        else if (rstd)
            values[i] = fabs(plain) + 0.1;
        else if (!rows || d->kind == PLAIN)
            values[i] = plain;
        else if (d->kind == LARGE)
            values[i] = 1e4 * (test_pick(&random, 5) ? plain : plain > 0 ? 1 : -1);
        else if (d->kind == NARROW)
            values[i] = 1e4 + 1e-2 * plain;
        else if (d->kind == SPECIAL)
            values[i] = special(i / n, i % n, n, plain);
        else
            values[i] = special(i / n % 2 ? 3 + i / n / 2 % 2 * 2 : 1, i % n, n, plain);
    }
}

static bool run(const char *spec, int64_t batch, int64_t m, int64_t n, row_kind kind,
                const char *in_place)
{
    uint64_t seed = (uint64_t)(m * 31 + n);
    data d = {seed, kind, n};
    return test_run(&(test_case){.spec = spec,
                                 .args = args_of(batch, m, n),
                                 .in_place = in_place,
                                 .seed = seed,
                                 .misalign = -1,
                                 .large_scores = kind == LARGE,
                                 .bare = seed % 5 == 4,
                                 .out_of_order = seed % 3 == 1,
                                 .fill = fill,
                                 .user = &d});
}

/* ---- shapes ------------------------------------------------------------------------------ */

static const struct {
    int batch, m, n;
} shapes[] = {{1, 1, 1},  {3, 5, 2},    {1, 7, 15},   {2, 4, 16},   {1, 9, 17},   {1, 21, 63},
              {2, 3, 64}, {1, 33, 65},  {1, 257, 3},  {3, 1, 129},  {1, 700, 1},  {2, 3, 1000},
              {1, 3, 2},  {1, 2, 4099}, {1, 67, 257}, {1, 1, 2048}, {1, 3, 20011}};

/* The i-th of 48. */
START_TEST(test_shapes)
{
    size_t kernel = (size_t)_i / 6;
    int dtype = _i / 2 % 3, variant = _i % 2;
    if (test_quick() && _i % 7 != 0)
        return;
    const text t = spec_of(kernel, dtype, variant, 0, 0, 0);
    for (size_t s = 0; s < COUNT(shapes); s += test_quick() ? 5 : 1)
        if (!run(t.spec, shapes[s].batch, shapes[s].m, shapes[s].n, PLAIN, NULL))
            return;
    if (kernel == SOFTMAX)
        for (size_t s = 1; s < COUNT(shapes); s += 5)
            run(t.spec, shapes[s].batch, shapes[s].m, shapes[s].n, PLAIN, "y=x");
    if (kernel == CROSS_ENTROPY && dtype < 2)
        for (size_t s = 1; s < COUNT(shapes); s += 5)
            run(t.spec, 1, shapes[s].m, shapes[s].n, PLAIN, "dlogits=logits");
}
END_TEST

/* Lengths that are known when the source is made: rows in registers, or too long for them. */
START_TEST(test_literal)
{
    static const int64_t lengths[] = {1, 1000, 4099, 17001};
    size_t kernel = (size_t)_i / 2;
    int variant = _i % 2, dtype = (_i / 2 + variant) % 3;
    if (test_quick() && _i != 6)
        return;
    int64_t n = lengths[(kernel + (size_t)variant) % (kernel == CROSS_ENTROPY ? 3 : 4)];
    run(spec_of(kernel, dtype, variant, 3, 5, n).spec, 3, 5, n, PLAIN, NULL);
    n = 999;
    run(spec_of(kernel, (dtype + 1) % 3, variant, 0, 0, n).spec, 1, 13, n, PLAIN, NULL);
}
END_TEST

START_TEST(test_groups)
{
    static const int sizes[] = {64, 192, 1024};
    static const char *const specs[] = {"layernorm m=? n=300", "softmax batch=? m=? n=?",
                                        "bias_backward m=? n=?", "rmsnorm_backward m=? n=1500"};
    for (size_t i = 0; i < (test_quick() ? 1 : COUNT(specs)); i++)
        run(test_format("%s workgroup_size=%d variant=simt", specs[i], sizes[(size_t)_i]), 1, 70,
            i == 3 ? 1500 : 300, PLAIN, NULL);
}
END_TEST

/* Sums over rows in many parts. */
START_TEST(test_many_rows)
{
    if (test_quick())
        return;
    for (int variant = 0; variant < 2; variant++) {
        run(spec_of(0, 0, variant, 0, 0, 0).spec, 1, 5003, 37, PLAIN, NULL);
        run(spec_of(4, 0, variant, 0, 0, 0).spec, 1, 2503, 37, PLAIN, NULL);
    }
}
END_TEST

/* ---- numbers ----------------------------------------------------------------------------- */

/* NaN and inf stay where the equation has them, and nothing is seen of masked columns. */
START_TEST(test_special)
{
    int dtype = _i / 2, variant = _i % 2;
    if (test_quick() && _i != 3)
        return;
    static const size_t of[] = {SOFTMAX, LAYERNORM, RMSNORM, CROSS_ENTROPY};
    for (size_t k = 0; k < COUNT(of); k++) {
        const text t = spec_of(of[k], dtype, variant, 0, 0, 0);
        run(t.spec, 1, 16, 37, SPECIAL, NULL);
        run(t.spec, 2, 17, 9, SPECIAL, NULL);
        run(t.spec, 1, 9, 3001, SPECIAL, NULL);
        if (dtype == 0 || of[k] == SOFTMAX) /* in the registers of a group */
            run(spec_of(of[k], dtype, variant, 0, 0, 999).spec, 1, 13, 999, SPECIAL, NULL);
        if (of[k] == CROSS_ENTROPY || of[k] == SOFTMAX) {
            run(t.spec, 1, 30, 41, HOLES, NULL);
            run(t.spec, 1, 6, 17000, HOLES, NULL);
        }
    }
}
END_TEST

START_TEST(test_large_scores)
{
    int dtype = _i / 2, variant = _i % 2;
    if (test_quick() && _i != 2)
        return;
    for (size_t kernel = SOFTMAX; kernel <= CROSS_ENTROPY; kernel += CROSS_ENTROPY - SOFTMAX) {
        const text t = spec_of(kernel, dtype, variant, 0, 0, 0);
        run(t.spec, 1, 20, 50, LARGE, NULL);
        run(t.spec, 2, 3, 5000, LARGE, NULL);
        run(t.spec, 1, 2, 20011, LARGE, NULL);
    }
}
END_TEST

/* A mean that is a million deviations, and long rows. */
START_TEST(test_narrow)
{
    static const int64_t lengths[] = {1, 2, 100, 4096, 300001};
    int kernel = _i / 2 ? RMSNORM : LAYERNORM, variant = _i % 2;
    for (size_t i = 0; i < COUNT(lengths); i += test_quick() ? 2 : 1) {
        run(spec_of((size_t)kernel, 0, variant, 0, 0, 0).spec, 1, 3, lengths[i], NARROW, NULL);
        run(spec_of((size_t)kernel, 0, variant, 0, 0, 0).spec, 1, 2, lengths[i], PLAIN, NULL);
    }
    run(spec_of((size_t)kernel, 0, variant, 0, 0, 999).spec, 1, 3, 999, NARROW, NULL);
}
END_TEST

START_TEST(test_vocabulary)
{
    int dtype = _i / 2, variant = _i % 2;
    if (test_quick() && _i > 0)
        return;
    run(spec_of(CROSS_ENTROPY, dtype, variant, 0, 0, 0).spec, 1, 7, 256000, dtype ? PLAIN : LARGE,
        NULL);
}
END_TEST

/* ---- refusals ---------------------------------------------------------------------------- */

START_TEST(test_refusals)
{
    static const struct {
        const char *spec, *parts;
    } cases[] = {
        {"layernorm m=1 n=1 eps=0", "eps=0|must be positive"},
        {"rmsnorm m=1 n=1 eps=-1", "eps=-1|must be positive"},
        {"layernorm m=1 n=1 eps=nan", "eps=nan|must be a finite number"},
        {"softmax batch=1 m=1 n=1 scale=inf", "scale=inf|must be a finite number"},
        {"cross_entropy tokens=1 vocab=1 label_smoothing=1", "label_smoothing=1|below 1"},
        {"cross_entropy tokens=1 vocab=1 label_smoothing=-0.1", "label_smoothing=-0.1|0 or more"},
        {"cross_entropy tokens=1 vocab=1 z_loss=nan", "z_loss=nan|must be a finite number"},
        {"cross_entropy tokens=1 vocab=1 ignore_index=3000000000", "ignore_index|integer"},
        {"rmsnorm m=1 n=1 beta=1", "no parameter `beta'"},
        {"layernorm m=1 n=1 out_dtype=f32", "no parameter `out_dtype'"},
        {"softmax m=1 n=1", "dimension batch is missing"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        kiln_kernel *kernel = NULL;
        test_refused(kiln_create_kernel(test_context, cases[i].spec, &kernel), KILN_INVALID_SPEC,
                     cases[i].parts);
    }
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("norm");
    TCase *tests = tcase_create("norm");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, test_refusals);
    tcase_add_loop_test(tests, test_shapes, 0, 48);
    tcase_add_loop_test(tests, test_literal, 0, 16);
    tcase_add_loop_test(tests, test_groups, 0, 3);
    tcase_add_test(tests, test_many_rows);
    tcase_add_loop_test(tests, test_special, 0, 6);
    tcase_add_loop_test(tests, test_large_scores, 0, 6);
    tcase_add_loop_test(tests, test_narrow, 0, 4);
    tcase_add_loop_test(tests, test_vocabulary, 0, 6);
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
