@# Reductions of a vector of 16 to one float, and sums that lose nothing.
static float sum16(vec16 v)
{
    const float8 a = v.lo + v.hi;
    const float4 b = a.lo + a.hi;
    const float2 c = b.lo + b.hi;
    return c.x + c.y;
}

/* The larger of each pair; a NaN in a is left out. */
static vec16 larger16(vec16 a, vec16 b)
{
    return a > b ? a : b;
}

static float largest16(vec16 v)
{
    const float8 a = v.lo > v.hi ? v.lo : v.hi;
    const float4 b = a.lo > a.hi ? a.lo : a.hi;
    const float2 c = b.lo > b.hi ? b.lo : b.hi;
    return c.x > c.y ? c.x : c.y;
}

/* v with its lanes from count on replaced. */
static vec16 first_lanes(vec16 v, int count, float other)
{
    const int16 lane = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return lane < (int16)(count) ? v : (vec16)(other);
}
