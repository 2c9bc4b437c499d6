/* The disk cache: what it does with its entries. What they hold is in cache_entry.c, the directory
 * is in cache_dir.c. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "cache.h"
#include "cache_dir.h"
#include "cache_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOUCH_AFTER_S = 60 };

struct kiln_cache {
    kiln_cache_mode mode;
    char *dir; /* NULL: no disk access */
    kiln_store store;
    bool has_store; /* then dir is NULL */
    uint64_t max_bytes;
    kiln_cache_log log;
    void *log_user;
    atomic_bool warned;
};

/* ---- opening ----------------------------------------------------------------------------- */

static void log_warning(const kiln_cache *cache, kiln_text *message)
{
    if (cache->log != NULL)
        cache->log(cache->log_user, KILN_LOG_WARNING,
                   message->failed ? "the disk cache failed for want of memory" : message->data);
    kiln_text_free(message);
}

static kiln_cache_mode mode_from_environment(const kiln_cache *cache)
{
    static const struct {
        const char *name;
        kiln_cache_mode mode;
    } modes[] = {{"on", KILN_CACHE_ON},
                 {"off", KILN_CACHE_OFF},
                 {"readonly", KILN_CACHE_READONLY},
                 {"require", KILN_CACHE_REQUIRE}};
    const char *wanted = getenv("KILN_CACHE");
    if (wanted == NULL || wanted[0] == '\0')
        return KILN_CACHE_ON;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(wanted, modes[i].name) == 0)
            return modes[i].mode;
    kiln_text message = {0};
    kiln_text_addf(&message, "KILN_CACHE=%s: must be on, off, readonly or require; taken as on",
                   wanted);
    log_warning(cache, &message);
    return KILN_CACHE_ON;
}

static uint64_t size_from_environment(const kiln_cache *cache)
{
    uint64_t bytes = UINT64_C(1) << 30;
    const char *wanted = getenv("KILN_CACHE_SIZE");
    if (wanted == NULL || wanted[0] == '\0' || kiln_cache_parse_size(wanted, &bytes))
        return bytes;
    kiln_text message = {0};
    kiln_text_addf(&message,
                   "KILN_CACHE_SIZE=%s: must be a number of bytes above 0, or one with K, M or G "
                   "behind it; taken as 1G (KILN_CACHE=off turns the cache off)",
                   wanted);
    log_warning(cache, &message);
    return bytes;
}

/* False for want of memory. Without a place the cache is off; but KILN_CACHE_REQUIRE stays, as its
 * promise is that nothing is compiled. */
static bool find_place(kiln_cache *cache, const char *dir)
{
    kiln_text path = {0};
    kiln_cache_place(&path, dir);
    bool found = path.length > 0;
    cache->dir = kiln_text_take(&path);
    if (cache->dir == NULL)
        return false;
    if (found)
        return true;
    free(cache->dir);
    cache->dir = NULL;
    if (cache->mode != KILN_CACHE_REQUIRE)
        cache->mode = KILN_CACHE_OFF;
    kiln_text message = {0};
    kiln_text_add(&message, "the disk cache is off: set KILN_CACHE_DIR, XDG_CACHE_HOME or HOME, "
                            "for this user has no home directory");
    log_warning(cache, &message);
    return true;
}

/* In a directory, or if store is not NULL in that. */
static kiln_status open_either(kiln_cache_mode mode, const char *dir, const kiln_store *store,
                               uint64_t max_bytes, kiln_cache_log log, void *log_user,
                               kiln_cache **cache)
{
    *cache = NULL;
    if ((int)mode < KILN_CACHE_DEFAULT || (int)mode > KILN_CACHE_REQUIRE)
        return kiln_fail(KILN_INVALID_ARGUMENT, "cache mode %d: must be from %d to %d", (int)mode,
                         KILN_CACHE_DEFAULT, KILN_CACHE_REQUIRE);
    kiln_cache *opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return kiln_fail_memory();
    opened->log = log;
    opened->log_user = log_user;
    atomic_init(&opened->warned, false);
    opened->mode = mode == KILN_CACHE_DEFAULT ? mode_from_environment(opened) : mode;
    if (opened->mode != KILN_CACHE_OFF && store != NULL) {
        opened->store = *store;
        opened->has_store = true;
        opened->max_bytes = KILN_ENTRY_LARGEST;
    } else if (opened->mode != KILN_CACHE_OFF) {
        opened->max_bytes = max_bytes != 0 ? max_bytes : size_from_environment(opened);
        if (!find_place(opened, dir)) {
            kiln_cache_close(opened);
            return kiln_fail_memory();
        }
    }
    *cache = opened;
    return KILN_OK;
}

