/* kiln plan: the model as kiln_create_model_plan takes it. */
#include "plan.h"
#include <math.h>
#include <string.h>

/* ---- narrower ---------------------------------------------------------------------------- */

static int64_t scaled(int64_t count, double factor)
{
    int64_t result = (int64_t)llround((double)count * factor);
    return result > 1 ? result : 1;
}

/* To a multiple of 8, as every known model's is. */
static int64_t scaled_width(int64_t width, double factor)
{
    return width % 8 == 0 ? 8 * scaled(width / 8, factor) : scaled(width, factor);
}

void cli_model_scale(cli_model *model, double factor)
{
    /* Heads are whole, and what they come to is what all else is scaled by. */
    int64_t heads = scaled(model->heads, factor), kv_heads = scaled(model->kv_heads, factor);
    factor = (double)heads / (double)model->heads;
    while (heads % kv_heads != 0)
        kv_heads--;
    model->hidden = scaled_width(model->hidden, factor);
    model->ffn = scaled_width(model->ffn, factor);
    model->vocab = scaled(model->vocab, factor);
    model->heads = heads;
    model->kv_heads = kv_heads;
}

/* ---- as parameters ----------------------------------------------------------------------- */

static int refuse_missing(const cli_model *model, int64_t tokens)
{
    cli_missing_list missing;
    kiln_status status = cli_model_missing(model, tokens, &missing);
    if (status != KILN_OK)
        return cli_fail(status);
    if (missing.count == 0)
        return CLI_DONE;
    kiln_text names = {0};
    for (size_t i = 0; i < missing.count; i++)
        kiln_text_addf(&names, "%s%s", i ? ", " : "", missing.of[i].name);
    cli_error("%s: no kernel does what the model needs: %s", model->name,
              names.data ? names.data : "");
    kiln_text_free(&names);
    cli_missing_free(&missing);
    return CLI_FAILED;
}

int cli_model_params(const cli_model *model, int64_t tokens, kiln_model_params *params)
{
    *params = (kiln_model_params){
        .hidden = model->hidden,
        .ffn = model->ffn,
        .heads = model->heads,
        .kv_heads = model->kv_heads,
        .head_dim = model->head_dim,
        .vocab = model->vocab,
        .activation = model->activation,
        .norm = model->norm,
        .bias = model->bias,
        .positions = model->positions,
        .rope_style = strcmp(model->positions, "rope") == 0 ? model->rope_style : NULL,
        .rotary_dim = strcmp(model->positions, "rope") == 0 ? model->rotary_dim : 0,
        .rope_theta = model->rope_theta,
        .eps = model->eps,
        .scale = model->scale,
        .softcap = model->softcap,
        .window = model->window,
        .bidirectional = model->bidirectional,
        .parallel = model->parallel ? 1 + model->one_norm : 0,
        .unit_offset = model->unit_offset,
        .tied = model->tied,
    };
    return refuse_missing(model, tokens);
}
