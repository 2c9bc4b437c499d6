@# GELU's two forms; see kiln_approx in kiln.h.
@if approx == 'tanh'
/* 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)): one exp, and no cancellation for x < 0. */
static vec${W} gelu_tanh${W}(vec${W} x)
{
    const vec${W} u = 0.7978845608f * (x + 0.044715f * x * x * x);
    return x / (1.0f + exp(-2.0f * u));
}
@else
/* x Phi(x) by erfc, which keeps the tail that 1 + erf loses. */
static vec${W} gelu_none${W}(vec${W} x)
{
    return 0.5f * x * erfc(-0.70710678f * x);
}
@end

