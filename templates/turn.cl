@# ${FROM}, ${k} x ${ROWS} numbers of f32 for each of ${batch} matrices, into rows of ${K_PITCH} along k, rounded to tf32:
@# tensor cores take 32-bit words in no other order.
@include tf32.cl
/* A group turns 64 x 64 numbers in local memory, whose rows have one more, so that columns lie in
 * as many banks. */
${signature}
{
${offsets}
    __local float kept[64 * 65];
    const int lid = (int)get_local_id(0);
    const ulong down = ${ceildiv(K_PITCH,64)}, across = ${ceildiv(ROWS,64)};
    const ulong tile = get_group_id(0) % (down * across), matrix = get_group_id(0) / (down * across);
    const long l0 = (long)(tile / across) * 64, r0 = (long)(tile % across) * 64;
    const int i = lid / 16, j = lid % 16 * 4;
@if FROM == 'b' && packed
    const __global float *from = b + ((ulong)(r0 / 64) * ${padded_k} + l0) * 64;
    const long stride = 64, left = r0 < ${ROWS} ? 64 - j : 0;
@else
    const __global float *from = ${FROM} + (matrix * ${k} + l0) * ${LD} + r0;
    const long stride = ${LD}, left = ${ROWS} - r0 - j;
@end
    float4 v[4];
    #pragma unroll
    for (int p = 0; p < 4; p++)
        v[p] = load4_f32_upto(from, (ulong)(i + p * 16) * stride + j, l0 + i + p * 16 < ${k} ? left : 0);
    #pragma unroll
    for (int p = 0; p < 4; p++) {
        const int at = (i + p * 16) * 65 + j;
@for u 4
        kept[at + ${u}] = to_tf32(v[p].s${u});
@end
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    /* A row of the result has room up to a multiple of 8. */
    #pragma unroll
    for (int p = 0; p < 4; p++) {
        const long r = r0 + i + p * 16;
        const int at = j * 65 + i + p * 16;
        if (r < ${ROWS} && l0 + j < ${K_PITCH})
            store4_f32((float4)(kept[at], kept[at + 65], kept[at + 130], kept[at + 195]), ${TO},
                       (matrix * ${ROWS} + r) * ${K_PITCH} + l0 + j);
    }
}
