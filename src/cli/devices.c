/* kiln devices: what OpenCL finds on this machine. */
#include "cli.h"
#include "device.h"
#include <stdlib.h>

typedef struct {
    char *name, *platform, *version, *vendor, *driver;
    const char *type;
    cl_uint compute_units, clock_mhz;
    cl_ulong local_mem, memory, largest_buffer;
    size_t workgroup;
} told;

static const char *type_name(cl_device_id device)
{
    cl_device_type type = 0;
    clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    return type & CL_DEVICE_TYPE_GPU           ? "gpu"
           : type & CL_DEVICE_TYPE_CPU         ? "cpu"
           : type & CL_DEVICE_TYPE_ACCELERATOR ? "accelerator"
                                               : "other";
}

#define ASK(what, field) clGetDeviceInfo(device, what, sizeof field, &field, NULL)

static told ask(cl_device_id device)
{
    told t = {.name = cli_device_name(device),
              .platform = cli_need(kiln_platform_string(device, CL_PLATFORM_NAME)),
              .version = cli_need(kiln_device_string(device, CL_DEVICE_VERSION)),
              .vendor = cli_need(kiln_device_string(device, CL_DEVICE_VENDOR)),
              .driver = cli_need(kiln_device_string(device, CL_DRIVER_VERSION)),
              .type = type_name(device)};
    ASK(CL_DEVICE_MAX_COMPUTE_UNITS, t.compute_units);
    ASK(CL_DEVICE_MAX_CLOCK_FREQUENCY, t.clock_mhz);
    ASK(CL_DEVICE_LOCAL_MEM_SIZE, t.local_mem);
    ASK(CL_DEVICE_GLOBAL_MEM_SIZE, t.memory);
    ASK(CL_DEVICE_MAX_MEM_ALLOC_SIZE, t.largest_buffer);
    ASK(CL_DEVICE_MAX_WORK_GROUP_SIZE, t.workgroup);
    return t;
}

static void forget(told *t)
{
    free(t->name);
    free(t->platform);
    free(t->version);
    free(t->vendor);
    free(t->driver);
}

static json_t *describe(cl_device_id device, size_t index, bool chosen)
{
    told t = ask(device);
    json_t *object =
        json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:b}", "index", (json_int_t)index, "name",
                  cli_json_text(t.name), "platform", cli_json_text(t.platform), "version",
                  cli_json_text(t.version), "vendor", cli_json_text(t.vendor), "driver",
                  cli_json_text(t.driver), "type", t.type, "default", (int)chosen);
    cli_need(object);
    json_object_set_new(object, "compute_units", json_integer(t.compute_units));
    json_object_set_new(object, "clock_mhz", json_integer(t.clock_mhz));
    json_object_set_new(object, "local_mem_bytes", json_integer((json_int_t)t.local_mem));
    json_object_set_new(object, "memory_bytes", json_integer((json_int_t)t.memory));
    json_object_set_new(object, "max_buffer_bytes", json_integer((json_int_t)t.largest_buffer));
    json_object_set_new(object, "max_workgroup_size", json_integer((json_int_t)t.workgroup));
    kiln_facts facts;
    if (kiln_device_facts(device, &facts) == KILN_OK) {
        char *text = cli_facts_text(&facts);
        json_object_set_new(object, "facts", json_string(text));
        free(text);
    }
    forget(&t);
    return object;
}

static void print_table(const cl_device_id *devices, size_t count, cl_device_id chosen)
{
    static const char *const titles[] = {"",       ">INDEX", "NAME",   "PLATFORM",
                                         "TYPE",   ">UNITS", ">LOCAL", ">MEMORY",
                                         ">GROUP", "DRIVER", NULL};
    cli_table table;
    cli_table_start(&table, titles);
    for (size_t i = 0; i < count; i++) {
        told t = ask(devices[i]);
        cli_short index = cli_integer((int64_t)i), units = cli_integer(t.compute_units);
        cli_short local = cli_bytes((double)t.local_mem), memory = cli_bytes((double)t.memory);
        cli_short group = cli_integer((int64_t)t.workgroup);
        const char *cells[] = {devices[i] == chosen ? "*" : " ",
                               index.text,
                               t.name,
                               t.platform,
                               t.type,
                               units.text,
                               local.text,
                               memory.text,
                               group.text,
                               t.driver};
        cli_table_add(&table, cells);
        forget(&t);
    }
    cli_table_end(&table);
    printf("\n%s; * is the one in use\n"
           "UNITS: compute units; LOCAL: bytes of __local; GROUP: most work-items in a group\n",
           cli_plural(count, "device", "devices").text);
}

static json_t *describe_all(const cl_device_id *devices, size_t count, cl_device_id chosen)
{
    json_t *all = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(all, describe(devices[i], i, devices[i] == chosen));
    return all;
}

static int run(const cli_options *options)
{
    if (options->num_words > 0) {
        cli_error("devices takes no operand, but `%s' is given", options->words[0]);
        return CLI_REFUSED;
    }
    cl_device_id *devices, chosen = NULL;
    size_t count;
    kiln_status status = kiln_device_list(&devices, &count);
    if (status != KILN_OK)
        return cli_fail(status);
    if (count == 0 && options->json)
        cli_print_json(json_array());
    else if (count > 0)
        status =
            kiln_device_find(options->device ? options->device : getenv("KILN_DEVICE"), &chosen);
    if (count > 0 && options->json)
        cli_print_json(describe_all(devices, count, chosen));
    else if (count > 0)
        print_table(devices, count, chosen);
    free(devices);
    if (count == 0)
        return cli_fail(kiln_device_find(NULL, &chosen));
    return status == KILN_OK ? CLI_DONE : cli_fail(status);
}

const cli_command cli_devices = {
    .name = "devices",
    .operands = "",
    .summary = "the OpenCL devices of this machine",
    .help =
        "Prints the OpenCL devices that kiln can use. A device is named by its index, by `cpu' or\n"
        "`gpu' (the first of that type), or by a part of its or its platform's name: with\n"
        "--device NAME, or in $KILN_DEVICE. The one that these pick is marked.\n",
    .options = CLI_DEVICE | CLI_JSON,
    .run = run,
};
