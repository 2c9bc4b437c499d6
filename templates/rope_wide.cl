@let HALF rotary_dim/2
@let WIDTHS 1
@let REST head_dim - rotary_dim
@let NEOX style == 'neox'
/* y = x, x[tokens,heads,head_dim]; the first ${rotary_dim} elements of a head are ${HALF} pairs,
@if NEOX
 * (i, i + ${HALF}), that turn by an angle of the token's position:
@else
 * (2i, 2i + 1), that turn by an angle of the token's position:
@end
 *
 *       (u, v) -> (u cos - v sin, v cos + u sin)
 *
 * On a GPU: a group of ${WG} takes ${TOKENS} tokens, ${HEADS} heads of each, ${PAIRS} pairs of a head. Cosines and sines
 * are computed once a token, into local memory. A work-item takes ${W} neighbouring pairs, twice 16 bytes,
 * and loads two such before it stores any, since x and y may be the same memory. What stands behind
 * the pairs is copied bit by bit.
 */
@include rope_angle.cl

${signature}
{
${offsets}
    __local float cosines[${TOKENS*PAIRS}] __attribute__((aligned(16)));
    __local float sines[${TOKENS*PAIRS}] __attribute__((aligned(16)));
    const int lid = (int)get_local_id(0);
    const ulong pair_block = get_group_id(0) % ${PAIR_BLOCKS};
    const ulong head_block = get_group_id(0) / ${PAIR_BLOCKS} % ${HEAD_BLOCKS};
    const ulong token0 = get_group_id(0) / ${PAIR_BLOCKS*HEAD_BLOCKS} * ${TOKENS};
    const int here = (int)min((ulong)${TOKENS}, (ulong)${tokens} - token0);
    const int head0 = (int)head_block * ${HEADS}, pair0 = (int)pair_block * ${PAIRS};
@# Literal where it can be: work-items divide by them.
@if heads % HEADS == 0
    const int heads_here = ${HEADS};
@else
    const int heads_here = min(${HEADS}, ${heads} - head0);
@end
@if HALF % PAIRS == 0
    const int pairs_here = ${PAIRS};
@else
    const int pairs_here = min(${PAIRS}, ${HALF} - pair0);
@end
    const int across = pairs_here / ${W};
    const int whole = (((ulong)x | (ulong)y) & 15) == 0;

    for (int e = lid; e < here * pairs_here; e += ${WG}) {
        const int token = e / pairs_here, pair = e % pairs_here;
        float c, s;
        turn_1(positions[token0 + token], pair0 + pair, &c, &s);
        cosines[token * ${PAIRS} + pair] = c;
        sines[token * ${PAIRS} + pair] = s;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    const int count = here * heads_here * across;
@for form 2
@let ending form ? '' : '_whole'
@if form
    } else {
@else
    if (whole) {
@end
        for (int e0 = lid; e0 < count; e0 += ${2*WG}) {
            vec${W} a[2], b[2];
            #pragma unroll
            for (int t = 0; t < 2; t++) {
                const int e = e0 + t * ${WG};
                const int pair = e % across * ${W}, head = e / across % heads_here;
                const int token = e / across / heads_here;
                const ulong at = ((token0 + token) * ${heads} + (head0 + head)) * ${head_dim} +
                                 (pair0 + pair)${NEOX ? '' : ' * 2'};
                if (e < count) {
                    a[t] = load${W}_${dtype}${ending}(x, at);
                    b[t] = load${W}_${dtype}${ending}(x, at + ${NEOX ? HALF : W});
                }
            }
            #pragma unroll
            for (int t = 0; t < 2; t++) {
                const int e = e0 + t * ${WG};
                if (e >= count)
                    break;
                const int pair = e % across * ${W}, head = e / across % heads_here;
                const int token = e / across / heads_here;
                const ulong at = ((token0 + token) * ${heads} + (head0 + head)) * ${head_dim} +
                                 (pair0 + pair)${NEOX ? '' : ' * 2'};
                const __local float4 *cs = (const __local float4 *)(cosines + token * ${PAIRS} + pair);
                const __local float4 *ss = (const __local float4 *)(sines + token * ${PAIRS} + pair);
@if W == 8
                const vec${W} c = (float8)(cs[0], cs[1]), s = (float8)(ss[0], ss[1]);
@else
                const vec${W} c = cs[0], s = ss[0];
@end
@if NEOX
                store${W}_${dtype}${ending}(fma(a[t], c, -(b[t] * s)), y, at);
                store${W}_${dtype}${ending}(fma(b[t], c, a[t] * s), y, at + ${HALF});
@else
                const vec${W} u = (vec${W})(a[t].even, b[t].even), v = (vec${W})(a[t].odd, b[t].odd);
                const vec${W} first = fma(u, c, -(v * s)), second = fma(v, c, u * s);
                vec${W} front, back;
                front.even = first.lo;
                front.odd = second.lo;
                back.even = first.hi;
                back.odd = second.hi;
                store${W}_${dtype}${ending}(front, y, at);
                store${W}_${dtype}${ending}(back, y, at + ${W});
@end
            }
        }
@end
    }
@if REST > 0
    if (pair_block > 0)
        return;
@let T dtype == 'f32' ? 'uint' : 'ushort'
@for form 2
@let V form ? T : 'uint4'
@let EACH form ? 1 : W
@if form
    } else {
@else
    if (whole) {
@end
        __global const ${V} *from = (__global const ${V} *)x;
        __global ${V} *to = (__global ${V} *)y;
        for (int e = lid; e < here * heads_here * ${REST/EACH}; e += ${WG}) {
            const int head = e / ${REST/EACH} % heads_here, token = e / ${REST/EACH} / heads_here;
            const ulong at = ((token0 + token) * ${heads} + (head0 + head)) * ${head_dim/EACH} +
                             ${rotary_dim/EACH} + e % ${REST/EACH};
            to[at] = from[at];
        }
@end
    }
@end
}
