#include "tune.h"
#include "kernel.h"
#include "template.h"
#include "tune_search.h"
#include "tune_trial.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* At the end the best few are measured in turn, so many times. */
#define FINALISTS 3
#define ROUNDS    5

/* The choice without tuning stays unless it is beaten by more than noise. */
#define WORTHWHILE 0.99

/* ---- what a context knows ---------------------------------------------------------------- */

/* tuned.txt stands among the templates, and may be replaced as they are. */
static kiln_status load_shipped(kiln_context *context)
{
    char *text = NULL;
    kiln_status status = kiln_template_load(context->template_dir, "tuned.txt", &text);
    if (status == KILN_OK)
        status = kiln_lines_shipped(text, &context->facts, &context->shipped);
    free(text);
    return status;
}

/* With the tuning lock held. */
static kiln_status load(kiln_context *context)
{
    if (context->has_tuning)
        return KILN_OK;
    kiln_status status = kiln_tuning_read(context->tuning_store, true, &context->tuning);
    if (status == KILN_OK)
        status = load_shipped(context);
    if (status != KILN_OK) {
        kiln_lines_free(&context->tuning);
        kiln_lines_free(&context->shipped);
    }
    context->has_tuning = status == KILN_OK;
    return status;
}

kiln_status kiln_context_tuned(kiln_context *context, const kiln_spec *spec,
                               kiln_candidate **candidates, size_t *count)
{
    *candidates = NULL;
    *count = 0;
    pthread_mutex_lock(&context->tuning_lock);
    kiln_status status = load(context);
    if (status == KILN_OK)
        status = kiln_lines_near(&context->tuning, spec, KILN_TUNING_TUNED, candidates, count);
    if (status == KILN_OK)
        status = kiln_lines_near(&context->shipped, spec, KILN_TUNING_SHIPPED, candidates, count);
    if (status != KILN_OK) { /* texts are not copied yet */
        free(*candidates);
        *candidates = NULL;
        *count = 0;
    }
    /* The lines may change once the lock is given back. */
    for (size_t i = 0; i < *count && status == KILN_OK; i++) {
        (*candidates)[i].from = kiln_strdup((*candidates)[i].from);
        if ((*candidates)[i].from)
            continue;
        kiln_tuned_free(*candidates, i);
        *candidates = NULL;
        *count = 0;
        status = kiln_fail_memory();
    }
    pthread_mutex_unlock(&context->tuning_lock);
    return status;
}

void kiln_tuned_free(kiln_candidate *candidates, size_t count)
{
    for (size_t i = 0; i < count && candidates; i++)
        free((char *)(uintptr_t)candidates[i].from);
    free(candidates);
}

/* ---- a search ---------------------------------------------------------------------------- */

typedef struct {
    kiln_context *context;
    const kiln_spec *spec;
    const kiln_tune_params *params;
    kiln_tune_result *result;
    kiln_measure_fn measure;
    void *user;
    kiln_search search;
    double start;
    bool stopped;  /* by the callback, or by who measures */
    kiln_text why; /* the last candidate failed */
    size_t told;   /* the trial that the store hears of next; SIZE_MAX: only the best */
} tuning;

static bool is_over(const tuning *t)
{
    return t->stopped || kiln_seconds() - t->start >= t->params->budget_s;
}

static kiln_status know(void *user, kiln_lines *lines)
{
    tuning *t = user;
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < lines->count && status == KILN_OK; i++) {
        const kiln_line *line = &lines->of[i];
        if (line->kind == KILN_LINE_BEST || strcmp(line->spec.text, t->spec->text) != 0 ||
            strcmp(line->version, kiln_version()) != 0)
            continue;
        char *reason;
        status =
            kiln_choose_check(t->spec, &t->context->facts, line->variant, line->values, &reason);
        bool fits = status == KILN_OK && !reason;
        free(reason);
        if (!fits)
            continue;
        status = kiln_search_know(&t->search, line->variant, line->values, line->time);
        t->result->known++;
        t->result->tried++;
        t->result->failed += !isfinite(line->time);
    }
    return status;
}

/* What earlier searches have seen. Does not change the store. */
static kiln_status recall(tuning *t)
{
    kiln_lines lines;
    kiln_status status = kiln_tuning_read(t->context->tuning_store, false, &lines);
    if (status == KILN_OK)
        status = know(t, &lines);
    kiln_lines_free(&lines);
    return status;
}

