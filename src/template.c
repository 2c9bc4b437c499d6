#include "template.h"
#include "embedded.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* @include and @apply nest at most this deep; deeper is a file that includes itself. */
#define MAX_FILES 16

/* More lines than any program has: a runaway @for stops here. */
#define MAX_OUTPUT ((size_t)16 << 20)

/* No unrolled loop goes round more often. */
#define MAX_ROUNDS 65536

typedef struct {
    const char *name;
    char **lines; /* into text */
    size_t num_lines;
    char *text;
} source;

typedef struct {
    const kiln_template_params *params;
    kiln_text *out;
    int files;
    /* The line that #line says comes next; a jump from there needs a mark. */
    const char *next_file;
    size_t next_line;
} expansion;

typedef struct {
    expansion *x;
    const source *src;
    const char *indent; /* before every line: a fragment stands where it is applied */
} place;

static kiln_status wrong(const place *at, size_t line, const char *what, const char *detail)
{
    return kiln_fail(KILN_TEMPLATE_ERROR, "%s:%zu: %s%s", at->src->name, line + 1, what, detail);
}

/* ---- files ------------------------------------------------------------------------------- */

static kiln_status load_embedded(const char *file, char **text)
{
    for (size_t i = 0; i < kiln_num_embedded_templates; i++) {
        if (strcmp(kiln_embedded_templates[i].name, file) == 0) {
            *text = kiln_strdup(kiln_embedded_templates[i].text);
            return *text ? KILN_OK : kiln_fail_memory();
        }
    }
    return kiln_fail(KILN_TEMPLATE_ERROR, "template %s: there is none of that name", file);
}

static kiln_status read_stream(FILE *stream, const char *path, char **text)
{
    kiln_text content = {0};
    char block[4096];
    size_t got;
    while ((got = fread(block, 1, sizeof block, stream)) > 0 && content.length < MAX_OUTPUT)
        kiln_text_add_bytes(&content, block, got);
    if (ferror(stream)) {
        kiln_text_free(&content);
        return kiln_fail(KILN_TEMPLATE_ERROR, "cannot read %s: %s", path, strerror(errno));
    }
    *text = kiln_text_take(&content);
    return *text ? KILN_OK : kiln_fail_memory();
}

kiln_status kiln_template_load(const char *dir, const char *file, char **text)
{
    *text = NULL;
    if (!dir)
        return load_embedded(file, text);
    if (*file == '/' || strstr(file, ".."))
        return kiln_fail(KILN_TEMPLATE_ERROR, "template %s: its name leaves %s", file, dir);
    kiln_text path = {0};
    kiln_text_addf(&path, "%s/%s", dir, file);
    if (path.failed)
        return kiln_fail_memory();
    kiln_status status;
    FILE *stream = fopen(path.data, "rb");
    if (stream) {
        status = read_stream(stream, path.data, text);
        fclose(stream);
    } else if (errno == ENOENT) {
        status = load_embedded(file, text);
    } else {
        status = kiln_fail(KILN_TEMPLATE_ERROR, "cannot read %s: %s", path.data, strerror(errno));
    }
    kiln_text_free(&path);
    return status;
}

static kiln_status open_source(const char *dir, const char *file, source *src)
{
    memset(src, 0, sizeof *src);
    src->name = file;
    kiln_status status = kiln_template_load(dir, file, &src->text);
    if (status != KILN_OK)
        return status;
    size_t count = 1;
    for (const char *c = src->text; *c; c++)
        count += *c == '\n';
    src->lines = malloc(count * sizeof *src->lines);
    if (!src->lines) {
        free(src->text);
        return kiln_fail_memory();
    }
    for (char *line = src->text; line && *line;) {
        src->lines[src->num_lines++] = line;
        line = strchr(line, '\n');
        if (line)
            *line++ = '\0';
    }
    return KILN_OK;
}

static void close_source(source *src)
{
    free(src->lines);
    free(src->text);
}

/* ---- lines ------------------------------------------------------------------------------- */

static kiln_status substitute(const char *text, kiln_env *env, const char *where, bool program,
                              kiln_text *out)
{
    for (const char *open; (open = strstr(text, "${"));) {
        kiln_text_add_bytes(out, text, (size_t)(open - text));
        const char *close = strchr(open, '}');
        if (!close)
            return kiln_fail(KILN_TEMPLATE_ERROR, "%s: `${' without `}'", where);
        char *formula = kiln_strndup(open + 2, (size_t)(close - open - 2));
        if (!formula)
            return kiln_fail_memory();
        kiln_value value;
        kiln_status status = kiln_expr_eval(formula, env, &value);
        free(formula);
        if (status != KILN_OK)
            return status == KILN_OUT_OF_MEMORY
                       ? status
                       : kiln_fail(status, "%s: %s", where, kiln_last_error());
        kiln_value_print(out, &value, program);
        text = close + 1;
    }
    kiln_text_add(out, text);
    return out->failed ? kiln_fail_memory() : KILN_OK;
}

