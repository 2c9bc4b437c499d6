/* The registry: every name in it is known where it stands, and every formula has a value over the
 * whole tuning range. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "embedded.h"
#include "choose.h"
#include "signature.h"
#include "support.h"
#include "template.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- names ------------------------------------------------------------------------------- */

static bool is_name(const char *text)
{
    if (!text || !islower((unsigned char)*text))
        return false;
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static bool is_embedded(const char *file)
{
    for (size_t i = 0; i < kiln_num_embedded_templates; i++)
        if (strcmp(kiln_embedded_templates[i].name, file) == 0)
            return true;
    return false;
}

START_TEST(test_rows)
{
    ck_assert_uint_ge(kiln_num_rows(), 9);
    ck_assert_uint_eq(kiln_num_kernels(), kiln_num_rows());
    for (size_t i = 0; i < kiln_num_rows(); i++) {
        const kiln_row *row = kiln_row_at(i);
        ck_assert_msg(is_name(row->name), "row %zu", i);
        ck_assert_str_eq(kiln_kernel_name(i), row->name);
        ck_assert_ptr_eq(kiln_row_find(row->name), row); /* so names are unique */
        ck_assert_msg(row->family && *row->family && row->summary && *row->summary, "%s",
                      row->name);
        ck_assert_msg(row->dims[0] && row->tensors[0].name && row->variants[0] && row->flops, "%s",
                      row->name);
        ck_assert_msg(!row->prologue[0].op || row->prologue_count, "%s", row->name);
        ck_assert_msg(!row->epilogue[0].op || row->epilogue_count, "%s", row->name);
    }
    ck_assert_ptr_null(kiln_kernel_name(kiln_num_rows()));
    ck_assert_ptr_null(kiln_kernel_name((size_t)-1));
    ck_assert_ptr_null(kiln_row_at(kiln_num_rows()));
    ck_assert_ptr_null(kiln_row_find("no_such_kernel"));
    ck_assert_ptr_null(kiln_row_find(""));
    ck_assert_ptr_null(kiln_op_find("no_such_op"));
}
END_TEST

/* A choice stands for a word of a spec, and fits where the spec keeps it. */
static void check_option(const char *row, const kiln_option *option)
{
    ck_assert_msg(is_name(option->name), "%s: an option's name", row);
    ck_assert_msg(option->about && *option->about, "%s: %s", row, option->name);
    if (option->type != KILN_OPTION_CHOICE) {
        ck_assert_msg(!option->choices && option->fallback, "%s: %s", row, option->name);
        if (option->type == KILN_OPTION_INT) {
            long long fallback = strtoll(option->fallback, NULL, 10);
            ck_assert_msg(option->low < option->high && fallback >= option->low &&
                              fallback <= option->high,
                          "%s: %s", row, option->name);
        }
        return;
    }
    ck_assert_msg(option->choices != NULL, "%s: %s", row, option->name);
    bool has_fallback = false;
    for (const char *word = option->choices;; word++) {
        size_t length = strcspn(word, "|");
        ck_assert_msg(length > 0 && length < sizeof((kiln_spec *)0)->names[0], "%s: %s=%s", row,
                      option->name, word);
        ck_assert_msg(strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_") == length, "%s: %s=%s",
                      row, option->name, word);
        if (option->fallback && strlen(option->fallback) == length)
            has_fallback = has_fallback || strncmp(word, option->fallback, length) == 0;
        word += length;
        if (!*word)
            break;
    }
    ck_assert_msg(!option->fallback || has_fallback, "%s: %s", row, option->name);
}

START_TEST(test_parameters)
{
    for (size_t r = 0; r < kiln_num_rows(); r++) {
        const kiln_row *row = kiln_row_at(r);
        const char *names[KILN_MAX_DIMS + KILN_MAX_SPEC_OPTIONS];
        size_t count = 0;
        for (size_t i = 0; i < KILN_MAX_DIMS && row->dims[i]; i++) {
            ck_assert_msg(is_name(row->dims[i]), "%s", row->name);
            ck_assert_int_eq(kiln_row_dim(row, row->dims[i]), (int)i);
            names[count++] = row->dims[i];
        }
        size_t options = 0;
        const kiln_option *option;
        while ((option = kiln_row_option(row, options))) {
            ck_assert_msg(options++ < KILN_MAX_SPEC_OPTIONS, "%s has too many", row->name);
            check_option(row->name, option);
            names[count++] = option->name;
        }
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < i; j++)
                ck_assert_msg(strcmp(names[i], names[j]) != 0, "%s: %s is there twice", row->name,
                              names[i]);
        ck_assert_int_eq(kiln_row_dim(row, "no_such_dim"), -1);
    }
}
END_TEST

