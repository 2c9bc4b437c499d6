/* Memory of any size that tells which parts of it were touched. Nothing is behind an address until
 * it is read or written: that faults, the place is noted, and a page of zeros is put there. */
#ifndef KILN_SPARSE_H
#define KILN_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is noted at once. */
#define SPARSE_CHUNK 65536

/* Room on both sides, so that an index that lost its upper bits, of either sign, still lies in it:
 * 2^31 elements of 4 bytes in front, 2^32 from the start on. */
#define SPARSE_FRONT (INT64_C(12) << 30)
#define SPARSE_BACK  (INT64_C(20) << 30)

typedef struct sparse {
    unsigned char *region;  /* where the room in front starts */
    unsigned char *memory;  /* the bytes asked for */
    size_t bytes, length;   /* of memory, of the whole region */
    unsigned char *touched; /* a flag for each chunk of the region */
    size_t num_chunks;
} sparse;

/* NULL if the system has no such room of addresses. */
sparse *sparse_make(size_t bytes);

/* Gives back everything that was made. */
void sparse_drop_all(void);

/* Makes the first bytes ordinary memory, which notes nothing. */
void sparse_open(sparse *s, size_t bytes);

/* The next chunk at or behind *chunk that was touched, as bytes from memory's start (below 0: in
 * front of it). False if there is none. */
bool sparse_next(const sparse *s, size_t *chunk, int64_t *offset);

#endif
