/* The command line: options may stand anywhere, on either side of the subcommand. */
#include "cli.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;
    char letter;
    const char *value; /* what stands for it in the help; NULL: it takes none */
    unsigned bit;
    const char *about;
} option;

/* A name takes a value, or none, in every subcommand: it can stand before it. */
static const option known[] = {
    {"--device", 'd', "NAME", CLI_DEVICE,
     "cpu, gpu, an index of `kiln devices', or part of a name;\n"
     "else $KILN_DEVICE, else the first GPU, else the first CPU"},
    {"--facts", 0, "FACTS", CLI_FACTS,
     "a device that need not be there: cpu or gpu, then any of\n"
     ",compute_units=N ,local_mem=BYTES ,max_workgroup=N ,simd_width=N\n"
     ",sm=N ,sm_a=1 ,static_local=BYTES"},
    {"--dim", 0, "NAME=N", CLI_DIM, "a dimension that the spec leaves open with `?'"},
    {"--repeat", 0, "N", CLI_REPEAT, "measure N launches"},
    {"--min-time", 0, "SECONDS", CLI_MIN_TIME, "measure for at least that long"},
    {"--no-ceilings", 0, NULL, CLI_NO_CEILINGS, "do not measure what the device can do at best"},
    {"--budget", 0, "SECONDS", CLI_BUDGET, "search that long for each spec, 60 if not given"},
    {"--list", 0, NULL, CLI_LIST, "print what was tuned"},
    {"--forget", 0, NULL, CLI_FORGET, "take the specs, or all, out of what was tuned"},
    {"--worker", 0, NULL, CLI_WORKER, "measure what standard input says (for kiln tune itself)"},
    {"--output", 'o', "FILE", CLI_OUTPUT, "write there instead of to standard output"},
    {"--out", 0, "DIR", CLI_OUT, "write outputs there, as NAME.npy; made if it is not there"},
    {"--misalign", 0, "N", CLI_MISALIGN, "start every buffer N elements past an aligned address"},
    {"--model", 0, "NAME", CLI_MODEL, "a model that kiln knows; may be given several times"},
    {"--config", 0, "FILE", CLI_CONFIG, "a model's config.json; may be given several times"},
    {"--tokens", 0, "N", CLI_TOKENS, "tokens of a step, 4096 if not given"},
    {"--seq", 0, "N", CLI_SEQ, "tokens of a sequence; else 2048, or all if there are fewer"},
    {"--dtype", 0, "TYPE", CLI_DTYPE, "f32, f16 or bf16, which it is if not given"},
    {"--fusions", 0, "SETS", CLI_FUSIONS,
     "separated by commas: none, top3, top5, all, or names of\n"
     "fused kernels joined by +; none,top3,top5,all if not given"},
    {"--layers", 0, "N", CLI_LAYERS, "the whole model, with so many layers; else one layer alone"},
    {"--forward", 0, NULL, CLI_FORWARD, "the forward pass only"},
    {"--scale", 0, "F", CLI_SCALE, "the model's width times F, over 0 and up to 1"},
    {"--rates", 0, "RATES", CLI_RATES,
     "instead of measuring them: copy=BYTES/S,product=FLOP/S and any\n"
     "of ,elementwise=FLOP/S ,launch=SECONDS ,tile_columns=N"},
    {"--measure", 0, NULL, CLI_MEASURE, "run each plan, and time it"},
    {"--force", 0, NULL, CLI_FORCE, "keep fusions that are predicted to lose"},
    {"--build", 0, NULL, CLI_BUILD, "compile each kernel, too"},
    {"--repair", 0, NULL, CLI_REPAIR, "remove what is damaged"},
    {"--json", 0, NULL, CLI_JSON, "print JSON"},
    {"--help", 'h', NULL, CLI_HELP, "print this and do nothing else"},
    {"--version", 'V', NULL, CLI_VERSION, "print the version and do nothing else"},
};

#define NUM_KNOWN (sizeof known / sizeof *known)

static const char *option_name(void *user, size_t index)
{
    (void)user;
    return index < NUM_KNOWN ? known[index].name : NULL;
}

