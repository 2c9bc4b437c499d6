/* The disk cache: what is put into it comes out again, in the modes and places that the environment
 * asks for. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "cache_support.h"

#include <pwd.h>

/* ---- get and put -------------------------------------------------------------------------- */

START_TEST(test_put_get)
{
    static const size_t lengths[] = {0, 1, 2, 15, 16, 17, 239, 240, 241, 4096, 1 << 20};
    unsigned char *bytes = malloc(1 << 20);
    for (size_t i = 0; i < 1 << 20; i++)
        bytes[i] = (unsigned char)(i * i >> 7);
    kiln_cache *cache = open_cache();
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (size_t j = 0; j < COUNT(lengths); j++) {
            void *payload;
            size_t length, identity = lengths[i] % 70000;
            if (quick() && (i + j) % COUNT(lengths) != 0)
                continue; /* each length once as either */
            ck_assert(kiln_cache_put(cache, bytes, identity, bytes + 1, lengths[j] / 2));
            ck_assert(kiln_cache_get(cache, bytes, identity, &payload, &length));
            ck_assert_uint_eq(length, lengths[j] / 2);
            ck_assert(length == 0 || memcmp(payload, bytes + 1, length) == 0);
            free(payload);
        }
    ck_assert(misses(cache, "never put"));
    ck_assert_int_eq(said(), 0);
    kiln_cache_close(cache);
    free(bytes);
}
END_TEST

START_TEST(test_null_bytes)
{
    kiln_cache *cache = open_cache();
    void *payload;
    size_t length;
    ck_assert(!kiln_cache_get(cache, NULL, 0, &payload, &length));
    ck_assert(kiln_cache_put(cache, NULL, 0, NULL, 0));
    ck_assert(kiln_cache_get(cache, NULL, 0, &payload, &length));
    ck_assert(payload != NULL && length == 0);
    free(payload);
    ck_assert(hits(cache, "", ""));
    kiln_cache_close(cache);
    kiln_cache_close(NULL);
}
END_TEST

START_TEST(test_identities_with_nuls)
{
    static const struct {
        const char *bytes;
        size_t length;
    } identities[] = {{"", 0},     {"\0", 1},   {"\0\0", 2},   {"a", 1},      {"a\0", 2},
                      {"a\0b", 3}, {"a\0c", 3}, {"a\0b\0", 4}, {"a\0b\n", 4}, {"a\0b\xff", 4}};
    kiln_cache *cache = open_cache();
    for (size_t i = 0; i < COUNT(identities); i++)
        ck_assert(kiln_cache_put(cache, identities[i].bytes, identities[i].length, &i, sizeof i));
    for (size_t i = 0; i < COUNT(identities); i++) {
        void *payload;
        size_t length;
        ck_assert(
            kiln_cache_get(cache, identities[i].bytes, identities[i].length, &payload, &length));
        ck_assert_uint_eq(length, sizeof i);
        ck_assert_mem_eq(payload, &i, sizeof i);
        free(payload);
    }
    ck_assert_uint_eq(count_files(), COUNT(identities));
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_replace)
{
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "id", "a first payload"));
    ck_assert(hits(cache, "id", "a first payload"));
    ck_assert(put(cache, "id", "another"));
    ck_assert(hits(cache, "id", "another"));
    ck_assert(put(cache, "id", "a third one that is longer"));
    kiln_cache *second = open_cache();
    ck_assert(hits(second, "id", "a third one that is longer"));
    ck_assert_uint_eq(count_files(), 1);
    kiln_cache_close(second);
    kiln_cache_close(cache);
}
END_TEST

