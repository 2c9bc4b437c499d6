/* The disk cache in directories that are missing, closed, full or another's. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "cache_support.h"

#include <signal.h>
#include <sys/resource.h>

/* ---- the directory ------------------------------------------------------------------------ */

START_TEST(test_directory_removed)
{
    kiln_cache *cache = open_cache();
    ck_assert(misses(cache, "id"));
    for (int i = 0; i < 3; i++) {
        ck_assert(put(cache, "id", "payload"));
        ck_assert(hits(cache, "id", "payload"));
        remove_tree(cache_at);
        ck_assert(misses(cache, "id"));
    }
    ck_assert_int_eq(said(), 0);
    kiln_cache_close(cache);
}
END_TEST

static void expect_useless(const char *dir)
{
    kiln_cache *cache = open_as(KILN_CACHE_ON, dir, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert(misses(cache, "id"));
        ck_assert(!put(cache, "id", "payload"));
    }
    ck_assert_int_eq(said(), 1);
    ck_assert_msg(strstr(last_warning, dir) != NULL, "%s", last_warning);
    kiln_cache_close(cache);

    cache = open_as(KILN_CACHE_ON, dir, 0); /* a put may be what comes first */
    ck_assert(!put(cache, "id", "payload"));
    ck_assert(misses(cache, "id"));
    ck_assert_int_eq(said(), 1);
    ck_assert_int_eq(kiln_cache_visit(cache, NULL, NULL), -1);
    ck_assert_msg(strstr(kiln_last_error(), dir) != NULL, "%s", kiln_last_error());
    ck_assert_int_eq(kiln_cache_clear(cache, false), -1);
    kiln_cache_close(cache);

    ck_assert_int_eq(kiln_cache_open(KILN_CACHE_ON, dir, 0, NULL, NULL, &cache), KILN_OK);
    ck_assert(misses(cache, "id")); /* with nobody to hear of it */
    ck_assert(!put(cache, "id", "payload"));
    kiln_cache_close(cache);
}

START_TEST(test_no_directory)
{
    char path[300];
    write_file(cache_at, "a file", 6);
    expect_useless(cache_at);
    snprintf(path, sizeof path, "%s/below/a/file", cache_at);
    expect_useless(path);
    unsigned char bytes[16];
    ck_assert_uint_eq(read_whole(cache_at, bytes, sizeof bytes), 6);
    ck_assert_int_eq(unlink(cache_at), 0);

    ck_assert_int_eq(mkfifo(cache_at, 0600), 0); /* must not wait for a writer */
    expect_useless(cache_at);
    ck_assert_int_eq(unlink(cache_at), 0);

    ck_assert_int_eq(symlink("cache", cache_at), 0);
    expect_useless(cache_at);
    ck_assert_int_eq(unlink(cache_at), 0);

    char *long_path = malloc(10000);
    memset(long_path, 'x', 9999);
    long_path[0] = '/';
    long_path[9999] = '\0';
    kiln_cache *cache = open_as(KILN_CACHE_ON, long_path, 0);
    ck_assert(misses(cache, "id") && !put(cache, "id", "payload"));
    ck_assert_int_eq(said(), 1);
    kiln_cache_close(cache);
    free(long_path);
}
END_TEST

START_TEST(test_directory_by_link)
{
    char elsewhere[256];
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", root);
    ck_assert_int_eq(mkdir(elsewhere, 0700), 0);
    ck_assert_int_eq(symlink("elsewhere", cache_at), 0);
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "id", "payload") && hits(cache, "id", "payload"));
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_directory_open_to_all)
{
    kiln_cache *cache = open_cache();
    int free_descriptor = dup(2);
    close(free_descriptor);
    ck_assert(put(cache, "id", "payload"));
    ck_assert_int_eq(chmod(cache_at, 0777), 0);
    ck_assert(misses(cache, "id"));
    ck_assert_int_eq(said(), 1);
    ck_assert_int_eq(chmod(cache_at, 01777), 0);
    ck_assert(!put(cache, "id", "another"));
    ck_assert_int_eq(said(), 1);
    kiln_cache *reader = open_as(KILN_CACHE_READONLY, cache_at, 0);
    ck_assert(misses(reader, "id"));
    ck_assert_int_eq(said(), 1);
    ck_assert_int_eq(chmod(cache_at, 0775), 0);
    ck_assert(hits(cache, "id", "payload"));
    int next_descriptor = dup(2);
    ck_assert_int_eq(next_descriptor, free_descriptor); /* none was left open */
    close(next_descriptor);
    kiln_cache_close(reader);
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_foreign_directory)
{
    if (geteuid() != 0)
        return; /* only root can give a directory away */
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "id", "payload"));
    ck_assert_int_eq(chown(cache_at, NOBODY_KNOWN, (gid_t)-1), 0);
    ck_assert(misses(cache, "id"));
    ck_assert(!put(cache, "id", "another"));
    ck_assert_int_eq(said(), 1);
    ck_assert_ptr_nonnull(strstr(last_warning, "belongs to user 54321"));
    for (int mode = KILN_CACHE_READONLY; mode <= KILN_CACHE_REQUIRE; mode++) {
        kiln_cache *reader = open_as((kiln_cache_mode)mode, cache_at, 0);
        ck_assert(hits(reader, "id", "payload"));
        ck_assert_int_eq(said(), 0);
        kiln_cache_close(reader);
    }
    kiln_cache_close(cache);
}
END_TEST

