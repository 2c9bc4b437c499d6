/* (hi + lo) / count in two floats: the nearest one, and what it lacks. An infinite sum, or NaN,
 * lacks nothing. */
static float2 mean_of(float hi, float lo, ulong count)
{
    const float n = (float)count, n_lack = (float)((long)count - (long)n);
    const float q = hi / n;
    if (!isfinite(hi))
        return (float2)(q, 0.0f);
    const float rest = (fma(-q, n, hi) - q * n_lack + lo) / n;
    const float mean = q + rest;
    return (float2)(mean, rest - (mean - q));
}

