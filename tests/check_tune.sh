#!/bin/sh
# kiln tune: what it finds and keeps, candidates that crash or hang, files that are wrong, Ctrl-C.
# KILN is the command, ./kiln by default. Needs an OpenCL device.

KILN=${KILN-./kiln}
case $KILN in
*/*) KILN=$(cd "$(dirname "$KILN")" && pwd)/$(basename "$KILN") ;;
esac
test -x "$KILN" || { echo "there is no command $KILN" >&2; exit 1; }
templates=$(cd "${srcdir-.}" && pwd)/templates

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
cd "$dir" || exit 1

unset KILN_DEVICE KILN_CACHE KILN_CACHE_SIZE KILN_TEMPLATE_DIR KILN_TUNE_FILE NO_COLOR
KILN_CACHE_DIR=$dir/cache
POCL_CACHE_DIR=$dir/pocl
export KILN_CACHE_DIR POCL_CACHE_DIR
mkdir pocl

checks=0
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAIL: kiln $last: $*" >&2
    sed 's/^/    out: /' out | head -n 20 >&2
    sed 's/^/    err: /' err | head -n 20 >&2
}

# kiln STATUS ARGUMENT...: runs it; output goes to the files out and err.
kiln() {
    expected=$1
    shift
    last=$*
    checks=$((checks + 1))
    "$KILN" "$@" >out 2>err </dev/null
    status=$?
    test "$status" = "$expected" || fail "exit status $status, not $expected"
}

has() {
    checks=$((checks + 1))
    grep -q -e "$1" out || fail "no \`$1' on standard output"
}
has_not() {
    checks=$((checks + 1))
    if grep -q -e "$1" out; then fail "\`$1' on standard output"; fi
}
says() {
    checks=$((checks + 1))
    grep -q -e "$1" err || fail "no \`$1' on standard error"
}
quiet() {
    checks=$((checks + 1))
    test ! -s err || fail "something on standard error"
}
refused() {
    checks=$((checks + 1))
    test ! -s out || fail "something on standard output"
    test "$(wc -l <err)" -eq 1 || fail "not one line on standard error"
    says "^kiln: .*$1"
}
# Of the device's lines so many match.
lines() {
    checks=$((checks + 1))
    count=$(cat cache/tuning-*.txt 2>/dev/null | grep -c -e "$2")
    test "$count" -eq "$1" || fail "$count lines, not $1, match $2"
}

if ! "$KILN" devices >/dev/null 2>&1; then
    echo 'no OpenCL device'
    exit 77
fi

# ---- what it refuses, before anything is measured ----------------------------------------------

kiln 2 tune
refused 'needs a spec'
for budget in 0 -1 nan inf 1x '' 1e9; do
    kiln 2 tune gelu m=8 n=8 approx=tanh --budget "$budget"
    refused '--budget.*above 0'
done
kiln 2 tune matmul m=8 n=8 k=8 tile_size=8
refused 'must be 0'
kiln 2 tune gelu m=8 n=8 approx=tanh bias_add m=8 n=8 workgroup_size=64
refused 'must be 0'
kiln 2 tune geluu m=8 n=8
refused 'unknown kernel'
kiln 2 tune 'gelu m=? n=8 approx=tanh'
refused '--dim m=N'
kiln 2 tune gelu m=8 n=8 approx=tanh --tokens 8
refused 'with --model'
kiln 2 tune gelu m=8 n=8 approx=tanh --model opt-30b
refused 'not both'
kiln 2 tune --model no-such-model
refused 'unknown model'
kiln 2 tune --list --forget
refused 'exclude'
kiln 2 tune --list gelu
refused 'no operand'
kiln 2 tune --list --budget 3
refused 'takes no --budget'
kiln 2 tune --model opt-30b --dtype f64
refused 'f32, f16 or bf16'
checks=$((checks + 1))
test ! -e cache || fail 'a refusal made the cache directory'

# ---- what it finds -----------------------------------------------------------------------------

spec='gelu m=61 n=67 dtype=f32 approx=tanh'
kiln 0 tune --list
has '^0 tuned specs in '
kiln 0 tune gelu m=61 n=67 approx=tanh --budget 60
has '^SPEC .*DEFAULT .*BEST .*GAIN .*TRIED .*FAILED'
has "^$spec .*x .* 0  *complete  "
says 'kept in .*cache/tuning-'
lines 1 "^$spec variant="
lines 0 '^failed '
kiln 0 tune --list
has "^$spec "
has '^1 tuned spec in '
kiln 0 tune --list --json
has '"spec": "gelu m=61 n=67 dtype=f32 approx=tanh"'
kiln 0 show "$spec"
has "^  values  *tuned for $spec\$"
kiln 0 show gelu m=80 n=67 approx=tanh --json
has '"tuning_origin": "tuned"'
has "\"tuned_for\": \"$spec\""
kiln 0 show gelu m=8000 n=67 approx=tanh
has '^  values  *derived from'
kiln 0 show "$spec" --facts cpu
has '^  values  *derived from'
kiln 0 bench "$spec" --no-ceilings --repeat 2
has ", tuned for $spec\$"
kiln 0 build "$spec"
has ", tuned for $spec\$"
# Taken up again: there is nothing left but the choice without tuning.
kiln 0 tune 'gelu m=61 n=67 approx=tanh' --json
has '"complete": true'
has '"kept": true'
kiln 0 tune --forget gelu m=61 n=67 approx=tanh
has '^forgot 1 tuned spec in'
lines 0 gelu
kiln 0 show "$spec"
has '^  values  *derived from'
KILN_CACHE=off
export KILN_CACHE
kiln 2 tune --forget
refused 'not written to'
unset KILN_CACHE

# ---- candidates that crash, hang or are wrong --------------------------------------------------

# wrong TEXT: templates whose body starts with TEXT.
wrong() {
    rm -rf wrong
    mkdir wrong
    text=$1 awk '{ print } $0 == "${offsets}" { print ENVIRON["text"] }' \
        "$templates/elementwise_vector.cl" >wrong/elementwise_vector.cl
}
is_cpu=no
if "$KILN" show "$spec" | grep -q '^  variant  *vector'; then is_cpu=yes; fi
if test $is_cpu = yes; then
    KILN_TEMPLATE_DIR=$dir/wrong
    export KILN_TEMPLATE_DIR
    wrong '@if W == 8 && BLOCK == 16384
    ((volatile __global int *)8)[0] = 1;
@end
@if W == 4 && BLOCK == 16384
    volatile int spin = 1;
    while (spin)
        continue;
@end
@if W == 4 && BLOCK == 65536
    return;
@end'
    kiln 0 tune gelu m=61 n=67 approx=tanh --budget 100
    has "^$spec .* 3  *complete  "
    lines 1 "^failed $spec variant=vector W=8 BLOCK=16384 time=inf"
    lines 1 "^failed $spec variant=vector W=4 BLOCK=16384 time=inf"
    lines 1 "^failed $spec variant=vector W=4 BLOCK=65536 time=inf"
    lines 3 '^failed '
    lines 1 "^$spec variant=vector W="
    # They are known by now: neither tried nor waited for again.
    kiln 0 tune gelu m=61 n=67 approx=tanh --budget 100
    has "^$spec .* 3  *complete  "
    # The choice without tuning crashes.
    wrong '    ((volatile __global int *)8)[0] = 1;'
    kiln 1 tune gelu m=62 n=1067 approx=tanh --budget 10
    says 'without tuning fails: its process died of signal'
    lines 0 "^gelu m=62 "
    unset KILN_TEMPLATE_DIR
    kiln 0 tune --forget
    has '^forgot 1 tuned spec'
fi

# ---- the lines that kiln brings along ----------------------------------------------------------

mkdir brought
KILN_TEMPLATE_DIR=$dir/brought
export KILN_TEMPLATE_DIR
: >brought/tuned.txt
kiln 0 show gelu m=8123 n=67 approx=tanh
has '^  values  *derived from'
cat >brought/tuned.txt <<'END'
when COMPUTE_UNITS > 0
gelu m=8123 n=67 approx=tanh variant=simt WG=64 PER_ITEM=4 time=1 kiln=0.1.0
END
kiln 0 show gelu m=8123 n=67 approx=tanh
has '^  values  *shipped'
has '^  tuning  *WG=64 PER_ITEM=4$'
echo 'when NOTHING' >brought/tuned.txt
kiln 1 build gelu m=8123 n=67 approx=tanh
says 'NOTHING'
unset KILN_TEMPLATE_DIR

# ---- Ctrl-C, and two at once -------------------------------------------------------------------

last='tune matmul, ended by Ctrl-C'
"$KILN" tune matmul m=96 n=96 k=96 --budget 300 >out 2>err </dev/null &
tuner=$!
waited=0
while test $waited -lt 30 && test "$(cat cache/tuning-*.txt 2>/dev/null | grep -c '^tried matmul')" -lt 3; do
    sleep 1
    waited=$((waited + 1))
done
kill -INT $tuner
wait $tuner
status=$?
checks=$((checks + 2))
test $status = 1 || fail "exit status $status, not 1"
has '^matmul m=96 n=96 k=96 dtype=f32 .*cut short'
says 'what was found by then is kept'
lines 1 '^matmul m=96 n=96 k=96 dtype=f32 variant='
tried=$(cat cache/tuning-*.txt | grep -c '^tried matmul')
test "$tried" -ge 3 || fail "only $tried candidates are kept"

last='tune, twice at once'
"$KILN" tune bias_add m=61 n=67 --budget 3 >out 2>err </dev/null &
other=$!
"$KILN" tune residual_add m=61 n=67 --budget 3 >out2 2>&1 </dev/null
status=$?
wait $other || fail 'the first one failed'
checks=$((checks + 2))
test $status = 0 || fail 'the second one failed'
lines 1 '^bias_add m=61 '
lines 1 '^residual_add m=61 '
lines 1 '^matmul m=96 '

# ---- a file of one's own, right and wrong ------------------------------------------------------

if test $is_cpu = yes; then
    KILN_TUNE_FILE=$dir/mine.txt
    export KILN_TUNE_FILE
    printf 'kiln-tuning 1\n# by hand\n%s variant=simt WG=64 PER_ITEM=4 time=1 kiln=1\n' \
        "$spec" >mine.txt
    kiln 0 show "$spec"
    has '^  tuning  *WG=64 PER_ITEM=4$'
    quiet
    kiln 0 tune --list
    has "^$spec .*WG=64"
    for text in 'garbage' 'kiln-tuning 2' "kiln-tuning 1
$spec variant=simt WG=65 PER_ITEM=4 time=1 kiln=1" 'kiln-tuning 1
gelu m=61 n='; do
        printf '%s\n' "$text" >mine.txt
        kiln 0 bench "$spec" --no-ceilings --repeat 1
        has ', derived$'
        checks=$((checks + 1))
        test "$(grep -c 'warning: .*passed over' err)" -eq 1 || fail 'not one warning'
    done
    unset KILN_TUNE_FILE
fi

echo "$checks checks, $failures failures"
test "$failures" -eq 0
