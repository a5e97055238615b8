"""The workloads of bench_scan.py: what each is, who runs it, what it is meant to reach, and its data."""
import os

import numpy as np

from bench_tools import ROOT


class Work:
    """One workload. sides: who runs it, "winnow" first. goals: pairs of a measure and what it is to reach, where a
    measure is "SIDE" (its time over ours), "SIDE/SIDE" (one time over another), "pass" (ours over the pass alone, at
    most), "memory" or "memory, codes" (peak over the rows, at most; codes: with a copy of them in 8 bits); None = said
    without a goal. A side "PEER installed" is the peer with the kernels that it takes by itself."""

    def __init__(self, name, title, task, n, d, k, sides, goals, **more):
        self.name, self.title, self.task, self.n, self.d, self.k, self.sides = name, title, task, n, d, k, sides
        self.goals, self.more = goals, more

    def operations(self, iterations):
        """As work is counted beside peers: a multiply and an add for each pair and dimension."""
        n, d, k = self.n, self.d, self.k
        return 2.0 * d * {"kmeans": n * k * max(iterations, 1), "graph": n * n, "pairs": n * n / 2,
                          "topk": self.more.get("queries", 0) * n}[self.task]

    def products(self, iterations, skipped):
        """Operations that are left to be done: without what bounds skipped, each pair of a graph once."""
        return self.operations(iterations) * (0.5 if self.task == "graph" else 1 - skipped)

    def size(self):
        text = f"{self.n:,} x {self.d}"
        if self.task == "kmeans":
            text += f", k = {self.k}"
        if self.task == "topk":
            text += f", {self.more['queries']:,} queries"
        return text

    def source(self):
        return self.more["data"], self.n, self.d


def workloads(scale):
    """Sizes are scaled in rows and centres, not in columns. Those that share their rows stand together."""
    def s(x, least=200):
        return max(least, int(x * scale))

    def k(x):
        return max(16, int(x * min(1, scale * 4)))
    memory, codes = ("memory", 1.25), ("memory, codes", 1.5)
    return [
        Work("w1", "k-means, 10 iterations", "kmeans", s(200000), 256, k(1024),
             ["winnow", "winnow alone", "winnow f32", "faiss", "scikit-learn", "faiss installed",
              "scikit-learn installed"],
             [("faiss", 6), ("scikit-learn", 9), ("faiss installed", None), ("scikit-learn installed", None),
              ("winnow alone", 1.85), ("faiss/winnow f32", 1.2), ("winnow f32", 3), memory],
             iterations=10, data="blobs"),
        Work("w2", "k-means, 5 iterations", "kmeans", s(1000000), 128, k(4096),
             ["winnow", "winnow f32", "faiss", "superkmeans", "faiss installed"],
             [("faiss", 7), ("superkmeans", 5), ("faiss installed", None), ("faiss/winnow f32", 1.2),
              ("winnow f32", 4), memory],
             iterations=5, data="blobs"),
        Work("w2c", "k-means to convergence (tol 1e-4, at most 50 iterations)", "kmeans", s(1000000), 128,
             k(4096), ["winnow", "faiss"], [("faiss", 10), memory],
             iterations=50, tol=1e-4, data="blobs", rounds=1),
        Work("w4", "exact top 10, L2", "topk", s(1000000), 128, 10,
             ["winnow", "winnow f32", "faiss", "faiss installed"],
             [("faiss", 10), ("faiss installed", None), memory], queries=s(10000, 50), data="blobs"),
        Work("s1", "k-means on embedding-like rows, 10 iterations", "kmeans", s(200000), 768, k(1024),
             ["winnow", "faiss", "superkmeans"], [("faiss", 5), ("superkmeans", 2.5), memory],
             iterations=10, data="embeddings"),
        Work("w3", "exact graph of 10 neighbours, cosine", "graph", s(100000), 384, 10,
             ["winnow", "winnow f32", "faiss", "faiss installed"],
             [("faiss", 10), ("faiss installed", None), codes], data="blobs"),
        Work("pairs", "all pairs above cosine 0.95", "pairs", s(200000), 384, 0,
             ["winnow", "pass", "no pairs"], [("pass", 1.3)], floor=0.95, data="twins"),
        Work("real", "k-means on CIFAR-10 features, 10 iterations", "kmeans", s(200000), 256, k(1024),
             ["winnow", "winnow alone", "winnow f32", "faiss"],
             [("faiss", 6), ("winnow alone", 1.85), ("faiss/winnow f32", 1.2), ("winnow f32", 3), memory],
             iterations=10, data="features"),
        Work("real-w2", "k-means on CIFAR-10 features, 5 iterations", "kmeans", s(200000), 256, k(4096),
             ["winnow", "winnow f32", "faiss", "superkmeans"],
             [("faiss", 7), ("superkmeans", 5), ("faiss/winnow f32", 1.2), ("winnow f32", 4), memory],
             iterations=5, data="features"),
        Work("real-w2c", "k-means on CIFAR-10 features to convergence (tol 1e-4, at most 50 iterations)", "kmeans",
             s(200000), 256, k(1024), ["winnow", "faiss"], [("faiss", 10), memory],
             iterations=50, tol=1e-4, data="features"),
        Work("real-pairs", "all pairs of CIFAR-10 features above cosine 0.95", "pairs", s(200000), 256, 0,
             ["winnow", "pass", "no pairs"], [("pass", 1.3)], floor=0.95, data="features"),
        Work("real-w3", "exact graph of 10 neighbours of CIFAR-10 features, cosine", "graph", s(100000), 256, 10,
             ["winnow", "faiss"], [("faiss", 10), codes], data="features"),
        Work("real-w4", "exact top 10 of CIFAR-10 features, L2", "topk", s(500000), 256, 10, ["winnow", "faiss"],
             [("faiss", 10), memory], queries=s(10000, 50), data="features"),
    ]


