"""Certified robustness of neural networks, with evidence for every verdict.

A network that was trained elsewhere, labelled inputs and a perturbation size ε go in; for each input a verdict comes out: *certified* (no
perturbation of at most ε changes the label: a theorem), *falsified* (this one does) or *unknown*.

    >>> import certus
    >>> net = certus.load("models/breast_cancer/mlp_cert.onnx")
    >>> result = certus.certify(net, "models/breast_cancer/test.csv", eps="0.3")
    >>> result.certified_accuracy
    86.0 % (172 of 200)

NumPy, and much more so torch, scikit-learn, Keras and pandas, are imported when something needs them, not before.
"""

from ._campaign import attack, certify, radius
from ._errors import (
    BusyError,
    CannotCreateError,
    CertusError,
    CertusWarning,
    DataError,
    InternalError,
    MissingFileError,
    UsageError,
    WriteError,
)
from ._export import from_keras, from_sklearn, from_torch
from ._native import __version__
from ._network import Network, load
from ._query import Verdict, audit, bounds, verify
from ._result import AuditResult, Counterexample, Figure, Proof, RadiusResult, Result, load_result

__all__ = [
    "AuditResult",
    "BusyError",
    "CannotCreateError",
    "CertusError",
    "CertusWarning",
    "Counterexample",
    "DataError",
    "Figure",
    "InternalError",
    "MissingFileError",
    "Network",
    "Proof",
    "RadiusResult",
    "Result",
    "UsageError",
    "Verdict",
    "WriteError",
    "__version__",
    "attack",
    "audit",
    "bounds",
    "certify",
    "from_keras",
    "from_sklearn",
    "from_torch",
    "load",
    "load_result",
    "radius",
    "verify",
]
