#!/bin/sh
# Programs with PTX in line, without the chip: clang makes PTX of what `kiln emit' prints for an H100, a
# pass as nvidia.c's makes it a program for sm_90a, and ptxas assembles that, 64 bytes of spills at most; those
# of variant mma for an A100 (sm_80) and for chips with less local memory (sm_86) as well. Skipped where clang, its OpenCL library for NVIDIA (Debian: libclc-14) or ptxas (of a CUDA toolkit; PTXAS names
# it) is missing. KILN is the command, ./kiln by default.

KILN=${KILN-./kiln}
PTXAS=${PTXAS:-ptxas}
test -x "$KILN" || { echo "there is no command $KILN" >&2; exit 1; }

library=
for file in /usr/lib/clc/nvptx64--nvidiacl.bc /usr/share/clc/nvptx64--nvidiacl.bc; do
    [ ! -f "$file" ] || library=$file
done
missing=
command -v clang >/dev/null 2>&1 || missing="$missing clang"
[ -n "$library" ] || missing="$missing libclc"
command -v "$PTXAS" >/dev/null 2>&1 || missing="$missing ptxas"
if [ -n "$missing" ]; then
    echo "skipped: missing here:$missing"
    exit 77
fi

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
H100=gpu,compute_units=132,sm=90,sm_a=1,static_local=231424
A100=gpu,compute_units=108,sm=80,static_local=165888
RTX=gpu,compute_units=84,sm=86,static_local=100352
checks=0
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAIL: $*" >&2
    cat "$dir/log" >&2
}

# assemble FILE ARCH: one stage. The group's size and the bound of registers stand in NVIDIA's own PTX; local
# memory beyond 48 KiB is that driver's to grant, and has no part in what is asked here.
assemble() {
    items=$(sed -n 's/.*reqd_work_group_size(\([0-9]*\).*/\1/p' "$1" | head -n 1)
    clang -x cl -cl-std=CL1.2 -Dasm=__asm__ -Xclang -finclude-default-header -O3 \
        --target=nvptx64-nvidia-nvcl -Xclang -target-feature -Xclang +ptx75 -Xclang -target-cpu \
        -Xclang sm_86 -Xclang -cl-ext=+cl_khr_fp16 -w -Xclang -mlink-builtin-bitcode -Xclang \
        "$library" -S "$1" -o "$1.ptx" 2>"$dir/log" || return 1
    bound=
    ! grep -q setmaxnreg "$1.ptx" || bound=".maxnreg $((65536 / items / 8 * 8))"
    sed -e 's/^[.]version.*/.version 8.3/' -e "s/^[.]target .*/.target $2/" \
        -e 's#/[*]@sm_90a##g' -e 's#@[*]/##g' -e 's/^\(.*[.]shared.*\[\)[0-9]\{5,\}\]/\11024]/' \
        "$1.ptx" | awk -v items="$items" -v bound="$bound" '
            /[.]entry/ { entry = 1 }
            { print }
            entry && /^\)/ { printf ".reqntid %d, 1, 1\n%s\n", items, bound; entry = 0 }' >"$1.target.ptx"
    "$PTXAS" -v -arch "$2" "$1.target.ptx" -o "$1.cubin" >"$dir/log" 2>&1 || return 1
    ! grep -q 'serialized\|C75[0-9][0-9]' "$dir/log" || return 1
    awk '/bytes spill stores/ { if ($5 > 64) spills = 1 } END { exit spills }' "$dir/log"
}

# check SPEC [DEVICE ARCH]
check() {
    device=${2:-$H100}
    arch=${3:-sm_90a}
    rm -f "$dir"/stage*
    if ! "$KILN" emit --device "$device" "$1" >"$dir/all.cl" 2>"$dir/log"; then
        fail "$1: not emitted for $arch"
        return
    fi
    awk -v dir="$dir" '/^#line 1 "kernels.cl.in"/ { n++ } { print >(dir "/stage" n ".cl") }' "$dir/all.cl"
    for stage in "$dir"/stage*.cl; do
        checks=$((checks + 1))
        assemble "$stage" "$arch" || fail "$1: $(basename "$stage") for $arch"
    done
}

# check_mma SPEC: for the first chip that has it.
check_mma() {
    check "$1 variant=mma" "$A100" sm_80
}

