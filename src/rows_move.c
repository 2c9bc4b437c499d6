/* Rows that move elements: transposing, rotating, looking up. */
#include "registry.h"
#include "row_options.h"

/* ---- variants ---------------------------------------------------------------------------- */

static const kiln_variant transpose_vector = {
    .name = "vector",
    .about = "CPU: a work-item a tile, in blocks that are transposed in registers",
    .allow = {ON_CPU},
    .tune = {{"TM", {64, 32, 128, 256}}, {"TN", {256, 64, 128, 512}}},
    .presets = {"TM=SIMD>8||known(batch*m*n)&&batch*m*n<1048576?64:256 TN=256"},
    .lets = {{"TILES_N", "ceildiv(n,TN)"}, {"TILES", "ceildiv(m,TM)*TILES_N"}},
    .fixed_workgroup = true,
    .stages = {{.file = "transpose_vector.cl", .groups = "TILES*batch", .workgroup = "1"}},
};

static const kiln_variant transpose_simt = {
    .name = "simt",
    .about = "a group a tile of 32x32 in local memory",
    .tune = {GROUP_SIZES},
    .presets = {GROUP_PRESET},
    .require = {GROUP_RULES},
    .lets = {{"TILES_N", "ceildiv(n,32)"}, {"TILES", "ceildiv(m,32)*TILES_N"}},
    .stages = {{.file = "transpose_simt.cl", .groups = "TILES*batch", .workgroup = "WG"}},
};

static const kiln_variant transpose_wide = {
    .name = "wide",
    .about = "GPU: a group a tile in local memory, four bytes at a time, several such at once",
    .allow = {ON_GPU},
    .tune = {{"WG", {256, 128, 512, 64, 1024}}},
    .presets = {GROUP_PRESET},
    .require = {GROUP_RULES,
                {"1024 % WG == 0", "a group of ${WG} has no whole number of a tile's lines"}},
    .lets = {{"TILE", "dtype == 'f32' ? 32 : 64"},
             {"TILES_N", "ceildiv(n,TILE)"},
             {"TILES", "ceildiv(m,TILE)*TILES_N"}},
    .stages = {{.file = "transpose_wide.cl", .groups = "TILES*batch", .workgroup = "WG"}},
};

/* 64-bit constants, one a pair, in the 64 KiB that every device has for them. */
#define ANGLES_FIT                                                                                 \
    {                                                                                              \
        "rotary_dim <= 8192",                                                                      \
            "rotary_dim=${rotary_dim}: the table of angles holds 8192 elements, 4096 pairs"        \
    }

/* Blocks of about BLOCK elements: some heads of a token, or all heads of some tokens. */
#define ROPE_BLOCKS                                                                                \
    {"HEADS", "min(heads,max(1,BLOCK/head_dim))"},                                                 \
    {                                                                                              \
        "HEAD_BLOCKS", "ceildiv(heads,HEADS)"                                                      \
    }

static const kiln_variant rope_vector = {
    .name = "vector",
    .about = "CPU: a work-item some tokens, angles once a token, heads by explicit vectors",
    .allow = {ON_CPU, ANGLES_FIT},
    .tune = {{"BLOCK", {16384, 4096, 65536}}},
    .lets = {ROPE_BLOCKS, {"TOKENS", "max(1,BLOCK/(HEADS*head_dim))"}},
    .widths = {"16", "8", "4"},
    .fixed_workgroup = true,
    .stages = {{.file = "rope_vector.cl",
                .groups = "ceildiv(tokens,TOKENS)*HEAD_BLOCKS",
                .workgroup = "1"}},
};

/* PAIRS of a head by a group, whose angles it keeps for TOKENS. */
#define ROPE_PAIRS                                                                                 \
    {"PAIRS", "min(rotary_dim/2,512)"}, {"PAIR_BLOCKS", "ceildiv(rotary_dim/2,PAIRS)"},            \
    {                                                                                              \
        "TOKENS", "max(1,min(BLOCK/(HEADS*head_dim),1024/PAIRS))"                                  \
    }

static const kiln_variant rope_simt = {
    .name = "simt",
    .about = "a group some tokens, angles once a token in local memory",
    .allow = {ANGLES_FIT},
    .tune = {GROUP_SIZES, {"BLOCK", {4096, 2048, 8192, 1024}}},
    .presets = {GROUP_PRESET " BLOCK=4096"},
    .require = {GROUP_RULES},
    .lets = {ROPE_BLOCKS, ROPE_PAIRS},
    .stages = {{.file = "rope_simt.cl",
                .groups = "ceildiv(tokens,TOKENS)*HEAD_BLOCKS*PAIR_BLOCKS",
                .workgroup = "WG"}},
};

