/* What an entry of the disk cache holds. Numbers are in little-endian order:
 *
 *     magic            8 bytes
 *     format version   4
 *     identity length  4
 *     identity
 *     payload length   8
 *     checksum         16   of all bytes before it and the payload
 *     payload
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "cache_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* As PNG's: a transfer that mends line ends or cuts the eighth bit breaks it. */
static const unsigned char magic[8] = {0x89, 'K', 'L', 'N', '\r', '\n', 0x1a, '\n'};

enum {
    FORMAT_VERSION = 1,
    HEADER_SIZE = 16,
    LENGTH_SIZE = 8,
    CHECKSUM_SIZE = 16,
    TRAILER_SIZE = LENGTH_SIZE + CHECKSUM_SIZE /* between identity and payload */
};

_Static_assert(KILN_ENTRY_OVERHEAD == HEADER_SIZE + TRAILER_SIZE, "an entry's fixed parts");

static void store(unsigned char *bytes, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t load(const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

void kiln_entry_name(const void *identity, size_t length, char name[KILN_ENTRY_NAME_SIZE])
{
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits(identity, length));
    for (size_t i = 0; i < sizeof hash.digest; i++)
        snprintf(name + 2 * i, 3, "%02x", hash.digest[i]);
    memcpy(name + 2 * sizeof hash.digest, ".kiln", sizeof ".kiln");
}

/* What stands before the checksum comes in three pieces, and the payload is a fourth: each one's
 * hash is the seed of the next one's, so that all of them are in the last. */
static void checksum(const unsigned char header[HEADER_SIZE], const void *identity,
                     size_t identity_length, const unsigned char size[LENGTH_SIZE],
                     const void *payload, size_t length, unsigned char sum[CHECKSUM_SIZE])
{
    uint64_t seed = XXH3_64bits(header, HEADER_SIZE);
    seed = XXH3_64bits_withSeed(identity, identity_length, seed);
    seed = XXH3_64bits_withSeed(size, LENGTH_SIZE, seed);
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits_withSeed(payload, length, seed));
    memcpy(sum, hash.digest, CHECKSUM_SIZE);
}

KILN_PRINTF(3, 4)
static kiln_entry_state trouble(kiln_entry *e, kiln_entry_state state, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(e->trouble, sizeof e->trouble, format, args);
    va_end(args);
    return state;
}

/* Finds the parts of an entry that has been read and checks everything but its name. */
static kiln_entry_state parse(kiln_entry *e)
{
    if (e->size < KILN_ENTRY_OVERHEAD)
        return trouble(e, KILN_ENTRY_DAMAGED, "%zu bytes: an entry has %d or more", e->size,
                       KILN_ENTRY_OVERHEAD);
    if (memcmp(e->bytes, magic, sizeof magic) != 0)
        return trouble(e, KILN_ENTRY_DAMAGED, "not an entry of kiln's cache");
    uint64_t version = load(e->bytes + 8, 4);
    if (version != FORMAT_VERSION)
        return trouble(e, KILN_ENTRY_DAMAGED,
                       "format version %" PRIu64 ": this kiln reads version %d", version,
                       FORMAT_VERSION);
    uint64_t identity_length = load(e->bytes + 12, 4);
    if (identity_length > e->size - KILN_ENTRY_OVERHEAD)
        return trouble(e, KILN_ENTRY_DAMAGED, "%zu bytes, too few for an identity of %" PRIu64,
                       e->size, identity_length);
    e->identity = e->bytes + HEADER_SIZE;
    e->identity_length = (size_t)identity_length;
    e->payload = e->identity + e->identity_length + TRAILER_SIZE;
    e->payload_length = e->size - KILN_ENTRY_OVERHEAD - e->identity_length;
    const unsigned char *length = e->identity + e->identity_length;
    if (load(length, LENGTH_SIZE) != e->payload_length)
        return trouble(e, KILN_ENTRY_DAMAGED, "a payload of %zu bytes, which should have %" PRIu64,
                       e->payload_length, load(length, LENGTH_SIZE));
    unsigned char sum[CHECKSUM_SIZE];
    checksum(e->bytes, e->identity, e->identity_length, length, e->payload, e->payload_length, sum);
    if (memcmp(sum, length + LENGTH_SIZE, CHECKSUM_SIZE) != 0)
        return trouble(e, KILN_ENTRY_DAMAGED, "the checksum differs");
    return KILN_ENTRY_WHOLE;
}

