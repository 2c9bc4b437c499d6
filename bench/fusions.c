/* Each fusion beside the chain of kernels that it replaces, at three shapes, taking turns in one
 * process. See bench/run. The device is the one that KILN_DEVICE names. */
#include <ctype.h>
#include <kiln.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_REPEAT = 10000, MAX_SHRINK = 64, HEAD = 64, EXIT_REFUSED = 2 };

/* ---- the chains -------------------------------------------------------------------------- */

typedef struct tensor {
    const char *name, *shape; /* letters: m, n, k, 2 for 2n, 3 for 3n */
    kiln_role role;
    bool f32; /* else of the dtype measured */
} tensor;

typedef struct launch {
    const char *spec, *args; /* $m, $n, $k, $h heads of 64 in n */
} launch;

typedef struct chain {
    const char *fusion;
    int64_t shapes[3][3]; /* m, n, k */
    tensor tensors[12];
    launch unfused[4];
    launch fused; /* spec NULL: what kiln_plan_fuse makes of the others */
} chain;

#define IN(name, shape)                                                                            \
    {                                                                                              \
        name, shape, KILN_ROLE_INPUT, false                                                        \
    }
#define TMP(name, shape)                                                                           \
    {                                                                                              \
        name, shape, KILN_ROLE_TEMPORARY, false                                                    \
    }
#define STAT(name)                                                                                 \
    {                                                                                              \
        name, "m", KILN_ROLE_TEMPORARY, true                                                       \
    }
#define OUT(name, shape)                                                                           \
    {                                                                                              \
        name, shape, KILN_ROLE_OUTPUT, false                                                       \
    }
#define PRODUCT(a, c)                                                                              \
    {                                                                                              \
        "matmul m=$m n=$n k=$k", "a=" a " b=b c=" c                                                \
    }
#define BIAS(x, y)                                                                                 \
    {                                                                                              \
        "bias_add m=$m n=$n", "x=" x " bias=bias y=" y                                             \
    }
/* Short K, the first product of a feed-forward block, an output projection. */
#define UP_SHAPES                                                                                  \
    {                                                                                              \
        {512, 4096, 256}, {512, 4096, 1024},                                                       \
        {                                                                                          \
            512, 1024, 1024                                                                        \
        }                                                                                          \
    }
#define DOWN_SHAPES                                                                                \
    {                                                                                              \
        {512, 4096, 256}, {512, 1024, 4096},                                                       \
        {                                                                                          \
            512, 1024, 1024                                                                        \
        }                                                                                          \
    }
#define ROW_SHAPES                                                                                 \
    {                                                                                              \
        {512, 1024, 1}, {512, 4096, 1},                                                            \
        {                                                                                          \
            2048, 4096, 1                                                                          \
        }                                                                                          \
    }

