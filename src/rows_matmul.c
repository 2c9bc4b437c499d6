/* The matrix products and the fused rows over their templates. */
#include "registry.h"
#include "row_options.h"
#include "rows_matmul_decode.h"
#include "rows_matmul_mma.h"
#include "rows_matmul_skinny.h"
#include "rows_matmul_wgmma.h"
#include "rows_matmul_wide.h"

/* ---- variants ---------------------------------------------------------------------------- */

/* workgroup_size and tile_size are honoured by these in every variant of the family. */
#define TILE_RULE(edges)                                                                           \
    {                                                                                              \
        "tile_size == 0 || " edges,                                                                \
            "tile_size=${tile_size}: this variant has no tiles of that edge"                       \
    }

/* pair: how many columns of the product make one of c. Two (gate and up) are summed side by side,
 * and all counts of columns that a tile keeps are twice those of c. */
#define SIMT_TILES                                                                                 \
    .name = "simt",                                                                                \
    .about = "work-groups, tiles of a and b in local memory, a register tile a work-item",         \
    .allow = {{"workgroup_size == 0 || tile_size == 0 || workgroup_size <= tile_size*tile_size",   \
               "workgroup_size=${workgroup_size}: a tile of ${tile_size}x${tile_size} has only "   \
               "${tile_size*tile_size} elements"}},                                                \
    .tune = {{"BM", {64, 128, 32, 16, 8}},                                                         \
             {"BN", {64, 128, 32, 16, 8}},                                                         \
             {"TM", {4, 8, 2, 1, 16}},                                                             \
             {"TN", {4, 8, 2, 1, 16}},                                                             \
             {"BK", {16, 32, 8}}},                                                                 \
    .presets = {"BM=workgroup_size/4 BN=64 TM=4 TN=4", "BM=128 BN=128/pair TM=8 TN=8/pair BK=16",  \
                "BM=64 BN=64 TM=4 TN=4 BK=16", "BM=32 BN=32 TM=2 TN=2 BK=16",                      \
                "BM=16 BN=16 TM=1 TN=1 BK=16"},                                                    \
    .require =                                                                                     \
        {TILE_RULE("BM == tile_size && BN == tile_size"), /* Small products keep enough groups to  \
                                   fill the device. Before the others, since it is the last that a \
                                   refusal should name. */                                         \
         {"tile_size != 0 || workgroup_size != 0 || BM <= 16 || !known(m) || !known(n) || "        \
          "ceildiv(m,BM)*ceildiv(n,BN) >= COMPUTE_UNITS",                                          \
          "tiles of ${BM}x${BN} leave compute units idle"},                                        \
         {"BM % TM == 0 && BN % TN == 0",                                                          \
          "a register tile of ${TM}x${TN} does not divide ${BM}x${BN}"},                           \
         {"workgroup_size == 0 || (BM/TM)*(BN/TN) == workgroup_size",                              \
          "workgroup_size=${workgroup_size}: tiles of ${BM}x${BN} by register tiles of "           \
          "${TM}x${TN} make groups of ${(BM/TM)*(BN/TN)}"},                                        \
         {"(BM/TM)*(BN/TN) % 64 == 0", "a group of ${(BM/TM)*(BN/TN)} is no multiple of 64"},      \
         {"(BM/TM)*(BN/TN) <= MAX_WORKGROUP",                                                      \
          "a group of ${(BM/TM)*(BN/TN)} work-items is over the device's ${MAX_WORKGROUP}"},       \
         {"TM*TN*pair <= 64",                                                                      \
          "a register tile of ${TM}x${TN*pair} needs ${TM*TN*pair} accumulators, over 64"},        \
         {"4*BK*(BM+pair*BN+2) <= LOCAL_MEM",                                                      \
          "tiles of ${BM}x${pair*BN} by ${BK} need ${4*BK*(BM+pair*BN+2)} bytes of local memory, " \
          "over the device's ${LOCAL_MEM}"}},                                                      \
    .widths = {"1"}
#define SIMT_LETS                                                                                  \
    {"WG", "(BM/TM)*(BN/TN)"}, {"TILES_N", "ceildiv(n,BN)"},                                       \
    {                                                                                              \
        "TILES", "ceildiv(m,BM)*TILES_N"                                                           \
    }
