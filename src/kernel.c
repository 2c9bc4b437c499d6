#include "kernel.h"
#include "device.h"
#include "tune.h"
#include <stdlib.h>
#include <string.h>

/* Kernels that nobody holds are kept for the next who asks, up to this many. */
#define MAX_IDLE 64

/* ---- life -------------------------------------------------------------------------------- */

/* What was generated and built. */
static void drop_made(kiln_kernel *kernel)
{
    for (size_t i = 0; i < KILN_MAX_STAGES; i++)
        kiln_program_free(&kernel->programs[i]);
    kiln_generated_free(&kernel->generated);
    free(kernel->tuning);
    kernel->tuning = NULL;
}

static void free_kernel(kiln_kernel *kernel)
{
    drop_made(kernel);
    kiln_spec_free(&kernel->spec);
    pthread_mutex_destroy(&kernel->lock);
    free(kernel);
}

static void unlink_kernel(kiln_context *context, const kiln_kernel *kernel)
{
    kiln_kernel **at = &context->kernels;
    while (*at != kernel)
        at = &(*at)->next;
    *at = kernel->next;
}

void kiln_kernels_free(kiln_context *context)
{
    while (context->kernels) {
        kiln_kernel *kernel = context->kernels;
        context->kernels = kernel->next;
        free_kernel(kernel);
    }
}

/* With the context's lock held: the kernel to free so that no more than MAX_IDLE idle ones stay. */
static kiln_kernel *evict_idle(kiln_context *context)
{
    size_t idle = 0;
    kiln_kernel *oldest = NULL;
    for (kiln_kernel *kernel = context->kernels; kernel; kernel = kernel->next) {
        if (kernel->references > 0)
            continue;
        idle++;
        if (!oldest || kernel->used < oldest->used)
            oldest = kernel;
    }
    if (idle <= MAX_IDLE)
        return NULL;
    unlink_kernel(context, oldest);
    return oldest;
}

void kiln_release_kernel(kiln_kernel *kernel)
{
    if (!kernel)
        return;
    kiln_context *context = kernel->context;
    kiln_kernel *gone = NULL;
    pthread_mutex_lock(&context->lock);
    if (--kernel->references == 0) {
        if (kernel->state == KILN_KERNEL_FAILED || kernel->unlisted) {
            unlink_kernel(context, kernel);
            gone = kernel;
        } else {
            kernel->used = ++context->clock;
            gone = evict_idle(context);
        }
    }
    pthread_mutex_unlock(&context->lock);
    if (gone)
        free_kernel(gone);
    kiln_context_drop(context);
}

void kiln_kernels_outdate(kiln_context *context, const kiln_row *row)
{
    kiln_kernel *gone = NULL;
    pthread_mutex_lock(&context->lock);
    for (kiln_kernel **at = &context->kernels; *at;) {
        kiln_kernel *kernel = *at;
        if (row && kernel->spec.row != row) {
            at = &kernel->next;
            continue;
        }
        kernel->unlisted = true;
        if (kernel->references > 0) {
            at = &kernel->next;
            continue;
        }
        *at = kernel->next;
        kernel->next = gone;
        gone = kernel;
    }
    pthread_mutex_unlock(&context->lock);
    while (gone) {
        kiln_kernel *next = gone->next;
        free_kernel(gone);
        gone = next;
    }
}

/* ---- making ------------------------------------------------------------------------------ */

static kiln_status check_sizes(const kiln_spec *spec, const kiln_generated *generated)
{
    for (size_t i = 0; i < spec->num_dims; i++)
        if (spec->dims[i] == KILN_LAUNCH_TIME)
            return KILN_OK;
    kiln_env env;
    kiln_env_init(&env, NULL);
    kiln_status status = kiln_spec_bind(spec, NULL, &env);
    kiln_extents extents;
    for (size_t i = 0; i < generated->signature.count && status == KILN_OK; i++)
        if (generated->signature.parameters[i].kind == KILN_ARG_BUFFER)
            status = kiln_parameter_extents(&generated->signature.parameters[i], &env, &extents);
    kiln_env_free(&env);
    return status == KILN_INVALID_SPEC
               ? kiln_fail(status, "%s: %s", spec->row->name, kiln_last_error())
               : status;
}

