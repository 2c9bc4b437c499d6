@let T dtype == 'f32' ? 'uint' : 'ushort'
/* y = table[ids], bits as they are; an id outside the table reads nothing and gives zeros.
 *
 * A group of ${WG} takes a few rows of y, about ${BLOCK} elements, or a part of a longer row;
 * neighbours take neighbours.
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
    __global const ${T} *from = (__global const ${T} *)table + col0;
    __global ${T} *to = (__global ${T} *)y + first * width + col0;
    for (int e = (int)get_local_id(0); e < rows * cols; e += ${WG}) {
        const int row = e / cols, j = e % cols;
        const int id = ids[first + row];
        to[row * width + j] = id >= 0 && id < ${vocab} ? from[(ulong)id * width + j] : 0;
    }
}
