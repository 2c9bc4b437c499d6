/* OpenBLAS as a peer. */
#ifndef KILN_BENCH_OPENBLAS_H
#define KILN_BENCH_OPENBLAS_H

#include <cblas.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline bool has_avx512(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    return __builtin_cpu_supports("avx512f");
#else
    return false;
#endif
}

/* OpenBLAS 0.3.21 takes new CPUs for old ones, and a comparison with that is none. False after a
 * sentence. */
static inline bool openblas_is_set_up(const char *program)
{
    const char *core = getenv("OPENBLAS_CORETYPE");
    if (!has_avx512() || (core && strcmp(core, "SKYLAKEX") == 0))
        return true;
    fprintf(stderr,
            "%s: this CPU has AVX-512, and OPENBLAS_CORETYPE is %s instead of SKYLAKEX (OpenBLAS "
            "would run as %s); --any-core compares all the same\n",
            program, core ? core : "not set", openblas_get_corename());
    return false;
}

static inline void openblas_print(bool raw)
{
    printf(raw ? "openblas\t%s\ncore\t%s\nthreads\t%d\n" : "%s, running as %s with %d threads\n",
           openblas_get_config(), openblas_get_corename(), openblas_get_num_threads());
}

#endif
