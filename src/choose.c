#include "choose.h"
#include <stdlib.h>
#include <string.h>

/* A search through one variant's tuning space. Values are fixed in the order of variant->tune, and
 * a rule is looked at as soon as every value that it mentions is fixed, so that most of the space
 * is never visited. */
typedef struct {
    const kiln_variant *variant;
    kiln_env *env; /* facts and spec; values are bound in it as they are tried */
    size_t num_tune;
    bool fixed[KILN_MAX_TUNE]; /* by the preset */
    int values[KILN_MAX_TUNE];
    size_t level[KILN_MAX_RULES]; /* after how many values a rule can be looked at */
    size_t furthest;              /* the furthest rule that refused, and its sentence: the */
    char *sentence;               /* others can be met */
} search;

static size_t rule_level(const search *s, const char *formula)
{
    size_t level = 0;
    for (size_t i = 0; i < s->num_tune; i++)
        if (kiln_expr_mentions(formula, s->variant->tune[i].name))
            level = i + 1;
    return level;
}

/* *fits: no rule that became decidable at this level refuses. */
static kiln_status check_level(search *s, size_t level, bool *fits)
{
    *fits = true;
    for (size_t r = 0; r < KILN_MAX_RULES && s->variant->require[r].formula; r++) {
        if (s->level[r] != level)
            continue;
        char *sentence;
        kiln_status status = kiln_rule_check(&s->variant->require[r], s->env, &sentence);
        if (status != KILN_OK)
            return status;
        if (!sentence)
            continue;
        *fits = false;
        if (!s->sentence || r > s->furthest) {
            free(s->sentence);
            s->sentence = sentence;
            s->furthest = r;
        } else {
            free(sentence);
        }
        return KILN_OK;
    }
    return KILN_OK;
}

static kiln_status try_values(search *s, size_t level, bool *found);

static kiln_status try_value(search *s, size_t level, int value, bool *found)
{
    const kiln_tune_name *tune = &s->variant->tune[level];
    s->values[level] = value;
    bool fits;
    kiln_status status = kiln_env_int(s->env, tune->name, value);
    if (status == KILN_OK)
        status = check_level(s, level + 1, &fits);
    if (status == KILN_OK && fits)
        status = try_values(s, level + 1, found);
    return status;
}

static kiln_status try_values(search *s, size_t level, bool *found)
{
    if (level == s->num_tune) {
        *found = true;
        return KILN_OK;
    }
    if (s->fixed[level])
        return try_value(s, level, s->values[level], found);
    kiln_status status = KILN_OK;
    for (size_t v = 0; v < KILN_MAX_VALUES && s->variant->tune[level].values[v]; v++) {
        status = try_value(s, level, s->variant->tune[level].values[v], found);
        if (status != KILN_OK || *found)
            break;
    }
    return status;
}

/* Fixes the values that a preset names; *usable is false if a formula of it gives none. */
static kiln_status fix_preset(search *s, const char *preset, bool *usable)
{
    *usable = true;
    while (*preset) {
        size_t length = strcspn(preset, " "), name = strcspn(preset, "=");
        for (size_t i = 0; i < s->num_tune; i++) {
            const char *tune = s->variant->tune[i].name;
            if (strlen(tune) != name || strncmp(tune, preset, name) != 0)
                continue;
            char *formula = kiln_strndup(preset + name + 1, length - name - 1);
            if (!formula)
                return kiln_fail_memory();
            int64_t value = 0;
            kiln_status status = kiln_expr_eval_int(formula, s->env, &value);
            free(formula);
            if (status != KILN_OK)
                return status;
            if (value < 1 || value > INT32_MAX)
                *usable = false;
            s->values[i] = (int)value;
            s->fixed[i] = true;
        }
        preset += length;
        preset += strspn(preset, " ");
    }
    return KILN_OK;
}

static void start_search(search *s, const kiln_variant *variant, kiln_env *env)
{
    *s = (search){.variant = variant, .env = env, .num_tune = kiln_num_tune(variant)};
    for (size_t r = 0; r < KILN_MAX_RULES && variant->require[r].formula; r++)
        s->level[r] = rule_level(s, variant->require[r].formula);
}

/* preset: NULL for the whole space. */
static kiln_status search_preset(search *s, const char *preset, bool *found)
{
    bool usable = true;
    kiln_status status = KILN_OK;
    memset(s->fixed, 0, sizeof s->fixed);
    if (preset)
        status = fix_preset(s, preset, &usable);
    return status == KILN_OK && usable ? try_values(s, 0, found) : status;
}

static kiln_status search_variant(search *s, bool *found)
{
    bool fits;
    kiln_status status = check_level(s, 0, &fits);
    if (status != KILN_OK || !fits)
        return status;
    for (size_t p = 0; p < KILN_MAX_PRESETS && s->variant->presets[p]; p++) {
        status = search_preset(s, s->variant->presets[p], found);
        if (status != KILN_OK || *found)
            return status;
    }
    return search_preset(s, NULL, found);
}

