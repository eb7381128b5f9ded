"""What can go wrong, as exceptions: one for each exit code of the program, with the file and the place in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Sequence, Type

from ._native import NativeError

if TYPE_CHECKING:
    import re


class CertusWarning(UserWarning):
    """Data that may be wrong: a sentence that says what, and what would say that it is meant."""


class CertusError(Exception):
    """Any error of this package: one sentence that says what to do.

    Attributes
    ----------
    code : int
        The exit code that the program ends with.
    file : str or None
        The file that the sentence is about, or the name of the argument: ``X``, ``y``.
    place : str or None
        The place in it, such as ``row 3, column 5`` or ``line 7``.
    """

    code: int = 70

    def __init__(self, message: str, file: Optional[str] = None, place: Optional[str] = None) -> None:
        super().__init__(message)
        self.file = file
        self.place = place

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UsageError(CertusError, ValueError):
    """An argument that makes no sense."""

    code = 64


class DataError(CertusError, ValueError):
    """A file or an array whose content is unusable, or does not fit the network."""

    code = 65


class MissingFileError(CertusError, FileNotFoundError):
    """A file that is missing or unreadable."""

    code = 66


class InternalError(CertusError, RuntimeError):
    """An error in certus itself; please report it."""

    code = 70


class CannotCreateError(CertusError, OSError):
    """An output folder that cannot be made, or that holds results already."""

    code = 73


class WriteError(CertusError, OSError):
    """Writing failed, for example on a full disk."""

    code = 74


class BusyError(CertusError, OSError):
    """Another process works in the output folder."""

    code = 75


_BY_CODE: dict[int, Type[CertusError]] = {
    kind.code: kind
    for kind in (UsageError, DataError, MissingFileError, InternalError, CannotCreateError, WriteError, BusyError)
}

# What follows an option of the program where a sentence gives an example of its value.
_VALUE = r"(?: (\d[\d/.,e-]*\d|\d|none|flat|same|large-eps|outside-domain|counting-column|[A-Z]{2,}(?:,[A-Z…]+)*))?"
_OPTION = r"--([a-z][a-z-]*)" + _VALUE
_SWITCHES = {"resume", "overwrite", "untargeted", "proofs"}
_NAMES = {"domain": "bounds", "data": "X"}
_PLACE = (
    r":(?P<line>\d+):|: (?P<place>(?:row|input|line|node|tensor|claim|element|byte|operator|column|layer) [^:]*?):"
)
_ORDER = r" \(axes in the order \[([\d, ]+)\] would fit\)"


def _argument(match: "re.Match[str]") -> str:
    """An option of the program as an argument of Python's."""
    option, value = match.group(1), match.group(2)
    name = _NAMES.get(option, option.replace("-", "_"))
    if value is None:
        return f"{name}=True" if option in _SWITCHES else name
    if option == "domain" and value != "none":
        return f"{name}=({value.replace(',', ', ')})"
    return f'{name}="{value}"'


def _axes(match: "re.Match[str]") -> str:
    axes = ", ".join(str(int(axis) + 1) for axis in match.group(1).split(","))
    return f" (X.transpose(0, {axes}) would fit)"


def pythonic(message: str) -> str:
    """The program's sentence, in terms of Python's arguments."""
    import re

    message = re.sub(_ORDER, _axes, message)
    message = re.sub(r"; 'certus[^']*--help' [^;]*$|; see 'certus[^']*'", "", message)
    return re.sub(_OPTION, _argument, message)


def error(code: int, message: str, files: Sequence[str] = ()) -> CertusError:
    """The exception of an exit code; `files` are the names that the sentence may begin with."""
    import re

    file: Optional[str] = None
    place: Optional[str] = None
    for name in sorted(files, key=len, reverse=True):
        if message.startswith((f"{name}:", f"{name} ")):
            file = name
            found = re.match(_PLACE, message[len(name) :])
            if found:
                place = f"line {found.group('line')}" if found.group("line") else found.group("place")
            break
    kind = _BY_CODE.get(code, CertusError)
    return kind(pythonic(message), file, place)


def translated(native: NativeError, files: Sequence[str] = ()) -> CertusError:
    """The exception for what the native half raised."""
    code, message = native.args
    return error(code, message, files)