# A quick run (KILN_TEST_QUICK=1) has the first of each kind.
check 'matmul_nt m=? n=? k=? dtype=f16 variant=wgmma'
check 'matmul_gelu_backward m=4096 n=28672 k=8192 dtype=bf16 approx=tanh dbias=1 variant=wgmma'
check 'layernorm_matmul m=4096 n=28672 k=8192 dtype=bf16 bias=1 variant=wgmma'
check 'matmul m=8192 n=8192 k=8192 variant=wide'
check 'gelu m=8192 n=8192 dtype=bf16 approx=none'
check 'matmul_nt m=? n=? k=? dtype=f16 variant=mma' "$A100" sm_80
check 'matmul_tn m=4096 n=8192 k=8192 compute=tf32 variant=mma' "$RTX" sm_86
check 'flash_attention batch=? seq_q=? seq_k=? heads=32 kv_heads=8 head_dim=128 dtype=bf16 causal=1 variant=wgmma'
check 'flash_attention batch=? seq_q=1 seq_k=? heads=32 kv_heads=8 head_dim=128 dtype=bf16 variant=decode'
if [ "${KILN_TEST_QUICK:-0}" = 1 ]; then
    echo "$checks programs, $failures failures"
    [ "$failures" = 0 ]
    exit
fi
check 'matmul m=4096 n=8192 k=8192 dtype=bf16 variant=wgmma'
check 'matmul m=128 n=1024 k=8192 dtype=bf16 variant=wgmma'
check 'matmul_tn m=1000 n=1000 k=1000 dtype=f16 out_dtype=f32 accumulate=1 variant=wgmma'
check 'batched_matmul batch=? m=? n=? k=? trans_a=1 trans_b=1 dtype=bf16 variant=wgmma'
check 'matmul m=4096 n=8192 k=8192 dtype=bf16 packed=1 variant=wgmma'
check 'matmul m=100 n=64 k=64 dtype=bf16 variant=wgmma tile_size=64'
check 'matmul_bias_gelu m=4096 n=28672 k=8192 dtype=bf16 approx=none save_pre=1 variant=wgmma'
check 'matmul_swiglu m=4096 n=28672 k=8192 dtype=bf16 gate=split variant=wgmma'
check 'matmul_swiglu m=? n=? k=? dtype=f16 gate=interleaved layout=nt save_pre=1 variant=wgmma'
check 'gelu_matmul m=? n=? k=? dtype=f16 approx=tanh variant=wgmma'
check 'qkv_projection m=? k=8192 heads=64 kv_heads=8 head_dim=128 dtype=bf16 variant=wgmma'
check 'matmul m=? n=? k=? compute=tf32 variant=wgmma'
check 'matmul_tn m=4096 n=8192 k=8192 compute=tf32 variant=wgmma'
check 'rmsnorm_matmul m=? n=8192 k=8192 compute=tf32 variant=wgmma'
check 'matmul_nt m=? n=? k=? dtype=bf16 variant=wide'
check 'matmul m=1 n=8192 k=8192 variant=decode'
check 'layernorm m=8192 n=8192 dtype=bf16'
check 'embedding_backward tokens=? vocab=32000 n=8192 dtype=f16'
check_mma 'matmul m=4096 n=8192 k=8192 dtype=bf16'
check_mma 'matmul_nt m=4096 n=8192 k=8192 compute=tf32'
check_mma 'batched_matmul batch=? m=? n=? k=? trans_a=1 trans_b=1 compute=tf32'
check_mma 'matmul m=4096 n=8192 k=8192 dtype=f16 packed=1'
check_mma 'matmul_swiglu m=? n=? k=? dtype=f16 gate=interleaved layout=nt save_pre=1'
check_mma 'gelu_matmul m=? n=? k=? dtype=f16 approx=tanh'
check 'matmul m=? n=? k=? dtype=f16 variant=mma' "$RTX" sm_86
check_mma 'matmul_gelu_backward m=4096 n=28672 k=8192 dtype=bf16 approx=tanh dbias=1'
check_mma 'matmul_bias_gelu m=4096 n=28672 k=8192 dtype=bf16 approx=none save_pre=1'
check_mma 'layernorm_matmul m=4096 n=28672 k=8192 dtype=bf16 bias=1'
check_mma 'qkv_projection m=? k=8192 heads=64 kv_heads=8 head_dim=128 dtype=bf16'
for of in 'head_dim=64 causal=1' 'head_dim=128' 'head_dim=256 causal=1'; do
    check "flash_attention batch=2 seq_q=4096 seq_k=4096 heads=32 kv_heads=32 $of dtype=bf16 variant=wgmma"
done
for of in 'head_dim=80 window=70 causal=1 alibi=1' 'head_dim=192 softcap=30'; do
    check "flash_attention batch=? seq_q=? seq_k=? heads=6 kv_heads=2 $of dtype=f16 variant=wgmma"
done
check 'flash_attention batch=? seq_q=4 seq_k=? heads=6 kv_heads=2 head_dim=96 alibi=1 dtype=f16 variant=decode'
check 'flash_attention batch=1 seq_q=64 seq_k=64 heads=1 kv_heads=1 head_dim=128 dtype=bf16 variant=wgmma'

echo "$checks programs, $failures failures"
[ "$failures" = 0 ]
