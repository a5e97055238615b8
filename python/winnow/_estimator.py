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

    @staticmethod
    def _checked(x):
        if _inputs.is_path(x) or _inputs.is_paths(x):
            return x
        a, _ = _inputs.matrix(x)
        if a.shape[0] == 0:
            raise _lib.DataError(f"Found array with 0 sample(s) (shape={a.shape}) while a minimum of 1 is "
                                 "required.")
        if a.shape[1] == 0:
            raise _lib.DataError(f"Found array with 0 feature(s) (shape={a.shape}) while a minimum of 1 is "
                                 "required.")
        return x

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
