/* order = the tokens sorted by id, those of one id in their order; -1 behind them for each id
 * outside the table. On a GPU.
 *
 * A group of ${WG} takes a slice of ${SLICE} ids. It counts the tokens whose ids are below the slice,
 * which says where its own part of the order starts, and the tokens of each of its ids. Then it
 * looks at ${WG} tokens at a time once more: those of the slice, few as a rule, come together in
 * local memory in their order, and each counts those of its id in front of it. Counts alone are
 * atomic, so nothing depends on who comes first.
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
    for (int k = lid; k < ${SLICE}; k += ${WG})
        place[k] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    /* An id below 0 is above all others as an unsigned number. */
    int below = 0;
    #pragma unroll 8
    for (ulong t = lid; t < count; t += ${WG}) {
        const uint id = (uint)ids[t];
        below += id < low;
        if (id - low < size)
            atomic_inc(place + (id - low));
    }
    sums[lid] = below;
    sum_up(sums, lid);
    below = sums[${WG-1}];
    barrier(CLK_LOCAL_MEM_FENCE);
    /* From counts to places: each work-item sums up a run of ids. */
    const int first = min(lid * ${ceildiv(SLICE,WG)}, ${SLICE});
    const int end = min(first + ${ceildiv(SLICE,WG)}, ${SLICE});
    int before = 0;
    for (int k = first; k < end; k++)
        before += place[k];
    sums[lid] = before;
    sum_up(sums, lid);
    const int own = sums[${WG-1}];
    before = below + sums[lid] - before;
    for (int k = first; k < end; k++) {
        const int tokens_of_k = place[k];
        place[k] = before;
        before += tokens_of_k;
    }
    if (get_group_id(0) == get_num_groups(0) - 1)
        for (ulong p = (ulong)below + own + lid; p < count; p += ${WG})
            order[p] = -1;
    const ulong stop = own > 0 ? count : 0;
    for (ulong t0 = 0; t0 < stop; t0 += ${WG}) {
        const ulong t = t0 + lid;
        const uint key = t < count ? (uint)ids[t] - low : size;
        const int mine = key < size;
        barrier(CLK_LOCAL_MEM_FENCE);
        sums[lid] = mine;
        sum_up(sums, lid);
        const int index = sums[lid] - 1, here = sums[${WG-1}];
        if (mine)
            keys[index] = (int)key;
        barrier(CLK_LOCAL_MEM_FENCE);
        int at = 0, later = 1;
        if (mine) {
            at = place[key];
            later = 0;
            for (int l = 0; l < index; l++)
                at += keys[l] == (int)key;
            for (int l = index + 1; l < here; l++)
                later += keys[l] == (int)key;
            order[at] = (int)t;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (later == 0)
            place[key] = at + 1;
    }
}
