@# The derivative of GELU's two forms by dy. Both are level + x change; for x < 0 a factor that goes
@# to 0 is split in two, h and h, so that no part is subnormal before the result is. Past |x| = 30
@# it is 0, and x itself makes NaN of an infinity there.
@include exp_vector.cl

@if approx == 'tanh'
/* sigma = (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)); gelu' = sigma + x sigma (1 - sigma) 2u'. With
 * e = exp(-2|u|), sigma is 1 or e by 1 + e, and sigma (1 - sigma) is e / (1 + e)^2. */
static vec${W} gelu_backward_tanh${W}(vec${W} dy, vec${W} x)
{
    const vec${W} a = fmin(fabs(x), 30.0f);
    const vec${W} square = a * a;
    const vec${W} twice_u = 1.5957691216f * a * (1.0f + 0.044715f * square);
    const vec${W} slope = 1.5957691216f * (1.0f + 0.134145f * square);
    const vec${W} h = exp_below${W}(-0.5f * twice_u);
    const vec${W} r = 1.0f / (1.0f + h * h);
    const vec${W} change = x * h * (slope * r);
    const vec${W} below = dy * r * (h + change) * h;
    const vec${W} above = dy * r * (1.0f + change * h);
    return x < 0.0f ? below : above;
}
@else
/* gelu' = Phi(x) + x phi(x), of which exp(-x^2/2) = h h is a factor in the tail: Phi(-|x|) is
 * h h erfcx(z) / 2, z = |x| / sqrt(2). erfcx(z) / 2 is t p(t), t = 1/(1 + z/2); p is the Chebyshev
 * interpolant of degree 8 on 0 <= z <= 14.2, off by 8e-8. */
static vec${W} gelu_backward_none${W}(vec${W} dy, vec${W} x)
{
    const vec${W} a = fmin(fabs(x), 30.0f);
    const vec${W} t = 1.0f / (1.0f + 0.35355339f * a);
    vec${W} p = -3.039248101e-02f;
    p = fma(p, t, 1.462783217e-01f);
    p = fma(p, t, -2.514069676e-01f);
    p = fma(p, t, 1.473798454e-01f);
    p = fma(p, t, -1.861561835e-02f);
    p = fma(p, t, 1.033812538e-01f);
    p = fma(p, t, 1.210920289e-01f);
    p = fma(p, t, 1.412431151e-01f);
    p = fma(p, t, 1.410404742e-01f);
    const vec${W} h = exp_below${W}(-0.25f * a * a);
    const vec${W} change = 0.39894228f * x * h;
    const vec${W} tail = t * p * h;
    const vec${W} below = dy * (change + tail) * h;
    const vec${W} above = dy * (1.0f + (change - tail) * h);
    return x < 0.0f ? below : above;
}
@end