static int unknown_option(const char *word)
{
    kiln_text hint = {0};
    kiln_suggest(&hint, word, option_name, NULL);
    cli_error("unknown option `%s'%s", word, hint.data ? hint.data : "");
    kiln_text_free(&hint);
    return CLI_REFUSED;
}

static bool parse_integer(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    *value = parsed;
    return isdigit((unsigned char)*text) && *end == '\0' && errno == 0;
}

static int set_dim(cli_options *options, char *text)
{
    char *equals = strchr(text, '=');
    int64_t value;
    if (!equals || equals == text || !parse_integer(equals + 1, &value)) {
        cli_error("--dim %s: must be NAME=N, like m=512", text);
        return CLI_REFUSED;
    }
    if (value < 1 || value > INT32_MAX) {
        cli_error("--dim %s: must be from 1 to %d", text, INT32_MAX);
        return CLI_REFUSED;
    }
    *equals = '\0';
    for (size_t i = 0; i < options->num_dims; i++) {
        if (strcmp(options->dims[i].name, text) == 0) {
            cli_error("--dim %s is given twice", text);
            return CLI_REFUSED;
        }
    }
    if (options->num_dims == CLI_MAX_DIMS) {
        cli_error("--dim %s: no more than %d can be given", text, CLI_MAX_DIMS);
        return CLI_REFUSED;
    }
    options->dims[options->num_dims++] = kiln_dim(text, value);
    return CLI_DONE;
}

static int set_repeat(cli_options *options, const char *text)
{
    int64_t value;
    if (!parse_integer(text, &value) || value < 1 || value > 1000000) {
        cli_error("--repeat %s: must be from 1 to 1000000", text);
        return CLI_REFUSED;
    }
    options->repeat = (size_t)value;
    return CLI_DONE;
}

static int set_min_time(cli_options *options, const char *text)
{
    char *end;
    options->min_time = strtod(text, &end);
    if (end == text || *end || !(options->min_time >= 0 && options->min_time <= 3600)) {
        cli_error("--min-time %s: must be seconds from 0 to 3600", text);
        return CLI_REFUSED;
    }
    return CLI_DONE;
}

static int set_budget(cli_options *options, const char *text)
{
    char *end;
    options->budget = strtod(text, &end);
    if (end == text || *end || !(options->budget > 0 && options->budget <= 1e6)) {
        cli_error("--budget %s: must be seconds, above 0 and no more than 1000000", text);
        return CLI_REFUSED;
    }
    return CLI_DONE;
}

static int set_misalign(cli_options *options, const char *text)
{
    if (!parse_integer(text, &options->misalign) || options->misalign < 0 ||
        options->misalign > 65536) {
        cli_error("--misalign %s: must be from 0 to 65536", text);
        return CLI_REFUSED;
    }
    return CLI_DONE;
}

static int set_count(const char *name, const char *text, int64_t high, int64_t *count)
{
    if (!parse_integer(text, count) || *count < 1 || *count > high) {
        cli_error("%s %s: must be from 1 to %lld", name, text, (long long)high);
        return CLI_REFUSED;
    }
    return CLI_DONE;
}

static int set_scale(cli_options *options, const char *text)
{
    char *end;
    options->scale = strtod(text, &end);
    if (end == text || *end || !(options->scale > 0 && options->scale <= 1)) {
        cli_error("--scale %s: must be a number over 0 and up to 1", text);
        return CLI_REFUSED;
    }
    return CLI_DONE;
}

static int add_model(cli_options *options, const char *text, bool is_config)
{
    if (options->num_models == CLI_MAX_MODELS) {
        cli_error("%s %s: no more than %d models can be given", is_config ? "--config" : "--model",
                  text, CLI_MAX_MODELS);
        return CLI_REFUSED;
    }
    options->models[options->num_models++] = (cli_model_name){text, is_config};
    return CLI_DONE;
}

