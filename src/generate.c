#include "generate.h"
#include "template.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WIDTHS  4
#define MAX_HELPERS (MAX_WIDTHS * KILN_MAX_OPS * 2)

/* Bytes of outputs from which no cache is likely to keep them for who reads them: STREAMS. A last
 * level of 32 MiB was seen to gain from outputs of half its size on. */
#define STREAM_BYTES (32 << 20)

/* What one program is made from. Scopes inside one another: env has everything but a fragment's
 * own names. */
typedef struct {
    const kiln_spec *spec;
    const kiln_generated *generated;
    const kiln_stage *stage;
    const char *template_dir;
    kiln_env env;
    kiln_env width_names[MAX_WIDTHS];
    kiln_hook_op widths[MAX_WIDTHS];
    size_t num_widths;
    kiln_hook_op helpers[MAX_HELPERS];
    size_t num_helpers;
    kiln_env op_names[2][KILN_MAX_OPS];
    kiln_hook_op ops[2][KILN_MAX_OPS];
} generation;

static const char *storage_type(kiln_dtype dtype)
{
    static const char *const types[] = {
        [KILN_F32] = "float", [KILN_F16] = "half", [KILN_BF16] = "ushort", [KILN_I32] = "int"};
    return types[dtype];
}

/* ---- names ------------------------------------------------------------------------------- */

static kiln_status bind_dtype(kiln_env *env, const char *name, kiln_dtype dtype)
{
    char key[40];
    snprintf(key, sizeof key, "%s_dtype", name);
    return kiln_env_string(env, key, kiln_dtype_name(dtype));
}

/* What `load` reads and `store` writes: the row's first input and its first output. */
static kiln_status bind_end(generation *g, const char *name, bool output)
{
    const kiln_signature *signature = &g->generated->signature;
    for (size_t i = 0; i < signature->count; i++) {
        const kiln_parameter *parameter = &signature->parameters[i];
        const kiln_tensor *first = g->spec->row->tensors;
        bool own = parameter->tensor >= first && parameter->tensor < first + KILN_MAX_TENSORS;
        if (!(output ? parameter->is_output : parameter->is_input) || !own)
            continue;
        kiln_status status = kiln_env_string(&g->env, name, parameter->code);
        return status == KILN_OK ? bind_dtype(&g->env, name, parameter->dtype) : status;
    }
    return KILN_OK;
}

static kiln_status bind_tensors(generation *g)
{
    const kiln_signature *signature = &g->generated->signature;
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < signature->count && status == KILN_OK; i++)
        if (signature->parameters[i].kind == KILN_ARG_BUFFER)
            status =
                bind_dtype(&g->env, signature->parameters[i].code, signature->parameters[i].dtype);
    for (int dtype = KILN_F32; dtype <= KILN_I32 && status == KILN_OK; dtype++) {
        bool used = false;
        for (size_t i = 0; i < signature->count; i++)
            used = used || (signature->parameters[i].kind == KILN_ARG_BUFFER &&
                            signature->parameters[i].dtype == (kiln_dtype)dtype);
        char key[16];
        snprintf(key, sizeof key, "use_%s", kiln_dtype_name((kiln_dtype)dtype));
        status = kiln_env_int(&g->env, key, used);
    }
    if (status == KILN_OK)
        status = bind_end(g, "src", false);
    return status == KILN_OK ? bind_end(g, "dst", true) : status;
}

/* Another parameter may be the same memory. */
static bool may_alias(const kiln_signature *signature, const kiln_parameter *parameter)
{
    if (parameter->tensor->may_be)
        return true;
    for (size_t i = 0; i < signature->count; i++) {
        const kiln_parameter *other = &signature->parameters[i];
        if (other->kind == KILN_ARG_BUFFER && other->tensor->may_be &&
            kiln_expr_mentions(other->tensor->may_be, parameter->tensor->name))
            return true;
    }
    return false;
}

