/* The last error, growing text and suggestions. status.c is included, so that its memory can be
 * made to run out. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <check.h>
#include <stdint.h>
#include <stdlib.h>

/* Allocations that still succeed; negative: all. */
static int allocations_left = -1;

static void *rationed_realloc(void *memory, size_t size)
{
    if (allocations_left == 0 || size > SIZE_MAX / 2) /* sanitizers abort at such sizes */
        return NULL;
    if (allocations_left > 0)
        allocations_left--;
    return realloc(memory, size);
}

#define realloc rationed_realloc
#include "../src/status.c"
#undef realloc

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- status names, version ---------------------------------------------------------------- */

START_TEST(test_status_names)
{
    static const struct {
        int status;
        const char *name;
    } cases[] = {{0, "KILN_OK"},
                 {-1, "KILN_INVALID_ARGUMENT"},
                 {-2, "KILN_INVALID_SPEC"},
                 {-3, "KILN_UNSUPPORTED"},
                 {-4, "KILN_INVALID_LAUNCH"},
                 {-5, "KILN_NO_DEVICE"},
                 {-6, "KILN_BUILD_FAILED"},
                 {-7, "KILN_TEMPLATE_ERROR"},
                 {-8, "KILN_CACHE_MISS"},
                 {-9, "KILN_OPENCL_ERROR"},
                 {-10, "KILN_OUT_OF_MEMORY"},
                 {-11, "unknown status"},
                 {1, "unknown status"}};
    for (size_t i = 0; i < COUNT(cases); i++)
        ck_assert_str_eq(kiln_status_name((kiln_status)cases[i].status), cases[i].name);
}
END_TEST

START_TEST(test_version)
{
    int major, minor, patch;
    char rest;
    ck_assert_int_ge(sscanf(kiln_version(), "%d.%d.%d%c", &major, &minor, &patch, &rest), 3);
#ifdef PACKAGE_VERSION
    ck_assert_str_eq(kiln_version(), PACKAGE_VERSION);
#endif
    kiln_free(NULL);
    kiln_free(kiln_strdup("given"));
}
END_TEST

/* ---- the last error ----------------------------------------------------------------------- */

START_TEST(test_fail)
{
    ck_assert_int_eq(kiln_fail(KILN_INVALID_SPEC, "head_dim=%d: must be %s", 100, "even"),
                     KILN_INVALID_SPEC);
    ck_assert_str_eq(kiln_last_error(), "head_dim=100: must be even");
    ck_assert_int_eq(kiln_fail(KILN_UNSUPPORTED, "%s", ""), KILN_UNSUPPORTED);
    ck_assert_str_eq(kiln_last_error(), "");
    ck_assert_int_eq(kiln_fail_memory(), KILN_OUT_OF_MEMORY);
    ck_assert_str_eq(kiln_last_error(), "out of memory");
}
END_TEST

START_TEST(test_fail_with_own_parts)
{
    kiln_fail(KILN_INVALID_SPEC, "inner");
    kiln_fail(KILN_INVALID_SPEC, "%s, %s", kiln_last_error(), kiln_last_error());
    kiln_fail(KILN_INVALID_SPEC, "outer: %s", kiln_last_error());
    ck_assert_str_eq(kiln_last_error(), "outer: inner, inner");
}
END_TEST

START_TEST(test_fail_long)
{
    size_t length = 1 << 20;
    char *log = malloc(length + 1);
    memset(log, 'e', length);
    log[length] = '\0';
    kiln_fail(KILN_BUILD_FAILED, "log: %s.", log);
    ck_assert_uint_eq(strlen(kiln_last_error()), length + 6);
    ck_assert_int_eq(strncmp(kiln_last_error() + 5, log, length), 0);
    ck_assert_str_eq(kiln_last_error() + 5 + length, ".");
    free(log);
}
END_TEST

