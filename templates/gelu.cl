@# GELU's two forms; see kiln_approx in kiln.h.
@if approx == 'tanh'
/* 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)): one exp, and no cancellation for x < 0. */
static vec${W} gelu_tanh${W}(vec${W} x)
{
    const vec${W} u = 0.7978845608f * (x + 0.044715f * x * x * x);
    return x / (1.0f + exp(-2.0f * u));
}
@else
/* x Phi(x) = relu(x) - |x|/2 erfc(|x|/sqrt(2)), which keeps the tail that 1 + erf loses. erfc(z) is
 * t exp(p(t) - z^2) with t = 1/(1 + 0.4 z); p is the Chebyshev interpolant of degree 9 on
 * 0 <= z <= 10.5, off by 5e-8: one exp and no call for each lane. Past |x| = 20 erfc is 0; the
 * sum of halves is relu that keeps NaN. */
static vec${W} gelu_none${W}(vec${W} x)
{
    const vec${W} a = fmin(fabs(x), 20.0f);
    const vec${W} z = 0.70710678f * a;
    const vec${W} t = 1.0f / (1.0f + 0.4f * z);
    vec${W} p = 6.046594209e-02f;
    p = fma(p, t, -5.377872084e-01f);
    p = fma(p, t, 1.704826014e+00f);
    p = fma(p, t, -2.529271738e+00f);
    p = fma(p, t, 1.867130055e+00f);
    p = fma(p, t, -9.080291483e-01f);
    p = fma(p, t, 4.598985187e-01f);
    p = fma(p, t, 3.659816850e-01f);
    p = fma(p, t, 1.005698286e+00f);
    p = fma(p, t, -1.488912445e+00f);
    return 0.5f * x + 0.5f * fabs(x) - 0.5f * a * t * exp(p - z * z);
}
@end

