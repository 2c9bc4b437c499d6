/* f32 c = a b by kiln and by OpenBLAS, taking turns in one process. See bench/run.
 *
 * A turn is a pause, a call to warm up and a timed call. OpenBLAS's threads spin for some 30 ms
 * after their work and would take kiln's cores; the warm call wakes the one's threads again. */
#include <cblas.h>
#include <ctype.h>
#include <kiln.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_REPEAT = 10000, EXIT_REFUSED = 2 };

static const struct shape {
    int m, n, k;
} shapes[] = {{512, 512, 512}, {1024, 1024, 1024}, {2048, 2048, 2048}, {512, 4096, 1024}};

typedef struct bench {
    kiln_context *context;
    cl_command_queue queue;
    int repeat;
    bool raw; /* for bench/run: numbers between tabs, nothing else */
} bench;

typedef struct side {
    double *seconds;
    double median, least;
} side;

static bool fail(const char *what)
{
    fprintf(stderr, "matmul_openblas: %s\n", what);
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

static void summarise(side *s, int repeat)
{
    qsort(s->seconds, (size_t)repeat, sizeof *s->seconds, compare_doubles);
    s->median = 0.5 * (s->seconds[(repeat - 1) / 2] + s->seconds[repeat / 2]);
    s->least = s->seconds[0];
}

/* ---- the two sides ----------------------------------------------------------------------- */

static bool run_kiln(bench *b, kiln_kernel *kernel, cl_mem buffers[3], double *taken)
{
    const kiln_arg args[] = {kiln_buffer("a", buffers[0]), kiln_buffer("b", buffers[1]),
                             kiln_buffer("c", buffers[2])};
    double start = seconds();
    if (kiln_launch(kernel, b->queue, args, 3, 0, NULL, NULL) != KILN_OK)
        return fail(kiln_last_error());
    if (clFinish(b->queue) != CL_SUCCESS)
        return fail("clFinish failed");
    *taken = seconds() - start;
    return true;
}

static void run_openblas(struct shape s, const float *a, const float *b, float *c, double *taken)
{
    double start = seconds();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, s.m, s.n, s.k, 1.0f, a, s.k, b, s.n,
                0.0f, c, s.n);
    *taken = seconds() - start;
}

static double difference(const float *a, const float *b, size_t count)
{
    double sum = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(sum / size);
}

/* ---- a shape ----------------------------------------------------------------------------- */

static bool take_turns(bench *b, struct shape s, kiln_kernel *kernel, cl_mem buffers[3],
                       float *host[4], side *kiln, side *openblas)
{
    double warm;
    if (!run_kiln(b, kernel, buffers, &warm))
        return false;
    kiln_flush_cache(b->context); /* else PoCL's compiler still runs */
    for (int i = 0; i < b->repeat; i++) {
        pause_turn();
        if (!run_kiln(b, kernel, buffers, &warm) ||
            !run_kiln(b, kernel, buffers, &kiln->seconds[i]))
            return false;
        pause_turn();
        run_openblas(s, host[0], host[1], host[3], &warm);
        run_openblas(s, host[0], host[1], host[3], &openblas->seconds[i]);
    }
    summarise(kiln, b->repeat);
    summarise(openblas, b->repeat);
    return true;
}

static void print_row(const bench *b, struct shape s, const char *tuning, const side *kiln,
                      const side *openblas, double error)
{
    const double gflop = 2e-9 * s.m * s.n * s.k, ratio = openblas->median / kiln->median;
    if (b->raw)
        printf("row\t%dx%dx%d\t%.4f\t%.4f\t%.2f\t%.2f\t%.4f\t%.2e\n", s.m, s.n, s.k,
               1e3 * kiln->median, 1e3 * openblas->median, gflop / kiln->median,
               gflop / openblas->median, ratio, error);
    else
        printf("%5d %5d %5d  %8.3f %8.3f  %8.3f %8.3f  %7.1f %7.1f  %5.3f  %.1e  %s\n", s.m, s.n,
               s.k, 1e3 * kiln->median, 1e3 * kiln->least, 1e3 * openblas->median,
               1e3 * openblas->least, gflop / kiln->median, gflop / openblas->median, ratio, error,
               tuning);
    fflush(stdout);
}

static void fill(float *to, size_t count, uint32_t state)
{
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        to[i] = (float)(int32_t)state * 0x1p-31f;
    }
}

