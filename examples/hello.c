/* The smallest program that uses kiln: one launch of c = gelu(a b + bias).
 *
 *     cc hello.c $(pkg-config --cflags --libs kiln) -o hello && ./hello
 */
#include <kiln.h>
#include <stdio.h>

enum { M = 3, N = 512, K = 256 };

static float a[M * K], b[K * N], bias[N], c[M * N];

static int fail(const char *what)
{
    fprintf(stderr, "hello: %s\n", what);
    return 1;
}

static int run(kiln_context *context, kiln_kernel *kernel, cl_command_queue queue)
{
    /* Row i of a is all i, b all 1/K, bias all 1: row i of c is gelu(i + 1). */
    for (int i = 0; i < M * K; i++)
        a[i] = (float)(i / K);
    for (int i = 0; i < K * N; i++)
        b[i] = 1.0f / K;
    for (int i = 0; i < N; i++)
        bias[i] = 1.0f;

    enum { A, B, BIAS, C, BUFFERS };
    float *host[BUFFERS] = {a, b, bias, c};
    size_t bytes[BUFFERS] = {sizeof a, sizeof b, sizeof bias, sizeof c};
    cl_mem buffers[BUFFERS] = {0};
    cl_int code = CL_SUCCESS;
    for (int i = 0; i < BUFFERS && code == CL_SUCCESS; i++)
        buffers[i] = clCreateBuffer(kiln_context_cl(context), CL_MEM_COPY_HOST_PTR, bytes[i],
                                    host[i], &code);

    kiln_status status = KILN_OK;
    if (code == CL_SUCCESS) {
        /* In any order; m, which the spec left open, comes with the launch. */
        kiln_arg args[] = {kiln_buffer("a", buffers[A]), kiln_buffer("b", buffers[B]),
                           kiln_buffer("bias", buffers[BIAS]), kiln_buffer("c", buffers[C]),
                           kiln_dim("m", M)};
        status = kiln_launch(kernel, queue, args, sizeof args / sizeof *args, 0, NULL, NULL);
    }
    if (code == CL_SUCCESS && status == KILN_OK)
        code = clEnqueueReadBuffer(queue, buffers[C], CL_TRUE, 0, sizeof c, c, 0, NULL, NULL);
    for (int i = 0; i < BUFFERS; i++)
        if (buffers[i])
            clReleaseMemObject(buffers[i]);

    if (status != KILN_OK)
        return fail(kiln_last_error());
    if (code != CL_SUCCESS)
        return fail("OpenCL could not make or read a buffer");
    printf("gelu(1), gelu(2), gelu(3): %.5f %.5f %.5f (0.84134 1.95450 2.99595 are right)\n", c[0],
           c[N + 1], c[2 * N + 2]);
    return 0;
}

int main(void)
{
    kiln_context *context = NULL;
    kiln_kernel *kernel = NULL;
    int result = 1;
    if (kiln_create_context(NULL, &context) != KILN_OK ||
        kiln_create_kernel(context, "matmul_bias_gelu m=? n=512 k=256 approx=none", &kernel) !=
            KILN_OK) {
        fail(kiln_last_error());
    } else {
        cl_command_queue queue =
            clCreateCommandQueue(kiln_context_cl(context), kiln_context_device(context), 0, NULL);
        result = queue ? run(context, kernel, queue) : fail("OpenCL could not make a queue");
        if (queue)
            clReleaseCommandQueue(queue);
    }
    kiln_release_kernel(kernel);
    kiln_release_context(context);
    return result;
}