static kiln_status bind_signature(generation *g, const char *entry, int64_t workgroup)
{
    const kiln_signature *signature = &g->generated->signature;
    kiln_text head = {0}, offsets = {0};
    kiln_text_addf(&head, "__kernel __attribute__((reqd_work_group_size(%lld, 1, 1)))\nvoid %s(",
                   (long long)workgroup, entry);
    int indent = (int)strlen(entry) + 6;
    for (size_t i = 0; i < signature->count; i++) {
        const kiln_parameter *parameter = &signature->parameters[i];
        if (parameter->kind == KILN_ARG_SCALAR)
            continue;
        if (i > 0)
            kiln_text_addf(&head, ",\n%*s", indent, "");
        if (parameter->kind == KILN_ARG_DIM) {
            kiln_text_addf(&head, "const long %s", parameter->name);
            continue;
        }
        kiln_text_addf(&head, "__global %s%s *%s%s, const ulong %s_offset",
                       parameter->is_output ? "" : "const ", storage_type(parameter->dtype),
                       may_alias(signature, parameter) ? "" : "restrict ", parameter->code,
                       parameter->code);
        kiln_text_addf(&offsets, "%s    %s += %s_offset;", offsets.length ? "\n" : "",
                       parameter->code, parameter->code);
    }
    const kiln_passed *passed = g->spec->row->passed;
    for (size_t i = 0; i < KILN_MAX_PASSED && passed[i].name; i++)
        kiln_text_addf(&head, ",\n%*sconst %s %s", indent, "", passed[i].type, passed[i].name);
    const kiln_scratch *scratch = g->generated->chosen.variant->scratch;
    for (size_t i = 0; i < KILN_MAX_SCRATCH && scratch[i].name; i++)
        if (g->generated->scratch[i])
            kiln_text_addf(&head, ",\n%*s__global float *restrict %s", indent, "", scratch[i].name);
    kiln_text_add(&head, ")");
    kiln_status status = head.failed || offsets.failed
                             ? kiln_fail_memory()
                             : kiln_env_string(&g->env, "signature", head.data);
    if (status == KILN_OK)
        status = kiln_env_string(&g->env, "offsets", offsets.data);
    kiln_text_free(&head);
    kiln_text_free(&offsets);
    return status;
}

/* `a && x != y' for each input that an output may be in place of. */
static void add_apart(const kiln_signature *signature, kiln_text *out)
{
    for (size_t o = 0; o < signature->count; o++) {
        const kiln_parameter *output = &signature->parameters[o];
        if (output->kind != KILN_ARG_BUFFER || !output->is_output || !output->tensor->may_be)
            continue;
        for (size_t i = 0; i < signature->count; i++) {
            const kiln_parameter *input = &signature->parameters[i];
            if (input->kind == KILN_ARG_BUFFER && input->is_input && i != o &&
                kiln_expr_mentions(output->tensor->may_be, input->tensor->name))
                kiln_text_addf(out, " && %s != %s", output->code, input->code);
        }
    }
}

/* STREAMS: whether the outputs go past the cache, as C text: they are large, and none is written
 * where an input has just been read. */
