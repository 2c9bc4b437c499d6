/* The cache's directory: finding, making, listing it, and writing files whole. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "cache_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the place --------------------------------------------------------------------------- */

static bool is_absolute(const char *path)
{
    return path != NULL && path[0] == '/';
}

/* A relative path must not follow a program that changes its working directory. */
static void add_absolute(kiln_text *path, const char *dir)
{
    char here[4096];
    if (!is_absolute(dir) && getcwd(here, sizeof here) != NULL)
        kiln_text_addf(path, "%s/", here);
    kiln_text_add(path, dir);
}

/* The home directory of the user database, for daemons that have no HOME. */
static void add_home_of_user(kiln_text *path)
{
    struct passwd user, *found = NULL;
    for (size_t size = 1024; size <= 1 << 20; size *= 4) {
        char *buffer = malloc(size);
        if (buffer == NULL) {
            path->failed = true;
            return;
        }
        int error = getpwuid_r(geteuid(), &user, buffer, size, &found);
        if (error == 0 && found != NULL && is_absolute(user.pw_dir))
            kiln_text_add(path, user.pw_dir);
        free(buffer);
        if (error != ERANGE)
            return;
    }
}

void kiln_cache_place(kiln_text *path, const char *dir)
{
    if (dir == NULL || dir[0] == '\0')
        dir = getenv("KILN_CACHE_DIR");
    if (dir != NULL && dir[0] != '\0') {
        add_absolute(path, dir);
        return;
    }
    /* The XDG base directory specification has relative paths ignored. */
    const char *xdg = getenv("XDG_CACHE_HOME");
    if (is_absolute(xdg)) {
        kiln_text_addf(path, "%s/kiln", xdg);
        return;
    }
    const char *home = getenv("HOME");
    if (is_absolute(home))
        kiln_text_add(path, home);
    else
        add_home_of_user(path);
    if (path->length > 0)
        kiln_text_add(path, "/.cache/kiln");
}

bool kiln_cache_parse_size(const char *text, uint64_t *bytes)
{
    uint64_t value = 0;
    const char *c = text;
    for (; *c >= '0' && *c <= '9'; c++) {
        uint64_t digit = (uint64_t)(*c - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    static const char suffixes[] = "KkMmGg";
    const char *suffix = *c != '\0' ? strchr(suffixes, *c) : NULL;
    unsigned shift = 0;
    if (suffix != NULL) {
        shift = 10 * (unsigned)((suffix - suffixes) / 2 + 1);
        c++;
    }
    if (value == 0 || *c != '\0' || value > UINT64_MAX >> shift)
        return false;
    *bytes = value << shift;
    return true;
}

/* ---- opening ----------------------------------------------------------------------------- */

/* Makes the directory and its parents. A parent that cannot be made may exist all the same (an
 * automounter's), so an error counts only if there is no directory in the end: returns the last
 * one that may be the reason. */
static int make_directories(const char *path)
{
    char *prefix = kiln_strdup(path);
    if (prefix == NULL)
        return ENOMEM;
    int error = 0;
    for (char *end = prefix; end != NULL;) {
        end = strchr(end + 1, '/');
        if (end != NULL)
            *end = '\0';
        if (mkdir(prefix, 0700) != 0 && errno != EEXIST && errno != ENOENT)
            error = errno;
        if (end != NULL)
            *end = '/';
    }
    free(prefix);
    return error;
}

static bool is_trusted(int fd, bool foreign, const char *path, kiln_text *why)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        int error = errno;
        kiln_text_addf(why, "cache directory %s: %s", path, strerror(error));
        errno = error;
        return false;
    }
    if (status.st_mode & S_IWOTH) {
        kiln_text_addf(why,
                       "cache directory %s: every user may write to it; use one of mode 0700, "
                       "such as a directory below it",
                       path);
        errno = EPERM;
        return false;
    }
    if (!foreign && status.st_uid != 0 && status.st_uid != geteuid()) {
        kiln_text_addf(why, "cache directory %s: it belongs to user %ju, and this is user %ju",
                       path, (uintmax_t)status.st_uid, (uintmax_t)geteuid());
        errno = EPERM;
        return false;
    }
    return true;
}

static void close_keeping_errno(int fd)
{
    int error = errno;
    close(fd);
    errno = error;
}

int kiln_dir_open(const char *path, bool make, bool foreign, kiln_text *why)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    int fd = open(path, flags);
    if (fd < 0 && errno == ENOENT && make) {
        int error = make_directories(path);
        fd = open(path, flags);
        if (fd < 0 && errno == ENOENT && error != 0)
            errno = error;
    }
    if (fd < 0) {
        int error = errno;
        kiln_text_addf(why, "cache directory %s: %s", path, strerror(error));
        errno = error;
        return -1;
    }
    if (!is_trusted(fd, foreign, path, why)) {
        close_keeping_errno(fd);
        return -1;
    }
    return fd;
}

/* ---- files ------------------------------------------------------------------------------- */

static const char temporary_prefix[] = ".tmp-";
enum { TEMPORARY_DIGITS = 16, TEMPORARY_SIZE = sizeof temporary_prefix + TEMPORARY_DIGITS };

