/* kiln tune's worker: a process that measures candidates, and may crash or hang. Both of its ends.
 *
 * It is started as `kiln tune --worker --budget SECONDS --device INDEX [--dim ...] SPEC`, reads
 *
 *     try CHECK LIMIT BEST LINE     LINE as in the tuning file; LIMIT: seconds it may take
 *
 * from standard input and answers each on standard output with one of
 *
 *     time SECONDS
 *     failed SENTENCE
 *     error STATUS SENTENCE         the search cannot go on
 */
#include "tune_worker.h"
#include "device.h"
#include "tune_trial.h"
#include "tuning.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The first candidate of a search may take FIRST_LIMIT_S; the later ones MORE times what it took,
 * but LEAST_LIMIT_S at least. */
#define FIRST_LIMIT_S 600.0
#define LEAST_LIMIT_S 5.0
#define MORE          4.0

/* What a candidate may take beyond the budget before the search ends without it. */
#define GRACE_S 10.0

#define MAX_MESSAGE 4096

volatile sig_atomic_t cli_tune_signal;

/* $OCL_ICD_FILENAMES as it was before OpenCL: Khronos' loader cuts it in place to the first of its
 * drivers, and a worker would see that one alone. */
static char *icd_filenames;

struct cli_worker {
    const cli_options *options;
    const kiln_context *context;
    const kiln_spec *spec;
    double budget_s, start;
    double first_s; /* what the first candidate took; 0: not known yet */
    bool fresh;     /* the process has measured nothing yet */
    pid_t pid;      /* 0: there is none */
    int to, from;
    char answer[MAX_MESSAGE];
    size_t length;
};

/* ---- the command's side: the process ------------------------------------------------------- */

void cli_worker_prepare(void)
{
    const char *names = getenv("OCL_ICD_FILENAMES");
    if (names && !icd_filenames)
        icd_filenames = cli_need(strdup(names));
}

cli_worker *cli_worker_open(const cli_options *options, const kiln_context *context,
                            const kiln_spec *spec, double budget_s)
{
    cli_worker *w = cli_need(calloc(1, sizeof *w));
    w->options = options;
    w->context = context;
    w->spec = spec;
    w->budget_s = budget_s;
    w->start = kiln_seconds();
    return w;
}

