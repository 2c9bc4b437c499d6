@if centred
/* dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma, and the sums over rows that make
 * dgamma${beta ? ' and dbeta' : ''}, on a GPU.
@else
/* dx = rstd (g - xhat mean(g xhat)), g = dy (gamma + ${unit_offset}), and the sums over rows that make dgamma,
 * on a GPU.
@end
 *
 * A group of ${WG} takes its share of the rows, one after the other. A work-item has ${PER_ITEM} times ${W} neighbours,
 * 16 bytes, ${WG*W} columns apart; while it works on a row's, the next row's are on their way. Its own sums
 * over rows grow in registers and end in parts[which][group].
@if LOCAL_GAMMA
 * gamma waits in local memory: a load from the cache would come behind the next row's.
@end
 */
@let LARGEST 0
@let EXACT 0
@let T centred ? 'float2' : 'float'
@let EVEN n % (WG*W) == 0
@include reduce_wide.cl
@include bits.cl

@include bits_upto.cl

static float sum_of(vec${W} v)
{
    return ${W == 8 ? 'v.s0 + v.s4 + (v.s1 + v.s5) + (v.s2 + v.s6 + (v.s3 + v.s7))' : 'v.s0 + v.s1 + (v.s2 + v.s3)'};
}

@let OF_WEIGHT unit_offset ? ' + 1.0f' : ''
${signature}
{
${offsets}
    __local ${T} lane[${WG}];
@if LOCAL_GAMMA
    __local uint4 gammas[${WG*PER_ITEM}];
@end
    const int lid = (int)get_local_id(0);
    const ulong share = ${SHARE}, padded = ${PADDED};
    const ulong first = get_group_id(0) * share;
    const ulong stop = min(first + share, (ulong)${m});
    const ulong addresses = (ulong)dy | (ulong)x | (ulong)gamma | (ulong)dx | ${n % W};
    const int whole = (addresses & 15) == 0;
    vec${W} dgamma_sum[${PER_ITEM}];
@if beta
    vec${W} dbeta_sum[${PER_ITEM}];
@end
    uint4 next_d[${PER_ITEM}], next_x[${PER_ITEM}];
    float next_scale;
@if centred
    float next_centre;
@end
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++) {
@if LOCAL_GAMMA
        gammas[lid + u * ${WG}] = bits_upto(gamma, (lid + u * ${WG}) * ${W}, ${n} - (lid + u * ${WG}) * ${W});
@end
        dgamma_sum[u] = 0.0f;
@if beta
        dbeta_sum[u] = 0.0f;
@end
    }
@for turn 2
@# Turn 0: the first row's, before the loop; turn 1: those of the row behind the present one.
@let ROW turn ? '(row + 1)' : 'first'
@if turn
    for (ulong row = first; row < stop; row++) {
        const ulong at = row * ${n};
        uint4 d_bits[${PER_ITEM}], x_bits[${PER_ITEM}];
        #pragma unroll
        for (int u = 0; u < ${PER_ITEM}; u++) {
            d_bits[u] = next_d[u];
            x_bits[u] = next_x[u];
        }
        const float scale = next_scale;
@if centred
        const float centre = next_centre;
@end
@end
    if (${ROW} < stop) {
        const ulong from = ${ROW} * ${n} + lid * ${W};
        next_scale = rstd[${ROW}];
@if centred
        next_centre = mean[${ROW}];
@end
        if (whole) {
            #pragma unroll
            for (int u = 0; u < ${PER_ITEM}; u++) {
@if !EVEN
                next_d[u] = next_x[u] = 0;
                if ((lid + u * ${WG}) * ${W} >= ${n})
                    continue;
@end
                next_d[u] = *(const __global uint4 *)(dy + from + u * ${WG*W});
                next_x[u] = *(const __global uint4 *)(x + from + u * ${WG*W});
            }
        } else {
            #pragma unroll
            for (int u = 0; u < ${PER_ITEM}; u++) {
                const long left = ${n} - (lid + u * ${WG}) * ${W};
                next_d[u] = bits_upto(dy, from + u * ${WG*W}, left);
                next_x[u] = bits_upto(x, from + u * ${WG*W}, left);
            }
        }
    }
@end
        float gx_sum = 0.0f;
@if centred
        float g_sum = 0.0f;
@end
@for pass 2
@# With gamma at hand the sums ask nothing of addresses; behind a row's end dy and gamma are 0.
@let ALONE LOCAL_GAMMA && pass == 0
@for form ALONE ? 1 : 2
@if form
        } else {
@elif !ALONE
        if (whole) {
@end
            #pragma unroll
            for (int u = 0; u < ${PER_ITEM}; u++) {
@if !ALONE
                const int j = (lid + u * ${WG}) * ${W};
@end
@if !ALONE && (!EVEN || form)
                const long left = ${n} - j;
                if (left <= 0)
                    continue;
@end
@if LOCAL_GAMMA
                const vec${W} weight = values_of(gammas[lid + u * ${WG}])${OF_WEIGHT};
@else
                const vec${W} weight = load${W}_${dtype}_${form ? 'upto' : 'whole'}(gamma, j${form ? ', left' : ''})${OF_WEIGHT};
@end
                const vec${W} d = values_of(d_bits[u]);
                const vec${W} xhat = (values_of(x_bits[u])${centred ? ' - centre' : ''}) * scale;
                const vec${W} g = d * weight;
@if pass == 0
@if centred
                g_sum += sum_of(g);
@end
                gx_sum += sum_of(g * xhat);
                dgamma_sum[u] = fma(d, xhat, dgamma_sum[u]);
@if beta
                dbeta_sum[u] += d;
@end
@else
@let OUT centred ? 'scale * (g - means.x - xhat * means.y)' : 'scale * (g - xhat * means)'
                store${W}_${dtype}_${form ? 'upto' : 'whole'}(${OUT}, dx, at + j${form ? ', left' : ''});
@end
            }
@end
@if !ALONE
        }
@end
@if pass == 0
@if centred
        const float2 means = group_sum(lane, lid, (float2)(g_sum, gx_sum)) / (float)${n};
@else
        const float means = group_sum(lane, lid, gx_sum) / (float)${n};
@end
@end
@end
    }
    __global float *part = parts + get_group_id(0) * padded;
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++) {
        const int j = (lid + u * ${WG}) * ${W};
        if (j < ${n}) {
            *(__global vec${W} *)(part + j) = dgamma_sum[u];
@if beta
            *(__global vec${W} *)(part + (ulong)${PARTS} * padded + j) = dbeta_sum[u];
@end
        }
    }
}
