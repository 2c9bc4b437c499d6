/* order = the tokens sorted by id, those of one id in their order; -1 behind them for each id
 * outside the table.
 *
 * A group of ${WG} takes a slice of ${SLICE} ids. It counts the tokens whose ids are below the slice,
 * which says where its own part of the order starts, and the tokens of each of its ids; then it
 * puts them into their places. ${WG} tokens are looked at a time; of those with the same id the last
 * one counts for all. So all ids are looked at in each slice: tokens * vocab / ${SLICE} comparisons,
 * and ${WG} for each token. Nothing depends on who comes first, and nothing is atomic.
 */

/* a[i] becomes the sum of a[0] to a[i]. */
static void sum_up(__local int *a, int lid)
{
    for (int d = 1; d < ${WG}; d *= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        const int left = lid >= d ? a[lid - d] : 0;
        barrier(CLK_LOCAL_MEM_FENCE);
        a[lid] += left;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}

${signature}
{
${offsets}
    __global int *order = (__global int *)sorted;
    __local int place[${SLICE}], keys[${WG}], sums[${WG}];
    const int lid = (int)get_local_id(0);
    const ulong count = ${tokens};
    const uint low = (uint)get_group_id(0) * ${SLICE};
    const uint size = min((uint)${SLICE}, (uint)${vocab} - low);
    /* An id below 0 is above all others as an unsigned number. */
    int below = 0, own = 0;
    for (ulong t = lid; t < count; t += ${WG}) {
        const uint id = (uint)ids[t];
        below += id < low;
        own += id - low < size;
    }
    sums[lid] = below;
    keys[lid] = own;
    sum_up(sums, lid);
    sum_up(keys, lid);
    below = sums[${WG-1}];
    own = keys[${WG-1}];
    if (get_group_id(0) == get_num_groups(0) - 1)
        for (ulong p = (ulong)below + own + lid; p < count; p += ${WG})
            order[p] = -1;

    const ulong stop = own > 0 ? count : 0;
    for (int k = lid; k < ${SLICE}; k += ${WG})
        place[k] = 0;
@for pass 2
@if pass == 1
    /* From counts to places: each work-item sums up a run of ids. */
    const int first = min(lid * ${ceildiv(SLICE,WG)}, ${SLICE});
    const int end = min(first + ${ceildiv(SLICE,WG)}, ${SLICE});
    int before = 0;
    for (int k = first; k < end; k++)
        before += place[k];
    sums[lid] = before;
    sum_up(sums, lid);
    before = below + sums[lid] - before;
    for (int k = first; k < end; k++) {
        const int tokens_of_k = place[k];
        place[k] = before;
        before += tokens_of_k;
    }
@end
    for (ulong t0 = 0; t0 < stop; t0 += ${WG}) {
        const ulong t = t0 + lid;
        barrier(CLK_LOCAL_MEM_FENCE);
        keys[lid] = t < count && (uint)ids[t] - low < size ? ids[t] - (int)low : -1;
        barrier(CLK_LOCAL_MEM_FENCE);
        sums[lid] = 0;
        const int key = keys[lid];
        if (key >= 0) {
            int earlier = 0, later = 0;
            for (int l = 0; l < lid; l++)
                earlier += keys[l] == key;
            for (int l = lid + 1; l < ${WG}; l++)
                later += keys[l] == key;
            const int at = place[key] + earlier;
@if pass == 1
            order[at] = (int)t;
@end
            if (later == 0)
                sums[lid] = at + 1;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (sums[lid] > 0)
            place[keys[lid]] = sums[lid];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
@end
}
