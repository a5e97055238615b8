#!/usr/bin/env python3
"""`winnow index hnsw` beside hnswlib: queries a second at recall@10 = 0.95, on 1 and on 2 threads, and building.

    bench_hnsw.py BUILD [FOLDER]

ROWS=200000 ROUNDS=3 REUSE=1 change what is run: with REUSE indexes that lie in FOLDER (default: under build/) are
taken as they are. Rows are 128 float32 around 2000 normal centres with spread 0.8; M = 16, ef_construction =
200 for both. Per round every index answers all queries with a row of beam widths, in turn; queries a second at the
recall are interpolated between two of them, and a ratio compares two of the same round. Truth is an exact scan.
"""
import ctypes
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np

from bench_tools import machine, today, write_section

DIM, K, QUERIES, TARGET = 128, 10, 10_000, 0.95
EFFORTS = (10, 12, 14, 16, 18, 20, 24, 28, 34, 40, 60, 80)


class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("threads", ctypes.c_int32)]


class Query(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("queries", ctypes.c_void_p), ("k", ctypes.c_int64),
                ("effort", ctypes.c_int64), ("recall", ctypes.c_double), ("where", ctypes.c_char_p),
                ("window", ctypes.c_char_p), ("tenant", ctypes.c_char_p)]


class Hits(ctypes.Structure):
    _fields_ = [("ctx", ctypes.c_void_p), ("n", ctypes.c_int64), ("k", ctypes.c_int64),
                ("metric", ctypes.c_int), ("indices", ctypes.POINTER(ctypes.c_int64))]


def make_data(n):
    rng = np.random.default_rng(1)
    centers = rng.standard_normal((2000, DIM), dtype=np.float32)

    def rows(m):
        about = centers[rng.integers(0, len(centers), m)]
        return about + np.float32(0.8) * rng.standard_normal((m, DIM), dtype=np.float32)
    return rows(n), rows(QUERIES)


class Ours:
    def __init__(self, build, path, threads):
        self.lib = ctypes.CDLL(os.path.join(build, "libwinnow.so"))
        self.lib.wn_ctx_error.restype = ctypes.c_char_p
        self.ctx, self.index = ctypes.c_void_p(), ctypes.c_void_p()
        options = Options(ctypes.sizeof(Options), threads)
        self.check(self.lib.wn_ctx_new(ctypes.byref(options), ctypes.byref(self.ctx)))
        self.check(self.lib.wn_index_open(self.ctx, path.encode(), ctypes.byref(self.index)))

    def check(self, status):
        if status:
            raise SystemExit(f"winnow: {self.lib.wn_ctx_error(self.ctx).decode()}")

    def search(self, queries, effort):
        """(n, K) ids and seconds."""
        pool, hits = ctypes.c_void_p(), ctypes.POINTER(Hits)()
        self.check(self.lib.wn_pool_wrap(self.ctx, ctypes.c_void_p(queries.ctypes.data),
                                         ctypes.c_int64(len(queries)), ctypes.c_int64(DIM), 0, 0,
                                         ctypes.byref(pool)))
        query = Query(ctypes.sizeof(Query), pool, K, effort, 0.9, None, None, None)
        start = time.perf_counter()
        self.check(self.lib.wn_index_search(self.ctx, self.index, ctypes.byref(query), ctypes.byref(hits)))
        took = time.perf_counter() - start
        ids = np.ctypeslib.as_array(hits.contents.indices, (len(queries), K)).copy()
        self.lib.wn_hits_free(hits)
        self.lib.wn_pool_free(pool)
        return ids, took


class Peer:
    def __init__(self, path, threads):
        import hnswlib
        self.index = hnswlib.Index("l2", DIM)
        self.index.load_index(path)
        self.index.set_num_threads(threads)

    def search(self, queries, effort):
        self.index.set_ef(effort)
        start = time.perf_counter()
        ids, _ = self.index.knn_query(queries, K)
        return ids, time.perf_counter() - start


