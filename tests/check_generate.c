/* Generated programs: over rows, options and devices; golden sources (KILN_GOLDEN_UPDATE=1 renews
 * them); and clang's opinion, where there is one. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "generate.h"
#include "support.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const dtypes[] = {"f32", "f16", "bf16"};

#define H100 "gpu,compute_units=132,sm=90,sm_a=1,static_local=231424"

static const char *const devices[] = {"cpu,simd_width=4,local_mem=16384",
                                      "cpu,simd_width=4,local_mem=1048576",
                                      "cpu,simd_width=8,local_mem=32768",
                                      "cpu,simd_width=8,local_mem=49152,compute_units=64",
                                      "cpu,simd_width=16,local_mem=16384",
                                      "cpu,simd_width=16,local_mem=1048576",
                                      "gpu,max_workgroup=64,local_mem=16384",
                                      "gpu,max_workgroup=256,local_mem=32768",
                                      "gpu,max_workgroup=1024,local_mem=16384",
                                      "gpu,max_workgroup=1024,local_mem=49152,compute_units=132",
                                      H100};

/* Sizes of the row's dimensions, and options; those that the row lacks are left out. */
static const struct {
    const char *sizes, *options;
} asks[] = {{"1", ""},
            {"100", "accumulate=1 save_pre=1 trans_a=1"},
            {"1000", "layout=nt out_dtype=f32 trans_b=1 gelu=1 approx=tanh bias=1 save_stats=1"},
            {"5000", ""},
            {"?", "save_pre=1 layout=nt"},
            {"?", "lda=8192 ldb=8192 ldc=8192 trans_a=1 trans_b=1"},
            {"64", "lda=100 ldb=201 ldc=102 accumulate=1 out_dtype=bf16"}};

static bool has_option(const kiln_row *row, const char *name, size_t length)
{
    const kiln_option *option;
    for (size_t i = 0; (option = kiln_row_option(row, i)); i++)
        if (strlen(option->name) == length && strncmp(option->name, name, length) == 0)
            return true;
    return false;
}

/* Whether the row has the option of the word NAME=VALUE, with such a value. */
static bool fits_option(const kiln_row *row, const char *word, size_t length)
{
    size_t name = strcspn(word, "=");
    if (!has_option(row, word, name))
        return false;
    const kiln_option *option;
    for (size_t i = 0; (option = kiln_row_option(row, i)); i++) {
        if (strlen(option->name) != name || strncmp(option->name, word, name) != 0)
            continue;
        char value[32];
        snprintf(value, sizeof value, "%.*s", (int)(length - name - 1), word + name + 1);
        if (option->type != KILN_OPTION_CHOICE)
            return true;
        return kiln_listed(option->choices, value);
    }
    return false;
}

/* Whether options, words of which the row takes those that fit, names the option. */
static bool takes_option(const kiln_row *row, const char *options, const kiln_option *option)
{
    const char *at = strstr(options, option->name);
    return at && fits_option(row, at, strcspn(at, " "));
}

/* The caller frees it. */
static char *spec_text(const kiln_row *row, const char *size, const char *options,
                       const char *dtype, const char *more)
{
    kiln_text text = {0};
    kiln_text_add(&text, row->name);
    for (size_t i = 0; i < KILN_MAX_DIMS && row->dims[i]; i++) {
        bool literal = row->literal && kiln_expr_mentions(row->literal, row->dims[i]);
        kiln_text_addf(&text, " %s=%s", row->dims[i], literal ? "8" : size);
    }
    for (const char *at = options; *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        if (fits_option(row, at, length))
            kiln_text_addf(&text, " %.*s", (int)length, at);
        at += length;
    }
    const kiln_option *option;
    for (size_t i = 0; (option = kiln_row_option(row, i)); i++)
        if (!option->fallback && !takes_option(row, options, option))
            kiln_text_addf(&text, " %s=%.*s", option->name, (int)strcspn(option->choices, "|"),
                           option->choices);
    kiln_text_addf(&text, " dtype=%s %s", dtype, more);
    return kiln_text_take(&text);
}

