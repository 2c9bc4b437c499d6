/* The products' variant for the tensor cores of sm_90a (templates/matmul_wgmma.cl). */
#ifndef KILN_ROWS_MATMUL_WGMMA_H
#define KILN_ROWS_MATMUL_WGMMA_H

/* WGS: fours of warps that multiply, 64 rows each; one more brings in what they read. GM: rows of
 * tiles that groups at work share. STAGES: blocks under way. SPLIT: groups that share k of a tile,
 * of a product with few tiles. splits: "1" if its stages can add up the shares, else "0". */
#define WGMMA_LOCAL "STAGES*128*(64*WGS+BN)+16*STAGES+256"
#define WGMMA_SPLIT                                                                                \
    "known(m)&&known(n)&&known(k)&&known(batch)?max(1,min(8,min(COMPUTE_UNITS/"                    \
    "(ceildiv(m,64)*ceildiv(columns,64*pair)*batch),k/512))):1"
#define WGMMA_TILES(splits)                                                                        \
    .name = "wgmma",                                                                               \
    .about =                                                                                       \
        "tensor cores of NVIDIA's sm_90a: copies by box, a ring of blocks, sums in registers",     \
    .allow = {ON_SM90A,                                                                            \
              {"tf32 || dtype == 'f16' || dtype == 'bf16'",                                        \
               "dtype=${dtype}: must be f16 or bf16, or compute=tf32 be asked for"},               \
              {"!known(k) || k >= 32", "k=${k}: below half a block of 64"}},                       \
    .tune = {{"BN", {256, 128, 64}},                                                               \
             {"WGS", {2, 1, 3}},                                                                   \
             {"STAGES", {4, 3, 6, 5, 8, 2}},                                                       \
             {"GM", {8, 32, 16, 4, 1}},                                                            \
             {"SPLIT", {1, 2, 3, 4, 5, 6, 7, 8}}},                                                 \
    .presets = {"BN=256 WGS=2 STAGES=4 GM=8 SPLIT=1", "BN=128 WGS=2 STAGES=6 GM=8 SPLIT=1",        \
                "BN=128 WGS=1 STAGES=8 GM=8 SPLIT=pair==2&&" splits "?0:1",                        \
                "BN=64*pair WGS=1 STAGES=pair==2?6:8 GM=8 SPLIT=" splits "?" WGMMA_SPLIT ":1"},    \
    .require = {TILE_RULE("64*WGS == tile_size && BN == pair*tile_size"),                          \
                {"workgroup_size == 0 || 128*(WGS+1) == workgroup_size",                           \
                 "workgroup_size=${workgroup_size}: this variant's groups have ${128*(WGS+1)}"},   \
                {"tile_size != 0 || workgroup_size != 0 || BN <= 64*pair && WGS == 1 || "          \
                 "!known(m) || !known(n) || "                                                      \
                 "ceildiv(m,64*WGS)*ceildiv(columns,BN)*batch >= COMPUTE_UNITS",                   \
                 "tiles of ${64*WGS}x${BN} leave compute units idle"},                             \
                {"SPLIT == 1 || " splits                                                           \
                 " && known(k) && (SPLIT-1)*roundup(ceildiv(k,SPLIT),64) < k",                     \
                 "k=${k}: not shared by ${SPLIT} groups here"},                                    \
                {"BN >= 64*pair", "tiles of ${BN} columns of gates and ups are too narrow"},       \
                {"WGS < 3 || BN <= 128", "three times 64 x ${BN} sums do not fit the registers"},  \
                {WGMMA_LOCAL " <= STATIC_LOCAL",                                                   \
                 "${STAGES} stages need ${" WGMMA_LOCAL "} bytes of local memory, over the "       \
                 "device's ${STATIC_LOCAL}"}},                                                     \
    .widths = {"8", "tf32 ? 4 : 8"}
/* Of 32-bit words tensor cores take blocks in rows along k alone: what is stored otherwise is
 * turned first, TURNED, into rows of K_PITCH. So is what becomes of a in a prologue, PREPARED. */
#define WGMMA_LETS                                                                                 \
    {"TILES_N", "ceildiv(columns,BN)"}, {"K_PITCH", "roundup(k,8)"},                               \
        {"TURNED_A", "tf32 && trans_a"}, {"TURNED_B", "tf32 && !trans_b"},                         \
    {                                                                                              \
        "TILES", "ceildiv(m,64*WGS)*TILES_N*batch"                                                 \
    }
#define PREPARED_SCRATCH                                                                           \
    {                                                                                              \
        .name = "prepared", .count = "tf32 ? m*K_PITCH : m*K_PITCH/2"                              \
    }
#define PREPARE_STAGE                                                                              \
    {                                                                                              \
        .name = "prepare", .file = "prepare_a.cl", .groups = "ceildiv(m*(K_PITCH/8),256)",         \
        .workgroup = "256"                                                                         \
    }
#define TURNED_A_SCRATCH                                                                           \
    {                                                                                              \
        .name = "turned_a", .count = "batch*m*K_PITCH", .when = "TURNED_A"                         \
    }
#define TURNED_B_SCRATCH                                                                           \
    {                                                                                              \
        .name = "turned_b", .count = "batch*columns*K_PITCH", .when = "TURNED_B"                   \
    }
#define TURN_GROUPS(columns) "ceildiv(K_PITCH,64)*ceildiv(" columns ",64)*batch"
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
/* The sums of each share; the stage that adds them up is that of decode. */
#define SHARES_LETS                                                                                \
    {                                                                                              \
        "PITCH", "roundup(columns,16)"                                                             \
    }
#define SHARES_SCRATCH                                                                             \
    {                                                                                              \
        .name = "parts", .count = "SPLIT*batch*m*PITCH", .when = "SPLIT > 1"                       \
    }
#define SHARES_FINISH                                                                              \
    {                                                                                              \
        .name = "finish", .file = "matmul_decode_finish.cl", .groups = "ceildiv(m*batch*n,256)",   \
        .workgroup = "256", .when = "SPLIT > 1"                                                    \
    }
/* A map of a and one of b for each group. */
#define WGMMA_SCRATCH                                                                              \
    {                                                                                              \
        .name = "maps", .count = "64*min(COMPUTE_UNITS,TILES*SPLIT)"                               \
    }
#define WGMMA_STAGE                                                                                \
    {                                                                                              \
        .file = "matmul_wgmma.cl", .groups = "min(COMPUTE_UNITS,TILES*SPLIT)",                     \
        .workgroup = "128*(WGS+1)"                                                                 \
    }

#endif
