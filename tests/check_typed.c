/* The typed creators as data: each row's parameters are the fields of its struct. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "spec.h"
#include "typed.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const kiln_typed *typed_of(const char *kernel)
{
    const kiln_typed *typed, *found = NULL;
    for (size_t i = 0; (typed = kiln_typed_at(i)); i++) {
        if (strcmp(typed->kernel, kernel) == 0) {
            ck_assert_msg(!found, "%s is there twice", kernel);
            found = typed;
        }
    }
    ck_assert_msg(found != NULL, "%s has no typed creator", kernel);
    return found;
}

/* ---- the table --------------------------------------------------------------------------- */

START_TEST(test_one_for_each_row)
{
    size_t count = 0;
    while (kiln_typed_at(count))
        count++;
    ck_assert_uint_eq(count, kiln_num_kernels());
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(typed_of(kiln_kernel_name(i))->kernel, kiln_kernel_name(i));
    ck_assert_ptr_null(kiln_typed_at(count + 1));
}
END_TEST

static kiln_field_type expected_type(const kiln_option *option)
{
    if (option->type == KILN_OPTION_INT)
        return strcmp(option->name, "beta") == 0 ? KILN_FIELD_SWITCH : KILN_FIELD_INT;
    if (option->type == KILN_OPTION_REAL)
        return KILN_FIELD_REAL;
    if (strcmp(option->name, "dtype") == 0 || strcmp(option->name, "out_dtype") == 0)
        return KILN_FIELD_DTYPE;
    if (strcmp(option->name, "approx") == 0)
        return KILN_FIELD_APPROX;
    if (strcmp(option->name, "compute") == 0)
        return KILN_FIELD_COMPUTE;
    if (strcmp(option->name, "gate") == 0)
        return KILN_FIELD_GATE;
    if (strcmp(option->name, "layout") == 0)
        return option->fallback ? KILN_FIELD_LAYOUT : KILN_FIELD_GATE;
    if (strcmp(option->name, "style") == 0)
        return KILN_FIELD_STYLE;
    return KILN_FIELD_STRING;
}

START_TEST(test_fields_are_the_parameters)
{
    for (size_t r = 0; r < kiln_num_rows(); r++) {
        const kiln_row *row = kiln_row_at(r);
        const kiln_field *fields = typed_of(row->name)->fields;
        size_t num_fields = 0, num_parameters = 0;
        while (fields[num_fields].name)
            num_fields++;
        for (size_t f = 0; f < num_fields; f++)
            for (size_t g = 0; g < f; g++)
                ck_assert_msg(strcmp(fields[f].name, fields[g].name) != 0 &&
                                  fields[f].offset != fields[g].offset,
                              "%s: %s and %s", row->name, fields[f].name, fields[g].name);
        for (size_t d = 0; d < KILN_MAX_DIMS && row->dims[d]; d++, num_parameters++) {
            size_t f = 0;
            while (f < num_fields && strcmp(fields[f].name, row->dims[d]) != 0)
                f++;
            ck_assert_msg(f < num_fields, "%s: no field for %s", row->name, row->dims[d]);
            ck_assert_int_eq(fields[f].type, KILN_FIELD_DIM);
        }
        const kiln_option *option;
        for (size_t o = 0; (option = kiln_row_option(row, o)); o++, num_parameters++) {
            size_t f = 0;
            while (f < num_fields && strcmp(fields[f].name, option->name) != 0)
                f++;
            ck_assert_msg(f < num_fields, "%s: no field for %s", row->name, option->name);
            ck_assert_msg(fields[f].type == expected_type(option), "%s: %s", row->name,
                          option->name);
        }
        ck_assert_msg(num_fields == num_parameters, "%s: %zu fields for %zu parameters", row->name,
                      num_fields, num_parameters);
    }
}
END_TEST

/* ---- specs ------------------------------------------------------------------------------- */

