@# A part of a kernel: what the finish wants of a share of the keys: sums, and the top and sum of the weights.
            #pragma unroll
            for (int h = 0; h < 2; h++) {
                const int row = own + h * 8;
                const ulong to = (ulong)index * ${Q_ROWS} + row;
                float total = sum[h] + from_lane_xor(sum[h], 1);
                total += from_lane_xor(total, 2);
                if (row < ${Q_ROWS}) {
                    if (quad == 0) {
                        tops[2 * to] = top[h];
                        tops[2 * to + 1] = total;
                    }
                    #pragma unroll
                    for (int b = 0; b < ${head_dim/8}; b++)
                        *(__global float2 *)(parts + to * ${head_dim} + b * 8 + quad * 2) =
                            (float2)(acc[b * 4 + h * 2], acc[b * 4 + h * 2 + 1]);
                }
            }
