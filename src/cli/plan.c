/* kiln plan: a transformer's launches under sets of fusions, counted, predicted and measured. */
#include "plan.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define USUAL_TOKENS 4096
#define USUAL_SEQ    2048
#define MAX_SETS     8

/* ---- options ----------------------------------------------------------------------------- */

static int take_dtype(cli_plan_result *r)
{
    static const struct {
        const char *name;
        kiln_dtype dtype;
    } dtypes[] = {{"f32", KILN_F32}, {"f16", KILN_F16}, {"bf16", KILN_BF16}};
    r->dtype = r->options->dtype ? r->options->dtype : "bf16";
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        r->params.dtype = dtypes[i].dtype;
        if (strcmp(dtypes[i].name, r->dtype) == 0)
            return CLI_DONE;
    }
    cli_error("--dtype %s: must be f32, f16 or bf16", r->dtype);
    return CLI_REFUSED;
}

static int take_tokens(cli_plan_result *r)
{
    const cli_options *options = r->options;
    int64_t tokens = options->tokens ? options->tokens : USUAL_TOKENS;
    int64_t usual = tokens < USUAL_SEQ ? tokens : USUAL_SEQ;
    r->params.seq = options->seq ? options->seq : usual;
    r->params.batch = tokens / r->params.seq;
    if (tokens % r->params.seq == 0)
        return CLI_DONE;
    cli_error("--tokens %lld: must be a multiple of %lld, a sequence's tokens (--seq)",
              (long long)tokens, (long long)r->params.seq);
    return CLI_REFUSED;
}

/* name=NUMBER at *text, which moves past it and the comma behind. */
static bool next_rate(const char **text, char *name, size_t size, double *value)
{
    size_t length = strcspn(*text, "=,");
    char *end;
    if ((*text)[length] != '=' || length == 0 || length >= size)
        return false;
    memcpy(name, *text, length);
    name[length] = '\0';
    *value = strtod(*text + length + 1, &end);
    if (end == *text + length + 1 || (*end && *end != ',') || (*end == ',' && !end[1]))
        return false;
    *text = *end ? end + 1 : end;
    return true;
}

static double *find_rate(kiln_device_rates *rates, const char *name, double *columns)
{
    return strcmp(name, "copy") == 0           ? &rates->copy_bytes
           : strcmp(name, "product") == 0      ? &rates->product_flops
           : strcmp(name, "elementwise") == 0  ? &rates->elementwise_flops
           : strcmp(name, "launch") == 0       ? &rates->launch_s
           : strcmp(name, "tile_columns") == 0 ? columns
                                               : NULL;
}

/* What is not given is as on a large GPU. */
static int take_rates(cli_plan_result *r)
{
    const char *text = r->options->rates;
    double columns = 128;
    if (!text)
        return CLI_DONE;
    r->rates.launch_s = 5e-6;
    while (*text) {
        char name[16];
        double value, *rate = NULL;
        if (next_rate(&text, name, sizeof name, &value))
            rate = find_rate(&r->rates, name, &columns);
        if (!rate) {
            cli_error("--rates %s: must be copy=BYTES/S,product=FLOP/S and any of "
                      ",elementwise=FLOP/S ,launch=SECONDS ,tile_columns=N",
                      r->options->rates);
            return CLI_REFUSED;
        }
        if (!(value > 0 && value < 1e30)) {
            cli_error("--rates %s: %s must be over 0 and less than 1e30", r->options->rates, name);
            return CLI_REFUSED;
        }
        *rate = value;
    }
    if (!(r->rates.copy_bytes > 0 && r->rates.product_flops > 0)) {
        cli_error("--rates %s: copy and product are needed", r->options->rates);
        return CLI_REFUSED;
    }
    if (columns < 1 || columns > INT32_MAX) {
        cli_error("--rates %s: tile_columns must be from 1 to %d", r->options->rates, INT32_MAX);
        return CLI_REFUSED;
    }
    if (!(r->rates.elementwise_flops > 0))
        r->rates.elementwise_flops = r->rates.product_flops / 16;
    r->rates.tile_columns = (int64_t)columns;
    r->has_rates = r->rates_given = true;
    return CLI_DONE;
}

