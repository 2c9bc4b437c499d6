/* What is done with a plan that is ready: its tensors read and written, its launches enqueued for
 * each run, their times. */
#include "device.h"
#include "plan_run.h"
#include <stdlib.h>
#include <string.h>

/* ---- tensors ----------------------------------------------------------------------------- */

static const kiln_plan_place *find_place(const kiln_prepared_plan *prepared, const char *name)
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
    const kiln_plan_place *found = find_place(prepared, name);
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
        kiln_plan_step *s = &prepared->steps[i];
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
    const kiln_plan_step *s = &prepared->steps[index];
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
