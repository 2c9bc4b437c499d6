/* kiln plan: its tables. */
#include "plan.h"
#include <stdlib.h>
#include <string.h>

static const cli_short no_number = {"-"};

static void print_start(const cli_plan_result *r)
{
    const kiln_model_params *p = &r->params;
    char *about = cli_model_describe(r->model);
    printf("%-8s%s: %s\n", "model", r->model->name, about);
    free(about);
    if (p->layers)
        printf("%-8swhole model of %s: ", "step",
               cli_plural((uint64_t)p->layers, "layer", "layers").text);
    else
        printf("%-8sone layer: ", "step");
    printf("%s, %lld tokens in %s of %lld, %s\n",
           p->backward ? "forward, backward, update" : "forward", (long long)(p->batch * p->seq),
           cli_plural((uint64_t)p->batch, "sequence", "sequences").text, (long long)p->seq,
           r->dtype);
    printf("%-8s%s\n", "device", r->device ? r->device : "none");
    if (!r->has_rates)
        return;
    printf("%-8scopy %sB/s, products %sflop/s, elementwise %sflop/s, a launch %s, tiles of %lld "
           "columns%s\n",
           "rates", cli_count(r->rates.copy_bytes).text, cli_count(r->rates.product_flops).text,
           cli_count(r->rates.elementwise_flops).text, cli_seconds(r->rates.launch_s).text,
           (long long)r->rates.tile_columns, r->rates_given ? ", as given" : "");
}

/* ---- side by side ------------------------------------------------------------------------ */

typedef enum {
    PER_LAYER,
    PER_PHASE,
    LAUNCHES,
    DISTINCT,
    BYTES,
    ELEMENTWISE,
    FLOPS,
    PEAK,
    UNSHARED,
    PREDICTED,
    MEASURED,
    LEAST
} line;

static const char *const line_titles[] = {"launches per layer",
                                          "  forward+backward+update",
                                          "launches",
                                          "distinct kernels",
                                          "memory traffic",
                                          "  elementwise and norms",
                                          "floating-point operations",
                                          "peak memory",
                                          "  without sharing",
                                          "predicted step",
                                          "measured step, median",
                                          "  least"};

#define NUM_LINES (sizeof line_titles / sizeof *line_titles)

static cli_short phases_of(const cli_set *set)
{
    size_t layers = set->cost.layers ? set->cost.layers : 1;
    cli_short text;
    snprintf(text.text, sizeof text.text, "%zu+%zu+%zu", set->per_phase[0] / layers,
             set->per_phase[1] / layers, set->per_phase[2] / layers);
    return text;
}

static cli_short cell_of(const cli_plan_result *r, const cli_set *set, line of)
{
    const kiln_plan_cost *cost = &set->cost;
    switch (of) {
    case PER_LAYER:
        return cli_count(cost->launches_per_layer);
    case PER_PHASE:
        return phases_of(set);
    case LAUNCHES:
        return cli_integer((int64_t)cost->launches);
    case DISTINCT:
        return cli_integer((int64_t)cost->distinct_kernels);
    case BYTES:
        return cli_bytes(cost->bytes);
    case ELEMENTWISE:
        return cli_bytes(cost->elementwise_bytes);
    case FLOPS:
        return cli_count(cost->flops);
    case PEAK:
        return cli_bytes(cost->peak_bytes);
    case UNSHARED:
        return cli_bytes(cost->unshared_bytes);
    case PREDICTED:
        return r->has_rates ? cli_seconds(cost->predicted_s) : no_number;
    case MEASURED:
        return set->measured ? cli_seconds(set->measured_s) : no_number;
    default:
        return set->measured ? cli_seconds(set->least_s) : no_number;
    }
}

/* Titles of a table with `each` columns for every set that was asked for, of which the first is
 * headed by its name. Freed with free_titles. */
