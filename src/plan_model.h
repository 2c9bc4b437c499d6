/* The launches of a transformer, as data. */
#ifndef KILN_PLAN_MODEL_H
#define KILN_PLAN_MODEL_H

#include "plan.h"

/* A launch: where `when` holds, spec and args with their ${} replaced, over the names that
 * plan_model.c binds, and with the layer's prefix ("layer3.") for each @. dtype is added. A tensor
 * that is written and does not exist yet becomes a temporary. An empty spec fills args, a tensor,
 * with zeros. */
typedef struct kiln_model_line {
    const char *when; /* NULL: always */
    const char *spec, *args;
} kiln_model_line;

typedef struct kiln_model_parameter {
    const char *when, *name;
    const char *shape; /* "hidden, q" */
} kiln_model_parameter;

/* Ended by a NULL spec, name. */
extern const kiln_let kiln_layer_names[]; /* which tensor a line takes where parts are left out */
extern const kiln_model_parameter kiln_layer_parameters[], kiln_first_parameters[],
    kiln_last_parameters[];
extern const kiln_model_line kiln_layer_forward[], kiln_layer_backward[];
/* Before the first layer and behind the last one, in either direction. */
extern const kiln_model_line kiln_first_forward[], kiln_last_forward[], kiln_last_backward[],
    kiln_first_backward[];

/* What plan_model.c and plan_update.c share. */
typedef struct kiln_model_builder {
    const kiln_model_params *params;
    kiln_plan *plan;
    kiln_env env;      /* the model's names */
    char **parameters; /* in order, for the update */
    size_t num_parameters, max_parameters;
} kiln_model_builder;

/* plan_update.c: grad_norm over all gradients, adamw for all parameters. */
kiln_status kiln_model_update(kiln_model_builder *b);

#endif
