/* dx = scale y (dy - sum of dy y) of each row.
 *
@if KEPT
 * A group of ${WG} takes a row; a work-item keeps its ${PER_ITEM} elements, ${WG} apart, in registers.
@else
 * A group of ${WG} takes a row; a work-item takes elements ${WG} apart. They come from memory once, then
 * from the cache where the row fits.
@end
 */
@let LARGEST 0
@let EXACT 0
@include reduce_simt.cl
${signature}
{
${offsets}
    __local float lane[${WG}];
    const int lid = (int)get_local_id(0);
    const ulong width = ${n};
    const ulong at = get_group_id(0) * width;
    float sum = 0.0f;
@if KEPT
    float d[${PER_ITEM}], p[${PER_ITEM}];
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++) {
        const int j = lid + u * ${WG};
        d[u] = j < ${n} ? load1_${dtype}(dy, at + j) : 0.0f;
        p[u] = j < ${n} ? load1_${dtype}(y, at + j) : 0.0f;
        sum = fma(d[u], p[u], sum);
    }
    const float dot = group_sum(lane, lid, sum);
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++) {
        const int j = lid + u * ${WG};
        if (j < ${n})
            store1_${dtype}(${scale} * p[u] * (d[u] - dot), dx, at + j);
    }
@else
    for (ulong j = lid; j < width; j += ${WG})
        sum = fma(load1_${dtype}(dy, at + j), load1_${dtype}(y, at + j), sum);
    const float dot = group_sum(lane, lid, sum);
    for (ulong j = lid; j < width; j += ${WG})
        store1_${dtype}(${scale} * load1_${dtype}(y, at + j) * (load1_${dtype}(dy, at + j) - dot), dx,
            at + j);
@end
}
