#!/usr/bin/env python3
"""Writes the parameter tables of docs/methods from the registry.   gen_docs.py [--check] BUILD

Between `<!-- params: FAMILY METHOD -->` and `<!-- /params -->` stands what `winnow methods --json` says;
docs/methods/README.md gets the table of all methods. With --check nothing is written and a difference is a
failure.
"""
import glob
import json
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
PARAMS = re.compile(r"(<!-- params: (\w+) (\w+) -->\n).*?(<!-- /params -->)", re.S)
METHODS = re.compile(r"(<!-- methods -->\n).*?(<!-- /methods -->)", re.S)
HUGE = {1099511627776: "2^40", 2147483647: "2^31 - 1"}


def number(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return HUGE.get(value, f"{value:g}" if isinstance(value, float) else str(value))


def flag(param):
    return "`--" + param["name"].replace("_", "-") + "`"


def values(param):
    if param.get("choices"):
        return ", ".join(param["choices"])
    if param["type"] == "bool":
        return "true, false"
    if param["type"] == "u64":
        return "whole number"
    if param["type"] == "text":
        return "text"
    entries = " each, separated by commas" if param["type"] == "list" else ""
    return f"{number(param['low'])} … {number(param['high'])}{entries}"


def default(param):
    value = param.get("default")
    if value is None or value == "" or value == []:
        return "empty"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return number(value) if not isinstance(value, str) else value


def params_table(method):
    if not method["params"]:
        return "None.\n"
    lines = ["| flag | default | values | meaning |", "| --- | --- | --- | --- |"]
    for p in method["params"]:
        help_text = p["help"].replace("|", "\\|")
        lines.append(f"| {flag(p)} | {default(p)} | {values(p)} | {help_text} |")
    return "\n".join(lines) + "\n"


def main():
    args = [a for a in sys.argv[1:] if a != "--check"]
    check = len(args) < len(sys.argv) - 1
    if len(args) != 1:
        sys.exit(__doc__)
    out = subprocess.run([os.path.join(args[0], "winnow"), "methods", "--json"], check=True,
                         capture_output=True, text=True).stdout
    told = json.loads(out)
    methods = {(m["family"], m["name"]): m for m in (told["methods"] if isinstance(told, dict) else told)}
    pages, wrong = {}, []
    for path in sorted(glob.glob(os.path.join(ROOT, "docs", "methods", "*.md"))):
        name = os.path.relpath(path, ROOT)
        with open(path, encoding="utf-8") as f:
            text = f.read()

        def table(m):
            key = (m.group(2), m.group(3))
            if key not in methods:
                line = text.count("\n", 0, m.start()) + 1
                wrong.append(f"{name}:{line}: gen_docs: no method {key[0]} {key[1]} in this build")
                return m.group(0)
            pages.setdefault(key, os.path.basename(path))
            return m.group(1) + params_table(methods[key]) + m.group(4)

        new = PARAMS.sub(table, text)
        if os.path.basename(path) == "README.md":
            readme = (path, name, text, new)
            continue
        finish(path, name, text, new, check, wrong)
    lines = ["| method | what it does | papers |", "| --- | --- | --- |"]
    for key, m in methods.items():
        title = " ".join(key)
        link = f"[{title}]({pages[key]})" if key in pages else title
        papers = m.get("papers") or []
        lines.append(f"| {link} | {m['summary']} | "
                     f"{' '.join(papers) if isinstance(papers, list) else papers} |")
    path, name, text, new = readme
    new = METHODS.sub(lambda m: m.group(1) + "\n".join(lines) + "\n" + m.group(2), new)
    finish(path, name, text, new, check, wrong)
    for line in wrong:
        print(line)
    print(f"tables: {len(methods) + 1 - len(wrong)} passed, {len(wrong)} failed")
    sys.exit(len(wrong) != 0)


def finish(path, name, text, new, check, wrong):
    if new == text:
        return
    if check:
        at = next(i for i, (a, b) in enumerate(zip(text + "\0", new + "\0")) if a != b)
        wrong.append(f"{name}:{text.count(chr(10), 0, at) + 1}: gen_docs: the table is not what the "
                     "registry says: run tools/gen_docs.py build")
        return
    with open(path, "w", encoding="utf-8") as f:
        f.write(new)
    print(f"{name}: written")


if __name__ == "__main__":
    main()