kiln_status kiln_cache_open(kiln_cache_mode mode, const char *dir, uint64_t max_bytes,
                            kiln_cache_log log, void *log_user, kiln_cache **cache)
{
    return open_either(mode, dir, NULL, max_bytes, log, log_user, cache);
}

kiln_status kiln_cache_open_store(kiln_cache_mode mode, const kiln_store *store, kiln_cache_log log,
                                  void *log_user, kiln_cache **cache)
{
    return open_either(mode, NULL, store, 0, log, log_user, cache);
}

const kiln_store *kiln_cache_store(const kiln_cache *cache)
{
    return cache->has_store ? &cache->store : NULL;
}

void kiln_cache_close(kiln_cache *cache)
{
    if (cache == NULL)
        return;
    free(cache->dir);
    free(cache);
}

kiln_cache_mode kiln_cache_get_mode(const kiln_cache *cache)
{
    return cache->mode;
}

const char *kiln_cache_dir(const kiln_cache *cache)
{
    return cache->dir;
}

uint64_t kiln_cache_max_bytes(const kiln_cache *cache)
{
    return cache->max_bytes;
}

/* Tells the first trouble with the directory and keeps quiet about the others. */
static void warn_once(kiln_cache *cache, kiln_text *message)
{
    if (atomic_exchange(&cache->warned, true)) {
        kiln_text_free(message);
        return;
    }
    kiln_text_add(message, "; what cannot be cached is built anew");
    log_warning(cache, message);
}

static int open_directory(const kiln_cache *cache, kiln_text *why)
{
    bool writes = cache->mode == KILN_CACHE_ON;
    /* A cache that is only read may be another's, such as a site's. */
    return kiln_dir_open(cache->dir, false, !writes, why);
}

/* ---- get --------------------------------------------------------------------------------- */

/* The time of last use orders the entries for trim(). It need not be exact, so most hits write
 * nothing. */
static void touch(int dir, const char *name)
{
    struct stat status;
    if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        kiln_is_far_from_now(&status.st_mtim, TOUCH_AFTER_S))
        utimensat(dir, name, NULL, AT_SYMLINK_NOFOLLOW);
}

static bool same_bytes(const void *a, size_t a_length, const void *b, size_t b_length)
{
    return a_length == b_length && (a_length == 0 || memcmp(a, b, a_length) == 0);
}

/* What a store hands over. */
typedef struct {
    kiln_entry entry;
    kiln_entry_state state;
    bool taken;
} taken_entry;

static void take_entry(void *to, const void *bytes, size_t length)
{
    taken_entry *t = to;
    if (!t->taken)
        t->state = kiln_entry_copy(bytes, length, &t->entry);
    t->taken = true;
}

/* In each of the two e->bytes is to be freed, whatever the result. */
static bool read_from_store(const kiln_cache *cache, const char *name, kiln_entry *e)
{
    taken_entry t = {.state = KILN_ENTRY_GONE};
    bool found = cache->store.get(cache->store.user, name, take_entry, &t);
    *e = t.entry;
    return found && t.state == KILN_ENTRY_WHOLE;
}

static bool read_from_directory(kiln_cache *cache, const char *name, const void *identity,
                                size_t identity_length, kiln_entry *e)
{
    *e = (kiln_entry){0};
    if (cache->dir == NULL)
        return false;
    kiln_text why = {0};
    int dir = open_directory(cache, &why);
    if (dir < 0) {
        if (errno != ENOENT)
            warn_once(cache, &why);
        kiln_text_free(&why);
        return false;
    }
    bool hit = kiln_entry_read(dir, name, e) == KILN_ENTRY_WHOLE &&
               same_bytes(identity, identity_length, e->identity, e->identity_length);
    if (hit && cache->mode == KILN_CACHE_ON)
        touch(dir, name);
    close(dir);
    return hit;
}

