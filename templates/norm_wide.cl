@let SUMMED defined(sum_dtype)
@if centred
/* y = (x - mean) rstd gamma${beta ? ' + beta' : ''}, rstd = 1/sqrt(var + eps), on a GPU.
@else
/* y = x rstd (gamma + ${unit_offset}), rstd = 1/sqrt(mean of x^2 + eps), on a GPU.
@end
@if SUMMED
 * x is the sum with the residual, unrounded; it is stored beside y.
@end
 *
@if centred
 * A group of ${WG} takes a row: the mean by sums in two floats, the mean square of x - mean, then y.
@else
 * A group of ${WG} takes a row: the mean square, then y.
@end
@if KEPT
 * A work-item keeps ${PER_ITEM} times ${W} neighbours, 16 bytes, ${WG*W} elements apart, in registers.
@else
 * A work-item takes ${W} neighbours, 16 bytes, ${WG*W} elements apart; they come from memory once, then from the
 * cache.
@end
 */
@let LARGEST 0
@let EXACT 1
@let T 'float'
@# Whether every work-item has as many elements.
@let EVEN KEPT && n % (WG*W) == 0
@for w 2
@let W w ? W : 1
@include exact_sum.cl

@end
@include reduce_wide.cl
@include whole.cl
@if centred
@include mean.cl
@end
/* The first left elements, and zeros. */
static vec${W} first_of(vec${W} v, long left)
{
    const int there = left < ${W} ? (int)left : ${W};
    return (int${W})(0, 1, 2, 3${W == 8 ? ', 4, 5, 6, 7' : ''}) < there ? v : (vec${W})(0.0f);
}

${signature}
{
${offsets}
    __local float2 lane[${WG}];
    const int lid = (int)get_local_id(0);
    const ulong width = ${n};
    const ulong row = get_group_id(0), at = row * width;
    ulong addresses = (ulong)x | (ulong)gamma | (ulong)y;
@if beta
    addresses |= (ulong)beta;
@end
@if SUMMED
    addresses |= (ulong)residual | (ulong)sum;
@end
    addresses |= width % ${W};
    const int whole = (addresses & 15) == 0;
@let V centred ? '(v - centre.x) - centre.y' : 'v'
@if KEPT
    vec${W} own[${PER_ITEM}];
@end
@for pass 3
@if pass == 0 && centred
    vec${W} his = 0.0f, los = 0.0f;
@elif pass == 1
    vec${W} squares = 0.0f, lost = 0.0f;
@end
@# Pass 0 loads what is kept; the last stores. In between nothing is asked of addresses.
@let ALONE KEPT && pass == 1
@if pass != 0 || KEPT || centred
@for form ALONE ? 1 : 2
@let part form ? '_upto' : '_whole'
@let count form ? ', left' : ''
@if form
    } else {
@elif !ALONE
    if (whole) {
@end
@if KEPT
        #pragma unroll
        for (int u = 0; u < ${PER_ITEM}; u++) {
@if !ALONE || !EVEN
            const int j = (lid + u * ${WG}) * ${W};
@end
@else
        for (ulong j = lid * ${W}; j < width; j += ${WG*W}) {
@end
@if !EVEN || form
            const long left = (long)width - (long)j;
@end
@if KEPT && pass != 0
            const vec${W} v = own[u];
@else
            vec${W} v = 0.0f;
@if !EVEN && form == 0
            if (left > 0) {
@end
                v = load${W}_${dtype}${part}(x, at + j${count});
@if SUMMED
@apply prologue v=v row=row col=j at=at + j w=${W} part=${part} count=${count}
@end
@if !EVEN && form == 0
            }
@end
@end
@if KEPT && pass == 0
            own[u] = v;
        }
@elif pass == 0
            add_exactly${W}(&his, &los, v);
        }
@elif pass == 1
@if EVEN
            const vec${W} d = ${V};
@else
            const vec${W} d = first_of(${V}, left);
@end
@if KEPT
            squares += d * d;
@else
            add_exactly${W}(&squares, &lost, d * d);
@end
        }
@else
@if !EVEN && form == 0
            if (left <= 0)
                break;
@end
@if SUMMED
            store${W}_${dtype}${part}(v, sum, at + j${count});
@end
            const vec${W} weight = load${W}_${dtype}${part}(gamma, j${count})${unit_offset ? ' + 1.0f' : ''};
@if beta
            const vec${W} shift = load${W}_${dtype}${part}(beta, j${count});
            store${W}_${dtype}${part}(fma((${V}) * scale, weight, shift), y, at + j${count});
@else
            store${W}_${dtype}${part}((${V}) * scale * weight, y, at + j${count});
@end
        }
@end
@end
@if !ALONE
    }
@end
@if KEPT && pass == 0 && centred
    #pragma unroll
    for (int u = 0; u < ${PER_ITEM}; u++)
        add_exactly${W}(&his, &los, own[u]);
@end
@end
@if pass == 0 && centred
    float hi = his.s0, lo = los.s0;
@for l W
@if l > 0
    add_exactly1(&hi, &lo, his.s${l});
    lo += los.s${l};
@end
@end
    const float2 all = group_exact_sum(lane, lid, hi, lo);
    const float2 centre = mean_of(all.x, all.y, width);
@elif pass == 1
    float square = 0.0f;
@for l W
    square += whole_of(squares.s${l}, lost.s${l});
@end
    square = group_sum((__local float *)lane, lid, square);
    const float scale = 1.0f / sqrt(square / (float)width + ${eps});
@end
@end
    if (lid == 0) {
@if centred
        mean[row] = centre.x;
@end
        rstd[row] = scale;
    }
}
