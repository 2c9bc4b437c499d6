@if gate == 'split'
${v} = swiglu${w}(load${w}_${x_dtype}${part}(x, 2 * (${at}) - (${col})${count}),
    load${w}_${x_dtype}${part}(x, 2 * (${at}) - (${col}) + ${n}${count}));
@else
{
    vec${w} gate, up;
    load_pairs${w}${part}(&gate, &up, x, ${at}${count});
    ${v} = swiglu${w}(gate, up);
}
@end
