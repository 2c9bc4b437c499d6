/* How long kiln_emit takes: every row in every dtype, for a CPU and for a GPU; the median of some
 * calls each, and the longest of those. Markdown on stdout. Needs no OpenCL device. */
#include "registry.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CALLS 21

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The row with every dimension at 1000, heads and their size at 128, and the first choice of what
 * must be named. */
static void write_spec(const kiln_row *row, const char *dtype, char *spec, size_t size)
{
    size_t length = (size_t)snprintf(spec, size, "%s dtype=%s", row->name, dtype);
    for (size_t i = 0; i < KILN_MAX_DIMS && row->dims[i]; i++)
        length += (size_t)snprintf(
            spec + length, size - length, " %s=%d", row->dims[i],
            row->literal && kiln_expr_mentions(row->literal, row->dims[i]) ? 128 : 1000);
    for (size_t i = 0; i < KILN_MAX_OPTIONS && row->options[i].name; i++) {
        const kiln_option *option = &row->options[i];
        if (!option->fallback)
            length += (size_t)snprintf(spec + length, size - length, " %s=%.*s", option->name,
                                       (int)strcspn(option->choices, "|"), option->choices);
    }
}

/* Milliseconds, negative with a sentence on stderr if it fails. */
static double time_emit(const char *spec, const char *facts)
{
    double times[CALLS];
    for (int i = 0; i < CALLS; i++) {
        char *source;
        double start = seconds();
        kiln_status status = kiln_emit(spec, facts, &source);
        times[i] = 1e3 * (seconds() - start);
        if (status != KILN_OK) {
            fprintf(stderr, "%s: %s\n", spec, kiln_last_error());
            return -1;
        }
        kiln_free(source);
    }
    qsort(times, CALLS, sizeof *times, ascending);
    return times[CALLS / 2];
}

int main(void)
{
    static const char *const dtypes[] = {"f32", "f16", "bf16"};
    static const char *const devices[] = {"cpu", "gpu"};
    puts("| kernel | cpu ms | gpu ms |\n|---|---|---|");
    double longest = 0;
    for (size_t r = 0; r < kiln_num_rows(); r++) {
        double worst[2] = {0, 0};
        for (size_t d = 0; d < 2; d++) {
            for (size_t t = 0; t < 3; t++) {
                char spec[512];
                write_spec(kiln_row_at(r), dtypes[t], spec, sizeof spec);
                double ms = time_emit(spec, devices[d]);
                if (ms < 0)
                    return 1;
                worst[d] = ms > worst[d] ? ms : worst[d];
            }
            longest = worst[d] > longest ? worst[d] : longest;
        }
        printf("| %s | %.3f | %.3f |\n", kiln_row_at(r)->name, worst[0], worst[1]);
    }
    printf("\nThe longest: %.3f ms.\n", longest);
    return 0;
}
