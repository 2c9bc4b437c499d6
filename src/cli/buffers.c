/* A kernel with a queue, buffers and dimensions: what build and bench launch. */
#include "cli.h"
#include "device.h"
#include "tune_data.h"
#include <stdlib.h>
#include <string.h>

/* ---- dimensions -------------------------------------------------------------------------- */

static bool is_open(const kiln_spec *spec, const char *name)
{
    int dim = kiln_row_dim(spec->row, name);
    return dim >= 0 && spec->dims[dim] == KILN_LAUNCH_TIME;
}

int cli_set_dims(const cli_options *options, const kiln_spec *spec, int64_t fallback,
                 kiln_arg *dims, size_t *num_dims)
{
    *num_dims = 0;
    for (size_t i = 0; i < spec->num_dims; i++) {
        if (spec->dims[i] != KILN_LAUNCH_TIME)
            continue;
        const char *name = spec->row->dims[i];
        int64_t value = fallback;
        for (size_t d = 0; d < options->num_dims; d++)
            if (strcmp(options->dims[d].name, name) == 0)
                value = options->dims[d].integer;
        if (value == 0) {
            cli_error("%s: %s=? leaves %s open; --dim %s=N sets it", spec->text, name, name, name);
            return CLI_REFUSED;
        }
        dims[(*num_dims)++] = kiln_dim(name, value);
    }
    return CLI_DONE;
}

int cli_check_dims(const cli_options *options, const kiln_spec *specs, size_t num_specs)
{
    for (size_t d = 0; d < options->num_dims; d++) {
        const char *name = options->dims[d].name;
        bool used = false;
        for (size_t i = 0; i < num_specs; i++)
            used = used || is_open(&specs[i], name);
        if (!used) {
            cli_error("--dim %s: %s leaves no dimension %s open (%s=? does)", name,
                      num_specs == 1 ? specs[0].text : "no spec", name, name);
            return CLI_REFUSED;
        }
    }
    return CLI_DONE;
}

/* ---- buffers ----------------------------------------------------------------------------- */

bool cli_launch_fits(cli_launch *launch, const kiln_context *context, kiln_status *status,
                     kiln_text *why)
{
    cl_ulong memory = 0, largest = 0;
    clGetDeviceInfo(context->device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory, &memory, NULL);
    clGetDeviceInfo(context->device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof largest, &largest, NULL);
    double total = 0;
    launch->bytes = 0;
    *status = KILN_OK;
    for (size_t i = 0; i < launch->kernel->generated.signature.count; i++) {
        kiln_arg_info info;
        *status = kiln_get_arg_info(launch->kernel, i, launch->args, launch->num_dims, &info);
        if (*status != KILN_OK) {
            kiln_text_add(why, kiln_last_error());
            return false;
        }
        if (info.kind != KILN_ARG_BUFFER)
            continue;
        if (largest && info.bytes > largest) {
            kiln_text_addf(why, "%s: %s needs a buffer of %s; the device's largest is %s",
                           launch->kernel->spec.text, info.name, cli_bytes((double)info.bytes).text,
                           cli_bytes((double)largest).text);
            return false;
        }
        launch->bytes += info.bytes;
        total += (double)info.bytes; /* tensors of 2^62 bytes may pass 2^64 together */
    }
    if (!memory || total <= (double)memory)
        return true;
    kiln_text_addf(why, "%s: its buffers need %s; the device has %s", launch->kernel->spec.text,
                   cli_bytes(total).text, cli_bytes((double)memory).text);
    return false;
}

static int fail_cl(const cli_launch *launch, const char *call, cl_int code)
{
    cli_error("%s: %s failed: %s (%d)", launch->kernel->spec.text, call, kiln_cl_error_name(code),
              code);
    return CLI_FAILED;
}

