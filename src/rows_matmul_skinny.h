/* The matrix products' variant for few rows of a. For rows_matmul.c alone. */
#ifndef KILN_ROWS_MATMUL_SKINNY_H
#define KILN_ROWS_MATMUL_SKINNY_H

/* Up to 4 rows of a make a narrow tile of c: that is widened, and b comes in longer runs. With 16
 * registers there is room for that up to 2 rows. */
#define FEW  "known(m)&&m<=4"
#define WIDE "(known(n)?min(4,ceildiv(n,SIMD)):4)"
#define SKINNY_PRESET(kb, bn)                                                                      \
    "W=max(SIMD,4) NV=SIMD<=8?(!trans_b&&known(m)&&m<=2?" WIDE ":2):trans_b||!known(m)?4:" FEW     \
    "?" WIDE ":2 "                                                                                 \
    "MR=known(m)?ceildiv(m,ceildiv(m,SIMD>8&&!trans_b?8:4)):4 "                                    \
    "DEPTH=" FEW "?(trans_b?64:4):(trans_b?32:8) KB=" kb " BN=" bn

/* Rows of a that a work-item has, with zeros behind the last up to a panel. */
#define SKINNY_ROWS "(known(m) ? min(roundup(m,MR),64/MR*MR) : 64/MR*MR)"

/* DEPTH: rows of b at a time or, where b is transposed, vectors of k. */
#define SKINNY_TILES                                                                               \
    .name = "skinny", .about = "CPU, few rows of a: b is read where it is, once for 64 of them",   \
    .allow = {ON_CPU,                                                                              \
              {"!packed", "packed=1: b is in panels, as the vector variant reads it"},             \
              {"tile_size == 0", "tile_size=${tile_size}: this variant has no tiles"},             \
              {"variant == 'skinny' || known(m)",                                                  \
               "m=?: chosen only where m is known; variant=skinny insists"},                       \
              {"variant == 'skinny' || m <= 64", "m=${m}: over the 64 rows that it is for"},       \
              {"variant == 'skinny' || m <= 16 || !known(n) || !known(k) || n > 4096/k",           \
               "m=${m}: over 16 rows, for a b of ${n}x${k}, which is packed at no cost"},          \
              {"variant == 'skinny' || !trans_b || !known(k) || k >= 16*m",                        \
               "k=${k}: below 16 m, dot products with the rows of b are too short"}},              \
    .tune = {{"W", {16, 8, 4}},                                                                    \
             {"NV", {4, 2, 1, 8}},                                                                 \
             {"MR", {8, 4, 6, 3, 2, 1}},                                                           \
             {"DEPTH", {8, 16, 4, 32, 2, 1, 64}},                                                  \
             {"KB", {1024, 256, 512, 2048, 4096, 128, 64, 16}},                                    \
             {"BN", {1024, 512, 2048, 4096, 256, 128, 64, 16}}},                                   \
    .presets = {SKINNY_PRESET("trans_b?(" FEW "?4096:2048):1024",                                  \
                              "SIMD<=8&&!trans_b&&" FEW "?2048:1024"),                             \
                SKINNY_PRESET("256", "256"), SKINNY_PRESET("64", "64")},                           \
    .require = {{"W <= SIMD || W == 4", "vectors of ${W} are wider than the device's ${SIMD}"},    \
                {"MR*NV <= (SIMD > 8 ? 24 : 12)",                                                  \
                 "a register tile of ${MR}x${NV} vectors does not fit the registers"},             \
                {"!known(m) || MR <= m", "panels of ${MR} rows for ${m}"},                         \
                {"!trans_b || W % NV == 0", "${NV} columns do not divide the vectors of ${W}"},    \
                {"4*(" SKINNY_ROWS "*(KB+16+(trans_b ? W*W : 0))+pair*" SKINNY_ROWS "*"            \
                 "roundup(BN,trans_b ? W : W*NV)+W) <= LOCAL_MEM",                                 \
                 "${BN} columns by ${KB} do not fit the device's ${LOCAL_MEM} bytes of local "     \
                 "memory"}},                                                                       \
    .widths = {"16", "W"}, .fixed_workgroup = true, .special = true
/* DENSE: columns of b side by side for one of c; HALVES: of b that lie apart. SHARES: of equal
 * width, so many for each compute unit. */
#define SKINNY_LETS                                                                                \
    {"KC", "known(k) ? min(KB,roundup(k,16)) : KB"}, {"AK", "KC+16"}, {"STRIP", "64/MR*MR"},       \
        {"STRIPS", "ceildiv(m,STRIP)"}, {"ROWS", SKINNY_ROWS},                                     \
        {"DENSE", "defined(gate) && gate == 'interleaved' ? 2 : 1"}, {"HALVES", "pair/DENSE"},     \
        {"NR", "trans_b ? W : W*NV"}, {"KI", "DEPTH*W"},                                           \
        {"SHARES",                                                                                 \
         "min(ceildiv(n,min(BN,64)),roundup(ceildiv(n,BN),ceildiv(COMPUTE_UNITS,batch)))"},        \
        {"COLS", "roundup(ceildiv(n,SHARES),W)"}, {"ROOM", "known(COLS) ? COLS : BN"},             \
        {"PANELS", "ceildiv(DENSE*ROOM,NR)"},                                                      \
    {                                                                                              \
        "TILES", "ceildiv(n,COLS)"                                                                 \
    }
#define SKINNY_STAGE                                                                               \
    {                                                                                              \
        .file = "matmul_skinny_vector.cl", .groups = "STRIPS*TILES*batch", .workgroup = "1"        \
    }

#endif
