@# PTX of sm_80 that OpenCL C has no words for.
@# Source: PTX ISA, "Data Movement and Conversion Instructions", "Warp Level Matrix Instructions".
@include lanes.cl

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

/* Until at most ${STAGES - 2} groups are under way. */
static void wait_copies(void)
{
    asm volatile("cp.async.wait_group ${STAGES - 2};" ::: "memory");
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

@let TYPE dtype == 'f32' ? 'tf32' : dtype
/* sum += rows cols, 16 x 8 of them, ${dtype == 'f32' ? 8 : 16} steps of k. */
static void multiply(float *sum, const uint *rows, const uint *cols)
{
    asm volatile("mma.sync.aligned.m16n8k${dtype == 'f32' ? 8 : 16}.row.col.f32.${TYPE}.${TYPE}.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(rows[0]), "r"(rows[1]), "r"(rows[2]), "r"(rows[3]), "r"(cols[0]), "r"(cols[1]));
}
