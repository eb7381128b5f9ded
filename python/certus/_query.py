"""Single questions: a property, bounds of the outputs; and audits of many models."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence, Union

from . import _arrays, _native, _network
from ._campaign import _list, _options, _switches, shown
from ._errors import DataError, UsageError, translated
from ._result import AuditResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ._campaign import Progress
    from ._network import PathLike


class Verdict:
    """The answer to one question.

    Attributes
    ----------
    verdict : {"certified", "falsified", "unknown"}
        What was shown.
    report : dict
        All of it: the stage that decided, domains, times.
    """

    def __init__(self, report: Mapping[str, Any], shape: Sequence[int]) -> None:
        self.report: Mapping[str, Any] = report
        self.verdict: str = report["verdict"]
        self._shape = tuple(shape)

    @property
    def certified(self) -> bool:
        """Whether the property is proved."""
        return self.verdict == "certified"

    @property
    def falsified(self) -> bool:
        """Whether a point violates it."""
        return self.verdict == "falsified"

    @property
    def bound(self) -> Optional[float]:
        """The least proven lower bound of a margin, where one was computed."""
        bound: Optional[float] = self.report["bound"]
        return bound

    @property
    def reason(self) -> Optional[str]:
        """Why it is unknown."""
        reason: Optional[str] = self.report["reason"]
        return reason

    @property
    def counterexample(self) -> "Optional[NDArray[np.float64]]":
        """The point that violates it, of the shape of an input: the doubles nearest to the exact numbers of the report."""
        import numpy as np

        found = self.report["counterexample"]
        if found is None:
            return None
        numbers = [_double(number) for number in found["input"]]
        return np.array(numbers, dtype=np.float64).reshape(self._shape)

    @property
    def proof(self) -> Optional[str]:
        """The file of the proof that an independent checker accepted, where one was asked for."""
        record = self.report["proof"]
        return None if record is None else record["file"]

    def __repr__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"<certus.Verdict {self.verdict}{why}>"


def _double(number: Union[str, float]) -> float:
    if isinstance(number, str):
        top, _, bottom = number.partition("/")
        return float(top) / float(bottom) if bottom else float(top)
    return float(number)


def verify(
    net: Any,
    property: "PathLike",
    *,
    method: str = "complete",
    attack: Union[str, Sequence[str]] = "pgd",
    restarts: Optional[int] = None,
    steps: Optional[int] = None,
    queries: Optional[int] = None,
    untargeted: bool = False,
    lp_tighten: int = 0,
    timeout: Optional[float] = None,
    memory: Optional[int] = None,
    seed: int = 0,
    jobs: Optional[int] = None,
    proof: "Optional[PathLike]" = None,
) -> Verdict:
    """Decide one property of a network.

    Parameters
    ----------
    net : Network, path, scikit-learn estimator or Keras model
        The network.
    property : path or str
        A VNN-LIB file, or its text.
    method, attack, restarts, steps, queries, untargeted, lp_tighten, seed, jobs
        As for :func:`certify`; ``method="complete"`` goes on until it is decided or a limit is reached.
    timeout : float, optional
        Seconds, reading included.
    memory : int, optional
        Megabytes that open domains of the search may take.
    proof : path, optional
        Where to keep a proof that an independent checker accepted.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> import certus
    >>> certus.verify("models/control/mlp_plain.onnx", "models/control/torque_stays_small.vnnlib", timeout=60).verdict
    'falsified'
    """
    import json
    import tempfile

    net = _network.of(net)
    with tempfile.TemporaryDirectory(prefix="certus-") as folder:
        file = os.fspath(property)
        if "(" in file and not os.path.exists(file):
            text, file = file, os.path.join(folder, "property.vnnlib")
            with open(file, "w", encoding="utf-8") as written:
                written.write(text)
        line = ["certus", "verify", net.path, file, "--method", method, "--attack", _list(attack)]
        line += _options(restarts=restarts, steps=steps, queries=queries, lp_tighten=lp_tighten or None)
        line += _options(timeout=timeout, memory=memory, seed=seed or None)
        line += _options(jobs=None if jobs == -1 else jobs, proof=None if proof is None else os.fspath(proof), output=net.output)
        line += _switches(untargeted=untargeted)
        for name, constant in net._inputs:
            line += ["--input", f"{name}={constant}"]
        try:
            _, answer = _native.call(line)
        except _native.NativeError as native:
            raise translated(native, [net.path, file]) from None
    return Verdict(json.loads(answer), net.input_shape)


def bounds(net: Any, lower: Any, upper: Any, *, method: str = "crown") -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Bounds of every output on a box of inputs: a theorem, this program's rounding accounted for.

    Parameters
    ----------
    net : Network, path, scikit-learn estimator or Keras model
        The network.
    lower, upper : array of shape (*input_shape), or (n, *input_shape) for n boxes
        The ends of the box, as the network takes its inputs.
    method : {"crown", "ibp"}
        Linear bounds backwards (CROWN) and intervals, or intervals alone.

    Returns
    -------
    lower, upper : array of shape (outputs,), or (n, outputs)

    Examples
    --------
    >>> import certus
    >>> net = certus.load("models/control/mlp_plain.onnx")
    >>> low, high = certus.bounds(net, [-0.1] * net.inputs, [0.1] * net.inputs)
    >>> bool((low <= net.evaluate([[0.0] * net.inputs])[0]).all())
    True
    """
    import numpy as np

    net = _network.of(net)
    if method not in ("crown", "ibp"):
        raise UsageError(f"method={method!r}: there are 'crown' and 'ibp'")
    low, high = _arrays.doubles(lower, "lower"), _arrays.doubles(upper, "upper")
    if low.shape != high.shape:
        raise DataError(f"upper: its shape {high.shape} is not that of lower, {low.shape}", "upper")
    if low.size == 0 or low.size % max(net.inputs, 1) or (low.size > net.inputs and low.size != len(low) * net.inputs):
        raise DataError(f"lower: {low.size} values, and the network takes {net.inputs}", "lower")
    if bool((low > high).any()):
        place = tuple(int(axis[0]) for axis in np.nonzero(low > high))
        raise DataError(f"lower: element {place} is above that of upper, so the box is empty", "lower", f"element {place}")
    single = low.size == net.inputs and not (low.ndim > 1 and low.shape == (1, *net.input_shape) != net.input_shape)
    found = []
    for row_low, row_high in zip(low.reshape(-1, net.inputs), high.reshape(-1, net.inputs)):
        try:
            ends = net._native.bounds(row_low.tobytes(), row_high.tobytes(), method == "crown")
        except _native.NativeError as native:
            raise translated(native, [net.path]) from None
        found.append([np.frombuffer(end, dtype=np.float64) for end in ends])
    both = np.array(found).transpose(1, 0, 2)
    return (both[0, 0], both[1, 0]) if single else (both[0], both[1])


