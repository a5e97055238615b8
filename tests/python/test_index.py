"""Indexes: NumPy as the twin, filters, changes beside searches, files."""
import json
import threading

import numpy as np
import pytest

import winnow as wn

N, D = 3000, 24
KINDS = [c for c in vars(wn).values() if isinstance(c, type) and issubclass(c, wn.Index) and c is not wn.Index]
PLAIN = [c for c in KINDS if c.__name__ in ("IndexFlat", "IndexIVF", "IndexHNSW", "IndexDisk")]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(30, D))
    return (centers[rng.integers(0, 30, N)] + 0.4 * rng.normal(size=(N, D))).astype(np.float32)


def nearest(x, q, k, alive=None):
    d = np.sqrt(((q[:, None].astype(np.float64) - x[None].astype(np.float64)) ** 2).sum(-1))
    if alive is not None:
        d[:, ~alive] = np.inf
    order = np.argsort(d, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(d, order, 1), order


def recall(found, true):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, true)])


def test_every_kind_has_a_class():
    assert {c.__name__ for c in PLAIN} == {"IndexFlat", "IndexIVF", "IndexHNSW", "IndexDisk"}


@pytest.mark.parametrize("kind", PLAIN)
def test_add_and_search(kind, rows):
    index = kind(seed=1)
    assert index.ntotal == 0 and index.d is None
    ids = index.add(rows[:2500])
    assert ids.tolist() == list(range(2500))
    assert index.add(rows[2500:]).tolist() == list(range(2500, N))
    assert (len(index), index.d) == (N, D)
    distances, found = index.search(rows[:50], k=10, recall=1.0)
    true_d, true = nearest(rows, rows[:50], 10)
    assert distances.dtype == np.float32 and found.dtype == np.int64 and found.shape == (50, 10)
    assert recall(found, true) > 0.95
    assert (found[:, 0] == np.arange(50)).all()
    same = found == true
    np.testing.assert_allclose(distances[same], true_d[same], rtol=1e-5, atol=1e-5)
    assert index.report_["rows"] == N and index.report_["route"]


def test_flat_is_exact_and_one_query_may_be_a_vector(rows):
    index = wn.IndexFlat()
    index.add(rows)
    distances, found = index.search(rows[7], k=5)
    assert found.shape == (1, 5)
    assert found[0].tolist() == nearest(rows, rows[7:8], 5)[1][0].tolist()


def test_cosine(rows):
    index = wn.IndexFlat(metric="cosine")
    index.add(rows)
    distances, found = index.search(rows[:9] * 5, k=4)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    true = np.argsort(-(unit[:9] @ unit.T), axis=1, kind="stable")[:, :4]
    assert recall(found, true) == 1
    np.testing.assert_allclose(distances[:, 0], 0, atol=1e-6)


@pytest.mark.parametrize("kind", PLAIN)
def test_remove_compact_and_come_back(kind, rows, tmp_path):
    index = kind()
    index.add(rows)
    gone = np.arange(0, N, 3)
    assert index.remove_ids(gone) == len(gone)
    assert index.ntotal == N - len(gone)
    alive = np.ones(N, bool)
    alive[gone] = False
    _, true = nearest(rows, rows[:40], 8, alive)
    _, before = index.search(rows[:40], k=8, recall=1.0)
    index.compact()
    _, after = index.search(rows[:40], k=8, recall=1.0)
    for found in (before, after):
        assert not np.isin(found, gone).any()
        assert recall(found, true) > 0.95
    assert index.add(rows[gone], ids=gone).tolist() == gone.tolist()
    assert recall(index.search(rows[:40], k=8, recall=1.0)[1], nearest(rows, rows[:40], 8)[1]) > 0.95

    index.save(tmp_path / "saved.wni")
    again = wn.Index.load(tmp_path / "saved.wni")
    assert (again.ntotal, again.d, again.kind) == (N, D, index.kind)
    for a, b in zip(again.search(rows[:40], k=8), index.search(rows[:40], k=8)):
        np.testing.assert_array_equal(a, b)
    again.remove_ids([5])
    assert wn.Index.load(tmp_path / "saved.wni").ntotal == N - 1
    with pytest.raises(wn.DataError, match="id 5 is not in the index"):
        again.remove_ids([5])
    assert again.remove_ids([5], missing_ok=True) == 0


