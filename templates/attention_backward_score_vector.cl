@# From s = scale q k and dp = dout v, with the rows' l = lse and d = delta, to the weight p and to ds, the
@# gradient of s; both 0 of what is masked.
@include attention_score_vector.cl
                const vec${W} weight = weight_of(s, l);
                const int${W} none = (weight == 0.0f) | (l == -INFINITY);
                const vec${W} p = none ? (vec${W})(0.0f) : weight;
@if softcap > 0
                const vec${W} ds = none ? (vec${W})(0.0f) : p * (dp - d) * (1.0f - t * t);
@else
                const vec${W} ds = none ? (vec${W})(0.0f) : p * (dp - d);
@end
