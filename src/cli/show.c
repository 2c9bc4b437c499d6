/* kiln show: everything that a row of the registry states. */
#include "cli.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- a row under some of its options --------------------------------------------------------- */

/* The row with every dimension open, options at their defaults but for those set. */
typedef struct {
    kiln_spec spec;
    kiln_env env;
    kiln_signature signature;
} view;

/* Whether settings, blank-separated pairs, set the option. */
static bool sets(const char *settings, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = settings; (at = strstr(at, name)); at += length)
        if ((at == settings || at[-1] == ' ') && at[length] == '=')
            return true;
    return false;
}

/* Options that must be named take their first choice. */
static void add_required(const kiln_row *row, const char *settings, kiln_text *text)
{
    const kiln_option *option;
    for (size_t i = 0; (option = kiln_row_option(row, i)); i++)
        if (!option->fallback && option->choices && !sets(settings, option->name))
            kiln_text_addf(text, " %s=%.*s", option->name, (int)strcspn(option->choices, "|"),
                           option->choices);
}

/* False if the row does not allow the settings. */
static bool open_view(const kiln_row *row, const char *settings, view *v)
{
    kiln_text text = {0};
    kiln_text_add(&text, row->name);
    /* A number first: not every dimension may be left open. */
    for (size_t i = 0; i < KILN_MAX_DIMS && row->dims[i]; i++)
        kiln_text_addf(&text, " %s=64", row->dims[i]);
    add_required(row, settings, &text);
    kiln_text_addf(&text, " %s", settings);
    char *spec = cli_need(kiln_text_take(&text));
    bool parsed = kiln_spec_parse(spec, &v->spec) == KILN_OK;
    free(spec);
    if (!parsed)
        return false;
    for (size_t i = 0; i < v->spec.num_dims; i++)
        v->spec.dims[i] = KILN_LAUNCH_TIME;
    kiln_env_init(&v->env, NULL);
    if (kiln_spec_bind(&v->spec, NULL, &v->env) == KILN_OK &&
        kiln_signature_make(&v->spec, &v->env, &v->signature) == KILN_OK)
        return true;
    kiln_env_free(&v->env);
    kiln_spec_free(&v->spec);
    return false;
}

static void close_view(view *v)
{
    kiln_env_free(&v->env);
    kiln_spec_free(&v->spec);
}

static const kiln_parameter *find_parameter(const view *v, const char *name)
{
    int p = kiln_signature_find(&v->signature, name);
    return p >= 0 ? &v->signature.parameters[p] : NULL;
}

/* ---- arguments --------------------------------------------------------------------------- */

typedef struct {
    char name[24];
    char *shape;
    const char *dtype, *role;
    kiln_text notes;
} argument;

typedef struct {
    argument of[KILN_MAX_PARAMETERS];
    size_t count;
} arguments;

static const char *role_of(const kiln_parameter *p)
{
    return p->is_input && p->is_output ? "in/out" : p->is_output ? "out" : p->is_input ? "in" : "-";
}

static kiln_dtype dtype_under(const kiln_row *row, const char *settings, const char *more,
                              const char *name)
{
    kiln_text text = {0};
    kiln_text_addf(&text, "%s%s%s", settings, *settings ? " " : "", more);
    view v;
    kiln_dtype dtype = KILN_DTYPE_DEFAULT;
    if (text.data && open_view(row, text.data, &v)) {
        const kiln_parameter *p = find_parameter(&v, name);
        dtype = p ? p->dtype : KILN_DTYPE_DEFAULT;
        close_view(&v);
    }
    kiln_text_free(&text);
    return dtype;
}

/* Its dtype's name, or the option that it follows. */
static const char *dtype_text(const kiln_row *row, const char *settings, const char *name)
{
    kiln_dtype dtype = dtype_under(row, settings, "dtype=f32", name);
    if (dtype_under(row, settings, "dtype=f32 out_dtype=f16", name) == KILN_F16)
        return "out_dtype";
    if (dtype_under(row, settings, "dtype=f16", name) != dtype)
        return "dtype";
    return kiln_dtype_name(dtype);
}

static void note(argument *a, const char *format, ...) KILN_PRINTF(2, 3);
static void note(argument *a, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    kiln_text_addf(&a->notes, "%s%s", a->notes.length ? "; " : "", text);
}

