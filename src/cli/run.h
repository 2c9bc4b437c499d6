/* kiln run: arrays from files, a launch between guards, arrays into files. */
#ifndef KILN_RUN_H
#define KILN_RUN_H

#include "cli.h"
#include "npy.h"

/* A tensor argument. Its array is what a file holds: rows as long as the row stride. In its buffer
 * guards stand before and behind the array. */
typedef struct run_tensor {
    const kiln_parameter *parameter;
    const char *path; /* of an input's file */
    npy_file file;
    int64_t shape[KILN_MAX_RANK]; /* of the array */
    size_t rank;
    size_t item, width, stride, rows; /* bytes of an element; elements of a row, from row to row */
    size_t start, bytes, size;        /* of the array in the buffer, and the buffer's bytes */
    unsigned char *before, *after;    /* the buffer's bytes; after: of an output only */
} run_tensor;

typedef struct run_job {
    const cli_options *options;
    kiln_spec spec;
    kiln_signature signature;
    int64_t dims[KILN_MAX_DIMS];             /* KILN_LAUNCH_TIME: not known yet */
    run_tensor tensors[KILN_MAX_PARAMETERS]; /* by the signature's index; others than buffers: 0 */
    kiln_arg scalars[KILN_MAX_NUMBERS];
    size_t num_scalars;
    cli_launch launch;
} run_job;

/* All give CLI_DONE or the status to exit with, the sentence printed. */

/* Sorts the words behind the spec into files and numbers (run_words.c). */
int run_take_words(run_job *job);

/* CLI_REFUSED: tensor's file is at fault, for the reason in why, which is freed. */
int run_refuse_file(const run_job *job, const run_tensor *tensor, kiln_text *why);

/* Finds the dimensions in the files' shapes and compares every extent (run_fit.c). */
int run_fit(run_job *job);

/* Fills the buffers, and after the launch fetches the outputs and sees to it that nothing else was
 * written (run_guard.c). */
int run_fill(run_job *job, const kiln_context *context);
int run_collect(run_job *job);
void run_free_tensors(run_job *job);

/* Numbers of an output's array, padding left out (run_summary.c). */
typedef struct run_summary {
    double min, max, mean; /* of what is no NaN; NaN if nothing is left */
    uint64_t nan, inf;
} run_summary;

void run_summarise(const run_tensor *tensor, run_summary *summary);

#endif
