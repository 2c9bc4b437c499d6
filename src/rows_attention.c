/* Attention and its backward pass. Dao, "FlashAttention-2", arXiv:2307.08691. */
#include "registry.h"
#include "row_options.h"
#include "rows_attention_wgmma.h"

/* ---- variants for CPUs ------------------------------------------------------------------- */

/* LANES queries or keys, NV vectors of W, are a work-item's own; it goes over the others ROWS at a
 * time, MR of them by NV vectors in registers. */
#define LANES_TUNE                                                                                 \
    {"W", {16, 8, 4}}, {"NV", {3, 2, 1}},                                                          \
    {                                                                                              \
        "MR",                                                                                      \
        {                                                                                          \
            8, 4                                                                                   \
        }                                                                                          \
    }
#define LANES_PRESET "W=max(SIMD,4) NV=3 MR=SIMD>8?8:4 "
#define LANES_RULES                                                                                \
    {"W <= SIMD || W == 4", "vectors of ${W} are wider than the device's ${SIMD}"},                \
    {                                                                                              \
        "MR*NV <= (SIMD > 8 ? 24 : 12)",                                                           \
            "a register tile of ${MR}x${NV} vectors does not fit the registers"                    \
    }
#define LANES_WIDTHS .widths = {"head_dim % 16 ? 8 : 16", "W"}

static const kiln_variant attention_vector = {
    .name = "vector",
    .about = "CPU: a work-item takes queries of a head, a lane each, by explicit vectors",
    .allow = {ON_CPU},
    .tune = {LANES_TUNE, {"ROWS", {64, 128, 32, 16, 8}}},
    .presets = {LANES_PRESET "ROWS=64"},
    .require = {LANES_RULES,
                {"4*(2*head_dim*W*NV+ROWS*(head_dim+W*NV)) <= LOCAL_MEM",
                 "tiles of ${W*NV} queries and ${ROWS} keys need "
                 "${4*(2*head_dim*W*NV+ROWS*(head_dim+W*NV))} bytes of local memory, over the "
                 "device's ${LOCAL_MEM}"}},
    .lets = {{"LANES", "W*NV"}, {"TILES_Q", "ceildiv(seq_q,LANES)"}},
    LANES_WIDTHS,
    .fixed_workgroup = true,
    .stages = {{.file = "attention_vector.cl", .groups = "batch*heads*TILES_Q", .workgroup = "1"}},
};

/* delta = sum of dout o comes from the first stage, and is the second's too. */
static const kiln_variant attention_backward_vector = {
    .name = "vector",
    .about =
        "CPU: a work-item takes queries, then one takes keys, a lane each, by explicit vectors",
    .allow = {ON_CPU},
    .tune = {LANES_TUNE, {"ROWS", {64, 32, 16, 8}}},
    .presets = {LANES_PRESET "ROWS=64", LANES_PRESET "ROWS=32"},
    .require = {LANES_RULES,
                {"4*(4*head_dim*W*NV+2*ROWS*(head_dim+W*NV)) <= LOCAL_MEM",
                 "tiles of ${W*NV} keys and ${ROWS} queries need "
                 "${4*(4*head_dim*W*NV+2*ROWS*(head_dim+W*NV))} bytes of local memory, over the "
                 "device's ${LOCAL_MEM}"}},
    .lets = {{"LANES", "W*NV"},
             {"TILES_Q", "ceildiv(seq_q,LANES)"},
             {"TILES_K", "ceildiv(seq_k,LANES)"}},
    LANES_WIDTHS,
    .fixed_workgroup = true,
    .scratch = {{.name = "delta", .count = "batch*heads*seq_q"}},
    .stages = {{.file = "attention_backward_queries_vector.cl",
                .groups = "batch*heads*TILES_Q",
                .workgroup = "1"},
               {.name = "keys",
                .file = "attention_backward_keys_vector.cl",
                .groups = "batch*kv_heads*TILES_K",
                .workgroup = "1"}},
};

/* ---- variants for any device ------------------------------------------------------------- */

