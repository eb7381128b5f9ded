"""Assertions for test suites: a model is certified on so large a share of inputs, or the test fails and names the worst."""

from __future__ import annotations

from typing import Any

from ._campaign import certify
from ._numbers import exact
from ._result import Result

#: How many inputs a failure names.
WORST = 5


def assert_certified(model: Any, X: Any, y: Any = None, eps: Any = None, at_least: Any = 1.0, **options: Any) -> Result:
    """Fail unless a share of the inputs is certified.

    Parameters
    ----------
    model : Network, path, torch module, scikit-learn estimator or Keras model
        What classifies.
    X, y, eps
        As for :func:`certus.certify`.
    at_least : float, str or Fraction
        The share, compared exactly: ``0.9`` is nine tenths.
    **options
        As for :func:`certus.certify`.

    Returns
    -------
    Result

    Raises
    ------
    AssertionError
        With the figures and the worst inputs: those whose label fails to hold, broken ones before undecided ones, the smallest margin first.
    """
    from fractions import Fraction

    __tracebackhide__ = True
    result = certify(model, X, y, eps, **options)
    figure = result.certified_accuracy
    assert figure is not None
    wanted = Fraction(exact(at_least, "at_least"))
    if Fraction(figure.numerator, max(figure.denominator, 1)) >= wanted:
        return result
    raise AssertionError(_message(result, float(wanted)))


def _message(result: Result, wanted: float) -> str:
    """The figures on the first line, and a line for each of the worst inputs."""
    order = {"falsified": 0, "unknown": 1, "misclassified": 2}
    open_rows = [row for row in result.rows if row["verdict"] in order]
    open_rows.sort(key=lambda row: (order[row["verdict"]], row["margin_bound"] if row["margin_bound"] is not None else 0.0, row["index"]))
    lines = [
        f"certified {result.certified_accuracy} at eps = {result.report['settings']['epsilon']['exact']}, and at least {100 * wanted:g} % are asked for; "
        f"adversarial {result.adversarial_accuracy}, clean {result.clean_accuracy}"
    ]
    for row in open_rows[:WORST]:
        line = f"  input {row['index']} of label {row['label']}: {row['verdict']}"
        if row["verdict"] == "misclassified":
            line += f" as {row['predicted']}"
        if row["margin_bound"] is not None:
            line += f", margin at least {row['margin_bound']:.4g}"
        if row["reason"]:
            line += f" ({row['reason']})"
        lines.append(line)
    if len(open_rows) > WORST:
        lines.append(f"  and {len(open_rows) - WORST} more")
    return "\n".join(lines)
