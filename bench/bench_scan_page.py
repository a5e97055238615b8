"""What bench_scan.py writes: a table of goals, a table of bounds, a table for each workload."""
import statistics
from importlib.metadata import PackageNotFoundError, version

LABELS = {"winnow": "winnow", "winnow f32": "winnow, f32 alone", "winnow alone": "winnow, one thread",
          "pass": "the filter's pass alone (rows at hand; hits counted and dropped)",
          "no pairs": "winnow, above 1.5 (no pair reaches it)"}


INSTALLED = " installed"  # ends the name of a peer that runs with the kernels it takes by itself


def peer_of(side):
    return side.removesuffix(INSTALLED)


def label(side):
    if side in LABELS:
        return LABELS[side]
    peer = peer_of(side)
    try:
        text = f"{peer} {version({'faiss': 'faiss-cpu'}.get(peer, peer))}"
    except PackageNotFoundError:
        text = peer
    return text + (" as installed" if side != peer else "")


def median(runs, key="seconds"):
    return statistics.median(r[key] for r in runs)


def ratios(runs, over, under):
    """Of each round."""
    return [a["seconds"] / b["seconds"] for a, b in zip(runs[over], runs[under])]


# ---- goals ------------------------------------------------------------------------------------------------

def sides(measure):
    """Whom a goal speaks of, beside ours."""
    return [] if measure.startswith("memory") else measure.split("/")


def reached(work, kept, measure):
    """What a goal speaks of in words, its values by round, whether they are to be at most the goal."""
    runs = kept["runs"]
    if measure.startswith("memory"):
        rows, words = 4.0 * work.n * work.d, "peak memory over that of the rows"
        words += ", codes of all rows kept" if measure.endswith("codes") else ""
        return words, [r["peak"] / rows for r in runs["winnow"]], True
    if measure == "pass":
        return "time over that of the filter's pass alone", ratios(runs, "winnow", "pass"), True
    if "/" in measure:
        over, under = measure.split("/")
        return f"{label(over)} over {label(under)}", ratios(runs, over, under), False
    return f"{label(measure)} over winnow", ratios(runs, measure, "winnow"), False


def goals(works, kept, limits):
    """One line a goal; those that are missed say so."""
    lines = ["| work | measure | goal | reached | min – max | |", "| --- | --- | --- | --- | --- | --- |"]
    for work in works:
        name = f"{work.title}, {work.size()}"
        for measure, goal in work.goals:
            if not set(sides(measure)) <= set(kept[work.name]["runs"]):
                continue  # a peer that is not here
            words, values, most = reached(work, kept[work.name], measure)
            value = max(values) if measure.startswith("memory") else statistics.median(values)
            met = not goal or (value <= goal if most else value >= goal)
            told = f"{'at most ' if most else ''}{goal:g}" if goal else ""
            lines.append(f"| {name} | {words} | {told} | {value:.2f} | "
                         f"{min(values):.2f} – {max(values):.2f} | {'' if met else 'missed'} |")
            name = ""
    fma = limits.get("f32 multiply-add in registers", {}).get("rate")
    for name, words in (("argmin d 256, k 1024", "a whole scan in f32, d = 256, k = 1024"),
                        ("dots 64 x 256, d 256", "the kernel in f32, d = 256"),
                        ("dots 64 x 256, d 768", "the kernel in f32, d = 768"),
                        ("dots 32 x 256, d 4096", "the kernel in f32, d = 4096")):
        if fma and name in limits:
            share = limits[name]["rate"] / fma
            lines.append(f"| {words} | share of multiply-adds in registers | 0.8 | {share:.2f} | | "
                         f"{'' if share >= 0.8 else 'missed'} |")
    return lines


# ---- bounds -----------------------------------------------------------------------------------------------

def bounds(works, kept, limits):
    """For each workload: what is left to do, and what that takes at the limits of the machine."""
    fma, memory = (limits[name]["rate"] for name in ("f32 multiply-add in registers", "memory read 128 MiB"))
    eight = limits.get("8-bit multiply-add in registers", {}).get("rate")
    said = f"Limits of this machine, all threads (`winnow bench`): {fma:,.0f} GFLOP/s of f32 multiply-adds"
    said += f", {eight:,.0f} Gop/s of 8-bit ones" if eight else ""
    lines = [said + f", {memory:,.0f} GB/s read from memory.", "",
             "| work | skipped by bounds | 10^12 operations left | at the peak, s | f32 scores a row | at the f32 "
             "peak, s | rows verified | rows read, s | measured, s | share of the peak |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for work in works:
        for side, peak in (("winnow", eight or fma), ("winnow f32", fma)):
            runs = kept[work.name]["runs"].get(side)
            if not runs:
                continue
            one, seconds = runs[0], median(runs)
            left = work.products(one["iterations"], one["skipped"])
            rows, passes = one["filter_rows"], one["iterations"] if work.task == "kmeans" else 1
            cells = [work.name + (", f32 alone" if side == "winnow f32" else ""),
                     f"{100 * one['skipped']:.0f} %" if work.task == "kmeans" else "",
                     f"{left / 1e12:.2f}", f"{left / peak / 1e9:.2f}",
                     f"{one['candidates'] / rows:.1f}" if rows else "",
                     f"{2e-9 * work.d * one['candidates'] / fma:.3f}" if rows else "",
                     f"{100 * one['verified'] / rows:.0f} %" if rows else "",
                     f"{4e-9 * work.n * work.d * passes / memory:.2f}", f"{seconds:.2f}",
                     f"{100 * left / peak / 1e9 / seconds:.0f} %"]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


# ---- one workload -----------------------------------------------------------------------------------------

def table(work, kept):
    """Lines of one workload's table."""
    runs, ours = kept["runs"], kept["runs"]["winnow"]
    rounds = f"{len(ours)} round{'s in turn' if len(ours) > 1 else ''}"
    lines = [f"**{work.name}: {work.title}** ({work.size()}; {rounds})", "",
             "| | median s | min – max | GFLOP/s | peak MB (data " + f"{work.n * work.d * 4 / 1e6:.0f}) | "
             "quality | time over ours |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for side in runs:
        t, q = [r["seconds"] for r in runs[side]], kept["quality"][side]
        text = f"{q['value']:,.3f}" if work.task == "kmeans" else f"{q['value']:,.0f} pairs" \
            if work.task == "pairs" else f"{q['ratio']:.5f} the same"
        rate = work.operations(runs[side][0]["iterations"]) / statistics.median(t) / 1e9
        lines.append(f"| {label(side)} | {statistics.median(t):.2f} | {min(t):.2f} – {max(t):.2f} | {rate:,.0f} | "
                     f"{max(r['peak'] for r in runs[side]) / 1e6:.0f} | {text} | "
                     f"{statistics.median(ratios(runs, side, 'winnow')):.2f} |")
    notes = []
    if work.more.get("tol"):
        notes.append(f"{ours[0]['iterations']} iterations, as many for the peer")
    if ours[0]["plain"]:
        notes.append(f"{ours[0]['plain']:,} rows went back to f32")
    if notes:
        text = "; ".join(notes) + "."
        lines += ["", text[0].upper() + text[1:]]
    return lines


def page(works, kept, limits, blas):
    """Everything: the lines of the section."""
    works = [w for w in works if w.name in kept]
    lines = ["### Goals and what was reached", "", blas, "", *goals(works, kept, limits), "",
             "### What bounds them", ""] if works and limits else []
    if lines:
        lines += [*bounds(works, kept, limits), ""]
    lines += ["### Each work", ""]
    for work in works:
        lines += table(work, kept[work.name]) + [""]
    return lines
