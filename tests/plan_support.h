/* What the tests of plans share: data, the oracle run launch by launch, and a run on the device. */
#ifndef KILN_PLAN_SUPPORT_H
#define KILN_PLAN_SUPPORT_H

#include "plan.h"
#include "support.h"

/* What every tensor of a plan holds, in double precision; as the plan's tensors. */
typedef struct plan_values {
    const kiln_plan *plan;
    double **of;
} plan_values;

/* Inputs, parameters and states, as stored; by the seed and the tensor's name. */
void plan_fill(const kiln_plan *plan, uint64_t seed, plan_values *values);
void plan_free(plan_values *values);

/* Every launch once, by the oracle; no tensor is rounded in between. */
void plan_oracle(plan_values *values, const kiln_arg *scalars, size_t num_scalars);

/* The values of a tensor by name, NULL if the plan has none. */
const double *plan_find(const plan_values *values, const char *name);

/* All that the caller gives, to the device; values may be of another plan of the same model. */
void plan_write(kiln_prepared_plan *prepared, cl_command_queue queue, const plan_values *values);

/* A tensor from the device; the caller frees it. */
double *plan_read(kiln_prepared_plan *prepared, cl_command_queue queue,
                  const kiln_plan_tensor *tensor);

/* Root of the sum of squares of the difference, over that of `wanted`; over that of 0.5 for each
 * element where `wanted` is 0 but for rounding. */
double plan_distance(const double *got, const double *wanted, int64_t count);

#endif