START_TEST(test_fail_without_memory)
{
    char wide[1000];
    memset(wide, 'w', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';

    kiln_fail(KILN_OK, "before");
    allocations_left = 0;
    ck_assert_int_eq(kiln_fail(KILN_NO_DEVICE, "%s again %d", kiln_last_error(), 7),
                     KILN_NO_DEVICE);
    ck_assert_str_eq(kiln_last_error(), "before again 7");
    kiln_fail(KILN_NO_DEVICE, "<%s>", kiln_last_error()); /* its argument is the short buffer */
    ck_assert_str_eq(kiln_last_error(), "<before again 7>");
    kiln_fail(KILN_NO_DEVICE, "cut: %s", wide);
    ck_assert_int_eq(strncmp(kiln_last_error(), "cut: www", 8), 0);
    ck_assert_uint_eq(strlen(kiln_last_error()), sizeof last.brief - 1);
    ck_assert_int_eq(kiln_fail_memory(), KILN_OUT_OF_MEMORY);
    ck_assert_str_eq(kiln_last_error(), "out of memory");
    allocations_left = -1;
    kiln_fail(KILN_NO_DEVICE, "%s no more: %s", kiln_last_error(), wide);
    ck_assert_uint_eq(strlen(kiln_last_error()), strlen("out of memory no more: ") + 999);
}
END_TEST

static void *fail_in_thread(void *number)
{
    char expected[32];
    if (strcmp(kiln_last_error(), "") != 0)
        return (void *)(uintptr_t) "not empty at first";
    for (int i = 0; i < 1000; i++) {
        kiln_fail(KILN_INVALID_SPEC, "thread %d, %d", *(int *)number, i);
        snprintf(expected, sizeof expected, "thread %d, %d", *(int *)number, i);
        if (strcmp(kiln_last_error(), expected) != 0)
            return (void *)(uintptr_t) "another thread's message";
    }
    return NULL;
}

START_TEST(test_fail_in_threads)
{
    pthread_t threads[8];
    int numbers[COUNT(threads)];
    kiln_fail(KILN_INVALID_SPEC, "mine");
    for (size_t i = 0; i < COUNT(threads); i++) {
        numbers[i] = (int)i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fail_in_thread, &numbers[i]), 0);
    }
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *trouble;
        pthread_join(threads[i], &trouble);
        ck_assert_msg(trouble == NULL, "%s", (const char *)trouble);
    }
    ck_assert_str_eq(kiln_last_error(), "mine");
}
END_TEST

/* A key's destructor that runs behind kiln's own must not leak or lose anything either. */
static pthread_key_t late_key;

static void fail_late(void *rounds)
{
    kiln_fail(KILN_INVALID_SPEC, "late %d", *(int *)rounds);
    if (--*(int *)rounds > 0)
        pthread_setspecific(late_key, rounds);
}

static void *fail_at_thread_end(void *rounds)
{
    kiln_fail(KILN_INVALID_SPEC, "early");
    pthread_setspecific(late_key, rounds);
    return NULL;
}

START_TEST(test_fail_at_thread_end)
{
    int rounds = 2;
    pthread_t thread;
    kiln_fail(KILN_INVALID_SPEC, "kiln's key comes first");
    ck_assert_int_eq(pthread_key_create(&late_key, fail_late), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_at_thread_end, &rounds), 0);
    pthread_join(thread, NULL);
    pthread_key_delete(late_key);
    ck_assert_int_eq(rounds, 0);
}
END_TEST

/* ---- growing text ------------------------------------------------------------------------- */

START_TEST(test_text)
{
    kiln_text text = {0};
    kiln_text_add(&text, "");
    ck_assert_str_eq(text.data, "");
    kiln_text_add(&text, "one");
    kiln_text_addf(&text, " %d %s", 2, "three");
    kiln_text_addf(&text, "%s", "");
    kiln_text_add_bytes(&text, "\0four", 5);
    ck_assert_uint_eq(text.length, 16);
    ck_assert_mem_eq(text.data, "one 2 three\0four", 17);
    kiln_text_free(&text);
    ck_assert(text.data == NULL && text.length == 0 && text.capacity == 0 && !text.failed);
    kiln_text_free(&text);
}
END_TEST

START_TEST(test_text_grows)
{
    kiln_text text = {0};
    for (int i = 0; i < 20000; i++) {
        if (i % 2 == 0)
            kiln_text_addf(&text, "%05d", i);
        else
            kiln_text_add_bytes(&text, "-----", 5);
        ck_assert_uint_lt(text.length, text.capacity);
    }
    ck_assert(!text.failed);
    ck_assert_uint_eq(text.length, 100000);
    char *string = kiln_text_take(&text);
    ck_assert_uint_eq(strlen(string), 100000);
    for (int i = 0; i < 20000; i++)
        ck_assert_int_eq(i % 2 == 0 ? atoi(string + 5 * i) : '-', i % 2 == 0 ? i : string[5 * i]);
    free(string);
}
END_TEST

