#line 1 "kernels.cl.in"
/* matmul: c = a b
 * spec     matmul m=1000 n=999 k=501 dtype=f32
 * variant  vector  W=16 NV=4 MR=6 KC=512 MC=240 NC=256 MS=480
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
typedef float16 vec16;

#line 14 "access.cl"
/* Floats at any address: PoCL's vstore16 of floats becomes three stores. */
typedef struct __attribute__((packed)) {
    vec16 v;
} floats16;

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

#line 1 "matmul_vector.cl"
/* c = a b on a CPU, with a stored a[m,k] and b b[k,n].
 *
 * One work-item computes a macro-tile of c: a strip of rows, 256 columns. In steps of 512
 * along k it packs its columns of b, then, 240 rows at a time, its rows of a, into local
 * memory, as f32; then the register tile of 6 rows x 4 vectors of 16 runs over the block:
 *
 *       bs [n/64][k][64]      panels of 64 columns, k outermost inside a panel
 *       as [m/6][k/16][6][16]   panels of 6 rows, copied in runs of 16, not transposed
 *
 * so that every load of the inner loop is at a constant offset from two moving pointers. Rows,
 * columns and steps of k outside the matrices are packed as zeros.
#line 15 "matmul_vector.cl"
 * Between steps along k the sums wait, as f32, in c.
#line 20 "matmul_vector.cl"
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
#line 71 "matmul_vector.cl"
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void matmul(__global const float *restrict a, const ulong a_offset,
            __global const float *restrict b, const ulong b_offset,
            __global float *restrict c, const ulong c_offset)
#line 72 "matmul_vector.cl"
{
    a += a_offset;
    b += b_offset;
    c += c_offset;
#line 74 "matmul_vector.cl"
    __local float as[122880] __attribute__((aligned(64)));
#line 76 "matmul_vector.cl"
    __local float bs[131072] __attribute__((aligned(64)));
#line 81 "matmul_vector.cl"
    const ulong tiles_n = 4;
    const ulong tiles = 12;
    const ulong tile = get_group_id(0) % tiles;
    const ulong matrix = get_group_id(0) / tiles;
    /* A share of the columns for each compute unit, that they meet at the same rows of a. */
    const ulong strips = tiles / tiles_n;
    const ulong share = (tiles_n + 1) / 2;
    const ulong share0 = tile / (strips * share) * share, in_share = tile - share0 * strips;
    const ulong width = min(share, tiles_n - share0);
    const long m0 = (long)(in_share / width) * 336;
    const long n0 = (long)(share0 + in_share % width) * 256;
    const int rows = (int)min((long)336, 1000 - m0);
    const int cols = (int)min((long)256, 999 - n0);
    a += matrix * 1000 * 501;
#line 96 "matmul_vector.cl"
    b += matrix * 501 * 999;
