/* The fused rows that do more than add to a product, against the oracle: a norm or GELU in front of
 * it, several outputs, gates, gradients. */
#include "support.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const dtypes[] = {"f32", "f16", "bf16"};

/* Options are given in turn, one set a run. */
typedef struct {
    const char *spec, *options[4];
} fusion;

static const fusion rows[] = {
    {"gelu_matmul m=? n=? k=?", {"approx=none", "approx=tanh bias=1"}},
    {"layernorm_matmul m=? n=? k=?",
     {"bias=1", "beta=0 save_stats=1", "bias=1 gelu=1 approx=tanh save_stats=1 eps=0.01",
      "gelu=1 approx=none"}},
    {"rmsnorm_matmul m=? n=? k=?", {"bias=1", "unit_offset=1 save_stats=1", "eps=0.1"}},
    {"matmul_swiglu m=? n=? k=?",
     {"gate=split", "gate=interleaved", "gate=split save_pre=1", "gate=interleaved save_pre=1"}},
    {"matmul_gelu_backward m=? n=? k=?",
     {"approx=tanh dbias=1", "approx=none", "approx=none dbias=1 out_dtype=f32",
      "approx=tanh dbias=1 out_dtype=bf16"}},
};
static const char *const shapes[] = {"m=1 n=1 k=2",    "m=3 n=129 k=17",  "m=33 n=31 k=3",
                                     "m=64 n=65 k=63", "m=257 n=16 k=32", "m=15 n=127 k=65",
                                     "m=70 n=40 k=600"};

/* q and kv columns: of one vector width, of none, narrower than a vector. */
static const char *const heads[] = {
    "heads=4 kv_heads=2 head_dim=16", "heads=3 kv_heads=1 head_dim=9",
    "heads=1 kv_heads=1 head_dim=1", "heads=5 kv_heads=5 head_dim=8"};

/* In quick mode small tiles, which compile in a quarter of the time. */
static const char *variant(int i)
{
    static const char *const all[] = {"variant=vector",
                                      "variant=simt",
                                      "variant=vector tile_size=32",
                                      "variant=simt tile_size=16",
                                      "variant=vector tile_size=8",
                                      "variant=simt tile_size=8"};
    return all[i % 2 + (test_quick() ? 2 : i / 2 % 3 * 2)];
}

static void sweep(const char *spec, int salt)
{
    for (size_t s = test_quick() ? 3 : 0; s < COUNT(shapes); s += test_quick() ? 3 : 1) {
        char args[64];
        snprintf(args, sizeof args, "%s", shapes[s]);
        if (!strstr(spec, "n=?")) { /* qkv_projection's n is its own */
            char *n = strstr(args, " n=");
            const char *k = strstr(shapes[s], " k=");
            memcpy(n, k, strlen(k) + 1);
        }
        if (!test_run(&(test_case){.spec = spec,
                                   .args = args,
                                   .seed = s * 31 + (size_t)salt,
                                   .misalign = -1,
                                   .out_of_order = s % 3 == 1,
                                   .bare = s % 4 == 2,
                                   .once = s % 3 != 0}))
            return;
    }
}

/* The first set of options by every dtype and variant, the others by both variants, of different
 * dtypes; layouts and tiles in turn. */
START_TEST(test_rows)
{
    int row = _i / 24, options = _i / 6 % 4, dtype = _i / 2 % 3;
    if (!rows[row].options[options] || (test_quick() && _i % 7 != 0))
        return;
    if (options > 0 && (_i + options) % 3 != 0)
        return;
    sweep(test_format("%s %s layout=%s dtype=%s %s", rows[row].spec, rows[row].options[options],
                      (_i / 2 + row) % 2 ? "nt" : "nn", dtypes[dtype], variant(_i + dtype * 2)),
          _i);
}
END_TEST

START_TEST(test_qkv)
{
    int dtype = _i / 2 % 3;
    if (test_quick() && _i % 7 != 0)
        return;
    sweep(test_format("qkv_projection m=? k=? %s %s layout=%s dtype=%s %s", heads[_i / 6],
                      _i / 2 % 2 ? "bias=1 lda=601" : "ldb=700", _i / 4 % 2 ? "nt" : "nn",
                      dtypes[dtype], variant(_i + dtype * 2)),
          _i);
}
END_TEST