static kiln_status put_trial(void *user, kiln_lines *lines)
{
    tuning *t = user;
    kiln_status status = KILN_OK;
    if (t->told != SIZE_MAX) {
        const kiln_trial *trial = &t->search.trials[t->told];
        kiln_line_kind kind =
            trial->state == KILN_TRIAL_FAILED ? KILN_LINE_FAILED : KILN_LINE_TRIED;
        status = kiln_lines_put(lines, kind, t->spec, trial->candidate.variant,
                                trial->candidate.values, trial->time);
    }
    size_t best = kiln_search_best(&t->search);
    if (status == KILN_OK && best != SIZE_MAX) {
        const kiln_trial *trial = &t->search.trials[best];
        status = kiln_lines_put(lines, KILN_LINE_BEST, t->spec, trial->candidate.variant,
                                trial->candidate.values, trial->time);
    }
    return status;
}

static kiln_status keep(tuning *t, size_t index)
{
    bool kept;
    t->told = index;
    kiln_status status = kiln_tuning_change(t->context->tuning_store, put_trial, t, &kept);
    t->result->kept = kept;
    return status;
}

static void report(tuning *t)
{
    if (!t->params->progress)
        return;
    size_t best = kiln_search_best(&t->search);
    const kiln_trial *first = &t->search.trials[0];
    const kiln_trial *shown = best != SIZE_MAX ? &t->search.trials[best] : first;
    kiln_text values = {0};
    kiln_values_print(shown->candidate.variant, shown->candidate.values, &values);
    kiln_tune_progress progress = {
        .spec = t->spec->text,
        .elapsed_s = kiln_seconds() - t->start,
        .budget_s = t->params->budget_s,
        .tried = t->result->tried,
        .failed = t->result->failed,
        .default_s = first->state == KILN_TRIAL_DONE ? first->time : 0,
        .best_s = best != SIZE_MAX ? shown->time : 0,
        .variant = shown->candidate.variant->name,
        .tuning = values.data ? values.data : "",
        .failure = t->why.length ? t->why.data : NULL,
    };
    t->stopped = t->params->progress(t->params->progress_user, &progress) != 0 || t->stopped;
    kiln_text_free(&values);
}

static void tell(tuning *t, size_t index, double time)
{
    kiln_trial *trial = &t->search.trials[index];
    kiln_tune_result *r = t->result;
    if (trial->known) { /* measured again */
        trial->known = false;
        r->known--;
        r->tried--;
        r->failed -= trial->state == KILN_TRIAL_FAILED;
    }
    kiln_search_tell(&t->search, index, time);
    r->tried++;
    r->failed += !isfinite(time);
}

static kiln_status try_one(tuning *t, size_t index)
{
    double time = INFINITY;
    size_t best = kiln_search_best(&t->search);
    kiln_candidate candidate = t->search.trials[index].candidate;
    kiln_text_free(&t->why);
    kiln_status status =
        t->measure(t->user, &candidate, true,
                   best != SIZE_MAX ? t->search.trials[best].time : INFINITY, &time, &t->why);
    if (status == KILN_OK && isnan(time)) {
        t->stopped = true;
        return KILN_OK;
    }
    if (status != KILN_OK)
        return status;
    tell(t, index, time);
    if (t->why.length)
        kiln_log(t->context, KILN_LOG_INFO, "tuning %s: a candidate failed: %s", t->spec->text,
                 t->why.data);
    status = keep(t, index);
    if (status == KILN_OK)
        report(t);
    return status;
}

/* ---- the end of it ----------------------------------------------------------------------- */

