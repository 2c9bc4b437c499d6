/* The disk cache: bytes kept under an identity. It knows no kernels and no OpenCL.
 *
 * A directory of entries, each a file named by the hash of its identity. An entry stores magic,
 * format version, identity, payload length and checksum, and all of them are compared on a hit. A
 * cache may lose, never lie: whatever is wrong with an entry is a miss and nothing else; whatever
 * is wrong with the directory is a miss and a warning, the first time. Safe for any number of
 * threads and processes without locks: entries are written to a temporary file in the directory,
 * synced and renamed.
 *
 * Binaries are code. A directory that every user may write to is not used, and one that belongs
 * to neither this user nor root only where the cache is never written (readonly, require).
 */
#ifndef KILN_CACHE_H
#define KILN_CACHE_H

#include "status.h"

typedef struct kiln_cache kiln_cache;

/* What the cache has to say to a person; message holds until the call returns. */
typedef void (*kiln_cache_log)(void *user, kiln_log_level level, const char *message);

/* mode: KILN_CACHE_DEFAULT reads $KILN_CACHE (on|off|readonly|require, else a warning and on).
 * dir: NULL or "" for the default place. max_bytes: 0 for $KILN_CACHE_SIZE (bytes, or with a suffix
 * K, M, G; malformed: a warning and the default, 1 GiB). A variable set to nothing counts as unset.
 * The directory is made at the first write (0700, parents too). Without a usable place (no home
 * directory) the cache is off, with a warning; KILN_CACHE_REQUIRE stays in force and all is a miss.
 * Fails only for want of memory or for a mode that is none. */
kiln_status kiln_cache_open(kiln_cache_mode mode, const char *dir, uint64_t max_bytes,
                            kiln_cache_log log, void *log_user, kiln_cache **cache);

/* The same in a store of the caller's instead of a directory; what has to be right of a file holds
 * for what the store gives, too. There is no cap: the store's owner sees to that. */
kiln_status kiln_cache_open_store(kiln_cache_mode mode, const kiln_store *store, kiln_cache_log log,
                                  void *log_user, kiln_cache **cache);

/* The caller's store, or NULL. */
const kiln_store *kiln_cache_store(const kiln_cache *cache);

/* NULL is allowed. */
void kiln_cache_close(kiln_cache *cache);

/* The mode in force, never KILN_CACHE_DEFAULT; the absolute path of the directory, NULL when
 * there is none. */
kiln_cache_mode kiln_cache_get_mode(const kiln_cache *cache);
const char *kiln_cache_dir(const kiln_cache *cache);

/* Entries least recently used go when they are more than these bytes. */
uint64_t kiln_cache_max_bytes(const kiln_cache *cache);

/* The payload kept under identity (identity_length bytes, any bytes), in a buffer the caller frees
 * with free(), else NULL and false. A hit marks the entry as used now (to the minute), unless the
 * cache is only read. */
bool kiln_cache_get(kiln_cache *cache, const void *identity, size_t identity_length, void **payload,
                    size_t *length);

/* Keeps payload under identity, replacing what was there. A failure is a warning, never an error:
 * returns whether it was written; in other modes than KILN_CACHE_ON it never is, without a warning.
 * Entries least recently used go when the cache outgrows max_bytes. */
bool kiln_cache_put(kiln_cache *cache, const void *identity, size_t identity_length,
                    const void *payload, size_t length);

/* One entry as `kiln cache` shows it. Strings hold during the visit. */
typedef struct kiln_cache_entry {
    const char *file;     /* name in the directory */
    uint64_t bytes;       /* of the file */
    int64_t used;         /* seconds since the epoch of the last use */
    const char *damage;   /* NULL: whole; else a sentence */
    const char *identity; /* NULL when damaged; NUL-terminated for convenience */
    size_t identity_length;
} kiln_cache_entry;

/* Reads and checks every entry, most recently used first. visit returns false to stop.
 * Returns the number visited, or -1 with kiln_last_error when the directory cannot be read (a
 * directory that does not exist yet is empty). */
int64_t kiln_cache_visit(kiln_cache *cache, bool (*visit)(void *user, const kiln_cache_entry *),
                         void *user);

/* Removes every entry (damaged_only: only those that are damaged) and temporary files that a crash
 * left behind (older than an hour); other files are not touched. Returns how many files, or -1 with
 * kiln_last_error: the mode is readonly or require, or something could not be removed. */
int64_t kiln_cache_clear(kiln_cache *cache, bool damaged_only);

#endif
