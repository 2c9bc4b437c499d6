/* The kiln command: what its subcommands share. */
#ifndef KILN_CLI_H
#define KILN_CLI_H

#include "choose.h"
#include "context.h"
#include "kernel.h"
#include <jansson.h>
#include <stdio.h>

/* ---- exit statuses ----------------------------------------------------------------------- */

enum {
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_REFUSED = 2 /* usage, an unknown kernel, a spec or a size that cannot be */
};

/* ---- options (options.c) ------------------------------------------------------------------- */

enum {
    CLI_DEVICE = 1 << 0,
    CLI_FACTS = 1 << 1,
    CLI_OUTPUT = 1 << 2,
    CLI_JSON = 1 << 3,
    CLI_DIM = 1 << 4,
    CLI_REPEAT = 1 << 5,
    CLI_MIN_TIME = 1 << 6,
    CLI_REPAIR = 1 << 7,
    CLI_HELP = 1 << 8,
    CLI_VERSION = 1 << 9,
    CLI_OUT = 1 << 10,
    CLI_MISALIGN = 1 << 11,
    CLI_MODEL = 1 << 12,
    CLI_CONFIG = 1 << 13,
    CLI_TOKENS = 1 << 14,
    CLI_BUILD = 1 << 15,
    CLI_SEQ = 1 << 16,
    CLI_DTYPE = 1 << 17,
    CLI_FUSIONS = 1 << 18,
    CLI_LAYERS = 1 << 19,
    CLI_FORWARD = 1 << 20,
    CLI_SCALE = 1 << 21,
    CLI_RATES = 1 << 22,
    CLI_MEASURE = 1 << 23,
    CLI_FORCE = 1 << 24,
    CLI_BUDGET = 1 << 25,
    CLI_LIST = 1 << 26,
    CLI_FORGET = 1 << 27,
    CLI_WORKER = 1 << 28,
    CLI_NO_CEILINGS = 1 << 29
};

#define CLI_MAX_DIMS   16
#define CLI_MAX_MODELS 64

/* Of --model or --config. */
typedef struct cli_model_name {
    const char *text;
    bool is_config; /* a file's path */
} cli_model_name;

typedef struct cli_options {
    unsigned given; /* the bits above */
    const char *device, *facts, *output, *out;
    bool json;
    kiln_arg dims[CLI_MAX_DIMS]; /* of --dim */
    size_t num_dims;
    size_t repeat;   /* 0: not given */
    double min_time; /* seconds; below 0: not given */
    int64_t misalign;
    cli_model_name models[CLI_MAX_MODELS];
    size_t num_models;
    int64_t tokens, seq, layers; /* 0: not given */
    double scale;                /* 0: not given */
    const char *dtype, *fusions, *rates;
    bool forward, measure, force;
    bool build;
    double budget; /* seconds; below 0: not given */
    char **words;  /* the operands, the subcommand's name left out */
    size_t num_words;
} cli_options;

/* Sorts argv into options and words; words are moved to its front. Cuts the `=' out of arguments.
 * CLI_DONE, or CLI_REFUSED with the sentence printed. */
int cli_parse_options(int argc, char **argv, cli_options *options);

/* The name of a given option that is not in allowed, or NULL. */
const char *cli_option_outside(unsigned given, unsigned allowed);

/* A line for each option in bits. */
void cli_print_options(unsigned bits);

/* ---- subcommands ------------------------------------------------------------------------- */

typedef struct cli_command {
    const char *name;
    const char *operands; /* "SPEC..." */
    const char *summary;  /* a line */
    const char *help;     /* paragraphs and examples */
    unsigned options;     /* those it takes, besides --help and --version */
    int (*run)(const cli_options *options);
} cli_command;

extern const cli_command cli_devices, cli_list, cli_show, cli_emit, cli_build, cli_run, cli_bench,
    cli_check, cli_plan, cli_cache, cli_tune;

/* ---- output (output.c) --------------------------------------------------------------------- */

/* "kiln: ..." on stderr, with a newline. */
void cli_error(const char *format, ...) KILN_PRINTF(1, 2);
void cli_note(const char *format, ...) KILN_PRINTF(1, 2);

/* The sentence of text, which it frees. */
void cli_error_text(kiln_text *text);

/* Prints the library's last sentence and says with which status to exit. */
int cli_fail(kiln_status status);

/* pointer, or the end of the command for want of memory. */
void *cli_need(void *pointer);

/* What makes a terminal's text bold, and as usual again; "" where there is no terminal. */
const char *cli_bold(void);
const char *cli_plain(void);

/* Short texts, returned by value. */
typedef struct cli_short {
    char text[40];
} cli_short;

cli_short cli_bytes(double bytes);      /* 1.5 MiB */
cli_short cli_seconds(double seconds);  /* 1.25 ms */
cli_short cli_count(double count);      /* 268.4 M */
cli_short cli_age(int64_t when);        /* 3 h ago */
cli_short cli_integer(int64_t integer); /* 64 */

/* "1 kernel", "2 kernels". */
cli_short cli_plural(uint64_t count, const char *one, const char *many);

/* Rows of cells, printed in aligned columns. */
typedef struct cli_table {
    const char *const *titles; /* ends with NULL; a title that begins with > is right-aligned */
    char **cells;
    size_t columns, rows;
} cli_table;

void cli_table_start(cli_table *table, const char *const *titles);
/* One text for each column. */
void cli_table_add(cli_table *table, const char *const *cells);
/* Prints and frees. */
void cli_table_end(cli_table *table);

