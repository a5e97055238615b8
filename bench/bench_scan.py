#!/usr/bin/env python3
"""The scan engine beside its peers: k-means, neighbours, pairs.   bench_scan.py BUILD [NAME...]

    --scale X    sizes times X (0.02: a smoke run of seconds); only scale 1 goes into the documents
    --rounds N   rounds in turn, at least 3 for a claim
    --list       names of the workloads

Every run is a process of its own: peak memory is its own, and only the task is timed, not making or reading the
data. Ours and theirs run in turn, on the same data with the same first centres; quality is compared, and a
result that is not the same work is an error. Each workload's figures are kept in BUILD/bench-scan, so that the
table can be put together from several calls. UPDATE=1 writes it into docs/benchmarks.md.
"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import numpy as np

from bench_tools import ROOT, machine, today, write_section

SUM = 0.001   # inertia may differ by this share
SAME = 0.999  # share of neighbours that must agree: the peers round in their own way


class Work:
    """One workload: what it is, who runs it, and how many operations it is counted as."""

    def __init__(self, name, title, task, n, d, k, sides, **more):
        self.name, self.title, self.task, self.n, self.d, self.k, self.sides = name, title, task, n, d, k, sides
        self.more = more

    def operations(self, iterations):
        n, d, k = self.n, self.d, self.k
        return 2.0 * d * {"kmeans": n * k * max(iterations, 1), "graph": n * n, "pairs": n * n / 2,
                          "topk": self.more.get("queries", 0) * n}[self.task]


def workloads(scale):
    """Sizes are scaled in rows and centres, not in columns."""
    def s(x, least=200):
        return max(least, int(x * scale))

    def k(x):
        return max(16, int(x * min(1, scale * 4)))
    return [
        Work("w1", "k-means, 10 iterations", "kmeans", s(200000), 256, k(1024),
             ["winnow", "winnow alone", "winnow f32", "faiss", "scikit-learn"], iterations=10, data="blobs"),
        Work("w2", "k-means, 5 iterations", "kmeans", s(1000000), 128, k(4096),
             ["winnow", "winnow f32", "faiss", "superkmeans"], iterations=5, data="blobs"),
        Work("s1", "k-means on embedding-like rows, 10 iterations", "kmeans", s(200000), 768, k(1024),
             ["winnow", "faiss", "superkmeans"], iterations=10, data="embeddings"),
        Work("w2c", "k-means to convergence (tol 1e-4, at most 50 iterations)", "kmeans", s(1000000), 128,
             k(4096), ["winnow", "faiss"], iterations=50, tol=1e-4, data="blobs", rounds=1),
        Work("w3", "exact graph of 10 neighbours, cosine", "graph", s(100000), 384, 10,
             ["winnow", "winnow f32", "faiss"], data="blobs"),
        Work("w4", "exact top 10, L2", "topk", s(1000000), 128, 10, ["winnow", "winnow f32", "faiss"],
             queries=s(10000, 50), data="blobs"),
        Work("pairs", "all pairs above cosine 0.95", "pairs", s(200000), 384, 0, ["winnow", "no pairs"],
             floor=0.95, data="twins"),
        Work("real", "k-means on CIFAR-10 features with noise, 10 iterations", "kmeans", s(200000), 256, k(1024),
             ["winnow", "winnow f32", "faiss"], iterations=10, data="features"),
    ]


# ---- data -------------------------------------------------------------------------------------------------

def blobs(rng, n, d):
    """2000 standard normal centres, points 0.8 around them."""
    x = rng.standard_normal((2000, d), dtype=np.float32)[rng.integers(0, 2000, n)]
    for at in range(0, n, 50000):
        x[at:at + 50000] += np.float32(0.8) * rng.standard_normal((min(50000, n - at), d), dtype=np.float32)
    return x


def embeddings(rng, n, d):
    """A power-law spectrum, rotated, a common mean of norm 0.7, rows of length 1."""
    spread = (np.arange(d) + 4.0) ** -0.75
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    mix = (spread[:, None] * turn).astype(np.float32)
    mix /= np.float32(np.sqrt((spread ** 2).sum()))
    mean = rng.standard_normal(d)
    mean = (0.7 * mean / np.linalg.norm(mean)).astype(np.float32)
    x = np.empty((n, d), dtype=np.float32)
    for at in range(0, n, 20000):
        end = min(n, at + 20000)
        x[at:end] = rng.standard_normal((end - at, d), dtype=np.float32) @ mix + mean
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x


def twins(rng, n, d):
    """Blobs of which one row in ten is a near copy of another."""
    x = blobs(rng, n, d)
    copies = rng.choice(n, n // 10, replace=False)
    x[copies] = x[rng.integers(0, n, len(copies))]
    x[copies] += np.float32(0.3) * rng.standard_normal((len(copies), d), dtype=np.float32)
    return x


def features(rng, n, d):
    path = os.path.join(ROOT, "..", "shared", "data", "cifar10_256_f16.npy")
    if not os.path.exists(path):
        return None
    real = np.load(path).astype(np.float32)
    spread = real.std(axis=0, dtype=np.float64).astype(np.float32)
    x = real[rng.integers(0, len(real), n)]
    x += np.float32(0.3) * spread * rng.standard_normal((n, d), dtype=np.float32)
    return x


MAKERS = {"blobs": blobs, "embeddings": embeddings, "twins": twins, "features": features}


def make(work, folder):
    """Files of a workload: x.f32, then first.f32 (centres) or q.f32 (queries). False: no data here."""
    rng = np.random.default_rng(7)
    x = MAKERS[work.more["data"]](rng, work.n, work.d)
    if x is None:
        return False
    x.tofile(os.path.join(folder, "x.f32"))
    if work.task == "kmeans":
        x[rng.choice(work.n, work.k, replace=False)].tofile(os.path.join(folder, "first.f32"))
    if work.task == "topk":
        queries = x[rng.choice(work.n, work.more["queries"], replace=False)]
        queries += np.float32(0.8) * rng.standard_normal(queries.shape, dtype=np.float32)
        queries.tofile(os.path.join(folder, "q.f32"))
    return True


# ---- theirs: in a process of their own --------------------------------------------------------------------

def theirs(side, spec):
    """Runs in the child: times the task, saves what it found, prints a line of JSON."""
    n, d, k, folder = spec["n"], spec["d"], spec["k"], spec["folder"]
    threads = len(os.sched_getaffinity(0))
    x = np.fromfile(os.path.join(folder, "x.f32"), dtype=np.float32).reshape(n, d)
    out, iterations = os.path.join(folder, "theirs.out"), spec.get("iterations", 0)
    if side == "faiss":
        import faiss
        faiss.omp_set_num_threads(threads)
    elif side == "superkmeans":
        import superkmeans
    else:
        import sklearn.cluster
    if spec["task"] == "kmeans":
        first = np.fromfile(os.path.join(folder, "first.f32"), dtype=np.float32).reshape(k, d)
    if spec["task"] == "topk":
        queries = np.fromfile(os.path.join(folder, "q.f32"), dtype=np.float32).reshape(-1, d)
    if spec["task"] == "graph":
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    begin, cpu = time.perf_counter(), time.process_time()
    if spec["task"] == "kmeans" and side == "faiss":
        km = faiss.Kmeans(d, k, niter=iterations, max_points_per_centroid=n, min_points_per_centroid=1)
        km.train(x, init_centroids=first)
        result = km.centroids
    elif spec["task"] == "kmeans" and side == "scikit-learn":
        km = sklearn.cluster.KMeans(k, init=first, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd")
        km.fit(x)
        result = km.cluster_centers_
    elif spec["task"] == "kmeans":
        km = superkmeans.SuperKMeans(k, d, hierarchical=False, iters=iterations, sampling_fraction=1.0,
                                     max_points_per_cluster=n, early_termination=False, n_threads=threads)
        result = km.train(x)
    else:
        index = faiss.IndexFlatL2(d) if spec["task"] == "topk" else faiss.IndexFlatIP(d)
        index.add(x)
        result = index.search(queries, k)[1] if spec["task"] == "topk" else index.search(x, k + 1)[1]
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    np.ascontiguousarray(result).tofile(out)
    with open("/proc/self/status", encoding="ascii") as f:
        peak = next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, "iterations": iterations}))


# ---- both ---------------------------------------------------------------------------------------------------

def compile_ours(build, folder):
    """bench_scan_ours.c against the static library of this build."""
    program = os.path.join(folder, "bench_scan_ours")
    flags = subprocess.run(["pkg-config", "--libs", "sqlite3", "zlib", "libzstd", "jansson", "libxxhash"],
                           check=True, capture_output=True, text=True).stdout
    subprocess.run(["cc", "-O2", "-std=c11", "-D_POSIX_C_SOURCE=200809L", f"-I{ROOT}/src", f"-I{ROOT}/include",
                    f"{ROOT}/bench/bench_scan_ours.c", os.path.join(build, "libwinnow.a"), *shlex.split(flags),
                    "-lpthread", "-lm", "-o", program], check=True)
    return program


def run(side, work, folder, program, iterations):
    """One run of one side: its figures, and where its result lies."""
    env = dict(os.environ)
    if side in LABELS:
        x, out, sizes = os.path.join(folder, "x.f32"), os.path.join(folder, "ours.out"), [str(work.n), str(work.d)]
        rest = {"kmeans": [os.path.join(folder, "first.f32"), str(work.k), str(iterations),
                           str(work.more.get("tol", 0)), out],
                "graph": [str(work.k), out],
                "topk": [os.path.join(folder, "q.f32"), str(work.more.get("queries")), str(work.k), out],
                "pairs": ["1.5" if side == "no pairs" else str(work.more.get("floor")), out]}[work.task]
        if side == "winnow f32":
            env["NO_FILTER"] = "1"
        if side == "winnow alone":
            env["THREADS"] = "1"
        command = [program, work.task, x, *sizes, *rest]
    else:
        out = os.path.join(folder, "theirs.out")
        spec = {"task": work.task, "n": work.n, "d": work.d, "k": work.k, "folder": folder,
                "iterations": iterations}
        command = [sys.executable, os.path.abspath(__file__), "--theirs", side, json.dumps(spec)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bench: {side}, {work.name}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.strip().split("\n")[-1]), out


def mean_distance(work, folder, path):
    """Mean squared distance of all rows to their nearest centre: one judge, in blocks, for all sides."""
    x = np.memmap(os.path.join(folder, "x.f32"), dtype=np.float32, mode="r", shape=(work.n, work.d))
    centers = np.fromfile(path, dtype=np.float32).reshape(-1, work.d)
    rows = np.random.default_rng(1).choice(work.n, min(work.n, 50000), replace=False)
    rows.sort()
    half, total = (centers.astype(np.float64) ** 2).sum(axis=1), 0.0
    for at in range(0, len(rows), 2000):
        part = np.asarray(x[rows[at:at + 2000]])
        nearest = (half.astype(np.float32) - 2 * (part @ centers.T)).argmin(axis=1)
        total += float(((part - centers[nearest]).astype(np.float64) ** 2).sum())
    return total / len(rows)


def neighbours(work, path, theirs_):
    """(queries, k) ids; the row itself taken out of a peer's answer about its own rows."""
    ids = np.fromfile(path, dtype=np.int64)
    if work.task == "topk" or not theirs_:
        return ids.reshape(-1, work.k)
    ids = ids.reshape(work.n, work.k + 1)
    own = ids == np.arange(work.n)[:, None]
    own[~own.any(axis=1), -1] = True
    own &= own.cumsum(axis=1) == 1
    return ids[~own].reshape(work.n, work.k)


