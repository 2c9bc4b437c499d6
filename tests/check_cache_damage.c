/* Entries of the disk cache that are not what they were. Their source is included, so that they can
 * be forged. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "../src/cache_entry.c"
#include "cache_support.h"

#include <sys/socket.h>
#include <sys/un.h>

/* ---- damage ------------------------------------------------------------------------------- */

START_TEST(test_every_bit_flipped)
{
    unsigned char bytes[256];
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "identity", "the payload, which must not be a wrong one"));
    const char *path = file_of("identity");
    size_t size = read_whole(path, bytes, sizeof bytes);
    for (size_t i = 0; i < size; i++)
        for (unsigned bit = quick() ? (unsigned)i % 9 : 0; bit < 9; bit += quick() ? 9 : 1) {
            unsigned char flip = (unsigned char)(bit < 8 ? 1u << bit : 0xff);
            bytes[i] ^= flip;
            write_file(path, bytes, size);
            ck_assert_msg(misses(cache, "identity"), "byte %zu, flipped 0x%02x", i, flip);
            bytes[i] ^= flip;
        }
    write_file(path, bytes, size);
    ck_assert(hits(cache, "identity", "the payload, which must not be a wrong one"));
    ck_assert_int_eq(said(), 0);
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_every_length)
{
    unsigned char bytes[8192] = {0};
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "identity", "payload"));
    const char *path = file_of("identity");
    size_t size = read_whole(path, bytes, sizeof bytes);
    for (size_t length = 0; length < size; length++) {
        write_file(path, bytes, length);
        ck_assert_msg(misses(cache, "identity"), "cut to %zu bytes", length);
    }
    for (size_t length = size + 1; length <= sizeof bytes; length += length < 100 ? 1 : 997) {
        write_file(path, bytes, length);
        ck_assert_msg(misses(cache, "identity"), "lengthened to %zu bytes", length);
    }
    write_file(path, bytes, size);
    ck_assert(hits(cache, "identity", "payload"));
    ck_assert_int_eq(said(), 0);
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_damage_is_replaced)
{
    unsigned char bytes[256];
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "identity", "payload"));
    const char *path = file_of("identity");
    size_t size = read_whole(path, bytes, sizeof bytes);
    for (size_t i = 0; i <= size; i += size / 4) {
        write_file(path, bytes, i); /* whole the last time */
        ck_assert(put(cache, "identity", "payload"));
        ck_assert(hits(cache, "identity", "payload"));
    }
    write_file(path, "something else altogether, but long enough for an entry", 54);
    ck_assert(misses(cache, "identity"));
    ck_assert(put(cache, "identity", "payload"));
    ck_assert(hits(cache, "identity", "payload"));
    ck_assert_int_eq(said(), 0);
    kiln_cache_close(cache);
}
END_TEST

/* An entry made by hand, with a checksum that is right for what stands in it. */
static void forge(const char *path, unsigned first, unsigned version, uint64_t length)
{
    unsigned char bytes[KILN_ENTRY_OVERHEAD + 2 + 3];
    memcpy(bytes, magic, 8);
    bytes[0] = (unsigned char)first;
    store(bytes + 8, 4, version);
    store(bytes + 12, 4, 2);
    memcpy(bytes + 16, "id", 2);
    store(bytes + 18, 8, length);
    memcpy(bytes + 42, "xyz", 3);
    checksum(bytes, bytes + 16, 2, bytes + 18, bytes + 42, 3, bytes + 26);
    write_file(path, bytes, sizeof bytes);
}

START_TEST(test_forged)
{
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "id", "?"));
    const char *path = file_of("id");
    forge(path, 0x89, 1, 3);
    ck_assert(hits(cache, "id", "xyz"));
    forge(path, 0x88, 1, 3);
    ck_assert(misses(cache, "id"));
    forge(path, 0x89, 0, 3);
    ck_assert(misses(cache, "id"));
    forge(path, 0x89, 2, 3); /* of a kiln to come */
    ck_assert(misses(cache, "id"));
    forge(path, 0x89, 1 + (1u << 24), 3);
    ck_assert(misses(cache, "id"));
    static const uint64_t lengths[] = {0, 2, 4, 3 + (UINT64_C(1) << 32), UINT64_MAX};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        forge(path, 0x89, 1, lengths[i]);
        ck_assert(misses(cache, "id"));
    }
    kiln_cache_close(cache);
}
END_TEST

/* Two identities of one hash, as far as a file's name can tell. */
START_TEST(test_same_name)
{
    unsigned char bytes[256];
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "first", "of the first"));
    ck_assert(put(cache, "other", "of the other"));
    size_t size = read_whole(file_of("first"), bytes, sizeof bytes);
    static const char *const others[] = {"other", "firs", "first\n", ""};
    for (size_t i = 0; i < COUNT(others); i++) {
        write_file(file_of(others[i]), bytes, size);
        ck_assert(misses(cache, others[i]));
        ck_assert(hits(cache, "first", "of the first"));
        ck_assert(put(cache, others[i], "its own"));
        ck_assert(hits(cache, others[i], "its own"));
    }
    kiln_cache_close(cache);
}
END_TEST

static void make_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

