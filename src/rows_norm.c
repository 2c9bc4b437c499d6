/* Rows that reduce along the rows of a matrix, or its columns: softmax, norms, the loss. */
#include "registry.h"
#include "row_options.h"

/* ---- variants ---------------------------------------------------------------------------- */

#define FOR_CPU .name = "vector", .allow = {ON_CPU}, .widths = {"16"}, .fixed_workgroup = true

/* U: vectors at a time, each with sums of its own. ELEMENTS: of the rows that a work-item takes,
 * unless the rows are so few that compute units would idle. */
#define ROWS_TUNE                                                                                  \
    {"U", {4, 8, 2}},                                                                              \
    {                                                                                              \
        "ELEMENTS",                                                                                \
        {                                                                                          \
            16384, 4096, 65536                                                                     \
        }                                                                                          \
    }
#define ROWS_PRESET "U=SIMD>8?4:2 ELEMENTS=16384"
static const kiln_variant norm_vector = {
    FOR_CPU,
    .about = "CPU: a work-item takes rows, one after the other, by explicit vectors",
    .tune = {ROWS_TUNE},
    .presets = {ROWS_PRESET},
    .lets = {ROWS_LETS("m", "n"), NORM_LETS("x", "n", "n", "0")},
    .stages = {{.file = "norm_vector.cl", .groups = "GROUPS", .workgroup = "1"}},
};

/* WAIT: exponentials of a row that may wait in local memory for its sum. Where y is large and f32
 * they do not: memory takes so long to take y that computing them anew costs nothing. */
static const kiln_variant softmax_vector = {
    FOR_CPU,
    .about = "CPU: a work-item takes rows, block by block, by explicit vectors",
    .tune = {ROWS_TUNE, {"BLOCK", {1024, 512, 2048}}, {"WAIT", {16384, 8192, 4096, 2048}}},
    .presets = {ROWS_PRESET " BLOCK=1024"},
    .require = {{"4*(WAIT+WAIT/BLOCK) <= LOCAL_MEM",
                 "${WAIT} exponentials need ${4*(WAIT+WAIT/BLOCK)} bytes of local memory, over the "
                 "device's ${LOCAL_MEM}"}},
    .lets = {ROWS_LETS("(batch*m)", "n"),
             {"KEPT",
              "dtype == 'f32' && SIMD > 8 && known(batch*m*n) && batch*m*n >= 8388608 ? 0 : "
              "known(n) ? min(WAIT,roundup(n,BLOCK)) : WAIT"}},
    .stages = {{.file = "softmax_vector.cl", .groups = "GROUPS", .workgroup = "1"}},
};

static const kiln_variant softmax_backward_vector = {
    FOR_CPU,
    .about = "CPU: a work-item takes rows, one after the other, by explicit vectors",
    .tune = {ROWS_TUNE},
    .presets = {ROWS_PRESET},
    .lets = {ROWS_LETS("(batch*m)", "n")},
    .stages = {{.file = "softmax_backward_vector.cl", .groups = "GROUPS", .workgroup = "1"}},
};

static const kiln_variant cross_entropy_vector = {
    FOR_CPU,
    .about = "CPU: a work-item takes rows, block by block, by explicit vectors",
    .tune = {ROWS_TUNE, {"BLOCK", {1024, 512, 2048}}},
    .presets = {ROWS_PRESET " BLOCK=1024"},
    .lets = {ROWS_LETS("tokens", "vocab"),
             {"KEPT", "dlogits && SIMD <= 8 && known(vocab) && 8*vocab <= LOCAL_MEM ? "
                      "roundup(vocab,BLOCK) : 0"},
             {"COUNTERS", "min(256,MAX_WORKGROUP)"}},
    .stages = {{.file = "cross_entropy_vector.cl", .groups = "GROUPS", .workgroup = "1"},
               BAD_STAGE},
};

static const kiln_variant norm_backward_vector = {
    FOR_CPU,
    .about = "CPU: a work-item takes rows, a few at a time, by explicit vectors; then the sums",
    .tune = {{"ROWS", {4, 2, 8}}, {"COLUMNS", {512, 256, 1024}}},
    .presets = {"ROWS=4 COLUMNS=512"},
    .lets = {{"SHARE", "min(1024,ceildiv(m,max(1,min(ceildiv(m,4),4*COMPUTE_UNITS))))"},
             PARTS_LETS},
    PARTS_SCRATCH,
    .stages = {{.file = "norm_backward_vector.cl", .groups = "PARTS", .workgroup = "1"},
               FINISH_VECTOR},
};

