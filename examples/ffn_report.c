/* What ffn_block prints. */
#include "ffn_block.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double ffn_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void ffn_progress(const char *what, size_t done, size_t total)
{
    static int terminal = -1;
    static double start, last;
    static bool shown;
    if (terminal < 0) {
        terminal = isatty(STDERR_FILENO);
        start = ffn_seconds();
    }
    if (!terminal)
        return;
    double now = ffn_seconds();
    if (total == 0) {
        if (shown)
            fprintf(stderr, "\r%50s\r", "");
        shown = false;
    } else if (now - start > 2 && now - last > 0.1) {
        fprintf(stderr, "\rffn_block: %s, %3.0f %%%10s", what, 100.0 * (double)done / (double)total,
                "");
        last = now;
        shown = true;
    }
}

static const char *cache_name(kiln_cache_result cache)
{
    return cache == KILN_COMPILED ? "compiled" : cache == KILN_FROM_DISK ? "disk" : "memory";
}

/* How much faster fused is, in %. */
static double speedup(const ffn_result *result)
{
    return 100.0 * (result->chains[0].median_s / result->chains[1].median_s - 1.0);
}

static double bytes_saved(const ffn_result *result)
{
    return 100.0 * (1.0 - result->chains[1].cost.bytes / result->chains[0].cost.bytes);
}

/* ---- text -------------------------------------------------------------------------------- */

static void print_kernels(const ffn_chain *chain)
{
    printf("\n%-7s kernel         variant   cache       created  tuning\n", chain->name);
    for (size_t i = 0; i < chain->count; i++) {
        const kiln_kernel_info *info = &chain->infos[i];
        printf("%-22s %-9s %-8s %7.1f ms  %s\n", info->name, info->variant, cache_name(info->cache),
               1e3 * info->create_s, info->tuning);
    }
}

typedef double (*number_of)(const ffn_chain *chain);

static double launches_of(const ffn_chain *chain)
{
    return (double)chain->count;
}

static double gflop_of(const ffn_chain *chain)
{
    return 1e-9 * chain->cost.flops;
}

static double megabytes_of(const ffn_chain *chain)
{
    return 1e-6 * chain->cost.bytes;
}

static double first_of(const ffn_chain *chain)
{
    return 1e3 * chain->first_s;
}

static double median_of(const ffn_chain *chain)
{
    return 1e3 * chain->median_s;
}

static double min_of(const ffn_chain *chain)
{
    return 1e3 * chain->min_s;
}

static double max_of(const ffn_chain *chain)
{
    return 1e3 * chain->max_s;
}

static double gflops_of(const ffn_chain *chain)
{
    return 1e-9 * chain->cost.flops / chain->median_s;
}

static double gigabytes_of(const ffn_chain *chain)
{
    return 1e-9 * chain->cost.bytes / chain->median_s;
}

static double error_of(const ffn_chain *chain)
{
    return chain->error.norm;
}

static const struct {
    const char *label;
    int decimals; /* 0: significant digits instead; -1: as a power of ten */
    const char *unit;
    number_of number;
} steps[] = {
    {"launches", 0, "", launches_of},          {"arithmetic", 0, "GFLOP", gflop_of},
    {"memory traffic", 0, "MB", megabytes_of}, {"first step", 2, "ms", first_of},
    {"time, median", 3, "ms", median_of},      {"time, least", 3, "ms", min_of},
    {"time, most", 3, "ms", max_of},           {"speed", 0, "GFLOP/s", gflops_of},
    {"bandwidth", 0, "GB/s", gigabytes_of},    {"error", -1, "", error_of},
};

static void print_step_number(double number, int decimals)
{
    if (decimals < 0)
        printf("%12.2e", number);
    else if (decimals == 0)
        printf("%12.5g", number);
    else
        printf("%12.*f", decimals, number);
}

static void print_steps(const ffn_result *result)
{
    printf("\n%-15s", "a step");
    for (size_t c = 0; c < 2; c++)
        if (result->chains[c].count)
            printf("%12s", result->chains[c].name);
    putchar('\n');
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        printf("%-15s", steps[i].label);
        for (size_t c = 0; c < 2; c++)
            if (result->chains[c].count)
                print_step_number(steps[i].number(&result->chains[c]), steps[i].decimals);
        printf("%s%s\n", *steps[i].unit ? "  " : "", steps[i].unit);
    }
}

