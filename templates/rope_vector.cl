@let HALF rotary_dim/2
@let WIDTHS style == 'neox' ? 4 : 3
@let T dtype == 'f32' ? 'uint' : 'ushort'
/* y = x, x[tokens,heads,head_dim]; the first ${rotary_dim} elements of a head are ${HALF} pairs,
@if style == 'neox'
 * (i, i + ${HALF}), that turn by an angle of the token's position:
@else
 * (2i, 2i + 1), that turn by an angle of the token's position:
@end
 *
 *       (u, v) -> (u cos - v sin, v cos + u sin)
 *
 * A work-item takes ${TOKENS} tokens, ${HEADS} heads of each. It computes a token's cosines and
 * sines once, then turns head after head by vectors. What stands behind the pairs is copied bit by
 * bit. x and y may be the same memory.
 */
@include rope_angle.cl
@for w 3
@let W w == 0 ? 16 : w == 1 ? 8 : 4
@include stream.cl
@end

${signature}
{
${offsets}
    const ulong head_blocks = ${HEAD_BLOCKS};
    const ulong first = get_group_id(0) / head_blocks * ${TOKENS};
    const ulong stop = min(first + ${TOKENS}, (ulong)${tokens});
    const int head0 = (int)(get_group_id(0) % head_blocks) * ${HEADS};
    const int head_stop = min(head0 + ${HEADS}, ${heads});
    const int past = ${STREAMS};
    for (ulong token = first; token < stop; token++) {
        const int position = positions[token];
@if style == 'neox'
        float cosines[${HALF}], sines[${HALF}];
@for w 4
@let W w == 0 ? 16 : w == 1 ? 8 : w == 2 ? 4 : 1
@let FROM w == 0 ? 0 : w == 1 ? HALF/16*16 : w == 2 ? HALF/8*8 : HALF/4*4
@let TO HALF/W*W
@if TO > FROM
        for (int i = ${FROM}; i < ${TO}; i += ${W}) {
            vec${W} c, s;
            turn_${W}(position, i, &c, &s);
@if W > 1
            vstore${W}(c, 0, cosines + i);
            vstore${W}(s, 0, sines + i);
@else
            cosines[i] = c;
            sines[i] = s;
@end
        }
@end
@end
@else
        /* Both elements of a pair have theirs, a sine the sign with which it is added. */
        float cosines[${rotary_dim}], sines[${rotary_dim}];
@for w 3
@let W w == 0 ? 8 : w == 1 ? 4 : 1
@let FROM w == 0 ? 0 : w == 1 ? HALF/8*8 : HALF/4*4
@let TO HALF/W*W
@if TO > FROM
        for (int i = ${FROM}; i < ${TO}; i += ${W}) {
            vec${W} c, s;
            turn_${W}(position, i, &c, &s);
@if W > 1
            vec${2*W} both;
            both.even = c;
            both.odd = c;
            vstore${2*W}(both, 0, cosines + 2 * i);
            both.even = -s;
            both.odd = s;
            vstore${2*W}(both, 0, sines + 2 * i);
@else
            cosines[2 * i] = cosines[2 * i + 1] = c;
            sines[2 * i] = -s;
            sines[2 * i + 1] = s;
@end
        }
@end
@end
@end
        for (int head = head0; head < head_stop; head++) {
            const ulong at = (token * ${heads} + head) * ${head_dim};
@if style == 'neox'
@for w 4
@let W w == 0 ? 16 : w == 1 ? 8 : w == 2 ? 4 : 1
@let FROM w == 0 ? 0 : w == 1 ? HALF/16*16 : w == 2 ? HALF/8*8 : HALF/4*4
@let TO HALF/W*W
@if TO > FROM
            for (int i = ${FROM}; i < ${TO}; i += ${W}) {
                const vec${W} u = load${W}_${dtype}(x, at + i);
                const vec${W} v = load${W}_${dtype}(x, at + i + ${HALF});
@if W > 1
                const vec${W} c = vload${W}(0, cosines + i), s = vload${W}(0, sines + i);
@else
                const float c = cosines[i], s = sines[i];
@end
                ${W > 1 ? 'stream' : 'store'}${W}_${dtype}(fma(u, c, -(v * s)), y, at + i${W > 1 ? ', past' : ''});
                ${W > 1 ? 'stream' : 'store'}${W}_${dtype}(fma(v, c, u * s), y, at + i + ${HALF}${W > 1 ? ', past' : ''});
            }
@end
@end
@else
@for w 3
@let W w == 0 ? 16 : w == 1 ? 8 : 2
@let FROM w == 0 ? 0 : w == 1 ? rotary_dim/16*16 : rotary_dim/8*8
@let TO rotary_dim/W*W
@if TO > FROM
            for (int i = ${FROM}; i < ${TO}; i += ${W}) {
@if W > 2
                const vec${W} v = load${W}_${dtype}(x, at + i);
                vec${W} other;
                other.even = v.odd;
                other.odd = v.even;
                const vec${W} c = vload${W}(0, cosines + i), s = vload${W}(0, sines + i);
                stream${W}_${dtype}(fma(v, c, other * s), y, at + i, past);
@else
                const float u = load1_${dtype}(x, at + i), v = load1_${dtype}(x, at + i + 1);
                store1_${dtype}(fma(u, cosines[i], v * sines[i]), y, at + i);
                store1_${dtype}(fma(v, cosines[i], u * sines[i + 1]), y, at + i + 1);
@end
            }
@end
@end
@end
@if head_dim > rotary_dim
            __global const ${T} *from = (__global const ${T} *)x + at;
            __global ${T} *to = (__global ${T} *)y + at;
            int i = ${rotary_dim};
            for (; i + 16 <= ${head_dim}; i += 16)
                vstore16(vload16(0, from + i), 0, to + i);
            for (; i < ${head_dim}; i++)
                to[i] = from[i];
@end
        }
    }
}
