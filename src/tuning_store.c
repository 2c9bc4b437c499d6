#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "tuning_store.h"
#include "cache_dir.h"
#include "cache_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file larger than this is none of ours. */
#define LARGEST ((size_t)16 << 20)

struct kiln_tuning_store {
    const char *device;
    const kiln_facts *facts;
    kiln_cache_log log;
    void *log_user;
    const kiln_store *own; /* the embedder's, or NULL */
    char *dir, *name;      /* of the file; name is the key in a store of the embedder's */
    char *place;           /* in words */
    bool given;            /* $KILN_TUNE_FILE */
    bool reads, writes;
    atomic_bool warned;
};

static void warn(kiln_tuning_store *store, kiln_text *message)
{
    if (!atomic_exchange(&store->warned, true) && store->log && message->data)
        store->log(store->log_user, KILN_LOG_WARNING, message->data);
    kiln_text_free(message);
}

/* ---- the place --------------------------------------------------------------------------- */

/* tuning-HASH.txt: no entry's name, so that the cache leaves it alone. */
static char *name_of(const char *device)
{
    char hash[KILN_ENTRY_NAME_SIZE];
    kiln_text name = {0};
    kiln_entry_name(device, strlen(device), hash);
    kiln_text_addf(&name, "tuning-%.32s.txt", hash);
    return kiln_text_take(&name);
}

/* False for want of memory. */
static bool find_given(kiln_tuning_store *store, const char *path)
{
    const char *slash = strrchr(path, '/');
    store->given = store->reads = store->writes = true;
    store->name = kiln_strdup(slash ? slash + 1 : path);
    store->dir = !slash          ? kiln_strdup(".")
                 : slash == path ? kiln_strdup("/")
                                 : kiln_strndup(path, (size_t)(slash - path));
    store->place = kiln_strdup(path);
    return store->name && store->dir && store->place;
}

static bool find_usual(kiln_tuning_store *store, const kiln_cache *cache)
{
    kiln_cache_mode mode = kiln_cache_get_mode(cache);
    const char *dir = kiln_cache_dir(cache);
    store->own = kiln_cache_store(cache);
    store->reads = mode != KILN_CACHE_OFF && (dir || store->own);
    store->writes = store->reads && mode == KILN_CACHE_ON;
    store->name = name_of(store->device);
    store->dir = kiln_strdup(dir ? dir : "");
    if (!store->name || !store->dir)
        return false;
    kiln_text place = {0};
    if (!store->reads)
        kiln_text_add(&place, "none, as the cache is off");
    else if (store->own)
        kiln_text_addf(&place, "the store given to the context, under %s", store->name);
    else
        kiln_text_addf(&place, "%s/%s", store->dir, store->name);
    store->place = kiln_text_take(&place);
    return store->place != NULL;
}

kiln_status kiln_tuning_open(const kiln_cache *cache, const char *device, const kiln_facts *facts,
                             kiln_cache_log log, void *log_user, kiln_tuning_store **result)
{
    kiln_tuning_store *store = calloc(1, sizeof *store);
    const char *path = getenv("KILN_TUNE_FILE");
    *result = NULL;
    if (!store)
        return kiln_fail_memory();
    store->device = device;
    store->facts = facts;
    store->log = log;
    store->log_user = log_user;
    atomic_init(&store->warned, false);
    /* A program's own store is stronger than the environment, as a cache_dir is. */
    bool found = path && *path && !kiln_cache_store(cache) ? find_given(store, path)
                                                           : find_usual(store, cache);
    if (!found) {
        kiln_tuning_close(store);
        return kiln_fail_memory();
    }
    *result = store;
    return KILN_OK;
}

void kiln_tuning_close(kiln_tuning_store *store)
{
    if (!store)
        return;
    free(store->dir);
    free(store->name);
    free(store->place);
    free(store);
}

const char *kiln_tuning_place(const kiln_tuning_store *store)
{
    return store->place;
}

bool kiln_tuning_is_kept(const kiln_tuning_store *store)
{
    return store->writes;
}

/* ---- bytes ------------------------------------------------------------------------------- */

/* -1 with errno, and but for ENOENT a sentence in why. A file that the user named may lie
 * anywhere: values for tuning are no code. */
static int open_dir(const kiln_tuning_store *store, bool make, kiln_text *why)
{
    if (!store->given)
        return kiln_dir_open(store->dir, make, !store->writes, why);
    int dir = open(store->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        int error = errno;
        kiln_text_addf(why, "KILN_TUNE_FILE: %s: %s", store->dir, strerror(error));
        errno = error;
    }
    return dir;
}

