/* Programs from source and from the disk cache: cold, warm, damaged, and templates that are wrong.
 */
#include "support.h"
#include "cache.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPEC "bias_add m=? n=7"
enum { N = 7 };

/* ---- one context after the other ----------------------------------------------------------- */

typedef struct outcome {
    kiln_status status;
    kiln_cache_result cache;
    double off; /* from x + bias */
    test_log log;
} outcome;

/* Creates SPEC in a context of its own, launches it, releases all. */
static void attempt(const kiln_context_params *given, outcome *o)
{
    kiln_context_params params = *given;
    kiln_context *context;
    kiln_kernel *kernel = (kiln_kernel *)&context;
    memset(o, 0, sizeof *o);
    pthread_mutex_init(&o->log.lock, NULL);
    params.device_name = test_device();
    params.log = test_log_line;
    params.log_user = &o->log;
    test_ok(kiln_create_context(&params, &context));
    o->status = kiln_create_kernel(context, SPEC, &kernel);
    if (o->status == KILN_OK) {
        kiln_kernel_info info;
        test_ok(kiln_get_kernel_info(kernel, &info));
        o->cache = info.cache;
        o->off = test_bias_add(context, kernel, N);
        kiln_release_kernel(kernel);
    } else {
        ck_assert_ptr_null(kernel);
    }
    kiln_release_context(context);
}

/* ... which has to work and get its binary so. */
static void gets(const kiln_context_params *params, kiln_cache_result wanted, int line)
{
    outcome o;
    attempt(params, &o);
    ck_assert_msg(o.status == KILN_OK, "line %d: %s", line, kiln_last_error());
    ck_assert_msg(o.off == 0, "line %d: wrong by %g", line, o.off);
    ck_assert_msg(o.cache == wanted, "line %d: it was %s; the log:\n%s", line,
                  o.cache == KILN_COMPILED ? "compiled" : "from the disk", o.log.text);
    ck_assert_msg(o.log.warnings == 0, "line %d: a warning:\n%s", line, o.log.text);
}

#define COMPILES(params) gets(params, KILN_COMPILED, __LINE__)
#define LOADS(params)    gets(params, KILN_FROM_DISK, __LINE__)

/* Does something to every file of a directory; returns how many there are. */
static int each_file(const char *dir, void (*act)(const char *path))
{
    int count = 0;
    DIR *stream = opendir(dir);
    struct dirent *entry;
    while (stream && (entry = readdir(stream))) {
        char path[1024];
        struct stat about;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (stat(path, &about) != 0 || !S_ISREG(about.st_mode))
            continue;
        count++;
        if (act)
            act(path);
    }
    if (stream)
        closedir(stream);
    return count;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

/* ---- cold and warm ------------------------------------------------------------------------- */

START_TEST(test_cold_and_warm)
{
    char *dir = test_make_dir();
    kiln_context_params params = {.cache_dir = dir};
    COMPILES(&params);
    ck_assert_int_eq(each_file(dir, NULL), 1);
    LOADS(&params);
    LOADS(&params);
    ck_assert_int_eq(each_file(dir, NULL), 1);

    /* Within one context the second asks nobody. */
    outcome o = {.log.lock = PTHREAD_MUTEX_INITIALIZER};
    params.device_name = test_device();
    params.log = test_log_line;
    params.log_user = &o.log;
    kiln_context *context;
    kiln_kernel *first, *second;
    test_ok(kiln_create_context(&params, &context));
    test_ok(kiln_create_kernel(context, SPEC, &first));
    test_ok(kiln_create_kernel(context, SPEC, &second));
    ck_assert_ptr_eq(first, second);
    ck_assert_int_eq(test_log_count(&o.log, "from the cache"), 1);
    ck_assert_int_eq(test_log_count(&o.log, "compiled"), 0);
    kiln_release_kernel(first);
    kiln_release_kernel(second);
    kiln_release_context(context);
    test_remove_dir(dir);
}
END_TEST

/* Flushed, it is in the cache while the context lives on. */
START_TEST(test_flush)
{
    char *dir = test_make_dir();
    kiln_context_params params = {.cache_dir = dir, .device_name = test_device()};
    kiln_context *context;
    kiln_kernel *kernel;
    test_ok(kiln_create_context(&params, &context));
    test_ok(kiln_create_kernel(context, SPEC, &kernel));
    ck_assert(test_bias_add(context, kernel, N) == 0);
    kiln_flush_cache(context);
    ck_assert_int_eq(each_file(dir, NULL), 1);
    LOADS(&params);
    kiln_release_kernel(kernel);
    kiln_release_context(context);
    test_remove_dir(dir);
}
END_TEST

START_TEST(test_other_kernels)
{
    char *dir = test_make_dir();
    kiln_context_params params = {.cache_dir = dir, .device_name = test_device()};
    static const char *const specs[] = {"bias_add m=? n=8", "bias_add m=3 n=7",
                                        "bias_add m=? n=7 dtype=bf16",
                                        "bias_add m=? n=7 variant=simt workgroup_size=64"};
    COMPILES(&params);
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        kiln_context *context;
        kiln_kernel *kernel;
        kiln_kernel_info info;
        test_ok(kiln_create_context(&params, &context));
        test_ok(kiln_create_kernel(context, specs[i], &kernel));
        test_ok(kiln_get_kernel_info(kernel, &info));
        ck_assert_int_eq(info.cache, KILN_COMPILED);
        kiln_release_kernel(kernel);
        kiln_release_context(context);
    }
    test_remove_dir(dir);
}
END_TEST