static kiln_status generate(const char *text, const char *device, kiln_generated *generated)
{
    kiln_spec spec;
    kiln_facts facts;
    ck_assert_int_eq(kiln_facts_parse(device, &facts), KILN_OK);
    if (kiln_spec_parse(text, &spec) != KILN_OK)
        ck_abort_msg("%s", kiln_last_error());
    kiln_status status = kiln_generate(&spec, &facts, NULL, generated);
    kiln_spec_free(&spec);
    return status;
}

/* ---- what a program looks like ----------------------------------------------------------- */

/* What only the device's compiler can answer is left to it: whether it has a builtin. */
static bool asks_compiler(const char *at)
{
    static const char *const asked[] = {
        "#if defined(__has_builtin)\n", "#if __has_builtin(", "#ifndef PAST_CACHE\n",
        "#define PAST_CACHE(",          "#ifndef FETCH\n",    "#define FETCH("};
    for (size_t i = 0; i < COUNT(asked); i++)
        if (strncmp(at, asked[i], strlen(asked[i])) == 0)
            return true;
    return false;
}

static void check_text(const char *spec, const char *source)
{
    static const char *const nowhere[] = {"${", "\n@", "#if", "#include", "#define", "\t", "\r"};
    for (size_t i = 0; i < COUNT(nowhere); i++)
        for (const char *at = source; (at = strstr(at, nowhere[i])); at++)
            if (!asks_compiler(at))
                ck_abort_msg("%s: \"%s\" in\n%.2000s", spec, nowhere[i], at);
    if (*source == '@')
        ck_abort_msg("%s begins with @", spec);
    char open[64];
    size_t depth = 0;
    for (const char *at = source; *at; at++) {
        if (at[0] == '/' && at[1] == '*') {
            at = strstr(at, "*/");
            if (!at)
                ck_abort_msg("%s: a comment without end in\n%s", spec, source);
            at++;
        } else if (at[0] == '/' && at[1] == '/') {
            at += strcspn(at, "\n") - 1;
        } else if (strchr("([{", *at)) {
            if (depth == COUNT(open))
                ck_abort_msg("%s: nested too deeply", spec);
            open[depth++] = *at;
        } else if (strchr(")]}", *at)) {
            if (depth == 0 || strchr("([{", open[--depth]) - "([{" != strchr(")]}", *at) - ")]}")
                ck_abort_msg("%s: unbalanced %c at\n%.80s", spec, *at, at);
        }
    }
    if (depth > 0)
        ck_abort_msg("%s: unbalanced %c in\n%.2000s", spec, open[depth - 1], source);
    if (source[strlen(source) - 1] != '\n')
        ck_abort_msg("%s: no line end at the end", spec);
}

/* The kernel's parameters are the signature's: a pointer and an offset for a buffer, a long for a
 * dimension, in order and nothing else. */
