@let WG (BM/8)*(BN/TN)
@let PARTS_A BM*BK/4/WG
@let PARTS_B BN*BK/4/WG
/* c = a b on a GPU, with a stored ${trans_a ? 'transposed, a[k,m],' : 'a[m,k]'} and b ${packed ? 'packed' : trans_b ? 'transposed, b[n,k]' : 'b[k,n]'}.
 *
 * A group of ${WG} work-items computes a tile of ${BM} x ${BN} of c. In steps of ${BK} along k it has a block of
 * a and one of b in local memory, as f32, k outermost, twice: while it multiplies by one pair, the next is
 * on its way through registers into the other. Work-item (x, y) has the rows 4y and the columns 4x, four
 * of each, of every ${4*Y} rows and ${4*X} columns, so that it reads and stores by fours and neighbours read
 * neighbours.
 */
@let T dtype == 'f32' ? 'float' : dtype == 'f16' ? 'half' : 'ushort'
@# Whether four neighbours in memory are four steps of k.
@let A_ALONG !trans_a
@let B_ALONG trans_b
${signature}
{
${offsets}
    __local float as[2][${BK}][${BM + 4}] __attribute__((aligned(16)));
    __local float bs[2][${BK}][${BN + 4}] __attribute__((aligned(16)));
    const int lid = (int)get_local_id(0);
    /* Every 32 work-items are 8 x 4 of them, so that they read few lines of local memory. */
    const int x = lid / 32 % ${X/8} * 8 + lid % 8, y = lid / 32 / ${X/8} * 4 + lid % 32 / 8;
    const ulong tiles_m = ${ceildiv(m,BM)}, tiles_n = ${TILES_N};
    const ulong index = get_group_id(0);
@let GM 8
@let BC BN
@include tile_bands.cl
    a += matrix * ${trans_a ? k : m} * ${lda};
@if !packed
    b += matrix * ${trans_b ? columns : k} * ${ldb};
@end
    const ulong c0 = matrix * ${m} * ${ldc};

@let ALIGN dtype == 'f32' ? 15 : 7
    const int whole = (m0 + ${BM} <= ${m}) & (n0 + ${BN} <= ${n}) & (${lda} % 4 == 0) & (${ldb} % 4 == 0) &
                      (((ulong)a & ${ALIGN}) == 0) & (((ulong)b & ${ALIGN}) == 0);

@if A_ALONG || B_ALONG
    const int along = ${BK/4};
@end
@if !A_ALONG
    const int across_a = ${BM/4};
@end
@if !B_ALONG
    const int across_b = ${BN/4};
@end
@# Where a whole tile's parts of a and b begin; both move on by a step of k.
@let B_PITCH packed ? 64 : ldb
    const __global ${T} *from_a = a + ${A_ALONG ? '(ulong)(m0 + lid / along)' : '(ulong)(lid / across_a)'} * ${lda} + ${A_ALONG ? 'lid % along * 4' : 'm0 + lid % across_a * 4'};
@if packed
    const __global ${T} *from_b = b + ((ulong)((n0 + lid % across_b * 4) / 64) * ${padded_k} + lid / across_b) * 64 + lid % across_b * 4 % 64;
@else
    const __global ${T} *from_b = b + ${B_ALONG ? '(ulong)(n0 + lid / along)' : '(ulong)(lid / across_b)'} * ${ldb} + ${B_ALONG ? 'lid % along * 4' : 'n0 + lid % across_b * 4'};
@end
    float4 sum[2][4][${TN/4}];
    #pragma unroll
    for (int i = 0; i < 8; i++)
        #pragma unroll
        for (int j = 0; j < ${TN/4}; j++)
            sum[i / 4][i % 4][j] = (float4)(0.0f);
    float4 next_a[${PARTS_A}], next_b[${PARTS_B}];
    int now = 1;
    for (long k0 = -${BK}; k0 < ${k}; k0 += ${BK}) {
        const long l0 = k0 + ${BK};
        if (whole & (l0 + ${BK} <= ${k})) {
            #pragma unroll
            for (int p = 0; p < ${PARTS_A}; p++) {
                float4 v = whole4_${dtype}(from_a, p * ${A_ALONG ? 4*WG/BK : 4*WG/BM} * (ulong)${lda});
@if PROLOGUE_OPS
@apply prologue v=v row=(m0 + (lid + p * ${WG}) / ${BK/4}) col=(l0 + (lid + p * ${WG}) % ${BK/4} * 4) w=4 part= count=
@end
                next_a[p] = v;
            }
            #pragma unroll
            for (int p = 0; p < ${PARTS_B}; p++)
                next_b[p] = whole4_${dtype}(from_b, p * ${B_ALONG ? 4*WG/BK : 4*WG/BN} * (ulong)${B_PITCH});
            from_a += ${BK} * (ulong)${A_ALONG ? 1 : lda};
            from_b += ${BK} * (ulong)${B_ALONG ? 1 : B_PITCH};
        } else if (l0 < ${k}) {
            #pragma unroll
            for (int p = 0; p < ${PARTS_A}; p++) {
                const int e = lid + p * ${WG};
@if A_ALONG
                const int l = e % ${BK/4} * 4, i = e / ${BK/4};
                const long row = m0 + i, col = l0 + l, left = row < ${m} ? ${k} - col : 0;
                float4 v = load4_${dtype}_upto(a, (ulong)row * ${lda} + col, left);
@if PROLOGUE_OPS
                if (left >= 4) {
@apply prologue v=v row=row col=col w=4 part= count=
                } else if (left > 0) {
@apply prologue v=v row=row col=col w=4 part=_part count=, (int)left
                }
@end
                next_a[p] = v;
@else
                const int i = e % ${BM/4} * 4, l = e / ${BM/4};
                next_a[p] = load4_${dtype}_upto(a, (ulong)(l0 + l) * ${lda} + m0 + i, l0 + l < ${k} ? ${m} - m0 - i : 0);
@end
            }
            #pragma unroll
            for (int p = 0; p < ${PARTS_B}; p++) {
                const int e = lid + p * ${WG};
@if B_ALONG
                const int l = e % ${BK/4} * 4, j = e / ${BK/4};
                next_b[p] = load4_${dtype}_upto(b, (ulong)(n0 + j) * ${ldb} + l0 + l, n0 + j < ${n} ? ${k} - l0 - l : 0);
@else
                const int j = e % ${BN/4} * 4, l = e / ${BN/4};
@if packed
                next_b[p] = load4_${dtype}_upto(b, ((ulong)((n0 + j) / 64) * ${padded_k} + l0 + l) * 64 + (n0 + j) % 64, l0 + l < ${k} && n0 + j < ${n} ? 4 : 0);
@else
                next_b[p] = load4_${dtype}_upto(b, (ulong)(l0 + l) * ${ldb} + n0 + j, l0 + l < ${k} ? ${n} - n0 - j : 0);
@end
@end
            }
        }
        if (k0 >= 0) {
            #pragma unroll
            for (int l = 0; l < ${BK}; l++) {
                float4 rows[2], cols[${TN/4}];
                #pragma unroll
                for (int q = 0; q < 2; q++)
                    rows[q] = *(__local float4 *)&as[now][l][(q * ${4*Y} + y * 4)${A_ALONG ? ' ^ (l & 8)' : ''}];
                #pragma unroll
                for (int j = 0; j < ${TN/4}; j++)
                    cols[j] = *(__local float4 *)&bs[now][l][(j * ${4*X} + x * 4)${B_ALONG ? ' ^ (l & 8)' : ''}];
                #pragma unroll
                for (int q = 0; q < 2; q++)
                    #pragma unroll
                    for (int j = 0; j < ${TN/4}; j++) {
@for i 4
                        sum[q][${i}][j] = fma((float4)(rows[q].s${i}), cols[j], sum[q][${i}][j]);
@end
                    }
            }
        }
        /* What goes in along k stands 8 columns aside in every other 8 rows: else work-items four steps of k
         * apart meet in the same bank. */
        if (l0 < ${k}) {
            #pragma unroll
            for (int p = 0; p < ${PARTS_A}; p++) {
                const int e = lid + p * ${WG};
@if A_ALONG
                const int l = e % ${BK/4} * 4, i = e / ${BK/4};
@for u 4
                as[now ^ 1][l + ${u}][i ^ (l & 8)] = next_a[p].s${u};
@end
@else
                const int i = e % ${BM/4} * 4, l = e / ${BM/4};
                *(__local float4 *)&as[now ^ 1][l][i] = next_a[p];
@end
            }
            #pragma unroll
            for (int p = 0; p < ${PARTS_B}; p++) {
                const int e = lid + p * ${WG};
@if B_ALONG
                const int l = e % ${BK/4} * 4, j = e / ${BK/4};
@for u 4
                bs[now ^ 1][l + ${u}][j ^ (l & 8)] = next_b[p].s${u};
@end
@else
                const int j = e % ${BN/4} * 4, l = e / ${BN/4};
                *(__local float4 *)&bs[now ^ 1][l][j] = next_b[p];
@end
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        now ^= 1;
    }

    #pragma unroll
    for (int q = 0; q < 2; q++)
        #pragma unroll
        for (int i = 0; i < 4; i++) {
            const long row = m0 + q * ${4*Y} + y * 4 + i;
            #pragma unroll
            for (int j = 0; j < ${TN/4}; j++) {
                const long col = n0 + j * ${4*X} + x * 4, left = row < ${m} ? ${n} - col : 0;
                const ulong at = c0 + (ulong)row * ${ldc} + col;
                float4 v = sum[q][i][j];
                if (left >= 4) {
@apply epilogue v=v row=row col=col at=at w=4 part= count=
                } else if (left > 0) {
@apply epilogue v=v row=row col=col at=at w=4 part=_part count=, (int)left
                }
            }
        }
}
