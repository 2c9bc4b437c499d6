/* Which files the disk cache keeps, removes and shows. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "cache_support.h"

/* ---- eviction ----------------------------------------------------------------------------- */

START_TEST(test_eviction_order)
{
    static const char *const names[] = {"e0", "e1", "e2", "e3", "e4"};
    kiln_cache *cache = open_as(KILN_CACHE_ON, cache_at, 5 * ENTRY_SIZE);
    for (int i = 0; i < 5; i++) {
        ck_assert(put(cache, names[i], payload58));
        age(file_of(names[i]), 1000 - (i == 3 ? 500 : i)); /* used: e0 e1 e2 e4 e3 */
    }
    ck_assert_uint_eq(count_files(), 5); /* what is just full is not too full */
    ck_assert(hits(cache, "e0", payload58));
    ck_assert(put(cache, "e5", payload58));
    ck_assert(misses(cache, "e1"));
    ck_assert_uint_eq(count_files(), 5);
    ck_assert(put(cache, "e6", payload58));
    ck_assert(misses(cache, "e2"));
    ck_assert(put(cache, "e7", payload58));
    ck_assert(misses(cache, "e4"));
    ck_assert(put(cache, "e8", payload58));
    ck_assert(misses(cache, "e3"));
    ck_assert(hits(cache, "e0", payload58));
    ck_assert_uint_eq(count_files(), 5);
    ck_assert_int_eq(said(), 0);
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_eviction_of_several)
{
    char large[3 * ENTRY_SIZE];
    memset(large, 'L', sizeof large);
    large[3 * ENTRY_SIZE - KILN_ENTRY_OVERHEAD - 2] = '\0';
    static const char *const names[] = {"e0", "e1", "e2", "e3"};
    kiln_cache *cache = open_as(KILN_CACHE_ON, cache_at, 4 * ENTRY_SIZE);
    for (int i = 0; i < 4; i++) {
        ck_assert(put(cache, names[i], payload58));
        age(file_of(names[i]), 1000 - i);
    }
    ck_assert(put(cache, "la", large)); /* the room of three */
    ck_assert(misses(cache, "e0") && misses(cache, "e1") && misses(cache, "e2"));
    ck_assert(hits(cache, "e3", payload58) && hits(cache, "la", large));

    age(file_of("e3"), -5000);              /* a clock that was wrong */
    ck_assert(put(cache, "e0", payload58)); /* not so old as `la', though older than e3 */
    ck_assert(hits(cache, "e0", payload58) && hits(cache, "e3", payload58));
    ck_assert(misses(cache, "la"));
    kiln_cache_close(cache);
}
END_TEST

