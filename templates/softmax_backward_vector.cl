/* dx = scale y (dy - sum of dy y) of each row, on a CPU.
 *
 * A work-item takes ${ELEMENTS} elements or so, a row at a time: the sum, then dx. The rows of dy and y
 * come from memory once and from the cache once.
 */
@let STEP 16*U
@include reduce_vector.cl

@let W 16
@include stream.cl

${signature}
{
${offsets}
    const ulong share = ${SHARE}, width = ${n};
    const ulong first = get_group_id(0) * share;
    const ulong stop = min(first + share, (ulong)${batch*m});
    const int past = ${STREAMS};
    for (ulong row = first; row < stop; row++) {
        const ulong at = row * width;
        vec16 sum[${U}];
        #pragma unroll
        for (int u = 0; u < ${U}; u++)
            sum[u] = (vec16)(0.0f);
        ulong j = 0;
        for (; j + ${STEP} <= width; j += ${STEP}) {
            #pragma unroll
            for (int u = 0; u < ${U}; u++) {
                const ulong e = at + j + u * 16;
                sum[u] = fma(load16_${dtype}(dy, e), load16_${dtype}(y, e), sum[u]);
            }
        }
        for (; j + 16 <= width; j += 16)
            sum[0] = fma(load16_${dtype}(dy, at + j), load16_${dtype}(y, at + j), sum[0]);
        if (j < width) {
            const int left = (int)(width - j);
            sum[0] = fma(load16_${dtype}_part(dy, at + j, left),
                         load16_${dtype}_part(y, at + j, left), sum[0]);
        }
        #pragma unroll
        for (int u = 1; u < ${U}; u++)
            sum[0] += sum[u];
        const float dot = sum16(sum[0]);

        j = 0;
@for tail 2
@let part tail ? '_part' : ''
@let count tail ? ', left' : ''
@let store tail ? 'store' : 'stream'
@let last tail ? ', left' : ', past'
@if tail
        if (j < width) {
            const int left = (int)(width - j);
@else
        for (; j + 16 <= width; j += 16) {
@end
            const vec16 d = load16_${dtype}${part}(dy, at + j${count}) - dot;
            const vec16 p = load16_${dtype}${part}(y, at + j${count});
            ${store}16_${dtype}${part}(${scale} * p * d, dx, at + j${last});
        }
@end
    }
}
