/* ${m} rows of a by b${trans_b ? ' transposed, b[n,k]' : '[k,n]'}, on a GPU: b is read once, in accesses of 16 bytes with several under way.
 *
 * ${GROUPS_N} groups have ${COLS} columns each; ${SPLIT} of them share k, and leave sums in
 * parts[share][row][column] for matmul_decode_finish.cl. In steps of ${KC} of k a group has its part of a
 * in local memory, as f32.
@if trans_b
 * Every 32 work-items go along k together, over 4 rows of b.
@else
 * Every 32 work-items have a row of b, ${W} columns each; the group's 8 times 32 take rows in turn.
@end
 */
@let T dtype == 'f32' ? 'float' : dtype == 'f16' ? 'half' : 'ushort'
@let RED trans_b ? 4*m*256 : 256*W
@let ROOM m*KC > RED ? m*KC : RED
${signature}
{
${offsets}
    __local float room[${ROOM}] __attribute__((aligned(16)));
    const int lid = (int)get_local_id(0);
    const int x = lid % 32, y = lid / 32;
    const ulong groups_n = ${GROUPS_N}, split = ${SPLIT};
    const ulong group = get_group_id(0) % groups_n, share = get_group_id(0) / groups_n % split;
    const ulong matrix = get_group_id(0) / groups_n / split;
    const long from = (long)share * ${KPART}, to = min(from + ${KPART}, (long)${k});
    const long n0 = (long)group * ${COLS};
    a += matrix * ${trans_a ? k : m} * ${lda};
    b += matrix * ${trans_b ? columns : k} * ${ldb};
    parts += (share * ${batch} + matrix) * ${m} * ${PITCH};
    const int aligned = (${ldb} % ${W} == 0) & (((ulong)b & 15) == 0);
@if trans_b
    const int whole = aligned & (n0 + ${COLS} <= ${columns}) & (${k} % ${W} == 0);
    float sum[4][${m}];
    #pragma unroll
    for (int c = 0; c < 4; c++)
        #pragma unroll
        for (int i = 0; i < ${m}; i++)
            sum[c][i] = 0.0f;
@else
    const long col = n0 + x * ${W}, left = ${columns} - col;
    vec${W} sum[${m}];
    #pragma unroll
    for (int i = 0; i < ${m}; i++)
        sum[i] = (vec${W})(0.0f);
@end
    for (long k0 = from; k0 < to; k0 += ${KC}) {
        const int kc = (int)min(to - k0, (long)${KC});
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int e = lid; e < ${m*KC}; e += 256) {
            const int row = e / ${KC}, l = e % ${KC};
            float v = 0.0f;
            if (l < kc) {
                v = load1_${dtype}(a, ${trans_a ? '(ulong)(k0 + l)' : '(ulong)row'} * ${lda} + ${trans_a ? 'row' : 'k0 + l'});
@apply prologue v=v row=row col=k0 + l w=1 part= count=
            }
            room[e] = v;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
@if trans_b
        #pragma unroll ${m <= 2 ? 4 : 1}
        for (int l = x * ${W}; l < kc; l += ${32*W}) {
            vec${W} v[4];
            #pragma unroll
            for (int c = 0; c < 4; c++) {
                const long row = n0 + y * 4 + c;
                const ulong at = (ulong)row * ${ldb} + k0 + l;
                v[c] = whole ? whole${W}_${dtype}(b, at)
                             : load${W}_${dtype}_upto(b, at, row < ${columns} ? kc - l : 0);
            }
            #pragma unroll
            for (int i = 0; i < ${m}; i++) {
                const vec${W} u = vload${W}(0, room + i * ${KC} + l);
                #pragma unroll
                for (int c = 0; c < 4; c++) {
                    const vec${W} p = u * v[c];
@if W == 8
                    const float4 q = p.lo + p.hi;
@else
                    const float4 q = p;
@end
                    sum[c][i] += (q.x + q.y) + (q.z + q.w);
                }
            }
        }
@else
        int l = y;
        for (; aligned && left >= ${W} && l + 56 < kc; l += 64) {
            vec${W} v[8];
            #pragma unroll
            for (int u = 0; u < 8; u++)
                v[u] = whole${W}_${dtype}(b, (ulong)(k0 + l + u * 8) * ${ldb} + col);
            #pragma unroll
            for (int u = 0; u < 8; u++)
                #pragma unroll
                for (int i = 0; i < ${m}; i++)
                    sum[i] = fma((vec${W})(room[i * ${KC} + l + u * 8]), v[u], sum[i]);
        }
        for (; left > 0 && l < kc; l += 8) {
            const vec${W} v = load${W}_${dtype}_upto(b, (ulong)(k0 + l) * ${ldb} + col, left);
            #pragma unroll
            for (int i = 0; i < ${m}; i++)
                sum[i] = fma((vec${W})(room[i * ${KC} + l]), v, sum[i]);
        }
@end
    }
@if trans_b
    barrier(CLK_LOCAL_MEM_FENCE);
    #pragma unroll
    for (int c = 0; c < 4; c++)
        #pragma unroll
        for (int i = 0; i < ${m}; i++)
            room[(c * ${m} + i) * 256 + lid] = sum[c][i];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int e = lid; e < ${32*m}; e += 256) {
        const int c = e / ${8*m}, i = e / 8 % ${m}, of = e % 8;
        const long col = n0 + of * 4 + c;
        float total = 0.0f;
        for (int l = 0; l < 32; l++)
            total += room[(c * ${m} + i) * 256 + of * 32 + (l + e) % 32];
        if (col < ${columns})
            parts[(ulong)i * ${PITCH} + col] = total;
    }
@else
    #pragma unroll
    for (int i = 0; i < ${m}; i++) {
        barrier(CLK_LOCAL_MEM_FENCE);
        vstore${W}(sum[i], lid, room);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < ${COLS} && n0 + lid < ${columns}) {
            float total = 0.0f;
            for (int s = 0; s < 8; s++)
                total += room[s * ${COLS} + lid];
            parts[(ulong)i * ${PITCH} + n0 + lid] = total;
        }
    }
@end
}
