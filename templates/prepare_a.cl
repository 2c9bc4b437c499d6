@# What a product's prologue makes of a, into scratch, once: copies by box bring it in from there. Eight
@# elements a work-item; rows are ${K_PITCH} apart.
@let T tf32 ? 'float' : dtype == 'f16' ? 'half' : 'ushort'
${signature}
{
${offsets}
    __global ${T} *to = (__global ${T} *)prepared;
    const ulong parts = ${K_PITCH} / 8;
    const ulong item = get_global_id(0);
    const ulong row = item / parts;
    const long col = (long)(item % parts) * 8;
    if (row >= (ulong)${m})
        return;
    const ulong at = row * ${lda} + col;
    vec8 v;
    if (col + 8 <= ${k}) {
        v = load8_${dtype}(a, at);
@apply prologue v=v row=row col=col w=8 part= count=
    } else {
        const int left = (int)(${k} - col);
        v = load8_${dtype}_part(a, at, left);
@apply prologue v=v row=row col=col w=8 part=_part count=, left
    }
    store8_${dtype}(v, to, row * ${K_PITCH} + col);
}
