/* Rewriting a plan: chains of launches that a pattern describes give way to one fused launch, which
 * stands where the chain's last one stood. A prologue's launch gives way when everything that reads
 * its result takes it through fused kernels; otherwise it moves to its first reader that is left,
 * which is how the backward pass has a norm computed again. */
#include "plan_fuse.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Launches that a pattern's steps were found in. */
typedef struct {
    const kiln_pattern *pattern;
    kiln_plan_launch *of[KILN_MAX_STEPS];
    int in[KILN_MAX_STEPS]; /* the parameter that takes what the step before gives */
    bool kept[KILN_MAX_STEPS];
    size_t count; /* steps; side steps come last */
    bool stats;   /* the fused kernel stores the prologue's */
} chain;

#define MAX_CONSUMERS 8

/* ---- small things ------------------------------------------------------------------------ */

bool kiln_next_pair(const char **list, char *left, char *right)
{
    if (!*list)
        return false;
    *list += strspn(*list, " ");
    size_t length = strcspn(*list, " "), name = strcspn(*list, "= ");
    if (length == 0 || name >= 24 || length - name > 24)
        return false;
    memcpy(left, *list, name);
    left[name] = '\0';
    right[0] = '\0';
    if (name < length) {
        memcpy(right, *list + name + 1, length - name - 1);
        right[length - name - 1] = '\0';
    }
    *list += length;
    return true;
}

static bool is_row(const kiln_plan_launch *launch, const char *rows)
{
    return kiln_listed(rows, kiln_launch_row(launch));
}

static int parameter_of(const kiln_plan_launch *launch, const char *name)
{
    return launch->kind ? kiln_signature_find(&launch->kind->signature, name) : -1;
}

static int tensor_of(const kiln_plan_launch *launch, const char *name)
{
    int p = parameter_of(launch, name);
    return p >= 0 && !launch->bindings[p].part ? launch->bindings[p].tensor : -1;
}

static bool uses_tensor(const kiln_plan_launch *launch, int tensor, bool writes)
{
    for (size_t p = 0; p < launch->num_bindings; p++)
        if (launch->bindings[p].tensor == tensor &&
            (writes ? kiln_binding_writes(launch, p) : kiln_binding_reads(launch, p)))
            return true;
    return false;
}

kiln_plan_launch *kiln_sole_writer(const kiln_plan *plan, int tensor, size_t *parameter)
{
    kiln_plan_launch *writer = NULL;
    const kiln_plan_tensor *t = &plan->tensors[tensor];
    for (size_t u = 0; u < t->num_uses; u++) {
        if (!uses_tensor(t->uses[u], tensor, true))
            continue;
        if (writer)
            return NULL;
        writer = t->uses[u];
        for (size_t p = 0; p < writer->num_bindings; p++)
            if (writer->bindings[p].tensor == tensor) {
                *parameter = p;
                if (writer->bindings[p].part || kiln_binding_reads(writer, p))
                    return NULL;
            }
    }
    return writer;
}

bool kiln_touched_between(const kiln_plan *plan, int tensor, size_t from, size_t to, bool reads)
{
    const kiln_plan_tensor *t = &plan->tensors[tensor];
    for (size_t u = 0; u < t->num_uses; u++) {
        size_t at = t->uses[u]->position;
        if (at > from && at < to &&
            (uses_tensor(t->uses[u], tensor, true) ||
             (reads && uses_tensor(t->uses[u], tensor, false))))
            return true;
    }
    return false;
}

/* ---- matching ---------------------------------------------------------------------------- */

static bool in_chain(const chain *c, const kiln_plan_launch *launch)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->of[i] == launch)
            return true;
    return false;
}

/* The parameter, one of `names`, that is the whole tensor, which the launch has nowhere else; -1
 * otherwise. */
static int takes(const kiln_plan_launch *launch, const char *names, int tensor)
{
    int found = -1;
    for (size_t p = 0; p < launch->num_bindings; p++) {
        if (launch->bindings[p].tensor != tensor)
            continue;
        if (found >= 0 || launch->bindings[p].part ||
            !kiln_listed(names, launch->kind->signature.parameters[p].name))
            return -1;
        found = (int)p;
    }
    return found;
}

/* The last main step, whose result is the chain's. */
static size_t main_end(const chain *c)
{
    size_t i = c->count - 1;
    while (c->pattern->steps[i].side)
        i--;
    return i;
}

