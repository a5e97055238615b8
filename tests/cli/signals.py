#!/usr/bin/env python3
"""Ctrl-C and kill -9 in the middle of a run: signals.py WINNOW BIG_POOL, in an empty folder."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

winnow, pool = sys.argv[1:]
# Work for minutes, so that the signal always comes in the middle.
LONG = ["cluster", "kmeans", pool, "--k", "4000", "--max-iter", "100000", "--tol", "0", "--init",
        "random", "--no-bounds", "--threads", "2"]


# A shell's background job inherits an ignored Ctrl-C, and so would the command.
signal.signal(signal.SIGINT, signal.default_int_handler)


def report(name, passed, text=""):
    print("ok   " + name if passed else "FAIL %s: %s" % (name, text), flush=True)


def start(out):
    """A run that has begun to work: its temporary folder is there."""
    p = subprocess.Popen([winnow] + LONG + ["-o", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.time() + 30
    while time.time() < end and p.poll() is None:
        if any(name.startswith(out + ".tmp") for name in os.listdir(".")):
            time.sleep(0.7)
            return p
        time.sleep(0.02)
    p.kill()
    report("a long run begins", False, p.communicate()[1].decode()[:300])
    sys.exit(1)


for number, name in ((signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")):
    p = start("out")
    began = time.time()
    p.send_signal(number)
    try:
        err = p.communicate(timeout=10)[1].decode()
    except subprocess.TimeoutExpired:
        p.kill()
        err = "did not stop in 10 s"
    took = time.time() - began
    report(name + ": exit 130", p.returncode == 130, "exit %s: %s" % (p.returncode, err[-300:]))
    report(name + ": within two seconds", took < 2, "%.2f s" % took)
    report(name + ": says so", err.strip().splitlines()[-1:] == ["winnow: interrupted; nothing was written"],
           err[-300:])
    report(name + ": nothing left", os.listdir(".") == [] or not any(
        n.startswith("out") for n in os.listdir(".")), str(os.listdir(".")))

p = start("killed")
p.kill()
p.communicate()
report("kill -9: no folder under the final name", not os.path.exists("killed"), str(os.listdir(".")))
done = subprocess.run([winnow, "cluster", "kmeans", pool, "--k", "4", "--max-iter", "2", "-o", "killed", "-q"],
                      stderr=subprocess.PIPE)
report("kill -9: the next run works", done.returncode == 0 and os.path.exists("killed/labels.npy"),
       done.stderr.decode()[:300])
for name in os.listdir("."):
    if name.startswith("killed"):
        shutil.rmtree(name)

# Every family, killed at several moments between its first and its last system call. `tree` and `text` are
# inputs; the shares are of the time that the whole run takes.
SHARES = (0.05, 0.3, 0.6, 0.85, 0.97)
rng = random.Random(2)
words = ["%s%s" % (a, b) for a in "ba de ki lo mu na po ri so tu".split() for b in "fa ge hi jo ku la".split()]
with open("text.jsonl", "w") as f:
    for i in range(4000):
        f.write('{"id": "t%d", "gloss": "%s"}\n' % (i, " ".join(rng.choice(words) for _ in range(12))))
subprocess.run([winnow, "cluster", "kmeans", pool, "--k", "20", "--max-iter", "3", "-o", "tree", "-q"], check=True)
RUNS = {
    "curate": ["curate", pool, "--rows", "25000", "--size", "5000", "--k", "50", "--resample-steps", "0"],
    "curate of text": ["curate", "text.jsonl", "--text", "gloss", "--id", "id", "--size", "500"],
    "dedup": ["dedup", "semantic", pool, "--rows", "35000"],
    "select": ["select", pool, "--tree", "tree", "--size", "30000", "--pick", "closest"],
    "vectorize": ["vectorize", "text.jsonl", "--text", "gloss", "--dim", "1024"],
}


def outputs(name):
    """{file: bytes} of a complete output, '' for a file itself; a text says what is missing."""
    one = os.path.isfile(name)
    path = name + ".manifest.json" if one else os.path.join(name, "manifest.json")
    if not os.path.exists(path):
        return "no " + path
    with open(path) as f:
        listed = {o["name"]: o["bytes"] for o in json.load(f)["outputs"]}
    found = {"data": os.path.getsize(name)} if one else {
        os.path.relpath(os.path.join(folder, file), name): os.path.getsize(os.path.join(folder, file))
        for folder, _, files in os.walk(name) for file in files}
    for file, size in listed.items():
        if found.get(file) != size:
            return "%s: %s bytes, the manifest says %d" % (file, found.get(file), size)
    # The manifest lists arrays only; of the other files the names must be those of a run left alone.
    return {file: listed.get(file) for file in found}


def ours(out):
    return [name for name in os.listdir(".") if name.startswith(out)]


def remove(out):
    for name in ours(out):
        shutil.rmtree(name) if os.path.isdir(name) else os.remove(name)


for what, run in RUNS.items():
    out = "out.npy" if what == "vectorize" else "out"
    command = [winnow] + run + ["--threads", "2", "-q", "-o", out]
    began = time.time()
    whole = subprocess.run(command, stderr=subprocess.PIPE)
    took = time.time() - began
    expected = outputs(out) if whole.returncode == 0 else whole.stderr.decode()[:300]
    report("kill -9 of %s: left alone it works" % what, isinstance(expected, dict), expected)
    remove(out)
    stopped, wrong = 0, []
    for share in SHARES:
        p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(share * took)
        p.kill()
        p.communicate()
        stopped += p.returncode == -signal.SIGKILL
        there = os.path.exists(out)
        at = "at %.2f of %.2f s: " % (share, took)
        if there and outputs(out) != expected:
            wrong.append(at + str(outputs(out)))
        rest = [n for n in ours(out) if not n.startswith(out + ".tmp-")
                and not (there and n in (out, out + ".manifest.json"))]
        if rest:
            wrong.append(at + "left " + " ".join(rest))
        # Killed after its last step the output is there, and only --force replaces it.
        again = subprocess.run(command + ["--force"] * there, stderr=subprocess.PIPE)
        if again.returncode != 0 or outputs(out) != expected:
            wrong.append(at + "the next run: exit %d, %s" % (again.returncode, again.stderr.decode()[:200]))
        remove(out)
    report("kill -9 of %s: absent or complete, and the next run works" % what, not wrong, "; ".join(wrong))
    report("kill -9 of %s: in the middle at least once" % what, stopped > 0, "%.2f s were too short" % took)
