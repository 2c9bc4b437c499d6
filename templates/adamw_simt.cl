@let W 1
/* AdamW: the moments m and v, and param, one step on.
 *
 * A group of ${WG} takes ${BLOCK} elements, a work-item every ${WG}th.
@if clip
 * A clip of 0 leaves m, v and param as they are.
@end
 */
@include adamw_step.cl
${signature}
{
${offsets}
    const ulong first = (ulong)get_group_id(0) * ${BLOCK};
    const ulong left = (ulong)${n} - first;
@if clip
    const float factor = clip[0];
@end
    for (int l = (int)get_local_id(0); l < ${BLOCK} && (ulong)l < left; l += ${WG}) {
        const ulong i = first + l;
        float p = param[i];
@if clip
        if (factor != 0.0f) {
            const float slope = factor * load1_${g_dtype}(g, i);
@else
        {
            const float slope = load1_${g_dtype}(g, i);
@end
            float mean = m[i], square = v[i];
            adamw_step1(slope, &mean, &square, &p, beta1, rest1, beta2, rest2, rate, root_scale,
                        eps, decay);
            m[i] = mean;
            v[i] = square;
            param[i] = p;
        }
@if param_out
        store1_${param_out_dtype}(p, param_out, i);
@end
    }
}
