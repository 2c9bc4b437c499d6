#include "device.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clGetPlatformIDs of an ICD loader without any driver. */
#define PLATFORM_NOT_FOUND (-1001)

/* ---- errors ------------------------------------------------------------------------------ */

const char *kiln_cl_error_name(cl_int code)
{
    static const struct {
        cl_int code;
        const char *name;
    } names[] = {
        {CL_DEVICE_NOT_FOUND, "CL_DEVICE_NOT_FOUND"},
        {CL_DEVICE_NOT_AVAILABLE, "CL_DEVICE_NOT_AVAILABLE"},
        {CL_COMPILER_NOT_AVAILABLE, "CL_COMPILER_NOT_AVAILABLE"},
        {CL_MEM_OBJECT_ALLOCATION_FAILURE, "CL_MEM_OBJECT_ALLOCATION_FAILURE"},
        {CL_OUT_OF_RESOURCES, "CL_OUT_OF_RESOURCES"},
        {CL_OUT_OF_HOST_MEMORY, "CL_OUT_OF_HOST_MEMORY"},
        {CL_BUILD_PROGRAM_FAILURE, "CL_BUILD_PROGRAM_FAILURE"},
        {CL_INVALID_VALUE, "CL_INVALID_VALUE"},
        {CL_INVALID_DEVICE, "CL_INVALID_DEVICE"},
        {CL_INVALID_CONTEXT, "CL_INVALID_CONTEXT"},
        {CL_INVALID_COMMAND_QUEUE, "CL_INVALID_COMMAND_QUEUE"},
        {CL_INVALID_MEM_OBJECT, "CL_INVALID_MEM_OBJECT"},
        {CL_INVALID_BINARY, "CL_INVALID_BINARY"},
        {CL_INVALID_BUILD_OPTIONS, "CL_INVALID_BUILD_OPTIONS"},
        {CL_INVALID_PROGRAM, "CL_INVALID_PROGRAM"},
        {CL_INVALID_PROGRAM_EXECUTABLE, "CL_INVALID_PROGRAM_EXECUTABLE"},
        {CL_INVALID_KERNEL_NAME, "CL_INVALID_KERNEL_NAME"},
        {CL_INVALID_KERNEL, "CL_INVALID_KERNEL"},
        {CL_INVALID_ARG_INDEX, "CL_INVALID_ARG_INDEX"},
        {CL_INVALID_ARG_VALUE, "CL_INVALID_ARG_VALUE"},
        {CL_INVALID_ARG_SIZE, "CL_INVALID_ARG_SIZE"},
        {CL_INVALID_KERNEL_ARGS, "CL_INVALID_KERNEL_ARGS"},
        {CL_INVALID_WORK_GROUP_SIZE, "CL_INVALID_WORK_GROUP_SIZE"},
        {CL_INVALID_WORK_ITEM_SIZE, "CL_INVALID_WORK_ITEM_SIZE"},
        {CL_INVALID_EVENT_WAIT_LIST, "CL_INVALID_EVENT_WAIT_LIST"},
        {CL_INVALID_EVENT, "CL_INVALID_EVENT"},
        {CL_INVALID_OPERATION, "CL_INVALID_OPERATION"},
        {CL_INVALID_BUFFER_SIZE, "CL_INVALID_BUFFER_SIZE"},
        {CL_INVALID_GLOBAL_WORK_SIZE, "CL_INVALID_GLOBAL_WORK_SIZE"},
        {PLATFORM_NOT_FOUND, "CL_PLATFORM_NOT_FOUND_KHR"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            return names[i].name;
    return "an OpenCL error";
}

kiln_status kiln_fail_cl(const char *call, cl_int code)
{
    return kiln_fail(KILN_OPENCL_ERROR, "%s failed: %s (%d)", call, kiln_cl_error_name(code), code);
}

/* ---- strings ----------------------------------------------------------------------------- */

/* Driver strings are cut at the first NUL: some count it, some pad with more. */
char *kiln_device_string(cl_device_id device, cl_device_info what)
{
    size_t size = 0;
    if (clGetDeviceInfo(device, what, 0, NULL, &size) != CL_SUCCESS)
        size = 0;
    char *text = calloc(size + 1, 1);
    if (text && size && clGetDeviceInfo(device, what, size, text, NULL) != CL_SUCCESS)
        *text = '\0';
    return text;
}

char *kiln_platform_string(cl_device_id device, cl_platform_info what)
{
    cl_platform_id platform = NULL;
    size_t size = 0;
    if (clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL) !=
            CL_SUCCESS ||
        clGetPlatformInfo(platform, what, 0, NULL, &size) != CL_SUCCESS)
        size = 0;
    char *text = calloc(size + 1, 1);
    if (text && size && clGetPlatformInfo(platform, what, size, text, NULL) != CL_SUCCESS)
        *text = '\0';
    return text;
}

bool kiln_device_compiles_late(cl_device_id device)
{
    char *name = kiln_platform_string(device, CL_PLATFORM_NAME);
    bool late = name && strstr(name, "Portable Computing Language");
    free(name);
    return late;
}

kiln_status kiln_device_identity(cl_device_id device, char **identity)
{
    static const struct {
        const char *label;
        cl_uint what;
        bool of_platform;
    } lines[] = {{"platform", CL_PLATFORM_NAME, true},
                 {"platform version", CL_PLATFORM_VERSION, true},
                 {"device", CL_DEVICE_NAME, false},
                 {"vendor", CL_DEVICE_VENDOR, false},
                 {"device version", CL_DEVICE_VERSION, false},
                 {"driver", CL_DRIVER_VERSION, false}};
    kiln_text text = {0};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char *value = lines[i].of_platform ? kiln_platform_string(device, lines[i].what)
                                           : kiln_device_string(device, lines[i].what);
        if (!value) {
            kiln_text_free(&text);
            return kiln_fail_memory();
        }
        kiln_text_addf(&text, "%s: %s\n", lines[i].label, value);
        free(value);
    }
    *identity = kiln_text_take(&text);
    return *identity ? KILN_OK : kiln_fail_memory();
}

