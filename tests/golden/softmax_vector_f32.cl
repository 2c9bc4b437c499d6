#line 1 "kernels.cl.in"
/* softmax: y = softmax(scale x) of each row
 * spec     softmax batch=? m=? n=? dtype=f32 causal=1 scale=0.125
 * variant  vector  U=4 ELEMENTS=16384 BLOCK=1024 WAIT=16384
 */
#line 4 "access.cl"
typedef float vec1;

#line 20 "access.cl"
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

#line 30 "access.cl"
static vec16 load16_f32(__global const float *p, ulong i)
{
    return vload16(0, p + i);
}

static void store16_f32(vec16 v, __global float *p, ulong i)
{
    vstore16(v, 0, p + i);
}

#line 105 "access.cl"
static vec16 load16_f32_part(__global const float *p, ulong i, int count)
{
    float lanes[16];
    for (int l = 0; l < 16; l++)
        lanes[l] = l < count ? load1_f32(p, i + l) : 0.0f;
    return vload16(0, lanes);
}

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
 * A work-item takes 16384 elements or so, a row at a time, in blocks of 1024: the largest score so
 * far, then the exponentials below it, which wait in local memory, with the largest score that each
 * block knew, until the row's sum is known. Of a row longer than 16384 they do not wait: its
 * elements are read twice.
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

#line 3 "exp_vector.cl"
/* exp(x) for x <= 0, to 2 units of the last place; NaN stays NaN, and what is below the smallest
 * normal number may be 0. x = k ln2 + r, exp(r) by Cephes' polynomial; adding 1.5 2^23 rounds to a
 * whole k, which then stands in the sum's last bits. */
