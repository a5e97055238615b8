"""What users hand over -> what the library reads, without copying.

Vectors: two-dimensional, C-contiguous, f32 f64 f16 bf16 i8 u8 i32; NumPy arrays and memory maps, torch tensors
and anything else with DLPack, Arrow arrays of fixed-size lists; or paths. Columns: one-dimensional arrays.
"""
import ctypes as C
import glob
import os

import numpy as np

from . import _lib

_DTYPES = {"<f4": "f32", "<f8": "f64", "<f2": "f16", "|i1": "i8", "|u1": "u8", "<i4": "i32"}
_FIX = {"int64": "X.astype(np.float32)", "int16": "X.astype(np.float32)", "bool": "X.astype(np.uint8)",
        "object": "np.asarray(X, dtype=np.float32)"}


def is_path(x):
    return isinstance(x, (str, os.PathLike))


def is_paths(x):
    return isinstance(x, (list, tuple)) and len(x) > 0 and all(is_path(p) for p in x)


def path_text(path):
    """The path as the library takes it; a file that is not there is said at once."""
    text = os.fspath(path)
    plain = text
    while plain and not os.path.exists(plain) and ":" in plain:
        plain = plain.rpartition(":")[0]
    if not os.path.exists(plain) and not (any(c in text for c in "*?[") and glob.glob(text)):
        raise _lib.MissingFileError(f"{text}: there is no such file")
    return text.encode()


def _torch_view(x, name):
    """A torch tensor as an array over its memory, and the name of its type if NumPy has none."""
    import torch

    x = x.detach()
    if x.layout != torch.strided:
        raise _lib.InputTypeError(f"{name}: found a tensor of layout {x.layout}; pass X.to_dense()")
    if x.device.type != "cpu":
        raise _lib.InputTypeError(f"{name}: the tensor is on {x.device}; pass X.cpu()")
    if x.dtype == torch.bfloat16:
        return np.from_dlpack(x.view(torch.int16)), "bf16"
    return np.from_dlpack(x), None


def _lists(schema):
    """Names of the columns that hold lists."""
    return [f.name for f in schema if "list" in str(f.type)]


def one_column(x):
    """A Hugging Face data set or an Arrow table -> its one column of lists; anything else as it is."""
    if type(x).__module__.partition(".")[0] == "datasets" and hasattr(x, "with_format"):
        table = x.with_format("arrow")[:]
    elif type(x).__module__.partition(".")[0] == "pyarrow" and hasattr(x, "column_names"):
        table = x
    else:
        return x
    names = _lists(table.schema)
    if len(names) != 1:
        raise _lib.UsageError(f"the table has the columns {', '.join(table.column_names)}; pass the one of "
                              "vectors, table[COLUMN]")
    column = table[names[0]]
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column


def _arrow_view(x):
    """A column of fixed-size lists as an array over its values."""
    try:
        import pyarrow as pa
    except ImportError:
        raise _lib.InputTypeError("Arrow data needs pyarrow: pip install pyarrow") from None
    if hasattr(x, "__arrow_c_stream__") and not isinstance(x, (pa.Array, pa.ChunkedArray)):
        x = pa.chunked_array(x)
    if isinstance(x, pa.ChunkedArray):
        if x.num_chunks != 1:
            raise _lib.InputTypeError(f"the Arrow column has {x.num_chunks} chunks; pass "
                                      "column.combine_chunks()")
        x = x.chunk(0)
    elif not isinstance(x, pa.Array):
        x = pa.array(x)
    if x.null_count:
        raise _lib.DataError(f"the Arrow column has {x.null_count} rows without a value; drop them first")
    if pa.types.is_fixed_size_list(x.type):
        width = x.type.list_size
    elif pa.types.is_list(x.type) or pa.types.is_large_list(x.type):
        lengths = np.diff(np.asarray(x.offsets))
        width = int(lengths[0]) if len(lengths) else 0
        if np.any(lengths != width):
            row = int(np.argmax(lengths != width))
            raise _lib.DataError(f"row {row} of the Arrow column has {lengths[row]} values, row 0 has {width}; "
                                 "vectors must have one length")
    else:
        raise _lib.InputTypeError(f"found an Arrow column of {x.type}, expected lists of numbers, all of one "
                                  "length")
    values = x.flatten()
    if values.null_count:
        raise _lib.DataError(f"{values.null_count} values of the Arrow column are missing; fill them first")
    return values.to_numpy(zero_copy_only=True).reshape(len(x), width)


def _arrow_values(x, name):
    """One value per row of an Arrow column, as a NumPy array."""
    try:
        import pyarrow as pa
    except ImportError:
        raise _lib.InputTypeError(f"{name}: Arrow data needs pyarrow: pip install pyarrow") from None
    if not isinstance(x, (pa.Array, pa.ChunkedArray)):
        x = pa.chunked_array(x) if hasattr(x, "__arrow_c_stream__") else pa.array(x)
    if x.null_count:
        raise _lib.DataError(f"{name}: the Arrow column has {x.null_count} rows without a value; drop them first")
    if pa.types.is_dictionary(x.type):
        x = x.cast(x.type.value_type)
    return np.asarray(x)


