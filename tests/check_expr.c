/* The evaluator of formulas: its arithmetic, its refusals, and launch-time symbols. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include <check.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "expr.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static kiln_env env;

static void setup(void)
{
    kiln_env_init(&env, NULL);
    ck_assert_int_eq(kiln_env_int(&env, "i", 7), KILN_OK);
    ck_assert_int_eq(kiln_env_int(&env, "zero", 0), KILN_OK);
    ck_assert_int_eq(kiln_env_real(&env, "r", 2.5), KILN_OK);
    ck_assert_int_eq(kiln_env_string(&env, "s", "bf16"), KILN_OK);
    ck_assert_int_eq(kiln_env_string(&env, "nothing", ""), KILN_OK);
    ck_assert_int_eq(kiln_env_symbol(&env, "m", "m"), KILN_OK);
    ck_assert_int_eq(kiln_env_symbol(&env, "n", "n"), KILN_OK);
}

static void teardown(void)
{
    kiln_env_free(&env);
}

static kiln_value value_of(const char *formula)
{
    kiln_value value;
    kiln_status status = kiln_expr_eval(formula, &env, &value);
    ck_assert_msg(status == KILN_OK, "%s: %s", formula, kiln_last_error());
    return value;
}

/* The message has the formula, a column inside it, and part. */
static void refuse(const char *formula, const char *part)
{
    kiln_value value = {.kind = KILN_INT, .integer = 4711};
    kiln_status status = kiln_expr_eval(formula, &env, &value);
    const char *message = kiln_last_error();
    ck_assert_msg(status == KILN_TEMPLATE_ERROR, "\"%s\" gives status %d", formula, status);
    ck_assert_msg(strstr(message, part) != NULL, "\"%s\": \"%s\" lacks \"%s\"", formula, message,
                  part);
    ck_assert_msg(strstr(message, formula) != NULL, "\"%s\" lacks the formula", message);
    const char *column = strstr(message, "column ");
    ck_assert_msg(column != NULL, "\"%s\" has no column", message);
    long place = strtol(column + 7, NULL, 10);
    ck_assert_msg(place >= 1 && place <= (long)strlen(formula) + 1, "\"%s\": column", message);
    ck_assert_int_eq(value.integer, 4711);
}

/* Takes the next "formula => expected" of a list that is separated by ";;"; NULL at its end. */
static const char *next_case(const char *at, char *formula, char *expected)
{
    if (!*at)
        return NULL;
    const char *arrow = strstr(at, " => "), *end = arrow ? strstr(arrow, " ;; ") : NULL;
    ck_assert_msg(arrow && arrow - at < 100, "%s", at);
    snprintf(formula, 100, "%.*s", (int)(arrow - at), at);
    size_t length = end ? (size_t)(end - arrow) - 4 : strlen(arrow + 4);
    snprintf(expected, 100, "%.*s", (int)length, arrow + 4);
    return arrow + 4 + length + (end ? 4 : 0);
}

static void check_integers(const char *list)
{
    char formula[100], expected[100];
    while ((list = next_case(list, formula, expected))) {
        kiln_value value = value_of(formula);
        ck_assert_msg(value.kind == KILN_INT && value.integer == strtoll(expected, NULL, 10),
                      "%s gives %lld of kind %d, not %s", formula, (long long)value.integer,
                      value.kind, expected);
    }
}

/* ---- integers ---------------------------------------------------------------------------- */

