@let T dtype == 'f32' ? 'uint' : 'ushort'
@# Blocks of 16 that make a cache line.
@let H dtype == 'f32' ? 1 : 2
/* y = x^T for each of batch matrices, x[m,n]: bits are moved as they are, NaN's too.
 *
 * A work-item takes a tile of ${TM} rows and ${TN} columns of x, in blocks of 16 x 16 that are
 * transposed in registers:
 *
 *       x   j ->               y   i ->
 *       i   [block][block]     j   [block][block]
 *       |   [block][block]     |   [block][block]
 *
 * Blocks follow one another down the rows of x: a run of y is written through before the next,
 * and the pages of a tile's rows, of x and of y, are few. What is left at the matrix's edges goes
 * element by element.
 */

@include past_cache.cl
typedef struct __attribute__((packed)) {
    ${T}16 v;
} unaligned;

/* Element (i, j) moves to (j, i): rows i and i + 8 are interleaved, which turns the eight bits of the
 * two indexes round by one, four times. */
@# Written out, lane by lane, it becomes one shuffle of two vectors; .even and .odd became three. In
@# matmul_vector.cl, whose blocks are floats, .even and .odd were 2 to 3 % faster for a whole product.
static void transpose16(${T}16 *t)
{
    ${T}16 s[16];
    #pragma unroll
    for (int round = 0; round < 4; round++) {
        #pragma unroll
        for (int i = 0; i < 8; i++) {
            const ${T}16 a = t[i], b = t[i + 8];
            s[2 * i] = (${T}16)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3,
                             a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7);
            s[2 * i + 1] = (${T}16)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb,
                                 a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf);
        }
        #pragma unroll
        for (int i = 0; i < 16; i++)
            t[i] = s[i];
    }
}

@if H == 1
/* A block: 16 rows of 16. A row of y's is a line, which goes past the cache where it may and is whole. */
static void move_block(__global const ${T} *from, ulong from_row, __global ${T} *to, ulong to_row,
                       int past)
{
    ${T}16 t[16];
    #pragma unroll
    for (int i = 0; i < 16; i++)
        t[i] = vload16(0, from + i * from_row);
    transpose16(t);
    if (past) {
        #pragma unroll
        for (int j = 0; j < 16; j++)
            PAST_CACHE(t[j], (__global ${T}16 *)(to + j * to_row));
    } else {
        #pragma unroll
        for (int j = 0; j < 16; j++)
            ((__global unaligned *)(to + j * to_row))->v = t[j];
    }
}
@else
/* One or two blocks of 16 rows of 16, the second below the first. A line of y is written at once. */
static void move_blocks(__global const ${T} *from, ulong from_row, __global ${T} *to, ulong to_row,
                        int blocks, int past)
{
    ${T}16 columns[2 * 16];
    for (int b = 0; b < blocks; b++) {
        ${T}16 t[16];
        #pragma unroll
        for (int i = 0; i < 16; i++)
            t[i] = vload16(0, from + (16 * b + i) * from_row);
        transpose16(t);
        #pragma unroll
        for (int j = 0; j < 16; j++)
            columns[2 * j + b] = t[j];
    }
    for (int j = 0; j < 16; j++)
        for (int b = 0; b < blocks; b++)
            if (past)
                PAST_CACHE(columns[2 * j + b], (__global ${T}16 *)(to + j * to_row) + b);
            else
                ((__global unaligned *)(to + j * to_row))[b].v = columns[2 * j + b];
}
@end

static void move_edge(__global const ${T} *from, ulong from_row, __global ${T} *to, ulong to_row,
                      int rows, int cols)
{
    for (int j = 0; j < cols; j++)
        for (int i = 0; i < rows; i++)
            to[j * to_row + i] = from[i * from_row + j];
}

${signature}
{
${offsets}
    const ulong tiles_n = ${TILES_N};
    const ulong tiles = ${TILES};
    const ulong tile = get_group_id(0) % tiles;
    const ulong matrix = get_group_id(0) / tiles;
    const ulong i0 = tile / tiles_n * ${TM};
    const ulong j0 = tile % tiles_n * ${TN};
    const int rows = (int)min((ulong)${TM}, (ulong)${m} - i0);
    const int cols = (int)min((ulong)${TN}, (ulong)${n} - j0);
    const ulong from_row = ${n}, to_row = ${m};
    __global const ${T} *from =
        (__global const ${T} *)x + matrix * from_row * to_row + i0 * from_row + j0;
    __global ${T} *to = (__global ${T} *)y + matrix * from_row * to_row + j0 * to_row + i0;
    const int past = ${STREAMS} && (((ulong)to | to_row * sizeof *to) & 63) == 0;
    const int full_rows = rows / 16 * 16, full_cols = cols / 16 * 16;

@if H == 1
    for (int i = 0; i < full_rows; i += 16)
        for (int j = 0; j < full_cols; j += 16)
            move_block(from + i * from_row + j, from_row, to + j * to_row + i, to_row, past);
@else
    for (int i = 0; i < full_rows; i += 32)
        for (int j = 0; j < full_cols; j += 16)
            move_blocks(from + i * from_row + j, from_row, to + j * to_row + i, to_row,
                        min((full_rows - i) / 16, 2), past);
@end
    move_edge(from + full_cols, from_row, to + full_cols * to_row, to_row, rows, cols - full_cols);
    move_edge(from + full_rows * from_row, from_row, to + full_rows, to_row, rows - full_rows,
              full_cols);
}
