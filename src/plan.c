#include "plan.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* ---- life -------------------------------------------------------------------------------- */

kiln_status kiln_create_plan(kiln_plan **plan)
{
    if (!plan)
        return kiln_fail(KILN_INVALID_ARGUMENT, "kiln_create_plan: plan must not be NULL");
    *plan = calloc(1, sizeof **plan);
    if (!*plan)
        return kiln_fail_memory();
    (*plan)->layer = -1;
    return KILN_OK;
}

static void free_kind(kiln_plan_kind *kind)
{
    kiln_spec_free(&kind->spec);
    free(kind->raw);
    free(kind);
}

static void free_strings(char **strings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(strings[i]);
    free(strings);
}

void kiln_release_plan(kiln_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->num_tensors; i++) {
        free(plan->tensors[i].name);
        free(plan->tensors[i].uses);
        free(plan->tensors[i].written);
    }
    for (size_t i = 0; i < plan->num_launches; i++)
        kiln_launch_free(plan->launches[i]);
    while (plan->kinds) {
        kiln_plan_kind *kind = plan->kinds;
        plan->kinds = kind->next;
        free_kind(kind);
    }
    free_strings(plan->scalars, plan->num_scalars);
    free_strings(plan->notes, plan->num_notes);
    free(plan->tensors);
    free(plan->names);
    free(plan->launches);
    free(plan);
}

kiln_status kiln_plan_mark(kiln_plan *plan, int64_t layer, kiln_phase phase)
{
    if (!plan || layer < -1 || phase < KILN_PHASE_FORWARD || phase > KILN_PHASE_UPDATE)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_plan_mark: plan must not be NULL, layer -1 or more, and phase one "
                         "of the three");
    plan->layer = layer;
    plan->phase = phase;
    return KILN_OK;
}

/* ---- tensors ----------------------------------------------------------------------------- */

/* Where name stands in the table, or would. */
static size_t name_place(const kiln_plan *plan, const char *name)
{
    size_t place = (size_t)XXH3_64bits(name, strlen(name)) & (plan->max_names - 1);
    while (plan->names[place] && strcmp(plan->tensors[plan->names[place] - 1].name, name) != 0)
        place = (place + 1) & (plan->max_names - 1);
    return place;
}

int kiln_plan_tensor_index(const kiln_plan *plan, const char *name)
{
    return plan->max_names ? plan->names[name_place(plan, name)] - 1 : -1;
}

/* The table is at most half full. */
static bool grow_names(kiln_plan *plan)
{
    if (2 * (plan->num_tensors + 1) <= plan->max_names)
        return true;
    size_t more = plan->max_names ? 2 * plan->max_names : 64;
    int *names = calloc(more, sizeof *names);
    if (!names)
        return false;
    free(plan->names);
    plan->names = names;
    plan->max_names = more;
    for (size_t i = 0; i < plan->num_tensors; i++)
        plan->names[name_place(plan, plan->tensors[i].name)] = (int)i + 1;
    return true;
}

static bool good_name(const char *name)
{
    return *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_.")] == '\0';
}

static kiln_status check_extents(const char *name, kiln_dtype dtype, size_t rank,
                                 const int64_t *extents)
{
    if (rank < 1 || rank > KILN_MAX_RANK)
        return kiln_fail(KILN_INVALID_ARGUMENT, "tensor %s: rank %zu: must be from 1 to %d", name,
                         rank, KILN_MAX_RANK);
    double bytes = (double)kiln_dtype_size(dtype);
    for (size_t i = 0; i < rank; i++) {
        if (extents[i] < 1)
            return kiln_fail(KILN_INVALID_ARGUMENT,
                             "tensor %s: extent %zu is %lld: must be 1 or more", name, i,
                             (long long)extents[i]);
        bytes *= (double)extents[i];
    }
    return bytes < 0x1p62 ? KILN_OK
                          : kiln_fail(KILN_INVALID_ARGUMENT, "tensor %s: its %.3g bytes pass 2^62",
                                      name, bytes);
}