#define SIMT_STAGE                                                                                 \
    {                                                                                              \
        .file = "matmul_simt.cl", .groups = "TILES*batch", .workgroup = "WG"                       \
    }

static const kiln_variant simt = {SIMT_TILES, .lets = {SIMT_LETS}, .stages = {SIMT_STAGE}};

/* b is not packed but read where it is: it comes in panels, and need not be converted more than a
 * few times. */
#define DIRECT_B "packed && (dtype == 'f32' || known(m) && m <= 24)"
#define VECTOR_TILES                                                                               \
    .name = "vector",                                                                              \
    .about = "CPU: a work-item a macro-tile, packed blocks in local memory, explicit vectors",     \
    .allow = {ON_CPU},                                                                             \
    .tune = {{"W", {16, 8, 4}},                                                                    \
             {"NV", {4, 2, 1}},                                                                    \
             {"MR", {6, 8, 4, 2, 1, 3}},                                                           \
             {"KC", {256, 512, 1024, 128, 64, 32}},                                                \
             {"MC", {240, 120, 128, 64, 32, 16, 8}},                                               \
             {"NC", {256, 512, 1024, 128, 64, 32, 16, 8}},                                         \
             {"MS", {480, 1200, 240, 128, 64, 32, 16, 8}}},                                        \
    .presets = {"W=max(SIMD,4) NV=SIMD>8?4:2 MR=packed&&known(m)&&m<6?(m==5?6:m):0 KC=256 "        \
                "MC=240 NC=c_keeps?512:256 MS=c_keeps?1200:240",                                   \
                "W=min(max(SIMD,4),tile_size) NV=tile_size>=64&&SIMD>8?2:pair MR=8 KC=256 "        \
                "MC=tile_size NC=pair*tile_size MS=tile_size",                                     \
                "W=min(max(SIMD,4),tile_size) NV=pair MR=8 KC=64 MC=tile_size "                    \
                "NC=pair*tile_size MS=tile_size",                                                  \
                "W=max(SIMD,4) NV=SIMD>8?4:2 MR=6 KC=c_keeps&&!(known(k)&&k<=512)?0:512 "          \
                "MC=240 NC=256 MS=480",                                                            \
                "W=max(SIMD,4) NV=SIMD>8?4:2 MR=6 KC=256 MC=240 NC=c_keeps?512:0 MS=1200",         \
                "W=max(SIMD,4) NV=2 MR=6 KC=256 MC=SIMD>8?0:120 NC=c_keeps?256:128 "               \
                "MS=c_keeps?1200:480",                                                             \
                "W=max(SIMD,4) NV=SIMD>8?4:2 MR=6 KC=256 MC=240 NC=256 MS=480",                    \
                "W=max(SIMD,4) NV=SIMD>8?4:2 MR=6 KC=256 MC=240 NC=128 MS=240",                    \
                "W=max(SIMD,4) NV=SIMD>8?4:2 MR=6 KC=256 MC=120 NC=64 MS=240",                     \
                "W=max(SIMD,4) NV=SIMD>8?2:pair MR=8 KC=128 MC=64 NC=64 MS=64"},                   \
    .require = {TILE_RULE("MC == MS && MC == tile_size && NC == pair*tile_size"),                  \
                {"MC % MR == 0 && MS % MR == 0 && MS >= MC",                                       \
                 "panels of ${MR} rows do not divide blocks of ${MC} and ${MS}"},                  \
                {"NV % pair == 0 && NC % (W*NV) == 0",                                             \
                 "panels of ${W*NV} columns do not divide blocks of ${NC}"},                       \
                {"W <= SIMD || W == 4", "vectors of ${W} are wider than the device's ${SIMD}"},    \
                {"MR*NV <= (SIMD > 8 ? 24 : 12)",                                                  \
                 "a register tile of ${MR}x${NV} vectors does not fit the registers"},             \
                {"!packed || 64 % (W*NV) == 0",                                                    \
                 "panels of ${W*NV} columns do not divide those of 64 that b is packed in"},       \
                {"4*((known(k) ? min(KC,roundup(k,16)) : KC)*(MC+(" DIRECT_B " ? 0 : NC))+"        \
                 "(!c_keeps && (!known(k) || k > KC) ? MS*NC : 0)) <= LOCAL_MEM",                  \
                 "blocks of ${MC}x${NC} by ${KC} do not fit the device's ${LOCAL_MEM} bytes of "   \
                 "local memory"}},                                                                 \
    .widths = {"16", "W"}, .fixed_workgroup = true
