"""Whatever holds vectors is read where it lies; the rest is refused with what to pass instead."""
import os

import numpy as np
import pytest

import winnow as wn


def labels(x, **kwargs):
    return wn.KMeans(k=8, **kwargs).fit(x).labels_


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint8", "int32"])
def test_every_type_gives_what_its_values_give(X, dtype):
    x = (X * 20).astype(dtype) if "int" in dtype else X.astype(dtype)
    assert np.array_equal(labels(x), labels(x.astype(np.float32)))


def test_arrays_are_not_copied(tmp_path):
    """A pool of 200 MB, mapped from disk, under a budget of 64 MB."""
    path = tmp_path / "big.npy"
    rows = np.lib.format.open_memmap(path, mode="w+", dtype="float32", shape=(800_000, 64))
    rng = np.random.default_rng(1)
    for i in range(0, 800_000, 100_000):
        rows[i:i + 100_000] = rng.normal(size=(100_000, 64))
    del rows
    result = wn.KMeans(k=4, max_iter=1, init="random", memory="64MiB").fit(np.load(path, mmap_mode="r")).result_
    assert result.manifest["peak_allocated_bytes"] < 64 << 20


def test_torch_tensors(X):
    torch = pytest.importorskip("torch")
    expected = labels(X)
    assert np.array_equal(labels(torch.tensor(X.tolist())), expected)
    t = torch.tensor(X.tolist()).to(torch.bfloat16)
    assert np.array_equal(labels(t), labels(np.from_dlpack(t.float())))
    assert np.array_equal(labels(torch.tensor(X.tolist(), requires_grad=True)), expected)


def test_dlpack(X):
    class Only:
        """Nothing but the protocol."""

        def __init__(self, a):
            self.a = a

        def __dlpack__(self, **kwargs):
            return self.a.__dlpack__(**kwargs)

        def __dlpack_device__(self):
            return self.a.__dlpack_device__()

    assert np.array_equal(labels(Only(X)), labels(X))


def test_arrow_columns(X):
    pa = pytest.importorskip("pyarrow")
    column = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1])
    assert np.array_equal(labels(column), labels(X))
    assert np.array_equal(labels(pa.chunked_array([column])), labels(X))
    table = pa.table({"id": np.arange(len(X)), "emb": column})
    assert np.array_equal(labels(table), labels(X))
    assert np.array_equal(labels(table.to_batches()[0]), labels(X))
    assert np.array_equal(wn.KMeans(k=8).fit(table).predict(table), labels(X))
    with pytest.raises(ValueError, match=r"columns a, b; .*table\[COLUMN\]"):
        labels(pa.table({"a": column, "b": column}))
    with pytest.raises(TypeError, match="combine_chunks"):
        labels(pa.chunked_array([column, column]))
    offsets = pa.array(np.arange(len(X) + 1, dtype=np.int32) * X.shape[1])
    assert np.array_equal(labels(pa.ListArray.from_arrays(offsets, pa.array(X.ravel()))), labels(X))
    with pytest.raises(ValueError, match="row 1 of the Arrow column has 1 values, row 0 has 2"):
        labels(pa.array([[1.0, 2.0], [3.0]]))
    with pytest.raises(ValueError, match="1 rows without a value"):
        labels(pa.array([[1.0, 2.0], None]))
    with pytest.raises(TypeError, match="lists of numbers"):
        labels(pa.array([1.0, 2.0]))


def test_pandas(X):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X)  # by column or by row: pandas decides
    if frame.to_numpy().flags.c_contiguous:
        assert np.array_equal(labels(frame), labels(X))
    else:
        with pytest.raises(ValueError, match="ascontiguousarray"):
            labels(frame)
    assert np.array_equal(labels(np.ascontiguousarray(frame)), labels(X))
    with pytest.raises(TypeError, match="found object"):
        labels(pd.DataFrame({"id": ["a", "b"], "x": [1.0, 2.0]}))
    y = pd.Series(["a", "b"] * 1000)
    assert wn.measure.balance(labels=y, selection=[1]).counts["classes"] == 2
    assert wn.measure.balance(labels=y.astype("category"), selection=[1]).counts["classes"] == 2


