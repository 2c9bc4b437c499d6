@# A part of a kernel: s = products of the queries and a block of keys, under way.
            asm volatile("/*@sm_90a {.reg .pred p; .reg .b64 a, b; wgmma.fence.sync.aligned; "
@for l ceildiv(head_dim,16)
                         "add.s64 a, %${BK/2}, ${l/4*BQ*8+l%4*2}; add.s64 b, %${BK/2+1}, ${l/4*BK*8+l%4*2}; "
                         "setp.${l ? 'eq' : 'ne'}.u32 p, 0, 0; "
                         "wgmma.mma_async.sync.aligned.m64n${BK}k16.f32.${dtype}.${dtype} {"
@for i BK/2
                         "%${i}${i < BK/2 - 1 ? ', ' : ''}"
@end
                         "}, a, b, p, 1, 1, 0, 0; "
@end
                         "wgmma.commit_group.sync.aligned;} @*/"
                         :
@for i BK/2
                         "=f"(s[${i}])${i < BK/2 - 1 ? ',' : ''}
@end
                         : "l"(of_q), "l"(describe(local_at(k_blocks) + keys % ${STAGES} * ${KV_BYTES}, (ulong)1 ${FIELDS}))
                         : "memory");
