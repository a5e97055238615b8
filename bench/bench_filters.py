#!/usr/bin/env python3
"""Filtered search: the way that winnow takes by itself, beside the exact scan of the matches and post-filtering.

    bench_filters.py BUILD [FOLDER]

ROWS=200000 ROUNDS=3 QUERIES=200 REUSE=1 change what is run: with REUSE indexes that lie in FOLDER (default: under
build/) are taken as they are. Rows are 128 float32 around 2000 normal centres with spread 0.8, each row with a record
of two whole numbers: `any` says nothing about where the row lies, `place` numbers the rows centre by centre. A filter
is `any < m` (uncorrelated) or `place < m` (whole clusters), asked by queries of the clusters let through (near) or by
those of clusters that are not (far).

One thread. A filter is prepared once; then queries come one at a time, a call each, or all in one call. Peers: a flat
index with the same filter, which is the exact scan of the matches, and the same index without a filter, asked for
growing k until K hits match. `ours` and post-filtering run at the least effort of a row of them that has the recall
(where none has: the best); a peer below the recall does not count as the better one. Times are processor time,
medians over the rounds; every round runs all ways in turn.
"""
import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np

from bench_hnsw import DIM, Hits, Ours, Query
from bench_tools import machine, today, write_section

K, TARGET = 10, 0.95
SHARES = (0.5, 0.1, 0.01, 0.001, 0.0001)
HOW = ("uncorrelated", "near", "far")
EFFORTS = {"hnsw": (10, 12, 14, 16, 20, 24, 32, 48, 64, 128, 256, 512), "ivf": (4, 8, 12, 16, 24, 32, 64, 128, 256)}
CENTERS = 2000


class Asking(Query):
    _fields_ = [("filter", ctypes.c_void_p)]


class Report(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in
                ("rows", "matching", "visited", "compared", "verified", "effort", "short_hits")] + \
               [("route", ctypes.c_char * 96)]


class Answer(Hits):
    _fields_ = [("distances", ctypes.c_void_p), ("counts", ctypes.c_void_p), ("report", Report)]


class Index(Ours):
    def __init__(self, build, path):
        super().__init__(build, path, 1)
        self.route = ""

    def filter(self, where):
        out = ctypes.c_void_p()
        self.check(self.lib.wn_filter_new(self.ctx, self.index, where.encode(), None, None, ctypes.byref(out)))
        return out

    def ask(self, queries, k, effort, allowed):
        """(n, k) ids."""
        pool, hits = ctypes.c_void_p(), ctypes.POINTER(Answer)()
        self.check(self.lib.wn_pool_wrap(self.ctx, ctypes.c_void_p(queries.ctypes.data),
                                         ctypes.c_int64(len(queries)), ctypes.c_int64(DIM), 0, 0,
                                         ctypes.byref(pool)))
        query = Asking(ctypes.sizeof(Asking), pool, k, effort, TARGET, None, None, None, allowed)
        self.check(self.lib.wn_index_search(self.ctx, self.index, ctypes.byref(query), ctypes.byref(hits)))
        ids = np.ctypeslib.as_array(hits.contents.indices, (len(queries), k)).copy()
        self.route = hits.contents.report.route.decode()
        self.lib.wn_hits_free(hits)
        self.lib.wn_pool_free(pool)
        return ids


def make_data(n, queries):
    """Rows, their two columns, and queries with the centre each is of."""
    rng = np.random.default_rng(1)
    centers = rng.standard_normal((CENTERS, DIM), dtype=np.float32)

    def around(of):
        return centers[of] + np.float32(0.8) * rng.standard_normal((len(of), DIM), dtype=np.float32)
    of = rng.integers(0, CENTERS, n)
    place = np.empty(n, np.int64)
    place[np.argsort(of, kind="stable")] = np.arange(n)
    any_ = rng.permutation(n)
    ends = np.cumsum(np.bincount(of, minlength=CENTERS))  # place of the first row behind each centre
    return around(of), any_, place, ends, lambda low, high: around(rng.integers(low, high, queries))


def post_filter(index, queries, effort, matches, share):
    """Ask without a filter for more and more until K match."""
    n, out = len(matches), np.full((len(queries), K), -1, np.int64)
    left, k = np.arange(len(queries)), min(n, int(1.2 * K / share) + K)
    while len(left):
        ids = index.ask(queries[left], k, max(effort, k), None)
        good = matches[np.maximum(ids, 0)] & (ids >= 0)
        enough = good.sum(1) >= K if k < n else np.full(len(left), True)
        for i in np.flatnonzero(enough):
            mine = ids[i][good[i]][:K]
            out[left[i], :len(mine)] = mine
        left, k = left[~enough], min(n, 4 * k)
    return out


def recall(ids, truth):
    wanted = (truth >= 0).sum()
    return sum(len(set(a) & (set(b) - {-1})) for a, b in zip(ids.tolist(), truth.tolist())) / max(wanted, 1)


def complete(ids, truth):
    return bool(((ids >= 0).sum(1) == (truth >= 0).sum(1)).all())


def one_by_one(ask, queries):
    return np.concatenate([ask(queries[i:i + 1]) for i in range(len(queries))])


def timed(ask, queries, single):
    ask(queries[:2])  # what others left in the caches is not counted
    start = time.process_time()
    ids = one_by_one(ask, queries) if single else ask(queries)
    return ids, (time.process_time() - start) / len(queries)


