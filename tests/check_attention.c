/* Attention and its backward pass against the oracle. */
#include "attention_support.h"
#include <stdio.h>
#include <string.h>

/* Head counts: one, as many keys as queries, groups of 2, 6 and 4, and two that are no power of
 * two. */
static const struct {
    int heads, kv_heads;
} groups[] = {{1, 1}, {4, 4}, {4, 2}, {6, 1}, {8, 2}, {5, 5}, {3, 3}};

/* Of launch-time batch and sequences; what as attention_spec_of takes it. */
static attention_spec spec_of(int what, int head_dim, size_t group, const char *options)
{
    return attention_spec_of(what,
                             test_format("batch=? seq_q=? seq_k=? heads=%d kv_heads=%d head_dim=%d",
                                         groups[group].heads, groups[group].kv_heads, head_dim),
                             options);
}

/* Runs of a variant that a row lacks are passed over: here it is missed. */
START_TEST(test_variants)
{
    for (size_t k = 0; k < COUNT(attention_kernels); k++) {
        ck_assert_msg(attention_has_variant(attention_kernels[k], "vector"),
                      "%s has no variant vector", attention_kernels[k]);
        ck_assert_msg(attention_has_variant(attention_kernels[k], "simt"), "%s has no variant simt",
                      attention_kernels[k]);
    }
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
    if (test_quick() && _i % 5 != 3)
        return;
    size_t i = (size_t)_i;
    const attention_spec spec =
        spec_of(_i, head_dims[i / 2], i % 5, (i / 2 + i / 4) % 2 ? "causal=1" : "");
    for (size_t s = 0; s < COUNT(shapes); s += test_quick() ? 3 : 1)
        attention_run(&spec, shapes[s].batch, shapes[s].seq_q, shapes[s].seq_k, PLAIN);
    if (_i % 2)
        attention_run(&spec, 2, 37, 70, ARBITRARY);
}
END_TEST

/* Sizes that are known when the source is made, all or some of them. */
START_TEST(test_literal)
{
    static const struct {
        const char *words;
        int batch, seq_q, seq_k;
    } cases[] = {{"batch=1 seq_q=64 seq_k=64 heads=4 kv_heads=2 head_dim=64 causal=1", 1, 64, 64},
                 {"batch=2 seq_q=1 seq_k=? heads=6 kv_heads=1 head_dim=32 alibi=1", 2, 1, 129},
                 {"batch=? seq_q=? seq_k=17 heads=2 kv_heads=1 head_dim=48 window=9", 3, 65, 17}};
    if (test_quick() && _i != 5)
        return;
    size_t c = (size_t)_i / 2;
    /* Each for both kernels, of different variants. */
    int what = _i % 2 + 2 * ((_i + _i / 2) % 2) + 4 * (_i % 3);
    const attention_spec spec = attention_spec_of(what, cases[c].words, "");
    attention_run(&spec, cases[c].batch, cases[c].seq_q, cases[c].seq_k, PLAIN);
}
END_TEST

/* The smallest group and the largest. */
START_TEST(test_groups)
{
    if (test_quick())
        return;
    const attention_spec spec =
        spec_of(2 + _i + 4 * (1 + _i), 40, 2,
                _i ? "causal=1 workgroup_size=1024" : "causal=1 workgroup_size=64");
    attention_run(&spec, 1, 70, 133, PLAIN);
    attention_run(&spec, 2, 5, 300, PLAIN);
}
END_TEST

/* ---- options ----------------------------------------------------------------------------- */

static const char *const options[] = {
    "window=1",
    "causal=1 window=3",
    "alibi=1 window=1000",
    "softcap=1.5 scale=0.5",
    "softcap=2.5 causal=1",
    "alibi=1 causal=1",
    "scale=-0.25 window=40",
    "softcap=2 alibi=1 causal=1 window=17 scale=0.75",
};

/* Each for both kernels, of different variants; the next option the other way round. */
START_TEST(test_options)
{
    if (test_quick() && _i % 11 != 6)
        return;
    size_t o = (size_t)_i / 2;
    /* All of the head counts, and those that are no power of two for ALiBi. */
    size_t group = strstr(options[o], "alibi") ? 3 + (o + (size_t)_i) % 4 : (o + (size_t)_i) % 5;
    int what = _i % 2 + 2 * ((_i + _i / 2) % 2) + 4 * (int)((o + (size_t)_i) % 3);
    const attention_spec spec = spec_of(what, 8 + 8 * (int)(o % 4), group, options[o]);
    attention_run(&spec, 1, 70, 70, PLAIN);
    attention_run(&spec, 2, 19, 90, PLAIN);
    attention_run(&spec, 1, 90, 19, PLAIN); /* rows that see nothing, if causal or in a window */
    attention_run(&spec, 1, 1, 140, PLAIN);
    if (_i % 2)
        attention_run(&spec, 1, 40, 23, ARBITRARY);
}
END_TEST