void ffn_print_text(const ffn_result *result)
{
    const ffn_options *o = result->options;
    const char *dtype = ffn_dtype_name(o->dtype);
    printf("kiln %s on %s (%s, %u compute units)\n", kiln_version(), result->device,
           result->platform, result->compute_units);
    printf("y = x + W2 gelu(W1 x + b1) + b2: %lld tokens, hidden %lld, ffn %lld, %s, gelu %s\n",
           (long long)o->tokens, (long long)o->hidden, (long long)o->ffn, dtype,
           o->approx == KILN_APPROX_TANH ? "by tanh" : "by erf");
    printf("buffers of %.5g MB, the device has %.5g MB\n", 1e-6 * result->bytes,
           1e-6 * result->device_bytes);
    for (size_t c = 0; c < 2; c++)
        if (result->chains[c].count)
            print_kernels(&result->chains[c]);
    print_steps(result);
    if (result->chains[0].count && result->chains[1].count) {
        double faster = speedup(result);
        printf("\nfused is %.1f %% %s than unfused and moves %.1f %% fewer bytes\n", fabs(faster),
               faster < 0 ? "slower" : "faster", bytes_saved(result));
    }
    bool ok = true;
    for (size_t c = 0; c < 2; c++)
        ok = ok && (!result->chains[c].count || result->chains[c].error.ok);
    printf("%zu rows of y against double precision: %s the tolerance of %g for %s\n",
           result->checked_rows, ok ? "within" : "OUT OF", ffn_tolerance(o->dtype), dtype);
}

/* ---- JSON -------------------------------------------------------------------------------- */

/* Bytes over 0x7f pass: drivers speak UTF-8 or ASCII. */
static void print_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void print_member(const char *name, const char *value)
{
    printf("\"%s\": ", name);
    print_string(value);
    printf(", ");
}

/* JSON has no NaN and no infinity. */
static void print_number(const char *name, double value)
{
    if (isfinite(value))
        printf("\"%s\": %.9g, ", name, value);
    else
        printf("\"%s\": null, ", name);
}

static void print_chain(const ffn_chain *chain)
{
    printf(" \"%s\": {\"kernels\": [", chain->name);
    for (size_t i = 0; i < chain->count; i++) {
        const kiln_kernel_info *info = &chain->infos[i];
        printf("%s\n  {", i ? "," : "");
        print_member("spec", info->spec);
        print_member("variant", info->variant);
        print_member("tuning", info->tuning);
        print_member("cache", cache_name(info->cache));
        printf("\"create_ms\": %.3f}", 1e3 * info->create_s);
    }
    printf("],\n  ");
    print_number("launches", (double)chain->count);
    print_number("flops", chain->cost.flops);
    print_number("bytes", chain->cost.bytes);
    print_number("first_ms", first_of(chain));
    print_number("median_ms", median_of(chain));
    print_number("min_ms", min_of(chain));
    print_number("max_ms", max_of(chain));
    print_number("gflops", gflops_of(chain));
    print_number("gbytes_per_s", gigabytes_of(chain));
    print_number("error", chain->error.norm);
    print_number("worst_element", chain->error.worst);
    printf("\"ok\": %s},\n", chain->error.ok ? "true" : "false");
}

void ffn_print_json(const ffn_result *result)
{
    const ffn_options *o = result->options;
    const ffn_chain *chains = result->chains;
    printf("{");
    print_member("kiln", kiln_version());
    print_member("device", result->device);
    print_member("platform", result->platform);
    print_number("compute_units", result->compute_units);
    printf("\n ");
    print_number("tokens", (double)o->tokens);
    print_number("hidden", (double)o->hidden);
    print_number("ffn", (double)o->ffn);
    print_member("dtype", ffn_dtype_name(o->dtype));
    print_member("approx", o->approx == KILN_APPROX_TANH ? "tanh" : "none");
    print_number("repeat", (double)o->repeat);
    print_number("buffer_bytes", result->bytes);
    putchar('\n');
    bool ok = true;
    for (size_t c = 0; c < 2; c++) {
        if (!chains[c].count)
            continue;
        print_chain(&chains[c]);
        ok = ok && chains[c].error.ok;
    }
    putchar(' ');
    if (chains[0].count && chains[1].count) {
        print_number("speedup_percent", speedup(result));
        print_number("bytes_saved_percent", bytes_saved(result));
    }
    print_number("checked_rows", (double)result->checked_rows);
    print_number("tolerance", ffn_tolerance(o->dtype));
    printf("\"ok\": %s}\n", ok ? "true" : "false");
}