def test_hugging_face_data_sets(X):
    datasets = pytest.importorskip("datasets")
    y = [i % 3 for i in range(len(X))]
    data = datasets.Dataset.from_dict({"emb": X.tolist(), "y": y})
    assert np.array_equal(labels(data), labels(X.astype(np.float64)))
    part = data.select(range(5, 900))  # rows by number, not the table itself
    assert np.array_equal(labels(part), labels(X[5:900].astype(np.float64)))
    assert wn.measure.balance(labels=data["y"], selection=[1]).counts["classes"] == 3


def test_parquet(X, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    column = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1])
    path = tmp_path / "emb.parquet"
    pq.write_table(pa.table({"id": np.arange(len(X)), "emb": column}), path, row_group_size=300)
    expected = labels(X)
    assert np.array_equal(labels(path), expected)
    assert np.array_equal(labels(f"{path}:emb"), expected)
    assert wn.dedup.exact(path).rows.size == len(X)
    for half, rows in (("h1", slice(0, 900)), ("h2", slice(900, None))):
        pq.write_table(pa.table({"emb": column[rows]}), tmp_path / f"{half}.parquet")
    halves = [tmp_path / "h1.parquet", f"{tmp_path}/h2.parquet:emb"]
    for form in (halves, f"{tmp_path}/h*.parquet", f"{tmp_path}/h?.parquet:emb"):
        assert np.array_equal(labels(form), expected)
    wide = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1] * 2)
    pq.write_table(pa.table({"emb": wide}), tmp_path / "wide.parquet")
    with pytest.raises(ValueError, match=r"h1.parquet: found .*\[24\]; .*wide.parquet: found .*\[48\]"):
        labels([tmp_path / "h1.parquet", tmp_path / "wide.parquet"])
    with pytest.raises(ValueError, match="no column 'vec'; it has id, emb"):
        labels(f"{path}:vec")
    with pytest.raises(FileNotFoundError):
        labels(tmp_path / "nowhere.parquet")


def test_paths(X, tmp_path):
    np.save(tmp_path / "a.npy", X[:900])
    np.save(tmp_path / "b.npy", X[900:])
    expected = labels(X)
    assert np.array_equal(labels([tmp_path / "a.npy", tmp_path / "b.npy"]), expected)
    assert np.array_equal(labels(str(tmp_path / "*.npy")), expected)
    with pytest.raises(FileNotFoundError, match="nowhere.npy") as e:
        labels(tmp_path / "nowhere.npy")
    assert e.value.code == 3


@pytest.mark.parametrize("make, error, says", [
    (lambda x: x.astype(np.int64), TypeError, "astype"),
    (lambda x: x.astype(complex), ValueError, "Complex"),
    (lambda x: np.asfortranarray(x), ValueError, "ascontiguousarray"),
    (lambda x: x[:, ::2], ValueError, "ascontiguousarray"),
    (lambda x: x[0], ValueError, "Reshape"),
    (lambda x: {"rows": x}, TypeError, "np.asarray"),
    (lambda x: x[:0], ValueError, "0 sample"),
    (lambda x: x.astype(">f4"), TypeError, "newbyteorder"),
    (lambda x: np.ma.masked_greater(x, 0), TypeError, "masked"),
    (lambda x: x.tolist(), TypeError, "np.asarray"),
])
def test_the_rest_is_refused_with_the_fix(X, make, error, says):
    with pytest.raises(error, match=says) as e:
        labels(make(X))
    assert isinstance(e.value, wn.WinnowError)
    assert "\n" not in str(e.value)


def test_bad_rows_are_named(X):
    x = X.copy()
    x[17, 3] = np.nan
    with pytest.raises(ValueError, match="row 17") as e:
        labels(x)
    assert e.value.code == 3 and isinstance(e.value, wn.DataError)


