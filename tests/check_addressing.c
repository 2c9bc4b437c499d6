/* 64-bit addresses: every kernel, as generated, on tensors of more than 2^32 elements.
 *
 * The tensors are addresses with nothing behind them (sparse.h); only the last work-groups of each
 * launch run, those whose indexes are largest, and what they touch is noted. It has to be the end
 * of each tensor, or, where a row length spreads a few rows over the addresses, those rows: an
 * index that lost its upper bits touches something else.
 */
#include "context.h"
#include "kernel.h"
#include "scalars.h"
#include "sparse.h"
#include "support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const variants[] = {"vector", "simt"};

/* ---- sizes ------------------------------------------------------------------------------- */

/* A tensor is large above this many elements, padding included. n alone is below 2^31. */
#define LARGE (INT64_C(1) << 30)

/* Every row of the registry stands here. Small tiles compile faster. */
static const char *const specs[] = {
    "matmul m=5 n=5 k=5 lda=1500000000 ldb=1500000000 ldc=1500000000",
    "matmul m=65537 n=65537 k=3 tile_size=16 dtype=bf16",
    "matmul_nt m=5 n=5 k=5 tile_size=16 lda=1500000000 ldb=1500000000 ldc=1500000000 dtype=bf16",
    "matmul_tn m=5 n=5 k=5 tile_size=16 lda=1500000000 ldb=1500000000 ldc=1500000000 dtype=f16",
    "batched_matmul batch=1048577 m=64 n=64 k=64 tile_size=16",
    "batched_matmul batch=3 m=3 n=3 k=3 tile_size=16 trans_a=1 trans_b=1 lda=700000000 "
    "ldb=700000000 "
    "ldc=700000000 dtype=bf16 accumulate=1",
    "matmul_bias_gelu m=5 n=5 k=5 tile_size=16 lda=1500000000 ldb=1500000000 ldc=1500000000 "
    "save_pre=1 "
    "approx=tanh",
    "matmul_bias_residual m=5 n=5 k=5 tile_size=16 lda=1500000000 ldb=1500000000 ldc=1500000000 "
    "layout=nt "
    "dtype=f16",
    "layernorm_matmul m=5 n=5 k=5 tile_size=16 lda=1500000000 ldb=1500000000 ldc=1500000000 bias=1",
    "rmsnorm_matmul m=5 n=5 k=5 tile_size=16 lda=1500000000 ldb=1500000000 ldc=1500000000 "
    "save_stats=1 dtype=f16",
    /* The ends of q, k and v in one tile. */
    "qkv_projection m=1500000000 k=3 heads=1 kv_heads=1 head_dim=3 tile_size=16",
    "qkv_projection m=65537 k=3 heads=65537 kv_heads=1 head_dim=3 tile_size=16 bias=1 dtype=bf16",
    "matmul_swiglu m=5 n=5 k=5 tile_size=16 lda=1500000000 ldb=1500000000 ldc=1500000000 "
    "gate=interleaved layout=nt dtype=bf16",
    "matmul_swiglu m=65537 n=65537 k=3 tile_size=16 gate=split save_pre=1 dtype=bf16",
    "matmul_gelu_backward m=5 n=5 k=5 tile_size=16 lda=1500000000 ldb=1500000000 ldc=1500000000 "
    "approx=tanh dbias=1",
    "gelu_matmul m=5 n=5 k=5 tile_size=16 lda=1500000000 ldb=1500000000 ldc=1500000000 approx=none",
    "pack n=65537 k=65537 ldb=65600",
    "pack n=65537 k=65537 layout=nt dtype=bf16",
    "transpose batch=1 m=65537 n=65537",
    "transpose batch=1048577 m=64 n=65 dtype=f16",
    "bias_add m=65537 n=65537 dtype=bf16",
    "bias_backward m=262145 n=16385",
    "residual_add m=65537 n=65537",
    "gelu m=65537 n=65537 approx=tanh dtype=f16",
    "gelu_backward m=65537 n=65537 approx=tanh",
    "swiglu m=65537 n=65537 layout=split dtype=bf16",
    "swiglu m=65537 n=65537 layout=interleaved",
    "swiglu_backward m=65537 n=65537 layout=split",
    "swiglu_backward m=65537 n=65537 layout=interleaved dtype=f16",
    "dropout m=65537 n=65537",
    "rope tokens=2097153 heads=16 head_dim=128 style=neox dtype=bf16",
    "rope tokens=2097153 heads=17 head_dim=128 rotary_dim=64 style=gptj",
    "softmax batch=1 m=65537 n=65537 causal=1",
    "softmax_backward batch=65537 m=1 n=65537 dtype=bf16",
    "layernorm m=65537 n=65537",
    "residual_layernorm m=65537 n=65537 dtype=bf16",
    "residual_rmsnorm m=65537 n=65537",
    "layernorm_backward m=65537 n=65537 dtype=bf16",
    "rmsnorm m=65537 n=65537 dtype=f16",
    "rmsnorm_backward m=65537 n=65537",
    "cross_entropy tokens=65537 vocab=65538 dlogits=1 bad=1",
    "embedding tokens=65537 vocab=65538 n=65537 bad=1 dtype=bf16",
    "embedding_backward tokens=65537 vocab=65538 n=65537",
    "flash_attention batch=131073 seq_q=32 seq_k=32 heads=8 kv_heads=8 head_dim=128 dtype=bf16",
    "flash_attention_backward batch=131073 seq_q=32 seq_k=32 heads=8 kv_heads=8 head_dim=128",
    "grad_norm n=2147483647",
    "adamw n=2147483647 param_out=1 dtype=bf16",
};

