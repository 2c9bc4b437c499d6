/* Rewriting a plan: chains of launches that a pattern describes give way to one fused launch, which
 * stands where the chain's last one stood. A prologue's launch gives way when everything that reads
 * its result takes it through fused kernels; otherwise it moves to its first reader that is left,
 * which is how the backward pass has a norm computed again. */
#include "plan_fuse.h"
#include <stdlib.h>
#include <string.h>

#define MAX_CONSUMERS 8

/* ---- deciding ---------------------------------------------------------------------------- */

kiln_status kiln_fuser_decides(kiln_fuser *fuser, const char *fusion, const kiln_plan_launch *where,
                               double before, double after, bool *apply)
{
    *apply = true;
    if (!fuser->rates || after <= before)
        return KILN_OK;
    *apply = fuser->force;
    fuser->refused += !fuser->force;
    return kiln_plan_add_note(fuser->plan,
                              "%s at %s (%s): predicted to take %.4g us, %.4g us unfused: %s",
                              fusion, kiln_launch_row(where), where->kind->spec.text, 1e6 * after,
                              1e6 * before, fuser->force ? "kept by force" : "refused");
}

static double seconds(const kiln_fuser *fuser, const kiln_plan_launch *launch)
{
    return kiln_launch_seconds(fuser->plan, launch, fuser->rates);
}

/* ---- chains ------------------------------------------------------------------------------ */

/* The fused launch takes the place of the chain's last main step. */
static kiln_status replace(kiln_plan *plan, const kiln_chain *c, size_t first,
                           kiln_plan_launch *fused)
{
    kiln_status status = kiln_plan_insert(plan, fused, c->of[kiln_chain_end(c)]->position);
    for (size_t i = first; i < c->count && status == KILN_OK; i++) {
        kiln_plan_remove(plan, c->of[i]);
        kiln_launch_free(c->of[i]);
    }
    return status;
}

static kiln_status fuse_chain(kiln_fuser *fuser, const kiln_pattern *pattern,
                              kiln_plan_launch *launch)
{
    kiln_chain c = {0};
    kiln_plan_launch *fused;
    if (!kiln_chain_match(fuser, pattern, 0, launch, &c))
        return KILN_OK;
    kiln_status status = kiln_chain_make_longest(fuser, &c, 0, &fused);
    if (status != KILN_OK || !fused)
        return status;
    double before = 0;
    bool apply;
    for (size_t i = 0; i < c.count; i++)
        before += seconds(fuser, c.of[i]);
    status =
        kiln_fuser_decides(fuser, pattern->fusion, launch, before, seconds(fuser, fused), &apply);
    if (status != KILN_OK || !apply) {
        kiln_launch_free(fused);
        return status;
    }
    fuser->applied++;
    return replace(fuser->plan, &c, 0, fused);
}

/* ---- prologues --------------------------------------------------------------------------- */

typedef struct {
    kiln_chain of[MAX_CONSUMERS];
    kiln_plan_launch *fused[MAX_CONSUMERS];
    size_t count;
} consumers;

static kiln_plan_launch *consumer_of(const consumers *all, const kiln_plan_launch *launch)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->of[i].of[1] == launch)
            return all->of[i].of[1];
    return NULL;
}

/* The first launch that reads one of the prologue's outputs and is no consumer; NULL if there is
 * none. */
static kiln_plan_launch *first_other(const kiln_plan *plan, const kiln_plan_launch *prologue,
                                     const consumers *all, const char *output)
{
    kiln_plan_launch *first = NULL;
    for (size_t p = 0; p < prologue->num_bindings; p++) {
        if (!kiln_binding_writes(prologue, p) ||
            (output && strcmp(prologue->kind->signature.parameters[p].name, output) != 0))
            continue;
        const kiln_plan_tensor *t = &plan->tensors[prologue->bindings[p].tensor];
        for (size_t u = 0; u < t->num_uses; u++)
            if (t->uses[u] != prologue && !consumer_of(all, t->uses[u]) &&
                (!first || t->uses[u]->position < first->position))
                first = t->uses[u];
    }
    return first;
}

/* The launches that take the prologue's result into a product. */
static kiln_status find_consumers(kiln_fuser *fuser, const char *fusion, kiln_plan_launch *prologue,
                                  int result, consumers *all)
{
    const kiln_plan_tensor *t = &fuser->plan->tensors[result];
    kiln_status status = KILN_OK;
    for (size_t u = 0; u < t->num_uses && all->count < MAX_CONSUMERS && status == KILN_OK; u++) {
        kiln_plan_launch *launch = t->uses[u];
        for (const kiln_pattern *p = kiln_patterns; p->fusion && status == KILN_OK; p++) {
            kiln_chain *c = &all->of[all->count];
            *c = (kiln_chain){0};
            if (strcmp(p->fusion, fusion) != 0 || !launch->kind || launch == prologue ||
                !kiln_is_row(launch, p->steps[1].rows) ||
                kiln_takes(launch, p->steps[1].in, result) < 0 ||
                !kiln_chain_match(fuser, p, 1, launch, c))
                continue;
            c->of[0] = prologue;
            status = kiln_chain_make_longest(fuser, c, 1, &all->fused[all->count]);
            if (status == KILN_OK && all->fused[all->count]) {
                all->count++;
                break;
            }
        }
    }
    return status;
}

