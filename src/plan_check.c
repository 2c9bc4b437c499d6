/* What is looked at before a launch becomes part of a plan. */
#include "plan.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- launches and their bindings ----------------------------------------------------------- */

const char *kiln_launch_row(const kiln_plan_launch *launch)
{
    return launch->kind ? launch->kind->spec.row->name : "zero";
}

void kiln_launch_name(kiln_text *text, const kiln_plan_launch *launch)
{
    kiln_text_addf(text, "launch %zu (%s)", launch->position, kiln_launch_row(launch));
}

static const char *binding_name(const kiln_plan_launch *launch, size_t index)
{
    return launch->kind ? launch->kind->signature.parameters[index].name : "it";
}

bool kiln_binding_reads(const kiln_plan_launch *launch, size_t index)
{
    return launch->kind && launch->bindings[index].tensor >= 0 &&
           launch->kind->signature.parameters[index].is_input;
}

bool kiln_binding_writes(const kiln_plan_launch *launch, size_t index)
{
    return launch->bindings[index].tensor >= 0 &&
           (!launch->kind || launch->kind->signature.parameters[index].is_output);
}

bool kiln_may_be(const kiln_plan_launch *launch, size_t out, size_t in)
{
    if (!launch->kind)
        return false;
    const kiln_parameter *o = &launch->kind->signature.parameters[out];
    const kiln_parameter *i = &launch->kind->signature.parameters[in];
    return o->tensor && i->tensor && o->tensor->may_be && o->dtype == i->dtype &&
           kiln_expr_mentions(o->tensor->may_be, i->tensor->name);
}

kiln_region kiln_binding_region(const kiln_plan *plan, const kiln_plan_launch *launch, size_t index)
{
    const kiln_binding *binding = &launch->bindings[index];
    int64_t elements = plan->tensors[binding->tensor].elements;
    if (!binding->part || !launch->kind)
        return (kiln_region){0, 1, elements, elements};
    const kiln_extents *extents = &launch->kind->extents[index];
    int64_t width = extents->extents[extents->rank - 1];
    if (extents->stride == width)
        return (kiln_region){binding->offset, 1, extents->elements, extents->elements};
    return (kiln_region){binding->offset, extents->elements / width, width, extents->stride};
}

static int64_t region_end(const kiln_region *r)
{
    return r->offset + (r->rows - 1) * r->stride + r->width;
}

/* Blocks of columns of one matrix are told apart; of anything else, spans. */
static bool regions_meet(const kiln_region *a, const kiln_region *b)
{
    if (region_end(a) <= b->offset || region_end(b) <= a->offset)
        return false;
    if (a->stride != b->stride || a->rows == 1 || b->rows == 1)
        return true;
    int64_t a_column = a->offset % a->stride, b_column = b->offset % b->stride;
    if (a_column + a->width > a->stride || b_column + b->width > b->stride)
        return true;
    return a_column < b_column + b->width && b_column < a_column + a->width;
}

/* ---- text -------------------------------------------------------------------------------- */

static const char *parameter_name(void *user, size_t index)
{
    const kiln_signature *signature = user;
    return index < signature->count ? signature->parameters[index].name : NULL;
}

static const char *tensor_name(void *user, size_t index)
{
    const kiln_plan *plan = user;
    return index < plan->num_tensors ? plan->tensors[index].name : NULL;
}

static kiln_status unknown(const char *row, const char *what, const char *name,
                           const char *(*names)(void *, size_t), const void *user)
{
    kiln_text message = {0};
    kiln_text_addf(&message, "%s: there is no %s `%s'", row, what, name);
    kiln_suggest(&message, name, names, (void *)user);
    return kiln_fail_text(KILN_INVALID_LAUNCH, &message);
}

static kiln_status bind_scalar(kiln_plan *plan, kiln_plan_launch *launch, size_t p,
                               const char *value)
{
    const kiln_number *number = launch->kind->signature.parameters[p].number;
    kiln_binding *binding = &launch->bindings[p];
    if (isalpha((unsigned char)*value) || *value == '_') {
        binding->scalar = kiln_plan_scalar_index(plan, value);
        return binding->scalar >= 0 ? KILN_OK : kiln_fail_memory();
    }
    const char *end;
    binding->number = kiln_real_parse(value, &end);
    if (end == value || *end || !(binding->number - binding->number == 0))
        return kiln_fail(KILN_INVALID_LAUNCH,
                         "%s: %s=%s: must be a finite number, or the name of a run's scalar",
                         kiln_launch_row(launch), number->name, value);
    return KILN_OK;
}