/* ---- finding ----------------------------------------------------------------------------- */

static kiln_status add_platform(cl_platform_id platform, cl_device_id **devices, size_t *count)
{
    cl_uint found = 0;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &found) != CL_SUCCESS || found == 0)
        return KILN_OK;
    cl_device_id *grown = realloc(*devices, (*count + found) * sizeof *grown);
    if (!grown)
        return kiln_fail_memory();
    *devices = grown;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, found, grown + *count, NULL) == CL_SUCCESS)
        *count += found;
    return KILN_OK;
}

kiln_status kiln_device_list(cl_device_id **devices, size_t *count)
{
    *devices = NULL;
    *count = 0;
    cl_uint found = 0;
    cl_int code = clGetPlatformIDs(0, NULL, &found);
    if (code == PLATFORM_NOT_FOUND || (code == CL_SUCCESS && found == 0))
        return KILN_OK;
    if (code != CL_SUCCESS)
        return kiln_fail_cl("clGetPlatformIDs", code);
    cl_platform_id *platforms = malloc(found * sizeof *platforms);
    if (!platforms)
        return kiln_fail_memory();
    code = clGetPlatformIDs(found, platforms, NULL);
    kiln_status status = code == CL_SUCCESS ? KILN_OK : kiln_fail_cl("clGetPlatformIDs", code);
    for (cl_uint i = 0; i < found && status == KILN_OK; i++)
        status = add_platform(platforms[i], devices, count);
    free(platforms);
    if (status != KILN_OK) {
        free(*devices);
        *devices = NULL;
    }
    return status;
}

static cl_device_type type_of(cl_device_id device)
{
    cl_device_type type = 0;
    clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    return type;
}

