/* kiln check: every kernel at the shapes of models. */
#include "check.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USUAL_TOKENS 4096

const char *const cli_freedom_names[CLI_FREEDOMS] = {"free", "within limits", "blocked"};
const char *const cli_used_names[] = {"no", "yes", "optional"};

typedef struct {
    const cli_options *options;
    int64_t tokens;
    cli_judge judge;
    cli_tally *tallies; /* of each row */
    size_t num_blocked; /* models with a kernel blocked or a layer without one */
    cli_table summary;
    json_t *json;  /* of the models; NULL: as text */
    bool progress; /* is shown on a terminal */
} check;

/* ---- the models -------------------------------------------------------------------------- */

static int take_models(const cli_options *options, cli_model **models, size_t *count)
{
    size_t all = 0;
    while (cli_model_at(all))
        all++;
    *count = options->num_models ? options->num_models : all;
    *models = cli_need(calloc(*count, sizeof **models));
    for (size_t i = 0; i < *count; i++) {
        int status = CLI_DONE;
        if (options->num_models)
            status = cli_model_take(&options->models[i], &(*models)[i]);
        else
            (*models)[i] = *cli_model_at(i);
        if (status != CLI_DONE)
            return status;
    }
    return CLI_DONE;
}

/* ---- counting ---------------------------------------------------------------------------- */

size_t cli_count_all(const cli_counts *counts, bool fused)
{
    size_t sum = 0;
    for (int i = 0; i < CLI_FREEDOMS; i++)
        sum += counts->of[fused][i];
    return sum;
}

cli_counts cli_count_tallies(const cli_tally *tallies)
{
    cli_counts counts = {{{0}}};
    for (size_t i = 0; i < kiln_num_rows(); i++) {
        const size_t *models = tallies[i].of;
        cli_freedom worst = models[CLI_BLOCKED]  ? CLI_BLOCKED
                            : models[CLI_WITHIN] ? CLI_WITHIN
                                                 : CLI_FREE;
        counts.of[kiln_row_at(i)->fused][worst]++;
    }
    return counts;
}

static void add_to_tally(cli_tally *tally, const cli_verdict *verdict)
{
    tally->of[verdict->freedom]++;
    for (size_t i = 0; i < verdict->num_limits; i++) {
        const char *what = verdict->limits[i].what;
        size_t known = 0;
        while (known < tally->num_limits && strcmp(tally->limits[known], what) != 0)
            known++;
        if (*what && known == tally->num_limits &&
            known < sizeof tally->limits / sizeof *tally->limits)
            tally->limits[tally->num_limits++] = what;
    }
}

/* ---- judging ----------------------------------------------------------------------------- */

static void show_progress(const check *c, const cli_result *r, size_t row)
{
    if (c->progress)
        fprintf(stderr, "\r\033[K%s: %s (%zu of %zu)", r->model->name, kiln_row_at(row)->name,
                row + 1, kiln_num_rows());
}

static kiln_status judge_model(check *c, cli_result *r)
{
    kiln_status status = cli_model_missing(r->model, c->tokens, &r->missing);
    for (size_t i = 0; i < kiln_num_rows() && status == KILN_OK; i++) {
        const kiln_row *row = kiln_row_at(i);
        show_progress(c, r, i);
        status = cli_model_specs_make(r->model, c->tokens, row, &r->specs[i]);
        if (status != KILN_OK)
            break;
        r->verdicts[i] = cli_judge_specs(&c->judge, &r->specs[i]);
        cli_freedom freedom = r->verdicts[i].freedom;
        r->counts.of[row->fused][freedom]++;
        add_to_tally(&c->tallies[i], &r->verdicts[i]);
    }
    if (c->progress)
        fputs("\r\033[K", stderr);
    c->num_blocked += r->missing.count > 0 || r->counts.of[0][CLI_BLOCKED] > 0 ||
                      r->counts.of[1][CLI_BLOCKED] > 0;
    return status;
}

static void result_start(cli_result *r, const cli_model *model)
{
    *r = (cli_result){.model = model,
                      .specs = cli_need(calloc(kiln_num_rows(), sizeof *r->specs)),
                      .verdicts = cli_need(calloc(kiln_num_rows(), sizeof *r->verdicts))};
}

static void result_free(cli_result *r)
{
    for (size_t i = 0; i < kiln_num_rows(); i++) {
        cli_model_specs_free(&r->specs[i]);
        cli_verdict_free(&r->verdicts[i]);
    }
    cli_missing_free(&r->missing);
    free(r->specs);
    free(r->verdicts);
}

