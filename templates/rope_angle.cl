@# What every form of rope knows of angles; the including file sets HALF and WIDTHS, how many of
@# the widths 1, 4, 8, 16 it needs.
/* How far a pair turns from one position to the next, theta^(-2i/rotary_dim), as a fraction of a
 * whole turn, in units of 2^-63. A position times it, modulo a whole turn, is exact in 64 bits,
 * however large the position.
 */
__constant ulong turns[${roundup(HALF,4)}] = {
@for row ceildiv(HALF,4)
@let t0 pow(max(theta,1e-60),-8.0*row/rotary_dim)/6.283185307179586 % 1.0
@let t1 pow(max(theta,1e-60),-(8.0*row+2)/rotary_dim)/6.283185307179586 % 1.0
@let t2 pow(max(theta,1e-60),-(8.0*row+4)/rotary_dim)/6.283185307179586 % 1.0
@let t3 pow(max(theta,1e-60),-(8.0*row+6)/rotary_dim)/6.283185307179586 % 1.0
@let unit 9223372036854775808.0
    ${trunc(t0*unit)}ul, ${trunc(t1*unit)}ul, ${trunc(t2*unit)}ul, ${trunc(t3*unit)}ul,
@end
};
@for w WIDTHS
@let W w == 0 ? 1 : w == 1 ? 4 : w == 2 ? 8 : 16
@let N W == 1 ? '' : W

/* cos and sin of ${W == 1 ? 'pair i' : 'the pairs from i on'} at a position. The nearest quarter turn is taken off; for the rest,
 * within pi/4 of 0, there are polynomials.
 */
@# Their coefficients are those of sinf and cosf in Moshier's Cephes library.
static void turn_${W}(int position, int i, vec${W} *c, vec${W} *s)
{
@if W == 1
    const ulong each = turns[i];
@else
    const ulong${N} each = vload${N}(0, turns + i);
@end
    uint${N} turn = convert_uint${N}(each * (ulong)abs(position) >> 31 & 0xffffffffu);
    if (position ${inverse ? '>' : '<'} 0)
        turn = -turn;
    const uint${N} quarter = (turn + 0x20000000u) >> 30;
    const vec${W} x = convert_float${N}(as_int${N}(turn - (quarter << 30))) * 1.46291807926716e-9f;
    const vec${W} xx = x * x;
    vec${W} sine = fma(xx, (vec${W})(-1.9515295891e-4f), (vec${W})(8.3321608736e-3f));
    sine = fma(xx, sine, (vec${W})(-1.6666654611e-1f));
    sine = fma(xx * x, sine, x);
    vec${W} cosine = fma(xx, (vec${W})(2.443315711809948e-5f), (vec${W})(-1.388731625493765e-3f));
    cosine = fma(xx, cosine, (vec${W})(4.166664568298827e-2f));
    cosine = fma(xx * xx, cosine, fma(xx, (vec${W})(-0.5f), (vec${W})(1.0f)));
    /* select() looks at the highest bit of vectors, at all of a scalar. */
    const int${N} odd = as_int${N}(quarter << 31);
    const uint${N} c_sign = (quarter + 1u) >> 1 << 31, s_sign = quarter >> 1 << 31;
    *c = as_float${N}(as_uint${N}(select(cosine, sine, odd)) ^ c_sign);
    *s = as_float${N}(as_uint${N}(select(sine, cosine, odd)) ^ s_sign);
}
@end
