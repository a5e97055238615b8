"""C examples in the documents compile; the public headers compile alone, as C and as C++."""
import os
import re
import subprocess
import tempfile

BLOCK = re.compile(r"^```c\b[^\n]*\n(.*?)^```", re.M | re.S)


def compile_text(text, suffix, flags, root):
    compiler = "c++" if suffix == ".cpp" else "cc"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "example" + suffix)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        run = subprocess.run([compiler, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *flags, "-I",
                              os.path.join(root, "include"), path], capture_output=True, text=True)
    errors = [s for s in run.stderr.splitlines() if "error" in s]
    return (errors or [run.stderr.strip()])[0] if run.returncode else None


def check(tree):
    for name in tree.match(r".*\.md"):
        text = tree.read(name)
        for m in BLOCK.finditer(text):
            line = text.count("\n", 0, m.start()) + 1
            if "#include" not in m.group(1):
                continue  # a fragment
            error = compile_text(m.group(1), ".c", ["-std=c11"], tree.root)
            if error:
                yield name, line, f"the example does not compile: {error}"
    for name in tree.match(r"include/winnow/\w+\.h"):
        for suffix, flags in ((".c", ["-std=c11", "-Wpedantic"]), (".cpp", ["-std=c++11"])):
            text = f'#include "{name[8:]}"\nint main(void) {{ return 0; }}\n'.replace(
                "(void)", "()" if suffix == ".cpp" else "(void)")
            error = compile_text(text, suffix, flags, tree.root)
            if error:
                yield name, 1, f"does not compile alone as {suffix[1:]}: {error}"


BAD = [({"docs/a.md": "# A\n```c\n#include <stdio.h>\nint main(void) { return x; }\n```\n"},
        "does not compile"),
       ({"include/winnow/nowhere.h": ""}, "does not compile alone")]
GOOD = [{"docs/a.md": "```c\n#include <winnow/winnow.h>\nint main(void) { return 0; }\n```\n"
                      "```c\nfragment\n```\n"}]
