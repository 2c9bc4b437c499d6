/* o and lse from the sums of ${entry}'s shares of the keys, a warp a row of o. */
@let BACKWARD 0
@let BASE_2 1
@let RANK 4
@let Q_ROWS seq_q*group
@let COLUMNS ceildiv(head_dim,32)
@include sm90.cl
@include attention_mask.cl
@include attention_wgmma_warp.cl

@if alibi
static float slope_of(int head)
{
    return alibi_slope((uint)head) * 1.44269504f;
}

@end
${signature}
{
${offsets}
    const int lane = (int)get_local_id(0) & 31;
    const ulong row = get_global_id(0) / 32, splits = ${SPLITS};
    if (row >= (ulong)(${batch*heads*seq_q}))
        return;
    const int query = (int)(row % ${seq_q}), head = (int)(row / ${seq_q} % ${heads});
    const ulong matrix = row / ${heads*seq_q};
    const ulong from = (matrix * ${kv_heads} + head / ${group}) * splits * ${Q_ROWS} + head % ${group} * ${seq_q} + query;
    float top = -INFINITY, total = 0.0f;
    for (ulong s = 0; s < splits; s++)
        top = fmax(top, tops[2 * (from + s * ${Q_ROWS})]);
    const float base = top == -INFINITY ? 0.0f : top;
    float out[${COLUMNS}];
    #pragma unroll
    for (int t = 0; t < ${COLUMNS}; t++)
        out[t] = 0.0f;
    for (ulong s = 0; s < splits; s++) {
        const ulong of = from + s * ${Q_ROWS};
        const float shrink = exp2_of(tops[2 * of] - base);
        total = fma(tops[2 * of + 1], shrink, total);
        #pragma unroll
        for (int t = 0; t < ${COLUMNS}; t++)
            if (t * 32 + lane < ${head_dim})
                out[t] = fma(parts[of * ${head_dim} + t * 32 + lane], shrink, out[t]);
    }
    const float inverse = total == 0.0f ? 0.0f : 1.0f / total, log_sum = base + log2(total);
    int bad = 0;
    #pragma unroll
    for (int t = 0; t < ${COLUMNS}; t++) {
        bad |= out[t] != out[t];
        const float v = total == 0.0f ? 0.0f : out[t] * inverse;
        if (t * 32 + lane < ${head_dim})
            store1_${dtype}(v, o, ((matrix * ${seq_q} + query) * ${heads} + head) * ${head_dim} + t * 32 + lane);
    }
    if (lane == 0)
        lse[row] = log_sum * 0.693147181f;
    if (any_of_warp(bad && total != 0.0f && total == total)) {
        const long i = query + ${seq_k} - ${seq_q};
@include attention_wgmma_again.cl
    }
}