static const chain chains[] = {
    {"matmul_bias_gelu",
     UP_SHAPES,
     {IN("a", "mk"), IN("b", "kn"), IN("bias", "n"), TMP("t", "mn"), TMP("u", "mn"),
      OUT("c", "mn")},
     {PRODUCT("a", "t"), BIAS("t", "u"), {"gelu m=$m n=$n approx=tanh", "x=u y=c"}},
     {0}},
    {"matmul_bias_residual",
     DOWN_SHAPES,
     {IN("a", "mk"), IN("b", "kn"), IN("bias", "n"), IN("r", "mn"), TMP("t", "mn"), TMP("u", "mn"),
      OUT("c", "mn")},
     {PRODUCT("a", "t"), BIAS("t", "u"), {"residual_add m=$m n=$n", "x=u residual=r y=c"}},
     {0}},
    {"layernorm_matmul",
     UP_SHAPES,
     {IN("a", "mk"), IN("gamma", "k"), IN("beta", "k"), IN("b", "kn"), TMP("t", "mk"), STAT("mean"),
      STAT("rstd"), OUT("c", "mn")},
     {{"layernorm m=$m n=$k", "x=a gamma=gamma beta=beta y=t mean=mean rstd=rstd"},
      PRODUCT("t", "c")},
     {0}},
    /* Without an attention behind it kiln_plan_fuse has no place for this one. */
    {"qkv_projection",
     {{512, 1024, 256}, {512, 2048, 1024}, {512, 1024, 1024}},
     {IN("a", "mk"), IN("wq", "kn"), IN("wk", "kn"), IN("wv", "kn"), IN("w", "k3"), OUT("q", "mn"),
      OUT("k", "mn"), OUT("v", "mn")},
     {{"matmul m=$m n=$n k=$k", "a=a b=wq c=q"},
      {"matmul m=$m n=$n k=$k", "a=a b=wk c=k"},
      {"matmul m=$m n=$n k=$k", "a=a b=wv c=v"}},
     {"qkv_projection m=$m k=$k heads=$h kv_heads=$h head_dim=64", "a=a w=w q=q k=k v=v"}},
    {"gelu_matmul",
     DOWN_SHAPES,
     {IN("a", "mk"), IN("b", "kn"), TMP("t", "mk"), OUT("c", "mn")},
     {{"gelu m=$m n=$k approx=tanh", "x=a y=t"}, PRODUCT("t", "c")},
     {0}},
    {"rmsnorm_matmul",
     UP_SHAPES,
     {IN("a", "mk"), IN("gamma", "k"), IN("b", "kn"), TMP("t", "mk"), STAT("rstd"), OUT("c", "mn")},
     {{"rmsnorm m=$m n=$k", "x=a gamma=gamma y=t rstd=rstd"}, PRODUCT("t", "c")},
     {0}},
    {"matmul_swiglu",
     UP_SHAPES,
     {IN("a", "mk"), IN("b", "k2"), TMP("t", "m2"), OUT("c", "mn")},
     {{"matmul m=$m n=$2 k=$k", "a=a b=b c=t"}, {"swiglu m=$m n=$n layout=split", "x=t y=c"}},
     {0}},
    {"matmul_gelu_backward",
     UP_SHAPES,
     {IN("dy", "mk"), IN("w", "nk"), IN("x", "mn"), TMP("t", "mn"), OUT("dx", "mn"),
      OUT("dbias", "n")},
     {{"matmul_nt m=$m n=$n k=$k", "a=dy b=w c=t"},
      {"gelu_backward m=$m n=$n approx=tanh", "dy=t x=x dx=dx"},
      {"bias_backward m=$m n=$n", "dy=dx dbias=dbias"}},
     {0}},
    {"residual_layernorm",
     ROW_SHAPES,
     {IN("x", "mn"), IN("r", "mn"), IN("gamma", "n"), IN("beta", "n"), OUT("sum", "mn"),
      STAT("mean"), STAT("rstd"), OUT("y", "mn")},
     {{"residual_add m=$m n=$n", "x=x residual=r y=sum"},
      {"layernorm m=$m n=$n", "x=sum gamma=gamma beta=beta y=y mean=mean rstd=rstd"}},
     {0}},
    {"residual_rmsnorm",
     ROW_SHAPES,
     {IN("x", "mn"), IN("r", "mn"), IN("gamma", "n"), OUT("sum", "mn"), STAT("rstd"),
      OUT("y", "mn")},
     {{"residual_add m=$m n=$n", "x=x residual=r y=sum"},
      {"rmsnorm m=$m n=$n", "x=sum gamma=gamma y=y rstd=rstd"}},
     {0}},
};

/* ---- small things ------------------------------------------------------------------------ */

typedef struct bench {
    kiln_context *context;
    cl_command_queue queue;
    int repeat;
    int64_t shrink, grow, tokens; /* tokens: m of every shape; 0: as it stands here */
    const char *dtype;            /* NULL: both */
    bool raw;                     /* for bench/run: numbers between tabs, nothing else */
} bench;

static bool fail(const char *what)
{
    fprintf(stderr, "fusions: %s\n", what);
    return false;
}

static bool ok(kiln_status status)
{
    return status == KILN_OK || fail(kiln_last_error());
}

static double seconds(void)
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

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return 0.5 * (values[(count - 1) / 2] + values[count / 2]);
}

/* ---- plans ------------------------------------------------------------------------------- */

static int64_t number_of(char letter, const int64_t *mnk)
{
    return letter == 'm'   ? mnk[0]
           : letter == 'n' ? mnk[1]
           : letter == 'k' ? mnk[2]
           : letter == 'h' ? mnk[1] / HEAD
                           : (letter - '0') * mnk[1];
}

/* spec with each $ and the letter behind it replaced, and the dtype behind. */
static void expand(const char *spec, const int64_t *mnk, const char *dtype, char *out, size_t size)
{
    size_t length = 0;
    for (const char *at = spec; *at && length + 24 < size; at++) {
        if (*at != '$')
            out[length++] = *at;
        else
            length += (size_t)sprintf(out + length, "%lld", (long long)number_of(*++at, mnk));
    }
    snprintf(out + length, size - length, " dtype=%s", dtype);
}

static bool add_launch(kiln_plan *plan, const launch *of, const int64_t *mnk, const char *dtype)
{
    char spec[256];
    expand(of->spec, mnk, dtype, spec, sizeof spec);
    return ok(kiln_plan_add_launch(plan, spec, of->args));
}

