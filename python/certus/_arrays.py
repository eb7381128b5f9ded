"""Arrays of the caller as the library takes them: a type, a shape and bytes. What is no array of numbers is refused with a sentence."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Optional, Sequence, Union

from ._errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Raw = "tuple[str, list[int], bytes]"


def is_file(value: Any) -> bool:
    """Whether an argument names a file."""
    return isinstance(value, (str, os.PathLike))


def array(value: Any, name: str) -> "NDArray[Any]":
    """An array of numbers of whatever has them: NumPy, pandas, torch, nested lists."""
    import numpy as np

    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach().cpu().numpy()
    elif hasattr(value, "dtypes") and hasattr(value, "columns"):
        _check_columns(value, name)
        value = value.to_numpy()
    elif hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if isinstance(value, np.ma.MaskedArray):
        if value.mask is not np.ma.nomask and bool(value.mask.any()):
            raise DataError(f"{name}: masked elements have no value; fill them or leave these inputs out", name)
        value = value.data
    try:
        result = np.asarray(value)
    except ValueError:
        raise DataError(f"{name}: rows of different lengths are no array", name) from None
    if result.dtype == object:
        result = _of_objects(result, name)
    if result.dtype == np.bool_:
        return result.astype(np.uint8)
    if result.dtype == np.float16:
        return result.astype(np.float32)
    if result.dtype == np.uint64:
        if result.size and int(result.max()) > np.iinfo(np.int64).max:
            raise DataError(f"{name}: numbers beyond 2**63 are not read", name)
        return result.astype(np.int64)
    if result.dtype.kind not in "iuf" or result.dtype.itemsize > 8:
        raise DataError(f"{name}: elements of type {result.dtype}; whole numbers and float32 or float64 are read", name)
    return result


def _check_columns(frame: Any, name: str) -> None:
    """Refuses a table with a column that holds no numbers, or no value."""
    for column in frame.columns:
        cells = frame[column]
        kind = getattr(cells.dtype, "kind", "O")
        if kind not in "iufb":
            raise DataError(
                f"{name}: column {str(column)!r} holds {cells.dtype}, no numbers: encode it as numbers, as was done for training, or leave it out",
                name,
                f"column {str(column)!r}",
            )
        if bool(cells.isna().any()):
            row = int(cells.isna().to_numpy().argmax())
            raise DataError(
                f"{name}: row {row}, column {str(column)!r}: there is no value; fill it, or leave the row out",
                name,
                f"row {row}, column {str(column)!r}",
            )


def _of_objects(value: "NDArray[Any]", name: str) -> "NDArray[Any]":
    """Objects that are numbers all the same."""
    import numpy as np

    for position, item in enumerate(value.reshape(-1)):
        if isinstance(item, (str, bytes)) or item is None:
            raise DataError(f"{name}: element {position} is {item!r}, no number", name, f"element {position}")
    try:
        return value.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name}: elements of type object; an array of numbers is read", name) from None


def raw(value: "NDArray[Any]") -> tuple[str, list[int], bytes]:
    """An array as the library takes it."""
    import numpy as np

    return value.dtype.str, list(value.shape), np.ascontiguousarray(value).tobytes()


def doubles(value: Any, name: str) -> "NDArray[np.float64]":
    """An array of finite doubles."""
    import numpy as np

    result = np.ascontiguousarray(array(value, name), dtype=np.float64)
    finite = np.isfinite(result)
    if not finite.all():
        place = tuple(int(axis[0]) for axis in np.nonzero(~finite))
        raise DataError(f"{name}: element {place} is NaN or infinite", name, f"element {place}")
    return result


def labels(value: Any, classes: Optional[Sequence[Any]]) -> "NDArray[Any]":
    """Class numbers: as they are, or the positions of names in `classes`."""
    import numpy as np

    given = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value.detach().cpu() if hasattr(value, "detach") else value)
    if given.ndim == 0:
        raise UsageError("y is one label; y is a list of labels, one for each input, and X[None] makes a list of one input")
    if classes is not None:
        position = {_plain(name): at for at, name in enumerate(classes)}
        found = [position.get(_plain(item)) for item in given.reshape(-1)]
        if None not in found:
            return np.array(found, dtype=np.int64)
        if given.dtype.kind not in "iuf":
            row = found.index(None)
            known = ", ".join(map(repr, (_plain(name) for name in classes)))
            raise DataError(f"y: row {row}: the label {_plain(given.reshape(-1)[row])!r} is none of the classes {known}", "y", f"row {row}")
    if given.dtype.kind in "OUS":
        try:
            return array(given.astype(np.int64) if given.dtype.kind == "O" else given, "y")
        except (DataError, TypeError, ValueError):
            raise DataError(
                f"y: the label {_plain(given.reshape(-1)[0])!r} is a name; labels=[...] gives the names of the classes, in the order of the network's outputs",
                "y",
            ) from None
    return array(given, "y")


def _plain(item: Any) -> Union[str, int, float, Any]:
    """A scalar without NumPy around it."""
    item = item.item() if hasattr(item, "item") else item
    return int(item) if isinstance(item, float) and item.is_integer() else item
