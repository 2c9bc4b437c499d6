/* Products on the tensor cores of sm_80 and later, by themselves: blocks, stages, tiles, and both
 * ways of bringing in what they read. */
#include "context.h"
#include "support.h"
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const dtypes[] = {"f16", "bf16", "f32 compute=tf32"};

/* spec in the variant under launch-time dimensions args[0 .. count-1]: one build. Every misalign-th
 * case from the first on starts past an aligned address (0: none). */
static void run(const char *spec, const char *const *args, size_t count, unsigned seed,
                size_t misalign)
{
    kiln_kernel *kept;
    spec = test_format("%s variant=mma", spec);
    test_ok(kiln_create_kernel(test_context, spec, &kept));
    for (size_t i = 0; i < count; i++)
        test_run(&(test_case){.spec = spec,
                              .args = args[i],
                              .seed = seed + (unsigned)i,
                              .misalign = misalign && i % misalign == 0,
                              .once = i != 1});
    kiln_release_kernel(kept);
}

/* ---- layouts ----------------------------------------------------------------------------- */

/* Whole tiles, whole parts with zeros behind them, rows of any length; of one block and of many. */
START_TEST(test_layouts)
{
    static const char *const shapes[] = {
        "batch=1 m=256 n=512 k=512", "batch=2 m=136 n=264 k=200", "batch=1 m=8 n=8 k=32",
        "batch=3 m=200 n=72 k=40",   "batch=1 m=129 n=257 k=65",  "batch=2 m=61 n=100 k=333",
        "batch=1 m=1 n=1000 k=96",   "batch=1 m=300 n=8 k=1000",
    };
    run(test_format("batched_matmul batch=? m=? n=? k=? trans_a=%d trans_b=%d dtype=%s%s", _i & 1,
                    _i >> 1 & 1, dtypes[_i / 4 % 3], _i < 12 ? "" : " tile_size=64"),
        shapes, COUNT(shapes), 10 * (unsigned)_i, 0);
}
END_TEST

/* The same past aligned addresses: by hand. */
START_TEST(test_misaligned)
{
    static const char *const shapes[] = {"batch=2 m=136 n=264 k=200", "batch=1 m=64 n=128 k=64"};
    run(test_format("batched_matmul batch=? m=? n=? k=? trans_a=%d trans_b=%d dtype=%s", _i & 1,
                    _i >> 1 & 1, dtypes[_i / 4]),
        shapes, COUNT(shapes), 300 + (unsigned)_i, 1);
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
    static const char *const none[] = {""};
    run(test_format("%s dtype=%s tile_size=%d", specs[_i / 3], dtypes[_i % 3], _i % 2 ? 128 : 0),
        none, 1, (unsigned)_i, 0);
}
END_TEST

/* ---- tuning values ----------------------------------------------------------------------- */

/* Groups of every number of warps. */
START_TEST(test_groups)
{
    static const int sizes[] = {64, 128, 256};
    static const char *const shapes[] = {"batch=2 m=200 n=328 k=272"};
    run(test_format("batched_matmul batch=? m=? n=? k=? trans_a=%d trans_b=%d dtype=%s "
                    "workgroup_size=%d",
                    _i & 1, _i >> 1 & 1, _i % 5 ? dtypes[_i / 4 % 2] : dtypes[2], sizes[_i / 4]),
        shapes, 1, 400 + (unsigned)_i, 0);
}
END_TEST

/* Blocks that chips with less local memory have. */
START_TEST(test_small_local)
{
    static const int64_t sizes[] = {165888, 100352, 65536};
    static const char *const shapes[] = {"batch=1 m=264 n=520 k=1000"};
    const kiln_facts facts = test_context->facts;
    test_context->facts.static_local = sizes[_i / 4];
    run(test_format("batched_matmul batch=? m=? n=? k=? trans_a=%d trans_b=%d dtype=%s", _i & 1,
                    _i >> 1 & 1, dtypes[(_i + _i / 4) % 3]),
        shapes, 1, 500 + (unsigned)_i, 0);
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
    const char *args[] = {cases[_i / 2].args, cases[_i / 2].args};
    run(test_format("%s dtype=%s", cases[_i / 2].spec, dtypes[_i % 2 ? 2 : _i / 2 % 2]), args, 2,
        700 + (unsigned)_i, 2);
}
END_TEST

/* In cases of six, name0 and so on: building takes most of the time, and CK_RUN_CASE lets processes
 * share it. */
static void add(Suite *suite, const char *name, const TTest *test, int count)
{
    static char names[32][20];
    static int used;
    for (int from = 0; from < count; from += 6) {
        snprintf(names[used], sizeof *names, "%s%d", name, from / 6);
        TCase *tests = tcase_create(names[used++]);
        tcase_set_timeout(tests, 0);
        tcase_add_loop_test(tests, test, from, from + 6 < count ? from + 6 : count);
        suite_add_tcase(suite, tests);
    }
}

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
    add(suite, "layouts", test_layouts, 24);
    add(suite, "misaligned", test_misaligned, 12);
    add(suite, "literal", test_literal, 18);
    add(suite, "groups", test_groups, 12);
    add(suite, "small_local", test_small_local, 12);
    add(suite, "fused", test_fused, 30);
    int failed = test_main(suite);
    test_close();
    return failed;
}
