#line 1 "kernels.cl.in"
/* layernorm_backward: dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma; dgamma, dbeta
 * spec     layernorm_backward m=? n=1024 dtype=bf16
 * variant  wide  WG=64
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

#line 21 "access.cl"
/* 16-bit words at any address: an unaligned vector move. PoCL's vload and vstore of ushort vectors
 * go word by word, and those of half vectors want an aligned pointer. */
typedef struct __attribute__((packed)) {
    ushort8 bits;
} halves8;

#line 29 "access.cl"
static ushort8 get_whole8(const __global void *p)
{
    return as_ushort8(*(const __global uint4 *)p);
}

static ushort8 get8(const __global void *p)
{
    return ((ulong)p & 15) == 0 ? get_whole8(p) : ((const __global halves8 *)p)->bits;
}

static void put8(ushort8 bits, __global void *p)
{
    if (((ulong)p & 15) == 0)
        *(__global uint4 *)p = as_uint4(bits);
    else
        ((__global halves8 *)p)->bits = bits;
}

#line 62 "access.cl"
/* whole: from an address of whole 16 bytes. Branches between loads keep them from being under way
 * together. */
static vec8 whole8_f32(__global const float *p, ulong i)
{
    const __global float4 *parts = (const __global float4 *)(p + i);
    return (float8)(parts[0], parts[1]);
}

static void put_whole8_f32(vec8 v, __global float *p, ulong i)
{
    __global float4 *parts = (__global float4 *)(p + i);
#line 76 "access.cl"
    parts[0] = v.lo;
    parts[1] = v.hi;
#line 79 "access.cl"
}

#line 82 "access.cl"
static vec8 load8_f32(__global const float *p, ulong i)
{
#line 85 "access.cl"
    if (((ulong)(p + i) & 15) == 0)
        return whole8_f32(p, i);
#line 92 "access.cl"
    return vload8(0, p + i);
#line 94 "access.cl"
}

