/* What is done for NVIDIA's driver, as far as it can be seen without one. */
#include "nvidia.h"
#include "support.h"
#include <stdio.h>

static void check_pass(const char *ptx, const char *expected)
{
    kiln_text out = {0};
    kiln_nvidia_pass(ptx, &out);
    ck_assert(!out.failed);
    ck_assert_str_eq(out.data ? out.data : "", expected);
    kiln_text_free(&out);
}

START_TEST(test_pass)
{
    check_pass("", "");
    check_pass(".version 9.0\n.target sm_90, texmode_independent\n.reqntid 384, 1, 1\n",
               ".version 9.0\n.target sm_90a, texmode_independent\n.reqntid 384, 1, 1\n");
    check_pass(".target sm_90a\n", ".target sm_90a\n");
    /* Comments of others stay. */
    check_pass("/* a */ /*@sm_90a wgmma.fence; @*/ /*@ b @ */",
               "/* a */  wgmma.fence;  /*@ b @ */");
    check_pass("/*@sm_90a one; @*//*@sm_90a two; @*/", " one;  two; ");
}
END_TEST

/* A bound for each entry, of the registers that a multiprocessor has. */
START_TEST(test_registers)
{
    check_pass(".reqntid 384, 1, 1\n{ /*@sm_90a setmaxnreg.dec.sync.aligned.u32 88; @*/ }\n"
               ".reqntid 512, 1, 1\n",
               ".maxnreg 168\n.reqntid 384, 1, 1\n{  setmaxnreg.dec.sync.aligned.u32 88;  }\n"
               ".maxnreg 128\n.reqntid 512, 1, 1\n");
}
END_TEST

START_TEST(test_marks)
{
    ck_assert(kiln_nvidia_is_marked("asm(\"/*@sm_90a x; @*/\")"));
    ck_assert(!kiln_nvidia_is_marked("/* sm_90a */"));
}
END_TEST

/* Where there is no such chip nothing is found, and the local memory that is reported counts. */
START_TEST(test_facts)
{
    const kiln_facts *facts = &test_context->facts;
    if (facts->sm) {
        ck_assert_int_ge(facts->static_local, facts->local_mem);
        ck_assert(facts->sm_a == 0 || facts->sm_a == 1);
    } else {
        ck_assert_int_eq(facts->sm_a, 0);
        ck_assert_int_eq(facts->static_local, facts->local_mem);
    }
}
END_TEST

/* A device that has the chip's facts, and whose compiler takes no PTX: the kernel is made all the
 * same. */
START_TEST(test_refused)
{
    kiln_context *context;
    kiln_kernel *kernel;
    kiln_kernel_info info;
    const kiln_context_params params = {.device = kiln_context_device(test_context)};
    test_ok(kiln_create_context(&params, &context));
    if (context->facts.sm == 0) {
        context->facts.cpu = false;
        context->facts.sm = 90;
        context->facts.sm_a = 1;
        context->facts.static_local = 231424;
        test_ok(kiln_create_kernel(context, "matmul m=100 n=70 k=96 dtype=bf16", &kernel));
        test_ok(kiln_get_kernel_info(kernel, &info));
        ck_assert_str_ne(info.variant, "wgmma");
        kiln_release_kernel(kernel);
        ck_assert_int_eq(
            kiln_create_kernel(context, "matmul m=100 n=70 k=96 dtype=bf16 variant=wgmma", &kernel),
            KILN_BUILD_FAILED);
    }
    kiln_release_context(context);
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("nvidia");
    TCase *tests = tcase_create("nvidia");
    tcase_add_test(tests, test_pass);
    tcase_add_test(tests, test_registers);
    tcase_add_test(tests, test_marks);
    tcase_add_test(tests, test_facts);
    tcase_add_test(tests, test_refused);
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