START_TEST(test_integers)
{
    static const char *const cases[] = {
        "0 => 0 ;;   12  => 12 ;; \t1\n+ 1 => 2 ;; 007 => 7 ;; i => 7",
        "9223372036854775807 => 9223372036854775807",
        "-9223372036854775807 - 1 => -9223372036854775808",
        /* precedence, from tight to loose */
        "2+3*4 => 14 ;; 2*3+4 => 10 ;; (2+3)*4 => 20 ;; 10-2*3 => 4 ;; 7+8/4 => 9",
        "7+8%3 => 9 ;; -2*3 => -6 ;; 2*-3 => -6 ;; 2--3 => 5 ;; - - 3 => 3 ;; !0+1 => 2",
        "!1*5 => 0 ;; !(1*5) => 0 ;; !!7 => 1 ;; -!0 => -1 ;; !-1 => 0 ;; 1+1 < 3 => 1",
        "3 < 1+1 => 0 ;; 1 < 2 == 1 => 1",
        /* == is looser than the other comparisons */
        "1 == 3 > 1 => 1 ;; 0 == 2 < 1 => 1 ;; 2 != 3 <= 4 => 1 ;; 1 == 1 && 2 == 2 => 1",
        "1 || 0 && 0 => 1", "(1 || 0) && 0 => 0 ;; 0 && 0 || 1 => 1 ;; 0 || 2 ? 3 : 4 => 3",
        "1 ? 2 : 3 + 10 => 2 ;; 0 ? 2 : 3 + 10 => 13",
        /* associativity */
        "10-4-3 => 3 ;; 10-(4-3) => 9 ;; 100/10/5 => 2 ;; 100/(10/5) => 50 ;; 100/10*5 => 50",
        "17%10%4 => 3 ;; 2*7%4 => 2 ;; 1 < 2 < 3 => 1 ;; 3 > 2 > 1 => 0 ;; 1 == 1 == 0 => 0",
        "1 ? 2 : 1 ? 3 : 4 => 2 ;; 0 ? 2 : 0 ? 3 : 4 => 4 ;; 1 ? 0 ? 5 : 6 : 7 => 6",
        /* division truncates as C's does */
        "7/2 => 3 ;; -7/2 => -3 ;; 7/-2 => -3 ;; -7%3 => -1 ;; 7%-3 => 1 ;; 5 / -1 => -5",
        "5 % -1 => 0 ;; (-9223372036854775807-1) % -1 => 0",
        /* comparisons */
        "1 < 1 => 0 ;; 1 <= 1 => 1 ;; 1 > 1 => 0 ;; 1 >= 1 => 1 ;; 1 == 1 => 1",
        "1 != 1 => 0 ;; -1 < 1 => 1 ;; -9223372036854775807-1 < 9223372036854775807 => 1",
        "1<2 => 1 ;; 2>=3 => 0 ;; 3!=4 => 1 ;; 1&&2 => 1 ;; 0||5 => 1",
        /* functions */
        "ceildiv(1,64) => 1 ;; ceildiv(64,64) => 1 ;; ceildiv(65,64) => 2",
        "ceildiv(0,64) => 0 ;; roundup(1,16) => 16 ;; roundup(16,16) => 16",
        "roundup(17,16) => 32 ;; roundup(0,16) => 0 ;; min(2,3) => 2 ;; min(3,2) => 2",
        "max(2,3) => 3 ;; max(-2,-3) => -2 ;; min ( 1 , 2 ) => 1",
        "min(max(1,5),ceildiv(9,2)) => 5 ;; min(1 ? 8 : 9, 20) => 8 ;; known(i) => 1",
        "known(s) => 1 ;; known(m) => 0 ;; known(m*0) => 1 ;; known(m+1) => 0",
        "defined(i) => 1 ;; defined(m) => 1 ;; defined(nothing) => 1",
        "defined( nobody ) => 0 ;; defined(i) + defined(nobody) => 1",
        /* strings */
        "'a' == 'a' => 1 ;; 'a' == 'b' => 0 ;; 'a' != '' => 1 ;; 'a' < 'b' => 1",
        "'b' <= 'a' => 0 ;; s == 'bf16' => 1 ;; s == 'bf1' => 0",
        "s == 'f16' || s == 'bf16' => 1 ;; 'a b=(,)' == 'a b=(,)' => 1 ;; !nothing => 1",
        "!s => 0 ;; s && 1 => 1 ;; '' ? 1 : 2 => 2 ;; 'x' ? 1 : 2 => 1",
        /* reals decide, too */
        "1.5 > 1 => 1 ;; 2 == 2.0 => 1 ;; !0.0 => 1 ;; 0.1 ? 1 : 2 => 1"};
    for (size_t c = 0; c < COUNT(cases); c++)
        check_integers(cases[c]);
}
END_TEST

/* All pairs near the limits, against 128-bit sums and products. */
START_TEST(test_limits)
{
    static const char list[] = "-9223372036854775808 -9223372036854775807 -4611686018427387904 "
                               "-4611686018427387905 -3037000500 -3037000499 -4294967296 -3 -2 -1 "
                               "0 1 2 3 2147483648 4294967296 3037000499 3037000500 "
                               "3074457345618258602 4611686018427387903 4611686018427387904 "
                               "9223372036854775806 9223372036854775807";
    int64_t edges[23];
    char *at = (char *)list;
    for (size_t e = 0; e < COUNT(edges); e++)
        edges[e] = strtoll(at, &at, 10);
    ck_assert_int_eq(*at, '\0');
    for (size_t a = 0; a < COUNT(edges); a++) {
        for (size_t b = 0; b < COUNT(edges); b++) {
            ck_assert_int_eq(kiln_env_int(&env, "a", edges[a]), KILN_OK);
            ck_assert_int_eq(kiln_env_int(&env, "b", edges[b]), KILN_OK);
            for (const char *op = "+-*/%"; *op; op++) {
                __extension__ typedef __int128 wide;
                wide x = edges[a], y = edges[b], exact = 0;
                bool fits = true;
                if (*op == '+')
                    exact = x + y;
                else if (*op == '-')
                    exact = x - y;
                else if (*op == '*')
                    exact = x * y;
                else if (y == 0)
                    fits = false;
                else
                    exact = *op == '/' ? x / y : x % y;
                fits = fits && exact >= INT64_MIN && exact <= INT64_MAX;
                char formula[] = "a ? b";
                formula[2] = *op;
                int64_t value = 0;
                kiln_status status = kiln_expr_eval_int(formula, &env, &value);
                if (status != (fits ? KILN_OK : KILN_TEMPLATE_ERROR) || (fits && value != exact))
                    ck_abort_msg("%lld %c %lld: status %d, %lld", (long long)edges[a], *op,
                                 (long long)edges[b], status, (long long)value);
            }
        }
    }
    refuse("9223372036854775807 + 1", "overflow");
    refuse("-9223372036854775807 - 2", "overflow");
    refuse("3037000500 * 3037000500", "overflow");
    refuse("(-9223372036854775807-1) / -1", "overflow");
    refuse("-(-9223372036854775807-1)", "overflow");
    refuse("ceildiv(9223372036854775807,2)", "overflow");
    refuse("roundup(9223372036854775806,4)", "overflow");
}
END_TEST

