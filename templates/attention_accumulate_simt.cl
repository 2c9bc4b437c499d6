@# A part of a kernel: SUM[i][j] += weights[c][own row y + WG/X i] B[c][x + X j] over the met rows
@# c, MET of which there are; SKIPPED: but those with lses[c] of -inf. Own row i takes part from
@# first[i] to stop[i] only, unless the tile is seen whole: weights of 0 elsewhere would let NaN
@# and inf through. The loops over barriers here and around are do, and so run once where there
@# is nothing: PoCL 3.1 goes wrong with what the compiler makes of loops that run once at most.
        c0 = 0;
        do {
            for (int e = lid; e < ${VK*WIDE}; e += ${WG}) {
                const int l = e % ${WIDE}, c = c0 + e / ${WIDE};
                float element = 0.0f;
                if (c < ${MET} && l < ${head_dim}${SKIPPED ? ' && lses[c] != -INFINITY' : ''})
                    element = load1_${dtype}(${B}, (ulong)c * ${MET_STRIDE} + l);
                block[e] = element;
            }
            barrier(CLK_LOCAL_MEM_FENCE);
@for part 2
            ${part == 0 ? 'if (whole) {' : 'else {'}
                for (int c = 0; c < ${VK}; c++) {
                    float weight[${TM}];
@if part
                    int seen[${TM}];
@end
                    #pragma unroll
                    for (int i = 0; i < ${TM}; i++) {
                        weight[i] = weights[(c0 + c) * ${R + 1} + y + i * ${Y}];
@if part
                        seen[i] = c0 + c >= first[i] && c0 + c < stop[i];
@end
                    }
                    #pragma unroll
                    for (int j = 0; j < ${NJ}; j++) {
                        const float element = block[c * ${WIDE} + x + j * ${X}];
                        #pragma unroll
                        for (int i = 0; i < ${TM}; i++)
@if part
                            ${SUM}[i][j] = seen[i] ? fma(weight[i], element, ${SUM}[i][j]) : ${SUM}[i][j];
@else
                            ${SUM}[i][j] = fma(weight[i], element, ${SUM}[i][j]);
@end
                    }
                }
            }
@end
            barrier(CLK_LOCAL_MEM_FENCE);
            c0 += ${VK};
        } while (c0 < ${MET});
