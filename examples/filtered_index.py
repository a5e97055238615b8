"""Search that filters: an index over rows with attributes, asked with SQL, kept on disk, changed in place.

    python examples/filtered_index.py
"""
import json
import os
import tempfile

import numpy as np

import winnow as wn

from data import features

X, y, what = features()
folder = tempfile.mkdtemp()
table = os.path.join(folder, "attributes.jsonl")
with open(table, "w") as f:
    for i in range(len(X)):
        f.write(json.dumps({"class": int(y[i]), "ts": 1000 + i, "split": "test" if i % 5 == 0 else "train"}) + "\n")

index = wn.IndexHNSW(metric="cosine", code="i8")
index.add(X, table=table)
print(f"{what}: {index}")

queries = X[:100]
D, I = index.search(queries, k=10)
print(f"all rows: {np.mean(y[I[:, 1:]] == y[:100, None]):.2f} of the neighbours have the class of the query")

# k rows that match give k hits, however few they are.
D, I = index.search(queries, k=10, where="split = 'test' AND class IN (3, 5)")
print(f"a filter: {index.report_['matching']} of {len(index)} rows match, by {index.report_['route']}")
assert set(y[I.ravel()]) <= {3, 5} and (I % 5 == 0).all()

# Made once, used often.
recent = index.filter(window=("ts", 1000, 1499))
D, I = index.search(queries, k=10, filter=recent)
assert (I < 500).all()

index.save(os.path.join(folder, "features.wni"))
kept = wn.Index.load(os.path.join(folder, "features.wni"))
kept.remove_ids(np.arange(100))
D, I = kept.search(queries, k=10)
assert (I >= 100).all()
print(f"after deleting the queries: {kept}")