/* None of these that count groups or scratch asks known(): the template and the launch, which knows
 * more, would not agree. STRIPS: of equal height, as many as fill the device; where tiles are as
 * high as here with SIMD <= 8, so many that no compute unit has one more than the others. */
#define VECTOR_LETS                                                                                \
    {"KB", "known(k) ? min(KC,roundup(k,16)) : KC"}, {"SUMS", "!known(k) || k > KC"},              \
        {"IN_C", "c_keeps"}, {"DIRECT", DIRECT_B}, {"ADDS", "defined(accumulate) && accumulate"},  \
        {"NR", "W*NV"}, {"TILES_N", "ceildiv(columns,NC)"},                                        \
        {"TILE_COLS", "min(roundup(ceildiv(columns,TILES_N),NR),NC)"},                             \
        {"ENOUGH", "max(ceildiv(m,MS),min(ceildiv(m,8*MR),"                                        \
                   "ceildiv(2*COMPUTE_UNITS,TILES_N*batch)))"},                                    \
        {"STRIPS", "SIMD > 8 || TILES_N*batch % COMPUTE_UNITS == 0 ? "                             \
                   "ENOUGH : max(ENOUGH,min(ceildiv(m,8*MR),roundup(ENOUGH,COMPUTE_UNITS)))"},     \
        {"STRIP", "min(roundup(ceildiv(m,STRIPS),MR),MS)"},                                        \
    {                                                                                              \
        "TILES", "ceildiv(m,STRIP)*TILES_N"                                                        \
    }
#define VECTOR_STAGE                                                                               \
    {                                                                                              \
        .file = "matmul_vector.cl", .groups = "TILES*batch", .workgroup = "1"                      \
    }

static const kiln_variant vector = {VECTOR_TILES, .lets = {VECTOR_LETS}, .stages = {VECTOR_STAGE}};

static const kiln_variant skinny = {SKINNY_TILES, .lets = {SKINNY_LETS}, .stages = {SKINNY_STAGE}};

static const kiln_variant decode = {DECODE_TILES, .lets = {DECODE_LETS}, DECODE_SCRATCH,
                                    .stages = {DECODE_STAGE, DECODE_FINISH}};

static const kiln_variant wide = {WIDE_TILES, .lets = {WIDE_LETS}, .stages = {WIDE_STAGE}};

static const kiln_variant wgmma = {
    WGMMA_TILES("1"),
    .lets = {WGMMA_LETS, SHARES_LETS},
    .scratch = {WGMMA_SCRATCH, TURNED_A_SCRATCH, TURNED_B_SCRATCH, SHARES_SCRATCH},
    .stages = {TURN_A_STAGE, TURN_B_STAGE, WGMMA_STAGE, SHARES_FINISH},
};

static const kiln_variant mma = {MMA_TILES, .lets = {MMA_LETS}, .stages = {MMA_STAGE}};

/* With a norm of a's rows in front: its statistics first, then the product normalises a on its way
 * in. */
#define STATS                                                                                      \
    {                                                                                              \
        .name = "stats", .count = "m*STATS"                                                        \
    }
#define STATS_SCRATCH .scratch = {STATS}
#define STATS_VECTOR                                                                               \
    {                                                                                              \
        .name = "stats", .file = "norm_vector.cl", .groups = "GROUPS", .workgroup = "1"            \
    }
#define STATS_SIMT                                                                                 \
    {                                                                                              \
        .name = "stats", .file = "norm_simt.cl", .groups = "m", .workgroup = "WG"                  \
    }
#define STATS_LETS NORM_LETS("a", "k", "lda", "1 + 2*centred")

