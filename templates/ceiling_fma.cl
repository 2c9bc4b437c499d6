/* The device's f32 multiply-adds alone: ${CHAINS} chains a work-item that do not wait for each
 * other, of vectors of ${W}, `rounds` times ${UNROLL} steps each. No memory but the result's.
 *
 * x <- a x + b goes to b / (1 - a) from wherever it starts, so that the sum over the chains is known.
 */
@if W == 1
typedef float vec;
@else
typedef float${W} vec;
@end

__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void ceiling_fma(__global float *restrict out, const float a, const float b, const int rounds)
{
    const ulong at = get_global_id(0);
    const vec step = a, more = b;
@for c CHAINS
    vec x${c} = (float)(at % 7) + ${c}.0f;
@end
    for (int r = 0; r < rounds; r++) {
@for u UNROLL
@for c CHAINS
        x${c} = fma(x${c}, step, more);
@end
@end
    }
@for c CHAINS
@if c > 0
    x0 += x${c};
@end
@end
@if W == 1
    out[at] = x0;
@else
    vstore${W}(x0, at, out);
@end
}
