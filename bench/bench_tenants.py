#!/usr/bin/env python3
"""`winnow index tenants` beside one index per tenant: time of a query at recall@10 = 0.95, and memory.

    bench_tenants.py BUILD [FOLDER]

ROWS=200000 TENANTS=1000 ROUNDS=5 REUSE=1 change what is run: with REUSE indexes that lie in FOLDER (default: under
build/) are taken as they are. Rows are 128 float32 around 2000 normal centres with spread 0.8; tenants have Zipf sizes,
and 70 % of a tenant's rows lie around ten centres of its own, the others anywhere. Queries are rows of tenants that
were held out, as many as the rows of each (`by rows`), or as many of every tenant (`by tenant`). One query a call, one
thread; hnsw and ivf of every tenant are opened before, and the better one of the two is the peer. Efforts are one
for all tenants; times (of each query the median of the rounds) at the recall are interpolated between two of them.
Truth is an exact scan of the tenant's rows.
"""
import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bench_hnsw import Hits, Options, Query
from bench_tools import machine, today, write_section

DIM, K, QUERIES, TARGET = 128, 10, 2000, 0.95
EFFORTS = {"hnsw": (10, 12, 14, 17, 20, 25, 30, 40, 60, 100), "ivf": (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 90),
           "tenants": (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 90)}


class About(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("kind", ctypes.c_char_p), ("code", ctypes.c_char_p),
                ("metric", ctypes.c_int), ("rows", ctypes.c_int64), ("deleted", ctypes.c_int64),
                ("dim", ctypes.c_int64), ("next_id", ctypes.c_int64), ("segments", ctypes.c_int32),
                ("has_table", ctypes.c_int32), ("memory_bytes", ctypes.c_int64)]


def make_data(n, tenants):
    rng = np.random.default_rng(1)
    centers = rng.standard_normal((2000, DIM), dtype=np.float32)
    share = 1 / np.arange(1, tenants + 1)
    own = rng.integers(0, len(centers), (tenants, 10))

    def rows(of):
        m = len(of)
        at = np.where(rng.random(m) < 0.7, own[of, rng.integers(0, 10, m)], rng.integers(0, len(centers), m))
        return centers[at] + np.float32(0.8) * rng.standard_normal((m, DIM), dtype=np.float32)
    tenant = rng.choice(tenants, n, p=share / share.sum())
    sizes = np.bincount(tenant, minlength=tenants)
    asked = {"by rows": rng.choice(tenants, QUERIES, p=sizes / n),
             "by tenant": rng.choice(np.nonzero(sizes >= K)[0], QUERIES)}
    return rows(tenant), tenant, {name: (of, rows(of)) for name, of in asked.items()}


class Library:
    def __init__(self, build):
        self.lib = ctypes.CDLL(os.path.join(build, "libwinnow.so"))
        self.lib.wn_ctx_error.restype = ctypes.c_char_p
        self.ctx = ctypes.c_void_p()
        options = Options(ctypes.sizeof(Options), 1)
        self.check(self.lib.wn_ctx_new(ctypes.byref(options), ctypes.byref(self.ctx)))

    def check(self, status):
        if status:
            raise SystemExit(f"winnow: {self.lib.wn_ctx_error(self.ctx).decode()}")

    def open(self, path):
        index = ctypes.c_void_p()
        self.check(self.lib.wn_index_open(self.ctx, path.encode(), ctypes.byref(index)))
        return index

    def memory(self, index):
        about = About(ctypes.sizeof(About))
        self.lib.wn_index_describe(index, ctypes.byref(about))
        return about.memory_bytes

    def pools(self, rows):
        pools = []
        for i in range(len(rows)):
            pool = ctypes.c_void_p()
            self.check(self.lib.wn_pool_wrap(self.ctx, ctypes.c_void_p(rows[i].ctypes.data), ctypes.c_int64(1),
                                             ctypes.c_int64(DIM), 0, 0, ctypes.byref(pool)))
            pools.append(pool)
        return pools

    def search(self, indexes, pools, effort, names):
        """(n, K) ids and (n) seconds; names: tenants to ask for, None = none."""
        hits, search, free = ctypes.POINTER(Hits)(), self.lib.wn_index_search, self.lib.wn_hits_free
        queries = [Query(ctypes.sizeof(Query), p, K, effort, 0.9, None, None, n) for p, n in zip(pools, names)]
        calls = [(i, ctypes.byref(q)) for i, q in zip(indexes, queries)]
        out, at, took = np.full((len(pools), K), -1, np.int64), ctypes.byref(hits), np.zeros(len(pools))
        for i, (index, query) in enumerate(calls):
            start = time.perf_counter()
            status = search(self.ctx, index, query, at)
            took[i] = time.perf_counter() - start
            self.check(status)
            found = hits.contents
            out[i, :found.k] = found.indices[:found.k]
            free(hits)
        return out, took


def run(build, *args):
    subprocess.run([os.path.join(build, "winnow"), *args, "--quiet"], check=True)


