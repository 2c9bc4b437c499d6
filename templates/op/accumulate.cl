${v} += load${w}_${dst_dtype}${part}(${dst}, ${at}${count});
