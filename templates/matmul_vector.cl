/* c = a b on a CPU, with a stored ${trans_a ? 'transposed, a[k,m],' : 'a[m,k]'} and b ${packed ? 'packed' : trans_b ? 'transposed, b[n,k]' : 'b[k,n]'}.
 *
 * One work-item computes a macro-tile of c: a strip of rows, ${NC} columns. In steps of ${KB}
 * along k it packs its columns of b, then, ${MC} rows at a time, its rows of a, into local
 * memory, as f32; then the register tile of ${MR} rows x ${NV} vectors of ${W} runs over the block:
 *
 *       bs [n/${NR}][k][${NR}]      panels of ${NR} columns, k outermost inside a panel
 *       as [m/${MR}]${trans_a ? '[k]' : '[k/16]'}[${MR}]${trans_a ? '' : '[16]'}   panels of ${MR} rows${trans_a ? ', k outermost inside a panel' : ', copied in runs of 16, not transposed'}
 *
 * so that every load of the inner loop is at a constant offset from two moving pointers. Rows,
 * columns and steps of k outside the matrices are packed as zeros.
@if DIRECT
 * Here b comes as such panels, of 64 columns and the whole of k, and is read where it is.
@end
 * Between steps along k the sums wait, as f32, in ${IN_C ? 'c' : 'local memory'}.
@if pair == 2
 * A column of c takes two of the product, its gate and its up: in the panels ${W} gates and the
 * ${W} ups of the same columns take turns.
@end
 */
@# The structure is Goto and van de Geijn's, "Anatomy of high-performance matrix multiplication",
@# ACM TOMS 34(3), 2008: the block of a is meant for L2, the panel of b for L1.

@# What is packed next is fetched meanwhile, a line of each matrix with every 16 steps of k.
@# Not into an L2 that the blocks fill, as on AVX2's CPUs.
@let FETCH_A SIMD > 8 && !trans_a
@let FETCH_B SIMD > 8 && SUMS && !packed && !trans_b && pair == 1
@let LINE dtype == 'f32' ? 16 : 32
@# What ops see at once: a row of the tile, where that is two registers, whose chains of operations then
@# take turns.
@let E SIMD <= 8 && NV == 2 && pair == 1 && W == 8 ? 16 : W
@include fetch.cl
@let T dtype == 'f32' ? 'float' : dtype == 'f16' ? 'half' : 'ushort'
@if trans_b && NR % 16 == 0
/* Element (i, j) moves to (j, i): four perfect shuffles of the 256 elements. */
static void transpose16(vec16 *t)
{
    vec16 s[16];
    #pragma unroll
    for (int round = 0; round < 4; round++) {
        #pragma unroll
        for (int i = 0; i < 8; i++) {
            s[i] = (vec16)(t[2 * i].even, t[2 * i + 1].even);
            s[i + 8] = (vec16)(t[2 * i].odd, t[2 * i + 1].odd);
        }
        #pragma unroll
        for (int i = 0; i < 16; i++)
            t[i] = s[i];
    }
}

@end
@if pair == 2
/* The column of c that a column of the panels is for, and the column of b that it is. */
static long c_column(long packed)
{
    return packed / ${2*W} * ${W} + packed % ${W};
}

static long b_column(long packed, long width)
{
    const long second = packed / ${W} % 2;
@if gate == 'split'
    return second * width + c_column(packed);
@else
    return 2 * c_column(packed) + second;
@end
}

