/* Threads and processes that share a directory of the disk cache, and some that are killed. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "cache_support.h"

#include <pthread.h>
#include <signal.h>

enum { RACERS = 8 };

static int rounds_of_race(void)
{
    return quick() ? 3 : 30;
}

/* A payload that tells whether it is whole: one byte throughout, and a length to match. */
static size_t make_payload(unsigned char *bytes, unsigned seed)
{
    size_t length = 1 + 37 * (seed % 200);
    memset(bytes, (int)(seed % 200), length);
    return length;
}

static bool is_payload(const unsigned char *bytes, size_t length)
{
    if (length == 0 || length != 1 + 37 * (size_t)bytes[0])
        return false;
    for (size_t i = 1; i < length; i++)
        if (bytes[i] != bytes[0])
            return false;
    return true;
}

/* Puts and gets one identity; NULL or what went wrong. */
static const char *race(kiln_cache *cache, unsigned seed, int rounds, bool may_miss)
{
    unsigned char bytes[8192];
    for (int i = 0; i < rounds; i++) {
        size_t length = make_payload(bytes, seed += 7);
        if (!kiln_cache_put(cache, "contested", 9, bytes, length))
            return "a put failed";
        for (int j = 0; j < 3; j++) {
            void *payload;
            bool hit = kiln_cache_get(cache, "contested", 9, &payload, &length);
            bool whole = hit && is_payload(payload, length);
            free(payload);
            if (hit ? !whole : !may_miss)
                return hit ? "a wrong payload" : "a miss";
        }
    }
    return NULL;
}

typedef struct racer {
    pthread_t thread;
    kiln_cache *cache;
    unsigned seed;
} racer;

static void *race_in_thread(void *user)
{
    racer *self = user;
    return (void *)(uintptr_t)race(self->cache, self->seed, rounds_of_race(), false);
}

static void *fail_in_thread(void *user)
{
    racer *self = user;
    for (int i = 0; i < rounds_of_race(); i++)
        if (put(self->cache, "id", "payload") || !misses(self->cache, "id"))
            return (void *)(uintptr_t) "a directory out of nothing";
    return NULL;
}

static void race_threads(racer *racers, void *(*body)(void *))
{
    for (unsigned i = 0; i < RACERS; i++) {
        racers[i].seed = 25 * i;
        ck_assert_int_eq(pthread_create(&racers[i].thread, NULL, body, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        void *trouble;
        pthread_join(racers[i].thread, &trouble);
        ck_assert_msg(trouble == NULL, "%s", (const char *)trouble);
    }
}

START_TEST(test_threads)
{
    racer racers[RACERS];
    kiln_cache *shared = open_cache();
    for (int i = 0; i < RACERS; i++) /* half of them on one cache, half on their own */
        racers[i].cache = i % 2 == 0 ? shared : open_cache();
    race_threads(racers, race_in_thread);
    ck_assert_uint_eq(count_files(), 1);
    ck_assert_int_eq(said(), 0);
    for (int i = 1; i < RACERS; i += 2)
        kiln_cache_close(racers[i].cache);
    kiln_cache_close(shared);
}
END_TEST

START_TEST(test_threads_warn_once)
{
    racer racers[RACERS];
    write_file(cache_at, "a file", 6);
    kiln_cache *shared = open_cache();
    for (int i = 0; i < RACERS; i++)
        racers[i].cache = shared;
    race_threads(racers, fail_in_thread);
    ck_assert_int_eq(said(), 1);
    kiln_cache_close(shared);
}
END_TEST

static void await(pid_t child)
{
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a racer ended with 0x%x",
                  (unsigned)status);
}

static void race_processes(bool with_clearing)
{
    pid_t children[5];
    fflush(NULL);
    for (unsigned i = 0; i < COUNT(children); i++) {
        children[i] = fork();
        ck_assert_int_ge(children[i], 0);
        if (children[i] != 0)
            continue;
        kiln_cache *cache = open_cache();
        for (int j = 0; j < rounds_of_race() && with_clearing && i == 0; j++) {
            NEED(kiln_cache_clear(cache, j % 2 == 0) >= 0);
            gallery seen = {.most = 16};
            NEED(kiln_cache_visit(cache, show, &seen) >= 0);
            for (int k = 0; k < seen.count; k++)
                NEED(seen.entries[k].damage[0] == '\0');
        }
        const char *trouble = race(cache, 40 * i, rounds_of_race(), with_clearing);
        if (trouble != NULL)
            fprintf(stderr, "%s\n", trouble);
        NEED(trouble == NULL && said() == 0);
        kiln_cache_close(cache);
        _exit(0);
    }
    for (size_t i = 0; i < COUNT(children); i++)
        await(children[i]);
}

START_TEST(test_processes)
{
    race_processes(false);
    ck_assert_uint_eq(count_files(), 1);
    race_processes(true);
}
END_TEST

/* Each writer's entries push out the other's. */
START_TEST(test_processes_that_evict)
{
    pid_t children[3];
    fflush(NULL);
    for (int i = 0; i < (int)COUNT(children); i++) {
        children[i] = fork();
        ck_assert_int_ge(children[i], 0);
        if (children[i] != 0)
            continue;
        kiln_cache *cache = open_as(KILN_CACHE_ON, cache_at, 3 * ENTRY_SIZE);
        for (int j = 0; j < 2 * rounds_of_race(); j++) {
            char identity[32];
            snprintf(identity, sizeof identity, "%d%d", i, j % 10);
            NEED(put(cache, identity, payload58));
            NEED(hits(cache, identity, payload58) || misses(cache, identity));
        }
        NEED(said() == 0);
        kiln_cache_close(cache);
        _exit(0);
    }
    for (size_t i = 0; i < COUNT(children); i++)
        await(children[i]);
    ck_assert_uint_le(count_files(), 3 + COUNT(children));
}
END_TEST

/* A writer killed at any moment leaves an entry whole and, at worst, a temporary file. */
START_TEST(test_killed_writers)
{
    kiln_cache *cache = open_cache();
    unsigned char bytes[8192];
    size_t length = make_payload(bytes, 199);
    ck_assert(kiln_cache_put(cache, "contested", 9, bytes, length));
    for (long i = 0; i < 20; i += quick() ? 7 : 1) {
        fflush(NULL);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            race(cache, (unsigned)i, 1000000, false);
            _exit(0);
        }
        nanosleep(&(struct timespec){0, 3000000 + 371000 * i}, NULL);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        void *payload;
        ck_assert(kiln_cache_get(cache, "contested", 9, &payload, &length));
        ck_assert(is_payload(payload, length));
        free(payload);
    }
    int dir = open(cache_at, O_RDONLY);
    kiln_dir_file *files;
    size_t count;
    ck_assert(kiln_dir_list(dir, &files, &count));
    close(dir);
    for (size_t i = 0; i < count; i++)
        if (!files[i].is_entry)
            age(in_cache(files[i].name), 4000);
    free(files);
    ck_assert(put(cache, "contested", "last"));
    ck_assert_uint_eq(count_files(), 1);
    kiln_cache_close(cache);
}
END_TEST

/* ------------------------------------------------------------------------------------------- */

int main(void)
{
    Suite *suite = suite_create("cache races");
    TCase *tests = add_case(suite, "races");
    tcase_add_test(tests, test_threads);
    tcase_add_test(tests, test_threads_warn_once);
    tcase_add_test(tests, test_processes);
    tcase_add_test(tests, test_processes_that_evict);
    tcase_add_test(tests, test_killed_writers);
    return run_suite(suite);
}