static const kiln_variant bias_backward_vector = {
    FOR_CPU,
    .about = "CPU: a work-item takes a block of columns, eight rows at a time; then the sums",
    .tune = {{"COLUMNS", {2048, 1024, 4096}}},
    .presets = {"COLUMNS=SIMD>8?2048:4096"},
    .lets = {{"BLOCKS", "ceildiv(n,COLUMNS)"},
             {"SHARE",
              "min(1024,ceildiv(m,max(1,min(ceildiv(m,16),ceildiv(4*COMPUTE_UNITS,BLOCKS)))))"},
             PARTS_LETS},
    PARTS_SCRATCH,
    .stages = {{.file = "column_sums_vector.cl", .groups = "PARTS*BLOCKS", .workgroup = "1"},
               FINISH_VECTOR},
};

/* A group a row. Of a row whose length is known a work-item keeps its elements, 16 at most, in
 * registers; that is what the preset makes groups for. */
#define GROUP(width)                                                                               \
    .name = "simt", .tune = {GROUP_SIZES},                                                         \
    .presets = {"WG=workgroup_size?workgroup_size:min(MAX_WORKGROUP,known(" width                  \
                ")?max(min(256,roundup(ceildiv(" width ",4),64)),"                                 \
                "min(1024,roundup(ceildiv(" width ",16),64))):256)"},                              \
    .require = {GROUP_RULES}, .widths = {"1"}
static const kiln_variant norm_simt = {
    GROUP("n"),
    .about = "a work-group takes a row",
    .lets = {KEPT_LETS("n"), NORM_LETS("x", "n", "n", "0")},
    .stages = {{.file = "norm_simt.cl", .groups = "m", .workgroup = "WG"}},
};

static const kiln_variant softmax_simt = {
    GROUP("n"),
    .about = "a work-group takes a row",
    .lets = {KEPT_LETS("n")},
    .stages = {{.file = "softmax_simt.cl", .groups = "batch*m", .workgroup = "WG"}},
};

static const kiln_variant softmax_backward_simt = {
    GROUP("n"),
    .about = "a work-group takes a row",
    .lets = {KEPT_LETS("n")},
    .stages = {{.file = "softmax_backward_simt.cl", .groups = "batch*m", .workgroup = "WG"}},
};

static const kiln_variant cross_entropy_simt = {
    GROUP("vocab"),
    .about = "a work-group takes a row",
    .lets = {{"COUNTERS", "WG"}},
    .stages = {{.file = "cross_entropy_simt.cl", .groups = "tokens", .workgroup = "WG"}, BAD_STAGE},
};

static const kiln_variant norm_backward_simt = {
    GROUP("n"),
    .about = "a work-group takes rows, one after the other; then the sums",
    .lets = {KEPT_LETS("n"),
             {"SHARE", "min(1024,ceildiv(m,max(1,min(ceildiv(m,4),4*COMPUTE_UNITS))))"},
             PARTS_LETS,
             TILE_LETS},
    PARTS_SCRATCH,
    .stages = {{.file = "norm_backward_simt.cl", .groups = "PARTS", .workgroup = "WG"},
               FINISH_SIMT},
};

static const kiln_variant bias_backward_simt = {
    .name = "simt",
    .about = "a work-group takes a tile of columns; then the sums",
    .tune = {GROUP_SIZES},
    .presets = {GROUP_PRESET},
    .require = {GROUP_RULES},
    .lets = {TILE_LETS,
             {"BLOCKS", "ceildiv(n,TILE)"},
             {"SHARE",
              "min(1024,ceildiv(m,max(1,min(ceildiv(m,64),ceildiv(8*COMPUTE_UNITS,BLOCKS)))))"},
             PARTS_LETS},
    .widths = {"1"},
    PARTS_SCRATCH,
    .stages = {{.file = "column_sums_simt.cl", .groups = "PARTS*BLOCKS", .workgroup = "WG"},
               FINISH_SIMT},
};

/* A group a row by accesses of 16 bytes. A work-item keeps 32 elements of a row at most. */
#define WIDE                                                                                       \
    .name = "wide", .allow = {ON_GPU}, .tune = {GROUP_SIZES}, .require = {GROUP_RULES},            \
    .widths = {"W"}
