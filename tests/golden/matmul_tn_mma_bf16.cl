#line 1 "kernels.cl.in"
/* matmul_tn: c = a^T b
 * spec     matmul_tn m=? n=4096 k=4096 dtype=bf16 tile_size=64
 * variant  mma  BM=64 BN=64 WM=2 WN=2 BYTES=128 STAGES=4 GM=16
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

#line 4 "matmul_mma.cl"
/* c = a b on tensor cores, with a stored transposed, a[k,m], and b b[k,n].
 *
 * A group of 128 work-items computes a tile of 64 x 64 elements, 2 x 2 warps with 32 x 32 of it in
 * registers. Blocks of 64 x 64 of a and 64 x 64 of b come into a ring of 4 stages by copies that nobody
 * waits for, 3 blocks ahead; what the next step multiplies is read into registers during this one.
 *
 *     a barrier a block: behind it the next block is there, and the one before has been read
 *
 * A block's rows are those of the matrix: 128 bytes along k where they are contiguous in k, else the tile's whole
 * width. Their parts of 16 bytes are exchanged by the row's number, so that eight that are read together lie in
 * different banks.
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

#line 5 "sm80.cl"
/* 16 bytes into local memory, while others are at work: the first `bytes` from global memory, then zeros.
 * Of none the address may be anything. */
static void copy16(uint to, ulong from, int bytes)
{
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes)
                 : "memory");
}

/* Copies since the last call are a group, in order. */
static void close_copies(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Until at most 2 groups are under way. */
static void wait_copies(void)
{
    asm volatile("cp.async.wait_group 2;" ::: "memory");
}

/* Four matrices of 8 rows of 16 bytes; work-item i has where row i % 8 of number i / 8 begins. It gets word i % 4
 * of row i / 4 of each. */
static uint4 load_matrices(uint at)
{
    uint4 v;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.s0), "=r"(v.s1), "=r"(v.s2), "=r"(v.s3)
                 : "r"(at)
                 : "memory");
    return v;
}

/* The same, transposed as matrices of 8 x 8 16-bit elements. */
static uint4 load_transposed(uint at)
{
    uint4 v;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.s0), "=r"(v.s1), "=r"(v.s2), "=r"(v.s3)
                 : "r"(at)
                 : "memory");
    return v;
}

static uint load_word(uint at)
{
    uint v;
    asm volatile("ld.shared.b32 %0, [%1];" : "=r"(v) : "r"(at) : "memory");
    return v;
}

#line 56 "sm80.cl"
/* sum += rows cols, 16 x 8 of them, 16 steps of k. */
static void multiply(float *sum, const uint *rows, const uint *cols)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(rows[0]), "r"(rows[1]), "r"(rows[2]), "r"(rows[3]), "r"(cols[0]), "r"(cols[1]));
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

#line 53 "matmul_mma.cl"
/* The same of a row across k, of pitch bytes. */
static uint place_across(int row, int part, int pitch)
{
    return row * pitch + ((part ^ (row & 7)) << 4);
}

#line 60 "matmul_mma.cl"
/* What a step, 16 along k, multiplies: 32 rows of a from a block at `at`. */
static void read_rows(uint (*rows)[4], uint at, int step)
{
    #pragma unroll
    for (int i = 0; i < 2; i++) {
#line 68 "matmul_mma.cl"
        const uint4 v = load_transposed((at + step * 2048 + i / 4 * 128) ^ (i % 4 * 32));
#line 78 "matmul_mma.cl"
        rows[i][0] = v.s0;
#line 78 "matmul_mma.cl"
        rows[i][1] = v.s1;
#line 78 "matmul_mma.cl"
        rows[i][2] = v.s2;
#line 78 "matmul_mma.cl"
        rows[i][3] = v.s3;
#line 80 "matmul_mma.cl"
    }
}

