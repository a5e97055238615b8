"""Weighted draws from very many rows, through the C library: set-up, draws a second, memory; beside numpy.

bench_sampler.py [BUILD]    ROWS=200000000 and DRAWS=20000000 of the environment change the size
"""
import ctypes as c
import os
import sys
import threading
import time

import numpy as np

from bench_tools import machine, today, write_section

build = sys.argv[1] if len(sys.argv) > 1 else "build"
rows = int(os.environ.get("ROWS", 200_000_000))
draws = int(os.environ.get("DRAWS", 20_000_000))
lib = c.CDLL(os.path.join(build, "libwinnow.so"))


class Scores(c.Structure):  # wn_scores
    _fields_ = [("ctx", c.c_void_p), ("n", c.c_int64), ("v", c.c_void_p), ("flags", c.c_void_p),
                ("n_flags", c.c_int32), ("flag_names", c.c_void_p), ("suggested", c.c_void_p)]


class Input(c.Structure):  # wn_batch_input
    _fields_ = [("struct_size", c.c_uint32), ("n", c.c_int64), ("tree", c.c_void_p),
                ("groups", c.c_void_p), ("scores", c.c_void_p), ("queries", c.c_void_p),
                ("rows", c.c_void_p), ("n_rows", c.c_int64)]


class Params(c.Structure):  # wn_batch_weighted_params
    _fields_ = [("struct_size", c.c_uint32), ("batch_size", c.c_int64), ("drop_last", c.c_int32),
                ("world", c.c_int32), ("rank", c.c_int32), ("first_epoch", c.c_int64),
                ("epochs", c.c_int64), ("seed", c.c_uint64), ("draws", c.c_int64)]


lib.wn_method_find.restype = c.c_void_p
lib.wn_ctx_error.restype = c.c_char_p
lib.wn_ctx_peak_bytes.restype = lib.wn_sampler_batches.restype = c.c_int64
lib.wn_sampler_batches.argtypes = [c.c_void_p, c.c_int64]
lib.wn_sampler_batch.argtypes = [c.c_void_p, c.c_int64, c.c_int64, c.c_void_p, c.c_void_p]


def check(ctx, status):
    if status:
        sys.exit(f"bench_sampler: {lib.wn_ctx_error(ctx).decode()}")


rng = np.random.default_rng(1)
weights = np.empty(rows, np.float32)
for at in range(0, rows, 1 << 24):
    weights[at:at + (1 << 24)] = rng.lognormal(0, 2, min(1 << 24, rows - at))
ctx, sampler, count = c.c_void_p(), c.c_void_p(), c.c_int64()
if lib.wn_ctx_new(None, c.byref(ctx)):
    sys.exit("bench_sampler: no context")
method = c.c_void_p(lib.wn_method_find(b"batch", b"weighted"))
params, scores, given = Params(), Scores(), Input()
lib.wn_params_init(method, c.byref(params))
params.batch_size, params.draws = 4096, draws
scores.n, scores.v = rows, weights.ctypes.data
given.struct_size, given.n = c.sizeof(given), rows
given.scores = c.addressof(scores)

start, start_cpu = time.perf_counter(), time.process_time()
check(ctx, lib.wn_sampler_new(ctx, method, c.byref(given), c.byref(params), c.byref(sampler)))
begin_sec, begin_cpu = time.perf_counter() - start, time.process_time() - start_cpu
out = np.zeros(params.batch_size, np.int64)
batches = lib.wn_sampler_batches(sampler, 0)


def draw(first, step):
    into, many = np.zeros(params.batch_size, np.int64), c.c_int64()
    for at in range(first, batches, step):
        check(ctx, lib.wn_sampler_batch(sampler, 0, at, into.ctypes.data, c.byref(many)))


def draw_sec(threads):
    workers = [threading.Thread(target=draw, args=(i, threads)) for i in range(threads)]
    begun = time.perf_counter()
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    return time.perf_counter() - begun


one, two = draw_sec(1), draw_sec(2)
total, share = 0.0, 0.0  # quality: how often heavy rows come
for b in range(min(batches, 500)):
    check(ctx, lib.wn_sampler_batch(sampler, 0, b, out.ctypes.data, c.byref(count)))
    share += float((weights[out[:count.value]] > 7.389).sum())
    total += count.value
expect = float(weights[weights > 7.389].sum(dtype=np.float64) / weights.sum(dtype=np.float64))
small = min(rows, 20_000_000)
p = weights[:small].astype(np.float64)
p /= p.sum()
start = time.perf_counter()
rng.choice(small, 1, p=p)
numpy_begin = time.perf_counter() - start
start = time.perf_counter()
rng.choice(small, 2_000_000, p=p)
numpy_sec = time.perf_counter() - start - numpy_begin
lines = [f"`batch weighted` over {rows:,} rows: set-up **{begin_sec:.1f} s** ({begin_cpu:.1f} s of CPU), "
         f"**{draws / one / 1e6:.0f} million draws a second** on one thread, {draws / two / 1e6:.0f} on two, "
         f"{lib.wn_ctx_peak_bytes(ctx) / rows:.0f} bytes a row. numpy's `Generator.choice` on {small:,} rows: "
         f"{2 / numpy_sec:.1f} million draws a second, ratio {draws / one / (2e6 / numpy_sec):.0f}. Rows of weight "
         f"above e^2 are {share / total:.4f} of the draws, {expect:.4f} of the weight. {machine()}; {today()}."]
print("\n".join(lines))
write_section("sampler", lines)
lib.wn_sampler_free(sampler)
lib.wn_ctx_free(ctx)
