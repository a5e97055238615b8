"""One run of one method: inputs in, a Result out."""
import ctypes as C
import json
import os
import shutil
import sys
import tempfile
import warnings as _warnings
import weakref

import numpy as np

from . import _inputs, _lib

_TEXT = (".jsonl", ".ndjson", ".csv", ".tsv")


class WinnowWarning(UserWarning):
    """What a run wants its user to see; also in Result.warnings."""


def _attribute(name):
    """"level2/labels.npy" -> "level2_labels"."""
    return os.path.splitext(name)[0].replace("/", "_").replace("-", "_").replace(".", "_")


class Result:
    """What a run left: its arrays as attributes (`rows.npy` is `.rows`), over winnow's own memory.

    arrays, texts : dict by file name; counts, warnings : what the run counted and warned of;
    manifest : dict with method, version, parameters, seed and inputs; save(folder) writes it all.
    """

    def __init__(self, arrays, texts, summary, path=None):
        self.arrays = arrays
        self.texts = texts
        self.path = path
        self.counts = summary.get("counts", {})
        self.warnings = summary.get("warnings", [])

    @property
    def manifest(self):
        return json.loads(self.texts["manifest.json"]) if "manifest.json" in self.texts else {}

    def __getattr__(self, name):
        if not name.startswith("__"):
            for file, array in self.__dict__.get("arrays", {}).items():
                if _attribute(file) == name:
                    return array
        raise AttributeError(f"this result has no {name!r}; it has "
                             + ", ".join(_attribute(f) for f in self.__dict__.get("arrays", {})))

    def __getstate__(self):
        state = dict(self.__dict__)
        if state.pop("_scratch", None) is not None:
            state["path"] = None  # a temporary folder, which stays behind
        return state

    def __copy__(self):
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__)
        return copy

    def __dir__(self):
        return [*super().__dir__(), *(_attribute(f) for f in self.arrays)]

    def __repr__(self):
        arrays = ", ".join(f"{_attribute(f)} {a.dtype if not a.dtype.names else 'record'}{list(a.shape)}"
                           for f, a in self.arrays.items())
        method = " ".join(str(self.manifest.get(k, "")) for k in ("family", "method")).strip()
        return f"<winnow {method}: {arrays}>"

    def save(self, folder):
        """Writes arrays and texts to a new folder, in the form that the command line reads."""
        os.makedirs(folder)
        for name, array in self.arrays.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            np.save(path, array)
        for name, text in self.texts.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)

    @classmethod
    def load(cls, folder):
        """A folder that the command line or save() wrote; arrays are memory-mapped."""
        if not os.path.isdir(folder):
            raise _lib.MissingFileError(f"{os.fspath(folder)}: there is no such folder")
        arrays, texts = {}, {}
        for root, _, files in sorted(os.walk(folder)):
            for name in sorted(files):
                path = os.path.join(root, name)
                short = os.path.relpath(path, folder)
                if name.endswith(".npy"):
                    arrays[short] = np.load(path, mmap_mode="r")
                elif name.endswith((".json", ".txt", ".csv", ".html")):
                    with open(path, encoding="utf-8") as f:
                        texts[short] = f.read()
        manifest = json.loads(texts.get("manifest.json", "{}"))
        return cls(arrays, texts, manifest, os.fspath(folder))


def artefact(value):
    """The Result behind a value that a run or a fitted estimator left, or None."""
    if hasattr(value, "_fitted"):
        value._fitted()
    result = getattr(value, "result_", value)
    return result if isinstance(result, Result) else None


# Which family makes what is no array.
_MAKERS = {"tree": "cluster", "graph": "graph", "model": "learn", "index": "index"}