/* Adds step c->count of the pattern, if a launch takes the chain's result as it says. */
static bool extend(kiln_fuser *fuser, chain *c)
{
    const kiln_plan *plan = fuser->plan;
    const kiln_pattern_step *step = &c->pattern->steps[c->count];
    size_t last = main_end(c);
    const kiln_pattern_step *before = &c->pattern->steps[last];
    int tensor = tensor_of(c->of[last], before->out);
    if (tensor < 0)
        return false;
    const kiln_plan_tensor *t = &plan->tensors[tensor];
    kiln_plan_launch *next = NULL;
    for (size_t u = 0; u < t->num_uses; u++) {
        kiln_plan_launch *launch = t->uses[u];
        if (launch == c->of[last])
            continue;
        if (uses_tensor(launch, tensor, true))
            return false;
        if (launch->kind && is_row(launch, step->rows) &&
            launch->position > c->of[last]->position && takes(launch, step->in, tensor) >= 0 &&
            (!next || launch->position < next->position))
            next = launch;
    }
    if (!next)
        return false;
    bool others = t->role != KILN_ROLE_TEMPORARY;
    for (size_t u = 0; u < t->num_uses; u++)
        others |= t->uses[u] != next && !in_chain(c, t->uses[u]);
    if (others && !step->side && !before->keep) {
        snprintf(fuser->why, sizeof fuser->why, "%s of %s is read elsewhere", before->out,
                 c->of[last]->kind->spec.text);
        return false;
    }
    if (!step->side)
        c->kept[last] = before->keep && (others || !before->keep_option);
    c->of[c->count] = next;
    c->in[c->count] = takes(next, step->in, tensor);
    c->count++;
    return true;
}

/* From step `first` at a launch on; as far as the pattern goes. */
static bool match(kiln_fuser *fuser, const kiln_pattern *pattern, size_t first,
                  kiln_plan_launch *launch, chain *c)
{
    if (!launch->kind || !is_row(launch, pattern->steps[first].rows))
        return false;
    c->pattern = pattern;
    c->count = first + 1;
    c->of[first] = launch;
    while (c->count < KILN_MAX_STEPS && pattern->steps[c->count].rows) {
        if (extend(fuser, c))
            continue;
        return pattern->steps[c->count].optional != NULL;
    }
    return true;
}

/* Whether the chain's steps may all happen where its last main one stands. */
static bool may_gather(const kiln_plan *plan, const chain *c, size_t first)
{
    size_t to = c->of[main_end(c)]->position;
    for (size_t i = first; i < c->count; i++) {
        const kiln_plan_launch *launch = c->of[i];
        size_t from = launch->position;
        for (size_t p = 0; p < launch->num_bindings; p++) {
            int tensor = launch->bindings[p].tensor;
            if (tensor < 0)
                continue;
            bool writes = kiln_binding_writes(launch, p);
            for (size_t u = 0; u < plan->tensors[tensor].num_uses; u++) {
                const kiln_plan_launch *other = plan->tensors[tensor].uses[u];
                size_t low = from < to ? from : to, high = from < to ? to : from;
                if (other->position > low && other->position < high && !in_chain(c, other) &&
                    (writes || uses_tensor(other, tensor, true)))
                    return false;
            }
        }
    }
    return true;
}

/* ---- the fused launch -------------------------------------------------------------------- */

/* Where `own` stands on the right of a list of pairs: what it is called on the left. */
static bool renamed(const char *pairs, const char *own, char *fused)
{
    char right[24];
    while (kiln_next_pair(&pairs, fused, right))
        if (strcmp(right, own) == 0)
            return true;
    return false;
}

/* What of a step's canonical spec goes along: dimensions that are listed, and options. */
static void add_words(kiln_text *text, const chain *c, size_t i, const char **dtype)
{
    const kiln_spec *spec = &c->of[i]->kind->spec;
    const char *words = strchr(spec->text, ' ');
    char name[24], value[24], fused[24];
    while (words && kiln_next_pair(&words, name, value)) {
        if (strcmp(name, "dtype") == 0) {
            if (!*dtype)
                kiln_text_addf(text, " dtype=%s", value);
            *dtype = spec->text;
        } else if (renamed(c->pattern->steps[i].options, name, fused)) {
            kiln_text_addf(text, " %s=%s", fused, value);
        } else if (kiln_row_dim(spec->row, name) < 0) {
            kiln_text_addf(text, " %s=%s", name, value);
        }
    }
    if (strcmp(spec->row->name, "matmul_nt") == 0)
        kiln_text_add(text, " layout=nt");
    if (c->pattern->steps[i].optional)
        kiln_text_addf(text, " %s=1", c->pattern->steps[i].optional);
    if (c->kept[i] && c->pattern->steps[i].keep_option)
        kiln_text_addf(text, " %s=1", c->pattern->steps[i].keep_option);
}

static char *fused_spec(const chain *c)
{
    kiln_text text = {0};
    const char *dtype = NULL;
    kiln_text_add(&text, c->pattern->fusion);
    for (size_t i = 0; i < c->count; i++)
        add_words(&text, c, i, &dtype);
    if (c->pattern->fixed)
        kiln_text_addf(&text, " %s", c->pattern->fixed);
    if (c->stats)
        kiln_text_add(&text, " save_stats=1");
    return kiln_text_take(&text);
}

/* The parameter that * stands for. */
static int other_of(const chain *c, size_t i)
{
    const kiln_signature *signature = &c->of[i]->kind->signature;
    for (size_t p = 0; p < signature->count; p++)
        if ((int)p != c->in[i] &&
            kiln_listed(c->pattern->steps[i].in, signature->parameters[p].name))
            return (int)p;
    return -1;
}

