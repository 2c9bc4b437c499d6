/* A transformer launch by launch, forward and backward (plan_model.h). A name with something behind
 * a point (q.product, q.flat) is what a later step of the same line turns into the plain one. */
#include "plan_model.h"

#define LAYERNORM_OF(x, norm, y)                                                                   \
    {"layernorm", "layernorm m=${tokens} n=${hidden} eps=${eps}",                                  \
     "x=" x " gamma=" norm ".gamma beta=" norm ".beta y=" y " mean=" norm ".mean rstd=" norm       \
     ".rstd"},                                                                                     \
    {                                                                                              \
        "!layernorm", "rmsnorm m=${tokens} n=${hidden} eps=${eps} unit_offset=${unit_offset}",     \
            "x=" x " gamma=" norm ".gamma y=" y " rstd=" norm ".rstd"                              \
    }
#define NORM_BACKWARD(when, dy_, x_, norm, dx_)                                                    \
    {when "layernorm", "layernorm_backward m=${tokens} n=${hidden} out_dtype=${grad}",             \
     "dy=" dy_ " x=" x_ " gamma=" norm ".gamma mean=" norm ".mean rstd=" norm ".rstd dx=" dx_      \
     " dgamma=" norm ".gamma.grad dbeta=" norm ".beta.grad"},                                      \
    {                                                                                              \
        when "!layernorm",                                                                         \
            "rmsnorm_backward m=${tokens} n=${hidden} unit_offset=${unit_offset} "                 \
            "out_dtype=${grad}",                                                                   \
            "dy=" dy_ " x=" x_ " gamma=" norm ".gamma rstd=" norm ".rstd dx=" dx_ " dgamma=" norm  \
            ".gamma.grad"                                                                          \
    }

#define PRODUCT(n, k)    "matmul m=${tokens} n=${" n "} k=${" k "}"
#define PRODUCT_DX(n, k) "matmul_nt m=${tokens} n=${" n "} k=${" k "}"
#define PRODUCT_DW(m, n) "matmul_tn m=${" m "} n=${" n "} k=${tokens} out_dtype=${grad}"
#define BIAS(n)          "bias_add m=${tokens} n=${" n "}"
#define BIAS_BACKWARD(n) "bias_backward m=${tokens} n=${" n "} out_dtype=${grad}"
#define ADD              "residual_add m=${tokens} n=${hidden}"
#define ROPE(heads)                                                                                \
    "rope tokens=${tokens} heads=${" heads "} head_dim=${head_dim} rotary_dim=${rotary_dim} "      \
    "style=${style} theta=${theta}"
#define ATTENTION                                                                                  \
    " batch=${batch} seq_q=${seq} seq_k=${seq} heads=${heads} kv_heads=${kv_heads} "               \
    "head_dim=${head_dim} causal=${causal} window=${window} softcap=${softcap} alibi=${alibi} "    \
    "scale=${scale}"

const kiln_let kiln_layer_names[] = {
    {"turned", "rope ? '.flat' : ''"},
    {"product", "bias_qkv ? '.product' : turned"},
    {"v_product", "bias_qkv ? '.product' : ''"},
    {"plain", "bias_all ? '.product' : ''"},
    {"n2", "parallel == 2 ? '@n1' : '@n2'"},
    {"dn2", "parallel == 2 ? '@dn1' : '@dn2'"},
    {"norm2_x", "parallel ? x : '@r1'"},
    {"dr", "parallel ? dy : '@dr1'"},          /* of the attention's result */
    {"beside", "parallel == 2 ? dy : '@dr1'"}, /* what reaches x besides */
    {0},
};

const kiln_model_parameter kiln_layer_parameters[] = {
    {NULL, "norm1.gamma", "hidden"},
    {"layernorm", "norm1.beta", "hidden"},
    {NULL, "wq", "hidden, q"},
    {NULL, "wk", "hidden, kv"},
    {NULL, "wv", "hidden, kv"},
    {"bias_qkv", "bq", "q"},
    {"bias_qkv", "bk", "kv"},
    {"bias_qkv", "bv", "kv"},
    {NULL, "wo", "q, hidden"},
    {"bias_all", "bo", "hidden"},
    {"parallel != 2", "norm2.gamma", "hidden"},
    {"parallel != 2 && layernorm", "norm2.beta", "hidden"},
    {NULL, "w1", "hidden, up"},
    {"bias_all", "b1", "up"},
    {NULL, "w2", "ffn, hidden"},
    {"bias_all", "b2", "hidden"},
    {0},
};

