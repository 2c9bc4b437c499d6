/* What formulas may know of a device. Needs no OpenCL driver. */
#ifndef KILN_FACTS_H
#define KILN_FACTS_H

#include "expr.h"

typedef struct kiln_facts {
    bool cpu;
    int64_t compute_units;
    int64_t local_mem;     /* bytes of __local a work-group may use */
    int64_t max_workgroup; /* work-items in a group */
    int64_t simd_width;    /* floats in a vector register: 4, 8 or 16; 1 on a GPU */
    int64_t sm;            /* NVIDIA's compute capability times 10, if PTX in line builds; else 0 */
    int64_t sm_a;          /* 1: so do instructions of that chip alone (nvidia.h) */
    int64_t static_local;  /* bytes of __local that a program may declare; local_mem or more */
} kiln_facts;

/* A list as kiln_emit takes it: "gpu,local_mem=49152". */
kiln_status kiln_facts_parse(const char *text, kiln_facts *facts);

/* As names: CPU, COMPUTE_UNITS, LOCAL_MEM, MAX_WORKGROUP, SIMD, SM, SM_A, STATIC_LOCAL. */
kiln_status kiln_facts_bind(const kiln_facts *facts, kiln_env *env);

#endif
