@# What attention's kernels share on CPUs. Matrices in local memory, f32, one of two ways round:
@#
@#       rows    [count][${head_dim}]     as they are stored, packed
@#       lanes   [${head_dim}][${LANES}]    transposed: a query (or key) a lane, ${NV} vectors of ${W}
@#
@# Products go between the two, so that nothing but the one tile that stays is ever transposed: of
@# the rows single floats are broadcast. Scores are [count][LANES]. BACKWARD:
@# what the gradients need besides.
@let T dtype == 'f32' ? 'float' : dtype == 'f16' ? 'half' : 'ushort'
@let P head_dim % 16 ? 8 : 16
@include exp_vector.cl
/* count rows of x, the first at x[at], packed; zeros up to a multiple of ${MR} rows. Whether all are
 * finite. */
static ${INLINE} int pack_rows(__global const ${T} *x, ulong at, ulong stride, int count,
                               __local float *to)
{
    int${P} largest = (int${P})(0);
    for (int r = 0; r < count; r++, at += stride) {
        for (int d = 0; d < ${head_dim}; d += ${P}) {
            const vec${P} v = load${P}_${dtype}(x, at + d);
            largest = max(largest, as_int${P}(fabs(v)));
            vstore${P}(v, 0, to);
            to += ${P};
        }
    }
    for (; count % ${MR} != 0; count++) {
        for (int d = 0; d < ${head_dim}; d += ${P}) {
            vstore${P}((vec${P})(0.0f), 0, to);
            to += ${P};
        }
    }
    return !any(largest >= 0x7f800000);
}

/* count <= ${LANES} rows of x, transposed and multiplied; zeros in the other lanes. */
static ${INLINE} void pack_lanes(__global const ${T} *x, ulong at, ulong stride, int count, float factor,
                       __local float *to)
{
    for (int r = 0; r < ${LANES}; r++, at += stride)
        for (int d = 0; d < ${head_dim}; d++)
            to[d * ${LANES} + r] = r < count ? load1_${dtype}(x, at + d) * factor : 0.0f;
}

/* The other way: count rows of x from the lanes, each lane multiplied by its factor. */
static ${INLINE} void unpack_lanes(__local const float *from, __local const float *factors, int count,
                         __global ${T} *x, ulong at, ulong stride)
{
    for (int r = 0; r < count; r++, at += stride)
        for (int d = 0; d < ${head_dim}; d++)
            store1_${dtype}(from[d * ${LANES} + r] * factors[r], x, at + d);
}

/* scores[r][lane] = sum over d of rows[r][d] lanes[d][lane]; count rows, up to a multiple of ${MR}. */
static ${INLINE} void scores_of(__local const float *rows, __local const float *lanes, int count,
                      __local float *scores)
{
    for (int r0 = 0; r0 < count; r0 += ${MR}) {
        __local const float *ap = rows + r0 * ${head_dim}, *bp = lanes;
        vec${W} sum[${MR}][${NV}];
        #pragma unroll
        for (int r = 0; r < ${MR}; r++)
            #pragma unroll
            for (int v = 0; v < ${NV}; v++)
                sum[r][v] = (vec${W})(0.0f);
        for (int d = 0; d < ${head_dim}; d += 8) {
            #pragma unroll
            for (int u = 0; u < 8; u++) {
                vec${W} b[${NV}];
                #pragma unroll
                for (int v = 0; v < ${NV}; v++)
                    b[v] = vload${W}(u * ${NV} + v, bp);
                #pragma unroll
                for (int r = 0; r < ${MR}; r++) {
                    const vec${W} a = (vec${W})(ap[r * ${head_dim} + u]);
                    #pragma unroll
                    for (int v = 0; v < ${NV}; v++)
                        sum[r][v] = fma(a, b[v], sum[r][v]);
                }
            }
            ap += 8;
            bp += ${8*LANES};
        }
        #pragma unroll
        for (int r = 0; r < ${MR}; r++)
            #pragma unroll
            for (int v = 0; v < ${NV}; v++)
                vstore${W}(sum[r][v], r * ${NV} + v, scores + r0 * ${LANES});
    }
}

/* sums[d][lane] = factor[lane] sums[d][lane] + sum over r of rows[r][d] weights[r][lane]. careful: rows have
 * inf or NaN, which those that do not see them, at weights of ${BACKWARD ? '-0' : '0'}, must not get. */
