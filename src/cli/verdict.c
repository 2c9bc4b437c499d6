/* What limits a kernel at given shapes, found by specialising it: which rules were met, which tiles
 * stick out, and what would be chosen if the device had more. */
#include "check.h"
#include "template.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* More than any device has. */
#define PLENTY ((int64_t)1 << 40)

/* A row under one spec, specialised. */
typedef struct {
    cli_judge *judge;
    cli_verdict *verdict;
    kiln_spec spec;
    kiln_generated generated;
    kiln_env env; /* facts, spec, tuning */
} special;

/* ---- limits ------------------------------------------------------------------------------ */

static void add_limit(cli_verdict *verdict, const char *what, kiln_text *text)
{
    char *sentence = cli_need(kiln_text_take(text));
    for (size_t i = 0; i < verdict->num_limits; i++) {
        if (strcmp(verdict->limits[i].text, sentence) == 0) {
            free(sentence);
            return;
        }
    }
    size_t size = (verdict->num_limits + 1) * sizeof *verdict->limits, at = verdict->num_limits;
    verdict->limits = cli_need(realloc(verdict->limits, size));
    /* Behind the others of its kind. */
    for (size_t i = 0; i < verdict->num_limits; i++)
        if (strcmp(verdict->limits[i].what, what) == 0)
            at = i + 1;
    memmove(&verdict->limits[at + 1], &verdict->limits[at],
            (verdict->num_limits - at) * sizeof *verdict->limits);
    verdict->limits[at] = (cli_limit){what, sentence};
    verdict->num_limits++;
    if (verdict->freedom == CLI_FREE)
        verdict->freedom = CLI_WITHIN;
}

static void forget_limits(cli_verdict *verdict)
{
    for (size_t i = 0; i < verdict->num_limits; i++)
        free(verdict->limits[i].text);
    verdict->num_limits = 0;
}

/* By the library's last sentence, a compiler's log included. */
static void block(cli_verdict *verdict)
{
    kiln_text text = {0};
    kiln_text_add(&text, kiln_last_error());
    if (verdict->freedom != CLI_BLOCKED)
        forget_limits(verdict);
    verdict->freedom = CLI_BLOCKED;
    add_limit(verdict, "", &text);
}

/* ---- rules ------------------------------------------------------------------------------- */

/* Whether the option is a size that the spec gives. */
static bool is_given_size(const special *s, size_t i)
{
    const kiln_option *option = s->spec.options[i];
    return option->type == KILN_OPTION_INT && option->high > 1 && option->fallback &&
           s->spec.values[i].integer != strtoll(option->fallback, NULL, 10);
}

/* What a rule bounds: a dimension that has to be known when the kernel is made, or an option that
 * is a size. NULL: none of these. */
static const char *bounded(const special *s, const char *formula)
{
    const kiln_row *row = s->spec.row;
    for (size_t i = 0; i < s->spec.num_options; i++)
        if (is_given_size(s, i) && kiln_expr_mentions(formula, s->spec.options[i]->name))
            return s->spec.options[i]->name;
    for (size_t i = 0; i < KILN_MAX_DIMS && row->dims[i]; i++)
        if (row->literal && kiln_expr_mentions(row->literal, row->dims[i]) &&
            kiln_expr_mentions(formula, row->dims[i]))
            return row->dims[i];
    return NULL;
}

/* Rules were kept, or there would be no kernel. */
static kiln_status find_rules(special *s, const kiln_rule *rules)
{
    for (size_t i = 0; i < KILN_MAX_RULES && rules[i].formula; i++) {
        kiln_text text = {0};
        const char *what = bounded(s, rules[i].formula);
        if (!what)
            continue;
        kiln_status status = kiln_template_inline(rules[i].sentence, &s->env, "a rule", &text);
        if (status != KILN_OK) {
            kiln_text_free(&text);
            return status;
        }
        add_limit(s->verdict, what, &text);
    }
    return KILN_OK;
}

/* ---- tiles ------------------------------------------------------------------------------- */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Characters up to the comma or parenthesis that ends an argument. */
static size_t argument_length(const char *text)
{
    size_t length = 0;
    for (int depth = 0; text[length] && (depth > 0 || (text[length] != ',' && text[length] != ')'));
         length++)
        depth += (text[length] == '(') - (text[length] == ')');
    return length;
}

/* ceildiv(dimension, edge) counts tiles: the last one sticks out if the edge is no divisor. */
static kiln_status find_edge(special *s, const char *dim, const char *edge_formula)
{
    int64_t size, edge;
    kiln_status status = kiln_expr_eval_int(dim, &s->env, &size);
    if (status == KILN_OK)
        status = kiln_expr_eval_int(edge_formula, &s->env, &edge);
    if (status == KILN_OK && edge > 0 && size % edge != 0) {
        kiln_text text = {0};
        kiln_text_addf(&text, "%s=%lld is ", dim, (long long)size);
        if (size < edge)
            kiln_text_addf(&text, "less than a tile of %lld", (long long)edge);
        else
            kiln_text_addf(&text, "%s of %lld and %lld over",
                           cli_plural((uint64_t)(size / edge), "tile", "tiles").text,
                           (long long)edge, (long long)(size % edge));
        add_limit(s->verdict, "tile_size", &text);
    }
    return status;
}

