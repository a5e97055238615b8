"""No mutable globals in the library: neither at file scope nor as static locals."""
import re

from tree import code_only, line_of

FUNCTION = re.compile(r"\([^()]*(?:\([^()]*\)[^()]*)*\)\s*(?:__attribute__.*)?$", re.S)
SKIP = re.compile(r"^\s*(typedef|extern|_Static_assert|WNI?_\w+\s*\()")


def statements(text):
    """(depth, start, head) of every declaration-like piece: what stands before ; = or {."""
    depth, start = 0, 0
    for i, c in enumerate(text):
        if c in ";{}=":
            piece = text[start:i]
            if c in ";={" and piece.strip():
                lead = len(piece) - len(piece.lstrip())
                yield depth, start + lead, piece.strip(), c
            start = i + 1
            if c == "{":
                depth += 1
            elif c == "}":
                depth -= 1


def is_const(head):
    """Whether the object itself is const: `const int x[3]`, `char *const p`, not `const char *p`."""
    name = re.sub(r"\[[^\]]*\]", "", head)
    star = name.rfind("*")
    return "const" in name[star + 1:].split() if star >= 0 else "const" in name.split()


def check(tree):
    for name in tree.match(r"src/.*\.(c|h)"):
        text = code_only(tree.read(name))
        text = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text,
                      flags=re.M)
        text = re.sub(r'extern\s*"\s*"\s*\{', " ", text)
        previous_end = ""
        for depth, at, head, end in statements(text):
            words = head.split()
            if depth == 0:
                after_equals, previous_end = previous_end == "=", end
                if after_equals or SKIP.match(head) or end == "{":
                    continue
                if FUNCTION.search(head) or len(words) < 2:
                    continue
                if words[0] in ("struct", "union", "enum") and len(words) == 2:
                    continue  # only declares the tag
            elif "static" not in words or not head.startswith("static"):
                continue
            if is_const(head):
                continue
            if "_Thread_local" in words and name == "src/base/thread.c":
                continue  # which range a thread is on: lives only during wni_parallel
            yield (name, line_of(text, at), f"'{' '.join(words)}' is a mutable global; "
                   "keep state in the ctx or the object")


def _bad(code):
    return ({"src/scan/a.c": code}, "is a mutable global")


BAD = [_bad("static int count;\n"), _bad("int table[3] = {1, 2, 3};\n"),
       _bad('static const char *names[] = {"a"};\n'), _bad("void f(void)\n{\n    static int n;\n}\n"),
       _bad("static _Thread_local int x;\n"), _bad("static struct a {\n int b;\n} *x = 0, *y;\nint z;\n")]
GOOD = [{"src/scan/a.c": 'static const int t[2] = {1, 2};\nstatic const char *const n[] = {"a"};\n'
                         "typedef struct a {\n    int b;\n} a;\nstruct c;\nint f(int x);\n"
                         "static int g(int (*cb)(int), a *p)\n{\n    int y = 3;\n    return y;\n}\n"
                         "enum { X = 1, Y };\nconst wn_method m = {.a = 1, .b = 2};\n"}]