static cl_device_id first_of_type(const cl_device_id *devices, size_t count, cl_device_type type)
{
    for (size_t i = 0; i < count; i++)
        if (type_of(devices[i]) & type)
            return devices[i];
    return NULL;
}

static bool contains(const char *text, const char *part)
{
    size_t length = strlen(part);
    for (; *text; text++) {
        size_t i = 0;
        while (i < length && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (i == length)
            return true;
    }
    return false;
}

static cl_device_id first_named(const cl_device_id *devices, size_t count, const char *part)
{
    for (size_t i = 0; i < count; i++) {
        char *device = kiln_device_string(devices[i], CL_DEVICE_NAME);
        char *platform = kiln_platform_string(devices[i], CL_PLATFORM_NAME);
        bool match = (device && contains(device, part)) || (platform && contains(platform, part));
        free(device);
        free(platform);
        if (match)
            return devices[i];
    }
    return NULL;
}

static cl_device_id pick(const cl_device_id *devices, size_t count, const char *name)
{
    if (!name || !*name) {
        cl_device_id device = first_of_type(devices, count, CL_DEVICE_TYPE_GPU);
        if (!device)
            device = first_of_type(devices, count, CL_DEVICE_TYPE_CPU);
        return device ? device : first_of_type(devices, count, CL_DEVICE_TYPE_ALL);
    }
    if (strcmp(name, "gpu") == 0)
        return first_of_type(devices, count, CL_DEVICE_TYPE_GPU);
    if (strcmp(name, "cpu") == 0)
        return first_of_type(devices, count, CL_DEVICE_TYPE_CPU);
    char *end;
    unsigned long index = strtoul(name, &end, 10);
    if (isdigit((unsigned char)*name) && *end == '\0')
        return index < count ? devices[index] : NULL;
    return first_named(devices, count, name);
}

kiln_status kiln_device_find(const char *name, cl_device_id *device)
{
    cl_device_id *devices;
    size_t count;
    kiln_status status = kiln_device_list(&devices, &count);
    if (status != KILN_OK)
        return status;
    *device = pick(devices, count, name);
    free(devices);
    if (*device)
        return KILN_OK;
    if (count == 0)
        return kiln_fail(KILN_NO_DEVICE, "no OpenCL device: no platform has one (is a driver "
                                         "registered in /etc/OpenCL/vendors or OCL_ICD_VENDORS?)");
    return kiln_fail(KILN_NO_DEVICE,
                     "device `%s': none of the %zu OpenCL devices is that (cpu, gpu, an index from "
                     "0, or a part of the device's or platform's name)",
                     name ? name : "", count);
}

/* ---- facts ------------------------------------------------------------------------------- */

kiln_status kiln_device_facts(cl_device_id device, kiln_facts *facts)
{
    cl_uint units = 0, width = 0;
    cl_ulong local = 0;
    size_t group = 0, items[3] = {0, 0, 0};
    cl_int code = clGetDeviceInfo(device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(device, CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local, NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(device, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof group, &group, NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(device, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof width, &width,
                               NULL);
    if (code != CL_SUCCESS)
        return kiln_fail_cl("clGetDeviceInfo", code);
    if (clGetDeviceInfo(device, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof items, items, NULL) ==
            CL_SUCCESS &&
        items[0] > 0 && items[0] < group)
        group = items[0];
    facts->cpu = (type_of(device) & CL_DEVICE_TYPE_CPU) != 0;
    facts->compute_units = units > 0 ? units : 1;
    facts->local_mem = (int64_t)local;
    facts->max_workgroup = group > 0 ? (int64_t)group : 1;
    facts->sm = facts->sm_a = 0;
    facts->static_local = (int64_t)local;
    facts->simd_width = !facts->cpu ? 1 : width >= 16 ? 16 : width >= 8 ? 8 : 4;
    return KILN_OK;
}
