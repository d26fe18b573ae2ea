"""The synapse at which a rule is shown: what a picture has no axis for, and one change of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from plasticbench.errors import PlasticbenchError
from plasticbench.rules import Rule
from plasticbench.rules.policy import changes
from plasticbench.rules.variables import MODULATOR, VARIABLES

_REST_V = -0.06
_RATE_W = 0.5  # of rate rules, whose weights are of order one
_SPIKING_BOUND = 0.3  # of excitatory synapses in this package's recurrent networks
_NO_BOUND = 1e9


@dataclass(frozen=True)
class Shown:
    """What is assumed of a synapse that is shown."""

    w: float
    w_max: float = _NO_BOUND
    voltage: float = _REST_V  # V, of the postsynaptic membrane, where a rule reads it
    reads_voltage: bool = False

    @property
    def words(self) -> str:
        """The assumption, for a caption."""
        bound = "" if self.w_max >= _NO_BOUND else f" of at most {self.w_max:.3g}"
        voltage = f", membrane at {1e3 * self.voltage:g} mV" if self.reads_voltage else ""
        return f"w = {self.w:.3g}{bound}{voltage}"


def shown_at(rule: Rule, w: float | None = None, w_max: float | None = None) -> Shown:
    """Half of the bound: `w_max`, or that of the package's excitatory synapses for a spiking rule; else 0.5.

    `w` overrides it. Raises PlasticbenchError for a weight that is negative or no number.
    """
    if w is not None and not (math.isfinite(w) and w >= 0.0):
        raise PlasticbenchError(f"w: {w:g} is no weight; a finite number of at least 0 is wanted")
    reads = any({"v", "u"} & pathway.variables for pathway in rule.pathways.values())
    if w_max is None:
        w_max = max(_SPIKING_BOUND, w or 0.0) if rule.kind == "spiking" else _NO_BOUND
    half = _RATE_W if w_max >= _NO_BOUND else 0.5 * w_max
    return Shown(half if w is None else w, w_max, reads_voltage=reads)


def changes_of(rule: Rule, pathway: str, seen: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What changes of a synapse that sees this, by name; `w` is always among it."""
    own = rule.for_pathway(pathway)
    if own is None:
        return {"w": np.zeros(np.broadcast_shapes(*(np.shape(value) for value in seen.values())))}
    return changes(Rule(rule.name, {pathway: own}), {pathway: seen})[pathway]


def others(rule: Rule, pathway: str, shape: tuple[int, ...], shown: Shown) -> dict[str, np.ndarray]:
    """Everything that a rule may see, where nothing happens; a modulator is 1 whenever it is delivered."""
    own = rule.for_pathway(pathway)
    zero = dict.fromkeys({} if own is None else (*own.traces, *own.states), 0.0)
    given = {"w": shown.w, "w_max": shown.w_max, "v": shown.voltage, "u": shown.voltage, MODULATOR: 1.0}
    values = {**dict.fromkeys(VARIABLES, 0.0), **given, **zero, "modulator": 1.0}
    return {name: np.full(shape, value) for name, value in values.items()}
