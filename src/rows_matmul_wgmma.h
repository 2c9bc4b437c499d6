/* The products' variant for the tensor cores of sm_90a (templates/matmul_wgmma.cl). */
#ifndef KILN_ROWS_MATMUL_WGMMA_H
#define KILN_ROWS_MATMUL_WGMMA_H

/* WGS: fours of warps that multiply, 64 rows each; one more brings in what they read. GM: rows of
 * tiles that groups at work share. STAGES: blocks under way. */
#define WGMMA_LOCAL "STAGES*128*(64*WGS+BN)+16*STAGES+256"
#define WGMMA_TILES                                                                                \
    .name = "wgmma",                                                                               \
    .about =                                                                                       \
        "tensor cores of NVIDIA's sm_90a: copies by box, a ring of blocks, sums in registers",     \
    .allow = {{"SM_A && SM >= 90 && SM < 100", "the device has no wgmma (sm_90a)"},                \
              {"tf32 || dtype == 'f16' || dtype == 'bf16'",                                        \
               "dtype=${dtype}: must be f16 or bf16, or compute=tf32 be asked for"},               \
              {"!known(k) || k >= 32", "k=${k}: below half a block of 64"}},                       \
    .tune = {{"BN", {256, 128, 64}},                                                               \
             {"WGS", {2, 1, 3}},                                                                   \
             {"STAGES", {4, 3, 6, 5, 8, 2}},                                                       \
             {"GM", {8, 32, 16, 4, 1}}},                                                           \
    .presets = {"BN=256 WGS=2 STAGES=4 GM=8", "BN=128 WGS=2 STAGES=6 GM=8",                        \
                "BN=128 WGS=1 STAGES=8 GM=8", "BN=64 WGS=1 STAGES=8 GM=8"},                        \
    .require =                                                                                     \
        {TILE_RULE("64*WGS == tile_size && BN == pair*tile_size"),                                 \
         {"workgroup_size == 0 || 128*(WGS+1) == workgroup_size",                                  \
          "workgroup_size=${workgroup_size}: this variant's groups have ${128*(WGS+1)}"},          \
         {"tile_size != 0 || workgroup_size != 0 || BN <= 64*pair || !known(m) || !known(n) || "   \
          "ceildiv(m,64*WGS)*ceildiv(columns,BN)*batch >= COMPUTE_UNITS",                          \
          "tiles of ${64*WGS}x${BN} leave compute units idle"},                                    \
         {"BN >= 64*pair", "tiles of ${BN} columns of gates and ups are too narrow"},              \
         {"WGS < 3 || BN <= 128", "three times 64 x ${BN} sums do not fit the registers"},         \
         {WGMMA_LOCAL " <= STATIC_LOCAL",                                                          \
          "${STAGES} stages need ${" WGMMA_LOCAL "} bytes of local memory, over the "              \
          "device's ${STATIC_LOCAL}"}},                                                            \
    .widths = {"8", "tf32 ? 4 : 8"}
/* Of 32-bit words tensor cores take blocks in rows along k alone: what is stored otherwise is
 * turned first, TURNED, into rows of PITCH. So is what becomes of a in a prologue, PREPARED. */
#define WGMMA_LETS                                                                                 \
    {"TILES_N", "ceildiv(columns,BN)"}, {"PITCH", "roundup(k,8)"},                                 \
        {"TURNED_A", "tf32 && trans_a"}, {"TURNED_B", "tf32 && !trans_b"},                         \
    {                                                                                              \
        "TILES", "ceildiv(m,64*WGS)*TILES_N*batch"                                                 \
    }
#define PREPARED_SCRATCH                                                                           \
    {                                                                                              \
        .name = "prepared", .count = "tf32 ? m*PITCH : m*PITCH/2"                                  \
    }
#define PREPARE_STAGE                                                                              \
    {                                                                                              \
        .name = "prepare", .file = "prepare_a.cl", .groups = "ceildiv(m*(PITCH/8),256)",           \
        .workgroup = "256"                                                                         \
    }
#define TURNED_A_SCRATCH                                                                           \
    {                                                                                              \
        .name = "turned_a", .count = "batch*m*PITCH", .when = "TURNED_A"                           \
    }
#define TURNED_B_SCRATCH                                                                           \
    {                                                                                              \
        .name = "turned_b", .count = "batch*columns*PITCH", .when = "TURNED_B"                     \
    }
#define TURN_GROUPS(columns) "ceildiv(PITCH,32)*ceildiv(" columns ",32)*batch"
#define TURN_A_STAGE                                                                               \
    {                                                                                              \
        .name = "turn_a", .file = "turn_a.cl", .groups = TURN_GROUPS("m"), .workgroup = "256",     \
        .when = "TURNED_A"                                                                         \
    }
#define TURN_B_STAGE                                                                               \
    {                                                                                              \
        .name = "turn_b", .file = "turn_b.cl", .groups = TURN_GROUPS("columns"),                   \
        .workgroup = "256", .when = "TURNED_B"                                                     \
    }
/* A map of a and one of b for each group. */
#define WGMMA_SCRATCH                                                                              \
    {                                                                                              \
        .name = "maps", .count = "64*min(COMPUTE_UNITS,TILES)"                                     \
    }
#define WGMMA_STAGE                                                                                \
    {                                                                                              \
        .file = "matmul_wgmma.cl", .groups = "min(COMPUTE_UNITS,TILES)",                           \
        .workgroup = "128*(WGS+1)"                                                                 \
    }

#endif
