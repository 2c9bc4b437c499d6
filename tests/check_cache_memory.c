/* The disk cache while memory runs out. Its sources are included, so that it can. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <check.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* Allocations that still succeed, then one fails, or all do; negative: none fails. */
static atomic_int allocations_left = -1;
static bool all_fail;

static bool allocation_fails(void)
{
    int left = atomic_load(&allocations_left);
    if (left < 0)
        return false;
    if (left == 0 && all_fail)
        return true;
    atomic_store(&allocations_left, left - 1);
    return left == 0;
}

static void *rationed_malloc(size_t size)
{
    return allocation_fails() ? NULL : malloc(size);
}

static void *rationed_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : calloc(count, size);
}

static void *rationed_realloc(void *memory, size_t size)
{
    return allocation_fails() ? NULL : realloc(memory, size);
}

#define malloc  rationed_malloc
#define calloc  rationed_calloc
#define realloc rationed_realloc
#include "../src/status.c"
#include "../src/cache_dir.c"
#include "../src/cache_entry.c"
#include "../src/cache.c"
#undef malloc
#undef calloc
#undef realloc

#include "cache_support.h"

#include <pwd.h>

/* Runs attempt with the first, second, ... allocation failing, alone and with all that follow it,
 * until it needs no more. */
static void ration(void (*attempt)(void))
{
    for (int all = 0; all < 2; all++)
        for (int most = 0;; most++) {
            all_fail = all != 0;
            atomic_store(&allocations_left, most);
            attempt();
            bool enough = atomic_load(&allocations_left) > 0;
            atomic_store(&allocations_left, -1);
            if (enough)
                break;
            ck_assert_int_lt(most, 100);
        }
}

static kiln_cache *starved;

static void open_starved(void)
{
    kiln_cache *cache;
    kiln_status status = kiln_cache_open(KILN_CACHE_DEFAULT, NULL, 0, hear, &warnings, &cache);
    if (status == KILN_OK) {
        ck_assert_int_eq(kiln_cache_get_mode(cache), KILN_CACHE_ON);
        ck_assert_ptr_nonnull(kiln_cache_dir(cache));
        kiln_cache_close(cache);
    } else {
        ck_assert_int_eq(status, KILN_OUT_OF_MEMORY);
        ck_assert_ptr_null(cache);
    }
}

START_TEST(test_open_without_memory)
{
    setenv("KILN_CACHE", "nonsense", 1);
    setenv("KILN_CACHE_SIZE", "nonsense", 1);
    ration(open_starved);
    setenv("XDG_CACHE_HOME", "/of/xdg", 1);
    ration(open_starved);
    setenv("KILN_CACHE_DIR", "relative", 1);
    ration(open_starved);
    unsetenv("KILN_CACHE_DIR");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    const struct passwd *user = getpwuid(geteuid());
    if (user != NULL && user->pw_dir[0] == '/')
        ration(open_starved);
}
END_TEST

static void get_starved(void)
{
    ck_assert(misses(starved, "absent"));
    if (!hits(starved, "id", "payload"))
        ck_assert(misses(starved, "id") || atomic_load(&allocations_left) < 0);
}

static void put_starved(void)
{
    put(starved, "id", "payload");
    put(starved, "e0", payload58);
}

static void put_starved_anew(void)
{
    put(starved, "id", "payload");
    remove_tree(cache_at);
}

static void visit_starved(void)
{
    gallery seen = {.most = 16};
    int64_t visited = kiln_cache_visit(starved, show, &seen);
    ck_assert(visited == -1 || visited == 2);
    for (int i = 0; i < visited; i++)
        ck_assert(seen.entries[i].damage[0] == '\0' ||
                  strncmp(seen.entries[i].damage, "no memory", 9) == 0);
}

static void clear_starved(void)
{
    int64_t removed = kiln_cache_clear(starved, true);
    ck_assert(removed == -1 || removed == 0);
}

START_TEST(test_use_without_memory)
{
    starved = open_cache();
    ck_assert(put(starved, "id", "payload") && put(starved, "e0", payload58));
    ration(get_starved);
    ration(put_starved);
    ck_assert(hits(starved, "id", "payload") && hits(starved, "e0", payload58));
    ration(visit_starved);
    ration(clear_starved);
    ck_assert(hits(starved, "id", "payload") && hits(starved, "e0", payload58));
    ck_assert_uint_eq(count_files(), 2);
    ration(put_starved_anew);
    write_file(cache_at, "in its place", 12);
    ration(put_starved);
    ration(clear_starved);
    ck_assert_int_le(said(), 1);
    kiln_cache_close(starved);
}
END_TEST

/* A file of a size that must not be allocated. */
START_TEST(test_huge_file)
{
    unsigned char bytes[256];
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "id", "payload"));
    size_t size = read_whole(file_of("id"), bytes, sizeof bytes);
    static const off_t sizes[] = {(off_t)KILN_ENTRY_LARGEST + 1, (off_t)1 << 40};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        store(bytes + HEADER_SIZE + 2, 8, (uint64_t)sizes[i] - KILN_ENTRY_OVERHEAD - 2);
        write_file(file_of("id"), bytes, size);
        if (truncate(file_of("id"), sizes[i]) != 0)
            continue;         /* a file system without large sparse files */
        allocations_left = 0; /* so that one would show: as UNREADABLE, not DAMAGED */
        all_fail = true;
        kiln_entry e;
        int dir = open(cache_at, O_RDONLY);
        char name[KILN_ENTRY_NAME_SIZE];
        kiln_entry_name("id", 2, name);
        ck_assert_int_eq(kiln_entry_read(dir, name, &e), KILN_ENTRY_DAMAGED);
        close(dir);
        allocations_left = -1;
        ck_assert(misses(cache, "id"));
        ck_assert(put(cache, "id", "payload"));
        ck_assert(hits(cache, "id", "payload"));
    }
    kiln_cache_close(cache);
}
END_TEST

/* ------------------------------------------------------------------------------------------- */

int main(void)
{
    Suite *suite = suite_create("cache memory");
    TCase *tests = add_case(suite, "memory");
    tcase_add_test(tests, test_huge_file);
    tcase_add_test(tests, test_open_without_memory);
    tcase_add_test(tests, test_use_without_memory);
    return run_suite(suite);
}
