#!/usr/bin/env python3
"""Does any selection help? Every recipe of the registry on real data, against random subsets.

    bench_selection.py BUILD [--quick] [--only WORD] [--pools WORD] [--budgets 1,5] [--seeds N] [--plan] [--table]

CIFAR-10 features and WordNet glosses, each as it is, with 20 % of the labels flipped, with 10 % of the rows
duplicated, at budgets of 1, 5, 10 and 30 %. A logistic head is trained on what was selected and judged on test rows
(`winnow measure selection`). What was measured stands in build/bench-selection/results.csv as it comes; a second
call goes on where the first stopped. UPDATE=1 writes the tables of docs/selection.md.
"""
import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np

import selection_pools
import selection_table

BUDGETS = (1, 5, 10, 30)
SLOW_SEC, SLOWER_SEC = 2, 8  # a recipe that takes longer is drawn twice, or once, not `seeds` times
MOST = {"submodular_dynamic": 5}  # percent; made for a few representatives of rows that come and go
LABEL_FREE = ("train.npy", "tree", "graph", "groups.npy", "sources.npy", "zero.npy")
FIELDS = ("pool", "budget", "recipe", "method", "labels_used", "draws", "rows", "accuracy", "sd", "random", "random_sd",
          "random_together", "difference", "difference_low", "difference_high", "balanced", "random_balanced",
          "select_sec")
# Matrices that methods read as `losses`, where it is not the loss.
MATRIX = {"el2n": "errors", "forgetting": "margins", "aum": "margins"}
# Methods with choices that are recipes of their own: (suffix, flags).
VARIANTS = {
    "balanced": [("", []), (" closest", ["--pick", "closest"])],
    "prototypes": [(" hard", ["--keep", "hard"]), (" easy", ["--keep", "easy"]),
                   (" hard, dedup (D4)", ["--keep", "hard", "--dedup"])],
    "transfer_prune": [(" features", []), (" labels", ["--mapping", "labels"])],
    "mixture_projektor": [(", classes as sources", [])],
    "source_lasso": [(", clusters as sources", [])],
}
BY_CLASS = ("transfer_prune", "mixture_projektor")  # the groups are the classes; of others, coarse clusters
# Recipes that read a score get each of these.
SCORES_FOR_RECIPES = ("label_quality", "prototypicality", "density")
SKIP = {"stratified", "column"}
LABELLED = {"labels", "target-labels", "losses", "trusted"}  # a recipe that reads these has seen labels


