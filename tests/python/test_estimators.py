"""scikit-learn's habits, by its own checks; what it expects and winnow does not do is named here."""
import inspect
import warnings

import numpy as np
import pytest

import winnow as wn

BASES = (wn.ClusterEstimator, wn.ClassifierEstimator)
ESTIMATORS = [c for c in vars(wn).values() if inspect.isclass(c) and issubclass(c, BASES) and c not in BASES]
CLUSTERERS = [c for c in ESTIMATORS if issubclass(c, wn.ClusterEstimator)]


def small(kind, **params):
    """One that fits the checks' few rows."""
    return kind(k=3, **params) if kind in CLUSTERERS else kind(**params)


REFUSED = "winnow reads arrays where they lie and refuses what it would have to convert, with the fix"
SKIPPED = {
    "check_estimators_dtypes": REFUSED + ": int64",
    "check_dtype_object": REFUSED + ": object",
    "check_sample_weights_not_an_array": REFUSED + ": lists of int64",
    "check_sample_weights_pandas_series": REFUSED + ": int64",
    "check_sample_weights_shape": REFUSED + ": int64",
    "check_f_contiguous_array_estimator": REFUSED + ": Fortran order",
    "check_fit2d_1sample": "the error is there, in other words: k needs as many rows, the pool has 1",
    "check_sample_weight_equivalence_on_dense_data":
        "first centres are drawn by row number: a row of weight 2 is not drawn like two rows; "
        "probabilities are equal to 1e-3, not to 1e-7: they are float32",
}
SKIPPED_CLASSIFIERS = {
    **{n: why for n, why in SKIPPED.items() if n != "check_fit2d_1sample"},
    "check_classifier_data_not_an_array": REFUSED + ": int64",
    "check_classifiers_train": REFUSED + ": lists",
}


def test_there_are_estimators():
    assert {"KMeans", "HKMeans", "LogisticRegression"} <= {c.__name__ for c in ESTIMATORS}


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_scikit_learn_checks(kind):
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        skipped = SKIPPED if kind in CLUSTERERS else SKIPPED_CLASSIFIERS
        results = checks.check_estimator(small(kind), on_fail=None, expected_failed_checks=skipped)
    failed = [f"{r['check_name']}: {r['exception']!r}" for r in results if r["status"] == "failed"]
    assert not failed, "\n".join(failed)
    assert sum(r["status"] == "passed" for r in results) >= 30
    surplus = {r["check_name"] for r in results if r["status"] == "passed"} & skipped.keys()
    surplus -= {r["check_name"] for r in results if r["status"] != "passed"}
    assert not surplus, f"these pass now: {surplus}"


@pytest.mark.parametrize("kind", CLUSTERERS)
def test_clone_and_parameters(kind):
    base = pytest.importorskip("sklearn.base")
    a = kind(k=7, seed=5, metric="cosine")
    b = base.clone(a)
    assert b is not a and b.get_params() == a.get_params()
    assert a.set_params(seed=6) is a and a.seed == 6
    with pytest.raises(ValueError, match="nonsense"):
        a.set_params(nonsense=1)
    assert repr(kind(k=7)) == f"{kind.__name__}(k=7)"


def test_kmeans_against_scikit_learn(X):
    cluster = pytest.importorskip("sklearn.cluster")
    centres = X[:12].copy()
    ours = wn.KMeans(k=12, tol=0, max_iter=300).fit(X, centers=centres)
    theirs = cluster.KMeans(12, init=centres, n_init=1, tol=0, algorithm="lloyd").fit(X)
    assert abs(ours.inertia_ - theirs.inertia_) < 1e-4 * theirs.inertia_
    assert np.mean(ours.labels_ == theirs.labels_) > 0.999
    assert np.allclose(ours.cluster_centers_, theirs.cluster_centers_, atol=1e-3)


def test_predict_and_score(X):
    km = wn.KMeans(k=9).fit(X[:1500])
    assert np.array_equal(km.predict(X[:1500]), km.labels_)
    assert km.predict(X).shape == (2000,) and km.predict(X).dtype == np.int32
    assert km.score(X[:1500]) == pytest.approx(-km.inertia_, rel=1e-5)
    with pytest.raises(ValueError, match="24 features"):
        km.predict(X[:, :5].copy())
    with pytest.raises(ValueError, match="not fitted"):
        wn.KMeans().predict(X)


def test_weights_count(X):
    w = np.zeros(len(X), np.float32)
    w[:700] = 1
    weighted = wn.KMeans(k=5, tol=0).fit(X, sample_weight=w, centers=X[:5].copy())
    alone = wn.KMeans(k=5, tol=0).fit(X[:700], centers=X[:5].copy())
    assert np.allclose(weighted.cluster_centers_, alone.cluster_centers_, atol=1e-5)
    with pytest.raises(ValueError, match="weight"):
        wn.KMeans(k=5).fit(X, sample_weight=-w)


def test_pipelines(X):
    sk = pytest.importorskip("sklearn")
    pipeline = sk.pipeline if hasattr(sk, "pipeline") else __import__("sklearn.pipeline").pipeline
    preprocessing = __import__("sklearn.preprocessing").preprocessing
    p = pipeline.make_pipeline(preprocessing.StandardScaler(), wn.KMeans(k=4))
    assert set(p.fit_predict(X)) == {0, 1, 2, 3}


def test_logistic_regression_against_scikit_learn(X):
    linear = pytest.importorskip("sklearn.linear_model")
    y = np.array(["left", "mid", "right"])[np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])]
    ours = wn.LogisticRegression(scale="none", l2=1.0, tol=1e-6).fit(X[:1500], y[:1500])
    theirs = linear.LogisticRegression(C=1.0, tol=1e-8, max_iter=2000).fit(X[:1500], y[:1500])
    assert list(ours.classes_) == list(theirs.classes_)
    assert np.abs(ours.predict_proba(X) - theirs.predict_proba(X)).max() < 5e-3
    assert abs(ours.score(X[1500:], y[1500:]) - theirs.score(X[1500:], y[1500:])) < 0.01
    assert ours.coef_.shape == (3, 24) and ours.predict(X).dtype == y.dtype


def test_a_weight_is_a_repeat(X):
    y = (X[:, 2] > 0).astype(int)
    w = np.arange(300) % 3
    weighted = wn.LogisticRegression(scale="none", tol=1e-6).fit(X[:300], y[:300], sample_weight=w)
    rows = np.repeat(np.arange(300), w)
    repeated = wn.LogisticRegression(scale="none", tol=1e-6).fit(X[rows], y[rows])
    assert np.abs(weighted.predict_proba(X) - repeated.predict_proba(X)).max() < 1e-2
    with pytest.raises(ValueError, match="at least two"):
        wn.LogisticRegression().fit(X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="inconsistent"):
        wn.LogisticRegression().fit(X, y[:5])
