/* Products on the tensor cores of sm_80 and later, by themselves: blocks, stages, tiles, and both
 * ways of bringing in what they read. */
#include "context.h"
#include "support.h"
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const dtypes[] = {"f16", "bf16", "f32 compute=tf32"};

static void run(const char *spec, const char *args, unsigned seed, int64_t misalign)
{
    test_run(&(test_case){.spec = test_format("%s variant=mma", spec),
                          .args = args,
                          .seed = seed,
                          .misalign = misalign,
                          .once = seed % 4 != 0});
}

/* ---- layouts ----------------------------------------------------------------------------- */

/* Whole tiles, whole parts with zeros behind them, rows of any length; of one block and of many. */
START_TEST(test_layouts)
{
    static const char *const shapes[] = {
        "m=256 n=512 k=512", "m=136 n=264 k=200", "m=8 n=8 k=32",    "m=200 n=72 k=40",
        "m=129 n=257 k=65",  "m=61 n=100 k=333",  "m=1 n=1000 k=96", "m=300 n=8 k=1000",
    };
    for (size_t i = 0; i < COUNT(shapes); i++)
        run(test_format("batched_matmul batch=? m=? n=? k=? trans_a=%d trans_b=%d dtype=%s%s",
                        _i & 1, _i >> 1 & 1, dtypes[_i / 4 % 3], _i < 12 ? "" : " tile_size=64"),
            test_format("batch=%d %s", i % 2 ? 3 : 1, shapes[i]), 10 * (unsigned)_i + (unsigned)i,
            i == 3 ? 1 : 0);
}
END_TEST

/* Literal dimensions are another program. */
START_TEST(test_literal)
{
    static const char *const specs[] = {
        "matmul m=384 n=512 k=256",
        "matmul_nt m=256 n=256 k=640",
        "matmul_tn m=128 n=256 k=192",
        "matmul m=1000 n=999 k=500",
        "matmul_nt m=100 n=96 k=72 lda=80 ldb=88 ldc=104",
        "matmul_tn m=70 n=130 k=33 accumulate=1",
    };
    for (size_t d = 0; d < COUNT(dtypes); d++) {
        run(test_format("%s dtype=%s", specs[_i], dtypes[d]), "", (unsigned)_i, 0);
        run(test_format("%s dtype=%s tile_size=128", specs[_i], dtypes[d]), "", (unsigned)_i, 1);
    }
}
END_TEST

/* ---- tuning values ----------------------------------------------------------------------- */

/* Groups of every number of warps. */
START_TEST(test_groups)
{
    static const int sizes[] = {64, 128, 256};
    for (size_t d = 0; d < COUNT(dtypes); d++)
        for (size_t s = 0; s < COUNT(sizes); s++)
            run(test_format("batched_matmul batch=? m=? n=? k=? trans_a=%d trans_b=%d dtype=%s "
                            "workgroup_size=%d",
                            _i & 1, _i >> 1 & 1, dtypes[d], sizes[s]),
                "batch=2 m=200 n=328 k=272", (unsigned)(d + s), 0);
}
END_TEST

/* Blocks that chips with less local memory have. */
START_TEST(test_small_local)
{
    static const int64_t sizes[] = {165888, 100352, 65536};
    const kiln_facts facts = test_context->facts;
    test_context->facts.static_local = sizes[_i];
    for (int t = 0; t < 4; t++)
        for (size_t d = 0; d < COUNT(dtypes); d++)
            run(test_format("batched_matmul batch=1 m=? n=? k=? trans_a=%d trans_b=%d dtype=%s",
                            t & 1, t >> 1, dtypes[d]),
                "m=264 n=520 k=1000", (unsigned)t, 0);
    test_context->facts = facts;
}
END_TEST

/* ---- fused ------------------------------------------------------------------------------- */

START_TEST(test_fused)
{
    static const struct {
        const char *spec, *args;
    } cases[] = {
        {"matmul_bias_gelu m=? n=264 k=128 approx=tanh save_pre=1", "m=200"},
        {"matmul_bias_residual m=? n=? k=? layout=nt", "m=130 n=72 k=96"},
        {"gelu_matmul m=? n=? k=? approx=none bias=1", "m=70 n=136 k=100"},
        {"gelu_matmul m=? n=? k=? approx=none bias=1", "m=70 n=136 k=104"},
        {"layernorm_matmul m=100 n=128 k=192 bias=1 save_stats=1", ""},
        {"rmsnorm_matmul m=? n=? k=? layout=nt", "m=130 n=200 k=67"},
        {"qkv_projection m=? k=256 heads=6 kv_heads=2 head_dim=40 bias=1", "m=90"},
        {"matmul_swiglu m=? n=? k=? gate=split", "m=150 n=200 k=96"},
        {"matmul_swiglu m=? n=? k=? gate=split", "m=50 n=77 k=96"},
        {"matmul_swiglu m=? n=? k=? gate=split layout=nt save_pre=1", "m=140 n=132 k=128"},
        {"matmul_swiglu m=? n=? k=? gate=interleaved", "m=64 n=136 k=200"},
        {"matmul_swiglu m=? n=? k=? gate=interleaved layout=nt tile_size=64", "m=65 n=99 k=65"},
        {"matmul_swiglu m=256 n=256 k=64 gate=split tile_size=128", ""},
        {"matmul_gelu_backward m=? n=? k=? approx=tanh dbias=1", "m=300 n=257 k=64"},
        {"matmul_gelu_backward m=256 n=256 k=128 approx=none dbias=1 layout=nt", ""},
    };
    ck_assert_uint_eq(COUNT(cases), 15);
    const char *half = dtypes[_i % 2];
    run(test_format("%s dtype=%s", cases[_i].spec, half), cases[_i].args, 700 + (unsigned)_i, 0);
    run(test_format("%s dtype=%s", cases[_i].spec, half), cases[_i].args, 800 + (unsigned)_i, 1);
    run(test_format("%s dtype=%s", cases[_i].spec, dtypes[2]), cases[_i].args, 900 + (unsigned)_i,
        0);
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    if (test_context->facts.sm < 80) {
        printf("skipped: no tensor cores of sm_80\n");
        test_close();
        return 77;
    }
    Suite *suite = suite_create("mma");
    TCase *layouts = tcase_create("layouts");
    tcase_set_timeout(layouts, 0);
    tcase_add_loop_test(layouts, test_layouts, 0, 24);
    suite_add_tcase(suite, layouts);
    TCase *literal = tcase_create("literal");
    tcase_set_timeout(literal, 0);
    tcase_add_loop_test(literal, test_literal, 0, 6);
    suite_add_tcase(suite, literal);
    TCase *groups = tcase_create("groups");
    tcase_set_timeout(groups, 0);
    tcase_add_loop_test(groups, test_groups, 0, 4);
    suite_add_tcase(suite, groups);
    TCase *small_local = tcase_create("small_local");
    tcase_set_timeout(small_local, 0);
    tcase_add_loop_test(small_local, test_small_local, 0, 3);
    suite_add_tcase(suite, small_local);
    TCase *fused = tcase_create("fused");
    tcase_set_timeout(fused, 0);
    tcase_add_loop_test(fused, test_fused, 0, 15);
    suite_add_tcase(suite, fused);
    int failed = test_main(suite);
    test_close();
    return failed;
}
