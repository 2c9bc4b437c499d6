/* The products' variant for the tensor cores of sm_80 and later (templates/matmul_mma.cl). */
#ifndef KILN_ROWS_MATMUL_MMA_H
#define KILN_ROWS_MATMUL_MMA_H

/* WM x WN: the warps of a tile. BYTES: along k of a row of a block. STAGES: blocks under way. GM:
 * rows of tiles that groups at work share. */
#define MMA_LOCAL "STAGES*BYTES*(BM+BN)"
#define MMA_TILES                                                                                  \
    .name = "mma",                                                                                 \
    .about = "tensor cores of NVIDIA's sm_80 and later: a ring of blocks in local memory, sums "   \
             "in registers",                                                                       \
    .allow = {{"SM >= 80", "the device has no mma (sm_80)"},                                       \
              {"dtype != 'f32' || tf32", "dtype=f32: must be f16 or bf16, or have compute=tf32"},  \
              {"!known(k) || k >= 32", "k=${k}: below half a block of 64"}},                       \
    .tune = {{"BM", {128, 64, 256}},   {"BN", {256, 128, 64}}, {"WM", {2, 4, 1}},                  \
             {"WN", {4, 2, 1}},        {"BYTES", {128, 64}},   {"STAGES", {3, 4, 5, 6, 2}},        \
             {"GM", {16, 8, 32, 4, 1}}},                                                           \
    .presets = {"BM=128 BN=256 WM=2 WN=4 BYTES=128 STAGES=3 GM=16",                                \
                "BM=128 BN=128 WM=2 WN=2 BYTES=128 STAGES=3 GM=16",                                \
                "BM=128 BN=128 WM=2 WN=2 BYTES=64 STAGES=3 GM=16",                                 \
                "BM=64 BN=64*pair WM=2 WN=2 BYTES=128 STAGES=4 GM=16",                             \
                "BM=64 BN=64*pair WM=2 WN=2 BYTES=64 STAGES=4 GM=16"},                             \
    .require = {TILE_RULE("BM == tile_size && BN == pair*tile_size"),                              \
                {"workgroup_size == 0 || 32*WM*WN == workgroup_size",                              \
                 "workgroup_size=${workgroup_size}: ${WM}x${WN} warps are groups of ${32*WM*WN}"}, \
                {"tile_size != 0 || workgroup_size != 0 || BM*BN <= 4096*pair || !known(m) || "    \
                 "!known(n) || ceildiv(m,BM)*ceildiv(columns,BN)*batch >= COMPUTE_UNITS",          \
                 "tiles of ${BM}x${BN} leave compute units idle"},                                 \
                {"BN >= 64*pair && BN/(pair*WN) % 32 == 0",                                        \
                 "a warp's share of ${BN} columns is not of whole 32 of c"},                       \
                {"WM*WN >= 2 && WM*WN <= 8 && 32*WM*WN <= MAX_WORKGROUP",                          \
                 "groups of ${WM}x${WN} warps are too small or too large"},                        \
                {"BM*BN <= 4096*WM*WN",                                                            \
                 "${BM/WM}x${BN/WN} sums of a warp do not fit the registers"},                     \
                {"BM*BYTES % (512*WM*WN) == 0 && BN*BYTES % (512*WM*WN) == 0",                     \
                 "blocks of ${BYTES} bytes a row are not whole copies of every work-item"},        \
                {MMA_LOCAL " <= STATIC_LOCAL", "${STAGES} stages need ${" MMA_LOCAL                \
                                               "} bytes of local memory, over the device's "       \
                                               "${STATIC_LOCAL}"}},                                \
    .widths = {"8"}
/* K_PITCH: of what a prologue makes of a (rows_matmul_wgmma.h). */
#define MMA_LETS                                                                                   \
    {"TILES_N", "ceildiv(columns,BN)"}, {"K_PITCH", "roundup(k,8)"},                               \
    {                                                                                              \
        "TILES", "ceildiv(m,BM)*TILES_N*batch"                                                     \
    }
#define MMA_STAGE                                                                                  \
    {                                                                                              \
        .file = "matmul_mma.cl", .groups = "TILES", .workgroup = "32*WM*WN"                        \
    }

#endif
