/* kiln check: its tables. */
#include "check.h"
#include <stdlib.h>
#include <string.h>

/* "20 of 27 free, 7 within limits, 0 blocked; fused: 5 of 5 free, ..." */
static void add_counts(kiln_text *text, const cli_counts *n)
{
    for (int fused = 0; fused < 2; fused++)
        if (!fused || cli_count_all(n, fused))
            kiln_text_addf(text, "%s%zu of %zu free, %zu within limits, %zu blocked",
                           fused ? "; fused: " : "", n->of[fused][CLI_FREE],
                           cli_count_all(n, fused), n->of[fused][CLI_WITHIN],
                           n->of[fused][CLI_BLOCKED]);
}

static void add_missing_names(kiln_text *text, const cli_missing_list *missing)
{
    for (size_t i = 0; i < missing->count; i++)
        kiln_text_addf(text, "%s%s", i ? ", " : "", missing->of[i].name);
}

static void print_line(kiln_text *line)
{
    puts(line->data ? line->data : "");
    kiln_text_free(line);
}

/* A refusal may hold a compiler's log: of that, the first error. */
static void add_first_lines(kiln_text *text, const char *sentence)
{
    size_t length = strcspn(sentence, "\n");
    kiln_text_add_bytes(text, sentence, length);
    const char *line = sentence + length;
    while (*line) {
        line++;
        length = strcspn(line, "\n");
        const char *error = strstr(line, "error");
        if (error && error < line + length) {
            kiln_text_add(text, " ");
            kiln_text_add_bytes(text, line, length);
            return;
        }
        line += length;
    }
}

/* A line for each limit, the kernel before the first. */
static void add_row(cli_table *table, const kiln_row *row, const cli_model_specs *specs,
                    const cli_verdict *verdict)
{
    cli_short count = cli_integer((int64_t)specs->count);
    const char *first[] = {row->name, cli_used_names[specs->used], count.text,
                           cli_freedom_names[verdict->freedom], ""};
    for (size_t i = 0; i < verdict->num_limits; i++) {
        const cli_limit *limit = &verdict->limits[i];
        kiln_text text = {0};
        size_t length = strlen(limit->what);
        /* A rule's sentence begins with what it bounds. */
        if (strncmp(limit->text, limit->what, length) != 0 || limit->text[length] != '=')
            kiln_text_addf(&text, "%s%s", limit->what, length ? ": " : "");
        add_first_lines(&text, limit->text);
        const char *next[] = {"", "", "", "", text.data ? text.data : ""};
        first[4] = next[4];
        cli_table_add(table, i ? next : first);
        kiln_text_free(&text);
    }
    if (verdict->num_limits == 0)
        cli_table_add(table, first);
}

static void print_kernels(const cli_result *r)
{
    static const char *const titles[] = {"KERNEL", "USED", ">SPECS", "VERDICT", "LIMIT", NULL};
    cli_table table;
    cli_table_start(&table, titles);
    for (int fused = 0; fused < 2; fused++)
        for (size_t i = 0; i < kiln_num_rows(); i++)
            if (kiln_row_at(i)->fused == (fused == 1))
                add_row(&table, kiln_row_at(i), &r->specs[i], &r->verdicts[i]);
    cli_table_end(&table);
}

void cli_print_result(const cli_result *r)
{
    const cli_model *m = r->model;
    char *about = cli_model_describe(m);
    printf("\n%s%s%s: %s\n", cli_bold(), m->name, cli_plain(), about);
    free(about);
    print_kernels(r);
    for (size_t i = 0; i < r->missing.count; i++)
        printf("no kernel: %s: %s\n", r->missing.of[i].name, r->missing.of[i].about);
    if (m->unknown_type)
        printf("model_type%s%s is none that kiln knows: its other keys alone tell its layers\n",
               *m->model_type ? "=" : "", m->model_type);
    kiln_text line = {0};
    kiln_text_addf(&line, "%s: ", m->name);
    add_counts(&line, &r->counts);
    if (r->missing.count) {
        kiln_text_add(&line, "; needs without a kernel: ");
        add_missing_names(&line, &r->missing);
    }
    print_line(&line);
}

/* ---- all models ---------------------------------------------------------------------------- */

void cli_start_summary(cli_table *summary)
{
    static const char *const titles[] = {"MODEL",    ">FREE",         ">WITHIN",
                                         ">BLOCKED", ">FUSED FREE",   ">WITHIN",
                                         ">BLOCKED", "NO KERNEL FOR", NULL};
    cli_table_start(summary, titles);
}

void cli_add_summary(cli_table *summary, const cli_result *r)
{
    cli_short numbers[2 * CLI_FREEDOMS];
    const char *cells[2 + 2 * CLI_FREEDOMS] = {r->model->name};
    for (size_t i = 0; i < 2 * CLI_FREEDOMS; i++) {
        numbers[i] = cli_integer((int64_t)r->counts.of[i / CLI_FREEDOMS][i % CLI_FREEDOMS]);
        cells[1 + i] = numbers[i].text;
    }
    kiln_text names = {0};
    add_missing_names(&names, &r->missing);
    cells[1 + 2 * CLI_FREEDOMS] = names.data ? names.data : "";
    cli_table_add(summary, cells);
    kiln_text_free(&names);
}

static void print_tallies(const cli_tally *tallies)
{
    static const char *const titles[] = {"KERNEL",   ">MODELS FREE", ">WITHIN",
                                         ">BLOCKED", "LIMITS",       NULL};
    cli_table table;
    cli_table_start(&table, titles);
    for (size_t i = 0; i < 2 * kiln_num_rows(); i++) {
        size_t row = i % kiln_num_rows();
        if (kiln_row_at(row)->fused != (i >= kiln_num_rows()))
            continue;
        const cli_tally *tally = &tallies[row];
        cli_short numbers[CLI_FREEDOMS];
        for (int f = 0; f < CLI_FREEDOMS; f++)
            numbers[f] = cli_integer((int64_t)tally->of[f]);
        kiln_text limits = {0};
        for (size_t l = 0; l < tally->num_limits; l++)
            kiln_text_addf(&limits, "%s%s", l ? ", " : "", tally->limits[l]);
        const char *cells[] = {kiln_row_at(row)->name, numbers[0].text, numbers[1].text,
                               numbers[2].text, limits.data ? limits.data : ""};
        cli_table_add(&table, cells);
        kiln_text_free(&limits);
    }
    cli_table_end(&table);
}

void cli_print_check_end(const cli_check_info *info, cli_table *summary)
{
    cli_counts n = cli_count_tallies(info->tallies);
    kiln_text line = {0};
    putchar('\n');
    print_tallies(info->tallies);
    putchar('\n');
    cli_table_end(summary);
    kiln_text_addf(&line, "\nall %zu models: ", info->num_models);
    add_counts(&line, &n);
    kiln_text_addf(&line, "; models with something blocked: %zu", info->num_blocked);
    print_line(&line);
}

void cli_print_check_start(const cli_check_info *info)
{
    char *facts = cli_facts_text(&info->judge->facts);
    printf("%-8s%s\n%-8s%s\n%-8s%lld, storage bf16\n", "device", info->label, "facts", facts,
           "tokens", (long long)info->tokens);
    free(facts);
}
