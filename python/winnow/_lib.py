"""The shared library: its functions, its errors, one context per call.

A context serves one call at a time and is cheap, so every call makes its own: nothing is shared between
threads, and nothing of a parent process is used in a forked child. Results keep their context alive, with its
threads stopped.
"""
import ctypes as C
import operator
import os
import re
import signal
import threading

_HERE = os.path.dirname(os.path.abspath(__file__))


def _load():
    path = os.environ.get("WINNOW_LIBRARY") or os.path.join(_HERE, "libwinnow.so")
    try:
        return C.CDLL(path)
    except OSError as e:
        raise ImportError(f"{path}: winnow's library does not load: {e}; `pip install .` builds it, "
                          "WINNOW_LIBRARY names another") from None


LIB = _load()

I32, I64, PTR, STR, SIZE = C.c_int32, C.c_int64, C.c_void_p, C.c_char_p, C.c_size_t


class CtxOptions(C.Structure):
    LOG = C.CFUNCTYPE(None, PTR, C.c_int, STR)
    PROGRESS = C.CFUNCTYPE(None, PTR, STR, I64, I64)
    CANCEL = C.CFUNCTYPE(C.c_int, PTR)
    _fields_ = [("struct_size", C.c_uint32), ("threads", I32), ("memory_bytes", I64), ("isa", I32),
                ("alloc", PTR), ("free", PTR), ("alloc_user", PTR),
                ("user", PTR), ("log", LOG), ("progress", PROGRESS), ("cancel", CANCEL),
                ("no_filter", I32)]


class FolderItem(C.Structure):
    _fields_ = [("name", STR), ("descr", STR), ("dims", I32), ("shape", I64 * 8), ("bytes", I64),
                ("data", PTR)]


def _declare(name, result, *arguments):
    f = getattr(LIB, name)
    f.restype = result
    f.argtypes = arguments
    return f


STATUS = C.c_int
THREADS_MAX = 4096
version = _declare("wn_version", STR)
ctx_options_init = _declare("wn_ctx_options_init", None, C.POINTER(CtxOptions))
ctx_new = _declare("wn_ctx_new", STATUS, C.POINTER(CtxOptions), C.POINTER(PTR))
ctx_free = _declare("wn_ctx_free", None, PTR)
ctx_rest = _declare("wn_ctx_rest", None, PTR)
ctx_error = _declare("wn_ctx_error", STR, PTR)
pool_wrap = _declare("wn_pool_wrap", STATUS, PTR, PTR, I64, I64, C.c_int, C.c_int, C.POINTER(PTR))
pool_free = _declare("wn_pool_free", None, PTR)
dtype_from_name = _declare("wn_dtype_from_name", C.c_int, STR)
metric_from_name = _declare("wn_metric_from_name", C.c_int, STR)
folder_new = _declare("wn_folder_new", STATUS, PTR, C.POINTER(PTR))
folder_path = _declare("wn_folder_path", STR, PTR)
folder_free = _declare("wn_folder_free", None, PTR)
folder_count = _declare("wn_folder_count", I32, PTR)
folder_at = _declare("wn_folder_at", C.POINTER(FolderItem), PTR, I32)
folder_add = _declare("wn_folder_add", STATUS, PTR, STR, STR, SIZE, I32, C.POINTER(I64), PTR)
job_new = _declare("wn_job_new", STATUS, PTR, STR, STR, C.POINTER(PTR))
job_free = _declare("wn_job_free", None, PTR)
job_set = _declare("wn_job_set", STATUS, PTR, STR, STR)
job_input = _declare("wn_job_input", STATUS, PTR, STR, STR)
job_input_pool = _declare("wn_job_input_pool", STATUS, PTR, STR, PTR)
job_input_folder = _declare("wn_job_input_folder", STATUS, PTR, STR, PTR)
job_output = _declare("wn_job_output", STATUS, PTR, STR)
job_output_folder = _declare("wn_job_output_folder", STATUS, PTR, PTR)
job_run = _declare("wn_job_run", STATUS, PTR)
job_summary = _declare("wn_job_summary", STR, PTR)


# ---- errors ------------------------------------------------------------------------------------------------

class WinnowError(Exception):
    """What winnow refuses or cannot do, in one line. `code` is the library's status."""

    code = 1


class UsageError(WinnowError, ValueError):
    """The call is wrong: an unknown name, a parameter out of bounds, a missing input."""

    code = 2


class InputTypeError(WinnowError, TypeError):
    """An argument has a type that is not taken."""

    code = 2


class DataError(WinnowError, ValueError):
    """The data is wrong: a bad file, a bad row, k > n, an output that exists."""

    code = 3


class MissingFileError(WinnowError, FileNotFoundError):
    """A file that is not there."""

    code = 3


class SystemFailure(WinnowError, OSError):
    """The system failed: disk full, permission, a file that vanished."""

    code = 4


class OutOfMemory(WinnowError, MemoryError):
    """An allocation failed, or the run would not fit `memory`."""

    code = 5


