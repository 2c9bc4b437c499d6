@if defined(pre)
store${w}_${pre_dtype}${part}(${v}, ${pre}, ${at}${count});
@end
${v} = gelu_${approx}${w}(${v});
