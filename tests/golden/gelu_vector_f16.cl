#line 1 "kernels.cl.in"
/* gelu: y = gelu(x)
 * spec     gelu m=? n=? dtype=f16 approx=none
 * variant  vector  W=16 BLOCK=16384
 */
#line 4 "access.cl"
typedef float vec1;

#line 115 "access.cl"
static vec1 load1_f16(__global const half *p, ulong i)
{
    return vload_half(0, p + i);
}

static void store1_f16(vec1 v, __global half *p, ulong i)
{
    vstore_half_rte(v, 0, p + i);
}

#line 6 "access.cl"
typedef float16 vec16;

#line 21 "access.cl"
/* 16-bit words at any address: an unaligned vector move. PoCL's vload and vstore of ushort vectors
 * go word by word, and those of half vectors want an aligned pointer. */
typedef struct __attribute__((packed)) {
    ushort16 bits;
} halves16;

#line 153 "access.cl"
static vec16 load16_f16(__global const half *p, ulong i)
{
#line 158 "access.cl"
    const ushort16 bits = ((__global const halves16 *)(p + i))->bits;
#line 160 "access.cl"
    return vload_half16(0, (const half *)&bits);
}

static void store16_f16(vec16 v, __global half *p, ulong i)
{
#line 168 "access.cl"
    ushort16 bits;
    vstore_half16_rte(v, 0, (half *)&bits);
    ((__global halves16 *)(p + i))->bits = bits;
#line 172 "access.cl"
}

#line 245 "access.cl"
static vec16 load16_f16_part(__global const half *p, ulong i, int count)
{
    float lanes[16];
    for (int l = 0; l < 16; l++)
        lanes[l] = l < count ? load1_f16(p, i + l) : 0.0f;
    return vload16(0, lanes);
}

