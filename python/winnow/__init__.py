"""winnow: from a pool of embeddings or text to a training set.

    import winnow as wn
    km  = wn.KMeans(k=1024, seed=0).fit(X)              # array, memory map, torch tensor, path, paths
    sel = wn.select.balanced(X, tree=km, size=10_000)   # sel.rows, sel.why, sel.manifest
    out = wn.curate("emb_*.npy", size=10_000)
    ix  = wn.IndexHNSW(metric="cosine"); ix.add(X)
    D, I = ix.search(Q, k=10)
"""
from . import _lib
from ._estimator import ClassifierEstimator, ClusterEstimator
from ._lib import (DataError, InputTypeError, InternalError, MissingFileError, OutOfMemory, SystemFailure,
                   UsageError, WinnowError)
from ._generated import *  # noqa: F401,F403
from ._generated import __all__ as _generated_names
from ._index import Filter, Index
from ._run import Result, WinnowWarning
from ._sampler import Sampler

__version__ = _lib.version().decode()

__all__ = [*_generated_names, "ClassifierEstimator", "ClusterEstimator", "DataError", "Filter", "Index",
           "InputTypeError", "InternalError", "MissingFileError", "OutOfMemory", "Result",
           "Sampler", "SystemFailure", "UsageError", "WinnowError", "WinnowWarning"]
