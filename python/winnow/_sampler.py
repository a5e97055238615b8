"""Batches of row numbers for a training loop: what PyTorch's DataLoader takes as batch_sampler."""
import ctypes as C
import json

import numpy as np

from . import _inputs, _lib
from ._run import _parameter_text, _told, artefact


class _BatchInput(C.Structure):
    _fields_ = [("struct_size", C.c_uint32), ("n", _lib.I64), ("tree", _lib.PTR), ("groups", _lib.PTR),
                ("scores", _lib.PTR), ("queries", _lib.PTR), ("rows", _lib.PTR), ("n_rows", _lib.I64)]


_declare, _PTRS = _lib._declare, C.POINTER(_lib.PTR)
_job_method = _declare("wn_job_method", _lib.PTR, _lib.PTR)
_job_params = _declare("wn_job_params", _lib.PTR, _lib.PTR)
_sampler_new = _declare("wn_sampler_new", _lib.STATUS, _lib.PTR, _lib.PTR, C.POINTER(_BatchInput), _lib.PTR, _PTRS)
_sampler_free = _declare("wn_sampler_free", None, _lib.PTR)
_batches = _declare("wn_sampler_batches", _lib.I64, _lib.PTR, _lib.I64)
_batch = _declare("wn_sampler_batch", _lib.STATUS, _lib.PTR, _lib.I64, _lib.I64, C.POINTER(_lib.I64),
                  C.POINTER(_lib.I64))
_seek = _declare("wn_sampler_seek", _lib.STATUS, _lib.PTR, _lib.I64, _lib.I64)
_tell = _declare("wn_sampler_tell", None, _lib.PTR, C.POINTER(_lib.I64), C.POINTER(_lib.I64))
_save = _declare("wn_sampler_save", C.c_int, _lib.PTR, C.c_char_p, _lib.SIZE)
_restore = _declare("wn_sampler_restore", _lib.STATUS, _lib.PTR, _lib.STR)
_learns = _declare("wn_sampler_learns", C.c_int, _lib.PTR)
_feedback = _declare("wn_sampler_feedback", _lib.STATUS, _lib.PTR, C.POINTER(_lib.I64), C.POINTER(C.c_float),
                     _lib.I64)
_LOADERS = {
    "tree": ("tree", _declare("wn_tree_load", _lib.STATUS, _lib.PTR, _lib.STR, _PTRS),
             _declare("wn_tree_free", None, _lib.PTR)),
    "groups": ("labels", _declare("wn_labels_load", _lib.STATUS, _lib.PTR, _lib.STR, _lib.I64, _PTRS),
               _declare("wn_labels_free", None, _lib.PTR)),
    "scores": ("scores", _declare("wn_scores_load", _lib.STATUS, _lib.PTR, _lib.STR, _lib.I64, _PTRS),
               _declare("wn_scores_free", None, _lib.PTR)),
}
_LOADERS["queries"] = _LOADERS["groups"]


