@if centred
/* dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma, and the sums over rows that make
 * dgamma${beta ? ' and dbeta' : ''}, on a CPU.
@else
/* dx = rstd (g - xhat mean(g xhat)), g = dy (gamma + ${unit_offset}), and the sums over rows that make dgamma,
 * on a CPU.
@end
 *
 * A work-item takes its share of the rows, ${ROWS} at a time: each one's sums, and what they add to the sums
 * over rows, which grow in parts[${beta ? 'which' : '0'}][group], from memory; then dx
 * from the cache, while the next rows are fetched where dx goes past it.
 */
@include reduce_vector.cl

@let W 16
@include stream.cl

@include fetch.cl

${signature}
{
${offsets}
    const ulong share = ${SHARE}, width = ${n}, padded = ${PADDED};
    const ulong first = get_group_id(0) * share;
    const ulong stop = min(first + share, (ulong)${m});
    const int past = ${STREAMS};
    __global float *dgamma_part = parts + get_group_id(0) * padded;
@if beta
    __global float *dbeta_part = dgamma_part + (ulong)${PARTS} * padded;
@end
    for (ulong j = 0; j < padded; j += 16) {
        *(__global vec16 *)(dgamma_part + j) = (vec16)(0.0f);
@if beta
        *(__global vec16 *)(dbeta_part + j) = (vec16)(0.0f);
@end
    }
    ulong row = first;
@for single 2
@let R single ? 1 : ROWS
    for (; row + ${R} <= stop; row += ${R}) {
        const ulong at = row * width;
        vec16 g_sum[${R}], gx_sum[${R}];
        float centre[${R}], scale[${R}], g_mean[${R}], gx_mean[${R}];
        #pragma unroll
        for (int r = 0; r < ${R}; r++) {
            g_sum[r] = gx_sum[r] = (vec16)(0.0f);
            centre[r] = ${centred ? 'mean[row + r]' : '0.0f'};
            scale[r] = rstd[row + r];
        }
        ulong j = 0;
@for tail 2
@let part tail ? '_part' : ''
@let count tail ? ', left' : ''
@if tail
        if (j < width) {
            const int left = (int)(width - j);
@else
        for (; j + 16 <= width; j += 16) {
@end
            const vec16 weight = load16_${dtype}${part}(gamma, j${count})${unit_offset ? ' + 1.0f' : ''};
            vec16 dgamma_sum = vload16(0, dgamma_part + j);
@if beta
            vec16 dbeta_sum = vload16(0, dbeta_part + j);
@end
            #pragma unroll
            for (int r = 0; r < ${R}; r++) {
                const vec16 d = load16_${dtype}${part}(dy, at + r * width + j${count});
                const vec16 v = load16_${dtype}${part}(x, at + r * width + j${count});
                const vec16 xhat = (v - centre[r]) * scale[r];
                const vec16 g = d * weight;
@if centred
                g_sum[r] += g;
@end
                gx_sum[r] = fma(g, xhat, gx_sum[r]);
                dgamma_sum = fma(d, xhat, dgamma_sum);
@if beta
                dbeta_sum += d;
@end
            }
            *(__global vec16 *)(dgamma_part + j) = dgamma_sum;
@if beta
            *(__global vec16 *)(dbeta_part + j) = dbeta_sum;
@end
        }
@end
        #pragma unroll
        for (int r = 0; r < ${R}; r++) {
            g_mean[r] = sum16(g_sum[r]) / (float)width;
            gx_mean[r] = sum16(gx_sum[r]) / (float)width;
        }
        for (int r = 0; r < ${R}; r++) {
            const ulong from = at + r * width;
            j = 0;
@for tail 2
@let part tail ? '_part' : ''
@let count tail ? ', left' : ''
@let store tail ? 'store' : 'stream'
@let last tail ? ', left' : ', past'
@if tail
            if (j < width) {
                const int left = (int)(width - j);
@else
            for (; j + 16 <= width; j += 16) {
@end
                const vec16 weight = load16_${dtype}${part}(gamma, j${count})${unit_offset ? ' + 1.0f' : ''};
                const vec16 d = load16_${dtype}${part}(dy, from + j${count});
                const vec16 v = load16_${dtype}${part}(x, from + j${count});
@if !tail
                if (past) {
                    FETCH(dy + from + ${R} * width + j);
                    FETCH(x + from + ${R} * width + j);
                }
@end
                const vec16 xhat = (v - centre[r]) * scale[r];
                const vec16 g = d * weight;
                ${store}16_${dtype}${part}(scale[r] * (g - g_mean[r] - xhat * gx_mean[r]), dx,
                    from + j${last});
            }
@end
        }
    }
@end
}
