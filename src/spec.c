#include "spec.h"
#include "template.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A word of a spec longer than this names nothing. */
#define MAX_WORD 96

/* ---- rows -------------------------------------------------------------------------------- */

int kiln_row_dim(const kiln_row *row, const char *name)
{
    for (int i = 0; i < KILN_MAX_DIMS && row->dims[i]; i++)
        if (strcmp(row->dims[i], name) == 0)
            return i;
    return -1;
}

const kiln_option *kiln_row_option(const kiln_row *row, size_t index)
{
    size_t own = 0;
    while (own < KILN_MAX_OPTIONS && row->options[own].name)
        own++;
    return index < own ? &row->options[index] : kiln_common_option(index - own);
}

static const char *parameter_name(void *user, size_t index)
{
    const kiln_row *row = user;
    size_t dims = 0;
    while (dims < KILN_MAX_DIMS && row->dims[dims])
        dims++;
    if (index < dims)
        return row->dims[index];
    const kiln_option *option = kiln_row_option(row, index - dims);
    return option ? option->name : NULL;
}

static const char *kernel_name(void *user, size_t index)
{
    (void)user;
    return kiln_kernel_name(index);
}

/* ---- values ------------------------------------------------------------------------------ */

static bool parse_integer(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    bool digits =
        isdigit((unsigned char)*text) || (*text == '-' && isdigit((unsigned char)text[1]));
    *value = parsed;
    return digits && *end == '\0' && errno == 0;
}

/* The number is written out, and so is one that no integer holds. */
static bool all_digits(const char *text)
{
    text += *text == '-';
    return *text && text[strspn(text, "0123456789")] == '\0';
}

static kiln_status set_dim(kiln_spec *spec, int dim, const char *value)
{
    const char *name = spec->row->dims[dim], *kernel = spec->row->name;
    if (spec->dims[dim] != 0)
        return kiln_fail(KILN_INVALID_SPEC, "%s: %s is given twice", kernel, name);
    bool literal = spec->row->literal && kiln_expr_mentions(spec->row->literal, name);
    if (literal && strcmp(value, "?") == 0)
        return kiln_fail(KILN_INVALID_SPEC, "%s: %s=?: must be given in the spec", kernel, name);
    if (strcmp(value, "?") == 0) {
        spec->dims[dim] = KILN_LAUNCH_TIME;
        return KILN_OK;
    }
    int64_t parsed;
    bool fits = parse_integer(value, &parsed);
    if (!fits && !all_digits(value))
        return kiln_fail(KILN_INVALID_SPEC, "%s: %s=%s: must be an integer from 1 to %d%s", kernel,
                         name, value, INT32_MAX, literal ? "" : ", or ?");
    if (!fits || parsed < 1 || parsed > INT32_MAX)
        return kiln_fail(KILN_INVALID_SPEC, "%s: %s=%s: must be from 1 to %d", kernel, name, value,
                         INT32_MAX);
    spec->dims[dim] = parsed;
    return KILN_OK;
}

static kiln_status set_option(kiln_spec *spec, size_t index, const char *value)
{
    const kiln_option *option = spec->options[index];
    const char *kernel = spec->row->name;
    kiln_value *out = &spec->values[index];
    if (option->type == KILN_OPTION_CHOICE) {
        if (!kiln_listed(option->choices, value) || strlen(value) >= sizeof spec->names[index])
            return kiln_fail(KILN_INVALID_SPEC, "%s: %s=%s: must be one of %s", kernel,
                             option->name, value, option->choices);
        strcpy(spec->names[index], value);
        *out = (kiln_value){.kind = KILN_STRING, .text = spec->names[index]};
        return KILN_OK;
    }
    if (option->type == KILN_OPTION_REAL) {
        const char *end;
        double real = kiln_real_parse(value, &end);
        if (end == value || *end || !(real - real == 0))
            return kiln_fail(KILN_INVALID_SPEC, "%s: %s=%s: must be a finite number", kernel,
                             option->name, value);
        *out = (kiln_value){.kind = KILN_REAL, .real = real};
        return KILN_OK;
    }
    int64_t integer;
    if (!parse_integer(value, &integer) || integer < option->low || integer > option->high)
        return kiln_fail(KILN_INVALID_SPEC, "%s: %s=%s: must be an integer from %lld to %lld",
                         kernel, option->name, value, (long long)option->low,
                         (long long)option->high);
    *out = (kiln_value){.kind = KILN_INT, .integer = integer};
    return KILN_OK;
}