/* More heads than any model has: the power of two below their count is found, not looked up. */
START_TEST(test_many_heads)
{
    static const char *const words = "batch=1 seq_q=? seq_k=? heads=520 kv_heads=1 head_dim=8";
    if (test_quick() && _i != 0)
        return;
    const attention_spec spec = attention_spec_of(_i, words, "alibi=1");
    attention_run(&spec, 1, 3, 5, PLAIN);
}
END_TEST

/* PoCL 3.1 gave wrong gradients of these: loops over barriers that never run, private arrays handed
 * to a function with barriers, and functions of vectors that it does not inline. */
START_TEST(test_miscompiled)
{
    static const char *const words[] = {
        ("batch=1 seq_q=? seq_k=1 heads=4 kv_heads=2 head_dim=8 window=1000000 workgroup_size=960 "
         "variant=simt"),
        "batch=1 seq_q=64 seq_k=64 heads=1 kv_heads=1 head_dim=64 variant=simt",
        "batch=1 seq_q=? seq_k=? heads=1 kv_heads=1 head_dim=8 variant=any"};
    static const int seq_q[] = {129, 64, 1}, seq_k[] = {1, 64, 1};
    if (test_quick() && _i != 2)
        return;
    attention_spec spec;
    snprintf(spec.text, sizeof spec.text, "flash_attention_backward %s", words[_i]);
    attention_run(&spec, 1, seq_q[_i], seq_k[_i], PLAIN);
}
END_TEST

/* ---- numbers ----------------------------------------------------------------------------- */

START_TEST(test_large_scores)
{
    if (test_quick() && _i != 2)
        return;
    /* Both kernels and variants; storage and option by the number. */
    static const char *const of[] = {"", "causal=1", "alibi=1", "causal=1 softcap=30"};
    const attention_spec spec = spec_of(_i + 4 * (_i % 3), 64, 2, of[_i]);
    attention_run(&spec, 1, 40, 130, LARGE);
    attention_run(&spec, 2, 7, 20, LARGE);
}
END_TEST

/* NaN and inf are where the equation has them: nothing comes of a key or a value that a query does
 * not see. */
START_TEST(test_special)
{
    if (test_quick() && _i != 1)
        return;
    static const char *const of[] = {"causal=1", "causal=1 window=9", "window=9", "causal=1"};
    static const attention_data kinds[] = {QUERIES, KEYS, VALUES};
    const attention_spec spec = spec_of(_i + 4 * (_i % 3), 16, 2, of[_i]);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        attention_run(&spec, 1, 37, 50, kinds[k]);
        attention_run(&spec, 2, 9, 1, kinds[k]);
        attention_run(&spec, 1, 50, 37, kinds[k]);
    }
}
END_TEST

/* ---- tensor cores ------------------------------------------------------------------------ */

/* Heads of every width that has code of its own: parts of 64 columns, steps of 16, rows of 32. */
static const int wide_dims[] = {64, 128, 256, 8, 24, 72, 80, 96, 136, 160, 192, 248};

static const char *const wide_options[] = {"",
                                           "causal=1",
                                           "causal=1 window=70",
                                           "window=33",
                                           "alibi=1 causal=1",
                                           "softcap=2",
                                           "scale=-0.25",
                                           "alibi=1",
                                           "softcap=30 causal=1",
                                           "causal=1",
                                           "window=1",
                                           "causal=1"};

static attention_spec wgmma_spec(int head_dim, size_t group, const char *dtype, const char *with)
{
    attention_spec spec;
    snprintf(spec.text, sizeof spec.text,
             "flash_attention batch=? seq_q=? seq_k=? heads=%d kv_heads=%d head_dim=%d dtype=%s %s "
             "variant=wgmma",
             groups[group].heads, groups[group].kv_heads, head_dim, dtype, with);
    return spec;
}

/* Copies by box and by hand; tiles and blocks that are not whole, several of each. */
START_TEST(test_wgmma)
{
    if (test_quick() && _i % 6 != 1)
        return;
    const attention_spec spec = wgmma_spec(wide_dims[_i], (size_t)_i % COUNT(groups),
                                           _i % 2 ? "bf16" : "f16", wide_options[_i]);
    attention_run_at(&spec, 1, 128, 256, PLAIN, 0);
    attention_run_at(&spec, 1, 300, 47, PLAIN, 0);
    attention_run_at(&spec, 1, 130, 200, LARGE, 0);
    for (int misalign = 0; misalign < 2; misalign++) {
        attention_run_at(&spec, 2, 70, 333, PLAIN, misalign);
        attention_run_at(&spec, 3, 1, 70, PLAIN, misalign);
    }
    attention_run_at(&spec, 1, 1, 1, PLAIN, 0);
}
END_TEST