static kiln_status find_edges(special *s, const char *formula);

/* at: behind "ceildiv(". */
static kiln_status find_edge_at(special *s, const char *at)
{
    size_t length = argument_length(at);
    char *dim = cli_need(kiln_strndup(at, length)), *edge = NULL;
    kiln_status status = KILN_OK;
    if (at[length] == ',' && kiln_row_dim(s->spec.row, dim) >= 0) {
        at += length + 1;
        edge = cli_need(kiln_strndup(at, argument_length(at)));
        status = find_edge(s, dim, edge);
    }
    free(dim);
    free(edge);
    return status;
}

/* A let's formula, if word is the name of one of the variant's. */
static const char *let_of(const special *s, const char *word, size_t length)
{
    const kiln_let *lets = s->generated.chosen.variant->lets;
    for (size_t i = 0; i < KILN_MAX_LETS && lets[i].name; i++)
        if (strlen(lets[i].name) == length && strncmp(lets[i].name, word, length) == 0)
            return lets[i].formula;
    return NULL;
}

/* The tiles that a count of work-groups is made of, through the names in it. */
static kiln_status find_edges(special *s, const char *formula)
{
    kiln_status status = KILN_OK;
    for (const char *at = formula; *at && status == KILN_OK;) {
        size_t length = 0;
        while (is_word(at[length]))
            length++;
        if (length == 7 && strncmp(at, "ceildiv(", 8) == 0) {
            status = find_edge_at(s, at + 8);
            at += 8;
            at += argument_length(at);
            at += *at == ',' ? 1 + argument_length(at + 1) : 0;
        } else if (length > 0) {
            const char *let = let_of(s, at, length);
            if (let)
                status = find_edges(s, let);
            at += length;
        } else {
            at++;
        }
    }
    return status;
}

static bool has_tiles(const kiln_row *row)
{
    const kiln_option *option;
    for (size_t i = 0; (option = kiln_row_option(row, i)); i++)
        if (strcmp(option->name, "tile_size") == 0)
            return true;
    return false;
}

/* ---- tensors ----------------------------------------------------------------------------- */

static kiln_status find_large(special *s)
{
    for (size_t i = 0; i < s->generated.signature.count; i++) {
        const kiln_parameter *parameter = &s->generated.signature.parameters[i];
        kiln_extents extents;
        if (parameter->kind != KILN_ARG_BUFFER)
            continue;
        kiln_status status = kiln_parameter_extents(parameter, &s->env, &extents);
        if (status != KILN_OK)
            return status;
        if (extents.elements <= INT32_MAX)
            continue;
        kiln_text text = {0};
        kiln_text_addf(&text, "%s[", parameter->name);
        for (size_t d = 0; d < extents.rank; d++)
            kiln_text_addf(&text, "%s%lld", d ? "," : "", (long long)extents.extents[d]);
        kiln_text_addf(&text, "] has %lld elements: offsets of 64 bits",
                       (long long)extents.elements);
        add_limit(s->verdict, "2^31", &text);
    }
    return KILN_OK;
}

/* ---- the device -------------------------------------------------------------------------- */

/* The tuning values of two choices where they differ: "KC=256, with more KC=512". */
static void add_difference(kiln_text *text, const kiln_chosen *is, const kiln_chosen *would)
{
    const kiln_tune_name *tune = is->variant->tune;
    if (is->variant != would->variant)
        kiln_text_addf(text, "variant %s, with more %s", is->variant->name, would->variant->name);
    for (int other = 0; other < 2 && is->variant == would->variant; other++) {
        kiln_text_add(text, other ? ", with more" : "");
        for (size_t i = 0; i < KILN_MAX_TUNE && tune[i].name; i++)
            if (is->values[i] != would->values[i])
                kiln_text_addf(text, "%s%s=%d", text->length ? " " : "", tune[i].name,
                               (other ? would : is)->values[i]);
    }
}

/* Chooses again for a device that has plenty of something: what comes out differently was limited
 * by what there is. */
static kiln_status probe(special *s, const kiln_facts *facts, const char *what, const char *has)
{
    const kiln_chosen *chosen = &s->generated.chosen;
    kiln_chosen other;
    kiln_status status = kiln_choose(&s->spec, facts, &other);
    if (status != KILN_OK)
        return status;
    if (other.variant != chosen->variant ||
        memcmp(other.values, chosen->values, sizeof other.values) != 0) {
        kiln_text text = {0}, difference = {0};
        add_difference(&difference, chosen, &other);
        kiln_text_addf(&text, "%s: %s", has, difference.data ? difference.data : "");
        kiln_text_free(&difference);
        add_limit(s->verdict, what, &text);
    }
    kiln_chosen_free(&other);
    return KILN_OK;
}