static void gives(const char *kernel, const void *params, const char *expected)
{
    kiln_text text = {0};
    kiln_status status = kiln_typed_spec(typed_of(kernel), params, &text);
    ck_assert_msg(status == KILN_OK, "%s: %s", kernel, kiln_last_error());
    ck_assert_str_eq(text.data, expected);
    kiln_text_free(&text);
}

static void refuse(const char *kernel, const void *params, const char *part)
{
    kiln_text text = {0};
    kiln_status status = kiln_typed_spec(typed_of(kernel), params, &text);
    ck_assert_msg(status == KILN_INVALID_SPEC, "%s: %d %s", kernel, status,
                  text.data ? text.data : "");
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), kernel));
    ck_assert_msg(strstr(kiln_last_error(), part), "\"%s\" lacks \"%s\"", kiln_last_error(), part);
    kiln_text_free(&text);
}

START_TEST(test_specs)
{
    kiln_matmul_params matmul = {.m = 1, .n = 2, .k = 3};
    gives("matmul", &matmul, "matmul m=1 n=2 k=3");
    gives("matmul_nt", &matmul, "matmul_nt m=1 n=2 k=3");
    gives("matmul_tn", &matmul, "matmul_tn m=1 n=2 k=3");
    matmul = (kiln_matmul_params){.m = KILN_LAUNCH_TIME,
                                  .n = 2147483647,
                                  .k = KILN_LAUNCH_TIME,
                                  .dtype = KILN_BF16,
                                  .out_dtype = KILN_F32,
                                  .accumulate = 1,
                                  .lda = 4,
                                  .ldb = 5,
                                  .ldc = 6,
                                  .tile_size = 64,
                                  .choice = {.workgroup_size = 256, .variant = "simt"}};
    gives("matmul", &matmul,
          "matmul m=? n=2147483647 k=? dtype=bf16 out_dtype=f32 accumulate=1 lda=4 ldb=5 ldc=6 "
          "tile_size=64 workgroup_size=256 variant=simt");
    kiln_batched_matmul_params batched = {.batch = KILN_LAUNCH_TIME,
                                          .m = 1,
                                          .n = 2,
                                          .k = 3,
                                          .dtype = KILN_F16,
                                          .trans_a = 1,
                                          .trans_b = 1};
    gives("batched_matmul", &batched,
          "batched_matmul batch=? m=1 n=2 k=3 dtype=f16 trans_a=1 trans_b=1");
    kiln_elementwise_params elementwise = {.m = 4, .n = 5, .dtype = KILN_F32};
    gives("bias_add", &elementwise, "bias_add m=4 n=5 dtype=f32");
    gives("residual_add", &elementwise, "residual_add m=4 n=5 dtype=f32");
    kiln_gelu_params gelu = {.m = 4, .n = 5, .approx = KILN_APPROX_NONE};
    gives("gelu", &gelu, "gelu m=4 n=5 approx=none");
    gelu.approx = KILN_APPROX_TANH;
    gives("gelu", &gelu, "gelu m=4 n=5 approx=tanh");
    kiln_matmul_bias_gelu_params fused = {.m = 1,
                                          .n = 2,
                                          .k = 3,
                                          .approx = KILN_APPROX_TANH,
                                          .layout = KILN_LAYOUT_NT,
                                          .save_pre = 1};
    gives("matmul_bias_gelu", &fused,
          "matmul_bias_gelu m=1 n=2 k=3 approx=tanh layout=nt save_pre=1");
    kiln_matmul_bias_residual_params residual = {
        .m = 1, .n = 2, .k = 3, .layout = KILN_LAYOUT_NN, .ldc = 9};
    gives("matmul_bias_residual", &residual, "matmul_bias_residual m=1 n=2 k=3 layout=nn ldc=9");
    residual.compute = KILN_COMPUTE_TF32;
    gives("matmul_bias_residual", &residual,
          "matmul_bias_residual m=1 n=2 k=3 layout=nn ldc=9 compute=tf32");
    kiln_layernorm_matmul_params normed = {
        .m = 1, .n = 2, .k = 3, .beta = KILN_OFF, .gelu = 1, .approx = KILN_APPROX_NONE};
    gives("layernorm_matmul", &normed, "layernorm_matmul m=1 n=2 k=3 beta=0 gelu=1 approx=none");
    kiln_matmul_swiglu_params gated = {
        .m = 1, .n = 2, .k = 3, .gate = KILN_GATE_SPLIT, .layout = KILN_LAYOUT_NT};
    gives("matmul_swiglu", &gated, "matmul_swiglu m=1 n=2 k=3 gate=split layout=nt");
    kiln_qkv_projection_params qkv = {
        .m = 1, .k = 2, .heads = 3, .kv_heads = 4, .head_dim = 5, .ldb = 60};
    gives("qkv_projection", &qkv, "qkv_projection m=1 k=2 heads=3 kv_heads=4 head_dim=5 ldb=60");
    kiln_layernorm_params layernorm = {.m = 3, .n = 4, .eps = 1e-6, .beta = KILN_OFF};
    gives("layernorm", &layernorm, "layernorm m=3 n=4 eps=1e-06 beta=0");
    layernorm.beta = KILN_ON;
    gives("layernorm", &layernorm, "layernorm m=3 n=4 eps=1e-06 beta=1");
    kiln_flash_attention_params attention = {.batch = KILN_LAUNCH_TIME,
                                             .seq_q = KILN_LAUNCH_TIME,
                                             .seq_k = 77,
                                             .heads = 6,
                                             .kv_heads = 2,
                                             .head_dim = 80,
                                             .dtype = KILN_F16,
                                             .causal = 1,
                                             .scale = 0.25,
                                             .window = 9,
                                             .softcap = 50,
                                             .alibi = 1};
    gives("flash_attention", &attention,
          "flash_attention batch=? seq_q=? seq_k=77 heads=6 kv_heads=2 head_dim=80 dtype=f16 "
          "causal=1 scale=0.25 window=9 softcap=50 alibi=1");
    attention = (kiln_flash_attention_params){
        .batch = 1, .seq_q = 2, .seq_k = 3, .heads = 4, .kv_heads = 4, .head_dim = 64};
    gives("flash_attention_backward", &attention,
          "flash_attention_backward batch=1 seq_q=2 seq_k=3 heads=4 kv_heads=4 head_dim=64");
    /* What is wrong but can be written is for the spec's own rules. */
    matmul = (kiln_matmul_params){.m = 0, .n = -2, .k = INT64_MIN, .lda = -7};
    gives("matmul", &matmul, "matmul m=0 n=-2 k=-9223372036854775808 lda=-7");
}
END_TEST