/* Entries of a released format must stay readable, or the version must change. */
START_TEST(test_format)
{
    static const unsigned char expected[] = {
        0x89, 'K',  'L',  'N',  '\r', '\n', 0x1a, '\n', 1,    0,    0,    0,    2,    0,    0,
        0,    'i',  'd',  3,    0,    0,    0,    0,    0,    0,    0,    0x7f, 0xec, 0x6f, 0xe9,
        0xc0, 0xda, 0x52, 0xe9, 0x4a, 0x6a, 0xde, 0x50, 0x83, 0xea, 0x2f, 0x94, 'x',  'y',  'z'};
    unsigned char bytes[256];
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "id", "xyz"));
    size_t size = read_whole(in_cache("aa667553259dc3e4d2a44dfe8653ba83.kiln"), bytes, 256);
    ck_assert_uint_eq(size, sizeof expected);
    ck_assert_mem_eq(bytes, expected, sizeof expected);
    ck_assert(put(cache, "", "")); /* XXH3-128 of nothing, as its authors publish it */
    ck_assert(exists(in_cache("99aa06d3014798d86001c324468d497f.kiln")));
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_permissions)
{
    struct stat status;
    mode_t mask = umask(0);
    snprintf(cache_at, sizeof cache_at, "%s/a/b//c/", root);
    kiln_cache *cache = open_cache();
    ck_assert(misses(cache, "id"));
    ck_assert(!exists(cache_at)); /* made by the first write, not before */
    ck_assert(put(cache, "id", "payload"));
    ck_assert(hits(cache, "id", "payload"));
    umask(mask);
    static const char *const made[] = {"a", "a/b", "a/b/c"};
    for (size_t i = 0; i < COUNT(made); i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", root, made[i]);
        ck_assert_int_eq(stat(path, &status), 0);
        ck_assert_int_eq(status.st_mode & 07777, 0700);
    }
    ck_assert_int_eq(stat(file_of("id"), &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0600);
    ck_assert_int_eq(said(), 0);
    kiln_cache_close(cache);
}
END_TEST

/* ---- modes and the environment ------------------------------------------------------------ */

START_TEST(test_mode_off)
{
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "id", "payload"));
    kiln_cache_close(cache);
    cache = open_as(KILN_CACHE_OFF, cache_at, 0);
    ck_assert_int_eq(kiln_cache_get_mode(cache), KILN_CACHE_OFF);
    ck_assert_ptr_null(kiln_cache_dir(cache));
    ck_assert(misses(cache, "id"));
    ck_assert(!put(cache, "other", "payload"));
    ck_assert_int_eq(kiln_cache_visit(cache, NULL, NULL), 0);
    ck_assert_int_eq(kiln_cache_clear(cache, false), 0);
    ck_assert_uint_eq(count_files(), 1);
    ck_assert_int_eq(said(), 0);
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_modes_that_only_read)
{
    for (int mode = KILN_CACHE_READONLY; mode <= KILN_CACHE_REQUIRE; mode++) {
        kiln_cache *reader = open_as((kiln_cache_mode)mode, cache_at, 0);
        ck_assert_int_eq(kiln_cache_get_mode(reader), mode);
        ck_assert_str_eq(kiln_cache_dir(reader), cache_at);
        ck_assert(misses(reader, "id"));
        ck_assert(!put(reader, "id", "payload"));
        ck_assert(!exists(cache_at));
        ck_assert_int_eq(kiln_cache_visit(reader, NULL, NULL), 0);
        ck_assert_int_eq(kiln_cache_clear(reader, false), -1);

        kiln_cache *cache = open_cache();
        ck_assert(put(cache, "id", "payload"));
        ck_assert(hits(reader, "id", "payload"));
        ck_assert(!put(reader, "id", "another"));
        ck_assert(!put(reader, "second", "another"));
        ck_assert_int_eq(kiln_cache_clear(reader, false), -1);
        ck_assert_ptr_nonnull(strstr(kiln_last_error(), "only read"));
        ck_assert(hits(reader, "id", "payload"));
        ck_assert_uint_eq(count_files(), 1);
        ck_assert_int_eq(said(), 0);
        remove_tree(cache_at);
        kiln_cache_close(cache);
        kiln_cache_close(reader);
    }
}
END_TEST

