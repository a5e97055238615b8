#!/usr/bin/env python3
"""Ctrl-C and kill -9 in the middle of a run: signals.py WINNOW BIG_POOL, in an empty folder."""
import os
import shutil
import signal
import subprocess
import sys
import time

winnow, pool = sys.argv[1:]
# Work for minutes, so that the signal always comes in the middle.
LONG = ["cluster", "kmeans", pool, "--k", "4000", "--max-iter", "100000", "--tol", "0", "--init",
        "random", "--no-bounds", "--threads", "2"]


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
