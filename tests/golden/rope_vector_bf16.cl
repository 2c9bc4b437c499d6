#line 1 "kernels.cl.in"
/* rope: y = x, pairs of each head turned by position theta^(-2i/rotary_dim)
 * spec     rope tokens=? heads=4 head_dim=24 dtype=bf16 style=gptj rotary_dim=8 theta=16
 * variant  vector  BLOCK=16384
 */
#line 4 "access.cl"
typedef float vec1;

#line 176 "access.cl"
/* The upper half of a float. Rounds to nearest even; NaN stays NaN (quiet). */
static ushort to_bf16_1(vec1 v)
{
#line 190 "access.cl"
    const uint bits = as_uint(v);
    const uint rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const uint quiet = (bits >> 16) | 0x40u;
    return convert_ushort(select(rounded, quiet, isnan(v)));
#line 195 "access.cl"
}

#line 198 "access.cl"
static vec1 load1_bf16(__global const ushort *p, ulong i)
{
    return as_float((uint)p[i] << 16);
}

static void store1_bf16(vec1 v, __global ushort *p, ulong i)
{
    p[i] = to_bf16_1(v);
}

#line 6 "access.cl"
typedef float16 vec16;

#line 21 "access.cl"
/* 16-bit words at any address: an unaligned vector move. PoCL's vload and vstore of ushort vectors
 * go word by word, and those of half vectors want an aligned pointer. */
typedef struct __attribute__((packed)) {
    ushort16 bits;
} halves16;

#line 176 "access.cl"
/* The upper half of a float. Rounds to nearest even; NaN stays NaN (quiet). */
static ushort16 to_bf16_16(vec16 v)
{
#line 190 "access.cl"
    const uint16 bits = as_uint16(v);
    const uint16 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const uint16 quiet = (bits >> 16) | 0x40u;
    return convert_ushort16(select(rounded, quiet, isnan(v)));
#line 195 "access.cl"
}

#line 220 "access.cl"
static vec16 load16_bf16(__global const ushort *p, ulong i)
{
#line 225 "access.cl"
    return as_float16(convert_uint16(((__global const halves16 *)(p + i))->bits) << 16);
#line 227 "access.cl"
}

static void store16_bf16(vec16 v, __global ushort *p, ulong i)
{
#line 234 "access.cl"
    ((__global halves16 *)(p + i))->bits = to_bf16_16(v);
#line 236 "access.cl"
}

#line 245 "access.cl"
static vec16 load16_bf16_part(__global const ushort *p, ulong i, int count)
{
    float lanes[16];
    for (int l = 0; l < 16; l++)
        lanes[l] = l < count ? load1_bf16(p, i + l) : 0.0f;
    return vload16(0, lanes);
}

