/* Specs and device facts: canonical text, and a sentence with the numbers for every refusal. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "facts.h"
#include "spec.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- canonical text ---------------------------------------------------------------------- */

static void gives(const char *text, const char *canonical)
{
    kiln_spec spec, again;
    kiln_status status = kiln_spec_parse(text, &spec);
    ck_assert_msg(status == KILN_OK, "%s: %s", text, kiln_last_error());
    ck_assert_str_eq(spec.text, canonical);
    status = kiln_spec_parse(spec.text, &again);
    ck_assert_msg(status == KILN_OK, "%s: %s", spec.text, kiln_last_error());
    ck_assert_str_eq(again.text, canonical);
    kiln_spec_free(&again);
    kiln_spec_free(&spec);
}

START_TEST(test_canonical)
{
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {"matmul m=1 n=2 k=3", "matmul m=1 n=2 k=3 dtype=f32"},
        {"  matmul\tk=3   n=2\r\nm=1 ", "matmul m=1 n=2 k=3 dtype=f32"},
        {"matmul dtype=bf16 k=3 m=1 n=2", "matmul m=1 n=2 k=3 dtype=bf16"},
        {"matmul m=? n=2147483647 k=?", "matmul m=? n=2147483647 k=? dtype=f32"},
        {"matmul m=007 n=2 k=3", "matmul m=7 n=2 k=3 dtype=f32"},
        /* defaults say nothing */
        {"matmul m=1 n=2 k=3 tile_size=0 accumulate=0 lda=0 ldb=0 ldc=0 workgroup_size=0 "
         "variant=any out_dtype=dtype dtype=f32",
         "matmul m=1 n=2 k=3 dtype=f32"},
        {"matmul m=1 n=2 k=3 dtype=f16 out_dtype=f16", "matmul m=1 n=2 k=3 dtype=f16"},
        {"matmul m=1 n=2 k=3 out_dtype=f32", "matmul m=1 n=2 k=3 dtype=f32"},
        {"matmul m=1 n=2 k=3 out_dtype=bf16", "matmul m=1 n=2 k=3 dtype=f32 out_dtype=bf16"},
        {"matmul m=1 n=2 k=3 dtype=bf16 out_dtype=f32",
         "matmul m=1 n=2 k=3 dtype=bf16 out_dtype=f32"},
        {"matmul variant=simt workgroup_size=256 tile_size=64 ldc=7 ldb=6 lda=5 accumulate=1 "
         "out_dtype=f32 dtype=f16 k=3 n=2 m=1",
         "matmul m=1 n=2 k=3 dtype=f16 out_dtype=f32 accumulate=1 lda=5 ldb=6 ldc=7 tile_size=64 "
         "workgroup_size=256 variant=simt"},
        {"matmul m=? n=? k=? lda=1", "matmul m=? n=? k=? dtype=f32 lda=1"}, /* the launch tells */
        {"batched_matmul batch=? m=1 n=1 k=1 trans_b=1 trans_a=0",
         "batched_matmul batch=? m=1 n=1 k=1 dtype=f32 trans_b=1"},
        {"matmul_bias_gelu m=1 n=1 k=1 layout=nn approx=tanh",
         "matmul_bias_gelu m=1 n=1 k=1 dtype=f32 approx=tanh"},
        {"matmul_bias_gelu m=1 n=1 k=1 save_pre=1 layout=nt approx=none",
         "matmul_bias_gelu m=1 n=1 k=1 dtype=f32 approx=none layout=nt save_pre=1"},
        {"gelu n=5 m=4 approx=none", "gelu m=4 n=5 dtype=f32 approx=none"},
        {"bias_add n=5 m=4 workgroup_size=1024", "bias_add m=4 n=5 dtype=f32 workgroup_size=1024"},
        {"matmul m=3 n=5 k=7 lda=7 ldb=5 ldc=5", "matmul m=3 n=5 k=7 dtype=f32 lda=7 ldb=5 ldc=5"}};
    for (size_t c = 0; c < COUNT(cases); c++)
        gives(cases[c].text, cases[c].canonical);
}
END_TEST

