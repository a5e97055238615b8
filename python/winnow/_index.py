"""Indexes with the calls that faiss's users know: add, search -> (D, I), remove_ids, save, load."""
import ctypes as C
import inspect
import os
import shutil
import threading

import numpy as np

from . import _inputs, _lib
from ._run import Result, run


class _Query(C.Structure):
    _fields_ = [("struct_size", C.c_uint32), ("queries", _lib.PTR), ("k", _lib.I64), ("effort", _lib.I64),
                ("recall", C.c_double), ("where", _lib.STR), ("window", _lib.STR), ("tenant", _lib.STR),
                ("filter", _lib.PTR)]


class _Report(C.Structure):
    _fields_ = [(n, _lib.I64) for n in ("rows", "matching", "visited", "compared", "verified", "effort",
                                        "short_hits")] + [("route", C.c_char * 96)]


class _Hits(C.Structure):
    _fields_ = [("ctx", _lib.PTR), ("n", _lib.I64), ("k", _lib.I64), ("metric", C.c_int),
                ("indices", _lib.PTR), ("distances", _lib.PTR), ("counts", _lib.PTR), ("report", _Report)]


class _About(C.Structure):
    _fields_ = [("struct_size", C.c_uint32), ("kind", _lib.STR), ("code", _lib.STR), ("metric", C.c_int),
                ("rows", _lib.I64), ("deleted", _lib.I64), ("dim", _lib.I64), ("next_id", _lib.I64),
                ("segments", _lib.I32), ("has_table", _lib.I32), ("memory_bytes", _lib.I64)]


_open = _lib._declare("wn_index_open", _lib.STATUS, _lib.PTR, _lib.STR, C.POINTER(_lib.PTR))
_free = _lib._declare("wn_index_free", None, _lib.PTR)
_describe = _lib._declare("wn_index_describe", None, _lib.PTR, C.POINTER(_About))
_search = _lib._declare("wn_index_search", _lib.STATUS, _lib.PTR, _lib.PTR, C.POINTER(_Query),
                        C.POINTER(C.POINTER(_Hits)))
_hits_free = _lib._declare("wn_hits_free", None, C.POINTER(_Hits))
_filter_new = _lib._declare("wn_filter_new", _lib.STATUS, _lib.PTR, _lib.PTR, _lib.STR, _lib.STR, _lib.STR,
                            C.POINTER(_lib.PTR))
_filter_free = _lib._declare("wn_filter_free", None, _lib.PTR)
_filter_matching = _lib._declare("wn_filter_matching", _lib.I64, _lib.PTR)


class _Snapshot:
    """An open index of the library: it never changes, so any number of threads search it."""

    def __init__(self, result):
        self.ptr = None
        self.ctx = _lib.Context(1)
        if result.path is not None:
            path = os.fsencode(result.path)
        else:
            self.folder = _inputs.Folder(self.ctx)
            self.folder.borrow(result)
            path = _lib.folder_path(self.folder.ptr)
            self.ctx.names[path.decode()] = "the index"
        ptr = _lib.PTR()
        self.ctx.call(_open, self.ctx.ptr, path, C.byref(ptr))
        self.ptr = ptr
        self.ctx.rest()
        self.about = _About(struct_size=C.sizeof(_About))
        _describe(self.ptr, C.byref(self.about))

    def __del__(self):
        if self.ptr and self.ctx._pid == os.getpid():
            _free(self.ptr)


class Filter:
    """Which rows of an index a search may find; made once by Index.filter() for any number of searches."""

    def __init__(self, owner, snapshot, where, window, tenant):
        self.ptr = None
        self.owner = owner
        self.snapshot = snapshot
        self.ctx = _lib.Context(1)
        ptr = _lib.PTR()
        self.ctx.call(_filter_new, self.ctx.ptr, snapshot.ptr, _text(where), _text(window), _text(tenant),
                      C.byref(ptr))
        self.ptr = ptr
        self.ctx.rest()

    @property
    def matching(self):
        """How many rows match."""
        return _filter_matching(self.ptr)

    def __del__(self):
        if getattr(self, "ptr", None) and self.ctx._pid == os.getpid():
            _filter_free(self.ptr)


