@# Stores of ${W} elements at p[i] past the cache.
@include past_cache.cl
@for d 3
@let D d == 0 ? 'f32' : d == 1 ? 'f16' : 'bf16'
@if d == 0 && use_f32 || d == 1 && use_f16 || d == 2 && use_bf16
@let T d == 0 ? 'float' : d == 1 ? 'half' : 'ushort'

/* Past the cache where `past` holds and p[i] is aligned as the vector is. */
static void stream${W}_${D}(vec${W} v, __global ${T} *p, ulong i, int past)
{
@if d == 0
    if (past && ((ulong)(p + i) & ${4*W - 1}) == 0)
        PAST_CACHE(v, (__global vec${W} *)(p + i));
    else
        store${W}_f32(v, p, i);
@else
@if d == 1
    ushort${W} bits;
    vstore_half${W}_rte(v, 0, (half *)&bits);
@else
    const ushort${W} bits = to_bf16_${W}(v);
@end
    if (past && ((ulong)(p + i) & ${2*W - 1}) == 0)
        PAST_CACHE(bits, (__global ushort${W} *)(p + i));
    else
        ((__global halves${W} *)(p + i))->bits = bits;
@end
}
@end
@end