static kiln_status bind_streams(generation *g)
{
    const kiln_signature *signature = &g->generated->signature;
    kiln_text formula = {0}, streams = {0};
    for (size_t i = 0; i < signature->count; i++) {
        const kiln_parameter *parameter = &signature->parameters[i];
        if (parameter->kind != KILN_ARG_BUFFER || !parameter->is_output || parameter->is_input)
            continue;
        kiln_text_addf(&formula, "%s%zu", formula.length ? " + " : "",
                       kiln_dtype_size(parameter->dtype));
        const char *shape = parameter->tensor->shape;
        for (char *factor; (factor = kiln_shape_next(&shape)); free(factor))
            kiln_text_addf(&formula, "*(%s)", factor);
    }
    kiln_text_addf(&formula, "%s >= %d", formula.length ? "" : "0", STREAM_BYTES);
    kiln_value large = {0};
    kiln_status status = formula.failed ? kiln_fail_memory() : KILN_OK;
    if (status == KILN_OK) {
        /* A size past 64 bits is the signature's to refuse, in its own words. */
        if (kiln_expr_eval(formula.data, &g->env, &large) != KILN_OK)
            large = (kiln_value){.kind = KILN_INT};
        kiln_value_print(&streams, &large, true);
        if (large.kind == KILN_SYMBOL || large.integer)
            add_apart(signature, &streams);
        status =
            streams.failed ? kiln_fail_memory() : kiln_env_string(&g->env, "STREAMS", streams.data);
    }
    kiln_text_free(&formula);
    kiln_text_free(&streams);
    return status;
}

static kiln_status bind_banner(generation *g, const char *entry)
{
    kiln_text tuning = {0};
    kiln_chosen_print(&g->generated->chosen, &tuning);
    kiln_status status = kiln_env_string(&g->env, "spec", g->spec->text);
    if (status == KILN_OK)
        status = kiln_env_string(&g->env, "summary", g->spec->row->summary);
    if (status == KILN_OK)
        status = kiln_env_string(&g->env, "variant_name", g->generated->chosen.variant->name);
    if (status == KILN_OK)
        status = tuning.failed ? kiln_fail_memory()
                               : kiln_env_string(&g->env, "tuning", tuning.data ? tuning.data : "");
    if (status == KILN_OK)
        status = kiln_env_string(&g->env, "entry", entry);
    if (status == KILN_OK)
        status = kiln_env_string(&g->env, "stage_file", g->stage->file);
    if (status == KILN_OK)
        status =
            kiln_env_int(&g->env, "EPILOGUE_OPS", (int64_t)g->generated->signature.num_epilogue);
    if (status == KILN_OK)
        status =
            kiln_env_int(&g->env, "PROLOGUE_OPS", (int64_t)g->generated->signature.num_prologue);
    kiln_text_free(&tuning);
    return status;
}

/* ---- hooks ------------------------------------------------------------------------------- */

static kiln_status add_width(generation *g, int64_t width)
{
    for (size_t i = 0; i < g->num_widths; i++)
        if (kiln_env_find(&g->width_names[i], "W")->integer == width)
            return KILN_OK;
    if (g->num_widths == MAX_WIDTHS)
        return kiln_fail(KILN_TEMPLATE_ERROR, "%s: more than %d vector widths", g->stage->file,
                         MAX_WIDTHS);
    kiln_env *names = &g->width_names[g->num_widths];
    g->widths[g->num_widths++] = (kiln_hook_op){"access.cl", names};
    return kiln_env_int(names, "W", width);
}

/* Width 1 always: it serves the others' tails. */
static kiln_status collect_widths(generation *g)
{
    const kiln_variant *variant = g->generated->chosen.variant;
    kiln_status status = add_width(g, 1);
    for (size_t i = 0; i < 3 && variant->widths[i] && status == KILN_OK; i++) {
        int64_t width;
        status = kiln_expr_eval_int(variant->widths[i], &g->env, &width);
        if (status == KILN_OK)
            status = add_width(g, width);
    }
    return status;
}

static bool has_helper(const generation *g, const char *file)
{
    for (size_t i = 0; i < g->num_helpers; i++)
        if (strcmp(g->helpers[i].file, file) == 0)
            return true;
    return false;
}

