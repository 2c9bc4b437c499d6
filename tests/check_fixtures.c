/* The oracle and every kernel against what PyTorch computed: tests/golden/fixtures, made by
 * tests/golden/make_fixtures.py, which tells the format. */
#include "context.h"
#include "support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const files[] = {
    "matmul",
    "matmul_nt",
    "matmul_tn",
    "transpose",
    "bias_add",
    "bias_backward",
    "gelu",
    "gelu_backward",
    "swiglu",
    "swiglu_backward",
    "rope",
    "softmax",
    "softmax_backward",
    "layernorm",
    "layernorm_backward",
    "rmsnorm",
    "rmsnorm_backward",
    "cross_entropy",
    "embedding",
    "embedding_backward",
    "grad_norm",
    "adamw",
    "layernorm_matmul",
    "rmsnorm_matmul",
    "gelu_matmul",
    "matmul_gelu_backward",
    "matmul_swiglu",
    "qkv_projection",
    "residual_layernorm",
    "residual_rmsnorm",
    "flash_attention",
    "flash_attention_backward",
};
static const char *const variants[] = {"vector", "simt"};

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define LINE         256

/* ---- reading ------------------------------------------------------------------------------- */

typedef struct stored {
    bool is_output;
    char name[32], type[8];
    size_t rank, count;
    int64_t extents[KILN_MAX_RANK];
    const unsigned char *data;
} stored;

typedef struct fixture {
    char spec[LINE], args[LINE];
    double oracle;
    stored tensors[TEST_MAX_TENSORS];
    size_t num_tensors;
} fixture;

typedef struct reader {
    const char *file;
    const unsigned char *at, *end;
} reader;

static void next_line(reader *r, char line[LINE])
{
    const unsigned char *stop = memchr(r->at, '\n', (size_t)(r->end - r->at));
    ck_assert_msg(stop && stop - r->at < LINE, "%s: a header's line has no end", r->file);
    memcpy(line, r->at, (size_t)(stop - r->at));
    line[stop - r->at] = '\0';
    r->at = stop + 1;
}

static size_t type_size(const char *type)
{
    return strcmp(type, "f64") == 0                               ? 8
           : strcmp(type, "f32") == 0 || strcmp(type, "i32") == 0 ? 4
                                                                  : 2;
}

/* "in NAME TYPE EXTENT..." or "out ..." */
static void read_tensor(const reader *r, fixture *f, const char *line)
{
    char side[8];
    int length = 0;
    ck_assert_msg(f->num_tensors < TEST_MAX_TENSORS, "%s: %s: too many tensors", r->file, f->spec);
    stored *t = &f->tensors[f->num_tensors++];
    ck_assert_msg(sscanf(line, "%7s %31s %7s%n", side, t->name, t->type, &length) == 3,
                  "%s: no header's line: %s", r->file, line);
    t->is_output = strcmp(side, "out") == 0;
    t->count = 1;
    for (const char *rest = line + length; *rest == ' ' && t->rank < KILN_MAX_RANK; t->rank++) {
        char *stop;
        t->extents[t->rank] = strtoll(rest, &stop, 10);
        t->count *= (size_t)t->extents[t->rank];
        rest = stop;
    }
}

static void read_header(reader *r, fixture *f)
{
    char line[LINE];
    memset(f, 0, sizeof *f);
    next_line(r, line);
    ck_assert_msg(strncmp(line, "kiln fixture 1,", 15) == 0, "%s: a case starts with: %s", r->file,
                  line);
    for (next_line(r, line); strcmp(line, "data") != 0; next_line(r, line))
        if (strncmp(line, "spec ", 5) == 0)
            memcpy(f->spec, line + 5, LINE - 5);
        else if (strncmp(line, "args ", 5) == 0)
            memcpy(f->args, line + 5, LINE - 5);
        else if (strncmp(line, "oracle ", 7) == 0)
            f->oracle = strtod(line + 7, NULL);
        else
            read_tensor(r, f, line);
}

