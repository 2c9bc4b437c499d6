@let T dtype == 'f32' ? 'uint' : 'ushort'
/* y = table[ids], bits as they are; an id outside the table reads nothing and gives zeros.
 *
 * A work-item takes a few rows of y, about ${BLOCK} elements, or a part of a longer row.
 */
${signature}
{
${offsets}
    const ulong width = ${n};
    const ulong col_blocks = ${COL_BLOCKS};
    const ulong first = get_group_id(0) / col_blocks * ${ROWS};
    const ulong stop = min(first + ${ROWS}, (ulong)${tokens});
    const ulong col0 = get_group_id(0) % col_blocks * ${COLS};
    const int cols = (int)min((ulong)${COLS}, width - col0);
    for (ulong token = first; token < stop; token++) {
        const int id = ids[token];
        __global ${T} *restrict to = (__global ${T} *)y + token * width + col0;
        int j = 0;
        if (id < 0 || id >= ${vocab}) {
            for (; j + ${W} <= cols; j += ${W})
                vstore${W}((${T}${W})(0), 0, to + j);
            for (; j < cols; j++)
                to[j] = 0;
            continue;
        }
        __global const ${T} *restrict from = (__global const ${T} *)table + (ulong)id * width + col0;
        for (; j + ${W} <= cols; j += ${W})
            vstore${W}(vload${W}(0, from + j), 0, to + j);
        for (; j < cols; j++)
            to[j] = from[j];
    }
}
