/* The template language: plain OpenCL C and few constructs. It knows no OpenCL.
 *
 *     ${expr}                     the value of a formula (expr.h), anywhere in a line
 *     @if expr  @elif expr  @else  @end
 *     @for i n ... @end           the lines n times, i = 0 .. n-1
 *     @let name expr              binds name to the end of the enclosing block
 *     @include file               another template's lines, in this scope
 *     @apply hook v=text row=text ...
 *                                 the fragments of the hook's ops, in order, each with its own
 *                                 names and these, which stand for pieces of code
 *
 * A directive is an @ in column 1, which OpenCL C never has; a line that starts with `@#` is a
 * comment of the template. Conditions are over what is known when the source is made. What comes
 * out has no directive left, and `#line` marks where the next line is not the template's next
 * line, so that a driver's error names the template. Anything wrong is KILN_TEMPLATE_ERROR with
 * file and line.
 */
#ifndef KILN_TEMPLATE_H
#define KILN_TEMPLATE_H

#include "expr.h"

/* One op in a hook: its fragment and what its names stand for (NULL: nothing of its own). */
typedef struct kiln_hook_op {
    const char *file;
    const kiln_env *names;
} kiln_hook_op;

typedef struct kiln_hook {
    const char *name;
    const kiln_hook_op *ops;
    size_t num_ops;
} kiln_hook;

typedef struct kiln_template_params {
    const char *dir; /* where files may stand that replace the embedded ones; NULL: nowhere */
    kiln_env *env;
    const kiln_hook *hooks;
    size_t num_hooks;
} kiln_template_params;

/* Appends the expansion of file to out. */
kiln_status kiln_template_expand(const kiln_template_params *params, const char *file,
                                 kiln_text *out);

/* Appends text with its ${} replaced; reals are written as in a sentence. where names the place in
 * an error. */
kiln_status kiln_template_inline(const char *text, kiln_env *env, const char *where,
                                 kiln_text *out);

/* Appends "FILE:LINE", the place in a template of an expanded program's line (from 1), as its #line
 * marks say; nothing if they say nothing. For drivers that report lines of the whole program. */
void kiln_template_place(const char *program, size_t line, kiln_text *out);

/* The text of a template file: from dir, or embedded where dir is NULL or has no such file. The
 * caller frees it. A name that leaves dir is refused. */
kiln_status kiln_template_load(const char *dir, const char *file, char **text);

#endif
