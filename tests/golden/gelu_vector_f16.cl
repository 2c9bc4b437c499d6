#line 1 "kernels.cl.in"
/* gelu: y = gelu(x)
 * spec     gelu m=? n=? dtype=f16 approx=none
 * variant  vector  W=16 BLOCK=16384
 */
#line 4 "access.cl"
typedef float vec1;

#line 43 "access.cl"
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

#line 11 "access.cl"
/* 16-bit words at any address: an unaligned vector move. PoCL's vload and vstore of ushort vectors
 * go word by word, and those of half vectors want an aligned pointer. */
typedef struct __attribute__((packed)) {
    ushort16 bits;
} halves16;

#line 53 "access.cl"
static vec16 load16_f16(__global const half *p, ulong i)
{
    const ushort16 bits = ((__global const halves16 *)(p + i))->bits;
    return vload_half16(0, (const half *)&bits);
}

static void store16_f16(vec16 v, __global half *p, ulong i)
{
    ushort16 bits;
    vstore_half16_rte(v, 0, (half *)&bits);
    ((__global halves16 *)(p + i))->bits = bits;
}

#line 105 "access.cl"
static vec16 load16_f16_part(__global const half *p, ulong i, int count)
{
    float lanes[16];
    for (int l = 0; l < 16; l++)
        lanes[l] = l < count ? load1_f16(p, i + l) : 0.0f;
    return vload16(0, lanes);
}

static void store16_f16_part(vec16 v, __global half *p, ulong i, int count)
{
    float lanes[16];
    vstore16(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_f16(lanes[l], p, i + l);
}

#line 10 "gelu.cl"
/* x Phi(x) = relu(x) - |x|/2 erfc(|x|/sqrt(2)), which keeps the tail that 1 + erf loses. erfc(z) is
 * t exp(p(t) - z^2) with t = 1/(1 + 0.4 z); p is the Chebyshev interpolant of degree 9 on
 * 0 <= z <= 10.5, off by 5e-8: one exp and no call for each lane. Past |x| = 20 erfc is 0; the
 * sum of halves is relu that keeps NaN. */
static vec1 gelu_none1(vec1 x)
{
    const vec1 a = fmin(fabs(x), 20.0f);
    const vec1 z = 0.70710678f * a;
    const vec1 t = 1.0f / (1.0f + 0.4f * z);
    vec1 p = 6.046594209e-02f;
    p = fma(p, t, -5.377872084e-01f);
    p = fma(p, t, 1.704826014e+00f);
    p = fma(p, t, -2.529271738e+00f);
    p = fma(p, t, 1.867130055e+00f);
    p = fma(p, t, -9.080291483e-01f);
    p = fma(p, t, 4.598985187e-01f);
    p = fma(p, t, 3.659816850e-01f);
    p = fma(p, t, 1.005698286e+00f);
    p = fma(p, t, -1.488912445e+00f);
    return 0.5f * x + 0.5f * fabs(x) - 0.5f * a * t * exp(p - z * z);
}

#line 10 "gelu.cl"
/* x Phi(x) = relu(x) - |x|/2 erfc(|x|/sqrt(2)), which keeps the tail that 1 + erf loses. erfc(z) is
 * t exp(p(t) - z^2) with t = 1/(1 + 0.4 z); p is the Chebyshev interpolant of degree 9 on
 * 0 <= z <= 10.5, off by 5e-8: one exp and no call for each lane. Past |x| = 20 erfc is 0; the
 * sum of halves is relu that keeps NaN. */
static vec16 gelu_none16(vec16 x)
{
    const vec16 a = fmin(fabs(x), 20.0f);
    const vec16 z = 0.70710678f * a;
    const vec16 t = 1.0f / (1.0f + 0.4f * z);
    vec16 p = 6.046594209e-02f;
    p = fma(p, t, -5.377872084e-01f);
    p = fma(p, t, 1.704826014e+00f);
    p = fma(p, t, -2.529271738e+00f);
    p = fma(p, t, 1.867130055e+00f);
    p = fma(p, t, -9.080291483e-01f);
    p = fma(p, t, 4.598985187e-01f);
    p = fma(p, t, 3.659816850e-01f);
    p = fma(p, t, 1.005698286e+00f);
    p = fma(p, t, -1.488912445e+00f);
    return 0.5f * x + 0.5f * fabs(x) - 0.5f * a * t * exp(p - z * z);
}

#line 1 "elementwise_vector.cl"
/* y[e] = ops(x[e]) over the elements e = 0 .. count-1 of a row-major matrix.
 *
 * A work-item takes 16384 elements, 16 at a time. An op that needs its column (bias) sees
 * runs of one row; the others see all elements as one run.
 */
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void gelu(__global const half *x, const ulong x_offset,
          __global half *y, const ulong y_offset,
          const long m,
          const long n)
#line 7 "elementwise_vector.cl"
{
    x += x_offset;
    y += y_offset;
#line 9 "elementwise_vector.cl"
    const ulong length = (m * n);
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
#line 1 "op/store.cl"
            store16_f16(v, y, at);
#line 21 "elementwise_vector.cl"
        }
        const int left = (int)(run - i);
        if (left > 0) {
            const ulong at = e + i;
            vec16 v;
#line 1 "op/load.cl"
            v = load16_f16_part(x, at, left);
#line 4 "op/gelu.cl"
            v = gelu_none16(v);
#line 1 "op/store.cl"
            store16_f16_part(v, y, at, left);
#line 28 "elementwise_vector.cl"
        }
        e += run;
        col0 = 0;
    }
}
