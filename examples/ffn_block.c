/* The feed-forward block of a transformer, y = x + W2 gelu(W1 x + b1) + b2, by kiln's kernels: six
 * of them unfused, two of them fused, timed in turn and checked against double precision.
 *
 * Activations are rows, so with weights laid out [in,out] it is y = x + gelu(x W1 + b1) W2 + b2.
 * Buffers are used again where a kernel may work in place, which helps the unfused chain: the
 * comparison is with its better form. */
#include "ffn_block.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKED_ROWS = 16, EXIT_USAGE = 2 };

/* Keys of the buffers. */
enum { X, W1, B1, W2, B2, H, Y, NUM_BUFFERS };

typedef struct block {
    kiln_context *context;
    cl_command_queue queue;
    size_t bytes[NUM_BUFFERS];
    cl_mem buffers[NUM_BUFFERS];
    ffn_inputs inputs;
    ffn_reference reference;
    ffn_result result;
} block;

static bool fail(const char *what)
{
    ffn_progress(NULL, 0, 0);
    fprintf(stderr, "ffn_block: %s\n", what);
    return false;
}

static bool fail_cl(const char *call, cl_int code)
{
    ffn_progress(NULL, 0, 0);
    fprintf(stderr, "ffn_block: %s failed with %d\n", call, code);
    return false;
}

/* ---- device ------------------------------------------------------------------------------ */

static void log_warning(void *user, kiln_log_level level, const char *message)
{
    (void)user;
    if (level == KILN_LOG_WARNING)
        fprintf(stderr, "ffn_block: warning: %s\n", message);
}

static char *device_text(cl_device_id device, bool of_platform)
{
    cl_platform_id platform = NULL;
    size_t size = 0;
    clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL);
    if (of_platform)
        clGetPlatformInfo(platform, CL_PLATFORM_NAME, 0, NULL, &size);
    else
        clGetDeviceInfo(device, CL_DEVICE_NAME, 0, NULL, &size);
    char *text = calloc(size + 1, 1);
    if (text && of_platform)
        clGetPlatformInfo(platform, CL_PLATFORM_NAME, size, text, NULL);
    else if (text)
        clGetDeviceInfo(device, CL_DEVICE_NAME, size, text, NULL);
    return text;
}

static bool open_device(block *b)
{
    kiln_context_params params = {.device_name = b->result.options->device, .log = log_warning};
    if (kiln_create_context(&params, &b->context) != KILN_OK)
        return fail(kiln_last_error());
    cl_device_id device = kiln_context_device(b->context);
    cl_int code;
    b->queue = clCreateCommandQueue(kiln_context_cl(b->context), device, 0, &code);
    if (code != CL_SUCCESS)
        return fail_cl("clCreateCommandQueue", code);
    b->result.device = device_text(device, false);
    b->result.platform = device_text(device, true);
    clGetDeviceInfo(device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof b->result.compute_units,
                    &b->result.compute_units, NULL);
    return b->result.device && b->result.platform ? true : fail("out of memory");
}

/* Refuses what does not fit before anything is allocated. In double, as sizes may overflow. */
static bool plan_memory(block *b)
{
    static const char *const names[NUM_BUFFERS] = {"x", "W1", "b1", "W2", "b2", "h", "y"};
    const ffn_options *o = b->result.options;
    double tokens = (double)o->tokens, hidden = (double)o->hidden, ffn = (double)o->ffn;
    double elements[NUM_BUFFERS] = {tokens * hidden, hidden * ffn,   ffn, ffn * hidden, hidden,
                                    tokens * ffn,    tokens * hidden};
    cl_device_id device = kiln_context_device(b->context);
    cl_ulong memory = 0, largest = 0;
    cl_device_type type = 0;
    cl_int code = clGetDeviceInfo(device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory, &memory, NULL);
    if (code == CL_SUCCESS)
        code =
            clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof largest, &largest, NULL);
    if (code == CL_SUCCESS)
        code = clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    if (code != CL_SUCCESS)
        return fail_cl("clGetDeviceInfo", code);
    double host = 0;
    for (int i = 0; i < NUM_BUFFERS; i++) {
        double bytes = elements[i] * (double)ffn_dtype_size(o->dtype);
        if (bytes > (double)largest) {
            fprintf(stderr,
                    "ffn_block: %s needs %.1f MB, over the %.1f MB of the device's largest "
                    "buffer\n",
                    names[i], 1e-6 * bytes, 1e-6 * (double)largest);
            return false;
        }
        b->bytes[i] = (size_t)bytes;
        b->result.bytes += bytes;
        host += i < H ? bytes : 0;
    }
    b->result.device_bytes = (double)memory;
    /* A CPU's buffers lie beside the host's copies of the inputs and the reference. */
    host += 8 * CHECKED_ROWS * (ffn + 3 * hidden);
    double need = b->result.bytes + (type & CL_DEVICE_TYPE_CPU ? host : 0);
    if (need > (double)memory) {
        fprintf(stderr, "ffn_block: this needs %.1f MB of memory, and the device has %.1f MB\n",
                1e-6 * need, 1e-6 * (double)memory);
        return false;
    }
    return true;
}

