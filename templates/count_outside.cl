@let IDS defined(targets_dtype) ? 'targets' : 'ids'
/* bad[0] = how many ${IDS} are outside the vocabulary. One group counts them all, as they are few
 * beside the rows.
@if defined(ignore_index)
 * ${ignore_index} marks a token that does not count.
@end
 */
${signature}
{
${offsets}
    __local int counts[${COUNTERS}];
    const int lid = (int)get_local_id(0);
    const ulong total = ${tokens};
    const long width = ${vocab};
    int count = 0;
    for (ulong i = lid; i < total; i += ${COUNTERS}) {
        const int id = ${IDS}[i];
@if defined(ignore_index)
        count += (id < 0 || id >= width) && id != ${ignore_index};
@else
        count += id < 0 || id >= width;
@end
    }
    counts[lid] = count;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid == 0) {
        for (int i = 1; i < ${COUNTERS}; i++)
            count += counts[i];
        bad[0] = count;
    }
}
