/* Tuning lines as text, where they are kept, which ones a spec may use, and in which order a search
 * tries values. No device. */
#include "tune_search.h"
#include "cache_support.h"
#include "template.h"
#include "tuning_store.h"
#include <math.h>
#include <pthread.h>

#define DEVICE "platform: none\ndevice: a test\n"
#define HEAD   "kiln-tuning 1\n"
#define OWN    "device platform: none; device: a test\n"
#define GELU   "gelu m=64 n=64 dtype=f32 approx=tanh"
#define VALUES " variant=vector W=16 BLOCK=4096 time=0.001 kiln=0.1.0"
#define MATMUL "matmul m=512 n=512 k=512 dtype=f32"
#define BM64   " variant=simt BM=64 BN=64 TM=4 TN=4 BK=16 time=0.001 kiln=0.1.0"

static kiln_facts facts_of(const char *text)
{
    kiln_facts facts;
    ck_assert_int_eq(kiln_facts_parse(text, &facts), KILN_OK);
    return facts;
}

static kiln_lines read_lines(const char *text, const char *facts_text, bool foreign)
{
    kiln_lines lines = {0};
    kiln_facts facts = facts_of(facts_text);
    kiln_text trouble = {0};
    bool is_foreign;
    ck_assert_int_eq(kiln_lines_parse(text, DEVICE, &facts, false, &lines, &is_foreign, &trouble),
                     KILN_OK);
    ck_assert_msg(trouble.length == 0 || foreign, "%s", trouble.data);
    ck_assert_int_eq(is_foreign, foreign);
    kiln_text_free(&trouble);
    return lines;
}

/* ---- lines ------------------------------------------------------------------------------- */

START_TEST(test_round_trip)
{
    static const char *const texts[] = {
        GELU VALUES "\n",
        "tried " GELU " variant=vector W=4 BLOCK=65536 time=1.5e-05 kiln=0.1.0\n",
        "failed " GELU " variant=simt WG=64 PER_ITEM=4 time=inf kiln=0.1.0\n",
        "gelu m=? n=64 dtype=bf16 approx=none variant=simt variant=simt WG=256 PER_ITEM=16 "
        "time=2 kiln=9.9\n",
        MATMUL " variant=simt BM=64 BN=64 TM=4 TN=4 BK=16 time=0.25 kiln=0.1.0\n",
    };
    kiln_facts facts = facts_of("cpu");
    for (size_t i = 0; i < COUNT(texts); i++) {
        kiln_text in = {0}, out = {0};
        kiln_line line;
        kiln_text_add_bytes(&in, texts[i], strlen(texts[i]) - 1);
        ck_assert_msg(kiln_line_parse(in.data, &facts, &line) == KILN_OK, "%s: %s", texts[i],
                      kiln_last_error());
        kiln_line_print(&line, &out);
        ck_assert_str_eq(out.data, texts[i]);
        kiln_line_free(&line);
        kiln_text_free(&in);
        kiln_text_free(&out);
    }
}
END_TEST

