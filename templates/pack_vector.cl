@let T dtype == 'f32' ? 'uint' : 'ushort'
/* b${trans_b ? '[n,k]' : '[k,n]'} to panels of 64 columns, [n/64][k][64], padded by zeros; k to a multiple of 16.
 *
 * A work-item makes ${KB} rows of a panel. Bits are moved as they are, NaN's too.
 */
${signature}
{
${offsets}
    const ulong panel = get_group_id(0) / ${BLOCKS};
    const long l0 = (long)(get_group_id(0) % ${BLOCKS}) * ${KB};
    const long n0 = (long)panel * 64;
    const int rows = (int)min((long)${KB}, ${padded_k} - l0);
    const int filled = (int)clamp(${k} - l0, 0L, (long)rows);
    const int cols = (int)min(64L, ${n} - n0);
    __global const ${T} *from = (__global const ${T} *)b;
    __global ${T} *to = (__global ${T} *)packed + (panel * ${padded_k} + l0) * 64;

@if trans_b
    from += (ulong)n0 * ${ldb} + l0;
    for (int l = 0; l < filled; l += 16) {
        for (int j = 0; j < cols; j++) {
            __global const ${T} *run = from + (ulong)j * ${ldb} + l;
            if (l + 16 <= filled) {
                #pragma unroll
                for (int i = 0; i < 16; i++)
                    to[(l + i) * 64 + j] = run[i];
            } else {
                for (int i = 0; i < filled - l; i++)
                    to[(l + i) * 64 + j] = run[i];
            }
        }
    }
@else
    from += (ulong)l0 * ${ldb} + n0;
    for (int l = 0; l < filled; l++) {
        if (cols == 64) {
            #pragma unroll
            for (int v = 0; v < 4; v++)
                vstore16(vload16(v, from + (ulong)l * ${ldb}), v, to + l * 64);
        } else {
            for (int j = 0; j < cols; j++)
                to[l * 64 + j] = from[(ulong)l * ${ldb} + j];
        }
    }
@end
    for (int l = 0; l < filled; l++)
        for (int j = cols; j < 64; j++)
            to[l * 64 + j] = 0;
    for (int e = filled * 64; e < rows * 64; e++)
        to[e] = 0;
}
