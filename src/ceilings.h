/* What a device can do at best: the two ceilings under which every kernel runs. */
#ifndef KILN_CEILINGS_H
#define KILN_CEILINGS_H

#include "status.h"

typedef struct kiln_ceilings {
    double bytes_per_s; /* of a plain copy out of every cache; read and written bytes, each once */
    double flops_per_s; /* of f32 multiply-adds that wait for nothing, each counted as two */
} kiln_ceilings;

/* Measures both, the best of a few launches each: about a second once the kernels are built. What
 * the two compute is looked at, so that none of them can be fast by doing nothing. */
kiln_status kiln_measure_ceilings(kiln_context *context, kiln_ceilings *ceilings);

#endif
