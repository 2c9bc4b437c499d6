@let T dtype == 'f32' ? 'uint' : 'ushort'
/* b${trans_b ? '[n,k]' : '[k,n]'} to panels of 64 columns, [n/64][k][64], padded by zeros; k to a multiple of 16.
 *
 * A group of ${WG} takes 64 columns and 16 rows: they are read along b's rows into local memory and
 * written along the panel's. Bits are moved as they are, NaN's too.
 */
${signature}
{
${offsets}
    __local ${T} kept[16 * 65];
    const ulong panel = get_group_id(0) / ${BLOCKS};
    const long l0 = (long)(get_group_id(0) % ${BLOCKS}) * 16;
    const long n0 = (long)panel * 64;
    __global const ${T} *from = (__global const ${T} *)b;
    __global ${T} *to = (__global ${T} *)packed + (panel * ${padded_k} + l0) * 64;
    const int lid = (int)get_local_id(0);

    for (int e = lid; e < 1024; e += ${WG}) {
@if trans_b
        const int l = e % 16, j = e / 16;
@else
        const int j = e % 64, l = e / 64;
@end
        ${T} v = 0;
        if (n0 + j < ${n} && l0 + l < ${k})
@if trans_b
            v = from[(ulong)(n0 + j) * ${ldb} + l0 + l];
@else
            v = from[(ulong)(l0 + l) * ${ldb} + n0 + j];
@end
        kept[l * 65 + j] = v;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int e = lid; e < 1024; e += ${WG})
        to[e] = kept[e / 64 * 65 + e % 64];
}
