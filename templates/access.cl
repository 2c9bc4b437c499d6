@# Loads and stores of ${W} elements at p[i], for every storage type in use, to and from f32. The
@# _part forms touch the first `count` elements only, 0 < count < W.
@if W == 1
typedef float vec1;
@else
typedef float${W} vec${W};
@end
@let N W == 1 ? '' : W

@# A GPU moves 16 bytes at once, or 8, but only from and to addresses of whole ones.
@let WIDE (W == 8 || W == 4) && !CPU
@let WORDS W == 8 ? 'uint4' : 'uint2'
@if W > 1 && use_f32 && !WIDE
/* Floats at any address: PoCL's vstore16 of floats becomes three stores. */
typedef struct __attribute__((packed)) {
    vec${W} v;
} floats${W};

@end
@if W > 1 && (use_f16 || use_bf16)
/* 16-bit words at any address: an unaligned vector move. PoCL's vload and vstore of ushort vectors
 * go word by word, and those of half vectors want an aligned pointer. */
typedef struct __attribute__((packed)) {
    ushort${W} bits;
} halves${W};
@if WIDE

@let WHOLE W == 8 ? '((ulong)p & 15) == 0' : '((ulong)p & 7) == 0'
static ushort${W} get_whole${W}(const __global void *p)
{
    return as_ushort${W}(*(const __global ${WORDS} *)p);
}

static ushort${W} get${W}(const __global void *p)
{
    return ${WHOLE} ? get_whole${W}(p) : ((const __global halves${W} *)p)->bits;
}

static void put${W}(ushort${W} bits, __global void *p)
{
    if (${WHOLE})
        *(__global ${WORDS} *)p = as_${WORDS}(bits);
    else
        ((__global halves${W} *)p)->bits = bits;
}
@end
@end

@if use_f32
@if W == 1
static vec1 load1_f32(__global const float *p, ulong i)
{
    return p[i];
}

static void store1_f32(vec1 v, __global float *p, ulong i)
{
    p[i] = v;
}
@else
@if WIDE
/* whole: from an address of whole 16 bytes. Branches between loads keep them from being under way
 * together. */
static vec${W} whole${W}_f32(__global const float *p, ulong i)
{
    const __global float4 *parts = (const __global float4 *)(p + i);
    return ${W == 4 ? 'parts[0]' : '(float8)(parts[0], parts[1])'};
}

static void put_whole${W}_f32(vec${W} v, __global float *p, ulong i)
{
    __global float4 *parts = (__global float4 *)(p + i);
@if W == 4
    parts[0] = v;
@else
    parts[0] = v.lo;
    parts[1] = v.hi;
@end
}

@end
static vec${W} load${W}_f32(__global const float *p, ulong i)
{
@if WIDE
    if (((ulong)(p + i) & 15) == 0)
        return whole${W}_f32(p, i);
@end
@if CPU && W > SIMD
@# vload16 into several registers becomes four loads, which go through the stack.
    return ((__global const floats${W} *)(p + i))->v;
@else
    return vload${W}(0, p + i);
@end
}

static void store${W}_f32(vec${W} v, __global float *p, ulong i)
{
@if WIDE
    if (((ulong)(p + i) & 15) == 0) {
        put_whole${W}_f32(v, p, i);
        return;
    }
@# Not by floats${W}: NVIDIA's compiler makes one of two such stores of a vector, and takes it for aligned.
@for l W
    p[i + ${l}] = v.s${l};
@end
@else
    ((__global floats${W} *)(p + i))->v = v;
@end
}
@end
@end
@if use_f16
@if W == 1
static vec1 load1_f16(__global const half *p, ulong i)
{
    return vload_half(0, p + i);
}

static void store1_f16(vec1 v, __global half *p, ulong i)
{
    vstore_half_rte(v, 0, p + i);
}
@else
@if WIDE
static ushort${W} to_f16_${W}(vec${W} v)
{
@if SM >= 80
    uint${W/2} bits;
@for i W/2
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits.s${i}) : "f"(v.s${2*i+1}), "f"(v.s${2*i}));
@end
    return as_ushort${W}(bits);
@else
    ushort${W} bits;
    vstore_half${W}_rte(v, 0, (half *)&bits);
    return bits;
@end
}

static vec${W} whole${W}_f16(__global const half *p, ulong i)
{
    const ushort${W} bits = get_whole${W}(p + i);
    return vload_half${W}(0, (const half *)&bits);
}

static void put_whole${W}_f16(vec${W} v, __global half *p, ulong i)
{
    *(__global ${WORDS} *)(p + i) = as_${WORDS}(to_f16_${W}(v));
}