/* A group of WG stands as X columns and WG/X rows. Of a tile of scores, OWN rows that the group
 * keeps by MET columns that it goes through, a work-item has TM x TN; of what the group sums, TM
 * rows and every X-th element of head_dim. Columns of head_dim come DK, rows of it VK at a time. */
#define OWN  "(WG/X*TM)"
#define MET  "(X*TN)"
#define WIDE "roundup(head_dim,X)"

/* Floats in local memory: own rows over `depth`, a block of the others, a tile of weights. */
#define FLOATS(depth) "(" depth "*(" OWN "+1)+max(DK*(" MET "+1),VK*" WIDE ")+" MET "*(" OWN "+3))"

#define SIMT_TUNE                                                                                  \
    GROUP_SIZES, {"X", {16, 32, 8, 64}}, {"TM", {4, 2, 1, 8}}, {"TN", {4, 2, 1}},                  \
        {"DK", {16, 8, 32}},                                                                       \
    {                                                                                              \
        "VK",                                                                                      \
        {                                                                                          \
            16, 8, 4                                                                               \
        }                                                                                          \
    }

/* sums: what a work-item keeps of each of its rows, times head_dim. Few rows are shared by many
 * work-items: before the other rules, since it is the last that a refusal should name. */
#define SIMT_RULES(sums, rows)                                                                     \
    {"TM == 1 || !known(" rows ") || WG/X*(TM/2) < " rows,                                         \
     "${TM} rows each leave work-items idle"},                                                     \
        GROUP_RULES, {"WG % X == 0", "${X} columns do not divide a group of ${WG}"},               \
        {MET " % VK == 0", "blocks of ${VK} rows do not divide tiles of ${" MET "}"},              \
        {sums "*TM*ceildiv(head_dim,X) <= (WG > 512 ? 32 : 64)",                                   \
         "head_dim=${head_dim}: ${TM} rows of it in ${X} columns of a group of ${WG} need "        \
         "${" sums "*TM*ceildiv(head_dim,X)} accumulators, over ${WG > 512 ? 32 : 64}"},           \
    {                                                                                              \
        "4*" FLOATS("DK") " <= LOCAL_MEM",                                                         \
            "head_dim=${head_dim}: tiles of ${" OWN "}x${" MET                                     \
            "} need ${4*" FLOATS("DK") "} bytes of local memory, over the device's ${LOCAL_MEM}"   \
    }

#define GROUP "(workgroup_size?workgroup_size:min(256,MAX_WORKGROUP))"
#define SHAPE "WG=" GROUP " X=" GROUP ">256?32:head_dim>8?16:8 "
#define SIMT_PRESETS                                                                               \
    SHAPE "TN=4 DK=16 VK=16", SHAPE "TN=2 DK=16 VK=16", SHAPE "TN=2 DK=16 VK=8", SHAPE "TN=1 DK=8"

static const kiln_variant attention_simt = {
    .name = "simt",
    .about = "a work-group takes a tile of queries of a head, tile after tile of keys",
    .tune = {SIMT_TUNE},
    .presets = {SIMT_PRESETS},
    .require = {SIMT_RULES("1", "seq_q")},
    .lets = {{"BQ", OWN},
             {"BK", MET},
             {"KEPT", "4*" FLOATS("roundup(head_dim,DK)") " <= LOCAL_MEM"}},
    .widths = {"1"},
    .stages = {{.file = "attention_simt.cl",
                .groups = "batch*heads*ceildiv(seq_q,BQ)",
                .workgroup = "WG"}},
};

static const kiln_variant attention_backward_simt = {
    .name = "simt",
    .about = "a work-group takes a tile of keys of a kv head, another one of queries of a head",
    .tune = {SIMT_TUNE},
    .presets = {SIMT_PRESETS},
    .require = {SIMT_RULES("2", "seq_k")},
    .lets = {{"BR", OWN}, {"BC", MET}},
    .widths = {"1"},
    .scratch = {{.name = "delta", .count = "batch*heads*seq_q"}},
    .stages = {{.name = "delta",
                .file = "attention_delta_simt.cl",
                .groups = "ceildiv(batch*seq_q*heads,WG/X)",
                .workgroup = "WG"},
               {.name = "dkdv",
                .file = "attention_dkdv_simt.cl",
                .groups = "batch*kv_heads*ceildiv(seq_k,BR)",
                .workgroup = "WG"},
               {.file = "attention_dq_simt.cl",
                .groups = "batch*heads*ceildiv(seq_q,BR)",
                .workgroup = "WG"}},
};

