@if centred
/* y = (x - mean) rstd gamma${beta ? ' + beta' : ''}, rstd = 1/sqrt(var + eps).
 *
 * A group of ${WG} takes a row: the mean by sums in two floats, the mean square of x - mean, then y.
@else
/* y = x rstd (gamma + ${unit_offset}), rstd = 1/sqrt(mean of x^2 + eps).
 *
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
    const ulong width = ${n};
    const ulong row = get_group_id(0), at = row * width;
@if KEPT
    float own[${PER_ITEM}];
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++) {
        const int j = lid + u * ${WG};
        own[u] = j < ${n} ? load1_${dtype}(x, at + j) : 0.0f;
    }
@end
@let V centred ? '(v - centre.x) - centre.y' : 'v'
@for pass 3
@if pass == 0 && centred
    float hi = 0.0f, lo = 0.0f;
@elif pass == 1
    float squares = 0.0f, lost = 0.0f;
@end
@if pass > 0 || centred
@if KEPT
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++) {
        const int j = lid + u * ${WG};
        const float v = own[u];
        if (j >= ${n})
            continue;
@else
    for (ulong j = lid; j < width; j += ${WG}) {
        const float v = load1_${dtype}(x, at + j);
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
@if centred
        mean[row] = centre.x;
@end
        rstd[row] = scale;
    }
}
