/* Contexts: how a device is found, who owns what, threads. */
#include "support.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kiln_context *open_with(const kiln_context_params *params)
{
    kiln_context *context;
    test_ok(kiln_create_context(params, &context));
    ck_assert_ptr_nonnull(context);
    return context;
}

static kiln_context *open_logged(test_log *log)
{
    return open_with(&(kiln_context_params){.device_name = test_device(),
                                            .cache = KILN_CACHE_OFF,
                                            .log = log ? test_log_line : NULL,
                                            .log_user = log});
}

static kiln_kernel *create(kiln_context *context, const char *spec)
{
    kiln_kernel *kernel;
    test_ok(kiln_create_kernel(context, spec, &kernel));
    ck_assert_ptr_nonnull(kernel);
    return kernel;
}

static void works(kiln_context *context)
{
    kiln_kernel *kernel = create(context, "bias_add m=? n=5");
    ck_assert(test_bias_add(context, kernel, 5) == 0);
    kiln_release_kernel(kernel);
}

/* ---- finding a device -------------------------------------------------------------------- */

START_TEST(test_defaults)
{
    unsetenv("KILN_DEVICE");
    kiln_context *context = open_with(NULL);
    ck_assert_ptr_nonnull(kiln_context_cl(context));
    ck_assert_ptr_nonnull(kiln_context_device(context));
    kiln_release_context(context);
    context = open_with(&(kiln_context_params){0});
    kiln_release_context(context);
}
END_TEST

START_TEST(test_environment)
{
    setenv("KILN_DEVICE", test_device(), 1);
    kiln_context *context = open_with(&(kiln_context_params){.cache = KILN_CACHE_OFF});
    ck_assert_ptr_eq(kiln_context_device(context), kiln_context_device(test_context));
    works(context);
    kiln_release_context(context);
    setenv("KILN_DEVICE", "a toaster", 1);
    test_refused(kiln_create_context(NULL, &context), KILN_NO_DEVICE, "`a toaster'|index");
    ck_assert_ptr_null(context);
    /* A name in the params is stronger. */
    context = open_logged(NULL);
    kiln_release_context(context);
    unsetenv("KILN_DEVICE");
}
END_TEST

START_TEST(test_names)
{
    static const char *const bad[] = {"a toaster", "999", "-1", "18446744073709551617", "0x0"};
    kiln_context *context;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        context = test_context;
        test_refused(kiln_create_context(&(kiln_context_params){.device_name = bad[i]}, &context),
                     KILN_NO_DEVICE, test_format("device `%s'|none of the", bad[i]));
        ck_assert_ptr_null(context);
    }
    context = open_with(&(kiln_context_params){.device_name = "0", .cache = KILN_CACHE_OFF});
    kiln_release_context(context);
    /* A part of the name, in whatever case. */
    char name[256] = "", part[256];
    clGetDeviceInfo(kiln_context_device(test_context), CL_DEVICE_NAME, sizeof name, name, NULL);
    snprintf(part, sizeof part, "%s", name + (strlen(name) > 8 ? 3 : 0));
    for (char *c = part; *c; c++)
        *c = (char)(isupper((unsigned char)*c) ? tolower((unsigned char)*c)
                                               : toupper((unsigned char)*c));
    context = open_with(&(kiln_context_params){.device_name = part, .cache = KILN_CACHE_OFF});
    char found[256] = "";
    clGetDeviceInfo(kiln_context_device(context), CL_DEVICE_NAME, sizeof found, found, NULL);
    ck_assert_str_eq(found, name);
    kiln_release_context(context);
}
END_TEST

