#line 1 "kernels.cl.in"
/* flash_attention: o = softmax(scale q k^T) v for each head; lse
 * spec     flash_attention batch=? seq_q=? seq_k=? heads=4 kv_heads=2 head_dim=24 dtype=bf16 causal=1 window=5 softcap=2 alibi=1
 * variant  vector  W=16 NV=3 MR=8 ROWS=64
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
typedef float8 vec8;

#line 14 "access.cl"
/* Floats at any address: PoCL's vstore16 of floats becomes three stores. */
typedef struct __attribute__((packed)) {
    vec8 v;
} floats8;

#line 21 "access.cl"
/* 16-bit words at any address: an unaligned vector move. PoCL's vload and vstore of ushort vectors
 * go word by word, and those of half vectors want an aligned pointer. */
typedef struct __attribute__((packed)) {
    ushort8 bits;
} halves8;

#line 82 "access.cl"
static vec8 load8_f32(__global const float *p, ulong i)
{
#line 92 "access.cl"
    return vload8(0, p + i);
#line 94 "access.cl"
}

static void store8_f32(vec8 v, __global float *p, ulong i)
{
#line 108 "access.cl"
    ((__global floats8 *)(p + i))->v = v;
#line 110 "access.cl"
}
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
static vec8 load8_f32_part(__global const float *p, ulong i, int count)
{
    float lanes[8];
    for (int l = 0; l < 8; l++)
        lanes[l] = l < count ? load1_f32(p, i + l) : 0.0f;
    return vload8(0, lanes);
}

