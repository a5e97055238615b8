"""Results live in the library's memory, pass from run to run, and are those of the command line."""
import gc
import os
import pickle

import numpy as np
import pytest

import winnow as wn


def test_same_bytes_as_the_command_line(X, tmp_path, winnow_command):
    np.save(tmp_path / "x.npy", X)
    winnow_command("cluster", "hkmeans", tmp_path / "x.npy", "--k", "40,8", "--seed", 3, "-o", tmp_path / "tree")
    winnow_command("select", "balanced", tmp_path / "x.npy", "--tree", tmp_path / "tree", "--size", 100,
                   "-o", tmp_path / "sel")
    winnow_command("curate", tmp_path / "x.npy", "--size", 100, "-o", tmp_path / "cur")
    tree = wn.HKMeans(k=[40, 8], seed=3).fit(X)
    runs = {"tree": tree.result_, "sel": wn.select.balanced(X, tree=tree, size=100), "cur": wn.curate(X, size=100)}
    for folder, result in runs.items():
        files = [os.path.relpath(os.path.join(r, f), tmp_path / folder)
                 for r, _, fs in os.walk(tmp_path / folder) for f in fs if f.endswith(".npy")]
        assert sorted(files) == sorted(result.arrays)
        for f in files:
            a = np.load(tmp_path / folder / f)
            assert a.dtype == result.arrays[f].dtype and a.tobytes() == result.arrays[f].tobytes(), f
    assert [len(level) for level in tree.levels_] == [2000, 40]


def test_arrays_outlive_what_made_them(X):
    labels = wn.KMeans(k=5).fit(X).labels_
    copy = labels.copy()
    gc.collect()
    junk = [np.random.default_rng(i).normal(size=1000) for i in range(200)]
    assert np.array_equal(labels, copy) and junk
    assert labels.base is not None and not labels.flags.owndata


def test_memory_goes_with_the_arrays(X):
    def used():
        with open("/proc/self/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    big = np.zeros((500_000, 4), np.float32)
    big[:, 0] = np.arange(len(big))
    wn.KMeans(k=2, max_iter=1).fit(big)
    gc.collect()
    before = used()
    for _ in range(30):  # 2 MB of labels each
        wn.KMeans(k=2, max_iter=1).fit(big)
    gc.collect()
    assert used() - before < 20 << 20


def test_trees_and_graphs_pass_on(X, tmp_path):
    tree, graph = wn.KMeans(k=10).fit(X), wn.graph.knn(X, k=5)
    assert graph.indices.shape == (2000 * 5,) and graph.indptr.dtype == np.int64
    expected = wn.select.balanced(X, tree=tree, size=50).rows
    tree.result_.save(tmp_path / "tree")
    assert np.array_equal(wn.select.balanced(X, tree=tmp_path / "tree", size=50).rows, expected)
    assert np.array_equal(wn.select.balanced(X, tree=wn.Result.load(tmp_path / "tree"), size=50).rows, expected)
    assert np.array_equal(wn.select.balanced(X, tree=tree.result_, size=50).rows, expected)
    with pytest.raises(TypeError, match="fitted estimator"):
        wn.select.balanced(X, tree=np.zeros(3), size=50)
    with pytest.raises(ValueError, match="2000"):
        wn.select.balanced(X[:100], tree=tree, size=50)


def test_output_writes_what_the_command_line_writes(X, tmp_path):
    inside = wn.KMeans(k=6).fit(X)
    out = wn.cluster.kmeans(X, k=6, output=tmp_path / "km")
    assert np.array_equal(out.labels, inside.labels_)
    assert out.manifest["method"] == "kmeans" and (tmp_path / "km" / "manifest.json").exists()
    with pytest.raises(wn.DataError, match="force"):
        wn.cluster.kmeans(X, k=6, output=tmp_path / "km")
    wn.cluster.kmeans(X, k=6, output=tmp_path / "km", force=True)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        wn.Result.load(tmp_path / "nowhere")


def test_what_a_result_says(X):
    result = wn.select.balanced(X, tree=wn.KMeans(k=6).fit(X), size=60)
    assert result.counts["selected"] == 60
    assert result.manifest["params"]["size"] == 60 and result.manifest["inputs"][0]["memory"] is True
    assert result.why.dtype.names[:2] == ("partner", "similarity")
    assert "select balanced" in repr(result) and "rows" in dir(result)
    with pytest.raises(AttributeError, match="it has rows"):
        result.nothing


def test_curate_from_python_needs_no_more_memory(X, tmp_path):
    np.save(tmp_path / "x.npy", X)
    from_path = wn.curate(tmp_path / "x.npy", size=100, output=tmp_path / "a").manifest
    from_map = wn.curate(np.load(tmp_path / "x.npy", mmap_mode="r"), size=100).manifest
    assert from_map["peak_allocated_bytes"] <= from_path["peak_allocated_bytes"] * 1.2 + (1 << 20)


def test_estimators_pickle(X):
    km = pickle.loads(pickle.dumps(wn.KMeans(k=3, seed=4)))
    assert km.get_params()["seed"] == 4
