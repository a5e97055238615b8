"""What scikit-learn's users expect of an estimator; scikit-learn itself is not needed."""
import inspect

import numpy as np

from . import _inputs, _lib
from ._run import run


class NotFittedError(ValueError, AttributeError):
    """The estimator has learnt nothing yet."""


class Estimator:
    """Parameters by name, as scikit-learn's clone, search and pipelines want them."""

    @classmethod
    def _parameter_names(cls):
        return [p for p in inspect.signature(cls.__init__).parameters if p != "self"]

    def get_params(self, deep=True):
        """The parameters as a dict."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **params):
        """Sets parameters and returns the estimator."""
        names = self._parameter_names()
        for name, value in params.items():
            if name not in names:
                raise _lib.UsageError(f"Invalid parameter {name!r} for estimator {self!r}. "
                                      f"Valid parameters are: {names!r}.")
            setattr(self, name, value)
        return self

    def __repr__(self):
        defaults = inspect.signature(type(self).__init__).parameters
        told = [f"{n}={v!r}" for n, v in self.get_params().items()
                if v is not defaults[n].default and v != defaults[n].default]
        return f"{type(self).__name__}({', '.join(told)})"

    def __sklearn_is_fitted__(self):
        return hasattr(self, "result_")

    def _fitted(self):
        if not self.__sklearn_is_fitted__():
            try:
                from sklearn.exceptions import NotFittedError as kind
            except ImportError:
                kind = NotFittedError
            raise kind(f"This {type(self).__name__} instance is not fitted yet: call fit first")

    @staticmethod
    def _checked(x):
        if _inputs.is_parquet(x):
            x = _inputs.parquet_column(x)
        if _inputs.is_path(x) or _inputs.is_paths(x):
            return x
        x = _inputs.one_column(x)
        a, _ = _inputs.matrix(x)
        if a.shape[0] == 0:
            raise _lib.DataError(f"Found array with 0 sample(s) (shape={a.shape}) while a minimum of 1 is "
                                 "required.")
        if a.shape[1] == 0:
            raise _lib.DataError(f"Found array with 0 feature(s) (shape={a.shape}) while a minimum of 1 is "
                                 "required.")
        return x

    def _check_width(self, x):
        width = getattr(x, "shape", (0, None))[1:2]
        if len(width) == 1 and width[0] is not None and width[0] != self.n_features_in_:
            raise _lib.DataError(f"X has {width[0]} features, but {type(self).__name__} is expecting "
                                 f"{self.n_features_in_} features as input")


class ClusterEstimator(Estimator):
    """fit, predict, fit_predict of a method of the family `cluster`.

    After fit: labels_ (n,) int32, cluster_centers_ (k, d) float32, sizes_ (k,) int64, inertia_, n_iter_;
    levels_, for a hierarchy the labels of each level, finest first; result_, everything with the manifest.
    """

    _method = None
    _shared = ("metric", "threads", "memory", "progress")
    _estimator_type = "clusterer"

    def fit(self, X, y=None, sample_weight=None, **inputs):
        """Learns the clusters of X (n, d): an array, a path or a list of paths. y is not used.

        sample_weight (n,) : weights of at least 0. centers (k, d) : first centres.
        """
        given = {"pool": ("pool", self._checked(X))}
        if sample_weight is not None:
            given["weights"] = ("scores", np.asarray(sample_weight, dtype=np.float32))
        for name, value in inputs.items():
            if name not in self._inputs:
                raise _lib.InputTypeError(f"fit() got an unexpected argument {name!r}; "
                                          f"{type(self).__name__} takes {', '.join(self._inputs)}")
            given[name] = (self._inputs[name], value)
        params = {n: v for n, v in self.get_params().items() if n not in self._shared}
        self.result_ = run("cluster", self._method, given, params, defaults=self._defaults,
                           metric=self.metric, threads=self.threads, memory=self.memory,
                           progress=self.progress)
        arrays, counts = self.result_.arrays, self.result_.counts
        self.labels_ = arrays["labels.npy"]
        self.cluster_centers_ = arrays["centers.npy"]
        self.sizes_ = arrays["sizes.npy"]
        self.levels_ = [self.labels_] + [arrays[f"level{t}/labels.npy"] for t in range(2, 9)
                                         if f"level{t}/labels.npy" in arrays]
        finest = counts.get("level1", counts)
        self.inertia_ = finest["inertia"]
        self.n_iter_ = finest["iterations"]
        self.n_features_in_ = self.cluster_centers_.shape[1]
        return self

    def _assign(self, X, **params):
        self._fitted()
        x = self._checked(X)
        self._check_width(x)
        return run("cluster", "assign", {"pool": ("pool", x), "tree": ("tree", self)}, params,
                   threads=self.threads, memory=self.memory)

    def predict(self, X):
        """Label of the nearest centre for each row of X (n, d) -> (n,) int32."""
        return self._assign(X, inertia=False).arrays["labels.npy"]

    def fit_predict(self, X, y=None, sample_weight=None):
        """fit(X).labels_"""
        return self.fit(X, y, sample_weight).labels_

    def score(self, X, y=None):
        """Minus the sum of squared distances of X to the nearest centres: higher is better."""
        return -self._assign(X).counts["inertia"]

    def __sklearn_tags__(self):
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(estimator_type="clusterer", target_tags=TargetTags(required=False),
                    input_tags=InputTags())


class ClassifierEstimator(Estimator):
    """fit, predict, predict_proba of a method of the family `learn`.

    After fit: classes_ (C,), coef_ (C, d) float32 and intercept_ (C,), n_iter_; result_, everything with the
    manifest.
    """

    _method = None
    _shared = ("metric", "threads", "memory", "progress")
    _estimator_type = "classifier"

    def fit(self, X, y, sample_weight=None):
        """Learns the classes y (n,) of the rows X (n, d). sample_weight (n,): weights of at least 0."""
        x = self._checked(X)
        classes, codes = self._classes(y)
        given = {"pool": ("pool", x), "labels": ("labels", codes)}
        if hasattr(x, "shape") and len(codes) != x.shape[0]:
            raise _lib.DataError(f"Found input variables with inconsistent numbers of samples: {x.shape[0]} "
                                 f"rows and {len(codes)} classes")
        if sample_weight is not None:
            weights = np.asarray(sample_weight, dtype=np.float32)
            if not weights.any():
                raise _lib.DataError("sample_weight: the weights of all rows are zero: nothing to fit")
            given["weights"] = ("scores", weights)
        params = {n: v for n, v in self.get_params().items() if n not in self._shared}
        self.result_ = run("learn", self._method, given, params, defaults=self._defaults,
                           metric=self.metric, threads=self.threads, memory=self.memory,
                           progress=self.progress)
        self.classes_ = classes
        self.coef_ = self.result_.arrays["weights.npy"]
        self.intercept_ = self.result_.arrays["intercept.npy"]
        self.n_iter_ = self.result_.counts["iterations"]
        self.n_features_in_ = self.coef_.shape[1]
        return self

    @staticmethod
    def _classes(y):
        if y is None:
            raise _lib.UsageError("requires y to be passed, but the target y is None")
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            import warnings

            try:
                from sklearn.exceptions import DataConversionWarning as kind
            except ImportError:
                kind = UserWarning
            warnings.warn("A column-vector y was passed when a 1d array was expected", kind, stacklevel=3)
            y = y.ravel()
        if y.ndim != 1:
            raise _lib.UsageError(f"y: found shape {y.shape}, expected one class per row")
        if y.dtype.kind == "f" and not np.all(np.isfinite(y)):
            raise _lib.DataError("y: Input y contains NaN or infinity, expected one class per row")
        if y.dtype.kind == "f" and np.any(y != np.floor(y)):
            raise _lib.DataError("Unknown label type: continuous: y holds real numbers, expected classes")
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise _lib.DataError(f"y: found {len(classes)} class, expected at least two: there is one class "
                                 "only")
        return classes, codes.astype(np.int64)

    def _apply(self, X, **params):
        self._fitted()
        x = self._checked(X)
        self._check_width(x)
        return run("learn", "apply", {"pool": ("pool", x), "model": ("model", self)}, params,
                   threads=self.threads, memory=self.memory)

    def predict(self, X):
        """The most probable class of each row of X (n, d)."""
        labels = self._apply(X, probs=False).arrays["labels.npy"]
        return self.classes_[labels]

    def predict_proba(self, X):
        """Probabilities (n, C) float32 of the classes in the order of classes_."""
        return self._apply(X).arrays["probs.npy"]

    def predict_log_proba(self, X):
        """Their logarithms."""
        return np.log(self.predict_proba(X))

    def score(self, X, y, sample_weight=None):
        """Share of the rows whose class is predicted."""
        return float(np.average(self.predict(X) == np.asarray(y), weights=sample_weight))

    def __sklearn_tags__(self):
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(estimator_type="classifier", target_tags=TargetTags(required=True),
                    input_tags=InputTags(), classifier_tags=ClassifierTags())
