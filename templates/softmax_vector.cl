/* y = softmax(scale x) of each row, on a CPU.
 *
 * A work-item takes ${ELEMENTS} elements or so, a row at a time, in blocks of ${BLOCK}: the sum of the
 * exponentials, relative to about the largest score so far, then, once it is known, y.
@if KEPT
 * The exponentials wait in local memory, with what each block's are relative to; of a row longer
 * than ${KEPT} they do not wait, but are computed anew from the cache.
@else
 * The exponentials are computed anew from the cache.
@end
 */
@let SRC_DTYPE dtype
@let SIGN scale < 0 ? '-' : ''
@let FACTOR scale < 0 ? -scale : scale
@let SUMMED 0
@let KEEP KEPT > 0
@let ZEROS causal
@include reduce_vector.cl

@let W 16
@include stream.cl

@include exp_vector.cl
@include softmax_online.cl
${signature}
{
${offsets}
@if KEEP
    __local float kept[${KEPT}] __attribute__((aligned(64)));
    __local float tops[${KEPT/BLOCK}];
@end
    const ulong share = ${SHARE}, width = ${n};
    const ulong first = get_group_id(0) * share;
    const ulong stop = min(first + share, (ulong)${batch*m});
    const int past = ${STREAMS};
    for (ulong row = first; row < stop; row++) {
        const ulong at = row * width;
@if causal
        const long last = (long)(row % ${m}) + ${n} - ${m};
        const ulong seen = last < 0 ? 0 : (ulong)last + 1;
@else
        const ulong seen = width;
@end
@if KEEP
        const int waits = seen <= ${KEPT};
@end
        online o;
        start(&o, x, at, seen);
        for (ulong j = 0; j < seen; j += ${BLOCK}) {
@if KEEP
            absorb(&o, x, at + j, min((ulong)${BLOCK}, seen - j), waits ? kept + j : 0);
            if (waits)
                tops[j / ${BLOCK}] = o.top;
@else
            absorb(&o, x, at + j, min((ulong)${BLOCK}, seen - j));
@end
        }
        const float base = base_of(o.top);
        const float sum = whole_of(sum16(o.sum), sum16(o.sum_lost));
        const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;

@if KEEP
        for (ulong j0 = 0; waits && j0 < seen; j0 += ${BLOCK}) {
            const ulong end = min(j0 + ${BLOCK}, seen);
            float factor = inverse;
            if (tops[j0 / ${BLOCK}] != o.top)
                factor *= exp(${FACTOR} * (tops[j0 / ${BLOCK}] - base));
            ulong j = j0;
            for (; j + 16 <= end; j += 16)
                stream16_${dtype}(*(__local vec16 *)(kept + j) * factor, y, at + j, past);
            if (j < end)
                store16_${dtype}_part(*(__local vec16 *)(kept + j) * factor, y, at + j,
                                      (int)(end - j));
        }
@end
        for (ulong j = ${KEEP ? 'waits ? seen : 0' : '0'}; j < seen; j += 16) {
            const vec16 e = exp_below16(${FACTOR} * (score(x, at + j, seen - j) - base)) * inverse;
            if (j + 16 <= seen)
                stream16_${dtype}(e, y, at + j, past);
            else
                store16_${dtype}_part(e, y, at + j, (int)(seen - j));
        }
@if causal
        put_zeros(y, at + seen, width - seen);
@end
    }
}
