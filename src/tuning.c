#include "tuning.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "kiln-tuning 1"

/* How far a line's dimension may be from a spec's in powers of two, and all of them together. */
#define MOST_EACH 1.0
#define MOST_ALL  2.0

static const char *const kind_words[] = {
    [KILN_LINE_BEST] = "", [KILN_LINE_TRIED] = "tried ", [KILN_LINE_FAILED] = "failed "};

/* ---- one line ---------------------------------------------------------------------------- */

static const kiln_variant *find_variant(const kiln_row *row, const char *name, size_t length)
{
    for (size_t i = 0; i < KILN_MAX_VARIANTS && row->variants[i]; i++)
        if (strlen(row->variants[i]->name) == length &&
            strncmp(row->variants[i]->name, name, length) == 0)
            return row->variants[i];
    return NULL;
}

/* NAME=NUMBER of the variant's tuning names. */
static bool take_value(kiln_line *line, const char *word, size_t length, bool *given)
{
    size_t name = strcspn(word, "="), digits = length - name - 1;
    if (name >= length || digits == 0 || digits > 9 ||
        strspn(word + name + 1, "0123456789") < digits)
        return false;
    for (size_t i = 0; i < kiln_num_tune(line->variant); i++) {
        const char *tune = line->variant->tune[i].name;
        if (strlen(tune) != name || strncmp(tune, word, name) != 0 || given[i])
            continue;
        given[i] = true;
        line->values[i] = (int)strtol(word + name + 1, NULL, 10);
        return true;
    }
    return false;
}

static bool take_time(kiln_line *line, const char *text, size_t length)
{
    const char *end;
    if (length == 3 && strncmp(text, "inf", 3) == 0) {
        line->time = INFINITY;
        return line->kind == KILN_LINE_FAILED;
    }
    line->time = kiln_real_parse(text, &end);
    return end == text + length && line->time > 0 && isfinite(line->time) &&
           line->kind != KILN_LINE_FAILED;
}

static bool take_version(kiln_line *line, const char *text, size_t length)
{
    if (length == 0 || length >= sizeof line->version)
        return false;
    memcpy(line->version, text, length);
    line->version[length] = '\0';
    return true;
}

static kiln_status bad_word(const char *word, size_t length)
{
    return kiln_fail(KILN_INVALID_ARGUMENT, "`%.*s' cannot be in a tuning line",
                     (int)(length < 40 ? length : 40), word);
}

/* What stands behind the variant: its values, time, version, each once. */
static kiln_status parse_values(const char *text, kiln_line *line)
{
    bool given[KILN_MAX_TUNE] = {false};
    for (size_t length; *text; text += length) {
        text += strspn(text, " ");
        length = strcspn(text, " ");
        bool good = true;
        if (length == 0)
            break;
        if (strncmp(text, "time=", 5) == 0)
            good = line->time == 0 && take_time(line, text + 5, length - 5);
        else if (strncmp(text, "kiln=", 5) == 0)
            good = !*line->version && take_version(line, text + 5, length - 5);
        else
            good = take_value(line, text, length, given);
        if (!good)
            return bad_word(text, length);
    }
    for (size_t i = 0; i < kiln_num_tune(line->variant); i++)
        if (!given[i])
            return kiln_fail(KILN_INVALID_ARGUMENT, "the value of %s is missing",
                             line->variant->tune[i].name);
    if (line->time == 0 || !*line->version)
        return kiln_fail(KILN_INVALID_ARGUMENT, "%s= is missing",
                         line->time == 0 ? "time" : "kiln");
    return KILN_OK;
}

static kiln_status check_line(kiln_line *line, const char *values, const kiln_facts *facts)
{
    size_t length = strcspn(values, " ");
    char *reason = NULL;
    line->variant = find_variant(line->spec.row, values, length);
    if (!line->variant)
        return kiln_fail(KILN_INVALID_ARGUMENT, "%s has no variant `%.*s'", line->spec.row->name,
                         (int)(length < 40 ? length : 40), values);
    if (!kiln_spec_is_tunable(&line->spec))
        return kiln_fail(KILN_INVALID_ARGUMENT, "tile_size and workgroup_size must be 0");
    kiln_status status = parse_values(values + length, line);
    /* The others, which may be many, are looked at by the search that takes them up. */
    if (status == KILN_OK && line->kind == KILN_LINE_BEST)
        status = kiln_choose_check(&line->spec, facts, line->variant, line->values, &reason);
    if (status == KILN_OK && reason)
        status = kiln_fail(KILN_INVALID_ARGUMENT, "%s", reason);
    free(reason);
    return status;
}