START_TEST(test_no_regular_file)
{
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "id", "payload"));
    const char *path = file_of("id"), *moved = in_cache("moved");
    for (int kind = 0; kind < 6; kind++) {
        ck_assert_int_eq(rename(path, moved), 0);
        if (kind == 0)
            ck_assert_int_eq(mkdir(path, 0700), 0);
        else if (kind == 1)
            ck_assert_int_eq(mkfifo(path, 0600), 0);
        else if (kind == 2)
            ck_assert_int_eq(symlink("moved", path), 0);
        else if (kind == 3)
            ck_assert_int_eq(symlink("nowhere", path), 0);
        else if (kind == 4)
            ck_assert_int_eq(symlink("/dev/zero", path), 0);
        else
            make_socket(path);
        ck_assert_msg(misses(cache, "id"), "kind %d", kind);
        ck_assert_msg(put(cache, "id", "new"), "kind %d: %s", kind, last_warning);
        ck_assert_msg(hits(cache, "id", "new"), "kind %d", kind);
        struct stat status;
        ck_assert(lstat(path, &status) == 0 && S_ISREG(status.st_mode));
        ck_assert_uint_eq(count_files(), 2);
        ck_assert(!exists(in_cache("nowhere")));
    }
    ck_assert_int_eq(said(), 0);
    kiln_cache_close(cache);
}
END_TEST

START_TEST(test_directory_with_files)
{
    kiln_cache *cache = open_cache();
    ck_assert(put(cache, "else", "where"));
    ck_assert_int_eq(mkdir(file_of("id"), 0700), 0);
    char below[300];
    snprintf(below, sizeof below, "%s/precious", file_of("id"));
    write_file(below, "data", 4);
    ck_assert(misses(cache, "id"));
    ck_assert(!put(cache, "id", "payload"));
    ck_assert(!put(cache, "id", "payload"));
    ck_assert(misses(cache, "id"));
    ck_assert(exists(below));
    ck_assert_int_eq(said(), 1);
    ck_assert_uint_eq(count_files(), 2); /* no temporary file either */
    ck_assert_int_eq(kiln_cache_clear(cache, true), -1);
    ck_assert_int_eq(kiln_cache_clear(cache, false), -1);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), cache_at));
    ck_assert(exists(below) && count_files() == 1);
    kiln_cache_close(cache);
}
END_TEST

/* ---- as visit and clear see it ------------------------------------------------------------ */

START_TEST(test_visit_damage)
{
    static const char *const sentences[] = {"",
                                            "3 bytes: an entry has 40 or more",
                                            "not an entry of kiln's cache",
                                            "format version 2: this kiln reads version 1",
                                            "a payload of 3 bytes, which should have 4",
                                            "the checksum differs",
                                            "its name is not the hash of its identity",
                                            "not a regular file",
                                            "not a regular file",
                                            "45 bytes, too few for an identity of 4294967295"};
    unsigned char bytes[256];
    kiln_cache *cache = open_cache();
    const char *names[] = {"id", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9"};
    for (size_t i = 0; i < COUNT(names); i++)
        ck_assert(put(cache, names[i], "xyz"));
    size_t size = read_whole(file_of("id"), bytes, sizeof bytes);
    write_file(file_of("v1"), "cut", 3);
    forge(file_of("v2"), 'k', 1, 3);
    forge(file_of("v3"), 0x89, 2, 3);
    forge(file_of("v4"), 0x89, 1, 4);
    bytes[size - 1] ^= 1;
    write_file(file_of("v5"), bytes, size);
    forge(file_of("v6"), 0x89, 1, 3);
    ck_assert_int_eq(unlink(file_of("v7")), 0);
    ck_assert_int_eq(symlink("nowhere", file_of("v7")), 0);
    ck_assert_int_eq(unlink(file_of("v8")), 0);
    ck_assert_int_eq(mkdir(file_of("v8"), 0700), 0);
    memset(bytes + 12, 0xff, 4);
    write_file(file_of("v9"), bytes, size);
    for (size_t i = 0; i < COUNT(names); i++)
        age(file_of(names[i]), 1000 + (long)i);
    gallery seen = {.most = 16};
    ck_assert_int_eq(kiln_cache_visit(cache, show, &seen), COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++) {
        ck_assert_str_eq(in_cache(seen.entries[i].file), file_of(names[i]));
        ck_assert_str_eq(seen.entries[i].damage, sentences[i]);
        ck_assert_str_eq(seen.entries[i].identity, i == 0 ? "id" : "-");
    }
    ck_assert(
        !kiln_is_far_from_now(&(struct timespec){use_of(file_of("id")).tv_sec + 1000, 0}, 60));
    ck_assert_int_eq(kiln_cache_clear(cache, true), COUNT(names) - 1);
    ck_assert_uint_eq(count_files(), 1);
    ck_assert(hits(cache, "id", "xyz"));
    ck_assert_int_eq(kiln_cache_clear(cache, true), 0);
    ck_assert_int_eq(kiln_cache_clear(cache, false), 1);
    ck_assert_int_eq(kiln_cache_clear(cache, false), 0);
    ck_assert_uint_eq(count_files(), 0);
    ck_assert_int_eq(said(), 0);
    kiln_cache_close(cache);
}
END_TEST

/* ------------------------------------------------------------------------------------------- */

int main(void)
{
    Suite *suite = suite_create("cache damage");
    TCase *tests = add_case(suite, "damage");
    tcase_add_test(tests, test_every_bit_flipped);
    tcase_add_test(tests, test_every_length);
    tcase_add_test(tests, test_damage_is_replaced);
    tcase_add_test(tests, test_forged);
    tcase_add_test(tests, test_same_name);
    tcase_add_test(tests, test_no_regular_file);
    tcase_add_test(tests, test_directory_with_files);
    tests = add_case(suite, "visit");
    tcase_add_test(tests, test_visit_damage);
    return run_suite(suite);
}