class InternalError(WinnowError, RuntimeError):
    """A broken promise of winnow's own: please report it."""

    code = 8


_BY_STATUS = {2: UsageError, 3: DataError, 4: SystemFailure, 5: OutOfMemory, 6: OutOfMemory,
              8: InternalError}
CANCELLED = 7


_FORCE = "give another -o, or --force to replace it"


def in_python(text, names):
    """An error in the words of the command line, in those of Python."""
    for path in sorted(names, key=len, reverse=True):
        text = re.sub(re.escape(path) + r"(?!\d)", names[path], text)
    text = text.replace(_FORCE, "give another output=, or force=True to replace it")
    text = re.sub(r"(?<![^\s(`'|])--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)", lambda m: m[1].replace("-", "_"), text)
    return re.sub(r"(?<![^\s(`'|])-o(?!\w)", "output=", text)


# ---- contexts ----------------------------------------------------------------------------------------------

_SIZES = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
          "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def memory_bytes(memory):
    """None, a number of bytes, or "4G", "512MiB"; 0 = the library's own choice."""
    if memory is None:
        return 0
    if isinstance(memory, str):
        text = memory.strip().upper()
        for unit in sorted(_SIZES, key=len, reverse=True):
            if text.endswith(unit):
                number, factor = text[:-len(unit)], _SIZES[unit]
                break
        else:
            number, factor = text, 1
    else:
        number, factor = memory, 1
    try:
        size = int(float(number) * factor) if factor > 1 or isinstance(memory, str) else int(number)
    except (TypeError, ValueError, OverflowError):
        size = -1
    if not 0 <= size < 1 << 63:
        raise UsageError(f"memory: found {memory!r}, expected bytes or a text like '4G' or '512MiB'")
    return size


def thread_count(threads):
    """None or 0 = the library's own choice."""
    try:
        count = operator.index(0 if threads is None else threads)
    except TypeError:
        raise InputTypeError(f"threads: found {threads!r}, expected a whole number") from None
    if not 0 <= count <= THREADS_MAX:
        raise UsageError(f"threads: found {count}, expected 0 to {THREADS_MAX}, or None")
    return count


class _Interrupt:
    """Ctrl-C while the library works: remembered, answered when it asks, raised when it is back.

    Only the main thread gets signals; elsewhere nothing is changed.
    """

    def __init__(self):
        self.signal = None
        self.before = None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self.before = signal.getsignal(signal.SIGINT)
            if not callable(self.before):
                self.before = None  # nobody in Python waits for it: ignored, or the system's own
            else:
                signal.signal(signal.SIGINT, self._remember)
        return self

    def _remember(self, number, frame):
        self.signal = (number, frame)

    def __exit__(self, *error):
        if self.before is None:
            return
        signal.signal(signal.SIGINT, self.before)
        if self.signal:
            self.before(*self.signal)


class Context:
    """A context of the library, with what must live as long as it."""

    def __init__(self, threads=None, memory=None, progress=None):
        self._ptr = None
        self._pid = os.getpid()
        self._interrupt = None
        self._error = None
        self._progress = progress
        self.names = {}  # folder in memory -> the argument that it holds
        options = CtxOptions()
        ctx_options_init(C.byref(options))
        options.threads = thread_count(threads)
        options.memory_bytes = memory_bytes(memory)
        # The callbacks are fields of self, so that they live as long as the library may call them.
        options.cancel = self._on_cancel = CtxOptions.CANCEL(self._cancel)
        if progress is not None:
            options.progress = self._on_progress = CtxOptions.PROGRESS(self._tell)
        ptr = PTR()
        status = ctx_new(C.byref(options), C.byref(ptr))
        if status:
            raise _BY_STATUS.get(status, WinnowError)(
                "threads, memory or WN_ISA of the environment is out of range")
        self._ptr = ptr

    def _cancel(self, _user):
        return bool(self._error or (self._interrupt and self._interrupt.signal))

    def _tell(self, _user, stage, done, total):
        try:
            self._progress(stage.decode(), done, total)
        except BaseException as e:  # raised again when the library is back
            self._error = e

    @property
    def ptr(self):
        return self._ptr

    def check(self, status):
        """Raises what a status means."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if not status:
            return
        if status == CANCELLED:
            raise KeyboardInterrupt
        text = ctx_error(self._ptr).decode(errors="replace")
        raise _BY_STATUS.get(status, WinnowError)(in_python(text, self.names))

    def call(self, function, *arguments):
        """A call that may take long: Ctrl-C stops it. The GIL is released meanwhile."""
        with _Interrupt() as self._interrupt:
            status = function(*arguments)
        self._interrupt = None
        self.check(status)

    def rest(self):
        """Stops the threads: what is left only holds memory."""
        ctx_rest(self._ptr)

    def __del__(self):
        # The threads of a parent process are not there in a forked child, which must not wait for them.
        if getattr(self, "_ptr", None) and self._pid == os.getpid():
            ctx_free(self._ptr)
            self._ptr = None