/* A filled struct's spec parses, for every row: no field stands where another belongs. */
START_TEST(test_specs_parse)
{
    for (size_t r = 0; r < kiln_num_rows(); r++) {
        const kiln_typed *typed = typed_of(kiln_row_at(r)->name);
        max_align_t memory[24] = {0};
        char *params = (char *)memory;
        kiln_text expected = {0};
        kiln_text_add(&expected, typed->kernel);
        for (const kiln_field *field = typed->fields; field->name; field++) {
            ck_assert_uint_lt(field->offset + 8, sizeof memory);
            int64_t number = strcmp(field->name, "tile_size") == 0        ? 32
                             : strcmp(field->name, "workgroup_size") == 0 ? 128
                             : strcmp(field->name, "ldb") == 0            ? 64 /* packed=1 */
                             : strncmp(field->name, "ld", 2) == 0         ? 1000
                             : strcmp(field->name, "rotary_dim") == 0     ? 2
                             : strcmp(field->name, "head_dim") == 0       ? 8
                             : field->type == KILN_FIELD_DIM              ? 7
                                                                          : 1;
            double real = 0.5;
            const char *variant = "simt";
            int enumerator = field->type == KILN_FIELD_COMPUTE ? 1 : 2; /* tf32 is not of f16 */
            if (field->type == KILN_FIELD_STRING)
                memcpy(params + field->offset, &variant, sizeof variant);
            else if (field->type == KILN_FIELD_REAL)
                memcpy(params + field->offset, &real, sizeof real);
            else if (field->type <= KILN_FIELD_INT || field->type == KILN_FIELD_SWITCH)
                memcpy(params + field->offset, &number, sizeof number);
            else if (field->type >= KILN_FIELD_DTYPE)
                memcpy(params + field->offset, &enumerator, sizeof enumerator);
            if (field->type == KILN_FIELD_STRING)
                kiln_text_addf(&expected, " %s=simt", field->name);
            else if (field->type == KILN_FIELD_REAL)
                kiln_text_addf(&expected, " %s=0.5", field->name);
            else if (field->type <= KILN_FIELD_INT || field->type == KILN_FIELD_SWITCH)
                kiln_text_addf(&expected, " %s=%lld", field->name, (long long)number);
            else
                kiln_text_addf(&expected, " %s=%s", field->name,
                               field->type == KILN_FIELD_DTYPE     ? "f16"
                               : field->type == KILN_FIELD_APPROX  ? "tanh"
                               : field->type == KILN_FIELD_STYLE   ? "gptj"
                               : field->type == KILN_FIELD_GATE    ? "interleaved"
                               : field->type == KILN_FIELD_COMPUTE ? "dtype"
                                                                   : "nt");
        }
        kiln_text text = {0};
        kiln_spec spec, same;
        ck_assert_int_eq(kiln_typed_spec(typed, params, &text), KILN_OK);
        ck_assert_str_eq(text.data, expected.data);
        ck_assert_msg(kiln_spec_parse(text.data, &spec) == KILN_OK, "%s: %s", text.data,
                      kiln_last_error());
        ck_assert_int_eq(kiln_spec_parse(expected.data, &same), KILN_OK);
        ck_assert_str_eq(spec.text, same.text);
        kiln_spec_free(&spec);
        kiln_spec_free(&same);
        kiln_text_free(&text);
        kiln_text_free(&expected);
    }
}
END_TEST

