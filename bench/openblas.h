/* OpenBLAS as a peer. */
#ifndef KILN_BENCH_OPENBLAS_H
#define KILN_BENCH_OPENBLAS_H

#include <cblas.h>
#include <stdbool.h>
#include <stdio.h>
#include <strings.h>

/* What OpenBLAS has for this CPU's vectors, the best first; NULL: unknown. */
static inline const char *const *openblas_cores(void)
{
    static const char *const avx512[] = {"SkylakeX", "Cooperlake", "Sapphirerapids", NULL};
    static const char *const avx2[] = {"Zen", "Haswell", NULL};
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("avx512f"))
        return avx512;
    if (__builtin_cpu_supports("avx2"))
        return avx2;
#endif
    (void)avx512;
    (void)avx2;
    return NULL;
}

/* OpenBLAS 0.3.21 takes new CPUs for old ones, and a comparison with that is none. False after a
 * sentence. */
static inline bool openblas_is_set_up(const char *program)
{
    const char *const *cores = openblas_cores();
    for (size_t i = 0; cores && cores[i]; i++)
        if (strcasecmp(openblas_get_corename(), cores[i]) == 0)
            return true;
    if (!cores)
        return true;
    fprintf(
        stderr,
        "%s: OpenBLAS runs as %s, which is not for this CPU's vectors; OPENBLAS_CORETYPE=%s is, "
        "--any-core compares all the same\n",
        program, openblas_get_corename(), cores[0]);
    return false;
}

static inline void openblas_print(bool raw)
{
    printf(raw ? "openblas\t%s\ncore\t%s\nthreads\t%d\n" : "%s, running as %s with %d threads\n",
           openblas_get_config(), openblas_get_corename(), openblas_get_num_threads());
}

#endif