/* ------------------------------------------------------------------------------------------ */

static int check_model(check *c, const cli_model *model, bool summary)
{
    cli_result r;
    result_start(&r, model);
    kiln_status status = judge_model(c, &r);
    if (status == KILN_OK && c->json) {
        json_array_append_new(c->json, cli_describe_result(&r));
    } else if (status == KILN_OK) {
        cli_print_result(&r);
        if (summary)
            cli_add_summary(&c->summary, &r);
    }
    result_free(&r);
    return status == KILN_OK ? CLI_DONE : cli_fail(status);
}

static int check_models(check *c, const cli_model *models, size_t count, const char *label)
{
    c->tallies = cli_need(calloc(kiln_num_rows(), sizeof *c->tallies));
    c->json = c->options->json ? cli_need(json_array()) : NULL;
    cli_start_summary(&c->summary);
    cli_check_info info = {&c->judge, label, c->tokens, count, 0, c->tallies};
    if (!c->json)
        cli_print_check_start(&info);
    int status = CLI_DONE;
    for (size_t i = 0; i < count && status == CLI_DONE; i++)
        status = check_model(c, &models[i], count > 1);
    info.num_blocked = c->num_blocked;
    if (status == CLI_DONE && c->json)
        cli_print_check_json(&info, c->json);
    else if (status == CLI_DONE && count > 1)
        cli_print_check_end(&info, &c->summary);
    if (status == CLI_DONE && c->judge.context && !c->json)
        printf("%s built\n", cli_plural(c->judge.built, "spec", "specs").text);
    free(c->tallies);
    if (status != CLI_DONE || c->num_blocked == 0)
        return status;
    cli_error("%zu of %s: a kernel is blocked, or a layer has none", c->num_blocked,
              cli_plural(count, "model", "models").text);
    return CLI_FAILED;
}

/* The device to build on, or the facts to specialise for. */
static int find_device(check *c, char **label)
{
    const cli_options *options = c->options;
    if (!options->build)
        return cli_find_facts(options, true, &c->judge.facts, label);
    if (options->facts) {
        cli_error("--build compiles for a device, and --facts names none");
        return CLI_REFUSED;
    }
    int status = cli_open_context(options, &c->judge.context);
    if (status == CLI_DONE) {
        c->judge.facts = c->judge.context->facts;
        *label = cli_device_name(c->judge.context->device);
    }
    return status;
}

static int run(const cli_options *options)
{
    check c = {.options = options,
               .tokens = options->tokens ? options->tokens : USUAL_TOKENS,
               .progress = options->build && isatty(STDERR_FILENO)};
    if (options->num_words > 0) {
        cli_error("check takes no operand, but `%s' is given; did you mean --model %s?",
                  options->words[0], options->words[0]);
        return CLI_REFUSED;
    }
    cli_model *models = NULL;
    size_t count;
    char *label = NULL;
    int status = take_models(options, &models, &count);
    if (status == CLI_DONE)
        status = find_device(&c, &label);
    if (status == CLI_DONE)
        status = check_models(&c, models, count, label);
    kiln_release_context(c.judge.context);
    free(label);
    free(models);
    return status;
}

const cli_command cli_check = {
    .name = "check",
    .operands = "",
    .summary = "which kernels the shapes of models limit",
    .help =
        "Specialises every kernel at the shapes of models and says whether one of them is free,\n"
        "within limits (and which: tile_size, head_dim, local memory, 2^31 elements), or blocked "
        "and\n"
        "why. Without --model and --config it does so for all models that kiln knows. A layer "
        "that\n"
        "a model needs and no kernel does is told, too. Exit status 1 if a kernel is blocked or "
        "a\n"
        "layer has none.\n"
        "\n"
        "USED is `optional' where another kernel does the same, or training has to ask for it.\n"
        "Nothing is compiled without --build; --facts, and --device cpu or gpu without it, need "
        "no\n"
        "OpenCL driver.\n"
        "\n"
        "  kiln check\n"
        "  kiln check --model llama-3-70b --facts gpu,local_mem=32768\n"
        "  kiln check --config config.json --tokens 16384 --json\n",
    .options = CLI_MODEL | CLI_CONFIG | CLI_DEVICE | CLI_FACTS | CLI_TOKENS | CLI_BUILD | CLI_JSON,
    .run = run,
};
