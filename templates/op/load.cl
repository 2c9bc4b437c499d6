${v} = load${w}_${src_dtype}${part}(${src}, ${at}${count});