START_TEST(test_own_context)
{
    cl_device_id device = kiln_context_device(test_context);
    cl_int code;
    cl_context cl = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    ck_assert_int_eq(code, CL_SUCCESS);
    kiln_context *context;
    test_refused(kiln_create_context(&(kiln_context_params){.context = cl}, &context),
                 KILN_INVALID_ARGUMENT, "no device of it");
    ck_assert_ptr_null(context);
    context =
        open_with(&(kiln_context_params){.context = cl, .device = device, .cache = KILN_CACHE_OFF});
    ck_assert_ptr_eq(kiln_context_cl(context), cl);
    ck_assert_ptr_eq(kiln_context_device(context), device);
    clReleaseContext(cl); /* kiln has its own reference */
    works(context);
    kiln_release_context(context);
    /* A device alone. */
    context = open_with(&(kiln_context_params){.device = device, .cache = KILN_CACHE_OFF});
    ck_assert_ptr_eq(kiln_context_device(context), device);
    works(context);
    kiln_release_context(context);
}
END_TEST

START_TEST(test_null)
{
    kiln_context *context = test_context;
    kiln_kernel *kernel = (kiln_kernel *)&context;
    kiln_kernel_info info;
    test_refused(kiln_create_context(NULL, NULL), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(
        kiln_create_context(&(kiln_context_params){.cache = (kiln_cache_mode)99}, &context),
        KILN_INVALID_ARGUMENT, "99");
    ck_assert_ptr_null(context);
    ck_assert_ptr_null(kiln_context_cl(NULL));
    ck_assert_ptr_null(kiln_context_device(NULL));
    kiln_release_context(NULL);
    kiln_release_kernel(NULL);
    kiln_flush_cache(NULL);
    test_refused(kiln_create_kernel(NULL, "bias_add m=? n=5", &kernel), KILN_INVALID_ARGUMENT,
                 "NULL");
    test_refused(kiln_create_kernel(test_context, NULL, &kernel), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(kiln_create_kernel(test_context, "bias_add m=? n=5", NULL), KILN_INVALID_ARGUMENT,
                 "NULL");
    test_refused(kiln_get_kernel_info(NULL, &info), KILN_INVALID_ARGUMENT, "NULL");
    ck_assert_ptr_null(kiln_kernel_source(NULL, 0));
    kernel = (kiln_kernel *)&context;
    test_refused(kiln_create_kernel(test_context, "bais_add m=? n=5", &kernel), KILN_INVALID_SPEC,
                 "unknown kernel `bais_add'|bias_add");
    ck_assert_ptr_null(kernel);
}
END_TEST

/* ---- what a kernel says of itself ---------------------------------------------------------- */

START_TEST(test_info)
{
    test_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
    kiln_context *context = open_logged(&log);
    kiln_kernel *kernel = create(context, "bias_add  variant=simt n=5\tm=? workgroup_size=128");
    kiln_kernel_info info;
    test_ok(kiln_get_kernel_info(kernel, &info));
    ck_assert_str_eq(info.spec, "bias_add m=? n=5 dtype=f32 workgroup_size=128 variant=simt");
    ck_assert_str_eq(info.name, "bias_add");
    ck_assert_str_eq(info.variant, "simt");
    ck_assert_ptr_nonnull(strstr(info.tuning, "WG=128"));
    ck_assert_int_eq(info.cache, KILN_COMPILED);
    ck_assert(info.create_s > 0 && info.create_s < 600);
    ck_assert_uint_eq(info.num_args, 4);
    ck_assert_uint_eq(info.num_stages, 1);
    ck_assert_uint_eq(info.workgroup_size, 128);
    test_refused(kiln_get_kernel_info(kernel, NULL), KILN_INVALID_ARGUMENT, "NULL");
    ck_assert_ptr_nonnull(strstr(kiln_kernel_source(kernel, 0), info.spec));
    ck_assert_ptr_null(kiln_kernel_source(kernel, 1));
    ck_assert_ptr_null(kiln_kernel_source(kernel, SIZE_MAX));

    /* The log has the build, and why the CPU's variant was passed over. */
    ck_assert_int_eq(test_log_count(&log, "compiled"), 1);
    ck_assert_int_eq(test_log_count(&log, test_format("1 %s: simt", info.spec)), 1);
    ck_assert_int_eq(test_log_count(&log, "vector: "), 1);
    ck_assert_int_eq(log.warnings, 0);
    kiln_release_kernel(kernel);
    kiln_release_context(context);
}
END_TEST

START_TEST(test_sharing)
{
    static const char *const same[] = {
        "matmul m=? n=8 k=4 dtype=f32 tile_size=16",
        "matmul tile_size=16 k=4 n=8 m=?",
        "  matmul k=4 dtype=f32 m=? lda=0 out_dtype=f32 accumulate=0 n=8 tile_size=16 ",
        "matmul m=? n=8 k=4 out_dtype=dtype tile_size=16 workgroup_size=0 variant=any",
    };
    test_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
    kiln_context *context = open_logged(&log);
    kiln_kernel *kernels[4];
    kiln_kernel_info first, info;
    for (size_t i = 0; i < 4; i++) {
        kernels[i] = create(context, same[i]);
        test_ok(kiln_get_kernel_info(kernels[i], i ? &info : &first));
        if (i > 0)
            ck_assert_str_eq(info.spec, first.spec);
    }
    ck_assert_int_eq(test_log_count(&log, "compiled"), 1);
    kiln_kernel *other = create(context, "matmul m=? n=8 k=5 tile_size=16");
    ck_assert_ptr_ne(other, kernels[0]);
    ck_assert_int_eq(test_log_count(&log, "compiled"), 2);
    for (size_t i = 0; i < 4; i++)
        kiln_release_kernel(kernels[i]);
    /* Nobody holds it, yet the next who asks need not wait. */
    kernels[0] = create(context, same[0]);
    ck_assert_int_eq(test_log_count(&log, "compiled"), 2);
    kiln_release_kernel(kernels[0]);
    kiln_release_kernel(other);
    kiln_release_context(context);
}
END_TEST

/* Idle kernels are dropped when they are many; those in use stay. */
START_TEST(test_many_kernels)
{
    enum { MANY = 80 };
    if (test_quick())
        return;
    kiln_context *context = open_logged(NULL);
    kiln_kernel *held = create(context, "bias_add m=? n=1");
    for (int n = 2; n < MANY; n++)
        kiln_release_kernel(create(context, test_format("bias_add m=? n=%d", n)));
    ck_assert(test_bias_add(context, held, 1) == 0);
    kiln_kernel *again = create(context, "bias_add m=? n=2");
    ck_assert(test_bias_add(context, again, 2) == 0);
    kiln_release_kernel(again);
    kiln_release_kernel(held);
    kiln_release_context(context);
}
END_TEST

/* ---- order of release -------------------------------------------------------------------- */

START_TEST(test_kernel_outlives_context)
{
    kiln_context *context = open_logged(NULL);
    kiln_kernel *kernel = create(context, "bias_add m=? n=5");
    kiln_kernel *same = create(context, "bias_add n=5 m=?");
    cl_context cl = kiln_context_cl(context);
    cl_device_id device = kiln_context_device(context);
    clRetainContext(cl);
    kiln_release_context(context);
    kiln_release_kernel(same);
    /* test_bias_add asks the context for its cl_context, which is ours now. */
    cl_int code;
    cl_command_queue queue = clCreateCommandQueue(cl, device, 0, &code);
    float x[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, bias[5] = {5, 4, 3, 2, 1}, y[10];
    cl_mem xs = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof x, x, &code);
    cl_mem biases = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof bias, bias, &code);
    kiln_arg args[] = {kiln_dim("m", 2), kiln_buffer("x", xs), kiln_buffer("y", xs),
                       kiln_buffer("bias", biases)};
    test_ok(kiln_launch(kernel, queue, args, 4, 0, NULL, NULL));
    kiln_release_kernel(kernel);
    clEnqueueReadBuffer(queue, xs, CL_TRUE, 0, sizeof y, y, 0, NULL, NULL);
    for (int i = 0; i < 10; i++)
        ck_assert(y[i] == x[i] + bias[i % 5]);
    clReleaseMemObject(xs);
    clReleaseMemObject(biases);
    clReleaseCommandQueue(queue);
    clReleaseContext(cl);
}
END_TEST

/* ---- threads ----------------------------------------------------------------------------- */

enum { THREADS = 12, ROUNDS = 6, SPECS = 5 };

typedef struct worker {
    pthread_t thread;
    kiln_context *context;
    int id, bad;
} worker;

static void *work(void *user)
{
    worker *w = user;
    for (int i = 0; i < ROUNDS; i++) {
        int n = 5 + (w->id * (i % 2) + i) % SPECS;
        char spec[64];
        snprintf(spec, sizeof spec, w->id % 2 ? "bias_add m=? n=%d" : "bias_add n=%d m=?", n);
        kiln_kernel *kernel, *refused;
        if (kiln_create_kernel(w->context, spec, &kernel) != KILN_OK) {
            w->bad++;
            continue;
        }
        w->bad += test_bias_add(w->context, kernel, n) != 0;
        /* Refusals stay with their thread. */
        snprintf(spec, sizeof spec, "bias_add m=? n=-%d", w->id + 1);
        w->bad += kiln_create_kernel(w->context, spec, &refused) != KILN_INVALID_SPEC;
        snprintf(spec, sizeof spec, "n=-%d:", w->id + 1);
        w->bad += strstr(kiln_last_error(), spec) == NULL;
        w->bad += kiln_create_kernel(w->context,
                                     "matmul m=1 n=1 k=1 variant=simt tile_size=8 "
                                     "workgroup_size=1024",
                                     &refused) != KILN_UNSUPPORTED;
        if (i % 3 == 1)
            kiln_flush_cache(w->context);
        kiln_release_kernel(kernel);
    }
    return NULL;
}

static void run_threads(kiln_context *context)
{
    worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.context = context, .id = i};
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        ck_assert_msg(workers[i].bad == 0, "thread %d: %d wrong", i, workers[i].bad);
    }
}

