#line 1 "kernels.cl.in"
/* adamw: m, v: moments of g clip; param -= lr (mhat/(sqrt(vhat)+eps) + weight_decay param)
 * spec     adamw n=? dtype=bf16 clip=1 param_out=1
 * variant  vector  W=16 BLOCK=4096
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

#line 6 "access.cl"
typedef float16 vec16;

#line 14 "access.cl"
/* Floats at any address: PoCL's vstore16 of floats becomes three stores. */
typedef struct __attribute__((packed)) {
    vec16 v;
} floats16;

#line 21 "access.cl"
/* 16-bit words at any address: an unaligned vector move. PoCL's vload and vstore of ushort vectors
 * go word by word, and those of half vectors want an aligned pointer. */
typedef struct __attribute__((packed)) {
    ushort16 bits;
} halves16;

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
#line 176 "access.cl"
/* The upper half of a float. Rounds to nearest even; NaN stays NaN (quiet). */
static ushort16 to_bf16_16(vec16 v)
{
#line 190 "access.cl"
    const uint16 bits = as_uint16(v);
    const uint16 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const uint16 quiet = (bits >> 16) | 0x40u;
    return convert_ushort16(select(rounded, quiet, isnan(v)));
#line 195 "access.cl"
}

#line 220 "access.cl"
static vec16 load16_bf16(__global const ushort *p, ulong i)
{
#line 225 "access.cl"
    return as_float16(convert_uint16(((__global const halves16 *)(p + i))->bits) << 16);
#line 227 "access.cl"
}

static void store16_bf16(vec16 v, __global ushort *p, ulong i)
{
#line 234 "access.cl"
    ((__global halves16 *)(p + i))->bits = to_bf16_16(v);
#line 236 "access.cl"
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

#line 245 "access.cl"
static vec16 load16_bf16_part(__global const ushort *p, ulong i, int count)
{
    float lanes[16];
    for (int l = 0; l < 16; l++)
        lanes[l] = l < count ? load1_bf16(p, i + l) : 0.0f;
    return vload16(0, lanes);
}

#line 274 "access.cl"
static void store16_bf16_part(vec16 v, __global ushort *p, ulong i, int count)
{
    float lanes[16];
    vstore16(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_bf16(lanes[l], p, i + l);
}

#line 1 "adamw_vector.cl"
/* AdamW: the moments m and v, and param, one step on.
 *
 * A work-item takes 4096 elements, 16 at a time.
#line 5 "adamw_vector.cl"
 * A clip of 0 leaves m, v and param as they are.
#line 7 "adamw_vector.cl"
 */
#line 2 "adamw_step.cl"
/* g has been clipped; m, v and p are the old ones and become the new. */
static void adamw_step16(vec16 g, vec16 *m, vec16 *v, vec16 *p, float beta1, float rest1,
                         float beta2, float rest2, float rate, float root_scale, float eps,
                         float decay)
{
    *m = beta1 * *m + rest1 * g;
    *v = beta2 * *v + rest2 * g * g;
    *p -= rate * *m / (sqrt(*v) * root_scale + eps) + decay * *p;
}

#line 9 "adamw_vector.cl"
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void adamw(__global const ushort *restrict g, const ulong g_offset,
           __global const float *restrict clip, const ulong clip_offset,
           __global float *restrict param, const ulong param_offset,
           __global float *restrict m, const ulong m_offset,
           __global float *restrict v, const ulong v_offset,
           __global ushort *restrict param_out, const ulong param_out_offset,
           const long n,
           const float beta1,
           const float rest1,
           const float beta2,
           const float rest2,
           const float rate,
           const float root_scale,
           const float eps,
           const float decay)
#line 10 "adamw_vector.cl"
{
    g += g_offset;
    clip += clip_offset;
    param += param_offset;
    m += m_offset;
    v += v_offset;
    param_out += param_out_offset;
#line 12 "adamw_vector.cl"
    ulong i = (ulong)get_group_id(0) * 4096;
    const ulong stop = min(i + 4096, (ulong)n);
#line 15 "adamw_vector.cl"
    const float factor = clip[0];
    if (factor == 0.0f) {
#line 18 "adamw_vector.cl"
        for (; i + 16 <= stop; i += 16)
            store16_bf16(load16_f32(param, i), param_out, i);
        if (i < stop) {
            const int left = (int)(stop - i);
            store16_bf16_part(load16_f32_part(param, i, left), param_out, i, left);
        }
#line 25 "adamw_vector.cl"
        return;
    }
#line 35 "adamw_vector.cl"
    for (; i + 16 <= stop; i += 16) {
#line 38 "adamw_vector.cl"
        const vec16 slope = factor * load16_bf16(g, i);
#line 42 "adamw_vector.cl"
        vec16 first = load16_f32(m, i), second = load16_f32(v, i);
        vec16 p = load16_f32(param, i);
        adamw_step16(slope, &first, &second, &p, beta1, rest1, beta2, rest2, rate, root_scale, eps,
                   decay);
        store16_f32(first, m, i);
        store16_f32(second, v, i);
        store16_f32(p, param, i);
#line 50 "adamw_vector.cl"
        store16_bf16(p, param_out, i);
#line 52 "adamw_vector.cl"
    }
#line 32 "adamw_vector.cl"
    if (i < stop) {
        const int left = (int)(stop - i);
#line 38 "adamw_vector.cl"
        const vec16 slope = factor * load16_bf16_part(g, i, left);
#line 42 "adamw_vector.cl"
        vec16 first = load16_f32_part(m, i, left), second = load16_f32_part(v, i, left);
        vec16 p = load16_f32_part(param, i, left);
        adamw_step16(slope, &first, &second, &p, beta1, rest1, beta2, rest2, rate, root_scale, eps,
                   decay);
        store16_f32_part(first, m, i, left);
        store16_f32_part(second, v, i, left);
        store16_f32_part(p, param, i, left);
#line 50 "adamw_vector.cl"
        store16_bf16_part(p, param_out, i, left);
#line 52 "adamw_vector.cl"
    }
#line 54 "adamw_vector.cl"
}
