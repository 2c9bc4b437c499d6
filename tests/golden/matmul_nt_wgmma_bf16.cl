#line 1 "kernels.cl.in"
/* matmul_nt: c = a b^T
 * spec     matmul_nt m=? n=8192 k=8192 dtype=bf16 tile_size=64
 * variant  wgmma  BN=64 WGS=1 STAGES=8 GM=8 SPLIT=1
 */
#line 4 "access.cl"
typedef float vec1;

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

#line 5 "matmul_wgmma.cl"
/* c = a b on tensor cores, with a stored a[m,k] and b transposed, b[n,k].
 *
 * A group stays for tile after tile of 64 x 64 elements. Its first 128 work-items bring blocks of
 * 64 x 64 of a and 64 x 64 of b into a ring of 8 stages; each further 128 multiply 64 rows of them,
 * their sums in registers, and so the next tile's blocks come in while this one is stored.
#line 13 "matmul_wgmma.cl"
 *
 *     full[stage]   the blocks are there           empty[stage]   they have been read
 *
 * Blocks lie as wgmma wants them: rows of 128 bytes, their 16-byte parts exchanged by the row's number
 * modulo 8. Of a matrix whose rows are contiguous in k a row of the block is 64 steps of k; of the
 * others it is 64 rows or columns of c, and the block has a part for each 64 of those.
 */
#line 2 "lanes.cl"
/* The address of local memory as instructions take it. */
static uint local_at(const __local void *p)
{
    return (uint)(size_t)p;
}

static float from_lane_xor(float v, int mask)
{
    float got;
    asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, -1;" : "=f"(got) : "f"(v), "r"(mask));
    return got;
}

#line 6 "sm90.cl"
static void init_barrier(uint barrier_at, uint arrivals)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier_at), "r"(arrivals) : "memory");
}

static void arrive(uint barrier_at)
{
    asm volatile("{.reg .b64 state; mbarrier.arrive.shared::cta.b64 state, [%0];}" ::"r"(barrier_at)
                 : "memory");
}

/* Bytes that copies will bring before the phase is over; no arrival. */
static void expect_bytes(uint barrier_at, uint bytes)
{
    asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(barrier_at), "r"(bytes)
                 : "memory");
}

static void wait_phase(uint barrier_at, uint parity)
{
    uint over = 0;
    do {
        asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; "
                     "selp.u32 %0, 1, 0, p;}"
                     : "=r"(over)
                     : "r"(barrier_at), "r"(parity)
                     : "memory");
    } while (!over);
}

/* What was written to local memory, before tensor cores or copies read it. */
static void publish_local(void)
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

#line 52 "sm90.cl"
/* A box of the tensor that map describes, from (x, y, z) on, into local memory; outside it, zeros. */
static void copy_box(uint to, ulong map, int x, int y, int z, uint barrier_at)
{
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3, %4}], [%5];" ::"r"(to),
                 "l"(map), "r"(x), "r"(y), "r"(z), "r"(barrier_at)
                 : "memory");
}

#line 62 "sm90.cl"
/* Before the first use of a map. */
static void acquire_map(ulong map)
{
    asm volatile("fence.proxy.tensormap::generic.acquire.gpu [%0], 128;" ::"l"(map) : "memory");
}

static void wait_warp(void)
{
    asm volatile("bar.warp.sync -1;" ::: "memory");
}

/* A block as wgmma sees it. */
static ulong describe(uint at, ulong fields)
{
    return (ulong)((at & 0x3ffff) >> 4) | fields;
}
#line 4 "tensor_map.cl"
/* In 128 bytes of zeros in local memory, the map of dim0 x dim1 x dim2 words, the first contiguous,
 * for boxes of 64 x rows. */
#line 10 "tensor_map.cl"
static void make_map(uint map, ulong address, uint dim0, uint dim1, uint dim2, ulong stride0,
                     ulong stride1, uint rows)