/* `variant=` names those that some row has, and all of those. */
START_TEST(test_variant_names)
{
    const char *choices = NULL;
    const kiln_option *option;
    for (size_t i = 0; (option = kiln_common_option(i)); i++)
        if (strcmp(option->name, "variant") == 0)
            choices = option->choices;
    ck_assert_ptr_nonnull(choices);
    kiln_text used = {0};
    kiln_text_add(&used, "any");
    for (size_t r = 0; r < kiln_num_rows(); r++) {
        for (size_t v = 0; v < KILN_MAX_VARIANTS && kiln_row_at(r)->variants[v]; v++) {
            const char *name = kiln_row_at(r)->variants[v]->name;
            ck_assert_msg(kiln_expr_mentions(choices, name), "variant=%s", name);
            if (!kiln_expr_mentions(used.data, name))
                kiln_text_addf(&used, "|%s", name);
        }
    }
    ck_assert_uint_eq(strlen(choices), used.length);
    kiln_text_free(&used);
}
END_TEST

/* ---- files ------------------------------------------------------------------------------- */

/* Whether what counts groups or scratch asks known(), by itself or by a let: a launch, which knows
 * more, would then count otherwise than the program does. */
static bool asks_known(const kiln_let *lets, const char *formula, int depth)
{
    if (!formula || depth > 20)
        return false;
    if (strstr(formula, "known("))
        return true;
    for (size_t i = 0; i < KILN_MAX_LETS && lets[i].name; i++)
        if (kiln_expr_mentions(formula, lets[i].name) &&
            asks_known(lets, lets[i].formula, depth + 1))
            return true;
    return false;
}

START_TEST(test_counts)
{
    for (size_t r = 0; r < kiln_num_rows(); r++) {
        const kiln_row *row = kiln_row_at(r);
        for (size_t v = 0; v < KILN_MAX_VARIANTS && row->variants[v]; v++) {
            const kiln_variant *variant = row->variants[v];
            for (size_t s = 0; s < KILN_MAX_STAGES && variant->stages[s].file; s++)
                ck_assert_msg(!asks_known(variant->lets, variant->stages[s].groups, 0) &&
                                  !asks_known(variant->lets, variant->stages[s].workgroup, 0),
                              "%s: %s: the groups of %s ask known()", row->name, variant->name,
                              variant->stages[s].file);
            for (size_t s = 0; s < KILN_MAX_SCRATCH && variant->scratch[s].name; s++)
                ck_assert_msg(!asks_known(variant->lets, variant->scratch[s].count, 0),
                              "%s: %s: the size of %s asks known()", row->name, variant->name,
                              variant->scratch[s].name);
        }
    }
}
END_TEST

START_TEST(test_files)
{
    ck_assert(is_embedded("kernels.cl.in"));
    ck_assert(is_embedded("access.cl"));
    kiln_text used = {0};
    kiln_text_add(
        &used,
        "|kernels.cl.in|access.cl|tuned.txt|ceiling_copy.cl|ceiling_fma.cl|nvidia_probe.cl|");
    const kiln_op *op;
    for (size_t i = 0; (op = kiln_op_at(i)); i++) {
        ck_assert_ptr_eq(kiln_op_find(op->name), op);
        ck_assert_msg(is_embedded(op->file), "%s: %s", op->name, op->file);
        ck_assert_msg(!op->helper || is_embedded(op->helper), "%s: %s", op->name, op->helper);
        kiln_text_addf(&used, "%s|%s|", op->file, op->helper ? op->helper : "");
    }
    for (size_t r = 0; r < kiln_num_rows(); r++) {
        const kiln_row *row = kiln_row_at(r);
        for (size_t v = 0; v < KILN_MAX_VARIANTS && row->variants[v]; v++) {
            const kiln_variant *variant = row->variants[v];
            ck_assert_ptr_nonnull(variant->stages[0].file);
            for (size_t s = 0; s < KILN_MAX_STAGES && variant->stages[s].file; s++) {
                ck_assert_msg(is_embedded(variant->stages[s].file), "%s: %s", variant->name,
                              variant->stages[s].file);
                kiln_text_addf(&used, "%s|", variant->stages[s].file);
            }
        }
    }
    for (size_t i = 0; i < kiln_num_embedded_templates; i++) {
        for (const char *at = kiln_embedded_templates[i].text; (at = strstr(at, "@include ")); at++)
            kiln_text_addf(&used, "%.*s|", (int)strcspn(at + 9, "\n"), at + 9);
    }
    for (size_t i = 0; i < kiln_num_embedded_templates; i++) {
        char name[100];
        snprintf(name, sizeof name, "|%s|", kiln_embedded_templates[i].name);
        ck_assert_msg(strstr(used.data, name) != NULL, "%s is used by no row", name);
        ck_assert_uint_eq(strlen(kiln_embedded_templates[i].text),
                          kiln_embedded_templates[i].length);
        ck_assert_uint_gt(kiln_embedded_templates[i].length, 0);
    }
    kiln_text_free(&used);
}
END_TEST

