@# The ${R} queries of one head that a group takes: which they are, and where they, their keys and
@# their rows of lse start. i0 is the first one's position among the keys.
    const ulong tiles = ${ceildiv(seq_q,R)};
@if causal
    /* Those that see most go first. */
    const ulong tile = tiles - 1 - get_group_id(0) % tiles;
@else
    const ulong tile = get_group_id(0) % tiles;
@end
    const ulong head = get_group_id(0) / tiles % ${heads};
    const ulong matrix = get_group_id(0) / tiles / ${heads};
    const long row0 = (long)tile * ${R};
    const long i0 = row0 + ${seq_k} - ${seq_q};
    const int rows = (int)min((long)${R}, ${seq_q} - row0);
    const ulong q0 = ((matrix * ${seq_q} + row0) * ${heads} + head) * ${head_dim};
    const ulong k0 = (matrix * ${seq_k} * ${kv_heads} + head / ${group}) * ${head_dim};
    const ulong l0 = (matrix * ${heads} + head) * ${seq_q} + row0;
