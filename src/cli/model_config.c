/* A model's shape from a Hugging Face config.json. Keys differ from one architecture to the next,
 * and what an architecture always does stands in no key: families has that. */
#include "models.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    GATED = 1, /* two projections up, one of them through the activation */
    PARALLEL = 2,
    QK_NORM = 4,
    UNIT_OFFSET = 8,
    SINKS = 16,
    BIDIRECTIONAL = 32,
    ONE_NORM = 64, /* where parallel */
    TIED = 128
};

/* What a model_type implies where no key says otherwise. */
typedef struct {
    const char *types;      /* separated by | */
    const char *activation; /* as a config names it; NULL: it has to */
    const char *norm, *positions, *rope_style, *bias;
    double rotary; /* the part of head_dim that turns */
    unsigned flags;
} family;

static const family families[] = {
    {"llama|mistral|mixtral|phi3|internlm2|deepseek_v2|deepseek_v3", NULL, "rmsnorm", "rope",
     "neox", "none", 1, GATED},
    {"qwen2|qwen2_moe", NULL, "rmsnorm", "rope", "neox", "qkv", 1, GATED},
    {"qwen3|qwen3_moe|olmo2", NULL, "rmsnorm", "rope", "neox", "none", 1, GATED | QK_NORM},
    {"gpt_oss", "clamped_swiglu", "rmsnorm", "rope", "neox", "all", 1, GATED | SINKS},
    {"gemma|gemma2", "gelu_pytorch_tanh", "rmsnorm", "rope", "neox", "none", 1,
     GATED | UNIT_OFFSET | TIED},
    {"gemma3|gemma3_text", "gelu_pytorch_tanh", "rmsnorm", "rope", "neox", "none", 1,
     GATED | UNIT_OFFSET | QK_NORM | TIED},
    {"cohere|cohere2", "silu", "layernorm", "rope", "gptj", "none", 1,
     GATED | PARALLEL | ONE_NORM | TIED},
    {"stablelm", "silu", "layernorm", "rope", "neox", "none", 0.25, GATED},
    {"gpt_neox", "gelu", "layernorm", "rope", "neox", "all", 0.25, PARALLEL},
    {"gptj", "gelu_new", "layernorm", "rope", "gptj", "all", 1, PARALLEL | ONE_NORM},
    {"phi", "gelu_new", "layernorm", "rope", "neox", "all", 0.5, PARALLEL | ONE_NORM},
    {"starcoder2", "gelu_pytorch_tanh", "layernorm", "rope", "neox", "all", 1, 0},
    {"nemotron", "relu2", "layernorm", "rope", "neox", "none", 0.5, 0},
    {"gpt2|gpt_bigcode", "gelu_new", "layernorm", "learned", "", "all", 1, TIED},
    {"opt", "relu", "layernorm", "learned", "", "all", 1, TIED},
    {"bloom", "gelu_tanh", "layernorm", "alibi", "", "all", 1, TIED},
    {"mpt", "gelu", "layernorm", "alibi", "", "none", 1, TIED},
    {"falcon|RefinedWeb|RefinedWebModel", "gelu", "layernorm", "rope", "neox", "none", 1,
     ONE_NORM | TIED},
    {"bert|roberta", "gelu", "layernorm", "learned", "", "all", 1, BIDIRECTIONAL},
};

/* ---- keys -------------------------------------------------------------------------------- */

/* The file being read. Once it is refused nothing more is read or said. */
typedef struct {
    const char *path;
    json_t *object;
    bool refused;
} reader;

static void refuse(reader *r, const char *format, ...) KILN_PRINTF(2, 3);
static void refuse(reader *r, const char *format, ...)
{
    char sentence[512];
    va_list args;
    if (r->refused)
        return;
    r->refused = true;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    /* Parts of the file may stand in it. */
    for (char *at = sentence; *at; at++)
        if (iscntrl((unsigned char)*at))
            *at = '?';
    cli_error("%s: %s", r->path, sentence);
}

#define MAX_KEY 40

/* The value of the first of keys (separated by |) that is there and not null, and in name which one
 * that is; NULL if none is. */
