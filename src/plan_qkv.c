/* qkv_projection: three products over the same rows become one, and so their weights become one
 * tensor, q's columns before k's before v's. The gradients, moments and master copies follow, with
 * one update in place of three; products of the backward pass take blocks of columns of it, by ldb
 * and ldc. The tensors' old names remain, as parts. */
#include "plan_merge.h"
#include <stdlib.h>
#include <string.h>

/* ---- the three products ------------------------------------------------------------------ */

/* The only reader of a temporary besides its writer is `reader`. */
static bool read_by(const kiln_plan *plan, int tensor, const kiln_plan_launch *writer,
                    const kiln_plan_launch *reader)
{
    const kiln_plan_tensor *t = &plan->tensors[tensor];
    for (size_t u = 0; u < t->num_uses; u++)
        if (t->uses[u] != writer && t->uses[u] != reader)
            return false;
    return t->role == KILN_ROLE_TEMPORARY;
}

/* From an argument of the attention back, over rope and a bias, to a product. */
static bool trace(kiln_merge *m, int which, const char *name)
{
    const kiln_plan *plan = m->plan;
    size_t parameter;
    int tensor = kiln_whole_tensor(m->attention, name);
    kiln_plan_launch *writer = tensor >= 0 ? kiln_sole_writer(plan, tensor, &parameter) : NULL;
    if (writer && kiln_is_row(writer, "rope")) {
        tensor = kiln_whole_tensor(writer, "x");
        writer = tensor >= 0 ? kiln_sole_writer(plan, tensor, &parameter) : NULL;
    }
    m->result[which] = tensor;
    if (writer && kiln_is_row(writer, "bias_add")) {
        m->bias[which] = writer;
        tensor = kiln_whole_tensor(writer, "x");
        writer = tensor >= 0 ? kiln_sole_writer(plan, tensor, &parameter) : NULL;
        if (!writer || !read_by(plan, tensor, writer, m->bias[which]))
            return false;
    }
    m->product[which] = writer;
    return writer && kiln_is_row(writer, "matmul") && kiln_whole_tensor(writer, "a") >= 0 &&
           kiln_whole_tensor(writer, "b") >= 0 && kiln_whole_tensor(writer, "c") == tensor;
}

/* Dimensions and dtype alone: other options are beyond the fused kernel. */
static bool plain(const kiln_plan_launch *launch)
{
    const char *words = strchr(launch->kind->spec.text, ' ');
    char name[24], value[24];
    while (words && kiln_next_pair(&words, name, value))
        if (strcmp(name, "dtype") != 0 && kiln_row_dim(launch->kind->spec.row, name) < 0)
            return false;
    return true;
}

static bool find_products(kiln_merge *m)
{
    static const char *const names[] = {"q", "k", "v"};
    for (int i = 0; i < THREE; i++)
        if (!trace(m, i, names[i]) || !plain(m->product[i]) ||
            kiln_whole_tensor(m->product[i], "a") != kiln_whole_tensor(m->product[Q], "a") ||
            (m->bias[i] != NULL) != (m->bias[Q] != NULL))
            return false;
    return m->product[Q] != m->product[K] && m->product[Q] != m->product[V] &&
           m->product[K] != m->product[V];
}

/* ---- what has to be merged --------------------------------------------------------------- */

static bool add_group(kiln_merge *m, const int *tensors)
{
    kiln_merge_group *g = &m->groups[m->num_groups];
    const kiln_plan_tensor *first = &m->plan->tensors[tensors[Q]];
    for (size_t i = 0; i < m->num_groups; i++)
        if (m->groups[i].of[Q] == tensors[Q])
            return memcmp(m->groups[i].of, tensors, sizeof m->groups[i].of) == 0;
    if (m->num_groups == KILN_MAX_GROUPS)
        return false;
    *g = (kiln_merge_group){.rows = first->rank == 2 ? first->extents[0] : 1};
    for (int i = 0; i < THREE; i++) {
        const kiln_plan_tensor *t = &m->plan->tensors[tensors[i]];
        if (tensors[i] < 0 || t->rank > 2 || t->rank != first->rank || t->dtype != first->dtype ||
            t->role != first->role || (t->rank == 2 && t->extents[0] != g->rows) ||
            t->stored != tensors[i])
            return false;
        g->of[i] = tensors[i];
        g->columns[i] = t->extents[t->rank - 1];
        g->total += g->columns[i];
    }
    if (g->of[Q] == g->of[K] || g->of[K] == g->of[V] || g->of[Q] == g->of[V])
        return false;
    m->num_groups++;
    return true;
}

