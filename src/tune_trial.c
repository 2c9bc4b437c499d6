#include "tune_trial.h"
#include "device.h"
#include "tune_compare.h"
#include "tune_data.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bytes before and behind a tensor; a multiple of any device's alignment. */
#define GUARD 4096

/* Kernels kept built: those that are measured in turn at the end. */
#define SLOTS 6

/* A plain variant takes up to that many times the time of the one that is chosen. */
#define TRUSTED_SLOWER 50.0

/* What a measurement aims at: batches of launches, each about so long. */
#define BATCH_S     2e-3
#define MAX_BATCH   1000
#define MIN_SAMPLES 3
#define MAX_SAMPLES 9
#define ENOUGH_S    0.3
#define HOPELESS    2.0 /* times the best: one sample tells enough */
#define UNPROMISING 1.2 /* times the best: few do */

typedef struct {
    kiln_arg_info info;
    cl_mem buffer;
    size_t size;            /* of the buffer, guards included */
    unsigned char *trusted; /* the tensor as the trusted kernel leaves it */
} tensor;

typedef struct {
    kiln_candidate of;
    kiln_kernel *kernel; /* NULL: free */
    uint64_t used;
} slot;

struct kiln_trials {
    kiln_context *context;
    char *text;
    kiln_spec spec;
    int64_t dims[KILN_MAX_DIMS];
    double budget_s;
    cl_command_queue queue;
    kiln_candidate usual; /* the choice without tuning */
    tensor tensors[KILN_MAX_PARAMETERS];
    size_t num_tensors;
    kiln_arg args[KILN_MAX_PARAMETERS];
    size_t num_args, num_dims;
    slot slots[SLOTS];
    uint64_t clock;
    bool has_trusted;
    bool inputs_good; /* nothing that is wrong has run since they were written */
};

/* ---- kernels ----------------------------------------------------------------------------- */

static bool same_candidate(const kiln_candidate *a, const kiln_candidate *b)
{
    return a->variant == b->variant &&
           memcmp(a->values, b->values, kiln_num_tune(a->variant) * sizeof *a->values) == 0;
}

/* Belongs to trials. */
static kiln_status get_kernel(kiln_trials *t, const kiln_candidate *candidate, kiln_kernel **kernel)
{
    slot *oldest = &t->slots[0];
    for (size_t i = 0; i < SLOTS; i++) {
        slot *s = &t->slots[i];
        if (s->kernel && same_candidate(&s->of, candidate)) {
            s->used = ++t->clock;
            *kernel = s->kernel;
            return KILN_OK;
        }
        if (s->used < oldest->used)
            oldest = s;
    }
    kiln_status status = kiln_kernel_try(t->context, t->text, candidate, kernel);
    if (status != KILN_OK)
        return status;
    kiln_release_kernel(oldest->kernel);
    *oldest = (slot){*candidate, *kernel, ++t->clock};
    return KILN_OK;
}

/* ---- launches ---------------------------------------------------------------------------- */

/* Outputs hold NaN between NaN; what is read as well holds its numbers again. */
static kiln_status prepare(kiln_trials *t)
{
    static const cl_uint poison = 0xFFA5FFA5; /* NaN in every storage type */
    for (size_t i = 0; i < t->num_tensors; i++) {
        tensor *x = &t->tensors[i];
        if (!x->info.is_output && t->inputs_good)
            continue;
        cl_int code = clEnqueueFillBuffer(t->queue, x->buffer, &poison, sizeof poison, 0, x->size,
                                          0, NULL, NULL);
        if (code != CL_SUCCESS)
            return kiln_fail_cl("clEnqueueFillBuffer", code);
        if (!x->info.is_input)
            continue;
        const kiln_random numbers = kiln_data_numbers(&x->info, &t->spec, t->dims);
        code = kiln_data_write(t->queue, x->buffer, GUARD, x->info.bytes, x->info.dtype, &numbers);
        if (code != CL_SUCCESS)
            return kiln_fail_cl("clEnqueueWriteBuffer", code);
    }
    t->inputs_good = true;
    return KILN_OK;
}

static kiln_status launch(kiln_trials *t, kiln_kernel *kernel, size_t repeats, double *seconds)
{
    cl_event event = NULL;
    cl_int state = CL_COMPLETE;
    double start = kiln_seconds();
    for (size_t i = 0; i < repeats; i++) {
        kiln_status status = kiln_launch(kernel, t->queue, t->args, t->num_args, 0, NULL,
                                         i + 1 == repeats ? &event : NULL);
        if (status != KILN_OK)
            return status;
    }
    cl_int code = clFinish(t->queue);
    *seconds = (kiln_seconds() - start) / (double)repeats;
    if (code == CL_SUCCESS)
        clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    clReleaseEvent(event);
    if (code == CL_SUCCESS && state >= 0)
        return KILN_OK;
    return kiln_fail(KILN_OPENCL_ERROR, "%s: the run failed: %s (%d)", t->spec.row->name,
                     kiln_cl_error_name(code != CL_SUCCESS ? code : state),
                     code != CL_SUCCESS ? code : state);
}