static int compare_times(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The choice without tuning and the fastest others. */
static size_t find_finalists(const tuning *t, size_t *finalists)
{
    size_t count = 1;
    finalists[0] = 0;
    while (count < 1 + FINALISTS) {
        size_t next = SIZE_MAX;
        for (size_t i = 1; i < t->search.count; i++) {
            bool taken = t->search.trials[i].state != KILN_TRIAL_DONE;
            for (size_t f = 0; f < count; f++)
                taken = taken || finalists[f] == i;
            if (!taken &&
                (next == SIZE_MAX || t->search.trials[i].time < t->search.trials[next].time))
                next = i;
        }
        if (next == SIZE_MAX)
            break;
        finalists[count++] = next;
    }
    return count;
}

/* Measures them in turn, so that none had the better of a machine's moods; the first round runs
 * whatever the budget. */
static kiln_status measure_finalists(tuning *t, const size_t *finalists, size_t count)
{
    double times[1 + FINALISTS][ROUNDS], end = kiln_seconds() + fmax(1, 0.1 * t->params->budget_s);
    size_t rounds = 0;
    while (rounds < ROUNDS && !(rounds > 0 && (t->stopped || kiln_seconds() > end))) {
        for (size_t f = 0; f < count; f++) {
            kiln_text why = {0};
            kiln_status status = t->measure(t->user, &t->search.trials[finalists[f]].candidate,
                                            rounds == 0, INFINITY, &times[f][rounds], &why);
            kiln_text_free(&why);
            if (status != KILN_OK || isnan(times[f][rounds])) {
                t->stopped = status == KILN_OK;
                return status;
            }
        }
        rounds++;
    }
    for (size_t f = 0; f < count; f++) {
        qsort(times[f], rounds, sizeof times[f][0], compare_times);
        kiln_search_tell(&t->search, finalists[f], times[f][rounds / 2]);
    }
    return KILN_OK;
}

static void fill_result(const kiln_trial *trial, char *variant, size_t size, char *text)
{
    kiln_text values = {0};
    kiln_values_print(trial->candidate.variant, trial->candidate.values, &values);
    strncpy(variant, trial->candidate.variant->name, size - 1);
    if (values.data)
        strncpy(text, values.data, KILN_TUNING_LENGTH - 1);
    kiln_text_free(&values);
}

/* Chooses among the finalists alone, as their times can be compared. */
static kiln_status conclude(tuning *t)
{
    size_t finalists[1 + FINALISTS], count = find_finalists(t, finalists), best = 0;
    kiln_status status =
        count > 1 && !t->stopped ? measure_finalists(t, finalists, count) : KILN_OK;
    if (status != KILN_OK)
        return status;
    const kiln_trial *first = &t->search.trials[0];
    if (first->state != KILN_TRIAL_DONE)
        return kiln_fail(KILN_OPENCL_ERROR, "%s: the choice without tuning failed when run again",
                         t->spec->text);
    for (size_t f = 1; f < count; f++) {
        const kiln_trial *trial = &t->search.trials[finalists[f]];
        if (trial->state == KILN_TRIAL_DONE && trial->time < WORTHWHILE * first->time &&
            (best == 0 || trial->time < t->search.trials[best].time))
            best = finalists[f];
    }
    const kiln_trial *winner = &t->search.trials[best];
    kiln_tune_result *r = t->result;
    fill_result(winner, r->variant, sizeof r->variant, r->tuning);
    fill_result(first, r->default_variant, sizeof r->default_variant, r->default_tuning);
    r->best_s = winner->time;
    r->default_s = first->time;
    t->told = best;
    return KILN_OK;
}

static kiln_status put_winner(void *user, kiln_lines *lines)
{
    tuning *t = user;
    const kiln_trial *winner = &t->search.trials[t->told];
    return kiln_lines_put(lines, KILN_LINE_BEST, t->spec, winner->candidate.variant,
                          winner->candidate.values, winner->time);
}

/* From now on the context uses what was found, whether it could be kept or not. */
static kiln_status adopt(tuning *t)
{
    bool kept;
    kiln_context *context = t->context;
    kiln_status status = kiln_tuning_change(context->tuning_store, put_winner, t, &kept);
    t->result->kept = kept;
    if (status != KILN_OK)
        return status;
    pthread_mutex_lock(&context->tuning_lock);
    status = load(context);
    if (status == KILN_OK)
        status = put_winner(t, &context->tuning);
    pthread_mutex_unlock(&context->tuning_lock);
    kiln_kernels_outdate(context, t->spec->row);
    return status;
}

static kiln_status search(tuning *t)
{
    bool over = false;
    size_t index;
    /* The choice without tuning is measured first, since all is compared with it: today's time. */
    kiln_status status = try_one(t, 0);
    if (status == KILN_OK && t->search.trials[0].state == KILN_TRIAL_OPEN)
        status =
            kiln_fail(KILN_OPENCL_ERROR, "%s: ended before anything was measured", t->spec->text);
    else if (status == KILN_OK && t->search.trials[0].state == KILN_TRIAL_FAILED)
        status = kiln_fail(KILN_OPENCL_ERROR, "%s: the choice without tuning fails: %s",
                           t->spec->text, t->why.length ? t->why.data : "it does not run");
    while (status == KILN_OK && !is_over(t)) {
        status = kiln_search_next(&t->search, &index, &over);
        if (status != KILN_OK || over)
            break;
        status = try_one(t, index);
    }
    t->result->complete = over;
    if (status == KILN_OK)
        status = conclude(t);
    return status == KILN_OK ? adopt(t) : status;
}

static kiln_status check_params(const kiln_spec *spec, const kiln_tune_params *params)
{
    if (!(params->budget_s > 0 && params->budget_s <= 1e9))
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "%s: a budget of %g seconds: must be above 0, and no more than 1e9",
                         spec->row->name, params->budget_s);
    if (!kiln_spec_is_tunable(spec))
        return kiln_fail(KILN_INVALID_SPEC,
                         "%s: tile_size and workgroup_size must be 0 to be tuned", spec->text);
    return KILN_OK;
}

