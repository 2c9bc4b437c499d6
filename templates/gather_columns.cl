/* Of four work-items each has own[j], two columns of block j of eight; the one numbered quad gets
 * all eight of block quad. */
static vec8 gather_columns(float2 *own, int quad)
{
    float2 got[2];
    #pragma unroll
    for (int j = 0; j < 4; j += 2) {
        const float2 give = quad & 1 ? own[j] : own[j + 1];
        const float2 take = (float2)(from_lane_xor(give.x, 1), from_lane_xor(give.y, 1));
        if (quad & 1)
            own[j] = take;
        else
            own[j + 1] = take;
    }
    #pragma unroll
    for (int j = 0; j < 2; j++) {
        const float2 give = quad & 2 ? own[j] : own[j + 2];
        got[j] = (float2)(from_lane_xor(give.x, 2), from_lane_xor(give.y, 2));
    }
    return quad & 2 ? (vec8)(got[0], got[1], own[2], own[3]) : (vec8)(own[0], own[1], got[0], got[1]);
}
