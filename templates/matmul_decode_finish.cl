/* Sums what matmul_decode.cl left of each element, in order, a work-item an element of c. */
${signature}
{
${offsets}
    const ulong item = get_global_id(0);
    const long col = (long)(item % ${n});
    const ulong line = item / ${n};
    if (line >= (ulong)(${m*batch}))
        return;
    const ulong at = line * ${ldc} + col;
    const ulong share = (ulong)${m*batch} * ${PITCH};
@if pair == 2
    __global const float *from = parts + line * ${PITCH} + ${gate == 'split' ? 'col' : '2 * col'};
    float up = 0.0f;
@else
    __global const float *from = parts + line * ${PITCH} + col;
@end
    float v = 0.0f;
    for (ulong s = 0; s < (ulong)(${SPLIT}); s++) {
        v += from[s * share];
@if pair == 2
        up += from[s * share + ${gate == 'split' ? n : 1}];
@end
    }
@apply epilogue v=v up=up row=(line % ${m}) col=col at=at w=1 part= count=
}
