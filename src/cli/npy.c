#include "npy.h"
#include "signature.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* ---- the header's text, a Python dictionary ------------------------------------------------ */

typedef struct {
    const char *at, *end;
    kiln_text *why;
} cursor;

static char peek(const cursor *c)
{
    return c->at < c->end ? *c->at : '\0';
}

static void blanks(cursor *c)
{
    while (c->at < c->end && memchr(" \t\r\n\f", *c->at, 5))
        c->at++;
}

static bool take(cursor *c, char wanted)
{
    blanks(c);
    if (peek(c) != wanted)
        return false;
    c->at++;
    return true;
}

static bool wrong(cursor *c, const char *expected)
{
    if (c->at == c->end)
        kiln_text_addf(c->why, "its header ends where %s should stand", expected);
    else if (isprint((unsigned char)*c->at))
        kiln_text_addf(c->why, "its header has `%c' where %s should stand", *c->at, expected);
    else
        kiln_text_addf(c->why, "its header has the byte 0x%02x where %s should stand",
                       (unsigned)(unsigned char)*c->at, expected);
    return false;
}

/* A string without escapes. Of one too long for out, its beginning. */
static bool take_string(cursor *c, const char *what, char *out, size_t size)
{
    blanks(c);
    char quote = peek(c);
    if (quote != '\'' && quote != '"')
        return wrong(c, what);
    c->at++;
    size_t length = 0;
    while (c->at < c->end && *c->at != quote) {
        if (!isprint((unsigned char)*c->at) || *c->at == '\\')
            return wrong(c, "a printable character");
        if (length + 1 < size)
            out[length++] = *c->at;
        c->at++;
    }
    out[length] = '\0';
    return take(c, quote) || wrong(c, "a closing quote");
}

static bool take_bool(cursor *c, bool *value)
{
    static const char *const words[] = {"False", "True"};
    blanks(c);
    for (int i = 0; i < 2; i++) {
        size_t length = strlen(words[i]), left = (size_t)(c->end - c->at);
        if (left < length || memcmp(c->at, words[i], length) != 0)
            continue;
        c->at += length;
        *value = i == 1;
        return true;
    }
    return wrong(c, "True or False");
}

static bool take_extent(cursor *c, int64_t *extent)
{
    if (!isdigit((unsigned char)peek(c)))
        return wrong(c, "an extent");
    *extent = 0;
    while (isdigit((unsigned char)peek(c))) {
        int digit = *c->at++ - '0';
        if (*extent > (INT64_MAX - digit) / 10) {
            kiln_text_add(c->why, "its header has an extent that passes 2^63");
            return false;
        }
        *extent = *extent * 10 + digit;
    }
    if (peek(c) == 'L') /* as Python 2 wrote it */
        c->at++;
    return true;
}

static bool take_shape(cursor *c, npy_header *header)
{
    if (!take(c, '('))
        return wrong(c, "a shape's `('");
    bool comma = true;
    while (!take(c, ')')) {
        if (!comma)
            return wrong(c, "`,' or `)'");
        if (header->rank == NPY_MAX_RANK) {
            kiln_text_addf(c->why, "its shape has more than %d extents", NPY_MAX_RANK);
            return false;
        }
        if (!take_extent(c, &header->shape[header->rank]))
            return false;
        header->rank++;
        comma = take(c, ',');
    }
    if (header->rank == 1 && !comma) {
        kiln_text_addf(c->why, "its shape is the number (%" PRId64 "), not a tuple",
                       header->shape[0]);
        return false;
    }
    return true;
}

static bool take_descr(cursor *c, npy_header *header)
{
    blanks(c);
    if (peek(c) == '[' || peek(c) == '(') {
        kiln_text_add(c->why, "it holds a structured array");
        return false;
    }
    return take_string(c, "a dtype", header->descr, sizeof header->descr);
}

