/* The models of 30 to 200 B parameters whose shapes kiln knows. */
#include "models.h"
#include <string.h>

/* As the columns of a table: layers, hidden, ffn, heads, kv_heads, head_dim, vocab. */
#define SHAPE(layers_, hidden_, ffn_, heads_, kv_heads_, head_dim_, vocab_)                        \
    .layers = (layers_), .hidden = (hidden_), .ffn = (ffn_), .heads = (heads_),                    \
    .kv_heads = (kv_heads_), .head_dim = (head_dim_), .vocab = (vocab_)

/* Biases and learned positions, tanh GELU: the shape that GPT-3 made common. */
#define GPT                                                                                        \
    .activation = "gelu_tanh", .norm = "layernorm", .bias = "all", .positions = "learned",         \
    .tied = true
#define LLAMA                                                                                      \
    .activation = "swiglu", .norm = "rmsnorm", .bias = "none", .positions = "rope",                \
    .rope_style = "neox"
#define FALCON                                                                                     \
    .activation = "gelu_erf", .norm = "layernorm", .bias = "none", .positions = "rope",            \
    .rope_style = "neox", .parallel = true, .tied = true

static const cli_model models[] = {
    {.name = "gpt-neox-20b",
     SHAPE(44, 6144, 24576, 64, 64, 96, 50432),
     .rotary_dim = 24,
     .activation = "gelu_tanh",
     .norm = "layernorm",
     .bias = "all",
     .positions = "rope",
     .rope_style = "neox",
     .parallel = true},
    {.name = "opt-30b",
     SHAPE(48, 7168, 28672, 56, 56, 128, 50272),
     .activation = "relu",
     .norm = "layernorm",
     .bias = "all",
     .positions = "learned",
     .tied = true},
    {.name = "gpt-30b", SHAPE(48, 7168, 28672, 56, 56, 128, 50272), GPT},
    {.name = "opt-66b",
     SHAPE(64, 9216, 36864, 72, 72, 128, 50272),
     .activation = "relu",
     .norm = "layernorm",
     .bias = "all",
     .positions = "learned",
     .tied = true},
    {.name = "gpt3-175b", SHAPE(96, 12288, 49152, 96, 96, 128, 50257), GPT},
    {.name = "bloom-176b",
     SHAPE(70, 14336, 57344, 112, 112, 128, 250880),
     .activation = "gelu_tanh",
     .norm = "layernorm",
     .bias = "all",
     .positions = "alibi",
     .tied = true},
    {.name = "llama-30b", SHAPE(60, 6656, 17920, 52, 52, 128, 32000), .eps = 1e-6, LLAMA},
    {.name = "llama-65b", SHAPE(80, 8192, 22016, 64, 64, 128, 32000), LLAMA},
    {.name = "llama-3-70b",
     SHAPE(80, 8192, 28672, 64, 8, 128, 128256),
     .rope_theta = 500000,
     LLAMA},
    {.name = "qwen2.5-72b",
     SHAPE(80, 8192, 29568, 64, 8, 128, 152064),
     .eps = 1e-6,
     .rope_theta = 1000000,
     .activation = "swiglu",
     .norm = "rmsnorm",
     .bias = "qkv",
     .positions = "rope",
     .rope_style = "neox"},
    {.name = "qwen3-32b",
     SHAPE(64, 5120, 25600, 64, 8, 128, 151936),
     .eps = 1e-6,
     .rope_theta = 1000000,
     .qk_norm = true,
     LLAMA},
    {.name = "falcon-40b", SHAPE(60, 8192, 32768, 128, 8, 64, 65024), FALCON},
    {.name = "falcon-180b", SHAPE(80, 14848, 59392, 232, 8, 64, 65024), FALCON},
    {.name = "command-r-plus-104b",
     SHAPE(64, 12288, 33792, 96, 8, 128, 256000),
     .rope_theta = 75000000,
     .activation = "swiglu",
     .norm = "layernorm",
     .bias = "none",
     .positions = "rope",
     .rope_style = "gptj",
     .parallel = true,
     .one_norm = true,
     .tied = true,
     .qk_norm = true},
    {.name = "mixtral-8x22b",
     SHAPE(56, 6144, 16384, 48, 8, 128, 32768),
     .experts = 8,
     .rope_theta = 1000000,
     LLAMA},
    {.name = "gpt-oss-120b",
     SHAPE(36, 2880, 2880, 64, 8, 64, 201088),
     .experts = 128,
     .window = 128,
     .rope_theta = 150000,
     .rope_scaling = "yarn",
     .sinks = true,
     .activation = "clamped_swiglu",
     .norm = "rmsnorm",
     .bias = "all",
     .positions = "rope",
     .rope_style = "neox"},
    {.name = "gpt-200b", SHAPE(94, 13312, 53248, 104, 104, 128, 50257), GPT},
};

#define NUM_MODELS (sizeof models / sizeof *models)

const cli_model *cli_model_at(size_t index)
{
    return index < NUM_MODELS ? &models[index] : NULL;
}

static const char *model_name(void *user, size_t index)
{
    (void)user;
    return index < NUM_MODELS ? models[index].name : NULL;
}

int cli_model_find(const char *name, const cli_model **model)
{
    for (size_t i = 0; i < NUM_MODELS; i++) {
        *model = &models[i];
        if (strcmp(models[i].name, name) == 0)
            return CLI_DONE;
    }
    kiln_text hint = {0};
    kiln_suggest(&hint, name, model_name, NULL);
    if (!hint.length) {
        kiln_text_add(&hint, "; there are");
        for (size_t i = 0; i < NUM_MODELS; i++)
            kiln_text_addf(&hint, "%s %s", i ? "," : "", models[i].name);
    }
    cli_error("unknown model `%s'%s", name, hint.data ? hint.data : "");
    kiln_text_free(&hint);
    return CLI_REFUSED;
}

int cli_model_take(const cli_model_name *name, cli_model *model)
{
    const cli_model *known;
    if (name->is_config)
        return cli_model_read(name->text, model);
    int status = cli_model_find(name->text, &known);
    if (status == CLI_DONE)
        *model = *known;
    return status;
}

char *cli_model_describe(const cli_model *m)
{
    kiln_text text = {0};
    kiln_text_addf(&text, "%s, hidden %lld, ffn %lld",
                   cli_plural((uint64_t)m->layers, "layer", "layers").text, (long long)m->hidden,
                   (long long)m->ffn);
    if (m->experts)
        kiln_text_addf(&text, " of %lld experts", (long long)m->experts);
    kiln_text_addf(&text, ", %s of %lld", cli_plural((uint64_t)m->heads, "head", "heads").text,
                   (long long)m->head_dim);
    if (m->kv_heads != m->heads)
        kiln_text_addf(&text, " on %lld", (long long)m->kv_heads);
    kiln_text_addf(&text, ", %s, %s%s, positions %s, bias %s, vocab %lld", m->activation, m->norm,
                   m->parallel ? ", parallel" : "", m->positions, m->bias, (long long)m->vocab);
    return cli_need(kiln_text_take(&text));
}
