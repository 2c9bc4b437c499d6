/* The scalars of a launch: checked, and turned into what its OpenCL kernels get. */
#ifndef KILN_SCALARS_H
#define KILN_SCALARS_H

#include "kernel.h"

/* The values of row->passed, in order. */
typedef struct kiln_passed_values {
    size_t count;
    size_t sizes[KILN_MAX_PASSED];
    unsigned char bytes[KILN_MAX_PASSED][8];
} kiln_passed_values;

/* of: the argument given for each parameter of the signature. KILN_INVALID_LAUNCH if a number is
 * not finite, not whole where it must be, or breaks a rule of the row. */
kiln_status kiln_scalars_pass(const kiln_kernel *kernel, const kiln_arg *const *of,
                              kiln_passed_values *values);

#endif