static void check_arguments(const char *spec, const kiln_generated *generated, size_t stage)
{
    static const char *const types[] = {
        [KILN_F32] = "float", [KILN_F16] = "half", [KILN_BF16] = "ushort", [KILN_I32] = "int"};
    const kiln_signature *signature = &generated->signature;
    const char *source = generated->stages[stage].source;
    char head[80];
    snprintf(head, sizeof head, "\nvoid %s(", generated->stages[stage].entry);
    const char *at = strstr(source, head);
    if (!at || !strstr(source, "__kernel") || strstr(at + 1, "__kernel"))
        ck_abort_msg("%s: no single kernel %s in\n%.2000s", spec, head + 1, source);
    at += strlen(head);
    kiln_text expected = {0}, actual = {0};
    for (size_t i = 0; i < signature->count; i++) {
        const kiln_parameter *p = &signature->parameters[i];
        if (p->kind == KILN_ARG_SCALAR)
            continue;
        if (p->kind == KILN_ARG_BUFFER)
            kiln_text_addf(&expected, "%s__global %s%s *%s, const ulong %s_offset", i ? ", " : "",
                           p->is_output ? "" : "const ", types[p->dtype], p->code, p->code);
        else
            kiln_text_addf(&expected, "%sconst long %s", i ? ", " : "", p->name);
    }
    const char *name = generated->stages[stage].entry;
    const kiln_row *row = NULL;
    for (size_t i = 0; i < kiln_num_rows(); i++) /* an entry is ROW or ROW_STAGE */
        if (strncmp(spec, kiln_row_at(i)->name, strcspn(spec, " ")) == 0 &&
            strlen(kiln_row_at(i)->name) == strcspn(spec, " "))
            row = kiln_row_at(i);
    if (!row || strncmp(name, row->name, strlen(row->name)) != 0)
        ck_abort_msg("%s: the entry %s", spec, name);
    for (size_t i = 0; i < KILN_MAX_PASSED && row->passed[i].name; i++)
        kiln_text_addf(&expected, ", const %s %s", row->passed[i].type, row->passed[i].name);
    const kiln_scratch *scratch = generated->chosen.variant->scratch;
    for (size_t i = 0; i < KILN_MAX_SCRATCH && scratch[i].name; i++)
        if (generated->scratch[i])
            kiln_text_addf(&expected, ", __global float *%s", scratch[i].name);
    for (; *at && *at != ')'; at++) {
        if (strncmp(at, "restrict ", 9) == 0)
            at += 8;
        else if (!isspace((unsigned char)*at))
            kiln_text_add_bytes(&actual, at, 1);
        else if (!isspace((unsigned char)at[1]))
            kiln_text_add(&actual, " ");
    }
    if (strcmp(expected.data, actual.data) != 0)
        ck_abort_msg("%s:\n%s\nnot\n%s", spec, actual.data, expected.data);
    kiln_text_free(&expected);
    kiln_text_free(&actual);
}

/* Whether it was generated; a refusal has to be one of the device, with a sentence. */
static bool check_generated(const char *spec, const char *device, bool twice)
{
    kiln_generated first, second;
    kiln_status status = generate(spec, device, &first);
    if (status != KILN_OK) {
        if (status != KILN_UNSUPPORTED || strlen(kiln_last_error()) < 30)
            ck_abort_msg("%s on %s: %d %s", spec, device, status, kiln_last_error());
        if (strstr(kiln_last_error(), "no tuning fits"))
            ck_abort_msg("%s on %s: no reason: %s", spec, device, kiln_last_error());
        return false;
    }
    if (first.num_stages == 0)
        ck_abort_msg("%s: no stage", spec);
    for (size_t s = 0; s < first.num_stages; s++) {
        check_text(spec, first.stages[s].source);
        check_arguments(spec, &first, s);
    }
    if (!twice) {
        kiln_generated_free(&first);
        return true;
    }
    if (generate(spec, device, &second) != KILN_OK || second.num_stages != first.num_stages)
        ck_abort_msg("%s on %s: once only", spec, device);
    for (size_t s = 0; s < first.num_stages; s++)
        if (strcmp(first.stages[s].source, second.stages[s].source) != 0 ||
            strcmp(first.stages[s].entry, second.stages[s].entry) != 0)
            ck_abort_msg("%s on %s: two texts", spec, device);
    kiln_generated_free(&first);
    kiln_generated_free(&second);
    return true;
}

/* ---- every row --------------------------------------------------------------------------- */

/* Sizes left to kiln: there is always one that fits. */
START_TEST(test_never_refused)
{
    if (test_quick() && _i % 5 != 2)
        return;
    const kiln_row *row = kiln_row_at((size_t)_i);
    for (size_t a = 0; a < COUNT(asks); a++)
        for (size_t d = 0; d < COUNT(devices); d++)
            for (size_t t = 0; t < COUNT(dtypes); t++)
                for (int simt = 0; simt < 1 + (devices[d][0] == 'c'); simt++) {
                    char *spec = spec_text(row, asks[a].sizes, asks[a].options, dtypes[t],
                                           simt ? "variant=simt" : "");
                    if (!check_generated(spec, devices[d], a == 1))
                        ck_abort_msg("%s on %s: %s", spec, devices[d], kiln_last_error());
                    free(spec);
                }
    char *spec = spec_text(row, "9", "", "f32", "variant=vector");
    ck_assert(check_generated(spec, "cpu", true));
    ck_assert(!check_generated(spec, "gpu", false));
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "vector: the device is no CPU"));
    free(spec);
}
END_TEST

