@# A tensor's map for copies by box (CUtensorMap; PTX ISA, "tensor-map"), made on the device, as the host has
@# no addresses: from zeros, field by field. RANK: its dimensions, 3 or 4; DEPTH: words in 128 bytes; f32 is
@# rounded to tf32 on its way. Rows of 128 bytes are swizzled as wgmma reads them.
/* In 128 bytes of zeros in local memory, the map of dim0 x dim1 x dim2${RANK == 4 ? ' x dim3' : ''} words, the first contiguous,
 * for boxes of ${DEPTH} x rows${RANK == 4 ? ' x planes' : ''}. */
@if RANK == 4
static void make_map(uint map, ulong address, uint dim0, uint dim1, uint dim2, uint dim3, ulong stride0,
                     ulong stride1, ulong stride2, uint rows, uint planes)
@else
static void make_map(uint map, ulong address, uint dim0, uint dim1, uint dim2, ulong stride0,
                     ulong stride1, uint rows)
@end
{
    asm volatile("/*@sm_90a tensormap.replace.tile.global_address.shared::cta.b1024.b64 [%0], %1; @*/" ::"r"(map), "l"(address) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.rank.shared::cta.b1024.b32 [%0], %1; @*/" ::"r"(map), "r"(${RANK-1}) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.box_dim.shared::cta.b1024.b32 [%0], 0, %1; @*/" ::"r"(map), "r"(${DEPTH}) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.box_dim.shared::cta.b1024.b32 [%0], 1, %1; @*/" ::"r"(map), "r"(rows) : "memory");
@for i RANK-2
    asm volatile("/*@sm_90a tensormap.replace.tile.box_dim.shared::cta.b1024.b32 [%0], ${i+2}, %1; @*/" ::"r"(map), "r"(${RANK == 4 && i == 0 ? 'planes' : 1}) : "memory");
@end
@for i RANK
    asm volatile("/*@sm_90a tensormap.replace.tile.global_dim.shared::cta.b1024.b32 [%0], ${i}, %1; @*/" ::"r"(map), "r"(dim${i}) : "memory");
@end
@for i RANK-1
    asm volatile("/*@sm_90a tensormap.replace.tile.global_stride.shared::cta.b1024.b64 [%0], ${i}, %1; @*/" ::"r"(map), "l"(stride${i}) : "memory");
@end
@for i RANK
    asm volatile("/*@sm_90a tensormap.replace.tile.element_stride.shared::cta.b1024.b32 [%0], ${i}, %1; @*/" ::"r"(map), "r"(1) : "memory");
@end
    asm volatile("/*@sm_90a tensormap.replace.tile.elemtype.shared::cta.b1024.b32 [%0], ${dtype == 'f32' ? 11 : dtype == 'bf16' ? 10 : 6}; @*/" ::"r"(map) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.interleave_layout.shared::cta.b1024.b32 [%0], 0; @*/" ::"r"(map) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.swizzle_mode.shared::cta.b1024.b32 [%0], 3; @*/" ::"r"(map) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.fill_mode.shared::cta.b1024.b32 [%0], 0; @*/" ::"r"(map) : "memory");
}

/* From local memory to where copies read it, by a whole warp. */
static void place_map(__global float *to, uint map)
{
    asm volatile("/*@sm_90a tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release.gpu.sync.aligned [%0], [%1], 128; @*/" ::"l"((ulong)to), "r"(map) : "memory");
}
