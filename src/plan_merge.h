/* Merging the parameters of three products (plan_qkv.c). */
#ifndef KILN_PLAN_MERGE_H
#define KILN_PLAN_MERGE_H

#include "plan_fuse.h"

enum { Q, K, V, THREE };

#define KILN_MAX_GROUPS 12 /* tensors by three: w, b; of each gradient, moments, master copy */

/* Three tensors that become one. */
typedef struct kiln_merge_group {
    int of[THREE];
    int64_t columns[THREE], total, rows;
} kiln_merge_group;

/* Launches of one kind, one for each of three tensors, that become one. */
typedef struct kiln_merge_trio {
    kiln_plan_launch *of[THREE];
    kiln_plan_launch *merged;
} kiln_merge_trio;

/* What was found for one attention. */
typedef struct kiln_merge {
    kiln_plan *plan;
    kiln_plan_launch *attention;
    kiln_plan_launch *product[THREE], *bias[THREE];
    int result[THREE]; /* what the fused kernel writes */
    kiln_merge_group groups[KILN_MAX_GROUPS];
    size_t num_groups;
    kiln_merge_trio trios[2 * KILN_MAX_GROUPS];
    size_t num_trios;
    kiln_plan_launch *fused;
} kiln_merge;

/* Puts m->fused in the place of the old launches, and merges groups and trios. */
kiln_status kiln_merge_apply(kiln_merge *m, kiln_plan_launch *const *old, size_t count);

#endif
