"""Families of spike-timing rules that slices of brain are fitted with: pairs of spikes, and triplets.

on_pre: Δw = −η x_post (A2_minus + A3_minus x_pre2); on_post: Δw = η x_pre (A2_plus + A3_plus x_post2). Pfister &
Gerstner, J. Neurosci. 26:9673 (2006), doi:10.1523/JNEUROSCI.1425-06.2006: `triplet` is their full model,
`minimal-triplet` the one without A3_minus, `pair` the one without triplets. All-to-all; traces are read as they were
before the spike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from plasticbench.rules.families.base import Coordinate, TemplateFamily
from plasticbench.rules.pathway import PathwayRule

# Where a search starts: of the order of the published amplitudes of visual cortex, in units of η, and time constants.
_AMPLITUDES = {"A2_plus": 0.3, "A2_minus": 0.5, "A3_plus": 0.6, "A3_minus": 0.1}
_TAUS_S = {"tau_plus": 0.0168, "tau_minus": 0.0337, "tau_x": 0.3, "tau_y": 0.08}
_SHORTEST_S = 1e-3
_LONGEST_S = {"tau_plus": 0.3, "tau_minus": 0.3, "tau_x": 2.0, "tau_y": 2.0}  # of pairs, and of triplets


class Triplet(TemplateFamily):
    """Four amplitudes of either sign and four time constants. `eta` is the learning rate inside the rule."""

    name = "triplet"
    amplitudes: ClassVar[tuple[str, ...]] = ("A2_plus", "A3_plus", "A2_minus", "A3_minus")
    taus: ClassVar[tuple[str, ...]] = ("tau_plus", "tau_minus", "tau_x", "tau_y")
    traces: ClassVar[tuple[str, ...]] = ("x_pre", "x_post", "x_pre2", "x_post2")
    on_pre: ClassVar[str] = "-eta * x_post * (A2_minus + A3_minus*x_pre2)"
    on_post: ClassVar[str] = "eta * x_pre * (A2_plus + A3_plus*x_post2)"

    def __init__(self, pathways: Sequence[str], eta: float = 0.01, std: float = 0.3) -> None:
        super().__init__(pathways)
        self.eta, self.std = eta, std

    def template(self, pathway: str) -> PathwayRule:
        numbers = {name: _AMPLITUDES[name] for name in self.amplitudes} | {name: _TAUS_S[name] for name in self.taus}
        return PathwayRule.make(
            {"on_pre": self.on_pre, "on_post": self.on_post},
            {"eta": self.eta, **numbers},
            dict(zip(self.traces, self.taus, strict=True)),
        )

    def coordinates(self, pathway: str) -> list[Coordinate]:
        sizes = [Coordinate(name, start=_AMPLITUDES[name], std=self.std) for name in self.amplitudes]
        return sizes + [
            Coordinate(
                name, math.log(_SHORTEST_S), math.log(_LONGEST_S[name]), math.log(_TAUS_S[name]), std=2.0 * self.std,
                logarithmic=True, penalised=False,
            )
            for name in self.taus
        ]  # fmt: skip


class MinimalTriplet(Triplet):
    """Depression by pairs, potentiation by pairs and triplets: three amplitudes and three time constants."""

    name = "minimal-triplet"
    amplitudes = ("A2_plus", "A3_plus", "A2_minus")
    taus = ("tau_plus", "tau_minus", "tau_y")
    traces = ("x_pre", "x_post", "x_post2")
    on_pre = "-eta * A2_minus * x_post"


class Pair(Triplet):
    """Pairs alone: two amplitudes and two time constants."""

    name = "pair"
    amplitudes = ("A2_plus", "A2_minus")
    taus = ("tau_plus", "tau_minus")
    traces = ("x_pre", "x_post")
    on_pre = "-eta * A2_minus * x_post"
    on_post = "eta * A2_plus * x_pre"
