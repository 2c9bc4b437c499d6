/* delta = dout o, summed over head_dim, of each query of each head: delta[batch,heads,seq_q]. In a
 * stage of its own, since every tile of keys wants it, and o would be read as often as dout.
 *
 * ${X} work-items take a row, a group of ${WG} takes ${WG/X} rows in the order of memory.
 */
${signature}
{
${offsets}
    __local float part[${WG}];
    const int lid = (int)get_local_id(0);
    const int x = lid % ${X}, first = lid - x;
    const ulong row = get_group_id(0) * ${WG/X} + lid / ${X};
    const ulong rows = (ulong)${batch} * ${seq_q} * ${heads};
    float sum = 0.0f;
    if (row < rows)
        for (int l = x; l < ${head_dim}; l += ${X})
            sum = fma(load1_${dtype}(dout, row * ${head_dim} + l),
                      load1_${dtype}(o, row * ${head_dim} + l), sum);
    part[lid] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (x > 0 || row >= rows)
        return;
    for (int l = 1; l < ${X}; l++)
        sum += part[first + l];
    const ulong head = row % ${heads}, query = row / ${heads};
    delta[(query / ${seq_q} * ${heads} + head) * ${seq_q} + query % ${seq_q}] = sum;
}
