@# From s = scale q k, a vector of scores, to what the softmax sees. ahead: i - j of its first lane, and
@# STEP, 1 or -1, what it changes by from lane to lane; slope: the head's, of ALiBi.
@if softcap > 0
                const vec${W} t = tanh_of(s * ${1/softcap});
                s = ${softcap} * t;
@end
@if causal || window || alibi
@let LANE W == 16 ? '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15' : W == 8 ? '0, 1, 2, 3, 4, 5, 6, 7' : '0, 1, 2, 3'
                const int${W} distance = ahead ${STEP > 0 ? '+' : '-'} (int${W})(${LANE});
@end
@if alibi
                s -= slope * convert_float${W}(abs(distance));
@end
@if causal
                s = distance < 0 ? (vec${W})(-INFINITY) : s;
@end
@if window
                s = abs(distance) >= ${window}u ? (vec${W})(-INFINITY) : s;
@end