static json_t *find(const reader *r, const char *keys, char name[MAX_KEY])
{
    while (*keys) {
        size_t length = strcspn(keys, "|");
        snprintf(name, MAX_KEY, "%.*s", (int)length, keys);
        json_t *value = json_object_get(r->object, name);
        if (value && !json_is_null(value))
            return value;
        keys += length + (keys[length] == '|');
    }
    return NULL;
}

static void refuse_missing(reader *r, const char *keys)
{
    kiln_text names = {0};
    for (const char *at = keys; *at; at++)
        kiln_text_add_bytes(&names, *at == '|' ? ", " : at, *at == '|' ? 2 : 1);
    char *list = cli_need(kiln_text_take(&names));
    refuse(r, strchr(keys, '|') ? "none of %s is there" : "%s is missing", list);
    free(list);
}

/* What stands there, briefly. */
static cli_short described(const json_t *value)
{
    cli_short text;
    char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
    snprintf(text.text, sizeof text.text, "%.36s%s", dump ? dump : "?",
             dump && strlen(dump) > 36 ? "..." : "");
    free(dump);
    return text;
}

/* *out stays as it was if no key is there; required: then it is refused. */
static void read_integer(reader *r, const char *keys, int64_t low, bool required, int64_t *out)
{
    char name[MAX_KEY];
    const json_t *value = find(r, keys, name);
    if (!value && required)
        refuse_missing(r, keys);
    if (!value || r->refused)
        return;
    json_int_t integer = json_integer_value(value);
    if (!json_is_integer(value))
        refuse(r, "%s=%s: must be an integer from %lld to %d", name, described(value).text,
               (long long)low, INT32_MAX);
    else if (integer < low || integer > INT32_MAX)
        refuse(r, "%s=%lld: must be from %lld to %d", name, (long long)integer, (long long)low,
               INT32_MAX);
    else
        *out = integer;
}

static void read_real(reader *r, const char *keys, double *out)
{
    char name[MAX_KEY];
    const json_t *value = find(r, keys, name);
    if (!value || r->refused)
        return;
    if (!json_is_number(value) || !(json_number_value(value) > 0))
        refuse(r, "%s=%s: must be a number above 0", name, described(value).text);
    else
        *out = json_number_value(value);
}

static void read_bool(reader *r, const char *keys, bool *out)
{
    char name[MAX_KEY];
    const json_t *value = find(r, keys, name);
    if (!value || r->refused)
        return;
    if (!json_is_boolean(value))
        refuse(r, "%s=%s: must be true or false", name, described(value).text);
    else
        *out = json_is_true(value);
}

static bool is_name(const char *text, size_t size)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("_.-", text[i]))
            return false;
    return length > 0 && length < size;
}

static void read_name(reader *r, const char *keys, char *out, size_t size)
{
    char name[MAX_KEY];
    const json_t *value = find(r, keys, name);
    if (!value || r->refused)
        return;
    if (!json_is_string(value) || !is_name(json_string_value(value), size))
        refuse(r, "%s=%s: must be a name of at most %zu letters and digits", name,
               described(value).text, size - 1);
    else
        snprintf(out, size, "%s", json_string_value(value));
}

/* ---- parts of a model ---------------------------------------------------------------------- */

static const family *find_family(const char *model_type)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (kiln_listed(families[i].types, model_type))
            return &families[i];
    return NULL;
}

static void read_norm(reader *r, const family *of, cli_model *m)
{
    char name[MAX_KEY];
    bool rms = find(r, "rms_norm_eps", name), layer;
    layer =
        find(r, "layer_norm_eps|layer_norm_epsilon|layernorm_epsilon|norm_epsilon|norm_eps", name);
    read_real(r, rms ? "rms_norm_eps" : name, &m->eps);
    if (!rms && !layer && !of)
        refuse(r, "neither rms_norm_eps nor layer_norm_eps is there to tell the norm");
    const char *norm = rms ? "rmsnorm" : layer && !of ? "layernorm" : of ? of->norm : "layernorm";
    snprintf(m->norm, sizeof m->norm, "%s", norm);
}

