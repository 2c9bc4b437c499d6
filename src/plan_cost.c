/* What a plan costs: counted, and predicted from a device's rates. */
#include "plan.h"
#include <stdlib.h>
#include <string.h>

/* ---- kinds ------------------------------------------------------------------------------- */

/* The tensors that a product or an attention moves whether it is fused or not. */
static bool is_core(const kiln_row *row, const char *parameter)
{
    if (strcmp(row->family, "attention") == 0)
        return true;
    return strcmp(row->family, "matmul") == 0 && kiln_listed("a|b|c|w|q|k|v", parameter);
}

static bool is_product(const kiln_row *row)
{
    return strcmp(row->family, "attention") == 0 || strcmp(row->family, "matmul") == 0;
}

/* A norm in the prologue has a stage of its own in front, which reads a for the rows' statistics.
 */
static void find_statistics(kiln_plan_kind *kind)
{
    const kiln_signature *signature = &kind->signature;
    int a = kiln_signature_find(signature, "a");
    for (size_t i = 0; i < signature->num_prologue && a >= 0; i++)
        if (kiln_listed("layernorm|rmsnorm", signature->prologue[i].op->name))
            kind->statistics_bytes = (double)kind->extents[a].bytes;
}

kiln_status kiln_kind_cost(kiln_plan_kind *kind)
{
    kiln_env env;
    kiln_env_init(&env, NULL);
    kiln_status status = kiln_spec_bind_real(&kind->spec, NULL, &env);
    if (status == KILN_OK)
        status = kiln_signature_cost(&kind->spec, &kind->signature, &env, &kind->cost);
    const kiln_signature *signature = &kind->signature;
    double count = 0, each;
    if (status == KILN_OK && signature->num_prologue > 0)
        status = kiln_expr_eval_real(kind->spec.row->prologue_count, &env, &count);
    for (size_t i = 0; i < signature->num_prologue && status == KILN_OK; i++) {
        status = kiln_expr_eval_real(signature->prologue[i].op->flops, &env, &each);
        kind->prologue_flops += count * each;
    }
    kiln_env_free(&env);
    if (status != KILN_OK)
        return status;
    find_statistics(kind);
    double core = 0;
    for (size_t i = 0; i < signature->count; i++) {
        const kiln_parameter *parameter = &signature->parameters[i];
        if (parameter->kind == KILN_ARG_BUFFER && is_core(kind->spec.row, parameter->name))
            core += (double)kind->extents[i].elements * (double)kiln_dtype_size(parameter->dtype) *
                    (parameter->is_input + parameter->is_output);
    }
    kind->elementwise_bytes = kind->cost.bytes - core;
    return KILN_OK;
}

/* ---- launches ---------------------------------------------------------------------------- */

kiln_cost kiln_launch_cost(const kiln_plan *plan, const kiln_plan_launch *launch,
                           double *elementwise)
{
    if (launch->kind) {
        *elementwise = launch->kind->elementwise_bytes;
        return launch->kind->cost;
    }
    *elementwise = (double)kiln_tensor_bytes(&plan->tensors[launch->bindings[0].tensor]);
    return (kiln_cost){0, *elementwise};
}

/* Columns of a product's c. */
static double columns(const kiln_plan_kind *kind)
{
    int n = kiln_row_dim(kind->spec.row, "n");
    return n >= 0 ? (double)kind->spec.dims[n] : 1;
}

/* A prologue is gone through once for every tile of columns; a norm's statistics, which are half of
 * its flops, once. */
static double prologue_seconds(const kiln_plan_kind *kind, const kiln_device_rates *rates)
{
    double tiles = columns(kind) / (double)rates->tile_columns;
    double passes = (double)(int64_t)tiles + ((double)(int64_t)tiles < tiles);
    if (kind->statistics_bytes > 0)
        return kind->prologue_flops * (1 + passes) / 2 / rates->elementwise_flops +
               kind->statistics_bytes / rates->copy_bytes + rates->launch_s;
    return kind->prologue_flops * passes / rates->elementwise_flops;
}

