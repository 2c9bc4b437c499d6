#include "tune_search.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A variant this much slower than the best is left alone. */
#define VARIANT_SLOWER 2.0

/* Random steps in a row that end the search if none helped, and how often one is drawn anew that
 * is not allowed or known. */
#define MAX_FRUITLESS 40
#define MAX_DRAWS     400

/* ---- trials ------------------------------------------------------------------------------ */

static size_t find_trial(const kiln_search *s, const kiln_variant *variant, const int *values)
{
    size_t bytes = kiln_num_tune(variant) * sizeof *values;
    for (size_t i = 0; i < s->count; i++)
        if (s->trials[i].candidate.variant == variant &&
            memcmp(s->trials[i].candidate.values, values, bytes) == 0)
            return i;
    return SIZE_MAX;
}

static kiln_status add_trial(kiln_search *s, const kiln_variant *variant, const int *values,
                             size_t *index)
{
    *index = find_trial(s, variant, values);
    if (*index != SIZE_MAX)
        return KILN_OK;
    kiln_trial *trials = kiln_grow(s->trials, s->count, &s->capacity, sizeof *trials);
    if (!trials)
        return kiln_fail_memory();
    s->trials = trials;
    *index = s->count++;
    kiln_trial *trial = &s->trials[*index];
    memset(trial, 0, sizeof *trial);
    trial->candidate.variant = variant;
    trial->candidate.origin = KILN_TUNING_TUNED;
    memcpy(trial->candidate.values, values, kiln_num_tune(variant) * sizeof *values);
    return KILN_OK;
}

static kiln_status wait_for(kiln_search *s, const kiln_variant *variant, const int *values)
{
    size_t index;
    kiln_status status = add_trial(s, variant, values, &index);
    if (status != KILN_OK || s->trials[index].state != KILN_TRIAL_OPEN)
        return status;
    size_t *waiting = kiln_grow(s->waiting, s->num_waiting, &s->waiting_capacity, sizeof *waiting);
    if (!waiting)
        return kiln_fail_memory();
    s->waiting = waiting;
    s->waiting[s->num_waiting++] = index;
    return KILN_OK;
}

static void forget_waiting(kiln_search *s)
{
    s->num_waiting = s->next_waiting = 0;
}

size_t kiln_search_best(const kiln_search *s)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < s->count; i++)
        if (s->trials[i].state == KILN_TRIAL_DONE &&
            (best == SIZE_MAX || s->trials[i].time < s->trials[best].time))
            best = i;
    return best;
}

/* ---- starts ------------------------------------------------------------------------------ */

/* Where choosing may start in a variant; only_first: the usual choice alone. */
static kiln_status wait_for_starts(kiln_search *s, const kiln_variant *variant, bool only_first)
{
    bool end = false, found = false;
    for (size_t p = 0; !end && !(found && only_first); p++) {
        int values[KILN_MAX_TUNE];
        kiln_status status = kiln_choose_start(s->spec, s->facts, variant, p, values, &found, &end);
        if (status == KILN_OK && found)
            status = wait_for(s, variant, values);
        if (status != KILN_OK)
            return status;
    }
    return KILN_OK;
}

kiln_status kiln_search_start(kiln_search *s, const kiln_spec *spec, const kiln_facts *facts)
{
    kiln_chosen chosen;
    *s = (kiln_search){
        .spec = spec, .facts = facts, .around = SIZE_MAX, .random = 88172645463325252u};
    kiln_status status = kiln_choose(spec, facts, &chosen);
    if (status != KILN_OK)
        return status;
    const kiln_variant *usual = chosen.variant;
    status = wait_for(s, usual, chosen.values);
    kiln_chosen_free(&chosen);
    if (status == KILN_OK)
        status = wait_for_starts(s, usual, false);
    for (size_t v = 0; v < KILN_MAX_VARIANTS && spec->row->variants[v] && status == KILN_OK; v++)
        if (spec->row->variants[v] != usual)
            status = wait_for_starts(s, spec->row->variants[v], true);
    if (status != KILN_OK)
        kiln_search_free(s);
    return status;
}

