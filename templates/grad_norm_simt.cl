@let LARGEST 0
@let EXACT 0
/* partials[group] = sum of g^2 over a group's ${BLOCK} elements.
 *
 * A work-item of ${WG} takes every ${WG}th element, so that neighbours touch neighbours; then the
 * group adds up in a tree.
 */
@include reduce_simt.cl
${signature}
{
${offsets}
    __local float lane[${WG}];
    const int lid = (int)get_local_id(0);
    const ulong first = (ulong)get_group_id(0) * ${BLOCK};
    const ulong left = (ulong)${n} - first;
    float a = 0.0f, b = 0.0f;
    for (int i = lid; i < ${BLOCK} && (ulong)i < left; i += ${2*WG}) {
        const float u = load1_${g_dtype}(g, first + i);
        const float v = (ulong)i + ${WG} < left ? load1_${g_dtype}(g, first + i + ${WG}) : 0.0f;
        a = fma(u, u, a);
        b = fma(v, v, b);
    }
    const float sum = group_sum(lane, lid, a + b);
    if (lid == 0)
        partials[get_group_id(0)] = sum;
}