static const kiln_variant normed_vector = {
    VECTOR_TILES,
    .lets = {VECTOR_LETS, {"U", "4"}, {"ELEMENTS", "16384"}, ROWS_LETS("m", "k"), STATS_LETS},
    STATS_SCRATCH,
    .stages = {STATS_VECTOR, VECTOR_STAGE},
};

static const kiln_variant normed_skinny = {
    SKINNY_TILES,
    .lets = {SKINNY_LETS, {"U", "4"}, {"ELEMENTS", "16384"}, ROWS_LETS("m", "k"), STATS_LETS},
    STATS_SCRATCH,
    .stages = {STATS_VECTOR, SKINNY_STAGE},
};

static const kiln_variant normed_simt = {
    SIMT_TILES,
    .lets = {SIMT_LETS, KEPT_LETS("k"), STATS_LETS},
    STATS_SCRATCH,
    .stages = {STATS_SIMT, SIMT_STAGE},
};

/* With sums of c's columns: in parts, a row for the rows that one work-item has of a tile. */
static const kiln_variant summed_vector = {
    VECTOR_TILES,
    .lets = {VECTOR_LETS,
             {"COLUMNS", "512"},
             {"PARTS", "ceildiv(m,STRIP)"},
             {"PADDED", "roundup(n,16)"}},
    PARTS_SCRATCH,
    .stages = {VECTOR_STAGE, FINISH_VECTOR},
};

static const kiln_variant summed_skinny = {
    SKINNY_TILES,
    .lets = {SKINNY_LETS, {"COLUMNS", "512"}, {"PARTS", "STRIPS"}, {"PADDED", "roundup(n,16)"}},
    PARTS_SCRATCH,
    .stages = {SKINNY_STAGE, FINISH_VECTOR},
};

static const kiln_variant summed_simt = {
    SIMT_TILES,
    .lets = {SIMT_LETS,
             TILE_LETS,
             {"FULL", "ceildiv(m,BM)-1"},
             {"PARTS", "FULL*(BM/TM)+min(BM/TM,m-FULL*BM)"},
             {"PADDED", "roundup(n,16)"}},
    PARTS_SCRATCH,
    .stages = {SIMT_STAGE, FINISH_SIMT},
};

static const kiln_variant prepared_wgmma = {
    WGMMA_TILES("0"),
    .lets = {WGMMA_LETS},
    .scratch = {WGMMA_SCRATCH, PREPARED_SCRATCH, TURNED_B_SCRATCH},
    .stages = {PREPARE_STAGE, TURN_B_STAGE, WGMMA_STAGE},
};

static const kiln_variant normed_wgmma = {
    WGMMA_TILES("0"),
    .lets = {WGMMA_LETS, {"WG", "256"}, KEPT_LETS("k"), STATS_LETS},
    .scratch = {WGMMA_SCRATCH, STATS, PREPARED_SCRATCH, TURNED_B_SCRATCH},
    .stages = {STATS_SIMT, PREPARE_STAGE, TURN_B_STAGE, WGMMA_STAGE},
};

static const kiln_variant prepared_mma = {
    MMA_TILES,
    .lets = {MMA_LETS},
    .scratch = {PREPARED_SCRATCH},
    .stages = {PREPARE_STAGE, MMA_STAGE},
};

static const kiln_variant normed_mma = {
    MMA_TILES,
    .lets = {MMA_LETS, {"WG", "256"}, KEPT_LETS("k"), STATS_LETS},
    .scratch = {STATS, PREPARED_SCRATCH},
    .stages = {STATS_SIMT, PREPARE_STAGE, MMA_STAGE},
};

static const kiln_variant summed_wgmma = {
    WGMMA_TILES("0"),
    .lets = {WGMMA_LETS,
             {"WG", "256"},
             TILE_LETS,
             {"PARTS", "ceildiv(m,64*WGS)*4*WGS"},
             {"PADDED", "roundup(n,16)"}},
    .scratch = {WGMMA_SCRATCH, PARTS, TURNED_B_SCRATCH},
    .stages = {TURN_B_STAGE, WGMMA_STAGE, FINISH_SIMT},
};