@end
static vec${W} load${W}_f16(__global const half *p, ulong i)
{
@if WIDE
    const ushort${W} bits = get${W}(p + i);
@else
    const ushort${W} bits = ((__global const halves${W} *)(p + i))->bits;
@end
    return vload_half${W}(0, (const half *)&bits);
}

static void store${W}_f16(vec${W} v, __global half *p, ulong i)
{
@if WIDE
    put${W}(to_f16_${W}(v), p + i);
@else
    ushort${W} bits;
    vstore_half${W}_rte(v, 0, (half *)&bits);
    ((__global halves${W} *)(p + i))->bits = bits;
@end
}
@end
@end
@if use_bf16
/* The upper half of a float. Rounds to nearest even; NaN stays NaN (quiet). */
static ushort${N} to_bf16_${W}(vec${W} v)
{
@if SM >= 80 && W == 1
    uint bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(0.0f), "f"(v));
    return (ushort)bits;
@elif SM >= 80 && WIDE
    uint${W/2} bits;
@for i W/2
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits.s${i}) : "f"(v.s${2*i+1}), "f"(v.s${2*i}));
@end
    return as_ushort${W}(bits);
@else
    const uint${N} bits = as_uint${N}(v);
    const uint${N} rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const uint${N} quiet = (bits >> 16) | 0x40u;
    return convert_ushort${N}(select(rounded, quiet, isnan(v)));
@end
}

@if W == 1
static vec1 load1_bf16(__global const ushort *p, ulong i)
{
    return as_float((uint)p[i] << 16);
}

static void store1_bf16(vec1 v, __global ushort *p, ulong i)
{
    p[i] = to_bf16_1(v);
}
@else
@if WIDE
static vec${W} whole${W}_bf16(__global const ushort *p, ulong i)
{
    return as_float${W}(convert_uint${W}(get_whole${W}(p + i)) << 16);
}

static void put_whole${W}_bf16(vec${W} v, __global ushort *p, ulong i)
{
    *(__global ${WORDS} *)(p + i) = as_${WORDS}(to_bf16_${W}(v));
}

@end
static vec${W} load${W}_bf16(__global const ushort *p, ulong i)
{
@if WIDE
    return as_float${W}(convert_uint${W}(get${W}(p + i)) << 16);
@else
    return as_float${W}(convert_uint${W}(((__global const halves${W} *)(p + i))->bits) << 16);
@end
}

static void store${W}_bf16(vec${W} v, __global ushort *p, ulong i)
{
@if WIDE
    put${W}(to_bf16_${W}(v), p + i);
@else
    ((__global halves${W} *)(p + i))->bits = to_bf16_${W}(v);
@end
}
@end
@end
@if W > 1
@for d 3
@let D d == 0 ? 'f32' : d == 1 ? 'f16' : 'bf16'
@if d == 0 && use_f32 || d == 1 && use_f16 || d == 2 && use_bf16
@let T d == 0 ? 'float' : d == 1 ? 'half' : 'ushort'

static vec${W} load${W}_${D}_part(__global const ${T} *p, ulong i, int count)
{
    float lanes[${W}];
    for (int l = 0; l < ${W}; l++)
        lanes[l] = l < count ? load1_${D}(p, i + l) : 0.0f;
    return vload${W}(0, lanes);
}

@if WIDE
/* For ops, by the ending: at an address of whole accesses. */
static vec${W} load${W}_${D}_whole(__global const ${T} *p, ulong i)
{
    return whole${W}_${D}(p, i);
}

static void store${W}_${D}_whole(vec${W} v, __global ${T} *p, ulong i)
{
    put_whole${W}_${D}(v, p, i);
}

/* Of a row with left more elements, if any: zeros behind them. */
static vec${W} load${W}_${D}_upto(__global const ${T} *p, ulong i, long left)
{
    return left >= ${W} ? load${W}_${D}(p, i)
           : left > 0   ? load${W}_${D}_part(p, i, (int)left)
                        : (vec${W})(0.0f);
}

@end
static void store${W}_${D}_part(vec${W} v, __global ${T} *p, ulong i, int count)
{
    float lanes[${W}];
    vstore${W}(v, 0, lanes);
    for (int l = 0; l < count; l++)
        store1_${D}(lanes[l], p, i + l);
}
@if WIDE

static void store${W}_${D}_upto(vec${W} v, __global ${T} *p, ulong i, long left)
{
    if (left >= ${W})
        store${W}_${D}(v, p, i);
    else if (left > 0)
        store${W}_${D}_part(v, p, i, (int)left);
}
@end
@end
@end
@end