/* The activation under kiln's name; gated: of a gated block. */
static const char *activation_name(const char *name, bool gated, bool clamped)
{
    static const struct {
        const char *names, *plain, *gated;
    } known[] = {
        {"silu|swish|swiglu", "silu", "swiglu"},
        {"gelu|gelu_python", "gelu_erf", "geglu"},
        {"gelu_new|gelu_fast|gelu_tanh|gelu_pytorch_tanh|gelu_accurate", "gelu_tanh", "geglu"},
        {"geglu", "geglu", "geglu"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!kiln_listed(known[i].names, name))
            continue;
        const char *found = gated ? known[i].gated : known[i].plain;
        return clamped && strcmp(found, "swiglu") == 0 ? "clamped_swiglu" : found;
    }
    return name;
}

static void read_activation(reader *r, const family *of, cli_model *m)
{
    static const char keys[] = "hidden_activation|hidden_act|activation_function|activation";
    char given[sizeof m->activation] = "", name[MAX_KEY];
    double limit = 0;
    read_name(r, keys, given, sizeof given);
    read_real(r, "swiglu_limit", &limit);
    if (!*given && of && of->activation)
        snprintf(given, sizeof given, "%s", of->activation);
    if (!*given) {
        refuse_missing(r, keys);
        return;
    }
    /* BLOOM and GPT-OSS name an activation that is not quite theirs. */
    bool own = of && of->activation && kiln_listed("gelu_tanh|clamped_swiglu", of->activation);
    bool gated = of ? of->flags & GATED : kiln_listed("silu|swish|swiglu|geglu", given);
    snprintf(m->activation, sizeof m->activation, "%s",
             activation_name(own ? of->activation : given, gated,
                             limit > 0 || find(r, "swiglu_limit", name)));
}

/* "rope_scaling": {"rope_type": "yarn", ...}; newer files have it in "rope_parameters". */
static void read_rope_scaling(reader *r, cli_model *m)
{
    char name[MAX_KEY];
    json_t *scaling = find(r, "rope_scaling|rope_parameters", name);
    if (!scaling || r->refused)
        return;
    if (!json_is_object(scaling)) {
        refuse(r, "%s=%s: must be an object", name, described(scaling).text);
        return;
    }
    reader inner = {.path = r->path, .object = scaling};
    read_name(&inner, "rope_type|type", m->rope_scaling, sizeof m->rope_scaling);
    read_real(&inner, "rope_theta", &m->rope_theta);
    if (strcmp(m->rope_scaling, "default") == 0)
        m->rope_scaling[0] = '\0';
    r->refused = inner.refused;
}

static void read_rotary(reader *r, const family *of, cli_model *m)
{
    double part = of ? of->rotary : 1;
    read_real(r, "rope_theta|rotary_emb_base", &m->rope_theta);
    read_rope_scaling(r, m);
    read_real(r, "partial_rotary_factor|rotary_pct|rope_pct", &part);
    m->rotary_dim = part < 1 ? (int64_t)((double)m->head_dim * part) : 0;
    read_integer(r, "rotary_dim", 1, false, &m->rotary_dim);
    if (part > 1 || (part < 1 && m->rotary_dim == 0))
        refuse(r, "%g of head_dim=%lld turns by rope: must be 1 or less, and leave a pair", part,
               (long long)m->head_dim);
    snprintf(m->rope_style, sizeof m->rope_style, "%s",
             of && *of->rope_style ? of->rope_style : "neox");
}

static void read_positions(reader *r, const family *of, cli_model *m)
{
    char name[MAX_KEY], kind[16] = "";
    bool alibi = false;
    const char *positions = of ? of->positions : "none";
    read_bool(r, "alibi", &alibi);
    if (find(r, "position_embedding_type", name) && !of)
        read_name(r, name, kind, sizeof kind);
    if (alibi || strcmp(kind, "alibi") == 0)
        positions = "alibi";
    else if (!of && find(r, "rope_theta|rotary_pct|rotary_dim|rope_scaling|rope_parameters", name))
        positions = "rope";
    else if (!of && (*kind || find(r, "max_position_embeddings|n_positions", name)))
        positions = strcmp(kind, "rope") == 0 ? "rope" : "learned";
    snprintf(m->positions, sizeof m->positions, "%s", positions);
    if (strcmp(positions, "rope") == 0)
        read_rotary(r, of, m);
}

