@let PAIR dtype == 'f32' ? 1 : 2
@let T dtype == 'f32' ? 'uint' : 'ushort'
@let PER_ITEM TILE*32/WG
/* y = x^T for each of batch matrices on a GPU, x[m,n]: bits are moved as they are, NaN's too.
 *
 * A group of ${WG} takes a tile of ${TILE} x ${TILE}: rows of x are read into local memory, its columns are written
 * as rows of y; 32 work-items move 128 bytes on either side, ${PER_ITEM} such at once. A row in local memory has
 * four bytes more, so that a column lies in as many banks. Where a tile is cut, or rows or addresses
 * are not of whole four bytes, it is element by element.
 */
${signature}
{
${offsets}
    __local uint kept[${TILE}][33];
    const ulong tiles_n = ${TILES_N};
    const ulong tiles = ${TILES};
    const ulong tile = get_group_id(0) % tiles;
    const ulong matrix = get_group_id(0) / tiles;
    const ulong i0 = tile / tiles_n * ${TILE};
    const ulong j0 = tile % tiles_n * ${TILE};
    const ulong from_row = ${n}, to_row = ${m};
    __global const ${T} *from =
        (__global const ${T} *)x + matrix * from_row * to_row + i0 * from_row + j0;
    __global ${T} *to = (__global ${T} *)y + matrix * from_row * to_row + j0 * to_row + i0;
    const int lid = (int)get_local_id(0), lane = lid % 32, line = lid / 32;

    if ((i0 + ${TILE} <= to_row) & (j0 + ${TILE} <= from_row) & ((((ulong)from | (ulong)to) & 3) == 0) &
        ((from_row | to_row) % ${PAIR} == 0)) {
        uint v[${PER_ITEM}];
        #pragma unroll
        for (int u = 0; u < ${PER_ITEM}; u++)
            v[u] = *(__global const uint *)(from + (line + u * ${WG/32}) * from_row + lane * ${PAIR});
        #pragma unroll
        for (int u = 0; u < ${PER_ITEM}; u++)
            kept[line + u * ${WG/32}][lane] = v[u];
        barrier(CLK_LOCAL_MEM_FENCE);
@if PAIR == 2
        /* Two columns of two rows at a time. */
        #pragma unroll
        for (int u = 0; u < ${PER_ITEM/2}; u++) {
            const int j = line + u * ${WG/32};
            const uint a = kept[2 * lane][j], b = kept[2 * lane + 1][j];
            *(__global uint *)(to + 2 * j * to_row + 2 * lane) = (a & 0xffffu) | b << 16;
            *(__global uint *)(to + (2 * j + 1) * to_row + 2 * lane) = a >> 16 | (b & 0xffff0000u);
        }
@else
        #pragma unroll
        for (int u = 0; u < ${PER_ITEM}; u++) {
            const int j = line + u * ${WG/32};
            to[j * to_row + lane] = kept[lane][j];
        }
@end
        return;
    }
    __local ${T} *one = (__local ${T} *)kept;
    const int rows = (int)min((ulong)${TILE}, to_row - i0), cols = (int)min((ulong)${TILE}, from_row - j0);
    for (int e = lid; e < ${TILE*TILE}; e += ${WG}) {
        const int i = e / ${TILE}, j = e % ${TILE};
        if (i < rows && j < cols)
            one[i * ${33*PAIR} + j] = from[i * from_row + j];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int e = lid; e < ${TILE*TILE}; e += ${WG}) {
        const int j = e / ${TILE}, i = e % ${TILE};
        if (i < rows && j < cols)
            to[j * to_row + i] = one[i * ${33*PAIR} + j];
    }
}
