/* The cache's directory: where it is, and what is done to the files in it. It knows nothing of
 * what an entry holds. Functions that fail leave the reason in errno. */
#ifndef KILN_CACHE_DIR_H
#define KILN_CACHE_DIR_H

#include "status.h"

#include <sys/uio.h>
#include <time.h>

/* The absolute path of the cache: dir if given, else $KILN_CACHE_DIR, $XDG_CACHE_HOME/kiln,
 * ~/.cache/kiln. Nothing is added if there is no such place. */
void kiln_cache_place(kiln_text *path, const char *dir);

/* A size as $KILN_CACHE_SIZE gives it: a number of bytes above 0, or one with the suffix K, M or
 * G. */
bool kiln_cache_parse_size(const char *text, uint64_t *bytes);

/* Opens the directory, for make after making it (0700, parents too). Binaries are code, so a
 * directory that every user may write to is refused (EPERM), and so is, unless foreign, one that
 * belongs to neither this user nor root. -1 with the sentence in why. */
int kiln_dir_open(const char *path, bool make, bool foreign, kiln_text *why);

/* Writes a file as a whole or not at all: readers see the old one or the new one. */
bool kiln_dir_write(int dir, const char *name, const struct iovec *parts, size_t count);

/* Removes a file or an empty directory. */
bool kiln_dir_remove(int dir, const char *name);

/* An entry's name is HASH.kiln with 32 hexadecimal digits. */
enum { KILN_ENTRY_NAME_SIZE = 32 + 5 + 1 };

typedef struct kiln_dir_file {
    char name[KILN_ENTRY_NAME_SIZE];
    bool is_entry; /* by its name; else a temporary file of kiln_dir_write */
    bool is_stale; /* a temporary file so old that its writer must have died */
    bool is_regular;
    uint64_t bytes;
    struct timespec used;
} kiln_dir_file;

/* The entries and temporary files of a directory, most recently used first; the caller frees
 * *files with free(). */
bool kiln_dir_list(int dir, kiln_dir_file **files, size_t *count);

/* Whether the time lies more than this many seconds from now, before or behind. */
bool kiln_is_far_from_now(const struct timespec *when, int64_t seconds);

#endif
