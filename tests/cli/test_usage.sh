. "$CLI_TESTS/lib.sh"
# What is wrong with the command line itself: exit 2, one line, the nearest name.

P=$IN/pool.npy
bad "unknown verb, nearest offered" 2 "unknown verb 'curat'; did you mean curate?" curat "$P" -o out
bad "unknown verb without a near one" 2 "winnow --help lists them" frobnicate
bad "unknown method, nearest offered" 2 "did you mean kmeans?" cluster kmaens "$P" -o out
bad "unknown flag, nearest offered" 2 "unknown flag --sead; did you mean --seed?" \
    cluster kmeans "$P" --sead 1 -o out
bad "unknown flag without a near one" 2 "winnow cluster kmeans --help lists them" \
    cluster kmeans "$P" --frobnicate 1 -o out
bad "one dash for two" 2 "unknown flag -k; did you mean --k?" cluster kmeans "$P" -k 4 -o out
bad "flag before the verb" 2 "the verb comes first" --quiet curate "$P" -o out
bad "a flag of another method" 2 "unknown flag --tree" cluster kmeans "$P" --tree t -o out
bad "no seed where there is none" 2 "unknown flag --seed" dedup exact "$P" --seed 1 -o out
bad "flag without value at the end" 2 "--k needs a value" cluster kmeans "$P" -o out --k
bad "flag without value before a flag" 2 "--k needs a value" cluster kmeans "$P" --k -o out
bad "value for a switch" 2 "takes no value" cluster kmeans "$P" --quiet=1 -o out
bad "value for a negated flag" 2 "takes no value" cluster kmeans "$P" --no-bounds=1 -o out
bad "negation of what is no switch" 2 "unknown flag --no-k" cluster kmeans "$P" --no-k -o out
bad "not a number" 2 "--k: found 'many'" cluster kmeans "$P" --k many -o out
bad "below its bound" 2 "--k: found 0" cluster kmeans "$P" --k 0 -o out
bad "above its bound, typed with a dash" 2 "--min-similarity: found 1.5" \
    dedup semantic "$P" --min-similarity 1.5 -o out
bad "a name with two words" 2 "--max-iter: found 0" cluster kmeans "$P" --max-iter 0 -o out
bad "unknown choice" 2 "--pick: found 'nearest', expected one of random|closest|farthest" \
    curate "$P" --pick nearest -o out
bad "not a switch value" 2 "--bounds: found 'maybe'" cluster kmeans "$P" --bounds=maybe -o out
bad "threads 0" 2 "--threads: found '0'" curate "$P" --threads 0 -o out
bad "threads in words" 2 "--threads: found 'two'" curate "$P" --threads two -o out
bad "memory without a size" 2 "--memory: found 'lots'" curate "$P" --memory lots -o out
bad "memory with a wrong unit" 2 "--memory: found '4X'" curate "$P" --memory 4X -o out
bad "memory too small to work in" 2 "expected at least 64" curate "$P" --memory 1M -o out
bad "memory a little too small" 2 "(64,000,000 bytes), expected at least 64.0 MiB" \
    curate "$P" --memory 64M -o out
bad "unknown metric" 2 "found 'cosin', expected l2 or cosine" curate "$P" --metric cosin -o out
bad "no output" 2 "needs -o" curate "$P"
bad "empty output" 2 "--output: found an empty path" curate "$P" -o ''
bad "empty text where it stands for none" 2 "--tenant: found an empty text" \
    search index.wni "$P" --tenant '' -o out
bad "no input" 2 "winnow curate --help" curate -o out
bad "no tree" 2 "--tree" select balanced "$P" -o out
bad "plan of nothing" 2 "plan needs the verb" plan
bad "plan of what is no family" 2 "found 'info', which needs no plan" plan info "$P"
bad "plan of a replay" 2 "winnow replay MANIFEST --dry-run" plan replay manifest.json
bad "plan of what is no verb" 2 "unknown verb 'curat'" plan curat "$P"
bad "neither method nor file" 2 \
    "agglomerative is neither a method of cluster (kmeans, hkmeans, assign) nor a file" \
    cluster agglomerative "$P" -o out
