#include "device.h"
#include "kernel.h"
#include "scalars.h"
#include <stdlib.h>
#include <string.h>

/* A buffer's memory: sub-buffers are resolved, so that overlap can be seen. */
typedef struct {
    cl_mem root;
    size_t start, end;
} range;

typedef struct {
    kiln_kernel *kernel;
    const kiln_arg *of[KILN_MAX_PARAMETERS]; /* the argument given for each parameter */
    range ranges[KILN_MAX_PARAMETERS];
    kiln_passed_values passed;
    bool in_order; /* the queue */
    cl_mem scratch[KILN_MAX_SCRATCH];
    size_t scratch_bytes[KILN_MAX_SCRATCH];
} launch;

/* ---- names ------------------------------------------------------------------------------- */

static const char *parameter_name(void *user, size_t index)
{
    const kiln_signature *signature = user;
    return index < signature->count ? signature->parameters[index].name : NULL;
}

static kiln_status unknown_argument(const kiln_kernel *kernel, const char *name)
{
    const kiln_signature *signature = &kernel->generated.signature;
    kiln_text message = {0};
    kiln_text_addf(&message, "%s has no argument `%s'", kernel->spec.row->name, name);
    kiln_suggest(&message, name, parameter_name, (void *)signature);
    kiln_text_add(&message, "; it takes");
    for (size_t i = 0; i < signature->count; i++)
        kiln_text_addf(&message, "%s %s", i ? "," : "", signature->parameters[i].name);
    return kiln_fail_text(KILN_INVALID_LAUNCH, &message);
}

static const char *kind_name(kiln_arg_kind kind)
{
    return kind == KILN_ARG_BUFFER ? "a buffer" : kind == KILN_ARG_DIM ? "a dimension" : "a scalar";
}

/* Every argument finds its parameter, and every parameter has one. Dimensions are
 * kiln_kernel_dims's matter. */
static kiln_status match(launch *l, const kiln_arg *args, size_t num_args)
{
    const kiln_signature *signature = &l->kernel->generated.signature;
    const char *row = l->kernel->spec.row->name;
    for (size_t i = 0; i < num_args; i++) {
        if (!args[i].name)
            return kiln_fail(KILN_INVALID_LAUNCH, "%s: argument %zu has no name", row, i);
        if (args[i].kind == KILN_ARG_DIM)
            continue;
        int p = kiln_signature_find(signature, args[i].name);
        if (p < 0)
            return unknown_argument(l->kernel, args[i].name);
        if (signature->parameters[p].kind != args[i].kind)
            return kiln_fail(KILN_INVALID_LAUNCH, "%s: %s is %s, not %s", row, args[i].name,
                             kind_name(signature->parameters[p].kind), kind_name(args[i].kind));
        if (l->of[p])
            return kiln_fail(KILN_INVALID_LAUNCH, "%s: %s is given twice", row, args[i].name);
        l->of[p] = &args[i];
    }
    for (size_t p = 0; p < signature->count; p++)
        if (!l->of[p] && signature->parameters[p].kind != KILN_ARG_DIM)
            return kiln_fail(KILN_INVALID_LAUNCH, "%s: the argument %s is missing", row,
                             signature->parameters[p].name);
    return KILN_OK;
}

/* ---- buffers ----------------------------------------------------------------------------- */

static kiln_status resolve(const kiln_kernel *kernel, const char *name, cl_mem buffer, range *r,
                           size_t *size, cl_mem_flags *flags)
{
    const char *row = kernel->spec.row->name;
    cl_context context = NULL;
    cl_mem parent = NULL;
    size_t start = 0;
    cl_int code = clGetMemObjectInfo(buffer, CL_MEM_SIZE, sizeof *size, size, NULL);
    if (code == CL_SUCCESS)
        code = clGetMemObjectInfo(buffer, CL_MEM_CONTEXT, sizeof context, &context, NULL);
    if (code == CL_SUCCESS)
        code = clGetMemObjectInfo(buffer, CL_MEM_FLAGS, sizeof *flags, flags, NULL);
    if (code != CL_SUCCESS)
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: %s is no valid buffer: %s (%d)", row, name,
                         kiln_cl_error_name(code), code);
    if (context != kernel->context->cl)
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: %s is a buffer of another context", row, name);
    if (clGetMemObjectInfo(buffer, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof parent, &parent, NULL) !=
            CL_SUCCESS ||
        clGetMemObjectInfo(buffer, CL_MEM_OFFSET, sizeof start, &start, NULL) != CL_SUCCESS ||
        !parent)
        start = 0;
    r->root = parent ? parent : buffer;
    r->start = start;
    return KILN_OK;
}

