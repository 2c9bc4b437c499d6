/* Plans: launches in order over named tensors, checked as they are added. */
#ifndef KILN_PLAN_H
#define KILN_PLAN_H

#include "signature.h"

/* ---- what a plan is made of ---------------------------------------------------------------- */

/* A spec that launches of the plan share, and what follows from it. */
typedef struct kiln_plan_kind {
    struct kiln_plan_kind *next;
    char *raw; /* as it was given */
    kiln_spec spec;
    kiln_signature signature;
    kiln_extents extents[KILN_MAX_PARAMETERS]; /* of the buffers */
    kiln_cost cost;
    double elementwise_bytes;
    double prologue_flops;   /* of its prologue, gone through once */
    double statistics_bytes; /* that a stage before the product reads for it */
    size_t number;           /* kinds are numbered as they come */
} kiln_plan_kind;

/* What stands for one parameter of a kind's signature. */
typedef struct kiln_binding {
    int tensor;     /* -1: a scalar */
    bool part;      /* of the tensor, from offset on */
    int64_t offset; /* elements */
    int scalar;     /* of the plan's; -1: the number */
    double number;
} kiln_binding;

typedef struct kiln_plan_launch {
    kiln_plan_kind *kind;   /* NULL: bindings[0] is filled with zeros */
    kiln_binding *bindings; /* as the signature's parameters */
    size_t num_bindings;
    int64_t layer;
    kiln_phase phase;
    size_t position; /* in the plan */
    char *args;      /* as text, made when asked for */
} kiln_plan_launch;

/* Elements that a launch writes: rows of `width`, `stride` apart. */
typedef struct kiln_region {
    int64_t offset, rows, width, stride;
} kiln_region;

typedef struct kiln_plan_tensor {
    char *name;
    kiln_dtype dtype;
    kiln_role role;
    size_t rank;
    int64_t extents[KILN_MAX_RANK];
    int64_t elements;
    int stored;              /* itself, or the tensor that fusion merged it into */
    int64_t offset;          /* there */
    int64_t row_stride;      /* there */
    kiln_plan_launch **uses; /* launches that it is bound in, each once, in no order */
    size_t num_uses, max_uses;
    /* What launches wrote so far, in a check of the order. */
    kiln_region *written;
    size_t num_written, max_written;
    int64_t elements_written;
} kiln_plan_tensor;

struct kiln_plan {
    kiln_plan_tensor *tensors;
    size_t num_tensors, max_tensors;
    int *names; /* hashed: a tensor's index + 1, 0 where there is none */
    size_t max_names;
    kiln_plan_launch **launches;
    size_t num_launches, max_launches;
    kiln_plan_kind *kinds;
    size_t num_kinds;
    char **scalars;
    size_t num_scalars, max_scalars;
    char **notes;
    size_t num_notes, max_notes;
    int64_t layer;
    kiln_phase phase;
};

/* ---- plan.c -------------------------------------------------------------------------------- */

/* -1 if there is none of that name. */
int kiln_plan_tensor_index(const kiln_plan *plan, const char *name);

/* The kind of a spec's text; its dimensions have to be literal. */
kiln_status kiln_plan_kind_find(kiln_plan *plan, const char *spec, kiln_plan_kind **kind);

/* The index of a run's scalar, added if it is new; -1 when memory ran out. */
int kiln_plan_scalar_index(kiln_plan *plan, const char *name);

/* A launch that is in no place yet; kind NULL makes a zero step. */
kiln_plan_launch *kiln_launch_make(kiln_plan_kind *kind);
void kiln_launch_free(kiln_plan_launch *launch);

/* Puts it before what stands at `position`, or takes it out; uses follow. */
kiln_status kiln_plan_insert(kiln_plan *plan, kiln_plan_launch *launch, size_t position);
void kiln_plan_remove(kiln_plan *plan, kiln_plan_launch *launch);

kiln_status kiln_plan_add_note(kiln_plan *plan, const char *format, ...) KILN_PRINTF(2, 3);

/* ---- plan_check.c -------------------------------------------------------------------------- */

/* Whether a binding is read, written. A zero step's is written. */
bool kiln_binding_reads(const kiln_plan_launch *launch, size_t index);
bool kiln_binding_writes(const kiln_plan_launch *launch, size_t index);

/* Whether output out of a launch may stand in the memory of its input in. */
bool kiln_may_be(const kiln_plan_launch *launch, size_t out, size_t in);

/* What a binding covers of its tensor. */
kiln_region kiln_binding_region(const kiln_plan *plan, const kiln_plan_launch *launch,
                                size_t index);

/* Bindings from text; tensors that are written and do not exist become temporaries if `declare`. */
kiln_status kiln_bindings_parse(kiln_plan *plan, kiln_plan_launch *launch, const char *args,
                                bool declare);

/* dtypes, extents and overlap of one launch. */
kiln_status kiln_launch_check(const kiln_plan *plan, const kiln_plan_launch *launch);

/* Reading after writing, one writer: of one launch after those before it, and of all anew. */
kiln_status kiln_order_check(kiln_plan *plan, kiln_plan_launch *launch);
kiln_status kiln_plan_verify(kiln_plan *plan);

/* Parsing, checking and adding at the end. */
kiln_status kiln_plan_append(kiln_plan *plan, const char *spec, const char *args, bool declare);

/* "matmul m=48 ..." by row name and position for sentences: "launch 3 (matmul)". */
void kiln_launch_name(kiln_text *text, const kiln_plan_launch *launch);
const char *kiln_launch_row(const kiln_plan_launch *launch); /* "zero" for a zero step */

/* ---- plan_layout.c ------------------------------------------------------------------------- */

typedef struct kiln_placed {
    size_t first, last; /* launches that touch it; first > last: none */
    int arena;          /* -1: a buffer of its own, or (unused temporary) none */
    uint64_t offset;    /* bytes in the arena */
} kiln_placed;

typedef struct kiln_plan_layout {
    kiln_placed *of;  /* as the plan's tensors */
    uint64_t *arenas; /* bytes */
    size_t num_arenas;
    double persistent, unshared; /* bytes */
} kiln_plan_layout;

/* No arena is larger than `limit`, unless one temporary alone is. Freed with kiln_layout_free, only
 * after success. */
kiln_status kiln_layout_make(const kiln_plan *plan, uint64_t limit, kiln_plan_layout *layout);
void kiln_layout_free(kiln_plan_layout *layout);
double kiln_layout_bytes(const kiln_plan_layout *layout); /* persistent and arenas */

uint64_t kiln_tensor_bytes(const kiln_plan_tensor *tensor);

/* ---- plan_cost.c --------------------------------------------------------------------------- */

/* Fills in what a kind costs. */
kiln_status kiln_kind_cost(kiln_plan_kind *kind);

double kiln_launch_seconds(const kiln_plan *plan, const kiln_plan_launch *launch,
                           const kiln_device_rates *rates);

/* Bytes that a step moves, and of them those of norms and elementwise work. */
kiln_cost kiln_launch_cost(const kiln_plan *plan, const kiln_plan_launch *launch,
                           double *elementwise);

#endif