START_TEST(test_bad_lines)
{
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"", "variant="},
        {"nonsense", "variant="},
        {GELU, "variant="},
        {"geluu m=64 n=64 approx=tanh" VALUES, "unknown kernel"},
        {"gelu m=0 n=64 approx=tanh" VALUES, "m=0"},
        {GELU " variant=mma W=16 BLOCK=4096 time=1 kiln=1", "no variant `mma'"},
        {GELU " variant=vector W=16 time=1 kiln=1", "BLOCK is missing"},
        {GELU " variant=vector W=16 BLOCK=4096 kiln=1", "time= is missing"},
        {GELU " variant=vector W=16 BLOCK=4096 time=1", "kiln= is missing"},
        {GELU " variant=vector W=16 W=16 BLOCK=4096 time=1 kiln=1", "`W=16'"},
        {GELU " variant=vector W=16 BLOCK=4096 EXTRA=1 time=1 kiln=1", "`EXTRA=1'"},
        {GELU " variant=vector W=16 BLOCK= time=1 kiln=1", "`BLOCK='"},
        {GELU " variant=vector W=16 BLOCK=-4096 time=1 kiln=1", "`BLOCK=-4096'"},
        {GELU " variant=vector W=16 BLOCK=4096000000000 time=1 kiln=1", "`BLOCK="},
        {GELU " variant=vector W=16 BLOCK=4097 time=1 kiln=1", "no such value"},
        {GELU " variant=vector W=3 BLOCK=4096 time=1 kiln=1", "no such value"},
        {GELU " variant=vector W=16 BLOCK=4096 time=0 kiln=1", "`time=0'"},
        {GELU " variant=vector W=16 BLOCK=4096 time=-1 kiln=1", "`time=-1'"},
        {GELU " variant=vector W=16 BLOCK=4096 time=nan kiln=1", "`time=nan'"},
        {GELU " variant=vector W=16 BLOCK=4096 time=inf kiln=1", "`time=inf'"},
        {"failed " GELU " variant=vector W=16 BLOCK=4096 time=1 kiln=1", "`time=1'"},
        {GELU " variant=vector W=16 BLOCK=4096 time=1x kiln=1", "`time=1x'"},
        {GELU " variant=vector W=16 BLOCK=4096 time=1 kiln=", "`kiln='"},
        {GELU " workgroup_size=64 variant=vector W=16 BLOCK=4096 time=1 kiln=1", "must be 0"},
        {MATMUL " variant=simt BM=64 BN=64 TM=16 TN=16 BK=16 time=1 kiln=1", "no multiple of 64"},
        {MATMUL " variant=simt BM=8 BN=8 TM=16 TN=1 BK=16 time=1 kiln=1", "does not divide"},
        {GELU " variant=simt variant=vector W=16 BLOCK=4096 time=1 kiln=1", "was asked for"},
    };
    kiln_facts facts = facts_of("cpu");
    for (size_t i = 0; i < COUNT(bad); i++) {
        kiln_line line;
        ck_assert_msg(kiln_line_parse(bad[i].text, &facts, &line) != KILN_OK, "%s", bad[i].text);
        ck_assert_msg(strstr(kiln_last_error(), bad[i].part) != NULL, "%s: no `%s' in: %s",
                      bad[i].text, bad[i].part, kiln_last_error());
    }
    /* What is right on a CPU is not on a GPU. */
    kiln_line line;
    facts = facts_of("gpu");
    ck_assert_int_ne(kiln_line_parse(GELU VALUES, &facts, &line), KILN_OK);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "no CPU"));
}
END_TEST

START_TEST(test_files)
{
    static const struct {
        const char *text;
        size_t count;
        bool foreign;
    } files[] = {
        {"", 0, false},
        {HEAD, 0, false},
        {HEAD OWN, 0, false},
        {HEAD OWN GELU VALUES "\n", 1, false},
        {HEAD OWN GELU VALUES, 1, false},
        {HEAD "# by hand\n\n" GELU VALUES "\n", 1, false},
        {"kiln-tuning 1\r\ndevice platform: none; device: a test\r\n" GELU VALUES "\r\n", 1, false},
        {"kiln-tuning 2\n" OWN GELU VALUES "\n", 0, true},
        {"kiln-tuning 1", 0, false},
        {HEAD "device platform: none; device: another\n" GELU VALUES "\n", 0, true},
        {GELU VALUES "\n", 0, true},
        {"\n" HEAD OWN, 0, true},
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        kiln_lines lines = read_lines(files[i].text, "cpu", files[i].foreign);
        ck_assert_msg(lines.count == files[i].count, "%zu: %zu lines", i, lines.count);
        kiln_lines_free(&lines);
    }
}
END_TEST

/* One bad line is left out, and the first is told with its number. */
START_TEST(test_damaged_line)
{
    static const char text[] = HEAD OWN GELU VALUES "\n"
                                                    "gelu m=64 n=64 appr\n"
                                                    "gelu m=6\n"
                                                    "tried " GELU VALUES "\n"
                                                    "tried gelu\n";
    for (int best_only = 0; best_only < 2; best_only++) {
        kiln_lines lines = {0};
        kiln_facts facts = facts_of("cpu");
        kiln_text trouble = {0};
        bool foreign;
        ck_assert_int_eq(
            kiln_lines_parse(text, DEVICE, &facts, best_only != 0, &lines, &foreign, &trouble),
            KILN_OK);
        ck_assert(!foreign);
        ck_assert_uint_eq(lines.count, best_only ? 1 : 2);
        ck_assert_ptr_nonnull(strstr(trouble.data, "line 4: "));
        ck_assert_ptr_null(strstr(trouble.data, "line 5"));
        kiln_text_free(&trouble);
        kiln_lines_free(&lines);
    }
}
END_TEST

