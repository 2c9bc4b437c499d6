@# A template that stores later says so.
@if defined(later)
@elif defined(past) && w != '1' && part == ''
stream${w}_${dst_dtype}(${v}, ${dst}, ${at}, ${past});
@else
store${w}_${dst_dtype}${part}(${v}, ${dst}, ${at}${count});
@end
