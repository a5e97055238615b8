"""Plain text rules: licence line, heading, line length, no tabs, no space at the end of a line."""
import re


def check(tree):
    for name in tree.match(r".*\.(c|h|py|sh|md|txt|def)"):
        text = tree.read(name)
        if re.fullmatch(r"(src|include|cli|tests)/.*\.[ch]", name):
            if "SPDX-License-Identifier: Apache-2.0" not in text[:200]:
                yield name, 1, "no SPDX-License-Identifier: Apache-2.0 in the first comment"
        if name.endswith(".md") and text and not text.startswith("# "):
            yield name, 1, "the first line is not a heading '# ...'"
        if text and not text.endswith("\n"):
            yield name, text.count("\n") + 1, "no newline at the end"
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                yield name, number, "space at the end of the line"
            if re.search(r"\.(c|h|py|sh)$", name):
                if "\t" in line:
                    yield name, number, "a tab; indent with spaces"
                if len(line) > 120:
                    yield name, number, f"{len(line)} columns; at most 120, better 100"


BAD = [({"src/a.c": "int x;\n"}, "no SPDX"), ({"tools/a.py": "x = 1 \n"}, "space at the end"),
       ({"tools/a.sh": "\techo\n"}, "a tab"), ({"tools/a.py": "x" * 121 + "\n"}, "at most 120"),
       ({"README.md": "no end"}, "no newline"),
       ({"README.md": "#a / b\n"}, "not a heading")]
GOOD = [{"src/a.c": "/* SPDX-License-Identifier: Apache-2.0 */\n", "Makefile": "a:\n\tb\n"}]