static argument *add_argument(arguments *all, const kiln_row *row, const char *settings,
                              const kiln_parameter *p, view *v)
{
    argument *a = &all->of[all->count++];
    memset(a, 0, sizeof *a);
    snprintf(a->name, sizeof a->name, "%s", p->name);
    a->role = role_of(p);
    if (p->kind != KILN_ARG_BUFFER) {
        a->shape = cli_need(kiln_strdup(""));
        a->dtype = "number";
        return a;
    }
    a->shape = cli_shape(p->tensor->shape, &v->env);
    a->dtype = dtype_text(row, settings, p->name);
    if (p->tensor->may_be) {
        char *names = cli_need(kiln_strdup(p->tensor->may_be));
        for (char *blank; (blank = strchr(names, ' '));)
            *blank = '|';
        note(a, "may be %s", names);
        free(names);
    }
    return a;
}

/* What setting changes against what is known so far. */
static void compare(arguments *all, const kiln_row *row, const char *setting)
{
    view v;
    if (!open_view(row, setting, &v))
        return;
    size_t before = all->count;
    for (size_t i = 0; i < v.signature.count; i++) {
        const kiln_parameter *p = &v.signature.parameters[i];
        if (p->kind == KILN_ARG_DIM)
            continue;
        size_t at = 0;
        while (at < before && strcmp(all->of[at].name, p->name) != 0)
            at++;
        if (at == before) {
            note(add_argument(all, row, setting, p, &v), "with %s", setting);
            continue;
        }
        argument *a = &all->of[at];
        if (strcmp(a->role, role_of(p)) != 0)
            note(a, "%s with %s", role_of(p), setting);
        char *shape = p->kind == KILN_ARG_BUFFER ? cli_shape(p->tensor->shape, &v.env)
                                                 : cli_need(kiln_strdup(""));
        if (strcmp(a->shape, shape) != 0)
            note(a, "[%s] with %s", shape, setting);
        free(shape);
    }
    close_view(&v);
}

/* Every setting of one option that may change the arguments. */
static void collect_arguments(const kiln_row *row, view *base, arguments *all)
{
    memset(all, 0, sizeof *all);
    for (size_t i = 0; i < base->signature.count; i++)
        if (base->signature.parameters[i].kind != KILN_ARG_DIM)
            add_argument(all, row, "", &base->signature.parameters[i], base);
    const kiln_option *option;
    for (size_t i = 0; (option = kiln_row_option(row, i)); i++) {
        char setting[64];
        if (option->type == KILN_OPTION_INT && option->low == 0 && option->high == 1) {
            snprintf(setting, sizeof setting, "%s=%d", option->name,
                     !(option->fallback && strcmp(option->fallback, "1") == 0));
            compare(all, row, setting);
        }
        if (option->type != KILN_OPTION_CHOICE || strcmp(option->name, "variant") == 0)
            continue;
        for (const char *at = option->choices; *at;) {
            size_t length = strcspn(at, "|");
            snprintf(setting, sizeof setting, "%s=%.*s", option->name, (int)length, at);
            compare(all, row, setting);
            at += length + (at[length] == '|');
        }
    }
}

static void forget_arguments(arguments *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->of[i].shape);
        kiln_text_free(&all->of[i].notes);
    }
}

/* ---- text -------------------------------------------------------------------------------- */

static void heading(const char *text)
{
    printf("\n%s%s%s\n", cli_bold(), text, cli_plain());
}

static void values_of(const kiln_option *option, char *out, size_t size)
{
    if (option->type == KILN_OPTION_CHOICE)
        snprintf(out, size, "%s", option->choices);
    else if (option->type == KILN_OPTION_REAL)
        snprintf(out, size, "a number");
    else
        snprintf(out, size, "%" PRId64 "..%" PRId64, option->low, option->high);
}

static void print_options(const kiln_row *row)
{
    static const char *const titles[] = {"Options", "default", "values", "", NULL};
    cli_table table;
    cli_table_start(&table, titles);
    const kiln_option *option;
    for (size_t i = 0; (option = kiln_row_option(row, i)); i++) {
        char values[128];
        values_of(option, values, sizeof values);
        const char *cells[] = {option->name, option->fallback ? option->fallback : "required",
                               values, option->about ? option->about : ""};
        cli_table_add(&table, cells);
    }
    putchar('\n');
    cli_table_end(&table);
}

