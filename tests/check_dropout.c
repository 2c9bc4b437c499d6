/* dropout against the oracle: masks, shares and refused chances. */
#include "support.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const dtypes[] = {"f32", "f16", "bf16"};
static const char *const variants[] = {"vector", "simt"};
static const char *const shapes[] = {
    "m=1 n=1",     "m=1 n=15",    "m=7 n=1",     "m=5 n=16",    "m=3 n=17",
    "m=1 n=31",    "m=33 n=33",   "m=127 n=3",   "m=2 n=129",   "m=16383 n=1",
    "m=1 n=70000", "m=70000 n=1", "m=701 n=100", "m=3 n=16385", "m=257 n=255",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool runs(int i)
{
    return !test_quick() || i % 7 == 0;
}

START_TEST(test_literal)
{
    static const char *const specs[] = {"dropout m=? n=101",
                                        "dropout m=3 n=30000 variant=simt dtype=f16"};
    test_run(&(test_case){
        .spec = specs[_i], .args = "m=9 p=0.3 seed=5 offset=2", .seed = 3, .misalign = 1});
}
END_TEST

/* Ones: a mask that is wrong in one place is seen. NaN and inf: what is dropped is 0. */
static void fill_ones(void *user, const reference_tensor *tensor, double *values)
{
    (void)user;
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = 1.0;
}

static void fill_nan(void *user, const reference_tensor *tensor, double *values)
{
    (void)user;
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = i % 2 ? NAN : -INFINITY;
}

START_TEST(test_dropout)
{
    static const char *const numbers[] = {
        "p=0.1 seed=1 offset=0",
        "p=0.5 seed=18446744073709551615 offset=1",
        "p=0.9 seed=81985529216486895 offset=18446744073709551611",
        "p=0 seed=3 offset=7",
        "p=0.99999994 seed=9 offset=4294967294",
        "p=0.25 seed=4294967296 offset=17179869182",
        "p=5e-10 seed=77 offset=18446744073709551615",
    };
    if (!runs(_i + 1))
        return;
    for (size_t k = 0; k < COUNT(numbers); k++)
        for (size_t s = k % 3; s < COUNT(shapes); s += 3)
            if (!test_run(&(test_case){.spec = test_format("dropout m=? n=? dtype=%s variant=%s",
                                                           dtypes[_i % 3], variants[_i / 3]),
                                       .args = test_format("%s %s", shapes[s], numbers[k]),
                                       .in_place = (k + s) % 2 ? "y=x" : NULL,
                                       .seed = s + k,
                                       .misalign = -1,
                                       .out_of_order = s % 3 == 1,
                                       .fill = k % 3 == 0   ? NULL
                                               : k % 3 == 1 ? fill_nan
                                                            : fill_ones}))
                return;
}
END_TEST

/* The share that is kept, within five standard deviations. */
START_TEST(test_dropout_share)
{
    static const double chances[] = {0.1, 0.5, 0.95};
    for (size_t k = 0; k < COUNT(chances); k++) {
        kiln_kernel *kernel;
        test_case c = {.spec = test_format("dropout m=? n=? variant=%s", variants[_i]),
                       .args = test_format("m=512 n=999 p=%g seed=%zu offset=6", chances[k], k),
                       .fill = fill_ones};
        if (kiln_create_kernel(test_context, c.spec, &kernel) != KILN_OK)
            return;
        test_launch launch;
        test_prepare(&c, kernel, &launch);
        test_execute(&launch);
        const test_tensor *y = test_find(&launch, "y");
        double kept = 0, count = (double)y->dense.count, p = chances[k];
        for (size_t i = 0; i < y->dense.count; i++)
            kept += test_element(y, y->after, i) != 0;
        ck_assert_msg(fabs(kept - (1 - p) * count) < 5 * sqrt(p * (1 - p) * count),
                      "p=%g: %g of %g are kept", p, kept, count);
        test_discard(&launch);
    }
}
END_TEST

START_TEST(test_dropout_refusals)
{
    static const struct {
        double p;
        const char *parts;
    } bad[] = {{1, "dropout: p=1: must be 0 or more, and below 1"},
               {-0.1, "p=-0.1: must be 0 or more"},
               {0.99999999, "p=0.99999999|below 1 as an f32"},
               {2, "p=2: must be"},
               {(double)NAN, "p|must be a finite number"}};
    kiln_kernel *kernel;
    test_ok(kiln_create_kernel(test_context, "dropout m=3 n=5", &kernel));
    test_case c = {.spec = "dropout m=3 n=5", .args = "p=0.5 seed=1 offset=0"};
    test_launch launch;
    test_prepare(&c, kernel, &launch);
    test_upload(&launch);
    for (size_t i = 0; i < COUNT(bad); i++) {
        for (size_t a = 0; a < launch.num_args; a++)
            if (strcmp(launch.args[a].name, "p") == 0)
                launch.args[a] = kiln_scalar("p", bad[i].p);
        test_refused(kiln_launch(kernel, test_queue, launch.args, launch.num_args, 0, NULL, NULL),
                     KILN_INVALID_LAUNCH, bad[i].parts);
    }
    test_download(&launch);
    test_check_untouched(&launch, true);
    test_discard(&launch);
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("dropout");
    TCase *tests = tcase_create("dropout");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, test_literal, 0, 2);
    tcase_add_loop_test(tests, test_dropout, 0, 6);
    tcase_add_loop_test(tests, test_dropout_share, 0, 2);
    tcase_add_test(tests, test_dropout_refusals);
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
