#line 1 "kernels.cl.in"
/* matmul_bias_gelu: c = gelu(a b + bias)
 * spec     matmul_bias_gelu m=? n=1024 k=512 dtype=f32 approx=tanh
 * variant  wide  BM=128 BN=128 TN=8 BK=16
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
typedef float4 vec4;

#line 62 "access.cl"
/* whole: from an address of whole 16 bytes. Branches between loads keep them from being under way
 * together. */
static vec4 whole4_f32(__global const float *p, ulong i)
{
    const __global float4 *parts = (const __global float4 *)(p + i);
    return parts[0];
}

static void put_whole4_f32(vec4 v, __global float *p, ulong i)
{
    __global float4 *parts = (__global float4 *)(p + i);
#line 74 "access.cl"
    parts[0] = v;
#line 79 "access.cl"
}

#line 82 "access.cl"
static vec4 load4_f32(__global const float *p, ulong i)
{
#line 85 "access.cl"
    if (((ulong)(p + i) & 15) == 0)
        return whole4_f32(p, i);
#line 92 "access.cl"
    return vload4(0, p + i);
#line 94 "access.cl"
}

static void store4_f32(vec4 v, __global float *p, ulong i)
{
#line 99 "access.cl"
    if (((ulong)(p + i) & 15) == 0) {
        put_whole4_f32(v, p, i);
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
#line 110 "access.cl"
}

#line 245 "access.cl"
static vec4 load4_f32_part(__global const float *p, ulong i, int count)
{
    float lanes[4];
    for (int l = 0; l < 4; l++)
        lanes[l] = l < count ? load1_f32(p, i + l) : 0.0f;
    return vload4(0, lanes);
}

#line 254 "access.cl"
/* For ops, by the ending: at an address of whole accesses. */
static vec4 load4_f32_whole(__global const float *p, ulong i)
{
    return whole4_f32(p, i);
}

static void store4_f32_whole(vec4 v, __global float *p, ulong i)
{
    put_whole4_f32(v, p, i);
}

/* Of a row with left more elements, if any: zeros behind them. */
static vec4 load4_f32_upto(__global const float *p, ulong i, long left)
{
    return left >= 4 ? load4_f32(p, i)
           : left > 0   ? load4_f32_part(p, i, (int)left)
                        : (vec4)(0.0f);
}

#line 274 "access.cl"
static void store4_f32_part(vec4 v, __global float *p, ulong i, int count)
{
    float lanes[4];
    vstore4(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_f32(lanes[l], p, i + l);
}

#line 283 "access.cl"
static void store4_f32_upto(vec4 v, __global float *p, ulong i, long left)
{
    if (left >= 4)
        store4_f32(v, p, i);
    else if (left > 0)
        store4_f32_part(v, p, i, (int)left);
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

#line 6 "gelu.cl"
/* 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)): one exp, and no cancellation for x < 0. The factors are
 * those of -2u log2(e). */
#line 11 "gelu.cl"
static vec1 gelu_tanh1(vec1 x)
{
    const vec1 power = x * fma(x * x, (vec1)(-0.10294324f), (vec1)(-2.3022082f));
    return x / (1.0f + exp2_near1(power));
}
#line 8 "exp_vector.cl"
static vec4 exp_below4(vec4 x)
{
    return exp(x);
}

static vec4 exp2_within4(vec4 x)
{
    return exp2(x);
}

static vec4 exp2_near4(vec4 x)
{
    return exp2(x);
}

#line 6 "gelu.cl"
/* 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)): one exp, and no cancellation for x < 0. The factors are
 * those of -2u log2(e). */
#line 9 "gelu.cl"
__attribute__((always_inline))
#line 11 "gelu.cl"
static vec4 gelu_tanh4(vec4 x)
{
    const vec4 power = x * fma(x * x, (vec4)(-0.10294324f), (vec4)(-2.3022082f));
    return x / (1.0f + exp2_near4(power));
}
#line 4 "matmul_wide.cl"
/* c = a b on a GPU, with a stored a[m,k] and b b[k,n].
 *
 * A group of 256 work-items computes a tile of 128 x 128 of c. In steps of 16 along k it has a block of
 * a and one of b in local memory, as f32, k outermost, twice: while it multiplies by one pair, the next is
 * on its way through registers into the other. Work-item (x, y) has the rows 4y and the columns 4x, four
 * of each, of every 64 rows and 64 columns, so that it reads and stores by fours and neighbours read
 * neighbours.
 */
#line 16 "matmul_wide.cl"
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void matmul_bias_gelu(__global const float *restrict a, const ulong a_offset,
                      __global const float *restrict b, const ulong b_offset,
                      __global const float *restrict bias, const ulong bias_offset,
                      __global float *restrict c, const ulong c_offset,
                      const long m)
#line 17 "matmul_wide.cl"
{
    a += a_offset;
    b += b_offset;
    bias += bias_offset;
    c += c_offset;
#line 19 "matmul_wide.cl"
    __local float as[2][16][132] __attribute__((aligned(16)));
    __local float bs[2][16][132] __attribute__((aligned(16)));
    const int lid = (int)get_local_id(0);
    /* Every 32 work-items are 8 x 4 of them, so that they read few lines of local memory. */
    const int x = lid / 32 % 2 * 8 + lid % 8, y = lid / 32 / 2 * 4 + lid % 32 / 8;
    const ulong tiles_m = ((m + 127) / 128), tiles_n = 8;
    const ulong index = get_group_id(0);
#line 3 "tile_bands.cl"
            const ulong matrix = index / (tiles_m * tiles_n), tile = index % (tiles_m * tiles_n);
            const ulong band = tile / (8 * tiles_n), in_band = tile % (8 * tiles_n);
            const ulong height = min((ulong)8, tiles_m - band * 8);
            const long m0 = (long)(band * 8 + in_band % height) * 128;
            const long n0 = (long)(in_band / height) * 128;
#line 29 "matmul_wide.cl"
    a += matrix * m * 512;
#line 31 "matmul_wide.cl"
    b += matrix * 512 * 1024;
#line 33 "matmul_wide.cl"
    const ulong c0 = matrix * m * 1024;

#line 36 "matmul_wide.cl"
    const int whole = (m0 + 128 <= m) & (n0 + 128 <= 1024) & (512 % 4 == 0) & (1024 % 4 == 0) &
                      (((ulong)a & 15) == 0) & (((ulong)b & 15) == 0);

#line 40 "matmul_wide.cl"
    const int along = 4;
#line 46 "matmul_wide.cl"
    const int across_b = 32;
#line 50 "matmul_wide.cl"
    const __global float *from_a = a + (ulong)(m0 + lid / along) * 512 + lid % along * 4;
#line 54 "matmul_wide.cl"
    const __global float *from_b = b + (ulong)(lid / across_b) * 1024 + n0 + lid % across_b * 4;
#line 56 "matmul_wide.cl"
    float4 sum[2][4][2];
    #pragma unroll
    for (int i = 0; i < 8; i++)
        #pragma unroll
        for (int j = 0; j < 2; j++)
            sum[i / 4][i % 4][j] = (float4)(0.0f);
    float4 next_a[2], next_b[2];
    int now = 1;
    for (long k0 = -16; k0 < 512; k0 += 16) {
        const long l0 = k0 + 16;
        if (whole & (l0 + 16 <= 512)) {
            #pragma unroll
            for (int p = 0; p < 2; p++) {
                float4 v = whole4_f32(from_a, p * 64 * (ulong)512);
#line 73 "matmul_wide.cl"
                next_a[p] = v;
            }
            #pragma unroll
            for (int p = 0; p < 2; p++)
                next_b[p] = whole4_f32(from_b, p * 8 * (ulong)1024);
            from_a += 16 * (ulong)1;
            from_b += 16 * (ulong)1024;
        } else if (l0 < 512) {
            #pragma unroll
            for (int p = 0; p < 2; p++) {
                const int e = lid + p * 256;
#line 85 "matmul_wide.cl"
                const int l = e % 4 * 4, i = e / 4;
                const long row = m0 + i, col = l0 + l, left = row < m ? 512 - col : 0;
                float4 v = load4_f32_upto(a, (ulong)row * 512 + col, left);
#line 95 "matmul_wide.cl"
                next_a[p] = v;
#line 100 "matmul_wide.cl"
            }
            #pragma unroll
            for (int p = 0; p < 2; p++) {
                const int e = lid + p * 256;
#line 108 "matmul_wide.cl"
                const int j = e % 32 * 4, l = e / 32;
#line 112 "matmul_wide.cl"
                next_b[p] = load4_f32_upto(b, (ulong)(l0 + l) * 1024 + n0 + j, l0 + l < 512 ? 1024 - n0 - j : 0);
#line 115 "matmul_wide.cl"
            }
        }
        if (k0 >= 0) {
            #pragma unroll
            for (int l = 0; l < 16; l++) {
                float4 rows[2], cols[2];
                #pragma unroll
                for (int q = 0; q < 2; q++)
                    rows[q] = *(__local float4 *)&as[now][l][(q * 64 + y * 4) ^ (l & 8)];
                #pragma unroll
                for (int j = 0; j < 2; j++)
                    cols[j] = *(__local float4 *)&bs[now][l][(j * 64 + x * 4)];
                #pragma unroll
                for (int q = 0; q < 2; q++)
                    #pragma unroll
                    for (int j = 0; j < 2; j++) {
#line 132 "matmul_wide.cl"
                        sum[q][0][j] = fma((float4)(rows[q].s0), cols[j], sum[q][0][j]);
#line 132 "matmul_wide.cl"
                        sum[q][1][j] = fma((float4)(rows[q].s1), cols[j], sum[q][1][j]);
#line 132 "matmul_wide.cl"
                        sum[q][2][j] = fma((float4)(rows[q].s2), cols[j], sum[q][2][j]);
#line 132 "matmul_wide.cl"
                        sum[q][3][j] = fma((float4)(rows[q].s3), cols[j], sum[q][3][j]);
#line 134 "matmul_wide.cl"
                    }
            }
        }
        /* What goes in along k stands 8 columns aside in every other 8 rows: else work-items four steps of k
         * apart meet in the same bank. */
        if (l0 < 512) {
            #pragma unroll
            for (int p = 0; p < 2; p++) {
                const int e = lid + p * 256;
#line 144 "matmul_wide.cl"
                const int l = e % 4 * 4, i = e / 4;
#line 146 "matmul_wide.cl"
                as[now ^ 1][l + 0][i ^ (l & 8)] = next_a[p].s0;
#line 146 "matmul_wide.cl"
                as[now ^ 1][l + 1][i ^ (l & 8)] = next_a[p].s1;
#line 146 "matmul_wide.cl"
                as[now ^ 1][l + 2][i ^ (l & 8)] = next_a[p].s2;
#line 146 "matmul_wide.cl"
                as[now ^ 1][l + 3][i ^ (l & 8)] = next_a[p].s3;
#line 152 "matmul_wide.cl"
            }
            #pragma unroll
            for (int p = 0; p < 2; p++) {
                const int e = lid + p * 256;
#line 162 "matmul_wide.cl"
                const int j = e % 32 * 4, l = e / 32;
                *(__local float4 *)&bs[now ^ 1][l][j] = next_b[p];
#line 165 "matmul_wide.cl"
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        now ^= 1;
    }

    #pragma unroll
    for (int q = 0; q < 2; q++)
        #pragma unroll
        for (int i = 0; i < 4; i++) {
            const long row = m0 + q * 64 + y * 4 + i;
            #pragma unroll
            for (int j = 0; j < 2; j++) {
                const long col = n0 + j * 64 + x * 4, left = row < m ? 1024 - col : 0;
                const ulong at = c0 + (ulong)row * 1024 + col;
                float4 v = sum[q][i][j];
                if (left >= 4) {
#line 1 "op/bias.cl"
                    v += load4_f32(bias, col);
#line 4 "op/gelu.cl"
                    v = gelu_tanh4(v);
#line 6 "op/store.cl"
                    store4_f32(v, c, at);
#line 183 "matmul_wide.cl"
                } else if (left > 0) {
#line 1 "op/bias.cl"
                    v += load4_f32_part(bias, col, (int)left);
#line 4 "op/gelu.cl"
                    v = gelu_tanh4(v);
#line 6 "op/store.cl"
                    store4_f32_part(v, c, at, (int)left);
#line 185 "matmul_wide.cl"
                }
            }
        }
}
