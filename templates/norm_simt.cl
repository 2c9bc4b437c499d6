@let SUMMED defined(sum_dtype)
@if !defined(y_dtype)
/* The ${centred ? 'mean and the scale' : 'scale'} of each row of ${X}, for the product.
@elif centred
/* y = (x - mean) rstd gamma${beta ? ' + beta' : ''}, rstd = 1/sqrt(var + eps).
@else
/* y = x rstd (gamma + ${unit_offset}), rstd = 1/sqrt(mean of x^2 + eps).
@end
@if SUMMED
 * x is the sum with the residual, unrounded; it is stored beside y.
@end
 *
@if centred
 * A group of ${WG} takes a row: the mean by sums in two floats, the mean square of x - mean, then y.
@else
 * A group of ${WG} takes a row: the mean square, then y.
@end
@if KEPT
 * A work-item keeps its ${PER_ITEM} elements, ${WG} apart, in registers.
@else
 * A work-item takes elements ${WG} apart; they come from memory once, then from the cache.
@end
 */
@let LARGEST 0
@let EXACT 1
@include reduce_simt.cl
@include whole.cl
@if centred
@include mean.cl
@end
${signature}
{
${offsets}
    __local float lane[${WG*(1 + centred)}];
    const int lid = (int)get_local_id(0);
    const ulong width = ${WIDTH};
    const ulong row = get_group_id(0), at = row * ${STRIDE};
@if KEPT
    float own[${PER_ITEM}];
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++) {
        const int j = lid + u * ${WG};
        float v = 0.0f;
        if (j < ${WIDTH}) {
            v = load1_${dtype}(${X}, at + j);
@if SUMMED
@apply prologue v=v row=row col=j at=at + j w=1 part= count=
@end
        }
        own[u] = v;
    }
@end
@let V centred ? '(v - centre.x) - centre.y' : 'v'
@for pass 3
@if pass == 0 && centred
    float hi = 0.0f, lo = 0.0f;
@elif pass == 1
    float squares = 0.0f, lost = 0.0f;
@end
@if pass == 1 || (pass == 0 ? centred : defined(y_dtype))
@if KEPT
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++) {
        const int j = lid + u * ${WG};
        const float v = own[u];
        if (j >= ${WIDTH})
            continue;
@else
    for (ulong j = lid; j < width; j += ${WG}) {
        float v = load1_${dtype}(${X}, at + j);
@if SUMMED
@apply prologue v=v row=row col=j at=at + j w=1 part= count=
@end
@end
@if pass == 2 && SUMMED
        store1_${dtype}(v, sum, at + j);
@end
@if pass == 0
        add_exactly1(&hi, &lo, v);
    }
    const float2 all = group_exact_sum(lane, lid, hi, lo);
    const float2 centre = mean_of(all.x, all.y, width);
@elif pass == 1
        const float d = ${V};
        add_exactly1(&squares, &lost, d * d);
    }
    squares = group_sum(lane, lid, whole_of(squares, lost));
    const float scale = 1.0f / sqrt(squares / (float)width + ${eps});
@else
        const float weight = load1_${dtype}(gamma, j)${unit_offset ? ' + 1.0f' : ''};
@if beta
        store1_${dtype}(fma((${V}) * scale, weight, load1_${dtype}(beta, j)), y, at + j);
@else
        store1_${dtype}((${V}) * scale * weight, y, at + j);
@end
    }
@end
@end
@end
    if (lid == 0) {
@if STATS
@if centred
        stats[row * ${STATS}] = centre.x;
        stats[row * ${STATS} + 1] = centre.y;
@end
        stats[row * ${STATS} + ${STATS - 1}] = scale;
@end
@if defined(mean_dtype)
        mean[row] = centre.x;
@end
@if defined(rstd_dtype)
        rstd[row] = scale;
@end
    }
}
