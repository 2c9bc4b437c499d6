/* Attention's variants for the tensor cores of sm_90a (templates/attention_wgmma.cl). */
#ifndef KILN_ROWS_ATTENTION_WGMMA_H
#define KILN_ROWS_ATTENTION_WGMMA_H

/* WGS: fours of warps with 64 queries each; one more brings in what they read. BK: keys of a block.
 * STAGES: blocks of keys, and as many of values, under way. TURNS: 2, the fours of warps use the
 * tensor cores by turns; 1, as it comes. */
#define WGMMA_LOCAL "ceildiv(head_dim,64)*128*(64*WGS+2*STAGES*BK)+16*(2*STAGES+1)+1536"
/* 32-bit registers of a work-item that multiplies: sums, products, weights. */
#define WGMMA_REGISTERS "head_dim/2+BK/2+BK/4"
#define WGMMA_DEVICE                                                                               \
    ON_SM90A, {"dtype == 'f16' || dtype == 'bf16'", "dtype=${dtype}: must be f16 or bf16"},        \
    {                                                                                              \
        "head_dim <= 256", "head_dim=${head_dim}: over 256"                                        \
    }
#define WGMMA_FITS                                                                                 \
    {"workgroup_size == 0 || 128*(WGS+1) == workgroup_size",                                       \
     "workgroup_size=${workgroup_size}: this variant's groups have ${128*(WGS+1)}"},               \
        {WGMMA_REGISTERS " <= (WGS < 3 ? 208 : 128)",                                              \
         "head_dim=${head_dim}: blocks of ${BK} keys need ${" WGMMA_REGISTERS                      \
         "} registers, over ${WGS < 3 ? 208 : 128}"},                                              \
    {                                                                                              \
        WGMMA_LOCAL " <= STATIC_LOCAL",                                                            \
            "head_dim=${head_dim}: ${STAGES} stages of ${BK} keys need ${" WGMMA_LOCAL             \
            "} bytes of local memory, over the device's ${STATIC_LOCAL}"                           \
    }
/* A map of q, of k and of v for each group. */
#define WGMMA_MAPS                                                                                 \
    {                                                                                              \
        .name = "maps", .count = "96*min(COMPUTE_UNITS,TILES)"                                     \
    }
#define WGMMA_STAGE                                                                                \
    {                                                                                              \
        .file = "attention_wgmma.cl", .groups = "min(COMPUTE_UNITS,TILES)",                        \
        .workgroup = "128*(WGS+1)"                                                                 \
    }

static const kiln_variant attention_wgmma = {
    .name = "wgmma",
    .about = "tensor cores of NVIDIA's sm_90a: copies by box, rings of keys and values, the "
             "softmax in registers",
    .allow = {WGMMA_DEVICE},
    .tune = {{"WGS", {2, 3, 1}},
             {"BK", {128, 64, 96, 80, 112, 160, 192}},
             {"STAGES", {2, 3, 4}},
             {"TURNS", {1, 2}}},
    .presets = {"WGS=3 BK=128 STAGES=2 TURNS=2",
                "WGS=2 BK=head_dim<=128?128:head_dim<=192?96:causal?80:64 STAGES=2 TURNS=1",
                "WGS=1 BK=head_dim<=128?128:head_dim<=192?96:causal?80:64 STAGES=2 TURNS=1"},
    .require = {{"workgroup_size != 0 || WGS == 1 || !known(seq_q) || !known(batch) || "
                 "ceildiv(seq_q,64*WGS)*batch*heads >= COMPUTE_UNITS",
                 "${WGS} times 64 queries leave compute units idle"},
                {"TURNS <= WGS", "there are no turns of one"},
                WGMMA_FITS},
    .lets = {{"DECODE", "0"}, {"TILES", "batch*heads*ceildiv(seq_q,64*WGS)"}},
    .widths = {"8", "1"},
    .scratch = {WGMMA_MAPS},
    .stages = {WGMMA_STAGE},
};

/* The heads that share keys have one tile, and groups share the keys; a second stage puts together
 * what they have. */
static const kiln_variant attention_decode = {
    .name = "decode",
    .about = "the same for few queries: one read of the keys for all heads that share them, which "
             "groups share",
    .allow = {WGMMA_DEVICE,
              {"known(seq_q) && seq_q <= 16", "seq_q=${seq_q}: must be known, and 16 at most"},
              {"seq_q*group <= 64", "seq_q=${seq_q}: for ${group} heads each over 64 rows"}},
    .tune = {{"WGS", {1}}, {"TURNS", {1}}, {"BK", {128, 64}}, {"STAGES", {3, 2, 4}}},
    .presets = {"BK=head_dim<=128?128:64 STAGES=head_dim<=64?4:3", "BK=64 STAGES=2"},
    .require = {WGMMA_FITS},
    .lets = {{"DECODE", "1"},
             {"PAIRS", "batch*kv_heads"},
             {"SPLITS", "max(1,min(ceildiv(seq_k,BK),max(COMPUTE_UNITS/(PAIRS),"
                        "min(ceildiv(seq_k,4*BK),4*COMPUTE_UNITS/(PAIRS)))))"},
             {"TILES", "PAIRS*SPLITS"}},
    .widths = {"8", "1"},
    .special = true,
    .scratch = {WGMMA_MAPS,
                {.name = "parts", .count = "TILES*seq_q*group*head_dim"},
                {.name = "tops", .count = "2*TILES*seq_q*group"}},
    .stages = {WGMMA_STAGE,
               {.name = "finish",
                .file = "attention_decode_finish.cl",
                .groups = "ceildiv(batch*heads*seq_q,4)",
                .workgroup = "128"}},
};

#endif
