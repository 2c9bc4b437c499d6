@# How tiles of attention come into local memory. Wants R and C, the rows of the group's own tile
@# and of the tiles that it meets; OWN_STRIDE and MET_STRIDE, elements from row to row of the two.
@let T dtype == 'f32' ? 'float' : dtype == 'f16' ? 'half' : 'ushort'
@let Y WG/X
@let NJ ceildiv(head_dim,X)
@let WIDE NJ*X
@for side 2
@let H side == 0 ? R : C
@let STRIDE side == 0 ? OWN_STRIDE : MET_STRIDE
/* Columns l0 to l0 + ${DK} of `there` rows of ${head_dim}, as to[column][row]; zeros beyond. */
static void bring_${side == 0 ? 'own' : 'met'}(__local float *to, __global const ${T} *from, int there, int l0,
                      int lid)
{
    for (int e = lid; e < ${H*DK}; e += ${WG}) {
        const int l = e % ${DK}, row = e / ${DK};
        float v = 0.0f;
        if (row < there && l0 + l < ${head_dim})
            v = load1_${dtype}(from, (ulong)row * ${STRIDE} + (l0 + l));
        to[l * ${H + 1} + row] = v;
    }
}

@end
