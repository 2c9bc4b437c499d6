@# A part of a kernel: TO[i][j] = own row y + WG/X i of A times met row x + X j of B, over
@# head_dim, of OWN and MET rows that there are. KEPT: own rows are in local memory already. No
@# function, since PoCL 3.1 miscompiles private arrays handed to functions that have barriers.
        #pragma unroll
        for (int i = 0; i < ${TM}; i++)
            #pragma unroll
            for (int j = 0; j < ${TN}; j++)
                ${TO}[i][j] = 0.0f;
        for (int l0 = 0; l0 < ${head_dim}; l0 += ${DK}) {
@if KEPT
            __local const float *as = own + l0 * ${R + 1};
@else
            __local const float *as = own;
            bring_own(own, ${A}, ${OWN}, l0, lid);
@end
            bring_met(block, ${B}, ${MET}, l0, lid);
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int l = 0; l < ${DK}; l++) {
                float row[${TM}], col[${TN}];
                #pragma unroll
                for (int i = 0; i < ${TM}; i++)
                    row[i] = as[l * ${R + 1} + y + i * ${Y}];
                #pragma unroll
                for (int j = 0; j < ${TN}; j++)
                    col[j] = block[l * ${C + 1} + x + j * ${X}];
                #pragma unroll
                for (int i = 0; i < ${TM}; i++)
                    #pragma unroll
                    for (int j = 0; j < ${TN}; j++)
                        ${TO}[i][j] = fma(row[i], col[j], ${TO}[i][j]);
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
