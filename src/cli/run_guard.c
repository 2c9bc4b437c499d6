/* kiln run: buffers between guards, filled and looked over. */
#include "run.h"
#include "device.h"
#include <stdlib.h>
#include <string.h>

/* Bytes before and behind an array; a multiple of any device's alignment. */
#define GUARD 4096

/* Guards, padding and outputs hold these bytes: NaN in every storage type. */
static const unsigned char poison[2] = {0xa5, 0xff};

static int fail_cl(const run_tensor *tensor, const char *call, cl_int code)
{
    cli_error("%s: %s failed: %s (%d)", tensor->parameter->name, call, kiln_cl_error_name(code),
              code);
    return CLI_FAILED;
}

static int no_memory(const run_tensor *tensor)
{
    cli_error("%s: there is no memory for its %s", tensor->parameter->name,
              cli_bytes((double)tensor->bytes).text);
    return CLI_FAILED;
}

static unsigned char *allocate(run_tensor *tensor)
{
    unsigned char *bytes = malloc(tensor->size);
    for (size_t i = 0; bytes && i < tensor->size; i++)
        bytes[i] = poison[i % 2];
    return bytes;
}

/* ---- before the launch ------------------------------------------------------------------- */

static int place(run_tensor *tensor, int64_t misalign)
{
    double total = (double)tensor->rows * (double)tensor->stride * (double)tensor->item;
    size_t shift = (size_t)misalign * tensor->item;
    tensor->bytes = tensor->rows * tensor->stride * tensor->item;
    tensor->start = GUARD + shift;
    tensor->size = tensor->start + tensor->bytes + GUARD;
    if (total >= (double)(SIZE_MAX / 2))
        return no_memory(tensor);
    tensor->before = allocate(tensor);
    return tensor->before ? CLI_DONE : no_memory(tensor);
}

static int read_file(const run_job *job, run_tensor *tensor)
{
    kiln_text why = {0};
    bool good =
        npy_read(&tensor->file, tensor->path, tensor->before + tensor->start, tensor->bytes, &why);
    npy_close(&tensor->file);
    return good ? CLI_DONE : run_refuse_file(job, tensor, &why);
}

static int make_buffer(cli_launch *launch, run_tensor *tensor, const kiln_context *context)
{
    cl_int code;
    cl_mem buffer = clCreateBuffer(context->cl, CL_MEM_READ_WRITE, tensor->size, NULL, &code);
    if (code != CL_SUCCESS)
        return fail_cl(tensor, "clCreateBuffer", code);
    launch->args[launch->num_args++] =
        kiln_buffer_at(tensor->parameter->name, buffer, tensor->start);
    code = clEnqueueWriteBuffer(launch->queue, buffer, CL_TRUE, 0, tensor->size, tensor->before, 0,
                                NULL, NULL);
    return code == CL_SUCCESS ? CLI_DONE : fail_cl(tensor, "clEnqueueWriteBuffer", code);
}

int run_fill(run_job *job, const kiln_context *context)
{
    cli_launch *launch = &job->launch;
    cl_int code;
    launch->num_args = launch->num_dims;
    launch->queue = clCreateCommandQueue(context->cl, context->device, 0, &code);
    if (code != CL_SUCCESS) {
        cli_error("clCreateCommandQueue failed: %s (%d)", kiln_cl_error_name(code), code);
        launch->queue = NULL;
        return CLI_FAILED;
    }
    for (size_t i = 0; i < job->num_scalars; i++)
        launch->args[launch->num_args++] = job->scalars[i];
    for (size_t i = 0; i < job->signature.count; i++) {
        run_tensor *tensor = &job->tensors[i];
        if (!tensor->parameter)
            continue;
        int status = place(tensor, job->options->misalign);
        if (status == CLI_DONE && tensor->path)
            status = read_file(job, tensor);
        if (status == CLI_DONE)
            status = make_buffer(launch, tensor, context);
        if (status != CLI_DONE)
            return status;
    }
    return CLI_DONE;
}

/* ---- after it ---------------------------------------------------------------------------- */

/* The first byte from `from` on, and before `to`, that is not as before; else to. */
static size_t find_change(const run_tensor *tensor, const unsigned char *after, size_t from,
                          size_t to)
{
    if (memcmp(tensor->before + from, after + from, to - from) == 0)
        return to;
    while (tensor->before[from] == after[from])
        from++;
    return from;
}

