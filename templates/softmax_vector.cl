/* y = softmax(scale x) of each row, on a CPU.
 *
 * A work-item takes ${ELEMENTS} elements or so, a row at a time, in blocks of ${BLOCK}: the largest score so
 * far, then the exponentials below it, which wait in local memory, with the largest score that each
 * block knew, until the row's sum is known. Of a row longer than ${KEPT} they do not wait: its
 * elements are read twice.
 */
@let SRC_DTYPE dtype
@let SIGN scale < 0 ? '-' : ''
@let FACTOR scale < 0 ? -scale : scale
@let SUMMED 0
@let KEEP 1
@let ZEROS causal
@include reduce_vector.cl

@let W 16
@include exp_vector.cl
@include softmax_online.cl
${signature}
{
${offsets}
    __local float kept[${KEPT}] __attribute__((aligned(64)));
    __local float tops[${KEPT/BLOCK}];
    const ulong share = ${SHARE}, width = ${n};
    const ulong first = get_group_id(0) * share;
    const ulong stop = min(first + share, (ulong)${batch*m});
    for (ulong row = first; row < stop; row++) {
        const ulong at = row * width;
@if causal
        const long last = (long)(row % ${m}) + ${n} - ${m};
        const ulong seen = last < 0 ? 0 : (ulong)last + 1;
@else
        const ulong seen = width;
@end
        const int waits = seen <= ${KEPT};
        online o;
        start(&o);
        for (ulong j = 0; j < seen; j += ${BLOCK}) {
            absorb(&o, x, at + j, min((ulong)${BLOCK}, seen - j), waits ? kept + j : 0);
            if (waits)
                tops[j / ${BLOCK}] = o.top;
        }
        const float base = base_of(o.top);
        const float sum = whole_of(sum16(o.sum), sum16(o.sum_lost));
        const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;

        for (ulong j0 = 0; j0 < seen; j0 += ${BLOCK}) {
            const ulong end = min(j0 + ${BLOCK}, seen);
            float factor = inverse;
            if (waits && tops[j0 / ${BLOCK}] != o.top)
                factor *= exp(${FACTOR} * (tops[j0 / ${BLOCK}] - base));
            ulong j = j0;
            if (waits)
                for (; j + 16 <= end; j += 16)
                    store16_${dtype}(vload16(0, kept + j) * factor, y, at + j);
            for (; j < end; j += 16) {
                const int left = (int)min((ulong)16, end - j);
                vec16 e;
                if (waits)
                    e = vload16(0, kept + j);
                else
                    e = exp_below(${FACTOR} * (score(x, at + j, left) - base));
                if (left == 16)
                    store16_${dtype}(e * factor, y, at + j);
                else
                    store16_${dtype}_part(e * factor, y, at + j, left);
            }
        }
@if causal
        put_zeros(y, at + seen, width - seen);
@end
    }
}
