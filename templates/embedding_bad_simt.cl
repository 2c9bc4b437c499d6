/* bad[0] = how many ids are outside the table. One group of ${WG} counts them all: they are few
 * beside the rows.
 */
${signature}
{
${offsets}
    __local int part[${WG}];
    const int lid = (int)get_local_id(0);
    int sum = 0;
    for (ulong i = lid; i < (ulong)${tokens}; i += ${WG})
        sum += ids[i] < 0 || ids[i] >= ${vocab};
    part[lid] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid == 0) {
        sum = 0;
        for (int l = 0; l < ${WG}; l++)
            sum += part[l];
        bad[0] = sum;
    }
}
