@# Reductions over a work-group of WG by a tree in local memory, all work-items in step: of sums, and
@# where LARGEST or EXACT ask for it, of the largest value and of sums in two floats.
@let HALF WG > 512 ? 512 : WG > 256 ? 256 : WG > 128 ? 128 : WG > 64 ? 64 : WG > 32 ? 32 : 16
static float group_sum(__local float *lane, int lid, float v)
{
    lane[lid] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int reach = ${HALF}; reach > 0; reach >>= 1) {
        if (lid < reach && lid + reach < ${WG})
            lane[lid] += lane[lid + reach];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const float sum = lane[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return sum;
}
@if LARGEST

/* NaN is left out. */
static float group_max(__local float *lane, int lid, float v)
{
    lane[lid] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int reach = ${HALF}; reach > 0; reach >>= 1) {
        if (lid < reach && lid + reach < ${WG})
            lane[lid] = fmax(lane[lid], lane[lid + reach]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const float top = lane[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return top;
}
@end
@if EXACT

@let W 1
@include exact_sum.cl

/* The sum of all hi + lo, in two floats; lane has room for two of each work-item. */
static float2 group_exact_sum(__local float *lane, int lid, float hi, float lo)
{
    lane[lid] = hi;
    lane[lid + ${WG}] = lo;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int reach = ${HALF}; reach > 0; reach >>= 1) {
        if (lid < reach && lid + reach < ${WG}) {
            add_exactly1(&hi, &lo, lane[lid + reach]);
            lo += lane[lid + reach + ${WG}];
            lane[lid] = hi;
            lane[lid + ${WG}] = lo;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const float2 sum = (float2)(lane[0], lane[${WG}]);
    barrier(CLK_LOCAL_MEM_FENCE);
    return sum;
}
@end

