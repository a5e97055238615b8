"""Public functions are documented; what a pointer points to is said in words or as a shape."""
import re

from tree import code_only, line_of

FUNCTION = re.compile(r"^WN_API\s+([^;{]*?\b(wn_\w+)\s*\(([^;{]*)\))\s*;([^\n]*)", re.M | re.S)
NUMBERS = re.compile(r"^(?:const\s+)?(?:float|double|u?int\d+_t|int|void|size_t)\s*\*+\s*(\w+)$")
FIELD = re.compile(r"^\s+(?:const\s+)?(?:float|double|u?int\d+_t|void)\s*\*+[^;()]*;([^\n]*)", re.M)


def comment_before(text, at):
    """The comment that belongs to a declaration: right above it, or above its block of lines."""
    above = text[:at].rstrip(" \t")
    while True:
        if above.endswith("*/\n"):
            return above[above.rfind("/*"):]
        line_start = above.rstrip("\n").rfind("\n") + 1
        line = above[line_start:].strip()
        if not line or above.endswith("\n\n") or line.startswith("#"):
            return ""
        above = above[:line_start]


def check(tree):
    for name in tree.match(r"include/winnow/\w+\.h"):
        text = tree.read(name)
        for m in FUNCTION.finditer(text):
            line = line_of(text, m.start())
            says = comment_before(text, m.start()) + m.group(4) + "".join(
                re.findall(r"/\*.*?\*/", m.group(3), re.S))
            if not says.strip():
                yield name, line, f"{m.group(2)} has no comment: ownership, units, errors, cost"
                continue
            for param in code_only(m.group(3)).split(","):
                pointer = NUMBERS.match(" ".join(param.split()))
                if not pointer or pointer.group(1) in ("user", "params"):
                    continue
                # Named in words, or its shape given as (n, d).
                if not re.search(rf"\b{pointer.group(1)}\b|\(n\b", says):
                    yield (name, line, f"{m.group(2)}: say what '{pointer.group(1)}' points to, for "
                           "example /* (n, d) row-major */")
        for m in FIELD.finditer(text):
            if "(*" not in m.group(0) and not re.search(r"/\*", m.group(0)):
                after = text[m.end():].lstrip()
                if "user" in m.group(0) or "ops" in m.group(0) or "run" in m.group(0):
                    continue
                if not after.startswith("/*"):
                    yield (name, line_of(text, m.end()),
                           "a pointer field without its shape, for example /* (n) */")


BAD = [
    ({"include/winnow/a.h": "\nWN_API int wn_a(int x);\n"}, "wn_a has no comment"),
    ({"include/winnow/a.h": "/* Adds. */\nWN_API int wn_a(int x);\n\nWN_API int wn_b(void);\n"},
     "wn_b has no comment"),
    ({"include/winnow/a.h": "/* Adds. */\nWN_API int wn_a(const float *rows, int x);\n"},
     "say what 'rows' points to"),
    ({"include/winnow/a.h": "struct a {\n    float *x;\n    int y;\n};\n"}, "without its shape"),
]
GOOD = [{"include/winnow/a.h": "/* Adds rows (n, d). */\nWN_API int wn_a(const float *rows);\n"
                               "WN_API int wn_b(int x);\n\nWN_API int wn_c(void); /* NULL ok */\n"
                               "struct a {\n    float *x; /* (n) */\n};\n"}]
