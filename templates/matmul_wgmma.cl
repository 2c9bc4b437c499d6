@let KPART SPLIT > 1 ? roundup(ceildiv(k,SPLIT),64) : 0
@# Rows of 128 bytes: steps of k in a block, elements in 16 bytes.
@let DEPTH tf32 ? 32 : 64
@let P tf32 ? 4 : 8
/* c = a b on tensor cores, with a stored ${trans_a ? 'transposed, a[k,m],' : 'a[m,k]'} and b ${packed ? 'packed' : trans_b ? 'transposed, b[n,k]' : 'b[k,n]'}.
 *
 * A group stays for tile after tile of ${64*WGS} x ${BN} elements. Its first 128 work-items bring blocks of
 * ${64*WGS} x ${DEPTH} of a and ${DEPTH} x ${BN} of b into a ring of ${STAGES} stages; each further 128 multiply 64 rows of them,
 * their sums in registers, and so the next tile's blocks come in while this one is stored.
@if SPLIT > 1
 * ${SPLIT} groups share a tile, ${KPART} steps of k each, and leave sums in parts[share][row][column].
@end
 *
 *     full[stage]   the blocks are there           empty[stage]   they have been read
 *
 * Blocks lie as wgmma wants them: rows of 128 bytes, their 16-byte parts exchanged by the row's number
 * modulo 8. Of a matrix whose rows are contiguous in k a row of the block is ${DEPTH} steps of k; of the
 * others it is 64 rows or columns of c, and the block has a part for each 64 of those.
 */
@let BM 64*WGS
@let A_BYTES BM*128
@# Rows of a that are not there need not be zeros: they make rows of c that are not there.
@let A_ROWS trans_a && !tf32 ? 64 : known(m) && m < BM ? roundup(m,8) : BM
@let A_COPIED trans_a && !tf32 ? A_BYTES : A_ROWS*128
@let B_BYTES BN*128
@let BC BN/pair
@# What a's elements become on their way in is done before, by prepare_a.cl; and tf32 has been turned.
@let LDA PROLOGUE_OPS || TURNED_A ? K_PITCH : lda
@let LDB TURNED_B ? K_PITCH : ldb
@let ACROSS_A trans_a && !TURNED_A
@let ACROSS_B !trans_b && !TURNED_B
@let PANELS packed && !TURNED_B
@let WIDTH_A ACROSS_A ? m : k
@let WIDTH_B ACROSS_B ? columns : k
@let HEIGHT_A ACROSS_A ? k : m
@let HEIGHT_B ACROSS_B ? k : columns
@let SUMMED defined(outs) && outs
@# A column of c takes two of the product if they come in pairs, gates and ups: a tile has BC of c's.
@let B_ROW pair == 2 ? 'j < half_tile ? b0 + j : b1 + j - half_tile' : 'b0 + j'
@let RANK 3
@include sm90.cl
@include tensor_map.cl
@let T tf32 ? 'float' : dtype == 'f16' ? 'half' : 'ushort'
@if tf32
@include tf32.cl
@end

/* 16 bytes of a block's row: part number `part` of row `row` of the block at `to`. */
static void put_part(__local uchar *to, int row, int part, vec${P} v)
{
    *(__local uint4 *)(to + row * 128 + ((part ^ (row & 7)) << 4)) = as_uint4(to_${tf32 ? 'tf32' : dtype}_${P}(v));
}

@include gather_columns.cl

