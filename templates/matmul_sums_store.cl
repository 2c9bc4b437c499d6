@# The sums of a tile on their way into c; WHOLE: all of it is there, and loads need not wait for tests. Set in front:
@# STRIPS of 16 rows that a warp has, from ROW0 on, ${COLS} columns of c from COL0 on; OF, the row of its sums in
@# parts; SUM, the sums of strip h / 2, and HALF, h's half of it.
        /* A work-item has two neighbouring columns of every eight, in two rows. Four of them, one row's,
         * exchange theirs until each has eight whole columns of every 32. */
        #pragma unroll
        for (int t = 0; t < ${COLS/32}; t++) {
            const long col = ${COL0} + (t * 4 + quad) * 8;
@if SUMMED
            vec8 column = (vec8)(0.0f);
@end
            #pragma unroll
            for (int h = 0; h < ${2*STRIPS}; h++) {
                const long row = ${ROW0} + lane / 4 + h * 8;
                const ulong at = c0 + (ulong)row * ${ldc} + col;
@for p pair
@# Where block j of eight begins in sum, of gates or of ups; interleaved, a block has four of each.
@let BLOCK pair == 1 ? '(t * 4 + j)' : gate == 'split' ? p ? '(t * 4 + j + ups)' : '(t * 4 + j)' : p ? '(t * 8 + 2 * j + 1)' : '(t * 8 + 2 * j)'
                float2 own${p}[4];
                #pragma unroll
                for (int j = 0; j < 4; j++)
                    own${p}[j] = (float2)(${SUM}[${BLOCK} * 4 + ${HALF} * 2], ${SUM}[${BLOCK} * 4 + ${HALF} * 2 + 1]);
                ${pair == 2 && p ? 'const ' : ''}vec8 ${p ? 'v1' : pair == 2 ? 'v0' : 'v'} = gather_columns(own${p}, quad);
@end
@if pair == 2 && gate == 'split'
                vec8 v = v0;
                const vec8 up = v1;
@elif pair == 2
                vec8 v = (vec8)(v0.even, v1.even);
                const vec8 up = (vec8)(v0.odd, v1.odd);
@end
@if WHOLE
@apply epilogue v=v up=up row=row col=col at=at into=column w=8 part= count=
@else
                if (row < ${m} && col + 8 <= ${n}) {
@apply epilogue v=v up=up row=row col=col at=at into=column w=8 part= count=
                } else if (row < ${m} && col < ${n}) {
                    const int left = (int)(${n} - col);
@apply epilogue v=v up=up row=row col=col at=at into=column w=8 part=_part count=, left
                }
@end
            }
@if SUMMED
            /* Sums of the warp's rows. */
            float lanes[8];
            vstore8(column, 0, lanes);
            #pragma unroll
            for (int mask = 4; mask < 32; mask *= 2)
                #pragma unroll
                for (int l = 0; l < 8; l++)
                    lanes[l] += from_lane_xor(lanes[l], mask);
            if (lane < 4 && col < ${n})
                vstore8(vload8(0, lanes), 0, parts + (ulong)(${OF}) * ${PADDED} + col);
@end
        }
