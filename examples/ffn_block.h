/* ffn_block's parts: ffn_block.c runs the kernels, ffn_reference.c makes inputs and checks results
 * without kiln, ffn_options.c reads the command line, ffn_report.c prints. */
#ifndef FFN_BLOCK_H
#define FFN_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <kiln.h>

typedef struct ffn_options {
    int64_t tokens, hidden, ffn, repeat;
    kiln_dtype dtype;
    kiln_approx approx;
    bool unfused;      /* whether to run the unfused chain */
    const char *fused; /* the fusions of the other chain; NULL: do not run it */
    bool json;
    const char *device;
} ffn_options;

/* ---- ffn_options.c ----------------------------------------------------------------------- */

void ffn_print_help(void);

/* What --fusions calls top2. */
#define FFN_TOP2 "matmul_bias_gelu,matmul_bias_residual"

/* Over the defaults in *options. False: refused, with a sentence on stderr. */
bool ffn_parse_options(char **argv, ffn_options *options);

/* ---- ffn_reference.c --------------------------------------------------------------------- */

/* y = x + gelu(x w1 + b1) w2 + b2   x[tokens,hidden] w1[hidden,ffn] w2[ffn,hidden], as stored. */
typedef struct ffn_inputs {
    size_t tokens, hidden, ffn;
    kiln_dtype dtype;
    kiln_approx approx;
    void *x, *w1, *b1, *w2, *b2;
} ffn_inputs;

/* Rows of y in double precision. */
typedef struct ffn_reference {
    size_t rows, hidden;
    size_t *row;   /* which rows of y */
    double *y;     /* [rows,hidden] */
    double *terms; /* sqrt of the sum of the squares of what is added up to y */
} ffn_reference;

typedef struct ffn_error {
    double norm;  /* of the error, relative to the reference's */
    double worst; /* an element's error, relative to its size + the rms */
    bool ok;
} ffn_error;

size_t ffn_dtype_size(kiln_dtype dtype);
const char *ffn_dtype_name(kiln_dtype dtype);

/* The bound on ffn_error.norm; FFN_WORST times it is the one on ffn_error.worst. */
enum { FFN_WORST = 16 };
double ffn_tolerance(kiln_dtype dtype);

/* Inputs of these sizes: x is N(0,1), a weight N(0,1/in), a bias N(0,0.01). False: no memory. */
bool ffn_make_inputs(const ffn_options *options, ffn_inputs *inputs);
void ffn_free_inputs(ffn_inputs *inputs);

/* Up to max_rows rows, spread from the first to the last. False: no memory. */
bool ffn_make_reference(const ffn_inputs *inputs, size_t max_rows, ffn_reference *reference);
void ffn_free_reference(ffn_reference *reference);

/* y: the reference's rows as stored by the device. */
ffn_error ffn_compare(const ffn_reference *reference, const void *y, kiln_dtype dtype);

/* ---- ffn_report.c ------------------------------------------------------------------------ */

enum { FFN_MAX_LAUNCHES = 6 };

/* A way to compute y: launches one after the other. */
typedef struct ffn_chain {
    const char *name;
    kiln_plan *plan;
    kiln_prepared_plan *prepared;
    kiln_kernel *kernels[FFN_MAX_LAUNCHES];
    kiln_kernel_info infos[FFN_MAX_LAUNCHES];
    size_t count;
    kiln_plan_cost cost; /* of a step */
    double first_s;      /* the first step, in which some drivers compile */
    double *seconds;
    double median_s, min_s, max_s;
    ffn_error error;
    void *y; /* the rows to check */
} ffn_chain;

typedef struct ffn_result {
    const ffn_options *options;
    char *device, *platform;
    cl_uint compute_units;
    double bytes, device_bytes; /* of the plans; of the device */
    size_t checked_rows;
    ffn_chain chains[2]; /* unfused, fused; count 0: not run */
} ffn_result;

void ffn_print_text(const ffn_result *result);
void ffn_print_json(const ffn_result *result);

/* A line on stderr that overwrites itself, if that is a terminal and the program runs for two
 * seconds already. total 0 removes it. */
void ffn_progress(const char *what, size_t done, size_t total);

double ffn_seconds(void);

#endif
