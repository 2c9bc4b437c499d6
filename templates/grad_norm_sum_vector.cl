/* sumsq (+)= sum of the partials, and clip from it.
 *
 * One work-item: the partials are few beside g. Each lane keeps what its additions round off.
 */
@include exact_sum.cl

@include grad_norm_clip.cl
${signature}
{
${offsets}
    const ulong count = ${PARTIALS};
    vec${W} hi = 0.0f, lo = 0.0f;
    ulong i = 0;
    for (; i + ${W} <= count; i += ${W})
        add_exactly${W}(&hi, &lo, vload${W}(0, partials + i));
    if (i < count)
        add_exactly${W}(&hi, &lo, load${W}_f32_part(partials, i, (int)(count - i)));
    float lanes[${W}], rests[${W}], sum = 0.0f, rest = 0.0f;
    vstore${W}(hi, 0, lanes);
    vstore${W}(lo, 0, rests);
    for (int l = 0; l < ${W}; l++) {
        sum += lanes[l];
        rest += rests[l];
    }
    put_norm(sumsq, clip, whole_of(sum, rest), max_norm);
}
