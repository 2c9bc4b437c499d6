#line 1 "kernels.cl.in"
/* matmul_bias_residual: c = a b + bias + residual
 * spec     matmul_bias_residual m=100 n=200 k=300 dtype=f32 layout=nt ldc=256
 * variant  vector  W=8 NV=2 MR=6 KC=512 MC=240 NC=256 MS=480
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
#line 90 "access.cl"
    return ((__global const floats16 *)(p + i))->v;
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

#line 6 "access.cl"
typedef float8 vec8;

#line 14 "access.cl"
/* Floats at any address: PoCL's vstore16 of floats becomes three stores. */
typedef struct __attribute__((packed)) {
    vec8 v;
} floats8;

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

#line 1 "matmul_vector.cl"
/* c = a b on a CPU, with a stored a[m,k] and b transposed, b[n,k].
 *
 * One work-item computes a macro-tile of c: a strip of rows, 256 columns. In steps of 304
 * along k it packs its columns of b, then, 240 rows at a time, its rows of a, into local
 * memory, as f32; then the register tile of 6 rows x 2 vectors of 8 runs over the block:
 *
 *       bs [n/16][k][16]      panels of 16 columns, k outermost inside a panel
 *       as [m/6][k/16][6][16]   panels of 6 rows, copied in runs of 16, not transposed
 *
 * so that every load of the inner loop is at a constant offset from two moving pointers. Rows,
 * columns and steps of k outside the matrices are packed as zeros.
#line 15 "matmul_vector.cl"
 * Between steps along k the sums wait, as f32, in local memory.
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
#line 35 "matmul_vector.cl"
/* Element (i, j) moves to (j, i): four perfect shuffles of the 256 elements. */
static void transpose16(vec16 *t)
{
    vec16 s[16];
    #pragma unroll
    for (int round = 0; round < 4; round++) {
        #pragma unroll
        for (int i = 0; i < 8; i++) {
            s[i] = (vec16)(t[2 * i].even, t[2 * i + 1].even);
            s[i + 8] = (vec16)(t[2 * i].odd, t[2 * i + 1].odd);
        }
        #pragma unroll
        for (int i = 0; i < 16; i++)
            t[i] = s[i];
    }
}

#line 71 "matmul_vector.cl"
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void matmul_bias_residual(__global const float *restrict a, const ulong a_offset,
                          __global const float *restrict b, const ulong b_offset,
                          __global const float *restrict bias, const ulong bias_offset,
                          __global const float *residual, const ulong residual_offset,
                          __global float *c, const ulong c_offset)
