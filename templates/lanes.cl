@# What kernels with PTX in line share.
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
