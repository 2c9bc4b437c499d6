#!/bin/sh
# The examples as a reader would run them, and that ffn_block's check can fail.
set -eu
LC_ALL=C
export LC_ALL

srcdir=${abs_srcdir:-${srcdir:-$(cd "$(dirname "$0")/.." && pwd)}}
ffn_block=./examples/ffn_block
KILN_DEVICE=${KILN_TEST_DEVICE:-cpu}
export KILN_DEVICE

# $KILN_TEST_QUICK leaves out forms that only add compilations.
quick=${KILN_TEST_QUICK:-0}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $*"
    cat "$work/out" "$work/err"
    exit 1
}

# expect STATUS COMMAND...: its output is then in $work/out and $work/err.
expect() {
    expected=$1
    shift
    status=0
    "$@" >"$work/out" 2>"$work/err" || status=$?
    [ "$status" = "$expected" ] || fail "exit status $status instead of $expected: $*"
    echo "ok: $*"
}

says() {
    grep -qe "$2" "$work/$1" || fail "nothing of '$2' on std$1"
}

says_not() {
    ! grep -qe "$2" "$work/$1" || fail "'$2' on std$1"
}

# A refusal is exit status 2 and one sentence.
refused() {
    sentence=$1
    shift
    expect 2 "$ffn_block" "$@"
    says err "$sentence"
    [ ! -s "$work/out" ] || fail "a refusal on stdout: $*"
    [ "$(wc -l <"$work/err")" = 1 ] || fail "more than one line: $*"
}

# ---- hello

expect 0 ./examples/hello
says out '0\.84134 1\.95450 2\.99595 ('
expect 1 env KILN_DEVICE='no such device' ./examples/hello
says err '^hello: .*no such device'

# ---- plan: each step makes y smaller

expect 0 ./examples/plan top3
says out '^top3: [0-9]* launches of [0-9]* kernels, '
awk '/^step/ { norm[++n] = $NF } END { exit !(n == 5 && norm[5] < norm[3] && norm[3] < norm[1]) }' \
    "$work/out" || fail "the steps lead nowhere"
expect 1 ./examples/plan top4
says err "^plan: there is no fusion .top4., did you mean "
expect 1 env KILN_DEVICE='no such device' ./examples/plan
says err '^plan: .*no such device'

# ---- ffn_block in every form

# Every kernel costs a compilation of up to seconds: with hidden = ffn the products share theirs,
# and f16 and bf16 have one of GELU's forms fused, the other unfused.
odd='--tokens 33 --hidden 100 --ffn 257 --repeat 3'
even='--tokens 64 --hidden 128 --ffn 128 --repeat 3'
for form in "f32 none $odd" "f32 tanh $odd" "f16 none $even" "bf16 tanh $even"; do
    # shellcheck disable=SC2086
    set -- $form
    dtype=$1
    approx=$2
    shift 2
    [ "$quick" = 0 ] || [ "$dtype $approx" = 'f32 none' ] || continue
    expect 0 "$ffn_block" "$@" --dtype "$dtype" --approx "$approx"
    says out '^fused is [0-9.]* % [a-z]* than unfused and moves [1-9]'
    says out ' within the tolerance of '
done
if [ "$quick" = 0 ]; then
    # shellcheck disable=SC2086
    expect 0 "$ffn_block" $even --dtype f16 --approx tanh --fusions none
    # shellcheck disable=SC2086
    expect 0 "$ffn_block" $even --dtype bf16 --approx none --fusions none
fi
# shellcheck disable=SC2086
expect 0 "$ffn_block" $odd --fusions none
says_not out matmul_bias_residual
# shellcheck disable=SC2086
expect 0 "$ffn_block" $odd --fusions top2
says_not out bias_add
for set in top3 top5 all; do
    [ "$quick" = 0 ] || [ $set = top5 ] || continue
    # shellcheck disable=SC2086
    expect 0 "$ffn_block" $odd --fusions $set
    says out ' within the tolerance of '
done
expect 0 "$ffn_block" --tokens 1 --hidden 1 --ffn 1 --repeat 1 --fusions none

# ---- transformer_block in both styles

