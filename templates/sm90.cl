@# PTX of sm_90 that OpenCL C has no words for, and instructions of sm_90a as comments (nvidia.h).
@# Source: PTX ISA, "Data Movement and Conversion Instructions", "Parallel Synchronization". Wants RANK,
@# the dimensions of the tensors that boxes are of.
@include lanes.cl

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

@if RANK == 4
/* A box of the tensor that map describes, from (x, y, z, u) on, into local memory; outside it, zeros. */
static void copy_box(uint to, ulong map, int x, int y, int z, int u, uint barrier_at)
{
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3, %4, %5}], [%6];" ::"r"(to),
                 "l"(map), "r"(x), "r"(y), "r"(z), "r"(u), "r"(barrier_at)
                 : "memory");
}
@else
/* A box of the tensor that map describes, from (x, y, z) on, into local memory; outside it, zeros. */
static void copy_box(uint to, ulong map, int x, int y, int z, uint barrier_at)
{
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3, %4}], [%5];" ::"r"(to),
                 "l"(map), "r"(x), "r"(y), "r"(z), "r"(barrier_at)
                 : "memory");
}
@end

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
@# Behind an offset, all in units of 16 bytes: that from a part of 64 to the next where rows are not along what is
@# summed over, else 1; then that from eight rows to the next eight; swizzled by 128 bytes.
@let FIELDS '<< 16 | (ulong)64 << 32 | (ulong)1 << 62'