void kiln_search_free(kiln_search *s)
{
    free(s->trials);
    free(s->waiting);
    *s = (kiln_search){0};
}

kiln_status kiln_search_know(kiln_search *s, const kiln_variant *variant, const int *values,
                             double time)
{
    size_t index;
    kiln_status status = add_trial(s, variant, values, &index);
    if (status == KILN_OK) {
        kiln_search_tell(s, index, time);
        s->trials[index].known = true;
    }
    return status;
}

/* The other starts of variants that are not far behind. */
static kiln_status wait_for_others(kiln_search *s)
{
    size_t best = kiln_search_best(s);
    kiln_status status = KILN_OK;
    for (size_t v = 0; best != SIZE_MAX && v < KILN_MAX_VARIANTS && s->spec->row->variants[v];
         v++) {
        bool near = false;
        for (size_t i = 0; i < s->count; i++)
            near = near || (s->trials[i].candidate.variant == s->spec->row->variants[v] &&
                            s->trials[i].state == KILN_TRIAL_DONE &&
                            s->trials[i].time <= VARIANT_SLOWER * s->trials[best].time);
        if (near && status == KILN_OK)
            status = wait_for_starts(s, s->spec->row->variants[v], false);
    }
    return status;
}

/* ---- steps ------------------------------------------------------------------------------- */

/* The space around a candidate. */
typedef struct {
    const kiln_variant *variant;
    size_t num_tune;
    int values[KILN_MAX_TUNE];                    /* the candidate's */
    int choices[KILN_MAX_TUNE][KILN_MAX_CHOICES]; /* rising */
    size_t counts[KILN_MAX_TUNE], at[KILN_MAX_TUNE];
} space;

static kiln_status find_space(const kiln_search *s, size_t index, space *around)
{
    const kiln_candidate *c = &s->trials[index].candidate;
    around->variant = c->variant;
    around->num_tune = kiln_num_tune(c->variant);
    memcpy(around->values, c->values, sizeof around->values);
    for (size_t i = 0; i < around->num_tune; i++) {
        kiln_status status = kiln_choose_values(s->spec, s->facts, c->variant, i,
                                                around->choices[i], &around->counts[i]);
        if (status != KILN_OK)
            return status;
        around->at[i] = 0;
        while (around->at[i] + 1 < around->counts[i] &&
               around->choices[i][around->at[i]] < c->values[i])
            around->at[i]++;
    }
    return KILN_OK;
}

/* The k-th value of a list by its distance from `at', smaller ones first; k = 0 is the next below
 * or above. False past the last. */
static bool nearest(const space *around, size_t tune, size_t k, int *value)
{
    size_t at = around->at[tune], count = around->counts[tune];
    for (size_t far = 1; far < count; far++) {
        if (far <= at && k-- == 0) {
            *value = around->choices[tune][at - far];
            return true;
        }
        if (at + far < count && k-- == 0) {
            *value = around->choices[tune][at + far];
            return true;
        }
    }
    return false;
}

static kiln_status is_allowed(const kiln_search *s, const kiln_variant *variant, const int *values,
                              bool *allowed)
{
    char *reason;
    kiln_status status = kiln_choose_check(s->spec, s->facts, variant, values, &reason);
    *allowed = status == KILN_OK && !reason;
    free(reason);
    return status;
}

/* Changes a second value so that the rules hold; the first was changed already. */
static kiln_status repair(const kiln_search *s, const space *around, size_t changed, int *values,
                          bool *allowed)
{
    *allowed = false;
    for (size_t k = 0; k < KILN_MAX_CHOICES; k++) {
        for (size_t i = 0; i < around->num_tune; i++) {
            int value;
            if (i == changed || !nearest(around, i, k, &value))
                continue;
            values[i] = value;
            kiln_status status = is_allowed(s, around->variant, values, allowed);
            if (status != KILN_OK || *allowed)
                return status;
            values[i] = around->values[i];
        }
    }
    return KILN_OK;
}

