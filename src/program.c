#include "program.h"
#include "device.h"
#include "nvidia.h"
#include "template.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char kiln_build_options[] = "-cl-std=CL1.2 -w";

/* Raised when programs are built or kept in another way. */
#define IDENTITY_FORMAT 1

char *kiln_program_identity(const kiln_context *context, const char *source, const char *entry)
{
    kiln_text text = {0};
    kiln_text_addf(&text, "format: %d\n%soptions: %s\nentry: %s\n\n", IDENTITY_FORMAT,
                   context->identity, kiln_build_options, entry);
    kiln_text_add(&text, source);
    return kiln_text_take(&text);
}

/* NVIDIA's compiler reports lines of the whole program, "<kernel>:49:13: error: ...", whatever the
 * #line marks say: the template's place then goes in front of the log. */
static void place_error(const char *log, const char *source, kiln_text *out)
{
    const char *at = log ? strstr(log, "<kernel>:") : NULL;
    if (!source || !at)
        return;
    kiln_template_place(source, strtoul(at + strlen("<kernel>:"), NULL, 10), out);
}

static kiln_status fail_build(cl_program program, cl_device_id device, const char *entry,
                              const char *source, cl_int code)
{
    size_t size = 0;
    char *log = NULL;
    if (clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) == CL_SUCCESS)
        log = calloc(size + 1, 1);
    if (log)
        clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, size, log, NULL);
    kiln_text place = {0}, sentence = {0};
    place_error(log, source, &place);
    kiln_text_addf(&sentence, "%s: the driver's compiler refused it: %s (%d)", entry,
                   kiln_cl_error_name(code), code);
    if (place.length > 0)
        kiln_text_addf(&sentence, "; at %s", place.data);
    if (log && *log)
        kiln_text_addf(&sentence, "; its log:\n%s", log);
    kiln_text_free(&place);
    free(log);
    return kiln_fail_text(KILN_BUILD_FAILED, &sentence);
}

/* source: NULL for a binary. Builds and creates the kernel, which must come before the binary is
 * read: some drivers compile that late. */
static kiln_status finish_program(kiln_context *context, const char *entry, const char *source,
                                  kiln_program *program)
{
    cl_int code =
        clBuildProgram(program->program, 1, &context->device, kiln_build_options, NULL, NULL);
    if (code == CL_BUILD_PROGRAM_FAILURE || code == CL_COMPILER_NOT_AVAILABLE)
        return fail_build(program->program, context->device, entry, source, code);
    if (code != CL_SUCCESS)
        return kiln_fail_cl("clBuildProgram", code);
    program->kernel = clCreateKernel(program->program, entry, &code);
    return code == CL_SUCCESS ? KILN_OK : kiln_fail_cl("clCreateKernel", code);
}

static void drop_program(kiln_program *program)
{
    if (program->kernel)
        clReleaseKernel(program->kernel);
    if (program->program)
        clReleaseProgram(program->program);
    program->kernel = NULL;
    program->program = NULL;
}

void kiln_program_free(kiln_program *program)
{
    drop_program(program);
    free(program->identity);
    program->identity = NULL;
}

/* In place of a program built from source, the one that it becomes by nvidia.h's pass. */
static kiln_status retarget_program(kiln_context *context, const char *entry, kiln_program *program)
{
    cl_program result;
    kiln_status status = kiln_nvidia_retarget(context, program->program, &result);
    drop_program(program);
    program->program = result;
    return status == KILN_OK ? finish_program(context, entry, NULL, program) : status;
}

/* Whether the cache had it and the driver took it. */
static bool load_program(kiln_context *context, const char *entry, kiln_program *program)
{
    void *binary;
    size_t length;
    if (!kiln_cache_get(context->cache, program->identity, strlen(program->identity), &binary,
                        &length))
        return false;
    cl_int code, binary_status;
    const unsigned char *bytes = binary;
    program->program = clCreateProgramWithBinary(context->cl, 1, &context->device, &length, &bytes,
                                                 &binary_status, &code);
    free(binary);
    if (code != CL_SUCCESS) {
        program->program = NULL;
    } else if (finish_program(context, entry, NULL, program) == KILN_OK) {
        program->from_disk = true;
        return true;
    }
    kiln_log(context, KILN_LOG_INFO, "%s: the driver refused its cached binary; compiling", entry);
    drop_program(program);
    return false;
}