static void print_arguments(const arguments *all)
{
    static const char *const titles[] = {"Arguments", "shape", "storage", "", "", NULL};
    cli_table table;
    cli_table_start(&table, titles);
    for (size_t i = 0; i < all->count; i++) {
        const argument *a = &all->of[i];
        kiln_text shape = {0};
        kiln_text_addf(&shape, *a->shape ? "[%s]" : "%s", a->shape);
        const char *cells[] = {a->name, shape.data ? shape.data : "", a->dtype, a->role,
                               a->notes.data ? a->notes.data : ""};
        cli_table_add(&table, cells);
        kiln_text_free(&shape);
    }
    putchar('\n');
    cli_table_end(&table);
}

static void print_variant(const kiln_variant *variant, size_t number)
{
    printf("%zu. %s%s%s: %s\n", number, cli_bold(), variant->name, cli_plain(), variant->about);
    for (size_t i = 0; i < KILN_MAX_RULES && variant->allow[i].formula; i++)
        printf("   only if         %s, else: %s\n", variant->allow[i].formula,
               variant->allow[i].sentence);
    printf("   workgroup_size  %s\n", variant->fixed_workgroup ? "accepted and not used" : "used");
    for (size_t i = 0; i < KILN_MAX_TUNE && variant->tune[i].name; i++) {
        printf("   %-15s %-8s", i == 0 ? "tuning" : "", variant->tune[i].name);
        for (size_t v = 0; v < KILN_MAX_VALUES && variant->tune[i].values[v]; v++)
            printf(" %d", variant->tune[i].values[v]);
        printf("\n");
    }
    size_t stages = 0;
    while (stages < KILN_MAX_STAGES && variant->stages[stages].file)
        stages++;
    for (size_t i = 0; i < stages; i++)
        printf("   %-15s %s\n",
               i > 0        ? ""
               : stages > 1 ? "templates"
                            : "template",
               variant->stages[i].file);
}

static void print_row(const kiln_row *row, view *base, const arguments *all)
{
    printf("%s%s%s: %s\n", cli_bold(), row->name, cli_plain(), row->summary);
    printf("family %s%s\n", row->family, row->fused ? ", fused" : "");
    heading("Dimensions");
    for (size_t i = 0; i < KILN_MAX_DIMS && row->dims[i]; i++)
        printf("%s%s", i ? " " : "", row->dims[i]);
    printf("   each 1..%d, or ? to be given at each launch", INT32_MAX);
    if (row->literal)
        printf("; always a number: %s", row->literal);
    printf("\n");
    print_options(row);
    print_arguments(all);
    heading("Cost of a launch");
    char *flops = cli_flops_formula(row, &base->signature, &base->env);
    char *bytes = cli_bytes_formula(&base->signature, &base->env);
    printf("flops  %s\nbytes  %s", flops, bytes);
    printf("\nunder  %s", strchr(base->spec.text, ' ') ? "" : "no options");
    free(flops);
    free(bytes);
    bool first = true;
    for (size_t i = 0; i < base->spec.num_options; i++) {
        const kiln_option *option = base->spec.options[i];
        if (strcmp(option->name, "dtype") != 0 && option->fallback)
            continue;
        printf("%s%s=%s", first ? "" : " ", option->name, base->spec.names[i]);
        first = false;
    }
    printf("\n");
    heading("Variants, the first that fits is taken");
    for (size_t i = 0; i < KILN_MAX_VARIANTS && row->variants[i]; i++)
        print_variant(row->variants[i], i + 1);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static json_t *describe_variant(const kiln_variant *variant)
{
    json_t *object = json_pack("{s:s, s:s, s:b}", "name", variant->name, "about", variant->about,
                               "uses_workgroup_size", !variant->fixed_workgroup);
    const struct {
        const char *name;
        const kiln_rule *rules;
    } lists[] = {{"allow", variant->allow}, {"require", variant->require}};
    cli_need(object);
    for (size_t l = 0; l < 2; l++) {
        json_t *rules = json_array();
        for (size_t i = 0; i < KILN_MAX_RULES && lists[l].rules[i].formula; i++)
            json_array_append_new(rules,
                                  json_pack("{s:s, s:s}", "formula", lists[l].rules[i].formula,
                                            "refusal", lists[l].rules[i].sentence));
        json_object_set_new(object, lists[l].name, rules);
    }
    json_t *tuning = json_object(), *templates = json_array();
    for (size_t i = 0; i < KILN_MAX_TUNE && variant->tune[i].name; i++) {
        json_t *values = json_array();
        for (size_t v = 0; v < KILN_MAX_VALUES && variant->tune[i].values[v]; v++)
            json_array_append_new(values, json_integer(variant->tune[i].values[v]));
        json_object_set_new(tuning, variant->tune[i].name, values);
    }
    for (size_t i = 0; i < KILN_MAX_STAGES && variant->stages[i].file; i++)
        json_array_append_new(templates, json_string(variant->stages[i].file));
    json_object_set_new(object, "tuning", tuning);
    json_object_set_new(object, "templates", templates);
    return object;
}

static json_t *describe_options(const kiln_row *row)
{
    json_t *options = json_array();
    const kiln_option *option;
    for (size_t i = 0; (option = kiln_row_option(row, i)); i++) {
        char values[128];
        values_of(option, values, sizeof values);
        json_array_append_new(options, json_pack("{s:s, s:s?, s:s, s:s?}", "name", option->name,
                                                 "default", option->fallback, "values", values,
                                                 "about", option->about));
    }
    return options;
}

static void print_json(const kiln_row *row, view *base, const arguments *all)
{
    json_t *dims = json_array(), *args = json_array(), *variants = json_array();
    for (size_t i = 0; i < KILN_MAX_DIMS && row->dims[i]; i++)
        json_array_append_new(dims, json_string(row->dims[i]));
    for (size_t i = 0; i < all->count; i++)
        json_array_append_new(args, json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", all->of[i].name,
                                              "shape", all->of[i].shape, "dtype", all->of[i].dtype,
                                              "role", all->of[i].role, "notes",
                                              all->of[i].notes.data ? all->of[i].notes.data : ""));
    for (size_t i = 0; i < KILN_MAX_VARIANTS && row->variants[i]; i++)
        json_array_append_new(variants, describe_variant(row->variants[i]));
    char *flops = cli_flops_formula(row, &base->signature, &base->env);
    char *bytes = cli_bytes_formula(&base->signature, &base->env);
    cli_print_json(json_pack("{s:s, s:s, s:b, s:s, s:o, s:o, s:o, s:s, s:s, s:o}", "name",
                             row->name, "family", row->family, "fused", (int)row->fused, "equation",
                             row->summary, "dimensions", dims, "options", describe_options(row),
                             "arguments", args, "flops", flops, "bytes", bytes, "variants",
                             variants));
    free(flops);
    free(bytes);
}

