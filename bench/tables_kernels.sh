# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2016 # shared with bench/run; backquotes of Markdown
# Tables of bench/run: kiln beside itself, and beside what the memory gives.

# ---- memory

table_memory() {
    compile copy_bound OpenCL libxxhash
    : >"$work/rows"
    each_process collect copy_bound --repeat "$repeat"
    cat <<END_OF_TEXT
## Memory-bound kernels, f32, beside a plain vector copy

The copy moves as many bytes, half of them in and half out, by vectors of 16 floats, a block of 16384 a
work-item; taking turns in one process. Median over $processes processes of the median of $repeat turns; bytes
counted once; ratio: the copy's time to kiln's; streaming: the same copy by stores past the cache.

| spec | kiln ms | copy ms | kiln GB/s | copy GB/s | streaming GB/s | ratio | least | greatest |
|---|---|---|---|---|---|---|---|---|
END_OF_TEXT
    print_rows '| `%s` | %.2f | %.2f | %.1f | %.1f | %.1f | %.2f | %.2f | %.2f |' 3m 4m 5m 6m 8m 7m 7l 7g
}

# ---- attention, storage

# relative SPEC...: rows of one process of kiln bench, beside the first spec: ms, GFLOP/s, GFLOP/s to
# the first one's.
relative() {
    say "$table, process $i of $processes"
    "$build/kiln" bench --json --no-ceilings "$@" >"$work/json" || fail "kiln bench failed"
    bench_json "$work/json" median_s gflops | awk -F '\t' '
        { if (NR == 1) first = $3; printf "row\t%s\t%g\t%g\t%g\n", $1, 1e3 * $2, $3, $3 / first }' \
        >>"$work/rows"
}

