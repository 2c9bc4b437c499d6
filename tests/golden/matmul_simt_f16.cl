#line 1 "kernels.cl.in"
/* matmul: c = a b
 * spec     matmul m=? n=? k=? dtype=f16 variant=simt
 * variant  simt  BM=128 BN=128 TM=8 TN=8 BK=16
 */
#line 4 "access.cl"
typedef float vec1;

#line 115 "access.cl"
static vec1 load1_f16(__global const half *p, ulong i)
{
    return vload_half(0, p + i);
}

static void store1_f16(vec1 v, __global half *p, ulong i)
{
    vstore_half_rte(v, 0, p + i);
}

#line 1 "matmul_simt.cl"
/* c = a b, with a stored a[m,k] and b b[k,n].
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
void matmul(__global const half *restrict a, const ulong a_offset,
            __global const half *restrict b, const ulong b_offset,
            __global half *restrict c, const ulong c_offset,
            const long m,
            const long n,
            const long k)
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
    const ulong tiles_n = ((n + 127) / 128);
    const ulong tiles = (((m + 127) / 128) * ((n + 127) / 128));
    const ulong tile = get_group_id(0) % tiles;
    const ulong matrix = get_group_id(0) / tiles;
    const long m0 = (long)(tile / tiles_n) * 128;
    const long n0 = (long)(tile % tiles_n) * 128;
    a += matrix * m * k;
#line 36 "matmul_simt.cl"
    b += matrix * k * n;
#line 38 "matmul_simt.cl"
    const ulong c0 = matrix * m * n;

#line 43 "matmul_simt.cl"
    float sum[8][8];
    #pragma unroll
    for (int i = 0; i < 8; i++)
        #pragma unroll
        for (int j = 0; j < 8; j++)
            sum[i][j] = 0.0f;

    for (long k0 = 0; k0 < k; k0 += 16) {
        for (int e = lid; e < 2048; e += 256) {
#line 55 "matmul_simt.cl"
            const int l = e % 16, i = e / 16;
#line 57 "matmul_simt.cl"
            float v = 0.0f;
            if (m0 + i < m && k0 + l < k) {
#line 62 "matmul_simt.cl"
                v = load1_f16(a, (ulong)(m0 + i) * k + k0 + l);
#line 65 "matmul_simt.cl"
            }
            as[l][i] = v;
        }
        for (int e = lid; e < 2048; e += 256) {
#line 72 "matmul_simt.cl"
            const int j = e % 128, l = e / 128;
#line 74 "matmul_simt.cl"
            float v = 0.0f;
#line 81 "matmul_simt.cl"
            if (n0 + j < n && k0 + l < k)
#line 87 "matmul_simt.cl"
                v = load1_f16(b, (ulong)(k0 + l) * n + n0 + j);
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
            if (row < m && col < n) {
                const ulong at = c0 + (ulong)row * n + col;
                float v = sum[i][j];
#line 6 "op/store.cl"
                store1_f16(v, c, at);
#line 122 "matmul_simt.cl"
            }
        }
    }
}