static bool take_dictionary(cursor *c, npy_header *header)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    bool seen[3] = {false}, comma = true;
    if (!take(c, '{'))
        return wrong(c, "`{'");
    while (!take(c, '}')) {
        char name[32];
        size_t key = 0;
        if (!comma)
            return wrong(c, "`,' or `}'");
        if (!take_string(c, "a key", name, sizeof name))
            return false;
        while (key < 3 && strcmp(keys[key], name) != 0)
            key++;
        if (key == 3 || seen[key]) {
            kiln_text_addf(c->why, "its header has the key `%s'%s", name, key < 3 ? " twice" : "");
            return false;
        }
        seen[key] = true;
        if (!take(c, ':'))
            return wrong(c, "`:'");
        if (!(key == 0   ? take_descr(c, header)
              : key == 1 ? take_bool(c, &header->fortran_order)
                         : take_shape(c, header)))
            return false;
        comma = take(c, ',');
    }
    for (size_t key = 0; key < 3; key++) {
        if (!seen[key]) {
            kiln_text_addf(c->why, "its header lacks the key `%s'", keys[key]);
            return false;
        }
    }
    blanks(c);
    return c->at == c->end || wrong(c, "its end");
}

/* Of elements that take 8 bytes or less, the bytes stay below 2^63. */
static bool count_elements(npy_header *header, kiln_text *why)
{
    header->elements = 1;
    for (size_t i = 0; i < header->rank; i++)
        if (header->shape[i] == 0)
            header->elements = 0;
    for (size_t i = 0; i < header->rank && header->elements > 0; i++) {
        if (header->elements > INT64_MAX / 8 / header->shape[i]) {
            kiln_text_add(why, "its shape ");
            npy_print_shape(why, header->shape, header->rank);
            kiln_text_add(why, " is larger than any file");
            return false;
        }
        header->elements *= header->shape[i];
    }
    return true;
}

/* ---- the header ---------------------------------------------------------------------------- */

static size_t prefix_length(const unsigned char *bytes)
{
    return bytes[6] == 1 ? 10 : NPY_PREFIX;
}

bool npy_length(const unsigned char *bytes, size_t count, size_t *length, kiln_text *why)
{
    static const unsigned char zip[4] = {'P', 'K', 3, 4};
    if (count >= sizeof zip && memcmp(bytes, zip, sizeof zip) == 0) {
        kiln_text_add(why, "it is an archive of arrays (.npz); numpy.save writes a single one");
        return false;
    }
    if (count < NPY_PREFIX && memcmp(bytes, magic, count < 6 ? count : 6) == 0) {
        kiln_text_addf(why, "it ends after %zu bytes, inside the header", count);
        return false;
    }
    if (count < NPY_PREFIX || memcmp(bytes, magic, sizeof magic) != 0) {
        kiln_text_add(why, "it is no .npy file: it does not begin with \\x93NUMPY");
        return false;
    }
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0) {
        kiln_text_addf(why, "its format version is %d.%d; known are 1.0, 2.0 and 3.0", bytes[6],
                       bytes[7]);
        return false;
    }
    uint32_t announced = bytes[8] | (uint32_t)bytes[9] << 8;
    if (bytes[6] > 1)
        announced |= (uint32_t)bytes[10] << 16 | (uint32_t)bytes[11] << 24;
    if (announced > NPY_MAX_HEADER - NPY_PREFIX) {
        kiln_text_addf(why,
                       "it announces a header of %" PRIu32 " bytes, over the %d of a plain "
                       "array's",
                       announced, NPY_MAX_HEADER - NPY_PREFIX);
        return false;
    }
    *length = prefix_length(bytes) + announced;
    return true;
}

bool npy_parse(const unsigned char *bytes, size_t count, npy_header *header, kiln_text *why)
{
    memset(header, 0, sizeof *header);
    if (!npy_length(bytes, count, &header->length, why))
        return false;
    if (count < header->length) {
        kiln_text_addf(why, "it ends after %zu bytes, inside its header of %zu", count,
                       header->length);
        return false;
    }
    cursor c = {(const char *)bytes + prefix_length(bytes), (const char *)bytes + header->length,
                why};
    return take_dictionary(&c, header) && count_elements(header, why);
}