/* ------------------------------------------------------------------------------------------ */

static int show_row(const cli_options *options, const char *name)
{
    const kiln_row *row = kiln_row_find(name);
    if (!row) {
        kiln_spec spec;
        return cli_fail(kiln_spec_parse(name, &spec)); /* its sentence names the nearest */
    }
    view base;
    if (!open_view(row, "", &base))
        return cli_fail(KILN_TEMPLATE_ERROR);
    arguments all;
    collect_arguments(row, &base, &all);
    (options->json ? print_json : print_row)(row, &base, &all);
    forget_arguments(&all);
    close_view(&base);
    return CLI_DONE;
}

static int run(const cli_options *options)
{
    if (options->num_words == 0) {
        cli_error("show needs a kernel's name (`kiln list' prints them) or a spec");
        return CLI_REFUSED;
    }
    char *text = cli_join(options, 0);
    bool is_spec = strpbrk(text, " \t\n") != NULL;
    int status = CLI_REFUSED;
    if (is_spec)
        status = cli_show_chosen(options, text);
    else if (options->given & (CLI_DEVICE | CLI_FACTS | CLI_DIM))
        cli_error("show %s: --device, --facts and --dim need dimensions behind the name", text);
    else
        status = show_row(options, text);
    free(text);
    return status;
}

const cli_command cli_show = {
    .name = "show",
    .operands = "KERNEL|SPEC",
    .summary = "what a kernel takes, and what is chosen for a spec",
    .help =
        "With a kernel's name, prints its equation, dimensions, options, arguments, cost, and its\n"
        "variants with their tuning values. With a spec, prints what is chosen for it on a "
        "device:\n"
        "variant and tuning, why others were passed over, sizes and costs. Nothing is built, and\n"
        "with --facts no device is needed.\n"
        "\n"
        "  kiln show matmul\n"
        "  kiln show matmul m=4096 n=4096 k=4096 dtype=bf16\n"
        "  kiln show 'matmul m=? n=4096 k=4096' --dim m=8 --facts gpu,compute_units=132\n",
    .options = CLI_DEVICE | CLI_FACTS | CLI_DIM | CLI_JSON,
    .run = run,
};
