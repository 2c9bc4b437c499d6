/* c = a b, with a stored ${trans_a ? 'transposed, a[k,m],' : 'a[m,k]'} and b ${trans_b ? 'transposed, b[n,k]' : 'b[k,n]'}.
 *
 * A group of ${WG} work-items computes a tile of ${BM} x ${BN} elements of c. In steps of ${BK}
 * along k it brings a block of a and one of b into local memory, as f32, k outermost:
 *
 *         BN                 work-item (x, y) of ${BN/TN} x ${BM/TM} owns the rows
 *       +-----+              y, y + ${BM/TM}, ... and the columns x, x + ${BN/TN}, ...
 *    BK | bs  |              of the tile, ${TM} x ${TN} sums in registers:
 *       +-----+              neighbours read and store neighbouring columns.
 *  BK
 * +---+ +-----+
 * |as | |  c  | BM           Elements outside a and b count as zeros.
 * +---+ +-----+
@if pair == 2
 * A column of c takes two of the product, its gate and its up: behind the ${BN} gates of a tile stand
 * its ${BN} ups, and a work-item has the sums of both.
@end
 */
@let X BN/TN
@let Y BM/TM
${signature}
{
${offsets}
    __local float as[${BK}][${BM + 1}];
    __local float bs[${BK}][${pair*BN + 1}];
    const int lid = (int)get_local_id(0);
    const int x = lid % ${X}, y = lid / ${X};
    const ulong tiles_n = ${TILES_N};
    const ulong tiles = ${TILES};
    const ulong tile = get_group_id(0) % tiles;
    const ulong matrix = get_group_id(0) / tiles;
    const long m0 = (long)(tile / tiles_n) * ${BM};
    const long n0 = (long)(tile % tiles_n) * ${BN};
    a += matrix * ${trans_a ? k : m} * ${lda};
@if !packed
    b += matrix * ${trans_b ? columns : k} * ${ldb};
@end
    const ulong c0 = matrix * ${m} * ${ldc};
@if pair == 2
    const long width = ${n};
@end

    float sum[${TM}][${pair*TN}];
    #pragma unroll
    for (int i = 0; i < ${TM}; i++)
        #pragma unroll
        for (int j = 0; j < ${pair*TN}; j++)
            sum[i][j] = 0.0f;

    for (long k0 = 0; k0 < ${k}; k0 += ${BK}) {
        for (int e = lid; e < ${BM*BK}; e += ${WG}) {
@if trans_a
            const int i = e % ${BM}, l = e / ${BM};
@else
            const int l = e % ${BK}, i = e / ${BK};
@end
            float v = 0.0f;
            if (m0 + i < ${m} && k0 + l < ${k}) {
@if trans_a
                v = load1_${dtype}(a, (ulong)(k0 + l) * ${lda} + m0 + i);
@else
                v = load1_${dtype}(a, (ulong)(m0 + i) * ${lda} + k0 + l);
@end
@apply prologue v=v row=m0 + i col=k0 + l w=1 part= count=
            }
            as[l][i] = v;
        }
        for (int e = lid; e < ${pair*BN*BK}; e += ${WG}) {
@if trans_b
            const int l = e % ${BK}, j = e / ${BK};
@else
            const int j = e % ${pair*BN}, l = e / ${pair*BN};
@end
            float v = 0.0f;
@if pair == 2
            const long second = j / ${BN}, c_col = n0 + j % ${BN};
            const long b_col = ${gate == 'split' ? 'second * width + c_col' : '2 * c_col + second'};
            if (c_col < width && k0 + l < ${k})
                v = load1_${dtype}(b, ${trans_b ? '(ulong)b_col' : '(ulong)(k0 + l)'} * ${ldb} + ${trans_b ? 'k0 + l' : 'b_col'});
@else
            if (n0 + j < ${n} && k0 + l < ${k})
@if packed
                v = load1_${dtype}(b, ((ulong)((n0 + j) / 64) * ${padded_k} + k0 + l) * 64 + (n0 + j) % 64);
@elif trans_b
                v = load1_${dtype}(b, (ulong)(n0 + j) * ${ldb} + k0 + l);
@else
                v = load1_${dtype}(b, (ulong)(k0 + l) * ${ldb} + n0 + j);
@end
@end
            bs[l][j] = v;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int l = 0; l < ${BK}; l++) {
            float row[${TM}], col[${pair*TN}];
            #pragma unroll
            for (int i = 0; i < ${TM}; i++)
                row[i] = as[l][y + i * ${Y}];
            #pragma unroll
            for (int j = 0; j < ${pair*TN}; j++)
                col[j] = bs[l][x + j * ${X}];
            #pragma unroll
            for (int i = 0; i < ${TM}; i++)
                #pragma unroll
                for (int j = 0; j < ${pair*TN}; j++)
                    sum[i][j] = fma(row[i], col[j], sum[i][j]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    #pragma unroll
    for (int i = 0; i < ${TM}; i++) {
        #pragma unroll
        for (int j = 0; j < ${TN}; j++) {
            const long row = m0 + y + i * ${Y}, col = n0 + x + j * ${X};
            if (row < ${m} && col < ${n}) {
                const ulong at = c0 + (ulong)row * ${ldc} + col;
                float v = sum[i][j];
@if pair == 2
                const float up = sum[i][j + ${TN}];
@end
@apply epilogue v=v up=up row=row col=col at=at share=(m0 / ${BM} * ${Y} + y) opens=!i w=1 part= count=
            }
        }
    }
}
