/* kiln show SPEC: what would be chosen for a spec, and what it costs. */
#include "cli.h"
#include "tune.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    kiln_spec spec;
    kiln_facts facts;
    char *label;           /* whose facts */
    kiln_context *context; /* of the device; NULL: facts alone */
    kiln_chosen chosen;
    bool has_chosen;
    kiln_signature signature;
    kiln_env env; /* facts, spec, tuning */
    int64_t dims[KILN_MAX_DIMS];
    bool closed; /* no dimension is open */
    kiln_cost cost;
} choice;

/* The cost, or KILN_OK with nothing while dimensions are open. */
static kiln_status find_cost(choice *c)
{
    kiln_env env;
    if (!c->closed)
        return KILN_OK;
    kiln_env_init(&env, NULL);
    kiln_status status = kiln_spec_bind_real(&c->spec, c->dims, &env);
    if (status == KILN_OK)
        status = kiln_signature_cost(&c->spec, &c->signature, &env, &c->cost);
    kiln_env_free(&env);
    return status;
}

/* With what was tuned for the device. */
static kiln_status choose_values(choice *c)
{
    kiln_candidate *tuned = NULL;
    size_t count = 0;
    kiln_status status =
        c->context ? kiln_context_tuned(c->context, &c->spec, &tuned, &count) : KILN_OK;
    if (status == KILN_OK)
        status = kiln_choose_among(&c->spec, &c->facts, tuned, count, &c->chosen);
    kiln_tuned_free(tuned, count);
    return status;
}

static kiln_status choose(choice *c)
{
    kiln_env env;
    kiln_env_init(&env, NULL);
    kiln_status status = kiln_spec_bind(&c->spec, NULL, &env);
    if (status == KILN_OK)
        status = kiln_signature_make(&c->spec, &env, &c->signature);
    kiln_env_free(&env);
    if (status == KILN_OK)
        status = choose_values(c);
    if (status != KILN_OK)
        return status;
    c->has_chosen = true;
    status = kiln_facts_bind(&c->facts, &c->env);
    if (status == KILN_OK)
        status = kiln_spec_bind(&c->spec, c->dims, &c->env);
    if (status == KILN_OK)
        status = kiln_spec_check(&c->spec, &c->env, KILN_INVALID_LAUNCH);
    if (status == KILN_OK)
        status = kiln_chosen_bind(&c->chosen, &c->env);
    return status == KILN_OK ? find_cost(c) : status;
}

/* ---- text -------------------------------------------------------------------------------- */

static const char *role_of(const kiln_parameter *p)
{
    return p->is_input && p->is_output ? "in/out" : p->is_output ? "out" : "in";
}

static kiln_status print_buffers(choice *c)
{
    static const char *const titles[] = {"Arguments", "shape", "storage", "", ">size", NULL};
    cli_table table;
    cli_table_start(&table, titles);
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < c->signature.count && status == KILN_OK; i++) {
        const kiln_parameter *p = &c->signature.parameters[i];
        if (p->kind != KILN_ARG_BUFFER)
            continue;
        char *inner = cli_shape(p->tensor->shape, &c->env);
        cli_short size = {"open"};
        kiln_extents extents;
        if (c->closed && (status = kiln_parameter_extents(p, &c->env, &extents)) == KILN_OK)
            size = cli_bytes((double)extents.bytes);
        kiln_text shape = {0};
        kiln_text_addf(&shape, "[%s]", inner);
        const char *cells[] = {p->name, shape.data ? shape.data : "", kiln_dtype_name(p->dtype),
                               role_of(p), size.text};
        cli_table_add(&table, cells);
        kiln_text_free(&shape);
        free(inner);
    }
    putchar('\n');
    cli_table_end(&table);
    return status;
}

static bool in_force(choice *c, const char *when)
{
    bool holds;
    return kiln_expr_holds(when, &c->env, &holds) == KILN_OK && holds;
}

static void print_launches(choice *c)
{
    const kiln_variant *variant = c->chosen.variant;
    for (size_t i = 0; i < KILN_MAX_STAGES && variant->stages[i].file; i++) {
        if (!in_force(c, variant->stages[i].when))
            continue;
        char *groups = cli_formula(variant->stages[i].groups, &c->env);
        char *items = cli_formula(variant->stages[i].workgroup, &c->env);
        printf("  %-12s %s work-group%s of %s work-item%s (%s)\n", i == 0 ? "launch" : "", groups,
               strcmp(groups, "1") == 0 ? "" : "s", items, strcmp(items, "1") == 0 ? "" : "s",
               variant->stages[i].file);
        free(groups);
        free(items);
    }
    for (size_t i = 0; i < KILN_MAX_SCRATCH && variant->scratch[i].name; i++) {
        if (!in_force(c, variant->scratch[i].when))
            continue;
        char *count = cli_formula(variant->scratch[i].count, &c->env);
        printf("  %-12s %s: 4*(%s) bytes for the time of a launch\n", i == 0 ? "scratch" : "",
               variant->scratch[i].name, count);
        free(count);
    }
}