START_TEST(test_put_and_remove)
{
    kiln_lines lines = {0};
    kiln_spec one, two;
    ck_assert_int_eq(kiln_spec_parse("gelu m=64 n=64 approx=tanh", &one), KILN_OK);
    ck_assert_int_eq(kiln_spec_parse("gelu m=65 n=64 approx=tanh", &two), KILN_OK);
    const kiln_variant *vector = one.row->variants[0];
    const int a[KILN_MAX_TUNE] = {16, 4096}, b[KILN_MAX_TUNE] = {8, 4096};
    ck_assert_int_eq(kiln_lines_put(&lines, KILN_LINE_TRIED, &one, vector, a, 2), KILN_OK);
    ck_assert_int_eq(kiln_lines_put(&lines, KILN_LINE_BEST, &one, vector, a, 2), KILN_OK);
    ck_assert_int_eq(kiln_lines_put(&lines, KILN_LINE_FAILED, &one, vector, b, INFINITY), KILN_OK);
    ck_assert_int_eq(kiln_lines_put(&lines, KILN_LINE_BEST, &two, vector, a, 3), KILN_OK);
    ck_assert_uint_eq(lines.count, 4);
    ck_assert_int_eq(kiln_lines_put(&lines, KILN_LINE_BEST, &one, vector, b, 1), KILN_OK);
    ck_assert_int_eq(kiln_lines_put(&lines, KILN_LINE_TRIED, &one, vector, b, 1.23456789), KILN_OK);
    ck_assert_uint_eq(lines.count, 4); /* in the place of the earlier ones */
    kiln_text text = {0};
    kiln_lines_print(&lines, DEVICE, &text);
    ck_assert_ptr_nonnull(strstr(text.data, GELU " variant=vector W=8 BLOCK=4096 time=1 kiln="));
    ck_assert_ptr_nonnull(strstr(text.data, "W=8 BLOCK=4096 time=1.23457 kiln="));
    ck_assert_ptr_null(strstr(text.data, "failed"));
    kiln_text_free(&text);
    ck_assert_uint_eq(kiln_lines_remove(&lines, "gelu m=66 n=64 dtype=f32 approx=tanh"), 0);
    ck_assert_uint_eq(kiln_lines_remove(&lines, GELU), 1);
    ck_assert_uint_eq(lines.count, 1);
    ck_assert_uint_eq(kiln_lines_remove(&lines, NULL), 1);
    ck_assert_uint_eq(lines.count, 0);
    kiln_lines_free(&lines);
    kiln_spec_free(&one);
    kiln_spec_free(&two);
}
END_TEST

/* ---- nearness ---------------------------------------------------------------------------- */

/* The specs of the lines that spec may use, in order, separated by '|'. */
static void near_ones(const kiln_lines *lines, const char *text, kiln_text *out)
{
    kiln_spec spec;
    kiln_candidate *candidates = NULL;
    size_t count = 0;
    ck_assert_msg(kiln_spec_parse(text, &spec) == KILN_OK, "%s", kiln_last_error());
    ck_assert_int_eq(kiln_lines_near(lines, &spec, KILN_TUNING_TUNED, &candidates, &count),
                     KILN_OK);
    kiln_text_add(out, "");
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(candidates[i].origin, KILN_TUNING_TUNED);
        kiln_text_addf(out, "%s%s", i ? "|" : "", candidates[i].from);
    }
    free(candidates);
    kiln_spec_free(&spec);
}

