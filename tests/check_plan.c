/* Plans: what is refused, where tensors lie, what a plan costs, and runs of small ones. */
#include "plan_support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static kiln_plan *empty_plan(void)
{
    kiln_plan *plan;
    test_ok(kiln_create_plan(&plan));
    return plan;
}

static void add(kiln_plan *plan, const char *name, kiln_dtype dtype, kiln_role role, size_t rank,
                int64_t a, int64_t b)
{
    const int64_t extents[] = {a, b};
    test_ok(kiln_plan_add_tensor(plan, name, dtype, rank, extents, role));
}

static void add_matrix(kiln_plan *plan, const char *name, kiln_role role, int64_t m, int64_t n)
{
    add(plan, name, KILN_F32, role, 2, m, n);
}

/* x[8,16], w[16,24], bias[24], and c, y for results. */
static kiln_plan *small_plan(void)
{
    kiln_plan *plan = empty_plan();
    add_matrix(plan, "x", KILN_ROLE_INPUT, 8, 16);
    add_matrix(plan, "w", KILN_ROLE_PARAMETER, 16, 24);
    add(plan, "bias", KILN_F32, KILN_ROLE_PARAMETER, 1, 24, 0);
    add_matrix(plan, "c", KILN_ROLE_TEMPORARY, 8, 24);
    add_matrix(plan, "y", KILN_ROLE_OUTPUT, 8, 24);
    return plan;
}

/* ---- refusals ---------------------------------------------------------------------------- */

START_TEST(test_tensors)
{
    kiln_plan *plan = small_plan();
    const int64_t one[] = {1, 0};
    test_refused(kiln_create_plan(NULL), KILN_INVALID_ARGUMENT, "plan");
    test_refused(kiln_plan_add_tensor(plan, "a b", KILN_F32, 1, one, KILN_ROLE_INPUT),
                 KILN_INVALID_ARGUMENT, "a b|letters");
    test_refused(kiln_plan_add_tensor(plan, "", KILN_F32, 1, one, KILN_ROLE_INPUT),
                 KILN_INVALID_ARGUMENT, "letters");
    test_refused(kiln_plan_add_tensor(plan, "x", KILN_F32, 1, one, KILN_ROLE_INPUT),
                 KILN_INVALID_ARGUMENT, "x|there is one");
    test_refused(kiln_plan_add_tensor(plan, "z", KILN_F32, 0, one, KILN_ROLE_INPUT),
                 KILN_INVALID_ARGUMENT, "rank 0|1 to 4");
    test_refused(kiln_plan_add_tensor(plan, "z", KILN_F32, 2, one, KILN_ROLE_INPUT),
                 KILN_INVALID_ARGUMENT, "extent 1 is 0");
    test_refused(kiln_plan_add_tensor(plan, "z", (kiln_dtype)9, 1, one, KILN_ROLE_INPUT),
                 KILN_INVALID_ARGUMENT, "dtype");
    const int64_t huge[] = {INT64_C(1) << 40, INT64_C(1) << 40};
    test_refused(kiln_plan_add_tensor(plan, "z", KILN_F32, 2, huge, KILN_ROLE_INPUT),
                 KILN_INVALID_ARGUMENT, "2^62");
    ck_assert_uint_eq(kiln_plan_num_tensors(plan), 5);
    kiln_release_plan(plan);
    kiln_release_plan(NULL);
}
END_TEST

