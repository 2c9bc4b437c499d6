@let R BR
@let C BC
@let OWN_STRIDE kv_heads*head_dim
@let MET_STRIDE heads*head_dim
@let KEPT 0
@let BACKWARD 1
@let SKIPPED 1
/* dk and dv. With p = exp(score - lse) and ds = p (dout v - delta) scale (how the score changes),
 *
 *     dv = sum over queries of p dout,    dk = sum over queries of ds q.
 *
 * A group of ${WG} takes ${BR} keys of a kv head and goes over its ${group} heads, and of each over the queries
 * that see those keys, ${BC} at a time; so every sum has one order, and no other group adds to it.
 * A work-item (x, y) of ${X} x ${WG/X} owns the keys y, y + ${WG/X}, ...; of a tile of scores the queries
 * x, x + ${X}, ..., of dk and dv the elements x, x + ${X}, ...
 */
@include attention_mask.cl

@include attention_tiles_simt.cl

${signature}
{
${offsets}
    __local float own[${DK*(BR + 1)}], weights[${BC*(BR + 1)}];
    __local float block[${max(DK*(BC + 1),VK*WIDE)}];
    __local float lses[${BC}], deltas[${BC}];
    const int lid = (int)get_local_id(0);
    const int x = lid % ${X}, y = lid / ${X};
    const ulong tiles = ${ceildiv(seq_k,BR)};
    const ulong tile = get_group_id(0) % tiles;
    const ulong kv = get_group_id(0) / tiles % ${kv_heads};
    const ulong b = get_group_id(0) / tiles / ${kv_heads};
    const long j0 = (long)tile * ${BR};
    const long shift = (long)${seq_k} - ${seq_q};
    const int keys = (int)min((long)${BR}, ${seq_k} - j0);
    const ulong at = ((b * ${seq_k} + j0) * ${kv_heads} + kv) * ${head_dim};
    k += at;
    v += at;
    dk += at;
    dv += at;
    float dk_sum[${TM}][${NJ}], dv_sum[${TM}][${NJ}];
    #pragma unroll
    for (int i = 0; i < ${TM}; i++)
        #pragma unroll
        for (int j = 0; j < ${NJ}; j++)
            dk_sum[i][j] = dv_sum[i][j] = 0.0f;

    const long row_start = first_query(j0, shift);
    const long row_stop = stop_query(j0 + keys - 1, shift, ${seq_q});
    for (int h = 0; h < ${group}; h++) {
        const ulong head = kv * ${group} + h;
        const ulong statistics = (b * ${heads} + head) * ${seq_q};
        const ulong vectors = (b * ${seq_q} * ${heads} + head) * ${head_dim};
@if alibi
        const float slope = alibi_slope((uint)head);
@else
        const float slope = 0.0f;
@end
        long row0 = row_start;
        int c0;
        do {
            const int queries = (int)clamp(row_stop - row0, 0L, (long)${BC});
            const ulong there = vectors + (ulong)row0 * ${MET_STRIDE};
            const int whole = first_query(j0 + keys - 1, shift) <= row0 &&
                              stop_query(j0, shift, ${seq_q}) >= row0 + queries;
            float s[${TM}][${TN}], ds[${TM}][${TN}];
            int first[${TM}], stop[${TM}];
            for (int c = lid; c < ${BC}; c += ${WG}) {
                lses[c] = c < queries ? lse[statistics + row0 + c] : -INFINITY;
                deltas[c] = c < queries ? delta[statistics + row0 + c] : 0.0f;
            }
@let TO 's'
@let A 'k'
@let OWN 'keys'
@let B 'q + there'
@let MET 'queries'
@include attention_products_simt.cl
@let TO 'ds'
@let A 'v'
@let OWN 'keys'
@let B 'dout + there'
@let MET 'queries'
@include attention_products_simt.cl
            #pragma unroll
            for (int i = 0; i < ${TM}; i++) {
                const long j_own = j0 + y + i * ${WG/X};
                const long from = first_query(j_own, shift) - row0;
                const long to = stop_query(j_own, shift, ${seq_q}) - row0;
                first[i] = (int)clamp(from, 0L, (long)queries);
                stop[i] = (int)clamp(to, 0L, (long)queries);
                #pragma unroll
                for (int j = 0; j < ${TN}; j++) {
                    const int c = x + j * ${X};
                    const int seen = c >= first[i] && c < stop[i] && lses[c] != -INFINITY;
                    const long distance = row0 + c + shift - j_own;
                    const float p = exp(score_of(s[i][j], distance, slope) - lses[c]);
                    const float change = score_change(s[i][j]);
                    ds[i][j] = seen ? p * change * (ds[i][j] - deltas[c]) : 0.0f;
                    weights[c * ${BR + 1} + y + i * ${WG/X}] = seen ? p : 0.0f;
                }
            }
@let SUM 'dv_sum'
@let B 'dout + there'
@let MET 'queries'
@include attention_accumulate_simt.cl
            #pragma unroll
            for (int i = 0; i < ${TM}; i++)
                #pragma unroll
                for (int j = 0; j < ${TN}; j++)
                    weights[(x + j * ${X}) * ${BR + 1} + y + i * ${WG/X}] = ds[i][j];
@let SUM 'dk_sum'
@let B 'q + there'
@let MET 'queries'
@include attention_accumulate_simt.cl
            row0 += ${BC};
        } while (row0 < row_stop);
    }

    #pragma unroll
    for (int i = 0; i < ${TM}; i++) {
        const int row = y + i * ${WG/X};
        #pragma unroll
        for (int j = 0; j < ${NJ}; j++) {
            const int l = x + j * ${X};
            if (row < keys && l < ${head_dim}) {
                store1_${dtype}(dk_sum[i][j], dk, (ulong)row * ${OWN_STRIDE} + l);
                store1_${dtype}(dv_sum[i][j], dv, (ulong)row * ${OWN_STRIDE} + l);
            }
        }
    }
}
