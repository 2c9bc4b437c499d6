/* The template language, on files of the test's own. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "template.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static char dir[256];
static char *files[64];
static size_t num_files;
static kiln_env env;
static kiln_hook hooks[4];
static size_t num_hooks;

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/kiln-template-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    num_files = num_hooks = 0;
    kiln_env_init(&env, NULL);
    ck_assert_int_eq(kiln_env_int(&env, "four", 4), KILN_OK);
    ck_assert_int_eq(kiln_env_string(&env, "name", "text"), KILN_OK);
    ck_assert_int_eq(kiln_env_symbol(&env, "m", "m"), KILN_OK);
}

static void teardown(void)
{
    kiln_env_free(&env);
    for (size_t i = 0; i < num_files; i++) {
        unlink(files[i]);
        free(files[i]);
    }
    rmdir(dir);
}

static void put(const char *file, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *stream = fopen(path, "wb");
    ck_assert_ptr_nonnull(stream);
    fputs(text, stream);
    ck_assert_int_eq(fclose(stream), 0);
    ck_assert_uint_lt(num_files, COUNT(files));
    files[num_files++] = kiln_strdup(path);
}

static kiln_status try_expand(const char *file, kiln_text *out)
{
    kiln_template_params params = {dir, &env, hooks, num_hooks};
    return kiln_template_expand(&params, file, out);
}

/* The expansion of a template of this text, #line marks included. The caller frees it. */
static char *expand_marked(const char *text)
{
    put("main.cl", text);
    kiln_text out = {0};
    kiln_status status = try_expand("main.cl", &out);
    ck_assert_msg(status == KILN_OK, "%s\n%s", text, kiln_last_error());
    char *result = kiln_text_take(&out);
    ck_assert_ptr_nonnull(result);
    return result;
}

/* Without the #line marks. */
static char *expand(const char *text)
{
    char *marked = expand_marked(text);
    kiln_text out = {0};
    for (char *line = marked; *line;) {
        size_t length = strcspn(line, "\n") + 1;
        if (strncmp(line, "#line ", 6) != 0)
            kiln_text_add_bytes(&out, line, length);
        line += length;
    }
    free(marked);
    return kiln_text_take(&out);
}

static void gives(const char *text, const char *expected)
{
    char *result = expand(text);
    ck_assert_msg(strcmp(result, expected) == 0, "%s\ngives\n%s\nnot\n%s", text, result, expected);
    free(result);
}

/* Refused with a message that has both parts. */
static void refuse(const char *text, const char *place, const char *part)
{
    put("main.cl", text);
    kiln_text out = {0};
    kiln_status status = try_expand("main.cl", &out);
    kiln_text_free(&out);
    const char *message = kiln_last_error();
    ck_assert_msg(status == KILN_TEMPLATE_ERROR, "status %d for\n%s", status, text);
    ck_assert_msg(strstr(message, place) != NULL, "\"%s\" lacks \"%s\" for\n%s", message, place,
                  text);
    ck_assert_msg(strstr(message, part) != NULL, "\"%s\" lacks \"%s\" for\n%s", message, part,
                  text);
}

/* ---- lines and values -------------------------------------------------------------------- */

START_TEST(test_values)
{
    gives("", "");
    gives("plain\n", "plain\n");
    gives("no end of line", "no end of line\n");
    gives("x = ${four};\n", "x = 4;\n");
    gives("${four}${four + 1}${name}\n", "45text\n");
    gives("${four == 4 ? 'yes' : 'no'} ${ceildiv(9,four)}\n", "yes 3\n");
    gives("${1e-5} ${2.0}\n", "1e-05f 2.0f\n");
    gives("n = ${m*four};\n", "n = (m * 4);\n");
    gives("$ {four} $four {four} $\n", "$ {four} $four {four} $\n");
    gives("a @if 1\n @end\n", "a @if 1\n @end\n"); /* no column 1, no directive */
    gives("#define X(a) {a}\n", "#define X(a) {a}\n");
    refuse("one\n${nobody}\n", "main.cl:2", "unknown name nobody");
    refuse("one\n\nx ${four\n", "main.cl:3", "without `}'");
    refuse("${}\n", "main.cl:1", "value is expected");
    refuse("${1 +}\n", "main.cl:1", "value is expected");
    refuse("@if 1\n@for i 2\n${i/0}\n@end\n@end\n", "main.cl:3", "division by zero");
}
END_TEST

