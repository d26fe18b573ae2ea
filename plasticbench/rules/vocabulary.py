"""The words of the rule language.

What a synapse can see, when it may change, and which functions it may apply.

A task offers a subset of these variables; a rule that uses another one is an error that lists those on offer.
A task of your own may offer further variables: name them in `load_rule(path, variables=...)`.
"""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Iterable

TRACES: dict[str, str] = {
    "x_pre": "presynaptic spike trace: +1 per arriving spike, exponential decay",
    "x_post": "postsynaptic spike trace: +1 per spike, exponential decay",
    "x_pre2": "presynaptic spike trace with a second time constant",
    "x_post2": "postsynaptic spike trace with a second time constant",
}

VARIABLES: dict[str, str] = {
    "pre": "presynaptic rate",
    "post": "postsynaptic rate",
    "w": "weight of this synapse",
    "m": "the task's modulator (0 where it has none)",
    "reconstruction": "sum over outputs k <= i of post_k w_kj (Sanger's lateral sum; not local)",
    **TRACES,
    "v": "low-pass filtered postsynaptic membrane voltage (V)",
    "c_exc": "filtered excitatory synaptic drive",
    "c_inh": "filtered inhibitory synaptic drive",
}

EVENTS: dict[str, str] = {
    "on_step": "one presentation in a rate network",
    "on_pre": "arrival of a presynaptic spike",
    "on_post": "a postsynaptic spike",
}
RATE_EVENTS = ("on_step",)
SPIKING_EVENTS = ("on_pre", "on_post")

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
