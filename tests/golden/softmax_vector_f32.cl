#line 1 "kernels.cl.in"
/* softmax: y = softmax(scale x) of each row
 * spec     softmax batch=? m=? n=? dtype=f32 causal=1 scale=0.125
 * variant  vector  U=4 ELEMENTS=16384 BLOCK=1024 WAIT=16384
 */
#line 4 "access.cl"
typedef float vec1;

#line 51 "access.cl"
static vec1 load1_f32(__global const float *p, ulong i)
{
    return p[i];
}

static void store1_f32(vec1 v, __global float *p, ulong i)
{
    p[i] = v;
}

#line 6 "access.cl"
typedef float16 vec16;

#line 14 "access.cl"
/* Floats at any address: PoCL's vstore16 of floats becomes three stores. */
typedef struct __attribute__((packed)) {
    vec16 v;
} floats16;

#line 82 "access.cl"
static vec16 load16_f32(__global const float *p, ulong i)
{
#line 92 "access.cl"
    return vload16(0, p + i);
#line 94 "access.cl"
}

static void store16_f32(vec16 v, __global float *p, ulong i)
{
#line 108 "access.cl"
    ((__global floats16 *)(p + i))->v = v;
#line 110 "access.cl"
}

#line 245 "access.cl"
static vec16 load16_f32_part(__global const float *p, ulong i, int count)
{
    float lanes[16];
    for (int l = 0; l < 16; l++)
        lanes[l] = l < count ? load1_f32(p, i + l) : 0.0f;
    return vload16(0, lanes);
}

