/* dtable[id] += the rows of dy of this id, one after another in f32, rounded once.
 *
 * A work-item looks at ${known(ROWS) ? ROWS : 'a few'} places in the order of tokens and at up to ${BLOCK} columns. Where the tokens
 * of an id begin, it adds up all of them: rows of dy are read once, rows of dtable read and written
 * once. Sums of up to 256 rows are added to the total, so that the error of long ones stays small.
 */
${signature}
{
${offsets}
    __global const int *order = (__global const int *)sorted;
    float total[${BLOCK}], part[${BLOCK}];
    const ulong width = ${n}, count = ${tokens};
    const ulong col_blocks = ${COL_BLOCKS};
    const ulong first = get_group_id(0) / col_blocks * ${ROWS};
    const ulong stop = min(first + ${ROWS}, count);
    const ulong col0 = get_group_id(0) % col_blocks * ${COLS};
    const int cols = (int)min((ulong)${COLS}, width - col0);
    const int full = cols / ${W} * ${W};
    for (ulong p = first; p < stop && order[p] >= 0; p++) {
        const int id = ids[order[p]];
        if (p > 0 && ids[order[p - 1]] == id)
            continue;
        const ulong to = (ulong)id * width + col0;
        for (int j = 0; j < full; j += ${W})
            vstore${W}(load${W}_${dtable_dtype}(dtable, to + j), 0, total + j);
        for (int j = full; j < cols; j++)
            total[j] = load1_${dtable_dtype}(dtable, to + j);
        ulong q = p;
        int more = 1;
        while (more) {
            for (int j = 0; j < cols; j++)
                part[j] = 0.0f;
            for (int row = 0; row < 256 && more; row++) {
                const ulong from = (ulong)order[q] * width + col0;
                for (int j = 0; j < full; j += ${W})
                    vstore${W}(vload${W}(0, part + j) + load${W}_${dtype}(dy, from + j), 0, part + j);
                for (int j = full; j < cols; j++)
                    part[j] += load1_${dtype}(dy, from + j);
                q++;
                more = q < count && order[q] >= 0 && ids[order[q]] == id;
            }
            for (int j = 0; j < cols; j++)
                total[j] += part[j];
        }
        for (int j = 0; j < full; j += ${W})
            store${W}_${dtable_dtype}(vload${W}(0, total + j), dtable, to + j);
        for (int j = full; j < cols; j++)
            store1_${dtable_dtype}(total[j], dtable, to + j);
    }
}
