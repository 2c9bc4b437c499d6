@# The place of tile number `index` of ${BM} x ${BC} elements of c: ${GM} rows of tiles at a time, and in them
@# column by column, so that the groups at work share what they read.
            const ulong matrix = index / (tiles_m * tiles_n), tile = index % (tiles_m * tiles_n);
            const ulong band = tile / (${GM} * tiles_n), in_band = tile % (${GM} * tiles_n);
            const ulong height = min((ulong)${GM}, tiles_m - band * ${GM});
            const long m0 = (long)(band * ${GM} + in_band % height) * ${BM};
            const long n0 = (long)(in_band / height) * ${BC};
