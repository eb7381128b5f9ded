"""What comes out: figures with their intervals, rows, counterexamples, proofs; as numbers, tables, pictures and files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Iterator, Mapping, NamedTuple, Optional, Union

from . import _native
from ._errors import CannotCreateError, DataError, MissingFileError

if TYPE_CHECKING:
    import tempfile

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from ._network import PathLike


class Figure(float):
    """A share of inputs: a float with the count and the total that it is the quotient of.

    Attributes
    ----------
    numerator, denominator : int
        The count and the total.

    Examples
    --------
    >>> figure = Figure(467, 500)
    >>> figure, figure > 0.9
    (93.4 % (467 of 500), True)
    >>> low, high = figure.interval()
    >>> round(low, 4), round(high, 4)
    (0.9086, 0.9541)
    """

    numerator: int
    denominator: int

    def __new__(cls, numerator: int, denominator: int) -> "Figure":
        self = super().__new__(cls, numerator / denominator if denominator else float("nan"))
        self.numerator = numerator
        self.denominator = denominator
        return self

    def __getnewargs__(self) -> Any:
        return self.numerator, self.denominator

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Clopper and Pearson's interval for the share among all inputs of which these are an independent sample.

        Parameters
        ----------
        level : float
            At least this share of samples have intervals that contain it.

        Returns
        -------
        (low, high) : tuple of float
        """
        found = _native.interval(self.numerator, self.denominator, level) if self.denominator else None
        return (float("nan"), float("nan")) if found is None else found

    def __repr__(self) -> str:
        if not self.denominator:
            return "0 of 0"
        return f"{100 * float(self):.1f} % ({self.numerator} of {self.denominator})"

    __str__ = __repr__


class Counterexample(NamedTuple):
    """An input inside the region, exactly, whose label is another; validated without any tolerance.

    Attributes
    ----------
    index : int
        Position of the input that it perturbs.
    input : array
        The perturbed input in the units of eps, of the shape of an input; the doubles nearest to the exact numbers in `file`.
    output : array of shape (outputs,)
        The network's outputs there, in single precision.
    file : str
        In the format of the VNN competition, exact.
    """

    index: int  # type: ignore[assignment]
    input: "NDArray[np.float64]"
    output: "NDArray[np.float64]"
    file: str


class Proof(NamedTuple):
    """A proof that an independent checker accepted: ``certus check DIR`` asks it again.

    Attributes
    ----------
    index : int
        Position of the input.
    property, proof : str
        The files of the property (VNN-LIB) and of its proof.
    sha256 : str
        Of the proof.
    """

    index: int  # type: ignore[assignment]
    property: str
    proof: str
    sha256: str


def _point(file: str, shape: tuple[int, ...], index: int) -> Counterexample:
    import re

    import numpy as np

    with open(file, encoding="utf-8") as text:
        content = text.read()
    values: dict[str, list[float]] = {"X": [], "Y": []}
    for kind, number in re.findall(r"\(([XY])_\d+\s+([^\s()]+)\)", content):
        top, _, bottom = number.partition("/")
        values[kind].append(float(top) / float(bottom) if bottom else float(top))
    point = np.array(values["X"], dtype=np.float64)
    if point.size == _size(shape):
        point = point.reshape(shape)
    return Counterexample(index, point, np.array(values["Y"], dtype=np.float64), file)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


