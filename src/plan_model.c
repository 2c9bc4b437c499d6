/* Plans of models: shapes and parts to names, names to launches (plan_lines.c). */
#include "plan_model.h"
#include "template.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the parts may be ----------------------------------------------------------------- */

static const char *listed_name(void *user, size_t index)
{
    return ((const char *const *)user)[index];
}

/* The part's name, or its default; KILN_UNSUPPORTED for one that no kernel does. */
static kiln_status choose_part(const char *part, const char *given, const char *const *names,
                               const char *fallback, const char **chosen)
{
    if (!given && !fallback)
        return kiln_fail(KILN_INVALID_ARGUMENT, "model: %s must be named", part);
    *chosen = given ? given : fallback;
    for (size_t i = 0; names[i]; i++)
        if (strcmp(names[i], *chosen) == 0)
            return KILN_OK;
    kiln_text message = {0};
    kiln_text_addf(&message, "model: no kernel does %s `%s'", part, given);
    kiln_suggest(&message, given, listed_name, (void *)names);
    kiln_text_add(&message, "; there are");
    for (size_t i = 0; names[i]; i++)
        kiln_text_addf(&message, "%s %s", i ? "," : "", names[i]);
    return kiln_fail_text(KILN_UNSUPPORTED, &message);
}

static kiln_status bind_parts(kiln_model_builder *b)
{
    static const char *const activations[] = {"gelu_tanh", "gelu_erf", "swiglu", NULL};
    static const char *const norms[] = {"layernorm", "rmsnorm", NULL};
    static const char *const biases[] = {"none", "qkv", "all", NULL};
    static const char *const positions[] = {"none", "rope", "alibi", "learned", NULL};
    static const char *const styles[] = {"neox", "gptj", NULL};
    const kiln_model_params *p = b->params;
    const char *activation, *norm, *bias, *position, *style;
    kiln_status status = choose_part("activation", p->activation, activations, NULL, &activation);
    if (status == KILN_OK)
        status = choose_part("norm", p->norm, norms, NULL, &norm);
    if (status == KILN_OK)
        status = choose_part("bias", p->bias, biases, "none", &bias);
    if (status == KILN_OK)
        status = choose_part("positions", p->positions, positions, "none", &position);
    if (status == KILN_OK)
        status = choose_part("rope_style", p->rope_style, styles, "neox", &style);
    if (status != KILN_OK)
        return status;
    const struct {
        const char *name;
        bool value;
    } flags[] = {
        {"gated", strcmp(activation, "swiglu") == 0}, {"layernorm", strcmp(norm, "layernorm") == 0},
        {"bias_qkv", strcmp(bias, "none") != 0},      {"bias_all", strcmp(bias, "all") == 0},
        {"rope", strcmp(position, "rope") == 0},      {"alibi", strcmp(position, "alibi") == 0},
        {"learned", strcmp(position, "learned") == 0}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags && status == KILN_OK; i++)
        status = kiln_env_int(&b->env, flags[i].name, flags[i].value);
    if (status == KILN_OK)
        status = kiln_env_string(&b->env, "approx",
                                 strcmp(activation, "gelu_erf") == 0 ? "none" : "tanh");
    return status == KILN_OK ? kiln_env_string(&b->env, "style", style) : status;
}

/* ---- numbers ----------------------------------------------------------------------------- */

