# shellcheck shell=sh
# shellcheck disable=SC2154,SC2034,SC2016 # shared with bench/run; backquotes of Markdown
# What bench/run and its tables share. $top is the source tree, $build the build, $work a directory
# that goes at the end, $processes and $repeat how often is measured.

say() {
    echo "bench: $*" >&2
}

fail() {
    say "$*"
    exit 1
}

# compile PROGRAM PACKAGE...: bench/PROGRAM.c with $sources and $objects into $work/PROGRAM, once.
sources=
objects=
compile() {
    program=$1
    shift
    [ ! -x "$work/$program" ] || return 0
    say "compiling $program"
    # shellcheck disable=SC2046,SC2086
    ${CC:-cc} -O2 -std=c11 -D_POSIX_C_SOURCE=200809L -I"$top/src" $(pkg-config --cflags "$@") \
        "$top/bench/$program.c" $sources $objects -o "$work/$program" "$build/.libs/libkiln.a" \
        $(pkg-config --libs "$@") -lm -lpthread || fail "compiling $program.c"
}

# The same for one that takes turns by bench/turns.c.
compile_turns() {
    sources=$top/bench/turns.c
    compile "$@"
    sources=
}

# Whether pkg-config knows a library; else a word in the table's place.
has_package() {
    pkg-config --exists "$1" && return 0
    say "$1 is missing: its table is left out"
    printf 'Left out: %s (Debian: %s) is not installed.\n' "$1" "$2"
    return 1
}

# The numbers of stdin: median, least, greatest.
summary() {
    sort -g | awk '{ v[NR] = $1 }
        END { printf "%.6g %.6g %.6g\n", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR] }'
}

# each_process FUNCTION: once a process, $i being its number.
each_process() {
    i=1
    while [ "$i" -le "$processes" ]; do
        "$@"
        i=$((i + 1))
    done
}

# The rows of one process, "row<TAB>KEY<TAB>NUMBER...", from PROGRAM ARGUMENT... into $work/rows.
collect() {
    say "$1, process $i of $processes"
    program=$1
    shift
    "$work/$program" --raw "$@" >"$work/out" || fail "$program failed"
    grep '^row' "$work/out" >>"$work/rows"
}

# A fact that the last program printed, "KEY<TAB>VALUE".
fact() {
    awk -F '\t' -v key="$1" '$1 == key { print $2; exit }' "$work/out"
}

# print_rows FORMAT CELL...: a line of $work/rows's keys each, in the order in which they came. A cell
# is a column of the rows and m (median), l (least) or g (greatest): "3m", "7l".
print_rows() {
    format=$1
    shift
    awk -F '\t' '!seen[$2]++ { print $2 }' "$work/rows" >"$work/keys"
    while read -r key; do
        for cell in "$@"; do
            awk -F '\t' -v key="$key" -v column="${cell%?}" '$2 == key { print $column }' \
                "$work/rows" | summary |
                awk -v which="${cell#"${cell%?}"}" '{ print which == "m" ? $1 : which == "l" ? $2 : $3 }'
        done | awk -v key="$key" -v format="$format" '
            { v[NR] = $1 }
            END { printf format "\n", key, v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10] }'
    done <"$work/keys"
}

# A member of ffn_block's JSON, of its chain if one is named: "{" opens a chain's line.
json_number() {
    awk -v chain="$2" -v key="$3" '
        /^ "/ { at = $1 }
        chain == "" || at == "\"" chain "\":" {
            if (match($0, "\"" key "\": [-+.0-9e]+")) {
                split(substr($0, RSTART, RLENGTH), part, ": ")
                print part[2]
                exit
            }
        }' "$1"
}

# Members of kiln bench's JSON, in which each has a line of its own: "SPEC<TAB>VALUE..." a spec.
bench_json() {
    file=$1
    shift
    awk -F '": ' -v wanted="$*" '
        function print_one(i) {
            if (!("spec" in v))
                return
            printf "%s", v["spec"]
            for (i = 1; i <= count; i++)
                printf "\t%s", v[names[i]]
            printf "\n"
            split("", v)
        }
        BEGIN { count = split(wanted, names, " ") }
        /^ *"/ {
            key = $1
            sub(/^ *"/, "", key)
            sub(/,$/, "", $2)
            gsub(/"/, "", $2)
            v[key] = $2
        }
        /^  }/ { print_one() }
        END { print_one() }' "$file"
}
