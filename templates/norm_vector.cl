@let SUMMED defined(sum_dtype)
@if !defined(y_dtype)
/* The ${centred ? 'mean and the scale' : 'scale'} of each row of ${X}, for the product.
@elif centred
/* y = (x - mean) rstd gamma${beta ? ' + beta' : ''}, rstd = 1/sqrt(var + eps), on a CPU.
@else
/* y = x rstd (gamma + ${unit_offset}), rstd = 1/sqrt(mean of x^2 + eps), on a CPU.
@end
@if SUMMED
 * x is the sum with the residual, unrounded; it is stored beside y.
@end
 *
@if centred
 * A work-item takes ${ELEMENTS} elements or so, a row at a time: the mean by sums in two floats, the
 * mean square of x - mean, then y. The row comes from memory once and from the cache twice.
@else
 * A work-item takes ${ELEMENTS} elements or so, a row at a time: the mean square, then y. The row
 * comes from memory once and from the cache once.
@end
 */
@let STEP 16*U
@include reduce_vector.cl

@for w 1 + centred
@let W w == 0 ? 16 : 1
@include exact_sum.cl

@end
@include whole.cl
@if centred
@include mean.cl
@end
@let W 16
@include stream.cl
@include fetch.cl

${signature}
{
${offsets}
    const ulong share = ${SHARE}, width = ${WIDTH};
    const ulong first = get_group_id(0) * share;
    const ulong stop = min(first + share, (ulong)${m});
@if defined(y_dtype) && (dtype == 'f32' || !centred)
    const int past = ${STREAMS};
@elif defined(y_dtype)
    /* Bound by arithmetic. */
    const int past = 0;
@end
    for (ulong row = first; row < stop; row++) {
        const ulong at = row * ${STRIDE};
@if centred
        vec16 hi[${U}], lo[${U}];
        #pragma unroll
        for (int u = 0; u < ${U}; u++)
            hi[u] = lo[u] = (vec16)(0.0f);
        ulong i = 0;
        for (; i + ${STEP} <= width; i += ${STEP}) {
            #pragma unroll
            for (int u = 0; u < ${U}; u++) {
                vec16 v = load16_${dtype}(${X}, at + i + u * 16);
@if SUMMED
@apply prologue v=v row=row col=i + u * 16 at=at + i + u * 16 w=16 part= count=
@end
                add_exactly16(&hi[u], &lo[u], v);
            }
        }
        for (; i < width; i += 16) {
            const int left = (int)min((ulong)16, width - i);
            vec16 v;
            if (left == 16) {
                v = load16_${dtype}(${X}, at + i);
@if SUMMED
@apply prologue v=v row=row col=i at=at + i w=16 part= count=
@end
            } else {
                v = load16_${dtype}_part(${X}, at + i, left);
@if SUMMED
@apply prologue v=v row=row col=i at=at + i w=16 part=_part count=, left
@end
            }
            add_exactly16(&hi[0], &lo[0], v);
        }
        #pragma unroll
        for (int u = 1; u < ${U}; u++) {
            add_exactly16(&hi[0], &lo[0], hi[u]);
            lo[0] += lo[u];
        }
        float lanes[16], total = 0.0f, lost = sum16(lo[0]);
        vstore16(hi[0], 0, lanes);
        for (int l = 0; l < 16; l++)
            add_exactly1(&total, &lost, lanes[l]);
        const float2 centre = mean_of(total, lost, width);
@if STATS
        stats[row * ${STATS}] = centre.x;
        stats[row * ${STATS} + 1] = centre.y;
@end
@if defined(mean_dtype)
        mean[row] = centre.x;
@end
@end
@let V centred ? '(v - centre.x) - centre.y' : 'v'

        /* In stretches: a sum of very many squares would lose the last ones. */
        vec16 all = (vec16)(0.0f), all_lost = (vec16)(0.0f);
        for (ulong j0 = 0; j0 < width; j0 += ${64*STEP}) {
            const ulong end = min(j0 + ${64*STEP}, width);
            vec16 squares[${U}];
            #pragma unroll
            for (int u = 0; u < ${U}; u++)
                squares[u] = (vec16)(0.0f);
            ulong j = j0;
            for (; j + ${STEP} <= end; j += ${STEP}) {
                #pragma unroll
                for (int u = 0; u < ${U}; u++) {
                    vec16 v = load16_${dtype}(${X}, at + j + u * 16);
@if SUMMED
@apply prologue v=v row=row col=j + u * 16 at=at + j + u * 16 w=16 part= count=
@end
                    const vec16 d = ${V};
                    squares[u] = fma(d, d, squares[u]);
                }
            }
            for (; j < end; j += 16) {
                const int left = (int)min((ulong)16, end - j);
                vec16 v;
                if (left == 16) {
                    v = load16_${dtype}(${X}, at + j);
@if SUMMED
@apply prologue v=v row=row col=j at=at + j w=16 part= count=
@end
                } else {
                    v = load16_${dtype}_part(${X}, at + j, left);
@if SUMMED
@apply prologue v=v row=row col=j at=at + j w=16 part=_part count=, left
@end
                }
                const vec16 d = first_lanes(${V}, left, 0.0f);
                squares[0] = fma(d, d, squares[0]);
            }
            #pragma unroll
            for (int u = 1; u < ${U}; u++)
                squares[0] += squares[u];
            add_exactly16(&all, &all_lost, squares[0]);
        }
        const float mean_square = whole_of(sum16(all), sum16(all_lost)) / (float)width;
        const float scale = 1.0f / sqrt(mean_square + ${eps});
@if STATS
        stats[row * ${STATS} + ${STATS - 1}] = scale;
@end
@if defined(rstd_dtype)
        rstd[row] = scale;
@end
@if defined(y_dtype)

        ulong j = 0;
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
@if !tail && !centred
            if (past)
                FETCH(${X} + at + ${STRIDE} + j);
@end
            vec16 v = load16_${dtype}${part}(${X}, at + j${count});
@if SUMMED
@apply prologue v=v row=row col=j at=at + j w=16 part=${part} count=${count}
            ${store}16_${dtype}${part}(v, sum, at + j${last});
@end
            const vec16 weight = load16_${dtype}${part}(gamma, j${count})${unit_offset ? ' + 1.0f' : ''};
@if beta
            const vec16 shift = load16_${dtype}${part}(beta, j${count});
            ${store}16_${dtype}${part}(fma((${V}) * scale, weight, shift), y, at + j${last});
@else
            ${store}16_${dtype}${part}((${V}) * scale * weight, y, at + j${last});
@end
        }
@end
@end
    }
}
