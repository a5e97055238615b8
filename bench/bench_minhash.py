#!/usr/bin/env python3
"""MinHash deduplication beside datasketch.   bench_minhash.py BUILD

Texts are made of WordNet glosses, every fifth an earlier one with words replaced. Both find what reaches a
Jaccard similarity of 0.8 over five-word shingles, first on a sample that the peer can do, one thread each;
then winnow alone on everything within --memory 1G. ROWS=1000000, SAMPLE=20000 change the size.
"""
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

from bench_tools import ROOT, machine, today, write_section

THRESHOLD, SHINGLE, PERMS = 0.8, 5, 128


def make(glosses, path, n, words_least, truth_path):
    """n texts of at least so many words; truth: copy, original, how many words differ."""
    rng = random.Random(7)
    vocabulary = sorted({w for g in glosses for w in g})
    kept = {}
    with open(path, "w", encoding="utf-8") as out, open(truth_path, "w", encoding="utf-8") as truth:
        for i in range(n):
            if i % 5 == 4:  # an edited copy; texts to copy from are remembered for a while
                origin = rng.choice(list(kept)[-200:]) if i < 1000 or rng.random() < 0.5 else \
                    rng.choice(order)
                text = list(kept[origin])
                edits = rng.choice((0, 1, 1, 2, 3)) * max(1, len(text) // 60)
                for _ in range(edits):
                    text[rng.randrange(len(text))] = rng.choice(vocabulary)
                truth.write(f"{i} {origin}\n")
            else:
                text = list(rng.choice(glosses))
                while len(text) < words_least:
                    text += rng.choice(glosses)
                if i % 50 == 0 or i < 1000:
                    kept[i] = text
                    order = list(kept)
            out.write(json.dumps({"id": i, "text": " ".join(text)}) + "\n")


def shingles(text):
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[i:i + SHINGLE]) for i in range(max(1, len(words) - SHINGLE + 1))}


def true_pairs(path, truth_path, n):
    texts = [json.loads(line)["text"] for line in open(path, encoding="utf-8")]
    pairs = []
    for line in open(truth_path, encoding="utf-8"):
        a, b = map(int, line.split())
        x, y = shingles(texts[a]), shingles(texts[b])
        if len(x & y) >= THRESHOLD * len(x | y):
            pairs.append((a, b))
    assert len(texts) == n
    return pairs


def peer_there():
    try:
        import datasketch
    except ImportError:
        return None
    return datasketch.__version__


def peer(path, params):
    """datasketch as its documents say: one MinHash per text, asked before it is inserted."""
    from datasketch import MinHash, MinHashLSH
    begin = time.process_time()
    lsh = MinHashLSH(threshold=THRESHOLD, num_perm=PERMS, params=params)
    found = {}
    for line in open(path, encoding="utf-8"):
        record = json.loads(line)
        m = MinHash(num_perm=PERMS)
        m.update_batch([s.encode() for s in shingles(record["text"])])
        found[record["id"]] = set(lsh.query(m))
        lsh.insert(record["id"], m)
    return time.process_time() - begin, found


def ours(build, path, out, extra):
    shutil.rmtree(out, ignore_errors=True)
    begin = time.perf_counter()
    run = subprocess.Popen([os.path.join(build, "winnow"), "dedup", "minhash", path, "-o", out, "--quiet",
                            "--min-similarity", str(THRESHOLD)] + extra)
    _, status, use = os.wait4(run.pid, 0)
    if status:
        sys.exit("bench: dedup failed")
    return time.perf_counter() - begin, use.ru_utime + use.ru_stime, use.ru_maxrss * 1024


def one_set(build, folder, name, glosses, words, sample, rows):
    import numpy as np
    path, truth, out = (os.path.join(folder, f) for f in (f"{name}.jsonl", f"{name}.truth", "out"))
    make(glosses, path, sample, words, truth)
    pairs = true_pairs(path, truth, sample)
    lines = []
    seconds = [ours(build, path, out, ["--threads", "1"])[1] for _ in range(3)]
    group = np.load(os.path.join(out, "groups.npy"))
    counts = json.load(open(os.path.join(out, "manifest.json"), encoding="utf-8"))["counts"]
    recall = np.mean([group[a] == group[b] for a, b in pairs])
    mine = sorted(seconds)[1]
    megabytes = os.path.getsize(path) / 1e6
    lines.append(f"| winnow, {counts['bands']} bands of {counts['band_rows']} | {sample / mine:,.0f} | "
                 f"{recall:.4f} | 1 |")
    for label, params in () if not peer_there() else (("its own bands", None),
                          ("the bands of winnow", (counts["bands"], counts["band_rows"]))):
        theirs, found = peer(path, params)
        hit = np.mean([b in found[a] for a, b in pairs])
        lines.append(f"| datasketch, {label} | {sample / theirs:,.0f} | {hit:.4f} | {theirs / mine:.1f} |")
    lines = [f"{sample:,} texts of {megabytes * 1e6 / sample:,.0f} bytes, {len(pairs):,} planted pairs:",
             "", "| | texts per second of processor time | pairs found | time over ours |",
             "| --- | --- | --- | --- |"] + lines
    make(glosses, path, rows, words, truth)
    size = os.path.getsize(path) / 1e6
    wall, cpu, peak = ours(build, path, out, ["--memory", "1G"])
    counts = json.load(open(os.path.join(out, "manifest.json"), encoding="utf-8"))["counts"]
    lines += ["", f"winnow on {rows:,} such texts ({size:,.0f} MB), `--memory 1G`: {wall:.1f} s with all "
              f"threads, {cpu:.1f} s of processor time, peak memory of the process {peak / 1e9:.2f} GB; "
              f"{counts['removed']:,} rows go.", ""]
    return lines


def main():
    build = os.path.abspath(sys.argv[1])
    sample, rows = int(os.environ.get("SAMPLE", 20000)), int(os.environ.get("ROWS", 1000000))
    folder = os.path.join(build, "bench-minhash")
    os.makedirs(folder, exist_ok=True)
    wordnet = os.path.join(folder, "wordnet.jsonl")
    subprocess.run([sys.executable, os.path.join(ROOT, "tools", "wordnet_jsonl.py"), wordnet], check=True)
    glosses = [re.findall(r"\w+", json.loads(line)["gloss"]) for line in open(wordnet, encoding="utf-8")]
    glosses = [g for g in glosses if len(g) >= 3]
    lines = [f"Jaccard similarity {THRESHOLD} over shingles of {SHINGLE} words, {PERMS} values, from a "
             f"JSONL file to the rows that go, one thread; winnow verifies every pair, datasketch "
             f"{peer_there()} none. "
             f"{machine()}; {today()}.", ""]
    lines += one_set(build, folder, "short", glosses, 20, sample, rows)
    lines += one_set(build, folder, "long", glosses, 380, max(sample // 10, 100), max(rows // 10, 1000))
    shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(lines))
    write_section("minhash", lines[:-1])


if __name__ == "__main__":
    main()
