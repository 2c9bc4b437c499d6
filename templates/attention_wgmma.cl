/* o = softmax(scores of q k^T) v and the logarithm of the softmax's sum, lse, on tensor cores.
 *
 * A group stays for tile after tile of ${64*WGS} queries of a head, and goes over the keys that they see, ${BK} at a
 * time, the last first (Dao, "FlashAttention-2", arXiv:2307.08691). Its first 128 work-items bring in the
 * queries, and blocks of k and of v into two rings of ${STAGES} stages; each further 128 have 64 queries, with
 * scores, weights and sums in registers (Shah et al., "FlashAttention-3", arXiv:2407.08608):
 *
 *     s = q k^T of a block     tensor cores begin with it and with
 *     acc += weights v         of the block before, and meanwhile
 *     weights of s             come to be relative to a top that s may have raised.
 *
 *     full[]   the queries, block of k or of v are there       empty[]   they have been read
 *
 * Blocks lie as wgmma wants them: in parts of 64 columns, whose rows of 128 bytes have their 16-byte parts
 * exchanged by the row's number modulo 8. Scores are in base 2.
 */
@let BQ 64*WGS
@let Q_ROWS DECODE ? seq_q*group : BQ
@let PARTS ceildiv(head_dim,64)
@let Q_BYTES PARTS*BQ*128
@let KV_BYTES PARTS*BK*128
@let T dtype == 'f16' ? 'half' : 'ushort'
@let OWN_STRIDE heads*head_dim
@let MET_STRIDE kv_heads*head_dim
@# Where raw products are no scores: what they become is computed before the largest is looked for.
@let SCORED softcap > 0 || alibi || scale < 0
@let SCALE_2 scale*1.4426950408889634
@# Which of the queries from i0 on a work-item's rows h = 0, 1 are; rows of one head after the other, for a few.
@let QUERY DECODE ? '(own + h * 8) % ' : 'own + h * 8'
@let BACKWARD 0
@let BASE_2 1
@let RANK 4
@let DEPTH 64
@include sm90.cl
@include tensor_map.cl
@include attention_mask.cl
@include attention_wgmma_warp.cl

/* Which of all tiles a group does as its number `turn`: pairs of neighbours, if unit is 2. */
static uint tile_of(uint turn, uint unit)
{
    return (turn / unit * (uint)get_num_groups(0) + (uint)get_group_id(0)) * unit + turn % unit;
}

@if alibi
static float slope_of(int head)
{
    return alibi_slope((uint)head) * 1.44269504f;
}

@end
/* Rows from `row' on: by boxes, from one work-item. A part of the block has `pitch' rows. */
static void bring_boxes(uint to, int pitch, ulong map, int rows, int row, int head, int matrix, uint arrived)
{
    expect_bytes(arrived, rows * ${PARTS*128});
    #pragma unroll
    for (int j = 0; j < ${PARTS}; j++)
        copy_box(to + j * pitch * 128, map, j * 64, row, head, matrix, arrived);
    arrive(arrived);
}

/* The same of one head by 128 work-items from any address, behind the block's first `at' rows; zeros outside the
 * rows from `first' on, before `stop'. */
static void bring_by_hand(__local uchar *to, int pitch, int at, const __global ${T} *from, int rows, int first,
                          int stop, int stride, int lid)
{
    for (int e = lid; e < rows * ${PARTS*8}; e += 128) {
        const int row = e / ${PARTS*8}, part = e % ${PARTS*8};
        ushort8 v = (ushort8)(0);
        if (row >= first && row < stop && part < ${head_dim/8})
            v = get8(from + (ulong)row * stride + part * 8);
        *(__local uint4 *)(to + (part / 8 * pitch + at + row) * 128 + (((part ^ (at + row)) & 7) << 4)) = as_uint4(v);
    }
}

@include gather_columns.cl

