#line 1 "kernels.cl.in"
/* dropout: y = keep ? x/(1-p) : 0, keep by Philox4x32-10 of seed, offset and place
 * spec     dropout m=? n=? dtype=f16 variant=simt
 * variant  simt  WG=256 PER_ITEM=2
 */
#line 4 "access.cl"
typedef float vec1;

#line 115 "access.cl"
static vec1 load1_f16(__global const half *p, ulong i)
{
    return vload_half(0, p + i);
}

static void store1_f16(vec1 v, __global half *p, ulong i)
{
    vstore_half_rte(v, 0, p + i);
}

#line 1 "dropout_simt.cl"
/* y[e] = x[e]/(1-p) where word c mod 4 of Philox4x32-10's block c div 4 is at least threshold, else
 * 0; c = offset + e.
 *
 * A group of 256 takes the 2048 elements of 512 of the generator's blocks. A work-item
 * makes 2 of these blocks and leaves in local memory what is kept; then neighbours touch
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

__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void dropout(__global const half *x, const ulong x_offset,
             __global half *y, const ulong y_offset,
             const long m,
             const long n,
             const uint threshold,
             const float kept,
             const ulong seed,
             const ulong offset)
#line 22 "dropout_simt.cl"
{
    x += x_offset;
    y += y_offset;
#line 24 "dropout_simt.cl"
    __local uchar keep[512];
    const int lid = (int)get_local_id(0);
    const ulong skew = offset & 3;
    const ulong first = (ulong)get_group_id(0) * 2048;
    for (int b = lid; b < 512; b += 256) {
        const uint4 w = philox((offset - skew + first + 4 * b) >> 2, seed);
        keep[b] = (uchar)((w.x >= threshold) | (w.y >= threshold) << 1 | (w.z >= threshold) << 2 |
                          (w.w >= threshold) << 3);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = lid; i < 2048; i += 256) {
        /* In the first group it may be below 0, which as an unsigned number is past the end. */
        const ulong e = first + i - skew;
        if (e < (ulong)(m * n))
            store1_f16(keep[i / 4] >> i % 4 & 1 ? load1_f16(x, e) * kept : 0.0f, y, e);
    }
}