#line 274 "access.cl"
static void store16_f16_part(vec16 v, __global half *p, ulong i, int count)
{
    float lanes[16];
    vstore16(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_f16(lanes[l], p, i + l);
}

#line 8 "exp_vector.cl"
static vec1 exp_below1(vec1 x)
{
    return exp(x);
}

static vec1 exp2_within1(vec1 x)
{
    return exp2(x);
}

static vec1 exp2_near1(vec1 x)
{
    return exp2(x);
}

#line 17 "gelu.cl"
/* x Phi(x) = relu(x) - |x| Phi(-|x|), which keeps the tail that 1 + erf loses. Phi(-a) is
 * t p(t) exp(-a^2/2), t = 1/(1 + 0.3 a); p is of degree 7 and of the least relative error, 1.2e-7,
 * over 0 <= a <= 13.3 (Remez's exchange). From 13.26 on exp is 0 or the least float; 0 x makes NaN of
 * -inf. */
#line 24 "gelu.cl"
static vec1 gelu_none1(vec1 x)
{
    const vec1 a = fabs(x) < 13.26f ? fabs(x) : (vec1)(13.26f);
    const vec1 t = 1.0f / fma(a, (vec1)(0.3f), (vec1)(1.0f));
    vec1 p = 3.603615239e-02f;
    p = fma(p, t, (vec1)(-1.587130278e-01f));
    p = fma(p, t, (vec1)(2.089636326e-01f));
    p = fma(p, t, (vec1)(-5.609504879e-02f));
    p = fma(p, t, (vec1)(1.298429966e-01f));
    p = fma(p, t, (vec1)(9.952318668e-02f));
    p = fma(p, t, (vec1)(1.208168715e-01f));
    p = fma(p, t, (vec1)(1.196251661e-01f));
    const vec1 e = exp2_within1(-0.72134752f * a * a);
    const vec1 down = -x > a ? -x : a, up = x < 0.0f ? 0.0f * x : x;
    return fma(down * t * p, -e, up);
}
#line 23 "exp_vector.cl"
/* exp(x) for x < 88, to 2.2 units of the last place; NaN stays NaN, and what is below the smallest
 * normal number may be 0. x = k ln2 + r. */
static __attribute__((always_inline)) vec16 exp_below16(vec16 x)
{
    const vec16 t = x < -88.0f ? (vec16)(-88.0f) : x;
    const vec16 shifted = fma(t, (vec16)(1.44269504f), (vec16)(12583039.0f));
    const vec16 k = shifted - 12583039.0f;
    const vec16 r = fma(k, (vec16)(2.12194440e-4f), fma(k, (vec16)(-0.693359375f), t));
    vec16 p = 8.312480524e-3f;
    p = fma(p, r, (vec16)(4.189055040e-2f));
    p = fma(p, r, (vec16)(1.666711569e-1f));
    p = fma(p, r, (vec16)(4.999922812e-1f));
    p = fma(p, r, (vec16)(1.0f));
    p = fma(p, r, (vec16)(1.0f));
    return p * as_float16(as_int16(shifted) << 23);
}

/* 2^x for -127.4 < x < 128.4, to 3 units of the last place; 0 from -126.5 down, infinite from 127.5 up;
 * NaN stays NaN. x = k + f. */
static __attribute__((always_inline)) vec16 exp2_within16(vec16 x)
{
    const vec16 shifted = x + 12583039.0f;
    const vec16 f = x - (shifted - 12583039.0f);
    vec16 p = 1.327636419e-3f;
    p = fma(p, f, (vec16)(9.675655514e-3f));
    p = fma(p, f, (vec16)(5.550714582e-2f));
    p = fma(p, f, (vec16)(2.402211726e-1f));
    p = fma(p, f, (vec16)(6.931469440e-1f));
    p = fma(p, f, (vec16)(1.000000119f));
    return p * as_float16(as_int16(shifted) << 23);
}

/* The same for every x. */
static __attribute__((always_inline)) vec16 exp2_near16(vec16 x)
{
    const vec16 t = x < -127.0f ? (vec16)(-127.0f) : x;
    return exp2_within16(t > 128.0f ? (vec16)(128.0f) : t);
}

#line 17 "gelu.cl"
/* x Phi(x) = relu(x) - |x| Phi(-|x|), which keeps the tail that 1 + erf loses. Phi(-a) is
 * t p(t) exp(-a^2/2), t = 1/(1 + 0.3 a); p is of degree 7 and of the least relative error, 1.2e-7,
 * over 0 <= a <= 13.3 (Remez's exchange). From 13.26 on exp is 0 or the least float; 0 x makes NaN of
 * -inf. */
#line 24 "gelu.cl"
static vec16 gelu_none16(vec16 x)
{
    const vec16 a = fabs(x) < 13.26f ? fabs(x) : (vec16)(13.26f);
    const vec16 t = 1.0f / fma(a, (vec16)(0.3f), (vec16)(1.0f));
    vec16 p = 3.603615239e-02f;
    p = fma(p, t, (vec16)(-1.587130278e-01f));
    p = fma(p, t, (vec16)(2.089636326e-01f));
    p = fma(p, t, (vec16)(-5.609504879e-02f));
    p = fma(p, t, (vec16)(1.298429966e-01f));
    p = fma(p, t, (vec16)(9.952318668e-02f));
    p = fma(p, t, (vec16)(1.208168715e-01f));
    p = fma(p, t, (vec16)(1.196251661e-01f));
    const vec16 e = exp2_within16(-0.72134752f * a * a);
    const vec16 down = -x > a ? -x : a, up = x < 0.0f ? 0.0f * x : x;
    return fma(down * t * p, -e, up);
}
#line 1 "elementwise_vector.cl"
/* y[e] = ops(x[e]) over the elements e = 0 .. count-1 of a row-major matrix.
 *
 * A work-item takes 16384 elements, 16 at a time. An op that needs its column (bias) sees
 * runs of one row; the others see all elements as one run.
 */
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
static void stream16_f16(vec16 v, __global half *p, ulong i, int past)
{
#line 18 "stream.cl"
    ushort16 bits;
    vstore_half16_rte(v, 0, (half *)&bits);
#line 23 "stream.cl"
    if (past && ((ulong)(p + i) & 31) == 0)
        PAST_CACHE(bits, (__global ushort16 *)(p + i));
    else
        ((__global halves16 *)(p + i))->bits = bits;
#line 28 "stream.cl"
}

#line 8 "elementwise_vector.cl"
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void gelu(__global const half *x, const ulong x_offset,
          __global half *y, const ulong y_offset,
          const long m,
          const long n)
#line 9 "elementwise_vector.cl"
{
    x += x_offset;
    y += y_offset;
#line 11 "elementwise_vector.cl"
    const ulong length = (m * n);
    const int past = (((2 * m) * n) >= 33554432) && y != x;
    ulong e = (ulong)get_group_id(0) * 16384;
    const ulong stop = min(e + 16384, (ulong)(m * n));
    ulong col0 = e % length;
    while (e < stop) {
        const ulong run = min(length - col0, stop - e);
        ulong i = 0;
        for (; i + 16 <= run; i += 16) {
            const ulong at = e + i;
            vec16 v;
#line 1 "op/load.cl"
            v = load16_f16(x, at);
#line 4 "op/gelu.cl"
            v = gelu_none16(v);
#line 4 "op/store.cl"
            stream16_f16(v, y, at, past);
#line 24 "elementwise_vector.cl"
        }
        const int left = (int)(run - i);
        if (left > 0) {
            const ulong at = e + i;
            vec16 v;
#line 1 "op/load.cl"
            v = load16_f16_part(x, at, left);
#line 4 "op/gelu.cl"
            v = gelu_none16(v);
#line 6 "op/store.cl"
            store16_f16_part(v, y, at, left);
#line 31 "elementwise_vector.cl"
        }
        e += run;
        col0 = 0;
    }
}
