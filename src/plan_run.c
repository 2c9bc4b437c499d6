/* Plans on a device: kernels and memory made once, launches enqueued for each run. */
#include "context.h"
#include "device.h"
#include "plan.h"
#include <stdlib.h>
#include <string.h>

/* One launch, ready but for the scalars of a run. */
typedef struct {
    kiln_kernel *kernel; /* NULL: memory is filled with zeros */
    kiln_arg *args;
    int *scalars; /* as args: of the plan's; -1: as it is */
    size_t num_args;
    bool one_stage;
    cl_mem buffer; /* to be filled */
    size_t offset, bytes;
} step;

typedef struct {
    char *name;
    kiln_tensor_place place;
    size_t first, last; /* launches; of a temporary */
    bool temporary;
} place;

struct kiln_prepared_plan {
    kiln_context *context;
    step *steps;
    size_t num_steps;
    place *places;
    size_t num_places;
    char **scalars;
    size_t num_scalars;
    cl_mem *buffers;
    size_t num_buffers;
    cl_event last; /* of the run before */
};

void kiln_release_prepared_plan(kiln_prepared_plan *prepared)
{
    if (!prepared)
        return;
    for (size_t i = 0; i < prepared->num_steps; i++) {
        kiln_release_kernel(prepared->steps[i].kernel);
        free(prepared->steps[i].args);
        free(prepared->steps[i].scalars);
    }
    for (size_t i = 0; i < prepared->num_places; i++)
        free(prepared->places[i].name);
    for (size_t i = 0; i < prepared->num_scalars; i++)
        free(prepared->scalars[i]);
    for (size_t i = 0; i < prepared->num_buffers; i++)
        if (prepared->buffers[i])
            clReleaseMemObject(prepared->buffers[i]);
    if (prepared->last)
        clReleaseEvent(prepared->last);
    free(prepared->steps);
    free(prepared->places);
    free(prepared->scalars);
    free(prepared->buffers);
    free(prepared);
}

/* ---- memory ------------------------------------------------------------------------------ */

static kiln_status check_outputs(const kiln_plan *plan)
{
    for (size_t i = 0; i < plan->num_tensors; i++)
        if (plan->tensors[i].role == KILN_ROLE_OUTPUT && plan->tensors[i].stored == (int)i &&
            plan->tensors[i].elements_written == 0)
            return kiln_fail(KILN_INVALID_ARGUMENT, "tensor %s is an output that no launch writes",
                             plan->tensors[i].name);
    return KILN_OK;
}