kiln_status kiln_plan_add_tensor(kiln_plan *plan, const char *name, kiln_dtype dtype, size_t rank,
                                 const int64_t *extents, kiln_role role)
{
    if (!plan || !name || !extents)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_plan_add_tensor: plan, name and extents must not be NULL");
    if (!good_name(name))
        return kiln_fail(KILN_INVALID_ARGUMENT, "tensor `%s': a name is letters, digits, _ and .",
                         name);
    if (dtype < KILN_F32 || dtype > KILN_I32 || role < KILN_ROLE_TEMPORARY ||
        role > KILN_ROLE_OUTPUT)
        return kiln_fail(KILN_INVALID_ARGUMENT, "tensor %s: there is no such dtype or role", name);
    kiln_status status = check_extents(name, dtype, rank, extents);
    if (status != KILN_OK)
        return status;
    if (kiln_plan_tensor_index(plan, name) >= 0)
        return kiln_fail(KILN_INVALID_ARGUMENT, "tensor %s: there is one of that name", name);
    kiln_plan_tensor *tensors =
        kiln_grow(plan->tensors, plan->num_tensors, &plan->max_tensors, sizeof *tensors);
    if (!tensors)
        return kiln_fail_memory();
    plan->tensors = tensors;
    if (!grow_names(plan))
        return kiln_fail_memory();
    kiln_plan_tensor tensor = {.name = kiln_strdup(name),
                               .dtype = dtype,
                               .role = role,
                               .rank = rank,
                               .elements = 1,
                               .stored = (int)plan->num_tensors,
                               .row_stride = extents[rank - 1]};
    if (!tensor.name)
        return kiln_fail_memory();
    for (size_t i = 0; i < rank; i++) {
        tensor.extents[i] = extents[i];
        tensor.elements *= extents[i];
    }
    plan->names[name_place(plan, name)] = (int)plan->num_tensors + 1;
    plan->tensors[plan->num_tensors++] = tensor;
    return KILN_OK;
}

/* ---- kinds and scalars ------------------------------------------------------------------- */

static kiln_status make_kind(const char *text, kiln_plan_kind *kind)
{
    kiln_status status = kiln_spec_parse(text, &kind->spec);
    if (status != KILN_OK)
        return status;
    const kiln_spec *spec = &kind->spec;
    for (size_t i = 0; i < spec->num_dims; i++)
        if (spec->dims[i] == KILN_LAUNCH_TIME)
            return kiln_fail(KILN_INVALID_SPEC, "%s: %s=?: a plan's dimensions are literal",
                             spec->row->name, spec->row->dims[i]);
    kiln_env env;
    kiln_env_init(&env, NULL);
    status = kiln_spec_bind(spec, NULL, &env);
    if (status == KILN_OK)
        status = kiln_signature_make(spec, &env, &kind->signature);
    for (size_t i = 0; i < kind->signature.count && status == KILN_OK; i++)
        if (kind->signature.parameters[i].kind == KILN_ARG_BUFFER)
            status =
                kiln_parameter_extents(&kind->signature.parameters[i], &env, &kind->extents[i]);
    kiln_env_free(&env);
    if (status == KILN_INVALID_SPEC)
        return kiln_fail(status, "%s: %s", spec->row->name, kiln_last_error());
    return status == KILN_OK ? kiln_kind_cost(kind) : status;
}

kiln_status kiln_plan_kind_find(kiln_plan *plan, const char *spec, kiln_plan_kind **kind)
{
    for (*kind = plan->kinds; *kind; *kind = (*kind)->next)
        if (strcmp((*kind)->raw, spec) == 0)
            return KILN_OK;
    kiln_plan_kind *made = calloc(1, sizeof *made);
    if (!made || !(made->raw = kiln_strdup(spec))) {
        free(made);
        return kiln_fail_memory();
    }
    kiln_status status = make_kind(spec, made);
    if (status != KILN_OK) {
        free_kind(made);
        return status;
    }
    made->number = plan->num_kinds++;
    made->next = plan->kinds;
    *kind = plan->kinds = made;
    return KILN_OK;
}

int kiln_plan_scalar_index(kiln_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->num_scalars; i++)
        if (strcmp(plan->scalars[i], name) == 0)
            return (int)i;
    char **scalars =
        kiln_grow(plan->scalars, plan->num_scalars, &plan->max_scalars, sizeof *scalars);
    if (!scalars)
        return -1;
    plan->scalars = scalars;
    char *copy = kiln_strdup(name);
    if (!copy)
        return -1;
    plan->scalars[plan->num_scalars] = copy;
    return (int)plan->num_scalars++;
}

const char *kiln_plan_scalar(const kiln_plan *plan, size_t index)
{
    return plan && index < plan->num_scalars ? plan->scalars[index] : NULL;
}

/* ---- launches ---------------------------------------------------------------------------- */

kiln_plan_launch *kiln_launch_make(kiln_plan_kind *kind)
{
    kiln_plan_launch *launch = calloc(1, sizeof *launch);
    if (!launch)
        return NULL;
    launch->kind = kind;
    launch->num_bindings = kind ? kind->signature.count : 1;
    launch->bindings = calloc(launch->num_bindings, sizeof *launch->bindings);
    if (!launch->bindings) {
        free(launch);
        return NULL;
    }
    for (size_t i = 0; i < launch->num_bindings; i++)
        launch->bindings[i] = (kiln_binding){.tensor = -1, .scalar = -1};
    return launch;
}