#line 274 "access.cl"
static void store16_bf16_part(vec16 v, __global ushort *p, ulong i, int count)
{
    float lanes[16];
    vstore16(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_bf16(lanes[l], p, i + l);
}

#line 6 "access.cl"
typedef float8 vec8;

#line 21 "access.cl"
/* 16-bit words at any address: an unaligned vector move. PoCL's vload and vstore of ushort vectors
 * go word by word, and those of half vectors want an aligned pointer. */
typedef struct __attribute__((packed)) {
    ushort8 bits;
} halves8;

#line 176 "access.cl"
/* The upper half of a float. Rounds to nearest even; NaN stays NaN (quiet). */
static ushort8 to_bf16_8(vec8 v)
{
#line 190 "access.cl"
    const uint8 bits = as_uint8(v);
    const uint8 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const uint8 quiet = (bits >> 16) | 0x40u;
    return convert_ushort8(select(rounded, quiet, isnan(v)));
#line 195 "access.cl"
}

#line 220 "access.cl"
static vec8 load8_bf16(__global const ushort *p, ulong i)
{
#line 225 "access.cl"
    return as_float8(convert_uint8(((__global const halves8 *)(p + i))->bits) << 16);
#line 227 "access.cl"
}

static void store8_bf16(vec8 v, __global ushort *p, ulong i)
{
#line 234 "access.cl"
    ((__global halves8 *)(p + i))->bits = to_bf16_8(v);
#line 236 "access.cl"
}

#line 245 "access.cl"
static vec8 load8_bf16_part(__global const ushort *p, ulong i, int count)
{
    float lanes[8];
    for (int l = 0; l < 8; l++)
        lanes[l] = l < count ? load1_bf16(p, i + l) : 0.0f;
    return vload8(0, lanes);
}

#line 274 "access.cl"
static void store8_bf16_part(vec8 v, __global ushort *p, ulong i, int count)
{
    float lanes[8];
    vstore8(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_bf16(lanes[l], p, i + l);
}

#line 6 "access.cl"
typedef float4 vec4;

#line 21 "access.cl"
/* 16-bit words at any address: an unaligned vector move. PoCL's vload and vstore of ushort vectors
 * go word by word, and those of half vectors want an aligned pointer. */
typedef struct __attribute__((packed)) {
    ushort4 bits;
} halves4;

#line 176 "access.cl"
/* The upper half of a float. Rounds to nearest even; NaN stays NaN (quiet). */
static ushort4 to_bf16_4(vec4 v)
{
#line 190 "access.cl"
    const uint4 bits = as_uint4(v);
    const uint4 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const uint4 quiet = (bits >> 16) | 0x40u;
    return convert_ushort4(select(rounded, quiet, isnan(v)));
#line 195 "access.cl"
}

#line 220 "access.cl"
static vec4 load4_bf16(__global const ushort *p, ulong i)
{
#line 225 "access.cl"
    return as_float4(convert_uint4(((__global const halves4 *)(p + i))->bits) << 16);
#line 227 "access.cl"
}

static void store4_bf16(vec4 v, __global ushort *p, ulong i)
{
#line 234 "access.cl"
    ((__global halves4 *)(p + i))->bits = to_bf16_4(v);
#line 236 "access.cl"
}

#line 245 "access.cl"
static vec4 load4_bf16_part(__global const ushort *p, ulong i, int count)
{
    float lanes[4];
    for (int l = 0; l < 4; l++)
        lanes[l] = l < count ? load1_bf16(p, i + l) : 0.0f;
    return vload4(0, lanes);
}

#line 274 "access.cl"
static void store4_bf16_part(vec4 v, __global ushort *p, ulong i, int count)
{
    float lanes[4];
    vstore4(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_bf16(lanes[l], p, i + l);
}

#line 4 "rope_vector.cl"
/* y = x, x[tokens,heads,head_dim]; the first 8 elements of a head are 4 pairs,
#line 8 "rope_vector.cl"
 * (2i, 2i + 1), that turn by an angle of the token's position:
#line 10 "rope_vector.cl"
 *
 *       (u, v) -> (u cos - v sin, v cos + u sin)
 *
 * A work-item takes 170 tokens, 4 heads of each. It computes a token's cosines and
 * sines once, then turns head after head by vectors. What stands behind the pairs is copied bit by
 * bit. x and y may be the same memory.
 */
#line 3 "rope_angle.cl"
/* How far a pair turns from one position to the next, theta^(-2i/rotary_dim), as a fraction of a
 * whole turn, in units of 2^-63. A position times it, modulo a whole turn, is exact in 64 bits,
 * however large the position.
 */
__constant ulong turns[4] = {
#line 14 "rope_angle.cl"
    1467945251641000704ul, 733972625820500352ul, 366986312910250176ul, 183493156455125088ul,
#line 16 "rope_angle.cl"
};

#line 21 "rope_angle.cl"
/* cos and sin of pair i at a position. The nearest quarter turn is taken off; for the rest,
 * within pi/4 of 0, there are polynomials.
 */
#line 25 "rope_angle.cl"
static void turn_1(int position, int i, vec1 *c, vec1 *s)
{
#line 28 "rope_angle.cl"
    const ulong each = turns[i];
#line 32 "rope_angle.cl"
    uint turn = convert_uint(each * (ulong)abs(position) >> 31 & 0xffffffffu);
    if (position < 0)
        turn = -turn;
    const uint quarter = (turn + 0x20000000u) >> 30;
    const vec1 x = convert_float(as_int(turn - (quarter << 30))) * 1.46291807926716e-9f;
    const vec1 xx = x * x;
    vec1 sine = fma(xx, (vec1)(-1.9515295891e-4f), (vec1)(8.3321608736e-3f));
    sine = fma(xx, sine, (vec1)(-1.6666654611e-1f));
    sine = fma(xx * x, sine, x);
    vec1 cosine = fma(xx, (vec1)(2.443315711809948e-5f), (vec1)(-1.388731625493765e-3f));
    cosine = fma(xx, cosine, (vec1)(4.166664568298827e-2f));
    cosine = fma(xx * xx, cosine, fma(xx, (vec1)(-0.5f), (vec1)(1.0f)));
    /* select() looks at the highest bit of vectors, at all of a scalar. */
    const int odd = as_int(quarter << 31);
    const uint c_sign = (quarter + 1u) >> 1 << 31, s_sign = quarter >> 1 << 31;
    *c = as_float(as_uint(select(cosine, sine, odd)) ^ c_sign);
    *s = as_float(as_uint(select(sine, cosine, odd)) ^ s_sign);
}

#line 21 "rope_angle.cl"
/* cos and sin of the pairs from i on at a position. The nearest quarter turn is taken off; for the rest,
 * within pi/4 of 0, there are polynomials.
 */
#line 25 "rope_angle.cl"
static void turn_4(int position, int i, vec4 *c, vec4 *s)
{
#line 30 "rope_angle.cl"
    const ulong4 each = vload4(0, turns + i);
#line 32 "rope_angle.cl"
    uint4 turn = convert_uint4(each * (ulong)abs(position) >> 31 & 0xffffffffu);
    if (position < 0)
        turn = -turn;
    const uint4 quarter = (turn + 0x20000000u) >> 30;
    const vec4 x = convert_float4(as_int4(turn - (quarter << 30))) * 1.46291807926716e-9f;
    const vec4 xx = x * x;
    vec4 sine = fma(xx, (vec4)(-1.9515295891e-4f), (vec4)(8.3321608736e-3f));
    sine = fma(xx, sine, (vec4)(-1.6666654611e-1f));
    sine = fma(xx * x, sine, x);
    vec4 cosine = fma(xx, (vec4)(2.443315711809948e-5f), (vec4)(-1.388731625493765e-3f));
    cosine = fma(xx, cosine, (vec4)(4.166664568298827e-2f));
    cosine = fma(xx * xx, cosine, fma(xx, (vec4)(-0.5f), (vec4)(1.0f)));
    /* select() looks at the highest bit of vectors, at all of a scalar. */
    const int4 odd = as_int4(quarter << 31);
    const uint4 c_sign = (quarter + 1u) >> 1 << 31, s_sign = quarter >> 1 << 31;
    *c = as_float4(as_uint4(select(cosine, sine, odd)) ^ c_sign);
    *s = as_float4(as_uint4(select(sine, cosine, odd)) ^ s_sign);
}

#line 21 "rope_angle.cl"
/* cos and sin of the pairs from i on at a position. The nearest quarter turn is taken off; for the rest,
 * within pi/4 of 0, there are polynomials.
 */
#line 25 "rope_angle.cl"
static void turn_8(int position, int i, vec8 *c, vec8 *s)
{
#line 30 "rope_angle.cl"
    const ulong8 each = vload8(0, turns + i);
#line 32 "rope_angle.cl"
    uint8 turn = convert_uint8(each * (ulong)abs(position) >> 31 & 0xffffffffu);
    if (position < 0)
        turn = -turn;
    const uint8 quarter = (turn + 0x20000000u) >> 30;
    const vec8 x = convert_float8(as_int8(turn - (quarter << 30))) * 1.46291807926716e-9f;
    const vec8 xx = x * x;
    vec8 sine = fma(xx, (vec8)(-1.9515295891e-4f), (vec8)(8.3321608736e-3f));
    sine = fma(xx, sine, (vec8)(-1.6666654611e-1f));
    sine = fma(xx * x, sine, x);
    vec8 cosine = fma(xx, (vec8)(2.443315711809948e-5f), (vec8)(-1.388731625493765e-3f));
    cosine = fma(xx, cosine, (vec8)(4.166664568298827e-2f));
    cosine = fma(xx * xx, cosine, fma(xx, (vec8)(-0.5f), (vec8)(1.0f)));
    /* select() looks at the highest bit of vectors, at all of a scalar. */
    const int8 odd = as_int8(quarter << 31);
    const uint8 c_sign = (quarter + 1u) >> 1 << 31, s_sign = quarter >> 1 << 31;
    *c = as_float8(as_uint8(select(cosine, sine, odd)) ^ c_sign);
    *s = as_float8(as_uint8(select(sine, cosine, odd)) ^ s_sign);
}
#line 3 "past_cache.cl"
#ifndef PAST_CACHE
#if defined(__has_builtin)
#if __has_builtin(__builtin_nontemporal_store)
#define PAST_CACHE(v, p) __builtin_nontemporal_store(v, p)
#endif
#endif
#ifndef PAST_CACHE
#define PAST_CACHE(v, p) (*(p) = (v))
#endif
#endif

#line 8 "stream.cl"
/* Past the cache where `past` holds and p[i] is aligned as the vector is. */
static void stream16_bf16(vec16 v, __global ushort *p, ulong i, int past)
{
#line 21 "stream.cl"
    const ushort16 bits = to_bf16_16(v);
#line 23 "stream.cl"
    if (past && ((ulong)(p + i) & 31) == 0)
        PAST_CACHE(bits, (__global ushort16 *)(p + i));
    else
        ((__global halves16 *)(p + i))->bits = bits;
#line 28 "stream.cl"
}
#line 3 "past_cache.cl"
#ifndef PAST_CACHE
#if defined(__has_builtin)
#if __has_builtin(__builtin_nontemporal_store)
#define PAST_CACHE(v, p) __builtin_nontemporal_store(v, p)
#endif
#endif
#ifndef PAST_CACHE
#define PAST_CACHE(v, p) (*(p) = (v))
#endif
#endif

#line 8 "stream.cl"
/* Past the cache where `past` holds and p[i] is aligned as the vector is. */
static void stream8_bf16(vec8 v, __global ushort *p, ulong i, int past)
{
#line 21 "stream.cl"
    const ushort8 bits = to_bf16_8(v);
#line 23 "stream.cl"
    if (past && ((ulong)(p + i) & 15) == 0)
        PAST_CACHE(bits, (__global ushort8 *)(p + i));
    else
        ((__global halves8 *)(p + i))->bits = bits;
#line 28 "stream.cl"
}
#line 3 "past_cache.cl"
#ifndef PAST_CACHE
#if defined(__has_builtin)
#if __has_builtin(__builtin_nontemporal_store)
#define PAST_CACHE(v, p) __builtin_nontemporal_store(v, p)
#endif
#endif
#ifndef PAST_CACHE
#define PAST_CACHE(v, p) (*(p) = (v))
#endif
#endif

#line 8 "stream.cl"
/* Past the cache where `past` holds and p[i] is aligned as the vector is. */
static void stream4_bf16(vec4 v, __global ushort *p, ulong i, int past)
{
#line 21 "stream.cl"
    const ushort4 bits = to_bf16_4(v);
#line 23 "stream.cl"
    if (past && ((ulong)(p + i) & 7) == 0)
        PAST_CACHE(bits, (__global ushort4 *)(p + i));
    else
        ((__global halves4 *)(p + i))->bits = bits;
#line 28 "stream.cl"
}

#line 23 "rope_vector.cl"
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void rope(__global const ushort *x, const ulong x_offset,
          __global const int *restrict positions, const ulong positions_offset,
          __global ushort *y, const ulong y_offset,
          const long tokens)
#line 24 "rope_vector.cl"
{
    x += x_offset;
    positions += positions_offset;
    y += y_offset;
#line 26 "rope_vector.cl"
    const ulong head_blocks = 1;
    const ulong first = get_group_id(0) / head_blocks * 170;
    const ulong stop = min(first + 170, (ulong)tokens);
    const int head0 = (int)(get_group_id(0) % head_blocks) * 4;
    const int head_stop = min(head0 + 4, 4);
    const int past = ((((2 * tokens) * 4) * 24) >= 33554432) && y != x;
    for (ulong token = first; token < stop; token++) {
        const int position = positions[token];
#line 55 "rope_vector.cl"
        /* Both elements of a pair have theirs, a sine the sign with which it is added. */
        float cosines[8], sines[8];
#line 62 "rope_vector.cl"
        for (int i = 0; i < 4; i += 4) {
            vec4 c, s;
            turn_4(position, i, &c, &s);
#line 66 "rope_vector.cl"
            vec8 both;
            both.even = c;
            both.odd = c;
            vstore8(both, 0, cosines + 2 * i);
            both.even = -s;
            both.odd = s;
            vstore8(both, 0, sines + 2 * i);
#line 78 "rope_vector.cl"
        }
#line 82 "rope_vector.cl"
        for (int head = head0; head < head_stop; head++) {
            const ulong at = (token * 4 + head) * 24;
#line 109 "rope_vector.cl"
            for (int i = 0; i < 8; i += 8) {
#line 111 "rope_vector.cl"
                const vec8 v = load8_bf16(x, at + i);
                vec8 other;
                other.even = v.odd;
                other.odd = v.even;
                const vec8 c = vload8(0, cosines + i), s = vload8(0, sines + i);
                stream8_bf16(fma(v, c, other * s), y, at + i, past);
#line 122 "rope_vector.cl"
            }
#line 127 "rope_vector.cl"
            __global const ushort *from = (__global const ushort *)x + at;
            __global ushort *to = (__global ushort *)y + at;
            int i = 8;
            for (; i + 16 <= 24; i += 16)
                vstore16(vload16(0, from + i), 0, to + i);
            for (; i < 24; i++)
                to[i] = from[i];
#line 135 "rope_vector.cl"
        }
    }
}
