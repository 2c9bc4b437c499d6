/* Products of few rows, small k or small batches beside a plain read of as many bytes and, in f32,
 * beside OpenBLAS, taking turns in one process. Bytes are counted once: every input read, every
 * output written. See bench/run; by hand, with specs of one's own:
 *
 *     POCL_AFFINITY=1 OPENBLAS_CORETYPE=SKYLAKEX skinny [--repeat N] [--raw] [SPEC...]
 *
 * A turn is a call to warm up and a timed call. OpenBLAS's threads spin for some 30 ms after their
 * work and would take kiln's cores: hence the pauses. */
#include <cblas.h>
#include <ctype.h>
#include <kiln.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_REPEAT = 10000, MAX_ARGS = 8, EXIT_REFUSED = 2, BLOCK = 65536 };

static const char *const specs[] = {
    "matmul m=1 n=4096 k=4096",
    "matmul m=1 n=4096 k=4096 dtype=bf16",
    "matmul m=1 n=4096 k=4096 dtype=f16",
    "matmul_nt m=1 n=4096 k=4096",
    "matmul_nt m=1 n=4096 k=4096 dtype=bf16",
    "matmul_nt m=1 n=4096 k=4096 dtype=f16",
    "matmul m=4 n=4096 k=4096",
    "matmul m=4 n=4096 k=4096 dtype=bf16",
    "matmul_nt m=4 n=4096 k=4096",
    "matmul_nt m=4 n=4096 k=4096 dtype=bf16",
    "matmul m=16 n=4096 k=4096",
    "matmul m=16 n=4096 k=4096 dtype=bf16",
    "matmul_nt m=16 n=4096 k=4096",
    "matmul_nt m=16 n=4096 k=4096 dtype=bf16",
    "matmul m=32 n=4096 k=4096",
    "matmul_nt m=32 n=4096 k=4096",
    "matmul m=4 n=11008 k=4096",
    "matmul m=1 n=256 k=16384",
    "matmul_nt m=1 n=256 k=16384",
    "matmul m=4096 n=4096 k=64",
    "matmul m=4096 n=4096 k=16",
    "matmul m=4096 n=64 k=4096",
    "batched_matmul batch=64 m=64 n=64 k=64",
    "batched_matmul batch=256 m=32 n=32 k=32",
    "batched_matmul batch=64 m=16 n=64 k=64",
    "batched_matmul batch=64 m=1 n=512 k=128",
};

/* By vectors of 16 from one place, four sums at a time. */
static const char read_source[] = "__kernel __attribute__((reqd_work_group_size(1, 1, 1)))\n"
                                  "void read(__global const float *restrict x, __global float "
                                  "*restrict sums, const ulong count)\n"
                                  "{\n"
                                  "    const ulong first = (ulong)get_group_id(0) * 65536;\n"
                                  "    const ulong stop = min(first + 65536, count);\n"
                                  "    float16 s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;\n"
                                  "    for (ulong i = first; i < stop; i += 64) {\n"
                                  "        s0 += vload16(0, x + i);\n"
                                  "        s1 += vload16(1, x + i);\n"
                                  "        s2 += vload16(2, x + i);\n"
                                  "        s3 += vload16(3, x + i);\n"
                                  "    }\n"
                                  "    vstore16(s0 + s1 + s2 + s3, get_group_id(0), sums);\n"
                                  "}\n";

typedef struct bench {
    kiln_context *context;
    cl_command_queue queue;
    cl_kernel read;
    int repeat;
    bool raw; /* for bench/run: numbers between tabs, nothing else */
} bench;

typedef struct subject {
    kiln_kernel *kernel;
    kiln_arg args[MAX_ARGS];
    size_t num_args;
    cl_mem from, sums; /* the read's, of the kernel's bytes */
    size_t floats;
    double flops;
    /* OpenBLAS's; host is a, b, its c and kiln's, NULL where it has no such product */
    float *host[4];
    size_t batch, c_count;
    int m, n, k;
    bool trans_b;
} subject;