class _Opened:
    """The inputs of a sampler, which copies what it needs of them."""

    def __init__(self, ctx, inputs):
        self.ctx = ctx
        self.free = []
        self.struct = _BatchInput(struct_size=C.sizeof(_BatchInput))
        pool = inputs.pop("pool", None)
        if artefact(pool) is not None:
            pool = self._made(pool, inputs)
        self.n = -1 if pool is None else self._rows_of(pool)
        for name in [n for n in ("groups", "scores", "queries", "tree") if inputs.get(n) is not None]:
            self._load(name, inputs[name])
        if inputs.get("rows") is not None:
            value = artefact(inputs["rows"])
            value = value.rows if value is not None else inputs["rows"]
            if _inputs.is_path(value):
                value = np.load(value)
            rows = np.unique(_inputs.column(value, "rows", "rows").astype(np.int64))
            self.rows = rows
            self.struct.rows = rows.ctypes.data
            self.struct.n_rows = len(rows)
            if self.n < 0 and len(rows):
                self.n = int(rows[-1]) + 1
        if self.n < 0:
            raise _lib.UsageError("how many rows are there to draw from? Give X: their number, an array of "
                                  "them, or something with a length")
        self.struct.n = self.n

    @staticmethod
    def _made(made, inputs):
        """What stands first may be what was made of the pool: its clusters or scores, or rows chosen of it."""
        arrays = artefact(made).arrays
        for name, file in (("rows", "rows.npy"), ("scores", "scores.npy"), ("tree", "centers.npy"),
                           ("groups", "labels.npy")):
            if file in arrays and name in inputs:
                if inputs[name] is not None:
                    raise _lib.UsageError(f"X: found {made!r}, which stands for {name}=, and {name}= as well: "
                                          "give one of them")
                inputs[name] = made
                return None
        raise _lib.InputTypeError(f"X: found {made!r}, expected the number of rows, something with a length, or "
                                  "what wn.cluster, wn.score or wn.select made of the rows")

    @staticmethod
    def _rows_of(pool):
        if isinstance(pool, (int, np.integer)):
            return int(pool)
        if hasattr(pool, "__len__") and not _inputs.is_path(pool):
            return len(pool)
        raise _lib.InputTypeError(f"X: found {type(pool).__name__}, expected the number of rows, or something "
                                  "with a length: an array, a data set")

    def _load(self, name, value):
        kind, load, free = _LOADERS[name]
        folder = None
        if _inputs.is_path(value):
            path = _inputs.path_text(value)
        else:
            folder = _inputs.Folder(self.ctx)
            result = artefact(value)
            if result is not None:
                folder.borrow(result)
            elif kind == "tree":
                raise _lib.InputTypeError(f"{name}: found {type(value).__name__}, expected a path, a fitted "
                                          "estimator or the result of wn.cluster")
            else:
                folder.add(_inputs.column_file(kind), _inputs.column(value, kind, name))
            path = _lib.folder_path(folder.ptr)
            self.ctx.names[path.decode()] = name
            self.ctx.names[f"{path.decode()}/{_inputs.COLUMN_FILES.get(kind)}"] = name
        ptr = _lib.PTR()
        rows = () if kind == "tree" else (self.n,)
        self.ctx.check(load(self.ctx.ptr, path, *rows, C.byref(ptr)))
        self.free.append((free, ptr))
        setattr(self.struct, name, ptr)
        if self.n < 0:
            # Both begin with the context and the number of rows; a tree with its context and its levels.
            self.n = C.cast(ptr, C.POINTER(_lib.I64))[1] if kind != "tree" else self._tree_rows(ptr)

    @staticmethod
    def _tree_rows(ptr):
        level = C.cast(ptr, C.POINTER(C.c_void_p))[2]
        return C.cast(level, C.POINTER(_lib.I64))[1]

    def close(self):
        for free, ptr in self.free:
            free(ptr)
        self.free = []