static kiln_status check_shape(const kiln_model_params *p)
{
    const struct {
        const char *name;
        int64_t value, low;
    } shape[] = {{"batch", p->batch, 1},
                 {"seq", p->seq, 1},
                 {"hidden", p->hidden, 1},
                 {"ffn", p->ffn, 1},
                 {"heads", p->heads, 1},
                 {"layers", p->layers, 0},
                 {"kv_heads", p->kv_heads, 0},
                 {"head_dim", p->head_dim, 0},
                 {"vocab", p->vocab, p->layers ? 1 : 0},
                 {"max_positions", p->max_positions, 0},
                 {"rotary_dim", p->rotary_dim, 0},
                 {"window", p->window, 0},
                 {"parallel", p->parallel, 0}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
        if (shape[i].value < shape[i].low || shape[i].value > INT32_MAX)
            return kiln_fail(KILN_INVALID_ARGUMENT, "model: %s=%lld: must be from %lld to %d",
                             shape[i].name, (long long)shape[i].value, (long long)shape[i].low,
                             INT32_MAX);
    if (p->parallel > 2)
        return kiln_fail(KILN_INVALID_ARGUMENT, "model: parallel=%lld: must be 0, 1 or 2",
                         (long long)p->parallel);
    if (p->head_dim == 0 && p->hidden % p->heads != 0)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "model: hidden=%lld is no multiple of heads=%lld: head_dim must be given",
                         (long long)p->hidden, (long long)p->heads);
    if (p->update && !p->backward)
        return kiln_fail(KILN_INVALID_ARGUMENT, "model: an update needs backward=1");
    if (p->dtype > KILN_BF16 || p->grad_dtype > KILN_BF16 || p->dtype < 0 || p->grad_dtype < 0)
        return kiln_fail(KILN_INVALID_ARGUMENT, "model: dtype and grad_dtype are f32, f16 or bf16");
    return KILN_OK;
}

static kiln_status bind_numbers(kiln_model_builder *b)
{
    const kiln_model_params *p = b->params;
    int64_t kv_heads = p->kv_heads ? p->kv_heads : p->heads;
    int64_t head_dim = p->head_dim ? p->head_dim : p->hidden / p->heads;
    bool gated = strcmp(p->activation, "swiglu") == 0;
    const struct {
        const char *name;
        int64_t value;
    } integers[] = {{"tokens", p->batch * p->seq},
                    {"batch", p->batch},
                    {"seq", p->seq},
                    {"hidden", p->hidden},
                    {"ffn", p->ffn},
                    {"up", gated ? 2 * p->ffn : p->ffn},
                    {"heads", p->heads},
                    {"kv_heads", kv_heads},
                    {"head_dim", head_dim},
                    {"q", p->heads * head_dim},
                    {"kv", kv_heads * head_dim},
                    {"vocab", p->vocab},
                    {"max_positions", p->max_positions ? p->max_positions : p->seq},
                    {"rotary_dim", p->rotary_dim ? p->rotary_dim : head_dim},
                    {"window", p->window},
                    {"causal", !p->bidirectional},
                    {"parallel", p->parallel},
                    {"unit_offset", p->unit_offset != 0},
                    {"tied", p->tied != 0},
                    {"backward", p->backward != 0}};
    const struct {
        const char *name;
        double value;
    } reals[] = {{"eps", p->eps != 0 ? p->eps : 1e-5},
                 {"theta", p->rope_theta != 0 ? p->rope_theta : 10000},
                 {"scale", p->scale},
                 {"softcap", p->softcap}};
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < sizeof integers / sizeof *integers && status == KILN_OK; i++)
        status = kiln_env_int(&b->env, integers[i].name, integers[i].value);
    for (size_t i = 0; i < sizeof reals / sizeof *reals && status == KILN_OK; i++)
        status = kiln_env_real(&b->env, reals[i].name, reals[i].value);
    if (status == KILN_OK)
        status = kiln_env_string(&b->env, "dtype", kiln_dtype_name(p->dtype ? p->dtype : KILN_F32));
    if (status == KILN_OK)
        status = kiln_env_string(&b->env, "grad",
                                 kiln_dtype_name(p->grad_dtype ? p->grad_dtype : KILN_F32));
    return status;
}

/* ---- lines ------------------------------------------------------------------------------- */

/* Text with its ${} replaced, and prefix for each @; the caller frees it, NULL after a failure. */
static char *expand(const char *text, const char *prefix, kiln_env *env, kiln_status *status)
{
    kiln_text inlined = {0}, out = {0};
    *status = kiln_template_inline(text, env, "a model's plan", &inlined);
    for (const char *at = inlined.data; *status == KILN_OK && at && *at; at++) {
        if (*at == '@')
            kiln_text_add(&out, prefix);
        else
            kiln_text_add_bytes(&out, at, 1);
    }
    char *expanded = *status == KILN_OK && !inlined.failed ? kiln_text_take(&out) : NULL;
    kiln_text_free(&inlined);
    kiln_text_free(&out);
    if (*status == KILN_OK && !expanded)
        *status = kiln_fail_memory();
    return expanded;
}