static bool make_buffers(block *b)
{
    if (!ffn_make_inputs(b->result.options, &b->inputs))
        return fail("out of memory");
    const ffn_inputs *in = &b->inputs;
    void *host[NUM_BUFFERS] = {in->x, in->w1, in->b1, in->w2, in->b2, NULL, NULL};
    for (int i = 0; i < NUM_BUFFERS; i++) {
        cl_int code;
        b->buffers[i] = clCreateBuffer(kiln_context_cl(b->context), CL_MEM_READ_WRITE, b->bytes[i],
                                       NULL, &code);
        if (code != CL_SUCCESS)
            return fail_cl("clCreateBuffer", code);
        if (host[i])
            code = clEnqueueWriteBuffer(b->queue, b->buffers[i], CL_TRUE, 0, b->bytes[i], host[i],
                                        0, NULL, NULL);
        if (code != CL_SUCCESS)
            return fail_cl("clEnqueueWriteBuffer", code);
    }
    return true;
}

/* ---- kernels ----------------------------------------------------------------------------- */

/* Appends a launch of kernel; args are its buffers. */
static bool add_launch(ffn_chain *chain, kiln_kernel *kernel, const kiln_arg *args, size_t num_args)
{
    ffn_launch *launch = &chain->launches[chain->count++];
    kiln_cost cost;
    launch->kernel = kernel;
    launch->num_args = num_args;
    memcpy(launch->args, args, num_args * sizeof *args);
    if (kiln_get_kernel_info(kernel, &launch->info) != KILN_OK ||
        kiln_get_cost(kernel, NULL, 0, &cost) != KILN_OK)
        return fail(kiln_last_error());
    chain->cost.flops += cost.flops;
    chain->cost.bytes += cost.bytes;
    return true;
}

/* By its spec, the text that `kiln show` and the logs print. */
static bool add_by_spec(block *b, ffn_chain *chain, const char *name, const char *dimensions,
                        const kiln_arg *args, size_t num_args)
{
    const ffn_options *o = b->result.options;
    char spec[256];
    kiln_kernel *kernel;
    ffn_progress("creating kernels", chain->count, FFN_MAX_LAUNCHES);
    snprintf(spec, sizeof spec, "%s %s dtype=%s%s", name, dimensions, ffn_dtype_name(o->dtype),
             strcmp(name, "gelu") != 0       ? ""
             : o->approx == KILN_APPROX_TANH ? " approx=tanh"
                                             : " approx=none");
    if (kiln_create_kernel(b->context, spec, &kernel) != KILN_OK)
        return fail(kiln_last_error());
    return add_launch(chain, kernel, args, num_args);
}

static bool make_unfused(block *b, ffn_chain *chain)
{
    const ffn_options *o = b->result.options;
    const long long tokens = o->tokens, hidden = o->hidden, ffn = o->ffn;
    const cl_mem *buffers = b->buffers;
    const cl_mem h = buffers[H], y = buffers[Y];
    char up[96], down[96], wide[64], narrow[64];
    snprintf(up, sizeof up, "m=%lld n=%lld k=%lld", tokens, ffn, hidden);
    snprintf(down, sizeof down, "m=%lld n=%lld k=%lld", tokens, hidden, ffn);
    snprintf(wide, sizeof wide, "m=%lld n=%lld", tokens, ffn);
    snprintf(narrow, sizeof narrow, "m=%lld n=%lld", tokens, hidden);

    const kiln_arg product_1[] = {kiln_buffer("a", buffers[X]), kiln_buffer("b", buffers[W1]),
                                  kiln_buffer("c", h)};
    const kiln_arg bias_1[] = {kiln_buffer("x", h), kiln_buffer("bias", buffers[B1]),
                               kiln_buffer("y", h)};
    const kiln_arg activation[] = {kiln_buffer("x", h), kiln_buffer("y", h)};
    const kiln_arg product_2[] = {kiln_buffer("a", h), kiln_buffer("b", buffers[W2]),
                                  kiln_buffer("c", y)};
    const kiln_arg bias_2[] = {kiln_buffer("x", y), kiln_buffer("bias", buffers[B2]),
                               kiln_buffer("y", y)};
    const kiln_arg residual[] = {kiln_buffer("x", y), kiln_buffer("residual", buffers[X]),
                                 kiln_buffer("y", y)};
    chain->name = "unfused";
    return add_by_spec(b, chain, "matmul", up, product_1, 3) &&
           add_by_spec(b, chain, "bias_add", wide, bias_1, 3) &&
           add_by_spec(b, chain, "gelu", wide, activation, 2) &&
           add_by_spec(b, chain, "matmul", down, product_2, 3) &&
           add_by_spec(b, chain, "bias_add", narrow, bias_2, 3) &&
           add_by_spec(b, chain, "residual_add", narrow, residual, 3);
}

