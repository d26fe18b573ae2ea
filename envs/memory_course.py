"""The course of a life that is probed for what it remembers: training, breaks, and probes as excursions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from plasticbench.networks.excursions import Excursion
from plasticbench.networks.life import Phase
from plasticbench.networks.sources import Schedule
from plasticbench.simulation.random import Stream

PATTERNS = ("novel", "familiar")  # in the order in which each probe shows them
BEFORE = "before"  # the probe before training

Window = tuple[int, int]  # of steps: the first, and the one after the last


@dataclass(frozen=True)
class Course:
    """Background, training, breaks that count from its end; a probe before training and at the end of each break."""

    settling_s: float
    training_s: float
    breaks_s: tuple[float, ...]
    probe_s: float  # for which each pattern is shown
    after_probe_s: float
    base_s: float  # before each probe
    rest_s: float  # before the last one; 0: it is no phase
    dt_s: float

    @property
    def probes(self) -> tuple[str, ...]:
        """Their names."""
        return (BEFORE, *(f"{break_s:g}s" for break_s in self.breaks_s))

    @cached_property
    def phases(self) -> dict[str, Phase]:
        """`training`, `rest`, and of each probe base_, novel_ and familiar_ with its name; in steps of the life."""
        begins = self._steps(self.settling_s) + 2 * self._away
        found = [Phase("training", begins, begins + self._steps(self.training_s))]
        for k, probe in enumerate(self.probes):
            leaves = self.excursions[2 * k].start
            found.append(Phase(f"base_{probe}", leaves - self._steps(self.base_s), leaves))
            for pattern, excursion in zip(PATTERNS, self.excursions[2 * k :], strict=False):
                start = excursion.start
                found.append(Phase(f"{pattern}_{probe}", start, start + self._steps(self.probe_s)))
        if self.rest_s:
            found.append(Phase("rest", leaves - self._steps(self.rest_s), leaves))
        return {phase.name: phase for phase in found}

    @cached_property
    def excursions(self) -> tuple[Excursion, ...]:
        """Of each probe one for the novel and one for the familiar pattern, from the same point."""
        trained_s = self.settling_s + self.training_s
        leaves_s = np.repeat([self.settling_s, *(trained_s + break_s for break_s in self.breaks_s)], len(PATTERNS))
        starts = [self._steps(at_s) + k * self._away for k, at_s in enumerate(leaves_s.tolist())]
        return tuple(Excursion(start, start + self._away) for start in starts)

    def windows(self, pattern: str) -> list[Window]:
        """When probes show a pattern."""
        shown = [self.phases[f"{pattern}_{probe}"] for probe in self.probes]
        return [(phase.start, phase.stop) for phase in shown]

    def presentations(self, seed: int, on_s: float, off_s: float) -> list[Window]:
        """When training shows the familiar pattern: for N(on_s, on_s/3) at a time, cut at 0, Exp(off_s) apart."""
        stream, found, begins_s = Stream(seed, "presentations"), [], 0.0
        training = self.phases["training"]
        while training.start + self._steps(begins_s) < training.stop:
            ends_s = begins_s + max(0.0, on_s * (1.0 + float(stream.normal()) / 3.0))
            on, off = (training.start + self._steps(at_s) for at_s in (begins_s, ends_s))
            if on < off:
                found.append((on, min(off, training.stop)))
            begins_s = ends_s - off_s * math.log(float(stream.uniform()))
        return found

    @property
    def _away(self) -> int:
        return self._steps(self.probe_s + self.after_probe_s)

    def _steps(self, seconds: float) -> int:
        return round(seconds / self.dt_s)


def rate_within(windows: Iterable[Window], rate_hz: float) -> Schedule:
    """This rate in some windows that do not overlap, and 0 elsewhere."""
    changes = {0: 0.0}
    for on, off in sorted(windows):
        changes |= {on: rate_hz, off: 0.0}  # a window may begin where the one before ends
    return Schedule(np.array(list(changes), np.int64), np.array(list(changes.values())))
