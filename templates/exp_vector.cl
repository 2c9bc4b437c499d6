@# Exponentials for vectors of ${W} that need no call, over what the kernels need of their range; for
@# one float, and on GPUs, OpenCL's own. The polynomials are of degree 5 and of the least relative error (Remez's
@# exchange): 1.1e-7 over |r| <= ln2/2 with 1 and 1 as their first coefficients, and 7.5e-8 over
@# |f| <= 1/2. Adding 1.5 2^23 + 127 rounds to a whole k, which then stands in the sum's last bits as
@# 2^k's exponent.
@include inline.cl
@if W == 1 || !CPU
static vec${W} exp_below${W}(vec${W} x)
{
    return exp(x);
}

static vec${W} exp2_within${W}(vec${W} x)
{
    return exp2(x);
}

static vec${W} exp2_near${W}(vec${W} x)
{
    return exp2(x);
}
@else
/* exp(x) for x < 88, to 2.2 units of the last place; NaN stays NaN, and what is below the smallest
 * normal number may be 0. x = k ln2 + r. */
static ${INLINE} vec${W} exp_below${W}(vec${W} x)
{
    const vec${W} t = x < -88.0f ? (vec${W})(-88.0f) : x;
    const vec${W} shifted = fma(t, (vec${W})(1.44269504f), (vec${W})(12583039.0f));
    const vec${W} k = shifted - 12583039.0f;
    const vec${W} r = fma(k, (vec${W})(2.12194440e-4f), fma(k, (vec${W})(-0.693359375f), t));
    vec${W} p = 8.312480524e-3f;
    p = fma(p, r, (vec${W})(4.189055040e-2f));
    p = fma(p, r, (vec${W})(1.666711569e-1f));
    p = fma(p, r, (vec${W})(4.999922812e-1f));
    p = fma(p, r, (vec${W})(1.0f));
    p = fma(p, r, (vec${W})(1.0f));
    return p * as_float${W}(as_int${W}(shifted) << 23);
}

/* 2^x for -127.4 < x < 128.4, to 3 units of the last place; 0 from -126.5 down, infinite from 127.5 up;
 * NaN stays NaN. x = k + f. */
static ${INLINE} vec${W} exp2_within${W}(vec${W} x)
{
    const vec${W} shifted = x + 12583039.0f;
    const vec${W} f = x - (shifted - 12583039.0f);
    vec${W} p = 1.327636419e-3f;
    p = fma(p, f, (vec${W})(9.675655514e-3f));
    p = fma(p, f, (vec${W})(5.550714582e-2f));
    p = fma(p, f, (vec${W})(2.402211726e-1f));
    p = fma(p, f, (vec${W})(6.931469440e-1f));
    p = fma(p, f, (vec${W})(1.000000119f));
    return p * as_float${W}(as_int${W}(shifted) << 23);
}

/* The same for every x. */
static ${INLINE} vec${W} exp2_near${W}(vec${W} x)
{
    const vec${W} t = x < -127.0f ? (vec${W})(-127.0f) : x;
    return exp2_within${W}(t > 128.0f ? (vec${W})(128.0f) : t);
}
@end