static void read_fixture(reader *r, fixture *f)
{
    read_header(r, f);
    for (size_t i = 0; i < f->num_tensors; i++) {
        stored *t = &f->tensors[i];
        size_t size = t->count * type_size(t->type);
        ck_assert_msg((size_t)(r->end - r->at) >= size, "%s: %s: data of %s ends early", r->file,
                      f->spec, t->name);
        t->data = r->at;
        r->at += size;
    }
}

static kiln_dtype dtype_of(const stored *t)
{
    return strcmp(t->type, "i32") == 0    ? KILN_I32
           : strcmp(t->type, "f16") == 0  ? KILN_F16
           : strcmp(t->type, "bf16") == 0 ? KILN_BF16
                                          : KILN_F32;
}

static double value_of(const stored *t, size_t i)
{
    size_t size = type_size(t->type);
    uint64_t bits = 0;
    for (size_t byte = 0; byte < size; byte++)
        bits |= (uint64_t)t->data[i * size + byte] << 8 * byte;
    if (size < 8)
        return reference_decode(dtype_of(t), (uint32_t)bits);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static const stored *stored_of(const fixture *f, const char *name, bool is_output, size_t count)
{
    for (size_t i = 0; i < f->num_tensors; i++)
        if (f->tensors[i].is_output == is_output && strcmp(f->tensors[i].name, name) == 0) {
            ck_assert_msg(f->tensors[i].count == count, "%s: %s has %zu elements, the kernel's %zu",
                          f->spec, name, f->tensors[i].count, count);
            return &f->tensors[i];
        }
    ck_abort_msg("%s: the fixture has no %s", f->spec, name);
    return NULL;
}

/* Reads the file's cases, one by one. */
static void each_case(const char *file, void (*run)(fixture *f))
{
    enum { MOST = 1 << 17 };
    const char *srcdir = getenv("srcdir");
    const char *path =
        test_format("%s/tests/golden/fixtures/%s.fixture", srcdir ? srcdir : ".", file);
    unsigned char *bytes = malloc(MOST);
    FILE *in = fopen(path, "rb");
    ck_assert_msg(bytes && in, "%s cannot be opened", path);
    size_t size = fread(bytes, 1, MOST, in);
    ck_assert_msg(size > 0 && size < MOST, "%s has %zu bytes", path, size);
    fclose(in);
    fixture f;
    for (reader r = {file, bytes, bytes + size}; r.at < r.end;) {
        read_fixture(&r, &f);
        run(&f);
    }
    free(bytes);
}

/* ---- the oracle ---------------------------------------------------------------------------- */

/* A tensor that is read and written stands twice in the file, and once in the call. */
static reference_tensor *tensor_of(reference_call *call, const stored *t)
{
    reference_tensor *tensor = reference_find(call, t->name);
    if (tensor)
        return tensor;
    tensor = &call->tensors[call->num_tensors++];
    *tensor = (reference_tensor){
        .name = t->name, .dtype = dtype_of(t), .rank = t->rank, .count = t->count};
    memcpy(tensor->extents, t->extents, sizeof t->extents);
    tensor->values = calloc(t->count, sizeof(double));
    tensor->terms = calloc(t->count, sizeof(double));
    ck_assert(tensor->values && tensor->terms);
    return tensor;
}

static void compare_oracle(const fixture *f, const reference_tensor *tensor, const stored *t)
{
    double error = 0, size = 0;
    for (size_t i = 0; i < tensor->count; i++) {
        double ours = tensor->values[i], theirs = value_of(t, i);
        if (ours == theirs) /* inf among them */
            continue;
        error = hypot(error, ours - theirs);
        size = hypot(size, hypot(theirs, tensor->terms[i]));
    }
    ck_assert_msg(error <= f->oracle * size, "%s: the oracle's %s is %.3g of %.3g away", f->spec,
                  t->name, error, size);
}

static void run_oracle(fixture *f)
{
    reference_tensor tensors[TEST_MAX_TENSORS];
    reference_call call = {f->spec, f->args, tensors, 0};
    for (size_t i = 0; i < f->num_tensors; i++) {
        const stored *t = &f->tensors[i];
        reference_tensor *tensor = tensor_of(&call, t);
        tensor->is_output |= t->is_output;
        tensor->is_input |= !t->is_output;
        for (size_t e = 0; e < t->count && !t->is_output; e++)
            tensor->values[e] = value_of(t, e);
    }
    ck_assert_msg(reference_run(&call), "%s: there is no oracle of that name", f->spec);
    for (size_t i = 0; i < f->num_tensors; i++)
        if (f->tensors[i].is_output)
            compare_oracle(f, reference_find(&call, f->tensors[i].name), &f->tensors[i]);
    for (size_t i = 0; i < call.num_tensors; i++) {
        free(tensors[i].values);
        free(tensors[i].terms);
    }
}

START_TEST(test_oracle)
{
    each_case(files[_i], run_oracle);
}
END_TEST

/* ---- the kernels --------------------------------------------------------------------------- */

static void fill(void *user, const reference_tensor *tensor, double *values)
{
    const stored *t = stored_of(user, tensor->name, false, tensor->count);
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = value_of(t, i);
}

/* PyTorch's values in place of the oracle's. What may cancel and what has to be exact stays as the
 * oracle tells it. */
static void take_values(const fixture *f, reference_tensor *tensor)
{
    const stored *t = stored_of(f, tensor->name, true, tensor->count);
    for (size_t i = 0; i < tensor->count; i++)
        tensor->values[i] = value_of(t, i);
}

/* False if the device has no such variant. */
static bool run_variant(fixture *f, const char *variant)
{
    char spec[2 * LINE];
    kiln_kernel *kernel;
    test_launch launch;
    snprintf(spec, sizeof spec, "%s variant=%s", f->spec, variant);
    kiln_status status = kiln_create_kernel(test_context, spec, &kernel);
    if (status == KILN_UNSUPPORTED)
        return false;
    ck_assert_msg(status == KILN_OK, "%s: %s", spec, kiln_last_error());
    test_case c = {.spec = spec, .args = f->args, .misalign = 1, .fill = fill, .user = f};
    test_prepare(&c, kernel, &launch);
    test_execute(&launch);
    test_check_untouched(&launch, false);
    test_reference(&launch);
    for (size_t i = 0; i < launch.num_tensors; i++)
        if (launch.tensors[i].info.is_output)
            take_values(f, &launch.tensors[i].dense);
    test_check_outputs(&launch);
    test_discard(&launch);
    return true;
}

/* In one variant, by the spec, or what runs here: the sweeps elsewhere have both. On a GPU in all.
 */
static void run_kernel(fixture *f)
{
    int ran = 0;
    for (size_t v = 0; v < COUNT(variants); v++)
        if (test_seed(f->spec) % COUNT(variants) == v)
            ran += run_variant(f, variants[v]);
    for (size_t v = 0; v < COUNT(variants) && ran == 0; v++)
        ran += run_variant(f, variants[v]);
    const char *variant;
    for (size_t v = 0; !test_context->facts.cpu && (variant = test_gpu_variant(f->spec, v)); v++)
        ran += run_variant(f, variant);
    ck_assert_msg(ran > 0, "%s: no variant runs here: %s", f->spec, kiln_last_error());
}

START_TEST(test_kernels)
{
    each_case(files[_i], run_kernel);
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    Suite *suite = suite_create("fixtures");
    TCase *tests = tcase_create("fixtures");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, test_oracle, 0, (int)COUNT(files));
    tcase_add_loop_test(tests, test_kernels, 0, (int)COUNT(files));
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