/* A launch that is not over when all is released. */
START_TEST(test_release_before_launch)
{
    char *dir = test_make_dir();
    kiln_context_params params = {.cache_dir = dir, .device_name = test_device()};
    kiln_context *context;
    kiln_kernel *kernel;
    cl_int code;
    test_ok(kiln_create_context(&params, &context));
    cl_context cl = kiln_context_cl(context);
    clRetainContext(cl);
    cl_command_queue queue = clCreateCommandQueue(cl, kiln_context_device(context), 0, &code);
    float x[N] = {1, 2, 3, 4, 5, 6, 7}, y[N] = {0};
    cl_mem xs = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof x, x, &code);
    cl_mem ys = clCreateBuffer(cl, 0, sizeof y, NULL, &code);
    cl_event gate = clCreateUserEvent(cl, &code);
    test_ok(kiln_create_kernel(context, SPEC, &kernel));
    kiln_arg args[] = {kiln_dim("m", 1), kiln_buffer("x", xs), kiln_buffer("bias", xs),
                       kiln_buffer("y", ys)};
    test_ok(kiln_launch(kernel, queue, args, 4, 1, &gate, NULL));
    kiln_flush_cache(context);
    kiln_release_kernel(kernel);
    kiln_release_context(context);
    clReleaseMemObject(xs);
    clSetUserEventStatus(gate, CL_COMPLETE);
    ck_assert_int_eq(clEnqueueReadBuffer(queue, ys, CL_TRUE, 0, sizeof y, y, 0, NULL, NULL),
                     CL_SUCCESS);
    for (int i = 0; i < N; i++)
        ck_assert(y[i] == 2 * x[i]);
    clReleaseEvent(gate);
    clReleaseMemObject(ys);
    clReleaseCommandQueue(queue);
    clReleaseContext(cl);
    test_remove_dir(dir);
}
END_TEST

/* ---- modes ------------------------------------------------------------------------------- */

/* By the environment, and by the params, which are stronger. */
static void set_mode(kiln_context_params *params, int by_params, kiln_cache_mode mode,
                     const char *name)
{
    params->cache = by_params ? mode : KILN_CACHE_DEFAULT;
    setenv("KILN_CACHE", by_params ? "off" : name, 1);
    if (by_params && mode == KILN_CACHE_OFF)
        setenv("KILN_CACHE", "on", 1);
}

