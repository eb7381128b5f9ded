"""The native half: commands of the library, and networks."""

from collections.abc import Callable
from typing import Optional

__version__: str

_Array = tuple[str, list[int], bytes]

class NativeError(Exception):
    """An exit code and a sentence."""

    args: tuple[int, str]

class Network:
    """A network that was read from a file."""

    def __new__(cls, path: str, output: Optional[str], inputs: list[tuple[str, str]]) -> "Network": ...
    @property
    def sha256(self) -> str: ...
    @property
    def input_shape(self) -> list[int]: ...
    @property
    def sizes(self) -> tuple[int, int, int]: ...
    @property
    def notes(self) -> list[str]: ...
    @property
    def layers(self) -> list[tuple[str, str, list[int], int]]: ...
    def outputs(self, inputs: bytes) -> bytes: ...
    def bounds(self, lower: bytes, upper: bytes, crown: bool) -> tuple[bytes, bytes]: ...

def call(
    line: list[str],
    arrays: Optional[tuple[_Array, _Array]] = None,
    progress: Optional[Callable[[int, int, str], object]] = None,
) -> tuple[int, str]: ...
def main(line: list[str], again: list[str], file: str) -> int: ...
def interval(count: int, total: int, level: float) -> Optional[tuple[float, float]]: ...
