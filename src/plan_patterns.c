/* The fusions' patterns (plan_fuse.h), in the order in which they are tried. qkv_projection, which
 * merges parameters, comes before them and is no chain: plan_merge.c. */
#include "plan_fuse.h"

#define PRODUCT .rows = "matmul|matmul_nt", .out = "c", .args = "a=a b=b", .options = "m=m n=n k=k"
/* Behind a prologue, whose input takes a's place. */
#define PRODUCT_OF                                                                                 \
    .rows = "matmul|matmul_nt", .in = "a", .out = "c", .args = "b=b", .options = "m=m n=n k=k"
#define BIAS .rows = "bias_add", .in = "x", .out = "y", .args = "bias=bias"
#define GELU .rows = "gelu", .in = "x", .out = "y"

#define LAYERNORM                                                                                  \
    {                                                                                              \
        .rows = "layernorm", .out = "y", .args = "a=x gamma=gamma beta=beta", .stats = "mean rstd" \
    }
#define RMSNORM                                                                                    \
    {                                                                                              \
        .rows = "rmsnorm", .out = "y", .args = "a=x gamma=gamma", .stats = "rstd"                  \
    }
#define SUM                                                                                        \
    {                                                                                              \
        .rows = "residual_add", .out = "y", .keep = "sum", .args = "x=x residual=residual"         \
    }

const kiln_pattern kiln_patterns[] = {
    {.fusion = "matmul_bias_gelu",
     .result = "c",
     .steps = {{PRODUCT}, {BIAS, .keep = "pre", .keep_option = "save_pre"}, {GELU}}},
    {.fusion = "matmul_bias_residual",
     .result = "c",
     .steps = {{PRODUCT},
               {BIAS},
               {.rows = "residual_add", .in = "x|residual", .out = "y", .args = "residual=*"}}},
    {.fusion = "matmul_swiglu",
     .result = "c",
     .steps = {{.rows = "matmul|matmul_nt",
                .out = "c",
                .keep = "pre",
                .keep_option = "save_pre",
                .args = "a=a b=b",
                .options = "m=m k=k"},
               {.rows = "swiglu", .in = "x", .out = "y", .options = "n=n gate=layout"}}},
    {.fusion = "matmul_gelu_backward",
     .result = "c",
     .steps = {{PRODUCT},
               {.rows = "gelu_backward", .in = "dy", .out = "dx", .args = "x=x"},
               {.rows = "bias_backward",
                .in = "dy",
                .optional = "dbias",
                .side = true,
                .args = "dbias=dbias"}}},
    {.fusion = "layernorm_matmul",
     .prologue = true,
     .result = "c",
     .steps = {LAYERNORM, {PRODUCT_OF}, {BIAS, .optional = "bias"}, {GELU, .optional = "gelu"}}},
    {.fusion = "layernorm_matmul",
     .prologue = true,
     .result = "c",
     .fixed = "bias=1 gelu=1",
     .steps = {LAYERNORM,
               {.rows = "matmul_bias_gelu",
                .in = "a",
                .out = "c",
                .args = "b=b bias=bias",
                .options = "m=m n=n k=k"}}},
    {.fusion = "rmsnorm_matmul",
     .prologue = true,
     .result = "c",
     .steps = {RMSNORM, {PRODUCT_OF}, {BIAS, .optional = "bias"}}},
    {.fusion = "gelu_matmul",
     .prologue = true,
     .result = "c",
     .steps = {{.rows = "gelu", .out = "y", .args = "a=x"},
               {PRODUCT_OF},
               {BIAS, .optional = "bias"}}},
    {.fusion = "residual_layernorm",
     .result = "y",
     .steps = {SUM,
               {.rows = "layernorm",
                .in = "x",
                .out = "y",
                .args = "gamma=gamma beta=beta mean=mean rstd=rstd",
                .options = "m=m n=n"}}},
    {.fusion = "residual_rmsnorm",
     .result = "y",
     .steps = {SUM,
               {.rows = "rmsnorm",
                .in = "x",
                .out = "y",
                .args = "gamma=gamma rstd=rstd",
                .options = "m=m n=n"}}},
    {0},
};