class _Kept:
    """A report, and the folder that it and its evidence lie in."""

    def __init__(self, report: Mapping[str, Any], out: str, folder: "Optional[tempfile.TemporaryDirectory[str]]") -> None:
        self.report: Mapping[str, Any] = report
        self.folder = out
        self._temporary = folder

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row an input, as docs/report.md describes it."""
        return list(self.report["rows"])

    @property
    def warnings(self) -> list[str]:
        """What may be wrong with the data, a sentence each."""
        return list((self.report.get("as_read") or {}).get("warnings", []))

    def save(self, out: "PathLike") -> str:
        """Copy the folder with the report, the journal and the evidence; what ``certus certify --out`` would have written.

        Parameters
        ----------
        out : path
            A folder that is not there yet, or is empty.

        Returns
        -------
        str
            The folder.
        """
        import shutil

        out = os.fspath(out)
        if os.path.isdir(out) and os.listdir(out):
            raise CannotCreateError(f"{out}: there are files in this folder already; name another one", out)
        try:
            shutil.copytree(self.folder, out, dirs_exist_ok=True)
        except OSError as error:
            raise CannotCreateError(f"{out}: cannot be created: {error}", out) from None
        return out

    def to_pandas(self) -> "pd.DataFrame":
        """The rows as a DataFrame, one an input, by index."""
        import pandas as pd

        frame = pd.json_normalize(self.rows, sep="_")
        return frame.set_index("index") if "index" in frame else frame

    def __getstate__(self) -> dict[str, Any]:
        return {"report": dict(self.report), "files": dict(files_of(self.folder))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        import tempfile

        folder = tempfile.TemporaryDirectory(prefix="certus-")
        write_files(folder.name, state["files"])
        self.__init__(state["report"], folder.name, folder)  # type: ignore[misc]


def files_of(folder: str) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder: its name from there, and its content."""
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                yield os.path.relpath(path, folder), file.read()


def write_files(folder: str, files: Mapping[str, bytes]) -> None:
    """Writes files below a folder."""
    for name, content in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)


_COLORS = {"certified": "#2a7f62", "undecided": "#d9b44a", "falsified": "#c0504d", "misclassified": "#8c8c8c"}