kiln_status kiln_template_inline(const char *text, kiln_env *env, const char *where, kiln_text *out)
{
    return substitute(text, env, where, false, out);
}

/* The directive's rest of line if the line is `@word ...`, else NULL. */
static const char *directive(const char *line, const char *word)
{
    size_t length = strlen(word);
    if (line[0] != '@' || strncmp(line + 1, word, length) != 0)
        return NULL;
    const char *rest = line + 1 + length;
    if (isalnum((unsigned char)*rest) || *rest == '_')
        return NULL;
    return rest + strspn(rest, " \t");
}

static bool opens_block(const char *line)
{
    return directive(line, "if") || directive(line, "for");
}

/* The line after `from` that ends its block, or continues it when arms count; `to` if none does. */
static size_t block_end(const source *src, size_t from, size_t to, bool arms)
{
    size_t depth = 0;
    for (size_t i = from + 1; i < to; i++) {
        const char *line = src->lines[i];
        if (opens_block(line))
            depth++;
        else if (directive(line, "end")) {
            if (depth-- == 0)
                return i;
        } else if (arms && depth == 0 && (directive(line, "elif") || directive(line, "else")))
            return i;
    }
    return to;
}

static kiln_status expand_block(const place *at, size_t from, size_t to, kiln_env *env);
static kiln_status expand_file(const place *from, size_t line, const char *file, const char *indent,
                               kiln_env *env);

static void mark_line(const place *at, size_t line)
{
    expansion *x = at->x;
    if (x->next_file != at->src->name || x->next_line != line)
        kiln_text_addf(x->out, "#line %zu \"%s\"\n", line + 1, at->src->name);
    x->next_file = at->src->name;
    x->next_line = line + 1;
}

/* Blank lines need no mark, and one in a row is enough. */
static kiln_status blank_line(expansion *x)
{
    size_t length = x->out->length;
    if (length < 2 || x->out->data[length - 2] != '\n') {
        kiln_text_add(x->out, "\n");
        x->next_line++;
    } else {
        x->next_file = NULL;
    }
    return KILN_OK;
}

/* substitute, for what stands in this line of the template. */
static kiln_status substitute_at(const place *at, size_t line, const char *text, kiln_env *env,
                                 kiln_text *out)
{
    char where[256];
    snprintf(where, sizeof where, "%s:%zu", at->src->name, line + 1);
    return substitute(text, env, where, true, out);
}

static kiln_status plain_line(const place *at, size_t line, kiln_env *env)
{
    expansion *x = at->x;
    if (x->out->length > MAX_OUTPUT)
        return wrong(at, line, "the program grows past 16 MiB", "");
    const char *text = at->src->lines[line];
    if (!*text)
        return blank_line(x);
    mark_line(at, line);
    kiln_text_add(x->out, at->indent);
    /* A value may bring line ends of its own (a signature): then the next line needs a mark. */
    size_t start = x->out->length;
    kiln_status status = substitute_at(at, line, text, env, x->out);
    if (status == KILN_OK && x->out->length > start &&
        memchr(x->out->data + start, '\n', x->out->length - start))
        x->next_file = NULL;
    kiln_text_add(x->out, "\n");
    return status;
}

/* ---- directives -------------------------------------------------------------------------- */

/* A failure in a directive's formula gets the template's place in front. */
static kiln_status located(const place *at, size_t line, kiln_status status)
{
    return status == KILN_OK || status == KILN_OUT_OF_MEMORY
               ? status
               : wrong(at, line, kiln_last_error(), "");
}

static kiln_status scoped_block(const place *at, size_t from, size_t to, kiln_env *parent,
                                const char *name, int64_t value)
{
    kiln_env scope;
    kiln_env_init(&scope, parent);
    kiln_status status = name ? kiln_env_int(&scope, name, value) : KILN_OK;
    if (status == KILN_OK)
        status = expand_block(at, from, to, &scope);
    kiln_env_free(&scope);
    return status;
}

