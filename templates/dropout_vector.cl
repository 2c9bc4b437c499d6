@# Of 16 registers one chain of eight blocks takes eight.
@let CHAINS SIMD > 8 ? 3 : 1
/* y[e] = x[e]/(1-p) where word c mod 4 of Philox4x32-10's block c div 4 is at least threshold, else
 * 0; c = offset + e.
 *
 * A work-item takes ${BLOCK} elements, ${32*CHAINS} at a time: ${8*CHAINS} blocks of the generator, a word in the
 * lower half of each 64-bit lane. Its first elements, up to where a block begins, and its last are
 * done one by one. x and y may be the same memory.
 */

@let W 16
@include stream.cl
@include inline.cl

/* a + (b << 32), of the lower halves; written out, lane by lane, it becomes one shuffle. */
static ${INLINE} ulong8 lower_halves(ulong8 a, ulong8 b)
{
    const uint16 x = as_uint16(a), y = as_uint16(b);
    return as_ulong8((uint16)(x.s0, y.s0, x.s2, y.s2, x.s4, y.s4, x.s6, y.s6,
                              x.s8, y.s8, x.sa, y.sa, x.sc, y.sc, x.se, y.se));
}

/* The ${32*CHAINS} words from place on, a multiple of 4. What stands in the upper halves of c0 .. c3 does not
 * count. Each round waits for the last: ${CHAINS > 1 ? CHAINS : ''}${CHAINS > 1 ? ' times eight' : 'eight'} blocks take turns. Unrolled, PoCL's compiler
 * puts one after the other, and the keys into registers. keys: two of each round. */
static ${INLINE} void random(ulong place, const ulong *keys, uint16 *words)
{
    ulong8 c0[${CHAINS}], c1[${CHAINS}], c2[${CHAINS}], c3[${CHAINS}];
    #pragma unroll
    for (int b = 0; b < ${CHAINS}; b++) {
        const ulong8 block = (place + 32 * b + (ulong8)(0, 4, 8, 12, 16, 20, 24, 28)) >> 2;
        c3[b] = (block & 0xfffffffful) * 0xd2511f53ul;
        c2[b] = (c3[b] >> 32) ^ keys[1];
        c1[b] = (ulong8)(0);
        c0[b] = (block >> 32) ^ keys[0];
    }
    #pragma unroll 1
    for (int round = 1; round < 10; round++) {
        #pragma unroll
        for (int b = 0; b < ${CHAINS}; b++) {
            const ulong8 p = (c0[b] & 0xfffffffful) * 0xd2511f53ul;
            const ulong8 q = (c2[b] & 0xfffffffful) * 0xcd9e8d57ul;
            c0[b] = (q >> 32) ^ c1[b] ^ keys[2 * round];
            c1[b] = q;
            c2[b] = (p >> 32) ^ c3[b] ^ keys[2 * round + 1];
            c3[b] = p;
        }
    }
    #pragma unroll
    for (int b = 0; b < ${CHAINS}; b++) {
        const ulong8 front = lower_halves(c0[b], c1[b]), back = lower_halves(c2[b], c3[b]);
        words[2 * b] = as_uint16((ulong8)(front.s0, back.s0, front.s1, back.s1, front.s2, back.s2,
                                          front.s3, back.s3));
        words[2 * b + 1] = as_uint16((ulong8)(front.s4, back.s4, front.s5, back.s5, front.s6,
                                              back.s6, front.s7, back.s7));
    }
}

static vec16 thin(vec16 v, uint16 word, uint threshold, float kept)
{
    return word >= threshold ? v * kept : (vec16)(0.0f);
}


${signature}
{
${offsets}
    ulong e = (ulong)get_group_id(0) * ${BLOCK};
    const ulong stop = min(e + ${BLOCK}, (ulong)${count});
    const int past = ${STREAMS};
    ulong keys[20];
    for (uint round = 0; round < 10; round++) {
        keys[2 * round] = (uint)seed + round * 0x9e3779b9u;
        keys[2 * round + 1] = (uint)(seed >> 32) + round * 0xbb67ae85u;
    }
    uint16 words[${2*CHAINS}];
    uint one[${32*CHAINS}];
    const ulong skew = (offset + e) & 3;
    if (skew > 0) {
        random(offset + e - skew, keys, words);
        vstore16(words[0], 0, one);
        for (ulong l = skew; l < 4 && e < stop; l++, e++)
            store1_${dtype}(one[l] >= threshold ? load1_${dtype}(x, e) * kept : 0.0f, y, e);
    }
    for (; e + ${32*CHAINS} <= stop; e += ${32*CHAINS}) {
        random(offset + e, keys, words);
        #pragma unroll
        for (int u = 0; u < ${2*CHAINS}; u++)
            stream16_${dtype}(thin(load16_${dtype}(x, e + 16 * u), words[u], threshold, kept), y,
                              e + 16 * u, past);
    }
    if (e < stop) {
        random(offset + e, keys, words);
        #pragma unroll
        for (int u = 0; u < ${2*CHAINS}; u++)
            vstore16(words[u], u, one);
        for (int l = 0; e < stop; l++, e++)
            store1_${dtype}(one[l] >= threshold ? load1_${dtype}(x, e) * kept : 0.0f, y, e);
    }
}
