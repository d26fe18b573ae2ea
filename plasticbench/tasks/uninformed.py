"""Classes of rules that know nothing, each a small space of numbers to be searched.

A rule that knows nothing never relates the two sides of a synapse: it sets a constant, or follows the presynaptic side
alone, the time that has passed, its own weight or, in rate networks, the postsynaptic side alone. A task's score
counts from the best of these (`blind_loss`), so that it measures what is left: learning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plasticbench.rules import Rule, rule_from_json

_STEEPNESS = 5.0  # of a signed axis: half of it is for numbers below exp(-5/2) of the largest
_LARGEST_SPIKING_WEIGHT, _LARGEST_RATE_WEIGHT = 20.0, 2.0  # where the task sets no bound


@dataclass(frozen=True)
class Axis:
    """One number of a rule, from a coordinate in [0, 1]; in units of the largest weight where `is_weight`."""

    parameter: str
    low: float = 0.0  # 0: the axis is signed, from -high to high and finer towards 0; else logarithmic
    high: float = 1.0
    is_weight: bool = False

    def value(self, place: float, largest_weight: float) -> float:
        unit = largest_weight if self.is_weight else 1.0
        if self.low > 0.0:
            return unit * self.low * (self.high / self.low) ** place
        return unit * self.high * math.sinh(_STEEPNESS * (2.0 * place - 1.0)) / math.sinh(_STEEPNESS)


@dataclass(frozen=True)
class UninformedClass:
    """Rules of one form, the same for every plastic pathway and with numbers of each pathway's own."""

    name: str
    words: str  # what such a rule does
    part: Mapping[str, Any]  # of a rule file, without numbers
    axes: tuple[Axis, ...]

    def dimension(self, task: Any) -> int:
        return len(self.axes) * len(task.pathways)

    def rule(self, places: Any, task: Any) -> Rule:
        """The rule at a point of the unit cube, (dimension,)."""
        parts = {}
        for p, pathway in enumerate(task.pathways):
            own = places[p * len(self.axes) : (p + 1) * len(self.axes)]
            largest = largest_weight(task, pathway)
            numbers = {axis.parameter: axis.value(float(x), largest) for axis, x in zip(self.axes, own, strict=True)}
            parts[pathway] = {**self.part, "parameters": numbers}
        return rule_from_json({"format": "plasticbench/rule@2", "name": f"uninformed-{self.name}", "pathways": parts})


def largest_weight(task: Any, pathway: str) -> float:
    """The pathway's upper bound, as far as it has one that means something."""
    (found,) = [p for p in task.example_network.plastic_pathways if p.name == pathway]
    bound = getattr(found, "w_max", math.inf)
    return min(bound, _LARGEST_RATE_WEIGHT if task.track == "rate" else _LARGEST_SPIKING_WEIGHT)


_LEVEL, _GAIN = Axis("a", is_weight=True), Axis("c", is_weight=True)
_SPEED = Axis("k", 1e-3, 1.0)
# The weight at 0 Hz and at 20 Hz, and the straight line through them.
_BY_RATE = {"on_pre": "a + (b - a) * x_pre / (20 * tau_s) - w", "traces": {"x_pre": "tau_s"}}
_AT_RATES = (Axis("a", 1e-3, 3.0, is_weight=True), Axis("b", 1e-3, 3.0, is_weight=True))
_SPIKING = (
    UninformedClass("constant", "sets every weight to one number", {"on_pre": "a - w"},
                    (Axis("a", 1e-3, 1.0, is_weight=True),)),
    UninformedClass("presynaptic", "sets the weight by the presynaptic rate of the last moments",
                    _BY_RATE, (*_AT_RATES, Axis("tau_s", 5e-3, 0.5))),
    UninformedClass("slow-presynaptic", "sets the weight by a slow presynaptic trace, which tells time, too",
                    _BY_RATE, (*_AT_RATES, Axis("tau_s", 0.5, 100.0))),
    UninformedClass("presynaptic-sum", "adds up the presynaptic rate's distance from a set point",
                    {"on_pre": "c * (x_pre / tau_s - rate_hz)", "traces": {"x_pre": "tau_s"}},
                    (Axis("c", high=3e-3, is_weight=True), Axis("rate_hz", 0.5, 200.0), Axis("tau_s", 0.02, 20.0))),
    UninformedClass("weight", "changes the weight by the weight alone",
                    {"on_pre": "c * (w - p) * (w - q) / (p + q)"},
                    (Axis("c"), Axis("p", 1e-3, 1.0, is_weight=True), Axis("q", 1e-3, 1.0, is_weight=True))),
)  # fmt: skip
_RATE = (
    UninformedClass("constant", "sets every weight to one number", {"on_step": "a - w"}, (_LEVEL,)),
    UninformedClass("presynaptic", "follows the input, its average or its power",
                    {"on_step": "k * (a + c * pre + d * pre**2 - w)"},
                    (_SPEED, _LEVEL, _GAIN, Axis("d", is_weight=True))),
    UninformedClass("postsynaptic", "follows the output, or keeps it at a size by scaling all weights alike",
                    {"on_step": "k * (a + b * w + c * post + d * post**2 * w)"},
                    (_SPEED, _LEVEL, Axis("b"), _GAIN, Axis("d"))),
    UninformedClass("time", "sets the weight by the time that has passed",
                    {"on_step": {"t": "1", "w": "k * (a + c * min(t / steps, 1) - w)"}, "state": {"t": {}}},
                    (_SPEED, _LEVEL, _GAIN, Axis("steps", 1.0, 1e4))),
    UninformedClass("weight", "changes the weight by the weight alone",
                    {"on_step": "k * (a + b * w + c * w**2 + d * w**3)"},
                    (_SPEED, _LEVEL, Axis("b"), Axis("c"), Axis("d"))),
)  # fmt: skip


def uninformed_classes(track: str) -> tuple[UninformedClass, ...]:
    """Every class for the tasks of a track."""
    return _RATE if track == "rate" else _SPIKING
