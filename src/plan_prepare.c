/* Making a plan ready on a device: memory and kernels. */
#include "device.h"
#include "plan_run.h"
#include <stdlib.h>
#include <string.h>

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
                            kiln_plan_place *p)
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
        kiln_plan_place *p = &prepared->places[prepared->num_places++];
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

static kiln_status make_step(kiln_prepared_plan *prepared, const kiln_plan_launch *launch,
                             kiln_plan_step *s)
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