START_TEST(test_comments)
{
    gives("a\n@# a comment ${nobody}\n@#if 0\nb\n@#\n", "a\nb\n");
    gives("@if 0\n@# @end\n@#end\nx\n@end\ny\n", "y\n");
}
END_TEST

START_TEST(test_blank_lines)
{
    gives("a\n\nb\n", "a\n\nb\n");
    gives("a\n\n\n\nb\n", "a\n\nb\n"); /* one in a row is enough */
    gives("a\n\n@if 1\n\n@end\n\nb\n", "a\n\nb\n");
    gives("a\n@if 0\n\n@end\nb\n", "a\nb\n");
}
END_TEST

START_TEST(test_inline)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {{"", ""},
                 {"plain", "plain"},
                 {"lda=${four}: at least ${four * 2}", "lda=4: at least 8"},
                 {"${1e-5} ${2.0} ${name}", "1e-05 2 text"},
                 {"${m} rows\n@if 0", "m rows\n@if 0"}};
    for (size_t c = 0; c < COUNT(cases); c++) {
        kiln_text out = {0};
        kiln_text_add(&out, "> ");
        ck_assert_int_eq(kiln_template_inline(cases[c].text, &env, "here", &out), KILN_OK);
        ck_assert_str_eq(out.data + 2, cases[c].expected);
        kiln_text_free(&out);
    }
    kiln_text out = {0};
    ck_assert_int_eq(kiln_template_inline("${nobody}", &env, "a place", &out), KILN_TEMPLATE_ERROR);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "a place"));
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "nobody"));
    ck_assert_int_eq(kiln_template_inline("${four", &env, "a place", &out), KILN_TEMPLATE_ERROR);
    kiln_text_free(&out);
}
END_TEST

/* ---- @if, @for, @let --------------------------------------------------------------------- */

START_TEST(test_if)
{
    gives("@if 1\na\n@end\nb\n", "a\nb\n");
    gives("@if 0\na\n@end\nb\n", "b\n");
    gives("@if four == 4\na\n@else\nb\n@end\n", "a\n");
    gives("@if four == 5\na\n@else\nb\n@end\n", "b\n");
    gives("@if(four == 4)\na\n@end\n", "a\n");
    gives("@if known(m)\na\n@else\nb\n@end\n", "b\n");
    static const char chain[] = "@if four == %d\na\n@elif four == %d\nb\n@elif four == %d\nc\n"
                                "@else\nd\n@end\ne\n";
    char text[200];
    for (int arm = 0; arm < 4; arm++) {
        snprintf(text, sizeof text, chain, arm == 0 ? 4 : 5, arm == 1 ? 4 : 5, arm == 2 ? 4 : 5);
        gives(text, arm == 0 ? "a\ne\n" : arm == 1 ? "b\ne\n" : arm == 2 ? "c\ne\n" : "d\ne\n");
    }
    /* The first true arm wins, and later conditions are not looked at. */
    gives("@if 1\na\n@elif 1\nb\n@else\nc\n@end\n", "a\n");
    gives("@if 1\na\n@elif nobody\nb\n@end\n", "a\n");
    gives("@if 0\n${nobody}\n@unknown\n@elif 0\n@include nowhere\n@end\n", "");
    /* Nesting, with arms of inner blocks inside an arm that is not taken. */
    gives("@if 0\n@if 1\na\n@else\nb\n@end\n@else\n@if 0\nc\n@elif 1\nd\n@end\n@end\n", "d\n");
    gives("@if 1\n@if 0\na\n@else\n@if 1\nb\n@end\nc\n@end\n@else\nd\n@end\n", "b\nc\n");
    gives("@if 0\n@for i 2\n@else\n@end\n@end\nz\n", "z\n");
}
END_TEST

