. "$CLI_TESTS/lib.sh"
# Bad data: exit 3, one line that names file and place, nothing written.

P=$IN/pool.npy
for verb in "curate --size 50" "cluster kmeans --k 4" "dedup exact" "dedup semantic"; do
    # shellcheck disable=SC2086
    bad "NaN: $verb" 3 "row 77" $verb "$IN/bad_nan.npy" -o out
done
bad "NaN names the file" 3 "bad_nan.npy" curate "$IN/bad_nan.npy" --size 50 -o out
bad "Inf" 3 "row 78" curate "$IN/bad_inf.npy" --size 50 -o out
bad "zero row under cosine" 3 "row 79" curate "$IN/bad_zero.npy" --metric cosine --size 50 -o out
bad "truncated file" 3 "bad_truncated.npy" curate "$IN/bad_truncated.npy" --size 50 -o out
bad "file that ends in its header" 3 "bad_short.npy" curate "$IN/bad_short.npy" --size 50 -o out
bad "empty file" 3 "bad_empty.npy" curate "$IN/bad_empty.npy" --size 50 -o out
bad "header larger than file" 3 "bad_larger.npy" curate "$IN/bad_larger.npy" --size 50 -o out
bad "pickled objects" 3 "bad_object.npy" curate "$IN/bad_object.npy" --size 50 -o out
bad "raw memmap called .npy" 3 "--dtype" curate "$IN/bad_raw.npy" --size 50 -o out
bad "one dimension" 3 "bad_vector.npy" curate "$IN/bad_vector.npy" --size 1 -o out
bad "shards of different d" 3 "bad_d_1.npy" curate "$IN/bad_d_0.npy" "$IN/bad_d_1.npy" --size 50 -o out
bad "shards of different d by pattern" 3 "bad_d_1.npy" curate "$IN/bad_d_?.npy" --size 50 -o out
bad "no such file" 3 "missing.npy" curate missing.npy --size 50 -o out
bad "no such text" 3 "missing.jsonl: cannot open" curate missing.jsonl --size 50 -o out
bad "--dim beside a file that knows" 3 "16" curate "$P" --dim 32 --size 50 -o out
check "--dim that agrees" "$WINNOW" curate "$P" --dim 16 --size 50 -o agrees -q
bad "pattern without a match" 3 "missing_*.npy" curate 'missing_*.npy' --size 50 -o out
bad "k > n" 3 "1501" cluster kmeans "$P" --k 1501 -o out
bad "size > n" 3 "1501" curate "$P" --size 1501 -o out
bad "text field missing in a line" 3 "line 43" vectorize "$IN/bad_missing.jsonl" --text gloss -o out.npy
bad "text field missing altogether" 3 "glos" vectorize "$IN/corpus.jsonl" --text glos -o out.npy
mkdir texts
cat > texts/a.jsonl << 'END'
{"text": "one two"}
{"text": "three four"}
{"n": 5}
END
head -n 2 texts/a.jsonl > texts/b.jsonl
printf '{"text": "one"}\n\n{"text": ","}\n' > texts/blank.jsonl
printf 'text,n\none,1\n"two\nthree",2\n!,3\n' > texts/long.csv
bad "no text in a row, column by its name" 3 "texts/a.jsonl line 3 (row 2): its text is missing" \
    vectorize texts/a.jsonl -o out.npy
bad "no text in the second file" 3 "texts/a.jsonl line 3 (row 4): its text is missing" \
    vectorize texts/b.jsonl texts/a.jsonl -o out.npy
bad "no word in a row" 3 "texts/blank.jsonl (row 1): its text has no word" \
    vectorize texts/blank.jsonl -o out.npy
bad "no word in a row after one of two lines" 3 "texts/long.csv (row 2): its text has no word" \
    curate texts/long.csv --size 1 -o out
bad "broken JSON line" 3 "42" vectorize "$IN/bad_json.jsonl" --text gloss -o out.npy
bad "text that is not UTF-8" 3 "44" vectorize "$IN/bad_utf8.jsonl" --text gloss -o out.npy
bad "id that repeats" 3 "line 45" curate "$IN/bad_id.jsonl" --text gloss --id id --size 50 -o out
bad "broken JSON under curate" 3 "42" curate "$IN/bad_json.jsonl" --text gloss --size 50 -o out
bad "a text that is no pool" 2 "winnow vectorize" cluster kmeans "$IN/corpus.jsonl" --k 4 -o out
bad "why in what is no output" 3 "nothing" why nothing --row 1
bad "replay of what is not there" 3 "nothing.json" replay nothing.json -o out
echo '{' > broken.json
bad "replay of a broken manifest" 3 "broken.json" replay broken.json -o out
bad "output below what is not there" 3 "nowhere" curate "$P" --size 50 -o nowhere/out

mkdir exists
echo precious > exists/file
bad "output folder that exists" 3 "--force" curate "$P" --size 50 -o exists
has "and is as it was" exists/file precious
echo precious > exists.npy
bad "output file that exists" 3 "--force" vectorize "$IN/corpus.jsonl" --text gloss -o exists.npy
bad "--force spares a folder that winnow did not make" 3 "manifest.json" \
    curate "$P" --size 50 -o exists --force
"$WINNOW" curate "$P" --size 60 -o made -q
cp made/rows.npy rows60
check "--force replaces a folder" "$WINNOW" curate "$P" --size 50 -o made --force -q
if cmp -s made/rows.npy rows60; then fail "and all of it"; else ok "and all of it"; fi
check "--force replaces a file" "$WINNOW" vectorize "$IN/corpus.jsonl" --text gloss -o exists.npy --force -q

# info looks at bad data and says what it sees.
for fault in nan inf zero; do
    check "info on bad_$fault.npy" "$WINNOW" info "$IN/bad_$fault.npy" -q
    cp .out info_$fault
done
has "info counts NaN rows" info_nan "NaN rows          1"
has "info names the NaN row" info_nan "77"
has "info counts Inf rows" info_inf "Inf rows          1"
has "info counts zero rows" info_zero "zero rows         1"
bad "info on a truncated file" 3 "bad_truncated.npy" info "$IN/bad_truncated.npy"