/* ---- short circuit ----------------------------------------------------------------------- */

START_TEST(test_short_circuit)
{
    static const char *const cases[] = {
        "1 || nobody => 1 ;; 0 && nobody => 0 ;; 1 || 1/0 => 1 ;; 0 && 1%0 => 0",
        "1 ? 5 : nobody => 5 ;; 0 ? nobody : 5 => 5 ;; 1 ? 5 : 1/0 => 5",
        "0 ? ceildiv(1,0) : 5 => 5 ;; 0 && nobody || 1 => 1 ;; 1 || nobody && nobody => 1",
        "1 || (nobody ? nobody : nobody/0) => 1 ;; 0 && min(nobody,1) + max(2,nobody) => 0",
        "0 && -nobody => 0 ;; 0 && !nobody => 0 ;; 0 && nobody < 1 => 0",
        "1 ? 2 : 0 ? nobody : nobody => 2 ;; 0 ? nobody ? nobody : nobody : 3 => 3",
        "defined(nobody) && nobody == 3 => 0 ;; zero == 0 || i / zero > 1 => 1",
        "1 || 'a' + 1 => 1 ;; 1 || 9223372036854775807 + 1 => 1 ;; m*0 && nobody => 0",
        "1 ? 2 : m => 2 ;; 0 && m => 0 ;; 1 || m < 3 => 1"};
    for (size_t c = 0; c < COUNT(cases); c++)
        check_integers(cases[c]);
    refuse("0 || nobody", "unknown name nobody");
    refuse("1 && nobody", "unknown name nobody");
    refuse("0 ? 1 : nobody", "unknown name nobody");
    refuse("1 ? nobody : 1", "unknown name nobody");
    /* What is not evaluated is parsed all the same. */
    refuse("1 || (2", ")");
    refuse("0 && 3 +", "value is expected");
    refuse("1 ? 2 : 3 4", "unexpected 4");
    refuse("1 || nofunction(1,2)", "unknown function nofunction");
}
END_TEST

/* ---- reals and strings ------------------------------------------------------------------- */

START_TEST(test_reals)
{
    static const char *const cases[] = {
        "0.5 => 0.5 ;; 1e-5 => 1e-5 ;; 1E3 => 1000 ;; 2.5e+2 => 250 ;; 1. => 1 ;; r => 2.5",
        "r*2 => 5 ;; 2*r => 5 ;; 1+r => 3.5 ;; r-3 => -0.5 ;; -r => -2.5 ;; 5/r => 2",
        "5.5%2 => 1.5 ;; ceildiv(r,1) => 3 ;; roundup(r,2) => 4 ;; max(r,1) => 2.5",
        "min(r,9) => 2.5 ;; 1 ? r : 0 => 2.5 ;; 9223372036854775807 * 2.0 => 0x1p64",
        "1e9*1e9*1e9 => 1e27"};
    char formula[100], expected[100];
    for (size_t c = 0; c < COUNT(cases); c++) {
        for (const char *at = cases[c]; (at = next_case(at, formula, expected));) {
            kiln_value value = value_of(formula);
            ck_assert_msg(value.kind == KILN_REAL && value.real == strtod(expected, NULL),
                          "%s gives %g", formula, value.real);
        }
    }
    double real;
    ck_assert_int_eq(kiln_expr_eval_real("7", &env, &real), KILN_OK);
    ck_assert(real == 7);
    ck_assert_int_eq(kiln_expr_eval_real("r", &env, &real), KILN_OK);
    ck_assert(real == 2.5);
    ck_assert_int_eq(kiln_expr_eval_real("s", &env, &real), KILN_TEMPLATE_ERROR);
    ck_assert_int_eq(kiln_expr_eval_real("m", &env, &real), KILN_TEMPLATE_ERROR);
    int64_t integer = 5;
    ck_assert_int_eq(kiln_expr_eval_int("r", &env, &integer), KILN_TEMPLATE_ERROR);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "real"));
    ck_assert_int_eq(kiln_expr_eval_int("s", &env, &integer), KILN_TEMPLATE_ERROR);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "string"));
    ck_assert_int_eq(kiln_expr_eval_int("m", &env, &integer), KILN_TEMPLATE_ERROR);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "launch"));
    ck_assert_int_eq(integer, 5);
    refuse("1.0/0", "division by zero");
    refuse("1/0.0", "division by zero");
    refuse("r%0", "division by zero");
    refuse("r+m", "no integer");
    refuse("m < r", "no integer");
}
END_TEST

