"""Batches that can stop and go on: a training loop that is cut off in the middle of an epoch."""
import json

import numpy as np

import winnow as wn
from data import features

X, y, what = features(6_000)
clusters = wn.KMeans(k=40, metric="cosine").fit(X)
chosen = wn.select.balanced(X, tree=clusters, size=2_000)

sampler = wn.batch.uniform(len(X), rows=chosen, batch_size=128, seed=0)
print(sampler)

# With PyTorch: DataLoader(dataset, batch_sampler=sampler, num_workers=4).
seen = []
for step, batch in enumerate(sampler):
    seen.append(batch)
    if step == 6:
        saved = json.dumps(sampler.state_dict())
        break

fresh = wn.batch.uniform(len(X), rows=chosen, batch_size=128, seed=0)
fresh.load_state_dict(json.loads(saved))
seen += list(fresh)
rows = np.concatenate([np.asarray(b) for b in seen])
assert np.array_equal(np.sort(rows), chosen.rows), "an epoch is every chosen row once"
print(f"{what}: {len(seen)} batches, {len(rows)} rows, each once, although the run was cut off after {step + 1}")