/* The first byte that the launch must not have written and has, else tensor->size. */
static size_t find_damage(const run_tensor *tensor, const unsigned char *after)
{
    size_t end = tensor->start + tensor->bytes, found;
    size_t width = tensor->width * tensor->item, stride = tensor->stride * tensor->item;
    if (!tensor->parameter->is_output)
        return find_change(tensor, after, 0, tensor->size);
    found = find_change(tensor, after, 0, tensor->start);
    if (found < tensor->start)
        return found;
    for (size_t row = tensor->start; row < end && width < stride; row += stride) {
        found = find_change(tensor, after, row + width, row + stride);
        if (found < row + stride)
            return found;
    }
    return find_change(tensor, after, end, tensor->size);
}

static int fail_damage(const run_job *job, const run_tensor *tensor, size_t at)
{
    const char *spec = job->spec.text, *name = tensor->parameter->name;
    size_t inside = at - tensor->start;
    if (at < tensor->start)
        cli_error("%s: the kernel wrote outside %s: byte %zu before its first", spec, name,
                  tensor->start - at);
    else if (inside >= tensor->bytes)
        cli_error("%s: the kernel wrote outside %s: byte %zu behind its last", spec, name,
                  inside - tensor->bytes + 1);
    else if (!tensor->parameter->is_output)
        cli_error("%s: the kernel wrote to its input %s: byte %zu", spec, name, inside);
    else
        cli_error("%s: the kernel wrote to the padding of %s: byte %zu, in row %zu", spec, name,
                  inside, inside / tensor->item / tensor->stride);
    return CLI_FAILED;
}

/* Elements that are as poisoned as before. */
static size_t count_unwritten(const run_tensor *tensor)
{
    size_t count = 0;
    for (size_t row = 0; row < tensor->rows; row++) {
        for (size_t column = 0; column < tensor->width; column++) {
            size_t at = tensor->start + (row * tensor->stride + column) * tensor->item;
            count += memcmp(tensor->before + at, tensor->after + at, tensor->item) == 0;
        }
    }
    return count;
}

/* Padding that no file filled goes out as zeros. */
static void clear_padding(run_tensor *tensor)
{
    size_t width = tensor->width * tensor->item, stride = tensor->stride * tensor->item;
    for (size_t row = 0; row < tensor->rows && stride > width; row++)
        memset(tensor->after + tensor->start + row * stride + width, 0, stride - width);
}

static int collect_tensor(run_job *job, run_tensor *tensor, cl_mem buffer)
{
    unsigned char *after = malloc(tensor->size);
    if (!after)
        return no_memory(tensor);
    cl_int code = clEnqueueReadBuffer(job->launch.queue, buffer, CL_TRUE, 0, tensor->size, after, 0,
                                      NULL, NULL);
    int status = code == CL_SUCCESS ? CLI_DONE : fail_cl(tensor, "clEnqueueReadBuffer", code);
    size_t damage = status == CLI_DONE ? find_damage(tensor, after) : 0;
    if (status == CLI_DONE && damage < tensor->size)
        status = fail_damage(job, tensor, damage);
    if (status == CLI_DONE && tensor->parameter->is_output) {
        tensor->after = after;
        after = NULL;
    }
    free(after);
    return status;
}

static void finish_output(const run_job *job, run_tensor *tensor)
{
    if (!tensor->path) {
        size_t unwritten = count_unwritten(tensor);
        if (unwritten > 0)
            cli_note("%s: %s: %s as poisoned before the launch: the kernel wrote nothing there",
                     job->spec.text, tensor->parameter->name,
                     cli_plural(unwritten, "element is", "elements are").text);
        clear_padding(tensor);
    }
}

int run_collect(run_job *job)
{
    for (size_t i = 0; i < job->launch.num_args; i++) {
        const kiln_arg *arg = &job->launch.args[i];
        size_t t = 0;
        if (arg->kind != KILN_ARG_BUFFER)
            continue;
        while (!job->tensors[t].parameter || job->tensors[t].parameter->name != arg->name)
            t++;
        int status = collect_tensor(job, &job->tensors[t], arg->buffer);
        if (status != CLI_DONE)
            return status;
    }
    for (size_t i = 0; i < job->signature.count; i++)
        if (job->tensors[i].after)
            finish_output(job, &job->tensors[i]);
    return CLI_DONE;
}

void run_free_tensors(run_job *job)
{
    for (size_t i = 0; i < KILN_MAX_PARAMETERS; i++) {
        npy_close(&job->tensors[i].file);
        free(job->tensors[i].before);
        free(job->tensors[i].after);
    }
}
