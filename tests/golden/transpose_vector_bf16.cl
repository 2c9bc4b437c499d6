#line 1 "kernels.cl.in"
/* transpose: y = x^T for each of batch matrices
 * spec     transpose batch=? m=? n=? dtype=bf16
 * variant  vector  TM=64 TN=256
 */
#line 4 "access.cl"
typedef float vec1;

#line 176 "access.cl"
/* The upper half of a float. Rounds to nearest even; NaN stays NaN (quiet). */
static ushort to_bf16_1(vec1 v)
{
#line 190 "access.cl"
    const uint bits = as_uint(v);
    const uint rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const uint quiet = (bits >> 16) | 0x40u;
    return convert_ushort(select(rounded, quiet, isnan(v)));
#line 195 "access.cl"
}

#line 198 "access.cl"
static vec1 load1_bf16(__global const ushort *p, ulong i)
{
    return as_float((uint)p[i] << 16);
}

static void store1_bf16(vec1 v, __global ushort *p, ulong i)
{
    p[i] = to_bf16_1(v);
}

#line 7 "transpose_vector.cl"
/* y = x^T for each of batch matrices, x[m,n]: bits are moved as they are, NaN's too.
 *
 * A work-item takes a tile of 64 rows and 256 columns of x, in blocks of 16 x 16 that are
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

#line 3 "past_cache.cl"
#ifndef PAST_CACHE
#if defined(__has_builtin)
#if __has_builtin(__builtin_nontemporal_store)
#define PAST_CACHE(v, p) __builtin_nontemporal_store(v, p)
#endif
#endif
#ifndef PAST_CACHE
#define PAST_CACHE(v, p) (*(p) = (v))
#endif
#endif
#line 22 "transpose_vector.cl"
typedef struct __attribute__((packed)) {
    ushort16 v;
} unaligned;

#line 62 "transpose_vector.cl"
/* Element (i, j) moves to (j, i): rows i and i + 8 are interleaved, which turns the eight bits of the
 * two indexes round by one, four times. */
#line 66 "transpose_vector.cl"
static void transpose16(ushort16 *t)
{
    ushort16 s[16];
    #pragma unroll
    for (int round = 0; round < 4; round++) {
        #pragma unroll
        for (int i = 0; i < 8; i++) {
            const ushort16 a = t[i], b = t[i + 8];
            s[2 * i] = (ushort16)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3,
                             a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7);
            s[2 * i + 1] = (ushort16)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb,
                                 a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf);
        }
        #pragma unroll
        for (int i = 0; i < 16; i++)
            t[i] = s[i];
    }
}

#line 107 "transpose_vector.cl"
/* Up to 2 blocks of 16 rows of 16, one below the other. Their columns are written at once. */
static void move_blocks(__global const ushort *from, ulong from_row, __global ushort *to, ulong to_row,
                        int blocks, int past)
{
    ushort16 columns[2 * 16];
    for (int b = 0; b < blocks; b++) {
        ushort16 t[16];
        #pragma unroll
        for (int i = 0; i < 16; i++)
#line 119 "transpose_vector.cl"
            t[i] = vload16(0, from + (16 * b + i) * from_row);
#line 121 "transpose_vector.cl"
        transpose16(t);
        #pragma unroll
        for (int j = 0; j < 16; j++)
            columns[2 * j + b] = t[j];
    }
    for (int j = 0; j < 16; j++)
        for (int b = 0; b < blocks; b++)
            if (past)
                PAST_CACHE(columns[2 * j + b], (__global ushort16 *)(to + j * to_row) + b);
            else
                ((__global unaligned *)(to + j * to_row))[b].v = columns[2 * j + b];
}

#line 135 "transpose_vector.cl"
static void move_edge(__global const ushort *from, ulong from_row, __global ushort *to, ulong to_row,
                      int rows, int cols)
{
    for (int j = 0; j < cols; j++)
        for (int i = 0; i < rows; i++)
            to[j * to_row + i] = from[i * from_row + j];
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void transpose(__global const ushort *restrict x, const ulong x_offset,
               __global ushort *restrict y, const ulong y_offset,
               const long batch,
               const long m,
               const long n)
#line 144 "transpose_vector.cl"
{
    x += x_offset;
    y += y_offset;
#line 146 "transpose_vector.cl"
    const ulong tiles_n = ((n + 255) / 256);
    const ulong tiles = (((m + 63) / 64) * ((n + 255) / 256));
    const ulong tile = get_group_id(0) % tiles;
    const ulong matrix = get_group_id(0) / tiles;
    const ulong i0 = tile / tiles_n * 64;
    const ulong j0 = tile % tiles_n * 256;
    const int rows = (int)min((ulong)64, (ulong)m - i0);
    const int cols = (int)min((ulong)256, (ulong)n - j0);
    const ulong from_row = n, to_row = m;
    __global const ushort *from =
        (__global const ushort *)x + matrix * from_row * to_row + i0 * from_row + j0;
    __global ushort *to = (__global ushort *)y + matrix * from_row * to_row + j0 * to_row + i0;
    const int past = ((((2 * batch) * n) * m) >= 33554432) && (((ulong)to | to_row * sizeof *to) & 63) == 0;
    const int full_rows = rows / 16 * 16, full_cols = cols / 16 * 16;

#line 166 "transpose_vector.cl"
    for (int i = 0; i < full_rows; i += 32)
        for (int j = 0; j < full_cols; j += 16)
            move_blocks(from + i * from_row + j, from_row, to + j * to_row + i, to_row,
                        min((full_rows - i) / 16, 2), past);
#line 171 "transpose_vector.cl"
    move_edge(from + full_cols, from_row, to + full_cols * to_row, to_row, rows, cols - full_cols);
    move_edge(from + full_rows * from_row, from_row, to + full_rows, to_row, rows - full_rows,
              full_cols);
}
