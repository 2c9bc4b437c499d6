@# A part of a kernel: which queries the tile `index` has, and the blocks of keys that they see, count from
@# j_begin on, one at least.
@if causal
            /* Of a head the last, the first, the one before the last, and so on. */
            const ulong place = index % tiles_q;
            const ulong tile = place % 2 ? place / 2 : tiles_q - 1 - place / 2;
@else
            const ulong tile = index % tiles_q;
@end
            const int head = (int)(index / tiles_q % ${heads}), matrix = (int)(index / tiles_q / ${heads});
            const int kv_head = head / ${group};
            const long row0 = (long)tile * ${BQ};
            const long i0 = row0 + ${seq_k} - ${seq_q};
            const long j_begin = first_key(i0) / ${BK} * ${BK};
            const long j_end = stop_key(min(i0 + ${BQ-1}, (long)${seq_k} - 1), ${seq_k});
            const int count = (int)max(1L, (j_end - j_begin + ${BK-1}) / ${BK});
