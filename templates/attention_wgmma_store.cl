@# A part of a kernel: o and lse of a tile. Four work-items, a row's, have two neighbouring columns each of every
@# eight, and exchange them until each has eight whole ones of every 32.
            int wrong[2];
            float logs[2];
            #pragma unroll
            for (int h = 0; h < 2; h++) {
                const long row = row0 + own + h * 8;
                float total = sum[h] + from_lane_xor(sum[h], 1);
                total += from_lane_xor(total, 2);
                const float inverse = total == 0.0f ? 0.0f : 1.0f / total;
                logs[h] = (top[h] == -INFINITY ? 0.0f : top[h]) + log2(total);
                if (quad == 0 && row < ${seq_q})
                    lse[((ulong)matrix * ${heads} + head) * ${seq_q} + row] = logs[h] * 0.693147181f;
                int bad = 0;
                #pragma unroll
                for (int t = 0; t < ${ceildiv(head_dim,32)}; t++) {
                    const int col = (t * 4 + quad) * 8;
                    float2 columns[4];
                    #pragma unroll
                    for (int j = 0; j < 4; j++) {
                        columns[j] = (float2)(0.0f);
                        if (t * 4 + j < ${head_dim/8}) {
                            columns[j] = (float2)(acc[(t * 4 + j) * 4 + h * 2], acc[(t * 4 + j) * 4 + h * 2 + 1]);
                            bad |= columns[j].x != columns[j].x || columns[j].y != columns[j].y;
                            columns[j] = total == 0.0f ? (float2)(0.0f) : columns[j] * inverse;
                        }
                    }
                    const vec8 out = gather_columns(columns, quad);
                    if (row < ${seq_q} && col < ${head_dim})
                        store8_${dtype}(out, o, (((ulong)matrix * ${seq_q} + row) * ${heads} + head) * ${head_dim} + col);
                }
                wrong[h] = bad && row < ${seq_q} && total != 0.0f && total == total;
            }
            /* A weight of 0 lets NaN and inf of a value that is not seen through: such rows anew, by hand. */
            if (any_of_warp(wrong[0] || wrong[1])) {
                for (int r = 0; r < 16; r++) {
                    if (!any_of_warp(lane / 4 == r % 8 && wrong[r / 8]))
                        continue;
                    const int from = r % 8 * 4;
                    const float log_sum = from_lane(r < 8 ? logs[0] : logs[1], from);
                    const long i = i0 + part * 64 + lid % 128 / 32 * 16 + r, stop = stop_key(i, ${seq_k});
                    const ulong of_row = (((ulong)matrix * ${seq_q} + i - ${seq_k} + ${seq_q}) * ${heads} + head) * ${head_dim};
                    float row_sum[${ceildiv(head_dim,32)}];
                    #pragma unroll
                    for (int t = 0; t < ${ceildiv(head_dim,32)}; t++)
                        row_sum[t] = 0.0f;
                    for (long j = first_key(i); j < stop; j++) {
                        const ulong of_key = (((ulong)matrix * ${seq_k} + j) * ${kv_heads} + kv_head) * ${head_dim};
                        float product = 0.0f;
                        for (int l = lane; l < ${head_dim}; l += 32)
                            product = fma(load1_${dtype}(q, of_row + l), load1_${dtype}(k, of_key + l), product);
                        #pragma unroll
                        for (int mask = 1; mask < 32; mask *= 2)
                            product += from_lane_xor(product, mask);
                        const float weight = exp2_of(score_of(product, (float)(i - j), slope) - log_sum);
                        #pragma unroll
                        for (int t = 0; t < ${ceildiv(head_dim,32)}; t++)
                            if (t * 32 + lane < ${head_dim})
                                row_sum[t] = fma(weight, load1_${dtype}(v, of_key + t * 32 + lane), row_sum[t]);
                    }
                    wait_warp();
                    #pragma unroll
                    for (int t = 0; t < ${ceildiv(head_dim,32)}; t++)
                        if (t * 32 + lane < ${head_dim})
                            store1_${dtype}(row_sum[t], o, of_row + t * 32 + lane);
                }
            }
