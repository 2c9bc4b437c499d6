@# 16 bytes as they are stored, W elements of dtype, and their values: what waits in registers or local
@# memory takes half the room there.
@let S dtype == 'f32' ? 'float' : dtype == 'f16' ? 'half' : 'ushort'
@let BITS dtype == 'f32' ? 'uint' : 'ushort'
static vec${W} values_of(uint4 bits)
{
@if dtype == 'f32'
    return as_float4(bits);
@elif dtype == 'f16'
    return vload_half8(0, (const half *)&bits);
@else
    return as_float8(convert_uint8(as_ushort8(bits)) << 16);
@end
}
