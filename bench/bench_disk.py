#!/usr/bin/env python3
"""`winnow index disk`: time and memory of building, recall and time of single queries from a cold disk.

    bench_disk.py BUILD [FOLDER]

ROWS=1000000 QUERIES=200 MEMORY=1G PARAMS="--per-center 32" change what is run. Rows (128 float32) come from 2000
clusters with the spectrum of embeddings, in blocks by seed; FOLDER (default: under build/) needs 6 times their size
and is removed, but for KEEP=1; REUSE=1 searches the index that such a run left there. Before each query the pages of
the index are dropped from memory (posix_fadvise), so that every list comes from the disk. Truth is an exact scan in
float32.
"""
import ctypes
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np

from bench_tools import machine, today, write_section

DIM, K, BLOCK = 128, 10, 100_000


class Mixture:
    def __init__(self):
        rng = np.random.default_rng(7)
        self.spread = ((np.arange(DIM) + 4.0) ** -0.75).astype(np.float32)
        self.turn = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0].astype(np.float32)
        self.centers = rng.standard_normal((2000, DIM)).astype(np.float32) * self.spread

    def rows(self, block, n):
        rng = np.random.default_rng((11, block))
        x = rng.standard_normal((n, DIM), dtype=np.float32) * (np.float32(0.6) * self.spread)
        x += self.centers[rng.integers(0, len(self.centers), n)]
        return x @ self.turn


def make(folder, n, n_queries):
    """rows.npy, queries.npy and the distances of the K nearest rows of each query."""
    mixture = Mixture()
    queries = mixture.rows(10**6, n_queries)
    norms = np.einsum("ij,ij->i", queries, queries)
    best = np.full((n_queries, K), np.inf, np.float32)
    rows = np.lib.format.open_memmap(os.path.join(folder, "rows.npy"), mode="w+", dtype=np.float32,
                                     shape=(n, DIM))
    for block, at in enumerate(range(0, n, BLOCK)):
        x = mixture.rows(block, min(BLOCK, n - at))
        rows[at:at + len(x)] = x
        keys = norms[:, None] + np.einsum("ij,ij->i", x, x)[None] - 2 * queries @ x.T
        near = np.argpartition(keys, K, axis=1)[:, :K]
        exact = ((x[near] - queries[:, None]) ** 2).sum(-1)
        best = np.sort(np.concatenate([best, exact], axis=1), axis=1)[:, :K]
    np.save(os.path.join(folder, "queries.npy"), queries)
    np.save(os.path.join(folder, "truth.npy"), np.sqrt(best))


class Query(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("queries", ctypes.c_void_p), ("k", ctypes.c_int64),
                ("effort", ctypes.c_int64), ("recall", ctypes.c_double), ("where", ctypes.c_char_p),
                ("window", ctypes.c_char_p), ("tenant", ctypes.c_char_p)]


class SearchReport(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("rows", "matching", "visited", "compared", "verified",
                                                    "effort", "short_hits")]


class Hits(ctypes.Structure):
    _fields_ = [("ctx", ctypes.c_void_p), ("n", ctypes.c_int64), ("k", ctypes.c_int64),
                ("metric", ctypes.c_int), ("indices", ctypes.POINTER(ctypes.c_int64)),
                ("distances", ctypes.POINTER(ctypes.c_float)), ("counts", ctypes.POINTER(ctypes.c_int64)),
                ("report", SearchReport)]


def drop(folder):
    for name in os.listdir(folder):
        fd = os.open(os.path.join(folder, name), os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def search(build, folder):
    """In a process of its own: one query at a time, cold; prints what it measured as JSON."""
    lib = ctypes.CDLL(os.path.join(build, "libwinnow.so"))
    lib.wn_ctx_error.restype = ctypes.c_char_p
    ctx, index = ctypes.c_void_p(), ctypes.c_void_p()
    queries = np.load(os.path.join(folder, "queries.npy"))
    truth = np.load(os.path.join(folder, "truth.npy"))

    def check(status):
        if status:
            sys.exit("bench: " + lib.wn_ctx_error(ctx).decode())

    check(lib.wn_ctx_new(None, ctypes.byref(ctx)))
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check(lib.wn_index_open(ctx, os.path.join(folder, "index").encode(), ctypes.byref(index)))
    lines = []
    for effort in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48):
        times, cpu, good, lists, rows = [], 0, 0, 0, 0
        for q in range(len(queries)):
            pool, hits = ctypes.c_void_p(), ctypes.POINTER(Hits)()
            drop(os.path.join(folder, "index", "s1"))
            busy, started = time.process_time(), time.perf_counter()
            check(lib.wn_pool_wrap(ctx, queries[q:q + 1].ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(1),
                                   ctypes.c_int64(DIM), 0, 0, ctypes.byref(pool)))
            query = Query(struct_size=ctypes.sizeof(Query), queries=pool, k=K, effort=effort, recall=1.0)
            check(lib.wn_index_search(ctx, index, ctypes.byref(query), ctypes.byref(hits)))
            times.append(time.perf_counter() - started)
            cpu += time.process_time() - busy
            found = np.array(hits.contents.distances[:K])
            good += int((found <= truth[q, -1] * 1.00001).sum())
            lists += hits.contents.report.visited
            rows += hits.contents.report.compared
            lib.wn_hits_free(hits)
            lib.wn_pool_free(pool)
        n = len(queries)
        lines.append({"effort": effort, "recall": good / (K * n), "ms": 1e3 * statistics.median(times),
                      "ms_p95": 1e3 * sorted(times)[int(0.95 * n)], "ms_p99": 1e3 * sorted(times)[int(0.99 * n)],
                      "cpu": 1e3 * cpu / n,
                      "lists": lists / n, "rows": rows / n})
        if lines[-1]["recall"] > 0.98:
            break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"marks": lines, "grown": (peak - begin) * 1024, "peak": peak * 1024}))