/* Of the candidate's values, or if it is NULL of what was tuned, or else of what is derived. */
static kiln_status generate(kiln_kernel *kernel, const kiln_candidate *candidate,
                            const kiln_facts *facts)
{
    kiln_context *context = kernel->context;
    kiln_candidate *tuned = NULL;
    size_t count = 1;
    kiln_status status = KILN_OK;
    char *reason = NULL;
    if (candidate)
        status =
            kiln_choose_check(&kernel->spec, facts, candidate->variant, candidate->values, &reason);
    else
        status = kiln_context_tuned(context, &kernel->spec, &tuned, &count);
    if (status == KILN_OK && reason)
        status = kiln_fail(KILN_UNSUPPORTED, "%s: %s", kernel->spec.row->name, reason);
    free(reason);
    if (status == KILN_OK)
        status = kiln_generate_among(&kernel->spec, facts, context->template_dir,
                                     candidate ? candidate : tuned, count, &kernel->generated);
    kiln_tuned_free(tuned, candidate ? 0 : count);
    return status;
}

static kiln_status make_for(kiln_kernel *kernel, const kiln_candidate *candidate,
                            const kiln_facts *facts)
{
    kiln_context *context = kernel->context;
    double start = kiln_seconds();
    kiln_status status = generate(kernel, candidate, facts);
    if (status != KILN_OK)
        return status;
    status = check_sizes(&kernel->spec, &kernel->generated);
    if (status != KILN_OK)
        return status;
    const kiln_chosen *chosen = &kernel->generated.chosen;
    if (chosen->refusals)
        kiln_log(context, KILN_LOG_DEBUG, "%s: passed over %s", kernel->spec.text,
                 chosen->refusals);
    kiln_text tuning = {0};
    kiln_chosen_print(chosen, &tuning);
    kernel->tuning = kiln_text_take(&tuning);
    if (!kernel->tuning)
        return kiln_fail_memory();
    kernel->cache = KILN_FROM_DISK;
    for (size_t i = 0; i < kernel->generated.num_stages; i++) {
        const kiln_stage_text *stage = &kernel->generated.stages[i];
        status = kiln_program_build(context, stage->source, stage->entry, !candidate,
                                    &kernel->programs[i]);
        if (status != KILN_OK)
            return status;
        if (!kernel->programs[i].from_disk)
            kernel->cache = KILN_COMPILED;
    }
    kernel->create_s = kiln_seconds() - start;
    kiln_log(context, KILN_LOG_INFO, "%s: %s %s%s%s, %s in %.1f ms", kernel->spec.text,
             chosen->variant->name, kernel->tuning, chosen->from ? " as tuned for " : "",
             chosen->from ? chosen->from : "",
             kernel->cache == KILN_FROM_DISK ? "from the cache" : "compiled",
             1e3 * kernel->create_s);
    return KILN_OK;
}

/* Generates and builds, without any lock: others that want the same kernel wait for its state. What
 * the driver does not take with PTX in line is made without, unless the variant was asked for. */
static kiln_status make(kiln_kernel *kernel, const kiln_candidate *candidate)
{
    kiln_context *context = kernel->context;
    kiln_status status = make_for(kernel, candidate, &context->facts);
    if (status != KILN_BUILD_FAILED || candidate || !context->facts.sm ||
        strstr(kernel->spec.text, " variant="))
        return status;
    kiln_log(context, KILN_LOG_INFO, "%s: made without PTX in line, as %.400s", kernel->spec.text,
             kiln_last_error());
    kiln_facts plain = context->facts;
    plain.sm = plain.sm_a = 0;
    plain.static_local = plain.local_mem;
    drop_made(kernel);
    return make_for(kernel, NULL, &plain);
}

/* With the context's lock held: the kernel of this spec, with a reference more. */
static kiln_kernel *find(kiln_context *context, const char *text)
{
    for (kiln_kernel *kernel = context->kernels; kernel; kernel = kernel->next) {
        if (kernel->state == KILN_KERNEL_FAILED || kernel->unlisted ||
            strcmp(kernel->spec.text, text) != 0)
            continue;
        kernel->references++;
        context->references++;
        return kernel;
    }
    return NULL;
}

/* With the context's lock held. Takes spec over. */
static kiln_kernel *insert(kiln_context *context, kiln_spec *spec)
{
    kiln_kernel *kernel = calloc(1, sizeof *kernel);
    if (!kernel)
        return NULL;
    kernel->spec = *spec;
    spec->text = NULL;
    kernel->context = context;
    kernel->references = 1;
    context->references++;
    pthread_mutex_init(&kernel->lock, NULL);
    kernel->next = context->kernels;
    context->kernels = kernel;
    return kernel;
}

