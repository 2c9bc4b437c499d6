/* What a model asks of each kernel: specs with the model's numbers in them, and what it needs that
 * no row does. Formulas are those of expr.h over the names that bind() gives. */
#include "models.h"
#include "template.h"
#include <stdlib.h>
#include <string.h>

/* ---- the model as names -------------------------------------------------------------------- */

static kiln_status bind_texts(const cli_model *m, kiln_env *env)
{
    const struct {
        const char *name, *text;
    } texts[] = {{"activation", m->activation},
                 {"norm", m->norm},
                 {"bias", m->bias},
                 {"positions", m->positions},
                 {"rope_scaling", m->rope_scaling},
                 {"layer_types", m->layer_types},
                 {"model_type", m->model_type},
                 {"style", *m->rope_style ? m->rope_style : "neox"},
                 {"approx", strcmp(m->activation, "gelu_erf") == 0 ? "none" : "tanh"}};
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == KILN_OK; i++)
        status = kiln_env_string(env, texts[i].name, texts[i].text);
    return status;
}

static kiln_status bind_reals(const cli_model *m, kiln_env *env)
{
    kiln_status status = kiln_env_real(env, "eps", m->eps > 0 ? m->eps : 1e-5);
    if (status == KILN_OK)
        status = kiln_env_real(env, "theta", m->rope_theta > 0 ? m->rope_theta : 10000);
    if (status == KILN_OK)
        status = kiln_env_real(env, "scale", m->scale);
    if (status == KILN_OK)
        status = kiln_env_real(env, "softcap", m->softcap);
    return status == KILN_OK ? kiln_env_real(env, "logits_softcap", m->logits_softcap) : status;
}

static kiln_status bind(const cli_model *m, int64_t tokens, kiln_env *env)
{
    bool gated = strcmp(m->activation, "swiglu") == 0 || strcmp(m->activation, "geglu") == 0 ||
                 strcmp(m->activation, "clamped_swiglu") == 0;
    const struct {
        const char *name;
        int64_t value;
    } integers[] = {{"tokens", tokens},
                    {"hidden", m->hidden},
                    {"ffn", m->ffn},
                    {"up", gated ? 2 * m->ffn : m->ffn}, /* columns of the product up */
                    {"heads", m->heads},
                    {"kv_heads", m->kv_heads},
                    {"head_dim", m->head_dim},
                    {"q", m->heads * m->head_dim},
                    {"qkv", (m->heads + 2 * m->kv_heads) * m->head_dim},
                    {"rotary_dim", m->rotary_dim ? m->rotary_dim : m->head_dim},
                    {"vocab", m->vocab},
                    {"experts", m->experts},
                    {"window", m->window},
                    {"causal", !m->bidirectional},
                    {"qk_norm", m->qk_norm},
                    {"unit_offset", m->unit_offset},
                    {"sinks", m->sinks},
                    {"latent_kv", m->latent_kv}};
    kiln_status status = bind_texts(m, env);
    if (status == KILN_OK)
        status = bind_reals(m, env);
    for (size_t i = 0; i < sizeof integers / sizeof *integers && status == KILN_OK; i++)
        status = kiln_env_int(env, integers[i].name, integers[i].value);
    return status;
}

/* ---- specs ------------------------------------------------------------------------------- */

#define GATE                                                                                       \
    "m=${tokens} n=${ffn} layout=${activation == 'clamped_swiglu' ? 'interleaved' : 'split'}"
#define ROPE(heads)                                                                                \
    "tokens=${tokens} heads=${" heads "} head_dim=${head_dim} rotary_dim=${rotary_dim} "           \
    "style=${style} theta=${theta}"
#define ATTENTION                                                                                  \
    "batch=1 seq_q=${tokens} seq_k=${tokens} heads=${heads} kv_heads=${kv_heads} "                 \
    "head_dim=${head_dim} causal=${causal} window=${window} softcap=${softcap} "                   \
    "alibi=${positions == 'alibi'} scale=${scale}"
#define GRADIENT " out_dtype=f32 accumulate=1"

/* What stands behind the kernel's name and dtype. A row may have several. elements: a tensor's size
 * that is given to launches of n=${part} elements, as many as it takes. */
typedef struct {
    const char *kernel, *role, *text, *elements;
} line;

