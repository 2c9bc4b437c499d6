#include "facts.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset;
    const char *formula_name;
} fields[] = {
    {"compute_units", offsetof(kiln_facts, compute_units), "COMPUTE_UNITS"},
    {"local_mem", offsetof(kiln_facts, local_mem), "LOCAL_MEM"},
    {"max_workgroup", offsetof(kiln_facts, max_workgroup), "MAX_WORKGROUP"},
    {"simd_width", offsetof(kiln_facts, simd_width), "SIMD"},
    {"sm", offsetof(kiln_facts, sm), "SM"},
    {"sm_a", offsetof(kiln_facts, sm_a), "SM_A"},
    {"static_local", offsetof(kiln_facts, static_local), "STATIC_LOCAL"},
};

#define NUM_FIELDS (sizeof fields / sizeof *fields)

static int64_t *field_at(kiln_facts *facts, size_t i)
{
    return (int64_t *)(void *)((char *)facts + fields[i].offset);
}

static const char *field_name(void *user, size_t i)
{
    (void)user;
    return i < NUM_FIELDS        ? fields[i].name
           : i == NUM_FIELDS     ? "cpu"
           : i == NUM_FIELDS + 1 ? "gpu"
                                 : NULL;
}

static kiln_status unknown_fact(const char *word)
{
    kiln_text message = {0};
    kiln_text_addf(&message, "device facts: unknown fact `%s'", word);
    kiln_suggest(&message, word, field_name, NULL);
    return kiln_fail_text(KILN_INVALID_ARGUMENT, &message);
}

static kiln_status set_fact(kiln_facts *facts, char *word)
{
    if (strcmp(word, "cpu") == 0) {
        *facts = (kiln_facts){true, 2, 1 << 20, 4096, 16, 0, 0, 1 << 20};
        return KILN_OK;
    }
    if (strcmp(word, "gpu") == 0) {
        *facts = (kiln_facts){false, 64, 48 << 10, 1024, 1, 0, 0, 48 << 10};
        return KILN_OK;
    }
    char *equals = strchr(word, '=');
    if (!equals)
        return unknown_fact(word);
    *equals = '\0';
    for (size_t i = 0; i < NUM_FIELDS; i++) {
        if (strcmp(word, fields[i].name) != 0)
            continue;
        char *end;
        errno = 0;
        long long value = strtoll(equals + 1, &end, 10);
        if (!isdigit((unsigned char)equals[1]) || *end || errno || value < 1 ||
            value > INT64_MAX / 64)
            return kiln_fail(KILN_INVALID_ARGUMENT,
                             "device facts: %s=%s: must be an integer of 1 "
                             "or more",
                             word, equals + 1);
        if (field_at(facts, i) == &facts->simd_width && value != 1 && value != 4 && value != 8 &&
            value != 16)
            return kiln_fail(KILN_INVALID_ARGUMENT,
                             "device facts: simd_width=%s: must be 1, 4, 8 or 16", equals + 1);
        *field_at(facts, i) = value;
        return KILN_OK;
    }
    return unknown_fact(word);
}

kiln_status kiln_facts_parse(const char *text, kiln_facts *facts)
{
    char base[] = "gpu";
    kiln_status status = set_fact(facts, base);
    char *copy = kiln_strdup(text ? text : "");
    if (!copy)
        return kiln_fail_memory();
    for (char *word = copy; status == KILN_OK && *word;) {
        char *comma = strchr(word, ',');
        if (comma)
            *comma = '\0';
        /* A base sets every fact, so it would undo those before it. */
        if (word != copy && (strcmp(word, "cpu") == 0 || strcmp(word, "gpu") == 0))
            status = kiln_fail(KILN_INVALID_ARGUMENT, "device facts: `%s' must come first", word);
        else
            status = set_fact(facts, word);
        word = comma ? comma + 1 : word + strlen(word);
        if (!comma)
            break;
    }
    /* More than local memory may be declared only where a driver was found to take it. */
    if (facts->sm == 0)
        facts->static_local = facts->local_mem;
    free(copy);
    return status;
}

kiln_status kiln_facts_bind(const kiln_facts *facts, kiln_env *env)
{
    kiln_facts copy = *facts;
    kiln_status status = kiln_env_int(env, "CPU", facts->cpu);
    for (size_t i = 0; i < NUM_FIELDS && status == KILN_OK; i++)
        status = kiln_env_int(env, fields[i].formula_name, *field_at(&copy, i));
    return status;
}
