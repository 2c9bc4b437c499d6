/* Fusion place by place: which launches give way to which, what is kept, moved or left alone; and
 * that the numbers stay the oracle's. */
#include "plan_support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* x, r, w, g: 16x16; b, gamma, beta: 16. Whatever else is written is a temporary, names in capitals
 * are outputs. */
typedef struct {
    const char *name, *fusions;
    const char *launches[8]; /* "SPEC; ARGS" without dimensions and dtype, which all have */
    const char *wanted;      /* kernels in order */
    const char *says;        /* parts of all specs and arguments, separated by '|' */
    const char *note;        /* part of a note, NULL: there is none */
} place;

#define DIMS "m=16 n=16"
#define CUBE "m=16 n=16 k=16"

static const place places[] = {
    {"a chain",
     "matmul_bias_gelu",
     {"matmul " CUBE "; a=x b=w c=c", "bias_add " DIMS "; x=c bias=b y=u",
      "gelu " DIMS " approx=tanh; x=u y=Y"},
     "matmul_bias_gelu",
     "approx=tanh|a=x b=w bias=b c=Y",
     NULL},
    {"nt",
     "matmul_bias_gelu",
     {"matmul_nt " CUBE "; a=x b=w c=c", "bias_add " DIMS "; x=c bias=b y=u",
      "gelu " DIMS " approx=none; x=u y=Y"},
     "matmul_bias_gelu",
     "approx=none|layout=nt",
     NULL},
    {"what goes into GELU is read later",
     "matmul_bias_gelu",
     {"matmul " CUBE "; a=x b=w c=c", "bias_add " DIMS "; x=c bias=b y=u",
      "gelu " DIMS " approx=tanh; x=u y=Y", "gelu_backward " DIMS " approx=tanh; dy=r x=u dx=Z"},
     "matmul_bias_gelu gelu_backward",
     "save_pre=1|pre=u",
     NULL},
    {"what goes into GELU is an output",
     "matmul_bias_gelu",
     {"matmul " CUBE "; a=x b=w c=c", "bias_add " DIMS "; x=c bias=b y=U",
      "gelu " DIMS " approx=tanh; x=U y=Y"},
     "matmul_bias_gelu",
     "save_pre=1|pre=U",
     NULL},
    {"the product is read elsewhere",
     "matmul_bias_gelu",
     {"matmul " CUBE "; a=x b=w c=c", "bias_add " DIMS "; x=c bias=b y=u",
      "gelu " DIMS " approx=tanh; x=u y=Y", "residual_add " DIMS "; x=c residual=r y=Z"},
     "matmul bias_add gelu residual_add",
     "",
     "c of matmul m=16|is read elsewhere"},
    {"an input changes in between",
     "matmul_bias_gelu",
     {"gelu " DIMS " approx=tanh; x=x y=t", "matmul " CUBE "; a=t b=w c=c",
      "residual_add " DIMS "; x=t residual=r y=t", "bias_add " DIMS "; x=c bias=b y=u",
      "gelu " DIMS " approx=tanh; x=u y=Y", "bias_add " DIMS "; x=t bias=b y=Z"},
     "gelu matmul residual_add bias_add gelu bias_add",
     "",
     "fits nowhere"},
    {"an option that the fused kernel has not",
     "matmul_bias_gelu",
     {"matmul " CUBE "; a=x b=g c=c", "matmul " CUBE " accumulate=1; a=x b=w c=c",
      "bias_add " DIMS "; x=c bias=b y=u", "gelu " DIMS " approx=tanh; x=u y=Y"},
     "matmul matmul bias_add gelu",
     "",
     "fits nowhere"},
    {"either side of a sum",
     "matmul_bias_residual",
     {"matmul " CUBE "; a=x b=w c=c", "bias_add " DIMS "; x=c bias=b y=u",
      "residual_add " DIMS "; x=r residual=u y=Y"},
     "matmul_bias_residual",
     "residual=r|c=Y",
     NULL},
    {"a sum of twice the same",
     "matmul_bias_residual",
     {"matmul " CUBE "; a=x b=w c=c", "bias_add " DIMS "; x=c bias=b y=u",
      "residual_add " DIMS "; x=u residual=u y=Y"},
     "matmul bias_add residual_add",
     "",
     "fits nowhere"},
    {"a norm, then a product",
     "layernorm_matmul",
     {"layernorm " DIMS " eps=0.001; x=x gamma=gamma beta=beta y=n mean=mean rstd=rstd",
      "matmul " CUBE "; a=n b=w c=Y"},
     "layernorm_matmul",
     "eps=0.001|gamma=gamma beta=beta",
     NULL},
    {"the norm's statistics are read",
     "layernorm_matmul",
     {"layernorm " DIMS "; x=x gamma=gamma beta=beta y=n mean=mean rstd=rstd",
      "matmul " CUBE "; a=n b=w c=Y", "matmul " CUBE "; a=n b=g c=Z",
      "layernorm_backward " DIMS
      "; dy=r x=x gamma=gamma mean=mean rstd=rstd dx=DX dgamma=DGAMMA dbeta=DBETA"},
     "layernorm_matmul layernorm_matmul layernorm_backward",
     "save_stats=1|mean=mean rstd=rstd",
     NULL},
    {"the norm's result is read: it is computed again",
     "layernorm_matmul",
     {"layernorm " DIMS "; x=x gamma=gamma beta=beta y=n mean=mean rstd=rstd",
      "matmul " CUBE "; a=n b=w c=Y", "matmul_tn " CUBE "; a=n b=r c=W",
      "layernorm_backward " DIMS
      "; dy=r x=x gamma=gamma mean=mean rstd=rstd dx=DX dgamma=DGAMMA dbeta=DBETA"},
     "layernorm_matmul layernorm matmul_tn layernorm_backward",
     "",
     NULL},
    {"as far as it goes",
     "layernorm_matmul",
     {"layernorm " DIMS " beta=0; x=x gamma=gamma y=n mean=mean rstd=rstd",
      "matmul " CUBE "; a=n b=w c=c", "bias_add " DIMS "; x=c bias=b y=u",
      "gelu " DIMS " approx=tanh; x=u y=Y"},
     "layernorm_matmul",
     "beta=0|bias=1|gelu=1|approx=tanh",
     NULL},
    {"not further than the kernel does",
     "layernorm_matmul",
     {"layernorm " DIMS "; x=x gamma=gamma beta=beta y=n mean=mean rstd=rstd",
      "matmul " CUBE "; a=n b=w c=c", "bias_add " DIMS "; x=c bias=b y=u",
      "gelu " DIMS " approx=tanh; x=u y=Y", "gelu_backward " DIMS " approx=tanh; dy=r x=u dx=Z"},
     "layernorm_matmul gelu gelu_backward",
     "bias=1|c=u",
     NULL},
    {"a norm in front of a fused product",
     "matmul_bias_gelu,layernorm_matmul",
     {"layernorm " DIMS "; x=x gamma=gamma beta=beta y=n mean=mean rstd=rstd",
      "matmul " CUBE "; a=n b=w c=c", "bias_add " DIMS "; x=c bias=b y=u",
      "gelu " DIMS " approx=none; x=u y=Y"},
     "layernorm_matmul",
     "bias=1|gelu=1|approx=none",
     NULL},
    {"a norm whose input changes",
     "rmsnorm_matmul",
     {"gelu " DIMS " approx=tanh; x=x y=t", "rmsnorm " DIMS "; x=t gamma=gamma y=n rstd=rstd",
      "residual_add " DIMS "; x=t residual=r y=t", "matmul " CUBE "; a=n b=w c=Y",
      "bias_add " DIMS "; x=t bias=b y=Z"},
     "gelu rmsnorm residual_add matmul bias_add",
     "",
     "fits nowhere"},
    {"GELU in front, bias behind",
     "gelu_matmul",
     {"gelu " DIMS " approx=tanh; x=x y=h", "matmul " CUBE "; a=h b=w c=c",
      "bias_add " DIMS "; x=c bias=b y=Y"},
     "gelu_matmul",
     "approx=tanh|bias=1|a=x",
     NULL},
    {"GELU is computed again",
     "gelu_matmul",
     {"gelu " DIMS " approx=tanh; x=x y=h", "matmul " CUBE "; a=h b=w c=Y",
      "matmul_tn " CUBE "; a=h b=r c=W"},
     "gelu_matmul gelu matmul_tn",
     "",
     NULL},
    {"a gated product",
     "matmul_swiglu",
     {"matmul m=16 n=32 k=16; a=x b=w2 c=u", "swiglu " DIMS " layout=split; x=u y=Y"},
     "matmul_swiglu",
     "n=16|gate=split",
     NULL},
    {"a gated product that is read later",
     "matmul_swiglu",
     {"matmul m=16 n=32 k=16; a=x b=w2 c=u", "swiglu " DIMS " layout=split; x=u y=Y",
      "swiglu_backward " DIMS " layout=split; dy=r x=u dx=DU"},
     "matmul_swiglu swiglu_backward",
     "gate=split|save_pre=1|pre=u",
     NULL},
    {"GELU's gradient and the bias's",
     "matmul_gelu_backward",
     {"matmul_nt " CUBE "; a=r b=w c=dh", "gelu_backward " DIMS " approx=tanh; dy=dh x=x dx=DU",
      "bias_backward " DIMS "; dy=DU dbias=DB"},
     "matmul_gelu_backward",
     "layout=nt|dbias=1|dbias=DB",
     NULL},
    {"GELU's gradient alone",
     "matmul_gelu_backward",
     {"matmul_nt " CUBE "; a=r b=w c=dh", "gelu_backward " DIMS " approx=tanh; dy=dh x=x dx=DU"},
     "matmul_gelu_backward",
     "layout=nt",
     NULL},
    {"a sum, then its norm",
     "residual_layernorm",
     {"residual_add " DIMS "; x=x residual=r y=s",
      "layernorm " DIMS "; x=s gamma=gamma beta=beta y=Y mean=mean rstd=rstd",
      "bias_add " DIMS "; x=s bias=b y=Z"},
     "residual_layernorm bias_add",
     "sum=s",
     NULL},
    {"a sum, then its rms norm",
     "residual_rmsnorm",
     {"residual_add " DIMS "; x=x residual=r y=s",
      "rmsnorm " DIMS " unit_offset=1; x=s gamma=gamma y=Y rstd=RSTD"},
     "residual_rmsnorm",
     "unit_offset=1|sum=s|rstd=RSTD",
     NULL},
};

