@# One step of AdamW for a vector of ${W} elements.
/* g has been clipped; m, v and p are the old ones and become the new. */
static void adamw_step${W}(vec${W} g, vec${W} *m, vec${W} *v, vec${W} *p, float beta1, float rest1,
                         float beta2, float rest2, float rate, float root_scale, float eps,
                         float decay)
{
    *m = beta1 * *m + rest1 * g;
    *v = beta2 * *v + rest2 * g * g;
    *p -= rate * *m / (sqrt(*v) * root_scale + eps) + decay * *p;
}