/* Sizes that are known, more tiles than a chip takes at once, and every layout of a group. */
START_TEST(test_wgmma_literal)
{
    static const struct {
        const char *words;
        int batch, seq_q, seq_k;
    } cases[] = {
        {"batch=3 seq_q=300 seq_k=300 heads=40 kv_heads=8 head_dim=16 dtype=bf16 causal=1", 3, 300,
         300},
        {"batch=7 seq_q=130 seq_k=90 heads=20 kv_heads=20 head_dim=32 dtype=f16", 7, 130, 90},
        {"batch=1 seq_q=700 seq_k=720 heads=1 kv_heads=1 head_dim=64 dtype=bf16 causal=1 "
         "window=300 "
         "workgroup_size=512",
         1, 700, 720},
        {"batch=1 seq_q=40 seq_k=300 heads=2 kv_heads=2 head_dim=128 dtype=bf16", 1, 40, 300},
        {"batch=1 seq_q=190 seq_k=250 heads=2 kv_heads=1 head_dim=64 dtype=f16 causal=1 "
         "workgroup_size=512",
         1, 190, 250},
        {"batch=1 seq_q=190 seq_k=250 heads=2 kv_heads=1 head_dim=128 dtype=bf16 window=100 "
         "workgroup_size=256",
         1, 190, 250}};
    attention_spec spec;
    if (test_quick() && _i != 3)
        return;
    snprintf(spec.text, sizeof spec.text, "flash_attention %s variant=wgmma", cases[_i].words);
    attention_run_at(&spec, cases[_i].batch, cases[_i].seq_q, cases[_i].seq_k, PLAIN, 0);
}
END_TEST

/* Shares of the keys, of which some may be empty; q by boxes and by hand. */
START_TEST(test_decode)
{
    static const char *const words[] = {
        "seq_q=1 heads=8 kv_heads=2 head_dim=128 dtype=bf16",
        "seq_q=3 heads=6 kv_heads=2 head_dim=64 dtype=f16 causal=1 alibi=1",
        "seq_q=16 heads=4 kv_heads=1 head_dim=80 dtype=bf16 causal=1 softcap=2",
        "seq_q=2 heads=3 kv_heads=3 head_dim=256 dtype=f16 window=50",
        "seq_q=5 heads=2 kv_heads=1 head_dim=16 dtype=bf16 causal=1 window=3"};
    attention_spec spec;
    if (test_quick() && _i != 1)
        return;
    const int seq_q = (int)reference_number(words[_i], "seq_q", 0);
    snprintf(spec.text, sizeof spec.text, "flash_attention batch=? seq_k=? %s variant=decode",
             words[_i]);
    for (int misalign = 0; misalign < 2; misalign++) {
        attention_run_at(&spec, 1, seq_q, 1000, PLAIN, misalign);
        attention_run_at(&spec, 3, seq_q, 129, PLAIN, misalign);
        attention_run_at(&spec, 2, seq_q, 1, PLAIN, misalign);
    }
    attention_run_at(&spec, 1, seq_q, 300, LARGE, 0);
    attention_run_at(&spec, 2, seq_q, 70, VALUES, 0);
    attention_run_at(&spec, 2, seq_q, 70, KEYS, 0);
}
END_TEST

/* As test_special. */
START_TEST(test_wgmma_special)
{
    static const char *const of[] = {"causal=1", "causal=1 window=9", "window=9", ""};
    static const attention_data kinds[] = {QUERIES, KEYS, VALUES};
    if (test_quick() && _i != 1)
        return;
    const attention_spec spec = wgmma_spec(_i == 1 ? 80 : 64, 2, _i % 2 ? "bf16" : "f16", of[_i]);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        attention_run_at(&spec, 1, 137, 150, kinds[k], 0);
        attention_run_at(&spec, 2, 9, 1, kinds[k], 0);
        attention_run_at(&spec, 1, 150, 137, kinds[k], 0);
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
                                        test_format("%s %s", attention_kernels[_i], cases[i].words),
                                        &kernel),
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
    tcase_add_loop_test(tests, test_literal, 0, 6);
    tcase_add_loop_test(tests, test_groups, 0, 2);
    tcase_add_loop_test(tests, test_options, 0, 2 * (int)COUNT(options));
    tcase_add_loop_test(tests, test_large_scores, 0, 4);
    tcase_add_loop_test(tests, test_many_heads, 0, 4);
    tcase_add_loop_test(tests, test_miscompiled, 0, 3);
    tcase_add_loop_test(tests, test_special, 0, 4);
    suite_add_tcase(suite, tests);
    TCase *wgmma = tcase_create("wgmma");
    tcase_set_timeout(wgmma, 0);
    tcase_add_loop_test(wgmma, test_wgmma_literal, 0, 6);
    tcase_add_loop_test(wgmma, test_wgmma, 0, (int)COUNT(wide_dims));
    tcase_add_loop_test(wgmma, test_wgmma_special, 0, 4);
    tcase_add_loop_test(wgmma, test_decode, 0, 5);
    suite_add_tcase(suite, wgmma);
    int failed = test_main(suite);
    test_close();
    return failed;
}
