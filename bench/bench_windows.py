#!/usr/bin/env python3
"""`winnow index window` beside the two ways without it, at equal recall, one query at a time on one thread.

    bench_windows.py BUILD [FOLDER]

ROWS=200000 QUERIES=200 ROUNDS=3 REUSE=1 change what is run: with REUSE indexes that lie in FOLDER (default: under
build/) are taken as they are. Rows are 128 float32 around 2000 normal centres with spread 0.8; a column holds a
random permutation, so what lies in a window is a random part of the rows. Windows: both ends uniform, and of
fixed share at uniform places, another one for every query.

pre-filter: exact scan of the matches, which lie in one run in the order of the column (the scan of the index
window itself; no bitmap, no gather). post-filter: `index hnsw` is asked for c k / share rows, of which those
outside of the window are dropped; c is the smallest of a row of factors that reaches the recall, as is the
effort of the index window. Its filter is made anew for every query and its time counts; dropping rows does not.
Times are processor time of the thread, the least of the rounds for each query, as other work runs beside.
"""
import ctypes
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np

from bench_hnsw import DIM, K, Options, make_data
from bench_tools import machine, today, write_section

TARGET = 0.95
EFFORTS = (10, 12, 14, 17, 20, 24, 30, 40, 50, 60, 80, 100, 140)
FACTORS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 6, 8, 12)
SCAN = 1 << 20  # an effort for which everything is scanned


class Query(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("queries", ctypes.c_void_p), ("k", ctypes.c_int64),
                ("effort", ctypes.c_int64), ("recall", ctypes.c_double), ("where", ctypes.c_char_p),
                ("window", ctypes.c_char_p), ("tenant", ctypes.c_char_p), ("filter", ctypes.c_void_p)]


class Hits(ctypes.Structure):
    _fields_ = [("ctx", ctypes.c_void_p), ("n", ctypes.c_int64), ("k", ctypes.c_int64),
                ("metric", ctypes.c_int), ("indices", ctypes.POINTER(ctypes.c_int64))]


class Index:
    def __init__(self, build, path, queries):
        self.lib = ctypes.CDLL(os.path.join(build, "libwinnow.so"))
        self.lib.wn_ctx_error.restype = ctypes.c_char_p
        self.ctx, self.index = ctypes.c_void_p(), ctypes.c_void_p()
        options = Options(ctypes.sizeof(Options), 1)
        self.check(self.lib.wn_ctx_new(ctypes.byref(options), ctypes.byref(self.ctx)))
        self.check(self.lib.wn_index_open(self.ctx, path.encode(), ctypes.byref(self.index)))
        self.pools = []
        for i in range(len(queries)):
            pool = ctypes.c_void_p()
            self.check(self.lib.wn_pool_wrap(self.ctx, ctypes.c_void_p(queries[i:i + 1].ctypes.data),
                                             ctypes.c_int64(1), ctypes.c_int64(DIM), 0, 0,
                                             ctypes.byref(pool)))
            self.pools.append(pool)

    def check(self, status):
        if status:
            raise SystemExit(f"winnow: {self.lib.wn_ctx_error(self.ctx).decode()}")

    def search(self, i, k, effort, window=None):
        """Ids and seconds."""
        query = Query(ctypes.sizeof(Query), self.pools[i], k, effort, 1, None, None, None, None)
        made, hits = ctypes.c_void_p(), ctypes.POINTER(Hits)()
        start = time.thread_time()
        if window:
            self.check(self.lib.wn_filter_new(self.ctx, self.index, None, window, None, ctypes.byref(made)))
            query.filter = made
        self.check(self.lib.wn_index_search(self.ctx, self.index, ctypes.byref(query), ctypes.byref(hits)))
        took = time.thread_time() - start
        ids = np.ctypeslib.as_array(hits.contents.indices, (k,)).copy()
        self.lib.wn_hits_free(hits)
        if window:
            self.lib.wn_filter_free(made)
        return ids, took


def build_index(build, folder, kind, options):
    path = os.path.join(folder, f"{kind}.wni")
    if os.environ.get("REUSE") == "1" and os.path.exists(path):
        return path, None
    shutil.rmtree(path, ignore_errors=True)
    start = time.perf_counter()
    subprocess.run([os.path.join(build, "winnow"), "index", kind, os.path.join(folder, "rows.npy"), "-o", path,
                    "--quiet"] + options, check=True)
    return path, time.perf_counter() - start


def bytes_of(path):
    return sum(os.path.getsize(os.path.join(base, f)) for base, _, files in os.walk(path) for f in files)