static void bind_from(kiln_plan_launch *fused, const char *name, const kiln_plan_launch *from,
                      int parameter)
{
    int p = parameter_of(fused, name);
    if (p >= 0 && parameter >= 0)
        fused->bindings[p] = from->bindings[parameter];
}

static void bind_step(kiln_plan_launch *fused, const chain *c, size_t i)
{
    const kiln_pattern_step *step = &c->pattern->steps[i];
    char name[24], own[24];
    for (const char *pairs = step->args; kiln_next_pair(&pairs, name, own);)
        bind_from(fused, name, c->of[i],
                  strcmp(own, "*") == 0 ? other_of(c, i) : parameter_of(c->of[i], own));
    if (i == main_end(c))
        bind_from(fused, c->pattern->result, c->of[i], parameter_of(c->of[i], step->out));
    else if (c->kept[i])
        bind_from(fused, step->keep, c->of[i], parameter_of(c->of[i], step->out));
    if (!c->stats)
        return;
    for (const char *stats = step->stats; kiln_next_pair(&stats, name, own);)
        bind_from(fused, name, c->of[i], parameter_of(c->of[i], name));
}

static bool all_bound(const kiln_plan_launch *launch)
{
    for (size_t p = 0; p < launch->num_bindings; p++)
        if (launch->kind->signature.parameters[p].kind == KILN_ARG_BUFFER &&
            launch->bindings[p].tensor < 0)
            return false;
    return true;
}

/* The sentence by which a fused launch was refused, for a fusion that is applied nowhere. */
static void say_why(kiln_fuser *fuser)
{
    snprintf(fuser->why, sizeof fuser->why, "%s", kiln_last_error());
}

/* *fused is NULL where the kernel does not do what the chain does. */
static kiln_status make_fused(kiln_fuser *fuser, const chain *c, kiln_plan_launch **fused)
{
    kiln_plan *plan = fuser->plan;
    *fused = NULL;
    kiln_plan_kind *kind;
    char *spec = fused_spec(c);
    kiln_status status = spec ? kiln_plan_kind_find(plan, spec, &kind) : kiln_fail_memory();
    free(spec);
    if (status == KILN_INVALID_SPEC) {
        say_why(fuser);
        return KILN_OK;
    }
    if (status != KILN_OK)
        return status;
    kiln_plan_launch *launch = kiln_launch_make(kind);
    if (!launch)
        return kiln_fail_memory();
    for (size_t i = 0; i < c->count; i++)
        bind_step(launch, c, i);
    launch->layer = c->of[main_end(c)]->layer;
    launch->phase = c->of[main_end(c)]->phase;
    if (all_bound(launch))
        status = kiln_launch_check(plan, launch);
    if (!all_bound(launch) || status == KILN_INVALID_LAUNCH) {
        if (status != KILN_OK)
            say_why(fuser);
        kiln_launch_free(launch);
        return KILN_OK;
    }
    *fused = launch;
    return status;
}

/* The same, without optional steps at the end if it does not fit with them. */
static kiln_status make_longest(kiln_fuser *fuser, chain *c, size_t first, kiln_plan_launch **fused)
{
    kiln_status status = KILN_OK;
    *fused = NULL;
    for (;;) {
        if (may_gather(fuser->plan, c, first))
            status = make_fused(fuser, c, fused);
        if (status != KILN_OK || *fused || !c->pattern->steps[c->count - 1].optional)
            return status;
        c->count--;
    }
}

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
static kiln_status replace(kiln_plan *plan, const chain *c, size_t first, kiln_plan_launch *fused)
{
    kiln_status status = kiln_plan_insert(plan, fused, c->of[main_end(c)]->position);
    for (size_t i = first; i < c->count && status == KILN_OK; i++) {
        kiln_plan_remove(plan, c->of[i]);
        kiln_launch_free(c->of[i]);
    }
    return status;
}

static kiln_status fuse_chain(kiln_fuser *fuser, const kiln_pattern *pattern,
                              kiln_plan_launch *launch)
{
    chain c = {0};
    kiln_plan_launch *fused;
    if (!match(fuser, pattern, 0, launch, &c))
        return KILN_OK;
    kiln_status status = make_longest(fuser, &c, 0, &fused);
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
    chain of[MAX_CONSUMERS];
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
            chain *c = &all->of[all->count];
            *c = (chain){0};
            if (strcmp(p->fusion, fusion) != 0 || !launch->kind || launch == prologue ||
                !is_row(launch, p->steps[1].rows) || takes(launch, p->steps[1].in, result) < 0 ||
                !match(fuser, p, 1, launch, c))
                continue;
            c->of[0] = prologue;
            status = make_longest(fuser, c, 1, &all->fused[all->count]);
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
        if (all->of[i].of[main_end(&all->of[i])]->position > last)
            last = all->of[i].of[main_end(&all->of[i])]->position;
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
    return make_fused(fuser, &all->of[first], &all->fused[first]);
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
    if (!prologue->kind || !is_row(prologue, step->rows))
        return KILN_OK;
    size_t parameter;
    int result = tensor_of(prologue, step->out);
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
