#line 1 "kernels.cl.in"
/* bias_add: y = x + bias
 * spec     bias_add m=? n=? dtype=bf16
 * variant  wide  WG=256 PER_ITEM=4
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

#line 176 "access.cl"
/* The upper half of a float. Rounds to nearest even; NaN stays NaN (quiet). */
static ushort8 to_bf16_8(vec8 v)
{
#line 190 "access.cl"
    const uint8 bits = as_uint8(v);
    const uint8 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const uint8 quiet = (bits >> 16) | 0x40u;
    return convert_ushort8(select(rounded, quiet, isnan(v)));
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

#line 4 "elementwise_wide.cl"
/* y[e] = ops(x[e]) over the elements e = 0 .. count-1 of a row-major matrix, on a GPU.
 *
 * A group of 256 takes a block of 8192 elements; a work-item 4 times 8 neighbours, 16 bytes, 2048
 * elements apart. All is loaded before anything is stored, since that may go where an input is. The
 * last block, and all where addresses or rows are not of whole accesses, by elements.
 */
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void bias_add(__global const ushort *x, const ulong x_offset,
              __global const ushort *restrict bias, const ulong bias_offset,
              __global ushort *y, const ulong y_offset,
              const long m,
              const long n)
#line 11 "elementwise_wide.cl"
{
    x += x_offset;
    bias += bias_offset;
    y += y_offset;
#line 13 "elementwise_wide.cl"
    const ulong length = n;
    const ulong first = (ulong)get_group_id(0) * 8192;
    const ulong left = (ulong)(m * n) - first;
    const int lid = (int)get_local_id(0);
    ulong addresses = (ulong)x | (ulong)y;
#line 19 "elementwise_wide.cl"
    addresses |= (ulong)bias;
#line 30 "elementwise_wide.cl"
    /* So that a row's end, and that of its half, are those of an access. */
    addresses |= length % 8;
#line 33 "elementwise_wide.cl"
    if (left >= 8192 && (addresses & 15) == 0) {
        vec8 v[4];
        const ulong at = first + (ulong)lid * 8;
#line 37 "elementwise_wide.cl"
        ulong col[4];
        col[0] = at % length;
        #pragma unroll
        for (int u = 1; u < 4; u++) {
            col[u] = col[u - 1] + 2048 % length;
            if (col[u] >= length)
                col[u] -= length;
        }
#line 47 "elementwise_wide.cl"
        #pragma unroll
        for (int u = 0; u < 4; u++) {
#line 1 "op/load.cl"
            v[u] = load8_bf16_whole(x, at + u * 2048);
#line 50 "elementwise_wide.cl"
        }
        #pragma unroll
        for (int u = 0; u < 4; u++) {
#line 1 "op/bias.cl"
            v[u] += load8_bf16_whole(bias, col[u]);
#line 54 "elementwise_wide.cl"
        }
#line 56 "elementwise_wide.cl"
        #pragma unroll
        for (int u = 0; u < 4; u++)
            put_whole8_bf16(v[u], y, at + u * 2048);
#line 60 "elementwise_wide.cl"
        return;
    }
    const ulong step = 256 % length;
    ulong col = (first + lid) % length;
    for (int i = lid; i < 8192 && (ulong)i < left; i += 256) {
        const ulong at = first + i;
        float v;
#line 1 "op/load.cl"
        v = load1_bf16(x, at);
#line 1 "op/bias.cl"
        v += load1_bf16(bias, col);
#line 6 "op/store.cl"
        store1_bf16(v, y, at);
#line 69 "elementwise_wide.cl"
        col += step;
        if (col >= length)
            col -= length;
    }
}