/* The functions of real numbers: integers are taken, and reals come out. */
START_TEST(test_real_functions)
{
    static const struct {
        const char *formula;
        double value;
    } cases[] = {{"pow(2,10)", 1024},
                 {"pow(r,2)", 6.25},
                 {"pow(4,-0.5)", 0.5},
                 {"1-pow(0.5,i)", 0.9921875},
                 {"pow(0,0)", 1},
                 {"exp(0)", 1},
                 {"exp(-1e9)", 0},
                 {"ceil(2.1)", 3},
                 {"ceil(-2.1)", -2},
                 {"ceil(i)", 7},
                 {"f32(0.1)", (double)0.1f},
                 {"f32(1-1e-12)", 1},
                 {"f32(16777217)", 16777216},
                 {"ceil(f32(0.25)*4294967296)", 1073741824},
                 {"pow(exp(0)+1, max(i,3))", 128}};
    for (size_t c = 0; c < COUNT(cases); c++) {
        kiln_value value = value_of(cases[c].formula);
        ck_assert_msg(value.kind == KILN_REAL && value.real == cases[c].value, "%s gives %.17g",
                      cases[c].formula, value.real);
    }
    ck_assert(fabs(value_of("exp(1)").real - 2.718281828459045) < 1e-15);
    ck_assert_int_eq(value_of("0 && pow(0,-1)").integer, 0);
    ck_assert_int_eq(value_of("1 || exp(s)").integer, 1);
    refuse("pwo(2,3)", "unknown function pwo");
    refuse("sqrt(2)", "unknown function sqrt");
    refuse("pow(m,2)", "a number known now is expected by pow");
    refuse("pow(2,m)", "a number known now is expected by pow");
    refuse("exp(n+1)", "a number known now is expected by exp");
    refuse("ceil(s)", "a number known now is expected by ceil");
    refuse("pow(2)", "two arguments are expected by pow");
    refuse("pow()", "value is expected");
    refuse("pow(1,2,3)", ")");
    refuse("exp(1,2)", ")");
    refuse("f32()", "value is expected");
    refuse("ceil(1", ")");
    refuse("pow(0,-1)", "no finite number comes from pow");
    refuse("pow(-1,0.5)", "no finite number comes from pow");
    refuse("exp(1000)", "no finite number comes from exp");
    refuse("f32(1e39)", "no finite number comes from f32");
    ck_assert_int_eq(value_of("trunc(2.75)").integer, 2);
    ck_assert_int_eq(value_of("trunc(-2.75)*2").integer, -4);
    ck_assert_int_eq(value_of("trunc(0.5*9223372036854775808.0)").integer, INT64_C(1) << 62);
    ck_assert_int_eq(value_of("trunc(7)/2").integer, 3);
    refuse("trunc(9223372036854775808.0)", "no integer of 64 bits comes from trunc");
    refuse("trunc(-1e19)", "no integer of 64 bits comes from trunc");
    refuse("trunc(m)", "a number known now is expected by trunc");
}
END_TEST

START_TEST(test_strings)
{
    kiln_value value = value_of("i > 3 ? 'long' : 'short'");
    ck_assert_int_eq(value.kind, KILN_STRING);
    ck_assert_str_eq(value.text, "long");
    ck_assert_str_eq(value_of("''").text, "");
    ck_assert_str_eq(value_of("'a \"b\" ${c} // ?:'").text, "a \"b\" ${c} // ?:");
    ck_assert_str_eq(value_of("s").text, "bf16");
    ck_assert_str_eq(value_of("min('b','a')").text, "a");
    refuse("'open", "no end");
    refuse("'", "no end");
    refuse("'a' + 1", "string");
    refuse("1 - s", "string");
    refuse("-s", "string");
    refuse("s == 1", "string");
    refuse("1.5 < s", "string");
    refuse("s == m", "no integer");
    refuse("min(s,1)", "string");
    refuse("ceildiv(s,2)", "string");
}
END_TEST