START_TEST(test_parsed_values)
{
    kiln_spec spec;
    ck_assert_int_eq(kiln_spec_parse("batched_matmul batch=2 k=? m=3 n=4 lda=9 dtype=f16", &spec),
                     KILN_OK);
    ck_assert_str_eq(spec.row->name, "batched_matmul");
    ck_assert_uint_eq(spec.num_dims, 4);
    ck_assert_int_eq(spec.dims[0], 2);
    ck_assert_int_eq(spec.dims[1], 3);
    ck_assert_int_eq(spec.dims[2], 4);
    ck_assert_int_eq(spec.dims[3], KILN_LAUNCH_TIME);
    kiln_env env;
    int64_t dims[] = {20, 30, 40, 8}, value;
    kiln_env_init(&env, NULL);
    ck_assert_int_eq(kiln_spec_bind(&spec, NULL, &env), KILN_OK);
    ck_assert_int_eq(kiln_env_find(&env, "k")->kind, KILN_SYMBOL);
    ck_assert_int_eq(kiln_expr_eval_int("batch*m*n*lda", &env, &value), KILN_OK);
    ck_assert_int_eq(value, 2 * 3 * 4 * 9);
    ck_assert_int_eq(kiln_expr_eval_int("dtype == 'f16' && c_dtype == 'f16'", &env, &value),
                     KILN_OK);
    ck_assert_int_eq(value, 1);
    ck_assert_int_eq(kiln_spec_check(&spec, &env, KILN_INVALID_SPEC), KILN_OK);
    /* Only what the spec leaves open is taken from the launch. */
    ck_assert_int_eq(kiln_spec_bind(&spec, dims, &env), KILN_OK);
    ck_assert_int_eq(kiln_expr_eval_int("1000*m + k", &env, &value), KILN_OK);
    ck_assert_int_eq(value, 3008);
    ck_assert_int_eq(kiln_spec_check(&spec, &env, KILN_INVALID_LAUNCH), KILN_OK);
    dims[3] = 10; /* over lda */
    ck_assert_int_eq(kiln_spec_bind(&spec, dims, &env), KILN_OK);
    ck_assert_int_eq(kiln_spec_check(&spec, &env, KILN_INVALID_LAUNCH), KILN_INVALID_LAUNCH);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "lda=9"));
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "10"));
    kiln_env_free(&env);
    kiln_env_init(&env, NULL);
    ck_assert_int_eq(kiln_spec_bind_real(&spec, dims, &env), KILN_OK);
    ck_assert_int_eq(kiln_env_find(&env, "k")->kind, KILN_REAL);
    ck_assert(kiln_env_find(&env, "k")->real == 10);
    kiln_env_free(&env);
    kiln_spec_free(&spec);
}
END_TEST

/* ---- refusals ---------------------------------------------------------------------------- */

static void refuse(const char *text, const char *part, const char *part2)
{
    kiln_spec spec;
    kiln_status status = kiln_spec_parse(text, &spec);
    const char *message = kiln_last_error();
    ck_assert_msg(status == KILN_INVALID_SPEC, "\"%s\": status %d", text, status);
    ck_assert_msg(strstr(message, part) && strstr(message, part2), "\"%s\": \"%s\" lacks %s or %s",
                  text, message, part, part2);
    for (const char *c = message; *c; c++)
        ck_assert_msg((unsigned char)*c >= ' ', "\"%s\" has byte %d", message, *c);
}

