#include "turns.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_REPEAT = 10000 };

/* ---- the command line ---------------------------------------------------------------------- */

static int refuse(const turns *t, unsigned takes)
{
    fprintf(stderr, "usage: %s [--repeat N]%s%s [--raw]%s\n", t->program,
            takes & TURNS_SHAPE ? " [--shape MxNxK]" : "",
            takes & TURNS_ANY_CORE ? " [--any-core]" : "", takes & TURNS_SPECS ? " [SPEC...]" : "");
    return TURNS_REFUSED;
}

static bool parse_shape(const char *text, turns_shape *shape)
{
    int *const parts[] = {&shape->m, &shape->n, &shape->k};
    for (int i = 0; i < 3; i++) {
        char *end;
        long value = strtol(text, &end, 10);
        if (!isdigit((unsigned char)*text) || value < 1 || value > 16384 ||
            *end != (i < 2 ? 'x' : '\0'))
            return false;
        *parts[i] = (int)value;
        text = end + 1;
    }
    return true;
}

static int parse(turns *t, unsigned takes, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *end = NULL;
        if (takes & TURNS_SPECS && argv[i][0] != '-') {
            t->specs = (const char *const *)argv + i;
            t->num_specs = (size_t)(argc - i);
            break;
        } else if (takes & TURNS_ANY_CORE && strcmp(argv[i], "--any-core") == 0) {
            t->any_core = true;
        } else if (strcmp(argv[i], "--raw") == 0) {
            t->raw = true;
        } else if (strcmp(argv[i], "--repeat") == 0 && i + 1 < argc) {
            long repeat = strtol(argv[++i], &end, 10);
            if (!isdigit((unsigned char)*argv[i]) || *end || repeat < 1 || repeat > MAX_REPEAT) {
                fprintf(stderr, "%s: --repeat %s: must be an integer from 1 to %d\n", t->program,
                        argv[i], MAX_REPEAT);
                return TURNS_REFUSED;
            }
            t->repeat = (int)repeat;
        } else if (takes & TURNS_SHAPE && strcmp(argv[i], "--shape") == 0 && i + 1 < argc) {
            if (!parse_shape(argv[++i], &t->shapes[0])) {
                fprintf(stderr, "%s: --shape %s: must be MxNxK, each from 1 to 16384\n", t->program,
                        argv[i]);
                return TURNS_REFUSED;
            }
            t->num_shapes = 1;
        } else {
            return refuse(t, takes);
        }
    }
    return 0;
}

int turns_open(turns *t, const char *program, unsigned takes, int argc, char **argv)
{
    const kiln_context_params params = {.device_name = "cpu"};
    cl_int code;
    *t = (turns){
        .program = program,
        .repeat = 21,
        .shapes = {{512, 512, 512}, {1024, 1024, 1024}, {2048, 2048, 2048}, {512, 4096, 1024}},
        .num_shapes = 4,
    };
    int status = parse(t, takes, argc, argv);
    if (status)
        return status;
    if (kiln_create_context(&params, &t->context) != KILN_OK)
        return !turns_fail(t, kiln_last_error());
    t->queue = clCreateCommandQueue(kiln_context_cl(t->context), kiln_context_device(t->context), 0,
                                    &code);
    return code == CL_SUCCESS ? 0 : !turns_fail(t, "clCreateCommandQueue failed");
}

void turns_close(turns *t)
{
    if (t->queue)
        clReleaseCommandQueue(t->queue);
    kiln_release_context(t->context);
}

bool turns_fail(const turns *t, const char *what)
{
    fprintf(stderr, "%s: %s\n", t->program, what);
    return false;
}

void turns_print_device(const turns *t)
{
    char device[256] = "";
    cl_uint units = 0;
    cl_device_id id = kiln_context_device(t->context);
    clGetDeviceInfo(id, CL_DEVICE_NAME, sizeof device - 1, device, NULL);
    clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    printf(t->raw ? "device\t%s\nkiln\t%s\nunits\t%u\n" : "device %s, kiln %s, %u compute units\n",
           device, kiln_version(), units);
}

/* ---- time -------------------------------------------------------------------------------- */

double turns_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double turns_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return 0.5 * (values[(count - 1) / 2] + values[count / 2]);
}

static bool take_turn(side *s, int i)
{
    const struct timespec pause = {0, 60000000};
    nanosleep(&pause, NULL);
    if (s->prepare)
        s->prepare(s->user);
    if (!s->work(s->user))
        return false;
    double start = turns_seconds();
    if (!s->work(s->user))
        return false;
    s->seconds[i] = turns_seconds() - start;
    return true;
}

