@# What every form of attention knows of scores: what a query sees, and what is done to a product.
@# Positions are those of keys: query `row` stands at i = row + shift, shift = seq_k - seq_q. Wants
@# BACKWARD: what gradients need besides. BASE_2: scores in base 2, by few instructions of sm_90 and with
@# distances that are floats already.
@include alibi_slope.cl
/* The query at i sees the keys from first_key(i) on, before stop_key(i). */
static long first_key(long i)
{
@if window
    return max(0L, i - ${window - 1}L);
@else
    return 0;
@end
}

static long stop_key(long i, long seq_k)
{
@if causal
    return min(seq_k, i + 1);
@elif window
    return min(seq_k, i + ${window}L);
@else
    return seq_k;
@end
}

@if BACKWARD
/* The key at j is seen by the queries from row first_query(j) on, before stop_query(j). */
static long first_query(long j, long shift)
{
@if causal
    return max(0L, j - shift);
@elif window
    return max(0L, j - shift - ${window - 1}L);
@else
    return 0;
@end
}

static long stop_query(long j, long shift, long seq_q)
{
@if window
    return min(seq_q, j - shift + ${window}L);
@else
    return seq_q;
@end
}

@end
@if defined(BASE_2)
/* Of the product of a query and a key that stand `distance` apart, in base 2; slope is too. */
static float score_of(float product, float distance, float slope)
{
@if softcap > 0
    /* tanh(x) = 1 - 2 / (1 + e^2x) */
    float e, part;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(product * ${2*1.4426950408889634*scale/softcap}));
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(part) : "f"(1.0f + e));
    const float score = fma(part, ${-2*1.4426950408889634*softcap}, ${1.4426950408889634*softcap});
@else
    const float score = product * ${1.4426950408889634*scale};
@end
@if alibi
    return fma(-slope, fabs(distance), score);
@else
    return score;
@end
}
@else
/* Of the product of a query and a key that stand `distance` apart. */
static float score_of(float product, long distance, float slope)
{
@if softcap > 0
    const float score = ${softcap} * tanh(product * ${scale/softcap});
@else
    const float score = product * ${scale};
@end
@if alibi
    return fma(-slope, (float)abs(distance), score);
@else
    return score;
@end
}
@end
@if BACKWARD

/* By how much the score changes with the product: 1 - tanh^2 without its cancellation. */
static float score_change(float product)
{
@if softcap > 0
    const float e = exp(-2.0f * fabs(product * ${scale/softcap}));
    return ${4*scale} * e / ((1.0f + e) * (1.0f + e));
@else
    return ${scale};
@end
}
@end
