#include "ceilings.h"
#include "context.h"
#include "device.h"
#include "program.h"
#include "template.h"
#include <math.h>
#include <stdlib.h>

#define MIB ((uint64_t)1 << 20)

/* Launches each: no fewer, and then as many as fit in the time. */
#define MIN_LAUNCHES 5
#define MAX_LAUNCHES 1000
#define ENOUGH_S     0.3

/* The copy: a multiple of what the caches hold, within bounds. */
#define CACHE_TIMES 2
#define CPU_BYTES   (64 * MIB)
#define GPU_BYTES   (256 * MIB)
#define MOST_BYTES  (512 * MIB)

/* A launch of the multiply-adds takes about so long: beside it the call costs nothing. */
#define LAUNCH_S   0.02
#define MIN_ROUNDS 64
#define MAX_ROUNDS (1 << 24)

/* Where results are looked at: so many places of so many floats. */
#define PLACES 8
#define PLACE  16

typedef struct {
    kiln_context *context;
    cl_command_queue queue;
    kiln_program program;
    cl_mem buffers[2];
    size_t groups, workgroup;
} probe;

static void close_probe(probe *p)
{
    kiln_program_free(&p->program);
    for (size_t i = 0; i < 2; i++)
        if (p->buffers[i])
            clReleaseMemObject(p->buffers[i]);
}

typedef struct {
    const char *name;
    int64_t value;
} name_value;

/* Expands a template under the device's facts and names, and builds it. */
static kiln_status build(probe *p, const char *file, const char *entry, const name_value *names)
{
    kiln_env env;
    kiln_text source = {0};
    kiln_env_init(&env, NULL);
    kiln_template_params params = {.dir = p->context->template_dir, .env = &env};
    kiln_status status = kiln_facts_bind(&p->context->facts, &env);
    for (; names->name && status == KILN_OK; names++)
        status = kiln_env_int(&env, names->name, names->value);
    if (status == KILN_OK)
        status = kiln_template_expand(&params, file, &source);
    if (status == KILN_OK)
        status = source.failed
                     ? kiln_fail_memory()
                     : kiln_program_build(p->context, source.data, entry, true, &p->program);
    kiln_text_free(&source);
    kiln_env_free(&env);
    return status;
}

