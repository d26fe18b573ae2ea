"""A task's declaration as canonical JSON data: what its hash is made of.

Numbers are written with nine digits, so that two machines whose libraries round differently agree.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import io
import textwrap
import tokenize
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from plasticbench.networks.neurons import NeuronModel

if TYPE_CHECKING:
    from plasticbench.tasks.task import Task

_LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
_PROTOCOL = ("n_steps", "recordings", "phases", "modulator", "resets", "targets", "presentations", "w_init")
_PROTOCOL_WHERE_ANY = (
    "excursions",
    "renewals",
)  # parts that are declared where there are any: hashes of other tasks stay
_DECIDING = ("life", "loss", "step_losses", "blow_up_loss")  # methods whose code decides a loss
_EQUATIONS = ("state", "derived", "updates", "threshold", "hazard_hz", "at_spike", "refractory", "held", "receptors",
              "readable", "decaying")  # fmt: skip


def declared(value: Any) -> Any:
    """A dataclass, mapping, sequence, array or number as JSON data."""
    if isinstance(value, bool | str | int | type(None)):
        return value
    if isinstance(value, float | np.floating):
        return f"{float(value):.9g}"
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "kind": value.dtype.kind}
    if isinstance(value, NeuronModel):
        equations = {name: declared(getattr(value, name)) for name in _EQUATIONS}
        return {"model": type(value).__name__, "constants": declared(value.constants), **equations}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        decides = [f for f in dataclasses.fields(value) if f.metadata.get("decides", True)]
        told = {f.name: getattr(value, f.name) for f in decides}
        for f in decides:  # fields that came later: hashes of tasks without them stay
            if "told_unless" in f.metadata and told[f.name] == f.metadata["told_unless"]:
                del told[f.name]
        fields = {name: declared(item) for name, item in told.items()}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(key): declared(item) for key, item in value.items()}
    if isinstance(value, np.integer):
        return int(value)
    return [declared(item) for item in value]


def declared_life(task: Task) -> dict[str, Any]:
    """The network, protocol and recordings of a task's example life, and the code of its loss."""
    drawn = {}
    if task.declares_lives:
        named = (*_PROTOCOL, *(name for name in _PROTOCOL_WHERE_ANY if getattr(task.example, name)))
        drawn = {name: declared(getattr(task.example, name)) for name in named}
    return {
        "class": type(task).__name__,
        "network": declared(task.example_network),
        "life": drawn,
        "code": {name: _code(getattr(type(task), name)) for name in _DECIDING},
    }


def _code(method: Any) -> str:
    """SHA-256 of a method's code without comments, layout and docstrings; the same on every version of Python."""
    try:
        lines = io.StringIO(textwrap.dedent(inspect.getsource(method)))
    except OSError:  # typed into an interpreter
        return hashlib.sha256(method.__code__.co_code).hexdigest()
    kept, starts_statement = [], True
    for token in tokenize.generate_tokens(lines.readline):
        if token.type in _LAYOUT:
            starts_statement = token.type != tokenize.COMMENT
        elif not (starts_statement and token.type == tokenize.STRING):
            kept.append(token.string)
            starts_statement = False
    return hashlib.sha256("".join(kept).encode()).hexdigest()
