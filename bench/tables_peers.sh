# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2016 # shared with bench/run; backquotes of Markdown
# Tables of bench/run: kiln beside others who do the same.

# ---- OpenBLAS

table_matmul() {
    compile_turns matmul_openblas OpenCL libxxhash openblas
    : >"$work/rows"
    each_process collect matmul_openblas --repeat "$repeat"
    cat <<END_OF_TEXT
## Matrix product, f32, beside OpenBLAS

$(fact openblas).
OPENBLAS_CORETYPE=$OPENBLAS_CORETYPE, running as $(fact core) with $(fact threads) threads. Median over $processes processes of the median of $repeat turns; ratio: OpenBLAS's time to
kiln's, over 1 where kiln is faster.

| m x n x k | kiln ms | OpenBLAS ms | kiln GFLOP/s | OpenBLAS GFLOP/s | ratio | least | greatest | error |
|---|---|---|---|---|---|---|---|---|
END_OF_TEXT
    print_rows '| %s | %.3f | %.3f | %.1f | %.1f | %.3f | %.3f | %.3f | %.1e |' \
        3m 4m 5m 6m 7m 7l 7g 8g
}

table_stability() {
    compile_turns matmul_openblas OpenCL libxxhash openblas
    processes_before=$processes
    processes=20
    : >"$work/rows"
    each_process collect matmul_openblas --repeat "$repeat" --shape 1024x1024x1024
    processes=$processes_before
    cat <<END_OF_TEXT
## From process to process: matrix product of 1024^3, f32, beside OpenBLAS

20 processes, each the median of $repeat turns, OpenBLAS set up as printed above (running as $(fact core) with
$(fact threads) threads); ratio: OpenBLAS's time to kiln's.

| of the 20 | kiln ms | OpenBLAS ms | ratio |
|---|---|---|---|
END_OF_TEXT
    awk -F '\t' '{ print $7 "\t" $3 "\t" $4 }' "$work/rows" | sort -g | awk -F '\t' '
        { ratio[NR] = $1; ours[NR] = $2; theirs[NR] = $3; a += $2; b += $3 }
        function row(what, i) {
            printf "| %s | %.3f | %.3f | %.3f |\n", what, ours[i], theirs[i], ratio[i]
        }
        END {
            row("the least ratio", 1)
            row("the next", 2)
            row("the median ratio (the lower of two)", int((NR + 1) / 2))
            row("the greatest ratio", NR)
            middle = (ratio[int((NR + 1) / 2)] + ratio[int(NR / 2) + 1]) / 2
            printf "\nThe least ratio is %.3f of the median one, %.3f.\n", ratio[1] / middle, middle
        }'
}