static void store8_f32(vec8 v, __global float *p, ulong i)
{
#line 99 "access.cl"
    if (((ulong)(p + i) & 15) == 0) {
        put_whole8_f32(v, p, i);
        return;
    }
#line 105 "access.cl"
    p[i + 0] = v.s0;
#line 105 "access.cl"
    p[i + 1] = v.s1;
#line 105 "access.cl"
    p[i + 2] = v.s2;
#line 105 "access.cl"
    p[i + 3] = v.s3;
#line 105 "access.cl"
    p[i + 4] = v.s4;
#line 105 "access.cl"
    p[i + 5] = v.s5;
#line 105 "access.cl"
    p[i + 6] = v.s6;
#line 105 "access.cl"
    p[i + 7] = v.s7;
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

#line 209 "access.cl"
static vec8 whole8_bf16(__global const ushort *p, ulong i)
{
    return as_float8(convert_uint8(get_whole8(p + i)) << 16);
}

static void put_whole8_bf16(vec8 v, __global ushort *p, ulong i)
{
    *(__global uint4 *)(p + i) = as_uint4(to_bf16_8(v));
}

#line 220 "access.cl"
static vec8 load8_bf16(__global const ushort *p, ulong i)
{
#line 223 "access.cl"
    return as_float8(convert_uint8(get8(p + i)) << 16);
#line 227 "access.cl"
}

static void store8_bf16(vec8 v, __global ushort *p, ulong i)
{
#line 232 "access.cl"
    put8(to_bf16_8(v), p + i);
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

#line 254 "access.cl"
/* For ops, by the ending: at an address of whole accesses. */
static vec8 load8_f32_whole(__global const float *p, ulong i)
{
    return whole8_f32(p, i);
}

static void store8_f32_whole(vec8 v, __global float *p, ulong i)
{
    put_whole8_f32(v, p, i);
}

/* Of a row with left more elements, if any: zeros behind them. */
static vec8 load8_f32_upto(__global const float *p, ulong i, long left)
{
    return left >= 8 ? load8_f32(p, i)
           : left > 0   ? load8_f32_part(p, i, (int)left)
                        : (vec8)(0.0f);
}

#line 274 "access.cl"
static void store8_f32_part(vec8 v, __global float *p, ulong i, int count)
{
    float lanes[8];
    vstore8(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_f32(lanes[l], p, i + l);
}

#line 283 "access.cl"
static void store8_f32_upto(vec8 v, __global float *p, ulong i, long left)
{
    if (left >= 8)
        store8_f32(v, p, i);
    else if (left > 0)
        store8_f32_part(v, p, i, (int)left);
}

#line 245 "access.cl"
static vec8 load8_bf16_part(__global const ushort *p, ulong i, int count)
{
    float lanes[8];
    for (int l = 0; l < 8; l++)
        lanes[l] = l < count ? load1_bf16(p, i + l) : 0.0f;
    return vload8(0, lanes);
}

#line 254 "access.cl"
/* For ops, by the ending: at an address of whole accesses. */
static vec8 load8_bf16_whole(__global const ushort *p, ulong i)
{
    return whole8_bf16(p, i);
}

static void store8_bf16_whole(vec8 v, __global ushort *p, ulong i)
{
    put_whole8_bf16(v, p, i);
}

/* Of a row with left more elements, if any: zeros behind them. */
static vec8 load8_bf16_upto(__global const ushort *p, ulong i, long left)
{
    return left >= 8 ? load8_bf16(p, i)
           : left > 0   ? load8_bf16_part(p, i, (int)left)
                        : (vec8)(0.0f);
}

#line 274 "access.cl"
static void store8_bf16_part(vec8 v, __global ushort *p, ulong i, int count)
{
    float lanes[8];
    vstore8(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_bf16(lanes[l], p, i + l);
}

#line 283 "access.cl"
static void store8_bf16_upto(vec8 v, __global ushort *p, ulong i, long left)
{
    if (left >= 8)
        store8_bf16(v, p, i);
    else if (left > 0)
        store8_bf16_part(v, p, i, (int)left);
}

#line 2 "norm_backward_wide.cl"
/* dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma, and the sums over rows that make
 * dgamma and dbeta, on a GPU.
#line 8 "norm_backward_wide.cl"
 *
 * A group of 64 takes its share of the rows, one after the other. A work-item has 2 times 8 neighbours,
 * 16 bytes, 512 columns apart; while it works on a row's, the next row's are on their way. Its own sums
 * over rows grow in registers and end in parts[which][group].
#line 13 "norm_backward_wide.cl"
 * gamma waits in local memory: a load from the cache would come behind the next row's.
#line 15 "norm_backward_wide.cl"
 */
#line 7 "reduce_wide.cl"
/* The sum. */
static float2 group_sum(__local float2 *lane, int lid, float2 v)
{
    lane[lid] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < 32) {
        for (int s = 32; s < 64; s += 32)
            v = v + (lane[lid + s]);
        lane[lid] = v;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < 4) {
        for (int s = 4; s < 32; s += 4)
            v = v + (lane[lid + s]);
        lane[lid] = v;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#line 27 "reduce_wide.cl"
    v = lane[0] + lane[1] + (lane[2] + lane[3]);
#line 29 "reduce_wide.cl"
    barrier(CLK_LOCAL_MEM_FENCE);
    return v;
}

#line 5 "bits.cl"
static vec8 values_of(uint4 bits)
{
#line 12 "bits.cl"
    return as_float8(convert_uint8(as_ushort8(bits)) << 16);
#line 14 "bits.cl"
}

#line 1 "bits_upto.cl"
/* Of a row with left more elements, if any, from any address: zeros behind them. */
static uint4 bits_upto(const __global ushort *p, ulong i, long left)
{
    const __global ushort *from = (const __global ushort *)p + i;
    ushort lanes[8];
    for (int l = 0; l < 8; l++)
        lanes[l] = l < left ? from[l] : 0;
    return as_uint4(vload8(0, lanes));
}

#line 25 "norm_backward_wide.cl"
static float sum_of(vec8 v)
{
    return v.s0 + v.s4 + (v.s1 + v.s5) + (v.s2 + v.s6 + (v.s3 + v.s7));
}

#line 31 "norm_backward_wide.cl"
__kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void layernorm_backward(__global const ushort *restrict dy, const ulong dy_offset,
                        __global const ushort *restrict x, const ulong x_offset,
                        __global const ushort *restrict gamma, const ulong gamma_offset,
                        __global const float *restrict mean, const ulong mean_offset,
                        __global const float *restrict rstd, const ulong rstd_offset,
                        __global ushort *restrict dx, const ulong dx_offset,
                        __global ushort *restrict dgamma, const ulong dgamma_offset,
                        __global ushort *restrict dbeta, const ulong dbeta_offset,
                        const long m,
                        __global float *restrict parts)
#line 32 "norm_backward_wide.cl"
{
    dy += dy_offset;
    x += x_offset;
    gamma += gamma_offset;
    mean += mean_offset;
    rstd += rstd_offset;
    dx += dx_offset;
    dgamma += dgamma_offset;
    dbeta += dbeta_offset;
#line 34 "norm_backward_wide.cl"
    __local float2 lane[64];
#line 36 "norm_backward_wide.cl"
    __local uint4 gammas[128];
#line 38 "norm_backward_wide.cl"
    const int lid = (int)get_local_id(0);
    const ulong share = min((long)1024, (long)((m + (max((long)1, (long)min((long)((m + 3) / 4), (long)512)) - 1)) / max((long)1, (long)min((long)((m + 3) / 4), (long)512)))), padded = 1024;
    const ulong first = get_group_id(0) * share;
    const ulong stop = min(first + share, (ulong)m);
    const ulong addresses = (ulong)dy | (ulong)x | (ulong)gamma | (ulong)dx | 0;
    const int whole = (addresses & 15) == 0;
    vec8 dgamma_sum[2];
#line 46 "norm_backward_wide.cl"
    vec8 dbeta_sum[2];
#line 48 "norm_backward_wide.cl"
    uint4 next_d[2], next_x[2];
    float next_scale;
#line 51 "norm_backward_wide.cl"
    float next_centre;
#line 53 "norm_backward_wide.cl"
    #pragma unroll
    for (int u = 0; u < 2; u++) {
#line 56 "norm_backward_wide.cl"
        gammas[lid + u * 64] = bits_upto(gamma, (lid + u * 64) * 8, 1024 - (lid + u * 64) * 8);
#line 58 "norm_backward_wide.cl"
        dgamma_sum[u] = 0.0f;
#line 60 "norm_backward_wide.cl"
        dbeta_sum[u] = 0.0f;
#line 62 "norm_backward_wide.cl"
    }
#line 80 "norm_backward_wide.cl"
    if (first < stop) {
        const ulong from = first * 1024 + lid * 8;
        next_scale = rstd[first];
#line 84 "norm_backward_wide.cl"
        next_centre = mean[first];
#line 86 "norm_backward_wide.cl"
        if (whole) {
            #pragma unroll
            for (int u = 0; u < 2; u++) {
#line 94 "norm_backward_wide.cl"
                next_d[u] = *(const __global uint4 *)(dy + from + u * 512);
                next_x[u] = *(const __global uint4 *)(x + from + u * 512);
            }
        } else {
            #pragma unroll
            for (int u = 0; u < 2; u++) {
                const long left = 1024 - (lid + u * 64) * 8;
                next_d[u] = bits_upto(dy, from + u * 512, left);
                next_x[u] = bits_upto(x, from + u * 512, left);
            }
        }
    }
#line 67 "norm_backward_wide.cl"
    for (ulong row = first; row < stop; row++) {
        const ulong at = row * 1024;
        uint4 d_bits[2], x_bits[2];
        #pragma unroll
        for (int u = 0; u < 2; u++) {
            d_bits[u] = next_d[u];
            x_bits[u] = next_x[u];
        }
        const float scale = next_scale;
#line 77 "norm_backward_wide.cl"
        const float centre = next_centre;
#line 80 "norm_backward_wide.cl"
    if ((row + 1) < stop) {
        const ulong from = (row + 1) * 1024 + lid * 8;
        next_scale = rstd[(row + 1)];
#line 84 "norm_backward_wide.cl"
        next_centre = mean[(row + 1)];
#line 86 "norm_backward_wide.cl"
        if (whole) {
            #pragma unroll
            for (int u = 0; u < 2; u++) {
#line 94 "norm_backward_wide.cl"
                next_d[u] = *(const __global uint4 *)(dy + from + u * 512);
                next_x[u] = *(const __global uint4 *)(x + from + u * 512);
            }
        } else {
            #pragma unroll
            for (int u = 0; u < 2; u++) {
                const long left = 1024 - (lid + u * 64) * 8;
                next_d[u] = bits_upto(dy, from + u * 512, left);
                next_x[u] = bits_upto(x, from + u * 512, left);
            }
        }
    }
#line 107 "norm_backward_wide.cl"
        float gx_sum = 0.0f;
#line 109 "norm_backward_wide.cl"
        float g_sum = 0.0f;
#line 120 "norm_backward_wide.cl"
            #pragma unroll
            for (int u = 0; u < 2; u++) {
#line 131 "norm_backward_wide.cl"
                const vec8 weight = values_of(gammas[lid + u * 64]);
#line 135 "norm_backward_wide.cl"
                const vec8 d = values_of(d_bits[u]);
                const vec8 xhat = (values_of(x_bits[u]) - centre) * scale;
                const vec8 g = d * weight;
#line 140 "norm_backward_wide.cl"
                g_sum += sum_of(g);
#line 142 "norm_backward_wide.cl"
                gx_sum += sum_of(g * xhat);
                dgamma_sum[u] = fma(d, xhat, dgamma_sum[u]);
#line 145 "norm_backward_wide.cl"
                dbeta_sum[u] += d;
#line 151 "norm_backward_wide.cl"
            }
#line 158 "norm_backward_wide.cl"
        const float2 means = group_sum(lane, lid, (float2)(g_sum, gx_sum)) / (float)1024;
#line 118 "norm_backward_wide.cl"
        if (whole) {
#line 120 "norm_backward_wide.cl"
            #pragma unroll
            for (int u = 0; u < 2; u++) {
#line 123 "norm_backward_wide.cl"
                const int j = (lid + u * 64) * 8;
#line 131 "norm_backward_wide.cl"
                const vec8 weight = values_of(gammas[lid + u * 64]);
#line 135 "norm_backward_wide.cl"
                const vec8 d = values_of(d_bits[u]);
                const vec8 xhat = (values_of(x_bits[u]) - centre) * scale;
                const vec8 g = d * weight;
#line 149 "norm_backward_wide.cl"
                store8_bf16_whole(scale * (g - means.x - xhat * means.y), dx, at + j);
#line 151 "norm_backward_wide.cl"
            }
#line 116 "norm_backward_wide.cl"
        } else {
#line 120 "norm_backward_wide.cl"
            #pragma unroll
            for (int u = 0; u < 2; u++) {
#line 123 "norm_backward_wide.cl"
                const int j = (lid + u * 64) * 8;
#line 126 "norm_backward_wide.cl"
                const long left = 1024 - j;
                if (left <= 0)
                    continue;
#line 131 "norm_backward_wide.cl"
                const vec8 weight = values_of(gammas[lid + u * 64]);
#line 135 "norm_backward_wide.cl"
                const vec8 d = values_of(d_bits[u]);
                const vec8 xhat = (values_of(x_bits[u]) - centre) * scale;
                const vec8 g = d * weight;
#line 149 "norm_backward_wide.cl"
                store8_bf16_upto(scale * (g - means.x - xhat * means.y), dx, at + j, left);
#line 151 "norm_backward_wide.cl"
            }
#line 154 "norm_backward_wide.cl"
        }
#line 164 "norm_backward_wide.cl"
    }
    __global float *part = parts + get_group_id(0) * padded;
    #pragma unroll
    for (int u = 0; u < 2; u++) {
        const int j = (lid + u * 64) * 8;
        if (j < 1024) {
            *(__global vec8 *)(part + j) = dgamma_sum[u];
#line 172 "norm_backward_wide.cl"
            *(__global vec8 *)(part + (ulong)((m + (min((long)1024, (long)((m + (max((long)1, (long)min((long)((m + 3) / 4), (long)512)) - 1)) / max((long)1, (long)min((long)((m + 3) / 4), (long)512)))) - 1)) / min((long)1024, (long)((m + (max((long)1, (long)min((long)((m + 3) / 4), (long)512)) - 1)) / max((long)1, (long)min((long)((m + 3) / 4), (long)512))))) * padded + j) = dbeta_sum[u];
#line 174 "norm_backward_wide.cl"
        }
    }
}
#line 1 "kernels.cl.in"
/* layernorm_backward_finish: dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma; dgamma, dbeta
 * spec     layernorm_backward m=? n=1024 dtype=bf16
 * variant  wide  WG=64
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

#line 21 "access.cl"
/* 16-bit words at any address: an unaligned vector move. PoCL's vload and vstore of ushort vectors
 * go word by word, and those of half vectors want an aligned pointer. */
typedef struct __attribute__((packed)) {
    ushort8 bits;
} halves8;

#line 29 "access.cl"
static ushort8 get_whole8(const __global void *p)
{
    return as_ushort8(*(const __global uint4 *)p);
}

static ushort8 get8(const __global void *p)
{
    return ((ulong)p & 15) == 0 ? get_whole8(p) : ((const __global halves8 *)p)->bits;
}

static void put8(ushort8 bits, __global void *p)
{
    if (((ulong)p & 15) == 0)
        *(__global uint4 *)p = as_uint4(bits);
    else
        ((__global halves8 *)p)->bits = bits;
}

#line 62 "access.cl"
/* whole: from an address of whole 16 bytes. Branches between loads keep them from being under way
 * together. */
static vec8 whole8_f32(__global const float *p, ulong i)
{
    const __global float4 *parts = (const __global float4 *)(p + i);
    return (float8)(parts[0], parts[1]);
}

static void put_whole8_f32(vec8 v, __global float *p, ulong i)
{
    __global float4 *parts = (__global float4 *)(p + i);
#line 76 "access.cl"
    parts[0] = v.lo;
    parts[1] = v.hi;
#line 79 "access.cl"
}

#line 82 "access.cl"
static vec8 load8_f32(__global const float *p, ulong i)
{
#line 85 "access.cl"
    if (((ulong)(p + i) & 15) == 0)
        return whole8_f32(p, i);
#line 92 "access.cl"
    return vload8(0, p + i);
#line 94 "access.cl"
}

static void store8_f32(vec8 v, __global float *p, ulong i)
{
#line 99 "access.cl"
    if (((ulong)(p + i) & 15) == 0) {
        put_whole8_f32(v, p, i);
        return;
    }
#line 105 "access.cl"
    p[i + 0] = v.s0;
#line 105 "access.cl"
    p[i + 1] = v.s1;
#line 105 "access.cl"
    p[i + 2] = v.s2;
#line 105 "access.cl"
    p[i + 3] = v.s3;
#line 105 "access.cl"
    p[i + 4] = v.s4;
#line 105 "access.cl"
    p[i + 5] = v.s5;
#line 105 "access.cl"
    p[i + 6] = v.s6;
#line 105 "access.cl"
    p[i + 7] = v.s7;
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

#line 209 "access.cl"
static vec8 whole8_bf16(__global const ushort *p, ulong i)
{
    return as_float8(convert_uint8(get_whole8(p + i)) << 16);
}

static void put_whole8_bf16(vec8 v, __global ushort *p, ulong i)
{
    *(__global uint4 *)(p + i) = as_uint4(to_bf16_8(v));
}

#line 220 "access.cl"
static vec8 load8_bf16(__global const ushort *p, ulong i)
{
#line 223 "access.cl"
    return as_float8(convert_uint8(get8(p + i)) << 16);
#line 227 "access.cl"
}

static void store8_bf16(vec8 v, __global ushort *p, ulong i)
{
#line 232 "access.cl"
    put8(to_bf16_8(v), p + i);
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

#line 254 "access.cl"
/* For ops, by the ending: at an address of whole accesses. */
static vec8 load8_f32_whole(__global const float *p, ulong i)
{
    return whole8_f32(p, i);
}

static void store8_f32_whole(vec8 v, __global float *p, ulong i)
{
    put_whole8_f32(v, p, i);
}

/* Of a row with left more elements, if any: zeros behind them. */
static vec8 load8_f32_upto(__global const float *p, ulong i, long left)
{
    return left >= 8 ? load8_f32(p, i)
           : left > 0   ? load8_f32_part(p, i, (int)left)
                        : (vec8)(0.0f);
}

#line 274 "access.cl"
static void store8_f32_part(vec8 v, __global float *p, ulong i, int count)
{
    float lanes[8];
    vstore8(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_f32(lanes[l], p, i + l);
}

#line 283 "access.cl"
static void store8_f32_upto(vec8 v, __global float *p, ulong i, long left)
{
    if (left >= 8)
        store8_f32(v, p, i);
    else if (left > 0)
        store8_f32_part(v, p, i, (int)left);
}

#line 245 "access.cl"
static vec8 load8_bf16_part(__global const ushort *p, ulong i, int count)
{
    float lanes[8];
    for (int l = 0; l < 8; l++)
        lanes[l] = l < count ? load1_bf16(p, i + l) : 0.0f;
    return vload8(0, lanes);
}

#line 254 "access.cl"
/* For ops, by the ending: at an address of whole accesses. */
static vec8 load8_bf16_whole(__global const ushort *p, ulong i)
{
    return whole8_bf16(p, i);
}

static void store8_bf16_whole(vec8 v, __global ushort *p, ulong i)
{
    put_whole8_bf16(v, p, i);
}

/* Of a row with left more elements, if any: zeros behind them. */
static vec8 load8_bf16_upto(__global const ushort *p, ulong i, long left)
{
    return left >= 8 ? load8_bf16(p, i)
           : left > 0   ? load8_bf16_part(p, i, (int)left)
                        : (vec8)(0.0f);
}

#line 274 "access.cl"
static void store8_bf16_part(vec8 v, __global ushort *p, ulong i, int count)
{
    float lanes[8];
    vstore8(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_bf16(lanes[l], p, i + l);
}

#line 283 "access.cl"
static void store8_bf16_upto(vec8 v, __global ushort *p, ulong i, long left)
{
    if (left >= 8)
        store8_bf16(v, p, i);
    else if (left > 0)
        store8_bf16_part(v, p, i, (int)left);
}

#line 1 "column_finish_simt.cl"
/* The sums over rows, from those of some rows each: parts[which][part][column].
 *
 * A group of 64 takes 32 columns; a work-item every 2th part of one. Their sums join in local
 * memory, always in the same order.
 */
__kernel __attribute__((reqd_work_group_size(64, 1, 1)))
void layernorm_backward_finish(__global const ushort *restrict dy, const ulong dy_offset,
                               __global const ushort *restrict x, const ulong x_offset,
                               __global const ushort *restrict gamma, const ulong gamma_offset,
                               __global const float *restrict mean, const ulong mean_offset,
                               __global const float *restrict rstd, const ulong rstd_offset,
                               __global ushort *restrict dx, const ulong dx_offset,
                               __global ushort *restrict dgamma, const ulong dgamma_offset,
                               __global ushort *restrict dbeta, const ulong dbeta_offset,
                               const long m,
                               __global float *restrict parts)
#line 7 "column_finish_simt.cl"
{
    dy += dy_offset;
    x += x_offset;
    gamma += gamma_offset;
    mean += mean_offset;
    rstd += rstd_offset;
    dx += dx_offset;
    dgamma += dgamma_offset;
    dbeta += dbeta_offset;
#line 9 "column_finish_simt.cl"
    __local float slices[64];
    const int lid = (int)get_local_id(0);
    const ulong width = 1024, padded = 1024, count = ((m + (min((long)1024, (long)((m + (max((long)1, (long)min((long)((m + 3) / 4), (long)512)) - 1)) / max((long)1, (long)min((long)((m + 3) / 4), (long)512)))) - 1)) / min((long)1024, (long)((m + (max((long)1, (long)min((long)((m + 3) / 4), (long)512)) - 1)) / max((long)1, (long)min((long)((m + 3) / 4), (long)512)))));
    const ulong col = (ulong)get_group_id(0) * 32 + lid % 32;
#line 15 "column_finish_simt.cl"
    float sum0 = 0.0f;
    if (col < width)
        for (ulong p = lid / 32; p < count; p += 2)
            sum0 += parts[(0 * count + p) * padded + col];
    slices[lid] = sum0;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < 32 && col < width) {
        for (int s = 1; s < 2; s++)
            sum0 += slices[lid + s * 32];
#line 27 "column_finish_simt.cl"
        store1_bf16(sum0, dgamma, col);
    }
#line 30 "column_finish_simt.cl"
    barrier(CLK_LOCAL_MEM_FENCE);
#line 15 "column_finish_simt.cl"
    float sum1 = 0.0f;
    if (col < width)
        for (ulong p = lid / 32; p < count; p += 2)
            sum1 += parts[(1 * count + p) * padded + col];
    slices[lid] = sum1;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < 32 && col < width) {
        for (int s = 1; s < 2; s++)
            sum1 += slices[lid + s * 32];
#line 27 "column_finish_simt.cl"
        store1_bf16(sum1, dbeta, col);
    }
#line 33 "column_finish_simt.cl"
}
