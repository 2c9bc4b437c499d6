/* The registry: one row is one kernel, and a fact about a kernel stands once, in its row.
 *
 * Formulas are strings for the evaluator of expr.h. Names in them: the row's dimensions, options
 * and lets, in lower case; tuning values and the device's facts (device.h), in upper case.
 */
#ifndef KILN_REGISTRY_H
#define KILN_REGISTRY_H

#include "expr.h"

#define KILN_MAX_DIMS     6
#define KILN_MAX_OPTIONS  16
#define KILN_MAX_LETS     24
#define KILN_MAX_RULES    10
#define KILN_MAX_TENSORS  12
#define KILN_MAX_NUMBERS  6
#define KILN_MAX_PASSED   12
#define KILN_MAX_SCRATCH  4
#define KILN_MAX_OPS      6
#define KILN_MAX_TUNE     8
#define KILN_MAX_VALUES   8
#define KILN_MAX_PRESETS  12
#define KILN_MAX_STAGES   4
#define KILN_MAX_VARIANTS 8

/* A formula that has to be true, and the sentence (with ${} over the same names) if it is not. */
typedef struct kiln_rule {
    const char *formula;
    const char *sentence;
} kiln_rule;

/* A name for a formula's value, for later formulas and for the template. */
typedef struct kiln_let {
    const char *name;
    const char *formula;
} kiln_let;

typedef enum kiln_option_type {
    KILN_OPTION_INT, /* from low to high */
    KILN_OPTION_REAL,
    KILN_OPTION_CHOICE /* one of a|b|c */
} kiln_option_type;

typedef struct kiln_option {
    const char *name;
    kiln_option_type type;
    const char *fallback; /* the default; NULL: it must be named */
    const char *choices;
    int64_t low, high;
    const char *about;
} kiln_option;

typedef enum kiln_intent { KILN_IN = 1, KILN_OUT = 2, KILN_INOUT = 3 } kiln_intent;

/* A tensor argument, row-major. */
typedef struct kiln_tensor {
    const char *name;
    kiln_intent intent;
    const char *shape;   /* extents, "batch, m, k"; each a formula */
    const char *stride;  /* elements from row to row of the last two extents; NULL: no padding */
    const char *dtype;   /* a formula for its name, "dtype" or "'f32'" */
    const char *when;    /* only if this formula is true; NULL: always */
    const char *may_be;  /* an input that it may be in place of */
    const char *also_in; /* true: an output that is read as well (accumulate) */
    const char *touched; /* elements that a launch needs of it; NULL: all */
    const char *as;      /* its name in templates; NULL: name */
} kiln_tensor;

/* A scalar argument: a number of one launch, as a learning rate or a seed. */
typedef struct kiln_number {
    const char *name;
    bool integer; /* 64 bits; a seed uses them as unsigned */
    const char *about;
} kiln_number;

/* What a kernel gets of its scalars: computed on the host, in double, once a launch. */
typedef struct kiln_passed {
    const char *name;
    const char *type; /* "float", "int", "uint", "long" or "ulong" */
    const char *formula;
} kiln_passed;

/* Memory of one launch, from stage to stage: f32, made and given back by kiln_launch. */
typedef struct kiln_scratch {
    const char *name;
    const char *count; /* elements */
    const char *when;  /* only if this formula is true; NULL: always */
} kiln_scratch;

/* A fragment of a few lines that works on one value (or a vector of them) on its way in or out. */
typedef struct kiln_op {
    const char *name;
    const char *file;   /* the fragment, in templates/ */
    const char *helper; /* functions it calls, in templates/; NULL: none */
    kiln_tensor tensors[2];
    const char *flops; /* an element */
} kiln_op;

typedef struct kiln_op_use {
    const char *op;
    const char *when; /* only if this formula is true; NULL: always */
} kiln_op_use;

typedef struct kiln_tune_name {
    const char *name;
    int values[KILN_MAX_VALUES]; /* in order of preference; 0 ends */
} kiln_tune_name;

/* One launch inside a variant. */
typedef struct kiln_stage {
    const char *name;      /* of the OpenCL kernel behind the row's; NULL: the row's alone */
    const char *file;      /* in templates/ */
    const char *groups;    /* work-groups of a launch; one-dimensional, since the other two
                              dimensions are limited to 65,535 on some devices */
    const char *workgroup; /* work-items in a group */
    const char *when;      /* only if this formula, over spec and tuning values, is true */
} kiln_stage;

/* One way to do a kernel. */
typedef struct kiln_variant {
    const char *name;
    const char *about;
    kiln_rule allow[KILN_MAX_RULES]; /* over spec and device: may it run at all */
    kiln_tune_name tune[KILN_MAX_TUNE];
    /* Tuning values to try first, in order: "BM=64 BN=min(n,64)", formulas without blanks. What a
     * preset leaves out is searched for. A preset that breaks `require` is passed over. */
    const char *presets[KILN_MAX_PRESETS];
    kiln_rule require[KILN_MAX_RULES]; /* over spec, device and tuning values */
    kiln_let lets[KILN_MAX_LETS];      /* for the template and the stages */
    const char *widths[3];             /* vector widths of its loads, stores and hooks */
    bool fixed_workgroup;              /* workgroup_size is accepted and not used */
    bool special; /* for some shapes alone: for others not to be chosen is no limit of theirs */
    kiln_scratch scratch[KILN_MAX_SCRATCH];
    kiln_stage stages[KILN_MAX_STAGES];
} kiln_variant;

typedef struct kiln_row {
    const char *name;
    const char *family;
    const char *summary; /* the equation */
    bool fused;
    const char *dims[KILN_MAX_DIMS];
    const char *literal; /* the dimensions that may not be left to the launch; NULL: none */
    kiln_option options[KILN_MAX_OPTIONS]; /* besides those of every kernel */
    kiln_let lets[KILN_MAX_LETS];
    kiln_rule rules[KILN_MAX_RULES]; /* over dimensions and options; those over launch-time
                                        dimensions are looked at in each launch */
    kiln_tensor tensors[KILN_MAX_TENSORS];
    kiln_number numbers[KILN_MAX_NUMBERS];
    kiln_rule number_rules[KILN_MAX_RULES]; /* over numbers alone, and so is passed */
    kiln_passed passed[KILN_MAX_PASSED];
    kiln_op_use prologue[KILN_MAX_OPS], epilogue[KILN_MAX_OPS];
    const char *prologue_count, *epilogue_count; /* elements that a hook's ops work on */
    const char *flops;                           /* without the ops' */
    const kiln_variant *variants[KILN_MAX_VARIANTS];
} kiln_row;

/* Rows family by family, as `kiln list` shows them. */
size_t kiln_num_rows(void);
const kiln_row *kiln_row_at(size_t index);
const kiln_row *kiln_row_find(const char *name);

const kiln_op *kiln_op_find(const char *name);
const kiln_op *kiln_op_at(size_t index); /* NULL past the end */

/* dtype, workgroup_size, variant: the options every kernel takes. NULL past the end. */
const kiln_option *kiln_common_option(size_t index);

/* The tables, a file each. */
extern const kiln_row kiln_matmul_rows[], kiln_pack_rows[], kiln_elementwise_rows[],
    kiln_move_rows[], kiln_norm_rows[], kiln_attention_rows[], kiln_optimiser_rows[];
extern const size_t kiln_num_matmul_rows, kiln_num_pack_rows, kiln_num_elementwise_rows,
    kiln_num_move_rows, kiln_num_norm_rows, kiln_num_attention_rows, kiln_num_optimiser_rows;
extern const kiln_op kiln_ops[];
extern const size_t kiln_num_ops;

#endif
