#!/bin/sh
# Installs into a directory of its own, then builds and runs a program against what lies there, as
# a user would: with the flags of pkg-config, in C and in C++.
set -eu

srcdir=${abs_srcdir:-$(cd "$(dirname "$0")/.." && pwd)}
builddir=${abs_builddir:-$(pwd)}
pkg_config=${PKG_CONFIG:-pkg-config}
cc=${CC:-cc}
cxx=${CXX:-}
make=${MAKE:-make}

if [ -n "${KILN_SANITIZE:-}" ]; then
    echo "an uninstrumented program cannot use this build"
    exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

fail() {
    echo "FAILED: $*"
    exit 1
}

# The outer make's flags would bring its job server and its TESTS along.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL GNUMAKEFLAGS || true
"$make" -C "$builddir" install DESTDIR= prefix="$prefix" exec_prefix="$prefix" \
    bindir="$prefix/bin" libdir="$prefix/lib" includedir="$prefix/include" \
    datarootdir="$prefix/share" mandir="$prefix/share/man" >"$work/install.log" 2>&1 || {
    cat "$work/install.log"
    fail "make install"
}

headers=$(cd "$prefix/include" && find . -type f)
[ "$headers" = ./kiln.h ] || fail "installed headers: $headers"
[ -x "$prefix/bin/kiln" ] || fail "no bin/kiln"
[ -f "$prefix/lib/pkgconfig/kiln.pc" ] || fail "no kiln.pc"

# The prefix given to configure stands in kiln.pc; this one was given to make only.
kiln_pc() {
    PKG_CONFIG_PATH=$prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH} \
        "$pkg_config" --define-variable=prefix="$prefix" \
        --define-variable=exec_prefix="$prefix" --define-variable=libdir="$prefix/lib" \
        --define-variable=includedir="$prefix/include" "$@" kiln
}
static=
if ! [ -e "$prefix/lib/libkiln.so" ]; then
    static=--static
fi
cflags=$(kiln_pc --cflags) || fail "pkg-config --cflags kiln"
# shellcheck disable=SC2086
libs=$(kiln_pc $static --libs) || fail "pkg-config --libs kiln"
echo "cflags: $cflags"
echo "libs: $libs"

LD_LIBRARY_PATH=$prefix/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
KILN_DEVICE=${KILN_TEST_DEVICE:-cpu}
export KILN_DEVICE

# shellcheck disable=SC2086
$cc -std=c11 -Wall -Wextra -Werror $cflags "$srcdir/examples/hello.c" -o "$work/hello" $libs ||
    fail "compiling hello.c"
"$work/hello" || fail "running hello"

if [ -n "$cxx" ] && echo 'int main() {}' >"$work/empty.cc" &&
    $cxx "$work/empty.cc" -o "$work/empty" 2>/dev/null; then
    echo '#include <kiln.h>' >"$work/one.cc"
    echo 'int main() { return kiln_version()[0] == 0; }' >>"$work/one.cc"
    # shellcheck disable=SC2086
    $cxx -Wall -Wextra -Werror $cflags "$work/one.cc" -o "$work/one" $libs ||
        fail "compiling C++"
    "$work/one" || fail "running C++"
else
    echo "no C++ compiler: not tried"
fi
