/* Errors and text, used by every layer: a status with a sentence, and a growing string. */
#ifndef KILN_STATUS_H
#define KILN_STATUS_H

#include "kiln.h"
#include <stdarg.h>
#include <stdbool.h>

#if defined(__GNUC__)
#define KILN_PRINTF(string, first) __attribute__((format(printf, string, first)))
#else
#define KILN_PRINTF(string, first)
#endif

/* Makes the sentence the calling thread's last error and returns status. Nothing is lost if the
 * sentence's own parts come from kiln_last_error(). */
kiln_status kiln_fail(kiln_status status, const char *format, ...) KILN_PRINTF(2, 3);

/* KILN_OUT_OF_MEMORY with its sentence. */
kiln_status kiln_fail_memory(void);

/* A growing string. Starts as {0}; data is NULL or NUL-terminated. After a failed allocation the
 * text stays as it was, `failed` is set and later additions do nothing: test once, at the end. */
typedef struct kiln_text {
    char *data;
    size_t length;
    size_t capacity;
    bool failed;
} kiln_text;

/* What is added may not lie in text->data. */
void kiln_text_add(kiln_text *text, const char *string);
void kiln_text_add_bytes(kiln_text *text, const void *bytes, size_t length);
void kiln_text_addf(kiln_text *text, const char *format, ...) KILN_PRINTF(2, 3);
void kiln_text_free(kiln_text *text);

/* Hands the string over ("" if nothing was added); NULL after a failed allocation, with the text
 * freed in either case. */
char *kiln_text_take(kiln_text *text);

/* A copy, NULL when memory ran out. */
char *kiln_strdup(const char *string);
char *kiln_strndup(const char *string, size_t length);

/* kiln_fail with the text as its sentence, which it frees; KILN_OUT_OF_MEMORY if an addition to it
 * failed. */
kiln_status kiln_fail_text(kiln_status status, kiln_text *sentence);

/* An array that grows by doubling, with room for one more element; NULL when memory ran out, with
 * the array as it was. */
void *kiln_grow(void *array, size_t count, size_t *capacity, size_t size);

/* Of a clock that only goes forward. */
double kiln_seconds(void);

/* Whether list, names separated by |, has name; "" is in none. */
bool kiln_listed(const char *list, const char *name);

/* Up to three names nearest to a misspelt one (edit distance, or one is the beginning of the
 * other; case aside), as ", did you mean `a', `b' or `c'?"; nothing if none is near. name(user, i)
 * gives the i-th name, NULL past the end. */
void kiln_suggest(kiln_text *text, const char *wrong, const char *(*name)(void *user, size_t i),
                  void *user);

#endif