static kiln_status find_device_limits(special *s)
{
    const kiln_facts *facts = &s->judge->facts;
    kiln_facts more_memory = *facts, more_items = *facts;
    more_memory.local_mem = more_memory.static_local = PLENTY;
    more_items.max_workgroup = PLENTY;
    kiln_status status =
        probe(s, &more_memory, "local memory", cli_bytes((double)facts->local_mem).text);
    return status == KILN_OK
               ? probe(s, &more_items, "work-group",
                       cli_plural((uint64_t)facts->max_workgroup, "work-item", "work-items").text)
               : status;
}

static bool mentions_dimension(const kiln_row *row, const char *formula)
{
    for (size_t i = 0; i < KILN_MAX_DIMS && row->dims[i]; i++)
        if (kiln_expr_mentions(formula, row->dims[i]))
            return true;
    return false;
}

/* Variants that would come first on this device, were it not for a dimension. */
static kiln_status find_passed_over(special *s)
{
    const kiln_row *row = s->spec.row;
    for (size_t v = 0; row->variants[v] != s->generated.chosen.variant; v++) {
        const kiln_rule *allow = row->variants[v]->allow;
        if (row->variants[v]->special)
            continue;
        char *sentence = NULL;
        size_t i = 0;
        while (i < KILN_MAX_RULES && allow[i].formula && !sentence) {
            kiln_status status = kiln_rule_check(&allow[i++], &s->env, &sentence);
            if (status != KILN_OK)
                return status;
        }
        if (sentence && mentions_dimension(row, allow[i - 1].formula)) {
            kiln_text text = {0};
            kiln_text_addf(&text, "%s in place of %s: %s", s->generated.chosen.variant->name,
                           row->variants[v]->name, sentence);
            add_limit(s->verdict, "variant", &text);
        }
        free(sentence);
    }
    return KILN_OK;
}

/* ---- a spec ------------------------------------------------------------------------------ */

static kiln_status find_limits(special *s)
{
    const kiln_row *row = s->spec.row;
    kiln_status status = kiln_facts_bind(&s->judge->facts, &s->env);
    if (status == KILN_OK)
        status = kiln_spec_bind(&s->spec, NULL, &s->env);
    if (status == KILN_OK)
        status = kiln_chosen_bind(&s->generated.chosen, &s->env);
    if (status == KILN_OK)
        status = find_rules(s, row->rules);
    if (status == KILN_OK)
        status = find_rules(s, s->generated.chosen.variant->allow);
    for (size_t i = 0; i < s->generated.num_stages && has_tiles(row) && status == KILN_OK; i++)
        status = find_edges(s, s->generated.stages[i].stage->groups);
    if (status == KILN_OK)
        status = find_large(s);
    if (status == KILN_OK)
        status = find_device_limits(s);
    return status == KILN_OK ? find_passed_over(s) : status;
}

static kiln_status build(cli_judge *judge, const char *spec)
{
    kiln_kernel *kernel;
    kiln_status status = kiln_create_kernel(judge->context, spec, &kernel);
    kiln_release_kernel(status == KILN_OK ? kernel : NULL);
    judge->built += status == KILN_OK;
    return status;
}

static kiln_status judge_spec(cli_judge *judge, const cli_model_spec *of, cli_verdict *verdict)
{
    special s = {.judge = judge, .verdict = verdict};
    kiln_status status = kiln_spec_parse(of->text, &s.spec);
    if (status != KILN_OK)
        return status;
    kiln_env_init(&s.env, NULL);
    status = kiln_generate(&s.spec, &judge->facts, getenv("KILN_TEMPLATE_DIR"), &s.generated);
    if (status == KILN_OK) {
        status = find_limits(&s);
        kiln_generated_free(&s.generated);
    }
    if (status == KILN_OK && of->split) {
        kiln_text text = {0};
        kiln_text_add(&text, of->split);
        add_limit(verdict, "2^31", &text);
    }
    if (status == KILN_OK && judge->context)
        status = build(judge, of->text);
    kiln_env_free(&s.env);
    kiln_spec_free(&s.spec);
    return status;
}

cli_verdict cli_judge_specs(cli_judge *judge, const cli_model_specs *specs)
{
    cli_verdict verdict = {CLI_FREE, NULL, 0}, sound = {CLI_FREE, NULL, 0};
    for (size_t i = 0; i < specs->count; i++) {
        bool blocked = verdict.freedom == CLI_BLOCKED;
        /* Beside a refusal, limits are of no interest. */
        if (judge_spec(judge, &specs->of[i], blocked ? &sound : &verdict) != KILN_OK)
            block(&verdict);
    }
    cli_verdict_free(&sound);
    return verdict;
}

void cli_verdict_free(cli_verdict *verdict)
{
    forget_limits(verdict);
    free(verdict->limits);
    verdict->limits = NULL;
}
