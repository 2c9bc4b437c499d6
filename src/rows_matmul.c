/* The matrix products and the fused rows over their templates. */
#include "registry.h"
#include "row_options.h"

/* ---- variants ---------------------------------------------------------------------------- */

/* workgroup_size and tile_size are honoured by these in every variant of the family. */
#define TILE_RULE(edge_m, edge_n)                                                                  \
    {                                                                                              \
        "tile_size == 0 || " edge_m " == tile_size && " edge_n " == tile_size",                    \
            "tile_size=${tile_size}: this variant has no tiles of that edge"                       \
    }

static const kiln_variant simt = {
    .name = "simt",
    .about = "work-groups, tiles of a and b in local memory, a register tile a work-item",
    .allow = {{"workgroup_size == 0 || tile_size == 0 || workgroup_size <= tile_size*tile_size",
               "workgroup_size=${workgroup_size}: a tile of ${tile_size}x${tile_size} has only "
               "${tile_size*tile_size} elements"}},
    .tune = {{"BM", {64, 128, 32, 16, 8}},
             {"BN", {64, 128, 32, 16, 8}},
             {"TM", {4, 8, 2, 1, 16}},
             {"TN", {4, 8, 2, 1, 16}},
             {"BK", {16, 32, 8}}},
    .presets = {"BM=workgroup_size/4 BN=64 TM=4 TN=4", "BM=128 BN=128 TM=8 TN=8 BK=16",
                "BM=64 BN=64 TM=4 TN=4 BK=16", "BM=32 BN=32 TM=2 TN=2 BK=16",
                "BM=16 BN=16 TM=1 TN=1 BK=16"},
    .require =
        {TILE_RULE("BM", "BN"),
         /* Small products keep enough groups to fill the device. Before the
            others, since it is the last that a refusal should name. */
         {"tile_size != 0 || workgroup_size != 0 || BM <= 16 || !known(m) || !known(n) || "
          "ceildiv(m,BM)*ceildiv(n,BN) >= COMPUTE_UNITS",
          "tiles of ${BM}x${BN} leave compute units idle"},
         {"BM % TM == 0 && BN % TN == 0",
          "a register tile of ${TM}x${TN} does not divide ${BM}x${BN}"},
         {"workgroup_size == 0 || (BM/TM)*(BN/TN) == workgroup_size",
          "workgroup_size=${workgroup_size}: tiles of ${BM}x${BN} by register tiles of ${TM}x${TN} "
          "make groups of ${(BM/TM)*(BN/TN)}"},
         {"(BM/TM)*(BN/TN) % 64 == 0", "a group of ${(BM/TM)*(BN/TN)} is no multiple of 64"},
         {"(BM/TM)*(BN/TN) <= MAX_WORKGROUP",
          "a group of ${(BM/TM)*(BN/TN)} work-items is over the device's ${MAX_WORKGROUP}"},
         {"TM*TN <= 64", "a register tile of ${TM}x${TN} needs ${TM*TN} accumulators, over 64"},
         {"4*BK*(BM+BN+2) <= LOCAL_MEM",
          "tiles of ${BM}x${BN} by ${BK} need ${4*BK*(BM+BN+2)} bytes of local memory, over the "
          "device's ${LOCAL_MEM}"}},
    .lets = {{"WG", "(BM/TM)*(BN/TN)"},
             {"TILES_N", "ceildiv(n,BN)"},
             {"TILES", "ceildiv(m,BM)*TILES_N"}},
    .widths = {"1"},
    .stages = {{.file = "matmul_simt.cl", .groups = "TILES*batch", .workgroup = "WG"}},
};