static const line lines[] = {
    /* y = x W, W as [in, out] */
    {"matmul", "qkv", "m=${tokens} n=${qkv} k=${hidden}", NULL},
    {"matmul", "attention out", "m=${tokens} n=${hidden} k=${q}", NULL},
    {"matmul", "ffn up", "m=${tokens} n=${up} k=${hidden}", NULL},
    {"matmul", "ffn down", "m=${tokens} n=${hidden} k=${ffn}", NULL},
    {"matmul", "head", "m=${tokens} n=${vocab} k=${hidden}", NULL},
    /* dx = dy W^T; and the head where it is the embedding's table */
    {"matmul_nt", "d qkv", "m=${tokens} n=${hidden} k=${qkv}", NULL},
    {"matmul_nt", "d attention out", "m=${tokens} n=${q} k=${hidden}", NULL},
    {"matmul_nt", "d ffn up", "m=${tokens} n=${hidden} k=${up}", NULL},
    {"matmul_nt", "d ffn down", "m=${tokens} n=${ffn} k=${hidden}", NULL},
    {"matmul_nt", "d head", "m=${tokens} n=${hidden} k=${vocab}", NULL},
    {"matmul_nt", "tied head", "m=${tokens} n=${vocab} k=${hidden}", NULL},
    /* dW += x^T dy */
    {"matmul_tn", "qkv weight", "m=${hidden} n=${qkv} k=${tokens}" GRADIENT, NULL},
    {"matmul_tn", "attention out weight", "m=${q} n=${hidden} k=${tokens}" GRADIENT, NULL},
    {"matmul_tn", "ffn up weight", "m=${hidden} n=${up} k=${tokens}" GRADIENT, NULL},
    {"matmul_tn", "ffn down weight", "m=${ffn} n=${hidden} k=${tokens}" GRADIENT, NULL},
    {"matmul_tn", "head weight", "m=${hidden} n=${vocab} k=${tokens}" GRADIENT, NULL},
    /* attention in steps */
    {"batched_matmul", "scores", "batch=${heads} m=${tokens} n=${tokens} k=${head_dim} trans_b=1",
     NULL},
    {"batched_matmul", "values", "batch=${heads} m=${tokens} n=${head_dim} k=${tokens}", NULL},
    {"transpose", "heads", "batch=1 m=${tokens} n=${q}", NULL},
    {"transpose", "ffn up weight", "batch=1 m=${hidden} n=${up}", NULL},
    {"transpose", "table", "batch=1 m=${vocab} n=${hidden}", NULL},
    {"bias_add", "qkv", "m=${tokens} n=${qkv}", NULL},
    {"bias_add", "ffn up", "m=${tokens} n=${up}", NULL},
    {"bias_add", "ffn down", "m=${tokens} n=${hidden}", NULL},
    {"bias_backward", "qkv", "m=${tokens} n=${qkv}" GRADIENT, NULL},
    {"bias_backward", "ffn up", "m=${tokens} n=${up}" GRADIENT, NULL},
    {"bias_backward", "ffn down", "m=${tokens} n=${hidden}" GRADIENT, NULL},
    {"residual_add", "residual", "m=${tokens} n=${hidden}", NULL},
    {"gelu", "ffn", "m=${tokens} n=${ffn} approx=${approx}", NULL},
    {"gelu_backward", "ffn", "m=${tokens} n=${ffn} approx=${approx}", NULL},
    {"swiglu", "ffn", GATE, NULL},
    {"swiglu_backward", "ffn", GATE, NULL},
    {"dropout", "residual", "m=${tokens} n=${hidden}", NULL},
    {"dropout", "ffn", "m=${tokens} n=${ffn}", NULL},
    {"rope", "q", ROPE("heads"), NULL},
    {"rope", "k", ROPE("kv_heads"), NULL},
    {"rope", "dq", ROPE("heads") " inverse=1", NULL},
    {"softmax", "scores", "batch=${heads} m=${tokens} n=${tokens} causal=${causal}", NULL},
    {"softmax_backward", "scores", "batch=${heads} m=${tokens} n=${tokens}", NULL},
    {"layernorm", "block", "m=${tokens} n=${hidden} eps=${eps}", NULL},
    {"layernorm_backward", "block", "m=${tokens} n=${hidden}" GRADIENT, NULL},
    {"rmsnorm", "block", "m=${tokens} n=${hidden} eps=${eps} unit_offset=${unit_offset}", NULL},
    {"rmsnorm_backward", "block", "m=${tokens} n=${hidden} unit_offset=${unit_offset}" GRADIENT,
     NULL},
    {"cross_entropy", "head", "tokens=${tokens} vocab=${vocab} dlogits=1 bad=1", NULL},
    {"embedding", "table", "tokens=${tokens} vocab=${vocab} n=${hidden} bad=1", NULL},
    {"embedding_backward", "table", "tokens=${tokens} vocab=${vocab} n=${hidden} out_dtype=f32",
     NULL},
    {"flash_attention", "attention", ATTENTION, NULL},
    {"flash_attention_backward", "attention", ATTENTION, NULL},
    {"grad_norm", "ffn up weight", "n=${part} accumulate=1", "hidden*up"},
    {"grad_norm", "table", "n=${part} accumulate=1", "vocab*hidden"},
    {"adamw", "ffn up weight", "n=${part} param_out=1 clip=1", "hidden*up"},
    {"adamw", "table", "n=${part} param_out=1 clip=1", "vocab*hidden"},
    {"matmul_bias_gelu", "ffn up", "m=${tokens} n=${ffn} k=${hidden} approx=${approx} save_pre=1",
     NULL},
    {"matmul_bias_residual", "attention out", "m=${tokens} n=${hidden} k=${q}", NULL},
    {"matmul_bias_residual", "ffn down", "m=${tokens} n=${hidden} k=${ffn}", NULL},
    {"matmul_swiglu", "ffn up",
     "m=${tokens} n=${ffn} k=${hidden} save_pre=1 "
     "gate=${activation == 'clamped_swiglu' ? 'interleaved' : 'split'}",
     NULL},
    {"matmul_gelu_backward", "d ffn down",
     "m=${tokens} n=${ffn} k=${hidden} layout=nt approx=${approx} dbias=1 out_dtype=f32", NULL},
    {"residual_layernorm", "block", "m=${tokens} n=${hidden} eps=${eps}", NULL},
    {"residual_rmsnorm", "block", "m=${tokens} n=${hidden} eps=${eps} unit_offset=${unit_offset}",
     NULL},
    {"layernorm_matmul", "qkv", "m=${tokens} n=${qkv} k=${hidden} eps=${eps} bias=1 save_stats=1",
     NULL},
    {"layernorm_matmul", "ffn up",
     "m=${tokens} n=${ffn} k=${hidden} eps=${eps} bias=1 gelu=1 approx=${approx}", NULL},
    {"rmsnorm_matmul", "qkv",
     "m=${tokens} n=${qkv} k=${hidden} eps=${eps} unit_offset=${unit_offset} save_stats=1", NULL},
    {"rmsnorm_matmul", "ffn up",
     "m=${tokens} n=${up} k=${hidden} eps=${eps} unit_offset=${unit_offset} save_stats=1", NULL},
    {"qkv_projection", "qkv",
     "m=${tokens} k=${hidden} heads=${heads} kv_heads=${kv_heads} head_dim=${head_dim} "
     "bias=${bias != 'none'}",
     NULL},
    {"gelu_matmul", "ffn down", "m=${tokens} n=${hidden} k=${ffn} approx=${approx} bias=1", NULL},
};

