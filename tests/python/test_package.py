"""The package says of itself what is so."""
import ast
import inspect
import os
import re
import subprocess

import pytest

import winnow as wn

HERE = os.path.dirname(wn.__file__)


def test_every_method_is_there(winnow_command):
    import json

    told = json.loads(winnow_command("methods", "--json").stdout)
    for m in told["methods"]:
        if m["family"] == "batch":
            assert hasattr(wn.batch, m["name"].replace("-", "_"))
            continue
        f = getattr(getattr(wn, m["family"]), m["name"].replace("-", "_"))
        names = inspect.signature(f).parameters
        assert {p["name"] for p in m["params"]} <= set(names), m["name"]
        assert {i["name"].replace("-", "_") for i in m["inputs"] if i["name"] != "pool"} <= set(names)
        assert "Parameters" in f.__doc__ and m["summary"][1:] in " ".join(f.__doc__.split())


def test_types_match_the_code():
    """The stub names what the module has, with the same arguments."""
    with open(os.path.join(HERE, "__init__.pyi"), encoding="utf-8") as f:
        stub = ast.parse(f.read())
    classes = {n.name: n for n in stub.body if isinstance(n, ast.ClassDef)}
    for name in ("KMeans", "HKMeans", "LogisticRegression"):
        init = next(f for f in classes[name].body if getattr(f, "name", "") == "__init__")
        told = [a.arg for a in init.args.args + init.args.kwonlyargs]
        assert told == list(inspect.signature(getattr(wn, name).__init__).parameters)
    names = {n.target.id for n in stub.body if isinstance(n, ast.AnnAssign)} | classes.keys()
    assert {n for n in wn.__all__ if n != "batch"} <= names
    for family in ("select", "dedup", "graph"):
        for f in classes[f"_{family.capitalize()}"].body:
            if f.name != "__call__":
                told = [a.arg for a in f.args.args + f.args.kwonlyargs][1:]
                assert told == list(inspect.signature(getattr(getattr(wn, family), f.name)).parameters)
    assert os.path.exists(os.path.join(HERE, "py.typed"))


def test_docstrings_speak_python():
    for family in wn.__all__:
        for name in getattr(getattr(wn, family), "_methods", list)():
            text = getattr(getattr(wn, family), name).__doc__
            assert "Raises" in text and "Cost:" in text and not re.search(r"(?<!-)--[a-z]", text), (family, name)


def test_code_that_uses_it_type_checks(tmp_path):
    mypy = pytest.importorskip("mypy.api")
    (tmp_path / "use.py").write_text("""
import numpy as np
import winnow as wn

X = np.zeros((100, 4), np.float32)
km: wn.KMeans = wn.KMeans(k=10, seed=0).fit(X)
k: int = km.k
sel = wn.select.balanced(X, tree=wn.HKMeans(k=[30, 3]).fit(X), size=10)
rows = sel.rows.tolist()
out = wn.curate("emb_*.npy", size=10_000, memory="4G", progress=True)
n: int = wn.LogisticRegression().fit(X, km.labels_).n_iter_
for batch in wn.batch.topic_aware(km, batch_size=256, seed=0):
    first: int = batch[0]
wn.KMeans(init="nonsense")
""")
    import sys

    # --python-executable: the types that are installed, not a source tree near by
    said, _, _ = mypy.run(["--strict", "--python-executable", sys.executable, "--cache-dir", str(tmp_path / "cache"),
                           str(tmp_path / "use.py")])
    errors = [line for line in said.splitlines() if ": error:" in line]
    assert len(errors) == 1 and ":14: error:" in errors[0], said


def test_only_the_library_is_compiled():
    compiled = [f for f in os.listdir(HERE) if f.endswith((".so", ".pyd"))]
    assert compiled == ["libwinnow.so"]


def test_what_the_library_needs():
    """libc, libm, pthread and the libraries that winnow is built on, which a repaired wheel carries along."""
    out = subprocess.run(["readelf", "-d", os.path.join(HERE, "libwinnow.so")], capture_output=True, text=True)
    if out.returncode:
        pytest.skip("no readelf")
    names = [line.split("[")[1] for line in out.stdout.splitlines() if "(NEEDED)" in line]
    needed = {name.split(".so")[0].split("-")[0] for name in names}
    assert needed <= {"libc", "libm", "libpthread", "ld", "libsqlite3", "libz", "libzstd",
                      "libjansson", "libxxhash"}, needed