START_TEST(test_print)
{
    static const struct {
        const char *formula, *program, *sentence;
    } cases[] = {{"12", "12", "12"},
                 {"-12", "-12", "-12"},
                 {"9223372036854775807", "9223372036854775807", "9223372036854775807"},
                 {"1e-5", "1e-05f", "1e-05"},
                 {"0.5", "0.5f", "0.5"},
                 {"2.0", "2.0f", "2"},
                 {"100000.0", "100000.0f", "100000"},
                 {"1e10", "1e+10f", "1e+10"},
                 {"0.1", "0.1f", "0.1"},
                 {"'text'", "text", "text"},
                 {"m+1", "(m + 1)", "(m + 1)"}};
    for (size_t c = 0; c < COUNT(cases); c++) {
        kiln_value value = value_of(cases[c].formula);
        for (int program = 0; program < 2; program++) {
            kiln_text text = {0};
            kiln_value_print(&text, &value, program);
            ck_assert_str_eq(text.data, program ? cases[c].program : cases[c].sentence);
            kiln_text_free(&text);
        }
    }
}
END_TEST

/* ---- refusals ---------------------------------------------------------------------------- */

START_TEST(test_refusals)
{
    static const char *const cases[] = {
        " => value is expected at the end ;;     => value is expected",
        "1/0 => division by zero ;; 1%0 => division by zero ;; m/0 => division by zero",
        "m%0 => division by zero ;; ceildiv(1,0) => division by zero",
        "ceildiv(m,0) => division by zero ;; roundup(1,0) => division by zero",
        "nobody => unknown name nobody ;; 1 + nobody => unknown name nobody",
        "f(1) => unknown function f ;; f() => f ;; min(1) => two arguments",
        "min(1,2,3) => ) ;; min(1,2 => ) ;; min(,1) => value is expected",
        "known() => value is expected ;; known(1,2) => ) ;; defined(1) => takes a name",
        "defined() => takes a name ;; defined('s') => takes a name ;; defined(i => )",
        "defined(i+1) => ) ;; (1 => ) ;; 1) => unexpected ) ;; ((1) => )",
        "() => value is expected ;; 1 2 => unexpected 2 ;; i i => unexpected i",
        "1 + => value is expected ;; * 1 => value is expected ;; 1 = 1 => unexpected =",
        "1 & 1 => unexpected & ;; 1 | 1 => unexpected | ;; 1 << 2 => value is expected",
        "1 ^ 1 => unexpected ^ ;; ~1 => value is expected ;; 1 ? 2 => :",
        "1 ? 2 : => value is expected ;; 1 : 2 => unexpected :",
        "? 1 : 2 => value is expected ;; 1 ? , 2 => value is expected",
        "0x10 => unexpected x10 ;; 12abc => unexpected abc ;; 1;2 => unexpected ;",
        "i[0] => unexpected [ ;; \"s\" => value is expected ;; @ => value is expected",
        "9223372036854775808 => 64 bits ;; 99999999999999999999999999999999 => 64 bits",
        "1e400 =>  ;; known => unknown name known ;; \xff => value is expected",
        "1 \x01 => unexpected"};
    char formula[100], part[100];
    for (size_t c = 0; c < COUNT(cases); c++)
        for (const char *at = cases[c]; (at = next_case(at, formula, part));)
            refuse(formula, part);
    char name[200];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    refuse(name, "expected");
    refuse("1 + (2 * nobody)", "column 16:");
    refuse("1 + * 2", "column 5:");
    refuse("12 34", "column 4:");
}
END_TEST

/* ---- nesting ----------------------------------------------------------------------------- */

/* before n times, middle, after n times. */
static char *repeated(const char *before, const char *middle, const char *after, size_t n)
{
    kiln_text text = {0};
    for (size_t i = 0; i < n; i++)
        kiln_text_add(&text, before);
    kiln_text_add(&text, middle);
    for (size_t i = 0; i < n; i++)
        kiln_text_add(&text, after);
    char *result = kiln_text_take(&text);
    ck_assert_ptr_nonnull(result);
    return result;
}

START_TEST(test_nesting)
{
    static const struct {
        const char *before, *middle, *after;
    } cases[] = {{"(", "1", ")"},      {"!", "1", ""},
                 {"-", "1", ""},       {"- ", "1", ""},
                 {"-!", "1", ""},      {"1?1:", "1", ""},
                 {"0?1:", "1", ""},    {"1?", "1", ":1"},
                 {"1||(", "1", ")"},   {"0&&(", "1", ")"},
                 {"min(", "1", ",2)"}, {"min(2,", "1", ")"},
                 {"known(", "1", ")"}, {"ceildiv(1,-", "1", ")"},
                 {"m?(", "1", "):2"},  {"(", "", ""},
                 {"min(", "", ""},     {"1?", "", ""}};
    for (size_t c = 0; c < COUNT(cases); c++) {
        /* Eight levels are any formula's; a hundred and more are nobody's. */
        char *formula = repeated(cases[c].before, cases[c].middle, cases[c].after, 8);
        kiln_value value;
        if (*cases[c].middle)
            ck_assert_msg(kiln_expr_eval(formula, &env, &value) == KILN_OK, "%s: %s", formula,
                          kiln_last_error());
        free(formula);
        static const size_t depths[] = {100, 1000, 1000000};
        for (size_t d = 0; d < COUNT(depths); d++) {
            formula = repeated(cases[c].before, cases[c].middle, cases[c].after, depths[d]);
            kiln_status status = kiln_expr_eval(formula, &env, &value);
            ck_assert_msg(status == KILN_TEMPLATE_ERROR, "%zu of \"%s\"", depths[d],
                          cases[c].before);
            ck_assert_ptr_nonnull(strstr(kiln_last_error(), "too deep"));
            free(formula);
        }
    }
    /* What is long but flat is fine. */
    int64_t integer;
    char *flat = repeated("1+", "1", "", 100000);
    ck_assert_int_eq(kiln_expr_eval_int(flat, &env, &integer), KILN_OK);
    ck_assert_int_eq(integer, 100001);
    free(flat);
    flat = repeated("(1)*-1*", "1", "", 10000);
    ck_assert_int_eq(kiln_expr_eval_int(flat, &env, &integer), KILN_OK);
    ck_assert_int_eq(integer, 1);
    free(flat);
}
END_TEST

