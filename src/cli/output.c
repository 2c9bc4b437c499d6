/* Errors, tables, units, colour and JSON. */
#include "cli.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- errors ------------------------------------------------------------------------------ */

static bool has_colour(int descriptor)
{
    const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(descriptor) && !(none && *none) && terminal && strcmp(terminal, "dumb") != 0;
}

static void print_message(const char *kind, const char *format, va_list args)
{
    bool colour = has_colour(STDERR_FILENO);
    fflush(stdout);
    fprintf(stderr, "%skiln:%s %s", colour ? "\033[1m" : "", colour ? "\033[0m" : "", kind);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void cli_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message("", format, args);
    va_end(args);
}

void cli_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message("note: ", format, args);
    va_end(args);
}

void cli_error_text(kiln_text *text)
{
    cli_error("%s", text->data ? text->data : "out of memory");
    kiln_text_free(text);
}

int cli_fail(kiln_status status)
{
    cli_error("%s", kiln_last_error());
    switch (status) {
    case KILN_INVALID_ARGUMENT:
    case KILN_INVALID_SPEC:
    case KILN_INVALID_LAUNCH:
    case KILN_UNSUPPORTED:
        return CLI_REFUSED;
    default:
        return CLI_FAILED;
    }
}

void *cli_need(void *pointer)
{
    if (!pointer) {
        cli_error("out of memory");
        exit(CLI_FAILED);
    }
    return pointer;
}

/* ---- colour ------------------------------------------------------------------------------ */

static const char *style(const char *sequence)
{
    return has_colour(STDOUT_FILENO) ? sequence : "";
}

const char *cli_bold(void)
{
    return style("\033[1m");
}

const char *cli_plain(void)
{
    return style("\033[0m");
}

/* ---- units ------------------------------------------------------------------------------- */

/* Three or four digits, and no zeros behind a whole number. */
static cli_short scaled(double value, double step, const char *const *units, size_t count,
                        bool whole_first)
{
    cli_short result;
    size_t unit = 0;
    while (unit + 1 < count && value >= step * (1 - 0.5e-3)) {
        value /= step;
        unit++;
    }
    int digits = value == floor(value) && (unit == 0 || value < 1000) && whole_first ? 0
                 : value < 10                                                        ? 2
                 : value < 100                                                       ? 1
                                                                                     : 0;
    snprintf(result.text, sizeof result.text, "%.*f%s%s", digits, value, *units[unit] ? " " : "",
             units[unit]);
    return result;
}

cli_short cli_bytes(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    return scaled(bytes, 1024, units, sizeof units / sizeof *units, true);
}

cli_short cli_count(double count)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
    return scaled(count, 1000, units, sizeof units / sizeof *units, true);
}

cli_short cli_seconds(double seconds)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    return scaled(1e9 * seconds, 1000, units, sizeof units / sizeof *units, false);
}

cli_short cli_integer(int64_t integer)
{
    cli_short result;
    snprintf(result.text, sizeof result.text, "%" PRId64, integer);
    return result;
}

cli_short cli_age(int64_t when)
{
    cli_short result;
    int64_t age = (int64_t)time(NULL) - when;
    if (age < 0)
        snprintf(result.text, sizeof result.text, "in the future");
    else if (age < 60)
        snprintf(result.text, sizeof result.text, "%" PRId64 " s ago", age);
    else if (age < 60 * 60)
        snprintf(result.text, sizeof result.text, "%" PRId64 " min ago", age / 60);
    else if (age < 48 * 60 * 60)
        snprintf(result.text, sizeof result.text, "%" PRId64 " h ago", age / (60 * 60));
    else
        snprintf(result.text, sizeof result.text, "%" PRId64 " days ago", age / (24 * 60 * 60));
    return result;
}

cli_short cli_plural(uint64_t count, const char *one, const char *many)
{
    cli_short result;
    snprintf(result.text, sizeof result.text, "%" PRIu64 " %s", count, count == 1 ? one : many);
    return result;
}

/* ---- progress ---------------------------------------------------------------------------- */

cli_progress cli_start_progress(void)
{
    return (cli_progress){.possible = isatty(STDERR_FILENO), .start = kiln_seconds()};
}

void cli_show_progress(cli_progress *progress, const char *format, ...)
{
    double now = kiln_seconds();
    va_list args;
    if (!progress->possible || now - progress->start < 2 || now - progress->last < 0.2)
        return;
    fputs("\r\033[K", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
    progress->last = now;
    progress->shown = true;
}

void cli_end_progress(cli_progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}

/* ---- tables ------------------------------------------------------------------------------ */

size_t cli_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80; /* bytes that begin a UTF-8 character */
    return width;
}

static const char *title_text(const char *title)
{
    return title + (*title == '>');
}

void cli_table_start(cli_table *table, const char *const *titles)
{
    *table = (cli_table){.titles = titles};
    while (titles[table->columns])
        table->columns++;
}

void cli_table_add(cli_table *table, const char *const *cells)
{
    size_t count = table->rows * table->columns;
    table->cells = cli_need(realloc(table->cells, (count + table->columns) * sizeof *table->cells));
    for (size_t i = 0; i < table->columns; i++)
        table->cells[count + i] = cli_need(kiln_strdup(cells[i]));
    table->rows++;
}

/* Nothing is padded that only blanks would follow. */
static void print_row(const cli_table *table, const char *const *cells, const size_t *widths)
{
    size_t used = table->columns;
    while (used > 0 && !*cells[used - 1])
        used--;
    for (size_t c = 0; c < used; c++) {
        int padding = (int)(widths[c] - cli_width(cells[c]));
        bool right = *table->titles[c] == '>', last = c + 1 == used;
        printf("%*s%s%*s%s", right ? padding : 0, "", cells[c], right || last ? 0 : padding, "",
               last ? "" : "  ");
    }
}

void cli_table_end(cli_table *table)
{
    size_t *widths = cli_need(calloc(table->columns, sizeof *widths));
    const char **titles = cli_need(calloc(table->columns, sizeof *titles));
    for (size_t c = 0; c < table->columns; c++) {
        titles[c] = title_text(table->titles[c]);
        widths[c] = cli_width(titles[c]);
        for (size_t row = 0; row < table->rows; row++) {
            size_t width = cli_width(table->cells[row * table->columns + c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    fputs(cli_bold(), stdout);
    print_row(table, titles, widths);
    puts(cli_plain());
    for (size_t row = 0; row < table->rows; row++) {
        print_row(table, (const char *const *)&table->cells[row * table->columns], widths);
        putchar('\n');
    }
    for (size_t i = 0; i < table->rows * table->columns; i++)
        free(table->cells[i]);
    free(table->cells);
    free(titles);
    free(widths);
}

/* ---- JSON -------------------------------------------------------------------------------- */

json_t *cli_json_text(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    /* Not UTF-8, as a driver's text may be. */
    char *copy = cli_need(kiln_strdup(text));
    for (char *at = copy; *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    value = cli_need(json_string(copy));
    free(copy);
    return value;
}

void cli_print_json(json_t *value)
{
    cli_need(value);
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    putchar('\n');
    json_decref(value);
}
