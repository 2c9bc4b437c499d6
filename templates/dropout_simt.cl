/* y[e] = x[e]/(1-p) where word c mod 4 of Philox4x32-10's block c div 4 is at least threshold, else
 * 0; c = offset + e.
 *
 * A group of ${WG} takes the ${BLOCK} elements of ${BLOCK/4} of the generator's blocks. A work-item
 * makes ${PER_ITEM} of these blocks and leaves in local memory what is kept; then neighbours touch
 * neighbours. x and y may be the same memory.
 */
static uint4 philox(ulong block, ulong seed)
{
    uint4 c = (uint4)((uint)block, (uint)(block >> 32), 0, 0);
    uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        const uint p = 0xd2511f53u * c.x, q = 0xcd9e8d57u * c.z;
        c = (uint4)(mul_hi(0xcd9e8d57u, c.z) ^ c.y ^ k0, q, mul_hi(0xd2511f53u, c.x) ^ c.w ^ k1, p);
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return c;
}

${signature}
{
${offsets}
    __local uchar keep[${BLOCK/4}];
    const int lid = (int)get_local_id(0);
    const ulong skew = offset & 3;
    const ulong first = (ulong)get_group_id(0) * ${BLOCK};
    for (int b = lid; b < ${BLOCK/4}; b += ${WG}) {
        const uint4 w = philox((offset - skew + first + 4 * b) >> 2, seed);
        keep[b] = (uchar)((w.x >= threshold) | (w.y >= threshold) << 1 | (w.z >= threshold) << 2 |
                          (w.w >= threshold) << 3);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = lid; i < ${BLOCK}; i += ${WG}) {
        /* In the first group it may be below 0, which as an unsigned number is past the end. */
        const ulong e = first + i - skew;
        if (e < (ulong)${count})
            store1_${dtype}(keep[i / 4] >> i % 4 & 1 ? load1_${dtype}(x, e) * kept : 0.0f, y, e);
    }
}
