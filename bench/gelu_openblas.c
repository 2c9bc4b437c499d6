/* f32 c = gelu(a b + bias) by kiln's fused kernel, and by OpenBLAS with a loop behind it, taking
 * turns in one process. See bench/run.
 *
 * The peer is done in two ways, and the faster one of a shape counts: `whole' is one product by
 * both of OpenBLAS's threads, then the loop over both cores; `halves' is half of the rows each for
 * two threads, product and loop, so that no thread waits in between. */
#define _GNU_SOURCE
#include "gelu_loop.h"
#include "openblas.h"
#include "turns.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* How long a thread that waits spins before it sleeps, as OpenBLAS's own do. */
#define SPIN_S 0.03

typedef void (*gelu_loop)(float *c, const float *bias, size_t rows, size_t n);

typedef struct peer {
    turns_shape shape;
    float *a, *b, *bias, *c;
    gelu_loop loop;
} peer;

/* ---- the second thread ------------------------------------------------------------------- */

typedef void (*part)(const peer *p, int rows_from, int rows_to);

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_int asked, done;
    atomic_bool sleeps, stop, spin;
    part part;
    const peer *peer;
} second = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static cpu_set_t allowed; /* at the start */

/* The calling thread to the index-th CPU that it may have. */
static void pin(int index)
{
    cpu_set_t one;
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &allowed) || index-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        pthread_setaffinity_np(pthread_self(), sizeof one, &one);
        return;
    }
}

static void wait_for_work(int seen)
{
    double until = turns_seconds() + SPIN_S;
    while (atomic_load(&second.asked) == seen && atomic_load(&second.spin) &&
           turns_seconds() < until)
        sched_yield();
    pthread_mutex_lock(&second.lock);
    atomic_store(&second.sleeps, true);
    while (atomic_load(&second.asked) == seen)
        pthread_cond_wait(&second.wake, &second.lock);
    atomic_store(&second.sleeps, false);
    pthread_mutex_unlock(&second.lock);
}

static void *second_main(void *unused)
{
    pin(1);
    for (int seen = 0;; seen++) {
        wait_for_work(seen);
        if (atomic_load(&second.stop))
            return unused;
        second.part(second.peer, second.peer->shape.m / 2, second.peer->shape.m);
        atomic_store(&second.done, seen + 1);
    }
}

static void ask(void)
{
    pthread_mutex_lock(&second.lock);
    atomic_fetch_add(&second.asked, 1);
    pthread_cond_signal(&second.wake);
    pthread_mutex_unlock(&second.lock);
}

/* Half of the rows each. */
static void on_both(const peer *p, part work)
{
    second.part = work;
    second.peer = p;
    ask();
    work(p, 0, p->shape.m / 2);
    while (atomic_load(&second.done) != atomic_load(&second.asked))
        sched_yield();
}

/* ---- the two ways ------------------------------------------------------------------------ */

static void product(const peer *p, int from, int to)
{
    const turns_shape s = p->shape;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, to - from, s.n, s.k, 1.0F,
                p->a + (size_t)from * (size_t)s.k, s.k, p->b, s.n, 0.0F,
                p->c + (size_t)from * (size_t)s.n, s.n);
}

static void loop_part(const peer *p, int from, int to)
{
    const size_t n = (size_t)p->shape.n;
    p->loop(p->c + (size_t)from * n, p->bias, (size_t)(to - from), n);
}

static void both_parts(const peer *p, int from, int to)
{
    product(p, from, to);
    loop_part(p, from, to);
}

static void prepare_whole(void *user)
{
    (void)user;
    atomic_store(&second.spin, false);
    openblas_set_num_threads(2);
}

static bool whole(void *user)
{
    const peer *p = user;
    product(p, 0, p->shape.m);
    on_both(p, loop_part);
    return true;
}

static void prepare_halves(void *user)
{
    (void)user;
    atomic_store(&second.spin, true);
    openblas_set_num_threads(1);
}

static bool halves(void *user)
{
    on_both(user, both_parts);
    return true;
}

/* The loop alone, for scale: what it makes of its own results costs the same. */
static bool loop_alone(void *user)
{
    on_both(user, loop_part);
    return true;
}

/* ---- a shape ----------------------------------------------------------------------------- */