/* The launch of a row that has a tensor as a whole, NULL if there is none or another. */
static kiln_plan_launch *user_of(const kiln_plan *plan, int tensor, const char *row)
{
    const kiln_plan_tensor *t = &plan->tensors[tensor];
    kiln_plan_launch *found = NULL;
    for (size_t u = 0; u < t->num_uses; u++) {
        if (!kiln_is_row(t->uses[u], row))
            continue;
        if (found)
            return NULL;
        found = t->uses[u];
    }
    return found;
}

/* Whether three launches of adamw, or of grad_norm, do the same to three tensors: what they bind
 * besides is equal, but for the clip that grad_norm writes. */
static bool add_trio(kiln_merge *m, kiln_plan_launch *const *launches)
{
    kiln_merge_trio *t = &m->trios[m->num_trios];
    for (size_t i = 0; i < m->num_trios; i++)
        if (m->trios[i].of[Q] == launches[Q])
            return true;
    if (m->num_trios == 2 * KILN_MAX_GROUPS)
        return false;
    const kiln_plan_launch *first = launches[Q];
    for (size_t p = 0; p < first->num_bindings; p++) {
        int tensors[THREE];
        bool equal = true;
        for (int i = 0; i < THREE; i++) {
            const kiln_binding *b = &launches[i]->bindings[p], *a = &first->bindings[p];
            if (launches[i]->num_bindings != first->num_bindings || b->part)
                return false;
            tensors[i] = b->tensor;
            equal &= b->tensor == a->tensor && b->scalar == a->scalar && b->number == a->number;
        }
        const kiln_parameter *parameter = &first->kind->signature.parameters[p];
        bool clip = kiln_is_row(first, "grad_norm") && strcmp(parameter->name, "clip") == 0;
        if (!equal && !clip && (tensors[Q] < 0 || !add_group(m, tensors)))
            return false;
    }
    memcpy(t->of, launches, sizeof t->of);
    m->num_trios++;
    return true;
}

/* Every launch that has a tensor of the group can do with a part of the merged one, or becomes one
 * with its siblings. */
static bool check_users(kiln_merge *m, size_t index)
{
    static const char *const rows[] = {"adamw", "grad_norm"};
    for (size_t r = 0; r < 2; r++) {
        kiln_plan_launch *launches[THREE];
        int found = 0;
        for (int i = 0; i < THREE; i++) {
            launches[i] = user_of(m->plan, m->groups[index].of[i], rows[r]);
            found += launches[i] != NULL;
        }
        if ((found != 0 && found != THREE) || (found == THREE && !add_trio(m, launches)))
            return false;
    }
    for (int i = 0; i < THREE; i++) {
        const kiln_plan_tensor *t = &m->plan->tensors[m->groups[index].of[i]];
        for (size_t u = 0; u < t->num_uses; u++) {
            const kiln_plan_launch *launch = t->uses[u];
            if (kiln_is_row(launch, "adamw") || kiln_is_row(launch, "grad_norm") ||
                launch == m->product[i] || launch == m->bias[i])
                continue;
            for (size_t p = 0; p < launch->num_bindings; p++) {
                if (launch->bindings[p].tensor != m->groups[index].of[i])
                    continue;
                bool matrix = launch->kind && t->rank == 2 &&
                              launch->kind->signature.parameters[p].tensor->stride &&
                              launch->kind->extents[p].rank == 2;
                if (launch->bindings[p].part || !launch->kind || (t->rank == 2 && !matrix))
                    return false;
            }
        }
    }
    return true;
}

/* Nothing but the trio touches the running sum between its first launch and its last. */
static bool undisturbed(const kiln_merge *m, const kiln_merge_trio *t)
{
    int sum = kiln_whole_tensor(t->of[Q], "sumsq");
    if (sum < 0)
        return true;
    size_t first = t->of[Q]->position, last = first;
    for (int i = 1; i < THREE; i++) {
        first = t->of[i]->position < first ? t->of[i]->position : first;
        last = t->of[i]->position > last ? t->of[i]->position : last;
    }
    const kiln_plan_tensor *tensor = &m->plan->tensors[sum];
    for (size_t u = 0; u < tensor->num_uses; u++) {
        const kiln_plan_launch *launch = tensor->uses[u];
        if (launch->position > first && launch->position < last && launch != t->of[Q] &&
            launch != t->of[K] && launch != t->of[V])
            return false;
    }
    return t->of[Q]->position < t->of[K]->position && t->of[K]->position < t->of[V]->position;
}

/* The groups found so far lead to others: a weight to its moments, these to nothing new. */
static bool find_groups(kiln_merge *m)
{
    int weights[THREE], biases[THREE];
    for (int i = 0; i < THREE; i++) {
        weights[i] = kiln_whole_tensor(m->product[i], "b");
        biases[i] = m->bias[i] ? kiln_whole_tensor(m->bias[i], "bias") : -1;
    }
    if (!add_group(m, weights) || (m->bias[Q] && !add_group(m, biases)))
        return false;
    for (size_t i = 0; i < m->num_groups; i++)
        if (!check_users(m, i))
            return false;
    for (size_t i = 0; i < m->num_groups; i++)
        if ((double)m->groups[i].rows * (double)m->groups[i].total > INT32_MAX)
            return false;
    for (size_t i = 0; i < m->num_trios; i++)
        if (!undisturbed(m, &m->trios[i]))
            return false;
    return true;
}

