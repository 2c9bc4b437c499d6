/* The CPU's exponentials (templates/exp_vector.cl) by themselves, over all of their range, against
 * libm in double. */
#include "support.h"
#include "template.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { VALUES = 1 << 22 };

static const char kernel_text[] =
    "\n__kernel void both(__global const float *x, __global float *e, __global float *two)\n"
    "{\n"
    "    const size_t i = get_global_id(0);\n"
    "    vstore16(exp_below16(vload16(i, x)), i, e);\n"
    "    vstore16(exp2_near16(vload16(i, x)), i, two);\n"
    "}\n";

static float *x, *e, *two;

static cl_program build(void)
{
    kiln_env env;
    kiln_env_init(&env, NULL);
    test_ok(kiln_env_int(&env, "W", 16));
    test_ok(kiln_env_int(&env, "CPU", 1));
    kiln_template_params params = {NULL, &env, NULL, 0};
    kiln_text text = {0};
    kiln_text_add(&text, "typedef float16 vec16;\n");
    test_ok(kiln_template_expand(&params, "exp_vector.cl", &text));
    kiln_text_add(&text, kernel_text);
    ck_assert(!text.failed);
    const char *source = text.data;
    cl_device_id device = kiln_context_device(test_context);
    cl_program program =
        clCreateProgramWithSource(kiln_context_cl(test_context), 1, &source, NULL, NULL);
    ck_assert_int_eq(clBuildProgram(program, 1, &device, "", NULL, NULL), CL_SUCCESS);
    kiln_text_free(&text);
    kiln_env_free(&env);
    return program;
}

/* Of all of x. */
static void compute(void)
{
    cl_program program = build();
    cl_kernel kernel = clCreateKernel(program, "both", NULL);
    cl_mem buffers[3];
    const size_t bytes = VALUES * sizeof *x, global = VALUES / 16;
    for (cl_uint i = 0; i < COUNT(buffers); i++) {
        buffers[i] =
            clCreateBuffer(kiln_context_cl(test_context), CL_MEM_READ_WRITE, bytes, NULL, NULL);
        ck_assert_int_eq(clSetKernelArg(kernel, i, sizeof *buffers, &buffers[i]), CL_SUCCESS);
    }
    cl_int code = clEnqueueWriteBuffer(test_queue, buffers[0], CL_TRUE, 0, bytes, x, 0, NULL, NULL);
    code |= clEnqueueNDRangeKernel(test_queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL);
    code |= clEnqueueReadBuffer(test_queue, buffers[1], CL_TRUE, 0, bytes, e, 0, NULL, NULL);
    code |= clEnqueueReadBuffer(test_queue, buffers[2], CL_TRUE, 0, bytes, two, 0, NULL, NULL);
    ck_assert_int_eq(code, CL_SUCCESS);
    for (size_t i = 0; i < COUNT(buffers); i++)
        clReleaseMemObject(buffers[i]);
    clReleaseKernel(kernel);
    clReleaseProgram(program);
}

/* How far out is from ref, in units of the last place of ref as a float. */
static double units(double out, double ref)
{
    int exponent;
    frexp(ref, &exponent);
    return fabs(out - ref) / ldexp(1.0, exponent - 24);
}

/* A quarter evenly over -130 .. 130, the others over all exponents from 2^-149 on, of both signs.
 */
static void fill(void)
{
    for (size_t i = 0; i < VALUES; i++) {
        uint32_t bits = (uint32_t)(i * 1021);
        if (i % 4 == 0)
            x[i] = (float)(-130.0 + 260.0 * (double)i / VALUES);
        else
            memcpy(&x[i], &bits, sizeof bits);
    }
}

START_TEST(test_exponentials)
{
    double worst_e = 0, worst_two = 0;
    fill();
    compute();
    for (size_t i = 0; i < VALUES; i++) {
        const double v = (double)x[i];
        if (isnan(v)) {
            ck_assert(isnan(e[i]) && isnan(two[i]));
            continue;
        }
        if (v > -87.0 && v < 88.0) {
            const double off = units((double)e[i], exp(v));
            worst_e = off > worst_e ? off : worst_e;
        } else if (v < 0) {
            ck_assert_msg(e[i] >= 0 && e[i] <= 1.7e-38f, "exp(%g) is %g", v, (double)e[i]);
        }
        if (v > -126.0 && v < 127.0) {
            const double off = units((double)two[i], exp2(v));
            worst_two = off > worst_two ? off : worst_two;
        } else if (v < 0) {
            ck_assert_msg(two[i] >= 0 && two[i] <= 1.2e-38f, "2^%g is %g", v, (double)two[i]);
        } else {
            ck_assert_msg(two[i] > 1.69e38f, "2^%g is %g", v, (double)two[i]);
        }
        if (v > 127.6)
            ck_assert(isinf(two[i]));
        if (v < -126.6)
            ck_assert(two[i] == 0);
    }
    ck_assert_msg(worst_e < 2.3, "exp is off by %.3f units of the last place", worst_e);
    ck_assert_msg(worst_two < 3.1, "2^x is off by %.3f units of the last place", worst_two);
}
END_TEST

/* What softmax and the loss rely on. */
START_TEST(test_exact)
{
    memset(x, 0, VALUES * sizeof *x);
    x[1] = -0.0f;
    x[2] = -INFINITY;
    x[3] = NAN;
    x[4] = 1e-40f;
    x[5] = -1e-40f;
    compute();
    ck_assert(e[0] == 1.0f && e[1] == 1.0f && e[4] == 1.0f && e[5] == 1.0f);
    ck_assert(e[2] >= 0 && e[2] < 1.2e-38f && two[2] == 0);
    ck_assert(isnan(e[3]) && isnan(two[3]));
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    x = malloc(VALUES * sizeof *x);
    e = malloc(VALUES * sizeof *e);
    two = malloc(VALUES * sizeof *two);
    if (!x || !e || !two)
        return 1;
    Suite *suite = suite_create("exp");
    TCase *tests = tcase_create("exp");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, test_exponentials);
    tcase_add_test(tests, test_exact);
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    free(x);
    free(e);
    free(two);
    test_close();
    return failed;
}
