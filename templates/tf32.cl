@# What tensor cores take of f32, 11 bits of it, rounded to nearest.
static float to_tf32(float v)
{
    uint bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(v));
    return as_float(bits);
}

static float4 to_tf32_4(float4 v)
{
    return (float4)(to_tf32(v.x), to_tf32(v.y), to_tf32(v.z), to_tf32(v.w));
}