/* Every op is used, and every use is of one there is; what may be in place of what is a tensor. */
START_TEST(test_ops)
{
    for (size_t i = 0; kiln_op_at(i); i++) {
        bool used = false;
        for (size_t r = 0; r < kiln_num_rows(); r++)
            for (size_t u = 0; u < KILN_MAX_OPS; u++) {
                const char *in = kiln_row_at(r)->prologue[u].op,
                           *out = kiln_row_at(r)->epilogue[u].op;
                used = used || (in && kiln_op_find(in) == kiln_op_at(i)) ||
                       (out && kiln_op_find(out) == kiln_op_at(i));
                ck_assert_msg(!in || kiln_op_find(in), "%s", in);
                ck_assert_msg(!out || kiln_op_find(out), "%s", out);
            }
        ck_assert_msg(used, "no row uses %s", kiln_op_at(i)->name);
    }
}
END_TEST

/* ---- formulas ---------------------------------------------------------------------------- */

static const char *where; /* for messages */
static bool names_seen;   /* names depend on no tuning value: the first point shows them all */

static bool is_function(const char *name)
{
    static const char *const functions[] = {"ceildiv", "roundup", "min", "max",
                                            "known",   "defined", "pow"};
    for (size_t i = 0; i < COUNT(functions); i++)
        if (strcmp(functions[i], name) == 0)
            return true;
    return false;
}

/* Every name of the formula, those of arms not taken included, but what defined() guards. */
static void check_names(const char *formula, const kiln_env *env)
{
    bool quoted = false;
    for (const char *at = formula; *at; at++) {
        if (*at == '\'')
            quoted = !quoted;
        if (quoted || !(isalpha((unsigned char)*at) || *at == '_'))
            continue;
        char name[64], guard[80];
        size_t length = 0;
        while (isalnum((unsigned char)at[length]) || at[length] == '_')
            length++;
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        snprintf(guard, sizeof guard, "defined(%s)", name);
        if (!is_function(name) && !kiln_env_find(env, name) && !strstr(formula, guard))
            ck_abort_msg("%s: \"%s\" has the unknown name %s", where, formula, name);
        at += length - 1;
    }
}

static kiln_value value_of(const char *formula, kiln_env *env)
{
    kiln_value value = {.kind = KILN_INT};
    if (!names_seen)
        check_names(formula, env);
    if (kiln_expr_eval(formula, env, &value) != KILN_OK)
        ck_abort_msg("%s: %s", where, kiln_last_error());
    return value;
}

static int64_t integer_of(const char *formula, kiln_env *env)
{
    kiln_value value = value_of(formula, env);
    if (value.kind != KILN_INT)
        ck_abort_msg("%s: \"%s\" is no integer", where, formula);
    return value.integer;
}

/* A rule's value is a condition, and its sentence says something whether it holds or not. Returns
 * whether none is broken. */
