#!/usr/bin/env python3
"""Facility location on a graph of neighbours beside apricot, and selection of 10,000,000 rows by scores.

    bench_select.py BUILD
"""
import os
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from bench_tools import machine, today, write_section

NEAR = 15  # neighbours of a row


def make_graph(folder, n):
    """The exact neighbours of n rows in 3 dimensions, in the form of `winnow graph`; rows of equal place differ."""
    rng = np.random.default_rng(1)
    centers = 4 * rng.standard_normal((2000, 3))
    x = centers[(rng.random(n) ** 2 * 2000).astype(int)] + 0.5 * rng.standard_normal((n, 3))
    distance, index = cKDTree(x).query(x, NEAR + 1, workers=2)
    other = index != np.arange(n)[:, None]
    other[other.all(1), -1] = False
    index = index[other].reshape(n, NEAR).astype(np.int64)
    distance = distance[other].reshape(n, NEAR).astype(np.float32)
    order = np.lexsort((index, distance), axis=1)
    os.makedirs(folder)
    np.save(os.path.join(folder, "indptr.npy"), np.arange(0, n * NEAR + 1, NEAR, dtype=np.int64))
    np.save(os.path.join(folder, "indices.npy"), np.take_along_axis(index, order, 1).reshape(-1))
    np.save(os.path.join(folder, "distances.npy"), np.take_along_axis(distance, order, 1).reshape(-1))
    with open(os.path.join(folder, "metric.txt"), "w", encoding="utf-8") as f:
        f.write("l2\n")


def similarities(folder):
    """The symmetric matrix that the page of select stratified describes, as scipy CSR."""
    indptr, indices, distances = (np.load(os.path.join(folder, name + ".npy"))
                                  for name in ("indptr", "indices", "distances"))
    n = len(indptr) - 1
    mean = distances.astype(np.float64).mean()
    s = csr_matrix((mean / (mean + distances.astype(np.float64)), indices, indptr), (n, n))
    s = s.maximum(s.T).tolil()
    s.setdiag(1)
    return s.tocsr()


def value(s, rows):
    """Facility location of a selection: sum over all rows of the highest similarity to a row of it."""
    return float(s[:, rows].max(1).toarray().sum())


def run(build, out, *arguments):
    """Seconds and peak bytes of `winnow select stratified`, the whole process."""
    shutil.rmtree(out, ignore_errors=True)
    begin = time.perf_counter()
    process = subprocess.Popen([os.path.join(build, "winnow"), "select", "stratified", *arguments,
                                "--threads", "2", "-o", out, "--quiet"])
    _, status, use = os.wait4(process.pid, 0)
    if status:
        sys.exit("bench: select failed")
    return time.perf_counter() - begin, use.ru_maxrss * 1024


def beside_apricot(build, folder):
    n, size = int(os.environ.get("SMALL", 20000)), 1000
    graph, out = os.path.join(folder, "small"), os.path.join(folder, "out")
    make_graph(graph, n)
    s = similarities(graph)
    times = {"winnow": [], "apricot": []}
    rows = {}
    try:
        from apricot import FacilityLocationSelection
    except ImportError:
        print("bench: apricot-select is not there: ours alone")
        FacilityLocationSelection = None

    def theirs(count):
        return FacilityLocationSelection(count, metric="precomputed", optimizer="lazy").fit(s).ranking

    if FacilityLocationSelection:
        theirs(2)  # what numba compiles is not counted
    for turn in range(3):
        times["winnow"].append(run(build, out, "--graph", graph, "--pick", "facility-location",
                                   "--size", str(size))[0])
        rows["winnow"] = np.load(os.path.join(out, "rows.npy"))
        if FacilityLocationSelection:
            begin = time.perf_counter()
            rows["apricot"] = np.sort(theirs(size))
            times["apricot"].append(time.perf_counter() - begin)
        print(f"round {turn + 1}: " + ", ".join(f"{who} {t[-1]:.2f} s" for who, t in times.items() if t),
              flush=True)
    lines = [f"Facility location, {size:,} of {n:,} rows on the graph of {NEAR} neighbours, 3 rounds in turn; "
             f"winnow: the whole process, files and reasons included; apricot: lazy greedy on the same "
             f"similarities as a sparse matrix, `fit` alone. {machine()}; {today()}.", "",
             "| | median s | value reached |", "| --- | --- | --- |"]
    for who, name in (("winnow", "winnow"), ("apricot", "apricot-select")):
        if times[who]:
            lines.append(f"| {name} | {statistics.median(times[who]):.3f} | {value(s, rows[who]):,.1f} |")
    if times["apricot"]:
        ratio = statistics.median(a / w for a, w in zip(times["apricot"], times["winnow"]))
        lines += ["", f"winnow is {ratio:.0f} times as fast (median of the rounds' ratios)."]
    return lines


def apart(build, what):
    """Makes inputs in a process of its own: a child's peak memory begins with that of the process that
    starts it."""
    subprocess.run([sys.executable, __file__, build, what], check=True)


def make_scores(folder):
    n = 10000000
    rng = np.random.default_rng(2)
    np.save(os.path.join(folder, "scores.npy"), rng.standard_normal(n, dtype=np.float32))
    np.save(os.path.join(folder, "groups.npy"), (rng.random(n) ** 2 * 1000).astype(np.int32))


def large(build, folder):
    lines = ["", f"10,000 of 1,000,000 rows on the graph of {NEAR} neighbours, the whole process, 2 threads:", "",
             "| pick | s | peak memory MB |", "| --- | --- | --- |"]
    apart(build, "--graph")
    for pick in ("facility-location", "graph-cut"):
        seconds, peak = run(build, os.path.join(folder, "out"), "--graph", os.path.join(folder, "large"),
                            "--pick", pick, "--size", "10000")
        lines.append(f"| {pick} | {seconds:.1f} | {peak / 1e6:.0f} |")
    return lines


def by_scores(build, folder):
    lines = ["1,000,000 of 10,000,000 rows, `--scores` float32 and `--groups` int32 in 1,000 groups, the whole "
             f"process with all files written, 2 threads. {machine()}; {today()}.", "",
             "| | s | peak memory MB |", "| --- | --- | --- |"]
    apart(build, "--scores")
    for name, flags in (("`--pick top --allocate equal`", ["--pick", "top", "--allocate", "equal"]),
                        ("`--pick bottom`", ["--pick", "bottom"]),
                        ("`--pick band`", ["--pick", "band"]),
                        ("`--pick top --random-share 0.2`", ["--pick", "top", "--random-share", "0.2"])):
        seconds, peak = run(build, os.path.join(folder, "out"), "--scores", os.path.join(folder, "scores.npy"),
                            "--groups", os.path.join(folder, "groups.npy"), "--size", "1000000", *flags)
        lines.append(f"| {name} | {seconds:.2f} | {peak / 1e6:.0f} |")
    return lines


def main():
    build = os.path.abspath(sys.argv[1])
    folder = os.path.join(build, "bench-select")
    if sys.argv[2:] == ["--graph"]:
        make_graph(os.path.join(folder, "large"), 1000000)
        return
    if sys.argv[2:] == ["--scores"]:
        make_scores(folder)
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    score_lines = by_scores(build, folder)
    more = large(build, folder)
    graph_lines = beside_apricot(build, folder) + more
    shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(graph_lines + [""] + score_lines))
    write_section("select-graph", graph_lines)
    write_section("select-scores", score_lines)


if __name__ == "__main__":
    main()
