/* Memory-bound kernels beside two vector copies of as many bytes, taking turns in one process: a
 * plain one, and one whose stores go past the cache where the compiler can say so. See bench/run.
 * Bytes are counted once: every input read, every output written. */
#include <ctype.h>
#include <kiln.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_REPEAT = 10000, MAX_ARGS = 16, EXIT_REFUSED = 2, BLOCK = 16384 };

static const char *const specs[] = {
    "layernorm m=4096 n=4096",
    "rmsnorm m=4096 n=4096",
    "softmax batch=1 m=4096 n=4096",
    "gelu m=4096 n=4096 approx=tanh",
    "gelu m=4096 n=4096 approx=none",
    "swiglu m=4096 n=4096 layout=split",
    "residual_add m=4096 n=4096",
    "rope tokens=4096 heads=32 head_dim=128 style=neox",
    "adamw n=16777216",
    "layernorm_backward m=4096 n=4096",
    "rmsnorm_backward m=4096 n=4096",
    "softmax_backward batch=1 m=4096 n=4096",
    "gelu_backward m=4096 n=4096 approx=tanh",
    "swiglu_backward m=4096 n=4096 layout=split",
    "dropout m=4096 n=4096",
    "transpose batch=1 m=4096 n=4096",
    "bias_backward m=4096 n=4096",
    "cross_entropy tokens=512 vocab=32000 dlogits=1",
    "grad_norm n=16777216",
};

/* 16384 floats a work-item, by vectors of 16, as the CPU's variants are laid out. */
static const char copy_source[] =
    "#if defined(__has_builtin)\n"
    "#if __has_builtin(__builtin_nontemporal_store)\n"
    "#define PAST_CACHE(v, p) __builtin_nontemporal_store(v, p)\n"
    "#endif\n"
    "#endif\n"
    "#ifndef PAST_CACHE\n"
    "#define PAST_CACHE(v, p) (*(p) = (v))\n"
    "#endif\n"
    "__kernel __attribute__((reqd_work_group_size(1, 1, 1)))\n"
    "void stream(__global const float *restrict x, __global float *restrict y, const ulong count)\n"
    "{\n"
    "    const ulong first = (ulong)get_group_id(0) * 16384;\n"
    "    const ulong stop = min(first + 16384, count);\n"
    "    for (ulong i = first; i < stop; i += 16)\n"
    "        PAST_CACHE(*(__global const float16 *)(x + i), (__global float16 *)(y + i));\n"
    "}\n"
    "__kernel __attribute__((reqd_work_group_size(1, 1, 1)))\n"
    "void copy(__global const float *restrict x, __global float *restrict y, const ulong count)\n"
    "{\n"
    "    const ulong first = (ulong)get_group_id(0) * 16384;\n"
    "    const ulong stop = min(first + 16384, count);\n"
    "    for (ulong i = first; i < stop; i += 16)\n"
    "        *(__global float16 *)(y + i) = *(__global const float16 *)(x + i);\n"
    "}\n";

typedef struct bench {
    kiln_context *context;
    cl_command_queue queue;
    cl_kernel copy, stream;
    int repeat;
    bool raw; /* for bench/run: numbers between tabs, nothing else */
} bench;

typedef struct subject {
    kiln_kernel *kernel;
    kiln_arg args[MAX_ARGS];
    size_t num_args;
    cl_mem from, to; /* the copy's, of half the kernel's bytes each */
    size_t floats;
} subject;

static bool fail(const char *what)
{
    fprintf(stderr, "copy_bound: %s\n", what);
    return false;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return 0.5 * (values[(count - 1) / 2] + values[count / 2]);
}

/* ---- what is launched -------------------------------------------------------------------- */

/* Floats between -1 and 1; whole numbers below 4096, which ids, targets and positions may be. */
static bool fill(const bench *b, cl_mem buffer, size_t bytes, bool whole)
{
    float *values = malloc(bytes);
    uint32_t state = 1;
    if (!values)
        return fail("out of memory");
    for (size_t i = 0; i < bytes / sizeof *values; i++) {
        state = state * 1664525u + 1013904223u;
        int32_t id = (int32_t)(state >> 20);
        values[i] = (float)(int32_t)state * 0x1p-31f;
        if (whole)
            memcpy(&values[i], &id, sizeof id);
    }
    cl_int code = clEnqueueWriteBuffer(b->queue, buffer, CL_TRUE, 0, bytes, values, 0, NULL, NULL);
    free(values);
    return code == CL_SUCCESS || fail("clEnqueueWriteBuffer failed");
}

