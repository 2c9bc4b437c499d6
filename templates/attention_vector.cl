/* o = softmax(scale q k^T) v of each head, and lse, on a CPU.
 *
 * One work-item takes ${LANES} queries of one head, a query a lane, and goes over the keys that they see
 * ${ROWS} at a time:
 *
 *       q^T   [${head_dim}][${LANES}]   transposed once
 *       k, v  [${ROWS}][${head_dim}]   packed, one after the other in the same memory
 *       s     [${ROWS}][${LANES}]   k q^T, then exp(s - the largest so far)
 *       o^T   [${head_dim}][${LANES}]   += v^T s
 *
 * The largest score and the sum of exponentials are a lane's own: no step goes across lanes. When a
 * larger score appears, o and the sum so far shrink by the same factor.
 */
@# Dao, "FlashAttention-2", arXiv:2307.08691.
@let STEP 1
@let BACKWARD 0
@let R LANES
@let POSITIONS causal || window || alibi
@include attention_tiles_vector.cl

${signature}
{
${offsets}
    __local float qs[${head_dim*LANES}] __attribute__((aligned(64)));
    __local float os[${head_dim*LANES}] __attribute__((aligned(64)));
    __local float ks[${ROWS*head_dim}] __attribute__((aligned(64)));
    __local float ss[${ROWS*LANES}] __attribute__((aligned(64)));
@include attention_queries.cl
@if alibi
    const float slope = alibi_slope((uint)head);
@end
    long first = 0, end = ${seq_k};
@if causal
    end = min(end, i0 + rows);
@end
@if window
    first = max(first, i0 - ${window - 1});
    end = min(end, i0 + rows + ${window - 1});
@end

    pack_lanes(q, q0, ${heads*head_dim}, rows, ${scale}, qs);
    for (int i = 0; i < ${head_dim*LANES}; i += ${W})
        vstore${W}((vec${W})(0.0f), 0, os + i);
    vec${W} top[${NV}], sum[${NV}];
    #pragma unroll
    for (int v = 0; v < ${NV}; v++) {
        top[v] = (vec${W})(-INFINITY);
        sum[v] = (vec${W})(0.0f);
    }

    for (long j0 = first; j0 < end; j0 += ${ROWS}) {
        const int count = (int)min((long)${ROWS}, end - j0);
        const ulong at = k0 + (ulong)j0 * ${kv_heads*head_dim};
        pack_rows(k, at, ${kv_heads*head_dim}, count, ks);
        scores_of(ks, qs, count, ss);
@if causal || window
        int masked = 0;
@if causal
        masked |= j0 + count - 1 > i0;
@end
@if window
        masked |= j0 + ${window} < i0 + rows || j0 + count > i0 + ${window};
@end
@end
@if causal || window || alibi || softcap > 0
@if !alibi && !(softcap > 0)
        if (masked)
@end
        for (int r = 0; r < count; r++) {
            #pragma unroll
            for (int v = 0; v < ${NV}; v++) {
@if causal || window || alibi
                const int ahead = (int)(i0 - j0 - r + v * ${W});
@end
                vec${W} s = vload${W}(r * ${NV} + v, ss);
@include attention_score_vector.cl
                vstore${W}(s, r * ${NV} + v, ss);
            }
        }
@end

        vec${W} largest[${NV}], added[${NV}], base[${NV}], factor[${NV}];
        #pragma unroll
        for (int v = 0; v < ${NV}; v++)
            largest[v] = top[v];
        for (int r = 0; r < count; r++) {
            #pragma unroll
            for (int v = 0; v < ${NV}; v++) {
                const vec${W} s = vload${W}(r * ${NV} + v, ss);
                largest[v] = s > largest[v] ? s : largest[v];
            }
        }
        #pragma unroll
        for (int v = 0; v < ${NV}; v++) {
            base[v] = largest[v] == -INFINITY ? (vec${W})(0.0f) : largest[v];
            factor[v] = exp_below${W}(top[v] - base[v]);
            top[v] = largest[v];
            added[v] = (vec${W})(0.0f);
        }
        for (int r = 0; r < count; r++) {
            #pragma unroll
            for (int v = 0; v < ${NV}; v++) {
                const vec${W} e = exp_below${W}(vload${W}(r * ${NV} + v, ss) - base[v]);
                added[v] += e;
                vstore${W}(e, r * ${NV} + v, ss);
            }
        }
        #pragma unroll
        for (int v = 0; v < ${NV}; v++)
            sum[v] = fma(sum[v], factor[v], added[v]);

@if causal || window
        const int finite = pack_rows(v, at, ${kv_heads*head_dim}, count, ks);
        add_rows(ks, ss, count, factor, masked && !finite, os);
@else
        pack_rows(v, at, ${kv_heads*head_dim}, count, ks);
        add_rows(ks, ss, count, factor, 0, os);
@end
    }

    __local float *inverses = ss, *sums = ss + ${LANES}, *tops = ss + ${2*LANES};
    #pragma unroll
    for (int v = 0; v < ${NV}; v++) {
        vstore${W}(sum[v] == 0.0f ? (vec${W})(0.0f) : 1.0f / sum[v], v, inverses);
        vstore${W}(sum[v], v, sums);
        vstore${W}(top[v], v, tops);
    }
    unpack_lanes(os, inverses, rows, o, q0, ${heads*head_dim});
    for (int r = 0; r < rows; r++)
        lse[l0 + r] = tops[r] + log(sums[r]);
}