START_TEST(test_mode_unknown)
{
    static const int modes[] = {-1, 5, 1000};
    for (size_t i = 0; i < COUNT(modes); i++) {
        kiln_cache *cache = (kiln_cache *)(void *)&cache;
        ck_assert_int_eq(
            kiln_cache_open((kiln_cache_mode)modes[i], cache_at, 0, NULL, NULL, &cache),
            KILN_INVALID_ARGUMENT);
        ck_assert_ptr_null(cache);
    }
    ck_assert_str_eq(kiln_last_error(), "cache mode 1000: must be from 0 to 4");
}
END_TEST

START_TEST(test_mode_from_environment)
{
    static const struct {
        const char *value;
        kiln_cache_mode mode;
        int warnings;
    } cases[] = {{"", KILN_CACHE_ON, 0},
                 {"on", KILN_CACHE_ON, 0},
                 {"off", KILN_CACHE_OFF, 0},
                 {"readonly", KILN_CACHE_READONLY, 0},
                 {"require", KILN_CACHE_REQUIRE, 0},
                 {"OFF", KILN_CACHE_ON, 1},
                 {"of", KILN_CACHE_ON, 1},
                 {"offf", KILN_CACHE_ON, 1},
                 {" off", KILN_CACHE_ON, 1},
                 {"0", KILN_CACHE_ON, 1}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        setenv("KILN_CACHE", cases[i].value, 1);
        kiln_cache *cache = open_as(KILN_CACHE_DEFAULT, cache_at, 0);
        ck_assert_int_eq(kiln_cache_get_mode(cache), cases[i].mode);
        ck_assert_int_eq(said(), cases[i].warnings);
        kiln_cache_close(cache);
    }
    ck_assert_str_eq(last_warning,
                     "KILN_CACHE=0: must be on, off, readonly or require; taken as on");
    static const char *const values[] = {"off", "nonsense"};
    for (size_t i = 0; i < COUNT(values); i++)
        for (int mode = KILN_CACHE_ON; mode <= KILN_CACHE_REQUIRE; mode++) {
            setenv("KILN_CACHE", values[i], 1);
            kiln_cache *cache = open_as((kiln_cache_mode)mode, cache_at, 0);
            ck_assert_int_eq(kiln_cache_get_mode(cache), mode); /* the caller's word counts */
            ck_assert_int_eq(said(), 0);
            kiln_cache_close(cache);
        }
    unsetenv("KILN_CACHE");
    kiln_cache *cache = open_as(KILN_CACHE_DEFAULT, cache_at, 0);
    ck_assert_int_eq(kiln_cache_get_mode(cache), KILN_CACHE_ON);
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_size_from_environment)
{
    static const struct {
        const char *value;
        uint64_t bytes; /* 0: malformed */
    } cases[] = {{"1", 1},
                 {"0001", 1},
                 {"4096", 4096},
                 {"1K", 1024},
                 {"1k", 1024},
                 {"3M", 3 << 20},
                 {"3m", 3 << 20},
                 {"2G", UINT64_C(2) << 30},
                 {"2g", UINT64_C(2) << 30},
                 {"18446744073709551615", UINT64_MAX},
                 {"17179869183G", UINT64_C(17179869183) << 30},
                 {"18446744073709551616", 0},
                 {"99999999999999999999999", 0},
                 {"17179869184G", 0},
                 {"18014398509481984K", 0},
                 {"0", 0},
                 {"0G", 0},
                 {"G", 0},
                 {"-1", 0},
                 {"+1", 0},
                 {" 1", 0},
                 {"1 ", 0},
                 {"1 G", 0},
                 {"1GB", 0},
                 {"1T", 0},
                 {"1.5G", 0},
                 {"1e9", 0},
                 {"0x10", 0},
                 {"much", 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        setenv("KILN_CACHE_SIZE", cases[i].value, 1);
        kiln_cache *cache = open_as(KILN_CACHE_DEFAULT, cache_at, 0);
        uint64_t expected = cases[i].bytes != 0 ? cases[i].bytes : UINT64_C(1) << 30;
        ck_assert_msg(kiln_cache_max_bytes(cache) == expected, "%s: %" PRIu64, cases[i].value,
                      kiln_cache_max_bytes(cache));
        ck_assert_int_eq(said(), cases[i].bytes == 0);
        ck_assert_int_eq(kiln_cache_get_mode(cache), KILN_CACHE_ON);
        kiln_cache_close(cache);
        cache = open_as(KILN_CACHE_DEFAULT, cache_at, 77); /* the caller's word counts */
        ck_assert_uint_eq(kiln_cache_max_bytes(cache), 77);
        ck_assert_int_eq(said(), 0);
        kiln_cache_close(cache);
    }
    setenv("KILN_CACHE_SIZE", "", 1);
    kiln_cache *cache = open_as(KILN_CACHE_DEFAULT, cache_at, 0);
    ck_assert_uint_eq(kiln_cache_max_bytes(cache), 1 << 30);
    ck_assert_int_eq(said(), 0);
    kiln_cache_close(cache);

    setenv("KILN_CACHE_SIZE", "200", 1);
    cache = open_as(KILN_CACHE_DEFAULT, cache_at, 0);
    ck_assert(put(cache, "e0", payload58) && put(cache, "e1", payload58));
    ck_assert_uint_eq(count_files(), 2);
    ck_assert(put(cache, "e2", payload58));
    ck_assert_uint_eq(count_files(), 2);
    kiln_cache_close(cache);
}
END_TEST

/* What is wrong with the environment does not use up the warning for the directory. */
START_TEST(test_environment_and_directory)
{
    write_file(cache_at, "a file", 6);
    setenv("KILN_CACHE", "nonsense", 1);
    setenv("KILN_CACHE_SIZE", "nonsense", 1);
    kiln_cache *cache = open_as(KILN_CACHE_DEFAULT, cache_at, 0);
    ck_assert_int_eq(said(), 2);
    ck_assert(!put(cache, "id", "payload"));
    ck_assert_int_eq(said(), 3);
    ck_assert(!put(cache, "id", "payload"));
    ck_assert_int_eq(said(), 3);
    kiln_cache_close(cache);
}
END_TEST

static void expect_place(const char *expected)
{
    kiln_cache *cache = open_as(KILN_CACHE_DEFAULT, NULL, 0);
    ck_assert_int_eq(kiln_cache_get_mode(cache), KILN_CACHE_ON);
    ck_assert_str_eq(kiln_cache_dir(cache), expected);
    ck_assert_int_eq(said(), 0);
    kiln_cache_close(cache);
}

START_TEST(test_places)
{
    setenv("KILN_CACHE_DIR", "/of/kiln", 1);
    setenv("XDG_CACHE_HOME", "/of/xdg", 1);
    setenv("HOME", "/of/home", 1);
    expect_place("/of/kiln");
    kiln_cache *cache = open_as(KILN_CACHE_DEFAULT, "/of/caller", 0);
    ck_assert_str_eq(kiln_cache_dir(cache), "/of/caller");
    kiln_cache_close(cache);
    cache = open_as(KILN_CACHE_DEFAULT, "", 0);
    ck_assert_str_eq(kiln_cache_dir(cache), "/of/kiln");
    kiln_cache_close(cache);
    setenv("KILN_CACHE_DIR", "", 1);
    expect_place("/of/xdg/kiln");
    unsetenv("KILN_CACHE_DIR");
    expect_place("/of/xdg/kiln");
    setenv("XDG_CACHE_HOME", "of/xdg", 1); /* relative: not valid */
    expect_place("/of/home/.cache/kiln");
    setenv("XDG_CACHE_HOME", "", 1);
    expect_place("/of/home/.cache/kiln");
    unsetenv("XDG_CACHE_HOME");
    expect_place("/of/home/.cache/kiln");
}
END_TEST

START_TEST(test_place_of_user)
{
    const struct passwd *user = getpwuid(geteuid());
    if (user == NULL || user->pw_dir[0] != '/')
        return;
    char expected[512];
    snprintf(expected, sizeof expected, "%s/.cache/kiln", user->pw_dir);
    setenv("HOME", "", 1);
    expect_place(expected);
    setenv("HOME", "relative", 1);
    expect_place(expected);
    unsetenv("HOME");
    expect_place(expected);
}
END_TEST

static void be_homeless(void)
{
    unsetenv("HOME");
    give_up_root();
    kiln_cache *cache = open_as(KILN_CACHE_DEFAULT, NULL, 0);
    NEED(kiln_cache_get_mode(cache) == KILN_CACHE_OFF && kiln_cache_dir(cache) == NULL);
    NEED(said() == 1 && strstr(last_warning, "KILN_CACHE_DIR") != NULL);
    NEED(misses(cache, "id") && !put(cache, "id", "payload"));
    NEED(said() == 1);
    kiln_cache_close(cache);

    cache = open_as(KILN_CACHE_REQUIRE, NULL, 0);
    NEED(kiln_cache_get_mode(cache) == KILN_CACHE_REQUIRE && kiln_cache_dir(cache) == NULL);
    NEED(said() == 1);
    NEED(misses(cache, "id") && !put(cache, "id", "payload"));
    NEED(kiln_cache_visit(cache, NULL, NULL) == 0);
    NEED(kiln_cache_clear(cache, false) == -1);
    kiln_cache_close(cache);

    setenv("KILN_CACHE", "off", 1);
    cache = open_as(KILN_CACHE_DEFAULT, NULL, 0);
    NEED(said() == 0);
    kiln_cache_close(cache);
}

START_TEST(test_no_home)
{
    if (geteuid() == 0 && getpwuid(NOBODY_KNOWN) == NULL)
        in_child(be_homeless);
}
END_TEST

START_TEST(test_relative_place)
{
    char here[512], inside[600];
    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    ck_assert_int_eq(chdir(root), 0);
    ck_assert_ptr_nonnull(getcwd(inside, sizeof inside));
    strcat(inside, "/rel/cache");
    setenv("KILN_CACHE_DIR", "rel/cache", 1);
    kiln_cache *cache = open_as(KILN_CACHE_DEFAULT, NULL, 0);
    kiln_cache *given = open_as(KILN_CACHE_DEFAULT, "rel/cache", 0);
    ck_assert_str_eq(kiln_cache_dir(cache), inside);
    ck_assert_str_eq(kiln_cache_dir(given), inside);
    ck_assert_int_eq(chdir("/"), 0); /* the cache stays where it was */
    ck_assert(put(cache, "id", "payload"));
    ck_assert(hits(given, "id", "payload"));
    ck_assert_int_eq(chdir(here), 0);
    kiln_cache_close(cache);
    kiln_cache_close(given);
}
END_TEST

/* ------------------------------------------------------------------------------------------- */

int main(void)
{
    Suite *suite = suite_create("cache");
    TCase *tests = add_case(suite, "get and put");
    tcase_add_test(tests, test_put_get);
    tcase_add_test(tests, test_null_bytes);
    tcase_add_test(tests, test_identities_with_nuls);
    tcase_add_test(tests, test_replace);
    tcase_add_test(tests, test_format);
    tcase_add_test(tests, test_permissions);
    tests = add_case(suite, "environment");
    tcase_add_test(tests, test_mode_off);
    tcase_add_test(tests, test_modes_that_only_read);
    tcase_add_test(tests, test_mode_unknown);
    tcase_add_test(tests, test_mode_from_environment);
    tcase_add_test(tests, test_size_from_environment);
    tcase_add_test(tests, test_environment_and_directory);
    tcase_add_test(tests, test_places);
    tcase_add_test(tests, test_place_of_user);
    tcase_add_test(tests, test_no_home);
    tcase_add_test(tests, test_relative_place);
    return run_suite(suite);
}
