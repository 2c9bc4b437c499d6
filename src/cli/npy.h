/* NumPy's .npy files: one array, a header in front of it. Read are format versions 1.0, 2.0 and
 * 3.0, written is 1.0. Arrays are little-endian and in C order; whatever else a header may say is
 * refused with a sentence. */
#ifndef KILN_NPY_H
#define KILN_NPY_H

#include "status.h"
#include <stdio.h>

/* NumPy's own limit was 32, then 64. */
#define NPY_MAX_RANK 64

/* The first bytes of a file, which tell how long its header is, and the longest taken. */
#define NPY_PREFIX     12
#define NPY_MAX_HEADER 65536

typedef struct npy_header {
    char descr[32]; /* the dtype as the file spells it, "<f4" */
    bool fortran_order;
    size_t rank;
    int64_t shape[NPY_MAX_RANK];
    int64_t elements; /* of 8 bytes each, they would not pass 2^63 */
    size_t length;    /* bytes in front of the elements */
} npy_header;

/* The header's bytes, NPY_PREFIX and what it announces, by a file's first bytes. */
bool npy_length(const unsigned char *bytes, size_t count, size_t *length, kiln_text *why);

/* Parses the header that bytes begin with. */
bool npy_parse(const unsigned char *bytes, size_t count, npy_header *header, kiln_text *why);

/* "<f4"; bf16 is kept as its bits, "<u2". */
const char *npy_descr(kiln_dtype dtype);

/* "(3, 4)", as NumPy prints it. */
void npy_print_shape(kiln_text *out, const int64_t *shape, size_t rank);

typedef struct npy_file {
    FILE *stream;
    npy_header header;
} npy_file;

/* In what follows why begins with the path. npy_open reads the header and sees to it that the file
 * holds a C-ordered array of dtype and, if it is a regular one, no byte less or more. To be closed
 * in either case. */
bool npy_open(const char *path, kiln_dtype dtype, npy_file *file, kiln_text *why);
void npy_close(npy_file *file);

/* Reads the elements, `bytes` in all, and sees to it that nothing follows. */
bool npy_read(npy_file *file, const char *path, void *data, size_t bytes, kiln_text *why);

/* Writes a file as a whole or not at all. */
bool npy_write(const char *path, kiln_dtype dtype, const int64_t *shape, size_t rank,
               const void *data, size_t bytes, kiln_text *why);

#endif
