#line 1 "kernels.cl.in"
/* cross_entropy: loss = lse - (1-s) logit[target] - s mean(logits) + z lse^2; dlogits
 * spec     cross_entropy tokens=? vocab=32000 dtype=bf16 dlogits=1
 * variant  wide  WG=512
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
#line 180 "access.cl"
    uint bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(0.0f), "f"(v));
    return (ushort)bits;
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
#line 184 "access.cl"
    uint4 bits;
#line 186 "access.cl"
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits.s0) : "f"(v.s1), "f"(v.s0));
#line 186 "access.cl"
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits.s1) : "f"(v.s3), "f"(v.s2));
#line 186 "access.cl"
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits.s2) : "f"(v.s5), "f"(v.s4));
#line 186 "access.cl"
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits.s3) : "f"(v.s7), "f"(v.s6));
#line 188 "access.cl"
    return as_ushort8(bits);
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

#line 4 "cross_entropy_wide.cl"
/* loss = lse - (1-s) logit[target] - s mean(logits) + z lse^2, and dlogits, of each token, on a GPU.
 *
 * A group of 512 takes a row. A work-item takes 8 logits at a time, 16 bytes, 4096 apart: the largest so
 * far and the sum of exponentials below it. What stands in front of the first address of whole 16
 * bytes, and behind the last, is one element each of the first work-items.
#line 10 "cross_entropy_wide.cl"
 * For their gradient the first 32768 logits wait in local memory; the others are read once more, the last
 * first, since they are in the cache.
#line 13 "cross_entropy_wide.cl"
 */
