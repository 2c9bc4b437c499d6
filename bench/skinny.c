/* Products of few rows, small k or small batches beside a plain read of as many bytes and, in f32,
 * beside OpenBLAS, taking turns in one process. Bytes are counted once: every input read, every
 * output written. See bench/run; by hand, with specs of one's own:
 *
 *     POCL_AFFINITY=1 skinny [--repeat N] [--raw] [SPEC...] */
#include "openblas.h"
#include "turns.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 65536, MAX_HOST = 8 };

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

/* By vectors of 16 from one place, four sums at a time; aligned, as vload16 goes through the stack
 * where a register has 8. */
static const char read_source[] = "__kernel __attribute__((reqd_work_group_size(1, 1, 1)))\n"
                                  "void read(__global const float *restrict x, __global float "
                                  "*restrict sums, const ulong count)\n"
                                  "{\n"
                                  "    const ulong first = (ulong)get_group_id(0) * 65536;\n"
                                  "    const ulong stop = min(first + 65536, count);\n"
                                  "    float16 s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;\n"
                                  "    for (ulong i = first; i < stop; i += 64) {\n"
                                  "        __global const float16 *v = (__global const "
                                  "float16 *)(x + i);\n"
                                  "        s0 += v[0];\n"
                                  "        s1 += v[1];\n"
                                  "        s2 += v[2];\n"
                                  "        s3 += v[3];\n"
                                  "    }\n"
                                  "    vstore16(s0 + s1 + s2 + s3, get_group_id(0), sums);\n"
                                  "}\n";

typedef struct plain_read {
    const turns *turns;
    cl_kernel kernel;
    cl_mem from, sums;
    cl_ulong floats;
} plain_read;

/* A plain f32 product, which OpenBLAS has too, with the host's a, b and c. */
typedef struct peer {
    const float *a, *b;
    float *c;
    size_t batch;
    int m, n, k;
    bool trans_b;
} peer;

/* ---- the read ---------------------------------------------------------------------------- */

static bool make_read(const turns *t, double bytes, plain_read *r)
{
    cl_context context = kiln_context_cl(t->context);
    cl_device_id device = kiln_context_device(t->context);
    const char *source = read_source;
    cl_int code, sums_code;
    r->turns = t;
    r->floats = ((cl_ulong)bytes / sizeof(float) + 63) / 64 * 64;
    float *data = turns_floats((size_t)r->floats, 7);
    if (!data)
        return turns_fail(t, "out of memory");
    r->from = clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, (size_t)r->floats * sizeof *data, data,
                             &code);
    free(data);
    r->sums = clCreateBuffer(context, 0, (size_t)(r->floats / BLOCK + 1) * 16 * sizeof *data, NULL,
                             &sums_code);
    if (code != CL_SUCCESS || sums_code != CL_SUCCESS)
        return turns_fail(t, "there is no buffer");
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    if (code != CL_SUCCESS)
        return turns_fail(t, "clCreateProgramWithSource failed");
    if (clBuildProgram(program, 1, &device, "", NULL, NULL) == CL_SUCCESS)
        r->kernel = clCreateKernel(program, "read", &code);
    clReleaseProgram(program);
    if (!r->kernel)
        return turns_fail(t, "the read does not build");
    code = clSetKernelArg(r->kernel, 0, sizeof r->from, &r->from);
    code |= clSetKernelArg(r->kernel, 1, sizeof r->sums, &r->sums);
    code |= clSetKernelArg(r->kernel, 2, sizeof r->floats, &r->floats);
    return code == CL_SUCCESS || turns_fail(t, "clSetKernelArg failed");
}

static void free_read(plain_read *r)
{
    if (r->kernel)
        clReleaseKernel(r->kernel);
    if (r->from)
        clReleaseMemObject(r->from);
    if (r->sums)
        clReleaseMemObject(r->sums);
}

