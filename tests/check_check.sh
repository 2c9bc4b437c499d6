#!/bin/sh
# kiln check: its verdicts, what a model needs, config.json files good and bad, exit statuses.
# KILN is the command, ./kiln by default. Only the part behind --build needs an OpenCL device.

KILN=${KILN-./kiln}
case $KILN in
*/*) KILN=$(cd "$(dirname "$KILN")" && pwd)/$(basename "$KILN") ;;
esac
test -x "$KILN" || { echo "there is no command $KILN" >&2; exit 1; }

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
cd "$dir" || exit 1

unset KILN_DEVICE KILN_CACHE KILN_CACHE_SIZE KILN_TEMPLATE_DIR
KILN_CACHE_DIR=$dir/cache
POCL_CACHE_DIR=$dir/pocl
export KILN_CACHE_DIR POCL_CACHE_DIR
mkdir pocl

checks=0
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAIL: kiln check $last: $*" >&2
    sed 's/^/    out: /' out | head -n 40 >&2
    sed 's/^/    err: /' err | head -n 20 >&2
}

# check STATUS ARGUMENT...: runs kiln check; output goes to the files out and err. STATUS any: 0
# or 1, as the counts in the output say.
check() {
    expected=$1
    shift
    last=$*
    checks=$((checks + 1))
    "$KILN" check "$@" >out 2>err </dev/null
    status=$?
    if test "$expected" = any; then
        expected=0
        if grep -q -e ', [1-9][0-9]* blocked' -e 'needs without a kernel' \
            -e '"models_blocked": [1-9]' out; then
            expected=1
        fi
    fi
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
# The last run was refused, by this sentence.
refused() {
    checks=$((checks + 1))
    test ! -s out || fail "something on standard output"
    says "^kiln: .*$1"
}
says() {
    checks=$((checks + 1))
    grep -q -e "$1" err || fail "no \`$1' on standard error"
}

# ---- a model's specs and verdicts, without any driver -----------------------------------------

OCL_ICD_VENDORS=$dir/nonexistent
export OCL_ICD_VENDORS

check any --model llama-3-70b --facts gpu
has '^llama-3-70b: 80 layers, hidden 8192, ffn 28672, 64 heads of 128 on 8, swiglu, rmsnorm,'
has '^KERNEL  *USED  *SPECS  *VERDICT  *LIMIT$'
has '^matmul  *yes  *5  free$'
has '^gelu  *no  *1  free$'
has '^llama-3-70b: [0-9]* of [0-9]* free, [0-9]* within limits, [0-9]* blocked; fused: '
has_not '^no kernel'
has_not ' $'
# Every row of the registry is there, and the counts add up.
"$KILN" list --json | sed -n 's/^ *"name": "\(.*\)",*$/\1/p' >names
while read -r name; do
    has "^$name  *\(yes\|no\|optional\)  *[1-9]"
done <names
checks=$((checks + 1))
sed -n 's/^llama-3-70b: \([0-9]*\) of \([0-9]*\) free, \([0-9]*\) within limits, \([0-9]*\) blocked; fused: \([0-9]*\) of \([0-9]*\) free, \([0-9]*\) within limits, \([0-9]*\) blocked.*$/\1 \2 \3 \4 \5 \6 \7 \8/p' out |
    awk -v rows="$(wc -l <names)" '
        { ok = $1 + $3 + $4 == $2 && $5 + $7 + $8 == $6 && $2 + $6 == rows }
        END { exit !ok }' || fail 'the counts do not add up to the rows'

# Edges of tiles: 50257 = 392 * 128 + 81.
check any --model gpt3-175b --facts gpu
has '^matmul  *yes  *5  within limits  tile_size: n=50257 is 392 tiles of 128 and 81 over$'
check any --model gpt-oss-120b --facts gpu
has '^matmul_tn  *yes  *5  within limits  tile_size: m=2880 is 22 tiles of 128 and 64 over$'
# Local memory: tiles of 128 would fit if there were more than 16 KiB.
check any --model llama-3-70b --facts gpu,local_mem=16384
has '^matmul  .*within limits  local memory: 16 KiB: BN=64 BK=8, with more BN=128 BK=16'
check any --model llama-3-70b --facts gpu,max_workgroup=64
has '^matmul  .*within limits  work-group: 64 work-items: .*, with more BM=128 '
# 2^31: 256000 * 12288, and as many in one dimension.
check any --model command-r-plus-104b --facts gpu
has '2^31: b\[12288,256000\] has 3145728000 elements: offsets of 64 bits$'
check any --model command-r-plus-104b --facts gpu --json
has '"spec": "adamw dtype=bf16 n=1572864000 '
has '"spec": "adamw dtype=bf16 n=830472192 '
check any --model command-r-plus-104b --facts gpu
has '^adamw  *yes  *2  within limits  2^31: vocab\*hidden=3145728000 .*: 2 launches of 1572864000 or fewer$'
# Rules over dimensions.
has '^flash_attention  *yes  *1  within limits  heads=96: must be a multiple of kv_heads, 8$'
# A tensor that no size in bytes holds.
check 1 --model llama-3-70b --facts gpu --tokens 2147483647
has '^batched_matmul  *optional  *2  blocked  *c: its .* elements pass 2^62 bytes$'
has '^tokens  *2147483647'

# ---- what has no kernel ------------------------------------------------------------------------

check 1 --model opt-30b --facts gpu
has '^no kernel: relu: '
has '^opt-30b: .*; needs without a kernel: relu$'
says '^kiln: 1 of 1 model: '
check 1 --model qwen3-32b --facts gpu
has '^no kernel: qk-norm: .*rmsnorm with m=262144 n=128 '
has '^rmsnorm  *yes  *2  '
check 1 --model mixtral-8x22b --facts gpu
has '^no kernel: mixture of experts: choosing among 8 experts'
check 1 --model gpt-oss-120b --facts gpu
has '^gpt-oss-120b: .* kernel: clamped swiglu, mixture of experts, attention sinks, rope scaling yarn$'

# ---- all models, and several ---------------------------------------------------------------------

check 1 --facts gpu
for model in gpt-neox-20b opt-30b gpt-30b opt-66b gpt3-175b bloom-176b llama-30b llama-65b \
    llama-3-70b qwen2.5-72b qwen3-32b falcon-40b falcon-180b command-r-plus-104b mixtral-8x22b \
    gpt-oss-120b gpt-200b; do
    has "^$model: [0-9]* of [0-9]* free"
    has "^$model  *[0-9][0-9]*  "
done
has '^KERNEL  *MODELS FREE  *WITHIN  *BLOCKED  *LIMITS$'
has '^matmul  *[0-9][0-9]*  *[1-9][0-9]*  *0  tile_size, 2^31$'
has '^MODEL  *FREE  *WITHIN  *BLOCKED '
has '^all 17 models: [0-9]* of [0-9]* free'
check 1 --facts gpu --json
checks=$((checks + 1))
test "$(grep -c '"no_kernel": ' out)" -eq 17 || fail 'not 17 models'
for key in device facts tokens built models_blocked shape head_dim verdict limits refusals specs; do
    has "\"$key\": "
done
check 1 --model opt-66b --model gpt-30b --facts gpu
has '^all 2 models: '
says '^kiln: [12] of 2 models: '
check any --model llama-30b
says 'note: no such OpenCL device'
has '^facts  *gpu,'

# ---- refused -------------------------------------------------------------------------------------

check 2 --model llama3-70b
refused "unknown model .*did you mean \`llama-3-70b'"
check 2 --model ''
refused 'unknown model'
check 2 llama-3-70b
refused 'did you mean --model llama-3-70b?'
for tokens in 0 -1 1.5 x 2147483648 99999999999999999999; do
    check 2 --model llama-30b --tokens "$tokens"
    refused 'must be from 1 to 2147483647'
done
check 2 --model llama-30b --facts gpu --build
refused '--facts names none'
check 1 --model llama-30b --build
refused 'no OpenCL device'
check 2 --model llama-30b --dim m=4
refused 'takes no --dim'

# ---- config.json -----------------------------------------------------------------------------------

# config KEY VALUE...: one like LLaMA 3's, keys replaced, added, or left out (VALUE none).
config() {
    cat >keys <<LLAMA
model_type "llama"
hidden_act "silu"
hidden_size 8192
intermediate_size 28672
num_attention_heads 64
num_hidden_layers 80
num_key_value_heads 8
rms_norm_eps 1e-05
rope_theta 500000.0
rope_scaling null
vocab_size 128256
LLAMA
    while test $# -gt 0; do
        grep -v "^$1 " keys >others
        mv others keys
        test "$2" = none || printf '%s %s\n' "$1" "$2" >>keys
        shift 2
    done
    { echo '{'; sed 's/\([^ ]*\) \(.*\)/  "\1": \2/; $!s/$/,/' keys; echo '}'; } >config.json
}

# The same shape gives the same kernels.
config
check any --config config.json --facts gpu
sed -n '/^KERNEL/,/^qkv\|^[a-z_]*matmul /p' out >from_file
check any --model llama-3-70b --facts gpu
sed -n '/^KERNEL/,/^qkv\|^[a-z_]*matmul /p' out >from_table
checks=$((checks + 1))
cmp -s from_file from_table || fail 'config.json and the table differ'
test -s from_file || fail 'nothing to compare'

# Other names of the keys, and what stands for absent ones.
cat >gpt2.json <<'GPT2'
{"model_type": "gpt2", "n_embd": 1600, "n_head": 25, "n_layer": 48, "n_inner": null,
 "activation_function": "gelu_new", "layer_norm_epsilon": 1e-05, "vocab_size": 50257}
GPT2
check any --config gpt2.json --facts gpu
has '^gpt2.json: 48 layers, hidden 1600, ffn 6400, 25 heads of 64, gelu_tanh, layernorm, positions learned, bias all, vocab 50257$'
cat >neox.json <<'NEOX'
{"model_type": "gpt_neox", "hidden_size": 6144, "intermediate_size": 24576, "hidden_act":
 "gelu_fast", "num_attention_heads": 64, "num_hidden_layers": 44, "rotary_pct": 0.25,
 "layer_norm_eps": 1e-05, "rotary_emb_base": 10000, "vocab_size": 50432}
NEOX
check any --config neox.json --facts gpu --json
has '"spec": "rope dtype=bf16 tokens=4096 heads=64 head_dim=96 rotary_dim=24 style=neox theta=10000"'
cat >gemma.json <<'GEMMA'
{"model_type": "gemma3", "vision_config": {"hidden_size": 3},
 "text_config": {"model_type": "gemma3_text", "hidden_size": 5376, "intermediate_size": 21504,
  "num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 128, "num_hidden_layers": 62,
  "rms_norm_eps": 1e-06, "sliding_window": 1024, "attn_logit_softcapping": 50.0,
  "final_logit_softcapping": 30.0, "query_pre_attn_scalar": 256, "vocab_size": 262208}}
GEMMA
check 1 --config gemma.json --facts gpu --json
has '"hidden": 5376'
has '"spec": "flash_attention .* window=1024 softcap=50 alibi=0 scale=0.0625"'
has '"spec": "rmsnorm .*eps=1e-06 unit_offset=1"'
for need in geglu qk-norm 'softcap of the logits'; do
    has "\"needs\": \"$need\""
done
cat >falcon.json <<'FALCON'
{"model_type": "falcon", "hidden_size": 4544, "num_attention_heads": 71, "num_hidden_layers": 32,
 "layer_norm_epsilon": 1e-05, "multi_query": true, "parallel_attn": true, "alibi": true,
 "vocab_size": 65024}
FALCON
check any --config falcon.json --facts gpu --json
has '"spec": "flash_attention .*heads=71 kv_heads=1 head_dim=64 causal=1 .*alibi=1'
config model_type '"mixtral"' num_local_experts 4 sliding_window null
check 1 --config config.json --facts gpu
has '^no kernel: mixture of experts: choosing among 4 '
config rope_scaling '{"rope_type": "llama3", "factor": 8.0}'
check 1 --config config.json --facts gpu
has '^no kernel: rope scaling llama3: '
config hidden_act '"quick_gelu"'
check 1 --config config.json --facts gpu
has '^no kernel: quick_gelu: '
config layer_types '["full_attention", "linear_attention"]'
check 1 --config config.json --facts gpu
has '^no kernel: linear_attention: '
config model_type '"frobnicator"'
check any --config config.json --facts gpu
has '^model_type=frobnicator is none that kiln knows'

# Shapes that attention does not take.
config head_dim 100
check 1 --config config.json --facts gpu
has '^flash_attention  *yes  *1  blocked  *flash_attention: head_dim=100: must be a multiple of 8'
config head_dim 520
check 1 --config config.json --facts gpu
has 'head_dim=520: must be a multiple of 8 from 8 to 512'

# bad KEY VALUE SENTENCE: that value is refused.
bad() {
    config "$1" "$2"
    check 2 --config config.json --facts gpu
    refused "config.json: .*$3"
}
bad hidden_size none 'none of hidden_size, d_model, n_embd, n_embed is there'
bad vocab_size none 'vocab_size'
bad num_hidden_layers none 'num_hidden_layers'
bad num_attention_heads none 'num_attention_heads'
bad hidden_act none 'hidden_act'
bad hidden_size '"8192"' 'hidden_size="8192": must be an integer'
bad hidden_size 8192.0 'must be an integer'
bad hidden_size true 'hidden_size=true: must be an integer'
bad hidden_size '[8192]' 'must be an integer'
bad hidden_size 0 'hidden_size=0: must be from 1 to 2147483647'
bad num_attention_heads -64 'num_attention_heads=-64: must be from 1'
bad vocab_size 2147483648 'vocab_size=2147483648: must be from 1'
bad vocab_size 99999999999999999999 'line [0-9]*: no JSON: too big'
bad intermediate_size 1e400 'no JSON'
bad num_attention_heads 63 '63 heads do not divide hidden_size=8192, and there is no head_dim'
bad num_key_value_heads 7 '7 key-value heads do not divide 64 heads'
bad num_key_value_heads 128 '128 key-value heads do not divide 64 heads'
bad head_dim 2147483647 '64 heads of 2147483647: must be 2147483647 columns or fewer'
bad hidden_act 3 'hidden_act=3: must be a name'
bad hidden_act '"a\nb"' 'must be a name'
bad rms_norm_eps 0 'rms_norm_eps=0: must be a number above 0'
bad rms_norm_eps '"small"' 'must be a number above 0'
bad rope_scaling '"yarn"' 'rope_scaling="yarn": must be an object'
bad attention_bias '"no"' 'must be true or false'
bad sliding_window -1 'sliding_window=-1: must be from 0'
bad layer_types '[1]' 'must be an array of names'
bad text_config '[]' 'text_config=\[\]: must be an object'
bad partial_rotary_factor 1.5 '1.5 of head_dim=128'
config hidden_size 2147483647 intermediate_size 2147483647 head_dim 8
check 2 --config config.json
refused 'a weight of more than 2^60 elements'
config hidden_size 1073741824 intermediate_size 1073741824 head_dim 33554431 vocab_size 2147483647
check any --config config.json --facts gpu
has '^matmul  *yes  *5  blocked  *matmul: n=2684354480: must be from 1 to 2147483647$'
config model_type '"frobnicator"' rms_norm_eps none
check 2 --config config.json
refused 'neither rms_norm_eps nor layer_norm_eps'

# text EXACT SENTENCE: a file of that content is refused.
text() {
    printf "%b" "$1" >text.json
    check 2 --config text.json
    refused "text.json: .*$2"
}
text '' 'no JSON'
text '{' 'no JSON'
text '[]' 'must hold a JSON object'
text '3' 'must hold a JSON object'
text '{} x' 'no JSON'
text '{"a": 1, "a": 2}' 'duplicate'
text '\0377\0376' 'no JSON'
check 2 --config "$dir"
refused 'is a directory'
check 2 --config nonexistent.json
refused 'nonexistent.json: No such file'
mkfifo pipe
check 2 --config pipe
refused 'is no file'
if test "$(id -u)" != 0; then
    config
    chmod 000 config.json
    check 2 --config config.json
    refused 'ermission denied'
    rm -f config.json
fi
config
check 2 --config config.json --model nosuchmodel
refused 'unknown model'

# ---- with a device ---------------------------------------------------------------------------

unset OCL_ICD_VENDORS
if ! "$KILN" devices >out 2>err; then
    echo "no OpenCL device: the part that builds is left out" >&2
    echo "$checks checks, $failures failures"
    test "$failures" -eq 0
    exit
fi

cat >small.json <<'SMALL'
{"model_type": "gpt2", "n_embd": 64, "n_head": 2, "n_layer": 1, "activation_function": "gelu",
 "vocab_size": 100}
SMALL
check any --config small.json --tokens 32 --build
has '^[1-9][0-9]* specs built$'
has '^matmul  *yes  *5  \(free\|within limits\)'
# What the driver refuses is a kernel's refusal.
mkdir templates
printf '%s\n' 'this is no OpenCL C' >templates/gelu.cl
KILN_TEMPLATE_DIR=$dir/templates
export KILN_TEMPLATE_DIR
check 1 --config small.json --tokens 32 --build
has '^gelu  *yes  *1  blocked  *gelu: .*refused it.* error'
has '^matmul  *yes  *5  \(free\|within limits\)'
unset KILN_TEMPLATE_DIR

echo "$checks checks, $failures failures"
test "$failures" -eq 0
