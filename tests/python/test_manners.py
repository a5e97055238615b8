"""A well-behaved guest in the process: threads, signals, forks, errors, progress."""
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import winnow as wn

LONG = np.random.default_rng(0).normal(size=(60_000, 128)).astype(np.float32)


def interrupted_run(sent):
    """A long run, and a SIGINT once it is under way, when is added to `sent`."""
    begun = threading.Event()

    def send():
        begun.wait()
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=send).start()
    wn.KMeans(k=1000, max_iter=200, tol=0, progress=lambda *a: begun.set()).fit(LONG)


def test_ctrl_c_stops_at_once():
    sent = []

    with pytest.raises(KeyboardInterrupt):
        interrupted_run(sent)
    assert time.perf_counter() - sent[0] < 1  # a tenth of a second on a quiet machine
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_may_be_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        wn.KMeans(k=300, max_iter=10, tol=0).fit(LONG)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_run_within_a_run(X):
    inner = []
    wn.KMeans(k=50, progress=lambda *a: inner.append(wn.KMeans(k=2).fit(X).n_iter_)).fit(X)
    assert inner and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_errors_speak_python(X, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="force=True") as e:
        wn.cluster.kmeans(X, k=3, output=tmp_path / "out")
    assert "--" not in str(e.value)
    with pytest.raises(ValueError, match="leave tree out") as e:
        wn.select.density_prune(X, tree=wn.KMeans(k=3).fit(X), size=5)
    assert "--" not in str(e.value)


def test_nothing_warns_that_nobody_can_help(tmp_path):
    """A text run has a temporary folder, which is no reason for a ResourceWarning."""
    code = ("import winnow as wn, sys\n"
            "print(len(wn.dedup.minhash(sys.argv[1]).rows))\n")
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "some words in a row"}\n' * 3)
    done = subprocess.run([sys.executable, "-W", "error", "-c", code, path], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_the_users_own_handler_is_called():
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted_run([])
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]


def test_the_gil_is_released():
    ticks = []
    done = threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.005)

    t = threading.Thread(target=tick)
    t.start()
    wn.KMeans(k=200, max_iter=10, tol=0).fit(LONG)
    done.set()
    t.join()
    assert len(ticks) > 5 and max(np.diff(ticks)) < 0.5


def test_several_threads_at_once(X):
    expected = wn.KMeans(k=10).fit(X).labels_
    found = [None] * 6

    def fit(i):
        found[i] = wn.KMeans(k=10, threads=1 + i % 3).fit(X).labels_

    threads = [threading.Thread(target=fit, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(np.array_equal(f, expected) for f in found)


def _in_child(queue, x, km):
    queue.put((wn.KMeans(k=10).fit(x).labels_.tolist(), km.predict(x).tolist()))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_children_work(X):
    km = wn.KMeans(k=10).fit(X)  # threads have run in the parent
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue, X, km))
    child.start()
    labels, predicted = queue.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0
    assert labels == km.labels_.tolist() == predicted


@pytest.mark.parametrize("call, error, code", [
    (lambda x: wn.KMeans(k=3, threads="four").fit(x), TypeError, 2),
    (lambda x: wn.KMeans(k=3, threads=10**9).fit(x), ValueError, 2),
    (lambda x: wn.KMeans(k=3, memory="inf").fit(x), ValueError, 2),
    (lambda x: wn.KMeans(k=3, memory=1 << 70).fit(x), ValueError, 2),
    (lambda x: wn.KMeans(k=3, memory=[1]).fit(x), ValueError, 2),
    (lambda x: wn.KMeans(k=3, progress="bar").fit(x), TypeError, 2),
    (lambda x: wn.KMeans(k="3\0").fit(x), TypeError, 2),
    (lambda x: wn.curate(x, size=10, output=7), TypeError, 2),
    (lambda x: wn.KMeans(k=0).fit(x), ValueError, 2),
    (lambda x: wn.KMeans(k=5000).fit(x), ValueError, 3),
    (lambda x: wn.KMeans(init="best").fit(x), ValueError, 2),
    (lambda x: wn.KMeans(k="many").fit(x), ValueError, 2),
    (lambda x: wn.KMeans(k=object()).fit(x), TypeError, 2),
    (lambda x: wn.KMeans(k=3, metric="l7").fit(x), ValueError, 2),
    (lambda x: wn.KMeans(k=3, memory="lots").fit(x), ValueError, 2),
    (lambda x: wn.KMeans(k=3, threads=-1).fit(x), ValueError, 2),
    (lambda x: wn.curate(x, size=10, output="/nowhere/at/all"), ValueError, 3),
])
def test_errors_have_kind_and_code(X, call, error, code):
    with pytest.raises(error) as e:
        call(X)
    assert isinstance(e.value, wn.WinnowError) and e.value.code == code
    assert "\n" not in str(e.value) and str(e.value)


def test_too_little_memory_is_said_before_the_run():
    with pytest.raises(MemoryError, match="budget|memory") as e:
        wn.graph.knn(np.zeros((4_000_000, 1), np.float32), k=15, memory="64MiB")
    assert e.value.code == 5


def test_progress(X):
    seen = []
    wn.KMeans(k=50, progress=lambda stage, done, total: seen.append((stage, done, total))).fit(X)
    assert seen and all(0 <= d <= t for _, d, t in seen)
    with pytest.raises(ZeroDivisionError):
        wn.KMeans(k=50, progress=lambda *a: 1 / 0).fit(X)
    pytest.importorskip("tqdm")
    wn.KMeans(k=50, progress=True).fit(X)


def test_warnings_are_python_warnings():
    same = np.ones((10, 2), np.float32)
    for call in (lambda: wn.KMeans(k=4).fit(same), lambda: wn.KMeans(k=4).fit_predict(same),
                 lambda: wn.cluster.kmeans(same, k=4)):
        with pytest.warns(wn.WinnowWarning, match="no row") as seen:
            call()
        assert seen[0].filename == __file__  # the user's line


def test_it_runs_on_the_oldest_instruction_set(X):
    code = textwrap.dedent("""
        import numpy as np, sys, winnow as wn
        x = np.load(sys.argv[1])
        km = wn.KMeans(k=10).fit(x)
        assert km.result_.manifest["isa"] == "base", km.result_.manifest["isa"]
        np.save(sys.argv[2], km.labels_)
    """)
    import tempfile

    with tempfile.TemporaryDirectory() as d:
        np.save(f"{d}/x.npy", X)
        subprocess.run([sys.executable, "-c", code, f"{d}/x.npy", f"{d}/y.npy"], check=True,
                       env={**os.environ, "WN_ISA": "base"})
        assert np.array_equal(np.load(f"{d}/y.npy"), wn.KMeans(k=10).fit(X).labels_)


def test_no_second_blas_or_openmp_comes_in():
    code = ("import numpy, re; before = set(open('/proc/self/maps').read().split()); import winnow as wn;"
            "wn.KMeans(k=2).fit(numpy.ones((9, 2), 'f4') * numpy.arange(9, dtype='f4')[:, None]);"
            "after = set(open('/proc/self/maps').read().split()) - before;"
            "print([w for w in after if re.search('blas|gomp|iomp|mkl', w)])")
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True,
                         text=True).stdout
    assert out.strip() == "[]"