static kiln_status read_back(kiln_trials *t, const tensor *x, size_t at, size_t bytes, void *to)
{
    cl_int code = clEnqueueReadBuffer(t->queue, x->buffer, CL_TRUE, at, bytes, to, 0, NULL, NULL);
    return code == CL_SUCCESS ? KILN_OK : kiln_fail_cl("clEnqueueReadBuffer", code);
}

/* ---- checking ---------------------------------------------------------------------------- */

static bool is_poison(const unsigned char *bytes, size_t count, size_t phase)
{
    static const unsigned char poison[4] = {0xa5, 0xff, 0xa5, 0xff};
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != poison[(i + phase) % 4])
            return false;
    return true;
}

static kiln_status check_guards(kiln_trials *t, const tensor *x, kiln_text *why)
{
    unsigned char guard[GUARD + 4];
    size_t end = GUARD + x->info.bytes, behind = x->size - end;
    kiln_status status = read_back(t, x, 0, GUARD, guard);
    if (status == KILN_OK && !is_poison(guard, GUARD, 0))
        kiln_text_addf(why, "it wrote in front of %s", x->info.name);
    if (status == KILN_OK)
        status = read_back(t, x, end, behind, guard);
    if (status == KILN_OK && !why->length && !is_poison(guard, behind, end))
        kiln_text_addf(why, "it wrote behind %s", x->info.name);
    return status;
}

/* Against the trusted outputs. why gets a sentence if they differ. */
static kiln_status check_outputs(kiln_trials *t, kiln_text *why)
{
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < t->num_tensors && status == KILN_OK && !why->length; i++) {
        tensor *x = &t->tensors[i];
        unsigned char *bytes = x->info.is_output ? malloc(x->info.bytes) : NULL;
        if (x->info.is_output && !bytes)
            return kiln_fail_memory();
        status = check_guards(t, x, why);
        if (status == KILN_OK && bytes && !why->length)
            status = read_back(t, x, GUARD, x->info.bytes, bytes);
        if (status == KILN_OK && bytes && !why->length)
            kiln_compare(&x->info, strstr(t->text, " compute=tf32") != NULL, x->trusted, bytes,
                         why);
        free(bytes);
    }
    return status;
}

/* ---- what is trusted --------------------------------------------------------------------- */

/* The spec's text without variant=. The caller frees it. */
static char *without_variant(const char *text)
{
    static const char word[] = " variant=";
    const char *found = strstr(text, word);
    kiln_text out = {0};
    if (!found)
        return kiln_strdup(text);
    size_t length = strlen(word) + strcspn(found + strlen(word), " ");
    kiln_text_add_bytes(&out, text, (size_t)(found - text));
    kiln_text_add(&out, found + length);
    return kiln_text_take(&out);
}

/* The usual choice of the row's last variant that is another than the chosen one. */
static kiln_status find_other(const kiln_trials *t, const kiln_spec *any, kiln_candidate *other,
                              bool *found)
{
    *found = false;
    for (size_t v = KILN_MAX_VARIANTS; v-- > 0 && !*found;) {
        const kiln_variant *variant = t->spec.row->variants[v];
        bool end = !variant || variant == t->usual.variant;
        for (size_t p = 0; !end && !*found; p++) {
            kiln_status status =
                kiln_choose_start(any, &t->context->facts, variant, p, other->values, found, &end);
            if (status != KILN_OK)
                return status;
            other->variant = variant;
        }
    }
    return KILN_OK;
}

static kiln_status keep_outputs(kiln_trials *t)
{
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < t->num_tensors && status == KILN_OK; i++) {
        tensor *x = &t->tensors[i];
        if (!x->info.is_output)
            continue;
        if (!x->trusted && !(x->trusted = malloc(x->info.bytes)))
            return kiln_fail_memory();
        status = read_back(t, x, GUARD, x->info.bytes, x->trusted);
    }
    return status;
}

