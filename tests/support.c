#include "support.h"
#include <dirent.h>
#include <math.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* $OCL_ICD_FILENAMES before OpenCL: Khronos' loader cuts it in place to its first driver, and a
 * process that test_spawn starts would see that one alone. */
static char icd_filenames[1024];

kiln_context *test_context;
cl_command_queue test_queue, test_queue_out_of_order;

/* A word that is NaN in every storage type, alone and beside itself, and that no kernel makes. */
#define POISON_LOW  0xa5
#define POISON_HIGH 0xff
#define GUARD_BYTES 128

/* ---- the device -------------------------------------------------------------------------- */

const char *test_device(void)
{
    const char *name = getenv("KILN_TEST_DEVICE");
    return name && *name ? name : "cpu";
}

bool test_quick(void)
{
    const char *quick = getenv("KILN_TEST_QUICK");
    return quick && *quick && strcmp(quick, "0") != 0;
}

static void skip_or_die(kiln_status status)
{
    printf("no device to test on: %s\n", kiln_last_error());
    exit(status == KILN_NO_DEVICE ? 77 : 99);
}

void test_open(void)
{
    /* Sources differ from case to case: keeping their binaries would cost more than it saves. */
    kiln_context_params params = {.device_name = test_device(), .cache = KILN_CACHE_OFF};
    if (getenv("OCL_ICD_FILENAMES"))
        snprintf(icd_filenames, sizeof icd_filenames, "%s", getenv("OCL_ICD_FILENAMES"));
    kiln_status status = kiln_create_context(&params, &test_context);
    if (status != KILN_OK)
        skip_or_die(status);
    cl_context cl = kiln_context_cl(test_context);
    cl_device_id device = kiln_context_device(test_context);
    cl_int code;
    test_queue = clCreateCommandQueue(cl, device, CL_QUEUE_PROFILING_ENABLE, &code);
    if (code == CL_SUCCESS)
        test_queue_out_of_order =
            clCreateCommandQueue(cl, device, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &code);
    if (code != CL_SUCCESS) {
        printf("clCreateCommandQueue: %d\n", code);
        exit(99);
    }
}

void test_close(void)
{
    clReleaseCommandQueue(test_queue);
    clReleaseCommandQueue(test_queue_out_of_order);
    kiln_release_context(test_context);
}

int test_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}

/* ---- data -------------------------------------------------------------------------------- */

/* SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014. */
uint64_t test_next(test_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

double test_normal(test_random *random)
{
    double u = (double)((test_next(random) >> 11) + 1) * 0x1p-53;
    double v = (double)(test_next(random) >> 11) * 0x1p-53;
    return sqrt(-2.0 * log(u)) * cos(2.0 * acos(-1.0) * v);
}

int64_t test_pick(test_random *random, int64_t count)
{
    return (int64_t)(test_next(random) % (uint64_t)count);
}

void test_fill_normal(uint64_t seed, const reference_tensor *tensor, double *values)
{
    test_random random = {seed ^ test_seed(tensor->name)};
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = test_normal(&random);
}

uint64_t test_seed(const char *text)
{
    uint64_t seed = UINT64_C(14695981039346656037);
    for (; *text; text++)
        seed = (seed ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return seed;
}

const char *test_format(const char *format, ...)
{
    static char buffers[16][512];
    static unsigned next;
    char *buffer = buffers[next++ % 16];
    va_list args;
    va_start(args, format);
    vsnprintf(buffer, sizeof buffers[0], format, args);
    va_end(args);
    return buffer;
}

test_tensor *test_find(test_launch *launch, const char *name)
{
    for (size_t i = 0; i < launch->num_tensors; i++)
        if (strcmp(launch->tensors[i].info.name, name) == 0)
            return &launch->tensors[i];
    ck_abort_msg("%s: no tensor %s", launch->of->spec, name);
    return NULL;
}

/* ---- preparing --------------------------------------------------------------------------- */

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* The scalar or launch-time dimension, from the words of args. */
static kiln_arg number_of(const test_case *c, const kiln_arg_info *info)
{
    const char *words = c->args ? c->args : "";
    double value = reference_number(words, info->name, -1);
    if (info->kind == KILN_ARG_DIM)
        return kiln_dim(info->name, (int64_t)value);
    ck_assert_msg(!isnan(reference_number(words, info->name, NAN)), "%s: args lack %s=", c->spec,
                  info->name);
    return info->is_integer
               ? kiln_scalar_int(info->name, (int64_t)reference_integer(words, info->name, 0))
               : kiln_scalar(info->name, value);
}

/* Every argument that is no buffer. */
static void collect_numbers(test_launch *launch)
{
    kiln_kernel_info about;
    test_ok(kiln_get_kernel_info(launch->kernel, &about));
    kiln_arg_info info;
    for (size_t i = 0; i < about.num_args; i++)
        /* Kinds and names do not depend on dimensions, but a buffer's sizes do. */
        if (kiln_get_arg_info(launch->kernel, i, NULL, 0, &info) == KILN_OK &&
            info.kind != KILN_ARG_BUFFER)
            launch->args[launch->num_args++] = number_of(launch->of, &info);
}

/* The input that the output of this name stands in place of. */
static int in_place_of(const test_launch *launch, const char *name)
{
    const char *words = launch->of->in_place;
    for (size_t i = 0; words && i < launch->num_tensors; i++)
        if (reference_says(words, name, launch->tensors[i].info.name))
            return (int)i;
    return -1;
}

static void fill_image(test_launch *launch, test_tensor *t)
{
    for (size_t i = 0; i < t->size; i++)
        t->before[i] = i % 2 ? POISON_HIGH : POISON_LOW;
    for (size_t i = 0; i < t->dense.count; i++)
        t->dense.values[i] = NAN;
    if (!t->info.is_input)
        return;
    const test_case *c = launch->of;
    ck_assert_msg(c->fill || t->info.dtype != KILN_I32, "%s: %s needs a test's own fill", c->spec,
                  t->info.name);
    if (c->fill)
        c->fill(c->user, &t->dense, t->dense.values);
    else
        test_fill_normal(c->seed, &t->dense, t->dense.values);
    for (size_t i = 0; i < t->dense.count; i++)
        t->dense.bits[i] = reference_encode(t->info.dtype, t->dense.values[i]);
    if (c->fill_bits)
        c->fill_bits(c->user, &t->dense, t->dense.bits);
    for (size_t i = 0; i < t->dense.count; i++) {
        test_put_bits(t, t->before, i, t->dense.bits[i]);
        t->dense.values[i] = reference_decode(t->info.dtype, t->dense.bits[i]);
    }
}

static void add_tensor(test_launch *launch, const kiln_arg_info *info, size_t misalign)
{
    test_tensor *t = &launch->tensors[launch->num_tensors];
    size_t element = reference_size(info->dtype);
    t->info = *info;
    t->dense = (reference_tensor){.name = info->name,
                                  .dtype = info->dtype,
                                  .is_input = info->is_input,
                                  .is_output = info->is_output,
                                  .rank = info->rank,
                                  .count = 1};
    for (size_t i = 0; i < info->rank; i++) {
        t->dense.extents[i] = info->extents[i];
        t->dense.count *= (size_t)info->extents[i];
    }
    t->dense.values = must(calloc(t->dense.count, sizeof(double)));
    t->dense.terms = must(calloc(t->dense.count, sizeof(double)));
    t->dense.allow = must(calloc(t->dense.count, sizeof(double)));
    t->dense.match = must(calloc(t->dense.count, sizeof *t->dense.match));
    t->dense.bits = must(calloc(t->dense.count, sizeof *t->dense.bits));
    t->in_place_of = info->is_output ? in_place_of(launch, info->name) : -1;
    launch->num_tensors++;
    if (t->in_place_of >= 0) {
        const test_tensor *in = &launch->tensors[t->in_place_of];
        t->offset = in->offset;
        t->size = in->size;
        t->before = in->before;
        t->after = in->after;
        t->buffer = in->buffer;
    } else {
        t->offset = launch->of->bare ? 0 : GUARD_BYTES + misalign * element;
        t->size = t->offset + info->bytes + GUARD_BYTES;
        t->before = must(malloc(t->size));
        t->after = must(calloc(t->size, 1));
        cl_int code;
        t->buffer =
            clCreateBuffer(kiln_context_cl(test_context), CL_MEM_READ_WRITE, t->size, NULL, &code);
        ck_assert_int_eq(code, CL_SUCCESS);
        fill_image(launch, t);
    }
    launch->args[launch->num_args++] = kiln_buffer_at(info->name, t->buffer, t->offset);
}

void test_prepare(const test_case *c, kiln_kernel *kernel, test_launch *launch)
{
    memset(launch, 0, sizeof *launch);
    launch->of = c;
    launch->kernel = kernel;
    collect_numbers(launch);
    size_t num_numbers = launch->num_args;
    kiln_arg numbers[2 * TEST_MAX_TENSORS];
    memcpy(numbers, launch->args, sizeof numbers);
    kiln_kernel_info about;
    test_ok(kiln_get_kernel_info(kernel, &about));
    int64_t misalign = c->misalign >= 0 ? c->misalign : (int64_t)(c->seed % 7);
    for (size_t i = 0; i < about.num_args; i++) {
        kiln_arg_info info;
        test_ok(kiln_get_arg_info(kernel, i, numbers, num_numbers, &info));
        if (info.kind == KILN_ARG_BUFFER)
            add_tensor(launch, &info, misalign > 0 ? (size_t)misalign + 2 * i : 0);
    }
}

void test_discard(test_launch *launch)
{
    for (size_t i = 0; i < launch->num_tensors; i++) {
        test_tensor *t = &launch->tensors[i];
        free(t->dense.values);
        free(t->dense.terms);
        free(t->dense.allow);
        free(t->dense.match);
        free(t->dense.bits);
        if (t->in_place_of >= 0)
            continue;
        free(t->before);
        free(t->after);
        clReleaseMemObject(t->buffer);
    }
    kiln_release_kernel(launch->kernel);
}

/* ---- launching --------------------------------------------------------------------------- */

void test_upload(test_launch *launch)
{
    for (size_t i = 0; i < launch->num_tensors; i++) {
        const test_tensor *t = &launch->tensors[i];
        if (t->in_place_of < 0)
            ck_assert_int_eq(clEnqueueWriteBuffer(test_queue, t->buffer, CL_TRUE, 0, t->size,
                                                  t->before, 0, NULL, NULL),
                             CL_SUCCESS);
    }
}

void test_download(test_launch *launch)
{
    for (size_t i = 0; i < launch->num_tensors; i++) {
        const test_tensor *t = &launch->tensors[i];
        if (t->in_place_of < 0)
            ck_assert_int_eq(clEnqueueReadBuffer(test_queue, t->buffer, CL_TRUE, 0, t->size,
                                                 t->after, 0, NULL, NULL),
                             CL_SUCCESS);
    }
}

/* Writes, launch and reads without a host's wait between them: events alone keep the order. */
static void execute_out_of_order(test_launch *launch)
{
    cl_command_queue queue = test_queue_out_of_order;
    cl_event written[TEST_MAX_TENSORS] = {NULL}, read[TEST_MAX_TENSORS] = {NULL}, done;
    cl_uint count = 0;
    for (size_t i = 0; i < launch->num_tensors; i++) {
        const test_tensor *t = &launch->tensors[i];
        if (t->in_place_of < 0)
            ck_assert_int_eq(clEnqueueWriteBuffer(queue, t->buffer, CL_FALSE, 0, t->size, t->before,
                                                  0, NULL, &written[count++]),
                             CL_SUCCESS);
    }
    test_ok(
        kiln_launch(launch->kernel, queue, launch->args, launch->num_args, count, written, &done));
    for (cl_uint i = 0; i < count; i++)
        clReleaseEvent(written[i]);
    count = 0;
    for (size_t i = 0; i < launch->num_tensors; i++) {
        const test_tensor *t = &launch->tensors[i];
        if (t->in_place_of < 0)
            ck_assert_int_eq(clEnqueueReadBuffer(queue, t->buffer, CL_FALSE, 0, t->size, t->after,
                                                 1, &done, &read[count++]),
                             CL_SUCCESS);
    }
    ck_assert_int_eq(clWaitForEvents(count, read), CL_SUCCESS);
    for (cl_uint i = 0; i < count; i++)
        clReleaseEvent(read[i]);
    clReleaseEvent(done);
}

void test_execute(test_launch *launch)
{
    if (launch->of->out_of_order) {
        execute_out_of_order(launch);
        return;
    }
    test_upload(launch);
    kiln_status status =
        kiln_launch(launch->kernel, test_queue, launch->args, launch->num_args, 0, NULL, NULL);
    ck_assert_msg(status == KILN_OK, "%s (%s): %s", launch->of->spec, launch->of->args,
                  kiln_last_error());
    ck_assert_int_eq(clFinish(test_queue), CL_SUCCESS);
    test_download(launch);
}

/* ---- one call ----------------------------------------------------------------------------- */

/* Once more: every output has the same bits. */
static void check_repeat(test_launch *launch)
{
    unsigned char *first[TEST_MAX_TENSORS] = {NULL};
    for (size_t i = 0; i < launch->num_tensors; i++) {
        const test_tensor *t = &launch->tensors[i];
        first[i] = must(malloc(t->size));
        memcpy(first[i], t->after, t->size);
    }
    test_execute(launch);
    for (size_t i = 0; i < launch->num_tensors; i++) {
        const test_tensor *t = &launch->tensors[i];
        ck_assert_msg(memcmp(first[i], t->after, t->size) == 0,
                      "%s (%s): %s has other bits at the second launch", launch->of->spec,
                      launch->of->args ? launch->of->args : "", t->info.name);
        free(first[i]);
    }
}

bool test_run_alone(const test_case *c)
{
    kiln_kernel *kernel;
    kiln_status status = kiln_create_kernel(test_context, c->spec, &kernel);
    if (status == KILN_UNSUPPORTED) {
        printf("skipped: %s\n", kiln_last_error());
        return false;
    }
    ck_assert_msg(status == KILN_OK, "%s: %s", c->spec, kiln_last_error());
    test_launch launch;
    test_prepare(c, kernel, &launch);
    test_execute(&launch);
    test_check_untouched(&launch, false);
    test_check_values(&launch);
    if (!c->once)
        check_repeat(&launch);
    test_discard(&launch);
    return true;
}

/* ---- refusals and directories -------------------------------------------------------------- */

void test_refused_at(const char *file, int line, kiln_status got, kiln_status wanted,
                     const char *parts)
{
    const char *said = kiln_last_error();
    ck_assert_msg(got == wanted, "%s:%d: %s instead of %s: %s", file, line, kiln_status_name(got),
                  kiln_status_name(wanted), got == KILN_OK ? "" : said);
    while (*parts) {
        size_t length = strcspn(parts, "|");
        const char *part = test_format("%.*s", (int)length, parts);
        ck_assert_msg(strstr(said, part) != NULL, "%s:%d: `%s' is not in: %s", file, line, part,
                      said);
        parts += length + (parts[length] == '|');
    }
}

char *test_make_dir(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = must(malloc(512));
    snprintf(dir, 512, "%s/kiln-test-XXXXXX", base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    return dir;
}

static void remove_tree(const char *path)
{
    struct stat about;
    if (lstat(path, &about) != 0)
        return;
    DIR *dir = S_ISDIR(about.st_mode) ? opendir(path) : NULL;
    if (dir) {
        struct dirent *entry;
        while ((entry = readdir(dir))) {
            char inner[1024];
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
            remove_tree(inner);
        }
        closedir(dir);
    }
    remove(path);
}

void test_remove_dir(char *dir)
{
    remove_tree(dir);
    free(dir);
}

/* ---- contexts of a test's own -------------------------------------------------------------- */

void test_log_line(void *user, kiln_log_level level, const char *message)
{
    test_log *log = user;
    pthread_mutex_lock(&log->lock);
    size_t length = strlen(log->text);
    snprintf(log->text + length, sizeof log->text - length, "%d %s\n", (int)level, message);
    log->warnings += level == KILN_LOG_WARNING;
    pthread_mutex_unlock(&log->lock);
}

int test_log_count(test_log *log, const char *part)
{
    int count = 0;
    pthread_mutex_lock(&log->lock);
    for (const char *found = log->text; (found = strstr(found, part)); found += strlen(part))
        count++;
    pthread_mutex_unlock(&log->lock);
    return count;
}

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "test_bias_add: %s failed: %s\n", what, kiln_last_error());
    abort(); /* Check's own failures may not come from another thread */
}

double test_bias_add(kiln_context *context, kiln_kernel *kernel, int n)
{
    enum { M = 3 };
    cl_context cl = kiln_context_cl(context);
    cl_int code, codes[3];
    cl_command_queue queue = clCreateCommandQueue(cl, kiln_context_device(context), 0, &code);
    require(code == CL_SUCCESS, "clCreateCommandQueue");
    size_t size = (size_t)(M * n) * sizeof(float), row = (size_t)n * sizeof(float);
    float *x = must(malloc(size)), *bias = must(malloc(row)), *y = must(calloc(1, size));
    for (int i = 0; i < M * n; i++)
        x[i] = (float)i;
    for (int i = 0; i < n; i++)
        bias[i] = 0.5f * (float)(i + 1);
    cl_mem buffers[] = {
        clCreateBuffer(cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, size, x, &codes[0]),
        clCreateBuffer(cl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, row, bias, &codes[1]),
        clCreateBuffer(cl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, size, y, &codes[2])};
    require(!codes[0] && !codes[1] && !codes[2], "clCreateBuffer");
    kiln_arg args[] = {kiln_buffer("x", buffers[0]), kiln_buffer("bias", buffers[1]),
                       kiln_buffer("y", buffers[2]), kiln_dim("m", M)};
    require(kiln_launch(kernel, queue, args, 4, 0, NULL, NULL) == KILN_OK, "kiln_launch");
    code = clEnqueueReadBuffer(queue, buffers[2], CL_TRUE, 0, size, y, 0, NULL, NULL);
    require(code == CL_SUCCESS, "clEnqueueReadBuffer");
    double worst = 0;
    for (int i = 0; i < M * n; i++)
        worst = fmax(worst, fabs((double)y[i] - ((double)x[i] + (double)bias[i % n])));
    for (int i = 0; i < 3; i++)
        clReleaseMemObject(buffers[i]);
    clReleaseCommandQueue(queue);
    free(x);
    free(bias);
    free(y);
    return worst;
}

int test_spawn(const char *const *settings, const char *argument)
{
    extern char **environ;
    char self[1024];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    ck_assert_int_gt(length, 0);
    self[length] = '\0';
    char *words[32] = {(char[]){"env"}};
    size_t count = 1;
    for (; *settings && count < 28; settings++)
        words[count++] = (char *)*settings;
    words[count++] = self;
    words[count] = (char *)argument;
    if (*icd_filenames)
        setenv("OCL_ICD_FILENAMES", icd_filenames, 1);
    pid_t child;
    int status;
    ck_assert_int_eq(posix_spawnp(&child, "env", NULL, NULL, words, environ), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