static kiln_status set_word(kiln_spec *spec, const char *word, bool *given)
{
    const char *equals = strchr(word, '=');
    const char *kernel = spec->row->name;
    if (!equals || equals == word)
        return kiln_fail(KILN_INVALID_SPEC, "%s: `%s': must be name=value", kernel, word);
    char name[MAX_WORD];
    size_t length = (size_t)(equals - word);
    memcpy(name, word, length);
    name[length] = '\0';
    int dim = kiln_row_dim(spec->row, name);
    if (dim >= 0)
        return set_dim(spec, dim, equals + 1);
    for (size_t i = 0; i < spec->num_options; i++) {
        if (strcmp(spec->options[i]->name, name) != 0)
            continue;
        if (given[i])
            return kiln_fail(KILN_INVALID_SPEC, "%s: %s is given twice", kernel, name);
        given[i] = true;
        return set_option(spec, i, equals + 1);
    }
    kiln_text message = {0};
    kiln_text_addf(&message, "%s has no parameter `%s'", kernel, name);
    kiln_suggest(&message, name, parameter_name, (void *)spec->row);
    return kiln_fail_text(KILN_INVALID_SPEC, &message);
}

/* The next blank-separated word; false at the end, or with an error in *status. */
static bool next_word(const char **text, char *word, kiln_status *status)
{
    *text += strspn(*text, " \t\r\n");
    size_t length = strcspn(*text, " \t\r\n");
    if (length == 0)
        return false;
    if (length >= MAX_WORD) {
        *status = kiln_fail(KILN_INVALID_SPEC, "spec: `%.24s...': no word is longer than %d", *text,
                            MAX_WORD - 1);
        return false;
    }
    memcpy(word, *text, length);
    word[length] = '\0';
    for (size_t i = 0; i < length; i++) {
        if (!isgraph((unsigned char)word[i])) {
            *status = kiln_fail(KILN_INVALID_SPEC, "spec: byte %d is no printable character",
                                (unsigned char)word[i]);
            return false;
        }
    }
    *text += length;
    return true;
}

/* ---- parsing ----------------------------------------------------------------------------- */

static kiln_status find_row(const char *name, kiln_spec *spec)
{
    spec->row = kiln_row_find(name);
    if (!spec->row) {
        kiln_text message = {0};
        kiln_text_addf(&message, "unknown kernel `%s'", name);
        kiln_suggest(&message, name, kernel_name, NULL);
        return kiln_fail_text(KILN_INVALID_SPEC, &message);
    }
    while (spec->num_dims < KILN_MAX_DIMS && spec->row->dims[spec->num_dims])
        spec->num_dims++;
    const kiln_option *option;
    while ((option = kiln_row_option(spec->row, spec->num_options)))
        spec->options[spec->num_options++] = option;
    return KILN_OK;
}

static kiln_status complete(kiln_spec *spec, const bool *given)
{
    for (size_t i = 0; i < spec->num_dims; i++) {
        const char *dim = spec->row->dims[i];
        if (spec->dims[i] != 0)
            continue;
        if (spec->row->literal && kiln_expr_mentions(spec->row->literal, dim))
            return kiln_fail(KILN_INVALID_SPEC, "%s: dimension %s is missing (%s=1...)",
                             spec->row->name, dim, dim);
        return kiln_fail(KILN_INVALID_SPEC,
                         "%s: dimension %s is missing (%s=1..., or %s=? to give it at launch)",
                         spec->row->name, dim, dim, dim);
    }
    for (size_t i = 0; i < spec->num_options; i++) {
        if (given[i])
            continue;
        const kiln_option *option = spec->options[i];
        if (!option->fallback)
            return kiln_fail(KILN_INVALID_SPEC, "%s: %s must be named: one of %s", spec->row->name,
                             option->name, option->choices);
        kiln_status status = set_option(spec, i, option->fallback);
        if (status != KILN_OK)
            return status;
    }
    return KILN_OK;
}