static bool run_shape(bench *b, struct shape s)
{
    const size_t count[4] = {(size_t)s.m * (size_t)s.k, (size_t)s.k * (size_t)s.n,
                             (size_t)s.m * (size_t)s.n, (size_t)s.m * (size_t)s.n};
    const size_t repeat = (size_t)b->repeat;
    float *host[4]; /* a, b, kiln's c, OpenBLAS's c */
    cl_mem buffers[3] = {NULL, NULL, NULL};
    kiln_kernel *kernel = NULL;
    kiln_kernel_info info;
    side kiln = {malloc(repeat * sizeof(double)), 0, 0};
    side openblas = {malloc(repeat * sizeof(double)), 0, 0};
    bool ok = kiln.seconds && openblas.seconds;
    for (int i = 0; i < 4; i++) {
        void *memory = NULL;
        ok = posix_memalign(&memory, 4096, count[i] * sizeof(float)) == 0 && ok;
        host[i] = memory;
    }
    if (!ok)
        fail("out of memory");
    for (int i = 0; i < 3 && ok; i++) {
        cl_int code;
        fill(host[i], count[i], (uint32_t)i + 1);
        buffers[i] = clCreateBuffer(kiln_context_cl(b->context), CL_MEM_COPY_HOST_PTR,
                                    count[i] * sizeof(float), host[i], &code);
        ok = code == CL_SUCCESS || fail("clCreateBuffer failed");
    }
    const kiln_matmul_params params = {.m = s.m, .n = s.n, .k = s.k};
    if (ok && (kiln_create_matmul_kernel(b->context, &params, &kernel) != KILN_OK ||
               kiln_get_kernel_info(kernel, &info) != KILN_OK))
        ok = fail(kiln_last_error());
    ok = ok && take_turns(b, s, kernel, buffers, host, &kiln, &openblas);
    if (ok && clEnqueueReadBuffer(b->queue, buffers[2], CL_TRUE, 0, count[2] * sizeof(float),
                                  host[2], 0, NULL, NULL) != CL_SUCCESS)
        ok = fail("clEnqueueReadBuffer failed");
    if (ok) {
        double error = difference(host[2], host[3], count[2]);
        print_row(b, s, info.tuning, &kiln, &openblas, error);
        ok = error < 1e-5 || fail("the two results differ");
    }
    kiln_release_kernel(kernel);
    for (int i = 0; i < 3; i++)
        if (buffers[i])
            clReleaseMemObject(buffers[i]);
    for (int i = 0; i < 4; i++)
        free(host[i]);
    free(kiln.seconds);
    free(openblas.seconds);
    return ok;
}

/* ---- the program ------------------------------------------------------------------------- */

static bool has_avx512(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    return __builtin_cpu_supports("avx512f");
#else
    return false;
#endif
}

/* OpenBLAS 0.3.21 takes new CPUs for old ones, and a comparison with that is none. */
static bool openblas_is_set_up(void)
{
    const char *core = getenv("OPENBLAS_CORETYPE");
    if (!has_avx512() || (core && strcmp(core, "SKYLAKEX") == 0))
        return true;
    fprintf(stderr,
            "matmul_openblas: this CPU has AVX-512, and OPENBLAS_CORETYPE is %s instead of "
            "SKYLAKEX (OpenBLAS would run as %s); --any-core compares all the same\n",
            core ? core : "not set", openblas_get_corename());
    return false;
}

static bool run_all(bench *b)
{
    char device[256] = "";
    cl_uint units = 0;
    cl_int code;
    cl_device_id id = kiln_context_device(b->context);
    b->queue = clCreateCommandQueue(kiln_context_cl(b->context), id, 0, &code);
    if (code != CL_SUCCESS)
        return fail("clCreateCommandQueue failed");
    clGetDeviceInfo(id, CL_DEVICE_NAME, sizeof device - 1, device, NULL);
    clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    if (b->raw)
        printf("device\t%s\nkiln\t%s\nopenblas\t%s\ncore\t%s\nthreads\t%d\nunits\t%u\n", device,
               kiln_version(), openblas_get_config(), openblas_get_corename(),
               openblas_get_num_threads(), units);
    else
        printf("kiln %s on %s (%u compute units)\n%s, running as %s with %d threads\n"
               "median of %d turns each\n\n"
               "    m     n     k   kiln ms    least   OpenBLAS    least  GFLOP/s OpenBLAS  ratio  "
               "error    tuning\n",
               kiln_version(), device, units, openblas_get_config(), openblas_get_corename(),
               openblas_get_num_threads(), b->repeat);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (!run_shape(b, shapes[i]))
            return false;
    return true;
}

int main(int argc, char **argv)
{
    bench b = {.repeat = 21};
    kiln_context_params params = {.device_name = "cpu"};
    bool any_core = false;
    for (int i = 1; i < argc; i++) {
        char *end = NULL;
        if (strcmp(argv[i], "--any-core") == 0) {
            any_core = true;
        } else if (strcmp(argv[i], "--raw") == 0) {
            b.raw = true;
        } else if (strcmp(argv[i], "--repeat") == 0 && i + 1 < argc) {
            long repeat = strtol(argv[++i], &end, 10);
            if (!isdigit((unsigned char)*argv[i]) || *end || repeat < 1 || repeat > MAX_REPEAT) {
                fprintf(stderr, "matmul_openblas: --repeat %s: must be an integer from 1 to %d\n",
                        argv[i], MAX_REPEAT);
                return EXIT_REFUSED;
            }
            b.repeat = (int)repeat;
        } else {
            fprintf(stderr, "usage: matmul_openblas [--repeat N] [--any-core] [--raw]\n");
            return EXIT_REFUSED;
        }
    }
    if (!any_core && !openblas_is_set_up())
        return EXIT_REFUSED;
    bool ok = kiln_create_context(&params, &b.context) == KILN_OK || fail(kiln_last_error());
    ok = ok && run_all(&b);
    if (b.queue)
        clReleaseCommandQueue(b.queue);
    kiln_release_context(b.context);
    return ok ? 0 : 1;
}
