/* In which order tuning values are tried. It measures nothing: it is asked for the next candidate
 * and told how it went.
 *
 * First come starts: the choice without tuning, then what the presets of its variant lead to, then
 * the usual choice of every other variant that is allowed, and its presets if it is less than twice
 * as slow as the best. From the best so far one value at a time is changed, those next in its list
 * first; where that breaks a rule, a second value is changed with it. When no such step helps, two
 * random values at once are, until many in a row did not help. An improvement starts steps anew. */
#ifndef KILN_TUNE_SEARCH_H
#define KILN_TUNE_SEARCH_H

#include "choose.h"

typedef enum kiln_trial_state {
    KILN_TRIAL_OPEN,
    KILN_TRIAL_DONE,
    KILN_TRIAL_FAILED
} kiln_trial_state;

typedef struct kiln_trial {
    kiln_candidate candidate;
    kiln_trial_state state;
    double time;
    bool known; /* from an earlier search */
} kiln_trial;

typedef enum kiln_search_stage {
    KILN_SEARCH_STARTS,
    KILN_SEARCH_OTHERS,
    KILN_SEARCH_STEPS,
    KILN_SEARCH_LEAPS,
    KILN_SEARCH_OVER
} kiln_search_stage;

typedef struct kiln_search {
    const kiln_spec *spec;
    const kiln_facts *facts;
    kiln_trial *trials; /* the first is the choice without tuning */
    size_t count, capacity;
    kiln_search_stage stage;
    size_t *waiting; /* trials to be had next, in order */
    size_t num_waiting, next_waiting, waiting_capacity;
    size_t around; /* the best whose neighbours are waiting */
    size_t fruitless;
    uint64_t random;
} kiln_search;

kiln_status kiln_search_start(kiln_search *search, const kiln_spec *spec, const kiln_facts *facts);
void kiln_search_free(kiln_search *search);

/* What an earlier search has seen; time: INFINITY if it failed. */
kiln_status kiln_search_know(kiln_search *search, const kiln_variant *variant, const int *values,
                             double time);

/* The index of the next trial; *over: there is none. Then it is told, once. */
kiln_status kiln_search_next(kiln_search *search, size_t *index, bool *over);
void kiln_search_tell(kiln_search *search, size_t index, double time);

/* The fastest trial; SIZE_MAX if none has a time. */
size_t kiln_search_best(const kiln_search *search);

#endif
