/* y[e] = ops(x[e]) over the elements e = 0 .. count-1 of a row-major matrix.
 *
 * A work-item takes ${BLOCK} elements, ${W} at a time. An op that needs its column (bias) sees
 * runs of one row; the others see all elements as one run.
 */
@include stream.cl

${signature}
{
${offsets}
    const ulong length = ${run};
    const int past = ${STREAMS};
    ulong e = (ulong)get_group_id(0) * ${BLOCK};
    const ulong stop = min(e + ${BLOCK}, (ulong)${count});
    ulong col0 = e % length;
    while (e < stop) {
        const ulong run = min(length - col0, stop - e);
        ulong i = 0;
        for (; i + ${W} <= run; i += ${W}) {
            const ulong at = e + i;
            vec${W} v;
@apply prologue v=v col=col0 + i at=at w=${W} part= count=
@apply epilogue v=v col=col0 + i at=at w=${W} part= count= past=past
        }
        const int left = (int)(run - i);
        if (left > 0) {
            const ulong at = e + i;
            vec${W} v;
@apply prologue v=v col=col0 + i at=at w=${W} part=_part count=, left
@apply epilogue v=v col=col0 + i at=at w=${W} part=_part count=, left
        }
        e += run;
        col0 = 0;
    }
}
