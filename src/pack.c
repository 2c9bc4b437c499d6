/* kiln_pack: the `pack' kernel with a buffer of its own. */
#include "context.h"
#include "device.h"
#include "kiln.h"
#include "status.h"

static kiln_status make(kiln_context *context, const kiln_arg_info *info, cl_mem *buffer)
{
    cl_int code;
    *buffer = clCreateBuffer(context->cl, CL_MEM_READ_WRITE, info->bytes, NULL, &code);
    if (code == CL_SUCCESS)
        return KILN_OK;
    *buffer = NULL;
    return kiln_fail(KILN_OPENCL_ERROR, "kiln_pack: no buffer of %zu bytes: %s (%d)", info->bytes,
                     kiln_cl_error_name(code), code);
}

kiln_status kiln_pack(kiln_context *context, cl_command_queue queue, const kiln_pack_params *params,
                      kiln_arg b, cl_uint num_wait, const cl_event *wait_list, cl_event *event,
                      cl_mem *packed)
{
    if (packed)
        *packed = NULL;
    if (!context || !queue || !params || !packed)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_pack: context, queue, params and packed must not be NULL");
    if (params->n == KILN_LAUNCH_TIME || params->k == KILN_LAUNCH_TIME)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_pack: n and k must be numbers, not KILN_LAUNCH_TIME");
    kiln_kernel *kernel;
    kiln_arg_info info;
    kiln_status status = kiln_create_pack_kernel(context, params, &kernel);
    if (status != KILN_OK)
        return status;
    status = kiln_get_arg_info(kernel, 1, NULL, 0, &info);
    if (status == KILN_OK)
        status = make(context, &info, packed);
    if (status == KILN_OK) {
        const kiln_arg args[] = {b, kiln_buffer(info.name, *packed)};
        status = kiln_launch(kernel, queue, args, 2, num_wait, wait_list, event);
    }
    if (status != KILN_OK && *packed) {
        clReleaseMemObject(*packed);
        *packed = NULL;
    }
    kiln_release_kernel(kernel);
    return status;
}
