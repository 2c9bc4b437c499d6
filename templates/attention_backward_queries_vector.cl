/* dq of flash_attention, and delta = sum of dout o of each query and head, on a CPU.
 *
 * One work-item takes ${LANES} queries of one head, a query a lane, and goes over the keys that they see
 * ${ROWS} at a time:
 *
 *       q^T, dout^T   [${head_dim}][${LANES}]   transposed once
 *       v, k          [${ROWS}][${head_dim}]   packed, one after the other in the same memory
 *       dp            [${ROWS}][${LANES}]   v dout^T
 *       s             [${ROWS}][${LANES}]   k q^T, then ds = exp(s - lse) (dp - delta)
 *       dq^T          [${head_dim}][${LANES}]   += k^T ds
 *
 * dk and dv are the next stage's, which goes the other way: no two work-items add to one element.
 */
@let STEP 1
@let BACKWARD 1
@let R LANES
@let POSITIONS causal || window || alibi
@include attention_tiles_vector.cl

/* The sum of the products of two rows. */
static ${INLINE} float dot_of(__global const ${T} *x, __global const ${T} *y, ulong at)
{
    float lanes[${P}], sum = 0.0f;
    vec${P} products = (vec${P})(0.0f);
    for (int d = 0; d < ${head_dim}; d += ${P})
        products = fma(load${P}_${dtype}(x, at + d), load${P}_${dtype}(y, at + d), products);
    vstore${P}(products, 0, lanes);
    for (int l = 0; l < ${P}; l++)
        sum += lanes[l];
    return sum;
}

${signature}
{
${offsets}
    __local float qs[${head_dim*LANES}] __attribute__((aligned(64)));
    __local float douts[${head_dim*LANES}] __attribute__((aligned(64)));
    __local float dqs[${head_dim*LANES}] __attribute__((aligned(64)));
    __local float rs[${ROWS*head_dim}] __attribute__((aligned(64)));
    __local float ss[${ROWS*LANES}] __attribute__((aligned(64)));
    __local float dps[${ROWS*LANES}] __attribute__((aligned(64)));
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
    pack_lanes(dout, q0, ${heads*head_dim}, rows, 1.0f, douts);
    for (int i = 0; i < ${head_dim*LANES}; i += ${W})
        vstore${W}((vec${W})(0.0f), 0, dqs + i);
    float deltas[${LANES}], lses[${LANES}];
    for (int r = 0; r < ${LANES}; r++) {
        deltas[r] = lses[r] = 0.0f;
        if (r < rows) {
            deltas[r] = dot_of(dout, o, q0 + (ulong)r * ${heads*head_dim});
            lses[r] = lse[l0 + r];
            delta[l0 + r] = deltas[r];
        }
    }
    vec${W} one[${NV}];
    #pragma unroll
    for (int v = 0; v < ${NV}; v++)
        one[v] = (vec${W})(1.0f);

    for (long j0 = first; j0 < end; j0 += ${ROWS}) {
        const int count = (int)min((long)${ROWS}, end - j0);
        const ulong at = k0 + (ulong)j0 * ${kv_heads*head_dim};
        pack_rows(v, at, ${kv_heads*head_dim}, count, rs);
        scores_of(rs, douts, count, dps);
        const int finite = pack_rows(k, at, ${kv_heads*head_dim}, count, rs);
        scores_of(rs, qs, count, ss);
        for (int r = 0; r < count; r++) {
            #pragma unroll
            for (int v = 0; v < ${NV}; v++) {
@if causal || window || alibi
                const int ahead = (int)(i0 - j0 - r + v * ${W});
@end
                vec${W} s = vload${W}(r * ${NV} + v, ss);
                const vec${W} dp = vload${W}(r * ${NV} + v, dps);
                const vec${W} l = vload${W}(v, lses), d = vload${W}(v, deltas);
@include attention_backward_score_vector.cl
                vstore${W}(ds, r * ${NV} + v, ss);
            }
        }
        add_rows(rs, ss, count, one, !finite, dqs);
    }

    __local float *factors = ss;
    for (int r = 0; r < rows; r++)
        factors[r] = ${scale};
    unpack_lanes(dqs, factors, rows, dq, q0, ${heads*head_dim});
}