static kiln_status declare(kiln_plan *plan, const char *name, size_t rank, int64_t columns,
                           kiln_role role)
{
    const int64_t extents[] = {rank == 2 ? 16 : columns, columns};
    return kiln_plan_add_tensor(plan, name, KILN_F32, rank, extents, role);
}

/* Outputs are declared by the launch that writes them: as temporaries, and then called outputs. */
static kiln_plan *make_plan(const place *p)
{
    kiln_plan *plan;
    test_ok(kiln_create_plan(&plan));
    test_ok(declare(plan, "x", 2, 16, KILN_ROLE_INPUT));
    test_ok(declare(plan, "r", 2, 16, KILN_ROLE_INPUT));
    test_ok(declare(plan, "w", 2, 16, KILN_ROLE_PARAMETER));
    test_ok(declare(plan, "g", 2, 16, KILN_ROLE_PARAMETER));
    test_ok(declare(plan, "w2", 2, 32, KILN_ROLE_PARAMETER));
    test_ok(declare(plan, "b", 1, 16, KILN_ROLE_PARAMETER));
    test_ok(declare(plan, "gamma", 1, 16, KILN_ROLE_PARAMETER));
    test_ok(declare(plan, "beta", 1, 16, KILN_ROLE_PARAMETER));
    for (size_t i = 0; i < COUNT(p->launches) && p->launches[i]; i++) {
        const char *half = strchr(p->launches[i], ';');
        test_ok(kiln_plan_append(plan,
                                 test_format("%.*s", (int)(half - p->launches[i]), p->launches[i]),
                                 half + 1, true));
    }
    for (size_t i = 0; i < plan->num_tensors; i++)
        if (plan->tensors[i].name[0] >= 'A' && plan->tensors[i].name[0] <= 'Z')
            plan->tensors[i].role = KILN_ROLE_OUTPUT;
    return plan;
}

