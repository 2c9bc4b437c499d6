/* qkv_projection: three products over the same rows become one, and so their weights become one
 * tensor, q's columns before k's before v's. The gradients, moments and master copies follow, with
 * one update in place of three; products of the backward pass take blocks of columns of it, by ldb
 * and ldc. The tensors' old names remain, as parts. */
#include "plan_fuse.h"
#include <stdlib.h>
#include <string.h>

enum { Q, K, V, THREE };

#define MAX_GROUPS 12 /* tensors by three: w, b; of each gradient, moments, master copy */
#define MAX_GONE   24 /* launches that go */

/* Three tensors that become one. */
typedef struct {
    int of[THREE];
    int64_t columns[THREE], total, rows;
} group;

/* Launches of one kind, one for each of three tensors, that become one. */
typedef struct {
    kiln_plan_launch *of[THREE];
    kiln_plan_launch *merged;
} trio;

typedef struct {
    kiln_plan *plan;
    kiln_plan_launch *attention;
    kiln_plan_launch *product[THREE], *bias[THREE];
    int result[THREE]; /* what the fused kernel writes */
    group groups[MAX_GROUPS];
    size_t num_groups;
    trio trios[2 * MAX_GROUPS];
    size_t num_trios;
    kiln_plan_launch *fused;
    const char *why; /* it is not done */
} merge;

static int argument(const kiln_plan_launch *launch, const char *name)
{
    int p = launch->kind ? kiln_signature_find(&launch->kind->signature, name) : -1;
    return p >= 0 && !launch->bindings[p].part ? launch->bindings[p].tensor : -1;
}

static bool is(const kiln_plan_launch *launch, const char *row)
{
    return strcmp(kiln_launch_row(launch), row) == 0;
}

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
static bool trace(merge *m, int which, const char *name)
{
    const kiln_plan *plan = m->plan;
    size_t parameter;
    int tensor = argument(m->attention, name);
    kiln_plan_launch *writer = tensor >= 0 ? kiln_sole_writer(plan, tensor, &parameter) : NULL;
    if (writer && is(writer, "rope")) {
        tensor = argument(writer, "x");
        writer = tensor >= 0 ? kiln_sole_writer(plan, tensor, &parameter) : NULL;
    }
    m->result[which] = tensor;
    if (writer && is(writer, "bias_add")) {
        m->bias[which] = writer;
        tensor = argument(writer, "x");
        writer = tensor >= 0 ? kiln_sole_writer(plan, tensor, &parameter) : NULL;
        if (!writer || !read_by(plan, tensor, writer, m->bias[which]))
            return false;
    }
    m->product[which] = writer;
    return writer && is(writer, "matmul") && argument(writer, "a") >= 0 &&
           argument(writer, "b") >= 0 && argument(writer, "c") == tensor;
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

static bool find_products(merge *m)
{
    static const char *const names[] = {"q", "k", "v"};
    for (int i = 0; i < THREE; i++)
        if (!trace(m, i, names[i]) || !plain(m->product[i]) ||
            argument(m->product[i], "a") != argument(m->product[Q], "a") ||
            (m->bias[i] != NULL) != (m->bias[Q] != NULL))
            return false;
    return m->product[Q] != m->product[K] && m->product[Q] != m->product[V] &&
           m->product[K] != m->product[V];
}

/* ---- what has to be merged --------------------------------------------------------------- */

static bool add_group(merge *m, const int *tensors)
{
    group *g = &m->groups[m->num_groups];
    const kiln_plan_tensor *first = &m->plan->tensors[tensors[Q]];
    for (size_t i = 0; i < m->num_groups; i++)
        if (m->groups[i].of[Q] == tensors[Q])
            return memcmp(m->groups[i].of, tensors, sizeof m->groups[i].of) == 0;
    if (m->num_groups == MAX_GROUPS)
        return false;
    *g = (group){.rows = first->rank == 2 ? first->extents[0] : 1};
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
        if (!is(t->uses[u], row))
            continue;
        if (found)
            return NULL;
        found = t->uses[u];
    }
    return found;
}

/* Whether three launches of adamw, or of grad_norm, do the same to three tensors: what they bind
 * besides is equal, but for the clip that grad_norm writes. */
static bool add_trio(merge *m, kiln_plan_launch *const *launches)
{
    trio *t = &m->trios[m->num_trios];
    for (size_t i = 0; i < m->num_trios; i++)
        if (m->trios[i].of[Q] == launches[Q])
            return true;
    if (m->num_trios == 2 * MAX_GROUPS)
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
        bool clip = is(first, "grad_norm") && strcmp(parameter->name, "clip") == 0;
        if (!equal && !clip && (tensors[Q] < 0 || !add_group(m, tensors)))
            return false;
    }
    memcpy(t->of, launches, sizeof t->of);
    m->num_trios++;
    return true;
}

