/* kiln run: a kernel on arrays from files. */
#include "run.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the directory ----------------------------------------------------------------------- */

/* Of one output's file; the caller frees it. */
static char *output_path(const run_job *job, const run_tensor *tensor)
{
    kiln_text path = {0};
    const char *out = job->options->out;
    const char *slash = out[strlen(out) - 1] == '/' ? "" : "/";
    kiln_text_addf(&path, "%s%s%s.npy", out, slash, tensor->parameter->name);
    return cli_need(kiln_text_take(&path));
}

/* Inputs stay as they are, so none may be a file that an output goes to. */
static int check_inputs(const run_job *job, const char *path)
{
    struct stat output, input;
    if (stat(path, &output) != 0)
        return CLI_DONE;
    for (size_t i = 0; i < job->signature.count; i++) {
        const run_tensor *tensor = &job->tensors[i];
        if (!tensor->path || stat(tensor->path, &input) != 0 || input.st_dev != output.st_dev ||
            input.st_ino != output.st_ino)
            continue;
        cli_error("%s is the file of the input %s and would be overwritten; another --out keeps it",
                  path, tensor->parameter->name);
        return CLI_REFUSED;
    }
    return CLI_DONE;
}

static int check_outputs(const run_job *job)
{
    int status = CLI_DONE;
    for (size_t i = 0; i < job->signature.count && job->options->out && status == CLI_DONE; i++) {
        if (!job->tensors[i].parameter || !job->tensors[i].parameter->is_output)
            continue;
        char *path = output_path(job, &job->tensors[i]);
        status = check_inputs(job, path);
        free(path);
    }
    return status;
}

/* The directory, but not its parents. */
static int make_directory(const char *path)
{
    struct stat status;
    if (mkdir(path, 0777) == 0)
        return CLI_DONE;
    int error = errno;
    if (error == EEXIST && stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            return CLI_DONE;
        error = ENOTDIR;
    }
    cli_error("cannot make the directory %s: %s", path, strerror(error));
    return CLI_FAILED;
}

static int write_outputs(run_job *job)
{
    int status = make_directory(job->options->out);
    for (size_t i = 0; i < job->signature.count && status == CLI_DONE; i++) {
        const run_tensor *tensor = &job->tensors[i];
        kiln_text why = {0};
        if (!tensor->after)
            continue;
        char *path = output_path(job, tensor);
        if (!npy_write(path, tensor->parameter->dtype, tensor->shape, tensor->rank,
                       tensor->after + tensor->start, tensor->bytes, &why)) {
            cli_error_text(&why);
            status = CLI_FAILED;
        }
        free(path);
    }
    return status;
}

/* ---- telling ----------------------------------------------------------------------------- */

static cli_short real_text(double value)
{
    cli_short text;
    snprintf(text.text, sizeof text.text, "%.6g", value);
    return text;
}

static void print_outputs(const run_job *job)
{
    static const char *const titles[] = {"OUTPUT", "DTYPE", "SHAPE", ">MIN", ">MAX",
                                         ">MEAN",  ">NAN",  ">INF",  "FILE", NULL};
    cli_table table;
    cli_table_start(&table, titles);
    for (size_t i = 0; i < job->signature.count; i++) {
        const run_tensor *tensor = &job->tensors[i];
        run_summary s;
        if (!tensor->after)
            continue;
        run_summarise(tensor, &s);
        kiln_text shape = {0};
        npy_print_shape(&shape, tensor->shape, tensor->rank);
        char *path = job->options->out ? output_path(job, tensor) : cli_need(kiln_strdup("")),
             *shape_text = cli_need(kiln_text_take(&shape));
        cli_short min = real_text(s.min), max = real_text(s.max), mean = real_text(s.mean),
                  nan = cli_integer((int64_t)s.nan), inf = cli_integer((int64_t)s.inf);
        const char *cells[] = {tensor->parameter->name,
                               kiln_dtype_name(tensor->parameter->dtype),
                               shape_text,
                               min.text,
                               max.text,
                               mean.text,
                               nan.text,
                               inf.text,
                               path};
        cli_table_add(&table, cells);
        free(shape_text);
        free(path);
    }
    cli_table_end(&table);
}