/* Inputs are as they were when the prologue stood in its place. */
static bool inputs_last(const kiln_plan *plan, const kiln_plan_launch *prologue, size_t until)
{
    for (size_t p = 0; p < prologue->num_bindings; p++)
        if (kiln_binding_reads(prologue, p) &&
            kiln_touched_between(plan, prologue->bindings[p].tensor, prologue->position, until,
                                 false))
            return false;
    return true;
}

static size_t last_position(const consumers *all)
{
    size_t last = 0;
    for (size_t i = 0; i < all->count; i++)
        if (all->of[i].of[kiln_chain_end(&all->of[i])]->position > last)
            last = all->of[i].of[kiln_chain_end(&all->of[i])]->position;
    return last;
}

/* The first consumer stores the statistics, when nothing but they is read elsewhere. */
static kiln_status save_stats(kiln_fuser *fuser, consumers *all)
{
    size_t first = 0;
    for (size_t i = 1; i < all->count; i++)
        if (all->of[i].of[1]->position < all->of[first].of[1]->position)
            first = i;
    kiln_launch_free(all->fused[first]);
    all->of[first].stats = true;
    return kiln_chain_make(fuser, &all->of[first], &all->fused[first]);
}

static bool all_fused(const consumers *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (!all->fused[i])
            return false;
    return all->count > 0;
}

static void free_fused(consumers *all)
{
    for (size_t i = 0; i < all->count; i++)
        kiln_launch_free(all->fused[i]);
}

/* moved: where the prologue goes, NULL: it is not needed any more. */
static kiln_status apply_prologue(kiln_fuser *fuser, consumers *all, kiln_plan_launch *prologue,
                                  const kiln_plan_launch *moved)
{
    kiln_plan *plan = fuser->plan;
    kiln_status status = KILN_OK;
    fuser->applied += all->count;
    for (size_t i = 0; i < all->count && status == KILN_OK; i++)
        status = replace(plan, &all->of[i], 1, all->fused[i]);
    if (status != KILN_OK)
        return status;
    kiln_plan_remove(plan, prologue);
    if (!moved) {
        kiln_launch_free(prologue);
        return KILN_OK;
    }
    prologue->layer = moved->layer;
    prologue->phase = moved->phase;
    status = kiln_plan_insert(plan, prologue, moved->position);
    if (status != KILN_OK)
        kiln_launch_free(prologue);
    return status;
}

static kiln_status fuse_prologue(kiln_fuser *fuser, const kiln_pattern *pattern,
                                 kiln_plan_launch *prologue)
{
    kiln_plan *plan = fuser->plan;
    const kiln_pattern_step *step = &pattern->steps[0];
    if (!prologue->kind || !kiln_is_row(prologue, step->rows))
        return KILN_OK;
    size_t parameter;
    int result = kiln_whole_tensor(prologue, step->out);
    if (result < 0 || plan->tensors[result].role != KILN_ROLE_TEMPORARY ||
        kiln_sole_writer(plan, result, &parameter) != prologue)
        return KILN_OK;
    consumers all = {.count = 0};
    kiln_status status = find_consumers(fuser, pattern->fusion, prologue, result, &all);
    kiln_plan_launch *moved = NULL;
    if (status == KILN_OK && all.count > 0) {
        if (first_other(plan, prologue, &all, step->out))
            moved = first_other(plan, prologue, &all, NULL);
        else if (first_other(plan, prologue, &all, NULL))
            status = save_stats(fuser, &all);
    }
    size_t until =
        moved && moved->position > last_position(&all) ? moved->position : last_position(&all);
    if (status != KILN_OK || !all_fused(&all) || !inputs_last(plan, prologue, until) ||
        (moved && moved->position < last_position(&all))) {
        free_fused(&all);
        return status;
    }
    double before = seconds(fuser, prologue), after = moved ? before : 0;
    bool apply;
    for (size_t i = 0; i < all.count; i++) {
        after += seconds(fuser, all.fused[i]);
        for (size_t s = 1; s < all.of[i].count; s++)
            before += seconds(fuser, all.of[i].of[s]);
    }
    status = kiln_fuser_decides(fuser, pattern->fusion, prologue, before, after, &apply);
    if (status != KILN_OK || !apply) {
        free_fused(&all);
        return status;
    }
    return apply_prologue(fuser, &all, prologue, moved);
}

/* ---- all of it --------------------------------------------------------------------------- */

/* The patterns of one fusion, at every launch of the plan. The list changes under the loop: a fused
 * launch stands where the last of its chain stood, so that what comes behind `i` is still there. */