#line 274 "access.cl"
static void store8_f32_part(vec8 v, __global float *p, ulong i, int count)
{
    float lanes[8];
    vstore8(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_f32(lanes[l], p, i + l);
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
typedef float16 vec16;

#line 14 "access.cl"
/* Floats at any address: PoCL's vstore16 of floats becomes three stores. */
typedef struct __attribute__((packed)) {
    vec16 v;
} floats16;

#line 21 "access.cl"
/* 16-bit words at any address: an unaligned vector move. PoCL's vload and vstore of ushort vectors
 * go word by word, and those of half vectors want an aligned pointer. */
typedef struct __attribute__((packed)) {
    ushort16 bits;
} halves16;

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

#line 1 "attention_vector.cl"
/* o = softmax(scale q k^T) v of each head, and lse, on a CPU.
 *
 * One work-item takes 48 queries of one head, a query a lane, and goes over the keys that they see
 * 64 at a time:
 *
 *       q^T   [24][48]   transposed once
 *       k, v  [64][24]   packed, one after the other in the same memory
 *       s     [64][48]   k q^T, then exp(s - the largest so far)
 *       o^T   [24][48]   += v^T s
 *
 * The largest score and the sum of exponentials are a lane's own: no step goes across lanes. When a
 * larger score appears, o and the sum so far shrink by the same factor.
 */
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
#line 12 "attention_tiles_vector.cl"
/* count rows of x, the first at x[at], packed; zeros up to a multiple of 8 rows. Whether all are
 * finite. */
static __attribute__((always_inline)) int pack_rows(__global const ushort *x, ulong at, ulong stride, int count,
                               __local float *to)
{
    int8 largest = (int8)(0);
    for (int r = 0; r < count; r++, at += stride) {
        for (int d = 0; d < 24; d += 8) {
            const vec8 v = load8_bf16(x, at + d);
            largest = max(largest, as_int8(fabs(v)));
            vstore8(v, 0, to);
            to += 8;
        }
    }
    for (; count % 8 != 0; count++) {
        for (int d = 0; d < 24; d += 8) {
            vstore8((vec8)(0.0f), 0, to);
            to += 8;
        }
    }
    return !any(largest >= 0x7f800000);
}

/* count <= 48 rows of x, transposed and multiplied; zeros in the other lanes. */
static __attribute__((always_inline)) void pack_lanes(__global const ushort *x, ulong at, ulong stride, int count, float factor,
                       __local float *to)
{
    for (int r = 0; r < 48; r++, at += stride)
        for (int d = 0; d < 24; d++)
            to[d * 48 + r] = r < count ? load1_bf16(x, at + d) * factor : 0.0f;
}

/* The other way: count rows of x from the lanes, each lane multiplied by its factor. */
static __attribute__((always_inline)) void unpack_lanes(__local const float *from, __local const float *factors, int count,
                         __global ushort *x, ulong at, ulong stride)
{
    for (int r = 0; r < count; r++, at += stride)
        for (int d = 0; d < 24; d++)
            store1_bf16(from[d * 48 + r] * factors[r], x, at + d);
}

/* scores[r][lane] = sum over d of rows[r][d] lanes[d][lane]; count rows, up to a multiple of 8. */
static __attribute__((always_inline)) void scores_of(__local const float *rows, __local const float *lanes, int count,
                      __local float *scores)
{
    for (int r0 = 0; r0 < count; r0 += 8) {
        __local const float *ap = rows + r0 * 24, *bp = lanes;
        vec16 sum[8][3];
        #pragma unroll
        for (int r = 0; r < 8; r++)
            #pragma unroll
            for (int v = 0; v < 3; v++)
                sum[r][v] = (vec16)(0.0f);
        for (int d = 0; d < 24; d += 8) {
            #pragma unroll
            for (int u = 0; u < 8; u++) {
                vec16 b[3];
                #pragma unroll
                for (int v = 0; v < 3; v++)
                    b[v] = vload16(u * 3 + v, bp);
                #pragma unroll
                for (int r = 0; r < 8; r++) {
                    const vec16 a = (vec16)(ap[r * 24 + u]);
                    #pragma unroll
                    for (int v = 0; v < 3; v++)
                        sum[r][v] = fma(a, b[v], sum[r][v]);
                }
            }
            ap += 8;
            bp += 384;
        }
        #pragma unroll
        for (int r = 0; r < 8; r++)
            #pragma unroll
            for (int v = 0; v < 3; v++)
                vstore16(sum[r][v], r * 3 + v, scores + r0 * 48);
    }
}

/* sums[d][lane] = factor[lane] sums[d][lane] + sum over r of rows[r][d] weights[r][lane]. careful: rows have
 * inf or NaN, which those that do not see them, at weights of 0, must not get. */
static __attribute__((always_inline)) void add_rows(__local const float *rows, __local const float *weights, int count,
                     const vec16 *factor, int careful, __local float *sums)
{
    if (careful) {
        for (int d = 0; d < 24; d++) {
            for (int v = 0; v < 3; v++) {
                vec16 sum = vload16(d * 3 + v, sums) * factor[v];
                for (int r = 0; r < count; r++) {
                    const vec16 b = vload16(r * 3 + v, weights);
                    const vec16 added = fma((vec16)(rows[r * 24 + d]), b, sum);
#line 106 "attention_tiles_vector.cl"
                    sum = b == 0.0f ? sum : added;
#line 108 "attention_tiles_vector.cl"
                }
                vstore16(sum, d * 3 + v, sums);
            }
        }
        return;
    }
    for (int d = 0; d < 24; d += 8) {
        __local const float *ap = rows + d, *bp = weights;
        vec16 sum[8][3];
        #pragma unroll
        for (int i = 0; i < 8; i++)
            #pragma unroll
            for (int v = 0; v < 3; v++)
                sum[i][v] = vload16(i * 3 + v, sums) * factor[v];
        int r = 0;
        for (; r + 4 <= count; r += 4) {
            #pragma unroll
            for (int u = 0; u < 4; u++) {
                vec16 b[3];
                #pragma unroll
                for (int v = 0; v < 3; v++)
                    b[v] = vload16(u * 3 + v, bp);
                #pragma unroll
                for (int i = 0; i < 8; i++) {
                    const vec16 a = (vec16)(ap[u * 24 + i]);
                    #pragma unroll
                    for (int v = 0; v < 3; v++)
                        sum[i][v] = fma(a, b[v], sum[i][v]);
                }
            }
            ap += 96;
            bp += 192;
        }
        for (; r < count; r++, ap += 24, bp += 48) {
            #pragma unroll
            for (int i = 0; i < 8; i++)
                #pragma unroll
                for (int v = 0; v < 3; v++)
                    sum[i][v] = fma((vec16)(ap[i]), vload16(v, bp), sum[i][v]);
        }
        #pragma unroll
        for (int i = 0; i < 8; i++)
            #pragma unroll
            for (int v = 0; v < 3; v++)
                vstore16(sum[i][v], i * 3 + v, sums);
        sums += 384;
    }
}

#line 168 "attention_tiles_vector.cl"
/* tanh, to a few units of the last place: Cephes' polynomial where 1 - exp would cancel. */
static __attribute__((always_inline)) vec16 tanh_of(vec16 x)
{
    const vec16 z = x * x;
    vec16 p = -5.70498872745e-3f;
    p = fma(p, z, (vec16)(2.06390887954e-2f));
    p = fma(p, z, (vec16)(-5.37397155531e-2f));
    p = fma(p, z, (vec16)(1.33314422036e-1f));
    p = fma(p, z, (vec16)(-3.33332819422e-1f));
    const vec16 e = exp_below16(-2.0f * fabs(x));
    return fabs(x) < 0.625f ? fma(p * z, x, x) : copysign((1.0f - e) / (1.0f + e), x);
}
#line 2 "alibi_slope.cl"
/* 2^(-8 (head+1) / heads); where heads is no power of two, the slopes of the power below it, then
 * every second one of the power above. Press, Smith and Lewis, arXiv:2108.12409. */
static float alibi_slope(uint head)
{
    const uint below = 0x80000000u >> clz((uint)4);
    const float step = head < below ? head + 1 : (head - below) + 0.5f;
    return exp2(-8.0f * step / (float)below);
}

#line 21 "attention_vector.cl"
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void flash_attention(__global const ushort *restrict q, const ulong q_offset,
                     __global const ushort *restrict k, const ulong k_offset,
                     __global const ushort *restrict v, const ulong v_offset,
                     __global ushort *restrict o, const ulong o_offset,
                     __global float *restrict lse, const ulong lse_offset,
                     const long batch,
                     const long seq_q,
                     const long seq_k)
#line 22 "attention_vector.cl"
{
    q += q_offset;
    k += k_offset;
    v += v_offset;
    o += o_offset;
    lse += lse_offset;
#line 24 "attention_vector.cl"
    __local float qs[1152] __attribute__((aligned(64)));
    __local float os[1152] __attribute__((aligned(64)));
    __local float ks[1536] __attribute__((aligned(64)));
    __local float ss[3072] __attribute__((aligned(64)));
#line 3 "attention_queries.cl"
    const ulong tiles = ((seq_q + 47) / 48);
#line 5 "attention_queries.cl"
    /* Those that see most go first. */
    const ulong tile = tiles - 1 - get_group_id(0) % tiles;
#line 10 "attention_queries.cl"
    const ulong head = get_group_id(0) / tiles % 4;
    const ulong matrix = get_group_id(0) / tiles / 4;
    const long row0 = (long)tile * 48;
#line 14 "attention_queries.cl"
    const long i0 = row0 + seq_k - seq_q;
#line 16 "attention_queries.cl"
    const int rows = (int)min((long)48, seq_q - row0);
    const ulong q0 = ((matrix * seq_q + row0) * 4 + head) * 24;
    const ulong k0 = (matrix * seq_k * 2 + head / 2) * 24;
    const ulong l0 = (matrix * 4 + head) * seq_q + row0;
#line 30 "attention_vector.cl"
    const float slope = alibi_slope((uint)head);
#line 32 "attention_vector.cl"
    long first = 0, end = seq_k;
#line 34 "attention_vector.cl"
    end = min(end, i0 + rows);
#line 37 "attention_vector.cl"
    first = max(first, i0 - 4);
    end = min(end, i0 + rows + 4);

#line 41 "attention_vector.cl"
    pack_lanes(q, q0, 96, rows, 0.2041241452319315f, qs);
    for (int i = 0; i < 1152; i += 16)
        vstore16((vec16)(0.0f), 0, os + i);
    vec16 top[3], sum[3];
    #pragma unroll
    for (int v = 0; v < 3; v++) {
        top[v] = (vec16)(-INFINITY);
        sum[v] = (vec16)(0.0f);
    }

    for (long j0 = first; j0 < end; j0 += 64) {
        const int count = (int)min((long)64, end - j0);
        const ulong at = k0 + (ulong)j0 * 48;
        pack_rows(k, at, 48, count, ks);
        scores_of(ks, qs, count, ss);
#line 57 "attention_vector.cl"
        int masked = 0;
#line 59 "attention_vector.cl"
        masked |= j0 + count - 1 > i0;
#line 62 "attention_vector.cl"
        masked |= j0 + 5 < i0 + rows || j0 + count > i0 + 5;
#line 69 "attention_vector.cl"
        for (int r = 0; r < count; r++) {
            #pragma unroll
            for (int v = 0; v < 3; v++) {
#line 73 "attention_vector.cl"
                const int ahead = (int)(i0 - j0 - r + v * 16);
#line 75 "attention_vector.cl"
                vec16 s = vload16(r * 3 + v, ss);
#line 5 "attention_score_vector.cl"
                const vec16 capped = s * 0.5f;
                s = 2.0f * tanh_of(capped);
#line 10 "attention_score_vector.cl"
                const int16 distance = ahead + (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#line 13 "attention_score_vector.cl"
                s -= slope * convert_float16(abs(distance));
#line 16 "attention_score_vector.cl"
                const int16 hidden = (distance < 0) | (abs(distance) >= 5u);
#line 23 "attention_score_vector.cl"
                s = hidden ? (vec16)(-INFINITY) : s;
#line 77 "attention_vector.cl"
                vstore16(s, r * 3 + v, ss);
            }
        }

#line 82 "attention_vector.cl"
        vec16 largest[3], added[3], base[3], factor[3];
        #pragma unroll
        for (int v = 0; v < 3; v++)
            largest[v] = top[v];
        for (int r = 0; r < count; r++) {
            #pragma unroll
            for (int v = 0; v < 3; v++) {
                const vec16 s = vload16(r * 3 + v, ss);
                largest[v] = s > largest[v] ? s : largest[v];
            }
        }
        #pragma unroll
        for (int v = 0; v < 3; v++) {
            base[v] = largest[v] == -INFINITY ? (vec16)(0.0f) : largest[v];
            factor[v] = exp_below16(top[v] - base[v]);
            top[v] = largest[v];
            added[v] = (vec16)(0.0f);
        }
        for (int r = 0; r < count; r++) {
            #pragma unroll
            for (int v = 0; v < 3; v++) {
                const vec16 e = exp_below16(vload16(r * 3 + v, ss) - base[v]);
                added[v] += e;
                vstore16(e, r * 3 + v, ss);
            }
        }
        #pragma unroll
        for (int v = 0; v < 3; v++)
            sum[v] = fma(sum[v], factor[v], added[v]);

#line 113 "attention_vector.cl"
        const int finite = pack_rows(v, at, 48, count, ks);
        add_rows(ks, ss, count, factor, masked && !finite, os);
#line 119 "attention_vector.cl"
    }

    __local float *inverses = ss, *sums = ss + 48, *tops = ss + 96;
    #pragma unroll
    for (int v = 0; v < 3; v++) {
        vstore16(sum[v] == 0.0f ? (vec16)(0.0f) : 1.0f / sum[v], v, inverses);
        vstore16(sum[v], v, sums);
        vstore16(top[v], v, tops);
    }
    unpack_lanes(os, inverses, rows, o, q0, 96);
    for (int r = 0; r < rows; r++)
        lse[l0 + r] = tops[r] + log(sums[r]);
}
