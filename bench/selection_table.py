"""The tables of docs/selection.md from the results of bench_selection."""
import csv
import os
import re

from bench_tools import ROOT, machine, today

KINDS = (("clean", "as it is"), ("flipped", "20 % of labels flipped"), ("duplicated", "10 % of rows twice"))


def cell(row):
    """Points above random; bold: the 95 % interval lies above 0; italic: below."""
    if row is None or not row["difference"]:
        return ""
    points = 100 * float(row["difference"])
    text = f"{points:+.1f}".replace("-", "−")
    if row["difference_low"] and float(row["difference_low"]) > 0:
        return f"**{text}**"
    if row["difference_high"] and float(row["difference_high"]) < 0:
        return f"*{text}*"
    return text


def plain(row):
    """The same of the accuracy within the classes, of which no interval is known."""
    if row is None or not row["balanced"]:
        return ""
    return f"{100 * (float(row['balanced']) - float(row['random_balanced'])):+.1f}".replace("-", "−")


def tables(path):
    """-> {data: lines}; of WordNet, whose classes are unequal, also by the mean over the classes"""
    with open(path, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    out = {}
    data_sets = sorted({r["pool"].split("-")[0] for r in rows})
    for data, by_class in [(d, False) for d in data_sets] + [(d, True) for d in data_sets if d == "wordnet"]:
        random, value = ("random_balanced", "balanced") if by_class else ("random", "accuracy")
        show = plain if by_class else cell
        at = {(r["pool"], int(r["budget"]), r["recipe"]): r for r in rows if r["pool"].startswith(data + "-")}
        budgets = sorted({b for _, b, _ in at})
        columns = [(f"{data}-{kind}", b) for kind, _ in KINDS for b in budgets]
        head = [f"| | labels | {' | '.join(f'{k} {b} %' for k, _ in KINDS for b in budgets)} |",
                "| --- | --- |" + " --- |" * len(columns)]
        some = {c: next((r for (p, b, _), r in at.items() if (p, b) == c and r["random"]), None) for c in columns}
        lines = head + ["| random rows, % | | " + " | ".join(
            f"{100 * float(some[c][random]):.1f}" if some[c] else "" for c in columns) + " |"]
        if not by_class:
            lines += ["| their standard deviation | | " + " | ".join(
                f"{100 * float(some[c]['random_sd']):.2f}" if some[c] else "" for c in columns) + " |",
                      "| repeated random subsets | | " + " | ".join(
                f"{100 * (float(some[c]['random_together']) - float(some[c]['random'])):+.1f}" if some[c] else ""
                for c in columns) + " |"]

        def mean(recipe):
            here = [at[(p, b, recipe)] for p, b in columns if (p, b, recipe) in at]
            found = [float(r[value]) - float(r[random]) for r in here if r[value]]
            return sum(found) / len(found) if found else -9

        recipes = sorted({r for _, _, r in at}, key=lambda r: (-mean(r), r))
        for recipe in recipes:
            cells = [show(at.get((p, b, recipe))) for p, b in columns]
            if any(cells):
                used = any(r["labels_used"] == "1" for (_, _, name), r in at.items() if name == recipe)
                lines.append(f"| {recipe} | {'yes' if used else ''} | {' | '.join(cells)} |")
        out[data + (" by class" if by_class else "")] = lines
    return out


def write(path):
    """Prints the tables; with UPDATE=1 they replace the sections of docs/selection.md."""
    name = os.path.join(ROOT, "docs", "selection.md")
    made = tables(path)
    for data, lines in made.items():
        print(f"\n{data}\n" + "\n".join(lines))
    if os.environ.get("UPDATE") != "1":
        return
    with open(name, encoding="utf-8") as f:
        text = f.read()
    for data, lines in made.items():
        lines = [f"{machine()}; {today()}.", ""] + lines
        pattern = re.compile(rf"(<!-- bench: selection {data} -->\n).*?(<!-- /bench -->)", re.S)
        if not pattern.search(text):
            raise SystemExit(f"docs/selection.md has no section 'selection {data}'")
        text = pattern.sub(lambda m, lines=lines: m.group(1) + "\n".join(lines) + "\n" + m.group(2), text)
    with open(name, "w", encoding="utf-8") as f:
        f.write(text)
