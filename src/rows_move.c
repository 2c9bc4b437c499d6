/* Rows that move elements: transposing, rotating, looking up. */
#include "registry.h"
#include "row_options.h"

#define BAD_OPTION FLAG_OPTION("bad", "1: bad[0] counts the entries outside the vocabulary")
#define BAD_TENSOR                                                                                 \
    {                                                                                              \
        "bad", KILN_OUT, "1", .dtype = "'i32'", .when = "bad"                                      \
    }

const kiln_row kiln_move_rows[] = {
    {.name = "transpose",
     .family = "move",
     .summary = "y = x^T for each of batch matrices",
     .dims = {"batch", "m", "n"},
     .tensors = {TENSOR("x", KILN_IN, "batch, m, n"), TENSOR("y", KILN_OUT, "batch, n, m")},
     .flops = "0"},
    {.name = "rope",
     .family = "move",
     .summary = "y = x, pairs of each head turned by position theta^(-2i/rotary_dim)",
     .dims = {"tokens", "heads", "head_dim"},
     .literal = "heads head_dim",
     .options = {{.name = "style",
                  .type = KILN_OPTION_CHOICE,
                  .choices = "neox|gptj",
                  .about = "neox: pairs (i, i+rotary_dim/2); gptj: (2i, 2i+1)"},
                 {.name = "rotary_dim",
                  .type = KILN_OPTION_INT,
                  .fallback = "0",
                  .high = INT32_MAX,
                  .about = "elements of a head that turn, the first ones; 0: all"},
                 REAL_OPTION("theta", "10000", "the base of the angles"),
                 FLAG_OPTION("inverse", "1: the angles are negated, as the backward pass needs")},
     .lets = {{"rotary_dim", "rotary_dim ? rotary_dim : head_dim"}},
     .rules = {{"rotary_dim <= head_dim",
                "rotary_dim=${rotary_dim}: must be at most head_dim, ${head_dim}"},
               {"rotary_dim % 2 == 0", "rotary_dim=${rotary_dim}: must be even"},
               {"theta > 0", "theta=${theta}: must be positive"}},
     .tensors = {TENSOR("x", KILN_IN, "tokens, heads, head_dim"),
                 TENSOR_I32("positions", KILN_IN, "tokens"),
                 {"y", KILN_OUT, "tokens, heads, head_dim", .dtype = "dtype", .may_be = "x"}},
     .flops = "3*tokens*heads*rotary_dim"},
    {.name = "embedding",
     .family = "move",
     .summary = "y = table[ids], zeros for an id outside",
     .dims = {"tokens", "vocab", "n"},
     .options = {BAD_OPTION},
     .tensors = {TENSOR_I32("ids", KILN_IN, "tokens"),
                 {"table", KILN_IN, "vocab, n", .dtype = "dtype", .touched = "min(tokens,vocab), n"},
                 TENSOR("y", KILN_OUT, "tokens, n"), BAD_TENSOR},
     .flops = "0"},
    {.name = "embedding_backward",
     .family = "move",
     .summary = "dtable[ids] += dy",
     .dims = {"tokens", "vocab", "n"},
     .options = {OUT_DTYPE_OPTION("dtable")},
     .tensors = {TENSOR_I32("ids", KILN_IN, "tokens"),
                 TENSOR("dy", KILN_IN, "tokens, n"),
                 {"dtable", KILN_INOUT, "vocab, n", .dtype = OUT_DTYPE,
                  .touched = "min(tokens,vocab), n"}},
     .flops = "tokens*n"},
};
const size_t kiln_num_move_rows = sizeof kiln_move_rows / sizeof *kiln_move_rows;