START_TEST(test_threads)
{
    test_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
    kiln_context *context = open_logged(&log);
    run_threads(context);
    ck_assert_int_eq(test_log_count(&log, "compiled"), SPECS);
    kiln_release_context(context);
}
END_TEST

/* The same beside the thread that writes the disk cache; then nothing needs the compiler. */
START_TEST(test_threads_with_cache)
{
    char *dir = test_make_dir();
    test_log cold = {.lock = PTHREAD_MUTEX_INITIALIZER}, warm = cold;
    kiln_context_params params = {.device_name = test_device(),
                                  .cache = KILN_CACHE_ON,
                                  .cache_dir = dir,
                                  .log = test_log_line,
                                  .log_user = &cold};
    kiln_context *context = open_with(&params);
    run_threads(context);
    kiln_release_context(context);
    ck_assert_int_eq(test_log_count(&cold, "compiled"), SPECS);
    ck_assert_int_eq(cold.warnings, 0);
    params.log_user = &warm;
    context = open_with(&params);
    run_threads(context);
    kiln_release_context(context);
    ck_assert_int_eq(test_log_count(&warm, "compiled"), 0);
    ck_assert_int_eq(test_log_count(&warm, "from the cache"), SPECS);
    test_remove_dir(dir);
}
END_TEST