#line 274 "access.cl"
static void store16_f32_part(vec16 v, __global float *p, ulong i, int count)
{
    float lanes[16];
    vstore16(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_f32(lanes[l], p, i + l);
}

#line 1 "softmax_vector.cl"
/* y = softmax(scale x) of each row, on a CPU.
 *
 * A work-item takes 16384 elements or so, a row at a time, in blocks of 1024: the sum of the
 * exponentials, relative to about the largest score so far, then, once it is known, y.
#line 6 "softmax_vector.cl"
 * The exponentials wait in local memory, with what each block's are relative to; of a row longer
 * than 16384 they do not wait, but are computed anew from the cache.
#line 11 "softmax_vector.cl"
 */
#line 2 "reduce_vector.cl"
static float sum16(vec16 v)
{
    const float8 a = v.lo + v.hi;
    const float4 b = a.lo + a.hi;
    const float2 c = b.lo + b.hi;
    return c.x + c.y;
}

/* The larger of each pair; a NaN in a is left out. */
static vec16 larger16(vec16 a, vec16 b)
{
    return a > b ? a : b;
}

static float largest16(vec16 v)
{
    const float8 a = v.lo > v.hi ? v.lo : v.hi;
    const float4 b = a.lo > a.hi ? a.lo : a.hi;
    const float2 c = b.lo > b.hi ? b.lo : b.hi;
    return c.x > c.y ? c.x : c.y;
}

/* v with its lanes from count on replaced. */
static vec16 first_lanes(vec16 v, int count, float other)
{
    const int16 lane = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return lane < (int16)(count) ? v : (vec16)(other);
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
static void stream16_f32(vec16 v, __global float *p, ulong i, int past)
{
#line 12 "stream.cl"
    if (past && ((ulong)(p + i) & 63) == 0)
        PAST_CACHE(v, (__global vec16 *)(p + i));
    else
        store16_f32(v, p, i);
#line 28 "stream.cl"
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
#line 3 "exact_sum.cl"
/* hi + lo += v */
static void add_exactly16(vec16 *hi, vec16 *lo, vec16 v)
{
    const vec16 sum = *hi + v;
    const vec16 part = sum - *hi;
    *lo += (*hi - (sum - part)) + (v - part);
    *hi = sum;
}

#line 1 "whole.cl"
/* hi + lo; of an infinite hi, or NaN, nothing is lacking. */
static float whole_of(float hi, float lo)
{
    return isfinite(hi) ? hi + lo : hi;
}

#line 11 "softmax_online.cl"
/* top: what exponents are relative to, about the largest so far, -inf of -inf only; most: the largest
 * so far; sum: of exp(0.125f (v - top)). */
typedef struct {
    float top, most;
    vec16 sum, sum_lost;
#line 19 "softmax_online.cl"
} online;

/* What exponents are relative to: a row of -inf only has a sum of 0, not NaN. */
static float base_of(float top)
{
    return top == -INFINITY ? 0.0f : top;
}

/* 0 < left: elements that there are. */
static vec16 score(__global const float *p, ulong i, ulong left)
{
    if (left >= 16)
        return load16_f32(p, i);
    return first_lanes(load16_f32_part(p, i, (int)left), (int)left, -INFINITY);
}

/* Of a row whose count elements begin at p[i]: the first of them tell what exponents are relative to. */
static void start(online *o, __global const float *p, ulong i, ulong count)
{
    o->top = o->most = count > 0 ? largest16(score(p, i, count)) : -INFINITY;
    o->sum = o->sum_lost = (vec16)(0.0f);
#line 43 "softmax_online.cl"
}

#line 46 "softmax_online.cl"
static void put_zeros(__global float *p, ulong i, ulong count)
{
    ulong j = 0;
    for (; j + 16 <= count; j += 16)
        store16_f32((vec16)(0.0f), p, i + j);
    for (; j < count; j++)
        store1_f32(0.0f, p, i + j);
}

#line 56 "softmax_online.cl"
/* Exponents become relative to the largest so far. */
static void lift(online *o)
{
    if (o->most > o->top) {
        const float shrink = exp(0.125f * (o->top - base_of(o->most)));
        o->sum *= shrink;
        o->sum_lost *= shrink;
        o->top = o->most;
    }
}

/* The count elements from p[i] on, the largest and the exponentials at once. Where the largest turns out to be
 * far above what the exponents are relative to, once more, from the cache.
#line 70 "softmax_online.cl"
 * kept: where the exponentials go, unless it is NULL; aligned, room for a multiple of 16. */
static void absorb(online *o, __global const float *p, ulong i, ulong count, __local float *kept)
#line 76 "softmax_online.cl"
{
    vec16 top[4], sum[4];
#line 81 "softmax_online.cl"
    for (;;) {
        const float base = base_of(o->top);
        #pragma unroll
        for (int u = 0; u < 4; u++) {
            top[u] = (vec16)(o->most);
            sum[u] = (vec16)(0.0f);
#line 90 "softmax_online.cl"
        }
        ulong j = 0;
        for (; j + 64 <= count; j += 64) {
            #pragma unroll
            for (int u = 0; u < 4; u++) {
                const vec16 v = load16_f32(p, i + j + u * 16);
                const vec16 e = exp_below16(0.125f * (v - base));
                top[u] = larger16(v, top[u]);
                sum[u] += e;
#line 103 "softmax_online.cl"
                if (kept)
                    *(__local vec16 *)(kept + j + u * 16) = e;
#line 106 "softmax_online.cl"
            }
        }
        for (; j < count; j += 16) {
            const vec16 v = score(p, i + j, count - j);
            const vec16 e = exp_below16(0.125f * (v - base));
            top[0] = larger16(v, top[0]);
            sum[0] += e;
#line 118 "softmax_online.cl"
            if (kept)
                *(__local vec16 *)(kept + j) = e;
#line 121 "softmax_online.cl"
        }
        #pragma unroll
        for (int u = 1; u < 4; u++) {
            top[0] = larger16(top[u], top[0]);
            sum[0] += sum[u];
#line 129 "softmax_online.cl"
        }
        o->most = largest16(top[0]);
        if (!(0.125f * (o->most - o->top) > 32.0f))
            break;
        lift(o);
    }
    add_exactly16(&o->sum, &o->sum_lost, sum[0]);
#line 139 "softmax_online.cl"
}
#line 25 "softmax_vector.cl"
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void softmax(__global const float *x, const ulong x_offset,
             __global float *y, const ulong y_offset,
             const long batch,
             const long m,
             const long n)
#line 26 "softmax_vector.cl"
{
    x += x_offset;
    y += y_offset;
#line 29 "softmax_vector.cl"
    __local float kept[16384] __attribute__((aligned(64)));
    __local float tops[16];
#line 32 "softmax_vector.cl"
    const ulong share = max((long)1, (long)min((long)(16384 / n), (long)(((batch * m) + 7) / 8))), width = n;
    const ulong first = get_group_id(0) * share;
    const ulong stop = min(first + share, (ulong)(batch * m));
    const int past = ((((4 * batch) * m) * n) >= 33554432) && y != x;
    for (ulong row = first; row < stop; row++) {
        const ulong at = row * width;
#line 39 "softmax_vector.cl"
        const long last = (long)(row % m) + n - m;
        const ulong seen = last < 0 ? 0 : (ulong)last + 1;
#line 45 "softmax_vector.cl"
        const int waits = seen <= 16384;
#line 47 "softmax_vector.cl"
        online o;
        start(&o, x, at, seen);
        for (ulong j = 0; j < seen; j += 1024) {
#line 51 "softmax_vector.cl"
            absorb(&o, x, at + j, min((ulong)1024, seen - j), waits ? kept + j : 0);
            if (waits)
                tops[j / 1024] = o.top;
#line 57 "softmax_vector.cl"
        }
        const float base = base_of(o.top);
        const float sum = whole_of(sum16(o.sum), sum16(o.sum_lost));
        const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;

#line 63 "softmax_vector.cl"
        for (ulong j0 = 0; waits && j0 < seen; j0 += 1024) {
            const ulong end = min(j0 + 1024, seen);
            float factor = inverse;
            if (tops[j0 / 1024] != o.top)
                factor *= exp(0.125f * (tops[j0 / 1024] - base));
            ulong j = j0;
            for (; j + 16 <= end; j += 16)
                stream16_f32(*(__local vec16 *)(kept + j) * factor, y, at + j, past);
            if (j < end)
                store16_f32_part(*(__local vec16 *)(kept + j) * factor, y, at + j,
                                      (int)(end - j));
        }
#line 76 "softmax_vector.cl"
        for (ulong j = waits ? seen : 0; j < seen; j += 16) {
            const vec16 e = exp_below16(0.125f * (score(x, at + j, seen - j) - base)) * inverse;
            if (j + 16 <= seen)
                stream16_f32(e, y, at + j, past);
            else
                store16_f32_part(e, y, at + j, (int)(seen - j));
        }
#line 84 "softmax_vector.cl"
        put_zeros(y, at + seen, width - seen);
#line 86 "softmax_vector.cl"
    }
}