static bool read_file(int dir, const char *name, kiln_text *out)
{
    char block[4096];
    struct stat info;
    ssize_t got;
    int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool good = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    errno = good ? 0 : EINVAL;
    while (good && out->length <= LARGEST && (got = read(fd, block, sizeof block)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        good = got > 0;
        if (good)
            kiln_text_add_bytes(out, block, (size_t)got);
    }
    int error = errno;
    close(fd);
    errno = error;
    return good;
}

static void take_bytes(void *to, const void *value, size_t length)
{
    kiln_text_add_bytes(to, value, length);
}

/* dir: open, or -1. Nothing for what is not there; a sentence in why for what cannot be read. */
static void read_bytes(const kiln_tuning_store *store, int dir, kiln_text *out, kiln_text *why)
{
    if (store->own)
        store->own->get(store->own->user, store->name, take_bytes, out);
    else if (dir >= 0 && !read_file(dir, store->name, out) && errno != ENOENT)
        kiln_text_addf(why, "cannot be read: %s", strerror(errno));
    if (out->length > LARGEST)
        kiln_text_addf(why, "%zu bytes or more: a tuning file has at most %zu", out->length,
                       LARGEST);
    else if (out->length > 0 && memchr(out->data, '\0', out->length))
        kiln_text_add(why, "it is no text");
}

static bool write_bytes(const kiln_tuning_store *store, int dir, const kiln_text *text)
{
    if (store->own)
        return store->own->set(store->own->user, store->name, text->data, text->length);
    struct iovec part = {text->data, text->length};
    return kiln_dir_write(dir, store->name, &part, 1);
}

/* ---- reading ----------------------------------------------------------------------------- */

/* *foreign: what is there is not to be overwritten if the user named it. */
static kiln_status read_lines(kiln_tuning_store *store, int dir, bool best_only, kiln_lines *lines,
                              bool *foreign)
{
    kiln_text text = {0}, why = {0};
    kiln_status status = KILN_OK;
    read_bytes(store, dir, &text, &why);
    *foreign = why.length > 0;
    if (text.failed)
        status = kiln_fail_memory();
    else if (!*foreign && text.length > 0)
        status = kiln_lines_parse(text.data, store->device, store->facts, best_only, lines, foreign,
                                  &why);
    if (status == KILN_OK && why.length > 0) {
        kiln_text message = {0};
        kiln_text_addf(&message, "tuning in %s: %s; %s passed over", store->place, why.data,
                       *foreign ? "all of it is" : "such lines are");
        warn(store, &message);
    }
    kiln_text_free(&why);
    kiln_text_free(&text);
    return status;
}

kiln_status kiln_tuning_read(kiln_tuning_store *store, bool best_only, kiln_lines *lines)
{
    bool foreign;
    int dir = -1;
    *lines = (kiln_lines){0};
    if (!store->reads)
        return KILN_OK;
    if (!store->own) {
        kiln_text why = {0};
        dir = open_dir(store, false, &why);
        if (dir < 0) {
            /* Of its own directory the cache tells the same. */
            if (store->given && errno != ENOENT)
                warn(store, &why);
            kiln_text_free(&why);
            return KILN_OK;
        }
    }
    kiln_status status = read_lines(store, dir, best_only, lines, &foreign);
    if (dir >= 0)
        close(dir);
    return status;
}

/* ---- changing ---------------------------------------------------------------------------- */

/* Between threads: a file's lock is the process's. */
static pthread_mutex_t change_lock = PTHREAD_MUTEX_INITIALIZER;

/* Between processes. Its file stays, as removing it would be a race. On a file system without
 * locks two tuners may lose a line: -1, and things go on. */
static int lock_file(const kiln_tuning_store *store, int dir)
{
    kiln_text name = {0};
    kiln_text_addf(&name, "%s.lock", store->name);
    int fd =
        name.data ? openat(dir, name.data, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
    kiln_text_free(&name);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    while (fd >= 0 && fcntl(fd, F_SETLKW, &whole) != 0 && errno == EINTR)
        continue;
    return fd;
}

static kiln_status change_locked(kiln_tuning_store *store, int dir,
                                 kiln_status (*change)(void *user, kiln_lines *lines), void *user,
                                 bool *kept)
{
    kiln_lines lines = {0};
    kiln_text text = {0}, message = {0};
    bool foreign;
    kiln_status status = read_lines(store, dir, false, &lines, &foreign);
    if (status == KILN_OK && foreign && store->given) {
        kiln_text_addf(&message, "KILN_TUNE_FILE=%s: not written, as it is not this device's",
                       store->place);
        warn(store, &message);
        kiln_lines_free(&lines);
        return KILN_OK;
    }
    if (status == KILN_OK)
        status = change(user, &lines);
    if (status == KILN_OK)
        kiln_lines_print(&lines, store->device, &text);
    if (status == KILN_OK && text.failed)
        status = kiln_fail_memory();
    if (status == KILN_OK) {
        *kept = write_bytes(store, dir, &text);
        if (!*kept) {
            kiln_text_addf(&message, "tuning could not be kept in %s", store->place);
            if (!store->own)
                kiln_text_addf(&message, ": %s", strerror(errno));
            warn(store, &message);
        }
    }
    kiln_text_free(&text);
    kiln_lines_free(&lines);
    return status;
}

kiln_status kiln_tuning_change(kiln_tuning_store *store,
                               kiln_status (*change)(void *user, kiln_lines *lines), void *user,
                               bool *kept)
{
    int dir = -1, lock = -1;
    *kept = false;
    if (!store->writes)
        return KILN_OK;
    if (!store->own) {
        kiln_text why = {0};
        dir = open_dir(store, true, &why);
        if (dir < 0) {
            warn(store, &why);
            return KILN_OK;
        }
    }
    pthread_mutex_lock(&change_lock);
    if (dir >= 0)
        lock = lock_file(store, dir);
    kiln_status status = change_locked(store, dir, change, user, kept);
    if (lock >= 0)
        close(lock);
    pthread_mutex_unlock(&change_lock);
    if (dir >= 0)
        close(dir);
    return status;
}
