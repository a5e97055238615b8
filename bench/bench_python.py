#!/usr/bin/env python3
"""What a call from Python costs beside the same call in C: KMeans.fit on 1,000 x 16.   bench_python.py BUILD

Both make a context, wrap the array, run the same k-means and keep its result; ours through the installed
package, C by ctypes on the same library.
"""
import ctypes
import os
import statistics
import sys
import time

import numpy as np

from bench_tools import Tree, Winnow, machine, today, write_section

K, ITERATIONS, CALLS = 16, 10, 200


def c_call(ours, x, method, params):
    """wn_ctx_new, wn_pool_wrap, wn_kmeans, and everything freed."""
    lib, ctx, pool = ours.lib, ctypes.c_void_p(), ctypes.c_void_p()
    tree = ctypes.POINTER(Tree)()
    lib.wn_ctx_new(None, ctypes.byref(ctx))
    lib.wn_pool_wrap(ctx, ctypes.c_void_p(x.ctypes.data), ctypes.c_int64(len(x)),
                     ctypes.c_int64(x.shape[1]), 0, 0, ctypes.byref(pool))
    given = method(ctypes.sizeof(method), pool, None, None)
    if lib.wn_kmeans(ctx, ctypes.byref(given), ctypes.byref(params), ctypes.byref(tree)):
        raise SystemExit(lib.wn_ctx_error(ctx))
    inertia = tree.contents.level[0].contents.report.inertia
    lib.wn_tree_free(tree)
    lib.wn_pool_free(pool)
    lib.wn_ctx_free(ctx)
    return inertia


def main():
    import winnow as wn
    from bench_tools import ClusterInput, KmeansParams

    ours = Winnow(os.path.abspath(sys.argv[1]))
    x = np.random.default_rng(0).standard_normal((1000, 16), dtype=np.float32)
    params = KmeansParams(ctypes.sizeof(KmeansParams), K, ITERATIONS, 0.0, 0, 1, 0)
    c, python = [], []
    for _ in range(CALLS):
        begin = time.perf_counter()
        in_c = c_call(ours, x, ClusterInput, params)
        middle = time.perf_counter()
        in_python = wn.KMeans(k=K, max_iter=ITERATIONS, tol=0).fit(x).inertia_
        python.append(time.perf_counter() - middle)
        c.append(middle - begin)
    if abs(in_c / in_python - 1) > 1e-9:
        sys.exit(f"bench: {in_c} in C, {in_python} in Python: not the same work")
    over = statistics.median(p - q for p, q in zip(python, c))
    lines = [f"`KMeans.fit` on 1,000 x 16, k={K}, {ITERATIONS} iterations, {CALLS} calls in turn with the same "
             f"call in C: {1e3 * statistics.median(python):.2f} ms from Python, {1e3 * statistics.median(c):.2f} ms "
             f"in C, **{1e3 * over:.2f} ms** more (median of the differences). {machine()}; {today()}."]
    print("\n".join(lines))
    write_section("python", lines)


if __name__ == "__main__":
    main()
