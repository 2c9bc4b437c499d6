/* y = x, as plainly as a device can: what memory gives to a kernel that reads and writes once.
@if CPU
 *
 * A work-item copies a block of ${BLOCK} floats by vectors of 16.
@else
 *
 * A group copies a block of ${BLOCK} floats; a work-item takes 16 bytes, a group apart.
@end
 */
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void ceiling_copy(__global const float *restrict x, __global float *restrict y)
{
    const ulong first = (ulong)get_group_id(0) * ${BLOCK};
@if CPU
    for (ulong i = first; i < first + ${BLOCK}; i += 16)
        *(__global float16 *)(y + i) = *(__global const float16 *)(x + i);
@else
    __global const float4 *from = (__global const float4 *)(x + first);
    __global float4 *to = (__global float4 *)(y + first);
    const int lid = (int)get_local_id(0);
@let ITEMS BLOCK / (4*WG)
@for i ITEMS
    const float4 v${i} = from[lid + ${i*WG}];
@end
@for i ITEMS
    to[lid + ${i*WG}] = v${i};
@end
@end
}