static kiln_status expand_if(const place *at, size_t *line, size_t to, kiln_env *env)
{
    size_t start = *line, end = block_end(at->src, start, to, false);
    if (end == to)
        return wrong(at, start, "@if without @end", "");
    *line = end;
    for (size_t arm = block_end(at->src, start, end + 1, true); arm < end;) {
        const char *rest = directive(at->src->lines[arm], "else");
        size_t next = block_end(at->src, arm, end + 1, true);
        if (rest && *rest)
            return wrong(at, arm, "@else takes nothing: ", rest);
        if (rest && next < end)
            return wrong(at, next, "an arm behind @else", "");
        arm = next;
    }
    for (size_t arm = start; arm < end;) {
        size_t next = block_end(at->src, arm, end + 1, true);
        const char *text = at->src->lines[arm];
        const char *condition = directive(text, arm == start ? "if" : "elif");
        int64_t value = 1;
        if (condition) {
            kiln_status status = located(at, arm, kiln_expr_eval_int(condition, env, &value));
            if (status != KILN_OK)
                return status;
        }
        if (value)
            return scoped_block(at, arm + 1, next, env, NULL, 0);
        arm = next;
    }
    return KILN_OK;
}

static kiln_status expand_for(const place *at, size_t *line, size_t to, kiln_env *env)
{
    size_t start = *line, end = block_end(at->src, start, to, false);
    if (end == to)
        return wrong(at, start, "@for without @end", "");
    *line = end;
    const char *rest = directive(at->src->lines[start], "for");
    size_t length = 0;
    while (isalnum((unsigned char)rest[length]) || rest[length] == '_')
        length++;
    if (length == 0 || isdigit((unsigned char)*rest))
        return wrong(at, start, "@for takes a name and a count: ", rest);
    int64_t count;
    kiln_status status = located(at, start, kiln_expr_eval_int(rest + length, env, &count));
    if (status == KILN_OK && count > MAX_ROUNDS)
        return wrong(at, start, "@for goes round more than 65,536 times: ", rest);
    char *name = status == KILN_OK ? kiln_strndup(rest, length) : NULL;
    if (status == KILN_OK && !name)
        status = kiln_fail_memory();
    for (int64_t i = 0; status == KILN_OK && i < count; i++)
        status = scoped_block(at, start + 1, end, env, name, i);
    free(name);
    return status;
}

static kiln_status bind_let(const place *at, size_t line, const char *rest, kiln_env *env)
{
    size_t length = strcspn(rest, " \t");
    char *name = kiln_strndup(rest, length);
    if (!name)
        return kiln_fail_memory();
    kiln_value value;
    kiln_status status = located(at, line, kiln_expr_eval(rest + length, env, &value));
    if (status == KILN_OK)
        status = kiln_env_set(env, name, value);
    free(name);
    return status;
}

/* Where the next ` name=` of @apply's arguments starts, or the end. */
static const char *next_argument(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (!isspace((unsigned char)*c))
            continue;
        const char *word = c + strspn(c, " \t"), *end = word;
        while (isalnum((unsigned char)*end) || *end == '_')
            end++;
        if (end > word && !isdigit((unsigned char)*word) && *end == '=' && end[1] != '=')
            return c;
    }
    return text + strlen(text);
}

static kiln_status bind_arguments(const place *at, size_t line, const char *rest, kiln_env *env,
                                  kiln_env *scope)
{
    while (*(rest += strspn(rest, " \t"))) {
        size_t length = strcspn(rest, "=");
        if (rest[length] != '=' || length == 0 || strcspn(rest, " \t") < length)
            return wrong(at, line, "@apply takes name=text: ", rest);
        const char *value = rest + length + 1, *end = next_argument(value);
        char *name = kiln_strndup(rest, length);
        char *raw = kiln_strndup(value, (size_t)(end - value));
        kiln_text text = {0};
        kiln_status status =
            name && raw ? substitute_at(at, line, raw, env, &text) : kiln_fail_memory();
        if (status == KILN_OK)
            status = kiln_env_string(scope, name, text.data ? text.data : "");
        kiln_text_free(&text);
        free(name);
        free(raw);
        if (status != KILN_OK)
            return status;
        rest = end;
    }
    return KILN_OK;
}

static kiln_status copy_names(const kiln_env *from, kiln_env *to);

static kiln_status apply(const place *at, size_t line, const char *rest, const char *indent,
                         kiln_env *env)
{
    const kiln_template_params *params = at->x->params;
    size_t length = strcspn(rest, " \t");
    for (size_t h = 0; h < params->num_hooks; h++) {
        const kiln_hook *hook = &params->hooks[h];
        if (strlen(hook->name) != length || strncmp(hook->name, rest, length) != 0)
            continue;
        kiln_status status = KILN_OK;
        for (size_t i = 0; i < hook->num_ops && status == KILN_OK; i++) {
            kiln_env scope;
            kiln_env_init(&scope, env);
            if (hook->ops[i].names)
                status = copy_names(hook->ops[i].names, &scope);
            if (status == KILN_OK)
                status = bind_arguments(at, line, rest + length, env, &scope);
            if (status == KILN_OK)
                status = expand_file(at, line, hook->ops[i].file, indent, &scope);
            kiln_env_free(&scope);
        }
        return status;
    }
    return wrong(at, line, "unknown hook: ", rest);
}

