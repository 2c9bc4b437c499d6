@# Adds kc rows of b to out, ${DEPTH} of them at a time: ${NV} vectors of each by ${MR} rows of a in registers.
@# Vectors a line, of those narrower than AVX-512's.
@let A_LINE W < 16 ? (dtype == 'f32' ? 16 : 32)/W : 1
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
                    for (int r = 0; r < height; r++) {
                        const vec${W} x = (vec${W})(as[r * ${AK} + l]);
                        out[r * ${NV}] = fma(x, y, out[r * ${NV}]);
                    }
                }
@else
                int l = 0;
@for pass DEPTH > 1 ? 2 : 1
@let STEP pass ? 1 : DEPTH
                for (; l + ${STEP} <= kc; l += ${STEP}) {
                    for (int j = 0; j < width; j += ${NR}) {
                        __global const ${T} *bp = b + ((ulong)(k0 + l) * ${ldb} + j0);
@if pass == 0
                        #pragma unroll
                        for (int u = ${DEPTH}; u < ${2*DEPTH}; u++)
                            #pragma unroll
                            for (int v = 0; v < ${NV}; v${A_LINE == 1 ? '++' : ' += '}${A_LINE == 1 ? '' : A_LINE})
                                FETCH(bp + (ulong)u * ${ldb} + (j + v * ${W}));
@end
                        for (int i = 0; i < rows; i += ${MR}) {
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
                            __local vec${W} *kept = out + (j / ${W} * rows + i * ${NV});
                            #pragma unroll
                            for (int r = 0; r < ${MR}; r++)
                                #pragma unroll
                                for (int v = 0; v < ${NV}; v++)
                                    kept[r * ${NV} + v] += sum[r][v];
                        }
                    }
                }
@end
@end
            }
@end
@end