START_TEST(test_text_take)
{
    kiln_text text = {0};
    char *string = kiln_text_take(&text);
    ck_assert_str_eq(string, "");
    free(string);
    kiln_text_add(&text, "taken");
    string = kiln_text_take(&text);
    ck_assert_str_eq(string, "taken");
    ck_assert(text.data == NULL && text.length == 0 && text.capacity == 0);
    free(string);
}
END_TEST

START_TEST(test_text_without_memory)
{
    kiln_text text = {0};
    kiln_text_add(&text, "kept");
    allocations_left = 0;
    kiln_text_addf(&text, "%0500d", 1);
    ck_assert(text.failed);
    allocations_left = -1;
    kiln_text_add(&text, "x"); /* nothing is added behind a gap */
    kiln_text_addf(&text, "%c", 'x');
    ck_assert_str_eq(text.data, "kept");
    ck_assert_uint_eq(text.length, 4);
    ck_assert_ptr_null(kiln_text_take(&text));
    ck_assert(text.data == NULL && !text.failed);

    allocations_left = 0;
    ck_assert_ptr_null(kiln_text_take(&text));
    ck_assert_ptr_null(kiln_strdup("copy"));
    ck_assert_ptr_null(kiln_strndup("copy", 2));
    allocations_left = -1;
}
END_TEST

START_TEST(test_text_beyond_memory)
{
    kiln_text text = {0};
    kiln_text_add(&text, "kept");
    for (size_t i = 0; i < 8; i++) { /* lengths whose sum with the text's overflows */
        kiln_text_add_bytes(&text, "", SIZE_MAX - i);
        ck_assert(text.failed);
        ck_assert_str_eq(text.data, "kept");
        text.failed = false;
    }
    kiln_text_free(&text);
}
END_TEST

START_TEST(test_copies)
{
    char *copy = kiln_strdup("");
    ck_assert_str_eq(copy, "");
    free(copy);
    copy = kiln_strdup("whole");
    ck_assert_str_eq(copy, "whole");
    free(copy);
    const char unterminated[3] = {'a', 'b', 'c'};
    copy = kiln_strndup(unterminated, 3);
    ck_assert_str_eq(copy, "abc");
    free(copy);
    copy = kiln_strndup("short", 100);
    ck_assert_str_eq(copy, "short");
    free(copy);
    copy = kiln_strndup("none", 0);
    ck_assert_str_eq(copy, "");
    free(copy);
}
END_TEST

/* ---- suggestions -------------------------------------------------------------------------- */

static const char *name_of(void *names, size_t i)
{
    return ((const char **)names)[i];
}

static void expect(const char **names, const char *wrong, const char *expected)
{
    kiln_text text = {0};
    kiln_suggest(&text, wrong, name_of, names);
    char *said = kiln_text_take(&text);
    ck_assert_msg(strcmp(said, expected) == 0, "%s: said \"%s\", expected \"%s\"", wrong, said,
                  expected);
    free(said);
}

START_TEST(test_suggest)
{
    const char *names[] = {
        "matmul", "matmul_nt", "matmul_tn", "batched_matmul", "gelu",    "softmax", "layernorm",
        "m",      "n",         "tile_size", "trans_a",        "trans_b", NULL};
    expect(names, "gleu", ", did you mean `gelu'?");
    expect(names, "GELU", ", did you mean `gelu'?");
    expect(names, "sofmax", ", did you mean `softmax'?");
    expect(names, "tilesize", ", did you mean `tile_size'?");
    expect(names, "tile", ", did you mean `tile_size'?");
    expect(names, "trans_", ", did you mean `trans_a' or `trans_b'?");
    expect(names, "matmu", ", did you mean `matmul', `matmul_nt' or `matmul_tn'?");
    expect(names, "matmul_tm", ", did you mean `matmul_tn', `matmul_nt' or `matmul'?");
    expect(names, "layernorm_forward", ", did you mean `layernorm'?");
    expect(names, "convolution", "");
    expect(names, "x", "");  /* one replacement from `m', but nothing of it is left */
    expect(names, "mx", ""); /* `m' is too short to be the beginning of a name */
    expect(names, "", "");
    names[0] = NULL;
    expect(names, "matmul", "");
}
END_TEST