double kiln_launch_seconds(const kiln_plan *plan, const kiln_plan_launch *launch,
                           const kiln_device_rates *rates)
{
    if (!rates)
        return 0;
    double elementwise;
    kiln_cost cost = kiln_launch_cost(plan, launch, &elementwise);
    double moving = cost.bytes / rates->copy_bytes, computing = 0, prologue = 0;
    if (launch->kind && !is_product(launch->kind->spec.row)) {
        computing = cost.flops / rates->elementwise_flops;
    } else if (launch->kind) {
        computing = (cost.flops - launch->kind->prologue_flops) / rates->product_flops;
        prologue = prologue_seconds(launch->kind, rates);
    }
    return (moving > computing ? moving : computing) + prologue + rates->launch_s;
}

/* ---- plans ------------------------------------------------------------------------------- */

static size_t count_layers(const kiln_plan *plan)
{
    int64_t highest = -1;
    for (size_t i = 0; i < plan->num_launches; i++)
        if (plan->launches[i]->layer > highest)
            highest = plan->launches[i]->layer;
    return (size_t)(highest + 1);
}

/* Kinds in use, and rows of them. */
static kiln_status count_distinct(const kiln_plan *plan, kiln_plan_cost *cost)
{
    bool *seen = calloc(plan->num_kinds + 1, sizeof *seen);
    if (!seen)
        return kiln_fail_memory();
    for (size_t i = 0; i < plan->num_launches; i++) {
        const kiln_plan_kind *kind = plan->launches[i]->kind;
        if (!kind || seen[kind->number])
            continue;
        seen[kind->number] = true;
        cost->distinct_specs++;
        bool other = false;
        for (const kiln_plan_kind *k = plan->kinds; k && !other; k = k->next)
            other = k != kind && seen[k->number] && k->spec.row == kind->spec.row;
        cost->distinct_kernels += !other;
    }
    free(seen);
    return KILN_OK;
}

static kiln_status check_rates(const char *who, const kiln_device_rates *rates)
{
    if (rates && !(rates->copy_bytes > 0 && rates->product_flops > 0 &&
                   rates->elementwise_flops > 0 && rates->launch_s >= 0 && rates->tile_columns > 0))
        return kiln_fail(KILN_INVALID_ARGUMENT, "%s: every rate must be positive", who);
    return KILN_OK;
}

kiln_status kiln_get_plan_cost(const kiln_plan *plan, const kiln_device_rates *rates,
                               kiln_plan_cost *cost)
{
    if (!plan || !cost)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_get_plan_cost: plan and cost must not be NULL");
    *cost = (kiln_plan_cost){0};
    kiln_plan_layout layout;
    kiln_status status = check_rates("kiln_get_plan_cost", rates);
    if (status == KILN_OK)
        status = kiln_layout_make(plan, UINT64_MAX, &layout);
    if (status != KILN_OK)
        return status;
    cost->persistent_bytes = layout.persistent;
    cost->unshared_bytes = layout.unshared;
    cost->peak_bytes = kiln_layout_bytes(&layout);
    kiln_layout_free(&layout);
    size_t in_layers = 0;
    for (size_t i = 0; i < plan->num_launches; i++) {
        double elementwise;
        kiln_cost launch = kiln_launch_cost(plan, plan->launches[i], &elementwise);
        cost->bytes += launch.bytes;
        cost->flops += launch.flops;
        cost->elementwise_bytes += elementwise;
        cost->predicted_s += kiln_launch_seconds(plan, plan->launches[i], rates);
        in_layers += plan->launches[i]->layer >= 0;
    }
    cost->launches = plan->num_launches;
    cost->layers = count_layers(plan);
    cost->launches_per_layer = cost->layers ? (double)in_layers / (double)cost->layers : 0;
    return count_distinct(plan, cost);
}

/* ---- what a plan tells of itself ----------------------------------------------------------- */

size_t kiln_plan_num_launches(const kiln_plan *plan)
{
    return plan ? plan->num_launches : 0;
}