START_TEST(test_if_refusals)
{
    refuse("a\n@if 1\nb\n", "main.cl:2", "@if without @end");
    refuse("@if 0\nb\n@else\n", "main.cl:1", "@if without @end");
    refuse("@if 1\n@if 1\n@end\n", "main.cl:1", "without @end");
    refuse("a\n@end\n", "main.cl:2", "@end");
    refuse("@if 1\n@end\n@end\n", "main.cl:3", "@end");
    refuse("a\n@else\n", "main.cl:2", "@else");
    refuse("a\n@elif 1\n", "main.cl:2", "@elif");
    refuse("@for i 1\n@else\n@end\n", "main.cl:2", "@else");
    refuse("@if\na\n@end\n", "main.cl:1", "value is expected");
    refuse("@if nobody\na\n@end\n", "main.cl:1", "nobody");
    refuse("@if 0\n@elif nobody\na\n@end\n", "main.cl:2", "nobody");
    refuse("@if m > 3\na\n@end\n", "main.cl:1", "launch"); /* only the launch can tell */
    refuse("@if name\na\n@end\n", "main.cl:1", "string");
    refuse("@unless 1\n", "main.cl:1", "@unless");
    refuse("x\n@iffy 1\n", "main.cl:2", "@iffy");
    refuse("@\n", "main.cl:1", "@");
    refuse("@ if 1\n@end\n", "main.cl:1", "@");
    refuse("@@if 1\n", "main.cl:1", "@");
}
END_TEST

/* Whichever arm is taken. */
START_TEST(test_arms_behind_else)
{
    refuse("@if 0\na\n@else\nb\n@else\nc\n@end\n", "main.cl:5", "@else");
    refuse("@if 0\na\n@else\nb\n@elif 1\nc\n@end\n", "main.cl:5", "@else");
    refuse("@if 1\na\n@else\nb\n@else\nc\n@end\n", "main.cl:5", "@else");
    refuse("@if 0\na\n@elif 1\nx\n@else\nb\n@elif 1\nc\n@end\n", "main.cl:7", "@else");
    /* C's habit would be read as a plain @else. */
    refuse("@if 0\na\n@else if 0\nb\n@end\n", "main.cl:3", "@else");
}
END_TEST

START_TEST(test_for)
{
    gives("@for i 3\n${i}\n@end\nz\n", "0\n1\n2\nz\n");
    gives("@for i 0\n${nobody}\n@end\nz\n", "z\n");
    gives("@for i 0-2\nx\n@end\nz\n", "z\n");
    gives("@for i four/2\n@for j i+1\n${i},${j}\n@end\n@end\n", "0,0\n1,0\n1,1\n");
    gives("@for four 2\n${four}\n@end\n${four}\n", "0\n1\n4\n"); /* hidden, and back */
    gives("@for i 4\n@if i % 2\nodd ${i}\n@elif i == 0\nzero\n@else\neven\n@end\n@end\n",
          "zero\nodd 1\neven\nodd 3\n");
    refuse("@for i 2\nx\n", "main.cl:1", "@for without @end");
    refuse("a\n@for\nx\n@end\n", "main.cl:2", "name and a count");
    refuse("@for 3\nx\n@end\n", "main.cl:1", "name and a count");
    refuse("@for i\nx\n@end\n", "main.cl:1", "value is expected");
    refuse("@for i m\nx\n@end\n", "main.cl:1", "launch");
    refuse("@for i 1.5\nx\n@end\n", "main.cl:1", "real");
    refuse("@for i nobody\nx\n@end\n", "main.cl:1", "nobody");
    refuse("@for i 2\n@end\n${i}\n", "main.cl:3", "unknown name i");
}
END_TEST

/* A loop that never ends in practice, and a program that no driver would take. */
START_TEST(test_runaway)
{
    char text[2200];
    memset(text, 'x', sizeof text);
    memcpy(text, "@for i 0060000\n", 15);
    memcpy(text + sizeof text - 7, "\n@end\n", 7);
    refuse(text, "main.cl:2", "16 MiB");
    refuse("@for i 65537\n@end\n", "main.cl:1", "65,536 times");
    refuse("@for i 9223372036854775807\n@end\n", "main.cl:1", "65,536 times");
    gives("@for i 65536\n@end\nx\n", "x\n");
}
END_TEST

