"""The pools of bench_selection: real vectors with labels, as they are, with flipped labels, with duplicates.

Each pool is a folder: train.npy, labels.npy (what a selection may see), test.npy, test_labels.npy (right), and what
recipes may ask for: target.npy, target_labels.npy, trusted.npy, losses.npy, errors.npy, margins.npy, tree, groups.npy
(its clusters), sources.npy (the coarser ones), graph.
"""
import json
import os
import subprocess
import sys

import numpy as np

from bench_tools import ROOT

SHARED = os.path.join(ROOT, "..", "shared", "data")
DATA = ("cifar10", "wordnet")
KINDS = ("clean", "flipped", "duplicated")
WORDNET_ROWS = int(os.environ.get("WORDNET_ROWS", 30000))
FLIP, DUPLICATE, TRUSTED, EPOCHS = 0.2, 0.1, 1000, 12


class Missing(Exception):
    """The data are not on this machine."""


def shared(name):
    for folder in (SHARED, os.path.join(ROOT, "..", "..", "shared", "data"), os.environ.get("WN_SHARED", "")):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    raise Missing(f"no {name} in ../shared/data; set WN_SHARED to its folder")


def cifar10(_folder, _winnow, quick):
    x = np.load(shared("cifar10_256_f16.npy"))
    y = np.load(shared("cifar10_labels.npy")).astype(np.int32)
    test = np.load(shared("cifar10_split.npy")) == 1
    train = np.flatnonzero(~test)[:5000 if quick else None]
    return x[train], y[train], x[test][:2000 if quick else None], y[test][:2000 if quick else None]


def wordnet(folder, winnow, quick):
    """Glosses as vectors of their wording; the category of each is the class. A tenth, by lot, is held out; of the
    others WORDNET_ROWS are the pool, so that every recipe can be run."""
    if not os.path.isdir(os.environ.get("WORDNET", "/usr/share/wordnet")):
        raise Missing("no WordNet; install Debian's package wordnet-base")
    text = os.path.join(folder, "wordnet.jsonl")
    subprocess.run([sys.executable, os.path.join(ROOT, "tools", "wordnet_jsonl.py"),
                    *(["--limit", "8000"] if quick else []), text], check=True)
    subprocess.run([winnow, "vectorize", "lexical", text, "--text", "gloss", "-o",
                    os.path.join(folder, "wordnet.npy"), "--force", "--quiet"], check=True)
    x = np.load(os.path.join(folder, "wordnet.npy"))
    with open(text, encoding="utf-8") as f:
        words = [json.loads(line)["category"] for line in f]
    y = np.unique(words, return_inverse=True)[1].astype(np.int32)
    order = np.random.default_rng(1).permutation(len(x))
    test = np.sort(order[:len(x) // 10])
    train = np.sort(order[len(x) // 10:][:WORDNET_ROWS])
    return x[train], y[train], x[test], y[test]


def trajectories(x, y, epochs=EPOCHS):
    """Per row and epoch of plain stochastic descent on a linear head: loss, error norm, margin."""
    rng = np.random.default_rng(3)
    x = x.astype(np.float32)
    x = (x - x.mean(0)) / np.sqrt(x.var(0).sum())
    n, classes = len(x), int(y.max()) + 1
    w, b = np.zeros((x.shape[1], classes), np.float32), np.zeros(classes, np.float32)
    out = np.empty((3, n, epochs), np.float32)
    own = np.arange(n), y
    for t in range(epochs):
        order = rng.permutation(n)
        for at in range(0, n, 256):
            rows = order[at:at + 256]
            z = x[rows] @ w + b
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(rows)), y[rows]] -= 1
            w -= 4.0 / len(rows) * (x[rows].T @ p)
            b -= 0.5 / len(rows) * p.sum(0)
        z = x @ w + b
        z -= z.max(1, keepdims=True)
        p = np.exp(z)
        p /= p.sum(1, keepdims=True)
        right = p[own].copy()
        out[0, :, t] = -np.log(np.maximum(right, 1e-12))
        own_z = z[own].copy()
        z[own] = -np.inf
        out[2, :, t] = own_z - z.max(1)
        p[own] -= 1
        out[1, :, t] = np.sqrt((p * p).sum(1))
    return out


def spoil(kind, x, y):
    """What a selection gets to see; right = rows whose label is right."""
    rng = np.random.default_rng(2)
    right = np.ones(len(y), bool)
    if kind == "flipped":
        wrong = rng.choice(len(y), int(FLIP * len(y)), replace=False)
        classes = int(y.max()) + 1
        y = y.copy()
        y[wrong] = (y[wrong] + rng.integers(1, classes, len(wrong))) % classes
        right[wrong] = False
    if kind == "duplicated":
        again = rng.choice(len(y), int(DUPLICATE * len(y)), replace=False)
        order = rng.permutation(len(y) + len(again))
        x, y = np.concatenate([x, x[again]])[order], np.concatenate([y, y[again]])[order]
        right = np.ones(len(y), bool)
    return x, y, right


def make(folder, data, winnow, quick, log):
    """Makes the three pools of one data set; a pool is complete when pool.json is there."""
    todo = [kind for kind in KINDS if not os.path.exists(os.path.join(folder, f"{data}-{kind}", "pool.json"))]
    if not todo:
        return
    log(f"{data}: making {', '.join(todo)}")
    x, y, test, test_y = {"cifar10": cifar10, "wordnet": wordnet}[data](folder, winnow, quick)
    for kind in todo:
        at = os.path.join(folder, f"{data}-{kind}")
        os.makedirs(at, exist_ok=True)
        px, py, right = spoil(kind, x, y)
        rng = np.random.default_rng(4)
        trusted = np.sort(rng.choice(np.flatnonzero(right), TRUSTED, replace=False))
        losses, errors, margins = trajectories(px, py)
        for name, v in (("train", px), ("labels", py), ("test", test), ("test_labels", test_y), ("right", right),
                        ("target", px[trusted]), ("target_labels", py[trusted]), ("trusted", trusted),
                        ("losses", losses), ("errors", errors), ("margins", margins)):
            np.save(os.path.join(at, name + ".npy"), v)
        train = os.path.join(at, "train.npy")
        for words in (["cluster", "hkmeans", train, "--k", "50,5" if quick else "500,50", "-o",
                       os.path.join(at, "tree")],
                      ["graph", "knn", train, "--k", "15", "-o", os.path.join(at, "graph")]):
            subprocess.run([winnow, *words, "--metric", "cosine", "--quiet", "--force"], check=True)
        fine = np.load(os.path.join(at, "tree", "labels.npy"))
        np.save(os.path.join(at, "groups.npy"), fine)
        np.save(os.path.join(at, "sources.npy"), np.load(os.path.join(at, "tree", "level2", "labels.npy"))[fine])
        with open(os.path.join(at, "pool.json"), "w", encoding="utf-8") as f:
            json.dump({"rows": len(px), "dim": px.shape[1], "classes": int(y.max()) + 1, "test": len(test)}, f)
