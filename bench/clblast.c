/* f32 c = a b by kiln and by CLBlast on the same OpenCL device and queue, taking turns in one
 * process. See bench/run. */
#include "turns.h"
#include <clblast_c.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct peer {
    const turns *turns;
    turns_shape shape;
    cl_mem a, b, c;
} peer;

static bool run_clblast(void *user)
{
    const peer *p = user;
    const size_t m = (size_t)p->shape.m, n = (size_t)p->shape.n, k = (size_t)p->shape.k;
    cl_command_queue queue = p->turns->queue;
    CLBlastStatusCode code =
        CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, m, n, k, 1.0F,
                     p->a, 0, k, p->b, 0, n, 0.0F, p->c, 0, n, &queue, NULL);
    if (code != CLBlastSuccess)
        return turns_fail(p->turns, "CLBlastSgemm failed");
    return clFinish(queue) == CL_SUCCESS || turns_fail(p->turns, "clFinish failed");
}

/* Both products in the same buffer, one after the other, zeros in between. */
static bool compare(const turns *t, turns_kernel *kernel, peer *p, double *error)
{
    const size_t count = (size_t)p->shape.m * (size_t)p->shape.n;
    const float zero = 0;
    float *ours = malloc(count * sizeof *ours), *theirs = malloc(count * sizeof *theirs);
    bool ok = (ours && theirs) || turns_fail(t, "out of memory");
    ok = ok && turns_launch(kernel) && turns_read(kernel, "c", ours, count);
    ok = ok && (clEnqueueFillBuffer(t->queue, p->c, &zero, sizeof zero, 0, count * sizeof zero, 0,
                                    NULL, NULL) == CL_SUCCESS ||
                turns_fail(t, "clEnqueueFillBuffer failed"));
    ok = ok && run_clblast(p) && turns_read(kernel, "c", theirs, count);
    *error = ok ? turns_difference(ours, theirs, count) : 0;
    free(ours);
    free(theirs);
    return ok && (*error < 1e-5 || turns_fail(t, "the results differ"));
}

static bool run_shape(const turns *t, turns_shape s)
{
    float *a = turns_floats((size_t)s.m * (size_t)s.k, 1);
    float *b = turns_floats((size_t)s.k * (size_t)s.n, 2);
    const void *const host[] = {a, b, NULL};
    turns_kernel kernel = {0};
    char spec[80];
    double error;
    snprintf(spec, sizeof spec, "matmul m=%d n=%d k=%d", s.m, s.n, s.k);
    bool ok = (a && b) || turns_fail(t, "out of memory");
    ok = ok && turns_make_kernel(t, spec, host, &kernel);
    peer p = {t, s, turns_buffer(&kernel, "a"), turns_buffer(&kernel, "b"),
              turns_buffer(&kernel, "c")};
    side sides[] = {{.work = turns_launch, .user = &kernel}, {.work = run_clblast, .user = &p}};
    ok = ok && compare(t, &kernel, &p, &error) && turns_take(t, sides, 2);
    if (ok) {
        const double gflop = 2e-9 * s.m * s.n * s.k;
        printf(t->raw ? "row\t%dx%dx%d\t%.4f\t%.4f\t%.2f\t%.2f\t%.4f\t%.2e\n"
                      : "%dx%dx%d: kiln %.3f ms, CLBlast %.3f ms; %.1f and %.1f GFLOP/s, ratio "
                        "%.3f, error %.1e\n",
               s.m, s.n, s.k, 1e3 * sides[0].median, 1e3 * sides[1].median, gflop / sides[0].median,
               gflop / sides[1].median, sides[1].median / sides[0].median, error);
        fflush(stdout);
    }
    turns_free_kernel(&kernel);
    free(a);
    free(b);
    return ok;
}

int main(int argc, char **argv)
{
    turns t;
    int status = turns_open(&t, "clblast", TURNS_SHAPE, argc, argv);
    bool ok = status == 0;
    if (ok) {
        turns_print_device(&t);
        for (size_t i = 0; i < t.num_shapes && ok; i++)
            ok = run_shape(&t, t.shapes[i]);
        CLBlastClearCache();
        status = ok ? 0 : 1;
    }
    turns_close(&t);
    return status;
}
