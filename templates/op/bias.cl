${v} += load${w}_${bias_dtype}${part}(${bias}, ${col}${count});
