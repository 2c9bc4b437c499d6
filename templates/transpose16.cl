@# 16 x 16 elements of type T in registers; written for every kernel that turns blocks round.
/* Element (i, j) moves to (j, i): rows i and i + 8 are interleaved, which turns the eight bits of the
 * two indexes round by one, four times. */
@# Written out, lane by lane, it becomes one shuffle of two vectors; .even and .odd became three.
static void transpose16(${T}16 *t)
{
    ${T}16 s[16];
    #pragma unroll
    for (int round = 0; round < 4; round++) {
        #pragma unroll
        for (int i = 0; i < 8; i++) {
            const ${T}16 a = t[i], b = t[i + 8];
            s[2 * i] = (${T}16)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3,
                             a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7);
            s[2 * i + 1] = (${T}16)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb,
                                 a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf);
        }
        #pragma unroll
        for (int i = 0; i < 16; i++)
            t[i] = s[i];
    }
}
