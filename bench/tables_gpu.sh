# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2016 # shared with bench/run; backquotes of Markdown
# Tables of bench/run for a GPU, beside PyTorch on the same chip. They are made if named, not by default.

# PyTorch's two ways; kiln is compared with the first.
ways='eager compiled'

# Rows of one process each: "row<TAB>SPEC<TAB>kiln ms<TAB>TFLOP/s<TAB>GB/s<TAB>one way's ms<TAB>the other's<TAB>
# ratio<TAB>one way's TFLOP/s".
gpu_process() {
    say "GPU, round $i of $processes"
    set --
    while read -r spec; do
        set -- "$@" "$spec"
    done <"$work/specs"
    "$build/kiln" bench --json --no-ceilings "$@" >"$work/json" || fail "kiln bench failed"
    # PyTorch's words for a spec are those that were given, kiln's are canonical.
    bench_json "$work/json" device_median_s flops bytes | cut -f 2- | paste "$work/specs" - >"$work/ours"
    "$python" "$top/bench/torch_gpu.py" ${compile_too:+--compile} "$@" >"$work/out" 2>"$work/errors" ||
        fail "torch_gpu.py failed: $(tail -n 1 "$work/errors")"
    grep '^torch_gpu:' "$work/errors" >&2 || true
    awk -F '\t' -v one="${ways% *}" -v other="${ways#* }" '
        FNR == NR { ms[$1] = 1e3 * $2; flops[$1] = $3; bytes[$1] = $4; next }
        $1 == "row" { theirs[$2 SUBSEP $3] = $4; order[++n] = $2 }
        END {
            for (i = 1; i <= n; i++) {
                s = order[i]
                if (seen[s]++)
                    continue
                e = theirs[s SUBSEP one]
                c = theirs[s SUBSEP other]
                printf "row\t`%s`\t%.4f\t%.1f\t%.1f\t%.4f\t%.4f\t%.4f\t%.1f\n", s, ms[s],
                    1e-9 * flops[s] / ms[s], 1e-6 * bytes[s] / ms[s], e, c, e / ms[s],
                    e > 0 ? 1e-9 * flops[s] / e : 0
            }
        }' "$work/ours" "$work/out" >>"$work/rows"
}

gpu_table() {
    python=${torch:+$torch/bin/python3}
    python=${python:-python3}
    if ! "$python" -c 'import torch; assert torch.cuda.is_available()' 2>"$work/errors"; then
        echo 'Left out: there is no PyTorch that sees a GPU (bench/run -t VENV).'
        return
    fi
    : >"$work/rows"
    each_process gpu_process
    cat <<END_OF_TEXT
PyTorch $(fact torch) on $(fact gpu). Random numbers; each spec for half a second in a process of kiln's and one of PyTorch's,
in turn; median over $processes rounds. kiln: the device's time of a launch (of several stages, a launch's share of
16 queued); PyTorch: between CUDA events around each call. ratio: PyTorch's (${ways% *}) time to kiln's, over 1 where
kiln is faster.

| spec | kiln ms | kiln TFLOP/s | kiln GB/s | ${ways% *} ms | ${ways% *} TFLOP/s | ${ways#* } ms | ratio | least | greatest |
|---|---|---|---|---|---|---|---|---|---|
END_OF_TEXT
    print_rows '| %s | %.3f | %.1f | %.0f | %.3f | %.1f | %.3f | %.3f | %.3f | %.3f |' \
        3m 4m 5m 6m 9m 7m 8m 8l 8g | sed 's/| 0\.000 |/| |/'
}

table_gpu_products() {
    printf '## Products on a GPU, beside PyTorch\n\n'
    compile_too=
    : >"$work/specs"
    for dtype in bf16 f16; do
        for row in matmul matmul_nt matmul_tn; do
            for sizes in 'm=4096 n=8192 k=8192' 'm=4096 n=28672 k=8192' 'm=4096 n=8192 k=28672' \
                'm=8192 n=8192 k=8192'; do
                echo "$row $sizes dtype=$dtype" >>"$work/specs"
            done
        done
    done
    for row in matmul matmul_nt matmul_tn; do
        echo "$row m=8192 n=8192 k=8192 dtype=f32" >>"$work/specs"
        for sizes in 'm=4096 n=8192 k=8192' 'm=4096 n=28672 k=8192' 'm=4096 n=8192 k=28672' \
            'm=8192 n=8192 k=8192'; do
            echo "$row $sizes dtype=f32 compute=tf32" >>"$work/specs"
        done
    done
    gpu_table
}

table_gpu_fused() {
    printf '## Fused products on a GPU, beside PyTorch\n\n'
    compile_too=1
    cat >"$work/specs" <<END_OF_SPECS
matmul_bias_gelu m=4096 n=28672 k=8192 dtype=bf16 approx=tanh
matmul_bias_gelu m=4096 n=28672 k=8192 dtype=bf16 approx=tanh save_pre=1
matmul_bias_gelu m=4096 n=28672 k=7168 dtype=bf16 approx=tanh
matmul_bias_gelu m=4096 n=49152 k=12288 dtype=bf16 approx=tanh
matmul_bias_residual m=4096 n=8192 k=28672 dtype=bf16
matmul_bias_residual m=4096 n=7168 k=28672 dtype=bf16
matmul_swiglu m=4096 n=28672 k=8192 dtype=bf16 gate=split
qkv_projection m=4096 k=8192 heads=64 kv_heads=8 head_dim=128 dtype=bf16
qkv_projection m=4096 k=12288 heads=96 kv_heads=96 head_dim=128 dtype=bf16
layernorm_matmul m=4096 n=28672 k=8192 dtype=bf16
rmsnorm_matmul m=4096 n=28672 k=8192 dtype=bf16
gelu_matmul m=4096 n=8192 k=28672 dtype=bf16 approx=tanh
END_OF_SPECS
    gpu_table
}

