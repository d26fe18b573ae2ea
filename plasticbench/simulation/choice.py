"""Whether a rule is interpreted or compiled on the cpu engine. The bits are the same; only the time differs.

Compiling a structure pays after some use of it. So a structure is interpreted until what it has been used for, this use
included, would have cost about the time of compiling it; from then on it is compiled: no use of it takes more than
about twice the time of the better choice. The interpreter itself is compiled once on a machine, in some seconds: when
a process has met more than a few structures. What it does not do is compiled at once (see `bytecode`).

The environment's PLASTICBENCH_RULES is `auto` (this), `compiled`, or `interpreted` (wherever it can be).
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from plasticbench.errors import PlasticbenchError
from plasticbench.rules import Structure
from plasticbench.simulation.compile import cache_dir

VARIABLE, AUTO, INTERPRETED, COMPILED = "PLASTICBENCH_RULES", "auto", "interpreted", "compiled"

# Measured: what an operation costs beyond the compiled one, and the time to compile a structure.
_OPERATION_S = 1e-9
_COMPILING_S = 0.5
_COMPILING_OPERATION_S = 0.01
_FEW = 8  # structures, which are compiled in about the time of the interpreter


@dataclass
class _Use:
    """Of one structure in this process."""

    n_operations: int  # of one event at one synapse
    extra_s: float = 0.0  # what interpreting it has cost


@lru_cache(maxsize=4096)
def _use_of(structure: Structure) -> _Use:
    programs = [
        change.straight_line()[0].lowered
        for pathway in structure.pathways
        for changes in pathway.events.values()
        for change in changes.values()
    ]
    return _Use(sum(len(program.instructions) for program in programs))


def interpreter_is_ready(kind: str) -> None:
    """Note that the interpreter of a kind of network ("rate", "spiking", "clamped") is among the kept machine code."""
    with contextlib.suppress(OSError):
        _mark(kind).touch()


def _mark(kind: str) -> Path:
    return cache_dir() / f"interpreter-{kind}"


def interpreted(structure: Structure, n_events: float, kind: str) -> bool:
    """Whether rules of this structure, about to see `n_events` (events x synapses), are interpreted.

    `kind`: of network, as of `interpreter_is_ready`. Raises PlasticbenchError for an unknown PLASTICBENCH_RULES.
    """
    mode = os.environ.get(VARIABLE, AUTO)
    if mode not in (AUTO, INTERPRETED, COMPILED):
        raise PlasticbenchError(f"{VARIABLE}: {mode!r:.60} is none of {AUTO}, {INTERPRETED}, {COMPILED}")
    if mode != AUTO:
        return mode == INTERPRETED
    use = _use_of(structure)
    use.extra_s += n_events * use.n_operations * _OPERATION_S
    if use.extra_s > _COMPILING_S + use.n_operations * _COMPILING_OPERATION_S:
        return False
    return _use_of.cache_info().misses > _FEW or _mark(kind).exists()