static int set(cli_options *options, const option *of, char *value)
{
    static const unsigned repeatable = CLI_DIM | CLI_MODEL | CLI_CONFIG;
    if ((options->given & of->bit) && of->value && !(of->bit & repeatable)) {
        cli_error("%s is given twice", of->name);
        return CLI_REFUSED;
    }
    options->given |= of->bit;
    switch (of->bit) {
    case CLI_DEVICE:
        options->device = value;
        return CLI_DONE;
    case CLI_FACTS:
        options->facts = value;
        return CLI_DONE;
    case CLI_OUTPUT:
        options->output = value;
        return CLI_DONE;
    case CLI_OUT:
        options->out = value;
        return CLI_DONE;
    case CLI_MISALIGN:
        return set_misalign(options, value);
    case CLI_DIM:
        return set_dim(options, value);
    case CLI_MODEL:
    case CLI_CONFIG:
        return add_model(options, value, of->bit == CLI_CONFIG);
    case CLI_TOKENS:
        return set_count(of->name, value, INT32_MAX, &options->tokens);
    case CLI_SEQ:
        return set_count(of->name, value, INT32_MAX, &options->seq);
    case CLI_LAYERS:
        return set_count(of->name, value, 1024, &options->layers);
    case CLI_DTYPE:
        options->dtype = value;
        return CLI_DONE;
    case CLI_FUSIONS:
        options->fusions = value;
        return CLI_DONE;
    case CLI_RATES:
        options->rates = value;
        return CLI_DONE;
    case CLI_SCALE:
        return set_scale(options, value);
    case CLI_FORWARD:
        options->forward = true;
        return CLI_DONE;
    case CLI_MEASURE:
        options->measure = true;
        return CLI_DONE;
    case CLI_FORCE:
        options->force = true;
        return CLI_DONE;
    case CLI_BUILD:
        options->build = true;
        return CLI_DONE;
    case CLI_REPEAT:
        return set_repeat(options, value);
    case CLI_MIN_TIME:
        return set_min_time(options, value);
    case CLI_BUDGET:
        return set_budget(options, value);
    case CLI_JSON:
        options->json = true;
        return CLI_DONE;
    default:
        return CLI_DONE;
    }
}

/* --name, --name=value, -x or -xvalue; *value is what is attached, else NULL. */
static const option *find(char *word, char **value)
{
    size_t length = strcspn(word, "=");
    for (size_t i = 0; i < NUM_KNOWN; i++) {
        *value = NULL;
        if (strncmp(word, known[i].name, length) == 0 && !known[i].name[length]) {
            if (word[length])
                *value = word + length + 1;
            return &known[i];
        }
        if (known[i].letter && word[1] == known[i].letter) {
            if (word[2])
                *value = word + 2;
            return &known[i];
        }
    }
    return NULL;
}

int cli_parse_options(int argc, char **argv, cli_options *options)
{
    *options = (cli_options){.min_time = -1, .budget = -1, .words = argv};
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        char *word = argv[i], *value;
        if (only_words || word[0] != '-' || !word[1]) {
            argv[options->num_words++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_words = true;
            continue;
        }
        const option *of = find(word, &value);
        if (!of || (value && !of->value && word[1] != '-'))
            return unknown_option(word);
        if (value && !of->value) {
            cli_error("%s takes no value", of->name);
            return CLI_REFUSED;
        }
        if (of->value && !value) {
            if (++i == argc) {
                cli_error("%s needs a value: %s", of->name, of->value);
                return CLI_REFUSED;
            }
            value = argv[i];
        }
        int status = set(options, of, value);
        if (status != CLI_DONE)
            return status;
    }
    return CLI_DONE;
}

const char *cli_option_outside(unsigned given, unsigned allowed)
{
    for (size_t i = 0; i < NUM_KNOWN; i++)
        if (known[i].bit & given & ~allowed)
            return known[i].name;
    return NULL;
}

void cli_print_options(unsigned bits)
{
    for (size_t i = 0; i < NUM_KNOWN; i++) {
        if (!(known[i].bit & bits & ~CLI_WORKER))
            continue;
        char left[40];
        snprintf(left, sizeof left, "%c%c%s%s%s%s", known[i].letter ? '-' : ' ',
                 known[i].letter ? known[i].letter : ' ', known[i].letter ? ", " : "  ",
                 known[i].name, known[i].value ? " " : "", known[i].value ? known[i].value : "");
        const char *about = known[i].about;
        size_t line = strcspn(about, "\n");
        printf("  %-24s %.*s\n", left, (int)line, about);
        while (about[line]) {
            about += line + 1;
            line = strcspn(about, "\n");
            printf("  %-24s %.*s\n", "", (int)line, about);
        }
    }
}
