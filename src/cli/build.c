/* kiln build: a spec's binary into the cache. */
#include "cli.h"
#include <stdlib.h>
#include <string.h>

/* What `?' stands for where the size does not matter. */
#define USUAL_DIM 64

/* ---- whether the binary is kept ------------------------------------------------------------ */

static bool is_kept(const kiln_kernel *kernel)
{
    const kiln_context *context = kernel->context;
    bool kept = true;
    for (size_t i = 0; i < kernel->generated.num_stages && kept; i++) {
        const kiln_stage_text *stage = &kernel->generated.stages[i];
        char *identity = kiln_program_identity(context, stage->source, stage->entry);
        void *binary = NULL;
        size_t length;
        kept = identity &&
               kiln_cache_get(context->cache, identity, strlen(identity), &binary, &length);
        free(binary);
        free(identity);
    }
    return kept;
}

/* ---- building ---------------------------------------------------------------------------- */

typedef struct {
    cli_launch launch;
    bool launched;
    double launch_s;
    kiln_text not_launched; /* why */
    bool kept;
} build;

/* The launch that makes a late driver compile. */
static int launch_once(build *b, kiln_context *context)
{
    kiln_status status;
    if (!cli_launch_fits(&b->launch, context, &status, &b->not_launched))
        return status == KILN_OK ? CLI_DONE : cli_fail(status);
    int result = cli_launch_start(&b->launch, context, false);
    if (result == CLI_DONE)
        result = cli_launch_run(&b->launch, &b->launch_s, NULL);
    cli_launch_free(&b->launch);
    b->launched = result == CLI_DONE;
    return result;
}

static const char *why_not_kept(const build *b, const kiln_context *context)
{
    switch (kiln_cache_get_mode(context->cache)) {
    case KILN_CACHE_OFF:
        return "not kept: the cache is off";
    case KILN_CACHE_READONLY:
        return "not kept: the cache is only read";
    default:
        return b->not_launched.length > 0 ? "not kept: without a launch the driver has no binary"
                                          : "not kept: it could not be written";
    }
}

static cl_ulong local_bytes(const kiln_kernel *kernel)
{
    cl_ulong most = 0, bytes;
    for (size_t i = 0; i < kernel->generated.num_stages; i++)
        if (clGetKernelWorkGroupInfo(kernel->programs[i].kernel, kernel->context->device,
                                     CL_KERNEL_LOCAL_MEM_SIZE, sizeof bytes, &bytes,
                                     NULL) == CL_SUCCESS &&
            bytes > most)
            most = bytes;
    return most;
}

/* ---- telling ----------------------------------------------------------------------------- */

static void print_text(const build *b, const kiln_context *context, const kiln_kernel_info *info)
{
    char *device = cli_device_name(context->device), *driver = cli_device_driver(context->device);
    const char *dir = kiln_cache_dir(context->cache);
    printf("%s%s%s\n", cli_bold(), info->spec, cli_plain());
    printf("  device        %s (%s)\n", device, driver);
    printf("  variant       %s, %s, %s%s%s\n", info->variant, info->tuning,
           cli_origin(info->tuning_origin), info->tuned_for ? " for " : "",
           info->tuned_for ? info->tuned_for : "");
    printf("  work-group    %s, %s of local memory\n",
           cli_plural(info->workgroup_size, "work-item", "work-items").text,
           cli_bytes((double)local_bytes(b->launch.kernel)).text);
    printf("  binary        %s in %s\n",
           info->cache == KILN_FROM_DISK ? "from the cache" : "compiled",
           cli_seconds(info->create_s).text);
    if (b->launched) {
        printf("  first launch  %s, with the driver's own compiling, on %s of zeros",
               cli_seconds(b->launch_s).text, cli_bytes((double)b->launch.bytes).text);
        for (size_t i = 0; i < b->launch.num_dims; i++)
            printf("%s%s=%lld", i ? " " : " under ", b->launch.args[i].name,
                   (long long)b->launch.args[i].integer);
        printf("\n");
    }
    if (b->not_launched.length > 0)
        printf("  first launch  left out: %s\n", b->not_launched.data);
    if (b->kept)
        printf("  cache         kept in %s\n", dir);
    else
        printf("  cache         %s\n", why_not_kept(b, context));
    free(device);
    free(driver);
}

