/* The products' variant for large f32 products on GPUs (templates/matmul_wide.cl). */
#ifndef KILN_ROWS_MATMUL_WIDE_H
#define KILN_ROWS_MATMUL_WIDE_H

#define WIDE_TILES                                                                                 \
    .name = "wide",                                                                                \
    .about = "GPU: large tiles, two blocks of local memory in turn, accesses by fours",            \
    .allow = {ON_GPU,                                                                              \
              {"pair == 1", "columns in pairs are another variant's"},                             \
              {"workgroup_size == 0 || tile_size == 0", "a tile's group is as large as it is"}},   \
    .tune = {{"BM", {128, 64}}, {"BN", {128, 64, 256}}, {"TN", {8, 16}}, {"BK", {16, 8}}},         \
    .presets = {"BM=128 BN=128 TN=8 BK=16", "BM=128 BN=128 TN=8 BK=8", "BM=64 BN=64 TN=8 BK=16"},  \
    .require = {TILE_RULE("BM == tile_size && BN == tile_size"),                                   \
                {"workgroup_size == 0 || BM*BN/(8*TN) == workgroup_size",                          \
                 "workgroup_size=${workgroup_size}: tiles of ${BM}x${BN} make groups of "          \
                 "${BM*BN/(8*TN)}"},                                                               \
                {"tile_size != 0 || workgroup_size != 0 || !known(m) || !known(n) || "             \
                 "ceildiv(m,BM)*ceildiv(n,BN)*batch >= COMPUTE_UNITS",                             \
                 "tiles of ${BM}x${BN} leave compute units idle"},                                 \
                {"BM*BN/(8*TN) <= MAX_WORKGROUP",                                                  \
                 "a group of ${BM*BN/(8*TN)} work-items is over the device's ${MAX_WORKGROUP}"},   \
                {"BM*BK % (BM*BN/(2*TN)) == 0 && BN*BK % (BM*BN/(2*TN)) == 0",                     \
                 "blocks of ${BK} steps are not whole accesses of every work-item"},               \
                {"8*BK*(BM+BN+8) <= STATIC_LOCAL",                                                 \
                 "tiles of ${BM}x${BN} by ${BK} need ${8*BK*(BM+BN+8)} bytes of local memory, "    \
                 "over the device's ${STATIC_LOCAL}"}},                                            \
    .widths = {"4"}
#define WIDE_LETS                                                                                  \
    {"X", "BN/TN"}, {"Y", "BM/8"},                                                                 \
    {                                                                                              \
        "TILES_N", "ceildiv(n,BN)"                                                                 \
    }
#define WIDE_STAGE                                                                                 \
    {                                                                                              \
        .file = "matmul_wide.cl", .groups = "ceildiv(m,BM)*TILES_N*batch",                         \
        .workgroup = "BM*BN/(8*TN)"                                                                \
    }

#endif