static kiln_status add_line(kiln_model_builder *b, const kiln_model_line *line, const char *prefix,
                            kiln_env *env)
{
    bool wanted;
    char spec_text[512];
    kiln_status status = kiln_expr_holds(line->when, env, &wanted);
    if (status != KILN_OK || !wanted)
        return status;
    char *args = expand(line->args, prefix, env, &status);
    if (args && *line->spec == '\0') {
        status = kiln_plan_add_zero(b->plan, args);
    } else if (args) {
        snprintf(spec_text, sizeof spec_text, "%s dtype=${dtype}", line->spec);
        char *spec = expand(spec_text, prefix, env, &status);
        if (spec)
            status = kiln_plan_append(b->plan, spec, args, true);
        free(spec);
    }
    free(args);
    return status;
}

/* A layer's lines under the names that its neighbours give it. */
static kiln_status add_lines(kiln_model_builder *b, const kiln_model_line *lines,
                             const char *prefix, const kiln_let *ends)
{
    kiln_env env;
    kiln_env_init(&env, &b->env);
    kiln_status status = KILN_OK;
    for (size_t i = 0; ends[i].name && status == KILN_OK; i++)
        status = kiln_env_string(&env, ends[i].name, ends[i].formula);
    if (status == KILN_OK && *prefix)
        status = kiln_bind_lets(kiln_layer_names, KILN_MAX_LETS, &env);
    for (size_t i = 0; lines[i].spec && status == KILN_OK; i++)
        status = add_line(b, &lines[i], prefix, &env);
    kiln_env_free(&env);
    return status;
}

/* ---- tensors ----------------------------------------------------------------------------- */

static kiln_status add_derived(kiln_model_builder *b, const char *name, const char *suffix,
                               kiln_dtype dtype, size_t rank, const int64_t *extents,
                               kiln_role role)
{
    kiln_text text = {0};
    kiln_text_addf(&text, "%s%s", name, suffix);
    char *full = kiln_text_take(&text);
    if (!full)
        return kiln_fail_memory();
    kiln_status status = kiln_plan_add_tensor(b->plan, full, dtype, rank, extents, role);
    free(full);
    return status;
}

static kiln_status keep_name(kiln_model_builder *b, const char *name)
{
    char **parameters =
        kiln_grow(b->parameters, b->num_parameters, &b->max_parameters, sizeof *parameters);
    if (!parameters)
        return kiln_fail_memory();
    b->parameters = parameters;
    b->parameters[b->num_parameters] = kiln_strdup(name);
    if (!b->parameters[b->num_parameters])
        return kiln_fail_memory();
    b->num_parameters++;
    return KILN_OK;
}

/* A parameter, its gradient, and what the optimiser keeps of it. */
static kiln_status add_parameter(kiln_model_builder *b, const char *name, size_t rank,
                                 const int64_t *extents)
{
    const kiln_model_params *p = b->params;
    kiln_dtype dtype = p->dtype ? p->dtype : KILN_F32;
    kiln_dtype grad = p->grad_dtype ? p->grad_dtype : KILN_F32;
    kiln_status status =
        kiln_plan_add_tensor(b->plan, name, dtype, rank, extents, KILN_ROLE_PARAMETER);
    if (status == KILN_OK)
        status = keep_name(b, name);
    if (status == KILN_OK && p->backward)
        status =
            add_derived(b, name, ".grad", grad, rank, extents,
                        p->update && !p->keep_gradients ? KILN_ROLE_TEMPORARY : KILN_ROLE_OUTPUT);
    if (status == KILN_OK && p->update && dtype != KILN_F32)
        status = add_derived(b, name, ".master", KILN_F32, rank, extents, KILN_ROLE_STATE);
    if (status == KILN_OK && p->update)
        status = add_derived(b, name, ".m", KILN_F32, rank, extents, KILN_ROLE_STATE);
    if (status == KILN_OK && p->update)
        status = add_derived(b, name, ".v", KILN_F32, rank, extents, KILN_ROLE_STATE);
    return status;
}

