/* y[e] = x[e]/(1-p) where word c mod 4 of Philox4x32-10's block c div 4 is at least threshold, else
 * 0; c = offset + e. On a GPU.
 *
 * A group of ${WG} takes the ${BLOCK} elements of ${BLOCK/4} of the generator's blocks; a work-item ${PER_ITEM} times ${W}
 * neighbours, 16 bytes, ${WG*W} elements apart. All is loaded before anything is stored, since x and y
 * may be the same memory. Where addresses are not of whole accesses, offset is not a whole block's or
 * the end is near, work-items leave in local memory what is kept and take elements.
 */
/* What is kept of a block's four elements, by bits. */
static uint keep_of(ulong block, ulong seed, uint threshold)
{
    uint c0 = (uint)block, c1 = (uint)(block >> 32), c2 = 0, c3 = 0;
    uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
    #pragma unroll
    for (int round = 0; round < 10; round++) {
        const ulong p = (ulong)c0 * 0xd2511f53u, q = (ulong)c2 * 0xcd9e8d57u;
        c0 = (uint)(q >> 32) ^ c1 ^ k0;
        c1 = (uint)q;
        c2 = (uint)(p >> 32) ^ c3 ^ k1;
        c3 = (uint)p;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return (c0 >= threshold) | (c1 >= threshold) << 1 | (c2 >= threshold) << 2 |
           (c3 >= threshold) << 3;
}

${signature}
{
${offsets}
    __local uchar keep[${BLOCK/4}];
    const int lid = (int)get_local_id(0);
    const ulong skew = offset & 3;
    const ulong first = (ulong)get_group_id(0) * ${BLOCK};
    if (skew == 0 && first + ${BLOCK} <= (ulong)${count} && (((ulong)x | (ulong)y) & 15) == 0) {
        const ulong at = first + (ulong)lid * ${W};
        vec${W} v[${PER_ITEM}];
        #pragma unroll
        for (int u = 0; u < ${PER_ITEM}; u++)
            v[u] = whole${W}_${dtype}(x, at + u * ${WG*W});
        #pragma unroll
        for (int u = 0; u < ${PER_ITEM}; u++) {
            const ulong block = (offset + at + u * ${WG*W}) >> 2;
@if W == 8
            const uint bits =
                keep_of(block, seed, threshold) | keep_of(block + 1, seed, threshold) << 4;
@else
            const uint bits = keep_of(block, seed, threshold);
@end
@for l W
            v[u].s${l} = bits >> ${l} & 1 ? v[u].s${l} * kept : 0.0f;
@end
        }
        #pragma unroll
        for (int u = 0; u < ${PER_ITEM}; u++)
            put_whole${W}_${dtype}(v[u], y, at + u * ${WG*W});
        return;
    }
    for (int b = lid; b < ${BLOCK/4}; b += ${WG})
        keep[b] = (uchar)keep_of((offset - skew + first + 4 * b) >> 2, seed, threshold);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = lid; i < ${BLOCK}; i += ${WG}) {
        /* In the first group it may be below 0, which as an unsigned number is past the end. */
        const ulong e = first + i - skew;
        if (e < (ulong)${count})
            store1_${dtype}(keep[i / 4] >> i % 4 & 1 ? load1_${dtype}(x, e) * kept : 0.0f, y, e);
    }
}
