/* y[e] = ops(x[e]) over the elements e = 0 .. count-1 of a row-major matrix.
 *
 * A group of ${WG} takes a block of ${BLOCK} elements; a work-item takes every ${WG}th, so that
 * neighbours touch neighbours. Columns are found from the block's first, in 32 bits.
 */
${signature}
{
${offsets}
    const ulong length = ${run};
    const ulong first = (ulong)get_group_id(0) * ${BLOCK};
    const ulong left = (ulong)${count} - first;
    const ulong col0 = first % length;
    const int lid = (int)get_local_id(0);
    for (int i = lid; i < ${BLOCK} && (ulong)i < left; i += ${WG}) {
        ulong col = col0 + i;
        if (col >= length)
            col %= length;
        const ulong at = first + i;
        float v;
@apply prologue v=v col=col at=at w=1 part= count=
@apply epilogue v=v col=col at=at w=1 part= count=
    }
}