static void check_launches(const kiln_plan *plan, const place *p)
{
    char kernels[512] = "", all[8192] = "";
    for (size_t i = 0; i < kiln_plan_num_launches(plan); i++) {
        kiln_plan_launch_info info;
        test_ok(kiln_get_plan_launch_info(plan, i, NULL, &info));
        snprintf(kernels + strlen(kernels), sizeof kernels - strlen(kernels), "%s%s", i ? " " : "",
                 info.kernel);
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s %s\n", info.spec, info.args);
    }
    ck_assert_msg(strcmp(kernels, p->wanted) == 0, "%s: %s, not %s", p->name, kernels, p->wanted);
    for (const char *says = p->says; *says;) {
        size_t length = strcspn(says, "|");
        ck_assert_msg(strstr(all, test_format("%.*s", (int)length, says)), "%s: no %.*s in\n%s",
                      p->name, (int)length, says, all);
        says += length + (says[length] == '|');
    }
}

static void check_notes(const kiln_plan *plan, const place *p)
{
    const char *note = kiln_plan_note(plan, 0);
    ck_assert_msg((note != NULL) == (p->note != NULL), "%s: %s", p->name, note ? note : "no note");
    for (const char *says = p->note; says && *says;) {
        size_t length = strcspn(says, "|");
        ck_assert_msg(strstr(note, test_format("%.*s", (int)length, says)), "%s: %s", p->name,
                      note);
        says += length + (says[length] == '|');
    }
}

