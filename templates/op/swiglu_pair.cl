@if defined(pre)
@if gate == 'split'
store${w}_${pre_dtype}${part}(${v}, ${pre}, (ulong)${row} * ${2*n} + ${col}${count});
store${w}_${pre_dtype}${part}(${up}, ${pre}, (ulong)${row} * ${2*n} + ${n} + ${col}${count});
@else
store_pairs${w}${part}(${v}, ${up}, ${pre}, (ulong)${row} * ${n} + ${col}${count});
@end
@end
${v} = swiglu${w}(${v}, ${up});