/* The last " variant=", as the spec may have one of its own. */
static const char *find_values(const char *text)
{
    static const char word[] = " variant=";
    const char *found = NULL;
    for (const char *at = text; (at = strstr(at, word)); at++)
        found = at;
    return found;
}

kiln_status kiln_line_parse(const char *text, const kiln_facts *facts, kiln_line *line)
{
    memset(line, 0, sizeof *line);
    for (kiln_line_kind kind = KILN_LINE_TRIED; kind <= KILN_LINE_FAILED; kind++)
        if (strncmp(text, kind_words[kind], strlen(kind_words[kind])) == 0)
            line->kind = kind;
    text += strlen(kind_words[line->kind]);
    const char *values = find_values(text);
    if (!values)
        return kiln_fail(KILN_INVALID_ARGUMENT, "variant= is missing");
    char *spec = kiln_strndup(text, (size_t)(values - text));
    if (!spec)
        return kiln_fail_memory();
    kiln_status status = kiln_spec_parse(spec, &line->spec);
    free(spec);
    if (status != KILN_OK)
        return status;
    status = check_line(line, values + strlen(" variant="), facts);
    if (status != KILN_OK)
        kiln_line_free(line);
    return status;
}

void kiln_line_free(kiln_line *line)
{
    kiln_spec_free(&line->spec);
}

void kiln_line_print(const kiln_line *line, kiln_text *out)
{
    kiln_text_addf(out, "%s%s variant=%s ", kind_words[line->kind], line->spec.text,
                   line->variant->name);
    kiln_values_print(line->variant, line->values, out);
    kiln_text_add(out, " time=");
    if (line->kind == KILN_LINE_FAILED)
        kiln_text_add(out, "inf");
    else
        kiln_real_print(out, line->time);
    kiln_text_addf(out, " kiln=%s\n", line->version);
}

/* ---- files ------------------------------------------------------------------------------- */

/* The identity on one line. */
static void print_device(const char *device, kiln_text *out)
{
    kiln_text_add(out, "device ");
    for (const char *at = device; *at; at++) {
        char one[2] = {*at, '\0'};
        if (*at != '\n' && *at != '\r')
            kiln_text_add(out, one);
        else if (at[1])
            kiln_text_add(out, "; ");
    }
    kiln_text_add(out, "\n");
}

static char *next_line(const char **text)
{
    size_t length = strcspn(*text, "\n"), kept = length;
    if (kept > 0 && (*text)[kept - 1] == '\r')
        kept--;
    char *line = kiln_strndup(*text, kept);
    *text += length + ((*text)[length] == '\n');
    return line;
}

static kiln_status add_line(kiln_lines *lines, kiln_line *line)
{
    kiln_line *of = kiln_grow(lines->of, lines->count, &lines->capacity, sizeof *of);
    if (!of)
        return kiln_fail_memory();
    lines->of = of;
    lines->of[lines->count++] = *line;
    return KILN_OK;
}

static bool is_wanted(const char *line, bool best_only)
{
    return *line && *line != '#' &&
           !(best_only && (strncmp(line, "tried ", 6) == 0 || strncmp(line, "failed ", 7) == 0));
}

/* One that says something. Memory is the only reason to give up. */
static kiln_status take_line(const char *text, size_t number, const kiln_facts *facts,
                             kiln_lines *lines, kiln_text *trouble)
{
    kiln_line line;
    kiln_status status = kiln_line_parse(text, facts, &line);
    if (status == KILN_OK) {
        status = add_line(lines, &line);
        if (status != KILN_OK)
            kiln_line_free(&line);
        return status;
    }
    if (status == KILN_OUT_OF_MEMORY)
        return status;
    if (!trouble->length)
        kiln_text_addf(trouble, "line %zu: %s", number, kiln_last_error());
    return KILN_OK;
}

kiln_status kiln_lines_parse(const char *text, const char *device, const kiln_facts *facts,
                             bool best_only, kiln_lines *lines, bool *foreign, kiln_text *trouble)
{
    kiln_text own = {0};
    kiln_status status = KILN_OK;
    *foreign = false;
    print_device(device, &own);
    if (own.failed)
        return kiln_fail_memory();
    own.data[own.length - 1] = '\0'; /* the newline */
    for (size_t number = 1; *text && status == KILN_OK && !*foreign; number++) {
        char *line = next_line(&text);
        if (!line)
            status = kiln_fail_memory();
        else if (number == 1 && strcmp(line, FORMAT) != 0)
            *foreign = true;
        else if (number == 2 && strncmp(line, "device ", 7) == 0 && strcmp(line, own.data) != 0)
            *foreign = true;
        else if (number > 1 && !(number == 2 && strcmp(line, own.data) == 0) &&
                 is_wanted(line, best_only))
            status = take_line(line, number, facts, lines, trouble);
        if (*foreign && line)
            kiln_text_addf(trouble, "line %zu: `%.60s' is not `%.60s'", number, line,
                           number == 1 ? FORMAT : own.data);
        free(line);
    }
    kiln_text_free(&own);
    return status;
}