#line 7 "reduce_wide.cl"
/* The sum. */
static float group_sum(__local float *lane, int lid, float v)
{
    lane[lid] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < 32) {
        for (int s = 32; s < 512; s += 32)
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

#line 7 "reduce_wide.cl"
/* The largest; NaN is left out. */
static float group_max(__local float *lane, int lid, float v)
{
    lane[lid] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < 32) {
        for (int s = 32; s < 512; s += 32)
            v = fmax(v, lane[lid + s]);
        lane[lid] = v;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < 4) {
        for (int s = 4; s < 32; s += 4)
            v = fmax(v, lane[lid + s]);
        lane[lid] = v;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#line 25 "reduce_wide.cl"
    v = fmax(fmax(lane[0], lane[1]), fmax(lane[2], lane[3]));
#line 29 "reduce_wide.cl"
    barrier(CLK_LOCAL_MEM_FENCE);
    return v;
}

#line 2 "cross_entropy_loss.cl"
/* Logits' differences come before the logarithm, since large ones cancel. */
static float loss_of(float base, float sum, float average, float hit)
{
    const float rest = log(sum);
    float loss = rest + 1.0f * (base - hit);
#line 14 "cross_entropy_loss.cl"
    return loss;
}

#line 18 "cross_entropy_loss.cl"
/* What exp(logit - base) is multiplied by in dlogits. */
static float slope_of(float base, float sum)
{
#line 24 "cross_entropy_loss.cl"
    return 1.0f / sum;
#line 26 "cross_entropy_loss.cl"
}

#line 21 "cross_entropy_wide.cl"
/* What exponents are relative to: a row of -inf only has a sum of 0, not NaN. */
static float base_of(float top)
{
    return top == -INFINITY ? 0.0f : top;
}

#line 5 "bits.cl"
static vec8 values_of(uint4 bits)
{
#line 12 "bits.cl"
    return as_float8(convert_uint8(as_ushort8(bits)) << 16);
#line 14 "bits.cl"
}

#line 29 "cross_entropy_wide.cl"
static float sum_of(vec8 v)
{
#line 32 "cross_entropy_wide.cl"
    const float4 half_sums = v.lo + v.hi;
    return half_sums.s0 + half_sums.s1 + (half_sums.s2 + half_sums.s3);
#line 37 "cross_entropy_wide.cl"
}

static void absorb(float *top, float *sum, vec8 v)
{
#line 42 "cross_entropy_wide.cl"
    const float4 m = fmax(v.lo, v.hi);
#line 46 "cross_entropy_wide.cl"
    const float most = fmax(fmax(m.s0, m.s1), fmax(m.s2, m.s3));
    if (most > *top) {
        *sum *= exp(*top - most);
        *top = most;
    }
    *sum += sum_of(native_exp(v - base_of(*top)));
}

#line 55 "cross_entropy_wide.cl"
static void put_gradient(uint4 bits, __global ushort *dlogits, ulong i, int whole, int counts, float base,
                         float slope, float spread)
{
    vec8 d = 0.0f;
    if (counts)
        d = native_exp(values_of(bits) - base) * slope - spread;
    if (whole)
        put_whole8_bf16(d, dlogits, i);
    else
        store8_bf16(d, dlogits, i);
}

#line 68 "cross_entropy_wide.cl"
__kernel __attribute__((reqd_work_group_size(512, 1, 1)))
void cross_entropy(__global const ushort *logits, const ulong logits_offset,
                   __global const int *restrict targets, const ulong targets_offset,
                   __global float *restrict loss, const ulong loss_offset,
                   __global float *restrict lse, const ulong lse_offset,
                   __global ushort *dlogits, const ulong dlogits_offset,
                   const long tokens,
                   const float grad_scale)
#line 69 "cross_entropy_wide.cl"
{
    logits += logits_offset;
    targets += targets_offset;
    loss += loss_offset;
    lse += lse_offset;
    dlogits += dlogits_offset;
#line 71 "cross_entropy_wide.cl"
    __local float lane[512];
#line 73 "cross_entropy_wide.cl"
    __local uint4 kept[4096];
#line 75 "cross_entropy_wide.cl"
    const int lid = (int)get_local_id(0);
    const ulong width = 32000;
    const ulong row = get_group_id(0), at = row * width;
    const long target = targets[row];
    const int counts = target != -100 && target >= 0 && target < (long)width;
    const float hit = counts ? load1_bf16(logits, at + target) : 0.0f;
    /* head elements, whole vectors, a few elements; edge: the one of the first or last that is mine. */
    const int head = (int)min((-(ulong)(logits + at) & 15) / 2, width);
    const int vectors = (int)((width - head) / 8);
    const int tail = (int)((width - head) % 8);
    const long edge = lid < head ? lid : lid < head + tail ? (long)(width - tail + lid - head) : -1;
    const ulong body = at + head;
    const __global uint4 *from = (const __global uint4 *)(logits + body);
    float top = -INFINITY, sum = 0.0f, plain = 0.0f;
    vec8 lone = -INFINITY;
    if (edge >= 0) {
        lone.s0 = load1_bf16(logits, at + edge);
        plain = lone.s0;
    }
    absorb(&top, &sum, lone);
    int k = lid;
#line 98 "cross_entropy_wide.cl"
    for (; k + 1536 < vectors; k += 2048) {
        uint4 bits[4];
        #pragma unroll
        for (int u = 0; u < 4; u++)
            bits[u] = from[k + u * 512];
        #pragma unroll
        for (int u = 0; u < 4; u++) {
            const vec8 v = values_of(bits[u]);
#line 107 "cross_entropy_wide.cl"
            if (k + u * 512 < 4096)
                kept[k + u * 512] = bits[u];
#line 113 "cross_entropy_wide.cl"
            absorb(&top, &sum, v);
        }
    }
#line 98 "cross_entropy_wide.cl"
    for (; k + 0 < vectors; k += 512) {
        uint4 bits[1];
        #pragma unroll
        for (int u = 0; u < 1; u++)
            bits[u] = from[k + u * 512];
        #pragma unroll
        for (int u = 0; u < 1; u++) {
            const vec8 v = values_of(bits[u]);
#line 107 "cross_entropy_wide.cl"
            if (k + u * 512 < 4096)
                kept[k + u * 512] = bits[u];
#line 113 "cross_entropy_wide.cl"
            absorb(&top, &sum, v);
        }
    }
#line 117 "cross_entropy_wide.cl"
    /* The barriers in these also part the reading of hit from the writing of dlogits. */
    const float base = base_of(group_max((__local float *)lane, lid, top));
    sum = top == -INFINITY ? sum : sum * exp(top - base);
#line 125 "cross_entropy_wide.cl"
    sum = group_sum(lane, lid, sum);
#line 127 "cross_entropy_wide.cl"
    if (lid == 0) {
        lse[row] = base + log(sum);
        loss[row] = counts ? loss_of(base, sum, plain / (float)width, hit) : 0.0f;
    }
#line 132 "cross_entropy_wide.cl"
    const float slope = counts ? grad_scale * slope_of(base, sum) : 0.0f;
    const float spread = counts ? grad_scale * (0.0f / (float)width) : 0.0f;
    const int whole = ((ulong)(dlogits + body) & 15) == 0;
    const int mine = lid < vectors ? (vectors - 1 - lid) / 512 + 1 : 0;
    int i = mine;
#line 139 "cross_entropy_wide.cl"
    for (; i - 4 >= 8; i -= 4) {
        uint4 bits[4];
        #pragma unroll
        for (int u = 0; u < 4; u++)
            bits[u] = from[lid + (i - 1 - u) * 512];
        #pragma unroll
        for (int u = 0; u < 4; u++)
            put_gradient(bits[u], dlogits, body + (ulong)(lid + (i - 1 - u) * 512) * 8, whole, counts, base,
                         slope, spread);
    }
#line 139 "cross_entropy_wide.cl"
    for (; i - 1 >= 8; i -= 1) {
        uint4 bits[1];
        #pragma unroll
        for (int u = 0; u < 1; u++)
            bits[u] = from[lid + (i - 1 - u) * 512];
        #pragma unroll
        for (int u = 0; u < 1; u++)
            put_gradient(bits[u], dlogits, body + (ulong)(lid + (i - 1 - u) * 512) * 8, whole, counts, base,
                         slope, spread);
    }
#line 150 "cross_entropy_wide.cl"
    #pragma unroll 4
    for (int e = 0; e < i; e++)
        put_gradient(kept[lid + e * 512], dlogits, body + (ulong)(lid + e * 512) * 8, whole, counts, base,
                     slope, spread);
    if (edge >= 0)
        store1_bf16(counts ? exp(lone.s0 - base) * slope - spread : 0.0f, dlogits, at + edge);
    /* The target's element by whom its neighbours are from. */
    const long there = target - (long)head;
    if (counts && (target == edge ||
                   (there >= 0 && there / 8 < vectors && there / 8 % 512 == lid)))
        store1_bf16(exp(hit - base) * slope - spread - grad_scale * 1.0f, dlogits,
                        at + target);
#line 163 "cross_entropy_wide.cl"
}