#define WIDE_LETS                                                                                  \
    ACCESS_LET, {"PER_ITEM", "known(n) && WG > 0 ? ceildiv(n,W*WG) : 0"},                          \
    {                                                                                              \
        "KEPT", "PER_ITEM > 0 && PER_ITEM*W <= 32"                                                 \
    }
/* KEPT_: elements of a row that a work-item has by preference. */
#define NORM_WIDE(kept_)                                                                           \
    WIDE, .about = "GPU: a work-group takes a row, 16 bytes at a time",                            \
          .presets = {"WG=workgroup_size?workgroup_size:min(MAX_WORKGROUP,known(n)?"               \
                      "max(64,min(1024,roundup(ceildiv(n," kept_ "),64))):256)"},                  \
          .lets = {WIDE_LETS},                                                                     \
          .stages = {{.file = "norm_wide.cl", .groups = "m", .workgroup = "WG"}}
static const kiln_variant norm_wide = {NORM_WIDE("16")};
static const kiln_variant layernorm_wide = {NORM_WIDE("(dtype=='f32'?16:32)")};

/* ROOM: bytes of local memory in which logits wait for the sum. */
static const kiln_variant cross_entropy_wide = {
    WIDE,
    .about = "GPU: a work-group takes a row, 16 bytes at a time, and keeps it in local memory",
    .presets = {"WG=workgroup_size?workgroup_size:min(MAX_WORKGROUP,known(vocab)?"
                "max(64,min(1024,roundup(ceildiv(vocab,dtype=='f32'?32:64),64))):1024)"},
    .lets = {ACCESS_LET,
             {"COUNTERS", "WG"},
             {"ROOM", "dlogits ? max(0,STATIC_LOCAL-8*WG-1024) : 0"}},
    .stages = {{.file = "cross_entropy_wide.cl", .groups = "tokens", .workgroup = "WG"}, BAD_STAGE},
};

static const kiln_variant norm_backward_wide = {
    .name = "wide",
    .about = "GPU: a work-group takes rows, one after the other, 16 bytes at a time; then the sums",
    .allow = {ON_GPU,
              {"known(n)", "n=?: only a row of known length is kept in registers"},
              {"!known(n) || n <= 32768",
               "n=${n}: a row of more than 32768 is not kept in registers"}},
    .tune = {GROUP_SIZES},
    .presets = {"WG=workgroup_size?workgroup_size:min(MAX_WORKGROUP,known(n)?"
                "max(64,min(1024,roundup(ceildiv(n,(centred&&dtype!='f32'?32:16)),64))):256)"},
    .require = {GROUP_RULES,
                {"n <= 32*WG", "a group of ${WG} does not keep a row of ${n} in registers"}},
    .lets = {WIDE_LETS,
             {"LOCAL_GAMMA", "16*WG*PER_ITEM+8*WG+1024 <= STATIC_LOCAL"},
             {"SHARE", "min(1024,ceildiv(m,max(1,min(ceildiv(m,4),COMPUTE_UNITS*max(1,512/WG)))))"},
             PARTS_LETS,
             TILE_LETS},
    .widths = {"W"},
    PARTS_SCRATCH,
    .stages = {{.file = "norm_backward_wide.cl", .groups = "PARTS", .workgroup = "WG"},
               FINISH_SIMT},
};

/* ---- what the rows share ----------------------------------------------------------------- */

#define WEIGHT_GRAD_OPTIONS(of) ACCUMULATE_OPTION(of), OUT_DTYPE_OPTION(of)

/* A row's softmax scale, as the row uses it. */
#define SCALE_OPTION REAL_OPTION("scale", "1", "what x is multiplied by; 0: 1")
#define SCALE_LET                                                                                  \
    {                                                                                              \
        "scale", "scale ? scale : 1"                                                               \
    }

#define SUM                                                                                        \
    {                                                                                              \
        "sum", KILN_OUT, "m, n", .dtype = "dtype", .may_be = "x residual"                          \
    }

/* ---- rows -------------------------------------------------------------------------------- */

