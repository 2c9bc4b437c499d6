/* The optimiser's kernels. */
#include "reference_kernels.h"
#include <math.h>

void reference_grad_norm(const reference_call *call)
{
    const reference_tensor *g = reference_find(call, "g");
    reference_tensor *sumsq = reference_find(call, "sumsq"), *clip = reference_find(call, "clip");
    double sum = reference_says(call->spec, "accumulate", "1") ? sumsq->values[0] : 0.0;
    for (size_t i = 0; i < g->count; i++)
        sum += g->values[i] * g->values[i];
    sumsq->values[0] = sum;
    if (!clip)
        return;
    if (isfinite(reference_round(KILN_F32, sum)))
        clip->values[0] = fmin(1.0, reference_option(call, "max_norm", 1) / (sqrt(sum) + 1e-6));
    else
        reference_put_equal(clip, 0, 0);
}

typedef struct {
    double lr, beta1, beta2, eps, weight_decay;
    double correct1, correct2; /* 1 - beta^step */
    double clip;
} settings;

static settings settings_of(const reference_call *call)
{
    const reference_tensor *clip = reference_find(call, "clip");
    settings s = {.lr = reference_option(call, "lr", 0),
                  .beta1 = reference_option(call, "beta1", 0),
                  .beta2 = reference_option(call, "beta2", 0),
                  .eps = reference_option(call, "eps", 0),
                  .weight_decay = reference_option(call, "weight_decay", 0),
                  .clip = clip ? clip->values[0] : 1.0};
    double step = (double)reference_integer(call->args, "step", 1);
    s.correct1 = 1.0 - pow(s.beta1, step);
    s.correct2 = 1.0 - pow(s.beta2, step);
    return s;
}

/* Nothing changes: moments and parameter keep their bits, and param_out is the parameter. */
static void keep(reference_tensor *param, reference_tensor *m, reference_tensor *v,
                 reference_tensor *out, size_t i)
{
    reference_move(param, i, param, i);
    reference_move(m, i, m, i);
    reference_move(v, i, v, i);
    if (out)
        reference_put_equal(out, i, param->values[i]);
}

void reference_adamw(const reference_call *call)
{
    const reference_tensor *g = reference_find(call, "g");
    reference_tensor *param = reference_find(call, "param"), *out;
    reference_tensor *m = reference_find(call, "m"), *v = reference_find(call, "v");
    out = reference_find(call, "param_out");
    const settings s = settings_of(call);
    for (size_t i = 0; i < g->count; i++) {
        if (s.clip == 0) {
            keep(param, m, v, out, i);
            continue;
        }
        double grad = g->values[i] * s.clip, old = param->values[i];
        double kept = s.beta1 * m->values[i], added = (1.0 - s.beta1) * grad;
        reference_put(m, i, kept + added, hypot(kept, added));
        v->values[i] = s.beta2 * v->values[i] + (1.0 - s.beta2) * grad * grad;
        double unit = s.lr / s.correct1 / (sqrt(v->values[i] / s.correct2) + s.eps);
        double decay = s.lr * s.weight_decay * old;
        double value = old - (unit * m->values[i] + decay);
        double terms = hypot(hypot(old, unit * m->terms[i]), decay);
        reference_put(param, i, value, terms);
        if (out)
            reference_put(out, i, value, terms);
    }
}
