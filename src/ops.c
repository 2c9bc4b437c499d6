/* The ops: what a prologue or epilogue can do with a value. */
#include "registry.h"

const kiln_op kiln_ops[] = {
    {.name = "accumulate", .file = "op/accumulate.cl", .flops = "1"},
    {.name = "bias",
     .file = "op/bias.cl",
     .tensors = {{"bias", KILN_IN, "n", .dtype = "dtype"}},
     .flops = "1"},
    {.name = "residual",
     .file = "op/residual.cl",
     .tensors = {{"residual", KILN_IN, "m, n", .stride = "ldc", .dtype = "dtype"}},
     .flops = "1"},
    /* The elementary functions are counted as the operations of their formulas: tanh and erf as
     * one each, like a division. */
    {.name = "gelu",
     .file = "op/gelu.cl",
     .helper = "gelu.cl",
     .tensors = {{"pre", KILN_OUT, "m, n", .stride = "ldc", .dtype = "dtype",
                  .when = "defined(save_pre) && save_pre"}},
     .flops = "approx == 'tanh' ? 8 : 5"},
    /* dy by gelu'(x): the derivative has the same functions once more. */
    {.name = "gelu_backward",
     .file = "op/gelu_backward.cl",
     .helper = "gelu_backward.cl",
     .tensors = {{"x", KILN_IN, "m, n", .stride = "ldc", .dtype = "dtype", .as = "gelu_of"}},
     .flops = "approx == 'tanh' ? 14 : 11"},
    /* On their way in and out of the halves of x, the row's own tensor. */
    {.name = "swiglu", .file = "op/swiglu.cl", .helper = "swiglu.cl", .flops = "5"},
    {.name = "swiglu_backward",
     .file = "op/swiglu_backward.cl",
     .helper = "swiglu.cl",
     .flops = "12"},
    /* Of a column of c and the product's two columns behind it, which the template has side by
     * side; pre has a row length of its own. */
    {.name = "swiglu_pair",
     .file = "op/swiglu_pair.cl",
     .helper = "swiglu.cl",
     .tensors = {{"pre", KILN_OUT, "m, 2*n", .dtype = "dtype", .when = "save_pre"}},
     .flops = "5"},
    /* Of the rows that a work-item has of a column: into scratch, for a stage behind. */
    {.name = "column_sums", .file = "op/column_sums.cl", .flops = "1"},
    /* By the statistics that a stage in front has left in scratch; counted with what it took to
     * find them. */
    {.name = "layernorm",
     .file = "op/layernorm.cl",
     .tensors = {{"gamma", KILN_IN, "k", .dtype = "dtype"},
                 {"beta", KILN_IN, "k", .dtype = "dtype", .when = "beta"}},
     .flops = "7+beta"},
    {.name = "rmsnorm",
     .file = "op/rmsnorm.cl",
     .tensors = {{"gamma", KILN_IN, "k", .dtype = "dtype"}},
     .flops = "4+unit_offset"},
    {.name = "store_qkv", .file = "op/store_qkv.cl", .helper = "store_qkv.cl", .flops = "0"},
    {.name = "load", .file = "op/load.cl", .flops = "0"},
    {.name = "store", .file = "op/store.cl", .flops = "0"},
};
const size_t kiln_num_ops = sizeof kiln_ops / sizeof *kiln_ops;
