#!/usr/bin/env python3
"""Runs the commands in the documents.   run_docs.py BUILD [FILE.md...]

The ```sh blocks of README.md and docs/**/*.md are run in order, each file in a scratch folder of its own
that holds small sample files (pool.npy = vectors.npy, emb_0.npy, emb_1.npy, target.npy,
losses.npy, rows.npy, quality.csv, corpus.jsonl), with the binary on PATH.
```sh norun   is shown, not run (installing, cloning, what takes long)
```sh fails   must end in a failure
```c NAME.c   is written to NAME.c, for a later block to compile: cc NAME.c -lwinnow
```python     is run when numpy is there; those of docs/python.md, which build on each other and need the package,
              run in tests/python
"""
import array
import math
import os
import random
import re
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
FENCE = re.compile(r"^```(\w+)[ \t]*([^\n]*)\n(.*?)^```[ \t]*$", re.M | re.S)
SECONDS = 120


def write_npy(path, rows, dim):
    flat = array.array("f", [x for row in rows for x in row])
    if sys.byteorder == "big":
        flat.byteswap()
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(rows)}, {dim}), }}"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.ljust(117).encode() + b"\n")
        f.write(flat.tobytes())


def write_ints(path, values):
    text = f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({len(values)},), }}"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.ljust(117).encode() + b"\n")
        f.write(b"".join(v.to_bytes(8, "little", signed=True) for v in values))


def sample_files(folder):
    """2,000 x 32 around 40 centres of very unequal weight, with duplicates; 500 glosses."""
    rng = random.Random(4)
    centers = [[rng.gauss(0, 1) for _ in range(32)] for _ in range(40)]
    rows = []
    for i in range(2000):
        if i % 25 == 24:
            rows.append(rows[rng.randrange(len(rows))])
            continue
        center = centers[int(40 * math.pow(rng.random(), 3))]
        rows.append([c + 0.35 * rng.gauss(0, 1) for c in center])
    write_npy(os.path.join(folder, "pool.npy"), rows, 32)
    write_npy(os.path.join(folder, "vectors.npy"), rows, 32)
    write_npy(os.path.join(folder, "emb_0.npy"), rows[:1000], 32)
    write_npy(os.path.join(folder, "emb_1.npy"), rows[1000:], 32)
    # Something to aim at, a quality per row, a loss per row and epoch.
    write_npy(os.path.join(folder, "target.npy"),
              [[c + 0.35 * rng.gauss(0, 1) for c in centers[30 + i % 3]] for i in range(60)], 32)
    with open(os.path.join(folder, "quality.csv"), "w", encoding="utf-8") as f:
        f.write("quality\n" + "".join(f"{rng.randrange(1, 1000) / 1000}\n" for _ in rows))
    write_ints(os.path.join(folder, "rows.npy"), list(range(0, 2000, 9)))
    write_npy(os.path.join(folder, "losses.npy"),
              [[hard * 0.5 ** (hard * t) + 0.05 * rng.random() for t in range(8)]
               for hard in (rng.choice((0.2, 0.5, 1.0)) for _ in rows)], 8)
    subprocess.run([sys.executable, os.path.join(ROOT, "tools", "wordnet_jsonl.py"), "--limit", "500",
                    os.path.join(folder, "corpus.jsonl")], check=True)


def documents():
    found = [os.path.join(ROOT, "README.md"), os.path.join(ROOT, "CONTRIBUTING.md")]
    for folder, _, files in sorted(os.walk(os.path.join(ROOT, "docs"))):
        found += [os.path.join(folder, f) for f in sorted(files) if f.endswith(".md")]
    return [f for f in found if os.path.exists(f)]


def with_numpy():
    """A Python that has numpy, or None."""
    for python in (sys.executable, "/usr/bin/python3", os.path.join(ROOT, "build/bench-venv/bin/python")):
        try:
            if subprocess.run([python, "-c", "import numpy"], capture_output=True).returncode == 0:
                return python
        except OSError:
            pass
    return None


def run_block(kind, words, line, text, folder, environment, python):
    """None, or what went wrong."""
    if kind == "c":
        if words and words[0].endswith(".c"):
            with open(os.path.join(folder, words[0]), "w", encoding="utf-8") as f:
                f.write(text)
        return None
    suffix = ".sh" if kind == "sh" else ".py"
    script = os.path.join(folder, ".block" + suffix)
    with open(script, "w", encoding="utf-8") as f:
        # Lines of the script are lines of the document, so that messages of the shell are right.
        f.write("\n" * line + text)
    command = ["bash", "-eu", "-o", "pipefail", script] if kind == "sh" else [python, script]
    try:
        run = subprocess.run(command, cwd=folder, env=environment, timeout=SECONDS, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        return f"still running after {SECONDS} s"
    finally:
        os.remove(script)
    if ("fails" in words) != (run.returncode != 0):
        said = run.stdout.replace(script, "line").strip().splitlines()
        return f"exit {run.returncode}: " + " | ".join(said[-4:])
    return None


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = os.path.abspath(sys.argv[1])
    files = [os.path.abspath(f) for f in sys.argv[2:]] or documents()
    python = with_numpy()
    passed = failed = skipped = 0
    environment = dict(os.environ, PATH=build + os.pathsep + os.environ["PATH"], LC_ALL="C.UTF-8",
                       C_INCLUDE_PATH=os.path.join(ROOT, "include"), LIBRARY_PATH=build,
                       LD_LIBRARY_PATH=build)
    for file in files:
        with open(file, encoding="utf-8") as f:
            text = f.read()
        name = os.path.relpath(file, ROOT)
        blocks = [m for m in FENCE.finditer(text) if m.group(1) in ("sh", "c", "python")]
        if not blocks:
            continue
        with tempfile.TemporaryDirectory() as folder:
            sample_files(folder)
            for m in blocks:
                kind, words = m.group(1), m.group(2).split()
                line = text.count("\n", 0, m.start()) + 1
                if "norun" in words or (kind == "python" and (not python or name == "docs/python.md")):
                    skipped += 1
                    continue
                wrong = run_block(kind, words, line, m.group(3), folder, environment,
                                  python)
                if wrong:
                    print(f"{name}:{line}: docs: {wrong}")
                passed, failed = passed + (wrong is None), failed + (wrong is not None)
    print(f"blocks skipped: {skipped}")
    print(f"docs: {passed} passed, {failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