/* Padded rows; lengths that suit every shape. */
START_TEST(test_row_lengths)
{
    if (test_quick() && _i % 4 != 0)
        return;
    int row = _i / 2;
    sweep(test_format("%s %s lda=601 ldb=620 ldc=131 layout=%s dtype=%s %s", rows[row].spec,
                      rows[row].options[0], _i % 2 ? "nt" : "nn", dtypes[_i % 3],
                      variant(2 + _i % 2)),
          60 + _i);
}
END_TEST

START_TEST(test_literal)
{
    static const char *const specs[] = {
        "layernorm_matmul m=? n=96 k=64 bias=1 dtype=bf16",
        "layernorm_matmul m=17 n=130 k=33 layout=nt dtype=f32",
        "gelu_matmul m=33 n=33 k=33 approx=none layout=nt dtype=f32",
        "qkv_projection m=19 k=70 heads=3 kv_heads=2 head_dim=20 dtype=f32",
        "matmul_swiglu m=? n=100 k=64 gate=interleaved save_pre=1 dtype=bf16",
        "matmul_swiglu m=65 n=70 k=80 gate=split layout=nt dtype=f32",
        "matmul_gelu_backward m=1000 n=40 k=33 approx=tanh dbias=1 dtype=f32",
    };
    if (test_quick() && _i != 1)
        return;
    for (int v = 0; v < 2; v++)
        test_run(&(test_case){.spec = test_format("%s %s", specs[_i], variant(v + _i % 2 * 2)),
                              .args = strstr(specs[_i], "m=?") ? "m=21" : "",
                              .misalign = 1});
}
END_TEST

/* Few rows, or any number of them, 64 at a time. */
START_TEST(test_few_rows)
{
    static const char *const sizes[] = {"n=1 k=2", "n=129 k=17", "n=7 k=33", "n=65 k=63",
                                        "n=40 k=600"};
    static const char *const few[] = {"1", "3", "16", "33", "?"};
    static const char *const any[] = {"m=3 ", "m=130 ", "m=64 ", "m=65 ", "m=40 "};
    int row = _i / 16, options = _i / 4 % 4;
    const char *m = few[(_i + row) % 5];
    if (!rows[row].options[options] || (test_quick() && _i % 9 != 0))
        return;
    char spec[200];
    for (int nt = 0; nt < 2; nt++) {
        if ((_i + nt) % 2 != 0)
            continue;
        snprintf(spec, sizeof spec, "%.*s m=%s n=? k=? %s layout=%s dtype=%s variant=skinny",
                 (int)strcspn(rows[row].spec, " "), rows[row].spec, m, rows[row].options[options],
                 nt ? "nt" : "nn", dtypes[(_i + nt) % 3]);
        for (size_t s = 0; s < COUNT(sizes); s++)
            if (!test_run(
                    &(test_case){.spec = spec,
                                 .args = test_format("%s%s", *m == '?' ? any[s] : "", sizes[s]),
                                 .seed = s * 31 + (size_t)_i,
                                 .misalign = -1,
                                 .bare = s % 4 == 2,
                                 .once = s % 3 != 0}))
                return;
    }
}
END_TEST

