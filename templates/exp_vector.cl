@# One exp for vectors that needs no call; what the rows' weights need of it.
@include inline.cl
/* exp(x) for x <= 0, to 2 units of the last place; NaN stays NaN, and what is below the smallest
 * normal number may be 0. x = k ln2 + r, exp(r) by Cephes' polynomial; adding 1.5 2^23 rounds to a
 * whole k, which then stands in the sum's last bits. */
static ${INLINE} vec${W} exp_below(vec${W} x)
{
    const vec${W} t = x < -88.0f ? (vec${W})(-88.0f) : x;
    const vec${W} shifted = fma(t, (vec${W})(1.44269504f), (vec${W})(12582912.0f));
    const vec${W} k = shifted - 12582912.0f;
    const vec${W} r = fma(k, (vec${W})(2.12194440e-4f), fma(k, (vec${W})(-0.693359375f), t));
    vec${W} p = 1.9875691500e-4f;
    p = fma(p, r, (vec${W})(1.3981999507e-3f));
    p = fma(p, r, (vec${W})(8.3334519073e-3f));
    p = fma(p, r, (vec${W})(4.1665795894e-2f));
    p = fma(p, r, (vec${W})(1.6666665459e-1f));
    p = fma(p, r, (vec${W})(5.0000001201e-1f));
    p = fma(p, r * r, r) + 1.0f;
    return p * as_float${W}((as_int${W}(shifted) + 127) << 23);
}