static int take_model(cli_plan_result *r, cli_model *model, char **name)
{
    const cli_options *options = r->options;
    if (options->num_words > 0) {
        cli_error("plan takes no operand, but `%s' is given; did you mean --model %s?",
                  options->words[0], options->words[0]);
        return CLI_REFUSED;
    }
    if (options->num_models != 1) {
        cli_error("plan needs one model, by --model or --config, and %zu are given",
                  options->num_models);
        return CLI_REFUSED;
    }
    int status = cli_model_take(&options->models[0], model);
    if (status != CLI_DONE)
        return status;
    if (options->scale > 0) {
        kiln_text text = {0};
        kiln_text_addf(&text, "%s scaled by %g", model->name, options->scale);
        cli_model_scale(model, options->scale);
        *name = cli_need(kiln_text_take(&text));
        model->name = *name;
    }
    r->model = model;
    kiln_model_params params = r->params;
    status = cli_model_params(model, params.batch * params.seq, &r->params);
    r->params.dtype = params.dtype;
    r->params.batch = params.batch;
    r->params.seq = params.seq;
    r->params.layers = options->layers;
    r->params.backward = r->params.update = !options->forward;
    return status;
}

/* ---- sets -------------------------------------------------------------------------------- */

const cli_set *cli_find_set(const cli_plan_result *r, const char *fusions, bool force)
{
    for (size_t i = 0; i < r->num_sets; i++) {
        /* To keep none by force is to keep none. */
        bool same = r->sets[i].force == force || strcmp(fusions, "none") == 0;
        if (same && strcmp(r->sets[i].fusions, fusions) == 0)
            return &r->sets[i];
    }
    return NULL;
}

static cli_set *add_set(cli_plan_result *r, const char *name, size_t length, bool force)
{
    r->sets = cli_need(realloc(r->sets, (r->num_sets + 1) * sizeof *r->sets));
    cli_set *set = &r->sets[r->num_sets++];
    char *own = cli_need(kiln_strndup(name, length));
    *set = (cli_set){.name = own, .fusions = cli_need(kiln_strdup(own)), .force = force};
    for (char *at = set->fusions; *at; at++)
        *at = *at == '+' ? ',' : *at;
    return set;
}

/* Whether the library knows the fusions; no device is asked for before. */
static int check_set(const cli_set *set)
{
    kiln_plan *empty;
    if (!*set->name) {
        cli_error("--fusions: a set is empty; `none' is the one without fusions");
        return CLI_REFUSED;
    }
    size_t length = strlen(set->name);
    if (set->name[0] == '+' || set->name[length - 1] == '+' || strstr(set->name, "++")) {
        cli_error("--fusions %s: a name is missing beside a `+'", set->name);
        return CLI_REFUSED;
    }
    kiln_status status = kiln_create_plan(&empty);
    if (status == KILN_OK) {
        status = kiln_plan_fuse(empty, set->fusions, NULL, 1);
        kiln_release_plan(empty);
    }
    return status == KILN_OK ? CLI_DONE : cli_fail(status);
}

static int take_sets(cli_plan_result *r)
{
    const char *text = r->options->fusions ? r->options->fusions : "none,top3,top5,all";
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        cli_set *set = add_set(r, at, length, r->options->force);
        set->asked = true;
        int status = check_set(set);
        if (status != CLI_DONE)
            return status;
        for (size_t i = 0; i + 1 < r->num_sets; i++) {
            if (strcmp(r->sets[i].name, set->name) == 0) {
                cli_error("--fusions %s: `%s' is given twice", text, set->name);
                return CLI_REFUSED;
            }
        }
        at += length;
        if (!*at)
            break;
        if (r->num_sets == MAX_SETS) {
            cli_error("--fusions %s: no more than %d sets can be given", text, MAX_SETS);
            return CLI_REFUSED;
        }
    }
    r->num_asked = r->num_sets;
    return CLI_DONE;
}

