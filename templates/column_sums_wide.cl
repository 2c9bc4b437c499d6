@let SPAN 32*W
@let SLICES WG/32
/* dbias = sum over rows of dy: its first half, on a GPU.
 *
 * A group of ${WG} takes ${SPAN} columns of its share of the rows: a work-item ${W} of every ${SLICES}th row, 16 bytes,
 * four rows at a time. Their sums join in local memory and go to parts[0][group].
 */
${signature}
{
${offsets}
    __local float slices[${SLICES}][${SPAN}];
    const int lid = (int)get_local_id(0);
    const ulong share = ${SHARE}, width = ${n}, padded = ${PADDED};
    const ulong blocks = ${BLOCKS};
    const ulong group = get_group_id(0) / blocks;
    const ulong col0 = get_group_id(0) % blocks * ${SPAN}, col = col0 + lid % 32 * ${W};
    const ulong first = group * share;
    const ulong stop = min(first + share, (ulong)${m});
    const int whole = ((ulong)dy & 15) == 0 && width % ${W} == 0;
    vec${W} sum = 0.0f;
    ulong row = first + lid / 32;
    if (whole && col < width) {
        for (; row + ${3*SLICES} < stop; row += ${4*SLICES}) {
            vec${W} v[4];
            #pragma unroll
            for (int u = 0; u < 4; u++)
                v[u] = load${W}_${dtype}_whole(dy, (row + u * ${SLICES}) * width + col);
            sum += v[0] + v[1] + (v[2] + v[3]);
        }
    }
    for (; row < stop; row += ${SLICES})
        sum += load${W}_${dtype}_upto(dy, row * width + col, (long)width - (long)col);
    vstore${W}(sum, 0, slices[lid / 32] + lid % 32 * ${W});
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int j = lid; j < ${SPAN} && col0 + j < width; j += ${WG}) {
        float all = slices[0][j];
        for (int s = 1; s < ${SLICES}; s++)
            all += slices[s][j];
        parts[group * padded + col0 + j] = all;
    }
}