static kiln_status device_memory(const kiln_context *context, cl_ulong *global, cl_ulong *largest)
{
    cl_int code =
        clGetDeviceInfo(context->device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof *global, global, NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(context->device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof *largest,
                               largest, NULL);
    return code == CL_SUCCESS ? KILN_OK : kiln_fail_cl("clGetDeviceInfo", code);
}

/* Before anything is allocated. */
static kiln_status check_memory(const kiln_plan *plan, const kiln_plan_layout *layout,
                                cl_ulong global, cl_ulong largest)
{
    double needed = kiln_layout_bytes(layout);
    if (needed > (double)global)
        return kiln_fail(KILN_UNSUPPORTED,
                         "the plan needs %.0f bytes (%.0f for temporaries at their peak); the "
                         "device has %llu",
                         needed, needed - layout->persistent, (unsigned long long)global);
    for (size_t i = 0; i < plan->num_tensors; i++) {
        uint64_t bytes = kiln_tensor_bytes(&plan->tensors[i]);
        bool used = plan->tensors[i].role != KILN_ROLE_TEMPORARY || layout->of[i].arena >= 0;
        if (used && plan->tensors[i].stored == (int)i && bytes > largest)
            return kiln_fail(KILN_UNSUPPORTED,
                             "tensor %s needs %llu bytes; the device gives at most %llu at once",
                             plan->tensors[i].name, (unsigned long long)bytes,
                             (unsigned long long)largest);
    }
    return KILN_OK;
}

static kiln_status add_buffer(kiln_prepared_plan *prepared, const char *what, uint64_t bytes)
{
    cl_int code;
    cl_mem buffer =
        clCreateBuffer(prepared->context->cl, CL_MEM_READ_WRITE, (size_t)bytes, NULL, &code);
    if (code != CL_SUCCESS)
        return kiln_fail(KILN_OPENCL_ERROR, "%s: no buffer of %llu bytes: %s (%d)", what,
                         (unsigned long long)bytes, kiln_cl_error_name(code), code);
    prepared->buffers[prepared->num_buffers++] = buffer;
    return KILN_OK;
}

/* What a place is called by, and its rows; the memory comes after. */
static kiln_status describe(const kiln_plan *plan, size_t index, const kiln_plan_layout *layout,
                            place *p)
{
    const kiln_plan_tensor *tensor = &plan->tensors[index];
    size_t size = kiln_dtype_size(tensor->dtype);
    int64_t width = tensor->extents[tensor->rank - 1];
    p->name = kiln_strdup(tensor->name);
    if (!p->name)
        return kiln_fail_memory();
    p->place.offset = (size_t)tensor->offset * size;
    p->place.rows = (size_t)(tensor->elements / width);
    p->place.row_bytes = (size_t)width * size;
    p->place.row_stride = (size_t)tensor->row_stride * size;
    p->first = layout->of[tensor->stored].first;
    p->last = layout->of[tensor->stored].last;
    p->temporary = tensor->role == KILN_ROLE_TEMPORARY;
    return KILN_OK;
}

static kiln_status allocate(kiln_prepared_plan *prepared, const kiln_plan *plan,
                            const kiln_plan_layout *layout)
{
    prepared->buffers = calloc(plan->num_tensors + layout->num_arenas + 1, sizeof(cl_mem));
    prepared->places = calloc(plan->num_tensors + 1, sizeof *prepared->places);
    if (!prepared->buffers || !prepared->places)
        return kiln_fail_memory();
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < layout->num_arenas && status == KILN_OK; i++)
        status = add_buffer(prepared, "temporaries", layout->arenas[i]);
    for (size_t i = 0; i < plan->num_tensors && status == KILN_OK; i++) {
        const kiln_plan_tensor *tensor = &plan->tensors[i];
        place *p = &prepared->places[prepared->num_places++];
        status = describe(plan, i, layout, p);
        if (status != KILN_OK || tensor->stored != (int)i)
            continue;
        if (tensor->role == KILN_ROLE_TEMPORARY) {
            if (layout->of[i].arena >= 0)
                p->place.buffer = prepared->buffers[layout->of[i].arena];
            p->place.offset += (size_t)layout->of[i].offset;
            continue;
        }
        status = add_buffer(prepared, tensor->name, kiln_tensor_bytes(tensor));
        if (status == KILN_OK)
            p->place.buffer = prepared->buffers[prepared->num_buffers - 1];
    }
    /* Those that were merged lie in the others' memory. */
    for (size_t i = 0; i < plan->num_tensors && status == KILN_OK; i++) {
        int stored = plan->tensors[i].stored;
        if (stored == (int)i)
            continue;
        prepared->places[i].place.buffer = prepared->places[stored].place.buffer;
        prepared->places[i].place.offset += prepared->places[stored].place.offset;
    }
    return status;
}

/* ---- launches ---------------------------------------------------------------------------- */

static kiln_arg argument(const kiln_prepared_plan *prepared, const kiln_plan_launch *launch,
                         size_t p, const char *name)
{
    const kiln_binding *binding = &launch->bindings[p];
    if (binding->tensor < 0)
        return kiln_scalar(name, binding->number);
    const kiln_tensor_place *at = &prepared->places[binding->tensor].place;
    size_t size = kiln_dtype_size(launch->kind->signature.parameters[p].dtype);
    return kiln_buffer_at(name, at->buffer, at->offset + (size_t)binding->offset * size);
}

static kiln_status make_step(kiln_prepared_plan *prepared, const kiln_plan_launch *launch, step *s)
{
    if (!launch->kind) {
        const kiln_tensor_place *at = &prepared->places[launch->bindings[0].tensor].place;
        s->buffer = at->buffer;
        s->offset = at->offset;
        s->bytes = at->rows * at->row_bytes;
        return KILN_OK;
    }
    kiln_kernel_info info;
    kiln_status status = kiln_create_kernel(prepared->context, launch->kind->spec.text, &s->kernel);
    if (status == KILN_OK)
        status = kiln_get_kernel_info(s->kernel, &info);
    if (status != KILN_OK)
        return status;
    s->one_stage = info.num_stages == 1;
    s->num_args = launch->num_bindings;
    s->args = calloc(s->num_args, sizeof *s->args);
    s->scalars = calloc(s->num_args, sizeof *s->scalars);
    if (!s->args || !s->scalars)
        return kiln_fail_memory();
    for (size_t p = 0; p < s->num_args && status == KILN_OK; p++) {
        kiln_arg_info arg;
        status = kiln_get_arg_info(s->kernel, p, NULL, 0, &arg);
        if (status != KILN_OK)
            break;
        s->args[p] = argument(prepared, launch, p, arg.name);
        s->scalars[p] = launch->bindings[p].scalar;
    }
    return status;
}