def child(*args):
    run = subprocess.run([sys.executable, __file__, *args], check=True, stdout=subprocess.PIPE, text=True)
    return run.stdout


def build_index(build, folder, n, n_queries, memory, params):
    raw = n * DIM * 4
    if shutil.disk_usage(folder).free < 6 * raw:
        print("bench: not enough disk space for the disk index: skipped")
        sys.exit(0)
    shutil.rmtree(os.path.join(folder, "index"), ignore_errors=True)
    child("--make", folder, str(n), str(n_queries))
    command = [os.path.join(build, "winnow"), "index", "disk", os.path.join(folder, "rows.npy"), "--memory", memory,
               "-o", os.path.join(folder, "index"), "--quiet", *params]
    if subprocess.run(command).returncode:
        sys.exit("bench: the index was not made")


def main():
    build = os.path.abspath(sys.argv[1])
    folder = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else os.path.join(build, "bench-disk")
    reuse = os.environ.get("REUSE") == "1"
    if not os.path.exists(os.path.join(build, "libwinnow.so")):
        sys.exit(f"bench: {build} has no libwinnow.so: ninja -C {build} libwinnow.so")
    os.makedirs(folder, exist_ok=True)
    if not reuse:
        build_index(build, folder, int(os.environ.get("ROWS", 1_000_000)), int(os.environ.get("QUERIES", 200)),
                    os.environ.get("MEMORY", "1G"), os.environ.get("PARAMS", "").split())
    with open(os.path.join(folder, "index", "manifest.json"), encoding="utf-8") as f:
        made = json.load(f)
    counts, raw = made["counts"], made["counts"]["rows"] * DIM * 4
    params = {k: v for k, v in made["params"].items() if k in ("code", "copies", "per_center", "closure", "prune")}
    found = json.loads(child("--search", build, folder))
    n_queries = len(np.load(os.path.join(folder, "queries.npy"), mmap_mode="r"))
    if not reuse and os.environ.get("KEEP") != "1":
        shutil.rmtree(folder, ignore_errors=True)
    lines = [f"`winnow index disk`, {counts['rows']:,} rows of {DIM} float32 ({raw / 1e9:.2f} GB), "
             f"{', '.join(f'{k} {v}' for k, v in params.items())}, memory budget {made['memory_bytes'] / 1e9:.2f} GB: "
             f"made in {made['seconds']:.0f} s ({made['cpu_seconds']:.0f} s of CPU), "
             f"{made['peak_allocated_bytes'] / 1e9:.2f} GB allocated at most, peak of the process "
             f"{made['peak_rss_bytes'] / 1e9:.2f} GB with mapped pages. "
             f"{counts['centers']:,} centres, {counts['lists_per_row']:.2f} lists a row, "
             f"{counts['bytes_of_lists'] / 1e9:.2f} GB of lists. Searching takes {found['grown'] / 1e6:.0f} MB of "
             f"memory, {found['grown'] / raw:.3f} of the rows (the process with Python {found['peak'] / 1e6:.0f} MB). "
             f"{n_queries} single queries, one at a time, pages of the index dropped before each. {machine()}; "
             f"{today()}.",
             "", "| effort | recall@10 | median ms | 95 % ms | 99 % ms | CPU ms | lists | rows compared |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for m in found["marks"]:
        lines.append(f"| {m['effort']} | {m['recall']:.3f} | {m['ms']:.2f} | {m['ms_p95']:.2f} | {m['ms_p99']:.2f} | "
                     f"{m['cpu']:.2f} | {m['lists']:.1f} | {m['rows']:.0f} |")
    print("\n".join(lines))
    write_section("disk", lines)


if __name__ == "__main__":
    if sys.argv[1] == "--make":
        make(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1] == "--search":
        search(sys.argv[2], sys.argv[3])
    else:
        main()