class Ways:
    """The three ways to answer query i in window i."""

    def __init__(self, windowed, plain, column, n):
        self.windowed, self.plain, self.column, self.n = windowed, plain, column, n

    def ours(self, i, window, effort):
        low, high = window
        return self.windowed.search(i, K, effort, f"ts:{low}:{high - 1}".encode())

    def scanned(self, i, window, _):
        return self.ours(i, window, SCAN)

    def dropped(self, i, window, factor):
        low, high = window
        k = min(int(np.ceil(factor * K * self.n / (high - low))), self.n)
        ids, took = self.plain.search(i, k, k)
        at = self.column[ids]
        return ids[(at >= low) & (at < high)][:K], took


def answers(way, windows, setting):
    found = [way(i, w, setting) for i, w in enumerate(windows)]
    return [ids for ids, _ in found], np.array([took for _, took in found])


def recall(found, truth):
    return float(np.mean([len(set(a.tolist()) & set(b.tolist())) / len(b) for a, b in zip(found, truth)]))


def least(way, windows, settings, truth):
    """The smallest setting that reaches the recall, and what it reaches."""
    for s in settings:
        reached = recall(answers(way, windows, s)[0], truth)
        if reached >= TARGET:
            break
    return s, reached


def draw(n, share, count, rng):
    if share:
        rows = max(int(n * share), K)
        return [(int(a), int(a) + rows) for a in rng.integers(0, n - rows + 1, count)]
    ends = np.sort(rng.integers(0, n + 1, (count, 2)), 1)
    return [(int(min(a, n - K)), int(min(max(b, a + K), n))) for a, b in ends]


def main():
    build = os.path.abspath(sys.argv[1])
    folder = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else os.path.join(build, "bench-windows")
    n, count = int(os.environ.get("ROWS", "200000")), int(os.environ.get("QUERIES", "200"))
    rounds = int(os.environ.get("ROUNDS", "3"))
    os.makedirs(folder, exist_ok=True)
    rows, queries = make_data(n)
    queries = np.ascontiguousarray(queries[:count])
    column = np.random.default_rng(7).permutation(n)
    np.save(os.path.join(folder, "rows.npy"), rows)
    table = os.path.join(folder, "table.jsonl")
    with open(table, "w", encoding="utf-8") as f:
        f.writelines(json.dumps({"ts": int(t)}) + "\n" for t in column)
    path, took = build_index(build, folder, "window", ["--table", table, "--column", "ts"])
    plain, plain_took = build_index(build, folder, "hnsw", [])
    lines = [f"{machine()}, {today()}: {n:,} x {DIM}, recall@{K} >= {TARGET}, {count} queries one by one, 1 thread, "
             f"least of {rounds} rounds.", ""]
    lines.append(f"Indexes: window {bytes_of(path) / n:.0f} bytes a row" + (f", {took:.0f} s" if took else "") +
                 f"; hnsw {bytes_of(plain) / n:.0f} bytes a row" + (f", {plain_took:.0f} s" if plain_took else "") +
                 ".")
    lines += ["", "| window | ours, recall | queries/s | pre-filter | post-filter, recall | queries/s | "
              "to the better | to the better of each query |", "| --- " * 8 + "|"]
    order = np.argsort(column, kind="stable")
    run = rows[order]
    norms = (run ** 2).sum(1)
    ways = Ways(Index(build, path, queries), Index(build, plain, queries), column, n)
    rng = np.random.default_rng(11)
    for share in (None, 0.5, 0.1, 0.01, 0.001):
        windows = draw(n, share, count, rng)
        truth = []
        for q, (a, b) in zip(queries, windows):
            far = norms[a:b] - 2 * run[a:b] @ q
            truth.append(order[a + np.argpartition(far, K - 1)[:K]])
        effort, ours_recall = least(ways.ours, windows, EFFORTS, truth)
        factor, post_recall = least(ways.dropped, windows, FACTORS, truth)
        times = np.full((3, count), np.inf)
        for _ in range(rounds):
            for first in range(0, count, 10):  # in turn, ten queries at a time
                for way, (answer, setting) in enumerate(((ways.ours, effort), (ways.scanned, None),
                                                         (ways.dropped, factor))):
                    for i in range(first, min(first + 10, count)):
                        i = (i + way * count // 3) % count  # no way finds what another has just read
                        times[way, i] = min(times[way, i], answer(i, windows[i], setting)[1])
        ours, pre, post = times
        better = min(pre.sum(), post.sum()) / ours.sum()
        each = np.minimum(pre, post).sum() / ours.sum()
        lines.append(f"| {'both ends uniform' if not share else f'{share:.1%}'} | {ours_recall:.3f} | "
                     f"{count / ours.sum():,.0f} | {count / pre.sum():,.0f} | {post_recall:.3f} | "
                     f"{count / post.sum():,.0f} | {better:.1f} | {each:.1f} |")
        print(lines[-1], f"effort {effort}, factor {factor}", flush=True)
    print("\n".join(lines))
    write_section("windows", lines)


if __name__ == "__main__":
    main()