static const kiln_variant summed_mma = {
    MMA_TILES,
    .lets = {MMA_LETS,
             {"WG", "256"},
             TILE_LETS,
             {"PARTS", "ceildiv(m,BM)*WM"},
             {"PADDED", "roundup(n,16)"}},
    PARTS_SCRATCH,
    .stages = {MMA_STAGE, FINISH_SIMT},
};

/* ---- what the rows share ----------------------------------------------------------------- */

#define LD_OPTIONS LD_OPTION("lda", "a"), LD_OPTION("ldb", "b"), LD_OPTION("ldc", "c")

#define TILE_OPTION                                                                                \
    {                                                                                              \
        .name = "tile_size", .type = KILN_OPTION_INT, .fallback = "0", .high = 128,                \
        .about = "edge of the tiles of c: 0 (chosen), 8, 16, 32, 64 or 128"                        \
    }
/* Other arithmetic than dtype's own; variants that have it not compute as they do without it. */
#define COMPUTE_OPTION                                                                             \
    {                                                                                              \
        .name = "compute", .type = KILN_OPTION_CHOICE, .fallback = "dtype",                        \
        .choices = "dtype|tf32",                                                                   \
        .about = "tf32: f32 a and b may be rounded to 11 bits, for tensor cores"                   \
    }
#define COMPUTE_RULE                                                                               \
    {                                                                                              \
        "compute == 'dtype' || dtype == 'f32'", "compute=tf32: is of use with dtype=f32 alone"     \
    }
#define PACKED_OPTION FLAG_OPTION("packed", "1: b as `pack' leaves it, whatever the layout was")
#define PRODUCT_OPTIONS                                                                            \
    OUT_DTYPE_OPTION("c"), FLAG_OPTION("accumulate", "1: c += instead of c ="), LD_OPTIONS,        \
        TILE_OPTION, COMPUTE_OPTION

/* The product's columns; row lengths as stored, and the leading dimensions in force. */
#define STORED_INPUTS                                                                              \
    {"tf32", "compute == 'tf32'"}, {"columns", "pair == 2 ? 2*n : n"},                             \
        {"width_a", "trans_a ? m : k"}, {"padded_k", "roundup(k,16)"},                             \
        {"rows_b", "packed ? ceildiv(columns,64)*padded_k : trans_b ? columns : k"},               \
        {"width_b", "packed ? 64 : trans_b ? k : columns"}, {"lda", "lda ? lda : width_a"},        \
    {                                                                                              \
        "ldb", "ldb ? ldb : width_b"                                                               \
    }
#define STORED                                                                                     \
    STORED_INPUTS, {"ldc", "ldc ? ldc : n"},                                                       \
        {"c_dtype", "defined(out_dtype) && out_dtype != 'dtype' ? out_dtype : dtype"},             \
    {                                                                                              \
        "c_keeps", "c_dtype == 'f32' && pair == 1"                                                 \
    }

#define PACKED_RULE                                                                                \
    {                                                                                              \
        "!packed || ldb == 64", "ldb=${ldb}: must be 0 with packed=1, as b then has no rows"       \
    }
#define LD_RULES                                                                                   \
    LD_RULE("lda", "width_a", "a"), LD_RULE("ldb", "width_b", "b"), LD_RULE("ldc", "n", "c"),      \
        PACKED_RULE
#define TILE_SIZE_RULE                                                                             \
    {                                                                                              \
        "tile_size == 0 || tile_size == 8 || tile_size == 16 || tile_size == 32 || "               \
        "tile_size == 64 || tile_size == 128",                                                     \
            "tile_size=${tile_size}: must be 0, 8, 16, 32, 64 or 128"                              \
    }

#define A(lead)                                                                                    \
    {                                                                                              \
        "a", KILN_IN, lead "trans_a ? k : m, width_a", .stride = "lda", .dtype = "dtype"           \
    }
#define B(lead)                                                                                    \
    {                                                                                              \
        "b", KILN_IN, lead "rows_b, width_b", .stride = "ldb", .dtype = "dtype"                    \
    }
