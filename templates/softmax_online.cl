@# What softmax and cross_entropy share on CPUs: the largest value of a row and the sum of
@# exponentials below it in one pass, block by block. Wants SRC_DTYPE, SIGN ('-' where small
@# scores come from large elements), FACTOR (what is left of the scale) and, true or false, SUMMED
@# (the elements' sum too), KEEP (exponentials are kept) and ZEROS (rows of them may be wanted).
@let T SRC_DTYPE == 'f32' ? 'float' : SRC_DTYPE == 'f16' ? 'half' : 'ushort'
@let STEP 16*U
@let W 16
@include exact_sum.cl

@include whole.cl
/* top: what exponents are relative to, about the largest so far, -inf of -inf only; most: the largest
 * so far; sum: of exp(${FACTOR} (v - top)). */
typedef struct {
    float top, most;
    vec16 sum, sum_lost;
@if SUMMED
    vec16 plain, plain_lost;
@end
} online;

/* What exponents are relative to: a row of -inf only has a sum of 0, not NaN. */
static float base_of(float top)
{
    return top == -INFINITY ? 0.0f : top;
}

/* 0 < left: elements that there are. */
static vec16 score(__global const ${T} *p, ulong i, ulong left)
{
    if (left >= 16)
        return ${SIGN}load16_${SRC_DTYPE}(p, i);
    return first_lanes(${SIGN}load16_${SRC_DTYPE}_part(p, i, (int)left), (int)left, -INFINITY);
}

/* Of a row whose count elements begin at p[i]: the first of them tell what exponents are relative to. */
static void start(online *o, __global const ${T} *p, ulong i, ulong count)
{
    o->top = o->most = count > 0 ? largest16(score(p, i, count)) : -INFINITY;
    o->sum = o->sum_lost = (vec16)(0.0f);
@if SUMMED
    o->plain = o->plain_lost = (vec16)(0.0f);
@end
}

@if ZEROS
static void put_zeros(__global ${T} *p, ulong i, ulong count)
{
    ulong j = 0;
    for (; j + 16 <= count; j += 16)
        store16_${SRC_DTYPE}((vec16)(0.0f), p, i + j);
    for (; j < count; j++)
        store1_${SRC_DTYPE}(0.0f, p, i + j);
}

@end
/* Exponents become relative to the largest so far. */
static void lift(online *o)
{
    if (o->most > o->top) {
        const float shrink = exp(${FACTOR} * (o->top - base_of(o->most)));
        o->sum *= shrink;
        o->sum_lost *= shrink;
        o->top = o->most;
    }
}

/* The count elements from p[i] on, the largest and the exponentials at once. Where the largest turns out to be
 * far above what the exponents are relative to, once more, from the cache.
@if KEEP
 * kept: where the exponentials go, unless it is NULL; aligned, room for a multiple of 16. */
static void absorb(online *o, __global const ${T} *p, ulong i, ulong count, __local float *kept)
@else
 */
static void absorb(online *o, __global const ${T} *p, ulong i, ulong count)
@end
{
    vec16 top[${U}], sum[${U}];
@if SUMMED
    vec16 plain[${U}];
@end
    for (;;) {
        const float base = base_of(o->top);
        #pragma unroll
        for (int u = 0; u < ${U}; u++) {
            top[u] = (vec16)(o->most);
            sum[u] = (vec16)(0.0f);
@if SUMMED
            plain[u] = (vec16)(0.0f);
@end
        }
        ulong j = 0;
        for (; j + ${STEP} <= count; j += ${STEP}) {
            #pragma unroll
            for (int u = 0; u < ${U}; u++) {
                const vec16 v = ${SIGN}load16_${SRC_DTYPE}(p, i + j + u * 16);
                const vec16 e = exp_below16(${FACTOR} * (v - base));
                top[u] = larger16(v, top[u]);
                sum[u] += e;
@if SUMMED
                plain[u] += v;
@end
@if KEEP
                if (kept)
                    *(__local vec16 *)(kept + j + u * 16) = e;
@end
            }
        }
        for (; j < count; j += 16) {
            const vec16 v = score(p, i + j, count - j);
            const vec16 e = exp_below16(${FACTOR} * (v - base));
            top[0] = larger16(v, top[0]);
            sum[0] += e;
@if SUMMED
            const int left = (int)min((ulong)16, count - j);
            plain[0] += first_lanes(v, left, 0.0f);
@end
@if KEEP
            if (kept)
                *(__local vec16 *)(kept + j) = e;
@end
        }
        #pragma unroll
        for (int u = 1; u < ${U}; u++) {
            top[0] = larger16(top[u], top[0]);
            sum[0] += sum[u];
@if SUMMED
            plain[0] += plain[u];
@end
        }
        o->most = largest16(top[0]);
        if (!(${FACTOR} * (o->most - o->top) > 32.0f))
            break;
        lift(o);
    }
    add_exactly16(&o->sum, &o->sum_lost, sum[0]);
@if SUMMED
    add_exactly16(&o->plain, &o->plain_lost, plain[0]);
@end
}
