/* loss = lse - (1-s) logit[target] - s mean(logits) + z lse^2${dlogits ? ', and dlogits,' : ''} of each token, on a CPU.
 *
 * A work-item takes ${ELEMENTS} elements or so, a row at a time, in blocks of ${BLOCK}: the exponentials,
 * relative to about the largest logit so far.${dlogits && !KEPT ? ' The logits are read once more for their gradient.' : ''}
@if KEPT
 * They wait in local memory, with what each block's are relative to, for the gradient.
@end
 */
@let SRC_DTYPE dtype
@let SIGN ''
@let FACTOR '1.0f'
@let SUMMED label_smoothing != 0
@let KEEP KEPT > 0
@let ZEROS dlogits
@include reduce_vector.cl

@let W 16
@include stream.cl

@include exp_vector.cl
@include softmax_online.cl
@include cross_entropy_loss.cl
${signature}
{
${offsets}
@if KEEP
    __local float kept[${KEPT}] __attribute__((aligned(64)));
    __local float tops[${KEPT/BLOCK}];
@end
    const ulong share = ${SHARE}, width = ${vocab};
    const ulong first = get_group_id(0) * share;
    const ulong stop = min(first + share, (ulong)${tokens});
@if dlogits
    const int past = ${STREAMS};
@end
    for (ulong row = first; row < stop; row++) {
        const ulong at = row * width;
        online o;
        start(&o, logits, at, width);
@if KEEP
        for (ulong j = 0; j < width; j += ${BLOCK}) {
            absorb(&o, logits, at + j, min((ulong)${BLOCK}, width - j), kept + j);
            tops[j / ${BLOCK}] = o.top;
        }
@else
        for (ulong j = 0; j < width; j += ${BLOCK})
            absorb(&o, logits, at + j, min((ulong)${BLOCK}, width - j));
@end
        lift(&o);
        const float base = base_of(o.top);
        const float sum = whole_of(sum16(o.sum), sum16(o.sum_lost));
@if SUMMED
        const float average = whole_of(sum16(o.plain), sum16(o.plain_lost)) / (float)width;
@else
        const float average = 0.0f;
@end
        const long target = targets[row];
        const int counts = target != ${ignore_index} && target >= 0 && target < (long)width;
        const float hit = counts ? load1_${dtype}(logits, at + target) : 0.0f;
        lse[row] = base + log(sum);
        loss[row] = counts ? loss_of(base, sum, average, hit) : 0.0f;
@if dlogits
        if (!counts) {
            put_zeros(dlogits, at, width);
            continue;
        }
        const float slope = grad_scale * slope_of(base, sum);
        const float spread = grad_scale * (${label_smoothing} / (float)width);
@if KEEP
        for (ulong j0 = 0; j0 < width; j0 += ${BLOCK}) {
            const ulong end = min(j0 + ${BLOCK}, width);
            float factor = slope;
            if (tops[j0 / ${BLOCK}] != o.top)
                factor *= exp(tops[j0 / ${BLOCK}] - base);
            ulong j = j0;
            for (; j + 16 <= end; j += 16)
                stream16_${dtype}(*(__local vec16 *)(kept + j) * factor - spread, dlogits, at + j, past);
            if (j < end)
                store16_${dtype}_part(*(__local vec16 *)(kept + j) * factor - spread, dlogits, at + j,
                                      (int)(end - j));
        }
@else
        ulong j = 0;
        for (; j + 16 <= width; j += 16) {
            const vec16 e = exp_below16(load16_${dtype}(logits, at + j) - base);
            stream16_${dtype}(e * slope - spread, dlogits, at + j, past);
        }
        if (j < width) {
            const int left = (int)(width - j);
            const vec16 e = exp_below16(score(logits, at + j, left) - base);
            store16_${dtype}_part(e * slope - spread, dlogits, at + j, left);
        }
@end
        const float e = exp(hit - base);
        store1_${dtype}(e * slope - spread - grad_scale * ${1 - label_smoothing}, dlogits, at + target);
@end
    }
}
