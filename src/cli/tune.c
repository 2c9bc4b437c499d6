/* kiln tune: searches tuning values, lists and forgets them. */
#include "tune_worker.h"
#include "tune.h"
#include "models.h"
#include "tuning_store.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define USUAL_BUDGET 60.0
#define USUAL_TOKENS 4096

/* ---- the specs --------------------------------------------------------------------------- */

/* A model's spec with the dtype asked for in place of its own. */
static void add_model_spec(const cli_options *options, cli_spec_list *list, const char *text)
{
    static const char own[] = " dtype=bf16";
    const char *found = strstr(text, own);
    kiln_text out = {0};
    if (found && options->dtype) {
        kiln_text_add_bytes(&out, text, (size_t)(found - text));
        kiln_text_addf(&out, " dtype=%s%s", options->dtype, found + strlen(own));
    } else {
        kiln_text_add(&out, text);
    }
    char *spec = cli_need(kiln_text_take(&out));
    bool again = false;
    for (size_t i = 0; i < list->count; i++)
        again = again || strcmp(list->texts[i], spec) == 0;
    if (!again)
        cli_spec_list_add(list, spec);
    free(spec);
}

static int add_model(const cli_options *options, const cli_model_name *name, cli_spec_list *list)
{
    cli_model read;
    const cli_model *model = &read;
    int status =
        name->is_config ? cli_model_read(name->text, &read) : cli_model_find(name->text, &model);
    for (size_t r = 0; r < kiln_num_rows() && status == CLI_DONE; r++) {
        cli_model_specs specs;
        kiln_status made = cli_model_specs_make(
            model, options->tokens ? options->tokens : USUAL_TOKENS, kiln_row_at(r), &specs);
        if (made != KILN_OK)
            return cli_fail(made);
        for (size_t i = 0; i < specs.count && specs.used != CLI_UNUSED; i++)
            add_model_spec(options, list, specs.of[i].text);
        cli_model_specs_free(&specs);
    }
    return status;
}

static int collect(const cli_options *options, cli_spec_list *list)
{
    if (options->num_models > 0 && options->num_words > 0) {
        cli_error("tune takes specs or models, not both");
        return CLI_REFUSED;
    }
    if ((options->given & (CLI_TOKENS | CLI_DTYPE)) && options->num_models == 0) {
        cli_error("tune takes --tokens and --dtype with --model or --config only");
        return CLI_REFUSED;
    }
    if (options->dtype && !kiln_listed("f32|f16|bf16", options->dtype)) {
        cli_error("--dtype %s: must be f32, f16 or bf16", options->dtype);
        return CLI_REFUSED;
    }
    for (size_t i = 0; i < options->num_models; i++) {
        int status = add_model(options, &options->models[i], list);
        if (status != CLI_DONE)
            return status;
    }
    return options->num_models > 0 ? cli_parse_specs(options, list)
                                   : cli_collect_specs(options, list);
}

/* ---- progress ---------------------------------------------------------------------------- */

/* Short, as a line that wraps cannot be taken back. */
static int show_progress(void *user, const kiln_tune_progress *p)
{
    cli_show_progress(user, "%.32s: %.0f of %.0f s, %zu tried, best %s (%.2fx)", p->spec,
                      p->elapsed_s, p->budget_s, p->tried, cli_seconds(p->best_s).text,
                      p->best_s > 0 ? p->default_s / p->best_s : 1);
    return cli_tune_signal != 0;
}

/* ---- telling ----------------------------------------------------------------------------- */

static const char *const titles[] = {"SPEC",    ">DEFAULT", ">BEST",   ">GAIN",  ">TRIED",
                                     ">FAILED", "SEARCH",   "VARIANT", "TUNING", NULL};

static void add_row(cli_table *table, const kiln_spec *spec, const kiln_tune_result *r)
{
    char gain[32];
    snprintf(gain, sizeof gain, "%.2fx", r->default_s / r->best_s);
    cli_short usual = cli_seconds(r->default_s), best = cli_seconds(r->best_s);
    cli_short tried = cli_integer((int64_t)r->tried), failed = cli_integer((int64_t)r->failed);
    const char *cells[] = {spec->text,
                           usual.text,
                           best.text,
                           gain,
                           tried.text,
                           failed.text,
                           r->complete ? "complete" : "cut short",
                           r->variant,
                           r->tuning};
    cli_table_add(table, cells);
}

