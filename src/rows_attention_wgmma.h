/* Attention's variant for the tensor cores of sm_90a (templates/attention_wgmma.cl). */
#ifndef KILN_ROWS_ATTENTION_WGMMA_H
#define KILN_ROWS_ATTENTION_WGMMA_H

/* WGS: fours of warps with 64 queries each; one more brings in what they read. BK: keys of a block.
 * STAGES: blocks of keys, and as many of values, under way. TURNS: 2, the fours of warps use the
 * tensor cores by turns; 1, as it comes. */
#define WGMMA_LOCAL "ceildiv(head_dim,64)*128*(64*WGS+2*STAGES*BK)+16*(2*STAGES+1)+1536"
/* 32-bit registers of a work-item that multiplies: sums, products, weights and what goes with them. */
#define WGMMA_REGISTERS "head_dim/2+BK/2+BK/4"

static const kiln_variant attention_wgmma = {
    .name = "wgmma",
    .about = "tensor cores of NVIDIA's sm_90a: copies by box, rings of keys and values, the softmax "
             "in registers",
    .allow = {{"SM_A && SM >= 90 && SM < 100", "the device has no wgmma (sm_90a)"},
              {"dtype == 'f16' || dtype == 'bf16'", "dtype=${dtype}: must be f16 or bf16"},
              {"head_dim <= 256", "head_dim=${head_dim}: over 256"}},
    .tune = {{"WGS", {2, 3, 1}},
             {"BK", {128, 176, 160, 192, 112, 96, 80, 64}},
             {"STAGES", {2, 3, 4}},
             {"TURNS", {2, 1}}},
    .presets = {"WGS=2 BK=head_dim<=128?128:head_dim<=192?96:80 STAGES=2 TURNS=2",
                "WGS=1 BK=head_dim<=128?128:head_dim<=192?96:80 STAGES=2 TURNS=1"},
    .require = {{"workgroup_size == 0 || 128*(WGS+1) == workgroup_size",
                 "workgroup_size=${workgroup_size}: this variant's groups have ${128*(WGS+1)}"},
                {"workgroup_size != 0 || WGS == 1 || !known(seq_q) || 64*(WGS-1) < seq_q",
                 "${WGS} times 64 queries leave work-items idle"},
                {"TURNS <= WGS", "there are no turns of one"},
                {WGMMA_REGISTERS " <= (WGS < 3 ? 208 : 128)",
                 "head_dim=${head_dim}: blocks of ${BK} keys need ${" WGMMA_REGISTERS
                 "} registers, over ${WGS < 3 ? 208 : 128}"},
                {WGMMA_LOCAL " <= STATIC_LOCAL",
                 "head_dim=${head_dim}: ${STAGES} stages of ${BK} keys need ${" WGMMA_LOCAL
                 "} bytes of local memory, over the device's ${STATIC_LOCAL}"}},
    .lets = {{"TILES", "batch*heads*ceildiv(seq_q,64*WGS)"}},
    .widths = {"8", "1"},
    .scratch = {{.name = "maps", .count = "96*min(COMPUTE_UNITS,TILES)"}},
    .stages = {{.file = "attention_wgmma.cl",
                .groups = "min(COMPUTE_UNITS,TILES)",
                .workgroup = "128*(WGS+1)"}},
};

#endif