class Sampler:
    """Yields batches of row numbers; an iteration is an epoch.

    Batch b of epoch e depends on the parameters alone, so a run may stop anywhere and go on with the same
    batches. Each iteration draws the next epoch; set_epoch(e) names it. PyTorch's DataLoader takes it as
    batch_sampler, with any number of workers.
    """

    def __init__(self, method, inputs, params, defaults, threads=None, memory=None):
        self._args = (method, inputs, params, defaults, threads, memory)
        self._method = method
        self._ptr = None
        ctx = self._ctx = _lib.Context(threads, memory)
        job, ptr = _lib.PTR(), _lib.PTR()
        opened = None
        ctx.check(_lib.job_new(ctx.ptr, b"batch", method.encode(), C.byref(job)))
        try:
            for name, value in _told(params, defaults).items():
                ctx.check(_lib.job_set(job, name.encode(), _parameter_text(name, value).encode()))
            opened = _Opened(ctx, dict(inputs))
            ctx.call(_sampler_new, ctx.ptr, _job_method(job), C.byref(opened.struct), _job_params(job),
                     C.byref(ptr))
        finally:
            if opened is not None:
                opened.close()
            _lib.job_free(job)
        ctx.rest()
        self._ptr = ptr
        self.batch_size = params["batch_size"]
        self.drop_last = params["drop_last"]
        self.epoch, self._from = self._position()

    def _position(self):
        epoch, b = _lib.I64(), _lib.I64()
        _tell(self._ptr, C.byref(epoch), C.byref(b))
        return epoch.value, b.value

    def __len__(self):
        """Batches of the epoch that comes next."""
        return _batches(self._ptr, self.epoch)

    def batch(self, b, epoch=None):
        """The rows of batch b, as an array; any batch at any time."""
        rows, count = np.empty(self.batch_size, np.int64), _lib.I64()
        self._ctx.check(_batch(self._ptr, self.epoch if epoch is None else epoch, b,
                               rows.ctypes.data_as(C.POINTER(_lib.I64)), C.byref(count)))
        return rows[:count.value]

    def __iter__(self):
        epoch, begin = self.epoch, self._from
        self._from = 0
        for b in range(begin, _batches(self._ptr, epoch)):
            self._next = (epoch, b + 1)
            rows = self.batch(b, epoch)
            if len(rows):
                yield rows.tolist()
        if self.epoch == epoch:
            self.epoch = epoch + 1
            self._next = (epoch + 1, 0)

    def set_epoch(self, epoch):
        """The epoch that the next iteration draws, from its first batch."""
        if epoch < 0:
            raise _lib.UsageError(f"epoch: found {epoch}, expected at least 0")
        self.epoch, self._from = int(epoch), 0
        self._next = (self.epoch, 0)

    def state_dict(self, batches=None):
        """Where the sampler stands, for load_state_dict: JSON all through.

        batches : how many batches of the running epoch were used; None = those that were yielded. A DataLoader
        with workers asks for batches ahead of their use: give the number that the loop has seen.
        """
        epoch, b = getattr(self, "_next", (self.epoch, self._from))
        if batches is not None:
            if b == 0 and epoch > 0 and batches == _batches(self._ptr, epoch - 1):
                pass  # the epoch that has just ended, all of it
            else:
                b = batches
        self._ctx.check(_seek(self._ptr, epoch, b))
        text = C.create_string_buffer(4096)
        _save(self._ptr, text, len(text))
        return {"epoch": epoch, "batch": b, "state": text.value.decode()}

    def load_state_dict(self, state):
        """Goes on where state_dict() was taken; the sampler must draw from the same rows in the same way."""
        try:
            json.dumps(state)
            text = state["state"].encode()
        except (TypeError, KeyError, AttributeError):
            raise _lib.UsageError("state: expected what state_dict() gave") from None
        self._ctx.check(_restore(self._ptr, text))
        self.epoch, self._from = self._position()
        self._next = (self.epoch, self._from)

    def feedback(self, rows, losses):
        """Tells the method the losses of rows that were drawn."""
        rows = np.ascontiguousarray(rows, dtype=np.int64)
        losses = np.ascontiguousarray(losses, dtype=np.float32)
        if rows.shape != losses.shape or rows.ndim != 1:
            raise _lib.UsageError(f"feedback: found {rows.shape} rows and {losses.shape} losses, expected one "
                                  "loss per row")
        self._ctx.check(_feedback(self._ptr, rows.ctypes.data_as(C.POINTER(_lib.I64)),
                                  losses.ctypes.data_as(C.POINTER(C.c_float)), len(rows)))

    def __getstate__(self):
        return {"args": self._args, "state": self.state_dict()}

    def __setstate__(self, state):
        self.__init__(*state["args"])
        self.load_state_dict(state["state"])

    def __repr__(self):
        return f"<winnow batch {self._method}: {len(self)} batches of {self.batch_size}, epoch {self.epoch}>"

    def __del__(self):
        if getattr(self, "_ptr", None):
            _sampler_free(self._ptr)
            self._ptr = None