/* The program's binary into the cache. */
static void save_program(kiln_context *context, cl_program program, const char *identity)
{
    size_t length = 0;
    cl_int code = clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof length, &length, NULL);
    unsigned char *binary = code == CL_SUCCESS && length > 0 ? malloc(length) : NULL;
    if (binary) {
        code = clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL);
        if (code == CL_SUCCESS)
            kiln_cache_put(context->cache, identity, strlen(identity), binary, length);
        free(binary);
    }
    if (code != CL_SUCCESS)
        kiln_log(context, KILN_LOG_INFO, "the driver gives no binary to keep: %s (%d)",
                 kiln_cl_error_name(code), code);
}

kiln_status kiln_program_build(kiln_context *context, const char *source, const char *entry,
                               bool keep, kiln_program *program)
{
    memset(program, 0, sizeof *program);
    kiln_cache_mode mode = kiln_cache_get_mode(context->cache);
    program->identity = kiln_program_identity(context, source, entry);
    if (!program->identity)
        return kiln_fail_memory();
    bool loaded = load_program(context, entry, program);
    kiln_status status = KILN_OK;
    const char *dir = kiln_cache_dir(context->cache);
    if (!loaded && mode == KILN_CACHE_REQUIRE)
        status = kiln_fail(KILN_CACHE_MISS,
                           "%s: its binary is not in the cache %s, and KILN_CACHE=require forbids "
                           "compiling",
                           entry, dir ? dir : "given to the context");
    if (!loaded && status == KILN_OK) {
        cl_int code;
        program->program = clCreateProgramWithSource(context->cl, 1, &source, NULL, &code);
        if (code != CL_SUCCESS) {
            program->program = NULL;
            status = kiln_fail_cl("clCreateProgramWithSource", code);
        } else {
            status = finish_program(context, entry, source, program);
            if (status == KILN_OK && kiln_nvidia_is_marked(source))
                status = retarget_program(context, entry, program);
        }
        if (status == KILN_OK && keep && mode == KILN_CACHE_ON && !context->compiles_late)
            save_program(context, program->program, program->identity);
    }
    if (loaded || status != KILN_OK || !keep || mode != KILN_CACHE_ON || !context->compiles_late) {
        free(program->identity);
        program->identity = NULL;
    }
    if (status != KILN_OK)
        kiln_program_free(program);
    return status;
}

/* ---- binaries that are whole after a run ----------------------------------------------------

   PoCL 3.1 ends in an assertion (pocl_release_dlhandle_cache) when a program's binary is read while
   launches of it are under way. So a job waits for every launch of its program, and a launch for
   the reading. */

typedef struct pending {
    struct pending *next;
    cl_program program;
    cl_event *events; /* of launches, which may be over */
    size_t num_events, max_events;
    int entered; /* launches being enqueued */
    char *identity;
} pending;

struct kiln_saver {
    kiln_context *context;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_cond_t idle;
    pthread_t thread;
    bool started, stop;
    pending *list;
    pending *reading; /* jobs whose binary is being read */
};

/* How often the thread looks whether launches are over. */
#define POLL_NS 5000000L

static void free_pending(pending *job)
{
    clReleaseProgram(job->program);
    for (size_t i = 0; i < job->num_events; i++)
        clReleaseEvent(job->events[i]);
    free(job->events);
    free(job->identity);
    free(job);
}

/* Drops the events that are over. */
static void prune(pending *job)
{
    size_t left = 0;
    for (size_t i = 0; i < job->num_events; i++) {
        cl_int state = CL_QUEUED;
        cl_int code = clGetEventInfo(job->events[i], CL_EVENT_COMMAND_EXECUTION_STATUS,
                                     sizeof state, &state, NULL);
        if (code != CL_SUCCESS || state <= CL_COMPLETE)
            clReleaseEvent(job->events[i]);
        else
            job->events[left++] = job->events[i];
    }
    job->num_events = left;
}

/* False when memory ran out. Events that are over go before the array grows. */
static bool add_event(pending *job, cl_event event)
{
    if (job->num_events == job->max_events)
        prune(job);
    cl_event *events = kiln_grow(job->events, job->num_events, &job->max_events, sizeof *events);
    if (!events)
        return false;
    job->events = events;
    clRetainEvent(event);
    job->events[job->num_events++] = event;
    return true;
}

static pending *find_job(pending *list, cl_program program)
{
    while (list && list->program != program)
        list = list->next;
    return list;
}