static kiln_status fuse_patterns(kiln_fuser *fuser, const char *fusion)
{
    kiln_status status = KILN_OK;
    for (const kiln_pattern *p = kiln_patterns; p->fusion && status == KILN_OK; p++) {
        if (strcmp(p->fusion, fusion) != 0)
            continue;
        for (size_t i = 0; i < fuser->plan->num_launches && status == KILN_OK; i++) {
            kiln_plan_launch *launch = fuser->plan->launches[i];
            size_t applied = fuser->applied;
            status = p->prologue ? fuse_prologue(fuser, p, launch) : fuse_chain(fuser, p, launch);
            if (fuser->applied != applied)
                i--; /* what stands here now has not been looked at */
        }
        if (p->prologue)
            break; /* its patterns are looked at together */
    }
    return status;
}

static const char *const fusions[] = {
    "qkv_projection",       "matmul_bias_gelu", "matmul_bias_residual", "matmul_swiglu",
    "matmul_gelu_backward", "layernorm_matmul", "rmsnorm_matmul",       "gelu_matmul",
    "residual_layernorm",   "residual_rmsnorm"};

#define NUM_FUSIONS (sizeof fusions / sizeof *fusions)

static const struct {
    const char *name, *fusions;
} sets[] = {
    {"none", ""},
    {"top3", "matmul_bias_gelu|matmul_bias_residual|layernorm_matmul"},
    {"top5", "matmul_bias_gelu|matmul_bias_residual|layernorm_matmul|qkv_projection|gelu_matmul"},
    {"all", NULL},
};

#define NUM_SETS (sizeof sets / sizeof *sets)

const char *kiln_fusion_name(size_t index)
{
    return index < NUM_FUSIONS ? fusions[index] : NULL;
}

static const char *choice_name(void *user, size_t index)
{
    (void)user;
    return index < NUM_FUSIONS              ? fusions[index]
           : index < NUM_FUSIONS + NUM_SETS ? sets[index - NUM_FUSIONS].name
                                            : NULL;
}

/* A word of the list: a fusion's name, or a set's. */
static kiln_status choose(const char *word, bool *chosen)
{
    bool found = false;
    for (size_t s = 0; s < NUM_SETS; s++) {
        if (strcmp(sets[s].name, word) != 0)
            continue;
        found = true;
        for (size_t i = 0; i < NUM_FUSIONS; i++)
            chosen[i] |= !sets[s].fusions || kiln_listed(sets[s].fusions, fusions[i]);
    }
    for (size_t i = 0; i < NUM_FUSIONS; i++) {
        if (strcmp(fusions[i], word) != 0)
            continue;
        found = true;
        chosen[i] = true;
    }
    if (found)
        return KILN_OK;
    kiln_text message = {0};
    kiln_text_addf(&message, "there is no fusion `%s'", word);
    kiln_suggest(&message, word, choice_name, NULL);
    kiln_text_add(&message, "; there are none, top3, top5, all");
    for (size_t i = 0; i < NUM_FUSIONS; i++)
        kiln_text_addf(&message, ", %s", fusions[i]);
    return kiln_fail_text(KILN_INVALID_ARGUMENT, &message);
}

static kiln_status choose_all(const char *list, bool *chosen)
{
    char *copy = kiln_strdup(list), *rest = NULL;
    if (!copy)
        return kiln_fail_memory();
    kiln_status status = KILN_OK;
    for (char *word = strtok_r(copy, ", ", &rest); word && status == KILN_OK;
         word = strtok_r(NULL, ", ", &rest))
        status = choose(word, chosen);
    free(copy);
    return status;
}

static kiln_status fuse(kiln_fuser *fuser, const char *fusion)
{
    fuser->applied = fuser->refused = 0;
    fuser->why[0] = '\0';
    if (!kiln_row_find(fusion))
        return kiln_plan_add_note(fuser->plan, "%s: kiln has no such kernel", fusion);
    kiln_status status =
        strcmp(fusion, "qkv_projection") == 0 ? kiln_fuse_qkv(fuser) : fuse_patterns(fuser, fusion);
    if (status == KILN_OK && !fuser->applied && !fuser->refused)
        status = kiln_plan_add_note(fuser->plan, "%s: fits nowhere in this plan%s%s", fusion,
                                    *fuser->why ? ": " : "", fuser->why);
    return status;
}

kiln_status kiln_plan_fuse(kiln_plan *plan, const char *list, const kiln_device_rates *rates,
                           int force)
{
    if (!plan || !list)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_plan_fuse: plan and fusions must not be NULL");
    bool chosen[NUM_FUSIONS] = {false};
    kiln_fuser fuser = {.plan = plan, .rates = rates, .force = force != 0};
    kiln_status status = choose_all(list, chosen);
    for (size_t i = 0; i < NUM_FUSIONS && status == KILN_OK; i++)
        if (chosen[i])
            status = fuse(&fuser, fusions[i]);
    return status == KILN_OK ? kiln_plan_verify(plan) : status;
}
