/* kiln: finds the subcommand and prints help. */
#include "cli.h"
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

static const cli_command *const commands[] = {
    &cli_devices, &cli_list, &cli_show,  &cli_emit, &cli_build, &cli_run,
    &cli_bench,   &cli_tune, &cli_check, &cli_plan, &cli_cache,
};

#define NUM_COMMANDS (sizeof commands / sizeof *commands)

static const char *command_name(void *user, size_t index)
{
    (void)user;
    return index < NUM_COMMANDS ? commands[index]->name : index == NUM_COMMANDS ? "help" : NULL;
}

static const cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < NUM_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    kiln_text hint = {0};
    kiln_suggest(&hint, name, command_name, NULL);
    cli_error("unknown command `%s'%s", name,
              hint.data ? hint.data : "; `kiln --help' prints what there is");
    kiln_text_free(&hint);
    return NULL;
}

static void print_usage(FILE *out)
{
    fputs(
        "usage: kiln COMMAND ...\n"
        "\n"
        "Specialises OpenCL C templates to a size, a type and a device, builds them, keeps their\n"
        "binaries, and measures them.\n"
        "\n",
        out);
    for (size_t i = 0; i < NUM_COMMANDS; i++) {
        char left[48];
        snprintf(left, sizeof left, "%s %s", commands[i]->name, commands[i]->operands);
        fprintf(out, "  %-32s %s\n", left, commands[i]->summary);
    }
    fputs(
        "  help COMMAND                     what it does, its options, examples\n"
        "\n"
        "A SPEC is a kernel's name, its dimensions and its options, quoted or not:\n"
        "\n"
        "  kiln bench matmul m=1024 n=1024 k=1024\n"
        "  kiln emit 'matmul_bias_gelu m=? n=4096 k=1024 dtype=bf16 approx=tanh' --device gpu\n"
        "\n"
        "`--help' and `--version' may stand anywhere. Exit status: 0 done, 1 failed, 2 refused.\n",
        out);
}

static void print_help(const cli_command *command)
{
    printf("usage: kiln %s%s%s%s\n\n%s\nOptions:\n", command->name, *command->operands ? " " : "",
           command->operands, command->options ? " [options]" : "", command->help);
    cli_print_options(command->options | CLI_HELP | CLI_VERSION);
}

static int help(const cli_options *options)
{
    if (options->num_words == 0) {
        print_usage(stdout);
        return CLI_DONE;
    }
    if (options->num_words > 1 && !(options->given & CLI_HELP)) {
        cli_error("help takes one command, but `%s' is given, too", options->words[1]);
        return CLI_REFUSED;
    }
    const cli_command *command = find_command(options->words[0]);
    if (command)
        print_help(command);
    return command ? CLI_DONE : CLI_REFUSED;
}

static int run(int argc, char **argv)
{
    cli_options options;
    int status = cli_parse_options(argc, argv, &options);
    if (status != CLI_DONE)
        return status;
    if (options.given & CLI_VERSION) {
        printf("kiln %s\n", kiln_version());
        return CLI_DONE;
    }
    if (options.num_words == 0 && !(options.given & CLI_HELP)) {
        if (options.given)
            cli_error("a command is missing; `kiln --help' prints what there is");
        else
            print_usage(stderr);
        return CLI_REFUSED;
    }
    if (options.num_words > 0 && strcmp(options.words[0], "help") == 0) {
        options.words++;
        options.num_words--;
        return help(&options);
    }
    if (options.given & CLI_HELP)
        return help(&options);
    const cli_command *command = find_command(options.words[0]);
    if (!command)
        return CLI_REFUSED;
    const char *outside = cli_option_outside(options.given, command->options);
    if (outside) {
        cli_error("%s takes no %s; `kiln help %s' prints its options", command->name, outside,
                  command->name);
        return CLI_REFUSED;
    }
    options.words++;
    options.num_words--;
    return command->run(&options);
}

static void ignore(int number)
{
    (void)number;
}

int main(int argc, char **argv)
{
    /* A closed pipe is an error of writing like any other. A handler, not SIG_IGN, which the
     * compilers that a driver starts would inherit. */
    struct sigaction action = {.sa_handler = ignore};
    sigemptyset(&action.sa_mask);
    sigaction(SIGPIPE, &action, NULL);
    setlocale(LC_CTYPE, "");

    int status = run(argc, argv);
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        cli_error("cannot write standard output%s%s", errno ? ": " : "",
                  errno ? strerror(errno) : "");
        status = status == CLI_DONE ? CLI_FAILED : status;
    }
    return status;
}
