#line 1 "kernels.cl.in"
/* layernorm_backward: dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma; dgamma, dbeta
 * spec     layernorm_backward m=? n=1024 dtype=bf16 accumulate=1 out_dtype=f32 variant=simt
 * variant  simt  WG=256
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

#line 2 "norm_backward_simt.cl"
/* dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma, and the sums over rows that make
 * dgamma and dbeta.
#line 7 "norm_backward_simt.cl"
 *
 * A group of 256 takes its share of the rows, one after the other: a row's sums from memory, then dx
 * from the cache. A work-item takes columns 256 apart; its own sums over rows grow in
#line 11 "norm_backward_simt.cl"
 * registers and end in parts[which][group].
#line 15 "norm_backward_simt.cl"
 */
#line 4 "reduce_simt.cl"
static float group_sum(__local float *lane, int lid, float v)
{
    lane[lid] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int reach = 128; reach > 0; reach >>= 1) {
        if (lid < reach && lid + reach < 256)
            lane[lid] += lane[lid + reach];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const float sum = lane[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return sum;
}

#line 19 "norm_backward_simt.cl"
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void layernorm_backward(__global const ushort *restrict dy, const ulong dy_offset,
                        __global const ushort *restrict x, const ulong x_offset,
                        __global const ushort *restrict gamma, const ulong gamma_offset,
                        __global const float *restrict mean, const ulong mean_offset,
                        __global const float *restrict rstd, const ulong rstd_offset,
                        __global ushort *restrict dx, const ulong dx_offset,
                        __global float *restrict dgamma, const ulong dgamma_offset,
                        __global float *restrict dbeta, const ulong dbeta_offset,
                        const long m,
                        __global float *restrict parts)
#line 20 "norm_backward_simt.cl"
{
    dy += dy_offset;
    x += x_offset;
    gamma += gamma_offset;
    mean += mean_offset;
    rstd += rstd_offset;
    dx += dx_offset;
    dgamma += dgamma_offset;
    dbeta += dbeta_offset;
#line 22 "norm_backward_simt.cl"
    __local float lane[256];
    const int lid = (int)get_local_id(0);
    const ulong share = min((long)1024, (long)((m + (max((long)1, (long)min((long)((m + 3) / 4), (long)256)) - 1)) / max((long)1, (long)min((long)((m + 3) / 4), (long)256)))), width = 1024, padded = 1024;
    const ulong first = get_group_id(0) * share;
    const ulong stop = min(first + share, (ulong)m);
    __global float *dgamma_part = parts + get_group_id(0) * padded;
#line 29 "norm_backward_simt.cl"
    __global float *dbeta_part = dgamma_part + (ulong)((m + (min((long)1024, (long)((m + (max((long)1, (long)min((long)((m + 3) / 4), (long)256)) - 1)) / max((long)1, (long)min((long)((m + 3) / 4), (long)256)))) - 1)) / min((long)1024, (long)((m + (max((long)1, (long)min((long)((m + 3) / 4), (long)256)) - 1)) / max((long)1, (long)min((long)((m + 3) / 4), (long)256))))) * padded;
#line 32 "norm_backward_simt.cl"
    float weight[4], dgamma_sum[4];
#line 34 "norm_backward_simt.cl"
    float dbeta_sum[4];
#line 36 "norm_backward_simt.cl"
    #pragma unroll
    for (int u = 0; u < 4; u++) {
        const int j = lid + u * 256;
        weight[u] = j < 1024 ? load1_bf16(gamma, j) : 0.0f;
        dgamma_sum[u] = 0.0f;
#line 42 "norm_backward_simt.cl"
        dbeta_sum[u] = 0.0f;
#line 44 "norm_backward_simt.cl"
    }
#line 55 "norm_backward_simt.cl"
    for (ulong row = first; row < stop; row++) {
        const ulong at = row * width;
        const float scale = rstd[row];
#line 59 "norm_backward_simt.cl"
        const float centre = mean[row];
#line 61 "norm_backward_simt.cl"
        float gx_sum = 0.0f;
#line 63 "norm_backward_simt.cl"
        float g_sum = 0.0f;
#line 67 "norm_backward_simt.cl"
        #pragma unroll
        for (int u = 0; u < 4; u++) {
            const int j = lid + u * 256;
            if (j >= 1024)
                continue;
#line 76 "norm_backward_simt.cl"
            const float d = load1_bf16(dy, at + j);
            const float xhat = (load1_bf16(x, at + j) - centre) * scale;
            const float g = d * weight[u];
#line 81 "norm_backward_simt.cl"
            g_sum += g;
#line 83 "norm_backward_simt.cl"
            gx_sum = fma(g, xhat, gx_sum);
            dgamma_sum[u] = fma(d, xhat, dgamma_sum[u]);
#line 86 "norm_backward_simt.cl"
            dbeta_sum[u] += d;
#line 88 "norm_backward_simt.cl"
        }
#line 90 "norm_backward_simt.cl"
        const float g_mean = group_sum(lane, lid, g_sum) / (float)width;
#line 94 "norm_backward_simt.cl"
        const float gx_mean = group_sum(lane, lid, gx_sum) / (float)width;
#line 67 "norm_backward_simt.cl"
        #pragma unroll
        for (int u = 0; u < 4; u++) {
            const int j = lid + u * 256;
            if (j >= 1024)
                continue;
#line 76 "norm_backward_simt.cl"
            const float d = load1_bf16(dy, at + j);
            const float xhat = (load1_bf16(x, at + j) - centre) * scale;
            const float g = d * weight[u];
#line 96 "norm_backward_simt.cl"
            store1_bf16(scale * (g - g_mean - xhat * gx_mean), dx, at + j);
        }
#line 100 "norm_backward_simt.cl"
    }
#line 102 "norm_backward_simt.cl"
    #pragma unroll
    for (int u = 0; u < 4; u++) {
        const int j = lid + u * 256;
        if (j < 1024) {
            dgamma_part[j] = dgamma_sum[u];
#line 108 "norm_backward_simt.cl"
            dbeta_part[j] = dbeta_sum[u];
#line 110 "norm_backward_simt.cl"
        }
    }
#line 113 "norm_backward_simt.cl"
}
#line 1 "kernels.cl.in"
/* layernorm_backward_finish: dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma; dgamma, dbeta
 * spec     layernorm_backward m=? n=1024 dtype=bf16 accumulate=1 out_dtype=f32 variant=simt
 * variant  simt  WG=256
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

#line 1 "column_finish_simt.cl"
/* The sums over rows, from those of some rows each: parts[which][part][column].
 *
 * A group of 256 takes 32 columns; a work-item every 8th part of one. Their sums join in local
 * memory, always in the same order.
 */
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void layernorm_backward_finish(__global const ushort *restrict dy, const ulong dy_offset,
                               __global const ushort *restrict x, const ulong x_offset,
                               __global const ushort *restrict gamma, const ulong gamma_offset,
                               __global const float *restrict mean, const ulong mean_offset,
                               __global const float *restrict rstd, const ulong rstd_offset,
                               __global ushort *restrict dx, const ulong dx_offset,
                               __global float *restrict dgamma, const ulong dgamma_offset,
                               __global float *restrict dbeta, const ulong dbeta_offset,
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
    __local float slices[256];
    const int lid = (int)get_local_id(0);
    const ulong width = 1024, padded = 1024, count = ((m + (min((long)1024, (long)((m + (max((long)1, (long)min((long)((m + 3) / 4), (long)256)) - 1)) / max((long)1, (long)min((long)((m + 3) / 4), (long)256)))) - 1)) / min((long)1024, (long)((m + (max((long)1, (long)min((long)((m + 3) / 4), (long)256)) - 1)) / max((long)1, (long)min((long)((m + 3) / 4), (long)256)))));
    const ulong col = (ulong)get_group_id(0) * 32 + lid % 32;
#line 15 "column_finish_simt.cl"
    float sum0 = 0.0f;
    if (col < width)
        for (ulong p = lid / 32; p < count; p += 8)
            sum0 += parts[(0 * count + p) * padded + col];
    slices[lid] = sum0;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < 32 && col < width) {
        for (int s = 1; s < 8; s++)
            sum0 += slices[lid + s * 32];
#line 25 "column_finish_simt.cl"
        sum0 += load1_f32(dgamma, col);
#line 27 "column_finish_simt.cl"
        store1_f32(sum0, dgamma, col);
    }
#line 30 "column_finish_simt.cl"
    barrier(CLK_LOCAL_MEM_FENCE);
#line 15 "column_finish_simt.cl"
    float sum1 = 0.0f;
    if (col < width)
        for (ulong p = lid / 32; p < count; p += 8)
            sum1 += parts[(1 * count + p) * padded + col];
    slices[lid] = sum1;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < 32 && col < width) {
        for (int s = 1; s < 8; s++)
            sum1 += slices[lid + s * 32];
#line 25 "column_finish_simt.cl"
        sum1 += load1_f32(dbeta, col);
#line 27 "column_finish_simt.cl"
        store1_f32(sum1, dbeta, col);
    }
#line 33 "column_finish_simt.cl"
}
