/* The tuner: what a context knows of tuned values, and the search for them. */
#ifndef KILN_TUNE_H
#define KILN_TUNE_H

#include "context.h"

/* What was tuned and may serve spec, nearest first. The caller frees it with kiln_tuned_free. */
kiln_status kiln_context_tuned(kiln_context *context, const kiln_spec *spec,
                               kiln_candidate **candidates, size_t *count);
void kiln_tuned_free(kiln_candidate *candidates, size_t count);

/* Measures a candidate. check: compares its result first. best: a time beyond twice of which need
 * not be known well. *time: seconds, or INFINITY for one that failed, with a sentence in why, or
 * NAN: it is not known, and the search shall end with what it has. Any other status than KILN_OK
 * ends it as an error. */
typedef kiln_status (*kiln_measure_fn)(void *user, const kiln_candidate *candidate, bool check,
                                       double best, double *time, kiln_text *why);

/* kiln_tune with its candidates measured elsewhere, as in a process that may crash. The first one
 * measured is the choice without tuning. */
kiln_status kiln_tune_by(kiln_context *context, const kiln_spec *spec,
                         const kiln_tune_params *params, kiln_measure_fn measure, void *user,
                         kiln_tune_result *result);

#endif
