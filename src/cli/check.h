/* kiln check: what its files share. */
#ifndef KILN_CLI_CHECK_H
#define KILN_CLI_CHECK_H

#include "models.h"

typedef enum cli_freedom {
    CLI_FREE,    /* no number of the model meets a limit */
    CLI_WITHIN,  /* one does, and the limit allows it */
    CLI_BLOCKED, /* one does, and it is refused */
    CLI_FREEDOMS
} cli_freedom;

/* A limit that was met, or a refusal. */
typedef struct cli_limit {
    const char *what; /* "tile_size", "head_dim", "2^31", ...; "" of a refusal */
    char *text;
} cli_limit;

typedef struct cli_verdict {
    cli_freedom freedom;
    cli_limit *limits; /* of the freedom found; refusals only, where there are some */
    size_t num_limits;
} cli_verdict;

/* Where kernels are specialised. */
typedef struct cli_judge {
    kiln_facts facts;
    kiln_context *context; /* to build them as well; else NULL */
    size_t built;
} cli_judge;

/* Specialises each of the specs, which are one row's, and finds what limits them (verdict.c). To be
 * freed. */
cli_verdict cli_judge_specs(cli_judge *judge, const cli_model_specs *specs);
void cli_verdict_free(cli_verdict *verdict);

/* ---- results (check_text.c, check_json.c) -----------------------------------------------------
 */

extern const char *const cli_freedom_names[CLI_FREEDOMS];
extern const char *const cli_used_names[];

/* Base kernels ([0]) and fused ones ([1]) are counted apart. */
typedef struct cli_counts {
    size_t of[2][CLI_FREEDOMS];
} cli_counts;

size_t cli_count_all(const cli_counts *counts, bool fused);

/* One model's, row by row. */
typedef struct cli_result {
    const cli_model *model;
    cli_model_specs *specs;
    cli_verdict *verdicts;
    cli_missing_list missing;
    cli_counts counts;
} cli_result;

/* One row's, over all models. */
typedef struct cli_tally {
    size_t of[CLI_FREEDOMS]; /* models */
    const char *limits[8];   /* kinds that were met */
    size_t num_limits;
} cli_tally;

/* What is told of a check as a whole. */
typedef struct cli_check_info {
    const cli_judge *judge;
    const char *label; /* whose facts */
    int64_t tokens;
    size_t num_models, num_blocked; /* blocked: a kernel is, or a layer has none */
    const cli_tally *tallies;       /* of each row */
} cli_check_info;

/* Kernels by their tallies: each is as free as for the model that limits it most. */
cli_counts cli_count_tallies(const cli_tally *tallies);

void cli_print_check_start(const cli_check_info *info);
void cli_print_result(const cli_result *result);
/* A row of the table of models, made by cli_start_summary. */
void cli_start_summary(cli_table *summary);
void cli_add_summary(cli_table *summary, const cli_result *result);
/* Prints both summaries: of models, which it frees, and of kernels. */
void cli_print_check_end(const cli_check_info *info, cli_table *summary);

json_t *cli_describe_result(const cli_result *result);
/* Prints and releases models. */
void cli_print_check_json(const cli_check_info *info, json_t *models);

#endif
