store${w}_${dst_dtype}${part}(${v}, ${dst}, ${at}${count});
