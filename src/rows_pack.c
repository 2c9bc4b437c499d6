/* The row that packs a product's b once, for weights that stay the same. */
#include "registry.h"
#include "row_options.h"

static const kiln_variant vector = {
    .name = "vector",
    .about = "CPU: a work-item a part of a panel",
    .allow = {ON_CPU},
    .tune = {{"KB", {256, 64, 1024, 16}}},
    .lets = {{"BLOCKS", "ceildiv(padded_k,KB)"}},
    .fixed_workgroup = true,
    .stages = {{.file = "pack_vector.cl", .groups = "panels*BLOCKS", .workgroup = "1"}},
};

static const kiln_variant simt = {
    .name = "simt",
    .about = "a group a tile of 64 columns and 16 rows, through local memory",
    .tune = {GROUP_SIZES},
    .presets = {GROUP_PRESET},
    .require = {GROUP_RULES},
    .lets = {{"BLOCKS", "padded_k/16"}},
    .stages = {{.file = "pack_simt.cl", .groups = "panels*BLOCKS", .workgroup = "WG"}},
};

const kiln_row kiln_pack_rows[] = {
    {.name = "pack",
     .family = "move",
     .summary = "packed = b in panels of 64 columns, for products with packed=1",
     .dims = {"n", "k"},
     .options = {LAYOUT_OPTION, LD_OPTION("ldb", "b")},
     .lets = {{"trans_b", "layout == 'nt'"},
              {"width_b", "trans_b ? k : n"},
              {"ldb", "ldb ? ldb : width_b"},
              {"padded_k", "roundup(k,16)"},
              {"panels", "ceildiv(n,64)"}},
     .tensors = {{"b", KILN_IN, "trans_b ? n : k, width_b", .stride = "ldb", .dtype = "dtype"},
                 {"packed", KILN_OUT, "panels, padded_k, 64", .dtype = "dtype"}},
     .rules = {LD_RULE("ldb", "width_b", "b")},
     .flops = "0",
     .variants = {&vector, &simt}},
};
const size_t kiln_num_pack_rows = sizeof kiln_pack_rows / sizeof *kiln_pack_rows;