const kiln_model_line kiln_layer_forward[] = {
    LAYERNORM_OF("${x}", "@norm1", "@n1"),
    {NULL, PRODUCT("q", "hidden"), "a=@n1 b=@wq c=@q${product}"},
    {NULL, PRODUCT("kv", "hidden"), "a=@n1 b=@wk c=@k${product}"},
    {NULL, PRODUCT("kv", "hidden"), "a=@n1 b=@wv c=@v${v_product}"},
    {"bias_qkv", BIAS("q"), "x=@q.product bias=@bq y=@q${turned}"},
    {"bias_qkv", BIAS("kv"), "x=@k.product bias=@bk y=@k${turned}"},
    {"bias_qkv", BIAS("kv"), "x=@v.product bias=@bv y=@v"},
    {"rope", ROPE("heads"), "x=@q.flat positions=positions y=@q"},
    {"rope", ROPE("kv_heads"), "x=@k.flat positions=positions y=@k"},
    {NULL, "flash_attention" ATTENTION, "q=@q k=@k v=@v o=@o lse=@lse"},
    {NULL, PRODUCT("hidden", "q"), "a=@o b=@wo c=@ao${plain}"},
    {"bias_all", BIAS("hidden"), "x=@ao.product bias=@bo y=@ao"},
    {NULL, ADD, "x=@ao residual=${x} y=@r1"},
    {"parallel != 2 && layernorm", "layernorm m=${tokens} n=${hidden} eps=${eps}",
     "x=${norm2_x} gamma=@norm2.gamma beta=@norm2.beta y=@n2 mean=@norm2.mean rstd=@norm2.rstd"},
    {"parallel != 2 && !layernorm",
     "rmsnorm m=${tokens} n=${hidden} eps=${eps} unit_offset=${unit_offset}",
     "x=${norm2_x} gamma=@norm2.gamma y=@n2 rstd=@norm2.rstd"},
    {NULL, PRODUCT("up", "hidden"), "a=${n2} b=@w1 c=@u${plain}"},
    {"bias_all", BIAS("up"), "x=@u.product bias=@b1 y=@u"},
    {"!gated", "gelu m=${tokens} n=${ffn} approx=${approx}", "x=@u y=@h"},
    {"gated", "swiglu m=${tokens} n=${ffn} layout=split", "x=@u y=@h"},
    {NULL, PRODUCT("hidden", "ffn"), "a=@h b=@w2 c=@f${plain}"},
    {"bias_all", BIAS("hidden"), "x=@f.product bias=@b2 y=@f"},
    {NULL, ADD, "x=@f residual=@r1 y=${y}"},
    {0},
};

const kiln_model_line kiln_layer_backward[] = {
    /* the feed-forward block */
    {"bias_all", BIAS_BACKWARD("hidden"), "dy=${dy} dbias=@b2.grad"},
    {NULL, PRODUCT_DW("ffn", "hidden"), "a=@h b=${dy} c=@w2.grad"},
    {NULL, PRODUCT_DX("ffn", "hidden"), "a=${dy} b=@w2 c=@dh"},
    {"!gated", "gelu_backward m=${tokens} n=${ffn} approx=${approx}", "dy=@dh x=@u dx=@du"},
    {"gated", "swiglu_backward m=${tokens} n=${ffn} layout=split", "dy=@dh x=@u dx=@du"},
    {"bias_all", BIAS_BACKWARD("up"), "dy=@du dbias=@b1.grad"},
    {NULL, PRODUCT_DW("hidden", "up"), "a=${n2} b=@du c=@w1.grad"},
    {NULL, PRODUCT_DX("hidden", "up"), "a=@du b=@w1 c=${dn2}"},
    NORM_BACKWARD("parallel != 2 && ", "@dn2", "${norm2_x}", "@norm2", "@dr1.norm"),
    {"parallel != 2", ADD, "x=@dr1.norm residual=${dy} y=@dr1"},
    /* attention */
    {"bias_all", BIAS_BACKWARD("hidden"), "dy=${dr} dbias=@bo.grad"},
    {NULL, PRODUCT_DW("q", "hidden"), "a=@o b=${dr} c=@wo.grad"},
    {NULL, PRODUCT_DX("q", "hidden"), "a=${dr} b=@wo c=@do"},
    {NULL, "flash_attention_backward" ATTENTION,
     "dout=@do o=@o q=@q k=@k v=@v lse=@lse dq=@dq${turned} dk=@dk${turned} dv=@dv"},
    {"rope", ROPE("heads") " inverse=1", "x=@dq.flat positions=positions y=@dq"},
    {"rope", ROPE("kv_heads") " inverse=1", "x=@dk.flat positions=positions y=@dk"},
    {"bias_qkv", BIAS_BACKWARD("q"), "dy=@dq dbias=@bq.grad"},
    {"bias_qkv", BIAS_BACKWARD("kv"), "dy=@dk dbias=@bk.grad"},
    {"bias_qkv", BIAS_BACKWARD("kv"), "dy=@dv dbias=@bv.grad"},
    {NULL, PRODUCT_DW("hidden", "q"), "a=@n1 b=@dq c=@wq.grad"},
    {NULL, PRODUCT_DW("hidden", "kv"), "a=@n1 b=@dk c=@wk.grad"},
    {NULL, PRODUCT_DW("hidden", "kv"), "a=@n1 b=@dv c=@wv.grad"},
    {NULL, PRODUCT_DX("hidden", "q") " accumulate=${parallel == 2}", "a=@dq b=@wq c=@dn1"},
    {NULL, PRODUCT_DX("hidden", "kv") " accumulate=1", "a=@dk b=@wk c=@dn1"},
    {NULL, PRODUCT_DX("hidden", "kv") " accumulate=1", "a=@dv b=@wv c=@dn1"},
    NORM_BACKWARD("", "@dn1", "${x}", "@norm1", "@dx.norm"),
    {NULL, ADD, "x=@dx.norm residual=${beside} y=${dx}"},
    {0},
};

