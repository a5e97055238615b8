#!/usr/bin/env python3
"""Peak memory of `winnow curate` on a .npy file of 4 GB under --memory 1G.   bench_memory.py BUILD

GB=4 changes the size. The file is made under build/ and removed afterwards.
"""
import os
import shutil
import subprocess
import sys
import time

import numpy as np

from bench_tools import machine, today, write_section


def make(path, n, d):
    rng = np.random.default_rng(3)
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, d))
    centers = rng.standard_normal((500, d), dtype=np.float32)
    for at in range(0, n, 20000):
        end = min(n, at + 20000)
        rows[at:end] = centers[rng.integers(0, 500, end - at)]
        rows[at:end] += np.float32(0.7) * rng.standard_normal((end - at, d), dtype=np.float32)


def main():
    build = os.path.abspath(sys.argv[1])
    d = 1024
    n = int(float(os.environ.get("GB", 4)) * 1e9 / (4 * d))
    folder = os.path.join(build, "bench-memory")
    if shutil.disk_usage(build).free < 6 * n * d:
        print("bench: not enough disk space for the memory benchmark: skipped")
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    path, out = os.path.join(folder, "pool.npy"), os.path.join(folder, "out")
    # In a process of its own: a child's peak begins with that of the process that starts it.
    subprocess.run([sys.executable, __file__, "--make", path, str(n), str(d)], check=True)
    command = [os.path.join(build, "winnow"), "curate", path, "--size", "100000", "--k", "1000,100",
               "--max-iter", "5", "--resample-steps", "1", "--memory", "1G", "-o", out]
    begin = time.perf_counter()
    run = subprocess.Popen(command + ["--quiet"])
    _, status, use = os.wait4(run.pid, 0)
    seconds = time.perf_counter() - begin
    peak = use.ru_maxrss * 1024
    shutil.rmtree(folder, ignore_errors=True)
    if status:
        sys.exit("bench: curate failed")
    lines = [f"`winnow curate`, {n:,} rows of {d} float32 ({n * d * 4 / 1e9:.1f} GB), `--memory 1G --size "
             f"100000 --k 1000,100 --max-iter 5 --resample-steps 1`: peak memory of the process "
             f"**{peak / 1e9:.2f} GB** (mapped pages included), {seconds:.0f} s. {machine()}; {today()}."]
    print("\n".join(lines))
    write_section("memory", lines)


if __name__ == "__main__":
    if sys.argv[1] == "--make":
        make(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