START_TEST(test_modes)
{
    char *dir = test_make_dir();
    kiln_context_params params = {.cache_dir = dir};
    outcome o;
    set_mode(&params, _i, KILN_CACHE_OFF, "off");
    COMPILES(&params);
    set_mode(&params, _i, KILN_CACHE_READONLY, "readonly");
    COMPILES(&params);
    set_mode(&params, _i, KILN_CACHE_REQUIRE, "require");
    attempt(&params, &o);
    test_refused(o.status, KILN_CACHE_MISS, test_format("bias_add|%s|require", dir));
    ck_assert_int_eq(each_file(dir, NULL), 0);
    set_mode(&params, _i, KILN_CACHE_ON, "on");
    COMPILES(&params);
    ck_assert_int_eq(each_file(dir, NULL), 1);
    set_mode(&params, _i, KILN_CACHE_READONLY, "readonly");
    LOADS(&params);
    set_mode(&params, _i, KILN_CACHE_REQUIRE, "require");
    LOADS(&params);
    set_mode(&params, _i, KILN_CACHE_OFF, "off");
    COMPILES(&params);
    unsetenv("KILN_CACHE");
    test_remove_dir(dir);
}
END_TEST

/* After a miss under `require' the same context still gives what is there. */
START_TEST(test_require_goes_on)
{
    char *dir = test_make_dir();
    kiln_context_params params = {.cache_dir = dir};
    COMPILES(&params);
    params.device_name = test_device();
    params.cache = KILN_CACHE_REQUIRE;
    kiln_context *context;
    kiln_kernel *kernel;
    test_ok(kiln_create_context(&params, &context));
    test_refused(kiln_create_kernel(context, "bias_add m=? n=9", &kernel), KILN_CACHE_MISS,
                 "bias_add");
    ck_assert_ptr_null(kernel);
    test_ok(kiln_create_kernel(context, SPEC, &kernel));
    ck_assert(test_bias_add(context, kernel, N) == 0);
    kiln_release_kernel(kernel);
    kiln_release_context(context);
    test_remove_dir(dir);
}
END_TEST

START_TEST(test_environment)
{
    char *dir = test_make_dir();
    char *kept = getenv("KILN_CACHE_DIR") ? strdup(getenv("KILN_CACHE_DIR")) : NULL;
    outcome o;
    setenv("KILN_CACHE_DIR", dir, 1);
    COMPILES(&(kiln_context_params){0});
    LOADS(&(kiln_context_params){0});
    setenv("KILN_CACHE", "sometimes", 1);
    attempt(&(kiln_context_params){0}, &o);
    ck_assert_int_eq(o.cache, KILN_FROM_DISK);
    ck_assert_int_eq(o.log.warnings, 1);
    ck_assert_int_eq(test_log_count(&o.log, "KILN_CACHE=sometimes"), 1);
    unsetenv("KILN_CACHE");
    if (kept)
        setenv("KILN_CACHE_DIR", kept, 1);
    else
        unsetenv("KILN_CACHE_DIR");
    free(kept);
    test_remove_dir(dir);
}
END_TEST

/* ---- damage ------------------------------------------------------------------------------ */

static void flip(const char *path, long where, int whence)
{
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    fseek(file, where, whence);
    long at = ftell(file);
    int byte = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(byte ^ 0x10, file);
    fclose(file);
}

static long size_of(const char *path)
{
    struct stat about;
    ck_assert_int_eq(stat(path, &about), 0);
    return (long)about.st_size;
}

static void flip_first(const char *path)
{
    flip(path, 0, SEEK_SET);
}

static void flip_last(const char *path)
{
    flip(path, -1, SEEK_END);
}

static void flip_middle(const char *path)
{
    flip(path, size_of(path) / 2, SEEK_SET);
}

static void flip_identity(const char *path)
{
    flip(path, 40, SEEK_SET);
}

