/* Attention and its backward pass against the oracle. */
#include "registry.h"
#include "support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kernels[] = {"flash_attention", "flash_attention_backward"};
static const char *const dtypes[] = {"f32", "f16", "bf16"};
static const char *const variants[] = {"vector", "simt"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Head counts: one, as many keys as queries, groups of 2, 6 and 4, and two that are no power of
 * two. */
static const struct {
    int heads, kv_heads;
} groups[] = {{1, 1}, {4, 4}, {4, 2}, {6, 1}, {8, 2}, {5, 5}, {3, 3}};

/* A spec that outlives the next calls of test_format. */
typedef struct text {
    char spec[240];
} text;

/* Of launch-time batch and sequences; what = kernel + 2 variant + 4 dtype, as a loop counts. */
static text spec_of(int what, int head_dim, size_t group, const char *options)
{
    text out;
    snprintf(out.spec, sizeof out.spec,
             "%s batch=? seq_q=? seq_k=? heads=%d kv_heads=%d head_dim=%d dtype=%s %s variant=%s",
             kernels[what % 2], groups[group].heads, groups[group].kv_heads, head_dim,
             dtypes[what / 4 % 3], options, variants[what / 2 % 2]);
    return out;
}

/* ---- data -------------------------------------------------------------------------------- */

typedef enum data_kind {
    PLAIN,
    LARGE,     /* scores of some 1e4 */
    ARBITRARY, /* o and lse of no forward pass, -inf in some rows of lse */
    QUERIES,   /* NaN and inf in some rows of q */
    KEYS,      /* NaN and inf in some keys of one head of k */
    VALUES     /* NaN and inf here and there in v */
} data_kind;

typedef struct data {
    const char *spec, *args;
    uint64_t seed;
    data_kind kind;
    double *o, *lse; /* of the forward pass, as soon as they are asked for */
} data;

static int64_t number(const data *d, const char *name)
{
    return (int64_t)reference_number(d->spec, name, reference_number(d->args, name, 0));
}

static kiln_dtype dtype_of(const data *d)
{
    return reference_says(d->spec, "dtype", "f16")    ? KILN_F16
           : reference_says(d->spec, "dtype", "bf16") ? KILN_BF16
                                                      : KILN_F32;
}

/* What stands in a query's or a key's vector in the place of one of its numbers. */
static double special(size_t vector, double plain)
{
    static const double values[] = {NAN, INFINITY, -INFINITY};
    return vector % 4 ? values[vector % 4 - 1] : plain;
}

static void fill_plain(const data *d, const char *name, size_t count, double *values)
{
    test_random random = {d->seed ^ test_seed(name)};
    bool lse = strcmp(name, "lse") == 0, q = strcmp(name, "q") == 0, k = strcmp(name, "k") == 0;
    bool v = strcmp(name, "v") == 0;
    size_t head_dim = (size_t)number(d, "head_dim"), heads = (size_t)number(d, "heads");
    size_t kv_heads = (size_t)number(d, "kv_heads");
    double of_lse = log((double)number(d, "seq_k"));
    for (size_t i = 0; i < count; i++) {
        double plain = test_normal(&random);
        size_t vector = i / head_dim, at = i % head_dim;
        if (lse)
            plain = test_pick(&random, 8) ? of_lse + plain : -INFINITY;
        else if (d->kind == LARGE && (q || k))
            plain *= 100;
        else if (d->kind == QUERIES && q && at == vector % head_dim)
            plain = special(vector / heads, plain);
        else if (d->kind == KEYS && k && at == 1 && vector % kv_heads == kv_heads - 1)
            plain = special(vector / kv_heads, plain);
        else if (d->kind == VALUES && v && at == vector % head_dim)
            plain = special(vector / kv_heads, plain);
        values[i] = plain;
    }
}

/* ---- the forward pass that a backward pass is of ------------------------------------------- */

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static reference_tensor tensor_of(const data *d, const char *name, bool keys)
{
    reference_tensor t = {.name = name, .dtype = dtype_of(d), .rank = 4, .count = 1};
    const char *const dims[] = {"batch", keys ? "seq_k" : "seq_q", keys ? "kv_heads" : "heads",
                                "head_dim"};
    for (size_t i = 0; i < 4; i++)
        t.count *= (size_t)(t.extents[i] = number(d, dims[i]));
    t.values = must(calloc(t.count, sizeof(double)));
    t.terms = must(calloc(t.count, sizeof(double)));
    return t;
}

static void run_forward(data *d)
{
    reference_tensor tensors[] = {tensor_of(d, "q", false), tensor_of(d, "k", true),
                                  tensor_of(d, "v", true), tensor_of(d, "o", false),
                                  tensor_of(d, "lse", false)}; /* more than lse needs */
    for (size_t i = 0; i < 3; i++) {
        fill_plain(d, tensors[i].name, tensors[i].count, tensors[i].values);
        for (size_t e = 0; e < tensors[i].count; e++)
            tensors[i].values[e] = reference_round(tensors[i].dtype, tensors[i].values[e]);
    }
    char spec[300];
    snprintf(spec, sizeof spec, "flash_attention%s", strchr(d->spec, ' '));
    reference_call call = {spec, d->args, tensors, COUNT(tensors)};
    ck_assert(reference_run(&call));
    d->o = tensors[3].values;
    d->lse = tensors[4].values;
    for (size_t i = 0; i < COUNT(tensors); i++) {
        free(tensors[i].terms);
        if (i < 3)
            free(tensors[i].values);
    }
}

static void fill(void *user, const reference_tensor *tensor, double *values)
{
    data *d = user;
    bool o = strcmp(tensor->name, "o") == 0, lse = strcmp(tensor->name, "lse") == 0;
    if ((!o && !lse) || d->kind == ARBITRARY) {
        fill_plain(d, tensor->name, tensor->count, values);
        return;
    }
    if (!d->o)
        run_forward(d);
    memcpy(values, o ? d->o : d->lse, tensor->count * sizeof *values);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static bool has_variant(const char *spec, const char *variant)
{
    char kernel[40];
    snprintf(kernel, sizeof kernel, "%.*s", (int)strcspn(spec, " "), spec);
    const kiln_row *row = kiln_row_find(kernel);
    for (size_t i = 0; row && i < KILN_MAX_VARIANTS && row->variants[i]; i++)
        if (strcmp(row->variants[i]->name, variant) == 0)
            return true;
    return false;
}

static bool on_cpu(void)
{
    cl_device_type type;
    ck_assert_int_eq(clGetDeviceInfo(kiln_context_device(test_context), CL_DEVICE_TYPE, sizeof type,
                                     &type, NULL),
                     CL_SUCCESS);
    return type & CL_DEVICE_TYPE_CPU;
}

/* Whether the device has to take the spec: a GPU has no variant for CPUs, and may not take the
 * group that is asked for. */
static bool has_to_run(const char *spec)
{
    return on_cpu() ||
           (reference_says(spec, "variant", "simt") && !strstr(spec, "workgroup_size="));
}

static void run(const char *spec, int batch, int seq_q, int seq_k, data_kind kind)
{
    const char *variant = reference_says(spec, "variant", "simt") ? "simt" : "vector";
    if (!has_variant(spec, variant)) /* test_variants fails then */
        return;
    char args[80];
    snprintf(args, sizeof args, "batch=%d seq_q=%d seq_k=%d", batch, seq_q, seq_k);
    uint64_t seed = (uint64_t)(batch * 7 + seq_q * 31 + seq_k);
    data d = {.spec = spec, .args = args, .seed = seed, .kind = kind};
    bool ran = test_run(&(test_case){.spec = spec,
                                     .args = args,
                                     .seed = seed,
                                     .misalign = -1,
                                     .large_scores = kind == LARGE,
                                     .bare = seed % 5 == 4,
                                     .out_of_order = seed % 3 == 1,
                                     .fill = fill,
                                     .user = &d});
    free(d.o);
    free(d.lse);
    ck_assert_msg(ran || !has_to_run(spec), "%s: %s", spec, kiln_last_error());
}

START_TEST(test_variants)
{
    for (size_t k = 0; k < COUNT(kernels); k++)
        for (size_t v = 0; v < COUNT(variants); v++)
            ck_assert_msg(has_variant(kernels[k], variants[v]), "%s has no variant %s", kernels[k],
                          variants[v]);
}
END_TEST

/* ---- shapes ------------------------------------------------------------------------------ */

static const struct {
    int batch, seq_q, seq_k;
} shapes[] = {{1, 1, 1},    {2, 1, 257}, {1, 3, 17},   {3, 17, 3},  {1, 64, 64},
              {1, 63, 65},  {2, 65, 63}, {1, 33, 129}, {1, 257, 1}, {1, 129, 257},
              {1, 257, 65}, {3, 2, 64},  {1, 128, 127}};

static const int head_dims[] = {16, 64, 24, 8, 40, 32};

/* Every kernel, variant and storage type, twelve in all. */
START_TEST(test_shapes)
{
    if (test_quick() && _i % 6 != 3)
        return;
    size_t i = (size_t)_i;
    const text t = spec_of(_i, head_dims[i / 2], i % 5, i / 2 % 2 ? "causal=1" : "");
    for (size_t s = 0; s < COUNT(shapes); s += test_quick() ? 3 : 1)
        run(t.spec, shapes[s].batch, shapes[s].seq_q, shapes[s].seq_k, PLAIN);
    if (_i % 2)
        run(t.spec, 2, 37, 70, ARBITRARY);
}
END_TEST

/* Every head_dim, both ways. */
START_TEST(test_head_dims)
{
    if (test_quick() && _i % 13 != 7)
        return;
    int head_dim = 8 * (_i + 1);
    for (int kernel = 0; kernel < 2; kernel++) {
        /* Neighbours and the two kernels differ in variant and storage. */
        int what = kernel + 2 * ((_i + kernel) % 2) + 4 * ((_i / 2 + kernel) % 3);
        const text t = spec_of(what, head_dim, 2, _i % 3 ? "" : "causal=1");
        run(t.spec, 1, 21, 35, PLAIN);
    }
}
END_TEST

/* Sizes that are known when the source is made. */
START_TEST(test_literal)
{
    static const char *const specs[] = {
        "batch=1 seq_q=64 seq_k=64 heads=4 kv_heads=2 head_dim=64 causal=1",
        "batch=2 seq_q=1 seq_k=129 heads=6 kv_heads=1 head_dim=32",
        "batch=1 seq_q=65 seq_k=17 heads=2 kv_heads=2 head_dim=16 causal=1",
        "batch=? seq_q=? seq_k=40 heads=2 kv_heads=1 head_dim=48 window=9",
        "batch=3 seq_q=33 seq_k=? heads=1 kv_heads=1 head_dim=80 alibi=1"};
    if (test_quick() && _i != 5)
        return;
    int what = _i % 4;
    size_t s = (size_t)_i / 4;
    text t;
    snprintf(t.spec, sizeof t.spec, "%s %s dtype=%s variant=%s", kernels[what % 2], specs[s],
             dtypes[_i % 3], variants[what / 2]);
    data d = {.spec = t.spec, .args = ""};
    int64_t batch = number(&d, "batch"), seq_q = number(&d, "seq_q"), seq_k = number(&d, "seq_k");
    run(t.spec, batch ? (int)batch : 2, seq_q ? (int)seq_q : 30, seq_k ? (int)seq_k : 70, PLAIN);
}
END_TEST

START_TEST(test_groups)
{
    static const int sizes[] = {64, 192, 256, 1024};
    if (test_quick() && _i != 2)
        return;
    const text t = spec_of(2 + _i % 2 + 4 * (_i % 3), 64, 2,
                           test_format("causal=1 workgroup_size=%d", sizes[_i / 2]));
    run(t.spec, 1, 70, 133, PLAIN);
    run(t.spec, 2, 5, 300, PLAIN);
}
END_TEST

/* ---- options ----------------------------------------------------------------------------- */

static const char *const options[] = {
    "window=1",          "window=3",
    "window=1000",       "causal=1 window=5",
    "softcap=1.5",       "softcap=50 causal=1",
    "alibi=1",           "alibi=1 causal=1",
    "scale=0.5",         "scale=-0.25 causal=1",
    "alibi=1 window=40", "softcap=2 alibi=1 causal=1 window=17 scale=0.75",
};

/* Each for every kernel and variant. */
START_TEST(test_options)
{
    if (test_quick() && _i % 11 != 7)
        return;
    size_t o = (size_t)_i / 4;
    /* All of the head counts, and those that are no power of two for ALiBi. */
    size_t group = strstr(options[o], "alibi") ? 3 + (o + (size_t)_i) % 4 : (o + (size_t)_i) % 5;
    const text t =
        spec_of(_i % 4 + 4 * (int)((o + (size_t)_i) % 3), head_dims[o % 5], group, options[o]);
    run(t.spec, 1, 70, 70, PLAIN);
    run(t.spec, 2, 19, 90, PLAIN);
    run(t.spec, 1, 90, 19, PLAIN); /* rows that see nothing, if it is causal or a window */
    run(t.spec, 1, 1, 140, PLAIN);
    if (_i % 2)
        run(t.spec, 1, 40, 23, ARBITRARY);
}
END_TEST

/* ---- numbers ----------------------------------------------------------------------------- */

START_TEST(test_large_scores)
{
    if (test_quick() && _i != 6)
        return;
    static const char *const of[] = {"", "causal=1", "alibi=1"};
    const text t = spec_of(_i, 64, 2, of[_i / 4]);
    run(t.spec, 1, 40, 130, LARGE);
    run(t.spec, 2, 7, 20, LARGE);
}
END_TEST

/* NaN and inf are where the equation has them. Of a key or a value that a query does not see,
 * nothing may come. */
START_TEST(test_special)
{
    if (test_quick() && _i != 2)
        return;
    static const char *const of[] = {"", "causal=1", "window=9"};
    static const data_kind kinds[] = {QUERIES, KEYS, VALUES};
    const text t = spec_of(2 * _i, 16, 2, of[_i / 2]);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        run(t.spec, 1, 37, 50, kinds[k]);
        run(t.spec, 2, 9, 1, kinds[k]);
        run(t.spec, 1, 50, 37, kinds[k]);
    }
}
END_TEST

/* ---- refusals ---------------------------------------------------------------------------- */

START_TEST(test_refusals)
{
    static const struct {
        const char *words, *parts;
    } cases[] = {
        {"batch=1 seq_q=1 seq_k=1 heads=6 kv_heads=4 head_dim=64",
         "heads=6|multiple of kv_heads|4"},
        {"batch=1 seq_q=1 seq_k=1 heads=2 kv_heads=4 head_dim=64",
         "heads=2|multiple of kv_heads|4"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 kv_heads=1 head_dim=100",
         "head_dim=100|multiple of 8 from 8 to 512"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 kv_heads=1 head_dim=520",
         "head_dim=520|multiple of 8 from 8 to 512"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 kv_heads=1 head_dim=4", "head_dim=4|multiple of 8"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 kv_heads=1 head_dim=8 softcap=-1",
         "softcap=-1|0 or more"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 kv_heads=1 head_dim=8 softcap=inf",
         "softcap=inf|finite number"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 kv_heads=1 head_dim=8 window=-1", "window=-1|from 0 to"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 kv_heads=1 head_dim=8 scale=nan",
         "scale=nan|finite number"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 kv_heads=1 head_dim=8 causal=2", "causal=2|from 0 to 1"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 kv_heads=1 head_dim=8 alibi=yes", "alibi=yes"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 kv_heads=1 head_dim=8 accumulate=1",
         "no parameter `accumulate'"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 kv_heads=1 head_dim=8 out_dtype=f32",
         "no parameter `out_dtype'"},
        {"batch=1 seq_q=0 seq_k=1 heads=1 kv_heads=1 head_dim=8", "seq_q=0|from 1"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 kv_heads=1", "head_dim is missing"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 head_dim=8", "kv_heads is missing"},
        {"seq_q=1 seq_k=1 heads=1 kv_heads=1 head_dim=8", "batch is missing"},
        {"batch=1 seq_q=1 seq_k=1 heads=? kv_heads=1 head_dim=8", "heads=?"},
        {"batch=1 seq_q=1 seq_k=1 heads=1 kv_heads=1 head_dim=?", "head_dim=?"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        kiln_kernel *kernel = NULL;
        test_refused(kiln_create_kernel(test_context,
                                        test_format("%s %s", kernels[_i], cases[i].words), &kernel),
                     KILN_INVALID_SPEC, cases[i].parts);
    }
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("attention");
    TCase *tests = tcase_create("attention");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, test_variants);
    tcase_add_loop_test(tests, test_refusals, 0, 2);
    tcase_add_loop_test(tests, test_shapes, 0, 12);
    tcase_add_loop_test(tests, test_head_dims, 0, 64);
    tcase_add_loop_test(tests, test_literal, 0, 20);
    tcase_add_loop_test(tests, test_groups, 0, 8);
    tcase_add_loop_test(tests, test_options, 0, 4 * (int)COUNT(options));
    tcase_add_loop_test(tests, test_large_scores, 0, 12);
    tcase_add_loop_test(tests, test_special, 0, 6);
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
