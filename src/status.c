/* The last error of each thread, growing text, and the names nearest to a misspelt one. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef KILN_VERSION
#ifdef PACKAGE_VERSION
#define KILN_VERSION PACKAGE_VERSION
#else
#define KILN_VERSION "0.0.0"
#endif
#endif

const char *kiln_version(void)
{
    return KILN_VERSION;
}

void kiln_free(void *memory)
{
    free(memory);
}

const char *kiln_status_name(kiln_status status)
{
    switch (status) {
    case KILN_OK:
        return "KILN_OK";
    case KILN_INVALID_ARGUMENT:
        return "KILN_INVALID_ARGUMENT";
    case KILN_INVALID_SPEC:
        return "KILN_INVALID_SPEC";
    case KILN_UNSUPPORTED:
        return "KILN_UNSUPPORTED";
    case KILN_INVALID_LAUNCH:
        return "KILN_INVALID_LAUNCH";
    case KILN_NO_DEVICE:
        return "KILN_NO_DEVICE";
    case KILN_BUILD_FAILED:
        return "KILN_BUILD_FAILED";
    case KILN_TEMPLATE_ERROR:
        return "KILN_TEMPLATE_ERROR";
    case KILN_CACHE_MISS:
        return "KILN_CACHE_MISS";
    case KILN_OPENCL_ERROR:
        return "KILN_OPENCL_ERROR";
    case KILN_OUT_OF_MEMORY:
        return "KILN_OUT_OF_MEMORY";
    }
    return "unknown status";
}

/* ---- the last error ---------------------------------------------------------------------- */

/* A compiler's log is long, so a message lives on the heap; the short buffer is for when there is
 * no memory to be had. A key frees the heap's part when its thread ends, and a handler when the
 * process exits or the library is unloaded, which run no key's destructor in the last thread. */
typedef struct last_message {
    char *heap;
    char brief[256];
} last_message;

static _Thread_local last_message last;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static atomic_bool key_usable;

static void forget(void *value)
{
    last_message *gone = value;
    free(gone->heap);
    gone->heap = NULL;
}

static void drop_key(void)
{
    if (atomic_exchange(&key_usable, false))
        pthread_key_delete(key);
    forget(&last);
}

static void make_key(void)
{
    if (pthread_key_create(&key, forget) != 0)
        return;
    if (atexit(drop_key) != 0)
        pthread_key_delete(key);
    else
        atomic_store(&key_usable, true);
}

static bool freed_at_thread_end(void)
{
    pthread_once(&key_once, make_key);
    return atomic_load(&key_usable) && pthread_setspecific(key, &last) == 0;
}

static void keep_brief(const char *format, va_list args)
{
    char sentence[sizeof last.brief]; /* args may lie in last.brief */
    if (vsnprintf(sentence, sizeof sentence, format, args) < 0)
        snprintf(sentence, sizeof sentence, "%s", format);
    memcpy(last.brief, sentence, sizeof sentence);
    forget(&last);
}

static void add_formatted(kiln_text *text, const char *format, va_list args);

kiln_status kiln_fail(kiln_status status, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    kiln_text text = {0};
    add_formatted(&text, format, args);
    char *sentence = kiln_text_take(&text);
    if (sentence != NULL && freed_at_thread_end()) {
        free(last.heap);
        last.heap = sentence;
    } else {
        keep_brief(format, again);
        free(sentence);
    }
    va_end(again);
    va_end(args);
    return status;
}

kiln_status kiln_fail_memory(void)
{
    return kiln_fail(KILN_OUT_OF_MEMORY, "out of memory");
}

const char *kiln_last_error(void)
{
    return last.heap != NULL ? last.heap : last.brief;
}

/* ---- growing text ------------------------------------------------------------------------ */

/* Makes room for length more bytes and the NUL. */
static bool reserve(kiln_text *text, size_t length)
{
    if (text->failed)
        return false;
    if (length < text->capacity - text->length)
        return true;
    text->failed = true;
    if (length >= SIZE_MAX - text->length)
        return false;
    size_t capacity = text->length + length + 1;
    if (capacity < 2 * text->capacity)
        capacity = 2 * text->capacity;
    char *data = realloc(text->data, capacity);
    if (data == NULL)
        return false;
    text->data = data;
    text->capacity = capacity;
    text->failed = false;
    return true;
}

