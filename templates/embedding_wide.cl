@let T dtype == 'f32' ? 'uint' : 'ushort'
/* y = table[ids], bits as they are, on a GPU; an id outside the table reads nothing and gives zeros.
 *
 * A group of ${WG} takes a few rows of y, about ${BLOCK} elements, or a part of a longer row;
 * neighbours take neighbours, 16 bytes, or elements where rows or addresses are not of whole ones.
 */
${signature}
{
${offsets}
    const ulong width = ${n};
    const ulong col_blocks = ${COL_BLOCKS};
    const ulong first = get_group_id(0) / col_blocks * ${ROWS};
    const int rows = (int)min((ulong)${ROWS}, (ulong)${tokens} - first);
    const ulong col0 = get_group_id(0) % col_blocks * ${COLS};
    const int cols = (int)min((ulong)${COLS}, width - col0);
    const int lid = (int)get_local_id(0);
@for form 2
@let V form ? T : 'uint4'
@let EACH form ? 1 : W
@if form == 0
    if (((((ulong)table | (ulong)y) & 15) == 0) & (width % ${W} == 0)) {
@else
    } else {
@end
        __global const ${V} *from = (__global const ${V} *)((__global const ${T} *)table + col0);
        __global ${V} *to = (__global ${V} *)((__global ${T} *)y + first * width + col0);
        const ulong pitch = width / ${EACH};
        const int across = cols / ${EACH};
        for (int e0 = lid; e0 < rows * across; e0 += ${4*WG}) {
            ${V} v[4];
            #pragma unroll
            for (int u = 0; u < 4; u++) {
                const int e = e0 + u * ${WG}, row = e / across;
                const int id = row < rows ? ids[first + row] : -1;
                v[u] = (${V})(0);
                if (id >= 0 && id < ${vocab})
                    v[u] = from[(ulong)id * pitch + e % across];
            }
            #pragma unroll
            for (int u = 0; u < 4; u++) {
                const int e = e0 + u * ${WG};
                if (e < rows * across)
                    to[e / across * pitch + e % across] = v[u];
            }
        }
@end
    }
}
