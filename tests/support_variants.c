/* On a GPU, what a test asks of the CPUs' variants is asked of the GPU's own; on a CPU, of those of
 * the GPU's that are plain OpenCL C. */
#include "context.h"
#include "registry.h"
#include "support.h"
#include <stdio.h>
#include <string.h>

/* Whether text begins with one of these. */
static bool begins(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strncmp(text, *words, strlen(*words)) == 0)
            return true;
    return false;
}

static const char *const of_cpus[] = {"vector", "skinny", NULL};

static const char *const variant_words[] = {"variant=", NULL};
static const char *const tile_words[] = {"variant=", "tile_size=", NULL};

static const kiln_row *row_of(const char *spec)
{
    char name[60];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(spec, " "), spec);
    return kiln_row_find(name);
}

const char *test_gpu_variant(const char *spec, size_t index)
{
    const kiln_row *row = row_of(spec);
    for (size_t v = 0; row && v < KILN_MAX_VARIANTS && row->variants[v]; v++) {
        const char *variant = row->variants[v]->name;
        if (!begins(variant, of_cpus) && strcmp(variant, "simt") != 0 && index-- == 0)
            return variant;
    }
    return NULL;
}

/* spec in a variant, without the words that begin with one of left_out. */
static bool run_in(const test_case *c, const char *variant, const char *const *left_out,
                   bool (*run)(const test_case *))
{
    char spec[400];
    test_case other = *c;
    size_t length = 0;
    for (const char *word = c->spec; *word;) {
        const size_t there = strcspn(word, " ");
        if (!begins(word, left_out))
            length +=
                (size_t)snprintf(spec + length, sizeof spec - length, "%.*s ", (int)there, word);
        word += there + strspn(word + there, " ");
    }
    ck_assert_uint_lt(length + 30, sizeof spec);
    snprintf(spec + length, sizeof spec - length, "variant=%s", variant);
    other.spec = spec;
    return run(&other);
}

bool test_run_as_on_gpu(const test_case *c)
{
    const kiln_facts facts = test_context->facts;
    test_context->facts.cpu = false;
    test_context->facts.simd_width = 1;
    const bool ran = test_run_alone(c);
    test_context->facts = facts;
    return ran;
}

/* What the CPUs' variant is asked is asked of `wide' as well, which is plain OpenCL C. Products
 * have tests of their own. */
static void run_wide(const test_case *c)
{
    const kiln_row *row = row_of(c->spec);
    const char *variant = NULL;
    /* Of half the specs, as each is a program more. */
    if (!row || strcmp(row->family, "matmul") == 0 ||
        (test_seed(c->spec) >> 32) % (test_quick() ? 4 : 2) != 0)
        return;
    for (size_t v = 0; (variant = test_gpu_variant(c->spec, v)); v++)
        if (strcmp(variant, "wide") == 0)
            run_in(c, variant, variant_words, test_run_as_on_gpu);
}

bool test_run(const test_case *c)
{
    const char *variant = strstr(c->spec, "variant=");
    bool ran = false;
    if (!variant || !begins(variant + strlen("variant="), of_cpus))
        return test_run_alone(c);
    if (test_context->facts.cpu) {
        run_wide(c);
        return test_run_alone(c);
    }
    for (size_t v = 0; (variant = test_gpu_variant(c->spec, v)); v++)
        /* Its tiles may have other edges. */
        ran |= run_in(c, variant, variant_words, test_run_alone) ||
               run_in(c, variant, tile_words, test_run_alone);
    return ran;
}
