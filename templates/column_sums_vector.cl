/* dbias = sum over rows of dy, on a CPU: its first half.
 *
 * A work-item takes a block of ${COLUMNS} columns of its share of the rows, 8 rows at a time, so that the
 * sums, which grow in parts[0][group], are read and written once for eight.
 */
@include fetch.cl

${signature}
{
${offsets}
    const ulong share = ${SHARE}, width = ${n}, padded = ${PADDED};
    const ulong blocks = ${BLOCKS};
    const ulong group = get_group_id(0) / blocks;
    const ulong left_edge = get_group_id(0) % blocks * ${COLUMNS};
    const ulong right_edge = min(left_edge + ${COLUMNS}, width);
    const ulong stop = min((group + 1) * share, (ulong)${m});
    __global float *part = parts + group * padded;
    for (ulong j = left_edge; j < right_edge; j += 16)
        *(__global vec16 *)(part + j) = (vec16)(0.0f);
    ulong row = group * share;
@for single 2
@let R single ? 1 : 8
    for (; row + ${R} <= stop; row += ${R}) {
        const ulong at = row * width;
        ulong j = left_edge;
@for tail 2
@let partial tail ? '_part' : ''
@let count tail ? ', left' : ''
@if tail
        if (j < right_edge) {
            const int left = (int)(right_edge - j);
@else
        for (; j + 16 <= right_edge; j += 16) {
@end
            vec16 sum[${R}];
            #pragma unroll
            for (int r = 0; r < ${R}; r++) {
@if !tail && dtype == 'f32'
                FETCH(dy + at + r * width + j + 256);
@end
                sum[r] = load16_${dtype}${partial}(dy, at + r * width + j${count});
            }
            #pragma unroll
            for (int step = ${R/2}; step > 0; step /= 2)
                #pragma unroll
                for (int r = 0; r < step; r++)
                    sum[r] += sum[r + step];
            *(__global vec16 *)(part + j) += sum[0];
        }
@end
    }
@end
}
