/* pack against the oracle, bit by bit, products of what it leaves, and kiln_pack. */
#include "support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const dtypes[] = {"f32", "f16", "bf16"};
static const char *const variants[] = {"vector", "simt"};

/* ---- the kernel -------------------------------------------------------------------------- */

/* Any bits at all, NaN's among them. */
static void any_bits(void *user, const reference_tensor *tensor, uint32_t *bits)
{
    (void)user;
    test_random random = {tensor->count};
    for (size_t i = 0; i < tensor->count; i++)
        bits[i] = (uint32_t)test_next(&random) & (tensor->dtype == KILN_F32 ? 0xffffffff : 0xffff);
}

START_TEST(test_moves)
{
    static const char *const shapes[] = {"n=1 k=1",    "n=64 k=16",  "n=65 k=17",
                                         "n=63 k=300", "n=200 k=15", "n=129 k=513"};
    const char *spec =
        test_format("pack n=? k=? dtype=%s layout=%s variant=%s%s", dtypes[_i % 3],
                    _i / 3 % 2 ? "nt" : "nn", variants[_i / 6], _i % 2 ? " ldb=600" : "");
    for (size_t s = 0; s < COUNT(shapes); s++)
        if (!test_run(&(test_case){.spec = spec,
                                   .args = shapes[s],
                                   .misalign = s % 2 ? (int64_t)s : -1,
                                   .bare = s == 2,
                                   .seed = s,
                                   .fill_bits = any_bits}))
            return;
}
END_TEST

START_TEST(test_literal)
{
    static const char *const specs[] = {"pack n=100 k=40 dtype=bf16", "pack n=64 k=1100 layout=nt",
                                        "pack n=7 k=9 dtype=f16 variant=simt workgroup_size=64"};
    test_run(&(test_case){.spec = specs[_i], .misalign = 1, .fill_bits = any_bits});
}
END_TEST

/* ---- products ---------------------------------------------------------------------------- */

static const char *const products[] = {
    "matmul m=? n=? k=?",
    "matmul_nt m=? n=? k=? accumulate=1 out_dtype=f32",
    "matmul_tn m=? n=? k=? ldc=300",
    "matmul_bias_gelu m=? n=? k=? approx=tanh layout=nt save_pre=1",
    "matmul_bias_residual m=? n=? k=?",
    "gelu_matmul m=? n=? k=? approx=none bias=1",
    "layernorm_matmul m=? n=? k=? bias=1 save_stats=1",
    "rmsnorm_matmul m=? n=? k=?",
    "matmul_gelu_backward m=? n=? k=? approx=tanh dbias=1",
    "qkv_projection m=? k=? heads=4 kv_heads=2 head_dim=24 bias=1",
};

/* A variant; in quick mode and but for the plain product with small tiles, which compile faster. */
static const char *variant(int i, int v)
{
    if (v == 1)
        return "variant=simt";
    return i == 0 && !test_quick() ? "variant=vector"
           : i % 2                 ? "variant=vector tile_size=32"
                                   : "variant=vector tile_size=64";
}

START_TEST(test_products)
{
    static const char *const shapes[] = {"m=3 n=129 k=17", "m=70 n=40 k=600", "m=1 n=1 k=2",
                                         "m=33 n=200 k=64", "m=1 n=70 k=300"};
    const int product = _i / 2;
    if (test_quick() && _i % 7 != 0)
        return;
    for (int d = 0; d < 3; d++) {
        const char *spec = test_format("%s dtype=%s packed=1 %s", products[product],
                                       dtypes[(d + _i) % 3], variant(product, _i % 2));
        /* Each storage for the plain product, for the others by turns. */
        if (product != 0 && d > 0)
            continue;
        for (size_t s = 0; s < (test_quick() ? 1 : COUNT(shapes)); s++) {
            char args[64];
            snprintf(args, sizeof args, "%s", shapes[s]);
            if (!strstr(spec, "n=?")) {
                char *n = strstr(args, " n=");
                const char *k = strstr(shapes[s], " k=");
                memcpy(n, k, strlen(k) + 1);
            }
            if (!test_run(&(test_case){.spec = spec,
                                       .args = args,
                                       .misalign = s % 2 ? -1 : 1,
                                       .seed = (size_t)_i * 10 + s,
                                       .once = s > 0}))
                break;
        }
    }
}
END_TEST