static kiln_status make_steps(kiln_prepared_plan *prepared, const kiln_plan *plan)
{
    prepared->steps = calloc(plan->num_launches + 1, sizeof *prepared->steps);
    prepared->scalars = calloc(plan->num_scalars + 1, sizeof *prepared->scalars);
    if (!prepared->steps || !prepared->scalars)
        return kiln_fail_memory();
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < plan->num_scalars; i++) {
        prepared->scalars[i] = kiln_strdup(plan->scalars[i]);
        if (!prepared->scalars[i])
            return kiln_fail_memory();
        prepared->num_scalars++;
    }
    for (size_t i = 0; i < plan->num_launches && status == KILN_OK; i++) {
        prepared->num_steps++;
        status = make_step(prepared, plan->launches[i], &prepared->steps[i]);
    }
    return status;
}

static kiln_status prepare(kiln_prepared_plan *prepared, const kiln_plan *plan)
{
    cl_ulong global, largest;
    kiln_plan_layout layout;
    kiln_status status = check_outputs(plan);
    if (status == KILN_OK)
        status = device_memory(prepared->context, &global, &largest);
    if (status == KILN_OK)
        status = kiln_layout_make(plan, largest, &layout);
    if (status != KILN_OK)
        return status;
    status = check_memory(plan, &layout, global, largest);
    if (status == KILN_OK)
        status = allocate(prepared, plan, &layout);
    if (status == KILN_OK)
        status = make_steps(prepared, plan);
    kiln_layout_free(&layout);
    return status;
}

kiln_status kiln_prepare_plan(kiln_context *context, const kiln_plan *plan,
                              kiln_prepared_plan **prepared)
{
    if (!context || !plan || !prepared)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_prepare_plan: context, plan and prepared must not be NULL");
    *prepared = NULL;
    kiln_prepared_plan *made = calloc(1, sizeof *made);
    if (!made)
        return kiln_fail_memory();
    made->context = context;
    kiln_status status = prepare(made, plan);
    if (status == KILN_OK)
        *prepared = made;
    else
        kiln_release_prepared_plan(made);
    return status;
}

/* ---- tensors ----------------------------------------------------------------------------- */

static const place *find_place(const kiln_prepared_plan *prepared, const char *name)
{
    for (size_t i = 0; i < prepared->num_places; i++)
        if (strcmp(prepared->places[i].name, name) == 0)
            return &prepared->places[i];
    return NULL;
}

static const char *place_name(void *user, size_t index)
{
    const kiln_prepared_plan *prepared = user;
    return index < prepared->num_places ? prepared->places[index].name : NULL;
}

kiln_status kiln_prepared_tensor(const kiln_prepared_plan *prepared, const char *name,
                                 kiln_tensor_place *at)
{
    if (!prepared || !name || !at)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_prepared_tensor: prepared, name and place must not be NULL");
    const place *found = find_place(prepared, name);
    if (!found) {
        kiln_text message = {0};
        kiln_text_addf(&message, "the plan has no tensor `%s'", name);
        kiln_suggest(&message, name, place_name, (void *)prepared);
        return kiln_fail_text(KILN_INVALID_ARGUMENT, &message);
    }
    if (!found->place.buffer)
        return kiln_fail(KILN_INVALID_ARGUMENT, "tensor %s is in no launch, and has no memory",
                         name);
    *at = found->place;
    return KILN_OK;
}