#line 72 "matmul_vector.cl"
{
    a += a_offset;
    b += b_offset;
    bias += bias_offset;
    residual += residual_offset;
    c += c_offset;
#line 74 "matmul_vector.cl"
    __local float as[72960] __attribute__((aligned(64)));
#line 76 "matmul_vector.cl"
    __local float bs[77824] __attribute__((aligned(64)));
#line 81 "matmul_vector.cl"
    const ulong tiles_n = 1;
    const ulong tiles = 3;
    const ulong tile = get_group_id(0) % tiles;
    const ulong matrix = get_group_id(0) / tiles;
    /* A share of the columns for each compute unit, that they meet at the same rows of a. */
    const ulong strips = tiles / tiles_n;
    const ulong share = (tiles_n + 1) / 2;
    const ulong share0 = tile / (strips * share) * share, in_share = tile - share0 * strips;
    const ulong width = min(share, tiles_n - share0);
    const long m0 = (long)(in_share / width) * 36;
    const long n0 = (long)(share0 + in_share % width) * 208;
    const int rows = (int)min((long)36, 100 - m0);
    const int cols = (int)min((long)208, 200 - n0);
    a += matrix * 100 * 300;
#line 96 "matmul_vector.cl"
    b += matrix * 200 * 300;
#line 98 "matmul_vector.cl"
    const ulong c0 = matrix * 100 * 256;

    for (long k0 = 0; k0 < 300; k0 += 304) {
        const int kc = (int)min((long)304, 300 - k0);
        const int kp = (kc + 15) / 16 * 16;

#line 108 "matmul_vector.cl"
        /* Pack b. */
#line 183 "matmul_vector.cl"
        for (int j = 0; j < cols; j += 16) {
            for (int l = 0; l < kp; l += 16) {
                for (int g = 0; g < 16; g += 16) {
                    vec16 t[16];
#line 201 "matmul_vector.cl"
                    const ulong from = (ulong)(n0 + j + g) * 300 + k0 + l;
                    if (l + 16 <= kc && j + g + 16 <= cols) {
                        #pragma unroll
                        for (int e = 0; e < 16; e++)
                            t[e] = load16_f32(b, from + (ulong)e * 300);
                    } else {
                        #pragma unroll
                        for (int e = 0; e < 16; e++) {
                            t[e] = (vec16)(0.0f);
                            if (j + g + e < cols) {
                                if (l + 16 <= kc)
                                    t[e] = load16_f32(b, from + (ulong)e * 300);
                                else
                                    t[e] = load16_f32_part(b, from + (ulong)e * 300, kc - l);
                            }
                        }
                    }
#line 219 "matmul_vector.cl"
                    transpose16(t);
                    #pragma unroll
                    for (int e = 0; e < 16; e++)
                        *(__local vec16 *)(bs + j * kp + (l + e) * 16 + g) = t[e];
                }
            }
        }

#line 246 "matmul_vector.cl"
        for (int i0 = 0; i0 < rows; i0 += 240) {
            const int block = min(240, rows - i0);

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
                            const ulong from = (ulong)row * 300 + col;
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
            for (int j = 0; j < cols; j += 16) {
                for (int i = 0; i < block; i += 6) {
                    __local const float *ap = as + i * kp;
#line 305 "matmul_vector.cl"
                    __local const float *bp = bs + j * kp;
#line 307 "matmul_vector.cl"
                    vec8 sum[6][2];
                    #pragma unroll
                    for (int r = 0; r < 6; r++)
                        #pragma unroll
                        for (int v = 0; v < 2; v++)
                            sum[r][v] = (vec8)(0.0f);
                    for (int l = 0; l < kp; l += 16) {
#line 328 "matmul_vector.cl"
                        #pragma unroll
                        for (int u = 0; u < 16; u++) {
                            vec8 row[2];
                            #pragma unroll
                            for (int v = 0; v < 2; v++)
#line 336 "matmul_vector.cl"
                                row[v] = vload8(u * 2 + v, bp);
#line 338 "matmul_vector.cl"
                            #pragma unroll
                            for (int r = 0; r < 6; r++) {
#line 343 "matmul_vector.cl"
                                const vec8 x = (vec8)(ap[r * 16 + u]);
#line 345 "matmul_vector.cl"
                                #pragma unroll
                                for (int v = 0; v < 2; v++)
                                    sum[r][v] = fma(x, row[v], sum[r][v]);
                            }
                        }
                        ap += 96;
                        bp += 256;
                    }
#line 371 "matmul_vector.cl"
                    const long row0 = m0 + i0 + i, col0 = n0 + j;
                    const ulong at0 = c0 + (ulong)row0 * 256 + col0;
#line 405 "matmul_vector.cl"
                    /* One copy of the ops' code, not one for each register of the tile. */
                    vec8 tile[12];
                    #pragma unroll
                    for (int r = 0; r < 6; r++)
                        #pragma unroll
                        for (int v = 0; v < 2; v++)
                            tile[r * 2 + v] = sum[r][v];
                    for (int r = 0; r < min(6, block - i); r++) {
                        for (int v = 0; v < 1; v++) {
                            const ulong at = at0 + (ulong)r * 256 + v * 16;
                            const int left = cols - j - v * 16;
#line 422 "matmul_vector.cl"
                            vec16 x = (vec16)(tile[r * 2], tile[r * 2 + 1]);
#line 438 "matmul_vector.cl"
                            if (left >= 16) {
#line 1 "op/bias.cl"
                                x += load16_f32(bias, (col0 + v * 16));
#line 1 "op/residual.cl"
                                x += load16_f32(residual, at);
#line 6 "op/store.cl"
                                store16_f32(x, c, at);
#line 440 "matmul_vector.cl"
                            } else if (left > 0) {
#line 1 "op/bias.cl"
                                x += load16_f32_part(bias, (col0 + v * 16), left);
#line 1 "op/residual.cl"
                                x += load16_f32_part(residual, at, left);
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
