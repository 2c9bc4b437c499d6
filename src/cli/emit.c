/* kiln emit: the generated OpenCL C. */
#include "cli.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    bool written = file && fputs(text, file) >= 0;
    int error = errno;
    if (file && fclose(file) != 0 && written) {
        written = false;
        error = errno;
    }
    if (!written)
        cli_error("cannot write %s: %s", path, strerror(error));
    return written ? CLI_DONE : CLI_FAILED;
}

static int run(const cli_options *options)
{
    if (options->num_words == 0) {
        cli_error("emit needs a spec, like `matmul m=64 n=64 k=64'");
        return CLI_REFUSED;
    }
    char *spec = cli_join(options, 0), *source = NULL, *label = NULL;
    kiln_spec checked;
    /* First the spec: a wrong one is not worth a note on devices. */
    kiln_status parsed = kiln_spec_parse(spec, &checked);
    int status = parsed == KILN_OK ? CLI_DONE : cli_fail(parsed);
    if (status == CLI_DONE) {
        kiln_facts facts;
        kiln_spec_free(&checked);
        status = cli_find_facts(options, true, &facts, &label);
        if (status == CLI_DONE) {
            char *text = cli_facts_text(&facts);
            kiln_status emitted = kiln_emit(spec, text, &source);
            status = emitted == KILN_OK ? CLI_DONE : cli_fail(emitted);
            free(text);
        }
    }
    if (status == CLI_DONE && options->output && strcmp(options->output, "-") != 0)
        status = write_file(options->output, source);
    else if (status == CLI_DONE)
        fputs(source, stdout);
    kiln_free(source);
    free(label);
    free(spec);
    return status;
}

const cli_command cli_emit = {
    .name = "emit",
    .operands = "SPEC",
    .summary = "the OpenCL C that is built for a spec",
    .help = "Prints the OpenCL C that kiln would build for SPEC, its stages one behind the other.\n"
            "`--device cpu' or `gpu', with or without facts behind it, needs no OpenCL driver; any "
            "other\n"
            "name is a device of this machine, and without --device it is the default one.\n"
            "\n"
            "  kiln emit matmul m=512 n=512 k=512 --device gpu\n"
            "  kiln emit matmul m=512 n=512 k=512 --device gpu,local_mem=65536,compute_units=132\n"
            "  kiln emit 'gelu m=? n=4096 approx=tanh' -o gelu.cl\n",
    .options = CLI_DEVICE | CLI_FACTS | CLI_OUTPUT,
    .run = run,
};