static kiln_status check_transfer(const kiln_prepared_plan *prepared, const char *name,
                                  const void *data, size_t bytes, kiln_tensor_place *at)
{
    kiln_status status = kiln_prepared_tensor(prepared, name, at);
    if (status != KILN_OK)
        return status;
    if (!data)
        return kiln_fail(KILN_INVALID_ARGUMENT, "tensor %s: data must not be NULL", name);
    if (bytes != at->rows * at->row_bytes)
        return kiln_fail(KILN_INVALID_ARGUMENT, "tensor %s has %zu bytes, not %zu", name,
                         at->rows * at->row_bytes, bytes);
    return KILN_OK;
}

/* Rows of a matrix in memory: a rectangle whose first row begins at the offset. */
static cl_int move_rows(cl_command_queue queue, const kiln_tensor_place *at, const void *from,
                        void *to, const cl_event *wait)
{
    size_t origin[3] = {at->offset % at->row_stride, at->offset / at->row_stride, 0};
    size_t host[3] = {0, 0, 0}, region[3] = {at->row_bytes, at->rows, 1};
    return from ? clEnqueueWriteBufferRect(queue, at->buffer, CL_TRUE, origin, host, region,
                                           at->row_stride, 0, at->row_bytes, 0, from, wait ? 1 : 0,
                                           wait, NULL)
                : clEnqueueReadBufferRect(queue, at->buffer, CL_TRUE, origin, host, region,
                                          at->row_stride, 0, at->row_bytes, 0, to, wait ? 1 : 0,
                                          wait, NULL);
}

kiln_status kiln_write_tensor(kiln_prepared_plan *prepared, cl_command_queue queue,
                              const char *name, const void *data, size_t bytes)
{
    kiln_tensor_place at;
    kiln_status status = check_transfer(prepared, name, data, bytes, &at);
    if (status != KILN_OK)
        return status;
    const cl_event *wait = prepared->last ? &prepared->last : NULL;
    cl_int code = at.row_stride == at.row_bytes
                      ? clEnqueueWriteBuffer(queue, at.buffer, CL_TRUE, at.offset, bytes, data,
                                             wait ? 1 : 0, wait, NULL)
                      : move_rows(queue, &at, data, NULL, wait);
    return code == CL_SUCCESS ? KILN_OK : kiln_fail_cl("writing a tensor", code);
}

kiln_status kiln_read_tensor(kiln_prepared_plan *prepared, cl_command_queue queue, const char *name,
                             void *data, size_t bytes)
{
    kiln_tensor_place at;
    kiln_status status = check_transfer(prepared, name, data, bytes, &at);
    if (status != KILN_OK)
        return status;
    const cl_event *wait = prepared->last ? &prepared->last : NULL;
    cl_int code = at.row_stride == at.row_bytes
                      ? clEnqueueReadBuffer(queue, at.buffer, CL_TRUE, at.offset, bytes, data,
                                            wait ? 1 : 0, wait, NULL)
                      : move_rows(queue, &at, NULL, data, wait);
    return code == CL_SUCCESS ? KILN_OK : kiln_fail_cl("reading a tensor", code);
}

/* ---- runs -------------------------------------------------------------------------------- */

static const char *scalar_name(void *user, size_t index)
{
    const kiln_prepared_plan *prepared = user;
    return index < prepared->num_scalars ? prepared->scalars[index] : NULL;
}

/* of: the argument given for each of the plan's scalars. */
static kiln_status match_scalars(const kiln_prepared_plan *prepared, const kiln_arg *scalars,
                                 size_t num_scalars, const kiln_arg **of)
{
    for (size_t i = 0; i < num_scalars; i++) {
        size_t s = 0;
        if (!scalars[i].name || scalars[i].kind != KILN_ARG_SCALAR)
            return kiln_fail(KILN_INVALID_LAUNCH, "plan: argument %zu of a run is no scalar", i);
        while (s < prepared->num_scalars && strcmp(prepared->scalars[s], scalars[i].name) != 0)
            s++;
        if (s == prepared->num_scalars) {
            kiln_text message = {0};
            kiln_text_addf(&message, "plan: there is no scalar `%s'", scalars[i].name);
            kiln_suggest(&message, scalars[i].name, scalar_name, (void *)prepared);
            return kiln_fail_text(KILN_INVALID_LAUNCH, &message);
        }
        if (of[s])
            return kiln_fail(KILN_INVALID_LAUNCH, "plan: the scalar %s is given twice",
                             scalars[i].name);
        of[s] = &scalars[i];
    }
    for (size_t s = 0; s < prepared->num_scalars; s++)
        if (!of[s])
            return kiln_fail(KILN_INVALID_LAUNCH, "plan: the scalar %s is missing",
                             prepared->scalars[s]);
    return KILN_OK;
}

