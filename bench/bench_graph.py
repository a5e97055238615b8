#!/usr/bin/env python3
"""Graphs of neighbours: `graph descent` and `graph knn` beside PyNNDescent.   bench_graph.py [BUILD]

ROWS=1000000 x DIM=128 in 2000 clusters, and the real features of ../shared/data where they are; K=15 neighbours,
ROUNDS=3 in turn, each in a process of its own with all processors. Of winnow the whole process counts, files
included; of PyNNDescent the call alone, after a small one that compiles it. Recall is judged on 500 rows.
"""
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from bench_tools import ROOT, machine, today, write_section

PEER = """
import json, sys, time
import numpy as np
import pynndescent
x = np.load(sys.argv[1]).astype(np.float32)
k, metric, out = int(sys.argv[2]), sys.argv[3], sys.argv[4]
make = lambda v: pynndescent.NNDescent(v, metric=metric, n_neighbors=k + 1, random_state=0, n_jobs=-1).neighbor_graph
make(x[:2000])
wall, cpu = time.perf_counter(), time.process_time()
graph = make(x)
took = [time.perf_counter() - wall, time.process_time() - cpu]
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([*took, peak / 1024, pynndescent.__version__]))
np.save(out, graph[0])
"""


def blobs(path, rows, dim):
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((2000, dim), dtype=np.float32)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, dim))
    for at in range(0, rows, 1 << 16):
        n = min(1 << 16, rows - at)
        out[at:at + n] = centres[rng.integers(0, 2000, n)] + 0.8 * rng.standard_normal((n, dim), dtype=np.float32)
    out.flush()


def run_child(command):
    """Wall and processor seconds, what it printed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, text


def neighbours(folder, k):
    return np.load(os.path.join(folder, "indices.npy"), mmap_mode="r").reshape(-1, k)


class Judge:
    """Recall on a sample: neighbours no farther than the exact k-th."""

    def __init__(self, path, metric, k):
        self.x, self.k = np.load(path).astype(np.float32), k
        if metric == "cosine":
            self.x /= np.linalg.norm(self.x, axis=1, keepdims=True)
        self.rows = np.random.default_rng(2).choice(len(self.x), min(500, len(self.x)), replace=False)
        half = (self.x * self.x).sum(1) / 2
        self.last = np.empty(len(self.rows))
        for i, row in enumerate(self.rows):
            score = self.x @ self.x[row] - half
            score[row] = -np.inf
            near = np.argpartition(-score, k + 8)[:k + 8]
            self.last[i] = np.sort(self.distance(row, near))[k - 1]

    def distance(self, row, others):
        return ((self.x[others].astype(np.float64) - self.x[row]) ** 2).sum(1)

    def recall(self, graph):
        hits = 0
        for row, last in zip(self.rows, self.last):
            mine = np.asarray(graph[row])
            mine = mine[mine != row][:self.k]
            hits += (self.distance(row, mine) <= last * (1 + 1e-6)).sum()
        return hits / (len(self.rows) * self.k)


def bench(name, path, metric, k, rounds, winnow, folder, with_peer):
    judge = Judge(path, metric, k)
    found = {"winnow graph descent": [], "winnow graph knn (exact)": [], "PyNNDescent": []}
    recall, memory, version = {}, {}, ""
    for _ in range(rounds):
        for what, method in (("winnow graph descent", "descent"), ("winnow graph knn (exact)", "knn")):
            out = os.path.join(folder, method)
            command = [winnow, "graph", method, path, "--k", str(k), "--metric", metric, "-o", out, "--force", "-q"]
            wall, cpu, _ = run_child(command + (["--sample", "0"] if method == "descent" else []))
            with open(os.path.join(out, "manifest.json"), encoding="utf-8") as f:
                memory[what] = json.load(f)["peak_allocated_bytes"] / 2**20
            found[what].append((wall, cpu))
            recall[what] = judge.recall(neighbours(out, k))
        if with_peer:
            out = os.path.join(folder, "peer.npy")
            _, _, text = run_child(
                [sys.executable, "-c", PEER, path, str(k), "euclidean" if metric == "l2" else metric, out])
            wall, cpu, memory["PyNNDescent"], version = json.loads(text)
            found["PyNNDescent"].append((wall, cpu))
            recall["PyNNDescent"] = judge.recall(np.load(out, mmap_mode="r"))
    shape, turns = judge.x.shape, f"{rounds} rounds in turn" if rounds > 1 else "1 round"
    lines = [f"{name}: {shape[0]:,} x {shape[1]}, {metric}, k={k}, {turns}.", "",
             "| | median s | min – max | median CPU s | peak memory MB | recall |",
             "| --- | --- | --- | --- | --- | --- |"]
    for what, times in found.items():
        if times:
            wall = [t[0] for t in times]
            lines.append(f"| {what} {version if what == 'PyNNDescent' else ''} | {statistics.median(wall):.2f} | "
                         f"{min(wall):.2f} – {max(wall):.2f} | {statistics.median(t[1] for t in times):.2f} | "
                         f"{memory[what]:,.0f} | {recall[what]:.4f} |")
    for what in ("PyNNDescent", "winnow graph knn (exact)"):
        if found[what]:
            pairs = list(zip(found[what], found["winnow graph descent"]))
            wall = statistics.median(a[0] / b[0] for a, b in pairs)
            cpu = statistics.median(a[1] / b[1] for a, b in pairs)
            lines += ["", f"`graph descent` is {wall:.1f} times as fast as {what} (processor time: "
                          f"{cpu:.1f} times; medians of the rounds' ratios)."]
    print("\n".join(lines), flush=True)
    return lines + [""]


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    rows, dim = int(os.environ.get("ROWS", 1_000_000)), int(os.environ.get("DIM", 128))
    k, rounds = int(os.environ.get("K", 15)), int(os.environ.get("ROUNDS", 3))
    winnow = os.path.join(os.path.abspath(build), "winnow")
    try:
        import pynndescent  # noqa: F401
        with_peer = True
    except ImportError:
        print("bench: PyNNDescent is not there: ours alone", file=sys.stderr)
        with_peer = False
    lines = [f"{machine()}; {today()}. PyNNDescent with its defaults; of winnow the memory it "
             "allocated, files that are mapped aside; recall on 500 rows.", ""]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "blobs.npy")
        blobs(path, rows, dim)
        lines += bench("2,000 clusters", path, "l2", k, rounds, winnow, folder, with_peer)
        real = os.path.join(ROOT, "..", "shared", "data", "cifar10_256_f16.npy")
        if os.path.exists(real):
            lines += bench("CIFAR-10 features", real, "cosine", k, rounds, winnow, folder, with_peer)
    write_section("graph", lines[:-1])


main()
