@let THREADS 32*WM*WN
@let ES dtype == 'f32' ? 4 : 2
@let BK BYTES/ES
/* c = a b on tensor cores, with a stored ${trans_a ? 'transposed, a[k,m],' : 'a[m,k]'} and b ${packed ? 'packed' : trans_b ? 'transposed, b[n,k]' : 'b[k,n]'}.
 *
 * A group of ${THREADS} work-items computes a tile of ${BM} x ${BN} elements, ${WM} x ${WN} warps with ${BM/WM} x ${BN/WN} of it in
 * registers. Blocks of ${BM} x ${BK} of a and ${BK} x ${BN} of b come into a ring of ${STAGES} stages by copies that nobody
 * waits for, ${STAGES - 1} blocks ahead; what the next step multiplies is read into registers during this one.
 *
 *     a barrier a block: behind it the next block is there, and the one before has been read
 *
 * A block's rows are those of the matrix: ${BYTES} bytes along k where they are contiguous in k, else the tile's whole
 * width. Their parts of 16 bytes are exchanged by the row's number, so that eight that are read together lie in
 * different banks.
 */
@let BC BN/pair
@let LDA PROLOGUE_OPS ? K_PITCH : lda
@let SUMMED defined(outs) && outs
@let SPLIT pair == 2 && gate == 'split'
@# 16-bit words or 32-bit ones, as they are; a part has E of them.
@let T ES == 4 ? 'uint' : 'ushort'
@let E 16/ES
@let ROWS BM/WM/16
@let COLUMNS BN/WN/8
@let STEPS BYTES/32
@let A_BYTES BM*BYTES
@let B_BYTES BN*BYTES
@let A_PITCH trans_a ? BM*ES : BYTES
@let B_PITCH trans_b ? BYTES : BN*ES
@# Columns of b that a warp has in one piece, and where its ups begin behind its gates.
@let PIECE SPLIT ? BC/WN : BN/WN
@let UPS_AT trans_b ? BC*BYTES : BC*ES
@include sm80.cl
@include gather_columns.cl
@if tf32
@include tf32.cl

static uint rounded(uint bits)
{
    return as_uint(to_tf32(as_float(bits)));
}
@end

@if !trans_a || trans_b
/* Where part number `part` of a row along k lies in its block. */
static uint place_along(int row, int part)
{
    return row * ${BYTES} + ((part ^ ${BYTES == 128 ? '(row & 7)' : '(row >> 1 & 3)'}) << 4);
}

@end
@if trans_a || !trans_b
/* The same of a row across k, of pitch bytes. */
static uint place_across(int row, int part, int pitch)
{
    return row * pitch + ((part ^ ${ES == 4 ? '(row & 3) << 1' : '(row & 7)'}) << 4);
}

@end
/* What a step, ${32/ES} along k, multiplies: ${BM/WM} rows of a from a block at `at`. */
static void read_rows(uint (*rows)[4], uint at, int step)
{
    #pragma unroll
    for (int i = 0; i < ${ROWS}; i++) {
@if !trans_a
        const uint4 v = load_matrices((at ^ (step << 5)) + i * ${16*BYTES});
@elif ES == 2
        const uint4 v = load_transposed((at + step * ${16*A_PITCH} + i / 4 * 128) ^ (i % 4 * 32));
@else
        const uint from = at + step * ${8*A_PITCH} + i / 2 * 128;
        uint4 v;
        v.s0 = load_word(from ^ (i % 2 * 64));
        v.s1 = load_word(from ^ (i % 2 * 64 + 32));
        v.s2 = load_word((from ^ (i % 2 * 64)) + ${4*A_PITCH});
        v.s3 = load_word((from ^ (i % 2 * 64 + 32)) + ${4*A_PITCH});
@end
@for r 4
        rows[i][${r}] = ${tf32 ? 'rounded(' : ''}v.s${r}${tf32 ? ')' : ''};
@end
    }
}