static kiln_status collect_ops(generation *g, int hook, const kiln_op_instance *ops, size_t count)
{
    const kiln_signature *signature = &g->generated->signature;
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        kiln_env *names = &g->op_names[hook][i];
        const kiln_op *op = ops[i].op;
        g->ops[hook][i] = (kiln_hook_op){op->file, names};
        for (size_t t = 0; t < 2 && op->tensors[t].name && status == KILN_OK; t++) {
            if (ops[i].parameters[t] < 0)
                continue;
            const kiln_parameter *parameter = &signature->parameters[ops[i].parameters[t]];
            status = kiln_env_string(names, op->tensors[t].name, parameter->code);
            if (status == KILN_OK)
                status = bind_dtype(names, op->tensors[t].name, parameter->dtype);
        }
        if (op->helper && !has_helper(g, op->helper))
            for (size_t w = 0; w < g->num_widths; w++)
                g->helpers[g->num_helpers++] = (kiln_hook_op){op->helper, &g->width_names[w]};
    }
    return status;
}

/* ---- programs ---------------------------------------------------------------------------- */

static kiln_status prepare(generation *g, const kiln_facts *facts, const char *entry)
{
    kiln_status status = kiln_facts_bind(facts, &g->env);
    if (status == KILN_OK)
        status = kiln_spec_bind(g->spec, NULL, &g->env);
    if (status == KILN_OK)
        status = kiln_chosen_bind(&g->generated->chosen, &g->env);
    if (status == KILN_OK)
        status = bind_tensors(g);
    int64_t workgroup = 1;
    if (status == KILN_OK)
        status = kiln_expr_eval_int(g->stage->workgroup, &g->env, &workgroup);
    if (status == KILN_OK)
        status = bind_signature(g, entry, workgroup);
    if (status == KILN_OK)
        status = bind_streams(g);
    if (status == KILN_OK)
        status = bind_banner(g, entry);
    if (status == KILN_OK)
        status = collect_widths(g);
    const kiln_signature *signature = &g->generated->signature;
    if (status == KILN_OK)
        status = collect_ops(g, 0, signature->prologue, signature->num_prologue);
    if (status == KILN_OK)
        status = collect_ops(g, 1, signature->epilogue, signature->num_epilogue);
    return status;
}

static kiln_status expand(generation *g, kiln_text *out)
{
    const kiln_signature *signature = &g->generated->signature;
    const kiln_hook hooks[] = {{"widths", g->widths, g->num_widths},
                               {"helpers", g->helpers, g->num_helpers},
                               {"prologue", g->ops[0], signature->num_prologue},
                               {"epilogue", g->ops[1], signature->num_epilogue}};
    kiln_template_params params = {g->template_dir, &g->env, hooks, sizeof hooks / sizeof *hooks};
    kiln_status status = kiln_template_expand(&params, "kernels.cl.in", out);
    return status == KILN_OK && out->failed ? kiln_fail_memory() : status;
}

static kiln_status generate_stage(const kiln_spec *spec, const kiln_facts *facts,
                                  const char *template_dir, const kiln_generated *generated,
                                  const kiln_stage *stage, kiln_stage_text *result)
{
    generation g = {
        .spec = spec, .generated = generated, .stage = stage, .template_dir = template_dir};
    kiln_env_init(&g.env, NULL);
    kiln_text entry = {0}, source = {0};
    kiln_text_addf(&entry, "%s%s%s", spec->row->name, stage->name ? "_" : "",
                   stage->name ? stage->name : "");
    kiln_status status = entry.failed ? kiln_fail_memory() : prepare(&g, facts, entry.data);
    if (status == KILN_OK)
        status = expand(&g, &source);
    if (status == KILN_OK) {
        result->entry = kiln_text_take(&entry);
        result->source = kiln_text_take(&source);
    }
    kiln_text_free(&entry);
    kiln_text_free(&source);
    for (size_t i = 0; i < MAX_WIDTHS; i++)
        kiln_env_free(&g.width_names[i]);
    for (size_t i = 0; i < KILN_MAX_OPS; i++) {
        kiln_env_free(&g.op_names[0][i]);
        kiln_env_free(&g.op_names[1][i]);
    }
    kiln_env_free(&g.env);
    return status;
}

