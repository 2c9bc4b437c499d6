# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2016 # shared with bench/run; backquotes of Markdown
# Table of bench/run: what was derived, what kiln brings along, and what tuning finds.

# Shapes on which no line in templates/tuned.txt was found (looked at below).
tuning_specs() {
    cat <<'END_OF_SPECS'
matmul m=640 n=640 k=640
matmul m=384 n=3072 k=768
matmul m=1536 n=1280 k=5120
matmul m=1200 n=1200 k=1200 dtype=bf16
matmul_nt m=320 n=2560 k=1280
matmul_tn m=1280 n=1280 k=320
matmul_bias_gelu m=256 n=5120 k=1280 approx=tanh
matmul_bias_residual m=768 n=768 k=3072
batched_matmul batch=24 m=160 n=160 k=96
layernorm m=3000 n=1600
rmsnorm m=1500 n=5120
softmax batch=4 m=700 n=1500
layernorm_backward m=1100 n=1280
flash_attention batch=1 seq_q=1200 seq_k=1200 heads=12 kv_heads=12 head_dim=64 causal=1
flash_attention batch=2 seq_q=640 seq_k=640 heads=8 kv_heads=2 head_dim=128
gelu m=1500 n=6400 approx=tanh
swiglu m=1000 n=5504 layout=split
rope tokens=1500 heads=20 head_dim=64 style=neox
transpose batch=1 m=3000 n=1700
cross_entropy tokens=300 vocab=50257 dlogits=1
END_OF_SPECS
}

# choice NAME: the specs under one choice, appended to $work/NAME: "SPEC<TAB>seconds<TAB>tuning".
choice() {
    say "$1 choices, process $i of $processes"
    case $1 in
    derived) KILN_TEMPLATE_DIR=$work/no_lines && export KILN_TEMPLATE_DIR ;;
    *) unset KILN_TEMPLATE_DIR ;;
    esac
    case $1 in
    tuned) KILN_TUNE_FILE=$work/tuned.txt ;;
    *) KILN_TUNE_FILE=$work/none.txt ;;
    esac
    export KILN_TUNE_FILE
    name=$1
    set --
    while read -r spec; do
        set -- "$@" "$spec"
    done <"$work/specs"
    "$build/kiln" bench --json --no-ceilings --min-time 0.2 "$@" >"$work/json" ||
        fail "kiln bench failed"
    bench_json "$work/json" median_s variant tuning tuning_origin >>"$work/$name"
    unset KILN_TEMPLATE_DIR KILN_TUNE_FILE
}

# The three take turns, each first in its turn.
tuning_process() {
    case $((i % 3)) in
    0) order='derived shipped tuned' ;;
    1) order='shipped tuned derived' ;;
    2) order='tuned derived shipped' ;;
    esac
    for one in $order; do
        choice "$one"
    done
}

table_tuning() {
    mkdir -p "$work/no_lines"
    : >"$work/no_lines/tuned.txt"
    rm -f "$work/none.txt" "$work/tuned.txt" "$work/derived" "$work/shipped" "$work/tuned"
    tuning_specs >"$work/specs"
    set --
    while read -r spec; do
        set -- "$@" "$spec"
    done <"$work/specs"
    say "tuning $# specs, $budget s each"
    KILN_TUNE_FILE=$work/tuned.txt "$build/kiln" tune --budget "$budget" "$@" >"$work/tune.out" ||
        fail "kiln tune failed"
    each_process tuning_process
    cat <<END_OF_TEXT
## Tuning values: derived, brought along, tuned

$# shapes, none of which has a line of its own in templates/tuned.txt. derived: without any line; shipped:
with those that kiln brings along; tuned: after \`kiln tune --budget $budget\` for that very spec. Median over $processes
processes each, taking turns; ratio: a time to the tuned one, 1 where the values are the same.

| spec | derived ms | shipped ms | tuned ms | derived / tuned | shipped / tuned | shipped from | tuned values |
|---|---|---|---|---|---|---|---|
END_OF_TEXT
    awk -F '\t' -v lines="$top/templates/tuned.txt" '
        function median(list, n, part, i, j, hold) {
            n = split(list, part, " ")
            for (i = 1; i < n; i++)
                for (j = i + 1; j <= n; j++)
                    if (part[j] + 0 < part[i] + 0) {
                        hold = part[i]
                        part[i] = part[j]
                        part[j] = hold
                    }
            return (part[int((n + 1) / 2)] + part[int(n / 2) + 1]) / 2
        }
        function ratio(spec, name) {
            if (values[name, spec] == values["tuned", spec])
                return 1
            return median(times[name, spec]) / median(times["tuned", spec])
        }
        FNR == 1 { file = FILENAME; sub(/^.*\//, "", file) }
        !($1 in seen) { seen[$1] = 1; order[++count] = $1 }
        { times[file, $1] = times[file, $1] " " $2; values[file, $1] = $3 " " $4; origin[file, $1] = $5 }
        END {
            while ((getline line <lines) > 0)
                for (i = 1; i <= count; i++)
                    if (index(line, order[i] " variant=") == 1)
                        print "bench: " order[i] " has a line in tuned.txt" >"/dev/stderr"
            for (i = 1; i <= count; i++) {
                spec = order[i]
                if (origin["derived", spec] != "derived" || origin["tuned", spec] != "tuned")
                    print "bench: " spec ": its values are not from where they should be" >"/dev/stderr"
                d = ratio(spec, "derived")
                s = ratio(spec, "shipped")
                near_d += d <= 1.1
                near_s += s <= 1.1
                sum_d += log(d)
                sum_s += log(s)
                printf "| `%s` | %.3f | %.3f | %.3f | %.2f | %.2f | %s | %s |\n", spec,
                    1e3 * median(times["derived", spec]), 1e3 * median(times["shipped", spec]),
                    1e3 * median(times["tuned", spec]), d, s, origin["shipped", spec],
                    values["tuned", spec]
            }
            printf "\nWithin 1.10 of the tuned: derived %d of %d, shipped %d of %d; geometric mean of the " \
                "ratios: derived %.3f, shipped %.3f.\n", near_d, count, near_s, count,
                exp(sum_d / count), exp(sum_s / count)
        }' "$work/derived" "$work/shipped" "$work/tuned"
}
