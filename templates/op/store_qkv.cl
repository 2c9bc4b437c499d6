store_qkv${w}${part}(${v}, to_q, to_k, to_v, ${at}, ${row}, ${col}${count});
