@# Piece l of ${PIECES} of the copies of the block from l0 on, into the stage at write_at; with the last, what the
@# copies are made from moves on.
@if l == 0
            const int depth = (int)clamp(${k} - l0, 0L, (long)${BK});
@for o 2
@include matmul_mma_operand.cl
@if ALONG
            const int bytes_${X} = clamp(depth - part_${X} * ${E}, 0, ${E}) * ${ES};
@end
@end
@end
@for o 2
@include matmul_mma_operand.cl
            #pragma unroll
            for (int p = ${l*PASSES/PIECES}; p < ${(l+1)*PASSES/PIECES}; p++)
@if ALONG && o && SPLIT
                copy16(write_at + write_b + p * ${RS*PITCH}, from_b + p * pass_b + (p < ${PASSES/2} ? 0 : ups_from),
@if WHOLE_ROWS
                       bytes_b);
@else
                       p % ${PASSES/2} * ${RS} < left_b ? bytes_b : 0);
@end
@elif ALONG
                copy16(write_at + write_${X} + p * ${RS*PITCH}, from_${X} + p * pass_${X},
@if WHOLE_ROWS
                       bytes_${X});
@else
                       p * ${RS} < left_${X} ? bytes_${X} : 0);
@end
@else
                copy16(((write_at + write_${X}) ^ (p * ${RS} % ${ES == 4 ? 4 : 8} * ${ES == 4 ? 32 : 16})) + p * ${RS*PITCH},
                       from_${X} + p * pass_${X}, p * ${RS} + row_${X} < depth ? bytes_${X} : 0);
@end
@if l == PIECES - 1
            from_${X} += ${ALONG ? BYTES : BK*ES*LD};
@end
@end
