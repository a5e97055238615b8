#!/usr/bin/env bash
# Lays out ARM64 packages of the libraries that winnow and its tests link against in build/arm64-root, beside
# the system's own: nothing is installed, and no root is needed.
set -eu
cd "$(dirname "$0")/.."
root=$PWD/build/arm64-root
wanted=(libsqlite3-dev libsqlite3-0 zlib1g-dev zlib1g libzstd-dev libzstd1 libjansson-dev libjansson4
        libxxhash-dev libxxhash0 libcmocka-dev libcmocka0)
[ ! -e "$root/complete" ] || exit 0
command -v apt-get >/dev/null || { echo "arm64_root.sh: no apt-get here" >&2; exit 1; }
rm -rf "$root"
mkdir -p "$root/apt/lists/partial" "$root/apt/cache/archives/partial"
touch "$root/apt/status"
apt() {
    apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists="$root/apt/lists" \
        -o Dir::State::status="$root/apt/status" -o Dir::Cache="$root/apt/cache" "$@" >"$root/apt/log" 2>&1 ||
        { tail -n 5 "$root/apt/log" >&2; return 1; }
}
apt update || true # a source without ARM64 packages does no harm
(cd "$root/apt" && apt download "${wanted[@]}")
for package in "$root"/apt/*.deb; do
    dpkg -x "$package" "$root"
done
touch "$root/complete"
