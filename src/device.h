/* OpenCL devices: finding one, its facts, and the identity under which its binaries are kept. */
#ifndef KILN_DEVICE_H
#define KILN_DEVICE_H

#include "facts.h"

/* Every device of every platform, in the order that numbers them. The caller frees *devices. */
kiln_status kiln_device_list(cl_device_id **devices, size_t *count);

/* "cpu", "gpu", an index, or a part of the device's or platform's name (in any case); NULL or "":
 * the first GPU, else the first CPU, else the first of any type. */
kiln_status kiln_device_find(const char *name, cl_device_id *device);

kiln_status kiln_device_facts(cl_device_id device, kiln_facts *facts);

/* Platform, device, vendor and driver with their versions, a line each. The caller frees it. */
kiln_status kiln_device_identity(cl_device_id device, char **identity);

/* A string that the device tells of itself (CL_DEVICE_NAME, ...) or its platform does; "" if it
 * does not. The caller frees it; NULL when memory ran out. */
char *kiln_device_string(cl_device_id device, cl_device_info what);
char *kiln_platform_string(cl_device_id device, cl_platform_info what);

/* Whether the driver generates code at a kernel's first run, so that a program's binary is whole
 * only after it (PoCL). */
bool kiln_device_compiles_late(cl_device_id device);

/* "CL_INVALID_VALUE", ... */
const char *kiln_cl_error_name(cl_int code);

/* KILN_OPENCL_ERROR: what failed, and the code by name. */
kiln_status kiln_fail_cl(const char *call, cl_int code);

#endif