#define NUM_LINES (sizeof lines / sizeof *lines)

/* A norm of each head: what stands in for qk-norm where the heads share gamma. */
static const line head_norm = {
    "rmsnorm", "heads of q",
    "m=${tokens*heads} n=${head_dim} eps=${eps} unit_offset=${unit_offset}", NULL};

/* Whether a model launches the kernel: 0 no, 1 yes, 2 if training asks for it. Kernels not named
 * here are launched by all. */
static const struct {
    const char *kernels, *formula;
} used[] = {
    {"gelu gelu_backward", "activation == 'gelu_tanh' || activation == 'gelu_erf'"},
    {"swiglu swiglu_backward", "activation == 'swiglu'"},
    {"layernorm layernorm_backward", "norm == 'layernorm'"},
    {"rmsnorm rmsnorm_backward", "norm == 'rmsnorm'"},
    {"bias_add bias_backward", "bias != 'none'"},
    {"rope", "positions == 'rope'"},
    /* flash_attention and the transposed products stand for these */
    {"batched_matmul softmax softmax_backward transpose dropout", "2"},
    {"matmul_bias_gelu",
     "bias == 'all' && (activation == 'gelu_tanh' || activation == 'gelu_erf') ? 2 : 0"},
    {"matmul_bias_residual", "bias == 'all' ? 2 : 0"},
    {"layernorm_matmul", "norm == 'layernorm' ? 2 : 0"},
    {"residual_layernorm", "norm == 'layernorm' ? 2 : 0"},
    {"residual_rmsnorm", "norm == 'rmsnorm' ? 2 : 0"},
    {"matmul_swiglu", "activation == 'swiglu' ? 2 : 0"},
    {"matmul_gelu_backward",
     "bias == 'all' && (activation == 'gelu_tanh' || activation == 'gelu_erf') ? 2 : 0"},
    {"rmsnorm_matmul", "norm == 'rmsnorm' ? 2 : 0"},
    {"gelu_matmul", "activation == 'gelu_tanh' || activation == 'gelu_erf' ? 2 : 0"},
    {"qkv_projection", "2"},
};

