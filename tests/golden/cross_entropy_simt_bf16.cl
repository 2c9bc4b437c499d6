#line 1 "kernels.cl.in"
/* cross_entropy: loss = lse - (1-s) logit[target] - s mean(logits) + z lse^2; dlogits
 * spec     cross_entropy tokens=? vocab=? dtype=bf16 label_smoothing=0.125 dlogits=1 bad=1 variant=simt
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

#line 1 "cross_entropy_simt.cl"
/* loss = lse - (1-s) logit[target] - s mean(logits) + z lse^2, and dlogits, of each token.
 *
 * A group of 256 takes a row; a work-item takes logits 256 apart, four at a time: the largest so far and
 * the sum of exponentials below it. The logits are read once more for their gradient.
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

#line 19 "reduce_simt.cl"
/* NaN is left out. */
static float group_max(__local float *lane, int lid, float v)
{
    lane[lid] = v;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int reach = 128; reach > 0; reach >>= 1) {
        if (lid < reach && lid + reach < 256)
            lane[lid] = fmax(lane[lid], lane[lid + reach]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const float top = lane[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return top;
}

#line 3 "online_simt.cl"
/* What exponents are relative to: a row of -inf only has a sum of 0, not NaN. */
static float base_of(float top)
{
    return top == -INFINITY ? 0.0f : top;
}

/* Takes four values more; those that are not there are -inf. */
static void absorb4(float *top, float *sum, const float *v)
{
    const float most = fmax(fmax(v[0], v[1]), fmax(v[2], v[3]));
    if (most > *top) {
        *sum *= exp(1.0f * (*top - most));
        *top = most;
    }
    const float base = base_of(*top);
    *sum += exp(1.0f * (v[0] - base)) + exp(1.0f * (v[1] - base)) +
            exp(1.0f * (v[2] - base)) + exp(1.0f * (v[3] - base));
}

#line 2 "cross_entropy_loss.cl"
/* Logits' differences come before the logarithm, since large ones cancel. */
static float loss_of(float base, float sum, float average, float hit)
{
    const float rest = log(sum);
    float loss = rest + 0.875f * (base - hit);
#line 8 "cross_entropy_loss.cl"
    loss += 0.125f * (base - average);
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

#line 12 "cross_entropy_simt.cl"
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void cross_entropy(__global const ushort *logits, const ulong logits_offset,
                   __global const int *restrict targets, const ulong targets_offset,
                   __global float *restrict loss, const ulong loss_offset,
                   __global float *restrict lse, const ulong lse_offset,
                   __global ushort *dlogits, const ulong dlogits_offset,
                   __global int *restrict bad, const ulong bad_offset,
                   const long tokens,
                   const long vocab,
                   const float grad_scale)
#line 13 "cross_entropy_simt.cl"
{
    logits += logits_offset;
    targets += targets_offset;
    loss += loss_offset;
    lse += lse_offset;
    dlogits += dlogits_offset;
    bad += bad_offset;
#line 15 "cross_entropy_simt.cl"
    __local float lane[256];
    const int lid = (int)get_local_id(0);
    const ulong width = vocab;
    const ulong row = get_group_id(0), at = row * width;
    const long target = targets[row];
    const int counts = target != -100 && target >= 0 && target < (long)width;
    const float hit = counts ? load1_bf16(logits, at + target) : 0.0f;
    float top = -INFINITY, sum = 0.0f, plain = 0.0f;
    for (ulong j = lid; j < width; j += 1024) {
        float v[4];
        #pragma unroll
        for (int u = 0; u < 4; u++) {
            const ulong e = j + u * 256;
            v[u] = e < width ? load1_bf16(logits, at + e) : -INFINITY;
#line 30 "cross_entropy_simt.cl"
            plain += e < width ? v[u] : 0.0f;
#line 32 "cross_entropy_simt.cl"
        }
        absorb4(&top, &sum, v);
    }
    /* The barriers in these also part the reading of hit from the writing of dlogits. */
    const float base = base_of(group_max(lane, lid, top));
    sum = group_sum(lane, lid, top == -INFINITY ? sum : sum * exp(top - base));
#line 39 "cross_entropy_simt.cl"
    plain = group_sum(lane, lid, plain);
#line 41 "cross_entropy_simt.cl"
    if (lid == 0) {
        lse[row] = base + log(sum);
        loss[row] = counts ? loss_of(base, sum, plain / (float)width, hit) : 0.0f;
    }
#line 46 "cross_entropy_simt.cl"
    const float slope = grad_scale * slope_of(base, sum);
    const float spread = grad_scale * (0.125f / (float)width);
    for (ulong j = lid; j < width; j += 256) {
        const float e = exp(load1_bf16(logits, at + j) - base);
        float d = e * slope - spread;
        if (j == (ulong)target)
            d -= grad_scale * 0.875f;
        store1_bf16(counts ? d : 0.0f, dlogits, at + j);
    }
#line 56 "cross_entropy_simt.cl"
}
#line 1 "kernels.cl.in"
/* cross_entropy_bad: loss = lse - (1-s) logit[target] - s mean(logits) + z lse^2; dlogits
 * spec     cross_entropy tokens=? vocab=? dtype=bf16 label_smoothing=0.125 dlogits=1 bad=1 variant=simt
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

#line 2 "count_outside.cl"
/* bad[0] = how many targets are outside the vocabulary. One group counts them all, as they are few
 * beside the rows.
#line 5 "count_outside.cl"
 * -100 marks a token that does not count.
#line 7 "count_outside.cl"
 */
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void cross_entropy_bad(__global const ushort *logits, const ulong logits_offset,
                       __global const int *restrict targets, const ulong targets_offset,
                       __global float *restrict loss, const ulong loss_offset,
                       __global float *restrict lse, const ulong lse_offset,
                       __global ushort *dlogits, const ulong dlogits_offset,
                       __global int *restrict bad, const ulong bad_offset,
                       const long tokens,
                       const long vocab,
                       const float grad_scale)
#line 9 "count_outside.cl"
{
    logits += logits_offset;
    targets += targets_offset;
    loss += loss_offset;
    lse += lse_offset;
    dlogits += dlogits_offset;
    bad += bad_offset;
#line 11 "count_outside.cl"
    __local int counts[256];
    const int lid = (int)get_local_id(0);
    const ulong total = tokens;
    const long width = vocab;
    int count = 0;
    for (ulong i = lid; i < total; i += 256) {
        const int id = targets[i];
#line 19 "count_outside.cl"
        count += (id < 0 || id >= width) && id != -100;
#line 23 "count_outside.cl"
    }
    counts[lid] = count;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid == 0) {
        for (int i = 1; i < 256; i++)
            count += counts[i];
        bad[0] = count;
    }
}