const kiln_row kiln_norm_rows[] = {
    {.name = "bias_backward",
     .family = "norm",
     .summary = "dbias = sum over rows of dy",
     .dims = {"m", "n"},
     .options = {WEIGHT_GRAD_OPTIONS("dbias")},
     .lets = {GRADS("dbias", "1")},
     .tensors = {TENSOR("dy", KILN_IN, "m, n"), TENSOR_GRAD("dbias", "n", NULL)},
     .flops = "m*n",
     .variants = {&bias_backward_vector, &bias_backward_simt}},
    {.name = "softmax",
     .family = "norm",
     .summary = "y = softmax(scale x) of each row",
     .dims = {"batch", "m", "n"},
     .options = {FLAG_OPTION("causal", "1: row i sees the columns j <= i+n-m"), SCALE_OPTION},
     .lets = {SCALE_LET},
     .tensors = {TENSOR("x", KILN_IN, "batch, m, n"),
                 {"y", KILN_OUT, "batch, m, n", .dtype = "dtype", .may_be = "x"}},
     .flops = "5*batch*m*n",
     .variants = {&softmax_vector, &softmax_simt}},
    {.name = "softmax_backward",
     .family = "norm",
     .summary = "dx = scale y (dy - sum of dy y)",
     .dims = {"batch", "m", "n"},
     .options = {SCALE_OPTION},
     .lets = {SCALE_LET},
     .tensors = {TENSOR("dy", KILN_IN, "batch, m, n"), TENSOR("y", KILN_IN, "batch, m, n"),
                 TENSOR("dx", KILN_OUT, "batch, m, n")},
     .flops = "5*batch*m*n",
     .variants = {&softmax_backward_vector, &softmax_backward_simt}},
    {.name = "layernorm",
     .family = "norm",
     .summary = "y = (x - mean) rstd gamma + beta of each row",
     .dims = {"m", "n"},
     .options = {EPS_OPTION, BETA_OPTION},
     .rules = {EPS_RULE},
     .lets = {CENTRED},
     .tensors = {TENSOR("x", KILN_IN, "m, n"),
                 TENSOR("gamma", KILN_IN, "n"),
                 {"beta", KILN_IN, "n", .dtype = "dtype", .when = "beta"},
                 TENSOR("y", KILN_OUT, "m, n"),
                 TENSOR_F32("mean", KILN_OUT, "m"),
                 TENSOR_F32("rstd", KILN_OUT, "m")},
     .flops = "(7+beta)*m*n",
     .variants = {&norm_vector, &layernorm_wide, &norm_simt}},
    {.name = "residual_layernorm",
     .family = "norm",
     .summary = "sum = x + residual; y = layernorm(sum), of the unrounded sum",
     .fused = true,
     .dims = {"m", "n"},
     .options = {EPS_OPTION, BETA_OPTION},
     .rules = {EPS_RULE},
     .lets = {CENTRED, {"ldc", "n"}},
     .tensors = {TENSOR("x", KILN_IN, "m, n"),
                 TENSOR("gamma", KILN_IN, "n"),
                 {"beta", KILN_IN, "n", .dtype = "dtype", .when = "beta"},
                 SUM,
                 TENSOR("y", KILN_OUT, "m, n"),
                 TENSOR_F32("mean", KILN_OUT, "m"),
                 TENSOR_F32("rstd", KILN_OUT, "m")},
     .prologue = {{.op = "residual"}},
     .prologue_count = "m*n",
     .flops = "(7+beta)*m*n",
     .variants = {&norm_vector, &norm_wide, &norm_simt}},
    {.name = "layernorm_backward",
     .family = "norm",
     .summary = "dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma; dgamma, dbeta",
     .dims = {"m", "n"},
     .options = {WEIGHT_GRAD_OPTIONS("dgamma and dbeta"), BETA_OPTION},
     .lets = {CENTRED, GRADS("dgamma", "1+beta")},
     .tensors = {TENSOR("dy", KILN_IN, "m, n"), TENSOR("x", KILN_IN, "m, n"),
                 TENSOR("gamma", KILN_IN, "n"), TENSOR_F32("mean", KILN_IN, "m"),
                 TENSOR_F32("rstd", KILN_IN, "m"), TENSOR("dx", KILN_OUT, "m, n"),
                 TENSOR_GRAD("dgamma", "n", NULL), TENSOR_GRAD("dbeta", "n", "beta")},
     .flops = "(12+beta)*m*n",
     .variants = {&norm_backward_vector, &norm_backward_wide, &norm_backward_simt}},
    {.name = "rmsnorm",
     .family = "norm",
     .summary = "y = x rstd (gamma + unit_offset) of each row",
     .dims = {"m", "n"},
     .options = {EPS_OPTION, UNIT_OFFSET_OPTION},
     .rules = {EPS_RULE},
     .lets = {NOT_CENTRED},
     .tensors = {TENSOR("x", KILN_IN, "m, n"), TENSOR("gamma", KILN_IN, "n"),
                 TENSOR("y", KILN_OUT, "m, n"), TENSOR_F32("rstd", KILN_OUT, "m")},
     .flops = "(4+unit_offset)*m*n",
     .variants = {&norm_vector, &norm_wide, &norm_simt}},
    {.name = "residual_rmsnorm",
     .family = "norm",
     .summary = "sum = x + residual; y = rmsnorm(sum), of the unrounded sum",
     .fused = true,
     .dims = {"m", "n"},
     .options = {EPS_OPTION, UNIT_OFFSET_OPTION},
     .rules = {EPS_RULE},
     .lets = {NOT_CENTRED, {"ldc", "n"}},
     .tensors = {TENSOR("x", KILN_IN, "m, n"), TENSOR("gamma", KILN_IN, "n"), SUM,
                 TENSOR("y", KILN_OUT, "m, n"), TENSOR_F32("rstd", KILN_OUT, "m")},
     .prologue = {{.op = "residual"}},
     .prologue_count = "m*n",
     .flops = "(4+unit_offset)*m*n",
     .variants = {&norm_vector, &norm_wide, &norm_simt}},
    {.name = "rmsnorm_backward",
     .family = "norm",
     .summary = "dx = rstd (g - xhat mean(g xhat)), g = dy (gamma + unit_offset); dgamma",
     .dims = {"m", "n"},
     .options = {UNIT_OFFSET_OPTION, WEIGHT_GRAD_OPTIONS("dgamma")},
     .lets = {NOT_CENTRED, GRADS("dgamma", "1")},
     .tensors = {TENSOR("dy", KILN_IN, "m, n"), TENSOR("x", KILN_IN, "m, n"),
                 TENSOR("gamma", KILN_IN, "n"), TENSOR_F32("rstd", KILN_IN, "m"),
                 TENSOR("dx", KILN_OUT, "m, n"), TENSOR_GRAD("dgamma", "n", NULL)},
     .flops = "(9+unit_offset)*m*n",
     .variants = {&norm_backward_vector, &norm_backward_wide, &norm_backward_simt}},
    {.name = "cross_entropy",
     .family = "norm",
     .summary = "loss = lse - (1-s) logit[target] - s mean(logits) + z lse^2; dlogits",
     .dims = {"tokens", "vocab"},
     .options = {REAL_OPTION("label_smoothing", "0", "s: spread over all classes, 0 <= s < 1"),
                 REAL_OPTION("z_loss", "0", "z: the weight of lse^2"),
                 {.name = "ignore_index",
                  .type = KILN_OPTION_INT,
                  .fallback = "-100",
                  .low = INT32_MIN,
                  .high = INT32_MAX,
                  .about = "the target of a token that does not count"},
                 FLAG_OPTION("dlogits", "1: the gradient is computed too"),
                 BAD_OPTION},
     .rules = {{"label_smoothing >= 0 && label_smoothing < 1",
                "label_smoothing=${label_smoothing}: must be 0 or more and below 1"}},
     .tensors = {TENSOR("logits", KILN_IN, "tokens, vocab"),
                 TENSOR_I32("targets", KILN_IN, "tokens"),
                 TENSOR_F32("loss", KILN_OUT, "tokens"),
                 TENSOR_F32("lse", KILN_OUT, "tokens"),
                 {"dlogits", KILN_OUT, "tokens, vocab", .dtype = "dtype", .when = "dlogits",
                  .may_be = "logits"},
                 BAD_TENSOR},
     .numbers = {{"grad_scale", false, "what dlogits is multiplied by; the loss is not"}},
     .passed = {{"grad_scale", "float", "grad_scale"}},
     .flops = "(4+4*dlogits)*tokens*vocab",
     .variants = {&cross_entropy_vector, &cross_entropy_wide, &cross_entropy_simt}},
};
const size_t kiln_num_norm_rows = sizeof kiln_norm_rows / sizeof *kiln_norm_rows;
