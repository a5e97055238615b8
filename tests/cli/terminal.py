#!/usr/bin/env python3
"""What a terminal sees: terminal.py WINNOW POOL, in a scratch folder."""
import os
import pty
import shutil
import subprocess
import sys

winnow, pool = sys.argv[1:]


def report(name, passed, text=""):
    print("ok   " + name if passed else "FAIL %s: %s" % (name, text), flush=True)


def run(env, *flags):
    """Standard error of a small run on a pseudo-terminal."""
    here, there = pty.openpty()
    shutil.rmtree("tty", ignore_errors=True)
    full = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    full.update(env)
    p = subprocess.Popen([winnow, "curate", pool, "--size", "100", "-o", "tty"] + list(flags), env=full,
                         stdout=subprocess.DEVNULL, stderr=there)
    os.close(there)
    text = b""
    while True:
        try:
            part = os.read(here, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(here)
    return p.wait(), text.decode()


code, text = run({"TERM": "xterm"})
report("terminal: exit 0", code == 0, text[-300:])
report("terminal: one updating line", "\r\033[K" in text, repr(text[:300]))
report("terminal: colour", "\033[1m" in text, repr(text[:300]))
report("terminal: the line is gone before the summary", "\r\033[K" in text.rsplit("-> tty", 1)[0] and
       "%" not in text.rsplit("\r\033[K", 1)[1].splitlines()[0], repr(text[-600:]))
code, text = run({"TERM": "xterm", "NO_COLOR": "1"})
report("NO_COLOR: no colour", code == 0 and "\033[1m" not in text, repr(text[:300]))
code, text = run({"TERM": "dumb"})
report("dumb terminal: no control characters", code == 0 and "\033" not in text, repr(text[:300]))
code, text = run({"TERM": "xterm"}, "--quiet")
report("--quiet on a terminal: nothing", code == 0 and text == "", repr(text[:300]))