START_TEST(test_few_rows_literal)
{
    static const char *const specs[] = {
        "matmul_swiglu m=3 n=100 k=64 gate=interleaved save_pre=1 dtype=bf16",
        "matmul_swiglu m=3 n=5 k=64 gate=interleaved",
        "matmul_swiglu m=12 n=9 k=64 gate=interleaved layout=nt dtype=f16",
        "matmul_swiglu m=5 n=1030 k=40 gate=split save_pre=1",
        "matmul_swiglu m=1 n=11 k=300 gate=split layout=nt save_pre=1",
        "qkv_projection m=1 k=70 heads=3 kv_heads=2 head_dim=20 bias=1 dtype=f16",
        "qkv_projection m=9 k=300 heads=5 kv_heads=1 head_dim=9 layout=nt",
        "qkv_projection m=4 k=64 heads=1 kv_heads=1 head_dim=3 lda=70 ldb=11",
        "matmul_gelu_backward m=1 n=1040 k=33 approx=tanh dbias=1 dtype=bf16",
        "layernorm_matmul m=2 n=130 k=1033 layout=nt bias=1 save_stats=1",
        "rmsnorm_matmul m=6 n=70 k=1500 bias=1 lda=1501 ldb=71 ldc=73 dtype=bf16",
        "gelu_matmul m=1 n=33 k=2100 approx=none layout=nt dtype=f16",
        "layernorm_matmul m=130 n=33 k=70 save_stats=1",
        "matmul_gelu_backward m=200 n=17 k=33 approx=none dbias=1",
    };
    if (!test_quick() || _i % 4 == 1)
        test_run(&(test_case){
            .spec = test_format("%s variant=skinny", specs[_i]), .args = "", .misalign = _i % 2});
}
END_TEST

/* A sum in front of a norm, alone and in place of either of its terms. */
START_TEST(test_residual_norms)
{
    static const char *const norms[] = {"residual_layernorm", "residual_layernorm beta=0",
                                        "residual_rmsnorm", "residual_rmsnorm unit_offset=1"};
    static const char *const sizes[] = {"m=1 n=1", "m=5 n=17", "m=3 n=300", "m=7 n=1024",
                                        "m=2 n=20011"};
    static const char *const places[] = {NULL, "sum=x", "sum=residual"};
    if (test_quick() && _i % 5 != 0)
        return;
    const char *spec = test_format("%s m=? n=? dtype=%s variant=%s", norms[_i / 6],
                                   dtypes[_i / 2 % 3], _i % 2 ? "simt" : "vector");
    for (size_t s = 0; s < COUNT(sizes); s++)
        test_run(&(test_case){.spec = spec,
                              .args = sizes[s],
                              .in_place = places[(s + (size_t)_i) % 3],
                              .seed = s * 31 + (size_t)_i,
                              .misalign = -1,
                              .bare = s % 4 == 2,
                              .out_of_order = s % 3 == 1});
    /* Of a known length simt keeps a row in registers. */
    test_run(&(test_case){.spec = test_format("%s m=9 n=640 dtype=%s variant=%s", norms[_i / 6],
                                              dtypes[_i / 2 % 3], _i % 2 ? "simt" : "vector"),
                          .in_place = places[_i % 3],
                          .seed = (size_t)_i,
                          .misalign = 1});
}
END_TEST

/* ---- rows with a mean far from 0 ----------------------------------------------------------- */

static void fill_shifted(void *user, const reference_tensor *tensor, double *values)
{
    test_random random = {test_seed(tensor->name)};
    double shift = strcmp(tensor->name, "a") == 0 ? *(const double *)user : 0.0;
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = shift + test_normal(&random);
}

/* The oracle's terms allow for the mean's own size. The product of numbers that have it would be
 * off by as much once more for each of its k: this holds it to a few roundings of the inputs. */
START_TEST(test_shifted)
{
    static double shifts[] = {1e2, 1e4};
    for (int v = 0; v < 2; v++) {
        const char *spec = test_format("layernorm_matmul m=? n=? k=? dtype=f32 %s", variant(v + 2));
        kiln_kernel *kernel;
        test_launch launch;
        test_case c = {.spec = spec,
                       .args = "m=9 n=33 k=1000",
                       .misalign = 0,
                       .fill = fill_shifted,
                       .user = &shifts[_i]};
        kiln_status status = kiln_create_kernel(test_context, spec, &kernel);
        if (status == KILN_UNSUPPORTED && strstr(kiln_last_error(), "the device is no CPU"))
            continue;
        test_ok(status);
        test_prepare(&c, kernel, &launch);
        test_execute(&launch);
        test_reference(&launch);
        const test_tensor *out = test_find(&launch, "c");
        double error = 0, norm = 0;
        for (size_t i = 0; i < out->dense.count; i++) {
            error = hypot(error, test_element(out, out->after, i) - out->dense.values[i]);
            norm = hypot(norm, out->dense.values[i]);
        }
        ck_assert_msg(error <= 2e-6 * norm, "%s: off by %.3g of itself at a mean of %g", spec,
                      error / norm, shifts[_i]);
        test_discard(&launch);
    }
}
END_TEST