static void set_scalars(kiln_prepared_plan *prepared, const kiln_arg *const *of)
{
    for (size_t i = 0; i < prepared->num_steps; i++) {
        step *s = &prepared->steps[i];
        for (size_t p = 0; p < s->num_args; p++) {
            if (s->scalars[p] < 0)
                continue;
            s->args[p].integer = of[s->scalars[p]]->integer;
            s->args[p].real = of[s->scalars[p]]->real;
        }
    }
}

static kiln_status enqueue_step(const kiln_prepared_plan *prepared, size_t index,
                                cl_command_queue queue, cl_uint num_wait, const cl_event *wait_list,
                                cl_event *event)
{
    const step *s = &prepared->steps[index];
    if (s->kernel) {
        kiln_status status =
            kiln_launch(s->kernel, queue, s->args, s->num_args, num_wait, wait_list, event);
        return status == KILN_OK ? KILN_OK
                                 : kiln_fail(status, "launch %zu: %s", index, kiln_last_error());
    }
    cl_uchar zero = 0;
    cl_int code = clEnqueueFillBuffer(queue, s->buffer, &zero, sizeof zero, s->offset, s->bytes,
                                      num_wait, wait_list, event);
    return code == CL_SUCCESS ? KILN_OK : kiln_fail_cl("clEnqueueFillBuffer", code);
}

/* The first launch waits for the caller's events and for the run before. */
static kiln_status enqueue_first(const kiln_prepared_plan *prepared, cl_command_queue queue,
                                 cl_uint num_wait, const cl_event *wait_list, cl_event *event)
{
    if (!prepared->last)
        return enqueue_step(prepared, 0, queue, num_wait, wait_list, event);
    cl_event *all = malloc((num_wait + 1) * sizeof(cl_event));
    if (!all)
        return kiln_fail_memory();
    for (cl_uint i = 0; i < num_wait; i++)
        all[i] = wait_list[i];
    all[num_wait] = prepared->last;
    kiln_status status = enqueue_step(prepared, 0, queue, num_wait + 1, all, event);
    free(all);
    return status;
}

/* events: one for each step, the caller's from then on; NULL where the queue's order suffices. */
static kiln_status enqueue_all(kiln_prepared_plan *prepared, cl_command_queue queue, bool in_order,
                               cl_uint num_wait, const cl_event *wait_list, cl_event *events)
{
    cl_event previous = NULL;
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < prepared->num_steps && status == KILN_OK; i++) {
        cl_event done = NULL;
        bool wanted = events || !in_order || i + 1 == prepared->num_steps;
        if (i == 0)
            status = enqueue_first(prepared, queue, num_wait, wait_list, wanted ? &done : NULL);
        else
            status = enqueue_step(prepared, i, queue, previous ? 1 : 0, previous ? &previous : NULL,
                                  wanted ? &done : NULL);
        if (status != KILN_OK)
            break;
        if (previous)
            clReleaseEvent(previous);
        previous = done;
        if (events) {
            clRetainEvent(done);
            events[i] = done;
        }
    }
    /* After a failure, too: what is enqueued uses the memory. */
    if (previous) {
        if (prepared->last)
            clReleaseEvent(prepared->last);
        prepared->last = previous;
    }
    return status;
}

static kiln_status queue_properties(cl_command_queue queue, cl_command_queue_properties *properties)
{
    if (!queue)
        return kiln_fail(KILN_INVALID_ARGUMENT, "plan: the queue is NULL");
    cl_int code =
        clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof *properties, properties, NULL);
    return code == CL_SUCCESS ? KILN_OK : kiln_fail_cl("clGetCommandQueueInfo", code);
}

static kiln_status run(kiln_prepared_plan *prepared, cl_command_queue queue, bool in_order,
                       const kiln_arg *scalars, size_t num_scalars, cl_uint num_wait,
                       const cl_event *wait_list, cl_event *events)
{
    const kiln_arg **of = calloc(prepared->num_scalars + 1, sizeof *of);
    if (!of)
        return kiln_fail_memory();
    kiln_status status = match_scalars(prepared, scalars, num_scalars, of);
    if (status == KILN_OK) {
        set_scalars(prepared, of);
        status = enqueue_all(prepared, queue, in_order, num_wait, wait_list, events);
    }
    free(of);
    return status;
}