/* Whatever the others' times say, the entry just written stays. */
START_TEST(test_eviction_keeps_the_written)
{
    kiln_cache *cache = open_as(KILN_CACHE_ON, cache_at, 2 * ENTRY_SIZE);
    ck_assert(put(cache, "e0", payload58) && put(cache, "e1", payload58));
    age(file_of("e0"), -5000);
    age(file_of("e1"), -6000);
    ck_assert(put(cache, "e2", payload58));
    ck_assert(hits(cache, "e2", payload58) && hits(cache, "e1", payload58));
    ck_assert(misses(cache, "e0"));
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_size_cap)
{
    enum { CAP = 3000 };
    char payload[CAP], name[8];
    unsigned state = 1;
    memset(payload, 'p', sizeof payload);
    kiln_cache *cache = open_as(KILN_CACHE_ON, cache_at, CAP);
    for (int i = 0; i < (quick() ? 30 : 150); i++) {
        state = state * 1103515245 + 12345;
        size_t length = state >> 16 & 1023;
        snprintf(name, sizeof name, "%u", state >> 8 & 63);
        ck_assert(kiln_cache_put(cache, name, strlen(name), payload, length));
        ck_assert(exists(file_of(name)));
        kiln_dir_file *files;
        size_t count;
        uint64_t total = 0;
        int dir = open(cache_at, O_RDONLY);
        ck_assert(kiln_dir_list(dir, &files, &count));
        close(dir);
        for (size_t j = 0; j < count; j++)
            total += files[j].bytes;
        free(files);
        ck_assert_uint_le(total, CAP);
        ck_assert(i < 20 || total > CAP / 3); /* nor is it emptied */
    }
    ck_assert_int_eq(said(), 0);
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_too_large)
{
    kiln_cache *cache = open_as(KILN_CACHE_ON, cache_at, ENTRY_SIZE);
    ck_assert(!kiln_cache_put(cache, "e00", 3, payload58, 58));
    ck_assert_int_eq(said(), 1);
    ck_assert_ptr_nonnull(strstr(last_warning, "101 bytes"));
    ck_assert(!exists(cache_at));
    ck_assert(put(cache, "e0", payload58));
    ck_assert(hits(cache, "e0", payload58));
    ck_assert(put(cache, "e1", payload58));
    ck_assert(misses(cache, "e0"));
    ck_assert(hits(cache, "e1", payload58));
    ck_assert_int_eq(said(), 1);
    kiln_cache_close(cache);

    cache = open_as(KILN_CACHE_ON, cache_at, UINT64_MAX);
    ck_assert(!kiln_cache_put(cache, "e0", 2, payload58, KILN_ENTRY_LARGEST)); /* not read */
    ck_assert_int_eq(said(), 1);
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_other_files)
{
    static const char *const theirs[] = {"notes.txt",
                                         "a.kiln",
                                         ".tmp-",
                                         ".tmp-0123",
                                         ".tmp-0123456789abcdeg",
                                         ".tmp-0123456789abcdef.kiln",
                                         "0123456789abcdef0123456789abcdef",
                                         "0123456789abcdef0123456789abcdef.kiln~",
                                         "0123456789ABCDEF0123456789ABCDEF.kiln",
                                         "00123456789abcdef0123456789abcdef.kiln",
                                         "x123456789abcdef0123456789abcdef.kiln"};
    kiln_cache *cache = open_as(KILN_CACHE_ON, cache_at, 2 * ENTRY_SIZE);
    ck_assert(put(cache, "e0", payload58));
    for (size_t i = 0; i < COUNT(theirs); i++) {
        write_file(in_cache(theirs[i]), payload58, 58);
        age(in_cache(theirs[i]), 1000000);
    }
    ck_assert(put(cache, "e1", payload58)); /* they do not count */
    ck_assert(hits(cache, "e0", payload58) && hits(cache, "e1", payload58));
    ck_assert(put(cache, "e2", payload58));
    ck_assert_uint_eq(count_files(), COUNT(theirs) + 2);
    ck_assert_int_eq(kiln_cache_clear(cache, true), 0);
    ck_assert_int_eq(kiln_cache_clear(cache, false), 2);
    for (size_t i = 0; i < COUNT(theirs); i++)
        ck_assert_msg(exists(in_cache(theirs[i])), "%s", theirs[i]);
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_leftovers)
{
    kiln_cache *cache = open_cache();
    for (int round = 0; round < 4; round++) {
        ck_assert(put(cache, "id", "payload"));
        write_file(in_cache(".tmp-0123456789abcdef"), "half", 4);
        age(in_cache(".tmp-0123456789abcdef"), 3700);
        write_file(in_cache(".tmp-123456789abcdef0"), "half", 4);
        age(in_cache(".tmp-123456789abcdef0"), -3700);
        write_file(in_cache(".tmp-23456789abcdef01"), "being written", 13);
        age(in_cache(".tmp-23456789abcdef01"), 3500);
        write_file(in_cache(".tmp-3456789abcdef012"), "being written", 13);
        if (round == 0)
            ck_assert(put(cache, "id", "another"));
        else if (round == 1)
            ck_assert_int_eq(kiln_cache_clear(cache, true), 2);
        else if (round == 2)
            ck_assert_int_eq(kiln_cache_clear(cache, false), 3);
        else
            ck_assert(!kiln_cache_put(cache, "id", 2, payload58, KILN_ENTRY_LARGEST));
        bool tidied = round < 3; /* a put that does not open the directory sees nothing */
        ck_assert_int_ne(exists(in_cache(".tmp-0123456789abcdef")), tidied);
        ck_assert_int_ne(exists(in_cache(".tmp-123456789abcdef0")), tidied);
        ck_assert(exists(in_cache(".tmp-23456789abcdef01")));
        ck_assert(exists(in_cache(".tmp-3456789abcdef012")));
        ck_assert_int_eq(exists(file_of("id")), round != 2);
    }
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_use_is_marked)
{
    kiln_cache *cache = open_cache(), *reader = open_as(KILN_CACHE_READONLY, cache_at, 0);
    ck_assert(put(cache, "id", "payload"));
    const char *path = file_of("id");
    struct timespec before = use_of(path);
    ck_assert(hits(cache, "id", "payload"));
    struct timespec after = use_of(path); /* just written: not worth a write */
    ck_assert(before.tv_sec == after.tv_sec && before.tv_nsec == after.tv_nsec);
    age(path, 3000);
    ck_assert(hits(reader, "id", "payload"));
    ck_assert(kiln_is_far_from_now(&(struct timespec){use_of(path).tv_sec, 0}, 2900));
    ck_assert(misses(cache, "other"));
    ck_assert(hits(cache, "id", "payload"));
    after = use_of(path);
    ck_assert(!kiln_is_far_from_now(&after, 30));
    age(path, -3000);
    ck_assert(hits(cache, "id", "payload"));
    after = use_of(path);
    ck_assert(!kiln_is_far_from_now(&after, 30));
    kiln_cache_close(reader);
    kiln_cache_close(cache);
}
END_TEST