@end
${signature}
{
${offsets}
    __local float as[${MC*KB}] __attribute__((aligned(64)));
@if !DIRECT
    __local float bs[${NC*KB}] __attribute__((aligned(64)));
@end
@if SUMS && !IN_C
    __local float sums[${MS*NC}] __attribute__((aligned(64)));
@end
    const ulong tiles_n = ${TILES_N};
    const ulong tiles = ${TILES};
    const ulong tile = get_group_id(0) % tiles;
    const ulong matrix = get_group_id(0) / tiles;
    /* A share of the columns for each compute unit, that they meet at the same rows of a. */
    const ulong strips = tiles / tiles_n;
    const ulong share = (tiles_n + ${COMPUTE_UNITS - 1}) / ${COMPUTE_UNITS};
    const ulong share0 = tile / (strips * share) * share, in_share = tile - share0 * strips;
    const ulong width = min(share, tiles_n - share0);
    const long m0 = (long)(in_share / width) * ${STRIP};
    const long n0 = (long)(share0 + in_share % width) * ${TILE_COLS};
    const int rows = (int)min((long)${STRIP}, ${m} - m0);
    const int cols = (int)min((long)${TILE_COLS}, ${columns} - n0);
    a += matrix * ${trans_a ? k : m} * ${lda};
@if !packed
    b += matrix * ${trans_b ? columns : k} * ${ldb};
@end
    const ulong c0 = matrix * ${m} * ${ldc};

    for (long k0 = 0; k0 < ${k}; k0 += ${KB}) {
        const int kc = (int)min((long)${KB}, ${k} - k0);
        const int kp = (kc + 15) / 16 * 16;
@if SUMS
        const int first = k0 == 0, last = k0 + ${KB} >= ${k};
@end

@if !DIRECT
        /* Pack b. */
@end
@if DIRECT
@elif packed
        for (int j = 0; j < cols; j += ${NR}) {
            __local float *to = bs + j * kp;
            ulong from = ((ulong)((n0 + j) / 64) * ${padded_k} + k0) * 64 + (n0 + j) % 64;
            for (int l = 0; l < kp; l++, to += ${NR}, from += 64) {
                #pragma unroll
                for (int v = 0; v < ${NV}; v++)
                    ((__local vec${W} *)to)[v] = load${W}_${dtype}(b, from + v * ${W});
            }
        }
@elif !trans_b && SIMD <= 8 && NR < 64 && pair == 1
@# Some panels side by side, as wide as AVX-512's, so that rows are read in runs of a few lines.
        for (int j0 = 0; j0 < cols; j0 += 64) {
            for (int l = 0; l < kp; l++) {
                for (int j = j0; j < min(j0 + 64, cols); j += ${NR}) {
                    __local float *to = bs + j * kp + l * ${NR};
                    const ulong from = (ulong)(k0 + l) * ${ldb} + n0 + j;
                    if (l < kc && j + ${NR} <= cols) {
                        #pragma unroll
                        for (int v = 0; v < ${NV}; v++)
                            ((__local vec${W} *)to)[v] = load${W}_${dtype}(b, from + v * ${W});
                    } else {
@# Without a condition in the loop: made vectors of, it would hold registers that the sums need.
                        const int left = l < kc ? min(cols - j, ${NR}) : 0;
                        for (int e = 0; e < left; e++)
                            to[e] = load1_${dtype}(b, from + e);
                        for (int e = left; e < ${NR}; e++)
                            to[e] = 0.0f;
                    }
                }
            }
        }
@elif !trans_b
        for (int j = 0; j < cols; j += ${NR}) {
            for (int l = 0; l < kp; l++) {
                __local float *to = bs + j * kp + l * ${NR};
@if pair == 2
                const ulong from = (ulong)(k0 + l) * ${ldb};
                if (l < kc && j + ${NR} <= cols) {
                    #pragma unroll
                    for (int v = 0; v < ${NV/2}; v++) {
                        const ulong col = (n0 + j) / 2 + v * ${W};
                        vec${W} first, second;
@if gate == 'split'
                        first = load${W}_${dtype}(b, from + col);
                        second = load${W}_${dtype}(b, from + ${n} + col);
@else
                        load_pairs${W}(&first, &second, b + from, col);
@end
                        ((__local vec${W} *)to)[2 * v] = first;
                        ((__local vec${W} *)to)[2 * v + 1] = second;
                    }
                } else {
                    for (int e = 0; e < ${NR}; e++)
                        to[e] = l < kc && c_column(n0 + j + e) < ${n}
                                    ? load1_${dtype}(b, from + b_column(n0 + j + e, ${n}))
                                    : 0.0f;
                }
@else
                const ulong from = (ulong)(k0 + l) * ${ldb} + n0 + j;
                if (l < kc && j + ${NR} <= cols) {
                    #pragma unroll
                    for (int v = 0; v < ${NV}; v++)
                        ((__local vec${W} *)to)[v] = load${W}_${dtype}(b, from + v * ${W});
                } else {
                    for (int e = 0; e < ${NR}; e++)
                        to[e] = l < kc && j + e < cols ? load1_${dtype}(b, from + e) : 0.0f;
                }
@end
            }
        }
@elif NR % 16 == 0
        for (int j = 0; j < cols; j += ${NR}) {
            for (int l = 0; l < kp; l += 16) {
                for (int g = 0; g < ${NR}; g += 16) {
                    vec16 t[16];
@if pair == 2
                    #pragma unroll
                    for (int e = 0; e < 16; e++) {
                        const long packed = n0 + j + g + e;
                        const ulong from = (ulong)b_column(packed, ${n}) * ${ldb} + k0 + l;
                        t[e] = (vec16)(0.0f);
                        if (c_column(packed) < ${n}) {
                            if (l + 16 <= kc)
                                t[e] = load16_${dtype}(b, from);
                            else
                                t[e] = load16_${dtype}_part(b, from, kc - l);
                        }
                    }
@else
                    const ulong from = (ulong)(n0 + j + g) * ${ldb} + k0 + l;
                    if (l + 16 <= kc && j + g + 16 <= cols) {
                        #pragma unroll
                        for (int e = 0; e < 16; e++)
                            t[e] = load16_${dtype}(b, from + (ulong)e * ${ldb});
                    } else {
                        #pragma unroll
                        for (int e = 0; e < 16; e++) {
                            t[e] = (vec16)(0.0f);
                            if (j + g + e < cols) {
                                if (l + 16 <= kc)
                                    t[e] = load16_${dtype}(b, from + (ulong)e * ${ldb});
                                else
                                    t[e] = load16_${dtype}_part(b, from + (ulong)e * ${ldb}, kc - l);
                            }
                        }
                    }
@end
                    transpose16(t);
                    #pragma unroll
                    for (int e = 0; e < 16; e++)
                        *(__local vec16 *)(bs + j * kp + (l + e) * ${NR} + g) = t[e];
                }
            }
        }
@else
        for (int j = 0; j < cols; j += ${NR})
            for (int e = 0; e < ${NR}; e++)
                for (int l = 0; l < kp; l++)
                    bs[j * kp + l * ${NR} + e] =
@if pair == 2
                        l < kc && c_column(n0 + j + e) < ${n}
                            ? load1_${dtype}(b, (ulong)b_column(n0 + j + e, ${n}) * ${ldb} + k0 + l)
@else
                        l < kc && j + e < cols
                            ? load1_${dtype}(b, (ulong)(n0 + j + e) * ${ldb} + k0 + l)
@end
                            : 0.0f;
@end

@if FETCH_B
        __global const ${T} *next_b = b + (ulong)(k0 + ${KB}) * ${ldb} + n0;
        const int lines_b = last ? 0 : ${KB*ceildiv(NC,LINE)};
        int fetched_b = 0;
@end
        for (int i0 = 0; i0 < rows; i0 += ${MC}) {
            const int block = min(${MC}, rows - i0);
@if FETCH_A
            const int below = i0 + ${MC} < rows;
            __global const ${T} *next_a = a + (ulong)(m0 + (below ? i0 + ${MC} : 0)) * ${lda} +
                                      (below ? k0 : k0 + ${KB});
            const int lines_a = below || k0 + ${KB} < ${k} ? ${MC*ceildiv(KB,LINE)} : 0;
            int fetched_a = 0;
@end

            /* Pack a. */
@if trans_a
            for (int l = 0; l < kp; l++) {
                for (int i = 0; i < block; i += ${MR}) {
                    __local float *to = as + i * kp + l * ${MR};
                    const ulong from = (ulong)(k0 + l) * ${lda} + m0 + i0 + i;
                    if (l < kc && i + ${MR} <= block) {
                        #pragma unroll
                        for (int r = 0; r < ${MR}; r++)
                            to[r] = load1_${dtype}(a, from + r);
                    } else {
                        for (int r = 0; r < ${MR}; r++)
                            to[r] = l < kc && i + r < block ? load1_${dtype}(a, from + r) : 0.0f;
                    }
                }
            }
@else
            for (int i = 0; i < block; i += ${MR}) {
                __local float *to = as + i * kp;
                for (int l = 0; l < kp; l += 16) {
                    #pragma unroll
                    for (int r = 0; r < ${MR}; r++) {
                        vec16 v = (vec16)(0.0f);
                        if (i + r < block) {
                            const long row = m0 + i0 + i + r, col = k0 + l;
                            const ulong from = (ulong)row * ${lda} + col;
                            if (l + 16 <= kc) {
                                v = load16_${dtype}(a, from);
@apply prologue v=v row=row col=col w=16 part= count=
                            } else {
                                const int left = kc - l;
                                v = load16_${dtype}_part(a, from, left);
@apply prologue v=v row=row col=col w=16 part=_part count=, left
                            }
                        }
                        ((__local vec16 *)to)[r] = v;
                    }
                    to += ${MR*16};
                }
            }
@end
            /* Multiply. */
            for (int j = 0; j < cols; j += ${NR}) {
                for (int i = 0; i < block; i += ${MR}) {
                    __local const float *ap = as + i * kp;
@if DIRECT
                    __global const ${T} *bp =
                        b + ((ulong)((n0 + j) / 64) * ${padded_k} + k0) * 64 + (n0 + j) % 64;
@else
                    __local const float *bp = bs + j * kp;
@end
                    vec${W} sum[${MR}][${NV}];
                    #pragma unroll
                    for (int r = 0; r < ${MR}; r++)
                        #pragma unroll
                        for (int v = 0; v < ${NV}; v++)
                            sum[r][v] = (vec${W})(0.0f);
                    for (int l = 0; l < kp; l += 16) {
@if FETCH_A
                        if (fetched_a < lines_a) {
                            const int from_row = fetched_a / ${ceildiv(KB,LINE)};
                            const int from_line = fetched_a++ % ${ceildiv(KB,LINE)};
                            FETCH(next_a + (ulong)from_row * ${lda} + from_line * ${LINE});
                        }
@end
@if FETCH_B
                        if (fetched_b < lines_b) {
                            const int from_row = fetched_b / ${ceildiv(NC,LINE)};
                            const int from_line = fetched_b++ % ${ceildiv(NC,LINE)};
                            FETCH(next_b + (ulong)from_row * ${ldb} + from_line * ${LINE});
                        }
@end
                        #pragma unroll
                        for (int u = 0; u < 16; u++) {
                            vec${W} row[${NV}];
                            #pragma unroll
                            for (int v = 0; v < ${NV}; v++)
@if DIRECT
                                row[v] = load${W}_${dtype}(bp, u * 64 + v * ${W});
@else
                                row[v] = vload${W}(u * ${NV} + v, bp);
@end
                            #pragma unroll
                            for (int r = 0; r < ${MR}; r++) {
@if trans_a
                                const vec${W} x = (vec${W})(ap[u * ${MR} + r]);
@else
                                const vec${W} x = (vec${W})(ap[r * 16 + u]);
@end
                                #pragma unroll
                                for (int v = 0; v < ${NV}; v++)
                                    sum[r][v] = fma(x, row[v], sum[r][v]);
                            }
                        }
                        ap += ${MR*16};
                        bp += ${(DIRECT ? 64 : NR)*16};
                    }
@if SUMS && !IN_C
                    __local float *kept = sums + (i0 + i) * ${NC} + j * ${MR};
                    if (!first) {
                        #pragma unroll
                        for (int r = 0; r < ${MR}; r++)
                            #pragma unroll
                            for (int v = 0; v < ${NV}; v++)
                                sum[r][v] += vload${W}(r * ${NV} + v, kept);
                    }
                    if (!last) {
                        #pragma unroll
                        for (int r = 0; r < ${MR}; r++)
                            #pragma unroll
                            for (int v = 0; v < ${NV}; v++)
                                ((__local vec${W} *)kept)[r * ${NV} + v] = sum[r][v];
                        continue;
                    }
@end
                    const long row0 = m0 + i0 + i, col0 = ${pair == 2 ? '(n0 + j) / 2' : 'n0 + j'};
                    const ulong at0 = c0 + (ulong)row0 * ${ldc} + col0;
@if SUMS && IN_C
                    if (i + ${MR} <= block && j + ${NR} <= cols) {
                        if (${ADDS ? '!last' : '!first'}) {
                            #pragma unroll
                            for (int r = 0; r < ${MR}; r++)
                                #pragma unroll
                                for (int v = 0; v < ${NV}; v++)
                                    sum[r][v] += load${W}_f32(c, at0 + (ulong)r * ${ldc} + v * ${W});
                        }
                        if (!last) {
                            #pragma unroll
                            for (int r = 0; r < ${MR}; r++)
                                #pragma unroll
                                for (int v = 0; v < ${NV}; v++)
                                    store${W}_f32(sum[r][v], c, at0 + (ulong)r * ${ldc} + v * ${W});
                            continue;
                        }
                    }
@end
@if EPILOGUE_OPS == 1
                    if (i + ${MR} <= block && j + ${NR} <= cols) {
                        #pragma unroll
                        for (int r = 0; r < ${MR}; r++) {
                            #pragma unroll
                            for (int v = 0; v < ${NV}; v++) {
                                const ulong at = at0 + (ulong)r * ${ldc} + v * ${W};
@apply epilogue v=sum[r][v] row=(row0 + r) col=(col0 + v * ${W}) at=at w=${W} part= count=
                            }
                        }
                        continue;
                    }
@end
                    /* One copy of the ops' code, not one for each register of the tile. */
                    vec${W} tile[${MR*NV}];
                    #pragma unroll
                    for (int r = 0; r < ${MR}; r++)
                        #pragma unroll
                        for (int v = 0; v < ${NV}; v++)
                            tile[r * ${NV} + v] = sum[r][v];
                    for (int r = 0; r < min(${MR}, block - i); r++) {
                        for (int v = 0; v < ${NV*W/E/pair}; v++) {
                            const ulong at = at0 + (ulong)r * ${ldc} + v * ${E};
                            const int left = ${pair == 2 ? '(cols - j) / 2' : 'cols - j'} - v * ${E};
@if pair == 2
                            vec${W} x = tile[r * ${NV} + 2 * v];
                            const vec${W} up = tile[r * ${NV} + 2 * v + 1];
@elif E == W
                            vec${W} x = tile[r * ${NV} + v];
@else
                            vec${E} x = (vec${E})(tile[r * ${NV}], tile[r * ${NV} + 1]);
@end
@if SUMS && IN_C
                            if (i + ${MR} > block || j + ${NR} > cols) {
                                if (left > 0 && ${ADDS ? '!last' : '!first'})
                                    x += left >= ${E} ? load${E}_f32(c, at)
                                                      : load${E}_f32_part(c, at, left);
                                if (left > 0 && !last) {
                                    if (left >= ${E})
                                        store${E}_f32(x, c, at);
                                    else
                                        store${E}_f32_part(x, c, at, left);
                                    continue;
                                }
                            }
@end
                            if (left >= ${E}) {
@apply epilogue v=x up=up row=(row0 + r) col=(col0 + v * ${E}) at=at share=(m0 / ${STRIP}) opens=!(i0 + i + r) w=${E} part= count=
                            } else if (left > 0) {
@apply epilogue v=x up=up row=(row0 + r) col=(col0 + v * ${E}) at=at share=(m0 / ${STRIP}) opens=!(i0 + i + r) w=${E} part=_part count=, left
                            }
                        }
                    }
                }
            }
        }
    }
}
