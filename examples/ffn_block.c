/* The feed-forward block of a transformer, y = x + W2 gelu(W1 x + b1) + b2, as a plan of kiln's
 * kernels: six of them unfused, two of them fused, timed in turn and checked against double
 * precision. Activations are rows, so with weights laid out [in,out] it is
 * y = x + gelu(x W1 + b1) W2 + b2. */
#include "ffn_block.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKED_ROWS = 16, EXIT_USAGE = 2 };

typedef struct block {
    kiln_context *context;
    cl_command_queue queue;
    ffn_inputs inputs;
    ffn_reference reference;
    ffn_result result;
    bool refused; /* by the library: sizes that cannot be, or that the device has no memory for */
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

/* Whether a call of kiln's succeeded; its sentence is printed if not. */
static bool ok(block *b, kiln_status status)
{
    if (status == KILN_OK)
        return true;
    b->refused = status == KILN_INVALID_SPEC || status == KILN_INVALID_LAUNCH ||
                 status == KILN_INVALID_ARGUMENT || status == KILN_UNSUPPORTED;
    return fail(kiln_last_error());
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
    cl_ulong memory = 0;
    clGetDeviceInfo(device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory, &memory, NULL);
    b->result.device_bytes = (double)memory;
    return b->result.device && b->result.platform ? true : fail("out of memory");
}

/* ---- plans ------------------------------------------------------------------------------- */

static bool add_tensor(block *b, kiln_plan *plan, const char *name, kiln_role role, int64_t rows,
                       int64_t columns)
{
    const int64_t extents[] = {rows, columns};
    bool vector = rows == 0;
    return ok(b, kiln_plan_add_tensor(plan, name, b->result.options->dtype, vector ? 1 : 2,
                                      vector ? &columns : extents, role));
}

static bool add_tensors(block *b, kiln_plan *plan)
{
    const ffn_options *o = b->result.options;
    const int64_t tokens = o->tokens, hidden = o->hidden, ffn = o->ffn;
    return add_tensor(b, plan, "x", KILN_ROLE_INPUT, tokens, hidden) &&
           add_tensor(b, plan, "w1", KILN_ROLE_PARAMETER, hidden, ffn) &&
           add_tensor(b, plan, "b1", KILN_ROLE_PARAMETER, 0, ffn) &&
           add_tensor(b, plan, "w2", KILN_ROLE_PARAMETER, ffn, hidden) &&
           add_tensor(b, plan, "b2", KILN_ROLE_PARAMETER, 0, hidden) &&
           add_tensor(b, plan, "up", KILN_ROLE_TEMPORARY, tokens, ffn) &&
           add_tensor(b, plan, "pre", KILN_ROLE_TEMPORARY, tokens, ffn) &&
           add_tensor(b, plan, "h", KILN_ROLE_TEMPORARY, tokens, ffn) &&
           add_tensor(b, plan, "down", KILN_ROLE_TEMPORARY, tokens, hidden) &&
           add_tensor(b, plan, "f", KILN_ROLE_TEMPORARY, tokens, hidden) &&
           add_tensor(b, plan, "y", KILN_ROLE_OUTPUT, tokens, hidden);
}

/* By its spec, the text that `kiln show` and the logs print. m is the tokens; k is 0 where a
 * kernel has none. */
static bool add_launch(block *b, kiln_plan *plan, const char *kernel, int64_t n, int64_t k,
                       const char *args)
{
    const ffn_options *o = b->result.options;
    char spec[256], of_k[32] = "";
    if (k)
        snprintf(of_k, sizeof of_k, " k=%lld", (long long)k);
    snprintf(spec, sizeof spec, "%s m=%lld n=%lld%s dtype=%s%s", kernel, (long long)o->tokens,
             (long long)n, of_k, ffn_dtype_name(o->dtype),
             strcmp(kernel, "gelu") != 0     ? ""
             : o->approx == KILN_APPROX_TANH ? " approx=tanh"
                                             : " approx=none");
    return ok(b, kiln_plan_add_launch(plan, spec, args));
}

/* The unfused plan, which fusions rewrite. */
static bool make_plan(block *b, const char *fusions, kiln_plan **plan)
{
    const int64_t hidden = b->result.options->hidden, ffn = b->result.options->ffn;
    return ok(b, kiln_create_plan(plan)) && add_tensors(b, *plan) &&
           add_launch(b, *plan, "matmul", ffn, hidden, "a=x b=w1 c=up") &&
           add_launch(b, *plan, "bias_add", ffn, 0, "x=up bias=b1 y=pre") &&
           add_launch(b, *plan, "gelu", ffn, 0, "x=pre y=h") &&
           add_launch(b, *plan, "matmul", hidden, ffn, "a=h b=w2 c=down") &&
           add_launch(b, *plan, "bias_add", hidden, 0, "x=down bias=b2 y=f") &&
           add_launch(b, *plan, "residual_add", hidden, 0, "x=f residual=x y=y") &&
           ok(b, kiln_plan_fuse(*plan, fusions, NULL, 0));
}

/* The plan's kernels, for what there is to tell of them; equal specs share one. */
static bool find_kernels(block *b, ffn_chain *chain)
{
    chain->count = kiln_plan_num_launches(chain->plan);
    for (size_t i = 0; i < chain->count; i++) {
        kiln_plan_launch_info launch;
        if (!ok(b, kiln_get_plan_launch_info(chain->plan, i, NULL, &launch)) ||
            !ok(b, kiln_create_kernel(b->context, launch.spec, &chain->kernels[i])) ||
            !ok(b, kiln_get_kernel_info(chain->kernels[i], &chain->infos[i])))
            return false;
    }
    return true;
}

static bool make_chain(block *b, ffn_chain *chain, const char *name, const char *fusions)
{
    chain->name = name;
    ffn_progress("creating kernels", 0, 1);
    if (!make_plan(b, fusions, &chain->plan) ||
        !ok(b, kiln_get_plan_cost(chain->plan, NULL, &chain->cost)) ||
        !ok(b, kiln_prepare_plan(b->context, chain->plan, &chain->prepared)))
        return false;
    b->result.bytes += chain->cost.peak_bytes;
    return find_kernels(b, chain);
}

/* Tensors are dense, whatever fusion made of them. */
static bool write_inputs(block *b, const ffn_chain *chain)
{
    const ffn_inputs *in = &b->inputs;
    const size_t size = ffn_dtype_size(in->dtype);
    const struct {
        const char *name;
        const void *data;
        size_t elements;
    } tensors[] = {{"x", in->x, in->tokens * in->hidden},
                   {"w1", in->w1, in->hidden * in->ffn},
                   {"b1", in->b1, in->ffn},
                   {"w2", in->w2, in->ffn * in->hidden},
                   {"b2", in->b2, in->hidden}};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        if (!ok(b, kiln_write_tensor(chain->prepared, b->queue, tensors[i].name, tensors[i].data,
                                     tensors[i].elements * size)))
            return false;
    return true;
}

/* ---- running ----------------------------------------------------------------------------- */

/* One step from an empty queue to an empty queue. */
static bool run_step(block *b, const ffn_chain *chain, double *seconds)
{
    double start = ffn_seconds();
    if (!ok(b, kiln_run_plan(chain->prepared, b->queue, NULL, 0, 0, NULL, NULL)))
        return false;
    cl_int code = clFinish(b->queue);
    *seconds = ffn_seconds() - start;
    return code == CL_SUCCESS ? true : fail_cl("clFinish", code);
}

/* The step whose result is checked. What it must write is NaN before. */
static bool run_first(block *b, ffn_chain *chain)
{
    size_t row_bytes = b->inputs.hidden * ffn_dtype_size(b->inputs.dtype);
    size_t bytes = b->inputs.tokens * row_bytes;
    chain->seconds = malloc((size_t)b->result.options->repeat * sizeof *chain->seconds);
    chain->y = malloc(bytes);
    if (!chain->y || !chain->seconds)
        return fail("out of memory");
    memset(chain->y, 0xff, bytes);
    ffn_progress("first step", 0, 1);
    if (!write_inputs(b, chain) ||
        !ok(b, kiln_write_tensor(chain->prepared, b->queue, "y", chain->y, bytes)) ||
        !run_step(b, chain, &chain->first_s) ||
        !ok(b, kiln_read_tensor(chain->prepared, b->queue, "y", chain->y, bytes)))
        return false;
    for (size_t i = 0; i < b->reference.rows; i++)
        memmove((char *)chain->y + i * row_bytes,
                (char *)chain->y + b->reference.row[i] * row_bytes, row_bytes);
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

static bool make_chains(block *b)
{
    const ffn_options *o = b->result.options;
    ffn_chain *chains = b->result.chains;
    return (!o->unfused || make_chain(b, &chains[0], "unfused", "none")) &&
           (!o->fused || make_chain(b, &chains[1], "fused", o->fused));
}

static bool run(block *b)
{
    ffn_chain *chains = b->result.chains;
    if (!ffn_make_inputs(b->result.options, &b->inputs) ||
        !ffn_make_reference(&b->inputs, CHECKED_ROWS, &b->reference))
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
    bool within = true;
    for (size_t c = 0; c < 2; c++) {
        const ffn_chain *chain = &b->result.chains[c];
        if (!chain->count || chain->error.ok)
            continue;
        fprintf(stderr,
                "ffn_block: %s: the error %.3g (worst element %.3g) is out of the tolerance %g "
                "(%g)\n",
                chain->name, chain->error.norm, chain->error.worst, ffn_tolerance(b->inputs.dtype),
                FFN_WORST * ffn_tolerance(b->inputs.dtype));
        within = false;
    }
    return within;
}

static void clean_up(block *b)
{
    for (size_t c = 0; c < 2; c++) {
        ffn_chain *chain = &b->result.chains[c];
        for (size_t i = 0; i < FFN_MAX_LAUNCHES; i++)
            kiln_release_kernel(chain->kernels[i]);
        kiln_release_prepared_plan(chain->prepared);
        kiln_release_plan(chain->plan);
        free(chain->seconds);
        free(chain->y);
    }
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
                           .fused = FFN_TOP2};
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
    if (open_device(&b) && make_chains(&b) && run(&b)) {
        ffn_progress(NULL, 0, 0);
        (options.json ? ffn_print_json : ffn_print_text)(&b.result);
        status = report_errors(&b) ? 0 : 1;
    } else if (b.refused) {
        status = EXIT_USAGE;
    }
    clean_up(&b);
    if (fflush(stdout) != 0 || ferror(stdout))
        return 1;
    return status;
}
