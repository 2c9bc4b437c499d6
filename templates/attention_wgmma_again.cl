@# A part of a kernel: the query at i of a head once more, by a warp, from its log_sum in base 2 on: a weight of 0
@# has let NaN and inf of a value through that the query does not see.
@let COLUMNS ceildiv(head_dim,32)
                    const ulong of_row = (((ulong)matrix * ${seq_q} + i - ${seq_k} + ${seq_q}) * ${heads} + head) * ${head_dim};
                    const long stop = stop_key(i, ${seq_k});
                    float row_sum[${COLUMNS}];
                    #pragma unroll
                    for (int t = 0; t < ${COLUMNS}; t++)
                        row_sum[t] = 0.0f;
                    for (long j = first_key(i); j < stop; j++) {
                        const ulong of_key = (((ulong)matrix * ${seq_k} + j) * ${kv_heads} + head / ${group}) * ${head_dim};
                        float product = 0.0f;
                        for (int l = lane; l < ${head_dim}; l += 32)
                            product = fma(load1_${dtype}(q, of_row + l), load1_${dtype}(k, of_key + l), product);
                        #pragma unroll
                        for (int mask = 1; mask < 32; mask *= 2)
                            product += from_lane_xor(product, mask);
                        const float weight = exp2_of(score_of(product, (float)(i - j), ${alibi ? 'slope_of(head)' : '0.0f'}) - log_sum);
                        #pragma unroll
                        for (int t = 0; t < ${COLUMNS}; t++)
                            if (t * 32 + lane < ${head_dim})
                                row_sum[t] = fma(weight, load1_${dtype}(v, of_key + t * 32 + lane), row_sum[t]);
                    }
                    wait_warp();
                    #pragma unroll
                    for (int t = 0; t < ${COLUMNS}; t++)
                        if (t * 32 + lane < ${head_dim})
                            store1_${dtype}(row_sum[t], o, of_row + t * 32 + lane);
