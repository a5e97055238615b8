. "$CLI_TESTS/lib.sh"
# select on the tree that curate made: over the rows that are no duplicates, the others in no cluster.

P=$IN/pool.npy
"$WINNOW" curate "$P" --size 100 --seed 4 -o out -q
check "select on the output of curate" "$WINNOW" select "$P" --tree out --size 100 -o a -q
check "select on the clusters in it" "$WINNOW" select "$P" --tree out/clusters --size 100 -o b -q
same_tree "the same rows" a b
cat > rows.py << 'END'
import array, struct, sys
def load(path, what, bytes):
    data = open(path, "rb").read()
    data = data[10 + struct.unpack("<H", data[8:10])[0]:]
    return array.array(what, data) if what else [data[i:i + bytes] for i in range(0, len(data), bytes)]
left = set(load("out/clusters/rows.npy", "q", 8))
rows = load("a/rows.npy", "q", 8)
why = [struct.unpack("<qfiii", w) for w in load("a/why.npy", None, 24)]
curated = [struct.unpack("<qfiii", w) for w in load("out/why.npy", None, 24)]
assert len(rows) == 100 and set(rows) <= left and len(why) == 1500 and 0 < len(left) < 1500
for i, (w, c) in enumerate(zip(why, curated)):
    if i in left:
        assert w[2] == c[2] >= 0 and w[3] in (0, 3), (i, w, c)
    else:
        assert w[2] == -1 and w[3] == 4 and w[4] == 0, (i, w)
END
check "clusters as curate made them, duplicates in none" python3 rows.py
check "why: a row of no cluster" "$WINNOW" why a --row 1400
cp .out why
has "why: says so" why "in no cluster: the tree or the groups were made without it"
bad "a tree of other rows" 3 "give the pool that the tree was made from" \
    select "$IN/shard_0.npy" --tree out --size 10 -o c
bad "no tree there" 3 "labels.npy" select "$P" --tree "$IN" --size 10 -o c
cp -r out/clusters other
cp a/rows.npy other/rows.npy
bad "rows of another tree" 3 "other/rows.npy: found 100 rows, but labels.npy" \
    select "$P" --tree other --size 10 -o c
