/* The tuner on a device: what it finds is kept, used and right; what is wrong never wins. */
#include "cache_dir.h"
#include "support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SPEC "gelu m=61 n=67 approx=tanh"

static kiln_context *open_in(const char *dir, const char *templates, const kiln_store *store,
                             test_log *log)
{
    kiln_context *context;
    if (log) {
        memset(log, 0, sizeof *log);
        pthread_mutex_init(&log->lock, NULL);
    }
    kiln_context_params params = {.device_name = test_device(),
                                  .cache = KILN_CACHE_ON,
                                  .cache_dir = dir,
                                  .template_dir = templates,
                                  .store = store,
                                  .log = log ? test_log_line : NULL,
                                  .log_user = log};
    test_ok(kiln_create_context(&params, &context));
    return context;
}

/* Whether a kernel of spec is tuned, and for what. */
static const char *tuned_for(kiln_context *context, const char *spec)
{
    static char text[256];
    kiln_kernel *kernel;
    kiln_kernel_info info;
    test_ok(kiln_create_kernel(context, spec, &kernel));
    test_ok(kiln_get_kernel_info(kernel, &info));
    ck_assert_int_eq(info.tuning_origin, info.tuned_for ? KILN_TUNING_TUNED : KILN_TUNING_DERIVED);
    snprintf(text, sizeof text, "%s", info.tuned_for ? info.tuned_for : "");
    kiln_release_kernel(kernel);
    return text;
}

/* Ends a search after some candidates. */
typedef struct {
    size_t most, calls, failures;
    double best_s;
    char failure[512];
} watch;

static int look(void *user, const kiln_tune_progress *p)
{
    watch *w = user;
    ck_assert_ptr_nonnull(strstr(p->spec, "dtype="));
    ck_assert(p->elapsed_s >= 0 && p->budget_s > 0 && p->default_s > 0 && p->best_s > 0);
    ck_assert(w->best_s == 0 || p->best_s <= w->best_s);
    ck_assert(*p->variant && p->tried > 0);
    w->best_s = p->best_s;
    w->failures += p->failure != NULL;
    if (p->failure)
        snprintf(w->failure, sizeof w->failure, "%s", p->failure);
    return ++w->calls >= w->most;
}

/* To the end of the search: what its time cut off would be found by the next one. */
static kiln_tune_result tune(kiln_context *context, const char *spec, watch *w)
{
    kiln_tune_result result;
    test_ok(kiln_tune(context, spec,
                      &(kiln_tune_params){.budget_s = 600, .progress = look, .progress_user = w},
                      &result));
    ck_assert(result.best_s > 0 && result.best_s <= result.default_s);
    ck_assert(*result.variant && *result.default_variant);
    ck_assert_uint_ge(result.tried, result.failed);
    ck_assert_uint_ge(result.tried, result.known);
    return result;
}

/* ---- keeping and using ------------------------------------------------------------------- */

