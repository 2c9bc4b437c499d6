#line 1 "kernels.cl.in"
/* matmul: c = a b
 * spec     matmul m=5 n=? k=501 dtype=f32
 * variant  skinny  W=16 NV=2 MR=5 DEPTH=8 KB=1024 BN=1024
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

#line 1 "matmul_skinny_vector.cl"
/* c = a b on a CPU for few rows of a[m,k]; b[k,n] is read where it is, once for 60 rows.
 *
 * One work-item computes some columns of c, of 60 rows at most. In steps of 512 along k it
 * packs a into local memory, as f32, and adds what the rows of b give to the
 * sums there:
 *
 *       as    [row][528]
#line 11 "matmul_skinny_vector.cl"
 *       sums  [column/32][row][32]
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
static vec16 sums_at(__local const vec16 *sums, int rows, int row, int j, int end)
{
#line 32 "matmul_skinny_vector.cl"
    const int shift = clamp(j + 16 - end, 0, 16);
#line 34 "matmul_skinny_vector.cl"
    __local const float *row_sums = (__local const float *)sums + (j / 32 * rows + row) * 32;
    return vload16(0, row_sums + j % 32 + shift);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void matmul(__global const float *restrict a, const ulong a_offset,
            __global const float *restrict b, const ulong b_offset,
            __global float *restrict c, const ulong c_offset,
            const long n)
#line 39 "matmul_skinny_vector.cl"
{
    a += a_offset;
    b += b_offset;
    c += c_offset;
#line 41 "matmul_skinny_vector.cl"
    __local vec16 packed[165];
    __local vec16 sums[321];
#line 46 "matmul_skinny_vector.cl"
    __local float *as = (__local float *)packed;
    const ulong strips = 1, tiles = ((n + ((((((n + (min((long)((n + 63) / 64), (long)(((((n + 1023) / 1024) + 1) / 2) * 2)) - 1)) / min((long)((n + 63) / 64), (long)(((((n + 1023) / 1024) + 1) / 2) * 2))) + 15) / 16) * 16) - 1)) / (((((n + (min((long)((n + 63) / 64), (long)(((((n + 1023) / 1024) + 1) / 2) * 2)) - 1)) / min((long)((n + 63) / 64), (long)(((((n + 1023) / 1024) + 1) / 2) * 2))) + 15) / 16) * 16));
    const ulong matrix = get_group_id(0) / strips / tiles;
    const long m0 = (long)(get_group_id(0) % strips) * 60;
    const long n0 = (long)(get_group_id(0) / strips % tiles) * (((((n + (min((long)((n + 63) / 64), (long)(((((n + 1023) / 1024) + 1) / 2) * 2)) - 1)) / min((long)((n + 63) / 64), (long)(((((n + 1023) / 1024) + 1) / 2) * 2))) + 15) / 16) * 16);
#line 52 "matmul_skinny_vector.cl"
    const int height = 5;
#line 56 "matmul_skinny_vector.cl"
    const int rows = (height + 4) / 5 * 5;
    const int cols = (int)min((long)(((((n + (min((long)((n + 63) / 64), (long)(((((n + 1023) / 1024) + 1) / 2) * 2)) - 1)) / min((long)((n + 63) / 64), (long)(((((n + 1023) / 1024) + 1) / 2) * 2))) + 15) / 16) * 16), n - n0);
    const int width = cols;
    a += matrix * 5 * 501;
    b += matrix * 501 * n;
    const ulong c0 = matrix * 5 * n;

    for (int i = 0; i < 320; i++)
        sums[i] = (vec16)(0.0f);
    for (long k0 = 0; k0 < 501; k0 += 512) {
        const int kc = (int)min((long)512, 501 - k0);

        /* Pack a. */
#line 75 "matmul_skinny_vector.cl"
        for (int r = 0; r < rows; r++) {
            for (int l = 0; l < kc; l += 16) {
                vec16 v = (vec16)(0.0f);
                if (r < height) {
                    const long row = m0 + r, col = k0 + l;
                    const ulong from = (ulong)row * 501 + col;
                    const int left = kc - l;
                    if (left >= 16) {
                        v = load16_f32(a, from);
#line 85 "matmul_skinny_vector.cl"
                    } else {
                        v = load16_f32_part(a, from, left);
#line 88 "matmul_skinny_vector.cl"
                    }
                }
                packed[(r * 528 + l) / 16] = v;
            }
        }

