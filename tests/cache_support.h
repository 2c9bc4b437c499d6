/* What the tests of the disk cache share: a directory for each test, a cache in it, and what they
 * are asked in few words. No OpenCL. */
#ifndef KILN_CACHE_SUPPORT_H
#define KILN_CACHE_SUPPORT_H

#include "cache.h"
#include "cache_dir.h"
#include "cache_entry.h"

#include <check.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- suites ------------------------------------------------------------------------------ */

/* A case whose tests each find an empty directory and none of the user's settings. */
TCase *add_case(Suite *suite, const char *name);

/* The exit status. */
int run_suite(Suite *suite);

/* $KILN_TEST_QUICK: a tenth of the sweeps. */
bool quick(void);

/* ---- the test's directory ---------------------------------------------------------------- */

/* The test's directory, and in it the cache's, which the cache makes. */
extern char root[128], cache_at[160];

void remove_tree(const char *path);

/* A path in the cache's directory; holds until the eighth next call. */
const char *in_cache(const char *name);

/* The same for the file of an entry. */
const char *file_of(const char *identity);

size_t count_files(void); /* in the cache's directory */
bool exists(const char *path);
void write_file(const char *path, const void *bytes, size_t length);

/* The file's length, which must be less than size. */
size_t read_whole(const char *path, unsigned char *bytes, size_t size);

/* Makes a file look used this many seconds ago. */
void age(const char *path, long seconds);
struct timespec use_of(const char *path);

/* ---- the cache under test ---------------------------------------------------------------- */

/* The log callback of the caches below, its user, and the first warning since one was opened. */
void hear(void *user, kiln_log_level level, const char *message);
extern atomic_int warnings;
extern char last_warning[512];

/* How many warnings there were since a cache was opened. */
int said(void);

kiln_cache *open_as(kiln_cache_mode mode, const char *dir, uint64_t max_bytes);
kiln_cache *open_cache(void); /* to read and write, in cache_at */

/* Of strings. A miss must leave nothing in what get fills in. */
bool put(kiln_cache *cache, const char *identity, const char *payload);
bool hits(kiln_cache *cache, const char *identity, const char *expected);
bool misses(kiln_cache *cache, const char *identity);

/* An entry of 100 bytes: an identity of two letters, payload58. */
enum { ENTRY_SIZE = KILN_ENTRY_OVERHEAD + 2 + 58 };
extern const char payload58[];

/* What a visit by show saw; it stops after the entry that makes them `most`. */
typedef struct shown {
    char file[64];
    char damage[160];
    char identity[64];
    size_t identity_length;
    uint64_t bytes;
    int64_t used;
} shown;

typedef struct gallery {
    shown entries[16];
    int count;
    int most;
} gallery;

bool show(void *user, const kiln_cache_entry *entry);

/* ---- processes --------------------------------------------------------------------------- */

/* What a child asserts by. */
#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* Runs body in a process of its own, which must end well. */
void in_child(void (*body)(void));

/* A user that is neither root nor in the user database. */
enum { NOBODY_KNOWN = 54321 };

/* Root may write anywhere, so the child is another user, to whom the directory is given. */
void give_up_root(void);

#endif