typedef struct launcher {
    pthread_t thread;
    kiln_kernel *kernel;
    int id, bad;
} launcher;

static void *launch_often(void *user)
{
    launcher *l = user;
    for (int i = 0; i < 10; i++)
        l->bad += test_bias_add(test_context, l->kernel, 33) != 0;
    return NULL;
}

/* One kernel, many threads: arguments are the cl_kernel's state. */
START_TEST(test_threads_on_one_kernel)
{
    launcher launchers[THREADS];
    kiln_kernel *kernel = create(test_context, "bias_add m=? n=33");
    for (int i = 0; i < THREADS; i++) {
        launchers[i] = (launcher){.kernel = kernel, .id = i};
        ck_assert_int_eq(pthread_create(&launchers[i].thread, NULL, launch_often, &launchers[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(launchers[i].thread, NULL);
        ck_assert_int_eq(launchers[i].bad, 0);
    }
    kiln_release_kernel(kernel);
}
END_TEST

/* ---- other drivers ------------------------------------------------------------------------- */

START_TEST(test_no_platform)
{
    char *dir = test_make_dir();
    /* The second for Khronos' loader. */
    const char *settings[] = {test_format("OCL_ICD_VENDORS=%s", dir), "OCL_ICD_FILENAMES=", NULL};
    ck_assert_int_eq(test_spawn(settings, "no-platform"), 0);
    test_remove_dir(dir);
}
END_TEST

static int child_without_platform(void)
{
    kiln_context *context = (kiln_context *)&context;
    kiln_context_params params = {.device_name = "cpu"};
    for (int i = 0; i < 2; i++) {
        if (kiln_create_context(i ? &params : NULL, &context) != KILN_NO_DEVICE || context ||
            !strstr(kiln_last_error(), "no platform has one"))
            return 1;
    }
    return 0;
}

/* PoCL can show two devices. */
START_TEST(test_two_devices)
{
    const char *settings[] = {"POCL_DEVICES=pthread basic", NULL};
    int status = test_spawn(settings, "two-devices");
    if (status == 77)
        printf("skipped: no platform with two devices\n");
    else
        ck_assert_int_eq(status, 0);
}
END_TEST

static int child_with_two_devices(void)
{
    kiln_context *first, *second, *context;
    kiln_context_params params = {.device_name = "1", .cache = KILN_CACHE_OFF};
    if (kiln_create_context(&params, &second) != KILN_OK)
        return 77;
    params.device_name = "0";
    if (kiln_create_context(&params, &first) != KILN_OK)
        return 1;
    kiln_context_params mixed = {.context = kiln_context_cl(first),
                                 .device = kiln_context_device(second)};
    if (kiln_create_context(&mixed, &context) != KILN_INVALID_ARGUMENT || context ||
        !strstr(kiln_last_error(), "not one of the context's"))
        return 2;
    cl_device_id devices[] = {kiln_context_device(first), kiln_context_device(second)};
    cl_int code;
    cl_context both = clCreateContext(NULL, 2, devices, NULL, NULL, &code);
    if (code != CL_SUCCESS)
        return 77; /* of two platforms */
    kiln_context_params of_both = {.context = both, .device = devices[0], .cache = KILN_CACHE_OFF};
    if (kiln_create_context(&of_both, &context) != KILN_OK)
        return 3;
    kiln_kernel *kernel;
    if (kiln_create_kernel(context, "bias_add m=? n=5", &kernel) != KILN_OK ||
        test_bias_add(context, kernel, 5) != 0)
        return 4;
    cl_command_queue queue = clCreateCommandQueue(both, devices[1], 0, &code);
    if (kiln_launch(kernel, queue, NULL, 0, 0, NULL, NULL) != KILN_INVALID_LAUNCH ||
        !strstr(kiln_last_error(), "the queue is of another device"))
        return 5;
    clReleaseCommandQueue(queue);
    clReleaseContext(both);
    kiln_release_context(first);
    kiln_release_context(second);
    kiln_release_context(context);
    kiln_release_kernel(kernel);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return strcmp(argv[1], "no-platform") == 0 ? child_without_platform()
                                                   : child_with_two_devices();
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("context");
    TCase *tests = tcase_create("context");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, test_defaults);
    tcase_add_test(tests, test_environment);
    tcase_add_test(tests, test_names);
    tcase_add_test(tests, test_own_context);
    tcase_add_test(tests, test_null);
    tcase_add_test(tests, test_info);
    tcase_add_test(tests, test_sharing);
    tcase_add_test(tests, test_many_kernels);
    tcase_add_test(tests, test_kernel_outlives_context);
    tcase_add_test(tests, test_threads);
    tcase_add_test(tests, test_threads_with_cache);
    tcase_add_test(tests, test_threads_on_one_kernel);
    tcase_add_test(tests, test_no_platform);
    tcase_add_test(tests, test_two_devices);
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
