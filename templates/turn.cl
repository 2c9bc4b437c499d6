@# ${FROM}, ${k} x ${ROWS} numbers of f32 for each of ${batch} matrices, into rows of ${PITCH} along k, rounded to tf32:
@# tensor cores take 32-bit words in no other order.
@include tf32.cl
/* A group turns 32 x 32 numbers in local memory, whose rows have one more, so that columns lie in
 * as many banks. */
${signature}
{
${offsets}
    __local float kept[32 * 33];
    const int lid = (int)get_local_id(0);
    const ulong down = ${ceildiv(PITCH,32)}, across = ${ceildiv(ROWS,32)};
    const ulong tile = get_group_id(0) % (down * across), matrix = get_group_id(0) / (down * across);
    const long l0 = (long)(tile % down) * 32, r0 = (long)(tile / down) * 32;
    for (int e = lid; e < 1024; e += 256) {
        const long l = l0 + e / 32, r = r0 + e % 32;
        if (l < ${k} && r < ${ROWS})
@if FROM == 'b' && packed
            kept[e / 32 * 33 + e % 32] = ${FROM}[((ulong)(r / 64) * ${padded_k} + l) * 64 + r % 64];
@else
            kept[e / 32 * 33 + e % 32] = ${FROM}[(matrix * ${k} + l) * ${LD} + r];
@end
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int e = lid; e < 1024; e += 256) {
        const long r = r0 + e / 32, l = l0 + e % 32;
        if (l < ${k} && r < ${ROWS})
            ${TO}[(matrix * ${ROWS} + r) * ${PITCH} + l] = to_tf32(kept[e % 32 * 33 + e / 32]);
    }
}