bool turns_take(const turns *t, side *sides, size_t count)
{
    bool ok = true;
    for (size_t s = 0; s < count; s++) {
        sides[s].seconds = malloc((size_t)t->repeat * sizeof(double));
        ok = sides[s].seconds && ok;
    }
    if (!ok)
        turns_fail(t, "out of memory");
    for (size_t s = 0; s < count && ok; s++)
        ok = sides[s].work(sides[s].user);
    kiln_flush_cache(t->context); /* else PoCL's compiler still runs */
    for (int i = 0; i < t->repeat && ok; i++)
        for (size_t s = 0; s < count && ok; s++)
            ok = take_turn(&sides[s], i);
    for (size_t s = 0; s < count; s++) {
        if (ok) {
            sides[s].median = turns_median(sides[s].seconds, (size_t)t->repeat);
            sides[s].least = sides[s].seconds[0];
        }
        free(sides[s].seconds);
    }
    return ok;
}

/* ---- numbers ----------------------------------------------------------------------------- */

float *turns_floats(size_t count, uint32_t seed)
{
    float *to = malloc(count * sizeof *to);
    for (size_t i = 0; to && i < count; i++) {
        seed = seed * 1664525U + 1013904223U;
        to[i] = (float)(int32_t)seed * 0x1p-31F;
    }
    return to;
}

double turns_difference(const float *a, const float *b, size_t count)
{
    double sum = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(sum / size);
}

/* ---- kernels ----------------------------------------------------------------------------- */

static bool make_buffer(const turns *t, const kiln_arg_info *info, const void *host, cl_mem *buffer)
{
    const float zero = 0;
    cl_int code;
    *buffer =
        clCreateBuffer(kiln_context_cl(t->context), CL_MEM_READ_WRITE, info->bytes, NULL, &code);
    if (code == CL_SUCCESS)
        code = host ? clEnqueueWriteBuffer(t->queue, *buffer, CL_TRUE, 0, info->bytes, host, 0,
                                           NULL, NULL)
                    : clEnqueueFillBuffer(t->queue, *buffer, &zero, sizeof zero, 0, info->bytes, 0,
                                          NULL, NULL);
    return code == CL_SUCCESS || turns_fail(t, "there is no buffer");
}

bool turns_make_kernel(const turns *t, const char *spec, const void *const *host, turns_kernel *k)
{
    kiln_kernel_info about;
    kiln_arg_info info;
    *k = (turns_kernel){.turns = t};
    if (kiln_create_kernel(t->context, spec, &k->kernel) != KILN_OK ||
        kiln_get_kernel_info(k->kernel, &about) != KILN_OK)
        return turns_fail(t, kiln_last_error());
    if (about.num_args > TURNS_MAX_ARGS)
        return turns_fail(t, "too many arguments");
    for (size_t i = 0; i < about.num_args; i++) {
        if (kiln_get_arg_info(k->kernel, i, NULL, 0, &info) != KILN_OK)
            return turns_fail(t, kiln_last_error());
        cl_mem buffer = NULL;
        bool made = make_buffer(t, &info, host[i], &buffer);
        k->args[k->num_args++] = kiln_buffer(info.name, buffer);
        if (!made)
            return false;
    }
    return true;
}

void turns_free_kernel(turns_kernel *k)
{
    for (size_t i = 0; i < k->num_args; i++)
        if (k->args[i].buffer)
            clReleaseMemObject(k->args[i].buffer);
    kiln_release_kernel(k->kernel);
}

bool turns_launch(void *user)
{
    const turns_kernel *k = user;
    const turns *t = k->turns;
    if (kiln_launch(k->kernel, t->queue, k->args, k->num_args, 0, NULL, NULL) != KILN_OK)
        return turns_fail(t, kiln_last_error());
    return clFinish(t->queue) == CL_SUCCESS || turns_fail(t, "clFinish failed");
}

cl_mem turns_buffer(const turns_kernel *k, const char *name)
{
    for (size_t i = 0; i < k->num_args; i++)
        if (strcmp(k->args[i].name, name) == 0)
            return k->args[i].buffer;
    return NULL;
}

bool turns_read(const turns_kernel *k, const char *name, float *to, size_t count)
{
    return clEnqueueReadBuffer(k->turns->queue, turns_buffer(k, name), CL_TRUE, 0,
                               count * sizeof *to, to, 0, NULL, NULL) == CL_SUCCESS ||
           turns_fail(k->turns, "clEnqueueReadBuffer failed");
}