static bool check_rules(const kiln_rule *rules, kiln_env *env)
{
    bool hold = true;
    for (size_t i = 0; i < KILN_MAX_RULES && rules[i].formula; i++) {
        kiln_value value = value_of(rules[i].formula, env);
        hold = hold && (value.kind == KILN_SYMBOL || value.integer != 0);
        if (value.kind != KILN_INT && value.kind != KILN_SYMBOL)
            ck_abort_msg("%s: \"%s\" is no condition", where, rules[i].formula);
        kiln_text sentence = {0};
        if (!rules[i].sentence ||
            kiln_template_inline(rules[i].sentence, env, where, &sentence) != KILN_OK)
            ck_abort_msg("%s: \"%s\": %s", where, rules[i].formula, kiln_last_error());
        if (sentence.length < 10)
            ck_abort_msg("%s: \"%s\": \"%s\"", where, rules[i].formula, sentence.data);
        kiln_text_free(&sentence);
    }
    return hold;
}

static void check_lets(const kiln_let *lets, kiln_env *env)
{
    for (size_t i = 0; i < KILN_MAX_LETS && lets[i].name; i++)
        if (kiln_env_set(env, lets[i].name, value_of(lets[i].formula, env)) != KILN_OK)
            ck_abort();
}

static void check_presets(const kiln_variant *variant, kiln_env *env)
{
    for (size_t p = 0; p < KILN_MAX_PRESETS && variant->presets[p]; p++) {
        const char *at = variant->presets[p];
        while (*at) {
            char word[256], *formula;
            size_t length = strcspn(at, " "), t = 0;
            ck_assert_uint_lt(length, sizeof word);
            snprintf(word, sizeof word, "%.*s", (int)length, at);
            formula = strchr(word, '=');
            ck_assert_msg(formula && formula > word, "%s: preset \"%s\"", where, at);
            *formula++ = '\0';
            while (t < KILN_MAX_TUNE && variant->tune[t].name &&
                   strcmp(variant->tune[t].name, word) != 0)
                t++;
            ck_assert_msg(t < KILN_MAX_TUNE && variant->tune[t].name, "%s: %s is not tuned", where,
                          word);
            integer_of(formula, env);
            at += length;
            at += strspn(at, " ");
        }
    }
}

/* One point of the tuning space: what is asked of it, and what follows from it. */
static void check_point(const kiln_variant *variant, const int *values, bool literal,
                        kiln_env *spec_env)
{
    kiln_env env;
    kiln_env_init(&env, spec_env);
    for (size_t t = 0; t < KILN_MAX_TUNE && variant->tune[t].name; t++)
        kiln_env_int(&env, variant->tune[t].name, values[t]);
    bool fits = check_rules(variant->require, &env);
    check_lets(variant->lets, &env);
    for (size_t w = 0; w < COUNT(variant->widths) && variant->widths[w]; w++) {
        int64_t width = integer_of(variant->widths[w], &env);
        if (fits && width != 1 && width != 2 && width != 4 && width != 8 && width != 16)
            ck_abort_msg("%s: OpenCL has no vectors of %lld", where, (long long)width);
    }
    for (size_t s = 0; s < KILN_MAX_STAGES && variant->stages[s].file; s++) {
        if (integer_of(variant->stages[s].workgroup, &env) < 1 && fits)
            ck_abort_msg("%s: an empty group", where);
        kiln_value groups = value_of(variant->stages[s].groups, &env);
        if (literal && fits && (groups.kind != KILN_INT || groups.integer < 1))
            ck_abort_msg("%s: %lld groups of kind %d", where, (long long)groups.integer,
                         groups.kind);
        if (groups.kind != KILN_INT && groups.kind != KILN_SYMBOL)
            ck_abort_msg("%s: \"%s\" is no number", where, variant->stages[s].groups);
    }
    kiln_env_free(&env);
    names_seen = true;
}

static size_t num_values(const kiln_tune_name *tune)
{
    size_t count = 0;
    while (count < KILN_MAX_VALUES && tune->values[count])
        count++;
    return count;
}

/* The whole space if it is small, else every pair of values beside the first of the others; in
 * quick mode a tenth of those pairs. */
