/* Finding the launches that a pattern describes, and making the fused launch that does the same. */
#include "plan_fuse.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

bool kiln_is_row(const kiln_plan_launch *launch, const char *rows)
{
    return kiln_listed(rows, kiln_launch_row(launch));
}

static int parameter_of(const kiln_plan_launch *launch, const char *name)
{
    return launch->kind ? kiln_signature_find(&launch->kind->signature, name) : -1;
}

int kiln_whole_tensor(const kiln_plan_launch *launch, const char *name)
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

static bool in_chain(const kiln_chain *c, const kiln_plan_launch *launch)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->of[i] == launch)
            return true;
    return false;
}

int kiln_takes(const kiln_plan_launch *launch, const char *names, int tensor)
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

size_t kiln_chain_end(const kiln_chain *c)
{
    size_t i = c->count - 1;
    while (c->pattern->steps[i].side)
        i--;
    return i;
}

/* Adds step c->count of the pattern, if a launch takes the chain's result as it says. */
static bool extend(kiln_fuser *fuser, kiln_chain *c)
{
    const kiln_plan *plan = fuser->plan;
    const kiln_pattern_step *step = &c->pattern->steps[c->count];
    size_t last = kiln_chain_end(c);
    const kiln_pattern_step *before = &c->pattern->steps[last];
    int tensor = kiln_whole_tensor(c->of[last], before->out);
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
        if (launch->kind && kiln_is_row(launch, step->rows) &&
            launch->position > c->of[last]->position && kiln_takes(launch, step->in, tensor) >= 0 &&
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
    c->in[c->count] = kiln_takes(next, step->in, tensor);
    c->count++;
    return true;
}

bool kiln_chain_match(kiln_fuser *fuser, const kiln_pattern *pattern, size_t first,
                      kiln_plan_launch *launch, kiln_chain *c)
{
    if (!launch->kind || !kiln_is_row(launch, pattern->steps[first].rows))
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
static bool may_gather(const kiln_plan *plan, const kiln_chain *c, size_t first)
{
    size_t to = c->of[kiln_chain_end(c)]->position;
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
static void add_words(kiln_text *text, const kiln_chain *c, size_t i, const char **dtype)
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

static char *fused_spec(const kiln_chain *c)
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
static int other_of(const kiln_chain *c, size_t i)
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

static void bind_step(kiln_plan_launch *fused, const kiln_chain *c, size_t i)
{
    const kiln_pattern_step *step = &c->pattern->steps[i];
    char name[24], own[24];
    for (const char *pairs = step->args; kiln_next_pair(&pairs, name, own);)
        bind_from(fused, name, c->of[i],
                  strcmp(own, "*") == 0 ? other_of(c, i) : parameter_of(c->of[i], own));
    if (i == kiln_chain_end(c))
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

kiln_status kiln_chain_make(kiln_fuser *fuser, const kiln_chain *c, kiln_plan_launch **fused)
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
    launch->layer = c->of[kiln_chain_end(c)]->layer;
    launch->phase = c->of[kiln_chain_end(c)]->phase;
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

kiln_status kiln_chain_make_longest(kiln_fuser *fuser, kiln_chain *c, size_t first,
                                    kiln_plan_launch **fused)
{
    kiln_status status = KILN_OK;
    *fused = NULL;
    for (;;) {
        if (may_gather(fuser->plan, c, first))
            status = kiln_chain_make(fuser, c, fused);
        if (status != KILN_OK || *fused || !c->pattern->steps[c->count - 1].optional)
            return status;
        c->count--;
    }
}