bool kiln_cache_get(kiln_cache *cache, const void *identity, size_t identity_length, void **payload,
                    size_t *length)
{
    *payload = NULL;
    *length = 0;
    char name[KILN_ENTRY_NAME_SIZE];
    kiln_entry_name(identity, identity_length, name);
    kiln_entry e;
    bool hit = cache->has_store
                   ? read_from_store(cache, name, &e) &&
                         same_bytes(identity, identity_length, e.identity, e.identity_length)
                   : read_from_directory(cache, name, identity, identity_length, &e);
    if (!hit) {
        free(e.bytes);
        return false;
    }
    memmove(e.bytes, e.payload, e.payload_length);
    *payload = e.bytes;
    *length = e.payload_length;
    return true;
}

/* ---- put --------------------------------------------------------------------------------- */

/* Removes what crashed writers left behind and, while the entries are too large together, the
 * one least recently used; never the one just written. */
static void trim(const kiln_cache *cache, int dir, const char *written)
{
    kiln_dir_file *files;
    size_t count;
    if (!kiln_dir_list(dir, &files, &count))
        return;
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        if (files[i].is_entry && files[i].is_regular)
            total += files[i].bytes;
    for (size_t i = count; i-- > 0;) {
        const kiln_dir_file *file = &files[i];
        if (file->is_stale)
            kiln_dir_remove(dir, file->name);
        if (total <= cache->max_bytes || !file->is_entry || !file->is_regular ||
            strcmp(file->name, written) == 0)
            continue;
        if (unlinkat(dir, file->name, 0) == 0 || errno == ENOENT)
            total -= file->bytes;
    }
    free(files);
}

static bool fits(const kiln_cache *cache, size_t identity_length, size_t length, kiln_text *why)
{
    uint64_t most = cache->max_bytes < KILN_ENTRY_LARGEST ? cache->max_bytes : KILN_ENTRY_LARGEST;
    uint64_t bytes = (uint64_t)identity_length + length + KILN_ENTRY_OVERHEAD;
    if (bytes <= most)
        return true;
    kiln_text_addf(why,
                   "cache directory %s: an entry of %" PRIu64
                   " bytes is not kept, the most is %" PRIu64 " (KILN_CACHE_SIZE)",
                   cache->dir, bytes, most);
    return false;
}

static bool put_in_store(const kiln_cache *cache, const void *identity, size_t identity_length,
                         const void *payload, size_t length, kiln_text *why)
{
    char name[KILN_ENTRY_NAME_SIZE];
    kiln_entry_name(identity, identity_length, name);
    size_t size = 0;
    bool kept = length <= KILN_ENTRY_LARGEST - KILN_ENTRY_OVERHEAD &&
                identity_length <= KILN_ENTRY_LARGEST - KILN_ENTRY_OVERHEAD - length;
    unsigned char *bytes =
        kept ? kiln_entry_bytes(identity, identity_length, payload, length, &size) : NULL;
    kept = bytes != NULL && cache->store.set(cache->store.user, name, bytes, size);
    free(bytes);
    if (!kept)
        kiln_text_addf(why, "the store given to the context did not keep a binary of %zu bytes",
                       length);
    return kept;
}

static bool try_put(const kiln_cache *cache, const void *identity, size_t identity_length,
                    const void *payload, size_t length, kiln_text *why)
{
    if (cache->has_store)
        return put_in_store(cache, identity, identity_length, payload, length, why);
    if (!fits(cache, identity_length, length, why))
        return false;
    int dir = kiln_dir_open(cache->dir, true, false, why);
    if (dir < 0)
        return false;
    char name[KILN_ENTRY_NAME_SIZE];
    kiln_entry_name(identity, identity_length, name);
    bool written = kiln_entry_write(dir, name, identity, identity_length, payload, length);
    if (!written)
        kiln_text_addf(why, "cache directory %s: cannot write an entry of %zu bytes: %s",
                       cache->dir, length, strerror(errno));
    trim(cache, dir, name); /* after a failure too: the disk may be full of leftovers */
    close(dir);
    return written;
}

bool kiln_cache_put(kiln_cache *cache, const void *identity, size_t identity_length,
                    const void *payload, size_t length)
{
    if (cache->mode != KILN_CACHE_ON)
        return false;
    kiln_text why = {0};
    bool kept = try_put(cache, identity, identity_length, payload, length, &why);
    if (!kept)
        warn_once(cache, &why);
    return kept;
}

/* ---- visit and clear --------------------------------------------------------------------- */

/* Opens and lists the directory. 1: done, *dir is to be closed and *files freed; 0: there is no
 * directory; -1: an error, told. */