table_attention() {
    sizes='batch=1 seq_q=2048 seq_k=2048 heads=16 kv_heads=16 head_dim=128'
    : >"$work/rows"
    each_process relative 'matmul m=1024 n=1024 k=1024' 'matmul m=2048 n=2048 k=2048' \
        "flash_attention $sizes causal=1" "flash_attention $sizes" \
        "flash_attention_backward $sizes causal=1" "flash_attention_backward $sizes" \
        "flash_attention $sizes causal=1 dtype=f16" "flash_attention $sizes causal=1 dtype=bf16" \
        "flash_attention batch=1 seq_q=2048 seq_k=2048 heads=32 kv_heads=8 head_dim=64 causal=1"
    cat <<END_OF_TEXT
## Attention, beside the product of the same run

By \`kiln bench\`, one after the other in one process. Median over $processes processes; ratio: GFLOP/s to
the first product's. Masked pairs are not counted; the backward pass counts five products and does
seven.

| spec | ms | GFLOP/s | ratio | least | greatest |
|---|---|---|---|---|---|
END_OF_TEXT
    print_rows '| `%s` | %.1f | %.1f | %.2f | %.2f | %.2f |' 3m 4m 5m 5l 5g
}

table_storage() {
    : >"$work/rows"
    each_process relative 'matmul m=1024 n=1024 k=1024' 'matmul m=1024 n=1024 k=1024 dtype=bf16' \
        'matmul m=1024 n=1024 k=1024 dtype=f16'
    cat <<END_OF_TEXT
## Matrix product in 16-bit storage, beside f32

By \`kiln bench\`, one after the other in one process; the arithmetic is in f32. Median over $processes
processes; ratio: GFLOP/s to f32's.

| spec | ms | GFLOP/s | ratio | least | greatest |
|---|---|---|---|---|---|
END_OF_TEXT
    print_rows '| `%s` | %.2f | %.1f | %.3f | %.3f | %.3f |' 3m 4m 5m 5l 5g
}

# ---- start

start_process() {
    say "$kind start, process $i of $processes"
    if [ "$kind" = cold ]; then
        rm -rf "$work/start"
    fi
    KILN_CACHE_DIR=$work/start "$work/warm_start" --raw >>"$work/$kind" || fail "warm_start failed"
}

table_start() {
    compile warm_start OpenCL libxxhash
    cat <<END_OF_TEXT
## From main() to the first result, matmul of 1024^3 in f32, ms

PoCL's own cache is off (POCL_KERNEL_CACHE=0). Medians over $processes processes; cold: an empty
kiln cache for each.

| cache | context | kernel | input | buffers | launch | read back | total | least | greatest |
|---|---|---|---|---|---|---|---|---|---|
END_OF_TEXT
    for kind in cold warm; do
        : >"$work/$kind"
        each_process start_process
        case $kind in
        cold) from=compiled ;;
        warm) from=disk ;;
        esac
        [ "$(cut -f 1 "$work/$kind" | sort -u)" = "$from" ] || fail "$kind starts were not $from"
        sed "s/^[a-z]*	/row	$kind	/" "$work/$kind" >"$work/rows"
        print_rows '| %s | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f |' \
            3m 4m 5m 6m 7m 8m 9m 9l 9g
    done
}

# ---- fusion

ffn_process() {
    say "feed-forward block $dtype, gelu $approx, process $i of $processes"
    "$build/examples/ffn_block" --dtype "$dtype" --approx "$approx" --repeat "$repeat" --json \
        >"$work/out" || fail "ffn_block failed"
    printf 'row\t%s | %s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$dtype" "$approx" \
        "$(json_number "$work/out" unfused median_ms)" "$(json_number "$work/out" fused median_ms)" \
        "$(json_number "$work/out" fused gflops)" "$(json_number "$work/out" "" speedup_percent)" \
        "$(json_number "$work/out" "" bytes_saved_percent)" \
        "$(json_number "$work/out" fused error)" >>"$work/rows"
}

table_ffn() {
    [ -x "$build/examples/ffn_block" ] || fail "$build/examples/ffn_block is missing; build first"
    : >"$work/rows"
    for form in 'f32 none' 'f32 tanh' 'f16 tanh' 'bf16 tanh'; do
        dtype=${form% *}
        approx=${form#* }
        each_process ffn_process
    done
    cat <<END_OF_TEXT
## Feed-forward block, 512 tokens, hidden 1024, ffn 4096, unfused and fused

Medians over $processes processes of the median of $repeat steps; faster: unfused's time to fused's,
less 1.

| dtype | gelu | unfused ms | fused ms | fused GFLOP/s | faster % | least | greatest | bytes saved % | error |
|---|---|---|---|---|---|---|---|---|---|
END_OF_TEXT
    print_rows '| %s | %.2f | %.2f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1e |' \
        3m 4m 5m 6m 6l 6g 7m 8g
}

table_fusions() {
    "$top/bench/run_fusions" -b "$build" -p "$processes" -r "$repeat" || fail "run_fusions failed"
}

# ---- generation, and every kernel

table_emit() {
    compile emit_time OpenCL libxxhash
    printf '## kiln_emit: from a spec to its OpenCL C\n\n'
    say "emit"
    "$work/emit_time" || fail "emit_time failed"
}

# The specs of a file that begins with words, as kiln bench's JSON.
bench_every() {
    grep -v '^#' "$specs" | grep . >"$work/specs"
    set --
    while read -r spec; do
        set -- "$@" "$spec"
    done <"$work/specs"
    "$build/kiln" bench --json "$@" >"$work/every.json" || fail "kiln bench failed"
}

# Every kernel once, for this table and the chart.
measure_every() {
    [ ! -f "$work/every.json" ] || return 0
    say "every kernel"
    bench_every
}

table_kernels() {
    measure_every
    bench_json "$work/every.json" ceiling_gflops ceiling_gbs device >"$work/rows"
    cat <<END_OF_TEXT
## Every kernel, by \`kiln bench\`

$(awk -F '\t' 'NR == 1 { printf "Ceilings, measured in the same run: %.4g GFLOP/s (f32 multiply-adds), %.4g GB/s (a plain copy).", $2, $3 }' "$work/rows")
percent: of the nearer ceiling, whose name stands beside it; over 100 where data is in a cache or more is read
than written.

| spec | ms | spread % | GFLOP/s | GB/s | percent | ceiling | variant | tuning |
|---|---|---|---|---|---|---|---|---|
END_OF_TEXT
    bench_json "$work/every.json" median_s spread gflops gbs percent bound variant tuning |
        awk -F '\t' '{ printf "| `%s` | %.3f | %.1f | %.1f | %.1f | %.1f | %s | %s | %s |\n", $1,
            1e3 * $2, 100 * $3, $4, $5, $6, $7, $8, $9 }'
}

table_roofline() {
    chart=${chart:-$build/roofline.svg}
    printf '## Roofline\n\n'
    measure_every
    cp "$work/every.json" "${chart%.*}.json" || fail "${chart%.*}.json cannot be written"
    if ! command -v gnuplot >/dev/null 2>&1; then
        say "gnuplot is missing: elsewhere, bench/roofline ${chart%.*}.json FILE.svg draws the chart"
        echo 'Left out: gnuplot (Debian: gnuplot-nox) is not installed.'
        return
    fi
    "$top/bench/roofline" "$work/every.json" "$chart" || fail "no chart"
    echo "Every kernel's arithmetic intensity and speed under the two ceilings: ${chart##*/}"
}
