/* kiln cache: what the disk cache holds. */
#include "cache.h"
#include "cli.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *mode_name(kiln_cache_mode mode)
{
    static const char *const names[] = {[KILN_CACHE_DEFAULT] = "default",
                                        [KILN_CACHE_ON] = "on",
                                        [KILN_CACHE_OFF] = "off",
                                        [KILN_CACHE_READONLY] = "readonly",
                                        [KILN_CACHE_REQUIRE] = "require"};
    return names[mode];
}

static const char *mode_about(kiln_cache_mode mode)
{
    static const char *const about[] = {[KILN_CACHE_DEFAULT] = "",
                                        [KILN_CACHE_ON] = "read and written",
                                        [KILN_CACHE_OFF] = "neither read nor written",
                                        [KILN_CACHE_READONLY] = "read, never written",
                                        [KILN_CACHE_REQUIRE] =
                                            "read, and what is not there is not compiled"};
    return about[mode];
}

static int fail(void)
{
    cli_error("%s", kiln_last_error());
    return CLI_FAILED;
}

static const char *dir_of(const kiln_cache *cache)
{
    const char *dir = kiln_cache_dir(cache);
    return dir ? dir : "none";
}

/* ---- stats ------------------------------------------------------------------------------- */

typedef struct {
    uint64_t entries, damaged, bytes;
    int64_t oldest, newest;
} totals;

static bool add_up(void *user, const kiln_cache_entry *entry)
{
    totals *t = user;
    if (t->entries == 0 || entry->used < t->oldest)
        t->oldest = entry->used;
    if (t->entries == 0 || entry->used > t->newest)
        t->newest = entry->used;
    t->entries++;
    t->damaged += entry->damage != NULL;
    t->bytes += entry->bytes;
    return true;
}

static int stats(const cli_options *options, kiln_cache *cache)
{
    totals t = {0};
    if (kiln_cache_visit(cache, add_up, &t) < 0)
        return fail();
    kiln_cache_mode mode = kiln_cache_get_mode(cache);
    const char *dir = kiln_cache_dir(cache);
    if (options->json) {
        cli_print_json(json_pack("{s:o, s:s, s:I, s:I, s:I, s:I}", "directory",
                                 dir ? cli_json_text(dir) : json_null(), "mode", mode_name(mode),
                                 "entries", (json_int_t)t.entries, "damaged", (json_int_t)t.damaged,
                                 "bytes", (json_int_t)t.bytes, "max_bytes",
                                 (json_int_t)kiln_cache_max_bytes(cache)));
        return CLI_DONE;
    }
    printf("directory  %s\n", dir_of(cache));
    printf("mode       %s: %s\n", mode_name(mode), mode_about(mode));
    if (mode == KILN_CACHE_OFF)
        return CLI_DONE;
    printf("entries    %" PRIu64, t.entries);
    if (t.damaged > 0)
        printf(", of which %" PRIu64 " damaged (`kiln cache verify --repair' removes them)",
               t.damaged);
    printf("\nsize       %s of at most %s\n", cli_bytes((double)t.bytes).text,
           cli_bytes((double)kiln_cache_max_bytes(cache)).text);
    if (t.entries > 0)
        printf("last use   from %s to %s\n", cli_age(t.oldest).text, cli_age(t.newest).text);
    return CLI_DONE;
}

/* ---- list -------------------------------------------------------------------------------- */

/* What stands behind start in the text's lines, up to the line's end; the caller frees it. */
static char *line_of(const char *text, const char *start)
{
    size_t length = strlen(start);
    while (text && *text) {
        if (strncmp(text, start, length) == 0)
            return cli_need(kiln_strndup(text + length, strcspn(text + length, "\n")));
        text = strchr(text, '\n');
        text += text != NULL;
    }
    return NULL;
}

typedef struct {
    char *kernel, *device, *spec; /* NULL: not told */
} contents;

