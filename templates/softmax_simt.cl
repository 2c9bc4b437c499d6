/* y = softmax(scale x) of each row.
 *
@if KEPT
 * A group of ${WG} takes a row; a work-item keeps its ${PER_ITEM} elements, ${WG} apart, in registers.
@else
 * A group of ${WG} takes a row; a work-item takes elements ${WG} apart, four at a time: the largest so far
 * and the sum of exponentials below it. Then, from the cache where the row fits, y.
@end
 */
@let SIGN scale < 0 ? '-' : ''
@let FACTOR scale < 0 ? -scale : scale
@let LARGEST 1
@let EXACT 0
@include reduce_simt.cl
@include online_simt.cl
${signature}
{
${offsets}
    __local float lane[${WG}];
    const int lid = (int)get_local_id(0);
    const ulong width = ${n};
    const ulong row = get_group_id(0), at = row * width;
@if causal
    const long last = (long)(row % ${m}) + ${n} - ${m};
    const ulong seen = last < 0 ? 0 : (ulong)last + 1;
@else
    const ulong seen = width;
@end
@if KEPT
    float own[${PER_ITEM}];
    float top = -INFINITY, sum = 0.0f;
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++) {
        const ulong j = lid + u * ${WG};
        own[u] = j < seen ? ${SIGN}load1_${dtype}(x, at + j) : -INFINITY;
        top = fmax(top, own[u]);
    }
    const float base = base_of(group_max(lane, lid, top));
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++) {
        own[u] = exp(${FACTOR} * (own[u] - base));
        sum += own[u];
    }
    sum = group_sum(lane, lid, sum);
    const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++) {
        const ulong j = lid + u * ${WG};
        if (j < width)
            store1_${dtype}(j < seen ? own[u] * inverse : 0.0f, y, at + j);
    }
@else
    float top = -INFINITY, sum = 0.0f;
    for (ulong j = lid; j < seen; j += ${4*WG}) {
        float v[4];
        #pragma unroll
        for (int u = 0; u < 4; u++) {
            const ulong e = j + u * ${WG};
            v[u] = e < seen ? ${SIGN}load1_${dtype}(x, at + e) : -INFINITY;
        }
        absorb4(&top, &sum, v);
    }
    const float base = base_of(group_max(lane, lid, top));
    sum = group_sum(lane, lid, top == -INFINITY ? sum : sum * exp(${FACTOR} * (top - base)));
    const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
    for (ulong j = lid; j < width; j += ${WG}) {
        float e = 0.0f;
        if (j < seen)
            e = exp(${FACTOR} * (${SIGN}load1_${dtype}(x, at + j) - base)) * inverse;
        store1_${dtype}(e, y, at + j);
    }
@end
}
