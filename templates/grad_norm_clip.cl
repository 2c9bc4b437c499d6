@# The last step of grad_norm.
@include whole.cl

static void put_norm(__global float *sumsq, __global float *clip, float sum, float max_norm)
{
@if accumulate
    sum += sumsq[0];
@end
    sumsq[0] = sum;
    clip[0] = isfinite(sum) ? fmin(1.0f, max_norm / (sqrt(sum) + 1e-6f)) : 0.0f;
}