/* "when FORMULA" goes before the lines of the devices of which it holds. */
static kiln_status take_shipped(const char *line, size_t number, const kiln_facts *facts,
                                bool *holds, kiln_lines *lines)
{
    kiln_text trouble = {0};
    kiln_status status = KILN_OK;
    if (strncmp(line, "when ", 5) == 0) {
        kiln_env env;
        kiln_env_init(&env, NULL);
        status = kiln_facts_bind(facts, &env);
        if (status == KILN_OK)
            status = kiln_expr_holds(line + 5, &env, holds);
        kiln_env_free(&env);
    } else if (*holds && is_wanted(line, true)) {
        status = take_line(line, number, facts, lines, &trouble);
        if (status == KILN_OK && trouble.length)
            status = kiln_fail(KILN_TEMPLATE_ERROR, "tuned.txt: %s", trouble.data);
    }
    kiln_text_free(&trouble);
    return status;
}

kiln_status kiln_lines_shipped(const char *text, const kiln_facts *facts, kiln_lines *lines)
{
    kiln_status status = KILN_OK;
    bool holds = false;
    for (size_t number = 1; *text && status == KILN_OK; number++) {
        char *line = next_line(&text);
        status = line ? take_shipped(line, number, facts, &holds, lines) : kiln_fail_memory();
        free(line);
    }
    return status;
}

void kiln_lines_free(kiln_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        kiln_line_free(&lines->of[i]);
    free(lines->of);
    *lines = (kiln_lines){0};
}

void kiln_lines_print(const kiln_lines *lines, const char *device, kiln_text *out)
{
    kiln_text_add(out, FORMAT "\n");
    print_device(device, out);
    for (kiln_line_kind kind = KILN_LINE_BEST; kind <= KILN_LINE_FAILED; kind++)
        for (size_t i = 0; i < lines->count; i++)
            if (lines->of[i].kind == kind)
                kiln_line_print(&lines->of[i], out);
}

/* ---- keeping ----------------------------------------------------------------------------- */

static bool replaces(const kiln_line *line, kiln_line_kind kind, const kiln_spec *spec,
                     const kiln_variant *variant, const int *values)
{
    if ((line->kind == KILN_LINE_BEST) != (kind == KILN_LINE_BEST) ||
        strcmp(line->spec.text, spec->text) != 0)
        return false;
    return kind == KILN_LINE_BEST ||
           (line->variant == variant && memcmp(line->values, values, sizeof line->values) == 0);
}

/* To six digits, of which few mean anything. */
static double rounded(double time)
{
    if (!isfinite(time) || time <= 0)
        return time;
    double scale = pow(10, 5 - floor(log10(time)));
    return round(time * scale) / scale;
}

kiln_status kiln_lines_put(kiln_lines *lines, kiln_line_kind kind, const kiln_spec *spec,
                           const kiln_variant *variant, const int *values, double time)
{
    kiln_line line;
    memset(&line, 0, sizeof line);
    kiln_status status = kiln_spec_parse(spec->text, &line.spec);
    if (status != KILN_OK)
        return status;
    line.kind = kind;
    line.variant = variant;
    for (size_t i = 0; i < kiln_num_tune(variant); i++)
        line.values[i] = values[i];
    line.time = rounded(time);
    strncpy(line.version, kiln_version(), sizeof line.version - 1);
    for (size_t i = 0; i < lines->count; i++) {
        if (!replaces(&lines->of[i], kind, spec, variant, line.values))
            continue;
        kiln_line_free(&lines->of[i]);
        lines->of[i] = line;
        return KILN_OK;
    }
    status = add_line(lines, &line);
    if (status != KILN_OK)
        kiln_line_free(&line);
    return status;
}