START_TEST(test_literal_products)
{
    static const char *const specs[] = {
        "matmul m=100 n=96 k=300 packed=1", "matmul m=1 n=100 k=80 dtype=bf16 packed=1",
        "matmul_bias_gelu m=? n=130 k=65 approx=none packed=1 dtype=f16"};
    test_run(&(test_case){
        .spec = specs[_i], .args = strchr(specs[_i], '?') ? "m=19" : "", .misalign = 1});
}
END_TEST

START_TEST(test_refusals)
{
    kiln_kernel *kernel;
    test_refused(kiln_create_kernel(test_context, "matmul m=4 n=128 k=4 packed=1 ldb=128", &kernel),
                 KILN_INVALID_SPEC, "ldb=128|packed=1");
    test_refused(kiln_create_kernel(test_context, "matmul m=4 n=4 k=4 packed=2", &kernel),
                 KILN_INVALID_SPEC, "packed=2");
    test_refused(
        kiln_create_kernel(test_context, "matmul_swiglu m=4 n=4 k=4 gate=split packed=1", &kernel),
        KILN_INVALID_SPEC, "packed");
    test_refused(kiln_create_kernel(test_context, "pack n=100 k=8 ldb=99", &kernel),
                 KILN_INVALID_SPEC, "ldb=99|100");
    test_refused(kiln_create_kernel(test_context,
                                    "pack n=4611686018427387904 k=4611686018427387904", &kernel),
                 KILN_INVALID_SPEC, "");
}
END_TEST

/* ---- kiln_pack --------------------------------------------------------------------------- */

enum { M = 21, N = 150, K = 83, SKIPPED = 5 };

static cl_mem buffer_of(size_t count, const float *values)
{
    cl_int code;
    cl_mem buffer = clCreateBuffer(kiln_context_cl(test_context),
                                   CL_MEM_READ_WRITE | (values ? CL_MEM_COPY_HOST_PTR : 0),
                                   count * sizeof(float), (void *)values, &code);
    ck_assert_int_eq(code, CL_SUCCESS);
    return buffer;
}

static void multiply(const char *spec, cl_mem a, kiln_arg b, cl_mem c, float *result)
{
    kiln_kernel *kernel;
    test_ok(kiln_create_kernel(test_context, spec, &kernel));
    const kiln_arg args[] = {kiln_buffer("a", a), b, kiln_buffer("c", c)};
    test_ok(kiln_launch(kernel, test_queue, args, 3, 0, NULL, NULL));
    ck_assert_int_eq(clEnqueueReadBuffer(test_queue, c, CL_TRUE, 0, sizeof(float) * M * N, result,
                                         0, NULL, NULL),
                     CL_SUCCESS);
    kiln_release_kernel(kernel);
}

/* Weights at an offset, packed on another queue behind an event; the product is that of b as it
 * was, to the last bit. */