static kiln_status add_parameters(kiln_model_builder *b, const kiln_model_parameter *parameters,
                                  const char *prefix)
{
    kiln_status status = KILN_OK;
    for (size_t i = 0; parameters[i].name && status == KILN_OK; i++) {
        bool wanted;
        int64_t extents[KILN_MAX_RANK];
        size_t rank = 0;
        char name[64];
        status = kiln_expr_holds(parameters[i].when, &b->env, &wanted);
        if (status != KILN_OK || !wanted)
            continue;
        for (const char *shape = parameters[i].shape; *shape && status == KILN_OK;) {
            char *formula = kiln_shape_next(&shape);
            if (!formula)
                return kiln_fail_memory();
            status = kiln_expr_eval_int(formula, &b->env, &extents[rank++]);
            free(formula);
        }
        snprintf(name, sizeof name, "%s%s", prefix, parameters[i].name);
        if (status == KILN_OK)
            status = add_parameter(b, name, rank, extents);
    }
    return status;
}

static bool has_part(const char *given, const char *name)
{
    return given && strcmp(given, name) == 0;
}

static kiln_status add_ends(kiln_model_builder *b)
{
    const kiln_model_params *p = b->params;
    kiln_dtype dtype = p->dtype ? p->dtype : KILN_F32;
    int64_t tokens = p->batch * p->seq;
    const int64_t rows[] = {tokens, p->hidden}, logits[] = {tokens, p->vocab}, one[] = {1};
    bool model = p->layers > 0;
    const struct {
        const char *name;
        bool wanted;
        kiln_dtype dtype;
        size_t rank;
        const int64_t *extents;
        kiln_role role;
    } ends[] = {
        {"x", !model, dtype, 2, rows, KILN_ROLE_INPUT},
        {"y", !model, dtype, 2, rows, KILN_ROLE_OUTPUT},
        {"dy", !model && p->backward, dtype, 2, rows, KILN_ROLE_INPUT},
        {"dx", !model && p->backward, dtype, 2, rows, KILN_ROLE_OUTPUT},
        {"ids", model, KILN_I32, 1, &tokens, KILN_ROLE_INPUT},
        {"targets", model, KILN_I32, 1, &tokens, KILN_ROLE_INPUT},
        {"positions",
         has_part(p->positions, "rope") || (model && has_part(p->positions, "learned")), KILN_I32,
         1, &tokens, KILN_ROLE_INPUT},
        {"loss", model, KILN_F32, 1, &tokens, KILN_ROLE_OUTPUT},
        {"logits", model && !p->backward, dtype, 2, logits, KILN_ROLE_OUTPUT},
        {"sumsq", p->update != 0, KILN_F32, 1, one, KILN_ROLE_OUTPUT},
    };
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < sizeof ends / sizeof *ends && status == KILN_OK; i++)
        if (ends[i].wanted)
            status = kiln_plan_add_tensor(b->plan, ends[i].name, ends[i].dtype, ends[i].rank,
                                          ends[i].extents, ends[i].role);
    return status;
}

/* ---- forward and backward ------------------------------------------------------------------ */

typedef struct {
    char prefix[32], x[40], y[40], dx[40], dy[40];
} layer_names;

static void name_layer(const kiln_model_builder *b, int64_t layer, layer_names *names)
{
    long long l = layer;
    snprintf(names->prefix, sizeof names->prefix, "layer%lld.", l);
    if (b->params->layers == 0) {
        strcpy(names->x, "x");
        strcpy(names->y, "y");
        strcpy(names->dx, "dx");
        strcpy(names->dy, "dy");
        return;
    }
    snprintf(names->y, sizeof names->y, "layer%lld.y", l);
    snprintf(names->dy, sizeof names->dy, "layer%lld.dy", l);
    snprintf(names->x, sizeof names->x, layer ? "layer%lld.y" : "embedded", l - 1);
    snprintf(names->dx, sizeof names->dx, layer ? "layer%lld.dy" : "dembedded", l - 1);
}