/* A few rules hold for every kernel and so stand in no row. */
static kiln_status check_common(const kiln_spec *spec)
{
    for (size_t i = 0; i < spec->num_options; i++) {
        int64_t size = spec->values[i].integer;
        if (strcmp(spec->options[i]->name, "workgroup_size") == 0 && size % 64 != 0)
            return kiln_fail(KILN_INVALID_SPEC,
                             "%s: workgroup_size=%lld: must be 0 or a multiple of 64 from 64 to "
                             "1024",
                             spec->row->name, (long long)size);
    }
    return KILN_OK;
}

static double default_real(const kiln_option *option)
{
    const char *end;
    return kiln_real_parse(option->fallback, &end);
}

static bool same_as_default(const kiln_option *option, const kiln_value *value)
{
    if (!option->fallback || strcmp(option->name, "dtype") == 0)
        return false;
    if (value->kind == KILN_STRING)
        return strcmp(value->text, option->fallback) == 0;
    return value->kind == KILN_INT ? value->integer == strtoll(option->fallback, NULL, 10)
                                   : value->real == default_real(option);
}

static kiln_status write_canonical(kiln_spec *spec)
{
    kiln_text text = {0};
    kiln_text_add(&text, spec->row->name);
    for (size_t i = 0; i < spec->num_dims; i++) {
        if (spec->dims[i] == KILN_LAUNCH_TIME)
            kiln_text_addf(&text, " %s=?", spec->row->dims[i]);
        else
            kiln_text_addf(&text, " %s=%lld", spec->row->dims[i], (long long)spec->dims[i]);
    }
    /* dtype before the row's own options: it is what a reader looks for. */
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < spec->num_options; i++) {
            bool is_dtype = strcmp(spec->options[i]->name, "dtype") == 0;
            if (is_dtype != (pass == 0) || same_as_default(spec->options[i], &spec->values[i]))
                continue;
            kiln_text_addf(&text, " %s=", spec->options[i]->name);
            kiln_value_print(&text, &spec->values[i], false);
        }
    }
    spec->text = kiln_text_take(&text);
    return spec->text ? KILN_OK : kiln_fail_memory();
}

/* What a default's alias stands for: out_dtype=bf16 beside dtype=bf16 says nothing. */
static void resolve_aliases(kiln_spec *spec)
{
    const char *dtype = NULL;
    for (size_t i = 0; i < spec->num_options; i++)
        if (strcmp(spec->options[i]->name, "dtype") == 0)
            dtype = spec->values[i].text;
    for (size_t i = 0; i < spec->num_options; i++)
        if (strcmp(spec->options[i]->name, "out_dtype") == 0 && dtype &&
            strcmp(spec->values[i].text, dtype) == 0)
            strcpy(spec->names[i], "dtype");
}

kiln_status kiln_spec_parse(const char *text, kiln_spec *spec)
{
    memset(spec, 0, sizeof *spec);
    char word[MAX_WORD];
    bool given[KILN_MAX_SPEC_OPTIONS] = {false};
    kiln_status status = KILN_OK;
    if (!next_word(&text, word, &status))
        return status != KILN_OK
                   ? status
                   : kiln_fail(KILN_INVALID_SPEC, "spec: the kernel's name is missing");
    status = find_row(word, spec);
    while (status == KILN_OK && next_word(&text, word, &status))
        status = set_word(spec, word, given);
    if (status == KILN_OK)
        status = complete(spec, given);
    if (status == KILN_OK)
        status = check_common(spec);
    if (status != KILN_OK)
        return status;
    resolve_aliases(spec);

    kiln_env env;
    kiln_env_init(&env, NULL);
    status = kiln_spec_bind(spec, NULL, &env);
    if (status == KILN_OK)
        status = kiln_spec_check(spec, &env, KILN_INVALID_SPEC);
    kiln_env_free(&env);
    return status == KILN_OK ? write_canonical(spec) : status;
}

