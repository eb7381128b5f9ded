"""`certify`, `attack` and `radius`: every input of a dataset, by the program's own runner."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence, Union

from . import _arrays, _native, _network
from ._errors import CertusWarning, DataError, UsageError, translated
from ._numbers import exact, numbers, ranges
from ._result import RadiusResult, Result

if TYPE_CHECKING:
    import tempfile

    from ._network import PathLike

    Progress = Union[bool, Callable[[int, int, str], object]]


def certify(
    net: Any,
    X: Any,
    y: Any = None,
    eps: Any = None,
    *,
    norm: Union[str, float] = "inf",
    bounds: Any = None,
    mean: Any = None,
    std: Any = None,
    scale: Any = None,
    eps_per_feature: Any = None,
    labels: Optional[Sequence[str]] = None,
    layout: Optional[str] = None,
    accept: Union[str, Sequence[str], None] = None,
    method: str = "auto",
    attack: Union[str, Sequence[str]] = "pgd",
    restarts: Optional[int] = None,
    steps: Optional[int] = None,
    queries: Optional[int] = None,
    untargeted: bool = False,
    lp_tighten: int = 0,
    timeout: Optional[float] = None,
    seed: int = 0,
    limit: Optional[int] = None,
    shard: Optional[tuple[int, int]] = None,
    proofs: bool = False,
    verified: "Optional[PathLike]" = None,
    jobs: Optional[int] = None,
    progress: "Progress" = False,
    out: "Optional[PathLike]" = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Result:
    """Certified accuracy beside attack success: attack and bound every input.

    Verdicts, margins and proofs are those of ``certus certify`` with the same options, bit for bit, whatever `jobs`.

    Parameters
    ----------
    net : Network, path, torch module, scikit-learn estimator or Keras model
        What classifies. Models are exported on the way (:func:`from_torch`, :func:`from_sklearn`, :func:`from_keras`).
    X : array of shape (n, *input_shape), or (n, inputs); DataFrame; torch tensor; or the path of a data file
        The inputs in stored units; a data file brings its labels, and the ``.toml`` beside it says how to read it.
    y : array of n labels
        Class numbers from 0, or names that are in `labels` or in the estimator's ``classes_``.
    eps : str, Fraction, int or float
        The largest perturbation of a feature in units of stored value × `scale`, exact: ``"8/255"``, and of a float its decimal text.
    norm : {"inf"}
        Certificates are about the max norm; :func:`attack` knows the Euclidean one too.
    bounds : (low, high), optional
        Valid values, inside which perturbations stay, in the units of `eps`; each end one number, or one a channel or feature; or ``"none"``.
    mean, std : number or array, optional
        The network takes (value − mean) / std, in the units of `eps`; one number, or one a channel or feature.
    scale : str or number, optional
        Stored value × scale = the units of `eps`: ``"1/255"`` of images in bytes.
    eps_per_feature : array, optional
        Factors of `eps`, one a channel or feature.
    labels : list of str, optional
        The names of the classes, in the order of the network's outputs.
    layout : {"same", "flat"}, optional
        ``"flat"`` where numbers are in the network's order whatever the shapes say.
    accept : str or list of str, optional
        What is meant though it would be refused: ``"large-eps"``, ``"outside-domain"``.
    method : {"auto", "ibp", "crown", "lp", "milp", "complete"}
        How far to go.
    attack : str or list of str
        The attacks that come first: ``pgd``, ``fgsm``, ``apgd-ce``, ``apgd-dlr``, ``fab``, ``square``; or ``none``.
    restarts, steps, queries, untargeted, lp_tighten
        What attacks and linear programs may spend; see ``certus certify --help``.
    timeout : float, optional
        Seconds for an input; results then depend on the machine's speed.
    seed : int
        Of everything random.
    limit : int, optional
        Only the first inputs.
    shard : (K, N), optional
        Every N-th input alone, from the K-th on; :func:`certus.distributed.certify` and ``certus merge`` put shards together.
    proofs : bool
        Keep a proof that an independent checker accepted for each certified input.
    verified : path, optional
        The verified checker, a program that is asked about every proof, too.
    jobs : int, optional
        Inputs handled at once; the number of cores where it is ``None`` or −1.
    progress : bool or callable
        ``True`` for a bar (tqdm where it is installed); or called with how many inputs are done, out of how many, and what became of them.
    out : path, optional
        Folder for the report, the journal and the evidence; a temporary one otherwise, which :meth:`Result.save` copies.
    resume, overwrite : bool
        Go on with the campaign in `out`, or replace it.

    Returns
    -------
    Result

    Raises
    ------
    DataError, UsageError, MissingFileError, CannotCreateError, BusyError, WriteError
        One sentence that says what to do.
    KeyboardInterrupt
        Where Ctrl-C was pressed; what is finished is kept in `out`, and `resume` goes on.

    Examples
    --------
    >>> import certus
    >>> net = certus.load("models/breast_cancer/mlp_cert.onnx")
    >>> result = certus.certify(net, "models/breast_cancer/test.csv", eps="0.3", limit=50)
    >>> result.certified_accuracy
    78.0 % (39 of 50)
    """
    _check_norm(norm, certifying=True)
    line = ["--method", method, "--attack", _list(attack)]
    line += _options(restarts=restarts, steps=steps, queries=queries, lp_tighten=lp_tighten or None)
    line += _switches(untargeted=untargeted, proofs=proofs) + _shard(shard)
    line += _options(verified=None if verified is None else os.fspath(verified))
    run = _Run("certify", net, X, y, _eps(eps), line, jobs, progress, out, resume, overwrite)
    run.reading(bounds, mean, std, scale, eps_per_feature, labels, layout, accept)
    run.search(timeout, seed, limit)
    return Result._of(*run())


def attack(
    net: Any,
    X: Any,
    y: Any = None,
    eps: Any = None,
    *,
    attack: Union[str, Sequence[str]] = "pgd",
    norm: Union[str, float] = "inf",
    bounds: Any = None,
    mean: Any = None,
    std: Any = None,
    scale: Any = None,
    eps_per_feature: Any = None,
    labels: Optional[Sequence[str]] = None,
    layout: Optional[str] = None,
    accept: Union[str, Sequence[str], None] = None,
    restarts: Optional[int] = None,
    steps: Optional[int] = None,
    queries: Optional[int] = None,
    untargeted: bool = False,
    timeout: Optional[float] = None,
    seed: int = 0,
    limit: Optional[int] = None,
    jobs: Optional[int] = None,
    progress: "Progress" = False,
    out: "Optional[PathLike]" = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Result:
    """Attacks alone: each of `attack` on every input, and the worst case of all.

    Parameters
    ----------
    attack : str or list of str
        ``pgd``, ``fgsm``, ``apgd-ce``, ``apgd-dlr``, ``fab``, ``square``.
    norm : {"inf", 2}
        How perturbations are measured; of ``2`` `eps` is the Euclidean length.

    The other parameters are those of :func:`certify`.

    Returns
    -------
    Result
        Its ``certified_accuracy`` is ``None``; ``counterexamples`` has the inputs that broke the network.

    Examples
    --------
    >>> import certus
    >>> net = certus.load("models/breast_cancer/mlp_plain.onnx")
    >>> found = certus.attack(net, "models/breast_cancer/test.csv", eps="0.3", limit=50)
    >>> len(found.counterexamples) == found.attack_success_rate.numerator
    True
    """
    line = ["--attack", _list(attack), "--norm", _check_norm(norm, certifying=False)]
    line += _options(restarts=restarts, steps=steps, queries=queries) + _switches(untargeted=untargeted)
    run = _Run("attack", net, X, y, _eps(eps), line, jobs, progress, out, resume, overwrite)
    run.reading(bounds, mean, std, scale, eps_per_feature, labels, layout, accept)
    run.search(timeout, seed, limit)
    return Result._of(*run())


def radius(
    net: Any,
    X: Any,
    y: Any = None,
    *,
    max_eps: Any = "1/2",
    tolerance: Any = None,
    bounds: Any = None,
    mean: Any = None,
    std: Any = None,
    scale: Any = None,
    eps_per_feature: Any = None,
    labels: Optional[Sequence[str]] = None,
    layout: Optional[str] = None,
    accept: Union[str, Sequence[str], None] = None,
    method: str = "auto",
    attack: Union[str, Sequence[str]] = "pgd",
    restarts: Optional[int] = None,
    steps: Optional[int] = None,
    queries: Optional[int] = None,
    untargeted: bool = False,
    lp_tighten: int = 0,
    timeout: Optional[float] = None,
    seed: int = 0,
    limit: Optional[int] = None,
    jobs: Optional[int] = None,
    progress: "Progress" = False,
    out: "Optional[PathLike]" = None,
    resume: bool = False,
    overwrite: bool = False,
) -> RadiusResult:
    """Of every input, the largest ε with a proof and the distance of the nearest counterexample found.

    Parameters
    ----------
    max_eps : str, Fraction, int or float
        The largest ε that is asked about, exact.
    tolerance : str, Fraction, int or float, optional
        Certified radii are multiples of it; a hundredth of `max_eps` by default.

    The other parameters are those of :func:`certify`.

    Returns
    -------
    RadiusResult

    Examples
    --------
    >>> import certus
    >>> net = certus.load("models/breast_cancer/mlp_cert.onnx")
    >>> radii = certus.radius(net, "models/breast_cancer/test.csv", max_eps="1/2", limit=5)
    >>> bool((radii.certified <= radii.attacked).all())
    True
    """
    line = ["--method", method, "--attack", _list(attack)]
    line += _options(restarts=restarts, steps=steps, queries=queries, lp_tighten=lp_tighten or None)
    line += _switches(untargeted=untargeted)
    asked = ["--max-eps=" + exact(max_eps, "max_eps")]
    if tolerance is not None:
        asked.append("--tolerance=" + exact(tolerance, "tolerance"))
    run = _Run("radius", net, X, y, asked, line, jobs, progress, out, resume, overwrite)
    run.reading(bounds, mean, std, scale, eps_per_feature, labels, layout, accept)
    run.search(timeout, seed, limit)
    return RadiusResult._of(*run())


def _eps(eps: Any) -> list[str]:
    if eps is None:
        raise UsageError("eps is needed: the largest perturbation, such as eps='8/255'")
    return ["--eps=" + exact(eps, "eps")]


def _check_norm(norm: Union[str, float], certifying: bool) -> str:
    name = str(norm).lower()
    if name in ("inf", "linf", "l_inf"):
        return "linf"
    if name in ("2", "2.0", "l2") and not certifying:
        return "l2"
    if certifying:
        raise UsageError(f"norm={norm!r}: certificates are about the max norm, norm='inf'; certus.attack knows norm=2 too")
    raise UsageError(f"norm={norm!r}: there are 'inf' and 2")


def _list(value: Union[str, Sequence[str]]) -> str:
    return value if isinstance(value, str) else ",".join(value)


def _options(**options: Any) -> list[str]:
    line = []
    for name, value in options.items():
        if value is not None:
            line += [f"--{name.replace('_', '-')}", str(value)]
    return line


def _switches(**switches: bool) -> list[str]:
    return [f"--{name}" for name, wanted in switches.items() if wanted]


def _shard(shard: Optional[tuple[int, int]]) -> list[str]:
    return [] if shard is None else ["--shard", f"{shard[0]}/{shard[1]}"]


class _Run:
    """A command on its way: its command line, and the arrays that stand for its data file."""

    def __init__(
        self,
        command: str,
        net: Any,
        X: Any,
        y: Any,
        asked: list[str],
        line: list[str],
        jobs: Optional[int],
        progress: "Progress",
        out: "Optional[PathLike]",
        resume: bool,
        overwrite: bool,
    ) -> None:
        self.inputs: Any = None
        self.labels = y
        if _arrays.is_file(X):
            if y is not None:
                raise UsageError("y goes with an array X; a data file brings its labels")
            self.net = _network.of(net)
            self.data = os.fspath(X)
        else:
            if y is None:
                raise UsageError("y is needed: the label of each input")
            self.inputs = _arrays.array(X, "X")
            self.net = _network.of(net, self.inputs.shape[1:])
            self.net.check_shape(self.inputs.shape)
            self.data = "X"
        import tempfile

        self.folder: Optional["tempfile.TemporaryDirectory[str]"] = None
        if out is None:
            if resume:
                raise UsageError("resume=True goes on with the campaign in a folder, out=...")
            self.folder = tempfile.TemporaryDirectory(prefix="certus-")
        self.out = self.folder.name if self.folder else os.fspath(out)  # type: ignore[arg-type]
        self.line = ["certus", command, self.net.path, "--data", self.data, *asked, *line, "--out", self.out]
        if self.net.output is not None:
            self.line += ["--output", self.net.output]
        for name, file in self.net._inputs:
            self.line += ["--input", f"{name}={file}"]
        if jobs is not None and jobs != -1:
            self.line += ["--jobs", str(jobs)]
        self.line += _switches(resume=resume, overwrite=overwrite)
        self.classes = self.net.classes
        self.progress = progress

    def reading(
        self,
        bounds: Any,
        mean: Any,
        std: Any,
        scale: Any,
        eps_per_feature: Any,
        labels: Optional[Sequence[str]],
        layout: Optional[str],
        accept: Union[str, Sequence[str], None],
    ) -> None:
        """How the numbers are to be read."""
        for option, values in (("mean", mean), ("std", std), ("scale", scale), ("eps_per_feature", eps_per_feature)):
            if values is not None:
                self.line.append(f"--{option.replace('_', '-')}={numbers(values, option)}")
        if bounds is not None:
            self.line.append(f"--domain={ranges(bounds)}")
        if labels is not None:
            if any("," in str(name) for name in labels):
                raise UsageError("labels: the name of a class may not hold a comma")
            self.classes = list(labels)
            self.line += ["--labels", ",".join(map(str, labels))]
        self.line += _options(layout=layout, accept=None if accept is None else _list(accept))

    def search(self, timeout: Optional[float], seed: int, limit: Optional[int]) -> None:
        """How long to search."""
        self.line += _options(timeout=timeout, seed=seed or None, limit=limit)

    def __call__(self) -> tuple[str, str, Optional["tempfile.TemporaryDirectory[str]"]]:
        arrays = None
        if self.inputs is not None:
            arrays = (_arrays.raw(self.inputs), _arrays.raw(_arrays.labels(self.labels, self.classes)))
        self.inputs = None
        with shown(self.progress) as told:
            try:
                _, json = _native.call(self.line, arrays, told)
            except _native.NativeError as native:
                files = [self.net.path, self.data, "X", "y", self.out]
                raise translated(native, files) from None
        if f'"{self.net.sha256}"' not in json:
            raise DataError(f"{self.net.path}: the file changed since certus.load read it; load it again", self.net.path)
        return json, self.out, self.folder


class shown:
    """Progress as it was asked for, for the time of a ``with``."""

    def __init__(self, progress: "Progress") -> None:
        self.progress = progress
        self.bar: Any = None

    def __enter__(self) -> Optional[Callable[[int, int, str], object]]:
        if callable(self.progress):
            return self.progress
        return self.tell if self.progress else None

    def tell(self, done: int, total: int, words: str) -> None:
        if self.bar is None:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                tqdm = _Plain
            self.bar = tqdm(total=total, unit=" inputs")
        self.bar.update(done - self.bar.n)
        if words:
            self.bar.set_postfix_str(words)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


class _Plain:
    """A line on stderr, where tqdm is not installed."""

    def __init__(self, total: int, unit: str) -> None:
        self.total, self.unit, self.n = total, unit, 0

    def update(self, more: int) -> None:
        self.n += more
        sys.stderr.write(f"\r{self.n}/{self.total}{self.unit}")

    def set_postfix_str(self, words: str) -> None:
        sys.stderr.write(f": {words}")

    def close(self) -> None:
        sys.stderr.write("\n")


def warn(sentences: Sequence[str]) -> None:
    """What may be wrong with the data, as warnings at the caller's line."""
    import warnings

    from ._errors import pythonic

    here = os.path.dirname(__file__)
    level = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.dirname(frame.f_code.co_filename) == here:
        frame = frame.f_back
        level += 1
    for sentence in sentences:
        warnings.warn(pythonic(sentence), CertusWarning, stacklevel=level)
