@let HALF rotary_dim/2
@let WIDTHS 1
@let T dtype == 'f32' ? 'uint' : 'ushort'
@let REST head_dim - rotary_dim
/* y = x, x[tokens,heads,head_dim]; the first ${rotary_dim} elements of a head are ${HALF} pairs,
@if style == 'neox'
 * (i, i + ${HALF}), that turn by an angle of the token's position:
@else
 * (2i, 2i + 1), that turn by an angle of the token's position:
@end
 *
 *       (u, v) -> (u cos - v sin, v cos + u sin)
 *
 * A group of ${WG} takes ${TOKENS} tokens, ${HEADS} heads of each, ${PAIRS} pairs of a head. Cosines and sines
 * are computed once a token, into local memory. What stands behind the pairs is copied bit by bit.
 * x and y may be the same memory.
 */
@include rope_angle.cl

${signature}
{
${offsets}
    __local float cosines[${TOKENS*PAIRS}], sines[${TOKENS*PAIRS}];
    const int lid = (int)get_local_id(0);
    const ulong pair_block = get_group_id(0) % ${PAIR_BLOCKS};
    const ulong head_block = get_group_id(0) / ${PAIR_BLOCKS} % ${HEAD_BLOCKS};
    const ulong token0 = get_group_id(0) / ${PAIR_BLOCKS*HEAD_BLOCKS} * ${TOKENS};
    const int here = (int)min((ulong)${TOKENS}, (ulong)${tokens} - token0);
    const int head0 = (int)head_block * ${HEADS}, pair0 = (int)pair_block * ${PAIRS};
    const int heads_here = min(${HEADS}, ${heads} - head0);
    const int pairs_here = min(${PAIRS}, ${HALF} - pair0);

    for (int e = lid; e < here * pairs_here; e += ${WG}) {
        const int token = e / pairs_here, pair = e % pairs_here;
        float c, s;
        turn_1(positions[token0 + token], pair0 + pair, &c, &s);
        cosines[token * ${PAIRS} + pair] = c;
        sines[token * ${PAIRS} + pair] = s;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int e = lid; e < here * heads_here * pairs_here; e += ${WG}) {
        const int pair = e % pairs_here, head = e / pairs_here % heads_here;
        const int token = e / pairs_here / heads_here;
        const float c = cosines[token * ${PAIRS} + pair], s = sines[token * ${PAIRS} + pair];
        const ulong at = ((token0 + token) * ${heads} + (head0 + head)) * ${head_dim};
@if style == 'neox'
        const ulong first = at + pair0 + pair, second = first + ${HALF};
@else
        const ulong first = at + 2 * (pair0 + pair), second = first + 1;
@end
        const float u = load1_${dtype}(x, first), v = load1_${dtype}(x, second);
        store1_${dtype}(fma(u, c, -(v * s)), y, first);
        store1_${dtype}(fma(v, c, u * s), y, second);
    }
@if REST > 0
    if (pair_block > 0)
        return;
    __global const ${T} *from = (__global const ${T} *)x;
    __global ${T} *to = (__global ${T} *)y;
    for (int e = lid; e < here * heads_here * ${REST}; e += ${WG}) {
        const int head = e / ${REST} % heads_here, token = e / ${REST} / heads_here;
        const ulong at = ((token0 + token) * ${heads} + (head0 + head)) * ${head_dim} +
                         ${rotary_dim} + e % ${REST};
        to[at] = from[at];
    }
@end
}
