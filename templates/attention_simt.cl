@let R BQ
@let C BK
@let OWN_STRIDE heads*head_dim
@let MET_STRIDE kv_heads*head_dim
@let SKIPPED 0
@let BACKWARD 0
@let DEPTH KEPT ? roundup(head_dim,DK) : DK
/* o = softmax(scores of q k^T) v and the logarithm of the softmax's sum, lse.
 *
 * A group of ${WG} takes ${BQ} queries of a head and goes over the keys that they see, ${BK} at a time
 * (Dao, "FlashAttention-2", arXiv:2307.08691). A work-item (x, y) of ${X} x ${WG/X} owns the queries
 * y, y + ${WG/X}, ...; of a tile of scores the keys x, x + ${X}, ..., of o the elements x, x + ${X}, ...
 *
 *            keys ->               1. scores of the tile, q and k ${DK} columns at a time
 *          +------+                2. top: the largest score so far, of the whole row; what
 *    q     |scores| sum, top          was summed below the former top shrinks
 *          +------+                3. weights exp(score - top), into local memory
 *          +------+                4. sum += weights, acc += weights v, ${VK} keys at a time
 *   BQ     | acc  | head_dim
 *          +------+                In the end o = acc / sum, lse = top + log(sum).
 */
@include attention_mask.cl

@include attention_tiles_simt.cl

/* What exponents are relative to: a row of -inf only has a sum of 0, not NaN. */
static float base_of(float top)
{
    return top == -INFINITY ? 0.0f : top;
}

${signature}
{
${offsets}
    __local float own[${DEPTH*(BQ + 1)}], weights[${BK*(BQ + 1)}];
    __local float block[${max(DK*(BK + 1),VK*WIDE)}];
    const int lid = (int)get_local_id(0);
    const int x = lid % ${X}, y = lid / ${X};
@include attention_queries.cl
    q += q0;
    o += q0;
    lse += l0;
    k += k0;
    v += k0;
@if alibi
    const float slope = alibi_slope((uint)head);
@else
    const float slope = 0.0f;
@end
    float top[${TM}], sum[${TM}], acc[${TM}][${NJ}];
    #pragma unroll
    for (int i = 0; i < ${TM}; i++) {
        top[i] = -INFINITY;
        sum[i] = 0.0f;
        #pragma unroll
        for (int j = 0; j < ${NJ}; j++)
            acc[i][j] = 0.0f;
    }
@if KEPT
    for (int l0 = 0; l0 < ${head_dim}; l0 += ${DK})
        bring_own(own + l0 * ${BQ + 1}, q, rows, l0, lid);
@end

    const long j_stop = stop_key(i0 + rows - 1, ${seq_k});
    long j0 = first_key(i0);
    int c0;
    do {
        const int keys = (int)clamp(j_stop - j0, 0L, (long)${BK});
        const ulong there = (ulong)j0 * ${MET_STRIDE};
        const int whole = first_key(i0 + rows - 1) <= j0 && stop_key(i0, ${seq_k}) >= j0 + keys;
        float s[${TM}][${TN}];
        int first[${TM}], stop[${TM}];
@let TO 's'
@let A 'q'
@let OWN 'rows'
@let B 'k + there'
@let MET 'keys'
@include attention_products_simt.cl
        #pragma unroll
        for (int i = 0; i < ${TM}; i++) {
            const int row = y + i * ${WG/X};
            const long from = first_key(i0 + row) - j0, to = stop_key(i0 + row, ${seq_k}) - j0;
            float most = -INFINITY;
            first[i] = (int)clamp(from, 0L, (long)keys);
            stop[i] = (int)clamp(to, 0L, (long)keys);
            #pragma unroll
            for (int j = 0; j < ${TN}; j++) {
                const int c = x + j * ${X};
                const float score = score_of(s[i][j], i0 + row - j0 - c, slope);
                s[i][j] = c >= first[i] && c < stop[i] ? score : -INFINITY;
                most = fmax(most, s[i][j]);
            }
            weights[row * ${X} + x] = most;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll
        for (int i = 0; i < ${TM}; i++) {
            float most = top[i];
            for (int l = 0; l < ${X}; l++)
                most = fmax(most, weights[(y + i * ${WG/X}) * ${X} + l]);
            const float shrink = exp(top[i] - base_of(most));
            top[i] = most;
            sum[i] *= shrink;
            #pragma unroll
            for (int j = 0; j < ${NJ}; j++)
                acc[i][j] *= shrink;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll
        for (int i = 0; i < ${TM}; i++) {
            const float base = base_of(top[i]);
            #pragma unroll
            for (int j = 0; j < ${TN}; j++) {
                const float p = exp(s[i][j] - base);
                sum[i] += p;
                weights[(x + j * ${X}) * ${BQ + 1} + y + i * ${WG/X}] = p;
            }
        }
@let SUM 'acc'
@let B 'v + there'
@let MET 'keys'
@include attention_accumulate_simt.cl
        j0 += ${BK};
    } while (j0 < j_stop);

    #pragma unroll
    for (int i = 0; i < ${TM}; i++)
        weights[(y + i * ${WG/X}) * ${X} + x] = sum[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    #pragma unroll
    for (int i = 0; i < ${TM}; i++) {
        const int row = y + i * ${WG/X};
        float total = 0.0f;
        for (int l = 0; l < ${X}; l++)
            total += weights[row * ${X} + l];
        const float inverse = 1.0f / total;
        if (row >= rows)
            continue;
        if (x == 0)
            lse[row] = base_of(top[i]) + log(total);
        #pragma unroll
        for (int j = 0; j < ${NJ}; j++) {
            const int l = x + j * ${X};
            if (l < ${head_dim})
                store1_${dtype}(total == 0.0f ? 0.0f : acc[i][j] * inverse, o,
                                (ulong)row * ${OWN_STRIDE} + l);
        }
    }
}