static const struct {
    const char *spec, *args;
    kiln_status status;
    const char *parts;
} refused_launches[] = {
    {"matmull m=8 n=24 k=16", "a=x b=w c=c", KILN_INVALID_SPEC, "matmull|did you mean|matmul"},
    {"matmul m=8 k=16", "a=x b=w c=c", KILN_INVALID_SPEC, "dimension n is missing"},
    {"matmul m=? n=24 k=16", "a=x b=w c=c", KILN_INVALID_SPEC, "m=?|literal"},
    {"matmul m=8 n=24 k=16", "a=x b=w", KILN_INVALID_LAUNCH, "argument c is missing"},
    {"matmul m=8 n=24 k=16", "a=x b=w c=c d=c", KILN_INVALID_LAUNCH, "no argument `d'"},
    {"matmul m=8 n=24 k=16", "a=x a=x b=w c=c", KILN_INVALID_LAUNCH, "a is given twice"},
    {"matmul m=8 n=24 k=16", "a=x b=w c", KILN_INVALID_LAUNCH, "argument=value"},
    {"bias_add m=8 n=24", "x=x bias=bais y=c", KILN_INVALID_LAUNCH,
     "no tensor `bais'|did you mean `bias'"},
    {"matmul m=8 n=24 k=12", "a=x b=w c=c", KILN_INVALID_LAUNCH,
     "a is [8,12]|x is [8,16]|dimension k"},
    {"matmul m=8 n=20 k=16", "a=x b=w c=c", KILN_INVALID_LAUNCH,
     "b is [16,20]|w is [16,24]|dimension n"},
    {"matmul m=9 n=24 k=16", "a=x b=w c=c", KILN_INVALID_LAUNCH, "x is [8,16]|dimension m"},
    {"matmul_nt m=8 n=24 k=16", "a=x b=w c=c", KILN_INVALID_LAUNCH, "b is [24,16]|w is [16,24]"},
    {"matmul m=8 n=24 k=16 dtype=bf16", "a=x b=w c=c", KILN_INVALID_LAUNCH, "a is bf16|x is f32"},
    {"matmul m=8 n=24 k=16", "a=c b=w c=y", KILN_INVALID_LAUNCH, "dimension k"},
    {"bias_add m=8 n=24", "x=c bias=bias y=y", KILN_INVALID_LAUNCH,
     "launch 0 (bias_add)|x reads tensor c|no launch writes before it"},
    {"matmul m=8 n=16 k=24", "a=y b=w c=x", KILN_INVALID_LAUNCH, "w is [16,24]"},
    {"bias_add m=16 n=24", "x=w bias=bias y=x", KILN_INVALID_LAUNCH, "x is [8,16]"},
    {"gelu m=8 n=16 approx=none", "x=x y=x", KILN_INVALID_LAUNCH, "x|which is an input"},
    {"matmul m=8 n=8 k=16", "a=x b=w c=y", KILN_INVALID_LAUNCH, "dimension n"},
    {"matmul m=8 n=8 k=16 ldb=24", "a=x b=w c=y", KILN_INVALID_LAUNCH, "rows 24 apart|b=w+0"},
    {"matmul m=8 n=8 k=16 ldb=24 ldc=24", "a=x b=w+20 c=y+0", KILN_INVALID_LAUNCH,
     "column 20|row of tensor w, 24"},
    {"matmul m=8 n=8 k=16 ldb=20 ldc=24", "a=x b=w+0 c=y+0", KILN_INVALID_LAUNCH,
     "rows of b are 20 apart|w are 24"},
    {"matmul m=8 n=8 k=16 ldb=24 ldc=24", "a=x b=w+24 c=y+0", KILN_INVALID_LAUNCH,
     "b needs 368 elements from 24 on|w has 384"},
    {"matmul m=8 n=8 k=16 ldb=24 ldc=24", "a=x b=w+-1 c=y+0", KILN_INVALID_LAUNCH, "number"},
    {"matmul_nt m=8 n=8 k=16", "a=x b=x c=x", KILN_INVALID_LAUNCH, "x is [8,16]"},
    {"cross_entropy tokens=8 vocab=16", "logits=x targets=x loss=y lse=c grad_scale=1",
     KILN_INVALID_LAUNCH, "targets is i32|x is f32"},
    {"grad_norm n=384", "g=w sumsq=c clip=y max_norm=1x", KILN_INVALID_LAUNCH,
     "max_norm=1x|finite number"},
};