void kiln_text_add_bytes(kiln_text *text, const void *bytes, size_t length)
{
    if (!reserve(text, length))
        return;
    if (length > 0)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void kiln_text_add(kiln_text *text, const char *string)
{
    kiln_text_add_bytes(text, string, strlen(string));
}

static void add_formatted(kiln_text *text, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length < 0)
        text->failed = true;
    else if (reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

void kiln_text_addf(kiln_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_formatted(text, format, args);
    va_end(args);
}

void kiln_text_free(kiln_text *text)
{
    free(text->data);
    *text = (kiln_text){0};
}

char *kiln_text_take(kiln_text *text)
{
    kiln_text_add_bytes(text, "", 0); /* an empty text has no string yet */
    char *data = text->data;
    if (text->failed) {
        free(data);
        data = NULL;
    }
    *text = (kiln_text){0};
    return data;
}

kiln_status kiln_fail_text(kiln_status status, kiln_text *sentence)
{
    status = sentence->failed
                 ? kiln_fail_memory()
                 : kiln_fail(status, "%s", sentence->data != NULL ? sentence->data : "");
    kiln_text_free(sentence);
    return status;
}

char *kiln_strndup(const char *string, size_t length)
{
    kiln_text text = {0};
    kiln_text_add_bytes(&text, string, strnlen(string, length));
    return kiln_text_take(&text);
}

char *kiln_strdup(const char *string)
{
    return kiln_strndup(string, SIZE_MAX);
}

/* ---- suggestions ------------------------------------------------------------------------- */

/* Nothing in kiln has a longer name; a longer word resembles none. */
enum { LONGEST_NAME = 64, MOST_SUGGESTIONS = 3 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t common_prefix(const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] != '\0' && lower(a[i]) == lower(b[i]))
        i++;
    return i;
}

/* Damerau-Levenshtein distance, in its form of optimal string alignment: insertions, deletions,
 * replacements and swaps of neighbours. Neither word is longer than LONGEST_NAME. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][LONGEST_NAME + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            char p = lower(a[i - 1]), q = lower(b[j - 1]);
            row[j] = least(above[j - 1] + (p != q), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && p == lower(b[j - 2]) && lower(a[i - 2]) == q)
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

/* Whether name may have been meant by wrong, and how far they are apart. Words of which nothing is
 * left (`x' and `n') are not near, however short. */
static bool is_near(const char *wrong, const char *name, size_t *distance)
{
    size_t length = strlen(wrong), name_length = strlen(name);
    if (length > LONGEST_NAME || name_length > LONGEST_NAME)
        return false;
    *distance = edit_distance(wrong, length, name, name_length);
    size_t common = common_prefix(wrong, name);
    if (common > 0 && (common == length || (common == name_length && common > 1)))
        return true;
    size_t limit = length / 3 > 2 ? length / 3 : 2;
    return *distance <= limit && *distance < least(length, name_length);
}

void kiln_suggest(kiln_text *text, const char *wrong, const char *(*name)(void *user, size_t i),
                  void *user)
{
    struct {
        const char *name;
        size_t distance;
    } nearest[MOST_SUGGESTIONS + 1];
    size_t count = 0;
    const char *candidate;
    for (size_t i = 0; (candidate = name(user, i)) != NULL; i++) {
        size_t distance;
        if (!is_near(wrong, candidate, &distance))
            continue;
        size_t place = count;
        for (; place > 0 && nearest[place - 1].distance > distance; place--)
            nearest[place] = nearest[place - 1];
        nearest[place].name = candidate;
        nearest[place].distance = distance;
        count = least(count + 1, MOST_SUGGESTIONS);
    }
    for (size_t i = 0; i < count; i++) {
        const char *before = i == 0 ? ", did you mean " : i + 1 < count ? ", " : " or ";
        kiln_text_addf(text, "%s`%s'%s", before, nearest[i].name, i + 1 == count ? "?" : "");
    }
}

void *kiln_grow(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    size_t more = *capacity ? 2 * *capacity : 8;
    void *grown = realloc(array, more * size);
    if (grown)
        *capacity = more;
    return grown;
}

double kiln_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

bool kiln_listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    while (*list && length > 0) {
        size_t word = strcspn(list, "|");
        if (word == length && strncmp(list, name, length) == 0)
            return true;
        list += word + (list[word] == '|');
    }
    return false;
}