/* And 32 columns of b. */
static void read_columns(uint (*cols)[2], uint at, int step)
{
    #pragma unroll
    for (int j = 0; j < 4; j += 2) {
#line 97 "matmul_mma.cl"
        const uint4 v = load_transposed(((at + step * 2048 + j / 8 * 128) ^ (j / 2 % 4 * 32)));
#line 107 "matmul_mma.cl"
        cols[j + 0][0] = v.s0;
#line 107 "matmul_mma.cl"
        cols[j + 0][1] = v.s1;
#line 107 "matmul_mma.cl"
        cols[j + 1][0] = v.s2;
#line 107 "matmul_mma.cl"
        cols[j + 1][1] = v.s3;
#line 109 "matmul_mma.cl"
    }
}

/* Back and forth, so that one operand of a product is the last one's. */
static void multiply_all(float (*sum)[16], uint (*rows)[4], uint (*cols)[2])
{
    #pragma unroll
    for (int j = 0; j < 4; j++)
        #pragma unroll
        for (int i = 0; i < 2; i++) {
            const int r = j % 2 ? 1 - i : i;
            multiply(sum[r] + 4 * j, rows[r], cols[j]);
        }
}

/* 8 elements from p on, those from `left` on being zeros. */
static uint4 take_part(const __global ushort *p, long left)
{
    if (left >= 8 && ((ulong)p & 15) == 0)
        return *(const __global uint4 *)p;
    ushort words[8];
    #pragma unroll
    for (int i = 0; i < 8; i++)
        words[i] = i < left ? p[i] : 0;
    return as_uint4(vload8(0, words));
}

__kernel __attribute__((reqd_work_group_size(128, 1, 1)))
void matmul_tn(__global const ushort *restrict a, const ulong a_offset,
               __global const ushort *restrict b, const ulong b_offset,
               __global ushort *restrict c, const ulong c_offset,
               const long m)
