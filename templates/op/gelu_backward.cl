${v} = gelu_backward_${approx}${w}(${v}, load${w}_${x_dtype}${part}(${x}, ${at}${count}));
