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
                if (quad == 0 && row >= 0)
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
                    if (row >= 0 && col < ${head_dim})
                        store8_${dtype}(out, o, (((ulong)matrix * ${seq_q} + row) * ${heads} + head) * ${head_dim} + col);
                }
                wrong[h] = bad && row >= 0 && total != 0.0f && total == total;
            }
            if (any_of_warp(wrong[0] || wrong[1])) {
                for (int r = 0; r < 16; r++) {
                    if (!any_of_warp(lane / 4 == r % 8 && (r < 8 ? wrong[0] : wrong[1])))
                        continue;
                    const float log_sum = from_lane(r < 8 ? logs[0] : logs[1], r % 8 * 4);
                    const long i = i0 + part * 64 + lid % 128 / 32 * 16 + r;
@include attention_wgmma_again.cl
                }
            }