/* A tensor that a launch writes, of its first writer's extents. */
static kiln_status declare_temporary(kiln_plan *plan, const kiln_plan_launch *launch, size_t p,
                                     const char *name)
{
    const kiln_extents *extents = &launch->kind->extents[p];
    return kiln_plan_add_tensor(plan, name, launch->kind->signature.parameters[p].dtype,
                                extents->rank, extents->extents, KILN_ROLE_TEMPORARY);
}

static kiln_status bind_tensor(kiln_plan *plan, kiln_plan_launch *launch, size_t p, char *value,
                               bool declare)
{
    const char *row = kiln_launch_row(launch);
    kiln_binding *binding = &launch->bindings[p];
    char *plus = strchr(value, '+');
    if (plus) {
        char *end;
        *plus = '\0';
        binding->part = true;
        binding->offset = strtoll(plus + 1, &end, 10);
        if (!isdigit((unsigned char)plus[1]) || *end || binding->offset == INT64_MAX)
            return kiln_fail(KILN_INVALID_LAUNCH,
                             "%s: %s=%s+%s: behind + there must be a number of elements", row,
                             binding_name(launch, p), value, plus + 1);
    }
    binding->tensor = kiln_plan_tensor_index(plan, value);
    if (binding->tensor < 0 && declare && kiln_launch_row(launch) &&
        launch->kind->signature.parameters[p].is_output &&
        !launch->kind->signature.parameters[p].is_input) {
        kiln_status status = declare_temporary(plan, launch, p, value);
        if (status != KILN_OK)
            return status;
        binding->tensor = kiln_plan_tensor_index(plan, value);
    }
    if (binding->tensor < 0)
        return unknown(row, "tensor", value, tensor_name, plan);
    const kiln_plan_tensor *tensor = &plan->tensors[binding->tensor];
    if (tensor->stored != binding->tensor)
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: tensor %s was merged into %s", row, value,
                         plan->tensors[tensor->stored].name);
    return KILN_OK;
}

