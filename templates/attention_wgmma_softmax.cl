@# A part of a kernel: of the products s of the block of keys from j0 on, weights relative to top in their
@# place; by what the sums so far shrink; the weights' sums.
@let EACH 's[b * 4 + h * 2 + e]'
            {
@if SCORED
                #pragma unroll
                for (int h = 0; h < 2; h++) {
                    const float distance = (float)(i0 + ${QUERY}${DECODE ? seq_q : ''} - j0 - quad * 2);
                    #pragma unroll
                    for (int b = 0; b < ${BK/8}; b++)
                        #pragma unroll
                        for (int e = 0; e < 2; e++)
                            ${EACH} = score_of(${EACH}, distance - (b * 8 + e), ${alibi ? 'slope[h]' : '0.0f'});
                }
@end
                if (first_key(i_first + 63) > j0 || stop_key(i_first, ${seq_k}) < j0 + ${BK}) {
                    #pragma unroll
                    for (int h = 0; h < 2; h++) {
                        const long i = i0 + ${QUERY}${DECODE ? seq_q : ''};
@if window
                        const int first = (int)clamp(first_key(i) - j0, 0L, ${BK}L) - quad * 2;
@end
                        const int stop = (int)clamp(stop_key(i, ${seq_k}) - j0, 0L, ${BK}L) - quad * 2;
                        #pragma unroll
                        for (int b = 0; b < ${BK/8}; b++)
                            #pragma unroll
                            for (int e = 0; e < 2; e++)
                                ${EACH} = ${window ? 'b * 8 + e >= first && ' : ''}b * 8 + e < stop ? ${EACH} : -INFINITY;
                    }
                }
                #pragma unroll
                for (int h = 0; h < 2; h++) {
                    float most = -INFINITY, more = -INFINITY;
                    #pragma unroll
                    for (int b = 0; b < ${BK/8}; b++) {
                        most = fmax(most, s[b * 4 + h * 2]);
                        more = fmax(more, s[b * 4 + h * 2 + 1]);
                    }
                    most = fmax(most, more);
                    most = fmax(most, from_lane_xor(most, 1));
                    most = fmax(most, from_lane_xor(most, 2));
@if !SCORED
                    most *= ${SCALE_2};
@end
                    /* A top that is little too low does: weights are up to 2^8 then. */
                    const float was = top[h];
                    top[h] = most > was + 8.0f ? most : was;
                    const float base = top[h] == -INFINITY ? 0.0f : top[h];
                    shrink[h] = exp2_of(was - base);
                    float total = 0.0f, more_total = 0.0f;
                    #pragma unroll
                    for (int b = 0; b < ${BK/8}; b++) {
                        #pragma unroll
                        for (int e = 0; e < 2; e++)
@if SCORED
                            ${EACH} = exp2_of(${EACH} - base);
@else
                            ${EACH} = exp2_of(fma(${EACH}, ${SCALE_2}, -base));
@end
                        total += s[b * 4 + h * 2];
                        more_total += s[b * 4 + h * 2 + 1];
                    }
                    sum[h] = fma(sum[h], shrink[h], total + more_total);
                }
            }
