/* grad_norm and adamw against the oracle, over several steps too, and what scalars are refused. */
#include "support.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const dtypes[] = {"f32", "f16", "bf16"};
static const char *const variants[] = {"vector", "simt"};
static const int sizes[] = {1, 15, 17, 64, 100, 4099, 16384, 16449, 70001};

static bool runs(int i)
{
    return !test_quick() || i == 3;
}

/* ---- grad_norm --------------------------------------------------------------------------- */

/* What g holds besides N(0,1). */
typedef struct {
    size_t at;
    double value, scale;
} spot;

static void fill_norm(void *user, const reference_tensor *tensor, double *values)
{
    const spot *s = user;
    test_fill_normal(3, tensor, values);
    if (strcmp(tensor->name, "sumsq") == 0) {
        values[0] = 2.5;
        return;
    }
    for (size_t i = 0; s && i < tensor->count; i++)
        values[i] = i == s->at % tensor->count && s->value != 0 ? s->value : values[i] * s->scale;
}

START_TEST(test_norm)
{
    if (!runs(_i))
        return;
    for (int accumulate = 0; accumulate < 2; accumulate++)
        for (size_t s = 0; s < COUNT(sizes); s++)
            if (!test_run(&(test_case){
                    .spec = test_format("grad_norm n=? dtype=%s accumulate=%d variant=%s",
                                        dtypes[_i / 2], accumulate, variants[_i % 2]),
                    .args = test_format("n=%d max_norm=%g", sizes[s], s % 2 ? 1.0 : 100.0),
                    .seed = s,
                    .misalign = -1,
                    .out_of_order = s % 3 == 1,
                    .fill = fill_norm}))
                return;
}
END_TEST

START_TEST(test_norm_specials)
{
    static spot spots[] = {{70000, NAN, 1}, {0, INFINITY, 1}, {16400, -INFINITY, 1}, {0, 0, 1e18},
                           {0, 0, 1e-3},    {5, 1e20, 1},     {40000, 1e4, 1e-2},    {0, 0, 0}};
    if (!runs(_i + 2))
        return;
    for (size_t s = 0; s < COUNT(spots); s++)
        for (int accumulate = 0; accumulate < 2; accumulate++)
            if (!test_run(
                    &(test_case){.spec = test_format("grad_norm n=? accumulate=%d variant=%s",
                                                     accumulate, variants[_i]),
                                 .args = test_format("n=70001 max_norm=%g", s == 4 ? 0.0 : 2.0),
                                 .misalign = 1,
                                 .fill = fill_norm,
                                 .user = &spots[s]}))
                return;
}
END_TEST

/* Equal summands are rounded alike, time after time: the worst that a chain of sums can meet. */
static void fill_equal(void *user, const reference_tensor *tensor, double *values)
{
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = *(const double *)user;
}

START_TEST(test_norm_long)
{
    static double equal = 0.1;
    static const char *const specs[] = {"grad_norm n=4000037 variant=vector",
                                        "grad_norm n=4000037 variant=simt"};
    if (!test_quick())
        test_run(&(test_case){.spec = specs[_i],
                              .args = "max_norm=1",
                              .misalign = 1,
                              .fill = fill_equal,
                              .user = &equal});
}
END_TEST

/* ---- steps in a row ---------------------------------------------------------------------- */

/* What was written is what the next launch reads. */
static void carry_on(test_launch *launch)
{
    for (size_t i = 0; i < launch->num_tensors; i++) {
        test_tensor *t = &launch->tensors[i];
        for (size_t e = 0; e < t->dense.count; e++) {
            t->dense.match[e] = REFERENCE_NEAR;
            t->dense.terms[e] = 0;
            if (t->info.is_input && t->info.is_output) {
                t->dense.bits[e] = test_bits(t, t->after, e);
                t->dense.values[e] = test_element(t, t->after, e);
            }
        }
        if (t->info.is_input && t->info.is_output)
            memcpy(t->before, t->after, t->size);
    }
}

static bool start(test_case *c, test_launch *launch)
{
    kiln_kernel *kernel;
    kiln_status status = kiln_create_kernel(test_context, c->spec, &kernel);
    if (status == KILN_UNSUPPORTED)
        return false;
    ck_assert_msg(status == KILN_OK, "%s: %s", c->spec, kiln_last_error());
    test_prepare(c, kernel, launch);
    return true;
}

static void once(test_launch *launch)
{
    test_execute(launch);
    test_check_untouched(launch, false);
    test_check_values(launch);
}