def log(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, args):
        self.args = args
        self.winnow = os.path.join(os.path.abspath(args.build), "winnow")
        self.root = os.path.join(os.path.abspath(args.build), "bench-selection" + ("-quick" if args.quick else ""))
        self.results = os.path.join(self.root, "results.csv")
        os.makedirs(self.root, exist_ok=True)
        known = json.loads(subprocess.run([self.winnow, "methods", "--json"], check=True, capture_output=True).stdout)
        self.methods = {(m["family"], m["name"]): m for m in known["methods"]}
        self.seeds = args.seeds or (2 if args.quick else 5)
        self.done = set()
        if os.path.exists(self.results):
            with open(self.results, encoding="utf-8", newline="") as f:
                self.done = {(r["pool"], r["budget"], r["recipe"]) for r in csv.DictReader(f)}

    def run(self, words):
        """-> seconds, error text or ''"""
        begin = time.perf_counter()
        done = subprocess.run([self.winnow, *map(str, words), "--quiet"], capture_output=True, text=True)
        return time.perf_counter() - begin, "" if done.returncode == 0 else done.stderr.strip().split("\n")[-1]

    # ---- inputs of recipes --------------------------------------------------------------------------

    def files(self, pool, method):
        """Flags for every input that the method must have; None when one of them is not at hand."""
        here = {"pool": "train.npy", "tree": "tree", "graph": "graph", "labels": "labels.npy",
                "groups": "labels.npy" if method["name"] in BY_CLASS else "sources.npy",
                "target": "target.npy", "target-labels": "target_labels.npy", "trusted": "trusted.npy",
                "scorers": "scorers.npy", "losses": MATRIX.get(method["name"], "losses") + ".npy"}
        flags, names = [], [g["name"] for g in method["inputs"] if g["need"] == "one of"]
        one = next((n for n in ("groups", "labels", *names) if n in names), None)
        for given in method["inputs"]:
            name, need = given["name"], given["need"]
            if name == "scores" and need == "required":
                continue  # put in by the recipe
            want = need == "required" or name == "target-labels" or (need == "optional" and name in ("pool", "tree"))
            want = want or name == one
            if not want:
                continue
            if name not in here or not os.path.exists(os.path.join(self.root, pool, here[name])):
                if need == "required":
                    return None
                continue
            path = os.path.join(self.root, pool, here[name])
            flags += [path] if name == "pool" else ["--" + name, path]
        cosine = "own-metric" not in method["flags"] and any(g["name"] == "pool" for g in method["inputs"])
        return flags + (["--metric", "cosine"] if cosine else [])

    def uses_labels(self, method):
        return method["name"] in BY_CLASS or any(
            g["name"] in LABELLED for g in method["inputs"]
            if g["need"] in ("required", "one of") or g["name"] == "target-labels")

    def make_scores(self, pool):
        """Every score of the registry -> {name: (folder, labels used)}."""
        made = {}
        for (family, name), method in self.methods.items():
            if family != "score" or name in SKIP:
                continue
            out = os.path.join(self.root, pool, "scores", name)
            if not os.path.exists(out):
                flags = self.files(pool, method)
                if flags is None:
                    continue
                os.makedirs(os.path.dirname(out), exist_ok=True)
                seconds, error = self.run(["score", name, *flags, "-o", out])
                log(f"  {pool}: score {name} {seconds:.1f} s {error}")
                if error:
                    continue
            made[name] = (out, self.uses_labels(method))
        columns = [np.load(os.path.join(made[s][0], "scores.npy")) for s in SCORES_FOR_RECIPES if s in made]
        if columns and not os.path.exists(os.path.join(self.root, pool, "scorers.npy")):
            ranks = [np.argsort(np.argsort(c)).astype(np.float32) / len(c) for c in columns]
            np.save(os.path.join(self.root, pool, "scorers.npy"), np.stack(ranks, 1))
        return made

    def recipes(self, pool, scores):
        """-> (recipe, method, words, labels used, seeded)"""
        at = os.path.join(self.root, pool)
        train, tree, graph = (os.path.join(at, f) for f in ("train.npy", "tree", "graph"))
        parts = ["select", "stratified"]
        yield "stratified equal, random", "stratified", [*parts, train, "--tree", tree, "--allocate", "equal"], 0, 1
        yield ("stratified complexity, random", "stratified",
               [*parts, train, "--metric", "cosine", "--tree", tree, "--allocate", "complexity"], 0, 1)
        yield ("stratified target, random", "stratified",
               [*parts, train, "--metric", "cosine", "--tree", tree, "--allocate", "target", "--target",
                os.path.join(at, "target.npy")], 0, 1)
        yield ("classes equal, random", "stratified",
               [*parts, "--groups", os.path.join(at, "labels.npy"), "--scores", os.path.join(at, "zero.npy"),
                "--allocate", "equal"], 1, 1)
        for pick in ("closest", "farthest", "k-center", "herding"):
            yield (f"stratified proportional, {pick}", "stratified",
                   [*parts, train, "--metric", "cosine", "--tree", tree, "--pick", pick], 0, pick == "k-center")
        for pick in ("facility-location", "graph-cut"):
            yield f"stratified {pick}", "stratified", [*parts, "--graph", graph, "--pick", pick], 0, 0
        for name, (folder, labelled) in scores.items():
            for pick in ("top", "bottom", "band"):
                yield (f"score {name}, {pick}", "score " + name, [*parts, "--scores", folder, "--pick", pick], labelled,
                       pick == "band")
            yield (f"score {name}, top of each cluster", "score " + name,
                   [*parts, "--scores", folder, "--groups", os.path.join(at, "groups.npy"), "--pick", "top"],
                   labelled, 0)
        for (family, name), method in self.methods.items():
            if family != "select" or name in SKIP or not any(p["name"] == "size" for p in method["params"]):
                continue
            flags = self.files(pool, method)
            if flags is None:
                continue
            by_score = [s for s in SCORES_FOR_RECIPES if s in scores] if any(
                g["name"] == "scores" and g["need"] == "required" for g in method["inputs"]) else [None]
            for score in by_score:
                for suffix, more in VARIANTS.get(name, [("", [])]):
                    extra = ["--scores", scores[score][0]] if score else []
                    if "--dedup" in more:  # makes its own clusters
                        at_tree = flags.index("--tree")
                        flags = flags[:at_tree] + flags[at_tree + 2:]
                    labelled = self.uses_labels(method) or (score and scores[score][1])
                    yield (name + (f" ({score})" if score else "") + suffix, name,
                           ["select", name, *flags, *extra, *more], labelled, "seeded" in method["flags"])
        if ("curate", "balanced") in self.methods:
            yield ("curate balanced", "curate balanced", ["curate", "balanced", train, "--metric", "cosine"], 0, 1)

    # ---- running -----------------------------------------------------------------------------------

    def select(self, pool, size, words, seeded, out):
        """Selections of one recipe below `out`, one folder per seed -> seconds of one, error."""
        total, count = 0.0, 0
        if os.path.exists(os.path.join(out, "seconds")):  # of a call that was broken off
            with open(os.path.join(out, "seconds"), encoding="utf-8") as f:
                return float(f.read()), ""
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(out)
        for seed in range(self.seeds if seeded else 1):
            at = os.path.join(out, str(seed))
            more = ["--seed", seed] if seeded else []
            seconds, error = self.run([*words, "--size", size, *more, "-o", at])
            if error:
                shutil.rmtree(out, ignore_errors=True)
                return 0.0, error
            total, count = total + seconds, count + 1
            slow = seconds > SLOW_SEC
            rows = os.path.join(at, "rows.npy")
            for name in os.listdir(at):
                if name not in ("rows.npy", "weights.npy"):
                    path = os.path.join(at, name)
                    shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
            first = os.path.join(out, "0", "rows.npy")
            if seed == 1 and np.array_equal(np.load(first), np.load(rows)):
                shutil.rmtree(at)  # nothing is random in it
                break
            if slow and count == 2 or seconds > SLOWER_SEC:
                break
        with open(os.path.join(out, "seconds"), "w", encoding="utf-8") as f:
            f.write(str(total / count))
        return total / count, ""

    def reuse(self, pool, budget, words, out):
        """Selections that cannot differ: those on flipped labels of recipes that read no labels."""
        root = os.path.join(self.root, pool)
        parts = [os.path.relpath(w, root) for w in map(str, words) if w.startswith(root)]
        free = [f"scores/{name}" for (family, name), m in self.methods.items() if family == "score"
                and not self.uses_labels(m) and not any(g["name"] == "target" for g in m["inputs"])]
        before = os.path.join(self.root, f"work-{pool.replace('flipped', 'clean')}-{budget}", os.path.basename(out))
        if "flipped" in pool and set(parts) <= {*LABEL_FREE, *free} and os.path.exists(os.path.join(before, "seconds")):
            shutil.copytree(before, out, dirs_exist_ok=True)

    def measure(self, pool, budget, todo):
        """Runs the recipes of one pool and budget, measures them in one process, appends to the results."""
        at = os.path.join(self.root, pool)
        with open(os.path.join(at, "pool.json"), encoding="utf-8") as f:
            size = int(json.load(f)["rows"] * budget / 100)
        work = os.path.join(self.root, f"work-{pool}-{budget}")
        rows, begin = {}, time.perf_counter()
        for recipe, method, words, labelled, seeded in todo:
            folder = recipe.replace("/", "_")
            self.reuse(pool, budget, words, os.path.join(work, folder))
            seconds, error = self.select(pool, size, words, seeded, os.path.join(work, folder))
            rows[folder] = {"pool": pool, "budget": budget, "recipe": recipe, "method": method,
                            "labels_used": int(bool(labelled)), "select_sec": f"{seconds:.3f}", "error": error}
            if seconds > 20 or error:
                log(f"  {pool} {budget} %: {recipe} {seconds:.0f} s {error[:160]}")
        middle = time.perf_counter()
        now = work + "-now"
        shutil.rmtree(now, ignore_errors=True)
        for folder in (f for f, r in rows.items() if not r["error"]):
            shutil.copytree(os.path.join(work, folder), os.path.join(now, folder))
        if os.path.exists(now):
            out = work + "-measured"
            shutil.rmtree(out, ignore_errors=True)
            seconds, error = self.run(
                ["measure", "selection", os.path.join(at, "train.npy"), "--labels", os.path.join(at, "labels.npy"),
                 "--test", os.path.join(at, "test.npy"), "--test-labels", os.path.join(at, "test_labels.npy"),
                 "--selection", now, "--seeds", self.seeds, "--no-whole", "-o", out])
            if error:
                raise SystemExit(f"bench: measure selection on {pool}: {error}")
            with open(os.path.join(out, "table.csv"), encoding="utf-8", newline="") as f:
                for r in csv.DictReader(f):
                    rows[r["selection"]].update(
                        {k: r[k] for k in FIELDS if k in r} |
                        {"balanced": r["balanced_accuracy"], "random_balanced": r["random_balanced_accuracy"]})
            shutil.rmtree(out)
            shutil.rmtree(now)
        fresh = not os.path.exists(self.results)
        with open(self.results, "a", encoding="utf-8", newline="") as f:
            writer = csv.DictWriter(f, FIELDS, extrasaction="ignore")
            if fresh:
                writer.writeheader()
            writer.writerows(r for r in rows.values() if not r["error"])
        if "clean" not in pool:  # the others are read again
            shutil.rmtree(work)
        log(f"{pool} {budget} %: {len(todo)} recipes, selecting {middle - begin:.0f} s, "
            f"training {time.perf_counter() - middle:.0f} s")

    def main(self):
        data = [d for d in selection_pools.DATA if self.args.pools in d or d in self.args.pools]
        budgets = [int(b) for b in self.args.budgets.split(",")]
        kinds = [k for k in selection_pools.KINDS if not self.args.kinds or k in self.args.kinds]
        for name in data:
            try:
                selection_pools.make(self.root, name, self.winnow, self.args.quick, log)
            except selection_pools.Missing as missing:
                log(f"bench: {name} is left out: {missing}")
                continue
            for kind in kinds:
                pool = f"{name}-{kind}"
                zero = os.path.join(self.root, pool, "zero.npy")
                if not os.path.exists(zero):
                    np.save(zero, np.zeros(len(np.load(os.path.join(self.root, pool, "labels.npy"))), np.float32))
                scores = self.make_scores(pool)
                for budget in budgets:
                    todo = [r for r in self.recipes(pool, scores)
                            if self.args.only in r[0] and budget <= MOST.get(r[1], 100)
                            and (pool, str(budget), r[0]) not in self.done]
                    if self.args.plan:
                        log(f"{pool} {budget} %: {len(todo)} recipes to run")
                    elif todo:
                        self.measure(pool, budget, todo)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--quick", action="store_true", help="small pools, 5 %% only, 2 seeds: minutes")
    parser.add_argument("--only", default="", help="recipes with this word")
    parser.add_argument("--pools", default="cifar10,wordnet")
    parser.add_argument("--kinds", default="")
    parser.add_argument("--budgets", default="")
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--plan", action="store_true", help="say what is left to run")
    parser.add_argument("--table", action="store_true", help="print the tables of what there is")
    args = parser.parse_args()
    args.budgets = args.budgets or ("5" if args.quick else ",".join(map(str, BUDGETS)))
    bench = Bench(args)
    if not args.table:
        bench.main()
    if os.path.exists(bench.results):
        selection_table.write(bench.results)


if __name__ == "__main__":
    main()