static bool is_of(const char *spec, const char *row)
{
    size_t length = strlen(row);
    return strncmp(spec, row, length) == 0 && spec[length] == ' ';
}

START_TEST(test_every_row)
{
    for (size_t r = 0; r < kiln_num_rows(); r++) {
        size_t i = 0;
        while (i < COUNT(specs) && !is_of(specs[i], kiln_row_at(r)->name))
            i++;
        ck_assert_msg(i < COUNT(specs), "%s: no sizes above 2^32 elements stand here",
                      kiln_row_at(r)->name);
    }
}
END_TEST

/* ---- a kernel and its tensors ------------------------------------------------------------- */

typedef struct {
    kiln_kernel kernel; /* spec and program texts; not built */
    kiln_context around;
    int64_t dims[KILN_MAX_DIMS];
    kiln_sizes sizes;
    kiln_passed_values passed;
    sparse *tensors[KILN_MAX_PARAMETERS], *scratch[KILN_MAX_SCRATCH];
    cl_mem buffers[KILN_MAX_PARAMETERS], scratch_buffers[KILN_MAX_SCRATCH];
} setup;

/* The text with `?` for every dimension that may be left to the launch. */
static void leave_open(const char *spec, const kiln_spec *parsed, kiln_text *open)
{
    const kiln_row *row = parsed->row;
    kiln_text_add(open, row->name);
    for (const char *word = spec + strlen(row->name) + 1; *word; word += strspn(word, " ")) {
        size_t length = strcspn(word, " "), name = strcspn(word, "=");
        char key[32];
        snprintf(key, sizeof key, "%.*s", (int)name, word);
        bool is_open =
            kiln_row_dim(row, key) >= 0 && !(row->literal && kiln_expr_mentions(row->literal, key));
        kiln_text_addf(open, " %.*s", (int)(is_open ? name : length), word);
        if (is_open)
            kiln_text_add(open, "=?");
        word += length;
    }
}

/* Scalars that every row takes; the integers among them are 1. */
static void pass_scalars(setup *s)
{
    const kiln_signature *signature = &s->kernel.generated.signature;
    kiln_arg args[KILN_MAX_PARAMETERS];
    const kiln_arg *of[KILN_MAX_PARAMETERS] = {NULL};
    for (size_t p = 0; p < signature->count; p++) {
        const kiln_parameter *parameter = &signature->parameters[p];
        if (parameter->kind != KILN_ARG_SCALAR)
            continue;
        bool drops = strcmp(parameter->name, "p") == 0; /* what is dropped is not read */
        double value = parameter->number->integer ? 1 : drops ? 0 : 0.5;
        args[p] = kiln_scalar(parameter->name, value);
        of[p] = &args[p];
    }
    test_ok(kiln_scalars_pass(&s->kernel, of, &s->passed));
}

