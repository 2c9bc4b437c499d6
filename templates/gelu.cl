@# GELU's two forms; see kiln_approx in kiln.h.
@include exp_vector.cl
@# A vector of several registers would go to a function and back through memory.

@if approx == 'tanh'
/* 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)): one exp, and no cancellation for x < 0. The factors are
 * those of -2u log2(e). */
@if W > SIMD
${INLINE}
@end
static vec${W} gelu_tanh${W}(vec${W} x)
{
    const vec${W} power = x * fma(x * x, (vec${W})(-0.10294324f), (vec${W})(-2.3022082f));
    return x / (1.0f + exp2_near${W}(power));
}
@else
/* x Phi(x) = relu(x) - |x| Phi(-|x|), which keeps the tail that 1 + erf loses. Phi(-a) is
 * t p(t) exp(-a^2/2), t = 1/(1 + 0.3 a); p is of degree 7 and of the least relative error, 1.2e-7,
 * over 0 <= a <= 13.3 (Remez's exchange). From 13.26 on exp is 0 or the least float; 0 x makes NaN of
 * -inf. */
@if W > SIMD
${INLINE}
@end
static vec${W} gelu_none${W}(vec${W} x)
{
    const vec${W} a = fabs(x) < 13.26f ? fabs(x) : (vec${W})(13.26f);
    const vec${W} t = 1.0f / fma(a, (vec${W})(0.3f), (vec${W})(1.0f));
    vec${W} p = 3.603615239e-02f;
    p = fma(p, t, (vec${W})(-1.587130278e-01f));
    p = fma(p, t, (vec${W})(2.089636326e-01f));
    p = fma(p, t, (vec${W})(-5.609504879e-02f));
    p = fma(p, t, (vec${W})(1.298429966e-01f));
    p = fma(p, t, (vec${W})(9.952318668e-02f));
    p = fma(p, t, (vec${W})(1.208168715e-01f));
    p = fma(p, t, (vec${W})(1.196251661e-01f));
    const vec${W} e = exp2_within${W}(-0.72134752f * a * a);
    const vec${W} down = -x > a ? -x : a, up = x < 0.0f ? 0.0f * x : x;
    return fma(down * t * p, -e, up);
}
@end
