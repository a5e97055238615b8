#!/bin/sh
# Runs the tests of the command: sh tests/cli/run.sh BUILD_DIR [test_name.sh ...]
if [ $# -lt 1 ] || [ ! -x "$1/winnow" ]; then
    echo "usage: $0 BUILD_DIR [test_name.sh ...]; BUILD_DIR/winnow must be there" >&2
    exit 2
fi
CLI_TESTS=$(cd "$(dirname "$0")" && pwd)
WINNOW=$(cd "$1" && pwd)/winnow
SCRATCH=$(mktemp -d)
export CLI_TESTS WINNOW SCRATCH
trap 'rm -rf "$SCRATCH"' EXIT
shift
unset WN_ISA
NO_COLOR=1
export NO_COLOR

python3 "$CLI_TESTS/inputs.py" "$SCRATCH/in" || exit 1
cd "$CLI_TESTS" || exit 1
[ $# -gt 0 ] || set -- test_*.sh
: > "$SCRATCH/lines"
for test in "$@"; do
    sh "$CLI_TESTS/$test" 2>&1 | tee -a "$SCRATCH/lines"
done
passed=$(grep -c '^ok ' "$SCRATCH/lines")
failed=$(grep -c '^FAIL ' "$SCRATCH/lines")
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