static void print_text(const run_job *job, const kiln_kernel_info *info, const char *device)
{
    const cli_launch *launch = &job->launch;
    printf("%s%s%s\n", cli_bold(), info->spec, cli_plain());
    printf("  device   %s\n", device);
    printf("  variant  %s, %s\n", info->variant, info->tuning);
    for (size_t i = 0; i < launch->num_dims; i++)
        printf("%s%s=%lld", i ? " " : "  with     ", launch->args[i].name,
               (long long)launch->args[i].integer);
    printf("%s\n", launch->num_dims ? "\n" : "");
    print_outputs(job);
    if (!job->options->out)
        printf("\nno file was written; --out DIR keeps the outputs\n");
}

/* JSON knows no infinity and no NaN. */
static json_t *json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_output(const run_job *job, const run_tensor *tensor)
{
    run_summary s;
    run_summarise(tensor, &s);
    json_t *shape = cli_need(json_array());
    for (size_t i = 0; i < tensor->rank; i++)
        json_array_append_new(shape, json_integer(tensor->shape[i]));
    char *path = job->options->out ? output_path(job, tensor) : NULL;
    json_t *object = json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "name", tensor->parameter->name, "dtype",
        kiln_dtype_name(tensor->parameter->dtype), "shape", shape, "min", json_number(s.min), "max",
        json_number(s.max), "mean", json_number(s.mean), "nan", (json_int_t)s.nan, "inf",
        (json_int_t)s.inf, "file", path ? cli_json_text(path) : json_null());
    free(path);
    return cli_need(object);
}

static void print_json(const run_job *job, const kiln_kernel_info *info, const char *device)
{
    const cli_launch *launch = &job->launch;
    json_t *dims = cli_need(json_object()), *outputs = cli_need(json_array());
    for (size_t i = 0; i < launch->num_dims; i++)
        json_object_set_new(dims, launch->args[i].name, json_integer(launch->args[i].integer));
    for (size_t i = 0; i < job->signature.count; i++)
        if (job->tensors[i].after)
            json_array_append_new(outputs, json_output(job, &job->tensors[i]));
    cli_print_json(json_pack("{s:s, s:o, s:s, s:s, s:o, s:I, s:o}", "spec", info->spec, "device",
                             cli_json_text(device), "variant", info->variant, "tuning",
                             info->tuning, "dimensions", dims, "misalign",
                             (json_int_t)job->options->misalign, "outputs", outputs));
}

static int report(const run_job *job, const kiln_context *context)
{
    kiln_kernel_info info;
    kiln_status status = kiln_get_kernel_info(job->launch.kernel, &info);
    if (status != KILN_OK)
        return cli_fail(status);
    char *device = cli_device_name(context->device);
    (job->options->json ? print_json : print_text)(job, &info, device);
    free(device);
    return CLI_DONE;
}

/* ---- the command ------------------------------------------------------------------------- */

static void set_dims(run_job *job)
{
    for (size_t i = 0; i < job->spec.num_dims; i++)
        if (job->spec.dims[i] == KILN_LAUNCH_TIME)
            job->launch.args[job->launch.num_dims++] =
                kiln_dim(job->spec.row->dims[i], job->dims[i]);
}

static int check_memory(run_job *job, const kiln_context *context)
{
    kiln_text why = {0};
    kiln_status status;
    bool fits = cli_launch_fits(&job->launch, context, &status, &why);
    if (!fits && status == KILN_OK)
        cli_error_text(&why);
    else
        kiln_text_free(&why);
    return fits ? CLI_DONE : status == KILN_OK ? CLI_REFUSED : cli_fail(status);
}

static int launch(run_job *job, const kiln_context *context)
{
    double seconds;
    int status = check_memory(job, context);
    if (status == CLI_DONE)
        status = run_fill(job, context);
    if (status == CLI_DONE)
        status = cli_launch_run(&job->launch, &seconds, NULL);
    if (status == CLI_DONE)
        status = run_collect(job);
    cli_launch_free(&job->launch);
    return status;
}

