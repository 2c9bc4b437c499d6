#!/bin/sh
# The shared library exports what kiln.h declares with KILN_API, and nothing else.
set -eu
LC_ALL=C
export LC_ALL

library=${abs_builddir:-.}/.libs/libkiln.so
header=${abs_srcdir:-$(dirname "$0")/..}/src/kiln.h

if [ ! -e "$library" ]; then
    echo "no shared library in this build"
    exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One declaration a line, then the word before its first parenthesis.
declared() {
    sed -e '/^[[:space:]]*#/d' "$header" | tr '\n' ' ' |
        awk '{ while (i = index($0, "/*")) {
                   rest = substr($0, i + 2)
                   $0 = substr($0, 1, i - 1) " " substr(rest, index(rest, "*/") + 2)
               }
               print }' |
        tr ';' '\n' |
        sed -n -e 's/.*KILN_API//' -e 't api' -e d -e ': api' -e 's/[[:space:]]*(.*//' \
            -e 's/.*[^A-Za-z0-9_]//' -e p
}

declared | sort >"$work/declared"
${NM:-nm} -D --defined-only "$library" | awk '{ print $NF }' | sort >"$work/exported"

if [ ! -s "$work/declared" ]; then
    echo "no KILN_API declaration found in $header"
    exit 1
fi
comm -23 "$work/declared" "$work/exported" >"$work/missing"
comm -13 "$work/declared" "$work/exported" >"$work/extra"
status=0
if [ -s "$work/missing" ]; then
    echo "declared in kiln.h but not exported:"
    sed 's/^/    /' "$work/missing"
    status=1
fi
if [ -s "$work/extra" ]; then
    echo "exported but not declared in kiln.h:"
    sed 's/^/    /' "$work/extra"
    status=1
fi
if [ "$status" = 0 ]; then
    echo "$(wc -l <"$work/declared") functions declared and exported"
fi
exit $status