START_TEST(test_near)
{
    static const struct {
        const char *line, *spec;
        bool near;
    } pairs[] = {
        {MATMUL, MATMUL, true},
        {MATMUL, "matmul m=1024 n=512 k=512", true},
        {MATMUL, "matmul m=1025 n=512 k=512", false}, /* over 1 in one */
        {MATMUL, "matmul m=1024 n=1024 k=512", true},
        {MATMUL, "matmul m=1024 n=1024 k=513", false}, /* over 2 in all */
        {MATMUL, "matmul m=256 n=1024 k=512", true},
        {MATMUL, "matmul m=? n=512 k=512", false},
        {"matmul m=? n=512 k=512", "matmul m=? n=600 k=512", true},
        {"matmul m=? n=512 k=512", MATMUL, false},
        {MATMUL, "matmul_nt m=512 n=512 k=512", false},
        {MATMUL, "matmul m=512 n=512 k=512 dtype=f16", false},
        {MATMUL, "matmul m=512 n=512 k=512 accumulate=1", false},
        {MATMUL, "matmul m=512 n=512 k=512 out_dtype=f16", false},
        {MATMUL, "matmul m=512 n=512 k=512 lda=600 ldb=700 ldc=513", true},
        {MATMUL, "matmul m=512 n=512 k=512 tile_size=64", false},
        {MATMUL, "matmul m=512 n=512 k=512 workgroup_size=64", false},
        {MATMUL, "matmul m=512 n=512 k=512 variant=simt", true},
        {MATMUL, "matmul m=512 n=512 k=512 variant=vector", false},
        {MATMUL " variant=simt", MATMUL, false},
        {MATMUL " variant=simt", "matmul m=512 n=512 k=512 variant=simt", true},
        {"matmul m=1 n=1 k=1", "matmul m=2 n=2 k=1", true},
        {"matmul m=1 n=1 k=1", "matmul m=3 n=1 k=1", false},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        kiln_text file = {0}, got = {0};
        kiln_text_addf(&file, HEAD "%s" BM64 "\n", pairs[i].line);
        kiln_lines lines = read_lines(file.data, "cpu,compute_units=1", false);
        ck_assert_uint_eq(lines.count, 1);
        near_ones(&lines, pairs[i].spec, &got);
        ck_assert_msg((got.length > 0) == pairs[i].near, "%s for %s", pairs[i].line, pairs[i].spec);
        kiln_lines_free(&lines);
        kiln_text_free(&file);
        kiln_text_free(&got);
    }
}
END_TEST

START_TEST(test_nearest_first)
{
    kiln_lines lines = read_lines(HEAD "gelu m=100 n=100 approx=tanh" VALUES "\n"
                                       "gelu m=64 n=100 approx=tanh" VALUES "\n"
                                       "tried gelu m=80 n=100 approx=tanh" VALUES "\n"
                                       "gelu m=160 n=100 approx=tanh" VALUES "\n"
                                       "gelu m=80 n=50 approx=tanh" VALUES "\n"
                                       "gelu m=80 n=200 approx=tanh" VALUES "\n",
                                  "cpu", false);
    kiln_text got = {0};
    near_ones(&lines, "gelu m=80 n=100 approx=tanh", &got);
    /* 0.32 each, in the order of the file; then 1 each */
    ck_assert_str_eq(got.data, "gelu m=100 n=100 dtype=f32 approx=tanh|"
                               "gelu m=64 n=100 dtype=f32 approx=tanh|"
                               "gelu m=160 n=100 dtype=f32 approx=tanh|"
                               "gelu m=80 n=50 dtype=f32 approx=tanh|"
                               "gelu m=80 n=200 dtype=f32 approx=tanh");
    kiln_text_free(&got);
    kiln_lines_free(&lines);
}
END_TEST

/* Tiles of 64 fill 64 compute units at 512x512, but not at 400x400: then the next nearest. */
START_TEST(test_choice)
{
    static const char file[] = HEAD MATMUL BM64
        "\nmatmul m=800 n=800 k=512 variant=simt BM=32 BN=32 TM=2 TN=2 BK=8 time=1 kiln=1\n";
    static const struct {
        const char *spec, *from;
    } cases[] = {{"matmul m=512 n=520 k=512", MATMUL},
                 {"matmul m=400 n=400 k=512", "matmul m=800 n=800 k=512 dtype=f32"},
                 {"matmul m=200 n=200 k=512", NULL}};
    kiln_facts facts = facts_of("gpu");
    kiln_lines lines = read_lines(file, "gpu", false);
    for (size_t i = 0; i < COUNT(cases); i++) {
        kiln_spec spec;
        kiln_candidate *candidates = NULL;
        kiln_chosen chosen;
        size_t count = 0;
        ck_assert_int_eq(kiln_spec_parse(cases[i].spec, &spec), KILN_OK);
        ck_assert_int_eq(kiln_lines_near(&lines, &spec, KILN_TUNING_TUNED, &candidates, &count),
                         KILN_OK);
        ck_assert_int_eq(kiln_choose_among(&spec, &facts, candidates, count, &chosen), KILN_OK);
        ck_assert_int_eq(chosen.origin, cases[i].from ? KILN_TUNING_TUNED : KILN_TUNING_DERIVED);
        ck_assert_pstr_eq(chosen.from, cases[i].from);
        kiln_chosen_free(&chosen);
        free(candidates);
        kiln_spec_free(&spec);
    }
    kiln_lines_free(&lines);
}
END_TEST