void kiln_launch_free(kiln_plan_launch *launch)
{
    if (!launch)
        return;
    free(launch->bindings);
    free(launch->args);
    free(launch);
}

/* Drops the launch from its tensors' uses. */
static void forget(kiln_plan *plan, const kiln_plan_launch *launch)
{
    for (size_t i = 0; i < launch->num_bindings; i++) {
        if (launch->bindings[i].tensor < 0)
            continue;
        kiln_plan_tensor *tensor = &plan->tensors[launch->bindings[i].tensor];
        for (size_t u = 0; u < tensor->num_uses; u++) {
            if (tensor->uses[u] != launch)
                continue;
            tensor->uses[u] = tensor->uses[--tensor->num_uses];
            break;
        }
    }
}

static bool remember(kiln_plan *plan, kiln_plan_launch *launch)
{
    for (size_t i = 0; i < launch->num_bindings; i++) {
        if (launch->bindings[i].tensor < 0)
            continue;
        kiln_plan_tensor *tensor = &plan->tensors[launch->bindings[i].tensor];
        size_t u = 0;
        while (u < tensor->num_uses && tensor->uses[u] != launch)
            u++;
        if (u < tensor->num_uses)
            continue;
        kiln_plan_launch **uses =
            kiln_grow(tensor->uses, tensor->num_uses, &tensor->max_uses, sizeof *uses);
        if (!uses)
            return false;
        tensor->uses = uses;
        tensor->uses[tensor->num_uses++] = launch;
    }
    return true;
}

kiln_status kiln_plan_insert(kiln_plan *plan, kiln_plan_launch *launch, size_t position)
{
    kiln_plan_launch **launches =
        kiln_grow(plan->launches, plan->num_launches, &plan->max_launches, sizeof *launches);
    if (launches)
        plan->launches = launches;
    if (!launches || !remember(plan, launch)) {
        forget(plan, launch);
        return kiln_fail_memory();
    }
    memmove(plan->launches + position + 1, plan->launches + position,
            (plan->num_launches - position) * sizeof(kiln_plan_launch *));
    plan->launches[position] = launch;
    plan->num_launches++;
    for (size_t i = position; i < plan->num_launches; i++)
        plan->launches[i]->position = i;
    return KILN_OK;
}

void kiln_plan_remove(kiln_plan *plan, kiln_plan_launch *launch)
{
    size_t position = launch->position;
    forget(plan, launch);
    plan->num_launches--;
    memmove(plan->launches + position, plan->launches + position + 1,
            (plan->num_launches - position) * sizeof(kiln_plan_launch *));
    for (size_t i = position; i < plan->num_launches; i++)
        plan->launches[i]->position = i;
}

kiln_status kiln_plan_add_launch(kiln_plan *plan, const char *spec, const char *args)
{
    if (!plan || !spec || !args)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_plan_add_launch: plan, spec and args must not be NULL");
    return kiln_plan_append(plan, spec, args, false);
}

kiln_status kiln_plan_add_zero(kiln_plan *plan, const char *tensor)
{
    if (!plan || !tensor)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_plan_add_zero: plan and tensor must not be NULL");
    int index = kiln_plan_tensor_index(plan, tensor);
    if (index < 0)
        return kiln_fail(KILN_INVALID_LAUNCH, "zero: there is no tensor `%s'", tensor);
    kiln_plan_launch *launch = kiln_launch_make(NULL);
    if (!launch)
        return kiln_fail_memory();
    launch->bindings[0].tensor = index;
    launch->layer = plan->layer;
    launch->phase = plan->phase;
    launch->position = plan->num_launches;
    kiln_status status = kiln_order_check(plan, launch);
    if (status == KILN_OK)
        status = kiln_plan_insert(plan, launch, plan->num_launches);
    if (status != KILN_OK)
        kiln_launch_free(launch);
    return status;
}

/* ---- notes ------------------------------------------------------------------------------- */

kiln_status kiln_plan_add_note(kiln_plan *plan, const char *format, ...)
{
    char buffer[512];
    va_list args;
    va_start(args, format);
    vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    for (size_t i = 0; i < plan->num_notes; i++)
        if (strcmp(plan->notes[i], buffer) == 0)
            return KILN_OK;
    char **notes = kiln_grow(plan->notes, plan->num_notes, &plan->max_notes, sizeof *notes);
    if (!notes)
        return kiln_fail_memory();
    plan->notes = notes;
    char *copy = kiln_strdup(buffer);
    if (!copy)
        return kiln_fail_memory();
    plan->notes[plan->num_notes++] = copy;
    return KILN_OK;
}

const char *kiln_plan_note(const kiln_plan *plan, size_t index)
{
    return plan && index < plan->num_notes ? plan->notes[index] : NULL;
}