static bool compare(const turns *t, const turns_kernel *k, peer *p, double *error)
{
    const size_t count = (size_t)p->shape.m * (size_t)p->shape.n;
    float *ours = malloc(count * sizeof *ours);
    bool ok = (ours || turns_fail(t, "out of memory")) && turns_read(k, "c", ours, count);
    *error = 0;
    for (int way = 0; way < 2 && ok; way++) {
        way ? prepare_halves(p) : prepare_whole(p);
        way ? halves(p) : whole(p);
        double off = turns_difference(ours, p->c, count);
        *error = off > *error ? off : *error;
    }
    free(ours);
    return ok && (*error < 1e-5 || turns_fail(t, "the results differ"));
}

static void print_row(const turns *t, const peer *p, const char *approx, const side *sides,
                      double error)
{
    const turns_shape s = p->shape;
    double best = sides[1].median < sides[2].median ? sides[1].median : sides[2].median;
    printf(t->raw ? "row\t%dx%dx%d %s\t%.4f\t%.4f\t%.4f\t%.4f\t%.2f\t%.4f\t%.2e\n"
                  : "%dx%dx%d %s: kiln %.3f ms, whole %.3f ms, halves %.3f ms, loop alone %.3f ms; "
                    "kiln %.1f GFLOP/s, ratio %.3f, error %.1e\n",
           s.m, s.n, s.k, approx, 1e3 * sides[0].median, 1e3 * sides[1].median,
           1e3 * sides[2].median, 1e3 * sides[3].median, 2e-9 * s.m * s.n * s.k / sides[0].median,
           best / sides[0].median, error);
    fflush(stdout);
}

static bool run_shape(const turns *t, turns_shape s, const char *approx, gelu_loop loop)
{
    const size_t m = (size_t)s.m, n = (size_t)s.n, k = (size_t)s.k;
    peer p = {s,
              turns_floats(m * k, 1),
              turns_floats(k * n, 2),
              turns_floats(n, 3),
              turns_floats(m * n, 4),
              loop};
    const void *const host[] = {p.a, p.b, p.bias, NULL};
    turns_kernel kernel = {0};
    char spec[128];
    double error;
    side sides[] = {{.work = turns_launch, .user = &kernel},
                    {.work = whole, .user = &p, .prepare = prepare_whole},
                    {.work = halves, .user = &p, .prepare = prepare_halves},
                    {.work = loop_alone, .user = &p, .prepare = prepare_halves}};
    snprintf(spec, sizeof spec, "matmul_bias_gelu m=%d n=%d k=%d approx=%s", s.m, s.n, s.k, approx);
    bool ok = (p.a && p.b && p.bias && p.c) || turns_fail(t, "out of memory");
    ok = ok && turns_make_kernel(t, spec, host, &kernel) && turns_launch(&kernel);
    ok = ok && compare(t, &kernel, &p, &error);
    ok = ok && turns_take(t, sides, sizeof sides / sizeof *sides);
    if (ok)
        print_row(t, &p, approx, sides, error);
    turns_free_kernel(&kernel);
    free(p.a);
    free(p.b);
    free(p.bias);
    free(p.c);
    return ok;
}

int main(int argc, char **argv)
{
    turns t;
    int status = turns_open(&t, "gelu_openblas", TURNS_ANY_CORE | TURNS_SHAPE, argc, argv);
    bool ok = status == 0;
    if (ok && !t.any_core && !openblas_is_set_up(t.program)) {
        status = TURNS_REFUSED;
        ok = false;
    }
    if (ok) {
        turns_print_device(&t);
        openblas_print(t.raw);
        sched_getaffinity(0, sizeof allowed, &allowed);
        pin(0); /* PoCL's and OpenBLAS's threads are there by now, and keep theirs */
        ok = pthread_create(&second.thread, NULL, second_main, NULL) == 0 ||
             turns_fail(&t, "there is no second thread");
        for (size_t i = 0; ok && i < 2 * t.num_shapes; i++)
            ok = run_shape(&t, t.shapes[i / 2], i % 2 ? "tanh" : "none",
                           i % 2 ? gelu_loop_tanh : gelu_loop_erf);
        status = ok ? 0 : 1;
        atomic_store(&second.stop, true);
        ask();
        pthread_join(second.thread, NULL);
    }
    turns_close(&t);
    return status;
}
