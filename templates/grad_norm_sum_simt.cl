@let LARGEST 0
@let EXACT 0
@let W 1
/* sumsq (+)= sum of the partials, and clip from it.
 *
 * One group of ${WG}: the partials are few beside g. Each work-item keeps what its additions round
 * off; then the group adds up in a tree.
 */
@include exact_sum.cl

@include reduce_simt.cl
@include grad_norm_clip.cl
${signature}
{
${offsets}
    __local float lane[${WG}];
    const int lid = (int)get_local_id(0);
    float hi = 0.0f, lo = 0.0f;
    for (ulong i = lid; i < (ulong)${PARTIALS}; i += ${WG})
        add_exactly1(&hi, &lo, partials[i]);
    const float sum = group_sum(lane, lid, whole_of(hi, lo));
    if (lid == 0)
        put_norm(sumsq, clip, sum, max_norm);
}