/* ---- what is brought along ---------------------------------------------------------------- */

START_TEST(test_shipped)
{
    static const char text[] = "# a word\n"
                               "gelu m=1 n=1 approx=tanh" VALUES "\n" /* under no device */
                               "when CPU && SIMD == 16\n" GELU VALUES "\n"
                               "when !CPU\n" MATMUL BM64 "\n"
                               "when CPU\n"
                               "gelu m=80 n=64 approx=tanh" VALUES "\n";
    static const struct {
        const char *facts;
        size_t count;
    } devices[] = {{"cpu", 2}, {"cpu,simd_width=8", 1}, {"gpu", 1}};
    for (size_t i = 0; i < COUNT(devices); i++) {
        kiln_lines lines = {0};
        kiln_facts facts = facts_of(devices[i].facts);
        ck_assert_int_eq(kiln_lines_shipped(text, &facts, &lines), KILN_OK);
        ck_assert_uint_eq(lines.count, devices[i].count);
        kiln_lines_free(&lines);
        /* The file itself has nothing wrong. */
        char *file;
        ck_assert_int_eq(kiln_template_load(NULL, "tuned.txt", &file), KILN_OK);
        ck_assert_msg(kiln_lines_shipped(file, &facts, &lines) == KILN_OK, "%s", kiln_last_error());
        kiln_lines_free(&lines);
        free(file);
    }
    static const char *const bad[] = {"when CPU\ngelu m=1", "when NOTHING\n",
                                      "when CPU\n" GELU
                                      " variant=vector W=5 BLOCK=4096 time=1 kiln=1\n"};
    kiln_facts facts = facts_of("cpu");
    for (size_t i = 0; i < COUNT(bad); i++) {
        kiln_lines lines = {0};
        ck_assert_int_eq(kiln_lines_shipped(bad[i], &facts, &lines), KILN_TEMPLATE_ERROR);
        kiln_lines_free(&lines);
    }
}
END_TEST

