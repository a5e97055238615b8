"""Includes go down only; families meet through public headers; the command sees public headers only."""
import re

LOW = ["base", "kernels", "ds", "io", "pool", "scan", "report"]
PUBLIC = {"base.h": "base", "ctx.h": "base", "method.h": "base", "pool.h": "pool", "table.h": "pool",
          "folder.h": "io", "labels.h": "pool", "job.h": "registry", "winnow.h": "registry"}
# An exception stands where it is made, with its reason, for reviewers to see.
EXEMPT = re.compile(r"/\* allowed: \w.*\*/")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.M)


def rank(room):
    if room in LOW:
        return LOW.index(room)
    return len(LOW) + (1 if room == "registry" else 0)


def check(tree):
    for name in tree.match(r"(src|cli|include)/.*\.(c|h|def)"):
        text = tree.read(name)
        top, *rest = name.split("/")
        room = rest[0] if top == "src" and len(rest) > 1 else top
        for m in INCLUDE.finditer(text):
            line, header = text.count("\n", 0, m.start()) + 1, m.group(1)
            if EXEMPT.search(text.split("\n")[line - 1]):
                continue
            target, _, base = header.rpartition("/")
            if top == "include" and target != "winnow":
                yield name, line, f'"{header}": a public header includes public headers only'
            elif top == "cli" and target not in ("winnow", ""):
                yield name, line, f'"{header}": the command uses the public API only (winnow/*.h)'
            elif top == "cli" and target == "" and not tree.exists("cli/" + base):
                yield name, line, f'"{header}": the command uses the public API only (winnow/*.h)'
            elif top == "src" and target == "winnow":
                to = PUBLIC.get(base, base[:-2])
                if rank(to) > rank(room):
                    yield name, line, f'"{header}": {room} stands below {to}; includes go down only'
            elif top == "src" and target:
                to = target.split("/")[0]
                if rank(to) > rank(room):
                    yield name, line, f'"{header}": {room} stands below {to}; includes go down only'
                elif rank(to) == rank(room) == len(LOW) and to != room:
                    yield (name, line, f'"{header}": families meet only through the public '
                           f"<family>.h, not through src/{to}/")


def case(name, header):
    return {name: f'#include "{header}"\n'}


BAD = [
    (case("src/base/a.c", "scan/scan.h"), "base stands below scan"),
    (case("src/kernels/dot/a.c", "io/outdir.h"), "kernels stands below io"),
    (case("src/pool/a.c", "winnow/cluster.h"), "pool stands below cluster"),
    (case("src/cluster/a.c", "winnow/job.h"), "cluster stands below registry"),
    (case("src/dedup/a.c", "cluster/lloyd.h"), "families meet only"),
    (case("cli/main.c", "base/ctx_impl.h"), "public API only"),
    (case("cli/main.c", "ctx_impl.h"), "public API only"),
    (case("include/winnow/a.h", "base/os.h"), "public headers only"),
]
GOOD = [{"src/dedup/a.c": '#include "winnow/cluster.h"\n#include "scan/scan.h"\n#include "dedup/b.h"\n',
         "src/registry/a.c": '#include "winnow/cluster.h"\n#include "methods.def"\n',
         "src/pool/a.h": '#include "winnow/cluster.h" /* allowed: a reason */\n',
         "cli/main.c": '#include "winnow/winnow.h"\n#include "args.h"\n', "cli/args.h": ""}]