/* ---- symbols ----------------------------------------------------------------------------- */

START_TEST(test_symbols)
{
    static const char *const cases[] = {
        "m => m ;; m+0 => m ;; 0+m => m ;; m-0 => m ;; m*1 => m ;; 1*m => m ;; m/1 => m",
        "m*n => (m * n) ;; 2*m*n => ((2 * m) * n) ;; m-n-1 => ((m - n) - 1)",
        "m-(n-1) => (m - (n - 1)) ;; m*(2+3) => (m * 5) ;; m%8 => (m % 8) ;; -m => (0 - m)",
        "m < 3 => (m < 3) ;; m == n => (m == n) ;; ceildiv(m,64) => ((m + 63) / 64)",
        "roundup(m,64) => (((m + 63) / 64) * 64) ;; m > 3 ? m : 3 => ((m > 3) ? m : 3)",
        "i > 3 ? m : 3 => m"};
    char formula[100], expected[100];
    for (size_t c = 0; c < COUNT(cases); c++) {
        for (const char *at = cases[c]; (at = next_case(at, formula, expected));) {
            kiln_value value = value_of(formula);
            ck_assert_msg(value.kind == KILN_SYMBOL, "%s is no symbol", formula);
            ck_assert_str_eq(value.text, expected);
        }
    }
    /* Folded, whatever m is. */
    ck_assert_int_eq(value_of("m*0").integer, 0);
    ck_assert_int_eq(value_of("0*m").integer, 0);
    ck_assert_int_eq(value_of("m && 0").kind, KILN_INT);
    ck_assert_int_eq(value_of("m && 0").integer, 0);
    ck_assert_int_eq(value_of("m || 1").integer, 1);
}
END_TEST

/* The C text of a symbol without the casts that pick OpenCL's overload of min and max. */
static char *without_casts(const char *text)
{
    kiln_text result = {0};
    for (const char *at = text; *at;) {
        if (strncmp(at, "(long)", 6) == 0)
            at += 6;
        else
            kiln_text_add_bytes(&result, at++, 1);
    }
    return kiln_text_take(&result);
}

static uint64_t seed;

static unsigned pick(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 16) % below);
}