START_TEST(test_call)
{
    float *a = calloc((size_t)M * K, sizeof *a), *b = calloc((size_t)N * K + SKIPPED, sizeof *b);
    float *plain = calloc((size_t)M * N, sizeof *plain),
          *same = calloc((size_t)M * N, sizeof *same);
    test_random random = {3};
    ck_assert(a && b && plain && same);
    for (int i = 0; i < M * K; i++)
        a[i] = (float)test_normal(&random);
    for (int i = 0; i < N * K + SKIPPED; i++)
        b[i] = (float)test_normal(&random);
    cl_mem buffers[] = {buffer_of((size_t)M * K, a), buffer_of((size_t)N * K + SKIPPED, b),
                        buffer_of((size_t)M * N, NULL)};
    const kiln_arg weights = kiln_buffer_at("b", buffers[1], SKIPPED * sizeof(float));
    multiply(test_format("matmul_nt m=%d n=%d k=%d", M, N, K), buffers[0], weights, buffers[2],
             plain);
    cl_event start = clCreateUserEvent(kiln_context_cl(test_context), NULL), packing;
    cl_mem packed;
    test_ok(kiln_pack(test_context, test_queue_out_of_order,
                      &(kiln_pack_params){.n = N, .k = K, .layout = KILN_LAYOUT_NT}, weights, 1,
                      &start, &packing, &packed));
    size_t bytes;
    clGetMemObjectInfo(packed, CL_MEM_SIZE, sizeof bytes, &bytes, NULL);
    ck_assert_uint_eq(bytes, sizeof(float) * 3 * 96 * 64);
    clSetUserEventStatus(start, CL_COMPLETE);
    ck_assert_int_eq(clWaitForEvents(1, &packing), CL_SUCCESS);
    multiply(test_format("matmul m=%d n=%d k=%d packed=1", M, N, K), buffers[0],
             kiln_buffer("b", packed), buffers[2], same);
    ck_assert_mem_eq(plain, same, sizeof(float) * M * N);
    clReleaseEvent(start);
    clReleaseEvent(packing);
    clReleaseMemObject(packed);
    for (size_t i = 0; i < COUNT(buffers); i++)
        clReleaseMemObject(buffers[i]);
    free(a);
    free(b);
    free(plain);
    free(same);
}
END_TEST

START_TEST(test_call_refusals)
{
    cl_mem b = buffer_of(100, NULL), packed;
    const kiln_pack_params good = {.n = 10, .k = 10};
    const kiln_arg weights = kiln_buffer("b", b);
#define PACK(context, queue, params, arg, to)                                                      \
    kiln_pack(context, queue, params, arg, 0, NULL, NULL, to)
    test_refused(PACK(NULL, test_queue, &good, weights, &packed), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(PACK(test_context, NULL, &good, weights, &packed), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(PACK(test_context, test_queue, NULL, weights, &packed), KILN_INVALID_ARGUMENT,
                 "NULL");
    test_refused(PACK(test_context, test_queue, &good, weights, NULL), KILN_INVALID_ARGUMENT,
                 "NULL");
    kiln_pack_params open = good;
    open.k = KILN_LAUNCH_TIME;
    test_refused(PACK(test_context, test_queue, &open, weights, &packed), KILN_INVALID_ARGUMENT,
                 "KILN_LAUNCH_TIME");
    kiln_pack_params large = good;
    large.n = 11;
    packed = b;
    test_refused(PACK(test_context, test_queue, &large, weights, &packed), KILN_INVALID_LAUNCH,
                 "b|400");
    ck_assert_ptr_null(packed);
    test_refused(PACK(test_context, test_queue, &good, kiln_buffer("x", b), &packed),
                 KILN_INVALID_LAUNCH, "x");
    /* A petabyte: no buffer, or, where memory is only reserved, too small a b. */
    kiln_pack_params huge = {.n = 1 << 24, .k = 1 << 24};
    packed = b;
    kiln_status status = PACK(test_context, test_queue, &huge, weights, &packed);
    ck_assert(status == KILN_OPENCL_ERROR || status == KILN_INVALID_LAUNCH);
    ck_assert_ptr_null(packed);
    clReleaseMemObject(b);
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("pack");
    TCase *tests = tcase_create("pack");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, test_moves, 0, 12);
    tcase_add_loop_test(tests, test_literal, 0, 3);
    tcase_add_loop_test(tests, test_products, 0, 2 * COUNT(products));
    tcase_add_loop_test(tests, test_literal_products, 0, 3);
    tcase_add_test(tests, test_refusals);
    tcase_add_test(tests, test_call);
    tcase_add_test(tests, test_call_refusals);
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
