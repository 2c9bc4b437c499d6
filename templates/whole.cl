/* hi + lo; of an infinite hi, or NaN, nothing is lacking. */
static float whole_of(float hi, float lo)
{
    return isfinite(hi) ? hi + lo : hi;
}

