. "$CLI_TESTS/lib.sh"
# What is said where: summary, JSON, quiet, plan, info, why.

P=$IN/pool.npy
"$WINNOW" curate "$P" --size 100 --seed 9 -o out > stdout 2> stderr || fail "curate" "$(cat stderr)"
if [ ! -s stdout ]; then ok "stdout is empty without --json"; else fail "stdout is empty without --json"; fi
tail -n 1 stderr > last
has "last line: rows in" last "1,500 rows in"
has "last line: rows kept" last "100 kept"
has "last line: seed" last "seed 9"
has "last line: output" last "-> out"
"$WINNOW" curate "$P" --size 100 -o quiet --quiet > stdout 2> stderr
if [ ! -s stderr ] && [ ! -s stdout ]; then ok "--quiet says nothing"; else fail "--quiet says nothing"; fi
"$WINNOW" curate "$P" --size 100 -o json --json -q > stdout 2> stderr
check "--json is JSON with counts" python3 -c "
import json
s = json.load(open('stdout'))
assert s['counts'] and s['output'] == 'json' and s['seconds'] >= 0, s"

"$WINNOW" cluster kmeans "$P" --k 50 --explain -o explained > stdout 2> explained.err
has "--explain: instructions and threads" explained.err "instructions"
if WN_ISA=avx512 "$WINNOW" --version | grep -q avx2; then level=avx2; else level=base; fi
WN_ISA=$level "$WINNOW" cluster kmeans "$P" --k 50 --explain -o explained_f32 2> explained.err
has "--explain: no codes at $level" explained.err "none: $level has no products of 8-bit codes"
"$WINNOW" cluster kmeans "$P" --k 50 --explain --no-filter -o explained_off 2> explained.err
if "$WINNOW" --version | grep -qE "vnni|bf16|amx"; then
    has "--explain: codes switched off" explained.err "none: --no-filter"
fi
has "--explain: memory beside the plan" explained.err "at most, mapped files included;"
"$WINNOW" cluster kmeans "$P" --k 50 -o unexplained 2> unexplained.err
if grep -q "how it was done" unexplained.err; then fail "not without --explain"; else ok "not without --explain"; fi

ls -A > before
check "--dry-run" "$WINNOW" curate "$P" --size 100 --dry-run -o dry
cp .out dry_out
has "--dry-run tells the memory" dry_out "peak memory"
check "plan" "$WINNOW" plan curate "$P" --size 100
same "plan says what --dry-run says" .out dry_out
if [ ! -e dry ]; then ok "nothing written by a plan"; else fail "nothing written by a plan"; fi
"$WINNOW" plan cluster kmeans "$P" --k 8 --json > plan.json
check "plan has numbers" python3 -c "
import json
p = json.load(open('plan.json'))
assert p['peak_bytes'] > 0 and p['bytes_read'] >= 1500 * 16 * 4 and p['flops'] > 0, p"
"$WINNOW" plan vectorize "$IN/corpus.jsonl" --text gloss --json > plan.json
check "plan of text knows how much text" python3 -c "
import json
p = json.load(open('plan.json'))
text = sum(len(json.loads(line)['gloss']) for line in open('$IN/corpus.jsonl'))
assert p['bytes_read'] == 2 * text and p['flops'] > 50 * text and 2**24 < p['peak_bytes'] < 2**26, p"
bad "plan checks what a run would" 3 "1501" plan cluster kmeans "$P" --k 1501

check "info" "$WINNOW" info "$IN/shard_*.npy" -q
cp .out info
has "info: rows" info "rows              1,500"
has "info: first shard first" info "700  $IN/shard_0.npy"
has "info: duplicates" info "exact duplicates  30  first: row 1400 repeats row 0"
"$WINNOW" info "$P" --json > info.json 2> .err
check "info --json" python3 -c "
import json
i = json.load(open('info.json'))
assert (i['rows'], i['dim'], i['dtype'], i['exact_duplicates']) == (1500, 16, 'f32', 30), i
assert i['norm']['min'] <= i['norm']['mean'] <= i['norm']['max'], i"
check "info on a raw file" "$WINNOW" info "$IN/raw.f32" --dtype f32 --dim 16 -q
cp .out info
has "info on a raw file: rows" info "rows              100"

check "why" "$WINNOW" why out --row 1400
cp .out why
has "why: names the row that stands for it" why "0"
check "why, two rows" "$WINNOW" why out --row 0 --row 1
bad "why: no such row" 3 "1500" why out --row 1500
"$WINNOW" curate "$IN/corpus.jsonl" --text gloss --id id --size 90 --dim 64 -o text -q
check "why by id" "$WINNOW" why text --row t0099
bad "why: no such id" 3 "t9999" why text --row t9999

check "info on text" "$WINNOW" info "$IN/corpus.jsonl" -q
cp .out info
has "info on text: rows" info "rows     900"
has "info on text: columns" info "category  TEXT"
check "info on text --json" "$WINNOW" info "$IN/corpus.jsonl" --json
bad "info on text takes no flags of vectors" 2 "--metric is about vectors" info "$IN/corpus.jsonl" --metric l2
bad "info on broken text" 3 "42" info "$IN/bad_json.jsonl"
