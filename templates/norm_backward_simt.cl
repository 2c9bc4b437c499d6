@if centred
/* dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma, and the sums over rows that make
 * dgamma${beta ? ' and dbeta' : ''}.
@else
/* dx = rstd (g - xhat mean(g xhat)), g = dy (gamma + ${unit_offset}), and the sums over rows that make dgamma.
@end
 *
 * A group of ${WG} takes its share of the rows, one after the other: a row's sums from memory, then dx
 * from the cache. A work-item takes columns ${WG} apart; its own sums over rows grow in
@if KEPT
 * registers and end in parts[which][group].
@else
 * parts[which][group].
@end
 */
@let LARGEST 0
@let EXACT 0
@include reduce_simt.cl
${signature}
{
${offsets}
    __local float lane[${WG}];
    const int lid = (int)get_local_id(0);
    const ulong share = ${SHARE}, width = ${n}, padded = ${PADDED};
    const ulong first = get_group_id(0) * share;
    const ulong stop = min(first + share, (ulong)${m});
    __global float *dgamma_part = parts + get_group_id(0) * padded;
@if beta
    __global float *dbeta_part = dgamma_part + (ulong)${PARTS} * padded;
@end
@if KEPT
    float weight[${PER_ITEM}], dgamma_sum[${PER_ITEM}];
@if beta
    float dbeta_sum[${PER_ITEM}];
@end
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++) {
        const int j = lid + u * ${WG};
        weight[u] = j < ${n} ? load1_${dtype}(gamma, j)${unit_offset ? ' + 1.0f' : ''} : 0.0f;
        dgamma_sum[u] = 0.0f;
@if beta
        dbeta_sum[u] = 0.0f;
@end
    }
@else
    for (ulong j = lid; j < width; j += ${WG}) {
        dgamma_part[j] = 0.0f;
@if beta
        dbeta_part[j] = 0.0f;
@end
    }
@end
@let G KEPT ? 'weight[u]' : 'weight'
@let S KEPT ? '_sum[u]' : '_part[j]'
    for (ulong row = first; row < stop; row++) {
        const ulong at = row * width;
        const float scale = rstd[row];
@if centred
        const float centre = mean[row];
@end
        float gx_sum = 0.0f;
@if centred
        float g_sum = 0.0f;
@end
@for pass 2
@if KEPT
        #pragma unroll
        for (int u = 0; u < ${PER_ITEM}; u++) {
            const int j = lid + u * ${WG};
            if (j >= ${n})
                continue;
@else
        for (ulong j = lid; j < width; j += ${WG}) {
            const float weight = load1_${dtype}(gamma, j)${unit_offset ? ' + 1.0f' : ''};
@end
            const float d = load1_${dtype}(dy, at + j);
            const float xhat = (load1_${dtype}(x, at + j)${centred ? ' - centre' : ''}) * scale;
            const float g = d * ${G};
@if pass == 0
@if centred
            g_sum += g;
@end
            gx_sum = fma(g, xhat, gx_sum);
            dgamma${S} = fma(d, xhat, dgamma${S});
@if beta
            dbeta${S} += d;
@end
        }
@if centred
        const float g_mean = group_sum(lane, lid, g_sum) / (float)width;
@else
        const float g_mean = 0.0f;
@end
        const float gx_mean = group_sum(lane, lid, gx_sum) / (float)width;
@else
            store1_${dtype}(scale * (g - g_mean - xhat * gx_mean), dx, at + j);
        }
@end
@end
    }
@if KEPT
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++) {
        const int j = lid + u * ${WG};
        if (j < ${n}) {
            dgamma_part[j] = dgamma_sum[u];
@if beta
            dbeta_part[j] = dbeta_sum[u];
@end
        }
    }
@end
}
