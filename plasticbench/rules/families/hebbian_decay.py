"""Hebbian plasticity with decay: A ← λA + η h xᵀ, as Δw = η post·pre − decay·w with decay = 1 − λ.

Tyulmankov, Yang & Abbott, Neuron 110:544 (2022), equation 2 (HebbFF). Learners usually train it together
with the task's slow weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from plasticbench.errors import RuleError
from plasticbench.rules.families.base import Coordinate, TemplateFamily
from plasticbench.rules.pathway import PathwayRule

_FORMS = {
    "free": "eta*post*pre - decay*w",
    "hebbian": "strength*post*pre - decay*w",
    "anti-hebbian": "-strength*post*pre - decay*w",
}
_START_DECAY = 0.05


class HebbianDecay(TemplateFamily):
    """θ = (ln decay, η) per pathway, or (ln decay, ln |η|) where `sign` is "hebbian" or "anti-hebbian".

    `scale` is the size of η that θ = 1 stands for; a free η starts at 0, so its sign is found and not given.
    """

    name = "hebbian-decay"

    def __init__(
        self,
        pathways: Sequence[str],
        sign: Literal["free", "hebbian", "anti-hebbian"] = "free",
        scale: float = 0.05,
    ) -> None:
        super().__init__(pathways)
        if sign not in _FORMS:
            raise RuleError(f"family {self.name}: sign {sign!r}; choose from {', '.join(_FORMS)}")
        self.sign, self.scale = sign, scale

    def template(self, pathway: str) -> PathwayRule:
        strength = "eta" if self.sign == "free" else "strength"
        return PathwayRule.make({"on_step": _FORMS[self.sign]}, {"decay": _START_DECAY, strength: self.scale})

    def coordinates(self, pathway: str) -> list[Coordinate]:
        decay = Coordinate(
            "decay", math.log(1e-6), 0.0, math.log(_START_DECAY), std=0.5, logarithmic=True, penalised=False
        )
        if self.sign == "free":
            return [decay, Coordinate("eta", jitter=0.01, std=0.5, scale=self.scale, penalised=False)]
        start = math.log(self.scale)
        return [decay, Coordinate("strength", -12.0, 3.0, start, std=0.5, logarithmic=True, penalised=False)]
