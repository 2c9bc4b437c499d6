/* AdamW: the moments m and v, and param, one step on.
 *
 * A work-item takes ${BLOCK} elements, ${W} at a time.
@if clip
 * A clip of 0 leaves m, v and param as they are.
@end
 */
@include adamw_step.cl
${signature}
{
${offsets}
    ulong i = (ulong)get_group_id(0) * ${BLOCK};
    const ulong stop = min(i + ${BLOCK}, (ulong)${n});
@if clip
    const float factor = clip[0];
    if (factor == 0.0f) {
@if param_out
        for (; i + ${W} <= stop; i += ${W})
            store${W}_${param_out_dtype}(load${W}_f32(param, i), param_out, i);
        if (i < stop) {
            const int left = (int)(stop - i);
            store${W}_${param_out_dtype}_part(load${W}_f32_part(param, i, left), param_out, i, left);
        }
@end
        return;
    }
@end
@for tail 2
@let PART tail ? '_part' : ''
@let LEFT tail ? ', left' : ''
@if tail
    if (i < stop) {
        const int left = (int)(stop - i);
@else
    for (; i + ${W} <= stop; i += ${W}) {
@end
@if clip
        const vec${W} slope = factor * load${W}_${g_dtype}${PART}(g, i${LEFT});
@else
        const vec${W} slope = load${W}_${g_dtype}${PART}(g, i${LEFT});
@end
        vec${W} first = load${W}_f32${PART}(m, i${LEFT}), second = load${W}_f32${PART}(v, i${LEFT});
        vec${W} p = load${W}_f32${PART}(param, i${LEFT});
        adamw_step${W}(slope, &first, &second, &p, beta1, rest1, beta2, rest2, rate, root_scale, eps,
                   decay);
        store${W}_f32${PART}(first, m, i${LEFT});
        store${W}_f32${PART}(second, v, i${LEFT});
        store${W}_f32${PART}(p, param, i${LEFT});
@if param_out
        store${W}_${param_out_dtype}${PART}(p, param_out, i${LEFT});
@end
    }
@end
}
