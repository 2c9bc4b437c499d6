@# Adds kc rows of b to out, ${DEPTH} of them at a time: ${NV} vectors of each by ${MR} rows of a in registers.
@for narrow 2
@if !known(WHOLE) || (WHOLE < W) == narrow
@if !known(WHOLE)
            if (${WHOLE} ${narrow ? '<' : '>='} ${W}) {
@else
            {
@end
@if narrow
                for (int l = 0; l < kc; l++) {
                    const ulong from = (ulong)(k0 + l) * ${ldb} + j0;
                    const vec${W} y = load${W}_${dtype}_part(b, from, width);
                    for (int r = 0; r < ${m}; r++) {
                        const vec${W} sum = vload${W}(r * ${NV}, out);
                        vstore${W}(fma((vec${W})(as[r * ${AK} + l]), y, sum), r * ${NV}, out);
                    }
                }
@else
                int l = 0;
@for pass DEPTH > 1 ? 2 : 1
@let STEP pass ? 1 : DEPTH
                for (; l + ${STEP} <= kc; l += ${STEP}) {
                    for (int j = 0; j < width; j += ${NR}) {
                        __global const ${T} *bp = b + ((ulong)(k0 + l) * ${ldb} + j0);
                        for (int i = 0; i < ${ROWS}; i += ${MR}) {
                            __local const float *ap = as + i * ${AK} + l;
                            vec${W} sum[${MR}][${NV}];
                            #pragma unroll
                            for (int r = 0; r < ${MR}; r++)
                                #pragma unroll
                                for (int v = 0; v < ${NV}; v++)
                                    sum[r][v] = (vec${W})(0.0f);
                            #pragma unroll
                            for (int u = 0; u < ${STEP}; u++) {
                                vec${W} y[${NV}];
                                #pragma unroll
                                for (int v = 0; v < ${NV}; v++)
                                    y[v] = load${W}_${dtype}(bp + (ulong)u * ${ldb}, min(j + v * ${W}, width - ${W}));
                                #pragma unroll
                                for (int r = 0; r < ${MR}; r++) {
                                    const vec${W} x = (vec${W})(ap[r * ${AK} + u]);
                                    #pragma unroll
                                    for (int v = 0; v < ${NV}; v++)
                                        sum[r][v] = fma(x, y[v], sum[r][v]);
                                }
                            }
                            __local float *kept = out + (j * ${ROWS} + i * ${NR});
                            #pragma unroll
                            for (int r = 0; r < ${MR}; r++)
                                #pragma unroll
                                for (int v = 0; v < ${NV}; v++) {
                                    sum[r][v] += vload${W}(r * ${NV} + v, kept);
                                    vstore${W}(sum[r][v], r * ${NV} + v, kept);
                                }
                        }
                    }
                }
@end
@end
            }
@end
@end