START_TEST(test_launches)
{
    kiln_plan *plan = small_plan();
    for (size_t i = 0; i < COUNT(refused_launches); i++) {
        test_refused(kiln_plan_add_launch(plan, refused_launches[i].spec, refused_launches[i].args),
                     refused_launches[i].status, refused_launches[i].parts);
        ck_assert_uint_eq(kiln_plan_num_launches(plan), 0);
    }
    test_refused(kiln_plan_add_launch(plan, NULL, ""), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(kiln_plan_add_zero(plan, "z"), KILN_INVALID_LAUNCH, "no tensor `z'");
    test_refused(kiln_plan_add_zero(plan, "x"), KILN_INVALID_LAUNCH, "x|input");
    test_refused(kiln_plan_mark(plan, -2, KILN_PHASE_FORWARD), KILN_INVALID_ARGUMENT, "layer");
    /* A plan that refused is as it was. */
    test_ok(kiln_plan_add_launch(plan, "matmul m=8 n=24 k=16", "b=w  c=c a=x"));
    test_refused(kiln_plan_add_launch(plan, "matmul m=8 n=24 k=16", "a=x b=w c=c"),
                 KILN_INVALID_LAUNCH,
                 "c has two writers|launch 0 (matmul)|launch 1 (matmul), which does not read it");
    test_ok(kiln_plan_add_launch(plan, "matmul m=8 n=24 k=16 accumulate=1", "a=x b=w c=c"));
    test_refused(kiln_plan_add_launch(plan, "layernorm m=8 n=24",
                                      "x=c gamma=bias beta=bias y=c mean=c rstd=c"),
                 KILN_INVALID_LAUNCH, "mean is [8]|c is [8,24]");
    test_ok(kiln_plan_add_launch(plan, "bias_add m=8 n=24", "x=c bias=bias y=c"));
    test_refused(kiln_plan_add_launch(plan, "residual_add m=8 n=24", "x=y residual=c y=c"),
                 KILN_INVALID_LAUNCH, "x reads tensor y");
    test_ok(kiln_plan_add_launch(plan, "gelu m=8 n=24 approx=tanh", "x=c y=y"));
    test_refused(kiln_plan_add_launch(plan, "gelu_backward m=8 n=24 approx=tanh", "dy=y x=c dx=c"),
                 KILN_INVALID_LAUNCH, "dx, which is written, and x may not both be tensor c");
    ck_assert_uint_eq(kiln_plan_num_launches(plan), 4);
    kiln_release_plan(plan);
}
END_TEST

START_TEST(test_parts)
{
    kiln_plan *plan = small_plan();
    test_ok(kiln_plan_add_launch(plan, "matmul m=8 n=8 k=16 ldb=24 ldc=24", "a=x b=w+8 c=c+8"));
    test_refused(kiln_plan_add_launch(plan, "bias_add m=8 n=24", "x=c bias=bias y=y"),
                 KILN_INVALID_LAUNCH, "of whose 192 elements only 64");
    test_refused(kiln_plan_add_launch(plan, "matmul m=8 n=8 k=16 ldb=24 ldc=24", "a=x b=w+0 c=c+1"),
                 KILN_INVALID_LAUNCH, "c has two writers");
    test_ok(kiln_plan_add_launch(plan, "matmul m=8 n=8 k=16 ldb=24 ldc=24", "a=x b=w+0 c=c+0"));
    test_ok(kiln_plan_add_launch(plan, "matmul m=8 n=8 k=16 ldb=24 ldc=24", "a=x b=w+16 c=c+16"));
    test_ok(kiln_plan_add_launch(plan, "bias_add m=8 n=24", "x=c bias=bias y=y"));
    kiln_release_plan(plan);
}
END_TEST

START_TEST(test_fusion_names)
{
    kiln_plan *plan = small_plan();
    test_refused(kiln_plan_fuse(plan, "matmul_bias_gleu", NULL, 0), KILN_INVALID_ARGUMENT,
                 "matmul_bias_gleu|did you mean `matmul_bias_gelu'");
    test_refused(kiln_plan_fuse(plan, "top3,everything", NULL, 0), KILN_INVALID_ARGUMENT,
                 "everything|none, top3, top5, all, qkv_projection");
    test_ok(kiln_plan_fuse(plan, "none", NULL, 0));
    ck_assert_ptr_null(kiln_plan_note(plan, 0));
    test_ok(kiln_plan_fuse(plan, "gelu_matmul", NULL, 0));
    ck_assert_str_eq(kiln_plan_note(plan, 0), "gelu_matmul: fits nowhere in this plan");
    kiln_release_plan(plan);
}
END_TEST

static const kiln_model_params good_model = {.batch = 1,
                                             .seq = 8,
                                             .hidden = 32,
                                             .ffn = 64,
                                             .heads = 2,
                                             .activation = "gelu_tanh",
                                             .norm = "layernorm",
                                             .bias = "all"};

START_TEST(test_models)
{
    kiln_plan *plan = NULL;
    kiln_model_params p = good_model;
    p.activation = "relu";
    test_refused(kiln_create_model_plan(&p, &plan), KILN_UNSUPPORTED,
                 "no kernel does activation `relu'|gelu_tanh, gelu_erf, swiglu");
    ck_assert_ptr_null(plan);
    p = good_model;
    p.norm = "layrnorm";
    test_refused(kiln_create_model_plan(&p, &plan), KILN_UNSUPPORTED, "did you mean `layernorm'");
    p = good_model;
    p.positions = "xpos";
    test_refused(kiln_create_model_plan(&p, &plan), KILN_UNSUPPORTED, "positions `xpos'");
    p = good_model;
    p.activation = NULL;
    test_refused(kiln_create_model_plan(&p, &plan), KILN_INVALID_ARGUMENT, "activation must be");
    p = good_model;
    p.hidden = 0;
    test_refused(kiln_create_model_plan(&p, &plan), KILN_INVALID_ARGUMENT, "hidden=0|from 1");
    p = good_model;
    p.layers = 2;
    test_refused(kiln_create_model_plan(&p, &plan), KILN_INVALID_ARGUMENT, "vocab=0|from 1");
    p = good_model;
    p.heads = 3;
    test_refused(kiln_create_model_plan(&p, &plan), KILN_INVALID_ARGUMENT, "hidden=32|heads=3");
    p = good_model;
    p.kv_heads = 3;
    test_refused(kiln_create_model_plan(&p, &plan), KILN_INVALID_SPEC, "heads=2|kv_heads, 3");
    p = good_model;
    p.head_dim = 12;
    test_refused(kiln_create_model_plan(&p, &plan), KILN_INVALID_SPEC, "head_dim=12|multiple of 8");
    p = good_model;
    p.update = 1;
    test_refused(kiln_create_model_plan(&p, &plan), KILN_INVALID_ARGUMENT, "backward");
    test_refused(kiln_create_model_plan(NULL, &plan), KILN_INVALID_ARGUMENT, "NULL");
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------ */

START_TEST(test_too_large)
{
    kiln_plan *plan = empty_plan();
    kiln_prepared_plan *prepared = NULL;
    cl_ulong global, largest;
    cl_device_id device = kiln_context_device(test_context);
    clGetDeviceInfo(device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof global, &global, NULL);
    clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof largest, &largest, NULL);
    add_matrix(plan, "x", KILN_ROLE_INPUT, 2000000, 2000000);
    add_matrix(plan, "y", KILN_ROLE_OUTPUT, 2000000, 2000000);
    test_refused(kiln_prepare_plan(test_context, plan, &prepared), KILN_INVALID_ARGUMENT,
                 "y is an output that no launch writes");
    test_ok(kiln_plan_add_launch(plan, "gelu m=2000000 n=2000000 approx=tanh", "x=x y=y"));
    test_refused(kiln_prepare_plan(test_context, plan, &prepared), KILN_UNSUPPORTED,
                 test_format("32000000000000 bytes|%llu", (unsigned long long)global));
    ck_assert_ptr_null(prepared);
    kiln_release_plan(plan);
    /* One tensor that is larger than the device gives at once, where that is not all it has. */
    if (largest >= global || largest / 4096 + 1 > INT32_MAX)
        return;
    plan = empty_plan();
    int64_t rows = (int64_t)(largest / 4096) + 1;
    add_matrix(plan, "x", KILN_ROLE_PARAMETER, rows, 1024);
    test_ok(kiln_plan_add_launch(
        plan, test_format("gelu m=%lld n=1024 approx=tanh", (long long)rows), "x=x y=x"));
    if ((double)rows * 4096 <= (double)global)
        test_refused(kiln_prepare_plan(test_context, plan, &prepared), KILN_UNSUPPORTED,
                     test_format("tensor x|%llu|at once", (unsigned long long)largest));
    kiln_release_plan(plan);
}
END_TEST

/* Launches over random earlier tensors: gelu, which may be in place, transpose, which may not, and
 * products of new sizes. */
static kiln_plan *random_plan(test_random *random, int launches)
{
    kiln_plan *plan = empty_plan();
    int64_t rows[64] = {4}, columns[64] = {64};
    add_matrix(plan, "t0", KILN_ROLE_INPUT, 4, 64);
    add_matrix(plan, "w", KILN_ROLE_PARAMETER, 4, 64);
    for (int i = 1; i <= launches; i++) {
        int from = i - 1 - (int)test_pick(random, i < 6 ? i : 6);
        int64_t op = test_pick(random, 4), m = rows[from], n = columns[from];
        const char *spec, *args = test_format("x=t%d y=t%d", from, i);
        rows[i] = op == 1 ? n : op == 2 ? 1 + test_pick(random, 40) : m;
        columns[i] = op == 1 ? m : op == 2 ? 64 : n;
        add_matrix(plan, test_format("t%d", i), KILN_ROLE_TEMPORARY, rows[i], columns[i]);
        if (op == 1) {
            spec = test_format("transpose batch=1 m=%lld n=%lld", (long long)m, (long long)n);
        } else if (op == 2) {
            add_matrix(plan, test_format("a%d", i), KILN_ROLE_PARAMETER, rows[i], 4);
            spec = test_format("matmul m=%lld n=64 k=4", (long long)rows[i]);
            args = test_format("a=a%d b=w c=t%d", i, i);
        } else {
            spec = test_format("gelu m=%lld n=%lld approx=tanh", (long long)m, (long long)n);
        }
        test_ok(kiln_plan_add_launch(plan, spec, args));
    }
    return plan;
}

/* No two temporaries that live at once share memory, unless one took the other's place in the very
 * launch where that one ends. */
static void check_layout(const kiln_plan *plan, uint64_t limit)
{
    kiln_plan_layout layout;
    test_ok(kiln_layout_make(plan, limit, &layout));
    double live_most = 0;
    for (size_t at = 0; at < plan->num_launches; at++) {
        double live = 0;
        for (size_t i = 0; i < plan->num_tensors; i++)
            if (layout.of[i].arena >= 0 && layout.of[i].first <= at && layout.of[i].last > at)
                live += (double)kiln_tensor_bytes(&plan->tensors[i]);
        live_most = fmax(live_most, live);
    }
    ck_assert_msg(kiln_layout_bytes(&layout) >= layout.persistent + live_most,
                  "%g bytes hold %g that live at once", kiln_layout_bytes(&layout),
                  layout.persistent + live_most);
    for (size_t i = 0; i < plan->num_tensors; i++) {
        const kiln_placed *a = &layout.of[i];
        uint64_t bytes = kiln_tensor_bytes(&plan->tensors[i]);
        if (a->arena < 0)
            continue;
        ck_assert(a->offset % 256 == 0 && a->offset + bytes <= layout.arenas[a->arena]);
        ck_assert(layout.arenas[a->arena] <= limit || a->offset == 0);
        for (size_t j = 0; j < i; j++) {
            const kiln_placed *b = &layout.of[j];
            uint64_t others = kiln_tensor_bytes(&plan->tensors[j]);
            bool at_once = a->first <= b->last && b->first <= a->last;
            bool shared = a->arena == b->arena && a->offset < b->offset + others &&
                          b->offset < a->offset + bytes;
            bool in_place = a->offset == b->offset && bytes == others &&
                            (a->first == b->last || b->first == a->last);
            ck_assert_msg(!at_once || !shared || in_place, "%s and %s share memory",
                          plan->tensors[i].name, plan->tensors[j].name);
        }
    }
    kiln_layout_free(&layout);
}

START_TEST(test_layout)
{
    test_random random = {(uint64_t)_i + 1};
    kiln_plan *plan = random_plan(&random, 40);
    check_layout(plan, UINT64_MAX);
    check_layout(plan, 40000);
    check_layout(plan, 1);
    kiln_plan_cost cost;
    test_ok(kiln_get_plan_cost(plan, NULL, &cost));
    ck_assert(cost.peak_bytes <= cost.unshared_bytes + 256.0 * (double)plan->num_tensors);
    kiln_release_plan(plan);
}
END_TEST

/* A chain of launches that may be in place needs the memory of one tensor; where a step may not,
 * of two. */
START_TEST(test_in_place)
{
    for (int transposes = 0; transposes < 2; transposes++) {
        kiln_plan *plan = empty_plan();
        add_matrix(plan, "t0", KILN_ROLE_INPUT, 64, 64);
        for (int i = 1; i <= 6; i++) {
            add_matrix(plan, test_format("t%d", i), KILN_ROLE_TEMPORARY, 64, 64);
            test_ok(kiln_plan_add_launch(
                plan, transposes ? "transpose batch=1 m=64 n=64" : "gelu m=64 n=64 approx=none",
                test_format("x=t%d y=t%d", i - 1, i)));
        }
        kiln_plan_cost cost;
        test_ok(kiln_get_plan_cost(plan, NULL, &cost));
        ck_assert_double_eq(cost.persistent_bytes, 16384);
        ck_assert_double_eq(cost.peak_bytes, transposes ? 3 * 16384 : 2 * 16384);
        ck_assert_double_eq(cost.unshared_bytes, 7 * 16384);
        kiln_release_plan(plan);
    }
}
END_TEST

/* ---- costs and decisions ------------------------------------------------------------------- */

static kiln_plan *norm_plan(void)
{
    kiln_plan *plan = small_plan();
    add(plan, "gamma", KILN_F32, KILN_ROLE_PARAMETER, 1, 16, 0);
    add_matrix(plan, "n", KILN_ROLE_TEMPORARY, 8, 16);
    add(plan, "rstd", KILN_F32, KILN_ROLE_TEMPORARY, 1, 8, 0);
    test_ok(kiln_plan_mark(plan, 0, KILN_PHASE_FORWARD));
    test_ok(kiln_plan_add_launch(plan, "rmsnorm m=8 n=16", "x=x gamma=gamma y=n rstd=rstd"));
    test_ok(kiln_plan_add_launch(plan, "matmul m=8 n=24 k=16", "a=n b=w c=y"));
    return plan;
}

START_TEST(test_cost)
{
    kiln_plan *plan = norm_plan();
    kiln_plan_cost cost;
    const kiln_device_rates rates = {1e6, 1e9, 1e6, 1e-3, 16};
    test_ok(kiln_get_plan_cost(plan, &rates, &cost));
    ck_assert_uint_eq(cost.launches, 2);
    ck_assert_uint_eq(cost.layers, 1);
    ck_assert_double_eq(cost.launches_per_layer, 2);
    ck_assert_uint_eq(cost.distinct_kernels, 2);
    /* x, gamma, n, rstd; n, w, y */
    double norm = 4 * (128 + 16 + 128 + 8), product = 4 * (128 + 384 + 192);
    ck_assert_double_eq(cost.bytes, norm + product);
    ck_assert_double_eq(cost.elementwise_bytes, norm);
    ck_assert_double_eq(cost.flops, 4 * 128 + 2 * 8 * 24 * 16);
    ck_assert_double_eq_tol(cost.predicted_s, norm / 1e6 + product / 1e6 + 2e-3, 1e-12);
    ck_assert_double_eq(cost.persistent_bytes, 4 * (128 + 384 + 24 + 192 + 16));
    kiln_plan_launch_info info;
    test_ok(kiln_get_plan_launch_info(plan, 1, &rates, &info));
    ck_assert_str_eq(info.spec, "matmul m=8 n=24 k=16 dtype=f32");
    ck_assert_str_eq(info.args, "a=n b=w c=y");
    ck_assert_str_eq(info.kernel, "matmul");
    ck_assert_int_eq(info.layer, 0);
    test_refused(kiln_get_plan_launch_info(plan, 2, NULL, &info), KILN_INVALID_ARGUMENT, "2 laun");
    const kiln_device_rates none = {0};
    test_refused(kiln_get_plan_cost(plan, &none, &cost), KILN_INVALID_ARGUMENT, "rate");
    kiln_release_plan(plan);
}
END_TEST

/* A device on which what a prologue repeats costs more than a launch saves, and one where not. */
START_TEST(test_decision)
{
    const kiln_device_rates slow = {1e9, 1e9, 1e5, 1e-6, 8}, fast = {1e9, 1e9, 1e9, 1e-6, 64};
    kiln_plan *plan = norm_plan();
    test_ok(kiln_plan_fuse(plan, "rmsnorm_matmul", &slow, 0));
    ck_assert_uint_eq(kiln_plan_num_launches(plan), 2);
    ck_assert_msg(strstr(kiln_plan_note(plan, 0), "rmsnorm_matmul at rmsnorm") &&
                      strstr(kiln_plan_note(plan, 0), "refused"),
                  "%s", kiln_plan_note(plan, 0));
    test_ok(kiln_plan_fuse(plan, "rmsnorm_matmul", &slow, 1));
    ck_assert_uint_eq(kiln_plan_num_launches(plan), 1);
    ck_assert_msg(strstr(kiln_plan_note(plan, 1), "kept by force"), "%s", kiln_plan_note(plan, 1));
    kiln_release_plan(plan);
    plan = norm_plan();
    test_ok(kiln_plan_fuse(plan, "rmsnorm_matmul", &fast, 0));
    ck_assert_uint_eq(kiln_plan_num_launches(plan), 1);
    ck_assert_ptr_null(kiln_plan_note(plan, 0));
    kiln_release_plan(plan);
}
END_TEST

/* A layer's launches: the fused ones are fewer, as the analysis of the kernels counts them. */
START_TEST(test_counts)
{
    static const struct {
        const char *fusions;
        int64_t backward;
        size_t launches;
    } counts[] = {{"none", 0, 18},
                  {"top3", 0, 7},
                  {"top5", 0, 6},
                  {"none", 1, 42},
                  {"qkv_projection", 1, 37}};
    for (size_t i = 0; i < COUNT(counts); i++) {
        kiln_model_params p = good_model;
        kiln_plan *plan;
        kiln_plan_cost cost;
        p.backward = counts[i].backward;
        test_ok(kiln_create_model_plan(&p, &plan));
        test_ok(kiln_plan_fuse(plan, counts[i].fusions, NULL, 0));
        test_ok(kiln_get_plan_cost(plan, NULL, &cost));
        ck_assert_msg(cost.launches == counts[i].launches, "%s: %zu launches, not %zu",
                      counts[i].fusions, cost.launches, counts[i].launches);
        kiln_release_plan(plan);
    }
}
END_TEST

/* 256000 x 12288 elements pass 2^31: norm and update are given them in parts. */
START_TEST(test_large_model)
{
    const kiln_model_params p = {.layers = 1,
                                 .batch = 1,
                                 .seq = 128,
                                 .hidden = 12288,
                                 .ffn = 33792,
                                 .heads = 96,
                                 .kv_heads = 8,
                                 .vocab = 256000,
                                 .dtype = KILN_BF16,
                                 .activation = "swiglu",
                                 .norm = "layernorm",
                                 .positions = "rope",
                                 .rope_style = "gptj",
                                 .parallel = 2,
                                 .tied = 1,
                                 .backward = 1,
                                 .update = 1};
    kiln_plan *plan;
    kiln_plan_tensor_info whole, part;
    test_ok(kiln_create_model_plan(&p, &plan));
    size_t parts = 0;
    double covered = 0;
    for (size_t i = 0; i < kiln_plan_num_launches(plan); i++) {
        kiln_plan_launch_info info;
        test_ok(kiln_get_plan_launch_info(plan, i, NULL, &info));
        if (strcmp(info.kernel, "adamw") == 0 && strstr(info.args, "g=table.grad+")) {
            parts++;
            covered += reference_number(info.spec, "n", 0);
        }
    }
    ck_assert_uint_eq(parts, 2);
    ck_assert_double_eq(covered, 256000.0 * 12288.0);
    test_ok(kiln_plan_fuse(plan, "all", NULL, 0));
    test_ok(kiln_find_plan_tensor(plan, "layer0.wqkv", &whole));
    test_ok(kiln_find_plan_tensor(plan, "layer0.wk", &part));
    ck_assert_str_eq(part.stored, "layer0.wqkv");
    ck_assert_int_eq(part.offset, 12288);
    ck_assert_int_eq(part.row_stride, 12288 + 2 * 1024);
    ck_assert_int_eq(whole.extents[1], part.row_stride);
    ck_assert_int_eq(part.extents[1], 1024);
    kiln_release_plan(plan);
}
END_TEST

/* ---- runs -------------------------------------------------------------------------------- */

/* c = x w in two blocks of columns, added up with w's gradient of before, in a tensor of zeros. */
static kiln_plan *run_plan(void)
{
    kiln_plan *plan = small_plan();
    add(plan, "ids", KILN_I32, KILN_ROLE_INPUT, 1, 8, 0);
    add_matrix(plan, "rows", KILN_ROLE_OUTPUT, 5, 24);
    add(plan, "m", KILN_F32, KILN_ROLE_STATE, 1, 384, 0);
    add(plan, "v", KILN_F32, KILN_ROLE_STATE, 1, 384, 0);
    test_ok(kiln_plan_add_launch(plan, "matmul m=8 n=8 k=16 ldb=24 ldc=24", "a=x b=w+0 c=c+0"));
    test_ok(kiln_plan_add_launch(plan, "matmul m=8 n=16 k=16 ldb=24 ldc=24", "a=x b=w+8 c=c+8"));
    test_ok(kiln_plan_add_launch(plan, "bias_add m=8 n=24", "x=c bias=bias y=y"));
    test_ok(kiln_plan_add_zero(plan, "rows"));
    test_ok(kiln_plan_add_launch(plan, "embedding_backward tokens=8 vocab=5 n=24",
                                 "ids=ids dy=y dtable=rows"));
    add(plan, "g", KILN_F32, KILN_ROLE_INPUT, 1, 384, 0);
    test_ok(kiln_plan_add_launch(plan, "adamw n=384",
                                 "g=g param=w m=m v=v lr=rate beta1=0.9 beta2=0.99 eps=1e-3 "
                                 "weight_decay=0 step=step"));
    return plan;
}

static void fill(kiln_prepared_plan *prepared, const char *name, float *values, size_t count,
                 float scale)
{
    for (size_t i = 0; i < count; i++)
        values[i] = scale * (float)((int)(i * 7 % 11) - 5);
    test_ok(kiln_write_tensor(prepared, test_queue, name, values, count * sizeof *values));
}

START_TEST(test_run_small)
{
    /* The third time the steps are on different queues, and wait for each other nevertheless. */
    cl_command_queue queues[] = {_i == 1 ? test_queue_out_of_order : test_queue,
                                 _i == 0 ? test_queue : test_queue_out_of_order};
    kiln_plan *plan = run_plan();
    kiln_prepared_plan *prepared;
    static float x[128], w[384], bias[24], g[384], m[384], y[192], rows[120];
    int32_t ids[8] = {0, 4, 1, 1, 7, 0, 3, 1};
    test_ok(kiln_prepare_plan(test_context, plan, &prepared));
    kiln_release_plan(plan);
    fill(prepared, "x", x, 128, 0.25f);
    fill(prepared, "w", w, 384, 0.5f);
    fill(prepared, "bias", bias, 24, 1);
    fill(prepared, "g", g, 384, 1);
    fill(prepared, "m", m, 384, 0);
    fill(prepared, "v", m, 384, 0);
    test_ok(kiln_write_tensor(prepared, test_queue, "ids", ids, sizeof ids));
    for (int step = 1; step <= 2; step++) {
        const kiln_arg scalars[] = {kiln_scalar("step", step), kiln_scalar("rate", 0.125)};
        cl_event done, gate = clCreateUserEvent(kiln_context_cl(test_context), NULL);
        cl_int state;
        test_ok(kiln_run_plan(prepared, queues[step - 1], scalars, 2, 1, &gate, &done));
        clGetEventInfo(done, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
        ck_assert_int_gt(state, CL_COMPLETE);
        clSetUserEventStatus(gate, CL_COMPLETE);
        ck_assert_int_eq(clWaitForEvents(1, &done), CL_SUCCESS);
        clReleaseEvent(gate);
        clReleaseEvent(done);
        test_ok(kiln_read_tensor(prepared, test_queue, "y", y, sizeof y));
        test_ok(kiln_read_tensor(prepared, test_queue, "rows", rows, sizeof rows));
        for (size_t j = 0; j < 24; j++) {
            double sums[5] = {0};
            for (size_t i = 0; i < 8; i++) {
                double sum = bias[j];
                for (size_t k = 0; k < 16; k++)
                    sum += (double)x[i * 16 + k] * (double)w[k * 24 + j];
                ck_assert_double_eq_tol(y[i * 24 + j], sum, 1e-4);
                if (ids[i] < 5)
                    sums[ids[i]] += sum;
            }
            for (size_t r = 0; r < 5; r++)
                ck_assert_double_eq_tol(rows[r * 24 + j], sums[r], 1e-4);
        }
        /* The weights as the step left them are what the next one uses. */
        float before = w[1];
        test_ok(kiln_read_tensor(prepared, test_queue, "w", w, sizeof w));
        ck_assert_double_eq_tol(before - w[1], 0.125, 1e-3);
    }
    kiln_release_prepared_plan(prepared);
    kiln_release_prepared_plan(NULL);
}
END_TEST

START_TEST(test_run_refusals)
{
    kiln_plan *plan = run_plan();
    kiln_prepared_plan *prepared;
    kiln_tensor_place place;
    float data[4];
    double seconds[16];
    test_ok(kiln_prepare_plan(test_context, plan, &prepared));
    static const float zeros[384];
    static const char *const names[] = {"x", "w", "bias", "ids", "g", "m", "v"};
    for (size_t i = 0; i < COUNT(names); i++) {
        test_ok(kiln_prepared_tensor(prepared, names[i], &place));
        test_ok(
            kiln_write_tensor(prepared, test_queue, names[i], zeros, place.rows * place.row_bytes));
    }
    const kiln_arg good[] = {kiln_scalar("step", 1), kiln_scalar("rate", 0.125)};
    const kiln_arg wrong[] = {kiln_scalar("step", 1), kiln_scalar("rates", 0.125)};
    const kiln_arg twice[] = {kiln_scalar("step", 1), kiln_scalar("step", 1)};
    const kiln_arg not_whole[] = {kiln_scalar("step", 0), kiln_scalar("rate", 0.125)};
    test_refused(kiln_run_plan(prepared, test_queue, good, 1, 0, NULL, NULL), KILN_INVALID_LAUNCH,
                 "scalar rate is missing");
    test_refused(kiln_run_plan(prepared, test_queue, wrong, 2, 0, NULL, NULL), KILN_INVALID_LAUNCH,
                 "no scalar `rates'|did you mean `rate'");
    test_refused(kiln_run_plan(prepared, test_queue, twice, 2, 0, NULL, NULL), KILN_INVALID_LAUNCH,
                 "step is given twice");
    test_refused(kiln_run_plan(prepared, test_queue, not_whole, 2, 0, NULL, NULL),
                 KILN_INVALID_LAUNCH, "launch 5|step=0");
    test_refused(kiln_run_plan(prepared, NULL, good, 2, 0, NULL, NULL), KILN_INVALID_ARGUMENT,
                 "queue");
    test_refused(kiln_run_plan(prepared, test_queue, good, 2, 1, NULL, NULL), KILN_INVALID_ARGUMENT,
                 "wait_list");
    test_refused(kiln_prepared_tensor(prepared, "biass", &place), KILN_INVALID_ARGUMENT,
                 "biass|did you mean `bias'");
    test_refused(kiln_read_tensor(prepared, test_queue, "y", data, sizeof data),
                 KILN_INVALID_ARGUMENT, "y has 768 bytes, not 16");
    test_refused(kiln_time_plan(prepared, test_queue_out_of_order, good, 2, seconds),
                 KILN_INVALID_ARGUMENT, "profile");
    test_ok(kiln_prepared_tensor(prepared, "y", &place));
    ck_assert(place.rows == 8 && place.row_bytes == 96 && place.row_stride == 96);
    test_ok(kiln_time_plan(prepared, test_queue, good, 2, seconds));
    for (size_t i = 0; i < kiln_plan_num_launches(plan); i++)
        ck_assert_msg(seconds[i] > 0 && seconds[i] < 60, "launch %zu took %g s", i, seconds[i]);
    kiln_release_prepared_plan(prepared);
    kiln_release_plan(plan);
}
END_TEST

START_TEST(test_rates)
{
    kiln_device_rates rates;
    test_refused(kiln_measure_rates(test_context, NULL, KILN_F32, &rates), KILN_INVALID_ARGUMENT,
                 "queue");
    if (test_quick())
        return;
    test_ok(kiln_measure_rates(test_context, test_queue, KILN_F32, &rates));
    ck_assert_msg(rates.copy_bytes > 1e7 && rates.product_flops > 1e7 &&
                      rates.elementwise_flops > 1e6 && rates.launch_s > 0 && rates.launch_s < 1 &&
                      rates.tile_columns >= 8,
                  "%g %g %g %g %lld", rates.copy_bytes, rates.product_flops,
                  rates.elementwise_flops, rates.launch_s, (long long)rates.tile_columns);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("plans");
    TCase *tcase = tcase_create("plans");
    tcase_add_test(tcase, test_tensors);
    tcase_add_test(tcase, test_launches);
    tcase_add_test(tcase, test_parts);
    tcase_add_test(tcase, test_fusion_names);
    tcase_add_test(tcase, test_models);
    tcase_add_test(tcase, test_too_large);
    tcase_add_loop_test(tcase, test_layout, 0, 20);
    tcase_add_test(tcase, test_in_place);
    tcase_add_test(tcase, test_cost);
    tcase_add_test(tcase, test_decision);
    tcase_add_test(tcase, test_counts);
    tcase_add_test(tcase, test_large_model);
    tcase_add_loop_test(tcase, test_run_small, 0, 3);
    tcase_add_test(tcase, test_run_refusals);
    tcase_add_test(tcase, test_rates);
    suite_add_tcase(s, tcase);
    return s;
}

int main(void)
{
    test_open();
    int result = test_main(suite());
    test_close();
    return result;
}