static kiln_status make_signature(const kiln_spec *spec, kiln_signature *signature)
{
    kiln_env env;
    kiln_env_init(&env, NULL);
    kiln_status status = kiln_spec_bind(spec, NULL, &env);
    if (status == KILN_OK)
        status = kiln_signature_make(spec, &env, signature);
    kiln_env_free(&env);
    return status;
}

/* The stages and the scratch that spec and tuning ask for. */
static kiln_status select_parts(const kiln_spec *spec, const kiln_facts *facts,
                                kiln_generated *generated)
{
    const kiln_variant *variant = generated->chosen.variant;
    kiln_env env;
    kiln_env_init(&env, NULL);
    kiln_status status = kiln_facts_bind(facts, &env);
    if (status == KILN_OK)
        status = kiln_spec_bind(spec, NULL, &env);
    if (status == KILN_OK)
        status = kiln_chosen_bind(&generated->chosen, &env);
    for (size_t i = 0; i < KILN_MAX_STAGES && variant->stages[i].file && status == KILN_OK; i++) {
        bool wanted;
        status = kiln_expr_holds(variant->stages[i].when, &env, &wanted);
        if (status == KILN_OK && wanted)
            generated->stages[generated->num_stages++].stage = &variant->stages[i];
    }
    for (size_t i = 0; i < KILN_MAX_SCRATCH && variant->scratch[i].name && status == KILN_OK; i++)
        status = kiln_expr_holds(variant->scratch[i].when, &env, &generated->scratch[i]);
    kiln_env_free(&env);
    return status;
}

kiln_status kiln_generate_among(const kiln_spec *spec, const kiln_facts *facts,
                                const char *template_dir, const kiln_candidate *candidates,
                                size_t count, kiln_generated *generated)
{
    memset(generated, 0, sizeof *generated);
    kiln_status status = make_signature(spec, &generated->signature);
    if (status == KILN_OK)
        status = kiln_choose_among(spec, facts, candidates, count, &generated->chosen);
    if (status != KILN_OK)
        return status;
    status = select_parts(spec, facts, generated);
    for (size_t i = 0; i < generated->num_stages && status == KILN_OK; i++)
        status = generate_stage(spec, facts, template_dir, generated, generated->stages[i].stage,
                                &generated->stages[i]);
    if (status != KILN_OK)
        kiln_generated_free(generated);
    return status;
}

kiln_status kiln_generate(const kiln_spec *spec, const kiln_facts *facts, const char *template_dir,
                          kiln_generated *generated)
{
    return kiln_generate_among(spec, facts, template_dir, NULL, 0, generated);
}

void kiln_generated_free(kiln_generated *generated)
{
    for (size_t i = 0; i < generated->num_stages; i++) {
        free(generated->stages[i].entry);
        free(generated->stages[i].source);
    }
    kiln_chosen_free(&generated->chosen);
    generated->num_stages = 0;
}

kiln_status kiln_emit(const char *spec_text, const char *facts_text, char **source)
{
    if (!spec_text || !source)
        return kiln_fail(KILN_INVALID_ARGUMENT, "kiln_emit: spec and source must not be NULL");
    *source = NULL;
    kiln_facts facts;
    kiln_spec spec;
    kiln_status status = kiln_facts_parse(facts_text, &facts);
    if (status == KILN_OK)
        status = kiln_spec_parse(spec_text, &spec);
    if (status != KILN_OK)
        return status;
    kiln_generated generated;
    status = kiln_generate(&spec, &facts, getenv("KILN_TEMPLATE_DIR"), &generated);
    kiln_spec_free(&spec);
    if (status != KILN_OK)
        return status;
    kiln_text text = {0};
    for (size_t i = 0; i < generated.num_stages; i++)
        kiln_text_add(&text, generated.stages[i].source);
    kiln_generated_free(&generated);
    *source = kiln_text_take(&text);
    return *source ? KILN_OK : kiln_fail_memory();
}