START_TEST(test_refusals)
{
    static const struct {
        const char *text, *part, *part2;
    } cases[] = {
        {"", "name is missing", ""},
        {" \t\r\n ", "name is missing", ""},
        {"matmull m=1 n=1 k=1", "unknown kernel `matmull'", "did you mean `matmul"},
        {"batched_matmlu", "unknown kernel", "`batched_matmul'"},
        {"gleu m=1 n=1", "unknown kernel", "`gelu'"},
        {"qqqqqqqqqqqq", "unknown kernel", "qqqqqqqqqqqq"},
        {"MATMUL m=1 n=1 k=1", "unknown kernel", "`matmul'"},
        {"m=1 n=1 k=1", "unknown kernel", "m=1"},
        {"=", "unknown kernel", ""},
        {"matmul m=1 n=1 k=1 tilesize=64", "no parameter `tilesize'", "`tile_size'"},
        {"matmul m=1 n=1 k=1 dtyp=f16", "no parameter `dtyp'", "`dtype'"},
        {"matmul m=1 n=1 k=1 q=1", "no parameter `q'", "matmul"},
        {"matmul m=1 n=1 k=1 M=1", "no parameter `M'", "`m'"},
        {"matmul m=1 n=1 k=1 m", "`m'", "name=value"},
        {"matmul m=1 n=1 k=1 =1", "`=1'", "name=value"},
        {"matmul matmul m=1 n=1 k=1", "`matmul'", "name=value"},
        /* dimensions */
        {"matmul", "dimension m is missing", "m=?"},
        {"matmul m=1 k=1", "dimension n is missing", "n=?"},
        {"matmul m=0 n=1 k=1", "m=0", "from 1 to 2147483647"},
        {"matmul m=-1 n=1 k=1", "m=-1", "from 1 to 2147483647"},
        {"matmul m=-0 n=1 k=1", "m=-0", "from 1 to 2147483647"},
        {"matmul m=2147483648 n=1 k=1", "m=2147483648", "from 1 to 2147483647"},
        {"matmul m=1 n=99999999999999999999 k=1", "n=99999999999999999999", "from 1 to 2147483647"},
        {"matmul m=1 n=-99999999999999999999 k=1", "n=-99999999999999999999",
         "from 1 to 2147483647"},
        {"matmul m=18446744073709551617 n=1 k=1", "18446744073709551617", "2147483647"},
        {"matmul m=12x n=1 k=1", "m=12x", "integer"},
        {"matmul m=x n=1 k=1", "m=x", "integer"},
        {"matmul m= n=1 k=1", "m=", "integer"},
        {"matmul m=+1 n=1 k=1", "m=+1", "integer"},
        {"matmul m=1.5 n=1 k=1", "m=1.5", "integer"},
        {"matmul m=1e3 n=1 k=1", "m=1e3", "integer"},
        {"matmul m=0x10 n=1 k=1", "m=0x10", "integer"},
        {"matmul m=?? n=1 k=1", "m=??", "integer"},
        {"matmul m=- n=1 k=1", "m=-", "integer"},
        {"matmul m==1 n=1 k=1", "m==1", "integer"},
        {"matmul m=1 m=1 n=1 k=1", "m is given twice", ""},
        {"matmul m=? m=? n=1 k=1", "m is given twice", ""},
        {"matmul m=1 m=? n=1 k=1", "m is given twice", ""},
        /* options */
        {"matmul m=1 n=1 k=1 dtype=f32 dtype=f32", "dtype is given twice", ""},
        {"matmul m=1 n=1 k=1 tile_size=8 tile_size=16", "tile_size is given twice", ""},
        {"matmul m=1 n=1 k=1 tile_size=7", "tile_size=7", "0, 8, 16, 32, 64 or 128"},
        {"matmul m=1 n=1 k=1 tile_size=24", "tile_size=24", "0, 8, 16, 32, 64 or 128"},
        {"matmul m=1 n=1 k=1 tile_size=256", "tile_size=256", "128"},
        {"matmul m=1 n=1 k=1 tile_size=-8", "tile_size=-8", "128"},
        {"matmul m=1 n=1 k=1 tile_size=?", "tile_size=?", "integer"},
        {"matmul m=1 n=1 k=1 tile_size=", "tile_size=", "integer"},
        {"matmul m=1 n=1 k=1 workgroup_size=65", "workgroup_size=65", "multiple of 64"},
        {"matmul m=1 n=1 k=1 workgroup_size=2048", "workgroup_size=2048", "1024"},
        {"matmul m=1 n=1 k=1 workgroup_size=-64", "workgroup_size=-64", "1024"},
        {"matmul m=1 n=1 k=1 workgroup_size=32", "workgroup_size=32", "from 64 to 1024"},
        {"matmul m=1 n=1 k=1 workgroup_size=99999999999999999999", "99999999999999999999", "1024"},
        {"matmul m=1 n=1 k=1 dtype=f64", "dtype=f64", "f32|f16|bf16"},
        {"matmul m=1 n=1 k=1 dtype=", "dtype=", "f32|f16|bf16"},
        {"matmul m=1 n=1 k=1 dtype=f32|f16", "dtype=f32|f16", "must be one of"},
        {"matmul m=1 n=1 k=1 dtype=f", "dtype=f", "must be one of"},
        {"matmul m=1 n=1 k=1 dtype=F32", "dtype=F32", "must be one of"},
        {"matmul m=1 n=1 k=1 out_dtype=i32", "out_dtype=i32", "must be one of"},
        {"matmul m=1 n=1 k=1 variant=mma2", "variant=mma2", "must be one of"},
        {"matmul m=1 n=1 k=1 accumulate=2", "accumulate=2", "from 0 to 1"},
        {"matmul m=1 n=1 k=1 accumulate=yes", "accumulate=yes", "from 0 to 1"},
        {"matmul m=3 n=5 k=7 lda=6", "lda=6", "7"},
        {"matmul m=3 n=5 k=7 ldb=4", "ldb=4", "5"},
        {"matmul m=3 n=5 k=7 ldc=4", "ldc=4", "5"},
        {"matmul_nt m=3 n=5 k=7 ldb=6", "ldb=6", "7"},
        {"matmul_tn m=9 n=5 k=7 lda=8", "lda=8", "9"},
        {"batched_matmul batch=2 m=9 n=5 k=7 trans_a=1 lda=8", "lda=8", "9"},
        {"matmul_bias_gelu m=3 n=5 k=7 approx=tanh layout=nt ldb=6", "ldb=6", "7"},
        {"matmul m=3 n=5 k=7 lda=-1", "lda=-1", "2147483647"},
        {"matmul m=3 n=5 k=7 lda=2147483648", "lda=2147483648", "2147483647"},
        {"gelu m=1 n=1", "approx must be named", "none|tanh"},
        {"matmul_bias_gelu m=1 n=1 k=1", "approx must be named", "none|tanh"},
        {"gelu m=1 n=1 approx=erf", "approx=erf", "none|tanh"},
        {"matmul_bias_gelu m=1 n=1 k=1 approx=tanh layout=tn", "layout=tn", "nn|nt"},
        /* options that a row has no use for */
        {"gelu m=1 n=1 approx=none tile_size=8", "gelu has no parameter `tile_size'", ""},
        {"matmul m=1 n=1 k=1 approx=none", "matmul has no parameter `approx'", ""},
        {"matmul m=1 n=1 k=1 layout=nt", "no parameter `layout'", ""},
        {"matmul m=1 n=1 k=1 batch=1", "no parameter `batch'", ""},
        {"matmul m=1 n=1 k=1 trans_a=1", "no parameter `trans_a'", ""},
        {"matmul m=1 n=1 k=1 save_pre=1", "no parameter `save_pre'", ""},
        {"matmul_bias_gelu m=1 n=1 k=1 approx=none accumulate=1", "`accumulate'", ""},
        {"matmul_bias_gelu m=1 n=1 k=1 approx=none out_dtype=f32", "`out_dtype'", ""},
        {"matmul_bias_residual m=1 n=1 k=1 save_pre=1", "`save_pre'", ""},
        {"bias_add m=1 n=1 k=1", "`k'", ""},
        /* bytes that no spec has, and attempts to leave the text it ends up in */
        {"matmul m=1 n=1 k=1 dtype=f32*/", "dtype=f32*/", "must be one of"},
        {"matmul m=1;m n=1 k=1", "m=1;m", "integer"},
        {"matmul m=\"1\" n=1 k=1", "m=\"1\"", "integer"},
        {"matmul m='1' n=1 k=1", "m='1'", "integer"},
        {"matmul m=${k} n=1 k=1", "m=${k}", "integer"},
        {"matmul m=1 n=1 k=1 ${dtype}=f32", "${dtype}", ""},
        {"matmul m=1 n=1 k=1 %s%n=1", "%s%n", ""},
        {"%s%n%d", "%s%n%d", ""},
        {"matmul m=1\\n n=1 k=1", "m=1\\n", "integer"},
        {"matmul m=1\n#define n=1 k=1", "`#define'", "name=value"},
        {"matmul m=1\x01 n=1 k=1", "byte 1", ""},
        {"matmul m=1\v n=1 k=1", "byte 11", ""},
        {"matmul\x7f m=1 n=1 k=1", "byte 127", ""},
        {"matmul m=\xc3\xa9 n=1 k=1", "byte 195", ""},
        {"\x1b[31mmatmul", "byte 27", ""}};
    for (size_t c = 0; c < COUNT(cases); c++)
        refuse(cases[c].text, cases[c].part, cases[c].part2);
}
END_TEST