/* And ${BN/WN} columns of b. */
static void read_columns(uint (*cols)[2], uint at, int step)
{
    #pragma unroll
    for (int j = 0; j < ${COLUMNS}; j += 2) {
@# Within its piece, and which one.
@let J SPLIT ? 'j % in_piece' : 'j'
@let UPS SPLIT ? ' + j / in_piece * ups_at' : ''
@if SPLIT
        const int in_piece = ${COLUMNS/2}, ups_at = ${UPS_AT};
@end
@if trans_b
        const uint4 v = load_matrices((at ^ (step << 5)) + ${J} * ${8*BYTES}${UPS});
@elif ES == 2
        const uint4 v = load_transposed(((at + step * ${16*B_PITCH} + ${J} / 8 * 128) ^ (${J} / 2 % 4 * 32))${UPS});
@else
        const uint from = at + step * ${8*B_PITCH} + ${J} / 4 * 128${UPS};
        uint4 v;
        v.s0 = load_word(from ^ (${J} % 4 * 32));
        v.s1 = load_word((from ^ (${J} % 4 * 32)) + ${4*B_PITCH});
        v.s2 = load_word(from ^ (${J} % 4 * 32 + 32));
        v.s3 = load_word((from ^ (${J} % 4 * 32 + 32)) + ${4*B_PITCH});
@end
@for r 4
        cols[j + ${r/2}][${r%2}] = ${tf32 ? 'rounded(' : ''}v.s${r}${tf32 ? ')' : ''};
@end
    }
}

/* Back and forth, so that one operand of a product is the last one's. */
static void multiply_all(float (*sum)[${4*COLUMNS}], uint (*rows)[4], uint (*cols)[2])
{
    #pragma unroll
    for (int j = 0; j < ${COLUMNS}; j++)
        #pragma unroll
        for (int i = 0; i < ${ROWS}; i++) {
            const int r = j % 2 ? ${ROWS - 1} - i : i;
            multiply(sum[r] + 4 * j, rows[r], cols[j]);
        }
}

/* ${E} elements from p on, those from `left` on being zeros. */
static uint4 take_part(const __global ${T} *p, long left)
{
    if (left >= ${E} && ((ulong)p & 15) == 0)
        return *(const __global uint4 *)p;
    ${T} words[${E}];
    #pragma unroll
    for (int i = 0; i < ${E}; i++)
        words[i] = i < left ? p[i] : 0;
    return as_uint4(vload${E}(0, words));
}