/* ---- around the layers ------------------------------------------------------------------- */

const kiln_model_parameter kiln_first_parameters[] = {
    {NULL, "table", "vocab, hidden"},
    {"learned", "pos_table", "max_positions, hidden"},
    {0},
};

const kiln_model_parameter kiln_last_parameters[] = {
    {NULL, "norm.gamma", "hidden"},
    {"layernorm", "norm.beta", "hidden"},
    {"!tied", "head", "hidden, vocab"},
    {0},
};

const kiln_model_line kiln_first_forward[] = {
    {NULL, "embedding tokens=${tokens} vocab=${vocab} n=${hidden}",
     "ids=ids table=table y=embedded${learned ? '.tokens' : ''}"},
    {"learned", "embedding tokens=${tokens} vocab=${max_positions} n=${hidden}",
     "ids=positions table=pos_table y=embedded.positions"},
    {"learned", ADD, "x=embedded.tokens residual=embedded.positions y=embedded"},
    {0},
};

const kiln_model_line kiln_last_forward[] = {
    LAYERNORM_OF("${x}", "norm", "normed"),
    {"!tied", PRODUCT("vocab", "hidden"), "a=normed b=head c=logits"},
    {"tied", PRODUCT_DX("vocab", "hidden"), "a=normed b=table c=logits"},
    {"backward", "cross_entropy tokens=${tokens} vocab=${vocab} dlogits=1",
     "logits=logits targets=targets loss=loss lse=loss.lse dlogits=dlogits grad_scale=grad_scale"},
    {"!backward", "cross_entropy tokens=${tokens} vocab=${vocab}",
     "logits=logits targets=targets loss=loss lse=loss.lse grad_scale=1"},
    {0},
};

const kiln_model_line kiln_last_backward[] = {
    {"!tied", PRODUCT_DW("hidden", "vocab"), "a=normed b=dlogits c=head.grad"},
    {"!tied", PRODUCT_DX("hidden", "vocab"), "a=dlogits b=head c=dnormed"},
    {"tied", PRODUCT_DW("vocab", "hidden"), "a=dlogits b=normed c=table.grad"},
    {"tied", PRODUCT("hidden", "vocab"), "a=dlogits b=table c=dnormed"},
    NORM_BACKWARD("", "dnormed", "${x}", "norm", "${dx}"),
    {0},
};

const kiln_model_line kiln_first_backward[] = {
    {"!tied", "", "table.grad"},
    {NULL, "embedding_backward tokens=${tokens} vocab=${vocab} n=${hidden} out_dtype=${grad}",
     "ids=ids dy=${dy} dtable=table.grad"},
    {"learned", "", "pos_table.grad"},
    {"learned",
     "embedding_backward tokens=${tokens} vocab=${max_positions} n=${hidden} out_dtype=${grad}",
     "ids=positions dy=${dy} dtable=pos_table.grad"},
    {0},
};