/* Every value but one as in the best so far, the nearest ones first. */
static kiln_status wait_for_steps(kiln_search *s, size_t best)
{
    space around;
    kiln_status status = find_space(s, best, &around);
    s->around = best;
    forget_waiting(s);
    for (size_t k = 0; k < KILN_MAX_CHOICES; k++) {
        for (size_t i = 0; i < around.num_tune && status == KILN_OK; i++) {
            int values[KILN_MAX_TUNE];
            bool allowed;
            memcpy(values, around.values, sizeof values);
            if (!nearest(&around, i, k, &values[i]))
                continue;
            status = is_allowed(s, around.variant, values, &allowed);
            if (status == KILN_OK && !allowed)
                status = repair(s, &around, i, values, &allowed);
            if (status == KILN_OK && allowed)
                status = wait_for(s, around.variant, values);
        }
    }
    return status;
}

static size_t draw(kiln_search *s, size_t count)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (size_t)(s->random >> 11) % count;
}

/* One candidate with two values, or three, changed at random. */
static kiln_status wait_for_leap(kiln_search *s, size_t best)
{
    space around;
    kiln_status status = find_space(s, best, &around);
    s->around = best;
    forget_waiting(s);
    for (int n = 0; n < MAX_DRAWS && status == KILN_OK && s->num_waiting == 0; n++) {
        int values[KILN_MAX_TUNE];
        bool allowed;
        memcpy(values, around.values, sizeof values);
        for (int changes = 2 + n % 2; changes > 0 && around.num_tune > 0; changes--) {
            size_t i = draw(s, around.num_tune);
            values[i] = around.choices[i][draw(s, around.counts[i])];
        }
        if (find_trial(s, around.variant, values) != SIZE_MAX)
            continue;
        status = is_allowed(s, around.variant, values, &allowed);
        if (status == KILN_OK && allowed)
            status = wait_for(s, around.variant, values);
    }
    return status;
}

/* ---- asking and telling ------------------------------------------------------------------ */

/* What comes when nothing waits any more. */
static kiln_status advance(kiln_search *s)
{
    size_t best = kiln_search_best(s);
    forget_waiting(s);
    if (best == SIZE_MAX && s->stage != KILN_SEARCH_STARTS)
        s->stage = KILN_SEARCH_OVER;
    switch (s->stage) {
    case KILN_SEARCH_STARTS:
        s->stage = KILN_SEARCH_OTHERS;
        return wait_for_others(s);
    case KILN_SEARCH_OTHERS:
        s->stage = KILN_SEARCH_STEPS;
        return wait_for_steps(s, best);
    case KILN_SEARCH_STEPS:
        s->stage = KILN_SEARCH_LEAPS;
        s->fruitless = 0;
        /* fall through */
    case KILN_SEARCH_LEAPS: {
        kiln_status status = KILN_OK;
        if (s->fruitless++ < MAX_FRUITLESS)
            status = wait_for_leap(s, best);
        if (s->num_waiting == 0)
            s->stage = KILN_SEARCH_OVER;
        return status;
    }
    default:
        return KILN_OK;
    }
}

kiln_status kiln_search_next(kiln_search *s, size_t *index, bool *over)
{
    *over = false;
    for (;;) {
        while (s->next_waiting < s->num_waiting) {
            *index = s->waiting[s->next_waiting++];
            if (s->trials[*index].state == KILN_TRIAL_OPEN)
                return KILN_OK;
        }
        kiln_status status = advance(s);
        if (status != KILN_OK)
            return status;
        *over = s->stage == KILN_SEARCH_OVER;
        if (*over)
            return KILN_OK;
    }
}

void kiln_search_tell(kiln_search *s, size_t index, double time)
{
    kiln_trial *trial = &s->trials[index];
    trial->time = time;
    trial->state = isfinite(time) ? KILN_TRIAL_DONE : KILN_TRIAL_FAILED;
    bool searching = s->stage == KILN_SEARCH_STEPS || s->stage == KILN_SEARCH_LEAPS;
    if (searching && kiln_search_best(s) == index && index != s->around) {
        /* Steps from here are waited for next. */
        s->stage = KILN_SEARCH_OTHERS;
        forget_waiting(s);
    }
}
