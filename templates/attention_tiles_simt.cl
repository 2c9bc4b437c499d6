@# Products of tiles, by a group of WG work-items of X columns and WG/X rows. Wants R and C, the rows
@# of the group's own tile and of the tiles that it meets; OWN_STRIDE and MET_STRIDE, elements from
@# row to row of the two; KEPT (own rows are in local memory already, over the whole of head_dim).
@let T dtype == 'f32' ? 'float' : dtype == 'f16' ? 'half' : 'ushort'
@let Y WG/X
@let NJ ceildiv(head_dim,X)
@let WIDE NJ*X
@for side 2
@let H side == 0 ? R : C
/* Columns l0 to l0 + ${DK} of `there` rows of ${head_dim}, as to[column][row]; zeros beyond. */
static void bring_${side == 0 ? 'own' : 'met'}(__local float *to, __global const ${T} *from, int there, int l0, int lid)
{
    for (int e = lid; e < ${H*DK}; e += ${WG}) {
        const int l = e % ${DK}, row = e / ${DK};
        float v = 0.0f;
        if (row < there && l0 + l < ${head_dim})
            v = load1_${dtype}(from, (ulong)row * ${side == 0 ? OWN_STRIDE : MET_STRIDE} + (l0 + l));
        to[l * ${H + 1} + row] = v;
    }
}

@end
/* to[i][j] = own row y + ${Y} i times met row x + ${X} j, over ${head_dim}. */
static void products(float to[${TM}][${TN}], __local float *own, __local float *block,
@if !KEPT
                     __global const ${T} *a, int rows,
@end
                     __global const ${T} *b, int columns, int lid)
{
    const int x = lid % ${X}, y = lid / ${X};
    #pragma unroll
    for (int i = 0; i < ${TM}; i++)
        #pragma unroll
        for (int j = 0; j < ${TN}; j++)
            to[i][j] = 0.0f;
    for (int l0 = 0; l0 < ${head_dim}; l0 += ${DK}) {
@if KEPT
        __local const float *as = own + l0 * ${R + 1};
@else
        __local const float *as = own;
        bring_own(own, a, rows, l0, lid);
@end
        bring_met(block, b, columns, l0, lid);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int l = 0; l < ${DK}; l++) {
            float row[${TM}];
            #pragma unroll
            for (int i = 0; i < ${TM}; i++)
                row[i] = as[l * ${R + 1} + y + i * ${Y}];
            #pragma unroll
            for (int j = 0; j < ${TN}; j++) {
                const float col = block[l * ${C + 1} + x + j * ${X}];
                #pragma unroll
                for (int i = 0; i < ${TM}; i++)
                    to[i][j] = fma(row[i], col, to[i][j]);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* sum[i][j] += weights[c][own row y + ${Y} i] b[c][x + ${X} j] over the met rows c. Own row i takes part
 * from first[i] to stop[i] only, unless the tile is seen whole: weights of 0 elsewhere would let
 * NaN and inf of b through. */
@if SKIPPED
@# A met row c with gone[c] of -inf takes part in nothing.
static void accumulate(float sum[${TM}][${NJ}], __local const float *weights, __local float *block,
                       __global const ${T} *b, int columns, __local const float *gone,
                       const int *first, const int *stop, int whole, int lid)
@else
static void accumulate(float sum[${TM}][${NJ}], __local const float *weights, __local float *block,
                       __global const ${T} *b, int columns, const int *first, const int *stop,
                       int whole, int lid)
@end
{
    const int x = lid % ${X}, y = lid / ${X};
    for (int c0 = 0; c0 < columns; c0 += ${VK}) {
        for (int e = lid; e < ${VK*WIDE}; e += ${WG}) {
            const int l = e % ${WIDE}, c = c0 + e / ${WIDE};
            float v = 0.0f;
            if (c < columns && l < ${head_dim}${SKIPPED ? ' && gone[c] != -INFINITY' : ''})
                v = load1_${dtype}(b, (ulong)c * ${MET_STRIDE} + l);
            block[e] = v;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
@for part 2
        ${part == 0 ? 'if (whole) {' : 'else {'}
            for (int c = 0; c < ${VK}; c++) {
                float weight[${TM}];
@if part
                int seen[${TM}];
@end
                #pragma unroll
                for (int i = 0; i < ${TM}; i++) {
                    weight[i] = weights[(c0 + c) * ${R + 1} + y + i * ${Y}];
@if part
                    seen[i] = c0 + c >= first[i] && c0 + c < stop[i];
@end
                }
                #pragma unroll
                for (int j = 0; j < ${NJ}; j++) {
                    const float v = block[c * ${WIDE} + x + j * ${X}];
                    #pragma unroll
                    for (int i = 0; i < ${TM}; i++)
@if part
                        sum[i][j] = seen[i] ? fma(weight[i], v, sum[i][j]) : sum[i][j];
@else
                        sum[i][j] = fma(weight[i], v, sum[i][j]);
@end
                }
            }
        }
@end
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}
