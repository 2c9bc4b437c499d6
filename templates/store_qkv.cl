@# A row of the product is a row of q, one of k and one of v, which are three tensors: at,
@# the place in the product, counts what stands of the others before it. A vector whose columns are
@# not all of one goes by elements.
@let T dtype == 'f32' ? 'float' : dtype == 'f16' ? 'half' : 'ushort'
@let K0 q_columns
@let V0 q_columns + kv_columns
@for partial W > 1 ? 2 : 1
@let part partial ? '_part' : ''
@let count partial ? ', count' : ''
static void store_qkv${W}${part}(vec${W} x, __global ${T} *q, __global ${T} *k, __global ${T} *v,
                           ulong at, ulong row, ulong col${partial ? ', int count' : ''})
{
@if q_columns % W != 0 || kv_columns % W != 0
    const ulong last = col + ${partial ? 'count' : W} - 1;
    if ((col < ${K0}) != (last < ${K0}) || (col < ${V0}) != (last < ${V0})) {
        float lanes[${W}];
        vstore${W}(x, 0, lanes);
        for (int l = 0; l < ${partial ? 'count' : W}; l++)
            store_qkv1(lanes[l], q, k, v, at + l, row, col + l);
        return;
    }
@end
    if (col < ${K0})
        store${W}_${dtype}${part}(x, q, at - row * ${2*kv_columns}${count});
    else if (col < ${V0})
        store${W}_${dtype}${part}(x, k, at - (row + 1) * ${q_columns} - row * ${kv_columns}${count});
    else
        store${W}_${dtype}${part}(x, v, at - (row + 1) * ${V0}${count});
}

@end