START_TEST(test_suggest_distance)
{
    const char *names[] = {"abcdefghi", NULL};
    expect(names, "xxcdefghi", ", did you mean `abcdefghi'?"); /* 2 */
    expect(names, "xxxdefghi", ", did you mean `abcdefghi'?"); /* 3 = 9 / 3 */
    expect(names, "xxxxefghi", "");
    expect(names, "badcfeghi", ", did you mean `abcdefghi'?"); /* three swaps */
    const char *short_names[] = {"abcde", NULL};
    expect(short_names, "xxcde", ", did you mean `abcde'?"); /* 2, though 5 / 3 is 1 */
    expect(short_names, "xxxde", "");
}
END_TEST

START_TEST(test_suggest_long_words)
{
    char longest[LONGEST_NAME + 1], longer[LONGEST_NAME + 2], far[5000];
    memset(longest, 'a', sizeof longest);
    longest[LONGEST_NAME] = '\0';
    memset(longer, 'a', sizeof longer);
    longer[LONGEST_NAME + 1] = '\0';
    memset(far, 'a', sizeof far);
    far[sizeof far - 1] = '\0';
    const char *names[] = {longer, far, longest, NULL};
    char expected[LONGEST_NAME + 32];
    snprintf(expected, sizeof expected, ", did you mean `%s'?", longest);
    longest[0] = 'b';
    expected[16] = 'b';
    char wrong[LONGEST_NAME + 1];
    memcpy(wrong, longest, sizeof wrong);
    wrong[1] = 'b';
    expect(names, wrong, expected);
    expect(names, longer, "");
    expect(names, far, "");
}
END_TEST

/* The definition of the distance, from the words' ends. */
static size_t slow_distance(const char *a, size_t i, const char *b, size_t j)
{
    if (i == 0 || j == 0)
        return i + j;
    size_t best = slow_distance(a, i - 1, b, j - 1) + (a[i - 1] != b[j - 1]);
    best = least(best, slow_distance(a, i - 1, b, j) + 1);
    best = least(best, slow_distance(a, i, b, j - 1) + 1);
    if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        best = least(best, slow_distance(a, i - 2, b, j - 2) + 1);
    return best;
}

/* The word of this number over the letters a, b, c. */
static size_t spell(unsigned number, char word[8])
{
    size_t length = 0;
    for (; number > 0; number = (number - 1) / 3)
        word[length++] = (char)('a' + (number - 1) % 3);
    word[length] = '\0';
    return length;
}

START_TEST(test_edit_distance)
{
    char a[8], b[8];
    for (unsigned i = 0; i < 121; i++) /* all words of up to four letters */
        for (unsigned j = 0; j < 121; j++) {
            size_t a_length = spell(i, a), b_length = spell(j, b);
            ck_assert_uint_eq(edit_distance(a, a_length, b, b_length),
                              slow_distance(a, a_length, b, b_length));
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status");
    TCase *tests = tcase_create("status");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_status_names);
    tcase_add_test(tests, test_version);
    tcase_add_test(tests, test_fail);
    tcase_add_test(tests, test_fail_with_own_parts);
    tcase_add_test(tests, test_fail_long);
    tcase_add_test(tests, test_fail_without_memory);
    tcase_add_test(tests, test_fail_in_threads);
    tcase_add_test(tests, test_fail_at_thread_end);
    tcase_add_test(tests, test_text);
    tcase_add_test(tests, test_text_grows);
    tcase_add_test(tests, test_text_take);
    tcase_add_test(tests, test_text_without_memory);
    tcase_add_test(tests, test_text_beyond_memory);
    tcase_add_test(tests, test_copies);
    tcase_add_test(tests, test_suggest);
    tcase_add_test(tests, test_suggest_distance);
    tcase_add_test(tests, test_suggest_long_words);
    tcase_add_test(tests, test_edit_distance);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