static kiln_status check_buffer(launch *l, size_t p, const kiln_extents *extents)
{
    const kiln_parameter *parameter = &l->kernel->generated.signature.parameters[p];
    const char *row = l->kernel->spec.row->name;
    const kiln_arg *arg = l->of[p];
    size_t element = kiln_dtype_size(parameter->dtype), size;
    cl_mem_flags flags;
    if (!arg->buffer)
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: the buffer %s is NULL", row, parameter->name);
    if (arg->offset % element != 0)
        return kiln_fail(KILN_INVALID_LAUNCH,
                         "%s: %s: offset %zu must be a multiple of the element's %zu bytes", row,
                         parameter->name, arg->offset, element);
    kiln_status status =
        resolve(l->kernel, parameter->name, arg->buffer, &l->ranges[p], &size, &flags);
    if (status != KILN_OK)
        return status;
    if (arg->offset > size || extents->bytes > size - arg->offset)
        return kiln_fail(KILN_INVALID_LAUNCH,
                         "%s: %s needs %llu bytes behind offset %zu; its buffer has %zu", row,
                         parameter->name, (unsigned long long)extents->bytes, arg->offset, size);
    if (parameter->is_output && (flags & CL_MEM_READ_ONLY))
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: %s is written, but its buffer is read-only", row,
                         parameter->name);
    if (parameter->is_input && (flags & CL_MEM_WRITE_ONLY))
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: %s is read, but its buffer is write-only", row,
                         parameter->name);
    l->ranges[p].start += arg->offset;
    l->ranges[p].end = l->ranges[p].start + (size_t)extents->bytes;
    return KILN_OK;
}

/* Whether out may stand in place of in: the very same elements, and the row allows it. */
static bool allowed_in_place(const launch *l, size_t out, size_t in)
{
    const kiln_parameter *o = &l->kernel->generated.signature.parameters[out];
    const kiln_parameter *i = &l->kernel->generated.signature.parameters[in];
    return o->tensor->may_be && kiln_expr_mentions(o->tensor->may_be, i->tensor->name) &&
           l->ranges[out].start == l->ranges[in].start && l->ranges[out].end == l->ranges[in].end &&
           o->dtype == i->dtype;
}

static kiln_status check_overlap(const launch *l)
{
    const kiln_signature *signature = &l->kernel->generated.signature;
    for (size_t out = 0; out < signature->count; out++) {
        if (signature->parameters[out].kind != KILN_ARG_BUFFER ||
            !signature->parameters[out].is_output)
            continue;
        for (size_t other = 0; other < signature->count; other++) {
            const range *x = &l->ranges[out], *y = &l->ranges[other];
            if (other == out || signature->parameters[other].kind != KILN_ARG_BUFFER ||
                x->root != y->root || x->start >= y->end || y->start >= x->end ||
                allowed_in_place(l, out, other))
                continue;
            return kiln_fail(KILN_INVALID_LAUNCH,
                             "%s: %s, which is written, overlaps %s (bytes %zu to %zu and %zu to "
                             "%zu of one buffer)",
                             l->kernel->spec.row->name, signature->parameters[out].name,
                             signature->parameters[other].name, x->start, x->end, y->start, y->end);
        }
    }
    return KILN_OK;
}

static kiln_status check_queue(const kiln_kernel *kernel, cl_command_queue queue, bool *in_order)
{
    cl_command_queue_properties properties = 0;
    const char *row = kernel->spec.row->name;
    cl_context context = NULL;
    cl_device_id device = NULL;
    if (!queue)
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: the queue is NULL", row);
    cl_int code = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL);
    if (code == CL_SUCCESS)
        code = clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL);
    if (code == CL_SUCCESS)
        code =
            clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL);
    *in_order = !(properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    if (code != CL_SUCCESS)
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: the queue is not valid: %s (%d)", row,
                         kiln_cl_error_name(code), code);
    if (context != kernel->context->cl)
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: the queue is of another context", row);
    if (device != kernel->context->device)
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: the queue is of another device", row);
    return KILN_OK;
}

