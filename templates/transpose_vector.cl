@let T dtype == 'f32' ? 'uint' : 'ushort'
@# A block's edge, after the device's registers, and how many blocks are written at once: a cache line;
@# on AVX2 two, which took 6.5 ms instead of 7.4 at 4096 x 4096.
@let NARROW SIMD <= 8
@let P NARROW && dtype == 'f32' ? 8 : 16
@let H NARROW ? 4 : dtype == 'f32' ? 1 : 2
/* y = x^T for each of batch matrices, x[m,n]: bits are moved as they are, NaN's too.
 *
 * A work-item takes a tile of ${TM} rows and ${TN} columns of x, in blocks of ${P} x ${P} that are
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
    ${T}${P} v;
} unaligned;

@if NARROW
@let L P/2
/* Element (i, j) moves to (j, i): the off-diagonal quarters change places, then in each half of the
 * rows of i and i + ${L/2} are interleaved, ${L} lanes at a time, which is one instruction. */
static void transpose${P}(${T}${P} *t)
{
    ${T}${P} s[${P}];
    #pragma unroll
    for (int i = 0; i < ${L}; i++) {
        s[i] = (${T}${P})(t[i].lo, t[i + ${L}].lo);
        s[i + ${L}] = (${T}${P})(t[i].hi, t[i + ${L}].hi);
    }
    #pragma unroll
    for (int round = 0; round < ${L == 4 ? 2 : 3}; round++) {
        #pragma unroll
        for (int top = 0; top < ${P}; top += ${L}) {
            #pragma unroll
            for (int i = 0; i < ${L/2}; i++) {
                const ${T}${P} a = s[top + i], b = s[top + i + ${L/2}];
@if L == 4
                t[top + 2 * i] = (uint8)(a.s0, b.s0, a.s1, b.s1, a.s4, b.s4, a.s5, b.s5);
                t[top + 2 * i + 1] = (uint8)(a.s2, b.s2, a.s3, b.s3, a.s6, b.s6, a.s7, b.s7);
@else
                t[top + 2 * i] = (ushort16)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3,
                                             a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb);
                t[top + 2 * i + 1] = (ushort16)(a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7,
                                                 a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf);
@end
            }
        }
        #pragma unroll
        for (int i = 0; i < ${P}; i++)
            s[i] = t[i];
    }
}
@else
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
@end

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
/* Up to ${H} blocks of ${P} rows of ${P}, one below the other. Their columns are written at once. */
static void move_blocks(__global const ${T} *from, ulong from_row, __global ${T} *to, ulong to_row,
                        int blocks, int past)
{
    ${T}${P} columns[${H} * ${P}];
    for (int b = 0; b < blocks; b++) {
        ${T}${P} t[${P}];
        #pragma unroll
        for (int i = 0; i < ${P}; i++)
@if NARROW
            t[i] = ((__global const unaligned *)(from + (${P} * b + i) * from_row))->v;
@else
            t[i] = vload16(0, from + (16 * b + i) * from_row);
@end
        transpose${P}(t);
        #pragma unroll
        for (int j = 0; j < ${P}; j++)
            columns[${H} * j + b] = t[j];
    }
    for (int j = 0; j < ${P}; j++)
        for (int b = 0; b < blocks; b++)
            if (past)
                PAST_CACHE(columns[${H} * j + b], (__global ${T}${P} *)(to + j * to_row) + b);
            else
                ((__global unaligned *)(to + j * to_row))[b].v = columns[${H} * j + b];
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
    const int full_rows = rows / ${P} * ${P}, full_cols = cols / ${P} * ${P};

@if H == 1
    for (int i = 0; i < full_rows; i += 16)
        for (int j = 0; j < full_cols; j += 16)
            move_block(from + i * from_row + j, from_row, to + j * to_row + i, to_row, past);
@else
    for (int i = 0; i < full_rows; i += ${H*P})
        for (int j = 0; j < full_cols; j += ${P})
            move_blocks(from + i * from_row + j, from_row, to + j * to_row + i, to_row,
                        min((full_rows - i) / ${P}, ${H}), past);
@end
    move_edge(from + full_cols, from_row, to + full_cols * to_row, to_row, rows, cols - full_cols);
    move_edge(from + full_rows * from_row, from_row, to + full_rows, to_row, rows - full_rows,
              full_cols);
}
