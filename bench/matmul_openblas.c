/* f32 c = a b by kiln and by OpenBLAS, taking turns in one process. See bench/run. */
#include "openblas.h"
#include "turns.h"

typedef struct peer {
    turns_shape shape;
    float *a, *b, *c;
} peer;

static bool run_openblas(void *user)
{
    const peer *p = user;
    const turns_shape s = p->shape;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, s.m, s.n, s.k, 1.0F, p->a, s.k, p->b,
                s.n, 0.0F, p->c, s.n);
    return true;
}

static bool compare(const turns *t, const turns_kernel *kernel, const peer *p, double *error)
{
    const size_t count = (size_t)p->shape.m * (size_t)p->shape.n;
    float *ours = malloc(count * sizeof *ours);
    bool ok = (ours || turns_fail(t, "out of memory")) && turns_read(kernel, "c", ours, count);
    *error = ok ? turns_difference(ours, p->c, count) : 0;
    free(ours);
    return ok && (*error < 1e-5 || turns_fail(t, "the two results differ"));
}

static void print_row(const turns *t, turns_shape s, const char *tuning, const side *sides,
                      double error)
{
    const double gflop = 2e-9 * s.m * s.n * s.k;
    const double ours = sides[0].median, theirs = sides[1].median;
    if (t->raw)
        printf("row\t%dx%dx%d\t%.4f\t%.4f\t%.2f\t%.2f\t%.4f\t%.2e\n", s.m, s.n, s.k, 1e3 * ours,
               1e3 * theirs, gflop / ours, gflop / theirs, theirs / ours, error);
    else
        printf("%5d %5d %5d  %8.3f %8.3f  %8.3f %8.3f  %7.1f %7.1f  %5.3f  %.1e  %s\n", s.m, s.n,
               s.k, 1e3 * ours, 1e3 * sides[0].least, 1e3 * theirs, 1e3 * sides[1].least,
               gflop / ours, gflop / theirs, theirs / ours, error, tuning);
    fflush(stdout);
}

static bool run_shape(const turns *t, turns_shape s)
{
    peer p = {s, turns_floats((size_t)s.m * (size_t)s.k, 1),
              turns_floats((size_t)s.k * (size_t)s.n, 2),
              turns_floats((size_t)s.m * (size_t)s.n, 3)};
    const void *const host[] = {p.a, p.b, NULL};
    turns_kernel kernel = {0};
    kiln_kernel_info info;
    double error;
    char spec[80];
    side sides[] = {{.work = turns_launch, .user = &kernel}, {.work = run_openblas, .user = &p}};
    snprintf(spec, sizeof spec, "matmul m=%d n=%d k=%d", s.m, s.n, s.k);
    bool ok = (p.a && p.b && p.c) || turns_fail(t, "out of memory");
    ok = ok && turns_make_kernel(t, spec, host, &kernel);
    ok = ok && (kiln_get_kernel_info(kernel.kernel, &info) == KILN_OK ||
                turns_fail(t, kiln_last_error()));
    ok = ok && turns_take(t, sides, 2) && compare(t, &kernel, &p, &error);
    if (ok)
        print_row(t, s, info.tuning, sides, error);
    turns_free_kernel(&kernel);
    free(p.a);
    free(p.b);
    free(p.c);
    return ok;
}

int main(int argc, char **argv)
{
    turns t;
    int status = turns_open(&t, "matmul_openblas", TURNS_ANY_CORE | TURNS_SHAPE, argc, argv);
    if (status == 0 && !t.any_core && !openblas_is_set_up(t.program))
        status = TURNS_REFUSED;
    if (status == 0) {
        turns_print_device(&t);
        openblas_print(t.raw);
        if (!t.raw)
            printf("median of %d turns each\n\n"
                   "    m     n     k   kiln ms    least   OpenBLAS    least  GFLOP/s OpenBLAS  "
                   "ratio  error    tuning\n",
                   t.repeat);
        for (size_t i = 0; i < t.num_shapes && status == 0; i++)
            status = run_shape(&t, t.shapes[i]) ? 0 : 1;
    }
    turns_close(&t);
    return status;
}
