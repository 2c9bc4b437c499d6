#!/bin/sh
# usage: valgrind.sh COMMAND...   (by `make check-valgrind`, which sets LIBTOOL and abs_srcdir)
# Runs each command, a program with its arguments in one word, under valgrind, as many at once as
# there are processors; logs in tests/NAME.valgrind.log.
set -eu

if [ "${1:-}" = --one ]; then
    command=$2
    log=tests/$(basename "${command%% *}").valgrind.log
    case $command in
    # Valgrind shows PoCL a smaller CPU: no cached binary fits, and PoCL's compiler takes a minute
    # for each kernel there: the sweeps and what tests compiling are left to check-asan.
    tests/check_program | tests/check_matmul | tests/check_fused | tests/check_elementwise | \
        tests/check_dropout | tests/check_move | tests/check_norm | tests/check_optimiser | \
        tests/check_fixtures | tests/check_addressing | tests/check_attention | tests/check_exp | \
        tests/check_past_cache | \
        tests/check_head_dims | tests/check_pack | tests/check_fusions | tests/check_plan_model | \
        tests/check_plan_fuse | tests/check_tune | tests/check_tuning)
        echo "SKIP: $command under valgrind: it compiles too much"
        exit 0
        ;;
    # Its many threads, run one at a time, were seen to end in an assertion of PoCL 3.1
    # (pocl_release_dlhandle_cache); natively they never did.
    tests/check_context)
        echo "SKIP: $command under valgrind: PoCL's own threads"
        exit 0
        ;;
    *" "*) log=tests/$(echo "$command" | tr -c 'a-z0-9_\n' -).valgrind.log ;;
    esac
    # shellcheck disable=SC2086
    if $LIBTOOL --mode=execute valgrind --quiet --leak-check=full --show-leak-kinds=definite \
        --errors-for-leak-kinds=definite --error-exitcode=99 --num-callers=24 \
        --suppressions="$abs_srcdir/tests/valgrind.supp" ./$command >"$log" 2>&1; then
        echo "PASS: $command under valgrind"
    else
        status=$?
        if [ "$status" = 77 ]; then
            echo "SKIP: $command: $(tail -n 1 "$log")"
            exit 0
        fi
        tail -n 60 "$log"
        echo "FAIL: $command under valgrind (exit status $status)"
        exit 1
    fi
    exit 0
fi

command -v valgrind >/dev/null || {
    echo "valgrind is missing" >&2
    exit 1
}
# In one process, as every fork would compile its kernels again, slowly.
CK_FORK=${CK_FORK-no}
CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER-20}
KILN_TEST_QUICK=${KILN_TEST_QUICK-1}
export CK_FORK CK_TIMEOUT_MULTIPLIER KILN_TEST_QUICK LIBTOOL abs_srcdir

jobs=${KILN_JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)}
printf '%s\0' "$@" | xargs -0 -n 1 -P "$jobs" sh "$0" --one