/* ---- the fused product --------------------------------------------------------------------- */

static kiln_status make_fused(kiln_merge *m)
{
    const kiln_spec *product = &m->product[Q]->kind->spec;
    const kiln_spec *attention = &m->attention->kind->spec;
    kiln_text spec = {0};
    kiln_text_addf(&spec, "qkv_projection m=%lld k=%lld",
                   (long long)product->dims[kiln_row_dim(product->row, "m")],
                   (long long)product->dims[kiln_row_dim(product->row, "k")]);
    static const char *const dims[] = {"heads", "kv_heads", "head_dim"};
    for (size_t i = 0; i < 3; i++)
        kiln_text_addf(&spec, " %s=%lld", dims[i],
                       (long long)attention->dims[kiln_row_dim(attention->row, dims[i])]);
    kiln_text_addf(&spec, " dtype=%s bias=%d",
                   kiln_dtype_name(m->plan->tensors[m->result[Q]].dtype), m->bias[Q] != NULL);
    char *text = kiln_text_take(&spec);
    kiln_plan_kind *kind;
    kiln_status status = text ? kiln_plan_kind_find(m->plan, text, &kind) : kiln_fail_memory();
    free(text);
    if (status != KILN_OK)
        return status;
    m->fused = kiln_launch_make(kind);
    if (!m->fused)
        return kiln_fail_memory();
    m->fused->layer = m->product[Q]->layer;
    m->fused->phase = m->product[Q]->phase;
    return KILN_OK;
}

/* Nothing between the launches and the place of the last of them reads what they write, or writes
 * what they read. */
static bool may_gather(const kiln_merge *m, kiln_plan_launch *const *old, size_t count)
{
    size_t first = SIZE_MAX, last = 0;
    for (size_t i = 0; i < count; i++) {
        first = old[i]->position < first ? old[i]->position : first;
        last = old[i]->position > last ? old[i]->position : last;
    }
    for (int i = 0; i < THREE; i++)
        if (kiln_touched_between(m->plan, kiln_whole_tensor(m->product[i], "a"), first, last,
                                 false) ||
            kiln_touched_between(m->plan, kiln_whole_tensor(m->product[i], "b"), first, last,
                                 false))
            return false;
    for (int i = 0; i < THREE; i++) {
        const kiln_plan_tensor *t = &m->plan->tensors[m->result[i]];
        for (size_t u = 0; u < t->num_uses; u++) {
            bool gone = false;
            for (size_t j = 0; j < count; j++)
                gone |= t->uses[u] == old[j];
            if (!gone && t->uses[u]->position < last)
                return false;
        }
    }
    return true;
}

static kiln_status fuse_attention(kiln_fuser *fuser, kiln_plan_launch *attention)
{
    kiln_merge m = {.plan = fuser->plan, .attention = attention};
    if (!find_products(&m))
        return KILN_OK;
    kiln_plan_launch *old[2 * THREE];
    size_t count = 0;
    for (int i = 0; i < THREE; i++) {
        old[count++] = m.product[i];
        if (m.bias[i])
            old[count++] = m.bias[i];
    }
    if (!find_groups(&m) || !may_gather(&m, old, count)) {
        fuser->refused++;
        return kiln_plan_add_note(
            fuser->plan,
            "qkv_projection at %s: launches use the three weights in ways that one "
            "tensor does not allow: not applied",
            attention->kind->spec.text);
    }
    kiln_status status = make_fused(&m);
    if (status != KILN_OK)
        return status;
    double before = 0;
    bool wanted;
    for (size_t i = 0; i < count; i++)
        before += kiln_launch_seconds(fuser->plan, old[i], fuser->rates);
    status = kiln_fuser_decides(fuser, "qkv_projection", attention, before,
                                kiln_launch_seconds(fuser->plan, m.fused, fuser->rates), &wanted);
    if (status != KILN_OK || !wanted) {
        kiln_launch_free(m.fused);
        return status;
    }
    fuser->applied++;
    return kiln_merge_apply(&m, old, count);
}

kiln_status kiln_fuse_qkv(kiln_fuser *fuser)
{
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < fuser->plan->num_launches && status == KILN_OK; i++) {
        kiln_plan_launch *launch = fuser->plan->launches[i];
        size_t applied = fuser->applied;
        if (kiln_is_row(launch, "flash_attention"))
            status = fuse_attention(fuser, launch);
        if (fuser->applied != applied)
            i = launch->position; /* launches before it have gone */
    }
    return status;
}