static kiln_entry_state read_bytes(int fd, kiln_entry *e)
{
    size_t done = 0;
    while (done < e->size) {
        ssize_t got = read(fd, e->bytes + done, e->size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return trouble(e, KILN_ENTRY_UNREADABLE, "cannot be read: %s", strerror(errno));
        if (got == 0)
            return trouble(e, KILN_ENTRY_UNREADABLE, "cut short while it was read");
        done += (size_t)got;
    }
    return KILN_ENTRY_WHOLE;
}

static kiln_entry_state read_file(int fd, kiln_entry *e)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return trouble(e, KILN_ENTRY_UNREADABLE, "cannot be examined: %s", strerror(errno));
    if (!S_ISREG(status.st_mode))
        return trouble(e, KILN_ENTRY_DAMAGED, "not a regular file");
    if (status.st_size > KILN_ENTRY_LARGEST)
        return trouble(e, KILN_ENTRY_DAMAGED, "%jd bytes: an entry has at most %d",
                       (intmax_t)status.st_size, KILN_ENTRY_LARGEST);
    e->size = (size_t)status.st_size;
    e->bytes = malloc(e->size + 1);
    if (e->bytes == NULL)
        return trouble(e, KILN_ENTRY_UNREADABLE, "no memory for its %zu bytes", e->size);
    kiln_entry_state state = read_bytes(fd, e);
    return state == KILN_ENTRY_WHOLE ? parse(e) : state;
}

kiln_entry_state kiln_entry_read(int dir, const char *name, kiln_entry *e)
{
    *e = (kiln_entry){0};
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return KILN_ENTRY_GONE;
    if (fd < 0 && (errno == ELOOP || errno == ENXIO)) /* a link, a socket */
        return trouble(e, KILN_ENTRY_DAMAGED, "not a regular file");
    if (fd < 0)
        return trouble(e, KILN_ENTRY_UNREADABLE, "cannot be opened: %s", strerror(errno));
    kiln_entry_state state = read_file(fd, e);
    close(fd);
    return state;
}

kiln_entry_state kiln_entry_copy(const void *bytes, size_t size, kiln_entry *e)
{
    *e = (kiln_entry){.size = size};
    if (size > KILN_ENTRY_LARGEST)
        return trouble(e, KILN_ENTRY_DAMAGED, "%zu bytes: an entry has at most %d", size,
                       KILN_ENTRY_LARGEST);
    e->bytes = malloc(size + 1);
    if (e->bytes == NULL)
        return trouble(e, KILN_ENTRY_UNREADABLE, "no memory for its %zu bytes", size);
    if (size > 0)
        memcpy(e->bytes, bytes, size);
    return parse(e);
}

/* The parts of an entry; header and trailer are filled in. */
typedef struct {
    unsigned char header[HEADER_SIZE], trailer[TRAILER_SIZE];
    struct iovec of[4];
} parts;

static void make_parts(const void *identity, size_t identity_length, const void *payload,
                       size_t length, parts *p)
{
    memcpy(p->header, magic, sizeof magic);
    store(p->header + 8, 4, FORMAT_VERSION);
    store(p->header + 12, 4, identity_length);
    store(p->trailer, LENGTH_SIZE, length);
    checksum(p->header, identity, identity_length, p->trailer, payload, length,
             p->trailer + LENGTH_SIZE);
    p->of[0] = (struct iovec){p->header, sizeof p->header};
    p->of[1] = (struct iovec){(void *)(uintptr_t)identity, identity_length};
    p->of[2] = (struct iovec){p->trailer, sizeof p->trailer};
    p->of[3] = (struct iovec){(void *)(uintptr_t)payload, length};
}

unsigned char *kiln_entry_bytes(const void *identity, size_t identity_length, const void *payload,
                                size_t length, size_t *size)
{
    parts p;
    make_parts(identity, identity_length, payload, length, &p);
    *size = KILN_ENTRY_OVERHEAD + identity_length + length;
    unsigned char *bytes = malloc(*size), *at = bytes;
    for (size_t i = 0; bytes != NULL && i < 4; i++) {
        if (p.of[i].iov_len > 0)
            memcpy(at, p.of[i].iov_base, p.of[i].iov_len);
        at += p.of[i].iov_len;
    }
    return bytes;
}

bool kiln_entry_write(int dir, const char *name, const void *identity, size_t identity_length,
                      const void *payload, size_t length)
{
    parts p;
    make_parts(identity, identity_length, payload, length, &p);
    return kiln_dir_write(dir, name, p.of, 4);
}