/* Every launch that has a tensor of the group can do with a part of the merged one, or becomes one
 * with its siblings. */
static bool check_users(merge *m, size_t index)
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
            if (is(launch, "adamw") || is(launch, "grad_norm") || launch == m->product[i] ||
                launch == m->bias[i])
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
static bool undisturbed(const merge *m, const trio *t)
{
    int sum = argument(t->of[Q], "sumsq");
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
static bool find_groups(merge *m)
{
    int weights[THREE], biases[THREE];
    for (int i = 0; i < THREE; i++) {
        weights[i] = argument(m->product[i], "b");
        biases[i] = m->bias[i] ? argument(m->bias[i], "bias") : -1;
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

/* ---- merged tensors ---------------------------------------------------------------------- */

/* "layer0.wqkv" of layer0.wq, .wk and .wv, "layer0.wqkv.m" of their .m; else the names in a row. */
static char *merged_name(const kiln_plan *plan, const group *g)
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

static kiln_status merge_group(merge *m, const group *g, int *merged)
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
static void rebind(const merge *m, const int *merged, kiln_binding *binding, int64_t *row_length)
{
    for (size_t i = 0; i < m->num_groups; i++) {
        const group *g = &m->groups[i];
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
static kiln_status give_parts(const merge *m, const int *merged, kiln_plan_launch *launch)
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

static int group_of(const merge *m, int tensor)
{
    for (size_t i = 0; i < m->num_groups; i++)
        if (m->groups[i].of[Q] == tensor)
            return (int)i;
    return -1;
}

/* One launch over the merged tensors; a norm's clip is the last one's. */
static kiln_status merge_trio(const merge *m, const int *merged, trio *t)
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
        else if (is(first, "grad_norm") && first->bindings[p].tensor >= 0)
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

/* ---- the fused product --------------------------------------------------------------------- */

static kiln_status make_fused(merge *m)
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

static void bind(kiln_plan_launch *launch, const char *name, int tensor)
{
    int p = kiln_signature_find(&launch->kind->signature, name);
    if (p >= 0)
        launch->bindings[p].tensor = tensor;
}

/* Nothing between the launches and the place of the last of them reads what they write, or writes
 * what they read. */
static bool may_gather(const merge *m, kiln_plan_launch *const *old, size_t count)
{
    size_t first = SIZE_MAX, last = 0;
    for (size_t i = 0; i < count; i++) {
        first = old[i]->position < first ? old[i]->position : first;
        last = old[i]->position > last ? old[i]->position : last;
    }
    for (int i = 0; i < THREE; i++)
        if (kiln_touched_between(m->plan, argument(m->product[i], "a"), first, last, false) ||
            kiln_touched_between(m->plan, argument(m->product[i], "b"), first, last, false))
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

static kiln_status apply(merge *m, kiln_plan_launch *const *old, size_t count)
{
    kiln_plan *plan = m->plan;
    int merged[MAX_GROUPS], a = argument(m->product[Q], "a");
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < m->num_groups && status == KILN_OK; i++)
        status = merge_group(m, &m->groups[i], &merged[i]);
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
        status = merge_trio(m, merged, &m->trios[i]);
        if (status == KILN_OK)
            status = replace(plan, m->trios[i].of, THREE, m->trios[i].merged);
    }
    for (size_t i = 0; i < m->num_groups && status == KILN_OK; i++)
        for (int j = 0; j < THREE && status == KILN_OK; j++)
            while (status == KILN_OK && plan->tensors[m->groups[i].of[j]].num_uses > 0)
                status = give_parts(m, merged, plan->tensors[m->groups[i].of[j]].uses[0]);
    return status;
}

static kiln_status fuse_attention(kiln_fuser *fuser, kiln_plan_launch *attention)
{
    merge m = {.plan = fuser->plan, .attention = attention};
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
    return apply(&m, old, count);
}

kiln_status kiln_fuse_qkv(kiln_fuser *fuser)
{
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < fuser->plan->num_launches && status == KILN_OK; i++) {
        kiln_plan_launch *launch = fuser->plan->launches[i];
        size_t applied = fuser->applied;
        if (is(launch, "flash_attention"))
            status = fuse_attention(fuser, launch);
        if (fuser->applied != applied)
            i = launch->position; /* launches before it have gone */
    }
    return status;
}