#define C(lead, alias)                                                                             \
    {                                                                                              \
        "c", KILN_OUT, lead "m, n", .stride = "ldc", .dtype = "c_dtype", .may_be = alias,          \
                                    .also_in = "defined(accumulate) && accumulate"                 \
    }

#define COUNTS                                                                                     \
    .epilogue_count = "batch*m*n", .prologue_count = "batch*m*k", .flops = "2*batch*m*columns*k"
#define PRODUCT_WITH(sm90, sm80)                                                                   \
    .rules = {LD_RULES, TILE_SIZE_RULE, COMPUTE_RULE}, COUNTS,                                     \
    .variants = {&skinny, &vector, &decode, &sm90, &sm80, &wide, &simt}
#define PRODUCT PRODUCT_WITH(wgmma, mma)

#define PLAIN_PRODUCT                                                                              \
    .family = "matmul", .dims = {"m", "n", "k"}, .options = {PRODUCT_OPTIONS, PACKED_OPTION},      \
    .tensors = {A(""), B(""), C("", NULL)},                                                        \
    .epilogue = {{"accumulate", "accumulate"}, {.op = "store"}}, PRODUCT

#define BY_LAYOUT                                                                                  \
    {"batch", "1"}, {"trans_a", "0"},                                                              \
    {                                                                                              \
        "trans_b", "!packed && layout == 'nt'"                                                     \
    }
#define FUSED_LETS          BY_LAYOUT, {"pair", "1"}, STORED
#define BIAS_OPTION         FLAG_OPTION("bias", "1: bias is added to the product")
#define STATS_OPTION(stats) FLAG_OPTION("save_stats", "1: " stats " of a's rows are stored too")
#define STAT(name_)                                                                                \
    {                                                                                              \
        name_, KILN_OUT, "m", .dtype = "'f32'", .when = "save_stats"                               \
    }

/* ---- rows -------------------------------------------------------------------------------- */