/* Drivers let a NULL or foreign event pass, and crash or hang on it later. */
static kiln_status check_events(const kiln_kernel *kernel, cl_uint num_wait,
                                const cl_event *wait_list)
{
    const char *row = kernel->spec.row->name;
    if ((num_wait > 0) != (wait_list != NULL))
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "%s: wait_list must be NULL exactly if num_wait is 0; num_wait is %u", row,
                         num_wait);
    for (cl_uint i = 0; i < num_wait; i++) {
        cl_context context = NULL;
        if (!wait_list[i])
            return kiln_fail(KILN_INVALID_ARGUMENT, "%s: event %u of the wait list is NULL", row,
                             i);
        cl_int code =
            clGetEventInfo(wait_list[i], CL_EVENT_CONTEXT, sizeof context, &context, NULL);
        if (code != CL_SUCCESS)
            return kiln_fail(KILN_INVALID_ARGUMENT, "%s: event %u of the wait list: %s (%d)", row,
                             i, kiln_cl_error_name(code), code);
        if (context != kernel->context->cl)
            return kiln_fail(KILN_INVALID_ARGUMENT,
                             "%s: event %u of the wait list is of another context", row, i);
    }
    return KILN_OK;
}

/* ---- enqueueing -------------------------------------------------------------------------- */

/* With the kernel's lock held. */
static kiln_status set_arguments(launch *l, cl_kernel kernel, const int64_t *dims)
{
    const kiln_signature *signature = &l->kernel->generated.signature;
    cl_uint index = 0;
    cl_int code = CL_SUCCESS;
    for (size_t p = 0; p < signature->count && code == CL_SUCCESS; p++) {
        const kiln_parameter *parameter = &signature->parameters[p];
        if (parameter->kind == KILN_ARG_SCALAR)
            continue;
        if (parameter->kind == KILN_ARG_DIM) {
            cl_long value = dims[parameter->dim];
            code = clSetKernelArg(kernel, index++, sizeof value, &value);
            continue;
        }
        cl_ulong offset = l->of[p]->offset / kiln_dtype_size(parameter->dtype);
        code = clSetKernelArg(kernel, index++, sizeof(cl_mem), &l->of[p]->buffer);
        if (code == CL_SUCCESS)
            code = clSetKernelArg(kernel, index++, sizeof offset, &offset);
    }
    for (size_t i = 0; i < l->passed.count && code == CL_SUCCESS; i++)
        code = clSetKernelArg(kernel, index++, l->passed.sizes[i], l->passed.bytes[i]);
    for (size_t i = 0; i < KILN_MAX_SCRATCH && code == CL_SUCCESS; i++)
        if (l->scratch[i])
            code = clSetKernelArg(kernel, index++, sizeof(cl_mem), &l->scratch[i]);
    return code == CL_SUCCESS ? KILN_OK : kiln_fail_cl("clSetKernelArg", code);
}

/* With the kernel's lock held. A launch's own, so that launches on several queues share none. */
static kiln_status take_scratch(launch *l, cl_command_queue queue)
{
    kiln_kernel *kernel = l->kernel;
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < KILN_MAX_SCRATCH && status == KILN_OK; i++)
        if (kernel->generated.scratch[i])
            status =
                kiln_scratch_take(&kernel->context->scratch, kernel->context->cl, queue,
                                  l->in_order, kernel->sizes.scratch[i], kernel->spec.row->name,
                                  &l->scratch[i], &l->scratch_bytes[i]);
    return status;
}

static void give_scratch(launch *l, cl_command_queue queue)
{
    for (size_t i = 0; i < KILN_MAX_SCRATCH; i++)
        if (l->scratch[i])
            kiln_scratch_give(&l->kernel->context->scratch, queue, l->in_order, l->scratch[i],
                              l->scratch_bytes[i]);
}