START_TEST(test_let)
{
    gives("@let x four*2\n${x}\n", "8\n");
    gives("@let x 'a b'\n${x}\n", "a b\n");
    gives("@let x m+1\n${x}\n", "(m + 1)\n");
    gives("@let x 1\n@let x x+1\n${x}\n", "2\n");
    gives("@let x 1\n@if 1\n@let x 2\n${x}\n@end\n${x}\n", "2\n1\n");
    gives("@for i 3\n@let y i*i\n${y}\n@end\n", "0\n1\n4\n");
    gives("@let four 5\n${four}\n", "5\n");
    refuse("@if 1\n@let q 2\n@end\n${q}\n", "main.cl:4", "unknown name q");
    refuse("@if 0\n@else\n@let q 2\n@end\n${q}\n", "main.cl:5", "unknown name q");
    refuse("@let\n", "main.cl:1", "");
    refuse("@let x\n", "main.cl:1", "value is expected");
    refuse("@let x nobody\n", "main.cl:1", "nobody");
}
END_TEST

/* ---- @include ---------------------------------------------------------------------------- */

START_TEST(test_include)
{
    put("inner.cl", "in ${four} ${x}\n@let x 7\n");
    gives("@let x 1\na\n@include inner.cl\nb ${x}\n", "a\nin 4 1\nb 7\n");
    gives("@let x 1\n@let which 'inner'\n@include ${which}.cl\n", "in 4 1\n");
    gives("@for x 2\n@include inner.cl\n@end\n", "in 4 0\nin 4 1\n");
    put("open.cl", "@if 1\nx\n");
    refuse("@include open.cl\n@end\n", "open.cl:1", "without @end"); /* blocks end in their file */
    put("bad.cl", "one\ntwo\n${nobody}\n");
    refuse("@include bad.cl\n", "bad.cl:3", "nobody");
    put("self.cl", "x\n@include self.cl\n");
    refuse("@include self.cl\n", "self.cl", "nested");
    put("ping.cl", "@include pong.cl\n");
    put("pong.cl", "@include ping.cl\n");
    refuse("@include ping.cl\n", ".cl", "nested");
}
END_TEST

START_TEST(test_include_refusals)
{
    refuse("a\n@include nowhere.cl\n", "nowhere.cl", "");
    refuse("a\n@include nowhere.cl\n", "main.cl:2", "");
    refuse("a\nb\n@include ${nobody}.cl\n", "main.cl:3", "nobody");
    refuse("a\n@include\n", "main.cl:2", "");
}
END_TEST

START_TEST(test_names_stay_inside)
{
    static const char *const names[] = {"../main.cl", "/etc/hostname", "a/../../main.cl", "..",
                                        "op/../../x"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char *text = (char *)"";
        ck_assert_int_eq(kiln_template_load(dir, names[i], &text), KILN_TEMPLATE_ERROR);
        ck_assert_ptr_null(text);
        ck_assert_ptr_nonnull(strstr(kiln_last_error(), names[i]));
        ck_assert_int_eq(kiln_template_load(NULL, names[i], &text), KILN_TEMPLATE_ERROR);
        ck_assert_ptr_null(text);
        kiln_text include = {0};
        kiln_text_addf(&include, "@include %s\n", names[i]);
        refuse(include.data, names[i], "");
        kiln_text_free(&include);
    }
    char *text = NULL;
    ck_assert_int_eq(kiln_template_load(dir, "", &text), KILN_TEMPLATE_ERROR); /* the directory */
    ck_assert_ptr_null(text);
}
END_TEST

