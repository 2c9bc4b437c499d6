@# From s = scale q k, a vector of scores, to what the softmax sees, and which of them are hidden.
@# ahead: i - j of the first lane, and STEP, 1 or -1, what it changes by from lane to lane; slope:
@# the head's, of ALiBi.
@if softcap > 0
                const vec${W} capped = s * ${1/softcap};
                s = ${softcap} * tanh_of(capped);
@end
@if causal || window || alibi
@let LANE W == 16 ? '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15' : W == 8 ? '0, 1, 2, 3, 4, 5, 6, 7' : '0, 1, 2, 3'
                const int${W} distance = ahead ${STEP > 0 ? '+' : '-'} (int${W})(${LANE});
@end
@if alibi
                s -= slope * convert_float${W}(abs(distance));
@end
@if causal && window
                const int${W} hidden = (distance < 0) | (abs(distance) >= ${window}u);
@elif causal
                const int${W} hidden = distance < 0;
@elif window
                const int${W} hidden = abs(distance) >= ${window}u;
@end
@if causal || window
                s = hidden ? (vec${W})(-INFINITY) : s;
@end