# Odd sizes, as every kernel has tails.
small='--seq 19 --hidden 48 --ffn 100 --repeat 1'
# shellcheck disable=SC2086
expect 0 ./examples/transformer_block $small --heads 3
says out '^unfused  *42  '
says out '^18 outputs and gradients, fused against unfused: .* within the tolerance of '
if [ "$quick" = 0 ]; then
    # shellcheck disable=SC2086
    expect 0 ./examples/transformer_block $small --style llama --heads 6 --kv-heads 2 \
        --dtype bf16 --fusions top5
    says out '^10 outputs and gradients, .* within the tolerance of '
fi
expect 0 ./examples/transformer_block --help
says out '^usage: transformer_block'
for bad in '--seq 0' '--seq 1.5' '--heads x' '--style bert' '--dtype f64' '--fusions top4' \
    '--nonsense 1' '--seq' '--hidden 100 --heads 3' '--heads 4 --kv-heads 3'; do
    # shellcheck disable=SC2086
    expect 2 ./examples/transformer_block $bad
    says err '^transformer_block: '
    [ "$(wc -l <"$work/err")" = 1 ] || fail "more than one line: $bad"
done
expect 1 ./examples/transformer_block --device 'no such device'
says err 'no such device'

# ---- JSON

# shellcheck disable=SC2086
expect 0 "$ffn_block" $odd --json
for key in kiln device platform compute_units tokens hidden ffn dtype approx repeat unfused fused \
    kernels spec variant tuning cache create_ms launches flops bytes first_ms median_ms min_ms \
    max_ms gflops gbytes_per_s error worst_element speedup_percent bytes_saved_percent tolerance; do
    says out "\"$key\": "
done
says out '"ok": true}$'
says_not out nan
if command -v python3 >/dev/null; then
    python3 -m json.tool "$work/out" /dev/null 2>"$work/err" || fail "no valid JSON"
fi

# ---- usage

expect 0 "$ffn_block" --help
says out '^usage: ffn_block'
expect 0 "$ffn_block" --version
says out '^ffn_block (kiln [0-9.]*)$'
refused "unknown option \`--nonsense'" --nonsense
refused '--tokens needs a value' --tokens
for number in 0 -1 '' ' 1' 1.5 1e3 12x x 2147483648 99999999999999999999999; do
    refused '--tokens .*: must be an integer from 1 to 2147483647' --tokens "$number"
done
refused '--hidden 0: ' --hidden 0
refused '--ffn 0: ' --ffn 0
refused '--repeat 0: ' --repeat 0
refused '--dtype f64: must be f32, f16 or bf16' --dtype f64
refused '--approx erf: must be none or tanh' --approx erf
refused '--fusions top4: must be none, top2, top3, top5 or all' --fusions top4
refused 'bytes' --hidden 2147483647 --ffn 2147483647
expect 1 "$ffn_block" --device 'no such device'
says err 'no such device'

# ---- the check can fail: a residual that is off by a ten-thousandth

mkdir -p "$work/templates/op"
sed 's/+= /+= 1.0001f * /' "$srcdir/templates/op/residual.cl" >"$work/templates/op/residual.cl"
! cmp -s "$srcdir/templates/op/residual.cl" "$work/templates/op/residual.cl" ||
    fail "residual.cl is not what it was"
# shellcheck disable=SC2086
expect 1 env KILN_TEMPLATE_DIR="$work/templates" "$ffn_block" $odd
says out 'OUT OF the tolerance'
says err 'unfused: the error .* is out of the tolerance'
says err ' fused: the error .* is out of the tolerance'
# shellcheck disable=SC2086
expect 1 env KILN_TEMPLATE_DIR="$work/templates" "$ffn_block" $odd --json
says out '"ok": false}$'

# And a layer's: what the fused plan does not launch is off.
[ "$quick" = 0 ] || exit 0
rm -r "$work/templates/op"
for file in elementwise_vector.cl elementwise_simt.cl; do
    sed '/^@apply epilogue/i\
        v *= 1.001f;' "$srcdir/templates/$file" >"$work/templates/$file"
    ! cmp -s "$srcdir/templates/$file" "$work/templates/$file" || fail "$file is not what it was"
done
# shellcheck disable=SC2086
expect 1 env KILN_TEMPLATE_DIR="$work/templates" ./examples/transformer_block $small --heads 3
says out ' OUT OF the tolerance of '
