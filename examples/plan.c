/* A training step as a plan: one layer of a small GPT, forward, backward and update, fused and run.
 *
 *     cc plan.c $(pkg-config --cflags --libs kiln) -o plan && ./plan [FUSIONS]
 *
 * The gradient that is handed to the layer's output y is y itself: each step makes y smaller. */
#include <kiln.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 64, HIDDEN = 64, STEPS = 5 };

static int fail(const char *what)
{
    fprintf(stderr, "plan: %s\n", what);
    return 1;
}

/* Parameters as a network begins with: gammas of one, matrices of small numbers, zeros. */
static kiln_status fill(const kiln_plan *plan, kiln_prepared_plan *prepared, cl_command_queue queue)
{
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < kiln_plan_num_tensors(plan) && status == KILN_OK; i++) {
        kiln_plan_tensor_info tensor;
        status = kiln_get_plan_tensor_info(plan, i, &tensor);
        if (status != KILN_OK || tensor.role == KILN_ROLE_TEMPORARY ||
            tensor.role == KILN_ROLE_OUTPUT)
            continue;
        size_t count = (size_t)tensor.bytes / sizeof(float);
        float *values = calloc(count, sizeof *values);
        if (!values)
            return KILN_OUT_OF_MEMORY;
        for (size_t e = 0; e < count; e++) {
            if (strstr(tensor.name, ".gamma") && tensor.role == KILN_ROLE_PARAMETER)
                values[e] = 1;
            else if (tensor.rank == 2 && tensor.role != KILN_ROLE_STATE)
                values[e] = 0.2f * ((float)rand() / (float)RAND_MAX - 0.5f);
        }
        status = kiln_write_tensor(prepared, queue, tensor.name, values, tensor.bytes);
        free(values);
    }
    return status;
}

static kiln_status train(kiln_prepared_plan *prepared, cl_command_queue queue)
{
    static float y[TOKENS * HIDDEN];
    kiln_status status = KILN_OK;
    for (int step = 1; step <= STEPS && status == KILN_OK; step++) {
        const kiln_arg scalars[] = {kiln_scalar("max_norm", 1),    kiln_scalar("lr", 0.001),
                                    kiln_scalar("beta1", 0.9),     kiln_scalar("beta2", 0.95),
                                    kiln_scalar("eps", 1e-8),      kiln_scalar("step", step),
                                    kiln_scalar("weight_decay", 0)};
        double sum = 0;
        status = kiln_write_tensor(prepared, queue, "dy", y, sizeof y);
        if (status == KILN_OK)
            status = kiln_run_plan(prepared, queue, scalars, sizeof scalars / sizeof *scalars, 0,
                                   NULL, NULL);
        if (status == KILN_OK)
            status = kiln_read_tensor(prepared, queue, "y", y, sizeof y);
        for (size_t i = 0; i < sizeof y / sizeof *y; i++)
            sum += (double)y[i] * (double)y[i];
        printf("step %d: |y| = %.4f\n", step, sqrt(sum));
    }
    return status;
}

static kiln_status run(kiln_context *context, cl_command_queue queue, const char *fusions)
{
    const kiln_model_params params = {.batch = 1,
                                      .seq = TOKENS,
                                      .hidden = HIDDEN,
                                      .ffn = 4 * HIDDEN,
                                      .heads = 4,
                                      .activation = "gelu_tanh",
                                      .norm = "layernorm",
                                      .bias = "all",
                                      .backward = 1,
                                      .update = 1};
    kiln_plan *plan = NULL;
    kiln_prepared_plan *prepared = NULL;
    kiln_plan_cost cost;
    kiln_status status = kiln_create_model_plan(&params, &plan);
    if (status == KILN_OK)
        status = kiln_plan_fuse(plan, fusions, NULL, 0);
    for (size_t i = 0; status == KILN_OK && kiln_plan_note(plan, i); i++)
        printf("%s\n", kiln_plan_note(plan, i));
    if (status == KILN_OK)
        status = kiln_get_plan_cost(plan, NULL, &cost);
    if (status == KILN_OK) {
        printf("%s: %zu launches of %zu kernels, %.3g MB moved, %.3g Mflop, %.3g MB of memory\n",
               fusions, cost.launches, cost.distinct_kernels, 1e-6 * cost.bytes, 1e-6 * cost.flops,
               1e-6 * cost.peak_bytes);
        status = kiln_prepare_plan(context, plan, &prepared);
    }
    if (status == KILN_OK)
        status = fill(plan, prepared, queue);
    if (status == KILN_OK)
        status = train(prepared, queue);
    kiln_release_prepared_plan(prepared);
    kiln_release_plan(plan);
    return status;
}

int main(int argc, char **argv)
{
    kiln_context *context = NULL;
    kiln_status status = kiln_create_context(NULL, &context);
    if (status != KILN_OK)
        return fail(kiln_last_error());
    cl_command_queue queue =
        clCreateCommandQueue(kiln_context_cl(context), kiln_context_device(context), 0, NULL);
    status = queue ? run(context, queue, argc > 1 ? argv[1] : "all") : KILN_OPENCL_ERROR;
    if (queue)
        clReleaseCommandQueue(queue);
    kiln_release_context(context);
    return status == KILN_OK ? 0
                             : fail(queue ? kiln_last_error() : "OpenCL could not make a queue");
}