/* Makes an inserted kernel, and tells those who wait. */
static kiln_status finish(kiln_context *context, kiln_kernel *kernel,
                          const kiln_candidate *candidate, kiln_kernel **result)
{
    kiln_status status = make(kernel, candidate);

    pthread_mutex_lock(&context->lock);
    kernel->state = status == KILN_OK ? KILN_KERNEL_READY : KILN_KERNEL_FAILED;
    pthread_cond_broadcast(&context->changed);
    pthread_mutex_unlock(&context->lock);
    if (status == KILN_OK)
        *result = kernel;
    else
        kiln_release_kernel(kernel);
    return status;
}

kiln_status kiln_kernel_try(kiln_context *context, const char *spec_text,
                            const kiln_candidate *candidate, kiln_kernel **result)
{
    kiln_spec spec;
    *result = NULL;
    kiln_status status = kiln_spec_parse(spec_text, &spec);
    if (status != KILN_OK)
        return status;
    pthread_mutex_lock(&context->lock);
    kiln_kernel *kernel = insert(context, &spec);
    if (kernel)
        kernel->unlisted = true;
    pthread_mutex_unlock(&context->lock);
    kiln_spec_free(&spec);
    return kernel ? finish(context, kernel, candidate, result) : kiln_fail_memory();
}

static kiln_status create(kiln_context *context, kiln_spec *spec, kiln_kernel **result)
{
    pthread_mutex_lock(&context->lock);
    kiln_kernel *kernel = find(context, spec->text);
    if (kernel) {
        while (kernel->state == KILN_KERNEL_BUILDING)
            pthread_cond_wait(&context->changed, &context->lock);
        bool ready = kernel->state == KILN_KERNEL_READY;
        pthread_mutex_unlock(&context->lock);
        if (ready) {
            *result = kernel;
            return KILN_OK;
        }
        /* The other thread has the reason; this one gets its own by trying, too. */
        kiln_release_kernel(kernel);
        return create(context, spec, result);
    }
    kernel = insert(context, spec);
    pthread_mutex_unlock(&context->lock);
    if (!kernel)
        return kiln_fail_memory();
    return finish(context, kernel, NULL, result);
}

kiln_status kiln_create_kernel(kiln_context *context, const char *spec_text, kiln_kernel **kernel)
{
    if (!context || !spec_text || !kernel)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_create_kernel: context, spec and kernel must not be NULL");
    *kernel = NULL;
    kiln_spec spec;
    kiln_status status = kiln_spec_parse(spec_text, &spec);
    if (status == KILN_OK) {
        status = create(context, &spec, kernel);
        kiln_spec_free(&spec);
    }
    return status;
}

/* ---- sizes ------------------------------------------------------------------------------- */

static const char *dim_name(void *user, size_t index)
{
    const kiln_kernel *kernel = user;
    size_t seen = 0;
    for (size_t i = 0; i < kernel->spec.num_dims; i++)
        if (kernel->spec.dims[i] == KILN_LAUNCH_TIME && seen++ == index)
            return kernel->spec.row->dims[i];
    return NULL;
}

static kiln_status no_such_dim(const kiln_kernel *kernel, const char *name)
{
    const char *row = kernel->spec.row->name;
    int fixed = kiln_row_dim(kernel->spec.row, name);
    if (fixed >= 0)
        return kiln_fail(KILN_INVALID_LAUNCH,
                         "%s: %s is fixed at %lld by the spec (%s=? leaves it "
                         "to the launch)",
                         row, name, (long long)kernel->spec.dims[fixed], name);
    kiln_text message = {0};
    kiln_text_addf(&message, "%s: there is no launch-time dimension `%s'", row, name);
    kiln_suggest(&message, name, dim_name, (void *)kernel);
    return kiln_fail_text(KILN_INVALID_LAUNCH, &message);
}

