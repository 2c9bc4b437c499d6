/* kiln run: the files' shapes against the row's, and the dimensions that follow from them. */
#include "run.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The formulas of a tensor's extents as files have them: the last is the row stride. */
typedef struct {
    char *of[KILN_MAX_RANK];
    size_t rank;
} formulas;

static void split(const kiln_tensor *tensor, formulas *f)
{
    const char *shape = tensor->shape;
    f->rank = 0;
    while (*shape && f->rank < KILN_MAX_RANK)
        f->of[f->rank++] = cli_need(kiln_shape_next(&shape));
    if (tensor->stride) {
        free(f->of[f->rank - 1]);
        f->of[f->rank - 1] = cli_need(kiln_strdup(tensor->stride));
    }
}

static void free_formulas(formulas *f)
{
    for (size_t i = 0; i < f->rank; i++)
        free(f->of[i]);
    f->rank = 0;
}

/* ---- sentences --------------------------------------------------------------------------- */

static bool is_number(const char *name)
{
    return name[strspn(name, "0123456789")] == '\0';
}

/* An extent by its dimensions' names, whatever their values: "m", "2*n", "lda". */
static char *extent_name(const run_job *job, const char *formula)
{
    kiln_spec open = job->spec;
    kiln_env env;
    for (size_t i = 0; i < open.num_dims; i++)
        open.dims[i] = KILN_LAUNCH_TIME;
    kiln_env_init(&env, NULL);
    char *name = NULL;
    if (kiln_spec_bind(&open, NULL, &env) == KILN_OK)
        name = cli_formula(formula, &env);
    kiln_env_free(&env);
    if (!name || (is_number(name) && !strchr(formula, '?'))) {
        free(name);
        name = cli_need(kiln_strdup(formula));
    }
    return name;
}

/* "matmul: a: a.npy: its shape (3, 4) " and, behind what comes between, "[m, k]". */
static void add_shapes(const run_job *job, const run_tensor *tensor, const formulas *f,
                       const char *between, kiln_text *text)
{
    kiln_text_addf(text, "%s: %s: %s: its shape ", job->spec.row->name, tensor->parameter->name,
                   tensor->path);
    npy_print_shape(text, tensor->file.header.shape, tensor->file.header.rank);
    kiln_text_addf(text, " %s [", between);
    for (size_t i = 0; i < f->rank; i++) {
        char *name = extent_name(job, f->of[i]);
        kiln_text_addf(text, "%s%s", i ? ", " : "", name);
        free(name);
    }
    kiln_text_add(text, "]");
}

static int refuse(kiln_text *text)
{
    cli_error_text(text);
    return CLI_REFUSED;
}

static int refuse_rank(const run_job *job, const run_tensor *tensor, const formulas *f)
{
    kiln_text text = {0};
    add_shapes(job, tensor, f, "has another rank than", &text);
    return refuse(&text);
}

/* Where the values behind an extent come from: "b.npy has k=5", "the spec has m=3, n=4". */
static void add_sources(const run_job *job, const char *name, const char *const *sources,
                        kiln_text *text)
{
    const char *last = NULL;
    bool any = false;
    for (size_t i = 0; i < job->spec.num_dims; i++) {
        const char *dim = job->spec.row->dims[i];
        const char *source = sources[i] ? sources[i] : "the spec";
        if (!kiln_expr_mentions(name, dim))
            continue;
        if (last && strcmp(last, source) == 0)
            kiln_text_add(text, ", ");
        else
            kiln_text_addf(text, "%s%s has ", any ? " and " : "", source);
        kiln_text_addf(text, "%s=%" PRId64, dim, job->dims[i]);
        last = source;
        any = true;
    }
}

static int refuse_extent(const run_job *job, const run_tensor *tensor, const formulas *f, size_t e,
                         int64_t wanted, const char *const *sources)
{
    kiln_text text = {0};
    char *name = extent_name(job, f->of[e]);
    add_shapes(job, tensor, f, "is", &text);
    if (is_number(name)) {
        kiln_text_addf(&text, ", so an extent is %" PRId64 " that must be %s",
                       tensor->file.header.shape[e], name);
        free(name);
        return refuse(&text);
    }
    kiln_text_addf(&text, ", so %s is %" PRId64 ", but ", name, tensor->file.header.shape[e]);
    size_t before = text.length;
    add_sources(job, name, sources, &text);
    if (text.length == before)
        kiln_text_addf(&text, "the spec has %s=%" PRId64, name, wanted);
    else if (kiln_row_dim(job->spec.row, name) < 0)
        kiln_text_addf(&text, ", which makes it %" PRId64, wanted);
    free(name);
    return refuse(&text);
}

static int refuse_value(const run_job *job, const run_tensor *tensor, const formulas *f, size_t e,
                        const char *dim)
{
    kiln_text text = {0};
    int64_t extent = tensor->file.header.shape[e];
    char *name = extent_name(job, f->of[e]);
    add_shapes(job, tensor, f, "is", &text);
    if (strcmp(name, dim) == 0)
        kiln_text_addf(&text, ", so %s is %" PRId64 ", but it must be from 1 to %d", dim, extent,
                       INT32_MAX);
    else
        kiln_text_addf(&text, ", but %s is %" PRId64 " for no %s from 1 to %d", name, extent, dim,
                       INT32_MAX);
    free(name);
    return refuse(&text);
}

/* ---- one unknown ------------------------------------------------------------------------- */