static void print_json(const build *b, const kiln_context *context, const kiln_kernel_info *info)
{
    char *device = cli_device_name(context->device), *driver = cli_device_driver(context->device);
    const char *dir = kiln_cache_dir(context->cache);
    json_t *object = json_pack(
        "{s:s, s:o, s:o, s:s, s:s, s:s, s:s?, s:s, s:f, s:b, s:I, s:I, s:I}", "spec", info->spec,
        "device", cli_json_text(device), "driver", cli_json_text(driver), "variant", info->variant,
        "tuning", info->tuning, "tuning_origin", cli_origin(info->tuning_origin), "tuned_for",
        info->tuned_for, "binary", info->cache == KILN_FROM_DISK ? "cache" : "compiled", "create_s",
        info->create_s, "kept", (int)b->kept, "stages", (json_int_t)info->num_stages,
        "workgroup_size", (json_int_t)info->workgroup_size, "local_mem_bytes",
        (json_int_t)local_bytes(b->launch.kernel));
    cli_need(object);
    json_object_set_new(object, "first_launch_s",
                        b->launched ? json_real(b->launch_s) : json_null());
    json_object_set_new(object, "cache_dir", dir ? cli_json_text(dir) : json_null());
    cli_print_json(object);
    free(device);
    free(driver);
}

static int build_kernel(const cli_options *options, kiln_context *context, kiln_kernel *kernel)
{
    build b = {.launch = {.kernel = kernel}};
    int status = cli_set_dims(options, &kernel->spec, USUAL_DIM, b.launch.args, &b.launch.num_dims);
    kiln_kernel_info info;
    if (status == CLI_DONE) {
        kiln_status got = kiln_get_kernel_info(kernel, &info);
        status = got == KILN_OK ? CLI_DONE : cli_fail(got);
    }
    bool compiled = kernel->cache == KILN_COMPILED;
    if (status == CLI_DONE && compiled && context->compiles_late)
        status = launch_once(&b, context);
    kiln_flush_cache(context);
    if (status == CLI_DONE) {
        b.kept = !compiled || is_kept(kernel);
        (options->json ? print_json : print_text)(&b, context, &info);
    }
    kiln_text_free(&b.not_launched);
    return status;
}

static int run(const cli_options *options)
{
    if (options->num_words == 0) {
        cli_error("build needs a spec, like `matmul m=64 n=64 k=64'");
        return CLI_REFUSED;
    }
    char *text = cli_join(options, 0);
    kiln_spec spec;
    kiln_context *context = NULL;
    kiln_kernel *kernel = NULL;
    kiln_status parsed = kiln_spec_parse(text, &spec);
    int status = parsed == KILN_OK ? cli_check_dims(options, &spec, 1) : cli_fail(parsed);
    if (status == CLI_DONE)
        status = cli_open_context(options, &context);
    if (status == CLI_DONE) {
        kiln_status created = kiln_create_kernel(context, text, &kernel);
        status = created == KILN_OK ? build_kernel(options, context, kernel) : cli_fail(created);
    }
    kiln_release_kernel(kernel);
    kiln_release_context(context);
    if (parsed == KILN_OK)
        kiln_spec_free(&spec);
    free(text);
    return status;
}

const cli_command cli_build = {
    .name = "build",
    .operands = "SPEC",
    .summary = "compiles a spec and keeps the binary",
    .help =
        "Builds SPEC for a device, from the disk cache if its binary is there, and tells what was\n"
        "chosen, where the binary came from and whether it is kept. Some drivers (PoCL) compile "
        "at\n"
        "a kernel's first launch: then it is launched once, on zeros, with 64 for every dimension\n"
        "that the spec leaves open and --dim does not set.\n"
        "\n"
        "  kiln build matmul m=512 n=512 k=512\n"
        "  kiln build 'gelu m=? n=4096 dtype=bf16 approx=tanh' --dim m=8192\n",
    .options = CLI_DEVICE | CLI_DIM | CLI_JSON,
    .run = run,
};
