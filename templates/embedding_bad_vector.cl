/* bad[0] = how many ids are outside the table. One work-item counts them all: they are few beside
 * the rows.
 */
${signature}
{
${offsets}
    const ulong count = ${tokens};
    int${W} lanes = 0;
    ulong i = 0;
    for (; i + ${W} <= count; i += ${W}) {
        const int${W} id = vload${W}(0, ids + i);
        lanes -= id < 0 | id >= (int)${vocab};
    }
    int part[${W}], sum = 0;
    vstore${W}(lanes, 0, part);
    for (int l = 0; l < ${W}; l++)
        sum += part[l];
    for (; i < count; i++)
        sum += ids[i] < 0 || ids[i] >= ${vocab};
    bad[0] = sum;
}