/* ---- rows -------------------------------------------------------------------------------- */

#define ATTENTION_OPTIONS                                                                          \
    FLAG_OPTION("causal", "1: row i sees the keys j <= i+seq_k-seq_q"),                            \
        REAL_OPTION("scale", "0", "what the products are multiplied by; 0: head_dim^-0.5"),        \
        {.name = "window",                                                                         \
         .type = KILN_OPTION_INT,                                                                  \
         .fallback = "0",                                                                          \
         .high = INT32_MAX,                                                                        \
         .about = "w: keys nearer than w are seen; 0: all"},                                       \
        REAL_OPTION("softcap", "0", "c: scores become c tanh(score/c); 0: they stay"),             \
        FLAG_OPTION("alibi", "1: less slope |i-j|, the head's slope of the ALiBi paper")

/* Pairs of a query and a key that it sees; a window is not counted. */
#define PAIRS                                                                                      \
    "(causal ? min(seq_q,seq_k)*(seq_k-min(seq_q,seq_k))"                                          \
    "+min(seq_q,seq_k)*(min(seq_q,seq_k)+1)/2"                                                     \
    " : seq_q*seq_k)"

#define ATTENTION                                                                                  \
    .family = "attention", .dims = {"batch", "seq_q", "seq_k", "heads", "kv_heads", "head_dim"},   \
    .literal = "heads kv_heads head_dim", .options = {ATTENTION_OPTIONS},                          \
    .lets = {{"scale", "scale ? scale : known(head_dim) ? pow(head_dim,-0.5) : 0"},                \
             {"group", "heads/kv_heads"}},                                                         \
    .rules = {                                                                                     \
        {"heads % kv_heads == 0", "heads=${heads}: must be a multiple of kv_heads, ${kv_heads}"},  \
        {"head_dim % 8 == 0 && head_dim <= 512",                                                   \
         "head_dim=${head_dim}: must be a multiple of 8 from 8 to 512"},                           \
        {"softcap >= 0", "softcap=${softcap}: must be 0 or more"}}

#define QUERIES "batch, seq_q, heads, head_dim"
#define KEYS    "batch, seq_k, kv_heads, head_dim"

const kiln_row kiln_attention_rows[] = {
    {.name = "flash_attention",
     .summary = "o = softmax(scale q k^T) v for each head; lse",
     ATTENTION,
     .tensors = {TENSOR("q", KILN_IN, QUERIES), TENSOR("k", KILN_IN, KEYS),
                 TENSOR("v", KILN_IN, KEYS), TENSOR("o", KILN_OUT, QUERIES),
                 TENSOR_F32("lse", KILN_OUT, "batch, heads, seq_q")},
     .flops = "4*batch*heads*head_dim*" PAIRS,
     .variants = {&attention_vector, &attention_decode, &attention_wgmma, &attention_simt}},
    {.name = "flash_attention_backward",
     .summary = "dq, dk, dv of flash_attention from dout, its o and its lse",
     ATTENTION,
     .tensors = {TENSOR("dout", KILN_IN, QUERIES), TENSOR("o", KILN_IN, QUERIES),
                 TENSOR("q", KILN_IN, QUERIES), TENSOR("k", KILN_IN, KEYS),
                 TENSOR("v", KILN_IN, KEYS), TENSOR_F32("lse", KILN_IN, "batch, heads, seq_q"),
                 TENSOR("dq", KILN_OUT, QUERIES), TENSOR("dk", KILN_OUT, KEYS),
                 TENSOR("dv", KILN_OUT, KEYS)},
     .flops = "10*batch*heads*head_dim*" PAIRS,
     .variants = {&attention_backward_vector, &attention_backward_simt}},
};
const size_t kiln_num_attention_rows = sizeof kiln_attention_rows / sizeof *kiln_attention_rows;
