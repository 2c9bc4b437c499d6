/* Rows that work on one element at a time, over the elementwise templates. */
#include "registry.h"
#include "row_options.h"

static const kiln_variant simt = {
    .name = "simt",
    .about = "a work-item takes elements a group apart",
    .tune = {GROUP_SIZES, {"PER_ITEM", {8, 4, 16}}},
    .presets = {GROUP_PRESET " PER_ITEM=8"},
    .require = {GROUP_RULES},
    .lets = {{"BLOCK", "WG*PER_ITEM"}},
    .widths = {"1"},
    .stages = {{.file = "elementwise_simt.cl",
                .groups = "ceildiv(count,BLOCK)",
                .workgroup = "WG"}},
};

static const kiln_variant vector = {
    .name = "vector",
    .about = "CPU: a work-item takes a block of elements by explicit vectors",
    .allow = {ON_CPU},
    .tune = {{"W", {16, 8, 4}}, {"BLOCK", {16384, 4096, 65536}}},
    .presets = {"W=16 BLOCK=16384"},
    .widths = {"W"},
    .fixed_workgroup = true,
    .stages = {{.file = "elementwise_vector.cl",
                .groups = "ceildiv(count,BLOCK)",
                .workgroup = "1"}},
};

static const kiln_variant wide = {
    .name = "wide",
    .about = "GPU: a work-item takes 16 bytes at a time, several such at once",
    .allow = {ON_GPU},
    .tune = {GROUP_SIZES, {"PER_ITEM", {4, 2, 8}}},
    .presets = {GROUP_PRESET " PER_ITEM=4"},
    .require = {GROUP_RULES},
    .lets = {ACCESS_LET, {"BLOCK", "WG*PER_ITEM*W"}},
    .widths = {"W"},
    .stages = {{.file = "elementwise_wide.cl",
                .groups = "ceildiv(count,BLOCK)",
                .workgroup = "WG"}},
};

static const kiln_variant dropout_simt = {
    .name = "simt",
    .about = "a work-item makes random words, then the group takes elements a group apart",
    .tune = {GROUP_SIZES, {"PER_ITEM", {2, 1, 4}}},
    .presets = {GROUP_PRESET " PER_ITEM=2"},
    .require = {GROUP_RULES},
    .lets = {{"BLOCK", "4*WG*PER_ITEM"}},
    /* The first elements may be the last of a block of four words. */
    .stages = {{.file = "dropout_simt.cl", .groups = "ceildiv(count+3,BLOCK)", .workgroup = "WG"}},
};

static const kiln_variant dropout_vector = {
    .name = "vector",
    .about = "CPU: a work-item takes a block of elements, eight blocks of random words at a time",
    .allow = {ON_CPU},
    .tune = {{"BLOCK", {16384, 4096, 65536}}},
    .widths = {"16"},
    .fixed_workgroup = true,
    .stages = {{.file = "dropout_vector.cl", .groups = "ceildiv(count,BLOCK)", .workgroup = "1"}},
};

static const kiln_variant dropout_wide = {
    .name = "wide",
    .about = "GPU: a work-item takes 16 bytes and their random words at a time",
    .allow = {ON_GPU},
    .tune = {GROUP_SIZES, {"PER_ITEM", {2, 4, 1}}},
    .presets = {GROUP_PRESET " PER_ITEM=2"},
    .require = {GROUP_RULES},
    .lets = {ACCESS_LET, {"BLOCK", "WG*PER_ITEM*W"}},
    .widths = {"W"},
    .stages = {{.file = "dropout_wide.cl", .groups = "ceildiv(count+3,BLOCK)", .workgroup = "WG"}},
};

/* LENGTH: of the runs within which an op may count columns. */
#define ELEMENTWISE(length) .lets = {RUNS(length)}, OVER_ELEMENTS
#define RUNS(length)                                                                               \
    {"count", "m*n"}, {"run", length},                                                             \
    {                                                                                              \
        "ldc", "n"                                                                                 \
    }
#define OVER_ELEMENTS                                                                              \
    .family = "elementwise", .dims = {"m", "n"}, .epilogue_count = "m*n", .prologue_count = "m*n", \
    .flops = "0", .variants = {&vector, &wide, &simt}
