/* Plans of models computed on the device: unfused against the oracle, launch by launch in double
 * precision, and fused against it too, for every set of fusions and for subsets by seed. Outputs,
 * gradients, updated parameters and moments all count. */
#include "plan_support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

typedef struct {
    const char *name;
    kiln_model_params params;
    bool few;         /* sets: none and all */
    int subsets;      /* of fusions by seed, besides the sets */
    double tolerance; /* of a tensor as a whole */
} model;

/* Each spec costs a compilation: most sizes are equal in all models but `llama', where all differ.
 */
static const model models[] = {
    {"gpt",
     {.layers = 2,
      .batch = 2,
      .seq = 24,
      .hidden = 64,
      .ffn = 64,
      .heads = 4,
      .vocab = 64,
      .max_positions = 64,
      .activation = "gelu_tanh",
      .norm = "layernorm",
      .bias = "all",
      .positions = "learned",
      .tied = 1,
      .backward = 1,
      .update = 1,
      .keep_gradients = 1},
     false,
     2,
     2e-5},
    {"llama",
     {.layers = 1,
      .batch = 1,
      .seq = 13,
      .hidden = 40,
      .ffn = 56,
      .heads = 3,
      .kv_heads = 1,
      .head_dim = 16,
      .vocab = 37,
      .activation = "swiglu",
      .norm = "rmsnorm",
      .bias = "qkv",
      .positions = "rope",
      .rope_theta = 5e5,
      .unit_offset = 1,
      .backward = 1},
     false,
     2,
     2e-5},
    {"parallel",
     {.batch = 2,
      .seq = 9,
      .hidden = 48,
      .ffn = 48,
      .heads = 2,
      .activation = "gelu_erf",
      .norm = "layernorm",
      .bias = "all",
      .positions = "rope",
      .rope_style = "gptj",
      .rotary_dim = 8,
      .parallel = 1,
      .backward = 1},
     true,
     1,
     2e-5},
    {"one norm",
     {.batch = 1,
      .seq = 17,
      .hidden = 32,
      .ffn = 32,
      .heads = 4,
      .kv_heads = 2,
      .activation = "swiglu",
      .norm = "layernorm",
      .positions = "alibi",
      .softcap = 20,
      .parallel = 2,
      .backward = 1},
     true,
     1,
     2e-5},
    {"bf16",
     {.batch = 2,
      .seq = 16,
      .hidden = 64,
      .ffn = 64,
      .heads = 4,
      .dtype = KILN_BF16,
      .activation = "gelu_tanh",
      .norm = "layernorm",
      .bias = "all",
      .backward = 1,
      .update = 1,
      .keep_gradients = 1},
     true,
     0,
     3e-2},
    {"forward",
     {.layers = 1,
      .batch = 2,
      .seq = 24,
      .hidden = 64,
      .ffn = 64,
      .heads = 4,
      .vocab = 64,
      .max_positions = 64,
      .activation = "gelu_tanh",
      .norm = "layernorm",
      .bias = "all",
      .positions = "learned"},
     false,
     2,
     2e-5},
};

static const kiln_arg *step_scalars(const kiln_plan *plan, size_t *count)
{
    static const struct {
        const char *name;
        double value;
    } all[] = {{"grad_scale", 0.5}, {"max_norm", 1.5},     {"lr", 0.02},  {"beta1", 0.9},
               {"beta2", 0.95},     {"weight_decay", 0.1}, {"eps", 1e-3}, {"step", 3}};
    static kiln_arg args[COUNT(all)];
    const char *name;
    *count = 0;
    for (size_t i = 0; (name = kiln_plan_scalar(plan, i)); i++)
        for (size_t s = 0; s < COUNT(all); s++)
            if (strcmp(all[s].name, name) == 0)
                args[(*count)++] = kiln_scalar(all[s].name, all[s].value);
    return args;
}

/* Every tensor that the caller may see after a run. */
static void compare(const model *m, const char *fusions, const plan_values *wanted,
                    kiln_prepared_plan *prepared, cl_command_queue queue)
{
    for (size_t i = 0; i < wanted->plan->num_tensors; i++) {
        const kiln_plan_tensor *tensor = &wanted->plan->tensors[i];
        if (tensor->role == KILN_ROLE_TEMPORARY || tensor->role == KILN_ROLE_INPUT)
            continue;
        double *got = plan_read(prepared, queue, tensor);
        double off = plan_distance(got, wanted->of[i], tensor->elements);
        ck_assert_msg(off <= m->tolerance, "%s, %s: %s is off by %g, over %g", m->name, fusions,
                      tensor->name, off, m->tolerance);
        free(got);
    }
}

static void run_fused(const model *m, const char *fusions, const plan_values *start,
                      const plan_values *wanted, cl_command_queue queue)
{
    kiln_plan *plan;
    kiln_prepared_plan *prepared;
    size_t num_scalars;
    test_ok(kiln_create_model_plan(&m->params, &plan));
    test_ok(kiln_plan_fuse(plan, fusions, NULL, 0));
    test_ok(kiln_prepare_plan(test_context, plan, &prepared));
    plan_write(prepared, queue, start);
    const kiln_arg *scalars = step_scalars(plan, &num_scalars);
    test_ok(kiln_run_plan(prepared, queue, scalars, num_scalars, 0, NULL, NULL));
    compare(m, fusions, wanted, prepared, queue);
    kiln_release_prepared_plan(prepared);
    kiln_release_plan(plan);
}

/* Names by the bits of `which`, separated by commas. */
static const char *subset(uint64_t which)
{
    static char text[512];
    const char *name;
    text[0] = '\0';
    for (size_t i = 0; (name = kiln_fusion_name(i)); i++)
        if (which >> i & 1 && kiln_row_find(name))
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", *text ? "," : "",
                     name);
    return *text ? text : "none";
}

START_TEST(test_model)
{
    const model *m = &models[_i];
    static const char *const sets[] = {"none", "top3", "top5", "all"};
    kiln_plan *plan;
    plan_values start, wanted;
    size_t num_scalars;
    test_random random = {test_seed(m->name)};
    if (test_quick() && _i != 2)
        return;
    test_ok(kiln_create_model_plan(&m->params, &plan));
    plan_fill(plan, 7, &start);
    plan_fill(plan, 7, &wanted);
    const kiln_arg *scalars = step_scalars(plan, &num_scalars);
    plan_oracle(&wanted, scalars, num_scalars);
    for (size_t s = 0; s < COUNT(sets); s++)
        if (test_quick() ? s == 3 : !m->few || s == 0 || s == 3)
            run_fused(m, sets[s], &start, &wanted, s % 2 ? test_queue_out_of_order : test_queue);
    for (int s = 0; s < m->subsets && !test_quick(); s++)
        run_fused(m, subset(test_next(&random)), &start, &wanted, test_queue);
    plan_free(&start);
    plan_free(&wanted);
    kiln_release_plan(plan);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("plans of models");
    TCase *tcase = tcase_create("models");
    tcase_add_loop_test(tcase, test_model, 0, (int)COUNT(models));
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