kiln_status kiln_run_plan(kiln_prepared_plan *prepared, cl_command_queue queue,
                          const kiln_arg *scalars, size_t num_scalars, cl_uint num_wait,
                          const cl_event *wait_list, cl_event *event)
{
    if (!prepared || (num_scalars > 0 && !scalars))
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_run_plan: prepared and scalars must not be NULL");
    if (prepared->num_steps == 0)
        return kiln_fail(KILN_INVALID_ARGUMENT, "kiln_run_plan: the plan has no launches");
    if ((num_wait > 0) != (wait_list != NULL))
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_run_plan: wait_list must be NULL exactly if num_wait is 0");
    cl_command_queue_properties properties;
    kiln_status status = queue_properties(queue, &properties);
    if (status == KILN_OK)
        status = run(prepared, queue, !(properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE),
                     scalars, num_scalars, num_wait, wait_list, NULL);
    if (status == KILN_OK && event) {
        clRetainEvent(prepared->last);
        *event = prepared->last;
    }
    return status;
}

/* ---- times ------------------------------------------------------------------------------- */

static kiln_status moment(cl_event event, cl_profiling_info what, double *seconds)
{
    cl_ulong nanoseconds;
    cl_int code = clGetEventProfilingInfo(event, what, sizeof nanoseconds, &nanoseconds, NULL);
    *seconds = 1e-9 * (double)nanoseconds;
    return code == CL_SUCCESS ? KILN_OK : kiln_fail_cl("clGetEventProfilingInfo", code);
}

/* A launch of several stages has an event of its last one only: its time is from the end of the
 * launch before, or of the marker. */
static kiln_status read_times(const kiln_prepared_plan *prepared, cl_event marker,
                              const cl_event *events, double *seconds)
{
    double before, start = 0, end = 0;
    kiln_status status = moment(marker, CL_PROFILING_COMMAND_END, &before);
    for (size_t i = 0; i < prepared->num_steps && status == KILN_OK; i++) {
        status = moment(events[i], CL_PROFILING_COMMAND_START, &start);
        if (status == KILN_OK)
            status = moment(events[i], CL_PROFILING_COMMAND_END, &end);
        if (prepared->steps[i].kernel && !prepared->steps[i].one_stage)
            start = before;
        seconds[i] = end - start;
        before = end;
    }
    return status;
}

kiln_status kiln_time_plan(kiln_prepared_plan *prepared, cl_command_queue queue,
                           const kiln_arg *scalars, size_t num_scalars, double *seconds)
{
    if (!prepared || !seconds || (num_scalars > 0 && !scalars))
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_time_plan: prepared, scalars and seconds must not be NULL");
    cl_command_queue_properties properties;
    kiln_status status = queue_properties(queue, &properties);
    if (status != KILN_OK)
        return status;
    if (!(properties & CL_QUEUE_PROFILING_ENABLE))
        return kiln_fail(KILN_INVALID_ARGUMENT, "kiln_time_plan: the queue does not profile");
    cl_event marker = NULL, *events = calloc(prepared->num_steps + 1, sizeof(cl_event));
    if (!events)
        return kiln_fail_memory();
    cl_int code = clEnqueueMarkerWithWaitList(queue, prepared->last ? 1 : 0,
                                              prepared->last ? &prepared->last : NULL, &marker);
    if (code != CL_SUCCESS)
        status = kiln_fail_cl("clEnqueueMarkerWithWaitList", code);
    if (status == KILN_OK)
        status = run(prepared, queue, !(properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE),
                     scalars, num_scalars, 1, &marker, events);
    if (status == KILN_OK && prepared->num_steps > 0) {
        code = clWaitForEvents(1, &events[prepared->num_steps - 1]);
        status = code == CL_SUCCESS ? read_times(prepared, marker, events, seconds)
                                    : kiln_fail_cl("clWaitForEvents", code);
    }
    for (size_t i = 0; i < prepared->num_steps; i++)
        if (events[i])
            clReleaseEvent(events[i]);
    if (marker)
        clReleaseEvent(marker);
    free(events);
    return status;
}