static int open_listed(const kiln_cache *cache, int *dir, kiln_dir_file **files, size_t *count)
{
    if (cache->dir == NULL)
        return 0;
    kiln_text why = {0};
    *dir = open_directory(cache, &why);
    bool missing = *dir < 0 && errno == ENOENT;
    if (*dir < 0 && !missing)
        kiln_fail_text(KILN_INVALID_ARGUMENT, &why);
    kiln_text_free(&why);
    if (*dir < 0)
        return missing ? 0 : -1;
    if (kiln_dir_list(*dir, files, count))
        return 1;
    kiln_fail(KILN_INVALID_ARGUMENT, "cache directory %s: %s", cache->dir, strerror(errno));
    close(*dir);
    return -1;
}

/* Reads an entry and checks its name as well. */
static kiln_entry_state check_entry(int dir, const char *name, kiln_entry *e)
{
    kiln_entry_state result = kiln_entry_read(dir, name, e);
    if (result != KILN_ENTRY_WHOLE)
        return result;
    char right_name[KILN_ENTRY_NAME_SIZE];
    kiln_entry_name(e->identity, e->identity_length, right_name);
    if (strcmp(name, right_name) == 0)
        return KILN_ENTRY_WHOLE;
    snprintf(e->trouble, sizeof e->trouble, "its name is not the hash of its identity");
    return KILN_ENTRY_DAMAGED;
}

static bool visit_entry(const kiln_dir_file *file, kiln_entry_state result, kiln_entry *e,
                        bool (*visit)(void *user, const kiln_cache_entry *), void *user)
{
    kiln_cache_entry shown = {.file = file->name,
                              .bytes = file->bytes,
                              .used = (int64_t)file->used.tv_sec,
                              .damage = result == KILN_ENTRY_WHOLE ? NULL : e->trouble};
    if (result == KILN_ENTRY_WHOLE) {
        e->identity[e->identity_length] = '\0'; /* the payload's length, checked by now */
        shown.identity = (const char *)e->identity;
        shown.identity_length = e->identity_length;
    }
    return visit(user, &shown);
}

int64_t kiln_cache_visit(kiln_cache *cache, bool (*visit)(void *user, const kiln_cache_entry *),
                         void *user)
{
    int dir;
    kiln_dir_file *files;
    size_t count;
    int listed = open_listed(cache, &dir, &files, &count);
    if (listed <= 0)
        return listed;
    int64_t visited = 0;
    bool go_on = true;
    for (size_t i = 0; i < count && go_on; i++) {
        kiln_entry e;
        kiln_entry_state result =
            files[i].is_entry ? check_entry(dir, files[i].name, &e) : KILN_ENTRY_GONE;
        if (result == KILN_ENTRY_GONE)
            continue;
        visited++;
        go_on = visit_entry(&files[i], result, &e, visit, user);
        free(e.bytes);
    }
    free(files);
    close(dir);
    return visited;
}

static bool is_damaged(int dir, const char *name)
{
    kiln_entry e;
    bool damaged = check_entry(dir, name, &e) == KILN_ENTRY_DAMAGED;
    free(e.bytes);
    return damaged;
}

int64_t kiln_cache_clear(kiln_cache *cache, bool damaged_only)
{
    if (cache->mode == KILN_CACHE_READONLY || cache->mode == KILN_CACHE_REQUIRE) {
        kiln_fail(KILN_INVALID_ARGUMENT, "cache directory %s: in this mode it is only read",
                  cache->dir != NULL ? cache->dir : "(none)");
        return -1;
    }
    int dir;
    kiln_dir_file *files;
    size_t count;
    int listed = open_listed(cache, &dir, &files, &count);
    if (listed <= 0)
        return listed;
    int64_t removed = 0;
    int error = 0;
    for (size_t i = 0; i < count; i++) {
        const kiln_dir_file *file = &files[i];
        if (!file->is_stale && (!file->is_entry || (damaged_only && !is_damaged(dir, file->name))))
            continue;
        if (kiln_dir_remove(dir, file->name))
            removed++;
        else if (errno != ENOENT)
            error = errno;
    }
    free(files);
    close(dir);
    if (error == 0)
        return removed;
    kiln_fail(KILN_INVALID_ARGUMENT, "cache directory %s: cannot remove an entry: %s", cache->dir,
              strerror(error));
    return -1;
}