static int run_on_device(run_job *job)
{
    kiln_context *context = NULL;
    int status = cli_open_context(job->options, &context);
    if (status == CLI_DONE) {
        kiln_status created = kiln_create_kernel(context, job->spec.text, &job->launch.kernel);
        status = created == KILN_OK ? CLI_DONE : cli_fail(created);
    }
    set_dims(job);
    if (status == CLI_DONE)
        status = launch(job, context);
    if (status == CLI_DONE && job->options->out)
        status = write_outputs(job);
    if (status == CLI_DONE)
        status = report(job, context);
    kiln_release_kernel(job->launch.kernel);
    kiln_release_context(context);
    return status;
}

static int run_spec(run_job *job)
{
    kiln_env env;
    kiln_env_init(&env, NULL);
    kiln_status bound = kiln_spec_bind(&job->spec, NULL, &env);
    if (bound == KILN_OK)
        bound = kiln_signature_make(&job->spec, &env, &job->signature);
    kiln_env_free(&env);
    int status = bound == KILN_OK ? run_take_words(job) : cli_fail(bound);
    if (status == CLI_DONE)
        status = run_fit(job);
    if (status == CLI_DONE)
        status = check_outputs(job);
    if (status == CLI_DONE)
        status = run_on_device(job);
    run_free_tensors(job);
    return status;
}

/* A spec that lies in several words, as other commands take it. */
static bool is_spread(const cli_options *options)
{
    const kiln_row *row = kiln_row_find(options->words[0]);
    if (!row || options->num_words == 1)
        return false;
    char *name = cli_need(kiln_strndup(options->words[1], strcspn(options->words[1], "=")));
    bool spread = kiln_row_dim(row, name) >= 0 || strcmp(name, "dtype") == 0;
    free(name);
    return spread;
}

static int run(const cli_options *options)
{
    run_job job = {.options = options};
    if (options->num_words == 0) {
        cli_error("run needs a spec, like `gelu m=? n=? approx=tanh', and files, like x=x.npy");
        return CLI_REFUSED;
    }
    if (is_spread(options)) {
        cli_error("run takes the spec as one argument: kiln run '%s %s ...'", options->words[0],
                  options->words[1]);
        return CLI_REFUSED;
    }
    if (options->out && !*options->out) {
        cli_error("--out: the directory's name is empty");
        return CLI_REFUSED;
    }
    kiln_status parsed = kiln_spec_parse(options->words[0], &job.spec);
    if (parsed != KILN_OK)
        return cli_fail(parsed);
    int status = run_spec(&job);
    kiln_spec_free(&job.spec);
    return status;
}

const cli_command cli_run = {
    .name = "run",
    .operands = "SPEC NAME=FILE|NUMBER...",
    .summary = "runs a kernel on NumPy files",
    .help =
        "Runs SPEC, one quoted argument, on arrays from .npy files: every input is given as\n"
        "NAME=FILE, every scalar as NAME=NUMBER (`kiln show KERNEL' prints what there is). f32,\n"
        "f16 and int32 are NumPy's float32, float16 and int32; bf16 is its bits, as uint16. Files\n"
        "are in C order and have exactly the row's extents, with lda, ldb or ldc columns where\n"
        "those are given. A dimension that the spec leaves open is read off the files.\n"
        "Outputs go to --out as NAME.npy and are summarised. An argument that is read and written\n"
        "is given as a file, too; the file stays as it is.\n"
        "Guards stand about every buffer: a kernel that writes outside its outputs has failed.\n"
        "\n"
        "  kiln run 'matmul m=? n=? k=?' a=a.npy b=b.npy --out results\n"
        "  kiln run 'gelu m=? n=4096 dtype=bf16 approx=tanh' x=x.npy --misalign 1\n"
        "  kiln run 'adamw n=?' g=g.npy param=p.npy m=m.npy v=v.npy lr=1e-3 beta1=0.9 \\\n"
        "      beta2=0.999 eps=1e-8 weight_decay=0.01 step=1 --out results\n",
    .options = CLI_DEVICE | CLI_OUT | CLI_MISALIGN | CLI_JSON,
    .run = run,
};
