#!/usr/bin/env python3
"""k-means beside faiss: n=200,000 d=256 k=1024, 10 iterations, the same first centres, in turn.

    bench_kmeans.py BUILD
"""
import os
import statistics
import sys
import time

import faiss
import numpy as np

from bench_tools import Winnow, machine, today, write_section

ITERATIONS = 10


def main():
    build = os.path.abspath(sys.argv[1])
    n, d, k = (int(os.environ.get(name, default))
               for name, default in (("ROWS", 200000), ("DIM", 256), ("K", 1024)))
    rounds = max(3, int(os.environ.get("ROUNDS", 3)))
    rng = np.random.default_rng(7)
    x = rng.standard_normal((2000, d), dtype=np.float32)[rng.integers(0, 2000, n)]
    x += np.float32(0.8) * rng.standard_normal((n, d), dtype=np.float32)
    first = np.ascontiguousarray(x[rng.choice(n, k, replace=False)])
    ours = Winnow(build)
    faiss.omp_set_num_threads(ours.threads())

    def run_faiss():
        km = faiss.Kmeans(d, k, niter=ITERATIONS, max_points_per_centroid=n, min_points_per_centroid=1)
        km.train(x, init_centroids=first)
        return km.centroids

    def mean_distance(centers):
        """Mean squared distance to the nearest centre, by one judge for both."""
        index = faiss.IndexFlatL2(d)
        index.add(np.ascontiguousarray(centers))
        return float(index.search(x, 1)[0].astype(np.float64).mean())

    times = {"winnow": [], "faiss": []}
    quality, skipped = {}, 0.0
    for turn in range(rounds):
        begin = time.perf_counter()
        centers, report = ours.kmeans(x, first, ITERATIONS)
        middle = time.perf_counter()
        theirs = run_faiss()
        times["winnow"].append(middle - begin)
        times["faiss"].append(time.perf_counter() - middle)
        skipped = report.skipped_share
        if turn == 0:
            quality = {"winnow": mean_distance(centers), "faiss": mean_distance(theirs)}
        print(f"round {turn + 1}: winnow {times['winnow'][-1]:.2f} s, faiss {times['faiss'][-1]:.2f} s, "
              f"{report.iterations} iterations, {100 * skipped:.1f} % skipped", flush=True)
    ratio = statistics.median(w / f for w, f in zip(times["winnow"], times["faiss"]))
    off = abs(quality["winnow"] / quality["faiss"] - 1)
    lines = [f"k-means, n={n:,} d={d} k={k}, {ITERATIONS} iterations, the same first centres, {rounds} "
             f"rounds in turn. {machine()}, {ours.threads()} threads, {ours.isa()}; {today()}.", "",
             "| | median s | min – max | mean squared distance |", "| --- | --- | --- | --- |"]
    for name, label in (("winnow", "winnow"), ("faiss", f"faiss-cpu {faiss.__version__}")):
        t = times[name]
        lines.append(f"| {label} | {statistics.median(t):.2f} | {min(t):.2f} – {max(t):.2f} | "
                     f"{quality[name]:.3f} |")
    lines += ["", f"winnow takes {ratio:.2f} times as long as faiss (median of the rounds' ratios)."]
    print("\n".join(lines))
    if off > 0.005:
        sys.exit(f"bench: the mean squared distances differ by {100 * off:.2f} %: not the same work")
    write_section("kmeans", lines)


if __name__ == "__main__":
    main()
