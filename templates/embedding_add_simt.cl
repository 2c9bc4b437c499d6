/* dtable[id] += the rows of dy of this id, one after another in f32, rounded once.
 *
 * A group of ${WG} looks at ${known(ROWS) ? ROWS : 'a few'} places in the order of tokens and at ${BLOCK} columns. Where the
 * tokens of an id begin, it adds up all of them: rows of dy are read once, rows of dtable read and
 * written once. Sums of up to 256 rows are added to the total, so that the error of long ones stays
 * small.
 */
${signature}
{
${offsets}
    __global const int *order = (__global const int *)sorted;
    const ulong width = ${n}, count = ${tokens};
    const ulong col_blocks = ${COL_BLOCKS};
    const ulong first = get_group_id(0) / col_blocks * ${ROWS};
    const ulong stop = min(first + ${ROWS}, count);
    const ulong col0 = get_group_id(0) % col_blocks * ${BLOCK} + get_local_id(0);
    for (ulong p = first; p < stop && order[p] >= 0; p++) {
        const int id = ids[order[p]];
        if (p > 0 && ids[order[p - 1]] == id)
            continue;
        const ulong to = (ulong)id * width;
        float total[${PER_ITEM}];
        #pragma unroll
        for (int i = 0; i < ${PER_ITEM}; i++) {
            const ulong col = col0 + i * ${WG};
            total[i] = col < width ? load1_${dtable_dtype}(dtable, to + col) : 0.0f;
        }
        ulong q = p;
        int more = 1;
        while (more) {
            float part[${PER_ITEM}];
            #pragma unroll
            for (int i = 0; i < ${PER_ITEM}; i++)
                part[i] = 0.0f;
            for (int row = 0; row < 256 && more; row++) {
                const ulong from = (ulong)order[q] * width;
                #pragma unroll
                for (int i = 0; i < ${PER_ITEM}; i++) {
                    const ulong col = col0 + i * ${WG};
                    if (col < width)
                        part[i] += load1_${dtype}(dy, from + col);
                }
                q++;
                more = q < count && order[q] >= 0 && ids[order[q]] == id;
            }
            #pragma unroll
            for (int i = 0; i < ${PER_ITEM}; i++)
                total[i] += part[i];
        }
        #pragma unroll
        for (int i = 0; i < ${PER_ITEM}; i++) {
            const ulong col = col0 + i * ${WG};
            if (col < width)
                store1_${dtable_dtype}(total[i], dtable, to + col);
        }
    }
}
