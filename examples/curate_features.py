"""From a crowded pool to a training set: duplicates out, every kind of row in, and what it buys."""
import numpy as np

import winnow as wn
from data import features

X, y, what = features()
rng = np.random.default_rng(1)

# Real pools are crowded: three classes come six times as often as the others, and a tenth is there twice.
common = np.flatnonzero(np.isin(y, [0, 1, 8]))
rare = rng.permutation(np.flatnonzero(~np.isin(y, [0, 1, 8])))
held, rare = rare[:1500], rare[1500:1500 + len(common) // 6 * 2]
held = np.concatenate([held, rng.choice(common, 600, replace=False)])
rows = np.setdiff1d(np.concatenate([common, rare]), held)
rows = np.concatenate([rows, rng.choice(rows, len(rows) // 10)])
pool, labels = X[rows], y[rows]
print(f"{what}: {len(pool):,} rows, of which {np.isin(labels, [0, 1, 8]).mean():.0%} are of three classes")

out = wn.curate(pool, size=1000, metric="cosine")
print({k: v for k, v in out.counts.items() if not isinstance(v, dict)})


def entropy(l):
    p = np.bincount(l, minlength=10) / len(l)
    return -np.sum(p[p > 0] * np.log2(p[p > 0]))


print(f"entropy over the classes, in bits: pool {entropy(labels):.2f}, selection {entropy(labels[out.rows]):.2f}")
random = rng.choice(len(pool), len(out.rows), replace=False)
for name, chosen in (("random rows", random), ("curated rows", out.rows)):
    head = wn.LogisticRegression().fit(pool[chosen], labels[chosen])
    print(f"a linear head on {len(chosen)} {name}: {head.score(X[held], y[held]):.1%} of {len(held)} held-out rows")

# Why is a row not in?
dropped = int(np.flatnonzero(out.why["rule"] != 0)[0])
print(f"row {dropped}: {out.why[dropped]}")
