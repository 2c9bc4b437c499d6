#include "nvidia.h"
#include "device.h"
#include "program.h"
#include "template.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cl_nv_device_attribute_query */
#define COMPUTE_CAPABILITY_MAJOR 0x4000
#define COMPUTE_CAPABILITY_MINOR 0x4001

#define MARK_OPEN  "/*@sm_90a"
#define MARK_CLOSE "@*/"
#define TARGET     ".target sm_90"
#define GROUP      ".reqntid "

/* 32-bit registers of a multiprocessor. */
#define REGISTERS 65536

/* Static local memory that chips have, the most first: CUDA C++ Programming Guide, technical
 * specifications per compute capability, less the KiB that a group takes for itself. */
static const int64_t local_sizes[] = {231424, 165888, 100352, 65536};

/* ---- the pass ---------------------------------------------------------------------------- */

bool kiln_nvidia_is_marked(const char *source)
{
    return strstr(source, MARK_OPEN) != NULL;
}

/* Whether text begins with word, which *from is then behind. */
static bool skip(const char **from, const char *word)
{
    const size_t length = strlen(word);
    if (strncmp(*from, word, length) != 0)
        return false;
    *from += length;
    return true;
}

/* ptx without the marks, for the other target. Work-items of a group whose warps move registers to
 * one another (setmaxnreg) need a bound that they start from, else ptxas ignores it. */
void kiln_nvidia_pass(const char *ptx, kiln_text *out)
{
    const bool moves_registers = strstr(ptx, "setmaxnreg") != NULL;
    for (const char *from = ptx; *from;) {
        if (skip(&from, MARK_OPEN) || skip(&from, MARK_CLOSE))
            continue;
        if (skip(&from, TARGET)) {
            kiln_text_addf(out, TARGET "%s", *from == 'a' ? "" : "a");
        } else if (moves_registers && strncmp(from, GROUP, strlen(GROUP)) == 0) {
            const unsigned long items = strtoul(from + strlen(GROUP), NULL, 10);
            if (items)
                kiln_text_addf(out, ".maxnreg %lu\n", REGISTERS / items / 8 * 8);
            kiln_text_add(out, GROUP);
            from += strlen(GROUP);
        } else {
            const size_t plain = 1 + strcspn(from + 1, "/@.");
            kiln_text_add_bytes(out, from, plain);
            from += plain;
        }
    }
}

kiln_status kiln_nvidia_retarget(const kiln_context *context, cl_program program,
                                 cl_program *result)
{
    size_t length = 0;
    *result = NULL;
    cl_int code = clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof length, &length, NULL);
    if (code != CL_SUCCESS)
        return kiln_fail_cl("clGetProgramInfo", code);
    char *ptx = calloc(length + 1, 1);
    if (!ptx)
        return kiln_fail_memory();
    unsigned char *bytes = (unsigned char *)ptx;
    code = clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof bytes, &bytes, NULL);
    if (code == CL_SUCCESS && !strstr(ptx, TARGET)) {
        free(ptx);
        return kiln_fail(KILN_BUILD_FAILED, "the driver's binary is no PTX for sm_90");
    }
    kiln_text text = {0};
    if (code == CL_SUCCESS)
        kiln_nvidia_pass(ptx, &text);
    free(ptx);
    if (text.failed) {
        kiln_text_free(&text);
        return kiln_fail_memory();
    }
    if (code == CL_SUCCESS) {
        cl_int taken;
        const unsigned char *binary = (const unsigned char *)text.data;
        length = text.length + 1;
        *result = clCreateProgramWithBinary(context->cl, 1, &context->device, &length, &binary,
                                            &taken, &code);
    }
    kiln_text_free(&text);
    if (code == CL_SUCCESS)
        return KILN_OK;
    *result = NULL;
    return kiln_fail_cl("clCreateProgramWithBinary", code);
}

/* ---- test builds ------------------------------------------------------------------------- */

/* Whether the driver builds templates/nvidia_probe.cl with bytes of local memory and, if marked, an
 * instruction of sm_90a. */