const kiln_row kiln_matmul_rows[] = {
    {.name = "matmul",
     .summary = "c = a b",
     .lets = {{"batch", "1"}, {"trans_a", "0"}, {"trans_b", "0"}, {"pair", "1"}, STORED},
     PLAIN_PRODUCT},
    {.name = "matmul_nt",
     .summary = "c = a b^T",
     .lets = {{"batch", "1"}, {"trans_a", "0"}, {"trans_b", "!packed"}, {"pair", "1"}, STORED},
     PLAIN_PRODUCT},
    {.name = "matmul_tn",
     .summary = "c = a^T b",
     .lets = {{"batch", "1"}, {"trans_a", "1"}, {"trans_b", "0"}, {"pair", "1"}, STORED},
     PLAIN_PRODUCT},
    {.name = "batched_matmul",
     .family = "matmul",
     .summary = "c = a b for each of batch matrices",
     .dims = {"batch", "m", "n", "k"},
     .options = {FLAG_OPTION("trans_a", "1: a[batch,k,m]"),
                 FLAG_OPTION("trans_b", "1: b[batch,n,k]"), PRODUCT_OPTIONS},
     .lets = {{"pair", "1"}, {"packed", "0"}, STORED},
     .tensors = {A("batch, "), B("batch, "), C("batch, ", NULL)},
     .epilogue = {{"accumulate", "accumulate"}, {.op = "store"}},
     PRODUCT},
    {.name = "matmul_bias_gelu",
     .family = "matmul",
     .summary = "c = gelu(a b + bias)",
     .fused = true,
     .dims = {"m", "n", "k"},
     .options = {APPROX_OPTION, LAYOUT_OPTION, PACKED_OPTION,
                 FLAG_OPTION("save_pre", "1: pre = a b + bias is stored too"), LD_OPTIONS,
                 TILE_OPTION, COMPUTE_OPTION},
     .lets = {FUSED_LETS},
     .tensors = {A(""), B(""), C("", NULL)},
     .epilogue = {{.op = "bias"}, {.op = "gelu"}, {.op = "store"}},
     PRODUCT},
    {.name = "matmul_bias_residual",
     .family = "matmul",
     .summary = "c = a b + bias + residual",
     .fused = true,
     .dims = {"m", "n", "k"},
     .options = {LAYOUT_OPTION, PACKED_OPTION, LD_OPTIONS, TILE_OPTION, COMPUTE_OPTION},
     .lets = {FUSED_LETS, {"c_keeps", "0"}},
     .tensors = {A(""), B(""), C("", "residual")},
     .epilogue = {{.op = "bias"}, {.op = "residual"}, {.op = "store"}},
     PRODUCT},
    {.name = "gelu_matmul",
     .family = "matmul",
     .summary = "c = gelu(a) b [+ bias]",
     .fused = true,
     .dims = {"m", "n", "k"},
     .options = {APPROX_OPTION, BIAS_OPTION, LAYOUT_OPTION, PACKED_OPTION, LD_OPTIONS, TILE_OPTION,
                 COMPUTE_OPTION},
     .lets = {FUSED_LETS},
     .tensors = {A(""), B(""), C("", NULL)},
     .prologue = {{.op = "gelu"}},
     .epilogue = {{"bias", "bias"}, {.op = "store"}},
     PRODUCT_WITH(prepared_wgmma, prepared_mma)},
    {.name = "layernorm_matmul",
     .family = "matmul",
     .summary = "c = layernorm(a) b [+ bias] [then gelu]",
     .fused = true,
     .dims = {"m", "n", "k"},
     .options = {EPS_OPTION,
                 BETA_OPTION,
                 BIAS_OPTION,
                 STATS_OPTION("mean and rstd"),
                 FLAG_OPTION("gelu", "1: c = gelu of that"),
                 {.name = "approx",
                  .type = KILN_OPTION_CHOICE,
                  .fallback = "unset",
                  .choices = "unset|none|tanh",
                  .about = "of gelu=1, which needs it; none: by erf; tanh: the approximation"},
                 LAYOUT_OPTION,
                 PACKED_OPTION,
                 LD_OPTIONS,
                 TILE_OPTION,
                 COMPUTE_OPTION},
     .lets = {FUSED_LETS, CENTRED},
     .tensors = {A(""), B(""), C("", NULL), STAT("mean"), STAT("rstd")},
     .prologue = {{.op = "layernorm"}},
     .epilogue = {{"bias", "bias"}, {"gelu", "gelu"}, {.op = "store"}},
     .rules = {LD_RULES,
               TILE_SIZE_RULE,
               COMPUTE_RULE,
               EPS_RULE,
               {"!gelu || approx != 'unset'", "gelu=1: approx must be named: one of none|tanh"},
               {"gelu || approx == 'unset'", "approx=${approx}: is of no use without gelu=1"}},
     COUNTS,
     .variants = {&normed_skinny, &normed_vector, &normed_wgmma, &normed_mma, &normed_simt}},
    {.name = "rmsnorm_matmul",
     .family = "matmul",
     .summary = "c = rmsnorm(a) b [+ bias]",
     .fused = true,
     .dims = {"m", "n", "k"},
     .options = {EPS_OPTION, UNIT_OFFSET_OPTION, BIAS_OPTION, STATS_OPTION("rstd"), LAYOUT_OPTION,
                 PACKED_OPTION, LD_OPTIONS, TILE_OPTION, COMPUTE_OPTION},
     .lets = {FUSED_LETS, NOT_CENTRED},
     .tensors = {A(""), B(""), C("", NULL), STAT("rstd")},
     .prologue = {{.op = "rmsnorm"}},
     .epilogue = {{"bias", "bias"}, {.op = "store"}},
     .rules = {LD_RULES, TILE_SIZE_RULE, COMPUTE_RULE, EPS_RULE},
     COUNTS,
     .variants = {&normed_skinny, &normed_vector, &normed_wgmma, &normed_mma, &normed_simt}},
    {.name = "qkv_projection",
     .family = "matmul",
     .summary = "q, k, v = a w [+ bias], w's columns being q, then k, then v",
     .fused = true,
     .dims = {"m", "k", "heads", "kv_heads", "head_dim"},
     .literal = "heads kv_heads head_dim",
     .options = {BIAS_OPTION, LAYOUT_OPTION, PACKED_OPTION, LD_OPTION("lda", "a"),
                 LD_OPTION("ldb", "w"), TILE_OPTION, COMPUTE_OPTION},
     .lets = {{"fits", "!known(heads) || !known(kv_heads) || !known(head_dim) || "
                       "(heads + 2.0*kv_heads)*head_dim < 4000000000000000000"},
              {"q_columns", "fits ? heads*head_dim : 1"},
              {"kv_columns", "fits ? kv_heads*head_dim : 1"},
              {"n", "q_columns + 2*kv_columns"},
              BY_LAYOUT,
              {"pair", "1"},
              STORED_INPUTS,
              {"ldc", "n"},
              {"c_keeps", "0"}},
     .tensors = {A(""),
                 {"w", KILN_IN, "rows_b, width_b", .stride = "ldb", .dtype = "dtype", .as = "b"},
                 {"q", KILN_OUT, "m, q_columns", .dtype = "dtype", .as = "to_q"},
                 {"k", KILN_OUT, "m, kv_columns", .dtype = "dtype", .as = "to_k"},
                 {"v", KILN_OUT, "m, kv_columns", .dtype = "dtype", .as = "to_v"}},
     .epilogue = {{"bias", "bias"}, {.op = "store_qkv"}},
     .rules = {{"fits",
                "heads=${heads} kv_heads=${kv_heads} head_dim=${head_dim}: the columns of w "
                "must be below 2^62"},
               LD_RULE("lda", "width_a", "a"),
               LD_RULE("ldb", "width_b", "w"),
               PACKED_RULE,
               TILE_SIZE_RULE,
               COMPUTE_RULE},
     COUNTS,
     .variants = {&skinny, &vector, &decode, &wgmma, &mma, &wide, &simt}},
    {.name = "matmul_swiglu",
     .family = "matmul",
     .summary = "c = silu(gate) up, gate and up being the columns of a b",
     .fused = true,
     .dims = {"m", "n", "k"},
     .options = {{.name = "gate",
                  .type = KILN_OPTION_CHOICE,
                  .choices = "split|interleaved",
                  .about = "split: gate is columns 0..n-1 of a b, up n..2n-1; interleaved: gate "
                           "even, up odd"},
                 FLAG_OPTION("save_pre", "1: pre = a b is stored too, its columns as b's"),
                 LAYOUT_OPTION,
                 LD_OPTIONS,
                 TILE_OPTION,
                 COMPUTE_OPTION},
     .lets = {{"packed", "0"}, BY_LAYOUT, {"pair", "2"}, STORED},
     .tensors = {A(""), B(""), C("", NULL)},
     .epilogue = {{.op = "swiglu_pair"}, {.op = "store"}},
     PRODUCT},
    {.name = "matmul_gelu_backward",
     .family = "matmul",
     .summary = "c = (a b) gelu'(x); dbias = sum over rows of c",
     .fused = true,
     .dims = {"m", "n", "k"},
     .options = {APPROX_OPTION,
                 FLAG_OPTION("dbias", "1: the sums of c's columns, unrounded, are stored too"),
                 OUT_DTYPE_OPTION("dbias"), LAYOUT_OPTION, PACKED_OPTION, LD_OPTIONS, TILE_OPTION,
                 COMPUTE_OPTION},
     .lets = {FUSED_LETS,
              {"c_dtype", "dtype"},
              {"c_keeps", "dtype == 'f32'"},
              {"accumulate", "0"},
              GRADS("dbias", "dbias")},
     .tensors =
         {A(""), B(""), C("", NULL), {"dbias", KILN_OUT, "n", .dtype = OUT_DTYPE, .when = "dbias"}},
     .epilogue = {{.op = "gelu_backward"}, {"column_sums", "dbias"}, {.op = "store"}},
     .rules = {LD_RULES, TILE_SIZE_RULE, COMPUTE_RULE},
     COUNTS,
     .variants = {&summed_skinny, &summed_vector, &summed_wgmma, &summed_mma, &summed_simt}},
};
const size_t kiln_num_matmul_rows = sizeof kiln_matmul_rows / sizeof *kiln_matmul_rows;
