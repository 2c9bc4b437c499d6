@# Sums in two floats, what was rounded off beside the sum: Knuth, The Art of Computer Programming,
@# volume 2, 4.2.2, theorem B.
/* hi + lo += v */
static void add_exactly${W}(vec${W} *hi, vec${W} *lo, vec${W} v)
{
    const vec${W} sum = *hi + v;
    const vec${W} part = sum - *hi;
    *lo += (*hi - (sum - part)) + (v - part);
    *hi = sum;
}