/* Ends the process, and says how it had ended if it had. */
static void stop(cli_worker *w, bool kill_it, kiln_text *how)
{
    int status = 0;
    if (w->pid == 0)
        return;
    close(w->to);
    close(w->from);
    if (kill_it)
        kill(w->pid, SIGKILL);
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    w->pid = 0;
    if (how && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        kiln_text_add(how, "it ran too long");
    else if (how && WIFSIGNALED(status))
        kiln_text_addf(how, "its process died of signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else if (how)
        kiln_text_addf(how, "its process ended with status %d", WEXITSTATUS(status));
}

void cli_worker_close(cli_worker *w)
{
    if (!w)
        return;
    stop(w, true, NULL);
    free(w);
}

/* This program's own file; valgrind, for one, tells another of /proc/self/exe. */
static void find_self(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    path[length > 0 ? length : 0] = '\0';
    if (length <= 0)
        snprintf(path, size, "kiln");
}

/* By its number, as names may be those of several. */
static void find_device(const cli_worker *w, char *text, size_t size)
{
    cl_device_id *devices;
    size_t count;
    *text = '\0';
    if (kiln_device_list(&devices, &count) != KILN_OK)
        return;
    for (size_t i = 0; i < count; i++)
        if (devices[i] == w->context->device)
            snprintf(text, size, "%zu", i);
    free(devices);
}

static int spawn(cli_worker *w, char **arguments, int child_in, int child_out)
{
    char self[4096];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    find_self(self, sizeof self);
    if (icd_filenames)
        setenv("OCL_ICD_FILENAMES", icd_filenames, 1);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, child_in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, child_out, STDOUT_FILENO);
    /* A group of its own: Ctrl-C is the command's, which ends the search and then the worker. */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    int error = posix_spawnp(&w->pid, self, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static kiln_status start(cli_worker *w)
{
    int in[2], out[2], error = 0;
    char device[24], budget[32], dims[CLI_MAX_DIMS][64];
    char *arguments[12 + 2 * CLI_MAX_DIMS];
    size_t count = 0;
    find_device(w, device, sizeof device);
    snprintf(budget, sizeof budget, "%.9g", w->budget_s);
    arguments[count++] = (char *)"kiln";
    arguments[count++] = (char *)"tune";
    arguments[count++] = (char *)"--worker";
    arguments[count++] = (char *)"--budget";
    arguments[count++] = budget;
    arguments[count++] = (char *)"--device";
    arguments[count++] = device;
    for (size_t i = 0; i < w->options->num_dims; i++) {
        int dim = kiln_row_dim(w->spec->row, w->options->dims[i].name);
        if (dim < 0 || w->spec->dims[dim] != KILN_LAUNCH_TIME)
            continue;
        snprintf(dims[i], sizeof dims[i], "%s=%lld", w->options->dims[i].name,
                 (long long)w->options->dims[i].integer);
        arguments[count++] = (char *)"--dim";
        arguments[count++] = dims[i];
    }
    arguments[count++] = w->spec->text;
    arguments[count] = NULL;
    if (pipe(in) != 0)
        return kiln_fail(KILN_OUT_OF_MEMORY, "no pipe for a worker: %s", strerror(errno));
    if (pipe(out) != 0) {
        error = errno;
        close(in[0]);
        close(in[1]);
        return kiln_fail(KILN_OUT_OF_MEMORY, "no pipe for a worker: %s", strerror(error));
    }
    fcntl(in[1], F_SETFD, FD_CLOEXEC);
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    error = spawn(w, arguments, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    w->to = in[1];
    w->from = out[0];
    w->length = 0;
    w->fresh = true;
    if (error == 0)
        return KILN_OK;
    w->pid = 0;
    close(w->to);
    close(w->from);
    return kiln_fail(KILN_OUT_OF_MEMORY, "a worker cannot be started: %s", strerror(error));
}

/* ---- the command's side: messages ---------------------------------------------------------- */

static bool send_text(const cli_worker *w, const kiln_text *text)
{
    size_t done = 0;
    while (done < text->length) {
        ssize_t wrote = write(w->to, text->data + done, text->length - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        done += (size_t)wrote;
    }
    return true;
}

typedef enum { ANSWERED, DIED, TOO_LATE, ENDED } outcome;

/* A line into answer, by `until'. */
static outcome receive(cli_worker *w, double until)
{
    char *newline;
    w->length = 0;
    while (!(newline = memchr(w->answer, '\n', w->length))) {
        double left = until - kiln_seconds();
        struct pollfd wait = {.fd = w->from, .events = POLLIN};
        if (cli_tune_signal)
            return ENDED;
        if (left <= 0)
            return TOO_LATE;
        /* In turns, as a signal may come just before the call. */
        int ready = poll(&wait, 1, left < 0.2 ? (int)(1e3 * left) + 1 : 200);
        if (ready <= 0)
            continue;
        ssize_t got = read(w->from, w->answer + w->length, sizeof w->answer - 1 - w->length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || w->length + (size_t)got >= sizeof w->answer - 1)
            return DIED;
        w->length += (size_t)got;
    }
    *newline = '\0';
    return ANSWERED;
}

static kiln_status read_answer(const cli_worker *w, double *time, kiln_text *why)
{
    const char *text = w->answer, *end;
    if (strncmp(text, "time ", 5) == 0) {
        *time = kiln_real_parse(text + 5, &end);
        return KILN_OK;
    }
    if (strncmp(text, "failed ", 7) == 0) {
        *time = INFINITY;
        kiln_text_add(why, text + 7);
        return KILN_OK;
    }
    char *sentence = (char *)(uintptr_t)text;
    long status = strncmp(text, "error ", 6) == 0 ? strtol(text + 6, &sentence, 10) : 0;
    return kiln_fail(status < 0 ? (kiln_status)status : KILN_OPENCL_ERROR, "%s",
                     sentence + strspn(sentence, " "));
}

static double limit_of(const cli_worker *w)
{
    if (w->first_s == 0)
        return FIRST_LIMIT_S;
    /* A new process has to find anew what is right. */
    return fmax(LEAST_LIMIT_S, MORE * w->first_s) + (w->fresh ? w->first_s : 0);
}

/* What became of a candidate that has no answer. */
static kiln_status without_answer(cli_worker *w, outcome how, double limit, bool by_budget,
                                  double *time, kiln_text *why)
{
    *time = how == ENDED || (how == TOO_LATE && by_budget) ? NAN : INFINITY;
    stop(w, how != DIED, how == DIED ? why : NULL);
    if (how == TOO_LATE && !by_budget)
        kiln_text_addf(why, "it ran for more than %.0f s", limit);
    return KILN_OK;
}

kiln_status cli_worker_measure(void *user, const kiln_candidate *candidate, bool check, double best,
                               double *time, kiln_text *why)
{
    cli_worker *w = user;
    kiln_status status = w->pid == 0 ? start(w) : KILN_OK;
    if (status != KILN_OK)
        return status;
    double limit = limit_of(w), begin = kiln_seconds();
    double rest = w->start + w->budget_s + GRACE_S - begin;
    bool by_budget = w->first_s > 0 && rest < limit;
    kiln_line line = {.kind = KILN_LINE_TRIED,
                      .spec = *w->spec,
                      .variant = candidate->variant,
                      .time = 1,
                      .version = "0"};
    kiln_text text = {0};
    memcpy(line.values, candidate->values, sizeof line.values);
    kiln_text_addf(&text, "try %d %.0f ", (int)check, ceil(limit) + 1);
    if (isfinite(best))
        kiln_real_print(&text, best);
    else
        kiln_text_add(&text, "inf");
    kiln_text_add(&text, " ");
    kiln_line_print(&line, &text);
    outcome how = DIED;
    if (text.failed)
        status = kiln_fail_memory();
    else if (send_text(w, &text))
        how = receive(w, begin + (by_budget ? fmax(rest, 1) : limit));
    kiln_text_free(&text);
    if (status != KILN_OK)
        return status;
    if (how != ANSWERED)
        return without_answer(w, how, limit, by_budget, time, why);
    w->fresh = false;
    if (w->first_s == 0)
        w->first_s = fmax(kiln_seconds() - begin, 1e-3);
    return read_answer(w, time, why);
}

/* ---- the worker's side --------------------------------------------------------------------- */

/* A sentence on one line, and not a compiler's whole log. */
static void print_sentence(FILE *out, const char *word, const char *sentence)
{
    fprintf(out, "%s ", word);
    for (size_t i = 0; i < 600 && sentence[i]; i++)
        fputc(sentence[i] == '\n' || sentence[i] == '\r' ? ' ' : sentence[i], out);
    fputc('\n', out);
    fflush(out);
}

static void print_error(FILE *out, kiln_status status)
{
    char word[32];
    snprintf(word, sizeof word, "error %d", (int)status);
    print_sentence(out, word, kiln_last_error());
}

static kiln_status measure_line(const kiln_context *context, kiln_trials *trials, char *message,
                                double *time, kiln_text *why)
{
    char *at = message;
    kiln_line line;
    if (strncmp(at, "try ", 4) != 0)
        return kiln_fail(KILN_INVALID_ARGUMENT, "the worker does not know `%.40s'", message);
    bool check = strtol(at + 4, &at, 10) != 0;
    unsigned limit = (unsigned)strtol(at, &at, 10);
    at += strspn(at, " ");
    const char *end = at;
    double best = strncmp(at, "inf ", 4) == 0 ? (double)INFINITY : kiln_real_parse(at, &end);
    at += strcspn(at, " ");
    at += strspn(at, " ");
    kiln_status status = kiln_line_parse(at, &context->facts, &line);
    if (status != KILN_OK)
        return status;
    kiln_candidate candidate = {.variant = line.variant};
    memcpy(candidate.values, line.values, sizeof candidate.values);
    alarm(limit); /* the command may be gone by then */
    status = kiln_trials_measure(trials, &candidate, check, best, time, why);
    alarm(0);
    kiln_line_free(&line);
    return status;
}

static void serve(const kiln_context *context, kiln_trials *trials, FILE *out)
{
    char message[MAX_MESSAGE];
    while (fgets(message, sizeof message, stdin)) {
        kiln_text why = {0};
        double time = INFINITY;
        message[strcspn(message, "\n")] = '\0';
        kiln_status status = measure_line(context, trials, message, &time, &why);
        if (status != KILN_OK) {
            print_error(out, status);
        } else if (isfinite(time)) {
            kiln_text text = {0};
            kiln_real_print(&text, time);
            print_sentence(out, "time", text.data ? text.data : "nan");
            kiln_text_free(&text);
        } else {
            print_sentence(out, "failed", why.data ? why.data : "it did not run");
        }
        kiln_text_free(&why);
    }
}

int cli_worker_main(const cli_options *options)
{
    /* Whatever a driver prints goes to standard error. */
    int fd = dup(STDOUT_FILENO);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    cli_spec_list list = {0};
    kiln_context *context = NULL;
    kiln_trials *trials = NULL;
    kiln_arg dims[KILN_MAX_DIMS];
    size_t num_dims;
    if (!out || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return CLI_FAILED;
    int status = cli_collect_specs(options, &list);
    if (status == CLI_DONE && list.count == 1)
        status = cli_set_dims(options, &list.specs[0], 0, dims, &num_dims);
    if (status == CLI_DONE)
        status = cli_open_context(options, &context);
    if (status == CLI_DONE && list.count == 1) {
        alarm((unsigned)FIRST_LIMIT_S);
        kiln_status opened =
            kiln_trials_open(context, list.texts[0], dims, num_dims, options->budget, &trials);
        alarm(0);
        if (opened == KILN_OK)
            serve(context, trials, out);
        else
            print_error(out, opened);
    }
    kiln_trials_close(trials);
    kiln_release_context(context);
    cli_spec_list_free(&list);
    fclose(out);
    return status;
}
