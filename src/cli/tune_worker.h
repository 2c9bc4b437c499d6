/* kiln tune: candidates are measured in a process of their own, the worker. */
#ifndef KILN_CLI_TUNE_WORKER_H
#define KILN_CLI_TUNE_WORKER_H

#include "cli.h"
#include <signal.h>

/* The number of the signal that asked the command to end, or 0. */
extern volatile sig_atomic_t cli_tune_signal;

typedef struct cli_worker cli_worker;

/* Before the first call of OpenCL. */
void cli_worker_prepare(void);

/* For candidates of spec; the process is started when it is first needed. */
cli_worker *cli_worker_open(const cli_options *options, const kiln_context *context,
                            const kiln_spec *spec, double budget_s);
void cli_worker_close(cli_worker *worker);

/* A kiln_measure_fn of user = worker. A process that dies, or takes longer than its candidate may,
 * is a candidate that failed; the next one gets a new process. */
kiln_status cli_worker_measure(void *user, const kiln_candidate *candidate, bool check, double best,
                               double *time, kiln_text *why);

/* The worker's side: reads candidates, writes times. The status to exit with. */
int cli_worker_main(const cli_options *options);

#endif