kiln_status kiln_kernel_dims(const kiln_kernel *kernel, const kiln_arg *args, size_t num_args,
                             bool strict, int64_t *dims)
{
    const kiln_spec *spec = &kernel->spec;
    const char *row = spec->row->name;
    memcpy(dims, spec->dims, sizeof spec->dims);
    for (size_t i = 0; i < num_args; i++) {
        if (args[i].kind != KILN_ARG_DIM)
            continue;
        if (!args[i].name)
            return kiln_fail(KILN_INVALID_LAUNCH, "%s: argument %zu has no name", row, i);
        int dim = kiln_row_dim(spec->row, args[i].name);
        if (dim < 0 || spec->dims[dim] != KILN_LAUNCH_TIME)
            return no_such_dim(kernel, args[i].name);
        if (dims[dim] != KILN_LAUNCH_TIME)
            return kiln_fail(KILN_INVALID_LAUNCH, "%s: dimension %s is given twice", row,
                             args[i].name);
        if (args[i].integer < 1 || args[i].integer > INT32_MAX)
            return kiln_fail(KILN_INVALID_LAUNCH, "%s: %s=%lld: must be from 1 to %d", row,
                             args[i].name, (long long)args[i].integer, INT32_MAX);
        dims[dim] = args[i].integer;
    }
    for (size_t i = 0; strict && i < spec->num_dims; i++)
        if (dims[i] == KILN_LAUNCH_TIME)
            return kiln_fail(KILN_INVALID_LAUNCH, "%s: the launch-time dimension %s is not given",
                             row, spec->row->dims[i]);
    return KILN_OK;
}

static kiln_status stage_sizes(const kiln_kernel *kernel, kiln_env *env, kiln_sizes *sizes)
{
    for (size_t i = 0; i < kernel->generated.num_stages; i++) {
        const kiln_stage *stage = kernel->generated.stages[i].stage;
        double groups;
        int64_t exact, workgroup;
        kiln_status status = kiln_expr_eval_real(stage->groups, env, &groups);
        if (status == KILN_OK)
            status = kiln_expr_eval_int(stage->groups, env, &exact);
        if (status == KILN_OK)
            status = kiln_expr_eval_int(stage->workgroup, env, &workgroup);
        if (status != KILN_OK)
            return status;
        if (groups * (double)workgroup > 0x1p62 || (uint64_t)exact > SIZE_MAX / (uint64_t)workgroup)
            return kiln_fail(KILN_INVALID_LAUNCH, "%s: %.3g work-groups of %lld pass 2^62",
                             kernel->spec.row->name, groups, (long long)workgroup);
        sizes->global[i] = (size_t)(exact * workgroup);
        sizes->local[i] = (size_t)workgroup;
    }
    return KILN_OK;
}

static kiln_status scratch_sizes(const kiln_kernel *kernel, kiln_env *env, kiln_sizes *sizes)
{
    const kiln_scratch *scratch = kernel->generated.chosen.variant->scratch;
    for (size_t i = 0; i < KILN_MAX_SCRATCH && scratch[i].name; i++) {
        int64_t count;
        if (!kernel->generated.scratch[i])
            continue;
        kiln_status status = kiln_expr_eval_int(scratch[i].count, env, &count);
        if (status != KILN_OK)
            return status;
        if (count < 1 || (uint64_t)count > SIZE_MAX / sizeof(cl_float))
            return kiln_fail(KILN_INVALID_LAUNCH, "%s: scratch of %lld elements is impossible",
                             kernel->spec.row->name, (long long)count);
        sizes->scratch[i] = (size_t)count * sizeof(cl_float);
    }
    return KILN_OK;
}

kiln_status kiln_kernel_sizes(const kiln_kernel *kernel, const int64_t *dims, kiln_sizes *sizes)
{
    const kiln_signature *signature = &kernel->generated.signature;
    kiln_env env;
    kiln_env_init(&env, NULL);
    memcpy(sizes->dims, dims, sizeof sizes->dims);
    kiln_status status = kiln_facts_bind(&kernel->context->facts, &env);
    if (status == KILN_OK)
        status = kiln_spec_bind(&kernel->spec, dims, &env);
    if (status == KILN_OK)
        status = kiln_spec_check(&kernel->spec, &env, KILN_INVALID_LAUNCH);
    for (size_t i = 0; i < signature->count && status == KILN_OK; i++) {
        if (signature->parameters[i].kind != KILN_ARG_BUFFER)
            continue;
        status = kiln_parameter_extents(&signature->parameters[i], &env, &sizes->extents[i]);
        if (status == KILN_INVALID_SPEC)
            status =
                kiln_fail(KILN_INVALID_LAUNCH, "%s: %s", kernel->spec.row->name, kiln_last_error());
    }
    if (status == KILN_OK)
        status = kiln_chosen_bind(&kernel->generated.chosen, &env);
    if (status == KILN_OK)
        status = stage_sizes(kernel, &env, sizes);
    if (status == KILN_OK)
        status = scratch_sizes(kernel, &env, sizes);
    kiln_env_free(&env);
    return status;
}

