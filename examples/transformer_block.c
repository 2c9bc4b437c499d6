/* One layer of a transformer, forward and backward, from its shapes: kiln makes the plan, fusion
 * rewrites it, and the fused plan's outputs and gradients are compared with the unfused one's. Both
 * are timed, in turns. */
#include <ctype.h>
#include <kiln.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DONE, FAILED, REFUSED };

typedef struct options {
    int64_t batch, seq, hidden, heads, kv_heads, ffn, repeat;
    const char *style, *dtype, *fusions, *device;
} options;

typedef struct variant {
    const char *name, *fusions;
    kiln_plan *plan;
    kiln_prepared_plan *prepared;
    kiln_plan_cost cost;
    double least; /* seconds of a run */
} variant;

static int fail(const char *what)
{
    fprintf(stderr, "transformer_block: %s\n", what);
    return FAILED;
}

static int check(kiln_status status)
{
    if (status == KILN_OK)
        return DONE;
    fail(kiln_last_error());
    return status == KILN_INVALID_ARGUMENT || status == KILN_INVALID_SPEC ||
                   status == KILN_UNSUPPORTED
               ? REFUSED
               : FAILED;
}

static const char usage[] =
    "usage: transformer_block [--style gpt|llama] [--batch N] [--seq N] [--hidden N] [--heads N]\n"
    "                         [--kv-heads N] [--ffn N] [--dtype f32|bf16] [--fusions SET]\n"
    "                         [--repeat N] [--device NAME]\n\n"
    "One layer of a transformer, forward and backward, fused and unfused. gpt has LayerNorm,\n"
    "biases and GELU, llama RMSNorm, SwiGLU and RoPE. SET is top3, top5, all or fused kernels\n"
    "separated by commas. Exit status: 0 done, 1 failed or out of tolerance, 2 refused.\n";

static int refuse(const char *option, const char *why)
{
    fprintf(stderr, "transformer_block: %s %s\n", option, why);
    return REFUSED;
}

static int parse(char **argv, options *o)
{
    const struct {
        const char *name;
        int64_t *number;
        const char **text;
    } known[] = {{"--batch", &o->batch, NULL},   {"--seq", &o->seq, NULL},
                 {"--hidden", &o->hidden, NULL}, {"--heads", &o->heads, NULL},
                 {"--ffn", &o->ffn, NULL},       {"--kv-heads", &o->kv_heads, NULL},
                 {"--repeat", &o->repeat, NULL}, {"--style", NULL, &o->style},
                 {"--dtype", NULL, &o->dtype},   {"--fusions", NULL, &o->fusions},
                 {"--device", NULL, &o->device}};
    for (char **at = argv + 1; *at; at += 2) {
        size_t i = 0, count = sizeof known / sizeof *known;
        char nothing[] = "", *end = nothing;
        while (i < count && strcmp(known[i].name, *at) != 0)
            i++;
        if (i == count || !at[1])
            return refuse(*at, i == count ? "is no option; --help lists them" : "needs a value");
        if (known[i].text)
            *known[i].text = at[1];
        else
            *known[i].number = isdigit((unsigned char)*at[1]) ? strtoll(at[1], &end, 10) : 0;
        if (known[i].number && (*end || *known[i].number < 1 || *known[i].number > 1 << 20))
            return refuse(*at, "must be an integer from 1 to 1048576");
    }
    if (strcmp(o->style, "gpt") != 0 && strcmp(o->style, "llama") != 0)
        return refuse("--style", "must be gpt or llama");
    bool known_dtype = strcmp(o->dtype, "f32") == 0 || strcmp(o->dtype, "bf16") == 0;
    return known_dtype ? DONE : refuse("--dtype", "must be f32 or bf16");
}

static int make_plan(const options *o, kiln_context *context, variant *v)
{
    const bool llama = strcmp(o->style, "llama") == 0;
    const kiln_model_params params = {.batch = o->batch,
                                      .seq = o->seq,
                                      .hidden = o->hidden,
                                      .ffn = o->ffn,
                                      .heads = o->heads,
                                      .kv_heads = o->kv_heads,
                                      .dtype = strcmp(o->dtype, "f32") == 0 ? KILN_F32 : KILN_BF16,
                                      .activation = llama ? "swiglu" : "gelu_tanh",
                                      .norm = llama ? "rmsnorm" : "layernorm",
                                      .bias = llama ? "none" : "all",
                                      .positions = llama ? "rope" : "none",
                                      .backward = 1};
    int status = check(kiln_create_model_plan(&params, &v->plan));
    if (status == DONE)
        status = check(kiln_plan_fuse(v->plan, v->fusions, NULL, 0));
    if (status == DONE)
        status = check(kiln_get_plan_cost(v->plan, NULL, &v->cost));
    return status == DONE ? check(kiln_prepare_plan(context, v->plan, &v->prepared)) : status;
}