/* Sizes asked for: generated with them, or refused with a sentence that has the numbers. */
START_TEST(test_sizes_asked_for)
{
    if (test_quick() && _i % 5 != 2)
        return;
    static const char *const tiles[] = {
        "", "tile_size=8", "tile_size=16", "tile_size=32", "tile_size=64", "tile_size=128"};
    static const char *const groups[] = {"", "workgroup_size=64", "workgroup_size=192",
                                         "workgroup_size=256", "workgroup_size=1024"};
    const kiln_row *row = kiln_row_at((size_t)_i);
    bool tiled = has_option(row, "tile_size", 9);
    size_t done = 0, refused = 0;
    for (size_t i = 0; i < (tiled ? COUNT(tiles) : 1); i++)
        for (size_t g = 0; g < COUNT(groups); g++)
            for (size_t d = (i + g) % 3; d < COUNT(devices); d += 3) {
                char more[80];
                snprintf(more, sizeof more, "%s %s", tiles[i], groups[g]);
                char *spec = spec_text(row, d % 2 ? "?" : "300", "", dtypes[d % 3], more);
                if (check_generated(spec, devices[d], false)) {
                    done++;
                } else {
                    refused++;
                    /* What kiln would rather not do is no reason to refuse. */
                    const char *message = kiln_last_error(), *simt = strstr(message, "simt: ");
                    if (!simt || !strpbrk(simt, "123456789") || strstr(simt, "idle"))
                        ck_abort_msg("%s on %s: %s", spec, devices[d], message);
                }
                free(spec);
            }
    ck_assert_uint_ge(done, refused);
    ck_assert_uint_gt(refused, 0); /* a group of 1024 where 64 is the limit */
}
END_TEST

/* Bytes of the local arrays that a program declares. */
static size_t local_bytes(const char *source)
{
    size_t bytes = 0;
    for (const char *at = source; (at = strstr(at, "__local ")); at++) {
        char type[16];
        int length = 0;
        ck_assert_int_eq(sscanf(at, "__local %15[a-z0-9] %n", type, &length), 1);
        const char *rest = at + length;
        if (strcmp(type, "const") == 0 || *rest == '*')
            continue;
        bool known = strcmp(type, "float") == 0 || strcmp(type, "int") == 0;
        ck_assert_msg(known, "a local array of what size: %.60s", at);
        for (; *rest != ';'; rest++) {
            char name[32];
            size_t count;
            int taken = 0;
            ck_assert_msg(sscanf(rest, " %31[A-Za-z0-9_][%zu]%n", name, &count, &taken) == 2 &&
                              taken > 0 && strchr(",;", rest[taken]),
                          "no local array: %.60s", at);
            bytes += 4 * count;
            rest += taken;
            if (*rest == ';')
                break;
        }
    }
    return bytes;
}

