/* Specs among a command's words. */
#include "cli.h"
#include <stdlib.h>
#include <string.h>

void cli_spec_list_add(cli_spec_list *list, const char *text)
{
    list->texts = cli_need(realloc(list->texts, (list->count + 1) * sizeof *list->texts));
    list->texts[list->count++] = cli_need(kiln_strdup(text));
}

static void add_word(cli_spec_list *list, const char *word)
{
    kiln_text text = {0};
    char **last = &list->texts[list->count - 1];
    kiln_text_addf(&text, "%s %s", *last, word);
    free(*last);
    *last = cli_need(kiln_text_take(&text));
}

int cli_parse_specs(const cli_options *options, cli_spec_list *list)
{
    list->specs = cli_need(calloc(list->count + 1, sizeof *list->specs));
    for (size_t i = 0; i < list->count; i++) {
        kiln_status status = kiln_spec_parse(list->texts[i], &list->specs[i]);
        if (status != KILN_OK) {
            int result = cli_fail(status);
            list->specs[i].text = NULL;
            return result;
        }
    }
    int status = cli_check_dims(options, list->specs, list->count);
    for (size_t i = 0; i < list->count && status == CLI_DONE; i++) {
        kiln_arg dims[KILN_MAX_DIMS];
        size_t num_dims;
        status = cli_set_dims(options, &list->specs[i], 0, dims, &num_dims);
    }
    return status;
}

int cli_collect_specs(const cli_options *options, cli_spec_list *list)
{
    bool open = false;
    for (size_t i = 0; i < options->num_words; i++) {
        const char *word = options->words[i];
        bool whole = strpbrk(word, " \t\n"), pair = !whole && strchr(word, '=');
        if (pair && !open) {
            cli_error("`%s' belongs to no spec: a kernel's name comes first", word);
            return CLI_REFUSED;
        }
        if (pair)
            add_word(list, word);
        else
            cli_spec_list_add(list, word);
        open = !whole;
    }
    return cli_parse_specs(options, list);
}

void cli_spec_list_free(cli_spec_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->texts[i]);
        if (list->specs)
            kiln_spec_free(&list->specs[i]);
    }
    free(list->texts);
    free(list->specs);
}
