"""Samplers as a training loop uses them, also inside PyTorch's DataLoader with workers."""
import json
import pickle

import numpy as np
import pytest

import winnow as wn


def epoch_of(sampler):
    return [list(b) for b in sampler]


def test_an_epoch_is_every_row_once():
    s = wn.batch.uniform(1000, batch_size=64, seed=3)
    first, second = epoch_of(s), epoch_of(s)
    assert len(first) == 16 == len(s) and len(first[-1]) == 1000 - 15 * 64
    assert sorted(sum(first, [])) == list(range(1000)) == sorted(sum(second, []))
    assert first != second
    assert all(type(r) is int for r in first[0])
    again = wn.batch.uniform(range(1000), batch_size=64, seed=3)
    assert epoch_of(again) == first
    again.set_epoch(0)
    assert epoch_of(again) == first
    assert wn.batch.uniform(1000, batch_size=64, seed=3, drop_last=True).drop_last is True
    assert len(wn.batch.uniform(1000, batch_size=64, drop_last=True)) == 15


def test_ranks_share_an_epoch():
    whole = sorted(r for rank in range(3) for b in wn.batch.uniform(1001, batch_size=32, world=3, rank=rank)
                   for r in b)
    assert whole == list(range(1001))


def test_every_batch_at_any_time():
    s = wn.batch.uniform(5000, batch_size=100, seed=1)
    expected = epoch_of(s)
    assert [s.batch(b, epoch=0).tolist() for b in (37, 2, 49)] == [expected[b] for b in (37, 2, 49)]
    with pytest.raises(ValueError):
        s.batch(50, epoch=0)


def test_stop_and_go_on():
    expected = epoch_of(wn.batch.uniform(1000, batch_size=10, seed=5))
    s = wn.batch.uniform(1000, batch_size=10, seed=5)
    it = iter(s)
    used = [next(it) for _ in range(33)]
    state = json.loads(json.dumps(s.state_dict()))
    fresh = wn.batch.uniform(1000, batch_size=10, seed=5)
    fresh.load_state_dict(state)
    assert used + epoch_of(fresh) == expected
    assert epoch_of(fresh) == epoch_of_number(1)
    other = wn.batch.uniform(1000, batch_size=10, seed=6)
    with pytest.raises(wn.DataError):
        other.load_state_dict(state)
    with pytest.raises(ValueError, match="state_dict"):
        other.load_state_dict({})
    copy = pickle.loads(pickle.dumps(s))
    assert used + epoch_of(copy) == expected


def epoch_of_number(e):
    s = wn.batch.uniform(1000, batch_size=10, seed=5)
    s.set_epoch(e)
    return epoch_of(s)


def test_a_broken_off_epoch_starts_again():
    s = wn.batch.uniform(100, batch_size=10)
    for _ in s:
        break
    assert epoch_of(s) == epoch_of(wn.batch.uniform(100, batch_size=10))


def test_more_rows_than_floats_count():
    n = (1 << 24) + 1000
    s = wn.batch.uniform(n, batch_size=1 << 20, seed=2)
    seen = np.zeros(n, bool)
    for b in range(len(s)):
        rows = s.batch(b)
        assert not seen[rows].any()
        seen[rows] = True
    assert seen.all()


def test_chosen_rows_only(X):
    rows = np.arange(5, 500, 5)
    assert sorted(sum(epoch_of(wn.batch.uniform(1000, rows=rows, batch_size=16)), [])) == rows.tolist()
    selection = wn.select.balanced(X, tree=wn.KMeans(k=6).fit(X), size=60)
    assert sorted(sum(epoch_of(wn.batch.uniform(len(X), rows=selection, batch_size=16)), [])) == selection.rows.tolist()


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="how many rows"):
        wn.batch.uniform()
    with pytest.raises(TypeError, match="number of rows"):
        wn.batch.uniform("pool.npy")
    with pytest.raises(ValueError, match="batch_size"):
        wn.batch.uniform(10, batch_size=0)
    with pytest.raises(ValueError):
        wn.batch.uniform(10, rank=2, world=2)
    s = wn.batch.uniform(10)
    with pytest.raises(ValueError, match="at least 0"):
        s.set_epoch(-1)
    with pytest.raises(ValueError):
        s.feedback([1, 2], [0.5])