/* With the kernel's lock held. The stages wait for one another, the first for wait_list. */
static kiln_status enqueue(launch *l, cl_command_queue queue, const kiln_sizes *sizes,
                           cl_uint num_wait, const cl_event *wait_list, cl_event *event)
{
    kiln_kernel *kernel = l->kernel;
    cl_event previous = NULL;
    kiln_status status = KILN_OK;
    for (size_t s = 0; s < kernel->generated.num_stages && status == KILN_OK; s++) {
        kiln_program *program = &kernel->programs[s];
        bool last = s + 1 == kernel->generated.num_stages;
        bool want_event = last ? event || program->identity || program->pending
                               : !l->in_order || program->identity || program->pending;
        cl_event done = NULL;
        status = set_arguments(l, program->kernel, sizes->dims);
        if (status != KILN_OK)
            break;
        kiln_program_enter(kernel->context, program);
        if (s > 0) {
            num_wait = previous ? 1 : 0;
            wait_list = previous ? &previous : NULL;
        }
        cl_int code = clEnqueueNDRangeKernel(queue, program->kernel, 1, NULL, &sizes->global[s],
                                             &sizes->local[s], num_wait, wait_list,
                                             want_event ? &done : NULL);
        kiln_program_ran(kernel->context, program, code == CL_SUCCESS ? done : NULL);
        if (code != CL_SUCCESS) {
            status = kiln_fail(KILN_OPENCL_ERROR, "%s: the launch failed: %s (%d)",
                               kernel->generated.stages[s].entry, kiln_cl_error_name(code), code);
            break;
        }
        if (previous)
            clReleaseEvent(previous);
        previous = done;
    }
    if (status == KILN_OK && event)
        *event = previous;
    else if (previous)
        clReleaseEvent(previous);
    return status;
}

/* With the kernel's lock held: sizes under dims, as the last launch left them if those were its. */
static kiln_status update_sizes(kiln_kernel *kernel, const int64_t *dims)
{
    if (kernel->has_sizes && memcmp(kernel->sizes.dims, dims, sizeof kernel->sizes.dims) == 0)
        return KILN_OK;
    kernel->has_sizes = false;
    kiln_status status = kiln_kernel_sizes(kernel, dims, &kernel->sizes);
    kernel->has_sizes = status == KILN_OK;
    return status;
}

static kiln_status launch_locked(launch *l, cl_command_queue queue, const int64_t *dims,
                                 cl_uint num_wait, const cl_event *wait_list, cl_event *event)
{
    const kiln_signature *signature = &l->kernel->generated.signature;
    kiln_status status = update_sizes(l->kernel, dims);
    for (size_t p = 0; p < signature->count && status == KILN_OK; p++)
        if (signature->parameters[p].kind == KILN_ARG_BUFFER)
            status = check_buffer(l, p, &l->kernel->sizes.extents[p]);
    if (status == KILN_OK)
        status = check_overlap(l);
    if (status == KILN_OK)
        status = take_scratch(l, queue);
    if (status == KILN_OK)
        status = enqueue(l, queue, &l->kernel->sizes, num_wait, wait_list, event);
    give_scratch(l, queue);
    return status;
}

kiln_status kiln_launch(kiln_kernel *kernel, cl_command_queue queue, const kiln_arg *args,
                        size_t num_args, cl_uint num_wait, const cl_event *wait_list,
                        cl_event *event)
{
    if (!kernel)
        return kiln_fail(KILN_INVALID_ARGUMENT, "kiln_launch: the kernel is NULL");
    const char *row = kernel->spec.row->name;
    if (num_args > 0 && !args)
        return kiln_fail(KILN_INVALID_ARGUMENT, "%s: %zu arguments are announced, but args is NULL",
                         row, num_args);
    launch l = {.kernel = kernel};
    int64_t dims[KILN_MAX_DIMS];
    kiln_status status = check_queue(kernel, queue, &l.in_order);
    if (status == KILN_OK)
        status = check_events(kernel, num_wait, wait_list);
    if (status == KILN_OK)
        status = match(&l, args, num_args);
    if (status == KILN_OK)
        status = kiln_kernel_dims(kernel, args, num_args, true, dims);
    if (status == KILN_OK)
        status = kiln_scalars_pass(kernel, l.of, &l.passed);
    if (status != KILN_OK)
        return status;
    pthread_mutex_lock(&kernel->lock);
    status = launch_locked(&l, queue, dims, num_wait, wait_list, event);
    pthread_mutex_unlock(&kernel->lock);
    return status;
}