static void take_out(pending **list, const pending *job)
{
    while (*list != job)
        list = &(*list)->next;
    *list = job->next;
}

/* The first job whose launches are over, taken from the list. */
static pending *take_over(struct kiln_saver *saver)
{
    for (pending *job = saver->list; job; job = job->next) {
        prune(job);
        if (job->num_events == 0 && job->entered == 0) {
            take_out(&saver->list, job);
            return job;
        }
    }
    return NULL;
}

/* With the lock held. */
static void save_finished(struct kiln_saver *saver)
{
    pending *job;
    while ((job = take_over(saver))) {
        job->next = saver->reading;
        saver->reading = job;
        pthread_mutex_unlock(&saver->lock);
        save_program(saver->context, job->program, job->identity);
        pthread_mutex_lock(&saver->lock);
        take_out(&saver->reading, job);
        free_pending(job);
        pthread_cond_broadcast(&saver->idle);
    }
}

static void *saver_main(void *argument)
{
    struct kiln_saver *saver = argument;
    pthread_mutex_lock(&saver->lock);
    while (!saver->stop) {
        save_finished(saver);
        if (saver->stop)
            break;
        if (!saver->list) {
            pthread_cond_wait(&saver->wake, &saver->lock);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += POLL_NS;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_nsec -= 1000000000L;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&saver->wake, &saver->lock, &until);
    }
    pthread_mutex_unlock(&saver->lock);
    return NULL;
}

struct kiln_saver *kiln_saver_create(kiln_context *context)
{
    struct kiln_saver *saver = calloc(1, sizeof *saver);
    if (!saver)
        return NULL;
    saver->context = context;
    pthread_mutex_init(&saver->lock, NULL);
    pthread_cond_init(&saver->wake, NULL);
    pthread_cond_init(&saver->idle, NULL);
    return saver;
}

void kiln_saver_flush(struct kiln_saver *saver)
{
    pthread_mutex_lock(&saver->lock);
    save_finished(saver);
    while (saver->reading)
        pthread_cond_wait(&saver->idle, &saver->lock);
    pthread_mutex_unlock(&saver->lock);
}

void kiln_saver_free(struct kiln_saver *saver)
{
    if (!saver)
        return;
    kiln_saver_flush(saver);
    pthread_mutex_lock(&saver->lock);
    saver->stop = true;
    pthread_cond_signal(&saver->wake);
    pthread_mutex_unlock(&saver->lock);
    if (saver->started)
        pthread_join(saver->thread, NULL);
    while (saver->list) {
        pending *next = saver->list->next;
        free_pending(saver->list);
        saver->list = next;
    }
    pthread_cond_destroy(&saver->idle);
    pthread_cond_destroy(&saver->wake);
    pthread_mutex_destroy(&saver->lock);
    free(saver);
}

void kiln_program_enter(kiln_context *context, kiln_program *program)
{
    if (!program->pending)
        return;
    struct kiln_saver *saver = context->saver;
    pthread_mutex_lock(&saver->lock);
    while (find_job(saver->reading, program->program))
        pthread_cond_wait(&saver->idle, &saver->lock);
    pending *job = find_job(saver->list, program->program);
    if (job)
        job->entered++;
    program->pending = job != NULL;
    pthread_mutex_unlock(&saver->lock);
}

/* The job of a program's first launch. */
static pending *make_job(kiln_program *program)
{
    pending *job = calloc(1, sizeof *job);
    if (!job)
        return NULL; /* the next launch tries again */
    job->program = program->program;
    job->identity = program->identity;
    job->entered = 1;
    clRetainProgram(job->program);
    program->identity = NULL;
    program->pending = true;
    return job;
}

void kiln_program_ran(kiln_context *context, kiln_program *program, cl_event event)
{
    struct kiln_saver *saver = context->saver;
    pending *made = program->identity && event ? make_job(program) : NULL;
    if (!program->pending)
        return;
    pthread_mutex_lock(&saver->lock);
    if (made) {
        made->next = saver->list;
        saver->list = made;
    }
    pending *job = find_job(saver->list, program->program);
    job->entered--;
    if (event && !add_event(job, event)) {
        /* A launch that is not known of must not meet the reading. */
        take_out(&saver->list, job);
        free_pending(job);
        program->pending = false;
    }
    if (!saver->started)
        saver->started = pthread_create(&saver->thread, NULL, saver_main, saver) == 0;
    pthread_cond_signal(&saver->wake);
    pthread_mutex_unlock(&saver->lock);
}