size_t kiln_lines_remove(kiln_lines *lines, const char *spec)
{
    size_t kept = 0, removed = 0;
    for (size_t i = 0; i < lines->count; i++) {
        if (spec && strcmp(lines->of[i].spec.text, spec) != 0) {
            lines->of[kept++] = lines->of[i];
            continue;
        }
        removed += lines->of[i].kind == KILN_LINE_BEST;
        kiln_line_free(&lines->of[i]);
    }
    lines->count = kept;
    return removed;
}

/* ---- nearness ---------------------------------------------------------------------------- */

static bool same_option(const kiln_spec *a, const kiln_spec *b, size_t i)
{
    const kiln_value *x = &a->values[i], *y = &b->values[i];
    if (x->kind == KILN_STRING)
        return strcmp(a->names[i], b->names[i]) == 0;
    return x->kind == KILN_INT ? x->integer == y->integer : x->real == y->real;
}

/* Of the same row, whose options stand in one order. The variant is looked at by its own rule. */
static bool same_options(const kiln_line *line, const kiln_spec *spec)
{
    static const char not_compared[] = "lda ldb ldc";
    for (size_t i = 0; i < spec->num_options; i++) {
        const char *name = spec->options[i]->name;
        bool same = same_option(&line->spec, spec, i);
        if (strcmp(name, "variant") == 0) {
            if (strcmp(spec->names[i], "any") != 0 &&
                strcmp(spec->names[i], line->variant->name) != 0)
                return false;
            if (!same && strcmp(line->spec.names[i], "any") != 0)
                return false;
        } else if (!same && !kiln_expr_mentions(not_compared, name)) {
            return false;
        }
    }
    return true;
}

/* INFINITY if they are too far apart. */
static double distance(const kiln_spec *a, const kiln_spec *b)
{
    double all = 0;
    for (size_t i = 0; i < a->num_dims; i++) {
        if (a->dims[i] == b->dims[i])
            continue;
        if (a->dims[i] == KILN_LAUNCH_TIME || b->dims[i] == KILN_LAUNCH_TIME)
            return INFINITY;
        double one = fabs(log2((double)a->dims[i] / (double)b->dims[i]));
        if (one > MOST_EACH)
            return INFINITY;
        all += one;
    }
    /* So that 80 is as far from 64 as from 100, whatever a logarithm's last digit. */
    return all <= MOST_ALL ? round(1e6 * all) / 1e6 : INFINITY;
}

typedef struct {
    double distance;
    size_t index;
} ranked;

static int compare_ranks(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    if (a->distance != b->distance)
        return a->distance < b->distance ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static kiln_status rank(const kiln_lines *lines, const kiln_spec *spec, ranked **ranks,
                        size_t *count)
{
    *count = 0;
    *ranks = malloc((lines->count + 1) * sizeof **ranks);
    if (!*ranks)
        return kiln_fail_memory();
    for (size_t i = 0; i < lines->count; i++) {
        const kiln_line *line = &lines->of[i];
        if (line->kind != KILN_LINE_BEST || line->spec.row != spec->row ||
            !same_options(line, spec))
            continue;
        double apart = distance(&line->spec, spec);
        if (isfinite(apart))
            (*ranks)[(*count)++] = (ranked){apart, i};
    }
    if (*count > 0)
        qsort(*ranks, *count, sizeof **ranks, compare_ranks);
    return KILN_OK;
}

kiln_status kiln_lines_near(const kiln_lines *lines, const kiln_spec *spec,
                            kiln_tuning_origin origin, kiln_candidate **candidates, size_t *count)
{
    ranked *ranks;
    size_t more;
    if (lines->count == 0 || !kiln_spec_is_tunable(spec))
        return KILN_OK;
    kiln_status status = rank(lines, spec, &ranks, &more);
    if (status != KILN_OK || more == 0) {
        free(ranks);
        return status;
    }
    kiln_candidate *grown = realloc(*candidates, (*count + more) * sizeof *grown);
    if (grown)
        *candidates = grown;
    else
        status = kiln_fail_memory();
    for (size_t i = 0; i < more && grown; i++) {
        const kiln_line *line = &lines->of[ranks[i].index];
        kiln_candidate *c = &grown[(*count)++];
        *c = (kiln_candidate){.variant = line->variant, .origin = origin, .from = line->spec.text};
        memcpy(c->values, line->values, sizeof c->values);
    }
    free(ranks);
    return status;
}

bool kiln_spec_is_tunable(const kiln_spec *spec)
{
    for (size_t i = 0; i < spec->num_options; i++) {
        const char *name = spec->options[i]->name;
        if ((strcmp(name, "tile_size") == 0 || strcmp(name, "workgroup_size") == 0) &&
            spec->values[i].integer != 0)
            return false;
    }
    return true;
}
