/* The fused rows against the oracle and against the kernels that they are made of. */
#include "support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const dtypes[] = {"f32", "f16", "bf16"};
static const char *const rows[] = {"matmul_bias_residual", "matmul_bias_gelu approx=none",
                                   "matmul_bias_gelu approx=tanh"};
static const char *const shapes[] = {"m=1 n=1 k=1",    "m=3 n=129 k=17",  "m=33 n=31 k=2",
                                     "m=64 n=65 k=63", "m=257 n=16 k=32", "m=15 n=127 k=65",
                                     "m=70 n=40 k=600"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* In quick mode small tiles, which compile in a quarter of the time. */
static const char *variant(int i)
{
    static const char *const all[] = {"variant=vector", "variant=simt",
                                      "variant=vector tile_size=32", "variant=simt tile_size=16"};
    return all[i % 2 + (test_quick() || i >= 2 ? 2 : 0)];
}

static bool sweep(const char *spec, const char *in_place, int salt)
{
    for (size_t s = test_quick() ? 3 : 0; s < COUNT(shapes); s += test_quick() ? 3 : 1)
        if (!test_run(&(test_case){.spec = spec,
                                   .args = shapes[s],
                                   .in_place = in_place,
                                   .seed = s * 31 + (size_t)salt,
                                   .misalign = -1,
                                   .out_of_order = s % 3 == 1,
                                   .bare = s % 4 == 2,
                                   .once = s % 3 != 0}))
            return false;
    return true;
}

START_TEST(test_rows)
{
    if (test_quick() && _i % 8 != 0)
        return;
    int row = _i / 6, dtype = _i / 2 % 3;
    const char *layout = (_i / 2 + row) % 2 ? "nt" : "nn";
    if (!sweep(test_format("%s m=? n=? k=? layout=%s dtype=%s %s", rows[row], layout, dtypes[dtype],
                           variant(_i)),
               NULL, _i))
        return;
    if (row == 0)
        sweep(test_format("%s m=? n=? k=? layout=%s dtype=%s %s", rows[row], layout, dtypes[dtype],
                          variant(_i)),
              "c=residual", _i + 5);
}
END_TEST

/* The other layout of each, by small tiles, with the pre-activation. */
START_TEST(test_layouts)
{
    if (test_quick())
        return;
    int row = _i / 6, dtype = _i / 2 % 3;
    const char *layout = (_i / 2 + row) % 2 ? "nn" : "nt";
    sweep(test_format("%s m=? n=? k=? layout=%s dtype=%s %s %s", rows[row], layout, dtypes[dtype],
                      row ? "save_pre=1" : "", variant(2 + _i % 2)),
          NULL, _i);
}
END_TEST

START_TEST(test_row_lengths)
{
    static const char *const lengths[] = {"lda=601 ldb=610 ldc=131", "ldc=129",
                                          "lda=640 ldb=650 ldc=200"};
    if (test_quick() && _i != 4)
        return;
    int row = _i / 2;
    const char *spec = test_format("%s m=? n=? k=? %s layout=%s dtype=%s %s %s", rows[row],
                                   lengths[row], _i % 2 ? "nt" : "nn", dtypes[(_i + row) % 3],
                                   row == 2 ? "save_pre=1" : "", variant(2 + _i % 2));
    sweep(spec, NULL, 60 + _i);
    if (row == 0)
        sweep(spec, "c=residual", 70 + _i);
}
END_TEST

START_TEST(test_literal)
{
    static const char *const specs[] = {
        "matmul_bias_gelu m=? n=96 k=64 approx=tanh save_pre=1 dtype=bf16",
        "matmul_bias_gelu m=33 n=33 k=33 approx=none layout=nt dtype=f32",
        "matmul_bias_residual m=17 n=130 k=? dtype=f16",
        "matmul_bias_residual m=65 n=64 k=16 layout=nt dtype=f32",
    };
    if (test_quick())
        return;
    for (int v = 0; v < 2; v++)
        test_run(&(test_case){.spec = test_format("%s %s", specs[_i], variant(v + _i % 2 * 2)),
                              .args = _i == 0 ? "m=21" : "k=45",
                              .misalign = 1});
}
END_TEST

/* Few rows, or any number of them, 64 at a time. */
START_TEST(test_few_rows)
{
    static const char *const sizes[] = {"n=1 k=1", "n=129 k=17", "n=16 k=32", "n=65 k=63",
                                        "n=40 k=600"};
    static const char *const few[] = {"1", "4", "13", "33", "?"};
    static const char *const m[] = {"m=3 ", "m=130 ", "m=64 ", "m=65 ", "m=40 "};
    if (test_quick() && _i % 7 != 0)
        return;
    int row = _i / 5;
    char spec[160];
    snprintf(spec, sizeof spec, "%s m=%s n=? k=? %s layout=%s dtype=%s variant=skinny", rows[row],
             few[_i % 5],
             row == 2 ? "save_pre=1"
             : _i % 3 ? ""
                      : "lda=700 ldb=701 ldc=140",
             (_i + row) % 2 ? "nt" : "nn", dtypes[_i % 3]);
    for (size_t s = 0; s < COUNT(sizes); s++)
        if (!test_run(&(test_case){.spec = spec,
                                   .args = test_format("%s%s", _i % 5 == 4 ? m[s] : "", sizes[s]),
                                   .in_place = row == 0 && s % 2 ? "c=residual" : NULL,
                                   .seed = s * 31 + (size_t)_i,
                                   .misalign = -1,
                                   .bare = s % 4 == 2,
                                   .once = s % 3 != 0}))
            return;
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
    if (test_quick())
        return;
    for (int v = 0; v < 2; v++)
        test_run(&(test_case){.spec = test_format("%s m=? n=? k=? layout=%s dtype=%s %s", rows[_i],
                                                  _i % 2 ? "nt" : "nn", dtypes[_i], variant(v)),
                              .args = "m=37 n=65 k=20",
                              .misalign = 0,
                              .fill = fill_special});
}
END_TEST

/* ---- against the unfused kernels ----------------------------------------------------------- */

typedef struct given {
    const char *name;
    const double *values;
} given;

static void fill_given(void *user, const reference_tensor *tensor, double *values)
{
    for (const given *g = user; g->name; g++)
        if (strcmp(g->name, tensor->name) == 0)
            memcpy(values, g->values, tensor->count * sizeof *values);
}

/* Runs spec on these tensors and returns its output as numbers, which the caller frees. */
static double *output_of(const char *spec, const char *args, given *tensors, const char *output)
{
    kiln_kernel *kernel;
    test_launch launch;
    test_case c = {.spec = spec,
                   .args = args,
                   .misalign = 0,
                   .fill = tensors ? fill_given : NULL,
                   .user = tensors};
    test_ok(kiln_create_kernel(test_context, spec, &kernel));
    test_prepare(&c, kernel, &launch);
    test_execute(&launch);
    const test_tensor *out = test_find(&launch, output);
    double *values = malloc(out->dense.count * sizeof *values);
    for (size_t i = 0; i < out->dense.count; i++)
        values[i] = test_element(out, out->after, i);
    test_discard(&launch);
    return values;
}

/* What the fused row's inputs are, as numbers. */
static double *input_of(const char *spec, const char *args, const char *input)
{
    kiln_kernel *kernel;
    test_launch launch;
    test_case c = {.spec = spec, .args = args, .misalign = 0};
    test_ok(kiln_create_kernel(test_context, spec, &kernel));
    test_prepare(&c, kernel, &launch);
    const test_tensor *in = test_find(&launch, input);
    double *values = malloc(in->dense.count * sizeof *values);
    memcpy(values, in->dense.values, in->dense.count * sizeof *values);
    test_discard(&launch);
    return values;
}

/* The chain rounds to storage in between: its difference is that of a few roundings. */
START_TEST(test_chain)
{
    if (test_quick() && _i != 2)
        return;
    const char *args = "m=37 n=65 k=70", *flat = "m=37 n=65", *dtype = dtypes[_i % 3];
    int row = _i / 3;
    const char *nt = row == 1 ? "nt" : "nn";
    const char *fused =
        test_format("%s m=? n=? k=? layout=%s dtype=%s tile_size=32", rows[row], nt, dtype);
    double *a = input_of(fused, args, "a"), *b = input_of(fused, args, "b");
    double *bias = input_of(fused, args, "bias");
    double *whole = output_of(fused, args, NULL, "c");
    double *product = output_of(
        test_format("matmul%s m=? n=? k=? dtype=%s tile_size=32", row == 1 ? "_nt" : "", dtype),
        args, (given[]){{"a", a}, {"b", b}, {NULL, NULL}}, "c");
    double *biased = output_of(test_format("bias_add m=? n=? dtype=%s", dtype), flat,
                               (given[]){{"x", product}, {"bias", bias}, {NULL, NULL}}, "y");
    double *residual = row == 0 ? input_of(fused, args, "residual") : NULL;
    double *chain =
        row == 0 ? output_of(test_format("residual_add m=? n=? dtype=%s", dtype), flat,
                             (given[]){{"x", biased}, {"residual", residual}, {NULL, NULL}}, "y")
                 : output_of(test_format("gelu m=? n=? dtype=%s %s", dtype, strchr(rows[row], ' ')),
                             flat, (given[]){{"x", biased}, {NULL, NULL}}, "y");
    double error = 0, norm = 0;
    for (size_t i = 0; i < 37 * 65; i++) {
        error += (whole[i] - chain[i]) * (whole[i] - chain[i]);
        norm += whole[i] * whole[i];
    }
    static const double limits[] = {1e-6, 1e-3, 8e-3};
    ck_assert_msg(sqrt(error) <= limits[_i % 3] * sqrt(norm),
                  "%s: off by %.3g of %.3g from the chain", fused, sqrt(error), sqrt(norm));
    free(a);
    free(b);
    free(bias);
    free(residual);
    free(whole);
    free(product);
    free(biased);
    free(chain);
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("fused");
    TCase *tests = tcase_create("fused");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, test_rows, 0, 18);
    tcase_add_loop_test(tests, test_special, 0, 3);
    tcase_add_loop_test(tests, test_layouts, 0, 18);
    tcase_add_loop_test(tests, test_row_lengths, 0, 6);
    tcase_add_loop_test(tests, test_chain, 0, 9);
    tcase_add_loop_test(tests, test_literal, 0, 4);
    suite_add_tcase(suite, tests);
    TCase *few_rows = tcase_create("few_rows");
    tcase_set_timeout(few_rows, 0);
    tcase_add_loop_test(few_rows, test_few_rows, 0, 15);
    suite_add_tcase(suite, few_rows);
    int failed = test_main(suite);
    test_close();
    return failed;
}
