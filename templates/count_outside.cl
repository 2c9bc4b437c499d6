/* bad[0] = targets outside the vocabulary that are not ${ignore_index}: one group counts them all.
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
        const int target = targets[i];
        count += (target < 0 || target >= width) && target != ${ignore_index};
    }
    counts[lid] = count;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid == 0) {
        for (int i = 1; i < ${COUNTERS}; i++)
            count += counts[i];
        bad[0] = count;
    }
}
