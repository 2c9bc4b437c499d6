/* kiln bench: how fast specs run. */
#include "cli.h"
#include "ceilings.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MIN_REPEATS     10
#define MIN_SECONDS     0.5
#define MAX_SECONDS     3.0 /* unless --repeat or --min-time say more */
#define MAX_SAMPLES     1000000
#define WARM_UP_SECONDS 0.05
#define QUEUED          16 /* launches of a batch, and batches at most */
#define MAX_BATCHES     200

/* ---- measuring --------------------------------------------------------------------------- */

typedef struct {
    double *values;
    size_t count;
} samples;

typedef struct {
    kiln_kernel_info info;
    kiln_cost cost;
    uint64_t bytes;
    size_t repeats;
    double median, min, spread; /* spread: of the middle half, over the median */
    double device_median;       /* below 0: not told */
} result;

static void add_sample(samples *s, double value)
{
    if ((s->count & (s->count - 1)) == 0)
        s->values = cli_need(realloc(s->values, (s->count ? 2 * s->count : 1) * sizeof *s->values));
    s->values[s->count++] = value;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted values, between neighbours in proportion. */
static double quantile(const samples *s, double q)
{
    double at = q * (double)(s->count - 1);
    size_t below = (size_t)at;
    if (below + 1 >= s->count)
        return s->values[s->count - 1];
    return s->values[below] + (at - (double)below) * (s->values[below + 1] - s->values[below]);
}

static void summarise(samples *host, samples *device, result *r)
{
    qsort(host->values, host->count, sizeof *host->values, compare);
    r->repeats = host->count;
    r->min = host->values[0];
    r->median = quantile(host, 0.5);
    r->spread = (quantile(host, 0.75) - quantile(host, 0.25)) / r->median;
    r->device_median = -1;
    if (device->count == host->count) {
        qsort(device->values, device->count, sizeof *device->values, compare);
        r->device_median = quantile(device, 0.5);
    }
}

static bool enough(const cli_options *options, size_t count, double elapsed)
{
    size_t repeats = options->repeat ? options->repeat : MIN_REPEATS;
    double seconds = options->min_time >= 0 ? options->min_time : options->repeat ? 0 : MIN_SECONDS;
    if (count >= MAX_SAMPLES || (count >= repeats && elapsed >= seconds))
        return true;
    return !options->repeat && count >= 3 && elapsed >= fmax(MAX_SECONDS, seconds);
}

static int measure(const cli_options *options, kiln_context *context, cli_launch *launch,
                   cli_progress *p, result *r)
{
    samples host = {0}, device = {0};
    double seconds, device_s, start = kiln_seconds();
    const char *spec = launch->kernel->spec.text;
    int status;
    /* The first launch may compile, and its binary is written before anything is timed. */
    cli_show_progress(p, "%.60s: first launch", spec);
    status = cli_launch_run(launch, &seconds, NULL);
    kiln_flush_cache(context);
    start = kiln_seconds();
    do
        status = status == CLI_DONE ? cli_launch_run(launch, &seconds, NULL) : status;
    while (status == CLI_DONE && kiln_seconds() - start < WARM_UP_SECONDS);
    start = kiln_seconds();
    while (status == CLI_DONE && !enough(options, host.count, kiln_seconds() - start)) {
        cli_show_progress(p, "%.60s: launch %zu", spec, host.count + 1);
        status = cli_launch_run(launch, &seconds, &device_s);
        if (status != CLI_DONE)
            break;
        add_sample(&host, seconds);
        if (device_s >= 0)
            add_sample(&device, device_s);
    }
    if (status == CLI_DONE)
        summarise(&host, &device, r);
    free(host.values);
    free(device.values);
    return status;
}

/* What a launch of several stages takes of a device, as nothing tells it: of QUEUED launches one
 * behind another a share. Not on CPUs, where the host's time is the device's. */
static int measure_queued(const kiln_context *context, cli_launch *launch, result *r)
{
    samples queued = {0};
    double seconds = 0, start = kiln_seconds();
    int status = CLI_DONE;
    if (context->facts.cpu || r->device_median >= 0)
        return CLI_DONE;
    while (status == CLI_DONE && (queued.count < 3 || kiln_seconds() - start < MIN_SECONDS / 2) &&
           queued.count < MAX_BATCHES) {
        status = cli_launch_queued(launch, QUEUED, &seconds);
        add_sample(&queued, seconds);
    }
    qsort(queued.values, queued.count, sizeof *queued.values, compare);
    r->device_median = quantile(&queued, 0.5);
    free(queued.values);
    return status;
}

static int bench_kernel(const cli_options *options, kiln_context *context, cli_launch *launch,
                        cli_progress *p, result *r)
{
    kiln_text why = {0};
    kiln_status got;
    const char *spec = launch->kernel->spec.text;
    if (!cli_launch_fits(launch, context, &got, &why)) {
        cli_end_progress(p);
        cli_error_text(&why);
        return CLI_REFUSED;
    }
    r->bytes = launch->bytes;
    got = kiln_get_kernel_info(launch->kernel, &r->info);
    if (got == KILN_OK)
        got = kiln_get_cost(launch->kernel, launch->args, launch->num_dims, &r->cost);
    if (got != KILN_OK)
        return cli_fail(got);
    cli_show_progress(p, "%.60s: filling buffers", spec);
    int status = cli_launch_start(launch, context, true);
    if (status == CLI_DONE)
        status = measure(options, context, launch, p, r);
    if (status == CLI_DONE)
        status = measure_queued(context, launch, r);
    cli_launch_free(launch);
    return status;
}

/* ---- telling ----------------------------------------------------------------------------- */

typedef struct {
    char *device, *driver;
    int spec_width;
    bool started;
    bool has_ceilings;
    kiln_ceilings ceilings;
    json_t *all; /* NULL: text */
} report;

/* The nearer ceiling, and how near. */
typedef struct {
    const char *bound;
    double percent; /* the time in which it could not be passed, of the time found */
} nearness;

static nearness find_nearness(const kiln_ceilings *ceilings, const result *r)
{
    double memory = r->cost.bytes / ceilings->bytes_per_s;
    double arithmetic = r->cost.flops / ceilings->flops_per_s;
    bool by_memory = memory >= arithmetic;
    return (nearness){by_memory ? "memory" : "arithmetic",
                      100 * (by_memory ? memory : arithmetic) / r->median};
}

/* Specs are measured without them, too. */
static void measure_ceilings(report *rep, const cli_options *options, kiln_context *context)
{
    cli_progress p = cli_start_progress();
    if (options->given & CLI_NO_CEILINGS)
        return;
    cli_show_progress(&p, "the device's ceilings");
    rep->has_ceilings = kiln_measure_ceilings(context, &rep->ceilings) == KILN_OK;
    cli_end_progress(&p);
    if (!rep->has_ceilings)
        cli_note("the ceilings are not measured: %s", kiln_last_error());
}

static void start_report(report *rep, const cli_options *options, const cli_spec_list *list,
                         const kiln_context *context)
{
    *rep = (report){.device = cli_device_name(context->device),
                    .driver = cli_device_driver(context->device),
                    .spec_width = 4,
                    .all = options->json ? cli_need(json_array()) : NULL};
    for (size_t i = 0; i < list->count; i++)
        if ((int)strlen(list->specs[i].text) > rep->spec_width)
            rep->spec_width = (int)strlen(list->specs[i].text);
}

static void print_head(report *rep)
{
    if (rep->started)
        return;
    rep->started = true;
    printf("device  %s\ndriver  %s\n", rep->device, rep->driver);
    printf(
        "time    on the host, from the launch's call until the queue is finished; DEVICE is the\n"
        "        queue's own profile or, of several stages on a GPU, a launch's share of 16 one\n"
        "        behind another; SPREAD is the middle half's width over the median\n");
    if (rep->has_ceilings)
        printf("ceilings  %.4g GFLOP/s, f32 multiply-adds alone; %.4g GB/s, a plain copy\n",
               1e-9 * rep->ceilings.flops_per_s, 1e-9 * rep->ceilings.bytes_per_s);
    printf("\n%s%-*s  %-8s %10s %10s %7s %10s %9s ", cli_bold(), rep->spec_width, "SPEC", "VARIANT",
           "MEDIAN", "MIN", "SPREAD", "GFLOP/s", "GB/s");
    if (rep->has_ceilings)
        printf("%8s %-10s ", "CEILING", "BOUND");
    printf("%10s %6s  %s%s\n", "DEVICE", "RUNS", "TUNING", cli_plain());
}

static void report_text(report *rep, const cli_launch *launch, const result *r)
{
    cli_short device = {"-"};
    print_head(rep);
    if (r->device_median >= 0)
        device = cli_seconds(r->device_median);
    printf("%-*s  %-8s %10s %10s %6.1f%% %10.4g %9.4g ", rep->spec_width, r->info.spec,
           r->info.variant, cli_seconds(r->median).text, cli_seconds(r->min).text, 100 * r->spread,
           1e-9 * r->cost.flops / r->median, 1e-9 * r->cost.bytes / r->median);
    if (rep->has_ceilings) {
        nearness near = find_nearness(&rep->ceilings, r);
        printf("%7.1f%% %-10s ", near.percent, near.bound);
    }
    printf("%10s %6zu  %s, %s%s%s\n", device.text, r->repeats, r->info.tuning,
           cli_origin(r->info.tuning_origin), r->info.tuned_for ? " for " : "",
           r->info.tuned_for ? r->info.tuned_for : "");
    if (launch->num_dims > 0) {
        printf("  with");
        for (size_t i = 0; i < launch->num_dims; i++)
            printf(" %s=%lld", launch->args[i].name, (long long)launch->args[i].integer);
        printf("\n");
    }
    fflush(stdout);
}

/* null where they are not measured. */
static void add_ceilings(json_t *one, const report *rep, const result *r)
{
    nearness near = {0};
    if (rep->has_ceilings)
        near = find_nearness(&rep->ceilings, r);
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"ceiling_gflops", 1e-9 * rep->ceilings.flops_per_s},
                   {"ceiling_gbs", 1e-9 * rep->ceilings.bytes_per_s},
                   {"percent", near.percent}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_object_set_new(one, numbers[i].name,
                            rep->has_ceilings ? json_real(numbers[i].value) : json_null());
    json_object_set_new(one, "bound", rep->has_ceilings ? json_string(near.bound) : json_null());
}

