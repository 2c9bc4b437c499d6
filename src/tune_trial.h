/* Trying candidates for tuning on the device: are their results right, and how long do they take?
 */
#ifndef KILN_TUNE_TRIAL_H
#define KILN_TUNE_TRIAL_H

#include "kernel.h"

typedef struct kiln_trials kiln_trials;

/* dims: those that the spec leaves to the launch. budget_s: of the whole search, as what is trusted
 * has to be affordable (kiln.h, kiln_tune). Makes queue and buffers. */
kiln_status kiln_trials_open(kiln_context *context, const char *spec, const kiln_arg *dims,
                             size_t num_dims, double budget_s, kiln_trials **trials);
void kiln_trials_close(kiln_trials *trials);

/* A kiln_measure_fn (tune.h) of user = trials. */
kiln_status kiln_trials_measure(void *user, const kiln_candidate *candidate, bool check,
                                double best, double *time, kiln_text *why);

#endif
