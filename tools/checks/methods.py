"""A method is four places: descriptor, line in methods.def, test, page. Paper keys are in papers.bib."""
import re

from tree import code_only, line_of

METHOD = re.compile(r"^const wn_method (wni_method_\w+)\s*=\s*\{(.*?)^\};", re.M | re.S)
FAMILY = re.compile(r"^const wn_family (wni_family_\w+)\s*=", re.M)
LINE = re.compile(r"^WN_(METHOD|FAMILY)\(\s*(\w+)\s*(?:,\s*(\w+)\s*)?\)", re.M)


def check(tree):
    bib = tree.read("docs/papers.bib") if "docs/papers.bib" in tree.files else ""
    keys = {m.group(1): line_of(bib, m.start()) for m in re.finditer(r"^@\w+\{(\w+),", bib, re.M)}
    found, used = {}, set()
    for name in tree.match(r"src/\w+/\w+\.c"):
        text = tree.read(name)
        for m in FAMILY.finditer(text):
            found[m.group(1)] = (name, line_of(text, m.start()))
        for m in METHOD.finditer(text):
            line = line_of(text, m.start())
            found[m.group(1)] = (name, line)
            papers = re.search(r'\.papers\s*=\s*"([^"]*)"', m.group(2))
            if not papers:
                yield name, line, f"{m.group(1)} names no .papers (\"\" when there is none)"
                continue
            for key in papers.group(1).split():
                used.add(key)
                if key not in keys:
                    yield name, line, f"paper key '{key}' is not in docs/papers.bib"
    lines = {}
    definitions = tree.read("src/methods.def") if "src/methods.def" in tree.files else ""
    for m in LINE.finditer(code_only(definitions)):
        kind, family, method = m.groups()
        symbol = f"wni_family_{family}" if kind == "FAMILY" else f"wni_method_{family}_{method}"
        lines[symbol] = (line_of(definitions, m.start()), kind, family, method)
    for symbol, (name, line) in found.items():
        if symbol not in lines:
            yield name, line, f"{symbol} has no line in src/methods.def"
    pages = {}
    for name in tree.match(r"docs/methods/[^/]+\.md"):
        text = tree.read(name)
        pages[text.split("\n")[0]] = name
        used.update(k for k in keys if k in text)
    for name in tree.match(r"(README|CONTRIBUTING|docs/(guide|decisions)/.*)\.md"):
        used.update(k for k in keys if k in tree.read(name))
    for symbol, (line, kind, family, method) in lines.items():
        if symbol not in found:
            yield "src/methods.def", line, f"no src/*/*.c defines {symbol}"
        if kind == "FAMILY":
            continue
        word = re.compile(rf'\b(wni_method_{family}_{method}|wn_{family}_{method}|wn_{method})\b'
                          rf'|"{method}"|_{method}\.md')
        tests = tree.match(rf"tests/unit/{family}/test_\w+\.c")
        if not any(word.search(tree.read(t)) for t in tests):
            yield "src/methods.def", line, f"no tests/unit/{family}/test_*.c names {family} {method}"
        title = f"# {family} {method}"
        page = pages.get(title)
        if not page:
            yield "src/methods.def", line, f"no page in docs/methods starts with '{title}'"
        elif f"<!-- params: {family} {method} -->" not in tree.read(page):
            yield page, 1, f"no '<!-- params: {family} {method} -->' marker for the table"
    for key, line in keys.items():
        if key not in used:
            yield "docs/papers.bib", line, f"'{key}' is cited nowhere"


_ALL = {
    "src/cluster/kmeans.c": 'const wn_method wni_method_cluster_kmeans = {\n    .papers = "a2000",\n};\n',
    "src/cluster/family.c": "const wn_family wni_family_cluster = {0};\n",
    "src/methods.def": "WN_FAMILY(cluster)\nWN_METHOD(cluster, kmeans)\n",
    "tests/unit/cluster/test_kmeans.c": 'find("kmeans")',
    "docs/methods/kmeans.md": "# cluster kmeans\n<!-- params: cluster kmeans -->\n",
    "docs/papers.bib": "@article{a2000,\n}\n",
}


def _but(**change):
    names = {"def_": "src/methods.def", "test": "tests/unit/cluster/test_kmeans.c",
             "page": "docs/methods/kmeans.md", "bib": "docs/papers.bib",
             "source": "src/cluster/kmeans.c"}
    return {**_ALL, **{names[k]: v for k, v in change.items()}}


BAD = [
    (_but(def_="WN_FAMILY(cluster)\n"), "has no line in src/methods.def"),
    (_but(def_="WN_METHOD(cluster, kmeans)\n"), "wni_family_cluster has no line"),
    (_but(source=""), "defines wni_method_cluster_kmeans"),
    (_but(test='find("other")'), "test_*.c names cluster kmeans"),
    (_but(page="# kmeans\n"), "starts with '# cluster kmeans'"),
    (_but(page="# cluster kmeans\n"), "marker for the table"),
    (_but(bib=""), "paper key 'a2000' is not in"),
    (_but(bib="@article{a2000,\n}\n@book{b1999,\n}\n"), "'b1999' is cited nowhere"),
    (_but(source="const wn_method wni_method_cluster_kmeans = {\n};\n"), "names no .papers"),
]
GOOD = [_ALL]
