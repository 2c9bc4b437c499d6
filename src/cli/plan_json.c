/* kiln plan: its JSON. */
#include "plan.h"
#include <stdlib.h>
#include <string.h>

static json_t *number(bool there, double value)
{
    return there ? json_real(value) : json_null();
}

static json_t *describe_kernels(const cli_plan_result *r, const cli_set *set)
{
    size_t count;
    cli_kernel_time *times = cli_kernel_times(set, &count);
    json_t *kernels = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(kernels,
                              json_pack("{s:s, s:I, s:o, s:o}", "name", times[i].name, "launches",
                                        (json_int_t)times[i].launches, "predicted_s",
                                        number(r->has_rates, times[i].predicted), "measured_s",
                                        number(set->measured, times[i].measured)));
    free(times);
    return kernels;
}

static json_t *describe_notes(const cli_set *set)
{
    json_t *notes = json_array();
    const char *note;
    for (size_t i = 0; (note = kiln_plan_note(set->plan, i)); i++)
        json_array_append_new(notes, cli_json_text(note));
    return notes;
}

static json_t *describe_phases(const cli_set *set)
{
    double layers = set->cost.layers ? (double)set->cost.layers : 1;
    return json_pack("{s:f, s:f, s:f}", "forward", (double)set->per_phase[0] / layers, "backward",
                     (double)set->per_phase[1] / layers, "update",
                     (double)set->per_phase[2] / layers);
}

static json_t *describe_set(const cli_plan_result *r, const cli_set *set)
{
    const kiln_plan_cost *cost = &set->cost;
    json_t *one = json_pack(
        "{s:s, s:f, s:o, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o}", "fusions",
        set->name, "launches_per_layer", cost->launches_per_layer, "launches_per_layer_by_phase",
        describe_phases(set), "launches", (json_int_t)cost->launches, "distinct_kernels",
        (json_int_t)cost->distinct_kernels, "distinct_specs", (json_int_t)cost->distinct_specs,
        "bytes", cost->bytes, "elementwise_bytes", cost->elementwise_bytes, "flops", cost->flops,
        "peak_bytes", cost->peak_bytes, "unshared_bytes", cost->unshared_bytes, "predicted_s",
        number(r->has_rates, cost->predicted_s), "kernels", describe_kernels(r, set), "notes",
        describe_notes(set));
    cli_need(one);
    if (set->measured) {
        json_object_set_new(one, "measured_s", json_real(set->measured_s));
        json_object_set_new(one, "measured_least_s", json_real(set->least_s));
        json_object_set_new(one, "runs", json_integer((json_int_t)set->runs));
    }
    if (set->unmeasured)
        json_object_set_new(one, "not_measured", cli_json_text(set->unmeasured));
    return one;
}

static json_t *describe_claim(const cli_claim *claim)
{
    bool found = claim->has_place && (claim->has_measured || claim->has_predicted);
    json_t *one = json_pack(
        "{s:s, s:s, s:b, s:b, s:f, s:o, s:o, s:o, s:o, s:o}", "fusions", claim->fusions, "claim",
        claim->what + strspn(claim->what, " "), "forward", (int)claim->forward, "counted",
        (int)claim->is_count, "claimed_percent_low", claim->low, "claimed_percent_high",
        number(claim->high > 0, claim->high), "predicted_percent",
        number(claim->has_place && claim->has_predicted, claim->predicted), "measured_percent",
        number(claim->has_place && claim->has_measured, claim->measured), "verdict",
        claim->verdict ? json_string(claim->verdict) : json_null(), "agrees",
        found ? json_boolean(claim->verdict[0] == 'a') : json_null());
    cli_need(one);
    if (claim->is_count) {
        json_object_set_new(one, "before", json_real(claim->before));
        json_object_set_new(one, "after", json_real(claim->after));
    }
    return one;
}

static json_t *describe_shape(const cli_plan_result *r)
{
    const cli_model *m = r->model;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:s}", "hidden",
                     (json_int_t)m->hidden, "ffn", (json_int_t)m->ffn, "heads",
                     (json_int_t)m->heads, "kv_heads", (json_int_t)m->kv_heads, "head_dim",
                     (json_int_t)m->head_dim, "vocab", (json_int_t)m->vocab, "activation",
                     m->activation, "norm", m->norm, "bias", m->bias, "positions", m->positions);
}

static json_t *describe_rates(const cli_plan_result *r)
{
    if (!r->has_rates)
        return json_null();
    return json_pack("{s:f, s:f, s:f, s:f, s:I, s:b}", "copy_bytes", r->rates.copy_bytes,
                     "product_flops", r->rates.product_flops, "elementwise_flops",
                     r->rates.elementwise_flops, "launch_s", r->rates.launch_s, "tile_columns",
                     (json_int_t)r->rates.tile_columns, "measured", (int)!r->rates_given);
}

void cli_print_plan_json(const cli_plan_result *r)
{
    const kiln_model_params *p = &r->params;
    json_t *sets = json_array(), *claims = json_array(), *notes = json_array();
    for (size_t i = 0; i < r->num_sets; i++) {
        const cli_set *set = &r->sets[i];
        if (set->asked)
            json_array_append_new(sets, describe_set(r, set));
        const char *note;
        for (size_t n = 0; set->asked && (note = kiln_plan_note(set->plan, n)); n++)
            json_array_append_new(
                notes, json_pack("{s:s, s:o}", "fusions", set->name, "about", cli_json_text(note)));
        if (set->unmeasured)
            json_array_append_new(notes, json_pack("{s:s, s:o}", "fusions", set->name, "about",
                                                   cli_json_text(set->unmeasured)));
    }
    for (size_t i = 0; i < r->num_claims; i++)
        json_array_append_new(claims, describe_claim(&r->claims[i]));
    cli_print_json(
        json_pack("{s:o, s:o, s:f, s:o, s:o, s:I, s:I, s:I, s:s, s:b, s:b, s:o, s:o, s:o}", "model",
                  cli_json_text(r->model->name), "shape", describe_shape(r), "scale",
                  r->options->scale > 0 ? r->options->scale : 1.0, "device",
                  r->device ? cli_json_text(r->device) : json_string("none"), "rates",
                  describe_rates(r), "layers", (json_int_t)(p->layers ? p->layers : 1), "tokens",
                  (json_int_t)(p->batch * p->seq), "seq", (json_int_t)p->seq, "dtype", r->dtype,
                  "whole_model", (int)(p->layers > 0), "backward", (int)p->backward, "sets", sets,
                  "claims", claims, "notes", notes));
}
