@let RUNS g_dtype == 'f32' && (known(n) ? n >= 8388608 : 1)
/* partials[group] = sum of g^2 over a group's ${BLOCK} elements.
 *
@if RUNS
 * A work-item a group, in four quarters at once, as memory serves several runs better than one. It
@else
 * A work-item a group. It
@end
 * adds up ${4*W} lanes for a short while, so that none of them gets large beside what it takes in, and
 * then adds the lanes to one another.
 */
@include fetch.cl

${signature}
{
${offsets}
    ulong i = (ulong)get_group_id(0) * ${BLOCK};
    const ulong stop = min(i + ${BLOCK}, (ulong)${n});
    vec${W} total = 0.0f;
    const ulong quarter = (stop - i) / ${4*W} * ${W}, apart = ${RUNS ? 'quarter' : W};
@if RUNS
    /* g comes from memory, where it pays to fetch ahead. */
    const int far = ${n >= 8388608};
@end
    const ulong last = i + ${RUNS ? '' : '4 * '}quarter;
    while (i < last) {
        vec${W} a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
        const ulong end = min(i + ${RUNS ? 32*W : 128*W}, last);
        for (; i < end; i += ${RUNS ? W : 4*W}) {
            const vec${W} g0 = load${W}_${g_dtype}(g, i), g1 = load${W}_${g_dtype}(g, i + apart);
            const vec${W} g2 = load${W}_${g_dtype}(g, i + 2 * apart);
            const vec${W} g3 = load${W}_${g_dtype}(g, i + 3 * apart);
@if RUNS
            if (far)
                for (int run = 0; run < 4; run++)
                    FETCH(g + i + 256 + run * apart);
@end
            a = fma(g0, g0, a);
            b = fma(g1, g1, b);
            c = fma(g2, g2, c);
            d = fma(g3, g3, d);
        }
        total += (a + b) + (c + d);
    }
@if RUNS
    i += 3 * quarter;
@end
    for (; i + ${W} <= stop; i += ${W}) {
        const vec${W} v = load${W}_${g_dtype}(g, i);
        total = fma(v, v, total);
    }
    if (i < stop) {
        const vec${W} v = load${W}_${g_dtype}_part(g, i, (int)(stop - i));
        total = fma(v, v, total);
    }
    float lanes[${W}], sum = 0.0f;
    vstore${W}(total, 0, lanes);
    for (int l = 0; l < ${W}; l++)
        sum += lanes[l];
    partials[get_group_id(0)] = sum;
}
