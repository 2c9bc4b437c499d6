@# Whether the epilogue leaves v for the store; swiglu_backward stores its two gradients by itself.
@let STORED !(defined(gate) && defined(dx_dtype))
@let BY_ROWS defined(bias_dtype) || defined(gate)
/* y[e] = ops(x[e]) over the elements e = 0 .. count-1 of a row-major matrix, on a GPU.
 *
 * A group of ${WG} takes a block of ${BLOCK} elements; a work-item ${PER_ITEM} times ${W} neighbours, 16 bytes, ${WG*W}
 * elements apart. All is loaded before anything is stored, since that may go where an input is. The
 * last block, and all where addresses${BY_ROWS ? ' or rows' : ''} are not of whole accesses, by elements.
 */
${signature}
{
${offsets}
    const ulong length = ${run};
    const ulong first = (ulong)get_group_id(0) * ${BLOCK};
    const ulong left = (ulong)${count} - first;
    const int lid = (int)get_local_id(0);
    ulong addresses = (ulong)${src} | (ulong)${dst};
@if defined(bias_dtype)
    addresses |= (ulong)bias;
@end
@if defined(residual_dtype)
    addresses |= (ulong)residual;
@end
@if defined(gelu_of_dtype)
    addresses |= (ulong)gelu_of;
@elif defined(dy_dtype)
    addresses |= (ulong)x;
@end
@if BY_ROWS
    /* So that a row's end, and that of its half, are those of an access. */
    addresses |= length % ${W};
@end
    if (left >= ${BLOCK} && (addresses & 15) == 0) {
        vec${W} v[${PER_ITEM}];
        const ulong at = first + (ulong)lid * ${W};
@if BY_ROWS
        ulong col[${PER_ITEM}];
        col[0] = at % length;
        #pragma unroll
        for (int u = 1; u < ${PER_ITEM}; u++) {
            col[u] = col[u - 1] + ${WG*W} % length;
            if (col[u] >= length)
                col[u] -= length;
        }
@end
@let COL BY_ROWS ? 'col[u]' : '0'
        #pragma unroll
        for (int u = 0; u < ${PER_ITEM}; u++) {
@apply prologue v=v[u] col=${COL} at=at + u * ${WG*W} w=${W} part=_whole count=
        }
        #pragma unroll
        for (int u = 0; u < ${PER_ITEM}; u++) {
@apply epilogue v=v[u] col=${COL} at=at + u * ${WG*W} w=${W} part=_whole count= later=1
        }
@if STORED
        #pragma unroll
        for (int u = 0; u < ${PER_ITEM}; u++)
            put_whole${W}_${dst_dtype}(v[u], ${dst}, at + u * ${WG*W});
@end
        return;
    }
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