static void read_bias(reader *r, const family *of, cli_model *m)
{
    bool everywhere = of && strcmp(of->bias, "all") == 0;
    bool attention = of && strcmp(of->bias, "none") != 0;
    bool none = false;
    read_bool(r, "attention_bias|qkv_bias", &attention);
    read_bool(r, "bias|use_bias|enable_bias", &everywhere);
    read_bool(r, "no_bias", &none);
    if (none)
        attention = everywhere = false;
    snprintf(m->bias, sizeof m->bias, "%s", everywhere ? "all" : attention ? "qkv" : "none");
}

static void read_heads(reader *r, cli_model *m)
{
    bool one = false, grouped = false;
    int64_t nope = 0, turned = 0;
    read_integer(r, "num_attention_heads|n_head|n_heads|num_heads", 1, true, &m->heads);
    m->kv_heads = m->heads;
    read_bool(r, "multi_query", &one);
    read_bool(r, "new_decoder_architecture", &grouped);
    if (one && !grouped)
        m->kv_heads = 1;
    else
        read_integer(r, "num_key_value_heads|num_kv_heads|n_head_kv|n_kv_heads", 1, false,
                     &m->kv_heads);
    read_integer(r, "head_dim|attention_head_dim|kv_channels", 1, false, &m->head_dim);
    read_integer(r, "qk_nope_head_dim", 1, false, &nope);
    read_integer(r, "qk_rope_head_dim", 1, false, &turned);
    if (m->head_dim == 0)
        m->head_dim = nope + turned;
    if (r->refused)
        return;
    if (m->head_dim == 0 && m->hidden % m->heads != 0)
        refuse(r, "%lld heads do not divide hidden_size=%lld, and there is no head_dim",
               (long long)m->heads, (long long)m->hidden);
    else if (m->heads % m->kv_heads != 0)
        refuse(r, "%lld key-value heads do not divide %lld heads", (long long)m->kv_heads,
               (long long)m->heads);
    else if (m->head_dim == 0)
        m->head_dim = m->hidden / m->heads;
    if (!r->refused && m->heads * m->head_dim > INT32_MAX)
        refuse(r, "%lld heads of %lld: must be %d columns or fewer", (long long)m->heads,
               (long long)m->head_dim, INT32_MAX);
}

static void read_attention(reader *r, cli_model *m)
{
    char name[MAX_KEY];
    bool windowed = true;
    double scalar = 0;
    read_bool(r, "use_sliding_window", &windowed);
    if (windowed)
        read_integer(r, "sliding_window", 0, false, &m->window);
    read_real(r, "attn_logit_softcapping", &m->softcap);
    read_real(r, "final_logit_softcapping", &m->logits_softcap);
    read_real(r, "query_pre_attn_scalar", &scalar);
    read_bool(r, "use_qk_norm|qk_norm|qk_layernorm", &m->qk_norm);
    m->latent_kv = find(r, "kv_lora_rank", name) != NULL;
    m->scale = scalar > 0 ? 1 / sqrt(scalar) : 0;
}

/* Of "layer_types", the first that is no attention over positions. */
static void read_layer_types(reader *r, cli_model *m)
{
    char name[MAX_KEY];
    json_t *types = find(r, "layer_types|layers_block_type", name);
    if (r->refused || !types)
        return;
    if (!json_is_array(types)) {
        refuse(r, "%s=%s: must be an array", name, described(types).text);
        return;
    }
    for (size_t i = 0; i < json_array_size(types) && !r->refused && !*m->layer_types; i++) {
        const char *type = json_string_value(json_array_get(types, i));
        if (!type || !is_name(type, sizeof m->layer_types))
            refuse(r, "%s=%s: must be an array of names", name, described(types).text);
        else if (!kiln_listed("full_attention|sliding_attention|chunked_attention|attention", type))
            snprintf(m->layer_types, sizeof m->layer_types, "%s", type);
    }
}

static void read_experts(reader *r, cli_model *m)
{
    read_integer(r, "num_local_experts|num_experts|n_routed_experts|moe_num_experts", 0, false,
                 &m->experts);
    if (m->experts > 1)
        read_integer(r, "moe_intermediate_size", 1, false, &m->ffn);
    else
        m->experts = 0; /* one is a plain block */
}