static kiln_status print_text(choice *c)
{
    char *facts = cli_facts_text(&c->facts);
    kiln_text tuning = {0};
    kiln_chosen_print(&c->chosen, &tuning);
    printf("%s%s%s\n", cli_bold(), c->spec.text, cli_plain());
    printf("  %-12s %s\n  %-12s %s\n", "device", c->label, "facts", facts);
    printf("  %-12s %s: %s\n", "variant", c->chosen.variant->name, c->chosen.variant->about);
    printf("  %-12s %s\n", "tuning", tuning.data ? tuning.data : "none");
    printf("  %-12s %s%s%s\n", "values", cli_origin(c->chosen.origin),
           c->chosen.from ? " for " : " from the device's facts",
           c->chosen.from ? c->chosen.from : "");
    printf("  %-12s %s\n", "passed over", c->chosen.refusals ? c->chosen.refusals : "none");
    print_launches(c);
    if (c->closed) {
        printf("  %-12s %s\n", "flops", cli_count(c->cost.flops).text);
        printf("  %-12s %s read or written at least\n", "bytes", cli_bytes(c->cost.bytes).text);
        printf("  %-12s %.3g flops a byte\n", "intensity", c->cost.flops / c->cost.bytes);
    } else {
        char *flops = cli_flops_formula(c->spec.row, &c->signature, &c->env);
        char *bytes = cli_bytes_formula(&c->signature, &c->env);
        printf("  %-12s %s\n  %-12s %s (--dim NAME=N gives numbers)\n", "flops", flops, "bytes",
               bytes);
        free(flops);
        free(bytes);
    }
    kiln_text_free(&tuning);
    free(facts);
    return print_buffers(c);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static kiln_status print_json(choice *c)
{
    char *facts = cli_facts_text(&c->facts);
    kiln_text tuning = {0};
    kiln_chosen_print(&c->chosen, &tuning);
    json_t *stages = json_array(), *args = json_array();
    const kiln_variant *variant = c->chosen.variant;
    for (size_t i = 0; i < KILN_MAX_STAGES && variant->stages[i].file; i++) {
        if (!in_force(c, variant->stages[i].when))
            continue;
        char *groups = cli_formula(variant->stages[i].groups, &c->env);
        char *items = cli_formula(variant->stages[i].workgroup, &c->env);
        json_array_append_new(stages,
                              json_pack("{s:s, s:s, s:s}", "template", variant->stages[i].file,
                                        "groups", groups, "workgroup", items));
        free(groups);
        free(items);
    }
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < c->signature.count && status == KILN_OK; i++) {
        const kiln_parameter *p = &c->signature.parameters[i];
        kiln_extents extents;
        if (p->kind != KILN_ARG_BUFFER)
            continue;
        char *shape = cli_shape(p->tensor->shape, &c->env);
        json_t *arg = json_pack("{s:s, s:s, s:s, s:s}", "name", p->name, "shape", shape, "dtype",
                                kiln_dtype_name(p->dtype), "role", role_of(p));
        if (c->closed && (status = kiln_parameter_extents(p, &c->env, &extents)) == KILN_OK)
            json_object_set_new(arg, "bytes", json_integer((json_int_t)extents.bytes));
        json_array_append_new(args, arg);
        free(shape);
    }
    json_t *object = json_pack(
        "{s:s, s:o, s:s, s:s, s:s, s:s, s:s?, s:s?, s:o, s:o}", "spec", c->spec.text, "device",
        cli_json_text(c->label), "facts", facts, "variant", variant->name, "tuning",
        tuning.data ? tuning.data : "", "tuning_origin", cli_origin(c->chosen.origin), "tuned_for",
        c->chosen.from, "passed_over", c->chosen.refusals, "stages", stages, "arguments", args);
    cli_need(object);
    if (c->closed) {
        json_object_set_new(object, "flops", json_real(c->cost.flops));
        json_object_set_new(object, "bytes", json_real(c->cost.bytes));
    }
    if (status == KILN_OK)
        cli_print_json(object);
    else
        json_decref(object);
    kiln_text_free(&tuning);
    free(facts);
    return status;
}

/* ------------------------------------------------------------------------------------------ */

static void set_dims(choice *c, const kiln_arg *given, size_t num_given)
{
    memcpy(c->dims, c->spec.dims, sizeof c->dims);
    c->closed = true;
    for (size_t i = 0; i < num_given; i++)
        c->dims[kiln_row_dim(c->spec.row, given[i].name)] = given[i].integer;
    for (size_t i = 0; i < c->spec.num_dims; i++)
        c->closed = c->closed && c->dims[i] != KILN_LAUNCH_TIME;
}

int cli_show_chosen(const cli_options *options, const char *spec)
{
    choice c = {0};
    kiln_arg given[KILN_MAX_DIMS];
    size_t num_given;
    kiln_status parsed = kiln_spec_parse(spec, &c.spec);
    if (parsed != KILN_OK)
        return cli_fail(parsed);
    kiln_env_init(&c.env, NULL);
    int status = cli_check_dims(options, &c.spec, 1);
    if (status == CLI_DONE)
        status = cli_set_dims(options, &c.spec, KILN_LAUNCH_TIME, given, &num_given);
    if (status == CLI_DONE) {
        set_dims(&c, given, num_given);
        status = cli_find_device_facts(options, false, &c.facts, &c.label, &c.context);
    }
    if (status == CLI_DONE) {
        kiln_status chosen = choose(&c);
        if (chosen == KILN_OK)
            chosen = options->json ? print_json(&c) : print_text(&c);
        status = chosen == KILN_OK ? CLI_DONE : cli_fail(chosen);
    }
    if (c.has_chosen)
        kiln_chosen_free(&c.chosen);
    kiln_env_free(&c.env);
    kiln_spec_free(&c.spec);
    kiln_release_context(c.context);
    free(c.label);
    return status;
}
