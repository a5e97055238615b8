. "$CLI_TESTS/lib.sh"
# Help: pages against golden/, and every example on every page runs.

# golden NAME ARGUMENTS...
golden() {
    page=$1
    shift
    "$WINNOW" "$@" > "$page" 2> .err || fail "help page $page" "exit $?"
    [ -z "$UPDATE" ] || cp "$page" "$CLI_TESTS/golden/$page"
    if diff -u "$CLI_TESTS/golden/$page" "$page" > .diff 2>&1; then
        ok "help page $page"
    else
        fail "help page $page" "UPDATE=1 takes it as it is now"
        sed 's/^/     /' .diff | head -40
    fi
}

golden help.txt --help
golden info.txt info --help
golden why.txt why --help
golden plan.txt plan --help
golden replay.txt replay -h
golden methods.txt methods --help
golden vectorize.txt vectorize lexical --help
golden kmeans.txt cluster kmeans --help
golden semantic.txt dedup semantic --help
golden balanced.txt select balanced --help
golden curate.txt curate --help

"$WINNOW" help > a && same "help and --help are the same" a help.txt
"$WINNOW" help cluster kmeans > a && same "help VERB METHOD is VERB METHOD --help" a kmeans.txt
"$WINNOW" cluster kmeans nothing.npy --k --frob --help > a 2> b
same "--help wins over what else is wrong" a kmeans.txt
"$WINNOW" cluster --help > a
has "help of a verb lists its methods" a "hkmeans"
check "--version" "$WINNOW" --version
line='^winnow [0-9]+\.[0-9]+\.[0-9]+, isa (base|avx2|avx512|vnni|bf16|amx), (1 thread|([2-9]|[1-9][0-9]+) threads)$'
if grep -Eq "$line" .out; then
    ok "version, instruction set, threads"
else
    fail "version, instruction set, threads" "$(cat .out)"
fi
WN_ISA=base "$WINNOW" --version > a
has "--version follows WN_ISA" a "isa base"

check "methods" "$WINNOW" methods
check "methods --json" "$WINNOW" methods --json
cp .out methods.json
cat > list.py << 'END'
import json
registry = json.load(open("methods.json"))
families = {f["name"]: f for f in registry["families"]}
assert registry["methods"], "no methods"
for m in registry["methods"]:
    assert m["family"] in families, m
    for key in ("summary", "cost", "papers", "flags", "params"):
        assert key in m, (m["name"], key)
    for p in m["params"]:
        assert p["help"] and p["type"] in "i32 i64 u64 f64 bool choice list text".split(), p
        if p["type"] == "choice":
            assert p["default"] in p["choices"], p
        if "low" in p and p["type"] != "list":
            assert p["low"] <= p["default"] <= p["high"], p
    print(m["family"], m["name"])
END
check "methods --json is whole" python3 list.py
cp .out names

if "$WINNOW" methods > /dev/full 2> .err; then
    fail "a full disk behind stdout is an error"
else
    has "a full disk behind stdout is an error" .err "standard output could not be written"
fi

# The examples of every method, on files of the names that they use.
mkdir examples
python3 - "$IN" examples << 'END'
import array, json, os, random, struct, sys
src, out = sys.argv[1:]
rng = random.Random(2)
def npy(name, descr, shape, values):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, shape)
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    data = array.array({"<f4": "f", "<i8": "q"}[descr], values).tobytes()
    with open(out + "/" + name + ".npy", "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)
def vectors(name, n, d):
    npy(name, "<f4", (n, d), [rng.gauss(0, 1) for _ in range(n * d)])
def column(name, descr, values):
    npy(name, descr, (len(values),), values)
N = 12000
vectors("embeddings", N, 32)
vectors("shard_0", N // 2, 32)
vectors("shard_1", N // 2, 32)
vectors("target", 200, 32)
vectors("queries", 200, 32)
npy("losses", "<f4", (N, 8), [rng.random() for _ in range(N * 8)])
vectors("scorers", N, 3)
column("scores", "<f4", [rng.random() for _ in range(N)])
column("labels", "<i8", [i * i % 4 for i in range(N)])
column("target-labels", "<i8", [i * i % 4 for i in range(200)])
column("groups", "<i8", [i % 5 for i in range(N)])
column("selection", "<i8", list(range(0, N, 7)))
column("heldout", "<i8", list(range(3, N, 14)))
column("trusted", "<i8", list(range(0, N, 40)))
column("rows", "<i8", list(range(0, N, 9)))
column("updates", "<i8", list(range(0, 400)) + [-1 - r for r in range(0, 100)])
os.mkdir(out + "/folder")
for name, rows in (("all.csv", 9), ("some.csv", 4)):
    with open(out + "/folder/" + name, "w") as f:
        f.write("id,word\n" + "".join("%d,w%d\n" % (i, i % 3) for i in range(rows)))
for name in ("corpus.jsonl", "part_0.jsonl", "part_1.jsonl"):
    with open(out + "/" + name, "w") as f:
        for line in open(src + "/corpus.jsonl"):
            f.write(json.dumps({"text": json.loads(line)["gloss"]}) + "\n")
with open(out + "/table.jsonl", "w") as f:
    f.writelines('{"ts": %d, "tenant": "t%d"}\n' % (1000 + i * 7 % N, i % 9) for i in range(N))
END
PATH=$(dirname "$WINNOW"):$PATH
(cd examples && "$WINNOW" cluster kmeans embeddings.npy --k 8 --max-iter 3 -o tree -q &&
    "$WINNOW" graph knn embeddings.npy -o graph -q &&
    "$WINNOW" index flat embeddings.npy -o made.wni -q &&
    "$WINNOW" learn logistic embeddings.npy --labels labels.npy -o model -q)
while read -r family method; do
    "$WINNOW" "$family" "$method" --help > page
    sed -n '/^$/,/^usage/p' page | grep '^  winnow ' > lines
    if [ "$(wc -l < lines)" -ne 2 ]; then fail "$family $method: two examples"; fi
    while read -r line; do
        case $line in
        "winnow index add "* | "winnow index delete "* | "winnow index compact "* | "winnow search "*)
            made=made.wni ;;
        *) made= ;;
        esac
        if (cd examples && rm -rf out out.npy out.npy.* index.wni &&
            { [ -z "$made" ] || cp -r $made index.wni; } && sh -c "$line -q") > .out 2> .err; then
            ok "example: $line"
        else
            fail "example: $line" "$(head -c 300 .err)"
        fi
    done < lines
done < names
