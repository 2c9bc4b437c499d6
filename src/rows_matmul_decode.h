/* The products' variant for few rows of a on GPUs (templates/matmul_decode.cl). */
#ifndef KILN_ROWS_MATMUL_DECODE_H
#define KILN_ROWS_MATMUL_DECODE_H

#define DECODE_TILES                                                                               \
    .name = "decode", .about = "GPU, up to 8 rows of a: b is read once, groups share k",           \
    .allow = {ON_GPU,                                                                              \
              {"known(m) && m <= 8", "m=${m}: must be known, and 8 at most"},                      \
              {"variant == 'decode' || !SM_A || dtype == 'f32'",                                   \
               "dtype=${dtype}: tensor cores are faster"},                                         \
              {"!packed", "packed=1: b is in panels"},                                             \
              {"tile_size == 0", "tile_size=${tile_size}: this variant has no tiles"},             \
              {"workgroup_size == 0 || workgroup_size == 256",                                     \
               "workgroup_size=${workgroup_size}: this variant's groups have 256"},                \
              {"MAX_WORKGROUP >= 256", "groups of 256 are over the device's ${MAX_WORKGROUP}"}},   \
    .tune = {{"KC", {512, 1024, 2048, 4096, 256}}, {"FILL", {4, 8, 3, 2, 1}}},                     \
    .presets = {"KC=trans_b&&known(m)&&m<=2?2048:512 FILL=4", "KC=256 FILL=4"},                    \
    .require =                                                                                     \
        {{"4*max(m*KC,trans_b ? 1024*m : 2048) <= LOCAL_MEM",                                      \
          "${m} rows by ${KC} do not fit the device's ${LOCAL_MEM} bytes of local memory"}},       \
    .widths = {"W"}, .special = true
/* FILL: groups a compute unit. */
#define DECODE_LETS                                                                                \
    ACCESS_LET, {"COLS", "trans_b ? 32 : 32*W"}, {"GROUPS_N", "ceildiv(columns,COLS)"},            \
        {"SPLIT", "max(1,min(FILL*COMPUTE_UNITS/(GROUPS_N*batch),ceildiv(k,256)))"},               \
        {"KPART", "roundup(ceildiv(k,SPLIT),64)"},                                                 \
    {                                                                                              \
        "PITCH", "roundup(columns,16)"                                                             \
    }
#define DECODE_SCRATCH .scratch = {{.name = "parts", .count = "SPLIT*batch*m*PITCH"}}
#define DECODE_STAGE                                                                               \
    {                                                                                              \
        .file = "matmul_decode.cl", .groups = "GROUPS_N*SPLIT*batch", .workgroup = "256"           \
    }
#define DECODE_FINISH                                                                              \
    {                                                                                              \
        .name = "finish", .file = "matmul_decode_finish.cl", .groups = "ceildiv(m*batch*n,256)",   \
        .workgroup = "256"                                                                         \
    }

#endif