static bool make_plan(const chain *c, const int64_t *mnk, const char *dtype, bool fused,
                      kiln_plan **plan)
{
    const kiln_dtype type = strcmp(dtype, "f32") == 0 ? KILN_F32 : KILN_BF16;
    if (!ok(kiln_create_plan(plan)))
        return false;
    for (const tensor *t = c->tensors; t->name; t++) {
        size_t rank = strlen(t->shape);
        int64_t extents[2] = {number_of(t->shape[0], mnk), number_of(t->shape[rank - 1], mnk)};
        if (!ok(kiln_plan_add_tensor(*plan, t->name, t->f32 ? KILN_F32 : type, rank, extents,
                                     t->role)))
            return false;
    }
    if (fused && c->fused.spec)
        return add_launch(*plan, &c->fused, mnk, dtype);
    for (size_t i = 0; i < sizeof c->unfused / sizeof *c->unfused && c->unfused[i].spec; i++)
        if (!add_launch(*plan, &c->unfused[i], mnk, dtype))
            return false;
    return !fused || ok(kiln_plan_fuse(*plan, c->fusion, NULL, 1));
}

/* Inputs between -1 and 1; bf16 is a float's upper half. */
static bool fill(const bench *b, const kiln_plan *plan, kiln_prepared_plan *prepared)
{
    uint32_t state = 1;
    bool done = true;
    for (size_t i = 0; i < kiln_plan_num_tensors(plan) && done; i++) {
        kiln_plan_tensor_info info;
        if (!ok(kiln_get_plan_tensor_info(plan, i, &info)))
            return false;
        if (info.role != KILN_ROLE_INPUT)
            continue;
        size_t size = info.dtype == KILN_F32 ? sizeof(float) : sizeof(uint16_t);
        char *data = malloc((size_t)info.bytes);
        if (!data)
            return fail("out of memory");
        for (size_t at = 0; at < info.bytes; at += size) {
            state = state * 1664525u + 1013904223u;
            float value = (float)(int32_t)state * 0x1p-31f;
            uint32_t bits;
            memcpy(&bits, &value, sizeof bits);
            uint16_t upper = (uint16_t)(bits >> 16);
            memcpy(data + at, size == sizeof value ? (void *)&value : (void *)&upper, size);
        }
        done = ok(kiln_write_tensor(prepared, b->queue, info.name, data, (size_t)info.bytes));
        free(data);
    }
    return done;
}

/* ---- measuring --------------------------------------------------------------------------- */

typedef struct side {
    kiln_plan *plan;
    kiln_prepared_plan *prepared;
    kiln_plan_cost cost;
    double *times;
} side;

static bool run_once(const bench *b, const side *s, double *taken)
{
    double start = seconds();
    bool done = ok(kiln_run_plan(s->prepared, b->queue, NULL, 0, 0, NULL, NULL));
    done = done && (clFinish(b->queue) == CL_SUCCESS || fail("clFinish failed"));
    *taken = seconds() - start;
    return done;
}

static bool prepare(const bench *b, side *s)
{
    s->times = malloc((size_t)b->repeat * sizeof *s->times);
    return (s->times || fail("out of memory")) && ok(kiln_get_plan_cost(s->plan, NULL, &s->cost)) &&
           ok(kiln_prepare_plan(b->context, s->plan, &s->prepared)) &&
           fill(b, s->plan, s->prepared);
}

/* Each is run once more before it is timed, so that neither starts with what the other left. */
static bool time_sides(const bench *b, side *sides)
{
    double warm;
    bool done = run_once(b, &sides[0], &warm) && run_once(b, &sides[1], &warm);
    if (done)
        kiln_flush_cache(b->context); /* else PoCL's compiler still runs */
    for (int i = 0; i < b->repeat && done; i++)
        for (int k = 0; k < 2 && done; k++)
            done = run_once(b, &sides[k], &warm) && run_once(b, &sides[k], &sides[k].times[i]);
    return done;
}

static void report(const bench *b, const chain *c, const int64_t *mnk, const char *dtype,
                   side *sides)
{
    double unfused = median(sides[0].times, b->repeat), fused = median(sides[1].times, b->repeat);
    char shape[64];
    snprintf(shape, sizeof shape, "%lld x %lld x %lld", (long long)mnk[0], (long long)mnk[1],
             (long long)mnk[2]);
    printf(b->raw ? "row\t%s\t%s\t%s\t%.4f\t%.4f\t%.4f\t%.4f\n"
                  : "%-22s %-18s %-5s %9.3f %9.3f  %6.3f %6.3f\n",
           c->fusion, shape, dtype, 1e3 * unfused, 1e3 * fused, unfused / fused,
           sides[1].cost.bytes / sides[0].cost.bytes);
    fflush(stdout);
}

