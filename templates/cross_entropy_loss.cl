@# What a token's row comes to, for every variant: sum is that of exp(logit - base).
/* Logits' differences come before the logarithm, since large ones cancel. */
static float loss_of(float base, float sum, float average, float hit)
{
    const float rest = log(sum);
    float loss = rest + ${1 - label_smoothing} * (base - hit);
@if label_smoothing != 0
    loss += ${label_smoothing} * (base - average);
@end
@if z_loss != 0
    const float lse = base + rest;
    loss += ${z_loss} * lse * lse;
@end
    return loss;
}
@if dlogits

/* What exp(logit - base) is multiplied by in dlogits. */
static float slope_of(float base, float sum)
{
@if z_loss != 0
    return (1.0f + ${2 * z_loss} * (base + log(sum))) / sum;
@else
    return 1.0f / sum;
@end
}
@end