static bool run_read(void *user)
{
    const plain_read *r = user;
    const size_t global = (size_t)(r->floats + BLOCK - 1) / BLOCK, local = 1;
    cl_int code =
        clEnqueueNDRangeKernel(r->turns->queue, r->kernel, 1, NULL, &global, &local, 0, NULL, NULL);
    return (code == CL_SUCCESS && clFinish(r->turns->queue) == CL_SUCCESS) ||
           turns_fail(r->turns, "the read failed");
}

/* ---- OpenBLAS ---------------------------------------------------------------------------- */

static bool run_openblas(void *user)
{
    const peer *p = user;
    const int m = p->m, n = p->n, k = p->k, ldb = p->trans_b ? k : n;
    for (size_t i = 0; i < p->batch; i++) {
        const float *a = p->a + i * (size_t)m * (size_t)k;
        const float *b = p->b + i * (size_t)n * (size_t)k;
        float *c = p->c + i * (size_t)m * (size_t)n;
        if (m == 1)
            cblas_sgemv(CblasRowMajor, p->trans_b ? CblasNoTrans : CblasTrans, p->trans_b ? n : k,
                        ldb, 1.0F, b, ldb, a, 1, 0.0F, c, 1);
        else
            cblas_sgemm(CblasRowMajor, CblasNoTrans, p->trans_b ? CblasTrans : CblasNoTrans, m, n,
                        k, 1.0F, a, k, b, ldb, 0.0F, c, n);
    }
    return true;
}

static bool is_plain(const char *spec)
{
    return (strncmp(spec, "matmul ", 7) == 0 || strncmp(spec, "matmul_nt ", 10) == 0 ||
            strncmp(spec, "batched_matmul ", 15) == 0) &&
           !strstr(spec, "dtype=") && !strstr(spec, "trans_a=1") && !strstr(spec, "ld") &&
           !strstr(spec, "accumulate=1");
}

/* The sizes, from a's and c's. */
static void take_sizes(peer *p, const char *spec, const kiln_arg_info *info)
{
    const size_t rank = info->rank;
    const bool is_a = strcmp(info->name, "a") == 0, is_c = strcmp(info->name, "c") == 0;
    if (rank < 2 || !(is_a || is_c))
        return;
    p->batch = rank == 3 ? (size_t)info->extents[0] : 1;
    p->m = (int)info->extents[rank - 2];
    if (is_a)
        p->k = (int)info->extents[rank - 1];
    else
        p->n = (int)info->extents[rank - 1];
    p->trans_b = strncmp(spec, "matmul_nt", 9) == 0 || strstr(spec, "trans_b=1");
}

static bool compare(const turns *t, const turns_kernel *k, const peer *p)
{
    const size_t count = p->batch * (size_t)p->m * (size_t)p->n;
    float *ours = malloc(count * sizeof *ours);
    bool ok = (ours || turns_fail(t, "out of memory")) && turns_read(k, "c", ours, count);
    ok = ok &&
         (turns_difference(ours, p->c, count) < 1e-5 || turns_fail(t, "the two results differ"));
    free(ours);
    return ok;
}

/* ---- a spec ------------------------------------------------------------------------------ */

/* count numbers of either sign below 1 in the storage of dtype, as turns_floats has them. */
static void *fill(size_t count, kiln_dtype dtype, uint32_t seed)
{
    float *values = turns_floats(count, seed);
    uint16_t *narrow = (uint16_t *)values;
    for (size_t i = 0; values && dtype != KILN_F32 && i < count; i++) {
        uint32_t word;
        memcpy(&word, &values[i], sizeof word);
        /* f16: sign, exponent of 1/2 to 1, fraction */
        const uint16_t half =
            dtype == KILN_BF16 ? (uint16_t)(word >> 16)
                               : (uint16_t)(word >> 16 & 0x8000U) | 0x3800U | (word >> 13 & 0x3ffU);
        memcpy(&narrow[i], &half, sizeof half);
    }
    return values;
}

