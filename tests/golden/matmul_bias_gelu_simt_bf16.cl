#line 1 "kernels.cl.in"
/* matmul_bias_gelu: c = gelu(a b + bias)
 * spec     matmul_bias_gelu m=? n=1024 k=512 dtype=bf16 approx=tanh save_pre=1 tile_size=64 variant=simt
 * variant  simt  BM=64 BN=64 TM=4 TN=4 BK=16
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
#line 1 "matmul_simt.cl"
/* c = a b, with a stored a[m,k] and b b[k,n].
 *
 * A group of 256 work-items computes a tile of 64 x 64 elements of c. In steps of 16
 * along k it brings a block of a and one of b into local memory, as f32, k outermost:
 *
 *         BN                 work-item (x, y) of 16 x 16 owns the rows
 *       +-----+              y, y + 16, ... and the columns x, x + 16, ...
 *    BK | bs  |              of the tile, 4 x 4 sums in registers:
 *       +-----+              neighbours read and store neighbouring columns.
 *  BK
 * +---+ +-----+
 * |as | |  c  | BM           Elements outside a and b count as zeros.
 * +---+ +-----+
#line 18 "matmul_simt.cl"
 */
#line 21 "matmul_simt.cl"
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void matmul_bias_gelu(__global const ushort *restrict a, const ulong a_offset,
                      __global const ushort *restrict b, const ulong b_offset,
                      __global const ushort *restrict bias, const ulong bias_offset,
                      __global ushort *restrict c, const ulong c_offset,
                      __global ushort *restrict pre, const ulong pre_offset,
                      const long m)
#line 22 "matmul_simt.cl"
{
    a += a_offset;
    b += b_offset;
    bias += bias_offset;
    c += c_offset;
    pre += pre_offset;
#line 24 "matmul_simt.cl"
    __local float as[16][65];
    __local float bs[16][65];
    const int lid = (int)get_local_id(0);
    const int x = lid % 16, y = lid / 16;
    const ulong tiles_n = 16;
    const ulong tiles = (((m + 63) / 64) * 16);
    const ulong tile = get_group_id(0) % tiles;
    const ulong matrix = get_group_id(0) / tiles;
    const long m0 = (long)(tile / tiles_n) * 64;
    const long n0 = (long)(tile % tiles_n) * 64;
    a += matrix * m * 512;
#line 36 "matmul_simt.cl"
    b += matrix * 512 * 1024;
#line 38 "matmul_simt.cl"
    const ulong c0 = matrix * m * 1024;

#line 43 "matmul_simt.cl"
    float sum[4][4];
    #pragma unroll
    for (int i = 0; i < 4; i++)
        #pragma unroll
        for (int j = 0; j < 4; j++)
            sum[i][j] = 0.0f;

    for (long k0 = 0; k0 < 512; k0 += 16) {
        for (int e = lid; e < 1024; e += 256) {
#line 55 "matmul_simt.cl"
            const int l = e % 16, i = e / 16;
#line 57 "matmul_simt.cl"
            float v = 0.0f;
            if (m0 + i < m && k0 + l < 512) {
#line 62 "matmul_simt.cl"
                v = load1_bf16(a, (ulong)(m0 + i) * 512 + k0 + l);
#line 65 "matmul_simt.cl"
            }
            as[l][i] = v;
        }
        for (int e = lid; e < 1024; e += 256) {
#line 72 "matmul_simt.cl"
            const int j = e % 64, l = e / 64;
#line 74 "matmul_simt.cl"
            float v = 0.0f;
#line 81 "matmul_simt.cl"
            if (n0 + j < 1024 && k0 + l < 512)
#line 87 "matmul_simt.cl"
                v = load1_bf16(b, (ulong)(k0 + l) * 1024 + n0 + j);
#line 90 "matmul_simt.cl"
            bs[l][j] = v;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int l = 0; l < 16; l++) {
            float row[4], col[4];
            #pragma unroll
            for (int i = 0; i < 4; i++)
                row[i] = as[l][y + i * 16];
            #pragma unroll
            for (int j = 0; j < 4; j++)
                col[j] = bs[l][x + j * 16];
            #pragma unroll
            for (int i = 0; i < 4; i++)
                #pragma unroll
                for (int j = 0; j < 4; j++)
                    sum[i][j] = fma(row[i], col[j], sum[i][j]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    #pragma unroll
    for (int i = 0; i < 4; i++) {
        #pragma unroll
        for (int j = 0; j < 4; j++) {
            const long row = m0 + y + i * 16, col = n0 + x + j * 16;
            if (row < m && col < 1024) {
                const ulong at = c0 + (ulong)row * 1024 + col;
                float v = sum[i][j];
#line 1 "op/bias.cl"
                v += load1_bf16(bias, col);
#line 2 "op/gelu.cl"
                store1_bf16(v, pre, at);
#line 4 "op/gelu.cl"
                v = gelu_tanh1(v);
#line 6 "op/store.cl"
                store1_bf16(v, c, at);
#line 122 "matmul_simt.cl"
            }
        }
    }
}