/* Every head_dim has a place in 32 KiB of local memory, the least that OpenCL devices have. */
START_TEST(test_attention_fits)
{
    if (test_quick() && _i % 5 != 2)
        return;
    static const char *const kernels[] = {"flash_attention", "flash_attention_backward"};
    static const char *const sizes[] = {"batch=? seq_q=? seq_k=?", "batch=2 seq_q=4096 seq_k=4096",
                                        "batch=1 seq_q=1 seq_k=1"};
    static const char *const limits[] = {"gpu,local_mem=32768",
                                         "gpu,local_mem=32768,max_workgroup=64",
                                         "gpu,local_mem=32768,max_workgroup=1024"};
    int head_dim = 8 * (_i + 1);
    for (size_t i = 0; i < COUNT(kernels) * COUNT(dtypes) * COUNT(limits); i++) {
        char spec[200];
        kiln_generated generated;
        const char *limit = limits[i / 6];
        snprintf(spec, sizeof spec, "%s %s heads=8 kv_heads=2 head_dim=%d dtype=%s %s",
                 kernels[i % 2], sizes[(i + (size_t)_i) % 3], head_dim, dtypes[i / 2 % 3],
                 i % 4 ? "causal=1" : "alibi=1 softcap=30");
        ck_assert_msg(generate(spec, limit, &generated) == KILN_OK, "%s on %s: %s", spec, limit,
                      kiln_last_error());
        for (size_t s = 0; s < generated.num_stages; s++) {
            size_t bytes = local_bytes(generated.stages[s].source);
            ck_assert_msg(bytes <= 32768, "%s on %s: stage %zu has %zu bytes of local memory", spec,
                          limit, s, bytes);
            check_text(spec, generated.stages[s].source);
        }
        ck_assert_str_eq(generated.chosen.variant->name, "simt");
        kiln_generated_free(&generated);
    }
}
END_TEST

/* A group or tile that was asked for is the one that is made. */
START_TEST(test_sizes_are_honoured)
{
    static const struct {
        const char *spec, *device, *part;
    } cases[] = {
        {"matmul m=300 n=300 k=300 tile_size=64", "gpu", "BM=64 BN=64"},
        {"matmul m=300 n=300 k=300 tile_size=8", "gpu", "BM=8 BN=8"},
        {"matmul m=300 n=300 k=300 tile_size=128", "gpu", "BM=128 BN=128"},
        {"matmul m=? n=300 k=? tile_size=32", "cpu", "NC=32"},
        {"matmul m=9 n=9 k=9 tile_size=16 variant=simt", "cpu", "BM=16 BN=16"},
        {"matmul m=300 n=300 k=300 workgroup_size=128", "gpu", "reqd_work_group_size(128, 1, 1)"},
        {"matmul m=300 n=300 k=300 workgroup_size=1024", "gpu", "reqd_work_group_size(1024, 1, 1)"},
        {"matmul m=300 n=300 k=300 tile_size=64 workgroup_size=64", "gpu",
         "reqd_work_group_size(64, 1, 1)"},
        {"gelu m=300 n=300 approx=none workgroup_size=192", "gpu",
         "reqd_work_group_size(192, 1, 1)"},
        {"gelu m=300 n=300 approx=none workgroup_size=960", "gpu",
         "reqd_work_group_size(960, 1, 1)"},
        {"gelu m=300 n=300 approx=none workgroup_size=192", "cpu",
         "reqd_work_group_size(1, 1, 1)"}};
    for (size_t c = 0; c < COUNT(cases); c++) {
        char *source;
        ck_assert_msg(kiln_emit(cases[c].spec, cases[c].device, &source) == KILN_OK, "%s: %s",
                      cases[c].spec, kiln_last_error());
        ck_assert_msg(strstr(source, cases[c].part) != NULL, "%s: no %s in\n%s", cases[c].spec,
                      cases[c].part, source);
        kiln_free(source);
    }
}
END_TEST

/* Every group that the contract allows, whatever the product's size. */
START_TEST(test_every_group)
{
    static const char *const sizes[] = {"300", "20", "4096", "?"};
    for (int group = 64; group <= 1024; group += 64) {
        for (size_t i = 0; i < COUNT(sizes); i++) {
            char spec[120], part[60], *source;
            snprintf(spec, sizeof spec, "matmul m=%s n=%s k=%s workgroup_size=%d", sizes[i],
                     sizes[i], sizes[i], group);
            snprintf(part, sizeof part, "reqd_work_group_size(%d, 1, 1)", group);
            ck_assert_msg(kiln_emit(spec, "gpu", &source) == KILN_OK, "%s: %s", spec,
                          kiln_last_error());
            ck_assert_msg(strstr(source, part) != NULL, "%s: no %s in\n%s", spec, part, source);
            kiln_free(source);
        }
    }
    char *source;
    ck_assert_int_eq(kiln_emit("matmul m=9 n=9 k=9 tile_size=8 workgroup_size=256", "gpu", &source),
                     KILN_UNSUPPORTED);
    ck_assert_ptr_nonnull(
        strstr(kiln_last_error(), "workgroup_size=256: a tile of 8x8 has only 64 elements"));
}
END_TEST

