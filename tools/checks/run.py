#!/usr/bin/env python3
"""Runs the rule checks on the tree; each first proves on made-up trees that it can fail.

    run.py [CHECK...]
"""
import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from tree import MadeUp, Tree  # noqa: E402

CHECKS = ["layers", "names", "methods", "rooms", "globals", "headers", "links", "examples", "style"]


def violations(check, tree):
    return [f"{file}:{line}: {check.__name__}: {text}" for file, line, text in check.check(tree)]


def self_test(check):
    wrong = []
    for files, expected in check.BAD:
        got = violations(check, MadeUp(files))
        if not any(expected in line for line in got):
            wrong.append(f"{check.__name__}: self-test: expected '{expected}' from {list(files)}, "
                         f"got {got}")
    for files in check.GOOD:
        wrong += [f"{check.__name__}: self-test: a good tree was refused: {line}"
                  for line in violations(check, MadeUp(files))]
    return wrong


def main():
    names = sys.argv[1:] or CHECKS
    tree = Tree(os.path.join(HERE, "..", ".."))
    passed = failed = 0
    for name in names:
        if name not in CHECKS:
            sys.exit(f"run.py: no check '{name}'; there are: {' '.join(CHECKS)}")
        check = importlib.import_module(name)
        lines = self_test(check) + violations(check, tree)
        for line in lines:
            print(line)
        passed, failed = passed + (not lines), failed + bool(lines)
    print(f"rules: {passed} passed, {failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