static void add_json(json_t *all, const kiln_spec *spec, const kiln_tune_result *r)
{
    json_array_append_new(
        all, cli_need(json_pack("{s:s, s:f, s:f, s:f, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:b}",
                                "spec", spec->text, "default_s", r->default_s, "best_s", r->best_s,
                                "gain", r->default_s / r->best_s, "variant", r->variant, "tuning",
                                r->tuning, "default_variant", r->default_variant, "default_tuning",
                                r->default_tuning, "tried", (json_int_t)r->tried, "failed",
                                (json_int_t)r->failed, "known", (json_int_t)r->known, "complete",
                                r->complete, "kept", r->kept)));
}

/* ---- tuning ------------------------------------------------------------------------------ */

static int tune_spec(const cli_options *options, kiln_context *context, const kiln_spec *spec,
                     kiln_tune_result *result)
{
    cli_progress p = cli_start_progress();
    double budget = options->budget > 0 ? options->budget : USUAL_BUDGET;
    kiln_tune_params params = {.budget_s = budget, .progress = show_progress, .progress_user = &p};
    cli_worker *worker = cli_worker_open(options, context, spec, budget);
    kiln_status status = kiln_tune_by(context, spec, &params, cli_worker_measure, worker, result);
    cli_worker_close(worker);
    cli_end_progress(&p);
    return status == KILN_OK ? CLI_DONE : cli_fail(status);
}

static void note_signal(int number)
{
    cli_tune_signal = number;
}

static void catch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}

static int tune(const cli_options *options, kiln_context *context, const cli_spec_list *list)
{
    json_t *all = options->json ? cli_need(json_array()) : NULL;
    cli_table table;
    int status = CLI_DONE;
    size_t done = 0;
    bool kept = true;
    catch_signals();
    cli_table_start(&table, titles);
    for (size_t i = 0; i < list->count && !cli_tune_signal; i++) {
        kiln_tune_result result;
        int one = tune_spec(options, context, &list->specs[i], &result);
        status = status == CLI_DONE ? one : status;
        if (one != CLI_DONE)
            continue;
        done++;
        kept = kept && result.kept;
        if (all)
            add_json(all, &list->specs[i], &result);
        else
            add_row(&table, &list->specs[i], &result);
    }
    if (all)
        cli_print_json(all);
    else if (done > 0)
        cli_table_end(&table);
    if (done > 0 && kept)
        cli_note("kept in %s", kiln_tuning_place(context->tuning_store));
    else if (done > 0)
        cli_note("not kept: %s", kiln_tuning_place(context->tuning_store));
    if (cli_tune_signal && status == CLI_DONE) {
        cli_error("ended by signal %d; what was found by then is kept", (int)cli_tune_signal);
        status = CLI_FAILED;
    }
    return status;
}

/* ---- listing and forgetting -------------------------------------------------------------- */

typedef struct {
    cli_table table;
    json_t *all; /* NULL: text */
    size_t count;
} listing;

static int list_one(void *user, const kiln_tuned *t)
{
    listing *l = user;
    l->count++;
    if (l->all) {
        json_array_append_new(l->all, json_pack("{s:s, s:s, s:s, s:f, s:s}", "spec", t->spec,
                                                "variant", t->variant, "tuning", t->tuning,
                                                "time_s", t->time_s, "version", t->version));
        return 1;
    }
    const char *cells[] = {t->spec, cli_seconds(t->time_s).text, t->variant, t->tuning};
    cli_table_add(&l->table, cells);
    return 1;
}

static int list_tuned(const cli_options *options, kiln_context *context)
{
    static const char *const columns[] = {"SPEC", ">TIME", "VARIANT", "TUNING", NULL};
    listing l = {.all = options->json ? cli_need(json_array()) : NULL};
    cli_table_start(&l.table, columns);
    kiln_status status = kiln_list_tuned(context, list_one, &l);
    if (status != KILN_OK)
        return cli_fail(status);
    if (l.all) {
        cli_print_json(l.all);
        return CLI_DONE;
    }
    if (l.count > 0)
        cli_table_end(&l.table);
    printf("%s%s in %s\n", l.count > 0 ? "\n" : "",
           cli_plural(l.count, "tuned spec", "tuned specs").text,
           kiln_tuning_place(context->tuning_store));
    return CLI_DONE;
}

