@# What every form of attention knows of scores: what a query sees, and what is done to a product.
@# Positions are those of keys: query `row` stands at i = row + seq_k - seq_q.
@if alibi
/* 2^(-8 (head+1) / heads); where heads is no power of two, the slopes of the power below it, then
 * every second one of the power above. Press, Smith and Lewis, arXiv:2108.12409. */
static float alibi_slope(uint head)
{
    const uint below = 0x80000000u >> clz((uint)${heads});
    const float step = head < below ? head + 1 : (head - below) + 0.5f;
    return exp2(-8.0f * step / (float)below);
}

@end
/* The query at i sees the keys from first_key(i) on, up to stop_key(i); the key at j is seen by
 * the queries from first_query(j) on, up to stop_query(j). */
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
