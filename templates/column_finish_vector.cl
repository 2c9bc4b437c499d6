/* The sums over rows, from those of some rows each: parts[${outs > 1 ? 'which' : '0'}][part][column], part by part.
 *
 * A work-item takes ${COLUMNS} columns.
 */
${signature}
{
${offsets}
    const ulong width = ${n}, padded = ${PADDED}, count = ${PARTS};
    const ulong first = (ulong)get_group_id(0) * ${COLUMNS};
    const ulong stop = min(first + ${COLUMNS}, width);
@for which outs
@let OUT which ? 'dbeta' : grad
    for (ulong j = first; j < stop; j += 16) {
        const int left = (int)min((ulong)16, stop - j);
        vec16 sum = (vec16)(0.0f);
        for (ulong p = 0; p < count; p++)
            sum += vload16(0, parts + (${which} * count + p) * padded + j);
        if (left == 16) {
@if accumulate
            sum += load16_${grad_dtype}(${OUT}, j);
@end
            store16_${grad_dtype}(sum, ${OUT}, j);
        } else {
@if accumulate
            sum += load16_${grad_dtype}_part(${OUT}, j, left);
@end
            store16_${grad_dtype}_part(sum, ${OUT}, j, left);
        }
    }
@end
}