static kiln_status run_other(kiln_trials *t, double usual_s, bool *done)
{
    kiln_candidate other = {0};
    kiln_spec any;
    kiln_kernel *kernel = NULL;
    double seconds;
    bool found;
    *done = false;
    char *text = without_variant(t->text);
    if (!text)
        return kiln_fail_memory();
    kiln_status status = kiln_spec_parse(text, &any);
    if (status == KILN_OK) {
        status = find_other(t, &any, &other, &found);
        if (status == KILN_OK && found && TRUSTED_SLOWER * usual_s <= 0.5 * t->budget_s) {
            status = kiln_kernel_try(t->context, text, &other, &kernel);
            if (status == KILN_OK)
                status = prepare(t);
            if (status == KILN_OK)
                status = launch(t, kernel, 1, &seconds);
            if (status == KILN_OK)
                status = keep_outputs(t);
            *done = status == KILN_OK;
            kiln_release_kernel(kernel);
        }
        kiln_spec_free(&any);
    }
    free(text);
    return status;
}

static kiln_status make_trusted(kiln_trials *t)
{
    kiln_kernel *kernel;
    double seconds = 0;
    bool done = false;
    kiln_status status = get_kernel(t, &t->usual, &kernel);
    if (status == KILN_OK)
        status = prepare(t);
    if (status == KILN_OK)
        status = launch(t, kernel, 1, &seconds);
    if (status == KILN_OK)
        status = keep_outputs(t);
    if (status == KILN_OK)
        status = launch(t, kernel, 1, &seconds); /* the first one may have compiled */
    if (status == KILN_OK && run_other(t, seconds, &done) != KILN_OK && !done) {
        kiln_log(t->context, KILN_LOG_INFO, "tuning %s: what another variant does is not known: %s",
                 t->text, kiln_last_error());
        status = prepare(t);
        if (status == KILN_OK)
            status = launch(t, kernel, 1, &seconds);
        if (status == KILN_OK)
            status = keep_outputs(t);
    }
    t->has_trusted = status == KILN_OK;
    return status;
}

/* ---- measuring --------------------------------------------------------------------------- */

