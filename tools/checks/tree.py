"""The source tree as the checks see it: a real one, or one made up for a self-test."""
import os
import re
import subprocess


class Tree:
    def __init__(self, root):
        self.root = root
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root,
                                capture_output=True, text=True)
        if listed.returncode == 0 and listed.stdout:
            names = listed.stdout.split("\n")
        else:  # an unpacked archive has no git
            names = [os.path.relpath(os.path.join(d, f), root)
                     for d, _, files in os.walk(root) for f in files]
            names = [n for n in names if not re.match(r"(build|\.git)[^/]*/", n)]
        self.files = sorted(n for n in set(names) if n and os.path.isfile(os.path.join(root, n)))

    def read(self, name):
        with open(os.path.join(self.root, name), encoding="utf-8", errors="replace") as f:
            return f.read()

    def exists(self, name):
        return os.path.exists(os.path.join(self.root, name))

    def match(self, pattern):
        return [f for f in self.files if re.fullmatch(pattern, f)]


class MadeUp(Tree):
    """A tree from a dict: name -> text."""

    def __init__(self, files):
        self.root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
        self.text = files
        self.files = sorted(files)

    def read(self, name):
        return self.text[name]

    def exists(self, name):
        name = os.path.normpath(name)
        return name in self.text or any(f.startswith(name + "/") for f in self.text)


_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text):
    """C text with comments and the inside of literals blanked; line numbers and columns stay."""
    def blank(m):
        s = m.group(0)
        if s[0] in "\"'":
            return s[0] + " " * (len(s) - 2) + s[-1]
        return re.sub(r"[^\n]", " ", s)
    return _TOKEN.sub(blank, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1