static void flip_many(const char *path)
{
    for (long at = 0; at < size_of(path); at += 97)
        flip(path, at, SEEK_SET);
}

static void cut_half(const char *path)
{
    ck_assert_int_eq(truncate(path, size_of(path) / 2), 0);
}

static void cut_last(const char *path)
{
    ck_assert_int_eq(truncate(path, size_of(path) - 1), 0);
}

static void cut_all(const char *path)
{
    ck_assert_int_eq(truncate(path, 0), 0);
}

START_TEST(test_damage)
{
    static void (*const damages[])(const char *) = {
        flip_first, flip_last, flip_middle, flip_identity, flip_many, cut_half, cut_last, cut_all};
    char *dir = test_make_dir();
    kiln_context_params params = {.cache_dir = dir};
    COMPILES(&params);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        LOADS(&params);
        ck_assert_int_ge(each_file(dir, damages[i]), 1);
        COMPILES(&params); /* and the entry is whole again */
    }
    test_remove_dir(dir);
}
END_TEST

/* ---- a payload that is whole, but not what the driver wants ---------------------------------- */

typedef struct stolen {
    char *identity;
    size_t length;
} stolen;

static bool steal(void *user, const kiln_cache_entry *entry)
{
    stolen *s = user;
    s->identity = malloc(entry->identity_length);
    memcpy(s->identity, entry->identity, entry->identity_length);
    s->length = entry->identity_length;
    return false;
}

START_TEST(test_foreign_payload)
{
    static const char garbage[] = "this is no binary of any driver";
    char *dir = test_make_dir(), *other_dir = test_make_dir();
    kiln_context_params params = {.cache_dir = dir, .device_name = test_device()};
    kiln_cache *cache;
    stolen s = {NULL, 0}, other = {NULL, 0};
    COMPILES(&params);
    test_ok(kiln_cache_open(KILN_CACHE_ON, dir, 0, NULL, NULL, &cache));
    ck_assert_int_eq(kiln_cache_visit(cache, steal, &s), 1);

    /* Another kernel's binary, which the driver takes, but which lacks the entry. */
    kiln_context_params elsewhere = {.cache_dir = other_dir, .device_name = test_device()};
    kiln_context *context;
    kiln_kernel *kernel;
    test_ok(kiln_create_context(&elsewhere, &context));
    test_ok(kiln_create_kernel(context, "gelu m=? n=? approx=tanh", &kernel));
    test_case c = {.spec = "gelu m=? n=? approx=tanh", .args = "m=2 n=3"};
    cl_int code;
    cl_command_queue queue =
        clCreateCommandQueue(kiln_context_cl(context), kiln_context_device(context), 0, &code);
    cl_mem x = clCreateBuffer(kiln_context_cl(context), 0, 64, NULL, &code);
    kiln_arg args[] = {kiln_dim("m", 2), kiln_dim("n", 3), kiln_buffer("x", x),
                       kiln_buffer("y", x)};
    test_ok(kiln_launch(kernel, queue, args, 4, 0, NULL, NULL));
    clFinish(queue);
    clReleaseMemObject(x);
    clReleaseCommandQueue(queue);
    kiln_release_kernel(kernel);
    kiln_release_context(context);
    kiln_cache *from;
    void *binary;
    size_t length;
    test_ok(kiln_cache_open(KILN_CACHE_ON, other_dir, 0, NULL, NULL, &from));
    ck_assert_int_eq(kiln_cache_visit(from, steal, &other), 1);
    ck_assert(kiln_cache_get(from, other.identity, other.length, &binary, &length));

    const struct {
        const void *payload;
        size_t length;
    } payloads[] = {{garbage, sizeof garbage}, {garbage, 0}, {binary, length}};
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        outcome o;
        ck_assert(
            kiln_cache_put(cache, s.identity, s.length, payloads[i].payload, payloads[i].length));
        attempt(&params, &o);
        ck_assert_msg(o.status == KILN_OK && o.off == 0 && o.cache == KILN_COMPILED,
                      "%s of payload %zu: %s", c.spec, i, kiln_last_error());
        ck_assert_int_eq(test_log_count(&o.log, "refused its cached binary"), 1);
        LOADS(&params); /* replaced */
    }
    /* Under `require' it is a miss. */
    ck_assert(kiln_cache_put(cache, s.identity, s.length, garbage, sizeof garbage));
    outcome o;
    params.cache = KILN_CACHE_REQUIRE;
    attempt(&params, &o);
    ck_assert_int_eq(o.status, KILN_CACHE_MISS);
    free(binary);
    free(s.identity);
    free(other.identity);
    kiln_cache_close(cache);
    kiln_cache_close(from);
    test_remove_dir(dir);
    test_remove_dir(other_dir);
}
END_TEST