static void report_json(report *rep, const cli_launch *launch, const result *r)
{
    json_t *dims = json_object();
    for (size_t i = 0; i < launch->num_dims; i++)
        json_object_set_new(dims, launch->args[i].name, json_integer(launch->args[i].integer));
    json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:o, s:o, s:o}", "spec", r->info.spec,
                            "variant", r->info.variant, "tuning", r->info.tuning, "tuning_origin",
                            cli_origin(r->info.tuning_origin), "tuned_for", r->info.tuned_for,
                            "device", cli_json_text(rep->device), "driver",
                            cli_json_text(rep->driver), "dimensions", dims);
    cli_need(one);
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"median_s", r->median},
                   {"min_s", r->min},
                   {"spread", r->spread},
                   {"gflops", 1e-9 * r->cost.flops / r->median},
                   {"gbs", 1e-9 * r->cost.bytes / r->median},
                   {"flops", r->cost.flops},
                   {"bytes", r->cost.bytes}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_object_set_new(one, numbers[i].name, json_real(numbers[i].value));
    json_object_set_new(one, "device_median_s",
                        r->device_median >= 0 ? json_real(r->device_median) : json_null());
    add_ceilings(one, rep, r);
    json_object_set_new(one, "runs", json_integer((json_int_t)r->repeats));
    json_object_set_new(one, "buffer_bytes", json_integer((json_int_t)r->bytes));
    json_array_append_new(rep->all, one);
}

