#include "attention_support.h"
#include "context.h"
#include "registry.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const attention_kernels[2] = {"flash_attention", "flash_attention_backward"};

attention_spec attention_spec_of(int what, const char *words, const char *options)
{
    static const char *const dtypes[] = {"f32", "f16", "bf16"};
    static const char *const variants[] = {"vector", "simt"};
    attention_spec spec;
    int length = snprintf(spec.text, sizeof spec.text, "%s %s dtype=%s %s variant=%s",
                          attention_kernels[what % 2], words, dtypes[what / 4 % 3], options,
                          variants[what / 2 % 2]);
    ck_assert_uint_lt((size_t)length, sizeof spec.text);
    return spec;
}

/* ---- data -------------------------------------------------------------------------------- */

typedef struct data {
    const char *spec, *args;
    uint64_t seed;
    attention_data kind;
    double *o, *lse; /* of the forward pass, as soon as they are asked for */
} data;

static int64_t number(const data *d, const char *name)
{
    return (int64_t)reference_number(d->spec, name, reference_number(d->args, name, 0));
}

static kiln_dtype dtype_of(const data *d)
{
    return reference_says(d->spec, "dtype", "f16")    ? KILN_F16
           : reference_says(d->spec, "dtype", "bf16") ? KILN_BF16
                                                      : KILN_F32;
}

/* What stands in a vector of q, k or v in the place of one of its numbers. */
static double special(size_t vector, double plain)
{
    static const double values[] = {NAN, INFINITY, -INFINITY};
    return vector % 4 ? values[vector % 4 - 1] : plain;
}

static void fill_plain(const data *d, const char *name, size_t count, double *values)
{
    test_random random = {d->seed ^ test_seed(name)};
    bool lse = strcmp(name, "lse") == 0, q = strcmp(name, "q") == 0, k = strcmp(name, "k") == 0;
    bool v = strcmp(name, "v") == 0;
    size_t head_dim = (size_t)number(d, "head_dim"), heads = (size_t)number(d, "heads");
    size_t kv_heads = (size_t)number(d, "kv_heads");
    double of_lse = log((double)number(d, "seq_k"));
    for (size_t i = 0; i < count; i++) {
        double plain = test_normal(&random);
        size_t vector = i / head_dim, at = i % head_dim;
        if (lse)
            plain = test_pick(&random, 8) ? of_lse + plain : -INFINITY;
        else if (d->kind == LARGE && (q || k))
            plain *= 100;
        else if (d->kind == QUERIES && q && at == vector % head_dim)
            plain = special(vector / heads, plain);
        else if (d->kind == KEYS && k && at == 1 && vector % kv_heads == kv_heads - 1)
            plain = special(vector / kv_heads, plain);
        else if (d->kind == VALUES && v && at == vector % head_dim)
            plain = special(vector / kv_heads, plain);
        values[i] = plain;
    }
}

/* ---- the forward pass that a backward pass is of ------------------------------------------- */

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static reference_tensor tensor_of(const data *d, const char *name, bool keys)
{
    reference_tensor t = {.name = name, .dtype = dtype_of(d), .rank = 4, .count = 1};
    const char *const dims[] = {"batch", keys ? "seq_k" : "seq_q", keys ? "kv_heads" : "heads",
                                "head_dim"};
    for (size_t i = 0; i < 4; i++)
        t.count *= (size_t)(t.extents[i] = number(d, dims[i]));
    t.values = must(calloc(t.count, sizeof(double)));
    t.terms = must(calloc(t.count, sizeof(double)));
    return t;
}

