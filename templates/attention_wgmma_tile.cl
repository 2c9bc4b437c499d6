@# A part of a kernel: which queries the tile `index` has, and the blocks of keys that they see, count from
@# j_begin on, one at least.
@if DECODE
            /* The queries of all heads that share keys, and a share of these. */
            const uint share = index % splits;
            const long i0 = ${seq_k} - ${seq_q};
            const long first = first_key(i0) / ${BK};
            const ulong all = (ulong)max(1L, (stop_key((long)${seq_k} - 1, ${seq_k}) + ${BK-1}) / ${BK} - first);
            const long begin = all * share / splits;
            /* An empty share has keys that are not there. */
            const int there = (int)(all * (share + 1) / splits - begin), count = max(1, there);
            const long j_begin = there ? (first + begin) * ${BK} : ${roundup(seq_k,BK)};
@else
@if causal
            /* Of a head the last, the first, the one before the last, and so on. */
            const uint place = index % tiles_q;
            const uint tile = place % 2 ? place / 2 : tiles_q - 1 - place / 2;
@else
            const uint tile = index % tiles_q;
@end
            const int head = (int)(index / tiles_q % ${heads}), matrix = (int)(index / tiles_q / ${heads});
            /* Of the first tile, which sees least, rows may be missing. */
            const long row0 = ${seq_q} - (long)(tiles_q - tile) * ${BQ};
            const long i0 = row0 + ${seq_k} - ${seq_q};
            const long j_begin = first_key(max(i0, (long)${seq_k} - ${seq_q})) / ${BK} * ${BK};
            const int count = (int)max(1L, (stop_key(i0 + ${BQ-1}, ${seq_k}) - j_begin + ${BK-1}) / ${BK});
@end