class Result(_Kept):
    """What :func:`certify` or :func:`attack` found.

    Attributes
    ----------
    report : dict
        The whole report.json; docs/report.md describes it.
    folder : str
        Where it lies with its evidence.
    clean_accuracy, adversarial_accuracy, attack_success_rate : Figure
        Correct of all; correct and not broken of all; broken of the correct ones.
    certified_accuracy, undecided : Figure or None
        Certified of all; neither certified nor broken of all. ``None`` after :func:`attack`.
    """

    @classmethod
    def _of(cls, text: str, out: str, folder: "Optional[tempfile.TemporaryDirectory[str]]") -> "Result":
        import json

        from ._campaign import warn

        result = cls(json.loads(text), out, folder)
        warn(result.warnings)
        return result

    def _figure(self, name: str) -> Optional[Figure]:
        share = self.report["summary"].get(name)
        return None if share is None else Figure(share["numerator"], share["denominator"])

    def _share(self, name: str) -> Figure:
        figure = self._figure(name)
        if figure is None:
            raise DataError(f"the report has no {name}")
        return figure

    @property
    def clean_accuracy(self) -> Figure:
        """Inputs that are classified correctly, of all."""
        return self._share("clean_accuracy")

    @property
    def adversarial_accuracy(self) -> Figure:
        """Inputs that are classified correctly and that no attack broke, of all."""
        return self._share("adversarial_accuracy")

    @property
    def attack_success_rate(self) -> Figure:
        """Inputs that an attack broke, of those that are classified correctly."""
        return self._share("attack_success_rate")

    @property
    def certified_accuracy(self) -> Optional[Figure]:
        """Inputs that are proved to keep their label, of all; ``None`` where no certification was asked for."""
        return self._figure("certified_accuracy")

    @property
    def undecided(self) -> Optional[Figure]:
        """Inputs that are neither certified nor broken, of all."""
        return self._figure("undecided")

    @property
    def verdicts(self) -> "NDArray[np.str_]":
        """``certified``, ``falsified``, ``unknown`` or ``misclassified`` of each row."""
        import numpy as np

        return np.array([row["verdict"] for row in self.report["rows"]])

    @property
    def margins(self) -> "NDArray[np.float64]":
        """The least proven lower bound of y_label − y_t over all other classes t of each row; NaN where none was computed."""
        import numpy as np

        margins = [row["margin_bound"] for row in self.report["rows"]]
        return np.array([np.nan if margin is None else margin for margin in margins], dtype=np.float64)

    @property
    def indices(self) -> "NDArray[np.int64]":
        """The position of each row in the data."""
        import numpy as np

        return np.array([row["index"] for row in self.report["rows"]], dtype=np.int64)

    @property
    def counterexamples(self) -> dict[int, Counterexample]:
        """Of each broken input, by its position, what broke it."""
        shape = tuple((self.report.get("as_read") or {}).get("shape", []))
        named = [(row["index"], row["counterexample"]) for row in self.report["rows"] if row["counterexample"]]
        return {index: _point(os.path.join(self.folder, name), shape, index) for index, name in named}

    @property
    def proofs(self) -> list[Proof]:
        """The proofs, where `proofs` was set: one for each input at one of the levels that begin with ``proved``."""
        import csv

        folder = os.path.join(self.folder, "proofs")
        index = os.path.join(folder, "index.csv")
        if not os.path.exists(index):
            return []
        with open(index, newline="", encoding="utf-8") as file:
            return [
                Proof(int(row["index"]), os.path.join(folder, row["property"]), os.path.join(folder, row["proof"]), row["proof_sha256"])
                for row in csv.DictReader(file)
            ]

    def _parts(self) -> dict[str, int]:
        counts = dict.fromkeys(_COLORS, 0)
        for row in self.report["rows"]:
            counts["undecided" if row["verdict"] == "unknown" else row["verdict"]] += 1
        return counts

    def plot(self, ax: Any = None) -> Any:
        """Draw which part of the inputs is certified, undecided, broken and misclassified.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure otherwise.

        Returns
        -------
        matplotlib Axes
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(7, 1.6), layout="constrained")
        total, left = max(len(self.report["rows"]), 1), 0.0
        names = {"falsified": "broken"}
        for part, count in self._parts().items():
            share = 100 * count / total
            ax.barh([0], [share], left=[left], color=_COLORS[part], label=f"{names.get(part, part)} {share:.1f} %")
            left += share
        ax.set_xlim(0, 100)
        ax.set_yticks([])
        ax.set_xlabel(f"% of {len(self.report['rows'])} inputs, {self._question()}")
        ax.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize="small")
        return ax

    def _question(self) -> str:
        settings = self.report["settings"]
        norm = {"linf": "L∞", "l2": "L2"}.get(settings["norm"], settings["norm"])
        return f"{norm} perturbations up to ε = {settings['epsilon']['exact']}"

    def __repr__(self) -> str:
        figures = [("clean", self.clean_accuracy), ("adversarial", self.adversarial_accuracy), ("certified", self.certified_accuracy)]
        shown = ", ".join(f"{name} {figure}" for name, figure in figures if figure is not None)
        return f"<certus.Result: {shown}>"

    def _repr_html_(self) -> str:
        import html

        rows = ""
        meanings = [
            ("clean accuracy", self.clean_accuracy, "classified correctly"),
            ("adversarial accuracy", self.adversarial_accuracy, "correct, no counterexample found"),
            ("certified accuracy", self.certified_accuracy, "proved for every perturbation"),
            ("undecided", self.undecided, "neither broken nor proved"),
            ("attack success rate", self.attack_success_rate, "of the correct ones, broken"),
        ]
        for name, figure, meaning in meanings:
            if figure is None:
                continue
            low, high = figure.interval()
            interval = "" if low != low else f"{100 * low:.1f} – {100 * high:.1f} %"
            cells = [name, f"{figure.numerator} / {figure.denominator}", f"{100 * figure:.1f} %", interval, meaning]
            rows += "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
        total = max(len(self.report["rows"]), 1)
        bar = "".join(
            f'<span title="{part}: {count}" style="display:inline-block;height:1em;width:{100 * count / total:.3f}%;background:{_COLORS[part]}"></span>'
            for part, count in self._parts().items()
        )
        notes = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.warnings)
        model = html.escape(os.path.basename(self.report["model"]["file"]))
        return (
            f"<div><b>certus</b> {model}: {html.escape(self._question())}"
            f'<div style="width:100%;max-width:40em;white-space:nowrap;font-size:1em">{bar}</div>'
            f"<table><tr><th></th><th>inputs</th><th>share</th><th>95 % interval</th><th></th></tr>{rows}</table>"
            f"{'<ul>' + notes + '</ul>' if notes else ''}</div>"
        )


class RadiusResult(_Kept):
    """What :func:`radius` found: of every input, how far its label is proved to hold, and where it is broken.

    Attributes
    ----------
    report : dict
        The whole report.json.
    certified, attacked : array of shape (n,)
        The largest ε with a proof, and the distance of the nearest counterexample found (infinite where there is none), in the units of eps;
        0 where the input is misclassified.
    """

    @classmethod
    def _of(cls, text: str, out: str, folder: "Optional[tempfile.TemporaryDirectory[str]]") -> "RadiusResult":
        import json

        from ._campaign import warn

        result = cls(json.loads(text), out, folder)
        warn(result.warnings)
        return result

    def _radii(self, name: str) -> "NDArray[np.float64]":
        import numpy as np

        nothing = np.inf if name == "attacked" else 0.0
        radii = []
        for row in self.report["rows"]:
            bound = row[name]
            radii.append(0.0 if not row["correct"] else nothing if bound is None else float(bound["value"]))
        return np.array(radii, dtype=np.float64)

    @property
    def certified(self) -> "NDArray[np.float64]":
        """Certified radius of each row."""
        return self._radii("certified")

    @property
    def attacked(self) -> "NDArray[np.float64]":
        """Attacked radius of each row."""
        return self._radii("attacked")

    def certified_accuracy(self, eps: float) -> Figure:
        """The share of inputs whose certified radius is at least `eps`."""
        certified = self.certified
        return Figure(int(((certified >= eps) & (certified > 0)).sum()), len(certified))

    def plot(self, ax: Any = None) -> Any:
        """Draw the share of inputs that is certified, and that survives the attack, against ε.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure otherwise.

        Returns
        -------
        matplotlib Axes
        """
        import matplotlib.pyplot as plt
        import numpy as np

        if ax is None:
            _, ax = plt.subplots(figsize=(6, 4), layout="constrained")
        most = float(self.report["settings"]["max_epsilon"]["value"])
        grid = np.linspace(0, most, 200)
        for radii, name, color in ((self.certified, "certified", "certified"), (self.attacked, "survives attack", "falsified")):
            correct = np.array([row["correct"] for row in self.report["rows"]])
            shares = [100 * np.mean(correct & (radii >= eps)) for eps in grid]
            ax.plot(grid, shares, label=name, color=_COLORS[color])
        ax.set_xlabel("ε")
        ax.set_ylabel(f"% of {len(self.report['rows'])} inputs")
        ax.set_ylim(0, 100)
        ax.legend(frameon=False)
        return ax

    def __repr__(self) -> str:
        import numpy as np

        return f"<certus.RadiusResult: {len(self.rows)} inputs, mean certified radius {np.mean(self.certified):.4g}>"


class AuditResult:
    """What :func:`audit` found: the report of ``certus audit``, and its page.

    Attributes
    ----------
    report : dict
        The whole report.json; docs/audit.md describes it.
    folder : str
        Where it lies with its page and its evidence.
    criteria_met : bool
        Whether all criteria of the plan are met; ``True`` where it has none.
    """

    def __init__(self, report: Mapping[str, Any], folder: str) -> None:
        self.report: Mapping[str, Any] = report
        self.folder = folder

    @property
    def page(self) -> str:
        """The file of the page."""
        return os.path.join(self.folder, "report.html")

    @property
    def criteria_met(self) -> bool:
        """Whether all criteria of the plan are met."""
        return all(criterion["result"] == "met" for criterion in self.report.get("criteria", []))

    def to_pandas(self) -> "pd.DataFrame":
        """The table rows.csv: one row for every model, dataset, input, norm and radius."""
        import pandas as pd

        return pd.read_csv(os.path.join(self.folder, "rows.csv"))

    def __repr__(self) -> str:
        return f"<certus.AuditResult {self.page}>"

    def _repr_html_(self) -> str:
        import html

        return f'<div><b>certus</b> audit: <a href="{html.escape(self.page)}">{html.escape(self.page)}</a></div>'


def load_result(folder: "PathLike") -> Union[Result, RadiusResult]:
    """Read a finished campaign: what :meth:`Result.save`, or ``certus certify --out``, wrote.

    Parameters
    ----------
    folder : path
        The folder with report.json.

    Returns
    -------
    Result or RadiusResult
    """
    import json

    folder = os.fspath(folder)
    file = os.path.join(folder, "report.json")
    try:
        with open(file, encoding="utf-8") as text:
            report = json.load(text)
    except OSError:
        raise MissingFileError(f"{file}: no such file; there is no finished campaign in this folder", file) from None
    except ValueError as error:
        raise DataError(f"{file}: {error}", file) from None
    kind = RadiusResult if report.get("command") == "radius" else Result
    return kind(report, folder, None)