/* A file in dir stands before the embedded one of its name, and the others are still there. */
START_TEST(test_override)
{
    char *embedded, *text;
    ck_assert_int_eq(kiln_template_load(NULL, "gelu.cl", &embedded), KILN_OK);
    ck_assert_ptr_nonnull(strstr(embedded, "gelu_tanh"));
    ck_assert_int_eq(kiln_template_load(dir, "gelu.cl", &text), KILN_OK);
    ck_assert_str_eq(text, embedded);
    free(text);
    put("gelu.cl", "mine\n");
    ck_assert_int_eq(kiln_template_load(dir, "gelu.cl", &text), KILN_OK);
    ck_assert_str_eq(text, "mine\n");
    free(text);
    ck_assert_int_eq(kiln_template_load(NULL, "gelu.cl", &text), KILN_OK);
    ck_assert_str_eq(text, embedded);
    free(text);
    gives("@include gelu.cl\n", "mine\n");
    char nowhere[300];
    snprintf(nowhere, sizeof nowhere, "%s/nowhere", dir);
    ck_assert_int_eq(kiln_template_load(nowhere, "gelu.cl", &text), KILN_OK);
    ck_assert_str_eq(text, embedded);
    free(text);
    free(embedded);
    ck_assert_int_eq(kiln_template_load(NULL, "nowhere.cl", &text), KILN_TEMPLATE_ERROR);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "nowhere.cl"));
    ck_assert_ptr_null(text);
}
END_TEST

/* ---- @apply ------------------------------------------------------------------------------ */

static void one_op(const char *text)
{
    static const kiln_hook_op ops[] = {{"op.cl", NULL}};
    put("op.cl", text);
    hooks[0] = (kiln_hook){"hook", ops, 1};
    num_hooks = 1;
}

START_TEST(test_apply_arguments)
{
    one_op("[${v}][${row}][${part}][${w}]\n");
    static const struct {
        const char *arguments, *expected;
    } cases[] = {
        {"v=v row=m0 + i part= w=1", "[v][m0 + i][][1]\n"},
        {"w=1 part= row=r v=x", "[x][r][][1]\n"},
        {"v=sum[r][c] row=(row0 + r) part=_part w=16", "[sum[r][c]][(row0 + r)][_part][16]\n"},
        {"v=a == b row=c <= d part=e != f w=g", "[a == b][c <= d][e != f][g]\n"},
        {"v=a ==b row=a && b==c ? d : e part=x w=y", "[a ==b][a && b==c ? d : e][x][y]\n"},
        {"v=, left row=f(a, b) part=, w= w=", "[, left][f(a, b)][,][]\n"},
        {"v= row= part= w=", "[][][][]\n"},
        {"v=${four} row=r + ${four*2} part=${name} w=${four == 4 ? 1 : 2}",
         "[4][r + 8][text][1]\n"},
        {"v=a\trow=b  part=c   w=d", "[a][b][c][d]\n"},
        {"v=1 row=2 part=3 w=4 extra=5", "[1][2][3][4]\n"},
        {"v=first v=second row=2 part=3 w=4", "[second][2][3][4]\n"}};
    for (size_t c = 0; c < COUNT(cases); c++) {
        char text[300];
        snprintf(text, sizeof text, "@apply hook %s\n", cases[c].arguments);
        gives(text, cases[c].expected);
    }
    refuse("x\n@apply hook v\n", "main.cl:2", "name=text");
    refuse("@apply hook =3\n", "main.cl:1", "name=text");
    refuse("@apply hook v=${nobody}\n", "main.cl:1", "nobody");
    refuse("@apply nohook v=1\n", "main.cl:1", "nohook");
    refuse("@apply\n", "main.cl:1", "hook");
    refuse("@apply hook v=1\n", "op.cl:1", "unknown name row");
    refuse("@apply hook v = 1 row=1 part= w=\n", "main.cl:1", "name=text");
}
END_TEST

START_TEST(test_apply_hooks)
{
    kiln_env bias, residual;
    kiln_env_init(&bias, NULL);
    kiln_env_init(&residual, NULL);
    kiln_env_string(&bias, "p", "bias");
    kiln_env_string(&bias, "v", "hidden by the argument");
    kiln_env_string(&residual, "p", "residual_2");
    kiln_env_string(&residual, "four", "own four");
    const kiln_hook_op ops[] = {{"add.cl", &bias}, {"add.cl", &residual}, {"last.cl", NULL}};
    hooks[0] = (kiln_hook){"none", NULL, 0};
    hooks[1] = (kiln_hook){"epilogue", ops, 3};
    hooks[2] = (kiln_hook){"epi", ops, 1};
    num_hooks = 3;
    put("add.cl", "${v} += ${p}[${col}]; // ${four}\n@let v 'changed'\n");
    put("last.cl", "store(${v}); ${defined(p) ? 'p' : 'no p'} ${i}\n");
    gives("@for i 2\n@apply epilogue v=v col=c${i}\n@end\n${four} ${defined(v)}\n",
          "v += bias[c0]; // 4\nv += residual_2[c0]; // own four\nstore(v); no p 0\n"
          "v += bias[c1]; // 4\nv += residual_2[c1]; // own four\nstore(v); no p 1\n4 0\n");
    gives("a\n@apply none v=v\nb\n@apply epi v=x col=y\n", "a\nb\nx += bias[y]; // 4\n");
    kiln_env_free(&bias);
    kiln_env_free(&residual);
}
END_TEST