static contents read_contents(const kiln_cache_entry *entry)
{
    contents c = {NULL, NULL, NULL};
    if (entry->identity) {
        c.kernel = line_of(entry->identity, "entry: ");
        c.device = line_of(entry->identity, "device: ");
        c.spec = line_of(entry->identity, " * spec     "); /* kernels.cl.in's banner */
    }
    return c;
}

static void forget(contents *c)
{
    free(c->kernel);
    free(c->device);
    free(c->spec);
}

static json_t *text_or_null(const char *text)
{
    return text ? cli_json_text(text) : json_null();
}

static bool add_json(void *user, const kiln_cache_entry *entry)
{
    contents c = read_contents(entry);
    json_array_append_new(
        user, json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "file", entry->file, "bytes",
                        (json_int_t)entry->bytes, "used", (json_int_t)entry->used, "kernel",
                        text_or_null(c.kernel), "spec", text_or_null(c.spec), "device",
                        text_or_null(c.device), "damage", text_or_null(entry->damage)));
    forget(&c);
    return true;
}

static bool add_row(void *user, const kiln_cache_entry *entry)
{
    contents c = read_contents(entry);
    cli_short bytes = cli_bytes((double)entry->bytes), age = cli_age(entry->used);
    kiln_text damage = {0};
    if (entry->damage)
        kiln_text_addf(&damage, "damaged: %s", entry->damage);
    const char *what = c.spec ? c.spec : c.kernel ? c.kernel : damage.data ? damage.data : "?";
    const char *cells[] = {bytes.text, age.text, what, c.device ? c.device : "-", entry->file};
    cli_table_add(user, cells);
    kiln_text_free(&damage);
    forget(&c);
    return true;
}

static int list(const cli_options *options, kiln_cache *cache)
{
    if (options->json) {
        json_t *all = json_array();
        if (kiln_cache_visit(cache, add_json, all) < 0) {
            json_decref(all);
            return fail();
        }
        cli_print_json(all);
        return CLI_DONE;
    }
    static const char *const titles[] = {">SIZE", ">USED", "KERNEL", "DEVICE", "FILE", NULL};
    cli_table table;
    cli_table_start(&table, titles);
    int64_t count = kiln_cache_visit(cache, add_row, &table);
    if (count < 0)
        return fail();
    if (count > 0)
        cli_table_end(&table);
    printf("%s%s in %s\n", count > 0 ? "\n" : "",
           cli_plural((uint64_t)count, "entry", "entries").text, dir_of(cache));
    return CLI_DONE;
}

/* ---- verify ------------------------------------------------------------------------------ */

typedef struct {
    totals totals;
    json_t *damaged;
} verification;

static bool check(void *user, const kiln_cache_entry *entry)
{
    verification *v = user;
    if (entry->damage)
        json_array_append_new(v->damaged, json_pack("{s:s, s:o}", "file", entry->file, "damage",
                                                    cli_json_text(entry->damage)));
    return add_up(&v->totals, entry);
}

static void print_verification(const verification *v, const kiln_cache *cache, int64_t removed)
{
    for (size_t i = 0; i < json_array_size(v->damaged); i++) {
        json_t *one = json_array_get(v->damaged, i);
        printf("%s: %s\n", json_string_value(json_object_get(one, "file")),
               json_string_value(json_object_get(one, "damage")));
    }
    printf("%s in %s, ", cli_plural(v->totals.entries, "entry", "entries").text, dir_of(cache));
    if (v->totals.damaged == 0)
        printf("all whole\n");
    else if (removed >= 0)
        printf("%" PRIu64 " damaged, %" PRId64 " removed\n", v->totals.damaged, removed);
    else
        printf("%" PRIu64 " damaged\n", v->totals.damaged);
}

