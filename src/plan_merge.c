/* Three tensors become one, q's columns before k's before v's; what used them takes parts of it. */
#include "plan_merge.h"
#include <stdlib.h>
#include <string.h>

/* ---- merged tensors ---------------------------------------------------------------------- */

/* "layer0.wqkv" of layer0.wq, .wk and .wv, "layer0.wqkv.m" of their .m; else the names in a row. */
static char *merged_name(const kiln_plan *plan, const kiln_merge_group *g)
{
    const char *q = plan->tensors[g->of[Q]].name, *k = plan->tensors[g->of[K]].name;
    const char *v = plan->tensors[g->of[V]].name;
    size_t same = 0;
    kiln_text text = {0};
    while (q[same] && q[same] == k[same] && q[same] == v[same])
        same++;
    if (q[same] && k[same] && v[same] && strcmp(q + same + 1, k + same + 1) == 0 &&
        strcmp(q + same + 1, v + same + 1) == 0) {
        kiln_text_add_bytes(&text, q, same);
        kiln_text_addf(&text, "%c%c%c%s", q[same], k[same], v[same], q + same + 1);
    } else {
        kiln_text_addf(&text, "%s.%s.%s", q, k, v);
    }
    return kiln_text_take(&text);
}

static kiln_status merge_tensors(kiln_merge *m, const kiln_merge_group *g, int *merged)
{
    kiln_plan *plan = m->plan;
    const kiln_plan_tensor *first = &plan->tensors[g->of[Q]];
    size_t rank = first->rank;
    int64_t extents[] = {rank == 2 ? g->rows : g->total, g->total};
    char *name = merged_name(plan, g);
    if (!name)
        return kiln_fail_memory();
    kiln_status status = kiln_plan_add_tensor(plan, name, first->dtype, rank, extents, first->role);
    *merged = kiln_plan_tensor_index(plan, name);
    free(name);
    int64_t column = 0;
    for (int i = 0; i < THREE && status == KILN_OK; i++) {
        kiln_plan_tensor *t = &plan->tensors[g->of[i]];
        t->stored = *merged;
        t->offset = column;
        t->row_stride = g->total;
        column += g->columns[i];
    }
    return status;
}

/* The group's tensor that a binding has, as a part of the merged one. */
static void rebind(const kiln_merge *m, const int *merged, kiln_binding *binding,
                   int64_t *row_length)
{
    for (size_t i = 0; i < m->num_groups; i++) {
        const kiln_merge_group *g = &m->groups[i];
        for (int j = 0; j < THREE; j++) {
            if (binding->tensor != g->of[j])
                continue;
            binding->part = true;
            binding->offset = m->plan->tensors[g->of[j]].offset;
            binding->tensor = merged[i];
            *row_length = m->plan->tensors[merged[i]].rank == 2 ? g->total : 0;
            return;
        }
    }
}

/* A launch with parts in place of whole tensors, and their row lengths in its spec. */
static kiln_status give_parts(const kiln_merge *m, const int *merged, kiln_plan_launch *launch)
{
    kiln_text spec = {0};
    kiln_binding bindings[KILN_MAX_PARAMETERS];
    memcpy(bindings, launch->bindings, launch->num_bindings * sizeof *bindings);
    kiln_text_add(&spec, launch->kind->spec.text);
    for (size_t p = 0; p < launch->num_bindings; p++) {
        int64_t row_length = 0;
        rebind(m, merged, &bindings[p], &row_length);
        if (row_length)
            kiln_text_addf(&spec, " %s=%lld", launch->kind->signature.parameters[p].tensor->stride,
                           (long long)row_length);
    }
    char *text = kiln_text_take(&spec);
    kiln_plan_kind *kind;
    kiln_status status = text ? kiln_plan_kind_find(m->plan, text, &kind) : kiln_fail_memory();
    free(text);
    if (status != KILN_OK)
        return status;
    size_t position = launch->position;
    kiln_plan_remove(m->plan, launch);
    launch->kind = kind;
    memcpy(launch->bindings, bindings, launch->num_bindings * sizeof *bindings);
    free(launch->args);
    launch->args = NULL;
    status = kiln_plan_insert(m->plan, launch, position);
    if (status != KILN_OK)
        kiln_launch_free(launch);
    return status;
}