/* Three tensors into one sum: here the same one thrice. */
START_TEST(test_norm_of_three)
{
    test_launch launch;
    test_case c = {.spec = test_format("grad_norm n=? accumulate=1 variant=%s", variants[_i]),
                   .args = "n=1000 max_norm=3",
                   .misalign = 1,
                   .fill = fill_norm};
    if (!start(&c, &launch))
        return;
    double before = 2.5, after[3];
    for (int i = 0; i < 3; i++) {
        once(&launch);
        const test_tensor *sumsq = test_find(&launch, "sumsq");
        after[i] = test_element(sumsq, sumsq->after, 0);
        carry_on(&launch);
    }
    ck_assert(fabs(after[2] - before - 3 * (after[0] - before)) < 1e-5 * after[2]);
    test_discard(&launch);
}
END_TEST

/* ---- adamw ------------------------------------------------------------------------------- */

static void fill_adamw(void *user, const reference_tensor *tensor, double *values)
{
    test_fill_normal(7, tensor, values);
    for (size_t i = 0; i < tensor->count; i++)
        if (strcmp(tensor->name, "v") == 0)
            values[i] = values[i] * values[i];
    if (strcmp(tensor->name, "clip") == 0)
        values[0] = user ? *(const double *)user : 0.37;
    /* What a clip of 0 has to keep out. */
    if (user && strcmp(tensor->name, "g") == 0)
        for (size_t i = 0; i < tensor->count; i += 3)
            values[i] = i % 2 ? NAN : INFINITY;
}

#define HYPER "lr=0.01 beta1=0.9 beta2=0.999 eps=1e-8 weight_decay=0.1"

static const char *const forms[] = {"",
                                    "clip=1",
                                    "param_out=1",
                                    "clip=1 param_out=1 out_dtype=f16",
                                    "param_out=1 out_dtype=bf16",
                                    "clip=1 param_out=1"};

START_TEST(test_adamw)
{
    static const char *const steps[] = {"1", "2", "1000000", "1099511627776"};
    if (!runs(_i))
        return;
    for (size_t s = 0; s < COUNT(sizes); s++)
        if (!test_run(&(test_case){
                .spec = test_format("adamw n=? dtype=%s variant=%s %s", dtypes[_i / 2 % 3],
                                    variants[_i % 2], forms[_i / 6]),
                .args = test_format("n=%d " HYPER " step=%s", sizes[s], steps[s % COUNT(steps)]),
                .seed = s,
                .misalign = -1,
                .bare = s % 4 == 3,
                .out_of_order = s % 3 == 1,
                .fill = fill_adamw}))
            return;
}
END_TEST

START_TEST(test_adamw_literal)
{
    static const char *const specs[] = {"adamw n=1", "adamw n=4097 dtype=bf16 param_out=1",
                                        "adamw n=1000 variant=simt clip=1"};
    test_run(&(test_case){.spec = specs[_i],
                          .args = "lr=1 beta1=0 beta2=0 eps=0.5 weight_decay=0 step=3",
                          .misalign = 1,
                          .fill = fill_adamw});
}
END_TEST

/* The bits stay, whatever g holds. */
START_TEST(test_clip_zero)
{
    static double zero = 0;
    for (size_t d = 0; d < COUNT(dtypes); d++)
        test_run(&(test_case){.spec = test_format("adamw n=? dtype=%s clip=1 param_out=%d "
                                                  "variant=%s",
                                                  dtypes[d], d > 0, variants[_i]),
                              .args = "n=5003 " HYPER " step=9",
                              .misalign = 1,
                              .fill = fill_adamw,
                              .user = &zero});
}
END_TEST

START_TEST(test_adamw_steps)
{
    test_launch launch;
    test_case c = {.spec = test_format("adamw n=? dtype=bf16 param_out=1 variant=%s", variants[_i]),
                   .args = "n=777 " HYPER " step=1",
                   .misalign = 1,
                   .fill = fill_adamw};
    if (!start(&c, &launch))
        return;
    for (int step = 1; step <= 5; step++) {
        c.args = test_format("n=777 " HYPER " step=%d", step);
        for (size_t i = 0; i < launch.num_args; i++)
            if (strcmp(launch.args[i].name, "step") == 0)
                launch.args[i] = kiln_scalar_int("step", step);
        once(&launch);
        carry_on(&launch);
    }
    test_discard(&launch);
}
END_TEST

/* ---- scalars ----------------------------------------------------------------------------- */

static kiln_arg *find_arg(test_launch *launch, const char *name)
{
    for (size_t i = 0; i < launch->num_args; i++)
        if (strcmp(launch->args[i].name, name) == 0)
            return &launch->args[i];
    ck_abort_msg("no argument %s", name);
    return NULL;
}