class _Job:
    """A job of the library with what must outlive it."""

    def __init__(self, ctx, family, method):
        ptr = _lib.PTR()
        self.ctx = ctx
        self.ptr = None
        self.pools = []
        self.folders = []
        ctx.check(_lib.job_new(ctx.ptr, family.encode(), method.encode(), C.byref(ptr)))
        self.ptr = ptr

    def set(self, name, value):
        self.ctx.check(_lib.job_set(self.ptr, name.encode(), value.encode()))

    def input(self, name, kind, value, metric):
        # As the caller knows it.
        shown = name if name != "pool" else "X" if "pool" in kind else "paths"
        shown = shown.replace("-", "_")
        if _inputs.is_parquet(value):
            value = _inputs.parquet_column(value)
        if _inputs.is_path(value) or _are_paths(kind, value):
            for path in [value] if _inputs.is_path(value) else value:
                self.ctx.check(_lib.job_input(self.ptr, name.encode(), _inputs.path_text(path)))
            return
        result = artefact(value)
        if result is not None:
            self._folder(name, result)
        elif kind.startswith(("pool", "matrix")):
            pool = _inputs.Pool(self.ctx, value, metric if kind.startswith("pool") else "l2", shown)
            self.pools.append(pool)
            self.ctx.check(_lib.job_input_pool(self.ptr, name.encode(), pool.ptr))
        elif kind in _MAKERS:
            raise _lib.InputTypeError(f"{shown}: found {type(value).__name__}, expected a path, a fitted "
                                      f"estimator or the result of wn.{_MAKERS[kind]}")
        elif not _inputs.is_column(kind):
            raise _lib.InputTypeError(f"{shown}: found {type(value).__name__}, expected a path")
        else:
            folder = _inputs.Folder(self.ctx)
            folder.add(_inputs.column_file(kind), _inputs.column(value, kind, shown))
            self._give(name, folder, _inputs.column_file(kind))

    def _folder(self, name, result):
        """The arrays of a result, borrowed: a folder belongs to one context."""
        if result.path is not None:
            self.ctx.check(_lib.job_input(self.ptr, name.encode(), result.path.encode()))
            return
        folder = _inputs.Folder(self.ctx)
        folder.borrow(result)
        self._give(name, folder)

    def _give(self, name, folder, column=None):
        self.folders.append(folder)
        path = _lib.folder_path(folder.ptr).decode()
        self.ctx.names[path] = shown = name.replace("-", "_")
        if column is not None:
            self.ctx.names[f"{path}/{column}"] = shown
        self.ctx.check(_lib.job_input_folder(self.ptr, name.encode(), folder.ptr))

    def free(self):
        if self.ptr:
            _lib.job_free(self.ptr)
            self.ptr = None
        for pool in self.pools:
            pool.free()


def _are_paths(kind, value):
    """Whether a list names files; a column may be a list of words."""
    return _inputs.is_paths(value) and not (_inputs.is_column(kind) and isinstance(value[0], str))


def _parameter_text(name, value):
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (list, tuple, np.ndarray)):
        return ",".join(_parameter_text(name, v) for v in value)
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        if isinstance(text, str) and "\0" not in text:
            return text
    raise _lib.InputTypeError(f"{name}: found {type(value).__name__}, expected a number, a text or a list")


class _Bar:
    """progress=True: tqdm when it is there, else nothing; a callable gets (stage, done, total)."""

    def __init__(self, progress):
        self.stage = self.bar = None
        self.tell = progress if callable(progress) else None
        if progress not in (None, False, True) and self.tell is None:
            raise _lib.InputTypeError(f"progress: found {progress!r}, expected True, False or a function of "
                                      "(stage, done, total)")
        if progress is True:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self.make = tqdm
            self.tell = self._tqdm

    def _tqdm(self, stage, done, total):
        if stage != self.stage:
            self.close()
            self.stage, self.bar = stage, self.make(total=total, desc=stage, leave=False)
        self.bar.update(done - self.bar.n)

    def close(self):
        if self.bar is not None:
            self.bar.close()
        self.bar = None


class _Scratch:
    """A folder that goes with the last result that holds it."""

    def __init__(self):
        self.name = tempfile.mkdtemp(prefix="winnow-")
        weakref.finalize(self, _remove, self.name, os.getpid())


