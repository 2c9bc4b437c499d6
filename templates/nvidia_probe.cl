@# Built, never run: whether the driver takes PTX in line, ${BYTES} bytes of local memory and, if MARKED, an
@# instruction of sm_90a (nvidia.h).
__kernel void probe(__global uint *out)
{
    __local uint block[${BYTES/4}];
    uint lane;
    asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));
    block[(lane + out[0]) % ${BYTES/4}] = lane;
    barrier(CLK_LOCAL_MEM_FENCE);
@if MARKED
    asm volatile("/*@sm_90a wgmma.fence.sync.aligned; @*/" ::: "memory");
@end
    out[lane] = block[out[1] % ${BYTES/4}];
}