const char *npy_descr(kiln_dtype dtype)
{
    static const char *const descrs[] = {
        [KILN_F32] = "<f4", [KILN_F16] = "<f2", [KILN_BF16] = "<u2", [KILN_I32] = "<i4"};
    return dtype >= KILN_F32 && dtype <= KILN_I32 ? descrs[dtype] : "?";
}

void npy_print_shape(kiln_text *out, const int64_t *shape, size_t rank)
{
    kiln_text_add(out, "(");
    for (size_t i = 0; i < rank; i++)
        kiln_text_addf(out, "%s%" PRId64, i ? ", " : "", shape[i]);
    kiln_text_add(out, rank == 1 ? ",)" : ")");
}

/* ---- reading ------------------------------------------------------------------------------- */

/* As errors of reading are told: "cannot read: Is a directory". */
static bool no_reading(const npy_file *file, kiln_text *why, const char *otherwise)
{
    if (ferror(file->stream))
        kiln_text_addf(why, "cannot be read: %s", strerror(errno));
    else
        kiln_text_add(why, otherwise);
    return false;
}

static bool read_header(npy_file *file, kiln_text *why)
{
    unsigned char *bytes = malloc(NPY_MAX_HEADER);
    if (!bytes) {
        kiln_text_add(why, "out of memory");
        return false;
    }
    size_t length, count = fread(bytes, 1, NPY_PREFIX, file->stream);
    bool good =
        !ferror(file->stream) ? npy_length(bytes, count, &length, why) : no_reading(file, why, "");
    if (good) {
        count += length > count ? fread(bytes + count, 1, length - count, file->stream) : 0;
        good = ferror(file->stream) ? no_reading(file, why, "")
                                    : npy_parse(bytes, count, &file->header, why);
    }
    free(bytes);
    return good;
}

/* What may be done about a dtype that is not the one wanted. */
static const char *dtype_advice(const char *found, kiln_dtype dtype)
{
    const char *wanted = npy_descr(dtype);
    if (found[0] == '>' && strcmp(found + 1, wanted + 1) == 0)
        return ", little-endian";
    if (dtype == KILN_BF16)
        return ", its bits as uint16";
    return "";
}

static bool check_header(const npy_header *header, kiln_dtype dtype, kiln_text *why)
{
    const char *wanted = npy_descr(dtype);
    if (strcmp(header->descr, wanted) != 0) {
        kiln_text_addf(why, "its dtype is '%s', not '%s' (%s%s)", header->descr, wanted,
                       kiln_dtype_name(dtype), dtype_advice(header->descr, dtype));
        return false;
    }
    if (header->fortran_order) {
        kiln_text_add(why, "it is in Fortran order; numpy.ascontiguousarray makes it C order");
        return false;
    }
    return true;
}

static bool check_size(const npy_file *file, kiln_dtype dtype, kiln_text *why)
{
    struct stat status;
    if (fstat(fileno(file->stream), &status) != 0 || !S_ISREG(status.st_mode))
        return true;
    int64_t data = file->header.elements * (int64_t)kiln_dtype_size(dtype);
    int64_t there = (int64_t)status.st_size - (int64_t)file->header.length;
    if (there == data)
        return true;
    kiln_text_add(why, "its shape ");
    npy_print_shape(why, file->header.shape, file->header.rank);
    kiln_text_addf(why, " is %" PRId64 " bytes of %s, but %" PRId64 " follow the header", data,
                   kiln_dtype_name(dtype), there);
    return false;
}

/* Puts the path in front of a sentence. */
static bool blame(const char *path, kiln_text *reason, kiln_text *why)
{
    kiln_text_addf(why, "%s: %s", path, reason->data ? reason->data : "out of memory");
    kiln_text_free(reason);
    return false;
}