/* The launch with one scalar in another's stead is refused, and no buffer is touched. */
static void refuse(test_launch *launch, kiln_arg bad, const char *parts)
{
    kiln_arg *arg = find_arg(launch, bad.name), good = *arg;
    *arg = bad;
    test_refused(
        kiln_launch(launch->kernel, test_queue, launch->args, launch->num_args, 0, NULL, NULL),
        KILN_INVALID_LAUNCH, parts);
    clFinish(test_queue);
    test_download(launch);
    test_check_untouched(launch, true);
    *arg = good;
}

START_TEST(test_refused_scalars)
{
    test_launch launch;
    test_case c = {.spec = "adamw n=?", .args = "n=40 " HYPER " step=1", .fill = fill_adamw};
    ck_assert(start(&c, &launch));
    test_upload(&launch);
    refuse(&launch, kiln_scalar("step", 0), "adamw: step=0: must be 1 or more");
    refuse(&launch, kiln_scalar("step", 1.5), "step=1.5: must be a whole number");
    refuse(&launch, kiln_scalar("step", 2.5), "step=2.5: must be a whole number");
    refuse(&launch, kiln_scalar("step", 1e30), "step|must be a whole number");
    refuse(&launch, kiln_scalar("step", NAN), "step|must be a whole number");
    refuse(&launch, kiln_scalar("step", -INFINITY), "step|must be a whole number");
    refuse(&launch, kiln_scalar_int("step", -3), "step=-3: must be 1 or more");
    refuse(&launch, kiln_scalar("eps", 0), "eps=0: must be positive");
    refuse(&launch, kiln_scalar("eps", 1e-60), "eps=1e-60: must be positive, and a normal f32");
    refuse(&launch, kiln_scalar("eps", -1e-8), "eps=-1e-08: must be positive");
    refuse(&launch, kiln_scalar("lr", INFINITY), "lr=inf: must be a finite number");
    refuse(&launch, kiln_scalar("lr", NAN), "lr|must be a finite number");
    refuse(&launch, kiln_scalar("lr", -1), "lr=-1: must be 0 or more");
    refuse(&launch, kiln_scalar("beta1", 1), "beta1=1: must be 0 or more and below 1");
    refuse(&launch, kiln_scalar("beta2", -0.1), "beta2=-0.1: must be 0 or more and below 1");
    refuse(&launch, kiln_scalar("weight_decay", -1), "weight_decay=-1: must be 0 or more");
    refuse(&launch, kiln_dim("lr", 1), "lr");
    /* A whole number for a real scalar is one. */
    *find_arg(&launch, "lr") = kiln_scalar_int("lr", 1);
    c.args = "n=40 lr=1 beta1=0.9 beta2=0.999 eps=1e-8 weight_decay=0.1 step=1";
    once(&launch);
    test_discard(&launch);
}
END_TEST

START_TEST(test_scalar_names)
{
    test_launch launch;
    test_case c = {.spec = "grad_norm n=?", .args = "n=40 max_norm=1"};
    ck_assert(start(&c, &launch));
    test_upload(&launch);
    refuse(&launch, kiln_scalar("max_norm", -1), "grad_norm: max_norm=-1: must be 0 or more");
    kiln_arg *max_norm = find_arg(&launch, "max_norm"), good = *max_norm;
    max_norm->name = "max_nrom";
    test_refused(
        kiln_launch(launch.kernel, test_queue, launch.args, launch.num_args, 0, NULL, NULL),
        KILN_INVALID_LAUNCH, "no argument `max_nrom'|did you mean `max_norm'");
    *max_norm = good;
    launch.args[launch.num_args] = kiln_scalar("max_norm", 2);
    test_refused(
        kiln_launch(launch.kernel, test_queue, launch.args, launch.num_args + 1, 0, NULL, NULL),
        KILN_INVALID_LAUNCH, "max_norm is given twice");
    *max_norm = launch.args[--launch.num_args];
    test_refused(
        kiln_launch(launch.kernel, test_queue, launch.args, launch.num_args, 0, NULL, NULL),
        KILN_INVALID_LAUNCH, "the argument max_norm is missing");
    launch.args[launch.num_args++] = *max_norm;
    *max_norm = good;
    once(&launch);
    test_discard(&launch);
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("optimiser");
    TCase *tests = tcase_create("optimiser");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, test_norm, 0, 6);
    tcase_add_loop_test(tests, test_norm_specials, 0, 2);
    tcase_add_loop_test(tests, test_norm_long, 0, 2);
    tcase_add_loop_test(tests, test_norm_of_three, 0, 2);
    tcase_add_loop_test(tests, test_adamw, 0, 36);
    tcase_add_loop_test(tests, test_adamw_literal, 0, 3);
    tcase_add_loop_test(tests, test_clip_zero, 0, 2);
    tcase_add_loop_test(tests, test_adamw_steps, 0, 2);
    tcase_add_test(tests, test_refused_scalars);
    tcase_add_test(tests, test_scalar_names);
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