static void run_forward(data *d)
{
    reference_tensor tensors[] = {tensor_of(d, "q", false), tensor_of(d, "k", true),
                                  tensor_of(d, "v", true), tensor_of(d, "o", false),
                                  tensor_of(d, "lse", false)}; /* more than lse needs */
    for (size_t i = 0; i < 3; i++) {
        fill_plain(d, tensors[i].name, tensors[i].count, tensors[i].values);
        for (size_t e = 0; e < tensors[i].count; e++)
            tensors[i].values[e] = reference_round(tensors[i].dtype, tensors[i].values[e]);
    }
    char spec[300];
    snprintf(spec, sizeof spec, "flash_attention%s", strchr(d->spec, ' '));
    reference_call call = {spec, d->args, tensors, COUNT(tensors)};
    ck_assert(reference_run(&call));
    d->o = tensors[3].values;
    d->lse = tensors[4].values;
    for (size_t i = 0; i < COUNT(tensors); i++) {
        free(tensors[i].terms);
        if (i < 3)
            free(tensors[i].values);
    }
}

static void fill(void *user, const reference_tensor *tensor, double *values)
{
    data *d = user;
    bool o = strcmp(tensor->name, "o") == 0, lse = strcmp(tensor->name, "lse") == 0;
    if ((!o && !lse) || d->kind == ARBITRARY) {
        fill_plain(d, tensor->name, tensor->count, values);
        return;
    }
    if (!d->o)
        run_forward(d);
    memcpy(values, o ? d->o : d->lse, tensor->count * sizeof *values);
}

/* ---- a run ----------------------------------------------------------------------------------- */

bool attention_has_variant(const char *kernel, const char *variant)
{
    const kiln_row *row = kiln_row_find(kernel);
    for (size_t i = 0; row && i < KILN_MAX_VARIANTS && row->variants[i]; i++)
        if (strcmp(row->variants[i]->name, variant) == 0)
            return true;
    return false;
}

static bool on_cpu(void)
{
    cl_device_type type;
    ck_assert_int_eq(clGetDeviceInfo(kiln_context_device(test_context), CL_DEVICE_TYPE, sizeof type,
                                     &type, NULL),
                     CL_SUCCESS);
    return type & CL_DEVICE_TYPE_CPU;
}

/* Whether the device has to take the spec: a GPU has no variant for CPUs, and may not take the
 * group that is asked for; tensor cores are of few. */
static bool has_to_run(const char *spec)
{
    if (reference_says(spec, "variant", "wgmma") || reference_says(spec, "variant", "decode"))
        return test_context->facts.sm_a;
    return on_cpu() ||
           (reference_says(spec, "variant", "simt") && !strstr(spec, "workgroup_size="));
}

void attention_run_at(const attention_spec *asked, int batch, int seq_q, int seq_k,
                      attention_data kind, int misalign)
{
    const char *spec = asked->text;
    const char *variant = reference_says(spec, "variant", "simt")     ? "simt"
                          : reference_says(spec, "variant", "wgmma")  ? "wgmma"
                          : reference_says(spec, "variant", "decode") ? "decode"
                                                                      : "vector";
    char kernel[40];
    snprintf(kernel, sizeof kernel, "%.*s", (int)strcspn(spec, " "), spec);
    if (!attention_has_variant(kernel, variant)) /* check_attention's test_variants fails then */
        return;
    char args[80];
    snprintf(args, sizeof args, "batch=%d seq_q=%d seq_k=%d", batch, seq_q, seq_k);
    uint64_t seed = (uint64_t)(batch * 7 + seq_q * 31 + seq_k + 1000 * (int)kind);
    data d = {.spec = spec, .args = args, .seed = seed, .kind = kind};
    bool ran = test_run(&(test_case){.spec = spec,
                                     .args = args,
                                     .seed = seed,
                                     .misalign = misalign,
                                     .large_scores = kind == LARGE,
                                     .bare = seed % 5 == 4,
                                     .out_of_order = seed % 3 == 1,
                                     .fill = fill,
                                     .user = &d});
    free(d.o);
    free(d.lse);
    ck_assert_msg(ran || !has_to_run(spec), "%s: %s", spec, kiln_last_error());
}

void attention_run(const attention_spec *spec, int batch, int seq_q, int seq_k, attention_data kind)
{
    attention_run_at(spec, batch, seq_q, seq_k, kind, -1);
}
