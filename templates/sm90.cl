@# PTX of sm_90 that OpenCL C has no words for, and instructions of sm_90a as comments (nvidia.h).
@# Source: PTX ISA, "Data Movement and Conversion Instructions", "Parallel Synchronization".
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

/* A box of the tensor that map describes, from (x, y, z) on, into local memory; outside it, zeros. */
static void copy_box(uint to, ulong map, int x, int y, int z, uint barrier_at)
{
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3, %4}], [%5];" ::"r"(to),
                 "l"(map), "r"(x), "r"(y), "r"(z), "r"(barrier_at)
                 : "memory");
}

/* Before the first use of a map. */
static void acquire_map(ulong map)
{
    asm volatile("fence.proxy.tensormap::generic.acquire.gpu [%0], 128;" ::"l"(map) : "memory");
}

static void wait_warp(void)
{
    asm volatile("bar.warp.sync -1;" ::: "memory");
}