static void read_ffn(reader *r, cli_model *m)
{
    int64_t ratio = 4;
    read_integer(r, "expansion_ratio", 1, false, &ratio);
    read_integer(r, "intermediate_size|ffn_dim|n_inner|ffn_hidden_size|d_ff", 1, false, &m->ffn);
    if (!r->refused && m->ffn == 0 && m->hidden > INT32_MAX / ratio)
        refuse(r, "%lld times hidden_size=%lld: must be %d or less", (long long)ratio,
               (long long)m->hidden, INT32_MAX);
    else if (m->ffn == 0)
        m->ffn = ratio * m->hidden;
    read_experts(r, m);
    if (!r->refused && (double)m->hidden * (double)m->ffn > 0x1p60)
        refuse(r, "%lld by %lld: a weight of more than 2^60 elements", (long long)m->hidden,
               (long long)m->ffn);
}

/* Falcon's newer layers have a norm for each block, unless they say that there is one. */
static void read_parallel(reader *r, const family *of, cli_model *m)
{
    bool newer = false;
    int64_t norms = 0;
    m->parallel = of && of->flags & PARALLEL;
    read_bool(r, "use_parallel_residual|parallel_attn", &m->parallel);
    read_bool(r, "new_decoder_architecture", &newer);
    read_integer(r, "num_ln_in_parallel_attn", 1, false, &norms);
    m->parallel = m->parallel || newer;
    m->one_norm = m->parallel && (norms ? norms == 1 : of && of->flags & ONE_NORM && !newer);
}

static void read_model(reader *r, cli_model *m)
{
    read_name(r, "model_type", m->model_type, sizeof m->model_type);
    const family *of = find_family(m->model_type);
    m->unknown_type = !of;
    m->qk_norm = of && of->flags & QK_NORM;
    m->unit_offset = of && of->flags & UNIT_OFFSET;
    m->sinks = of && of->flags & SINKS;
    m->bidirectional = of && of->flags & BIDIRECTIONAL;
    read_integer(r, "hidden_size|d_model|n_embd|n_embed", 1, true, &m->hidden);
    read_integer(r, "num_hidden_layers|n_layer|n_layers|num_layers", 1, true, &m->layers);
    read_integer(r, "vocab_size|padded_vocab_size", 1, true, &m->vocab);
    read_heads(r, m);
    read_ffn(r, m);
    read_activation(r, of, m);
    read_norm(r, of, m);
    read_positions(r, of, m);
    read_bias(r, of, m);
    read_attention(r, m);
    read_layer_types(r, m);
    read_parallel(r, of, m);
    m->tied = of && of->flags & TIED;
    read_bool(r, "tie_word_embeddings", &m->tied);
}

/* ---- the file ------------------------------------------------------------------------------ */

/* Opened without waiting for a pipe's writer; only a file is a config. */
static json_t *load(reader *r)
{
    struct stat about;
    json_error_t error;
    json_t *json = NULL;
    int file = open(r->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0 || fstat(file, &about) != 0)
        refuse(r, "%s", strerror(errno));
    else if (S_ISDIR(about.st_mode))
        refuse(r, "is a directory; its config.json is wanted");
    else if (!S_ISREG(about.st_mode))
        refuse(r, "is no file");
    else if (!(json = json_loadfd(file, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error)))
        refuse(r, "line %d: no JSON: %s", error.line, error.text);
    else if (!json_is_object(json))
        refuse(r, "must hold a JSON object, like a model's config.json");
    if (file >= 0)
        close(file);
    return json;
}

int cli_model_read(const char *path, cli_model *model)
{
    reader r = {.path = path};
    memset(model, 0, sizeof *model);
    model->name = path;
    model->from_file = true;
    json_t *json = load(&r), *text = json_object_get(json, "text_config");
    r.object = json;
    /* Of a model that sees and reads, the part that reads. */
    if (!r.refused && text && !json_is_null(text)) {
        if (!json_is_object(text))
            refuse(&r, "text_config=%s: must be an object", described(text).text);
        r.object = text;
    }
    if (!r.refused)
        read_model(&r, model);
    json_decref(json);
    return r.refused ? CLI_REFUSED : CLI_DONE;
}
