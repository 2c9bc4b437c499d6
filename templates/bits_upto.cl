/* Of a row with left more elements, if any, from any address: zeros behind them. */
static uint4 bits_upto(const __global ${S} *p, ulong i, long left)
{
    const __global ${BITS} *from = (const __global ${BITS} *)p + i;
    ${BITS} lanes[${W}];
    for (int l = 0; l < ${W}; l++)
        lanes[l] = l < left ? from[l] : 0;
    return as_uint4(vload${W}(0, lanes));
}
