#include "plan_support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- data -------------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

/* A master copy holds what its parameter is rounded from. */
static uint64_t seed_of(const char *name, uint64_t seed)
{
    char base[80];
    snprintf(base, sizeof base, "%s", name);
    if (ends_with(base, ".master"))
        base[strlen(base) - strlen(".master")] = '\0';
    return seed ^ test_seed(base);
}

static double fill_one(const kiln_plan_tensor *tensor, test_random *random, int64_t index,
                       int64_t vocab, int64_t seq)
{
    const char *name = tensor->name;
    if (strcmp(name, "positions") == 0)
        return (double)(index % seq);
    if (tensor->dtype == KILN_I32)
        return (double)test_pick(random, vocab);
    double x = test_normal(random);
    if (ends_with(name, ".m"))
        return 0.02 * x;
    if (ends_with(name, ".v"))
        return 0.001 + 0.001 * x * x;
    if (strstr(name, "gamma"))
        return 1 + 0.2 * x;
    if (tensor->rank == 1)
        return 0.3 * x;
    return tensor->role == KILN_ROLE_INPUT || strstr(name, "table")
               ? x
               : x / sqrt((double)tensor->extents[0]);
}

static int64_t extent_of(const kiln_plan *plan, const char *row, const char *dim, int64_t fallback)
{
    for (size_t i = 0; i < plan->num_launches; i++) {
        const kiln_plan_kind *kind = plan->launches[i]->kind;
        if (kind && strcmp(kind->spec.row->name, row) == 0)
            return kind->spec.dims[kiln_row_dim(kind->spec.row, dim)];
    }
    return fallback;
}

void plan_fill(const kiln_plan *plan, uint64_t seed, plan_values *values)
{
    int64_t vocab = extent_of(plan, "cross_entropy", "vocab", 1);
    int64_t seq = extent_of(plan, "flash_attention", "seq_q", 1);
    values->plan = plan;
    values->of = calloc(plan->num_tensors, sizeof *values->of);
    for (size_t i = 0; i < plan->num_tensors; i++) {
        const kiln_plan_tensor *tensor = &plan->tensors[i];
        test_random random = {seed_of(tensor->name, seed)};
        values->of[i] = calloc((size_t)tensor->elements, sizeof(double));
        if (tensor->role == KILN_ROLE_TEMPORARY || tensor->role == KILN_ROLE_OUTPUT)
            continue;
        for (int64_t e = 0; e < tensor->elements; e++)
            values->of[i][e] =
                reference_round(tensor->dtype, fill_one(tensor, &random, e, vocab, seq));
    }
}

void plan_free(plan_values *values)
{
    for (size_t i = 0; values->of && i < values->plan->num_tensors; i++)
        free(values->of[i]);
    free(values->of);
    *values = (plan_values){0};
}

const double *plan_find(const plan_values *values, const char *name)
{
    int index = kiln_plan_tensor_index(values->plan, name);
    return index >= 0 ? values->of[index] : NULL;
}

/* ---- the oracle -------------------------------------------------------------------------- */

static double scalar_value(const kiln_plan *plan, const kiln_binding *binding,
                           const kiln_arg *scalars, size_t num_scalars)
{
    if (binding->scalar < 0)
        return binding->number;
    for (size_t i = 0; i < num_scalars; i++)
        if (strcmp(scalars[i].name, plan->scalars[binding->scalar]) == 0)
            return scalars[i].real;
    ck_abort_msg("no scalar %s", plan->scalars[binding->scalar]);
    return 0;
}