def agreement(a, b):
    hits = sum(len(np.intersect1d(a[i], b[i])) for i in range(0, len(a), max(1, len(a) // 5000)))
    return hits / (len(range(0, len(a), max(1, len(a) // 5000))) * a.shape[1])


def judge(work, folder, side, out, ours):
    """The quality of one result, in words and as a number beside ours; the number must be close to 1."""
    if work.task == "kmeans":
        value = mean_distance(work, folder, out)
        return value, value / ours if ours else 1.0
    if work.task == "pairs":
        return float(os.path.getsize(out) // 16), 1.0
    found = neighbours(work, out, side == "faiss")
    if ours is None:
        return found, 1.0
    return found, agreement(found, ours)


def measure(work, folder, program, rounds):
    """All rounds of a workload -> what is kept of it."""
    if not make(work, folder):
        print(f"{work.name}: no data here: skipped")
        return None
    runs, quality, ours = {side: [] for side in work.sides}, {}, None
    iterations = work.more.get("iterations", 0)
    for turn in range(rounds):
        for side in work.sides:
            # To convergence: the peer has no such stop, it makes as many iterations as we needed.
            wanted = iterations
            if work.more.get("tol") and side != "winnow":
                wanted = runs["winnow"][0]["iterations"]
            figures, out = run(side, work, folder, program, wanted)
            runs[side].append(figures)
            if turn == 0:
                value, ratio = judge(work, folder, side, out, ours)
                ours = value if ours is None else ours
                quality[side] = {"ratio": ratio, "value": value if isinstance(value, float) else None}
                close = abs(ratio - 1) <= SUM if work.task == "kmeans" else ratio >= SAME
                if not close and side != "superkmeans":  # which starts from rows of its own
                    raise SystemExit(f"bench: {work.name}, {side}: quality {ratio:.5f} of ours: "
                                     "not the same work")
            print(f"  {work.name} round {turn + 1} {side:13s} {figures['seconds']:8.2f} s, peak "
                  f"{figures['peak'] / 1e6:6.0f} MB", flush=True)
    return {"name": work.name, "runs": runs, "quality": quality, "date": today(), "machine": machine(),
            "isa": runs["winnow"][0]["isa"]}


LABELS = {"winnow": "winnow", "winnow f32": "winnow, f32 alone", "winnow alone": "winnow, one thread",
          "no pairs": "winnow, the pass alone (no pair reaches 1.5)"}


def label(side):
    if side in LABELS:
        return LABELS[side]
    try:
        return f"{side} {version({'faiss': 'faiss-cpu'}.get(side, side))}"
    except PackageNotFoundError:
        return side


def table(work, kept):
    """Lines of one workload's table."""
    runs, ours = kept["runs"], kept["runs"]["winnow"]
    size = f"{work.n:,} x {work.d}" + (f", k = {work.k}" if work.task == "kmeans" else "")
    if work.task == "topk":
        size += f", {work.more['queries']:,} queries"
    lines = [f"**{work.title}** ({size}; {len(ours)} round{'s in turn' if len(ours) > 1 else ''})", "",
             "| | median s | min – max | GFLOP/s | peak MB (data " + f"{work.n * work.d * 4 / 1e6:.0f}) | "
             "quality | time over ours |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for side in work.sides:
        t = [r["seconds"] for r in runs[side]]
        over = statistics.median(r["seconds"] / o["seconds"] for r, o in zip(runs[side], ours))
        q = kept["quality"][side]
        text = f"{q['value']:,.3f}" if work.task == "kmeans" else f"{q['value']:,.0f} pairs" \
            if work.task == "pairs" else f"{q['ratio']:.5f} the same"
        rate = work.operations(runs[side][0]["iterations"]) / statistics.median(t) / 1e9
        lines.append(f"| {label(side)} | {statistics.median(t):.2f} | {min(t):.2f} – {max(t):.2f} | {rate:,.0f} | "
                     f"{max(r['peak'] for r in runs[side]) / 1e6:.0f} | {text} | {over:.2f} |")
    notes = []
    if work.task == "kmeans" and ours[0]["skipped"] > 0:
        notes.append(f"bounds skipped {100 * ours[0]['skipped']:.0f} % of the distances")
    if work.more.get("tol"):
        notes.append(f"{ours[0]['iterations']} iterations, as many for the peer")
    rows = ours[0]["filter_rows"]
    if rows:
        notes.append(f"of {rows:,} query rows {100 * ours[0]['verified'] / rows:.1f} % needed more than one f32 "
                     f"score, {ours[0]['candidates'] / rows:.2f} scores a row")
    if ours[0]["plain"]:
        notes.append(f"{ours[0]['plain']:,} rows went back to f32")
    if notes:
        text = "; ".join(notes) + "."
        lines += ["", text[0].upper() + text[1:]]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--scale", type=float, default=float(os.environ.get("SCALE", 1)))
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", 3)))
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    all_work = workloads(args.scale)
    if args.list:
        print("\n".join(f"{w.name:6s} {w.title}, {w.n:,} x {w.d}" for w in all_work))
        return
    unknown = set(args.names) - {w.name for w in all_work}
    if unknown:
        raise SystemExit(f"bench: no workload {', '.join(sorted(unknown))}; --list shows them")
    build = os.path.abspath(args.build)
    store = os.path.join(build, "bench-scan")
    os.makedirs(store, exist_ok=True)
    # Memory is as good a place as a disk, where there is room.
    room = os.statvfs("/dev/shm") if os.path.isdir("/dev/shm") else None
    place = "/dev/shm" if room and room.f_bavail * room.f_frsize > 8e9 else store
    folder = os.path.join(place, f"bench-scan-{os.getpid()}")
    os.makedirs(folder)
    kept = {}
    for work in all_work:
        work.sides = [side for side in work.sides if side != "superkmeans" or find_spec("superkmeans")]
    try:
        program = compile_ours(build, folder)
        for work in all_work:
            path = os.path.join(store, f"{work.name}.json")
            if not args.names or work.name in args.names:
                rounds = min(args.rounds, work.more.get("rounds", args.rounds))
                found = measure(work, folder, program, rounds)
                if found and args.scale == 1:
                    with open(path, "w", encoding="utf-8") as f:
                        json.dump(found, f)
                if found:
                    kept[work.name] = found
            elif args.scale == 1 and os.path.exists(path):
                with open(path, encoding="utf-8") as f:
                    kept[work.name] = json.load(f)
    finally:
        for name in os.listdir(folder):
            os.remove(os.path.join(folder, name))
        os.rmdir(folder)
    lines = []
    for work in all_work:
        if work.name in kept:
            lines += table(work, kept[work.name]) + [""]
    last = max(kept.values(), key=lambda k: k["date"]) if kept else {"machine": machine(), "isa": "?"}
    lines.append(f"{last['machine']}, {last['isa']}; " +
                 ", ".join(sorted({k["date"] for k in kept.values()})) + ".")
    print("\n".join(lines))
    if args.scale == 1:
        write_section("scan", lines)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "--theirs":
        theirs(sys.argv[2], json.loads(sys.argv[3]))
    else:
        main()
