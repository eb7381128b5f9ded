"""Exact numbers as text: what is typed is what is meant, and a float means its decimal text."""

from __future__ import annotations

from typing import Any, Union

from ._errors import UsageError

Number = Union[str, int, float, "Any"]


def exact(value: Any, name: str) -> str:
    """The exact number that an argument means, as the program takes it.

    Parameters
    ----------
    value : str, int, float, Fraction, Decimal or a NumPy scalar
        ``"8/255"`` and ``Fraction(8, 255)`` are a fraction; ``0.1`` is a tenth, not the nearest double.
    name : str
        The argument's name, for the error.

    Examples
    --------
    >>> from fractions import Fraction
    >>> exact("8/255", "eps"), exact(Fraction(8, 255), "eps"), exact(0.1, "eps")
    ('8/255', '8/255', '0.1')
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or value is None:
        raise UsageError(f"{name}={value!r} is no number")
    if hasattr(value, "ndim") and getattr(value, "ndim") == 0 and hasattr(value, "item"):
        # Of a float32 the shortest decimal that means it, which is what NumPy prints.
        value = str(value) if type(value).__module__ == "numpy" else value.item()
        return str(value)
    if hasattr(value, "numerator") and hasattr(value, "denominator"):
        return f"{value.numerator}/{value.denominator}" if value.denominator != 1 else str(value.numerator)
    text = str(value)
    try:
        number = float(text)
    except ValueError:
        raise UsageError(f"{name}={value!r} is no number: a str such as '8/255', a Fraction or a float is") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise UsageError(f"{name}={value!r} is no finite number")
    return text


def numbers(value: Any, name: str) -> str:
    """One number, or a list of them, such as one a channel."""
    if isinstance(value, str) or not hasattr(value, "__len__") or getattr(value, "ndim", 1) == 0:
        return exact(value, name)
    flat = value.reshape(-1) if hasattr(value, "reshape") else value
    return ",".join(exact(item, name) for item in flat)


def ranges(value: Any) -> str:
    """The valid values: ``(low, high)``, ends that are arrays, or ``None`` or ``"none"`` for no limits.

    Examples
    --------
    >>> ranges((0, 1)), ranges(([0, 0], [1, 255])), ranges("none")
    ('0,1', '0,1;0,255', 'none')
    """
    if isinstance(value, str):
        return value
    if len(value) != 2:
        raise UsageError("bounds is a pair of the lowest and the highest valid value: bounds=(0, 1)")
    low, high = (numbers(end, "bounds").split(",") for end in value)
    count = max(len(low), len(high))
    low, high = (end * count if len(end) == 1 else end for end in (low, high))
    if len(low) != len(high):
        raise UsageError(f"bounds has {len(low)} lower and {len(high)} upper ends")
    return ";".join(f"{a},{b}" for a, b in zip(low, high))