def is_parquet(x):
    """FILE.parquet or FILE.parquet:COLUMN, or a list of these"""
    if is_paths(x):
        return all(is_parquet(p) for p in x)
    return is_path(x) and (os.fspath(x).endswith(".parquet") or ".parquet:" in os.fspath(x))


def parquet_column(paths):
    """The one column of lists in Parquet files, or the one that is named behind a colon."""
    files = []
    for path in paths if is_paths(paths) else [paths]:
        name, dot, column = os.fspath(path).partition(".parquet:")
        found = [name + (".parquet" if dot else "")]
        if not os.path.exists(found[0]):
            found = sorted(glob.glob(found[0])) or found
        files += [f + dot.replace(".parquet", "") + column for f in found]
    parts = [_parquet_column(f) for f in files]
    if len(parts) == 1:
        return parts[0]
    import pyarrow as pa

    parts = [c for p in parts for c in (p.chunks if isinstance(p, pa.ChunkedArray) else [p])]
    kinds = {str(p.type): f for p, f in zip(parts, files)}
    if len(kinds) > 1:
        raise _lib.DataError("; ".join(f"{f}: found {kind}" for kind, f in kinds.items()) + ": one type is needed")
    return pa.concat_arrays(parts)


def _parquet_column(path):
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise _lib.InputTypeError(f"{path}: Parquet needs pyarrow: pip install pyarrow") from None
    name = os.fspath(path)
    file, _, column = name.partition(".parquet:")
    file = file + ".parquet" if column else name
    if not os.path.exists(file):
        raise _lib.MissingFileError(f"{file}: there is no such file")
    names = pq.read_schema(file).names
    if not column:
        lists = _lists(pq.read_schema(file))
        if len(lists) != 1:
            raise _lib.UsageError(f"{file}: name the column of vectors, {file}:COLUMN; it has {', '.join(names)}")
        column = lists[0]
    elif column not in names:
        raise _lib.DataError(f"{file}: no column '{column}'; it has {', '.join(names)}")
    return pq.read_table(file, columns=[column])[column].combine_chunks()


def _view(x, name="X"):
    if hasattr(x, "toarray") and hasattr(x, "nnz"):
        raise _lib.InputTypeError(f"{name}: Sparse data is not supported; pass X.toarray()")
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise _lib.InputTypeError(f"{name}: some values are masked; pass X.filled(0), or the rows without any")
    if isinstance(x, np.ndarray):
        return x, ("bf16" if x.dtype.name == "bfloat16" else None)
    if type(x).__module__.partition(".")[0] == "torch":
        return _torch_view(x, name)
    if type(x).__module__.partition(".")[0] == "pandas":
        return x.to_numpy(), None
    x = one_column(x)
    if hasattr(x, "__arrow_c_array__") or hasattr(x, "__arrow_c_stream__"):
        return _arrow_view(x), None
    if hasattr(x, "__dlpack__"):
        return np.from_dlpack(x), None
    if hasattr(x, "__array__"):
        return np.asarray(x), None
    raise _lib.InputTypeError(f"{name}: found {type(x).__name__}, expected an array, a path or a list of paths; "
                              "pass np.asarray(X, dtype=np.float32)")


def matrix(x, name="X"):
    """(array, type name) of vectors over their own memory, or the error that says what to pass."""
    a, dtype = _view(x, name)
    torch = type(x).__module__.partition(".")[0] == "torch"
    if a.ndim != 2:
        hint = "X.reshape(1, -1) for one row" if a.ndim == 1 else "one row per vector"
        raise _lib.UsageError(f"{name}: found {a.ndim} dimensions, expected 2 (n, d). "
                              f"Reshape your data: {hint}")
    dtype = dtype or _DTYPES.get(a.dtype.str)
    if dtype is None and a.dtype.kind == "c":
        raise _lib.UsageError(f"{name}: Complex data not supported: found {a.dtype}; pass X.real")
    if dtype is None:
        fix = "X.float()" if torch else _FIX.get(a.dtype.name, "X.astype(np.float32)")
        if not a.dtype.isnative:
            fix = 'X.astype(X.dtype.newbyteorder("="))'
        raise _lib.InputTypeError(f"{name}: found {a.dtype}, expected f32, f64, f16, bf16, i8, u8 or i32; "
                                  f"pass {fix}")
    if not a.flags.c_contiguous:
        raise _lib.UsageError(f"{name}: the rows do not lie one behind the other; pass "
                              + ("X.contiguous()" if torch else "np.ascontiguousarray(X)"))
    return a, dtype