bad "standard input" 2 "standard input cannot be read" curate - -o out
bad "--levels and --k" 2 "--levels and --k are both given" curate "$P" --size 50 --levels 3 --k 30 -o out
for flag in "--rows 50" "--dtype f32" "--member x"; do
    # shellcheck disable=SC2086
    bad "text with $flag" 2 "${flag% *} is about vectors" \
        curate "$IN/corpus.jsonl" --text gloss --size 50 $flag -o out
done
bad "no ids beside vectors" 2 "unknown flag --id" vectorize "$IN/corpus.jsonl" --text gloss --id id -o out.npy
bad "no metric where rows are equal or not" 2 "unknown flag --metric" dedup exact "$P" --metric l2 -o out
bad "no metric where it is always cosine" 2 "unknown flag --metric" dedup semantic "$P" --metric l2 -o out
bad "no metric where the tree has one" 2 "unknown flag --metric" select "$P" --tree t --metric l2 -o out
bad "why without a row" 2 "--row" why out
bad "replay without a manifest" 2 "one manifest" replay -o out
bad "info without a pool" 2 "info needs a pool" info
bad "methods of something" 2 "takes no input" methods cluster
bad "help on what is not there" 2 "did you mean kmeans?" help cluster kmens
"$WINNOW" dedup exact "$P" -o exact -q
sed 's/"options": {}/"options": {"metric": "l2"}/' exact/manifest.json > metric.json
bad "no metric by way of the library" 2 "dedup exact compares rows in a way of its own" replay metric.json -o out
"$WINNOW" vectorize "$IN/corpus.jsonl" --text gloss -o v.npy -q
sed 's/"options": {}/"options": {"id": "id"}/' v.npy.manifest.json > id.json
bad "no id by way of the library" 2 "--id: vectorize stores no ids" replay id.json -o out.npy
sed 's/"options": {}/"options": {"metric": "l2"}/' v.npy.manifest.json > metric.json
bad "no metric without a comparison" 2 "vectorize compares nothing" replay metric.json -o out.npy
WN_ISA=sse9
export WN_ISA
bad "unknown WN_ISA" 2 "found 'sse9', expected one of base, avx2, avx512, vnni, bf16, amx" info "$P"
unset WN_ISA

"$WINNOW" > .out 2> .err
if [ $? -eq 2 ] && [ ! -s .out ]; then ok "no arguments: exit 2"; else fail "no arguments: exit 2"; fi
has "no arguments: help on stderr" .err "usage: winnow VERB"

# Forms that must work.
check "--flag=value, one dash, underscores" "$WINNOW" cluster kmeans --k=8 --max_iter=3 "$P" -oa --quiet
check "bool: --bounds" "$WINNOW" cluster kmeans "$P" --k 8 --max-iter 3 --bounds -o b -q
check "bool: --no-bounds" "$WINNOW" cluster kmeans "$P" --k 8 --max-iter 3 --no-bounds -o c -q
check "bool: --bounds=0" "$WINNOW" cluster kmeans "$P" --k 8 --max-iter 3 --bounds=0 -o d -q
same_tree "bounds change nothing" b c
check "negative number as value" "$WINNOW" dedup semantic "$P" --min-similarity -0.5 -o e -q
check "-- ends the flags" "$WINNOW" cluster kmeans --k 4 -o f -q -- "$P"
check "counts with K" "$WINNOW" curate "$P" --size 0.1K -o g -q
check "the least memory" "$WINNOW" curate "$P" --size 100 --memory 64MiB -o least -q
check "memory in MiB" "$WINNOW" curate "$P" --size 100 --memory 512MiB -o h -q
check "curate a raw file" "$WINNOW" curate "$IN/raw.f32" --dtype f32 --dim 16 --size 20 -o r -q
check "and again from its manifest" "$WINNOW" replay r -o r2 -q
same_tree "with the same bytes" r r2
cp "$P" ./-dash.npy
check "a file that begins with a dash" "$WINNOW" info -q -- -dash.npy
cp "$P" ./kmeans
check "a file named like a method, after it" "$WINNOW" cluster kmeans kmeans --k 4 -o i -q