#define GATED .lets = {RUNS("n"), {"gate", "layout"}}, OVER_ELEMENTS

#define X_Y(alias)                                                                                 \
    TENSOR("x", KILN_IN, "m, n"),                                                                  \
    {                                                                                              \
        "y", KILN_OUT, "m, n", .dtype = "dtype", .may_be = alias                                   \
    }

/* There is no default: both layouts are in use. */
#define GATE_LAYOUT_OPTION                                                                         \
    {                                                                                              \
        .name = "layout", .type = KILN_OPTION_CHOICE, .choices = "split|interleaved",              \
        .about = "split: gate is columns 0..n-1, up n..2n-1; interleaved: gate even, up odd"       \
    }

const kiln_row kiln_elementwise_rows[] = {
    {.name = "bias_add",
     .summary = "y = x + bias",
     .tensors = {X_Y("x")},
     .prologue = {{.op = "load"}},
     .epilogue = {{.op = "bias"}, {.op = "store"}},
     ELEMENTWISE("n")},
    {.name = "residual_add",
     .summary = "y = x + residual",
     .tensors = {X_Y("x residual")},
     .prologue = {{.op = "load"}},
     .epilogue = {{.op = "residual"}, {.op = "store"}},
     ELEMENTWISE("count")},
    {.name = "gelu",
     .summary = "y = gelu(x)",
     .options = {APPROX_OPTION},
     .tensors = {X_Y("x")},
     .prologue = {{.op = "load"}},
     .epilogue = {{.op = "gelu"}, {.op = "store"}},
     ELEMENTWISE("count")},
    {.name = "gelu_backward",
     .summary = "dx = dy gelu'(x)",
     .options = {APPROX_OPTION},
     .tensors = {TENSOR("dy", KILN_IN, "m, n"), TENSOR("dx", KILN_OUT, "m, n")},
     .prologue = {{.op = "load"}},
     .epilogue = {{.op = "gelu_backward"}, {.op = "store"}},
     ELEMENTWISE("count")},
    {.name = "swiglu",
     .summary = "y = silu(gate) up, the two halves of x",
     .options = {GATE_LAYOUT_OPTION},
     .tensors = {TENSOR("x", KILN_IN, "m, 2*n"), TENSOR("y", KILN_OUT, "m, n")},
     .prologue = {{.op = "swiglu"}},
     .epilogue = {{.op = "store"}},
     GATED},
    {.name = "swiglu_backward",
     .summary = "dx: gradients of gate and up from dy",
     .options = {GATE_LAYOUT_OPTION},
     .tensors = {TENSOR("dy", KILN_IN, "m, n"), TENSOR("x", KILN_IN, "m, 2*n"),
                 TENSOR("dx", KILN_OUT, "m, 2*n")},
     .prologue = {{.op = "load"}},
     .epilogue = {{.op = "swiglu_backward"}},
     GATED},
    {.name = "dropout",
     .family = "elementwise",
     .summary = "y = keep ? x/(1-p) : 0, keep by Philox4x32-10 of seed, offset and place",
     .dims = {"m", "n"},
     .tensors = {X_Y("x")},
     .numbers = {{"p", false, "the chance that an element is dropped: 0 <= p < 1, as f32"},
                 {"seed", true, "64 bits: the generator's key"},
                 {"offset", true, "64 bits: added to an element's place"}},
     .number_rules = {{"p >= 0 && f32(p) < 1", "p=${p}: must be 0 or more, and below 1 as an f32"}},
     .passed = {{"threshold", "uint", "ceil(f32(p)*4294967296)"},
                {"kept", "float", "1/(1-f32(p))"},
                {"seed", "ulong", "seed"},
                {"offset", "ulong", "offset"}},
     .lets = {{"count", "m*n"}},
     .flops = "m*n",
     .variants = {&dropout_vector, &dropout_wide, &dropout_simt}},
};
const size_t kiln_num_elementwise_rows =
    sizeof kiln_elementwise_rows / sizeof *kiln_elementwise_rows;