static int verify(const cli_options *options, kiln_cache *cache)
{
    bool repair = options->given & CLI_REPAIR;
    verification v = {.damaged = json_array()};
    int64_t removed = -1;
    bool failed = kiln_cache_visit(cache, check, &v) < 0;
    if (!failed && repair)
        failed = (removed = kiln_cache_clear(cache, true)) < 0;
    if (failed) {
        json_decref(v.damaged);
        return fail();
    }
    bool bad = v.totals.damaged > 0 && !repair;
    if (options->json) {
        cli_print_json(json_pack("{s:s, s:I, s:o, s:I}", "directory", dir_of(cache), "entries",
                                 (json_int_t)v.totals.entries, "damaged", v.damaged, "removed",
                                 (json_int_t)(removed > 0 ? removed : 0)));
    } else {
        print_verification(&v, cache, removed);
        json_decref(v.damaged);
    }
    if (bad)
        cli_error("%s; `kiln cache verify --repair' removes what is damaged",
                  cli_plural(v.totals.damaged, "entry is damaged", "entries are damaged").text);
    return bad ? CLI_FAILED : CLI_DONE;
}

static int clear(const cli_options *options, kiln_cache *cache)
{
    (void)options;
    int64_t removed = kiln_cache_clear(cache, false);
    if (removed < 0)
        return fail();
    printf("removed %s from %s\n", cli_plural((uint64_t)removed, "file", "files").text,
           dir_of(cache));
    return CLI_DONE;
}

/* ------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    unsigned options;
    int (*run)(const cli_options *options, kiln_cache *cache);
} actions[] = {{"stats", CLI_JSON, stats},
               {"list", CLI_JSON, list},
               {"verify", CLI_JSON | CLI_REPAIR, verify},
               {"clear", 0, clear}};

#define NUM_ACTIONS (sizeof actions / sizeof *actions)

static const char *action_name(void *user, size_t index)
{
    (void)user;
    return index < NUM_ACTIONS ? actions[index].name : NULL;
}

static int run(const cli_options *options)
{
    if (options->num_words == 0) {
        cli_error("cache needs one of stats, list, verify and clear");
        return CLI_REFUSED;
    }
    const char *name = options->words[0];
    size_t a = 0;
    while (a < NUM_ACTIONS && strcmp(actions[a].name, name) != 0)
        a++;
    if (a == NUM_ACTIONS) {
        kiln_text hint = {0};
        kiln_suggest(&hint, name, action_name, NULL);
        cli_error("cache: `%s' is none of stats, list, verify and clear%s", name,
                  hint.data ? hint.data : "");
        kiln_text_free(&hint);
        return CLI_REFUSED;
    }
    if (options->num_words > 1) {
        cli_error("cache %s takes no operand, but `%s' is given", name, options->words[1]);
        return CLI_REFUSED;
    }
    const char *outside = cli_option_outside(options->given, actions[a].options);
    if (outside) {
        cli_error("cache %s takes no %s", name, outside);
        return CLI_REFUSED;
    }
    kiln_cache *cache;
    kiln_status status = kiln_cache_open(KILN_CACHE_DEFAULT, NULL, 0, cli_log, NULL, &cache);
    if (status != KILN_OK)
        return cli_fail(status);
    if (kiln_cache_get_mode(cache) == KILN_CACHE_OFF)
        cli_note("the disk cache is off; its files are not looked at");
    int result = actions[a].run(options, cache);
    kiln_cache_close(cache);
    return result;
}

const cli_command cli_cache = {
    .name = "cache",
    .operands = "stats|list|verify|clear",
    .summary = "the binaries kept on disk",
    .help =
        "stats   where the cache is, in which mode, how many entries, their size and its cap\n"
        "list    every entry: its size, when it was last used, its kernel, its device, its file\n"
        "verify  checks every entry; exit status 1 if one is damaged; --repair removes those\n"
        "clear   removes every entry\n"
        "\n"
        "The cache is in $KILN_CACHE_DIR, else $XDG_CACHE_HOME/kiln, else ~/.cache/kiln.\n"
        "$KILN_CACHE is on, off, readonly or require; $KILN_CACHE_SIZE is the cap, like 500M.\n",
    .options = CLI_JSON | CLI_REPAIR,
    .run = run,
};
