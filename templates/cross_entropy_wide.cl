@# Vectors of a row that every work-item keeps in local memory.
@let EACH known(vocab) ? min(ROOM/(16*WG),ceildiv(vocab,W*WG)) : ROOM/(16*WG)
@let KEPT EACH*WG
/* loss = lse - (1-s) logit[target] - s mean(logits) + z lse^2${dlogits ? ', and dlogits,' : ''} of each token, on a GPU.
 *
 * A group of ${WG} takes a row. A work-item takes ${W} logits at a time, 16 bytes, ${WG*W} apart: the largest so
 * far and the sum of exponentials below it. What stands in front of the first address of whole 16
 * bytes, and behind the last, is one element each of the first work-items.
@if dlogits
 * For their gradient the first ${KEPT*W} logits wait in local memory; the others are read once more, the last
 * first, since they are in the cache.
@end
 */
@# NVIDIA's is off by two units of the last place, and by as many as log2(e) x has.
@let EXP SM >= 80 ? 'native_exp' : 'exp'
@let LARGEST 1
@let EXACT 0
@let T label_smoothing != 0 ? 'float2' : 'float'
@include reduce_wide.cl
@include cross_entropy_loss.cl
/* What exponents are relative to: a row of -inf only has a sum of 0, not NaN. */
static float base_of(float top)
{
    return top == -INFINITY ? 0.0f : top;
}

@include bits.cl

static float sum_of(vec${W} v)
{
@if W == 8
    const float4 half_sums = v.lo + v.hi;
    return half_sums.s0 + half_sums.s1 + (half_sums.s2 + half_sums.s3);
@else
    return v.s0 + v.s1 + (v.s2 + v.s3);
@end
}

static void absorb(float *top, float *sum, vec${W} v)
{
@if W == 8
    const float4 m = fmax(v.lo, v.hi);
@else
    const float4 m = v;
@end
    const float most = fmax(fmax(m.s0, m.s1), fmax(m.s2, m.s3));
    if (most > *top) {
        *sum *= exp(*top - most);
        *top = most;
    }
    *sum += sum_of(${EXP}(v - base_of(*top)));
}

@if dlogits
static void put_gradient(uint4 bits, __global ${S} *dlogits, ulong i, int whole, int counts, float base,
                         float slope, float spread)
{
    vec${W} d = 0.0f;
    if (counts)
        d = ${EXP}(values_of(bits) - base) * slope - spread;
    if (whole)
        put_whole${W}_${dtype}(d, dlogits, i);
    else
        store${W}_${dtype}(d, dlogits, i);
}

@end
${signature}
{
${offsets}
    __local ${T} lane[${WG}];
@if dlogits
    __local uint4 kept[${max(KEPT,1)}];
@end
    const int lid = (int)get_local_id(0);
    const ulong width = ${vocab};
    const ulong row = get_group_id(0), at = row * width;
    const long target = targets[row];
    const int counts = target != ${ignore_index} && target >= 0 && target < (long)width;
    const float hit = counts ? load1_${dtype}(logits, at + target) : 0.0f;
    /* head elements, whole vectors, a few elements; edge: the one of the first or last that is mine. */
    const int head = (int)min((-(ulong)(logits + at) & 15) / ${16/W}, width);
    const int vectors = (int)((width - head) / ${W});
    const int tail = (int)((width - head) % ${W});
    const long edge = lid < head ? lid : lid < head + tail ? (long)(width - tail + lid - head) : -1;
    const ulong body = at + head;
    const __global uint4 *from = (const __global uint4 *)(logits + body);
    float top = -INFINITY, sum = 0.0f, plain = 0.0f;
    vec${W} lone = -INFINITY;
    if (edge >= 0) {
        lone.s0 = load1_${dtype}(logits, at + edge);
        plain = lone.s0;
    }
    absorb(&top, &sum, lone);
    int k = lid;
@for single 2
@let U single ? 1 : 4
    for (; k + ${(U - 1)*WG} < vectors; k += ${U*WG}) {
        uint4 bits[${U}];
        #pragma unroll
        for (int u = 0; u < ${U}; u++)
            bits[u] = from[k + u * ${WG}];
        #pragma unroll
        for (int u = 0; u < ${U}; u++) {
            const vec${W} v = values_of(bits[u]);
@if dlogits
            if (k + u * ${WG} < ${KEPT})
                kept[k + u * ${WG}] = bits[u];
@end
@if label_smoothing != 0
            plain += sum_of(v);
@end
            absorb(&top, &sum, v);
        }
    }
@end
    /* The barriers in these also part the reading of hit from the writing of dlogits. */
    const float base = base_of(group_max((__local float *)lane, lid, top));
    sum = top == -INFINITY ? sum : sum * exp(top - base);
@if label_smoothing != 0
    const float2 both = group_sum(lane, lid, (float2)(sum, plain));
    sum = both.x;
    plain = both.y;
@else
    sum = group_sum(lane, lid, sum);
@end
    if (lid == 0) {
        lse[row] = base + log(sum);
        loss[row] = counts ? loss_of(base, sum, plain / (float)width, hit) : 0.0f;
    }
@if dlogits
    const float slope = counts ? grad_scale * slope_of(base, sum) : 0.0f;
    const float spread = counts ? grad_scale * (${label_smoothing} / (float)width) : 0.0f;
    const int whole = ((ulong)(dlogits + body) & 15) == 0;
    const int mine = lid < vectors ? (vectors - 1 - lid) / ${WG} + 1 : 0;
    int i = mine;
@for single 2
@let U single ? 1 : 4
    for (; i - ${U} >= ${EACH}; i -= ${U}) {
        uint4 bits[${U}];
        #pragma unroll
        for (int u = 0; u < ${U}; u++)
            bits[u] = from[lid + (i - 1 - u) * ${WG}];
        #pragma unroll
        for (int u = 0; u < ${U}; u++)
            put_gradient(bits[u], dlogits, body + (ulong)(lid + (i - 1 - u) * ${WG}) * ${W}, whole, counts, base,
                         slope, spread);
    }
@end
    #pragma unroll 4
    for (int e = 0; e < i; e++)
        put_gradient(kept[lid + e * ${WG}], dlogits, body + (ulong)(lid + e * ${WG}) * ${W}, whole, counts, base,
                     slope, spread);
    if (edge >= 0)
        store1_${dtype}(counts ? exp(lone.s0 - base) * slope - spread : 0.0f, dlogits, at + edge);
    /* The target's element by whom its neighbours are from. */
    const long there = target - (long)head;
    if (counts && (target == edge ||
                   (there >= 0 && there / ${W} < vectors && there / ${W} % ${WG} == lid)))
        store1_${dtype}(exp(hit - base) * slope - spread - grad_scale * ${1 - label_smoothing}, dlogits,
                        at + target);
@end
}