/* NaN and inf in one place of each input come out where they should. */
static void fill_special(void *user, const reference_tensor *tensor, double *values)
{
    static const double special[] = {NAN, INFINITY, -INFINITY};
    test_random random = {test_seed(tensor->name)};
    (void)user;
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = test_normal(&random);
    for (size_t i = 0; i < 3; i++)
        values[test_pick(&random, (int64_t)tensor->count)] = special[i];
}

START_TEST(test_special)
{
    if (test_quick() && _i % 4 != 1)
        return;
    int row = _i / 2;
    test_run(&(test_case){.spec = test_format("%s %s layout=%s dtype=%s %s", rows[row].spec,
                                              rows[row].options[0], _i % 2 ? "nt" : "nn",
                                              dtypes[_i % 3], variant(2 + _i % 2)),
                          .args = "m=37 n=65 k=20",
                          .misalign = 0,
                          .fill = fill_special});
}
END_TEST

/* ---- what is refused ----------------------------------------------------------------------- */

START_TEST(test_refusals)
{
    static const struct {
        const char *spec, *parts;
    } wrong[] = {
        {"layernorm_matmul m=1 n=1 k=1 gelu=1", "gelu=1: approx must be named"},
        {"layernorm_matmul m=1 n=1 k=1 approx=tanh", "approx=tanh: is of no use without gelu=1"},
        {"layernorm_matmul m=1 n=1 k=1 eps=0", "eps=0: must be positive"},
        {"gelu_matmul m=1 n=1 k=1", "approx must be named: one of none|tanh"},
        {"gelu_matmul m=1 n=1 k=1 approx=tanh accumulate=1", "has no parameter `accumulate'"},
        {"matmul_swiglu m=1 n=1 k=1", "gate must be named: one of split|interleaved"},
        {"matmul_swiglu m=1 n=4 k=1 gate=split ldb=7",
         "ldb=7: must be at least the row length of b, 8"},
        {"qkv_projection m=1 k=1 heads=? kv_heads=1 head_dim=1", "heads=?: must be given"},
        {"qkv_projection m=1 k=1 heads=1 kv_heads=1 head_dim=2 ldb=5",
         "ldb=5: must be at least the row length of w, 6"},
        {"qkv_projection m=1 k=1 heads=1 kv_heads=1 head_dim=2 ldc=6", "has no parameter `ldc'"},
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        kiln_kernel *kernel;
        test_refused(kiln_create_kernel(test_context, wrong[i].spec, &kernel), KILN_INVALID_SPEC,
                     wrong[i].parts);
    }
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("fusions");
    TCase *tests = tcase_create("fusions");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, test_refusals);
    tcase_add_loop_test(tests, test_shifted, 0, 2);
    tcase_add_loop_test(tests, test_special, 0, 2 * (int)COUNT(rows));
    tcase_add_loop_test(tests, test_rows, 0, 24 * (int)COUNT(rows));
    tcase_add_loop_test(tests, test_qkv, 0, 6 * (int)COUNT(heads));
    tcase_add_loop_test(tests, test_row_lengths, 0, 2 * (int)COUNT(rows));
    tcase_add_loop_test(tests, test_literal, 0, 7);
    tcase_add_loop_test(tests, test_residual_norms, 0, 24);
    suite_add_tcase(suite, tests);
    TCase *few_rows = tcase_create("few_rows");
    tcase_set_timeout(few_rows, 0);
    tcase_add_loop_test(few_rows, test_few_rows, 0, 16 * (int)COUNT(rows));
    tcase_add_loop_test(few_rows, test_few_rows_literal, 0, 14);
    suite_add_tcase(suite, few_rows);
    int failed = test_main(suite);
    test_close();
    return failed;
}
