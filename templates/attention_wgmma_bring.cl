@# A part of a kernel: brings in what every tile of a group reads, HAND: by hand.
        uint keys = 0, values = 0;
        uint index;
        for (uint turn = 0; (index = tile_of(turn, unit)) < tiles; turn++) {
@include attention_wgmma_tile.cl
@if DECODE
            const int head = (int)(index / splits % ${kv_heads}) * ${group}, matrix = (int)(index / splits / ${kv_heads});
            const long row0 = 0;
@end
            const int kv_head = head / ${group};
            wait_phase(local_at(empty + ${Q}), ~turn & 1);
@if HAND
            const __global ${T} *const from = q + (((ulong)matrix * ${seq_q} + row0) * ${heads} + head) * ${head_dim};
@if DECODE
            for (int h = 0; h < ${group}; h++)
                bring_by_hand(blocks, ${BQ}, h * ${seq_q}, from + h * ${head_dim}, ${seq_q}, 0, ${seq_q}, ${OWN_STRIDE}, lid);
@else
            bring_by_hand(blocks, ${BQ}, 0, from, ${BQ}, (int)max(0L, -row0), ${BQ}, ${OWN_STRIDE}, lid);
@end
            publish_local();
            arrive(local_at(full + ${Q}));
@else
            bring_boxes(local_at(blocks), ${BQ}, map_q, ${Q_ROWS}, (int)row0, head, matrix, local_at(full + ${Q}));
@end
            for (int block = count; block >= 0; block--) {
@for i 2
@let X i ? 'v' : 'k'
@let SEQ i ? 'values' : 'keys'
                if (block ${i ? '< count' : '> 0'}) {
                    const uint stage = ${SEQ} % ${STAGES}, arrived = local_at(full + ${i*V} + stage);
                    const long row = j_begin + (long)(block${i ? '' : ' - 1'}) * ${BK};
                    wait_phase(local_at(empty + ${i*V} + stage), ~(${SEQ} / ${STAGES}) & 1);
@if HAND
                    bring_by_hand(${X}_blocks + stage * ${KV_BYTES}, ${BK}, 0,
                                  ${X} + (((ulong)matrix * ${seq_k} + row) * ${kv_heads} + kv_head) * ${head_dim}, ${BK}, 0,
                                  (int)clamp(${seq_k} - row, 0L, ${BK}L), ${MET_STRIDE}, lid);
                    publish_local();
                    arrive(arrived);
@else
                    bring_boxes(local_at(${X}_blocks) + stage * ${KV_BYTES}, ${BK}, map_${X}, ${BK}, (int)row, kv_head, matrix,
                                arrived);
@end
                    ${SEQ}++;
                }
@end
            }
        }