def _remove(folder, pid):
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


def _callers_level():
    """The stacklevel of the line outside of this package that called it."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_lib._HERE + os.sep):
        level, frame = level + 1, frame.f_back
    return level


def _is_text(value):
    paths = [value] if _inputs.is_path(value) else value if _inputs.is_paths(value) else []
    names = [os.fspath(p).removesuffix(".gz").removesuffix(".zst") for p in paths]
    return any(n.endswith(_TEXT) for n in names)


def _told(params, defaults):
    """The parameters that are not at their default."""
    return {n: v for n, v in params.items()
            if v is not None and not (n in defaults and type(v) is type(defaults[n]) and v == defaults[n])}


def rows_agree(inputs):
    """A mask has an entry for each row; it is the one input whose length the library does not see."""
    known = [v for name, (kind, v) in inputs.items() if kind in ("labels", "scores", "pool") and
             isinstance(v, np.ndarray) and v.ndim]
    n = len(known[0]) if known else None
    for name, (kind, value) in inputs.items():
        dtype = getattr(value, "dtype", None)
        if kind == "rows" and isinstance(dtype, np.dtype) and dtype.kind == "b" and n not in (None, len(value)):
            raise _lib.DataError(f"{name}: the mask has {len(value)} entries, the pool {n} rows")


def run(family, method, inputs, params, *, defaults=None, metric=None, output=None, force=False,
        threads=None, memory=None, progress=None):
    """Runs `family method`.

    inputs : {name: (kind, value)}; params : {name: value}, None = the default.
    output : a folder (or file) to write as the command line does; None = the result stays in memory.
    """
    params = _told(params, defaults or {})
    if output is not None and not _inputs.is_path(output):
        raise _lib.InputTypeError(f"output: found {type(output).__name__}, expected the path of a folder")
    rows_agree(inputs)
    inputs = {name: given for name, given in inputs.items() if given[1] is not None}
    if output is None and any(_is_text(value) for kind, value in inputs.values() if "text" in kind
                              or "files" in kind):
        # A table of texts is a file: the run gets a folder of its own, which goes with the result.
        scratch = _Scratch()
        result = run(family, method, inputs, params, metric=metric, threads=threads, memory=memory,
                     progress=progress, output=os.path.join(scratch.name, "out"))
        result._scratch = scratch
        return result
    bar = _Bar(progress)
    ctx = _lib.Context(threads, memory, bar.tell)
    job = _Job(ctx, family, method)
    folder = None
    try:
        for name, value in params.items():
            job.set(name, _parameter_text(name, value))
        files = [_inputs.is_path(v) or _are_paths(k, v) for k, v in inputs.values()]
        if metric is not None and (any(files) or not inputs):
            job.set("metric", metric)
        for name, (kind, value) in inputs.items():
            job.input(name, kind, value, metric or "l2")
        if output is None:
            folder = _inputs.Folder(ctx)
            ctx.check(_lib.job_output_folder(job.ptr, folder.ptr))
        else:
            ctx.check(_lib.job_output(job.ptr, os.fspath(output).encode()))
            job.set("force", "1" if force else "0")
        ctx.call(_lib.job_run, job.ptr)
        summary = json.loads(_lib.job_summary(job.ptr))
    finally:
        bar.close()
        job.free()
    ctx.rest()
    for text in summary.get("warnings", []):
        _warnings.warn(_lib.in_python(text, ctx.names), WinnowWarning, stacklevel=_callers_level())
    if folder is None:
        if os.path.isdir(output):
            return Result.load(output)
        return Result({os.path.basename(output): np.load(output, mmap_mode="r")}, {}, summary,
                      os.fspath(output))
    arrays, texts = folder.read()
    # The summary is for eyes: its numbers are rounded.
    return Result(arrays, texts, json.loads(texts["manifest.json"]))
