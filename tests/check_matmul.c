/* The four products against the oracle: layouts, storage types, variants, tiles, shapes. */
#include "context.h"
#include "support.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const dtypes[] = {"f32", "f16", "bf16"};
static const char *const variants[] = {"vector", "simt"};
static const char *const rows[] = {"matmul", "matmul_nt", "matmul_tn"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- shapes ------------------------------------------------------------------------------ */

static const int edges[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 257};
#define NUM_EDGES ((int)COUNT(edges))

/* The i-th of NUM_EDGES shapes in which each of m, n and k takes every edge once; salt mixes them
 * differently. The strides have no factor in common with 15. */
static void shape(int i, unsigned salt, int *m, int *n, int *k)
{
    static const int strides[] = {1, 2, 4, 7, 8, 11, 13, 14};
    unsigned turn = salt * 5u;
    *m = edges[(unsigned)i % NUM_EDGES];
    *n = edges[((unsigned)i * (unsigned)strides[salt % 8] + turn + 3) % NUM_EDGES];
    *k = edges[((unsigned)i * (unsigned)strides[(salt / 8 + salt + 5) % 8] + turn + 9) % NUM_EDGES];
}

/* One build under many shapes. False if the device refuses it. */
static bool sweep(const char *spec, unsigned salt, int num_shapes)
{
    bool batched = strncmp(spec, "batched", 7) == 0;
    for (int i = 0; i < num_shapes; i++) {
        int m, n, k;
        shape(test_quick() ? i + (int)salt * 4 : i, salt, &m, &n, &k);
        const char *args = test_format("%sm=%d n=%d k=%d",
                                       batched ? (i % 2 ? "batch=3 " : "batch=1 ") : "", m, n, k);
        if (!test_run(&(test_case){.spec = spec,
                                   .args = args,
                                   .seed = salt * 100 + (unsigned)i,
                                   .misalign = -1,
                                   .out_of_order = i % 3 == 2,
                                   .bare = i % 5 == 4,
                                   .once = i % 4 != 0}))
            return false;
    }
    return true;
}

static int some(int all, int few)
{
    return test_quick() ? few : all;
}

/* Whether case i runs: in quick mode every period-th. */
static bool runs(int i, int period)
{
    return !test_quick() || i % period == 0;
}

/* A variant, with small tiles for the CPU's where tiles are not the point: those compile in a
 * quarter of the time. */
static const char *small(int variant, int i)
{
    return variant == 1 ? "variant=simt"
           : i % 2      ? "variant=vector tile_size=32"
                        : "variant=vector tile_size=16";
}

/* ---- layouts, types, variants ------------------------------------------------------------ */

/* The i-th of 18: every row, storage type and variant. */
static const char *product_spec(int i)
{
    return test_format("%s m=? n=? k=? dtype=%s %s", rows[i / 6], dtypes[i / 2 % 3],
                       test_quick() ? small(i % 2, 0) : test_format("variant=%s", variants[i % 2]));
}

START_TEST(test_shapes)
{
    if (!runs(_i, 7))
        return;
    unsigned salt = (unsigned)_i;
    const char *spec = product_spec(_i);
    if (!sweep(spec, salt, some(NUM_EDGES, 2)))
        return;
    /* Sums between blocks of k, and a grid of many groups. */
    static const char *const large[] = {"m=5 n=70 k=600", "m=67 n=33 k=1100", "m=500 n=300 k=20",
                                        "m=1 n=1 k=2000", "m=1000 n=3 k=513"};
    for (int i = 0; i < some(COUNT(large), 1); i++)
        test_run(&(test_case){
            .spec = spec, .args = large[i], .seed = salt + 7, .misalign = -1, .once = i > 0});
}
END_TEST

/* Layouts and variants, each in one storage type. */
START_TEST(test_batched)
{
    if (!runs(_i + 1, 15) || _i % 3 != _i / 3 % 3)
        return;
    unsigned salt = 40 + (unsigned)_i;
    const char *spec =
        test_format("batched_matmul batch=? m=? n=? k=? dtype=%s trans_a=%d trans_b=%d %s",
                    dtypes[_i % 3], _i / 3 & 1, _i / 6 & 1, small(_i / 12, _i));
    if (sweep(spec, salt, some(8, 2)))
        test_run(&(test_case){
            .spec = spec, .args = "batch=3 m=17 n=40 k=600", .seed = salt, .misalign = 3});
}
END_TEST

/* Literal dimensions are another program: no tails, fewer blocks, small tiles. */
START_TEST(test_literal)
{
    static const char *const specs[] = {
        "matmul m=64 n=64 k=64 dtype=f32",
        "matmul m=1 n=1 k=1 dtype=f16",
        "matmul_nt m=33 n=129 k=17 dtype=bf16",
        "matmul_tn m=15 n=257 k=65 dtype=f32",
        "matmul_nt m=3 n=63 k=1100 dtype=f32",
        "matmul m=127 n=31 k=600 dtype=bf16",
        "matmul_tn m=240 n=256 k=512 dtype=f16",
        "batched_matmul batch=3 m=31 n=2 k=127 trans_a=1 dtype=f32",
        "matmul m=? n=48 k=32 dtype=f32",
        "matmul_nt m=? n=65 k=1030 dtype=bf16",
    };
    if (!runs(_i + 8, 9))
        return;
    for (int v = 0; v < (_i % 2 && !test_quick() ? 2 : 1); v++)
        test_run(&(test_case){.spec = test_format("%s variant=%s", specs[_i], variants[v]),
                              .args = strchr(specs[_i], '?') ? "m=19" : "",
                              .seed = (unsigned)_i,
                              .misalign = 1});
}
END_TEST

/* ---- tiles and groups -------------------------------------------------------------------- */

START_TEST(test_tiles)
{
    static const int tiles[] = {8, 16, 32, 64, 128};
    if (!runs(_i + 15, 16))
        return;
    int tile = tiles[_i % 5], row = _i / 5 % 3, variant = _i / 15;
    if ((_i % 5 + row + variant) % 2 != 0) /* each tile in both variants, over the rows */
        return;
    const char *spec = test_format("%s m=? n=? k=? dtype=%s tile_size=%d variant=%s", rows[row],
                                   dtypes[(row + tile / 8) % 3], tile, variants[variant]);
    if (sweep(spec, 80 + (unsigned)_i, some(5, 1)))
        test_run(&(test_case){
            .spec = spec, .args = "m=130 n=129 k=300", .seed = 5, .misalign = 0, .once = true});
}
END_TEST

START_TEST(test_groups)
{
    static const int sizes[] = {64, 128, 192, 256, 512, 960, 1024};
    static const int tiles[] = {0, 8, 16, 128};
    kiln_kernel *kernel;
    if (!runs(_i + 1, 2))
        return;
    for (size_t t = 0; t < (size_t)some(COUNT(tiles), 1); t++) {
        const char *spec = test_format("matmul m=? n=? k=? tile_size=%d workgroup_size=%d "
                                       "variant=simt",
                                       tiles[t], sizes[_i]);
        if (!test_run(&(test_case){
                .spec = spec, .args = "m=65 n=33 k=31", .seed = 9, .misalign = -1, .once = true}))
            continue;
        kiln_kernel_info info;
        test_ok(kiln_create_kernel(test_context, spec, &kernel));
        test_ok(kiln_get_kernel_info(kernel, &info));
        ck_assert_uint_eq(info.workgroup_size, (size_t)sizes[_i]);
        kiln_release_kernel(kernel);
    }
    /* The CPU's variant takes every value and uses none. */
    test_run(&(test_case){
        .spec = test_format("matmul m=? n=? k=? workgroup_size=%d variant=vector", sizes[_i]),
        .args = "m=9 n=33 k=31",
        .seed = 9,
        .misalign = -1,
        .once = true});
}
END_TEST

/* ---- storage of c, sums, row lengths ------------------------------------------------------ */

START_TEST(test_out_dtype)
{
    if (!runs(_i + 4, 12))
        return;
    int in = _i % 3, out = (in + 1 + _i / 3 % 2) % 3, variant = _i / 6;
    const char *row = rows[_i % 3];
    int accumulate = test_quick() || (in + out + variant) % 2;
    sweep(test_format("%s m=? n=? k=? dtype=%s out_dtype=%s accumulate=%d %s", row, dtypes[in],
                      dtypes[out], accumulate, small(variant, _i)),
          120 + (unsigned)_i + 15 * (unsigned)accumulate, some(5, 1));
}
END_TEST

START_TEST(test_accumulate)
{
    if (!runs(_i, 6))
        return;
    const char *spec = test_format("%s m=? n=? k=? dtype=%s accumulate=1 %s", rows[2 - _i % 3],
                                   dtypes[_i % 3], small(_i / 3, _i));
    if (sweep(spec, 150 + (unsigned)_i, some(6, 1)))
        test_run(&(test_case){.spec = spec, .args = "m=40 n=50 k=1100", .seed = 1, .misalign = 5});
}
END_TEST

/* Rows longer than the width: padding is NaN where it is read and checked where it is written. */
START_TEST(test_row_lengths)
{
    static const char *const lengths[] = {"lda=263 ldb=301 ldc=290", "lda=258", "ldb=320 ldc=257",
                                          "lda=260 ldb=259 ldc=384 accumulate=1"};
    if (!runs(_i, 16))
        return;
    int row = _i % 4, variant = _i / 4 % 2;
    if ((row + variant + _i / 8) % 2 != 0) /* each row in both variants, by the two lengths */
        return;
    const char *dtype = dtypes[(_i + _i / 4) % 3];
    if (row == 3)
        sweep(test_format("batched_matmul batch=? m=? n=? k=? dtype=%s trans_a=%d trans_b=%d %s "
                          "%s",
                          dtype, _i / 8, 1 - _i / 8, lengths[_i / 4], small(variant, _i)),
              170 + (unsigned)_i, some(5, 1));
    else
        sweep(test_format("%s m=? n=? k=? dtype=%s %s %s", rows[row], dtype,
                          lengths[(_i + row) % 4], small(variant, _i)),
              170 + (unsigned)_i, some(7, 1));
}
END_TEST

START_TEST(test_literal_row_lengths)
{
    if (test_quick())
        return;
    for (size_t v = 0; v < COUNT(variants); v++)
        test_run(&(test_case){
            .spec = test_format("matmul_nt m=33 n=40 k=50 lda=51 ldb=64 ldc=41 dtype=bf16 "
                                "variant=%s",
                                variants[v]),
            .seed = v,
            .misalign = 1});
}
END_TEST

/* ---- few rows ---------------------------------------------------------------------------- */

/* Every row of the product in the variant for few rows of a; m: "7" or "?". */
static const char *skinny_spec(int i, const char *m)
{
    static const char *const products[] = {
        "matmul",
        "matmul_nt",
        "matmul_tn",
        "batched_matmul batch=? trans_b=1",
        "matmul out_dtype=f32 accumulate=1",
        "matmul_nt out_dtype=bf16",
        "matmul lda=1201 ldb=1203 ldc=1210",
        "matmul_nt lda=1203 ldb=1201 ldc=1202 accumulate=1",
        "batched_matmul batch=? trans_a=1 ldb=1210",
    };
    return test_format("%s m=%s n=? k=? dtype=%s variant=skinny", products[i % COUNT(products)], m,
                       dtypes[(i + i / (int)COUNT(products)) % 3]);
}

static const int few[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 25, 31, 32, 48, 63, 64};

START_TEST(test_few_rows)
{
    static const char *const sizes[] = {"n=1 k=1",    "n=15 k=2",   "n=16 k=17",   "n=17 k=1",
                                        "n=70 k=600", "n=65 k=31",  "n=127 k=256", "n=1100 k=33",
                                        "n=3 k=1201", "n=33 k=1100"};
    for (size_t i = 0; i < COUNT(few); i++) {
        /* Each number of rows by two products or three, as each is a program of its own. */
        if ((_i + (int)i) % 4 || !runs(_i + 9 * (int)i, 8))
            continue;
        char spec[160];
        snprintf(spec, sizeof spec, "%s", skinny_spec(_i + (int)i, test_format("%d", few[i])));
        for (size_t s = 0; s < COUNT(sizes); s++) {
            const char *args =
                test_format("%s%s", strstr(spec, "batch=?") ? "batch=3 " : "", sizes[s]);
            if (!test_run(&(test_case){.spec = spec,
                                       .args = args,
                                       .seed = 300 + (unsigned)(_i * 20) + s,
                                       .misalign = -1,
                                       .out_of_order = s % 3 == 2,
                                       .bare = s % 5 == 4,
                                       .once = s % 4 != 0}))
                return;
        }
    }
}
END_TEST

/* Any number of rows, 64 at a time. */
START_TEST(test_rows_by_strips)
{
    char spec[160];
    snprintf(spec, sizeof spec, "%s", skinny_spec(_i, "?"));
    if (runs(_i, 4) && sweep(spec, 500 + (unsigned)_i, some(NUM_EDGES, 2)))
        test_run(&(test_case){.spec = spec,
                              .args = strstr(spec, "batch=?") ? "batch=2 m=130 n=70 k=300"
                                                              : "m=130 n=70 k=1100",
                              .seed = 500 + (unsigned)_i,
                              .misalign = -1});
}
END_TEST

/* Literal columns and k leave out branches; few columns are not a vector's width. */
START_TEST(test_few_rows_literal)
{
    static const char *const specs[] = {
        "matmul m=1 n=1 k=1",
        "matmul m=3 n=15 k=33 dtype=bf16",
        "matmul m=1 n=16 k=9 dtype=f16",
        "matmul m=13 n=1000 k=70",
        "matmul m=4 n=4099 k=20000",
        "matmul m=16 n=600 k=5000 dtype=f16 out_dtype=f32",
        "matmul m=33 n=50 k=1 accumulate=1",
        "matmul_nt m=1 n=1 k=1",
        "matmul_nt m=2 n=33 k=20001",
        "matmul_nt m=5 n=1003 k=300 dtype=bf16",
        "matmul_nt m=16 n=70 k=4100 dtype=f16 accumulate=1",
        "matmul_tn m=7 n=130 k=1100",
        "batched_matmul batch=5 m=2 n=3 k=4 trans_a=1 trans_b=1",
        "batched_matmul batch=33 m=17 n=40 k=70 trans_b=1 dtype=bf16",
        "matmul m=6 n=100 k=? lda=601 ldb=103 ldc=120",
        "matmul m=9 n=? k=100 ldb=300",
        "matmul_nt m=100 n=66 k=30 accumulate=1",
        "matmul_tn m=193 n=33 k=40 dtype=bf16",
    };
    if (!runs(_i, 5))
        return;
    test_run(&(test_case){.spec = test_format("%s variant=skinny", specs[_i]),
                          .args = strstr(specs[_i], "k=?")   ? "k=577"
                                  : strstr(specs[_i], "n=?") ? "n=259"
                                                             : "",
                          .seed = 700 + (unsigned)_i,
                          .misalign = _i % 2});
}
END_TEST

/* ---- special values ---------------------------------------------------------------------- */

/* A few of them among N(0,1); user says which. */
static void fill_special(void *user, const reference_tensor *tensor, double *values)
{
    const double *special = user;
    test_random random = {test_seed(tensor->name)};
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = test_normal(&random);
    for (size_t i = 0; special[i] != 0; i++)
        values[test_pick(&random, (int64_t)tensor->count)] = special[i];
}

START_TEST(test_inf_and_nan)
{
    static double special[] = {INFINITY, -INFINITY, NAN, INFINITY, 0};
    if (!runs(_i, 7))
        return;
    const char *spec = product_spec(_i);
    for (int i = 0; i < 3; i++) {
        static const char *const args[] = {"m=37 n=51 k=29", "m=8 n=65 k=530", "m=70 n=17 k=16"};
        test_run(&(test_case){.spec = spec,
                              .args = args[i],
                              .misalign = i,
                              .fill = fill_special,
                              .user = special,
                              .once = true});
    }
}
END_TEST

/* The columns at an edge are computed from vectors that others have too. */
START_TEST(test_few_rows_inf_and_nan)
{
    static double special[] = {INFINITY, -INFINITY, NAN, 0};
    static const char *const args[] = {"n=51 k=29", "n=9 k=530", "n=17 k=16"};
    for (size_t i = 0; i < COUNT(args); i++)
        test_run(&(test_case){
            .spec = test_format("%s m=13 n=? k=? dtype=%s variant=skinny", rows[_i], dtypes[_i]),
            .args = args[i],
            .misalign = (int)i,
            .fill = fill_special,
            .user = special,
            .once = true});
}
END_TEST

/* What kiln chooses by itself, and why not. */
START_TEST(test_few_rows_choice)
{
    static const struct {
        const char *spec, *variant;
    } chosen[] = {
        {"matmul m=1 n=512 k=512", "skinny"},
        {"matmul m=64 n=512 k=512", "skinny"},
        {"matmul m=65 n=512 k=512", "vector"},
        {"matmul m=? n=512 k=512", "vector"},
        {"matmul m=? n=512 k=512 variant=skinny", "skinny"},
        {"matmul m=16 n=512 k=512 tile_size=16", "vector"},
        {"matmul_nt m=16 n=512 k=256", "skinny"},
        {"matmul_nt m=16 n=512 k=255", "vector"},
        {"matmul_nt m=16 n=512 k=?", "skinny"},
        {"batched_matmul batch=? m=4 n=64 k=64", "skinny"},
    };
    for (size_t i = 0; i < COUNT(chosen); i++) {
        kiln_kernel *kernel;
        kiln_kernel_info info;
        kiln_status status =
            kiln_create_kernel(test_context, "matmul m=1 n=1 k=1 variant=skinny", &kernel);
        if (status == KILN_UNSUPPORTED && strstr(kiln_last_error(), "the device is no CPU"))
            return;
        test_ok(status);
        kiln_release_kernel(kernel);
        test_ok(kiln_create_kernel(test_context, chosen[i].spec, &kernel));
        test_ok(kiln_get_kernel_info(kernel, &info));
        ck_assert_msg(strcmp(info.variant, chosen[i].variant) == 0, "%s: %s", chosen[i].spec,
                      info.variant);
        kiln_release_kernel(kernel);
    }
    static const char *const refused[][2] = {
        {"matmul m=8 n=1 k=1 tile_size=8 variant=skinny", "tile_size=8: this variant has no tiles"},
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        kiln_kernel *kernel;
        test_refused(kiln_create_kernel(test_context, refused[i][0], &kernel), KILN_UNSUPPORTED,
                     refused[i][1]);
    }
}
END_TEST

/* A NaN whose digits are all ones, cut down to bf16: rounding it as a number would give -0. */
START_TEST(test_nan_digits)
{
    static double special[] = {NAN, NAN, 0};
    if (!test_quick())
        test_run(&(test_case){
            .spec = test_format("matmul m=? n=? k=? dtype=f32 out_dtype=bf16 %s", small(_i, 0)),
            .args = "m=20 n=37 k=18",
            .misalign = 1,
            .fill = fill_special,
            .user = special});
}
END_TEST

/* Products of 2^lo .. 2^hi each, so that stores overflow or go under. */
static void fill_scaled(void *user, const reference_tensor *tensor, double *values)
{
    const int *range = user;
    test_random random = {test_seed(tensor->name) + 1};
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = ldexp(test_normal(&random),
                          range[0] + (int)test_pick(&random, range[1] - range[0] + 1));
}

START_TEST(test_overflow_and_denormals)
{
    /* f16 ends at 65504 and 2^-24; the sums below are f32 and fit. */
    static int ranges[][2] = {{3, 9}, {8, 12}, {-14, -8}, {-24, -15}};
    if (test_quick())
        return;
    for (size_t i = 0; i < COUNT(ranges); i++) {
        const char *variant = variants[_i];
        test_run(
            &(test_case){.spec = test_format("matmul m=? n=? k=? dtype=f16 variant=%s", variant),
                         .args = "m=33 n=65 k=40",
                         .misalign = 1,
                         .fill = fill_scaled,
                         .user = ranges[i],
                         .once = true});
        test_run(&(test_case){
            .spec = test_format("matmul m=? n=? k=? dtype=f16 out_dtype=f32 variant=%s", variant),
            .args = "m=33 n=65 k=40",
            .misalign = 1,
            .fill = fill_scaled,
            .user = ranges[i],
            .once = true});
    }
    /* bf16 and f32 near their largest: products of 2^60 and 2^66 sum up to inf or not. */
    static int huge[2] = {60, 64};
    static const char *const wide[] = {"f32", "bf16"};
    for (size_t i = 0; i < COUNT(wide); i++)
        test_run(&(test_case){
            .spec = test_format("matmul m=? n=? k=? dtype=%s variant=%s", wide[i], variants[_i]),
            .args = "m=20 n=35 k=1",
            .misalign = 0,
            .fill = fill_scaled,
            .user = huge,
            .once = true});
}
END_TEST

/* Sums of one term are exact: ties in the store are seen. 257 = 2^8 + 1 and its like lie between
 * two bf16 values. */
static void fill_ties(void *user, const reference_tensor *tensor, double *values)
{
    const char *dtype = user;
    int bits = strcmp(dtype, "bf16") == 0 ? 8 : 11;
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = strcmp(tensor->name, "a") == 0
                        ? ldexp(1.0, bits - 1) + (double)i /* all digits in use */
                        : (i % 2 ? -1.0 : 1.0) * (1.5 - (double)(i % 3) * 0.25);
}

START_TEST(test_ties)
{
    for (int d = 1; d < 3 && !test_quick(); d++)
        test_run(&(test_case){
            .spec = test_format("matmul m=? n=? k=? dtype=%s variant=%s", dtypes[d], variants[_i]),
            .args = "m=100 n=36 k=1",
            .misalign = 0,
            .exact = true,
            .fill = fill_ties,
            .user = (void *)dtypes[d]});
}
END_TEST

/* ---- variants of GPUs -------------------------------------------------------------------- */

/* Those that are plain OpenCL C, on a CPU as well. */
START_TEST(test_for_gpus)
{
    static const struct {
        const char *spec, *args;
    } cases[] = {
        {"matmul m=? n=? k=? variant=wide tile_size=64", "m=70 n=131 k=33"},
        {"matmul m=128 n=64 k=80 dtype=bf16 variant=wide tile_size=64", ""},
        {"matmul_nt m=64 n=128 k=40 variant=wide tile_size=64", ""},
        {"matmul_nt m=? n=? k=? dtype=f16 accumulate=1 variant=wide tile_size=64",
         "m=65 n=63 k=70"},
        {"matmul_tn m=128 n=64 k=33 ldc=72 variant=wide tile_size=64", ""},
        {"batched_matmul batch=? m=? n=? k=? trans_a=1 trans_b=1 variant=wide tile_size=64",
         "batch=3 m=66 n=40 k=17"},
        {"matmul m=1 n=? k=? variant=decode", "n=300 k=1100"},
        {"matmul m=8 n=256 k=192 dtype=bf16 variant=decode", ""},
        {"matmul m=5 n=? k=? dtype=f16 out_dtype=f32 variant=decode", "n=70 k=33"},
        {"matmul_nt m=2 n=64 k=1024 dtype=bf16 variant=decode", ""},
        {"matmul_nt m=3 n=? k=? accumulate=1 variant=decode", "n=37 k=701"},
        {"batched_matmul batch=? m=2 n=? k=? trans_a=1 variant=decode", "batch=3 n=130 k=300"},
    };
    if (test_quick() && _i % 4 != 0)
        return;
    test_run_as_on_gpu(&(test_case){.spec = cases[_i].spec,
                                    .args = cases[_i].args,
                                    .seed = 900 + (unsigned)_i,
                                    .misalign = _i % 3 ? -1 : 1});
}
END_TEST

/* compute=tf32 is a permission: what has no such arithmetic keeps to f32's. */
START_TEST(test_tf32)
{
    static const char *const products[] = {
        "matmul ldb=260", "matmul_nt accumulate=1", "matmul_tn lda=301",
        "batched_matmul batch=? trans_a=1 trans_b=1", "batched_matmul batch=?"};
    if (runs(_i, 3))
        sweep(test_format("%s m=? n=? k=? compute=tf32 variant=vector tile_size=16", products[_i]),
              950 + (unsigned)_i, some(6, 2));
}
END_TEST

/* Few tiles of c: groups of a GPU share k. */
START_TEST(test_shares)
{
    static const char *const specs[] = {
        "matmul m=100 n=70 k=4100 dtype=bf16",
        "matmul_nt m=64 n=129 k=5000 dtype=f16 ldc=200",
        "matmul_tn m=33 n=200 k=3000 dtype=bf16 accumulate=1 out_dtype=f32",
        "batched_matmul batch=3 m=60 n=128 k=1100 trans_b=1 dtype=f16",
        "matmul m=60 n=128 k=2048 compute=tf32 variant=wgmma",
        "matmul_tn m=61 n=127 k=2047 compute=tf32 variant=wgmma",
    };
    if (!test_context->facts.cpu)
        test_run(
            &(test_case){.spec = specs[_i], .args = "", .seed = (unsigned)_i, .misalign = _i % 2});
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("matmul");
    TCase *tests = tcase_create("matmul");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, test_shapes, 0, 18);
    tcase_add_loop_test(tests, test_inf_and_nan, 0, 18);
    tcase_add_loop_test(tests, test_nan_digits, 0, 2);
    tcase_add_loop_test(tests, test_batched, 0, 24);
    tcase_add_loop_test(tests, test_literal, 0, 10);
    tcase_add_loop_test(tests, test_tiles, 0, 30);
    tcase_add_loop_test(tests, test_groups, 0, 7);
    tcase_add_loop_test(tests, test_out_dtype, 0, 12);
    tcase_add_loop_test(tests, test_accumulate, 0, 6);
    tcase_add_loop_test(tests, test_row_lengths, 0, 16);
    tcase_add_test(tests, test_literal_row_lengths);
    tcase_add_loop_test(tests, test_overflow_and_denormals, 0, 2);
    tcase_add_loop_test(tests, test_ties, 0, 2);
    tcase_add_loop_test(tests, test_for_gpus, 0, 12);
    tcase_add_loop_test(tests, test_tf32, 0, 5);
    tcase_add_loop_test(tests, test_shares, 0, 6);
    suite_add_tcase(suite, tests);
    TCase *few_rows = tcase_create("few_rows");
    tcase_set_timeout(few_rows, 0);
    tcase_add_test(few_rows, test_few_rows_choice);
    tcase_add_loop_test(few_rows, test_few_rows, 0, 9);
    tcase_add_loop_test(few_rows, test_rows_by_strips, 0, 18);
    tcase_add_loop_test(few_rows, test_few_rows_literal, 0, 18);
    tcase_add_loop_test(few_rows, test_few_rows_inf_and_nan, 0, 3);
    suite_add_tcase(suite, few_rows);
    int failed = test_main(suite);
    test_close();
    return failed;
}
