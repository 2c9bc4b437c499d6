/* Rows that reduce along the rows of a matrix, or its columns: softmax, norms, the loss. */
#include "registry.h"
#include "row_options.h"

#define EPS_OPTION REAL_OPTION("eps", "1e-05", "added to the variance, or the mean square")
#define EPS_RULE                                                                                   \
    {                                                                                              \
        "eps > 0", "eps=${eps}: must be positive"                                                  \
    }
#define BETA_OPTION                                                                                \
    {                                                                                              \
        .name = "beta", .type = KILN_OPTION_INT, .fallback = "1", .high = 1,                       \
        .about = "0: without beta"                                                                 \
    }
#define UNIT_OFFSET_OPTION FLAG_OPTION("unit_offset", "1: gamma + 1 in place of gamma")
#define WEIGHT_GRAD_OPTIONS(of) ACCUMULATE_OPTION(of), OUT_DTYPE_OPTION(of)

/* A row's softmax scale, as the row uses it. */
#define SCALE_OPTION REAL_OPTION("scale", "1", "what x is multiplied by; 0: 1")
#define SCALE_LET                                                                                  \
    {                                                                                              \
        "scale", "scale ? scale : 1"                                                               \
    }

const kiln_row kiln_norm_rows[] = {
    {.name = "bias_backward",
     .family = "norm",
     .summary = "dbias = sum over rows of dy",
     .dims = {"m", "n"},
     .options = {WEIGHT_GRAD_OPTIONS("dbias")},
     .tensors = {TENSOR("dy", KILN_IN, "m, n"), TENSOR_GRAD("dbias", "n", NULL)},
     .flops = "m*n"},
    {.name = "softmax",
     .family = "norm",
     .summary = "y = softmax(scale x) of each row",
     .dims = {"batch", "m", "n"},
     .options = {FLAG_OPTION("causal", "1: row i sees the columns j <= i+n-m"), SCALE_OPTION},
     .lets = {SCALE_LET},
     .tensors = {TENSOR("x", KILN_IN, "batch, m, n"),
                 {"y", KILN_OUT, "batch, m, n", .dtype = "dtype", .may_be = "x"}},
     .flops = "5*batch*m*n"},
    {.name = "softmax_backward",
     .family = "norm",
     .summary = "dx = scale y (dy - sum of dy y)",
     .dims = {"batch", "m", "n"},
     .options = {SCALE_OPTION},
     .lets = {SCALE_LET},
     .tensors = {TENSOR("dy", KILN_IN, "batch, m, n"), TENSOR("y", KILN_IN, "batch, m, n"),
                 TENSOR("dx", KILN_OUT, "batch, m, n")},
     .flops = "5*batch*m*n"},
    {.name = "layernorm",
     .family = "norm",
     .summary = "y = (x - mean) rstd gamma + beta of each row",
     .dims = {"m", "n"},
     .options = {EPS_OPTION, BETA_OPTION},
     .rules = {EPS_RULE},
     .tensors = {TENSOR("x", KILN_IN, "m, n"), TENSOR("gamma", KILN_IN, "n"),
                 {"beta", KILN_IN, "n", .dtype = "dtype", .when = "beta"},
                 TENSOR("y", KILN_OUT, "m, n"), TENSOR_F32("mean", KILN_OUT, "m"),
                 TENSOR_F32("rstd", KILN_OUT, "m")},
     .flops = "(7+beta)*m*n"},
    {.name = "layernorm_backward",
     .family = "norm",
     .summary = "dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma; dgamma, dbeta",
     .dims = {"m", "n"},
     .options = {WEIGHT_GRAD_OPTIONS("dgamma and dbeta"), BETA_OPTION},
     .tensors = {TENSOR("dy", KILN_IN, "m, n"), TENSOR("x", KILN_IN, "m, n"),
                 TENSOR("gamma", KILN_IN, "n"), TENSOR_F32("mean", KILN_IN, "m"),
                 TENSOR_F32("rstd", KILN_IN, "m"), TENSOR("dx", KILN_OUT, "m, n"),
                 TENSOR_GRAD("dgamma", "n", NULL), TENSOR_GRAD("dbeta", "n", "beta")},
     .flops = "(12+beta)*m*n"},
    {.name = "rmsnorm",
     .family = "norm",
     .summary = "y = x rstd (gamma + unit_offset) of each row",
     .dims = {"m", "n"},
     .options = {EPS_OPTION, UNIT_OFFSET_OPTION},
     .rules = {EPS_RULE},
     .tensors = {TENSOR("x", KILN_IN, "m, n"), TENSOR("gamma", KILN_IN, "n"),
                 TENSOR("y", KILN_OUT, "m, n"), TENSOR_F32("rstd", KILN_OUT, "m")},
     .flops = "(4+unit_offset)*m*n"},
    {.name = "rmsnorm_backward",
     .family = "norm",
     .summary = "dx = rstd (g - xhat mean(g xhat)), g = dy (gamma + unit_offset); dgamma",
     .dims = {"m", "n"},
     .options = {UNIT_OFFSET_OPTION, WEIGHT_GRAD_OPTIONS("dgamma")},
     .tensors = {TENSOR("dy", KILN_IN, "m, n"), TENSOR("x", KILN_IN, "m, n"),
                 TENSOR("gamma", KILN_IN, "n"), TENSOR_F32("rstd", KILN_IN, "m"),
                 TENSOR("dx", KILN_OUT, "m, n"), TENSOR_GRAD("dgamma", "n", NULL)},
     .flops = "(9+unit_offset)*m*n"},
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
                 FLAG_OPTION("bad", "1: bad[0] counts the targets outside the vocabulary")},
     .rules = {{"label_smoothing >= 0 && label_smoothing < 1",
                "label_smoothing=${label_smoothing}: must be 0 or more and below 1"}},
     .tensors = {TENSOR("logits", KILN_IN, "tokens, vocab"),
                 TENSOR_I32("targets", KILN_IN, "tokens"), TENSOR_F32("loss", KILN_OUT, "tokens"),
                 TENSOR_F32("lse", KILN_OUT, "tokens"),
                 {"dlogits", KILN_OUT, "tokens, vocab", .dtype = "dtype", .when = "dlogits",
                  .may_be = "logits"},
                 {"bad", KILN_OUT, "1", .dtype = "'i32'", .when = "bad"}},
     .numbers = {{"grad_scale", false, "what dlogits is multiplied by; the loss is not"}},
     .passed = {{"grad_scale", "float", "grad_scale"}},
     .flops = "(4+4*dlogits)*tokens*vocab"},
};
const size_t kiln_num_norm_rows = sizeof kiln_norm_rows / sizeof *kiln_norm_rows;