/* ---- merged launches ------------------------------------------------------------------------
 */

static int group_of(const kiln_merge *m, int tensor)
{
    for (size_t i = 0; i < m->num_groups; i++)
        if (m->groups[i].of[Q] == tensor)
            return (int)i;
    return -1;
}

/* One launch over the merged tensors; a norm's clip is the last one's. */
static kiln_status merge_launches(const kiln_merge *m, const int *merged, kiln_merge_trio *t)
{
    const kiln_plan_launch *first = t->of[Q];
    const kiln_spec *of = &first->kind->spec;
    const char *words = strchr(of->text, ' ');
    char name[24], value[24];
    int64_t n = 0;
    for (size_t p = 0; p < first->num_bindings; p++) {
        int g = group_of(m, first->bindings[p].tensor);
        if (g >= 0)
            n = m->groups[g].rows * m->groups[g].total;
    }
    kiln_text spec = {0};
    kiln_text_addf(&spec, "%s n=%lld", of->row->name, (long long)n);
    while (words && kiln_next_pair(&words, name, value))
        if (strcmp(name, "n") != 0)
            kiln_text_addf(&spec, " %s=%s", name, value);
    char *text = kiln_text_take(&spec);
    kiln_plan_kind *kind;
    kiln_status status = text ? kiln_plan_kind_find(m->plan, text, &kind) : kiln_fail_memory();
    free(text);
    if (status != KILN_OK)
        return status;
    t->merged = kiln_launch_make(kind);
    if (!t->merged)
        return kiln_fail_memory();
    for (size_t p = 0; p < first->num_bindings; p++) {
        int g = group_of(m, first->bindings[p].tensor);
        t->merged->bindings[p] = first->bindings[p];
        if (g >= 0)
            t->merged->bindings[p].tensor = merged[g];
        else if (kiln_is_row(first, "grad_norm") && first->bindings[p].tensor >= 0)
            t->merged->bindings[p] = t->of[V]->bindings[p];
    }
    t->merged->layer = first->layer;
    t->merged->phase = first->phase;
    return KILN_OK;
}

/* Takes the launches out and puts one in where the last of them stood. */
static kiln_status replace(kiln_plan *plan, kiln_plan_launch *const *old, size_t count,
                           kiln_plan_launch *with)
{
    size_t last = 0;
    for (size_t i = 0; i < count; i++)
        last = old[i]->position > last ? old[i]->position : last;
    kiln_status status = kiln_plan_insert(plan, with, last);
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        kiln_plan_remove(plan, old[i]);
        kiln_launch_free(old[i]);
    }
    return status;
}

/* ---- all of it --------------------------------------------------------------------------- */

static void bind(kiln_plan_launch *launch, const char *name, int tensor)
{
    int p = kiln_signature_find(&launch->kind->signature, name);
    if (p >= 0)
        launch->bindings[p].tensor = tensor;
}

kiln_status kiln_merge_apply(kiln_merge *m, kiln_plan_launch *const *old, size_t count)
{
    kiln_plan *plan = m->plan;
    int merged[KILN_MAX_GROUPS], a = kiln_whole_tensor(m->product[Q], "a");
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < m->num_groups && status == KILN_OK; i++)
        status = merge_tensors(m, &m->groups[i], &merged[i]);
    if (status != KILN_OK)
        return status;
    bind(m->fused, "a", a);
    bind(m->fused, "w", merged[0]);
    if (m->bias[Q])
        bind(m->fused, "bias", merged[1]);
    bind(m->fused, "q", m->result[Q]);
    bind(m->fused, "k", m->result[K]);
    bind(m->fused, "v", m->result[V]);
    status = replace(plan, old, count, m->fused);
    for (size_t i = 0; i < m->num_trios && status == KILN_OK; i++) {
        status = merge_launches(m, merged, &m->trios[i]);
        if (status == KILN_OK)
            status = replace(plan, m->trios[i].of, THREE, m->trios[i].merged);
    }
    for (size_t i = 0; i < m->num_groups && status == KILN_OK; i++)
        for (int j = 0; j < THREE && status == KILN_OK; j++)
            while (status == KILN_OK && plan->tensors[m->groups[i].of[j]].num_uses > 0)
                status = give_parts(m, merged, plan->tensors[m->groups[i].of[j]].uses[0]);
    return status;
}
