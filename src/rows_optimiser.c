/* The optimiser's rows, over one tensor of any shape seen as n elements. */
#include "registry.h"
#include "row_options.h"

static const kiln_variant norm_vector = {
    .name = "vector",
    .about = "CPU: a work-item sums a block by explicit vectors, then one sums these",
    .allow = {ON_CPU},
    .tune = {{"W", {16, 8, 4}}, {"BLOCK", {16384, 4096, 65536}}},
    .presets = {"W=16 BLOCK=16384"},
    .lets = {{"PARTIALS", "ceildiv(n,BLOCK)"}},
    .widths = {"W"},
    .fixed_workgroup = true,
    .scratch = {{.name = "partials", .count = "PARTIALS"}},
    .stages =
        {{.name = "partial", .file = "grad_norm_vector.cl", .groups = "PARTIALS", .workgroup = "1"},
         {.file = "grad_norm_sum_vector.cl", .groups = "1", .workgroup = "1"}},
};

static const kiln_variant norm_simt = {
    .name = "simt",
    .about = "a group sums a block, then one group sums these",
    .tune = {GROUP_SIZES, {"PER_ITEM", {32, 16, 64}}},
    .presets = {GROUP_PRESET " PER_ITEM=32"},
    .require = {GROUP_RULES},
    .lets = {{"BLOCK", "WG*PER_ITEM"}, {"PARTIALS", "ceildiv(n,BLOCK)"}},
    .scratch = {{.name = "partials", .count = "PARTIALS"}},
    .stages =
        {{.name = "partial", .file = "grad_norm_simt.cl", .groups = "PARTIALS", .workgroup = "WG"},
         {.file = "grad_norm_sum_simt.cl", .groups = "1", .workgroup = "WG"}},
};

static const kiln_variant adamw_vector = {
    .name = "vector",
    .about = "CPU: a work-item takes a block of elements by explicit vectors",
    .allow = {ON_CPU},
    .tune = {{"W", {16, 8, 4}}, {"BLOCK", {4096, 16384, 1024}}},
    .presets = {"W=16 BLOCK=4096"},
    .widths = {"W"},
    .fixed_workgroup = true,
    .stages = {{.file = "adamw_vector.cl", .groups = "ceildiv(n,BLOCK)", .workgroup = "1"}},
};

static const kiln_variant adamw_simt = {
    .name = "simt",
    .about = "a work-item takes elements a group apart",
    .tune = {GROUP_SIZES, {"PER_ITEM", {4, 2, 8}}},
    .presets = {GROUP_PRESET " PER_ITEM=4"},
    .require = {GROUP_RULES},
    .lets = {{"BLOCK", "WG*PER_ITEM"}},
    .stages = {{.file = "adamw_simt.cl", .groups = "ceildiv(n,BLOCK)", .workgroup = "WG"}},
};

const kiln_row kiln_optimiser_rows[] = {
    {.name = "grad_norm",
     .family = "optimiser",
     .summary = "sumsq = sum of g^2; clip = min(1, max_norm/(sqrt(sumsq) + 1e-6))",
     .dims = {"n"},
     .options = {ACCUMULATE_OPTION("sumsq")},
     .tensors = {TENSOR("g", KILN_IN, "n"),
                 {"sumsq", KILN_OUT, "1", .dtype = "'f32'", .also_in = "accumulate"},
                 TENSOR_F32("clip", KILN_OUT, "1")},
     .numbers = {{"max_norm", false, "the norm that the gradients are brought down to"}},
     .number_rules = {{"max_norm >= 0", "max_norm=${max_norm}: must be 0 or more"}},
     .passed = {{"max_norm", "float", "max_norm"}},
     .flops = "2*n",
     .variants = {&norm_vector, &norm_simt}},
    {.name = "adamw",
     .family = "optimiser",
     .summary = "m, v: moments of g clip; param -= lr (mhat/(sqrt(vhat)+eps) + weight_decay param)",
     .dims = {"n"},
     .options = {FLAG_OPTION("clip", "1: g is multiplied by clip[0], and 0 changes nothing"),
                 FLAG_OPTION("param_out", "1: the new param is stored rounded too"),
                 OUT_DTYPE_OPTION("param_out")},
     .tensors = {TENSOR("g", KILN_IN, "n"),
                 {"clip", KILN_IN, "1", .dtype = "'f32'", .when = "clip"},
                 TENSOR_F32("param", KILN_INOUT, "n"),
                 TENSOR_F32("m", KILN_INOUT, "n"),
                 TENSOR_F32("v", KILN_INOUT, "n"),
                 {"param_out", KILN_OUT, "n", .dtype = OUT_DTYPE, .when = "param_out"}},
     .numbers = {{"lr", false, "the learning rate"},
                 {"beta1", false, "the first moment's decay"},
                 {"beta2", false, "the second moment's decay"},
                 {"eps", false, "added to the root of the second moment"},
                 {"weight_decay", false, "decoupled from the gradient"},
                 {"step", true, "1 for the first"}},
     .number_rules = {{"lr >= 0", "lr=${lr}: must be 0 or more"},
                      {"beta1 >= 0 && beta1 < 1", "beta1=${beta1}: must be 0 or more and below 1"},
                      {"beta2 >= 0 && beta2 < 1", "beta2=${beta2}: must be 0 or more and below 1"},
                      {"f32(eps) >= 1.1754943508222875e-38",
                       "eps=${eps}: must be positive, and a normal f32 (1.18e-38 or more)"},
                      {"weight_decay >= 0", "weight_decay=${weight_decay}: must be 0 or more"},
                      {"step >= 1", "step=${step}: must be 1 or more"}},
     /* param -= rate m / (sqrt(v) root_scale + eps) + decay param: the corrections in double. */
     .passed = {{"beta1", "float", "beta1"},
                {"rest1", "float", "1-beta1"},
                {"beta2", "float", "beta2"},
                {"rest2", "float", "1-beta2"},
                {"rate", "float", "lr/(1-pow(beta1,step))"},
                {"root_scale", "float", "pow(1-pow(beta2,step),-0.5)"},
                {"eps", "float", "eps"},
                {"decay", "float", "lr*weight_decay"}},
     .flops = "14*n",
     .variants = {&adamw_vector, &adamw_simt}},
};
const size_t kiln_num_optimiser_rows = sizeof kiln_optimiser_rows / sizeof *kiln_optimiser_rows;