def cpu(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def build_ours(build, folder, code, threads):
    path = os.path.join(folder, f"{code}.wni")
    if os.environ.get("REUSE") == "1" and os.path.exists(path):
        return path, None
    shutil.rmtree(path, ignore_errors=True)
    start, used = time.perf_counter(), cpu(resource.RUSAGE_CHILDREN)
    subprocess.run([os.path.join(build, "winnow"), "index", "hnsw", os.path.join(folder, "rows.npy"), "--code",
                    code, "--threads", str(threads), "-o", path, "--quiet"], check=True)
    return path, (time.perf_counter() - start, cpu(resource.RUSAGE_CHILDREN) - used)


def build_peer(folder, rows, threads):
    import hnswlib
    path = os.path.join(folder, "hnswlib.bin")
    if os.environ.get("REUSE") == "1" and os.path.exists(path):
        return path, None
    index = hnswlib.Index("l2", DIM)
    index.set_num_threads(threads)
    index.init_index(len(rows), M=16, ef_construction=200)
    start, used = time.perf_counter(), cpu(resource.RUSAGE_SELF)
    index.add_items(rows)
    took = time.perf_counter() - start, cpu(resource.RUSAGE_SELF) - used
    index.save_index(path)
    return path, took


def recall(ids, truth):
    return float(np.mean([len(set(a) & set(b)) / K for a, b in zip(ids.tolist(), truth.tolist())]))


def speed(index, queries, recalls, name):
    """Queries a second at the target, between the two beams around it."""
    last = None
    for effort in EFFORTS:
        ids, took = index.search(queries, effort)
        if (name, effort) not in recalls:
            recalls[name, effort] = recall(ids, recalls["truth"])
        here = recalls[name, effort], len(queries) / took
        if here[0] >= TARGET:
            if last is None:
                return here[1]
            part = (TARGET - last[0]) / (here[0] - last[0])
            return last[1] + part * (here[1] - last[1])
        last = here
    raise SystemExit(f"{name}: recall {last[0]:.3f} at the widest beam")


def main():
    build = sys.argv[1]
    folder = sys.argv[2] if len(sys.argv) > 2 else os.path.join(build, "bench-hnsw")
    n, rounds = int(os.environ.get("ROWS", 200_000)), int(os.environ.get("ROUNDS", 3))
    threads = len(os.sched_getaffinity(0))
    os.makedirs(folder, exist_ok=True)
    rows, queries = make_data(n)
    np.save(os.path.join(folder, "rows.npy"), rows)
    try:
        import hnswlib  # noqa: F401
        peer = True
    except ImportError:
        peer = False
        print("hnswlib is not installed: measuring ours alone")

    paths, built = {}, {}
    subprocess.run([os.path.join(build, "winnow"), "index", "flat", os.path.join(folder, "rows.npy"), "-o",
                    os.path.join(folder, "flat.wni"), "--force", "--quiet"], check=True)
    recalls = {"truth": Ours(build, os.path.join(folder, "flat.wni"), threads).search(queries, 0)[0]}
    for code in ("f32", "i8"):
        paths[code], built[code] = build_ours(build, folder, code, threads)
    if peer:
        paths["hnswlib"], built["hnswlib"] = build_peer(folder, rows, threads)

    lines = [f"{machine()}, {today()}; {n:,} x {DIM}, M = 16, ef_construction = 200, recall@10 = {TARGET}.",
             "", "| | build, wall s | CPU s | " +
             " | ".join(f"queries/s, {t} thread{'s' * (t > 1)}" for t in (1, threads)) + " |",
             "| --- | --- | --- | --- | --- |"]
    found = {}
    for t in (1, threads):
        index = {c: Ours(build, paths[c], t) for c in ("f32", "i8")}
        if peer:
            index["hnswlib"] = Peer(paths["hnswlib"], t)
        for name in index:
            found[name, t] = []
        for _ in range(rounds):
            for name, i in index.items():
                found[name, t].append(speed(i, queries, recalls, name))

    def cell(name, t):
        value = statistics.median(found[name, t])
        if not peer or name == "hnswlib":
            return f"{value:,.0f}"
        ratio = statistics.median(a / b for a, b in zip(found[name, t], found["hnswlib", t]))
        return f"{value:,.0f} ({ratio:.1f}x)"
    for name in paths:
        took = ["–", "–"] if built[name] is None else [f"{x:.1f}" for x in built[name]]
        label = name if name == "hnswlib" else f"winnow, {name}"
        lines.append(f"| {label} | {took[0]} | {took[1]} | {cell(name, 1)} | {cell(name, threads)} |")
    print("\n".join(lines))
    write_section("hnsw", lines)


if __name__ == "__main__":
    main()
