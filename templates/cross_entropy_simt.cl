/* loss = lse - (1-s) logit[target] - s mean(logits) + z lse^2${dlogits ? ', and dlogits,' : ''} of each token.
 *
 * A group of ${WG} takes a row; a work-item takes logits ${WG} apart, four at a time: the largest so far and
 * the sum of exponentials below it.${dlogits ? ' The logits are read once more for their gradient.' : ''}
 */
@let FACTOR '1.0f'
@let LARGEST 1
@let EXACT 0
@include reduce_simt.cl
@include online_simt.cl
@include cross_entropy_loss.cl
${signature}
{
${offsets}
    __local float lane[${WG}];
    const int lid = (int)get_local_id(0);
    const ulong width = ${vocab};
    const ulong row = get_group_id(0), at = row * width;
    const long target = targets[row];
    const int counts = target != ${ignore_index} && target >= 0 && target < (long)width;
    const float hit = counts ? load1_${dtype}(logits, at + target) : 0.0f;
    float top = -INFINITY, sum = 0.0f, plain = 0.0f;
    for (ulong j = lid; j < width; j += ${4*WG}) {
        float v[4];
        #pragma unroll
        for (int u = 0; u < 4; u++) {
            const ulong e = j + u * ${WG};
            v[u] = e < width ? load1_${dtype}(logits, at + e) : -INFINITY;
@if label_smoothing != 0
            plain += e < width ? v[u] : 0.0f;
@end
        }
        absorb4(&top, &sum, v);
    }
    /* The barriers in these also part the reading of hit from the writing of dlogits. */
    const float base = base_of(group_max(lane, lid, top));
    sum = group_sum(lane, lid, top == -INFINITY ? sum : sum * exp(top - base));
@if label_smoothing != 0
    plain = group_sum(lane, lid, plain);
@end
    if (lid == 0) {
        lse[row] = base + log(sum);
        loss[row] = counts ? loss_of(base, sum, plain / (float)width, hit) : 0.0f;
    }
@if dlogits
    const float slope = grad_scale * slope_of(base, sum);
    const float spread = grad_scale * (${label_smoothing} / (float)width);
    for (ulong j = lid; j < width; j += ${WG}) {
        const float e = exp(load1_${dtype}(logits, at + j) - base);
        float d = e * slope - spread;
        if (j == (ulong)target)
            d -= grad_scale * ${1 - label_smoothing};
        store1_${dtype}(counts ? d : 0.0f, dlogits, at + j);
    }
@end
}
