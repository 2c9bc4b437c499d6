/* Fusions of plans: patterns as data, and what applies them. */
#ifndef KILN_PLAN_FUSE_H
#define KILN_PLAN_FUSE_H

#include "plan.h"

#define KILN_MAX_STEPS 4

/* One launch of a chain. Pairs are "FUSED=OWN": the fused kernel's argument, dimension or option,
 * and this step's. Options that are not default go along by name without being listed; one that the
 * fused kernel does not have keeps the pattern from fitting. */
typedef struct kiln_pattern_step {
    const char *rows; /* "matmul|matmul_nt"; the latter makes the fused kernel's layout nt */
    const char *in;   /* "x|residual": through which it takes what the step before gives */
    const char *out;  /* what it gives on */
    const char *keep; /* the fused kernel's argument for `out`, if others read that; NULL: none may
                       */
    const char *keep_option; /* that asks for it; NULL: it is always there */
    const char *optional;    /* NULL: has to be there; else the option that says that it is */
    bool side;               /* reads what the chain gives, which stays the chain's result */
    const char *args;        /* * is that of `in` through which the chain does not come */
    const char *options;
    const char *stats; /* of a prologue: outputs that the fused kernel has for save_stats */
} kiln_pattern_step;

typedef struct kiln_pattern {
    const char *fusion; /* the fused kernel */
    bool prologue;      /* the first step is computed on the second one's way in */
    const char *result; /* the fused kernel's argument for the chain's result */
    const char *fixed;  /* options besides */
    kiln_pattern_step steps[KILN_MAX_STEPS];
} kiln_pattern;

/* Ended by a NULL fusion. */
extern const kiln_pattern kiln_patterns[];

typedef struct kiln_fuser {
    kiln_plan *plan;
    const kiln_device_rates *rates;
    bool force;
    size_t applied; /* of the fusion that is being tried */
    size_t refused;
    char why[256]; /* it was not applied at the last place that looked like one; "": there was none
                    */
} kiln_fuser;

/* Whether to go on, from the predicted times of what goes and what comes; leaves a note. */
kiln_status kiln_fuser_decides(kiln_fuser *fuser, const char *fusion, const kiln_plan_launch *where,
                               double before, double after, bool *apply);

/* plan_qkv.c: q, k and v of every attention in one product, their parameters in one tensor. */
kiln_status kiln_fuse_qkv(kiln_fuser *fuser);

/* ---- plan_chain.c -------------------------------------------------------------------------- */

/* Launches that a pattern's steps were found in. */
typedef struct kiln_chain {
    const kiln_pattern *pattern;
    kiln_plan_launch *of[KILN_MAX_STEPS];
    int in[KILN_MAX_STEPS]; /* the parameter that takes what the step before gives */
    bool kept[KILN_MAX_STEPS];
    size_t count; /* steps; side steps come last */
    bool stats;   /* the fused kernel stores the prologue's */
} kiln_chain;

/* The last main step, whose result is the chain's. */
size_t kiln_chain_end(const kiln_chain *c);

/* From step `first` of a pattern at a launch on, as far as the pattern goes. */
bool kiln_chain_match(kiln_fuser *fuser, const kiln_pattern *pattern, size_t first,
                      kiln_plan_launch *launch, kiln_chain *c);

/* *fused is NULL where the kernel does not do what the chain does. */
kiln_status kiln_chain_make(kiln_fuser *fuser, const kiln_chain *c, kiln_plan_launch **fused);

/* The same, without optional steps at the end if it does not fit with them; and NULL where the
 * steps from `first` on may not all happen in one place. */
kiln_status kiln_chain_make_longest(kiln_fuser *fuser, kiln_chain *c, size_t first,
                                    kiln_plan_launch **fused);

bool kiln_is_row(const kiln_plan_launch *launch, const char *rows);

/* The tensor that an argument is the whole of, -1 if there is none. */
int kiln_whole_tensor(const kiln_plan_launch *launch, const char *argument);

/* The parameter, one of `names`, that is the whole tensor, which the launch has nowhere else; -1
 * otherwise. */
int kiln_takes(const kiln_plan_launch *launch, const char *names, int tensor);

/* The next "LEFT=RIGHT" of a list; false at its end. Both have 24 bytes. */
bool kiln_next_pair(const char **list, char *left, char *right);

/* The one launch that writes a tensor, whole and without reading it; NULL if that is not so. */
kiln_plan_launch *kiln_sole_writer(const kiln_plan *plan, int tensor, size_t *parameter);

/* Whether a launch between two positions (exclusive) writes the tensor, or, if asked, reads it. */
bool kiln_touched_between(const kiln_plan *plan, int tensor, size_t from, size_t to, bool reads);

#endif