static cl_mem make_buffer(const bench *b, size_t bytes, bool whole)
{
    cl_int code;
    cl_mem buffer =
        clCreateBuffer(kiln_context_cl(b->context), CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (code != CL_SUCCESS || !fill(b, buffer, bytes, whole)) {
        fail("there is no buffer");
        return NULL;
    }
    return buffer;
}

static kiln_arg scalar(const kiln_arg_info *info)
{
    if (info->is_integer)
        return kiln_scalar_int(info->name, 1);
    return kiln_scalar(info->name, strcmp(info->name, "p") == 0 ? 0.1 : 0.01);
}

static bool prepare(const bench *b, const char *spec, subject *s)
{
    kiln_kernel_info about;
    kiln_arg_info info;
    kiln_cost cost;
    memset(s, 0, sizeof *s);
    if (kiln_create_kernel(b->context, spec, &s->kernel) != KILN_OK ||
        kiln_get_kernel_info(s->kernel, &about) != KILN_OK ||
        kiln_get_cost(s->kernel, NULL, 0, &cost) != KILN_OK)
        return fail(kiln_last_error());
    for (size_t i = 0; i < about.num_args && i < MAX_ARGS; i++) {
        if (kiln_get_arg_info(s->kernel, i, NULL, 0, &info) != KILN_OK)
            return fail(kiln_last_error());
        if (info.kind == KILN_ARG_SCALAR) {
            s->args[s->num_args++] = scalar(&info);
            continue;
        }
        cl_mem buffer = make_buffer(b, info.bytes, info.dtype == KILN_I32);
        s->args[s->num_args++] = kiln_buffer(info.name, buffer);
        if (!buffer)
            return false;
    }
    s->floats = (size_t)(cost.bytes / 2 / sizeof(float)) / 16 * 16;
    s->from = make_buffer(b, s->floats * sizeof(float), false);
    s->to = make_buffer(b, s->floats * sizeof(float), false);
    return s->from && s->to;
}

static void discard(subject *s)
{
    for (size_t i = 0; i < s->num_args; i++)
        if (s->args[i].kind == KILN_ARG_BUFFER && s->args[i].buffer)
            clReleaseMemObject(s->args[i].buffer);
    if (s->from)
        clReleaseMemObject(s->from);
    if (s->to)
        clReleaseMemObject(s->to);
    kiln_release_kernel(s->kernel);
}

/* ---- turns ------------------------------------------------------------------------------- */

static bool run_kernel(const bench *b, const subject *s, double *taken)
{
    double start = seconds();
    if (kiln_launch(s->kernel, b->queue, s->args, s->num_args, 0, NULL, NULL) != KILN_OK)
        return fail(kiln_last_error());
    if (clFinish(b->queue) != CL_SUCCESS)
        return fail("clFinish failed");
    *taken = seconds() - start;
    return true;
}

static bool run_copy(const bench *b, cl_kernel copy, const subject *s, double *taken)
{
    const cl_ulong count = s->floats;
    const size_t global = (s->floats + BLOCK - 1) / BLOCK, local = 1;
    double start = seconds();
    cl_int code = clSetKernelArg(copy, 0, sizeof s->from, &s->from);
    code |= clSetKernelArg(copy, 1, sizeof s->to, &s->to);
    code |= clSetKernelArg(copy, 2, sizeof count, &count);
    code |= clEnqueueNDRangeKernel(b->queue, copy, 1, NULL, &global, &local, 0, NULL, NULL);
    code |= clFinish(b->queue);
    *taken = seconds() - start;
    return code == CL_SUCCESS || fail("the copy failed");
}

static bool run_spec(const bench *b, const char *spec)
{
    subject s;
    double *kernel = malloc((size_t)b->repeat * sizeof *kernel), warm;
    double *copy = malloc((size_t)b->repeat * sizeof *copy);
    double *stream = malloc((size_t)b->repeat * sizeof *stream);
    bool ok = (kernel && copy && stream) || fail("out of memory");
    ok = ok && prepare(b, spec, &s) && run_kernel(b, &s, &warm) &&
         run_copy(b, b->copy, &s, &warm) && run_copy(b, b->stream, &s, &warm);
    if (ok)
        kiln_flush_cache(b->context); /* else PoCL's compiler still runs */
    for (int i = 0; i < b->repeat && ok; i++)
        ok = run_kernel(b, &s, &warm) && run_kernel(b, &s, &kernel[i]) &&
             run_copy(b, b->copy, &s, &warm) && run_copy(b, b->copy, &s, &copy[i]) &&
             run_copy(b, b->stream, &s, &warm) && run_copy(b, b->stream, &s, &stream[i]);
    if (ok) {
        double ours = median(kernel, b->repeat), bare = median(copy, b->repeat);
        double bytes = 8e-9 * (double)s.floats, streaming = median(stream, b->repeat);
        printf(b->raw ? "row\t%s\t%.4f\t%.4f\t%.2f\t%.2f\t%.4f\t%.2f\n"
                      : "%-50s %8.3f %8.3f  %6.1f %6.1f  %5.3f  %6.1f\n",
               spec, 1e3 * ours, 1e3 * bare, bytes / ours, bytes / bare, bare / ours,
               bytes / streaming);
        fflush(stdout);
    }
    if (kernel && copy && stream)
        discard(&s);
    free(kernel);
    free(copy);
    free(stream);
    return ok;
}

/* ---- the program ------------------------------------------------------------------------- */

static bool run_all(bench *b)
{
    const char *source = copy_source;
    cl_context context = kiln_context_cl(b->context);
    cl_device_id device = kiln_context_device(b->context);
    cl_int code;
    b->queue = clCreateCommandQueue(context, device, 0, &code);
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    if (!b->queue || !program || clBuildProgram(program, 1, &device, "", NULL, NULL) != CL_SUCCESS)
        return fail("the copies do not build");
    b->copy = clCreateKernel(program, "copy", &code);
    b->stream = clCreateKernel(program, "stream", &code);
    clReleaseProgram(program);
    if (!b->raw)
        printf("%-50s %8s %8s  %6s %6s  %5s  %6s\n", "f32", "kiln ms", "copy ms", "GB/s", "copy",
               "ratio", "stream");
    bool ok = b->copy && b->stream;
    for (size_t i = 0; i < sizeof specs / sizeof *specs && ok; i++)
        ok = run_spec(b, specs[i]);
    if (b->copy)
        clReleaseKernel(b->copy);
    if (b->stream)
        clReleaseKernel(b->stream);
    return ok;
}

int main(int argc, char **argv)
{
    bench b = {.repeat = 21};
    kiln_context_params params = {.device_name = "cpu"};
    for (int i = 1; i < argc; i++) {
        char *end = NULL;
        if (strcmp(argv[i], "--raw") == 0) {
            b.raw = true;
        } else if (strcmp(argv[i], "--repeat") == 0 && i + 1 < argc) {
            long repeat = strtol(argv[++i], &end, 10);
            if (!isdigit((unsigned char)*argv[i]) || *end || repeat < 1 || repeat > MAX_REPEAT) {
                fprintf(stderr, "copy_bound: --repeat %s: must be an integer from 1 to %d\n",
                        argv[i], MAX_REPEAT);
                return EXIT_REFUSED;
            }
            b.repeat = (int)repeat;
        } else {
            fprintf(stderr, "usage: copy_bound [--repeat N] [--raw]\n");
            return EXIT_REFUSED;
        }
    }
    bool ok = kiln_create_context(&params, &b.context) == KILN_OK || fail(kiln_last_error());
    ok = ok && run_all(&b);
    if (b.queue)
        clReleaseCommandQueue(b.queue);
    kiln_release_context(b.context);
    return ok ? 0 : 1;
}