static const kiln_variant vector = {
    .name = "vector",
    .about = "CPU: a work-item a macro-tile, packed blocks in local memory, explicit vectors",
    .allow = {ON_CPU},
    .tune = {{"W", {16, 8, 4}},
             {"NV", {4, 2, 1}},
             {"MR", {6, 8, 4, 2, 1}},
             {"KC", {256, 512, 1024, 128, 64, 32}},
             {"MC", {240, 120, 128, 64, 32, 16, 8}},
             {"NC", {256, 128, 64, 32, 16, 8}},
             {"MS", {480, 240, 128, 64, 32, 16, 8}}},
    .presets =
        {"W=min(max(SIMD,4),tile_size) NV=tile_size>=64&&SIMD>8?2:1 MR=8 KC=256 MC=tile_size "
         "NC=tile_size MS=tile_size",
         "W=min(max(SIMD,4),tile_size) NV=1 MR=8 KC=64 MC=tile_size NC=tile_size MS=tile_size",
         "W=max(SIMD,4) NV=SIMD>8?4:2 MR=6 KC=512 MC=240 NC=256 MS=480",
         "W=max(SIMD,4) NV=SIMD>8?4:2 MR=6 KC=256 MC=240 NC=256 MS=480",
         "W=max(SIMD,4) NV=SIMD>8?4:2 MR=6 KC=256 MC=240 NC=128 MS=240",
         "W=max(SIMD,4) NV=SIMD>8?4:2 MR=6 KC=256 MC=120 NC=64 MS=240",
         "W=max(SIMD,4) NV=SIMD>8?2:1 MR=8 KC=128 MC=64 NC=64 MS=64"},
    .require = {TILE_RULE("MC == MS && MC", "NC"),
                {"MC % MR == 0 && MS % MR == 0 && MS >= MC",
                 "panels of ${MR} rows do not divide blocks of ${MC} and ${MS}"},
                {"NC % (W*NV) == 0", "panels of ${W*NV} columns do not divide blocks of ${NC}"},
                {"W <= SIMD || W == 4", "vectors of ${W} are wider than the device's ${SIMD}"},
                {"MR*NV <= (SIMD > 8 ? 24 : 12)",
                 "a register tile of ${MR}x${NV} vectors does not fit the registers"},
                {"4*((known(k) ? min(KC,roundup(k,16)) : KC)*(MC+NC)+"
                 "(!known(k) || k > KC ? MS*NC : 0)) <= LOCAL_MEM",
                 "blocks of ${MC}x${NC} by ${KC} do not fit the device's ${LOCAL_MEM} bytes of "
                 "local memory"}},
    .lets = {{"KB", "known(k) ? min(KC,roundup(k,16)) : KC"},
             {"SUMS", "!known(k) || k > KC"},
             {"NR", "W*NV"},
             {"TILES_N", "ceildiv(n,NC)"},
             /* Strips of equal height, as many as fill the device. */
             {"STRIPS", "max(ceildiv(m,MS),min(ceildiv(m,8*MR),"
                        "ceildiv(2*COMPUTE_UNITS,TILES_N*batch)))"},
             {"STRIP", "min(roundup(ceildiv(m,STRIPS),MR),MS)"},
             {"TILES", "ceildiv(m,STRIP)*TILES_N"}},
    .widths = {"16", "W"},
    .fixed_workgroup = true,
    .stages = {{.file = "matmul_vector.cl", .groups = "TILES*batch", .workgroup = "1"}},
};

/* ---- what the rows share ----------------------------------------------------------------- */

#define LD_OPTION(ld, of)                                                                          \
    {                                                                                              \
        .name = ld, .type = KILN_OPTION_INT, .fallback = "0", .high = INT32_MAX,                   \
        .about = "row length of " of " in elements; 0: no padding"                                 \
    }
#define LD_OPTIONS LD_OPTION("lda", "a"), LD_OPTION("ldb", "b"), LD_OPTION("ldc", "c")

#define TILE_OPTION                                                                                \
    {                                                                                              \
        .name = "tile_size", .type = KILN_OPTION_INT, .fallback = "0", .high = 128,                \
        .about = "edge of the tiles of c: 0 (chosen), 8, 16, 32, 64 or 128"                        \
    }
#define LAYOUT_OPTION                                                                              \
    {                                                                                              \
        .name = "layout", .type = KILN_OPTION_CHOICE, .fallback = "nn", .choices = "nn|nt",        \
        .about = "nn: b[k,n]; nt: b[n,k]"                                                          \
    }
#define PRODUCT_OPTIONS                                                                            \
    OUT_DTYPE_OPTION("c"), FLAG_OPTION("accumulate", "1: c += instead of c ="), LD_OPTIONS,        \
        TILE_OPTION

/* Row lengths as stored, and the leading dimensions in force. */
#define STORED                                                                                     \
    {"width_a", "trans_a ? m : k"}, {"width_b", "trans_b ? k : n"},                                \
        {"lda", "lda ? lda : width_a"}, {"ldb", "ldb ? ldb : width_b"}, {"ldc", "ldc ? ldc : n"},  \
    {                                                                                              \
        "c_dtype", "defined(out_dtype) && out_dtype != 'dtype' ? out_dtype : dtype"                \
    }

