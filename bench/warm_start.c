/* From the first line of main() to the first matmul's result on the host, step by step. bench/run
 * calls it with an empty cache and then with a full one. */
#include <kiln.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIZE = 1024, MAX_STEPS = 8 };

static struct step {
    const char *name;
    double ms;
} steps[MAX_STEPS];
static size_t num_steps;
static double last;

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

static void step(const char *name)
{
    double now = milliseconds();
    steps[num_steps++] = (struct step){name, now - last};
    last = now;
}

static bool fail(const char *what)
{
    fprintf(stderr, "warm_start: %s\n", what);
    return false;
}

/* Small integers, so that every sum is exact. */
static float a_at(size_t i)
{
    return (float)((int)(i % 7) - 3);
}

static float b_at(size_t i)
{
    return (float)((int)(i % 5) - 2);
}

static bool is_right(const float *c)
{
    static const size_t places[] = {0, SIZE - 1, SIZE * (SIZE / 2) + 77, SIZE * SIZE - 1};
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        size_t row = places[p] / SIZE, column = places[p] % SIZE;
        float sum = 0;
        for (size_t k = 0; k < SIZE; k++)
            sum += a_at(row * SIZE + k) * b_at(k * SIZE + column);
        if (c[places[p]] != sum)
            return fail("the result is wrong");
    }
    return true;
}

static bool run(kiln_context **context, kiln_kernel **kernel, float *host[3], cl_mem buffers[3],
                cl_command_queue *queue)
{
    const size_t count = (size_t)SIZE * SIZE, bytes = count * sizeof(float);
    cl_int code;
    if (kiln_create_context(NULL, context) != KILN_OK)
        return fail(kiln_last_error());
    *queue =
        clCreateCommandQueue(kiln_context_cl(*context), kiln_context_device(*context), 0, &code);
    if (code != CL_SUCCESS)
        return fail("clCreateCommandQueue failed");
    step("context");

    const kiln_matmul_params params = {.m = SIZE, .n = SIZE, .k = SIZE};
    if (kiln_create_matmul_kernel(*context, &params, kernel) != KILN_OK)
        return fail(kiln_last_error());
    step("kernel");

    for (int i = 0; i < 3; i++)
        if (!(host[i] = malloc(bytes)))
            return fail("out of memory");
    for (size_t i = 0; i < count; i++) {
        host[0][i] = a_at(i);
        host[1][i] = b_at(i);
    }
    step("input");

    for (int i = 0; i < 3; i++) {
        buffers[i] =
            clCreateBuffer(kiln_context_cl(*context), CL_MEM_READ_WRITE, bytes, NULL, &code);
        if (code == CL_SUCCESS && i < 2)
            code =
                clEnqueueWriteBuffer(*queue, buffers[i], CL_TRUE, 0, bytes, host[i], 0, NULL, NULL);
        if (code != CL_SUCCESS)
            return fail("OpenCL could not make or write a buffer");
    }
    step("buffers");

    const kiln_arg args[] = {kiln_buffer("a", buffers[0]), kiln_buffer("b", buffers[1]),
                             kiln_buffer("c", buffers[2])};
    if (kiln_launch(*kernel, *queue, args, 3, 0, NULL, NULL) != KILN_OK)
        return fail(kiln_last_error());
    if (clFinish(*queue) != CL_SUCCESS)
        return fail("clFinish failed");
    step("launch");

    if (clEnqueueReadBuffer(*queue, buffers[2], CL_TRUE, 0, bytes, host[2], 0, NULL, NULL) !=
        CL_SUCCESS)
        return fail("clEnqueueReadBuffer failed");
    step("read back");
    return is_right(host[2]);
}

int main(int argc, char **argv)
{
    const double start = last = milliseconds();
    kiln_context *context = NULL;
    kiln_kernel *kernel = NULL;
    cl_command_queue queue = NULL;
    cl_mem buffers[3] = {NULL, NULL, NULL};
    float *host[3] = {NULL, NULL, NULL};
    bool raw = argc == 2 && strcmp(argv[1], "--raw") == 0;
    kiln_kernel_info info;
    if (argc > 1 && !raw) {
        fprintf(stderr, "usage: warm_start [--raw]\n");
        return 2;
    }
    bool ok = run(&context, &kernel, host, buffers, &queue);
    const double total = last - start;
    if (ok && kiln_get_kernel_info(kernel, &info) != KILN_OK)
        ok = fail(kiln_last_error());
    if (ok && raw) {
        printf("%s", info.cache == KILN_COMPILED ? "compiled" : "disk");
        for (size_t i = 0; i < num_steps; i++)
            printf("\t%.3f", steps[i].ms);
        printf("\t%.3f\n", total);
    } else if (ok) {
        for (size_t i = 0; i < num_steps; i++)
            printf("%-10s %9.2f ms%s\n", steps[i].name, steps[i].ms,
                   strcmp(steps[i].name, "kernel") != 0 ? ""
                   : info.cache == KILN_COMPILED        ? "  (compiled)"
                                                        : "  (from the disk cache)");
        printf("%-10s %9.2f ms\n", "total", total);
    }
    for (int i = 0; i < 3; i++) {
        if (buffers[i])
            clReleaseMemObject(buffers[i]);
        free(host[i]);
    }
    if (queue)
        clReleaseCommandQueue(queue);
    kiln_release_kernel(kernel);
    kiln_release_context(context);
    return ok ? 0 : 1;
}