def build_all(build, folder, rows, tenant, tenants):
    """Paths by kind; of the small ones a list. Their ids are places in `numbers`."""
    numbers = [np.nonzero(tenant == t)[0] for t in range(tenants)]
    done = os.path.join(folder, "done")
    paths = {"tenants": os.path.join(folder, "tenants.wni"), "shared": os.path.join(folder, "shared.wni")}
    for kind in ("hnsw", "ivf"):
        paths[kind] = [os.path.join(folder, kind, f"{t}.wni") for t in range(tenants)]
    if os.environ.get("REUSE") == "1" and os.path.exists(done):
        return paths, numbers, None
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    np.save(os.path.join(folder, "rows.npy"), rows)
    with open(os.path.join(folder, "rows.jsonl"), "w", encoding="utf-8") as f:
        for t in tenant:
            f.write(json.dumps({"user": f"user {t}"}) + "\n")
    used = {}

    def seconds(name, work):
        start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        work()
        used[name] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - start
    pool, table = os.path.join(folder, "rows.npy"), os.path.join(folder, "rows.jsonl")
    seconds("tenants", lambda: run(build, "index", "tenants", pool, "--table", table, "--tenant-column", "user", "-o",
                                   paths["tenants"]))
    seconds("shared", lambda: run(build, "index", "ivf", pool, "-o", paths["shared"]))
    for kind in ("hnsw", "ivf"):
        os.makedirs(os.path.join(folder, kind))

        def small(t, kind=kind):
            if len(numbers[t]):
                part = os.path.join(folder, kind, f"{t}.npy")
                np.save(part, rows[numbers[t]])
                run(build, "index", kind, part, "-o", paths[kind][t], "--threads", "1")
                os.unlink(part)

        def every(small=small):
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(small, range(tenants)))
        seconds(kind, every)
    with open(done, "w", encoding="utf-8") as f:
        f.write("1")
    return paths, numbers, used


def truth_of(rows, numbers, of, queries):
    out = np.full((len(of), K), -1, np.int64)
    for i, t in enumerate(of):
        near = ((rows[numbers[t]] - queries[i]) ** 2).sum(1)
        best = np.argsort(near, kind="stable")[:K]
        out[i, :len(best)] = numbers[t][best]
    return out


def recall(ids, truth):
    return float(np.mean([len(set(a[a >= 0]) & set(b[b >= 0])) / max((b >= 0).sum(), 1)
                          for a, b in zip(ids, truth)]))


def time_at_target(recalls, times):
    """Microseconds of a query at the target, between the two efforts around it: recall and time of each effort."""
    last = None
    for here in zip(recalls, times):
        if here[0] >= TARGET:
            if last is None:
                return here[1]
            return last[1] + (TARGET - last[0]) / (here[0] - last[0]) * (here[1] - last[1])
        last = here
    raise SystemExit(f"recall {last[0]:.3f} at the largest effort")


def main():
    build = sys.argv[1]
    folder = sys.argv[2] if len(sys.argv) > 2 else os.path.join(build, "bench-tenants")
    n, tenants = int(os.environ.get("ROWS", 200_000)), int(os.environ.get("TENANTS", 1000))
    rounds = int(os.environ.get("ROUNDS", 5))
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    rows, tenant, asked = make_data(n, tenants)
    paths, numbers, used = build_all(build, folder, rows, tenant, tenants)
    lib = Library(build)
    one = lib.open(paths["tenants"])
    memory = {"tenants": lib.memory(one), "shared": lib.memory(lib.open(paths["shared"]))}
    small = {}
    for kind in ("hnsw", "ivf"):
        small[kind] = [lib.open(p) if len(numbers[t]) else None for t, p in enumerate(paths[kind])]
        memory[kind] = sum(lib.memory(i) for i in small[kind] if i)
    found = {}
    for name, (of, queries) in asked.items():
        truth, pools = truth_of(rows, numbers, of, queries), lib.pools(queries)
        names = [f"user {t}".encode() for t in of]

        def search(kind, effort, of=of, pools=pools, names=names):
            if kind == "tenants":
                return lib.search([one] * len(of), pools, effort, names)
            ids, took = lib.search([small[kind][t] for t in of], pools, effort, [None] * len(of))
            return np.array([np.where(r >= 0, numbers[t][r], -1) for r, t in zip(ids, of)]), took
        took = {kind: [[] for _ in efforts] for kind, efforts in EFFORTS.items()}
        recalls = {kind: [0.0] * len(efforts) for kind, efforts in EFFORTS.items()}
        for turn in range(rounds):
            for kind, efforts in EFFORTS.items():
                for i, effort in enumerate(efforts):
                    ids, times = search(kind, effort)
                    took[kind][i].append(times)
                    if turn == 0:
                        recalls[kind][i] = recall(ids, truth)
                    if recalls[kind][i] >= TARGET:
                        break
        for kind in EFFORTS:  # the median of the rounds, query by query
            times = [1e6 * np.median(t, 0).mean() for t in took[kind] if t]
            found[name, kind] = time_at_target(recalls[kind], times)
    lines = [f"{machine()}, {today()}; {n:,} x {DIM}, {tenants:,} tenants of Zipf sizes (the largest has "
             f"{max(map(len, numbers)):,} rows), recall@10 = {TARGET}, one query a call, one thread.", "",
             "| | µs a query, by rows | by tenant | memory, MB | CPU s to make |", "| --- | --- | --- | --- | --- |"]
    best = {name: min(("hnsw", "ivf"), key=lambda kind: found[name, kind]) for name in asked}

    def cell(name, kind):
        ratio = f" ({found[name, kind] / found[name, best[name]]:.2f}x {best[name]})" if kind == "tenants" else ""
        return f"{found[name, kind]:.1f}{ratio}"
    labels = {"tenants": "index tenants", "hnsw": "an index hnsw per tenant", "ivf": "an index ivf per tenant",
              "shared": "one index ivf for all, no tenants"}
    for kind, label in labels.items():
        times = [cell(name, kind) if kind != "shared" else "–" for name in asked]
        size = f"{memory[kind] / 1e6:.1f}" + (f" ({memory[kind] / memory['shared']:.2f}x)" if kind == "tenants" else "")
        lines.append(f"| {label} | {times[0]} | {times[1]} | {size} | {f'{used[kind]:.1f}' if used else '–'} |")
    print("\n".join(lines))
    write_section("tenants", lines)


if __name__ == "__main__":
    main()
