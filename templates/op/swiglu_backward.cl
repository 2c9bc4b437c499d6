@let streams defined(past) && w != '1' && part == ''
@let store streams ? 'stream' : 'store'
@let last streams ? ', past' : count
{
    vec${w} gate, up, dgate, dup;
@if gate == 'split'
    const ulong left_half = 2 * (${at}) - (${col}), right_half = left_half + ${n};
    gate = load${w}_${x_dtype}${part}(x, left_half${count});
    up = load${w}_${x_dtype}${part}(x, right_half${count});
    swiglu_backward${w}(${v}, gate, up, &dgate, &dup);
    ${store}${w}_${dx_dtype}${part}(dgate, dx, left_half${last});
    ${store}${w}_${dx_dtype}${part}(dup, dx, right_half${last});
@else
    load_pairs${w}${part}(&gate, &up, x, ${at}${count});
    swiglu_backward${w}(${v}, gate, up, &dgate, &dup);
    store_pairs${w}${part}(dgate, dup, dx, ${at}${count});
@end
}
