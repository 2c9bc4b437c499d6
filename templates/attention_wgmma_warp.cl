@# What parts of attention on sm_90 do beyond sm90.cl: a weight, and how a warp's work-items meet.
static float exp2_of(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

static float from_lane(float v, int lane)
{
    float got;
    asm volatile("shfl.sync.idx.b32 %0, %1, %2, 31, -1;" : "=f"(got) : "f"(v), "r"(lane));
    return got;
}

/* Whether it is so for any of a warp's work-items. */
static int any_of_warp(int is)
{
    int any;
    asm volatile("{.reg .pred p, q; setp.ne.s32 p, %1, 0; vote.sync.any.pred q, p, -1; selp.s32 %0, 1, 0, q;}"
                 : "=r"(any)
                 : "r"(is));
    return any;
}
