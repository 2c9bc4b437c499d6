@# One exp for vectors that needs no call; what the rows' weights need of it.
/* exp(x) for x <= 0, to 2 units of the last place; NaN stays NaN, and what is below the smallest
 * normal number may be 0. x = k ln2 + r, exp(r) by Cephes' polynomial; adding 1.5 2^23 rounds to a
 * whole k, which then stands in the sum's last bits. */
static vec16 exp_below(vec16 x)
{
    const vec16 t = x < -88.0f ? (vec16)(-88.0f) : x;
    const vec16 shifted = fma(t, (vec16)(1.44269504f), (vec16)(12582912.0f));
    const vec16 k = shifted - 12582912.0f;
    const vec16 r = fma(k, (vec16)(2.12194440e-4f), fma(k, (vec16)(-0.693359375f), t));
    vec16 p = 1.9875691500e-4f;
    p = fma(p, r, (vec16)(1.3981999507e-3f));
    p = fma(p, r, (vec16)(8.3334519073e-3f));
    p = fma(p, r, (vec16)(4.1665795894e-2f));
    p = fma(p, r, (vec16)(1.6666665459e-1f));
    p = fma(p, r, (vec16)(5.0000001201e-1f));
    p = fma(p, r * r, r) + 1.0f;
    return p * as_float16((as_int16(shifted) + 127) << 23);
}