static void check_space(const kiln_variant *variant, bool literal, kiln_env *env)
{
    static size_t pair;
    size_t num = 0, points = 1, index[KILN_MAX_TUNE] = {0};
    int values[KILN_MAX_TUNE] = {0};
    for (; num < KILN_MAX_TUNE && variant->tune[num].name; num++) {
        values[num] = variant->tune[num].values[0];
        points *= num_values(&variant->tune[num]);
        ck_assert_msg(values[num] > 0, "%s: %s", where, variant->tune[num].name);
    }
    if (points <= 100) {
        for (size_t p = 0; p < points; p++) {
            for (size_t t = 0, rest = p; t < num; rest /= num_values(&variant->tune[t]), t++)
                values[t] = variant->tune[t].values[rest % num_values(&variant->tune[t])];
            check_point(variant, values, literal, env);
        }
        return;
    }
    for (size_t a = 0; a < num; a++)
        for (size_t b = 0; b < a; b++)
            for (index[a] = 0; index[a] < num_values(&variant->tune[a]); index[a]++)
                for (index[b] = 0; index[b] < num_values(&variant->tune[b]); index[b]++) {
                    if (pair++ % 10 != 0 && test_quick())
                        continue;
                    for (size_t t = 0; t < num; t++)
                        values[t] = variant->tune[t].values[t == a || t == b ? index[t] : 0];
                    check_point(variant, values, literal, env);
                }
}

static void check_tensor(const kiln_row *row, const kiln_tensor *tensor, kiln_env *env)
{
    ck_assert_msg(is_name(tensor->name) && strlen(tensor->name) < 20, "%s: a tensor's name", where);
    ck_assert_msg(tensor->intent >= KILN_IN && tensor->intent <= KILN_INOUT, "%s", tensor->name);
    for (const char *at = tensor->shape; *at;) { /* no formula of a shape has a comma in it */
        char extent[64];
        size_t length = strcspn(at, ",");
        snprintf(extent, sizeof extent, "%.*s", (int)length, at);
        value_of(extent, env);
        at += length + (at[length] == ',');
    }
    if (tensor->stride)
        value_of(tensor->stride, env);
    kiln_value dtype = value_of(tensor->dtype, env);
    ck_assert_msg(dtype.kind == KILN_STRING &&
                      kiln_dtype_from_name(dtype.text) != KILN_DTYPE_DEFAULT,
                  "%s: %s", where, tensor->name);
    if (tensor->when)
        integer_of(tensor->when, env);
    if (tensor->also_in)
        integer_of(tensor->also_in, env);
    kiln_text inputs = {0}; /* what may_be may name */
    kiln_text_add(&inputs, " ");
    for (size_t t = 0; t < KILN_MAX_TENSORS && row->tensors[t].name; t++)
        if (row->tensors[t].intent & KILN_IN)
            kiln_text_addf(&inputs, "%s ", row->tensors[t].name);
    for (size_t u = 0; u < 2 * KILN_MAX_OPS; u++) {
        const kiln_op_use *uses = u < KILN_MAX_OPS ? row->prologue : row->epilogue;
        const char *op = uses[u % KILN_MAX_OPS].op;
        for (size_t t = 0; op && t < 2 && kiln_op_find(op)->tensors[t].name; t++)
            kiln_text_addf(&inputs, "%s ", kiln_op_find(op)->tensors[t].name);
    }
    for (const char *at = tensor->may_be; at && *at;) {
        char word[40];
        size_t length = strcspn(at, " ");
        snprintf(word, sizeof word, " %.*s ", (int)length, at);
        ck_assert_msg(strstr(inputs.data, word) != NULL, "%s: %s may not be%s", where, tensor->name,
                      word);
        at += length + (at[length] == ' ');
    }
    kiln_text_free(&inputs);
}

static void check_uses(const kiln_row *row, const kiln_op_use *uses, const char *count,
                       kiln_env *env, kiln_env *reals)
{
    for (size_t u = 0; u < KILN_MAX_OPS && uses[u].op; u++) {
        const kiln_op *op = kiln_op_find(uses[u].op);
        if (uses[u].when)
            integer_of(uses[u].when, env);
        for (size_t t = 0; t < COUNT(op->tensors) && op->tensors[t].name; t++)
            check_tensor(row, &op->tensors[t], env);
        if (reals) {
            double flops = 0;
            value_of(op->flops, reals);
            value_of(count, reals);
            ck_assert_int_eq(kiln_expr_eval_real(op->flops, reals, &flops), KILN_OK);
            ck_assert_msg(flops >= 0 && flops < 100, "%s: %s", where, op->name);
        }
    }
}