static char **make_titles(const cli_plan_result *r, const char *first, const char *const *each)
{
    size_t count = 0, per_set = 0;
    while (each[per_set])
        per_set++;
    char **titles = cli_need(calloc(2 + r->num_asked * (1 + per_set), sizeof *titles));
    titles[count++] = cli_need(kiln_strdup(first));
    for (size_t i = 0; i < r->num_asked; i++) {
        kiln_text title = {0};
        kiln_text_addf(&title, ">%s", r->sets[i].name);
        titles[count++] = cli_need(kiln_text_take(&title));
        for (size_t c = 0; c < per_set; c++)
            titles[count++] = cli_need(kiln_strdup(each[c]));
    }
    return titles;
}

static void free_titles(char **titles)
{
    for (char **at = titles; *at; at++)
        free(*at);
    free(titles);
}

static void print_sets(const cli_plan_result *r)
{
    static const char *const no_more[] = {NULL};
    char **titles = make_titles(r, "", no_more);
    const char **cells = cli_need(calloc(1 + r->num_asked, sizeof *cells));
    cli_short *texts = cli_need(calloc(r->num_asked, sizeof *texts));
    cli_table table;
    cli_table_start(&table, (const char *const *)titles);
    for (size_t l = 0; l < NUM_LINES; l++) {
        if ((l == MEASURED || l == LEAST) && !r->options->measure)
            continue;
        cells[0] = line_titles[l];
        for (size_t i = 0; i < r->num_asked; i++) {
            texts[i] = cell_of(r, &r->sets[i], (line)l);
            cells[1 + i] = texts[i].text;
        }
        cli_table_add(&table, cells);
    }
    cli_table_end(&table);
    free_titles(titles);
    free(cells);
    free(texts);
}

/* ---- kernels ----------------------------------------------------------------------------- */

typedef struct {
    cli_kernel_time *of; /* of one set */
    size_t count;
    double sum;
} kernel_list;

static double time_of(const cli_set *set, const cli_kernel_time *kernel)
{
    return set->measured ? kernel->measured : kernel->predicted;
}

static const cli_kernel_time *find_kernel(const kernel_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->of[i].name, name) == 0)
            return &list->of[i];
    return NULL;
}

/* Launches, time and share of a kernel in every set. */
static void add_kernel(cli_table *table, const cli_plan_result *r, const kernel_list *lists,
                       const char *name)
{
    const char **cells = cli_need(calloc(1 + 3 * r->num_asked, sizeof *cells));
    cli_short *texts = cli_need(calloc(3 * r->num_asked, sizeof *texts));
    cells[0] = name;
    for (size_t i = 0; i < r->num_asked; i++) {
        const cli_kernel_time *kernel = find_kernel(&lists[i], name);
        cli_short *text = &texts[3 * i];
        if (kernel) {
            double seconds = time_of(&r->sets[i], kernel);
            bool timed = r->has_rates || r->sets[i].measured;
            text[0] = cli_integer((int64_t)kernel->launches);
            text[1] = timed ? cli_seconds(seconds) : no_number;
            text[2] = no_number;
            if (timed)
                snprintf(text[2].text, sizeof text[2].text, "%.1f%%", 100 * seconds / lists[i].sum);
        }
        for (size_t c = 0; c < 3; c++)
            cells[1 + 3 * i + c] = text[c].text;
    }
    cli_table_add(table, cells);
    free(cells);
    free(texts);
}

/* The first set's kernels as it has them, then those that only later sets have. */
static void print_kernels(const cli_plan_result *r)
{
    static const char *const each[] = {">TIME", ">SHARE", NULL};
    char **titles = make_titles(r, "KERNEL", each);
    kernel_list *lists = cli_need(calloc(r->num_asked, sizeof *lists));
    cli_table table;
    for (size_t i = 0; i < r->num_asked; i++) {
        lists[i].of = cli_kernel_times(&r->sets[i], &lists[i].count);
        for (size_t k = 0; k < lists[i].count; k++)
            lists[i].sum += time_of(&r->sets[i], &lists[i].of[k]);
    }
    cli_table_start(&table, (const char *const *)titles);
    for (size_t i = 0; i < r->num_asked; i++) {
        for (size_t k = 0; k < lists[i].count; k++) {
            size_t before = 0;
            while (before < i && !find_kernel(&lists[before], lists[i].of[k].name))
                before++;
            if (before == i)
                add_kernel(&table, r, lists, lists[i].of[k].name);
        }
    }
    cli_table_end(&table);
    for (size_t i = 0; i < r->num_asked; i++)
        free(lists[i].of);
    free(lists);
    free_titles(titles);
}

