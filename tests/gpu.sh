#!/bin/sh
# usage: tests/gpu.sh [-d DEBS] [-b BUILD] [-o OUT] [WHAT...]
# On a bare machine with NVIDIA's driver: registers its OpenCL platform if nothing has, builds kiln and
# runs tests on the GPU. WHAT: names of test programs (check_matmul); default: all that take a device.
# Not part of `make check'.
#   -d DEBS   a folder of Debian packages (libjansson-dev, libxxhash-dev, check and what they
#             need) to unpack where the machine lacks them, for one without a package mirror
#   -b BUILD  where to build (build-gpu/)
#   -o OUT    where the tests' logs go (BUILD/tests)
set -eu
LC_ALL=C
export LC_ALL

source=$(cd "$(dirname "$0")/.." && pwd)
debs=
build=$source/build-gpu
out=
while getopts d:b:o: option; do
    case $option in
    d) debs=$(cd "$OPTARG" && pwd) ;;
    b) build=$OPTARG ;;
    o) out=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
mkdir -p "$build"
build=$(cd "$build" && pwd)
out=${out:-$build/tests}

say() {
    echo "gpu: $*"
}

fail() {
    say "$*" >&2
    exit 1
}

# ---- platform: the driver's library may be there without an .icd file that names it

if ! grep -qs nvidia /etc/OpenCL/vendors/*.icd; then
    library=$(find / -name 'libnvidia-opencl.so.1' -not -path '/proc/*' 2>/dev/null | head -n 1)
    [ -n "$library" ] || fail "no libnvidia-opencl.so.1 on this machine"
    mkdir -p "$build/vendors"
    echo "$library" >"$build/vendors/nvidia.icd"
    OCL_ICD_VENDORS=$build/vendors
    export OCL_ICD_VENDORS
    say "platform: $library"
fi

# ---- libraries

if [ -n "$debs" ]; then
    mkdir -p "$build/root"
    for deb in "$debs"/*.deb; do
        dpkg -x "$deb" "$build/root"
    done
    lib=$(find "$build/root/usr/lib" -name 'libjansson.so' | head -n 1)
    lib=${lib%/*}
    LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    JANSSON_CFLAGS=-I$build/root/usr/include
    JANSSON_LIBS="-L$lib -ljansson"
    XXHASH_CFLAGS=$JANSSON_CFLAGS
    XXHASH_LIBS="-L$lib -lxxhash"
    CHECK_CFLAGS=$JANSSON_CFLAGS
    CHECK_LIBS="-L$lib -lcheck -lsubunit -lm -lrt -lpthread"
    export LD_LIBRARY_PATH JANSSON_CFLAGS JANSSON_LIBS XXHASH_CFLAGS XXHASH_LIBS CHECK_CFLAGS CHECK_LIBS
fi

# ---- build

cd "$source"
if [ ! -f configure ]; then
    autoreconf -fi >"$build/autoreconf.log" 2>&1 || {
        tail -n 20 "$build/autoreconf.log" >&2
        fail "autoreconf failed"
    }
fi
cd "$build"
if [ ! -f Makefile ]; then
    "$source/configure" --disable-shared >configure.log 2>&1 || {
        tail -n 20 configure.log >&2
        fail "configure failed"
    }
fi
jobs=$(getconf _NPROCESSORS_ONLN)
{ make -j"$jobs" && make -j"$jobs" check TESTS=; } >make.log 2>&1 || {
    grep -E 'error|Error' make.log >&2 || tail -n 20 make.log >&2
    fail "make failed"
}
say "built $build/kiln"
KILN_DEVICE=gpu
KILN_TEST_DEVICE=gpu
export KILN_DEVICE KILN_TEST_DEVICE
./kiln devices

# ---- tests

if [ $# = 0 ]; then
    cd "$source/tests"
    # shellcheck disable=SC2046
    set -- $(grep -l 'test_open()' check_*.c | sed 's/[.]c$//')
    cd "$build"
fi
mkdir -p "$out"
rm -f "$out"/*.failed
export source out
# Side by side: the driver compiles, most of the time, one program at a time in a process.
# shellcheck disable=SC2016
printf '%s\n' "$@" | xargs -P "$jobs" -I NAME sh -c '
    start=$(date +%s)
    status=0
    srcdir=$source "./tests/$1" >"$out/$1.log" 2>&1 || status=$?
    result=$(grep -E "^[0-9]+%" "$out/$1.log" || echo "exit status $status")
    echo "gpu: $1: $result ($(($(date +%s) - start)) s)"
    if [ "$status" != 0 ]; then
        : >"$out/$1.failed"
        grep -E ":[FE]:" "$out/$1.log" | head -n 5
    fi' sh NAME || true
failures=$(find "$out" -name '*.failed' | wc -l)
say "$failures of $# test programs failed"
[ "$failures" = 0 ]
