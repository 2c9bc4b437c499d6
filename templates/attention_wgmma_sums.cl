@# A part of a kernel: acc += weights and a block of values, under way.
            asm volatile("/*@sm_90a {.reg .pred p; .reg .b64 b; wgmma.fence.sync.aligned; setp.eq.u32 p, 0, 0; "
@for l BK/16
                         "add.s64 b, %${head_dim/2+BK/4}, ${l*128}; "
                         "wgmma.mma_async.sync.aligned.m64n${head_dim}k16.f32.${dtype}.${dtype} {"
@for i head_dim/2
                         "%${i}${i < head_dim/2 - 1 ? ', ' : ''}"
@end
                         "}, {%${head_dim/2+4*l}, %${head_dim/2+4*l+1}, %${head_dim/2+4*l+2}, %${head_dim/2+4*l+3}}, b, p, 1, 1, 1; "
@end
                         "wgmma.commit_group.sync.aligned;} @*/"
                         :
@for i head_dim/2
                         "+f"(acc[${i}])${i < head_dim/2 - 1 ? ',' : ''}
@end
                         :
@for i BK/4
                         "r"(weights[${i}]),
@end
                         "l"(describe(local_at(v_blocks) + values % ${STAGES} * ${KV_BYTES}, (ulong)${BK*8} ${FIELDS}))
                         : "memory");