START_TEST(test_long_words)
{
    for (size_t length = 60; length < 5000; length = length < 130 ? length + 1 : length * 2) {
        char *text = malloc(length + 64);
        ck_assert_ptr_nonnull(text);
        memset(text, 'x', length);
        text[length] = '\0';
        refuse(text, length > 95 ? "95" : "unknown kernel", "xxxx");
        memcpy(text, "matmul m=1 n=1 k=1 ", 19);
        refuse(text, length > 19 + 95 ? "95" : "name=value", "xxxx");
        text[20] = '=';
        refuse(text, length > 19 + 95 ? "95" : "no parameter `x'", "");
        memcpy(text + 19, "m=", 2);
        refuse(text, length > 19 + 95 ? "95" : "twice", "");
        memset(text + 19, '1', length - 19);
        memcpy(text, "matmul  n=1 k=1  m=", 19);
        refuse(text, length > 17 + 95 ? "95" : "2147483647", "");
        free(text);
    }
}
END_TEST

/* ---- mutations --------------------------------------------------------------------------- */

static uint64_t seed = UINT64_C(0x2545f4914f6cdd1d);

static unsigned pick(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 16) % below);
}

static void mutate(kiln_text *text)
{
    static const char *const pieces[] = {" ",
                                         "=",
                                         "?",
                                         "0",
                                         "1",
                                         "9",
                                         "-",
                                         "m=3",
                                         " n=4",
                                         " k=5",
                                         " dtype=f16",
                                         "f32",
                                         " lda=9",
                                         "bf16",
                                         "\n",
                                         ",",
                                         "\x80",
                                         "'",
                                         " tile_size=8",
                                         " approx=tanh",
                                         "matmul",
                                         "gelu ",
                                         "batch=2 ",
                                         "${",
                                         "|",
                                         "any",
                                         " variant="};
    size_t length = text->length, at = length ? pick((unsigned)length) : 0;
    const char *piece = pieces[pick(COUNT(pieces))];
    size_t cut = pick(3) && length ? 0 : pick(6);
    if (cut > length - at)
        cut = length - at;
    kiln_text result = {0};
    kiln_text_add_bytes(&result, text->data, at);
    if (pick(3))
        kiln_text_add(&result, piece);
    kiln_text_add(&result, text->data + at + cut);
    kiln_text_free(text);
    *text = result;
}

