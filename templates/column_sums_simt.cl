/* dbias = sum over rows of dy: its first half.
 *
 * A group of ${WG} takes ${TILE} columns of its share of the rows: a work-item every ${SLICES}th row of one
 * column. Their sums join in local memory and go to parts[0][group].
 */
${signature}
{
${offsets}
    __local float slices[${WG}];
    const int lid = (int)get_local_id(0);
    const ulong share = ${SHARE}, width = ${n}, padded = ${PADDED};
    const ulong blocks = ${BLOCKS};
    const ulong group = get_group_id(0) / blocks;
    const ulong col = get_group_id(0) % blocks * ${TILE} + lid % ${TILE};
    const ulong first = group * share;
    const ulong stop = min(first + share, (ulong)${m});
    float sum = 0.0f;
    if (col < width)
        for (ulong row = first + lid / ${TILE}; row < stop; row += ${SLICES})
            sum += load1_${dtype}(dy, row * width + col);
    slices[lid] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < ${TILE} && col < width) {
        for (int s = 1; s < ${SLICES}; s++)
            sum += slices[lid + s * ${TILE}];
        parts[group * padded + col] = sum;
    }
}