bool npy_open(const char *path, kiln_dtype dtype, npy_file *file, kiln_text *why)
{
    kiln_text reason = {0};
    memset(file, 0, sizeof *file);
    file->stream = fopen(path, "rb");
    if (!file->stream) {
        kiln_text_addf(&reason, "cannot be opened: %s", strerror(errno));
        return blame(path, &reason, why);
    }
    if (read_header(file, &reason) && check_header(&file->header, dtype, &reason) &&
        check_size(file, dtype, &reason))
        return true;
    return blame(path, &reason, why);
}

void npy_close(npy_file *file)
{
    if (file->stream)
        fclose(file->stream);
    file->stream = NULL;
}

bool npy_read(npy_file *file, const char *path, void *data, size_t bytes, kiln_text *why)
{
    kiln_text reason = {0};
    size_t count = bytes > 0 ? fread(data, 1, bytes, file->stream) : 0;
    if (count < bytes)
        no_reading(file, &reason, "it ends inside its elements");
    else if (fgetc(file->stream) != EOF)
        kiln_text_add(&reason, "more bytes follow its elements");
    else if (!ferror(file->stream))
        return true;
    else
        no_reading(file, &reason, "");
    return blame(path, &reason, why);
}

/* ---- writing ------------------------------------------------------------------------------- */

/* A multiple of 64 bytes, as NumPy makes it, so that elements can be mapped. */
static char *make_header(kiln_dtype dtype, const int64_t *shape, size_t rank, size_t *length)
{
    kiln_text text = {0};
    kiln_text_add_bytes(&text, magic, sizeof magic);
    kiln_text_add_bytes(&text, "\1\0\0\0", 4);
    kiln_text_addf(&text, "{'descr': '%s', 'fortran_order': False, 'shape': ", npy_descr(dtype));
    npy_print_shape(&text, shape, rank);
    kiln_text_add(&text, ", }");
    while (!text.failed && (text.length + 1) % 64 != 0)
        kiln_text_add(&text, " ");
    kiln_text_add(&text, "\n");
    *length = text.length;
    char *header = kiln_text_take(&text);
    if (header) {
        header[8] = (char)((*length - 10) & 0xff);
        header[9] = (char)((*length - 10) >> 8);
    }
    return header;
}

/* A new file beside path, whose name is in *name; NULL with the reason in errno. */
static FILE *create_beside(const char *path, char **name)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        kiln_text text = {0};
        kiln_text_addf(&text, "%s.%ld.%d.part", path, (long)getpid(), attempt);
        *name = kiln_text_take(&text);
        if (!*name) {
            errno = ENOMEM;
            return NULL;
        }
        FILE *stream = fopen(*name, "wbx");
        if (stream || errno != EEXIST)
            return stream;
        free(*name);
        *name = NULL;
    }
    return NULL;
}

bool npy_write(const char *path, kiln_dtype dtype, const int64_t *shape, size_t rank,
               const void *data, size_t bytes, kiln_text *why)
{
    char *name = NULL;
    size_t length = 0;
    int error = 0;
    char *header = make_header(dtype, shape, rank, &length);
    FILE *stream = header ? create_beside(path, &name) : NULL;
    if (!stream)
        error = header ? errno : ENOMEM;
    if (stream && (fwrite(header, 1, length, stream) != length ||
                   fwrite(data, 1, bytes, stream) != bytes || fflush(stream) != 0))
        error = errno;
    if (stream && fclose(stream) != 0 && error == 0)
        error = errno;
    if (error == 0 && rename(name, path) != 0)
        error = errno;
    if (error != 0) {
        if (stream)
            unlink(name);
        kiln_text_addf(why, "cannot write %s: %s", path, strerror(error));
    }
    free(name);
    free(header);
    return error == 0;
}