static kiln_status add_layer(kiln_model_builder *b, int64_t layer, bool backward)
{
    layer_names names = {.prefix = ""};
    name_layer(b, layer, &names);
    const kiln_let ends[] = {
        {"x", names.x}, {"y", names.y}, {"dx", names.dx}, {"dy", names.dy}, {0}};
    kiln_status status =
        kiln_plan_mark(b->plan, layer, backward ? KILN_PHASE_BACKWARD : KILN_PHASE_FORWARD);
    if (status == KILN_OK)
        status =
            add_lines(b, backward ? kiln_layer_backward : kiln_layer_forward, names.prefix, ends);
    return status;
}

static kiln_status add_outside(kiln_model_builder *b, const kiln_model_line *lines,
                               kiln_phase phase, const char *x, const char *dx, const char *dy)
{
    const kiln_let ends[] = {{"x", x}, {"dx", dx}, {"dy", dy}, {0}};
    kiln_status status = kiln_plan_mark(b->plan, -1, phase);
    return status == KILN_OK && b->params->layers ? add_lines(b, lines, "", ends) : status;
}

static kiln_status add_all_parameters(kiln_model_builder *b, int64_t layers)
{
    kiln_status status = KILN_OK;
    layer_names names = {.prefix = ""};
    if (b->params->layers)
        status = add_parameters(b, kiln_first_parameters, "");
    for (int64_t l = 0; l < layers && status == KILN_OK; l++) {
        name_layer(b, l, &names);
        status = add_parameters(b, kiln_layer_parameters, names.prefix);
    }
    if (b->params->layers && status == KILN_OK)
        status = add_parameters(b, kiln_last_parameters, "");
    return status;
}

static kiln_status add_passes(kiln_model_builder *b, int64_t layers)
{
    layer_names last = {.prefix = ""};
    name_layer(b, layers - 1, &last);
    kiln_status status = add_outside(b, kiln_first_forward, KILN_PHASE_FORWARD, "", "", "");
    for (int64_t l = 0; l < layers && status == KILN_OK; l++)
        status = add_layer(b, l, false);
    if (status == KILN_OK)
        status = add_outside(b, kiln_last_forward, KILN_PHASE_FORWARD, last.y, "", "");
    if (status != KILN_OK || !b->params->backward)
        return status;
    status = add_outside(b, kiln_last_backward, KILN_PHASE_BACKWARD, last.y, last.dy, "");
    for (int64_t l = layers - 1; l >= 0 && status == KILN_OK; l--)
        status = add_layer(b, l, true);
    if (status == KILN_OK)
        status = add_outside(b, kiln_first_backward, KILN_PHASE_BACKWARD, "", "", "dembedded");
    return status;
}

/* ---- all of it --------------------------------------------------------------------------- */

static kiln_status build(kiln_model_builder *b)
{
    int64_t layers = b->params->layers ? b->params->layers : 1;
    kiln_status status = check_shape(b->params);
    if (status == KILN_OK)
        status = bind_parts(b);
    if (status == KILN_OK)
        status = bind_numbers(b);
    if (status == KILN_OK)
        status = add_ends(b);
    if (status == KILN_OK)
        status = add_all_parameters(b, layers);
    if (status == KILN_OK)
        status = add_passes(b, layers);
    if (status == KILN_OK && b->params->update)
        status = kiln_model_update(b);
    return status == KILN_OK ? kiln_plan_mark(b->plan, -1, KILN_PHASE_FORWARD) : status;
}

kiln_status kiln_create_model_plan(const kiln_model_params *params, kiln_plan **plan)
{
    if (!params || !plan)
        return kiln_fail(KILN_INVALID_ARGUMENT,
                         "kiln_create_model_plan: params and plan must not be NULL");
    kiln_model_builder b = {.params = params};
    *plan = NULL;
    kiln_status status = kiln_create_plan(&b.plan);
    kiln_env_init(&b.env, NULL);
    if (status == KILN_OK)
        status = build(&b);
    kiln_env_free(&b.env);
    for (size_t i = 0; i < b.num_parameters; i++)
        free(b.parameters[i]);
    free(b.parameters);
    if (status == KILN_OK)
        *plan = b.plan;
    else
        kiln_release_plan(b.plan);
    return status;
}