# ---- data -------------------------------------------------------------------------------------------------

def blobs(rng, n, d):
    """2000 standard normal centres, points 0.8 around them."""
    x = rng.standard_normal((2000, d), dtype=np.float32)[rng.integers(0, 2000, n)]
    for at in range(0, n, 50000):
        x[at:at + 50000] += np.float32(0.8) * rng.standard_normal((min(50000, n - at), d), dtype=np.float32)
    return x


def embeddings(rng, n, d):
    """A power-law spectrum, rotated, a common mean of norm 0.7, rows of length 1."""
    spread = (np.arange(d) + 4.0) ** -0.75
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    mix = (spread[:, None] * turn).astype(np.float32)
    mix /= np.float32(np.sqrt((spread ** 2).sum()))
    mean = rng.standard_normal(d)
    mean = (0.7 * mean / np.linalg.norm(mean)).astype(np.float32)
    x = np.empty((n, d), dtype=np.float32)
    for at in range(0, n, 20000):
        end = min(n, at + 20000)
        x[at:end] = rng.standard_normal((end - at, d), dtype=np.float32) @ mix + mean
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x


def twins(rng, n, d):
    """Blobs of which one row in ten is a near copy of another."""
    x = blobs(rng, n, d)
    copies = rng.choice(n, n // 10, replace=False)
    x[copies] = x[rng.integers(0, n, len(copies))]
    x[copies] += np.float32(0.3) * rng.standard_normal((len(copies), d), dtype=np.float32)
    return x


def features(rng, n, d):
    """CIFAR-10 features drawn with repeats, noise of 0.3 of each column's deviation on every row."""
    path = os.path.join(ROOT, "..", "shared", "data", "cifar10_256_f16.npy")
    if not os.path.exists(path):
        return None
    real = np.load(path).astype(np.float32)
    spread = real.std(axis=0, dtype=np.float64).astype(np.float32)
    x = real[rng.integers(0, len(real), n)]
    x += np.float32(0.3) * spread * rng.standard_normal((n, d), dtype=np.float32)
    return x


MAKERS = {"blobs": blobs, "embeddings": embeddings, "twins": twins, "features": features}


class Data:
    """The files of one workload at a time in a folder: x.f32, first.f32 (centres) or q.f32 (queries)."""

    def __init__(self, folder):
        self.folder, self.source, self.x, self.state = folder, None, None, None

    def make(self, work):
        """Rows stay while workloads share them. False: no such data here."""
        rng = np.random.default_rng(7)
        if work.source() != self.source:
            self.source, self.x = work.source(), None
            x = MAKERS[self.source[0]](rng, work.n, work.d)
            if x is not None:
                path = os.path.join(self.folder, "x.f32")
                x.tofile(path)
                self.x = np.memmap(path, dtype=np.float32, mode="r", shape=x.shape)
            self.state = rng.bit_generator.state
        if self.x is None:
            return False
        rng.bit_generator.state = self.state
        if work.task == "kmeans":
            rows = rng.choice(work.n, work.k, replace=False)
            np.asarray(self.x[rows]).tofile(os.path.join(self.folder, "first.f32"))
        if work.task == "topk":
            self.queries(rng, work).tofile(os.path.join(self.folder, "q.f32"))
        return True

    def queries(self, rng, work):
        """Further rows of the same kind: about the same centres, or from the same features."""
        count = work.more["queries"]
        if self.source[0] == "features":
            return features(rng, count, work.d)
        q = self.x[rng.choice(work.n, count, replace=False)]
        return q + np.float32(0.8) * rng.standard_normal(q.shape, dtype=np.float32)
