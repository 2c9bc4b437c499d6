/* A plan with its kernels and memory on a device. */
#ifndef KILN_PLAN_RUN_H
#define KILN_PLAN_RUN_H

#include "context.h"
#include "plan.h"

/* One launch, ready but for the scalars of a run. */
typedef struct kiln_plan_step {
    kiln_kernel *kernel; /* NULL: memory is filled with zeros */
    kiln_arg *args;
    int *scalars; /* as args: of the plan's; -1: as it is */
    size_t num_args;
    bool one_stage;
    cl_mem buffer; /* to be filled */
    size_t offset, bytes;
} kiln_plan_step;

/* Where a tensor is, by name. */
typedef struct kiln_plan_place {
    char *name;
    kiln_tensor_place place;
    size_t first, last; /* launches; of a temporary */
    bool temporary;
} kiln_plan_place;

struct kiln_prepared_plan {
    kiln_context *context;
    kiln_plan_step *steps;
    size_t num_steps;
    kiln_plan_place *places;
    size_t num_places;
    char **scalars;
    size_t num_scalars;
    cl_mem *buffers;
    size_t num_buffers;
    cl_event last; /* of the run before */
};

#endif
