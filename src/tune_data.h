/* Numbers to run a kernel on when nobody gives any: what the tuner, build and bench launch with. */
#ifndef KILN_TUNE_DATA_H
#define KILN_TUNE_DATA_H

#include "spec.h"

/* Random numbers: of a mean and a deviation, or whole ones below a limit. Equal ones of one name
 * are equal, those of another name are others: tensors that are alike would hide what is mistaken
 * for what. */
typedef struct kiln_random {
    double mean, deviation;
    int64_t limit;
    const char *name; /* may be NULL */
    bool positive;    /* their absolute values */
} kiln_random;

/* What an argument of a spec under dims (of the row's dimensions) holds: numbers like N(0,1); ids
 * and targets below vocab. */
kiln_random kiln_data_numbers(const kiln_arg_info *info, const kiln_spec *spec,
                              const int64_t *dims);

/* Fills bytes of a buffer from offset on, and waits. */
cl_int kiln_data_write(cl_command_queue queue, cl_mem buffer, size_t offset, size_t bytes,
                       kiln_dtype dtype, const kiln_random *numbers);

/* A value of a scalar with which every kernel does its usual work. */
double kiln_data_scalar(const char *name);

#endif