/* ---- what a kernel tells of itself --------------------------------------------------------- */

kiln_status kiln_get_kernel_info(const kiln_kernel *kernel, kiln_kernel_info *info)
{
    if (!kernel || !info)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_get_kernel_info: kernel and info must not be NULL");
    const kiln_variant *variant = kernel->generated.chosen.variant;
    *info = (kiln_kernel_info){.spec = kernel->spec.text,
                               .name = kernel->spec.row->name,
                               .variant = variant->name,
                               .tuning = kernel->tuning,
                               .tuning_origin = kernel->generated.chosen.origin,
                               .tuned_for = kernel->generated.chosen.from,
                               .cache = kernel->cache,
                               .create_s = kernel->create_s,
                               .num_args = kernel->generated.signature.count,
                               .num_stages = kernel->generated.num_stages};
    size_t sizes[3] = {0, 0, 0};
    cl_int code =
        clGetKernelWorkGroupInfo(kernel->programs[0].kernel, kernel->context->device,
                                 CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof sizes, sizes, NULL);
    if (code != CL_SUCCESS)
        return kiln_fail_cl("clGetKernelWorkGroupInfo", code);
    info->workgroup_size = sizes[0];
    return KILN_OK;
}

const char *kiln_kernel_source(const kiln_kernel *kernel, size_t stage)
{
    return kernel && stage < kernel->generated.num_stages ? kernel->generated.stages[stage].source
                                                          : NULL;
}

kiln_status kiln_get_arg_info(const kiln_kernel *kernel, size_t index, const kiln_arg *dims,
                              size_t num_dims, kiln_arg_info *info)
{
    if (!kernel || !info || (num_dims > 0 && !dims))
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_get_arg_info: kernel, info and dims must not be NULL");
    const kiln_signature *signature = &kernel->generated.signature;
    if (index >= signature->count)
        return kiln_fail(KILN_INVALID_ARGUMENT, "kiln_get_arg_info: %s has %zu arguments, not %zu",
                         kernel->spec.row->name, signature->count, index + 1);
    const kiln_parameter *parameter = &signature->parameters[index];
    kiln_arg_info told = {.name = parameter->name, .kind = parameter->kind};
    if (parameter->kind == KILN_ARG_BUFFER) {
        int64_t values[KILN_MAX_DIMS];
        kiln_env env;
        kiln_extents extents;
        kiln_status status = kiln_kernel_dims(kernel, dims, num_dims, true, values);
        if (status != KILN_OK)
            return status;
        kiln_env_init(&env, NULL);
        status = kiln_spec_bind(&kernel->spec, values, &env);
        if (status == KILN_OK)
            status = kiln_spec_check(&kernel->spec, &env, KILN_INVALID_LAUNCH);
        if (status == KILN_OK)
            status = kiln_parameter_extents(parameter, &env, &extents);
        kiln_env_free(&env);
        if (status != KILN_OK)
            return status;
        told.dtype = parameter->dtype;
        told.is_input = parameter->is_input;
        told.is_output = parameter->is_output;
        told.rank = extents.rank;
        memcpy(told.extents, extents.extents, sizeof told.extents);
        told.row_stride = extents.stride;
        told.bytes = (size_t)extents.bytes;
    }
    if (parameter->kind == KILN_ARG_SCALAR)
        told.is_integer = parameter->number->integer;
    *info = told;
    return KILN_OK;
}

kiln_status kiln_get_cost(const kiln_kernel *kernel, const kiln_arg *dims, size_t num_dims,
                          kiln_cost *cost)
{
    if (!kernel || !cost || (num_dims > 0 && !dims))
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_get_cost: kernel, cost and dims must not be NULL");
    int64_t values[KILN_MAX_DIMS];
    kiln_status status = kiln_kernel_dims(kernel, dims, num_dims, true, values);
    if (status != KILN_OK)
        return status;
    kiln_env env;
    kiln_env_init(&env, NULL);
    status = kiln_spec_bind_real(&kernel->spec, values, &env);
    if (status == KILN_OK)
        status = kiln_signature_cost(&kernel->spec, &kernel->generated.signature, &env, cost);
    kiln_env_free(&env);
    return status;
}
