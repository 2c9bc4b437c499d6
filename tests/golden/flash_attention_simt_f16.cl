#line 1 "kernels.cl.in"
/* flash_attention: o = softmax(scale q k^T) v for each head; lse
 * spec     flash_attention batch=? seq_q=? seq_k=? heads=32 kv_heads=8 head_dim=64 dtype=f16 causal=1 alibi=1
 * variant  simt  WG=256 X=16 TM=4 TN=4 DK=16 VK=16
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
#line 115 "access.cl"
static vec1 load1_f16(__global const half *p, ulong i)
{
    return vload_half(0, p + i);
}

static void store1_f16(vec1 v, __global half *p, ulong i)
{
    vstore_half_rte(v, 0, p + i);
}

#line 9 "attention_simt.cl"
/* o = softmax(scores of q k^T) v and the logarithm of the softmax's sum, lse.
 *
 * A group of 256 takes 64 queries of a head and goes over the keys that they see, 64 at a time
 * (Dao, "FlashAttention-2", arXiv:2307.08691). A work-item (x, y) of 16 x 16 owns the queries
 * y, y + 16, ...; of a tile of scores the keys x, x + 16, ..., of o the elements x, x + 16, ...
 *
 *            keys ->               1. scores of the tile, q and k 16 columns at a time
 *          +------+                2. top: the largest score so far, of the whole row; what
 *    q     |scores| sum, top          was summed below the former top shrinks
 *          +------+                3. weights exp(score - top), into local memory
 *          +------+                4. sum += weights, acc += weights v, 16 keys at a time
 *   BQ     | acc  | head_dim
 *          +------+                In the end o = acc / sum, lse = top + log(sum).
 */
#line 2 "alibi_slope.cl"
/* 2^(-8 (head+1) / heads); where heads is no power of two, the slopes of the power below it, then
 * every second one of the power above. Press, Smith and Lewis, arXiv:2108.12409. */
static float alibi_slope(uint head)
{
    const uint below = 0x80000000u >> clz((uint)32);
    const float step = head < below ? head + 1 : (head - below) + 0.5f;
    return exp2(-8.0f * step / (float)below);
}

#line 6 "attention_mask.cl"
/* The query at i sees the keys from first_key(i) on, before stop_key(i). */
static long first_key(long i)
{
#line 12 "attention_mask.cl"
    return 0;
#line 14 "attention_mask.cl"
}

static long stop_key(long i, long seq_k)
{
#line 19 "attention_mask.cl"
    return min(seq_k, i + 1);
#line 25 "attention_mask.cl"
}

#line 70 "attention_mask.cl"
/* Of the product of a query and a key that stand `distance` apart. */
static float score_of(float product, long distance, float slope)
{
#line 76 "attention_mask.cl"
    const float score = product * 0.125f;
#line 79 "attention_mask.cl"
    return fma(-slope, (float)abs(distance), score);
#line 83 "attention_mask.cl"
}

#line 10 "attention_tiles_simt.cl"
/* Columns l0 to l0 + 16 of `there` rows of 64, as to[column][row]; zeros beyond. */
static void bring_own(__local float *to, __global const half *from, int there, int l0,
                      int lid)
{
    for (int e = lid; e < 1024; e += 256) {
        const int l = e % 16, row = e / 16;
        float v = 0.0f;
        if (row < there && l0 + l < 64)
            v = load1_f16(from, (ulong)row * 2048 + (l0 + l));
        to[l * 65 + row] = v;
    }
}

#line 10 "attention_tiles_simt.cl"
/* Columns l0 to l0 + 16 of `there` rows of 64, as to[column][row]; zeros beyond. */
static void bring_met(__local float *to, __global const half *from, int there, int l0,
                      int lid)
{
    for (int e = lid; e < 1024; e += 256) {
        const int l = e % 16, row = e / 16;
        float v = 0.0f;
        if (row < there && l0 + l < 64)
            v = load1_f16(from, (ulong)row * 512 + (l0 + l));
        to[l * 65 + row] = v;
    }
}

