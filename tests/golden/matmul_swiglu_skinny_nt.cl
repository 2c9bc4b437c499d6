#line 1 "kernels.cl.in"
/* matmul_swiglu: c = silu(gate) up, gate and up being the columns of a b
 * spec     matmul_swiglu m=4 n=70 k=96 dtype=bf16 gate=split layout=nt
 * variant  skinny  W=8 NV=2 MR=4 DEPTH=64 KB=4096 BN=1024
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

#line 5 "swiglu.cl"
/* k = 1 for x >= 0, exp(x/2) below, and r = 1/(1 + exp(-|x|)): silu(x) = (x r k) k has no
 * subnormal part before it is subnormal itself. */
static vec1 swiglu_root1(vec1 gate, vec1 *r)
{
    const vec1 h = exp_below1(-0.5f * fabs(gate));
    *r = 1.0f / (1.0f + h * h);
    return gate < 0.0f ? h : (vec1)(1.0f);
}

static vec1 swiglu1(vec1 gate, vec1 up)
{
    vec1 r;
    const vec1 k = swiglu_root1(gate, &r);
    return gate * r * k * up * k;
}

/* silu'(gate) = s (1 + gate (1 - s)), s = r k k. */
static void swiglu_backward1(vec1 dy, vec1 gate, vec1 up, vec1 *dgate, vec1 *dup)
{
    vec1 r;
    const vec1 k = swiglu_root1(gate, &r);
    const vec1 other = 1.0f - r;
    *dgate = dy * k * r * up * fma(gate, gate < 0.0f ? r : other, 1.0f) * k;
    *dup = gate * r * k * dy * k;
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

#line 5 "swiglu.cl"
/* k = 1 for x >= 0, exp(x/2) below, and r = 1/(1 + exp(-|x|)): silu(x) = (x r k) k has no
 * subnormal part before it is subnormal itself. */
static vec16 swiglu_root16(vec16 gate, vec16 *r)
{
    const vec16 h = exp_below16(-0.5f * fabs(gate));
    *r = 1.0f / (1.0f + h * h);
    return gate < 0.0f ? h : (vec16)(1.0f);
}

static vec16 swiglu16(vec16 gate, vec16 up)
{
    vec16 r;
    const vec16 k = swiglu_root16(gate, &r);
    return gate * r * k * up * k;
}

/* silu'(gate) = s (1 + gate (1 - s)), s = r k k. */
static void swiglu_backward16(vec16 dy, vec16 gate, vec16 up, vec16 *dgate, vec16 *dup)
{
    vec16 r;
    const vec16 k = swiglu_root16(gate, &r);
    const vec16 other = 1.0f - r;
    *dgate = dy * k * r * up * fma(gate, gate < 0.0f ? r : other, 1.0f) * k;
    *dup = gate * r * k * dy * k;
}

#line 23 "exp_vector.cl"
/* exp(x) for x < 88, to 2.2 units of the last place; NaN stays NaN, and what is below the smallest
 * normal number may be 0. x = k ln2 + r. */
static __attribute__((always_inline)) vec8 exp_below8(vec8 x)
{
    const vec8 t = x < -88.0f ? (vec8)(-88.0f) : x;
    const vec8 shifted = fma(t, (vec8)(1.44269504f), (vec8)(12583039.0f));
    const vec8 k = shifted - 12583039.0f;
    const vec8 r = fma(k, (vec8)(2.12194440e-4f), fma(k, (vec8)(-0.693359375f), t));
    vec8 p = 8.312480524e-3f;
    p = fma(p, r, (vec8)(4.189055040e-2f));
    p = fma(p, r, (vec8)(1.666711569e-1f));
    p = fma(p, r, (vec8)(4.999922812e-1f));
    p = fma(p, r, (vec8)(1.0f));
    p = fma(p, r, (vec8)(1.0f));
    return p * as_float8(as_int8(shifted) << 23);
}

/* 2^x for -127.4 < x < 128.4, to 3 units of the last place; 0 from -126.5 down, infinite from 127.5 up;
 * NaN stays NaN. x = k + f. */
static __attribute__((always_inline)) vec8 exp2_within8(vec8 x)
{
    const vec8 shifted = x + 12583039.0f;
    const vec8 f = x - (shifted - 12583039.0f);
    vec8 p = 1.327636419e-3f;
    p = fma(p, f, (vec8)(9.675655514e-3f));
    p = fma(p, f, (vec8)(5.550714582e-2f));
    p = fma(p, f, (vec8)(2.402211726e-1f));
    p = fma(p, f, (vec8)(6.931469440e-1f));
    p = fma(p, f, (vec8)(1.000000119f));
    return p * as_float8(as_int8(shifted) << 23);
}

/* The same for every x. */
static __attribute__((always_inline)) vec8 exp2_near8(vec8 x)
{
    const vec8 t = x < -127.0f ? (vec8)(-127.0f) : x;
    return exp2_within8(t > 128.0f ? (vec8)(128.0f) : t);
}

#line 5 "swiglu.cl"
/* k = 1 for x >= 0, exp(x/2) below, and r = 1/(1 + exp(-|x|)): silu(x) = (x r k) k has no
 * subnormal part before it is subnormal itself. */
static vec8 swiglu_root8(vec8 gate, vec8 *r)
{
    const vec8 h = exp_below8(-0.5f * fabs(gate));
    *r = 1.0f / (1.0f + h * h);
    return gate < 0.0f ? h : (vec8)(1.0f);
}

static vec8 swiglu8(vec8 gate, vec8 up)
{
    vec8 r;
    const vec8 k = swiglu_root8(gate, &r);
    return gate * r * k * up * k;
}

/* silu'(gate) = s (1 + gate (1 - s)), s = r k k. */
static void swiglu_backward8(vec8 dy, vec8 gate, vec8 up, vec8 *dgate, vec8 *dup)
{
    vec8 r;
    const vec8 k = swiglu_root8(gate, &r);
    const vec8 other = 1.0f - r;
    *dgate = dy * k * r * up * fma(gate, gate < 0.0f ? r : other, 1.0f) * k;
    *dup = gate * r * k * dy * k;
}

#line 1 "matmul_skinny_vector.cl"
/* c = a b on a CPU for few rows of a[m,k]; b[n,k] is read where it is, once for 64 rows.
 *
 * One work-item computes 40 columns of c, of 64 rows at most. In steps of 96 along k it
 * packs a into local memory, as f32, and adds what dot products with the rows of b give to the
 * sums there:
 *
 *       as    [row][112]
#line 9 "matmul_skinny_vector.cl"
 *       lanes [row][8 columns][8]   of 8 columns, before they are summed across
#line 11 "matmul_skinny_vector.cl"
 *       sums  [gate, up][column/8][row][8]
#line 13 "matmul_skinny_vector.cl"
 *
 * A column of c takes two of the product, its gate and its up, which are n apart.
#line 16 "matmul_skinny_vector.cl"
 */
#line 3 "fetch.cl"
#ifndef FETCH
#if defined(__has_builtin)
#if __has_builtin(__builtin_prefetch)
#define FETCH(p) __builtin_prefetch((const void *)(ulong)(p), 0, 2)
#endif
#endif
#ifndef FETCH
#define FETCH(p)
#endif
#endif

#line 25 "matmul_skinny_vector.cl"
/* The sums of a row's columns from j on, which no vector has behind end. */
__attribute__((always_inline))
static vec8 sums_at(__local const vec8 *sums, int rows, int row, int j, int end)
{
#line 30 "matmul_skinny_vector.cl"
    const int shift = 0;
#line 34 "matmul_skinny_vector.cl"
    __local const float *row_sums = (__local const float *)sums + (j / 8 * rows + row) * 8;
    return vload8(0, row_sums + j % 8 + shift);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void matmul_swiglu(__global const ushort *restrict a, const ulong a_offset,
                   __global const ushort *restrict b, const ulong b_offset,
                   __global ushort *restrict c, const ulong c_offset)
#line 39 "matmul_skinny_vector.cl"
{
    a += a_offset;
    b += b_offset;
    c += c_offset;
#line 41 "matmul_skinny_vector.cl"
    __local vec16 packed[28];
    __local vec8 sums[41];
#line 44 "matmul_skinny_vector.cl"
    __local vec8 lanes[32];
#line 46 "matmul_skinny_vector.cl"
    __local float *as = (__local float *)packed;
    const ulong strips = 1, tiles = 2;
    const ulong matrix = get_group_id(0) / strips / tiles;
    const long m0 = (long)(get_group_id(0) % strips) * 64;
    const long n0 = (long)(get_group_id(0) / strips % tiles) * 40;
#line 52 "matmul_skinny_vector.cl"
    const int height = 4;
#line 56 "matmul_skinny_vector.cl"
    const int rows = (height + 3) / 4 * 4;
    const int cols = (int)min((long)40, 70 - n0);
    const int width = cols;
    a += matrix * 4 * 96;
    b += matrix * 140 * 96;
    const ulong c0 = matrix * 4 * 70;

    for (int i = 0; i < 40; i++)
        sums[i] = (vec8)(0.0f);
    for (long k0 = 0; k0 < 96; k0 += 96) {
        const int kc = (int)min((long)96, 96 - k0);

        /* Pack a. */
#line 75 "matmul_skinny_vector.cl"
        for (int r = 0; r < rows; r++) {
            for (int l = 0; l < kc; l += 16) {
                vec16 v = (vec16)(0.0f);
                if (r < height) {
                    const long row = m0 + r, col = k0 + l;
                    const ulong from = (ulong)row * 96 + col;
                    const int left = kc - l;
                    if (left >= 16) {
                        v = load16_bf16(a, from);
#line 85 "matmul_skinny_vector.cl"
                    } else {
                        v = load16_bf16_part(a, from, left);
#line 88 "matmul_skinny_vector.cl"
                    }
                }
                packed[(r * 112 + l) / 16] = v;
            }
        }

#line 97 "matmul_skinny_vector.cl"
        {
            const long j0 = n0;
            __local vec8 *out = sums + 0;
#line 4 "matmul_skinny_nt_vector.cl"
            for (int j = 0; j < width; j += 8) {
                for (int i = 0; i < rows * 8; i++)
                    lanes[i] = (vec8)(0.0f);
                for (int g = 0; g < 8; g += 2) {
                    for (int l0 = 0; l0 < kc; l0 += 512) {
                        const int stop = min(l0 + 512, kc);
#line 11 "matmul_skinny_nt_vector.cl"
                        __global const ushort *b0 = b + ((ulong)(j0 + min(j + g + 0, width - 1)) * 96 + k0);
#line 11 "matmul_skinny_nt_vector.cl"
                        __global const ushort *b1 = b + ((ulong)(j0 + min(j + g + 1, width - 1)) * 96 + k0);
#line 13 "matmul_skinny_nt_vector.cl"
                        const int over = stop == kc;
                        const int next = j + g + (over ? 2 : 0), skip = over ? -l0 : 512;
                        for (int i = 0; i < rows; i += 4) {
#line 17 "matmul_skinny_nt_vector.cl"
                            __global const ushort *p0 = b + ((ulong)(j0 + min(next + i / 4 * 2 + 0, width - 1)) * 96 + k0 + skip);
#line 17 "matmul_skinny_nt_vector.cl"
                            __global const ushort *p1 = b + ((ulong)(j0 + min(next + i / 4 * 2 + 1, width - 1)) * 96 + k0 + skip);
#line 19 "matmul_skinny_nt_vector.cl"
                            __local const float *ap = as + i * 112;
                            vec8 sum[4][2];
                            #pragma unroll
                            for (int r = 0; r < 4; r++)
                                #pragma unroll
                                for (int c = 0; c < 2; c++)
                                    sum[r][c] = (vec8)(0.0f);
                            int l = l0;
#line 30 "matmul_skinny_nt_vector.cl"
                            for (; l + 8 <= stop; l += 8) {
#line 33 "matmul_skinny_nt_vector.cl"
                                FETCH(p0 + l);
#line 33 "matmul_skinny_nt_vector.cl"
                                FETCH(p1 + l);
#line 36 "matmul_skinny_nt_vector.cl"
                                vec8 y[2];
#line 38 "matmul_skinny_nt_vector.cl"
                                y[0] = load8_bf16(b0, l);
#line 38 "matmul_skinny_nt_vector.cl"
                                y[1] = load8_bf16(b1, l);
#line 40 "matmul_skinny_nt_vector.cl"
                                #pragma unroll
                                for (int r = 0; r < 4; r++) {
                                    const vec8 x = vload8(0, ap + r * 112 + l);
                                    #pragma unroll
                                    for (int c = 0; c < 2; c++)
                                        sum[r][c] = fma(x, y[c], sum[r][c]);
                                }
                            }
#line 30 "matmul_skinny_nt_vector.cl"
                            if (l < stop) {
#line 36 "matmul_skinny_nt_vector.cl"
                                vec8 y[2];
#line 38 "matmul_skinny_nt_vector.cl"
                                y[0] = load8_bf16_part(b0, l, stop - l);
#line 38 "matmul_skinny_nt_vector.cl"
                                y[1] = load8_bf16_part(b1, l, stop - l);
#line 40 "matmul_skinny_nt_vector.cl"
                                #pragma unroll
                                for (int r = 0; r < 4; r++) {
                                    const vec8 x = vload8(0, ap + r * 112 + l);
                                    #pragma unroll
                                    for (int c = 0; c < 2; c++)
                                        sum[r][c] = fma(x, y[c], sum[r][c]);
                                }
                            }
#line 49 "matmul_skinny_nt_vector.cl"
                            __local vec8 *kept = lanes + i * 8 + g;
                            #pragma unroll
                            for (int r = 0; r < 4; r++)
                                #pragma unroll
                                for (int c = 0; c < 2; c++)
                                    kept[r * 8 + c] += sum[r][c];
                        }
                    }
                }
                /* Across the lanes: each round leaves half of the vectors, and half of a sum in each. */
                for (int r = 0; r < height; r++) {
                    vec8 t[8];
                    #pragma unroll
                    for (int e = 0; e < 8; e++)
                        t[e] = lanes[r * 8 + e];
#line 67 "matmul_skinny_nt_vector.cl"
                    t[0] = (vec8)(t[0].even, t[1].even) + (vec8)(t[0].odd, t[1].odd);
#line 67 "matmul_skinny_nt_vector.cl"
                    t[1] = (vec8)(t[2].even, t[3].even) + (vec8)(t[2].odd, t[3].odd);
#line 67 "matmul_skinny_nt_vector.cl"
                    t[2] = (vec8)(t[4].even, t[5].even) + (vec8)(t[4].odd, t[5].odd);
#line 67 "matmul_skinny_nt_vector.cl"
                    t[3] = (vec8)(t[6].even, t[7].even) + (vec8)(t[6].odd, t[7].odd);
#line 67 "matmul_skinny_nt_vector.cl"
                    t[0] = (vec8)(t[0].even, t[1].even) + (vec8)(t[0].odd, t[1].odd);
#line 67 "matmul_skinny_nt_vector.cl"
                    t[1] = (vec8)(t[2].even, t[3].even) + (vec8)(t[2].odd, t[3].odd);
#line 67 "matmul_skinny_nt_vector.cl"
                    t[0] = (vec8)(t[0].even, t[1].even) + (vec8)(t[0].odd, t[1].odd);
#line 69 "matmul_skinny_nt_vector.cl"
                    out[j / 8 * rows + r] += t[0];
                }
            }
#line 105 "matmul_skinny_vector.cl"
        }
#line 97 "matmul_skinny_vector.cl"
        {
            const long j0 = n0 + 70;
            __local vec8 *out = sums + 20;
#line 4 "matmul_skinny_nt_vector.cl"
            for (int j = 0; j < width; j += 8) {
                for (int i = 0; i < rows * 8; i++)
                    lanes[i] = (vec8)(0.0f);
                for (int g = 0; g < 8; g += 2) {
                    for (int l0 = 0; l0 < kc; l0 += 512) {
                        const int stop = min(l0 + 512, kc);
#line 11 "matmul_skinny_nt_vector.cl"
                        __global const ushort *b0 = b + ((ulong)(j0 + min(j + g + 0, width - 1)) * 96 + k0);
#line 11 "matmul_skinny_nt_vector.cl"
                        __global const ushort *b1 = b + ((ulong)(j0 + min(j + g + 1, width - 1)) * 96 + k0);
#line 13 "matmul_skinny_nt_vector.cl"
                        const int over = stop == kc;
                        const int next = j + g + (over ? 2 : 0), skip = over ? -l0 : 512;
                        for (int i = 0; i < rows; i += 4) {
#line 17 "matmul_skinny_nt_vector.cl"
                            __global const ushort *p0 = b + ((ulong)(j0 + min(next + i / 4 * 2 + 0, width - 1)) * 96 + k0 + skip);
#line 17 "matmul_skinny_nt_vector.cl"
                            __global const ushort *p1 = b + ((ulong)(j0 + min(next + i / 4 * 2 + 1, width - 1)) * 96 + k0 + skip);
#line 19 "matmul_skinny_nt_vector.cl"
                            __local const float *ap = as + i * 112;
                            vec8 sum[4][2];
                            #pragma unroll
                            for (int r = 0; r < 4; r++)
                                #pragma unroll
                                for (int c = 0; c < 2; c++)
                                    sum[r][c] = (vec8)(0.0f);
                            int l = l0;
#line 30 "matmul_skinny_nt_vector.cl"
                            for (; l + 8 <= stop; l += 8) {
#line 33 "matmul_skinny_nt_vector.cl"
                                FETCH(p0 + l);
#line 33 "matmul_skinny_nt_vector.cl"
                                FETCH(p1 + l);
#line 36 "matmul_skinny_nt_vector.cl"
                                vec8 y[2];
#line 38 "matmul_skinny_nt_vector.cl"
                                y[0] = load8_bf16(b0, l);
#line 38 "matmul_skinny_nt_vector.cl"
                                y[1] = load8_bf16(b1, l);
#line 40 "matmul_skinny_nt_vector.cl"
                                #pragma unroll
                                for (int r = 0; r < 4; r++) {
                                    const vec8 x = vload8(0, ap + r * 112 + l);
                                    #pragma unroll
                                    for (int c = 0; c < 2; c++)
                                        sum[r][c] = fma(x, y[c], sum[r][c]);
                                }
                            }
#line 30 "matmul_skinny_nt_vector.cl"
                            if (l < stop) {
#line 36 "matmul_skinny_nt_vector.cl"
                                vec8 y[2];
#line 38 "matmul_skinny_nt_vector.cl"
                                y[0] = load8_bf16_part(b0, l, stop - l);
#line 38 "matmul_skinny_nt_vector.cl"
                                y[1] = load8_bf16_part(b1, l, stop - l);
#line 40 "matmul_skinny_nt_vector.cl"
                                #pragma unroll
                                for (int r = 0; r < 4; r++) {
                                    const vec8 x = vload8(0, ap + r * 112 + l);
                                    #pragma unroll
                                    for (int c = 0; c < 2; c++)
                                        sum[r][c] = fma(x, y[c], sum[r][c]);
                                }
                            }
#line 49 "matmul_skinny_nt_vector.cl"
                            __local vec8 *kept = lanes + i * 8 + g;
                            #pragma unroll
                            for (int r = 0; r < 4; r++)
                                #pragma unroll
                                for (int c = 0; c < 2; c++)
                                    kept[r * 8 + c] += sum[r][c];
                        }
                    }
                }
                /* Across the lanes: each round leaves half of the vectors, and half of a sum in each. */
                for (int r = 0; r < height; r++) {
                    vec8 t[8];
                    #pragma unroll
                    for (int e = 0; e < 8; e++)
                        t[e] = lanes[r * 8 + e];
#line 67 "matmul_skinny_nt_vector.cl"
                    t[0] = (vec8)(t[0].even, t[1].even) + (vec8)(t[0].odd, t[1].odd);
#line 67 "matmul_skinny_nt_vector.cl"
                    t[1] = (vec8)(t[2].even, t[3].even) + (vec8)(t[2].odd, t[3].odd);
#line 67 "matmul_skinny_nt_vector.cl"
                    t[2] = (vec8)(t[4].even, t[5].even) + (vec8)(t[4].odd, t[5].odd);
#line 67 "matmul_skinny_nt_vector.cl"
                    t[3] = (vec8)(t[6].even, t[7].even) + (vec8)(t[6].odd, t[7].odd);
#line 67 "matmul_skinny_nt_vector.cl"
                    t[0] = (vec8)(t[0].even, t[1].even) + (vec8)(t[0].odd, t[1].odd);
#line 67 "matmul_skinny_nt_vector.cl"
                    t[1] = (vec8)(t[2].even, t[3].even) + (vec8)(t[2].odd, t[3].odd);
#line 67 "matmul_skinny_nt_vector.cl"
                    t[0] = (vec8)(t[0].even, t[1].even) + (vec8)(t[0].odd, t[1].odd);
#line 69 "matmul_skinny_nt_vector.cl"
                    out[j / 8 * rows + r] += t[0];
                }
            }
#line 105 "matmul_skinny_vector.cl"
        }
#line 107 "matmul_skinny_vector.cl"
    }

    const int end = 70 < 8 ? 8 : width;
    for (int r = 0; r < height; r++) {
        const long row = m0 + r;
        for (int j = 0; j < cols; j += 8) {
            const long col = n0 + j;
            const ulong at = c0 + (ulong)row * 70 + col;
            const int left = cols - j;
#line 122 "matmul_skinny_vector.cl"
            vec8 x = sums_at(sums, rows, r, j, end);
#line 124 "matmul_skinny_vector.cl"
            const vec8 up = sums_at(sums + 20, rows, r, j, end);
#line 127 "matmul_skinny_vector.cl"
            if (left >= 8) {
#line 9 "op/swiglu_pair.cl"
                x = swiglu8(x, up);
#line 6 "op/store.cl"
                store8_bf16(x, c, at);
#line 129 "matmul_skinny_vector.cl"
            } else {
#line 9 "op/swiglu_pair.cl"
                x = swiglu8(x, up);
#line 6 "op/store.cl"
                store8_bf16_part(x, c, at, left);
#line 131 "matmul_skinny_vector.cl"
            }
        }
    }
}
