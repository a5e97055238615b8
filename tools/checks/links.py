"""Relative links in the documents lead somewhere."""
import os
import re

LINK = re.compile(r"\]\(([^)\s]+)\)|<img[^>]*\ssrc=\"([^\"]+)\"")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def anchors(text):
    found = set()
    for title in re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.M):
        found.add(re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-"))
    return found


def check(tree):
    for name in tree.match(r".*\.md"):
        text = FENCE.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), tree.read(name))
        for m in LINK.finditer(text):
            target = m.group(1) or m.group(2)
            if re.match(r"[a-z]+:", target):
                continue
            line = text.count("\n", 0, m.start()) + 1
            path, _, anchor = target.partition("#")
            full = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            if not tree.exists(full):
                yield name, line, f"link to {target}: {full} is not there"
            elif anchor and full.endswith(".md") and anchor not in anchors(tree.read(full)):
                yield name, line, f"link to {target}: no such heading in {full}"


BAD = [({"docs/a.md": "see [b](b.md)\n"}, "docs/b.md is not there"),
       ({"docs/a.md": "see [b](#there)\n# Here\n"}, "no such heading"),
       ({"docs/a.md": '<img alt="x" src="f.svg">\n'}, "docs/f.svg is not there")]
GOOD = [{"docs/a.md": "[b](b.md#two-words) [c](https://x.org/y) [d](../src)\n```\n[x](y)\n```\n",
         "docs/b.md": "# Two words\n", "src/x.c": ""}]