table_gpu_decode() {
    printf '## Few rows on a GPU, beside PyTorch and its copy\n\n'
    compile_too=
    : >"$work/specs"
    for m in 1 8 32 64; do
        for row in matmul matmul_nt; do
            echo "$row m=$m n=8192 k=8192 dtype=bf16" >>"$work/specs"
        done
    done
    echo 'matmul m=1 n=8192 k=8192 dtype=f32' >>"$work/specs"
    gpu_table
    "$python" -c 'import torch
x = torch.randn(8192, 8192, device="cuda")
y = torch.empty_like(x)
def once():
    a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    a.record(); y.copy_(x); b.record(); torch.cuda.synchronize()
    return a.elapsed_time(b)
t = sorted(once() for _ in range(200))[100]
print(f"\nPyTorch copies 8192 x 8192 floats in {t:.3f} ms: {2 * 4 * 8192 * 8192 / t * 1e-6:.0f} GB/s.")'
}

table_gpu_memory() {
    printf '## Kernels that memory bounds, on a GPU, beside PyTorch and kiln'"'"'s copy\n\n'
    compile_too=1
    : >"$work/specs"
    for dtype in bf16 f32; do
        for row in bias_add residual_add 'gelu approx=none' 'gelu approx=tanh' 'gelu_backward approx=tanh' \
            'swiglu layout=split' dropout 'transpose batch=1' bias_backward 'softmax batch=1' \
            'softmax_backward batch=1' layernorm rmsnorm residual_layernorm residual_rmsnorm layernorm_backward; do
            echo "$row m=8192 n=8192 dtype=$dtype" >>"$work/specs"
        done
        for row in 'rope heads=64 head_dim=128 style=neox' 'embedding vocab=32000 n=8192' \
            'embedding_backward vocab=32000 n=8192' 'cross_entropy vocab=32000 dlogits=1' \
            'cross_entropy vocab=128256 dlogits=1'; do
            echo "$row tokens=8192 dtype=$dtype" >>"$work/specs"
        done
    done
    echo 'adamw n=268435456' >>"$work/specs"
    gpu_table
    "$build/kiln" bench 'residual_add m=8192 n=8192' | sed -n 's/^ceilings */\nkiln: /p'
}

table_gpu_attention() {
    printf '## Attention on a GPU, beside PyTorch'"'"'s FlashAttention-2 and cuDNN\n\n'
    compile_too=
    : >"$work/specs"
    for row in flash_attention flash_attention_backward; do
        for heads in 'heads=64 kv_heads=64 head_dim=64' 'heads=32 kv_heads=32 head_dim=128' \
            'heads=16 kv_heads=16 head_dim=256' 'heads=64 kv_heads=8 head_dim=128'; do
            for causal in 1 0; do
                echo "$row batch=2 seq_q=4096 seq_k=4096 $heads causal=$causal dtype=bf16" >>"$work/specs"
            done
        done
    done
    for causal in 1 0; do
        for sizes in 'batch=16 seq_q=512 seq_k=512' 'batch=1 seq_q=16384 seq_k=16384'; do
            echo "flash_attention $sizes heads=32 kv_heads=32 head_dim=128 causal=$causal dtype=bf16" >>"$work/specs"
        done
    done
    ways='flash cudnn'
    gpu_table
    ways='eager compiled'
}

unfused_process() {
    for grow in 7 8 12; do
        say "fusions times $grow, round $i of $processes"
        "$work/fusions" --raw --repeat "$repeat" --tokens 4096 --grow "$grow" --dtype bf16 >"$work/out" ||
            fail "fusions failed"
        awk -F '\t' -v short="$((256 * grow))" '
            { split($3, size, " x ") }
            $1 == "row" && size[3] != short { printf "row\t%s, %s\t%s\t%s\t%s\t%s\n", $2, $3, $5, $6, $7, $8 }' \
            "$work/out" >>"$work/rows"
    done
}

table_gpu_unfused() {
    printf '## Fused products on a GPU, beside the kernels that they replace\n\n'
    compile fusions OpenCL libxxhash
    : >"$work/rows"
    each_process unfused_process
    cat <<END_OF_TEXT
bf16, 4096 tokens; sizes of gpt-30b (7168, 28672), of a hidden size of 8192 (32768), and of gpt3-175b (12288, 49152).
The host's time of a chain and of the fused kernel, taking turns in one process; median over $processes processes of
the median of $repeat turns. time: unfused to fused, over 1 where fusion wins; bytes: fused to unfused.

| fusion, m x n x k | unfused ms | fused ms | time | bytes |
|---|---|---|---|---|
END_OF_TEXT
    print_rows '| %s | %.3f | %.3f | %.3f | %.2f |' 3m 4m 5m 6m
}
