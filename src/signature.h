/* What a launch of a spec takes: the row's tensors and its ops', under unique names, and the
 * dimensions left to the launch and the scalars. Sizes and costs follow from it. */
#ifndef KILN_SIGNATURE_H
#define KILN_SIGNATURE_H

#include "spec.h"

#define KILN_MAX_PARAMETERS (KILN_MAX_TENSORS + 2 * KILN_MAX_OPS + KILN_MAX_NUMBERS + KILN_MAX_DIMS)

typedef struct kiln_parameter {
    kiln_arg_kind kind;
    char name[24], code[24];   /* to the caller, and in the kernel's source */
    const kiln_tensor *tensor; /* of a buffer */
    kiln_dtype dtype;
    bool is_input, is_output;
    int dim;                   /* of a launch-time dimension: its index in the row */
    const kiln_number *number; /* of a scalar */
} kiln_parameter;

/* An op that is in force, and the parameters that stand for its tensors (-1: not asked for). */
typedef struct kiln_op_instance {
    const kiln_op *op;
    int parameters[2];
} kiln_op_instance;

typedef struct kiln_signature {
    kiln_parameter parameters[KILN_MAX_PARAMETERS];
    size_t count;
    kiln_op_instance prologue[KILN_MAX_OPS], epilogue[KILN_MAX_OPS];
    size_t num_prologue, num_epilogue;
} kiln_signature;

/* env: with the spec bound. */
kiln_status kiln_signature_make(const kiln_spec *spec, kiln_env *env, kiln_signature *signature);

/* The parameter of a signature by name, -1 if there is none. */
int kiln_signature_find(const kiln_signature *signature, const char *name);

typedef struct kiln_extents {
    size_t rank;
    int64_t extents[KILN_MAX_RANK];
    int64_t stride;   /* from row to row of the last two extents */
    int64_t elements; /* without padding */
    uint64_t bytes;   /* from the first element to the last, padding between included */
} kiln_extents;

/* The next formula of a shape, "batch, m, 2*n", and *shape behind it; the caller frees it. NULL at
 * the end, and when memory ran out. */
char *kiln_shape_next(const char **shape);

/* env: with every dimension bound to an integer. KILN_INVALID_SPEC if the bytes pass 2^62. */
kiln_status kiln_parameter_extents(const kiln_parameter *parameter, kiln_env *env,
                                   kiln_extents *extents);

/* real_env: with every dimension bound to a real. */
kiln_status kiln_signature_cost(const kiln_spec *spec, const kiln_signature *signature,
                                kiln_env *real_env, kiln_cost *cost);

/* "f32", and the bytes of an element. */
const char *kiln_dtype_name(kiln_dtype dtype);
size_t kiln_dtype_size(kiln_dtype dtype);
kiln_dtype kiln_dtype_from_name(const char *name); /* KILN_DTYPE_DEFAULT if there is none */

#endif