def _text(value):
    return None if value is None else str(value).encode()


def _window(window):
    """("ts", 10, 20) or "ts:10:20"."""
    if window is None or isinstance(window, str):
        return window
    column, low, high = window
    return f"{column}:{low!r}:{high!r}" if not hasattr(low, "item") else f"{column}:{low.item()!r}:{high.item()!r}"


class Index:
    """An index of any kind: Index.load(path), or one of IndexFlat, IndexIVF, IndexHNSW, ...

    add(X) makes it the first time and adds afterwards; search(Q, k) -> (D, I) as faiss has it. In memory, until
    save(path); one that was loaded from a folder is changed in that folder, in one step that a crash does not
    harm. Several threads may search while one changes it: each search sees the index before or after.
    """

    _method = None
    _defaults = {}
    _shared = ("metric", "threads", "memory")

    def __init__(self):
        raise TypeError("Index.load(path) opens an index; IndexFlat and its kin make one")

    def _begin(self):
        self._lock = threading.Lock()
        self._result = self._snapshot = None
        self.report_ = {}

    # ---- making and changing ------------------------------------------------------------------------------

    def _params(self):
        names = [p for p in inspect.signature(type(self).__init__).parameters if p != "self"]
        return {n: getattr(self, n) for n in names if n not in self._shared}

    def _take(self, result):
        snapshot = _Snapshot(result)
        self._result, self._snapshot = result, snapshot
        return snapshot

    def _update(self, method, inputs, params=None):
        """Runs an updating method on the index, in memory or in its folder."""
        result = self._need()
        output = result.path
        changed = run("index", method, {"index": ("index", result), **inputs}, params or {},
                      output=output, force=output is not None, threads=self.threads, memory=self.memory)
        if getattr(result, "_scratch", None) is not None:
            changed._scratch = result._scratch
        self._take(changed)
        return changed

    def add(self, X, ids=None, table=None):
        """Adds the rows X (n, d): an array, a path or a list of paths. Returns their ids (n,) int64.

        ids (n,) : ids of the caller, none of which is in the index; counted on if not given.
        table : path of a .jsonl .csv .tsv with a record for each row, for filters; all rows have one or none.
        """
        with self._lock:
            inputs = {"pool": ("pool", X), "table": ("text", table)}
            if self._result is None:
                if ids is not None:
                    raise _lib.UsageError("ids: the first rows of an index get the ids 0, 1, 2, ...; give ids "
                                          "for those that are added later")
                result = run("index", self._method, inputs, self._params(), defaults=self._defaults,
                             metric=self.metric, threads=self.threads, memory=self.memory)
                return np.arange(self._take(result).about.rows, dtype=np.int64)
            if ids is not None:
                ids = np.asarray(ids, dtype=np.int64)
            if table is not None and self._result.path is None:
                raise _lib.UsageError("table: the index has no table; its first rows need one too")
            changed = self._update("add", {**inputs, "ids": ("ints", ids)})
            if ids is not None:
                return ids
            counts = changed.counts
            return np.arange(counts["first_id"], counts["first_id"] + counts["rows_added"], dtype=np.int64)

    def remove_ids(self, ids, missing_ok=False):
        """Deletes the rows with these ids (m,). Their space comes back with compact(). Returns how many went."""
        with self._lock:
            ids = np.unique(np.asarray(ids, dtype=np.int64))
            changed = self._update("delete", {"rows": ("rows", ids)}, {"missing_ok": missing_ok})
            return changed.counts["rows_now_deleted"]

    def compact(self):
        """One segment out of all, without the deleted rows; ids stay."""
        with self._lock:
            self._update("compact", {})
        return self

    # ---- searching ----------------------------------------------------------------------------------------

    def _need(self):
        if self._result is None:
            raise _lib.UsageError("the index is empty: add rows first")
        return self._result

    def filter(self, where=None, window=None, tenant=None):
        """A filter for many searches of the index as it is now; see search()."""
        self._need()
        return Filter(self, self._snapshot, where, _window(window), tenant)

    def search(self, Q, k=10, *, recall=0.95, effort=0, where=None, window=None, tenant=None, filter=None):
        """The k nearest rows of each query: distances D (n, k) float32, ids I (n, k) int64, nearest first.

        Distances are Euclidean (not squared), or 1 - cosine; where fewer than k rows match, D is inf and I -1.
        recall : share of the true neighbours wanted, as measured when the index was made; effort > 0 sets it
        directly. where : SQL condition over the table's columns; window : ("column", low, high); tenant : value
        of the tenant column; filter : what filter() made. report_ says which way the last search took.
        """
        self._need()
        snapshot = filter.snapshot if filter is not None else self._snapshot
        if filter is not None and filter.owner is not self:
            raise _lib.UsageError("filter: it was made for another index")
        if filter is not None and (where, window, tenant) != (None, None, None):
            raise _lib.UsageError("filter: a filter is made already; leave out where, window and tenant")
        ctx = _lib.Context(self.threads, self.memory)
        Q = np.asarray(Q) if isinstance(Q, (list, tuple)) else Q
        pool = _inputs.Pool(ctx, Q[None, :] if getattr(Q, "ndim", 2) == 1 else Q, "l2", "Q")
        query = _Query(C.sizeof(_Query), pool.ptr, int(k), int(effort), float(recall), _text(where),
                       _text(_window(window)), _text(tenant), filter.ptr if filter is not None else None)
        hits = C.POINTER(_Hits)()
        try:
            ctx.call(_search, ctx.ptr, snapshot.ptr, C.byref(query), C.byref(hits))
            h = hits.contents
            shape = (h.n, h.k)
            D = np.ctypeslib.as_array(C.cast(h.distances, C.POINTER(C.c_float)), shape).copy()
            I = np.ctypeslib.as_array(C.cast(h.indices, C.POINTER(C.c_int64)), shape).copy()
            self.report_ = {n: getattr(h.report, n) for n, _ in _Report._fields_}
            self.report_["route"] = h.report.route.decode()
        finally:
            if hits:
                _hits_free(hits)
            pool.free()
        return D, I

    # ---- what it is ---------------------------------------------------------------------------------------

    @property
    def ntotal(self):
        """Rows that can be found."""
        return self._snapshot.about.rows if self._snapshot else 0

    @property
    def d(self):
        """Columns, None before the first add()."""
        return self._snapshot.about.dim if self._snapshot else None

    @property
    def kind(self):
        return self._snapshot.about.kind.decode() if self._snapshot else self._method

    def __len__(self):
        return self.ntotal

    def __repr__(self):
        return f"<winnow index {self.kind}: {self.ntotal} rows, {self.d} columns>"

    # ---- files --------------------------------------------------------------------------------------------

    def save(self, path):
        """Writes the index to a new folder, as `winnow index` does. The index stays where it is."""
        with self._lock:
            result = self._need()
            if result.path is None:
                result.save(path)
            else:
                shutil.copytree(result.path, path)

    @classmethod
    def load(cls, path, threads=None, memory=None):
        """Opens the index in a folder. What changes it changes that folder."""
        index = object.__new__(Index)
        index._begin()
        index.threads, index.memory, index.metric = threads, memory, None
        if not os.path.isdir(path):
            raise _lib.MissingFileError(f"{os.fspath(path)}: there is no such folder")
        index._take(Result({}, {}, {}, os.fspath(path)))
        return index

    @property
    def path(self):
        """The folder that it lies in; None = in memory."""
        return self._result.path if self._result else None
