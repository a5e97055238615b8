"""The kernels that the peers' BLAS takes. OpenBLAS goes by the name of the processor, and for some with AVX-512 it
takes kernels for AVX2. Peers run with what is fastest here; the sides "... installed" as they come."""
import json
import os
import subprocess
import sys

from bench_scan_works import Data, Work

CORES = ("SKYLAKEX",)  # beside none: plain AVX-512; what later ones add is chosen where it is known
CLEARLY = 1.05
ROUNDS = 3


def core_type(name):
    """The environment's part for a side that runs with the kernels called `name`, None = as installed."""
    return {"OPENBLAS_CORETYPE": name} if name else {}


def choose(command, peers, folder):
    """peers -> {peer: {"core": name or None, "gain": how many times as fast as installed}}; command(peer, spec) is
    that of one run, which prints a line of JSON with its seconds."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        candidates = CORES if "avx512f" in f.read() else ()
    found = {peer: {"core": None, "gain": 1.0} for peer in peers}
    if not candidates or not peers:
        return found
    work = Work("blas", "", "kmeans", 40000, 256, 1024, [], [], data="blobs")
    if not Data(folder).make(work):
        return found
    for peer in peers:
        spec = {"task": "kmeans", "n": work.n, "d": work.d, "k": work.k, "folder": folder, "iterations": 3}
        best = {}
        for _ in range(ROUNDS):
            for core in (None, *candidates):
                done = subprocess.run(command(peer, spec), env={**os.environ, **core_type(core)}, check=True,
                                      capture_output=True, text=True)
                seconds = json.loads(done.stdout.strip().split("\n")[-1])["seconds"]
                best[core] = min(best.get(core, seconds), seconds)
        core = min(best, key=best.get)
        if best[None] > CLEARLY * best[core]:
            found[peer] = {"core": core, "gain": best[None] / best[core]}
        print(f"  {peer}: {found[peer]['core'] or 'as installed'}, {found[peer]['gain']:.2f} x", file=sys.stderr)
    return found


def sentence(found):
    """What was chosen, for the page."""
    if not found:
        return "No peer was there: ours alone."
    told = [f"{peer} {f['gain']:.1f} times ({f['core']})" for peer, f in sorted(found.items()) if f["core"]]
    if not told:
        return "The BLAS of the peers' wheels takes the fastest kernels it has for this processor."
    return ("The BLAS in the peers' wheels does not take its AVX-512 kernels on this processor by itself. Peers run "
            "with OPENBLAS_CORETYPE set to what is fastest, which makes a short k-means of " + ", ".join(told) +
            " as fast; \"as installed\" is without, in the first round.")
