"""What people pass from Python (numpy numbers, arrays, paths) as the plain data that JSON keeps, and back."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from plasticbench.errors import PlasticbenchError


def plain(value: Any, field: str) -> Any:
    """`value` with numpy's numbers and arrays as Python's, tuples as lists and paths as text.

    Raises PlasticbenchError, with the place, for a number that is not finite and for what JSON cannot keep.
    """
    if value is None or isinstance(value, (bool, str)):
        return value if value is None or isinstance(value, bool) else str(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise PlasticbenchError(f"{field}: {float(value)!r} cannot be kept in a JSON file; give a finite number")
        return float(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise PlasticbenchError(f"{field}: the key {key!r:.40} is not text; names are")
        return {str(key): plain(entry, f"{field}.{key}") for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry, f"{field}[{i}]") for i, entry in enumerate(value)]
    if hasattr(value, "tolist") and not isinstance(value, type):  # numpy's numbers and arrays, torch's tensors
        return plain(value.tolist(), field)
    raise PlasticbenchError(
        f"{field}: {type(value).__name__} cannot be kept in a JSON file; give numbers, text, lists or objects of them"
    )


def whole_number(value: Any, field: str, low: int) -> int:
    """A whole number from `low` up, numpy's too. Raises PlasticbenchError."""
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if isinstance(value, bool) or number < low:
        raise PlasticbenchError(f"{field}: {value!r:.40} is not a whole number from {low} up")
    return number


def null_for_undefined(values: Iterable[float]) -> list[float | None]:
    """Numbers as JSON has them: null stands for one that is not finite."""
    return [value if math.isfinite(value) else None for value in values]


def nan_for_null(values: Sequence[float | None]) -> tuple[float, ...]:
    """Numbers read from JSON, NaN for what is undefined."""
    return tuple(math.nan if value is None else float(value) for value in values)