class Pool:
    """Vectors as the library sees them. Holds what they lie in."""

    def __init__(self, ctx, x, metric="l2", name="X"):
        self.array, dtype = matrix(x, name)
        self.owner = x
        self.ctx = ctx
        self.ptr = None
        code = _lib.metric_from_name(str(metric).encode())
        if code < 0:
            raise _lib.UsageError(f"metric: found {metric!r}, expected 'l2' or 'cosine'")
        ptr = _lib.PTR()
        n, d = self.array.shape
        ctx.check(_lib.pool_wrap(ctx.ptr, self.array.ctypes.data, n, d,
                                 _lib.dtype_from_name(dtype.encode()), code, C.byref(ptr)))
        self.ptr = ptr

    def free(self):
        if self.ptr:
            _lib.pool_free(self.ptr)
            self.ptr = None


# The name under which a reader looks for a column of each kind.
COLUMN_FILES = {"labels": "labels.npy", "scores": "scores.npy", "rows": "rows.npy", "ints": "quota.npy"}


def column(x, kind, name):
    """A one-dimensional array in a form that the library reads."""
    if type(x).__module__.partition(".")[0] == "datasets":
        x = list(x)
    if type(x).__module__.partition(".")[0] == "pandas":
        x = x.to_numpy()
    if isinstance(x, (list, tuple)):
        x = np.asarray(x) if len(x) or kind == "scores" else np.empty(0, np.int64)
    if hasattr(x, "__arrow_c_array__") or hasattr(x, "__arrow_c_stream__"):
        x = _arrow_values(x, name)
    a = _view(x, name)[0]
    if a.dtype == object:
        gone = [i for i, v in enumerate(a.flat) if v is None or (isinstance(v, float) and v != v)]
        if gone:
            raise _lib.DataError(f"{name}: entry {gone[0]} has no value; drop {len(gone)} such rows, or give "
                                 "them a value of their own")
        a = a.astype(str)
    if a.ndim != 1:
        raise _lib.UsageError(f"{name}: found {a.ndim} dimensions, expected one value per row")
    if kind in ("rows", "ints") and a.dtype.kind == "b":
        a = np.flatnonzero(a)
    if a.dtype.str in ("<u8",):
        a = a.astype(np.int64)
    if not a.dtype.isnative:
        a = a.astype(a.dtype.newbyteorder("="))
    return np.ascontiguousarray(a)


class _Memory:
    """Bytes of the library as an array that keeps their folder alive."""

    def __init__(self, owner, address, shape, descr):
        self.owner = owner
        self.__array_interface__ = {"version": 3, "shape": shape, "data": (address or 0, False),
                                    "typestr": descr if isinstance(descr, str) else f"|V{descr.itemsize}"}


class Folder:
    """Arrays and texts in the library's memory, as an output folder holds them."""

    def __init__(self, ctx):
        ptr = _lib.PTR()
        self.ctx = ctx
        self.kept = []
        self.ptr = None
        ctx.check(_lib.folder_new(ctx.ptr, C.byref(ptr)))
        self.ptr = ptr

    def add(self, name, array):
        """An array of the caller, not copied."""
        a = np.ascontiguousarray(array)
        descr = str(a.dtype.descr) if a.dtype.names else a.dtype.str
        shape = (_lib.I64 * a.ndim)(*a.shape)
        self.ctx.check(_lib.folder_add(self.ptr, name.encode(), descr.encode(), a.dtype.itemsize, a.ndim,
                                       shape, a.ctypes.data))
        self.kept.append(a)

    def add_text(self, name, text):
        data = C.create_string_buffer(text.encode())
        self.ctx.check(_lib.folder_add(self.ptr, name.encode(), None, len(data) - 1, 0, None,
                                       C.cast(data, _lib.PTR)))
        self.kept.append(data)

    def borrow(self, result):
        """Everything that a Result holds: a folder belongs to one context, its arrays to whoever made them."""
        for name, array in result.arrays.items():
            self.add(name, array)
        for name, text in result.texts.items():
            self.add_text(name, text)

    def read(self):
        """({name: array over the library's memory}, {name: text})."""
        import ast

        arrays, texts = {}, {}
        for i in range(_lib.folder_count(self.ptr)):
            item = _lib.folder_at(self.ptr, i).contents
            name = item.name.decode()
            if item.descr is None:
                texts[name] = C.string_at(item.data, item.bytes).decode()
                continue
            text = item.descr.decode()
            dtype = np.dtype([tuple(f) for f in ast.literal_eval(text)] if text[0] == "[" else text)
            shape = tuple(item.shape[:item.dims])
            if item.bytes == 0:
                arrays[name] = np.empty(shape, dtype)
                continue
            memory = _Memory(self, item.data, shape, dtype if dtype.names else dtype.str)
            array = np.asarray(memory)
            arrays[name] = array.view(dtype) if dtype.names else array
        return arrays, texts

    def __del__(self):
        if getattr(self, "ptr", None) and self.ctx._pid == os.getpid():
            _lib.folder_free(self.ptr)
            self.ptr = None


def is_column(kind):
    """Whether an input of this kind may be an array with one value per row."""
    return kind in COLUMN_FILES


def column_file(kind):
    return COLUMN_FILES[kind]