static const kiln_variant rope_wide = {
    .name = "wide",
    .about =
        "GPU: a group some tokens, angles once a token in local memory, pairs 16 bytes at a time",
    .allow = {ON_GPU,
              ANGLES_FIT,
              {"head_dim % (dtype == 'f32' ? 4 : 8) == 0",
               "head_dim=${head_dim}: a head is not of whole accesses of 16 bytes"},
              {"rotary_dim % (dtype == 'f32' ? 8 : 16) == 0",
               "rotary_dim=${rotary_dim}: its halves are not of whole accesses of 16 bytes"}},
    .tune = {GROUP_SIZES, {"BLOCK", {4096, 2048, 8192, 1024}}},
    .presets = {GROUP_PRESET " BLOCK=(dtype=='f32'?4096:8192)"},
    .require = {GROUP_RULES},
    .lets = {ACCESS_LET, ROPE_BLOCKS, ROPE_PAIRS},
    .widths = {"W"},
    .stages = {{.file = "rope_wide.cl",
                .groups = "ceildiv(tokens,TOKENS)*HEAD_BLOCKS*PAIR_BLOCKS",
                .workgroup = "WG"}},
};

/* Blocks of about BLOCK elements: a part of a row, or some rows. */
#define ROW_BLOCKS                                                                                 \
    {"COLS", "min(n,BLOCK)"}, {"COL_BLOCKS", "ceildiv(n,BLOCK)"},                                  \
    {                                                                                              \
        "ROWS", "max(1,BLOCK/n)"                                                                   \
    }
#define ROW_GROUPS "ceildiv(tokens,ROWS)*COL_BLOCKS"

static const kiln_variant embedding_vector = {
    .name = "vector",
    .about = "CPU: a work-item some rows by explicit vectors",
    .allow = {ON_CPU},
    .tune = {{"W", {16, 8, 4}}, {"BLOCK", {16384, 4096, 65536}}},
    .lets = {ROW_BLOCKS, {"COUNTERS", "min(256,MAX_WORKGROUP)"}},
    .widths = {"W"},
    .fixed_workgroup = true,
    .stages = {{.file = "embedding_vector.cl", .groups = ROW_GROUPS, .workgroup = "1"}, BAD_STAGE},
};

static const kiln_variant embedding_simt = {
    .name = "simt",
    .about = "a group some rows",
    .tune = {GROUP_SIZES, {"BLOCK", {2048, 1024, 4096, 8192}}},
    .presets = {GROUP_PRESET " BLOCK=2048"},
    .require = {GROUP_RULES},
    .lets = {ROW_BLOCKS, {"COUNTERS", "WG"}},
    .stages = {{.file = "embedding_simt.cl", .groups = ROW_GROUPS, .workgroup = "WG"}, BAD_STAGE},
};

static const kiln_variant embedding_wide = {
    .name = "wide",
    .about = "GPU: a group some rows, 16 bytes at a time",
    .allow = {ON_GPU},
    .tune = {GROUP_SIZES, {"BLOCK", {8192, 4096, 16384}}},
    .presets = {GROUP_PRESET " BLOCK=8192"},
    .require = {GROUP_RULES},
    .lets = {ACCESS_LET, ROW_BLOCKS, {"COUNTERS", "WG"}},
    .stages = {{.file = "embedding_wide.cl", .groups = ROW_GROUPS, .workgroup = "WG"}, BAD_STAGE},
};

static const kiln_variant embedding_backward_vector = {
    .name = "vector",
    .about = "CPU: tokens sorted by id, then a work-item an id's rows by explicit vectors",
    .allow = {ON_CPU},
    .tune = {{"W", {16, 8, 4}}, {"BLOCK", {1024, 256, 4096}}, {"SLICE", {4096, 2048, 8192}}},
    .require = {{"4*SLICE <= LOCAL_MEM",
                 "the places of ${SLICE} ids do not fit the device's ${LOCAL_MEM} bytes of local "
                 "memory"}},
    .lets = {ROW_BLOCKS},
    .widths = {"W"},
    .fixed_workgroup = true,
    .scratch = {{.name = "sorted", .count = "tokens"}},
    .stages = {{.name = "sort",
                .file = "embedding_sort_vector.cl",
                .groups = "ceildiv(vocab,SLICE)",
                .workgroup = "1"},
               {.file = "embedding_add_vector.cl", .groups = ROW_GROUPS, .workgroup = "1"}},
};

