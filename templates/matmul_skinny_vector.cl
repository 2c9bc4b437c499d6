/* c = a b on a CPU for few rows of ${trans_a ? 'a[k,m]' : 'a[m,k]'}; b[${trans_b ? 'n,k' : 'k,n'}] is read where it is, once for ${STRIP} rows.
 *
 * One work-item computes ${known(COLS) ? COLS : 'some'} columns of c, of ${STRIP} rows at most. In steps of ${KC} along k it
 * packs a into local memory, as f32, and adds what ${trans_b ? 'dot products with the rows' : 'the rows'} of b give to the
 * sums there:
 *
 *       as    [row][${AK}]
@if trans_b
 *       lanes [row][${W} columns][${W}]   of ${W} columns, before they are summed across
@end
 *       sums  ${HALVES > 1 ? '[gate, up]' : ''}[column/${NR}][row][${NR}]
@if pair == 2
 *
 * A column of c takes two of the product, its gate and its up, ${HALVES == 2 ? 'which are n apart' : 'which are neighbours'}.
@end
 */
@include inline.cl
@include fetch.cl
@let T dtype == 'f32' ? 'float' : dtype == 'f16' ? 'half' : 'ushort'
@let SUMS PANELS*ROWS*NR/W
@let ONE known(m) && m <= STRIP
@# The columns of b that one half of the product has, and whether there is a whole vector of them.
@let WHOLE DENSE*n

/* The sums of a row's columns from j on, which no vector has behind end. */
${INLINE}
static vec${W} sums_at(__local const vec${W} *sums, int rows, int row, int j, int end)
{
@if trans_b
    const int shift = 0;
@else
    const int shift = clamp(j + ${W} - end, 0, ${W});
@end
    __local const float *row_sums = (__local const float *)sums + (j / ${NR} * rows + row) * ${NR};
    return vload${W}(0, row_sums + j % ${NR} + shift);
}

${signature}
{
${offsets}
    __local vec16 packed[${ROWS*AK/16}];
    __local vec${W} sums[${HALVES*SUMS + 1}];
@if trans_b
    __local vec${W} lanes[${ROWS*W}];
@end
    __local float *as = (__local float *)packed;
    const ulong strips = ${STRIPS}, tiles = ${TILES};
    const ulong matrix = get_group_id(0) / strips / tiles;
    const long m0 = (long)(get_group_id(0) % strips) * ${STRIP};
    const long n0 = (long)(get_group_id(0) / strips % tiles) * ${COLS};
@if ONE
    const int height = ${m};
@else
    const int height = (int)min((long)${STRIP}, ${m} - m0);
@end
    const int rows = (height + ${MR-1}) / ${MR} * ${MR};
    const int cols = (int)min((long)${COLS}, ${n} - n0);
    const int width = ${DENSE == 2 ? '2 * cols' : 'cols'};
    a += matrix * ${trans_a ? k : m} * ${lda};
    b += matrix * ${trans_b ? columns : k} * ${ldb};
    const ulong c0 = matrix * ${m} * ${ldc};

    for (int i = 0; i < ${HALVES*SUMS}; i++)
        sums[i] = (vec${W})(0.0f);
    for (long k0 = 0; k0 < ${k}; k0 += ${KC}) {
        const int kc = (int)min((long)${KC}, ${k} - k0);

        /* Pack a. */
@if trans_a
        for (int l = 0; l < ${KC}; l++)
            for (int r = 0; r < rows; r++)
                as[r * ${AK} + l] =
                    l < kc && r < height ? load1_${dtype}(a, (ulong)(k0 + l) * ${lda} + m0 + r) : 0.0f;
@else
        for (int r = 0; r < rows; r++) {
            for (int l = 0; l < kc; l += 16) {
                vec16 v = (vec16)(0.0f);
                if (r < height) {
                    const long row = m0 + r, col = k0 + l;
                    const ulong from = (ulong)row * ${lda} + col;
                    const int left = kc - l;
                    if (left >= 16) {
                        v = load16_${dtype}(a, from);
@apply prologue v=v row=row col=col w=16 part= count=
                    } else {
                        v = load16_${dtype}_part(a, from, left);
@apply prologue v=v row=row col=col w=16 part=_part count=, left
                    }
                }
                packed[(r * ${AK} + l) / 16] = v;
            }
        }
@end

@for half HALVES
@let COLUMN half ? 'n0 + ' : DENSE == 2 ? '2 * n0' : 'n0'
        {
            const long j0 = ${COLUMN}${half ? n : ''};
            __local vec${W} *out = sums + ${half*SUMS};
@if trans_b
@include matmul_skinny_nt_vector.cl
@else
@include matmul_skinny_nn_vector.cl
@end
        }
@end
    }

    const int end = ${WHOLE} < ${W} ? ${W} : width;
    for (int r = 0; r < height; r++) {
        const long row = m0 + r;
        for (int j = 0; j < cols; j += ${W}) {
            const long col = n0 + j;
            const ulong at = c0 + (ulong)row * ${ldc} + col;
            const int left = cols - j;
@if DENSE == 2
            const vec${W} lo = sums_at(sums, rows, r, 2 * j, end);
            const vec${W} hi = sums_at(sums, rows, r, 2 * j + ${W}, end);
            vec${W} x = (vec${W})(lo.even, hi.even);
            const vec${W} up = (vec${W})(lo.odd, hi.odd);
@else
            vec${W} x = sums_at(sums, rows, r, j, end);
@if HALVES == 2
            const vec${W} up = sums_at(sums + ${SUMS}, rows, r, j, end);
@end
@end
            if (left >= ${W}) {
@apply epilogue v=x up=up row=row col=col at=at share=(m0 / ${STRIP}) opens=!r w=${W} part= count=
            } else {
@apply epilogue v=x up=up row=row col=col at=at share=(m0 / ${STRIP}) opens=!r w=${W} part=_part count=, left
            }
        }
    }
}