static bool run_shape(const bench *b, const chain *c, const int64_t *full, const char *dtype)
{
    side sides[2] = {{0}};
    int64_t mnk[3];
    for (int i = 0; i < 3; i++)
        mnk[i] = full[i] == 1 ? 1 : b->grow * (full[i] > b->shrink ? full[i] / b->shrink : 1);
    mnk[0] = b->tokens ? b->tokens : mnk[0];
    bool done = make_plan(c, mnk, dtype, false, &sides[0].plan) &&
                make_plan(c, mnk, dtype, true, &sides[1].plan);
    if (done && kiln_plan_num_launches(sides[1].plan) != 1) {
        const char *note = kiln_plan_note(sides[1].plan, 0);
        static const chain *told; /* once of each */
        if (told != c)
            fprintf(stderr, "fusions: %s is left out: %s\n", c->fusion, note ? note : "no place");
        told = c;
    } else if (done) {
        done = prepare(b, &sides[0]) && prepare(b, &sides[1]) && time_sides(b, sides);
        if (done)
            report(b, c, mnk, dtype, sides);
    }
    for (int k = 0; k < 2; k++) {
        kiln_release_prepared_plan(sides[k].prepared);
        kiln_release_plan(sides[k].plan);
        free(sides[k].times);
    }
    return done;
}

/* ---- the program ------------------------------------------------------------------------- */

static bool run_all(bench *b)
{
    static const char *const dtypes[] = {"f32", "bf16"};
    cl_int code;
    cl_device_id device = kiln_context_device(b->context);
    char name[256] = "";
    b->queue = clCreateCommandQueue(kiln_context_cl(b->context), device, 0, &code);
    if (code != CL_SUCCESS)
        return fail("there is no queue");
    clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof name - 1, name, NULL);
    if (b->raw)
        printf("device\t%s\n", name);
    else
        printf("%-22s %-18s %-5s %9s %9s  %6s %6s   %s\n", "", "m x n x k", "dtype", "unfused",
               "fused ms", "time", "bytes", name);
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++)
        for (size_t d = 0; d < 2; d++)
            for (size_t s = 0; s < 3; s++)
                if ((!b->dtype || strcmp(b->dtype, dtypes[d]) == 0) &&
                    !run_shape(b, &chains[i], chains[i].shapes[s], dtypes[d]))
                    return false;
    return true;
}

static bool parse_number(const char *option, const char *text, long high, long *number)
{
    char *end;
    *number = strtol(text, &end, 10);
    if (isdigit((unsigned char)*text) && !*end && *number >= 1 && *number <= high)
        return true;
    fprintf(stderr, "fusions: %s %s: must be an integer from 1 to %ld\n", option, text, high);
    return false;
}

static bool parse(bench *b, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        long number = 0;
        if (strcmp(argv[i], "--raw") == 0) {
            b->raw = true;
            continue;
        }
        if (i + 1 < argc && strcmp(argv[i], "--dtype") == 0) {
            b->dtype = argv[++i];
            if (strcmp(b->dtype, "f32") != 0 && strcmp(b->dtype, "bf16") != 0) {
                fprintf(stderr, "fusions: --dtype %s: must be f32 or bf16\n", b->dtype);
                return false;
            }
            continue;
        }
        const bool repeat = strcmp(argv[i], "--repeat") == 0;
        const bool shrink = strcmp(argv[i], "--shrink") == 0;
        const bool grow = strcmp(argv[i], "--grow") == 0;
        if (i + 1 == argc || !(repeat || shrink || grow || strcmp(argv[i], "--tokens") == 0)) {
            fprintf(stderr,
                    "usage: fusions [--repeat N] [--tokens N] [--shrink N] [--grow N] "
                    "[--dtype f32|bf16] [--raw]\n"
                    "--shrink divides every size, to try the program out; --grow multiplies "
                    "them, for a GPU\n");
            return false;
        }
        if (!parse_number(argv[i], argv[i + 1],
                          repeat           ? MAX_REPEAT
                          : shrink || grow ? MAX_SHRINK
                                           : 1 << 20,
                          &number))
            return false;
        if (repeat)
            b->repeat = (int)number;
        else
            *(shrink ? &b->shrink : grow ? &b->grow : &b->tokens) = number;
        i++;
    }
    return true;
}

int main(int argc, char **argv)
{
    bench b = {.repeat = 21, .shrink = 1, .grow = 1};
    if (!parse(&b, argc, argv))
        return EXIT_REFUSED;
    bool done = ok(kiln_create_context(NULL, &b.context)) && run_all(&b);
    if (b.queue)
        clReleaseCommandQueue(b.queue);
    kiln_release_context(b.context);
    return done ? 0 : 1;
}
