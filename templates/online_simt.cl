@# What softmax and cross_entropy share: the largest of a work-item's values and the sum of
@# exponentials below it. Wants FACTOR.
/* What exponents are relative to: a row of -inf only has a sum of 0, not NaN. */
static float base_of(float top)
{
    return top == -INFINITY ? 0.0f : top;
}

/* Takes four values more; those that are not there are -inf. */
static void absorb4(float *top, float *sum, const float *v)
{
    const float most = fmax(fmax(v[0], v[1]), fmax(v[2], v[3]));
    if (most > *top) {
        *sum *= exp(${FACTOR} * (*top - most));
        *top = most;
    }
    const float base = base_of(*top);
    *sum += exp(${FACTOR} * (v[0] - base)) + exp(${FACTOR} * (v[1] - base)) +
            exp(${FACTOR} * (v[2] - base)) + exp(${FACTOR} * (v[3] - base));
}

