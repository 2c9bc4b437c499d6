/* The double-precision oracle: every kernel once more, from the equations that
 * kiln.h states and from nothing else. A kernel is added by one function in reference_FAMILY.c, its
 * line in reference_kernels.h and one in the table of reference.c. */
#ifndef KILN_REFERENCE_H
#define KILN_REFERENCE_H

#include "kiln.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How close an output's element has to be. */
typedef enum reference_match {
    REFERENCE_NEAR = 0,  /* within the tolerance */
    REFERENCE_EQUAL,     /* the number rounded to storage */
    REFERENCE_SAME_BITS, /* a copy: sign of zero and NaN's digits included */
} reference_match;

/* A tensor without its padding, row-major. `allow`, `match` and `bits` may be NULL. */
typedef struct reference_tensor {
    const char *name;
    kiln_dtype dtype;
    bool is_input, is_output;
    size_t rank;
    int64_t extents[KILN_MAX_RANK];
    size_t count;
    double *values; /* of an input: as stored; of an output: to be written, unrounded, in place of
                       the old value if it is an input too */
    double *terms;  /* of an output: root of the sum of squares of what was added up, where that can
                       cancel; 0 at the start */
    double *allow;  /* of an output: what an element may be off by besides; 0 at the start */
    reference_match *match; /* of an output; REFERENCE_NEAR at the start */
    uint32_t *bits;         /* of an input: as stored; of an output: where match asks for them */
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

/* The number after `name=` in text, or fallback, as a real one and with all 64 bits of an integer;
 * and whether `name=value` stands in it. */
double reference_number(const char *text, const char *name, double fallback);
uint64_t reference_integer(const char *text, const char *name, uint64_t fallback);
bool reference_says(const char *text, const char *name, const char *value);

/* x rounded to a storage type (to nearest even, to inf beyond the largest), and its bits. */
double reference_round(kiln_dtype dtype, double x);
uint32_t reference_encode(kiln_dtype dtype, double x);
double reference_decode(kiln_dtype dtype, uint32_t bits);
size_t reference_size(kiln_dtype dtype);

/* Philox4x32-10: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
 * 2011. */
void reference_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t random[4]);

#endif
