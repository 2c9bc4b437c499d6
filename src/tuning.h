/* Tuning as text: lines of canonical specs with the values that were found for them. Needs no
 * OpenCL driver.
 *
 *     kiln-tuning 1
 *     device platform: ...; device: ...
 *     matmul m=512 n=512 k=512 dtype=f32 variant=vector W=16 NV=4 ... time=0.00061 kiln=0.1.0
 *     tried matmul m=512 n=512 k=512 dtype=f32 variant=vector W=8 ... time=0.00113 kiln=0.1.0
 *     failed matmul m=512 n=512 k=512 dtype=f32 variant=simt BM=8 ... time=inf kiln=0.1.0
 *
 * A line without a word in front is the best of its spec; the others are what a search has seen, so
 * that it need not see it again. Lines that begin with # say nothing; a file without a device line
 * is for any device (people write such files).
 */
#ifndef KILN_TUNING_H
#define KILN_TUNING_H

#include "choose.h"

typedef enum kiln_line_kind { KILN_LINE_BEST, KILN_LINE_TRIED, KILN_LINE_FAILED } kiln_line_kind;

typedef struct kiln_line {
    kiln_line_kind kind;
    kiln_spec spec;
    const kiln_variant *variant;
    int values[KILN_MAX_TUNE];
    double time; /* seconds; INFINITY if it failed */
    char version[16];
} kiln_line;

typedef struct kiln_lines {
    kiln_line *of;
    size_t count, capacity;
} kiln_lines;

/* KILN_INVALID_ARGUMENT with a sentence for a line that cannot be on a device of these facts; but
 * of a line that is not the best, whether its values may be used is not looked at. line is freed
 * with kiln_line_free, only after success. */
kiln_status kiln_line_parse(const char *text, const kiln_facts *facts, kiln_line *line);
void kiln_line_free(kiln_line *line);

/* With its newline. */
void kiln_line_print(const kiln_line *line, kiln_text *out);

/* Reads a file. Lines that cannot be are left out; *trouble, which starts empty, is a sentence on
 * the first of them. best_only: the others are not looked at. *foreign: it is no tuning file, or
 * one of another format or device, and nothing was taken. */
kiln_status kiln_lines_parse(const char *text, const char *device, const kiln_facts *facts,
                             bool best_only, kiln_lines *lines, bool *foreign, kiln_text *trouble);
void kiln_lines_free(kiln_lines *lines);

/* A file of them. device: as kiln_device_identity gives it. */
void kiln_lines_print(const kiln_lines *lines, const char *device, kiln_text *out);

/* Adds a line, in place of the best of the same spec, or of what was seen of the same values. */
kiln_status kiln_lines_put(kiln_lines *lines, kiln_line_kind kind, const kiln_spec *spec,
                           const kiln_variant *variant, const int *values, double time);

/* Removes the lines of a spec by its canonical text, all if that is NULL: how many were the best.
 */
size_t kiln_lines_remove(kiln_lines *lines, const char *spec);

/* The best lines that a spec may use, nearest first, behind the *count candidates that are there
 * (*candidates is NULL if there are none); texts point into lines. The caller frees *candidates,
 * whatever the result. The rule of nearness is kiln.h's, under tuning. */
kiln_status kiln_lines_near(const kiln_lines *lines, const kiln_spec *spec,
                            kiln_tuning_origin origin, kiln_candidate **candidates, size_t *count);

/* The lines that kiln brings along for devices of these facts. text: of tuned.txt, which stands
 * among the templates. A line that cannot be is a KILN_TEMPLATE_ERROR. */
kiln_status kiln_lines_shipped(const char *text, const kiln_facts *facts, kiln_lines *lines);

/* Whether a spec leaves its tuning values to kiln: tile_size and workgroup_size are 0. */
bool kiln_spec_is_tunable(const kiln_spec *spec);

#endif