START_TEST(test_emit)
{
    char *source = (char *)"";
    ck_assert_int_eq(kiln_emit(NULL, NULL, &source), KILN_INVALID_ARGUMENT);
    ck_assert_int_eq(kiln_emit("matmul m=1 n=1 k=1", NULL, NULL), KILN_INVALID_ARGUMENT);
    ck_assert_int_eq(kiln_emit("nosuch m=1", NULL, &source), KILN_INVALID_SPEC);
    ck_assert_ptr_null(source);
    ck_assert_int_eq(kiln_emit("matmul m=1 n=1 k=1", "nosuch", &source), KILN_INVALID_ARGUMENT);
    ck_assert_ptr_null(source);
    ck_assert_int_eq(kiln_emit("matmul m=1 n=1 k=1 variant=vector", "gpu", &source),
                     KILN_UNSUPPORTED);
    ck_assert_ptr_null(source);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "simt: variant=vector was asked for"));
    ck_assert_int_eq(kiln_emit("matmul  n=1 m=1 k=1", NULL, &source), KILN_OK);
    ck_assert_ptr_nonnull(strstr(source, "matmul m=1 n=1 k=1 dtype=f32"));
    ck_assert_ptr_nonnull(strstr(source, "decode"));
    kiln_free(source);
    /* A template directory that is wrong is the template's error. */
    ck_assert_int_eq(setenv("KILN_TEMPLATE_DIR", "/nonexistent", 1), 0);
    ck_assert_int_eq(kiln_emit("matmul m=1 n=1 k=1", NULL, &source), KILN_OK);
    kiln_free(source);
    unsetenv("KILN_TEMPLATE_DIR");
}
END_TEST

/* ---- golden sources ---------------------------------------------------------------------- */