static int forget(const cli_options *options, kiln_context *context)
{
    cli_spec_list list = {0};
    size_t sum = 0, count;
    int status = CLI_DONE;
    if (!kiln_tuning_is_kept(context->tuning_store)) {
        cli_error("tune --forget: %s is not written to", kiln_tuning_place(context->tuning_store));
        return CLI_REFUSED;
    }
    /* --dim is not needed to forget. */
    for (size_t i = 0; i < options->num_words && status == CLI_DONE; i++) {
        bool pair = !strchr(options->words[i], ' ') && strchr(options->words[i], '=');
        if (pair && list.count > 0) {
            kiln_text text = {0};
            char **last = &list.texts[list.count - 1];
            kiln_text_addf(&text, "%s %s", *last, options->words[i]);
            free(*last);
            *last = cli_need(kiln_text_take(&text));
        } else {
            cli_spec_list_add(&list, options->words[i]);
        }
    }
    for (size_t i = 0; i < (list.count ? list.count : 1) && status == CLI_DONE; i++) {
        kiln_status gone = kiln_forget_tuned(context, list.count ? list.texts[i] : NULL, &count);
        status = gone == KILN_OK ? CLI_DONE : cli_fail(gone);
        sum += status == CLI_DONE ? count : 0;
    }
    if (status == CLI_DONE)
        printf("forgot %s in %s\n", cli_plural(sum, "tuned spec", "tuned specs").text,
               kiln_tuning_place(context->tuning_store));
    cli_spec_list_free(&list);
    return status;
}

/* ------------------------------------------------------------------------------------------ */

static int run_on_device(const cli_options *options,
                         int (*with)(const cli_options *options, kiln_context *context))
{
    kiln_context *context = NULL;
    int status = cli_open_context(options, &context);
    if (status == CLI_DONE)
        status = with(options, context);
    kiln_release_context(context);
    return status;
}

static int run_search(const cli_options *options)
{
    cli_spec_list list = {0};
    kiln_context *context = NULL;
    int status = collect(options, &list);
    for (size_t i = 0; i < list.count && status == CLI_DONE; i++) {
        if (kiln_spec_is_tunable(&list.specs[i]))
            continue;
        cli_error("%s: tile_size and workgroup_size must be 0 to be tuned", list.texts[i]);
        status = CLI_REFUSED;
    }
    if (status == CLI_DONE)
        status = cli_open_context(options, &context);
    if (status == CLI_DONE)
        status = tune(options, context, &list);
    kiln_release_context(context);
    cli_spec_list_free(&list);
    return status;
}

static int run(const cli_options *options)
{
    unsigned lists = options->given & (CLI_LIST | CLI_FORGET);
    const char *outside =
        lists ? cli_option_outside(options->given & ~lists, CLI_DEVICE | CLI_JSON) : NULL;
    if (options->given & CLI_WORKER)
        return cli_worker_main(options);
    if (lists == (CLI_LIST | CLI_FORGET)) {
        cli_error("tune: --list and --forget exclude each other");
        return CLI_REFUSED;
    }
    if (outside) {
        cli_error("tune %s takes no %s", lists == CLI_LIST ? "--list" : "--forget", outside);
        return CLI_REFUSED;
    }
    if (lists == CLI_LIST && options->num_words > 0) {
        cli_error("tune --list takes no operand, but `%s' is given", options->words[0]);
        return CLI_REFUSED;
    }
    if (lists)
        return run_on_device(options, lists == CLI_LIST ? list_tuned : forget);
    if (options->num_words == 0 && options->num_models == 0) {
        cli_error("tune needs a spec, like `matmul m=512 n=512 k=512', or --model");
        return CLI_REFUSED;
    }
    cli_worker_prepare();
    return run_search(options);
}

const cli_command cli_tune = {
    .name = "tune",
    .operands = "SPEC...",
    .summary = "searches the fastest tuning values for specs",
    .help =
        "Measures each SPEC, or each spec of a model, under many tuning values for --budget "
        "seconds,\n"
        "and keeps the best: from then on specs that are equal or near use them. Candidates are\n"
        "measured in a process of their own, so that one that crashes or hangs is only noted, and\n"
        "each one's result is compared with that of another variant. What was found is kept as it\n"
        "is found; Ctrl-C ends the search, and the next one goes on from there.\n"
        "\n"
        "  kiln tune matmul m=1024 n=1024 k=1024 gelu m=4096 n=4096 approx=tanh\n"
        "  kiln tune --model llama-3-70b --tokens 2048 --dtype f32 --budget 20\n"
        "  kiln tune 'matmul m=? n=4096 k=4096' --dim m=512\n"
        "  kiln tune --list\n"
        "  kiln tune --forget matmul m=1024 n=1024 k=1024\n"
        "\n"
        "Lines of a device are in its cache directory, or in the file that $KILN_TUNE_FILE "
        "names.\n",
    .options = CLI_DEVICE | CLI_DIM | CLI_MODEL | CLI_CONFIG | CLI_TOKENS | CLI_DTYPE | CLI_BUDGET |
               CLI_LIST | CLI_FORGET | CLI_JSON | CLI_WORKER,
    .run = run,
};