void kiln_spec_free(kiln_spec *spec)
{
    free(spec->text);
    spec->text = NULL;
}

/* ---- binding ----------------------------------------------------------------------------- */

kiln_status kiln_bind_lets(const kiln_let *lets, size_t max, kiln_env *env)
{
    for (size_t i = 0; i < max && lets[i].name; i++) {
        kiln_value value;
        kiln_status status = kiln_expr_eval(lets[i].formula, env, &value);
        if (status == KILN_OK)
            status = kiln_env_set(env, lets[i].name, value);
        if (status != KILN_OK)
            return status;
    }
    return KILN_OK;
}

static kiln_status bind(const kiln_spec *spec, const int64_t *dims, bool real, kiln_env *env)
{
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < spec->num_dims && status == KILN_OK; i++) {
        const char *name = spec->row->dims[i];
        int64_t value = spec->dims[i];
        if (value == KILN_LAUNCH_TIME && dims)
            value = dims[i];
        if (value == KILN_LAUNCH_TIME)
            status = kiln_env_symbol(env, name, name);
        else
            status =
                real ? kiln_env_real(env, name, (double)value) : kiln_env_int(env, name, value);
    }
    for (size_t i = 0; i < spec->num_options && status == KILN_OK; i++) {
        kiln_value value = spec->values[i];
        if (value.kind == KILN_STRING)
            value.text = spec->names[i];
        status = kiln_env_set(env, spec->options[i]->name, value);
    }
    if (status == KILN_OK)
        status = kiln_bind_lets(spec->row->lets, KILN_MAX_LETS, env);
    return status;
}

kiln_status kiln_spec_bind(const kiln_spec *spec, const int64_t *dims, kiln_env *env)
{
    return bind(spec, dims, false, env);
}

kiln_status kiln_spec_bind_real(const kiln_spec *spec, const int64_t *dims, kiln_env *env)
{
    return bind(spec, dims, true, env);
}

/* ---- rules ------------------------------------------------------------------------------- */

kiln_status kiln_rule_check(const kiln_rule *rule, kiln_env *env, char **sentence)
{
    *sentence = NULL;
    kiln_value value;
    kiln_status status = kiln_expr_eval(rule->formula, env, &value);
    if (status != KILN_OK || value.kind == KILN_SYMBOL || (value.kind == KILN_INT && value.integer))
        return status;
    kiln_text text = {0};
    status = kiln_template_inline(rule->sentence, env, "a rule's sentence", &text);
    if (status == KILN_OK) {
        *sentence = kiln_text_take(&text);
        return *sentence ? KILN_OK : kiln_fail_memory();
    }
    kiln_text_free(&text);
    return status;
}

kiln_status kiln_rules_check(const kiln_rule *rules, const char *who, kiln_env *env,
                             kiln_status broken)
{
    for (size_t i = 0; i < KILN_MAX_RULES && rules[i].formula; i++) {
        char *sentence;
        kiln_status status = kiln_rule_check(&rules[i], env, &sentence);
        if (status == KILN_OK && sentence)
            status = kiln_fail(broken, "%s: %s", who, sentence);
        free(sentence);
        if (status != KILN_OK)
            return status;
    }
    return KILN_OK;
}

kiln_status kiln_spec_check(const kiln_spec *spec, kiln_env *env, kiln_status broken)
{
    return kiln_rules_check(spec->row->rules, spec->row->name, env, broken);
}
