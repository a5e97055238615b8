"""What the benchmarks share: the machine in words, the library by ctypes, the table in the documents."""
import ctypes
import datetime
import os
import re

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    cpus = len(os.sched_getaffinity(0))
    return f"{model.group(1).strip() if model else 'unknown CPU'}, {cpus} CPUs"


def today():
    return datetime.date.today().isoformat()


def write_section(name, lines):
    """With UPDATE=1: replaces one section of docs/benchmarks.md between its markers."""
    if os.environ.get("UPDATE") != "1":
        return
    path = os.path.join(ROOT, "docs", "benchmarks.md")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    pattern = re.compile(rf"(<!-- bench: {name} -->\n).*?(<!-- /bench -->)", re.S)
    if not pattern.search(text):
        raise SystemExit(f"docs/benchmarks.md has no section '{name}'")
    text = pattern.sub(lambda m: m.group(1) + "\n".join(lines) + "\n" + m.group(2), text)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


class Report(ctypes.Structure):
    _fields_ = [("iterations", ctypes.c_int32), ("converged", ctypes.c_int32),
                ("empty_repaired", ctypes.c_int64), ("inertia", ctypes.c_double),
                ("imbalance", ctypes.c_double), ("skipped_share", ctypes.c_double)]


class Partition(ctypes.Structure):
    _fields_ = [("ctx", ctypes.c_void_p), ("n", ctypes.c_int64), ("k", ctypes.c_int32),
                ("d", ctypes.c_int64), ("labels", ctypes.POINTER(ctypes.c_int32)),
                ("sizes", ctypes.POINTER(ctypes.c_int64)), ("centers", ctypes.POINTER(ctypes.c_float)),
                ("report", Report)]


class Tree(ctypes.Structure):
    _fields_ = [("ctx", ctypes.c_void_p), ("levels", ctypes.c_int32), ("metric", ctypes.c_int),
                ("level", ctypes.POINTER(Partition) * 8)]


class ClusterInput(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("pool", ctypes.c_void_p),
                ("weights", ctypes.c_void_p), ("init_centers", ctypes.c_void_p)]


class KmeansParams(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("k", ctypes.c_int64), ("max_iter", ctypes.c_int32),
                ("tol", ctypes.c_double), ("init", ctypes.c_int32), ("bounds", ctypes.c_int32),
                ("seed", ctypes.c_uint64)]


class Winnow:
    """One context of the shared library in a build folder."""

    def __init__(self, build):
        self.lib = ctypes.CDLL(os.path.join(build, "libwinnow.so"))
        self.lib.wn_ctx_error.restype = ctypes.c_char_p
        self.lib.wn_isa_name.restype = ctypes.c_char_p
        self.ctx = ctypes.c_void_p()
        self.check(self.lib.wn_ctx_new(None, ctypes.byref(self.ctx)))

    def check(self, status):
        if status:
            raise SystemExit(f"winnow: {self.lib.wn_ctx_error(self.ctx).decode()}")

    def isa(self):
        return self.lib.wn_isa_name(self.lib.wn_ctx_isa(self.ctx)).decode()

    def threads(self):
        return self.lib.wn_ctx_threads(self.ctx)

    def kmeans(self, x, centers, iterations, bounds=True):
        """x (n, d) and centers (k, d), C order, float32 -> centres (k, d), report."""
        import numpy as np
        pool, tree = ctypes.c_void_p(), ctypes.POINTER(Tree)()
        self.check(self.lib.wn_pool_wrap(self.ctx, ctypes.c_void_p(x.ctypes.data),
                                         ctypes.c_int64(x.shape[0]), ctypes.c_int64(x.shape[1]), 0, 0,
                                         ctypes.byref(pool)))
        given = ClusterInput(ctypes.sizeof(ClusterInput), pool, None, centers.ctypes.data)
        params = KmeansParams(ctypes.sizeof(KmeansParams), len(centers), iterations, 0.0, 0,
                              int(bounds), 1)
        self.check(self.lib.wn_kmeans(self.ctx, ctypes.byref(given), ctypes.byref(params),
                                      ctypes.byref(tree)))
        part = tree.contents.level[0].contents
        out = np.ctypeslib.as_array(part.centers, (part.k, part.d)).copy()
        report = Report.from_buffer_copy(part.report)
        self.lib.wn_tree_free(tree)
        self.lib.wn_pool_free(pool)
        return out, report
