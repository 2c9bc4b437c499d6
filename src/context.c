#include "context.h"
#include "device.h"
#include "kernel.h"
#include "nvidia.h"
#include "program.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kiln_log(const kiln_context *context, kiln_log_level level, const char *format, ...)
{
    if (!context->log)
        return;
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    context->log(context->log_user, level, message);
}

/* The cache speaks through the context's log. */
static void log_from_cache(void *user, kiln_log_level level, const char *message)
{
    kiln_log(user, level, "%s", message);
}

static bool context_has_device(cl_context cl, cl_device_id device)
{
    size_t size = 0;
    if (clGetContextInfo(cl, CL_CONTEXT_DEVICES, 0, NULL, &size) != CL_SUCCESS)
        return false;
    cl_device_id *devices = malloc(size);
    bool found = false;
    if (devices && clGetContextInfo(cl, CL_CONTEXT_DEVICES, size, devices, NULL) == CL_SUCCESS)
        for (size_t i = 0; i < size / sizeof *devices; i++)
            found = found || devices[i] == device;
    free(devices);
    return found;
}

/* The caller's context and device, or one made here. */
static kiln_status open_device(kiln_context *context, const kiln_context_params *params)
{
    if (params->context && !params->device)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_create_context: a context is given, but no device of it");
    context->device = params->device;
    if (!params->device) {
        const char *name = params->device_name ? params->device_name : getenv("KILN_DEVICE");
        kiln_status status = kiln_device_find(name, &context->device);
        if (status != KILN_OK)
            return status;
    }
    if (params->context) {
        if (!context_has_device(params->context, params->device))
            return kiln_fail(KILN_INVALID_ARGUMENT,
                             "kiln_create_context: the device is not one of the context's");
        clRetainContext(params->context);
        context->cl = params->context;
        return KILN_OK;
    }
    cl_int code;
    context->cl = clCreateContext(NULL, 1, &context->device, NULL, NULL, &code);
    if (code != CL_SUCCESS) {
        context->cl = NULL;
        return kiln_fail_cl("clCreateContext", code);
    }
    return KILN_OK;
}

static kiln_status open_rest(kiln_context *context, const kiln_context_params *params)
{
    kiln_status status = kiln_device_facts(context->device, &context->facts);
    if (status == KILN_OK)
        status = kiln_device_identity(context->device, &context->identity);
    if (status != KILN_OK)
        return status;
    context->compiles_late = kiln_device_compiles_late(context->device);
    const char *dir = params->template_dir ? params->template_dir : getenv("KILN_TEMPLATE_DIR");
    if (dir && *dir && !(context->template_dir = kiln_strdup(dir)))
        return kiln_fail_memory();
    status = params->store ? kiln_cache_open_store(params->cache, params->store, log_from_cache,
                                                   context, &context->cache)
                           : kiln_cache_open(params->cache, params->cache_dir, 0, log_from_cache,
                                             context, &context->cache);
    if (status == KILN_OK)
        status = kiln_nvidia_facts(context);
    if (status == KILN_OK)
        status = kiln_tuning_open(context->cache, context->identity, &context->facts,
                                  log_from_cache, context, &context->tuning_store);
    if (status == KILN_OK && !(context->saver = kiln_saver_create(context)))
        status = kiln_fail_memory();
    return status;
}

static void destroy(kiln_context *context)
{
    kiln_saver_free(context->saver);
    kiln_kernels_free(context);
    kiln_lines_free(&context->tuning);
    kiln_lines_free(&context->shipped);
    kiln_tuning_close(context->tuning_store);
    kiln_cache_close(context->cache);
    kiln_scratch_free(&context->scratch);
    if (context->cl)
        clReleaseContext(context->cl);
    free(context->identity);
    free(context->template_dir);
    pthread_cond_destroy(&context->changed);
    pthread_mutex_destroy(&context->lock);
    pthread_mutex_destroy(&context->tuning_lock);
    free(context);
}

kiln_status kiln_create_context(const kiln_context_params *params, kiln_context **result)
{
    static const kiln_context_params defaults;
    if (!result)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_create_context: the pointer for the context is NULL");
    *result = NULL;
    if (!params)
        params = &defaults;
    if (params->cache < KILN_CACHE_DEFAULT || params->cache > KILN_CACHE_REQUIRE)
        return kiln_fail(KILN_INVALID_ARGUMENT, "kiln_create_context: cache=%d is no cache mode",
                         (int)params->cache);
    if (params->store && (!params->store->get || !params->store->set))
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_create_context: a store needs both get and set");
    kiln_context *context = calloc(1, sizeof *context);
    if (!context)
        return kiln_fail_memory();
    pthread_mutex_init(&context->lock, NULL);
    pthread_mutex_init(&context->tuning_lock, NULL);
    pthread_cond_init(&context->changed, NULL);
    context->references = 1;
    context->log = params->log;
    context->log_user = params->log_user;
    kiln_status status = open_device(context, params);
    cl_ulong memory = 0;
    if (status == KILN_OK)
        clGetDeviceInfo(context->device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory, &memory, NULL);
    kiln_scratch_init(&context->scratch, memory);
    if (status == KILN_OK)
        status = open_rest(context, params);
    if (status != KILN_OK) {
        destroy(context);
        return status;
    }
    *result = context;
    return KILN_OK;
}

void kiln_context_drop(kiln_context *context)
{
    pthread_mutex_lock(&context->lock);
    bool last = --context->references == 0;
    pthread_mutex_unlock(&context->lock);
    if (last)
        destroy(context);
}

void kiln_release_context(kiln_context *context)
{
    if (!context)
        return;
    kiln_flush_cache(context);
    kiln_context_drop(context);
}

void kiln_flush_cache(kiln_context *context)
{
    if (context)
        kiln_saver_flush(context->saver);
}

cl_context kiln_context_cl(const kiln_context *context)
{
    return context ? context->cl : NULL;
}

cl_device_id kiln_context_device(const kiln_context *context)
{
    return context ? context->device : NULL;
}