/* bf16 is a float's upper half; cutting it off is as random as rounding. */
static void make_numbers(const kiln_plan_tensor_info *tensor, int64_t seq, void *data)
{
    uint32_t state = 1;
    size_t count = (size_t)tensor->bytes / (tensor->dtype == KILN_BF16 ? 2 : 4);
    for (const char *c = tensor->name; *c; c++)
        state = 31 * state + (unsigned char)*c;
    bool gamma = strstr(tensor->name, "gamma"), input = tensor->role == KILN_ROLE_INPUT;
    float size = input ? 1.7f : tensor->rank < 2 ? 0.2f : 1.7f / sqrtf((float)tensor->extents[0]);
    for (size_t i = 0; i < count; i++) {
        state = 1664525 * state + 1013904223;
        float value = (gamma ? 1 : 0) + size * (float)(int32_t)state * 0x1p-31f;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        if (tensor->dtype == KILN_I32)
            ((int32_t *)data)[i] = (int32_t)((int64_t)i % seq);
        else if (tensor->dtype == KILN_F32)
            ((float *)data)[i] = value;
        else
            ((uint16_t *)data)[i] = (uint16_t)(bits >> 16);
    }
}

static double number_at(const kiln_plan_tensor_info *tensor, const void *data, size_t i)
{
    uint32_t bits;
    float value;
    if (tensor->dtype == KILN_BF16)
        bits = (uint32_t)((const uint16_t *)data)[i] << 16;
    else
        memcpy(&bits, (const float *)data + i, sizeof bits);
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The same numbers for both: a tensor that fusion merged into another one still has its name. */
static int write_inputs(const options *o, cl_command_queue queue, const variant *v)
{
    int status = DONE;
    for (size_t i = 0; i < kiln_plan_num_tensors(v->plan) && status == DONE; i++) {
        kiln_plan_tensor_info tensor;
        status = check(kiln_get_plan_tensor_info(v[0].plan, i, &tensor));
        bool given = tensor.role == KILN_ROLE_INPUT || tensor.role == KILN_ROLE_PARAMETER;
        if (status != DONE || !given)
            continue;
        void *data = malloc((size_t)tensor.bytes);
        if (!data)
            return fail("out of memory");
        make_numbers(&tensor, o->seq, data);
        for (int k = 0; k < 2 && status == DONE; k++)
            status = check(
                kiln_write_tensor(v[k].prepared, queue, tensor.name, data, (size_t)tensor.bytes));
        free(data);
    }
    return status;
}

/* ||fused - unfused|| and ||unfused||. */
static int difference(cl_command_queue queue, const variant *v, const kiln_plan_tensor_info *tensor,
                      double *of, double *norm)
{
    size_t bytes = (size_t)tensor->bytes, count = bytes / (tensor->dtype == KILN_F32 ? 4 : 2);
    void *data[] = {malloc(bytes), malloc(bytes)};
    int status = data[0] && data[1] ? DONE : fail("out of memory");
    for (int k = 0; k < 2 && status == DONE; k++)
        status = check(kiln_read_tensor(v[k].prepared, queue, tensor->name, data[k], bytes));
    *of = *norm = 0;
    for (size_t i = 0; i < count && status == DONE; i++) {
        double x = number_at(tensor, data[0], i), y = number_at(tensor, data[1], i);
        *of += (y - x) * (y - x);
        *norm += x * x;
    }
    *of = sqrt(*of);
    *norm = sqrt(*norm);
    free(data[0]);
    free(data[1]);
    return status;
}

/* Every output: y, dx and the parameters' gradients. Without rope k's bias shifts a row of scores
 * by a constant: its gradient is 0 but for rounding, and is compared beside q's. */
static int compare(const options *o, cl_command_queue queue, const variant *v)
{
    const double tolerance = strcmp(o->dtype, "f32") == 0 ? 2e-5 : 2e-2;
    double worst = 0, of, norm, norm_q = 0;
    char name[64] = "";
    size_t outputs = 0;
    for (size_t i = 0; i < kiln_plan_num_tensors(v->plan) && !isnan(worst); i++) {
        kiln_plan_tensor_info tensor;
        int status = check(kiln_get_plan_tensor_info(v->plan, i, &tensor));
        if (status == DONE && tensor.role != KILN_ROLE_OUTPUT)
            continue;
        if (status == DONE)
            status = difference(queue, v, &tensor, &of, &norm);
        if (status != DONE)
            return status;
        norm_q = strcmp(tensor.name, "layer0.bq.grad") == 0 ? norm : norm_q;
        norm = strcmp(tensor.name, "layer0.bk.grad") == 0 ? fmax(norm, norm_q) : norm;
        outputs++;
        if (!(of / norm <= worst)) { /* NaN, too */
            worst = of / norm;
            snprintf(name, sizeof name, "%s", tensor.name);
        }
    }
    bool within = worst <= tolerance && outputs > 0;
    printf("\n%zu outputs and gradients, fused against unfused: at most %.2e apart%s%s, %s the "
           "tolerance of %g\n",
           outputs, worst, *name ? " in " : "", name, within ? "within" : "OUT OF", tolerance);
    return within ? DONE : FAILED;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int run(const options *o, kiln_context *context, cl_command_queue queue, variant *v)
{
    for (int64_t r = -1; r < o->repeat; r++) { /* the first is no measurement */
        for (int k = 0; k < 2; k++) {
            double start = now();
            int status = check(kiln_run_plan(v[k].prepared, queue, NULL, 0, 0, NULL, NULL));
            if (status != DONE || clFinish(queue) != CL_SUCCESS)
                return status != DONE ? status : fail("clFinish failed");
            v[k].least = r < 0 ? INFINITY : fmin(v[k].least, now() - start);
        }
        if (r < 0)
            kiln_flush_cache(context);
    }
    return DONE;
}

static void report(const options *o, const variant *v)
{
    const char *note;
    printf("%s layer, %lld sequences of %lld, hidden %lld, %lld heads on %lld, ffn %lld, %s\n\n",
           o->style, (long long)o->batch, (long long)o->seq, (long long)o->hidden,
           (long long)o->heads, (long long)o->kv_heads, (long long)o->ffn, o->dtype);
    printf("         launches  kernels   moved MB    peak MB      GFLOP   least ms\n");
    for (int k = 0; k < 2; k++)
        printf("%-8s %8zu %8zu %10.2f %10.2f %10.3f %10.3f\n", v[k].name, v[k].cost.launches,
               v[k].cost.distinct_kernels, 1e-6 * v[k].cost.bytes, 1e-6 * v[k].cost.peak_bytes,
               1e-9 * v[k].cost.flops, 1e3 * v[k].least);
    for (size_t i = 0; (note = kiln_plan_note(v[1].plan, i)); i++)
        printf("note: %s\n", note);
}

int main(int argc, char **argv)
{
    options o = {2, 64, 256, 4, 0, 1024, 11, "gpt", "f32", "all", NULL};
    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        return fputs(usage, stdout) < 0;
    int status = parse(argv, &o);
    if (status != DONE)
        return status;
    o.kv_heads = o.kv_heads ? o.kv_heads : o.heads;
    variant v[] = {{.name = "unfused", .fusions = "none"}, {.name = "fused", .fusions = o.fusions}};
    kiln_context_params params = {.device_name = o.device};
    kiln_context *context = NULL;
    cl_command_queue queue = NULL;
    status = check(kiln_create_context(&params, &context));
    if (status == DONE)
        queue =
            clCreateCommandQueue(kiln_context_cl(context), kiln_context_device(context), 0, NULL);
    for (int k = 0; k < 2 && status == DONE; k++)
        status = queue ? make_plan(&o, context, &v[k]) : fail("there is no queue");
    if (status == DONE)
        status = write_inputs(&o, queue, v);
    if (status == DONE)
        status = run(&o, context, queue, v);
    if (status == DONE) {
        report(&o, v);
        status = compare(&o, queue, v);
    }
    for (int k = 0; k < 2; k++) {
        kiln_release_prepared_plan(v[k].prepared);
        kiln_release_plan(v[k].plan);
    }
    if (queue)
        clReleaseCommandQueue(queue);
    kiln_release_context(context);
    return status;
}