#define LD_RULES                                                                                   \
    {"lda >= width_a", "lda=${lda}: must be at least the row length of a, ${width_a}"},            \
        {"ldb >= width_b", "ldb=${ldb}: must be at least the row length of b, ${width_b}"},        \
    {                                                                                              \
        "ldc >= n", "ldc=${ldc}: must be at least the row length of c, ${n}"                       \
    }
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
        "b", KILN_IN, lead "trans_b ? n : k, width_b", .stride = "ldb", .dtype = "dtype"           \
    }
#define C(lead, alias)                                                                             \
    {                                                                                              \
        "c", KILN_OUT, lead "m, n", .stride = "ldc", .dtype = "c_dtype", .may_be = alias,          \
                                    .also_in = "defined(accumulate) && accumulate"                 \
    }

#define PRODUCT                                                                                    \
    .rules = {LD_RULES, TILE_SIZE_RULE}, .epilogue_count = "batch*m*n",                            \
    .prologue_count = "batch*m*k", .flops = "2*batch*m*n*k", .variants = {&vector, &simt}

#define PLAIN_PRODUCT                                                                              \
    .family = "matmul", .dims = {"m", "n", "k"}, .options = {PRODUCT_OPTIONS},                     \
    .tensors = {A(""), B(""), C("", NULL)},                                                        \
    .epilogue = {{"accumulate", "accumulate"}, {.op = "store"}}, PRODUCT

#define FUSED_LETS                                                                                 \
    {                                                                                              \
        {"batch", "1"}, {"trans_a", "0"}, {"trans_b", "layout == 'nt'"}, STORED                    \
    }

/* ---- rows -------------------------------------------------------------------------------- */

const kiln_row kiln_matmul_rows[] = {
    {.name = "matmul",
     .summary = "c = a b",
     .lets = {{"batch", "1"}, {"trans_a", "0"}, {"trans_b", "0"}, STORED},
     PLAIN_PRODUCT},
    {.name = "matmul_nt",
     .summary = "c = a b^T",
     .lets = {{"batch", "1"}, {"trans_a", "0"}, {"trans_b", "1"}, STORED},
     PLAIN_PRODUCT},
    {.name = "matmul_tn",
     .summary = "c = a^T b",
     .lets = {{"batch", "1"}, {"trans_a", "1"}, {"trans_b", "0"}, STORED},
     PLAIN_PRODUCT},
    {.name = "batched_matmul",
     .family = "matmul",
     .summary = "c = a b for each of batch matrices",
     .dims = {"batch", "m", "n", "k"},
     .options = {FLAG_OPTION("trans_a", "1: a[batch,k,m]"),
                 FLAG_OPTION("trans_b", "1: b[batch,n,k]"), PRODUCT_OPTIONS},
     .lets = {STORED},
     .tensors = {A("batch, "), B("batch, "), C("batch, ", NULL)},
     .epilogue = {{"accumulate", "accumulate"}, {.op = "store"}},
     PRODUCT},
    {.name = "matmul_bias_gelu",
     .family = "matmul",
     .summary = "c = gelu(a b + bias)",
     .fused = true,
     .dims = {"m", "n", "k"},
     .options = {APPROX_OPTION, LAYOUT_OPTION,
                 FLAG_OPTION("save_pre", "1: pre = a b + bias is stored too"), LD_OPTIONS,
                 TILE_OPTION},
     .lets = FUSED_LETS,
     .tensors = {A(""), B(""), C("", NULL)},
     .epilogue = {{.op = "bias"}, {.op = "gelu"}, {.op = "store"}},
     PRODUCT},
    {.name = "matmul_bias_residual",
     .family = "matmul",
     .summary = "c = a b + bias + residual",
     .fused = true,
     .dims = {"m", "n", "k"},
     .options = {LAYOUT_OPTION, LD_OPTIONS, TILE_OPTION},
     .lets = FUSED_LETS,
     .tensors = {A(""), B(""), C("", "residual")},
     .epilogue = {{.op = "bias"}, {.op = "residual"}, {.op = "store"}},
     PRODUCT},
};
const size_t kiln_num_matmul_rows = sizeof kiln_matmul_rows / sizeof *kiln_matmul_rows;
