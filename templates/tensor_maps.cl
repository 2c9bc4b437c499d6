@# The maps of a and b for copies by box (CUtensorMap, PTX ISA "tensor-map"), made on the device, as the
@# host has no addresses: from zeros, field by field. Rows of 128 bytes are swizzled as wgmma reads them.
/* Map of dim0 x dim1 x dim2 16-bit words, the first contiguous, for boxes of 64 x rows. */
static void make_map(ulong map, ulong address, uint dim0, uint dim1, uint dim2, ulong stride0,
                     ulong stride1, uint rows)
{
    asm volatile("/*@sm_90a tensormap.replace.tile.global_address.global.b1024.b64 [%0], %1; @*/" ::"l"(map), "l"(address) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.rank.global.b1024.b32 [%0], %1; @*/" ::"l"(map), "r"(2) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.box_dim.global.b1024.b32 [%0], 0, %1; @*/" ::"l"(map), "r"(64) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.box_dim.global.b1024.b32 [%0], 1, %1; @*/" ::"l"(map), "r"(rows) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.box_dim.global.b1024.b32 [%0], 2, %1; @*/" ::"l"(map), "r"(1) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.global_dim.global.b1024.b32 [%0], 0, %1; @*/" ::"l"(map), "r"(dim0) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.global_dim.global.b1024.b32 [%0], 1, %1; @*/" ::"l"(map), "r"(dim1) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.global_dim.global.b1024.b32 [%0], 2, %1; @*/" ::"l"(map), "r"(dim2) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.global_stride.global.b1024.b64 [%0], 0, %1; @*/" ::"l"(map), "l"(stride0) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.global_stride.global.b1024.b64 [%0], 1, %1; @*/" ::"l"(map), "l"(stride1) : "memory");
@for i 3
    asm volatile("/*@sm_90a tensormap.replace.tile.element_stride.global.b1024.b32 [%0], ${i}, %1; @*/" ::"l"(map), "r"(1) : "memory");
@end
    asm volatile("/*@sm_90a tensormap.replace.tile.elemtype.global.b1024.b32 [%0], ${dtype == 'bf16' ? 10 : 6}; @*/" ::"l"(map) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.interleave_layout.global.b1024.b32 [%0], 0; @*/" ::"l"(map) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.swizzle_mode.global.b1024.b32 [%0], 3; @*/" ::"l"(map) : "memory");
    asm volatile("/*@sm_90a tensormap.replace.tile.fill_mode.global.b1024.b32 [%0], 0; @*/" ::"l"(map) : "memory");
}

@let LDA PROLOGUE_OPS ? PITCH : lda
${signature}
{
${offsets}
    __global float *words = maps;
    words[get_local_id(0)] = 0.0f;
    barrier(CLK_GLOBAL_MEM_FENCE);
    if (get_local_id(0) == 0) {
        const ulong at = (ulong)maps;
        make_map(at, (ulong)${PROLOGUE_OPS ? 'prepared' : 'a'}, ${width_a}, ${trans_a ? k : m}, ${batch}, 2 * (ulong)${LDA},
                 2 * (ulong)${trans_a ? k : m} * ${LDA}, ${trans_a ? 64 : 64*WGS});
@if packed
        make_map(at + 128, (ulong)b, 64, ${padded_k}, ${ceildiv(columns,64)}, 128,
                 128 * (ulong)${padded_k}, 64);
@else
        make_map(at + 128, (ulong)b, ${width_b}, ${trans_b ? columns : k}, ${batch}, 2 * (ulong)${ldb},
                 2 * (ulong)${trans_b ? columns : k} * ${ldb}, ${trans_b ? BN/pair : 64});
@end
    }
}
