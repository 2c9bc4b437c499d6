/* Formulas of rows for a reader: evaluated as far as they can be, with few parentheses. */
#include "cli.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- fewer parentheses ------------------------------------------------------------------- */

/* How tightly an operator binds, as far as this knows them; 0: not at all or not known. */
static int binding(char operator_)
{
    return strchr("*/%", operator_) && operator_ ? 2 : strchr("+-", operator_) && operator_ ? 1 : 0;
}

/* The weakest operator between open and close, outside parentheses; 3 if there is none. */
static int weakest(const char *open, const char *close)
{
    int least = 3, depth = 0;
    for (const char *at = open + 1; at < close; at++) {
        depth += (*at == '(') - (*at == ')');
        bool plain = isalnum((unsigned char)*at) || strchr("_. ()", *at);
        if (depth == 0 && !plain && binding(*at) < least)
            least = binding(*at);
    }
    return least;
}

static bool has_any(const char *open, const char *close, const char *any)
{
    return open + strcspn(open, any) < close;
}

static char *matching(char *open)
{
    int depth = 0;
    for (char *at = open; *at; at++) {
        depth += (*at == '(') - (*at == ')');
        if (depth == 0)
            return at;
    }
    return NULL;
}

static bool is_superfluous(const char *text, const char *open, const char *close)
{
    const char *before = open, *after = close + 1;
    while (before > text && before[-1] == ' ')
        before--;
    while (*after == ' ')
        after++;
    char left = before > text ? before[-1] : '\0', right = *after;
    if (isalnum((unsigned char)left) || left == '_') /* a call */
        return false;
    bool left_free = !left || left == '(' || left == ',';
    bool right_free = !right || right == ')' || right == ',';
    int inner = weakest(open, close);
    if (left == '*' && inner == 2 && !has_any(open, close, "/%"))
        inner = 3; /* a*(b*c) */
    if (inner == 0 || (!left_free && !binding(left)) || (!right_free && !binding(right)))
        return left_free && right_free;
    return (left_free || inner > binding(left)) && (right_free || inner >= binding(right));
}

/* In place. */
static void tidy(char *text)
{
    for (bool again = true; again;) {
        again = false;
        for (char *open = text; *open && !again; open++) {
            char *close = *open == '(' ? matching(open) : NULL;
            if (!close || !is_superfluous(text, open, close))
                continue;
            memmove(close, close + 1, strlen(close));
            memmove(open, open + 1, strlen(open));
            again = true;
        }
    }
    /* No blanks about what binds tightly. */
    char *out = text;
    for (const char *at = text; *at; at++)
        if (*at != ' ' || (binding(at[1]) != 2 && (out == text || binding(out[-1]) != 2)))
            *out++ = *at;
    *out = '\0';
}

/* ---- formulas ---------------------------------------------------------------------------- */

char *cli_formula(const char *formula, kiln_env *env)
{
    kiln_value value;
    kiln_text text = {0};
    if (kiln_expr_eval(formula, env, &value) == KILN_OK)
        kiln_value_print(&text, &value, false);
    else
        kiln_text_add(&text, formula);
    char *result = cli_need(kiln_text_take(&text));
    tidy(result);
    return result;
}

char *cli_shape(const char *shape, kiln_env *env)
{
    kiln_text text = {0};
    while (*shape) {
        char *part = cli_need(kiln_shape_next(&shape)), *extent = cli_formula(part, env);
        kiln_text_addf(&text, "%s%s", text.length ? ", " : "", extent);
        free(extent);
        free(part);
    }
    return cli_need(kiln_text_take(&text));
}

/* The product of two formulas. */
static char *product(const char *a, const char *b, kiln_env *env)
{
    kiln_text text = {0};
    kiln_text_addf(&text, "(%s)*(%s)", a, b);
    char *both = cli_need(kiln_text_take(&text)), *result = cli_formula(both, env);
    free(both);
    return result;
}

static void add_ops(kiln_text *out, const kiln_op_instance *ops, size_t num, const char *count,
                    kiln_env *env)
{
    for (size_t i = 0; i < num; i++) {
        char *flops = product(ops[i].op->flops, count, env);
        if (strcmp(flops, "0") != 0 && strncmp(flops, "0*", 2) != 0)
            kiln_text_addf(out, "%s%s (%s)", out->length ? " + " : "", flops, ops[i].op->name);
        free(flops);
    }
}

char *cli_flops_formula(const kiln_row *row, const kiln_signature *signature, kiln_env *env)
{
    kiln_text text = {0};
    char *own = cli_formula(row->flops, env);
    if (strcmp(own, "0") != 0)
        kiln_text_add(&text, own);
    free(own);
    add_ops(&text, signature->prologue, signature->num_prologue, row->prologue_count, env);
    add_ops(&text, signature->epilogue, signature->num_epilogue, row->epilogue_count, env);
    if (text.length == 0)
        kiln_text_add(&text, "0");
    return cli_need(kiln_text_take(&text));
}

/* "m*k" of "m, k". */
static char *elements(const char *shape, kiln_env *env)
{
    kiln_text text = {0};
    char *extents = cli_shape(shape, env);
    for (const char *at = extents; *at;) {
        size_t length = strcspn(at, ",");
        bool sum = memchr(at, '+', length) || memchr(at, '-', length);
        kiln_text_addf(&text, "%s%s%.*s%s", text.length ? "*" : "", sum ? "(" : "", (int)length, at,
                       sum ? ")" : "");
        at += length + (at[length] == ',');
        at += strspn(at, " ");
    }
    free(extents);
    return cli_need(kiln_text_take(&text));
}

char *cli_bytes_formula(const kiln_signature *signature, kiln_env *env)
{
    kiln_text text = {0};
    for (int dtype = KILN_F32; dtype <= KILN_I32; dtype++) {
        kiln_text sum = {0};
        size_t terms = 0;
        for (size_t i = 0; i < signature->count; i++) {
            const kiln_parameter *p = &signature->parameters[i];
            if (p->kind != KILN_ARG_BUFFER || (int)p->dtype != dtype)
                continue;
            char *count = elements(p->tensor->touched ? p->tensor->touched : p->tensor->shape, env);
            kiln_text_addf(&sum, "%s%s%s", terms++ ? " + " : "",
                           p->is_input && p->is_output ? "2*" : "", count);
            free(count);
        }
        if (terms > 0)
            kiln_text_addf(&text, "%s%zu*%s%s%s", text.length ? " + " : "",
                           kiln_dtype_size((kiln_dtype)dtype), terms > 1 ? "(" : "", sum.data,
                           terms > 1 ? ")" : "");
        kiln_text_free(&sum);
    }
    return cli_need(kiln_text_take(&text));
}
