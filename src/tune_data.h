/* Numbers to run a kernel on when nobody gives any: what the tuner, build and bench launch with. */
#ifndef KILN_TUNE_DATA_H
#define KILN_TUNE_DATA_H

#include "spec.h"

/* Ids, targets and positions of a spec under dims (of the row's dimensions) stay below this. */
int64_t kiln_data_limit(const kiln_spec *spec, const int64_t *dims);

/* Writes numbers like N(0,1), or integers below limit, over a buffer's tensor behind offset, and
 * waits. Equal calls write equal numbers. */
kiln_status kiln_data_write(cl_command_queue queue, cl_mem buffer, size_t offset,
                            const kiln_arg_info *info, int64_t limit);

/* A value of a scalar with which every kernel does its usual work. */
double kiln_data_scalar(const char *name);

#endif
