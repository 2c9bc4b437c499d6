/* Where a plan's tensors are in memory. A temporary lives from the first launch that touches it to
 * the last. Temporaries are placed largest first, each at the lowest place that is free during all
 * of its life; an output that may be in place of an input which nobody needs any more takes its
 * memory over. */
#include "plan.h"
#include <stdlib.h>

#define ALIGNMENT 256

/* Tensors that share memory by standing in one another's place. */
typedef struct {
    uint64_t bytes;
    size_t first, last;
    int tensor; /* the first of them */
    int arena;
    uint64_t offset;
} block;

typedef struct {
    const kiln_plan *plan;
    kiln_plan_layout *layout;
    uint64_t limit;
    int *block_of; /* as the tensors; -1: none */
    block *blocks;
    size_t num_blocks;
    block **placed; /* of all arenas, by offset */
    size_t num_placed;
} work;

uint64_t kiln_tensor_bytes(const kiln_plan_tensor *tensor)
{
    return (uint64_t)tensor->elements * kiln_dtype_size(tensor->dtype);
}

/* ---- lifetimes --------------------------------------------------------------------------- */

static void find_lives(const kiln_plan *plan, kiln_plan_layout *layout)
{
    for (size_t i = 0; i < plan->num_tensors; i++) {
        kiln_placed *placed = &layout->of[i];
        *placed = (kiln_placed){.first = SIZE_MAX, .last = 0, .arena = -1};
        for (size_t u = 0; u < plan->tensors[i].num_uses; u++) {
            size_t at = plan->tensors[i].uses[u]->position;
            placed->first = at < placed->first ? at : placed->first;
            placed->last = at > placed->last ? at : placed->last;
        }
    }
}

/* How often a launch binds a tensor. */
static int times_bound(const kiln_plan_launch *launch, int tensor)
{
    int count = 0;
    for (size_t p = 0; p < launch->num_bindings; p++)
        count += launch->bindings[p].tensor == tensor;
    return count;
}

/* The temporary in whose place binding `out` of the launch may stand, -1 if there is none: it is
 * as large, whole, bound once, and dies here. */
static int place_of(const work *w, const kiln_plan_launch *launch, size_t out)
{
    int written = launch->bindings[out].tensor;
    if (launch->bindings[out].part || times_bound(launch, written) != 1)
        return -1;
    for (size_t in = 0; in < launch->num_bindings; in++) {
        int tensor = launch->bindings[in].tensor;
        if (tensor < 0 || in == out || launch->bindings[in].part ||
            w->plan->tensors[tensor].role != KILN_ROLE_TEMPORARY ||
            w->layout->of[tensor].last != launch->position || times_bound(launch, tensor) != 1 ||
            kiln_tensor_bytes(&w->plan->tensors[tensor]) !=
                kiln_tensor_bytes(&w->plan->tensors[written]) ||
            !kiln_may_be(launch, out, in))
            continue;
        return tensor;
    }
    return -1;
}

