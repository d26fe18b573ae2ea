"""The words that every expression shares: functions, names, numbers; and how errors speak of them."""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Iterable

# Number of arguments; None = two or more.
FUNCTIONS: dict[str, int | None] = {
    "exp": 1,
    "log": 1,
    "sqrt": 1,
    "abs": 1,
    "tanh": 1,
    "sigmoid": 1,
    "relu": 1,
    "step": 1,
    "min": None,
    "max": None,
}

# Numbers stay below this in magnitude, so that they and their products with states fit single precision.
MAX_MAGNITUDE = 1e30

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def is_identifier(name: str) -> bool:
    """Whether `name` may name a parameter, variable or array: ASCII letter first, at most 64 characters."""
    return _IDENTIFIER.fullmatch(name) is not None and not keyword.iskeyword(name)


def on_offer(name: str, offered: Iterable[str]) -> str:
    """The tail of an error about an unknown name: the nearest one, and those there are."""
    names = sorted(offered)
    nearest = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    listed = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
    return f"{hint}on offer: {listed or 'none'}"


def shorten(found: object, limit: int = 60) -> str:
    """`repr` of what was found, on one line and short enough for an error message."""
    text = repr(found[: 2 * limit]) if isinstance(found, str) else repr(found)
    return text if len(text) <= limit else text[: limit - 3] + "..."