def audit(
    plan: "PathLike",
    out: "PathLike" = "audit-out",
    *,
    overwrite: bool = False,
    reproducible: bool = False,
    sign_key: "Optional[PathLike]" = None,
    jobs: Optional[int] = None,
    progress: "Progress" = False,
) -> AuditResult:
    """A robustness audit: many models, datasets, ε, attacks and methods in one report that a reviewer can check and sign.

    Parameters
    ----------
    plan : path
        The plan, a TOML file; ``certus audit --init`` writes one to edit.
    out : path
        Folder for the report, the journal and the evidence. The same call goes on where an earlier one was interrupted.
    overwrite : bool
        Replace another audit in `out`.
    reproducible : bool
        Leave out times, date and machine, so that a run anywhere gives the same report id.
    sign_key : path, optional
        An Ed25519 key in PEM that signs the report.
    jobs, progress
        As for :func:`certify`.

    Returns
    -------
    AuditResult
    """
    import json

    plan, out = os.fspath(plan), os.fspath(out)
    line = ["certus", "audit", plan, "--out", out, *_switches(overwrite=overwrite, reproducible=reproducible)]
    line += _options(jobs=None if jobs == -1 else jobs, sign_key=None if sign_key is None else os.fspath(sign_key))
    with shown(progress) as told:
        try:
            _, answer = _native.call(line, None, told)
        except _native.NativeError as native:
            raise translated(native, [plan, out]) from None
    return AuditResult(json.loads(answer), out)
