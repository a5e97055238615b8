. "$CLI_TESTS/lib.sh"
# bench: what it prints is complete; how fast anything is, is not tested.

check "bench" "$WINNOW" bench --threads 1 --quiet
cp .out text
has "bench shows limits" text "f32 multiply-add"
has "bench shows kernels against them" text "% of f32 multiply-add"
has "bench shows scans" text "softmax-sum"
check "bench --json" "$WINNOW" bench --threads 2 --json
cp .out bench.json
cat > lines.py << 'END'
import json
bench = json.load(open("bench.json"))
assert bench["threads"] == 2 and bench["isa"] and bench["version"]
limits = {line["name"] for line in bench["lines"] if line["group"] == "limit"}
assert {"f32 multiply-add", "memory read"} <= limits
for line in bench["lines"]:
    assert line["rate"] > 0 and line["unit"] and line["shape"], line
    assert line["group"] in ("limit", "kernel", "scan"), line
    if "limit" in line:
        assert line["limit"] in limits and line["share"] > 0, line
END
check "bench's JSON is whole" python3 lines.py
"$WINNOW" bench --help > page
has "bench --help" page "winnow bench --threads 1 --json"
bad "bench takes no input" 2 "bench takes no input, found 'x.npy'" bench x.npy
bad "bench knows its flags" 2 "unknown flag --k" bench --k 3