static kiln_status try_probe(kiln_context *context, int64_t bytes, bool marked, bool *taken)
{
    kiln_env env;
    kiln_text source = {0};
    kiln_env_init(&env, NULL);
    kiln_status status = kiln_env_int(&env, "BYTES", bytes);
    if (status == KILN_OK)
        status = kiln_env_int(&env, "MARKED", marked);
    kiln_template_params params = {context->template_dir, &env, NULL, 0};
    if (status == KILN_OK)
        status = kiln_template_expand(&params, "nvidia_probe.cl", &source);
    if (status == KILN_OK && source.failed)
        status = kiln_fail_memory();
    kiln_program program = {0};
    *taken = status == KILN_OK &&
             kiln_program_build(context, source.data, "probe", false, &program) == KILN_OK;
    kiln_program_free(&program);
    kiln_text_free(&source);
    kiln_env_free(&env);
    return status;
}

/* By builds: usually the first one takes it all. */
static kiln_status probe(kiln_context *context, kiln_facts *facts)
{
    const size_t count = sizeof local_sizes / sizeof *local_sizes;
    const bool may_be_marked = facts->sm == 90;
    bool taken = false;
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < count && status == KILN_OK && !taken; i++) {
        status = try_probe(context, local_sizes[i], may_be_marked, &taken);
        facts->sm_a = taken && may_be_marked;
        if (status == KILN_OK && !taken && may_be_marked)
            status = try_probe(context, local_sizes[i], false, &taken);
        if (taken)
            facts->static_local = local_sizes[i];
    }
    if (status == KILN_OK && !taken)
        status = try_probe(context, 1024, false, &taken);
    if (!taken)
        facts->sm = 0;
    return status;
}

/* ---- facts ------------------------------------------------------------------------------- */

static int64_t capability_of(cl_device_id device)
{
    cl_uint major = 0, minor = 0;
    if (clGetDeviceInfo(device, COMPUTE_CAPABILITY_MAJOR, sizeof major, &major, NULL) !=
            CL_SUCCESS ||
        clGetDeviceInfo(device, COMPUTE_CAPABILITY_MINOR, sizeof minor, &minor, NULL) !=
            CL_SUCCESS ||
        major > 99 || minor > 9)
        return 0;
    return (int64_t)major * 10 + minor;
}

/* Whether payload is what keep_probed wrote. */
static bool parse_probed(const char *payload, kiln_facts *facts)
{
    long long sm, sm_a, static_local;
    char end;
    if (sscanf(payload, "sm=%lld sm_a=%lld static_local=%lld%c", &sm, &sm_a, &static_local, &end) !=
            3 ||
        (sm != 0 && sm != facts->sm) || sm_a < 0 || sm_a > 1 || static_local < 1024 ||
        static_local > local_sizes[0])
        return false;
    facts->sm = sm;
    facts->sm_a = sm_a;
    facts->static_local = static_local;
    return true;
}

static bool load_probed(kiln_context *context, const char *identity, kiln_facts *facts)
{
    void *payload;
    size_t length;
    if (!kiln_cache_get(context->cache, identity, strlen(identity), &payload, &length))
        return false;
    char *text = kiln_strndup(payload, length);
    free(payload);
    bool good = text && parse_probed(text, facts);
    free(text);
    return good;
}

static void keep_probed(kiln_context *context, const char *identity, const kiln_facts *facts)
{
    char text[120];
    int length =
        snprintf(text, sizeof text, "sm=%lld sm_a=%lld static_local=%lld", (long long)facts->sm,
                 (long long)facts->sm_a, (long long)facts->static_local);
    kiln_cache_put(context->cache, identity, strlen(identity), text, (size_t)length);
}

kiln_status kiln_nvidia_facts(kiln_context *context)
{
    kiln_facts *facts = &context->facts;
    kiln_text identity = {0};
    const int64_t capability = capability_of(context->device);
    if (capability == 0)
        return KILN_OK;
    facts->sm = capability;
    kiln_text_addf(&identity, "test builds: 1\n%s", context->identity);
    if (identity.failed)
        return kiln_fail_memory();
    kiln_status status = KILN_OK;
    if (!load_probed(context, identity.data, facts)) {
        /* KILN_CACHE=require forbids compiling: it finds nothing, and nothing is kept. */
        status = probe(context, facts);
        if (status == KILN_OK)
            keep_probed(context, identity.data, facts);
    }
    kiln_text_free(&identity);
    if (status == KILN_OK && facts->sm == 0)
        kiln_log(context, KILN_LOG_INFO, "the driver takes no PTX in line: no tensor cores");
    else if (status == KILN_OK && capability == 90 && !facts->sm_a)
        kiln_log(context, KILN_LOG_INFO, "the driver takes no programs for sm_90a: no wgmma");
    return status;
}