${signature}
{
${offsets}
    __local uchar blocks[${STAGES*(A_BYTES+B_BYTES)}] __attribute__((aligned(1024)));
    __local ulong full[${STAGES}], empty[${STAGES}];
    __local float map_words[64] __attribute__((aligned(128)));
    const int lid = (int)get_local_id(0);
@if pair == 2
    const int half_tile = ${BC};
@if gate == 'split'
    const int ups = ${BC/8};
@end
@end
@if SUMMED
    const int tile_rows = ${BM}, warps = ${4*WGS};
@end
    const ulong tiles_m = ${ceildiv(m,BM)}, tiles_n = ${TILES_N};
    const ulong tiles = tiles_m * tiles_n * ${batch};
@let ALL SPLIT > 1 ? 'tiles * shares' : 'tiles'
@if SPLIT > 1
    const ulong shares = ${SPLIT};
@end
    const __global ${T} *in_a = (const __global ${T} *)${PROLOGUE_OPS ? 'prepared' : TURNED_A ? 'turned_a' : 'a'};
    const __global ${T} *in_b = (const __global ${T} *)${TURNED_B ? 'turned_b' : 'b'};
    /* Copies by box want addresses and rows of whole 16 bytes, and 32-bit sizes. */
    const int small = max(max((long)${m}, (long)${columns}), (long)${k}) <= 0x7fffffffL;
    const int box_a = small & (${LDA} % ${P} == 0) & (((ulong)in_a & 15) == 0);
    const int box_b = small & (${LDB} % ${P} == 0) & (((ulong)in_b & 15) == 0);
    const int boxes = box_a && box_b;

    maps += get_group_id(0) * 64;
    const ulong map_a = (ulong)maps, map_b = (ulong)(maps + 32);
    if ((box_a | box_b) && lid < 32) {
        const uint words = local_at(map_words);
        map_words[lid] = 0.0f;
        map_words[lid + 32] = 0.0f;
        wait_warp();
        if (lid == 0) {
            make_map(words, (ulong)in_a, ${WIDTH_A}, ${HEIGHT_A}, ${batch}, ${16/P} * (ulong)${LDA},
                     ${16/P} * (ulong)${HEIGHT_A} * ${LDA}, ${A_ROWS});
@if PANELS
            make_map(words + 128, (ulong)in_b, 64, ${padded_k}, ${ceildiv(columns,64)}, 128, 128 * (ulong)${padded_k}, 64);
@else
            make_map(words + 128, (ulong)in_b, ${WIDTH_B}, ${HEIGHT_B}, ${batch}, ${16/P} * (ulong)${LDB},
                     ${16/P} * (ulong)${HEIGHT_B} * ${LDB}, ${ACROSS_B ? 64 : BC});
@end
        }
        wait_warp();
        place_map(maps, words);
        place_map(maps + 32, words + 128);
    }
    if (lid == 0) {
        for (int s = 0; s < ${STAGES}; s++) {
            init_barrier(local_at(full + s), boxes ? 1 : 128);
            init_barrier(local_at(empty + s), ${4*WGS});
        }
        publish_local();
    }
    barrier(CLK_LOCAL_MEM_FENCE);

@# Registers move from those who bring in to those who multiply: of 65,536, in steps of 8.
@let LEFT WGS == 3 ? 32 : 88
@let GOT WGS == 3 ? 160 : 208
    if (lid < 128) {
@if WGS > 1
        asm volatile("/*@sm_90a setmaxnreg.dec.sync.aligned.u32 ${LEFT}; @*/");
@end
        if (boxes && lid != 0)
            return;
        if (lid == 0) {
            acquire_map(map_a);
            acquire_map(map_b);
        }
        uint stage = 0, turn = 0;
        for (ulong ${SPLIT > 1 ? 'item' : 'index'} = get_group_id(0); ${SPLIT > 1 ? 'item' : 'index'} < ${ALL}; ${SPLIT > 1 ? 'item' : 'index'} += get_num_groups(0)) {
@if SPLIT > 1
            const ulong index = item / shares, share = item % shares;
            const long k_from = (long)share * ${KPART}, k_to = min(k_from + ${KPART}, (long)${k});
@end
@include tile_bands.cl
@if pair == 1
            const long b0 = n0;
@elif gate == 'split'
            const long b0 = n0, b1 = n0 + ${n};
@else
            const long b0 = 2 * n0, b1 = b0 + half_tile;
@end
            for (long k0 = ${SPLIT > 1 ? 'k_from' : '0'}; k0 < ${SPLIT > 1 ? 'k_to' : k}; k0 += ${DEPTH}) {
                const uint arrived = local_at(full + stage);
                __local uchar *to_a = blocks + stage * ${A_BYTES+B_BYTES};
                __local uchar *to_b = to_a + ${A_BYTES};
                wait_phase(local_at(empty + stage), ~turn & 1);
                if (lid == 0) {
                    expect_bytes(arrived, (box_a ? ${A_COPIED} : 0) + (box_b ? ${B_BYTES} : 0));
                    if (box_a) {
@if ACROSS_A
                        for (int j = 0; j < ${WGS}; j++)
                            copy_box(local_at(to_a) + j * 8192, map_a, (int)m0 + j * 64, (int)k0, (int)matrix, arrived);
@else
                        copy_box(local_at(to_a), map_a, (int)k0, (int)m0, (int)matrix, arrived);
@end
                    }
                    if (box_b) {
@for p pair
@let TO p*BC*128
@let FROM p ? 'b1' : 'b0'
@if PANELS
                        for (int j = 0; j < ${BC/64}; j++)
                            copy_box(local_at(to_b) + j * 8192, map_b, 0, (int)k0, (int)(b0 / 64) + j, arrived);
@elif !ACROSS_B
                        copy_box(local_at(to_b) + ${TO}, map_b, (int)k0, (int)${FROM}, (int)matrix, arrived);
@else
                        for (int j = 0; j < ${BC/64}; j++)
                            copy_box(local_at(to_b) + ${TO} + j * 8192, map_b, (int)${FROM} + j * 64, (int)k0, (int)matrix, arrived);
@end
@end
                    }
                }
                if (!box_a) {
                    const __global ${T} *from = in_a + matrix * ${HEIGHT_A} * ${LDA};
@if ACROSS_A
                    for (int e = lid; e < ${8*BM}; e += 128) {
                        const int l = e / ${BM/8}, i = e % ${BM/8} * 8;
                        const long row = m0 + i;
                        const vec8 v = load8_${dtype}_upto(from, (ulong)(k0 + l) * ${LDA} + row, k0 + l < ${k} ? ${m} - row : 0);
                        put_part(to_a + i / 64 * 8192, l, i % 64 / 8, v);
                    }
@else
                    for (int e = lid; e < ${8*BM}; e += 128) {
                        const int i = e / 8, part = e % 8;
                        const long row = m0 + i, col = k0 + part * ${P};
                        const vec${P} v = load${P}_${dtype}_upto(from, (ulong)row * ${LDA} + col, row < ${m} ? ${k} - col : 0);
                        put_part(to_a, i, part, v);
                    }
@end
                }
                if (!box_b) {
@if PANELS
                    for (int e = lid; e < ${8*BN}; e += 128) {
                        const int l = e % 512 / 8, part = e % 8, j = e / 512;
                        vec8 v = (vec8)(0.0f);
                        if (k0 + l < ${k} && b0 + j * 64 < ${columns})
                            v = load8_${dtype}(b, (((ulong)b0 / 64 + j) * ${padded_k} + k0 + l) * 64 + part * 8);
                        put_part(to_b + j * 8192, l, part, v);
                    }
@elif !ACROSS_B
                    const __global ${T} *from = in_b + matrix * ${HEIGHT_B} * ${LDB};
                    for (int e = lid; e < ${8*BN}; e += 128) {
                        const int j = e / 8, part = e % 8;
                        const long row = ${B_ROW}, col = k0 + part * ${P};
                        const vec${P} v = load${P}_${dtype}_upto(from, (ulong)row * ${LDB} + col, row < ${columns} ? ${k} - col : 0);
                        put_part(to_b, j, part, v);
                    }
@else
                    const __global ${T} *from = in_b + matrix * ${HEIGHT_B} * ${LDB};
                    for (int e = lid; e < ${8*BN}; e += 128) {
                        const int l = e / ${BN/8}, j = e % ${BN/8} * 8;
                        const long col = ${B_ROW};
                        const vec8 v = load8_${dtype}_upto(from, (ulong)(k0 + l) * ${LDB} + col, k0 + l < ${k} ? ${columns} - col : 0);
                        put_part(to_b + j / 64 * 8192, l, j % 64 / 8, v);
                    }
@end
                }
                if (!boxes)
                    publish_local();
                arrive(arrived);
                if (++stage == ${STAGES}) {
                    stage = 0;
                    turn++;
                }
            }
        }
        return;
    }

@if WGS > 1
    asm volatile("/*@sm_90a setmaxnreg.inc.sync.aligned.u32 ${GOT}; @*/");
@end
    const int part = lid / 128 - 1, lane = lid & 31, quad = lane & 3;
    uint stage = 0, turn = 0;
    for (ulong ${SPLIT > 1 ? 'item' : 'index'} = get_group_id(0); ${SPLIT > 1 ? 'item' : 'index'} < ${ALL}; ${SPLIT > 1 ? 'item' : 'index'} += get_num_groups(0)) {
@if SPLIT > 1
            const ulong index = item / shares, share = item % shares;
            const long k_from = (long)share * ${KPART}, k_to = min(k_from + ${KPART}, (long)${k});
@end
@include tile_bands.cl
@if SPLIT == 1
        const ulong c0 = matrix * ${m} * ${ldc};
@end
        float sum[${BN/2}];
        uint before = 0;
        #pragma unroll
        for (int i = 0; i < ${BN/2}; i++)
            sum[i] = 0.0f;
        for (long k0 = ${SPLIT > 1 ? 'k_from' : '0'}; k0 < ${SPLIT > 1 ? 'k_to' : k}; k0 += ${DEPTH}) {
            const uint at = local_at(blocks) + stage * ${A_BYTES+B_BYTES};
            const ulong rows = describe(at + part * 8192, (ulong)${ACROSS_A ? 512 : 1} ${FIELDS});
            const ulong cols = describe(at + ${A_BYTES}, (ulong)${ACROSS_B ? 512 : 1} ${FIELDS});
            wait_phase(local_at(full + stage), turn & 1);
            asm volatile("/*@sm_90a wgmma.fence.sync.aligned; @*/" ::: "memory");
            #pragma unroll
            for (int l = 0; l < 4; l++) {
                asm volatile("/*@sm_90a {.reg .pred p; setp.eq.u32 p, 0, 0; "
                             "wgmma.mma_async.sync.aligned.m64n${BN}k${DEPTH/4}.f32.${tf32 ? 'tf32.tf32' : dtype == 'f16' ? 'f16.f16' : 'bf16.bf16'} {"
@for i BN/2
                             "%${i}${i < BN/2 - 1 ? ', ' : ''}"
@end
                             "}, %${BN/2}, %${BN/2+1}, p, 1, 1${tf32 ? '' : trans_a ? ', 1' : ', 0'}${tf32 ? '' : trans_b ? ', 0' : ', 1'};} @*/"
                             :
@for i BN/2
                             "+f"(sum[${i}])${i < BN/2 - 1 ? ',' : ''}
@end
                             : "l"(rows + l * ${ACROSS_A ? 128 : 2}), "l"(cols + l * ${ACROSS_B ? 128 : 2}));
            }
            asm volatile("/*@sm_90a wgmma.commit_group.sync.aligned; @*/" ::: "memory");
            asm volatile("/*@sm_90a wgmma.wait_group.sync.aligned 1; @*/" ::: "memory");
            if (k0 > ${SPLIT > 1 ? 'k_from' : '0'} && lane == 0)
                arrive(before);
            before = local_at(empty + stage);
            if (++stage == ${STAGES}) {
                stage = 0;
                turn++;
            }
        }
        asm volatile("/*@sm_90a wgmma.wait_group.sync.aligned 0; @*/" ::: "memory");
        if (lane == 0)
            arrive(before);

@if SPLIT > 1
        __global float *to = parts + (share * ${batch} + matrix) * ${m} * ${PITCH};
        #pragma unroll
        for (int i = 0; i < ${BN/4}; i++) {
            const long row = m0 + part * 64 + lid % 128 / 32 * 16 + lane / 4 + i % 2 * 8;
@if pair == 2 && gate == 'split'
            const long at = n0 + (i / 2 % ups) * 8 + quad * 2, col = i / 2 < ups ? at : at + ${n};
            if (row < ${m} && at < ${n})
@else
            const long col = ${pair} * n0 + i / 2 * 8 + quad * 2;
            if (row < ${m} && col < ${columns})
@end
                *(__global float2 *)(to + row * ${PITCH} + col) = (float2)(sum[i * 2], sum[i * 2 + 1]);
        }
@else
@let STRIPS 1
@let COLS BC
@let ROW0 'm0 + part * 64 + lid % 128 / 32 * 16'
@let COL0 'n0'
@let OF 'm0 / tile_rows * warps + lid / 32 - 4'
@let SUM 'sum'
@let HALF 'h'
        if (m0 + ${BM} <= ${m} && n0 + ${BC} <= ${n}) {
@let WHOLE 1
@include matmul_sums_store.cl
        } else {
@let WHOLE 0
@include matmul_sums_store.cl
        }
@end
    }
}
