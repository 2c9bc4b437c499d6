/* y[e] = ops(x[e]) over the elements e = 0 .. count-1 of a row-major matrix.
 *
 * A group of ${WG} takes a block of ${BLOCK} elements; a work-item takes every ${WG}th, so that
 * neighbours touch neighbours. A column is found by division once, then from the one before.
 */
${signature}
{
${offsets}
    const ulong length = ${run};
    const ulong first = (ulong)get_group_id(0) * ${BLOCK};
    const ulong left = (ulong)${count} - first;
    const int lid = (int)get_local_id(0);
    const ulong step = ${WG} % length;
    ulong col = (first + lid) % length;
    for (int i = lid; i < ${BLOCK} && (ulong)i < left; i += ${WG}) {
        const ulong at = first + i;
        float v;
@apply prologue v=v col=col at=at w=1 part= count=
@apply epilogue v=v col=col at=at w=1 part= count=
        col += step;
        if (col >= length)
            col -= length;
    }
}
