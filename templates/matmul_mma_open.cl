@# Where tile number `coming` is copied from, and the copies of its first ${STAGES - 1} blocks.
                const ulong index = coming;
@include tile_bands.cl
                const long b0 = ${pair == 2 && !SPLIT ? '2 * n0' : 'n0'};
@for o 2
@include matmul_mma_operand.cl
                const __global ${T} *tile_${X} = in_${X} + matrix * ${o ? packed ? 0 : trans_b ? columns : k : trans_a ? k : m} * ${o && packed ? 0 : LD};
@if ALONG
                from_${X} = (ulong)(tile_${X} + (ulong)(${o ? 'b0' : 'm0'} + row_${X}) * ${LD} + part_${X} * ${E});
@if !WHOLE_ROWS
                left_${X} = (int)clamp(${o ? SPLIT ? n : columns : m} - ${o ? 'b0' : 'm0'} - row_${X}, 0L, (long)${EDGE});
@end
@else
                const long first_${X} = ${o ? 'b0' : 'm0'} + part_${X} * ${E}${o && SPLIT ? ' + (part_b < half_parts ? 0 : to_ups)' : ''};
@if o && packed
                from_b = (ulong)(tile_b + ((ulong)(first_b / 64) * ${padded_k} + row_b) * 64 + first_b % 64);
                bytes_b = first_b < ${columns} ? 16 : 0;
@else
                from_${X} = (ulong)(tile_${X} + (ulong)row_${X} * ${LD} + first_${X});
                bytes_${X} = (int)clamp(${o ? columns : m} - first_${X}, 0L, ${E}L) * ${ES};
@end
@end
@end
                l0 = 0;
                write_at = blocks_at;
@let PIECES 1
@let l 0
                for (int s = 0; s < ${STAGES - 1}; s++) {
@include matmul_mma_copy.cl
                    close_copies();
                    l0 += ${BK};
                    write_at += ${A_BYTES+B_BYTES};
                }