/* Those that only claims ask for, behind the others. */
static void add_claimed_sets(cli_plan_result *r)
{
    const char *fusions;
    if (!cli_find_set(r, "none", false))
        add_set(r, "none", strlen("none"), false);
    for (size_t i = 0; (fusions = cli_claim_fusions(i)); i++) {
        bool force = r->options->force || strncmp(fusions, "top", 3) != 0;
        if (!cli_find_set(r, fusions, force))
            add_set(r, fusions, strlen(fusions), force);
    }
}

static int make_set(const cli_plan_result *r, cli_set *set)
{
    const kiln_device_rates *rates = r->has_rates ? &r->rates : NULL;
    kiln_status status = kiln_create_model_plan(&r->params, &set->plan);
    if (status == KILN_UNSUPPORTED) {
        cli_fail(status);
        return CLI_FAILED; /* a part that no kernel does */
    }
    if (status == KILN_OK)
        status = kiln_plan_fuse(set->plan, set->fusions, rates, set->force);
    if (status == KILN_OK)
        status = kiln_get_plan_cost(set->plan, rates, &set->cost);
    if (status == KILN_OK)
        set->launches = cli_need(calloc(set->cost.launches + 1, sizeof *set->launches));
    for (size_t i = 0; i < set->cost.launches && status == KILN_OK; i++) {
        kiln_plan_launch_info *info = &set->launches[i].info;
        status = kiln_get_plan_launch_info(set->plan, i, rates, info);
        if (status == KILN_OK && info->layer >= 0)
            set->per_phase[info->phase]++;
    }
    return status == KILN_OK ? CLI_DONE : cli_fail(status);
}

static int make_sets(cli_plan_result *r)
{
    int status = CLI_DONE;
    for (size_t i = 0; i < r->num_sets && status == CLI_DONE; i++)
        status = make_set(r, &r->sets[i]);
    return status;
}

static int compare_times(const void *a, const void *b)
{
    const cli_kernel_time *x = a, *y = b;
    double of_x = x->measured > 0 ? x->measured : x->predicted;
    double of_y = y->measured > 0 ? y->measured : y->predicted;
    return of_x != of_y ? (of_x < of_y) - (of_x > of_y) : strcmp(x->name, y->name);
}

cli_kernel_time *cli_kernel_times(const cli_set *set, size_t *count)
{
    cli_kernel_time *times = cli_need(calloc(set->cost.launches + 1, sizeof *times));
    *count = 0;
    for (size_t i = 0; i < set->cost.launches; i++) {
        const cli_launch_time *launch = &set->launches[i];
        size_t at = 0;
        while (at < *count && strcmp(times[at].name, launch->info.kernel) != 0)
            at++;
        *count += at == *count;
        times[at].name = launch->info.kernel;
        times[at].launches++;
        times[at].predicted += launch->info.predicted_s;
        times[at].measured += launch->measured;
    }
    qsort(times, *count, sizeof *times, compare_times);
    return times;
}

/* ---- the device -------------------------------------------------------------------------- */

static int measure_rates(cli_plan_result *r, kiln_context *context)
{
    cl_int code;
    cl_command_queue queue = clCreateCommandQueue(
        kiln_context_cl(context), kiln_context_device(context), CL_QUEUE_PROFILING_ENABLE, &code);
    if (code != CL_SUCCESS) {
        cli_error("clCreateCommandQueue failed with %d", code);
        return CLI_FAILED;
    }
    kiln_status status = kiln_measure_rates(context, queue, r->params.dtype, &r->rates);
    clReleaseCommandQueue(queue);
    r->has_rates = status == KILN_OK;
    return status == KILN_OK ? CLI_DONE : cli_fail(status);
}

/* With rates given none is needed; without, one that is not there is missed only by name or for
 * measuring. */