def test_filters(rows, tmp_path):
    table = tmp_path / "attrs.jsonl"
    with open(table, "w") as f:
        for i in range(N):
            f.write(json.dumps({"year": 1990 + i % 40, "lang": "en" if i % 3 else "de", "ts": i / 2,
                                "tenant": f"t{i % 50}"}) + "\n")
    index = wn.IndexHNSW()
    index.add(rows, table=table)
    row = np.arange(N)
    cases = [({"where": "year >= 2020 and lang = 'en'"}, (row % 40 >= 30) & (row % 3 > 0)),
             ({"window": ("ts", 100, 200)}, (row >= 200) & (row <= 400)),
             ({"tenant": "t7"}, row % 50 == 7)]
    for ask, match in cases:
        _, found = index.search(rows[:30], k=10, recall=1.0, **ask)
        assert match[found].all()
        assert recall(found, nearest(rows, rows[:30], 10, match)[1]) > 0.95
        filter = index.filter(**ask)
        assert filter.matching == match.sum()
        np.testing.assert_array_equal(index.search(rows[:30], k=10, recall=1.0, filter=filter)[1], found)
    distances, found = index.search(rows[:2], k=100, tenant="t7")
    assert (found[:, 60:] == -1).all() and np.isinf(distances[:, 60:]).all() and (found[:, :60] >= 0).all()
    with pytest.raises(wn.UsageError, match="did you mean 'year'"):
        index.search(rows[:1], where="yaer > 3")
    with pytest.raises(wn.UsageError, match="no row of 'nobody'"):
        index.search(rows[:1], tenant="nobody")


def test_refused(rows):
    with pytest.raises(wn.UsageError, match="add rows first"):
        wn.IndexFlat().search(rows[:1])
    index = wn.IndexFlat()
    index.add(rows)
    with pytest.raises(wn.DataError, match="have 5 columns"):
        index.search(rows[:1, :5])
    with pytest.raises(wn.DataError, match="k is 3001"):
        index.search(rows[:1], k=N + 1)
    with pytest.raises(wn.DataError, match="NaN"):
        index.search(np.full((1, D), np.nan, np.float32))
    with pytest.raises(wn.UsageError, match="no table"):
        index.search(rows[:1], where="a > 1")
    with pytest.raises(TypeError, match="Index.load"):
        wn.Index()


def test_searches_beside_changes(rows):
    """Every search sees the index before or after a change, never between."""
    index = wn.IndexHNSW()
    index.add(rows[:1000])
    wrong, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            _, found = index.search(rows[:20], k=3, recall=1.0)
            if not (found[:, 0] == np.arange(20)).all():
                wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for t in threads:
        t.start()
    for i in range(1000, N, 500):
        index.add(rows[i:i + 500])
        index.remove_ids(np.arange(i, i + 100))
    index.compact()
    stop.set()
    for t in threads:
        t.join()
    assert not wrong
    assert index.ntotal == N - 400


def test_tenants(rows, tmp_path):
    users = np.arange(N) % 7
    table = tmp_path / "users.jsonl"
    table.write_text("".join(json.dumps({"user": int(u), "part": i % 3}) + "\n" for i, u in enumerate(users)))
    index = wn.IndexTenants(tenant_column="user", list_max=16)
    index.add(rows, table=table)
    for tenant in (2, "2"):
        distances, found = index.search(rows[:40] + 0.01, k=5, tenant=tenant, effort=10**6)
        true_d, true = nearest(rows, rows[:40] + 0.01, 5, users == 2)
        np.testing.assert_allclose(distances, true_d, rtol=1e-4, atol=1e-4)
        assert (users[found] == 2).all() and recall(found, true) > 0.99
    both = index.filter(where="part = 1", tenant=4)
    _, found = index.search(rows[:40], k=5, filter=both)
    assert (users[found] == 4).all() and (found % 3 == 1).all()
    index.remove_ids(np.nonzero(users == 4)[0][:-2])
    _, found = index.search(rows[:3], k=5, tenant=4)
    assert set(found.ravel()) == set(np.nonzero(users == 4)[0][-2:]) | {-1}
    with pytest.raises(wn.UsageError, match="no row of '9'"):
        index.search(rows[:1], tenant=9)
    with pytest.raises(wn.UsageError, match="table"):
        wn.IndexTenants(tenant_column="user").add(rows)
