#!/usr/bin/env python3
"""Writes the classes and functions of the package from the registry.   generate.py METHODS.json FOLDER

METHODS.json is what `winnow methods --json` prints. FOLDER gets _generated.py and __init__.pyi: a class for
each clustering and each model, a namespace for each family with a function for each method. A method added in C appears
here without an edit.
"""
import json
import os
import re
import sys
import textwrap

SHARED = [
    ("metric", "str | None", "how rows are compared: 'l2' or 'cosine'"),
    ("output", "str | os.PathLike | None", "folder (or file) to write as the command line does; None = in memory"),
    ("force", "bool", "replace an output that is there"),
    ("threads", "int | None", "None = the processors this process may use"),
    ("memory", "int | str | None", "budget: bytes, or '4G', '512MiB'; None = 3/4 of what is there"),
    ("progress", "bool | Callable | None",
     "True = a bar by tqdm, when installed; or called as f(stage, done, total)"),
]
RAISES = [("UsageError (a ValueError), InputTypeError (a TypeError)", "an argument that is wrong in itself"),
          ("DataError (a ValueError), MissingFileError (a FileNotFoundError)",
           "data that is bad or does not fit: the file and the row are named"),
          ("OutOfMemory (a MemoryError)", "the run would not fit memory; said before it starts")]
TYPES = {"i32": "int", "i64": "int", "u64": "int", "f64": "float", "bool": "bool", "choice": "str",
         "text": "str", "list": "Sequence[int] | int | None"}
KINDS = {"pool": "Vectors", "text": "Paths", "files": "Paths", "matrix": "Vectors", "tree": "Artefact",
         "graph": "Artefact", "model": "Artefact", "scores": "Column", "labels": "Column", "rows": "Column",
         "ints": "Column"}


def kind_of(kind):
    """The Python name of what an input takes; a kind that is not listed is a folder that some method made."""
    return KINDS.get(kind.split("|")[0], "Artefact")


# What an argument of a kind may be, for the docstrings: its shape, and where it comes from.
FORMS = {"pool": "array (n, d) of f32, f64, f16, bf16, i8, u8 or i32, or paths",
         "text": "path or list of paths", "files": "path or list of paths", "matrix": "array (n, d), or a path",
         "tree": "fitted estimator, Result of wn.cluster, or its folder",
         "graph": "Result of wn.graph, or its folder",
         "model": "fitted estimator, Result of wn.learn, or its folder",
         "scores": "array (n,), Result of wn.score, or a path",
         "labels": "array (n,) of integers or words, Result of wn.cluster, or a path",
         "rows": "array of row numbers, mask (n,), Result of wn.select or wn.dedup, or a path",
         "ints": "array of integers, or a path"}


# How the field writes the names of these methods; others are capitalised.
CLASSES = {"kmeans": "KMeans", "hkmeans": "HKMeans", "logistic": "LogisticRegression",
           "ivf": "IVF", "hnsw": "HNSW"}


def class_name(name):
    return CLASSES.get(name) or "".join(w.capitalize() for w in name.replace("-", "_").split("_"))


def python_name(name):
    return name.replace("-", "_")


def default(param):
    value = param["default"]
    if param["type"] == "list":
        return repr(value) if value else "None"
    return repr(value)


def positional(method):
    """(input, Python name) of what stands first, or None."""
    for i in method["inputs"]:
        if i["name"] == "pool":
            return i, "X" if "pool" in i["kind"] else "paths"
    return None


def wrapped(text, indent):
    return textwrap.fill(text, 100, initial_indent=" " * indent, subsequent_indent=" " * indent)


def entry(name, kind, text, indent):
    return f"{' ' * indent}{name} : {kind}\n{wrapped(text, indent + 4)}"


def bound(value):
    """2147483647 -> 2^31 - 1, 0.5 -> 0.5"""
    if 1 << 20 <= value < 1 << 63 and value == int(value):
        bits = int(value + 1).bit_length() - 1
        for power, text in ((1 << bits, f"2^{bits}"), ((1 << bits) - 1, f"2^{bits} - 1")):
            if value == power:
                return text
    return str(int(value)) if abs(value) < 1e7 and value == int(value) else f"{value:g}"