table_gelu() {
    loop_flags='-O3 -march=native -mprefer-vector-width=512 -fno-math-errno -fno-trapping-math'
    # shellcheck disable=SC2086
    ${CC:-cc} -std=c11 $loop_flags -c "$top/bench/gelu_loop.c" -o "$work/gelu_loop.o" ||
        fail "compiling gelu_loop.c"
    objects=$work/gelu_loop.o
    compile_turns gelu_openblas OpenCL libxxhash openblas
    objects=
    : >"$work/rows"
    each_process collect gelu_openblas --repeat "$repeat"
    cat <<END_OF_TEXT
## matmul_bias_gelu, f32, beside OpenBLAS and a loop

The peer is cblas_sgemm and then a loop in C, its vectors made by \`${CC:-cc} $loop_flags\`
and its erf and exp polynomials without a call (bench/gelu_loop.c); each on both cores. whole: one
product by OpenBLAS's two threads, then the loop on two threads, one a core; halves: half of the rows each,
product and loop, on two threads. Running as $(fact core). Median over $processes processes of the median of
$repeat turns; ratio: the faster of the two to kiln's, over 1 where kiln is faster.

| m x n x k, approx | kiln ms | whole ms | halves ms | loop alone ms | kiln GFLOP/s | ratio | least | greatest | error |
|---|---|---|---|---|---|---|---|---|---|
END_OF_TEXT
    print_rows '| %s | %.3f | %.3f | %.3f | %.3f | %.1f | %.3f | %.3f | %.3f | %.1e |' \
        3m 4m 5m 6m 7m 8m 8l 8g 9g
}

table_skinny() {
    printf '## Products of few rows, beside a plain read and OpenBLAS\n\n'
    compile_turns skinny OpenCL libxxhash openblas
    : >"$work/rows"
    each_process collect skinny --repeat "$repeat"
    cat <<END_OF_TEXT
Taking turns in one process. Bytes are counted once; ratios: the read's time to kiln's, and OpenBLAS's
(f32 only). Median over $processes processes of the median of $repeat turns.

| spec | kiln ms | read ms | kiln GB/s | read GB/s | ratio | least | kiln GFLOP/s | OpenBLAS ms | ratio | least |
|---|---|---|---|---|---|---|---|---|---|---|
END_OF_TEXT
    print_rows '| `%s` | %.3f | %.3f | %.1f | %.1f | %.2f | %.2f | %.1f | %.3f | %.2f | %.2f |' \
        3m 4m 5m 6m 7m 7l 8m 9m 10m 10l |
        sed 's/| 0\.000 | 0\.00 | 0\.00 |$/| | | |/'
}

# ---- CLBlast

# PoCL's cache is on for it: CLBlast keeps no binary between processes, and PoCL takes seconds.
table_clblast() {
    printf '## Matrix product, f32, beside CLBlast on the same device\n\n'
    has_package clblast libclblast-dev || return 0
    compile_turns clblast OpenCL libxxhash clblast
    repeat_before=$repeat
    [ "$repeat" -le 5 ] || repeat=5
    : >"$work/rows"
    POCL_KERNEL_CACHE=1
    each_process collect clblast --repeat "$repeat"
    POCL_KERNEL_CACHE=0
    cat <<END_OF_TEXT
CLBlast $(pkg-config --modversion clblast) with the parameters that its database has for this device, on kiln's own queue. Median over
$processes processes of the median of $repeat turns; ratio: CLBlast's time to kiln's, over 1 where kiln is faster.

| m x n x k | kiln ms | CLBlast ms | kiln GFLOP/s | CLBlast GFLOP/s | ratio | least | greatest | error |
|---|---|---|---|---|---|---|---|---|
END_OF_TEXT
    repeat=$repeat_before
    print_rows '| %s | %.3f | %.3f | %.1f | %.1f | %.2f | %.2f | %.2f | %.1e |' \
        3m 4m 5m 6m 7m 7l 7g 8g
}

# ---- PyTorch

# Rows of one process: a spec's and a way's times, kiln's and PyTorch's, and their ratio.
torch_process() {
    say "PyTorch, process $i of $processes"
    set --
    while read -r spec; do
        set -- "$@" "$spec"
    done <"$work/specs"
    "$build/kiln" bench --json --no-ceilings "$@" >"$work/json" || fail "kiln bench failed"
    bench_json "$work/json" median_s | cut -f 2 | paste "$work/specs" - >"$work/ours"
    "$python" "$top/bench/torch_peers.py" --repeat "$repeat" >"$work/out" 2>"$work/errors" ||
        fail "torch_peers.py failed: $(tail -n 1 "$work/errors")"
    grep '^torch_peers:' "$work/errors" >&2 || true
    awk -F '\t' '
        FNR == NR { ours[$1] = 1e3 * $2; next }
        $1 == "row" {
            printf "row\t`%s` %s\t%.4f\t%.4f\t%.4f\n", $2, $3, ours[$2], $4, $4 / ours[$2]
        }' "$work/ours" "$work/out" >>"$work/rows"
}

table_torch() {
    printf '## Beside PyTorch on the CPU, f32\n\n'
    python=$torch/bin/python3
    if [ -z "$torch" ] || ! "$python" -c 'import torch' 2>"$work/errors"; then
        say "no PyTorch: its table is left out; -t VENV or \$KILN_BENCH_TORCH names an environment that has it"
        echo 'Left out: no Python environment with PyTorch is given (bench/run -t VENV).'
        return
    fi
    "$python" "$top/bench/torch_peers.py" --specs >"$work/specs"
    : >"$work/rows"
    each_process torch_process
    cat <<END_OF_TEXT
PyTorch $(fact torch) with $(fact threads) threads, its vectors $(fact isa), $(fact blas). eager and compiled (torch.compile) are
torch.mm, F.gelu(F.linear(x, w, bias)) and F.scaled_dot_product_attention, in inference mode. kiln and
PyTorch one after the other, a process each; median over $processes pairs of the medians of $repeat calls (kiln bench: half a second);
ratio: PyTorch's time to kiln's, over 1 where kiln is faster.

| spec, way | kiln ms | PyTorch ms | ratio | least | greatest |
|---|---|---|---|---|---|
END_OF_TEXT
    print_rows '| %s | %.3f | %.3f | %.3f | %.3f | %.3f |' 3m 4m 5m 5l 5g
}
