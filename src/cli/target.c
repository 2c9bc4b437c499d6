/* What a command works on: a spec, and a device or the facts of one. */
#include "cli.h"
#include "device.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

char *cli_join(const cli_options *options, size_t first)
{
    kiln_text text = {0};
    for (size_t i = first; i < options->num_words; i++)
        kiln_text_addf(&text, "%s%s", i > first ? " " : "", options->words[i]);
    return cli_need(kiln_text_take(&text));
}

/* ---- devices ----------------------------------------------------------------------------- */

static char *trim(char *text)
{
    cli_need(text);
    size_t start = 0, length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    while (isspace((unsigned char)text[start]))
        start++;
    memmove(text, text + start, length - start + 1);
    return text;
}

char *cli_device_name(cl_device_id device)
{
    return trim(kiln_device_string(device, CL_DEVICE_NAME));
}

char *cli_device_driver(cl_device_id device)
{
    char *platform = trim(kiln_platform_string(device, CL_PLATFORM_NAME));
    char *driver = trim(kiln_device_string(device, CL_DRIVER_VERSION));
    kiln_text text = {0};
    kiln_text_addf(&text, "%s %s", platform, driver);
    free(platform);
    free(driver);
    return cli_need(kiln_text_take(&text));
}

void cli_log(void *user, kiln_log_level level, const char *message)
{
    (void)user;
    if (level == KILN_LOG_WARNING)
        cli_error("warning: %s", message);
}

int cli_open_context(const cli_options *options, kiln_context **context)
{
    kiln_context_params params = {.device_name = options->device, .log = cli_log};
    kiln_status status = kiln_create_context(&params, context);
    return status == KILN_OK ? CLI_DONE : cli_fail(status);
}

/* ---- facts ------------------------------------------------------------------------------- */

char *cli_facts_text(const kiln_facts *facts)
{
    kiln_text text = {0};
    kiln_text_addf(&text,
                   "%s,compute_units=%" PRId64 ",local_mem=%" PRId64 ",max_workgroup=%" PRId64
                   ",simd_width=%" PRId64,
                   facts->cpu ? "cpu" : "gpu", facts->compute_units, facts->local_mem,
                   facts->max_workgroup, facts->simd_width);
    if (facts->sm)
        kiln_text_addf(&text, ",sm=%" PRId64 "%s,static_local=%" PRId64, facts->sm,
                       facts->sm_a ? ",sm_a=1" : "", facts->static_local);
    return cli_need(kiln_text_take(&text));
}

/* Whether text begins like a list of facts. */
static bool looks_like_facts(const char *text)
{
    return (strncmp(text, "cpu", 3) == 0 || strncmp(text, "gpu", 3) == 0) &&
           (text[3] == '\0' || text[3] == ',');
}

static int facts_of_text(const char *text, kiln_facts *facts, char **label)
{
    kiln_status status = kiln_facts_parse(text, facts);
    if (status != KILN_OK)
        return cli_fail(status);
    *label = cli_need(kiln_strdup("these facts, no real device"));
    return CLI_DONE;
}

/* A context's, which has tried what the driver takes. */
static int facts_of_device(cl_device_id device, kiln_facts *facts, char **label,
                           kiln_context **context)
{
    const kiln_context_params params = {.device = device, .log = cli_log};
    kiln_status status = kiln_create_context(&params, context);
    if (status != KILN_OK)
        return cli_fail(status);
    *facts = (*context)->facts;
    *label = cli_device_name(device);
    return CLI_DONE;
}

int cli_find_device_facts(const cli_options *options, bool facts_first, kiln_facts *facts,
                          char **label, kiln_context **context)
{
    const char *name = options->device;
    *label = NULL;
    *context = NULL;
    if (options->facts && name) {
        cli_error("--facts and --device exclude each other");
        return CLI_REFUSED;
    }
    if (options->facts)
        return facts_of_text(options->facts, facts, label);
    if (name && looks_like_facts(name) && (facts_first || name[3]))
        return facts_of_text(name, facts, label);
    cl_device_id device;
    const char *wanted = name ? name : getenv("KILN_DEVICE");
    kiln_status status = kiln_device_find(wanted, &device);
    if (status == KILN_OK)
        return facts_of_device(device, facts, label, context);
    /* With a device asked for by name there is no second choice. */
    if (status != KILN_NO_DEVICE || (wanted && *wanted && !looks_like_facts(wanted)))
        return cli_fail(status);
    const char *fallback = wanted && *wanted ? wanted : "gpu";
    cli_note("no such OpenCL device here; taking the facts `%s' (--facts sets others)", fallback);
    return facts_of_text(fallback, facts, label);
}

int cli_find_facts(const cli_options *options, bool facts_first, kiln_facts *facts, char **label)
{
    kiln_context *context;
    int status = cli_find_device_facts(options, facts_first, facts, label, &context);
    kiln_release_context(context);
    return status;
}

const char *cli_origin(kiln_tuning_origin origin)
{
    return origin == KILN_TUNING_TUNED     ? "tuned"
           : origin == KILN_TUNING_SHIPPED ? "shipped"
                                           : "derived";
}