def settle(ask, efforts, queries, truth):
    """The least effort that has the recall, or the best there is."""
    best = None
    for effort in efforts:
        r = recall(ask(effort)(queries), truth)
        if best is None or r > best[1] + 1e-9:
            best = effort, r
        if r >= TARGET:
            break
    return best[0]


def cell(kind, index, flat, n, share, where, matches, queries, single, rounds):
    """Medians and recalls of the ways, the route, and whether all came that there are."""
    mine, exact = index.filter(where), flat.filter(where)
    truth = flat.ask(queries, K, 0, exact)

    def ours(effort):
        return lambda q: index.ask(q, K, effort, mine)

    def post(effort):
        return lambda q: post_filter(index, q, effort, matches, share)
    few = queries[:min(len(queries), 50)]
    slow = share < 0.05
    ways = {"ours": ours(settle(lambda e: ours(e) if not single else
                                lambda q: one_by_one(ours(e), q), EFFORTS[kind], queries, truth)),
            "exact": lambda q: flat.ask(q, K, 0, exact)}
    # Where nearly everything has to be fetched to find K matches, a few queries tell.
    sample = few if slow else queries
    ways["post"] = post(settle(post, EFFORTS[kind][-1:] if slow else EFFORTS[kind], sample, truth[:len(sample)]))
    took, found = {w: [] for w in ways}, {}
    for _ in range(rounds):
        for name, ask in ways.items():
            some = queries
            if name == "post":
                some = few[:5] if slow else queries
            elif name == "exact" and single:
                some = few
            ids, t = timed(ask, some, single)
            took[name].append(t)
            found[name] = recall(ids, truth[:len(some)])
            if name == "ours":
                whole, route = complete(ids, truth), index.route
    flat.lib.wn_filter_free(exact)
    index.lib.wn_filter_free(mine)
    middle = {w: statistics.median(t) for w, t in took.items()}
    # A peer that has not the recall is none.
    peers = [w for w in ("exact", "post") if found[w] >= min(TARGET, found["ours"]) - 0.005]
    best = statistics.median(min(took[w][i] for w in peers) / took["ours"][i] for i in range(rounds))
    over_post = statistics.median(p / o for o, p in zip(took["ours"], took["post"]))
    return middle, found, best, over_post, route, whole


def make_indexes(build, folder, rows, any_, place):
    np.save(os.path.join(folder, "rows.npy"), rows)
    table = os.path.join(folder, "rows.jsonl")
    with open(table, "w", encoding="utf-8") as f:
        for a, p in zip(any_.tolist(), place.tolist()):
            f.write(json.dumps({"any": a, "place": p}) + "\n")
    for kind in ("flat", "ivf", "hnsw"):
        path = os.path.join(folder, f"{kind}.wni")
        if os.environ.get("REUSE") == "1" and os.path.exists(path):
            continue
        shutil.rmtree(path, ignore_errors=True)
        subprocess.run([os.path.join(build, "winnow"), "index", kind, os.path.join(folder, "rows.npy"), "--table",
                        table, "-o", path, "--quiet"], check=True)


def main():
    build = sys.argv[1]
    folder = sys.argv[2] if len(sys.argv) > 2 else os.path.join(build, "bench-filters")
    n, rounds = int(os.environ.get("ROWS", 200_000)), int(os.environ.get("ROUNDS", 3))
    kinds = os.environ.get("KINDS", "hnsw ivf").split()
    os.makedirs(folder, exist_ok=True)
    rows, any_, place, ends, draw = make_data(n, int(os.environ.get("QUERIES", 200)))
    make_indexes(build, folder, rows, any_, place)
    flat = Index(build, os.path.join(folder, "flat.wni"))
    lines = [f"{machine()}, {today()}; {n:,} x {DIM}, one thread, processor time of a query; recall@10 in "
             "brackets where it is not 1.000."]
    for single in (True, False):
        lines += ["", "One query a call:" if single else "All queries in one call:", "",
                  "| index | filter | share | ours, µs | route | exact scan, µs | post-filter, µs | better peer / ours "
                  "| post-filter / ours |", "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
        for kind in kinds:
            index = Index(build, os.path.join(folder, f"{kind}.wni"))
            for how in HOW:
                for share in SHARES:
                    m = int(n * share)
                    column = any_ if how == "uncorrelated" else place
                    inside = int(np.searchsorted(ends, m, side="right")) + 1
                    queries = draw(*((0, CENTERS) if how == "uncorrelated" else
                                     (0, inside) if how == "near" else (CENTERS * 3 // 4, CENTERS)))
                    middle, found, best, over, route, whole = cell(
                        kind, index, flat, n, share, f"{'any' if how == 'uncorrelated' else 'place'} < {m}",
                        column < m, queries, single, rounds)

                    def text(way):
                        r = f" ({found[way]:.3f})" if found[way] < 0.9995 else ""
                        return f"{middle[way] * 1e6:,.0f}{r}"
                    route = route.replace(" of the matches", "").replace(", filtered", "").replace(kind, "walk" if
                                          kind == "hnsw" else "lists")
                    lines.append(f"| {kind} | {how} | {share * 100:g} % | {text('ours')} | {route} | {text('exact')} | "
                                 f"{text('post')} | {best:.2f} | {over:.1f} |" + ("" if whole else " NOT ALL HITS"))
                    print(lines[-1], flush=True)
    print("\n".join(lines))
    write_section("filters", lines)


if __name__ == "__main__":
    main()