/* A parsed spec's text parses to itself; the rest is refused with a sentence. */
START_TEST(test_mutations)
{
    static const char *const valid[] = {
        "matmul m=? n=28672 k=8192 dtype=bf16 tile_size=64 workgroup_size=256",
        "matmul_nt m=4 n=5 k=6 lda=6 ldb=6 ldc=5 accumulate=1 out_dtype=f32",
        "batched_matmul batch=3 m=4 n=5 k=? trans_a=1 variant=simt",
        "matmul_bias_gelu m=1 n=1 k=1 approx=none layout=nt save_pre=1",
        "gelu m=7 n=9 approx=tanh dtype=f16",
        "bias_add m=? n=? variant=vector"};
    int good = 0;
    for (int round = 0; round < 40000; round++) {
        kiln_text text = {0};
        kiln_text_add(&text, valid[pick(COUNT(valid))]);
        for (unsigned n = pick(4); n > 0 && text.data; n--)
            mutate(&text);
        char *exact = kiln_strdup(text.data ? text.data : "");
        kiln_spec spec, again;
        kiln_status status = kiln_spec_parse(exact, &spec);
        if (status == KILN_OK) {
            good++;
            if (kiln_spec_parse(spec.text, &again) != KILN_OK)
                ck_abort_msg("\"%s\" -> \"%s\": %s", exact, spec.text, kiln_last_error());
            if (strcmp(spec.text, again.text) != 0)
                ck_abort_msg("\"%s\" -> \"%s\" -> \"%s\"", exact, spec.text, again.text);
            if (strspn(spec.text, "abcdefghijklmnopqrstuvwxyz_0123456789=? ") != strlen(spec.text))
                ck_abort_msg("\"%s\" -> \"%s\"", exact, spec.text);
            kiln_spec_free(&again);
            kiln_spec_free(&spec);
        } else if (status != KILN_INVALID_SPEC || strlen(kiln_last_error()) < 10) {
            ck_abort_msg("\"%s\": %d %s", exact, status, kiln_last_error());
        }
        free(exact);
        kiln_text_free(&text);
    }
    ck_assert_int_gt(good, 4000);
    ck_assert_int_lt(good, 36000);
}
END_TEST