START_TEST(test_tuned_is_used)
{
    char *dir = test_make_dir();
    kiln_context *context = open_in(dir, NULL, NULL, NULL);
    kiln_kernel *before, *after;
    kiln_kernel_info info;
    watch w = {.most = 3};
    test_ok(kiln_create_kernel(context, SPEC, &before));
    kiln_tune_result result = tune(context, SPEC, &w);
    ck_assert_uint_eq(w.calls, 3);
    ck_assert_uint_eq(result.tried, 3);
    ck_assert(result.kept && !result.complete);
    /* A kernel made before stays as it is, one asked for now is another. */
    test_ok(kiln_get_kernel_info(before, &info));
    ck_assert_int_eq(info.tuning_origin, KILN_TUNING_DERIVED);
    test_ok(kiln_create_kernel(context, SPEC, &after));
    ck_assert_ptr_ne(after, before);
    test_ok(kiln_get_kernel_info(after, &info));
    ck_assert_int_eq(info.tuning_origin, KILN_TUNING_TUNED);
    ck_assert_str_eq(info.tuned_for, "gelu m=61 n=67 dtype=f32 approx=tanh");
    ck_assert_str_eq(info.tuning, result.tuning);
    ck_assert_str_eq(info.variant, result.variant);
    kiln_release_kernel(before);
    kiln_release_kernel(after);

    /* In another context, and for others that are near. */
    kiln_context *other = open_in(dir, NULL, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        kiln_context *in = i ? other : context;
        ck_assert_str_ne(tuned_for(in, SPEC), "");
        ck_assert_str_ne(tuned_for(in, "gelu m=80 n=67 approx=tanh"), "");
        ck_assert_str_eq(tuned_for(in, "gelu m=200 n=67 approx=tanh"), "");
        ck_assert_str_eq(tuned_for(in, "gelu m=61 n=67 approx=none"), "");
        ck_assert_str_eq(tuned_for(in, SPEC " workgroup_size=64"), "");
    }
    size_t count = 7;
    test_ok(kiln_forget_tuned(context, "gelu m=80 n=67 approx=tanh", &count));
    ck_assert_uint_eq(count, 0);
    ck_assert_str_ne(tuned_for(context, SPEC), "");
    test_ok(kiln_forget_tuned(context, SPEC, &count));
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(tuned_for(context, SPEC), "");
    ck_assert_str_ne(tuned_for(other, SPEC), ""); /* it has read them before */
    kiln_release_context(context);
    kiln_release_context(other);
    test_remove_dir(dir);
}
END_TEST

/* Without a place to keep them the values hold in their context. */
START_TEST(test_nowhere_to_keep)
{
    kiln_context *context;
    watch w = {.most = 2};
    test_ok(kiln_create_context(
        &(kiln_context_params){.device_name = test_device(), .cache = KILN_CACHE_OFF}, &context));
    ck_assert(!tune(context, SPEC, &w).kept);
    ck_assert_str_ne(tuned_for(context, SPEC), "");
    test_ok(kiln_forget_tuned(context, NULL, NULL));
    ck_assert_str_eq(tuned_for(context, SPEC), "");
    kiln_release_context(context);
}
END_TEST

static int count_one(void *user, const kiln_tuned *tuned)
{
    ck_assert(tuned->time_s > 0);
    ck_assert_str_eq(tuned->version, kiln_version());
    ck_assert_ptr_nonnull(strstr(tuned->tuning, "="));
    return ++*(int *)user < 2;
}

/* A search that was cut short is taken up where it was left. */
START_TEST(test_restart)
{
    char *dir = test_make_dir();
    watch w = {.most = 4};
    int count = 0;
    kiln_context *context = open_in(dir, NULL, NULL, NULL);
    kiln_tune_result first = tune(context, SPEC, &w);
    ck_assert_uint_eq(first.tried, 4);
    kiln_release_context(context);
    context = open_in(dir, NULL, NULL, NULL);
    w = (watch){.most = 3};
    kiln_tune_result second = tune(context, SPEC, &w);
    ck_assert_uint_eq(second.known, 3); /* but the choice without tuning, which is measured anew */
    ck_assert_uint_eq(second.tried, 6);
    w = (watch){.most = 1000};
    kiln_tune_result third = tune(context, SPEC, &w);
    ck_assert(third.complete);
    ck_assert_uint_eq(third.known, 5);
    ck_assert_uint_eq(third.tried, third.known + w.calls);
    w = (watch){.most = 1000};
    kiln_tune_result fourth = tune(context, SPEC, &w);
    ck_assert(fourth.complete);
    ck_assert_uint_eq(w.calls, 1); /* nothing is left to try */
    test_ok(kiln_list_tuned(context, count_one, &count));
    ck_assert_int_eq(count, 1);
    kiln_release_context(context);
    test_remove_dir(dir);
}
END_TEST

