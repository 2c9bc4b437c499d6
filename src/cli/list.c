/* kiln list: the rows of the registry. */
#include "cli.h"

static size_t num_variants(const kiln_row *row)
{
    size_t count = 0;
    while (count < KILN_MAX_VARIANTS && row->variants[count])
        count++;
    return count;
}

static json_t *describe(const kiln_row *row)
{
    json_t *variants = json_array(), *dims = json_array();
    for (size_t i = 0; i < num_variants(row); i++)
        json_array_append_new(variants, json_string(row->variants[i]->name));
    for (size_t i = 0; i < KILN_MAX_DIMS && row->dims[i]; i++)
        json_array_append_new(dims, json_string(row->dims[i]));
    return json_pack("{s:s, s:s, s:b, s:o, s:s, s:o}", "name", row->name, "family", row->family,
                     "fused", (int)row->fused, "variants", variants, "equation", row->summary,
                     "dimensions", dims);
}

static int run(const cli_options *options)
{
    if (options->num_words > 0) {
        cli_error("list takes no operand, but `%s' is given; did you mean kiln show %s?",
                  options->words[0], options->words[0]);
        return CLI_REFUSED;
    }
    if (options->json) {
        json_t *rows = json_array();
        for (size_t i = 0; i < kiln_num_rows(); i++)
            json_array_append_new(rows, describe(kiln_row_at(i)));
        cli_print_json(rows);
        return CLI_DONE;
    }
    static const char *const titles[] = {"KERNEL", "FAMILY", "FUSED", "VARIANTS", "EQUATION", NULL};
    cli_table table;
    cli_table_start(&table, titles);
    for (size_t i = 0; i < kiln_num_rows(); i++) {
        const kiln_row *row = kiln_row_at(i);
        kiln_text variants = {0};
        for (size_t v = 0; v < num_variants(row); v++)
            kiln_text_addf(&variants, "%s%s", v ? " " : "", row->variants[v]->name);
        const char *cells[] = {row->name, row->family, row->fused ? "yes" : "no",
                               variants.data ? variants.data : "", row->summary};
        cli_table_add(&table, cells);
        kiln_text_free(&variants);
    }
    cli_table_end(&table);
    printf("\n%s; `kiln show KERNEL' tells what one takes\n",
           cli_plural(kiln_num_rows(), "kernel", "kernels").text);
    return CLI_DONE;
}

const cli_command cli_list = {
    .name = "list",
    .operands = "",
    .summary = "the kernels",
    .help =
        "Prints every kernel with its family, whether it is fused from others, its variants in\n"
        "order of preference, and its equation.\n",
    .options = CLI_JSON,
    .run = run,
};