static int bench_spec(const cli_options *options, kiln_context *context, const kiln_spec *spec,
                      report *rep)
{
    cli_progress p = cli_start_progress();
    cli_launch launch = {0};
    result r = {0};
    int status = cli_set_dims(options, spec, 0, launch.args, &launch.num_dims);
    if (status != CLI_DONE)
        return status;
    kiln_status created = kiln_create_kernel(context, spec->text, &launch.kernel);
    if (created != KILN_OK)
        return cli_fail(created);
    status = bench_kernel(options, context, &launch, &p, &r);
    cli_end_progress(&p);
    if (status == CLI_DONE && rep->all)
        report_json(rep, &launch, &r);
    else if (status == CLI_DONE)
        report_text(rep, &launch, &r);
    kiln_release_kernel(launch.kernel);
    return status;
}

static int run(const cli_options *options)
{
    if (options->num_words == 0) {
        cli_error("bench needs a spec, like `matmul m=512 n=512 k=512'");
        return CLI_REFUSED;
    }
    cli_spec_list list = {0};
    kiln_context *context = NULL;
    int status = cli_collect_specs(options, &list);
    if (status == CLI_DONE)
        status = cli_open_context(options, &context);
    if (status == CLI_DONE) {
        report rep;
        start_report(&rep, options, &list, context);
        measure_ceilings(&rep, options, context);
        /* One that fails does not keep the others from being measured. */
        for (size_t i = 0; i < list.count; i++) {
            int one = bench_spec(options, context, &list.specs[i], &rep);
            status = status == CLI_DONE ? one : status;
        }
        if (rep.all)
            cli_print_json(rep.all);
        free(rep.device);
        free(rep.driver);
    }
    kiln_release_context(context);
    cli_spec_list_free(&list);
    return status;
}

const cli_command cli_bench = {
    .name = "bench",
    .operands = "SPEC...",
    .summary = "how fast specs run on a device",
    .help =
        "Measures each SPEC on numbers like N(0,1), after a warm-up: 10 launches and half a "
        "second\n"
        "or more, but no more than 3 seconds, unless --repeat or --min-time say otherwise. The "
        "time\n"
        "is the host's, from the call of the launch until the queue is finished. GFLOP/s and GB/s\n"
        "are of the median; bytes are every input read once and every output written once.\n"
        "\n"
        "CEILING is how near a spec comes to what the device can do at best: the least time that "
        "its\n"
        "flops and bytes allow, over the median. BOUND is which of the two takes longer. The\n"
        "ceilings are measured first, by kernels of kiln's own: f32 multiply-adds that wait for\n"
        "nothing, as the arithmetic of every dtype is in f32 for these variants, and a plain copy "
        "of\n"
        "more than the caches hold. Over 100% means that data came from a cache, or that the "
        "kernel\n"
        "reads more than it writes. --no-ceilings leaves them out, and saves a second.\n"
        "\n"
        "A word with blanks is a spec; of other words, one without `=' begins the next spec.\n"
        "\n"
        "  kiln bench matmul m=1024 n=1024 k=1024 gelu m=4096 n=4096 approx=tanh\n"
        "  kiln bench 'matmul m=? n=4096 k=4096 dtype=f16' --dim m=256 --repeat 50 --json\n",
    .options = CLI_DEVICE | CLI_DIM | CLI_REPEAT | CLI_MIN_TIME | CLI_NO_CEILINGS | CLI_JSON,
    .run = run,
};
