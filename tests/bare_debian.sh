#!/bin/sh
# usage: tests/bare_debian.sh [ROOT]   (as root; default ROOT: /var/tmp/kiln-root)
# Shows that ./bootstrap needs nothing but a bare Debian 12: makes a minimal root with debootstrap,
# copies the checkout in, and runs `./bootstrap check` there; then once more with no network, which
# must install nothing. Mirror and proxy are those of this host's apt. Not part of `make check`.
set -eu

root=${1:-/var/tmp/kiln-root}
source=$(cd "$(dirname "$0")/.." && pwd)
suite=bookworm
marker=$root/.made-by-kiln-bare-debian

fail() {
    echo "bare_debian: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "needs root"
command -v debootstrap >/dev/null || fail "debootstrap is missing"

# As apt words its sources, but without keys' paths, which differ in the new root.
# shellcheck disable=SC2016
repositories=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' | sort -u | grep -E " $suite(-updates|-security)? " || true)
mirror=$(echo "$repositories" | awk -v suite="$suite" '$3 == suite && $4 == "main" { print $2 }')
[ -n "$mirror" ] || fail "this host's apt knows no $suite"
settings=$(apt-config dump | grep -E '^Acquire::(Check-|[a-z]+::([^ ]*::)?Proxy)' || true)
eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
if [ -n "${http_proxy:-}" ]; then
    export http_proxy
fi

if [ -e "$root" ]; then
    [ -e "$marker" ] || fail "$root exists and was not made by this script"
    if grep -q " $root/" /proc/mounts; then
        fail "something is mounted below $root"
    fi
    rm -rf --one-file-system "$root"
fi
mkdir -p "$root"
: >"$marker"

echo "bare_debian: debootstrap into $root"
debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root/debootstrap.log" 2>&1 || {
    tail -n 30 "$root/debootstrap.log" >&2
    fail "debootstrap failed"
}
echo "$repositories" >"$root/etc/apt/sources.list"
echo "$settings" >"$root/etc/apt/apt.conf.d/90host"
cp /etc/resolv.conf "$root/etc/resolv.conf"

mkdir "$root/kiln"
(
    cd "$source"
    if git rev-parse --git-dir >/dev/null 2>&1; then
        git ls-files -co --exclude-standard
    else
        find . -type f ! -path './build/*'
    fi
) | tar -C "$source" -c -T - | tar -C "$root/kiln" -x

# Nothing of this host's settings goes along; mounts end with their namespace.
# shellcheck disable=SC2016
inside() {
    "$@" --mount sh -c '
        mount -t proc proc "$0/proc" && mount -t sysfs sysfs "$0/sys" || echo "no /proc or /sys"
        exec chroot "$0" /usr/bin/env -i HOME=/root LANG=C.UTF-8 \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            sh -c "cd /kiln && ./bootstrap check"' "$root"
}

echo "bare_debian: ./bootstrap check"
inside unshare || fail "./bootstrap check failed"
echo "bare_debian: ./bootstrap check, again, without a network"
inside unshare --net >"$root/second.log" 2>&1 || {
    tail -n 50 "$root/second.log" >&2
    fail "the second ./bootstrap check failed"
}
tail -n 5 "$root/second.log"
if grep -Eq 'installing|configuring|generating' "$root/second.log"; then
    cat "$root/second.log" >&2
    fail "the second run did more than build and test"
fi
echo "bare_debian: works; $root may be removed"