/* ---- visit and clear ---------------------------------------------------------------------- */

START_TEST(test_visit)
{
    static const char *const names[] = {"aa", "bbb", "cccc"};
    static const long ages[] = {500, 100, 300};
    kiln_cache *cache = open_cache();
    gallery seen = {.most = 16};
    ck_assert_int_eq(kiln_cache_visit(cache, show, &seen), 0);
    ck_assert_int_eq(kiln_cache_clear(cache, false), 0);
    ck_assert(!exists(cache_at));
    for (int i = 0; i < 3; i++) {
        ck_assert(put(cache, names[i], "payload"));
        age(file_of(names[i]), ages[i]);
    }
    write_file(in_cache(".tmp-0123456789abcdef"), "half", 4);
    write_file(in_cache("notes.txt"), "theirs", 6);
    ck_assert_int_eq(kiln_cache_visit(cache, show, &seen), 3);
    ck_assert_int_eq(seen.count, 3);
    static const int order[] = {1, 2, 0};
    for (int i = 0; i < 3; i++) {
        const char *name = names[order[i]];
        ck_assert_str_eq(seen.entries[i].identity, name);
        ck_assert_uint_eq(seen.entries[i].identity_length, strlen(name));
        ck_assert_str_eq(in_cache(seen.entries[i].file), file_of(name));
        ck_assert_str_eq(seen.entries[i].damage, "");
        ck_assert_uint_eq(seen.entries[i].bytes, KILN_ENTRY_OVERHEAD + strlen(name) + 7);
        int64_t used = (int64_t)time(NULL) - ages[order[i]];
        ck_assert(seen.entries[i].used >= used - 60 && seen.entries[i].used <= used);
    }
    for (seen.most = 1; seen.most <= 3; seen.most++) {
        seen.count = 0;
        ck_assert_int_eq(kiln_cache_visit(cache, show, &seen), seen.most);
    }
    kiln_cache_close(cache);
}
END_TEST

/* ------------------------------------------------------------------------------------------- */

int main(void)
{
    Suite *suite = suite_create("cache eviction");
    TCase *tests = add_case(suite, "eviction");
    tcase_add_test(tests, test_eviction_order);
    tcase_add_test(tests, test_eviction_of_several);
    tcase_add_test(tests, test_eviction_keeps_the_written);
    tcase_add_test(tests, test_size_cap);
    tcase_add_test(tests, test_too_large);
    tcase_add_test(tests, test_other_files);
    tcase_add_test(tests, test_leftovers);
    tcase_add_test(tests, test_use_is_marked);
    tests = add_case(suite, "visit");
    tcase_add_test(tests, test_visit);
    return run_suite(suite);
}