static kiln_status make_buffer(probe *p, size_t which, size_t bytes, float value)
{
    cl_int code;
    p->buffers[which] = clCreateBuffer(p->context->cl, CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (code == CL_SUCCESS)
        code = clEnqueueFillBuffer(p->queue, p->buffers[which], &value, sizeof value, 0, bytes, 0,
                                   NULL, NULL);
    if (code == CL_SUCCESS)
        code =
            clSetKernelArg(p->program.kernel, (cl_uint)which, sizeof(cl_mem), &p->buffers[which]);
    return code == CL_SUCCESS ? KILN_OK : kiln_fail_cl("measuring: making a buffer", code);
}

/* Seconds from the call to the end. */
static kiln_status launch(probe *p, double *seconds)
{
    const size_t global = p->groups * p->workgroup;
    cl_event event = NULL;
    kiln_program_enter(p->context, &p->program);
    double start = kiln_seconds();
    cl_int code = clEnqueueNDRangeKernel(p->queue, p->program.kernel, 1, NULL, &global,
                                         &p->workgroup, 0, NULL, &event);
    if (code == CL_SUCCESS)
        code = clFinish(p->queue);
    *seconds = kiln_seconds() - start;
    kiln_program_ran(p->context, &p->program, event);
    if (event)
        clReleaseEvent(event);
    return code == CL_SUCCESS ? KILN_OK : kiln_fail_cl("measuring: a launch", code);
}

/* The first launch may compile, and its binary is kept before anything is timed. */
static kiln_status launch_first(probe *p)
{
    double seconds;
    kiln_status status = launch(p, &seconds);
    kiln_flush_cache(p->context);
    return status;
}

static kiln_status find_least(probe *p, double *least)
{
    double start = kiln_seconds(), seconds;
    kiln_status status = KILN_OK;
    *least = INFINITY;
    for (int i = 0; i < MAX_LAUNCHES && status == KILN_OK; i++) {
        if (i >= MIN_LAUNCHES && kiln_seconds() - start > ENOUGH_S)
            break;
        status = launch(p, &seconds);
        *least = fmin(*least, seconds);
    }
    return status;
}

/* Looks at count floats in a few places, from the first to the last. */
static kiln_status check(const probe *p, cl_mem buffer, size_t count, float value, const char *what)
{
    float got[PLACE];
    for (size_t place = 0; place < PLACES; place++) {
        const size_t from = (count - PLACE) / (PLACES - 1) * place;
        cl_int code = clEnqueueReadBuffer(p->queue, buffer, CL_TRUE, from * sizeof *got, sizeof got,
                                          got, 0, NULL, NULL);
        if (code != CL_SUCCESS)
            return kiln_fail_cl("measuring: clEnqueueReadBuffer", code);
        for (size_t i = 0; i < PLACE; i++)
            if (!(fabsf(got[i] - value) <= 1e-3F * value))
                return kiln_fail(KILN_BUILD_FAILED, "%s gives %g at element %zu, not %g", what,
                                 (double)got[i], from + i, (double)value);
    }
    return KILN_OK;
}

static int64_t workgroup_of(const kiln_facts *facts)
{
    return facts->cpu ? 1 : facts->max_workgroup < 256 ? facts->max_workgroup : 256;
}

/* ---- memory ------------------------------------------------------------------------------ */

/* Of each of the two buffers. */
static kiln_status copy_bytes(const kiln_context *context, size_t block, size_t *bytes)
{
    cl_ulong cache = 0, memory = 0, most = 0;
    cl_device_id device = context->device;
    cl_int code =
        clGetDeviceInfo(device, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, sizeof cache, &cache, NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory, &memory, NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof most, &most, NULL);
    if (code != CL_SUCCESS)
        return kiln_fail_cl("clGetDeviceInfo", code);
    uint64_t wanted = context->facts.cpu ? CPU_BYTES : GPU_BYTES;
    wanted = cache * CACHE_TIMES > wanted ? cache * CACHE_TIMES : wanted;
    wanted = wanted < MOST_BYTES ? wanted : MOST_BYTES;
    wanted = wanted < most ? wanted : most;
    wanted = wanted < memory / 8 ? wanted : memory / 8;
    wanted -= wanted % block;
    *bytes = (size_t)(wanted ? wanted : block);
    return KILN_OK;
}

static kiln_status measure_copy(probe *p, double *bytes_per_s)
{
    const bool cpu = p->context->facts.cpu;
    const int64_t workgroup = workgroup_of(&p->context->facts);
    const int64_t block = cpu ? 16384 : 16 * workgroup;
    const name_value names[] = {{"WG", workgroup}, {"BLOCK", block}, {NULL, 0}};
    const float value = 1.5F;
    size_t bytes = 0, item = (size_t)block * sizeof(float);
    double least = 0;
    kiln_status status = copy_bytes(p->context, item, &bytes);
    if (status == KILN_OK)
        status = build(p, "ceiling_copy.cl", "ceiling_copy", names);
    if (status == KILN_OK)
        status = make_buffer(p, 0, bytes, value);
    if (status == KILN_OK)
        status = make_buffer(p, 1, bytes, 0);
    p->workgroup = (size_t)workgroup;
    p->groups = bytes / item;
    if (status == KILN_OK)
        status = launch_first(p);
    if (status == KILN_OK)
        status = find_least(p, &least);
    if (status == KILN_OK)
        status = check(p, p->buffers[1], bytes / sizeof(float), value, "the copy");
    *bytes_per_s = 2 * (double)bytes / least;
    return status;
}

/* ---- arithmetic -------------------------------------------------------------------------- */

static kiln_status set_rounds(probe *p, cl_int rounds)
{
    cl_int code = clSetKernelArg(p->program.kernel, 3, sizeof rounds, &rounds);
    return code == CL_SUCCESS ? KILN_OK : kiln_fail_cl("measuring: clSetKernelArg", code);
}

/* As many as a launch of LAUNCH_S takes. */
static kiln_status find_rounds(probe *p, cl_int *rounds)
{
    kiln_status status = KILN_OK;
    double seconds = 0;
    *rounds = MIN_ROUNDS / 2;
    while (status == KILN_OK && seconds < LAUNCH_S && *rounds < MAX_ROUNDS) {
        *rounds *= 2;
        status = set_rounds(p, *rounds);
        if (status == KILN_OK)
            status = launch(p, &seconds);
    }
    return status;
}

/* Chains: a CPU's registers hold them beside the two constants (16 vectors or more), and there are
 * more than the latency times the units of any; a GPU's work-items add theirs to each other's. */
static kiln_status measure_fma(probe *p, double *flops_per_s)
{
    const kiln_facts *facts = &p->context->facts;
    const int64_t wg = workgroup_of(facts);
    const int64_t width = facts->cpu ? facts->simd_width : 4, chains = facts->cpu ? 12 : 4;
    const int64_t unroll = 8;
    const name_value names[] = {
        {"WG", wg}, {"W", width}, {"CHAINS", chains}, {"UNROLL", unroll}, {NULL, 0}};
    const float a = 0.5F, b = 0.5F; /* the chains go to 1 */
    cl_int rounds = 0, code;
    double least = 0;
    p->workgroup = (size_t)wg;
    p->groups = (size_t)facts->compute_units * (facts->cpu ? 16 : 64);
    const size_t count = p->groups * p->workgroup * (size_t)width;
    kiln_status status = build(p, "ceiling_fma.cl", "ceiling_fma", names);
    if (status == KILN_OK)
        status = make_buffer(p, 0, count * sizeof(float), 0);
    if (status == KILN_OK) {
        code = clSetKernelArg(p->program.kernel, 1, sizeof a, &a);
        code = code == CL_SUCCESS ? clSetKernelArg(p->program.kernel, 2, sizeof b, &b) : code;
        status = code == CL_SUCCESS ? set_rounds(p, MIN_ROUNDS)
                                    : kiln_fail_cl("measuring: clSetKernelArg", code);
    }
    if (status == KILN_OK)
        status = launch_first(p);
    if (status == KILN_OK)
        status = find_rounds(p, &rounds);
    if (status == KILN_OK)
        status = find_least(p, &least);
    if (status == KILN_OK)
        status = check(p, p->buffers[0], count, (float)chains, "the multiply-adds");
    *flops_per_s = 2.0 * (double)count * (double)(chains * unroll) * rounds / least;
    return status;
}

/* ------------------------------------------------------------------------------------------ */

kiln_status kiln_measure_ceilings(kiln_context *context, kiln_ceilings *ceilings)
{
    cl_int code;
    cl_command_queue queue = clCreateCommandQueue(context->cl, context->device, 0, &code);
    *ceilings = (kiln_ceilings){0};
    if (code != CL_SUCCESS)
        return kiln_fail_cl("clCreateCommandQueue", code);
    probe copy = {.context = context, .queue = queue}, fma = copy;
    kiln_status status = measure_copy(&copy, &ceilings->bytes_per_s);
    close_probe(&copy);
    if (status == KILN_OK)
        status = measure_fma(&fma, &ceilings->flops_per_s);
    close_probe(&fma);
    clReleaseCommandQueue(queue);
    return status;
}
