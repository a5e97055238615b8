"""File names are unique; every folder says what belongs there; files stay readable in one sitting."""
import os
import re

SAME_EVERYWHERE = {"README.md", "CMakeLists.txt", ".gitignore", "run", "run.sh"}
README_LINES = 15
C_LINES = 700
GENERATED = re.compile(r"<!-- methods -->.*?<!-- /methods -->", re.S)


def check(tree):
    seen = {}
    for name in tree.files:
        base = os.path.basename(name)
        if base in SAME_EVERYWHERE:
            continue
        if base in seen:
            yield name, 1, f"{seen[base]} has the same name; file names are unique in the tree"
        seen[base] = name
    folders = {os.path.dirname(f) for f in tree.files}
    for folder in sorted(folders):
        if not folder or folder.startswith("."):
            continue
        readme = folder + "/README.md"
        if readme not in tree.files:
            yield readme, 1, f"{folder} has no README.md; say what belongs there and what does not"
            continue
        lines = GENERATED.sub("", tree.read(readme)).count("\n")
        if lines > README_LINES:
            yield readme, lines, f"{lines} lines; a folder's README has at most {README_LINES}"
    for name in tree.match(r"(src|cli)/.*\.c"):
        lines = tree.read(name).count("\n")
        if lines > C_LINES:
            yield name, lines, f"{lines} lines; split it by phase, at most {C_LINES}"


BAD = [
    ({"src/a/x.c": "", "src/a/README.md": "", "src/b/x.c": "", "src/b/README.md": ""},
     "file names are unique"),
    ({"src/a/x.c": ""}, "has no README.md"),
    ({"src/a/x.c": "", "src/a/README.md": "word\n" * 16}, "at most 15"),
    ({"src/a/x.c": "\n" * 701, "src/a/README.md": ""}, "split it by phase"),
]
GOOD = [{"src/a/x.c": "", "src/a/README.md": "word\n" * 15, "README.md": "word\n" * 200,
         ".ci/run": "", "docs/m/README.md": "<!-- methods -->" + "\n" * 40 + "<!-- /methods -->"}]