#line 98 "matmul_vector.cl"
    const ulong c0 = matrix * 1000 * 999;

    for (long k0 = 0; k0 < 501; k0 += 512) {
        const int kc = (int)min((long)512, 501 - k0);
        const int kp = (kc + 15) / 16 * 16;

#line 108 "matmul_vector.cl"
        /* Pack b. */
#line 144 "matmul_vector.cl"
        for (int j = 0; j < cols; j += 64) {
            for (int l = 0; l < kp; l++) {
                __local float *to = bs + j * kp + l * 64;
#line 170 "matmul_vector.cl"
                const ulong from = (ulong)(k0 + l) * 999 + n0 + j;
                if (l < kc && j + 64 <= cols) {
                    #pragma unroll
                    for (int v = 0; v < 4; v++)
                        ((__local vec16 *)to)[v] = load16_f32(b, from + v * 16);
                } else {
                    for (int e = 0; e < 64; e++)
                        to[e] = l < kc && j + e < cols ? load1_f32(b, from + e) : 0.0f;
                }
#line 180 "matmul_vector.cl"
            }
        }

#line 246 "matmul_vector.cl"
        for (int i0 = 0; i0 < rows; i0 += 240) {
            const int block = min(240, rows - i0);
#line 249 "matmul_vector.cl"
            const int below = i0 + 240 < rows;
            __global const float *next_a = a + (ulong)(m0 + (below ? i0 + 240 : 0)) * 501 +
                                      (below ? k0 : k0 + 512);
            const int lines_a = below || k0 + 512 < 501 ? 7680 : 0;
            int fetched_a = 0;

#line 256 "matmul_vector.cl"
            /* Pack a. */
#line 273 "matmul_vector.cl"
            for (int i = 0; i < block; i += 6) {
                __local float *to = as + i * kp;
                for (int l = 0; l < kp; l += 16) {
                    #pragma unroll
                    for (int r = 0; r < 6; r++) {
                        vec16 v = (vec16)(0.0f);
                        if (i + r < block) {
                            const long row = m0 + i0 + i + r, col = k0 + l;
                            const ulong from = (ulong)row * 501 + col;
                            if (l + 16 <= kc) {
                                v = load16_f32(a, from);
#line 285 "matmul_vector.cl"
                            } else {
                                const int left = kc - l;
                                v = load16_f32_part(a, from, left);
#line 289 "matmul_vector.cl"
                            }
                        }
                        ((__local vec16 *)to)[r] = v;
                    }
                    to += 96;
                }
            }
#line 297 "matmul_vector.cl"
            /* Multiply. */
            for (int j = 0; j < cols; j += 64) {
                for (int i = 0; i < block; i += 6) {
                    __local const float *ap = as + i * kp;
#line 305 "matmul_vector.cl"
                    __local const float *bp = bs + j * kp;
#line 307 "matmul_vector.cl"
                    vec16 sum[6][4];
                    #pragma unroll
                    for (int r = 0; r < 6; r++)
                        #pragma unroll
                        for (int v = 0; v < 4; v++)
                            sum[r][v] = (vec16)(0.0f);
                    for (int l = 0; l < kp; l += 16) {
#line 315 "matmul_vector.cl"
                        if (fetched_a < lines_a) {
                            const int from_row = fetched_a / 32;
                            const int from_line = fetched_a++ % 32;
                            FETCH(next_a + (ulong)from_row * 501 + from_line * 16);
                        }
#line 328 "matmul_vector.cl"
                        #pragma unroll
                        for (int u = 0; u < 16; u++) {
                            vec16 row[4];
                            #pragma unroll
                            for (int v = 0; v < 4; v++)
#line 336 "matmul_vector.cl"
                                row[v] = vload16(u * 4 + v, bp);
#line 338 "matmul_vector.cl"
                            #pragma unroll
                            for (int r = 0; r < 6; r++) {
#line 343 "matmul_vector.cl"
                                const vec16 x = (vec16)(ap[r * 16 + u]);
#line 345 "matmul_vector.cl"
                                #pragma unroll
                                for (int v = 0; v < 4; v++)
                                    sum[r][v] = fma(x, row[v], sum[r][v]);
                            }
                        }
                        ap += 96;
                        bp += 1024;
                    }
#line 371 "matmul_vector.cl"
                    const long row0 = m0 + i0 + i, col0 = n0 + j;
                    const ulong at0 = c0 + (ulong)row0 * 999 + col0;
#line 393 "matmul_vector.cl"
                    if (i + 6 <= block && j + 64 <= cols) {
                        #pragma unroll
                        for (int r = 0; r < 6; r++) {
                            #pragma unroll
                            for (int v = 0; v < 4; v++) {
                                const ulong at = at0 + (ulong)r * 999 + v * 16;
#line 6 "op/store.cl"
                                store16_f32(sum[r][v], c, at);
#line 400 "matmul_vector.cl"
                            }
                        }
                        continue;
                    }
#line 405 "matmul_vector.cl"
                    /* One copy of the ops' code, not one for each register of the tile. */
                    vec16 tile[24];
                    #pragma unroll
                    for (int r = 0; r < 6; r++)
                        #pragma unroll
                        for (int v = 0; v < 4; v++)
                            tile[r * 4 + v] = sum[r][v];
                    for (int r = 0; r < min(6, block - i); r++) {
                        for (int v = 0; v < 4; v++) {
                            const ulong at = at0 + (ulong)r * 999 + v * 16;
                            const int left = cols - j - v * 16;
#line 420 "matmul_vector.cl"
                            vec16 x = tile[r * 4 + v];
#line 438 "matmul_vector.cl"
                            if (left >= 16) {
#line 6 "op/store.cl"
                                store16_f32(x, c, at);
#line 440 "matmul_vector.cl"
                            } else if (left > 0) {
#line 6 "op/store.cl"
                                store16_f32_part(x, c, at, left);
#line 442 "matmul_vector.cl"
                            }
                        }
                    }
                }
            }
        }
    }
}
