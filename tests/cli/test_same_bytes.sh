. "$CLI_TESTS/lib.sh"
# One seed, one result: any number of threads, any instruction set, any memory, and again from the manifest.

P=$IN/pool.npy
run() {
    run_name=$1
    shift
    "$WINNOW" "$@" -q > .out 2> .err || fail "$run_name" "exit $?: $(cat .err)"
}

run first curate "$P" --size 300 --seed 5 --threads 1 -o first
for t in 2 8; do
    run "threads $t" curate "$P" --size 300 --seed 5 --threads $t -o threads$t
    same_tree "curate: --threads $t as --threads 1" first threads$t
done
for isa in base avx2 avx512 vnni bf16 amx; do
    WN_ISA=$isa
    export WN_ISA
    run "isa $isa" curate "$P" --size 300 --seed 5 -o $isa
    unset WN_ISA
    same_tree "curate: WN_ISA=$isa" first $isa
done
run filter curate "$P" --size 300 --seed 5 --no-filter -o filter
same_tree "curate: --no-filter" first filter
run memory curate "$P" --size 300 --seed 5 --memory 80MiB -o memory
same_tree "curate: --memory 80MiB" first memory
run shards curate "$IN/shard_*.npy" --size 300 --seed 5 -o shards
same_tree "curate: the pool in two shards" first shards
run other curate "$P" --size 300 --seed 6 -o other
if cmp -s first/rows.npy other/rows.npy; then
    fail "curate: another seed, another sample"
else
    ok "curate: another seed, another sample"
fi

run replay replay first/manifest.json -o again
same_tree "replay of curate" first again
run replay2 replay again --threads 1 -o again2
same_tree "replay of a replay, by its folder" first again2

run text curate "$IN/corpus.jsonl" --text gloss --id id --size 90 --dim 64 --seed 3 -o text
run "text threads" curate "$IN/corpus.jsonl" --text gloss --id id --size 90 --dim 64 --seed 3 --threads 1 \
    -o text1
for file in rows weights why; do
    same "curate on text: $file at one thread" text/$file.npy text1/$file.npy
done
run "text replay" replay text/manifest.json -o text2
for file in rows weights why; do
    same "replay of text: $file" text/$file.npy text2/$file.npy
done

run vectorize vectorize "$IN/corpus.jsonl" --text gloss --dim 64 -o v1.npy --threads 1
WN_ISA=base
export WN_ISA
run "vectorize base" vectorize "$IN/corpus.jsonl" --text gloss --dim 64 -o v2.npy
unset WN_ISA
same "vectorize: base as best" v1.npy v2.npy
run "vectorize replay" replay v1.npy -o v3.npy
same "replay of vectorize, by its file" v1.npy v3.npy

run kmeans cluster kmeans "$P" --k 20 -o km
run "kmeans replay" replay km/manifest.json -o km2
same_tree "replay of cluster kmeans" km km2
run tree cluster hkmeans "$P" --k 60,12 --resample-steps 2 -o tree
run select select balanced "$P" --tree tree --size 200 -o sel
run "select replay" replay sel/manifest.json -o sel2
same_tree "replay of select balanced" sel sel2
run dedup dedup semantic "$P" --min-similarity 0.99 -o dd
run "dedup replay" replay dd/manifest.json -o dd2
same_tree "replay of dedup semantic" dd dd2

cp "$P" moving.npy
run moving cluster kmeans moving.npy --k 5 -o mv
printf 'x' | dd of=moving.npy bs=1 seek=5000 conv=notrunc 2> /dev/null
bad "replay refuses an input that changed" 3 "moving.npy" replay mv/manifest.json -o mv2
