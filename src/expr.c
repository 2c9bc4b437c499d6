#include "expr.h"
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A formula nested deeper than this is refused rather than overflowing the stack. */
#define MAX_DEPTH 64

/* ---- parsing ----------------------------------------------------------------------------- */

/* skip: parse without evaluating, for the arms that || && ?: do not take. */
typedef struct {
    const char *formula;
    const char *at;
    kiln_env *env;
    int depth;
    kiln_status status;
} parser;

static kiln_value integer(int64_t value)
{
    return (kiln_value){.kind = KILN_INT, .integer = value};
}

static kiln_value real(double value)
{
    return (kiln_value){.kind = KILN_REAL, .real = value};
}

/* The first error is the one worth reading. */
static kiln_value error(parser *p, const char *what, const char *detail)
{
    if (p->status == KILN_OK)
        p->status = kiln_fail(KILN_TEMPLATE_ERROR, "formula \"%s\", column %d: %s%s", p->formula,
                              (int)(p->at - p->formula) + 1, what, detail);
    return integer(0);
}

static void blanks(parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static bool take(parser *p, const char *token)
{
    blanks(p);
    size_t length = strlen(token);
    if (strncmp(p->at, token, length) != 0)
        return false;
    /* `<` is not the start of `<=`, nor `!` of `!=`. */
    if (length == 1 && strchr("<>!", *token) && p->at[1] == '=')
        return false;
    p->at += length;
    return true;
}

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* An identifier, false if there is none (or one longer than any in use). */
static bool take_name(parser *p, char *name, size_t size)
{
    blanks(p);
    size_t length = 0;
    while (name_char(p->at[length]))
        length++;
    if (length == 0 || length >= size || isdigit((unsigned char)*p->at))
        return false;
    memcpy(name, p->at, length);
    name[length] = '\0';
    p->at += length;
    return true;
}

/* ---- arithmetic -------------------------------------------------------------------------- */

static bool add_overflows(int64_t a, int64_t b)
{
    return b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b;
}

static bool multiply_overflows(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return false;
    if (a == -1)
        return b == INT64_MIN;
    if (b == -1)
        return a == INT64_MIN;
    int64_t limit = (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
    return limit > 0 ? (a > 0 ? a > limit / b : a < limit / b)
                     : (a > 0 ? b < limit / a : a < limit / b);
}

static bool is_number(kiln_value v)
{
    return v.kind == KILN_INT || v.kind == KILN_REAL;
}

static double as_real(kiln_value v)
{
    return v.kind == KILN_REAL ? v.real : (double)v.integer;
}

static const char *operand_text(const kiln_value *v, char *buffer, size_t size)
{
    if (v->kind == KILN_SYMBOL)
        return v->text;
    snprintf(buffer, size, "%lld", (long long)v->integer);
    return buffer;
}

/* A value that is this text, which is freed: the environment keeps a copy. */
static kiln_value keep(parser *p, kiln_value_kind kind, kiln_text *text)
{
    const char *kept = text->failed ? NULL : kiln_env_keep(p->env, text->data ? text->data : "");
    kiln_text_free(text);
    if (!kept) {
        p->status = kiln_fail_memory();
        return integer(0);
    }
    return (kiln_value){.kind = kind, .text = kept};
}

/* C text for an operation on a launch-time value. */
static kiln_value symbolic(parser *p, const char *op, kiln_value a, kiln_value b)
{
    if ((a.kind != KILN_SYMBOL && a.kind != KILN_INT) ||
        (b.kind != KILN_SYMBOL && b.kind != KILN_INT))
        return error(p, "a launch-time dimension meets a value that is no integer", "");
    bool a_is = a.kind == KILN_INT, b_is = b.kind == KILN_INT;
    if (*op == '*' && ((a_is && a.integer == 0) || (b_is && b.integer == 0)))
        return integer(0);
    if ((*op == '*' && a_is && a.integer == 1) || (*op == '+' && a_is && a.integer == 0))
        return b;
    if ((strchr("*/", *op) && b_is && b.integer == 1) ||
        (strchr("+-", *op) && b_is && b.integer == 0))
        return a;
    if (strchr("/%", *op) && b_is && b.integer == 0)
        return error(p, "division by zero", "");
    char left[24], right[24];
    const char *x = operand_text(&a, left, sizeof left);
    const char *y = operand_text(&b, right, sizeof right);
    kiln_text text = {0};
    if (isalpha((unsigned char)*op))
        kiln_text_addf(&text, "%s((long)%s, (long)%s)", op, x, y); /* not of int and long */
    else
        kiln_text_addf(&text, "(%s %s %s)", x, op, y);
    return keep(p, KILN_SYMBOL, &text);
}

static kiln_value arithmetic(parser *p, char op, kiln_value a, kiln_value b)
{
    if (a.kind == KILN_SYMBOL || b.kind == KILN_SYMBOL)
        return symbolic(p, (const char[]){op, '\0'}, a, b);
    if (!is_number(a) || !is_number(b))
        return error(p, "arithmetic on a string", "");
    if (a.kind == KILN_REAL || b.kind == KILN_REAL) {
        double x = as_real(a), y = as_real(b);
        switch (op) {
        case '+':
            return real(x + y);
        case '-':
            return real(x - y);
        case '*':
            return real(x * y);
        case '/':
            return y == 0 ? error(p, "division by zero", "") : real(x / y);
        default:
            return y == 0 ? error(p, "division by zero", "") : real(fmod(x, y));
        }
    }
    int64_t x = a.integer, y = b.integer;
    switch (op) {
    case '+':
        return add_overflows(x, y) ? error(p, "the sum overflows 64 bits", "") : integer(x + y);
    case '-':
        if (y < 0 ? x > INT64_MAX + y : x < INT64_MIN + y)
            return error(p, "the difference overflows 64 bits", "");
        return integer(x - y);
    case '*':
        return multiply_overflows(x, y) ? error(p, "the product overflows 64 bits", "")
                                        : integer(x * y);
    default:
        if (y == 0)
            return error(p, "division by zero", "");
        if (y == -1)
            return op == '/' ? arithmetic(p, '-', integer(0), a) : integer(0);
        return integer(op == '/' ? x / y : x % y);
    }
}

static kiln_value compare(parser *p, const char *op, kiln_value a, kiln_value b)
{
    if (a.kind == KILN_SYMBOL || b.kind == KILN_SYMBOL)
        return symbolic(p, op, a, b);
    int order;
    if (a.kind == KILN_STRING && b.kind == KILN_STRING)
        order = strcmp(a.text, b.text);
    else if (!is_number(a) || !is_number(b))
        return error(p, "a string is compared with a number", "");
    else if (a.kind == KILN_INT && b.kind == KILN_INT)
        order = (a.integer > b.integer) - (a.integer < b.integer);
    else
        order = (as_real(a) > as_real(b)) - (as_real(a) < as_real(b));
    bool equal = op[1] == '=' && order == 0;
    switch (op[0]) {
    case '=':
        return integer(order == 0);
    case '!':
        return integer(order != 0);
    case '<':
        return integer(order < 0 || equal);
    default:
        return integer(order > 0 || equal);
    }
}

/* Of a value that is no symbol. */
static bool truth(kiln_value v)
{
    if (v.kind == KILN_INT)
        return v.integer != 0;
    return v.kind == KILN_REAL ? v.real != 0 : v.text[0] != '\0';
}

/* ---- grammar ----------------------------------------------------------------------------- */

static kiln_value conditional(parser *p, bool skip);

static double round_f32(double a)
{
    return (double)(float)a;
}

/* The functions of real numbers; pow is the one of two. */
static kiln_value real_call(parser *p, const char *name, bool skip)
{
    static const struct {
        const char *name;
        double (*of_one)(double a);
        bool to_integer;
    } functions[] = {{"pow", NULL, false},
                     {"exp", exp, false},
                     {"ceil", ceil, false},
                     {"f32", round_f32, false},
                     {"trunc", trunc, true}};
    size_t f = 0;
    while (f < sizeof functions / sizeof *functions && strcmp(name, functions[f].name) != 0)
        f++;
    if (f == sizeof functions / sizeof *functions)
        return error(p, "unknown function ", name);
    kiln_value a = conditional(p, skip), b = integer(0);
    if (!functions[f].of_one) {
        if (!take(p, ","))
            return error(p, "two arguments are expected by ", name);
        b = conditional(p, skip);
    }
    if (!take(p, ")"))
        return error(p, "`)' is missing", "");
    if (skip || p->status != KILN_OK)
        return integer(0);
    if (!is_number(a) || !is_number(b))
        return error(p, "a number known now is expected by ", name);
    double value =
        functions[f].of_one ? functions[f].of_one(as_real(a)) : pow(as_real(a), as_real(b));
    if (functions[f].to_integer)
        return fabs(value) < 0x1p63 ? integer((int64_t)value)
                                    : error(p, "no integer of 64 bits comes from ", name);
    return isfinite(value) ? real(value) : error(p, "no finite number comes from ", name);
}

static kiln_value call(parser *p, const char *name, bool skip)
{
    static const char *const known_functions[] = {"ceildiv", "roundup", "min", "max"};
    if (strcmp(name, "defined") == 0) {
        char argument[64];
        if (!take_name(p, argument, sizeof argument))
            return error(p, "defined() takes a name", "");
        bool found = kiln_env_find(p->env, argument) != NULL;
        return take(p, ")") ? integer(found) : error(p, "`)' is missing", "");
    }
    size_t f = 0;
    while (f < 4 && strcmp(name, known_functions[f]) != 0)
        f++;
    if (f == 4 && strcmp(name, "known") != 0)
        return real_call(p, name, skip);
    kiln_value a = conditional(p, skip);
    if (f == 4)
        return take(p, ")") ? integer(a.kind != KILN_SYMBOL) : error(p, "`)' is missing", "");
    if (!take(p, ","))
        return error(p, "two arguments are expected by ", name);
    kiln_value b = conditional(p, skip);
    if (!take(p, ")"))
        return error(p, "`)' is missing", "");
    if (skip || p->status != KILN_OK)
        return integer(0);
    bool symbol = a.kind == KILN_SYMBOL || b.kind == KILN_SYMBOL;
    if (f >= 2) {
        if (symbol)
            return symbolic(p, name, a, b);
        bool less = compare(p, "<", a, b).integer != 0;
        return (f == 2) == less ? a : b;
    }
    kiln_value quotient;
    if (a.kind == KILN_REAL || b.kind == KILN_REAL) {
        quotient = arithmetic(p, '/', a, b);
        quotient.real = ceil(quotient.real);
    } else {
        kiln_value less_one = arithmetic(p, '-', b, integer(1));
        quotient = arithmetic(p, '/', arithmetic(p, '+', a, less_one), b);
    }
    return f == 0 ? quotient : arithmetic(p, '*', quotient, b);
}

static kiln_value number(parser *p)
{
    const char *start = p->at;
    while (isdigit((unsigned char)*p->at))
        p->at++;
    bool is_real = *p->at == '.' || *p->at == 'e' || *p->at == 'E';
    if (is_real) {
        double value = kiln_real_parse(start, &p->at);
        return isfinite(value) ? real(value) : error(p, "the number is too large", "");
    }
    errno = 0;
    long long value = strtoll(start, NULL, 10);
    if (errno == ERANGE)
        return error(p, "the number does not fit 64 bits", "");
    return integer(value);
}

static kiln_value string(parser *p)
{
    const char *start = p->at + 1;
    const char *end = strchr(start, '\'');
    if (!end)
        return error(p, "the string has no end", "");
    kiln_text text = {0};
    kiln_text_add_bytes(&text, start, (size_t)(end - start));
    p->at = end + 1;
    return keep(p, KILN_STRING, &text);
}

static kiln_value primary(parser *p, bool skip)
{
    blanks(p);
    if (isdigit((unsigned char)*p->at))
        return number(p);
    if (take(p, "(")) {
        kiln_value value = conditional(p, skip);
        return take(p, ")") ? value : error(p, "`)' is missing", "");
    }
    if (*p->at == '\'')
        return string(p);
    char name[64];
    if (!take_name(p, name, sizeof name))
        return error(p, *p->at ? "a value is expected before " : "a value is expected at the end",
                     p->at);
    if (take(p, "("))
        return call(p, name, skip);
    const kiln_value *found = kiln_env_find(p->env, name);
    if (found)
        return *found;
    return skip ? integer(0) : error(p, "unknown name ", name);
}

static kiln_value unary(parser *p, bool skip)
{
    if (++p->depth > MAX_DEPTH)
        return error(p, "nested too deeply", "");
    kiln_value value;
    if (take(p, "-")) {
        value = unary(p, skip);
        value = skip ? integer(0) : arithmetic(p, '-', integer(0), value);
    } else if (take(p, "!")) {
        value = unary(p, skip);
        if (value.kind == KILN_SYMBOL && !skip)
            value = symbolic(p, "==", value, integer(0));
        else
            value = integer(skip ? 0 : !truth(value));
    } else {
        value = primary(p, skip);
    }
    p->depth--;
    return value;
}

static kiln_value product(parser *p, bool skip)
{
    kiln_value left = unary(p, skip);
    while (p->status == KILN_OK) {
        char op = take(p, "*") ? '*' : take(p, "/") ? '/' : take(p, "%") ? '%' : '\0';
        if (!op)
            break;
        kiln_value right = unary(p, skip);
        left = skip ? integer(0) : arithmetic(p, op, left, right);
    }
    return left;
}

static kiln_value sum(parser *p, bool skip)
{
    kiln_value left = product(p, skip);
    while (p->status == KILN_OK) {
        char op = take(p, "+") ? '+' : take(p, "-") ? '-' : '\0';
        if (!op)
            break;
        kiln_value right = product(p, skip);
        left = skip ? integer(0) : arithmetic(p, op, left, right);
    }
    return left;
}

/* == and != are looser than the others, as in C. */
static kiln_value relation(parser *p, bool skip, bool equality)
{
    static const char *const ops[] = {"==", "!=", "<=", ">=", "<", ">"};
    size_t from = equality ? 0 : 2, to = equality ? 2 : 6;
    kiln_value left = equality ? relation(p, skip, false) : sum(p, skip);
    for (size_t i = from; i < to && p->status == KILN_OK; i++) {
        if (take(p, ops[i])) {
            kiln_value right = equality ? relation(p, skip, false) : sum(p, skip);
            left = skip || p->status != KILN_OK ? integer(0) : compare(p, ops[i], left, right);
            i = from - 1;
        }
    }
    return left;
}

/* A symbol on one side leaves the other to decide, where it can. */
static kiln_value logical(parser *p, const char *op, kiln_value left, kiln_value right)
{
    bool decisive = *op == '|';
    if (left.kind != KILN_SYMBOL && right.kind != KILN_SYMBOL)
        return integer(decisive ? truth(left) || truth(right) : truth(left) && truth(right));
    kiln_value known = left.kind == KILN_SYMBOL ? right : left;
    if (known.kind == KILN_SYMBOL)
        return symbolic(p, op, left, right);
    return truth(known) == decisive
               ? integer(decisive)
               : symbolic(p, "!=", left.kind == KILN_SYMBOL ? left : right, integer(0));
}

static kiln_value conjunction(parser *p, bool skip)
{
    kiln_value left = relation(p, skip, true);
    while (p->status == KILN_OK && take(p, "&&")) {
        bool stop = skip || (left.kind != KILN_SYMBOL && !truth(left));
        kiln_value right = relation(p, stop, true);
        left = stop ? integer(0) : logical(p, "&&", left, right);
    }
    return left;
}

static kiln_value disjunction(parser *p, bool skip)
{
    kiln_value left = conjunction(p, skip);
    while (p->status == KILN_OK && take(p, "||")) {
        bool stop = skip || (left.kind != KILN_SYMBOL && truth(left));
        kiln_value right = conjunction(p, stop);
        left = stop ? integer(!skip) : logical(p, "||", left, right);
    }
    return left;
}

/* Both arms as C text, for a condition that the launch decides. */
static kiln_value symbolic_choice(parser *p, kiln_value condition, kiln_value yes, kiln_value no)
{
    kiln_value arms = symbolic(p, ":", yes, no);
    if (p->status != KILN_OK)
        return integer(0);
    /* "(yes : no)" behind "condition ? ", in one pair of parentheses. */
    kiln_text text = {0};
    kiln_text_addf(&text, "(%s ? %s", condition.text, arms.text + 1);
    return keep(p, KILN_SYMBOL, &text);
}

static kiln_value conditional(parser *p, bool skip)
{
    if (++p->depth > MAX_DEPTH)
        return error(p, "nested too deeply", "");
    kiln_value value = disjunction(p, skip);
    if (p->status == KILN_OK && take(p, "?")) {
        bool open = value.kind == KILN_SYMBOL && !skip;
        bool first = !open && !skip && truth(value);
        kiln_value yes = conditional(p, skip || !(first || open));
        if (p->status == KILN_OK && !take(p, ":"))
            error(p, "`:' is missing", "");
        kiln_value no = p->status == KILN_OK ? conditional(p, skip || first) : integer(0);
        value = open ? symbolic_choice(p, value, yes, no) : first ? yes : no;
    }
    p->depth--;
    return value;
}

/* ---- entry points ------------------------------------------------------------------------ */

kiln_status kiln_expr_eval(const char *formula, kiln_env *env, kiln_value *value)
{
    parser p = {.formula = formula, .at = formula, .env = env, .status = KILN_OK};
    kiln_value result = conditional(&p, false);
    blanks(&p);
    if (p.status == KILN_OK && *p.at)
        error(&p, "unexpected ", p.at);
    if (p.status == KILN_OK)
        *value = result;
    return p.status;
}

kiln_status kiln_expr_eval_int(const char *formula, kiln_env *env, int64_t *value)
{
    kiln_value result;
    kiln_status status = kiln_expr_eval(formula, env, &result);
    if (status != KILN_OK)
        return status;
    if (result.kind != KILN_INT)
        return kiln_fail(KILN_TEMPLATE_ERROR, "formula \"%s\": the value is %s, not an integer",
                         formula,
                         result.kind == KILN_REAL     ? "real"
                         : result.kind == KILN_STRING ? "a string"
                                                      : "known only at launch");
    *value = result.integer;
    return KILN_OK;
}

kiln_status kiln_expr_holds(const char *formula, kiln_env *env, bool *result)
{
    int64_t value = 1;
    kiln_status status = formula ? kiln_expr_eval_int(formula, env, &value) : KILN_OK;
    *result = value != 0;
    return status;
}

kiln_status kiln_expr_eval_real(const char *formula, kiln_env *env, double *value)
{
    kiln_value result;
    kiln_status status = kiln_expr_eval(formula, env, &result);
    if (status != KILN_OK)
        return status;
    if (!is_number(result))
        return kiln_fail(KILN_TEMPLATE_ERROR, "formula \"%s\": the value is no number", formula);
    *value = as_real(result);
    return KILN_OK;
}

bool kiln_expr_mentions(const char *formula, const char *name)
{
    size_t length = strlen(name);
    bool quoted = false;
    for (const char *at = formula; *at; at++) {
        if (*at == '\'')
            quoted = !quoted;
        else if (!quoted && (at == formula || !name_char(at[-1])) &&
                 strncmp(at, name, length) == 0 && !name_char(at[length]))
            return true;
    }
    return false;
}

double kiln_real_parse(const char *text, const char **end)
{
    /* Nothing in a number is longer; what does not fit is not taken. */
    char copy[64];
    size_t length = strspn(text, "+-.0123456789eE");
    if (length >= sizeof copy)
        length = sizeof copy - 1;
    memcpy(copy, text, length);
    copy[length] = '\0';
    char *point = strchr(copy, '.'), *stop;
    if (point)
        *point = *localeconv()->decimal_point;
    double value = strtod(copy, &stop);
    *end = text + (stop - copy);
    return value;
}

void kiln_real_print(kiln_text *out, double value)
{
    char digits[40];
    int precision = 9;
    do
        snprintf(digits, sizeof digits, "%.*g", precision, value);
    while (strtod(digits, NULL) != value && ++precision <= 17);
    char *point = strchr(digits, *localeconv()->decimal_point);
    if (point)
        *point = '.';
    kiln_text_add(out, digits);
}

void kiln_value_print(kiln_text *out, const kiln_value *value, bool program)
{
    if (value->kind == KILN_INT) {
        kiln_text_addf(out, "%lld", (long long)value->integer);
    } else if (value->kind == KILN_REAL) {
        size_t start = out->length;
        kiln_real_print(out, value->real);
        if (program && !out->failed)
            kiln_text_add(out, strpbrk(out->data + start, ".en") ? "f" : ".0f");
    } else {
        kiln_text_add(out, value->text);
    }
}
