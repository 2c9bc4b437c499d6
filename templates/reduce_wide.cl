@# Reductions over a work-group of WG, a multiple of 64, all work-items in step: by 32 of them to 32 values,
@# by 4 to 4, by each to 1. Of sums of type T; where LARGEST or EXACT ask for it, of the largest value and of
@# sums in two floats, too.
@for largest 1 + LARGEST
@let V largest ? 'float' : T
@let JOIN largest ? 'fmax(v, ' : 'v + ('
/* The ${largest ? 'largest; NaN is left out' : 'sum'}. */
static ${V} group_${largest ? 'max' : 'sum'}(__local ${V} *lane, int lid, ${V} v)
{
    lane[lid] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < 32) {
        for (int s = 32; s < ${WG}; s += 32)
            v = ${JOIN}lane[lid + s]);
        lane[lid] = v;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < 4) {
        for (int s = 4; s < 32; s += 4)
            v = ${JOIN}lane[lid + s]);
        lane[lid] = v;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
@if largest
    v = fmax(fmax(lane[0], lane[1]), fmax(lane[2], lane[3]));
@else
    v = lane[0] + lane[1] + (lane[2] + lane[3]);
@end
    barrier(CLK_LOCAL_MEM_FENCE);
    return v;
}

@end
@if EXACT
/* The sum of all hi + lo, in two floats. */
static float2 group_exact_sum(__local float2 *lane, int lid, float hi, float lo)
{
    lane[lid] = (float2)(hi, lo);
    barrier(CLK_LOCAL_MEM_FENCE);
@for step 2
@let BY step ? 4 : 32
    if (lid < ${BY}) {
        for (int s = ${BY}; s < ${step ? 32 : WG}; s += ${BY}) {
            add_exactly1(&hi, &lo, lane[lid + s].x);
            lo += lane[lid + s].y;
        }
        lane[lid] = (float2)(hi, lo);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
@end
    hi = lane[0].x;
    lo = lane[0].y;
    for (int s = 1; s < 4; s++) {
        add_exactly1(&hi, &lo, lane[s].x);
        lo += lane[s].y;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return (float2)(hi, lo);
}

@end