class Rows:
    """A data set that gives back its row numbers."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i


@pytest.mark.parametrize("workers", [0, 4])
@pytest.mark.filterwarnings("ignore")
def test_a_real_data_loader(workers):
    data = pytest.importorskip("torch.utils.data")
    sampler = wn.batch.uniform(1003, batch_size=32, seed=9)
    loader = data.DataLoader(Rows(1003), batch_sampler=sampler, num_workers=workers)
    expected = epoch_of(wn.batch.uniform(1003, batch_size=32, seed=9))
    assert len(loader) == len(expected)
    assert [b.tolist() for b in loader] == expected
    second = [b.tolist() for b in loader]
    assert sorted(sum(second, [])) == list(range(1003)) and second != expected


@pytest.mark.filterwarnings("ignore")
def test_a_run_stopped_in_the_middle_of_an_epoch():
    """Workers ask for batches ahead; the loop knows how many it used."""
    data = pytest.importorskip("torch.utils.data")

    def loader(sampler):
        return data.DataLoader(Rows(1000), batch_sampler=sampler, num_workers=2, prefetch_factor=4)

    expected = epoch_of(wn.batch.uniform(1000, batch_size=25, seed=4))
    sampler = wn.batch.uniform(1000, batch_size=25, seed=4)
    used = []
    for batch in loader(sampler):
        used.append(batch.tolist())
        if len(used) == 13:
            state = sampler.state_dict(batches=len(used))
            break
    fresh = wn.batch.uniform(1000, batch_size=25, seed=4)
    fresh.load_state_dict(state)
    assert used + [b.tolist() for b in loader(fresh)] == expected


def test_rows_by_weight():
    weights = np.zeros(1000, np.float32)
    weights[100:110] = 9
    weights[500:590] = 1
    s = wn.batch.weighted(scores=weights, draws=20000, batch_size=1000, seed=1)
    rows = np.concatenate([s.batch(b) for b in range(len(s))])
    assert len(rows) == 20000 and (weights[rows] > 0).all()
    assert 9500 < ((rows >= 100) & (rows < 110)).sum() < 10500  # half the weight, sd 71
    with pytest.raises(wn.DataError, match="found -1"):
        wn.batch.weighted(scores=-weights / 9)


def test_groups_in_turn(X):
    labels = np.repeat([3, 7, -1, 9], [2, 500, 398, 100])
    s = wn.batch.balanced(groups=labels, batch_size=30)
    for epoch in range(3):
        for batch in epoch_of(s)[:-1]:
            assert np.unique(labels[batch], return_counts=True)[1].tolist() == [10, 10, 10]
    tree = wn.KMeans(k=6).fit(X)
    s = wn.batch.balanced(X, tree=tree, batch_size=60)
    assert np.bincount(tree.labels_[next(iter(s))], minlength=6).tolist() == [10] * 6
    with pytest.raises(ValueError, match="tree"):
        wn.batch.balanced(X)


def test_one_topic_in_a_batch():
    topic = np.repeat(np.arange(5), 40)  # 200 rows: 50 queries of 4 pairs
    query = np.arange(200) // 4
    margin = np.tile([0, 0.01, 0.02, 1], 50).astype(np.float32)
    s = wn.batch.topic_aware(groups=topic, queries=query, scores=margin, batch_size=5)
    far = 0
    for _ in range(100):
        batches = epoch_of(s)
        assert sorted(query[r] for b in batches for r in b) == list(range(50))
        assert all(len(set(topic[b])) == 1 for b in batches)
        far += sum(margin[r] == 1 for b in batches for r in b)
    assert 2350 < far < 2650  # every second pair, sd 35


def test_clusters_may_stand_first(X):
    """wn.batch.topic_aware(hk, ...): they know how many rows there are."""
    hk = wn.HKMeans(k=[40, 8]).fit(X)
    expected = epoch_of(wn.batch.topic_aware(X, tree=hk, batch_size=64, seed=3))
    for first in (hk, hk.result_):
        assert epoch_of(wn.batch.topic_aware(first, batch_size=64, seed=3)) == expected
    data = pytest.importorskip("torch.utils.data")
    loader = data.DataLoader(Rows(len(X)), batch_sampler=wn.batch.topic_aware(hk, batch_size=64, seed=3), num_workers=2)
    assert [b.tolist() for b in loader] == expected
    chosen = wn.select.balanced(X, tree=hk, size=100)
    assert sorted(sum(epoch_of(wn.batch.uniform(chosen)), [])) == chosen.rows.tolist()
    with pytest.raises(ValueError, match="tree= as well"):
        wn.batch.topic_aware(hk, tree=hk)
    with pytest.raises(TypeError, match="found HKMeans"):
        wn.batch.uniform(hk)
    with pytest.raises(ValueError, match="not fitted"):
        wn.batch.topic_aware(wn.KMeans())


def test_a_part_of_the_rows_each_epoch():
    s = wn.batch.random_subset(1000, fraction=0.25, batch_size=50)
    parts = [sum(b, []) for b in (epoch_of(s) for _ in range(5))]
    assert [len(p) for p in parts] == [250] * 5
    assert sorted(sum(parts[:4], [])) == list(range(1000))
    loss = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    s = wn.batch.curriculum(scores=loss, easy="low", start=0.1, grow_epochs=3, batch_size=1000)
    seen = [epoch_of(s)[0] for _ in range(4)]
    assert [len(b) for b in seen] == [100, 400, 700, 1000]
    assert loss[seen[0]].max() < np.delete(loss, seen[0]).min()
