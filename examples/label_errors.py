"""Find wrong labels: one call on features and labels, judged on labels that we flip ourselves."""
import numpy as np

import winnow as wn
from data import features

X, y, what = features(12_000)
rng = np.random.default_rng(2)
flipped = rng.random(len(y)) < 0.1
given = np.where(flipped, (y + rng.integers(1, 10, len(y))) % 10, y)

found = wn.score.label_quality(X, labels=given, metric="cosine")
issue = found.flags != 0
print(f"{what}: {flipped.sum()} of {len(y)} labels flipped; {issue.sum()} rows flagged")
print(f"precision {flipped[issue].mean():.2f}, recall {issue[flipped].mean():.2f} "
      f"(flagged at random: precision {flipped.mean():.2f})")
order = np.argsort(found.scores)
for k in (100, 300, 1000):
    print(f"of the {k} rows of lowest quality, {flipped[order[:k]].mean():.0%} are flipped")
best = found.suggested[flipped & issue] == y[flipped & issue]
print(f"of the flipped rows that are flagged, {best.mean():.0%} get their true class suggested")

# The labels of the neighbours say it too, without a model.
graph = wn.graph.knn(X, k=15, metric="cosine")
agree = wn.score.label_agreement(labels=given, graph=graph)
worst = np.argsort(agree.scores, kind="stable")[:1000]
print(f"of the 1000 rows whose neighbours agree least, {flipped[worst].mean():.0%} are flipped")