static void oracle_launch(plan_values *values, const kiln_plan_launch *launch,
                          const kiln_arg *scalars, size_t num_scalars)
{
    const kiln_plan *plan = values->plan;
    reference_tensor tensors[KILN_MAX_PARAMETERS];
    size_t count = 0;
    char args[512] = "";
    for (size_t p = 0; p < launch->num_bindings; p++) {
        const kiln_parameter *parameter = &launch->kind->signature.parameters[p];
        const kiln_binding *binding = &launch->bindings[p];
        if (binding->tensor < 0) {
            size_t length = strlen(args);
            snprintf(args + length, sizeof args - length, "%s=%.17g ", parameter->name,
                     scalar_value(plan, binding, scalars, num_scalars));
            continue;
        }
        ck_assert_msg(!binding->part, "the oracle knows no parts of tensors");
        const kiln_extents *extents = &launch->kind->extents[p];
        reference_tensor *t = &tensors[count++];
        *t = (reference_tensor){.name = parameter->name,
                                .dtype = parameter->dtype,
                                .is_input = parameter->is_input,
                                .is_output = parameter->is_output,
                                .rank = extents->rank,
                                .count = (size_t)extents->elements,
                                .values = values->of[binding->tensor]};
        memcpy(t->extents, extents->extents, sizeof t->extents);
        t->terms = calloc(t->count, sizeof(double));
        t->allow = calloc(t->count, sizeof(double));
    }
    const reference_call call = {launch->kind->spec.text, args, tensors, count};
    ck_assert_msg(reference_run(&call), "no oracle for %s", launch->kind->spec.text);
    for (size_t i = 0; i < count; i++) {
        free(tensors[i].terms);
        free(tensors[i].allow);
    }
}

void plan_oracle(plan_values *values, const kiln_arg *scalars, size_t num_scalars)
{
    for (size_t i = 0; i < values->plan->num_launches; i++) {
        const kiln_plan_launch *launch = values->plan->launches[i];
        if (launch->kind) {
            oracle_launch(values, launch, scalars, num_scalars);
            continue;
        }
        int tensor = launch->bindings[0].tensor;
        for (int64_t e = 0; e < values->plan->tensors[tensor].elements; e++)
            values->of[tensor][e] = 0;
    }
}

/* ---- the device -------------------------------------------------------------------------- */

void plan_write(kiln_prepared_plan *prepared, cl_command_queue queue, const plan_values *values)
{
    for (size_t i = 0; i < values->plan->num_tensors; i++) {
        const kiln_plan_tensor *tensor = &values->plan->tensors[i];
        if (tensor->role == KILN_ROLE_TEMPORARY || tensor->role == KILN_ROLE_OUTPUT)
            continue;
        size_t size = kiln_dtype_size(tensor->dtype), bytes = (size_t)tensor->elements * size;
        unsigned char *data = malloc(bytes);
        for (int64_t e = 0; e < tensor->elements; e++) {
            uint32_t bits = reference_encode(tensor->dtype, values->of[i][e]);
            uint16_t half = (uint16_t)bits;
            memcpy(data + (size_t)e * size, size == 4 ? (const void *)&bits : &half, size);
        }
        test_ok(kiln_write_tensor(prepared, queue, tensor->name, data, bytes));
        free(data);
    }
}

double *plan_read(kiln_prepared_plan *prepared, cl_command_queue queue,
                  const kiln_plan_tensor *tensor)
{
    size_t size = kiln_dtype_size(tensor->dtype), bytes = (size_t)tensor->elements * size;
    unsigned char *data = malloc(bytes);
    double *values = malloc((size_t)tensor->elements * sizeof *values);
    test_ok(kiln_read_tensor(prepared, queue, tensor->name, data, bytes));
    for (int64_t e = 0; e < tensor->elements; e++) {
        uint32_t bits = 0;
        uint16_t half = 0;
        memcpy(size == 4 ? (void *)&bits : &half, data + (size_t)e * size, size);
        values[e] = reference_decode(tensor->dtype, size == 4 ? bits : half);
    }
    free(data);
    return values;
}

double plan_distance(const double *got, const double *wanted, int64_t count)
{
    double off = 0, all = 0;
    for (int64_t i = 0; i < count; i++) {
        off += (got[i] - wanted[i]) * (got[i] - wanted[i]);
        all += wanted[i] * wanted[i];
    }
    /* Some gradients are nothing but rounding: that of k's bias, which no softmax sees. */
    if (all < 1e-18 * (double)count)
        all = 0.25 * (double)count;
    return sqrt(off / all);
}
