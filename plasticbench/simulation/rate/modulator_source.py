"""A modulator's value in a rate network as compiled code, from its expression.

`value(t, n_outputs, n_items, frame)`: the frame points to the signal, the outputs (n_outputs, n_items), `m` (n_outputs)
and the recording of this delivery (n_outputs). An output's activity is its mean over the items.
"""

from __future__ import annotations

from functools import lru_cache

from plasticbench.language.emission import dialect, emit_values
from plasticbench.language.program import Expression
from plasticbench.simulation.compile import compile_module

_INDENT = "    "


def modulator_address(expression: Expression) -> int:
    """The address of the compiled value."""
    return _compiled(modulator_source(expression))


@lru_cache(maxsize=64)
def _compiled(source: str) -> int:
    return compile_module(source).value.address


def modulator_source(expression: Expression) -> str:
    """The source of a module with a modulator's compiled value."""
    body, values = emit_values(
        expression.program.lowered, {}, ("signal", "total", "activity"), dialect("numba", "float64")
    )
    inner = [
        "activity = 0.0",
        "for _s in range(_items):",
        f"{_INDENT}activity += y[_i * _items + _s]",
        "activity = activity / _items",
    ]
    lines = [
        "frame = i8(_frame)",
        "signal, y, m, kept = f8(frame[0])[0], f8(frame[1]), f8(frame[2]), f8(frame[3])",
        "total = 0.0",
        "for _i in range(_n):",
        *(f"{_INDENT}{line}" for line in [*inner, "total += activity"]),
        "for _i in range(_n):",
        *(f"{_INDENT}{line}" for line in [*inner, *body, f"m[_i] = {values[-1]}", "kept[_i] = m[_i]"]),
    ]
    return (
        "import math\n\nimport numpy as np\n\nfrom plasticbench.simulation.compile import c_callable\n"
        "from plasticbench.simulation.pointers import f8, i8\n\n\n"
        '@c_callable("void(int64, int64, int64, int64)")\ndef value(_t, _n, _items, _frame):\n'
        + "".join(f"{_INDENT}{line}\n" for line in lines)
    )