def in_python(text):
    """Help in the words of the command line, in those of Python."""
    return re.sub(r"(?<![\w-])--([a-z][a-z0-9-]*[a-z0-9])", lambda m: m[1].replace("-", "_"), text)


def params_text(method, indent):
    lines = []
    for p in method["params"]:
        kind = TYPES[p["type"]]
        if p["type"] == "choice":
            kind = "{" + ", ".join(repr(c) for c in p["choices"]) + "}"
        elif p["type"] in ("i32", "i64", "f64", "list"):
            kind += f", {bound(p['low'])} to {bound(p['high'])}"
        lines.append(entry(p["name"], f"{kind}, default {default(p)}", in_python(p["help"]), indent))
    return lines


def inputs_text(method, indent):
    lines = []
    for i in method["inputs"]:
        name = positional(method)[1] if i["name"] == "pool" else python_name(i["name"])
        lines.append(entry(name, f"{FORMS.get(i['kind'].split('|')[0], 'folder')}; {i['need']}",
                           in_python(i["help"]), indent))
    return lines


def docstring(method, indent, shared):
    pad = " " * indent
    out = [f'{pad}"""{method["summary"][0].upper()}{method["summary"][1:]}.', "",
           f"{pad}Parameters", f"{pad}----------"]
    out += inputs_text(method, indent) if shared else []
    out += params_text(method, indent)
    out += [entry(n, k, t, indent) for n, k, t in SHARED
            if (shared or n not in ("output", "force")) and (n != "metric" or has_metric(method))]
    if shared:
        out += ["", f"{pad}Returns", f"{pad}-------", f"{pad}Result"]
        out += ["", f"{pad}Raises", f"{pad}------"]
        out += [entry(name, "", text, indent).replace(" : ", "") for name, text in RAISES]
    out += ["", f"{pad}Notes", f"{pad}-----", wrapped("Cost: " + method["cost"], indent)]
    if method["papers"]:
        out.append(wrapped("Source: " + ", ".join(method["papers"]), indent))
    out.append(f'{pad}"""')
    return "\n".join(out)


def has_metric(method):
    return "own-metric" not in method["flags"]


def shared_arguments(method, with_output):
    names = [n for n, _, _ in SHARED if with_output or n not in ("output", "force")]
    return [f"{n}={'False' if n == 'force' else 'None'}" for n in names
            if n != "metric" or has_metric(method)]


def signature(method):
    """Arguments of a function of a family, behind self."""
    first = positional(method)
    out = []
    if first:
        out.append(first[1] if first[0]["need"] == "required" else f"{first[1]}=None")
    out.append("*")
    others = [i for i in method["inputs"] if i["name"] != "pool"]
    out += [python_name(i["name"]) for i in others if i["need"] == "required"]
    out += [f"{python_name(i['name'])}=None" for i in others if i["need"] != "required"]
    taken = {a.split("=")[0] for a in out}
    out += [f"{p['name']}={default(p)}" for p in method["params"] if p["name"] not in taken]
    out += [a for a in shared_arguments(method, True) if a.split("=")[0] not in
            {p["name"] for p in method["params"]}]
    return out


