#line 1 "kernels.cl.in"
/* batched_matmul: c = a b for each of batch matrices
 * spec     batched_matmul batch=3 m=? n=100 k=64 dtype=bf16 trans_a=1 trans_b=1 accumulate=1 variant=simt
 * variant  simt  BM=128 BN=128 TM=8 TN=8 BK=16
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

#line 1 "matmul_simt.cl"
/* c = a b, with a stored transposed, a[k,m], and b transposed, b[n,k].
 *
 * A group of 256 work-items computes a tile of 128 x 128 elements of c. In steps of 16
 * along k it brings a block of a and one of b into local memory, as f32, k outermost:
 *
 *         BN                 work-item (x, y) of 16 x 16 owns the rows
 *       +-----+              y, y + 16, ... and the columns x, x + 16, ...
 *    BK | bs  |              of the tile, 8 x 8 sums in registers:
 *       +-----+              neighbours read and store neighbouring columns.
 *  BK
 * +---+ +-----+
 * |as | |  c  | BM           Elements outside a and b count as zeros.
 * +---+ +-----+
#line 18 "matmul_simt.cl"
 */
#line 21 "matmul_simt.cl"
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void batched_matmul(__global const ushort *restrict a, const ulong a_offset,
                    __global const ushort *restrict b, const ulong b_offset,
                    __global ushort *restrict c, const ulong c_offset,
                    const long m)
#line 22 "matmul_simt.cl"
{
    a += a_offset;
    b += b_offset;
    c += c_offset;
#line 24 "matmul_simt.cl"
    __local float as[16][129];
    __local float bs[16][129];
    const int lid = (int)get_local_id(0);
    const int x = lid % 16, y = lid / 16;
    const ulong tiles_n = 1;
    const ulong tiles = ((m + 127) / 128);
    const ulong tile = get_group_id(0) % tiles;
    const ulong matrix = get_group_id(0) / tiles;
    const long m0 = (long)(tile / tiles_n) * 128;
    const long n0 = (long)(tile % tiles_n) * 128;
    a += matrix * 64 * m;
#line 36 "matmul_simt.cl"
    b += matrix * 100 * 64;
#line 38 "matmul_simt.cl"
    const ulong c0 = matrix * m * 100;

#line 43 "matmul_simt.cl"
    float sum[8][8];
    #pragma unroll
    for (int i = 0; i < 8; i++)
        #pragma unroll
        for (int j = 0; j < 8; j++)
            sum[i][j] = 0.0f;

    for (long k0 = 0; k0 < 64; k0 += 16) {
        for (int e = lid; e < 2048; e += 256) {
#line 53 "matmul_simt.cl"
            const int i = e % 128, l = e / 128;
#line 57 "matmul_simt.cl"
            float v = 0.0f;
            if (m0 + i < m && k0 + l < 64) {
#line 60 "matmul_simt.cl"
                v = load1_bf16(a, (ulong)(k0 + l) * m + m0 + i);
#line 65 "matmul_simt.cl"
            }
            as[l][i] = v;
        }
        for (int e = lid; e < 2048; e += 256) {
#line 70 "matmul_simt.cl"
            const int l = e % 16, j = e / 16;
#line 74 "matmul_simt.cl"
            float v = 0.0f;
#line 81 "matmul_simt.cl"
            if (n0 + j < 100 && k0 + l < 64)
#line 85 "matmul_simt.cl"
                v = load1_bf16(b, (ulong)(n0 + j) * 64 + k0 + l);
#line 90 "matmul_simt.cl"
            bs[l][j] = v;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int l = 0; l < 16; l++) {
            float row[8], col[8];
            #pragma unroll
            for (int i = 0; i < 8; i++)
                row[i] = as[l][y + i * 16];
            #pragma unroll
            for (int j = 0; j < 8; j++)
                col[j] = bs[l][x + j * 16];
            #pragma unroll
            for (int i = 0; i < 8; i++)
                #pragma unroll
                for (int j = 0; j < 8; j++)
                    sum[i][j] = fma(row[i], col[j], sum[i][j]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    #pragma unroll
    for (int i = 0; i < 8; i++) {
        #pragma unroll
        for (int j = 0; j < 8; j++) {
            const long row = m0 + y + i * 16, col = n0 + x + j * 16;
            if (row < m && col < 100) {
                const ulong at = c0 + (ulong)row * 100 + col;
                float v = sum[i][j];
#line 1 "op/accumulate.cl"
                v += load1_bf16(c, at);
#line 6 "op/store.cl"
                store1_bf16(v, c, at);
#line 122 "matmul_simt.cl"
            }
        }
    }
}