/* What stands before any search: the variant asked for, what it allows, the group's limit. *reason
 * is a sentence the caller frees, or NULL. */
static kiln_status admit(const kiln_variant *variant, kiln_env *env, char **reason)
{
    static const kiln_rule common[] = {
        {"variant == 'any' || variant == NAME", "variant=${variant} was asked for"},
        {"workgroup_size <= MAX_WORKGROUP",
         "workgroup_size=${workgroup_size}: the device's limit is ${MAX_WORKGROUP}"},
    };
    kiln_status status = kiln_env_string(env, "NAME", variant->name);
    *reason = NULL;
    for (size_t i = 0; i < 2 && status == KILN_OK && !*reason; i++)
        status = kiln_rule_check(&common[i], env, reason);
    for (size_t i = 0;
         i < KILN_MAX_RULES && status == KILN_OK && !*reason && variant->allow[i].formula; i++)
        status = kiln_rule_check(&variant->allow[i], env, reason);
    return status;
}

/* Makes an env with facts and spec bound, and admits the variant. */
static kiln_status enter(const kiln_variant *variant, const kiln_spec *spec,
                         const kiln_facts *facts, kiln_env *env, char **reason)
{
    kiln_env_init(env, NULL);
    *reason = NULL;
    kiln_status status = kiln_facts_bind(facts, env);
    if (status == KILN_OK)
        status = kiln_spec_bind(spec, NULL, env);
    return status == KILN_OK ? admit(variant, env, reason) : status;
}

static kiln_status try_variant(const kiln_variant *variant, const kiln_spec *spec,
                               const kiln_facts *facts, kiln_chosen *chosen, bool *found,
                               char **reason)
{
    kiln_env env;
    *found = false;
    kiln_status status = enter(variant, spec, facts, &env, reason);
    if (status == KILN_OK && !*reason) {
        search s;
        start_search(&s, variant, &env);
        status = search_variant(&s, found);
        if (*found) {
            chosen->variant = variant;
            memcpy(chosen->values, s.values, sizeof s.values);
            free(s.sentence);
        } else {
            *reason = s.sentence;
        }
    }
    kiln_env_free(&env);
    return status;
}

kiln_status kiln_choose(const kiln_spec *spec, const kiln_facts *facts, kiln_chosen *chosen)
{
    memset(chosen, 0, sizeof *chosen);
    kiln_text refusals = {0};
    bool found = false;
    kiln_status status = KILN_OK;
    for (size_t v = 0; v < KILN_MAX_VARIANTS && spec->row->variants[v] && !found; v++) {
        char *reason = NULL;
        status = try_variant(spec->row->variants[v], spec, facts, chosen, &found, &reason);
        if (status == KILN_OK && !found)
            kiln_text_addf(&refusals, "%s%s: %s", refusals.length ? "; " : "",
                           spec->row->variants[v]->name, reason ? reason : "no tuning fits");
        free(reason);
        if (status != KILN_OK)
            break;
    }
    if (status == KILN_OK && !found)
        status = refusals.failed ? kiln_fail_memory()
                                 : kiln_fail(KILN_UNSUPPORTED, "%s: no variant fits: %s",
                                             spec->row->name, refusals.data);
    if (status == KILN_OK && refusals.length)
        chosen->refusals = kiln_text_take(&refusals);
    kiln_text_free(&refusals);
    return status;
}

kiln_status kiln_choose_among(const kiln_spec *spec, const kiln_facts *facts,
                              const kiln_candidate *candidates, size_t count, kiln_chosen *chosen)
{
    for (size_t i = 0; i < count; i++) {
        const kiln_candidate *c = &candidates[i];
        char *reason;
        kiln_status status = kiln_choose_check(spec, facts, c->variant, c->values, &reason);
        bool fits = status == KILN_OK && !reason;
        free(reason);
        if (status != KILN_OK)
            return status;
        if (!fits)
            continue;
        *chosen = (kiln_chosen){.variant = c->variant, .origin = c->origin};
        memcpy(chosen->values, c->values, sizeof chosen->values);
        if (c->from && !(chosen->from = kiln_strdup(c->from)))
            return kiln_fail_memory();
        return KILN_OK;
    }
    return kiln_choose(spec, facts, chosen);
}

void kiln_chosen_free(kiln_chosen *chosen)
{
    free(chosen->refusals);
    free(chosen->from);
    chosen->refusals = NULL;
    chosen->from = NULL;
}

/* ---- the space of a variant -------------------------------------------------------------- */

size_t kiln_num_tune(const kiln_variant *variant)
{
    size_t count = 0;
    while (count < KILN_MAX_TUNE && variant->tune[count].name)
        count++;
    return count;
}

