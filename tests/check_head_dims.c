/* Attention at every head_dim that it takes, forward and backward. */
#include "attention_support.h"
#include <stdio.h>

/* Neighbours differ in variant and storage, and so do the two kernels; sequences are known when the
 * source is made, which compiles faster, or not. Beyond 256 every other head_dim; the backward
 * pass, which takes seconds to compile, has every head_dim up to 80, and one of four beyond. */
START_TEST(test_head_dims)
{
    if ((test_quick() && _i % 13 != 7) || (_i > 32 && _i % 2 == 0))
        return;
    int kernels = _i < 10 || _i % 4 == 3 ? 2 : 1;
    for (int kernel = 0; kernel < kernels; kernel++) {
        int what = kernel + 2 * ((_i + kernel) % 2) + 4 * ((_i / 2 + kernel) % 3);
        const char *words = test_format("batch=1 seq_q=%s seq_k=35 heads=2 kv_heads=%d head_dim=%d",
                                        _i % 8 == 7 ? "?" : "13", 1 + _i / 4 % 2, 8 * (_i + 1));
        const attention_spec spec = attention_spec_of(what, words, _i % 3 ? "" : "causal=1");
        attention_run(&spec, 1, 13, 35, PLAIN);
    }
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("head dims");
    TCase *tests = tcase_create("head dims");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, test_head_dims, 0, 64);
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