#line 137 "matmul_mma.cl"
{
    a += a_offset;
    b += b_offset;
    c += c_offset;
#line 139 "matmul_mma.cl"
    __local uchar blocks[65536] __attribute__((aligned(1024)));
    const int lid = (int)get_local_id(0), lane = lid & 31, quad = lane & 3;
    const int warp_row = lid / 32 / 2, warp_column = lid / 32 % 2;
#line 150 "matmul_mma.cl"
    const ulong tiles_m = ((m + 63) / 64), tiles_n = 64;
    const ulong index = get_group_id(0);
#line 3 "tile_bands.cl"
            const ulong matrix = index / (tiles_m * tiles_n), tile = index % (tiles_m * tiles_n);
            const ulong band = tile / (16 * tiles_n), in_band = tile % (16 * tiles_n);
            const ulong height = min((ulong)16, tiles_m - band * 16);
            const long m0 = (long)(band * 16 + in_band % height) * 64;
            const long n0 = (long)(in_band / height) * 64;
#line 153 "matmul_mma.cl"
    const ulong c0 = matrix * m * 4096;
    const __global ushort *tile_a = (const __global ushort *)a + matrix * 4096 * m;
#line 158 "matmul_mma.cl"
    const __global ushort *tile_b = (const __global ushort *)b + matrix * 4096 * 4096;
#line 160 "matmul_mma.cl"
    const long b0 = n0;

    float sum[2][16];
    uint rows[2][2][4], cols[2][4][2];
    #pragma unroll
    for (int i = 0; i < 2; i++)
        #pragma unroll
        for (int j = 0; j < 16; j++)
            sum[i][j] = 0.0f;

    /* Where the warp's first parts lie in a block. */
    const uint blocks_at = local_at(blocks);
#line 175 "matmul_mma.cl"
    const uint read_a = place_across(lane % 8 + lane / 16 * 8, warp_row * 4 + lane / 8 % 2, 128);
#line 182 "matmul_mma.cl"
    const uint read_b = 8192 + place_across(lane % 16, warp_column * 4 + lane / 16, 128);

#line 187 "matmul_mma.cl"
    /* Copies want addresses and rows of whole 16 bytes. */
    int direct = (m % 8 == 0) & (((ulong)tile_a & 15) == 0) & (((ulong)tile_b & 15) == 0);
#line 190 "matmul_mma.cl"
    direct &= 4096 % 8 == 0;
#line 195 "matmul_mma.cl"
    if (direct) {
        /* A work-item copies one part of every few rows; what is not there it fills with zeros. */
#line 199 "matmul_mma.cl"
        const int part_a = lid % 8, row_a = lid / 8;
#line 201 "matmul_mma.cl"
        const long first_a = m0 + part_a * 8;
#line 203 "matmul_mma.cl"
        const uint write_a = 0 + place_across(row_a, part_a, 128);
#line 213 "matmul_mma.cl"
        ulong from_a = (ulong)(tile_a + (ulong)row_a * m + first_a);
        const int bytes_a = (int)clamp(m - first_a, 0L, 8L) * 2;
#line 216 "matmul_mma.cl"
        ulong pass_a = (32 * m);
#line 199 "matmul_mma.cl"
        const int part_b = lid % 8, row_b = lid / 8;
#line 201 "matmul_mma.cl"
        const long first_b = b0 + part_b * 8;
#line 203 "matmul_mma.cl"
        const uint write_b = 8192 + place_across(row_b, part_b, 128);
#line 213 "matmul_mma.cl"
        ulong from_b = (ulong)(tile_b + (ulong)row_b * 4096 + first_b);
        const int bytes_b = (int)clamp(4096 - first_b, 0L, 8L) * 2;
#line 216 "matmul_mma.cl"
        const ulong pass_b = 131072;
#line 221 "matmul_mma.cl"
        const uint end_at = blocks_at + 65536;
        uint read_at = blocks_at, write_at = blocks_at;
        long l0 = 0;
#line 226 "matmul_mma.cl"
        for (int s = 0; s < 3; s++) {
#line 4 "matmul_mma_copy.cl"
            const int depth = (int)clamp(4096 - l0, 0L, (long)64);
#line 14 "matmul_mma_copy.cl"
            #pragma unroll
            for (int p = 0; p < 4; p++)
#line 31 "matmul_mma_copy.cl"
                copy16(((write_at + write_a) ^ (p * 16 % 8 * 16)) + p * 2048,
                       from_a + p * pass_a, p * 16 + row_a < depth ? bytes_a : 0);
#line 35 "matmul_mma_copy.cl"
            from_a += (128 * m);
#line 14 "matmul_mma_copy.cl"
            #pragma unroll
            for (int p = 0; p < 4; p++)
#line 31 "matmul_mma_copy.cl"
                copy16(((write_at + write_b) ^ (p * 16 % 8 * 16)) + p * 2048,
                       from_b + p * pass_b, p * 16 + row_b < depth ? bytes_b : 0);
#line 35 "matmul_mma_copy.cl"
            from_b += 524288;
#line 228 "matmul_mma.cl"
            close_copies();
            l0 += 64;
            write_at += 16384;
        }
        wait_copies();
        barrier(CLK_LOCAL_MEM_FENCE);
        read_rows(rows[0], read_at + read_a, 0);
        read_columns(cols[0], read_at + read_b, 0);
        for (; l0 < 4096 + 192; l0 += 64) {
#line 241 "matmul_mma.cl"
            asm volatile("" : "+l"(pass_a));
#line 250 "matmul_mma.cl"
            read_rows(rows[1], read_at + read_a, 1);
            read_columns(cols[1], read_at + read_b, 1);
#line 4 "matmul_mma_copy.cl"
            const int depth = (int)clamp(4096 - l0, 0L, (long)64);
#line 14 "matmul_mma_copy.cl"
            #pragma unroll
            for (int p = 0; p < 1; p++)
#line 31 "matmul_mma_copy.cl"
                copy16(((write_at + write_a) ^ (p * 16 % 8 * 16)) + p * 2048,
                       from_a + p * pass_a, p * 16 + row_a < depth ? bytes_a : 0);
#line 14 "matmul_mma_copy.cl"
            #pragma unroll
            for (int p = 0; p < 1; p++)
#line 31 "matmul_mma_copy.cl"
                copy16(((write_at + write_b) ^ (p * 16 % 8 * 16)) + p * 2048,
                       from_b + p * pass_b, p * 16 + row_b < depth ? bytes_b : 0);
#line 266 "matmul_mma.cl"
            multiply_all(sum, rows[0], cols[0]);
#line 250 "matmul_mma.cl"
            read_rows(rows[0], read_at + read_a, 2);
            read_columns(cols[0], read_at + read_b, 2);
#line 14 "matmul_mma_copy.cl"
            #pragma unroll
            for (int p = 1; p < 2; p++)
#line 31 "matmul_mma_copy.cl"
                copy16(((write_at + write_a) ^ (p * 16 % 8 * 16)) + p * 2048,
                       from_a + p * pass_a, p * 16 + row_a < depth ? bytes_a : 0);
#line 14 "matmul_mma_copy.cl"
            #pragma unroll
            for (int p = 1; p < 2; p++)
#line 31 "matmul_mma_copy.cl"
                copy16(((write_at + write_b) ^ (p * 16 % 8 * 16)) + p * 2048,
                       from_b + p * pass_b, p * 16 + row_b < depth ? bytes_b : 0);
#line 266 "matmul_mma.cl"
            multiply_all(sum, rows[1], cols[1]);
#line 250 "matmul_mma.cl"
            read_rows(rows[1], read_at + read_a, 3);
            read_columns(cols[1], read_at + read_b, 3);
#line 14 "matmul_mma_copy.cl"
            #pragma unroll
            for (int p = 2; p < 4; p++)
#line 31 "matmul_mma_copy.cl"
                copy16(((write_at + write_a) ^ (p * 16 % 8 * 16)) + p * 2048,
                       from_a + p * pass_a, p * 16 + row_a < depth ? bytes_a : 0);
#line 35 "matmul_mma_copy.cl"
            from_a += (128 * m);
#line 14 "matmul_mma_copy.cl"
            #pragma unroll
            for (int p = 2; p < 4; p++)
#line 31 "matmul_mma_copy.cl"
                copy16(((write_at + write_b) ^ (p * 16 % 8 * 16)) + p * 2048,
                       from_b + p * pass_b, p * 16 + row_b < depth ? bytes_b : 0);
#line 35 "matmul_mma_copy.cl"
            from_b += 524288;
#line 254 "matmul_mma.cl"
            close_copies();
            if ((write_at += 16384) == end_at)
                write_at = blocks_at;
#line 266 "matmul_mma.cl"
            multiply_all(sum, rows[0], cols[0]);
#line 259 "matmul_mma.cl"
            wait_copies();
            barrier(CLK_LOCAL_MEM_FENCE);
            if ((read_at += 16384) == end_at)
                read_at = blocks_at;
            read_rows(rows[0], read_at + read_a, 0);
            read_columns(cols[0], read_at + read_b, 0);
#line 266 "matmul_mma.cl"
            multiply_all(sum, rows[1], cols[1]);
#line 268 "matmul_mma.cl"
        }
    } else {
        /* By hand, a block at a time. */
        for (long k0 = 0; k0 < 4096; k0 += 64) {
            barrier(CLK_LOCAL_MEM_FENCE);
#line 275 "matmul_mma.cl"
            for (int e = lid; e < 512; e += 128) {
                const int row = e / 8, part = e % 8;
#line 282 "matmul_mma.cl"
                const long at = m0 + part * 8, l = k0 + row;
#line 286 "matmul_mma.cl"
                const uint4 v = take_part(tile_a + (ulong)l * m + at, l < 4096 ? m - at : 0);
#line 288 "matmul_mma.cl"
                *(__local uint4 *)(blocks + 0 + place_across(row, part, 128)) = v;
#line 290 "matmul_mma.cl"
            }
#line 275 "matmul_mma.cl"
            for (int e = lid; e < 512; e += 128) {
                const int row = e / 8, part = e % 8;
#line 282 "matmul_mma.cl"
                const long at = b0 + part * 8, l = k0 + row;
#line 286 "matmul_mma.cl"
                const uint4 v = take_part(tile_b + (ulong)l * 4096 + at, l < 4096 ? 4096 - at : 0);
#line 288 "matmul_mma.cl"
                *(__local uint4 *)(blocks + 8192 + place_across(row, part, 128)) = v;
#line 290 "matmul_mma.cl"
            }
#line 292 "matmul_mma.cl"
            barrier(CLK_LOCAL_MEM_FENCE);
            #pragma unroll 1
            for (int l = 0; l < 4; l++) {
                read_rows(rows[0], blocks_at + read_a, l);
                read_columns(cols[0], blocks_at + read_b, l);
                multiply_all(sum, rows[0], cols[0]);
            }
        }
    }

    const long warp_m0 = m0 + warp_row * 32, warp_n0 = n0 + warp_column * 32;
#line 310 "matmul_mma.cl"
    if (m0 + 64 <= m && n0 + 64 <= 4096) {
#line 4 "matmul_sums_store.cl"
        /* A work-item has two neighbouring columns of every eight, in two rows. Four of them, one row's,
         * exchange theirs until each has eight whole columns of every 32. */
        #pragma unroll
        for (int t = 0; t < 1; t++) {
            const long col = warp_n0 + (t * 4 + quad) * 8;
#line 12 "matmul_sums_store.cl"
            #pragma unroll
            for (int h = 0; h < 4; h++) {
                const long row = warp_m0 + lane / 4 + h * 8;
                const ulong at = c0 + (ulong)row * 4096 + col;
#line 19 "matmul_sums_store.cl"
                float2 own0[4];
                #pragma unroll
                for (int j = 0; j < 4; j++)
                    own0[j] = (float2)(sum[h / 2][(t * 4 + j) * 4 + h % 2 * 2], sum[h / 2][(t * 4 + j) * 4 + h % 2 * 2 + 1]);
                vec8 v = gather_columns(own0, quad);
#line 6 "op/store.cl"
                store8_bf16(v, c, at);
#line 42 "matmul_sums_store.cl"
            }
#line 55 "matmul_sums_store.cl"
        }
#line 313 "matmul_mma.cl"
    } else {
#line 4 "matmul_sums_store.cl"
        /* A work-item has two neighbouring columns of every eight, in two rows. Four of them, one row's,
         * exchange theirs until each has eight whole columns of every 32. */
        #pragma unroll
        for (int t = 0; t < 1; t++) {
            const long col = warp_n0 + (t * 4 + quad) * 8;
#line 12 "matmul_sums_store.cl"
            #pragma unroll
            for (int h = 0; h < 4; h++) {
                const long row = warp_m0 + lane / 4 + h * 8;
                const ulong at = c0 + (ulong)row * 4096 + col;
#line 19 "matmul_sums_store.cl"
                float2 own0[4];
                #pragma unroll
                for (int j = 0; j < 4; j++)
                    own0[j] = (float2)(sum[h / 2][(t * 4 + j) * 4 + h % 2 * 2], sum[h / 2][(t * 4 + j) * 4 + h % 2 * 2 + 1]);
                vec8 v = gather_columns(own0, quad);
#line 35 "matmul_sums_store.cl"
                if (row < m && col + 8 <= 4096) {
#line 6 "op/store.cl"
                    store8_bf16(v, c, at);
#line 37 "matmul_sums_store.cl"
                } else if (row < m && col < 4096) {
                    const int left = (int)(4096 - col);
#line 6 "op/store.cl"
                    store8_bf16_part(v, c, at, left);
#line 40 "matmul_sums_store.cl"
                }
#line 42 "matmul_sums_store.cl"
            }
#line 55 "matmul_sums_store.cl"
        }
#line 316 "matmul_mma.cl"
    }
}
