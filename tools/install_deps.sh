#!/usr/bin/env bash
# Installs the Debian packages that are missing: what `make` needs; with `check` also what the gate needs,
# with `demo` the dictionary of `make demo`. Asks no network and no root when everything is there.
set -u
wanted=(build-essential cmake pkg-config libsqlite3-dev zlib1g-dev libzstd-dev libjansson-dev
        libxxhash-dev python3)
for part in "$@"; do
    case $part in
    check) wanted+=(clang clang-format libclang-rt-14-dev libcmocka-dev ninja-build wordnet-base
                     python3-numpy python3-venv python3-torch)
           # ARM64 is tried on other processors too.
           [ "$(uname -m)" = aarch64 ] ||
               wanted+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user) ;;
    demo) wanted+=(wordnet-base) ;;
    *) echo "install_deps.sh: unknown part '$part': expected check or demo" >&2; exit 2 ;;
    esac
done

# What counts is the thing, not the package: a compiler or library from elsewhere will do.
have() {
    case $1 in
    build-essential) command -v cc >/dev/null && command -v make >/dev/null ;;
    cmake | clang | clang-format | python3) command -v "$1" >/dev/null ;;
    pkg-config) command -v pkg-config >/dev/null ;;
    ninja-build) command -v ninja >/dev/null ;;
    gcc-aarch64-linux-gnu) command -v aarch64-linux-gnu-gcc >/dev/null ;;
    libc6-dev-arm64-cross) [ -e /usr/aarch64-linux-gnu/include/stdio.h ] ;;
    qemu-user) command -v qemu-aarch64 >/dev/null ;;
    python3-numpy) python3 -c 'import numpy' 2>/dev/null || /usr/bin/python3 -c 'import numpy' 2>/dev/null ;;
    python3-venv) /usr/bin/python3 -c 'import ensurepip' 2>/dev/null ;;
    python3-torch) /usr/bin/python3 -c 'import torch' 2>/dev/null ;;
    wordnet-base) [ -r "${WORDNET:-/usr/share/wordnet}/data.noun" ] ;;
    *) dpkg -s "$1" 2>/dev/null | grep -q '^Status: install ok installed' || have_library "$1" ;;
    esac
}
have_library() {
    local module
    case $1 in
    libsqlite3-dev) module=sqlite3 ;;
    zlib1g-dev) module=zlib ;;
    libzstd-dev) module=libzstd ;;
    libjansson-dev) module=jansson ;;
    libxxhash-dev) module=libxxhash ;;
    libcmocka-dev) module=cmocka ;;
    *) return 1 ;;
    esac
    command -v pkg-config >/dev/null && pkg-config --exists "$module"
}

missing=()
for package in "${wanted[@]}"; do
    have "$package" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

give_up() {
    echo "install_deps.sh: $1; please install: ${missing[*]}" >&2
    exit 1
}
command -v apt-get >/dev/null || give_up "no apt-get here"
root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || give_up "not root and no sudo"
    root=(sudo)
fi
echo "installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >>"$log" 2>&1; }
apt update || true # stale lists may still do
if ! apt install --no-install-recommends "${missing[@]}"; then
    tail -n 5 "$log" >&2
    give_up "apt-get failed (its last lines are above)"
fi