kiln_status kiln_tune_by(kiln_context *context, const kiln_spec *spec,
                         const kiln_tune_params *params, kiln_measure_fn measure, void *user,
                         kiln_tune_result *result)
{
    tuning t = {.context = context,
                .spec = spec,
                .params = params,
                .result = result,
                .measure = measure,
                .user = user,
                .start = kiln_seconds()};
    memset(result, 0, sizeof *result);
    kiln_status status = check_params(spec, params);
    if (status == KILN_OK)
        status = kiln_search_start(&t.search, spec, &context->facts);
    if (status != KILN_OK)
        return status;
    status = recall(&t);
    if (status == KILN_OK)
        status = search(&t);
    kiln_search_free(&t.search);
    kiln_text_free(&t.why);
    return status;
}

kiln_status kiln_tune(kiln_context *context, const char *spec_text, const kiln_tune_params *params,
                      kiln_tune_result *result)
{
    if (!context || !spec_text || !params || !result || (params->num_dims > 0 && !params->dims))
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_tune: context, spec, params, dims and result must not be NULL");
    kiln_spec spec;
    kiln_trials *trials = NULL;
    kiln_tune_result found;
    kiln_status status = kiln_spec_parse(spec_text, &spec);
    if (status != KILN_OK)
        return status;
    status = check_params(&spec, params);
    if (status == KILN_OK)
        status = kiln_trials_open(context, spec.text, params->dims, params->num_dims,
                                  params->budget_s, &trials);
    if (status == KILN_OK)
        status = kiln_tune_by(context, &spec, params, kiln_trials_measure, trials, &found);
    if (status == KILN_OK)
        *result = found;
    kiln_trials_close(trials);
    kiln_spec_free(&spec);
    return status;
}

/* ---- listing and forgetting -------------------------------------------------------------- */

kiln_status kiln_list_tuned(kiln_context *context,
                            int (*visit)(void *user, const kiln_tuned *tuned), void *user)
{
    if (!context || !visit)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_list_tuned: context and visit must not be NULL");
    kiln_lines lines;
    kiln_status status = kiln_tuning_read(context->tuning_store, true, &lines);
    bool go_on = true;
    for (size_t i = 0; i < lines.count && status == KILN_OK && go_on; i++) {
        const kiln_line *line = &lines.of[i];
        kiln_text values = {0};
        kiln_values_print(line->variant, line->values, &values);
        go_on = visit(user, &(kiln_tuned){line->spec.text, line->variant->name,
                                          values.data ? values.data : "", line->time,
                                          line->version}) != 0;
        kiln_text_free(&values);
    }
    kiln_lines_free(&lines);
    return status;
}

typedef struct {
    const char *spec;
    size_t count;
} forgetting;

static kiln_status forget(void *user, kiln_lines *lines)
{
    forgetting *f = user;
    f->count = kiln_lines_remove(lines, f->spec);
    return KILN_OK;
}

kiln_status kiln_forget_tuned(kiln_context *context, const char *spec_text, size_t *count)
{
    if (!context)
        return kiln_fail(KILN_INVALID_ARGUMENT, "kiln_forget_tuned: the context is NULL");
    kiln_spec spec = {0};
    forgetting f = {NULL, 0};
    bool kept;
    if (spec_text) {
        kiln_status status = kiln_spec_parse(spec_text, &spec);
        if (status != KILN_OK)
            return status;
        f.spec = spec.text;
    }
    kiln_status status = kiln_tuning_change(context->tuning_store, forget, &f, &kept);
    pthread_mutex_lock(&context->tuning_lock);
    size_t here = kiln_lines_remove(&context->tuning, f.spec);
    pthread_mutex_unlock(&context->tuning_lock);
    kiln_kernels_outdate(context, spec_text ? spec.row : NULL);
    if (status == KILN_OK && count)
        *count = kept ? f.count : here;
    kiln_spec_free(&spec);
    return status;
}