static const struct {
    const char *file, *spec, *device;
} golden[] = {
    {"matmul_vector_f32.cl", "matmul m=1000 n=999 k=501", "cpu"},
    {"matmul_skinny_f32.cl", "matmul m=5 n=? k=501", "cpu"},
    {"matmul_swiglu_skinny_nt.cl", "matmul_swiglu m=4 n=70 k=96 gate=split layout=nt dtype=bf16",
     "cpu,simd_width=8"},
    {"matmul_simt_f16.cl", "matmul m=? n=? k=? dtype=f16 variant=simt", "gpu"},
    {"batched_matmul_simt_bf16.cl",
     "batched_matmul batch=3 m=? n=100 k=64 dtype=bf16 trans_a=1 trans_b=1 accumulate=1 "
     "variant=simt",
     "gpu,max_workgroup=256"},
    {"matmul_bias_gelu_simt_bf16.cl",
     "matmul_bias_gelu m=? n=1024 k=512 dtype=bf16 approx=tanh save_pre=1 tile_size=64 "
     "variant=simt",
     "gpu"},
    {"matmul_bias_gelu_wide_f32.cl", "matmul_bias_gelu m=? n=1024 k=512 approx=tanh", "gpu"},
    {"matmul_nt_wgmma_bf16.cl", "matmul_nt m=? n=8192 k=8192 dtype=bf16 tile_size=64", H100},
    {"matmul_tn_mma_bf16.cl", "matmul_tn m=? n=4096 k=4096 dtype=bf16 tile_size=64",
     "gpu,compute_units=108,sm=80,static_local=165888"},
    {"matmul_bias_residual_vector_nt.cl",
     "matmul_bias_residual m=100 n=200 k=300 layout=nt ldc=256", "cpu,simd_width=8"},
    {"gelu_vector_f16.cl", "gelu m=? n=? dtype=f16 approx=none", "cpu"},
    {"bias_add_simt_f32.cl", "bias_add m=100 n=33 variant=simt", "gpu"},
    {"bias_add_wide_bf16.cl", "bias_add m=? n=? dtype=bf16", "gpu"},
    {"softmax_vector_f32.cl", "softmax batch=? m=? n=? causal=1 scale=0.125", "cpu"},
    {"layernorm_backward_simt_bf16.cl",
     "layernorm_backward m=? n=1024 dtype=bf16 out_dtype=f32 accumulate=1 variant=simt", "gpu"},
    {"layernorm_backward_wide_bf16.cl", "layernorm_backward m=? n=1024 dtype=bf16", "gpu"},
    /* Powers of 16 that are exact, whoever computes them. */
    {"rope_vector_bf16.cl",
     "rope tokens=? heads=4 head_dim=24 rotary_dim=8 theta=16 style=gptj dtype=bf16", "cpu"},
    {"embedding_backward_simt_f16.cl",
     "embedding_backward tokens=? vocab=50000 n=1024 dtype=f16 out_dtype=f32 "
     "variant=simt",
     "gpu"},
    {"flash_attention_vector_bf16.cl",
     "flash_attention batch=? seq_q=? seq_k=? heads=4 kv_heads=2 head_dim=24 dtype=bf16 causal=1 "
     "window=5 softcap=2 alibi=1",
     "cpu"},
    {"transpose_vector_bf16.cl", "transpose batch=? m=? n=? dtype=bf16", "cpu"},
    {"cross_entropy_simt_bf16.cl",
     "cross_entropy tokens=? vocab=? dtype=bf16 label_smoothing=0.125 dlogits=1 bad=1 "
     "variant=simt",
     "gpu"},
    {"cross_entropy_wide_bf16.cl", "cross_entropy tokens=? vocab=32000 dtype=bf16 dlogits=1", H100},
    {"dropout_simt_f16.cl", "dropout m=? n=? dtype=f16 variant=simt", "gpu"},
    {"adamw_vector_bf16.cl", "adamw n=? dtype=bf16 clip=1 param_out=1",
     "cpu,simd_width=16,compute_units=4"},
    {"flash_attention_simt_f16.cl",
     "flash_attention batch=? seq_q=? seq_k=? heads=32 kv_heads=8 head_dim=64 dtype=f16 causal=1 "
     "alibi=1",
     "gpu"}};

static char *read_all(const char *path)
{
    kiln_text text = {0};
    char block[4096];
    size_t got;
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return NULL;
    while ((got = fread(block, 1, sizeof block, stream)) > 0)
        kiln_text_add_bytes(&text, block, got);
    fclose(stream);
    return kiln_text_take(&text);
}

static void write_all(const char *path, const char *text)
{
    FILE *stream = fopen(path, "wb");
    ck_assert_msg(stream && fputs(text, stream) >= 0 && fclose(stream) == 0, "cannot write %s",
                  path);
}

START_TEST(test_golden)
{
    const char *srcdir = getenv("srcdir");
    char path[1024], *source;
    snprintf(path, sizeof path, "%s/tests/golden/%s", srcdir ? srcdir : ".", golden[_i].file);
    ck_assert_msg(kiln_emit(golden[_i].spec, golden[_i].device, &source) == KILN_OK, "%s",
                  kiln_last_error());
    if (getenv("KILN_GOLDEN_UPDATE")) {
        write_all(path, source);
    } else {
        char *kept = read_all(path);
        ck_assert_msg(kept != NULL, "%s is missing (KILN_GOLDEN_UPDATE=1 writes it)", path);
        size_t at = 0, line = 1;
        for (; source[at] && source[at] == kept[at]; at++)
            line += source[at] == '\n';
        ck_assert_msg(source[at] == kept[at],
                      "%s:%zu: \"%.60s\" now (KILN_GOLDEN_UPDATE=1 renews it, if it is meant)",
                      path, line, source + at);
        free(kept);
    }
    kiln_free(source);
}
END_TEST

/* ---- clang ------------------------------------------------------------------------------- */

