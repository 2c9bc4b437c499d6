/* Shapes of transformers, and what they ask of kernels. */
#ifndef KILN_CLI_MODELS_H
#define KILN_CLI_MODELS_H

#include "cli.h"

/* Names are those that formulas use (model_specs.c). Texts that come from a config.json hold
 * letters, digits and _ . - only. */
typedef struct cli_model {
    const char *name; /* or the file it was read from */
    bool from_file;
    int64_t layers, hidden, ffn, heads, kv_heads, head_dim, vocab;
    int64_t experts; /* 0: none */
    int64_t window;  /* of a sliding-window attention; 0: none */
    /* relu, gelu_erf, gelu_tanh, swiglu, clamped_swiglu, geglu, or another's name */
    char activation[24];
    char norm[12];         /* layernorm, rmsnorm */
    char bias[8];          /* none, qkv, all */
    char positions[12];    /* rope, alibi, learned, none */
    char rope_style[8];    /* neox, gptj */
    char rope_scaling[24]; /* how angles are stretched, as yarn; "": not at all */
    char layer_types[40];  /* a kind of layer that is no attention; "": there is none */
    char model_type[40];   /* as a config.json names it */
    int64_t rotary_dim;    /* 0: head_dim */
    double rope_theta;     /* 0: 10000 */
    double eps;            /* 0: 1e-5 */
    double scale;          /* of scores; 0: head_dim^-0.5 */
    double softcap;        /* of scores; 0: none */
    double logits_softcap; /* 0: none */
    bool parallel;         /* attention and feed-forward block off the same input */
    bool one_norm;         /* and by the same norm, which parallel blocks may have */
    bool tied;             /* the head is the embedding's table */
    bool qk_norm;          /* a norm on q and k of each head */
    bool unit_offset;      /* rmsnorm by 1 + gamma */
    bool sinks;            /* a learned score beside those of the keys */
    bool latent_kv;        /* k and v unfolded from a shared latent vector */
    bool bidirectional;    /* no causal mask */
    bool unknown_type;     /* model_type is not one of those known */
} cli_model;

/* The table (models.c): the index-th model, NULL past the end. */
const cli_model *cli_model_at(size_t index);

/* CLI_DONE, or CLI_REFUSED with a sentence that names the nearest. */
int cli_model_find(const char *name, const cli_model **model);

/* A Hugging Face config.json (model_config.c). path has to live as long as the model. CLI_DONE, or
 * CLI_REFUSED with a sentence that names the file and the rule. */
int cli_model_read(const char *path, cli_model *model);

/* Either, as the command line names it. */
int cli_model_take(const cli_model_name *name, cli_model *model);

/* "80 layers, hidden 8192, ffn 28672, 64 heads of 128 on 8, swiglu, rmsnorm, positions rope, bias
 * none, vocab 128256"; the caller frees it. */
char *cli_model_describe(const cli_model *model);

/* ---- what a model asks of a kernel (model_specs.c) ------------------------------------------- */

#define CLI_MAX_MODEL_SPECS 12

typedef enum cli_used { CLI_UNUSED = 0, CLI_USED = 1, CLI_OPTIONAL = 2 } cli_used;

typedef struct cli_model_spec {
    char *text;
    const char *role; /* "ffn up" */
    char *split;      /* why it is one of several launches, or NULL */
} cli_model_spec;

typedef struct cli_model_specs {
    cli_used used; /* whether training the model launches the kernel */
    size_t count;
    cli_model_spec of[CLI_MAX_MODEL_SPECS];
} cli_model_specs;

/* The specs of a row at a model's shapes with so many tokens. Never none. Freed with
 * cli_model_specs_free, only after success. */
kiln_status cli_model_specs_make(const cli_model *model, int64_t tokens, const kiln_row *row,
                                 cli_model_specs *specs);
void cli_model_specs_free(cli_model_specs *specs);

/* Layers and steps of a model that no row of the registry does. */
typedef struct cli_missing {
    char *name;
    char *about;
} cli_missing;

typedef struct cli_missing_list {
    cli_missing *of;
    size_t count;
} cli_missing_list;

kiln_status cli_model_missing(const cli_model *model, int64_t tokens, cli_missing_list *list);
void cli_missing_free(cli_missing_list *list);

#endif