START_TEST(test_spec_refusals)
{
    static const int wrong[] = {-1, 4, 5, 1000, -2147483647 - 1};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        kiln_matmul_params matmul = {.m = 1, .n = 2, .k = 3, .dtype = (kiln_dtype)wrong[i]};
        refuse("matmul", &matmul, "dtype");
        matmul = (kiln_matmul_params){.m = 1, .n = 2, .k = 3, .out_dtype = (kiln_dtype)wrong[i]};
        refuse("matmul", &matmul, "out_dtype");
        kiln_gelu_params gelu = {.m = 1, .n = 2, .approx = (kiln_approx)wrong[i]};
        refuse("gelu", &gelu, "approx");
        kiln_matmul_bias_gelu_params fused = {
            .m = 1, .n = 2, .k = 3, .approx = KILN_APPROX_NONE, .layout = (kiln_layout)wrong[i]};
        refuse("matmul_bias_gelu", &fused, "layout");
    }
    kiln_gelu_params gelu = {.m = 1, .n = 2, .approx = (kiln_approx)3};
    refuse("gelu", &gelu, "3");
    static const char *const variants[] = {"", " ", "simt tile_size=8", "a\tb", "a\nb"};
    for (size_t i = 0; i < COUNT(variants); i++) {
        kiln_matmul_params matmul = {.m = 1, .n = 2, .k = 3, .choice = {.variant = variants[i]}};
        refuse("matmul", &matmul, "variant");
    }
}
END_TEST

/* ---- creators ---------------------------------------------------------------------------- */

/* NULL where a pointer is needed, for every creator. No context is made, so that this needs no
 * device: what looks like one is not touched. */