#define CLANG                                                                                      \
    "clang -x cl -cl-std=CL1.2 -Xclang -finclude-default-header -fsyntax-only -Wall -Wextra "      \
    "-Werror -Wno-unused-function -Wno-unused-parameter "                                          \
    "-Wno-unused-but-set-parameter -Wno-unused-but-set-variable "

/* For those with PTX in line, whose constraints are NVIDIA's. */
#define FOR_NVIDIA                                                                                 \
    "-Dasm=__asm__ --target=nvptx64-nvidia-nvcl -Xclang -target-feature -Xclang +ptx75 -Xclang "   \
    "-target-cpu -Xclang sm_86 -Xclang -cl-ext=+cl_khr_fp16 "

static void compile_stage(const char *dir, const char *spec, const char *device, const char *source)
{
    char file[300], log[300], command[1200];
    snprintf(file, sizeof file, "%s/program.cl", dir);
    snprintf(log, sizeof log, "%s/log", dir);
    snprintf(command, sizeof command, CLANG "%s%s >%s 2>&1",
             strstr(device, "sm=") ? FOR_NVIDIA : "", file, log);
    write_all(file, source);
    int result = system(command);
    char *said = read_all(log);
    unlink(file);
    unlink(log);
    ck_assert_msg(result == 0, "%s on %s:\n%s", spec, device, said ? said : "");
    free(said);
}

static void compile(const char *dir, const char *spec, const char *device)
{
    kiln_generated generated;
    kiln_status status = generate(spec, device, &generated);
    if (status == KILN_UNSUPPORTED) /* test_sizes_asked_for looks at these */
        return;
    ck_assert_msg(status == KILN_OK, "%s: %s", spec, kiln_last_error());
    for (size_t s = 0; s < generated.num_stages; s++)
        compile_stage(dir, spec, device, generated.stages[s].source);
    kiln_generated_free(&generated);
}

START_TEST(test_clang)
{
    if (test_quick() && _i % 5 != 2)
        return;
    if (system("command -v clang >/dev/null 2>&1") != 0) {
        fprintf(stderr, "test_clang is skipped: there is no clang\n");
        return;
    }
    const char *tmp = getenv("TMPDIR");
    char dir[200];
    snprintf(dir, sizeof dir, "%s/kiln-generate-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    const kiln_row *row = kiln_row_at((size_t)_i);
    for (size_t a = 0; a < COUNT(asks); a++)
        for (size_t v = 0; v < 3; v++) {
            size_t d = (a * 3 + v + (size_t)_i) % COUNT(devices);
            char *spec = spec_text(row, asks[a].sizes, asks[a].options,
                                   dtypes[(a + v + (size_t)_i) % 3], v == 1 ? "variant=simt" : "");
            compile(dir, spec, v == 1 ? devices[d] : v == 2 ? H100 : devices[d % 6]);
            free(spec);
        }
    static const char *const tiles[] = {"tile_size=8", "tile_size=128"};
    for (size_t t = 0; t < (has_option(row, "tile_size", 9) ? COUNT(tiles) : 0); t++) {
        char *spec = spec_text(row, "300", "", dtypes[(size_t)_i % 3], tiles[t]);
        compile(dir, spec, t ? "cpu,simd_width=4" : "cpu");
        compile(dir, spec, "gpu");
        free(spec);
    }
    rmdir(dir);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("generate");
    TCase *tests = tcase_create("generate");
    int rows = (int)kiln_num_rows();
    unsetenv("KILN_TEMPLATE_DIR");
    tcase_set_timeout(tests, 600);
    tcase_add_loop_test(tests, test_never_refused, 0, rows);
    tcase_add_loop_test(tests, test_sizes_asked_for, 0, rows);
    tcase_add_loop_test(tests, test_attention_fits, 0, 64);
    tcase_add_test(tests, test_sizes_are_honoured);
    tcase_add_test(tests, test_every_group);
    tcase_add_test(tests, test_emit);
    tcase_add_loop_test(tests, test_golden, 0, (int)COUNT(golden));
    tcase_add_loop_test(tests, test_clang, 0, rows);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