static kiln_status bind_word(kiln_plan *plan, kiln_plan_launch *launch, char *word, bool *given,
                             bool declare)
{
    const kiln_signature *signature = &launch->kind->signature;
    const char *row = kiln_launch_row(launch);
    char *equals = strchr(word, '=');
    if (!equals || equals == word)
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: `%s': must be argument=value", row, word);
    *equals = '\0';
    int p = kiln_signature_find(signature, word);
    if (p < 0)
        return unknown(row, "argument", word, parameter_name, signature);
    if (given[p])
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: %s is given twice", row, word);
    given[p] = true;
    return signature->parameters[p].kind == KILN_ARG_SCALAR
               ? bind_scalar(plan, launch, (size_t)p, equals + 1)
               : bind_tensor(plan, launch, (size_t)p, equals + 1, declare);
}

kiln_status kiln_bindings_parse(kiln_plan *plan, kiln_plan_launch *launch, const char *args,
                                bool declare)
{
    const kiln_signature *signature = &launch->kind->signature;
    bool given[KILN_MAX_PARAMETERS] = {false};
    char *copy = kiln_strdup(args), *rest = NULL;
    if (!copy)
        return kiln_fail_memory();
    kiln_status status = KILN_OK;
    for (char *word = strtok_r(copy, " \t\r\n", &rest); word && status == KILN_OK;
         word = strtok_r(NULL, " \t\r\n", &rest))
        status = bind_word(plan, launch, word, given, declare);
    free(copy);
    for (size_t i = 0; i < signature->count && status == KILN_OK; i++)
        if (!given[i])
            status = kiln_fail(KILN_INVALID_LAUNCH, "%s: the argument %s is missing",
                               kiln_launch_row(launch), signature->parameters[i].name);
    return status;
}

/* ---- extents ----------------------------------------------------------------------------- */

/* Whether two shapes are one memory: in each group of extents one side has a single one. If not,
 * *at: the extent of a where they part. */
static bool same_shape(const int64_t *a, size_t a_rank, const int64_t *b, size_t b_rank, size_t *at)
{
    size_t i = 0, j = 0;
    while (i < a_rank || j < b_rank) {
        size_t a_first = i, b_first = j;
        *at = i < a_rank ? i : a_rank - 1;
        int64_t x = i < a_rank ? a[i++] : 1, y = j < b_rank ? b[j++] : 1;
        while (x != y) {
            *at = i - 1;
            if (x < y && i < a_rank && j <= b_first + 1)
                x *= a[i++];
            else if (x > y && j < b_rank && i <= a_first + 1)
                y *= b[j++];
            else
                return false;
        }
    }
    return true;
}

static void add_shape(kiln_text *text, const int64_t *extents, size_t rank)
{
    for (size_t i = 0; i < rank; i++)
        kiln_text_addf(text, "%s%lld", i ? "," : "[", (long long)extents[i]);
    kiln_text_add(text, "]");
}

/* The dimensions that extent `at` of parameter p follows, found by changing them one by one. */
static kiln_status add_dimensions(kiln_text *text, const kiln_plan_kind *kind, size_t p, size_t at)
{
    kiln_status status = KILN_OK;
    int found = 0;
    for (size_t d = 0; d < kind->spec.num_dims && status == KILN_OK; d++) {
        kiln_spec changed = kind->spec;
        kiln_extents extents;
        kiln_env env;
        changed.dims[d]++;
        kiln_env_init(&env, NULL);
        status = kiln_spec_bind(&changed, NULL, &env);
        if (status == KILN_OK)
            status = kiln_parameter_extents(&kind->signature.parameters[p], &env, &extents);
        kiln_env_free(&env);
        if (status == KILN_OK && extents.extents[at] != kind->extents[p].extents[at])
            kiln_text_addf(text, "%s%s", found++ ? ", " : ": dimension ", kind->spec.row->dims[d]);
    }
    if (found)
        kiln_text_add(text, " disagrees");
    return status;
}

static kiln_status shapes_disagree(const kiln_plan_launch *launch, size_t p, size_t at,
                                   const kiln_plan_tensor *tensor)
{
    const kiln_extents *extents = &launch->kind->extents[p];
    kiln_text message = {0};
    kiln_text_addf(&message, "%s: %s is ", kiln_launch_row(launch), binding_name(launch, p));
    add_shape(&message, extents->extents, extents->rank);
    kiln_text_addf(&message, " by the spec, but tensor %s is ", tensor->name);
    add_shape(&message, tensor->extents, tensor->rank);
    kiln_status status = add_dimensions(&message, launch->kind, p, at);
    if (status != KILN_OK) {
        kiln_text_free(&message);
        return status;
    }
    return kiln_fail_text(KILN_INVALID_LAUNCH, &message);
}

static kiln_status check_part(const kiln_plan *plan, const kiln_plan_launch *launch, size_t p)
{
    const kiln_plan_tensor *tensor = &plan->tensors[launch->bindings[p].tensor];
    kiln_region region = kiln_binding_region(plan, launch, p);
    if (region.rows > 1 && region.stride != tensor->extents[tensor->rank - 1])
        return kiln_fail(KILN_INVALID_LAUNCH,
                         "%s: rows of %s are %lld apart, those of tensor %s are %lld",
                         kiln_launch_row(launch), binding_name(launch, p), (long long)region.stride,
                         tensor->name, (long long)tensor->extents[tensor->rank - 1]);
    if (region.rows > 1 && region.offset % region.stride + region.width > region.stride)
        return kiln_fail(
            KILN_INVALID_LAUNCH,
            "%s: rows of %s, %lld elements from column %lld on, pass the row of tensor "
            "%s, %lld",
            kiln_launch_row(launch), binding_name(launch, p), (long long)region.width,
            (long long)(region.offset % region.stride), tensor->name, (long long)region.stride);
    if (region_end(&region) > tensor->elements)
        return kiln_fail(KILN_INVALID_LAUNCH,
                         "%s: %s needs %lld elements from %lld on; tensor %s has %lld",
                         kiln_launch_row(launch), binding_name(launch, p),
                         (long long)(region_end(&region) - region.offset), (long long)region.offset,
                         tensor->name, (long long)tensor->elements);
    return KILN_OK;
}

static kiln_status check_binding(const kiln_plan *plan, const kiln_plan_launch *launch, size_t p)
{
    const kiln_parameter *parameter = &launch->kind->signature.parameters[p];
    const kiln_plan_tensor *tensor = &plan->tensors[launch->bindings[p].tensor];
    size_t at;
    if (tensor->dtype != parameter->dtype)
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: %s is %s, but tensor %s is %s",
                         kiln_launch_row(launch), parameter->name,
                         kiln_dtype_name(parameter->dtype), tensor->name,
                         kiln_dtype_name(tensor->dtype));
    if (launch->bindings[p].part)
        return check_part(plan, launch, p);
    const kiln_extents *extents = &launch->kind->extents[p];
    if (extents->stride != extents->extents[extents->rank - 1])
        return kiln_fail(KILN_INVALID_LAUNCH,
                         "%s: %s has rows %lld apart: it is a part of a tensor, %s=%s+0",
                         kiln_launch_row(launch), parameter->name, (long long)extents->stride,
                         parameter->name, tensor->name);
    return same_shape(extents->extents, extents->rank, tensor->extents, tensor->rank, &at)
               ? KILN_OK
               : shapes_disagree(launch, p, at, tensor);
}

/* The very elements of its input, where the row allows it; nothing else. */
static kiln_status check_overlap(const kiln_plan *plan, const kiln_plan_launch *launch, size_t out)
{
    kiln_region written = kiln_binding_region(plan, launch, out);
    for (size_t other = 0; other < launch->num_bindings; other++) {
        if (other == out || launch->bindings[other].tensor != launch->bindings[out].tensor)
            continue;
        kiln_region region = kiln_binding_region(plan, launch, other);
        if (!regions_meet(&written, &region) ||
            (kiln_may_be(launch, out, other) && written.offset == region.offset &&
             written.rows == region.rows && written.width == region.width))
            continue;
        return kiln_fail(
            KILN_INVALID_LAUNCH, "%s: %s, which is written, and %s may not both be tensor %s",
            kiln_launch_row(launch), binding_name(launch, out), binding_name(launch, other),
            plan->tensors[launch->bindings[out].tensor].name);
    }
    return KILN_OK;
}

kiln_status kiln_launch_check(const kiln_plan *plan, const kiln_plan_launch *launch)
{
    kiln_status status = KILN_OK;
    for (size_t p = 0; p < launch->num_bindings && status == KILN_OK; p++)
        if (launch->bindings[p].tensor >= 0)
            status = check_binding(plan, launch, p);
    for (size_t p = 0; p < launch->num_bindings && status == KILN_OK; p++)
        if (kiln_binding_writes(launch, p))
            status = check_overlap(plan, launch, p);
    return status;
}

/* ---- order ------------------------------------------------------------------------------- */

static kiln_status check_read(const kiln_plan *plan, const kiln_plan_launch *launch, size_t p)
{
    const kiln_plan_tensor *tensor = &plan->tensors[launch->bindings[p].tensor];
    if (tensor->role == KILN_ROLE_INPUT || tensor->role == KILN_ROLE_PARAMETER ||
        tensor->role == KILN_ROLE_STATE)
        return KILN_OK;
    kiln_region region = kiln_binding_region(plan, launch, p);
    int64_t needed = region.rows * region.width;
    if (tensor->elements_written == 0)
        return kiln_fail(KILN_INVALID_LAUNCH,
                         "launch %zu (%s): %s reads tensor %s, which no launch writes before it",
                         launch->position, kiln_launch_row(launch), binding_name(launch, p),
                         tensor->name);
    if (tensor->elements_written < needed)
        return kiln_fail(KILN_INVALID_LAUNCH,
                         "launch %zu (%s): %s reads tensor %s, of whose %lld elements only %lld "
                         "are written before it",
                         launch->position, kiln_launch_row(launch), binding_name(launch, p),
                         tensor->name, (long long)needed, (long long)tensor->elements_written);
    return KILN_OK;
}

/* Whether the launch reads what its output p overwrites. */
static bool reads_too(const kiln_plan_launch *launch, size_t p)
{
    if (kiln_binding_reads(launch, p))
        return true;
    for (size_t i = 0; i < launch->num_bindings; i++)
        if (i != p && kiln_binding_reads(launch, i) &&
            launch->bindings[i].tensor == launch->bindings[p].tensor && kiln_may_be(launch, p, i))
            return true;
    return false;
}

static kiln_status two_writers(const kiln_plan_tensor *tensor, const kiln_plan_launch *launch)
{
    const kiln_plan_launch *before = NULL;
    for (size_t u = 0; u < tensor->num_uses; u++)
        for (size_t p = 0; p < tensor->uses[u]->num_bindings; p++)
            if (kiln_binding_writes(tensor->uses[u], p) &&
                tensor->uses[u]->position < launch->position &&
                (!before || tensor->uses[u]->position > before->position))
                before = tensor->uses[u];
    kiln_text message = {0};
    kiln_text_addf(&message, "tensor %s has two writers: ", tensor->name);
    if (before) {
        kiln_launch_name(&message, before);
        kiln_text_add(&message, " and ");
    }
    kiln_launch_name(&message, launch);
    kiln_text_add(&message, ", which does not read it");
    return kiln_fail_text(KILN_INVALID_LAUNCH, &message);
}

static kiln_status check_write(kiln_plan *plan, kiln_plan_launch *launch, size_t p)
{
    kiln_plan_tensor *tensor = &plan->tensors[launch->bindings[p].tensor];
    const char *row = kiln_launch_row(launch);
    if (tensor->role == KILN_ROLE_INPUT)
        return kiln_fail(KILN_INVALID_LAUNCH,
                         "launch %zu (%s): %s writes tensor %s, which is an input",
                         launch->position, row, binding_name(launch, p), tensor->name);
    kiln_region region = kiln_binding_region(plan, launch, p);
    if (reads_too(launch, p))
        return KILN_OK;
    for (size_t i = 0; i < tensor->num_written; i++)
        if (regions_meet(&tensor->written[i], &region))
            return two_writers(tensor, launch);
    kiln_region *written =
        kiln_grow(tensor->written, tensor->num_written, &tensor->max_written, sizeof *written);
    if (!written)
        return kiln_fail_memory();
    tensor->written = written;
    tensor->written[tensor->num_written++] = region;
    tensor->elements_written += region.rows * region.width;
    return KILN_OK;
}

kiln_status kiln_order_check(kiln_plan *plan, kiln_plan_launch *launch)
{
    kiln_status status = KILN_OK;
    for (size_t p = 0; p < launch->num_bindings && status == KILN_OK; p++)
        if (kiln_binding_reads(launch, p))
            status = check_read(plan, launch, p);
    for (size_t p = 0; p < launch->num_bindings && status == KILN_OK; p++)
        if (kiln_binding_writes(launch, p))
            status = check_write(plan, launch, p);
    return status;
}

kiln_status kiln_plan_verify(kiln_plan *plan)
{
    for (size_t i = 0; i < plan->num_tensors; i++) {
        plan->tensors[i].num_written = 0;
        plan->tensors[i].elements_written = 0;
    }
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < plan->num_launches && status == KILN_OK; i++) {
        if (plan->launches[i]->kind)
            status = kiln_launch_check(plan, plan->launches[i]);
        if (status == KILN_OK)
            status = kiln_order_check(plan, plan->launches[i]);
    }
    return status;
}

/* A launch that is refused half-way may have left regions of its first outputs: they go. */
static void take_back(kiln_plan *plan, const kiln_plan_launch *launch, const size_t *before)
{
    for (size_t p = 0; p < launch->num_bindings; p++) {
        if (launch->bindings[p].tensor < 0)
            continue;
        kiln_plan_tensor *tensor = &plan->tensors[launch->bindings[p].tensor];
        while (tensor->num_written > before[p]) {
            kiln_region *last = &tensor->written[--tensor->num_written];
            tensor->elements_written -= last->rows * last->width;
        }
    }
}

kiln_status kiln_plan_append(kiln_plan *plan, const char *spec, const char *args, bool declare)
{
    kiln_plan_kind *kind;
    size_t before[KILN_MAX_PARAMETERS] = {0};
    kiln_status status = kiln_plan_kind_find(plan, spec, &kind);
    if (status != KILN_OK)
        return status;
    kiln_plan_launch *launch = kiln_launch_make(kind);
    if (!launch)
        return kiln_fail_memory();
    launch->layer = plan->layer;
    launch->phase = plan->phase;
    launch->position = plan->num_launches;
    status = kiln_bindings_parse(plan, launch, args, declare);
    if (status == KILN_OK)
        status = kiln_launch_check(plan, launch);
    if (status == KILN_OK) {
        for (size_t p = 0; p < launch->num_bindings; p++)
            if (launch->bindings[p].tensor >= 0)
                before[p] = plan->tensors[launch->bindings[p].tensor].num_written;
        status = kiln_order_check(plan, launch);
        if (status != KILN_OK)
            take_back(plan, launch, before);
    }
    if (status == KILN_OK)
        status = kiln_plan_insert(plan, launch, plan->num_launches);
    if (status != KILN_OK)
        kiln_launch_free(launch);
    return status;
}