static void add_binding(kiln_text *text, const kiln_plan *plan, const kiln_plan_launch *launch,
                        size_t p)
{
    const kiln_binding *binding = &launch->bindings[p];
    if (launch->kind)
        kiln_text_addf(text, "%s%s=", p ? " " : "", launch->kind->signature.parameters[p].name);
    if (binding->tensor >= 0) {
        kiln_text_add(text, plan->tensors[binding->tensor].name);
        if (binding->part)
            kiln_text_addf(text, "+%lld", (long long)binding->offset);
    } else if (binding->scalar >= 0) {
        kiln_text_add(text, plan->scalars[binding->scalar]);
    } else {
        kiln_real_print(text, binding->number);
    }
}

kiln_status kiln_get_plan_launch_info(const kiln_plan *plan, size_t index,
                                      const kiln_device_rates *rates, kiln_plan_launch_info *info)
{
    if (!plan || !info || index >= plan->num_launches)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_get_plan_launch_info: plan and info must not be NULL, and index "
                         "below the plan's %zu launches",
                         plan ? plan->num_launches : 0);
    kiln_status status = check_rates("kiln_get_plan_launch_info", rates);
    if (status != KILN_OK)
        return status;
    kiln_plan_launch *launch = plan->launches[index];
    if (!launch->args) {
        kiln_text args = {0};
        for (size_t p = 0; p < launch->num_bindings; p++)
            add_binding(&args, plan, launch, p);
        launch->args = kiln_text_take(&args);
        if (!launch->args)
            return kiln_fail_memory();
    }
    *info = (kiln_plan_launch_info){.spec = launch->kind ? launch->kind->spec.text : "zero",
                                    .kernel = kiln_launch_row(launch),
                                    .args = launch->args,
                                    .layer = launch->layer,
                                    .phase = launch->phase,
                                    .predicted_s = kiln_launch_seconds(plan, launch, rates)};
    info->cost = kiln_launch_cost(plan, launch, &info->elementwise_bytes);
    return KILN_OK;
}

size_t kiln_plan_num_tensors(const kiln_plan *plan)
{
    return plan ? plan->num_tensors : 0;
}

kiln_status kiln_get_plan_tensor_info(const kiln_plan *plan, size_t index,
                                      kiln_plan_tensor_info *info)
{
    if (!plan || !info || index >= plan->num_tensors)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_get_plan_tensor_info: plan and info must not be NULL, and index "
                         "below the plan's %zu tensors",
                         plan ? plan->num_tensors : 0);
    const kiln_plan_tensor *tensor = &plan->tensors[index];
    const kiln_plan_tensor *stored = &plan->tensors[tensor->stored];
    *info = (kiln_plan_tensor_info){.name = tensor->name,
                                    .dtype = tensor->dtype,
                                    .role = tensor->role,
                                    .rank = tensor->rank,
                                    .bytes =
                                        (uint64_t)tensor->elements * kiln_dtype_size(tensor->dtype),
                                    .stored = stored->name,
                                    .offset = tensor->offset,
                                    .row_stride = tensor->row_stride,
                                    .first = SIZE_MAX};
    memcpy(info->extents, tensor->extents, sizeof info->extents);
    for (size_t u = 0; u < stored->num_uses; u++) {
        size_t position = stored->uses[u]->position;
        info->first = position < info->first ? position : info->first;
        info->last = position > info->last ? position : info->last;
    }
    return KILN_OK;
}

kiln_status kiln_find_plan_tensor(const kiln_plan *plan, const char *name,
                                  kiln_plan_tensor_info *info)
{
    if (!plan || !name || !info)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_find_plan_tensor: plan, name and info must not be NULL");
    int index = kiln_plan_tensor_index(plan, name);
    return index >= 0 ? kiln_get_plan_tensor_info(plan, (size_t)index, info)
                      : kiln_fail(KILN_INVALID_ARGUMENT, "the plan has no tensor `%s'", name);
}