START_TEST(test_apply_indents)
{
    one_op("x;\n\ny;\n");
    gives("f()\n{\n@apply hook\n}\n", "f()\n{\n    x;\n\n    y;\n}\n");
    gives("    if (c) {\n@apply hook\n    }\n", "    if (c) {\n        x;\n\n        y;\n    }\n");
    gives("        z;\n@apply hook\n", "        z;\n        x;\n\n        y;\n");
    gives(" */\n@apply hook\n", " */\nx;\n\ny;\n");
}
END_TEST

/* ---- #line ------------------------------------------------------------------------------- */

/* Every line of the expansion says FILE:LINE itself; so do the marks. */
static void check_marks(const char *text, int at_least)
{
    char file[64] = "", *marked = expand_marked(text);
    size_t number = 0;
    int found = 0;
    for (char *line = marked; *line; line += strcspn(line, "\n") + 1, number++) {
        if (sscanf(line, "#line %zu \"%63[^\"]\"", &number, file) == 2) {
            number--; /* of the next line */
            continue;
        }
        char tag_file[64];
        size_t tag;
        if (*line == '\n')
            continue;
        if (sscanf(line, " <%63[^:]:%zu>", tag_file, &tag) != 2) {
            ck_assert_msg(strncmp(line, "more", 4) == 0, "%s", line);
            continue;
        }
        found++;
        ck_assert_msg(strcmp(file, tag_file) == 0 && number == tag,
                      "%s:%zu is said to be %s:%zu in\n%s", tag_file, tag, file, number, marked);
    }
    ck_assert_msg(found >= at_least, "%d lines in\n%s", found, marked);
    free(marked);
}

START_TEST(test_line_marks)
{
    kiln_env_string(&env, "two_lines", "more\nmore");
    one_op("<op.cl:1>\n@if 1\n<op.cl:3>\n\n@end\n\n<op.cl:7>\n");
    put("inner.cl", "<inner.cl:1>\n\n@# comment\n<inner.cl:4>\n@apply hook\n<inner.cl:6>\n");
    check_marks("<main.cl:1>\n<main.cl:2>\n", 2);
    check_marks("\n\n\n<main.cl:4>\n\n<main.cl:6>\n", 2);
    check_marks("@if 1\n\n<main.cl:3>\n@end\n\n\n<main.cl:7>\n", 2);
    check_marks("<main.cl:1>\n"
                "@include inner.cl\n"
                "<main.cl:3>\n"
                "${two_lines}\n"
                "<main.cl:5>\n"
                "@for i 2\n"
                "<main.cl:7>\n"
                "\n"
                "@if i\n"
                "<main.cl:10>\n"
                "@else\n"
                "\n"
                "<main.cl:13>\n"
                "@end\n"
                "@include inner.cl\n"
                "    <main.cl:16> {\n"
                "@apply hook\n"
                "\n"
                "\n"
                "@let x 1\n"
                "\n"
                "    <main.cl:22>\n"
                "@end\n"
                "\n"
                "@include op.cl\n"
                "\n"
                "@include op.cl\n"
                "<main.cl:28>\n"
                "<main.cl:29>\n",
                40);
}
END_TEST

/* Marks are where they are needed, and nowhere else. */
START_TEST(test_line_marks_are_few)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {{"a\nb\n\nc\n", "#line 1 \"main.cl\"\na\nb\n\nc\n"},
                 {"a\n@# x\nb\n", "#line 1 \"main.cl\"\na\n#line 3 \"main.cl\"\nb\n"},
                 {"@if 0\n@end\n", ""}};
    for (size_t c = 0; c < COUNT(cases); c++) {
        char *marked = expand_marked(cases[c].text);
        ck_assert_str_eq(marked, cases[c].expected);
        free(marked);
    }
}
END_TEST

