/* One entry of the disk cache as a file: a payload with the identity it is kept under. */
#ifndef KILN_CACHE_ENTRY_H
#define KILN_CACHE_ENTRY_H

#include "cache_dir.h"

/* What an entry's file has besides identity and payload, and the most it has in all, in bytes. */
enum { KILN_ENTRY_OVERHEAD = 40, KILN_ENTRY_LARGEST = 1 << 30 };

typedef enum kiln_entry_state {
    KILN_ENTRY_WHOLE,
    KILN_ENTRY_DAMAGED,    /* surely: what the file holds is no entry */
    KILN_ENTRY_UNREADABLE, /* no memory, no right to read it: nothing is known of it */
    KILN_ENTRY_GONE
} kiln_entry_state;

typedef struct kiln_entry {
    unsigned char *bytes; /* the file */
    size_t size;
    unsigned char *identity; /* identity and payload lie in bytes */
    size_t identity_length;
    unsigned char *payload;
    size_t payload_length;
    char trouble[128]; /* why it is not whole */
} kiln_entry;

/* The name of the file in which an identity's payload is kept. */
void kiln_entry_name(const void *identity, size_t length, char name[KILN_ENTRY_NAME_SIZE]);

/* Reads and checks an entry, all but whether its name is right. The caller frees entry->bytes,
 * whatever the result. */
kiln_entry_state kiln_entry_read(int dir, const char *name, kiln_entry *e);

/* The same of bytes, which it copies. */
kiln_entry_state kiln_entry_copy(const void *bytes, size_t size, kiln_entry *e);

/* An entry as bytes that the caller frees; NULL for want of memory. */
unsigned char *kiln_entry_bytes(const void *identity, size_t identity_length, const void *payload,
                                size_t length, size_t *size);

/* Writes an entry, whole or not at all (then errno says why). */
bool kiln_entry_write(int dir, const char *name, const void *identity, size_t identity_length,
                      const void *payload, size_t length);

#endif