/* O_EXCL is what makes the name unique; the digits only make a collision rare. */
static int create_temporary(int dir, char name[TEMPORARY_SIZE])
{
    static atomic_uint counter;
    for (int attempt = 0; attempt < 100; attempt++) {
        struct timespec now = {0};
        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t digits = (uint64_t)getpid() << 32 | (uint32_t)atomic_fetch_add(&counter, 1);
        digits ^= (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
        snprintf(name, TEMPORARY_SIZE, "%s%016" PRIx64, temporary_prefix, digits);
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

static bool write_part(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

static bool write_synced(int fd, const struct iovec *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!write_part(fd, parts[i].iov_base, parts[i].iov_len))
            return false;
    while (fsync(fd) != 0)
        if (errno != EINTR)
            return false;
    return true;
}

static bool replace(int dir, const char *temporary, const char *name)
{
    if (renameat(dir, temporary, dir, name) == 0)
        return true;
    /* No file can be put in a directory's place. */
    return errno == EISDIR && kiln_dir_remove(dir, name) &&
           renameat(dir, temporary, dir, name) == 0;
}

/* The directory itself is not synced: a name lost in a crash is a miss. */
bool kiln_dir_write(int dir, const char *name, const struct iovec *parts, size_t count)
{
    char temporary[TEMPORARY_SIZE];
    int fd = create_temporary(dir, temporary);
    if (fd < 0)
        return false;
    bool written = write_synced(fd, parts, count);
    if (!written)
        close_keeping_errno(fd);
    else
        written = close(fd) == 0; /* NFS tells of a full disk here */
    if (written && replace(dir, temporary, name))
        return true;
    int error = errno;
    unlinkat(dir, temporary, 0);
    errno = error;
    return false;
}

bool kiln_dir_remove(int dir, const char *name)
{
    if (unlinkat(dir, name, 0) == 0)
        return true;
    /* Linux says EISDIR for a directory, POSIX EPERM, which has other reasons as well. */
    int error = errno;
    if (error != EISDIR && error != EPERM)
        return false;
    if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
        return true;
    if (errno == ENOTDIR)
        errno = error;
    return false;
}

/* ---- listing ----------------------------------------------------------------------------- */

enum { STALE_AFTER_S = 3600 };

static bool is_name(const char *name, const char *prefix, size_t digits, const char *suffix)
{
    size_t length = strlen(prefix);
    return strncmp(name, prefix, length) == 0 &&
           strspn(name + length, "0123456789abcdef") == digits &&
           strcmp(name + length + digits, suffix) == 0;
}

bool kiln_is_far_from_now(const struct timespec *when, int64_t seconds)
{
    int64_t age = (int64_t)time(NULL) - (int64_t)when->tv_sec;
    return age > seconds || age < -seconds;
}

/* Fills in the file of this name; false for one that is not the cache's or has just gone. */
static bool describe(int dir, const char *name, kiln_dir_file *file)
{
    bool is_entry = is_name(name, "", 32, ".kiln");
    struct stat status;
    if ((!is_entry && !is_name(name, temporary_prefix, TEMPORARY_DIGITS, "")) ||
        fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    *file = (kiln_dir_file){.is_entry = is_entry,
                            .is_regular = S_ISREG(status.st_mode),
                            .bytes = (uint64_t)status.st_size,
                            .used = status.st_mtim};
    file->is_stale = !is_entry && kiln_is_far_from_now(&file->used, STALE_AFTER_S);
    memcpy(file->name, name, strlen(name) + 1);
    return true;
}

static int compare_uses(const void *left, const void *right)
{
    const kiln_dir_file *a = left, *b = right;
    if (a->used.tv_sec != b->used.tv_sec)
        return a->used.tv_sec < b->used.tv_sec ? 1 : -1;
    if (a->used.tv_nsec != b->used.tv_nsec)
        return a->used.tv_nsec < b->used.tv_nsec ? 1 : -1;
    return strcmp(a->name, b->name);
}

static bool read_names(int dir, DIR *stream, kiln_text *files)
{
    for (;;) {
        errno = 0;
        const struct dirent *found = readdir(stream);
        kiln_dir_file file;
        if (found == NULL)
            return errno == 0;
        if (describe(dir, found->d_name, &file))
            kiln_text_add_bytes(files, &file, sizeof file);
    }
}

bool kiln_dir_list(int dir, kiln_dir_file **files, size_t *count)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* closedir closes it */
    if (fd < 0)
        return false;
    DIR *stream = fdopendir(fd);
    if (stream == NULL) {
        close_keeping_errno(fd);
        return false;
    }
    kiln_text list = {0};
    bool read = read_names(dir, stream, &list);
    int error = read ? ENOMEM : errno;
    closedir(stream);
    size_t length = list.length;
    char *bytes = kiln_text_take(&list);
    if (!read || bytes == NULL) {
        free(bytes);
        errno = error;
        return false;
    }
    *files = (kiln_dir_file *)(void *)bytes;
    *count = length / sizeof **files;
    if (*count > 0)
        qsort(*files, *count, sizeof **files, compare_uses);
    return true;
}
