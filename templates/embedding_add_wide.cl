/* dtable[id] += the rows of dy of this id, one after another in f32, rounded once. On a GPU.
 *
 * A group of ${WG} looks at ${known(ROWS) ? ROWS : 'a few'} places in the order of tokens and at ${BLOCK} columns, ${PER_ITEM} times ${W}
 * neighbours a work-item. Where the tokens of an id begin, it adds up all of them: rows of dy are read
 * once, rows of dtable read and written once. Sums of up to 256 rows are added to the total, so that
 * the error of long ones stays small.
 */
${signature}
{
${offsets}
    __global const int *order = (__global const int *)sorted;
    const ulong width = ${n}, count = ${tokens};
    const ulong col_blocks = ${COL_BLOCKS};
    const ulong first = get_group_id(0) / col_blocks * ${ROWS};
    const ulong stop = min(first + ${ROWS}, count);
    const ulong col0 = get_group_id(0) % col_blocks * ${BLOCK} + get_local_id(0) * ${W};
    const int whole = ((((ulong)dy | (ulong)dtable) & 15) == 0) & (width % ${W} == 0);
    for (ulong p = first; p < stop; p++) {
        const int token = order[p];
        if (token < 0)
            break;
        const int before = p > 0 ? order[p - 1] : -1;
        const int id = ids[token];
        if (before >= 0 && ids[before] == id)
            continue;
        const ulong to = (ulong)id * width;
        vec${W} total[${PER_ITEM}];
@for form 2
@let ending form ? '_upto' : '_whole'
@let left form ? ', (long)width - (long)col' : ''
@if form == 0
        if (whole) {
@else
        } else {
@end
            #pragma unroll
            for (int i = 0; i < ${PER_ITEM}; i++) {
                const ulong col = col0 + i * ${WG*W};
                total[i] = 0.0f;
                if (col < width)
                    total[i] = load${W}_${dtable_dtype}${ending}(dtable, to + col${left});
            }
@end
        }
        ulong q = p;
        ulong from = (ulong)token * width;
        int more = 1;
        while (more) {
            vec${W} part[${PER_ITEM}];
            #pragma unroll
            for (int i = 0; i < ${PER_ITEM}; i++)
                part[i] = 0.0f;
            for (int row = 0; row < 256 && more; row++) {
                /* Whose row is next, while this one is on its way. */
                q++;
                const int next = q < count ? order[q] : -1;
@for form 2
@let ending form ? '_upto' : '_whole'
@let left form ? ', (long)width - (long)col' : ''
@if form == 0
                if (whole) {
@else
                } else {
@end
                    #pragma unroll
                    for (int i = 0; i < ${PER_ITEM}; i++) {
                        const ulong col = col0 + i * ${WG*W};
                        if (col < width)
                            part[i] += load${W}_${dtype}${ending}(dy, from + col${left});
                    }
@end
                }
                more = next >= 0 && ids[next] == id;
                from = (ulong)next * width;
            }
            #pragma unroll
            for (int i = 0; i < ${PER_ITEM}; i++)
                total[i] += part[i];
        }
        #pragma unroll
        for (int i = 0; i < ${PER_ITEM}; i++) {
            const ulong col = col0 + i * ${WG*W};
            if (col < width) {
                if (whole)
                    put_whole${W}_${dtable_dtype}(total[i], dtable, to + col);
                else
                    store${W}_${dtable_dtype}_upto(total[i], dtable, to + col, (long)width - (long)col);
            }
        }
    }
}
