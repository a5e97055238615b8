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
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np

import bench_scan_blas
from bench_scan_page import LABELS, page, peer_of
from bench_scan_works import Data, workloads
from bench_tools import ROOT, machine, today, write_section

SUM = 0.001   # inertia may differ by this share
SAME = 0.999  # share of neighbours that must agree: the peers round in their own way
MODULES = {"faiss": "faiss", "scikit-learn": "sklearn", "superkmeans": "superkmeans"}


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


def peer_command(side, spec):
    return [sys.executable, os.path.abspath(__file__), "--theirs", peer_of(side), json.dumps(spec)]


def run(side, work, folder, program, iterations, blas):
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
        command = [program, "pass" if side == "pass" else work.task, x, *sizes, *rest]
    else:
        out = os.path.join(folder, "theirs.out")
        spec = {"task": work.task, "n": work.n, "d": work.d, "k": work.k, "folder": folder,
                "iterations": iterations}
        command = peer_command(side, spec)
        if side == peer_of(side):
            env.update(bench_scan_blas.core_type(blas[side]["core"]))
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
    if work.task == "pairs":  # the pass alone keeps none
        return float(os.path.getsize(out) // 16), 1.0
    found = neighbours(work, out, peer_of(side) == "faiss")
    if ours is None:
        return found, 1.0
    return found, agreement(found, ours)


def measure(work, data, program, rounds, blas):
    """All rounds of a workload -> what is kept of it."""
    if not data.make(work):
        print(f"{work.name}: no data here: skipped")
        return None
    folder = data.folder
    runs, quality, ours = {side: [] for side in work.sides}, {}, None
    iterations = work.more.get("iterations", 0)
    for turn in range(rounds):
        for side in work.sides:
            if turn > 0 and side != peer_of(side):
                continue  # peers as installed are told beside, no goal speaks of them
            # To convergence: the peer has no such stop, it makes as many iterations as we needed.
            wanted = iterations
            if work.more.get("tol") and side != "winnow":
                wanted = runs["winnow"][0]["iterations"]
            figures, out = run(side, work, folder, program, wanted, blas)
            runs[side].append(figures)
            if turn == 0:
                value, ratio = judge(work, folder, side, out, ours)
                ours = value if ours is None else ours
                quality[side] = {"ratio": ratio, "value": value if isinstance(value, float) else None}
                close = abs(ratio - 1) <= SUM if work.task == "kmeans" else ratio >= SAME
                if not close and peer_of(side) != "superkmeans":  # which starts from rows of its own
                    raise SystemExit(f"bench: {work.name}, {side}: quality {ratio:.5f} of ours: "
                                     "not the same work")
            print(f"  {work.name} round {turn + 1} {side:22s} {figures['seconds']:8.2f} s, peak "
                  f"{figures['peak'] / 1e6:6.0f} MB", flush=True)
    return {"name": work.name, "runs": runs, "quality": quality, "date": today(), "machine": machine(),
            "isa": runs["winnow"][0]["isa"], "blas": {side: blas[side] for side in runs if side in blas}}


def measure_limits(build, best):
    """Best rate of each line of `winnow bench`, by name and shape, beside those that `best` has already."""
    for _ in range(2):
        done = subprocess.run([os.path.join(build, "winnow"), "bench", "--json"], check=True, capture_output=True)
        for line in json.loads(done.stdout)["lines"]:
            name = f"{line['name']} {line['shape']}"
            if line["rate"] > best.get(name, {"rate": 0})["rate"]:
                best[name] = line
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--scale", type=float, default=float(os.environ.get("SCALE", 1)))
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", 3)))
    parser.add_argument("--list", action="store_true")
    args = parser.parse_intermixed_args()
    all_work = workloads(args.scale)
    if args.list:
        print("\n".join(f"{w.name:10s} {w.title}, {w.size()}" for w in all_work))
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
    missing = {peer for peer, module in MODULES.items() if not find_spec(module)}
    for peer in sorted(missing):
        print(f"bench: {peer} is not here: without it", file=sys.stderr)
    for work in all_work:
        work.sides = [side for side in work.sides if peer_of(side) not in missing]
    chosen = [w for w in all_work if not args.names or w.name in args.names]
    peers = sorted({side for w in chosen for side in w.sides if side not in LABELS and side == peer_of(side)})
    try:
        program, data = compile_ours(build, folder), Data(folder)
        limits = measure_limits(build, {})
        blas = bench_scan_blas.choose(peer_command, peers, folder)
        for work in all_work:
            path, found = os.path.join(store, f"{work.name}.json"), None
            if work in chosen:
                found = measure(work, data, program, min(args.rounds, work.more.get("rounds", args.rounds)), blas)
                if found and args.scale == 1:
                    with open(path, "w", encoding="utf-8") as f:
                        json.dump(found, f)
            elif args.scale == 1 and os.path.exists(path):
                with open(path, encoding="utf-8") as f:
                    found = json.load(f)
            if found:
                kept[work.name] = found
        measure_limits(build, limits)
    finally:
        for name in os.listdir(folder):
            os.remove(os.path.join(folder, name))
        os.rmdir(folder)
    if not kept:
        return
    last = max(kept.values(), key=lambda k: k["date"])
    told = bench_scan_blas.sentence({side: f for k in kept.values() for side, f in k.get("blas", {}).items()})
    lines = page(all_work, kept, limits, told) + [
        f"{last['machine']}, {last['isa']}; " + ", ".join(sorted({k["date"] for k in kept.values()})) + "."]
    print("\n".join(lines))
    if args.scale == 1:
        write_section("scan", lines)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "--theirs":
        theirs(sys.argv[2], json.loads(sys.argv[3]))
    else:
        main()