static void add_block(work *w, int tensor)
{
    const kiln_placed *life = &w->layout->of[tensor];
    uint64_t bytes = kiln_tensor_bytes(&w->plan->tensors[tensor]);
    w->block_of[tensor] = (int)w->num_blocks;
    w->blocks[w->num_blocks++] = (block){
        (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, life->first, life->last, tensor, -1, 0};
}

/* In the order of the launches, so that chains of launches in place become one block. */
static void make_blocks(work *w)
{
    const kiln_plan *plan = w->plan;
    for (size_t i = 0; i < plan->num_launches; i++) {
        const kiln_plan_launch *launch = plan->launches[i];
        for (size_t p = 0; p < launch->num_bindings; p++) {
            int tensor = launch->bindings[p].tensor;
            if (tensor < 0 || plan->tensors[tensor].role != KILN_ROLE_TEMPORARY ||
                w->block_of[tensor] >= 0)
                continue;
            int before = kiln_binding_writes(launch, p) ? place_of(w, launch, p) : -1;
            /* Two outputs may not both take one input's place: the first has made its life longer.
             */
            block *taken = before >= 0 ? &w->blocks[w->block_of[before]] : NULL;
            if (!taken || taken->last != i) {
                add_block(w, tensor);
                continue;
            }
            w->block_of[tensor] = w->block_of[before];
            taken->last = w->layout->of[tensor].last;
            if (taken->last == i) /* nobody reads it */
                taken->last = i + 1;
        }
    }
}

/* ---- placing ----------------------------------------------------------------------------- */

static int larger_first(const void *a, const void *b)
{
    const block *x = *(block *const *)a, *y = *(block *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* The lowest place in an arena that is free from first to last. */
static uint64_t lowest_place(const work *w, const block *b, int arena)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < w->num_placed; i++) {
        const block *other = w->placed[i];
        if (other->arena != arena || other->last < b->first || other->first > b->last ||
            other->offset + other->bytes <= offset)
            continue;
        if (other->offset >= offset + b->bytes)
            break;
        offset = other->offset + other->bytes;
    }
    return offset;
}

static kiln_status add_arena(kiln_plan_layout *layout)
{
    uint64_t *arenas = realloc(layout->arenas, (layout->num_arenas + 1) * sizeof *arenas);
    if (!arenas)
        return kiln_fail_memory();
    layout->arenas = arenas;
    layout->arenas[layout->num_arenas++] = 0;
    return KILN_OK;
}

static kiln_status place(work *w, block *b)
{
    kiln_plan_layout *layout = w->layout;
    for (int arena = 0;; arena++) {
        if ((size_t)arena == layout->num_arenas) {
            kiln_status status = add_arena(layout);
            if (status != KILN_OK)
                return status;
        }
        b->offset = lowest_place(w, b, arena);
        bool alone = layout->arenas[arena] == 0;
        if (!alone && (b->bytes > w->limit || b->offset > w->limit - b->bytes))
            continue;
        b->arena = arena;
        if (b->offset + b->bytes > layout->arenas[arena])
            layout->arenas[arena] = b->offset + b->bytes;
        break;
    }
    size_t at = w->num_placed++;
    for (; at > 0 && w->placed[at - 1]->offset > b->offset; at--)
        w->placed[at] = w->placed[at - 1];
    w->placed[at] = b;
    return KILN_OK;
}

static kiln_status place_all(work *w)
{
    block **order = malloc((w->num_blocks + 1) * sizeof *order);
    w->placed = malloc((w->num_blocks + 1) * sizeof *w->placed);
    kiln_status status = order && w->placed ? KILN_OK : kiln_fail_memory();
    for (size_t i = 0; i < w->num_blocks && status == KILN_OK; i++)
        order[i] = &w->blocks[i];
    if (status == KILN_OK)
        qsort(order, w->num_blocks, sizeof(block *), larger_first);
    for (size_t i = 0; i < w->num_blocks && status == KILN_OK; i++)
        status = place(w, order[i]);
    free(order);
    return status;
}

static kiln_status lay_out(work *w)
{
    size_t count = w->plan->num_tensors;
    w->layout->of = malloc((count + 1) * sizeof *w->layout->of);
    w->block_of = malloc((count + 1) * sizeof *w->block_of);
    w->blocks = malloc((count + 1) * sizeof *w->blocks);
    if (!w->layout->of || !w->block_of || !w->blocks)
        return kiln_fail_memory();
    for (size_t i = 0; i < count; i++)
        w->block_of[i] = -1;
    find_lives(w->plan, w->layout);
    make_blocks(w);
    kiln_status status = place_all(w);
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        const kiln_plan_tensor *tensor = &w->plan->tensors[i];
        double bytes = (double)kiln_tensor_bytes(tensor);
        if (tensor->stored != (int)i)
            continue;
        if (tensor->role != KILN_ROLE_TEMPORARY)
            w->layout->persistent += bytes;
        if (tensor->role != KILN_ROLE_TEMPORARY || w->block_of[i] >= 0)
            w->layout->unshared += bytes;
        if (w->block_of[i] >= 0) {
            w->layout->of[i].arena = w->blocks[w->block_of[i]].arena;
            w->layout->of[i].offset = w->blocks[w->block_of[i]].offset;
        }
    }
    return status;
}

kiln_status kiln_layout_make(const kiln_plan *plan, uint64_t limit, kiln_plan_layout *layout)
{
    *layout = (kiln_plan_layout){0};
    work w = {.plan = plan, .layout = layout, .limit = limit};
    kiln_status status = lay_out(&w);
    free(w.block_of);
    free(w.blocks);
    free(w.placed);
    if (status != KILN_OK)
        kiln_layout_free(layout);
    return status;
}

void kiln_layout_free(kiln_plan_layout *layout)
{
    free(layout->of);
    free(layout->arenas);
    *layout = (kiln_plan_layout){0};
}

double kiln_layout_bytes(const kiln_plan_layout *layout)
{
    double bytes = layout->persistent;
    for (size_t i = 0; i < layout->num_arenas; i++)
        bytes += (double)layout->arenas[i];
    return bytes;
}