static bool fail(const char *what)
{
    fprintf(stderr, "skinny: %s\n", what);
    return false;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void pause_turn(void)
{
    const struct timespec time = {0, 60000000};
    nanosleep(&time, NULL);
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

/* Numbers of either sign below 1 in the storage of dtype. */
static void fill(void *to, size_t bytes, kiln_dtype dtype, uint32_t state)
{
    for (size_t i = 0; i < bytes / (dtype == KILN_F32 ? 4 : 2); i++) {
        state = state * 1664525u + 1013904223u;
        const float value = (float)(int32_t)state * 0x1p-31f;
        uint32_t word;
        memcpy(&word, &value, sizeof word);
        if (dtype == KILN_F32)
            ((uint32_t *)to)[i] = word;
        else if (dtype == KILN_BF16)
            ((uint16_t *)to)[i] = (uint16_t)(word >> 16);
        else
            ((uint16_t *)to)[i] = (uint16_t)((state >> 16 & 0x83ffu) | 0x3800u);
    }
}

static cl_mem make_buffer(const bench *b, size_t bytes, void *data)
{
    cl_int code;
    cl_mem buffer =
        clCreateBuffer(kiln_context_cl(b->context), CL_MEM_COPY_HOST_PTR, bytes, data, &code);
    if (code != CL_SUCCESS)
        fail("clCreateBuffer failed");
    return code == CL_SUCCESS ? buffer : NULL;
}

static bool add_arg(const bench *b, subject *s, const kiln_arg_info *info, bool keep)
{
    void *data = NULL;
    const size_t which = s->num_args;
    if (posix_memalign(&data, 4096, info->bytes) != 0)
        return fail("out of memory");
    fill(data, info->bytes, info->dtype, (uint32_t)which + 1);
    cl_mem buffer = make_buffer(b, info->bytes, data);
    s->args[s->num_args++] = kiln_buffer(info->name, buffer);
    if (keep && which < 3)
        s->host[which] = data;
    else
        free(data);
    return buffer != NULL;
}

/* A plain f32 product, which OpenBLAS has too: its sizes, from a's and c's. */
static bool is_plain(const char *spec)
{
    return (strncmp(spec, "matmul ", 7) == 0 || strncmp(spec, "matmul_nt ", 10) == 0 ||
            strncmp(spec, "batched_matmul ", 15) == 0) &&
           !strstr(spec, "dtype=") && !strstr(spec, "trans_a=1") && !strstr(spec, "ld") &&
           !strstr(spec, "accumulate=1");
}

static void take_sizes(subject *s, const char *spec, const kiln_arg_info *info)
{
    const size_t rank = info->rank;
    const bool is_a = strcmp(info->name, "a") == 0, is_c = strcmp(info->name, "c") == 0;
    if (rank < 2 || !(is_a || is_c))
        return;
    s->batch = rank == 3 ? (size_t)info->extents[0] : 1;
    s->m = (int)info->extents[rank - 2];
    if (is_a)
        s->k = (int)info->extents[rank - 1];
    else
        s->n = (int)info->extents[rank - 1];
    s->c_count = s->batch * (size_t)s->m * (size_t)s->n;
    s->trans_b = strncmp(spec, "matmul_nt", 9) == 0 || strstr(spec, "trans_b=1");
}

static bool prepare(const bench *b, const char *spec, subject *s)
{
    kiln_kernel_info about;
    kiln_arg_info info;
    kiln_cost cost;
    const bool keep = is_plain(spec);
    if (kiln_create_kernel(b->context, spec, &s->kernel) != KILN_OK ||
        kiln_get_kernel_info(s->kernel, &about) != KILN_OK ||
        kiln_get_cost(s->kernel, NULL, 0, &cost) != KILN_OK)
        return fail(kiln_last_error());
    for (size_t i = 0; i < about.num_args && i < MAX_ARGS; i++) {
        if (kiln_get_arg_info(s->kernel, i, NULL, 0, &info) != KILN_OK)
            return fail(kiln_last_error());
        if (info.kind != KILN_ARG_BUFFER)
            return fail("a product with scalars");
        take_sizes(s, spec, &info);
        if (!add_arg(b, s, &info, keep))
            return false;
    }
    if (keep && !(s->host[3] = malloc(s->c_count * sizeof(float))))
        return fail("out of memory");
    s->flops = cost.flops;
    s->floats = ((size_t)cost.bytes / sizeof(float) + 63) / 64 * 64;
    void *data = calloc(s->floats, sizeof(float));
    if (!data)
        return fail("out of memory");
    fill(data, s->floats * sizeof(float), KILN_F32, 7);
    s->from = make_buffer(b, s->floats * sizeof(float), data);
    s->sums = make_buffer(b, (s->floats / BLOCK + 1) * 16 * sizeof(float), data);
    free(data);
    return s->from && s->sums;
}

static void discard(subject *s)
{
    for (size_t i = 0; i < s->num_args; i++)
        if (s->args[i].buffer)
            clReleaseMemObject(s->args[i].buffer);
    if (s->from)
        clReleaseMemObject(s->from);
    if (s->sums)
        clReleaseMemObject(s->sums);
    for (int i = 0; i < 4; i++)
        free(s->host[i]);
    kiln_release_kernel(s->kernel);
}

/* ---- turns ------------------------------------------------------------------------------- */

static bool run_kernel(const bench *b, subject *s, double *taken)
{
    double start = seconds();
    if (kiln_launch(s->kernel, b->queue, s->args, s->num_args, 0, NULL, NULL) != KILN_OK)
        return fail(kiln_last_error());
    if (clFinish(b->queue) != CL_SUCCESS)
        return fail("clFinish failed");
    *taken = seconds() - start;
    return true;
}

static bool run_read(const bench *b, subject *s, double *taken)
{
    const cl_ulong count = s->floats;
    const size_t global = (s->floats + BLOCK - 1) / BLOCK, local = 1;
    double start = seconds();
    cl_int code = clSetKernelArg(b->read, 0, sizeof s->from, &s->from);
    code |= clSetKernelArg(b->read, 1, sizeof s->sums, &s->sums);
    code |= clSetKernelArg(b->read, 2, sizeof count, &count);
    code |= clEnqueueNDRangeKernel(b->queue, b->read, 1, NULL, &global, &local, 0, NULL, NULL);
    code |= clFinish(b->queue);
    *taken = seconds() - start;
    return code == CL_SUCCESS || fail("the read failed");
}

static bool run_openblas(const bench *b, subject *s, double *taken)
{
    const int m = s->m, n = s->n, k = s->k, ldb = s->trans_b ? k : n;
    (void)b;
    double start = seconds();
    for (size_t i = 0; i < s->batch; i++) {
        const float *x = s->host[0] + i * (size_t)m * (size_t)k;
        const float *y = s->host[1] + i * (size_t)n * (size_t)k;
        float *z = s->host[2] + i * (size_t)m * (size_t)n;
        if (m == 1)
            cblas_sgemv(CblasRowMajor, s->trans_b ? CblasNoTrans : CblasTrans, s->trans_b ? n : k,
                        ldb, 1.0f, y, ldb, x, 1, 0.0f, z, 1);
        else
            cblas_sgemm(CblasRowMajor, CblasNoTrans, s->trans_b ? CblasTrans : CblasNoTrans, m, n,
                        k, 1.0f, x, k, y, ldb, 0.0f, z, n);
    }
    *taken = seconds() - start;
    return true;
}

typedef bool runner(const bench *b, subject *s, double *taken);

/* The median of each runner's times; those of NULL are 0. */
static bool take_turns(const bench *b, subject *s, runner *const runners[3], double medians[3])
{
    const size_t repeat = (size_t)b->repeat;
    double *times = malloc(3 * repeat * sizeof *times), warm;
    bool ok = times || fail("out of memory");
    for (int r = 0; r < 2 && ok; r++)
        ok = runners[r](b, s, &warm);
    if (ok)
        kiln_flush_cache(b->context); /* else PoCL's compiler still runs */
    for (size_t i = 0; i < repeat && ok; i++)
        for (int r = 0; r < 3 && ok; r++) {
            if (!runners[r])
                continue;
            if (runners[2] && r != 1)
                pause_turn();
            ok = runners[r](b, s, &warm) && runners[r](b, s, &times[(size_t)r * repeat + i]);
        }
    for (int r = 0; r < 3 && ok; r++)
        medians[r] = runners[r] ? median(times + (size_t)r * repeat, b->repeat) : 0;
    free(times);
    return ok;
}

/* By how much kiln's c differs from OpenBLAS's, of its size. */
static bool difference(const bench *b, subject *s, double *error)
{
    double sum = 0, size = 0;
    for (size_t i = 0; i < s->num_args; i++)
        if (strcmp(s->args[i].name, "c") == 0 &&
            clEnqueueReadBuffer(b->queue, s->args[i].buffer, CL_TRUE, 0, s->c_count * sizeof(float),
                                s->host[3], 0, NULL, NULL) != CL_SUCCESS)
            return fail("clEnqueueReadBuffer failed");
    for (size_t i = 0; i < s->c_count; i++) {
        const double x = s->host[3][i], y = s->host[2][i];
        sum += (x - y) * (x - y);
        size += y * y;
    }
    *error = sqrt(sum / size);
    return *error < 1e-5 || fail("the two results differ");
}

static bool run_spec(const bench *b, const char *spec)
{
    subject s = {0};
    double medians[3], error = 0;
    bool ok = prepare(b, spec, &s);
    runner *const runners[3] = {run_kernel, run_read, s.host[3] ? run_openblas : NULL};
    ok = ok && take_turns(b, &s, runners, medians);
    if (ok && s.host[3])
        ok = difference(b, &s, &error);
    if (ok) {
        const double ours = medians[0], read = medians[1], blas = medians[2];
        const double gb = 4e-9 * (double)s.floats;
        printf(b->raw ? "row\t%s\t%.4f\t%.4f\t%.2f\t%.2f\t%.4f\t%.2f\t%.4f\t%.4f\n"
                      : "%-44s %8.3f %8.3f  %6.1f %6.1f  %5.3f  %7.1f  %8.3f  %6.3f\n",
               spec, 1e3 * ours, 1e3 * read, gb / ours, gb / read, read / ours,
               1e-9 * s.flops / ours, 1e3 * blas, blas / ours);
        fflush(stdout);
    }
    discard(&s);
    return ok;
}

/* ---- the program ------------------------------------------------------------------------- */

static bool run_all(bench *b, const char *const *list, size_t count)
{
    const char *source = read_source;
    cl_context context = kiln_context_cl(b->context);
    cl_device_id device = kiln_context_device(b->context);
    cl_int code;
    b->queue = clCreateCommandQueue(context, device, 0, &code);
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    if (!b->queue || !program || clBuildProgram(program, 1, &device, "", NULL, NULL) != CL_SUCCESS)
        return fail("the read does not build");
    b->read = clCreateKernel(program, "read", &code);
    clReleaseProgram(program);
    if (!b->raw)
        printf("OpenBLAS as %s, median of %d turns; ratios: the other's time to kiln's\n"
               "%-44s %8s %8s  %6s %6s  %5s  %7s  %8s  %6s\n",
               openblas_get_corename(), b->repeat, "", "kiln ms", "read ms", "GB/s", "read",
               "ratio", "GFLOP/s", "OpenBLAS", "ratio");
    bool ok = b->read != NULL;
    for (size_t i = 0; i < count && ok; i++)
        ok = run_spec(b, list[i]);
    if (b->read)
        clReleaseKernel(b->read);
    return ok;
}

int main(int argc, char **argv)
{
    bench b = {.repeat = 21};
    kiln_context_params params = {.device_name = "cpu"};
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        char *end = NULL;
        if (strcmp(argv[i], "--raw") == 0) {
            b.raw = true;
        } else if (strcmp(argv[i], "--repeat") == 0 && i + 1 < argc) {
            long repeat = strtol(argv[++i], &end, 10);
            if (!isdigit((unsigned char)*argv[i]) || *end || repeat < 1 || repeat > MAX_REPEAT) {
                fprintf(stderr, "skinny: --repeat %s: must be an integer from 1 to %d\n", argv[i],
                        MAX_REPEAT);
                return EXIT_REFUSED;
            }
            b.repeat = (int)repeat;
        } else {
            fprintf(stderr, "usage: skinny [--repeat N] [--raw] [SPEC...]\n");
            return EXIT_REFUSED;
        }
    }
    bool ok = kiln_create_context(&params, &b.context) == KILN_OK || fail(kiln_last_error());
    ok = ok && (i < argc ? run_all(&b, (const char *const *)argv + i, (size_t)(argc - i))
                         : run_all(&b, specs, sizeof specs / sizeof *specs));
    if (b.queue)
        clReleaseCommandQueue(b.queue);
    kiln_release_context(b.context);
    return ok ? 0 : 1;
}