def test_columns_in_every_form(X, tmp_path):
    y = np.arange(len(X)) % 5
    words = np.array(["ant", "bee", "cat", "dog", "eel"])[y]
    np.save(tmp_path / "y.npy", y)
    with open(tmp_path / "t.csv", "w", encoding="utf-8") as f:
        f.write("word\n" + "\n".join(words) + "\n")
    rows = wn.measure.balance(labels=y, selection=np.arange(0, len(X), 3)).counts
    for form in (y.tolist(), y.astype(np.int32), y.astype(np.uint8), words, words.astype(object),
                 tmp_path / "y.npy", f"{tmp_path}/t.csv:word"):
        assert wn.measure.balance(labels=form, selection=np.arange(0, len(X), 3)).counts == rows
    mask = np.zeros(len(X), bool)
    mask[::3] = True
    assert wn.measure.balance(labels=y, selection=mask).counts == rows
    pa = pytest.importorskip("pyarrow")
    for form in (words.tolist(), y.astype(">i4"), np.stack([y, y], 1)[:, 0], pa.array(y), pa.array(words),
                 pa.chunked_array([words[:9], words[9:]]), pa.array(words).dictionary_encode()):
        assert wn.measure.balance(labels=form, selection=np.arange(0, len(X), 3)).counts == rows
    with pytest.raises(ValueError, match="one value per row"):
        wn.measure.balance(labels=y.reshape(-1, 1), selection=[1])


def test_what_is_wrong_with_a_column_is_said_by_its_name(X):
    y = np.arange(len(X)) % 5
    balance = wn.measure.balance
    for labels, selection, says in (
            (y, [len(X)], "^selection: entry 0: found row 2000"), (y, [], "^selection: found no rows"),
            (y, np.ones(3, bool), "^selection: the mask has 3 entries, the pool 2000 rows"),
            (y + 0.5, [1], "^labels: found real numbers"),
            (np.array(["a", None] * 1000, object), [1], "^labels: entry 1 has no value")):
        with pytest.raises(wn.DataError, match=says):
            balance(labels=labels, selection=selection)
    pa = pytest.importorskip("pyarrow")
    with pytest.raises(wn.DataError, match="labels: the Arrow column has 1 rows"):
        balance(labels=pa.array([1, None]), selection=[0])
    with pytest.raises(wn.DataError, match="^tree/labels.npy: there is no such array"):
        wn.select.balanced(X, tree=wn.dedup.exact(X), size=5)
    with pytest.raises(ValueError, match="not fitted"):
        wn.select.balanced(X, tree=wn.KMeans(), size=5)
    with pytest.raises(ValueError, match="^dedup exact: |^X: "):
        wn.dedup.exact(X[0])


def test_tensors_are_refused_in_the_words_of_torch(X):
    torch = pytest.importorskip("torch")
    t = torch.tensor(X.tolist())
    for x, error, says in ((t.t(), ValueError, "X.contiguous"), (t.long(), TypeError, r"X.float\(\)"),
                           (t.to_sparse(), TypeError, "X.to_dense")):
        with pytest.raises(error, match=says):
            labels(x)


def test_a_text_result_travels_without_its_folder(tmp_path):
    import copy
    import pickle

    path = tmp_path / "texts.jsonl"
    path.write_text("".join('{"text": "one and the same number %d"}\n' % (i % 20) for i in range(60)))
    result = wn.dedup.minhash(path)
    rows, there = result.rows.copy(), pickle.loads(pickle.dumps(result))
    shallow = copy.copy(result)
    del result
    assert os.path.isdir(shallow.path) and there.path is None
    assert np.array_equal(there.rows, rows) and there.manifest == shallow.manifest


def test_text_runs_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    import tempfile

    tempfile.tempdir = None
    path = tmp_path / "texts.jsonl"
    path.write_text("".join('{"text": "word%d and word%d"}\n' % (i % 9, i % 7) for i in range(60)))
    result = wn.vectorize(path, dim=16)
    assert list(result.arrays.values())[0].shape == (60, 16)
    del result
    assert os.listdir(tmp_path) == ["texts.jsonl"]
    tempfile.tempdir = None
