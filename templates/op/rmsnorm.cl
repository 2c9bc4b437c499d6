${v} *= stats[${row}] * (load${w}_${gamma_dtype}${part}(${gamma}, ${col}${count})${unit_offset ? ' + 1.0f' : ''});
