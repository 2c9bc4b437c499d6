/* The double-precision oracle: every kernel once more, from the equations that
 * kiln.h states and from nothing else. A kernel is added by one function and its line in the table
 * of reference.c. */
#ifndef KILN_REFERENCE_H
#define KILN_REFERENCE_H

#include "kiln.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A tensor without its padding, row-major. */
typedef struct reference_tensor {
    const char *name;
    kiln_dtype dtype;
    bool is_input, is_output;
    size_t rank;
    int64_t extents[KILN_MAX_RANK];
    size_t count;
    double *values; /* of an input: as stored; of an output: to be written, unrounded */
    double *terms;  /* of an output: root of the sum of squares of what was added up, where that can
                       cancel; 0 at the start */
} reference_tensor;

typedef struct reference_call {
    const char *spec; /* every word that the oracle needs stands in it or in args */
    const char *args; /* launch-time dimensions and scalars, "m=3 n=5 lr=0.1" */
    reference_tensor *tensors;
    size_t num_tensors;
} reference_call;

/* Writes every output. False if there is no oracle for the spec's kernel. */
bool reference_run(const reference_call *call);

/* The tensor of that name, NULL if the call has none. */
reference_tensor *reference_find(const reference_call *call, const char *name);

/* The number after `name=` in text, or fallback; and whether `name=value` stands in it. */
double reference_number(const char *text, const char *name, double fallback);
bool reference_says(const char *text, const char *name, const char *value);

/* x rounded to a storage type (to nearest even, to inf beyond the largest), and its bits. */
double reference_round(kiln_dtype dtype, double x);
uint32_t reference_encode(kiln_dtype dtype, double x);
double reference_decode(kiln_dtype dtype, uint32_t bits);
size_t reference_size(kiln_dtype dtype);

#endif
