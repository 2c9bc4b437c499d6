/* order = the tokens sorted by id, those of one id in their order; -1 behind them for each id
 * outside the table.
 *
 * A work-item takes a slice of ${SLICE} ids. It counts the tokens whose ids are below the slice,
 * which says where its own part of the order starts, and the tokens of each of its ids; then it
 * puts them into their places. So all ids are looked at in each slice: tokens * vocab / ${SLICE}
 * comparisons, ${W} at a time, and tokens steps beside. Nothing depends on who comes first.
 */
${signature}
{
${offsets}
    __global int *order = (__global int *)sorted;
    __local int place[${SLICE}];
    const ulong count = ${tokens};
    const uint low = (uint)get_group_id(0) * ${SLICE};
    const uint size = min((uint)${SLICE}, (uint)${vocab} - low);
    /* An id below 0 is above all others as an unsigned number. */
    int${W} below_lanes = 0, own_lanes = 0;
    ulong t = 0;
    for (; t + ${W} <= count; t += ${W}) {
        const uint${W} id = as_uint${W}(vload${W}(0, ids + t));
        below_lanes -= id < low;
        own_lanes -= id - low < size;
    }
    int below = 0, own = 0, lanes[${2*W}];
    vstore${W}(below_lanes, 0, lanes);
    vstore${W}(own_lanes, 1, lanes);
    for (int l = 0; l < ${W}; l++) {
        below += lanes[l];
        own += lanes[${W} + l];
    }
    for (; t < count; t++) {
        const uint id = (uint)ids[t];
        below += id < low;
        own += id - low < size;
    }
    if (get_group_id(0) == get_num_groups(0) - 1)
        for (ulong p = (ulong)below + own; p < count; p++)
            order[p] = -1;
    if (own == 0)
        return;

    for (int k = 0; k < ${SLICE}; k++)
        place[k] = 0;
@for pass 2
@if pass == 1
    int next = below;
    for (int k = 0; k < ${SLICE}; k++) {
        const int tokens_of_k = place[k];
        place[k] = next;
        next += tokens_of_k;
    }
@end
@let STEP pass == 0 ? 'place[k]++' : 'order[place[k]++] = token'
    for (t = 0; t + ${W} <= count; t += ${W}) {
        const uint${W} key = as_uint${W}(vload${W}(0, ids + t)) - low;
        if (!any(key < size))
            continue;
        for (int token = (int)t; token < (int)t + ${W}; token++) {
            const uint k = (uint)ids[token] - low;
            if (k < size)
                ${STEP};
        }
    }
    for (int token = (int)t; token < (int)count; token++) {
        const uint k = (uint)ids[token] - low;
        if (k < size)
            ${STEP};
    }
@end
}
