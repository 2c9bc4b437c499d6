/* Scopes of names and values (expr.h). */
#include "expr.h"
#include <stdlib.h>
#include <string.h>

struct kiln_binding {
    char *name;
    kiln_value value;
};

struct kiln_env_string {
    struct kiln_env_string *next;
    char text[];
};

void kiln_env_init(kiln_env *env, const kiln_env *parent)
{
    memset(env, 0, sizeof *env);
    env->parent = parent;
}

void kiln_env_free(kiln_env *env)
{
    for (size_t i = 0; i < env->count; i++)
        free(env->bindings[i].name);
    free(env->bindings);
    while (env->strings) {
        struct kiln_env_string *next = env->strings->next;
        free(env->strings);
        env->strings = next;
    }
    kiln_env_init(env, NULL);
}

const char *kiln_env_name(const kiln_env *env, size_t i)
{
    return i < env->count ? env->bindings[i].name : NULL;
}

const char *kiln_env_keep(kiln_env *env, const char *text)
{
    size_t length = strlen(text) + 1;
    struct kiln_env_string *string = malloc(sizeof *string + length);
    if (!string)
        return NULL;
    memcpy(string->text, text, length);
    string->next = env->strings;
    env->strings = string;
    return string->text;
}

static struct kiln_binding *find_here(const kiln_env *env, const char *name)
{
    for (size_t i = 0; i < env->count; i++)
        if (strcmp(env->bindings[i].name, name) == 0)
            return &env->bindings[i];
    return NULL;
}

const kiln_value *kiln_env_find(const kiln_env *env, const char *name)
{
    for (; env; env = env->parent) {
        const struct kiln_binding *binding = find_here(env, name);
        if (binding)
            return &binding->value;
    }
    return NULL;
}

kiln_status kiln_env_set(kiln_env *env, const char *name, kiln_value value)
{
    if (value.kind == KILN_STRING || value.kind == KILN_SYMBOL) {
        value.text = kiln_env_keep(env, value.text);
        if (!value.text)
            return kiln_fail_memory();
    }
    struct kiln_binding *binding = find_here(env, name);
    if (binding) {
        binding->value = value;
        return KILN_OK;
    }
    if (env->count == env->capacity) {
        size_t capacity = env->capacity ? 2 * env->capacity : 16;
        struct kiln_binding *grown = realloc(env->bindings, capacity * sizeof *grown);
        if (!grown)
            return kiln_fail_memory();
        env->bindings = grown;
        env->capacity = capacity;
    }
    char *copy = kiln_strdup(name);
    if (!copy)
        return kiln_fail_memory();
    env->bindings[env->count].name = copy;
    env->bindings[env->count].value = value;
    env->count++;
    return KILN_OK;
}

kiln_status kiln_env_int(kiln_env *env, const char *name, int64_t value)
{
    return kiln_env_set(env, name, (kiln_value){.kind = KILN_INT, .integer = value});
}

kiln_status kiln_env_real(kiln_env *env, const char *name, double value)
{
    return kiln_env_set(env, name, (kiln_value){.kind = KILN_REAL, .real = value});
}

kiln_status kiln_env_string(kiln_env *env, const char *name, const char *text)
{
    return kiln_env_set(env, name, (kiln_value){.kind = KILN_STRING, .text = text});
}

kiln_status kiln_env_symbol(kiln_env *env, const char *name, const char *text)
{
    return kiln_env_set(env, name, (kiln_value){.kind = KILN_SYMBOL, .text = text});
}