/* The indentation that code applied after what has come out should have. */
static kiln_status indent_here(const expansion *x, kiln_text *indent)
{
    const char *text = x->out->data ? x->out->data : "";
    size_t end = x->out->length;
    while (end > 0) {
        size_t start = end - 1;
        while (start > 0 && text[start - 1] != '\n')
            start--;
        if (text[start] != '\n' && text[start] != '#') {
            /* Whole steps: the blank before a comment's end is no indentation. */
            size_t blanks = strspn(text + start, " ") / 4 * 4;
            kiln_text_add_bytes(indent, text + start, blanks);
            if (end >= 2 && text[end - 2] == '{')
                kiln_text_add(indent, "    ");
            break;
        }
        end = start;
    }
    return indent->failed ? kiln_fail_memory() : KILN_OK;
}

static kiln_status expand_line(const place *at, size_t *line, size_t to, kiln_env *env)
{
    const char *text = at->src->lines[*line], *rest;
    if (text[0] != '@')
        return plain_line(at, *line, env);
    if (text[1] == '#')
        return KILN_OK;
    if (directive(text, "if"))
        return expand_if(at, line, to, env);
    if (directive(text, "for"))
        return expand_for(at, line, to, env);
    if ((rest = directive(text, "let")))
        return bind_let(at, *line, rest, env);
    if ((rest = directive(text, "include"))) {
        kiln_text name = {0};
        kiln_status status = substitute_at(at, *line, rest, env, &name);
        if (status == KILN_OK)
            status = expand_file(at, *line, name.data ? name.data : "", at->indent, env);
        kiln_text_free(&name);
        return status;
    }
    if ((rest = directive(text, "apply"))) {
        kiln_text indent = {0};
        kiln_status status = indent_here(at->x, &indent);
        if (status == KILN_OK)
            status = apply(at, *line, rest, indent.data ? indent.data : "", env);
        kiln_text_free(&indent);
        return status;
    }
    return wrong(at, *line, "unknown or misplaced directive: ", text);
}

static kiln_status expand_block(const place *at, size_t from, size_t to, kiln_env *env)
{
    kiln_status status = KILN_OK;
    for (size_t line = from; line < to && status == KILN_OK; line++)
        status = expand_line(at, &line, to, env);
    return status;
}

/* The bindings of one flat scope, into another. */
static kiln_status copy_names(const kiln_env *from, kiln_env *to)
{
    kiln_status status = KILN_OK;
    const char *name;
    for (size_t i = 0; status == KILN_OK && (name = kiln_env_name(from, i)); i++)
        status = kiln_env_set(to, name, *kiln_env_find(from, name));
    return status;
}

/* from: the place that asks for the file, without a source for the first. */
static kiln_status expand_file(const place *from, size_t line, const char *file, const char *indent,
                               kiln_env *env)
{
    expansion *x = from->x;
    if (x->files == MAX_FILES)
        return wrong(from, line, "files are nested too deeply: ", file);
    source src;
    kiln_status status = open_source(x->params->dir, file, &src);
    if (status != KILN_OK)
        return from->src ? located(from, line, status) : status;
    x->files++;
    place at = {x, &src, indent};
    status = expand_block(&at, 0, src.num_lines, env);
    x->files--;
    x->next_file = NULL;
    close_source(&src);
    return status;
}

kiln_status kiln_template_expand(const kiln_template_params *params, const char *file,
                                 kiln_text *out)
{
    expansion x = {.params = params, .out = out};
    place nowhere = {&x, NULL, ""};
    return expand_file(&nowhere, 0, file, "", params->env);
}

void kiln_template_place(const char *program, size_t line, kiln_text *out)
{
    const char *file = NULL;
    size_t length = 0;
    unsigned long number = 0;
    for (size_t at = 1; at <= line && *program; at++) {
        if (strncmp(program, "#line ", 6) == 0) {
            char *end;
            number = strtoul(program + 6, &end, 10) - 1;
            file = strchr(end, '"');
            length = file ? strcspn(file + 1, "\"\n") : 0;
        } else {
            number++;
        }
        if (at == line && file)
            kiln_text_addf(out, "%.*s:%lu", (int)length, file + 1, number);
        program += strcspn(program, "\n");
        program += *program == '\n';
    }
}
