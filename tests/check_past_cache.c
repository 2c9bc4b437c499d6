/* Launches whose outputs are so large that they go past the cache (STREAMS in generate.c), against
 * the oracle: whole lines and ragged ones, aligned and not, in place, of launch-time and literal
 * sizes. */
#include "support.h"
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* 32 MiB of outputs at least, of each storage. */
static const struct {
    const char *spec, *wide, *narrow;
} cases[] = {
    {"residual_add m=? n=?", "m=4096 n=2048", "m=4096 n=4096"},
    {"residual_add m=? n=?", "m=2801 n=2999", "m=4099 n=4101"},
    {"gelu approx=none m=? n=?", "m=4096 n=2048", "m=4096 n=4096"},
    {"swiglu_backward layout=split m=? n=?", "m=1024 n=4112", "m=2048 n=4112"},
    {"swiglu_backward layout=interleaved m=? n=?", "m=1027 n=4099", "m=2051 n=4099"},
    {"dropout m=? n=?", "m=2801 n=2999 p=0.3 seed=5 offset=2",
     "m=4096 n=4096 p=0.3 seed=5 offset=2"},
    {"softmax batch=? m=? n=?", "batch=2 m=1024 n=4096", "batch=2 m=2048 n=4096"},
    {"layernorm m=? n=?", "m=2048 n=4100", "m=4096 n=4100"},
    {"rmsnorm m=? n=?", "m=2048 n=4096", "m=4096 n=4096"},
    {"softmax_backward batch=? m=? n=?", "batch=2 m=1031 n=4099", "batch=2 m=2048 n=4096"},
    {"layernorm_backward m=? n=?", "m=2048 n=4096", "m=4097 n=4099"},
    {"rmsnorm_backward m=? n=?", "m=2049 n=4097", "m=4096 n=4096"},
    {"transpose batch=? m=? n=?", "batch=2 m=2048 n=2064", "batch=2 m=4096 n=2080"},
    {"transpose batch=? m=? n=?", "batch=1 m=2801 n=2999", "batch=1 m=4099 n=4111"},
    {"softmax batch=1 m=2048 n=4096", "", NULL},
    {"softmax batch=1 m=100 n=84001 causal=1 scale=-0.5", "", NULL},
};

static const struct {
    const char *spec, *args, *in_place;
} in_place[] = {
    {"residual_add m=? n=?", "m=4096 n=2048", "y=residual"},
    {"dropout m=? n=?", "m=4096 n=2048 p=0.5 seed=1 offset=3", "y=x"},
    {"softmax batch=? m=? n=?", "batch=1 m=2048 n=4096", "y=x"},
    {"softmax batch=1 m=2048 n=4096", "", "y=x"},
};

static const char *const dtypes[] = {"f32", "f16", "bf16"};

START_TEST(test_large)
{
    const int c = _i / 2, narrow = _i % 2;
    const int dtype = narrow ? 1 + c / 2 % 2 : 0;
    const char *args = narrow ? cases[c].narrow : cases[c].wide;
    if (!args || (test_quick() && (narrow || c % 3 > 0)) || (narrow && c % 2 == 0))
        return;
    /* By turns: both alignments in f32, or one and another storage; the oracle takes seconds. */
    for (int i = 0; i < (test_quick() || c % 2 ? 1 : 2); i++)
        test_run(&(test_case){.spec = test_format("%s dtype=%s", cases[c].spec, dtypes[dtype]),
                              .args = args,
                              .misalign = narrow ? c / 2 % 2 : i,
                              .bare = narrow ? c / 2 % 2 == 0 : i == 0,
                              .once = i == 1});
}
END_TEST

START_TEST(test_in_place)
{
    if (test_quick() && _i > 0)
        return;
    test_run(&(test_case){.spec = in_place[_i].spec,
                          .args = in_place[_i].args,
                          .in_place = in_place[_i].in_place,
                          .bare = true});
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("past_cache");
    TCase *tests = tcase_create("past_cache");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, test_large, 0, 2 * (int)COUNT(cases));
    tcase_add_loop_test(tests, test_in_place, 0, (int)COUNT(in_place));
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
