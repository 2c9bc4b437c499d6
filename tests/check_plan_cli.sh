#!/bin/sh
# kiln plan: its tables and JSON, what is refused and with which exit status, and a measured plan.
# KILN is the command, ./kiln by default. Only the part behind --measure needs an OpenCL device.

KILN=${KILN-./kiln}
case $KILN in
*/*) KILN=$(cd "$(dirname "$KILN")" && pwd)/$(basename "$KILN") ;;
esac
test -x "$KILN" || { echo "there is no command $KILN" >&2; exit 1; }

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
cd "$dir" || exit 1

device=${KILN_TEST_DEVICE:-cpu}
unset KILN_DEVICE KILN_CACHE KILN_CACHE_SIZE KILN_TEMPLATE_DIR
KILN_CACHE_DIR=${KILN_CACHE_DIR-$dir/cache}
POCL_CACHE_DIR=${POCL_CACHE_DIR-$dir/pocl}
export KILN_CACHE_DIR POCL_CACHE_DIR
mkdir -p "$POCL_CACHE_DIR"

checks=0
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAIL: kiln plan $last: $*" >&2
    sed 's/^/    out: /' out | head -n 60 >&2
    sed 's/^/    err: /' err | head -n 20 >&2
}

# plan STATUS ARGUMENT...: runs kiln plan; output goes to the files out and err.
plan() {
    expected=$1
    shift
    last=$*
    checks=$((checks + 1))
    "$KILN" plan "$@" >out 2>err </dev/null
    status=$?
    test "$status" = "$expected" || fail "exit status $status, not $expected"
    checks=$((checks + 1))
    test "$(grep '^kiln: ' err | grep -c -v '^kiln: note: ')" -eq $((status != 0)) ||
        fail 'not a sentence for a failure, and none else'
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
# refused STATUS SENTENCE ARGUMENT...
refused() {
    expected=$1
    sentence=$2
    shift 2
    plan "$expected" "$@"
    checks=$((checks + 1))
    test ! -s out || fail "something on standard output"
    says "^kiln: .*$sentence"
}

# The set SET's number MEMBER, from JSON: sets' members stand at the sixth column.
number() {
    awk -v set="$1" -v member="$2" '
        /^  "claims": / { exit }
        /^      "fusions": / { split($0, part, "\""); at = part[4] }
        at == set && index($0, "      \"" member "\": ") == 1 {
            sub(/^[^:]*: /, "")
            sub(/,$/, "")
            print
        }' out
}
# holds FORMULA: of awk's, with numbers in it.
holds() {
    checks=$((checks + 1))
    awk "BEGIN { exit !($1) }" || fail "$1 is not so"
}

# ---- counted and predicted, without any driver --------------------------------------------------

OCL_ICD_VENDORS=$dir/nonexistent
export OCL_ICD_VENDORS
rates=copy=2e12,product=5e14,elementwise=3e13,launch=4e-6,tile_columns=256

plan 0 --model gpt-30b --tokens 4096 --dtype bf16 --rates $rates
has '^model   gpt-30b: 48 layers, hidden 7168, '
has '^step    one layer: forward, backward, update, 4096 tokens in 2 sequences of 2048, bf16$'
has '^device  none$'
has '^rates   copy 2 TB/s, products 500 Tflop/s, elementwise 30 Tflop/s, a launch 4.00 us, tiles of 256 columns, as given$'
has '^ *none  *top3  *top5  *all$'
for row in 'launches per layer' '  forward+backward+update' 'launches' 'distinct kernels' \
    'memory traffic' '  elementwise and norms' 'floating-point operations' 'peak memory' \
    '  without sharing' 'predicted step'; do
    has "^$row  *[0-9]"
done
has '^KERNEL  *none  *TIME  *SHARE  *top3  *TIME  *SHARE  *top5 '
has '^adamw  *16 '
has '^matmul_bias_gelu  *1 '
has '^all: matmul_swiglu: \|^all: rmsnorm_matmul: '
has '^THE ANALYSIS CLAIMS  *BY  *CLAIMED  *PREDICTED  *MEASURED  *FOUND  *OF$'
has '^feed-forward block faster  *matmul_bias_gelu  *15-20 %  *[-0-9.]* %  *-  *\(less\|agrees\|more\)$'
has '^output projections faster  *matmul_bias_residual  *10-15 % '
has '^norms and what they feed faster  *layernorm_matmul  *10-12 % '
has '^attention faster  *qkv_projection  *8-10 % '
has '^feed-forward block faster  *gelu_matmul  *5-8 % '
has '^launches per layer fewer (27 to 16)  *top3  *40 %  *[0-9.]* %  *-  *[a-z]*  *[0-9]* -> [0-9]*$'
has '^launches per layer fewer (27 to 13)  *top5  *52 % '
has '^elementwise and norm traffic less  *top3  *25-30 % '
has '^elementwise and norm traffic less  *top5  *35-40 % '
has '^step faster  *top3  *20-30 % '
has '^step faster  *top5  *30-40 % '
has_not 'measured step'
has_not ' $'

plan 0 --model gpt-30b --rates $rates --json
for key in model shape scale device rates layers tokens seq dtype whole_model backward sets fusions \
    launches_per_layer launches distinct_kernels distinct_specs bytes elementwise_bytes flops \
    peak_bytes unshared_bytes predicted_s kernels notes claims claimed_percent_low \
    claimed_percent_high predicted_percent measured_percent verdict agrees; do
    has "\"$key\": "
done
has '^  "model": "gpt-30b",$'
has '^  "tokens": 4096,$'
has_not '"measured_s": [0-9]'
checks=$((checks + 1))
if command -v python3 >/dev/null; then
    python3 -m json.tool out json 2>>err || fail 'no valid JSON'
fi
for set in none top3 top5 all; do
    # What the kernels take is what the step does.
    sum=$(awk -v set=$set '
        /^      "fusions": / { split($0, part, "\""); at = part[4] }
        at == set && /^          "predicted_s": / { sum += $2 }
        /^  "claims": / { printf "%.9g", sum; exit }' out)
    predicted=$(number $set predicted_s)
    holds "$sum > 0 && ($sum - $predicted) ^ 2 < ($predicted * 1e-6) ^ 2"
    holds "$(number $set peak_bytes) <= $(number $set unshared_bytes)"
    holds "$(number $set elementwise_bytes) < $(number $set bytes)"
done
holds "$(number none launches_per_layer) > $(number top3 launches_per_layer)"
holds "$(number top3 launches_per_layer) > $(number top5 launches_per_layer)"
holds "$(number none bytes) > $(number top3 bytes)"
holds "$(number none predicted_s) >= $(number top3 predicted_s)"
step=$(number none predicted_s)
step_flops=$(number none flops)

# Half as fast takes twice as long; launches that take no time leave the rest.
plan 0 --model gpt-30b --rates copy=1e12,product=2.5e14,elementwise=1.5e13,launch=8e-6 --json \
    --fusions none
holds "($(number none predicted_s) / $step - 2) ^ 2 < 1e-10"

# Without rates and without a device there is no time.
plan 0 --model gpt-30b --fusions none,top3
says '^kiln: note: no OpenCL device here, so no time is predicted'
has '^predicted step  *-  *-$'
has '^matmul  *6  *-  *-  *3  *-  *-$\|^matmul  *6  *-  *-$'
has '^step faster  *top3  *20-30 %  *-  *-  *-$'
plan 0 --model gpt-30b --fusions none,top3 --json
has '^      "predicted_s": null,$'
has '^  "rates": null,$'

# Sets are shown as they are given, and only those.
plan 0 --model llama-3-70b --rates $rates --fusions none,qkv_projection+rmsnorm_matmul --force
has '^ *none  *qkv_projection+rmsnorm_matmul$'
has '^qkv_projection  *[1-9]'
has '^feed-forward block faster  *matmul_bias_gelu  *15-20 %  *-  *-  *no place$'
has ': kept by force$'
plan 0 --model llama-3-70b --rates $rates --fusions rmsnorm_matmul
has 'predicted to take .* us, .* us unfused: refused$'

# The forward pass alone, and a whole model.
plan 0 --model gpt-30b --rates $rates --forward --fusions none --json
has '"backward": false'
has_not '"name": "adamw"'
holds "3 * $(number none flops) < $step_flops"
plan 0 --model gpt-30b --rates $rates --layers 3 --fusions none --json
has '"name": "cross_entropy"'
has '"name": "embedding_backward"'
has '^  "layers": 3,$'
holds "$(number none launches_per_layer) * 3 < $(number none launches)"
plan 0 --model gpt-30b --rates $rates --layers 3 --fusions none
has '^step    whole model of 3 layers: '

# Scaled: heads and what goes with them, head_dim as it was.
plan 0 --model llama-3-70b --rates $rates --scale 0.125 --tokens 512 --seq 128 --dtype f16
has '^model   llama-3-70b scaled by 0.125: 80 layers, hidden 1024, ffn 3584, 8 heads of 128 on 1, .* vocab 16032$'
has '512 tokens in 4 sequences of 128, f16$'
plan 0 --model gpt3-175b --rates $rates --scale 0.001 --tokens 1
has 'hidden 128, ffn 512, 1 head of 128, '

# Every model either has a plan or is refused by the name of the part.
for model in gpt-neox-20b gpt-30b gpt3-175b bloom-176b llama-30b llama-65b qwen2.5-72b falcon-40b \
    falcon-180b gpt-200b; do
    plan 0 --model $model --rates $rates --layers 1 --fusions none,all
done

# What a config.json says of a layer's norms and of the head. kernels NAME: launches of it.
kernels() {
    awk -v name="$1" '
        index($0, "\"name\": \"" name "\"") { found = 1 }
        found && /"launches": / { sub(/,$/, ""); print $2; exit }' out
}
config() {
    cat >config.json <<CONFIG
{"model_type": "$1", "hidden_size": 256, "num_attention_heads": 4, "num_hidden_layers": 2,
 "layer_norm_epsilon": 1e-5, "vocab_size": 100, "activation_function": "gelu"$2}
CONFIG
    plan 0 --config config.json --rates $rates --layers 1 --fusions none --json
}
config gpt2
holds "$(kernels layernorm) == 3 && $(kernels residual_add) == 5"
tied=$(number none peak_bytes)
config gpt2 ', "tie_word_embeddings": false'
holds "$(number none peak_bytes) > $tied"
config gptj
holds "$(kernels layernorm) == 2"
config falcon ', "parallel_attn": true'
holds "$(kernels layernorm) == 2"
config falcon ', "new_decoder_architecture": true'
holds "$(kernels layernorm) == 3"
config falcon ', "new_decoder_architecture": true, "num_ln_in_parallel_attn": 1'
holds "$(kernels layernorm) == 2"
config falcon ', "parallel_attn": false'
holds "$(kernels layernorm) == 3"

# ---- refused -------------------------------------------------------------------------------------

refused 1 'opt-30b: .*: relu$' --model opt-30b --rates $rates
refused 1 'mixture of experts' --model mixtral-8x22b
refused 1 'qk-norm' --model qwen3-32b
refused 1 'clamped swiglu, mixture of experts, attention sinks' --model gpt-oss-120b
refused 2 'needs one model, .* 0 are given'
refused 2 'needs one model, .* 2 are given' --model gpt-30b --model gpt-200b
refused 2 'did you mean --model gpt-30b' gpt-30b
refused 2 "unknown model .*did you mean \`gpt-30b'" --model gpt30b
refused 2 'nonexistent.json: No such file' --config nonexistent.json
refused 2 'takes no --dim' --model gpt-30b --dim m=4
for number in 0 -1 1.5 x '' 2147483648; do
    refused 2 '--tokens .*: must be from 1 to 2147483647' --model gpt-30b --tokens "$number"
    refused 2 '--seq .*: must be from 1 to 2147483647' --model gpt-30b --seq "$number"
    refused 2 '--layers .*: must be from 1 to 1024' --model gpt-30b --layers "$number"
done
refused 2 '--layers 1025: must be from 1 to 1024' --model gpt-30b --layers 1025
refused 2 '--tokens 3000: must be a multiple of 2048' --model gpt-30b --tokens 3000
refused 2 '--tokens 100: must be a multiple of 64' --model gpt-30b --tokens 100 --seq 64
refused 2 '--dtype f64: must be f32, f16 or bf16' --model gpt-30b --dtype f64
for number in 0 -1 1.01 x '' nan 1e; do
    refused 2 '--scale .*: must be a number over 0 and up to 1' --model gpt-30b --scale "$number"
done
refused 2 "there is no fusion .top4" --model gpt-30b --fusions none,top4
refused 2 'a set is empty' --model gpt-30b --fusions ''
refused 2 'a set is empty' --model gpt-30b --fusions none,
refused 2 'a set is empty' --model gpt-30b --fusions ,none
for set in gelu_matmul+ +gelu_matmul gelu_matmul++qkv_projection +; do
    refused 2 'a name is missing beside' --model gpt-30b --fusions "$set"
done
refused 2 "\`top3' is given twice" --model gpt-30b --fusions top3,none,top3
refused 2 'no more than 8 sets' --model gpt-30b \
    --fusions none,top3,top5,all,gelu_matmul,qkv_projection,layernorm_matmul,rmsnorm_matmul,matmul_bias_gelu
refused 2 'copy and product are needed' --model gpt-30b --rates copy=1e12
refused 2 'must be over 0' --model gpt-30b --rates copy=0,product=1
refused 2 'must be over 0' --model gpt-30b --rates copy=-1,product=1
refused 2 'must be over 0' --model gpt-30b --rates copy=nan,product=1
refused 2 'tile_columns must be from 1' --model gpt-30b --rates copy=1,product=1,tile_columns=0.5
for text in copy copy= copy=x "copy=1,product=2," nonsense=3 =3 copy=1product=2; do
    refused 2 '--rates .*: must be copy=' --model gpt-30b --rates "$text"
done
refused 1 'no OpenCL device' --model gpt-30b --measure --scale 0.02
refused 1 'no OpenCL device' --model gpt-30b --device cpu

# ---- measured ------------------------------------------------------------------------------------

unset OCL_ICD_VENDORS
if ! "$KILN" devices >out 2>err; then
    echo "no OpenCL device: the part that measures is left out" >&2
    echo "$checks checks, $failures failures"
    test "$failures" -eq 0
    exit
fi
refused 1 'no such device' --model gpt-30b --device 'no such device'

# More than any machine has: predicted, and said to be.
plan 0 --model gpt3-175b --layers 96 --tokens 64 --dtype f32 --rates $rates --fusions none \
    --measure --device "$device"
has '^none: predicted only: .*'
has '^measured step, median  *-$'
plan 0 --model gpt3-175b --layers 96 --tokens 64 --dtype f32 --rates $rates --fusions none \
    --measure --device "$device" --json
has '"not_measured": "'

cat >small.json <<'SMALL'
{"model_type": "gpt2", "n_embd": 64, "n_head": 1, "n_layer": 1, "activation_function": "gelu_new",
 "vocab_size": 100}
SMALL
set -- --config small.json --tokens 32 --seq 16 --dtype f32 --forward --measure --repeat 2 \
    --device "$device" --fusions none,top3
plan 0 "$@"
has '^device  [^n]'
has '^rates   copy .*columns$'
has '^measured step, median  *[0-9.]* [mun]*s  *[0-9.]* [mun]*s$'
has '^matmul  *[1-9]'
has '^step faster  *top3  *20-30 %  *[-0-9.]* %  *[-0-9.]* %  *\(less\|agrees\|more\)$'
plan 0 "$@" --json
for set in none top3; do
    measured=$(number $set measured_s)
    holds "$measured > 0 && $(number $set measured_least_s) <= $measured"
    holds "$(number $set runs) == 2"
    # A kernel's time is the device's, and is there for each.
    checks=$((checks + 1))
    awk -v set=$set '
        /^  "claims": / { exit }
        /^      "fusions": / { split($0, part, "\""); at = part[4] }
        at == set && /^          "name": / { names++ }
        at == set && /^          "measured_s": [0-9]/ { times++ }
        END { exit !(names > 0 && names == times) }' out || fail "kernels of $set without a time"
done
has '"measured_percent": [-0-9]'

# Backward and update, too, with moments and masters of their own.
plan 0 --config small.json --tokens 32 --seq 16 --dtype bf16 --measure --repeat 1 --rates $rates \
    --device "$device" --fusions none
has '^adamw  *16  *[0-9.]* [mu]*s '

echo "$checks checks, $failures failures"
test "$failures" -eq 0
