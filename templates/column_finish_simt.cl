/* The sums over rows, from those of some rows each: parts[${outs > 1 ? 'which' : '0'}][part][column].
 *
 * A group of ${WG} takes ${TILE} columns; a work-item every ${SLICES}th part of one. Their sums join in local
 * memory, always in the same order.
 */
${signature}
{
${offsets}
    __local float slices[${WG}];
    const int lid = (int)get_local_id(0);
    const ulong width = ${n}, padded = ${PADDED}, count = ${PARTS};
    const ulong col = (ulong)get_group_id(0) * ${TILE} + lid % ${TILE};
@for which outs
@let OUT which ? 'dbeta' : grad
    float sum${which} = 0.0f;
    if (col < width)
        for (ulong p = lid / ${TILE}; p < count; p += ${SLICES})
            sum${which} += parts[(${which} * count + p) * padded + col];
    slices[lid] = sum${which};
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < ${TILE} && col < width) {
        for (int s = 1; s < ${SLICES}; s++)
            sum${which} += slices[lid + s * ${TILE}];
@if accumulate
        sum${which} += load1_${grad_dtype}(${OUT}, col);
@end
        store1_${grad_dtype}(sum${which}, ${OUT}, col);
    }
@if which + 1 < outs
    barrier(CLK_LOCAL_MEM_FENCE);
@end
@end
}
