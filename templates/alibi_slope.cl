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
