"""Image features with labels: CIFAR-10 where it is, else rows around centres, as like it as can be made."""
import os

import numpy as np

SHARED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "shared", "data")


def features(n=20_000, seed=0):
    """(X float16 (n, 256), y (n,) 0..9, what it is)."""
    rng = np.random.default_rng(seed)
    path = os.path.join(SHARED, "cifar10_256_f16.npy")
    if os.path.exists(path):
        split = np.load(os.path.join(SHARED, "cifar10_split.npy"))
        rows = np.sort(rng.choice(np.flatnonzero(split == 0), n, replace=False))
        labels = np.load(os.path.join(SHARED, "cifar10_labels.npy"))
        return np.load(path, mmap_mode="r")[rows], labels[rows], "CIFAR-10"
    centres = rng.normal(size=(10, 256))
    y = rng.integers(0, 10, n)
    x = 0.35 * centres[y] + rng.normal(size=(n, 256)) * (np.arange(256) + 4.0) ** -0.4
    return x.astype(np.float16), y, "made-up rows around 10 centres"