/* By the typed creators. */
static bool make_fused(block *b, ffn_chain *chain)
{
    const ffn_options *o = b->result.options;
    const cl_mem *buffers = b->buffers;
    const kiln_matmul_bias_gelu_params up = {
        .m = o->tokens, .n = o->ffn, .k = o->hidden, .dtype = o->dtype, .approx = o->approx};
    const kiln_matmul_bias_residual_params down = {
        .m = o->tokens, .n = o->hidden, .k = o->ffn, .dtype = o->dtype};
    const kiln_arg up_args[] = {kiln_buffer("a", buffers[X]), kiln_buffer("b", buffers[W1]),
                                kiln_buffer("bias", buffers[B1]), kiln_buffer("c", buffers[H])};
    const kiln_arg down_args[] = {kiln_buffer("a", buffers[H]), kiln_buffer("b", buffers[W2]),
                                  kiln_buffer("bias", buffers[B2]),
                                  kiln_buffer("residual", buffers[X]),
                                  kiln_buffer("c", buffers[Y])};
    kiln_kernel *kernel;
    chain->name = "fused";
    if (kiln_create_matmul_bias_gelu_kernel(b->context, &up, &kernel) != KILN_OK)
        return fail(kiln_last_error());
    if (!add_launch(chain, kernel, up_args, 4))
        return false;
    if (kiln_create_matmul_bias_residual_kernel(b->context, &down, &kernel) != KILN_OK)
        return fail(kiln_last_error());
    return add_launch(chain, kernel, down_args, 5);
}

/* ---- running ----------------------------------------------------------------------------- */

/* One step from an empty queue to an empty queue. */
static bool run_step(block *b, const ffn_chain *chain, double *seconds)
{
    double start = ffn_seconds();
    for (size_t i = 0; i < chain->count; i++) {
        const ffn_launch *launch = &chain->launches[i];
        if (kiln_launch(launch->kernel, b->queue, launch->args, launch->num_args, 0, NULL, NULL) !=
            KILN_OK)
            return fail(kiln_last_error());
    }
    cl_int code = clFinish(b->queue);
    *seconds = ffn_seconds() - start;
    return code == CL_SUCCESS ? true : fail_cl("clFinish", code);
}