/* False if the row has no variant of that name yet. */
static bool generate(setup *s, const char *spec, const char *variant, bool launch_time)
{
    memset(s, 0, sizeof *s);
    kiln_spec literal;
    test_ok(kiln_spec_parse(spec, &literal));
    memcpy(s->dims, literal.dims, sizeof s->dims);
    kiln_text text = {0};
    if (launch_time)
        leave_open(spec, &literal, &text);
    else
        kiln_text_add(&text, spec);
    kiln_text_addf(&text, " variant=%s", variant);
    kiln_spec_free(&literal);
    test_ok(kiln_spec_parse(text.data, &s->kernel.spec));
    kiln_text_free(&text);
    /* Of a larger machine, so that a group takes few rows. */
    s->around.facts = test_context->facts;
    s->around.facts.compute_units = 256;
    s->kernel.context = &s->around;
    kiln_status status =
        kiln_generate(&s->kernel.spec, &s->around.facts, NULL, &s->kernel.generated);
    if (status == KILN_UNSUPPORTED && !s->kernel.spec.row->variants[0]) {
        printf("skipped: %s\n", kiln_last_error());
        kiln_spec_free(&s->kernel.spec);
        return false;
    }
    ck_assert_msg(status == KILN_OK, "%s: %s", spec, kiln_last_error());
    test_ok(kiln_kernel_sizes(&s->kernel, s->dims, &s->sizes));
    pass_scalars(s);
    return true;
}

/* A buffer over the region's first chunk: kernels go as far as they are told. */
static cl_mem cover(const sparse *s)
{
    cl_int code;
    cl_mem buffer = clCreateBuffer(test_context->cl, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR,
                                   SPARSE_CHUNK, s->region, &code);
    ck_assert_int_eq(code, CL_SUCCESS);
    return buffer;
}

static sparse *must_make(size_t bytes)
{
    sparse *s = sparse_make(bytes);
    if (!s) {
        printf("no room for %zu bytes of addresses\n", bytes);
        exit(77);
    }
    return s;
}

static void make_tensors(setup *s)
{
    const kiln_signature *signature = &s->kernel.generated.signature;
    for (size_t p = 0; p < signature->count; p++) {
        const kiln_parameter *parameter = &signature->parameters[p];
        if (parameter->kind != KILN_ARG_BUFFER)
            continue;
        size_t bytes = (size_t)s->sizes.extents[p].bytes;
        s->tensors[p] = must_make(bytes);
        s->buffers[p] = cover(s->tensors[p]);
        if (parameter->dtype != KILN_I32 || !parameter->is_input)
            continue;
        /* Ids, targets and positions count up: the last token has the last of all. */
        sparse_open(s->tensors[p], bytes);
        int32_t *numbers = (int32_t *)(void *)s->tensors[p]->memory;
        size_t count = bytes / sizeof *numbers;
        for (size_t i = 0; i < count; i++)
            numbers[i] = (int32_t)i + 1;
    }
    for (size_t i = 0; i < KILN_MAX_SCRATCH; i++) {
        if (!s->kernel.generated.scratch[i])
            continue;
        /* From the region's start on: an offset is no argument of scratch. */
        s->scratch[i] = must_make(s->sizes.scratch[i]);
        cl_int code;
        s->scratch_buffers[i] =
            clCreateBuffer(test_context->cl, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, SPARSE_CHUNK,
                           s->scratch[i]->memory, &code);
        ck_assert_int_eq(code, CL_SUCCESS);
    }
}

static void discard(setup *s)
{
    for (size_t p = 0; p < KILN_MAX_PARAMETERS; p++)
        if (s->buffers[p])
            clReleaseMemObject(s->buffers[p]);
    for (size_t i = 0; i < KILN_MAX_SCRATCH; i++)
        if (s->scratch_buffers[i])
            clReleaseMemObject(s->scratch_buffers[i]);
    sparse_drop_all();
    kiln_generated_free(&s->kernel.generated);
    kiln_spec_free(&s->kernel.spec);
}

/* ---- running the last groups --------------------------------------------------------------- */

/* So few groups run all, of more the last two. */
#define FEW 80

