/* dk and dv of flash_attention, on a CPU.
 *
 * One work-item takes ${LANES} keys of one head of k and v, a key a lane, and goes over the queries that
 * see them, of each head that reads this one, ${ROWS} at a time:
 *
 *       k^T, v^T     [${head_dim}][${LANES}]   transposed once
 *       q, dout      [${ROWS}][${head_dim}]   packed
 *       s            [${ROWS}][${LANES}]   q k^T, then p = exp(s - lse)
 *       dp           [${ROWS}][${LANES}]   dout v^T, then ds = p (dp - delta)
 *       dv^T, dk^T   [${head_dim}][${LANES}]   += dout^T p, += q^T ds
 */
@let STEP -1
@let BACKWARD 1
@include attention_tiles_vector.cl

${signature}
{
${offsets}
    __local float ks[${head_dim*LANES}] __attribute__((aligned(64)));
    __local float vs[${head_dim*LANES}] __attribute__((aligned(64)));
    __local float dks[${head_dim*LANES}] __attribute__((aligned(64)));
    __local float dvs[${head_dim*LANES}] __attribute__((aligned(64)));
    __local float qs[${ROWS*head_dim}] __attribute__((aligned(64)));
    __local float douts[${ROWS*head_dim}] __attribute__((aligned(64)));
    __local float ss[${ROWS*LANES}] __attribute__((aligned(64)));
    __local float dps[${ROWS*LANES}] __attribute__((aligned(64)));
    const ulong tiles = ${TILES_K};
    const ulong tile = get_group_id(0) % tiles;
    const ulong kv_head = get_group_id(0) / tiles % ${kv_heads};
    const ulong matrix = get_group_id(0) / tiles / ${kv_heads};
    const long j0 = (long)(tile * ${LANES});
    const int cols = (int)min((long)${LANES}, ${seq_k} - j0);
    const ulong k0 = ((matrix * ${seq_k} + j0) * ${kv_heads} + kv_head) * ${head_dim};
    long first = 0, end = ${seq_q};
@if causal || window
    const long ahead0 = ${seq_k} - ${seq_q} - j0;
@end
@if causal
    first = max(first, -ahead0);
@end
@if window
    first = max(first, -ahead0 - ${window - 1});
    end = min(end, cols - ahead0 + ${window - 1});
@end

    pack_lanes(k, k0, ${kv_heads*head_dim}, cols, ${scale}, ks);
    pack_lanes(v, k0, ${kv_heads*head_dim}, cols, 1.0f, vs);
    for (int i = 0; i < ${head_dim*LANES}; i += ${W}) {
        vstore${W}((vec${W})(0.0f), 0, dks + i);
        vstore${W}((vec${W})(0.0f), 0, dvs + i);
    }
    vec${W} one[${NV}];
    #pragma unroll
    for (int v = 0; v < ${NV}; v++)
        one[v] = (vec${W})(1.0f);

    for (int g = 0; g < ${heads/kv_heads}; g++) {
        const ulong head = kv_head * ${heads/kv_heads} + g;
@if alibi
        const float slope = alibi_slope((uint)head);
@end
        for (long row0 = first; row0 < end; row0 += ${ROWS}) {
            const int count = (int)min((long)${ROWS}, end - row0);
            const ulong at = ((matrix * ${seq_q} + row0) * ${heads} + head) * ${head_dim};
            const ulong l0 = (matrix * ${heads} + head) * ${seq_q} + row0;
            const int finite = pack_rows(q, at, ${heads*head_dim}, count, qs);
            const int dout_finite = pack_rows(dout, at, ${heads*head_dim}, count, douts);
            scores_of(qs, ks, count, ss);
            scores_of(douts, vs, count, dps);
            for (int r = 0; r < count; r++) {
                const vec${W} l = (vec${W})(lse[l0 + r]), d = (vec${W})(delta[l0 + r]);
                #pragma unroll
                for (int v = 0; v < ${NV}; v++) {
@if causal || window || alibi
                    const int ahead = (int)(row0 + r + ${seq_k} - ${seq_q} - j0 - v * ${W});
@end
                    vec${W} s = vload${W}(r * ${NV} + v, ss);
                    const vec${W} dp = vload${W}(r * ${NV} + v, dps);
@include attention_backward_score_vector.cl
                    vstore${W}(p, r * ${NV} + v, ss);
                    vstore${W}(ds, r * ${NV} + v, dps);
                }
            }
            add_rows(douts, ss, count, one, !dout_finite, dvs);
            add_rows(qs, dps, count, one, !finite, dks);
        }
    }

    __local float *factors = ss;
    for (int c = 0; c < ${LANES}; c++)
        factors[c] = 1.0f;
    unpack_lanes(dvs, factors, cols, dv, k0, ${kv_heads*head_dim});
    for (int c = 0; c < ${LANES}; c++)
        factors[c] = ${scale};
    unpack_lanes(dks, factors, cols, dk, k0, ${kv_heads*head_dim});
}