${signature}
{
${offsets}
    __local uchar blocks[${STAGES*(A_BYTES+B_BYTES)}] __attribute__((aligned(1024)));
    const int lid = (int)get_local_id(0), lane = lid & 31, quad = lane & 3;
    const int warp_row = lid / 32 / ${WN}, warp_column = lid / 32 % ${WN};
@if SPLIT
    const int half_tile = ${BC}, half_parts = ${BC/E}, ups = ${COLUMNS/2};
    /* From the gates of a tile to behind them come its ups. */
    const long to_ups = ${n} - half_tile;
@end
@if SUMMED
    const int tile_rows = ${BM}, warps = ${WM};
@end
    const ulong tiles_m = ${ceildiv(m,BM)}, tiles_n = ${TILES_N};
    const ulong index = get_group_id(0);
@include tile_bands.cl
    const ulong c0 = matrix * ${m} * ${ldc};
    const __global ${T} *tile_a = (const __global ${T} *)${PROLOGUE_OPS ? 'prepared' : 'a'} + matrix * ${trans_a ? k : m} * ${LDA};
@if packed
    const __global ${T} *tile_b = (const __global ${T} *)b;
@else
    const __global ${T} *tile_b = (const __global ${T} *)b + matrix * ${trans_b ? columns : k} * ${ldb};
@end
    const long b0 = ${pair == 2 && !SPLIT ? '2 * n0' : 'n0'};

    float sum[${ROWS}][${4*COLUMNS}];
    uint rows[2][${ROWS}][4], cols[2][${COLUMNS}][2];
    #pragma unroll
    for (int i = 0; i < ${ROWS}; i++)
        #pragma unroll
        for (int j = 0; j < ${4*COLUMNS}; j++)
            sum[i][j] = 0.0f;

    /* Where the warp's first parts lie in a block. */
    const uint blocks_at = local_at(blocks);
@if !trans_a
    const uint read_a = place_along(warp_row * ${BM/WM} + lane % 16, lane / 16);
@elif ES == 2
    const uint read_a = place_across(lane % 8 + lane / 16 * 8, warp_row * ${BM/WM/8} + lane / 8 % 2, ${A_PITCH});
@else
    const uint read_a = place_across(quad, warp_row * ${BM/WM/4} + lane / 16, ${A_PITCH}) + lane / 4 % 4 * 4;
@end
@if trans_b
    const uint read_b = ${A_BYTES} + place_along(warp_column * ${PIECE} + lane % 8 + lane / 16 * 8, lane / 8 % 2);
@elif ES == 2
    const uint read_b = ${A_BYTES} + place_across(lane % 16, warp_column * ${PIECE/8} + lane / 16, ${B_PITCH});
@else
    const uint read_b = ${A_BYTES} + place_across(quad, warp_column * ${PIECE/4} + lane / 16, ${B_PITCH}) + lane / 4 % 4 * 4;
@end

    /* Copies want addresses and rows of whole 16 bytes. */
    int direct = (${LDA} % ${E} == 0) & (((ulong)tile_a & 15) == 0) & (((ulong)tile_b & 15) == 0);
@if !packed
    direct &= ${ldb} % ${E} == 0;
@end
@if SPLIT && !trans_b
    direct &= ${n} % ${E} == 0;
@end
    if (direct) {
        /* A work-item copies one part of every few rows; what is not there it fills with zeros. */
@for o 2
@include matmul_mma_operand.cl
        const int part_${X} = lid % ${PARTS}, row_${X} = lid / ${PARTS};
@if !ALONG
        const long first_${X} = ${o ? 'b0' : 'm0'} + part_${X} * ${E}${o && SPLIT ? ' + (part_b < half_parts ? 0 : to_ups)' : ''};
@end
        const uint write_${X} = ${o ? A_BYTES : 0} + ${ALONG ? 'place_along' : 'place_across'}(row_${X}, part_${X}${ALONG ? '' : ', '}${ALONG ? '' : PITCH});
@if ALONG
        ulong from_${X} = (ulong)(tile_${X} + (ulong)(${o ? 'b0' : 'm0'} + row_${X}) * ${LD} + part_${X} * ${E});
@if !WHOLE_ROWS
        int left_${X} = (int)clamp(${o ? SPLIT ? n : columns : m} - ${o ? 'b0' : 'm0'} - row_${X}, 0L, (long)${EDGE});
@end
@elif o && packed
        ulong from_${X} = (ulong)(tile_b + ((ulong)(first_b / 64) * ${padded_k} + row_b) * 64 + first_b % 64);
        const int bytes_b = first_b < ${columns} ? 16 : 0;
@else
        ulong from_${X} = (ulong)(tile_${X} + (ulong)row_${X} * ${LD} + first_${X});
        const int bytes_${X} = (int)clamp(${o ? columns : m} - first_${X}, 0L, ${E}L) * ${ES};
@end
        ${known(LD) ? 'const ' : ''}ulong pass_${X} = ${RS*ES*LD};
@end
@if SPLIT && trans_b
        const ulong ups_from = ${ES} * (ulong)to_ups * ${ldb};
@end
        const uint end_at = blocks_at + ${STAGES*(A_BYTES+B_BYTES)};
        uint read_at = blocks_at, write_at = blocks_at;
        long l0 = 0;
@let PIECES 1
@let l 0
        for (int s = 0; s < ${STAGES - 1}; s++) {
@include matmul_mma_copy.cl
            close_copies();
            l0 += ${BK};
            write_at += ${A_BYTES+B_BYTES};
        }
        wait_copies();
        barrier(CLK_LOCAL_MEM_FENCE);
        read_rows(rows[0], read_at + read_a, 0);
        read_columns(cols[0], read_at + read_b, 0);
        for (; l0 < ${k} + ${(STAGES - 1)*BK}; l0 += ${BK}) {
@# Else products and comparisons of all passes are made in front of the loop, and take registers that it lacks.
@for o 2
@include matmul_mma_operand.cl
@if !known(LD)
            asm volatile("" : "+l"(pass_${X}));
@end
@if ALONG && !WHOLE_ROWS
            asm volatile("" : "+r"(left_${X}));
@end
@end
@for l STEPS
@if l < STEPS - 1
@let PIECES STEPS - 1
            read_rows(rows[${(l+1)%2}], read_at + read_a, ${l+1});
            read_columns(cols[${(l+1)%2}], read_at + read_b, ${l+1});
@include matmul_mma_copy.cl
@if l == STEPS - 2
            close_copies();
            if ((write_at += ${A_BYTES+B_BYTES}) == end_at)
                write_at = blocks_at;
@end
@else
            wait_copies();
            barrier(CLK_LOCAL_MEM_FENCE);
            if ((read_at += ${A_BYTES+B_BYTES}) == end_at)
                read_at = blocks_at;
            read_rows(rows[0], read_at + read_a, 0);
            read_columns(cols[0], read_at + read_b, 0);
@end
            multiply_all(sum, rows[${l%2}], cols[${l%2}]);
@end
        }
    } else {
        /* By hand, a block at a time. */
        for (long k0 = 0; k0 < ${k}; k0 += ${BK}) {
            barrier(CLK_LOCAL_MEM_FENCE);
@for o 2
@include matmul_mma_operand.cl
            for (int e = lid; e < ${EDGE*BYTES/16}; e += ${THREADS}) {
                const int row = e / ${PARTS}, part = e % ${PARTS};
@if ALONG
                const long at = ${o ? 'b0' : 'm0'} + row${o && SPLIT ? ' + (row < half_tile ? 0 : to_ups)' : ''}, col = k0 + part * ${E};
                const uint4 v = take_part(tile_${X} + (ulong)at * ${LD} + col, at < ${o ? columns : m} ? ${k} - col : 0);
                *(__local uint4 *)(blocks + ${o ? A_BYTES : 0} + place_along(row, part)) = v;
@else
                const long at = ${o ? 'b0' : 'm0'} + part * ${E}${o && SPLIT ? ' + (part < half_parts ? 0 : to_ups)' : ''}, l = k0 + row;
@if o && packed
                const uint4 v = take_part(tile_b + ((ulong)(at / 64) * ${padded_k} + l) * 64 + at % 64, l < ${k} && at < ${columns} ? ${E} : 0);
@else
                const uint4 v = take_part(tile_${X} + (ulong)l * ${LD} + at, l < ${k} ? ${o ? columns : m} - at : 0);
@end
                *(__local uint4 *)(blocks + ${o ? A_BYTES : 0} + place_across(row, part, ${PITCH})) = v;
@end
            }
@end
            barrier(CLK_LOCAL_MEM_FENCE);
            #pragma unroll 1
            for (int l = 0; l < ${STEPS}; l++) {
                read_rows(rows[0], blocks_at + read_a, l);
                read_columns(cols[0], blocks_at + read_b, l);
                multiply_all(sum, rows[0], cols[0]);
            }
        }
    }

    const long warp_m0 = m0 + warp_row * ${BM/WM}, warp_n0 = n0 + warp_column * ${BC/WN};
@let STRIPS ROWS
@let COLS BC/WN
@let ROW0 'warp_m0'
@let COL0 'warp_n0'
@let OF 'm0 / tile_rows * warps + warp_row'
@let SUM 'sum[h / 2]'
@let HALF 'h % 2'
    if (m0 + ${BM} <= ${m} && n0 + ${BC} <= ${n}) {
@let WHOLE 1
@include matmul_sums_store.cl
    } else {
@let WHOLE 0
@include matmul_sums_store.cl
    }
}