static kiln_status find_used(const char *kernel, kiln_env *env, cli_used *result)
{
    int64_t value = CLI_USED;
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        if (kiln_expr_mentions(used[i].kernels, kernel))
            status = kiln_expr_eval_int(used[i].formula, env, &value);
    *result = (cli_used)value;
    return status;
}

/* Binds `part`, the elements of one of the launches that a tensor takes, and says why if it is not
 * all of them. */
static kiln_status divide(const char *elements, kiln_env *env, char **why)
{
    int64_t count;
    kiln_status status = kiln_expr_eval_int(elements, env, &count);
    if (status != KILN_OK)
        return status;
    int64_t launches = (count - 1) / INT32_MAX + 1, part = (count - 1) / launches + 1;
    if (launches > 1) {
        kiln_text text = {0};
        kiln_text_addf(
            &text, "%s=%lld elements are more than n may be, %d: %lld launches of %lld or fewer",
            elements, (long long)count, INT32_MAX, (long long)launches, (long long)part);
        *why = cli_need(kiln_text_take(&text));
    }
    return kiln_env_int(env, "part", part);
}

static kiln_status add_line(const line *of, kiln_env *env, cli_model_specs *specs)
{
    cli_model_spec *spec = &specs->of[specs->count++];
    kiln_text text = {0};
    kiln_status status = KILN_OK;
    *spec = (cli_model_spec){.role = of->role};
    if (of->elements)
        status = divide(of->elements, env, &spec->split);
    kiln_text_addf(&text, "%s dtype=bf16 ", of->kernel);
    if (status == KILN_OK)
        status = kiln_template_inline(of->text, env, "a model's spec", &text);
    spec->text = cli_need(kiln_text_take(&text));
    return status;
}

/* For a row that has no line: each dimension takes the model's number of that name, or that of a
 * matrix of the hidden state; what must be named takes its first choice. */
static void add_by_names(const kiln_row *row, kiln_env *env, cli_model_specs *specs)
{
    kiln_text text = {0};
    kiln_text_addf(&text, "%s dtype=bf16", row->name);
    for (size_t i = 0; i < KILN_MAX_DIMS && row->dims[i]; i++) {
        const char *name = row->dims[i];
        const char *as = kiln_env_find(env, name)          ? name
                         : kiln_expr_mentions("n k", name) ? "hidden"
                                                           : "tokens";
        const kiln_value *value = kiln_env_find(env, as);
        long long size = strcmp(name, "batch") == 0 || value->kind != KILN_INT ? 1 : value->integer;
        kiln_text_addf(&text, " %s=%lld", name, size);
    }
    const kiln_option *option;
    for (size_t i = 0; (option = kiln_row_option(row, i)); i++)
        if (!option->fallback && option->choices)
            kiln_text_addf(&text, " %s=%.*s", option->name, (int)strcspn(option->choices, "|"),
                           option->choices);
    specs->of[specs->count++] =
        (cli_model_spec){.text = cli_need(kiln_text_take(&text)), .role = "hidden state"};
}

kiln_status cli_model_specs_make(const cli_model *model, int64_t tokens, const kiln_row *row,
                                 cli_model_specs *specs)
{
    kiln_env env;
    kiln_env_init(&env, NULL);
    memset(specs, 0, sizeof *specs);
    kiln_status status = bind(model, tokens, &env);
    if (status == KILN_OK)
        status = find_used(row->name, &env, &specs->used);
    for (size_t i = 0; i < NUM_LINES && status == KILN_OK; i++)
        if (strcmp(lines[i].kernel, row->name) == 0 && specs->count < CLI_MAX_MODEL_SPECS)
            status = add_line(&lines[i], &env, specs);
    if (status == KILN_OK && model->qk_norm && strcmp(row->name, head_norm.kernel) == 0)
        status = add_line(&head_norm, &env, specs);
    if (status == KILN_OK && specs->count == 0)
        add_by_names(row, &env, specs);
    kiln_env_free(&env);
    if (status != KILN_OK)
        cli_model_specs_free(specs);
    return status;
}

void cli_model_specs_free(cli_model_specs *specs)
{
    for (size_t i = 0; i < specs->count; i++) {
        kiln_free(specs->of[i].text);
        kiln_free(specs->of[i].split);
    }
    specs->count = 0;
}
/* ---- what no row does ---------------------------------------------------------------------- */