static ${INLINE} void add_rows(__local const float *rows, __local const float *weights, int count,
                     const vec${W} *factor, int careful, __local float *sums)
{
    if (careful) {
        for (int d = 0; d < ${head_dim}; d++) {
            for (int v = 0; v < ${NV}; v++) {
                vec${W} sum = vload${W}(d * ${NV} + v, sums) * factor[v];
                for (int r = 0; r < count; r++) {
                    const vec${W} b = vload${W}(r * ${NV} + v, weights);
                    const vec${W} added = fma((vec${W})(rows[r * ${head_dim} + d]), b, sum);
@if BACKWARD
                    sum = as_uint${W}(b) == 0x80000000u ? sum : added;
@else
                    sum = b == 0.0f ? sum : added;
@end
                }
                vstore${W}(sum, d * ${NV} + v, sums);
            }
        }
        return;
    }
    for (int d = 0; d < ${head_dim}; d += ${MR}) {
        __local const float *ap = rows + d, *bp = weights;
        vec${W} sum[${MR}][${NV}];
        #pragma unroll
        for (int i = 0; i < ${MR}; i++)
            #pragma unroll
            for (int v = 0; v < ${NV}; v++)
                sum[i][v] = vload${W}(i * ${NV} + v, sums) * factor[v];
        int r = 0;
        for (; r + 4 <= count; r += 4) {
            #pragma unroll
            for (int u = 0; u < 4; u++) {
                vec${W} b[${NV}];
                #pragma unroll
                for (int v = 0; v < ${NV}; v++)
                    b[v] = vload${W}(u * ${NV} + v, bp);
                #pragma unroll
                for (int i = 0; i < ${MR}; i++) {
                    const vec${W} a = (vec${W})(ap[u * ${head_dim} + i]);
                    #pragma unroll
                    for (int v = 0; v < ${NV}; v++)
                        sum[i][v] = fma(a, b[v], sum[i][v]);
                }
            }
            ap += ${4*head_dim};
            bp += ${4*LANES};
        }
        for (; r < count; r++, ap += ${head_dim}, bp += ${LANES}) {
            #pragma unroll
            for (int i = 0; i < ${MR}; i++)
                #pragma unroll
                for (int v = 0; v < ${NV}; v++)
                    sum[i][v] = fma((vec${W})(ap[i]), vload${W}(v, bp), sum[i][v]);
        }
        #pragma unroll
        for (int i = 0; i < ${MR}; i++)
            #pragma unroll
            for (int v = 0; v < ${NV}; v++)
                vstore${W}(sum[i][v], i * ${NV} + v, sums);
        sums += ${MR*LANES};
    }
}
@if BACKWARD

/* exp(s - lse) */
static ${INLINE} vec${W} weight_of(vec${W} s, vec${W} lse)
{
    const vec${W} x = s - lse;
    const vec${W} e = exp_below${W}(x > 88.0f ? (vec${W})(88.0f) : x);
    return x > 88.72f ? (vec${W})(INFINITY) : e;
}
@end
@if softcap > 0

/* tanh, to a few units of the last place: Cephes' polynomial where 1 - exp would cancel. */
static ${INLINE} vec${W} tanh_of(vec${W} x)
{
    const vec${W} z = x * x;
    vec${W} p = -5.70498872745e-3f;
    p = fma(p, z, (vec${W})(2.06390887954e-2f));
    p = fma(p, z, (vec${W})(-5.37397155531e-2f));
    p = fma(p, z, (vec${W})(1.33314422036e-1f));
    p = fma(p, z, (vec${W})(-3.33332819422e-1f));
    const vec${W} e = exp_below${W}(-2.0f * fabs(x));
    return fabs(x) < 0.625f ? fma(p * z, x, x) : copysign((1.0f - e) / (1.0f + e), x);
}
@if BACKWARD

/* 1 - tanh(x)^2, which does not cancel where tanh is nearly 1. */
static ${INLINE} vec${W} slope_of_tanh(vec${W} x)
{
    const vec${W} e = exp_below${W}(-2.0f * fabs(x));
    return 4.0f * e / ((1.0f + e) * (1.0f + e));
}
@end
@end
@include alibi_slope.cl