static void use_read_only_directory(void)
{
    give_up_root();
    kiln_cache *cache = open_cache();
    for (int i = 0; i < 3; i++) {
        NEED(hits(cache, "id", "payload"));
        NEED(!put(cache, "id", "another"));
        NEED(!put(cache, "second", "payload"));
        NEED(misses(cache, "second"));
    }
    NEED(said() == 1);
    NEED(strstr(last_warning, "Permission denied") != NULL);
    NEED(kiln_cache_clear(cache, true) == 0);
    NEED(kiln_cache_clear(cache, false) == -1);
    kiln_cache_close(cache);
}

static void use_unreadable_entry(void)
{
    give_up_root();
    kiln_cache *cache = open_cache();
    NEED(misses(cache, "id"));
    NEED(kiln_cache_clear(cache, true) == 0); /* nothing is known of it */
    NEED(put(cache, "id", "another"));
    NEED(hits(cache, "id", "another"));
    NEED(said() == 0);
    kiln_cache_close(cache);
}

static void use_closed_directory(void)
{
    give_up_root();
    kiln_cache *cache = open_cache();
    NEED(misses(cache, "id"));
    NEED(!put(cache, "id", "payload"));
    NEED(said() == 1);
    NEED(kiln_cache_visit(cache, NULL, NULL) == -1);
    kiln_cache_close(cache);
}

static void use_closed_parent(void)
{
    give_up_root();
    snprintf(cache_at, sizeof cache_at, "%s/closed/a/b/c", root);
    kiln_cache *cache = open_cache();
    NEED(misses(cache, "id"));
    NEED(!put(cache, "id", "payload"));
    NEED(said() == 1);
    NEED(strstr(last_warning, "Permission denied") != NULL);
    kiln_cache_close(cache);
}

START_TEST(test_permissions_denied)
{
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "id", "payload"));
    char closed[256];
    snprintf(closed, sizeof closed, "%s/closed", root);
    ck_assert_int_eq(mkdir(closed, 0500), 0);
    if (geteuid() == 0) {
        ck_assert_int_eq(chown(closed, NOBODY_KNOWN, (gid_t)-1), 0);
        ck_assert_int_eq(chown(cache_at, NOBODY_KNOWN, (gid_t)-1), 0);
        ck_assert_int_eq(chown(file_of("id"), NOBODY_KNOWN, (gid_t)-1), 0);
    }
    ck_assert_int_eq(chmod(cache_at, 0500), 0);
    in_child(use_read_only_directory);
    in_child(use_closed_parent);
    ck_assert_int_eq(chmod(cache_at, 0000), 0);
    in_child(use_closed_directory);
    ck_assert_int_eq(chmod(cache_at, 0700), 0);
    ck_assert_int_eq(chmod(file_of("id"), 0000), 0);
    in_child(use_unreadable_entry);
    kiln_cache_close(cache);
}
END_TEST

static void fill_the_disk(void)
{
    struct rlimit limit;
    kiln_cache *cache = open_cache();
    signal(SIGXFSZ, SIG_IGN);
    NEED(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    for (limit.rlim_cur = 0; limit.rlim_cur < KILN_ENTRY_OVERHEAD + 2 + 40; limit.rlim_cur++) {
        NEED(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        NEED(!put(cache, "id", "a payload that has 40 bytes, to be exact"));
        NEED(hits(cache, "id", "old"));
        NEED(count_files() == 1);
    }
    NEED(said() == 1);
    NEED(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    NEED(put(cache, "id", "a payload that has 40 bytes, to be exact"));
    NEED(hits(cache, "id", "a payload that has 40 bytes, to be exact"));
    kiln_cache_close(cache);
}

START_TEST(test_full_disk)
{
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "id", "old"));
    in_child(fill_the_disk);
    kiln_cache_close(cache);
}
END_TEST

static void run_out_of_descriptors(void)
{
    kiln_cache *cache = open_cache();
    struct rlimit limit;
    NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int lowest = dup(2);
    close(lowest);
    for (int spare = 0; spare < 4; spare++) {
        limit.rlim_cur = (rlim_t)(lowest + spare);
        NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        NEED(hits(cache, "id", "payload") == (spare >= 2)); /* directory, entry */
        bool kept = put(cache, "id", "payload");
        NEED(kept == (spare >= 2));
        NEED(kiln_cache_clear(cache, true) == (spare >= 2 ? 0 : -1));
    }
    NEED(said() == 1);
    NEED(dup(2) == lowest); /* none was left open */
    kiln_cache_close(cache);
}

START_TEST(test_no_descriptors)
{
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "id", "payload"));
    in_child(run_out_of_descriptors);
    kiln_cache_close(cache);
}
END_TEST

/* ------------------------------------------------------------------------------------------- */

int main(void)
{
    Suite *suite = suite_create("cache directory");
    TCase *tests = add_case(suite, "directory");
    tcase_add_test(tests, test_directory_removed);
    tcase_add_test(tests, test_no_directory);
    tcase_add_test(tests, test_directory_by_link);
    tcase_add_test(tests, test_directory_open_to_all);
    tcase_add_test(tests, test_foreign_directory);
    tcase_add_test(tests, test_permissions_denied);
    tcase_add_test(tests, test_full_disk);
    tcase_add_test(tests, test_no_descriptors);
    return run_suite(suite);
}
