/* A device's rates, measured by kernels of kiln's own. */
#include "context.h"
#include "device.h"
#include "plan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS      5
#define MAX_BUFFERS 3

typedef struct {
    kiln_context *context;
    cl_command_queue queue;
    kiln_kernel *kernel;
    cl_mem buffers[MAX_BUFFERS];
    kiln_arg args[MAX_BUFFERS];
    size_t num_args;
} bench;

static void close_bench(bench *b)
{
    kiln_release_kernel(b->kernel);
    for (size_t i = 0; i < MAX_BUFFERS; i++)
        if (b->buffers[i])
            clReleaseMemObject(b->buffers[i]);
}

/* Buffers are of zeros: what they hold changes no kernel's time here but by denormals. */
static kiln_status open_bench(bench *b, const char *spec)
{
    kiln_kernel_info info;
    kiln_status status = kiln_create_kernel(b->context, spec, &b->kernel);
    if (status == KILN_OK)
        status = kiln_get_kernel_info(b->kernel, &info);
    for (size_t i = 0; status == KILN_OK && i < info.num_args && i < MAX_BUFFERS; i++) {
        kiln_arg_info arg;
        cl_uchar zero = 0;
        cl_int code;
        status = kiln_get_arg_info(b->kernel, i, NULL, 0, &arg);
        if (status != KILN_OK)
            break;
        b->buffers[i] = clCreateBuffer(b->context->cl, CL_MEM_READ_WRITE, arg.bytes, NULL, &code);
        if (code == CL_SUCCESS)
            code =
                clEnqueueFillBuffer(b->queue, b->buffers[i], &zero, 1, 0, arg.bytes, 0, NULL, NULL);
        if (code != CL_SUCCESS)
            return kiln_fail_cl("measuring: making a buffer", code);
        b->args[b->num_args++] = kiln_buffer(arg.name, b->buffers[i]);
    }
    return status;
}

/* Seconds of `count` launches, from the first's enqueueing to the last's end. */
static kiln_status time_once(const bench *b, size_t count, double *seconds)
{
    cl_event done = NULL;
    double start = kiln_seconds();
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        status = kiln_launch(b->kernel, b->queue, b->args, b->num_args, 0, NULL,
                             i + 1 == count ? &done : NULL);
    if (!done)
        return status;
    cl_int code = clWaitForEvents(1, &done);
    *seconds = kiln_seconds() - start;
    clReleaseEvent(done);
    return code == CL_SUCCESS ? status : kiln_fail_cl("clWaitForEvents", code);
}

/* Seconds of one launch, the least of a few rounds of `count`, the first of which does not count.
 * tile: the columns of a product's tiles. */
static kiln_status time_spec(kiln_context *context, cl_command_queue queue, const char *spec,
                             size_t count, double *seconds, kiln_cost *cost, int64_t *tile)
{
    bench b = {.context = context, .queue = queue};
    kiln_kernel_info info = {0};
    kiln_status status = open_bench(&b, spec);
    *seconds = 0;
    for (int round = 0; round <= ROUNDS && status == KILN_OK; round++) {
        double took = 0;
        status = time_once(&b, round ? count : 1, &took);
        if (round == 0)
            kiln_flush_cache(context);
        else if (round == 1 || took / (double)count < *seconds)
            *seconds = took / (double)count;
    }
    if (status == KILN_OK)
        status = kiln_get_cost(b.kernel, NULL, 0, cost);
    if (status == KILN_OK && tile)
        status = kiln_get_kernel_info(b.kernel, &info);
    if (status == KILN_OK && tile) {
        const char *columns = strstr(info.tuning, "BN=");
        if (!columns)
            columns = strstr(info.tuning, "NC=");
        *tile = columns ? strtoll(columns + 3, NULL, 10) : 0;
        if (*tile < 1)
            *tile = 128;
    }
    close_bench(&b);
    return status;
}

kiln_status kiln_measure_rates(kiln_context *context, cl_command_queue queue, kiln_dtype dtype,
                               kiln_device_rates *rates)
{
    if (!context || !queue || !rates)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_measure_rates: context, queue and rates must not be NULL");
    const char *name = kiln_dtype_name(dtype ? dtype : KILN_F32);
    bool cpu = context->facts.cpu;
    char spec[128];
    double launch = 0, took = 0;
    kiln_cost cost;
    *rates = (kiln_device_rates){0};
    snprintf(spec, sizeof spec, "bias_add m=1 n=64 dtype=%s", name);
    kiln_status status = time_spec(context, queue, spec, 200, &launch, &cost, NULL);
    rates->launch_s = launch;
    if (status == KILN_OK) {
        snprintf(spec, sizeof spec, "residual_add m=%d n=4096 dtype=%s", cpu ? 2048 : 16384, name);
        status = time_spec(context, queue, spec, 4, &took, &cost, NULL);
        rates->copy_bytes = cost.bytes / took;
    }
    if (status == KILN_OK) {
        int n = cpu ? 1024 : 4096;
        snprintf(spec, sizeof spec, "matmul m=%d n=%d k=%d dtype=%s", n, n, n, name);
        status = time_spec(context, queue, spec, 2, &took, &cost, &rates->tile_columns);
        rates->product_flops = cost.flops / took;
    }
    if (status == KILN_OK) {
        snprintf(spec, sizeof spec, "gelu m=%d n=1024 approx=tanh dtype=%s", cpu ? 128 : 4096,
                 name);
        status = time_spec(context, queue, spec, 20, &took, &cost, NULL);
        rates->elementwise_flops = cost.flops / took;
    }
    return status;
}