/* ---- facts ------------------------------------------------------------------------------- */

START_TEST(test_facts)
{
    static const struct {
        const char *text;
        kiln_facts facts;
    } cases[] = {
        {NULL, {false, 64, 49152, 1024, 1, 0, 0, 49152}},
        {"", {false, 64, 49152, 1024, 1, 0, 0, 49152}},
        {"gpu", {false, 64, 49152, 1024, 1, 0, 0, 49152}},
        {"cpu", {true, 2, 1 << 20, 4096, 16, 0, 0, 1 << 20}},
        {"local_mem=16384", {false, 64, 16384, 1024, 1, 0, 0, 16384}},
        {"cpu,simd_width=8,local_mem=32768,max_workgroup=256,compute_units=24",
         {true, 24, 32768, 256, 8, 0, 0, 32768}},
        {"gpu,compute_units=132,compute_units=1", {false, 1, 49152, 1024, 1, 0, 0, 49152}},
        {"gpu,sm=90,sm_a=1,static_local=231424", {false, 64, 49152, 1024, 1, 90, 1, 231424}}};
    for (size_t c = 0; c < COUNT(cases); c++) {
        kiln_facts facts;
        ck_assert_int_eq(kiln_facts_parse(cases[c].text, &facts), KILN_OK);
        ck_assert_int_eq(facts.cpu, cases[c].facts.cpu);
        ck_assert_int_eq(facts.compute_units, cases[c].facts.compute_units);
        ck_assert_int_eq(facts.local_mem, cases[c].facts.local_mem);
        ck_assert_int_eq(facts.max_workgroup, cases[c].facts.max_workgroup);
        ck_assert_int_eq(facts.simd_width, cases[c].facts.simd_width);
        ck_assert_int_eq(facts.sm, cases[c].facts.sm);
        ck_assert_int_eq(facts.sm_a, cases[c].facts.sm_a);
        ck_assert_int_eq(facts.static_local, cases[c].facts.static_local);
        kiln_env env;
        int64_t value;
        kiln_env_init(&env, NULL);
        ck_assert_int_eq(kiln_facts_bind(&facts, &env), KILN_OK);
        ck_assert_int_eq(kiln_expr_eval_int("CPU", &env, &value), KILN_OK);
        ck_assert_int_eq(value, facts.cpu);
        ck_assert_int_eq(
            kiln_expr_eval_int("COMPUTE_UNITS + LOCAL_MEM + MAX_WORKGROUP + SIMD", &env, &value),
            KILN_OK);
        ck_assert_int_eq(value, facts.compute_units + facts.local_mem + facts.max_workgroup +
                                    facts.simd_width);
        kiln_env_free(&env);
    }
}
END_TEST

