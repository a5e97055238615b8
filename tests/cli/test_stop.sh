. "$CLI_TESTS/lib.sh"
# Runs that are stopped, and what a terminal sees.
python3 "$CLI_TESTS/signals.py" "$WINNOW" "$IN/big.npy"
python3 "$CLI_TESTS/terminal.py" "$WINNOW" "$IN/pool.npy"