/* ---- notes ------------------------------------------------------------------------------- */

static bool has_note(const cli_set *set, const char *note)
{
    const char *other;
    for (size_t i = 0; (other = kiln_plan_note(set->plan, i)); i++)
        if (strcmp(other, note) == 0)
            return true;
    return false;
}

/* A note once, behind the sets that it holds for. */
static void print_note(const cli_plan_result *r, size_t first, const char *note)
{
    for (size_t i = 0; i < first; i++)
        if (has_note(&r->sets[i], note))
            return;
    for (size_t i = first; i < r->num_asked; i++)
        if (has_note(&r->sets[i], note))
            printf("%s%s", i > first ? ", " : "", r->sets[i].name);
    printf(": %s\n", note);
}

static void print_notes(const cli_plan_result *r)
{
    const char *note;
    bool any = false;
    for (size_t i = 0; i < r->num_asked; i++) {
        for (size_t n = 0; (note = kiln_plan_note(r->sets[i].plan, n)); n++) {
            bool again = false;
            for (size_t before = 0; before < n && !again; before++)
                again = strcmp(kiln_plan_note(r->sets[i].plan, before), note) == 0;
            if (!any)
                putchar('\n');
            any = true;
            if (!again)
                print_note(r, i, note);
        }
    }
    for (size_t i = 0; i < r->num_sets; i++) {
        if (!r->sets[i].unmeasured)
            continue;
        if (!any)
            putchar('\n');
        any = true;
        printf("%s: predicted only: %s\n", r->sets[i].name, r->sets[i].unmeasured);
    }
}

/* ---- claims ------------------------------------------------------------------------------ */

static cli_short percent(bool there, double value)
{
    cli_short text = {"-"};
    if (there)
        snprintf(text.text, sizeof text.text, "%.1f %%", value);
    return text;
}

static cli_short claimed(const cli_claim *claim)
{
    cli_short text;
    if (claim->high > 0)
        snprintf(text.text, sizeof text.text, "%g-%g %%", claim->low, claim->high);
    else
        snprintf(text.text, sizeof text.text, "%g %%", claim->low);
    return text;
}

/* "31 -> 24": the counts that a percentage is of. */
static cli_short counts(const cli_claim *claim)
{
    cli_short text = {""};
    bool bytes = claim->is_bytes;
    if (claim->is_count)
        snprintf(text.text, sizeof text.text, "%.17s -> %.17s",
                 bytes ? cli_bytes(claim->before).text : cli_count(claim->before).text,
                 bytes ? cli_bytes(claim->after).text : cli_count(claim->after).text);
    return text;
}

static void print_claims(const cli_plan_result *r)
{
    static const char *const titles[] = {"THE ANALYSIS CLAIMS", "BY",    ">CLAIMED", ">PREDICTED",
                                         ">MEASURED",           "FOUND", "OF",       NULL};
    cli_table table;
    cli_table_start(&table, titles);
    for (size_t i = 0; i < r->num_claims; i++) {
        const cli_claim *claim = &r->claims[i];
        cli_short text[] = {
            claimed(claim), percent(claim->has_place && claim->has_predicted, claim->predicted),
            percent(claim->has_place && claim->has_measured, claim->measured), counts(claim)};
        const char *cells[] = {claim->what,  claim->fusions, text[0].text,
                               text[1].text, text[2].text,   claim->verdict ? claim->verdict : "-",
                               text[3].text};
        cli_table_add(&table, cells);
    }
    cli_table_end(&table);
}

void cli_print_plan(const cli_plan_result *r)
{
    print_start(r);
    putchar('\n');
    print_sets(r);
    putchar('\n');
    print_kernels(r);
    print_notes(r);
    putchar('\n');
    print_claims(r);
}