static const kiln_variant embedding_backward_simt = {
    .name = "simt",
    .about = "tokens sorted by id, then a group an id's rows",
    .tune = {GROUP_SIZES, {"PER_ITEM", {4, 2, 8}}, {"SLICE", {4096, 2048, 1024}}},
    .presets = {GROUP_PRESET " PER_ITEM=4"},
    .require = {GROUP_RULES,
                {"4*(SLICE+2*WG) <= LOCAL_MEM",
                 "the places of ${SLICE} ids and a group of ${WG} do not fit the device's "
                 "${LOCAL_MEM} bytes of local memory"}},
    .lets = {{"BLOCK", "WG*PER_ITEM"}, ROW_BLOCKS},
    .scratch = {{.name = "sorted", .count = "tokens"}},
    .stages = {{.name = "sort",
                .file = "embedding_sort_simt.cl",
                .groups = "ceildiv(vocab,SLICE)",
                .workgroup = "WG"},
               {.file = "embedding_add_simt.cl", .groups = ROW_GROUPS, .workgroup = "WG"}},
};

/* BLOCK is of a group's columns; W as ACCESS_LET's. */
static const kiln_variant embedding_backward_wide = {
    .name = "wide",
    .about = "GPU: tokens sorted by id, then a group an id's rows, 16 bytes at a time",
    .allow = {ON_GPU},
    .tune = {GROUP_SIZES, {"PER_ITEM", {2, 1, 4}}, {"SLICE", {256, 512, 1024}}},
    .presets = {GROUP_PRESET " PER_ITEM=2 SLICE=256"},
    .require = {GROUP_RULES},
    .lets = {ACCESS_LET, {"BLOCK", "WG*PER_ITEM*W"}, ROW_BLOCKS},
    .widths = {"W"},
    .scratch = {{.name = "sorted", .count = "tokens"}},
    .stages = {{.name = "sort",
                .file = "embedding_sort_wide.cl",
                .groups = "ceildiv(vocab,SLICE)",
                .workgroup = "WG"},
               {.file = "embedding_add_wide.cl", .groups = ROW_GROUPS, .workgroup = "WG"}},
};

/* ---- rows -------------------------------------------------------------------------------- */

const kiln_row kiln_move_rows[] = {
    {.name = "transpose",
     .family = "move",
     .summary = "y = x^T for each of batch matrices",
     .dims = {"batch", "m", "n"},
     .tensors = {TENSOR("x", KILN_IN, "batch, m, n"), TENSOR("y", KILN_OUT, "batch, n, m")},
     .flops = "0",
     .variants = {&transpose_vector, &transpose_wide, &transpose_simt}},
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
     .flops = "3*tokens*heads*rotary_dim",
     .variants = {&rope_vector, &rope_wide, &rope_simt}},
    {.name = "embedding",
     .family = "move",
     .summary = "y = table[ids], zeros for an id outside",
     .dims = {"tokens", "vocab", "n"},
     .options = {BAD_OPTION},
     .tensors = {TENSOR_I32("ids", KILN_IN, "tokens"),
                 {"table", KILN_IN, "vocab, n", .dtype = "dtype",
                  .touched = "min(tokens,vocab), n"},
                 TENSOR("y", KILN_OUT, "tokens, n"),
                 BAD_TENSOR},
     .flops = "0",
     .variants = {&embedding_vector, &embedding_wide, &embedding_simt}},
    {.name = "embedding_backward",
     .family = "move",
     .summary = "dtable[ids] += dy",
     .dims = {"tokens", "vocab", "n"},
     .options = {OUT_DTYPE_OPTION("dtable")},
     .tensors = {TENSOR_I32("ids", KILN_IN, "tokens"),
                 TENSOR("dy", KILN_IN, "tokens, n"),
                 {"dtable", KILN_INOUT, "vocab, n", .dtype = OUT_DTYPE,
                  .touched = "min(tokens,vocab), n"}},
     .flops = "tokens*n",
     .variants = {&embedding_backward_vector, &embedding_backward_wide, &embedding_backward_simt}},
};
const size_t kiln_num_move_rows = sizeof kiln_move_rows / sizeof *kiln_move_rows;
