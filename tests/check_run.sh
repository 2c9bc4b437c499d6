#!/bin/sh
# kiln run: kernels on .npy files, what they write, what is refused, and kernels that write where
# they must not. KILN is the command, ./kiln by default.

KILN=${KILN-./kiln}
case $KILN in
*/*) KILN=$(cd "$(dirname "$KILN")" && pwd)/$(basename "$KILN") ;;
esac
test -x "$KILN" || { echo "there is no command $KILN" >&2; exit 1; }
srcdir=${abs_srcdir:-${srcdir:-$(cd "$(dirname "$0")/.." && pwd)}}
templates=$(cd "$srcdir/templates" && pwd) || exit 1

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
cd "$dir" || exit 1

LC_ALL=C
export LC_ALL
unset KILN_CACHE KILN_CACHE_SIZE KILN_TEMPLATE_DIR
KILN_DEVICE=${KILN_TEST_DEVICE:-cpu}
KILN_CACHE_DIR=$dir/cache
POCL_CACHE_DIR=$dir/pocl
export KILN_DEVICE KILN_CACHE_DIR POCL_CACHE_DIR
mkdir pocl

checks=0
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAIL: kiln run $last: $*" >&2
    sed 's/^/    out: /' out | head -n 20 >&2
    sed 's/^/    err: /' err | head -n 20 >&2
}

# run STATUS ARGUMENT...: runs kiln run; output goes to the files out and err.
run() {
    expected=$1
    shift
    last=$*
    checks=$((checks + 1))
    "$KILN" run "$@" >out 2>err </dev/null
    status=$?
    test "$status" = "$expected" || fail "exit status $status, not $expected"
}

has() {
    checks=$((checks + 1))
    grep -q -e "$1" out || fail "no \`$1' on standard output"
}
says() {
    checks=$((checks + 1))
    grep -q -e "$1" err || fail "no \`$1' on standard error"
}
quiet() {
    checks=$((checks + 1))
    test ! -s err || fail "something on standard error"
}

# The last run printed one sentence and nothing else.
refused() {
    checks=$((checks + 1))
    test ! -s out || fail "something on standard output"
    test "$(wc -l <err)" -eq 1 || fail "not one line on standard error"
    says '^kiln: ...'
    says "$1"
}

# ---- files -----------------------------------------------------------------------------------

# header DESCR SHAPE [ORDER]: 128 bytes.
header() {
    printf '\223NUMPY\001\000v\000%-117s\n' \
        "{'descr': '$1', 'fortran_order': ${3-False}, 'shape': $2, }"
}

# Numbers on standard input, any with few bits, as bytes of this dtype.
bytes_of() {
    # shellcheck disable=SC2059
    printf "$(awk -v dtype="$1" '
        function emit(word, bytes,    i) {
            for (i = 0; i < bytes; i++) {
                printf "\\%03o", word % 256
                word = int(word / 256)
            }
        }
        # Of a float with this many exponent and fraction bits.
        function encode(x, exponent, fraction,    sign, e, bias) {
            sign = x < 0
            x = sign ? -x : x
            bias = 2 ^ (exponent - 1) - 1
            if (x == 0)
                return 0
            for (e = 0; x >= 2; e++) x /= 2
            for (; x < 1; e--) x *= 2
            return sign * 2 ^ (exponent + fraction) + (e + bias) * 2 ^ fraction + \
                (x - 1) * 2 ^ fraction
        }
        {
            for (f = 1; f <= NF; f++) {
                if (dtype == "f32")
                    emit($f == "nan" ? 2143289344 : encode($f, 8, 23), 4)
                if (dtype == "f16") emit(encode($f, 5, 10), 2)
                if (dtype == "bf16") emit(encode($f, 8, 7), 2)
                if (dtype == "i32") emit($f < 0 ? $f + 4294967296 : $f, 4)
            }
        }')"
}

descr_of() {
    case $1 in
    f32) echo '<f4' ;;
    f16) echo '<f2' ;;
    bf16) echo '<u2' ;;
    i32) echo '<i4' ;;
    esac
}

# npy FILE DTYPE SHAPE: numbers from standard input.
npy() {
    { header "$(descr_of "$2")" "$3" && bytes_of "$2"; } >"$1"
}

# Numbers of a file, one a line: f32 as numbers, others by their bits.
elements() {
    case $2 in
    f32) tail -c +129 "$1" | od -An -v -tf4 ;;
    i32) tail -c +129 "$1" | od -An -v -td4 ;;
    *) tail -c +129 "$1" | od -An -v -tx2 ;;
    esac | tr -s ' ' '\n' | sed '/^$/d'
}

# same FILE DTYPE SHAPE: its header and, from standard input, its numbers.
same() {
    checks=$((checks + 1))
    npy wanted.npy "$2" "$3"
    cmp -s "$1" wanted.npy && return
    fail "$1 is not as expected"
    head -c 128 "$1" | tail -c +11 | head -n 1 >&2
    elements "$1" "$2" >got.txt
    elements wanted.npy "$2" | diff - got.txt | head -n 10 >&2
}

# near FILE SHAPE: f32, each within 1e-6 of its number on standard input, relatively.
near() {
    cat >wanted.txt
    checks=$((checks + 2))
    header '<f4' "$2" >wanted.npy
    head -c 128 "$1" | cmp -s - wanted.npy || fail "$1 has another header"
    elements "$1" f32 >got.txt
    paste got.txt wanted.txt | awk '
        NF != 2 || $1 - $2 > 1e-6 * ($2 < 0 ? -$2 : $2) || $2 - $1 > 1e-6 * ($2 < 0 ? -$2 : $2) {
            print "element " NR - 1 ": " $0
            bad = 1
        }
        END { exit bad || NR == 0 }' >differ.txt && return
    fail "$1 is not as expected: $(head -n 5 differ.txt)"
}

# Small whole numbers, rows of $2 from $3 columns; what is behind is $4.
matrix() {
    awk -v rows="$1" -v columns="$2" -v width="${3-$2}" -v padding="${4-nan}" -v seed="${5-1}" '
        BEGIN {
            for (i = 0; i < rows; i++)
                for (j = 0; j < width; j++)
                    print j < columns ? (seed * 7 + i * 5 + j * 3) % 11 - 5 : padding
        }'
}

# product M N K A B [C]: of files with a number a line.
product() {
    awk -v m="$1" -v n="$2" -v k="$3" '
        FNR == 1 { file++ }
        { x[file, FNR - 1] = $1 }
        END {
            for (i = 0; i < m; i++)
                for (j = 0; j < n; j++) {
                    sum = file > 2 ? x[3, i * n + j] : 0
                    for (l = 0; l < k; l++)
                        sum += x[1, i * k + l] * x[2, l * n + j]
                    print sum
                }
        }' "$4" "$5" ${6+"$6"}
}

# pad WIDTH STRIDE WITH: numbers in rows of WIDTH get WITH behind them.
pad() {
    awk -v width="$1" -v stride="$2" -v with="$3" '
        { print }
        NR % width == 0 { for (j = width; j < stride; j++) print with }'
}

echo 1 2 3 4 5 6 | npy x.npy f32 '(2, 3)'
echo 10 20 30 | npy bias.npy f32 '(3,)'

# ---- words, without any driver -----------------------------------------------------------------

OCL_ICD_VENDORS=$dir/nonexistent
export OCL_ICD_VENDORS

run 2
refused 'run needs a spec'
run 2 bias_ad x=x.npy
refused "did you mean \`bias_add'"
run 2 'bias_add m=?' x=x.npy
refused 'dimension n is missing'
run 2 bias_add m=? n=? x=x.npy bias=bias.npy
refused "takes the spec as one argument: kiln run 'bias_add m=? ...'"
run 2 'bias_add m=? n=?' x=x.npy
refused 'bias is missing: bias=file.npy'
run 2 'bias_add m=? n=?'
refused 'x is missing: x=file.npy'
run 2 'bias_add m=? n=?' x=x.npy bias=bias.npy x=x.npy
refused 'x is given twice'
run 2 'bias_add m=? n=?' x=x.npy bais=bias.npy
refused "has no input \`bais', did you mean \`bias'?; it takes x, bias"
run 2 'bias_add m=? n=?' x=x.npy bias=bias.npy y=x.npy
refused 'y is an output and has no file'
run 2 'matmul m=? n=? k=?' c=x.npy
refused 'c is an output .*accumulate=1'
run 2 'matmul m=? n=? k=? accumulate=1' a=x.npy b=x.npy
refused 'c is missing: c=file.npy (it is read and written)'
run 2 'bias_add m=? n=?' x=x.npy bias=bias.npy n=3
refused 'n=... belongs to the spec'
run 2 'bias_add m=? n=?' x=x.npy bias=bias.npy dtype=f32
refused 'dtype=... belongs to the spec'
run 2 'matmul_bias_gelu m=? n=? k=? approx=tanh' pre=x.npy
refused "this spec has no \`pre'"
for word in x =x.npy x= ''; do
    run 2 'bias_add m=? n=?' "$word"
    refused "\`$word' is neither"
done
for number in -1 65537 1.5 x ''; do
    run 2 'bias_add m=? n=?' x=x.npy bias=bias.npy --misalign "$number"
    refused 'must be from 0 to 65536'
done
run 2 'bias_add m=? n=?' x=x.npy bias=bias.npy --out ''
refused "the directory's name is empty"
run 2 'bias_add m=? n=?' x=x.npy bias=bias.npy --repeat 3
refused 'takes no --repeat'

# ---- scalars, without any driver ---------------------------------------------------------------

for number in one 0x10 nan inf -inf 1e999 1e 1,5 '' '1 ' .; do
    run 2 'dropout m=? n=?' x=x.npy p="$number"
    if test -n "$number"; then refused "p=$number: must be a finite decimal number"; fi
done
for number in 18446744073709551616 -9223372036854775809 1.0 1e3 +1 0x10 - x ' 1'; do
    run 2 'dropout m=? n=?' x=x.npy p=0.5 seed="$number"
    refused "seed=$number: must be a whole number of 64 bits"
done
run 2 'dropout m=? n=?' x=x.npy p=.5 seed=18446744073709551615
refused 'offset is missing: offset=number'
run 2 'dropout m=? n=?' x=x.npy p=1e-1 seed=-9223372036854775808
refused 'offset is missing'
run 2 'dropout m=? n=?' x=x.npy p=0.5 p=0.5
refused 'p is given twice'

# ---- files, without any driver -----------------------------------------------------------------

# reads PATTERN FILE: as x it is refused.
reads() {
    run 2 'bias_add m=? n=?' x="$2" bias=bias.npy
    refused "^kiln: bias_add: x: $2: .*$1"
}

reads 'cannot be opened: No such file' none.npy
reads 'cannot be read: Is a directory' pocl
: >empty.npy
reads 'ends after 0 bytes' empty.npy
head -c 100 x.npy >cut.npy
reads 'ends after 100 bytes, inside its header of 128' cut.npy
head -c 151 x.npy >cut.npy
reads '(2, 3) is 24 bytes of f32, but 23 follow' cut.npy
{ cat x.npy && echo; } >long.npy
reads 'but 25 follow' long.npy
echo 'a,b,c,d,e,f,g' >csv.npy
reads 'is no .npy file' csv.npy
for descr in '>f4' '=f4' '<f8' '<i4' '|u2' '<u2' '|O'; do
    { header "$descr" '(2, 3)' && tail -c +129 x.npy; } >other.npy
    reads "dtype is '$descr', not '<f4' (f32" other.npy
done
{ header '<f4' '(2, 3)' True && tail -c +129 x.npy; } >fortran.npy
reads 'is in Fortran order' fortran.npy
{ header '<f4' '(4000000000, 4000000000)' && tail -c +129 x.npy; } >huge.npy
reads 'is larger than any file' huge.npy
{ header '<f4' '(2147483647, 268435456)' && tail -c +129 x.npy; } >huge.npy
reads 'bytes of f32, but 24 follow' huge.npy
{ header '<f4' '(2, -3)' && tail -c +129 x.npy; } >negative.npy
reads 'where an extent' negative.npy

# ---- shapes, without any driver ----------------------------------------------------------------

echo 1 2 3 4 5 6 | npy flat.npy f32 '(6,)'
echo 1 2 3 4 5 6 | npy deep.npy f32 '(1, 2, 3)'
echo 1 | npy scalar.npy f32 '()'
echo 1 2 | npy two.npy f32 '(2,)'
npy none.npy f32 '(0, 3)' </dev/null
reads '(6,) has another rank than \[m, n\]' flat.npy
reads '(1, 2, 3) has another rank' deep.npy
reads '() has another rank' scalar.npy
reads 'so m is 0, but it must be from 1' none.npy
run 2 'bias_add m=? n=?' x=x.npy bias=two.npy
refused 'two.npy: its shape (2,) is \[n\], so n is 2, but x.npy has n=3$'
run 2 'bias_add m=? n=4' x=x.npy bias=bias.npy
refused 'x.npy: its shape (2, 3) is \[m, n\], so n is 3, but the spec has n=4$'
run 2 'matmul m=? n=? k=? lda=4' a=x.npy b=x.npy
refused 'x.npy: its shape (2, 3) is \[m, lda\], so lda is 3, but the spec has lda=4$'
run 2 'matmul m=? n=? k=? lda=3 ldb=3' a=x.npy b=x.npy
refused 'n is open, and no file tells it; n=N in the spec sets it'
run 2 'matmul m=? n=4 k=? lda=3 ldb=3' a=x.npy b=x.npy
refused 'ldb=3: must be at least the row length of b, 4'
run 2 'matmul m=? n=2 k=? lda=3' a=deep.npy b=x.npy
refused 'another rank than \[m, lda\]'
# An extent that is twice a dimension.
run 2 'swiglu m=? n=? layout=split' x=x.npy
refused 'is \[m, 2\*n\], but 2\*n is 3 for no n from 1 to'
run 2 'swiglu m=? n=2 layout=split' x=x.npy
refused 'so 2\*n is 3, but the spec has n=2, which makes it 4$'
# One that is a number, and in/out arguments.
state='g=flat.npy param=flat.npy m=flat.npy v=flat.npy lr=1e-4 beta1=.9 beta2=0.999 eps=1e-8'
# shellcheck disable=SC2086
for clip in two scalar; do
    run 2 'adamw n=? clip=1' $state weight_decay=0 step=1 clip=$clip.npy
    refused "clip: $clip.npy: its shape (.*) .*\[1\]"
done
# shellcheck disable=SC2086
run 2 'adamw n=?' $state weight_decay=0 step=1 clip=two.npy
refused "this spec has no \`clip'"
run 2 'adamw n=?' g=flat.npy
refused 'param is missing: param=file.npy (it is read and written)'
mkdir here
cp x.npy here/y.npy
run 2 'bias_add m=? n=?' x=here/y.npy bias=bias.npy --out here
refused 'here/y.npy is the file of the input x and would be overwritten'

run 1 'bias_add m=? n=?' x=x.npy bias=bias.npy
refused 'no OpenCL device'

# ---- with a device -------------------------------------------------------------------------------

unset OCL_ICD_VENDORS
if ! "$KILN" devices >out 2>err; then
    echo "no OpenCL device: the parts that launch are left out" >&2
    echo "$checks checks, $failures failures"
    test "$failures" -eq 0
    exit
fi

run 0 'bias_add m=? n=?' x=x.npy bias=bias.npy --out made
quiet
has '^bias_add m=? n=? dtype=f32$'
has '^  device  '
has '^  variant  [a-z]*, '
has '^  with  *m=2 n=3$'
has '^OUTPUT  *DTYPE  *SHAPE  *MIN  *MAX  *MEAN  *NAN  *INF  *FILE$'
has '^y  *f32  *(2, 3)  *11  *36  *23.5  *0  *0  *made/y.npy$'
echo 11 22 33 14 25 36 | same made/y.npy f32 '(2, 3)'
checks=$((checks + 1))
test "$(ls -A made)" = y.npy || fail 'other files lie in the directory'
# Into a directory that is there, over a file that is.
run 0 'bias_add m=2 n=3' x=x.npy bias=bias.npy --out made/ --json
quiet
for part in '"variant": "' '"dimensions": {}' '"misalign": 0' '"name": "y"' '"dtype": "f32"' \
    '"min": 11.0' '"max": 36.0' '"mean": 23.5' '"nan": 0' '"inf": 0' '"file": "made/y.npy"'; do
    has "$part"
done
echo 11 22 33 14 25 36 | same made/y.npy f32 '(2, 3)'
# No --out: the summary alone.
run 0 'bias_add m=? n=?' x=x.npy bias=bias.npy
quiet
has '^y  *f32  *(2, 3)  *11  *36  *23.5  *0  *0$'
has 'no file was written'
run 0 'bias_add m=? n=?' x=x.npy bias=bias.npy --json
has '"file": null'
# A pipe has no size that could be looked at before.
last='x through a pipe'
checks=$((checks + 1))
tail -c +1 x.npy | "$KILN" run 'bias_add m=? n=?' x=/dev/stdin bias=bias.npy --out piped >out 2>err ||
    fail 'not taken'
echo 11 22 33 14 25 36 | same piped/y.npy f32 '(2, 3)'
for file in cut.npy long.npy; do
    last="x=$file through a pipe"
    checks=$((checks + 1))
    tail -c +1 $file | "$KILN" run 'bias_add m=? n=?' x=/dev/stdin bias=bias.npy >out 2>err
    test $? = 2 || fail 'not refused'
    refused 'x: /dev/stdin: '
done

# Scalars reach the kernel: with p=0 nothing is dropped, and with lr=0 nothing is learnt.
run 0 'dropout m=? n=?' x=x.npy p=0 seed=18446744073709551615 offset=-1 --out kept
echo 1 2 3 4 5 6 | same kept/y.npy f32 '(2, 3)'
run 0 'adamw n=?' g=flat.npy param=flat.npy m=flat.npy v=flat.npy lr=0 beta1=0.5 beta2=0.5 \
    eps=1e-8 weight_decay=0 step=3 --out learnt
echo 1 2 3 4 5 6 | same learnt/param.npy f32 '(6,)'
echo 1 2 3 4 5 6 | same learnt/m.npy f32 '(6,)'
echo 1 3 6 10 15 21 | same learnt/v.npy f32 '(6,)'

# philox LO HI SEED_LO SEED_HI: the four words of Philox4x32-10, one a line. Products of 32 bits by
# 32, in two parts: shells count with a sign.
philox() {
    c0=$1 c1=$2 c2=0 c3=0 k0=$3 k1=$4
    mask=$((0xffffffff))
    for round in 0 1 2 3 4 5 6 7 8 9; do
        test $round = 0 || k0=$((k0 + 0x9e3779b9 & mask)) k1=$((k1 + 0xbb67ae85 & mask))
        high=$((c0 * 0xd251)) low=$((c0 * 0x1f53))
        hi0=$((high + (low >> 16) >> 16)) lo0=$(((high << 16) + low & mask))
        high=$((c2 * 0xcd9e)) low=$((c2 * 0x8d57))
        hi1=$((high + (low >> 16) >> 16)) lo1=$(((high << 16) + low & mask))
        c0=$((hi1 ^ c1 ^ k0)) c1=$lo1 c2=$((hi0 ^ c3 ^ k1)) c3=$lo0
    done
    printf '%d\n' "$c0" "$c1" "$c2" "$c3"
}
# The generator's authors' own known answer.
last='philox' checks=$((checks + 1))
test "$(philox 0 0 0 0 | tr '\n' ' ')" = '1713891541 3781805453 3159862348 2600524760 ' ||
    fail 'this script has another generator'

# Dropout by the equation: p, its share of 2^32, what a kept element is multiplied by; the seed, its
# halves; the offset, the counter it begins with, and the word there. 35 elements: past 2^64 in one
# case, and in one into the counter's upper half.
matrix 5 7 7 0 4 >dropped_x
npy dropped.npy f32 '(5, 7)' <dropped_x
while read -r p least times seed seed_lo seed_hi offset lo hi word; do
    seen=0
    : >words
    while test $seen -lt $((word + 35)); do
        philox "$lo" "$hi" "$seed_lo" "$seed_hi" >>words
        seen=$((seen + 4)) lo=$((lo + 1))
        test $lo -le $mask || lo=0 hi=$((hi + 1 & 0x3fffffff))
    done
    tail -n +$((word + 1)) words | paste -d ' ' - dropped_x |
        awk -v least="$least" -v times="$times" 'NF == 2 { print($1 >= least ? $2 * times : 0) }' \
            >dropped_y
    run 0 'dropout m=? n=?' x=dropped.npy p="$p" seed="$seed" offset="$offset" \
        --out drop
    same drop/y.npy f32 '(5, 7)' <dropped_y
done <<'CASES'
0.5 2147483648 2 0 0 0 0 0 0 0
0.75 3221225472 4 81985529216486895 2309737967 19088743 6 1 0 2
0.5 2147483648 2 18446744073709551615 4294967295 4294967295 -1 4294967295 1073741823 3
0.5 2147483648 2 7 7 0 17179869182 4294967295 0 2
CASES

# AdamW by the equation.
awk 'BEGIN { for (i = 0; i < 37; i++) print (i * 7 % 13 - 6) / 8 }' >adam_g
awk 'BEGIN { for (i = 0; i < 37; i++) print (i * 5 % 17 - 8) / 4 }' >adam_param
awk 'BEGIN { for (i = 0; i < 37; i++) print (i * 3 % 11 - 5) / 16 }' >adam_m
awk 'BEGIN { for (i = 0; i < 37; i++) print (i * 9 % 7 + 1) / 64 }' >adam_v
for name in g param m v; do npy adam_$name.npy f32 '(37,)' <adam_$name; done
echo 0.5 | npy half.npy f32 '(1,)'
for step in 1 3 1000; do
    run 0 'adamw n=? clip=1 param_out=1' g=adam_g.npy param=adam_param.npy m=adam_m.npy \
        v=adam_v.npy clip=half.npy lr=0.125 beta1=0.9 beta2=0.99 eps=1e-3 weight_decay=0.25 \
        step=$step --out adam
    quiet
    paste adam_g adam_param adam_m adam_v | awk -v step=$step '{
        g = $1 * 0.5
        m = 0.9 * $3 + (1 - 0.9) * g
        v = 0.99 * $4 + (1 - 0.99) * g * g
        param = $2 - 0.125 * (m / (1 - 0.9 ^ step) / (sqrt(v / (1 - 0.99 ^ step)) + 1e-3) + 0.25 * $2)
        printf "%.17g %.17g %.17g\n", param, m, v
    }' >adam_new
    cut -d ' ' -f 1 adam_new | near adam/param.npy '(37,)'
    cut -d ' ' -f 1 adam_new | near adam/param_out.npy '(37,)'
    cut -d ' ' -f 2 adam_new | near adam/m.npy '(37,)'
    cut -d ' ' -f 3 adam_new | near adam/v.npy '(37,)'
done

# NaN and infinity are counted, and the rest is summarised.
echo nan 2 3 4 5 6 | npy nan.npy f32 '(2, 3)'
run 0 'bias_add m=? n=?' x=nan.npy bias=bias.npy
has '^y  *f32  *(2, 3)  *14  *36  *26  *1  *0$'

# f16 and bf16, by their bits.
for dtype in f16 bf16; do
    echo 1 2 -3 4 0.5 6 | npy x_$dtype.npy $dtype '(2, 3)'
    echo 10 20 -30 | npy bias_$dtype.npy $dtype '(3,)'
    for misalign in 0 1 7; do
        run 0 "bias_add m=? n=? dtype=$dtype" x=x_$dtype.npy bias=bias_$dtype.npy --out $dtype \
            --misalign $misalign
        quiet
        has "^y  *$dtype  *(2, 3)  *-33  *22  *1.75 "
        echo 11 22 -33 14 20.5 -24 | same $dtype/y.npy $dtype '(2, 3)'
    done
done
run 2 'bias_add m=? n=? dtype=bf16' x=x.npy bias=bias_bf16.npy
refused "dtype is '<f4', not '<u2' (bf16, its bits as uint16)"

# Products with padding, which is not read and comes out as zeros; accumulating, as it went in.
m=13 n=21 k=17
matrix $m $k $k 0 1 >a
matrix $k $n $n 0 2 >b
matrix $m $n $n 0 3 >c
npy a.npy f32 "($m, $k)" <a
npy b.npy f32 "($k, $n)" <b
pad $k 19 nan <a | npy a19.npy f32 "($m, 19)"
pad $n 24 nan <b | npy b24.npy f32 "($k, 24)"
pad $n 23 nan <c | npy c23.npy f32 "($m, 23)"
cp c23.npy c23.before
product $m $n $k a b >ab
product $m $n $k a b c >abc
for misalign in 0 3; do
    run 0 'matmul m=? n=? k=?' a=a.npy b=b.npy --out dense --misalign $misalign
    same dense/c.npy f32 "($m, $n)" <ab
    run 0 "matmul m=? n=$n k=? lda=19 ldb=24 ldc=23" a=a19.npy b=b24.npy --out padded \
        --misalign $misalign
    quiet
    has " 0  *0  *padded/c.npy$"
    pad $n 23 0 <ab | same padded/c.npy f32 "($m, 23)"
    run 0 "matmul m=? n=$n k=$k lda=19 ldb=24 ldc=23 accumulate=1" a=a19.npy b=b24.npy c=c23.npy \
        --out added --misalign $misalign
    quiet
    pad $n 23 nan <abc | same added/c.npy f32 "($m, 23)"
    checks=$((checks + 1))
    cmp -s c23.npy c23.before || fail 'the file of an in/out argument is not as it was'
done
cp c23.npy c.npy
run 2 "matmul m=? n=$n k=? ldc=23 accumulate=1" a=a.npy b=b.npy c=c.npy --out .
refused './c.npy is the file of the input c'
# An output that the spec asks for.
matrix 1 $n >bias_n
npy bias_n.npy f32 "($n,)" <bias_n
run 0 'matmul_bias_gelu m=? n=? k=? approx=none save_pre=1' a=a.npy b=b.npy bias=bias_n.npy \
    --out fused
for name in c pre; do
    has "^$name  *f32  *($m, $n) .* fused/$name.npy$"
done
awk -v n=$n 'FNR == NR { bias[FNR - 1] = $1; next } { print $1 + bias[(FNR - 1) % n] }' bias_n ab |
    same fused/pre.npy f32 "($m, $n)"
# Larger than the device.
run 2 'matmul m=2000000 n=2000000 k=17 lda=17' a=a.npy b=b.npy
refused 'so m is 13, but the spec has m=2000000'
matrix 1 1 >one
npy one.npy f32 '(1, 1)' <one
run 2 'matmul m=? n=? k=? ldc=2147483647 lda=1 ldb=1' a=one.npy b=one.npy
refused 'n is open'

# ---- places that cannot be written ---------------------------------------------------------------

run 1 'bias_add m=? n=?' x=x.npy bias=bias.npy --out x.npy
refused 'cannot make the directory x.npy: Not a directory'
run 1 'bias_add m=? n=?' x=x.npy bias=bias.npy --out absent/made
refused 'cannot make the directory absent/made: No such file or directory'
mkdir -p taken/y.npy
run 1 'bias_add m=? n=?' x=x.npy bias=bias.npy --out taken
refused 'cannot write taken/y.npy: '
checks=$((checks + 1))
test "$(ls -A taken)" = y.npy || fail 'a half-written file is left'
if test "$(id -u)" != 0; then
    mkdir -m 500 locked
    run 1 'bias_add m=? n=?' x=x.npy bias=bias.npy --out locked
    refused 'cannot write locked/y.npy: Permission denied'
fi
# A full disk, in small: files of at most 2 or 4 MiB, for an output of a little more than 4.
{ header '<f4' '(1024, 1024)' && head -c 4194304 /dev/zero; } >large.npy
{ header '<f4' '(1024,)' && head -c 4096 /dev/zero; } >large_bias.npy
run 0 'bias_add m=? n=1024' x=large.npy bias=large_bias.npy
(
    trap '' XFSZ
    ulimit -f 4096 # of 512 bytes, or of 1024
    exec "$KILN" run 'bias_add m=? n=1024' x=large.npy bias=large_bias.npy --out full
) >out 2>err
status=$?
last='with a limit on the size of files'
checks=$((checks + 1))
test $status = 1 || fail "exit status $status, not 1"
refused 'cannot write full/y.npy: '
checks=$((checks + 1))
test -z "$(ls -A full)" || fail 'a half-written file is left'

# ---- kernels that write where they must not ------------------------------------------------------

KILN_TEMPLATE_DIR=$dir/templates
export KILN_TEMPLATE_DIR

# Behind what stores an output stands this, too.
damage() {
    rm -rf templates bad
    mkdir -p templates/op
    { cat "$templates/op/store.cl" && echo "$1"; } >templates/op/store.cl
}
untouched() {
    checks=$((checks + 1))
    test ! -e bad || fail 'outputs were written all the same'
}

# shellcheck disable=SC2016 # the template's names, not the shell's
behind='${dst}[(${at}) + 100] = 0;' before='${dst}[(long)(${at}) - 50] = 0;' \
    padding='${dst}[(${at}) / 23 * 23 + 21] = 0;'
for misalign in 0 5; do
    damage "$behind"
    run 1 'bias_add m=? n=?' x=x.npy bias=bias.npy --out bad --misalign $misalign
    refused 'bias_add .*: the kernel wrote outside y: byte 377 behind its last$'
    untouched
    damage "$before"
    run 1 'bias_add m=? n=?' x=x.npy bias=bias.npy --out bad --misalign $misalign
    refused 'bias_add .*: the kernel wrote outside y: byte 200 before its first$'
    untouched
    damage '((__global float *)x)[4] = 7.0f;'
    run 1 'bias_add m=? n=?' x=x.npy bias=bias.npy --out bad --misalign $misalign
    refused 'bias_add .*: the kernel wrote to its input x: byte 18$'
    untouched
    damage "$padding"
    run 1 "matmul m=? n=$n k=? ldc=23" a=a.npy b=b.npy --out bad --misalign $misalign
    refused 'matmul .*: the kernel wrote to the padding of c: byte 84, in row 0$'
    untouched
    run 1 "matmul m=? n=$n k=? ldc=23 accumulate=1" a=a.npy b=b.npy c=c23.npy --out bad
    refused 'matmul .*: the kernel wrote to the padding of c: byte 86, in row 0$' # of a NaN, 7fc00000
    untouched
done
# Nothing is stored at all: poison is NaN.
damage ''
echo ';' >templates/op/store.cl
run 0 'bias_add m=? n=?' x=x.npy bias=bias.npy
says 'note: bias_add .*: y: 6 elements are as poisoned before the launch'
has '^y  *f32  *(2, 3)  *nan  *nan  *nan  *6  *0$'

echo "$checks checks, $failures failures"
test "$failures" -eq 0