/* Layers that are no kernel of kiln's, nor made of some. row: one that would do it, were it there.
 */
static const struct {
    const char *name, *when, *row, *about;
} layers[] = {
    {"relu", "activation == 'relu'", "relu", "the activation of the feed-forward block"},
    {"geglu", "activation == 'geglu'", "geglu", "a gate through GELU in the feed-forward block"},
    {"clamped swiglu", "activation == 'clamped_swiglu'", "clamped_swiglu",
     "gate and up are clamped and up is raised by 1 before they are multiplied"},
    {"${activation}",
     "activation != 'relu' && activation != 'geglu' && activation != 'clamped_swiglu' && "
     "activation != 'swiglu' && activation != 'gelu_tanh' && activation != 'gelu_erf'",
     NULL, "the activation of the feed-forward block"},
    {"mixture of experts", "experts > 0", "mixture_of_experts",
     "choosing among ${experts} experts, and products over groups of rows of unequal length"},
    {"qk-norm", "qk_norm && norm == 'rmsnorm'", "qk_norm",
     "a norm of each head of q and k; rmsnorm with m=${tokens*heads} n=${head_dim} stands in for "
     "it "
     "where the heads share gamma"},
    {"qk-norm", "qk_norm && norm != 'rmsnorm'", "qk_norm", "a norm of each head of q and k"},
    {"attention sinks", "sinks", NULL, "a learned score for each head in the softmax's sum"},
    {"latent attention", "latent_kv", NULL, "k and v of each head unfolded from a shared vector"},
    {"rope scaling ${rope_scaling}", "rope_scaling != ''", NULL,
     "angles that are not position theta^(-2i/rotary_dim)"},
    {"softcap of the logits", "logits_softcap > 0", NULL,
     "tanh over the vocabulary before the loss"},
    {"${layer_types}", "layer_types != ''", NULL, "layers of this kind in place of attention"},
};

static void add_missing(cli_missing_list *list, char *name, char *about)
{
    list->of = cli_need(realloc(list->of, (list->count + 1) * sizeof *list->of));
    list->of[list->count++] = (cli_missing){name, about};
}

/* Rows that models launch and this registry is without. */
static kiln_status find_absent_rows(kiln_env *env, cli_missing_list *list)
{
    for (size_t i = 0; i < NUM_LINES; i++) {
        cli_used use;
        kiln_status status = find_used(lines[i].kernel, env, &use);
        if (status != KILN_OK)
            return status;
        bool again = i > 0 && strcmp(lines[i].kernel, lines[i - 1].kernel) == 0;
        if (use == CLI_USED && !again && !kiln_row_find(lines[i].kernel))
            add_missing(list, cli_need(kiln_strdup(lines[i].kernel)),
                        cli_need(kiln_strdup("the registry has no such kernel")));
    }
    return KILN_OK;
}

static kiln_status find_absent_layers(kiln_env *env, cli_missing_list *list)
{
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        int64_t needed;
        kiln_text name = {0}, about = {0};
        kiln_status status = kiln_expr_eval_int(layers[i].when, env, &needed);
        if (status == KILN_OK && (!needed || (layers[i].row && kiln_row_find(layers[i].row))))
            continue;
        if (status == KILN_OK)
            status = kiln_template_inline(layers[i].name, env, "a layer's name", &name);
        if (status == KILN_OK)
            status = kiln_template_inline(layers[i].about, env, "what a layer does", &about);
        char *taken[] = {cli_need(kiln_text_take(&name)), cli_need(kiln_text_take(&about))};
        if (status == KILN_OK)
            add_missing(list, taken[0], taken[1]);
        if (status != KILN_OK) {
            kiln_free(taken[0]);
            kiln_free(taken[1]);
            return status;
        }
    }
    return KILN_OK;
}

kiln_status cli_model_missing(const cli_model *model, int64_t tokens, cli_missing_list *list)
{
    kiln_env env;
    kiln_env_init(&env, NULL);
    *list = (cli_missing_list){0};
    kiln_status status = bind(model, tokens, &env);
    if (status == KILN_OK)
        status = find_absent_rows(&env, list);
    if (status == KILN_OK)
        status = find_absent_layers(&env, list);
    kiln_env_free(&env);
    if (status != KILN_OK)
        cli_missing_free(list);
    return status;
}

void cli_missing_free(cli_missing_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        kiln_free(list->of[i].name);
        kiln_free(list->of[i].about);
    }
    free(list->of);
    *list = (cli_missing_list){0};
}
