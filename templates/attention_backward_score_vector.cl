@# From s = scale q k and dp = dout v, with the rows' l = lse and d = delta, to the weight p and to ds, the
@# gradient of s. Both are -0 where no part is to be taken (add_rows), and never -0 elsewhere.
@include attention_score_vector.cl
                const vec${W} weight = weight_of(s, l);
@if causal || window
                const int${W} none = hidden | (l == -INFINITY);
@else
                const int${W} none = l == -INFINITY;
@end
                const vec${W} p = none ? (vec${W})(-0.0f) : weight;
@if softcap > 0
                const vec${W} ds = none ? (vec${W})(-0.0f) : p * (dp - d) * slope_of_tanh(capped) + 0.0f;
@else
                const vec${W} ds = none ? (vec${W})(-0.0f) : p * (dp - d) + 0.0f;
@end