/* Dimensions left to the launch are given with the search, and the line serves them only. */
START_TEST(test_launch_time)
{
    char *dir = test_make_dir();
    kiln_context *context = open_in(dir, NULL, NULL, NULL);
    kiln_arg dims[] = {kiln_dim("m", 61)};
    watch w = {.most = 2};
    kiln_tune_params params = {.budget_s = 60, .progress = look, .progress_user = &w};
    kiln_tune_result result;
    test_refused(kiln_tune(context, "gelu m=? n=67 approx=tanh", &params, &result),
                 KILN_INVALID_LAUNCH, "m is not given");
    params.dims = dims;
    params.num_dims = 1;
    test_ok(kiln_tune(context, "gelu m=? n=67 approx=tanh", &params, &result));
    ck_assert_str_ne(tuned_for(context, "gelu m=? n=67 approx=tanh"), "");
    ck_assert_str_eq(tuned_for(context, SPEC), "");
    kiln_release_context(context);
    test_remove_dir(dir);
}
END_TEST

START_TEST(test_refusals)
{
    static const double budgets[] = {0, -1, NAN, INFINITY};
    kiln_tune_params params = {.budget_s = 1};
    kiln_tune_result result = {.tried = 77};
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++)
        test_refused(
            kiln_tune(test_context, SPEC, &(kiln_tune_params){.budget_s = budgets[i]}, &result),
            KILN_INVALID_ARGUMENT, "budget|above 0");
    test_refused(kiln_tune(test_context, "matmul m=8 n=8 k=8 tile_size=8", &params, &result),
                 KILN_INVALID_SPEC, "tile_size=8|must be 0");
    test_refused(
        kiln_tune(test_context, "gelu m=8 n=8 approx=tanh workgroup_size=64", &params, &result),
        KILN_INVALID_SPEC, "must be 0");
    test_refused(kiln_tune(test_context, "gelu m=8", &params, &result), KILN_INVALID_SPEC, "n");
    test_refused(kiln_tune(NULL, SPEC, &params, &result), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(kiln_tune(test_context, NULL, &params, &result), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(kiln_tune(test_context, SPEC, NULL, &result), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(kiln_tune(test_context, SPEC, &params, NULL), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(kiln_list_tuned(test_context, NULL, NULL), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(kiln_list_tuned(NULL, count_one, NULL), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(kiln_forget_tuned(NULL, NULL, NULL), KILN_INVALID_ARGUMENT, "NULL");
    test_refused(kiln_forget_tuned(test_context, "gelu", NULL), KILN_INVALID_SPEC, "missing");
    ck_assert_uint_eq(result.tried, 77);
}
END_TEST

/* ---- candidates that are wrong ------------------------------------------------------------- */

/* A directory whose element-by-element templates do something else, where WHEN, before the rest. */
static char *wrong_templates(const char *vector, const char *simt)
{
    static const char *const names[] = {"elementwise_vector.cl", "elementwise_simt.cl"};
    const char *const wrong[] = {vector, simt};
    char *dir = test_make_dir();
    for (size_t i = 0; i < 2; i++) {
        const char *source = getenv("srcdir");
        char line[512];
        FILE *from = fopen(test_format("%s/templates/%s", source ? source : ".", names[i]), "r");
        FILE *to = fopen(test_format("%s/%s", dir, names[i]), "w");
        ck_assert_msg(from && to, "no %s beneath srcdir", names[i]);
        while (fgets(line, sizeof line, from)) {
            fputs(line, to);
            if (strcmp(line, "${offsets}\n") == 0)
                fputs(wrong[i], to);
        }
        fclose(from);
        fclose(to);
    }
    return dir;
}

/* The fastest is wrong in one of several ways, and never wins. */
START_TEST(test_wrong_results)
{
    static const struct {
        const char *vector, *simt, *part;
    } wrong[] = {
        /* writes nothing */
        {"@if BLOCK == 4096\n    return;\n@end\n", "@if WG == 64\n    return;\n@end\n",
         "is wrong: y"},
        /* one element of all */
        {"@if BLOCK == 4096\n    y[0] += 1.0f; x += 1;\n@end\n",
         "@if WG == 64\n    x += 1;\n@end\n", "is wrong: y"},
        /* behind the end, and before the beginning */
        {"@if BLOCK == 4096\n    y[${count}] = 1.0f;\n@end\n",
         "@if WG == 64\n    y[${count}] = 1.0f;\n@end\n", "behind y"},
        {"@if BLOCK == 4096\n    y[-1] = 1.0f;\n@end\n", "@if WG == 64\n    y[-1] = 1.0f;\n@end\n",
         "in front of y"},
        /* no program */
        {"@if BLOCK == 4096\n    this is not C;\n@end\n", "@if WG == 64\n    nor this;\n@end\n",
         "compiler"},
    };
    size_t count = test_quick() ? 3 : sizeof wrong / sizeof *wrong;
    for (size_t i = 0; i < count; i++) {
        char *dir = test_make_dir(), *templates = wrong_templates(wrong[i].vector, wrong[i].simt);
        kiln_context *context = open_in(dir, templates, NULL, NULL);
        watch w = {.most = 1000};
        kiln_tune_result result = tune(context, SPEC, &w);
        ck_assert_msg(result.failed > 0 && w.failures == result.failed, "%zu: none failed", i);
        ck_assert_msg(strstr(w.failure, wrong[i].part) != NULL, "%zu: %s", i, w.failure);
        ck_assert_ptr_null(strstr(result.tuning, "BLOCK=4096"));
        ck_assert_ptr_null(strstr(result.tuning, "WG=64"));
        /* They are not tried again; others may be, as timings steer the search. */
        w = (watch){.most = 1000};
        kiln_tune_result again = tune(context, SPEC, &w);
        ck_assert_uint_ge(again.failed, result.failed);
        ck_assert_uint_eq(w.failures, again.failed - result.failed);
        kiln_release_context(context);
        test_remove_dir(dir);
        test_remove_dir(templates);
    }
}
END_TEST

/* Where the choice without tuning fails there is nothing to tune. */
START_TEST(test_default_fails)
{
    char *templates = wrong_templates("    y[-1] = 1.0f;\n", "    y[-1] = 1.0f;\n");
    kiln_context *context;
    kiln_tune_result result;
    test_ok(kiln_create_context(&(kiln_context_params){.device_name = test_device(),
                                                       .cache = KILN_CACHE_OFF,
                                                       .template_dir = templates},
                                &context));
    test_refused(kiln_tune(context, SPEC, &(kiln_tune_params){.budget_s = 5}, &result),
                 KILN_OPENCL_ERROR, "without tuning fails|in front of y");
    ck_assert_str_eq(tuned_for(context, SPEC), "");
    kiln_release_context(context);
    test_remove_dir(templates);
}
END_TEST

/* ---- a store of the caller's --------------------------------------------------------------- */

#define MOST_VALUES 64

typedef struct {
    pthread_mutex_t lock;
    char keys[MOST_VALUES][64];
    unsigned char *values[MOST_VALUES];
    size_t lengths[MOST_VALUES], count, gets, sets;
    bool refuses;
} memory;

static int memory_get(void *user, const char *key,
                      void (*take)(void *to, const void *value, size_t length), void *to)
{
    memory *m = user;
    int found = 0;
    pthread_mutex_lock(&m->lock);
    m->gets++;
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->keys[i], key) != 0)
            continue;
        take(to, m->values[i], m->lengths[i]);
        found = 1;
    }
    pthread_mutex_unlock(&m->lock);
    return found;
}

static int memory_set(void *user, const char *key, const void *value, size_t length)
{
    memory *m = user;
    size_t at = 0;
    pthread_mutex_lock(&m->lock);
    m->sets++;
    while (at < m->count && strcmp(m->keys[at], key) != 0)
        at++;
    bool kept = !m->refuses && at < MOST_VALUES && strlen(key) < sizeof m->keys[0];
    if (kept) {
        m->count += at == m->count;
        strcpy(m->keys[at], key);
        free(m->values[at]);
        m->values[at] = malloc(length + 1);
        memcpy(m->values[at], value, length);
        m->lengths[at] = length;
    }
    pthread_mutex_unlock(&m->lock);
    return kept;
}

static kiln_cache_result made(kiln_context *context)
{
    kiln_kernel *kernel;
    kiln_kernel_info info;
    test_ok(kiln_create_kernel(context, "bias_add m=? n=7", &kernel));
    test_ok(kiln_get_kernel_info(kernel, &info));
    ck_assert(test_bias_add(context, kernel, 7) == 0);
    kiln_release_kernel(kernel);
    return info.cache;
}

START_TEST(test_own_store)
{
    memory m = {.lock = PTHREAD_MUTEX_INITIALIZER};
    kiln_store store = {memory_get, memory_set, &m};
    char *dir = test_make_dir();
    test_log *log = malloc(sizeof *log);
    watch w = {.most = 2};
    kiln_context *context = open_in(dir, NULL, &store, log);
    ck_assert_int_eq(made(context), KILN_COMPILED);
    ck_assert(tune(context, SPEC, &w).kept);
    kiln_release_context(context);
    ck_assert_uint_ge(m.count, 2);

    context = open_in(dir, NULL, &store, log);
    ck_assert_int_eq(made(context), KILN_FROM_DISK);
    ck_assert_str_ne(tuned_for(context, SPEC), "");
    kiln_release_context(context);
    ck_assert_int_eq(log->warnings, 0);

    /* What the store damaged counts as none. */
    for (size_t i = 0; i < m.count; i++)
        m.values[i][m.lengths[i] / 2] ^= 1;
    context = open_in(dir, NULL, &store, log);
    ck_assert_int_eq(made(context), KILN_COMPILED);
    kiln_release_context(context);
    for (size_t i = 0; i < m.count; i++)
        m.lengths[i] = 3;
    context = open_in(dir, NULL, &store, log);
    ck_assert_int_eq(made(context), KILN_COMPILED);
    ck_assert_str_eq(tuned_for(context, SPEC), "");
    kiln_release_context(context);
    ck_assert_int_eq(log->warnings, 1);

    /* One that keeps nothing is told of, once by each of the two that would keep there. */
    m.refuses = true;
    m.count = 0;
    context = open_in(dir, NULL, &store, log);
    made(context);
    w = (watch){.most = 2};
    ck_assert(!tune(context, SPEC, &w).kept);
    ck_assert_str_ne(tuned_for(context, SPEC), "");
    kiln_release_context(context);
    ck_assert_int_eq(log->warnings, 2);

    /* No file was made, and a store with half its functions is refused. */
    ck_assert_int_eq(remove(dir), 0);
    store.set = NULL;
    context = test_context;
    test_refused(
        kiln_create_context(&(kiln_context_params){.device_name = test_device(), .store = &store},
                            &context),
        KILN_INVALID_ARGUMENT, "get and set");
    ck_assert_ptr_null(context);
    for (size_t i = 0; i < MOST_VALUES; i++)
        free(m.values[i]);
    free(log);
    free(dir);
}
END_TEST

/* ---- files that are wrong ------------------------------------------------------------------ */

START_TEST(test_damaged_file)
{
    char *dir = test_make_dir();
    const char *path = test_format("%s/lines.txt", dir);
    char kept[600];
    snprintf(kept, sizeof kept, "%s", path);
    static const char *const texts[] = {
        "not a tuning file\n",
        "kiln-tuning 2\n",
        "kiln-tuning 1\ndevice another\n" SPEC " variant=simt WG=64 PER_ITEM=4 time=1 kiln=1\n",
        "kiln-tuning 1\n" SPEC " variant=simt WG=65 PER_ITEM=4 time=1 kiln=1\n",
    };
    test_log *log = malloc(sizeof *log);
    setenv("KILN_TUNE_FILE", kept, 1);
    for (size_t i = 0; i <= sizeof texts / sizeof *texts; i++) {
        FILE *file = fopen(kept, "w");
        ck_assert_ptr_nonnull(file);
        bool good = i == sizeof texts / sizeof *texts;
        fputs(good ? "kiln-tuning 1\n" SPEC " variant=simt WG=64 PER_ITEM=4 time=1 kiln=1\n"
                   : texts[i],
              file);
        fclose(file);
        kiln_context *context = open_in(dir, NULL, NULL, log);
        ck_assert_int_eq(*tuned_for(context, SPEC) != '\0', good);
        ck_assert_int_eq(*tuned_for(context, "gelu m=62 n=67 approx=tanh") != '\0', good);
        ck_assert_msg(log->warnings == !good, "file %zu: %s", i, log->text);
        kiln_release_context(context);
    }
    unsetenv("KILN_TUNE_FILE");
    free(log);
    test_remove_dir(dir);
}
END_TEST

/* ---- every kernel -------------------------------------------------------------------------- */

/* No right candidate is taken for a wrong one. */
START_TEST(test_rows)
{
    static const char *const some[] = {
        "matmul m=70 n=66 k=50 dtype=bf16 lda=56 ldc=80",
        "matmul_tn m=40 n=72 k=33 accumulate=1 out_dtype=f16",
        "layernorm_backward m=37 n=130",
        "cross_entropy tokens=17 vocab=301 dlogits=1 bad=1",
        "flash_attention batch=1 seq_q=33 seq_k=40 heads=2 kv_heads=1 head_dim=64 causal=1",
        "adamw n=1001 param_out=1 clip=1",
        "embedding_backward tokens=50 vocab=40 n=33",
        "rope tokens=19 heads=3 head_dim=64 rotary_dim=64 style=neox",
        "transpose batch=2 m=65 n=70 dtype=f16",
        "dropout m=31 n=70 dtype=bf16",
        "softmax batch=2 m=17 n=300 causal=1 dtype=f16",
        "grad_norm n=5000",
    };
    size_t step = test_quick() ? 4 : 1;
    for (size_t i = 0; i < sizeof some / sizeof *some; i += step) {
        watch w = {.most = test_quick() ? 3 : 4};
        kiln_tune_result result = tune(test_context, some[i], &w);
        ck_assert_msg(result.failed == 0, "%s: %s", some[i], w.failure);
    }
    test_ok(kiln_forget_tuned(test_context, NULL, NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tune");
    TCase *keeping = tcase_create("keeping"), *wrong = tcase_create("wrong"),
          *stores = tcase_create("stores"), *rows = tcase_create("rows");
    unsetenv("KILN_TUNE_FILE");
    test_open();
    tcase_add_test(keeping, test_tuned_is_used);
    tcase_add_test(keeping, test_nowhere_to_keep);
    tcase_add_test(keeping, test_restart);
    tcase_add_test(keeping, test_launch_time);
    tcase_add_test(keeping, test_refusals);
    tcase_add_test(wrong, test_wrong_results);
    tcase_add_test(wrong, test_default_fails);
    tcase_add_test(stores, test_own_store);
    tcase_add_test(stores, test_damaged_file);
    tcase_add_test(rows, test_rows);
    suite_add_tcase(suite, keeping);
    suite_add_tcase(suite, wrong);
    suite_add_tcase(suite, stores);
    suite_add_tcase(suite, rows);
    int status = test_main(suite);
    test_close();
    return status;
}
