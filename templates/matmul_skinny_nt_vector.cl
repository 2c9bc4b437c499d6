@let AHEAD known(m) ? ceildiv(NV,ROWS/MR) : 1
@# Adds the products of a with ${W} rows of b to out: ${NV} rows of b meet ${MR} of a at a time, over
@# ${KI} of k before the next rows of a, so that b is then in L1.
            for (int j = 0; j < width; j += ${W}) {
                for (int i = 0; i < rows * ${W}; i++)
                    lanes[i] = (vec${W})(0.0f);
                for (int g = 0; g < ${W}; g += ${NV}) {
                    for (int l0 = 0; l0 < kc; l0 += ${KI}) {
                        const int stop = min(l0 + ${KI}, kc);
@for c NV
                        __global const ${T} *b${c} = b + ((ulong)(j0 + min(j + g + ${c}, width - 1)) * ${ldb} + k0);
@end
                        const int over = stop == kc;
                        const int next = j + g + (over ? ${NV} : 0), skip = over ? -l0 : ${KI};
                        for (int i = 0; i < rows; i += ${MR}) {
@for q AHEAD
                            __global const ${T} *p${q} = b + ((ulong)(j0 + min(next + i / ${MR} * ${AHEAD} + ${q}, width - 1)) * ${ldb} + k0 + skip);
@end
                            __local const float *ap = as + i * ${AK};
                            vec${W} sum[${MR}][${NV}];
                            #pragma unroll
                            for (int r = 0; r < ${MR}; r++)
                                #pragma unroll
                                for (int c = 0; c < ${NV}; c++)
                                    sum[r][c] = (vec${W})(0.0f);
                            int l = l0;
@for tail 2
@let part tail ? '_part' : ''
@let count tail ? ', stop - l' : ''
                            ${tail ? 'if (l < stop)' : 'for (; l + '}${tail ? '' : W}${tail ? '' : ' <= stop; l += '}${tail ? '' : W}${tail ? '' : ')'} {
@if !tail
@for q AHEAD
                                FETCH(p${q} + l);
@end
@end
                                vec${W} y[${NV}];
@for c NV
                                y[${c}] = load${W}_${dtype}${part}(b${c}, l${count});
@end
                                #pragma unroll
                                for (int r = 0; r < ${MR}; r++) {
                                    const vec${W} x = vload${W}(0, ap + r * ${AK} + l);
                                    #pragma unroll
                                    for (int c = 0; c < ${NV}; c++)
                                        sum[r][c] = fma(x, y[c], sum[r][c]);
                                }
                            }
@end
                            __local vec${W} *kept = lanes + i * ${W} + g;
                            #pragma unroll
                            for (int r = 0; r < ${MR}; r++)
                                #pragma unroll
                                for (int c = 0; c < ${NV}; c++)
                                    kept[r * ${W} + c] += sum[r][c];
                        }
                    }
                }
                /* Across the lanes: each round leaves half of the vectors, and half of a sum in each. */
                for (int r = 0; r < height; r++) {
                    vec${W} t[${W}];
                    #pragma unroll
                    for (int e = 0; e < ${W}; e++)
                        t[e] = lanes[r * ${W} + e];
@for e W - 1
@let TO e < W/2 ? e : e < 3*W/4 ? e - W/2 : e < 7*W/8 ? e - 3*W/4 : e - 7*W/8
@let X 2*TO
                    t[${TO}] = (vec${W})(t[${X}].even, t[${X+1}].even) + (vec${W})(t[${X}].odd, t[${X+1}].odd);
@end
                    out[j / ${W} * rows + r] += t[0];
                }
            }
