#!/bin/sh
# The command: every subcommand, what it prints, what it refuses, and its exit statuses.
# KILN is the command, ./kiln by default. Parts that launch need an OpenCL device.

KILN=${KILN-./kiln}
case $KILN in
*/*) KILN=$(cd "$(dirname "$KILN")" && pwd)/$(basename "$KILN") ;;
esac
test -x "$KILN" || { echo "there is no command $KILN" >&2; exit 1; }

srcdir=$(cd "${abs_srcdir:-${srcdir:-$(dirname "$0")/..}}" && pwd) || exit 1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
cd "$dir" || exit 1

unset KILN_DEVICE KILN_CACHE KILN_CACHE_SIZE KILN_TEMPLATE_DIR KILN_TUNE_FILE NO_COLOR
KILN_CACHE_DIR=$dir/cache
POCL_CACHE_DIR=$dir/pocl
POCL_KERNEL_CACHE=0 # else PoCL's own cache would stand in for kiln's
export KILN_CACHE_DIR POCL_CACHE_DIR POCL_KERNEL_CACHE
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

# The basic regular expression has to be in (not in) what the last run printed.
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

# The last run was refused: one sentence behind the command's name, and nothing else.
refused() {
    checks=$((checks + 1))
    test ! -s out || fail "something on standard output"
    test "$(wc -l <err)" -eq 1 || fail "not one line on standard error"
    says '^kiln: ...'
    says "$1"
}

# Standard output of the last run parses as JSON; jq's (or Python's) word for it, else its ends.
json() {
    checks=$((checks + 1))
    if command -v jq >/dev/null 2>&1; then
        jq -e . <out >/dev/null 2>&1 || fail "no valid JSON"
    elif python3 -c '' >/dev/null 2>&1; then
        python3 -c 'import json, sys; json.load(sys.stdin)' <out >/dev/null 2>&1 ||
            fail "no valid JSON"
    else
        case $(head -c 1 out)$(tail -n 1 out) in
        '[]' | '{}' | '[]'* | '{}'*) ;;
        *) fail "does not begin and end like JSON" ;;
        esac
    fi
}

# The value of the first "key": in the last run's JSON, its quotes left out.
value() {
    sed -n 's/^ *"'"$1"'": *"\{0,1\}\([^",]*\)"\{0,1\},\{0,1\}$/\1/p' out | head -n 1
}
equals() {
    checks=$((checks + 1))
    test "$(value "$1")" = "$2" || fail "$1 is $(value "$1"), not $2"
}
above_zero() {
    checks=$((checks + 1))
    value "$1" | awk '{ exit !($1 > 0) }' || fail "$1 is $(value "$1"), not above 0"
}

# ---- help and usage ------------------------------------------------------------------------

kiln 2
checks=$((checks + 1))
test ! -s out || fail "the usage is not on standard error"
says '^usage: kiln'
kiln 0 --help
has '^usage: kiln'
quiet
kiln 0 help
has '^usage: kiln'
kiln 0 --version
has '^kiln [0-9]*\.[0-9]*\.[0-9]*$'
for command in devices list show emit build run bench tune check plan cache; do
    kiln 0 --help
    has "^  $command"
    kiln 0 help $command
    has "^usage: kiln $command"
    cp out expected
    for arguments in "$command --help" "--help $command" "$command -h"; do
        # shellcheck disable=SC2086
        kiln 0 $arguments
        cmp -s out expected || fail "not the same as kiln help $command"
    done
    kiln 0 $command --version
    has '^kiln [0-9]'
done
kiln 2 frobnicate
refused 'unknown command'
kiln 2 shwo
refused "did you mean \`show'"
kiln 2 help shwo
refused "did you mean \`show'"
kiln 2 list --jsn
refused "unknown option .*--json"
kiln 2 list --json=1
refused 'takes no value'
kiln 2 list --device
refused 'needs a value'
kiln 2 list --repeat 3
refused 'takes no --repeat'
kiln 2 --json
refused 'command is missing'
for command in show emit build run bench cache; do
    kiln 2 $command
    refused ' needs '
done
for command in devices list check; do
    kiln 2 $command more
    refused 'takes no operand'
done

# ---- list and show, without any driver --------------------------------------------------------

OCL_ICD_VENDORS=$dir/nonexistent
export OCL_ICD_VENDORS

kiln 0 list
quiet
has '^KERNEL  *FAMILY'
has '^matmul  .* c = a b$'
has '^[0-9]* kernels'
has_not "$(printf '\033')"
has_not ' $'
kiln 0 list --json
json
for key in name family fused variants equation; do
    has "\"$key\": "
done
sed -n 's/^ *"name": "\(.*\)",*$/\1/p' out >names
checks=$((checks + 1))
test "$(wc -l <names)" -ge 9 || fail "fewer than 9 kernels"
kiln 0 --json list
json

while read -r name; do
    kiln 0 show "$name"
    quiet
    for word in Dimensions Options Arguments flops bytes Variants tuning workgroup_size; do
        has "$word"
    done
    has_not ' $'
    kiln 0 show "$name" --json
    json
    equals name "$name"
    has '"formula": '
done <names

kiln 0 show matmul
has '^flops  2\*m\*n\*k$'
has '^bytes  4\*(m\*k + k\*n + m\*n)$'
has '^c  *\[m, n\]  *out_dtype  *out  *in/out with accumulate=1$'
has '^tile_size  *0  *0\.\.128'
kiln 0 show matmul_bias_gelu
has '^pre  .* with save_pre=1$'
has '^approx  *required  *none|tanh'
kiln 0 show batched_matmul
has '^a  *\[batch, m, k\] .*\[batch, k, m\] with trans_a=1'
kiln 2 show matmull
refused "unknown kernel .*did you mean \`matmul'"
kiln 2 show matmul --facts gpu
refused 'need dimensions'

kiln 0 show matmul m=512 n=512 k=512 --facts gpu
quiet
has '^matmul m=512 n=512 k=512 dtype=f32$'
has '^  variant  *wide'
has '^  passed over  *skinny: the device is no CPU; vector: the device is no CPU; decode: m=512: must be known, and 8 at most; wgmma: '
has '^  flops  *268 M$'
has '^  bytes  *3 MiB'
has '^a  *\[512, 512\]  *f32  *in  *1 MiB$'
kiln 0 show 'matmul m=512 n=512 k=512' --facts cpu
has '^  variant  *vector'
kiln 0 show matmul m=512 n=512 k=512
says 'note: no such OpenCL device'
has '^  facts  *gpu,'
kiln 0 show 'matmul m=? n=32 k=16' --facts gpu
has '^  flops  *2\*m\*32\*16$'
kiln 0 show 'matmul m=? n=32 k=16' --dim m=10 --facts gpu
has '^  flops  *10.2 k$'
kiln 0 show matmul m=64 n=64 k=64 --facts gpu --json
json
equals variant simt
equals flops 524288.0
kiln 2 show matmul m=64 n=64 k=64 --facts gpu,local_memory=1
refused "did you mean \`local_mem'"
kiln 2 show matmul m=64 n=64 k=64 --facts gpu --device cpu
refused 'exclude each other'
kiln 2 show matmul m=64 n=64 k=64 variant=vector --facts gpu
refused 'no variant fits: .*vector: the device is no CPU'
kiln 2 show 'matmul m=? n=32 k=16' --dim n=3 --facts gpu
refused 'leaves no dimension n open'

# ---- specs that cannot be --------------------------------------------------------------------

for command in emit build bench show; do
    kiln 2 $command matmull m=4 n=4 k=4
    refused "unknown kernel .*did you mean \`matmul'"
    kiln 2 $command matmul m=0 n=4 k=4
    refused 'm=0: must be from 1'
    kiln 2 $command matmul m=-4 n=4 k=4
    refused 'm=-4: must be from 1'
    kiln 2 $command matmul m=99999999999999999999 n=4 k=4
    refused 'must be from 1'
    kiln 2 $command matmul m=4x n=4 k=4
    refused 'm=4x: must be an integer'
    kiln 2 $command matmul m=4 n=4
    refused 'dimension k is missing'
    kiln 2 $command matmul m=4 n=4 k=4 tile_siz=8
    refused "did you mean \`tile_size'"
    kiln 2 $command matmul m=4 n=4 k=4 tile_size=12
    refused 'tile_size=12: must be'
    kiln 2 $command matmul m=4 n=4 k=4 k=4
    refused 'given twice'
    kiln 2 $command matmul m=4 n=4 k=4 dtype=f64
    refused 'must be one of f32|f16|bf16'
    kiln 2 $command gelu m=4 n=4
    refused 'approx must be named'
done
kiln 2 bench m=4 matmul
refused 'belongs to no spec'
kiln 2 bench 'matmul m=? n=4 k=4'
refused 'leaves m open; --dim m=N'
kiln 2 bench 'matmul m=? n=4 k=4' --dim m=0
refused 'must be from 1'
kiln 2 bench 'matmul m=? n=4 k=4' --dim m
refused 'must be NAME=N'
kiln 2 bench 'matmul m=? n=4 k=4' --dim m=4 --dim q=4
refused 'no dimension q open'
kiln 2 bench 'matmul m=4 n=4 k=4' --repeat 0
refused 'must be from 1'
kiln 2 bench 'matmul m=4 n=4 k=4' --min-time x
refused 'must be seconds'

# ---- emit, without any driver ------------------------------------------------------------------

# A spec of any kernel: every dimension 96, what must be named by its first choice.
spec_of() {
    "$KILN" show "$1" --json >row.json || return
    spec="$1$("$KILN" list --json | awk -v name="\"$1\"," '
        $1 == "\"name\":" { mine = $2 == name }
        /\]/ { dims = 0 }
        mine && dims { gsub(/[",]/, "", $1); printf " %s=96", $1 }
        $1 == "\"dimensions\":" { dims = 1 }')"
    spec="$spec$(awk '
        $1 == "\"name\":" { name = $2; gsub(/[",]/, "", name) }
        $1 == "\"default\":" { required = $2 == "null," }
        $1 == "\"values\":" && required {
            split($2, choices, /[|",]+/); printf " %s=%s", name, choices[2]; required = 0 }
        ' row.json)"
}

while read -r name; do
    spec_of "$name"
    for facts in cpu gpu gpu,local_mem=16384,max_workgroup=256; do
        for dtype in f32 f16 bf16; do
            # shellcheck disable=SC2086
            kiln 0 emit $spec dtype=$dtype --device $facts
            quiet
            has "__kernel"
            has "^ \* spec  *$name .*dtype=$dtype"
            has_not '^@'
            # but for what the device's compiler alone can answer: whether it has a builtin
            has_not '^#if [^d_]'
            has_not '^#if defined([^_]'
            has_not '^#if.*def [^PF]'
            has_not '[$]{'
        done
    done
done <names
kiln 0 emit matmul m=96 n=96 k=96 --device gpu
cp out first
kiln 0 emit 'matmul  k=96 m=96   n=96 dtype=f32' --facts gpu
cmp -s out first || fail 'the same spec in another order gives another source'
kiln 0 emit matmul m=96 n=96 k=96
says 'note: no such OpenCL device'
cmp -s out first || fail 'without a device it is not that of gpu'
kiln 0 emit matmul m=96 n=96 k=96 --device gpu -o written.cl
checks=$((checks + 1))
test ! -s out || fail 'something on standard output beside -o'
cmp -s written.cl first || fail '-o wrote something else'
kiln 0 --device=gpu emit -owritten2.cl matmul m=96 n=96 k=96
cmp -s written2.cl first || fail 'options before the command count differently'
kiln 1 emit matmul m=96 n=96 k=96 --device gpu -o "$dir/none/written.cl"
refused 'cannot write'
kiln 2 emit matmul m=96 n=96 k=96 --device gpu,units=4
refused 'unknown fact'
kiln 2 emit matmul m=96 n=96 k=96 --device gpu,compute_units=0
refused 'must be an integer of 1 or more'
kiln 1 emit matmul m=96 n=96 k=96 --device nosuchdevice
refused 'no OpenCL device'
kiln 2 emit matmul m=96 n=96 k=96 workgroup_size=512 --facts gpu,max_workgroup=256
refused "workgroup_size=512: the device's limit is 256"

# ---- no driver, and output that cannot be written ----------------------------------------------

kiln 1 devices
refused 'no OpenCL device'
kiln 1 build matmul m=4 n=4 k=4
refused 'no OpenCL device'
kiln 1 bench matmul m=4 n=4 k=4
refused 'no OpenCL device'

if test -w /dev/full; then
    last='list >/dev/full'
    checks=$((checks + 1))
    : >out
    "$KILN" list >/dev/full 2>err
    test $? = 1 || fail 'not exit status 1'
    says 'cannot write standard output'
fi
last='list into a closed pipe'
checks=$((checks + 1))
(
    sleep 0.2
    "$KILN" list 2>err
    echo $? >status
) | :
while test ! -s status; do sleep 0.1; done
test "$(cat status)" = 1 || fail "exit status $(cat status), not 1"
says 'cannot write standard output'

# ---- cache, empty and damaged --------------------------------------------------------------------

kiln 0 cache stats
has '^entries  *0$'
has "^directory  *$dir/cache$"
kiln 0 cache list
has '^0 entries'
kiln 0 cache verify
has 'all whole'
kiln 0 cache clear
has '^removed 0 files'
kiln 2 cache lst
refused "did you mean \`list'"
kiln 2 cache list more
refused 'takes no operand'
kiln 2 cache clear --json
refused 'takes no --json'
kiln 2 cache stats --repair
refused 'takes no --repair'
mkdir -m 700 cache
echo damaged >cache/0123456789abcdef0123456789abcdef.kiln
kiln 0 cache stats
has '1 damaged'
kiln 1 cache verify
has '^0123456789abcdef0123456789abcdef.kiln: '
says 'damaged'
KILN_CACHE='readonly'
export KILN_CACHE
kiln 1 cache clear
refused 'only read'
KILN_CACHE=off
kiln 0 cache stats
has '^mode  *off'
KILN_CACHE=sometimes
kiln 0 cache stats
says 'warning: KILN_CACHE=sometimes'
unset KILN_CACHE
kiln 0 cache verify --repair
has '1 removed'
kiln 0 cache verify
has 'all whole'

# ---- with a device ---------------------------------------------------------------------------

unset OCL_ICD_VENDORS
if ! "$KILN" devices >out 2>err; then
    echo "no OpenCL device: the parts that launch are left out" >&2
    echo "$checks checks, $failures failures"
    test "$failures" -eq 0
    exit
fi

kiln 0 devices
has '^  *INDEX  *NAME'
has '^\*  *0 '
kiln 0 devices --json
json
above_zero compute_units
above_zero memory_bytes
equals index 0
type=$(value type)
name=$(value name)
for device in 0 "$type" "$name"; do
    kiln 0 show matmul m=64 n=64 k=64 --device "$device"
    has "^  device  *$name"
    KILN_DEVICE=$device
    export KILN_DEVICE
    kiln 0 show matmul m=64 n=64 k=64
    has "^  device  *$name"
    unset KILN_DEVICE
done
kiln 1 build matmul m=4 n=4 k=4 --device nosuchdevice
refused "device \`nosuchdevice'"
kiln 0 emit matmul m=4 n=4 k=4 --device 0
has __kernel

# The first build compiles, the second finds the binary.
KILN_CACHE=require
export KILN_CACHE
kiln 1 build matmul m=20 n=30 k=40
refused 'not in the cache'
unset KILN_CACHE
kiln 0 build matmul m=20 n=30 k=40
quiet
has '^matmul m=20 n=30 k=40 dtype=f32$'
has '^  binary  *compiled in '
has "^  cache  *kept in $dir/cache$"
kiln 0 build 'matmul m=20 n=30 k=40'
has '^  binary  *from the cache in '
KILN_CACHE=require
export KILN_CACHE
kiln 0 build matmul m=20 n=30 k=40
has '^  binary  *from the cache in '
unset KILN_CACHE
kiln 0 build 'gelu m=? n=30 approx=tanh' --dim m=5 --json
json
equals binary compiled
equals kept true
above_zero create_s

kiln 0 cache stats --json
json
equals entries 2
equals damaged 0
kiln 0 cache list
has ' matmul m=20 n=30 k=40 dtype=f32 '
has ' gelu m=? n=30 dtype=f32 approx=tanh '
has '^2 entries'
kiln 0 cache list --json
json
equals damage null
has '"kernel": "matmul"'
kiln 0 cache verify
has '2 entries .* all whole'

# A flipped byte of the payload, which is the file's end.
file=$(sed -n 's/^.* matmul .* \([0-9a-f]*\.kiln\)$/\1/p' <<LIST
$("$KILN" cache list)
LIST
)
test -f "cache/$file" || fail "no file of the matmul's entry"
size=$(($(wc -c <"cache/$file")))
old=$(tail -c 100 "cache/$file" | head -c 1 | od -An -tu1 | tr -d ' ')
new=$(printf '\\%03o' $((old ^ 1)))
# shellcheck disable=SC2059
printf "$new" | dd of="cache/$file" bs=1 seek=$((size - 100)) conv=notrunc 2>dd.err ||
    fail 'the byte was not flipped'
kiln 1 cache verify
has "^$file: "
has '1 damaged'
says '^kiln: 1 entry is damaged'
kiln 1 cache verify --json
json
has "\"file\": \"$file\""
kiln 0 cache list
has damaged
kiln 0 build matmul m=20 n=30 k=40
has '^  binary  *compiled in ' # a damaged entry is a miss, and is replaced
kiln 0 cache verify
has 'all whole'

# Places that cannot be written cost the binary and a warning, no more.
kept=$KILN_CACHE_DIR
KILN_CACHE_DIR=/dev/null/cache
kiln 0 build matmul m=20 n=30 k=41
says '^kiln: warning: '
has '^  cache  *not kept: '
KILN_CACHE_DIR=$kept
KILN_CACHE='readonly'
export KILN_CACHE
kiln 0 build matmul m=20 n=30 k=41
quiet
has '^  cache  *not kept: the cache is only read$'
unset KILN_CACHE
if test "$(id -u)" != 0; then
    chmod 500 cache
    kiln 0 build matmul m=20 n=30 k=41
    says '^kiln: warning: '
    chmod 700 cache
fi
kiln 0 cache stats --json
equals entries 2
kiln 0 cache clear
has '^removed 2 files'
kiln 0 cache stats
has '^entries  *0$'

# bench
kiln 0 bench matmul m=20 n=30 k=40 'gelu m=? n=30 dtype=f16 approx=none' --dim m=5 --repeat 3
quiet
has '^device  '
has '^SPEC .*MEDIAN .*MIN .*SPREAD .*GFLOP/s .*GB/s'
has '^matmul m=20 n=30 k=40 dtype=f32  .* [num]*s .*%'
has '^gelu m=? n=30 dtype=f16 approx=none  '
has '^  with m=5$'
has '^ceilings  [0-9.e+]* GFLOP/s, .*; [0-9.e+]* GB/s, a plain copy$'
has '^SPEC .*GB/s .*CEILING BOUND '
has '^gelu .*% \(memory\|arithmetic\) '
kiln 0 bench matmul m=20 n=30 k=40 matmul m=20 n=30 k=40 dtype=bf16 --repeat 4 --json
json
quiet
for key in spec variant tuning device driver median_s min_s gflops gbs; do
    checks=$((checks + 1))
    test "$(grep -c "\"$key\": " out)" -eq 2 || fail "$key is not there twice"
done
for key in median_s min_s gflops gbs; do
    above_zero $key
done
equals runs 4
equals flops 48000.0
equals bytes 10400.0
# A spec's percentage is the larger of what its flops and its bytes make of their ceilings.
for key in ceiling_gflops ceiling_gbs percent; do
    above_zero $key
done
checks=$((checks + 1))
awk -F '": ' '
    /"(median_s|flops|bytes|ceiling_gflops|ceiling_gbs|percent|bound)"/ {
        split($1, key, "\"")
        value[key[2]] = $2
        gsub(/[",]/, "", value[key[2]])
        if (++count % 7)
            next
        arithmetic = value["flops"] / value["ceiling_gflops"] / 1e9
        memory = value["bytes"] / value["ceiling_gbs"] / 1e9
        most = memory > arithmetic ? memory : arithmetic
        off = value["percent"] * value["median_s"] / most / 100 - 1
        bad += off * off > 1e-12 || value["bound"] != (memory > arithmetic ? "memory" : "arithmetic")
    }
    END { exit bad || count != 14 }' out || fail 'percent or bound is not what the ceilings say'
kiln 0 bench bias_add m=64 n=64 --repeat 2 --no-ceilings
quiet
has_not CEILING
kiln 0 bench bias_add m=64 n=64 --repeat 2 --no-ceilings --json
equals percent null
equals bound null
# Every kernel stands in the list that bench/run measures, at a size that can be.
kiln 0 list --json
sed -n 's/^ *"name": "\([a-z_]*\)",*$/\1/p' out >kernels
while read -r kernel; do
    checks=$((checks + 1))
    for file in specs.txt specs_gpu.txt; do
        grep -q "^$kernel " "$srcdir/bench/$file" || fail "$kernel is not in bench/$file"
    done
done <kernels
cat "$srcdir/bench/specs.txt" "$srcdir/bench/specs_gpu.txt" | grep -v '^#' >specs
while read -r spec; do
    kiln 0 emit "$spec" --facts cpu
done <specs
# Ceilings of kernels that do not do their work are none.
mkdir broken
cat >broken/ceiling_copy.cl <<'END'
__kernel __attribute__((reqd_work_group_size(${WG}, 1, 1)))
void ceiling_copy(__global const float *x, __global float *y)
{
    if (get_global_id(0) == 0)
        y[0] = 0 * x[0];
}
END
KILN_TEMPLATE_DIR=broken
export KILN_TEMPLATE_DIR
kiln 0 bench bias_add m=64 n=64 --repeat 2
says '^kiln: note: the ceilings are not measured: the copy gives 0 at element 0, not 1.5$'
has_not CEILING
unset KILN_TEMPLATE_DIR
kiln 2 bench matmul m=2000000 n=8 k=2000000
refused 'needs a buffer of\|its buffers need'
kiln 2 bench matmul m=2000000 n=8 k=2000000 gelu m=8 n=8 approx=none --repeat 2 --json
json
equals spec 'gelu m=8 n=8 dtype=f32 approx=none'

echo "$checks checks, $failures failures"
test "$failures" -eq 0
