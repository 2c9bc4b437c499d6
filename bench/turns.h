/* What the programs that compare kiln with a peer share: turns in one process.
 *
 * A turn is a pause, a call to warm up and a timed call. A peer's threads may spin for a while
 * after their work (OpenBLAS's for some 30 ms) and would take kiln's cores; the warm call wakes the
 * one's own threads again. */
#ifndef KILN_BENCH_TURNS_H
#define KILN_BENCH_TURNS_H

#include <kiln.h>
#include <stdbool.h>
#include <stddef.h>

enum { TURNS_REFUSED = 2, TURNS_MAX_ARGS = 8 };

/* What a program takes beside --repeat N and --raw: --any-core, --shape MxNxK, words that are
 * specs. */
enum { TURNS_ANY_CORE = 1, TURNS_SHAPE = 2, TURNS_SPECS = 4 };

/* c[m,n] = a[m,k] b[k,n] */
typedef struct turns_shape {
    int m, n, k;
} turns_shape;

typedef struct turns {
    const char *program;
    kiln_context *context;
    cl_command_queue queue;
    int repeat;
    bool raw;              /* for bench/run: numbers between tabs, nothing else */
    bool any_core;         /* OpenBLAS as it comes */
    turns_shape shapes[4]; /* products to measure */
    size_t num_shapes;
    const char *const *specs; /* those of the command line */
    size_t num_specs;
} turns;

/* One who takes turns: its work, waited for; false after a sentence. */
typedef struct side {
    bool (*work)(void *user);
    void *user;
    void (*prepare)(void *user); /* before its turn, not timed; NULL: nothing */
    double *seconds, median, least;
} side;

/* Reads the command line (the usual four shapes if none is named) and opens context and queue on
 * the CPU. Returns 0, or the status to exit with. */
int turns_open(turns *t, const char *program, unsigned takes, int argc, char **argv);
void turns_close(turns *t);

/* Prints "PROGRAM: what" on stderr; false. */
bool turns_fail(const turns *t, const char *what);

double turns_seconds(void);

/* Takes repeat turns each, and summarises. */
bool turns_take(const turns *t, side *sides, size_t count);

/* Of sorted or unsorted values, which it sorts. */
double turns_median(double *values, size_t count);

/* count floats of -1 to 1, the caller's to free; NULL when memory ran out. */
float *turns_floats(size_t count, uint32_t seed);

/* || a - b || / || b || */
double turns_difference(const float *a, const float *b, size_t count);

/* Prints device, kiln and units as "key<TAB>value" if raw, else in words. */
void turns_print_device(const turns *t);

/* A kernel and the buffers that it is launched with. */
typedef struct turns_kernel {
    const turns *turns;
    kiln_kernel *kernel;
    kiln_arg args[TURNS_MAX_ARGS];
    size_t num_args;
} turns_kernel;

/* host: what each argument begins with, in its storage, in the kernel's order; NULL: zeros. */
bool turns_make_kernel(const turns *t, const char *spec, const void *const *host, turns_kernel *k);
void turns_free_kernel(turns_kernel *k);

/* The work of a side whose user is a turns_kernel. */
bool turns_launch(void *user);

/* The buffer of a name; NULL if there is none. */
cl_mem turns_buffer(const turns_kernel *k, const char *name);

/* The buffer's first count floats. */
bool turns_read(const turns_kernel *k, const char *name, float *to, size_t count);

#endif