START_TEST(test_facts_refusals)
{
    static const struct {
        const char *text, *part, *part2;
    } cases[] = {{"cpux", "unknown fact `cpux'", "`cpu'"},
                 {"npu", "unknown fact `npu'", ""},
                 {"gpu,localmem=1", "localmem", "`local_mem'"},
                 {"gpu,max_workgroups=64", "max_workgroups", "`max_workgroup'"},
                 {"gpu,local_mem", "local_mem", ""},
                 {"gpu, local_mem=16384", "unknown fact", "local_mem"},
                 {"gpu,,cpu", "unknown fact", ""},
                 {"local_mem=16384,cpu", "`cpu'", "must come first"},
                 {"cpu,gpu", "`gpu'", "must come first"},
                 {"gpu,local_mem=0", "local_mem=0", "1 or more"},
                 {"gpu,local_mem=-5", "local_mem=-5", "1 or more"},
                 {"gpu,local_mem=", "local_mem=", "integer"},
                 {"gpu,local_mem=12x", "local_mem=12x", "integer"},
                 {"gpu,local_mem=1.5", "local_mem=1.5", "integer"},
                 {"gpu,local_mem= 5", "local_mem= 5", "integer"},
                 {"gpu,local_mem=+5", "local_mem=+5", "integer"},
                 {"gpu,local_mem=9223372036854775807", "9223372036854775807", ""},
                 {"gpu,local_mem=99999999999999999999", "99999999999999999999", ""},
                 {"gpu,=5", "unknown fact", ""},
                 {"cpu=1", "unknown fact", "cpu"}};
    for (size_t c = 0; c < COUNT(cases); c++) {
        kiln_facts facts;
        kiln_status status = kiln_facts_parse(cases[c].text, &facts);
        const char *message = kiln_last_error();
        ck_assert_msg(status == KILN_INVALID_ARGUMENT, "\"%s\": %d", cases[c].text, status);
        ck_assert_msg(strstr(message, cases[c].part) && strstr(message, cases[c].part2),
                      "\"%s\": \"%s\" lacks \"%s\" or \"%s\"", cases[c].text, message,
                      cases[c].part, cases[c].part2);
    }
}
END_TEST

/* A vector of OpenCL C has 2, 4, 8 or 16 elements. */
START_TEST(test_facts_vectors)
{
    static const char *const widths[] = {"1", "3", "5", "7", "17", "32", "1000000"};
    for (size_t w = 0; w < COUNT(widths); w++) {
        char text[64], *source;
        snprintf(text, sizeof text, "cpu,simd_width=%s", widths[w]);
        if (kiln_emit("matmul m=64 n=64 k=64", text, &source) != KILN_OK)
            continue;
        char type[32], load[32];
        snprintf(type, sizeof type, "float%s ", widths[w]);
        snprintf(load, sizeof load, "vload%s(", widths[w]);
        ck_assert_msg(!strstr(source, type) && !strstr(source, load), "%s gives %s", text, load);
        kiln_free(source);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spec");
    TCase *tests = tcase_create("spec");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_canonical);
    tcase_add_test(tests, test_parsed_values);
    tcase_add_test(tests, test_refusals);
    tcase_add_test(tests, test_long_words);
    tcase_add_test(tests, test_mutations);
    tcase_add_test(tests, test_facts);
    tcase_add_test(tests, test_facts_refusals);
    tcase_add_test(tests, test_facts_vectors);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