static int add_buffer(cli_launch *launch, const kiln_context *context, const kiln_arg_info *info,
                      bool fill)
{
    cl_int code;
    cl_mem buffer = clCreateBuffer(context->cl, CL_MEM_READ_WRITE, info->bytes, NULL, &code);
    if (code != CL_SUCCESS)
        return fail_cl(launch, "clCreateBuffer", code);
    launch->args[launch->num_args++] = kiln_buffer(info->name, buffer);
    if (fill) {
        int64_t dims[KILN_MAX_DIMS];
        kiln_status status =
            kiln_kernel_dims(launch->kernel, launch->args, launch->num_dims, true, dims);
        if (status != KILN_OK)
            return cli_fail(status);
        const kiln_random numbers = kiln_data_numbers(info, &launch->kernel->spec, dims);
        code = kiln_data_write(launch->queue, buffer, 0, info->bytes, info->dtype, &numbers);
        return code == CL_SUCCESS ? CLI_DONE : fail_cl(launch, "clEnqueueWriteBuffer", code);
    }
    cl_uchar zero = 0;
    code = clEnqueueFillBuffer(launch->queue, buffer, &zero, 1, 0, info->bytes, 0, NULL, NULL);
    return code == CL_SUCCESS ? CLI_DONE : fail_cl(launch, "clEnqueueFillBuffer", code);
}

int cli_launch_start(cli_launch *launch, const kiln_context *context, bool fill)
{
    cl_int code;
    launch->num_args = launch->num_dims;
    launch->queue =
        clCreateCommandQueue(context->cl, context->device, CL_QUEUE_PROFILING_ENABLE, &code);
    if (code != CL_SUCCESS) {
        launch->queue = NULL;
        return fail_cl(launch, "clCreateCommandQueue", code);
    }
    for (size_t i = 0; i < launch->kernel->generated.signature.count; i++) {
        kiln_arg_info info;
        kiln_status status =
            kiln_get_arg_info(launch->kernel, i, launch->args, launch->num_dims, &info);
        if (status != KILN_OK)
            return cli_fail(status);
        int added = CLI_DONE;
        if (info.kind == KILN_ARG_SCALAR)
            launch->args[launch->num_args++] = kiln_scalar(info.name, kiln_data_scalar(info.name));
        else if (info.kind == KILN_ARG_BUFFER)
            added = add_buffer(launch, context, &info, fill);
        if (added != CLI_DONE)
            return added;
    }
    code = clFinish(launch->queue);
    return code == CL_SUCCESS ? CLI_DONE : fail_cl(launch, "clFinish", code);
}

void cli_launch_free(cli_launch *launch)
{
    for (size_t i = 0; i < launch->num_args; i++)
        if (launch->args[i].kind == KILN_ARG_BUFFER && launch->args[i].buffer)
            clReleaseMemObject(launch->args[i].buffer);
    if (launch->queue)
        clReleaseCommandQueue(launch->queue);
    launch->num_args = 0;
    launch->queue = NULL;
}

/* ---- launching --------------------------------------------------------------------------- */

static double device_time(cl_event event)
{
    cl_ulong start, end;
    if (clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL) !=
            CL_SUCCESS ||
        clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL) !=
            CL_SUCCESS ||
        end <= start)
        return -1;
    return 1e-9 * (double)(end - start);
}

int cli_launch_queued(cli_launch *launch, int count, double *seconds)
{
    const double start = kiln_seconds();
    for (int i = 0; i < count; i++) {
        kiln_status status = kiln_launch(launch->kernel, launch->queue, launch->args,
                                         launch->num_args, 0, NULL, NULL);
        if (status != KILN_OK)
            return cli_fail(status);
    }
    cl_int code = clFinish(launch->queue);
    *seconds = (kiln_seconds() - start) / count;
    return code == CL_SUCCESS ? CLI_DONE : fail_cl(launch, "the kernel's run", code);
}

int cli_launch_run(cli_launch *launch, double *seconds, double *device_s)
{
    cl_event event = NULL;
    double start = kiln_seconds();
    kiln_status status =
        kiln_launch(launch->kernel, launch->queue, launch->args, launch->num_args, 0, NULL, &event);
    if (status != KILN_OK)
        return cli_fail(status);
    cl_int code = clFinish(launch->queue);
    *seconds = kiln_seconds() - start;
    cl_int state = CL_COMPLETE;
    if (code == CL_SUCCESS)
        clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    /* The event is the last stage's: it tells all only of a kernel with one. */
    if (device_s)
        *device_s = launch->kernel->generated.num_stages == 1 ? device_time(event) : -1;
    clReleaseEvent(event);
    if (code != CL_SUCCESS || state < 0)
        return fail_cl(launch, "the kernel's run", code != CL_SUCCESS ? code : state);
    return CLI_DONE;
}