#line 97 "matmul_skinny_vector.cl"
        {
            const long j0 = n0;
            __local vec16 *out = sums + 0;
#line 7 "matmul_skinny_nn_vector.cl"
            if (n >= 16) {
#line 21 "matmul_skinny_nn_vector.cl"
                int l = 0;
#line 24 "matmul_skinny_nn_vector.cl"
                for (; l + 8 <= kc; l += 8) {
                    for (int j = 0; j < width; j += 32) {
                        __global const float *bp = b + ((ulong)(k0 + l) * n + j0);
#line 28 "matmul_skinny_nn_vector.cl"
                        #pragma unroll
                        for (int u = 8; u < 16; u++)
                            #pragma unroll
                            for (int v = 0; v < 2; v++)
                                FETCH(bp + (ulong)u * n + (j + v * 16));
#line 34 "matmul_skinny_nn_vector.cl"
                        for (int i = 0; i < rows; i += 5) {
                            __local const float *ap = as + i * 528 + l;
                            vec16 sum[5][2];
                            #pragma unroll
                            for (int r = 0; r < 5; r++)
                                #pragma unroll
                                for (int v = 0; v < 2; v++)
                                    sum[r][v] = (vec16)(0.0f);
                            #pragma unroll
                            for (int u = 0; u < 8; u++) {
                                vec16 y[2];
                                #pragma unroll
                                for (int v = 0; v < 2; v++)
                                    y[v] = load16_f32(bp + (ulong)u * n, min(j + v * 16, width - 16));
                                #pragma unroll
                                for (int r = 0; r < 5; r++) {
                                    const vec16 x = (vec16)(ap[r * 528 + u]);
                                    #pragma unroll
                                    for (int v = 0; v < 2; v++)
                                        sum[r][v] = fma(x, y[v], sum[r][v]);
                                }
                            }
                            __local vec16 *kept = out + (j / 16 * rows + i * 2);
                            #pragma unroll
                            for (int r = 0; r < 5; r++)
                                #pragma unroll
                                for (int v = 0; v < 2; v++)
                                    kept[r * 2 + v] += sum[r][v];
                        }
                    }
                }
#line 24 "matmul_skinny_nn_vector.cl"
                for (; l + 1 <= kc; l += 1) {
                    for (int j = 0; j < width; j += 32) {
                        __global const float *bp = b + ((ulong)(k0 + l) * n + j0);
#line 34 "matmul_skinny_nn_vector.cl"
                        for (int i = 0; i < rows; i += 5) {
                            __local const float *ap = as + i * 528 + l;
                            vec16 sum[5][2];
                            #pragma unroll
                            for (int r = 0; r < 5; r++)
                                #pragma unroll
                                for (int v = 0; v < 2; v++)
                                    sum[r][v] = (vec16)(0.0f);
                            #pragma unroll
                            for (int u = 0; u < 1; u++) {
                                vec16 y[2];
                                #pragma unroll
                                for (int v = 0; v < 2; v++)
                                    y[v] = load16_f32(bp + (ulong)u * n, min(j + v * 16, width - 16));
                                #pragma unroll
                                for (int r = 0; r < 5; r++) {
                                    const vec16 x = (vec16)(ap[r * 528 + u]);
                                    #pragma unroll
                                    for (int v = 0; v < 2; v++)
                                        sum[r][v] = fma(x, y[v], sum[r][v]);
                                }
                            }
                            __local vec16 *kept = out + (j / 16 * rows + i * 2);
                            #pragma unroll
                            for (int r = 0; r < 5; r++)
                                #pragma unroll
                                for (int v = 0; v < 2; v++)
                                    kept[r * 2 + v] += sum[r][v];
                        }
                    }
                }
#line 67 "matmul_skinny_nn_vector.cl"
            }
#line 7 "matmul_skinny_nn_vector.cl"
            if (n < 16) {
#line 12 "matmul_skinny_nn_vector.cl"
                for (int l = 0; l < kc; l++) {
                    const ulong from = (ulong)(k0 + l) * n + j0;
                    const vec16 y = load16_f32_part(b, from, width);
                    for (int r = 0; r < height; r++) {
                        const vec16 x = (vec16)(as[r * 528 + l]);
                        out[r * 2] = fma(x, y, out[r * 2]);
                    }
                }
#line 67 "matmul_skinny_nn_vector.cl"
            }
#line 105 "matmul_skinny_vector.cl"
        }
#line 107 "matmul_skinny_vector.cl"
    }

    const int end = n < 16 ? 16 : width;
    for (int r = 0; r < height; r++) {
        const long row = m0 + r;
        for (int j = 0; j < cols; j += 16) {
            const long col = n0 + j;
            const ulong at = c0 + (ulong)row * n + col;
            const int left = cols - j;
#line 122 "matmul_skinny_vector.cl"
            vec16 x = sums_at(sums, rows, r, j, end);
#line 127 "matmul_skinny_vector.cl"
            if (left >= 16) {
#line 6 "op/store.cl"
                store16_f32(x, c, at);
#line 129 "matmul_skinny_vector.cl"
            } else {
#line 6 "op/store.cl"
                store16_f32_part(x, c, at, left);
#line 131 "matmul_skinny_vector.cl"
            }
        }
    }
}