static void set_arguments(const setup *s, cl_kernel kernel)
{
    const kiln_signature *signature = &s->kernel.generated.signature;
    cl_uint index = 0;
    cl_int code = CL_SUCCESS;
    for (size_t p = 0; p < signature->count; p++) {
        const kiln_parameter *parameter = &signature->parameters[p];
        cl_ulong offset =
            SPARSE_FRONT /
            (parameter->kind == KILN_ARG_BUFFER ? kiln_dtype_size(parameter->dtype) : 1);
        if (parameter->kind == KILN_ARG_DIM)
            code |= clSetKernelArg(kernel, index++, sizeof(cl_long), &s->dims[parameter->dim]);
        if (parameter->kind != KILN_ARG_BUFFER)
            continue;
        code |= clSetKernelArg(kernel, index++, sizeof(cl_mem), &s->buffers[p]);
        code |= clSetKernelArg(kernel, index++, sizeof offset, &offset);
    }
    for (size_t i = 0; i < s->passed.count; i++)
        code |= clSetKernelArg(kernel, index++, s->passed.sizes[i], s->passed.bytes[i]);
    for (size_t i = 0; i < KILN_MAX_SCRATCH; i++)
        if (s->scratch_buffers[i])
            code |= clSetKernelArg(kernel, index++, sizeof(cl_mem), &s->scratch_buffers[i]);
    ck_assert_int_eq(code, CL_SUCCESS);
}

/* A stage's program in which the group numbers start at first. */
static cl_program build(const setup *s, size_t stage, size_t first, size_t groups,
                        const char *source)
{
    kiln_text text = {0};
    kiln_text_addf(&text,
                   "#define get_group_id(i) (get_group_id(i) + %zuul)\n"
                   "#define get_num_groups(i) %zuul\n"
                   "#define get_global_id(i) use get_group_id instead\n"
                   "#define get_global_size(i) use get_num_groups instead\n"
                   "%s",
                   first, groups, source);
    const char *data = text.data;
    cl_int code;
    cl_program program = clCreateProgramWithSource(test_context->cl, 1, &data, NULL, &code);
    ck_assert_int_eq(code, CL_SUCCESS);
    code = clBuildProgram(program, 1, &test_context->device, kiln_build_options, NULL, NULL);
    ck_assert_msg(code == CL_SUCCESS, "%s, stage %zu: %d from clBuildProgram", s->kernel.spec.text,
                  stage, code);
    kiln_text_free(&text);
    return program;
}

static void run_stage(const setup *s, size_t stage, const char *source)
{
    size_t local = s->sizes.local[stage], groups = s->sizes.global[stage] / local;
    size_t run = groups <= FEW ? groups : 2, global = run * local;
    cl_program program = build(s, stage, groups - run, groups, source);
    cl_int code;
    cl_kernel kernel = clCreateKernel(program, s->kernel.generated.stages[stage].entry, &code);
    ck_assert_int_eq(code, CL_SUCCESS);
    set_arguments(s, kernel);
    code = clEnqueueNDRangeKernel(test_queue, kernel, 1, NULL, &global, &local, 0, NULL, NULL);
    ck_assert_int_eq(code, CL_SUCCESS);
    ck_assert_int_eq(clFinish(test_queue), CL_SUCCESS);
    clReleaseKernel(kernel);
    clReleaseProgram(program);
}

/* ---- what was touched ---------------------------------------------------------------------- */

/* Whether the chunk belongs to the end of the tensor, or to one of its rows far apart. */
static bool belongs(const kiln_extents *extents, size_t element, int64_t offset)
{
    int64_t bytes = (int64_t)extents->bytes, width = extents->extents[extents->rank - 1];
    if (offset < 0 || offset >= bytes)
        return false;
    if (bytes / (int64_t)element <= LARGE)
        return true;
    if (extents->stride <= width)
        return offset >= bytes / 4 * 3;
    int64_t stride = extents->stride * (int64_t)element;
    int64_t behind = (offset + SPARSE_CHUNK - 1) % stride; /* its last byte behind a row's start */
    return behind < width * (int64_t)element + SPARSE_CHUNK - 1;
}

