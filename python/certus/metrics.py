"""Certified accuracy as scikit-learn scores."""

from __future__ import annotations

from typing import Any, Callable

from ._campaign import certify
from ._result import Figure


def certified_accuracy_score(estimator: Any, X: Any, y: Any, *, eps: Any, **options: Any) -> Figure:
    """The share of inputs that are proved to keep their label under every perturbation up to eps.

    Parameters
    ----------
    estimator : fitted classifier, Network, torch module or Keras model
        What classifies.
    X : array of shape (n, features)
        Inputs.
    y : array of n labels
        Labels, as the estimator knows them.
    eps : str, Fraction, int or float
        The largest perturbation of a feature, exact.
    **options
        As for :func:`certus.certify`.

    Returns
    -------
    Figure
        A float with ``numerator``, ``denominator`` and ``interval()``.
    """
    figure = certify(estimator, X, y, eps, **options).certified_accuracy
    assert figure is not None
    return figure


def make_certified_scorer(*, eps: Any, **options: Any) -> Callable[[Any, Any, Any], float]:
    """A scorer for ``cross_val_score``, ``GridSearchCV`` and their like: ``scorer(estimator, X, y)``.

    Parameters
    ----------
    eps : str, Fraction, int or float
        The largest perturbation of a feature, exact.
    **options
        As for :func:`certus.certify`.

    Returns
    -------
    callable
        It can be pickled, so that ``n_jobs`` works.
    """
    return _Scorer(eps, options)


class _Scorer:
    def __init__(self, eps: Any, options: dict[str, Any]) -> None:
        self.eps = eps
        self.options = options

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        return float(certified_accuracy_score(estimator, X, y, eps=self.eps, **self.options))

    def __repr__(self) -> str:
        return f"make_certified_scorer(eps={self.eps!r})"