static void check_spec(const char *text)
{
    static const char *const devices[] = {"cpu,simd_width=8",
                                          "gpu,max_workgroup=64,local_mem=16384"};
    kiln_spec spec;
    where = text;
    if (kiln_spec_parse(text, &spec) != KILN_OK)
        ck_abort_msg("%s", kiln_last_error());
    bool literal = strchr(text, '?') == NULL;
    kiln_env reals;
    kiln_env_init(&reals, NULL);
    if (literal)
        ck_assert_int_eq(kiln_spec_bind_real(&spec, NULL, &reals), KILN_OK);
    for (size_t d = 0; d < COUNT(devices); d++) {
        kiln_env env;
        kiln_facts facts;
        kiln_env_init(&env, NULL);
        ck_assert_int_eq(kiln_facts_parse(devices[d], &facts), KILN_OK);
        ck_assert_int_eq(kiln_facts_bind(&facts, &env), KILN_OK);
        ck_assert_int_eq(kiln_spec_bind(&spec, NULL, &env), KILN_OK);
        const kiln_row *row = spec.row;
        for (size_t i = 0; i < KILN_MAX_LETS && row->lets[i].name; i++)
            check_names(row->lets[i].formula, &env);
        check_rules(row->rules, &env);
        for (size_t t = 0; t < KILN_MAX_TENSORS && row->tensors[t].name; t++)
            check_tensor(row, &row->tensors[t], &env);
        check_uses(row, row->prologue, row->prologue_count, &env, literal ? &reals : NULL);
        check_uses(row, row->epilogue, row->epilogue_count, &env, literal ? &reals : NULL);
        if (literal)
            value_of(row->flops, &reals);
        for (size_t v = 0; v < KILN_MAX_VARIANTS && row->variants[v]; v++) {
            check_rules(row->variants[v]->allow, &env);
            check_presets(row->variants[v], &env);
            check_space(row->variants[v], literal, &env);
            names_seen = false;
        }
        kiln_chosen chosen;
        if (kiln_choose(&spec, &facts, &chosen) == KILN_OK) {
            check_point(chosen.variant, chosen.values, literal, &env);
            names_seen = false;
            kiln_chosen_free(&chosen);
        }
        kiln_env_free(&env);
    }
    kiln_env_free(&reals);
    kiln_spec_free(&spec);
}

/* NAME, every dimension from sizes in turn, options that must be named, and more. */
static void spec_of(const kiln_row *row, const char *const *sizes, const char *more, char *out,
                    size_t size)
{
    kiln_text text = {0};
    kiln_text_add(&text, row->name);
    for (size_t i = 0; i < KILN_MAX_DIMS && row->dims[i]; i++) {
        bool literal = row->literal && kiln_expr_mentions(row->literal, row->dims[i]);
        bool even = strcmp(row->dims[i], "head_dim") == 0;
        kiln_text_addf(&text, " %s=%s", row->dims[i],
                       literal && even ? "64"
                       : literal       ? "4"
                                       : sizes[i]);
    }
    const kiln_option *option;
    for (size_t i = 0; (option = kiln_row_option(row, i)); i++)
        if (!option->fallback)
            kiln_text_addf(&text, " %s=%.*s", option->name, (int)strcspn(option->choices, "|"),
                           option->choices);
    kiln_text_addf(&text, " %s", more);
    snprintf(out, size, "%s", text.data);
    kiln_text_free(&text);
}

static const char *const shapes[][KILN_MAX_DIMS] = {{"1", "1", "1", "1", "1", "1"},
                                                    {"3", "127", "129", "65", "31", "7"},
                                                    {"4096", "11008", "4096", "128", "64", "2"},
                                                    {"65536", "16384", "12288", "8192", "2", "3"},
                                                    {"?", "?", "?", "?", "?", "?"},
                                                    {"?", "4096", "?", "1024", "?", "3"}};

START_TEST(test_formulas)
{
    const kiln_row *row = kiln_row_at((size_t)_i);
    for (size_t s = 0; s < COUNT(shapes); s++) {
        char text[300];
        spec_of(row, shapes[s], "", text, sizeof text);
        check_spec(text);
    }
}
END_TEST