/* A line on stderr that overwrites itself, if that is a terminal and two seconds have gone. */
typedef struct cli_progress {
    bool shown, possible;
    double start, last;
} cli_progress;

cli_progress cli_start_progress(void);
void cli_show_progress(cli_progress *progress, const char *format, ...) KILN_PRINTF(2, 3);
/* Takes the line away. */
void cli_end_progress(cli_progress *progress);

/* Columns that text takes on a terminal. */
size_t cli_width(const char *text);

/* Text as JSON, whatever its bytes. */
json_t *cli_json_text(const char *text);
/* Prints and releases value. */
void cli_print_json(json_t *value);

/* ---- what a command works on (target.c) ---------------------------------------------------- */

/* The words from first on, joined with blanks; the caller frees it. */
char *cli_join(const cli_options *options, size_t first);

/* A device's name, and its platform's with the driver's version; the caller frees them. */
char *cli_device_name(cl_device_id device);
char *cli_device_driver(cl_device_id device);

/* The facts that --facts or --device name, else those of the default device, else "gpu" with a
 * note. facts_first: --device cpu is the facts of that name, not the machine's CPU. *label, which
 * the caller frees, says whose they are. CLI_DONE or the status to exit with. */
int cli_find_facts(const cli_options *options, bool facts_first, kiln_facts *facts, char **label);

/* The same, and *context, which the caller releases, is of the device whose facts they are, or
 * NULL. */
int cli_find_device_facts(const cli_options *options, bool facts_first, kiln_facts *facts,
                          char **label, kiln_context **context);

/* As kiln_emit reads them; the caller frees it. */
char *cli_facts_text(const kiln_facts *facts);

/* Prints the library's warnings: a kiln_log_fn. */
void cli_log(void *user, kiln_log_level level, const char *message);

/* A context on the device asked for; its warnings are printed. */
int cli_open_context(const cli_options *options, kiln_context **context);

/* "derived", "tuned" or "shipped". */
const char *cli_origin(kiln_tuning_origin origin);

/* ---- specs (specs.c) ----------------------------------------------------------------------- */

/* Starts as {0}. */
typedef struct cli_spec_list {
    char **texts;
    kiln_spec *specs;
    size_t count;
} cli_spec_list;

void cli_spec_list_add(cli_spec_list *list, const char *text);

/* Parses what was added; every dimension that is left open must have its --dim. CLI_DONE or the
 * status to exit with. */
int cli_parse_specs(const cli_options *options, cli_spec_list *list);

/* The specs of a command's words, parsed: a word with a blank in it is a spec; of the others, one
 * without `=' begins a spec. */
int cli_collect_specs(const cli_options *options, cli_spec_list *list);
void cli_spec_list_free(cli_spec_list *list);

/* ---- formulas (formula.c) ------------------------------------------------------------------ */

/* A formula of a row in an env where dimensions may be open: a number, or C with no more
 * parentheses and blanks than a reader needs. The formula itself if it cannot be evaluated. The
 * caller frees it. */
char *cli_formula(const char *formula, kiln_env *env);

/* The same for a shape: "m, k". */
char *cli_shape(const char *shape, kiln_env *env);

/* "2*m*n*k + m*n (bias)": the flops of a launch; env has the spec bound. The caller frees it. */
char *cli_flops_formula(const kiln_row *row, const kiln_signature *signature, kiln_env *env);

/* "sizeof(dtype)*(m*k + k*n + m*n)": what a launch reads and writes. */
char *cli_bytes_formula(const kiln_signature *signature, kiln_env *env);

/* ---- a spec on a device (chosen.c) --------------------------------------------------------- */

/* Prints what would be chosen for a spec. */
int cli_show_chosen(const cli_options *options, const char *spec);

/* ---- a kernel with buffers (buffers.c) ----------------------------------------------------- */

typedef struct cli_launch {
    kiln_kernel *kernel;
    cl_command_queue queue;
    kiln_arg args[KILN_MAX_PARAMETERS]; /* launch-time dimensions first */
    size_t num_args, num_dims;
    uint64_t bytes; /* of all buffers */
} cli_launch;

/* The dimensions that spec leaves to the launch, from --dim; one that is not there gets fallback,
 * or is refused if that is 0. CLI_DONE or the status to exit with; the sentence is printed. */
int cli_set_dims(const cli_options *options, const kiln_spec *spec, int64_t fallback,
                 kiln_arg *dims, size_t *num_dims);

/* Refuses a --dim that none of the specs leaves to the launch. */
int cli_check_dims(const cli_options *options, const kiln_spec *specs, size_t num_specs);

/* Whether the device has memory for the buffers of launch->kernel under its dimensions; else why
 * not, a sentence. *status is KILN_OK unless it could not be found out. Sets launch->bytes. */
bool cli_launch_fits(cli_launch *launch, const kiln_context *context, kiln_status *status,
                     kiln_text *why);

/* Makes queue and buffers; fill: with numbers like N(0,1), else zeros. launch->kernel and the
 * dimensions are set. CLI_DONE or the status to exit with; to be freed in either case. */
int cli_launch_start(cli_launch *launch, const kiln_context *context, bool fill);
void cli_launch_free(cli_launch *launch);

/* Launches and waits. seconds: host time of enqueueing and finishing; device_s, if not NULL: the
 * device's own, below 0 if it does not tell. */
int cli_launch_run(cli_launch *launch, double *seconds, double *device_s);

/* Launches count times, one behind another, and waits; seconds: of one. */
int cli_launch_queued(cli_launch *launch, int count, double *seconds);

#endif