static bool fill_args(const turns *t, const char *spec, void **host, peer *p)
{
    kiln_kernel *kernel;
    kiln_kernel_info about;
    kiln_arg_info info;
    if (kiln_create_kernel(t->context, spec, &kernel) != KILN_OK)
        return turns_fail(t, kiln_last_error());
    bool ok = kiln_get_kernel_info(kernel, &about) == KILN_OK;
    for (size_t i = 0; ok && i < about.num_args && i < MAX_HOST; i++) {
        ok = kiln_get_arg_info(kernel, i, NULL, 0, &info) == KILN_OK;
        ok = ok && info.kind == KILN_ARG_BUFFER;
        if (!ok)
            break;
        take_sizes(p, spec, &info);
        const size_t width = info.dtype == KILN_F32 ? 4 : 2;
        host[i] = fill(info.bytes / width, info.dtype, (uint32_t)i + 1);
        ok = host[i] != NULL;
    }
    kiln_release_kernel(kernel);
    return ok || turns_fail(t, "not a product of buffers alone, or out of memory");
}

static void print_row(const turns *t, const char *spec, const side *sides, double flops, double gb)
{
    const double ours = sides[0].median, read = sides[1].median, blas = sides[2].median;
    printf(t->raw ? "row\t%s\t%.4f\t%.4f\t%.2f\t%.2f\t%.4f\t%.2f\t%.4f\t%.4f\n"
                  : "%-44s %8.3f %8.3f  %6.1f %6.1f  %5.3f  %7.1f  %8.3f  %6.3f\n",
           spec, 1e3 * ours, 1e3 * read, gb / ours, gb / read, read / ours, 1e-9 * flops / ours,
           1e3 * blas, blas / ours);
    fflush(stdout);
}

static bool run_spec(const turns *t, const char *spec)
{
    void *host[MAX_HOST] = {NULL};
    peer p = {0};
    turns_kernel kernel = {0};
    plain_read read = {0};
    kiln_cost cost;
    const bool plain = is_plain(spec);
    side sides[] = {{.work = turns_launch, .user = &kernel},
                    {.work = run_read, .user = &read},
                    {.work = run_openblas, .user = &p}};
    bool ok = fill_args(t, spec, host, &p) &&
              turns_make_kernel(t, spec, (const void *const *)host, &kernel);
    ok = ok && (kiln_get_cost(kernel.kernel, NULL, 0, &cost) == KILN_OK ||
                turns_fail(t, kiln_last_error()));
    ok = ok && make_read(t, cost.bytes, &read);
    p.a = host[0];
    p.b = host[1];
    p.c = host[2];
    ok = ok && turns_take(t, sides, plain ? 3 : 2) && (!plain || compare(t, &kernel, &p));
    if (ok)
        print_row(t, spec, sides, cost.flops, 4e-9 * (double)read.floats);
    turns_free_kernel(&kernel);
    free_read(&read);
    for (int i = 0; i < MAX_HOST; i++)
        free(host[i]);
    return ok;
}

int main(int argc, char **argv)
{
    turns t;
    int status = turns_open(&t, "skinny", TURNS_ANY_CORE | TURNS_SPECS, argc, argv);
    if (status == 0 && !t.any_core && !openblas_is_set_up(t.program))
        status = TURNS_REFUSED;
    if (status == 0) {
        const char *const *list = t.num_specs ? t.specs : specs;
        const size_t count = t.num_specs ? t.num_specs : sizeof specs / sizeof *specs;
        turns_print_device(&t);
        openblas_print(t.raw);
        if (!t.raw)
            printf("median of %d turns each; ratios: the other's time to kiln's\n\n"
                   "%-44s %8s %8s  %6s %6s  %5s  %7s  %8s  %6s\n",
                   t.repeat, "", "kiln ms", "read ms", "GB/s", "read", "ratio", "GFLOP/s",
                   "OpenBLAS", "ratio");
        for (size_t i = 0; i < count && status == 0; i++)
            status = run_spec(&t, list[i]) ? 0 : 1;
    }
    turns_close(&t);
    return status;
}