/* Adds value to values unless it is there, in rising order. */
static void add_choice(int value, int *values, size_t *count)
{
    size_t at = *count;
    for (size_t i = 0; i < *count; i++)
        if (values[i] == value)
            return;
    for (; at > 0 && values[at - 1] > value; at--)
        values[at] = values[at - 1];
    values[at] = value;
    (*count)++;
}

/* env: with facts and spec bound. */
static kiln_status collect_choices(const kiln_variant *variant, kiln_env *env, size_t tune,
                                   int *values, size_t *count)
{
    kiln_status status = KILN_OK;
    *count = 0;
    for (size_t v = 0; v < KILN_MAX_VALUES && variant->tune[tune].values[v]; v++)
        add_choice(variant->tune[tune].values[v], values, count);
    for (size_t p = 0; p < KILN_MAX_PRESETS && variant->presets[p] && status == KILN_OK; p++) {
        search s;
        bool usable;
        start_search(&s, variant, env);
        status = fix_preset(&s, variant->presets[p], &usable);
        if (status == KILN_OK && usable && s.fixed[tune])
            add_choice(s.values[tune], values, count);
    }
    return status;
}

kiln_status kiln_choose_values(const kiln_spec *spec, const kiln_facts *facts,
                               const kiln_variant *variant, size_t tune, int *values, size_t *count)
{
    kiln_env env;
    char *reason;
    kiln_status status = enter(variant, spec, facts, &env, &reason);
    free(reason);
    if (status == KILN_OK)
        status = collect_choices(variant, &env, tune, values, count);
    kiln_env_free(&env);
    return status;
}

/* Whether every value is one that its name may take, else the sentence. */
static kiln_status check_values(const kiln_variant *variant, const int *values, kiln_env *env,
                                char **reason)
{
    for (size_t i = 0; i < kiln_num_tune(variant); i++) {
        int choices[KILN_MAX_CHOICES];
        size_t count, at = 0;
        kiln_status status = collect_choices(variant, env, i, choices, &count);
        if (status != KILN_OK)
            return status;
        while (at < count && choices[at] != values[i])
            at++;
        if (at < count)
            continue;
        kiln_text text = {0};
        kiln_text_addf(&text, "%s=%d: %s has no such value", variant->tune[i].name, values[i],
                       variant->name);
        *reason = kiln_text_take(&text);
        return *reason ? KILN_OK : kiln_fail_memory();
    }
    return KILN_OK;
}

kiln_status kiln_choose_check(const kiln_spec *spec, const kiln_facts *facts,
                              const kiln_variant *variant, const int *values, char **reason)
{
    kiln_env env;
    kiln_status status = enter(variant, spec, facts, &env, reason);
    if (status == KILN_OK && !*reason)
        status = check_values(variant, values, &env, reason);
    for (size_t i = 0; i < kiln_num_tune(variant) && status == KILN_OK; i++)
        status = kiln_env_int(&env, variant->tune[i].name, values[i]);
    for (size_t r = 0; r < KILN_MAX_RULES && variant->require[r].formula; r++)
        if (status == KILN_OK && !*reason)
            status = kiln_rule_check(&variant->require[r], &env, reason);
    kiln_env_free(&env);
    return status;
}

kiln_status kiln_choose_start(const kiln_spec *spec, const kiln_facts *facts,
                              const kiln_variant *variant, size_t index, int *values, bool *found,
                              bool *end)
{
    size_t presets = 0;
    while (presets < KILN_MAX_PRESETS && variant->presets[presets])
        presets++;
    *found = false;
    *end = index > presets;
    if (*end)
        return KILN_OK;
    kiln_env env;
    char *reason;
    bool fits = false;
    search s;
    kiln_status status = enter(variant, spec, facts, &env, &reason);
    start_search(&s, variant, &env);
    if (status == KILN_OK && !reason)
        status = check_level(&s, 0, &fits);
    if (status == KILN_OK && fits)
        status = search_preset(&s, index < presets ? variant->presets[index] : NULL, found);
    if (status == KILN_OK && *found)
        memcpy(values, s.values, sizeof s.values);
    free(s.sentence);
    free(reason);
    kiln_env_free(&env);
    return status;
}

/* ------------------------------------------------------------------------------------------ */

kiln_status kiln_chosen_bind(const kiln_chosen *chosen, kiln_env *env)
{
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < KILN_MAX_TUNE && chosen->variant->tune[i].name && status == KILN_OK; i++)
        status = kiln_env_int(env, chosen->variant->tune[i].name, chosen->values[i]);
    return status == KILN_OK ? kiln_bind_lets(chosen->variant->lets, KILN_MAX_LETS, env) : status;
}

void kiln_values_print(const kiln_variant *variant, const int *values, kiln_text *out)
{
    for (size_t i = 0; i < kiln_num_tune(variant); i++)
        kiln_text_addf(out, "%s%s=%d", i ? " " : "", variant->tune[i].name, values[i]);
}

void kiln_chosen_print(const kiln_chosen *chosen, kiln_text *out)
{
    kiln_values_print(chosen->variant, chosen->values, out);
}
