/* The command line of ffn_block. */
#include "ffn_block.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ffn_print_help(void)
{
    printf(
        "usage: ffn_block [OPTION]...\n"
        "Times y = x + W2 gelu(W1 x + b1) + b2 by kiln's kernels, unfused and fused, and checks\n"
        "it against double precision.\n\n"
        "  --tokens N        rows of x (512)\n"
        "  --hidden N        columns of x (1024)\n"
        "  --ffn N           columns between W1 and W2 (4096)\n"
        "  --dtype TYPE      storage: f32, f16 or bf16 (f32)\n"
        "  --approx FORM     GELU's: none (by erf) or tanh (none)\n"
        "  --fusions SET     none: unfused only; top3, top5, all: fused only, by kiln's sets of\n"
        "                    fusions; top2: by matmul_bias_gelu and matmul_bias_residual (none\n"
        "                    and top2, one beside the other)\n"
        "  --device NAME     cpu, gpu, an index or a part of a name ($KILN_DEVICE, or the first\n"
        "                    GPU, or the first CPU)\n"
        "  --repeat N        timed steps of each (21)\n"
        "  --json            one JSON object instead of text\n"
        "  --help, --version\n\n"
        "In parentheses: the default. Exit status: 0 done, 1 failed or out of tolerance, 2 "
        "refused.\n");
}

static bool parse_number(const char *option, const char *text, int64_t high, int64_t *number)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0' || errno == ERANGE || value < 1 ||
        value > high) {
        fprintf(stderr, "ffn_block: %s %s: must be an integer from 1 to %lld\n", option, text,
                (long long)high);
        return false;
    }
    *number = value;
    return true;
}

/* Of NULL-terminated choices, the index of text. */
static bool parse_choice(const char *option, const char *text, const char *const *choices, int *at)
{
    for (*at = 0; choices[*at]; ++*at)
        if (strcmp(choices[*at], text) == 0)
            return true;
    fprintf(stderr, "ffn_block: %s %s: must be", option, text);
    for (int i = 0; choices[i]; i++)
        fprintf(stderr, "%s %s", i == 0 ? "" : choices[i + 1] ? "," : " or", choices[i]);
    fputc('\n', stderr);
    return false;
}

static bool parse_option(const char *option, const char *value, ffn_options *options)
{
    static const char *const dtypes[] = {"f32", "f16", "bf16", NULL};
    static const char *const approxes[] = {"none", "tanh", NULL};
    static const char *const fusions[] = {"none", "top2", "top3", "top5", "all", NULL};
    int at;
    if (strcmp(option, "--tokens") == 0)
        return parse_number(option, value, INT32_MAX, &options->tokens);
    if (strcmp(option, "--hidden") == 0)
        return parse_number(option, value, INT32_MAX, &options->hidden);
    if (strcmp(option, "--ffn") == 0)
        return parse_number(option, value, INT32_MAX, &options->ffn);
    if (strcmp(option, "--repeat") == 0)
        return parse_number(option, value, 1000000, &options->repeat);
    if (strcmp(option, "--dtype") == 0) {
        if (!parse_choice(option, value, dtypes, &at))
            return false;
        options->dtype = at == 0 ? KILN_F32 : at == 1 ? KILN_F16 : KILN_BF16;
    } else if (strcmp(option, "--approx") == 0) {
        if (!parse_choice(option, value, approxes, &at))
            return false;
        options->approx = at == 0 ? KILN_APPROX_NONE : KILN_APPROX_TANH;
    } else if (strcmp(option, "--fusions") == 0) {
        if (!parse_choice(option, value, fusions, &at))
            return false;
        options->unfused = at == 0;
        options->fused = at == 0 ? NULL : at == 1 ? FFN_TOP2 : fusions[at];
    } else {
        options->device = value;
    }
    return true;
}

bool ffn_parse_options(char **argv, ffn_options *options)
{
    static const char *const valued[] = {"--tokens", "--hidden",  "--ffn",    "--repeat", "--dtype",
                                         "--approx", "--fusions", "--device", NULL};
    for (char **at = argv + 1; *at; at++) {
        size_t i = 0;
        if (strcmp(*at, "--json") == 0) {
            options->json = true;
            continue;
        }
        while (valued[i] && strcmp(valued[i], *at) != 0)
            i++;
        if (!valued[i]) {
            fprintf(stderr, "ffn_block: unknown option `%s'; --help lists them\n", *at);
            return false;
        }
        if (!at[1]) {
            fprintf(stderr, "ffn_block: %s needs a value\n", *at);
            return false;
        }
        if (!parse_option(at[0], at[1], options))
            return false;
        at++;
    }
    return true;
}
