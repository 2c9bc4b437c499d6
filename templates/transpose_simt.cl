@let T dtype == 'f32' ? 'uint' : 'ushort'
/* y = x^T for each of batch matrices, x[m,n]: bits are moved as they are, NaN's too.
 *
 * A group of ${WG} takes a tile of 32 x 32: rows of x are read into local memory, its columns are
 * written as rows of y, so that neighbours touch neighbours on both sides. A row there has an
 * element more, so that a column lies in as many banks.
 */
${signature}
{
${offsets}
    __local ${T} kept[32 * 33];
    const ulong tiles_n = ${TILES_N};
    const ulong tiles = ${TILES};
    const ulong tile = get_group_id(0) % tiles;
    const ulong matrix = get_group_id(0) / tiles;
    const ulong i0 = tile / tiles_n * 32;
    const ulong j0 = tile % tiles_n * 32;
    const int rows = (int)min((ulong)32, (ulong)${m} - i0);
    const int cols = (int)min((ulong)32, (ulong)${n} - j0);
    const ulong from_row = ${n}, to_row = ${m};
    __global const ${T} *from =
        (__global const ${T} *)x + matrix * from_row * to_row + i0 * from_row + j0;
    __global ${T} *to = (__global ${T} *)y + matrix * from_row * to_row + j0 * to_row + i0;
    const int lid = (int)get_local_id(0);

    for (int e = lid; e < 1024; e += ${WG}) {
        const int i = e / 32, j = e % 32;
        if (i < rows && j < cols)
            kept[i * 33 + j] = from[i * from_row + j];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int e = lid; e < 1024; e += ${WG}) {
        const int j = e / 32, i = e % 32;
        if (i < rows && j < cols)
            to[j * to_row + i] = kept[i * 33 + j];
    }
}
