@# A part of a kernel: until all but the last WAIT products are done. What they have written may be looked at
@# behind the second statement alone, and the block that they have read may go.
            asm volatile("/*@sm_90a wgmma.wait_group.sync.aligned ${WAIT}; @*/" ::: "memory");
@let OF WAIT || DONE == 'scores' ? 's' : 'acc'
@let SEQ OF == 's' ? 'keys' : 'values'
@let OF_COUNT OF == 's' ? BK/2 : head_dim/2
            asm volatile(""
                         :
@for i OF_COUNT
                         "+f"(${OF}[${i}])${i < OF_COUNT - 1 ? ',' : ''}
@end
                         :
                         : "memory");
            if (lane == 0)
                arrive(local_at(empty + ${OF == 's' ? 0 : V} + ${SEQ} % ${STAGES}));
            ${SEQ}++;