${signature}
{
${offsets}
    __local uchar blocks[${Q_BYTES+2*STAGES*KV_BYTES}] __attribute__((aligned(1024)));
    __local ulong full[${2*STAGES+1}], empty[${2*STAGES+1}];
    __local float map_words[96] __attribute__((aligned(128)));
@# Barriers: blocks of k, of v, the queries.
@let V STAGES
@let Q 2*STAGES
    __local uchar *const k_blocks = blocks + ${Q_BYTES}, *const v_blocks = k_blocks + ${STAGES*KV_BYTES};
    const int lid = (int)get_local_id(0);
@if DECODE
    const uint splits = (uint)(${SPLITS});
    const uint tiles = splits * ${kv_heads} * (uint)${batch};
@else
    const uint tiles_q = (uint)${ceildiv(seq_q,BQ)};
    const uint tiles = tiles_q * ${heads} * (uint)${batch};
@end
@if causal && !DECODE
    /* Tiles that see much and that see little alternate, and a pair of them is a group's share. */
    const uint unit = tiles >= 2 * (uint)get_num_groups(0) ? 2 : 1;
@else
    const uint unit = 1;
@end
    /* Copies by box want addresses of whole 16 bytes and 32-bit sizes. */
    const int boxes = max(max((long)${seq_q}, (long)${seq_k}), (long)${batch}) <= 0x7fffffffL
                      && (((ulong)q | (ulong)k | (ulong)v) & 15) == 0;

    maps += get_group_id(0) * 96;
    const ulong map_q = (ulong)maps, map_k = (ulong)(maps + 32), map_v = (ulong)(maps + 64);
    if (boxes && lid < 32) {
        const uint words = local_at(map_words);
        map_words[lid] = 0.0f;
        map_words[lid + 32] = 0.0f;
        map_words[lid + 64] = 0.0f;
        wait_warp();
        if (lid == 0) {
            make_map(words, (ulong)q, ${head_dim}, ${seq_q}, ${heads}, ${batch}, ${2*OWN_STRIDE}, ${2*head_dim},
                     ${2*OWN_STRIDE} * (ulong)${seq_q}, ${DECODE ? seq_q : BQ}, ${DECODE ? group : 1});
@for i 2
            make_map(words + ${128*(i+1)}, (ulong)${i ? 'v' : 'k'}, ${head_dim}, ${seq_k}, ${kv_heads}, ${batch}, ${2*MET_STRIDE},
                     ${2*head_dim}, ${2*MET_STRIDE} * (ulong)${seq_k}, ${BK}, 1);
@end
        }
        wait_warp();
        place_map(maps, words);
        place_map(maps + 32, words + 128);
        place_map(maps + 64, words + 256);
    }
    if (lid == 0) {
        for (int s = 0; s < ${2*STAGES+1}; s++) {
            init_barrier(local_at(full + s), boxes ? 1 : 128);
            init_barrier(local_at(empty + s), ${4*WGS});
        }
        publish_local();
    }
    barrier(CLK_LOCAL_MEM_FENCE);

@# Registers move from those who bring in to those who multiply: of 65,536, in steps of 8.
    if (lid < 128) {
@if WGS > 1
        asm volatile("/*@sm_90a setmaxnreg.dec.sync.aligned.u32 ${WGS == 3 ? 32 : 56}; @*/");
@end
        if (!boxes) {
@let HAND 1
@include attention_wgmma_bring.cl
        } else if (lid == 0) {
            acquire_map(map_q);
            acquire_map(map_k);
            acquire_map(map_v);
@let HAND 0
@include attention_wgmma_bring.cl
        }
        return;
    }

@if WGS > 1
    asm volatile("/*@sm_90a setmaxnreg.inc.sync.aligned.u32 ${WGS == 3 ? 160 : 224}; @*/");
@end
    const int part = lid / 128 - 1, lane = lid & 31, quad = lane & 3;
    const int own = part * 64 + lid % 128 / 32 * 16 + lane / 4;
    const ulong of_q = describe(local_at(blocks) + part * 8192, (ulong)1 ${FIELDS});
    uint keys = 0, values = 0;
    uint index;
@if TURNS > 1
    /* Tensor cores serve one part after the other: the others compute weights meanwhile. */
    if (part == ${WGS-1})
        asm volatile("bar.arrive 1, 256;" ::: "memory");
@end
    for (uint turn = 0; (index = tile_of(turn, unit)) < tiles; turn++) {
@include attention_wgmma_tile.cl
@if DECODE
        const long i_first = i0;
@else
        const long i_first = i0 + part * 64;
@end
@if WGS > 2
        /* Blocks that others of the tile alone see come first. */
        const int shared = (int)clamp((stop_key(i_first + 63, ${seq_k}) - j_begin + ${BK-1}) / ${BK}, 1L, (long)count);
@else
        const int shared = count;
@end
@if alibi && DECODE
        const int head = (int)(index / splits % ${kv_heads}) * ${group};
        const float slope[2] = {slope_of(head + own / ${seq_q}), slope_of(head + (own + 8) / ${seq_q})};
@elif alibi
        const float slope[2] = {slope_of(head), slope_of(head)};
@end
        float s[${BK/2}], acc[${head_dim/2}], top[2], sum[2], shrink[2];
        uint weights[${BK/4}];
        #pragma unroll
        for (int i = 0; i < ${head_dim/2}; i++)
            acc[i] = 0.0f;
        top[0] = top[1] = -INFINITY;
        sum[0] = sum[1] = 0.0f;

        wait_phase(local_at(full + ${Q}), turn & 1);
@if WGS > 2
        for (int block = count; block > shared; block--) {
@if TURNS > 1
            asm volatile("bar.sync %0, 256;" ::"r"(1 + part) : "memory");
            asm volatile("bar.arrive %0, 256;" ::"r"(part == ${WGS-1} ? 1 : 2 + part) : "memory");
@end
            wait_phase(local_at(full + keys % ${STAGES}), keys / ${STAGES} & 1);
            wait_phase(local_at(full + ${V} + values % ${STAGES}), values / ${STAGES} & 1);
            if (lane == 0) {
                arrive(local_at(empty + keys % ${STAGES}));
                arrive(local_at(empty + ${V} + values % ${STAGES}));
            }
            keys++;
            values++;
        }
@end
        wait_phase(local_at(full + keys % ${STAGES}), keys / ${STAGES} & 1);
@include attention_wgmma_scores.cl
@let WAIT 0
@let DONE 'scores'
@include attention_wgmma_wait.cl
        long j0 = j_begin + (long)(shared - 1) * ${BK};
@include attention_wgmma_softmax.cl
@include attention_wgmma_weights.cl
        for (int block = shared - 1; block > 0; block--) {
            j0 -= ${BK};
            wait_phase(local_at(full + keys % ${STAGES}), keys / ${STAGES} & 1);
@if TURNS > 1
            asm volatile("bar.sync %0, 256;" ::"r"(1 + part) : "memory");
@end
@include attention_wgmma_scores.cl
            wait_phase(local_at(full + ${V} + values % ${STAGES}), values / ${STAGES} & 1);
@include attention_wgmma_sums.cl
@if TURNS > 1
            asm volatile("bar.arrive %0, 256;" ::"r"(part == ${WGS-1} ? 1 : 2 + part) : "memory");
@end
@let WAIT 1
@include attention_wgmma_wait.cl
@include attention_wgmma_softmax.cl
@let WAIT 0
@let DONE 'sums'
@include attention_wgmma_wait.cl
            if (any_of_warp(shrink[0] != 1.0f || shrink[1] != 1.0f)) {
                #pragma unroll
                for (int i = 0; i < ${head_dim/2}; i++)
                    acc[i] *= shrink[i >> 1 & 1];
            }
@include attention_wgmma_weights.cl
        }
        if (lane == 0)
            arrive(local_at(empty + ${Q}));
        wait_phase(local_at(full + ${V} + values % ${STAGES}), values / ${STAGES} & 1);
@include attention_wgmma_sums.cl
@let WAIT 0
@include attention_wgmma_wait.cl
@if DECODE
@include attention_wgmma_part.cl
@else
@include attention_wgmma_store.cl
@end
    }
}