static kiln_status evaluate(const run_job *job, const int64_t *dims, const char *formula,
                            kiln_value *value, int *unknown)
{
    kiln_env env;
    kiln_env_init(&env, NULL);
    kiln_status status = kiln_spec_bind(&job->spec, dims, &env);
    if (status == KILN_OK)
        status = kiln_expr_eval(formula, &env, value);
    /* A symbol's text goes with the env: of it, how many unknown dimensions, and which. */
    int found = 0;
    for (size_t i = 0; status == KILN_OK && value->kind == KILN_SYMBOL && i < job->spec.num_dims;
         i++) {
        if (dims[i] != KILN_LAUNCH_TIME || !kiln_expr_mentions(value->text, job->spec.row->dims[i]))
            continue;
        *unknown = found++ == 0 ? (int)i : -1;
    }
    kiln_env_free(&env);
    return status;
}

/* The dimension under which formula, which is linear in it, is extent; 0 if there is none. */
static kiln_status solve(const run_job *job, const char *formula, int unknown, int64_t extent,
                         int64_t *solution)
{
    int64_t dims[KILN_MAX_DIMS], at[2];
    memcpy(dims, job->dims, sizeof dims);
    *solution = 0;
    for (int i = 0; i < 2; i++) {
        kiln_value value;
        int none;
        dims[unknown] = 1 + i;
        kiln_status status = evaluate(job, dims, formula, &value, &none);
        if (status != KILN_OK)
            return status;
        if (value.kind != KILN_INT)
            return KILN_OK;
        at[i] = value.integer;
    }
    int64_t slope = at[1] - at[0], rest = extent - at[0];
    if (slope > 0 && rest >= 0 && rest % slope == 0 && rest / slope < INT32_MAX)
        *solution = 1 + rest / slope;
    return KILN_OK;
}

/* ---- fitting ----------------------------------------------------------------------------- */

/* Compares the extents known; *found: a dimension is newly known, and others may follow. */
static int fit_tensor(run_job *job, const run_tensor *tensor, const formulas *f,
                      const char **sources, bool *found)
{
    const npy_header *header = &tensor->file.header;
    if (header->rank != f->rank)
        return refuse_rank(job, tensor, f);
    for (size_t e = 0; e < f->rank && !*found; e++) {
        kiln_value value;
        int unknown = -1;
        kiln_status status = evaluate(job, job->dims, f->of[e], &value, &unknown);
        if (status != KILN_OK)
            return cli_fail(status);
        if (value.kind == KILN_INT && value.integer != header->shape[e])
            return refuse_extent(job, tensor, f, e, value.integer, sources);
        if (value.kind != KILN_SYMBOL || unknown < 0)
            continue;
        int64_t solution;
        status = solve(job, f->of[e], unknown, header->shape[e], &solution);
        if (status != KILN_OK)
            return cli_fail(status);
        if (solution == 0)
            return refuse_value(job, tensor, f, e, job->spec.row->dims[unknown]);
        job->dims[unknown] = solution;
        sources[unknown] = tensor->path;
        *found = true;
    }
    return CLI_DONE;
}

static int fit_files(run_job *job, const char **sources)
{
    bool found;
    do {
        found = false;
        for (size_t i = 0; i < job->signature.count; i++) {
            const run_tensor *tensor = &job->tensors[i];
            formulas f;
            if (!tensor->path)
                continue;
            split(tensor->parameter->tensor, &f);
            int status = fit_tensor(job, tensor, &f, sources, &found);
            free_formulas(&f);
            if (status != CLI_DONE)
                return status;
        }
    } while (found);
    for (size_t i = 0; i < job->spec.num_dims; i++) {
        if (job->dims[i] == KILN_LAUNCH_TIME) {
            const char *dim = job->spec.row->dims[i];
            cli_error("%s: %s is open, and no file tells it; %s=N in the spec sets it",
                      job->spec.text, dim, dim);
            return CLI_REFUSED;
        }
    }
    return CLI_DONE;
}

/* Every array's place, outputs' included. */
static kiln_status measure(run_job *job, kiln_env *env)
{
    for (size_t i = 0; i < job->signature.count; i++) {
        run_tensor *tensor = &job->tensors[i];
        kiln_extents extents;
        if (!tensor->parameter)
            continue;
        kiln_status status = kiln_parameter_extents(tensor->parameter, env, &extents);
        if (status != KILN_OK)
            return status;
        tensor->rank = extents.rank;
        memcpy(tensor->shape, extents.extents, sizeof tensor->shape);
        tensor->shape[extents.rank - 1] = extents.stride;
        tensor->item = kiln_dtype_size(tensor->parameter->dtype);
        tensor->width = (size_t)extents.extents[extents.rank - 1];
        tensor->stride = (size_t)extents.stride;
        tensor->rows = (size_t)extents.elements / tensor->width;
    }
    return KILN_OK;
}

int run_fit(run_job *job)
{
    const char *sources[KILN_MAX_DIMS] = {NULL};
    memcpy(job->dims, job->spec.dims, sizeof job->dims);
    int fitted = fit_files(job, sources);
    if (fitted != CLI_DONE)
        return fitted;
    kiln_env env;
    kiln_env_init(&env, NULL);
    kiln_status status = kiln_spec_bind(&job->spec, job->dims, &env);
    if (status == KILN_OK)
        status = kiln_spec_check(&job->spec, &env, KILN_INVALID_LAUNCH);
    if (status == KILN_OK)
        status = measure(job, &env);
    kiln_env_free(&env);
    return status == KILN_OK ? CLI_DONE : cli_fail(status);
}
