#include "cache_support.h"

#include <dirent.h>

/* ---- the test's directory ----------------------------------------------------------------- */

static char base[64]; /* the directory of the program */
char root[128], cache_at[160];

void remove_tree(const char *path)
{
    DIR *stream = opendir(path);
    const struct dirent *found;
    while (stream != NULL && (found = readdir(stream)) != NULL) {
        char below[512];
        struct stat status;
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof below, "%s/%s", path, found->d_name);
        if (lstat(below, &status) == 0 && S_ISDIR(status.st_mode))
            remove_tree(below);
        else
            unlink(below);
    }
    if (stream != NULL)
        closedir(stream);
    rmdir(path);
}

static void clear_environment(void)
{
    unsetenv("KILN_CACHE");
    unsetenv("KILN_CACHE_DIR");
    unsetenv("KILN_CACHE_SIZE");
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "/nonexistent/home", 1);
}

static void set_up(void)
{
    clear_environment();
    snprintf(root, sizeof root, "%s/XXXXXX", base);
    ck_assert_ptr_nonnull(mkdtemp(root));
    chmod(root, 0755);
    snprintf(cache_at, sizeof cache_at, "%s/cache", root);
}

static void tear_down(void)
{
    remove_tree(root);
}

const char *in_cache(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", cache_at, name);
    return path;
}

const char *file_of(const char *identity)
{
    char name[KILN_ENTRY_NAME_SIZE];
    kiln_entry_name(identity, strlen(identity), name);
    return in_cache(name);
}

size_t count_files(void)
{
    size_t count = 0;
    DIR *stream = opendir(cache_at);
    const struct dirent *found;
    while (stream != NULL && (found = readdir(stream)) != NULL)
        count += found->d_name[0] != '.' || strlen(found->d_name) > 2;
    if (stream != NULL)
        closedir(stream);
    return count;
}

bool exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

void write_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
}

size_t read_whole(const char *path, unsigned char *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t length = fread(bytes, 1, size, file);
    ck_assert_uint_lt(length, size);
    fclose(file);
    return length;
}

void age(const char *path, long seconds)
{
    struct timespec times[2] = {{.tv_sec = time(NULL) - seconds, .tv_nsec = 5}};
    times[1] = times[0];
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

struct timespec use_of(const char *path)
{
    struct stat status;
    ck_assert_int_eq(lstat(path, &status), 0);
    return status.st_mtim;
}

/* ---- the cache under test ----------------------------------------------------------------- */

atomic_int warnings;
char last_warning[512];

void hear(void *user, kiln_log_level level, const char *message)
{
    ck_assert_ptr_eq(user, &warnings);
    ck_assert_int_eq(level, KILN_LOG_WARNING);
    ck_assert_str_ne(message, "");
    if (atomic_fetch_add(&warnings, 1) == 0)
        snprintf(last_warning, sizeof last_warning, "%s", message);
}

kiln_cache *open_as(kiln_cache_mode mode, const char *dir, uint64_t max_bytes)
{
    kiln_cache *cache = NULL;
    atomic_store(&warnings, 0);
    last_warning[0] = '\0';
    ck_assert_int_eq(kiln_cache_open(mode, dir, max_bytes, hear, &warnings, &cache), KILN_OK);
    ck_assert_ptr_nonnull(cache);
    return cache;
}

kiln_cache *open_cache(void)
{
    return open_as(KILN_CACHE_ON, cache_at, 0);
}

bool put(kiln_cache *cache, const char *identity, const char *payload)
{
    return kiln_cache_put(cache, identity, strlen(identity), payload, strlen(payload));
}

bool hits(kiln_cache *cache, const char *identity, const char *expected)
{
    void *payload;
    size_t length;
    bool hit = kiln_cache_get(cache, identity, strlen(identity), &payload, &length);
    bool right = hit && length == strlen(expected) && memcmp(payload, expected, length) == 0;
    free(payload);
    return right;
}

bool misses(kiln_cache *cache, const char *identity)
{
    void *payload = &payload;
    size_t length = 99;
    bool hit = kiln_cache_get(cache, identity, strlen(identity), &payload, &length);
    if (hit)
        free(payload);
    return !hit && payload == NULL && length == 0;
}

int said(void)
{
    return atomic_load(&warnings);
}

void in_child(void (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        body();
        if (getuid() == 0)
            NEED(seteuid(0) == 0); /* valgrind tidies up at the end */
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with 0x%x",
                  (unsigned)status);
}

void give_up_root(void)
{
    if (geteuid() == 0)
        NEED(seteuid(NOBODY_KNOWN) == 0);
}

bool show(void *user, const kiln_cache_entry *entry)
{
    gallery *seen = user;
    shown *it = &seen->entries[seen->count++];
    snprintf(it->file, sizeof it->file, "%s", entry->file);
    snprintf(it->damage, sizeof it->damage, "%s", entry->damage != NULL ? entry->damage : "");
    snprintf(it->identity, sizeof it->identity, "%s", entry->identity ? entry->identity : "-");
    it->identity_length = entry->identity_length;
    it->bytes = entry->bytes;
    it->used = entry->used;
    return seen->count < seen->most;
}

const char payload58[] = "0123456789012345678901234567890123456789012345678901234567";

/* ---- suites ------------------------------------------------------------------------------- */

bool quick(void)
{
    const char *value = getenv("KILN_TEST_QUICK");
    return value != NULL && value[0] != '\0' && strcmp(value, "0") != 0;
}

TCase *add_case(Suite *suite, const char *name)
{
    TCase *tests = tcase_create(name);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 300); /* for valgrind on a slow disk */
    suite_add_tcase(suite, tests);
    return tests;
}

int run_suite(Suite *suite)
{
    const char *place = getenv("TMPDIR");
    if (place == NULL || place[0] == '\0' || strlen(place) > 30) /* a socket's path is short */
        place = "/tmp";
    snprintf(base, sizeof base, "%s/kiln-check-XXXXXX", place);
    if (mkdtemp(base) == NULL || chmod(base, 0755) != 0) {
        perror(base);
        return 99;
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    remove_tree(base);
    return failures != 0;
}