#define CHECK_NULLS(name, params_type)                                                             \
    do {                                                                                           \
        params_type params = {0};                                                                  \
        kiln_kernel *kernel = (kiln_kernel *)(void *)&params;                                      \
        kiln_context *context = (kiln_context *)(void *)&params;                                   \
        ck_assert_int_eq(kiln_create_##name##_kernel(NULL, &params, &kernel),                      \
                         KILN_INVALID_ARGUMENT);                                                   \
        ck_assert_ptr_nonnull(strstr(kiln_last_error(), "kiln_create_" #name "_kernel"));          \
        ck_assert_int_eq(kiln_create_##name##_kernel(context, NULL, &kernel),                      \
                         KILN_INVALID_ARGUMENT);                                                   \
        ck_assert_int_eq(kiln_create_##name##_kernel(context, &params, NULL),                      \
                         KILN_INVALID_ARGUMENT);                                                   \
        ck_assert_int_eq(kiln_create_##name##_kernel(NULL, NULL, NULL), KILN_INVALID_ARGUMENT);    \
        checked++;                                                                                 \
    } while (0)

START_TEST(test_nulls)
{
    size_t checked = 0;
    CHECK_NULLS(matmul, kiln_matmul_params);
    CHECK_NULLS(matmul_nt, kiln_matmul_params);
    CHECK_NULLS(matmul_tn, kiln_matmul_params);
    CHECK_NULLS(pack, kiln_pack_params);
    CHECK_NULLS(batched_matmul, kiln_batched_matmul_params);
    CHECK_NULLS(bias_add, kiln_elementwise_params);
    CHECK_NULLS(residual_add, kiln_elementwise_params);
    CHECK_NULLS(gelu, kiln_gelu_params);
    CHECK_NULLS(dropout, kiln_elementwise_params);
    CHECK_NULLS(grad_norm, kiln_grad_norm_params);
    CHECK_NULLS(adamw, kiln_adamw_params);
    CHECK_NULLS(gelu_backward, kiln_gelu_params);
    CHECK_NULLS(swiglu, kiln_swiglu_params);
    CHECK_NULLS(swiglu_backward, kiln_swiglu_params);
    CHECK_NULLS(transpose, kiln_transpose_params);
    CHECK_NULLS(rope, kiln_rope_params);
    CHECK_NULLS(embedding, kiln_embedding_params);
    CHECK_NULLS(embedding_backward, kiln_embedding_backward_params);
    CHECK_NULLS(bias_backward, kiln_bias_backward_params);
    CHECK_NULLS(softmax, kiln_softmax_params);
    CHECK_NULLS(softmax_backward, kiln_softmax_backward_params);
    CHECK_NULLS(layernorm, kiln_layernorm_params);
    CHECK_NULLS(layernorm_backward, kiln_layernorm_backward_params);
    CHECK_NULLS(rmsnorm, kiln_rmsnorm_params);
    CHECK_NULLS(rmsnorm_backward, kiln_rmsnorm_backward_params);
    CHECK_NULLS(cross_entropy, kiln_cross_entropy_params);
    CHECK_NULLS(flash_attention, kiln_flash_attention_params);
    CHECK_NULLS(flash_attention_backward, kiln_flash_attention_params);
    CHECK_NULLS(matmul_bias_gelu, kiln_matmul_bias_gelu_params);
    CHECK_NULLS(gelu_matmul, kiln_gelu_matmul_params);
    CHECK_NULLS(layernorm_matmul, kiln_layernorm_matmul_params);
    CHECK_NULLS(rmsnorm_matmul, kiln_rmsnorm_matmul_params);
    CHECK_NULLS(qkv_projection, kiln_qkv_projection_params);
    CHECK_NULLS(matmul_swiglu, kiln_matmul_swiglu_params);
    CHECK_NULLS(matmul_gelu_backward, kiln_matmul_gelu_backward_params);
    CHECK_NULLS(residual_layernorm, kiln_layernorm_params);
    CHECK_NULLS(residual_rmsnorm, kiln_rmsnorm_params);
    CHECK_NULLS(matmul_bias_residual, kiln_matmul_bias_residual_params);
    ck_assert_uint_eq(checked, kiln_num_kernels());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("typed");
    TCase *tests = tcase_create("typed");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_one_for_each_row);
    tcase_add_test(tests, test_fields_are_the_parameters);
    tcase_add_test(tests, test_specs);
    tcase_add_test(tests, test_specs_parse);
    tcase_add_test(tests, test_spec_refusals);
    tcase_add_test(tests, test_nulls);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