/* Options that formulas mention, one at a time. */
START_TEST(test_formulas_with_options)
{
    static const char *const options[] = {"tile_size=32", "accumulate=1", "out_dtype=f32",
                                          "layout=nt",    "save_pre=1",   "trans_a=1",
                                          "trans_b=1",    "lda=70000",    "workgroup_size=128"};
    const kiln_row *row = kiln_row_at((size_t)_i);
    size_t used = 0;
    for (size_t o = 0; o < COUNT(options); o++) {
        char text[300], more[64], name[32];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(options[o], "="), options[o]);
        const kiln_option *option = NULL;
        for (size_t i = 0; (option = kiln_row_option(row, i)); i++)
            if (strcmp(option->name, name) == 0)
                break;
        if (!option || !option->fallback)
            continue;
        used++;
        snprintf(more, sizeof more, "dtype=bf16 %s", options[o]);
        for (size_t s = 1; s < COUNT(shapes); s += 3) {
            spec_of(row, shapes[s], more, text, sizeof text);
            check_spec(text);
        }
    }
    ck_assert_uint_ge(used, 1);
}
END_TEST

/* Sizes and costs of the largest shapes are numbers, or refused: nothing wraps. */
START_TEST(test_costs)
{
    static const char *const sizes[] = {"1", "1000", "1000000", "2147483647"};
    for (size_t r = 0; r < kiln_num_rows(); r++) {
        for (size_t s = 0; s < COUNT(sizes); s++) {
            const char *all[KILN_MAX_DIMS] = {sizes[s], sizes[s], sizes[s],
                                              sizes[s], sizes[s], sizes[s]};
            char text[300];
            kiln_spec spec;
            kiln_signature signature;
            kiln_env env, reals;
            kiln_cost cost;
            spec_of(kiln_row_at(r), all, "dtype=f16", text, sizeof text);
            ck_assert_msg(kiln_spec_parse(text, &spec) == KILN_OK, "%s", kiln_last_error());
            kiln_env_init(&reals, NULL);
            kiln_env_init(&env, &reals);
            ck_assert_int_eq(kiln_spec_bind_real(&spec, NULL, &reals), KILN_OK);
            kiln_status status = kiln_spec_bind(&spec, NULL, &env);
            ck_assert_msg(status == KILN_OK, "%s: %s", text, kiln_last_error());
            ck_assert_int_eq(kiln_signature_make(&spec, &env, &signature), KILN_OK);
            ck_assert_int_eq(kiln_signature_cost(&spec, &signature, &reals, &cost), KILN_OK);
            double n = strtod(sizes[s], NULL), batch = spec.num_dims == 4 ? n : 1, bytes = 0;
            int64_t columns = 1; /* qkv_projection tells its columns otherwise */
            bool told = kiln_env_find(&env, "q_columns") != NULL;
            if (told)
                ck_assert_int_eq(kiln_expr_eval_int("q_columns + 2*kv_columns", &env, &columns),
                                 KILN_OK);
            double each = batch * n * n * (told ? (double)columns : n);
            bool matmul = strcmp(spec.row->family, "matmul") == 0;
            if (matmul)
                ck_assert(cost.flops >= 2 * each && cost.flops < 22 * each);
            for (size_t p = 0; p < signature.count; p++) {
                kiln_extents extents;
                const size_t element = kiln_dtype_size(signature.parameters[p].dtype);
                if (signature.parameters[p].kind != KILN_ARG_BUFFER)
                    continue;
                status = kiln_parameter_extents(&signature.parameters[p], &env, &extents);
                if (status == KILN_OK) {
                    bytes += (double)extents.bytes;
                    ck_assert_uint_eq(extents.bytes, element * (uint64_t)extents.elements);
                } else {
                    ck_assert_msg(status == KILN_INVALID_SPEC && n > 2e9, "%s: %d %s", text, status,
                                  kiln_last_error());
                    bytes += 0x1p62;
                }
            }
            ck_assert_msg(cost.bytes >= bytes * 0.999 || bytes >= 0x1p62, "%s: %g bytes, not %g",
                          text, cost.bytes, bytes);
            kiln_env_free(&env);
            kiln_env_free(&reals);
            kiln_spec_free(&spec);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry");
    TCase *tests = tcase_create("registry");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, test_rows);
    tcase_add_test(tests, test_parameters);
    tcase_add_test(tests, test_variant_names);
    tcase_add_test(tests, test_files);
    tcase_add_test(tests, test_counts);
    tcase_add_test(tests, test_ops);
    tcase_add_loop_test(tests, test_formulas, 0, (int)kiln_num_rows());
    tcase_add_loop_test(tests, test_formulas_with_options, 0, (int)kiln_num_rows());
    tcase_add_test(tests, test_costs);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