/* NULL, or what is wrong with a tensor. */
static const char *wrong_touch(const setup *s, size_t p)
{
    const kiln_parameter *parameter = &s->kernel.generated.signature.parameters[p];
    const kiln_extents *extents = &s->sizes.extents[p];
    size_t element = kiln_dtype_size(parameter->dtype);
    bool last = false;
    int64_t offset;
    for (size_t chunk = 0; sparse_next(s->tensors[p], &chunk, &offset); chunk++) {
        if (!belongs(extents, element, offset))
            return test_format("%s is touched at byte %lld of %lld", parameter->name,
                               (long long)offset, (long long)extents->bytes);
        /* The very last element may be one that dropout does not read. */
        last = last || offset + 2 * SPARSE_CHUNK >= (int64_t)extents->bytes;
    }
    if (!last && extents->bytes / element > (uint64_t)LARGE)
        return test_format("the end of %s is not touched", parameter->name);
    return NULL;
}

static const char *check_touched(const setup *s)
{
    const kiln_signature *signature = &s->kernel.generated.signature;
    const char *wrong = NULL;
    bool large = false;
    int64_t offset;
    for (size_t p = 0; p < signature->count && !wrong; p++) {
        if (signature->parameters[p].kind != KILN_ARG_BUFFER)
            continue;
        size_t element = kiln_dtype_size(signature->parameters[p].dtype);
        large = large || s->sizes.extents[p].bytes / element > (uint64_t)LARGE;
        wrong = wrong_touch(s, p);
    }
    for (size_t i = 0; i < KILN_MAX_SCRATCH && !wrong; i++)
        for (size_t chunk = 0; s->scratch[i] && sparse_next(s->scratch[i], &chunk, &offset);
             chunk++)
            if (offset < 0 || offset >= (int64_t)s->scratch[i]->bytes)
                wrong = test_format("scratch is touched at byte %lld of %zu", (long long)offset,
                                    s->scratch[i]->bytes);
    ck_assert_msg(large, "%s: no tensor is large", s->kernel.spec.text);
    return wrong;
}

/* ---- tests --------------------------------------------------------------------------------- */

START_TEST(test_last_groups)
{
    const char *spec = specs[_i / 4], *variant = variants[_i / 2 % 2];
    static setup s;
    if (test_quick() && _i % 9 != 0)
        return;
    /* Of the two variants one with sizes that are known, the other with sizes of the launch. */
    if ((_i + _i / 2 + _i / 4) % 2 != 0)
        return;
    char row[64];
    snprintf(row, sizeof row, "%.*s", (int)strcspn(spec, " "), spec);
    if (!kiln_row_find(row)) {
        printf("skipped: the registry has no %s\n", row);
        return;
    }
    if (!generate(&s, spec, variant, _i % 2))
        return;
    make_tensors(&s);
    for (size_t stage = 0; stage < s.kernel.generated.num_stages; stage++)
        run_stage(&s, stage, s.kernel.generated.stages[stage].source);
    const char *wrong = check_touched(&s);
    ck_assert_msg(!wrong, "%s: %s", s.kernel.spec.text, wrong);
    discard(&s);
}
END_TEST

/* The test sees what it is for: a kernel whose index is cut to 32 bits, of either kind. */
START_TEST(test_cut_index)
{
    static const char *const casts[] = {"(uint)", "(int)"};
    static const char index[] = "const ulong first = ";
    static setup s;
    ck_assert(generate(&s, "residual_add m=65537 n=65537", "simt", _i / 2));
    const char *source = s.kernel.generated.stages[0].source;
    const char *at = strstr(source, index);
    ck_assert_ptr_nonnull(at);
    at += strlen(index);
    kiln_text cut = {0};
    kiln_text_addf(&cut, "%.*s%s%s", (int)(at - source), source, casts[_i % 2], at);
    make_tensors(&s);
    run_stage(&s, 0, cut.data);
    kiln_text_free(&cut);
    const char *wrong = check_touched(&s);
    ck_assert_msg(wrong && strstr(wrong, "is touched at byte"), "%s", wrong ? wrong : "unseen");
    discard(&s);
}
END_TEST

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_open();
    /* Only where a kernel's addresses are the process's. */
    if (!test_context->facts.cpu) {
        printf("the device is no CPU: its kernels do not see these addresses\n");
        return 77;
    }
    Suite *suite = suite_create("addressing");
    TCase *tests = tcase_create("addressing");
    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, test_every_row);
    tcase_add_loop_test(tests, test_cut_index, 0, 4);
    tcase_add_loop_test(tests, test_last_groups, 0, 4 * (int)COUNT(specs));
    suite_add_tcase(suite, tests);
    int failed = test_main(suite);
    test_close();
    return failed;
}
