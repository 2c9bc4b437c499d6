/* kiln plan: what its files share. */
#ifndef KILN_CLI_PLAN_H
#define KILN_CLI_PLAN_H

#include "models.h"

/* ---- the model (plan_model.c) ---------------------------------------------------------------- */

/* Narrows a model in proportion: heads, hidden, ffn and vocab, each at least one; head_dim stays.
 */
void cli_model_scale(cli_model *model, double factor);

/* What the library makes plans from; its texts are the model's. CLI_DONE, or CLI_FAILED with the
 * parts that no kernel does named. */
int cli_model_params(const cli_model *model, int64_t tokens, kiln_model_params *params);

/* ---- sets of fusions --------------------------------------------------------------------------
 */

typedef struct cli_launch_time {
    kiln_plan_launch_info info;
    double measured; /* the median, if the set was measured */
} cli_launch_time;

/* The plan under one set of fusions. */
typedef struct cli_set {
    const char *name; /* as given, fusions joined by + */
    char *fusions;    /* as kiln_plan_fuse takes them */
    bool asked;       /* else made for the claims alone */
    bool force;
    kiln_plan *plan;
    kiln_plan_cost cost;
    cli_launch_time *launches; /* cost.launches */
    size_t per_phase[3];       /* launches in layers */
    bool measured;
    double measured_s; /* the step on the host, median */
    double least_s;    /* and least */
    size_t runs;
    char *unmeasured; /* why not, where it was tried */
} cli_set;

/* A line of the analysis's, and what is found of it here. */
typedef struct cli_claim {
    const char *fusions; /* which against none */
    const char *what;
    bool forward;     /* of the forward pass alone */
    double low, high; /* claimed, %; high 0: at least low */
    bool is_count;    /* counted, not timed */
    bool is_bytes;    /* and in bytes */
    bool has_place;   /* the fusions changed the plan */
    bool has_predicted, has_measured;
    double predicted, measured; /* % */
    double before, after;       /* of a count */
    const char *verdict;        /* NULL: nothing to compare */
} cli_claim;

typedef struct cli_plan_result {
    const cli_options *options;
    const cli_model *model; /* scaled */
    kiln_model_params params;
    const char *dtype;
    char *device; /* NULL: none */
    bool has_rates, rates_given;
    kiln_device_rates rates;
    cli_set *sets; /* those asked for first */
    size_t num_sets, num_asked;
    cli_claim *claims;
    size_t num_claims;
} cli_plan_result;

/* Fusions that the claims are about, NULL past the end. */
const char *cli_claim_fusions(size_t index);

/* NULL if there is no such set. */
const cli_set *cli_find_set(const cli_plan_result *result, const char *fusions, bool force);

/* Fills in claims (plan_claims.c). */
void cli_make_claims(cli_plan_result *result);

/* Times every set that the device has memory for (plan_measure.c). */
int cli_measure_sets(cli_plan_result *result, kiln_context *context);

/* ---- results (plan_text.c, plan_json.c) -------------------------------------------------------
 */

/* Launches of one kernel in a set. */
typedef struct cli_kernel_time {
    const char *name;
    size_t launches;
    double predicted, measured;
} cli_kernel_time;

/* By name, those that take longest first; the caller frees it. */
cli_kernel_time *cli_kernel_times(const cli_set *set, size_t *count);

void cli_print_plan(const cli_plan_result *result);
void cli_print_plan_json(const cli_plan_result *result);

#endif