static int compare_times(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The kernel has run before. */
static kiln_status measure(kiln_trials *t, kiln_kernel *kernel, double best, double *time)
{
    double samples[MAX_SAMPLES], start = kiln_seconds();
    size_t count = 0, batch = 1;
    kiln_status status = launch(t, kernel, 1, &samples[count++]);
    double least = samples[0];
    if (status == KILN_OK && least < BATCH_S) {
        batch = (size_t)(BATCH_S / fmax(least, 1e-6)) + 1;
        batch = batch < MAX_BATCH ? batch : MAX_BATCH;
        count = least > HOPELESS * best ? 1 : 0;
    }
    while (status == KILN_OK && count < MAX_SAMPLES) {
        bool known = count >= MIN_SAMPLES || (count > 0 && kiln_seconds() - start > ENOUGH_S);
        if ((count > 0 && least > HOPELESS * best) || (known && least > UNPROMISING * best) ||
            (known && kiln_seconds() - start > ENOUGH_S))
            break;
        status = launch(t, kernel, batch, &samples[count]);
        least = fmin(least, samples[count++]);
    }
    if (status != KILN_OK)
        return status;
    qsort(samples, count, sizeof *samples, compare_times);
    *time = count % 2 ? samples[count / 2] : 0.5 * (samples[count / 2 - 1] + samples[count / 2]);
    return KILN_OK;
}

static kiln_status check(kiln_trials *t, kiln_kernel *kernel, kiln_text *why)
{
    double seconds;
    kiln_status status = prepare(t);
    if (status == KILN_OK)
        status = launch(t, kernel, 1, &seconds);
    return status == KILN_OK ? check_outputs(t, why) : status;
}

kiln_status kiln_trials_measure(void *user, const kiln_candidate *candidate, bool checked,
                                double best, double *time, kiln_text *why)
{
    kiln_trials *t = user;
    kiln_kernel *kernel;
    *time = INFINITY;
    kiln_status status = t->has_trusted ? KILN_OK : make_trusted(t);
    if (status != KILN_OK)
        return status;
    status = get_kernel(t, candidate, &kernel);
    if (status == KILN_OK && checked)
        status = check(t, kernel, why);
    if (status == KILN_OK && !why->length)
        status = measure(t, kernel, best, time);
    t->inputs_good = t->inputs_good && status == KILN_OK && !why->length;
    if (status == KILN_OK || status == KILN_OUT_OF_MEMORY || status == KILN_CACHE_MISS)
        return status;
    kiln_text_add(why, kiln_last_error());
    *time = INFINITY;
    return KILN_OK;
}

/* ---- opening ----------------------------------------------------------------------------- */

static kiln_status add_tensor(kiln_trials *t, const kiln_arg_info *info)
{
    tensor *x = &t->tensors[t->num_tensors];
    cl_int code;
    if (info->bytes > SIZE_MAX / 2)
        return kiln_fail(KILN_INVALID_LAUNCH, "%s: %s of %zu bytes is impossible",
                         t->spec.row->name, info->name, info->bytes);
    x->info = *info;
    x->size = (GUARD + info->bytes + GUARD + 3) / 4 * 4;
    x->buffer = clCreateBuffer(t->context->cl, CL_MEM_READ_WRITE, x->size, NULL, &code);
    if (code != CL_SUCCESS) {
        x->buffer = NULL;
        return kiln_fail(KILN_OPENCL_ERROR, "%s: no buffer of %zu bytes for %s: %s (%d)",
                         t->spec.row->name, x->size, info->name, kiln_cl_error_name(code), code);
    }
    t->num_tensors++;
    t->args[t->num_args++] = kiln_buffer_at(info->name, x->buffer, GUARD);
    return KILN_OK;
}

static kiln_status add_arguments(kiln_trials *t, const kiln_kernel *kernel)
{
    const kiln_signature *signature = &kernel->generated.signature;
    for (size_t i = 0; i < signature->count; i++) {
        kiln_arg_info info;
        kiln_status status = kiln_get_arg_info(kernel, i, t->args, t->num_dims, &info);
        if (status != KILN_OK)
            return status;
        /* The kernel's strings go with it. */
        if (!(info.name = kiln_strdup(info.name)))
            return kiln_fail_memory();
        if (info.kind == KILN_ARG_BUFFER)
            status = add_tensor(t, &info);
        else if (info.kind == KILN_ARG_SCALAR)
            t->args[t->num_args++] = kiln_scalar(info.name, kiln_data_scalar(info.name));
        if (status != KILN_OK || info.kind == KILN_ARG_DIM)
            free((char *)(uintptr_t)info.name);
        if (status != KILN_OK)
            return status;
    }
    return KILN_OK;
}

static kiln_status open_all(kiln_trials *t, const kiln_arg *dims, size_t num_dims)
{
    kiln_chosen chosen;
    kiln_kernel *kernel;
    kiln_status status = kiln_choose(&t->spec, &t->context->facts, &chosen);
    if (status != KILN_OK)
        return status;
    t->usual.variant = chosen.variant;
    memcpy(t->usual.values, chosen.values, sizeof t->usual.values);
    kiln_chosen_free(&chosen);
    status = get_kernel(t, &t->usual, &kernel);
    if (status == KILN_OK)
        status = kiln_kernel_dims(kernel, dims, num_dims, true, t->dims);
    if (status != KILN_OK)
        return status;
    for (size_t i = 0; i < t->spec.num_dims; i++)
        if (t->spec.dims[i] == KILN_LAUNCH_TIME)
            t->args[t->num_dims++] = kiln_dim(t->spec.row->dims[i], t->dims[i]);
    t->num_args = t->num_dims;
    cl_int code;
    t->queue = clCreateCommandQueue(t->context->cl, t->context->device, 0, &code);
    if (code != CL_SUCCESS) {
        t->queue = NULL;
        return kiln_fail_cl("clCreateCommandQueue", code);
    }
    return add_arguments(t, kernel);
}

kiln_status kiln_trials_open(kiln_context *context, const char *spec, const kiln_arg *dims,
                             size_t num_dims, double budget_s, kiln_trials **result)
{
    kiln_trials *t = calloc(1, sizeof *t);
    *result = NULL;
    if (!t)
        return kiln_fail_memory();
    t->context = context;
    t->budget_s = budget_s;
    t->text = kiln_strdup(spec);
    kiln_status status = t->text ? kiln_spec_parse(spec, &t->spec) : kiln_fail_memory();
    if (status == KILN_OK)
        status = open_all(t, dims, num_dims);
    if (status == KILN_OK)
        *result = t;
    else
        kiln_trials_close(t);
    return status;
}

void kiln_trials_close(kiln_trials *t)
{
    if (!t)
        return;
    if (t->queue) {
        clFinish(t->queue);
        clReleaseCommandQueue(t->queue);
    }
    for (size_t i = 0; i < t->num_tensors; i++) {
        clReleaseMemObject(t->tensors[i].buffer);
        free(t->tensors[i].trusted);
    }
    for (size_t i = t->num_dims; i < t->num_args; i++)
        free((char *)(uintptr_t)t->args[i].name);
    for (size_t i = 0; i < SLOTS; i++)
        kiln_release_kernel(t->slots[i].kernel);
    kiln_spec_free(&t->spec);
    free(t->text);
    free(t);
}
