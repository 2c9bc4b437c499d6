@# SwiGLU and its derivatives, and where gate and up stand in a row of x.
@let T dtype == 'f32' ? 'float' : dtype == 'f16' ? 'half' : 'ushort'
@include exp_vector.cl

/* k = 1 for x >= 0, exp(x/2) below, and r = 1/(1 + exp(-|x|)): silu(x) = (x r k) k has no
 * subnormal part before it is subnormal itself. */
static vec${W} swiglu_root${W}(vec${W} gate, vec${W} *r)
{
    const vec${W} h = exp_below${W}(-0.5f * fabs(gate));
    *r = 1.0f / (1.0f + h * h);
    return gate < 0.0f ? h : (vec${W})(1.0f);
}

static vec${W} swiglu${W}(vec${W} gate, vec${W} up)
{
    vec${W} r;
    const vec${W} k = swiglu_root${W}(gate, &r);
    return gate * r * k * up * k;
}

/* silu'(gate) = s (1 + gate (1 - s)), s = r k k. */
static void swiglu_backward${W}(vec${W} dy, vec${W} gate, vec${W} up, vec${W} *dgate, vec${W} *dup)
{
    vec${W} r;
    const vec${W} k = swiglu_root${W}(gate, &r);
    const vec${W} other = 1.0f - r;
    *dgate = dy * k * r * up * fma(gate, gate < 0.0f ? r : other, 1.0f) * k;
    *dup = gate * r * k * dy * k;
}
@if gate == 'interleaved'

/* Pair i of x, gate and up, and the following. */
@# At addresses of whole accesses, too, where there are such.
@let FORMS (W == 8 || W == 4) && !CPU ? 2 : 1
@for form FORMS
@let whole form ? '_whole' : ''
static void load_pairs${W}${whole}(vec${W} *gate, vec${W} *up, __global const ${T} *x, ulong i)
{
@if W == 1
    *gate = load1_${dtype}(x, 2 * i);
    *up = load1_${dtype}(x, 2 * i + 1);
@else
    const vec${W} lo = load${W}_${dtype}${whole}(x, 2 * i), hi = load${W}_${dtype}${whole}(x, 2 * i + ${W});
    *gate = (vec${W})(lo.even, hi.even);
    *up = (vec${W})(lo.odd, hi.odd);
@end
}
@end
@if W > 1

static void load_pairs${W}_part(vec${W} *gate, vec${W} *up, __global const ${T} *x, ulong i,
                              int count)
{
    float gates[${W}], ups[${W}];
    for (int l = 0; l < ${W}; l++) {
        gates[l] = l < count ? load1_${dtype}(x, 2 * (i + l)) : 0.0f;
        ups[l] = l < count ? load1_${dtype}(x, 2 * (i + l) + 1) : 0.0f;
    }
    *gate = vload${W}(0, gates);
    *up = vload${W}(0, ups);
}
@end
@if defined(dx_dtype) || defined(pre_dtype)

@for form FORMS
@let whole form ? '_whole' : ''
static void store_pairs${W}${whole}(vec${W} gate, vec${W} up, __global ${T} *dx, ulong i)
{
@if W == 1
    store1_${dtype}(gate, dx, 2 * i);
    store1_${dtype}(up, dx, 2 * i + 1);
@else
    vec${W} lo, hi;
    lo.even = gate.lo;
    lo.odd = up.lo;
    hi.even = gate.hi;
    hi.odd = up.hi;
    store${W}_${dtype}${whole}(lo, dx, 2 * i);
    store${W}_${dtype}${whole}(hi, dx, 2 * i + ${W});
@end
}
@end
@if W > 1

static void store_pairs${W}_part(vec${W} gate, vec${W} up, __global ${T} *dx, ulong i, int count)
{
    float gates[${W}], ups[${W}];
    vstore${W}(gate, 0, gates);
    vstore${W}(up, 0, ups);
    for (int l = 0; l < count; l++) {
        store1_${dtype}(gates[l], dx, 2 * (i + l));
        store1_${dtype}(ups[l], dx, 2 * (i + l) + 1);
    }
}
@end
@end
@end