/* ---- no place for the cache ------------------------------------------------------------------ */

START_TEST(test_unwritable)
{
    char *dir = test_make_dir();
    const char *file = test_format("%s/file", dir), *below = test_format("%s/file/below", dir);
    write_file(file, "in the way");
    const char *const places[] = {file, below};
    for (size_t i = 0; i < 2; i++) {
        outcome o;
        attempt(&(kiln_context_params){.cache_dir = places[i]}, &o);
        ck_assert_int_eq(o.status, KILN_OK);
        ck_assert_int_eq(o.cache, KILN_COMPILED);
        ck_assert(o.off == 0);
        ck_assert_msg(o.log.warnings == 1, "%d warnings:\n%s", o.log.warnings, o.log.text);
        ck_assert_int_eq(test_log_count(&o.log, places[i]), 1);
    }
    test_remove_dir(dir);
}
END_TEST

/* ---- templates --------------------------------------------------------------------------- */

#define GOOD_LINE "${v} += load${w}_${bias_dtype}${part}(${bias}, ${col}${count});\n"

/* A directory with a fragment of its own for bias. */
static char *template_dir(const char *text)
{
    char *dir = test_make_dir();
    mkdir(test_format("%s/op", dir), 0700);
    write_file(test_format("%s/op/bias.cl", dir), text);
    return dir;
}

static kiln_context *open_templates(char *dir, int by_environment)
{
    kiln_context_params params = {.device_name = test_device(),
                                  .cache = KILN_CACHE_OFF,
                                  .template_dir = by_environment ? NULL : dir};
    kiln_context *context;
    if (by_environment)
        setenv("KILN_TEMPLATE_DIR", dir, 1);
    test_ok(kiln_create_context(&params, &context));
    unsetenv("KILN_TEMPLATE_DIR");
    return context;
}

