@let R BR
@let C BC
@let OWN_STRIDE heads*head_dim
@let MET_STRIDE kv_heads*head_dim
@let KEPT 0
@let BACKWARD 1
@let SKIPPED 0
/* dq = sum over keys of ds k, ds = p (dout v - delta) scale (how the score changes), with
 * p = exp(score - lse).
 *
 * A group of ${WG} takes ${BR} queries of a head and goes over the keys that they see, ${BC} at a time. A
 * work-item (x, y) of ${X} x ${WG/X} owns the queries y, y + ${WG/X}, ...; of a tile of scores the keys
 * x, x + ${X}, ..., of dq the elements x, x + ${X}, ...
 */
@include attention_mask.cl

@include attention_tiles_simt.cl

${signature}
{
${offsets}
    __local float own[${DK*(BR + 1)}], weights[${BC*(BR + 1)}];
    __local float block[${max(DK*(BC + 1),VK*WIDE)}];
    const int lid = (int)get_local_id(0);
    const int x = lid % ${X}, y = lid / ${X};
@include attention_queries.cl
    q += q0;
    dout += q0;
    dq += q0;
    k += k0;
    v += k0;
@if alibi
    const float slope = alibi_slope((uint)head);
@else
    const float slope = 0.0f;
@end
    float row_lse[${TM}], row_delta[${TM}], dq_sum[${TM}][${NJ}];
    #pragma unroll
    for (int i = 0; i < ${TM}; i++) {
        const int row = y + i * ${WG/X};
        row_lse[i] = row < rows ? lse[l0 + row] : -INFINITY;
        row_delta[i] = row < rows ? delta[l0 + row] : 0.0f;
        #pragma unroll
        for (int j = 0; j < ${NJ}; j++)
            dq_sum[i][j] = 0.0f;
    }

    const long j_stop = stop_key(i0 + rows - 1, ${seq_k});
    long j0 = first_key(i0);
    int c0;
    do {
        const int keys = (int)clamp(j_stop - j0, 0L, (long)${BC});
        const ulong there = (ulong)j0 * ${MET_STRIDE};
        const int whole = first_key(i0 + rows - 1) <= j0 && stop_key(i0, ${seq_k}) >= j0 + keys;
        float s[${TM}][${TN}], ds[${TM}][${TN}];
        int first[${TM}], stop[${TM}];
@let TO 's'
@let A 'q'
@let OWN 'rows'
@let B 'k + there'
@let MET 'keys'
@include attention_products_simt.cl
@let TO 'ds'
@let A 'dout'
@let OWN 'rows'
@let B 'v + there'
@let MET 'keys'
@include attention_products_simt.cl
        #pragma unroll
        for (int i = 0; i < ${TM}; i++) {
            const int row = y + i * ${WG/X};
            const long from = first_key(i0 + row) - j0, to = stop_key(i0 + row, ${seq_k}) - j0;
            first[i] = (int)clamp(from, 0L, (long)keys);
            stop[i] = (int)clamp(to, 0L, (long)keys);
            #pragma unroll
            for (int j = 0; j < ${TN}; j++) {
                const int c = x + j * ${X};
                const float p = exp(score_of(s[i][j], i0 + row - j0 - c, slope) - row_lse[i]);
                const float change = score_change(s[i][j]);
                weights[c * ${BR + 1} + row] = c >= first[i] && c < stop[i]
                                                   ? p * change * (ds[i][j] - row_delta[i])
                                                   : 0.0f;
            }
        }
@let SUM 'dq_sum'
@let B 'k + there'
@let MET 'keys'
@include attention_accumulate_simt.cl
        j0 += ${BC};
    } while (j0 < j_stop);

    #pragma unroll
    for (int i = 0; i < ${TM}; i++) {
        const int row = y + i * ${WG/X};
        #pragma unroll
        for (int j = 0; j < ${NJ}; j++) {
            const int l = x + j * ${X};
            if (row < rows && l < ${head_dim})
                store1_${dtype}(row_lse[i] == -INFINITY ? 0.0f : dq_sum[i][j], dq,
                                (ulong)row * ${OWN_STRIDE} + l);
        }
    }
}