static __attribute__((always_inline)) vec16 exp_below(vec16 x)
{
    const vec16 t = x < -88.0f ? (vec16)(-88.0f) : x;
    const vec16 shifted = fma(t, (vec16)(1.44269504f), (vec16)(12582912.0f));
    const vec16 k = shifted - 12582912.0f;
    const vec16 r = fma(k, (vec16)(2.12194440e-4f), fma(k, (vec16)(-0.693359375f), t));
    vec16 p = 1.9875691500e-4f;
    p = fma(p, r, (vec16)(1.3981999507e-3f));
    p = fma(p, r, (vec16)(8.3334519073e-3f));
    p = fma(p, r, (vec16)(4.1665795894e-2f));
    p = fma(p, r, (vec16)(1.6666665459e-1f));
    p = fma(p, r, (vec16)(5.0000001201e-1f));
    p = fma(p, r * r, r) + 1.0f;
    return p * as_float16((as_int16(shifted) + 127) << 23);
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
/* top: the largest so far, -inf at the start; sum: of exp(0.125f (v - top)). */
typedef struct {
    float top;
    vec16 sum, sum_lost;
#line 18 "softmax_online.cl"
} online;

/* What exponents are relative to: a row of -inf only has a sum of 0, not NaN. */
static float base_of(float top)
{
    return top == -INFINITY ? 0.0f : top;
}

static void start(online *o)
{
    o->top = -INFINITY;
    o->sum = o->sum_lost = (vec16)(0.0f);
#line 33 "softmax_online.cl"
}

/* 0 < left: elements that there are. */
static vec16 score(__global const float *p, ulong i, ulong left)
{
    if (left >= 16)
        return load16_f32(p, i);
    return first_lanes(load16_f32_part(p, i, (int)left), (int)left, -INFINITY);
}

#line 44 "softmax_online.cl"
static void put_zeros(__global float *p, ulong i, ulong count)
{
    ulong j = 0;
    for (; j + 16 <= count; j += 16)
        store16_f32((vec16)(0.0f), p, i + j);
    for (; j < count; j++)
        store1_f32(0.0f, p, i + j);
}

#line 54 "softmax_online.cl"
/* The count elements from p[i] on: first the largest, then, from the cache, the exponentials.
#line 56 "softmax_online.cl"
 * kept: where they go, unless it is NULL; room for a multiple of 16. */
static void absorb(online *o, __global const float *p, ulong i, ulong count, __local float *kept)
#line 62 "softmax_online.cl"
{
    vec16 top[4];
    #pragma unroll
    for (int u = 0; u < 4; u++)
        top[u] = (vec16)(o->top);
    ulong j = 0;
    for (; j + 64 <= count; j += 64) {
        #pragma unroll
        for (int u = 0; u < 4; u++)
            top[u] = larger16(load16_f32(p, i + j + u * 16), top[u]);
    }
    for (; j < count; j += 16)
        top[0] = larger16(score(p, i + j, count - j), top[0]);
    #pragma unroll
    for (int u = 1; u < 4; u++)
        top[0] = larger16(top[u], top[0]);
    const float most = largest16(top[0]);
    const float base = base_of(most);
    if (most > o->top) {
        const float shrink = exp(0.125f * (o->top - base));
        o->sum *= shrink;
        o->sum_lost *= shrink;
        o->top = most;
    }
    vec16 sum[4];
#line 90 "softmax_online.cl"
    #pragma unroll
    for (int u = 0; u < 4; u++) {
        sum[u] = (vec16)(0.0f);
#line 96 "softmax_online.cl"
    }
    for (j = 0; j + 64 <= count; j += 64) {
        #pragma unroll
        for (int u = 0; u < 4; u++) {
            const vec16 v = load16_f32(p, i + j + u * 16);
            const vec16 e = exp_below(0.125f * (v - base));
            sum[u] += e;
#line 107 "softmax_online.cl"
            if (kept)
                vstore16(e, 0, kept + j + u * 16);
#line 110 "softmax_online.cl"
        }
    }
    for (; j < count; j += 16) {
        const vec16 v = score(p, i + j, count - j);
        const vec16 e = exp_below(0.125f * (v - base));
        sum[0] += e;
#line 121 "softmax_online.cl"
        if (kept)
            vstore16(e, 0, kept + j);
#line 124 "softmax_online.cl"
    }
    #pragma unroll
    for (int u = 1; u < 4; u++) {
        sum[0] += sum[u];
#line 131 "softmax_online.cl"
    }
    add_exactly16(&o->sum, &o->sum_lost, sum[0]);
#line 136 "softmax_online.cl"
}

#line 19 "softmax_vector.cl"
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void softmax(__global const float *x, const ulong x_offset,
             __global float *y, const ulong y_offset,
             const long batch,
             const long m,
             const long n)
#line 20 "softmax_vector.cl"
{
    x += x_offset;
    y += y_offset;
#line 22 "softmax_vector.cl"
    __local float kept[16384] __attribute__((aligned(64)));
    __local float tops[16];
    const ulong share = max((long)1, (long)min((long)(16384 / n), (long)(((batch * m) + 7) / 8))), width = n;
    const ulong first = get_group_id(0) * share;
    const ulong stop = min(first + share, (ulong)(batch * m));
    for (ulong row = first; row < stop; row++) {
        const ulong at = row * width;
#line 30 "softmax_vector.cl"
        const long last = (long)(row % m) + n - m;
        const ulong seen = last < 0 ? 0 : (ulong)last + 1;
#line 35 "softmax_vector.cl"
        const int waits = seen <= 16384;
        online o;
        start(&o);
        for (ulong j = 0; j < seen; j += 1024) {
            absorb(&o, x, at + j, min((ulong)1024, seen - j), waits ? kept + j : 0);
            if (waits)
                tops[j / 1024] = o.top;
        }
        const float base = base_of(o.top);
        const float sum = whole_of(sum16(o.sum), sum16(o.sum_lost));
        const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;

        for (ulong j0 = 0; j0 < seen; j0 += 1024) {
            const ulong end = min(j0 + 1024, seen);
            float factor = inverse;
            if (waits && tops[j0 / 1024] != o.top)
                factor *= exp(0.125f * (tops[j0 / 1024] - base));
            ulong j = j0;
            if (waits)
                for (; j + 16 <= end; j += 16)
                    store16_f32(vload16(0, kept + j) * factor, y, at + j);
            for (; j < end; j += 16) {
                const int left = (int)min((ulong)16, end - j);
                vec16 e;
                if (waits)
                    e = vload16(0, kept + j);
                else
                    e = exp_below(0.125f * (score(x, at + j, left) - base));
                if (left == 16)
                    store16_f32(e * factor, y, at + j);
                else
                    store16_f32_part(e * factor, y, at + j, left);
            }
        }
#line 70 "softmax_vector.cl"
        put_zeros(y, at + seen, width - seen);
#line 72 "softmax_vector.cl"
    }
}