#line 27 "attention_simt.cl"
/* What exponents are relative to: a row of -inf only has a sum of 0, not NaN. */
static float base_of(float top)
{
    return top == -INFINITY ? 0.0f : top;
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void flash_attention(__global const half *restrict q, const ulong q_offset,
                     __global const half *restrict k, const ulong k_offset,
                     __global const half *restrict v, const ulong v_offset,
                     __global half *restrict o, const ulong o_offset,
                     __global float *restrict lse, const ulong lse_offset,
                     const long batch,
                     const long seq_q,
                     const long seq_k)
#line 34 "attention_simt.cl"
{
    q += q_offset;
    k += k_offset;
    v += v_offset;
    o += o_offset;
    lse += lse_offset;
#line 36 "attention_simt.cl"
    __local float own[4160], weights[4160];
    __local float block[1040];
    const int lid = (int)get_local_id(0);
    const int x = lid % 16, y = lid / 16;
#line 3 "attention_queries.cl"
    const ulong tiles = ((seq_q + 63) / 64);
#line 5 "attention_queries.cl"
    /* Those that see most go first. */
    const ulong tile = tiles - 1 - get_group_id(0) % tiles;
#line 10 "attention_queries.cl"
    const ulong head = get_group_id(0) / tiles % 32;
    const ulong matrix = get_group_id(0) / tiles / 32;
    const long row0 = (long)tile * 64;
#line 14 "attention_queries.cl"
    const long i0 = row0 + seq_k - seq_q;
#line 16 "attention_queries.cl"
    const int rows = (int)min((long)64, seq_q - row0);
    const ulong q0 = ((matrix * seq_q + row0) * 32 + head) * 64;
    const ulong k0 = (matrix * seq_k * 8 + head / 4) * 64;
    const ulong l0 = (matrix * 32 + head) * seq_q + row0;
#line 41 "attention_simt.cl"
    q += q0;
    o += q0;
    lse += l0;
    k += k0;
    v += k0;
#line 47 "attention_simt.cl"
    const float slope = alibi_slope((uint)head);
#line 51 "attention_simt.cl"
    float top[4], sum[4], acc[4][4];
    #pragma unroll
    for (int i = 0; i < 4; i++) {
        top[i] = -INFINITY;
        sum[i] = 0.0f;
        #pragma unroll
        for (int j = 0; j < 4; j++)
            acc[i][j] = 0.0f;
    }
#line 61 "attention_simt.cl"
    for (int l0 = 0; l0 < 64; l0 += 16)
        bring_own(own + l0 * 65, q, rows, l0, lid);

#line 65 "attention_simt.cl"
    const long j_stop = stop_key(i0 + rows - 1, seq_k);
    long j0 = first_key(i0);
    int c0;
    do {
        const int keys = (int)clamp(j_stop - j0, 0L, (long)64);
        const ulong there = (ulong)j0 * 512;
        const int whole = first_key(i0 + rows - 1) <= j0 && stop_key(i0, seq_k) >= j0 + keys;
        float s[4][4];
        int first[4], stop[4];
#line 4 "attention_products_simt.cl"
        #pragma unroll
        for (int i = 0; i < 4; i++)
            #pragma unroll
            for (int j = 0; j < 4; j++)
                s[i][j] = 0.0f;
        for (int l0 = 0; l0 < 64; l0 += 16) {
#line 11 "attention_products_simt.cl"
            __local const float *as = own + l0 * 65;
#line 16 "attention_products_simt.cl"
            bring_met(block, k + there, keys, l0, lid);
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int l = 0; l < 16; l++) {
                float row[4], col[4];
                #pragma unroll
                for (int i = 0; i < 4; i++)
                    row[i] = as[l * 65 + y + i * 16];
                #pragma unroll
                for (int j = 0; j < 4; j++)
                    col[j] = block[l * 65 + x + j * 16];
                #pragma unroll
                for (int i = 0; i < 4; i++)
                    #pragma unroll
                    for (int j = 0; j < 4; j++)
                        s[i][j] = fma(row[i], col[j], s[i][j]);
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
#line 80 "attention_simt.cl"
        #pragma unroll
        for (int i = 0; i < 4; i++) {
            const int row = y + i * 16;
            const long from = first_key(i0 + row) - j0, to = stop_key(i0 + row, seq_k) - j0;
            float most = -INFINITY;
            first[i] = (int)clamp(from, 0L, (long)keys);
            stop[i] = (int)clamp(to, 0L, (long)keys);
            #pragma unroll
            for (int j = 0; j < 4; j++) {
                const int c = x + j * 16;
                const float score = score_of(s[i][j], i0 + row - j0 - c, slope);
                s[i][j] = c >= first[i] && c < stop[i] ? score : -INFINITY;
                most = fmax(most, s[i][j]);
            }
            weights[row * 16 + x] = most;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll
        for (int i = 0; i < 4; i++) {
            float most = top[i];
            for (int l = 0; l < 16; l++)
                most = fmax(most, weights[(y + i * 16) * 16 + l]);
            const float shrink = exp(top[i] - base_of(most));
            top[i] = most;
            sum[i] *= shrink;
            #pragma unroll
            for (int j = 0; j < 4; j++)
                acc[i][j] *= shrink;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll
        for (int i = 0; i < 4; i++) {
            const float base = base_of(top[i]);
            #pragma unroll
            for (int j = 0; j < 4; j++) {
                const float p = exp(s[i][j] - base);
                sum[i] += p;
                weights[(x + j * 16) * 65 + y + i * 16] = p;
            }
        }
#line 6 "attention_accumulate_simt.cl"
        c0 = 0;
        do {
            for (int e = lid; e < 1024; e += 256) {
                const int l = e % 64, c = c0 + e / 64;
                float element = 0.0f;
                if (c < keys && l < 64)
                    element = load1_f16(v + there, (ulong)c * 512 + l);
                block[e] = element;
            }
            barrier(CLK_LOCAL_MEM_FENCE);
#line 17 "attention_accumulate_simt.cl"
            if (whole) {
                for (int c = 0; c < 16; c++) {
                    float weight[4];
#line 23 "attention_accumulate_simt.cl"
                    #pragma unroll
                    for (int i = 0; i < 4; i++) {
                        weight[i] = weights[(c0 + c) * 65 + y + i * 16];
#line 29 "attention_accumulate_simt.cl"
                    }
                    #pragma unroll
                    for (int j = 0; j < 4; j++) {
                        const float element = block[c * 64 + x + j * 16];
                        #pragma unroll
                        for (int i = 0; i < 4; i++)
#line 38 "attention_accumulate_simt.cl"
                            acc[i][j] = fma(weight[i], element, acc[i][j]);
#line 40 "attention_accumulate_simt.cl"
                    }
                }
            }
#line 17 "attention_accumulate_simt.cl"
            else {
                for (int c = 0; c < 16; c++) {
                    float weight[4];
#line 21 "attention_accumulate_simt.cl"
                    int seen[4];
#line 23 "attention_accumulate_simt.cl"
                    #pragma unroll
                    for (int i = 0; i < 4; i++) {
                        weight[i] = weights[(c0 + c) * 65 + y + i * 16];
#line 27 "attention_accumulate_simt.cl"
                        seen[i] = c0 + c >= first[i] && c0 + c < stop[i];
#line 29 "attention_accumulate_simt.cl"
                    }
                    #pragma unroll
                    for (int j = 0; j < 4; j++) {
                        const float element = block[c * 64 + x + j * 16];
                        #pragma unroll
                        for (int i = 0; i < 4; i++)
#line 36 "attention_accumulate_simt.cl"
                            acc[i][j] = seen[i] ? fma(weight[i], element, acc[i][j]) : acc[i][j];
#line 40 "attention_accumulate_simt.cl"
                    }
                }
            }
#line 44 "attention_accumulate_simt.cl"
            barrier(CLK_LOCAL_MEM_FENCE);
            c0 += 16;
        } while (c0 < keys);
#line 124 "attention_simt.cl"
        j0 += 64;
    } while (j0 < j_stop);

    #pragma unroll
    for (int i = 0; i < 4; i++)
        weights[(y + i * 16) * 16 + x] = sum[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    #pragma unroll
    for (int i = 0; i < 4; i++) {
        const int row = y + i * 16;
        float total = 0.0f;
        for (int l = 0; l < 16; l++)
            total += weights[row * 16 + l];
        const float inverse = 1.0f / total;
        if (row >= rows)
            continue;
        if (x == 0)
            lse[row] = base_of(top[i]) + log(total);
        #pragma unroll
        for (int j = 0; j < 4; j++) {
            const int l = x + j * 16;
            if (l < 64)
                store1_f16(total == 0.0f ? 0.0f : acc[i][j] * inverse, o,
                                (ulong)row * 2048 + l);
        }
    }
}
