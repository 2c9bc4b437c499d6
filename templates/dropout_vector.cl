/* y[e] = x[e]/(1-p) where word c mod 4 of Philox4x32-10's block c div 4 is at least threshold, else
 * 0; c = offset + e.
 *
 * A work-item takes ${BLOCK} elements, 32 at a time: eight blocks of the generator, a word in the
 * lower half of each 64-bit lane. Its first elements, up to where a block begins, and its last are
 * done one by one. x and y may be the same memory.
 */

/* The words of the eight blocks from place on, in order; place is a multiple of 4. What stands in
 * the upper halves of c0 .. c3 does not count. */
static void random32(ulong place, ulong seed, uint16 *first, uint16 *second)
{
    const ulong8 block = (place + (ulong8)(0, 4, 8, 12, 16, 20, 24, 28)) >> 2;
    ulong8 c0 = block, c1 = block >> 32, c2 = 0, c3 = 0;
    uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        const ulong8 p = (c0 & 0xfffffffful) * 0xd2511f53ul;
        const ulong8 q = (c2 & 0xfffffffful) * 0xcd9e8d57ul;
        c0 = (q >> 32) ^ c1 ^ (ulong)k0;
        c1 = q;
        c2 = (p >> 32) ^ c3 ^ (ulong)k1;
        c3 = p;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    const ulong8 even = (c0 & 0xfffffffful) | (c1 << 32), odd = (c2 & 0xfffffffful) | (c3 << 32);
    ulong8 words;
    words.even = even.lo;
    words.odd = odd.lo;
    *first = as_uint16(words);
    words.even = even.hi;
    words.odd = odd.hi;
    *second = as_uint16(words);
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
    uint16 first, second;
    uint words[32];
    const ulong skew = (offset + e) & 3;
    if (skew > 0) {
        random32(offset + e - skew, seed, &first, &second);
        vstore16(first, 0, words);
        for (ulong l = skew; l < 4 && e < stop; l++, e++)
            store1_${dtype}(words[l] >= threshold ? load1_${dtype}(x, e) * kept : 0.0f, y, e);
    }
    for (; e + 32 <= stop; e += 32) {
        random32(offset + e, seed, &first, &second);
        const vec16 lo = load16_${dtype}(x, e), hi = load16_${dtype}(x, e + 16);
        store16_${dtype}(thin(lo, first, threshold, kept), y, e);
        store16_${dtype}(thin(hi, second, threshold, kept), y, e + 16);
    }
    if (e < stop) {
        random32(offset + e, seed, &first, &second);
        vstore16(first, 0, words);
        vstore16(second, 1, words);
        for (int l = 0; e < stop; l++, e++)
            store1_${dtype}(words[l] >= threshold ? load1_${dtype}(x, e) * kept : 0.0f, y, e);
    }
}