def arguments(names, indent):
    return textwrap.fill(", ".join(names), 100, initial_indent=" " * indent,
                         subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def function(method):
    first = positional(method)
    given = [f'"{i["name"]}": ("{i["kind"]}", '
             f'{first[1] if i["name"] == "pool" else python_name(i["name"])})' for i in method["inputs"]]
    params = [f'"{p["name"]}": {p["name"]}' for p in method["params"]]
    call = [f"{n}={n}" for n, _, _ in SHARED if n != "metric" or has_metric(method)]
    return "\n".join([
        f"    def {python_name(method['name'])}(", arguments(["self", *signature(method)], 12) + "):",
        docstring(method, 8, True),
        "        return run(", f'            "{method["family"]}", "{method["name"]}",',
        "            {", arguments(given, 16), "            },",
        "            {", arguments(params, 16) if params else "", "            },",
        arguments([*call, f'defaults=_DEFAULTS["{method["family"]} {method["name"]}"]'], 12),
        "        )", ""])


def sampler_signature(method):
    """As signature(), without what a sampler has no use for."""
    out = [a for a in signature(method) if a.split("=")[0] not in ("output", "force", "metric", "progress")]
    return ["X=None" if a.startswith("X") else a for a in out]


def sampler(method):
    """A function that makes a sampler."""
    inputs = [python_name(i["name"]) for i in method["inputs"]]
    given = [f'"{n}": {"X" if n == "pool" else n}' for n in inputs]
    params = [f'"{p["name"]}": {p["name"]}' for p in method["params"]]
    text = docstring(method, 8, True).replace("-------\n        Result", "-------\n        Sampler")
    for line in ("output", "force", "progress", "metric"):
        start = text.find(f"\n        {line} : ")
        if start >= 0:
            end = text.find("\n", start + 1)
            while text[end:end + 13] == "\n" + " " * 12:
                end = text.find("\n", end + 1)
            text = text[:start] + text[end:]
    return "\n".join([
        f"    def {python_name(method['name'])}(",
        arguments(["self", *sampler_signature(method)], 12) + "):", text,
        "        return Sampler(", f'            "{method["name"]}",',
        "            {", arguments(given, 16), "            },",
        "            {", arguments(params, 16), "            },",
        f'            _DEFAULTS["batch {method["name"]}"], threads, memory)', ""])


# Families whose methods are estimators too, when they need nothing but these inputs.
ESTIMATORS = {"cluster": ("ClusterEstimator", {"pool"}), "learn": ("ClassifierEstimator", {"pool", "labels"})}


def base_of(method):
    """The base class of a method that is an estimator, or None."""
    base, needs = ESTIMATORS.get(method["family"], (None, None))
    return base if needs == {i["name"] for i in method["inputs"] if i["need"] == "required"} else None


def estimator(method):
    names = [f"{p['name']}={default(p)}" for p in method["params"]] + shared_arguments(method, False)
    metric = [] if has_metric(method) else ["    metric = None"]
    inputs = {python_name(i["name"]): i["kind"] for i in method["inputs"]
              if i["name"] not in ("pool", "weights")}
    first, *rest = names
    return "\n".join([
        f"class {class_name(method['name'])}({base_of(method)}):", docstring(method, 4, False), "",
        f'    _method = "{method["name"]}"', f'    _defaults = _DEFAULTS["{method["family"]} {method["name"]}"]',
        f"    _inputs = {inputs!r}", *metric, "",
        "    def __init__(", arguments(["self", first, "*", *rest], 12) + "):",
        *[f"        self.{n.split('=')[0]} = {n.split('=')[0]}" for n in names], "", ""])


def makes_index(method):
    """Whether the method makes an index out of rows."""
    inputs = {i["name"] for i in method["inputs"]}
    return method["family"] == "index" and "pool" in inputs and "index" not in inputs


def index_class(method):
    """A class of its own for each kind of index."""
    names = [f"{p['name']}={default(p)}" for p in method["params"]] + \
        [a for a in shared_arguments(method, False) if a.split("=")[0] != "progress"]
    text = docstring(method, 4, False)
    return "\n".join([
        f"class Index{class_name(method['name'])}(Index):", text, "",
        f'    _method = "{method["name"]}"', f'    _defaults = _DEFAULTS["index {method["name"]}"]', "",
        "    def __init__(", arguments(["self", "*", *names], 12) + "):",
        "        self._begin()",
        *[f"        self.{n.split('=')[0]} = {n.split('=')[0]}" for n in names], "", ""])


def namespace(family, methods):
    out = [f"class _{class_name(family['name'])}(Family):", f'    """{family["summary"]}"""', "",
           f'    _name = "{family["name"]}"',
           f"    _default = {python_name(family['default_method'])!r}" if family["default_method"]
           else "    _default = None", ""]
    make = sampler if family["name"] == "batch" else function
    out += [make(m) for m in methods if m["family"] == family["name"]]
    out += ["", f"{family['name']} = _{class_name(family['name'])}()", "", ""]
    return "\n".join(out)


def module(told):
    out = ['"""Written by generate.py from the registry of this build; do not edit."""',
           "from ._estimator import ClassifierEstimator, ClusterEstimator", "from ._family import Family",
           "from ._index import Index",
           "from ._run import run",
           "from ._sampler import Sampler", "",
           "# What is left at its default is not told to the library: some flags are about other things too.",
           "_DEFAULTS = {"]
    out += [f'    "{m["family"]} {m["name"]}": {{' + ", ".join(
        f'"{p["name"]}": {default(p)}' for p in m["params"]) + "}," for m in told["methods"]]
    out += ["}", "", ""]
    names = []
    for m in told["methods"]:
        if base_of(m):
            out.append(estimator(m))
            names.append(class_name(m["name"]))
        if makes_index(m):
            out.append(index_class(m))
            names.append("Index" + class_name(m["name"]))
    for f in told["families"]:
        out.append(namespace(f, told["methods"]))
        names.append(f["name"])
    out.append(f"__all__ = {names!r}\n")
    return "\n".join(out)


# ---- stubs -------------------------------------------------------------------------------------------------

def typed(method, arguments_list):
    return ", ".join(typed_list(method, arguments_list))


def typed_list(method, arguments_list):
    kinds = {python_name(i["name"]): kind_of(i["kind"]) for i in method["inputs"]}
    first = positional(method)
    if first:
        kinds[first[1]] = kind_of(first[0]["kind"])
        if method["family"] == "batch":
            kinds["X"] = "int | Sized | Artefact"
    kinds.update({n: k for n, k, _ in SHARED})
    for p in method["params"]:
        kinds[p["name"]] = TYPES[p["type"]]
        if p["type"] == "choice":
            kinds[p["name"]] = "Literal[" + ", ".join(repr(c) for c in p["choices"]) + "]"
    out = []
    for a in arguments_list:
        name, _, value = a.partition("=")
        if name == "*":
            out.append("*")
            continue
        kind = kinds[name]
        if value == "None" and "None" not in kind:
            kind += " | None"
        out.append(f"{name}: {kind}" + (f" = {value}" if value else ""))
    return out


def stubs(told, head):
    out = [head]
    for m in told["methods"]:
        if base_of(m):
            names = [f"{p['name']}={default(p)}" for p in m["params"]] + shared_arguments(m, False)
            first, *rest = names
            out.append(f"class {class_name(m['name'])}({base_of(m)}):\n" + "".join(
                           f"    {a.split(':')[0]}: {a.partition(': ')[2].rpartition(' = ')[0]}\n"
                           for a in typed_list(m, names)) +
                       f"    def __init__(self, {typed(m, [first, '*', *rest])}) -> None: ...\n")
        if makes_index(m):
            names = [f"{p['name']}={default(p)}" for p in m["params"]] + \
                [a for a in shared_arguments(m, False) if a.split("=")[0] != "progress"]
            out.append(f"class Index{class_name(m['name'])}(Index):\n"
                       f"    def __init__(self, {typed(m, ['*', *names])}) -> None: ...\n")
    for f in told["families"]:
        methods = [m for m in told["methods"] if m["family"] == f["name"]]
        out.append(f"class _{class_name(f['name'])}:")
        for m in methods:
            line = f"(self, {typed(m, signature(m))}) -> Result: ..."
            if f["name"] == "batch":
                line = f"(self, {typed(m, sampler_signature(m))}) -> Sampler: ..."
            out.append(f"    def {python_name(m['name'])}{line}")
            if m["name"] == f["default_method"]:
                out.append(f"    def __call__{line}")
        out.append(f"\n{f['name']}: _{class_name(f['name'])}\n")
    return "\n".join(out)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as f:
        told = json.load(f)
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "head.pyi"), encoding="utf-8") as f:
        head = f.read()
    os.makedirs(sys.argv[2], exist_ok=True)
    for name, text in (("_generated.py", module(told)), ("__init__.pyi", stubs(told, head))):
        with open(os.path.join(sys.argv[2], name), "w", encoding="utf-8") as f:
            f.write(text)


if __name__ == "__main__":
    main()
