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

/* ---- elements ---------------------------------------------------------------------------- */

/* Byte offset in the image of the dense tensor's element. */
static size_t place(const test_tensor *t, size_t index)
{
    size_t width = (size_t)t->info.extents[t->info.rank - 1];
    size_t at = index / width * (size_t)t->info.row_stride + index % width;
    return t->offset + at * reference_size(t->info.dtype);
}

static uint32_t get_bits(const test_tensor *t, const unsigned char *image, size_t index)
{
    uint32_t word = 0;
    uint16_t half = 0;
    if (reference_size(t->info.dtype) == 4) {
        memcpy(&word, image + place(t, index), 4);
        return word;
    }
    memcpy(&half, image + place(t, index), 2);
    return half;
}

static void put_bits(const test_tensor *t, unsigned char *image, size_t index, uint32_t bits)
{
    uint16_t half = (uint16_t)bits;
    memcpy(image + place(t, index),
           reference_size(t->info.dtype) == 4 ? (void *)&bits : (void *)&half,
           reference_size(t->info.dtype));
}

double test_element(const test_tensor *t, const unsigned char *image, size_t index)
{
    return reference_decode(t->info.dtype, get_bits(t, image, index));
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

/* Every argument that is no buffer, from the words of args. */
static void collect_numbers(test_launch *launch)
{
    char words[256];
    snprintf(words, sizeof words, "%s", launch->of->args ? launch->of->args : "");
    kiln_kernel_info about;
    test_ok(kiln_get_kernel_info(launch->kernel, &about));
    kiln_arg_info info;
    for (size_t i = 0; i < about.num_args; i++) {
        /* Kinds and names do not depend on dimensions, but a buffer's sizes do. */
        if (kiln_get_arg_info(launch->kernel, i, NULL, 0, &info) != KILN_OK ||
            info.kind == KILN_ARG_BUFFER)
            continue;
        double value = reference_number(words, info.name, -1);
        launch->args[launch->num_args++] = info.kind == KILN_ARG_DIM
                                               ? kiln_dim(info.name, (int64_t)value)
                                               : kiln_scalar(info.name, value);
    }
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
    test_random random = {launch->of->seed ^ test_seed(t->info.name)};
    if (launch->of->fill)
        launch->of->fill(launch->of->user, &t->dense, t->dense.values);
    else
        for (size_t i = 0; i < t->dense.count; i++)
            t->dense.values[i] = test_normal(&random);
    for (size_t i = 0; i < t->dense.count; i++) {
        uint32_t bits = reference_encode(t->info.dtype, t->dense.values[i]);
        put_bits(t, t->before, i, bits);
        t->dense.values[i] = reference_decode(t->info.dtype, bits);
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

/* ---- checking ---------------------------------------------------------------------------- */

/* Whether an output's element lies at each byte of the buffer that tensor i stands for. */
static bool *written_bytes(const test_launch *launch, size_t i)
{
    bool *written = must(calloc(launch->tensors[i].size, sizeof *written));
    for (size_t o = 0; o < launch->num_tensors; o++) {
        const test_tensor *t = &launch->tensors[o];
        if (!t->info.is_output || (o != i && t->in_place_of != (int)i))
            continue;
        for (size_t e = 0; e < t->dense.count; e++)
            memset(written + place(t, e), true, reference_size(t->info.dtype));
    }
    return written;
}

void test_check_untouched(const test_launch *launch, bool outputs_too)
{
    for (size_t i = 0; i < launch->num_tensors; i++) {
        const test_tensor *t = &launch->tensors[i];
        if (t->in_place_of >= 0)
            continue;
        bool *written = written_bytes(launch, i);
        size_t bad = 0;
        while (bad < t->size && (t->before[bad] == t->after[bad] || (written[bad] && !outputs_too)))
            bad++;
        free(written);
        ck_assert_msg(bad == t->size,
                      "%s (%s, seed %llu): byte %zu of %s's buffer was overwritten; the tensor's "
                      "bytes are %zu to %zu",
                      launch->of->spec, launch->of->args ? launch->of->args : "",
                      (unsigned long long)launch->of->seed, bad, t->info.name, t->offset,
                      t->offset + t->info.bytes);
    }
}

/* The contract: ||out - ref|| / ||ref|| for each output by its own storage, no element off by more
 * than 16 tolerances of (|ref| + rms of ref), and where terms cancel CANCELLATION of their
 * root-sum-square besides. */
static double tolerance_of(kiln_dtype dtype)
{
    return dtype == KILN_F16 ? 2e-3 : dtype == KILN_BF16 ? 1e-2 : dtype == KILN_F32 ? 1e-5 : 0.0;
}

#define CANCELLATION 2e-6

/* What rounding may take of any number, however small: f16 ends at 2^-24, and below 2^-126 numbers
 * may flush to zero. */
static double smallest(kiln_dtype dtype)
{
    return dtype == KILN_F16 ? 0x1.01p-25 : 0x1p-126;
}

static void fail_element(const test_launch *launch, const test_tensor *t, size_t index, double out,
                         double ref, const char *rule)
{
    const test_case *c = launch->of;
    const char *where = "";
    size_t rest = index;
    for (size_t d = t->info.rank; d-- > 0;) {
        size_t extent = (size_t)t->info.extents[d];
        where = test_format("%zu%s%s", rest % extent, *where ? "," : "", where);
        rest /= extent;
    }
    ck_abort_msg("%s (%s%s%s, seed %llu): %s[%s] is %.9g (0x%x), should be %.9g: %s", c->spec,
                 c->args ? c->args : "", c->in_place ? ", in place " : "",
                 c->in_place ? c->in_place : "", (unsigned long long)c->seed, t->info.name, where,
                 out, get_bits(t, t->after, index), ref, rule);
}

/* An element that is no finite number, here or in the reference. True: nothing is left to say. */
static bool check_special(const test_launch *launch, const test_tensor *t, size_t i, double out,
                          double ref)
{
    double stored = reference_round(t->info.dtype, ref);
    if (isfinite(out) && isfinite(stored))
        return false;
    if (isnan(stored) != isnan(out))
        fail_element(launch, t, i, out, stored, "NaN is only where the reference has it");
    if (isnan(stored) || out == stored)
        return true;
    /* On the brink of overflow rounding decides; the tolerance says where that is. */
    double slack = 1 + 16 * tolerance_of(t->info.dtype);
    if (isfinite(ref) && isinf(reference_round(t->info.dtype, ref * slack)) &&
        isfinite(reference_round(t->info.dtype, ref / slack)) && signbit(ref) == signbit(out))
        return true;
    fail_element(launch, t, i, out, stored, "inf is only where the reference has it");
    return true;
}

static void check_exact(const test_launch *launch, const test_tensor *t)
{
    for (size_t i = 0; i < t->dense.count; i++) {
        double ref = (double)(float)t->dense.values[i];
        uint32_t bits = get_bits(t, t->after, i), wanted = reference_encode(t->info.dtype, ref);
        double out = reference_decode(t->info.dtype, bits);
        bool flushed = out == 0 && fabs(ref) < 0x1p-126;
        if (bits != wanted && !(isnan(ref) && isnan(out)) && !flushed)
            fail_element(launch, t, i, out, reference_decode(t->info.dtype, wanted),
                         "not the nearest, ties to even");
    }
}

static void check_tensor(const test_launch *launch, const test_tensor *t)
{
    double tolerance = tolerance_of(t->info.dtype);
    double error2 = 0, ref2 = 0, terms2 = 0;
    size_t finite = 0;
    for (size_t i = 0; i < t->dense.count; i++) {
        double ref = t->dense.values[i], out = test_element(t, t->after, i);
        if (check_special(launch, t, i, out, ref) || !isfinite(ref))
            continue;
        finite++;
        error2 += (out - ref) * (out - ref);
        ref2 += ref * ref;
        terms2 += t->dense.terms[i] * t->dense.terms[i];
    }
    double limit = tolerance * sqrt(ref2) + CANCELLATION * sqrt(terms2);
    double rms = finite ? sqrt(ref2 / (double)finite) : 0;
    for (size_t i = 0; i < t->dense.count; i++) {
        double ref = t->dense.values[i], out = test_element(t, t->after, i);
        double most = 16 * (tolerance * (fabs(ref) + rms) + CANCELLATION * t->dense.terms[i]);
        if (isfinite(ref) && isfinite(out) && fabs(out - ref) > most + smallest(t->info.dtype))
            fail_element(launch, t, i, out, ref, test_format("off by more than %.3g", most));
    }
    ck_assert_msg(sqrt(error2) <= limit + smallest(t->info.dtype) * sqrt((double)finite + 1),
                  "%s (%s, seed %llu): %s is off by %.3g in norm; allowed are %.3g",
                  launch->of->spec, launch->of->args ? launch->of->args : "",
                  (unsigned long long)launch->of->seed, t->info.name, sqrt(error2), limit);
}

void test_check_values(test_launch *launch)
{
    reference_tensor tensors[TEST_MAX_TENSORS];
    for (size_t i = 0; i < launch->num_tensors; i++)
        tensors[i] = launch->tensors[i].dense;
    reference_call call = {launch->of->spec, launch->of->args ? launch->of->args : "", tensors,
                           launch->num_tensors};
    ck_assert_msg(reference_run(&call), "%s: there is no oracle of that name", launch->of->spec);
    for (size_t i = 0; i < launch->num_tensors; i++) {
        if (!launch->tensors[i].info.is_output)
            continue;
        if (launch->of->exact)
            check_exact(launch, &launch->tensors[i]);
        else
            check_tensor(launch, &launch->tensors[i]);
    }
}

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

bool test_run(const test_case *c)
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
    pid_t child;
    int status;
    ck_assert_int_eq(posix_spawnp(&child, "env", NULL, NULL, words, environ), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
