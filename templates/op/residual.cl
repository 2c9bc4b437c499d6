${v} += load${w}_${residual_dtype}${part}(${residual}, ${at}${count});