START_TEST(test_wrong_templates)
{
    static const struct {
        const char *text;
        kiln_status status;
        const char *parts;
    } wrong[] = {
        {GOOD_LINE "this is not C;\n", KILN_BUILD_FAILED, "bias_add|log|op/bias.cl:2"},
        {GOOD_LINE GOOD_LINE "${v} = undeclared_name;\n", KILN_BUILD_FAILED,
         "bias.cl:3|undeclared_name"},
        {GOOD_LINE "${v} += ${nonsense};\n", KILN_TEMPLATE_ERROR, "op/bias.cl:2|nonsense"},
        {GOOD_LINE "@if w ==\n@end\n", KILN_TEMPLATE_ERROR, "op/bias.cl:2"},
        {GOOD_LINE "@if w == 1\n", KILN_TEMPLATE_ERROR, "op/bias.cl"},
        {GOOD_LINE "@include op/absent.cl\n", KILN_TEMPLATE_ERROR, "op/absent.cl"},
        {GOOD_LINE "@frobnicate\n", KILN_TEMPLATE_ERROR, "op/bias.cl:2|frobnicate"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *dir = template_dir(wrong[i].text);
        kiln_context *context = open_templates(dir, (int)i % 2);
        kiln_kernel *kernel = (kiln_kernel *)&context;
        for (int again = 0; again < 2; again++) {
            test_refused(kiln_create_kernel(context, SPEC, &kernel), wrong[i].status,
                         wrong[i].parts);
            ck_assert_ptr_null(kernel);
        }
        /* The context is none the worse: another kernel works, and this one once it is mended. */
        test_ok(kiln_create_kernel(context, "gelu m=? n=? approx=tanh", &kernel));
        kiln_release_kernel(kernel);
        write_file(test_format("%s/op/bias.cl", dir), GOOD_LINE);
        test_ok(kiln_create_kernel(context, SPEC, &kernel));
        ck_assert(test_bias_add(context, kernel, N) == 0);
        kiln_release_kernel(kernel);
        kiln_release_context(context);
        test_remove_dir(dir);
    }
}
END_TEST

/* Another source is another binary. */
START_TEST(test_changed_template)
{
    char *cache = test_make_dir(), *dir = template_dir(GOOD_LINE "${v} += 1.0f;\n");
    kiln_context_params params = {.cache_dir = cache}, changed = params;
    changed.template_dir = dir;
    outcome o;
    COMPILES(&params);
    attempt(&changed, &o);
    ck_assert_int_eq(o.status, KILN_OK);
    ck_assert_int_eq(o.cache, KILN_COMPILED);
    ck_assert_msg(o.off == 1, "the changed template is off by %g, not 1", o.off);
    attempt(&changed, &o);
    ck_assert(o.cache == KILN_FROM_DISK && o.off == 1);
    LOADS(&params);
    test_remove_dir(cache);
    test_remove_dir(dir);
}
END_TEST

/* ---- processes and threads --------------------------------------------------------------- */

/* New processes, first one with and then one without the driver's own cache, and the other way
 * round. This process has no part in it: under valgrind it sees another CPU. */
START_TEST(test_new_process)
{
    for (int first = 0; first < 2; first++) {
        char *dir = test_make_dir();
        const char *place = test_format("KILN_CACHE_DIR=%s", dir);
        const char *drivers = test_format("POCL_KERNEL_CACHE=%d", first);
        const char *cold[] = {place, drivers, "KILN_CACHE=on", NULL};
        drivers = test_format("POCL_KERNEL_CACHE=%d", !first);
        const char *warm[] = {place, drivers, "KILN_CACHE=on", NULL};
        const char *must[] = {place, "POCL_KERNEL_CACHE=0", "KILN_CACHE=require", NULL};
        ck_assert_int_eq(test_spawn(cold, "cold"), 0);
        ck_assert_int_eq(test_spawn(warm, "warm"), 0);
        ck_assert_int_eq(test_spawn(must, "warm"), 0);
        test_remove_dir(dir);
    }
}
END_TEST

static int child(kiln_cache_result wanted)
{
    kiln_context_params params = {.device_name = test_device()};
    kiln_context *context;
    kiln_kernel *kernel;
    kiln_kernel_info info;
    if (kiln_create_context(&params, &context) != KILN_OK ||
        kiln_create_kernel(context, SPEC, &kernel) != KILN_OK ||
        kiln_get_kernel_info(kernel, &info) != KILN_OK) {
        fprintf(stderr, "child: %s\n", kiln_last_error());
        return 1;
    }
    bool right = test_bias_add(context, kernel, N) == 0, as_wanted = info.cache == wanted;
    kiln_release_kernel(kernel);
    kiln_release_context(context);
    return !right ? 2 : !as_wanted ? 3 : 0;
}

/* A hundred launches of a new kernel, with nobody waiting for any of them. */
static int stream_child(void)
{
    enum { EDGE = 192, LAUNCHES = 100 };
    kiln_context_params params = {.device_name = test_device()};
    kiln_context *context;
    kiln_kernel *kernel;
    if (kiln_create_context(&params, &context) != KILN_OK ||
        kiln_create_kernel(context, "matmul m=192 n=192 k=192", &kernel) != KILN_OK)
        return 1;
    cl_context cl = kiln_context_cl(context);
    cl_command_queue queue = clCreateCommandQueue(cl, kiln_context_device(context), 0, NULL);
    cl_mem buffers[3];
    for (int i = 0; i < 3; i++)
        buffers[i] = clCreateBuffer(cl, CL_MEM_READ_WRITE, EDGE * EDGE * sizeof(float), NULL, NULL);
    kiln_arg args[] = {kiln_buffer("a", buffers[0]), kiln_buffer("b", buffers[1]),
                       kiln_buffer("c", buffers[2])};
    kiln_status status = KILN_OK;
    for (int i = 0; i < LAUNCHES && status == KILN_OK; i++)
        status = kiln_launch(kernel, queue, args, 3, 0, NULL, NULL);
    clFinish(queue);
    for (int i = 0; i < 3; i++)
        clReleaseMemObject(buffers[i]);
    clReleaseCommandQueue(queue);
    kiln_release_kernel(kernel);
    kiln_release_context(context);
    return status == KILN_OK ? 0 : 2;
}

/* A binary is not read while launches are under way: PoCL would end the process. */
START_TEST(test_stream)
{
    char *dir = test_make_dir();
    const char *settings[] = {test_format("KILN_CACHE_DIR=%s", dir), "POCL_KERNEL_CACHE=0",
                              "KILN_CACHE=on", NULL};
    ck_assert_int_eq(test_spawn(settings, "stream"), 0);
    ck_assert_int_eq(each_file(dir, NULL), 1);
    test_remove_dir(dir);
}
END_TEST

typedef struct racer {
    pthread_t thread;
    const char *dir;
    kiln_status status;
    double off;
} racer;

static void *race(void *user)
{
    racer *r = user;
    kiln_context_params params = {.device_name = test_device(), .cache_dir = r->dir};
    kiln_context *context;
    kiln_kernel *kernel;
    r->status = kiln_create_context(&params, &context);
    if (r->status != KILN_OK)
        return NULL;
    r->status = kiln_create_kernel(context, SPEC, &kernel);
    if (r->status == KILN_OK) {
        r->off = test_bias_add(context, kernel, N);
        kiln_release_kernel(kernel);
    }
    kiln_release_context(context);
    return NULL;
}

/* Contexts that fill one directory at once. */
START_TEST(test_race)
{
    enum { RACERS = 6 };
    char *dir = test_make_dir();
    racer racers[RACERS];
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (racer){.dir = dir};
        ck_assert_int_eq(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(racers[i].thread, NULL);
        ck_assert_int_eq(racers[i].status, KILN_OK);
        ck_assert(racers[i].off == 0);
    }
    ck_assert_int_eq(each_file(dir, NULL), 1);
    LOADS(&(kiln_context_params){.cache_dir = dir});
    test_remove_dir(dir);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "stream") == 0)
        return stream_child();
    if (argc > 1)
        return child(strcmp(argv[1], "warm") == 0 ? KILN_FROM_DISK : KILN_COMPILED);
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("program");
    TCase *tests = tcase_create("program");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, test_cold_and_warm);
    tcase_add_test(tests, test_flush);
    tcase_add_test(tests, test_other_kernels);
    tcase_add_test(tests, test_release_before_launch);
    tcase_add_loop_test(tests, test_modes, 0, 2);
    tcase_add_test(tests, test_require_goes_on);
    tcase_add_test(tests, test_environment);
    tcase_add_test(tests, test_damage);
    tcase_add_test(tests, test_foreign_payload);
    tcase_add_test(tests, test_unwritable);
    tcase_add_test(tests, test_wrong_templates);
    tcase_add_test(tests, test_changed_template);
    tcase_add_test(tests, test_new_process);
    tcase_add_test(tests, test_stream);
    tcase_add_test(tests, test_race);
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