/* Behind the device's own, however far those are. */
START_TEST(test_shipped_last)
{
    kiln_lines own = read_lines(HEAD "gelu m=100 n=64 approx=tanh" VALUES "\n", "cpu", false);
    kiln_lines shipped = read_lines(HEAD GELU VALUES "\n", "cpu", false);
    kiln_candidate *candidates = NULL;
    size_t count = 0;
    kiln_spec spec;
    ck_assert_int_eq(kiln_spec_parse(GELU, &spec), KILN_OK);
    ck_assert_int_eq(kiln_lines_near(&own, &spec, KILN_TUNING_TUNED, &candidates, &count), KILN_OK);
    ck_assert_int_eq(kiln_lines_near(&shipped, &spec, KILN_TUNING_SHIPPED, &candidates, &count),
                     KILN_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(candidates[0].origin, KILN_TUNING_TUNED);
    ck_assert_str_eq(candidates[0].from, "gelu m=100 n=64 dtype=f32 approx=tanh");
    ck_assert_int_eq(candidates[1].origin, KILN_TUNING_SHIPPED);
    ck_assert_str_eq(candidates[1].from, GELU);
    free(candidates);
    kiln_spec_free(&spec);
    kiln_lines_free(&own);
    kiln_lines_free(&shipped);
}
END_TEST

/* ---- the store --------------------------------------------------------------------------- */

typedef struct {
    kiln_cache *cache;
    kiln_facts facts;
    kiln_tuning_store *store;
} opened;

static opened open_store(kiln_cache_mode mode, const char *dir)
{
    static opened o; /* the store keeps a pointer to its facts */
    o.facts = facts_of("cpu");
    o.cache = open_as(mode, dir, 0);
    ck_assert_int_eq(kiln_tuning_open(o.cache, DEVICE, &o.facts, hear, &warnings, &o.store),
                     KILN_OK);
    return o;
}

static void close_store(opened *o)
{
    kiln_tuning_close(o->store);
    kiln_cache_close(o->cache);
}

/* A kiln_tuning_change of user = a spec. */
static kiln_status add_spec(void *user, kiln_lines *lines)
{
    kiln_spec spec;
    const int values[KILN_MAX_TUNE] = {16, 4096};
    kiln_status status = kiln_spec_parse(user, &spec);
    if (status == KILN_OK)
        status = kiln_lines_put(lines, KILN_LINE_BEST, &spec, spec.row->variants[0], values, 1);
    kiln_spec_free(&spec);
    return status;
}

static bool add(const opened *o, const char *spec)
{
    bool kept;
    ck_assert_int_eq(kiln_tuning_change(o->store, add_spec, (char *)(uintptr_t)spec, &kept),
                     KILN_OK);
    return kept;
}

static size_t count_lines(const opened *o)
{
    kiln_lines lines;
    ck_assert_int_eq(kiln_tuning_read(o->store, true, &lines), KILN_OK);
    size_t count = lines.count;
    kiln_lines_free(&lines);
    return count;
}

START_TEST(test_store)
{
    opened o = open_store(KILN_CACHE_ON, cache_at);
    ck_assert_uint_eq(count_lines(&o), 0);
    ck_assert(!exists(cache_at));
    ck_assert(kiln_tuning_is_kept(o.store));
    ck_assert(add(&o, "gelu m=1 n=1 approx=tanh"));
    ck_assert(add(&o, "gelu m=2 n=1 approx=tanh"));
    ck_assert(add(&o, "gelu m=1 n=1 approx=tanh"));
    ck_assert_uint_eq(count_lines(&o), 2);
    struct stat about;
    ck_assert_int_eq(stat(kiln_tuning_place(o.store), &about), 0);
    ck_assert_uint_eq(about.st_mode & 0777, 0600);
    ck_assert_int_eq(said(), 0);
    close_store(&o);

    o = open_store(KILN_CACHE_READONLY, cache_at);
    ck_assert_uint_eq(count_lines(&o), 2);
    ck_assert(!kiln_tuning_is_kept(o.store));
    ck_assert(!add(&o, "gelu m=3 n=1 approx=tanh"));
    ck_assert_uint_eq(count_lines(&o), 2);
    close_store(&o);

    o = open_store(KILN_CACHE_OFF, cache_at);
    ck_assert_uint_eq(count_lines(&o), 0);
    ck_assert(!add(&o, "gelu m=3 n=1 approx=tanh"));
    ck_assert_int_eq(said(), 0);
    close_store(&o);
}
END_TEST

START_TEST(test_untrusted_directory)
{
    ck_assert_int_eq(mkdir(cache_at, 0700), 0);
    ck_assert_int_eq(chmod(cache_at, 0777), 0);
    opened o = open_store(KILN_CACHE_ON, cache_at);
    ck_assert_uint_eq(count_lines(&o), 0);
    ck_assert(!add(&o, "gelu m=1 n=1 approx=tanh"));
    ck_assert_int_eq(said(), 1);
    ck_assert_ptr_nonnull(strstr(last_warning, "every user may write"));
    close_store(&o);
}
END_TEST

static void write_text(const char *path, const char *text)
{
    write_file(path, text, strlen(text));
}

/* Whatever the file holds: one warning, nothing of it used, and the next change mends it. */
START_TEST(test_damaged_store)
{
    static const char *const texts[] = {
        "garbage", "kiln-tuning 7\n" OWN GELU VALUES "\n", HEAD OWN "gelu m=64 n=6",
        HEAD OWN GELU " variant=vector W=16 BLOCK=4097 time=1 kiln=1\n",
        HEAD "device a: b\n" GELU VALUES "\n"};
    for (size_t i = 0; i <= COUNT(texts); i++) {
        opened o = open_store(KILN_CACHE_ON, cache_at);
        ck_assert(add(&o, "gelu m=1 n=1 approx=tanh"));
        if (i < COUNT(texts))
            write_text(kiln_tuning_place(o.store), texts[i]);
        else
            write_file(kiln_tuning_place(o.store), HEAD "\0" GELU VALUES, 60);
        ck_assert_uint_eq(count_lines(&o), 0);
        ck_assert_uint_eq(count_lines(&o), 0);
        ck_assert_msg(said() == 1, "file %zu: %d warnings", i, said());
        ck_assert_ptr_nonnull(strstr(last_warning, "passed over"));
        ck_assert(add(&o, "gelu m=1 n=1 approx=tanh"));
        ck_assert_uint_eq(count_lines(&o), 1);
        close_store(&o);
    }
}
END_TEST

/* A file that the user names: used whatever the cache's mode, and not overwritten if it is not
 * this device's. */
START_TEST(test_given_file)
{
    char path[200];
    snprintf(path, sizeof path, "%s/mine.txt", root);
    ck_assert_int_eq(chmod(root, 0777), 0);
    setenv("KILN_TUNE_FILE", path, 1);
    write_text(path, HEAD GELU VALUES "\n");
    opened o = open_store(KILN_CACHE_OFF, cache_at);
    ck_assert_str_eq(kiln_tuning_place(o.store), path);
    ck_assert_uint_eq(count_lines(&o), 1);
    ck_assert(add(&o, "gelu m=1 n=1 approx=tanh"));
    ck_assert_uint_eq(count_lines(&o), 2);
    ck_assert_int_eq(said(), 0);
    write_text(path, "a letter\n");
    ck_assert(!add(&o, "gelu m=1 n=1 approx=tanh"));
    ck_assert_int_eq(said(), 1);
    unsigned char bytes[64];
    ck_assert_uint_eq(read_whole(path, bytes, sizeof bytes), 9);
    close_store(&o);
    unsetenv("KILN_TUNE_FILE");
}
END_TEST

enum { WRITERS = 4, LINES = 12 };
static int writer;

static void *write_some(void *part)
{
    opened o = open_store(KILN_CACHE_ON, cache_at);
    for (int i = 0; i < LINES; i++) {
        char spec[64];
        snprintf(spec, sizeof spec, "gelu m=%d n=%d approx=tanh", 1 + i,
                 1 + 2 * writer + *(int *)part);
        NEED(add(&o, spec));
    }
    return NULL;
}

/* Two threads, after one another's opening: a store's own locks are what is tried. */
static void write_by_threads(void)
{
    pthread_t thread;
    int parts[2] = {0, 1};
    NEED(pthread_create(&thread, NULL, write_some, &parts[0]) == 0);
    write_some(&parts[1]);
    NEED(pthread_join(thread, NULL) == 0);
}

START_TEST(test_two_writers)
{
    pid_t children[WRITERS];
    for (writer = 0; writer < WRITERS; writer++) {
        children[writer] = fork();
        ck_assert_int_ge(children[writer], 0);
        if (children[writer] == 0) {
            write_by_threads();
            _exit(0);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        int status;
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_int_eq(status, 0);
    }
    opened o = open_store(KILN_CACHE_ON, cache_at);
    ck_assert_uint_eq(count_lines(&o), (size_t)(2 * WRITERS * LINES));
    ck_assert_int_eq(said(), 0);
    close_store(&o);
}
END_TEST

/* ---- the search -------------------------------------------------------------------------- */

/* A time with one valley: each value costs by its distance, in powers of two, from a best one. */
static double valley(const kiln_candidate *c, const int *best)
{
    double time = 1e-3;
    for (size_t i = 0; i < kiln_num_tune(c->variant); i++)
        time *= 1 + 0.3 * fabs(log2((double)c->values[i] / best[i]));
    return time;
}

typedef struct {
    size_t asked, known;
    double best;
} found;

static found run_search(const char *text, const char *facts_text, const int *best, size_t most,
                        size_t fail_each, kiln_search *search, const kiln_search *before)
{
    static kiln_spec spec;
    static kiln_facts facts;
    found f = {0};
    facts = facts_of(facts_text);
    ck_assert_int_eq(kiln_spec_parse(text, &spec), KILN_OK);
    ck_assert_int_eq(kiln_search_start(search, &spec, &facts), KILN_OK);
    for (size_t i = 0; before && i < before->count; i++)
        if (before->trials[i].state != KILN_TRIAL_OPEN)
            ck_assert_int_eq(kiln_search_know(search, before->trials[i].candidate.variant,
                                              before->trials[i].candidate.values,
                                              before->trials[i].time),
                             KILN_OK);
    for (f.asked = 0; f.asked < most; f.asked++) {
        size_t index;
        bool over;
        char *reason;
        ck_assert_int_eq(kiln_search_next(search, &index, &over), KILN_OK);
        if (over)
            break;
        const kiln_trial *trial = &search->trials[index];
        ck_assert_int_eq(trial->state, KILN_TRIAL_OPEN); /* nothing twice */
        ck_assert_int_eq(kiln_choose_check(&spec, &facts, trial->candidate.variant,
                                           trial->candidate.values, &reason),
                         KILN_OK);
        ck_assert_msg(reason == NULL, "%s", reason);
        bool fails = fail_each > 0 && f.asked % fail_each == fail_each - 1;
        const kiln_variant *usual = search->trials[0].candidate.variant;
        double time = trial->candidate.variant == usual ? valley(&trial->candidate, best) : 1;
        kiln_search_tell(search, index, fails ? INFINITY : time);
    }
    size_t at = kiln_search_best(search);
    f.best = at == SIZE_MAX ? INFINITY : search->trials[at].time;
    kiln_spec_free(&spec);
    return f;
}

START_TEST(test_search_finds_valley)
{
    static const int valleys[][KILN_MAX_TUNE] = {{16, 4, 6, 512, 240, 256, 480},
                                                 {16, 2, 8, 256, 64, 64, 64},
                                                 {8, 2, 4, 1024, 128, 128, 128},
                                                 {16, 1, 8, 64, 16, 16, 240}};
    for (size_t i = 0; i < COUNT(valleys); i++) {
        kiln_search search;
        found f = run_search(MATMUL, "cpu", valleys[i], 1000, 0, &search, NULL);
        ck_assert_msg(f.asked < 300, "valley %zu: %zu asked", i, f.asked);
        ck_assert_msg(f.best < 1.1e-3, "valley %zu: %g after %zu", i, f.best, f.asked);
        kiln_search_free(&search);
        /* A short search is already better than what was there before it. */
        f = run_search(MATMUL, "cpu", valleys[i], 60, 0, &search, NULL);
        ck_assert_msg(f.best < 2e-3, "valley %zu: %g after %zu", i, f.best, f.asked);
        kiln_search_free(&search);
    }
}
END_TEST

START_TEST(test_search_with_failures)
{
    static const int best[KILN_MAX_TUNE] = {16, 2, 4, 256, 64, 64, 64};
    kiln_search search;
    found f = run_search(MATMUL, "cpu", best, 1000, 3, &search, NULL);
    ck_assert_msg(f.best < 1.5e-3, "%g after %zu", f.best, f.asked);
    kiln_search_free(&search);
    f = run_search(MATMUL, "cpu", best, 1000, 1, &search, NULL); /* all fail */
    ck_assert(isinf(f.best));
    ck_assert_uint_lt(f.asked, 20);
    kiln_search_free(&search);
}
END_TEST

/* What an earlier search has seen is not asked for again, and a small space comes to its end. */
START_TEST(test_search_goes_on)
{
    static const int best[KILN_MAX_TUNE] = {16, 2, 8, 256, 64, 64, 64};
    kiln_search first, second;
    found whole = run_search(MATMUL, "cpu", best, 1000, 0, &first, NULL);
    kiln_search_free(&first);
    run_search(MATMUL, "cpu", best, 30, 0, &first, NULL);
    found rest = run_search(MATMUL, "cpu", best, 1000, 0, &second, &first);
    ck_assert_uint_le(rest.asked, whole.asked);
    ck_assert(rest.best <= 1.1e-3);
    kiln_search_free(&first);
    kiln_search_free(&second);
    static const int small[KILN_MAX_TUNE] = {8, 65536};
    found f = run_search(GELU, "cpu", small, 1000, 0, &first, NULL);
    ck_assert_uint_le(f.asked, 9 + 1); /* 3x3 and the other variant's usual choice */
    ck_assert(f.best == 1e-3);
    kiln_search_free(&first);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tuning");
    TCase *lines = add_case(suite, "lines"), *store = add_case(suite, "store"),
          *search = add_case(suite, "search");
    unsetenv("KILN_TUNE_FILE");
    tcase_add_test(lines, test_round_trip);
    tcase_add_test(lines, test_bad_lines);
    tcase_add_test(lines, test_files);
    tcase_add_test(lines, test_damaged_line);
    tcase_add_test(lines, test_put_and_remove);
    tcase_add_test(lines, test_near);
    tcase_add_test(lines, test_nearest_first);
    tcase_add_test(lines, test_choice);
    tcase_add_test(lines, test_shipped);
    tcase_add_test(lines, test_shipped_last);
    tcase_add_test(store, test_store);
    tcase_add_test(store, test_untrusted_directory);
    tcase_add_test(store, test_damaged_store);
    tcase_add_test(store, test_given_file);
    tcase_add_test(store, test_two_writers);
    tcase_add_test(search, test_search_finds_valley);
    tcase_add_test(search, test_search_with_failures);
    tcase_add_test(search, test_search_goes_on);
    return run_suite(suite);
}