static void random_formula(kiln_text *out, int depth)
{
    static const char *const binary[] = {
        "+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "&&", "||"};
    static const char *const functions[] = {"ceildiv", "roundup", "min", "max"};
    unsigned kind = depth == 0 ? pick(3) : pick(20);
    if (kind < 2) {
        kiln_text_addf(out, "%c", "abcd"[pick(4)]);
    } else if (kind == 2) {
        kiln_text_addf(out, "%u", pick(4) ? pick(12) : pick(1000));
    } else if (kind < 13) {
        kiln_text_add(out, "(");
        random_formula(out, depth - 1);
        kiln_text_addf(out, " %s ", binary[pick(COUNT(binary))]);
        random_formula(out, depth - 1);
        kiln_text_add(out, ")");
    } else if (kind < 16) {
        kiln_text_addf(out, "%s(", functions[pick(COUNT(functions))]);
        random_formula(out, depth - 1);
        kiln_text_add(out, ",");
        random_formula(out, depth - 1);
        kiln_text_add(out, ")");
    } else if (kind < 18) {
        kiln_text_add(out, "(");
        random_formula(out, depth - 1);
        kiln_text_add(out, " ? ");
        random_formula(out, depth - 1);
        kiln_text_add(out, " : ");
        random_formula(out, depth - 1);
        kiln_text_add(out, ")");
    } else {
        kiln_text_add(out, kind == 18 ? "-" : "!");
        random_formula(out, depth - 1);
    }
}

/* Dimensions known now and dimensions known at launch give the same number. */
START_TEST(test_symbols_mean_the_same)
{
    seed = UINT64_C(0x9e3779b97f4a7c15);
    int compared = 0, folded = 0;
    for (int round = 0; round < 20000; round++) {
        kiln_env numbers, symbols;
        kiln_env_init(&numbers, NULL);
        kiln_env_init(&symbols, NULL);
        for (int d = 0; d < 4; d++) {
            const char name[] = {"abcd"[d], '\0'};
            int64_t value = pick(3) ? pick(20) + 1 : pick(5000) + 1;
            kiln_env_int(&numbers, name, value);
            if (pick(3))
                kiln_env_symbol(&symbols, name, name);
            else
                kiln_env_int(&symbols, name, value);
        }
        kiln_text formula = {0};
        random_formula(&formula, 1 + (int)pick(4));
        kiln_value direct, early;
        kiln_status direct_status = kiln_expr_eval(formula.data, &numbers, &direct);
        kiln_status early_status = kiln_expr_eval(formula.data, &symbols, &early);
        if (direct_status == KILN_OK && early_status != KILN_OK) {
            /* An arm that is not taken may be refused, since the launch could take it. */
            if (!strstr(kiln_last_error(), "division by zero") &&
                !strstr(kiln_last_error(), "overflow"))
                ck_abort_msg("%s: %s", formula.data, kiln_last_error());
        } else if (direct_status == KILN_OK) {
            kiln_value late = early;
            if (early.kind == KILN_SYMBOL) {
                char *text = without_casts(early.text);
                kiln_status status = kiln_expr_eval(text, &numbers, &late);
                if (status != KILN_OK &&
                    !strstr(kiln_last_error(), "too deep")) /* it has more parentheses */
                    ck_abort_msg("%s -> %s: %s", formula.data, text, kiln_last_error());
                if (status != KILN_OK)
                    late = direct;
                free(text);
                compared++;
            } else {
                folded++;
            }
            if (late.kind != KILN_INT || late.integer != direct.integer)
                ck_abort_msg("%s -> %s: %lld, not %lld", formula.data,
                             early.kind == KILN_SYMBOL ? early.text : "a number",
                             (long long)late.integer, (long long)direct.integer);
        }
        kiln_text_free(&formula);
        kiln_env_free(&numbers);
        kiln_env_free(&symbols);
    }
    ck_assert_int_gt(compared, 5000);
    ck_assert_int_gt(folded, 500);
}
END_TEST

/* ---- scopes ------------------------------------------------------------------------------ */

START_TEST(test_scopes)
{
    kiln_env child;
    kiln_env_init(&child, &env);
    int64_t value;
    ck_assert_int_eq(kiln_expr_eval_int("i", &child, &value), KILN_OK);
    ck_assert_int_eq(value, 7);
    ck_assert_int_eq(kiln_env_int(&child, "i", 8), KILN_OK);
    ck_assert_int_eq(kiln_env_int(&child, "own", 1), KILN_OK);
    ck_assert_int_eq(kiln_expr_eval_int("i*10 + own", &child, &value), KILN_OK);
    ck_assert_int_eq(value, 81);
    ck_assert_int_eq(value_of("i").integer, 7);
    refuse("own", "unknown name own");
    /* A name may change its kind. */
    ck_assert_int_eq(kiln_env_string(&child, "i", "text"), KILN_OK);
    ck_assert_int_eq(kiln_expr_eval_int("i == 'text'", &child, &value), KILN_OK);
    ck_assert_int_eq(value, 1);
    ck_assert_int_eq(kiln_env_int(&child, "i", 9), KILN_OK);
    ck_assert_int_eq(kiln_expr_eval_int("i", &child, &value), KILN_OK);
    ck_assert_int_eq(value, 9);
    ck_assert_str_eq(kiln_env_name(&child, 0), "i");
    ck_assert_str_eq(kiln_env_name(&child, 1), "own");
    ck_assert_ptr_null(kiln_env_name(&child, 2));
    ck_assert_ptr_null(kiln_env_find(&child, "nobody"));
    /* Rebinding in terms of itself. */
    for (int i = 0; i < 5; i++) {
        kiln_value grown;
        ck_assert_int_eq(kiln_expr_eval("n*2", &child, &grown), KILN_OK);
        ck_assert_int_eq(kiln_env_set(&child, "n", grown), KILN_OK);
    }
    ck_assert_str_eq(kiln_env_find(&child, "n")->text, "(((((n * 2) * 2) * 2) * 2) * 2)");
    ck_assert_str_eq(kiln_env_find(&env, "n")->text, "n");
    /* What is bound is copied. */
    char name[] = "copied", text[] = "kept";
    ck_assert_int_eq(kiln_env_string(&child, name, text), KILN_OK);
    memset(name, 'x', 6);
    memset(text, 'x', 4);
    ck_assert_str_eq(kiln_env_find(&child, "copied")->text, "kept");
    char many[16];
    for (int i = 0; i < 300; i++) {
        snprintf(many, sizeof many, "name%d", i);
        ck_assert_int_eq(kiln_env_int(&child, many, i), KILN_OK);
    }
    ck_assert_int_eq(kiln_expr_eval_int("name299 + name0", &child, &value), KILN_OK);
    ck_assert_int_eq(value, 299);
    kiln_env_free(&child);
    kiln_env_free(&child);
}
END_TEST

START_TEST(test_mentions)
{
    ck_assert(kiln_expr_mentions("BM % TM == 0", "BM"));
    ck_assert(kiln_expr_mentions("BM % TM == 0", "TM"));
    ck_assert(kiln_expr_mentions("4*BM", "BM"));
    ck_assert(kiln_expr_mentions("x + m", "m"));
    ck_assert(!kiln_expr_mentions("BMX + XBM + B_M", "BM"));
    ck_assert(!kiln_expr_mentions("BM_", "BM"));
    ck_assert(!kiln_expr_mentions("'BM' == s", "BM"));
    ck_assert(kiln_expr_mentions("'BM' == BM", "BM"));
    ck_assert(!kiln_expr_mentions("", "BM"));
}
END_TEST

/* ---- robustness -------------------------------------------------------------------------- */

START_TEST(test_random_bytes)
{
    static const char *const tokens[] = {"1",
                                         "0",
                                         "i",
                                         "m",
                                         "s",
                                         "r",
                                         "(",
                                         ")",
                                         "+",
                                         "-",
                                         "*",
                                         "/",
                                         "%",
                                         "<",
                                         ">=",
                                         "==",
                                         "!",
                                         "&&",
                                         "||",
                                         "?",
                                         ":",
                                         ",",
                                         "'",
                                         "'x'",
                                         " ",
                                         ".",
                                         "e",
                                         "5.",
                                         "9223372036854775807",
                                         "ceildiv(",
                                         "min(",
                                         "max(",
                                         "known(",
                                         "defined(",
                                         "roundup(",
                                         "zero",
                                         "=",
                                         "nobody",
                                         "\x80"};
    seed = 88172645463325252u;
    int good = 0;
    for (int round = 0; round < 60000; round++) {
        kiln_text text = {0};
        unsigned length = pick(24);
        for (unsigned i = 0; i < length; i++) {
            if (round % 3 == 0) {
                char byte = (char)(pick(255) + 1);
                kiln_text_add_bytes(&text, &byte, 1);
            } else {
                kiln_text_add(&text, tokens[pick(COUNT(tokens))]);
            }
        }
        /* In a block of its exact size, so that a read past the end is seen. */
        char *formula = kiln_strdup(text.data ? text.data : "");
        kiln_value value;
        kiln_status status = kiln_expr_eval(formula, &env, &value);
        if (status != KILN_OK && status != KILN_TEMPLATE_ERROR)
            ck_abort_msg("%s: status %d", formula, status);
        good += status == KILN_OK;
        free(formula);
        kiln_text_free(&text);
    }
    ck_assert_int_gt(good, 500);
}
END_TEST

/* A caller's locale with a decimal comma changes neither reading nor writing. */
START_TEST(test_locale)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "C"};
    for (size_t i = 0; i < 4 && !setlocale(LC_NUMERIC, names[i]); i++)
        ;
    kiln_value value;
    ck_assert_int_eq(kiln_expr_eval("0.25 + 2.5e-3", &env, &value), KILN_OK);
    ck_assert(value.real == 0.25 + 2.5e-3);
    kiln_text text = {0};
    kiln_value_print(&text, &value, false);
    kiln_text_add(&text, " ");
    kiln_value_print(&text, &(kiln_value){.kind = KILN_REAL, .real = 1e-5}, true);
    kiln_text_add(&text, " ");
    kiln_value_print(&text, &(kiln_value){.kind = KILN_REAL, .real = 3}, true);
    kiln_text_add(&text, " ");
    kiln_real_print(&text, 1.0 / 3);
    ck_assert_str_eq(text.data, "0.2525 1e-05f 3.0f 0.3333333333333333");
    kiln_text_free(&text);
    setlocale(LC_NUMERIC, "C");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("expr");
    TCase *tests = tcase_create("expr");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_integers);
    tcase_add_test(tests, test_limits);
    tcase_add_test(tests, test_short_circuit);
    tcase_add_test(tests, test_reals);
    tcase_add_test(tests, test_real_functions);
    tcase_add_test(tests, test_strings);
    tcase_add_test(tests, test_print);
    tcase_add_test(tests, test_refusals);
    tcase_add_test(tests, test_nesting);
    tcase_add_test(tests, test_symbols);
    tcase_add_test(tests, test_symbols_mean_the_same);
    tcase_add_test(tests, test_scopes);
    tcase_add_test(tests, test_mentions);
    tcase_add_test(tests, test_random_bytes);
    tcase_add_test(tests, test_locale);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