static int find_device(cli_plan_result *r, kiln_context **context)
{
    const cli_options *options = r->options;
    const char *wanted = options->device ? options->device : getenv("KILN_DEVICE");
    if (r->rates_given && !options->measure && !options->device)
        return CLI_DONE;
    kiln_context_params params = {.device_name = options->device, .log = cli_log};
    kiln_status status = kiln_create_context(&params, context);
    if (status == KILN_NO_DEVICE && !options->measure && !(wanted && *wanted)) {
        cli_note("no OpenCL device here, so no time is predicted; --rates says how fast one is");
        return CLI_DONE;
    }
    if (status != KILN_OK)
        return cli_fail(status);
    r->device = cli_device_name(kiln_context_device(*context));
    return r->rates_given ? CLI_DONE : measure_rates(r, *context);
}

/* ------------------------------------------------------------------------------------------ */

static void forget(cli_plan_result *r)
{
    for (size_t i = 0; i < r->num_sets; i++) {
        kiln_release_plan(r->sets[i].plan);
        free(r->sets[i].launches);
        free(r->sets[i].fusions);
        free(r->sets[i].unmeasured);
        free((char *)r->sets[i].name);
    }
    free(r->sets);
    free(r->claims);
    free(r->device);
}

static int run(const cli_options *options)
{
    cli_plan_result r = {.options = options};
    cli_model model;
    char *name = NULL;
    kiln_context *context = NULL;
    int status = take_dtype(&r);
    if (status == CLI_DONE)
        status = take_tokens(&r);
    if (status == CLI_DONE)
        status = take_rates(&r);
    if (status == CLI_DONE)
        status = take_sets(&r);
    if (status == CLI_DONE)
        status = take_model(&r, &model, &name);
    if (status == CLI_DONE)
        status = find_device(&r, &context);
    if (status == CLI_DONE) {
        add_claimed_sets(&r);
        status = make_sets(&r);
    }
    if (status == CLI_DONE && options->measure)
        status = cli_measure_sets(&r, context);
    if (status == CLI_DONE) {
        cli_make_claims(&r);
        (options->json ? cli_print_plan_json : cli_print_plan)(&r);
    }
    forget(&r);
    free(name);
    kiln_release_context(context);
    return status;
}

const cli_command cli_plan = {
    .name = "plan",
    .operands = "",
    .summary = "what fusion brings a model, counted, predicted, measured",
    .help =
        "Lays out a model's training step as launches, forward, backward and update, and rewrites\n"
        "it by each of the sets of fusions: none, top3 (matmul_bias_gelu, matmul_bias_residual,\n"
        "layernorm_matmul), top5 (and qkv_projection, gelu_matmul), all, or names joined by +.\n"
        "Side by side it prints launches, distinct kernels, memory traffic, arithmetic, peak "
        "memory\n"
        "and the time predicted from the device's measured rates; with --measure the time of "
        "every\n"
        "kernel and of the step, too; then which fusions were refused and why, and what the "
        "analysis\n"
        "claims of fusion, beside what was found here.\n"
        "\n"
        "It is one layer alone unless --layers says how many; then there are the embedding, the "
        "last\n"
        "norm and the loss as well. What does not fit the device is predicted only, and said to "
        "be;\n"
        "--scale narrows a model until it fits. Exit status 1 if the model needs a part that no\n"
        "kernel does.\n"
        "\n"
        "  kiln plan --model gpt-30b --tokens 4096 --dtype bf16\n"
        "  kiln plan --model llama-3-70b --scale 0.125 --tokens 256 --dtype f32 --measure\n"
        "  kiln plan --config config.json --fusions none,top3+qkv_projection --json\n"
        "  kiln plan --model gpt3-175b --rates copy=2.6e12,product=6e14,elementwise=3e13\n",
    .options = CLI_MODEL | CLI_CONFIG | CLI_TOKENS | CLI_SEQ | CLI_DTYPE | CLI_FUSIONS |
               CLI_LAYERS | CLI_FORWARD | CLI_SCALE | CLI_RATES | CLI_MEASURE | CLI_REPEAT |
               CLI_FORCE | CLI_DEVICE | CLI_JSON,
    .run = run,
};
