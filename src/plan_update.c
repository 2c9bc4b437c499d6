/* The update of a model's plan: the norm of all gradients, then adamw for each parameter. */
#include "plan_model.h"
#include <stdlib.h>
#include <string.h>

static kiln_status add_text(kiln_model_builder *b, kiln_text *spec, kiln_text *args)
{
    char *spec_text = kiln_text_take(spec), *args_text = kiln_text_take(args);
    kiln_status status = spec_text && args_text
                             ? kiln_plan_append(b->plan, spec_text, args_text, true)
                             : kiln_fail_memory();
    free(spec_text);
    free(args_text);
    return status;
}

/* A tensor, or its part from offset on. */
static void add_argument(kiln_text *args, const char *argument, const char *tensor,
                         const char *suffix, bool part, int64_t offset)
{
    kiln_text_addf(args, "%s=%s%s", argument, tensor, suffix);
    if (part)
        kiln_text_addf(args, "+%lld", (long long)offset);
    kiln_text_add(args, " ");
}

static kiln_status add_norm_part(kiln_model_builder *b, const char *name, int64_t n, bool part,
                                 int64_t offset, bool first, bool last, size_t number)
{
    kiln_text spec = {0}, args = {0};
    kiln_dtype grad = b->params->grad_dtype ? b->params->grad_dtype : KILN_F32;
    kiln_text_addf(&spec, "grad_norm n=%lld dtype=%s accumulate=%d", (long long)n,
                   kiln_dtype_name(grad), !first);
    add_argument(&args, "g", name, ".grad", part, offset);
    kiln_text_add(&args, "sumsq=sumsq max_norm=max_norm ");
    if (last)
        kiln_text_add(&args, "clip=clip");
    else
        kiln_text_addf(&args, "clip=clip.%zu", number);
    return add_text(b, &spec, &args);
}

static kiln_status add_adamw_part(kiln_model_builder *b, const char *name, int64_t n, bool part,
                                  int64_t offset, bool decays)
{
    kiln_text spec = {0}, args = {0};
    const kiln_model_params *p = b->params;
    bool master = p->dtype != KILN_DTYPE_DEFAULT && p->dtype != KILN_F32;
    kiln_text_addf(&spec, "adamw n=%lld dtype=%s clip=1", (long long)n,
                   kiln_dtype_name(p->grad_dtype ? p->grad_dtype : KILN_F32));
    if (master)
        kiln_text_addf(&spec, " param_out=1 out_dtype=%s", kiln_dtype_name(p->dtype));
    add_argument(&args, "g", name, ".grad", part, offset);
    add_argument(&args, "param", name, master ? ".master" : "", part, offset);
    add_argument(&args, "m", name, ".m", part, offset);
    add_argument(&args, "v", name, ".v", part, offset);
    if (master)
        add_argument(&args, "param_out", name, "", part, offset);
    kiln_text_addf(&args,
                   "clip=clip lr=lr beta1=beta1 beta2=beta2 eps=eps step=step weight_decay=%s",
                   decays ? "weight_decay" : "0");
    return add_text(b, &spec, &args);
}

/* One dimension counts to 2^31: a larger tensor is given in parts of equal size, but for the last.
 */
#define LONGEST INT64_C(0x7fffffc0)

static kiln_status update_parameter(kiln_model_builder *b, size_t index, bool adamw)
{
    const char *name = b->parameters[index];
    const kiln_plan_tensor *tensor = &b->plan->tensors[kiln_plan_tensor_index(b->plan, name)];
    int64_t elements = tensor->elements, parts = (elements + LONGEST - 1) / LONGEST;
    int64_t each = ((elements + parts - 1) / parts + 63) / 64 * 64;
    bool decays = tensor->rank > 1;
    kiln_status status = KILN_OK;
    for (int64_t i = 0; i < parts && status == KILN_OK; i++) {
        int64_t n = parts == 1 ? elements : i + 1 < parts ? each : elements - i * each;
        bool last = index + 1 == b->num_parameters && i + 1 == parts;
        status = adamw ? add_adamw_part(b, name, n, parts > 1, i * each, decays)
                       : add_norm_part(b, name, n, parts > 1, i * each, index == 0 && i == 0, last,
                                       b->plan->num_launches);
    }
    return status;
}

/* The layer that a parameter's name begins with, -1 if it is none's. */
static int64_t layer_of(const char *name)
{
    return strncmp(name, "layer", 5) == 0 ? strtoll(name + 5, NULL, 10) : -1;
}

kiln_status kiln_model_update(kiln_model_builder *b)
{
    kiln_status status = KILN_OK;
    for (int adamw = 0; adamw < 2; adamw++) {
        for (size_t i = 0; i < b->num_parameters && status == KILN_OK; i++) {
            status = kiln_plan_mark(b->plan, layer_of(b->parameters[i]), KILN_PHASE_UPDATE);
            if (status == KILN_OK)
                status = update_parameter(b, i, adamw);
        }
    }
    return status;
}