/* The step whose result is checked. What it must write is NaN before. */
static bool run_first(block *b, ffn_chain *chain)
{
    const cl_uchar ones = 0xff;
    for (int i = H; i <= Y; i++) {
        cl_int code =
            clEnqueueFillBuffer(b->queue, b->buffers[i], &ones, 1, 0, b->bytes[i], 0, NULL, NULL);
        if (code != CL_SUCCESS)
            return fail_cl("clEnqueueFillBuffer", code);
    }
    cl_int code = clFinish(b->queue);
    if (code != CL_SUCCESS)
        return fail_cl("clFinish", code);
    ffn_progress("first step", 0, 1);
    if (!run_step(b, chain, &chain->first_s))
        return false;
    size_t row_bytes = b->inputs.hidden * ffn_dtype_size(b->inputs.dtype);
    chain->y = malloc(b->reference.rows * row_bytes);
    chain->seconds = malloc((size_t)b->result.options->repeat * sizeof *chain->seconds);
    if (!chain->y || !chain->seconds)
        return fail("out of memory");
    for (size_t i = 0; i < b->reference.rows; i++) {
        code =
            clEnqueueReadBuffer(b->queue, b->buffers[Y], CL_TRUE, b->reference.row[i] * row_bytes,
                                row_bytes, (char *)chain->y + i * row_bytes, 0, NULL, NULL);
        if (code != CL_SUCCESS)
            return fail_cl("clEnqueueReadBuffer", code);
    }
    chain->error = ffn_compare(&b->reference, chain->y, b->inputs.dtype);
    return true;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The chains take turns, so that what slows the machine down slows both. */
static bool run_timed(block *b)
{
    const size_t repeat = (size_t)b->result.options->repeat;
    ffn_chain *chains = b->result.chains;
    for (size_t i = 0; i < repeat; i++) {
        ffn_progress("timing", i, repeat);
        for (size_t c = 0; c < 2; c++)
            if (chains[c].count && !run_step(b, &chains[c], &chains[c].seconds[i]))
                return false;
    }
    for (size_t c = 0; c < 2; c++) {
        double *seconds = chains[c].seconds;
        if (!chains[c].count)
            continue;
        qsort(seconds, repeat, sizeof *seconds, compare_doubles);
        chains[c].median_s = 0.5 * (seconds[(repeat - 1) / 2] + seconds[repeat / 2]);
        chains[c].min_s = seconds[0];
        chains[c].max_s = seconds[repeat - 1];
    }
    return true;
}

static bool run(block *b)
{
    const ffn_options *o = b->result.options;
    ffn_chain *chains = b->result.chains;
    if (!make_buffers(b) || (o->unfused && !make_unfused(b, &chains[0])) ||
        (o->fused && !make_fused(b, &chains[1])))
        return false;
    if (!ffn_make_reference(&b->inputs, CHECKED_ROWS, &b->reference))
        return fail("out of memory");
    b->result.checked_rows = b->reference.rows;
    for (size_t c = 0; c < 2; c++)
        if (chains[c].count && !run_first(b, &chains[c]))
            return false;
    kiln_flush_cache(b->context);
    return run_timed(b);
}

/* False if a chain that ran is out of tolerance. */
static bool report_errors(const block *b)
{
    bool ok = true;
    for (size_t c = 0; c < 2; c++) {
        const ffn_chain *chain = &b->result.chains[c];
        if (!chain->count || chain->error.ok)
            continue;
        fprintf(stderr,
                "ffn_block: %s: the error %.3g (worst element %.3g) is out of the tolerance %g "
                "(%g)\n",
                chain->name, chain->error.norm, chain->error.worst, ffn_tolerance(b->inputs.dtype),
                FFN_WORST * ffn_tolerance(b->inputs.dtype));
        ok = false;
    }
    return ok;
}

static void clean_up(block *b)
{
    for (size_t c = 0; c < 2; c++) {
        ffn_chain *chain = &b->result.chains[c];
        for (size_t i = 0; i < chain->count; i++)
            kiln_release_kernel(chain->launches[i].kernel);
        free(chain->seconds);
        free(chain->y);
    }
    for (int i = 0; i < NUM_BUFFERS; i++)
        if (b->buffers[i])
            clReleaseMemObject(b->buffers[i]);
    if (b->queue)
        clReleaseCommandQueue(b->queue);
    kiln_release_context(b->context);
    ffn_free_reference(&b->reference);
    ffn_free_inputs(&b->inputs);
    free(b->result.device);
    free(b->result.platform);
}

int main(int argc, char **argv)
{
    ffn_options options = {.tokens = 512,
                           .hidden = 1024,
                           .ffn = 4096,
                           .repeat = 21,
                           .dtype = KILN_F32,
                           .approx = KILN_APPROX_NONE,
                           .unfused = true,
                           .fused = true};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            ffn_print_help();
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("ffn_block (kiln %s)\n", kiln_version());
            return 0;
        }
    }
    if (!ffn_parse_options(argv, &options))
        return EXIT_USAGE;

    block b = {.result.options = &options};
    int status = 1;
    ffn_progress("starting", 0, 1); /* two seconds count from here */
    if (open_device(&b)) {
        if (!plan_memory(&b)) {
            status = EXIT_USAGE;
        } else if (run(&b)) {
            ffn_progress(NULL, 0, 0);
            (options.json ? ffn_print_json : ffn_print_text)(&b.result);
            status = report_errors(&b) ? 0 : 1;
        }
    }
    clean_up(&b);
    if (fflush(stdout) != 0 || ferror(stdout))
        return 1;
    return status;
}