static void check_numbers(const kiln_plan *fused, const place *p)
{
    kiln_plan *plan = make_plan(p);
    kiln_prepared_plan *prepared;
    plan_values start, wanted;
    plan_fill(plan, 5, &start);
    plan_fill(plan, 5, &wanted);
    plan_oracle(&wanted, NULL, 0);
    test_ok(kiln_prepare_plan(test_context, fused, &prepared));
    plan_write(prepared, test_queue, &start);
    test_ok(kiln_run_plan(prepared, test_queue, NULL, 0, 0, NULL, NULL));
    for (size_t i = 0; i < plan->num_tensors; i++) {
        const kiln_plan_tensor *tensor = &plan->tensors[i];
        if (tensor->role != KILN_ROLE_OUTPUT)
            continue;
        double *got = plan_read(prepared, test_queue, tensor);
        double off = plan_distance(got, wanted.of[i], tensor->elements);
        ck_assert_msg(off <= 5e-6, "%s: %s is off by %g", p->name, tensor->name, off);
        free(got);
    }
    kiln_release_prepared_plan(prepared);
    plan_free(&start);
    plan_free(&wanted);
    kiln_release_plan(plan);
}

START_TEST(test_fusion_at)
{
    const place *p = &places[_i];
    char first[64];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(p->fusions, ","), p->fusions);
    if (!kiln_row_find(first))
        return;
    kiln_plan *plan = make_plan(p);
    test_ok(kiln_plan_fuse(plan, p->fusions, NULL, 0));
    check_launches(plan, p);
    check_notes(plan, p);
    if (!test_quick())
        check_numbers(plan, p);
    kiln_release_plan(plan);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("fusion of plans");
    TCase *tcase = tcase_create("places");
    tcase_add_loop_test(tcase, test_fusion_at, 0, (int)COUNT(places));
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