/* ---- robustness -------------------------------------------------------------------------- */

/* Without the marks' help: what a driver counts from the program's start. */
START_TEST(test_places)
{
    const char *text = "#line 7 \"a.cl\"\nseven\neight\n#line 3 \"op/b.cl\"\nthree\n";
    static const char *const places[] = {"a.cl:6",    "a.cl:7",    "a.cl:8",
                                         "op/b.cl:2", "op/b.cl:3", ""};
    for (size_t line = 1; line <= 6; line++) {
        kiln_text place = {0};
        kiln_template_place(text, line, &place);
        ck_assert_str_eq(place.data ? place.data : "", places[line - 1]);
        kiln_text_free(&place);
    }
    kiln_text none = {0};
    kiln_template_place("no mark\n", 1, &none);
    kiln_template_place(text, 0, &none);
    ck_assert_ptr_null(none.data);
}
END_TEST

START_TEST(test_random_templates)
{
    static const char *const lines[] = {"@if 1",
                                        "@if 0",
                                        "@if x",
                                        "@elif 1",
                                        "@else",
                                        "@end",
                                        "@end",
                                        "@for i 2",
                                        "@let x 1",
                                        "@let x x+1",
                                        "@include in.cl",
                                        "@apply hook v=1",
                                        "@apply",
                                        "@include",
                                        "text ${x}",
                                        "text ${four",
                                        "",
                                        "text",
                                        "@# no",
                                        "@for i m",
                                        "${name}",
                                        "\x80\xff${}",
                                        "@",
                                        "    {",
                                        "@if",
                                        "@let y 'a'",
                                        "@for i i+1",
                                        "}}",
                                        "@apply hook v"};
    one_op("op ${v}\n");
    put("in.cl", "in\n@let x 3\n");
    unsigned seed = 12345;
    int good = 0;
    for (int round = 0; round < 3000; round++) {
        kiln_text text = {0};
        unsigned length = (seed >> 20) % 9;
        for (unsigned i = 0; i <= length; i++) {
            seed = seed * 1664525u + 1013904223u;
            kiln_text_addf(&text, "%s\n", lines[(seed >> 16) % COUNT(lines)]);
        }
        put("main.cl", text.data);
        free(files[--num_files]);
        kiln_text out = {0};
        kiln_status status = try_expand("main.cl", &out);
        if (status == KILN_OK) {
            good++;
            if (out.data && (strstr(out.data, "\n@") || strstr(out.data, "${")))
                ck_abort_msg("%s\ngives\n%s", text.data, out.data);
        } else if (status != KILN_TEMPLATE_ERROR || !strstr(kiln_last_error(), ".cl")) {
            ck_abort_msg("status %d \"%s\" for\n%s", status, kiln_last_error(), text.data);
        }
        kiln_text_free(&out);
        kiln_text_free(&text);
    }
    put("main.cl", "");
    ck_assert_int_gt(good, 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("template");
    TCase *tests = tcase_create("template");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_values);
    tcase_add_test(tests, test_comments);
    tcase_add_test(tests, test_blank_lines);
    tcase_add_test(tests, test_inline);
    tcase_add_test(tests, test_if);
    tcase_add_test(tests, test_if_refusals);
    tcase_add_test(tests, test_arms_behind_else);
    tcase_add_test(tests, test_for);
    tcase_add_test(tests, test_runaway);
    tcase_add_test(tests, test_let);
    tcase_add_test(tests, test_include);
    tcase_add_test(tests, test_include_refusals);
    tcase_add_test(tests, test_names_stay_inside);
    tcase_add_test(tests, test_override);
    tcase_add_test(tests, test_apply_arguments);
    tcase_add_test(tests, test_apply_hooks);
    tcase_add_test(tests, test_apply_indents);
    tcase_add_test(tests, test_line_marks);
    tcase_add_test(tests, test_line_marks_are_few);
    tcase_add_test(tests, test_places);
    tcase_add_test(tests, test_random_templates);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
