/* kiln check: its JSON. */
#include "check.h"
#include <stdlib.h>

static json_t *describe_counts(const cli_counts *n, bool fused)
{
    const size_t *of = n->of[fused];
    return json_pack("{s:I, s:I, s:I, s:I}", "kernels", (json_int_t)cli_count_all(n, fused), "free",
                     (json_int_t)of[CLI_FREE], "within_limits", (json_int_t)of[CLI_WITHIN],
                     "blocked", (json_int_t)of[CLI_BLOCKED]);
}

static json_t *describe_kernel(const kiln_row *row, const cli_model_specs *specs,
                               const cli_verdict *verdict)
{
    json_t *limits = json_array(), *reasons = json_array(), *texts = json_array();
    for (size_t i = 0; i < verdict->num_limits; i++) {
        const cli_limit *limit = &verdict->limits[i];
        if (*limit->what)
            json_array_append_new(limits, json_pack("{s:s, s:o}", "limit", limit->what, "about",
                                                    cli_json_text(limit->text)));
        else
            json_array_append_new(reasons, cli_json_text(limit->text));
    }
    for (size_t i = 0; i < specs->count; i++)
        json_array_append_new(
            texts, json_pack("{s:s, s:s}", "for", specs->of[i].role, "spec", specs->of[i].text));
    return json_pack("{s:s, s:b, s:s, s:s, s:o, s:o, s:o}", "name", row->name, "fused",
                     (int)row->fused, "used", cli_used_names[specs->used], "verdict",
                     cli_freedom_names[verdict->freedom], "limits", limits, "refusals", reasons,
                     "specs", texts);
}

static json_t *describe_shape(const cli_model *m)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:s}", "layers",
                     (json_int_t)m->layers, "hidden", (json_int_t)m->hidden, "ffn",
                     (json_int_t)m->ffn, "heads", (json_int_t)m->heads, "kv_heads",
                     (json_int_t)m->kv_heads, "head_dim", (json_int_t)m->head_dim, "vocab",
                     (json_int_t)m->vocab, "experts", (json_int_t)m->experts, "activation",
                     m->activation, "norm", m->norm, "bias", m->bias, "positions", m->positions);
}

json_t *cli_describe_result(const cli_result *r)
{
    json_t *kernels = json_array(), *missing = json_array();
    for (size_t i = 0; i < kiln_num_rows(); i++)
        json_array_append_new(kernels,
                              describe_kernel(kiln_row_at(i), &r->specs[i], &r->verdicts[i]));
    for (size_t i = 0; i < r->missing.count; i++)
        json_array_append_new(missing, json_pack("{s:s, s:s}", "needs", r->missing.of[i].name,
                                                 "about", r->missing.of[i].about));
    return cli_need(json_pack(
        "{s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "name", cli_json_text(r->model->name),
        "from_file", (int)r->model->from_file, "model_type_known", (int)!r->model->unknown_type,
        "shape", describe_shape(r->model), "base", describe_counts(&r->counts, false), "fused",
        describe_counts(&r->counts, true), "no_kernel", missing, "kernels", kernels));
}

static json_t *describe_tallies(const cli_tally *tallies)
{
    json_t *kernels = json_array();
    for (size_t i = 0; i < kiln_num_rows(); i++) {
        json_t *limits = json_array();
        for (size_t l = 0; l < tallies[i].num_limits; l++)
            json_array_append_new(limits, json_string(tallies[i].limits[l]));
        json_array_append_new(
            kernels, json_pack("{s:s, s:b, s:I, s:I, s:I, s:o}", "name", kiln_row_at(i)->name,
                               "fused", (int)kiln_row_at(i)->fused, "models_free",
                               (json_int_t)tallies[i].of[CLI_FREE], "models_within_limits",
                               (json_int_t)tallies[i].of[CLI_WITHIN], "models_blocked",
                               (json_int_t)tallies[i].of[CLI_BLOCKED], "limits", limits));
    }
    return kernels;
}

void cli_print_check_json(const cli_check_info *info, json_t *models)
{
    cli_counts n = cli_count_tallies(info->tallies);
    char *facts = cli_facts_text(&info->judge->facts);
    cli_print_json(json_pack(
        "{s:o, s:s, s:I, s:s, s:b, s:o, s:o, s:o, s:o, s:I}", "device", cli_json_text(info->label),
        "facts", facts, "tokens", (json_int_t)info->tokens, "dtype", "bf16", "built",
        (int)(info->judge->context != NULL), "models", models, "kernels",
        describe_tallies(info->tallies), "base", describe_counts(&n, false), "fused",
        describe_counts(&n, true), "models_blocked", (json_int_t)info->num_blocked));
    free(facts);
}
