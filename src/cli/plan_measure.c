/* kiln plan --measure: runs the plans, in turns if the device has memory for all of them. */
#include "plan.h"
#include "tune_data.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEW_RUNS     3 /* if they are slow */
#define USUAL_RUNS   7
#define MANY_RUNS    41 /* if they are fast */
#define SLOW_SECONDS 10.0
#define FAST_SECONDS 1.0

typedef struct {
    cli_set *set;
    kiln_prepared_plan *prepared;
    kiln_arg *scalars;
    size_t num_scalars;
    double *steps;   /* of each run */
    double *seconds; /* of each run, each launch's */
    size_t runs, max_runs;
} runner;

typedef struct {
    cli_plan_result *result;
    kiln_context *context;
    cl_command_queue queue;
    cli_progress progress;
} measurement;

static int fail_cl(const char *call, cl_int code)
{
    cli_error("%s failed with %d", call, code);
    return CLI_FAILED;
}

/* ---- what tensors hold ------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), part = strlen(end);
    return length >= part && strcmp(text + length - part, end) == 0;
}

/* Of a size at which activations keep theirs. Moments are 0; positions are below seq, ids and
 * targets below vocab. */
static kiln_random choose_numbers(const measurement *m, const kiln_plan_tensor_info *tensor)
{
    const kiln_model_params *p = &m->result->params;
    kiln_random numbers = {.limit = strcmp(tensor->name, "positions") == 0 ? p->seq : p->vocab};
    if (tensor->role == KILN_ROLE_STATE && !ends_with(tensor->name, ".master"))
        return numbers;
    numbers.mean = strstr(tensor->name, "gamma") ? 1 : 0;
    numbers.deviation = tensor->role == KILN_ROLE_INPUT ? 1
                        : tensor->rank < 2              ? 0.1
                                                        : 1 / sqrt((double)tensor->extents[0]);
    return numbers;
}

static int fill_tensor(const measurement *m, const runner *r, const kiln_plan_tensor_info *tensor)
{
    kiln_tensor_place place;
    kiln_random numbers = choose_numbers(m, tensor);
    kiln_status status = kiln_prepared_tensor(r->prepared, tensor->name, &place);
    if (status != KILN_OK)
        return cli_fail(status);
    cl_int code = kiln_data_write(m->queue, place.buffer, place.offset,
                                  place.rows * place.row_bytes, tensor->dtype, &numbers);
    return code == CL_SUCCESS ? CLI_DONE : fail_cl("clEnqueueWriteBuffer", code);
}

/* Everything that a run reads and no launch writes first. */
static int fill_tensors(const measurement *m, const runner *r)
{
    int status = CLI_DONE;
    for (size_t i = 0; i < kiln_plan_num_tensors(r->set->plan) && status == CLI_DONE; i++) {
        kiln_plan_tensor_info tensor;
        kiln_status got = kiln_get_plan_tensor_info(r->set->plan, i, &tensor);
        if (got != KILN_OK)
            return cli_fail(got);
        bool given = tensor.role != KILN_ROLE_TEMPORARY && tensor.role != KILN_ROLE_OUTPUT;
        if (given && strcmp(tensor.stored, tensor.name) == 0)
            status = fill_tensor(m, r, &tensor);
    }
    return status;
}

/* ---- runs -------------------------------------------------------------------------------- */

static void choose_scalars(runner *r)
{
    static const struct {
        const char *name;
        double value;
    } known[] = {{"lr", 1e-4},  {"beta1", 0.9},        {"beta2", 0.95},
                 {"eps", 1e-8}, {"weight_decay", 0.1}, {"grad_scale", 1}};
    const char *name;
    for (size_t i = 0; (name = kiln_plan_scalar(r->set->plan, i)); i++) {
        double value = 1; /* max_norm, step */
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (strcmp(known[k].name, name) == 0)
                value = known[k].value;
        r->scalars = cli_need(realloc(r->scalars, (i + 1) * sizeof *r->scalars));
        r->scalars[r->num_scalars++] = kiln_scalar(name, value);
    }
}

static int run_once(const measurement *m, const runner *r, double *seconds)
{
    double start = kiln_seconds();
    kiln_status status =
        kiln_run_plan(r->prepared, m->queue, r->scalars, r->num_scalars, 0, NULL, NULL);
    cl_int code = clFinish(m->queue);
    *seconds = kiln_seconds() - start;
    if (status != KILN_OK)
        return cli_fail(status);
    return code == CL_SUCCESS ? CLI_DONE : fail_cl("clFinish", code);
}

