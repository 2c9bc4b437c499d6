/* kiln run: name=file.npy and name=number. */
#include "run.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ----------------------------------------------------------------------------- */

/* From -2^63 to 2^64-1; those of 2^63 and more are kept by their bits, as a seed uses them. */
static bool parse_whole(const char *text, int64_t *value)
{
    const char *digits = text + (*text == '-');
    char *end;
    if (!isdigit((unsigned char)*digits))
        return false;
    errno = 0;
    if (*text == '-')
        *value = strtoll(text, &end, 10);
    else
        *value = (int64_t)strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

/* Finite and decimal: no hexadecimal digits, no inf, no nan. */
static bool parse_real(const char *text, double *value)
{
    const char *end, *first = text + (*text == '-' || *text == '+');
    if (!isdigit((unsigned char)first[*first == '.']))
        return false;
    *value = kiln_real_parse(text, &end);
    return *end == '\0' && isfinite(*value);
}

static int take_number(run_job *job, const kiln_parameter *parameter, const char *text)
{
    const char *row = job->spec.row->name, *name = parameter->name;
    kiln_arg *arg = &job->scalars[job->num_scalars];
    int64_t whole;
    double real;
    if (parameter->number->integer) {
        if (!parse_whole(text, &whole)) {
            cli_error("%s: %s=%s: must be a whole number of 64 bits", row, name, text);
            return CLI_REFUSED;
        }
        *arg = kiln_scalar_int(name, whole);
    } else {
        if (!parse_real(text, &real)) {
            cli_error("%s: %s=%s: must be a finite decimal number, like 0.1 or 1e-4", row, name,
                      text);
            return CLI_REFUSED;
        }
        *arg = kiln_scalar(name, real);
    }
    job->num_scalars++;
    return CLI_DONE;
}

/* ---- names ------------------------------------------------------------------------------- */

static bool is_wanted(const kiln_parameter *parameter)
{
    return parameter->kind == KILN_ARG_SCALAR || parameter->is_input;
}

static const char *wanted_name(void *user, size_t index)
{
    const kiln_signature *signature = user;
    for (size_t i = 0; i < signature->count; i++)
        if (is_wanted(&signature->parameters[i]) && index-- == 0)
            return signature->parameters[i].name;
    return NULL;
}

static bool is_of_spec(const kiln_row *row, const char *name)
{
    const kiln_option *option;
    for (size_t i = 0; (option = kiln_row_option(row, i)); i++)
        if (strcmp(option->name, name) == 0)
            return true;
    return kiln_row_dim(row, name) >= 0;
}

static bool is_among(const kiln_tensor *tensors, size_t max, const char *name)
{
    for (size_t i = 0; i < max && tensors[i].name; i++)
        if (strcmp(tensors[i].name, name) == 0)
            return true;
    return false;
}

static bool is_of_ops(const kiln_op_use *uses, const char *name)
{
    for (size_t i = 0; i < KILN_MAX_OPS && uses[i].op; i++) {
        const kiln_op *op = kiln_op_find(uses[i].op);
        if (op && is_among(op->tensors, sizeof op->tensors / sizeof *op->tensors, name))
            return true;
    }
    return false;
}

/* Whether the row has such a tensor, though this spec does not ask for it. */
static bool is_optional(const kiln_row *row, const char *name)
{
    return is_among(row->tensors, KILN_MAX_TENSORS, name) || is_of_ops(row->prologue, name) ||
           is_of_ops(row->epilogue, name);
}

static int unknown_name(const run_job *job, const char *name)
{
    const kiln_row *row = job->spec.row;
    kiln_text message = {0};
    if (is_optional(row, name)) {
        kiln_text_addf(&message,
                       "%s: this spec has no `%s'; `kiln show %s' says which option asks for it",
                       row->name, name, row->name);
    } else if (is_of_spec(row, name)) {
        kiln_text_addf(&message,
                       "%s: %s=... belongs to the spec, which is one argument: kiln run '%s ...'",
                       row->name, name, job->spec.text);
    } else {
        kiln_text_addf(&message, "%s has no input `%s'", row->name, name);
        kiln_suggest(&message, name, wanted_name, (void *)&job->signature);
        kiln_text_add(&message, "; it takes");
        for (size_t i = 0; wanted_name((void *)&job->signature, i); i++)
            kiln_text_addf(&message, "%s %s", i ? "," : "",
                           wanted_name((void *)&job->signature, i));
    }
    cli_error_text(&message);
    return CLI_REFUSED;
}

static int no_input(const run_job *job, const kiln_parameter *parameter)
{
    bool with = parameter->tensor->also_in != NULL;
    cli_error("%s: %s is an output and has no file%s", job->spec.row->name, parameter->name,
              with ? " (accumulate=1 reads it, too)" : "; --out says where outputs go");
    return CLI_REFUSED;
}

int run_refuse_file(const run_job *job, const run_tensor *tensor, kiln_text *why)
{
    kiln_text text = {0};
    kiln_text_addf(&text, "%s: %s: %s", job->spec.row->name, tensor->parameter->name,
                   why->data ? why->data : "out of memory");
    kiln_text_free(why);
    cli_error_text(&text);
    return CLI_REFUSED;
}

static int open_file(const run_job *job, run_tensor *tensor, const char *path)
{
    kiln_text why = {0};
    tensor->path = path;
    if (npy_open(path, tensor->parameter->dtype, &tensor->file, &why))
        return CLI_DONE;
    return run_refuse_file(job, tensor, &why);
}

static bool is_given(const run_job *job, size_t index)
{
    for (size_t i = 0; i < job->num_scalars; i++)
        if (job->scalars[i].name == job->signature.parameters[index].name)
            return true;
    return job->tensors[index].path != NULL;
}

static int take_word(run_job *job, char *word)
{
    const kiln_signature *signature = &job->signature;
    const char *row = job->spec.row->name;
    char *equals = strchr(word, '=');
    if (!equals || equals == word || !equals[1]) {
        cli_error("%s: `%s' is neither name=file.npy nor name=number", row, word);
        return CLI_REFUSED;
    }
    char *name = cli_need(kiln_strndup(word, (size_t)(equals - word)));
    size_t p = 0;
    while (p < signature->count && (signature->parameters[p].kind == KILN_ARG_DIM ||
                                    strcmp(signature->parameters[p].name, name) != 0))
        p++;
    const kiln_parameter *parameter = &signature->parameters[p];
    int status;
    if (p == signature->count) {
        status = unknown_name(job, name);
    } else if (!is_wanted(parameter)) {
        status = no_input(job, parameter);
    } else if (is_given(job, p)) {
        cli_error("%s: %s is given twice", row, name);
        status = CLI_REFUSED;
    } else if (parameter->kind == KILN_ARG_SCALAR) {
        status = take_number(job, parameter, equals + 1);
    } else {
        status = open_file(job, &job->tensors[p], equals + 1);
    }
    free(name);
    return status;
}

int run_take_words(run_job *job)
{
    const kiln_signature *signature = &job->signature;
    int status = CLI_DONE;
    for (size_t i = 0; i < signature->count; i++)
        if (signature->parameters[i].kind == KILN_ARG_BUFFER)
            job->tensors[i].parameter = &signature->parameters[i];
    for (size_t i = 1; i < job->options->num_words && status == CLI_DONE; i++)
        status = take_word(job, job->options->words[i]);
    for (size_t i = 0; i < signature->count && status == CLI_DONE; i++) {
        const kiln_parameter *parameter = &signature->parameters[i];
        if (!is_wanted(parameter) || is_given(job, i))
            continue;
        bool number = parameter->kind == KILN_ARG_SCALAR;
        cli_error("%s: %s is missing: %s=%s%s", job->spec.row->name, parameter->name,
                  parameter->name, number ? "number" : "file.npy",
                  parameter->is_output ? " (it is read and written)" : "");
        status = CLI_REFUSED;
    }
    return status;
}