#line 13 "tensor_map.cl"
{
    asm volatile("/*@sm_90a tensormap.replace.tile.global_address.shared::cta.b1024.b64 [%0], %1; @*/" ::"r"(map), "l"(address) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.rank.shared::cta.b1024.b32 [%0], %1; @*/" ::"r"(map), "r"(2) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.box_dim.shared::cta.b1024.b32 [%0], 0, %1; @*/" ::"r"(map), "r"(64) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.box_dim.shared::cta.b1024.b32 [%0], 1, %1; @*/" ::"r"(map), "r"(rows) : "memory");
#line 19 "tensor_map.cl"
    asm volatile("/*@sm_90a tensormap.replace.tile.box_dim.shared::cta.b1024.b32 [%0], 2, %1; @*/" ::"r"(map), "r"(1) : "memory");
#line 22 "tensor_map.cl"
    asm volatile("/*@sm_90a tensormap.replace.tile.global_dim.shared::cta.b1024.b32 [%0], 0, %1; @*/" ::"r"(map), "r"(dim0) : "memory");
#line 22 "tensor_map.cl"
    asm volatile("/*@sm_90a tensormap.replace.tile.global_dim.shared::cta.b1024.b32 [%0], 1, %1; @*/" ::"r"(map), "r"(dim1) : "memory");
#line 22 "tensor_map.cl"
    asm volatile("/*@sm_90a tensormap.replace.tile.global_dim.shared::cta.b1024.b32 [%0], 2, %1; @*/" ::"r"(map), "r"(dim2) : "memory");
#line 25 "tensor_map.cl"
    asm volatile("/*@sm_90a tensormap.replace.tile.global_stride.shared::cta.b1024.b64 [%0], 0, %1; @*/" ::"r"(map), "l"(stride0) : "memory");
#line 25 "tensor_map.cl"
    asm volatile("/*@sm_90a tensormap.replace.tile.global_stride.shared::cta.b1024.b64 [%0], 1, %1; @*/" ::"r"(map), "l"(stride1) : "memory");
#line 28 "tensor_map.cl"
    asm volatile("/*@sm_90a tensormap.replace.tile.element_stride.shared::cta.b1024.b32 [%0], 0, %1; @*/" ::"r"(map), "r"(1) : "memory");
#line 28 "tensor_map.cl"
    asm volatile("/*@sm_90a tensormap.replace.tile.element_stride.shared::cta.b1024.b32 [%0], 1, %1; @*/" ::"r"(map), "r"(1) : "memory");
#line 28 "tensor_map.cl"
    asm volatile("/*@sm_90a tensormap.replace.tile.element_stride.shared::cta.b1024.b32 [%0], 2, %1; @*/" ::"r"(map), "r"(1) : "memory");
#line 30 "tensor_map.cl"
    asm volatile("/*@sm_90a tensormap.replace.tile.elemtype.shared::cta.b1024.b32 [%0], 10; @*/" ::"r"(map) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.interleave_layout.shared::cta.b1024.b32 [%0], 0; @*/" ::"r"(map) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.swizzle_mode.shared::cta.b1024.b32 [%0], 3; @*/" ::"r"(map) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.fill_mode.shared::cta.b1024.b32 [%0], 0; @*/" ::"r"(map) : "memory");
}

/* From local memory to where copies read it, by a whole warp. */
static void place_map(__global float *to, uint map)
{
    asm volatile("/*@sm_90a tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release.gpu.sync.aligned [%0], [%1], 128; @*/" ::"l"((ulong)to), "r"(map) : "memory");
}

#line 48 "matmul_wgmma.cl"
/* 16 bytes of a block's row: part number `part` of row `row` of the block at `to`. */
static void put_part(__local uchar *to, int row, int part, vec8 v)
{
    *(__local uint4 *)(to + row * 128 + ((part ^ (row & 7)) << 4)) = as_uint4(to_bf16_8(v));
}

#line 1 "gather_columns.cl"
/* Of four work-items each has own[j], two columns of block j of eight; the one numbered quad gets
 * all eight of block quad. */
static vec8 gather_columns(float2 *own, int quad)
{
    float2 got[2];
    #pragma unroll
    for (int j = 0; j < 4; j += 2) {
        const float2 give = quad & 1 ? own[j] : own[j + 1];
        const float2 take = (float2)(from_lane_xor(give.x, 1), from_lane_xor(give.y, 1));
        if (quad & 1)
            own[j] = take;
        else
            own[j + 1] = take;
    }
    #pragma unroll
    for (int j = 0; j < 2; j++) {
        const float2 give = quad & 2 ? own[j] : own[j + 2];
        got[j] = (float2)(from_lane_xor(give.x, 2), from_lane_xor(give.y, 2));
    }
    return quad & 2 ? (vec8)(got[0], got[1], own[2], own[3]) : (vec8)(own[0], own[1], got[0], got[1]);
}

#line 56 "matmul_wgmma.cl"
__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void matmul_nt(__global const ushort *restrict a, const ulong a_offset,
               __global const ushort *restrict b, const ulong b_offset,
               __global ushort *restrict c, const ulong c_offset,
               const long m,
               __global float *restrict maps)
#line 57 "matmul_wgmma.cl"
{
    a += a_offset;
    b += b_offset;
    c += c_offset;
#line 59 "matmul_wgmma.cl"
    __local uchar blocks[131072] __attribute__((aligned(1024)));
    __local ulong full[8], empty[8];
    __local float map_words[64] __attribute__((aligned(128)));
    const int lid = (int)get_local_id(0);
#line 72 "matmul_wgmma.cl"
    const ulong tiles_m = ((m + 63) / 64), tiles_n = 128;
    const ulong tiles = tiles_m * tiles_n * 1;
#line 78 "matmul_wgmma.cl"
    const __global ushort *in_a = (const __global ushort *)a;
    const __global ushort *in_b = (const __global ushort *)b;
    /* Copies by box want addresses and rows of whole 16 bytes, and 32-bit sizes. */
    const int small = max(max((long)m, (long)8192), (long)8192) <= 0x7fffffffL;
    const int box_a = small & (8192 % 8 == 0) & (((ulong)in_a & 15) == 0);
    const int box_b = small & (8192 % 8 == 0) & (((ulong)in_b & 15) == 0);
    const int boxes = box_a && box_b;

    maps += get_group_id(0) * 64;
    const ulong map_a = (ulong)maps, map_b = (ulong)(maps + 32);
    if ((box_a | box_b) && lid < 32) {
        const uint words = local_at(map_words);
        map_words[lid] = 0.0f;
        map_words[lid + 32] = 0.0f;
        wait_warp();
        if (lid == 0) {
            make_map(words, (ulong)in_a, 8192, m, 1, 2 * (ulong)8192,
                     2 * (ulong)m * 8192, 64);
#line 99 "matmul_wgmma.cl"
            make_map(words + 128, (ulong)in_b, 8192, 8192, 1, 2 * (ulong)8192,
                     2 * (ulong)8192 * 8192, 64);
#line 102 "matmul_wgmma.cl"
        }
        wait_warp();
        place_map(maps, words);
        place_map(maps + 32, words + 128);
    }
    if (lid == 0) {
        for (int s = 0; s < 8; s++) {
            init_barrier(local_at(full + s), boxes ? 1 : 128);
            init_barrier(local_at(empty + s), 4);
        }
        publish_local();
    }
    barrier(CLK_LOCAL_MEM_FENCE);

#line 119 "matmul_wgmma.cl"
    if (lid < 128) {
#line 123 "matmul_wgmma.cl"
        if (boxes && lid != 0)
            return;
        if (lid == 0) {
            acquire_map(map_a);
            acquire_map(map_b);
        }
        uint stage = 0, turn = 0;
        for (ulong index = get_group_id(0); index < tiles; index += get_num_groups(0)) {
#line 3 "tile_bands.cl"
            const ulong matrix = index / (tiles_m * tiles_n), tile = index % (tiles_m * tiles_n);
            const ulong band = tile / (8 * tiles_n), in_band = tile % (8 * tiles_n);
            const ulong height = min((ulong)8, tiles_m - band * 8);
            const long m0 = (long)(band * 8 + in_band % height) * 64;
            const long n0 = (long)(in_band / height) * 64;
#line 137 "matmul_wgmma.cl"
            const long b0 = n0;
#line 143 "matmul_wgmma.cl"
            for (long k0 = 0; k0 < 8192; k0 += 64) {
                const uint arrived = local_at(full + stage);
                __local uchar *to_a = blocks + stage * 16384;
                __local uchar *to_b = to_a + 8192;
                wait_phase(local_at(empty + stage), ~turn & 1);
                if (lid == 0) {
                    expect_bytes(arrived, (box_a ? 8192 : 0) + (box_b ? 8192 : 0));
                    if (box_a) {
#line 155 "matmul_wgmma.cl"
                        copy_box(local_at(to_a), map_a, (int)k0, (int)m0, (int)matrix, arrived);
#line 157 "matmul_wgmma.cl"
                    }
                    if (box_b) {
#line 166 "matmul_wgmma.cl"
                        copy_box(local_at(to_b) + 0, map_b, (int)k0, (int)b0, (int)matrix, arrived);
#line 172 "matmul_wgmma.cl"
                    }
                }
                if (!box_a) {
                    const __global ushort *from = in_a + matrix * m * 8192;
#line 184 "matmul_wgmma.cl"
                    for (int e = lid; e < 512; e += 128) {
                        const int i = e / 8, part = e % 8;
                        const long row = m0 + i, col = k0 + part * 8;
                        const vec8 v = load8_bf16_upto(from, (ulong)row * 8192 + col, row < m ? 8192 - col : 0);
                        put_part(to_a, i, part, v);
                    }
#line 191 "matmul_wgmma.cl"
                }
                if (!box_b) {
#line 202 "matmul_wgmma.cl"
                    const __global ushort *from = in_b + matrix * 8192 * 8192;
                    for (int e = lid; e < 512; e += 128) {
                        const int j = e / 8, part = e % 8;
                        const long row = b0 + j, col = k0 + part * 8;
                        const vec8 v = load8_bf16_upto(from, (ulong)row * 8192 + col, row < 8192 ? 8192 - col : 0);
                        put_part(to_b, j, part, v);
                    }
#line 218 "matmul_wgmma.cl"
                }
                if (!boxes)
                    publish_local();
                arrive(arrived);
                if (++stage == 8) {
                    stage = 0;
                    turn++;
                }
            }
        }
        return;
    }

#line 234 "matmul_wgmma.cl"
    const int part = lid / 128 - 1, lane = lid & 31, quad = lane & 3;
    uint stage = 0, turn = 0;
    for (ulong index = get_group_id(0); index < tiles; index += get_num_groups(0)) {
#line 3 "tile_bands.cl"
            const ulong matrix = index / (tiles_m * tiles_n), tile = index % (tiles_m * tiles_n);
            const ulong band = tile / (8 * tiles_n), in_band = tile % (8 * tiles_n);
            const ulong height = min((ulong)8, tiles_m - band * 8);
            const long m0 = (long)(band * 8 + in_band % height) * 64;
            const long n0 = (long)(in_band / height) * 64;
#line 243 "matmul_wgmma.cl"
        const ulong c0 = matrix * m * 8192;
#line 245 "matmul_wgmma.cl"
        float sum[32];
        uint before = 0;
        #pragma unroll
        for (int i = 0; i < 32; i++)
            sum[i] = 0.0f;
        for (long k0 = 0; k0 < 8192; k0 += 64) {
            const uint at = local_at(blocks) + stage * 16384;
            const ulong rows = describe(at + part * 8192, (ulong)1 << 16 | (ulong)64 << 32 | (ulong)1 << 62);
            const ulong cols = describe(at + 8192, (ulong)1 << 16 | (ulong)64 << 32 | (ulong)1 << 62);
            wait_phase(local_at(full + stage), turn & 1);
            asm volatile("/*@sm_90a wgmma.fence.sync.aligned; @*/" ::: "memory");
            #pragma unroll
            for (int l = 0; l < 4; l++) {
                asm volatile("/*@sm_90a {.reg .pred p; setp.eq.u32 p, 0, 0; "
                             "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
#line 261 "matmul_wgmma.cl"
                             "%0, "
#line 261 "matmul_wgmma.cl"
                             "%1, "
#line 261 "matmul_wgmma.cl"
                             "%2, "
#line 261 "matmul_wgmma.cl"
                             "%3, "
#line 261 "matmul_wgmma.cl"
                             "%4, "
#line 261 "matmul_wgmma.cl"
                             "%5, "
#line 261 "matmul_wgmma.cl"
                             "%6, "
#line 261 "matmul_wgmma.cl"
                             "%7, "
#line 261 "matmul_wgmma.cl"
                             "%8, "
#line 261 "matmul_wgmma.cl"
                             "%9, "
#line 261 "matmul_wgmma.cl"
                             "%10, "
#line 261 "matmul_wgmma.cl"
                             "%11, "
#line 261 "matmul_wgmma.cl"
                             "%12, "
#line 261 "matmul_wgmma.cl"
                             "%13, "
#line 261 "matmul_wgmma.cl"
                             "%14, "
#line 261 "matmul_wgmma.cl"
                             "%15, "
#line 261 "matmul_wgmma.cl"
                             "%16, "
#line 261 "matmul_wgmma.cl"
                             "%17, "
#line 261 "matmul_wgmma.cl"
                             "%18, "
#line 261 "matmul_wgmma.cl"
                             "%19, "
#line 261 "matmul_wgmma.cl"
                             "%20, "
#line 261 "matmul_wgmma.cl"
                             "%21, "
#line 261 "matmul_wgmma.cl"
                             "%22, "
#line 261 "matmul_wgmma.cl"
                             "%23, "
#line 261 "matmul_wgmma.cl"
                             "%24, "
#line 261 "matmul_wgmma.cl"
                             "%25, "
#line 261 "matmul_wgmma.cl"
                             "%26, "
#line 261 "matmul_wgmma.cl"
                             "%27, "
#line 261 "matmul_wgmma.cl"
                             "%28, "
#line 261 "matmul_wgmma.cl"
                             "%29, "
#line 261 "matmul_wgmma.cl"
                             "%30, "
#line 261 "matmul_wgmma.cl"
                             "%31"
#line 263 "matmul_wgmma.cl"
                             "}, %32, %33, p, 1, 1, 0, 0;} @*/"
                             :
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[0]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[1]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[2]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[3]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[4]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[5]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[6]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[7]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[8]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[9]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[10]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[11]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[12]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[13]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[14]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[15]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[16]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[17]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[18]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[19]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[20]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[21]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[22]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[23]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[24]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[25]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[26]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[27]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[28]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[29]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[30]),
#line 266 "matmul_wgmma.cl"
                             "+f"(sum[31])
#line 268 "matmul_wgmma.cl"
                             : "l"(rows + l * 2), "l"(cols + l * 2));
            }
            asm volatile("/*@sm_90a wgmma.commit_group.sync.aligned; @*/" ::: "memory");
            asm volatile("/*@sm_90a wgmma.wait_group.sync.aligned 1; @*/" ::: "memory");
            if (k0 > 0 && lane == 0)
                arrive(before);
            before = local_at(empty + stage);
            if (++stage == 8) {
                stage = 0;
                turn++;
            }
        }
        asm volatile("/*@sm_90a wgmma.wait_group.sync.aligned 0; @*/" ::: "memory");
        if (lane == 0)
            arrive(before);

#line 306 "matmul_wgmma.cl"
        if (m0 + 64 <= m && n0 + 64 <= 8192) {
#line 4 "matmul_sums_store.cl"
        /* A work-item has two neighbouring columns of every eight, in two rows. Four of them, one row's,
         * exchange theirs until each has eight whole columns of every 32. */
        #pragma unroll
        for (int t = 0; t < 2; t++) {
            const long col = n0 + (t * 4 + quad) * 8;
#line 12 "matmul_sums_store.cl"
            #pragma unroll
            for (int h = 0; h < 2; h++) {
                const long row = m0 + part * 64 + lid % 128 / 32 * 16 + lane / 4 + h * 8;
                const ulong at = c0 + (ulong)row * 8192 + col;
#line 19 "matmul_sums_store.cl"
                float2 own0[4];
                #pragma unroll
                for (int j = 0; j < 4; j++)
                    own0[j] = (float2)(sum[(t * 4 + j) * 4 + h * 2], sum[(t * 4 + j) * 4 + h * 2 + 1]);
                vec8 v = gather_columns(own0, quad);
#line 6 "op/store.cl"
                store8_bf16(v, c, at);
#line 42 "matmul_sums_store.cl"
            }
#line 55 "matmul_sums_store.cl"
        }
#line 309 "matmul_wgmma.cl"
        } else {
#line 4 "matmul_sums_store.cl"
        /* A work-item has two neighbouring columns of every eight, in two rows. Four of them, one row's,
         * exchange theirs until each has eight whole columns of every 32. */
        #pragma unroll
        for (int t = 0; t < 2; t++) {
            const long col = n0 + (t * 4 + quad) * 8;
#line 12 "matmul_sums_store.cl"
            #pragma unroll
            for (int h = 0; h < 2; h++) {
                const long row = m0 + part * 64 + lid % 128 / 32 * 16 + lane / 4 + h * 8;
                const ulong at = c0 + (ulong)row * 8192 + col;
#line 19 "matmul_sums_store.cl"
                float2 own0[4];
                #pragma unroll
                for (int j = 0; j < 4; j++)
                    own0[j] = (float2)(sum[(t * 4 + j) * 4 + h * 2], sum[(t * 4 + j) * 4 + h * 2 + 1]);
                vec8 v = gather_columns(own0, quad);
#line 35 "matmul_sums_store.cl"
                if (row < m && col + 8 <= 8192) {
#line 6 "op/store.cl"
                    store8_bf16(v, c, at);
#line 37 "matmul_sums_store.cl"
                } else if (row < m && col < 8192) {
                    const int left = (int)(8192 - col);
#line 6 "op/store.cl"
                    store8_bf16_part(v, c, at, left);
#line 40 "matmul_sums_store.cl"
                }
#line 42 "matmul_sums_store.cl"
            }
#line 55 "matmul_sums_store.cl"
        }
#line 312 "matmul_wgmma.cl"
        }
#line 314 "matmul_wgmma.cl"
    }
}