/* One run for the step's time, one for the launches'. */
static int run_timed(const measurement *m, runner *r)
{
    size_t launches = r->set->cost.launches;
    if (r->runs == r->max_runs) {
        r->max_runs = 2 * r->max_runs + 8;
        r->steps = cli_need(realloc(r->steps, r->max_runs * sizeof *r->steps));
        r->seconds =
            cli_need(realloc(r->seconds, (r->max_runs * launches + 1) * sizeof *r->seconds));
    }
    int status = run_once(m, r, &r->steps[r->runs]);
    if (status != CLI_DONE)
        return status;
    kiln_status timed = kiln_time_plan(r->prepared, m->queue, r->scalars, r->num_scalars,
                                       &r->seconds[r->runs * launches]);
    r->runs++;
    return timed == KILN_OK ? CLI_DONE : cli_fail(timed);
}

static bool enough(const cli_options *options, size_t runs, double elapsed, size_t runners)
{
    double each = elapsed / (double)runners;
    if (options->repeat)
        return runs >= options->repeat;
    return runs >= MANY_RUNS || (runs >= USUAL_RUNS && each >= FAST_SECONDS) ||
           (runs >= FEW_RUNS && each >= SLOW_SECONDS);
}

/* ---- sums -------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return 0.5 * (values[(count - 1) / 2] + values[count / 2]);
}

static void summarise(runner *r)
{
    cli_set *set = r->set;
    double *of_one = cli_need(malloc(r->runs * sizeof *of_one));
    for (size_t i = 0; i < set->cost.launches; i++) {
        for (size_t run = 0; run < r->runs; run++)
            of_one[run] = r->seconds[run * set->cost.launches + i];
        set->launches[i].measured = median(of_one, r->runs);
    }
    free(of_one);
    set->measured_s = median(r->steps, r->runs);
    set->least_s = r->steps[0];
    set->runs = r->runs;
    set->measured = true;
}

/* ---- sets -------------------------------------------------------------------------------- */

/* A plan that the device has no memory for is no failure. */
static int start_runner(measurement *m, cli_set *set, runner *r)
{
    double warm;
    *r = (runner){.set = set};
    cli_show_progress(&m->progress, "%s: making kernels", set->name);
    kiln_status status = kiln_prepare_plan(m->context, set->plan, &r->prepared);
    if (status == KILN_UNSUPPORTED) {
        set->unmeasured = cli_need(kiln_strdup(kiln_last_error()));
        return CLI_DONE;
    }
    if (status != KILN_OK)
        return cli_fail(status);
    choose_scalars(r);
    cli_show_progress(&m->progress, "%s: filling tensors", set->name);
    int done = fill_tensors(m, r);
    cli_show_progress(&m->progress, "%s: first run", set->name);
    return done == CLI_DONE ? run_once(m, r, &warm) : done;
}

static void end_runner(runner *r)
{
    kiln_release_prepared_plan(r->prepared);
    free(r->scalars);
    free(r->steps);
    free(r->seconds);
}

/* Sets that take turns, so that what slows the machine down slows all of them. */
static int measure_together(measurement *m, cli_set *sets, size_t count)
{
    runner *runners = cli_need(calloc(count, sizeof *runners));
    int status = CLI_DONE;
    for (size_t i = 0; i < count && status == CLI_DONE; i++)
        status = start_runner(m, &sets[i], &runners[i]);
    kiln_flush_cache(m->context);
    double start = kiln_seconds();
    for (size_t run = 0; status == CLI_DONE; run++) {
        cli_show_progress(&m->progress, "%s%s: run %zu", sets[0].name, count > 1 ? ", ..." : "",
                          run + 1);
        if (enough(m->result->options, run, kiln_seconds() - start, count))
            break;
        for (size_t i = 0; i < count && status == CLI_DONE; i++)
            if (!sets[i].unmeasured)
                status = run_timed(m, &runners[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (status == CLI_DONE && runners[i].runs > 0)
            summarise(&runners[i]);
        end_runner(&runners[i]);
    }
    free(runners);
    return status;
}

/* Half of it, as a driver needs some for itself. */
static bool all_fit(const measurement *m)
{
    cl_ulong memory = 0;
    double sum = 0;
    clGetDeviceInfo(kiln_context_device(m->context), CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory,
                    &memory, NULL);
    for (size_t i = 0; i < m->result->num_sets; i++)
        sum += m->result->sets[i].cost.peak_bytes;
    return sum <= 0.5 * (double)memory;
}

int cli_measure_sets(cli_plan_result *result, kiln_context *context)
{
    measurement m = {.result = result, .context = context, .progress = cli_start_progress()};
    cl_int code;
    m.queue = clCreateCommandQueue(kiln_context_cl(context), kiln_context_device(context),
                                   CL_QUEUE_PROFILING_ENABLE, &code);
    if (code != CL_SUCCESS)
        return fail_cl("clCreateCommandQueue", code);
    int status = CLI_DONE;
    size_t together = all_fit(&m) ? result->num_sets : 1;
    for (size_t i = 0; i < result->num_sets && status == CLI_DONE; i += together)
        status = measure_together(&m, &result->sets[i], together);
    cli_end_progress(&m.progress);
    clReleaseCommandQueue(m.queue);
    return status;
}
